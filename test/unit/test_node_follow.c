/* test_node_follow.c: a follower's node and what leaders send it: repeated, too large, too much. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

static raft_index acknowledged(const struct solo *solo)
{
    const struct solo_sent *sent = solo_last(solo, RAFT_APPEND_ENTRIES_RESPONSE);
    return sent == NULL ? 0 : sent->message.raft.append_entries_response.match;
}

static struct solo_append append_of(raft_index prev, size_t count)
{
    return (struct solo_append){.from = 2,
                                .term = 1,
                                .prev = {1, prev},
                                .commit = prev,
                                .entry_term = 1,
                                .first_number = prev,
                                .count = count};
}

static void what_a_leader_sends_is_made_durable_and_acknowledged(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_append(&solo, append_of(1, 10));
    solo_turn(&solo);
    assert_int_equal(acknowledged(&solo), 0);
    solo_work(&solo);
    assert_int_equal(acknowledged(&solo), 11);
    solo_deinit(&solo);
}

/* A slow network sends things twice: what the log has already takes no room in it. */
static void entries_that_came_before_take_no_room(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_append(&solo, append_of(1, 2000));
    solo_work(&solo);
    for (int i = 0; i < 20; i++) {
        solo_append(&solo, append_of(1, 2000));
        solo_work(&solo);
    }
    solo_append(&solo, append_of(2001, 2000));
    solo_work(&solo);
    assert_int_equal(acknowledged(&solo), 4001);
    solo_deinit(&solo);
}

/* The same, with entries that do not fit behind the log. */
static void entries_that_are_rejected_take_no_room(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    for (int i = 0; i < 20; i++) {
        solo_append(&solo, append_of(50, 2000));
        solo_work(&solo);
    }
    solo_append(&solo, append_of(1, 2000));
    solo_work(&solo);
    assert_int_equal(acknowledged(&solo), 2001);
    solo_deinit(&solo);
}

/* Entries that wait for the disk do take room: then more are as good as lost. */
static void what_the_disk_has_no_room_for_is_not_taken(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    uint64_t used = 0;
    for (size_t i = 0; i < solo.disk.file_count; i++) {
        used += solo.disk.files[i].size_bytes;
    }
    solo.disk.room_bytes = used;
    raft_index last = 1;
    bool is_taken = true;
    while (is_taken) {
        solo_append(&solo, append_of(last, 500));
        solo_work(&solo);
        is_taken = acknowledged(&solo) == last + 500;
        last += is_taken ? 500 : 0;
        assert_true(last < 20000);
    }
    assert_int_equal(solo.failed_count, 0);
    assert_true(solo_status(&solo).is_disk_full);

    solo_forget(&solo); /* it goes on to follow */
    solo_append(&solo, append_of(last, 0));
    solo_work(&solo);
    assert_int_equal(acknowledged(&solo), last);

    solo.disk.room_bytes = UINT64_MAX; /* and takes them when there is room again */
    for (int i = 0; i < 22; i++) {
        solo_append(&solo, append_of(last, 0));
        solo_run(&solo, 50);
    }
    solo_append(&solo, append_of(last, 500));
    solo_work(&solo);
    assert_int_equal(acknowledged(&solo), last + 500);
    solo_deinit(&solo);
}

/* A leader with a larger limit cannot bring this node down. */
static void an_entry_larger_than_the_log_holds_is_refused(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    struct solo_append append = append_of(1, 1);
    append.extra_bytes = 2 * solo.options.message_bytes_max;
    solo_append(&solo, append);
    solo_work(&solo);
    assert_int_equal(solo_status(&solo).raft.last_index, 1);
    assert_int_equal(solo.failed_count, 0);
    solo_deinit(&solo);
}

static void a_message_in_anothers_name_is_refused(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    struct wire_message message = {
        .type = RAFT_APPEND_ENTRIES,
        .raft = {.type = RAFT_APPEND_ENTRIES, .from = 3, .to = SOLO_SELF, .term = 5}};
    solo_receive(&solo, 2, &message);
    solo_work(&solo);
    assert_int_equal(solo_status(&solo).raft.term, 1);
    solo_deinit(&solo);
}

