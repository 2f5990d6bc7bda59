/* test_node_forward.c: a leader takes what members forward; and what a full disk refuses. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define PAYLOAD_BYTES 8000

/* The leader of three; returns its term. */
static raft_term lead(struct solo *solo)
{
    solo_init(solo);
    solo_join(solo);
    return solo_lead(solo);
}

static raft_index last_index(const struct solo *solo)
{
    return solo_status(solo).raft.last_index;
}

static const struct wire_forward_response *answered(const struct solo *solo)
{
    const struct solo_sent *sent = solo_last(solo, WIRE_FORWARD_RESPONSE);
    assert_non_null(sent);
    return &sent->message.forward_response;
}

static void forwarded_proposals_are_appended_in_their_order(void **state)
{
    (void)state;
    struct solo solo;
    raft_term term = lead(&solo);
    raft_index before = last_index(&solo);
    solo_forward(&solo, (struct solo_forward){
                            .from = 3, .request = 40, .term = term, .number = 1, .count = 3});
    solo_turn(&solo);
    assert_int_equal(last_index(&solo), before + 3);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD_RESPONSE), 1);
    assert_int_equal(answered(&solo)->status, 0);
    assert_int_equal(answered(&solo)->request, 40);
    assert_int_equal(answered(&solo)->count, 3);
    assert_int_equal(answered(&solo)->first_index, before + 1);
    assert_int_equal(answered(&solo)->entry_term, term);
    solo_run(&solo, 1);
    solo_oblige(&solo);
    solo_work(&solo);
    assert_int_equal(solo.applied_count, 3);
    assert_int_equal(solo.applied[2], 2);
    solo_deinit(&solo);
}

static void a_frame_that_came_twice_appends_once(void **state)
{
    (void)state;
    struct solo solo;
    raft_term term = lead(&solo);
    raft_index before = last_index(&solo);
    struct solo_forward forward = {.from = 3, .request = 40, .term = term, .number = 7, .count = 2};
    for (int i = 0; i < 3; i++) {
        solo_forward(&solo, forward);
        solo_turn(&solo);
    }
    assert_int_equal(last_index(&solo), before + 2);
    solo_deinit(&solo);
}

static void a_frame_that_comes_late_appends_nothing(void **state)
{
    (void)state;
    struct solo solo;
    raft_term term = lead(&solo);
    raft_index before = last_index(&solo);
    solo_forward(&solo, (struct solo_forward){
                            .from = 3, .request = 50, .term = term, .number = 8, .count = 1});
    solo_forward(&solo, (struct solo_forward){
                            .from = 3, .request = 40, .term = term, .number = 7, .count = 1});
    assert_int_equal(last_index(&solo), before + 1);
    solo_deinit(&solo);
}

static void members_do_not_stand_in_each_others_way(void **state)
{
    (void)state;
    struct solo solo;
    raft_term term = lead(&solo);
    raft_index before = last_index(&solo);
    for (node_id from = 2; from <= 3; from++) {
        solo_forward(&solo,
                     (struct solo_forward){
                         .from = from, .request = 40, .term = term, .number = 7, .count = 1});
    }
    assert_int_equal(last_index(&solo), before + 2);
    solo_deinit(&solo);
}

/* Its numbers begin anew, far from those of the life before. */
static void another_life_of_a_member_is_heard(void **state)
{
    (void)state;
    struct solo solo;
    raft_term term = lead(&solo);
    raft_index before = last_index(&solo);
    solo_forward(
        &solo,
        (struct solo_forward){
            .from = 3, .request = 40, .term = term, .number = UINT64_C(1) << 60, .count = 1});
    solo_forward(&solo, (struct solo_forward){
                            .from = 3, .request = 40, .term = term, .number = 1000, .count = 1});
    assert_int_equal(last_index(&solo), before + 2);
    solo_deinit(&solo);
}

