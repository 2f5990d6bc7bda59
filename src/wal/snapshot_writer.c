/* snapshot_writer.c: one snapshot being written aside, and made current when it is whole.
 *
 * Owns     the order: header, chunks, trailer; all of it synced; then its name, durably; then it
 *          counts. One operation is under way at a time, and one chunk is filled meanwhile.
 *
 *   IDLE       -> FILLING     snapshot_writer_begin()
 *   FILLING    -> CLOSING     snapshot_writer_finish()
 *   CLOSING    -> PUBLISHING  the trailer is durable
 *   PUBLISHING -> IDLE        it is the newest
 *   any        -> REMOVING    a step failed, or it was abandoned
 *   REMOVING   -> IDLE        nothing is left of it, as far as the disk works
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/crc32c.h"
#include "base/mutant.h"
#include "wal/snapshot_internal.h"

static void step_done(struct disk_op *op);

static void submit(struct snapshot_store *store, enum disk_op_kind kind, struct disk_part part)
{
    struct snapshot_writer *writer = &store->writer;
    ASSERT(!writer->is_under_way);
    writer->is_under_way = true;
    writer->part = part;
    bool is_synced = writer->op.is_synced;
    writer->op = (struct disk_op){
        .kind = kind,
        .is_synced = is_synced,
        .offset = kind == DISK_STORE ? writer->file_bytes : 0,
        .parts = &writer->part,
        .part_count = kind == DISK_STORE ? 1 : 0,
        .done = step_done,
        .context = store,
    };
    snapshot_name(writer->index, kind == DISK_REMOVE, writer->op.name);
    store->options.disk->submit(store->options.disk->context, &writer->op);
}

static void store_piece(struct snapshot_store *store, void *data, size_t size_bytes, bool is_synced)
{
    struct snapshot_writer *writer = &store->writer;
    writer->unsynced_bytes = is_synced ? 0 : writer->unsynced_bytes + size_bytes;
    writer->op.is_synced = is_synced;
    submit(store, DISK_STORE, (struct disk_part){data, size_bytes});
    writer->file_bytes += size_bytes;
}

static void store_header(struct snapshot_store *store)
{
    struct snapshot_writer *writer = &store->writer;
    writer->binding = snapshot_header_encode(&writer->header, writer->sector);
    writer->has_header = true;
    store_piece(store, writer->sector, SNAPSHOT_SECTOR_BYTES, false);
}

/* Write what was filled, and fill the other one. */
static void store_chunk(struct snapshot_store *store)
{
    struct snapshot_writer *writer = &store->writer;
    struct snapshot_buffer *buffer = &writer->buffers[writer->filling];
    struct snapshot_chunk chunk = {buffer->used_bytes, writer->trailer.chunk_count};
    uint64_t record_bytes = snapshot_record_bytes(buffer->used_bytes);

    writer->trailer.checksum = crc32c(
        writer->trailer.checksum, buffer->record + SNAPSHOT_CHUNK_HEADER_BYTES, buffer->used_bytes);
    writer->trailer.size_bytes += buffer->used_bytes;
    writer->trailer.chunk_count++;
    snapshot_chunk_encode(&chunk, writer->binding, buffer->record);
    writer->filling = 1 - writer->filling;
    ASSERT(writer->buffers[writer->filling].used_bytes == 0);
    /* Now and then, so that the end has little left to do and the log's disk is never flooded. */
    bool is_synced = writer->unsynced_bytes + record_bytes >= SNAPSHOT_SYNC_BYTES;
    store_piece(store, buffer->record, record_bytes, is_synced);
}

static void store_trailer(struct snapshot_store *store)
{
    struct snapshot_writer *writer = &store->writer;
    snapshot_trailer_encode(&writer->trailer, writer->binding, writer->sector);
    writer->has_trailer = true;
    /* The content before the name: else a crash may leave the name with a part behind it. */
    store_piece(store, writer->sector, SNAPSHOT_SECTOR_BYTES, !MUTANT(SNAPSHOT_UNSYNCED));
}

