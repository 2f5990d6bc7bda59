/* chunk.h: reference-counted memory that entries and frames are slices of.
 *
 * Owns     the bytes until the last reference goes.
 * Threads  counts change on one thread only; another may read the bytes while a
 *          reference is held for it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CHUNK_H
#define BASE_CHUNK_H

#include <stdint.h>

#include "base/allocator.h"
#include "base/types.h"

#define CHUNK_USUAL_BYTES UINT32_C(65536) /* of data; where nothing asks for more */

struct chunk {
    const struct allocator *allocator; /* borrowed; outlives the chunk */
    uint32_t reference_count;
    uint32_t size_bytes; /* capacity of data */
    uint32_t used_bytes; /* for whoever fills it; what lies below never changes again */
    uint32_t unused;
    uint8_t data[];
};

/* A chunk of `size_bytes` with one reference, its bytes not initialised, or NULL. */
struct chunk *chunk_new(const struct allocator *allocator, uint32_t size_bytes);

/* One more reference. Returns its argument. */
struct chunk *chunk_hold(struct chunk *chunk);

/* One reference less; the last one frees the chunk. NULL is allowed. */
void chunk_drop(struct chunk *chunk);

#endif
