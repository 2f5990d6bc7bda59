/* test_node_members.c: who is let into the cluster, and when a learner becomes a voter. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define NEWCOMER 4
#define JOINS_MAX 16

/* The leader of three voters. */
static void begin(struct solo *solo)
{
    solo_init(solo);
    solo_join(solo);
    solo_lead(solo);
}

/* Time passes; 2 says yes to everything, and the newcomer has the log up to `match`. */
static void pass(struct solo *solo, unsigned milliseconds, raft_index match)
{
    for (unsigned i = 0; i < milliseconds; i++) {
        solo_run(solo, 1);
        solo_oblige(solo);
        if (match > 0) {
            solo_acknowledge(solo, NEWCOMER, match);
        }
    }
}

static void ask(struct solo *solo, node_id from, const char *name, const char *address, bool vote)
{
    struct wire_message message = {.type = WIRE_JOIN};
    message.join.from = from;
    message.join.wants_vote = vote;
    memcpy(message.join.name, name, strlen(name));
    memcpy(message.join.address, address, strlen(address));
    solo_receive(solo, from, &message);
    solo_work(solo);
}

static const struct solo_sent *answered(const struct solo *solo)
{
    const struct solo_sent *sent = solo_last(solo, WIRE_JOIN_RESPONSE);
    assert_non_null(sent);
    assert_true(sent->is_reply);
    return sent;
}

static int status_of(const struct solo *solo)
{
    return answered(solo)->message.join_response.status;
}

static const struct raft_member *member(const struct solo *solo, node_id id)
{
    const struct raft_configuration *configuration = node_configuration(solo->node);
    int at = raft_configuration_find(configuration, id);
    return at < 0 ? NULL : &configuration->members[at];
}

static raft_index last_index(const struct solo *solo)
{
    return solo_status(solo).raft.last_index;
}

/* What a majority has is committed; solo_oblige() would forget what was sent before. */
static void commit(struct solo *solo)
{
    solo_acknowledge(solo, 2, last_index(solo));
    solo_work(solo);
}

static void a_newcomer_becomes_a_learner_first(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    ask(&solo, NEWCOMER, "n4", "a4", true);
    assert_non_null(member(&solo, NEWCOMER));
    assert_int_equal(member(&solo, NEWCOMER)->roles, RAFT_PROMOTABLE);
    assert_string_equal(member(&solo, NEWCOMER)->address, "a4");
    solo_deinit(&solo);
}

static void it_is_told_only_when_that_is_committed(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    ask(&solo, NEWCOMER, "n4", "a4", true);
    solo_run(&solo, 60);
    assert_int_equal(solo_count(&solo, WIRE_JOIN_RESPONSE), 0);
    commit(&solo);
    solo_run(&solo, 60);
    assert_int_equal(status_of(&solo), 0);
    assert_int_equal(answered(&solo)->connection, 100 + NEWCOMER);
    assert_true(cluster_id_equal(answered(&solo)->message.join_response.cluster, SOLO_CLUSTER));
    solo_deinit(&solo);
}

static void who_asks_again_is_answered_where_it_asked_last(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    ask(&solo, NEWCOMER, "n4", "a4", true);
    struct wire_message again = {.type = WIRE_JOIN, .join = {.from = NEWCOMER, .name = "n4"}};
    memcpy(again.join.address, "a4", 2);
    node_receive(solo.node, NEWCOMER, 555, &again, solo.time);
    commit(&solo);
    solo_run(&solo, 60);
    assert_int_equal(solo_count(&solo, WIRE_JOIN_RESPONSE), 1);
    assert_int_equal(answered(&solo)->connection, 555);
    solo_deinit(&solo);
}

static void a_learner_that_is_behind_is_not_promoted(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    ask(&solo, NEWCOMER, "n4", "a4", true);
    pass(&solo, 100, 1);
    pass(&solo, 500, 1);
    assert_int_equal(member(&solo, NEWCOMER)->roles, RAFT_PROMOTABLE);
    solo_deinit(&solo);
}

static void a_learner_that_is_not_heard_is_not_promoted(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    ask(&solo, NEWCOMER, "n4", "a4", true);
    pass(&solo, 1000, 0);
    assert_int_equal(member(&solo, NEWCOMER)->roles, RAFT_PROMOTABLE);
    solo_deinit(&solo);
}

