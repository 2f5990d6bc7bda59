/* memory.h: the store's memory, taken from one allocator and counted.
 *
 * Owns     the count of bytes in use.
 * Threads  any, if the allocator allows it: views may be freed on another thread than the
 *          one that writes.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_MEMORY_H
#define KV_MEMORY_H

#include <stdatomic.h>

#include "base/allocator.h"
#include "base/types.h"

struct kv_memory {
    const struct allocator *allocator; /* borrowed */
    _Atomic uint64_t used_bytes;
};

/* `size_bytes` that are not initialised, or NULL. */
static inline void *kv_memory_take(struct kv_memory *memory, size_t size_bytes)
{
    void *taken = allocate(memory->allocator, size_bytes);

    if (taken != NULL) {
        atomic_fetch_add_explicit(&memory->used_bytes, size_bytes, memory_order_relaxed);
    }
    return taken;
}

/* Give back what kv_memory_take() returned with this size. */
static inline void kv_memory_give(struct kv_memory *memory, void *taken, size_t size_bytes)
{
    atomic_fetch_sub_explicit(&memory->used_bytes, size_bytes, memory_order_relaxed);
    release(memory->allocator, taken, size_bytes);
}

#endif
