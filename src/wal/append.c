/* append.c: from a batch to writes, and from their completion to the ticket.
 *
 * Owns     the order of writes. A batch is encoded when it is accepted; its place and all
 *          its bytes are settled then. What has no prepared segment yet waits, in order.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "base/mutant.h"
#include "wal/internal.h"

static void list_push(struct wal_write_list *list, struct wal_write *write)
{
    write->next = NULL;
    if (list->last == NULL) {
        list->first = write;
    } else {
        list->last->next = write;
    }
    list->last = write;
    list->count++;
}

static struct wal_write *list_pop(struct wal_write_list *list)
{
    struct wal_write *write = list->first;
    ASSERT(write != NULL);
    list->first = write->next;
    if (list->first == NULL) {
        list->last = NULL;
    }
    list->count--;
    write->next = NULL;
    return write;
}

static struct wal_write *write_new(struct wal *wal)
{
    struct wal_write *write = wal->spare.count > 0
                                  ? list_pop(&wal->spare)
                                  : allocate(wal->options.allocator, sizeof(*write));
    if (write == NULL) {
        return NULL;
    }
    write->wal = wal;
    write->next = NULL;
    write->run_count = 0;
    write->is_last = false;
    write->is_replacing = false;
    write->is_reset = false;
    write->is_own = false;
    return write;
}

static void write_free(struct wal *wal, struct wal_write *write)
{
    for (size_t i = 0; i < write->run_count; i++) {
        chunk_drop(write->chunks[i]);
    }
    write->run_count = 0;
    if (wal->spare.count < WAL_WRITES_SPARE_MAX) {
        list_push(&wal->spare, write);
        return;
    }
    release(wal->options.allocator, write, sizeof(*write));
}

void wal_writes_free(struct wal *wal, struct wal_write_list *list)
{
    while (list->count > 0) {
        struct wal_write *write = list_pop(list);
        write_free(wal, write);
    }
}

void wal_poison(struct wal *wal, int status, const char *name, uint64_t offset, const char *what)
{
    if (wal->is_poisoned) {
        return;
    }
    wal->is_poisoned = true;
    for (const struct wal_write *at = wal->waiting.first; at != NULL; at = at->next) {
        wal->append_count -= at->is_last;
    }
    wal_writes_free(wal, &wal->waiting);

    char detail[WAL_ERROR_DETAIL_BYTES];
    struct text text = text_of(detail, sizeof(detail));
    text_string(&text, name);
    text_string(&text, ", offset ");
    text_u64(&text, offset);
    text_string(&text, ": ");
    text_string(&text, what);
    text_string(&text, ": ");
    text_string(&text, qr_error_text(status));
    LOG(wal->options.log, LOG_ERROR, "wal_poisoned", log_string("detail", detail));
    wal->options.listener.poisoned(wal->options.listener.context, status, detail);
}

/* The last index that no write under way replaces, when `last` is durable. */
static raft_index readable_up_to(const struct wal *wal, raft_index last)
{
    const struct wal_write *lists[] = {wal->sent.first, wal->waiting.first};
    for (size_t i = 0; i < 2 && wal->replacing_count > 0; i++) {
        for (const struct wal_write *at = lists[i]; at != NULL; at = at->next) {
            if (at->is_replacing) {
                raft_index kept = at->header.first_index - 1;
                last = at->is_reset ? kept : min_u64(last, kept);
            }
        }
    }
    return last;
}

/* A batch is durable: it may be read from now on. */
static void take_note(struct wal *wal, const struct wal_write *write)
{
    const struct wal_batch_header *header = &write->header;
    wal->synced = (struct wal_position){header->at.sequence, write->end};
    wal_segment_at(wal, header->at.sequence)->synced_bytes = write->end;
    wal->noted = wal_position_max(wal->noted, header->synced);
    wal->stats.sync_count++;
    wal->durable_last = header->first_index + header->entry_count - 1;
    if (write->is_reset) {
        wal_anchors_forget(&wal->anchors, 0, true);
    }
    if (header->entry_count > 0) {
        wal_anchors_add(&wal->anchors, (struct wal_anchor){.first_index = header->first_index,
                                                           .at = header->at,
                                                           .is_replacing = write->is_replacing});
    }
    if (header->entry_count > 0 || write->is_reset) {
        wal->readable_last = readable_up_to(wal, wal->durable_last);
    }
    if (write->is_reset || header->base.index != wal->durable_base.index) {
        wal->durable_base = header->base;
        wal_prefix_settled(wal);
        wal_segments_work(wal);
    }
}

