/* segment.c: the table of segment files, and preparing them ahead of use.
 *
 * Owns     the states of segments and the one background operation. Files are prepared one
 *          at a time and in order, so that there is never a gap between them; what is in the
 *          way is removed from the end, what is not needed any more from the beginning.
 *
 *   WANTED     -> PREPARING   wal_segments_work()
 *   UNUSABLE   -> PREPARING   wal_segments_work(), by a removal
 *   PREPARING  -> READY       prepared
 *   PREPARING  -> WANTED      removed, or the disk is full
 *   READY      -> USED        the first batch is sent
 *   USED       -> PREPARING   wal_segments_work(), the removal of the first one
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "wal/internal.h"

#define NAME_PREFIX "log-"
#define NAME_PREFIX_BYTES 4
#define NAME_DIGITS 16

void wal_segment_name(uint64_t sequence, char *out)
{
    struct text text = text_of(out, DISK_NAME_BYTES_MAX);
    text_string(&text, NAME_PREFIX);
    text_hex(&text, sequence, NAME_DIGITS);
    ASSERT(!text.truncated);
}

uint64_t wal_segment_sequence(const char *name)
{
    for (size_t i = 0; i < NAME_PREFIX_BYTES; i++) {
        if (name[i] != NAME_PREFIX[i]) {
            return 0;
        }
    }
    uint64_t sequence = 0;
    const char *digits = name + NAME_PREFIX_BYTES;
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        char c = digits[i];
        if (c >= '0' && c <= '9') {
            sequence = sequence << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            sequence = sequence << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return 0;
        }
    }
    return digits[NAME_DIGITS] == '\0' ? sequence : 0;
}

bool wal_is_log_file(const char *name)
{
    return wal_segment_sequence(name) != 0;
}

bool wal_segment_is_usable(const struct wal_options *options, uint64_t size_bytes)
{
    uint64_t needed = wal_sectors(WAL_HEAD_BYTES_MAX + options->entry_bytes_max);
    return size_bytes >= WAL_SEGMENT_BYTES_MIN && size_bytes <= WAL_SEGMENT_BYTES_MAX &&
           size_bytes % DISK_SECTOR_BYTES == 0 && size_bytes >= needed + DISK_SECTOR_BYTES;
}

int wal_segments_reach(struct wal *wal, uint64_t sequence)
{
    ASSERT(sequence >= wal->segment_first);
    uint64_t count = sequence - wal->segment_first + 1;
    if (count <= wal->segment_count) {
        return 0;
    }
    void *segments = wal->segments;
    int status = allocate_grow(wal->options.allocator, &segments, &wal->segment_capacity, count,
                               WAL_SEGMENTS_MAX, sizeof(*wal->segments));
    wal->segments = segments;
    if (status != 0) {
        return QR_ERR_NO_MEMORY;
    }
    while (wal->segment_count < count) {
        wal->segments[wal->segment_count++] = (struct wal_segment){
            .state = WAL_SEGMENT_WANTED,
            .size_bytes = wal->options.segment_bytes,
        };
    }
    return 0;
}

struct wal_segment *wal_segment_at(const struct wal *wal, uint64_t sequence)
{
    ASSERT(sequence >= wal->segment_first);
    ASSERT(sequence <= wal_segment_last(wal));
    return &wal->segments[sequence - wal->segment_first];
}

static void prepared(struct wal *wal, struct wal_segment *segment, const char *name, int status)
{
    if (status == 0) {
        segment->state = WAL_SEGMENT_READY;
        wal->is_full = false;
        wal_writes_send(wal);
        return;
    }
    segment->state = WAL_SEGMENT_WANTED;
    if (status != QR_ERR_DISK_FULL) {
        wal_poison(wal, status, name, 0, "preparing the segment failed");
        return;
    }
    if (!wal->is_full) {
        LOG(wal->options.log, LOG_WARN, "wal_disk_full", log_string("file", name));
    }
    wal->is_full = true;
}

/* The first segment is gone, or is not. */
static void first_removed(struct wal *wal, const char *name, int status)
{
    if (status != 0) {
        wal->segments[0].state = WAL_SEGMENT_USED;
        wal_poison(wal, status, name, 0, "removing a segment that is not needed failed");
        return;
    }
    wal->segment_first++;
    wal->segment_count--;
    memmove(wal->segments, wal->segments + 1, wal->segment_count * sizeof(*wal->segments));
    wal->is_full = false;
}

static void removed(struct wal *wal, struct wal_segment *segment, const char *name, int status)
{
    segment->state = WAL_SEGMENT_WANTED;
    segment->size_bytes = wal->options.segment_bytes;
    if (status != 0) {
        wal_poison(wal, status, name, 0, "removing an unusable segment failed");
    }
}