static void a_learner_that_has_caught_up_becomes_a_voter(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    ask(&solo, NEWCOMER, "n4", "a4", true);
    pass(&solo, 800, last_index(&solo));
    assert_int_equal(member(&solo, NEWCOMER)->roles, RAFT_VOTER);
    solo_deinit(&solo);
}

/* Simulator, seed 951: far away, and under writes that never end, it is always a little behind. */
static void a_learner_whose_answers_take_longer_than_a_heartbeat_becomes_a_voter(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    uint64_t away_ms = 3 * solo.options.heartbeat_interval_ns / NS_PER_MS / 2;
    assert_true(away_ms * NS_PER_MS < solo.options.election_timeout_min_ns);
    ask(&solo, NEWCOMER, "n4", "a4", true);
    raft_index lasts[1000];
    for (uint64_t i = 0; i < COUNT_OF(lasts); i++) {
        assert_int_equal(solo_propose(&solo, i + 1), 0);
        lasts[i] = last_index(&solo);
        pass(&solo, 1, i < away_ms ? 0 : lasts[i - away_ms]);
    }
    assert_int_equal(member(&solo, NEWCOMER)->roles, RAFT_VOTER);
    solo_deinit(&solo);
}

static void who_wants_no_vote_gets_none(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    ask(&solo, NEWCOMER, "n4", "a4", false);
    pass(&solo, 500, last_index(&solo));
    assert_int_equal(member(&solo, NEWCOMER)->roles, 0);
    solo_deinit(&solo);
}

static void a_name_that_another_has_is_refused(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    raft_index before = last_index(&solo);
    ask(&solo, NEWCOMER, "n3", "a4", true);
    assert_int_equal(status_of(&solo), QR_ERR_FOREIGN);
    assert_non_null(strstr(answered(&solo)->message.join_response.reason, "name"));
    assert_int_equal(last_index(&solo), before);
    solo_deinit(&solo);
}

static void a_member_that_moved_is_recorded_at_its_new_address(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    ask(&solo, 3, "n3", "b3", false);
    assert_string_equal(member(&solo, 3)->address, "b3");
    assert_int_equal(member(&solo, 3)->roles, RAFT_VOTER);
    solo_deinit(&solo);
}

static void a_member_that_asks_for_nothing_new_changes_nothing(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    raft_index before = last_index(&solo);
    ask(&solo, 3, "n3", "a3", true);
    assert_int_equal(status_of(&solo), 0);
    assert_int_equal(last_index(&solo), before);
    solo_deinit(&solo);
}

static void nobody_asks_in_anothers_name(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    struct wire_message message = {.type = WIRE_JOIN,
                                   .join = {.from = 3, .name = "n3", .address = "b3"}};
    solo_receive(&solo, NEWCOMER, &message);
    solo_work(&solo);
    assert_string_equal(member(&solo, 3)->address, "a3");
    solo_deinit(&solo);
}

/* It was removed, and has not heard of it, or what it sent then comes late. */
static void what_a_member_says_of_itself_adds_nobody(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    struct wire_message gone = {.type = WIRE_JOIN,
                                .join = {.from = NEWCOMER, .name = "n4", .address = "b4"}};
    node_receive(solo.node, NEWCOMER, 0, &gone, solo.time);
    solo_work(&solo);
    assert_null(member(&solo, NEWCOMER));
    assert_int_equal(solo_count(&solo, WIRE_JOIN_RESPONSE), 0);
    struct wire_message moved = {.type = WIRE_JOIN,
                                 .join = {.from = 3, .name = "n3", .address = "b3"}};
    node_receive(solo.node, 3, 0, &moved, solo.time);
    solo_work(&solo);
    assert_string_equal(member(&solo, 3)->address, "b3");
    assert_int_equal(solo_count(&solo, WIRE_JOIN_RESPONSE), 0);
    solo_deinit(&solo);
}

static void what_a_member_said_before_it_was_removed_adds_nobody(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    ask(&solo, NEWCOMER, "n4", "a4", true); /* one change at a time: the others wait for it */
    struct wire_message moved = {.type = WIRE_JOIN,
                                 .join = {.from = 3, .name = "n3", .address = "b3"}};
    const struct wire_change removal = {.removed = "n3"};
    node_receive(solo.node, 3, 0, &moved, solo.time);
    assert_int_equal(node_change(solo.node, &removal, 1, solo.time), 0);
    for (unsigned i = 0; i < 4; i++) {
        commit(&solo);
        solo_run(&solo, 60);
    }
    assert_int_equal(solo.changes[1].status, 0);
    assert_null(member(&solo, 3));
    solo_deinit(&solo);
}

