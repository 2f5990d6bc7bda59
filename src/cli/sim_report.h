/* sim_report.h: what came of runs, for people and for programs.
 *
 * Owns     the wording; docs/commands/sim.mdoc names the keys of the JSON.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SIM_REPORT_H
#define CLI_SIM_REPORT_H

#include <stdio.h>

#include "cli/sim.h"

#define SIM_LABEL_COLUMNS 14

/* A seed that failed. */
struct sim_failure {
    uint64_t seed;
    struct qr_sim_report report;
};

/* What came of many seeds. */
struct sim_totals {
    uint64_t seeds_run;
    uint64_t failed;
    time_ns virtual_ns;
    time_ns cpu_ns;
    time_ns real_ns;
    bool is_interrupted;
    struct qr_sim_report counts; /* their sums; nothing else of it */
    size_t failure_count;
    struct sim_failure *failures; /* in the order of their seeds, at the end */
};

/* Print one run: what was drawn, what happened, and the trace hash in the last line. */
void sim_report_one(FILE *stream, const struct sim_options *options,
                    const struct sim_result *result);
void sim_report_one_json(FILE *stream, const struct sim_options *options,
                         const struct sim_result *result);

/* Print which checker failed, in what words, and the command that runs it again. */
void sim_report_failure(FILE *stream, const struct sim_options *options,
                        const struct sim_case *chosen, const struct qr_sim_report *report);

/* Print the summary of many runs. */
void sim_report_many(const struct sim_options *options, const struct sim_totals *totals);
void sim_report_many_json(const struct sim_options *options, const struct sim_totals *totals);

/* Print what a search for a shorter run has found. */
void sim_report_shrunk(const struct sim_options *options, const struct sim_case *shorter,
                       const struct qr_sim_report *before, const struct qr_sim_shrunk *shrunk);
void sim_report_shrunk_json(const struct sim_options *options, const struct sim_case *shorter,
                            const struct qr_sim_report *before, const struct qr_sim_shrunk *shrunk);

/* Print the settings of a run that are not 0, in few lines; write all as member "plan". */
void sim_plan_print(FILE *stream, const struct sim_case *chosen);
void sim_plan_json(struct text *text, const struct sim_case *chosen);

#endif
