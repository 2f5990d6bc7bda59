/* arena.h: memory that grows in blocks and is given back all at once.
 *
 * Owns     its blocks, until arena_deinit(). What was taken is good until arena_reset().
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_LINEAR_ARENA_H
#define SIM_LINEAR_ARENA_H

#include "base/allocator.h"
#include "base/types.h"

struct arena_block;

struct arena {
    const struct allocator *allocator; /* borrowed */
    struct arena_block *first;
    struct arena_block *current; /* NULL: nothing was taken since the reset */
    size_t used_bytes;           /* of the current block */
    size_t size_bytes;           /* of all blocks */
    size_t taken_bytes;          /* since the reset, whatever blocks there were before */
    size_t taken_bytes_max;
    bool is_full; /* a take failed for the limit, not for the allocator */
};

/* An empty arena in place. Between two resets no more than `taken_bytes_max` can be taken, which
 * may need twice as much of the allocator.
 */
void arena_init(struct arena *arena, const struct allocator *allocator, size_t taken_bytes_max);

/* Give back every block. */
void arena_deinit(struct arena *arena);

/* Forget what was taken; the blocks are kept for what comes. */
void arena_reset(struct arena *arena);

/* `count` items of `item_bytes` each, not initialised and aligned for any type, or NULL. */
NODISCARD void *arena_take(struct arena *arena, size_t count, size_t item_bytes);

/* The same, zeroed. */
NODISCARD void *arena_take_zeroed(struct arena *arena, size_t count, size_t item_bytes);

/* Make room for one more item in an array that was taken here.
 *
 * array     the array's address; moved when it grows, and what it left behind is lost until
 *           the reset: at most as much again as the array.
 *
 * Returns whether there is room; if not, nothing changed.
 */
NODISCARD bool arena_grow(struct arena *arena, void **array, size_t count, size_t *capacity,
                          size_t item_bytes);

#endif
