/* linearizability.h: could one store, doing one thing at a time, have given these answers?
 *
 * Owns     the check of a whole history: key by key, as linearizability is local (Herlihy and
 *          Wing, "Linearizability", 1990, theorem 1). What one key goes through: key_search.h.
 * Does not know a clock, or how the history came about.
 * Threads  one at a time for each checker; checkers share nothing.
 *
 * Operations whose times touch are concurrent: one comes before another only if it returned
 * at an earlier time than the other was called at.
 *
 * Fast where histories tell much: values that are written once, and numbers from increments
 * that are far from other values (an unknown increment makes neighbours of one another).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_LINEAR_LINEARIZABILITY_H
#define SIM_LINEAR_LINEARIZABILITY_H

#include "base/text.h"
#include "sim/linear/arena.h"
#include "sim/linear/history.h"

enum linearizability_verdict {
    LINEARIZABILITY_HOLDS,
    LINEARIZABILITY_VIOLATED,
    LINEARIZABILITY_UNDECIDED, /* a budget was used up: neither was shown */
};

struct linearizability_options {
    /* Of each, 0 stands for the number in brackets. */
    uint64_t steps_max;        /* of the search, for each key [20 million: about 0.2 s] */
    uint64_t shrink_steps_max; /* to make the counterexample small [20 million] */
    size_t memory_bytes_max;   /* of the search [256 MiB] */
};

struct linearizability_checker {
    struct linearizability_options options;
    struct arena history_arena; /* for a whole check */
    struct arena search_arena;  /* for one search */
};

#define LINEARIZABILITY_SHOWN_MAX 128

struct linearizability_report {
    enum linearizability_verdict verdict;
    size_t operation_count; /* checked */
    size_t key_count;       /* checked; not those behind a violated one */
    size_t undecided_key_count;
    uint64_t step_count; /* used, without shrinking */
    uint64_t key;        /* the violated one, else the first undecided one */
    /* VIOLATED: numbers of operations of that key, in order of invocation, that no order
     * explains, also not together with the others of the history.
     */
    uint32_t shown[LINEARIZABILITY_SHOWN_MAX];
    size_t shown_count;
    size_t left_out_count; /* earlier ones for which there was no room */
    uint32_t last;         /* up to the moment this one returned there was an order */
};

/* A checker in place. What it takes of the allocator (borrowed) it keeps for the next history:
 * where many are checked, new memory would take longer than the check.
 */
void linearizability_checker_init(struct linearizability_checker *checker,
                                  const struct allocator *allocator,
                                  const struct linearizability_options *options);

/* Give back its memory. */
void linearizability_checker_deinit(struct linearizability_checker *checker);

/* Check a history.
 *
 * The verdict depends on the history and the options alone.
 *
 * Returns 0 and the report, or QR_ERR_NO_MEMORY when the allocator failed.
 *
 * Cost: 1 to 4 ms for 5,000 operations of 20 clients; at worst the budgets.
 */
NODISCARD int linearizability_check(struct linearizability_checker *checker,
                                    const struct history *history,
                                    struct linearizability_report *report);

/* Write the report in words: the verdict in a line and, if violated, what shows it as a table.
 *
 * history   the one that was checked.
 */
void linearizability_report_write(const struct linearizability_report *report,
                                  const struct history *history, struct text *text);

#endif
