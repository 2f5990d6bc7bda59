/* sim_trace.h: the trace of one run: a header, a line for each thing that happens, an end.
 *
 * Owns     the format of a trace: the first and the last line are JSON objects, in a trace of
 *          text too; what is between them is the simulator's.
 *            {"trace":"quorate sim","format":1,"version":"0.1.0","kind":"text",
 *             "seed":17,"plan":"nodes=3","skip_faults":"3,7-9","mutant":""}
 *            {"end":true,"lines":4711,"trace_hash":"0123456789abcdef","passed":true,
 *             "checker":""}
 *          A trace without the last line was cut short.
 * Threads  none of its own. struct sim_shared is in memory that a run's process shares with
 *          the one that started it: what a run traced is not lost with it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SIM_TRACE_H
#define CLI_SIM_TRACE_H

#include "cli/sim.h"

#define SIM_TRACE_FORMAT 1
#define SIM_TRACE_BUFFER_BYTES 65536
#define SIM_TRACE_HEAD_BYTES_MAX 98304
#define SIM_EXCERPT_BYTES_MAX 1024

/* The first line of a trace that another run does not have. */
struct sim_difference {
    bool is_found;
    uint64_t line; /* of the file, from 1 */
    char in_file[SIM_EXCERPT_BYTES_MAX];
    char in_run[SIM_EXCERPT_BYTES_MAX];
};

/* What a run's process leaves to the one that started it, also when it dies. */
struct sim_shared {
    bool is_done; /* all else is final */
    int status;   /* of qr_sim_run() */
    struct qr_sim_report report;
    uint64_t lines; /* of the trace: written, compared or counted */
    uint64_t lines_hash;
    int trace_errno;
    size_t trace_bytes; /* in `trace`, not yet written to the descriptor */
    char trace[SIM_TRACE_BUFFER_BYTES];
    uint64_t compared_bytes; /* where in the file the next line begins */
    struct sim_difference difference;
};

/* Write all that is in `shared->trace` to `descriptor`. */
void sim_trace_flush(struct sim_shared *shared, int descriptor);

/* Append a line. */
void sim_trace_line(struct sim_shared *shared, int descriptor, const char *line);

/* Write the first line, and the last. Returns 0 or an errno. */
int sim_trace_begin(int descriptor, const struct sim_options *options);
int sim_trace_end(int descriptor, const struct sim_result *result);

#endif
