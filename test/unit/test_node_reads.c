/* test_node_reads.c: reads wait until they are linearizable, and no longer than their limit. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define HOLD_MS 451   /* the two election timeouts together */
#define AGAIN_MS 301  /* an unanswered question is asked again */
#define LIMIT_MS 2000 /* proposal_timeout_ns */
#define GROUPS_MAX 1024

/* Time passes while the leader is heard. */
static void pass(struct solo *solo, unsigned milliseconds)
{
    for (unsigned i = 0; i < milliseconds; i += 50) {
        solo_hear(solo, 2, 1);
        solo_run(solo, milliseconds - i < 50 ? milliseconds - i : 50);
    }
}

static void answer(struct solo *solo, uint64_t request, int status, raft_index index)
{
    struct wire_message message = {
        .type = WIRE_READ_RESPONSE,
        .read_response = {.from = 2, .request = request, .status = status, .index = index}};
    solo_receive(solo, 2, &message);
    solo_work(solo);
}

static void told(const struct solo *solo, uint64_t token, int status)
{
    assert_int_equal(solo->reads[token].count, 1);
    assert_int_equal(solo->reads[token].status, status);
}

static void waits(const struct solo *solo, uint64_t token)
{
    assert_int_equal(solo->reads[token].count, 0);
}

static void take(struct solo *solo, uint64_t token)
{
    assert_int_equal(solo_read(solo, token), 0);
}

static void reads_of_one_turn_share_one_question(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    for (uint64_t i = 0; i < 100; i++) {
        take(&solo, i);
    }
    solo_turn(&solo);
    assert_int_equal(solo_count(&solo, WIRE_READ), 1);
    assert_int_equal(solo_last(&solo, WIRE_READ)->to, 2);
    answer(&solo, solo_question(&solo), 0, 1);
    for (uint64_t i = 0; i < 100; i++) {
        told(&solo, i, 0);
        assert_int_equal(solo.reads[i].index, 1);
    }
    solo_deinit(&solo);
}

static void later_reads_do_not_share_an_earlier_question(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    take(&solo, 1);
    solo_turn(&solo);
    uint64_t first = solo_question(&solo);
    take(&solo, 2);
    solo_turn(&solo);
    assert_int_equal(solo_count(&solo, WIRE_READ), 2);
    answer(&solo, first, 0, 1);
    told(&solo, 1, 0);
    waits(&solo, 2);
    answer(&solo, solo_question(&solo), 0, 1);
    told(&solo, 2, 0);
    solo_deinit(&solo);
}

static void questions_may_be_answered_in_any_order(void **state)
{
    (void)state;
    struct solo solo;
    uint64_t requests[3];
    solo_begin(&solo);
    for (uint64_t i = 0; i < 3; i++) {
        take(&solo, 2 * i);
        take(&solo, 2 * i + 1);
        solo_turn(&solo);
        requests[i] = solo_question(&solo);
    }
    const uint64_t order[] = {1, 2, 0};
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        waits(&solo, 2 * order[i]);
        answer(&solo, requests[order[i]], 0, 1);
        told(&solo, 2 * order[i], 0);
        told(&solo, 2 * order[i] + 1, 0);
    }
    solo_deinit(&solo);
}

static void a_lost_question_is_asked_again_under_another_number(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    take(&solo, 1);
    solo_turn(&solo);
    uint64_t lost = solo_question(&solo);
    pass(&solo, AGAIN_MS);
    assert_int_equal(solo_count(&solo, WIRE_READ), 2);
    assert_int_not_equal(solo_question(&solo), lost);
    answer(&solo, solo_question(&solo), 0, 1);
    told(&solo, 1, 0);
    solo_deinit(&solo);
}

static void an_answer_to_an_earlier_number_is_ignored(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    take(&solo, 1);
    solo_turn(&solo);
    uint64_t late = solo_question(&solo);
    pass(&solo, AGAIN_MS);
    answer(&solo, late, 0, 1);
    waits(&solo, 1);
    solo_deinit(&solo);
}

static void it_waits_until_what_it_must_see_is_applied(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    take(&solo, 1);
    solo_turn(&solo);
    answer(&solo, solo_question(&solo), 0, 3);
    waits(&solo, 1);
    struct solo_append append = {.from = 2,
                                 .term = 1,
                                 .prev = {1, 1},
                                 .commit = 2,
                                 .entry_term = 1,
                                 .first_number = 10,
                                 .count = 2};
    solo_append(&solo, append);
    solo_work(&solo);
    waits(&solo, 1); /* at 2 */
    solo.is_apply_held = true;
    append.commit = 3;
    solo_append(&solo, append);
    solo_work(&solo);
    waits(&solo, 1); /* being applied */
    solo_applied(&solo, 0);
    solo_turn(&solo);
    told(&solo, 1, 0);
    assert_int_equal(solo.reads[1].index, 3);
    solo_deinit(&solo);
}

