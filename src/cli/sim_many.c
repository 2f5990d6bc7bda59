/* sim_many.c: many seeds, on all processors.
 *
 * Owns     which seed runs next, what has come of them, and when to stop. Seeds end in any
 *          order; once enough have failed, those behind the last failing one are given up and
 *          those before it still end, so that the first failing seed is always the same.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/sim_process.h"
#include "cli/sim_report.h"
#include "quorate/error.h"

#define LABEL_BYTES_MAX 96
#define NS_PER_MINUTE (60 * NS_PER_S)

struct many {
    const struct sim_options *options;
    struct interrupt *interrupt;
    struct sim_process *processes;
    size_t running;
    struct sim_case next; /* its seed is the next to be run */
    uint64_t begun;       /* seeds */
    uint64_t fail_max;
    int code; /* not CLI_DONE: no seed could be judged, and nothing more is run */
    struct sim_totals totals;
    time_ns began_ns;
    struct progress progress;
    char label[LABEL_BYTES_MAX];
};

static bool has_enough_failures(const struct many *many)
{
    return many->totals.failed >= many->fail_max;
}

static bool may_begin(const struct many *many)
{
    const struct sim_options *options = many->options;
    if (many->code != CLI_DONE || has_enough_failures(many) || many->next.seed > SIM_SEED_MAX) {
        return false;
    }
    if (options->minutes > 0) {
        return cli_clock_ns() - many->began_ns < options->minutes * NS_PER_MINUTE;
    }
    return options->seed_count == 0 || many->begun < options->seed_count;
}

static void begin(struct many *many)
{
    const struct sim_task task = {.chosen = &many->next,
                                  .is_twice = many->options->is_twice,
                                  .timeout_ns = many->options->seed_timeout_s * NS_PER_S,
                                  .trace_descriptor = -1};
    for (size_t i = 0; i < many->options->jobs && may_begin(many); i++) {
        if (many->processes[i].pid > 0) {
            continue;
        }
        int error = sim_process_start(&many->processes[i], &task);
        if (error != 0) {
            many->code = cli_complain(CLI_FAILED, "no process can be started: %s", strerror(error));
            return;
        }
        many->running++;
        many->begun++;
        many->next.seed++;
    }
}

static void counts_add(struct qr_sim_report *sums, const struct qr_sim_report *report)
{
#define X(name, help) sums->name += report->name;
    QR_SIM_COUNT_MAP(X)
#undef X
}

static void failure_take(struct many *many, uint64_t seed, const struct qr_sim_report *report)
{
    struct sim_totals *totals = &many->totals;
    totals->failed++;
    /* Those that had begun when it was enough may be more. */
    if (totals->failure_count < SIM_FAILURES_MAX + SIM_JOBS_MAX) {
        size_t at = totals->failure_count++;
        for (; at > 0 && totals->failures[at - 1].seed > seed; at--) {
            totals->failures[at] = totals->failures[at - 1];
        }
        totals->failures[at] = (struct sim_failure){.seed = seed, .report = *report};
    }
    if (!many->options->is_json) {
        struct sim_case chosen = many->options->chosen;
        chosen.seed = seed;
        progress_clear(&many->progress);
        sim_report_failure(stdout, many->options, &chosen, report);
        (void)fflush(stdout);
    }
}

static void result_take(struct many *many, struct sim_process *process)
{
    struct sim_result result;
    sim_process_finish(process, &result);
    many->running--;
    if (result.status != 0) {
        const char *detail = result.report.failure;
        progress_clear(&many->progress);
        many->code = cli_complain(result.status == QR_ERR_INVALID ? CLI_USAGE : CLI_FAILED,
                                  "seed %llu: %s", (unsigned long long)process->seed,
                                  detail[0] == '\0' ? qr_error_text(result.status) : detail);
        return;
    }
    many->totals.seeds_run++;
    many->totals.virtual_ns += result.report.virtual_ns;
    many->totals.cpu_ns += result.cpu_ns;
    counts_add(&many->totals.counts, &result.report);
    if (!result.report.has_passed) {
        failure_take(many, process->seed, &result.report);
    }
}

