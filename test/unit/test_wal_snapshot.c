/* test_wal_snapshot.c: snapshots are written aside, counted when they are whole, and read back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "quorate/error.h"
#include "support/snapshot_rig.h"

#define CHUNK SNAPSHOT_CHUNK_BYTES_MIN
#define FILE_BYTES(chunks) (512 + (chunks)*1024 + 512)

static int set_up(void **state)
{
    struct snapshot_rig *rig = malloc(sizeof(*rig));
    assert_non_null(rig);
    snapshot_rig_init(rig);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    snapshot_rig_deinit(*state);
    free(*state);
    return 0;
}

static void open_store(struct snapshot_rig *rig)
{
    assert_int_equal(snapshot_rig_open(rig), 0);
    snapshot_store_work(rig->store);
}

static void reopen(struct snapshot_rig *rig)
{
    snapshot_rig_close(rig);
    open_store(rig);
}

static bool is_there(struct snapshot_rig *rig, raft_index index, bool is_aside)
{
    return disk_memory_find(&rig->disk, snapshot_rig_name(index, is_aside)) != NULL;
}

static void an_empty_directory_has_no_snapshot(void **state)
{
    struct snapshot_rig *rig = *state;
    struct snapshot_info info;
    struct snapshot_reader *reader;
    open_store(rig);
    assert_false(rig->found.has_newest);
    assert_int_equal(rig->found.refused_count, 0);
    assert_false(snapshot_store_newest(rig->store, &info));
    assert_int_equal(snapshot_store_load(rig->store, NULL, NULL, rig->detail), QR_ERR_NOT_FOUND);
    assert_int_equal(snapshot_reader_open(rig->store, 1, 0, &reader, &info), QR_ERR_NOT_FOUND);
    assert_int_equal(rig->disk.mutation_count, 0);
}

static void what_is_written_is_read_back_whatever_its_size(void **state)
{
    static const size_t sizes[] = {0,         1,         CHUNK - 32, CHUNK - 1,      CHUNK,
                                   CHUNK + 1, 2 * CHUNK, 20000,      10 * CHUNK - 1, 40 * CHUNK};
    static const size_t pieces[] = {0, 1, 13, CHUNK, 2000};
    struct snapshot_rig *rig = *state;
    raft_index index = 0;
    open_store(rig);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        for (size_t k = 0; k < COUNT_OF(pieces); k++) {
            rig->piece_bytes = pieces[k];
            index += 10;
            snapshot_rig_write(rig, index, sizes[i]);
            snapshot_store_remove_below(rig->store, index);
            reopen(rig);
            assert_true(rig->found.has_newest);
            assert_int_equal(rig->found.newest.position.index, index);
            snapshot_rig_check(rig, index, sizes[i]);
        }
    }
}

static void chunks_of_any_size_are_read_with_any_other_configured(void **state)
{
    struct snapshot_rig *rig = *state;
    rig->options.chunk_bytes = 700;
    open_store(rig);
    snapshot_rig_write(rig, 5, 5000);
    snapshot_rig_close(rig);
    rig->options.chunk_bytes = SNAPSHOT_CHUNK_BYTES_MAX;
    open_store(rig);
    snapshot_rig_check(rig, 5, 5000);
    snapshot_rig_write(rig, 6, 60000);
    reopen(rig);
    snapshot_rig_check(rig, 6, 60000);
}

static void more_is_taken_when_there_is_room(void **state)
{
    struct snapshot_rig *rig = *state;
    open_store(rig);
    assert_int_equal(snapshot_rig_begin(rig, 1, 10 * CHUNK), 0);
    assert_int_equal(rig->given_bytes, CHUNK); /* the header is under way: one is filled */
    assert_true(snapshot_rig_step(rig));
    assert_int_equal(rig->ready_count, 1);
    assert_int_equal(rig->given_bytes, 2 * CHUNK);
    while (snapshot_rig_step(rig)) {
        assert_true(rig->disk.pending_count <= 1);
    }
    assert_int_equal(rig->done_status, 0);
    assert_int_equal(rig->done.size_bytes, 10 * CHUNK);
    size_t taken = 77;
    snapshot_writer_append(rig->store, "late", 4, &taken);
    assert_int_equal(taken, 0);
}

