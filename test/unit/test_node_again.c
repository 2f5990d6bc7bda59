/* test_node_again.c: what is asked, sent, counted or told again, and what is not. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

static raft_index last_index(const struct solo *solo)
{
    return solo_status(solo).raft.last_index;
}

/* Leader 2 of term 1, before its followers know that it was deposed. */
static void refuse_proposal(struct solo *solo)
{
    const struct solo_sent *sent = solo_last(solo, WIRE_FORWARD);
    assert_non_null(sent);
    struct wire_message message = {
        .type = WIRE_FORWARD_RESPONSE,
        .forward_response = {.from = 2,
                             .request = sent->message.forward.request,
                             .count = 1,
                             .status = QR_ERR_NOT_LEADER,
                             .entry_term = 1},
    };
    solo_receive(solo, 2, &message);
    solo_turn(solo);
}

static void refuse_read(struct solo *solo, int status)
{
    struct wire_message message = {
        .type = WIRE_READ_RESPONSE,
        .read_response = {.from = 2, .request = solo_question(solo), .status = status},
    };
    solo_receive(solo, 2, &message);
    solo_turn(solo);
}

static void who_refused_a_proposal_is_not_sent_it_again_in_its_term(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_turn(&solo);
    refuse_proposal(&solo);
    solo_run(&solo, 20);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 1);
    solo_append(
        &solo, (struct solo_append){.from = 3, .term = 2, .prev = {1, 1}, .commit = 1, .round = 1});
    solo_work(&solo);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 2);
    assert_int_equal(solo_last(&solo, WIRE_FORWARD)->to, 3);
    solo_deinit(&solo);
}

static void a_refused_read_is_asked_again_after_a_heartbeat(void **state)
{
    (void)state;
    const int refusals[] = {QR_ERR_NOT_LEADER, QR_ERR_BUSY};
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct solo solo;
        solo_begin(&solo);
        assert_int_equal(solo_read(&solo, 1), 0);
        solo_turn(&solo);
        refuse_read(&solo, refusals[i]);
        solo_run(&solo, 49);
        assert_int_equal(solo_count(&solo, WIRE_READ), 1);
        solo_run(&solo, 52);
        assert_int_equal(solo_count(&solo, WIRE_READ), 2);
        solo_deinit(&solo);
    }
}

static void a_refused_read_is_asked_of_the_next_leader_at_once(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_read(&solo, 1), 0);
    solo_turn(&solo);
    refuse_read(&solo, QR_ERR_NOT_LEADER);
    solo_hear(&solo, 3, 2);
    assert_int_equal(solo_count(&solo, WIRE_READ), 2);
    assert_int_equal(solo_last(&solo, WIRE_READ)->to, 3);
    solo_deinit(&solo);
}

/* A follower keeps what it forwards until that is applied: so much, and no more. */
static void what_is_kept_for_a_leader_has_a_limit_in_bytes(void **state)
{
    (void)state;
    static const char payload[16384 - ENTRY_HEADER_BYTES];
    struct solo solo;
    solo_begin(&solo);
    struct node_proposal proposal = {.payload = payload, .payload_bytes = sizeof(payload)};
    size_t limit = 4 * solo.options.inflight_bytes_max / 16384;
    for (uint64_t token = 0; token < limit; token++) {
        assert_int_equal(node_propose(solo.node, &proposal, token, solo.time), 0);
    }
    assert_int_equal(node_propose(solo.node, &proposal, limit, solo.time), QR_ERR_BUSY);
    solo_turn(&solo);
    assert_int_equal(node_propose(solo.node, &proposal, limit, solo.time), QR_ERR_BUSY);
    solo_wait(&solo, 2000);
    assert_int_equal(solo.proposals[0].status, QR_ERR_TIMEOUT);
    assert_int_equal(node_propose(solo.node, &proposal, limit, solo.time), 0);
    solo_deinit(&solo);
}

/* Far more than the log has room for, none of which is saved. */
static void append_often(struct solo *solo, struct solo_append append)
{
    for (int i = 0; i < 200; i++) {
        solo_append(solo, append);
        solo_work(solo);
    }
}