static void what_was_meant_for_another_term_is_refused(void **state)
{
    (void)state;
    struct solo solo;
    raft_term term = lead(&solo);
    raft_index before = last_index(&solo);
    const raft_term terms[] = {term - 1, term + 1};
    for (size_t i = 0; i < COUNT_OF(terms); i++) {
        solo_forward(&solo,
                     (struct solo_forward){
                         .from = 3, .request = 40, .term = terms[i], .number = 1 + i, .count = 2});
        solo_turn(&solo);
        assert_int_equal(answered(&solo)->status, QR_ERR_NOT_LEADER);
        assert_int_equal(answered(&solo)->count, 2);
        assert_int_equal(answered(&solo)->entry_term, terms[i]);
    }
    assert_int_equal(last_index(&solo), before);
    solo_deinit(&solo);
}

static void who_does_not_lead_refuses(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo_join(&solo);
    solo_forward(
        &solo, (struct solo_forward){.from = 3, .request = 40, .term = 1, .number = 1, .count = 1});
    assert_int_equal(answered(&solo)->status, QR_ERR_NOT_LEADER);
    assert_int_equal(last_index(&solo), 1);
    solo_deinit(&solo);
}

/* What fits is appended, what does not is refused, and the answers say which is which. */
static void past_the_limit_the_rest_is_refused(void **state)
{
    (void)state;
    struct solo solo;
    raft_term term = lead(&solo);
    raft_index before = last_index(&solo);
    solo_forward(&solo, (struct solo_forward){.from = 3,
                                              .request = 40,
                                              .term = term,
                                              .number = 1,
                                              .count = 60,
                                              .extra_bytes = PAYLOAD_BYTES});
    raft_index taken = last_index(&solo) - before;
    assert_in_range(taken, 1, 59);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD_RESPONSE), 2);
    assert_int_equal(answered(&solo)->status, QR_ERR_BUSY);
    assert_int_equal(answered(&solo)->request, 40 + taken);
    assert_int_equal(answered(&solo)->count, 60 - taken);
    solo_deinit(&solo);
}

/* A member with a larger limit must not bring this one down. */
static void a_larger_proposal_than_the_log_holds_is_refused(void **state)
{
    (void)state;
    struct solo solo;
    raft_term term = lead(&solo);
    raft_index before = last_index(&solo);
    solo_forward(&solo, (struct solo_forward){.from = 3,
                                              .request = 40,
                                              .term = term,
                                              .number = 1,
                                              .count = 1,
                                              .extra_bytes = 2 * solo.options.message_bytes_max});
    solo_work(&solo);
    assert_int_equal(last_index(&solo), before);
    assert_int_equal(answered(&solo)->status, QR_ERR_TOO_LARGE);
    assert_int_equal(solo.failed_count, 0);
    solo_deinit(&solo);
}

/* Who forwarded waits for the commit: it is told at once, not with the next heartbeat. */
static void a_forwarder_hears_of_the_commit_at_once(void **state)
{
    (void)state;
    struct solo solo;
    raft_term term = lead(&solo);
    solo_forward(&solo, (struct solo_forward){
                            .from = 3, .request = 40, .term = term, .number = 1, .count = 1});
    solo_work(&solo);
    solo_forget(&solo);
    solo_acknowledge(&solo, 2, last_index(&solo));
    solo_turn(&solo);
    const struct solo_sent *sent = solo_last(&solo, RAFT_APPEND_ENTRIES);
    assert_non_null(sent);
    assert_int_equal(sent->to, 3);
    assert_int_equal(sent->message.raft.append_entries.commit, last_index(&solo));
    solo_deinit(&solo);
}

/* What they sent to the leader before was lost: they send it again when they know that. */
static void all_hear_of_a_new_leader_s_first_commit_at_once(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo_join(&solo);
    while (solo_status(&solo).raft.role != RAFT_LEADER) {
        solo_run(&solo, 1);
        solo_oblige(&solo);
        solo_turn(&solo);
    }
    solo_work(&solo);
    assert_false(solo_status(&solo).raft.has_committed_in_term);
    solo_forget(&solo);
    solo_acknowledge(&solo, 2, last_index(&solo));
    solo_turn(&solo);
    assert_true(solo_status(&solo).raft.has_committed_in_term);
    unsigned told = 0;
    for (const struct solo_sent *sent = solo.sent; sent != NULL; sent = sent->next) {
        if (sent->message.type == RAFT_APPEND_ENTRIES &&
            sent->message.raft.append_entries.commit == last_index(&solo)) {
            told |= 1U << sent->to;
        }
    }
    assert_int_equal(told, 1U << 2 | 1U << 3);
    solo_deinit(&solo);
}