static void one_snapshot_is_written_at_a_time_and_only_a_newer_one(void **state)
{
    struct snapshot_rig *rig = *state;
    struct wal_base position = {1, 7};
    open_store(rig);
    assert_int_equal(snapshot_rig_begin(rig, 5, 100), 0);
    assert_true(snapshot_writer_is_active(rig->store));
    assert_int_equal(snapshot_writer_begin(rig->store, &position, 1, false), QR_ERR_BUSY);
    while (snapshot_rig_step(rig)) {
    }
    assert_false(snapshot_writer_is_active(rig->store));
    position.index = 5;
    assert_int_equal(snapshot_writer_begin(rig->store, &position, 1, false), QR_ERR_SUPERSEDED);
    position.index = 4;
    assert_int_equal(snapshot_writer_begin(rig->store, &position, 1, false), QR_ERR_SUPERSEDED);
    snapshot_rig_write(rig, 6, 100);
}

static void one_that_holds_more_takes_the_place_of_another_at_its_index(void **state)
{
    struct snapshot_rig *rig = *state;
    struct wal_base position = {1, 5};
    struct snapshot_reader *reader;
    struct snapshot_info info;
    size_t taken;
    open_store(rig);
    snapshot_rig_write(rig, 5, 100);
    assert_int_equal(snapshot_reader_open(rig->store, 5, 0, &reader, &info), 0);
    assert_int_equal(snapshot_writer_begin(rig->store, &position, 1, true), QR_ERR_BUSY);
    snapshot_reader_close(reader);
    position.index = 4;
    assert_int_equal(snapshot_writer_begin(rig->store, &position, 1, true), QR_ERR_SUPERSEDED);
    position.index = 5;
    assert_int_equal(snapshot_writer_begin(rig->store, &position, 1, true), 0);
    snapshot_writer_append(rig->store, "a longer one", 12, &taken);
    snapshot_writer_finish(rig->store);
    while (rig->disk.pending_count > 0) {
        assert_true(snapshot_store_newest(rig->store, &info));
        assert_int_equal(info.size_bytes, 100);
        assert_true(snapshot_rig_step(rig));
    }
    assert_true(snapshot_store_newest(rig->store, &info));
    assert_int_equal(info.size_bytes, 12);
    assert_int_equal(rig->disk.file_count, 1);
}

static void a_snapshot_counts_only_when_its_name_is_durable(void **state)
{
    struct snapshot_rig *rig = *state;
    struct snapshot_info info;
    open_store(rig);
    snapshot_rig_write(rig, 5, 100);
    rig->done_count = 0;
    assert_int_equal(snapshot_rig_begin(rig, 9, 3 * CHUNK), 0);
    while (rig->disk.pending_count > 0) {
        assert_int_equal(rig->done_count, 0);
        assert_true(snapshot_store_newest(rig->store, &info));
        assert_int_equal(info.position.index, 5);
        assert_true(snapshot_rig_step(rig));
    }
    assert_int_equal(rig->done_count, 1);
    snapshot_rig_check(rig, 9, 3 * CHUNK);
}