/* End the runs that are of no interest any more: all, or those behind enough that failed. */
static void give_up(struct many *many, bool is_all)
{
    const struct sim_totals *totals = &many->totals;
    uint64_t last = is_all ? 0 : totals->failures[many->fail_max - 1].seed;
    for (size_t i = 0; i < many->options->jobs; i++) {
        struct sim_process *process = &many->processes[i];
        if (process->pid > 0 && (is_all || process->seed > last)) {
            sim_process_kill(process);
            many->running--;
        }
    }
}

static void progress_draw(struct many *many)
{
    const struct sim_options *options = many->options;
    time_ns spent = cli_clock_ns() - many->began_ns;
    uint64_t run = many->totals.seeds_run;
    double rate = spent == 0 ? 0 : (double)run * (double)NS_PER_S / (double)spent;
    uint64_t done = options->minutes > 0 ? spent : run;
    char left[32] = "";
    if (options->minutes > 0 || options->seed_count > 0) {
        double seconds = options->minutes > 0
                             ? (double)options->minutes * 60 - (double)spent / (double)NS_PER_S
                             : (double)(options->seed_count - run) / (rate > 0 ? rate : 1);
        (void)snprintf(left, sizeof(left), ", %.0f s left", seconds < 0 ? 0 : seconds);
    }
    (void)snprintf(many->label, sizeof(many->label), "%llu seeds, %llu failed, %.1f/s%s",
                   (unsigned long long)run, (unsigned long long)many->totals.failed, rate, left);
    progress_update(&many->progress, done);
}

static void run_all(struct many *many)
{
    begin(many);
    while (many->running > 0) {
        int ended = sim_processes_wait(many->processes, many->options->jobs, many->interrupt);
        if (ended >= 0) {
            result_take(many, &many->processes[ended]);
        }
        many->totals.is_interrupted = many->interrupt->has_come;
        if (many->totals.is_interrupted || many->code != CLI_DONE) {
            give_up(many, true);
        } else if (has_enough_failures(many)) {
            give_up(many, false);
        } else {
            begin(many);
        }
        progress_draw(many);
    }
    progress_clear(&many->progress);
    many->totals.real_ns = cli_clock_ns() - many->began_ns;
}

static int report(struct many *many)
{
    struct sim_totals *totals = &many->totals;
    if (many->options->is_json) {
        sim_report_many_json(many->options, totals);
    } else {
        sim_report_many(many->options, totals);
    }
    int flushed = cli_flush();
    return totals->failed > 0 || totals->is_interrupted ? CLI_FAILED : flushed;
}

static int processes_init(struct many *many)
{
    for (size_t i = 0; i < many->options->jobs; i++) {
        int error = sim_process_init(&many->processes[i]);
        if (error != 0) {
            return cli_complain(CLI_FAILED, "%s", strerror(error));
        }
    }
    return CLI_DONE;
}

static void many_deinit(struct many *many)
{
    for (size_t i = 0; many->processes != NULL && i < many->options->jobs; i++) {
        sim_process_deinit(&many->processes[i]);
    }
    free(many->processes);
    free(many->totals.failures);
}

static uint64_t progress_total(const struct sim_options *options)
{
    if (options->minutes > 0) {
        return options->minutes * NS_PER_MINUTE;
    }
    return options->seed_count > 0 ? options->seed_count : UINT64_MAX;
}

int sim_many(const struct sim_options *options, struct interrupt *interrupt)
{
    struct many many = {.options = options,
                        .interrupt = interrupt,
                        .next = options->chosen,
                        .fail_max = options->is_until_failure ? 1 : options->fail_max,
                        .began_ns = cli_clock_ns()};
    many.next.seed = options->first_seed;
    many.processes = calloc(options->jobs, sizeof(*many.processes));
    many.totals.failures = calloc(SIM_FAILURES_MAX + SIM_JOBS_MAX, sizeof(*many.totals.failures));
    int code = CLI_FAILED;
    if (many.processes == NULL || many.totals.failures == NULL) {
        code = cli_complain(CLI_FAILED, "memory ran out");
    } else {
        code = processes_init(&many);
    }
    if (code == CLI_DONE) {
        many.progress = progress_begin(many.label, progress_total(options));
        run_all(&many);
        code = many.code != CLI_DONE ? many.code : report(&many);
    }
    many_deinit(&many);
    return code;
}
