/* queue.c: updates that wait to be spread: which goes first, and when it has gone often enough.
 *
 * A member is queued, not what was said of it: what is sent is what is known when it is sent.
 * One list for each number of transmissions so far. The first of the lowest list goes first
 * (SWIM §4.1: rumours spread less often are preferred), and behind the last of the next list
 * afterwards: nothing waits for ever, and nothing that is old is sent before what is new.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "swim/internal.h"

void swim_queue_init(struct swim *swim)
{
    for (uint32_t t = 0; t < SWIM_TRANSMITS_MAX; t++) {
        swim->queue_head[t] = SWIM_NONE;
        swim->queue_tail[t] = SWIM_NONE;
    }
}

static void append(struct swim *swim, uint32_t slot, uint8_t transmits)
{
    struct swim_slot *member = swim_slot_of(swim, slot);
    uint32_t tail = swim->queue_tail[transmits];
    member->transmits = transmits;
    member->next = SWIM_NONE;
    member->prev = tail;
    if (tail == SWIM_NONE) {
        swim->queue_head[transmits] = slot;
    } else {
        swim_slot_of(swim, tail)->next = slot;
    }
    swim->queue_tail[transmits] = slot;
    swim->queue_filled |= UINT64_C(1) << transmits;
    member->is_queued = true;
    swim->queued_count++;
}

void swim_queue_remove(struct swim *swim, uint32_t slot)
{
    struct swim_slot *member = swim_slot_of(swim, slot);
    if (!member->is_queued) {
        return;
    }
    uint8_t transmits = member->transmits;
    if (member->prev == SWIM_NONE) {
        swim->queue_head[transmits] = member->next;
    } else {
        swim_slot_of(swim, member->prev)->next = member->next;
    }
    if (member->next == SWIM_NONE) {
        swim->queue_tail[transmits] = member->prev;
    } else {
        swim_slot_of(swim, member->next)->prev = member->prev;
    }
    if (swim->queue_head[transmits] == SWIM_NONE) {
        swim->queue_filled &= ~(UINT64_C(1) << transmits);
    }
    member->is_queued = false;
    ASSERT(swim->queued_count > 0);
    swim->queued_count--;
    if (swim->queued_count == 0) {
        swim->gossip_ns = TIME_NEVER;
    }
}

void swim_queue_push(struct swim *swim, uint32_t slot)
{
    time_ns gossip_ns = swim->gossip_ns;
    swim_queue_remove(swim, slot);
    append(swim, slot, 0);
    swim->gossip_ns = gossip_ns;
    if (swim->gossip_ns == TIME_NEVER && swim->options.gossip_ns > 0) {
        swim->gossip_ns = swim->now_ns + prng_between(&swim->prng, 0, swim->options.gossip_ns);
    }
}

/* One more transmission of it is done. */
static void advance(struct swim *swim, uint32_t slot, uint32_t limit)
{
    uint32_t transmits = swim_slot_of(swim, slot)->transmits + 1U;
    time_ns gossip_ns = swim->gossip_ns;
    swim_queue_remove(swim, slot);
    if (transmits < limit || MUTANT(SWIM_NEWS_FOR_EVER)) {
        transmits = transmits < SWIM_TRANSMITS_MAX ? transmits : SWIM_TRANSMITS_MAX - 1;
        append(swim, slot, (uint8_t)transmits);
        swim->gossip_ns = gossip_ns;
    }
}

/* Put the update behind the others, if there is room. If not, it goes first into the next. */
static bool put_within(struct swim *swim, uint32_t slot, size_t *room_bytes)
{
    size_t first = swim->updates.count;
    if (!swim_put_update(swim, slot, swim_slot_of(swim, slot)->state)) {
        return false;
    }
    const struct swim_update *update = (const struct swim_update *)swim->updates.items + first;
    if (swim_update_bytes(update) > *room_bytes) {
        swim->updates.count = first;
        return false;
    }
    *room_bytes -= swim_update_bytes(update);
    return true;
}

void swim_queue_fill(struct swim *swim, size_t room_bytes, uint32_t told)
{
    uint32_t taken[SWIM_PIGGYBACK_MAX];
    uint32_t count = 0;
    uint32_t count_max = swim->options.piggyback_max;
    uint32_t looks = count_max * 2;
    bool is_pair = swim->order_count == 1; /* there is nobody else to tell of it */
    uint32_t limit = swim_transmit_limit(&swim->options, swim_live_count(swim));
    uint64_t filled = swim->queue_filled;
    for (; filled != 0 && count < count_max && looks > 0; filled &= filled - 1) {
        uint32_t slot = swim->queue_head[__builtin_ctzll(filled)];
        for (; slot != SWIM_NONE && count < count_max && looks > 0; looks--) {
            if (slot == told ? is_pair : put_within(swim, slot, &room_bytes)) {
                taken[count++] = slot;
            }
            slot = swim_slot_of(swim, slot)->next;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        advance(swim, taken[i], limit);
    }
}
