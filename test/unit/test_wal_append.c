/* test_wal_append.c: what is appended comes back; what is not durable is never acknowledged. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "quorate/error.h"
#include "support/wal_rig.h"

static void open_log(struct wal_rig *rig)
{
    assert_int_equal(wal_rig_open(rig), 0);
}

static void a_new_log_is_empty(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    assert_int_equal(rig->recovered.last_index, 0);
    assert_int_equal(rig->recovered.first_index, 1);
    assert_int_equal(rig->recovered.hard_state.term, 0);
    assert_false(rig->recovered.hard_state.has_voted);
    assert_false(rig->recovered.was_torn);
    assert_int_equal(wal_read(rig->wal, 1, 1, 1), QR_ERR_NOT_FOUND);
}

static void what_was_appended_is_there_after_a_restart(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 3, 1, 100);
    wal_rig_append_now(rig, 4, 1, 2, 0);
    wal_rig_append_now(rig, 5, 20, 2, 700);
    wal_rig_check(rig, 3);
    wal_rig_reopen(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 3), 3);
    assert_int_equal(rig->recovered.commit_index, 4);
    assert_false(rig->recovered.was_torn);
    wal_rig_check(rig, 3);
}

static void a_vote_alone_is_durable_even_for_node_zero(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    struct wal_batch batch = {.hard_state = {7, 0, true}, .ticket = 1};
    assert_int_equal(wal_append(rig->wal, &batch), 0);
    assert_int_equal(rig->ticket_synced, 0);
    disk_memory_run(&rig->disk);
    assert_int_equal(rig->ticket_synced, 1);
    wal_rig_crash(rig, NULL, NULL);
    open_log(rig);
    assert_int_equal(rig->recovered.hard_state.term, 7);
    assert_int_equal(rig->recovered.hard_state.voted_for, 0);
    assert_true(rig->recovered.hard_state.has_voted);
    assert_int_equal(rig->recovered.last_index, 0);
}

static void the_commit_index_never_lies_behind_the_last_entry(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 2, 1, 10);
    struct wal_batch batch = {.hard_state = {1, 0, false}, .commit_index = 9, .ticket = 50};
    assert_int_equal(wal_append(rig->wal, &batch), 0);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.last_index, 2);
    assert_int_equal(rig->recovered.commit_index, 2);
}

static void a_ticket_is_told_only_after_its_sync_and_all_before_it(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    disk_memory_run(&rig->disk);
    for (raft_index i = 1; i <= 5; i++) {
        assert_int_equal(wal_rig_append(rig, i, 1, 1, 10), 0);
    }
    for (uint64_t synced = 0; synced < 5; synced++) {
        assert_int_equal(rig->ticket_synced, synced);
        assert_false(wal_is_idle(rig->wal));
        assert_true(disk_memory_step(&rig->disk));
    }
    assert_int_equal(rig->ticket_synced, 5);
    assert_true(wal_is_idle(rig->wal));
    assert_int_equal(rig->disk.sync_count, 5);
}

static void a_batch_that_begins_inside_the_log_replaces_the_rest(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 10, 1, 50);
    wal_rig_append_now(rig, 4, 2, 2, 60);
    assert_int_equal(wal_read(rig->wal, 6, 1, 1), QR_ERR_NOT_FOUND);
    wal_rig_check(rig, 2);
    wal_rig_append_now(rig, 6, 3, 3, 70);
    wal_rig_append_now(rig, 2, 1, 4, 80);
    wal_rig_append_now(rig, 3, 9, 4, 80);
    wal_rig_check(rig, 5);
    wal_rig_reopen(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 5), 5);
    wal_rig_check(rig, 5);
}

static void replacing_works_across_segments(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    raft_index last = 0;
    for (raft_term term = 1; term <= 12; term++) {
        raft_index first = last - last / 4 + 1;
        wal_rig_append_now(rig, first, 30, term, 1500);
        last = first + 29;
    }
    struct wal_stats stats;
    wal_stats(rig->wal, &stats);
    assert_true(stats.segment_count > 8);
    wal_rig_check(rig, rig->append_count);
    wal_rig_reopen(rig);
    assert_int_equal(wal_rig_recovered_as(rig, rig->append_count), rig->append_count);
    wal_rig_check(rig, rig->append_count);
}

static void configurations_that_were_replaced_do_not_count(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 22, 1, 10);  /* configurations at 5, 10, 15, 20 */
    wal_rig_append_now(rig, 12, 2, 2, 10);  /* 15 and 20 are gone, 11 is committed */
    wal_rig_append_now(rig, 14, 12, 2, 10); /* 15, 20, 25; 13 is committed */
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.commit_index, 13);
    assert_int_equal(rig->recovered.configuration_count, 4);
    static const raft_index expected[] = {10, 15, 20, 25};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const struct entry *entry = &rig->recovered.configurations[i];
        assert_int_equal(entry->index, expected[i]);
        assert_int_equal(entry->term, i == 0 ? 1 : 2);
        assert_int_equal(entry_fields_of(entry).payload_bytes, 10);
    }
}