/* A cluster of one whose disk grows no more, written to until it says so. */
static void fill_disk(struct solo *solo)
{
    static uint8_t payload[PAYLOAD_BYTES];
    solo_init(solo);
    solo->options.is_bootstrap = true;
    solo_start(solo);
    solo_run(solo, 700);
    uint64_t used = 0;
    for (size_t i = 0; i < solo->disk.file_count; i++) {
        used += solo->disk.files[i].size_bytes;
    }
    solo->disk.room_bytes = used;
    struct node_proposal proposal = {.payload = payload, .payload_bytes = sizeof(payload)};
    int status = 0;
    for (uint64_t i = 0; i < 500 && status == 0; i++) {
        status = node_propose(solo->node, &proposal, i, solo->time);
        solo_work(solo);
        assert_int_equal(solo->proposals[i].count, status == 0 ? 1 : 0);
        assert_int_equal(solo->proposals[i].status, 0);
    }
    assert_int_equal(status, QR_ERR_DISK_FULL);
}

static void a_full_disk_refuses_writes_and_nothing_else(void **state)
{
    (void)state;
    struct solo solo;
    fill_disk(&solo);
    assert_int_equal(solo_status(&solo).raft.role, RAFT_LEADER);
    assert_int_equal(solo_read(&solo, 1), 0);
    solo_work(&solo);
    assert_int_equal(solo.reads[1].count, 1);
    assert_int_equal(solo.reads[1].status, 0);
    assert_true(solo_status(&solo).is_disk_full);
    assert_int_equal(solo.failed_count, 0);
    solo_deinit(&solo);
}

static void with_room_again_writes_go_on(void **state)
{
    (void)state;
    struct solo solo;
    fill_disk(&solo);
    solo.disk.room_bytes = UINT64_MAX;
    solo_run(&solo, 1100);
    assert_false(solo_status(&solo).is_disk_full);
    assert_int_equal(solo_propose(&solo, 600), 0);
    solo_work(&solo);
    assert_int_equal(solo.proposals[600].status, 0);
    assert_int_equal(solo.proposals[600].count, 1);
    solo_deinit(&solo);
}

/* Its next life finds the reserve for a term and a vote, and leads again. */
static void on_a_full_disk_a_node_starts_and_leads(void **state)
{
    (void)state;
    struct solo solo;
    fill_disk(&solo);
    size_t applied = (size_t)solo_status(&solo).raft.applied_index;
    for (int i = 0; i < 3; i++) {
        solo_stop(&solo);
        solo_start(&solo);
        solo_run(&solo, 700);
        assert_int_equal(solo.failed_count, 0);
        assert_int_equal(solo_status(&solo).raft.role, RAFT_LEADER);
        assert_true(solo_status(&solo).raft.applied_index >= applied);
    }
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forwarded_proposals_are_appended_in_their_order),
        cmocka_unit_test(a_frame_that_came_twice_appends_once),
        cmocka_unit_test(a_frame_that_comes_late_appends_nothing),
        cmocka_unit_test(members_do_not_stand_in_each_others_way),
        cmocka_unit_test(another_life_of_a_member_is_heard),
        cmocka_unit_test(what_was_meant_for_another_term_is_refused),
        cmocka_unit_test(who_does_not_lead_refuses),
        cmocka_unit_test(past_the_limit_the_rest_is_refused),
        cmocka_unit_test(a_larger_proposal_than_the_log_holds_is_refused),
        cmocka_unit_test(a_forwarder_hears_of_the_commit_at_once),
        cmocka_unit_test(all_hear_of_a_new_leader_s_first_commit_at_once),
        cmocka_unit_test(a_full_disk_refuses_writes_and_nothing_else),
        cmocka_unit_test(with_room_again_writes_go_on),
        cmocka_unit_test(on_a_full_disk_a_node_starts_and_leads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
