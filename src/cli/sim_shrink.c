/* sim_shrink.c: looks for a shorter run of a seed that still fails, each run a child process. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/shrink.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/sim_process.h"
#include "cli/sim_report.h"
#include "quorate/error.h"

#define LABEL_BYTES_MAX 96

_Static_assert(SHRINK_SKIPPED_MAX <= SIM_SKIPPED_MAX, "what is found can be told as a command");

struct shrinking {
    const struct sim_options *options;
    struct interrupt *interrupt;
    struct sim_process process;
    struct sim_case candidate;
    struct progress progress;
    char label[LABEL_BYTES_MAX];
    uint64_t runs;
    bool is_counted; /* runs die: the lines of their traces are their events */
    bool has_first;
    struct qr_sim_report first; /* of the run as it was given */
};

static void tick(void *argument)
{
    struct shrinking *shrinking = argument;
    progress_update(&shrinking->progress, shrinking->runs);
}

static void candidate_take(struct sim_case *candidate, const struct qr_sim_options *options)
{
    candidate->seed = options->seed;
    candidate->plan_bytes = strlen(options->plan);
    memcpy(candidate->plan, options->plan, candidate->plan_bytes + 1);
    candidate->skipped_count = options->skipped_fault_count;
    if (candidate->skipped_count > 0) {
        memcpy(candidate->skipped, options->skipped_faults,
               candidate->skipped_count * sizeof(candidate->skipped[0]));
    }
}

/* The line that says which assertion failed, or NULL. */
static const char *assertion_of(const struct qr_sim_report *report, size_t *length)
{
    const char *at = strstr(report->failure, "assertion failed: ");
    if (at == NULL) {
        return NULL;
    }
    while (at > report->failure && at[-1] != '\n') {
        at--;
    }
    *length = strcspn(at, "\n");
    return at;
}

/* All assertions are one checker, but one that fails elsewhere is another failure. */
static void tell_apart(const struct qr_sim_report *first, struct qr_sim_report *report)
{
    size_t first_length;
    size_t length;
    const char *wanted = assertion_of(first, &first_length);
    const char *found = assertion_of(report, &length);
    if (strcmp(first->checker, "assertion") == 0 && wanted != NULL && found != NULL &&
        (first_length != length || memcmp(wanted, found, length) != 0)) {
        (void)snprintf(report->checker, sizeof(report->checker), "another assertion");
    }
}

/* Run the candidate. Of a run that dies no counts are left: its trace is counted then. */
static int candidate_run(struct shrinking *shrinking, struct sim_result *out)
{
    const struct sim_task task = {.chosen = &shrinking->candidate,
                                  .timeout_ns = shrinking->options->seed_timeout_s * NS_PER_S,
                                  .trace_descriptor = -1,
                                  .is_counted = shrinking->is_counted};
    const struct sim_tick ticking = {.tick = tick, .argument = shrinking};
    int status = sim_process_run(&shrinking->process, &task, shrinking->interrupt, &ticking, out);
    if (status == 0 && shrinking->is_counted) {
        out->report.events = out->lines;
        out->report.trace_hash = out->lines_hash;
    }
    return status;
}

static int first_run(struct shrinking *shrinking, struct sim_result *out)
{
    int status = candidate_run(shrinking, out);
    if (status == 0 && out->status == 0 && !out->has_trace_hash) {
        shrinking->is_counted = true;
        status = candidate_run(shrinking, out);
    }
    if (status == 0) {
        shrinking->has_first = true;
        shrinking->first = out->report;
    }
    return status;
}

static int child_run(void *argument, const struct qr_sim_options *options,
                     struct qr_sim_report *out)
{
    struct shrinking *shrinking = argument;
    struct sim_result result;
    candidate_take(&shrinking->candidate, options);
    if (!shrinking->has_first) {
        int status = first_run(shrinking, &result);
        if (status != 0) {
            return status;
        }
        *out = result.report;
        return result.status;
    }
    int status = candidate_run(shrinking, &result);
    if (status == QR_ERR_CANCELLED) {
        out->has_passed = true; /* no candidate; may_go_on() ends the search */
        return 0;
    }
    if (status != 0) {
        return status;
    }
    *out = result.report;
    tell_apart(&shrinking->first, out);
    return result.status;
}

static bool may_go_on(void *argument, const struct qr_sim_shrunk *best)
{
    struct shrinking *shrinking = argument;
    shrinking->runs = best->runs;
    (void)snprintf(shrinking->label, sizeof(shrinking->label),
                   "shrinking: run %llu, the shortest so far has %llu events",
                   (unsigned long long)best->runs, (unsigned long long)best->report.events);
    progress_update(&shrinking->progress, best->runs);
    return !interrupt_has_come(shrinking->interrupt);
}

static int report(struct shrinking *shrinking, const struct qr_sim_shrunk *shrunk)
{
    const struct qr_sim_options found = {.seed = shrinking->options->chosen.seed,
                                         .plan = shrunk->plan,
                                         .skipped_faults = shrunk->skipped_faults,
                                         .skipped_fault_count = shrunk->skipped_fault_count};
    candidate_take(&shrinking->candidate, &found);
    if (shrinking->options->is_json) {
        sim_report_shrunk_json(shrinking->options, &shrinking->candidate, &shrinking->first,
                               shrunk);
    } else {
        sim_report_shrunk(shrinking->options, &shrinking->candidate, &shrinking->first, shrunk);
    }
    return cli_flush();
}

static int complain(const struct shrinking *shrinking, int status, const char *detail)
{
    switch (status) {
    case QR_ERR_NOT_FOUND:
        return cli_complain(CLI_FAILED, "seed %llu does not fail: there is nothing to shrink",
                            (unsigned long long)shrinking->options->chosen.seed);
    case QR_ERR_INVALID:
        return cli_complain(CLI_USAGE, "%s", detail);
    case QR_ERR_CANCELLED:
    case QR_ERR_BUSY:
        return CLI_FAILED; /* it was asked for, or told */
    default:
        return cli_complain(CLI_FAILED, "%s", qr_error_text(status));
    }
}

int sim_shrink(const struct sim_options *options, struct interrupt *interrupt)
{
    struct shrinking shrinking = {.options = options, .interrupt = interrupt};
    struct qr_sim_shrunk shrunk;
    const struct qr_sim_options failing = sim_case_options(&options->chosen);
    const struct shrink shrink = {.options = &failing,
                                  .runs_max = options->shrink_runs,
                                  .run = child_run,
                                  .run_argument = &shrinking,
                                  .try = may_go_on,
                                  .try_argument = &shrinking};
    int error = sim_process_init(&shrinking.process);
    if (error != 0) {
        return cli_complain(CLI_FAILED, "%s", strerror(error));
    }
    shrinking.progress = progress_begin(shrinking.label, options->shrink_runs);
    int status = shrink_search(&shrink, &shrunk);
    progress_clear(&shrinking.progress);
    int code = status == 0 ? report(&shrinking, &shrunk)
                           : complain(&shrinking, status, shrunk.report.failure);
    qr_sim_shrunk_deinit(&shrunk);
    sim_process_deinit(&shrinking.process);
    return code;
}
