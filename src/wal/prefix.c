/* prefix.c: the beginning of the log: entries that a snapshot covers, and their segments.
 *
 * Owns     the rule which segments are needed: those from the one on where the first entry
 *          behind the durable base is found, and always the last one that is durable.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mutant.h"
#include "wal/internal.h"

/* The first segment that is needed when the log begins behind `base`. */
static uint64_t needed_behind(const struct wal *wal, struct wal_base base)
{
    if (wal->durable_last <= base.index) {
        return wal->synced.sequence;
    }
    raft_index limit;
    const struct wal_anchor *anchor = wal_anchors_find(&wal->anchors, base.index + 1, &limit);
    ASSERT(anchor != NULL);
    return min_u64(anchor->at.sequence, wal->synced.sequence);
}

void wal_prefix_settled(struct wal *wal)
{
    uint64_t needed = needed_behind(wal, wal->durable_base);
    wal->needed_sequence = max_u64(wal->needed_sequence, needed);
    wal_anchors_forget(&wal->anchors, wal->durable_base.index + 1,
                       wal->durable_last <= wal->durable_base.index);
}

void wal_prefix_note(struct wal *wal)
{
    bool is_noted = wal->base_sent.index == wal->cursor.base.index;
    if (wal->is_poisoned || wal->is_base_under_way || is_noted) {
        return;
    }
    /* Without room or memory it waits for the next append, which brings it, or wal_prepare(). */
    wal->is_base_under_way = wal_append_own(wal) == 0;
}

void wal_truncate_prefix(struct wal *wal, const struct wal_base *base)
{
    if (wal->is_poisoned || base->index <= wal->cursor.base.index) {
        return;
    }
    ASSERT(base->index <= wal->readable_last);
    wal->cursor.base = *base;
    /* A base that is only wanted does not explain to the next start what is gone. */
    if (MUTANT(BASE_UNSYNCED)) {
        wal->needed_sequence = needed_behind(wal, *base);
    }
    wal_reads_cut_below(wal, base->index);
    wal_prefix_note(wal);
    wal_segments_work(wal);
}