static void who_does_not_lead_any_more_is_not_believed(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    take(&solo, 1);
    solo_turn(&solo);
    uint64_t first = solo_question(&solo);
    solo_hear(&solo, 3, 2);
    answer(&solo, first, QR_ERR_NOT_LEADER, 0);
    waits(&solo, 1);
    assert_int_equal(solo_last(&solo, WIRE_READ)->to, 3);
    assert_int_not_equal(solo_question(&solo), first);
    solo_deinit(&solo);
}

static void without_a_leader_it_is_refused_in_time(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_stop(&solo);
    solo_start(&solo);
    take(&solo, 1);
    solo_wait(&solo, HOLD_MS - 2);
    waits(&solo, 1);
    solo_wait(&solo, 52);
    told(&solo, 1, QR_ERR_NO_LEADER);
    solo_deinit(&solo);
}

static void it_waits_for_a_leader_to_be_known(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_stop(&solo);
    solo_forget(&solo);
    solo_start(&solo);
    take(&solo, 1);
    solo_wait(&solo, 100);
    assert_int_equal(solo_count(&solo, WIRE_READ), 0);
    solo_hear(&solo, 2, 1);
    assert_int_equal(solo_count(&solo, WIRE_READ), 1);
    answer(&solo, solo_question(&solo), 0, 1);
    told(&solo, 1, 0);
    solo_deinit(&solo);
}

static void without_any_answer_it_ends_at_its_limit(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    take(&solo, 1);
    solo_turn(&solo);
    pass(&solo, LIMIT_MS - 1);
    waits(&solo, 1);
    pass(&solo, 2);
    told(&solo, 1, QR_ERR_TIMEOUT);
    solo_deinit(&solo);
}

static void a_leader_answers_after_a_round_that_began_after_the_read(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_lead(&solo);
    raft_index last = solo_status(&solo).raft.last_index;
    take(&solo, 1);
    solo_acknowledge(&solo, 2, last); /* of a message that left before */
    solo_work(&solo);
    waits(&solo, 1);
    solo_acknowledge(&solo, 2, last);
    solo_work(&solo);
    told(&solo, 1, 0);
    assert_int_equal(solo.reads[1].index, last);
    solo_deinit(&solo);
}

static void a_leader_that_nobody_hears_answers_no_read(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_lead(&solo);
    take(&solo, 1);
    solo_run(&solo, 1000);
    assert_int_not_equal(solo_status(&solo).raft.role, RAFT_LEADER);
    told(&solo, 1, QR_ERR_NO_LEADER);
    solo_deinit(&solo);
}

static void a_deposed_leaders_reads_go_to_the_next_one(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    raft_term term = solo_lead(&solo);
    raft_index last = solo_status(&solo).raft.last_index;
    take(&solo, 1);
    solo_work(&solo);
    solo_append(&solo, (struct solo_append){
                           .from = 3, .term = term + 1, .prev = {term, last}, .commit = last});
    solo_work(&solo);
    solo_acknowledge(&solo, 2, last);
    solo_work(&solo);
    waits(&solo, 1);
    assert_int_equal(solo_last(&solo, WIRE_READ)->to, 3);
    answer(&solo, solo_question(&solo), 0, last);
    told(&solo, 1, 0);
    solo_deinit(&solo);
}

static void ask_as_member(struct solo *solo, node_id from, uint64_t request)
{
    struct wire_message message = {.type = WIRE_READ, .read = {.from = from, .request = request}};
    solo_receive(solo, from, &message);
    solo_work(solo);
}

static void a_member_is_answered_after_a_round(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_lead(&solo);
    raft_index last = solo_status(&solo).raft.last_index;
    ask_as_member(&solo, 3, 77);
    assert_int_equal(solo_count(&solo, WIRE_READ_RESPONSE), 0);
    solo_acknowledge(&solo, 2, last);
    solo_work(&solo);
    const struct solo_sent *sent = solo_last(&solo, WIRE_READ_RESPONSE);
    assert_non_null(sent);
    assert_int_equal(sent->to, 3);
    assert_int_equal(sent->message.read_response.request, 77);
    assert_int_equal(sent->message.read_response.status, 0);
    assert_int_equal(sent->message.read_response.index, last);
    solo_deinit(&solo);
}

