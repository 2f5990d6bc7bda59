/* once_solo.h: a node of which the same is asked more than once; the others are the test's. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_ONCE_SOLO_H
#define TEST_ONCE_SOLO_H

#include <string.h>

#include "node/sessions.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define TOKEN(n) ((struct proposal_id){QR_SESSION_BIT | QR_TOKEN_BIT, (n)})
#define CONTROL ((struct proposal_id){QR_SESSION_BIT, 77})
#define SESSION (QR_SESSION_BIT | 2) /* the one that the entry at index 2 opens */
#define USE(n, number)                                                                             \
    {                                                                                              \
        .type = ENTRY_GUARDED, .id = TOKEN(n), .payload = { number }                               \
    }
#define IN_SESSION(s, number)                                                                      \
    {                                                                                              \
        .type = ENTRY_GUARDED, .id = {SESSION, (s)}, .payload = { number }                         \
    }
#define OPEN(timeout)                                                                              \
    {                                                                                              \
        .type = ENTRY_GUARDED, .id = CONTROL, .command = NODE_SESSION_OPEN, .payload = { timeout } \
    }
#define NEW WIRE_VERSION_WITH_GUARDED

/* As leader, of members that are all of this version. */
static inline raft_term lead(struct solo *solo)
{
    solo_begin(solo);
    solo_meet(solo, 2, NEW);
    solo_meet(solo, 3, NEW);
    return solo_lead(solo);
}

/* Leader 2 of term 1 has these entries behind index `prev`, all committed. */
static inline void hear(struct solo *solo, raft_index prev, const struct solo_entry *these,
                        size_t count)
{
    solo_append(solo, (struct solo_append){.these = these,
                                           .from = 2,
                                           .term = 1,
                                           .prev = {1, prev},
                                           .commit = prev + count,
                                           .entry_term = 1,
                                           .count = count});
    solo_work(solo);
}

static inline int propose(struct solo *solo, struct proposal_id id, uint64_t number, uint64_t token)
{
    struct node_proposal proposal = {.id = id,
                                     .command = "add",
                                     .command_bytes = 3,
                                     .payload = &number,
                                     .payload_bytes = sizeof(number)};
    return node_propose(solo->node, &proposal, token, solo->time);
}

/* Member 2 has all, and says so. */
static inline void commit(struct solo *solo)
{
    solo_work(solo);
    solo_oblige(solo);
    solo_work(solo);
}

static inline void assert_told(const struct solo *solo, uint64_t token, int status)
{
    assert_int_equal(solo->proposals[token].count, 1);
    assert_int_equal(solo->proposals[token].status, status);
}

static inline int control(struct solo *solo, const char *command, uint64_t first, uint64_t second,
                          uint64_t token)
{
    uint64_t payload[2] = {first, second};
    struct node_proposal proposal = {.id = {QR_SESSION_BIT, 0},
                                     .command = command,
                                     .command_bytes = strlen(command),
                                     .payload = payload,
                                     .payload_bytes = sizeof(payload)};
    int status = node_propose(solo->node, &proposal, token, solo->time);
    if (status == 0) {
        commit(solo);
    }
    return status;
}

#endif
