/* read.c: entries back from the disk.
 *
 * Owns     the reads under way. A read starts at an anchor, or where an earlier one ended,
 *          goes from batch to batch in pieces, and ends with the first piece that gives
 *          entries. Only what is durable is read, and every record is checked again.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "wal/internal.h"

#define RECORD_PAYLOAD_BYTES_AT 4
#define RECORD_COMMAND_BYTES_AT 37

/* Where a read stands within its piece. */
struct piece {
    const uint8_t *data;
    uint64_t size_bytes;
    uint64_t used;
    size_t count;         /* of wal->read_entries */
    uint64_t given_bytes; /* of records */
    uint64_t wanted;      /* bytes that the next piece must hold at least */
};

static void read_free(struct wal *wal, struct wal_read *read)
{
    ASSERT(read->is_under_way);
    chunk_drop(read->chunk);
    read->chunk = NULL;
    read->is_under_way = false;
    read->next = wal->read_free;
    wal->read_free = read;
    wal->read_count--;
}

static void answer(struct wal *wal, struct wal_read *read, int status, size_t count)
{
    ASSERT((status == 0) == (count > 0));
    if (status == QR_ERR_CORRUPT || status == QR_ERR_IO) {
        LOG(wal->options.log, LOG_ERROR, "wal_read_failed", log_string("file", read->op.name),
            log_u64("offset", read->at.offset), log_u64("index", read->first),
            log_string("error", qr_error_text(status)));
    }
    const struct wal_listener *listener = &wal->options.listener;
    uint64_t token = read->token;
    struct chunk *chunk = read->chunk;
    read->chunk = NULL;
    read_free(wal, read);
    listener->read_done(listener->context, token, status, wal->read_entries, count);
    chunk_drop(chunk);
}

static void piece_done(struct disk_op *op);

