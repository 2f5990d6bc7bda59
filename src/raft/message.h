/* message.h: what Raft nodes say to each other.
 *
 * Owns     the messages, each field named once, in the tables from which src/wire makes
 *          their binary, text and JSON forms. Field kinds: U64, U32, BOOL, ID (a node),
 *          ENUM_REASON (enum raft_vote_reason), POSITION (a term and an index, as 2/17),
 *          DATA (struct raft_data: bytes that are held, not copied), U63 (a U64 below 2^63) and,
 *          behind it, ASSUMED (a bool that is true unless the sender says otherwise, which
 *          version 0.1.0 does not).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RAFT_MESSAGE_H
#define RAFT_MESSAGE_H

#include "base/entry.h"
#include "base/types.h"

#define RAFT_DATA_BYTES_MAX (UINT32_C(256) * 1024) /* of one message */

struct raft_position {
    raft_term term;
    raft_index index;
};

/* Bytes within a chunk. Whoever keeps this holds the chunk. All zero: none. */
struct raft_data {
    struct chunk *chunk;
    const uint8_t *bytes;
    uint32_t size_bytes; /* at most RAFT_DATA_BYTES_MAX */
};

/* What lies above it says something else (is_leased), and comes back from 0.1.0 in the echo. */
#define RAFT_ROUND_MAX (UINT64_MAX >> 1)

/* Why a vote was granted or not. X(NAME, value, "in words") */
#define RAFT_VOTE_REASON_MAP(X)                                                                    \
    X(RAFT_VOTE_GRANTED, 0, "granted")                                                             \
    X(RAFT_VOTE_STALE_TERM, 1, "the candidate's term is older than mine")                          \
    X(RAFT_VOTE_ALREADY_VOTED, 2, "I voted for another candidate in this term")                    \
    X(RAFT_VOTE_LOG_BEHIND, 3, "the candidate's log is behind mine")                               \
    X(RAFT_VOTE_LEADER_ALIVE, 4, "I hear from a leader")                                           \
    X(RAFT_VOTE_IS_LEADER, 5, "I lead this term")

enum raft_vote_reason {
#define X(name, value, text) name = value,
    RAFT_VOTE_REASON_MAP(X)
#undef X
};

const char *raft_vote_reason_text(enum raft_vote_reason reason);

/* Fields: F(KIND, type, name). The sender's and the receiver's id and the sender's term
 * stand before them in every message (struct raft_message).
 */
#define RAFT_PRE_VOTE_FIELDS(F)                                                                    \
    F(U64, raft_term, next_term) /* the term it would campaign in */                               \
    F(POSITION, struct raft_position, last)

#define RAFT_PRE_VOTE_RESPONSE_FIELDS(F)                                                           \
    F(U64, raft_term, next_term) /* of the question */                                             \
    F(BOOL, bool, is_granted)                                                                      \
    F(ENUM_REASON, uint32_t, reason)

#define RAFT_REQUEST_VOTE_FIELDS(F)                                                                \
    F(POSITION, struct raft_position, last)                                                        \
    F(BOOL, bool, is_transfer) /* the leader asked for it: do not stick to it */

#define RAFT_REQUEST_VOTE_RESPONSE_FIELDS(F)                                                       \
    F(BOOL, bool, is_granted)                                                                      \
    F(ENUM_REASON, uint32_t, reason)

#define RAFT_APPEND_ENTRIES_FIELDS(F)                                                              \
    F(POSITION, struct raft_position, prev)                                                        \
    F(U64, raft_index, commit)                                                                     \
    F(U63, uint64_t, round)     /* grows with every question; echoed (ReadIndex) */                \
    F(ASSUMED, bool, is_leased) /* the sender may hold leases: promises to it are kept */

#define RAFT_APPEND_ENTRIES_RESPONSE_FIELDS(F)                                                     \
    F(BOOL, bool, is_rejected)                                                                     \
    F(U64, raft_index, match)               /* durable and the same as the leader's, up to here */ \
    F(U64, raft_index, rejected)            /* the prev.index that did not fit */                  \
    F(POSITION, struct raft_position, hint) /* where the logs may meet, at or below `rejected` */  \
    F(U64, uint64_t, round) /* at most RAFT_ROUND_MAX, but for what 0.1.0 echoes on top of it */

