/* chunk.c: reference-counted memory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/chunk.h"

#include "base/assert.h"

struct chunk *chunk_new(const struct allocator *allocator, uint32_t size_bytes)
{
    struct chunk *chunk = allocate(allocator, sizeof(*chunk) + size_bytes);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->allocator = allocator;
    chunk->reference_count = 1;
    chunk->size_bytes = size_bytes;
    chunk->used_bytes = 0;
    chunk->unused = 0;
    return chunk;
}

struct chunk *chunk_hold(struct chunk *chunk)
{
    ASSERT(chunk->reference_count > 0);
    ASSERT(chunk->reference_count < UINT32_MAX);
    chunk->reference_count++;
    return chunk;
}

void chunk_drop(struct chunk *chunk)
{
    if (chunk == NULL) {
        return;
    }
    ASSERT(chunk->reference_count > 0);
    chunk->reference_count--;
    if (chunk->reference_count == 0) {
        release(chunk->allocator, chunk, sizeof(*chunk) + chunk->size_bytes);
    }
}
