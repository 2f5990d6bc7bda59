/* test_node_propose.c: proposals on their way, and what their proposers are told. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "propose_solo.h"
#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

static void a_proposal_waits_until_a_leader_is_known(void **state)
{
    (void)state;
    struct solo solo;
    begin_without_leader(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_turn(&solo);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 0);
    solo_hear(&solo, 2, 1);
    assert_int_equal(solo_last(&solo, WIRE_FORWARD)->to, 2);
    assert_int_equal(forwarded(&solo)->term, 1);
    waits(&solo, 1);
    solo_deinit(&solo);
}

static void without_a_leader_it_is_refused_in_time_and_was_sent_nowhere(void **state)
{
    (void)state;
    struct solo solo;
    begin_without_leader(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_wait(&solo, HOLD_MS - 1);
    waits(&solo, 1);
    solo_wait(&solo, 51); /* while something is held, the node looks every heartbeat */
    told(&solo, 1, QR_ERR_NO_LEADER);
    solo_hear(&solo, 2, 1);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 0);
    solo_deinit(&solo);
}

static void without_a_connection_it_is_refused_like_without_a_leader(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo.is_send_refused = true;
    assert_int_equal(solo_propose(&solo, 1), 0);
    for (int i = 0; i < HOLD_MS / 50; i++) {
        waits(&solo, 1);
        solo_hear(&solo, 2, 1);
        solo_wait(&solo, 50);
    }
    told(&solo, 1, QR_ERR_NO_LEADER);
    solo.is_send_refused = false;
    solo_hear(&solo, 2, 1);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 0);
    solo_deinit(&solo);
}

static void proposals_of_one_turn_go_in_one_frame_in_their_order(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(solo_propose(&solo, i), 0);
    }
    solo_turn(&solo);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 1);
    const struct solo_sent *sent = solo_last(&solo, WIRE_FORWARD);
    solo_append_forwarded(
        &solo, sent, (struct solo_append){.from = 2, .term = 1, .prev = {1, 1}, .entry_term = 1});
    solo_work(&solo);
    assert_int_equal(solo.applied_count, 5);
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(solo.applied[i], i);
        told(&solo, i, 0);
        assert_int_equal(solo.proposals[i].index, 2 + i);
    }
    solo_deinit(&solo);
}

static void what_is_forwarded_is_not_sent_twice_while_its_leader_lasts(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    for (int i = 0; i < 20; i++) {
        solo_hear(&solo, 2, 1);
        solo_run(&solo, 50);
    }
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 1);
    solo_deinit(&solo);
}

static void without_an_answer_the_outcome_is_unknown(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_turn(&solo);
    for (int i = 0; i < 40; i++) {
        waits(&solo, 1);
        solo_hear(&solo, 2, 1);
        solo_run(&solo, 50);
    }
    told(&solo, 1, QR_ERR_TIMEOUT);
    solo_deinit(&solo);
}

/* As solo_propose(), with a limit of its own and a ticket, its number and 100. */
static void propose_for(struct solo *solo, uint64_t number, time_ns timeout_ns)
{
    uint8_t payload[8];
    store_u64(payload, number);
    const struct node_proposal proposal = {
        .payload = payload,
        .payload_bytes = sizeof(payload),
        .timeout_ns = timeout_ns,
        .ticket = number + 100,
    };
    assert_int_equal(node_propose(solo->node, &proposal, number, solo->time), 0);
}

static void what_is_cancelled_in_time_is_sent_nowhere(void **state)
{
    (void)state;
    struct solo solo;
    begin_without_leader(&solo);
    propose_for(&solo, 1, 0);
    propose_for(&solo, 2, 0);
    assert_true(node_cancel(solo.node, 101));
    waits(&solo, 1); /* it is told in the next turn */
    solo_turn(&solo);
    told(&solo, 1, QR_ERR_WITHDRAWN);
    assert_false(node_cancel(solo.node, 101));
    solo_hear(&solo, 2, 1);
    assert_int_equal(solo_last(&solo, WIRE_FORWARD)->message.entry_count, 1);
    waits(&solo, 2);
    solo_deinit(&solo);
}

