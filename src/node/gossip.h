/* gossip.h: a node's gossip: what goes into its SWIM machine, and what it knows by it. A part of
 * node.h, which says what goes out: struct node_io.
 *
 * Owns     nothing; docs/swim.md, "With Raft", says what the node makes of it.
 * Threads  as node.h.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_GOSSIP_H
#define NODE_GOSSIP_H

#include "base/types.h"
#include "swim/swim.h"

struct node;
struct node_time;

/* X(name): what a node counts of gossip. */
#define NODE_GOSSIP_COUNTER_MAP(X)                                                                 \
    X(packets_sent)                                                                                \
    X(packets_sent_bytes)                                                                          \
    X(packets_received) /* whatever became of them, like the messages */                           \
    X(packets_received_bytes)                                                                      \
    X(messages_sent) /* on streams */                                                              \
    X(messages_sent_bytes)                                                                         \
    X(messages_received)                                                                           \
    X(messages_received_bytes)                                                                     \
    X(undecodable) /* bytes that are no packet of a version that is known */                       \
    X(closed_told) /* connections with members that closed */                                      \
    X(leader_lost) /* told to Raft: the leader seems to be gone */                                 \
    X(begun)       /* lives of the machine: more than one after it was removed and taken in */

struct node_gossip_counters {
#define X(name) uint64_t name;
    NODE_GOSSIP_COUNTER_MAP(X)
#undef X
};

/* A datagram came, or a message on a stream, whatever bytes they are: what is not well formed is
 * dropped and counted. Nothing happens without gossip.
 *
 * source      HOST:PORT it came from; on a stream, what the other end says is its own.
 * stream      to which an answer goes: the caller's number.
 * is_proved   it is a member's for certain: it was encrypted and is no replay.
 */
void node_gossip_packet(struct node *node, const uint8_t *data, size_t size_bytes,
                        const char *source, bool is_proved, struct node_time time);
void node_gossip_stream(struct node *node, uint64_t stream, const uint8_t *data, size_t size_bytes,
                        const char *source, bool is_proved, struct node_time time);

/* A connection with a member closed, or a dial was refused: look at once whether it lives. A hint,
 * which may be false.
 *
 * is_refused   its host says that nobody listens there.
 */
void node_member_closed(struct node *node, node_id member, bool is_refused, struct node_time time);

/* Tell the members that this node leaves, and why; it goes on with Raft, if it does not stop.
 * node_gossip_is_gone() when that is spread, after swim_options.leave_ns at most: then it is
 * silent. Without gossip, or in a node that stopped, it is gone at once.
 */
void node_gossip_leave(struct node *node, enum swim_reason reason, struct node_time time);
bool node_gossip_is_gone(const struct node *node);

/* The SWIM machine, to look at; NULL when there is none. Until the next call. */
const struct swim *node_swim(const struct node *node);

/* Who leads, as far as this node knows: what Raft or gossip heard of the later term. False: nobody
 * that is known, or gossip's leader is not there any more. A hint about where to ask.
 */
bool node_leader(const struct node *node, node_id *leader, raft_term *term);

/* HOST:PORT of a member's peer port: what it says itself, as long as it lives; else what the
 * configuration says; NULL when neither knows it. Until the next call.
 */
const char *node_member_address(const struct node *node, node_id member);

#endif
