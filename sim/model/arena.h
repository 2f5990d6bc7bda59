/* arena.h: the memory of one machine, which can be taken away and brought back as it was.
 *
 * Owns     a range of addresses that stays where it is, so that pointers within it remain
 *          right when its contents are saved and restored.
 * Does not know what lies in it, but for the allocator's own few words at its beginning.
 * Threads  one.
 *
 * An image holds the words that are not zero: most of a machine's memory, sized for 64
 * members and hundreds of messages, never is anything else.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_ARENA_H
#define MODEL_ARENA_H

#include "base/allocator.h"
#include "sim/model/memory.h"

#define ARENA_SIZES_MAX 24 /* different sizes of released blocks */
#define ARENA_BYTES ((size_t)4 * 1024 * 1024)
#define ARENA_PAGE_BYTES ((size_t)4096)
#define ARENA_PAGES (ARENA_BYTES / ARENA_PAGE_BYTES)

/* Stands at the beginning of the range, and so is part of an image. */
struct arena_head {
    struct allocator allocator; /* of blocks in the range */
    size_t used_bytes;
    struct {
        size_t size_bytes;
        void *first; /* each holds the address of the next */
    } released[ARENA_SIZES_MAX];
};

struct arena {
    uint8_t *base;
    bool is_touched[ARENA_PAGES]; /* pages that hold or held anything */
};

NODISCARD bool arena_init(struct arena *arena);
void arena_deinit(struct arena *arena);

/* Zero everything, but for an allocator that has given out nothing. */
void arena_clear(struct arena *arena);

/* `size_bytes` of zeroes, or NULL. The first block of a cleared arena is always the same. */
void *arena_allocate(struct arena *arena, size_t size_bytes);

/* The allocator for what lives in the arena. */
const struct allocator *arena_allocator(const struct arena *arena);

/* Append the image to the pool; its bytes, or 0 when the pool has no more. */
size_t arena_save(struct arena *arena, struct pool *pool, const uint8_t **image);

void arena_restore(struct arena *arena, const uint8_t *image, size_t image_bytes);

#endif
