/* test_node_once.c: what is sent again is applied once, and answered as at first. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/pending.h"
#include "node/sessions.h"
#include "once_solo.h"
#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

static void assert_same_answer(const struct solo *solo, uint64_t token, uint64_t other)
{
    assert_told(solo, token, 0);
    assert_told(solo, other, 0);
    assert_int_equal(solo->proposals[token].index, solo->proposals[other].index);
    assert_int_equal(solo->proposals[token].answer, solo->proposals[other].answer);
}

static void a_repeat_is_applied_once_and_answered_as_at_first(void **state)
{
    (void)state;
    struct solo solo;
    (void)lead(&solo);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 1), 0);
    commit(&solo);
    assert_int_equal(propose(&solo, TOKEN(2), 6, 2), 0);
    commit(&solo);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 3), 0);
    commit(&solo);
    assert_int_equal(solo.applied_count, 2);
    assert_same_answer(&solo, 3, 1);
    assert_int_equal(solo.proposals[3].answer, 1);
    solo_deinit(&solo);
}

/* Two clients' connections, one command: each has its own answer, and it is the same. */
static void who_waits_with_the_same_id_is_told_the_same(void **state)
{
    (void)state;
    struct solo solo;
    (void)lead(&solo);
    for (uint64_t token = 0; token < PENDING_SAME_MAX; token++) {
        assert_int_equal(propose(&solo, TOKEN(1), 5, token), 0);
    }
    assert_int_equal(propose(&solo, TOKEN(1), 5, 99), QR_ERR_BUSY);
    commit(&solo);
    assert_int_equal(solo.applied_count, 1);
    for (uint64_t token = 0; token < PENDING_SAME_MAX; token++) {
        assert_same_answer(&solo, token, 0);
    }
    assert_int_equal(propose(&solo, TOKEN(1), 5, 99), 0);
    commit(&solo);
    assert_same_answer(&solo, 99, 0);
    solo_deinit(&solo);
}

static void another_command_with_the_same_id_gets_neither_applied_nor_answered(void **state)
{
    (void)state;
    struct solo solo;
    (void)lead(&solo);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 1), 0);
    assert_int_equal(propose(&solo, TOKEN(1), 6, 2), 0);
    commit(&solo);
    assert_told(&solo, 1, 0);
    assert_told(&solo, 2, QR_ERR_MISMATCH);
    assert_int_equal(solo.applied_count, 1);
    assert_int_equal(solo.applied[0], 5);
    solo_deinit(&solo);
}

static void two_copies_in_one_batch_are_applied_once(void **state)
{
    (void)state;
    struct solo solo;
    const struct solo_entry these[] = {USE(1, 5), USE(2, 6), USE(1, 5), USE(1, 5), USE(2, 6)};
    solo_begin(&solo);
    hear(&solo, 1, these, COUNT_OF(these));
    assert_int_equal(solo.applied_count, 2);
    assert_int_equal(solo.applied[0], 5);
    assert_int_equal(solo.applied[1], 6);
    assert_int_equal(solo_status(&solo).raft.applied_index, 6);
    solo_deinit(&solo);
}

/* It was proposed here, forwarded, and taken; another node's copy comes first. */
static void who_waits_is_answered_by_whichever_copy_comes_first(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_meet(&solo, 2, NEW);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 1), 0);
    solo_turn(&solo);
    const struct solo_sent *sent = solo_last(&solo, WIRE_FORWARD);
    assert_non_null(sent);
    assert_int_equal(sent->entries[0].type, ENTRY_GUARDED);
    const struct solo_entry these[] = {USE(1, 5), USE(1, 5)};
    hear(&solo, 1, these, 1);
    assert_told(&solo, 1, 0);
    assert_int_equal(solo.proposals[1].index, 2);
    hear(&solo, 2, &these[1], 1);
    assert_int_equal(solo.applied_count, 1);
    solo_deinit(&solo);
}