static void write_done(struct disk_op *op)
{
    struct wal_write *write = op->context;
    struct wal *wal = write->wal;
    ASSERT(write == wal->sent.first);

    (void)list_pop(&wal->sent);
    wal->replacing_count -= write->is_replacing;
    wal->append_count -= write->is_last;
    if (op->status != 0 && !MUTANT(FAILED_SYNC_IGNORED)) {
        wal_poison(wal, op->status, op->name, op->offset, "the write or its sync failed");
    }
    if (!wal->is_poisoned) {
        if (write->header.is_mark) {
            wal->noted = wal_position_max(wal->noted, write->header.synced);
        } else {
            take_note(wal, write);
        }
    }
    bool is_told = write->is_last && !wal->is_poisoned;
    bool is_own = write->is_own;
    uint64_t ticket = write->ticket;
    write_free(wal, write);
    if (is_told) {
        wal->options.listener.synced(wal->options.listener.context, ticket);
    }
    if (is_own) {
        wal->is_base_under_way = false;
        wal_prefix_note(wal);
    }
}

static void send(struct wal *wal, struct wal_write *write)
{
    struct disk_op *op = &write->op;
    op->done = write_done;
    op->context = write;
    op->next = NULL;
    op->status = 0;
    list_push(&wal->sent, write);
    for (size_t i = 0; i < op->part_count; i++) {
        wal->stats.written_bytes += op->parts[i].size_bytes;
    }
    wal->options.disk->submit(wal->options.disk->context, op);
}

void wal_writes_send(struct wal *wal)
{
    while (wal->waiting.count > 0) {
        struct wal_segment *segment = wal_segment_at(wal, wal->waiting.first->header.at.sequence);
        if (segment->state == WAL_SEGMENT_READY) {
            segment->state = WAL_SEGMENT_USED;
        }
        if (segment->state != WAL_SEGMENT_USED) {
            return;
        }
        send(wal, list_pop(&wal->waiting));
    }
}

static void add_part(struct wal_write *write, void *data, size_t size_bytes)
{
    ASSERT(write->op.part_count < DISK_PARTS_MAX);
    write->parts[write->op.part_count++] = (struct disk_part){data, size_bytes};
}

/* Begin a write at the cursor: its file, and the head that finish() fills. */
static void begin(struct wal *wal, struct wal_write *write, const struct wal_cursor *cursor)
{
    bool is_first = cursor->at.offset == 0;
    write->is_reset = cursor->is_reset;
    struct wal_position at = cursor->at;
    at.offset += is_first ? WAL_SEGMENT_HEADER_BYTES : 0;
    write->header = wal_batch_header_of(cursor, at);
    write->header.synced = MUTANT(SYNCED_TOO_FAR) ? cursor->at : wal->synced;
    write->op = (struct disk_op){
        .kind = DISK_WRITE,
        .is_synced = true,
        .offset = cursor->at.offset,
        .parts = write->parts,
    };
    wal_segment_name(at.sequence, write->op.name);
    size_t head_bytes = WAL_BATCH_HEADER_BYTES;
    if (is_first) {
        struct wal_segment_header segment = wal_segment_header_of(
            cursor, wal->options.node, wal_segment_at(wal, at.sequence)->size_bytes);
        wal_segment_header_encode(&segment, write->head);
        head_bytes += WAL_SEGMENT_HEADER_BYTES;
    }
    add_part(write, write->head, head_bytes);
}

/* A batch's hard state and commit index are the cursor's, once it is appended. */
static void finish(struct wal *wal, struct wal_write *write, const struct wal_batch *batch,
                   struct wal_cursor *cursor)
{
    struct wal_batch_header *header = &write->header;
    header->hard_state = batch->hard_state;
    header->commit_index = batch->commit_index;
    write->ticket = batch->ticket;
    write->op.is_synced = header->entry_count > 0 || !MUTANT(VOTE_UNSYNCED);
    write->is_replacing =
        write->is_reset || (header->entry_count > 0 && header->first_index <= cursor->last_index);

    uint64_t used = header->at.offset + WAL_BATCH_HEADER_BYTES + header->body_bytes;
    write->end = wal_sectors(used);
    if (write->end > used) {
        add_part(write, wal->zeros, write->end - used);
    }
    size_t header_at = header->at.offset - write->op.offset;
    struct wal_batch_header written = *header;
    if (write->is_reset && MUTANT(RESET_WITHOUT_BASE)) {
        written.base = (struct wal_base){0};
    }
    uint32_t checksum = wal_batch_header_encode(&written, write->head + header_at);
    wal_cursor_advance(cursor, header, checksum, write->end);
}

