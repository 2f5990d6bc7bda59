/* scan.c: the walk, told item by item, for people who want to see or check a log. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/walk.h"

struct scan {
    void (*each)(void *context, const struct wal_scan_item *item);
    void *context;
};

static int tell_segment(void *context, const struct wal_segment_header *header, const char *name)
{
    const struct scan *scan = context;
    struct wal_scan_item item = {
        .kind = WAL_SCAN_SEGMENT,
        .file = name,
        .sequence = header->sequence,
        .is_reset = header->is_reset,
        .base = header->base,
        .hard_state = header->hard_state,
        .commit_index = header->commit_index,
    };
    scan->each(scan->context, &item);
    return 0;
}

static int tell_batch(void *context, const struct wal_batch_header *header, const char *name,
                      const struct entry *entries, uint64_t end)
{
    (void)end;
    const struct scan *scan = context;
    struct wal_scan_item item = {
        .kind = WAL_SCAN_BATCH,
        .file = name,
        .offset = header->at.offset,
        .sequence = header->at.sequence,
        .base = header->base,
        .hard_state = header->hard_state,
        .commit_index = header->commit_index,
        .generation = header->generation,
        .entry_count = header->entry_count,
    };
    scan->each(scan->context, &item);
    item.kind = WAL_SCAN_ENTRY;
    item.offset += WAL_BATCH_HEADER_BYTES;
    for (uint32_t i = 0; i < header->entry_count; i++) {
        item.entry = &entries[i];
        scan->each(scan->context, &item);
        item.offset += entries[i].record_bytes;
    }
    return 0;
}

static void tell_end(const struct scan *scan, const struct wal_walk *walk, enum wal_scan_kind kind,
                     struct wal_position at)
{
    char name[DISK_NAME_BYTES_MAX];
    wal_segment_name(at.sequence, name);
    struct wal_scan_item item = {
        .kind = kind,
        .file = name,
        .offset = at.offset,
        .sequence = at.sequence,
        .text = walk->reason != NULL ? walk->reason : "bytes behind the end of the log",
    };
    scan->each(scan->context, &item);
}

int wal_scan(const struct wal_options *options,
             void (*each)(void *context, const struct wal_scan_item *item), void *context,
             char *detail)
{
    struct scan scan = {each, context};
    struct wal_walk walk;
    wal_walk_init(&walk, options, detail);
    walk.visitor = (struct wal_visitor){&scan, tell_segment, tell_batch};
    int status = wal_walk_run(&walk);
    if (status == QR_ERR_CORRUPT) {
        tell_end(&scan, &walk, WAL_SCAN_DAMAGE, walk.failed);
    } else if (status == 0 && walk.torn_bytes > 0) {
        tell_end(&scan, &walk, WAL_SCAN_TORN, walk.cursor.at);
    }
    wal_walk_deinit(&walk);
    return status;
}
