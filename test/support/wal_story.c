/* wal_story.c: noting the writes of a log, and judging what recovery makes of a damaged one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/wal_story.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "quorate/error.h"
#include "support/unit.h"

/* Of the format, docs/wal-format.md. */
#define SEGMENT_HEADER_BYTES 512
#define BATCH_HEADER_BYTES 128
#define BATCH_ENTRY_COUNT_AT 52
#define BATCH_FIRST_INDEX_AT 56
#define BATCH_TERM_AT 64
#define NAME_BYTES_BEFORE_DIGITS 4

#define LATER_PAYLOAD_BYTES 60 /* of what is appended to a log that opened */

static uint64_t sequence_of(const char *name)
{
    return strtoull(name + NAME_BYTES_BEFORE_DIGITS, NULL, 16);
}

static bool is_before(struct wal_story_place a, struct wal_story_place b)
{
    return a.sequence != b.sequence ? a.sequence < b.sequence : a.offset < b.offset;
}

static struct disk_memory_file *file_of(struct wal_story *story, uint64_t sequence)
{
    struct disk_memory *disk = &story->rig.disk;
    for (size_t i = 0; i < disk->file_count; i++) {
        if (sequence_of(disk->files[i].name) == sequence) {
            return &disk->files[i];
        }
    }
    return NULL;
}

static size_t header_at(const struct wal_story_write *write)
{
    return write->at.offset == 0 ? SEGMENT_HEADER_BYTES : 0;
}

/* All before the end of what the disk reported is durable, and what is made now will say so. */
static struct wal_story_place durable_end(const struct wal_story *story)
{
    return story->done_count == 0 ? (struct wal_story_place){1, 0}
                                  : story->writes[story->done_count - 1].end;
}

static struct wal_story_write write_of(const struct wal_story *story, const struct disk_op *op)
{
    struct wal_story_write write = {.at = {sequence_of(op->name), op->offset},
                                    .noted = durable_end(story)};
    for (size_t i = 0; i < op->part_count; i++) {
        write.size_bytes += op->parts[i].size_bytes;
    }
    write.bytes = malloc(write.size_bytes);
    assert_non_null(write.bytes);
    size_t used = 0;
    for (size_t i = 0; i < op->part_count; i++) {
        memcpy(write.bytes + used, op->parts[i].data, op->parts[i].size_bytes);
        used += op->parts[i].size_bytes;
    }
    write.end = (struct wal_story_place){write.at.sequence, write.at.offset + write.size_bytes};
    return write;
}

/* One write of the last append: it brings the hard state, and the entries its header counts. */
static void note_write(struct wal_story *story, const struct disk_op *op)
{
    struct wal_rig *rig = &story->rig;
    assert_true(story->write_count < WAL_STORY_WRITES_MAX);
    struct wal_story_write *write = &story->writes[story->write_count];
    *write = write_of(story, op);
    write->append = rig->append_count;
    const uint8_t *header = write->bytes + header_at(write);
    const struct wal_rig_append *append = &rig->appends[rig->append_count - 1];
    assert_true(load_u64(header + BATCH_TERM_AT) == append->term);
    story->states[story->write_count++] = (struct wal_rig_append){
        .first = load_u64(header + BATCH_FIRST_INDEX_AT),
        .count = load_u32(header + BATCH_ENTRY_COUNT_AT),
        .term = append->term,
        .hard_state = append->hard_state,
    };
}

static size_t pending_writes(const struct wal_story *story)
{
    size_t count = 0;
    for (const struct disk_op *op = story->rig.disk.first; op != NULL; op = op->next) {
        count += op->kind == DISK_WRITE && op->is_synced;
    }
    return count;
}

void wal_story_begin(struct wal_story *story)
{
    memset(story, 0, sizeof(*story));
    wal_rig_init(&story->rig);
    story->term = 1;
    assert_int_equal(wal_rig_open(&story->rig), 0);
    disk_memory_run(&story->rig.disk);
}

void wal_story_append(struct wal_story *story, size_t back, size_t count, uint32_t payload_bytes)
{
    struct wal_rig *rig = &story->rig;
    while (disk_memory_step_kind(&rig->disk, DISK_PREPARE)) {
    }
    story->term += back > 0 || count == 0;
    const struct disk_op *last = rig->disk.last;
    raft_index first = rig->last_index + 1 - back;
    assert_true(first > story->commit_index); /* what is committed is never replaced */
    story->commit_index = first - 1;
    assert_int_equal(wal_rig_append(rig, first, count, story->term, payload_bytes), 0);
    size_t noted = 0;
    for (const struct disk_op *op = last == NULL ? rig->disk.first : last->next; op != NULL;
         op = op->next) {
        if (op->kind == DISK_WRITE) {
            note_write(story, op);
            noted += story->states[story->write_count - 1].count;
        }
    }
    assert_int_equal(noted, count); /* none waits for a segment */
}

