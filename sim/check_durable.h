/* check_durable.h: the checker "nothing is acted on before it is durable".
 *
 * Owns     a ledger of what each node promised to others by sending it: that its term, its
 *          vote, and its log up to some entry are durable. At an audit the log that the worst
 *          power loss would leave now must keep all of it.
 * Does not know a node's memory, or when to ask: the caller hands in every frame when it is
 *          sent, and the disk to be audited.
 * Threads  one.
 *
 * What is promised, by which message (Raft, figure 2; docs/architecture.md):
 *
 *   any of Raft              the sender's term is durable
 *   request_vote             so is its vote for itself in that term
 *   request_vote_response    granted: so is its vote for the receiver in that term
 *   append_entries_response  `match`: so is its log, as that term's leader has it, up to there;
 *                            also in a rejection
 *   install_snapshot_response  done: so is its log up to the snapshot, or from there on, the
 *                            snapshot itself with it
 *
 * The log is the history, for nothing is cut in place: an entry that was promised to the leader
 * of one term may be replaced, but only by a batch of a later term, and only after it was
 * there. A batch that replaces it in the same term, or one that never held it, breaks the word.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_CHECK_DURABLE_H
#define SIM_CHECK_DURABLE_H

#include "quorate/sim.h"
#include "sim/disk.h"
#include "wire/message.h"

#define CHECK_DURABLE_TEXT_BYTES 512
#define CHECK_DURABLE_PROMISES_MAX 16 /* to leaders of different terms, that still count */
#define CHECK_DURABLE_LEADERS_MAX 8   /* whose logs are remembered, the latest */

/* The log up to `match`, told to the leader of a term. */
struct check_durable_promise {
    raft_term leader_term;
    raft_index match;
    raft_term entry_term; /* of the entry there; 0: no frame showed it */
    bool is_replaced;     /* rightly, as an audit has seen */
};

struct check_durable_vote {
    bool is_cast;
    bool is_cast_twice;
    raft_term term;
    node_id candidate;
    node_id other; /* when it was cast twice */
};

struct check_durable_ledger {
    bool has_sent;
    node_id id;
    raft_term term;                 /* the highest that was sent */
    struct check_durable_vote vote; /* the one of the latest term */
    /* Ascending in term, descending in match. */
    struct check_durable_promise promises[CHECK_DURABLE_PROMISES_MAX];
    size_t promise_count;
};

/* Entries of one term, in a leader's log: all that is known of them. */
struct check_durable_run {
    raft_term term;
    raft_index first;
    raft_index last;
};

struct check_durable_leader {
    raft_term term; /* 0: free */
    struct check_durable_run *runs;
    size_t run_count;
    size_t run_capacity;
};

/* What a disk holds. */
struct check_durable_found {
    struct hard_state hard_state;
    raft_index base_index; /* what is up to here is in a snapshot */
    raft_index last_index;
    uint64_t generation;            /* of the last batch */
    bool is_mixed;                  /* a batch of an earlier start stands behind one of a later */
    struct check_durable_run *runs; /* of what is behind it, and perhaps before */
    size_t run_count;
    size_t run_capacity;
};

/* All members belong to the checker. */
struct check_durable {
    struct check_durable_ledger ledgers[QR_SIM_NODES_MAX];
    struct check_durable_leader leaders[CHECK_DURABLE_LEADERS_MAX];
    struct check_durable_found found; /* by the last look at a disk */
    void *spare;                      /* a large piece of memory, kept between two looks */
    size_t spare_bytes;
};

/* Nobody has promised anything. Memory that runs out is asserted, here and below. */
void check_durable_init(struct check_durable *check);
void check_durable_deinit(struct check_durable *check);

/* A node sends a frame: note what it promises. Called when the frame leaves the node, whether
 * it arrives or not.
 *
 * node   0..QR_SIM_NODES_MAX-1
 */
void check_durable_said(struct check_durable *check, uint32_t node,
                        const struct wire_message *message);

/* The node's disk was lost, or it begins anew under another id: its promises are void. */
void check_durable_forget(struct check_durable *check, uint32_t node);

/* Compare a node's promises with what its disk would hold after the worst power loss now.
 * A disk that is damaged (sim_disk_is_damaged()) is not to be asked: it keeps no promise.
 *
 * text   CHECK_DURABLE_TEXT_BYTES of room: the first promise that is broken, in words. Nodes are
 *        named as in traces: node 0 is n1.
 *
 * Returns 0 when all are kept, else QR_ERR_CORRUPT.
 * Cost: reads the log once, and takes no memory beyond what the last audit took.
 */
NODISCARD int check_durable_audit(struct check_durable *check, uint32_t node, struct sim_disk *disk,
                                  char *text);

/* One voter's disk. */
struct check_durable_copy {
    node_id id;
    struct sim_disk *disk;
};

/* An entry that was acknowledged to a client, or committed by a leader, is durable on a
 * majority of the voters.
 *
 * copies   of all voters, those that are down included; damaged disks hold nothing.
 * text     as above; says which disks do not hold it.
 *
 * Returns as check_durable_audit().
 * Cost: reads each log once.
 */
NODISCARD int check_durable_majority(struct check_durable *check,
                                     const struct check_durable_copy *copies, size_t count,
                                     struct raft_position entry, char *text);

#endif