/* Put the record of `entry` behind those of the write; false when it must go elsewhere. */
static bool add_entry(struct wal_write *write, const struct entry *entry, uint64_t room)
{
    struct wal_batch_header *header = &write->header;
    uint64_t body_bytes = (uint64_t)header->body_bytes + entry->record_bytes;
    bool is_long = header->entry_count > 0 && body_bytes > WAL_BATCH_BODY_BYTES_MAX;
    if (body_bytes > room || is_long) {
        return false;
    }
    struct disk_part *last = &write->parts[write->op.part_count - 1];
    bool is_joined = write->run_count > 0 && entry->chunk == write->chunks[write->run_count - 1] &&
                     entry->record == (const uint8_t *)last->data + last->size_bytes;
    if (is_joined) {
        last->size_bytes += entry->record_bytes;
    } else if (write->run_count == WAL_WRITE_RUNS_MAX) {
        return false;
    } else {
        write->chunks[write->run_count++] = chunk_hold(entry->chunk);
        add_part(write, entry->chunk->data + (entry->record - entry->chunk->data),
                 entry->record_bytes);
    }
    if (header->entry_count == 0) {
        header->first_index = entry->index;
    }
    header->entry_count++;
    header->body_bytes = (uint32_t)body_bytes;
    header->digest = wal_digest_add(header->digest, entry_checksum(entry));
    return true;
}

/* Bytes of records that fit behind a head at the cursor; false when not even a head does. */
static bool room_at(struct wal *wal, const struct wal_cursor *cursor, uint64_t *room)
{
    uint64_t limit = wal_segment_limit(wal_segment_at(wal, cursor->at.sequence));
    uint64_t used = cursor->at.offset + WAL_BATCH_HEADER_BYTES;
    used += cursor->at.offset == 0 ? WAL_SEGMENT_HEADER_BYTES : 0;
    *room = limit > used ? limit - used : 0;
    return limit > used;
}

static int go_to_next_segment(struct wal *wal, struct wal_cursor *cursor)
{
    ASSERT(cursor->at.offset > 0);
    cursor->at = (struct wal_position){cursor->at.sequence + 1, 0};
    return wal_segments_reach(wal, cursor->at.sequence + WAL_SEGMENTS_AHEAD);
}