/* Do what is due next, when nothing is under way. */
static void go_on(struct snapshot_store *store)
{
    struct snapshot_writer *writer = &store->writer;
    uint32_t used_bytes = writer->buffers[writer->filling].used_bytes;
    bool is_closing = writer->stage == SNAPSHOT_CLOSING;
    bool is_rest = is_closing && used_bytes > 0 && !MUTANT(HALF_SNAPSHOT_COUNTS);
    if (writer->is_under_way) {
        return;
    }
    if (writer->is_abandoned && writer->stage != SNAPSHOT_REMOVING) {
        writer->stage = SNAPSHOT_REMOVING;
        submit(store, DISK_REMOVE, (struct disk_part){NULL, 0});
    } else if (!writer->has_header) {
        store_header(store);
    } else if (used_bytes == store->options.chunk_bytes || is_rest) {
        store_chunk(store);
    } else if (is_closing && !writer->has_trailer) {
        store_trailer(store);
    } else if (is_closing) {
        writer->stage = SNAPSHOT_PUBLISHING;
        submit(store, DISK_PUBLISH, (struct disk_part){NULL, 0});
    }
}

static void end(struct snapshot_writer *writer)
{
    struct snapshot_buffer buffers[2] = {{writer->buffers[0].record, 0},
                                         {writer->buffers[1].record, 0}};
    *writer = (struct snapshot_writer){.stage = SNAPSHOT_IDLE};
    memcpy(writer->buffers, buffers, sizeof(buffers));
}

/* It is there, and counts from now on. */
static void published(struct snapshot_store *store)
{
    const struct snapshot_writer *writer = &store->writer;
    struct snapshot_info info = {writer->header.position, writer->header.timestamp_ns,
                                 writer->trailer.size_bytes, writer->trailer.checksum};
    struct snapshot_file file = {
        .index = writer->index,
        .file_bytes = writer->file_bytes,
        .state = SNAPSHOT_WHOLE,
        .info = info,
        .chunk_bytes = writer->header.chunk_bytes,
        .binding = writer->binding,
    };
    bool is_told = !writer->is_abandoned;
    bool is_entered = snapshot_store_enter(store, &file);
    ASSERT(is_entered); /* room was there at the beginning, and one is written at a time */
    end(&store->writer);
    if (is_told) {
        store->options.listener.writer_done(store->options.listener.context, 0, &info);
    }
}

static void failed(struct snapshot_store *store, int status)
{
    struct snapshot_writer *writer = &store->writer;
    bool is_told = !writer->is_abandoned;
    LOG(store->options.log, LOG_WARN, "snapshot_not_written", log_u64("index", writer->index),
        log_string("error", qr_error_text(status)));
    writer->is_abandoned = true;
    go_on(store);
    if (is_told) {
        store->options.listener.writer_done(store->options.listener.context, status, NULL);
    }
}

static void step_done(struct disk_op *op)
{
    struct snapshot_store *store = op->context;
    struct snapshot_writer *writer = &store->writer;
    writer->is_under_way = false;
    if (op->kind == DISK_REMOVE) {
        end(writer); /* what could not be removed, the next start removes */
        return;
    }
    if (op->status != 0) {
        failed(store, op->status);
        return;
    }
    if (op->kind == DISK_PUBLISH) {
        published(store);
        return;
    }
    writer->buffers[1 - writer->filling].used_bytes = 0;
    go_on(store);
    bool has_room = writer->buffers[writer->filling].used_bytes < store->options.chunk_bytes;
    if (writer->is_starved && has_room && writer->stage == SNAPSHOT_FILLING) {
        writer->is_starved = false;
        store->options.listener.writer_ready(store->options.listener.context);
    }
}

