/* test_wal_prefix.c: the log forgets its beginning, or all of it, and never leaves a hole. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "base/bytes.h"
#include "quorate/error.h"
#include "support/wal_rig.h"

#define FIRST "log-0000000000000001"
#define SECOND "log-0000000000000002"
#define THIRD "log-0000000000000003"
#define FOURTH "log-0000000000000004"

static void open_log(struct wal_rig *rig)
{
    assert_int_equal(wal_rig_open(rig), 0);
    disk_memory_run(&rig->disk);
}

static bool is_there(struct wal_rig *rig, const char *name)
{
    return disk_memory_find(&rig->disk, name) != NULL;
}

/* Entries of 1000 bytes, about sixty to a segment. */
static void append(struct wal_rig *rig, size_t count, raft_term term)
{
    wal_rig_append_now(rig, rig->last_index + 1, count, term, 1000);
}

static void truncate_now(struct wal_rig *rig, raft_index index)
{
    wal_rig_truncate(rig, index);
    disk_memory_run(&rig->disk);
    wal_invariants(rig->wal);
}

static void segments_that_hold_nothing_needed_are_removed(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 100, 1);
    append(rig, 100, 2);
    truncate_now(rig, 150);
    assert_false(is_there(rig, FIRST));
    assert_false(is_there(rig, SECOND));
    assert_true(is_there(rig, THIRD));
    assert_int_equal(wal_rig_read(rig, 150, 1), QR_ERR_NOT_FOUND);
    assert_int_equal(wal_rig_read(rig, 151, 1), 0);
    wal_rig_check(rig, 2);
}

static void a_log_that_begins_later_is_recovered_with_its_base(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 100, 1);
    append(rig, 100, 2);
    truncate_now(rig, 150);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.base.index, 150);
    assert_int_equal(rig->recovered.base.term, 2);
    assert_int_equal(rig->recovered.first_index, 151);
    assert_int_equal(rig->recovered.last_index, 200);
    assert_int_equal(wal_rig_recovered_as(rig, 2), 2);
    wal_rig_check(rig, 2);
    append(rig, 100, 3);
    truncate_now(rig, 299);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.base.index, 299);
    assert_int_equal(wal_rig_recovered_as(rig, 3), 3);
    wal_rig_check(rig, 3);
}

static void a_log_may_be_truncated_to_nothing_and_go_on(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 100, 7);
    truncate_now(rig, 100);
    assert_false(is_there(rig, FIRST));
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.base.index, 100);
    assert_int_equal(rig->recovered.base.term, 7);
    assert_int_equal(rig->recovered.last_index, 100);
    assert_int_equal(rig->recovered.term_count, 0);
    assert_int_equal(rig->recovered.configuration_count, 0);
    assert_int_equal(rig->recovered.hard_state.term, 7);
    append(rig, 3, 8);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.last_index, 103);
    assert_int_equal(wal_rig_recovered_as(rig, 2), 2);
    wal_rig_check(rig, 2);
}

static void a_base_at_or_below_the_present_one_changes_nothing(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 30, 1);
    truncate_now(rig, 20);
    uint64_t writes = rig->disk.write_count;
    truncate_now(rig, 20);
    truncate_now(rig, 5);
    assert_int_equal(rig->disk.write_count, writes);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.base.index, 20);
}

/* Until a base is durable a crash must find all that it would explain away. */
static void no_segment_goes_before_the_base_is_durable(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 200, 1);
    wal_rig_truncate(rig, 150);
    assert_false(disk_memory_step_kind(&rig->disk, DISK_REMOVE));
    assert_true(disk_memory_step_kind(&rig->disk, DISK_WRITE));
    assert_true(disk_memory_step_kind(&rig->disk, DISK_REMOVE));
    assert_false(is_there(rig, FIRST));
    assert_true(is_there(rig, SECOND));
    assert_true(disk_memory_step_kind(&rig->disk, DISK_REMOVE));
    assert_false(is_there(rig, SECOND));
    assert_false(disk_memory_step_kind(&rig->disk, DISK_REMOVE));
    wal_rig_crash(rig, NULL, NULL);
    open_log(rig);
    assert_int_equal(rig->recovered.base.index, 150);
    assert_int_equal(wal_rig_recovered_as(rig, 1), 1);
}