/* Make the next write of a batch, with as many entries from *next on as fit. */
static int plan_write(struct wal *wal, const struct wal_batch *batch, struct wal_cursor *cursor,
                      size_t *next, struct wal_write_list *planned)
{
    uint64_t room;
    bool has_room = room_at(wal, cursor, &room);
    if (!has_room || (*next < batch->count && batch->entries[*next].record_bytes > room)) {
        int status = go_to_next_segment(wal, cursor);
        if (status != 0) {
            return status;
        }
        has_room = room_at(wal, cursor, &room);
        ASSERT(has_room);
    }
    struct wal_write *write = write_new(wal);
    if (write == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    begin(wal, write, cursor);
    size_t first = *next;
    while (*next < batch->count && add_entry(write, &batch->entries[*next], room)) {
        (*next)++;
    }
    ASSERT_IMPLIES(batch->count > 0, *next > first);
    finish(wal, write, batch, cursor);
    list_push(planned, write);
    return 0;
}

/* When the disk is full, a batch is taken only where segments stand ready. */
static bool is_without_room(struct wal *wal, const struct wal_cursor *cursor)
{
    enum wal_segment_state state = wal_segment_at(wal, cursor->at.sequence)->state;
    return wal->is_full && state != WAL_SEGMENT_READY && state != WAL_SEGMENT_USED;
}

/* A reset begins a segment, whose header says so: a release that does not know of it refuses
 * that segment, where it would take a batch alone for a torn one.
 */
static int plan_reset(struct wal *wal, const struct wal_base *reset, struct wal_cursor *cursor)
{
    int status = cursor->at.offset > 0 ? go_to_next_segment(wal, cursor) : 0;
    wal_cursor_reset(cursor, reset);
    return status;
}

static int plan(struct wal *wal, const struct wal_batch *batch, struct wal_cursor *cursor,
                struct wal_write_list *planned)
{
    size_t next = 0;
    int status = batch->reset != NULL ? plan_reset(wal, batch->reset, cursor) : 0;
    if (status != 0) {
        return status;
    }
    do {
        status = plan_write(wal, batch, cursor, &next, planned);
        if (status != 0) {
            return status;
        }
        if (is_without_room(wal, cursor)) {
            return QR_ERR_DISK_FULL;
        }
    } while (next < batch->count);
    size_t under_way = wal->sent.count + wal->waiting.count;
    return wal_anchors_reserve(&wal->anchors, wal->options.allocator, under_way + planned->count);
}

static void check_batch(const struct wal *wal, const struct wal_batch *batch)
{
    ASSERT(batch->ticket > wal->ticket_last);
    raft_index last_index = wal->cursor.last_index;
    raft_index base_index = wal->cursor.base.index;
    if (batch->reset != NULL) {
        ASSERT(batch->reset->index >= base_index);
        last_index = batch->reset->index;
        base_index = batch->reset->index;
    }
    ASSERT(wal->append_count < WAL_APPENDS_MAX);
    for (size_t i = 0; i < batch->count; i++) {
        const struct entry *entry = &batch->entries[i];
        ASSERT(entry->index == batch->entries[0].index + i);
        ASSERT(entry->record_bytes <= wal->options.entry_bytes_max);
    }
    if (batch->count > 0) {
        ASSERT(batch->entries[0].index > base_index);
        ASSERT(batch->entries[0].index <= last_index + 1);
    }
}

/* What the first of an append's writes replaces is not read any more. */
static void cut_replaced(struct wal *wal, const struct wal_write *write)
{
    raft_index first = write->header.first_index;
    wal->replacing_count++;
    wal->readable_last = write->is_reset ? first - 1 : min_u64(wal->readable_last, first - 1);
    wal_reads_cut(wal, write->is_reset ? 0 : first);
}

/* Plan the writes of a batch, and accept them all or none. */
static int accept(struct wal *wal, const struct wal_batch *batch, bool is_own)
{
    struct wal_cursor cursor = wal->cursor;
    struct wal_write_list planned = {0};
    int status = plan(wal, batch, &cursor, &planned);
    if (status != 0) {
        wal_writes_free(wal, &planned);
        return status;
    }
    wal_recovered_release(wal);
    if (planned.first->is_replacing) {
        cut_replaced(wal, planned.first);
    }
    planned.last->is_last = !is_own;
    planned.last->is_own = is_own;
    wal->cursor = cursor;
    wal->base_sent = cursor.base;
    wal->append_count += !is_own;
    while (planned.count > 0) {
        list_push(&wal->waiting, list_pop(&planned));
    }
    wal_writes_send(wal);
    wal_segments_work(wal);
    return 0;
}

int wal_append(struct wal *wal, const struct wal_batch *batch)
{
    if (wal->is_poisoned) {
        return QR_ERR_STOPPED;
    }
    check_batch(wal, batch);
    int status = accept(wal, batch, false);
    if (status == 0) {
        wal->ticket_last = batch->ticket;
        wal->stats.append_count++;
        wal->stats.entry_count += batch->count;
    }
    return status;
}

int wal_append_own(struct wal *wal)
{
    struct wal_batch batch = {
        .hard_state = wal->cursor.hard_state,
        .commit_index = max_u64(wal->cursor.commit_index, wal->cursor.base.index),
    };
    return accept(wal, &batch, true);
}

void wal_mark(struct wal *wal, raft_index commit_index)
{
    bool is_noted = !wal_position_is_before(wal->noted, wal->synced);
    bool is_busy = wal->sent.count + wal->waiting.count > 0;
    if (wal->is_poisoned || is_noted || is_busy) {
        return;
    }
    /* A mark lies where the next batch will: it costs no room, and nothing depends on it. */
    ASSERT(wal->cursor.at.offset > 0);
    struct wal_write *write = write_new(wal);
    if (write == NULL) {
        return;
    }
    begin(wal, write, &wal->cursor);
    write->op.is_synced = false;
    write->op.part_count = 0;
    write->header.is_mark = true;
    write->header.commit_index = max_u64(commit_index, wal->cursor.commit_index);
    write->end = wal->cursor.at.offset;
    (void)wal_batch_header_encode(&write->header, write->head);
    memset(write->head + WAL_BATCH_HEADER_BYTES, 0, DISK_SECTOR_BYTES - WAL_BATCH_HEADER_BYTES);
    add_part(write, write->head, DISK_SECTOR_BYTES);
    send(wal, write);
}
