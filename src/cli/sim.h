/* sim.h: what the parts of `quorate sim` share: what is asked for, and what a run gave.
 *
 * Every run is a child process (sim_process.h): a seed that ends in an assertion, crashes or
 * hangs is a seed that failed, and the others go on.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SIM_H
#define CLI_SIM_H

#include "cli/interrupt.h"
#include "cli/sim_case.h"

#define SIM_JOBS_MAX 256
#define SIM_FAILURES_MAX 1000
#define SIM_SEEDS_DEFAULT 100
#define SIM_SEED_TIMEOUT_S_DEFAULT 120
#define SIM_COMMAND_BYTES_MAX 98304

enum sim_trace_kind {
    SIM_TRACE_NONE,
    SIM_TRACE_TEXT,
    SIM_TRACE_JSON,
};

struct sim_options {
    bool given[128]; /* by the letter of each option */
    struct sim_case chosen;
    uint64_t first_seed;
    uint64_t seed_count; /* 0: as many as minutes, or until a failure */
    uint64_t minutes;    /* 0: by seed_count alone */
    uint64_t jobs;
    uint64_t seed_timeout_s;
    uint64_t fail_max;
    uint64_t shrink_runs;
    bool is_until_failure;
    bool is_json;
    bool is_list;
    bool is_twice;
    bool is_shrink;
    bool is_in_process;
    enum sim_trace_kind trace;
    const char *trace_file;   /* NULL: standard output */
    const char *replay_trace; /* NULL: none */
    const char *mutant;       /* NULL: none */
    bool is_mutant_list;
};

/* What came of one run. */
struct sim_result {
    int status; /* of qr_sim_run(); QR_ERR_CANCELLED: it was not waited for */
    struct qr_sim_report report;
    uint64_t lines;      /* of its trace */
    uint64_t lines_hash; /* of those that were counted */
    time_ns cpu_ns;      /* that it took, of all processors */
    time_ns real_ns;     /* how long it took */
    int trace_errno;     /* of the first write of the trace that failed; 0: none */
    bool has_trace_hash; /* the run came to its end */
};

/* Parse the command line. */
void sim_options_parse(int argc, char **argv, struct sim_options *out);

/* Each kind of work; each returns a CLI_* code, what there is to say having been said. */
int sim_one(const struct sim_options *options, struct interrupt *interrupt);
int sim_many(const struct sim_options *options, struct interrupt *interrupt);
int sim_shrink(const struct sim_options *options, struct interrupt *interrupt);
int sim_replay(const struct sim_options *options, struct interrupt *interrupt);
int sim_list(const struct sim_options *options);

/* Choose the seeded bug of that name; NULL: none. Returns a CLI_* code. */
int sim_mutant_choose(const char *name);
int sim_mutant_list(bool is_json);

/* Refuse settings and faults that the simulator refuses, in its words, before anything runs.
 * Returns CLI_DONE or CLI_USAGE.
 */
int sim_case_check(const struct sim_case *chosen);

/* Write the command that runs `chosen` again, as one can paste it into a shell. */
void sim_command_write(const struct sim_options *options, const struct sim_case *chosen,
                       struct text *text);

#endif