static void an_abandoned_snapshot_leaves_nothing(void **state)
{
    struct snapshot_rig *rig = *state;
    open_store(rig);
    for (size_t steps = 0; steps < 6; steps++) {
        assert_int_equal(snapshot_rig_begin(rig, 9, 4 * CHUNK), 0);
        for (size_t i = 0; i < steps; i++) {
            assert_true(snapshot_rig_step(rig));
        }
        assert_true(is_there(rig, 9, true) || steps == 0);
        snapshot_writer_abandon(rig->store);
        assert_false(snapshot_writer_is_active(rig->store));
        assert_int_equal(snapshot_writer_begin(rig->store, &(struct wal_base){1, 20}, 1, false),
                         QR_ERR_BUSY);
        while (snapshot_rig_step(rig)) {
        }
        assert_int_equal(rig->done_count, 0);
        assert_int_equal(rig->disk.file_count, 0);
    }
    snapshot_rig_write(rig, 9, 4 * CHUNK);
    snapshot_writer_abandon(rig->store);
    snapshot_rig_check(rig, 9, 4 * CHUNK);
}

/* Too late: the name was being given. It is there then, and that is all. */
static void a_snapshot_abandoned_while_it_gets_its_name_is_there(void **state)
{
    struct snapshot_rig *rig = *state;
    open_store(rig);
    assert_int_equal(snapshot_rig_begin(rig, 9, 10), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_true(snapshot_rig_step(rig));
    }
    snapshot_writer_abandon(rig->store);
    while (snapshot_rig_step(rig)) {
    }
    assert_int_equal(rig->done_count, 0);
    snapshot_rig_check(rig, 9, 10);
}

static void a_reader_begins_at_any_byte(void **state)
{
    struct snapshot_rig *rig = *state;
    size_t size_bytes = 3 * CHUNK + 100;
    open_store(rig);
    snapshot_rig_write(rig, 5, size_bytes);
    for (size_t offset = 0; offset <= size_bytes; offset += 37) {
        struct snapshot_reader *reader;
        struct snapshot_info info;
        size_t at = offset;
        assert_int_equal(snapshot_reader_open(rig->store, 5, offset, &reader, &info), 0);
        do {
            assert_int_equal(snapshot_reader_read(reader, offset), 0);
            assert_int_equal(snapshot_reader_read(reader, offset), QR_ERR_BUSY);
            assert_true(snapshot_rig_step(rig));
            assert_int_equal(rig->read_status, 0);
            assert_int_equal(rig->read_token, offset);
            for (size_t i = 0; i < rig->read_bytes; i++, at++) {
                assert_int_equal(rig->read[i], snapshot_rig_byte(5, at));
            }
        } while (rig->read_bytes > 0);
        assert_int_equal(at, size_bytes);
        snapshot_reader_close(reader);
    }
    struct snapshot_reader *reader;
    struct snapshot_info info;
    assert_int_equal(snapshot_reader_open(rig->store, 5, size_bytes + 1, &reader, &info),
                     QR_ERR_INVALID);
    assert_int_equal(snapshot_reader_open(rig->store, 4, 0, &reader, &info), QR_ERR_NOT_FOUND);
}

static void a_snapshot_stays_as_long_as_it_is_read(void **state)
{
    struct snapshot_rig *rig = *state;
    struct snapshot_reader *readers[SNAPSHOT_READERS_MAX];
    struct snapshot_reader *one_more;
    struct snapshot_info info;
    open_store(rig);
    snapshot_rig_write(rig, 5, 2000);
    for (size_t i = 0; i < SNAPSHOT_READERS_MAX; i++) {
        assert_int_equal(snapshot_reader_open(rig->store, 5, 0, &readers[i], &info), 0);
    }
    assert_int_equal(snapshot_reader_open(rig->store, 5, 0, &one_more, &info), QR_ERR_BUSY);
    snapshot_reader_close(readers[1]);
    snapshot_rig_write(rig, 6, 2000);
    snapshot_store_remove_below(rig->store, 6);
    /* Who reads it may look for another place: the new reader first, then the old one goes. */
    assert_int_equal(snapshot_reader_open(rig->store, 5, 100, &one_more, &info), 0);
    snapshot_reader_close(one_more);
    assert_int_equal(snapshot_reader_read(readers[0], 1), 0);
    assert_true(snapshot_rig_step(rig));
    assert_int_equal(rig->read_status, 0);
    for (size_t i = 2; i < SNAPSHOT_READERS_MAX; i++) {
        snapshot_reader_close(readers[i]);
    }
    assert_false(snapshot_rig_step(rig));
    assert_int_equal(snapshot_reader_read(readers[0], 2), 0);
    size_t answers = rig->read_count;
    snapshot_reader_close(readers[0]);
    assert_true(is_there(rig, 5, false));
    while (snapshot_rig_step(rig)) {
    }
    assert_int_equal(rig->read_count, answers);
    assert_int_equal(snapshot_reader_open(rig->store, 5, 0, &one_more, &info), QR_ERR_NOT_FOUND);
    assert_false(is_there(rig, 5, false));
    snapshot_reader_close(NULL);
}

