/* test_wal_recovery.c: a torn tail is cut, damage is refused, and nothing is ever invented. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "quorate/error.h"
#include "support/wal_rig.h"

#define FIRST "log-0000000000000001"
#define SECOND "log-0000000000000002"
#define THIRD "log-0000000000000003"

static void open_log(struct wal_rig *rig)
{
    assert_int_equal(wal_rig_open(rig), 0);
}

static void mark(struct wal_rig *rig)
{
    wal_mark(rig->wal, rig->last_index);
    disk_memory_run(&rig->disk);
    wal_invariants(rig->wal);
}

/* Three batches, at 512, 1024 and 2048 of the first segment; they end at 3072. */
static void make_small_log(struct wal_rig *rig, bool is_marked)
{
    open_log(rig);
    wal_rig_append_now(rig, 1, 2, 1, 20);
    wal_rig_append_now(rig, 3, 3, 1, 150);
    wal_rig_append_now(rig, 5, 4, 2, 100);
    if (is_marked) {
        mark(rig);
    }
    wal_rig_close(rig);
}

/* Open a log that must be refused as damaged, without a byte changed. */
static void assert_damaged(struct wal_rig *rig, const char *file)
{
    struct disk_memory before;
    disk_memory_copy(&before, &rig->disk);
    uint64_t mutations = rig->disk.mutation_count;
    assert_int_equal(wal_rig_open(rig), QR_ERR_CORRUPT);
    assert_non_null(strstr(rig->detail, file));
    assert_non_null(strstr(rig->detail, "offset "));
    assert_non_null(strstr(rig->detail, "restore this file from a backup"));
    assert_non_null(strstr(rig->detail, "an empty directory"));
    assert_int_equal(rig->disk.mutation_count, mutations);
    assert_true(disk_memory_equal(&before, &rig->disk));
    disk_memory_deinit(&before);
}

/* Open, and assert that the log is what it was after a number of appends, at least `from`. */
static size_t assert_opens_as(struct wal_rig *rig, size_t from)
{
    open_log(rig);
    size_t appends = wal_rig_recovered_as(rig, from);
    assert_int_not_equal(appends, SIZE_MAX);
    wal_rig_check(rig, appends);
    return appends;
}

static void damage_is_told_with_its_place(void **state)
{
    struct wal_rig *rig = *state;
    make_small_log(rig, true);
    disk_memory_flip(&rig->disk, FIRST, 1500, 3);
    assert_damaged(rig, FIRST ", offset 1024");
}

static void a_mark_tells_damage_to_the_last_batch_from_a_torn_tail(void **state)
{
    struct wal_rig *rig = *state;
    make_small_log(rig, false);
    disk_memory_flip(&rig->disk, FIRST, 2500, 0);
    assert_int_equal(assert_opens_as(rig, 0), 2);
    wal_rig_close(rig);
    disk_memory_flip(&rig->disk, FIRST, 2500, 0);
    open_log(rig);
    mark(rig);
    wal_rig_close(rig);
    disk_memory_flip(&rig->disk, FIRST, 2500, 0);
    assert_damaged(rig, FIRST ", offset 2048");
}

static void a_mark_is_written_once_without_a_sync_and_takes_no_room(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    mark(rig);
    assert_int_equal(rig->disk.write_count, 0); /* nothing is synced yet */
    wal_rig_append_now(rig, 1, 2, 1, 20);
    uint64_t room = wal_room_bytes(rig->wal);
    mark(rig);
    mark(rig);
    assert_int_equal(rig->disk.write_count, 2);
    assert_int_equal(rig->disk.sync_count, 1);
    assert_int_equal(wal_room_bytes(rig->wal), room);
    assert_int_equal(wal_rig_append(rig, 3, 1, 1, 20), 0);
    wal_mark(rig->wal, 3); /* something is under way */
    disk_memory_run(&rig->disk);
    assert_int_equal(rig->disk.write_count, 3);
    mark(rig);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.commit_index, 3); /* the mark brought it */
    assert_false(rig->recovered.was_torn);
    assert_int_equal(assert_opens_as((wal_rig_close(rig), rig), 2), 2);
}

static void a_lost_mark_costs_nothing(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 55, 1, 1000);
    mark(rig);
    wal_rig_append_now(rig, 56, 20, 1, 1000); /* partly into the second segment */
    mark(rig);
    wal_rig_append_now(rig, 76, 1, 2, 10);
    wal_rig_crash(rig, NULL, NULL);
    assert_int_equal(assert_opens_as(rig, 3), 3);
}

