/* message.h: what SWIM members say to each other.
 *
 * Owns     the messages and the updates they carry, each field named once, in the tables from
 *          which src/wire makes their binary, text and JSON forms. Field kinds: U8, U32, U64,
 *          BOOL, ID (a node), CLUSTER, STATE (enum swim_state), REASON (enum swim_reason),
 *          PROFILE (struct swim_blob: an encoded struct swim_profile, or nothing).
 * Source   Das, Gupta and Motivala 2002 ("SWIM"); Dadgar, Phillips and Currey 2017
 *          ("Lifeguard").
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SWIM_MESSAGE_H
#define SWIM_MESSAGE_H

#include "base/types.h"
#include "swim/profile.h"

#define SWIM_VERSION 1
#define SWIM_PACKET_BYTES_MAX 1400 /* of a datagram, whatever encryption adds included */
#define SWIM_PACKET_BYTES_MIN 1024 /* to which an option may lower it: any update fits */
#define SWIM_PIECE_BYTES_MAX 60000 /* of a message on a stream */
#define SWIM_HEAD_BYTES_MAX 104    /* of any message, without its updates */
#define SWIM_UPDATE_BYTES 28       /* of an update, without its profile */
#define SWIM_UPDATES_MAX (SWIM_PIECE_BYTES_MAX / SWIM_UPDATE_BYTES)
#define SWIM_INCARNATION_MAX (UINT64_C(1) << 62)

_Static_assert(SWIM_HEAD_BYTES_MAX + SWIM_UPDATE_BYTES + SWIM_PROFILE_BYTES_MAX <=
                   SWIM_PACKET_BYTES_MIN,
               "the longest update fits the smallest packet");

/* In the order in which they override one another at one incarnation. X(NAME, value, "text") */
#define SWIM_STATE_MAP(X)                                                                          \
    X(SWIM_ALIVE, 0, "alive")                                                                      \
    X(SWIM_SUSPECT, 1, "suspect")                                                                  \
    X(SWIM_DEAD, 2, "dead")                                                                        \
    X(SWIM_LEFT, 3, "left")

enum swim_state {
#define X(name, value, text) name = value,
    SWIM_STATE_MAP(X)
#undef X
};

/* Why a member is in its state. X(NAME, value, "in words") */
#define SWIM_REASON_MAP(X)                                                                         \
    X(SWIM_REASON_NONE, 0, "none")                                                                 \
    X(SWIM_REASON_UNANSWERED, 1, "its probes were not answered")                                   \
    X(SWIM_REASON_SHUTDOWN, 2, "it was shut down")                                                 \
    X(SWIM_REASON_REMOVED, 3, "it was removed from the cluster")                                   \
    X(SWIM_REASON_RESTART, 4, "it is being restarted")                                             \
    X(SWIM_REASON_NAME_TAKEN, 5, "an older member has its name")

enum swim_reason {
#define X(name, value, text) name = value,
    SWIM_REASON_MAP(X)
#undef X
};

const char *swim_state_name(enum swim_state state);
const char *swim_reason_text(enum swim_reason reason);

/* Fields: F(KIND, type, name). What every message begins with. */
#define SWIM_ENVELOPE_FIELDS(F)                                                                    \
    F(CLUSTER, struct cluster_id, cluster) /* none: not in one yet */                              \
    F(ID, node_id, from)                                                                           \
    F(BOOL, bool, has_to)                                                                          \
    F(ID, node_id, to) /* 0 unless has_to: a seed, whose id is not known */                        \
    /* How the sender holds the receiver, 0@0 when it does not know it: who is suspected is */     \
    /* told first (Lifeguard §IV.C). */                                                           \
    F(STATE, uint8_t, held_state)                                                                  \
    F(U64, uint64_t, held_incarnation)                                                             \
    F(U64, uint64_t, incarnation)  /* of the sender */                                             \
    F(U64, uint64_t, digest)       /* of the members that it holds for live */                     \
    F(U64, raft_term, leader_term) /* the highest in which it knows a leader; 0: none */           \
    F(ID, node_id, leader)         /* of leader_term; 0 when that is 0 */                          \
    F(U8, uint8_t, local_health)   /* 0: well, up to SWIM_HEALTH_MAX */

/* Are you there? On a stream too, when no packet was answered. */
#define SWIM_PING_FIELDS(F) F(U32, uint32_t, sequence)