static void the_newest_snapshot_is_never_removed(void **state)
{
    struct snapshot_rig *rig = *state;
    open_store(rig);
    for (raft_index index = 1; index <= 5; index++) {
        snapshot_rig_write(rig, index, 100);
    }
    snapshot_store_remove_below(rig->store, 4);
    while (snapshot_rig_step(rig)) {
    }
    assert_false(is_there(rig, 3, false));
    assert_true(is_there(rig, 4, false));
    snapshot_store_remove_below(rig->store, 1000);
    while (snapshot_rig_step(rig)) {
    }
    assert_int_equal(rig->disk.file_count, 1);
    snapshot_rig_check(rig, 5, 100);
}

/* An older one counts then, and what is refused stays to be looked at. */
static void a_damaged_snapshot_is_passed_over_and_told(void **state)
{
    struct snapshot_rig *rig = *state;
    open_store(rig);
    snapshot_rig_write(rig, 5, 2000);
    snapshot_rig_write(rig, 8, 2000);
    snapshot_rig_write(rig, 9, 2000);
    snapshot_rig_close(rig);
    disk_memory_flip(&rig->disk, snapshot_rig_name(9, false), 600, 3);
    disk_memory_resize(&rig->disk, snapshot_rig_name(8, false), 4096);
    open_store(rig);
    assert_int_equal(rig->found.refused_count, 2);
    assert_int_equal(rig->found.refused_status, QR_ERR_CORRUPT);
    assert_int_equal(rig->found.refused_index, 9);
    assert_non_null(strstr(rig->detail, "snapshot-0000000000000009, offset 512"));
    snapshot_rig_check(rig, 5, 2000);
    assert_int_equal(rig->disk.file_count, 3);
    snapshot_rig_write(rig, 9, 300); /* in its place */
    snapshot_store_remove_below(rig->store, 9);
    reopen(rig);
    assert_int_equal(rig->found.refused_count, 0);
    assert_int_equal(rig->disk.file_count, 1);
    snapshot_rig_check(rig, 9, 300);
}

/* A disk may know itself that it has lost something; else nothing is known of it, and no start. */
static void a_disk_that_cannot_read_is_told_from_one_that_has_lost_something(void **state)
{
    struct snapshot_rig *rig = *state;
    open_store(rig);
    snapshot_rig_write(rig, 5, 2000);
    snapshot_rig_write(rig, 8, 2000);
    snapshot_rig_close(rig);
    rig->disk.fail_at = rig->disk.call_count + 3; /* behind the list and the header */
    rig->disk.fail_status = QR_ERR_CORRUPT;
    open_store(rig);
    assert_int_equal(rig->found.refused_count, 1);
    assert_int_equal(rig->found.refused_status, QR_ERR_CORRUPT);
    assert_non_null(strstr(rig->detail, "offset 512: it cannot be read back"));
    snapshot_rig_check(rig, 5, 2000);
    snapshot_rig_close(rig);
    rig->disk.fail_at = rig->disk.call_count + 3;
    rig->disk.fail_status = QR_ERR_IO;
    assert_int_equal(snapshot_rig_open(rig), QR_ERR_IO);
    assert_non_null(strstr(rig->detail, "the file cannot be read"));
}

