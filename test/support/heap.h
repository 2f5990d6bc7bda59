/* heap.h: an allocator for tests, which counts, fails on demand, and checks sizes.
 *
 * Owns     each block until it is released; heap_deinit() asserts that none is left.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_HEAP_H
#define SUPPORT_HEAP_H

#include "base/allocator.h"
#include "base/types.h"

struct heap {
    struct allocator allocator; /* what to hand to the code under test */
    size_t block_count;         /* now */
    size_t live_bytes;          /* now */
    uint64_t allocate_count;    /* so far, failed ones included */
    uint64_t fail_at;           /* the allocation that fails, counted from 1; 0: none */
};

/* An empty heap in place. It must not move while blocks are out: its allocator points to it. */
void heap_init(struct heap *heap);

/* Assert that every block came back. */
void heap_deinit(const struct heap *heap);

#endif