static void a_base_that_was_not_durable_is_no_base(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 200, 1);
    wal_rig_truncate(rig, 150);
    (void)disk_memory_step_kind(&rig->disk, DISK_REMOVE);
    wal_rig_crash(rig, NULL, NULL);
    open_log(rig);
    assert_int_equal(rig->recovered.base.index, 0);
    assert_int_equal(wal_rig_recovered_as(rig, 1), 1);
    wal_rig_check(rig, 1);
}

/* Removals that a crash cut short are made up for. */
static void what_a_crash_left_of_old_segments_is_removed_later(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 200, 1);
    wal_rig_truncate(rig, 150);
    assert_true(disk_memory_step_kind(&rig->disk, DISK_WRITE));
    wal_rig_crash(rig, NULL, NULL);
    assert_true(is_there(rig, FIRST));
    assert_int_equal(wal_rig_open(rig), 0);
    assert_int_equal(rig->recovered.base.index, 150);
    disk_memory_run(&rig->disk);
    assert_false(is_there(rig, FIRST));
    assert_false(is_there(rig, SECOND));
    wal_rig_check(rig, 1);
}

/* Damage takes the first files of a log: told from a truncation by the base that is not there. */
static void first_segments_that_are_lost_are_refused(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 200, 1);
    truncate_now(rig, 90);
    assert_false(is_there(rig, FIRST));
    wal_rig_close(rig);
    struct disk_memory before;
    disk_memory_remove(&rig->disk, SECOND);
    disk_memory_copy(&before, &rig->disk);
    assert_int_equal(wal_rig_open(rig), QR_ERR_CORRUPT);
    assert_non_null(strstr(rig->detail, SECOND));
    assert_non_null(strstr(rig->detail, "missing"));
    assert_true(disk_memory_equal(&before, &rig->disk));
    disk_memory_deinit(&before);
}

static void a_hole_in_a_log_that_begins_later_is_refused(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 250, 1);
    truncate_now(rig, 90);
    wal_rig_close(rig);
    disk_memory_remove(&rig->disk, THIRD);
    assert_int_equal(wal_rig_open(rig), QR_ERR_CORRUPT);
    assert_non_null(strstr(rig->detail, THIRD));
}

/* All that is left are segments that were prepared, or whose beginning is gone. */
static void a_log_whose_first_segment_is_not_whole_is_refused(void **state)
{
    static const uint8_t zeros[2 * DISK_SECTOR_BYTES];
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 130, 1);
    truncate_now(rig, 130);
    wal_rig_close(rig);
    assert_false(is_there(rig, SECOND));
    struct disk_memory whole;
    disk_memory_copy(&whole, &rig->disk);
    for (uint64_t bytes = DISK_SECTOR_BYTES; bytes <= sizeof(zeros); bytes += DISK_SECTOR_BYTES) {
        disk_memory_write(&rig->disk, THIRD, sizeof(zeros) - bytes, zeros, bytes);
        assert_int_equal(wal_rig_open(rig), QR_ERR_CORRUPT);
        disk_memory_deinit(&rig->disk);
        disk_memory_copy(&rig->disk, &whole);
    }
    disk_memory_remove(&rig->disk, THIRD);
    assert_int_equal(wal_rig_open(rig), QR_ERR_CORRUPT);
    disk_memory_deinit(&whole);
}

/* The segment that stays begins behind entries that it replaces later. */
static void a_segment_that_replaces_what_went_before_it_may_be_the_first(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 70, 1);
    wal_rig_append_now(rig, 41, 40, 2, 1000);
    wal_rig_append_now(rig, 43, 60, 3, 1000);
    truncate_now(rig, 42);
    assert_false(is_there(rig, FIRST));
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.base.index, 42);
    assert_int_equal(wal_rig_recovered_as(rig, 3), 3);
    wal_rig_check(rig, 3);
    wal_rig_truncate(rig, 60);
    wal_rig_append_now(rig, 61, 2, 4, 10);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.base.index, 60);
    assert_int_equal(wal_rig_recovered_as(rig, 4), 4);
}

static void reads_under_way_of_what_is_truncated_find_nothing(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 200, 1);
    assert_int_equal(wal_read(rig->wal, 10, 100, 10), 0);
    assert_int_equal(wal_read(rig->wal, 160, 100, 160), 0);
    wal_rig_truncate(rig, 150);
    while (disk_memory_step_kind(&rig->disk, DISK_WRITE) ||
           disk_memory_step_kind(&rig->disk, DISK_REMOVE)) {
    }
    assert_false(is_there(rig, FIRST));
    assert_true(disk_memory_step(&rig->disk));
    assert_int_equal(rig->read_token, 10);
    assert_int_equal(rig->read_status, QR_ERR_NOT_FOUND);
    assert_true(disk_memory_step(&rig->disk));
    assert_int_equal(rig->read_token, 160);
    assert_int_equal(rig->read_status, 0);
}