/* Memory for two chunks, kept for the next snapshot. */
static int reserve(struct snapshot_store *store)
{
    for (size_t i = 0; i < 2; i++) {
        struct snapshot_buffer *buffer = &store->writer.buffers[i];
        if (buffer->record == NULL) {
            buffer->record = allocate(store->options.allocator,
                                      snapshot_record_bytes(store->options.chunk_bytes));
        }
        if (buffer->record == NULL) {
            return QR_ERR_NO_MEMORY;
        }
    }
    return 0;
}

/* Whether the table has a place for it, and what has its name is neither removed nor read. */
static bool has_place(const struct snapshot_store *store, raft_index index)
{
    bool is_known = false;
    for (size_t i = 0; i < store->file_count; i++) {
        const struct snapshot_file *file = &store->files[i];
        if (file->index == index && (file->is_unwanted || file->reader_count > 0)) {
            return false;
        }
        is_known = is_known || (file->index == index && file->state != SNAPSHOT_ASIDE);
    }
    return is_known || store->file_count < SNAPSHOT_FILES_MAX;
}

/* Whether the newest whole snapshot covers all that one here would. */
static bool is_superseded(const struct snapshot_store *store, raft_index index, bool may_replace)
{
    struct snapshot_info newest;
    return snapshot_store_newest(store, &newest) &&
           (may_replace ? newest.position.index > index : newest.position.index >= index);
}

int snapshot_writer_begin(struct snapshot_store *store, const struct wal_base *position,
                          time_ns timestamp_ns, bool may_replace)
{
    struct snapshot_writer *writer = &store->writer;
    if (writer->stage != SNAPSHOT_IDLE) {
        snapshot_store_work(store);
        return QR_ERR_BUSY;
    }
    if (is_superseded(store, position->index, may_replace)) {
        return QR_ERR_SUPERSEDED;
    }
    if (!has_place(store, position->index)) {
        snapshot_store_work(store);
        return QR_ERR_BUSY;
    }
    int status = reserve(store);
    if (status != 0) {
        return status;
    }
    writer->stage = SNAPSHOT_FILLING;
    writer->index = position->index;
    writer->header = (struct snapshot_header){*position, timestamp_ns, store->options.chunk_bytes};
    go_on(store);
    return 0;
}

bool snapshot_writer_is_active(const struct snapshot_store *store)
{
    enum snapshot_stage stage = store->writer.stage;
    return stage != SNAPSHOT_IDLE && stage != SNAPSHOT_REMOVING && !store->writer.is_abandoned;
}

uint64_t snapshot_writer_offset(const struct snapshot_store *store)
{
    const struct snapshot_writer *writer = &store->writer;
    return writer->trailer.size_bytes + writer->buffers[writer->filling].used_bytes;
}

void snapshot_writer_append(struct snapshot_store *store, const void *data, size_t size_bytes,
                            size_t *taken)
{
    struct snapshot_writer *writer = &store->writer;
    const uint8_t *from = data;
    size_t left = size_bytes;
    bool has_room = writer->stage == SNAPSHOT_FILLING && !writer->is_abandoned;
    while (left > 0 && has_room) {
        struct snapshot_buffer *buffer = &writer->buffers[writer->filling];
        size_t piece = min_u64(left, store->options.chunk_bytes - buffer->used_bytes);
        memcpy(buffer->record + SNAPSHOT_CHUNK_HEADER_BYTES + buffer->used_bytes, from, piece);
        buffer->used_bytes += (uint32_t)piece;
        from += piece;
        left -= piece;
        go_on(store);
        has_room = writer->buffers[writer->filling].used_bytes < store->options.chunk_bytes;
    }
    writer->is_starved = left > 0;
    *taken = size_bytes - left;
}

void snapshot_writer_finish(struct snapshot_store *store)
{
    if (store->writer.stage == SNAPSHOT_FILLING) {
        store->writer.stage = SNAPSHOT_CLOSING;
        go_on(store);
    }
}

void snapshot_writer_abandon(struct snapshot_store *store)
{
    if (store->writer.stage != SNAPSHOT_IDLE) {
        store->writer.is_abandoned = true;
        go_on(store);
    }
}