static void entries_that_are_refused_take_no_room(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    append_often(&solo, (struct solo_append){
                            .from = 2, .term = 1, .prev = {1, 9}, .entry_term = 1, .count = 100});
    assert_false(solo_status(&solo).is_disk_full);
    solo_append(&solo, (struct solo_append){
                           .from = 2, .term = 1, .prev = {1, 1}, .entry_term = 1, .count = 1});
    assert_int_equal(last_index(&solo), 2);
    solo_deinit(&solo);
}

static void entries_that_are_known_take_no_room(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    append_often(&solo, (struct solo_append){
                            .from = 2, .term = 1, .prev = {1, 1}, .entry_term = 1, .count = 100});
    assert_false(solo_status(&solo).is_disk_full);
    solo_append(&solo, (struct solo_append){
                           .from = 2, .term = 1, .prev = {1, 101}, .entry_term = 1, .count = 1});
    assert_int_equal(last_index(&solo), 102);
    solo_deinit(&solo);
}

/* It is not connected to the leader, so its own proposal cannot have been sent. */
static void an_entry_with_the_id_of_a_held_proposal_is_another_one(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo.is_send_refused = true;
    struct node_proposal proposal = {.id = {2, 901}, .command = "x", .command_bytes = 1};
    assert_int_equal(node_propose(solo.node, &proposal, 7, solo.time), 0);
    solo_turn(&solo);
    solo_append(&solo, (struct solo_append){.from = 2,
                                            .term = 1,
                                            .prev = {1, 1},
                                            .commit = 2,
                                            .entry_term = 1,
                                            .first_number = 900,
                                            .count = 1});
    solo_work(&solo);
    assert_int_equal(solo.applied_count, 1);
    assert_int_equal(solo.proposals[7].count, 0);
    solo_deinit(&solo);
}

static bool is_due; /* whether the state machine wants log time to move */

static uint64_t sometimes_due(void *context)
{
    (void)context;
    return is_due ? 1 : 0;
}

static raft_term lead(struct solo *solo)
{
    solo_init(solo);
    solo->options.io.wake_at = sometimes_due;
    is_due = false;
    solo_join(solo);
    return solo_lead(solo);
}

static void a_tick_that_was_lost_with_its_leader_is_not_waited_for(void **state)
{
    (void)state;
    struct solo solo;
    raft_term term = lead(&solo);
    for (uint64_t i = 0; i < 10; i++) {
        assert_int_equal(solo_propose(&solo, i), 0);
    }
    is_due = true;
    raft_index last = last_index(&solo);
    solo_work(&solo);
    assert_int_equal(last_index(&solo), last + 1); /* the tick, behind the proposals */
    is_due = false;
    solo_append(&solo, (struct solo_append){.from = 3,
                                            .term = term + 1,
                                            .prev = {term, last - 10},
                                            .commit = last - 9,
                                            .entry_term = term + 1,
                                            .first_number = 900,
                                            .count = 1});
    solo_work(&solo);
    solo_lead(&solo);
    raft_index applied = last_index(&solo);
    assert_true(applied < last + 1);
    is_due = true;
    solo_work(&solo);
    assert_int_equal(last_index(&solo), applied + 1);
    solo_deinit(&solo);
}

/* solo_turn() fails the case when the node wants turn after turn. */
static void a_tick_that_is_refused_is_not_tried_again_at_once(void **state)
{
    (void)state;
    static const char
        payload[16384 - ENTRY_HEADER_BYTES]; /* a record that fills the limit evenly */
    struct solo solo;
    (void)lead(&solo);
    int status = 0;
    for (uint64_t token = 1; status == 0; token++) {
        struct node_proposal proposal = {.payload = payload, .payload_bytes = sizeof(payload)};
        status = node_propose(solo.node, &proposal, token, solo.time);
        solo_work(&solo);
    }
    assert_int_equal(status, QR_ERR_BUSY);
    is_due = true;
    raft_index last = last_index(&solo);
    solo_work(&solo);
    assert_int_equal(last_index(&solo), last);
    solo_deinit(&solo);
}

static void take_forward(struct solo *solo, raft_term term, uint64_t number)
{
    solo_forward(solo, (struct solo_forward){
                           .from = 3, .request = 40, .term = term, .number = number, .count = 1});
    solo_turn(solo);
}