static void a_snapshot_under_the_name_of_another_is_refused(void **state)
{
    struct snapshot_rig *rig = *state;
    open_store(rig);
    snapshot_rig_write(rig, 5, 2000);
    snapshot_rig_close(rig);
    struct disk_memory_file *file = disk_memory_find(&rig->disk, snapshot_rig_name(5, false));
    memcpy(file->name, snapshot_rig_name(6, false), 26);
    open_store(rig);
    assert_false(rig->found.has_newest);
    assert_int_equal(rig->found.refused_status, QR_ERR_CORRUPT);
    assert_non_null(strstr(rig->detail, "the name of another"));
}

static void a_newer_format_is_refused_as_such(void **state)
{
    struct snapshot_rig *rig = *state;
    uint8_t header[512];
    open_store(rig);
    snapshot_rig_write(rig, 5, 2000);
    snapshot_rig_close(rig);
    memcpy(header, disk_memory_find(&rig->disk, snapshot_rig_name(5, false))->seen, 512);
    store_u32(header + 8, 2);
    store_u32(header + 12, crc32c(crc32c(0, header, 12), header + 16, 512 - 16));
    disk_memory_write(&rig->disk, snapshot_rig_name(5, false), 0, header, 512);
    open_store(rig);
    assert_int_equal(rig->found.refused_status, QR_ERR_VERSION);
    assert_non_null(strstr(rig->detail, "use the version"));
}

/* Each is whole for itself, but not of this file, or not in this place. */
static void chunks_of_another_place_or_file_are_refused(void **state)
{
    struct snapshot_rig *rig = *state;
    uint8_t first[1024];
    open_store(rig);
    snapshot_rig_write(rig, 5, 2000);
    snapshot_rig_write(rig, 6, 2000);
    snapshot_rig_close(rig);
    memcpy(first, disk_memory_find(&rig->disk, snapshot_rig_name(6, false))->seen + 512, 1024);
    struct disk_memory whole;
    disk_memory_copy(&whole, &rig->disk);
    disk_memory_write(&rig->disk, snapshot_rig_name(6, false), 512 + 1024, first, 1024);
    open_store(rig);
    assert_int_equal(rig->found.newest.position.index, 5);
    snapshot_rig_close(rig);
    disk_memory_restore(&rig->disk, &whole);
    disk_memory_write(&rig->disk, snapshot_rig_name(5, false), 512, first, 1024);
    disk_memory_remove(&rig->disk, snapshot_rig_name(6, false));
    open_store(rig);
    assert_false(rig->found.has_newest);
    assert_int_equal(rig->found.refused_count, 1);
    disk_memory_deinit(&whole);
}

static int stop_at_once(void *context, const uint8_t *data, size_t size_bytes)
{
    (void)data;
    (void)size_bytes;
    size_t *count = context;
    (*count)++;
    return QR_ERR_NO_MEMORY;
}

