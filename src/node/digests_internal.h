/* digests_internal.h: what a node keeps to find out whose state differs. Never leaves src/node; a
 * part of internal.h. See docs/divergence.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_DIGESTS_INTERNAL_H
#define NODE_DIGESTS_INTERNAL_H

#include "node/node.h"

#define NODE_DIGEST_STEP 1024 /* every replica takes the digest behind each so manieth entry, */
#define NODE_DIGESTS_KEPT 64  /* and keeps so many: what a leader asks for late is still there */
#define NODE_DIGEST_MADE 1    /* how the node's own part of them is made */
#define NODE_REBUILDS_MAX 3   /* of one that differs again and again */

_Static_assert(NODE_DIGEST_STEP <= NODE_APPLY_ENTRIES_MAX,
               "a batch may reach from one to the next");

/* A replica's own digests. */
struct node_digests {
    uint64_t history; /* drawn anew whenever the state is made anew: verdicts on another are void */
    struct node_divergence_digest {
        raft_index index; /* 0: none */
        uint64_t digest;
    } kept[NODE_DIGESTS_KEPT]; /* ring */
    size_t next;
    raft_index wanted; /* a batch ends here, and its digest is taken; 0: nobody asked */
    node_id asked_by;
    bool is_taking; /* the batch under way tells its digest */
};

/* What became of a replica whose state differs. */
struct node_divergence {
    struct node_difference found; /* index 0: it does not, as far as is known */
    bool is_mark_due;             /* the disk is to know, and was full */
    time_ns mark_due_ns;
    raft_index judged; /* of this history, the highest index with a verdict */
    bool is_confirmed; /* this history was found to differ; else one before it */
    bool is_rebuilding;
    unsigned rebuilds; /* in a row */
    time_ns rebuilt_ns;
    uint64_t found_count;
    uint64_t rebuilt_count;
};

/* What the leader knows of a member's state. */
struct node_compared {
    bool is_used;
    node_id id;
    uint64_t history;  /* 0: it said nothing yet */
    bool has_answered; /* at the index of this round */
    uint64_t digest;
    uint32_t verdict; /* on that answer */
    bool is_isolated; /* it says that it is */
    struct node_difference found;
};

/* The leader's rounds: one index, of which the digest of every member is asked. */
struct node_compare {
    raft_term term; /* of what stands here */
    bool is_open;   /* who has not answered is asked again */
    raft_index index;
    time_ns began_ns;
    time_ns asked_ns;
    time_ns due_ns;       /* of the next round */
    bool is_dirty;        /* answers came since the last look */
    uint64_t agreed;      /* what a majority has there, if any */
    raft_index undecided; /* there the replicas differ, and nobody has a majority; 0: not so */
    time_ns undecided_log_ns;
    struct node_compared members[RAFT_MEMBERS_MAX];
};

/* Whether this replica's state was found to differ from a majority's. */
bool node_is_isolated(const struct node *node);

#endif
