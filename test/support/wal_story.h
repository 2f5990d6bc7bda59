/* wal_story.h: a log of which every write was noted as it was made, to be damaged and judged.
 *
 * Owns     a wal_rig, and for each write of its log where it stands, its bytes, and what the
 *          log must hold behind it. After the making, rig.appends has one item for each write,
 *          so that wal_rig's model is that of writes.
 * Judges   a disk by bytes alone, beside src/wal: the writes that stand there whole from the
 *          first on are the log; it is damaged when anything whole behind them notes that more
 *          was durable. Recovery must say just that. It may refuse, and change nothing; or hold
 *          just those writes, take more, and hold them too when opened once more.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_WAL_STORY_H
#define SUPPORT_WAL_STORY_H

#include "support/wal_rig.h"

#define WAL_STORY_WRITES_MAX 256

struct wal_story_place {
    uint64_t sequence; /* of a segment, from 1 */
    uint64_t offset;
};

struct wal_story_write {
    struct wal_story_place at;    /* its first byte; offset 0: with a segment's header */
    struct wal_story_place end;   /* behind its padding */
    struct wal_story_place noted; /* all before this place was durable when it was made */
    uint8_t *bytes;
    size_t size_bytes;
    size_t append; /* number of the append it belongs to, from 1; 0: a mark */
};

struct wal_story {
    struct wal_rig rig;
    raft_term term;                                      /* of the next append */
    raft_index commit_index;                             /* as it was told to the log last */
    struct wal_story_write writes[WAL_STORY_WRITES_MAX]; /* of batches */
    size_t write_count;
    size_t done_count;                                  /* of writes: reported by the disk */
    struct wal_story_write marks[WAL_STORY_WRITES_MAX]; /* and batches that a restart cut */
    size_t mark_count;
    size_t found_count;        /* of writes: found by the last restart */
    size_t acknowledged_count; /* of writes: those, and what was synced until the end */
    struct wal_rig_append states[WAL_STORY_WRITES_MAX]; /* what each write brings */
    struct disk_memory_sector *unsynced; /* of what was pending or not synced at the end */
    size_t unsynced_count;
    struct disk_memory whole; /* as wal_story_end() left it */
};

/* An empty log, open, its segments prepared. */
void wal_story_begin(struct wal_story *story);

/* Append `count` entries, of which the first `back` replace the last ones there are; nothing
 * happens on the disk yet. Replacing, or a count of 0, begins a new term.
 */
void wal_story_append(struct wal_story *story, size_t back, size_t count, uint32_t payload_bytes);

/* Let the disk carry out `count` writes, or all there are. */
void wal_story_sync(struct wal_story *story, size_t count);

/* The log rests: all is synced and noted in a mark. */
void wal_story_mark(struct wal_story *story);

/* The machine goes down and up again. Of the unsynced sectors those stay that are in `kept`, a bit
 * for each in the order of writing. What recovery finds then counts as acknowledged.
 */
void wal_story_restart(struct wal_story *story, uint64_t kept);

/* The machine goes down. What is not synced, or pending, is kept on the disk, or nothing of it;
 * story->unsynced has it in either case, in the order of writing.
 */
void wal_story_end(struct wal_story *story, bool is_kept);

void wal_story_deinit(struct wal_story *story);

/* Judge the disk as it is; then put it back to how wal_story_end() left it.
 *
 * held     how many writes the log must hold at the least, or refuse to open. What is known to
 *          be acknowledged, unless the damage is of a kind that leaves no witness.
 *
 * Returns how many writes the log held, or SIZE_MAX when it was refused.
 */
size_t wal_story_judge(struct wal_story *story, size_t held);

/* How many writes stand on the disk whole, from the first on. */
size_t wal_story_whole(struct wal_story *story);

#endif
