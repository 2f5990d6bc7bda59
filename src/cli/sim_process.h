/* sim_process.h: one run of one seed in a child process.
 *
 * Owns     the child, until it is waited for or killed, and the memory shared with it. What the
 *          child writes to standard error is kept in part, for the sentence that says why it
 *          died.
 * Does not know which seeds are to be run, or what is done with what they give.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SIM_PROCESS_H
#define CLI_SIM_PROCESS_H

#include <sys/types.h>

#include "cli/sim_trace.h"

#define SIM_SAID_BYTES_MAX 3840 /* an assertion with its backtrace, and fits a failure */
#define SIM_REAL_FACTOR 30      /* how much longer a run may take by a clock on the wall */

/* What a child is to do. Everything in it is borrowed until the child runs. */
struct sim_task {
    const struct sim_case *chosen;
    bool is_twice;
    time_ns timeout_ns;        /* of processors; SIM_REAL_FACTOR times as much of real time */
    enum sim_trace_kind trace; /* wanted, in `trace_descriptor` or compared */
    int trace_descriptor;      /* -1: none */
    const char *compared_file; /* a trace to compare with, or NULL */
    uint64_t compared_from;    /* where its second line begins */
    bool is_counted;           /* the lines of the trace are counted and hashed, and not kept */
};

struct sim_process {
    pid_t pid;      /* 0: none runs */
    int error_pipe; /* of its standard error; ends with it */
    struct sim_shared *shared;
    struct sim_task task; /* `chosen` is not valid any more */
    uint64_t seed;
    time_ns began_ns;
    bool is_overdue; /* it was killed for it */
    bool is_idle;    /* and did little: its time on processors had not passed */
    bool is_said_cut;
    size_t said_bytes;
    char said[SIM_SAID_BYTES_MAX]; /* last to standard error */
};

/* Returns 0, or an errno. */
int sim_process_init(struct sim_process *process);

/* Kill what runs, and free. A zeroed one is allowed. */
void sim_process_deinit(struct sim_process *process);

/* Start a run. Returns 0, or an errno. */
int sim_process_start(struct sim_process *process, const struct sim_task *task);

/* Wait, a tenth of a second at most, until one of them has ended; what they say is read, and
 * those that are overdue are killed meanwhile.
 *
 * Returns the place of one that has ended, to be handed to sim_process_finish(), or -1.
 */
int sim_processes_wait(struct sim_process *processes, size_t count, struct interrupt *interrupt);

/* Take what the run gave. */
void sim_process_finish(struct sim_process *process, struct sim_result *out);

/* End a run that nobody wants any more. */
void sim_process_kill(struct sim_process *process);

/* Run in this process, with nothing in between: what it says, and its death, are its own. */
void sim_process_run_here(struct sim_process *process, const struct sim_task *task,
                          struct sim_result *out);

/* Called about ten times a second while a run is waited for. */
struct sim_tick {
    void (*tick)(void *argument);
    void *argument;
};

/* Start a run, wait for it and take what it gave.
 *
 * tick   may be NULL.
 *
 * Returns 0; QR_ERR_CANCELLED, when a signal came; QR_ERR_BUSY, after a complaint, when no
 * process could be started.
 */
int sim_process_run(struct sim_process *process, const struct sim_task *task,
                    struct interrupt *interrupt, const struct sim_tick *tick,
                    struct sim_result *out);

/* What a child does: run what `task` says, into `shared`. */
void sim_child_run(const struct sim_task *task, struct sim_shared *shared);

#endif
