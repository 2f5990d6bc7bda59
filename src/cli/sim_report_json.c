/* sim_report_json.c: what came of runs, as JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "cli/sim_report.h"

/* A failure is at most 6 times its text as JSON, and so is a program's path; a command, faults to
 * skip and settings are plain.
 */
#define OBJECT_BYTES_MAX                                                                           \
    (6 * QR_SIM_TEXT_BYTES_MAX + SIM_COMMAND_BYTES_MAX + SIM_SKIPPED_BYTES_MAX + 65536)

static void string(struct text *text, const char *key, const char *value)
{
    text_json_key(text, key);
    text_json_string(text, value);
}

static void number(struct text *text, const char *key, uint64_t value)
{
    text_json_key(text, key);
    text_json_u64(text, value);
}

/* A number with three places; not a number at all is 0. */
static void ratio(struct text *text, const char *key, double part, double whole)
{
    uint64_t value = whole > 0 ? (uint64_t)(part * 1000 / whole) : 0;
    text_json_key(text, key);
    text_json_u64(text, value / 1000);
    text_char(text, '.');
    text_char(text, (char)('0' + value / 100 % 10));
    text_char(text, (char)('0' + value / 10 % 10));
    text_char(text, (char)('0' + value % 10));
}

static void hash(struct text *text, const char *key, bool is_known, uint64_t value)
{
    text_json_key(text, key);
    if (is_known) {
        text_json_hex(text, value, 16);
    } else {
        text_json_null(text);
    }
}

static void counts(struct text *text, const struct qr_sim_report *report)
{
#define X(name, help) number(text, #name, report->name);
    QR_SIM_COUNT_MAP(X)
#undef X
}

static void skipped(struct text *text, const struct sim_case *chosen)
{
    char list[SIM_SKIPPED_BYTES_MAX];
    struct text faults = text_of(list, sizeof(list));
    sim_case_skipped_write(chosen->skipped, chosen->skipped_count, &faults);
    string(text, "skip_faults", list);
}

static void failure(struct text *text, const struct sim_options *options,
                    const struct sim_case *chosen, const struct qr_sim_report *report)
{
    char command[SIM_COMMAND_BYTES_MAX];
    struct text replay = text_of(command, sizeof(command));
    sim_command_write(options, chosen, &replay);
    string(text, "checker", report->checker);
    number(text, "failed_ns", report->failed_ns);
    string(text, "failure", report->failure);
    string(text, "replay", command);
}

static void object_print(FILE *stream, struct text *text)
{
    text_json_object_end(text);
    ASSERT(!text->truncated); /* see OBJECT_BYTES_MAX */
    fputs(text->data, stream);
}

void sim_report_one_json(FILE *stream, const struct sim_options *options,
                         const struct sim_result *result)
{
    char object[OBJECT_BYTES_MAX];
    const struct qr_sim_report *report = &result->report;
    struct text text = text_of(object, sizeof(object));
    text_json_object_begin(&text);
    number(&text, "seed", options->chosen.seed);
    text_json_key(&text, "passed");
    text_json_bool(&text, report->has_passed);
    hash(&text, "trace_hash", result->has_trace_hash, report->trace_hash);
    hash(&text, "digest", result->has_trace_hash, report->digest);
    number(&text, "virtual_ns", report->virtual_ns);
    number(&text, "cpu_ns", result->cpu_ns);
    number(&text, "real_ns", result->real_ns);
    counts(&text, report);
    sim_plan_json(&text, &options->chosen);
    skipped(&text, &options->chosen);
    failure(&text, options, &options->chosen, report);
    object_print(stream, &text);
    fputc('\n', stream);
}

/* The first of them is told at the top, where a script finds it; then all, in a list. */
static void failures_print(const struct sim_options *options, const struct sim_totals *totals,
                           struct sim_case *chosen)
{
    char object[OBJECT_BYTES_MAX];
    fputs("\"failures\":[", stdout);
    for (size_t i = 0; i < totals->failure_count; i++) {
        const struct sim_failure *failed = &totals->failures[i];
        struct text text = text_of(object, sizeof(object));
        chosen->seed = failed->seed;
        text_json_object_begin(&text);
        number(&text, "seed", failed->seed);
        failure(&text, options, chosen, &failed->report);
        fputs(i == 0 ? "" : ",", stdout);
        object_print(stdout, &text);
    }
    fputs("]}\n", stdout);
}

void sim_report_many_json(const struct sim_options *options, const struct sim_totals *totals)
{
    char object[OBJECT_BYTES_MAX];
    struct sim_case chosen = options->chosen;
    struct text text = text_of(object, sizeof(object));
    text_json_object_begin(&text);
    number(&text, "first_seed", options->first_seed);
    number(&text, "seeds_run", totals->seeds_run);
    number(&text, "failed", totals->failed);
    text_json_key(&text, "passed");
    text_json_bool(&text, totals->failed == 0);
    text_json_key(&text, "interrupted");
    text_json_bool(&text, totals->is_interrupted);
    number(&text, "jobs", options->jobs);
    number(&text, "virtual_ns", totals->virtual_ns);
    number(&text, "cpu_ns", totals->cpu_ns);
    number(&text, "real_ns", totals->real_ns);
    ratio(&text, "times_real_time_per_core", (double)totals->virtual_ns, (double)totals->cpu_ns);
    ratio(&text, "seeds_per_s", (double)totals->seeds_run * (double)NS_PER_S,
          (double)totals->real_ns);
    counts(&text, &totals->counts);
    if (totals->failure_count > 0) {
        chosen.seed = totals->failures[0].seed;
        number(&text, "failed_seed", chosen.seed);
        failure(&text, options, &chosen, &totals->failures[0].report);
    }
    ASSERT(!text.truncated);
    printf("%s,", object);
    failures_print(options, totals, &chosen);
}

void sim_report_shrunk_json(const struct sim_options *options, const struct sim_case *shorter,
                            const struct qr_sim_report *before, const struct qr_sim_shrunk *shrunk)
{
    char object[OBJECT_BYTES_MAX];
    struct text text = text_of(object, sizeof(object));
    text_json_object_begin(&text);
    number(&text, "seed", shorter->seed);
    number(&text, "runs", shrunk->runs);
    number(&text, "events_before", before->events);
    counts(&text, &shrunk->report);
    string(&text, "set", shorter->plan);
    skipped(&text, shorter);
    failure(&text, options, shorter, &shrunk->report);
    object_print(stdout, &text);
    putchar('\n');
}