/* Read the next piece, with at least `wanted` bytes. 0 or QR_ERR_NO_MEMORY. */
static int submit_piece(struct wal *wal, struct wal_read *read, uint64_t wanted)
{
    uint64_t end = wal_segment_at(wal, read->at.sequence)->synced_bytes;
    ASSERT(read->at.offset + wanted <= end);
    uint64_t size_bytes = min_u64(read->bytes_max, WAL_READ_PIECE_BYTES - WAL_ANCHOR_SPACING_BYTES);
    size_bytes = max_u64(size_bytes + WAL_ANCHOR_SPACING_BYTES, wanted);
    size_bytes = min_u64(size_bytes, end - read->at.offset);

    chunk_drop(read->chunk);
    read->chunk = chunk_new(wal->options.allocator, (uint32_t)size_bytes);
    if (read->chunk == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    read->chunk->used_bytes = (uint32_t)size_bytes;
    read->part = (struct disk_part){read->chunk->data, size_bytes};
    read->op = (struct disk_op){
        .kind = DISK_READ,
        .offset = read->at.offset,
        .parts = &read->part,
        .part_count = 1,
        .done = piece_done,
        .context = read,
    };
    wal_segment_name(read->at.sequence, read->op.name);
    wal->options.disk->submit(wal->options.disk->context, &read->op);
    return 0;
}

/* Go past `bytes` of the file, which may lie behind the piece. */
static void go_past(struct wal_read *read, struct piece *piece, uint64_t bytes)
{
    read->at.offset += bytes;
    piece->used += bytes;
}

/* At a batch header: check it and step to its first record, or over the whole batch. */
static int take_header(struct wal_read *read, struct piece *piece)
{
    struct wal_batch_header header;
    uint32_t checksum;
    if (!wal_batch_header_decode(piece->data + piece->used, &header, &checksum) ||
        header.at.sequence != read->at.sequence || header.at.offset != read->at.offset) {
        return QR_ERR_CORRUPT;
    }
    /* What should stand here may be lost, and something older whole in its place: a mark, say. */
    if (header.entry_count > 0 && header.first_index > read->first + piece->count) {
        return QR_ERR_CORRUPT;
    }
    uint64_t total = wal_sectors(WAL_BATCH_HEADER_BYTES + (uint64_t)header.body_bytes);
    if (header.entry_count == 0 || header.first_index + header.entry_count <= read->first) {
        go_past(read, piece, total);
        return 0;
    }
    go_past(read, piece, WAL_BATCH_HEADER_BYTES);
    read->body_left = header.body_bytes;
    read->index_next = header.first_index;
    return 0;
}

/* Bytes that the record announces, from the part of it that is always there. */
static uint64_t announced_bytes(const uint8_t *record)
{
    return entry_record_bytes(record[RECORD_COMMAND_BYTES_AT],
                              load_u32(record + RECORD_PAYLOAD_BYTES_AT));
}

/* At a record: keep it if it was asked for. False when the piece ends before it does. */
static int take_record(struct wal *wal, struct wal_read *read, struct piece *piece, bool *is_whole)
{
    uint64_t left = piece->size_bytes - piece->used;
    *is_whole = false;
    if (left < ENTRY_HEADER_BYTES) {
        piece->wanted = ENTRY_HEADER_BYTES;
        return read->body_left < ENTRY_HEADER_BYTES ? QR_ERR_CORRUPT : 0;
    }
    const uint8_t *record = piece->data + piece->used;
    uint64_t record_bytes = announced_bytes(record);
    if (record_bytes > read->body_left) {
        return QR_ERR_CORRUPT;
    }
    if (record_bytes > left) {
        piece->wanted = record_bytes;
        return 0;
    }
    *is_whole = true;
    struct entry *entry = &wal->read_entries[piece->count];
    if (!wal_record_decode(record, record_bytes, read->index_next, read->chunk, entry)) {
        return QR_ERR_CORRUPT;
    }
    if (read->index_next >= read->first) {
        piece->count++;
        piece->given_bytes += record_bytes;
    }
    read->index_next++;
    read->body_left -= record_bytes;
    go_past(read, piece, record_bytes);
    if (read->body_left == 0) {
        go_past(read, piece, wal_sectors(read->at.offset) - read->at.offset);
    }
    return 0;
}

static bool has_enough(const struct wal_read *read, const struct piece *piece)
{
    return piece->count == WAL_READ_ENTRIES_MAX ||
           (piece->count > 0 &&
            (piece->given_bytes >= read->bytes_max || read->first + piece->count == read->limit));
}

/* Take what is in the piece. */
static int take_piece(struct wal *wal, struct wal_read *read, struct piece *piece)
{
    bool is_whole = true;
    while (is_whole && !has_enough(read, piece)) {
        int status = 0;
        if (read->body_left > 0) {
            status = take_record(wal, read, piece, &is_whole);
        } else if (piece->used + WAL_BATCH_HEADER_BYTES > piece->size_bytes) {
            piece->wanted = WAL_BATCH_HEADER_BYTES;
            is_whole = false;
        } else {
            status = take_header(read, piece);
        }
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

/* Remember where the read ended, for the one that goes on. */
static void keep_resume(struct wal *wal, const struct wal_read *read, size_t count)
{
    if (read->first + count >= read->limit) {
        return;
    }
    wal->resumes[wal->resume_next] = (struct wal_resume){
        .index = read->first + count,
        .at = read->at,
        .body_left = read->body_left,
    };
    wal->resume_next = (wal->resume_next + 1) % WAL_RESUMES_MAX;
}

/* Begin where an earlier read ended, if it ended just before and nearer than the anchor. What
 * was replaced since has an anchor behind that place, so it is never begun there.
 */
static void use_resume(const struct wal *wal, struct wal_read *read)
{
    for (size_t i = 0; i < WAL_RESUMES_MAX; i++) {
        const struct wal_resume *resume = &wal->resumes[i];
        if (resume->index == read->first && resume->at.sequence == read->at.sequence &&
            wal_position_is_before(read->at, resume->at)) {
            read->at = resume->at;
            read->body_left = resume->body_left;
            read->index_next = resume->index;
        }
    }
}

static void piece_done(struct disk_op *op)
{
    struct wal_read *read = op->context;
    struct wal *wal = read->wal;
    /* What is not wanted any more may be gone with its file. */
    bool is_gone = read->limit <= read->first;
    if (op->status != 0 || is_gone) {
        answer(wal, read, is_gone ? QR_ERR_NOT_FOUND : op->status, 0);
        return;
    }
    struct piece piece = {.data = read->chunk->data, .size_bytes = read->part.size_bytes};
    int status = take_piece(wal, read, &piece);
    if (piece.count > 0) {
        keep_resume(wal, read, piece.count);
        answer(wal, read, 0, piece.count);
        return;
    }
    /* What was asked for is durable and in this segment: running past its end is damage. */
    uint64_t end = wal_segment_at(wal, read->at.sequence)->synced_bytes;
    if (status == 0 && read->at.offset + piece.wanted > end) {
        status = QR_ERR_CORRUPT;
    }
    if (status == 0) {
        status = submit_piece(wal, read, piece.wanted);
    }
    if (status != 0) {
        answer(wal, read, status, 0);
    }
}

void wal_reads_cut(struct wal *wal, raft_index first)
{
    for (size_t i = 0; i < WAL_READS_MAX && wal->read_count > 0; i++) {
        if (wal->reads[i].is_under_way) {
            wal->reads[i].limit = min_u64(wal->reads[i].limit, first);
        }
    }
}

void wal_reads_cut_below(struct wal *wal, raft_index last)
{
    for (size_t i = 0; i < WAL_READS_MAX && wal->read_count > 0; i++) {
        struct wal_read *read = &wal->reads[i];
        if (read->is_under_way && read->first <= last) {
            read->limit = min_u64(read->limit, read->first);
        }
    }
}

int wal_read(struct wal *wal, raft_index first, uint64_t bytes_max, uint64_t token)
{
    if (wal->is_poisoned) {
        return QR_ERR_STOPPED;
    }
    if (first <= wal->cursor.base.index || first > wal->readable_last) {
        return QR_ERR_NOT_FOUND;
    }
    struct wal_read *read = wal->read_free;
    if (read == NULL) {
        return QR_ERR_BUSY;
    }
    raft_index limit;
    const struct wal_anchor *anchor = wal_anchors_find(&wal->anchors, first, &limit);
    ASSERT(anchor != NULL);
    wal->read_free = read->next;
    *read = (struct wal_read){
        .wal = wal,
        .is_under_way = true,
        .token = token,
        .first = first,
        .limit = min_u64(limit, wal->readable_last + 1),
        .bytes_max = bytes_max,
        .at = anchor->at,
    };
    wal->read_count++;
    use_resume(wal, read);
    int status =
        submit_piece(wal, read, read->body_left > 0 ? ENTRY_HEADER_BYTES : WAL_BATCH_HEADER_BYTES);
    if (status != 0) {
        read_free(wal, read);
    }
    return status;
}