static void what_is_cancelled_behind_that_is_unknown(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_propose(&solo, 0), 0);
    propose_for(&solo, 1, 0);
    solo_turn(&solo);
    assert_true(node_cancel(solo.node, 101));
    solo_turn(&solo);
    told(&solo, 1, QR_ERR_CANCELLED);
    waits(&solo, 0);
    solo_append_forwarded(
        &solo, solo_last(&solo, WIRE_FORWARD),
        (struct solo_append){.from = 2, .term = 1, .prev = {1, 1}, .entry_term = 1});
    solo_work(&solo);
    assert_int_equal(solo.applied_count, 2); /* and it was */
    told(&solo, 0, 0);
    told(&solo, 1, QR_ERR_CANCELLED);
    solo_deinit(&solo);
}

static void a_proposal_may_have_a_limit_of_its_own(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    propose_for(&solo, 0, 10000 * NS_PER_MS); /* the others come earlier than it */
    assert_int_equal(solo_propose(&solo, 1), 0);
    propose_for(&solo, 2, 300 * NS_PER_MS);
    propose_for(&solo, 3, 200 * NS_PER_MS);
    solo_turn(&solo);
    for (int i = 0; i < 4; i++) {
        waits(&solo, 3);
        solo_hear(&solo, 2, 1);
        solo_run(&solo, 50);
    }
    told(&solo, 3, QR_ERR_TIMEOUT);
    for (int i = 0; i < 2; i++) {
        waits(&solo, 2);
        solo_hear(&solo, 2, 1);
        solo_run(&solo, 50);
    }
    told(&solo, 2, QR_ERR_TIMEOUT);
    for (int i = 6; i < 40; i++) {
        waits(&solo, 1);
        solo_hear(&solo, 2, 1);
        solo_run(&solo, 50);
    }
    told(&solo, 1, QR_ERR_TIMEOUT);
    waits(&solo, 0);
    solo_deinit(&solo);
}

static void the_leaders_refusal_is_passed_on(void **state)
{
    (void)state;
    const int refusals[] = {QR_ERR_DISK_FULL, QR_ERR_BUSY, QR_ERR_TOO_LARGE};
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct solo solo;
        solo_begin(&solo);
        assert_int_equal(solo_propose(&solo, 1), 0);
        assert_int_equal(solo_propose(&solo, 2), 0);
        solo_turn(&solo);
        uint64_t request = forwarded(&solo)->request;
        answer(&solo, 2,
               (struct wire_forward_response){
                   .request = request + 1, .count = 1, .status = refusals[i], .entry_term = 1});
        waits(&solo, 1);
        told(&solo, 2, refusals[i]);
        solo_deinit(&solo);
    }
}

/* Only a state machine rejects, with a result: a leader that says so makes no sense. */
static void a_leader_that_claims_a_rejection_leaves_the_outcome_unknown(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_turn(&solo);
    uint64_t request = forwarded(&solo)->request;
    answer(&solo, 2,
           (struct wire_forward_response){
               .request = request, .count = 1, .status = QR_ERR_REJECTED, .entry_term = 1});
    told(&solo, 1, QR_ERR_TIMEOUT);
    solo_deinit(&solo);
}

static void an_answer_to_nobodys_question_is_ignored(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_turn(&solo);
    uint64_t request = forwarded(&solo)->request;
    answer(
        &solo, 2,
        (struct wire_forward_response){
            .request = request + 1, .count = UINT32_MAX, .status = QR_ERR_BUSY, .entry_term = 1});
    waits(&solo, 1);
    solo_deinit(&solo);
}

static void a_leader_tells_only_when_committed_and_applied(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_lead(&solo);
    solo.is_apply_held = true;
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_work(&solo);
    waits(&solo, 1);
    solo_acknowledge(&solo, 2, solo_status(&solo).raft.last_index);
    solo_work(&solo);
    assert_int_equal(solo.held_count, 1);
    waits(&solo, 1);
    solo_applied(&solo, 0);
    told(&solo, 1, 0);
    solo_deinit(&solo);
}

/* Whatever comes meanwhile, the node tells them no more: not their end, nor its own. */
static void who_waits_may_be_taken_over_by_who_applies(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_lead(&solo);
    solo.is_apply_held = true;
    solo.is_apply_claimed = true;
    assert_int_equal(solo_propose(&solo, 1), 0);
    assert_int_equal(solo_propose(&solo, 2), 0);
    solo_work(&solo);
    solo_acknowledge(&solo, 2, solo_status(&solo).raft.last_index);
    solo_work(&solo);
    assert_int_equal(solo.claimed_count, 2);
    assert_int_equal(solo.claimed[0], 1);
    assert_int_equal(solo.claimed[1], 2);
    assert_int_equal(solo_propose(&solo, 3), 0);
    solo_applied(&solo, 0);
    waits(&solo, 1);
    waits(&solo, 2);
    solo_work(&solo);
    solo_acknowledge(&solo, 2, solo_status(&solo).raft.last_index);
    solo_work(&solo);
    assert_int_equal(solo.claimed_count, 1);
    assert_int_equal(solo.claimed[0], 3);
    node_stop(solo.node);
    assert_false(node_is_idle(solo.node)); /* its entries are still lent */
    waits(&solo, 3);
    solo_applied(&solo, 0);
    waits(&solo, 3);
    assert_true(node_is_idle(solo.node));
    solo_deinit(&solo);
}

