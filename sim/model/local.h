/* local.h: every state that a single node was ever in, each once, and what each event makes
 * of it.
 *
 * Owns     the states' images, what the rules and the explorer need to know of each, and the
 *          outcome of each event that was ever tried on one.
 * Does not know states of the whole cluster.
 * Threads  one.
 *
 * A node does not see more of the cluster than the messages that reach it, so the same event
 * in the same state of the node has the same outcome in every state of the cluster. The
 * production code runs it once; afterwards it is looked up.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_LOCAL_H
#define MODEL_LOCAL_H

#include "sim/model/machine.h"

#define LOCAL_NONE UINT32_MAX

/* What can be seen of a node's state without bringing it back. */
struct local_view {
    uint8_t id;
    uint8_t role; /* enum raft_role */
    uint8_t term;
    uint8_t commit_index;
    uint8_t voters;      /* of the configuration in force; bit i: node i + 1 */
    uint8_t outgoing;    /* voters of the one that it leaves, while joint */
    uint8_t members;     /* of it */
    uint8_t log_count;   /* entries in the machine's log */
    uint8_t disk_count;  /* and on the disk, as a restart would find it */
    uint8_t save_count;  /* under way */
    uint8_t fetch_count; /* likewise */
    bool has_leader;     /* another one, which it follows */
    bool can_time_out;
    bool can_lapse;
    bool can_mark; /* a mark would tell the disk of a higher commit index */
    bool can_compact;
    bool can_install;
    bool is_ready_due;
    uint16_t log[WORLD_LOG_MAX]; /* numbers of entries */
    uint16_t disk[WORLD_LOG_MAX];
};

struct local {
    struct local_view view;
    const uint8_t *image;
    size_t image_bytes;
    struct hash hashes[]; /* by renaming */
};

/* What an event makes of a state. */
struct local_outcome {
    uint32_t local; /* LOCAL_NONE: the event is not possible, or cut by a bound */
    bool is_cut;
    uint8_t count;
    uint16_t messages[];
};

struct locals {
    struct world *world;
    struct arena arenas[MODEL_NODES_MAX + 1]; /* by id */
    struct pool images;
    struct pool states;   /* struct local, of equal size */
    struct pool outcomes; /* struct local_outcome */
    struct table numbers; /* of states, by fingerprint */
    struct table known;   /* of outcomes, by state and event */
    size_t local_bytes;
    uint64_t step_count;
};

NODISCARD bool locals_init(struct locals *locals, struct world *world);
void locals_deinit(struct locals *locals);

/* The node's first state. LOCAL_NONE, with the reason in the world. */
uint32_t locals_first(struct locals *locals, node_id id);

const struct local *locals_at(const struct locals *locals, uint32_t number);

/* What `event` makes of this state; NULL when something is violated or memory ran out, as
 * the world says.
 */
const struct local_outcome *locals_step(struct locals *locals, uint32_t number, uint32_t event);

/* Bring a state back, to look at. It stays until the next call for the same node. */
const struct machine *locals_machine(struct locals *locals, uint32_t number);

#endif
