/* offline.c: one batch for a log that nobody has open, all at once.
 *
 * Owns     the segment it makes: header, batch and zeros are written aside and then named, so
 *          that the log goes on there or does not. What a segment prepared ahead held is nothing
 *          that counts, and gives way.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "wal/walk.h"

static int meet_segment(void *context, const struct wal_segment_header *header, const char *name)
{
    (void)context;
    (void)header;
    (void)name;
    return 0;
}

static int meet_batch(void *context, const struct wal_batch_header *header, const char *name,
                      const struct entry *entries, uint64_t end)
{
    (void)context;
    (void)header;
    (void)name;
    (void)entries;
    (void)end;
    return 0;
}

static int refuse(int status, const char *what, char *detail)
{
    struct text text = text_of(detail, WAL_ERROR_DETAIL_BYTES);
    text_string(&text, what);
    return status;
}

static const char *misfit(const struct wal_batch *batch, const struct wal_cursor *cursor)
{
    const struct entry *entry = &batch->entries[0];
    if (batch->reset != NULL && batch->reset->index < cursor->base.index) {
        return "the log is compacted beyond what it should stand at";
    }
    raft_index last_index = batch->reset == NULL ? cursor->last_index : batch->reset->index;
    if (entry->index != last_index + 1) {
        return "the log does not end where the entry is to follow";
    }
    return batch->hard_state.term < cursor->hard_state.term ? "the log is of a later term" : NULL;
}

/* The bytes of a segment, of zeros so far, with that one batch. */
static void fill(const struct wal_options *options, const struct wal_batch *batch,
                 struct wal_cursor *cursor, struct wal_position synced, uint8_t *out)
{
    const struct entry *entry = &batch->entries[0];
    if (batch->reset != NULL) {
        wal_cursor_reset(cursor, batch->reset);
    }
    struct wal_segment_header segment =
        wal_segment_header_of(cursor, options->node, WAL_SEGMENT_BYTES_MIN);
    wal_segment_header_encode(&segment, out);
    struct wal_batch_header header = wal_batch_header_of(
        cursor, (struct wal_position){cursor->at.sequence, WAL_SEGMENT_HEADER_BYTES});
    header.digest = wal_digest_add(0, entry_checksum(entry));
    header.body_bytes = entry->record_bytes;
    header.entry_count = 1;
    header.first_index = entry->index;
    header.hard_state = batch->hard_state;
    header.commit_index = batch->commit_index;
    header.synced = synced;
    (void)wal_batch_header_encode(&header, out + WAL_SEGMENT_HEADER_BYTES);
    memcpy(out + WAL_HEAD_BYTES_MAX, entry->record, entry->record_bytes);
}

static int make_segment(const struct wal_walk *walk, const struct wal_batch *batch, char *detail)
{
    const struct wal_options *options = walk->options;
    struct wal_cursor cursor = walk->cursor;
    if (cursor.at.offset > 0) {
        cursor.at = (struct wal_position){cursor.at.sequence + 1, 0};
    }
    cursor.generation = walk->generation_max + 1;
    uint8_t *bytes = allocate_zeroed(options->allocator, WAL_SEGMENT_BYTES_MIN);
    if (bytes == NULL) {
        return refuse(QR_ERR_NO_MEMORY, "memory ran out", detail);
    }
    char name[DISK_NAME_BYTES_MAX];
    wal_segment_name(cursor.at.sequence, name);
    fill(options, batch, &cursor, walk->cursor.at, bytes);
    int status = disk_replace(options->disk, name, bytes, WAL_SEGMENT_BYTES_MIN);
    release(options->allocator, bytes, WAL_SEGMENT_BYTES_MIN);
    if (status != 0) {
        struct text text = text_of(detail, WAL_ERROR_DETAIL_BYTES);
        text_string(&text, name);
        text_string(&text, ": cannot be written: ");
        text_string(&text, qr_error_text(status));
    }
    return status;
}

int wal_append_offline(const struct wal_options *options, const struct wal_batch *batch,
                       char *detail)
{
    ASSERT(batch->count == 1);
    ASSERT(wal_sectors(WAL_HEAD_BYTES_MAX + batch->entries[0].record_bytes) + DISK_SECTOR_BYTES <=
           WAL_SEGMENT_BYTES_MIN);

    struct wal_walk walk;
    wal_walk_init(&walk, options, detail);
    walk.visitor = (struct wal_visitor){NULL, meet_segment, meet_batch};
    int status = wal_walk_run(&walk);
    const char *wrong = status == 0 ? misfit(batch, &walk.cursor) : NULL;
    if (wrong != NULL) {
        status = refuse(QR_ERR_INVALID, wrong, detail);
    }
    if (status == 0) {
        status = make_segment(&walk, batch, detail);
    }
    wal_walk_deinit(&walk);
    return status;
}
