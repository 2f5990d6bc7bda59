/* message.h: everything nodes say to each other: Raft's messages and the node's own.
 *
 * Owns     the node's messages, each field named once, like src/raft/message.h does for
 *          Raft's. Further field kinds here: I32, CLUSTER (struct cluster_id), STRING (a
 *          char array in the struct, NUL-terminated).
 * Does not know how any of it is encoded: see wire/wire.h.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include "base/entry.h"
#include "base/types.h"
#include "raft/configuration.h"
#include "raft/message.h"

#define WIRE_VERSION_MIN 1 /* of the protocol between nodes, that this build speaks */
#define WIRE_VERSION_MAX 2
#define WIRE_VERSION_SNAPSHOTS 2    /* the first that knows install_snapshot and its response */
#define WIRE_VERSION_WITH_GUARDED 2 /* from here on guarded entries are understood */
#define WIRE_VERSION_GOSSIP 2       /* the first that knows gossip */
#define WIRE_VERSION_DIGESTS 2      /* the first that knows compare and its response */
#define WIRE_VERSION_INVITES 2      /* the first that knows invite and its response */
#define WIRE_REASON_BYTES_MAX 200
#define WIRE_GOSSIP_BYTES_MAX 60000 /* as swim/message.h has it */
#define WIRE_NAMES_BYTES_MAX 240    /* NAME,NAME,… of one kind of change */

/* The first frame of a connection, from who dialed it. */
#define WIRE_HELLO_FIELDS(F)                                                                       \
    F(U32, uint32_t, version_min)                                                                  \
    F(U32, uint32_t, version_max)                                                                  \
    F(CLUSTER, struct cluster_id, cluster) /* none: not in one yet, wants to join */               \
    F(ID, node_id, from)                                                                           \
    F(BOOL, bool, has_expected)                                                                    \
    F(ID, node_id, expected) /* who the dialer means to talk to */                                 \
    F(STRING, char, name, RAFT_NAME_BYTES_MAX)                                                     \
    F(STRING, char, address, RAFT_ADDRESS_BYTES_MAX)                                               \
    F(STRING, char, meta, RAFT_META_BYTES_MAX)

/* The answer; after a refusal the connection is closed. */
#define WIRE_HELLO_RESPONSE_FIELDS(F)                                                              \
    F(I32, int32_t, status) /* 0 or a QR_ERR_* */                                                  \
    F(U32, uint32_t, version)                                                                      \
    F(CLUSTER, struct cluster_id, cluster)                                                         \
    F(ID, node_id, from)                                                                           \
    F(STRING, char, reason, WIRE_REASON_BYTES_MAX)

/* Take me in. Sent on a connection whose hello named no cluster. */
#define WIRE_JOIN_FIELDS(F)                                                                        \
    F(ID, node_id, from)                                                                           \
    F(BOOL, bool, wants_vote)                                                                      \
    F(STRING, char, name, RAFT_NAME_BYTES_MAX)                                                     \
    F(STRING, char, address, RAFT_ADDRESS_BYTES_MAX)                                               \
    F(STRING, char, meta, RAFT_META_BYTES_MAX)

#define WIRE_JOIN_RESPONSE_FIELDS(F)                                                               \
    F(I32, int32_t, status) /* 0: a member now; QR_ERR_NOT_LEADER: ask leader_address */           \
    F(CLUSTER, struct cluster_id, cluster)                                                         \
    F(STRING, char, leader_address, RAFT_ADDRESS_BYTES_MAX) /* "" when not known */                \
    F(STRING, char, reason, WIRE_REASON_BYTES_MAX)

/* Proposals for the leader, as entries without index and term. */
#define WIRE_FORWARD_FIELDS(F)                                                                     \
    F(ID, node_id, from)                                                                           \
    F(U64, uint64_t, request) /* of the first entry; the others count on from it */                \
    F(U64, raft_term, term)   /* for the leader of this very term, and for no other */             \
    F(U64, uint64_t, number)  /* grows with every forward: one that came twice is taken once */

#define WIRE_FORWARD_RESPONSE_FIELDS(F)                                                            \
    F(ID, node_id, from)                                                                           \
    F(U64, uint64_t, request)                                                                      \
    F(U32, uint32_t, count)                                                                        \
    F(I32, int32_t, status)       /* 0: appended; else certainly not */                            \
    F(U64, raft_term, entry_term) /* of the forward */                                             \
    F(U64, raft_index, first_index)

