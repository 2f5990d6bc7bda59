/* order.c: whom to probe next, and whom to tell: the live members in a random order.
 *
 * Rounds as in SWIM §4.3: each live member is probed once in a round, in an order that is
 * drawn anew for each, so that a failure is noticed within two rounds by everybody for himself,
 * and by the first within e/(e-1) periods on average.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "quorate/error.h"
#include "swim/internal.h"

#define TRIES_PER_PICK 4

static void place(struct swim *swim, uint32_t at, uint32_t slot)
{
    swim->order[at] = slot;
    swim_slot_of(swim, slot)->order_at = at;
}

static void exchange(struct swim *swim, uint32_t a, uint32_t b)
{
    uint32_t slot = swim->order[a];
    place(swim, a, swim->order[b]);
    place(swim, b, slot);
}

void swim_order_add(struct swim *swim, uint32_t slot)
{
    ASSERT(swim_slot_of(swim, slot)->order_at == SWIM_NONE);
    if (allocate_grow(swim->options.allocator, (void **)&swim->order, &swim->order_capacity,
                      (size_t)swim->order_count + 1, swim->options.members_max,
                      sizeof(*swim->order)) != 0) {
        swim->failed = QR_ERR_NO_MEMORY;
        return;
    }
    uint32_t last = swim->order_count++;
    place(swim, last, slot);
    /* Anywhere in what is left of the round, or it would wait as long as the round is. */
    exchange(swim, last, (uint32_t)prng_between(&swim->prng, swim->order_at, last));
}

void swim_order_remove(struct swim *swim, uint32_t slot)
{
    uint32_t at = swim_slot_of(swim, slot)->order_at;
    ASSERT(at < swim->order_count);
    if (at < swim->order_at) {
        swim->order_at--;
        exchange(swim, at, swim->order_at);
        at = swim->order_at;
    }
    swim->order_count--;
    exchange(swim, at, swim->order_count);
    swim_slot_of(swim, slot)->order_at = SWIM_NONE;
}

static void shuffle(struct swim *swim)
{
    for (uint32_t left = swim->order_count; left > 1; left--) {
        exchange(swim, left - 1, (uint32_t)prng_between(&swim->prng, 0, left - 1));
    }
    swim->order_at = 0;
}

uint32_t swim_order_next(struct swim *swim)
{
    if (swim->order_count == 0) {
        return SWIM_NONE;
    }
    if (swim->order_at >= swim->order_count) {
        shuffle(swim);
    }
    return swim->order[swim->order_at++];
}

static uint32_t pick(struct swim *swim, uint32_t without, bool takes_suspects, uint32_t count,
                     uint32_t *slots)
{
    uint32_t found = 0;
    for (uint32_t tries = 0; tries < count * TRIES_PER_PICK + TRIES_PER_PICK; tries++) {
        if (found == count || swim->order_count == 0) {
            break;
        }
        uint32_t slot = swim->order[prng_between(&swim->prng, 0, swim->order_count - 1)];
        bool is_fit =
            slot != without && (takes_suspects || swim_slot_of(swim, slot)->state == SWIM_ALIVE);
        for (uint32_t i = 0; i < found; i++) {
            is_fit = is_fit && slots[i] != slot;
        }
        if (is_fit) {
            slots[found++] = slot;
        }
    }
    return found;
}

uint32_t swim_order_pick(struct swim *swim, uint32_t count, uint32_t *slots)
{
    return pick(swim, SWIM_NONE, true, count, slots);
}

uint32_t swim_order_pick_alive(struct swim *swim, uint32_t without, uint32_t count, uint32_t *slots)
{
    return pick(swim, without, false, count, slots);
}