static void a_full_disk_is_made_room_on(void **state)
{
    struct wal_rig *rig = *state;
    rig->disk.room_bytes = 4 * WAL_SEGMENT_BYTES_MIN;
    open_log(rig);
    while (wal_rig_append(rig, rig->last_index + 1, 10, 1, 1000) == 0) {
        disk_memory_run(&rig->disk);
    }
    assert_int_equal(wal_rig_append(rig, rig->last_index + 1, 10, 1, 1000), QR_ERR_DISK_FULL);
    truncate_now(rig, rig->last_index - 1);
    assert_int_equal(wal_rig_append(rig, rig->last_index + 1, 10, 1, 1000), 0);
    size_t appends = rig->append_count;
    wal_rig_reopen(rig);
    assert_int_equal(wal_rig_recovered_as(rig, appends), appends);
    wal_rig_check(rig, appends);
}

/* Truncate without memory for a batch; what was spare is in use. */
static void truncate_without_memory(struct wal_rig *rig, raft_index index)
{
    assert_int_equal(wal_rig_append(rig, rig->last_index + 1, 1, 1, 10), 0);
    size_t pending = rig->disk.pending_count;
    rig->heap.fail_at = rig->heap.allocate_count + 1;
    wal_rig_truncate(rig, index);
    assert_true(rig->heap.allocate_count >= rig->heap.fail_at);
    rig->heap.fail_at = 0;
    assert_int_equal(rig->disk.pending_count, pending);
    disk_memory_run(&rig->disk);
}

static void a_base_that_could_not_be_noted_comes_with_the_next_batch(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 20, 1);
    truncate_without_memory(rig, 10);
    append(rig, 1, 1);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.base.index, 10);
    append(rig, 1, 1);
    truncate_without_memory(rig, 12);
    wal_prepare(rig->wal);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.base.index, 12);
}

static void a_reset_leaves_an_empty_log_that_stands_at_its_base(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 100, 1);
    assert_int_equal(wal_rig_reset(rig, (struct wal_base){5, 500}, 0, 6, 0), 0);
    assert_int_equal(wal_rig_read(rig, 50, 1), QR_ERR_NOT_FOUND);
    assert_int_equal(wal_rig_read(rig, 500, 1), QR_ERR_NOT_FOUND);
    disk_memory_run(&rig->disk);
    assert_int_equal(rig->ticket_synced, 2);
    assert_false(is_there(rig, FIRST));
    assert_false(is_there(rig, SECOND));
    assert_true(is_there(rig, THIRD));
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.base.index, 500);
    assert_int_equal(rig->recovered.base.term, 5);
    assert_int_equal(rig->recovered.last_index, 500);
    assert_int_equal(rig->recovered.commit_index, 500);
    assert_int_equal(rig->recovered.term_count, 0);
    assert_int_equal(wal_rig_recovered_as(rig, 2), 2);
    append(rig, 100, 7);
    wal_rig_reopen(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 3), 3);
    wal_rig_check(rig, 3);
}

/* The log is longer than the snapshot, and in conflict with it: the suffix goes too. */
static void a_reset_below_the_last_index_drops_what_is_behind(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 100, 1);
    assert_int_equal(wal_rig_reset(rig, (struct wal_base){2, 60}, 3, 2, 100), 0);
    disk_memory_run(&rig->disk);
    wal_rig_check(rig, 2);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.base.index, 60);
    assert_int_equal(rig->recovered.last_index, 63);
    assert_int_equal(wal_rig_recovered_as(rig, 2), 2);
    wal_rig_check(rig, 2);
}

/* The base does not move, and still everything before is void. */
static void a_reset_to_the_present_base_drops_the_rest(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 100, 1);
    truncate_now(rig, 20);
    assert_true(is_there(rig, FIRST));
    assert_int_equal(wal_rig_reset(rig, (struct wal_base){1, 20}, 1, 2, 100), 0);
    disk_memory_run(&rig->disk);
    assert_false(is_there(rig, FIRST));
    assert_false(is_there(rig, SECOND));
    wal_rig_check(rig, 2);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.last_index, 21);
    assert_int_equal(wal_rig_recovered_as(rig, 2), 2);
}

