/* test_node_waits.c: what a node tells of its waiting and elections, and whom it joins. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

static struct node_waits waits_of(const struct solo *solo)
{
    struct node_waits waits;
    node_waits(solo->node, &waits);
    return waits;
}

static void begin(struct solo *solo)
{
    solo_init(solo);
    solo->options.stall_timeout_ns = NS_PER_S;
    solo_join(solo);
    solo_forget(solo);
}

static void answer_vote(struct solo *solo, node_id from, enum raft_vote_reason reason)
{
    raft_term term = solo_status(solo).raft.term;
    struct wire_message message = {
        .type = RAFT_PRE_VOTE_RESPONSE,
        .raft = {.type = RAFT_PRE_VOTE_RESPONSE,
                 .from = from,
                 .to = SOLO_SELF,
                 .term = term,
                 .pre_vote_response = {.next_term = term + 1, .reason = reason}},
    };
    solo_receive(solo, from, &message);
    solo_turn(solo);
}

static void what_voters_answered_is_told_the_latest_of_each(void **state)
{
    (void)state;
    struct solo solo;
    struct raft_vote_answer answers[RAFT_MEMBERS_MAX];
    begin(&solo);
    assert_int_equal(node_vote_answers(solo.node, answers), 0);
    while (solo_status(&solo).raft.role != RAFT_PRE_CANDIDATE) {
        solo_run(&solo, 1);
    }
    answer_vote(&solo, 3, RAFT_VOTE_LEADER_ALIVE);
    solo_run(&solo, 5);
    answer_vote(&solo, 3, RAFT_VOTE_LOG_BEHIND);
    assert_int_equal(node_vote_answers(solo.node, answers), 1);
    assert_int_equal(answers[0].voter, 3);
    assert_int_equal(answers[0].reason, RAFT_VOTE_LOG_BEHIND);
    assert_true(answers[0].answered_ns == solo.time.now_ns);
    answer_vote(&solo, 2, RAFT_VOTE_LEADER_ALIVE);
    assert_int_equal(node_vote_answers(solo.node, answers), 2);
    solo_deinit(&solo);
}

static void a_promise_is_kept_over_a_restart_without_a_lease_of_its_own(void **state)
{
    (void)state;
    for (int keeps = 0; keeps <= 1; keeps++) {
        struct solo solo;
        begin(&solo);
        solo_stop(&solo);
        solo.options.keeps_promise = keeps == 1;
        solo_start(&solo);
        solo_forget(&solo);
        struct wire_message message = {
            .type = RAFT_PRE_VOTE,
            .raft = {.type = RAFT_PRE_VOTE,
                     .from = 2,
                     .to = SOLO_SELF,
                     .term = 1,
                     .pre_vote = {.next_term = 2, .last = {9, 9}}},
        };
        solo_receive(&solo, 2, &message);
        solo_turn(&solo);
        const struct solo_sent *sent = solo_last(&solo, RAFT_PRE_VOTE_RESPONSE);
        assert_non_null(sent);
        assert_true(sent->message.raft.pre_vote_response.is_granted == (keeps == 0));
        solo_deinit(&solo);
    }
}

static void a_leader_that_steps_down_for_silence_tells_when(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    solo_lead(&solo);
    assert_true(solo_status(&solo).raft.quorum_lost_ns == 0);
    while (solo_status(&solo).raft.role == RAFT_LEADER) {
        solo_run(&solo, 1);
    }
    assert_true(solo_status(&solo).raft.quorum_lost_ns == solo.time.now_ns);
    solo_lead(&solo);
    assert_true(solo_status(&solo).raft.quorum_lost_ns == 0); /* it has a majority again */
    solo_deinit(&solo);
}

static void entries_that_wait_for_the_disk_are_told_with_their_time(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    solo_work(&solo);
    assert_int_equal(waits_of(&solo).saving_ns, 0);
    solo_append(&solo, (struct solo_append){.from = 2,
                                            .term = 1,
                                            .prev = {1, 1},
                                            .commit = 1,
                                            .round = 2,
                                            .entry_term = 1,
                                            .count = 1});
    solo_turn(&solo);
    solo_wait(&solo, 120);
    assert_in_range(waits_of(&solo).saving_ns, 60 * NS_PER_MS, 120 * NS_PER_MS);
    solo_work(&solo);
    assert_int_equal(waits_of(&solo).saving_ns, 0);
    solo_deinit(&solo);
}

static void a_configuration_is_pending_until_it_is_committed(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    assert_false(waits_of(&solo).is_change_pending);
    solo_lead(&solo);
    struct wire_change change = {.demoted = "n3", .is_forced = true};
    assert_int_equal(node_change(solo.node, &change, 1, solo.time), 0);
    assert_int_equal(waits_of(&solo).changes_count, 1);
    solo_work(&solo);
    assert_true(waits_of(&solo).is_change_pending);
    solo_deinit(&solo);
}

static void wait_open(struct solo *solo)
{
    solo_init(solo);
    solo->options.is_waiting = true;
    solo_start(solo);
}

