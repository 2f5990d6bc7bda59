/* wal.c: the log as a whole: its end, its condition, its numbers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/wal.h"

#include "wal/internal.h"

void wal_free(struct wal *wal)
{
    if (wal == NULL) {
        return;
    }
    ASSERT(wal_is_idle(wal));
    const struct allocator *allocator = wal->options.allocator;
    wal_recovered_release(wal);
    wal_writes_free(wal, &wal->waiting);
    while (wal->spare.first != NULL) {
        struct wal_write *write = wal->spare.first;
        wal->spare.first = write->next;
        release(allocator, write, sizeof(*write));
    }
    wal_anchors_deinit(&wal->anchors, allocator);
    release(allocator, wal->segments, wal->segment_capacity * sizeof(*wal->segments));
    release(allocator, wal, sizeof(*wal));
}

bool wal_is_idle(const struct wal *wal)
{
    return wal->sent.count == 0 && wal->background_sequence == 0 && wal->read_count == 0;
}

bool wal_is_poisoned(const struct wal *wal)
{
    return wal->is_poisoned;
}

void wal_stats(const struct wal *wal, struct wal_stats *out)
{
    *out = wal->stats;
    out->base = wal->cursor.base;
    out->segment_count = 0;
    out->size_bytes = 0;
    for (size_t i = 0; i < wal->segment_count; i++) {
        const struct wal_segment *segment = &wal->segments[i];
        if (segment->state == WAL_SEGMENT_USED || segment->state == WAL_SEGMENT_READY) {
            out->segment_count++;
            out->size_bytes += segment->size_bytes;
        }
    }
}

static void check_list(const struct wal_write_list *list)
{
    size_t count = 0;
    for (const struct wal_write *at = list->first; at != NULL; at = at->next) {
        count++;
        ASSERT_IMPLIES(at->next == NULL, at == list->last);
    }
    ASSERT(count == list->count);
    ASSERT((list->first == NULL) == (list->last == NULL));
}

static void check_segments(const struct wal *wal)
{
    ASSERT(wal->cursor.at.sequence + WAL_SEGMENTS_AHEAD <= wal_segment_last(wal));
    ASSERT(wal->synced.sequence >= wal->segment_first);
    ASSERT(wal->synced.sequence >= wal->needed_sequence);
    for (size_t i = 0; i < wal->segment_count; i++) {
        const struct wal_segment *segment = &wal->segments[i];
        bool is_preparing = segment->state == WAL_SEGMENT_PREPARING;
        ASSERT(is_preparing == (wal->background_sequence == wal->segment_first + i));
        /* The first one may be on its way out. */
        bool is_going = is_preparing && i == 0;
        ASSERT_IMPLIES(i > 1 && segment->state == WAL_SEGMENT_USED,
                       wal->segments[i - 1].state == WAL_SEGMENT_USED);
        ASSERT_IMPLIES(segment->synced_bytes > 0, segment->state == WAL_SEGMENT_USED || is_going);
        ASSERT(segment->synced_bytes <= segment->size_bytes);
    }
}

static void check_anchors(const struct wal *wal)
{
    const struct wal_anchor *items = wal->anchors.items;
    for (size_t i = 1; i < wal->anchors.count; i++) {
        ASSERT(items[i - 1].first_index < items[i].first_index);
        ASSERT(wal_position_is_before(items[i - 1].at, items[i].at));
    }
    ASSERT_IMPLIES(wal->durable_last > wal->durable_base.index,
                   wal->anchors.count > 0 && items[0].first_index <= wal->durable_base.index + 1);
}

void wal_invariants(const struct wal *wal)
{
    check_list(&wal->sent);
    check_list(&wal->waiting);
    check_list(&wal->spare);
    check_segments(wal);
    check_anchors(wal);
    ASSERT(!wal_position_is_before(wal->cursor.at, wal->synced));
    ASSERT(!wal_position_is_before(wal->synced, wal->noted));
    ASSERT(wal->readable_last <= wal->cursor.last_index);
    ASSERT(wal->readable_last >= wal->cursor.base.index);
    ASSERT(wal->base_sent.index <= wal->cursor.base.index);
    ASSERT(wal->durable_base.index <= wal->base_sent.index);
    ASSERT(wal->append_count <= WAL_APPENDS_MAX);
    ASSERT(wal->append_count <= wal->sent.count + wal->waiting.count);
    ASSERT_IMPLIES(wal->is_poisoned, wal->waiting.count == 0);
    ASSERT(wal->read_count <= WAL_READS_MAX);
}