static void damage_that_comes_later_is_noticed_by_who_reads(void **state)
{
    struct snapshot_rig *rig = *state;
    struct snapshot_reader *reader;
    struct snapshot_info info;
    size_t count = 0;
    open_store(rig);
    snapshot_rig_write(rig, 5, 3 * CHUNK);
    assert_int_equal(snapshot_store_load(rig->store, stop_at_once, &count, rig->detail),
                     QR_ERR_NO_MEMORY);
    assert_int_equal(count, 1);
    disk_memory_flip(&rig->disk, snapshot_rig_name(5, false), 512 + 1024 + 100, 1);
    assert_int_equal(snapshot_store_load(rig->store, stop_at_once, &count, rig->detail),
                     QR_ERR_NO_MEMORY);
    assert_int_equal(snapshot_reader_open(rig->store, 5, 0, &reader, &info), 0);
    assert_int_equal(snapshot_reader_read(reader, 1), 0);
    assert_true(snapshot_rig_step(rig));
    assert_int_equal(rig->read_status, 0);
    assert_int_equal(snapshot_reader_read(reader, 2), 0);
    assert_true(snapshot_rig_step(rig));
    assert_int_equal(rig->read_status, QR_ERR_CORRUPT);
    snapshot_reader_close(reader);
    /* The end, and a disk that fails. */
    disk_memory_flip(&rig->disk, snapshot_rig_name(5, false), FILE_BYTES(3) - 400, 1);
    assert_int_equal(snapshot_reader_open(rig->store, 5, 3 * CHUNK, &reader, &info), 0);
    assert_int_equal(snapshot_reader_read(reader, 3), 0);
    assert_true(snapshot_rig_step(rig));
    assert_int_equal(rig->read_status, QR_ERR_CORRUPT);
    rig->disk.fail_at = rig->disk.call_count + 1;
    assert_int_equal(snapshot_reader_read(reader, 4), 0);
    assert_true(snapshot_rig_step(rig));
    assert_int_equal(rig->read_status, QR_ERR_IO);
    rig->heap.fail_at = rig->heap.allocate_count + 1;
    assert_int_equal(snapshot_reader_read(reader, 5), QR_ERR_NO_MEMORY);
    snapshot_reader_close(reader);
}

static void put_file(struct snapshot_rig *rig, const char *name, size_t size_bytes)
{
    static const uint8_t bytes[4096];
    const struct disk *disk = &rig->disk.disk;
    assert_int_equal(disk->write_file(disk->context, name, bytes, size_bytes), 0);
    assert_int_equal(disk->sync_file(disk->context, name), 0);
    assert_int_equal(disk->sync_names(disk->context), 0);
}

static void what_a_crash_left_unfinished_is_removed_and_other_files_are_not(void **state)
{
    struct snapshot_rig *rig = *state;
    put_file(rig, snapshot_rig_name(5, true), 1000);
    put_file(rig, snapshot_rig_name(6, true), 0);
    put_file(rig, "snapshot-", 10);
    put_file(rig, "snapshot-000000000000000g", 10);
    put_file(rig, "snapshot-00000000000000055", 10);
    put_file(rig, "log-0000000000000001", 10);
    assert_int_equal(snapshot_rig_open(rig), 0);
    assert_int_equal(rig->disk.file_count, 6);
    snapshot_store_work(rig->store);
    assert_int_equal(snapshot_rig_begin(rig, 5, 10), QR_ERR_BUSY);
    while (snapshot_rig_step(rig)) {
    }
    assert_int_equal(rig->disk.file_count, 4);
    snapshot_rig_write(rig, 5, 10);
    assert_true(snapshot_is_file(snapshot_rig_name(5, false)));
    assert_false(snapshot_is_file(snapshot_rig_name(5, true)));
    assert_false(snapshot_is_file("snapshot-00000000000000055"));
    assert_false(snapshot_is_file("log-0000000000000001"));
}

static void of_more_files_than_it_keeps_in_mind_the_highest_count(void **state)
{
    struct snapshot_rig *rig = *state;
    open_store(rig);
    for (raft_index index = 1; index <= DISK_MEMORY_FILES_MAX; index++) {
        put_file(rig, snapshot_rig_name(index == 20 ? 500 : index, false), 10);
    }
    snapshot_rig_close(rig);
    disk_memory_remove(&rig->disk, snapshot_rig_name(10, false));
    put_file(rig, snapshot_rig_name(600, true), 10);
    assert_int_equal(snapshot_rig_open(rig), 0);
    assert_int_equal(rig->found.refused_count, DISK_MEMORY_FILES_MAX - 1);
    assert_int_equal(rig->found.refused_index, 500);
    assert_int_equal(snapshot_rig_begin(rig, 700, 10), QR_ERR_BUSY);
    while (snapshot_rig_step(rig)) {
    }
    assert_int_equal(rig->disk.file_count, DISK_MEMORY_FILES_MAX - 1);
}

