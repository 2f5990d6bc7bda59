/* bench_report.c: what a load has measured, for people and for programs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/text.h"
#include "cli/bench.h"
#include "cli/cli.h"

#define REPORT_BYTES 2048
#define NS_PER_US 1000

static const struct {
    const char *name;
    uint32_t per_million;
} percentiles[] = {
    {"p50", 500000}, {"p90", 900000}, {"p99", 990000}, {"p99.9", 999000}, {"max", 1000000},
};

static double seconds_of(const struct bench *bench)
{
    return (double)bench->measured_ns / (double)NS_PER_S;
}

static uint64_t throughput(const struct bench *bench)
{
    return (uint64_t)((double)bench->done_count / seconds_of(bench));
}

static void report_text(const struct bench *bench)
{
    const struct bench_options *options = bench->options;
    printf("load        %llu clients, pipeline %llu, values of %llu bytes, %llu %% reads\n",
           (unsigned long long)options->client_count, (unsigned long long)options->pipeline,
           (unsigned long long)options->value_bytes, (unsigned long long)options->reads_percent);
    printf("throughput  %llu answers/s (%llu in %.2f s)\n", (unsigned long long)throughput(bench),
           (unsigned long long)bench->done_count, seconds_of(bench));
    printf("latency    ");
    for (size_t i = 0; i < COUNT_OF(percentiles); i++) {
        uint64_t value = histogram_percentile(&bench->latency, percentiles[i].per_million);
        printf(" %s %.3f ms%s", percentiles[i].name, (double)value / (double)NS_PER_MS,
               i + 1 < COUNT_OF(percentiles) ? "," : "\n");
    }
    for (size_t i = 0; i < bench->error_kind_count; i++) {
        printf("errors      %s %llu\n", bench->errors[i].kind,
               (unsigned long long)bench->errors[i].count);
    }
    if (bench->failed_count > 0) {
        printf("errors      %zu connections refused or cut\n", bench->failed_count);
    }
}

static void number(struct text *text, const char *key, uint64_t value)
{
    text_json_key(text, key);
    text_json_u64(text, value);
}

static void report_json(const struct bench *bench)
{
    static const char *const keys[] = {"p50_us", "p90_us", "p99_us", "p999_us", "max_us"};
    _Static_assert(COUNT_OF(keys) == COUNT_OF(percentiles), "a key for each percentile");
    char line[REPORT_BYTES];
    struct text text = text_of(line, sizeof(line));
    text_json_object_begin(&text);
    number(&text, "clients", bench->options->client_count);
    number(&text, "pipeline", bench->options->pipeline);
    number(&text, "value_bytes", bench->options->value_bytes);
    number(&text, "reads_percent", bench->options->reads_percent);
    number(&text, "answers", bench->done_count);
    number(&text, "measured_us", bench->measured_ns / NS_PER_US);
    number(&text, "answers_per_s", throughput(bench));
    for (size_t i = 0; i < COUNT_OF(percentiles); i++) {
        uint64_t value = histogram_percentile(&bench->latency, percentiles[i].per_million);
        number(&text, keys[i], value / NS_PER_US);
    }
    number(&text, "failed_connections", bench->failed_count);
    text_json_key(&text, "errors");
    text_json_object_begin(&text);
    for (size_t i = 0; i < bench->error_kind_count; i++) {
        number(&text, bench->errors[i].kind, bench->errors[i].count);
    }
    text_json_object_end(&text);
    text_json_object_end(&text);
    puts(line);
}

int bench_report(const struct bench *bench)
{
    if (bench->options->is_json) {
        report_json(bench);
    } else {
        report_text(bench);
    }
    int flushed = cli_flush();
    return bench->done_count > 0 ? flushed : CLI_FAILED;
}
