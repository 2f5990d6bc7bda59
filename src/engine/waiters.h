/* waiters.h: who waits for a proposal or a read, by a number the node carries about. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_WAITERS_H
#define ENGINE_WAITERS_H

#include "base/allocator.h"
#include "base/types.h"

/* Who waits: the program's callback, cast back by whoever put it in, and its argument. */
struct waiter_call {
    void (*done)(void);
    void *argument;
};

struct waiter {
    struct waiter_call call;
    uint32_t generation; /* odd while used; so that a number is never taken for another's */
    uint32_t next_free;
};

struct waiters {
    const struct allocator *allocator;
    struct waiter *slots;
    size_t capacity;
    size_t used_slots; /* ever used; below capacity */
    size_t count;      /* waiting now */
    size_t limit;
    uint32_t first_free; /* UINT32_MAX: none */
};

void waiters_init(struct waiters *waiters, const struct allocator *allocator, size_t limit);
void waiters_deinit(struct waiters *waiters);

/* Add one. Returns 0, QR_ERR_BUSY at the limit, or QR_ERR_NO_MEMORY. */
NODISCARD int waiters_add(struct waiters *waiters, void (*done)(void), void *argument,
                          uint64_t *token);

/* Take one out; false when the token is of none. */
bool waiters_take(struct waiters *waiters, uint64_t token, struct waiter_call *out);

/* Take one out that is there, and of which nobody is told. */
void waiters_forget(struct waiters *waiters, uint64_t token);

/* Take any out; false when there is none. Cost: linear, for the end. */
bool waiters_take_any(struct waiters *waiters, struct waiter_call *out);

#endif
