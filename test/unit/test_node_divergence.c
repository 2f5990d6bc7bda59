/* test_node_divergence.c: a replica whose state differs is found, named, kept from reads and from
 * leadership, and rebuilt; and one that is right never is.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "quorate/error.h"
#include "support/node_rig.h"
#include "support/unit.h"

#define FOUND_MS 4000 /* a round a second, and some */

static void begin(struct rig *rig, int count, uint64_t seed)
{
    rig_init(rig, count, seed);
    rig->has_digests = true;
    for (int i = 0; i < count; i++) {
        rig_start(rig, i);
        rig_run(rig, 300);
    }
    assert_true(rig_settle(rig, (size_t)count, 20000));
}

static void propose(struct rig *rig, int i, unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        rig_propose(rig, i);
        rig_run(rig, 5);
    }
}

static struct node_status status_of(const struct rig *rig, int i)
{
    struct node_status now;
    node_status(rig->nodes[i].node, &now);
    return now;
}

static bool is_isolated(const struct rig *rig, int i)
{
    return rig->nodes[i].node != NULL && status_of(rig, i).differs.index > 0;
}

/* Let it be found, or not, within bounded time. */
static bool wait_for(struct rig *rig, int i, bool is_wanted)
{
    for (unsigned n = 0; n < FOUND_MS && is_isolated(rig, i) != is_wanted; n++) {
        rig_step(rig);
    }
    return is_isolated(rig, i) == is_wanted;
}

static int follower(const struct rig *rig)
{
    int leader = rig_leader(rig);
    assert_true(leader >= 0);
    return (leader + 1) % rig->count;
}

static void end(struct rig *rig)
{
    rig_check(rig);
    rig_deinit(rig);
}

static void expect_refusals(struct rig *rig, int i)
{
    struct node *node = rig->nodes[i].node;
    struct node_proposal proposal = {.command = "x", .command_bytes = 1};
    time_ns age_ns;
    size_t backup;
    uint8_t head[512];
    assert_int_equal(node_read(node, 1, rig->time), QR_ERR_DIVERGED);
    assert_int_equal(node_read_by_round(node, 1, rig->time), QR_ERR_DIVERGED);
    assert_int_equal(node_read_stale(node, TIME_NEVER, rig->time, &age_ns), QR_ERR_DIVERGED);
    assert_int_equal(node_propose(node, &proposal, 1, rig->time), QR_ERR_DIVERGED);
    assert_int_equal(node_snapshot(node, 1, rig->time), QR_ERR_DIVERGED);
    assert_int_equal(node_backup_open(node, 0, rig->time, &backup, head), QR_ERR_DIVERGED);
}

static void a_follower_that_differs_is_named_and_answers_nothing(void **state)
{
    (void)state;
    static struct rig rig;
    struct node_difference known;
    begin(&rig, 3, 1);
    int leader = rig_leader(&rig);
    int wrong = follower(&rig);
    propose(&rig, leader, 5);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, leader, 1);
    rig_read(&rig, wrong);
    assert_true(wait_for(&rig, wrong, true));
    expect_refusals(&rig, wrong);
    struct node_difference said = status_of(&rig, wrong).differs;
    assert_true(said.differing != said.agreed);
    assert_true(said.agreed == rig.sum_at[rig.nodes[leader].applied_index]);
    assert_int_equal(status_of(&rig, wrong).divergences, 1);
    for (int i = 0; i < 3; i++) {
        bool is_known = node_member_differs(rig.nodes[leader].node, (node_id)i + 1, &known);
        assert_int_equal(is_known, i == wrong);
    }
    assert_true(node_member_differs(rig.nodes[leader].node, (node_id)wrong + 1, &known));
    assert_memory_equal(&known, &said, sizeof(known));
    uint64_t read_done = rig.read_done_count;
    rig_read(&rig, 3 - leader - wrong);
    propose(&rig, leader, 3);
    rig_run(&rig, 500);
    assert_int_equal(rig.read_done_count, read_done + 1);
    assert_int_equal(status_of(&rig, wrong).raft.applied_index,
                     status_of(&rig, leader).raft.applied_index);
    assert_true(is_isolated(&rig, wrong));
    end(&rig);
}