static void a_removal_that_fails_is_left_to_the_next_start(void **state)
{
    struct snapshot_rig *rig = *state;
    open_store(rig);
    snapshot_rig_write(rig, 5, 10);
    snapshot_rig_write(rig, 6, 10);
    rig->disk.fail_at = rig->disk.call_count + 1;
    snapshot_store_remove_below(rig->store, 6);
    assert_true(snapshot_rig_step(rig));
    assert_false(snapshot_rig_step(rig));
    assert_true(is_there(rig, 5, false));
    reopen(rig);
    snapshot_store_remove_below(rig->store, 6);
    while (snapshot_rig_step(rig)) {
    }
    assert_false(is_there(rig, 5, false));
}

static void not_minded(void *context)
{
    (void)context;
}

static void a_long_snapshot_is_synced_now_and_then(void **state)
{
    static uint8_t piece[SNAPSHOT_CHUNK_BYTES_MAX];
    struct snapshot_rig *rig = *state;
    rig->options.chunk_bytes = SNAPSHOT_CHUNK_BYTES_MAX;
    rig->options.listener.writer_ready = not_minded;
    open_store(rig);
    assert_int_equal(snapshot_writer_begin(rig->store, &(struct wal_base){1, 5}, 1, false), 0);
    size_t unsynced_max = 0;
    for (size_t i = 0; i < 18; i++) {
        size_t taken = 0;
        snapshot_writer_append(rig->store, piece, sizeof(piece), &taken);
        while (taken < sizeof(piece)) {
            size_t more;
            assert_true(disk_memory_step(&rig->disk));
            snapshot_writer_append(rig->store, piece, sizeof(piece) - taken, &more);
            taken += more;
        }
        unsynced_max = max_u64(unsynced_max, rig->disk.unsynced_count);
    }
    assert_true(unsynced_max * DISK_SECTOR_BYTES <= 5 * 1024 * 1024);
    assert_true(unsynced_max * DISK_SECTOR_BYTES > 3 * 1024 * 1024);
    snapshot_writer_abandon(rig->store);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest cases[] = {
        CASE(an_empty_directory_has_no_snapshot),
        CASE(what_is_written_is_read_back_whatever_its_size),
        CASE(chunks_of_any_size_are_read_with_any_other_configured),
        CASE(more_is_taken_when_there_is_room),
        CASE(one_snapshot_is_written_at_a_time_and_only_a_newer_one),
        CASE(one_that_holds_more_takes_the_place_of_another_at_its_index),
        CASE(a_snapshot_counts_only_when_its_name_is_durable),
        CASE(an_abandoned_snapshot_leaves_nothing),
        CASE(a_snapshot_abandoned_while_it_gets_its_name_is_there),
        CASE(a_reader_begins_at_any_byte),
        CASE(a_snapshot_stays_as_long_as_it_is_read),
        CASE(the_newest_snapshot_is_never_removed),
        CASE(a_damaged_snapshot_is_passed_over_and_told),
        CASE(a_disk_that_cannot_read_is_told_from_one_that_has_lost_something),
        CASE(a_snapshot_under_the_name_of_another_is_refused),
        CASE(a_newer_format_is_refused_as_such),
        CASE(chunks_of_another_place_or_file_are_refused),
        CASE(damage_that_comes_later_is_noticed_by_who_reads),
        CASE(what_a_crash_left_unfinished_is_removed_and_other_files_are_not),
        CASE(of_more_files_than_it_keeps_in_mind_the_highest_count),
        CASE(a_removal_that_fails_is_left_to_the_next_start),
        CASE(a_long_snapshot_is_synced_now_and_then),
    };
    return cmocka_run_group_tests_name("wal_snapshot", cases, NULL, NULL);
}
