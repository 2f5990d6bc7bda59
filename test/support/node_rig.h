/* node_rig.h: a few whole nodes in one thread: memory disks, a network of queues, virtual time.
 *
 * Owns     the nodes, what is under way between them, a state machine of numbers for each,
 *          and the record of what was promised to whom.
 * Checks   at every step: all replicas apply the same at the same index; who is told a result is
 *          told the right one; a read sees all that was acknowledged before it was asked. At
 *          the end: what was acknowledged is there, once; what was refused for certain is not.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_NODE_RIG_H
#define SUPPORT_NODE_RIG_H

#include "base/prng.h"
#include "node/node.h"
#include "support/disk_memory.h"
#include "support/heap.h"

#define RIG_NODES_MAX 5
#define RIG_LATE_NS_MAX (800 * NS_PER_MS)
#define RIG_INDEX_MAX 20000
#define RIG_PROPOSALS_MAX 20000
#define RIG_PAYLOAD_BYTES_MAX 32768

struct rig_frame {
    struct rig_frame *next;
    int from;
    int to;
    bool is_seed; /* between who dialed to join, or to invite, and who was dialed */
    bool is_lost; /* with the connection that it is on */
    time_ns due_ns;
    size_t size_bytes;
    uint8_t bytes[];
};

enum rig_outcome {
    RIG_WAITS,
    RIG_DONE,
    RIG_REFUSED, /* certainly not applied */
    RIG_UNKNOWN,
};

#define RIG_BACKUP_BYTES_MAX 65536

/* What a replica came to. */
struct rig_state {
    uint64_t index;
    uint64_t count;
    uint64_t sum;
};

struct rig_node {
    struct rig *rig;
    int number;
    struct heap heap; /* the node's own memory */
    struct disk_memory disk;
    struct node *node;              /* NULL: down */
    char detail[NODE_DETAIL_BYTES]; /* of rig_open() */
    bool has_input;                 /* since its last turn */
    bool is_dialing;
    int seed;        /* the member it dialed, or -1 */
    bool is_waiting; /* for the next rig_open(): it joins when it is invited */
    bool may_fail;   /* else a failure fails the test */
    bool is_failed;  /* in this life: it said so, once, and sends nothing any more */
    int failed_status;
    time_ns paused_until_ns;  /* the process stands still, as after SIGSTOP */
    time_ns stalled_until_ns; /* its disk does nothing */
    uint64_t applied_index;
    uint64_t applied_count;
    uint64_t sum; /* of what was applied, and where */
    bool is_restoring;
    bool is_machine_broken; /* it makes no snapshot, and takes none over */
    uint8_t restored[24];
    uint64_t restored_bytes;
    uint64_t restore_count; /* in this life */
    unsigned open_views;
    unsigned view_count;      /* that were ever opened */
    struct rig_state durable; /* where is_durable: what a crash leaves of the replica */
    bool is_sync_held;        /* it stays behind */
    unsigned told_count;      /* of node_snapshot() */
    int told_status;
    raft_index told_index;
    unsigned piece_count; /* told of node_backup_read() */
    int piece_status;
    size_t piece_bytes;
    size_t backup_bytes; /* of all pieces since the test set it to 0 */
    uint8_t backup[RIG_BACKUP_BYTES_MAX];
    time_ns stall_timeout_ns; /* for the next rig_open() */
    time_ns lease_ns;
    bool is_apply_held; /* the state machine does not come back from its next batch */
    size_t held_count;  /* nor from this one, */
    bool is_batch_held; /* if there is one */
    uint8_t results[NODE_APPLY_ENTRIES_MAX][8]; /* of the last batch */
    bool wants_digest;                          /* of it */
    uint64_t flip_from; /* a fault: the sum is wrong from this index on; 0: none */
    uint64_t flip_until;
    uint64_t flip_count; /* of indexes, from the next entry on; then 0 */
    uint64_t flip;       /* what is added at each of these */
    bool may_be_wrong;   /* there was one; no replica is compared with this one */
    enum node_on_divergence on_divergence;
    unsigned change_count; /* told */
    int change_status;     /* of the last one */
    struct node_change_result change_result;
};

