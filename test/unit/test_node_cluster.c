/* test_node_cluster.c: whole nodes together, with crashes, lost frames and partitions. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "support/node_rig.h"
#include "support/sweep.h"
#include "support/unit.h"

static struct rig *rig_new(int count, uint64_t seed)
{
    struct rig *rig = malloc(sizeof(*rig));
    assert_non_null(rig);
    rig_init(rig, count, seed);
    return rig;
}

static void rig_delete(struct rig *rig)
{
    rig_check(rig);
    rig_deinit(rig);
    free(rig);
}

static void start_all(struct rig *rig)
{
    for (int i = 0; i < rig->count; i++) {
        rig_start(rig, i);
    }
    assert_true(rig_settle(rig, (size_t)rig->count, 20000));
}

static void one_node_alone_leads_and_keeps_what_it_acknowledged(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1, 1);
    start_all(rig);
    for (int i = 0; i < 50; i++) {
        rig_propose(rig, 0);
        rig_read(rig, 0);
        rig_run(rig, 3);
    }
    assert_true(rig_settle(rig, 1, 1000));
    assert_int_equal(rig->done_count, 50);
    assert_int_equal(rig->read_done_count, 50);
    rig_crash(rig, 0);
    rig_start(rig, 0);
    assert_true(rig_settle(rig, 1, 2000));
    assert_int_equal(rig->nodes[0].applied_count, 50);
    rig_delete(rig);
}

static void three_nodes_join_and_become_voters_one_at_a_time(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3, 2);
    start_all(rig);
    for (int i = 0; i < 300; i++) {
        rig_propose(rig, i % 3);
        rig_read(rig, (i + 1) % 3);
        rig_run(rig, 1);
    }
    assert_true(rig_settle(rig, 3, 5000));
    assert_int_equal(rig->done_count, 300);
    assert_int_equal(rig->read_done_count, 300);
    rig_delete(rig);
}

static void a_killed_leader_is_replaced_and_nothing_is_lost(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3, 3);
    start_all(rig);
    for (int round = 0; round < 10; round++) {
        int leader = rig_leader(rig);
        for (int i = 0; i < 30; i++) {
            rig_propose(rig, (leader + i) % 3);
            rig_step(rig);
        }
        rig_crash(rig, leader);
        rig_run(rig, 1000);
        assert_true(rig_leader(rig) >= 0);
        rig_start(rig, leader);
        assert_true(rig_settle(rig, 3, 10000));
    }
    assert_true(rig->done_count > 100);
    rig_delete(rig);
}

static void a_minority_neither_elects_nor_commits(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3, 4);
    start_all(rig);
    int leader = rig_leader(rig);
    for (int i = 0; i < 3; i++) {
        rig->is_cut[leader][i] = rig->is_cut[i][leader] = i != leader;
    }
    uint64_t done = rig->done_count;
    rig_propose(rig, leader);
    rig_read(rig, leader);
    rig_run(rig, 5000);
    assert_int_equal(rig->done_count, done);
    assert_int_equal(rig->read_done_count, 0);
    assert_true(rig_leader(rig) != leader);
    for (int i = 0; i < 3; i++) {
        rig->is_cut[leader][i] = rig->is_cut[i][leader] = false;
    }
    assert_true(rig_settle(rig, 3, 10000));
    rig_delete(rig);
}

/* One life of a cluster with everything going wrong that may. */
static void chaos(uint64_t seed)
{
    struct prng prng = prng_of(seed);
    struct rig *rig = rig_new((int)prng_between(&prng, 1, 5), seed);
    start_all(rig);
    rig->loss_percent = (unsigned)prng_between(&prng, 0, 20);
    rig->repeat_percent = (unsigned)prng_between(&prng, 0, 30);
    rig->delay_ns_max = prng_between(&prng, 0, 30) * NS_PER_MS;
    rig->disk_percent = (unsigned)prng_between(&prng, 5, 95);
    for (int step = 0; step < 4000; step++) {
        int i = (int)prng_between(&prng, 0, (uint64_t)rig->count - 1);
        int j = (int)prng_between(&prng, 0, (uint64_t)rig->count - 1);
        switch (prng_between(&prng, 0, 400)) {
        case 0:
            rig_crash(rig, i);
            break;
        case 1:
        case 2:
            rig->is_cut[i][j] = i != j;
            break;
        case 3:
        case 4:
        case 5:
            rig->is_cut[i][j] = false;
            break;
        default:
            break;
        }
        if (rig->nodes[i].node == NULL && prng_between(&prng, 0, 100) == 0) {
            rig_start(rig, i);
        }
        if (prng_between(&prng, 0, 3) == 0) {
            rig_propose(rig, j);
        }
        if (prng_between(&prng, 0, 5) == 0) {
            rig_read(rig, i);
        }
        rig_step(rig);
    }
    rig->loss_percent = 0;
    rig->repeat_percent = 0;
    rig->disk_percent = 90;
    for (int i = 0; i < rig->count; i++) {
        for (int j = 0; j < rig->count; j++) {
            rig->is_cut[i][j] = false;
        }
        if (rig->nodes[i].node == NULL) {
            rig_start(rig, i);
        }
    }
    if (!rig_settle(rig, (size_t)rig->count, 30000)) {
        fail_msg("seed %llu does not settle", (unsigned long long)seed);
    }
    rig_delete(rig);
}

static void nothing_acknowledged_is_lost_in_any_chaos(void **state)
{
    (void)state;
    const char *first = getenv("FIRST_SEED");
    const char *count = getenv("SEEDS");
    uint64_t seed = first == NULL ? 1 : strtoull(first, NULL, 10);
    uint64_t end = seed + (count == NULL ? sweep_sample_of(30) : strtoull(count, NULL, 10));
    for (; seed < end; seed++) {
        chaos(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_node_alone_leads_and_keeps_what_it_acknowledged),
        cmocka_unit_test(three_nodes_join_and_become_voters_one_at_a_time),
        cmocka_unit_test(a_killed_leader_is_replaced_and_nothing_is_lost),
        cmocka_unit_test(a_minority_neither_elects_nor_commits),
        cmocka_unit_test(nothing_acknowledged_is_lost_in_any_chaos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