void wal_story_sync(struct wal_story *story, size_t count)
{
    size_t until = min_u64(count, story->write_count - story->done_count) + story->done_count;
    while (story->done_count < until && disk_memory_step(&story->rig.disk)) {
        story->done_count = story->write_count - pending_writes(story);
    }
    assert_int_equal(story->done_count, until);
    if (until == story->write_count) {
        disk_memory_run(&story->rig.disk); /* segments ahead, too */
    }
}

void wal_story_mark(struct wal_story *story)
{
    wal_story_sync(story, SIZE_MAX);
    wal_mark(story->rig.wal, story->commit_index);
    const struct disk_op *op = story->rig.disk.first;
    if (op == NULL) {
        return; /* one says so already */
    }
    assert_false(op->is_synced);
    assert_true(story->mark_count < WAL_STORY_WRITES_MAX);
    story->marks[story->mark_count++] = write_of(story, op);
    disk_memory_run(&story->rig.disk);
}

/* Writes of appends that the log said are durable. */
static size_t count_acknowledged(const struct wal_story *story)
{
    size_t count = story->found_count;
    while (count < story->write_count && story->writes[count].append <= story->rig.ticket_synced) {
        count++;
    }
    return count;
}

static void stop(struct wal_story *story)
{
    disk_memory_stop(&story->rig.disk);
    wal_free(story->rig.wal);
    story->rig.wal = NULL;
}

static bool keep_some(void *context, size_t number)
{
    const uint64_t *kept = context;
    return (*kept >> number & 1) != 0;
}

void wal_story_restart(struct wal_story *story, uint64_t kept)
{
    struct wal_rig *rig = &story->rig;
    stop(story);
    assert_in_range(rig->disk.unsynced_count, 0, 63);
    disk_memory_crash(&rig->disk, keep_some, &kept);
    size_t whole = wal_story_whole(story);
    assert_int_equal(wal_rig_open(rig), 0);
    disk_memory_run(&rig->disk);
    /* What was cut is no part of the log now, but what stands there still may bear witness. */
    while (story->write_count > whole) {
        assert_true(story->mark_count < WAL_STORY_WRITES_MAX);
        story->marks[story->mark_count++] = story->writes[--story->write_count];
    }
    story->done_count = whole;
    story->found_count = whole;
    story->commit_index = rig->recovered.commit_index;
    rig->append_count = whole == 0 ? 0 : story->writes[whole - 1].append;
}

static bool keep_all(void *context, size_t number)
{
    (void)context;
    (void)number;
    return true;
}

void wal_story_end(struct wal_story *story, bool is_kept)
{
    struct disk_memory *disk = &story->rig.disk;
    stop(story);
    story->acknowledged_count = count_acknowledged(story);
    memcpy(story->rig.appends, story->states, sizeof(story->states));
    story->unsynced_count = disk->unsynced_count;
    story->unsynced = calloc(disk->unsynced_count + 1, sizeof(*story->unsynced));
    assert_non_null(story->unsynced);
    for (size_t i = 0; i < disk->unsynced_count; i++) {
        story->unsynced[i] = disk->unsynced[i];
    }
    disk_memory_crash(disk, is_kept ? keep_all : NULL, NULL);
    disk_memory_copy(&story->whole, disk);
}

void wal_story_deinit(struct wal_story *story)
{
    for (size_t i = 0; i < story->write_count; i++) {
        free(story->writes[i].bytes);
    }
    for (size_t i = 0; i < story->mark_count; i++) {
        free(story->marks[i].bytes);
    }
    free(story->unsynced);
    disk_memory_deinit(&story->whole);
    wal_rig_deinit(&story->rig);
}

/* Whether these bytes of the write stand on the disk. */
static bool stands(struct wal_story *story, const struct wal_story_write *write, size_t from,
                   size_t size_bytes)
{
    const struct disk_memory_file *file = file_of(story, write->at.sequence);
    uint64_t offset = write->at.offset + from;
    return file != NULL && offset + size_bytes <= file->size_bytes &&
           memcmp(file->seen + offset, write->bytes + from, size_bytes) == 0;
}

size_t wal_story_whole(struct wal_story *story)
{
    size_t count = 0;
    while (count < story->write_count &&
           stands(story, &story->writes[count], 0, story->writes[count].size_bytes)) {
        count++;
    }
    return count;
}

