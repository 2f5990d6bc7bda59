/* test_node_hint.c: a hint that the leader is gone makes a node ask for votes, and no more. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/node_solo.h"
#include "support/unit.h"

#define LEADER 2
#define TERM 1

/* A voter that has just heard leader 2 of term 1, which holds no leases. */
static void begin(struct solo *solo)
{
    solo_init(solo);
    solo->options.keeps_promise = true;
    solo_join(solo);
    solo_forget(solo);
}

static void hint(struct solo *solo, node_id leader, raft_term term)
{
    node_hint_leader_lost(solo->node, leader, term, solo->time);
    solo_work(solo);
}

static void a_lone_hint_asks_and_leaves_the_term_as_it_is(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    hint(&solo, LEADER, TERM);
    assert_int_equal(solo_count(&solo, RAFT_PRE_VOTE), 2);
    assert_int_equal(solo_count(&solo, RAFT_REQUEST_VOTE), 0);
    assert_int_equal(solo_status(&solo).raft.term, TERM);
    assert_true(solo_status(&solo).raft.is_leader_lost);

    solo_append(&solo, (struct solo_append){.from = LEADER, .term = TERM, .prev = {1, 1}});
    solo_work(&solo);
    assert_int_equal(solo_status(&solo).raft.role, RAFT_FOLLOWER);
    assert_int_equal(solo_status(&solo).raft.leader, LEADER);
    assert_false(solo_status(&solo).raft.is_leader_lost);
    solo_deinit(&solo);
}

static void about_another_term_or_node_it_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        node_id leader;
        raft_term term;
    } others[] = {{LEADER, TERM - 1}, {LEADER, TERM + 1}, {3, TERM}, {SOLO_SELF, TERM}};
    struct solo solo;
    begin(&solo);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        hint(&solo, others[i].leader, others[i].term);
        assert_int_equal(solo_count(&solo, RAFT_PRE_VOTE), 0);
        assert_false(solo_status(&solo).raft.is_leader_lost);
    }
    solo_deinit(&solo);
}

static void a_node_that_takes_no_part_ignores_it(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    node_stop(solo.node);
    node_hint_leader_lost(solo.node, LEADER, TERM, solo.time);
    assert_int_equal(solo_count(&solo, RAFT_PRE_VOTE), 0);
    solo_deinit(&solo);

    solo_init(&solo);
    solo.options.join = "a2";
    solo_start(&solo);
    node_hint_leader_lost(solo.node, LEADER, TERM, solo.time);
    assert_int_equal(solo_count(&solo, RAFT_PRE_VOTE), 0);
    solo_deinit(&solo);
}

static void a_voter_without_a_lease_owes_a_promise_to_a_leader_that_may_have_one(void **state)
{
    (void)state;
    struct solo solo;
    begin(&solo);
    struct wire_message message = {.type = RAFT_APPEND_ENTRIES};
    message.raft = (struct raft_message){
        .type = RAFT_APPEND_ENTRIES,
        .from = LEADER,
        .to = SOLO_SELF,
        .term = TERM,
        .append_entries = {.prev = {1, 1}, .commit = 1, .is_leased = true},
    };
    solo_receive(&solo, LEADER, &message);
    solo_work(&solo);
    hint(&solo, LEADER, TERM);
    assert_int_equal(solo_count(&solo, RAFT_PRE_VOTE), 0);
    solo_run(&solo, (unsigned)(solo.options.election_timeout_min_ns / NS_PER_MS - 1));
    assert_int_equal(solo_count(&solo, RAFT_PRE_VOTE), 0);
    solo_run(&solo, 1);
    assert_int_equal(solo_count(&solo, RAFT_PRE_VOTE), 2);
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_hint_asks_and_leaves_the_term_as_it_is),
        cmocka_unit_test(about_another_term_or_node_it_changes_nothing),
        cmocka_unit_test(a_node_that_takes_no_part_ignores_it),
        cmocka_unit_test(a_voter_without_a_lease_owes_a_promise_to_a_leader_that_may_have_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
