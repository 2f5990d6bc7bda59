/* test_node_pauses.c: processes that stand still, disks that stall, frames that come very late.
 *
 * Late and repeated frames of a life that is over, and leaders that go on where they stopped
 * long ago, are what certain answers are easily wrong under.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "support/node_rig.h"
#include "support/sweep.h"
#include "support/unit.h"

#define STEPS 6000
#define ENDED_WITHIN_MS 3000 /* above the rig's proposal timeout */

static time_ns for_a_while(const struct rig *rig, struct prng *prng)
{
    return rig->time.now_ns + prng_between(prng, 1, 900) * NS_PER_MS;
}

static void disturb(struct rig *rig, struct prng *prng)
{
    int i = (int)prng_between(prng, 0, (uint64_t)rig->count - 1);
    int j = (int)prng_between(prng, 0, (uint64_t)rig->count - 1);
    int leader = rig_leader(rig);
    int victim = leader >= 0 && prng_between(prng, 0, 1) == 0 ? leader : i;
    switch (prng_between(prng, 0, 600)) {
    case 0:
    case 1:
        rig_crash(rig, victim);
        break;
    case 2:
        rig->is_cut[i][j] = i != j;
        break;
    case 3:
    case 4:
        rig->is_cut[i][j] = false;
        break;
    case 5:
    case 6:
    case 7:
        rig->nodes[victim].paused_until_ns = for_a_while(rig, prng);
        break;
    case 8:
        rig->nodes[victim].stalled_until_ns = for_a_while(rig, prng);
        break;
    default:
        break;
    }
    if (rig->nodes[i].node == NULL && prng_between(prng, 0, 100) == 0) {
        rig_start(rig, i);
    }
}

static void ask(struct rig *rig, struct prng *prng)
{
    for (int k = 0; k < 2; k++) {
        int i = (int)prng_between(prng, 0, (uint64_t)rig->count - 1);
        if (rig->nodes[i].paused_until_ns > rig->time.now_ns) {
            continue;
        }
        rig_propose(rig, i);
        if (prng_between(prng, 0, 3) == 0) {
            rig_read(rig, i);
        }
    }
}

static void calm(struct rig *rig)
{
    rig->loss_percent = 0;
    rig->repeat_percent = 0;
    rig->late_percent = 0;
    rig->disk_percent = 90;
    for (int i = 0; i < rig->count; i++) {
        for (int j = 0; j < rig->count; j++) {
            rig->is_cut[i][j] = false;
        }
        rig->nodes[i].paused_until_ns = 0;
        rig->nodes[i].stalled_until_ns = 0;
        if (rig->nodes[i].node == NULL) {
            rig_start(rig, i);
        }
    }
}

static void chaos(uint64_t seed)
{
    struct prng prng = prng_of(seed);
    struct rig *rig = malloc(sizeof(*rig));
    assert_non_null(rig);
    rig_init(rig, (int)prng_between(&prng, 3, 5), seed);
    for (int i = 0; i < rig->count; i++) {
        rig_start(rig, i);
    }
    assert_true(rig_settle(rig, (size_t)rig->count, 20000));
    rig->loss_percent = (unsigned)prng_between(&prng, 0, 3) * 3;
    rig->repeat_percent = (unsigned)prng_between(&prng, 0, 2) * 10;
    rig->late_percent = (unsigned)prng_between(&prng, 0, 3) * 5;
    rig->delay_ns_max = prng_between(&prng, 0, 10) * NS_PER_MS;
    rig->disk_percent = (unsigned)prng_between(&prng, 5, 95);
    for (int step = 0; step < STEPS; step++) {
        disturb(rig, &prng);
        ask(rig, &prng);
        rig_step(rig);
    }
    calm(rig);
    if (!rig_settle(rig, (size_t)rig->count, 30000)) {
        fail_msg("seed %llu does not settle", (unsigned long long)seed);
    }
    rig_run(rig, ENDED_WITHIN_MS);
    for (uint64_t i = 0; i < rig->proposal_count; i++) {
        assert_int_not_equal(rig->outcomes[i], RIG_WAITS);
    }
    rig_check(rig);
    rig_deinit(rig);
    free(rig);
}

static void answers_stay_true_through_pauses_and_late_frames(void **state)
{
    (void)state;
    const char *first = getenv("FIRST_SEED");
    const char *count = getenv("SEEDS");
    uint64_t seed = first == NULL ? 1 : strtoull(first, NULL, 10);
    uint64_t end = seed + (count == NULL ? sweep_sample_of(25) : strtoull(count, NULL, 10));
    for (; seed < end; seed++) {
        chaos(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_stay_true_through_pauses_and_late_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