/* At which index is a read linearizable? */
#define WIRE_READ_FIELDS(F)                                                                        \
    F(ID, node_id, from)                                                                           \
    F(U64, uint64_t, request)

#define WIRE_READ_RESPONSE_FIELDS(F)                                                               \
    F(ID, node_id, from)                                                                           \
    F(U64, uint64_t, request)                                                                      \
    F(I32, int32_t, status)                                                                        \
    F(U64, raft_index, index)

/* Change the members, or who leads. Names stand between commas; what is empty does not change. */
#define WIRE_CHANGE_FIELDS(F)                                                                      \
    F(ID, node_id, from)                                                                           \
    F(U64, uint64_t, request)                                                                      \
    F(BOOL, bool, is_dry_run)                                                                      \
    F(BOOL, bool, is_forced)                                                                       \
    F(U32, uint32_t, priority) /* of `prioritized` */                                              \
    F(STRING, char, promoted, WIRE_NAMES_BYTES_MAX)                                                \
    F(STRING, char, demoted, WIRE_NAMES_BYTES_MAX)                                                 \
    F(STRING, char, removed, WIRE_NAMES_BYTES_MAX)                                                 \
    F(STRING, char, prioritized, RAFT_NAME_BYTES_MAX)                                              \
    F(STRING, char, transferee, RAFT_NAME_BYTES_MAX) /* leadership is to go there; alone */

#define WIRE_CHANGE_RESPONSE_FIELDS(F)                                                             \
    F(ID, node_id, from)                                                                           \
    F(U64, uint64_t, request)                                                                      \
    F(I32, int32_t, status)            /* 0: done; QR_ERR_NOT_LEADER: certainly not done */        \
    F(U32, uint32_t, tolerated_before) /* live voters that may still fail */                       \
    F(U32, uint32_t, tolerated_after)                                                              \
    F(STRING, char, reason, WIRE_REASON_BYTES_MAX)

/* A SWIM message, encoded (wire/packet.h), at most WIRE_GOSSIP_BYTES_MAX; on a connection for such
 * alone.
 */
#define WIRE_GOSSIP_FIELDS(F) F(DATA, struct raft_data, data)

/* What came of comparing the digests of all members at one index. */
#define WIRE_VERDICT_NONE 0
#define WIRE_VERDICT_AGREES 1    /* with a majority of the voters */
#define WIRE_VERDICT_DIFFERS 2   /* from a majority of the voters */
#define WIRE_VERDICT_UNDECIDED 3 /* they differ, and no majority of the voters agrees */

/* What is the digest of your state behind entry `index`? And what came of an earlier answer. See
 * docs/divergence.md.
 */
#define WIRE_COMPARE_FIELDS(F)                                                                     \
    F(ID, node_id, from)                                                                           \
    F(U64, raft_index, index) /* 0: nothing is asked */                                            \
    F(U32, uint32_t, verdict) /* WIRE_VERDICT_*, on what follows */                                \
    F(U64, uint64_t, history) /* of the answer that it is on */                                    \
    F(U64, raft_index, judged)                                                                     \
    F(U64, uint64_t, digest) /* the receiver's there, as it said */                                \
    F(U64, uint64_t, agreed) /* that of the majority */

#define WIRE_COMPARE_RESPONSE_FIELDS(F)                                                            \
    F(ID, node_id, from)                                                                           \
    F(U64, uint64_t, history)  /* another whenever the state was made anew */                      \
    F(U32, uint32_t, made)     /* how digests are made: only those made alike are compared */      \
    F(U64, raft_index, index)  /* 0: no digest is known there, now */                              \
    F(U64, uint64_t, digest)   /* of the state behind that entry */                                \
    F(U64, raft_index, wanted) /* a snapshot at or above this index is wanted; 0: none */          \
    F(BOOL, bool, is_isolated) /* its state was found to differ: */                                \
    F(U64, raft_index, differed)                                                                   \
    F(U64, uint64_t, differing)                                                                    \
    F(U64, uint64_t, agreed)

/* Join us. To a node that waits in no cluster, on a connection whose hello expected nobody. */
#define WIRE_INVITE_FIELDS(F)                                                                      \
    F(ID, node_id, from)                                                                           \
    F(CLUSTER, struct cluster_id, cluster)                                                         \
    F(BOOL, bool, is_learner)                        /* never to ask for a vote */                 \
    F(STRING, char, address, RAFT_ADDRESS_BYTES_MAX) /* whom to ask: the sender's own */

