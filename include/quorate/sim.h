/* sim.h: whole clusters in one thread, with every fault, decided by one seed.
 *
 * Owns     nothing of yours: you give a state machine and what clients do with it, and get
 *          back whether anything that Raft, the log or your state machine promises was
 *          broken. The nodes run the production code; only network, disk and clocks are
 *          replaced. Nothing here reads a clock, opens a file or starts a thread.
 * Threads  any number of runs at once, each with a subject context of its own.
 * Limits   A run that meets an assertion of the engine aborts the process, as the engine
 *          would: run seeds in child processes if that must not end yours.
 * Cost     a run takes what its events take to compute, not the time that passes in it.
 * Source   docs/simulator.md.
 *
 * The same seed and plan give the same run, bit for bit, with every compiler and on every
 * machine: its trace hash says so.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_SIM_H
#define QUORATE_SIM_H

#include "quorate/error.h"
#include "quorate/state_machine.h"
#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QR_SIM_NODES_MAX 7
#define QR_SIM_CLIENTS_MAX 32
#define QR_SIM_PAYLOAD_BYTES_MAX 4096
#define QR_SIM_TEXT_BYTES_MAX 4096
#define QR_SIM_NAME_BYTES_MAX 32

/* Numbers that belong to the run: the only source of chance a subject may use. */
struct qr_sim_random;

/* Uniform in [least, most], both included; `least` where `most` is below it. */
uint64_t qr_sim_draw(struct qr_sim_random *random, uint64_t least, uint64_t most);

/* What a client asks for. */
struct qr_sim_operation {
    uint64_t number; /* set by the simulator: from 0, over all clients */
    uint32_t client; /* set by the simulator: 0..QR_SIM_CLIENTS_MAX-1 */
    bool is_read;    /* a read barrier, then subject.read(); else a proposal */
    char command[QR_COMMAND_BYTES_MAX];
    uint32_t command_bytes;
    uint32_t payload_bytes;
    uint8_t payload[QR_SIM_PAYLOAD_BYTES_MAX];
};

/* How an operation ended. Times are those of the simulation, and of nobody's clock. */
struct qr_sim_outcome {
    int status;         /* 0: done, or QR_ERR_REJECTED: likewise, but the state machine rejected it.
                           qr_error_is_certain(): certainly not applied. Else: unknown. */
    uint64_t began_ns;  /* when the client asked */
    uint64_t ended_ns;  /* when it was answered, or gave up */
    uint64_t index;     /* done: of the entry, or at or behind which it was read */
    const void *result; /* done, rejected: what apply() or read() gave; borrowed until return */
    size_t result_bytes;
};

/* Your state machine, your clients, your invariants. */
struct qr_sim_subject {
    size_t size_bytes; /* sizeof(struct qr_sim_subject) */
    void *context;     /* handed to every function */

    /* A run begins: forget what the last one left in the context. qr_sim_shrink() makes many
     * runs. NULL: there is nothing to forget.
     */
    void (*begin)(void *context);

    /* Make an empty replica: each start of a node gets one, and the log is applied to it. It
     * lives until close(). NULL: memory ran out, and the run ends with QR_ERR_NO_MEMORY.
     */
    const struct qr_state_machine *(*open)(void *context);
    void (*close)(void *context, const struct qr_state_machine *machine);

    /* Decide what a client does next; number and client are set, all else is zero. */
    void (*operation)(void *context, struct qr_sim_random *random, struct qr_sim_operation *out);

    /* Read from a replica what a reading operation asks for, into `out`.
     * Returns its bytes, at most out_bytes. NULL when no operation reads.
     */
    size_t (*read)(void *context, const struct qr_state_machine *machine,
                   const struct qr_sim_operation *operation, void *out, size_t out_bytes);

    /* An operation ended. NULL: not wanted. */
    void (*ended)(void *context, const struct qr_sim_operation *operation,
                  const struct qr_sim_outcome *outcome);

    /* Check a replica, after each batch that was applied to it. Returns NULL, or what is
     * broken, in words (borrowed until the next call). NULL: nothing to check.
     */
    const char *(*check)(void *context, const struct qr_state_machine *machine);

    /* Judge the whole run, at its end; returns as check(). NULL: nothing to judge. */
    const char *(*finish)(void *context);
};

/* What a run says about each thing that happens, when somebody listens. */
typedef void qr_sim_trace(void *argument, const char *line);

struct qr_sim_options {
    size_t size_bytes; /* sizeof(struct qr_sim_options) */
    uint64_t seed;
    const struct qr_sim_subject *subject;