static void past_its_limit_the_node_is_busy(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_stop(&solo);
    solo.options.pending_max = 8;
    solo_start(&solo);
    for (uint64_t i = 0; i < 8; i++) {
        assert_int_equal(solo_propose(&solo, i), 0);
        assert_int_equal(solo_read(&solo, i), 0);
    }
    assert_int_equal(solo_propose(&solo, 8), QR_ERR_BUSY);
    assert_int_equal(solo_read(&solo, 64), 0); /* reads are rounded up to a power of two */
    solo_wait(&solo, HOLD_MS);
    assert_int_equal(solo_propose(&solo, 9), 0);
    waits(&solo, 8);
    solo_deinit(&solo);
}

static void an_id_under_way_is_not_taken_again(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    struct node_proposal proposal = {.id = {4, 4}, .command = "x", .command_bytes = 1};
    assert_int_equal(node_propose(solo.node, &proposal, 1, solo.time), 0);
    assert_int_equal(node_propose(solo.node, &proposal, 2, solo.time), QR_ERR_BUSY);
    solo_stop(&solo);
    told(&solo, 1, QR_ERR_STOPPED);
    waits(&solo, 2);
    solo_deinit(&solo);
}

static void what_is_no_proposal_is_refused_at_once(void **state)
{
    (void)state;
    static const uint8_t payload[20000];
    struct solo solo;
    solo_begin(&solo);
    const struct {
        struct node_proposal proposal;
        int status;
    } cases[] = {
        {{.command = "", .payload = ""}, QR_ERR_INVALID},
        {{.command = "123456789012345678901234567890123", .command_bytes = 33}, QR_ERR_INVALID},
        {{.command = "x", .command_bytes = 1, .payload = payload, .payload_bytes = 16384},
         QR_ERR_TOO_LARGE},
        {{.command = "x", .command_bytes = 1, .payload = payload, .payload_bytes = SIZE_MAX / 2},
         QR_ERR_TOO_LARGE},
        {{.command = "x", .command_bytes = 1, .payload = payload, .payload_bytes = 16383}, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(node_propose(solo.node, &cases[i].proposal, i, solo.time),
                         cases[i].status);
    }
    solo_deinit(&solo);
}

static void a_node_that_stops_tells_everybody(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_turn(&solo);
    assert_int_equal(solo_propose(&solo, 2), 0);
    solo_stop(&solo);
    told(&solo, 1, QR_ERR_STOPPED);
    told(&solo, 2, QR_ERR_STOPPED);
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proposal_waits_until_a_leader_is_known),
        cmocka_unit_test(without_a_leader_it_is_refused_in_time_and_was_sent_nowhere),
        cmocka_unit_test(without_a_connection_it_is_refused_like_without_a_leader),
        cmocka_unit_test(proposals_of_one_turn_go_in_one_frame_in_their_order),
        cmocka_unit_test(what_is_forwarded_is_not_sent_twice_while_its_leader_lasts),
        cmocka_unit_test(without_an_answer_the_outcome_is_unknown),
        cmocka_unit_test(what_is_cancelled_in_time_is_sent_nowhere),
        cmocka_unit_test(what_is_cancelled_behind_that_is_unknown),
        cmocka_unit_test(a_proposal_may_have_a_limit_of_its_own),
        cmocka_unit_test(the_leaders_refusal_is_passed_on),
        cmocka_unit_test(a_leader_that_claims_a_rejection_leaves_the_outcome_unknown),
        cmocka_unit_test(an_answer_to_nobodys_question_is_ignored),
        cmocka_unit_test(a_leader_tells_only_when_committed_and_applied),
        cmocka_unit_test(who_waits_may_be_taken_over_by_who_applies),
        cmocka_unit_test(past_its_limit_the_node_is_busy),
        cmocka_unit_test(an_id_under_way_is_not_taken_again),
        cmocka_unit_test(what_is_no_proposal_is_refused_at_once),
        cmocka_unit_test(a_node_that_stops_tells_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