/* What is committed is applied in order, read back where memory has let go of it. */
static void a_long_log_is_applied_in_order_after_a_restart(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    for (raft_index prev = 1; prev < 3001; prev += 1000) {
        solo_append(&solo, append_of(prev, 1000));
        solo_work(&solo);
    }
    solo_stop(&solo);
    solo_start(&solo);
    solo_append(&solo,
                (struct solo_append){.from = 2, .term = 1, .prev = {1, 3001}, .commit = 3001});
    solo_work(&solo);
    assert_int_equal(solo.applied_count, 3000);
    for (size_t i = 0; i < 3000; i++) {
        assert_int_equal(solo.applied[i], 1 + i);
    }
    solo_deinit(&solo);
}

/* Read back with what is to be applied comes what lies behind it, and that another leader may
 * have replaced by then.
 */
static void what_is_replaced_while_it_is_read_back_is_no_damage(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_append(&solo, append_of(1, 20));
    solo_work(&solo);
    solo_stop(&solo);
    solo_start(&solo);
    struct solo_append append = {.from = 3, .term = 2, .prev = {1, 11}, .commit = 11};
    solo_append(&solo, append);
    solo_turn(&solo);
    append.entry_term = 2;
    append.first_number = 101;
    append.count = 5;
    solo_append(&solo, append);
    assert_true(disk_memory_step_kind(&solo.disk, DISK_READ));
    solo_work(&solo);
    assert_int_equal(solo.failed_count, 0);
    assert_int_equal(solo.applied_count, 10);

    append = (struct solo_append){.from = 3, .term = 2, .prev = {2, 16}, .commit = 16};
    solo_append(&solo, append);
    solo_work(&solo);
    assert_int_equal(solo.applied_count, 15);
    for (size_t i = 0; i < 15; i++) {
        assert_int_equal(solo.applied[i], i < 10 ? 1 + i : 91 + i);
    }
    solo_deinit(&solo);
}

/* Simulator, seed 30662: nor when those that took their place are committed by then. */
static void what_is_replaced_and_committed_while_it_is_read_back_is_no_damage(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_append(&solo, append_of(1, 20));
    solo_work(&solo);
    solo_stop(&solo);
    solo_start(&solo);
    struct solo_append append = {.from = 3, .term = 2, .prev = {1, 11}, .commit = 11};
    solo_append(&solo, append);
    solo_turn(&solo);
    append.entry_term = 2;
    append.first_number = 101;
    append.count = 5;
    append.commit = 16;
    solo_append(&solo, append);
    assert_true(disk_memory_step_kind(&solo.disk, DISK_READ));
    solo_work(&solo);
    assert_int_equal(solo.failed_count, 0);
    assert_int_equal(solo.applied_count, 15);
    for (size_t i = 0; i < 15; i++) {
        assert_int_equal(solo.applied[i], i < 10 ? 1 + i : 91 + i);
    }
    solo_deinit(&solo);
}

/* An entry counts for nothing before it is durable here, even if a majority has it. */
static void nothing_is_applied_before_it_is_durable_here(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    struct solo_append append = append_of(1, 3);
    append.commit = 4;
    solo_append(&solo, append);
    solo_turn(&solo);
    assert_int_equal(solo_status(&solo).raft.commit_index, 4);
    assert_int_equal(solo.applied_count, 0);
    solo_work(&solo);
    assert_int_equal(solo.applied_count, 3);
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_leader_sends_is_made_durable_and_acknowledged),
        cmocka_unit_test(entries_that_came_before_take_no_room),
        cmocka_unit_test(entries_that_are_rejected_take_no_room),
        cmocka_unit_test(what_the_disk_has_no_room_for_is_not_taken),
        cmocka_unit_test(an_entry_larger_than_the_log_holds_is_refused),
        cmocka_unit_test(a_message_in_anothers_name_is_refused),
        cmocka_unit_test(a_long_log_is_applied_in_order_after_a_restart),
        cmocka_unit_test(what_is_replaced_while_it_is_read_back_is_no_damage),
        cmocka_unit_test(what_is_replaced_and_committed_while_it_is_read_back_is_no_damage),
        cmocka_unit_test(nothing_is_applied_before_it_is_durable_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
