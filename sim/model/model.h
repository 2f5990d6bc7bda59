/* model.h: model checking of the production Raft machine: what is explored, and what came out.
 *
 * Owns     the words in which a configuration, its bounds and a result are said.
 * Does not know how Raft works: the machines are those of src/raft, entered by raft.h alone.
 * Threads  one.
 *
 * docs/model-checking.md says how to read what comes out.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdio.h>

#include "base/text.h"
#include "base/types.h"

#define MODEL_NODES_MAX 4
#define MODEL_IN_FLIGHT_MAX 14
#define MODEL_TERM_MAX 7
#define MODEL_SAVES_MAX 6
#define MODEL_LOG_MAX 12    /* entries of a log; an event that needs more is not taken */
#define MODEL_FETCHES_MAX 4 /* under way on one node; likewise */
#define MODEL_COUNT_MAX 3   /* of anything that is counted along a run */
#define MODEL_COUNT_BITS 3  /* that it takes, with one left free */

/* What is counted along a run. X(name, in words, the most it can be) */
#define MODEL_COUNTED_MAP(X)                                                                       \
    X(timeouts, "clocks that reach their deadline, and tick", MODEL_COUNT_MAX)                     \
    X(lapses, "clocks that reach it before the tick is taken", MODEL_COUNT_MAX)                    \
    X(crashes, "crashes, each with a restart", MODEL_COUNT_MAX)                                    \
    X(duplicates, "messages delivered and kept in flight", MODEL_COUNT_MAX)                        \
    X(proposals, "entries proposed", MODEL_COUNT_MAX)                                              \
    X(reads, "reads asked of a leader", MODEL_COUNT_MAX)                                           \
    X(changes, "configurations proposed", MODEL_COUNT_MAX)                                         \
    X(transfers, "transfers of leadership asked for", MODEL_COUNT_MAX)                             \
    X(hints, "hints that the leader is gone, true or false", MODEL_COUNT_MAX)                      \
    X(compactions, "snapshots taken, and the log compacted to there", MODEL_COUNT_MAX)

/* What else bounds it. The same. */
#define MODEL_LIMIT_MAP(X)                                                                         \
    X(term, "highest term; the first configuration stands in term 1", MODEL_TERM_MAX)              \
    X(in_flight, "messages in flight; of more, any choice is lost", MODEL_IN_FLIGHT_MAX)           \
    X(saves, "saves under way on one node", MODEL_SAVES_MAX)

enum model_counted {
#define X(name, what, most) MODEL_COUNTED_##name,
    MODEL_COUNTED_MAP(X)
#undef X
        MODEL_COUNTED_COUNT
};

struct model_bounds {
#define X(name, what, most) unsigned name;
    MODEL_COUNTED_MAP(X)
    MODEL_LIMIT_MAP(X)
#undef X
};

/* Changes that a leader may be asked for. */
enum model_change {
    MODEL_NO_CHANGE,
    MODEL_ADD_4,        /* node 4 becomes a voter, whatever it was */
    MODEL_REMOVE_4,     /* and this one, one no longer */
    MODEL_REMOVE_ANY,   /* each member in turn, the leader included */
    MODEL_REMOVE_RIVAL, /* node 1 asks for the removal of 2, and node 2 for that of 1 */
    MODEL_TO_NEXT,      /* all at once to `next_voters`, the others are removed */
};

/* X(NAME, "where the exploration begins") */
#define MODEL_START_MAP(X)                                                                         \
    X(MODEL_START_FRESH, "no leader yet")                                                          \
    X(MODEL_START_LED, "node 1 leads and all is settled")                                          \
    X(MODEL_START_UNHEARD, "node 1 leads and nobody has heard of it")

enum model_start {
#define X(name, text) name,
    MODEL_START_MAP(X)
#undef X
};

const char *model_start_text(enum model_start start);

struct model_configuration {
    const char *name;
    const char *what; /* one line */
    unsigned node_count;
    unsigned voters;   /* bit i: node i + 1 */
    unsigned learners; /* the others have empty disks and are no members */
    unsigned alike;    /* nodes that may change places without changing anything */
    unsigned passive;  /* nodes whose clocks stand still, and that do not crash */
    enum model_start start;
    bool saves_at_once; /* a save is durable before anything else happens on its node */
    bool has_turns;     /* any number of events on a node may come before one ready */
    enum model_change change;
    unsigned next_voters;
    struct model_bounds bounds;
};

/* All there are, in the order in which they run. Static. */
const struct model_configuration *model_configurations(size_t *count);

/* NULL when there is none of that name. */
const struct model_configuration *model_configuration_find(const char *name);

struct model_options {
    uint64_t depth_max;  /* 0: none */
    uint64_t states_max; /* distinct ones; 0: none */
    time_ns time_max_ns; /* 0: none */
    size_t memory_bytes_max;
    bool ignores_symmetry; /* explore also what renaming would spare */
    bool disk_lies;        /* for tests: a vote that is told to be durable never is */
    time_ns (*now)(void);  /* a clock that goes forward */
    FILE *trace;           /* where a violation's trace is written; NULL: nowhere */
};

/* X(NAME, "text") */
#define MODEL_END_MAP(X)                                                                           \
    X(MODEL_COMPLETE, "complete within these bounds")                                              \
    X(MODEL_STOPPED_DEPTH, "stopped by --depth")                                                   \
    X(MODEL_STOPPED_STATES, "stopped by --states")                                                 \
    X(MODEL_STOPPED_TIME, "stopped by --seconds")                                                  \
    X(MODEL_STOPPED_MEMORY, "stopped: the memory bound is reached")                                \
    X(MODEL_VIOLATED, "violated")

enum model_end {
#define X(name, text) name,
    MODEL_END_MAP(X)
#undef X
};

const char *model_end_text(enum model_end end);

#define MODEL_VIOLATION_BYTES 512

struct model_result {
    enum model_end end;
    uint64_t transitions;  /* events taken from all states */
    uint64_t states;       /* distinct, but for names */
    uint64_t named_states; /* which those stand for */
    uint64_t depth;        /* events from the start to the farthest */
    uint64_t waiting;      /* states not yet left when it stopped */
    uint64_t machine_states;
    uint64_t machine_steps; /* events that a machine of src/raft really ran */
    uint64_t cut;           /* events not taken because they pass `term` or `saves` */
    size_t memory_bytes;
    time_ns took_ns;
    uint64_t trace_events;                 /* of the shortest run to the violation */
    char violation[MODEL_VIOLATION_BYTES]; /* in words; empty when there is none */
};

/* Explore one configuration, breadth first.
 *
 * Returns 0, or QR_ERR_NO_MEMORY when the system has none to begin with.
 */
NODISCARD int model_explore(const struct model_configuration *configuration,
                            const struct model_options *options, struct model_result *out);

/* What was explored and found, for people and for programs. */
void model_report_text(FILE *out, const struct model_configuration *configuration,
                       const struct model_result *result);
void model_report_json(struct text *text, const struct model_configuration *configuration,
                       const struct model_result *result);

#endif