/* The furthest place that a whole header on the disk notes as durable. */
static struct wal_story_place furthest_noted(struct wal_story *story)
{
    struct wal_story_place noted = {1, 0};
    for (size_t i = 0; i < story->write_count + story->mark_count; i++) {
        const struct wal_story_write *write =
            i < story->write_count ? &story->writes[i] : &story->marks[i - story->write_count];
        if (is_before(noted, write->noted) &&
            stands(story, write, header_at(write), BATCH_HEADER_BYTES)) {
            noted = write->noted;
        }
    }
    return noted;
}

static bool is_zero(const struct disk_memory_file *file)
{
    for (uint64_t i = 0; i < file->size_bytes; i++) {
        if (file->seen[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Whether a file that recovery has to go through is missing, or shorter than it was made. */
static bool is_cut_short(struct wal_story *story, size_t whole)
{
    uint64_t file_count = story->rig.disk.file_count;
    for (uint64_t i = 1; i <= file_count; i++) {
        if (file_of(story, i) == NULL) {
            return true;
        }
    }
    uint64_t reached = whole == 0 ? 0 : story->writes[whole - 1].end.sequence;
    for (uint64_t i = 1; i <= reached; i++) {
        if (file_of(story, i)->size_bytes < WAL_SEGMENT_BYTES_MIN) {
            return true;
        }
    }
    const struct disk_memory_file *next = file_of(story, reached + 1);
    if (next == NULL) {
        return false;
    }
    if (next->size_bytes < SEGMENT_HEADER_BYTES) {
        return reached + 1 < file_count || !is_zero(next); /* else an unfinished preparation */
    }
    const struct wal_story_write *write = &story->writes[whole];
    return next->size_bytes < WAL_SEGMENT_BYTES_MIN && whole < story->write_count &&
           write->at.sequence == reached + 1 && write->at.offset == 0 &&
           stands(story, write, 0, SEGMENT_HEADER_BYTES);
}

static void pass_over(void *context, const struct wal_scan_item *item)
{
    size_t *count = context;
    *count += item->kind == WAL_SCAN_BATCH;
}

static void check_scan(struct wal_story *story, int expected, size_t whole)
{
    char detail[WAL_ERROR_DETAIL_BYTES];
    size_t count = 0;
    assert_int_equal(wal_scan(&story->rig.options, pass_over, &count, detail), expected);
    if (expected == 0) {
        assert_int_equal(count, whole);
    }
}

/* It holds the first `count` writes, down to the last byte. */
static void check_content(struct wal_story *story, size_t count)
{
    assert_true(wal_rig_is_recovered_as(&story->rig, count));
    wal_rig_check(&story->rig, count);
}

/* Append to the log that opened, open it once more, and find all of it. */
static void go_on(struct wal_story *story, size_t whole)
{
    struct wal_rig *rig = &story->rig;
    raft_term term = story->term + 1;
    rig->append_count = whole;
    wal_rig_append_now(rig, rig->last_index + 1, 2, term, LATER_PAYLOAD_BYTES);
    wal_rig_append_now(rig, rig->last_index, 1, term + 1, LATER_PAYLOAD_BYTES);
    wal_rig_reopen(rig);
    check_content(story, whole + 2);
    wal_rig_close(rig);
    memcpy(rig->appends + whole, story->states + whole, 2 * sizeof(rig->appends[0]));
}

size_t wal_story_judge(struct wal_story *story, size_t held)
{
    struct wal_rig *rig = &story->rig;
    size_t whole = wal_story_whole(story);
    struct wal_story_place end =
        whole == 0 ? (struct wal_story_place){1, 0} : story->writes[whole - 1].end;
    bool is_damaged = is_cut_short(story, whole) || is_before(end, furthest_noted(story));
    int expected = is_damaged ? QR_ERR_CORRUPT : 0;
    check_scan(story, expected, whole);

    uint64_t mutations = rig->disk.mutation_count;
    int status = wal_rig_open(rig);
    assert_int_equal(status, expected);
    if (status != 0) {
        assert_int_equal(rig->disk.mutation_count, mutations);
        assert_int_equal(rig->disk.pending_count, 0);
        assert_non_null(strstr(rig->detail, "log-00000000000000"));
        disk_memory_restore(&rig->disk, &story->whole);
        return SIZE_MAX;
    }
    assert_true(whole >= held);
    check_content(story, whole);
    go_on(story, whole);
    disk_memory_restore(&rig->disk, &story->whole);
    return whole;
}
