/* test_node_stall.c: leaders that stand still hand over, and whose lease holds reads alone. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "settled_rig.h"
#include "support/node_rig.h"
#include "support/unit.h"

static void a_leader_whose_disk_stands_still_hands_over(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    for (int i = 0; i < 3; i++) {
        rig_stop(&rig, i);
        rig.nodes[i].stall_timeout_ns = 500 * NS_PER_MS;
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, 3, 20000));
    leader = rig_leader(&rig);
    rig.nodes[leader].stalled_until_ns = rig.time.now_ns + 3 * NS_PER_S;
    rig_propose(&rig, leader);
    rig_run(&rig, 450);
    assert_int_equal(rig_leader(&rig), leader); /* slow is not dead */
    rig_run(&rig, 400);
    int heir = rig_leader(&rig);
    assert_int_not_equal(heir, leader);
    struct node_status status;
    node_status(rig.nodes[leader].node, &status);
    assert_true(status.raft.is_stalled);
    rig_propose(&rig, heir);
    rig_run(&rig, 200);
    assert_int_equal(rig.done_count, 1); /* the first one waits for the disk of who took it */
    rig_run(&rig, 3000);
    node_status(rig.nodes[leader].node, &status);
    assert_false(status.raft.is_stalled);
    assert_true(rig_settle(&rig, 3, PATIENCE_MS));
    end(&rig);
}

static void a_leader_whose_state_machine_stands_still_hands_over(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3, 5);
    for (int i = 0; i < 3; i++) {
        rig.nodes[i].stall_timeout_ns = 500 * NS_PER_MS;
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, 3, 20000));
    int leader = rig_leader(&rig);
    rig.nodes[leader].is_apply_held = true;
    rig_propose(&rig, other_than(&rig, leader, -1));
    rig_run(&rig, 1000);
    assert_int_not_equal(rig_leader(&rig), leader);
    rig_release_apply(&rig, leader);
    assert_true(rig_settle(&rig, 3, PATIENCE_MS));
    assert_int_equal(rig.done_count, 1);
    end(&rig);
}

static void a_node_that_replays_its_log_is_not_stalled(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1, 5);
    rig.nodes[0].stall_timeout_ns = 500 * NS_PER_MS;
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, 20000));
    rig_propose(&rig, 0);
    rig_run(&rig, 100);
    rig_stop(&rig, 0);
    rig_start(&rig, 0);
    struct node_status status;
    rig_step(&rig);
    node_status(rig.nodes[0].node, &status);
    assert_false(status.raft.is_stalled);
    end(&rig);
}

/* The rig asserts that no read misses what was acknowledged before it was asked. Clocks are the
 * same for all here, so that a lease is as good as its bound says.
 */
static void reads_by_lease_are_never_stale(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3, 23);
    for (int i = 0; i < 3; i++) {
        rig.nodes[i].lease_ns = raft_lease_ns_max(150 * NS_PER_MS);
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, 3, 20000));
    for (int round = 0; round < 30; round++) {
        int cut = rig_leader(&rig);
        for (int i = 0; i < 3; i++) {
            bool is_cut = i != cut && round % 3 != 0;
            rig.is_cut[cut][i] = is_cut;
            rig.is_cut[i][cut] = is_cut;
        }
        if (round % 3 == 0) {
            rig_change(&rig, cut, transfer_to(other_than(&rig, cut, -1)));
        } else if (round % 5 == 1) {
            rig_crash(&rig, other_than(&rig, cut, -1));
        }
        for (int ms = 0; ms < 900; ms++) {
            rig_propose(&rig, ms % 3);
            rig_read(&rig, (ms + 1) % 3);
            rig_step(&rig);
        }
        memset(rig.is_cut, 0, sizeof(rig.is_cut));
        for (int i = 0; i < 3; i++) {
            if (rig.nodes[i].node == NULL) {
                rig_start(&rig, i);
            }
        }
        assert_true(rig_settle(&rig, 3, PATIENCE_MS));
    }
    assert_true(rig.read_done_count > rig.read_count / 3);
    end(&rig);
}

static void a_read_by_lease_needs_no_answer(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3, 5);
    for (int i = 0; i < 3; i++) {
        rig.nodes[i].lease_ns = raft_lease_ns_max(150 * NS_PER_MS);
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, 3, 20000));
    rig_run(&rig, 200);
    int leader = rig_leader(&rig);
    for (int i = 0; i < 3; i++) {
        rig.is_cut[i][leader] = i != leader; /* nobody's answers come */
    }
    uint64_t before = rig.read_done_count;
    rig_run(&rig, 20);
    rig_read(&rig, leader);
    rig_run(&rig, 2);
    assert_int_equal(rig.read_done_count, before + 1);
    rig_run(&rig, 130);
    rig_read(&rig, leader);
    rig_run(&rig, 2);
    assert_int_equal(rig.read_done_count, before + 1); /* it is too old now */
    memset(rig.is_cut, 0, sizeof(rig.is_cut));
    assert_true(rig_settle(&rig, 3, PATIENCE_MS));
    end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_whose_disk_stands_still_hands_over),
        cmocka_unit_test(a_leader_whose_state_machine_stands_still_hands_over),
        cmocka_unit_test(a_node_that_replays_its_log_is_not_stalled),
        cmocka_unit_test(reads_by_lease_are_never_stale),
        cmocka_unit_test(a_read_by_lease_needs_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