static void frames_of_two_lives_of_a_member_may_come_mixed_and_twice(void **state)
{
    (void)state;
    const uint64_t lives[] = {UINT64_C(1) << 40, UINT64_C(1) << 20, UINT64_C(1) << 50};
    struct solo solo;
    raft_term term = lead(&solo);
    raft_index last = last_index(&solo);
    for (size_t i = 0; i < 2 * COUNT_OF(lives); i++) {
        take_forward(&solo, term, lives[i % COUNT_OF(lives)]);
    }
    assert_int_equal(last_index(&solo), last + COUNT_OF(lives));
    solo_deinit(&solo);
}

/* Leading, it may have appended what comes a second time now. */
static void who_led_before_it_was_started_again_does_not_say_what_it_did(void **state)
{
    (void)state;
    struct solo solo;
    raft_term term = lead(&solo);
    solo_crash(&solo);
    solo_start(&solo);
    assert_int_equal(solo_status(&solo).raft.term, term);
    solo_forget(&solo);
    take_forward(&solo, term, 1);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD_RESPONSE), 0);
    take_forward(&solo, term + 1, 2);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD_RESPONSE), 1);
    solo_deinit(&solo);
}

static node_id told_last; /* the last member of the configuration that was told last */

static void on_members(void *context, const struct raft_configuration *configuration)
{
    (void)context;
    if (configuration->count > 0) { /* none is known before the first is in the log */
        told_last = configuration->members[configuration->count - 1].id;
    }
}

/* A leader's entry at 2: voters 1, 2, 3 and a learner. */
static void append_learner(struct solo *solo, node_id leader, raft_term term, node_id learner)
{
    static uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
    struct raft_configuration configuration = {.count = 4};
    for (size_t i = 0; i < 3; i++) {
        configuration.members[i] = (struct raft_member){
            .id = i + 1, .roles = RAFT_VOTER, .priority = RAFT_PRIORITY_ORDINARY};
    }
    configuration.members[3].id = learner;
    struct entry_fields fields = {
        .index = 2,
        .term = term,
        .type = ENTRY_CONFIGURATION,
        .payload = payload,
        .payload_bytes = (uint32_t)raft_configuration_encode(&configuration, payload),
    };
    struct entry_arena arena;
    struct entry entry;
    entry_arena_init(&arena, &solo->outside.allocator);
    assert_int_equal(entry_arena_encode(&arena, &fields, &entry), 0);
    struct wire_message message = {
        .type = RAFT_APPEND_ENTRIES,
        .raft = {.type = RAFT_APPEND_ENTRIES,
                 .from = leader,
                 .to = SOLO_SELF,
                 .term = term,
                 .append_entries = {.prev = {1, 1}, .commit = 1}},
        .entries = &entry,
        .entry_count = 1,
    };
    solo_receive(solo, leader, &message);
    chunk_drop(entry.chunk);
    entry_arena_deinit(&arena);
}

static void a_configuration_that_takes_anothers_index_is_told(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo.options.io.members = on_members;
    solo_join(&solo);
    append_learner(&solo, 2, 1, 8);
    solo_work(&solo);
    assert_int_equal(told_last, 8);
    append_learner(&solo, 3, 2, 9);
    solo_work(&solo);
    assert_int_equal(told_last, 9);
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_refused_a_proposal_is_not_sent_it_again_in_its_term),
        cmocka_unit_test(a_refused_read_is_asked_again_after_a_heartbeat),
        cmocka_unit_test(a_refused_read_is_asked_of_the_next_leader_at_once),
        cmocka_unit_test(what_is_kept_for_a_leader_has_a_limit_in_bytes),
        cmocka_unit_test(entries_that_are_refused_take_no_room),
        cmocka_unit_test(entries_that_are_known_take_no_room),
        cmocka_unit_test(an_entry_with_the_id_of_a_held_proposal_is_another_one),
        cmocka_unit_test(a_tick_that_was_lost_with_its_leader_is_not_waited_for),
        cmocka_unit_test(a_tick_that_is_refused_is_not_tried_again_at_once),
        cmocka_unit_test(frames_of_two_lives_of_a_member_may_come_mixed_and_twice),
        cmocka_unit_test(who_led_before_it_was_started_again_does_not_say_what_it_did),
        cmocka_unit_test(a_configuration_that_takes_anothers_index_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
