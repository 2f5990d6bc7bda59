/* waiters.c: slots with a free list, grown as needed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/waiters.h"

#include "base/assert.h"
#include "quorate/error.h"

#define NONE UINT32_MAX

void waiters_init(struct waiters *waiters, const struct allocator *allocator, size_t limit)
{
    ASSERT(limit < NONE);
    *waiters = (struct waiters){.allocator = allocator, .limit = limit, .first_free = NONE};
}

void waiters_deinit(struct waiters *waiters)
{
    ASSERT(waiters->count == 0);
    if (waiters->slots != NULL) {
        release(waiters->allocator, waiters->slots, waiters->capacity * sizeof(*waiters->slots));
    }
}

int waiters_add(struct waiters *waiters, void (*done)(void), void *argument, uint64_t *token)
{
    if (waiters->count >= waiters->limit) {
        return QR_ERR_BUSY;
    }
    uint32_t slot = waiters->first_free;
    if (slot == NONE) {
        void *slots = waiters->slots;
        int status =
            allocate_grow(waiters->allocator, &slots, &waiters->capacity, waiters->used_slots + 1,
                          waiters->limit, sizeof(*waiters->slots));
        if (status != 0) {
            return status;
        }
        waiters->slots = slots;
        slot = (uint32_t)waiters->used_slots++;
        waiters->slots[slot] = (struct waiter){.generation = 0};
    } else {
        waiters->first_free = waiters->slots[slot].next_free;
    }
    struct waiter *waiter = &waiters->slots[slot];
    waiter->call = (struct waiter_call){done, argument};
    waiter->generation++;
    ASSERT(waiter->generation % 2 == 1);
    waiters->count++;
    *token = (uint64_t)waiter->generation << 32 | slot;
    return 0;
}

static void take_out(struct waiters *waiters, uint32_t slot, struct waiter_call *out)
{
    struct waiter *waiter = &waiters->slots[slot];
    *out = waiter->call;
    waiter->generation++;
    waiter->next_free = waiters->first_free;
    waiters->first_free = slot;
    waiters->count--;
}

bool waiters_take(struct waiters *waiters, uint64_t token, struct waiter_call *out)
{
    uint32_t slot = (uint32_t)token;
    if (slot >= waiters->used_slots || waiters->slots[slot].generation != token >> 32 ||
        waiters->slots[slot].generation % 2 == 0) {
        return false;
    }
    take_out(waiters, slot, out);
    return true;
}

void waiters_forget(struct waiters *waiters, uint64_t token)
{
    struct waiter_call unused;
    bool was_there = waiters_take(waiters, token, &unused);
    ASSERT(was_there);
}

bool waiters_take_any(struct waiters *waiters, struct waiter_call *out)
{
    for (uint32_t slot = 0; slot < waiters->used_slots; slot++) {
        if (waiters->slots[slot].generation % 2 == 1) {
            take_out(waiters, slot, out);
            return true;
        }
    }
    return false;
}
