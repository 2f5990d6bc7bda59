/* sim_report.c: what came of runs, as text. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sim_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/cli.h"

#define FAILURE_INDENT "    "

/* What a shell takes as one word. */
static void word_write(struct text *text, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "./_-+,:=@%";
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        text_string(text, word);
        return;
    }
    text_char(text, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'') {
            text_string(text, "'\\''");
        } else {
            text_char(text, *word);
        }
    }
    text_char(text, '\'');
}

void sim_command_write(const struct sim_options *options, const struct sim_case *chosen,
                       struct text *text)
{
    word_write(text, program_invocation_name);
    text_string(text, " sim");
    sim_case_flags_write(chosen, text);
    if (options->mutant != NULL) {
        text_string(text, " --mutant ");
        word_write(text, options->mutant);
    }
    if (options->is_twice) {
        text_string(text, " --twice");
    }
    if (options->seed_timeout_s != SIM_SEED_TIMEOUT_S_DEFAULT) {
        text_string(text, " --seed-timeout-s ");
        text_u64(text, options->seed_timeout_s);
    }
    text_string(text, " --trace text");
}

static double seconds(time_ns ns)
{
    return (double)ns / (double)NS_PER_S;
}

/* Of times of which none may be 0. */
static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static void indented(FILE *stream, const char *lines)
{
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");
        fprintf(stream, FAILURE_INDENT "%.*s\n", (int)length, lines);
        lines += length + (lines[length] == '\n');
    }
}

void sim_report_failure(FILE *stream, const struct sim_options *options,
                        const struct sim_case *chosen, const struct qr_sim_report *report)
{
    char command[SIM_COMMAND_BYTES_MAX];
    struct text text = text_of(command, sizeof(command));
    fprintf(stream, "seed %llu failed: %s", (unsigned long long)chosen->seed, report->checker);
    if (report->failed_ns > 0) {
        fprintf(stream, ", %.3f s after the start", seconds(report->failed_ns));
    }
    fputc('\n', stream);
    indented(stream, report->failure);
    sim_command_write(options, chosen, &text);
    ASSERT(!text.truncated);
    fprintf(stream, "to run it again: %s\n", command);
}

static void count_print(FILE *stream, const char *name, uint64_t count, const char *help)
{
    char label[QR_SIM_NAME_BYTES_MAX];
    (void)snprintf(label, sizeof(label), "%s", name);
    for (char *at = label; *at != '\0'; at++) {
        *at = *at == '_' ? ' ' : *at;
    }
    fprintf(stream, "%-*s%-12llu%s\n", SIM_LABEL_COLUMNS, label, (unsigned long long)count, help);
}

static void run_print(FILE *stream, const struct sim_result *result)
{
    const struct qr_sim_report *report = &result->report;
#define X(name, help) count_print(stream, #name, report->name, help);
    QR_SIM_COUNT_MAP(X)
#undef X
    fprintf(stream, "%-*s%.3f s in %.3f s: %.0f times real time\n", SIM_LABEL_COLUMNS, "time",
            seconds(report->virtual_ns), seconds(result->cpu_ns),
            ratio(seconds(report->virtual_ns), seconds(result->cpu_ns)));
    fprintf(stream, "%-*s%016llx\n", SIM_LABEL_COLUMNS, "digest",
            (unsigned long long)report->digest);
}

/* Of a run that died no counts are left. */
void sim_report_one(FILE *stream, const struct sim_options *options,
                    const struct sim_result *result)
{
    const struct qr_sim_report *report = &result->report;
    fprintf(stream, "%-*s%llu\n", SIM_LABEL_COLUMNS, "seed",
            (unsigned long long)options->chosen.seed);
    sim_plan_print(stream, &options->chosen);
    if (result->has_trace_hash) {
        run_print(stream, result);
    }
    if (report->has_passed) {
        fprintf(stream, "%-*sall checkers\n", SIM_LABEL_COLUMNS, "passed");
    } else {
        sim_report_failure(stream, options, &options->chosen, report);
    }
    if (result->has_trace_hash) {
        fprintf(stream, "trace hash %016llx\n", (unsigned long long)report->trace_hash);
    }
}

static void failed_seeds_print(const struct sim_totals *totals)
{
    printf("%-*s%llu", SIM_LABEL_COLUMNS, "failed", (unsigned long long)totals->failed);
    for (size_t i = 0; i < totals->failure_count; i++) {
        printf("%s %llu", i == 0 ? ":" : ",", (unsigned long long)totals->failures[i].seed);
    }
    putchar('\n');
}

void sim_report_many(const struct sim_options *options, const struct sim_totals *totals)
{
    double real = seconds(totals->real_ns);
    printf("%-*s%llu from %llu on%s\n", SIM_LABEL_COLUMNS, "seeds",
           (unsigned long long)totals->seeds_run, (unsigned long long)options->first_seed,
           totals->is_interrupted ? ", interrupted" : "");
    failed_seeds_print(totals);
    printf("%-*s%llu\n", SIM_LABEL_COLUMNS, "commits", (unsigned long long)totals->counts.commits);
    printf("%-*s%llu discrete ones, %llu of %llu messages lost\n", SIM_LABEL_COLUMNS, "faults",
           (unsigned long long)totals->counts.faults,
           (unsigned long long)totals->counts.messages_lost,
           (unsigned long long)totals->counts.messages);
    printf("%-*s%.1f s inside; %.1f s real, %.1f s of processors, %llu at once\n",
           SIM_LABEL_COLUMNS, "time", seconds(totals->virtual_ns), real, seconds(totals->cpu_ns),
           (unsigned long long)options->jobs);
    printf("%-*s%.0f times real time on one core, %.1f seeds/s\n", SIM_LABEL_COLUMNS, "speed",
           ratio(seconds(totals->virtual_ns), seconds(totals->cpu_ns)),
           ratio((double)totals->seeds_run, real));
}

void sim_report_shrunk(const struct sim_options *options, const struct sim_case *shorter,
                       const struct qr_sim_report *before, const struct qr_sim_shrunk *shrunk)
{
    printf("%-*s%llu events instead of %llu; %llu runs were tried\n", SIM_LABEL_COLUMNS, "shorter",
           (unsigned long long)shrunk->report.events, (unsigned long long)before->events,
           (unsigned long long)shrunk->runs);
    sim_report_failure(stdout, options, shorter, &shrunk->report);
}
