/* allocator.h: where pure code gets its memory from.
 *
 * Owns     nothing: the caller hands one in, and it outlives what was made with it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ALLOCATOR_H
#define BASE_ALLOCATOR_H

#include <stddef.h>

struct allocator {
    void *context;
    /* `size_bytes` of memory aligned for any type, or NULL. */
    void *(*allocate)(void *context, size_t size_bytes);
    /* Give back what allocate() returned with this size; NULL is allowed. */
    void (*release)(void *context, void *memory, size_t size_bytes);
};

static inline void *allocate(const struct allocator *allocator, size_t size_bytes)
{
    return allocator->allocate(allocator->context, size_bytes);
}

static inline void release(const struct allocator *allocator, void *memory, size_t size_bytes)
{
    allocator->release(allocator->context, memory, size_bytes);
}

/* Zeroed memory, or NULL. */
void *allocate_zeroed(const struct allocator *allocator, size_t size_bytes);

/* Make room for at least `needed` items in a growable array.
 *
 * array      the array's address, moved when it grows; its items are kept.
 * capacity   in items; doubled until it is enough, never past `limit`.
 *
 * Returns 0, QR_ERR_TOO_LARGE when `needed` is over `limit`, or QR_ERR_NO_MEMORY;
 * on failure nothing changed.
 */
int allocate_grow(const struct allocator *allocator, void **array, size_t *capacity, size_t needed,
                  size_t limit, size_t item_bytes);

#endif