    /* `name=value` settings over what the seed draws, separated by blanks, or NULL: see
     * qr_sim_plan_describe(). `nodes=3 loss=0 crash=0`
     */
    const char *plan;

    /* Discrete faults (crashes, partitions, …) are numbered from 1 in the order in which
     * they come; these, in ascending order, do not happen.
     */
    const uint32_t *skipped_faults;
    size_t skipped_fault_count;

    qr_sim_trace *trace; /* NULL: none; then only the hash is made */
    void *trace_argument;
    bool is_trace_json;
};

/* X(name, "what it counts") */
/* clang-format off */
#define QR_SIM_COUNT_MAP(X)                                                                        \
    X(events,           "things that happened")                                                    \
    X(operations,       "operations that clients asked for")                                       \
    X(acknowledged,     "operations that were acknowledged")                                       \
    X(refused,          "operations that were refused: certainly not applied")                     \
    X(unknown,          "operations whose outcome their client never learnt")                      \
    X(repeats,          "times a client asked again for what it did not know the end of")          \
    X(commits,          "entries that were committed")                                             \
    X(elections,        "terms that had a leader")                                                 \
    X(messages,         "frames that were sent")                                                   \
    X(messages_lost,    "frames that were lost, cut off or came to nobody")                        \
    X(faults,           "discrete faults: each has a number")                                      \
    X(snapshots,        "snapshots that nodes took")                                               \
    X(installs,         "snapshots of leaders that nodes took over")                               \
    X(changes,          "changes of members, priorities and leader that were done")                \
    X(crashes,          "processes and machines that went down")                                   \
    X(partitions,       "times the network was cut")                                               \
    X(disk_faults,      "disk calls that failed, and places on a disk that were damaged")          \
    X(disks_lost,       "disks that were lost, or given up as damaged")
/* clang-format on */

struct qr_sim_report {
    bool has_passed;
    uint64_t trace_hash; /* of all that happened */
    uint64_t digest;     /* of the state machine at the end */
    uint64_t virtual_ns; /* how long the run took, inside */
#define X(name, help) uint64_t name;
    QR_SIM_COUNT_MAP(X)
#undef X
    /* When it has not passed: which checker, when, and what, in words. */
    char checker[QR_SIM_NAME_BYTES_MAX];
    uint64_t failed_ns;
    char failure[QR_SIM_TEXT_BYTES_MAX];
};

/* Run one seed.
 *
 * Returns 0 with `out` filled, whether it passed or not; or
 *   QR_ERR_INVALID    an option is out of bounds, the plan does not parse, or the subject did
 *                     what it may not: out->failure says what, of a setting its bounds.
 *   QR_ERR_NO_MEMORY  the subject could make no replica. Where the simulator's own books find
 *                     no memory, the process ends.
 */
int qr_sim_run(const struct qr_sim_options *options, struct qr_sim_report *out);

/* Give the settings of the run that these options name, as the seed drew them.
 *
 * each   called for every name, in a fixed order: its value, bounds and what it means.
 *
 * Returns as qr_sim_run(); `detail` (QR_SIM_TEXT_BYTES_MAX; NULL: not wanted) says what does not
 * parse.
 */
typedef void qr_sim_setting(void *argument, const char *name, uint64_t value, uint64_t least,
                            uint64_t most, const char *meaning);
int qr_sim_plan_describe(const struct qr_sim_options *options, qr_sim_setting *each, void *argument,
                         char *detail);

/* A failing run made shorter: the same seed, with a plan and faults to skip. */
struct qr_sim_shrunk {
    char plan[QR_SIM_TEXT_BYTES_MAX];
    uint32_t *skipped_faults; /* free with qr_sim_shrunk_deinit() */
    size_t skipped_fault_count;
    uint64_t runs; /* that were tried */
    struct qr_sim_report report;
};

/* Look for a shorter run that fails in the same checker: faults switched off, fewer nodes,
 * clients and operations, an earlier end, single faults left out.
 *
 * options     of a run that fails.
 * runs_max    how many runs may be tried.
 * is_wanted   asked before each; returns false to stop looking. NULL: go on.
 *
 * Returns 0, QR_ERR_NOT_FOUND (the run does not fail), or as qr_sim_run().
 */
int qr_sim_shrink(const struct qr_sim_options *options, uint64_t runs_max,
                  bool (*is_wanted)(void *argument, const struct qr_sim_shrunk *best),
                  void *argument, struct qr_sim_shrunk *out);
void qr_sim_shrunk_deinit(struct qr_sim_shrunk *shrunk);

#ifdef __cplusplus
}
#endif

#endif