/* Ask `target` for me: it does not answer me. */
#define SWIM_PING_REQ_FIELDS(F)                                                                    \
    F(U32, uint32_t, sequence)                                                                     \
    F(ID, node_id, target)

/* The sender is there, or the target of the ping_req with this sequence. As long as a ping. */
#define SWIM_ACK_FIELDS(F) F(U32, uint32_t, sequence)

/* `subject` did not answer me in time, though I hear you (Lifeguard §IV.A). */
#define SWIM_NACK_FIELDS(F)                                                                        \
    F(U32, uint32_t, sequence)                                                                     \
    F(ID, node_id, subject)

/* Nothing but updates. */
#define SWIM_GOSSIP_FIELDS(F) F(U32, uint32_t, queued) /* updates that wait at the sender */

/* A piece of all that the sender knows: on a stream, answered in kind behind the last one. */
#define SWIM_PUSH_PULL_FIELDS(F)                                                                   \
    F(U32, uint32_t, sequence)                                                                     \
    F(BOOL, bool, is_last)

#define SWIM_PUSH_PULL_RESPONSE_FIELDS(F)                                                          \
    F(U32, uint32_t, sequence)                                                                     \
    F(BOOL, bool, is_last)

/* X(ENUM_NAME, value, union member, "name in text", FIELDS) */
#define SWIM_MESSAGE_MAP(X)                                                                        \
    X(SWIM_PING, 64, ping, "ping", SWIM_PING_FIELDS)                                               \
    X(SWIM_PING_REQ, 65, ping_req, "ping_req", SWIM_PING_REQ_FIELDS)                               \
    X(SWIM_ACK, 66, ack, "ack", SWIM_ACK_FIELDS)                                                   \
    X(SWIM_NACK, 67, nack, "nack", SWIM_NACK_FIELDS)                                               \
    X(SWIM_GOSSIP, 68, gossip, "gossip", SWIM_GOSSIP_FIELDS)                                       \
    X(SWIM_PUSH_PULL, 69, push_pull, "push_pull", SWIM_PUSH_PULL_FIELDS)                           \
    X(SWIM_PUSH_PULL_RESPONSE, 70, push_pull_response, "push_pull_response",                       \
      SWIM_PUSH_PULL_RESPONSE_FIELDS)

enum swim_message_type {
#define X(name, value, member, text, fields) name = value,
    SWIM_MESSAGE_MAP(X)
#undef X
};

/* A rumour: what somebody says of a member. */
#define SWIM_UPDATE_FIELDS(F)                                                                      \
    F(STATE, uint8_t, state)                                                                       \
    F(REASON, uint8_t, reason)                                                                     \
    F(ID, node_id, id)                                                                             \
    F(U64, uint64_t, incarnation)                                                                  \
    F(ID, node_id, accuser)               /* suspect, dead: whose probes failed; else 0 */         \
    F(PROFILE, struct swim_blob, profile) /* alive only, and always then */

#define SWIM_FIELD_MEMBER(kind, type, name) type name;

struct swim_update {
    SWIM_UPDATE_FIELDS(SWIM_FIELD_MEMBER)
};

#define X(name, value, member, text, fields)                                                       \
    struct swim_##member {                                                                         \
        fields(SWIM_FIELD_MEMBER)                                                                  \
    };
SWIM_MESSAGE_MAP(X)
#undef X

struct swim_message {
    enum swim_message_type type;
    SWIM_ENVELOPE_FIELDS(SWIM_FIELD_MEMBER)
    union {
#define X(name, value, member, text, fields) struct swim_##member member;
        SWIM_MESSAGE_MAP(X)
#undef X
    };
    const struct swim_update *updates; /* borrowed */
    size_t update_count;
};

#undef SWIM_FIELD_MEMBER

/* Bytes of an update in a message. */
static inline size_t swim_update_bytes(const struct swim_update *update)
{
    return SWIM_UPDATE_BYTES + update->profile.size_bytes;
}

/* Whether it goes over a stream only. */
static inline bool swim_is_push_pull(enum swim_message_type type)
{
    return type == SWIM_PUSH_PULL || type == SWIM_PUSH_PULL_RESPONSE;
}

/* Whether the message says nothing that contradicts itself; each field alone is in bounds. */
bool swim_message_is_coherent(const struct swim_message *message);

#endif
