/* history.h: what must never be contradicted: who led each term, and what was committed.
 *
 * Owns     that memory, each state of it once; and the rules of Raft, figure 3, over all nodes:
 *          election safety, log matching, leader completeness, state machine safety; and that
 *          what is committed is durable on a majority.
 * Threads  one.
 *
 * No node can look into it. It is part of a state of the cluster, because whether the future
 * breaks a rule depends on it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_HISTORY_H
#define MODEL_HISTORY_H

#include "sim/model/local.h"

struct history {
    uint8_t leaders[MODEL_TERM_MAX + 1]; /* by term; 0: none yet */
    uint8_t committed_count;
    uint8_t committed_in[WORLD_LOG_MAX]; /* term of the leader that did it; [i] is index i + 1 */
    uint16_t committed[WORLD_LOG_MAX];   /* numbers of entries */
};

struct histories {
    struct world *world;
    struct pool items;    /* struct history_item, of equal size */
    struct table numbers; /* by content */
    size_t item_bytes;
};

struct history_item {
    struct history history;
    struct hash hashes[]; /* by renaming */
};

NODISCARD bool histories_init(struct histories *histories, struct world *world);
void histories_deinit(struct histories *histories);

const struct history_item *histories_at(const struct histories *histories, uint32_t number);

/* Number of the history in which nothing happened but what every first disk holds. */
uint32_t histories_first(struct histories *histories);

/* What the cluster looks like behind an event, and which node it happened on. */
struct history_moment {
    const struct local_view *views[MODEL_NODES_MAX + 1]; /* by id */
    const struct local_view *before;                     /* of that node */
    node_id node;
    const uint16_t *messages; /* that it sends */
    size_t message_count;
};

/* Check every rule, and add what is new. Returns the number of the history from now on;
 * TABLE_NONE when something is violated or memory ran out, as the world says.
 */
uint32_t histories_next(struct histories *histories, uint32_t number,
                        const struct history_moment *moment);

#endif
