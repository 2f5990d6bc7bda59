/* followed.c: whether a later start went on from a batch.
 *
 * Owns     the look ahead. What is chained to a batch and of a later generation was written by
 *          a start that had read that batch as part of the log. Headers tell it; bodies are
 *          not read.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/walk.h"

struct ahead {
    struct wal_cursor cursor;
    uint64_t generation; /* of the batch that it is about */
    bool is_followed;
};

static void go_behind(struct ahead *ahead, const struct wal_batch_header *header, uint32_t checksum)
{
    uint64_t used = header->at.offset + WAL_BATCH_HEADER_BYTES + header->body_bytes;
    wal_cursor_advance(&ahead->cursor, header, checksum, wal_sectors(used));
}

/* Go from batch to batch, from the cursor on. */
static int look_through(struct wal_walk *walk, const struct wal_file *file, struct ahead *ahead)
{
    while (!ahead->is_followed && ahead->cursor.at.offset + DISK_SECTOR_BYTES <= file->size_bytes) {
        struct wal_position at = ahead->cursor.at;
        const uint8_t *data;
        int status = wal_walk_bytes(walk, file, at.offset, DISK_SECTOR_BYTES, &data);
        if (status != 0) {
            return status;
        }
        struct wal_batch_header header;
        uint32_t checksum;
        if (!wal_batch_header_decode(data, &header, &checksum) ||
            wal_batch_misfit(&header, &ahead->cursor, at) != NULL) {
            return 0;
        }
        ahead->is_followed = header.generation > ahead->generation;
        if (header.is_mark) {
            return 0;
        }
        go_behind(ahead, &header, checksum);
    }
    return 0;
}

/* Go on in files[index], if its header is chained to what was met last. */
static int go_on_in(struct wal_walk *walk, size_t index, struct ahead *ahead, bool *goes_on)
{
    struct wal_segment_header header;
    enum wal_sector_kind kind;
    *goes_on = false;
    int status = wal_walk_look_at_header(walk, index, &header, &kind);
    if (status != 0 || kind != WAL_SECTOR_WHOLE ||
        wal_segment_misfit(&header, &ahead->cursor) != NULL) {
        return status;
    }
    ahead->is_followed = header.generation > ahead->generation;
    ahead->cursor.at = (struct wal_position){header.sequence, WAL_SEGMENT_HEADER_BYTES};
    *goes_on = !ahead->is_followed && !header.is_reset;
    return *goes_on ? look_through(walk, &walk->files[index], ahead) : 0;
}

int wal_walk_look_ahead(struct wal_walk *walk, const struct wal_file *file,
                        const struct wal_batch_header *batch, uint32_t checksum, bool *is_followed)
{
    struct ahead ahead = {.cursor = walk->due, .generation = batch->generation};
    go_behind(&ahead, batch, checksum);
    int status = look_through(walk, file, &ahead);
    bool goes_on = !ahead.is_followed;
    for (size_t i = (size_t)(file - walk->files) + 1;
         status == 0 && goes_on && !ahead.is_followed && i < walk->file_count; i++) {
        status = go_on_in(walk, i, &ahead, &goes_on);
    }
    *is_followed = ahead.is_followed;
    return status;
}