static void newcomers_are_taken_in_one_after_another(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    ask(&solo, 4, "n4", "a4", true);
    ask(&solo, 5, "n5", "a5", true);
    assert_non_null(member(&solo, 4));
    assert_null(member(&solo, 5));
    commit(&solo);
    solo_run(&solo, 60);
    assert_non_null(member(&solo, 5));
    solo_deinit(&solo);
}

static void too_many_at_once_are_refused(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    for (node_id i = 0; i <= JOINS_MAX; i++) {
        char name[3] = {'x', (char)('a' + i), 0};
        ask(&solo, 10 + i, name, "a", true);
    }
    assert_int_equal(solo_count(&solo, WIRE_JOIN_RESPONSE), 1);
    assert_int_equal(status_of(&solo), QR_ERR_BUSY);
    solo_deinit(&solo);
}

static void who_does_not_lead_says_who_does(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo_join(&solo);
    ask(&solo, NEWCOMER, "n4", "a4", true);
    assert_int_equal(status_of(&solo), QR_ERR_NOT_LEADER);
    assert_string_equal(answered(&solo)->message.join_response.leader_address, "a2");
    solo_deinit(&solo);
}

static void when_leadership_is_lost_who_waits_is_told(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    ask(&solo, NEWCOMER, "n4", "a4", true);
    solo_run(&solo, 1000);
    assert_int_equal(status_of(&solo), QR_ERR_NOT_LEADER);
    solo_deinit(&solo);
}

/* It lost its data and comes back under its name: a new node, which must choose another. */
static void a_wiped_node_is_a_new_one(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    ask(&solo, 77, "n3", "a3", true);
    assert_int_equal(status_of(&solo), QR_ERR_FOREIGN);
    assert_null(member(&solo, 77));
    solo_deinit(&solo);
}

static void a_wiped_node_comes_back_as_a_learner_once_the_old_one_is_removed(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    const struct wire_change removal = {.removed = "n3"};
    assert_int_equal(node_change(solo.node, &removal, 0, solo.time), 0);
    solo_work(&solo);
    commit(&solo);
    solo_run(&solo, 60);
    assert_int_equal(solo.changes[0].count, 1);
    assert_int_equal(solo.changes[0].status, 0);
    assert_null(member(&solo, 3));
    ask(&solo, 77, "n3", "a3", true);
    assert_non_null(member(&solo, 77));
    assert_int_equal(member(&solo, 77)->roles, RAFT_PROMOTABLE);
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newcomer_becomes_a_learner_first),
        cmocka_unit_test(it_is_told_only_when_that_is_committed),
        cmocka_unit_test(who_asks_again_is_answered_where_it_asked_last),
        cmocka_unit_test(a_learner_that_is_behind_is_not_promoted),
        cmocka_unit_test(a_learner_that_is_not_heard_is_not_promoted),
        cmocka_unit_test(a_learner_that_has_caught_up_becomes_a_voter),
        cmocka_unit_test(a_learner_whose_answers_take_longer_than_a_heartbeat_becomes_a_voter),
        cmocka_unit_test(who_wants_no_vote_gets_none),
        cmocka_unit_test(a_name_that_another_has_is_refused),
        cmocka_unit_test(a_member_that_moved_is_recorded_at_its_new_address),
        cmocka_unit_test(a_member_that_asks_for_nothing_new_changes_nothing),
        cmocka_unit_test(nobody_asks_in_anothers_name),
        cmocka_unit_test(what_a_member_says_of_itself_adds_nobody),
        cmocka_unit_test(what_a_member_said_before_it_was_removed_adds_nobody),
        cmocka_unit_test(newcomers_are_taken_in_one_after_another),
        cmocka_unit_test(too_many_at_once_are_refused),
        cmocka_unit_test(who_does_not_lead_says_who_does),
        cmocka_unit_test(when_leadership_is_lost_who_waits_is_told),
        cmocka_unit_test(a_wiped_node_is_a_new_one),
        cmocka_unit_test(a_wiped_node_comes_back_as_a_learner_once_the_old_one_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
