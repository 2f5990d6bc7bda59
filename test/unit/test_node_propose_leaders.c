/* test_node_propose_leaders.c: proposals on their way while leaders follow one another. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "propose_solo.h"
#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

static void who_no_longer_leads_is_not_asked_in_vain(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_turn(&solo);
    uint64_t request = forwarded(&solo)->request;
    next_leader(&solo);
    solo_forget(&solo);
    answer(&solo, 2,
           (struct wire_forward_response){
               .request = request, .count = 1, .status = QR_ERR_NOT_LEADER, .entry_term = 1});
    waits(&solo, 1);
    solo_deinit(&solo);
}

static void once_another_leader_rules_it_is_sent_to_that_one(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_turn(&solo);
    solo_forget(&solo);
    solo_hear(&solo, 3, 2); /* it may yet have the entry: no leader's word for the contrary */
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 0);
    next_leader(&solo);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 1);
    assert_int_equal(solo_last(&solo, WIRE_FORWARD)->to, 3);
    assert_int_equal(forwarded(&solo)->term, 2);
    waits(&solo, 1);
    solo_deinit(&solo);
}

/* Frames are told apart by a number that grows, whatever proposals are in them. */
static void what_is_sent_again_is_not_taken_for_a_repetition(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_turn(&solo);
    struct wire_forward first = *forwarded(&solo);
    next_leader(&solo);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 2);
    assert_int_equal(forwarded(&solo)->request, first.request);
    assert_true(forwarded(&solo)->number > first.number);
    solo_deinit(&solo);
}

/* The first leader's refusal comes after the second one was sent it. Heeded, the third one
 * would be sent it too, beside the second's entry, which it may have.
 */
static void a_late_refusal_by_an_earlier_leader_sends_nothing_again(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_turn(&solo);
    uint64_t request = forwarded(&solo)->request;
    next_leader(&solo);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 2);
    answer(&solo, 2,
           (struct wire_forward_response){
               .request = request, .count = 1, .status = QR_ERR_NOT_LEADER, .entry_term = 1});
    solo_hear(&solo, 2, 3);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 2);
    solo_deinit(&solo);
}

static void a_late_refusal_by_an_earlier_leader_is_not_passed_on(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_turn(&solo);
    uint64_t request = forwarded(&solo)->request;
    next_leader(&solo);
    answer(&solo, 2,
           (struct wire_forward_response){
               .request = request, .count = 1, .status = QR_ERR_BUSY, .entry_term = 1});
    waits(&solo, 1);
    solo_deinit(&solo);
}

/* The entry of the earlier leader survives: found applied, it is not sent again. */
static void an_entry_that_survives_its_leader_is_done(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_turn(&solo);
    solo_append_forwarded(
        &solo, solo_last(&solo, WIRE_FORWARD),
        (struct solo_append){.from = 3, .term = 2, .prev = {1, 1}, .entry_term = 1});
    solo_work(&solo);
    told(&solo, 1, 0);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 1);
    solo_deinit(&solo);
}

static void a_leaders_own_proposal_is_superseded_by_another_leaders_entry(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    raft_term term = solo_lead(&solo);
    raft_index last = solo_status(&solo).raft.last_index;
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_work(&solo);
    assert_int_equal(solo_status(&solo).raft.last_index, last + 1);
    waits(&solo, 1);
    solo_append(&solo, (struct solo_append){.from = 3,
                                            .term = term + 1,
                                            .prev = {term, last},
                                            .commit = last + 1,
                                            .entry_term = term + 1,
                                            .first_number = 900,
                                            .count = 1});
    solo_work(&solo);
    told(&solo, 1, QR_ERR_SUPERSEDED);
    assert_int_equal(solo.applied_count, 1);
    assert_int_equal(solo.applied[0], 900);
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_no_longer_leads_is_not_asked_in_vain),
        cmocka_unit_test(once_another_leader_rules_it_is_sent_to_that_one),
        cmocka_unit_test(what_is_sent_again_is_not_taken_for_a_repetition),
        cmocka_unit_test(a_late_refusal_by_an_earlier_leader_sends_nothing_again),
        cmocka_unit_test(a_late_refusal_by_an_earlier_leader_is_not_passed_on),
        cmocka_unit_test(an_entry_that_survives_its_leader_is_done),
        cmocka_unit_test(a_leaders_own_proposal_is_superseded_by_another_leaders_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