static void the_first_batch_of_all_may_be_a_reset(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    assert_int_equal(wal_rig_reset(rig, (struct wal_base){3, 1000}, 2, 4, 10), 0);
    disk_memory_run(&rig->disk);
    wal_rig_reopen(rig);
    assert_true(is_there(rig, FIRST));
    assert_int_equal(rig->recovered.base.index, 1000);
    assert_int_equal(wal_rig_recovered_as(rig, 1), 1);
    wal_rig_check(rig, 1);
}

static void a_reset_that_is_not_durable_leaves_the_log_as_it_was(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 100, 1);
    assert_int_equal(wal_rig_reset(rig, (struct wal_base){5, 500}, 3, 6, 10), 0);
    assert_false(disk_memory_step_kind(&rig->disk, DISK_REMOVE));
    wal_rig_crash(rig, NULL, NULL);
    open_log(rig);
    assert_int_equal(rig->recovered.base.index, 0);
    assert_int_equal(wal_rig_recovered_as(rig, 1), 1);
    wal_rig_check(rig, 1);
}

static void appends_may_be_in_flight_on_both_sides_of_a_reset(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 10, 1);
    assert_int_equal(wal_rig_append(rig, 11, 5, 2, 100), 0);
    assert_int_equal(wal_rig_reset(rig, (struct wal_base){5, 500}, 3, 6, 10), 0);
    assert_int_equal(wal_rig_append(rig, 504, 5, 6, 100), 0);
    assert_int_equal(wal_rig_append(rig, 502, 1, 7, 100), 0);
    assert_int_equal(wal_rig_reset(rig, (struct wal_base){8, 600}, 0, 8, 10), 0);
    assert_int_equal(wal_rig_append(rig, 601, 2, 8, 100), 0);
    while (disk_memory_step(&rig->disk)) {
        wal_invariants(rig->wal);
    }
    wal_rig_check(rig, 7);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.base.index, 600);
    assert_int_equal(wal_rig_recovered_as(rig, 7), 7);
    wal_rig_check(rig, 7);
}

/* A release that knows neither must not read on past them: it reads version 1 alone. */
static void only_a_segment_that_empties_the_log_is_of_another_version(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    append(rig, 100, 1);
    truncate_now(rig, 30);
    assert_int_equal(load_u32(disk_memory_find(&rig->disk, FIRST)->seen + 8), 1);
    assert_int_equal(load_u32(disk_memory_find(&rig->disk, SECOND)->seen + 8), 1);
    assert_int_equal(wal_rig_reset(rig, (struct wal_base){5, 500}, 100, 6, 1000), 0);
    disk_memory_run(&rig->disk);
    assert_int_equal(load_u32(disk_memory_find(&rig->disk, THIRD)->seen + 8), 2);
    assert_int_equal(load_u32(disk_memory_find(&rig->disk, FOURTH)->seen + 8), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, wal_rig_set_up, wal_rig_tear_down)

int main(void)
{
    static const struct CMUnitTest cases[] = {
        CASE(segments_that_hold_nothing_needed_are_removed),
        CASE(a_log_that_begins_later_is_recovered_with_its_base),
        CASE(a_log_may_be_truncated_to_nothing_and_go_on),
        CASE(a_base_at_or_below_the_present_one_changes_nothing),
        CASE(no_segment_goes_before_the_base_is_durable),
        CASE(a_base_that_was_not_durable_is_no_base),
        CASE(what_a_crash_left_of_old_segments_is_removed_later),
        CASE(first_segments_that_are_lost_are_refused),
        CASE(a_hole_in_a_log_that_begins_later_is_refused),
        CASE(a_log_whose_first_segment_is_not_whole_is_refused),
        CASE(a_segment_that_replaces_what_went_before_it_may_be_the_first),
        CASE(reads_under_way_of_what_is_truncated_find_nothing),
        CASE(a_full_disk_is_made_room_on),
        CASE(a_base_that_could_not_be_noted_comes_with_the_next_batch),
        CASE(a_reset_leaves_an_empty_log_that_stands_at_its_base),
        CASE(a_reset_below_the_last_index_drops_what_is_behind),
        CASE(a_reset_to_the_present_base_drops_the_rest),
        CASE(the_first_batch_of_all_may_be_a_reset),
        CASE(a_reset_that_is_not_durable_leaves_the_log_as_it_was),
        CASE(appends_may_be_in_flight_on_both_sides_of_a_reset),
        CASE(only_a_segment_that_empties_the_log_is_of_another_version),
    };
    return cmocka_run_group_tests_name("wal_prefix", cases, NULL, NULL);
}