/* It was proposed elsewhere; its repeat comes here. */
static void the_answer_is_kept_also_where_nobody_waited_for_it(void **state)
{
    (void)state;
    struct solo solo;
    const struct solo_entry these[] = {USE(1, 5), USE(2, 6), USE(1, 5)};
    solo_begin(&solo);
    hear(&solo, 1, these, 2);
    solo_meet(&solo, 2, NEW);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 1), 0);
    solo_turn(&solo);
    hear(&solo, 3, &these[2], 1);
    assert_told(&solo, 1, 0);
    assert_int_equal(solo.proposals[1].index, 2);
    assert_int_equal(solo.proposals[1].answer, 1);
    solo_deinit(&solo);
}

static void a_repeat_after_a_restart_is_not_applied(void **state)
{
    (void)state;
    struct solo solo;
    const struct solo_entry these[] = {OPEN(NS_PER_S * 60), IN_SESSION(1, 5), USE(1, 6)};
    solo_begin(&solo);
    hear(&solo, 1, these, COUNT_OF(these));
    uint64_t digest = solo_status(&solo).sessions_digest;
    assert_int_equal(solo.applied_count, 2);
    solo_stop(&solo);
    solo_start(&solo);
    hear(&solo, 4, &these[1], 2);
    assert_int_equal(solo.applied_count, 2);
    assert_int_equal(solo_status(&solo).raft.applied_index, 6);
    assert_int_not_equal(digest, 0);
    assert_int_equal(solo_status(&solo).sessions_digest, digest);
    solo_deinit(&solo);
}

/* A leader stamps entries; what a node's own clock says does not matter. */
static void what_is_rejected_is_told_with_its_result_and_the_next_is_applied(void **state)
{
    (void)state;
    struct solo solo;
    (void)lead(&solo);
    solo.rejected = 5;
    assert_int_equal(propose(&solo, (struct proposal_id){0, 1}, 5, 1), 0);
    assert_int_equal(propose(&solo, (struct proposal_id){0, 2}, 6, 2), 0);
    commit(&solo);
    assert_told(&solo, 1, QR_ERR_REJECTED);
    assert_true(solo.proposals[1].is_rejected);
    assert_int_equal(solo.proposals[1].answer, 0);
    assert_told(&solo, 2, 0);
    assert_false(solo.proposals[2].is_rejected);
    assert_int_equal(solo.proposals[2].index, solo.proposals[1].index + 1);
    assert_int_equal(solo.applied_count, 1);
    assert_int_equal(solo.failed_count, 0);
    solo_deinit(&solo);
}

static void a_repeat_of_what_was_rejected_gets_the_same_failure(void **state)
{
    (void)state;
    struct solo solo;
    (void)lead(&solo);
    solo.rejected = 5;
    assert_int_equal(propose(&solo, TOKEN(9), 6, 0), 0);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 1), 0);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 2), 0);
    commit(&solo);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 3), 0);
    commit(&solo);
    solo.rejected = 0; /* it would be applied now, if it were not known */
    assert_int_equal(propose(&solo, TOKEN(1), 5, 4), 0);
    commit(&solo);
    for (uint64_t token = 1; token <= 4; token++) {
        assert_told(&solo, token, QR_ERR_REJECTED);
        assert_true(solo.proposals[token].is_rejected);
        assert_int_equal(solo.proposals[token].index, solo.proposals[1].index);
        assert_int_equal(solo.proposals[token].answer, 1);
    }
    assert_int_equal(solo.applied_count, 1);
    solo_deinit(&solo);
}

static void a_session_is_over_when_log_time_says_so(void **state)
{
    (void)state;
    struct solo solo;
    struct solo_entry these[] = {OPEN(NS_PER_S), IN_SESSION(1, 5), IN_SESSION(2, 6),
                                 IN_SESSION(1, 5)};
    solo_begin(&solo);
    these[2].after_ns = NS_PER_S;
    these[3].after_ns = 2 * NS_PER_S + 1;
    hear(&solo, 1, these, COUNT_OF(these));
    assert_int_equal(solo.applied_count, 2);
    assert_int_equal(solo_status(&solo).session_count, 0);
    solo_deinit(&solo);
}