static void a_file_cut_short_anywhere_is_refused(void **state)
{
    struct wal_rig *rig = *state;
    make_small_log(rig, false);
    struct disk_memory whole;
    disk_memory_copy(&whole, &rig->disk);
    for (uint64_t size = 0; size < 3200; size += size < 600 ? 1 : 37) {
        disk_memory_deinit(&rig->disk);
        disk_memory_copy(&rig->disk, &whole);
        disk_memory_resize(&rig->disk, FIRST, size);
        assert_damaged(rig, FIRST);
    }
    disk_memory_deinit(&whole);
}

static void damage_in_the_middle_is_refused_wherever_it_is(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    raft_index next = 1;
    for (size_t i = 0; i < 20; i++, next += 10) {
        wal_rig_append_now(rig, next, 10, 1, 1000);
    }
    wal_rig_close(rig);
    static const char *const names[] = {FIRST, SECOND, THIRD};
    static const uint8_t zeros[DISK_SECTOR_BYTES];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        for (uint64_t at = 0; at < 50000; at += 3 * DISK_SECTOR_BYTES) {
            uint8_t saved[DISK_SECTOR_BYTES];
            const uint8_t *bytes = disk_memory_find(&rig->disk, names[i])->seen + at;
            memcpy(saved, bytes, sizeof(saved));
            disk_memory_write(&rig->disk, names[i], at, zeros, sizeof(zeros));
            assert_int_equal(wal_rig_open(rig), QR_ERR_CORRUPT);
            assert_non_null(strstr(rig->detail, names[i]));
            disk_memory_write(&rig->disk, names[i], at, saved, sizeof(saved));
        }
    }
    assert_int_equal(assert_opens_as(rig, 20), 20);
}

static void a_missing_segment_is_refused(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 200, 1, 1000);
    wal_rig_close(rig);
    static const char *const names[] = {FIRST, SECOND, THIRD};
    struct disk_memory whole;
    disk_memory_copy(&whole, &rig->disk);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        disk_memory_deinit(&rig->disk);
        disk_memory_copy(&rig->disk, &whole);
        disk_memory_remove(&rig->disk, names[i]);
        assert_damaged(rig, names[i]);
        assert_non_null(strstr(rig->detail, "missing"));
    }
    disk_memory_deinit(&whole);
}

static void a_segment_under_the_name_of_another_is_refused(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 100, 1, 1000);
    wal_rig_close(rig);
    const uint8_t *first = disk_memory_find(&rig->disk, FIRST)->seen;
    disk_memory_write(&rig->disk, SECOND, 0, first, WAL_SEGMENT_BYTES_MIN);
    assert_damaged(rig, SECOND);
}

static void the_log_of_another_node_is_refused(void **state)
{
    struct wal_rig *rig = *state;
    make_small_log(rig, true);
    rig->options.node++;
    assert_int_equal(wal_rig_open(rig), QR_ERR_FOREIGN);
    assert_non_null(strstr(rig->detail, FIRST));
    rig->options.node--;
    open_log(rig);
}

static void a_newer_format_is_refused(void **state)
{
    struct wal_rig *rig = *state;
    make_small_log(rig, true);
    uint8_t header[DISK_SECTOR_BYTES];
    memcpy(header, disk_memory_find(&rig->disk, FIRST)->seen, sizeof(header));
    store_u32(header + 8, 3);
    store_u32(header + 12, crc32c(crc32c(0, header, 12), header + 16, sizeof(header) - 16));
    disk_memory_write(&rig->disk, FIRST, 0, header, sizeof(header));
    assert_int_equal(wal_rig_open(rig), QR_ERR_VERSION);
    assert_non_null(strstr(rig->detail, FIRST));
}

/* The header that a log of this node writes first. */
static void copy_header(uint8_t *out, node_id node)
{
    struct wal_rig *other = malloc(sizeof(*other));
    assert_non_null(other);
    wal_rig_init(other);
    other->options.node = node;
    open_log(other);
    wal_rig_append_now(other, 1, 1, 1, 20);
    memcpy(out, disk_memory_find(&other->disk, FIRST)->seen, DISK_SECTOR_BYTES);
    wal_rig_deinit(other);
    free(other);
}

/* Else the log would begin before it, and be refused once it has grown up to it. */
static void what_is_no_segment_of_an_empty_log_is_refused_at_once(void **state)
{
    struct wal_rig *rig = *state;
    uint8_t header[DISK_SECTOR_BYTES];
    open_log(rig);
    wal_rig_close(rig);
    copy_header(header, WAL_RIG_NODE);
    disk_memory_write(&rig->disk, SECOND, 0, header, sizeof(header));
    assert_damaged(rig, SECOND);
    copy_header(header, WAL_RIG_NODE + 1);
    disk_memory_write(&rig->disk, SECOND, 0, header, sizeof(header));
    assert_int_equal(wal_rig_open(rig), QR_ERR_FOREIGN);
    assert_non_null(strstr(rig->detail, SECOND));
}

