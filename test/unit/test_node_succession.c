/* test_node_succession.c: what was under way when a leader died is decided by its successor.
 *
 * Not by a timeout: half a second is enough for a new leader, a proposal waits for two.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "support/node_rig.h"
#include "support/unit.h"

#define ROUNDS 40
#define DECIDED_WITHIN_MS 1500 /* below the rig's proposal timeout */

static struct rig *begin(uint64_t seed)
{
    struct rig *rig = malloc(sizeof(*rig));
    assert_non_null(rig);
    rig_init(rig, 3, seed);
    rig->delay_ns_max = 0;
    for (int i = 0; i < rig->count; i++) {
        rig_start(rig, i);
    }
    assert_true(rig_settle(rig, 3, 20000));
    return rig;
}

static void end(struct rig *rig)
{
    rig_check(rig);
    rig_deinit(rig);
    free(rig);
}

/* Kill the leader with something under way from another node, which asks on all the time. */
static void lose_leader(struct rig *rig, void (*ask)(struct rig *rig, int i))
{
    int leader = rig_leader(rig);
    int asker = (leader + 1) % 3;
    for (unsigned i = 0; i < 20; i++) {
        ask(rig, asker);
        rig_step(rig);
    }
    ask(rig, asker);
    rig_crash(rig, leader);
    for (unsigned i = 0; i < DECIDED_WITHIN_MS; i++) {
        if (i < 500) {
            ask(rig, asker);
        }
        rig_step(rig);
    }
    rig_start(rig, leader);
}

static void a_proposal_forwarded_to_a_dead_leader_is_decided_by_the_next(void **state)
{
    (void)state;
    struct rig *rig = begin(21);
    for (int round = 0; round < ROUNDS && rig->proposal_count < 15000; round++) {
        uint64_t first = rig->proposal_count;
        lose_leader(rig, rig_propose);
        for (uint64_t i = first; i < rig->proposal_count; i++) {
            assert_int_not_equal(rig->outcomes[i], RIG_WAITS);
            assert_int_not_equal(rig->outcomes[i], RIG_UNKNOWN);
        }
        assert_true(rig_settle(rig, 3, 10000));
    }
    end(rig);
}

static void proposals_of_one_node_take_effect_in_their_order(void **state)
{
    (void)state;
    struct rig *rig = begin(23);
    for (int round = 0; round < ROUNDS && rig->proposal_count < 15000; round++) {
        lose_leader(rig, rig_propose);
        assert_true(rig_settle(rig, 3, 10000));
    }
    uint64_t last = 0;
    for (size_t i = 0; i < RIG_INDEX_MAX; i++) {
        if (rig->value_at[i] != 0) {
            assert_true(rig->value_at[i] > last);
            last = rig->value_at[i];
        }
    }
    end(rig);
}

static void a_read_asked_of_a_dead_leader_is_decided_by_the_next(void **state)
{
    (void)state;
    struct rig *rig = begin(22);
    for (int round = 0; round < ROUNDS && rig->read_count < 15000; round++) {
        lose_leader(rig, rig_read);
        assert_int_equal(rig->read_ended_count, rig->read_count);
        assert_true(rig_settle(rig, 3, 10000));
    }
    end(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proposal_forwarded_to_a_dead_leader_is_decided_by_the_next),
        cmocka_unit_test(proposals_of_one_node_take_effect_in_their_order),
        cmocka_unit_test(a_read_asked_of_a_dead_leader_is_decided_by_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
