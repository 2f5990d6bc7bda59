/* invite_internal.h: what a node says on the connection of io.dial_seed, once it is in a cluster.
 *
 * Owns     one invitation at a time: a node that waits is told to ask this one to be taken in, and
 *          told again, until the configuration names it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_INVITE_INTERNAL_H
#define NODE_INVITE_INTERNAL_H

#include "node/node.h"

#define NODE_INVITED_NS NS_PER_S /* an invitation that is not said again for so long has ended */
#define NODE_INVITED_TURN_NS (5 * NS_PER_S) /* then another member of the cluster has its turn */

/* Of the connection of io.dial_seed, for a join or an invitation. */
enum node_seed_state {
    NODE_SEED_IDLE,
    NODE_SEED_DIALING,
    NODE_SEED_ASKED,
};

struct node_invite {
    bool is_under_way;
    bool is_learner;
    bool is_sent;  /* once at least: who got it may join, whatever comes */
    bool is_lost;  /* a connection ended on which it was said, and perhaps heard */
    bool is_taken; /* `id` said that it does, */
    bool is_in;    /* and that it is in the cluster, which no restart undoes */
    node_id id;
    char name[RAFT_NAME_BYTES_MAX]; /* its own */
    uint64_t token;
    char address[RAFT_ADDRESS_BYTES_MAX];
    time_ns due_ns; /* to dial, or to say it again */
    time_ns deadline_ns;
    struct node_change_result result;
};

/* The invitation that a node which waits follows: it took the place of the join list. */
struct node_invited {
    struct cluster_id cluster; /* that invites it; none: it was told otherwise, or nothing */
    time_ns until_ns;          /* so long none of another cluster may take its place, */
    time_ns turn_ns;           /* and so long none of the same */
};

void node_invite_turn(struct node *node);
time_ns node_invite_deadline(const struct node *node);
void node_invite_fail(struct node *node); /* the node stops */

/* The connection: see node_seed_ready() and its siblings. */
void node_invite_ready(struct node *node);
void node_invite_answered(struct node *node, const struct wire_invite_response *response);
void node_invite_closed(struct node *node, int status, const char *reason);

/* We are invited. */
void node_on_invite(struct node *node, node_id from, uint64_t connection,
                    const struct wire_invite *invite);

#endif
