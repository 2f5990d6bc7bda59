/* anchors.c: a sparse map from index to place.
 *
 * Owns     the rule that an index is found in its last version: an anchor at every batch that
 *          replaces, at the first of every segment, and about every 64 KiB between.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "wal/internal.h"

int wal_anchors_reserve(struct wal_anchors *anchors, const struct allocator *allocator,
                        size_t extra)
{
    void *items = anchors->items;
    int status = allocate_grow(allocator, &items, &anchors->capacity, anchors->count + extra,
                               WAL_ANCHORS_MAX, sizeof(*anchors->items));
    anchors->items = items;
    return status == 0 ? 0 : QR_ERR_NO_MEMORY;
}

void wal_anchors_add(struct wal_anchors *anchors, struct wal_anchor anchor)
{
    while (anchors->count > 0 &&
           anchors->items[anchors->count - 1].first_index >= anchor.first_index) {
        ASSERT(anchor.is_replacing);
        anchors->count--;
    }
    if (anchors->count > 0 && !anchor.is_replacing) {
        const struct wal_anchor *last = &anchors->items[anchors->count - 1];
        ASSERT(wal_position_is_before(last->at, anchor.at));
        if (last->at.sequence == anchor.at.sequence &&
            anchor.at.offset - last->at.offset < WAL_ANCHOR_SPACING_BYTES) {
            return;
        }
    }
    ASSERT(anchors->count < anchors->capacity);
    anchors->items[anchors->count++] = anchor;
}

const struct wal_anchor *wal_anchors_find(const struct wal_anchors *anchors, raft_index index,
                                          raft_index *limit)
{
    size_t low = 0;
    size_t high = anchors->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (anchors->items[middle].first_index <= index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return NULL;
    }
    /* Plain anchors only stand on the way; what replaces, or lies in another file, ends it. */
    const struct wal_anchor *found = &anchors->items[low - 1];
    *limit = RAFT_INDEX_NONE_BEHIND;
    for (size_t i = low; i < anchors->count; i++) {
        const struct wal_anchor *next = &anchors->items[i];
        if (next->is_replacing || next->at.sequence != found->at.sequence) {
            *limit = next->first_index;
            break;
        }
    }
    return found;
}

void wal_anchors_forget(struct wal_anchors *anchors, raft_index first, bool is_empty)
{
    size_t gone = is_empty ? anchors->count : 0;
    while (gone + 1 < anchors->count && anchors->items[gone + 1].first_index <= first) {
        gone++;
    }
    if (gone > 0) {
        anchors->count -= gone;
        memmove(anchors->items, anchors->items + gone, anchors->count * sizeof(*anchors->items));
    }
}

void wal_anchors_deinit(struct wal_anchors *anchors, const struct allocator *allocator)
{
    release(allocator, anchors->items, anchors->capacity * sizeof(*anchors->items));
    *anchors = (struct wal_anchors){0};
}