/* A piece of the state at a position, which the leader's log no longer leads to (Raft §7). */
#define RAFT_INSTALL_SNAPSHOT_FIELDS(F)                                                            \
    F(POSITION, struct raft_position, snapshot) /* of the last entry that is in it */              \
    F(U64, uint64_t, offset)                    /* of the data's first byte in the whole */        \
    F(U64, uint64_t, size_bytes)                /* of the whole; 0: not yet known */               \
    F(BOOL, bool, is_last)                                                                         \
    F(DATA, struct raft_data, data)

#define RAFT_INSTALL_SNAPSHOT_RESPONSE_FIELDS(F)                                                   \
    F(POSITION, struct raft_position, snapshot)                                                    \
    F(U64, uint64_t, offset) /* of the next byte that is wanted */                                 \
    F(BOOL, bool, is_done)   /* durable here, or not needed: go on behind it */                    \
    F(BOOL, bool, is_refused)

/* Campaign at once: the sender, who leads, hands leadership over (diss. §3.10). */
#define RAFT_TIMEOUT_NOW_FIELDS(F)                                                                 \
    F(POSITION, struct raft_position, last) /* of the leader's log: the receiver has it durably */

/* X(ENUM_NAME, value, union member, "name in text", FIELDS) */
#define RAFT_MESSAGE_MAP(X)                                                                        \
    X(RAFT_PRE_VOTE, 1, pre_vote, "pre_vote", RAFT_PRE_VOTE_FIELDS)                                \
    X(RAFT_PRE_VOTE_RESPONSE, 2, pre_vote_response, "pre_vote_response",                           \
      RAFT_PRE_VOTE_RESPONSE_FIELDS)                                                               \
    X(RAFT_REQUEST_VOTE, 3, request_vote, "request_vote", RAFT_REQUEST_VOTE_FIELDS)                \
    X(RAFT_REQUEST_VOTE_RESPONSE, 4, request_vote_response, "request_vote_response",               \
      RAFT_REQUEST_VOTE_RESPONSE_FIELDS)                                                           \
    X(RAFT_APPEND_ENTRIES, 5, append_entries, "append_entries", RAFT_APPEND_ENTRIES_FIELDS)        \
    X(RAFT_APPEND_ENTRIES_RESPONSE, 6, append_entries_response, "append_entries_response",         \
      RAFT_APPEND_ENTRIES_RESPONSE_FIELDS)                                                         \
    X(RAFT_INSTALL_SNAPSHOT, 7, install_snapshot, "install_snapshot",                              \
      RAFT_INSTALL_SNAPSHOT_FIELDS)                                                                \
    X(RAFT_INSTALL_SNAPSHOT_RESPONSE, 8, install_snapshot_response, "install_snapshot_response",   \
      RAFT_INSTALL_SNAPSHOT_RESPONSE_FIELDS)                                                       \
    X(RAFT_TIMEOUT_NOW, 9, timeout_now, "timeout_now", RAFT_TIMEOUT_NOW_FIELDS)

enum raft_message_type {
#define X(name, value, member, text, fields) name = value,
    RAFT_MESSAGE_MAP(X)
#undef X
};

#define RAFT_FIELD_MEMBER(kind, type, name) type name;
#define X(name, value, member, text, fields)                                                       \
    struct raft_##member {                                                                         \
        fields(RAFT_FIELD_MEMBER)                                                                  \
    };
RAFT_MESSAGE_MAP(X)
#undef X
#undef RAFT_FIELD_MEMBER

struct raft_message {
    enum raft_message_type type;
    node_id from;
    node_id to;
    raft_term term; /* the sender's */
    union {
#define X(name, value, member, text, fields) struct raft_##member member;
        RAFT_MESSAGE_MAP(X)
#undef X
    };
    /* append_entries only: follow prev one by one. Borrowed. */
    const struct entry *entries;
    size_t entry_count;
    /* append_entries only, and only here: it came with entries, for which there is no room.
     * It is answered as a rejection, so that the leader is heard and hears.
     */
    bool has_no_room;
};

#endif