static void a_leader_that_differs_hands_over_and_is_not_elected_again(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 2);
    int wrong = rig_leader(&rig);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, wrong, 2);
    assert_true(wait_for(&rig, wrong, true));
    rig_run(&rig, 2000);
    int leader = rig_leader(&rig);
    assert_true(leader >= 0 && leader != wrong);
    /* Its vote counts, and its copies. */
    rig_crash(&rig, 3 - leader - wrong);
    uint64_t done = rig.done_count;
    propose(&rig, leader, 2);
    rig_run(&rig, 1000);
    assert_int_equal(rig.done_count, done + 2);
    rig_crash(&rig, leader);
    rig_run(&rig, 3000);
    assert_int_equal(status_of(&rig, wrong).raft.role, RAFT_FOLLOWER);
    rig_start(&rig, leader);
    rig_run(&rig, 3000);
    assert_int_equal(rig_leader(&rig), leader);
    end(&rig);
}

static void nobody_hands_over_to_one_that_differs(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 3);
    int leader = rig_leader(&rig);
    int wrong = follower(&rig);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, leader, 2);
    assert_true(wait_for(&rig, wrong, true));
    rig_run(&rig, 500); /* the leader hears of it, too */
    struct wire_change transfer = {0};
    (void)snprintf(transfer.transferee, sizeof(transfer.transferee), "n%d", wrong);
    for (int dry = 0; dry < 2; dry++) {
        transfer.is_dry_run = dry == 1;
        unsigned before = rig.nodes[leader].change_count;
        rig_change(&rig, leader, transfer);
        rig_run(&rig, 20);
        assert_int_equal(rig.nodes[leader].change_count, before + 1);
        assert_int_equal(rig.nodes[leader].change_status, QR_ERR_BEHIND);
    }
    assert_int_equal(rig_leader(&rig), leader);
    end(&rig);
}

static void a_leader_that_takes_its_vote_hands_over_to_one_that_is_right(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 4);
    int leader = rig_leader(&rig);
    int wrong = leader == 0 ? 1 : 0; /* the first that would be asked */
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, leader, 2);
    assert_true(wait_for(&rig, wrong, true));
    rig_run(&rig, 500);
    struct wire_change change = {0};
    (void)snprintf(change.demoted, sizeof(change.demoted), "n%d", leader);
    rig_change(&rig, leader, change);
    rig_run(&rig, 100); /* less than what a transfer in vain takes */
    assert_int_equal(rig_leader(&rig), 3 - leader - wrong);
    end(&rig);
}

static void what_waits_there_is_refused_or_unknown(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 3);
    int wrong = follower(&rig);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, wrong, 1);
    /* A proposal under way, whose answer is lost, and a read that waits for an index. */
    rig.nodes[wrong].is_apply_held = true;
    for (unsigned i = 0; i < 50; i++) {
        rig_propose(&rig, wrong);
        rig_read(&rig, wrong);
        rig_run(&rig, 40);
        rig_release_apply(&rig, wrong);
        rig.nodes[wrong].is_apply_held = !is_isolated(&rig, wrong);
    }
    assert_true(is_isolated(&rig, wrong));
    rig_run(&rig, 3000);
    assert_int_equal(rig.read_ended_count, rig.read_count);
    for (uint64_t i = 0; i < rig.proposal_count; i++) {
        assert_int_not_equal(rig.outcomes[i], RIG_WAITS);
    }
    end(&rig);
}

static void a_restart_does_not_hide_it_and_may_mend_it(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 4);
    int wrong = follower(&rig);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, rig_leader(&rig), 3);
    assert_true(wait_for(&rig, wrong, true));
    rig_crash(&rig, wrong);
    rig.nodes[wrong].flip_from = UINT64_MAX; /* the fault was in memory */
    rig_start(&rig, wrong);
    assert_true(is_isolated(&rig, wrong));
    expect_refusals(&rig, wrong);
    assert_true(wait_for(&rig, wrong, false));
    assert_true(rig_is_right(&rig, wrong));
    uint64_t read_done = rig.read_done_count;
    rig_read(&rig, wrong);
    rig_run(&rig, 500);
    assert_int_equal(rig.read_done_count, read_done + 1);
    rig_stop(&rig, wrong);
    rig_start(&rig, wrong);
    assert_false(is_isolated(&rig, wrong));
    end(&rig);
}

static void a_fault_that_a_restart_repeats_is_found_again(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 5);
    int wrong = follower(&rig);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, rig_leader(&rig), 3);
    assert_true(wait_for(&rig, wrong, true));
    rig_stop(&rig, wrong);
    rig_start(&rig, wrong);
    assert_int_equal(status_of(&rig, wrong).divergences, 0);
    rig_run(&rig, FOUND_MS);
    assert_true(is_isolated(&rig, wrong));
    assert_int_equal(status_of(&rig, wrong).divergences, 1);
    end(&rig);
}

