/* cluster.h: a state of the whole cluster, which events are possible in it, what they make of
 * it.
 *
 * Owns     what a state is: a state of each node, the messages in flight as a multiset, the
 *          history, and what was used of all that is counted along a run.
 * Does not know which states were reached before.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_CLUSTER_H
#define MODEL_CLUSTER_H

#include "sim/model/history.h"

#define CLUSTER_EVENTS_MAX 256 /* possible in one state */
#define CLUSTER_OFFERED_MAX 30 /* messages of which the network keeps some */

struct state {
    uint32_t locals[MODEL_NODES_MAX]; /* of node i + 1 */
    uint32_t history;
    uint32_t used; /* MODEL_COUNT_BITS for each count, as in MODEL_COUNTED_MAP */
    uint16_t message_count;
    uint16_t messages[MODEL_IN_FLIGHT_MAX]; /* numbers, ascending */
};

_Static_assert(MODEL_COUNTED_COUNT *MODEL_COUNT_BITS <= 32, "the counts fit 32 bits");
_Static_assert(MODEL_COUNT_MAX < 1 << (MODEL_COUNT_BITS - 1),
               "a count leaves its highest bit free");

/* Sums of hashes, by renaming. With the messages', the state's hash is the least of them. */
struct state_sums {
    struct hash sums[WORLD_RENAMINGS_MAX];
};

struct cluster {
    struct world world;
    struct locals locals;
    struct histories histories;
    bool is_counting; /* while not, nothing is counted and the network has all its room */
};

/* What an event changed, but for the network: that holds `bounds.in_flight` messages, and which
 * of those `offered` to it are kept is for cluster_keep() to say.
 *
 * Any message may be lost at any time; but a state with a message more can do all that one
 * without it can, for it may lose it later. So nothing is lost before there is no more room,
 * and then every choice is a state of its own.
 */
struct change {
    size_t offered_count;
    uint16_t offered[CLUSTER_OFFERED_MAX]; /* numbers; first what is still in flight */
    uint32_t keep_first;                   /* the first choice, a bit for each offered */
};

enum cluster_answer {
    CLUSTER_NEXT,
    CLUSTER_IDLE, /* not possible, or nothing but a message that has no effect */
    CLUSTER_CUT,  /* past a bound */
    CLUSTER_STOP, /* the world says why: violated, or full */
};

NODISCARD bool cluster_init(struct cluster *cluster,
                            const struct model_configuration *configuration,
                            const struct model_options *options);
void cluster_deinit(struct cluster *cluster);

/* The state in which every node has just started. False: the world says why. */
NODISCARD bool cluster_first(struct cluster *cluster, struct state *out);

/* Events that may be possible in this state; returns their number. */
size_t cluster_events(const struct cluster *cluster, const struct state *state,
                      uint32_t events[CLUSTER_EVENTS_MAX]);

/* Let one happen. With CLUSTER_NEXT `next` is set but for its messages, and `change`. */
enum cluster_answer cluster_next(struct cluster *cluster, const struct state *state, uint32_t event,
                                 struct state *next, struct change *change);

/* Let the network of `next` hold this choice of what was offered. */
void cluster_keep(const struct change *change, uint32_t keep, struct state *next);

/* The choice behind `keep`, with as many bits; 0 behind the last. */
uint32_t cluster_keep_next(const struct change *change, uint32_t keep);

/* The sums of a state's hashes without its messages. */
void cluster_sums(const struct cluster *cluster, const struct state *state, struct state_sums *out);

/* The same for `next`, from the sums of the state before. */
void cluster_sums_next(const struct cluster *cluster, const struct state *state,
                       const struct state *next, const struct state_sums *sums,
                       struct state_sums *out);

/* The hash of a state whose sums are known.
 *
 * names   set to how many states it stands for: those that renaming makes of it.
 */
struct hash cluster_hash(const struct cluster *cluster, const struct state *state,
                         const struct state_sums *sums, size_t *names);

/* Which node an event happens on. */
node_id cluster_event_node(const struct cluster *cluster, uint32_t event);

#endif
