/* propose_solo.h: a follower that forwards proposals; the others are the test's. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_PROPOSE_SOLO_H
#define TEST_PROPOSE_SOLO_H

#include "support/node_solo.h"
#include "support/unit.h"

#define WAITS 0
#define HOLD_MS 450 /* the two election timeouts together */

/* A follower of 2 in term 1; its log ends with the configuration, 1/1. */
/* The same node, started anew: it knows no leader. */
static inline void begin_without_leader(struct solo *solo)
{
    solo_begin(solo);
    solo_stop(solo);
    solo_forget(solo);
    solo_start(solo);
}

/* Leader 3 of term 2 has an entry of its own at 2, and it is committed and applied here. */
static inline void next_leader(struct solo *solo)
{
    solo_append(solo, (struct solo_append){.from = 3,
                                           .term = 2,
                                           .prev = {1, 1},
                                           .commit = 2,
                                           .entry_term = 2,
                                           .first_number = 900,
                                           .count = 1});
    solo_work(solo);
}

static inline void answer(struct solo *solo, node_id from, struct wire_forward_response response)
{
    response.from = from;
    struct wire_message message = {.type = WIRE_FORWARD_RESPONSE, .forward_response = response};
    solo_receive(solo, from, &message);
    solo_turn(solo);
}

static const struct wire_forward *forwarded(const struct solo *solo)
{
    const struct solo_sent *sent = solo_last(solo, WIRE_FORWARD);
    assert_non_null(sent);
    return &sent->message.forward;
}

static inline void told(const struct solo *solo, uint64_t number, int status)
{
    assert_int_equal(solo->proposals[number].count, 1);
    assert_int_equal(solo->proposals[number].status, status);
}

static inline void waits(const struct solo *solo, uint64_t number)
{
    assert_int_equal(solo->proposals[number].count, WAITS);
}

#endif
