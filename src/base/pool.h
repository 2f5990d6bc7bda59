/* pool.h: small memory that is used again and again, between its users and their allocator.
 *
 * Owns     what was given back to it and waits for the next who asks, bounded; blocks that are
 *          out belong to whoever has them.
 * Does not know time: pool_trim() is called now and then, and what lay idle since goes back.
 * Threads  one at a time; nothing inside is locked.
 *
 * Sizes are rounded up to POOL_STEP_BYTES, each with a list of its own, up to POOL_SMALL_BYTES_MAX;
 * chunks of the usual size have one too. Any other size passes through.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/allocator.h"
#include "base/chunk.h"
#include "base/types.h"

#define POOL_STEP_BYTES 64
#define POOL_SMALL_BYTES_MAX 1024
#define POOL_CHUNK_BYTES (sizeof(struct chunk) + CHUNK_USUAL_BYTES)
#define POOL_CLASSES (POOL_SMALL_BYTES_MAX / POOL_STEP_BYTES + 1) /* the last is for chunks */
#define POOL_TRIM_BLOCKS_MAX 1024                                 /* of a class, at a time */

struct pool_block {
    struct pool_block *next;
};

struct pool_class {
    struct pool_block *first;
    size_t count;
    size_t least; /* that `count` was since the last trim: so many were not needed */
};

struct pool {
    struct allocator allocator;    /* what to hand to its users; points here */
    const struct allocator *below; /* borrowed; outlives the pool */
    size_t kept_bytes;
    size_t kept_bytes_max;
    struct pool_class classes[POOL_CLASSES];
};

/* An empty pool in place, which must not move from then on. It keeps at most `kept_bytes_max`. */
void pool_init(struct pool *pool, const struct allocator *below, size_t kept_bytes_max);

/* Give back all that is kept. Blocks that are out must have come back, unless nobody will give
 * them back. A zeroed pool is fine.
 */
void pool_deinit(struct pool *pool);

/* Whether blocks of this size are kept at all. */
bool pool_is_for(size_t size_bytes);

/* Give back what was not needed since the last call, at most POOL_TRIM_BLOCKS_MAX a class. */
void pool_trim(struct pool *pool);

#endif