static void an_append_larger_than_a_segment_is_split(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    assert_int_equal(wal_rig_append(rig, 1, 300, 1, 1000), 0);
    assert_int_equal(wal_rig_append(rig, 301, 1, 1, 39000), 0);
    disk_memory_run(&rig->disk);
    assert_int_equal(rig->ticket_synced, 2);
    assert_true(rig->disk.sync_count > 4);
    wal_rig_check(rig, 2);
    wal_rig_reopen(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 2), 2);
    wal_rig_check(rig, 2);
}

static void one_write_has_no_more_parts_than_the_disk_takes(void **state)
{
    struct wal_rig *rig = *state;
    struct entry entries[600];
    open_log(rig);
    struct entry_fields fields = {.term = 1, .type = ENTRY_NOOP};
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        fields.index = i + 1;
        entry_arena_deinit(&rig->arena); /* a chunk for each: nothing can be joined */
        assert_int_equal(entry_arena_encode(&rig->arena, &fields, &entries[i]), 0);
    }
    struct wal_batch batch = {
        .hard_state = {1, 0, false}, .entries = entries, .count = COUNT_OF(entries), .ticket = 1};
    assert_int_equal(wal_append(rig->wal, &batch), 0);
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        chunk_drop(entries[i].chunk);
    }
    disk_memory_run(&rig->disk);
    assert_int_equal(rig->ticket_synced, 1);
    assert_int_equal(rig->disk.sync_count, 3);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.last_index, COUNT_OF(entries));
}

static void an_append_waits_for_its_segment_and_keeps_its_turn(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    assert_int_equal(wal_rig_append(rig, 1, 30, 1, 1900), 0);
    assert_int_equal(wal_rig_append(rig, 31, 10, 1, 1000), 0); /* needs the second segment */
    assert_int_equal(wal_rig_append(rig, 41, 0, 2, 0), 0);
    while (disk_memory_step_kind(&rig->disk, DISK_WRITE)) {
        wal_invariants(rig->wal);
    }
    assert_int_equal(rig->ticket_synced, 1);
    assert_true(disk_memory_step_kind(&rig->disk, DISK_PREPARE));
    while (disk_memory_step_kind(&rig->disk, DISK_WRITE)) {
        wal_invariants(rig->wal);
    }
    assert_int_equal(rig->ticket_synced, 3);
    wal_rig_check(rig, 3);
}

static void a_full_disk_refuses_without_harm_and_goes_on_when_there_is_room(void **state)
{
    struct wal_rig *rig = *state;
    rig->disk.room_bytes = 2 * WAL_SEGMENT_BYTES_MIN;
    open_log(rig);
    raft_index next = 1;
    int status = 0;
    do {
        status = wal_rig_append(rig, next, 10, 1, 1000);
        disk_memory_run(&rig->disk);
        next += status == 0 ? 10 : 0;
    } while (status == 0);
    assert_int_equal(status, QR_ERR_DISK_FULL);
    assert_int_equal(next, 111);
    assert_false(wal_is_poisoned(rig->wal));
    assert_int_equal(rig->ticket_synced, rig->append_count);
    assert_int_equal(wal_rig_append(rig, next, 0, 2, 0), 0); /* a vote still fits */
    disk_memory_run(&rig->disk);

    wal_prepare(rig->wal);
    disk_memory_run(&rig->disk);
    assert_int_equal(wal_rig_append(rig, next, 10, 2, 1000), QR_ERR_DISK_FULL);
    wal_rig_check(rig, rig->append_count);
    rig->disk.room_bytes = UINT64_MAX;
    wal_prepare(rig->wal);
    disk_memory_run(&rig->disk);
    wal_rig_append_now(rig, next, 10, 2, 1000);
    wal_rig_append_now(rig, next + 10, 400, 2, 1000);
    wal_rig_reopen(rig);
    assert_int_equal(wal_rig_recovered_as(rig, rig->append_count), rig->append_count);
    wal_rig_check(rig, rig->append_count);
}

static void a_restart_on_a_full_disk_keeps_what_was_there(void **state)
{
    struct wal_rig *rig = *state;
    rig->disk.room_bytes = WAL_SEGMENT_BYTES_MIN;
    open_log(rig);
    wal_rig_append_now(rig, 1, 20, 1, 1000);
    wal_rig_reopen(rig);
    disk_memory_run(&rig->disk);
    wal_rig_append_now(rig, 21, 5, 1, 1000);
    wal_rig_reopen(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 2), 2);
}

struct room_case {
    const char *name;
    uint64_t segments;
    uint32_t payload_bytes;
    bool is_scattered;
};

static const struct room_case room_cases[] = {
    {"one segment, small", 1, 0, false},
    {"one segment, small, in many places", 1, 0, true},
    {"two segments, small, in many places", 2, 0, true},
    {"two segments, middle", 2, 5000, false},
    {"two segments, large: half of each is lost", 2, 33000, false},
    {"three segments, large", 3, 23000, false},
    {"three segments, middle, in many places", 3, 900, true},
};