static void a_node_that_waits_does_nothing_until_it_is_told(void **state)
{
    (void)state;
    struct solo solo;
    wait_open(&solo);
    solo_run(&solo, 5000);
    assert_int_equal(solo.dial_count, 0);
    assert_true(node_deadline(solo.node) == TIME_NEVER);
    assert_true(solo_status(&solo).is_joining);
    assert_int_equal(node_join(solo.node, "b1,b2", false, solo.time), 0);
    solo_turn(&solo);
    assert_string_equal(solo.dialed, "b1");
    node_seed_closed(solo.node, 0, "nobody answers", solo.time);
    assert_int_equal(waits_of(&solo).join_status, QR_ERR_ADDRESS);
    assert_string_equal(waits_of(&solo).join_reason, "b1: nobody answers");
    solo_run(&solo, 500);
    assert_string_equal(solo.dialed, "b2");
    solo_deinit(&solo);
}

static void another_cluster_may_be_named_until_one_lets_it_in(void **state)
{
    (void)state;
    struct solo solo;
    wait_open(&solo);
    assert_int_equal(node_join(solo.node, "b1", false, solo.time), 0);
    solo_turn(&solo);
    node_seed_closed(solo.node, 0, "no", solo.time);
    assert_int_equal(node_join(solo.node, "a2", true, solo.time), 0);
    assert_int_equal(waits_of(&solo).join_status, 0);
    solo_turn(&solo);
    assert_string_equal(solo.dialed, "a2");
    node_seed_ready(solo.node, solo.time);
    const struct solo_sent *asked = solo_last(&solo, WIRE_JOIN);
    assert_non_null(asked);
    assert_false(asked->message.join.wants_vote);
    struct wire_message answer = {.type = WIRE_JOIN_RESPONSE,
                                  .join_response = {.cluster = SOLO_CLUSTER}};
    node_seed_receive(solo.node, &answer, solo.time);
    solo_work(&solo);
    assert_int_equal(node_join(solo.node, "b1", false, solo.time), QR_ERR_FOREIGN);
    node_stop(solo.node);
    assert_int_equal(node_join(solo.node, "b1", false, solo.time), QR_ERR_STOPPED);
    solo_deinit(&solo);
}

static bool asks_for_a_vote(struct solo *solo)
{
    solo_forget(solo);
    node_seed_ready(solo->node, solo->time);
    const struct solo_sent *asked = solo_last(solo, WIRE_JOIN);
    assert_non_null(asked);
    return asked->message.join.wants_vote;
}

static void the_latest_order_says_whether_it_asks_for_a_vote(void **state)
{
    (void)state;
    struct solo solo;
    wait_open(&solo);
    assert_int_equal(node_join(solo.node, "b1", true, solo.time), 0);
    solo_turn(&solo);
    assert_false(asks_for_a_vote(&solo));
    assert_int_equal(node_join(solo.node, "b1", false, solo.time), 0);
    solo_turn(&solo);
    assert_true(asks_for_a_vote(&solo));
    solo_deinit(&solo);
}

static void the_same_order_again_leaves_the_attempt_alone(void **state)
{
    (void)state;
    struct solo solo;
    wait_open(&solo);
    assert_int_equal(node_join(solo.node, "b1,b2", false, solo.time), 0);
    solo_turn(&solo);
    node_seed_closed(solo.node, 0, "nobody answers", solo.time);
    size_t dialed = solo.dial_count;
    assert_int_equal(node_join(solo.node, "b1,b2", false, solo.time), 0);
    solo_turn(&solo);
    assert_int_equal(solo.dial_count, dialed);
    assert_int_equal(waits_of(&solo).join_status, QR_ERR_ADDRESS);
    assert_int_equal(node_join(solo.node, "b1,b", false, solo.time), 0); /* that is another list */
    solo_turn(&solo);
    assert_int_equal(solo.dial_count, dialed + 1);
    assert_string_equal(solo.dialed, "b1");
    solo_deinit(&solo);
}

static void one_that_was_told_at_its_start_obeys_nobody(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo.options.join = "a2";
    solo_start(&solo);
    solo_work(&solo);
    assert_string_equal(solo.dialed, "a2");
    assert_int_equal(node_join(solo.node, "b1", false, solo.time), QR_ERR_FOREIGN);
    node_seed_closed(solo.node, 0, "no", solo.time);
    solo_run(&solo, 1000);
    assert_string_equal(solo.dialed, "a2");
    solo_deinit(&solo);
}

static void without_memory_it_goes_on_as_it_was_told_before(void **state)
{
    (void)state;
    struct solo solo;
    wait_open(&solo);
    assert_int_equal(node_join(solo.node, "b1", false, solo.time), 0);
    solo.heap.fail_at = solo.heap.allocate_count + 1;
    assert_int_equal(node_join(solo.node, "b2", true, solo.time), QR_ERR_NO_MEMORY);
    solo.heap.fail_at = 0;
    solo_turn(&solo);
    assert_string_equal(solo.dialed, "b1");
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_voters_answered_is_told_the_latest_of_each),
        cmocka_unit_test(a_promise_is_kept_over_a_restart_without_a_lease_of_its_own),
        cmocka_unit_test(a_leader_that_steps_down_for_silence_tells_when),
        cmocka_unit_test(entries_that_wait_for_the_disk_are_told_with_their_time),
        cmocka_unit_test(a_configuration_is_pending_until_it_is_committed),
        cmocka_unit_test(a_node_that_waits_does_nothing_until_it_is_told),
        cmocka_unit_test(another_cluster_may_be_named_until_one_lets_it_in),
        cmocka_unit_test(the_latest_order_says_whether_it_asks_for_a_vote),
        cmocka_unit_test(the_same_order_again_leaves_the_attempt_alone),
        cmocka_unit_test(one_that_was_told_at_its_start_obeys_nobody),
        cmocka_unit_test(without_memory_it_goes_on_as_it_was_told_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