static void a_node_that_comes_late_still_applies_what_was_in_time(void **state)
{
    (void)state;
    struct solo solo;
    struct solo_entry these[] = {OPEN(NS_PER_S), IN_SESSION(1, 5)};
    solo_begin(&solo);
    time_ns wall_ns = solo.time.wall_ns;
    solo.time.wall_ns -= 100 * NS_PER_S; /* what the leader stamped long ago */
    solo_append(&solo, (struct solo_append){.these = these,
                                            .from = 2,
                                            .term = 1,
                                            .prev = {1, 1},
                                            .commit = 3,
                                            .entry_term = 1,
                                            .count = 2});
    solo.time.wall_ns = wall_ns;
    solo_work(&solo);
    assert_int_equal(solo.applied_count, 1);
    solo_deinit(&solo);
}

static void a_session_is_opened_used_and_ended(void **state)
{
    (void)state;
    struct solo solo;
    (void)lead(&solo);
    assert_int_equal(control(&solo, NODE_SESSION_OPEN, 60 * NS_PER_S, 0, 1), 0);
    assert_told(&solo, 1, 0);
    uint64_t session = QR_SESSION_BIT | solo.proposals[1].index;
    assert_int_equal(propose(&solo, (struct proposal_id){session, 1}, 5, 2), 0);
    commit(&solo);
    assert_told(&solo, 2, 0);
    assert_int_equal(control(&solo, NODE_SESSION_END, session, 0, 3), 0);
    assert_told(&solo, 3, 0);
    assert_int_equal(propose(&solo, (struct proposal_id){session, 1}, 5, 4), 0);
    assert_int_equal(propose(&solo, (struct proposal_id){session, 2}, 6, 5), 0);
    commit(&solo);
    assert_told(&solo, 4, QR_ERR_EXPIRED);
    assert_told(&solo, 5, QR_ERR_EXPIRED);
    assert_int_equal(solo.applied_count, 1);
    assert_int_equal(control(&solo, NODE_SESSION_END, session, 0, 6), 0);
    assert_told(&solo, 6, QR_ERR_EXPIRED);
    solo_deinit(&solo);
}

static void what_became_of_an_id_is_told_and_decided(void **state)
{
    (void)state;
    struct solo solo;
    (void)lead(&solo);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 1), 0);
    commit(&solo);
    assert_int_equal(control(&solo, NODE_SESSION_SETTLE, TOKEN(1).high, 1, 2), 0);
    assert_same_answer(&solo, 2, 1);
    assert_int_equal(control(&solo, NODE_SESSION_SETTLE, TOKEN(2).high, 2, 3), 0);
    assert_told(&solo, 3, QR_ERR_SETTLED);
    assert_int_equal(propose(&solo, TOKEN(2), 6, 4), 0);
    commit(&solo);
    assert_told(&solo, 4, QR_ERR_SETTLED);
    assert_int_equal(control(&solo, NODE_SESSION_SETTLE, SESSION, 2, 5), 0);
    assert_told(&solo, 5, QR_ERR_EXPIRED);
    assert_int_equal(solo.applied_count, 1);
    solo_deinit(&solo);
}

/* Whoever made them, every replica refuses them alike. */
static void control_entries_that_say_nothing_do_nothing(void **state)
{
    (void)state;
    struct solo solo;
    const struct solo_entry these[] = {
        {.type = ENTRY_GUARDED, .id = CONTROL, .command = "open", .payload_bytes = 7},
        {.type = ENTRY_GUARDED, .id = CONTROL, .command = "end", .payload_bytes = 7},
        {.type = ENTRY_GUARDED, .id = CONTROL, .command = "settle", .payload_bytes = 15},
        {.type = ENTRY_GUARDED, .id = CONTROL, .command = "openx", .payload_bytes = 8},
        {.type = ENTRY_GUARDED, .id = CONTROL, .command = "set", .payload_bytes = 16},
    };
    solo_begin(&solo);
    hear(&solo, 1, these, COUNT_OF(these));
    assert_int_equal(solo_status(&solo).raft.applied_index, 6);
    assert_int_equal(solo_status(&solo).session_count, 0);
    assert_int_equal(solo.applied_count, 0);
    assert_int_equal(solo.failed_count, 0);
    solo_deinit(&solo);
}

