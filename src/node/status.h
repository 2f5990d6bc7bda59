/* status.h: what a node tells of itself and of others, to who looks at it.
 *
 * Owns     the pictures, which are copies unless said; a part of node.h, which includes it.
 * Threads  one caller at a time, as for node.h.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_STATUS_H
#define NODE_STATUS_H

#include "base/types.h"
#include "node/divergence.h"
#include "node/gossip.h"
#include "raft/raft.h"

struct node;

struct node_status {
    struct raft_status raft;
    node_id id;
    struct cluster_id cluster;
    bool is_disk_full;
    bool is_stopped; /* stopped or failed */
    bool is_joining;
    uint64_t pending_count;
    uint64_t sessions_digest; /* of the session table at applied_index; 0: never used */
    uint64_t session_count;   /* open, or over and not noticed yet */
    uint64_t outcome_count;   /* remembered: sequences and tokens */
    uint64_t held_count;      /* of them: certainly nowhere yet */
    uint64_t elections_started;
    uint64_t leader_changes;
    uint64_t proposals_forwarded;
    uint64_t log_writes;
    uint64_t log_syncs;
    uint64_t log_written_bytes;
    uint64_t log_size_bytes;
    raft_index snapshot_index;    /* of the newest one that is durable here; 0: none */
    bool is_snapshot_bare;        /* it has nothing of the state machine's own state */
    uint64_t snapshot_size_bytes; /* of its content, as it is stored */
    bool is_restoring;            /* the state machine is taking one over: it stands nowhere */
    uint64_t snapshots_taken;
    uint64_t snapshots_installed; /* that came from a leader */
    uint64_t snapshots_sent;
    uint64_t snapshot_sent_bytes;
    bool is_stalled;                /* its disk or state machine does not advance */
    struct node_difference differs; /* of this node's own state; index 0: it does not */
    bool is_rebuilding;             /* and waits for a leader's snapshot, or takes it over */
    uint64_t divergences;           /* times that it was found to differ */
    uint64_t rebuilds;              /* times that it was rebuilt */
    raft_index undecided_index; /* leader: there replicas differ without a majority; 0: not so */
    struct node_gossip_counters gossip; /* more is in node_swim() */
};

void node_status(const struct node *node, struct node_status *out);

/* What a node waits for, for who asks why something is slow or does not happen. */
struct node_waits {
    time_ns saving_ns;   /* entries wait for the disk, without progress, so long; 0: none do */
    time_ns applying_ns; /* likewise for the state machine */
    bool is_installing;  /* a snapshot comes from the leader, or is being taken over */
    uint64_t install_offset;
    uint64_t install_size_bytes;
    bool is_change_pending; /* the configuration in force is not known to be committed */
    size_t joins_count;     /* leader: nodes that want to be taken in, or told another address */
    size_t changes_count;   /* changes that were asked for here, or of this leader */
    uint64_t uncommitted_bytes_max;
    int join_status;         /* in no cluster yet: what came of the last attempt; 0: nothing yet */
    const char *join_reason; /* in words; of the node, until its next call */
};

void node_waits(const struct node *node, struct node_waits *out);

/* See raft_vote_answers(). */
size_t node_vote_answers(const struct node *node, struct raft_vote_answer *out);

/* How far a snapshot is that is being sent to a member. Returns false when none is. */
bool node_sending_progress(const struct node *node, node_id peer, uint64_t *offset,
                           uint64_t *size_bytes);

/* Whether the state of a member differs, as far as is known here: of all as leader, else of
 * itself. Sets `out` if it does.
 */
bool node_member_differs(const struct node *node, node_id id, struct node_difference *out);

/* Borrowed until the next call. */
const struct raft_configuration *node_configuration(const struct node *node);

/* See raft_configuration_back(). */
const struct raft_configuration *node_configuration_back(const struct node *node, size_t back);
bool node_peer_status(const struct node *node, node_id id, struct raft_peer_status *out);

/* Term of the log's entry at `index`; false when the log does not hold it, or the node takes
 * part in no cluster yet.
 */
bool node_term_at(const struct node *node, raft_index index, raft_term *term);

#endif
