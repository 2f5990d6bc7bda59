/* arena.c: memory that grows in blocks and is given back all at once. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/linear/arena.h"

#include <string.h>

#include "base/assert.h"

#define BLOCK_BYTES_MIN ((size_t)64 * 1024)
#define ALIGNMENT ((size_t)16)
#define ITEMS_FIRST ((size_t)16)

struct arena_block {
    struct arena_block *next;
    size_t size_bytes; /* behind this head */
};

#define HEAD_BYTES ((sizeof(struct arena_block) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)

void arena_init(struct arena *arena, const struct allocator *allocator, size_t taken_bytes_max)
{
    *arena = (struct arena){.allocator = allocator, .taken_bytes_max = taken_bytes_max};
}

void arena_deinit(struct arena *arena)
{
    while (arena->first != NULL) {
        struct arena_block *block = arena->first;
        arena->first = block->next;
        release(arena->allocator, block, HEAD_BYTES + block->size_bytes);
    }
    arena->current = NULL;
}

void arena_reset(struct arena *arena)
{
    arena->current = NULL;
    arena->used_bytes = 0;
    arena->taken_bytes = 0;
    arena->is_full = false;
}

/* A new block behind the current one, at least as large as all before it. */
static struct arena_block *add_block(struct arena *arena, size_t needed_bytes)
{
    size_t size_bytes = arena->size_bytes > BLOCK_BYTES_MIN ? arena->size_bytes : BLOCK_BYTES_MIN;

    size_bytes = size_bytes > needed_bytes ? size_bytes : needed_bytes;
    struct arena_block *block = allocate(arena->allocator, HEAD_BYTES + size_bytes);
    if (block == NULL) {
        return NULL;
    }
    struct arena_block **place = arena->current == NULL ? &arena->first : &arena->current->next;
    *block = (struct arena_block){*place, size_bytes};
    *place = block;
    arena->size_bytes += size_bytes;
    return block;
}

void *arena_take(struct arena *arena, size_t count, size_t item_bytes)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, item_bytes, &bytes) || bytes > SIZE_MAX / 2 - ALIGNMENT) {
        arena->is_full = true;
        return NULL;
    }
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (bytes > arena->taken_bytes_max - arena->taken_bytes) {
        arena->is_full = true;
        return NULL;
    }
    while (arena->current == NULL || bytes > arena->current->size_bytes - arena->used_bytes) {
        struct arena_block *next = arena->current == NULL ? arena->first : arena->current->next;
        if (next == NULL || next->size_bytes < bytes) {
            next = add_block(arena, bytes);
        }
        if (next == NULL) {
            return NULL;
        }
        arena->current = next;
        arena->used_bytes = 0;
    }
    uint8_t *taken = (uint8_t *)arena->current + HEAD_BYTES + arena->used_bytes;
    arena->used_bytes += bytes;
    arena->taken_bytes += bytes;
    ASSERT(arena->used_bytes <= arena->current->size_bytes);
    return taken;
}

void *arena_take_zeroed(struct arena *arena, size_t count, size_t item_bytes)
{
    void *taken = arena_take(arena, count, item_bytes);

    if (taken != NULL) {
        memset(taken, 0, count * item_bytes);
    }
    return taken;
}

bool arena_grow(struct arena *arena, void **array, size_t count, size_t *capacity,
                size_t item_bytes)
{
    ASSERT(count <= *capacity);
    if (count < *capacity) {
        return true;
    }
    size_t wanted = *capacity == 0 ? ITEMS_FIRST : 2 * *capacity;
    void *larger = arena_take(arena, wanted, item_bytes);
    if (larger == NULL) {
        return false;
    }
    if (count > 0) {
        memcpy(larger, *array, count * item_bytes);
    }
    *array = larger;
    *capacity = wanted;
    return true;
}
