/* snapshot_reader.c: the content of a snapshot, chunk by chunk, each one checked again.
 *
 * Owns     the readers. Who reads on to the end has the trailer checked, and who began at the
 *          start the checksum of all of it, too.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"
#include "wal/snapshot_internal.h"

int snapshot_reader_open(struct snapshot_store *store, raft_index index, uint64_t offset,
                         struct snapshot_reader **out, struct snapshot_info *info)
{
    struct snapshot_file *file = snapshot_store_find(store, index);
    /* One that is to be removed stays as long as somebody reads it: who does may read on. */
    bool is_going = file != NULL && file->is_unwanted && file->reader_count == 0;
    if (file == NULL || file->state != SNAPSHOT_WHOLE || is_going) {
        return QR_ERR_NOT_FOUND;
    }
    if (offset > file->info.size_bytes) {
        return QR_ERR_INVALID;
    }
    for (size_t i = 0; i < SNAPSHOT_READERS_MAX; i++) {
        struct snapshot_reader *reader = &store->readers[i];
        if (reader->is_open) {
            continue;
        }
        *reader = (struct snapshot_reader){
            .store = store,
            .is_open = true,
            .index = index,
            .info = file->info,
            .chunk_bytes = file->chunk_bytes,
            .binding = file->binding,
            .offset = offset,
            .is_from_start = offset == 0,
        };
        file->reader_count++;
        *out = reader;
        *info = file->info;
        return 0;
    }
    return QR_ERR_BUSY;
}

/* The chunk that the reader stands in. */
static struct snapshot_chunk chunk_at(const struct snapshot_reader *reader)
{
    uint64_t number = reader->offset / reader->chunk_bytes;
    uint64_t left = reader->info.size_bytes - number * reader->chunk_bytes;
    return (struct snapshot_chunk){(uint32_t)min_u64(left, reader->chunk_bytes), number};
}

static bool is_at_end(const struct snapshot_reader *reader)
{
    return reader->offset == reader->info.size_bytes;
}

/* Where the trailer stands, and how many chunks are before it. */
static uint64_t trailer_at(const struct snapshot_reader *reader, uint64_t *chunk_count)
{
    uint64_t size_bytes = reader->info.size_bytes;
    uint64_t whole = size_bytes / reader->chunk_bytes;
    uint32_t rest = (uint32_t)(size_bytes % reader->chunk_bytes);
    *chunk_count = whole + (rest > 0);
    return snapshot_record_at(reader->chunk_bytes, whole) +
           (rest > 0 ? snapshot_record_bytes(rest) : 0);
}

static bool is_end_right(const struct snapshot_reader *reader)
{
    struct snapshot_trailer trailer;
    uint64_t chunk_count;
    (void)trailer_at(reader, &chunk_count);
    return snapshot_trailer_decode(reader->chunk->data, reader->binding, &trailer) &&
           trailer.chunk_count == chunk_count && trailer.size_bytes == reader->info.size_bytes &&
           trailer.checksum == reader->info.checksum &&
           (!reader->is_from_start || trailer.checksum == reader->checksum);
}

static void close_now(struct snapshot_reader *reader)
{
    struct snapshot_store *store = reader->store;
    struct snapshot_file *file = snapshot_store_find(store, reader->index);
    ASSERT(file != NULL);
    ASSERT(file->reader_count > 0);
    file->reader_count--;
    *reader = (struct snapshot_reader){.store = NULL};
    snapshot_store_work(store);
}

/* What was read is right: go past it. Its part from `skipped` on is what was asked for. */
static int take(struct snapshot_reader *reader, uint64_t *skipped, size_t *size_bytes)
{
    if (is_at_end(reader)) {
        return is_end_right(reader) ? 0 : QR_ERR_CORRUPT;
    }
    struct snapshot_chunk chunk = chunk_at(reader);
    if (!snapshot_chunk_is_whole(reader->chunk->data, &chunk, reader->binding)) {
        return QR_ERR_CORRUPT;
    }
    *skipped = reader->offset % reader->chunk_bytes;
    *size_bytes = chunk.size_bytes - *skipped;
    reader->checksum =
        crc32c(reader->checksum, reader->chunk->data + SNAPSHOT_CHUNK_HEADER_BYTES + *skipped,
               *size_bytes);
    reader->offset += *size_bytes;
    return 0;
}

static void read_done(struct disk_op *op)
{
    struct snapshot_reader *reader = op->context;
    const struct snapshot_options *options = &reader->store->options;
    uint64_t skipped = 0;
    size_t size_bytes = 0;
    int status = op->status != 0 ? op->status : take(reader, &skipped, &size_bytes);
    struct chunk *chunk = reader->chunk;
    uint64_t token = reader->token;
    reader->chunk = NULL;
    reader->is_reading = false;
    if (reader->is_closing) {
        chunk_drop(chunk);
        close_now(reader);
        return;
    }
    if (status != 0) {
        LOG(options->log, LOG_ERROR, "snapshot_read_failed", log_string("file", op->name),
            log_u64("offset", op->offset), log_string("error", qr_error_text(status)));
        chunk_drop(chunk);
        options->listener.read_done(options->listener.context, token, status, NULL, NULL, 0);
        return;
    }
    const uint8_t *data = chunk->data + SNAPSHOT_CHUNK_HEADER_BYTES + skipped;
    options->listener.read_done(options->listener.context, token, 0, chunk, data, size_bytes);
    chunk_drop(chunk);
}

int snapshot_reader_read(struct snapshot_reader *reader, uint64_t token)
{
    const struct snapshot_options *options = &reader->store->options;
    ASSERT(reader->is_open && !reader->is_closing);
    if (reader->is_reading) {
        return QR_ERR_BUSY;
    }
    uint64_t chunk_count;
    uint64_t at = trailer_at(reader, &chunk_count);
    uint64_t size_bytes = SNAPSHOT_SECTOR_BYTES;
    if (!is_at_end(reader)) {
        struct snapshot_chunk chunk = chunk_at(reader);
        at = snapshot_record_at(reader->chunk_bytes, chunk.number);
        size_bytes = snapshot_record_bytes(chunk.size_bytes);
    }
    reader->chunk = chunk_new(options->allocator, (uint32_t)size_bytes);
    if (reader->chunk == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    reader->chunk->used_bytes = (uint32_t)size_bytes;
    reader->token = token;
    reader->is_reading = true;
    reader->part = (struct disk_part){reader->chunk->data, size_bytes};
    reader->op = (struct disk_op){
        .kind = DISK_READ,
        .offset = at,
        .parts = &reader->part,
        .part_count = 1,
        .done = read_done,
        .context = reader,
    };
    snapshot_name(reader->index, false, reader->op.name);
    options->disk->submit(options->disk->context, &reader->op);
    return 0;
}

void snapshot_reader_close(struct snapshot_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    ASSERT(reader->is_open);
    if (reader->is_reading) {
        reader->is_closing = true;
        return;
    }
    close_now(reader);
}