static void what_the_room_promises_can_be_appended(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT_OF(room_cases); c++) {
        void *own = NULL;
        (void)wal_rig_set_up(&own);
        struct wal_rig *rig = own;
        uint64_t record_bytes = entry_record_bytes(3, room_cases[c].payload_bytes);
        rig->options.entry_bytes_max = record_bytes;
        rig->is_scattered = room_cases[c].is_scattered;
        rig->disk.room_bytes = WAL_SEGMENT_BYTES_MIN * room_cases[c].segments;
        open_log(rig);
        disk_memory_run(&rig->disk);
        if (room_cases[c].segments == 3) {
            /* Into the second segment, so that a fourth is asked for and refused. */
            uint64_t first = WAL_SEGMENT_BYTES_MIN / record_bytes + 1;
            wal_rig_append_now(rig, 1, first, 1, room_cases[c].payload_bytes);
        }
        uint64_t room = wal_room_bytes(rig->wal);
        assert_in_range(room, 20000, WAL_SEGMENT_BYTES_MIN * room_cases[c].segments);
        wal_rig_append_now(rig, rig->last_index + 1, room / record_bytes, 1,
                           room_cases[c].payload_bytes);
        for (size_t vote = 0; vote < 31; vote++) {
            wal_rig_append_now(rig, rig->last_index + 1, 0, 2 + vote, 0);
        }
        wal_rig_reopen(rig);
        wal_rig_check(rig, rig->append_count);
        (void)wal_rig_tear_down(&own);
    }
}

static void a_full_disk_refuses_the_first_segment(void **state)
{
    struct wal_rig *rig = *state;
    rig->disk.room_bytes = 100;
    assert_int_equal(wal_rig_open(rig), QR_ERR_DISK_FULL);
    assert_non_null(strstr(rig->detail, "log-0000000000000001"));
    rig->disk.room_bytes = UINT64_MAX;
    open_log(rig);
}

static void failed_allocations_change_nothing(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 5, 1, 100);
    size_t refused = 0;
    int status = QR_ERR_NO_MEMORY;
    for (uint64_t at = 1; status != 0; at++) {
        rig->heap.fail_at = at;
        status = wal_rig_append(rig, 6, 200, 1, 2000);
        refused += status == QR_ERR_NO_MEMORY;
        assert_int_equal(rig->append_count, status == 0 ? 2 : 1);
        assert_true(at < 100);
    }
    assert_true(refused >= 3);
    disk_memory_run(&rig->disk);
    wal_rig_check(rig, 2);
    wal_rig_reopen(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 2), 2);
}

static void opening_survives_every_failed_allocation(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 200, 1, 1000);
    wal_rig_close(rig);
    int status = QR_ERR_NO_MEMORY;
    uint64_t tried = 0;
    while (status != 0) {
        tried++;
        rig->heap.fail_at = rig->heap.allocate_count + tried;
        status = wal_rig_open(rig);
        rig->heap.fail_at = 0;
        assert_true(status == 0 || status == QR_ERR_NO_MEMORY);
    }
    assert_true(tried > 6);
    assert_int_equal(wal_rig_recovered_as(rig, 1), 1);
}

static void the_numbers_tell_what_was_done(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 3, 1, 100);
    wal_rig_append_now(rig, 4, 0, 2, 0);
    struct wal_stats stats;
    wal_stats(rig->wal, &stats);
    assert_int_equal(stats.append_count, 2);
    assert_int_equal(stats.entry_count, 3);
    assert_int_equal(stats.sync_count, 2);
    assert_int_equal(stats.segment_count, 3);
    assert_int_equal(stats.size_bytes, 3 * WAL_SEGMENT_BYTES_MIN);
    assert_int_equal(stats.written_bytes, 512 + 1024 + 512);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, wal_rig_set_up, wal_rig_tear_down)

int main(void)
{
    static const struct CMUnitTest cases[] = {
        CASE(a_new_log_is_empty),
        CASE(what_was_appended_is_there_after_a_restart),
        CASE(a_vote_alone_is_durable_even_for_node_zero),
        CASE(the_commit_index_never_lies_behind_the_last_entry),
        CASE(a_ticket_is_told_only_after_its_sync_and_all_before_it),
        CASE(a_batch_that_begins_inside_the_log_replaces_the_rest),
        CASE(replacing_works_across_segments),
        CASE(configurations_that_were_replaced_do_not_count),
        CASE(an_append_larger_than_a_segment_is_split),
        CASE(one_write_has_no_more_parts_than_the_disk_takes),
        CASE(an_append_waits_for_its_segment_and_keeps_its_turn),
        CASE(a_full_disk_refuses_without_harm_and_goes_on_when_there_is_room),
        CASE(a_restart_on_a_full_disk_keeps_what_was_there),
        CASE(what_the_room_promises_can_be_appended),
        CASE(a_full_disk_refuses_the_first_segment),
        CASE(failed_allocations_change_nothing),
        CASE(opening_survives_every_failed_allocation),
        CASE(the_numbers_tell_what_was_done),
    };
    return cmocka_run_group_tests_name("wal_append", cases, NULL, NULL);
}