static void it_is_rebuilt_from_a_snapshot_where_that_is_asked_for(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 6);
    rig.snapshot_bytes = 20000;
    int wrong = follower(&rig);
    rig_crash(&rig, wrong);
    rig.nodes[wrong].on_divergence = NODE_DIVERGENCE_REBUILD;
    rig_start(&rig, wrong);
    rig_run(&rig, 500);
    int leader = rig_leader(&rig);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, leader, 3);
    assert_true(wait_for(&rig, wrong, true));
    propose(&rig, leader, 3);
    assert_true(wait_for(&rig, wrong, false));
    assert_int_equal(status_of(&rig, wrong).rebuilds, 1);
    assert_int_equal(rig.nodes[wrong].restore_count, 1);
    propose(&rig, leader, 3);
    rig_run(&rig, FOUND_MS);
    assert_true(rig_settle(&rig, 3, 2000));
    assert_true(rig_is_right(&rig, wrong));
    assert_false(is_isolated(&rig, wrong));
    uint64_t done = rig.done_count;
    rig_propose(&rig, wrong);
    rig_run(&rig, 500);
    assert_int_equal(rig.done_count, done + 1);
    end(&rig);
}

static void one_that_differs_again_and_again_is_left_alone(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 7);
    int wrong = follower(&rig);
    rig_crash(&rig, wrong);
    rig.nodes[wrong].on_divergence = NODE_DIVERGENCE_REBUILD;
    rig_start(&rig, wrong);
    rig_run(&rig, 500);
    rig_flip(&rig, wrong, RIG_INDEX_MAX, 7);
    for (unsigned i = 0; i < 60; i++) {
        propose(&rig, rig_leader(&rig), 1);
        rig_run(&rig, 500);
    }
    assert_int_equal(status_of(&rig, wrong).rebuilds, 3);
    assert_int_equal(status_of(&rig, wrong).divergences, 4);
    assert_true(is_isolated(&rig, wrong));
    end(&rig);
}

static void it_stops_where_that_is_asked_for(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 8);
    int wrong = follower(&rig);
    rig_crash(&rig, wrong);
    rig.nodes[wrong].on_divergence = NODE_DIVERGENCE_STOP;
    rig.nodes[wrong].may_fail = true;
    rig_start(&rig, wrong);
    rig_run(&rig, 500);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, rig_leader(&rig), 2);
    rig_run(&rig, FOUND_MS);
    assert_true(rig.nodes[wrong].is_failed);
    assert_int_equal(rig.nodes[wrong].failed_status, QR_ERR_DIVERGED);
    end(&rig);
}

static void nobody_is_called_wrong_without_a_majority(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 9);
    int leader = rig_leader(&rig);
    rig_flip(&rig, follower(&rig), 1, 7);
    rig_flip(&rig, (leader + 2) % 3, 1, 8);
    propose(&rig, leader, 2);
    rig_run(&rig, FOUND_MS);
    for (int i = 0; i < 3; i++) {
        assert_false(is_isolated(&rig, i));
        assert_int_equal(status_of(&rig, i).undecided_index > 0, i == leader);
    }
    end(&rig);
}

static void half_against_half_is_no_majority(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 4, 13);
    int leader = rig_leader(&rig);
    rig_flip(&rig, leader, 1, 7);
    rig_flip(&rig, follower(&rig), 1, 7);
    propose(&rig, leader, 2);
    rig_run(&rig, FOUND_MS);
    for (int i = 0; i < 4; i++) {
        assert_false(is_isolated(&rig, i));
    }
    assert_true(status_of(&rig, leader).undecided_index > 0);
    end(&rig);
}

static void two_of_which_one_differs_are_no_majority_while_a_third_is_down(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 10);
    int leader = rig_leader(&rig);
    int wrong = follower(&rig);
    int third = 3 - leader - wrong;
    rig_crash(&rig, third);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, leader, 2);
    rig_run(&rig, FOUND_MS);
    assert_true(status_of(&rig, leader).undecided_index > 0);
    assert_false(is_isolated(&rig, wrong) || is_isolated(&rig, leader));
    rig_start(&rig, third);
    assert_true(wait_for(&rig, wrong, true));
    assert_int_equal(status_of(&rig, rig_leader(&rig)).undecided_index, 0);
    end(&rig);
}