struct rig {
    struct heap heap; /* what frames arrive in */
    struct prng prng;
    struct node_time time;
    int count;
    struct rig_node nodes[RIG_NODES_MAX];
    struct rig_frame *frames;
    bool is_cut[RIG_NODES_MAX][RIG_NODES_MAX]; /* from, to */
    unsigned loss_percent;
    unsigned seed_frames;     /* that were sent */
    unsigned lost_seed_frame; /* that of this number is lost; 0: none */
    unsigned repeat_percent;
    unsigned late_percent; /* of frames that come up to RIG_LATE_NS_MAX later than others */
    time_ns delay_ns_max;
    unsigned disk_percent; /* chance that a waiting operation happens in a step */
    uint64_t segment_bytes;
    uint64_t cache_bytes;
    size_t payload_bytes;     /* of a proposal, at least 8 */
    bool is_once;             /* proposals have tokens */
    uint64_t log_entries_max; /* 0: the log is never compacted */
    uint64_t log_bytes_max;
    uint64_t snapshot_bytes; /* of padding in each */
    uint32_t chunk_bytes;
    uint64_t sending_rate;                      /* bytes a second; 0: any */
    bool has_met[RIG_NODES_MAX][RIG_NODES_MAX]; /* hellos were said, in these lives */
    bool has_digests;                           /* members compare their states */
    bool is_durable;                            /* replicas outlive their nodes by themselves */
    bool is_without_machine;                    /* nodes are opened without snapshots */
    uint64_t value_at[RIG_INDEX_MAX];           /* what any replica applied there, plus 1 */
    uint64_t sum_at[RIG_INDEX_MAX];             /* what all of it came to; 0: nobody stood there */
    enum rig_outcome outcomes[RIG_PROPOSALS_MAX];
    int ended_status; /* of the proposal that ended last */
    uint64_t proposal_count;
    uint64_t done_count;
    uint64_t acked_index; /* the highest that was acknowledged anywhere */
    uint64_t read_floor[RIG_PROPOSALS_MAX];
    uint64_t read_count;
    uint64_t read_done_count;
    uint64_t read_ended_count; /* done or refused */
};

/* node_rig_machine.c: a replica applies a value; its functions for snapshots. */
void rig_machine_begin(struct rig_node *self); /* a life: with nothing, or what is durable */
void rig_machine_note(struct rig_node *self, uint64_t index, uint64_t value);
struct qr_state_machine rig_machine(struct rig_node *self);

/* node_rig_network.c: frames on their way, and hellos. The first fills in what sends. */
void rig_network_join(struct node_io *io);
void rig_network_deinit(struct rig *rig);
void rig_network_meet(struct rig *rig); /* members say hello as soon as they can */
void rig_network_deliver(struct rig *rig);
void rig_network_dial(struct rig_node *self); /* its seed */

/* node_rig_promises.c: who was told what. This fills in what ends proposals and reads. */
void rig_promises_join(struct node_io *io);

/* Whether something of this chance happens now. */
bool rig_chance(struct rig *rig, unsigned percent);

/* The next `count` entries that node `i` applies change its sum by more than they should. */
void rig_flip(struct rig *rig, int i, uint64_t count, uint64_t by);

/* Whether its state is what the others' is, or was, at its index. */
bool rig_is_right(const struct rig *rig, int i);

void rig_init(struct rig *rig, int count, uint64_t seed);
void rig_deinit(struct rig *rig);

/* Start node `i` (again): node 0 bootstraps, the others join through any. Returns what
 * node_open() does.
 */
int rig_open(struct rig *rig, int i);

/* The same, and fail the test when it does not open. */
void rig_start(struct rig *rig, int i);

/* Stop node `i` as a signal does: in order, and with nothing lost. */
void rig_stop(struct rig *rig, int i);

/* Stop node `i` as a lost machine does: what was not synced is lost, in part. */
void rig_crash(struct rig *rig, int i);

/* Let a millisecond pass. A node has its turns when something came in, or when it asked for one. */
void rig_step(struct rig *rig);
void rig_run(struct rig *rig, unsigned milliseconds);

/* Propose the next number, or ask for a read, on node `i` if it is up. */
void rig_propose(struct rig *rig, int i);

/* Propose a number that ended once more, on any node, under its token; then it waits again. */
void rig_repeat(struct rig *rig, int i, uint64_t number);
void rig_read(struct rig *rig, int i);

/* Ask node `i` for a change; its outcome is in the node, once change_count has grown. */
void rig_change(struct rig *rig, int i, struct wire_change change);

/* The state machine of a node with is_apply_held comes back. */
void rig_release_apply(struct rig *rig, int i);

/* The node that leads in the highest term, or -1. */
int rig_leader(const struct rig *rig);

/* Whether `count` nodes are voters and all up nodes have applied the same, up to the end. */
bool rig_is_settled(const struct rig *rig, size_t voter_count);

/* Run until settled, at most so long; false when it did not come to that. */
bool rig_settle(struct rig *rig, size_t voter_count, unsigned milliseconds_max);

/* Assert what is said at the top. */
void rig_check(const struct rig *rig);

#endif
