/* build_rig.h: a few nodes of any builds in one thread, over the boundary of sim/build.h.
 *
 * Owns     the nodes, their memory disks, the frames under way, virtual time, and a state
 *          machine of numbers for each node. Connections begin with the hello's own frames.
 * Checks   at every step: all nodes apply the same at the same index; a result is that of
 *          the proposal; a read sees all that was acknowledged before it was asked.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_BUILD_RIG_H
#define SUPPORT_BUILD_RIG_H

#include "support/build_disk_memory.h"
#include "support/heap.h"

#define BUILD_RIG_NODES_MAX 4
#define BUILD_RIG_INDEX_MAX 4096
#define BUILD_RIG_APPLY_MAX 1024

struct build_rig_frame {
    struct build_rig_frame *next;
    int from;
    int to;
    bool is_seed; /* to a joiner, from the member it dialed */
    size_t size_bytes;
    uint8_t bytes[];
};

struct build_rig_node {
    struct build_rig *rig;
    int number; /* its id is one more */
    struct build_disk_memory disk;
    struct build_world world;
    const struct build *build;
    struct build_node *node; /* NULL: down */
    bool is_dialing;
    int seed; /* the member it dialed, or -1 */
    uint64_t applied_index;
    uint64_t line_count; /* of its log */
    uint64_t done_count; /* proposals made here */
    uint64_t read_count; /* reads done here */
    uint64_t refused_count;
    int refused_status; /* of the last one */
};

struct build_rig {
    struct heap heap;
    struct build_time time;
    struct build_rig_node nodes[BUILD_RIG_NODES_MAX];
    bool is_open[BUILD_RIG_NODES_MAX][BUILD_RIG_NODES_MAX]; /* from, to: hello accepted */
    struct build_rig_frame *frames;                         /* in the order of sending */
    struct build_rig_frame **frames_end;
    uint64_t value_at[BUILD_RIG_INDEX_MAX]; /* what any node applied there; 0: not yet */
    uint64_t proposed;                      /* so far; each proposes its number, from 1 */
    uint64_t acked_index;
    uint64_t frame_count; /* delivered */
};

void build_rig_init(struct build_rig *rig);
void build_rig_deinit(struct build_rig *rig);

/* Start node `i` by this build (again): node 0 bootstraps, the others join through `seed`. */
void build_rig_start(struct build_rig *rig, int i, const struct build *build, int seed);

/* Stop node `i` and forget what it had not synced. */
void build_rig_crash(struct build_rig *rig, int i);

/* Let a millisecond pass. */
void build_rig_step(struct build_rig *rig);

/* Propose the next number on node `i`, or read there, and run until it is done. */
void build_rig_propose(struct build_rig *rig, int i);
void build_rig_read(struct build_rig *rig, int i);

/* Propose this number under a token of its own on node `i`, and run until that ended.
 * Returns how.
 */
int build_rig_propose_once(struct build_rig *rig, int i, uint64_t number);

/* At how many indexes it was applied. */
size_t build_rig_applied_count(const struct build_rig *rig, uint64_t number);

/* Run until these many up nodes are voters, one leads all, and all applied its whole log. */
void build_rig_settle(struct build_rig *rig, size_t voter_count);

struct build_status build_rig_status(const struct build_rig *rig, int i);

/* The node that leads in the highest term, or -1. */
int build_rig_leader(const struct build_rig *rig);

#endif