static void a_learner_is_judged_and_does_not_count(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 4, 11);
    int leader = rig_leader(&rig);
    int wrong = follower(&rig);
    struct wire_change change = {.is_forced = true};
    change.demoted[0] = 'n';
    change.demoted[1] = (char)('0' + wrong);
    rig_change(&rig, leader, change);
    rig_run(&rig, 1000);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, leader, 2);
    assert_true(wait_for(&rig, wrong, true));
    end(&rig);
}

static void the_only_voter_differs_from_nobody(void **state)
{
    (void)state;
    static struct rig rig;
    struct wire_change change = {.is_forced = true};
    begin(&rig, 3, 12);
    int wrong = follower(&rig);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, rig_leader(&rig), 2);
    assert_true(wait_for(&rig, wrong, true));
    int leader = rig_leader(&rig);
    int third = 3 - leader - wrong;
    change.demoted[0] = 'n';
    change.demoted[1] = (char)('0' + leader);
    change.demoted[2] = ',';
    change.demoted[3] = 'n';
    change.demoted[4] = (char)('0' + third);
    rig_change(&rig, leader, change);
    rig_run(&rig, 5000);
    assert_int_equal(rig.nodes[leader].change_status, 0);
    assert_false(is_isolated(&rig, wrong));
    assert_int_equal(rig_leader(&rig), wrong);
    end(&rig);
}

/* Faults of every other kind make nobody differ. */
static void who_is_right_is_never_called_wrong(void **state)
{
    (void)state;
    for (uint64_t seed = 20; seed < 26; seed++) {
        static struct rig rig;
        begin(&rig, 3, seed);
        rig.loss_percent = 10;
        rig.repeat_percent = 10;
        rig.late_percent = 5;
        rig.is_once = seed % 2 == 0;
        rig.log_entries_max = 60;
        for (unsigned i = 0; i < 400; i++) {
            int at = (int)(prng_next(&rig.prng) % 3);
            rig_propose(&rig, (int)(prng_next(&rig.prng) % 3));
            rig_run(&rig, (unsigned)(prng_next(&rig.prng) % 30));
            if (i % 40 == 39) {
                rig_crash(&rig, at);
                rig_run(&rig, 100);
                rig_start(&rig, at);
            }
            for (int n = 0; n < 3; n++) {
                assert_false(is_isolated(&rig, n));
                assert_int_equal(status_of(&rig, n).undecided_index, 0);
            }
        }
        end(&rig);
    }
}

/* One that differs is found under the same faults, and nobody else is; by way of whatever index. */
static void who_is_wrong_is_found_under_load_and_faults(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 34; seed++) {
        static struct rig rig;
        begin(&rig, 3, seed);
        rig.loss_percent = 10;
        rig.late_percent = 5;
        int wrong = (int)(seed % 3);
        rig_flip(&rig, wrong, 1, 7);
        for (unsigned i = 0; i < 2000 && !is_isolated(&rig, wrong); i++) {
            for (int n = 0; n < 3; n++) {
                rig_propose(&rig, n);
            }
            rig_run(&rig, 5);
        }
        assert_true(is_isolated(&rig, wrong));
        assert_false(is_isolated(&rig, (wrong + 1) % 3) || is_isolated(&rig, (wrong + 2) % 3));
        end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_follower_that_differs_is_named_and_answers_nothing),
        cmocka_unit_test(a_leader_that_differs_hands_over_and_is_not_elected_again),
        cmocka_unit_test(nobody_hands_over_to_one_that_differs),
        cmocka_unit_test(a_leader_that_takes_its_vote_hands_over_to_one_that_is_right),
        cmocka_unit_test(what_waits_there_is_refused_or_unknown),
        cmocka_unit_test(a_restart_does_not_hide_it_and_may_mend_it),
        cmocka_unit_test(a_fault_that_a_restart_repeats_is_found_again),
        cmocka_unit_test(it_is_rebuilt_from_a_snapshot_where_that_is_asked_for),
        cmocka_unit_test(one_that_differs_again_and_again_is_left_alone),
        cmocka_unit_test(it_stops_where_that_is_asked_for),
        cmocka_unit_test(nobody_is_called_wrong_without_a_majority),
        cmocka_unit_test(half_against_half_is_no_majority),
        cmocka_unit_test(two_of_which_one_differs_are_no_majority_while_a_third_is_down),
        cmocka_unit_test(a_learner_is_judged_and_does_not_count),
        cmocka_unit_test(the_only_voter_differs_from_nobody),
        cmocka_unit_test(who_is_right_is_never_called_wrong),
        cmocka_unit_test(who_is_wrong_is_found_under_load_and_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
