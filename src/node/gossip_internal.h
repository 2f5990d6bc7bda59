/* gossip_internal.h: what a node keeps of its SWIM machine. Never leaves src/node; a part of
 * internal.h.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_GOSSIP_INTERNAL_H
#define NODE_GOSSIP_INTERNAL_H

#include "node/node.h"

/* How long a machine that lost its name, or had no memory, is left alone. */
#define NODE_GOSSIP_AGAIN_NS (30 * NS_PER_S)

struct node_gossip {
    struct swim_options options; /* as they were given */
    struct swim *swim;           /* NULL: none at present */
    struct prng prng;            /* its own, so that nothing else depends on gossip */
    uint64_t incarnation;        /* with which the last machine began */
    time_ns again_ns;            /* without a machine: when the next one is to begin */
    bool is_leaving;             /* told to: no machine follows this one */
    bool has_output;             /* stepped since the last ready */
    bool is_over;                /* the machine is to be ended: it is not needed, or it failed */
    bool was_member;             /* in this life of the node, and not removed for good since */

    struct swim_profile profile; /* as the machine was told last */
    raft_index seeded_configuration;
    bool has_seeded;     /* for the join list, and the configuration above */
    raft_term told_term; /* who leads, as the machine was told last */
    node_id told_leader;

    char client_address[SWIM_ADDRESS_BYTES_MAX];
    char http_address[SWIM_ADDRESS_BYTES_MAX];
    char found_address[SWIM_ADDRESS_BYTES_MAX]; /* lent by node_member_address() */
    struct node_gossip_counters counters;
    struct swim_update updates[SWIM_UPDATES_MAX]; /* of the message being taken */
    uint8_t bytes[SWIM_PIECE_BYTES_MAX];          /* of the message being sent */
};

/* gossip.c */
NODISCARD int node_gossip_open(struct node *node, char *detail);
void node_gossip_free(struct node *node);

/* Let what is due happen; what the members say of the leader comes before Raft's turn. */
void node_gossip_turn(struct node *node);

/* Tell the members what this node's turn changed. */
void node_gossip_tell(struct node *node);
time_ns node_gossip_deadline(const struct node *node);

/* Step the machine, if there is one. Returns as swim_step() does; QR_ERR_STOPPED without one. */
int node_gossip_step(struct node *node, struct swim_event event);

/* gossip_profile.c */

/* What this node says of itself now. */
void node_gossip_profile(const struct node *node, struct swim_profile *out);

/* Its seeds are the addresses of the join list and of the configuration, without its own. */
void node_gossip_seed(struct node *node);

/* gossip_news.c */
void node_gossip_news(struct node *node, const struct swim_news *news);

/* Whether the machine knows a member that lives, and what that says of itself. */
bool node_gossip_live(const struct node *node, node_id member, struct swim_profile *out);

#endif
