/* allocator.c: helpers over the allocator that the caller handed in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/allocator.h"

#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

#define FIRST_CAPACITY 8

void *allocate_zeroed(const struct allocator *allocator, size_t size_bytes)
{
    void *memory = allocate(allocator, size_bytes);
    if (memory != NULL) {
        memset(memory, 0, size_bytes);
    }
    return memory;
}

int allocate_grow(const struct allocator *allocator, void **array, size_t *capacity, size_t needed,
                  size_t limit, size_t item_bytes)
{
    ASSERT(item_bytes > 0);
    ASSERT(*capacity <= limit);

    if (needed <= *capacity) {
        return 0;
    }
    if (needed > limit) {
        return QR_ERR_TOO_LARGE;
    }
    size_t wanted = *capacity == 0 ? FIRST_CAPACITY : *capacity;
    while (wanted < needed) {
        wanted = wanted > limit / 2 ? limit : wanted * 2;
    }
    if (wanted > limit) {
        wanted = limit;
    }
    size_t size_bytes;
    if (__builtin_mul_overflow(wanted, item_bytes, &size_bytes)) {
        return QR_ERR_NO_MEMORY;
    }
    void *grown = allocate(allocator, size_bytes);
    if (grown == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    if (*capacity > 0) {
        memcpy(grown, *array, *capacity * item_bytes);
        release(allocator, *array, *capacity * item_bytes);
    }
    *array = grown;
    *capacity = wanted;
    return 0;
}