/* Version 0.1.0 gave node ids as they came to the ids of its proposals. */
static void a_normal_entry_is_no_repeat_whatever_its_id(void **state)
{
    (void)state;
    struct solo solo;
    const struct solo_entry these[] = {
        {.type = ENTRY_NORMAL, .id = TOKEN(1), .payload = {5}},
        {.type = ENTRY_NORMAL, .id = TOKEN(1), .payload = {5}},
    };
    solo_begin(&solo);
    hear(&solo, 1, these, COUNT_OF(these));
    assert_int_equal(solo.applied_count, 2);
    assert_int_equal(solo_status(&solo).sessions_digest, 0);
    solo_deinit(&solo);
}

static void a_guarded_entry_without_session_is_applied_each_time(void **state)
{
    (void)state;
    struct solo solo;
    const struct solo_entry these[] = {
        {.type = ENTRY_GUARDED, .id = {5, 5}, .payload = {5}},
        {.type = ENTRY_GUARDED, .id = {5, 5}, .payload = {5}},
    };
    solo_begin(&solo);
    hear(&solo, 1, these, COUNT_OF(these));
    assert_int_equal(solo.applied_count, 2);
    solo_deinit(&solo);
}

/* A batch that is all repeats has its bound, too. */
static void any_number_of_repeats_is_told_in_batches(void **state)
{
    (void)state;
    static struct solo_entry these[1200];
    struct solo solo;
    solo_begin(&solo);
    for (size_t i = 0; i < COUNT_OF(these); i++) {
        these[i] = (struct solo_entry)USE(1, 5);
    }
    hear(&solo, 1, these, COUNT_OF(these));
    solo_work(&solo);
    assert_int_equal(solo_status(&solo).raft.applied_index, 1 + COUNT_OF(these));
    assert_int_equal(solo.applied_count, 1);
    solo_deinit(&solo);
}

/* Memory that runs out ends the node in words, or costs nothing. */
static void each_allocation_may_fail(void **state)
{
    (void)state;
    const struct solo_entry these[] = {OPEN(NS_PER_S * 60), IN_SESSION(1, 5), USE(1, 6),
                                       IN_SESSION(1, 5)};
    bool is_past = false;
    for (uint64_t fail_at = 1; !is_past; fail_at++) {
        struct solo solo;
        solo_begin(&solo);
        solo_meet(&solo, 2, NEW);
        solo.heap.fail_at = solo.heap.allocate_count + fail_at;
        int status = propose(&solo, TOKEN(1), 6, 1);
        if (status == 0) {
            hear(&solo, 1, these, COUNT_OF(these));
            assert_true(solo.failed_count > 0 || solo.applied_count == 2);
            assert_true(solo.failed_count == 0 || solo.failed_status == QR_ERR_NO_MEMORY);
        }
        is_past = solo.heap.allocate_count < solo.heap.fail_at;
        solo.heap.fail_at = 0;
        solo_deinit(&solo);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeat_is_applied_once_and_answered_as_at_first),
        cmocka_unit_test(who_waits_with_the_same_id_is_told_the_same),
        cmocka_unit_test(another_command_with_the_same_id_gets_neither_applied_nor_answered),
        cmocka_unit_test(two_copies_in_one_batch_are_applied_once),
        cmocka_unit_test(who_waits_is_answered_by_whichever_copy_comes_first),
        cmocka_unit_test(the_answer_is_kept_also_where_nobody_waited_for_it),
        cmocka_unit_test(a_repeat_after_a_restart_is_not_applied),
        cmocka_unit_test(what_is_rejected_is_told_with_its_result_and_the_next_is_applied),
        cmocka_unit_test(a_repeat_of_what_was_rejected_gets_the_same_failure),
        cmocka_unit_test(a_session_is_over_when_log_time_says_so),
        cmocka_unit_test(a_node_that_comes_late_still_applies_what_was_in_time),
        cmocka_unit_test(a_session_is_opened_used_and_ended),
        cmocka_unit_test(what_became_of_an_id_is_told_and_decided),
        cmocka_unit_test(control_entries_that_say_nothing_do_nothing),
        cmocka_unit_test(a_normal_entry_is_no_repeat_whatever_its_id),
        cmocka_unit_test(a_guarded_entry_without_session_is_applied_each_time),
        cmocka_unit_test(any_number_of_repeats_is_told_in_batches),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
