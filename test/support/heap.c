/* heap.c: an allocator for tests. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/heap.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* Fresh memory is no zeros, and neither is memory that was given back. */
#define FRESH 0xa5
#define STALE 0x5a
#define FILLED_BYTES_MAX (16 * 1024) /* of a large block, at either end: all of it costs minutes */

union block_head {
    size_t size_bytes;
    max_align_t aligned;
};

static void fill(void *memory, int byte, size_t size_bytes)
{
    if (size_bytes <= 2 * FILLED_BYTES_MAX) {
        memset(memory, byte, size_bytes);
        return;
    }
    memset(memory, byte, FILLED_BYTES_MAX);
    memset((char *)memory + size_bytes - FILLED_BYTES_MAX, byte, FILLED_BYTES_MAX);
}

static void *heap_allocate(void *context, size_t size_bytes)
{
    struct heap *heap = context;
    heap->allocate_count++;
    if (heap->allocate_count == heap->fail_at) {
        return NULL;
    }
    union block_head *head = malloc(sizeof(*head) + size_bytes);
    if (head == NULL) {
        return NULL;
    }
    head->size_bytes = size_bytes;
    heap->block_count++;
    heap->live_bytes += size_bytes;
    fill(head + 1, FRESH, size_bytes);
    return head + 1;
}

static void heap_release(void *context, void *memory, size_t size_bytes)
{
    struct heap *heap = context;
    if (memory == NULL) {
        return;
    }
    union block_head *head = (union block_head *)memory - 1;
    ASSERT(head->size_bytes == size_bytes);
    ASSERT(heap->block_count > 0);
    heap->block_count--;
    heap->live_bytes -= size_bytes;
    fill(memory, STALE, size_bytes);
    free(head);
}

void heap_init(struct heap *heap)
{
    *heap = (struct heap){.allocator = {heap, heap_allocate, heap_release}};
}

void heap_deinit(const struct heap *heap)
{
    ASSERT(heap->block_count == 0);
    ASSERT(heap->live_bytes == 0);
}