static void the_size_of_segments_may_change_between_runs(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 70, 1, 1000);
    wal_rig_close(rig);
    rig->options.segment_bytes = 2 * WAL_SEGMENT_BYTES_MIN;
    rig->options.entry_bytes_max = 100000;
    open_log(rig);
    disk_memory_run(&rig->disk);
    assert_int_equal(disk_memory_find(&rig->disk, THIRD)->size_bytes, 2 * WAL_SEGMENT_BYTES_MIN);
    wal_rig_append_now(rig, 71, 3, 1, 90000);
    rig->options.segment_bytes = WAL_SEGMENT_BYTES_MIN;
    rig->options.entry_bytes_max = 1000;
    wal_rig_reopen(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 2), 2);
    wal_rig_check(rig, 2);
    wal_rig_append_now(rig, 74, 300, 2, 900);
    wal_rig_reopen(rig);
    wal_rig_check(rig, 3);
}

static void an_unfinished_preparation_is_made_again(void **state)
{
    struct wal_rig *rig = *state;
    make_small_log(rig, true);
    for (uint64_t size = 0; size < WAL_SEGMENT_BYTES_MIN; size += 13000) {
        disk_memory_resize(&rig->disk, THIRD, size);
        assert_int_equal(assert_opens_as(rig, 3), 3);
        disk_memory_run(&rig->disk);
        assert_int_equal(disk_memory_find(&rig->disk, THIRD)->size_bytes, WAL_SEGMENT_BYTES_MIN);
        wal_rig_close(rig);
    }
}

static void what_is_too_small_is_removed_from_the_end_without_a_gap(void **state)
{
    struct wal_rig *rig = *state;
    make_small_log(rig, true);
    disk_memory_resize(&rig->disk, SECOND, 8192);
    open_log(rig);
    assert_true(disk_memory_step(&rig->disk));
    assert_null(disk_memory_find(&rig->disk, THIRD));
    assert_non_null(disk_memory_find(&rig->disk, SECOND));
    disk_memory_run(&rig->disk);
    assert_int_equal(disk_memory_find(&rig->disk, SECOND)->size_bytes, WAL_SEGMENT_BYTES_MIN);
    assert_int_equal(disk_memory_find(&rig->disk, THIRD)->size_bytes, WAL_SEGMENT_BYTES_MIN);
    wal_rig_append_now(rig, 9, 100, 2, 1000);
    wal_rig_reopen(rig);
    wal_rig_check(rig, 4);
}

/* One field of the last batch's header, at 1024, given another value under a right checksum. */
struct forgery {
    const char *name;
    size_t offset;
    size_t size_bytes;
    uint64_t value;
};

static const struct forgery forgeries[] = {
    {"another segment", 8, 8, 2},
    {"another place", 16, 8, 512},
    {"a number too low", 24, 8, 1},
    {"a number too high", 24, 8, 3},
    {"an older generation", 32, 8, 0},
    {"another chain", 40, 4, 77},
    {"another digest", 44, 4, 77},
    {"a body too short", 48, 4, 80},
    {"a body too long", 48, 4, 70000},
    {"an endless body", 48, 4, UINT32_MAX},
    {"more records", 52, 4, 3},
    {"fewer records", 52, 4, 1},
    {"endless records", 52, 4, UINT32_MAX},
    {"a gap", 56, 8, 4},
    {"no index", 56, 8, 0},
    {"an earlier index", 56, 8, 2},
};

static void a_batch_that_does_not_belong_is_not_taken(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_reopen(rig);
    wal_rig_append_now(rig, 1, 2, 1, 20);
    wal_rig_reopen(rig);
    wal_rig_append_now(rig, 3, 2, 1, 20);
    wal_rig_close(rig);
    uint8_t genuine[128];
    memcpy(genuine, disk_memory_find(&rig->disk, FIRST)->seen + 1024, sizeof(genuine));
    for (size_t i = 0; i < COUNT_OF(forgeries); i++) {
        uint8_t header[128];
        memcpy(header, genuine, sizeof(header));
        if (forgeries[i].size_bytes == 8) {
            store_u64(header + forgeries[i].offset, forgeries[i].value);
        } else {
            store_u32(header + forgeries[i].offset, (uint32_t)forgeries[i].value);
        }
        store_u32(header + 4, crc32c(0, header + 8, sizeof(header) - 8));
        disk_memory_write(&rig->disk, FIRST, 1024, header, sizeof(header));
        assert_int_equal(assert_opens_as(rig, 0), 1);
        assert_true(rig->recovered.was_torn);
        wal_rig_close(rig);
    }
    disk_memory_write(&rig->disk, FIRST, 1024, genuine, sizeof(genuine));
    assert_int_equal(assert_opens_as(rig, 0), 2);
}