static void background_done(struct disk_op *op)
{
    struct wal *wal = op->context;
    struct wal_segment *segment = wal_segment_at(wal, wal->background_sequence);
    ASSERT(op == &wal->background);
    ASSERT(segment->state == WAL_SEGMENT_PREPARING);

    char name[DISK_NAME_BYTES_MAX];
    wal_segment_name(wal->background_sequence, name);
    bool is_first = wal->background_sequence == wal->segment_first && segment->synced_bytes > 0;
    wal->background_sequence = 0;
    if (op->kind == DISK_PREPARE) {
        prepared(wal, segment, name, op->status);
    } else if (is_first) {
        first_removed(wal, name, op->status);
    } else {
        removed(wal, segment, name, op->status);
    }
    wal_segments_work(wal);
}

static void begin(struct wal *wal, enum disk_op_kind kind, uint64_t sequence)
{
    struct wal_segment *segment = wal_segment_at(wal, sequence);
    segment->state = WAL_SEGMENT_PREPARING;
    wal->background_sequence = sequence;
    wal->background = (struct disk_op){
        .kind = kind,
        .size_bytes = kind == DISK_PREPARE ? segment->size_bytes : 0,
        .done = background_done,
        .context = wal,
    };
    wal_segment_name(sequence, wal->background.name);
    wal->options.disk->submit(wal->options.disk->context, &wal->background);
}

/* Remove from the end what is in the way. */
static bool remove_unusable(struct wal *wal)
{
    for (size_t i = wal->segment_count; i > 0; i--) {
        enum wal_segment_state state = wal->segments[i - 1].state;
        if (state == WAL_SEGMENT_UNUSABLE) {
            begin(wal, DISK_REMOVE, wal->segment_first + i - 1);
            return true;
        }
        if (state == WAL_SEGMENT_USED) {
            break;
        }
    }
    return false;
}

/* Prepare segments behind the last one in use, in order; an earlier one may still be wanted by
 * an append that waits for it.
 */
static bool prepare_next(struct wal *wal)
{
    uint64_t last = min_u64(wal->cursor.at.sequence + WAL_SEGMENTS_AHEAD, wal_segment_last(wal));
    for (uint64_t i = wal->synced.sequence; i <= last; i++) {
        if (wal_segment_at(wal, i)->state == WAL_SEGMENT_WANTED) {
            begin(wal, DISK_PREPARE, i);
            return true;
        }
    }
    return false;
}

/* In order too: a crash leaves a log that begins with a later segment, and never a gap. */
static bool remove_first(struct wal *wal)
{
    if (wal->segment_first >= wal->needed_sequence) {
        return false;
    }
    begin(wal, DISK_REMOVE, wal->segment_first);
    return true;
}

/* What an append may wait for comes first, and room before all when there is none. */
static void work(struct wal *wal, bool may_prepare)
{
    if (wal->background_sequence != 0 || wal->is_poisoned || remove_unusable(wal)) {
        return;
    }
    if (wal->is_full && remove_first(wal)) {
        return;
    }
    if (may_prepare && prepare_next(wal)) {
        return;
    }
    (void)remove_first(wal);
}

void wal_segments_work(struct wal *wal)
{
    work(wal, !wal->is_full);
}

void wal_prepare(struct wal *wal)
{
    wal_prefix_note(wal);
    work(wal, true);
}

bool wal_is_full(const struct wal *wal)
{
    return wal->is_full;
}

bool wal_has_room_for_reset(const struct wal *wal)
{
    uint64_t next = wal->cursor.at.sequence + (wal->cursor.at.offset > 0 ? 1 : 0);
    bool is_ready =
        next <= wal_segment_last(wal) && wal_segment_at(wal, next)->state == WAL_SEGMENT_READY;
    return is_ready || !wal->is_full;
}

uint64_t wal_room_bytes(const struct wal *wal)
{
    if (wal->is_poisoned) {
        return 0;
    }
    uint64_t room = 0;
    uint64_t lost = WAL_ROOM_RESERVE_BYTES;
    for (uint64_t i = wal->cursor.at.sequence; i <= wal_segment_last(wal); i++) {
        const struct wal_segment *segment = wal_segment_at(wal, i);
        bool is_present = i == wal->cursor.at.sequence;
        if (!is_present && segment->state != WAL_SEGMENT_READY) {
            break;
        }
        uint64_t used = is_present ? wal->cursor.at.offset : 0;
        room += wal_segment_limit(segment) - used;
        /* The head, and a record that did not fit into the segment before. */
        lost += WAL_HEAD_BYTES_MAX + (is_present ? 0 : wal->options.entry_bytes_max);
    }
    if (!wal->is_full) {
        return room + WAL_SEGMENTS_AHEAD * wal->options.segment_bytes;
    }
    /* Batches are bounded in bytes and parts; their heads take at most a sixteenth. */
    lost += room / 16;
    return room > lost ? room - lost : 0;
}