#define WIRE_INVITE_RESPONSE_FIELDS(F)                                                             \
    F(I32, int32_t, status) /* 0: it asks to be taken in, or is of that cluster already */         \
    F(ID, node_id, from)                                                                           \
    F(CLUSTER, struct cluster_id, cluster) /* none: not in one yet */                              \
    F(STRING, char, name, RAFT_NAME_BYTES_MAX)                                                     \
    F(STRING, char, reason, WIRE_REASON_BYTES_MAX) /* with 0: why it was not taken in so far */

/* X(ENUM_NAME, value, union member, "name in text", FIELDS); values go on behind Raft's. */
#define WIRE_MESSAGE_MAP(X)                                                                        \
    X(WIRE_HELLO, 32, hello, "hello", WIRE_HELLO_FIELDS)                                           \
    X(WIRE_HELLO_RESPONSE, 33, hello_response, "hello_response", WIRE_HELLO_RESPONSE_FIELDS)       \
    X(WIRE_JOIN, 34, join, "join", WIRE_JOIN_FIELDS)                                               \
    X(WIRE_JOIN_RESPONSE, 35, join_response, "join_response", WIRE_JOIN_RESPONSE_FIELDS)           \
    X(WIRE_FORWARD, 36, forward, "forward", WIRE_FORWARD_FIELDS)                                   \
    X(WIRE_FORWARD_RESPONSE, 37, forward_response, "forward_response",                             \
      WIRE_FORWARD_RESPONSE_FIELDS)                                                                \
    X(WIRE_READ, 38, read, "read", WIRE_READ_FIELDS)                                               \
    X(WIRE_READ_RESPONSE, 39, read_response, "read_response", WIRE_READ_RESPONSE_FIELDS)           \
    X(WIRE_CHANGE, 40, change, "change", WIRE_CHANGE_FIELDS)                                       \
    X(WIRE_CHANGE_RESPONSE, 41, change_response, "change_response", WIRE_CHANGE_RESPONSE_FIELDS)   \
    X(WIRE_GOSSIP, 42, gossip, "gossip_message", WIRE_GOSSIP_FIELDS)                               \
    X(WIRE_COMPARE, 43, compare, "compare", WIRE_COMPARE_FIELDS)                                   \
    X(WIRE_COMPARE_RESPONSE, 44, compare_response, "compare_response",                             \
      WIRE_COMPARE_RESPONSE_FIELDS)                                                                \
    X(WIRE_INVITE, 45, invite, "invite", WIRE_INVITE_FIELDS)                                       \
    X(WIRE_INVITE_RESPONSE, 46, invite_response, "invite_response", WIRE_INVITE_RESPONSE_FIELDS)

enum wire_message_type {
#define X(name, value, member, text, fields) name = value,
    WIRE_MESSAGE_MAP(X)
#undef X
};

#define WIRE_MEMBER_SCALAR(type, name) type name;
#define WIRE_MEMBER_STRING(type, name, bytes) type name[bytes];
#define WIRE_MEMBER_U32(type, name) WIRE_MEMBER_SCALAR(type, name)
#define WIRE_MEMBER_I32(type, name) WIRE_MEMBER_SCALAR(type, name)
#define WIRE_MEMBER_U64(type, name) WIRE_MEMBER_SCALAR(type, name)
#define WIRE_MEMBER_ID(type, name) WIRE_MEMBER_SCALAR(type, name)
#define WIRE_MEMBER_BOOL(type, name) WIRE_MEMBER_SCALAR(type, name)
#define WIRE_MEMBER_CLUSTER(type, name) WIRE_MEMBER_SCALAR(type, name)
#define WIRE_MEMBER_DATA(type, name) WIRE_MEMBER_SCALAR(type, name)
#define WIRE_FIELD_MEMBER(kind, ...) WIRE_MEMBER_##kind(__VA_ARGS__)
#define X(name, value, member, text, fields)                                                       \
    struct wire_##member {                                                                         \
        fields(WIRE_FIELD_MEMBER)                                                                  \
    };
WIRE_MESSAGE_MAP(X)
#undef X
#undef WIRE_FIELD_MEMBER

struct wire_message {
    uint8_t type; /* enum raft_message_type or enum wire_message_type */
    union {
        struct raft_message raft; /* without its entries: those are below */
#define X(name, value, member, text, fields) struct wire_##member member;
        WIRE_MESSAGE_MAP(X)
#undef X
    };
    /* append_entries and forward only. */
    const struct entry *entries;
    size_t entry_count;
};

static inline bool wire_is_raft(uint8_t type)
{
    return type < WIRE_HELLO;
}

#endif