/* The generations of this start would be lower than all before, and its batches never found. */
static void a_generation_with_none_behind_it_is_refused(void **state)
{
    struct wal_rig *rig = *state;
    uint8_t header[128];
    make_small_log(rig, false);
    memcpy(header, disk_memory_find(&rig->disk, FIRST)->seen + 2048, sizeof(header));
    store_u64(header + 32, UINT64_MAX - 1);
    store_u32(header + 4, crc32c(0, header + 8, sizeof(header) - 8));
    disk_memory_write(&rig->disk, FIRST, 2048, header, sizeof(header));
    assert_int_equal(assert_opens_as(rig, 0), 3);
    wal_rig_close(rig);
    store_u64(header + 32, UINT64_MAX);
    store_u32(header + 4, crc32c(0, header + 8, sizeof(header) - 8));
    disk_memory_write(&rig->disk, FIRST, 2048, header, sizeof(header));
    assert_damaged(rig, FIRST);
}

static void a_torn_batch_behind_a_marked_segment_is_told(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 60, 1, 1000);
    mark(rig);
    wal_rig_append_now(rig, 61, 1, 1, 2000);
    wal_rig_append_now(rig, 62, 1, 1, 10);
    wal_rig_close(rig);
    disk_memory_flip(&rig->disk, SECOND, 512 + 2560 + 3, 1);
    assert_int_equal(assert_opens_as(rig, 0), 2);
    assert_true(rig->recovered.was_torn);
    assert_int_equal(rig->recovered.torn_bytes, DISK_SECTOR_BYTES);
}

static void other_files_of_the_directory_are_left_alone(void **state)
{
    struct wal_rig *rig = *state;
    static const char *const names[] = {"identity", "log-1", "log-0000000000000001.tmp",
                                        "log-000000000000000G"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(disk_replace(&rig->disk.disk, names[i], "x", 1), 0);
    }
    make_small_log(rig, true);
    assert_int_equal(assert_opens_as(rig, 3), 3);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(disk_memory_find(&rig->disk, names[i])->size_bytes, 1);
    }
}

static void a_failed_read_is_an_error_and_not_an_empty_log(void **state)
{
    struct wal_rig *rig = *state;
    make_small_log(rig, true);
    int status = QR_ERR_IO;
    uint64_t tried = 0;
    while (status != 0) {
        rig->disk.fail_at = rig->disk.call_count + ++tried;
        status = wal_rig_open(rig);
        assert_true(status == 0 || status == QR_ERR_IO);
        assert_true(tried < 50);
    }
    rig->disk.fail_at = 0;
    assert_true(tried > 3);
    assert_int_equal(wal_rig_recovered_as(rig, 3), 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, wal_rig_set_up, wal_rig_tear_down)

int main(void)
{
    static const struct CMUnitTest cases[] = {
        CASE(damage_is_told_with_its_place),
        CASE(a_mark_tells_damage_to_the_last_batch_from_a_torn_tail),
        CASE(a_mark_is_written_once_without_a_sync_and_takes_no_room),
        CASE(a_lost_mark_costs_nothing),
        CASE(a_file_cut_short_anywhere_is_refused),
        CASE(damage_in_the_middle_is_refused_wherever_it_is),
        CASE(a_missing_segment_is_refused),
        CASE(a_segment_under_the_name_of_another_is_refused),
        CASE(the_log_of_another_node_is_refused),
        CASE(a_newer_format_is_refused),
        CASE(what_is_no_segment_of_an_empty_log_is_refused_at_once),
        CASE(the_size_of_segments_may_change_between_runs),
        CASE(an_unfinished_preparation_is_made_again),
        CASE(what_is_too_small_is_removed_from_the_end_without_a_gap),
        CASE(a_batch_that_does_not_belong_is_not_taken),
        CASE(a_generation_with_none_behind_it_is_refused),
        CASE(a_torn_batch_behind_a_marked_segment_is_told),
        CASE(other_files_of_the_directory_are_left_alone),
        CASE(a_failed_read_is_an_error_and_not_an_empty_log),
    };
    return cmocka_run_group_tests_name("wal_recovery", cases, NULL, NULL);
}