static void a_member_that_asks_the_wrong_node_is_told(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    ask_as_member(&solo, 3, 77);
    assert_int_equal(solo_last(&solo, WIRE_READ_RESPONSE)->message.read_response.status,
                     QR_ERR_NOT_LEADER);
    solo_deinit(&solo);
}

static void a_member_is_told_when_leadership_is_lost(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_lead(&solo);
    ask_as_member(&solo, 3, 77);
    solo_run(&solo, 1000);
    assert_int_equal(solo_count(&solo, WIRE_READ_RESPONSE), 1);
    assert_int_equal(solo_last(&solo, WIRE_READ_RESPONSE)->message.read_response.status,
                     QR_ERR_NOT_LEADER);
    solo_deinit(&solo);
}

/* More questions than places: the rest is refused, and places come free again. */
static void members_that_ask_too_much_are_refused(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_lead(&solo);
    raft_index last = solo_status(&solo).raft.last_index;
    for (int round = 0; round < 2; round++) {
        solo_forget(&solo);
        for (uint64_t i = 0; i < 1100; i++) {
            ask_as_member(&solo, 3, i);
        }
        size_t refused = solo_count(&solo, WIRE_READ_RESPONSE);
        assert_int_equal(refused, 1100 - 1024);
        assert_int_equal(solo_last(&solo, WIRE_READ_RESPONSE)->message.read_response.status,
                         QR_ERR_BUSY);
        solo_acknowledge(&solo, 2, last);
        solo_work(&solo);
        assert_int_equal(solo_count(&solo, WIRE_READ_RESPONSE), 1100);
    }
    solo_deinit(&solo);
}

static void past_its_limit_of_questions_the_node_is_busy(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_stop(&solo);
    solo.options.pending_max = 2 * GROUPS_MAX;
    solo_start(&solo);
    solo_hear(&solo, 2, 1);
    for (uint64_t i = 0; i < GROUPS_MAX; i++) {
        take(&solo, i);
        solo_turn(&solo);
    }
    assert_int_equal(solo_read(&solo, GROUPS_MAX), QR_ERR_BUSY);
    answer(&solo, solo_question(&solo), 0, 1);
    told(&solo, GROUPS_MAX - 1, 0);
    assert_int_equal(solo_read(&solo, GROUPS_MAX), QR_ERR_BUSY); /* the oldest keep the places */
    pass(&solo, LIMIT_MS);
    told(&solo, 0, QR_ERR_TIMEOUT);
    take(&solo, GROUPS_MAX);
    solo_deinit(&solo);
}

static void a_node_that_stops_tells_everybody(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    take(&solo, 1);
    solo_turn(&solo);
    take(&solo, 2);
    solo_stop(&solo);
    told(&solo, 1, QR_ERR_STOPPED);
    told(&solo, 2, QR_ERR_STOPPED);
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_of_one_turn_share_one_question),
        cmocka_unit_test(later_reads_do_not_share_an_earlier_question),
        cmocka_unit_test(questions_may_be_answered_in_any_order),
        cmocka_unit_test(a_lost_question_is_asked_again_under_another_number),
        cmocka_unit_test(an_answer_to_an_earlier_number_is_ignored),
        cmocka_unit_test(it_waits_until_what_it_must_see_is_applied),
        cmocka_unit_test(who_does_not_lead_any_more_is_not_believed),
        cmocka_unit_test(without_a_leader_it_is_refused_in_time),
        cmocka_unit_test(it_waits_for_a_leader_to_be_known),
        cmocka_unit_test(without_any_answer_it_ends_at_its_limit),
        cmocka_unit_test(a_leader_answers_after_a_round_that_began_after_the_read),
        cmocka_unit_test(a_leader_that_nobody_hears_answers_no_read),
        cmocka_unit_test(a_deposed_leaders_reads_go_to_the_next_one),
        cmocka_unit_test(a_member_is_answered_after_a_round),
        cmocka_unit_test(a_member_that_asks_the_wrong_node_is_told),
        cmocka_unit_test(a_member_is_told_when_leadership_is_lost),
        cmocka_unit_test(members_that_ask_too_much_are_refused),
        cmocka_unit_test(past_its_limit_of_questions_the_node_is_busy),
        cmocka_unit_test(a_node_that_stops_tells_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
