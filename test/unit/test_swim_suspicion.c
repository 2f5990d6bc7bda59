/* test_swim_suspicion.c: when a suspicion ends, and what a node that did not run may conclude. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "support/swim_rig.h"

static void long_period(struct swim_options *options)
{
    options->gossip_ns = 0;
    options->sync_ns = 0;
    options->period_ns = 3600 * NS_PER_S;
    options->suspicion_ns = 5 * NS_PER_S;
    options->ping_timeout_ns = 500 * NS_PER_MS;
}

/* 3 is suspected by 2 and 4; probes are over, so that its suspicion is what is due next. */
static void suspect(struct swim_rig *rig)
{
    swim_rig_init(rig, long_period);
    swim_rig_fill(rig, 5);
    for (node_id accuser = 2; accuser <= 4; accuser += 2) {
        struct swim_update update = {.state = SWIM_SUSPECT,
                                     .reason = SWIM_REASON_UNANSWERED,
                                     .id = 3,
                                     .incarnation = 1,
                                     .accuser = accuser};
        struct swim_message gossip = {.type = SWIM_GOSSIP};
        assert_int_equal(swim_rig_packet(rig, 2, gossip, &update, 1), 0);
    }
    while (swim_deadline(rig->swim) <= rig->now_ns + NS_PER_S) {
        rig->now_ns = swim_deadline(rig->swim);
        assert_int_equal(swim_rig_step(rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
    }
}

static void the_earliest_suspicion_outlives_a_late_tick(void **state)
{
    struct swim_rig rig;
    (void)state;
    suspect(&rig);
    assert_int_equal(swim_rig_member(&rig, 3).state, SWIM_SUSPECT);
    rig.now_ns = swim_deadline(rig.swim) + 60 * NS_PER_S;
    assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
    assert_int_equal(swim_rig_member(&rig, 3).state, SWIM_SUSPECT);
    assert_true(swim_deadline(rig.swim) > rig.now_ns);
    swim_rig_pass(&rig, rig.options.ping_timeout_ns); /* nothing was heard meanwhile */
    assert_int_equal(swim_rig_member(&rig, 3).state, SWIM_DEAD);
    swim_rig_deinit(&rig);
}

static void a_suspicion_ends_in_time(void **state)
{
    struct swim_rig rig;
    (void)state;
    suspect(&rig);
    rig.now_ns = swim_deadline(rig.swim);
    assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
    assert_int_equal(swim_rig_member(&rig, 3).state, SWIM_DEAD);
    swim_rig_deinit(&rig);
}

static void a_probe_outlives_a_late_tick(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, long_period);
    swim_rig_fill(&rig, 5);
    struct swim_event hint = {.type = SWIM_EVENT_HINT, .hint = {.id = 3, .is_refused = true}};
    assert_int_equal(swim_rig_step(&rig, hint), 0);
    for (int late = 0; late < 3; late++) {
        time_ns due_ns = swim_deadline(rig.swim);
        rig.now_ns = due_ns + 60 * NS_PER_S;
        assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
        assert_true(swim_deadline(rig.swim) > rig.now_ns);
        assert_int_equal(swim_rig_member(&rig, 3).state, SWIM_ALIVE);
    }
    swim_rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_earliest_suspicion_outlives_a_late_tick),
        cmocka_unit_test(a_suspicion_ends_in_time),
        cmocka_unit_test(a_probe_outlives_a_late_tick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
