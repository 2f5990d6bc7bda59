/* test_sim_schedule.c: virtual time: what happens when, and what a machine's clocks say. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/prng.h"
#include "sim/clock.h"
#include "sim/schedule.h"
#include "support/unit.h"

#define EVENTS 500

struct happening {
    struct sim_event event;
    struct sim_schedule *schedule;
    unsigned *order; /* of all, as they happen */
    unsigned number;
    unsigned happened_as;
};

static void happen(struct sim_event *event)
{
    struct happening *self = event->owner;
    self->happened_as = ++*self->order;
}

static struct happening *make(struct sim_schedule *schedule, unsigned *order)
{
    struct happening *all = calloc(EVENTS, sizeof(*all));
    assert_non_null(all);
    sim_schedule_init(schedule);
    for (unsigned i = 0; i < EVENTS; i++) {
        all[i] = (struct happening){.schedule = schedule, .order = order, .number = i};
        all[i].event.happen = happen;
        all[i].event.owner = &all[i];
    }
    return all;
}

static void events_happen_by_time_and_then_by_age(void **state)
{
    (void)state;
    struct sim_schedule schedule;
    unsigned order = 0;
    struct happening *all = make(&schedule, &order);
    struct prng prng = prng_of(1);
    for (unsigned i = 0; i < EVENTS; i++) {
        sim_schedule_add(&schedule, &all[i].event, prng_between(&prng, 0, 50));
    }
    while (sim_schedule_step(&schedule, 1000)) {
    }
    assert_int_equal(order, EVENTS);
    assert_int_equal(schedule.now_ns, 1000);
    for (unsigned i = 0; i < EVENTS; i++) {
        for (unsigned j = i + 1; j < EVENTS; j++) {
            bool is_before = all[i].event.at_ns <= all[j].event.at_ns;
            assert_int_equal(all[i].happened_as < all[j].happened_as, is_before);
        }
    }
    sim_schedule_deinit(&schedule);
    free(all);
}

static void an_event_that_is_moved_or_removed_happens_then_or_never(void **state)
{
    (void)state;
    struct sim_schedule schedule;
    unsigned order = 0;
    struct happening *all = make(&schedule, &order);
    struct prng prng = prng_of(2);
    for (unsigned i = 0; i < EVENTS; i++) {
        sim_schedule_add(&schedule, &all[i].event, 100 + i);
    }
    for (unsigned i = 0; i < EVENTS; i += 3) {
        sim_schedule_remove(&schedule, &all[i].event);
        assert_false(sim_event_is_waiting(&all[i].event));
    }
    for (unsigned i = 1; i < EVENTS; i += 3) {
        sim_schedule_advance(&schedule, &all[i].event, 2000); /* later: not heeded */
        assert_int_equal(all[i].event.at_ns, 100 + i);
        sim_schedule_advance(&schedule, &all[i].event, prng_between(&prng, 0, 99));
    }
    assert_false(sim_schedule_step(&schedule, 0) && schedule.now_ns > 0);
    while (sim_schedule_step(&schedule, 99)) {
    }
    for (unsigned i = 0; i < EVENTS; i++) {
        assert_int_equal(all[i].happened_as != 0, i % 3 == 1);
    }
    while (sim_schedule_step(&schedule, 5000)) {
    }
    for (unsigned i = 0; i < EVENTS; i++) {
        assert_int_equal(all[i].happened_as != 0, i % 3 != 0);
    }
    sim_schedule_deinit(&schedule);
    free(all);
}

static void what_is_late_happens_now(void **state)
{
    (void)state;
    struct sim_schedule schedule;
    unsigned order = 0;
    struct happening *all = make(&schedule, &order);
    assert_false(sim_schedule_step(&schedule, 700));
    sim_schedule_add(&schedule, &all[0].event, 5);
    assert_int_equal(all[0].event.at_ns, 700);
    assert_true(sim_schedule_step(&schedule, 700));
    sim_schedule_deinit(&schedule);
    free(all);
}

static void a_drifting_clock_goes_forward_and_back_again_to_virtual_time(void **state)
{
    (void)state;
    struct prng prng = prng_of(3);
    struct sim_clock clock;
    sim_clock_init(&clock, 0, UINT64_C(0x7fffffff) * NS_PER_MS, UINT64_C(1) << 60);
    time_ns now_ns = 0;
    time_ns last_ns = 0;
    for (int i = 0; i < 20000; i++) {
        now_ns += prng_between(&prng, 0, 3 * NS_PER_S);
        time_ns local_ns = sim_clock_read(&clock, now_ns).now_ns;
        assert_true(local_ns >= last_ns);
        last_ns = local_ns;
        /* At the moment that is named, and not before, the clock says so. */
        time_ns wanted_ns = local_ns + prng_between(&prng, 1, 10 * NS_PER_S);
        time_ns when_ns = sim_clock_when(&clock, wanted_ns);
        assert_true(sim_clock_read(&clock, when_ns).now_ns >= wanted_ns);
        assert_true(sim_clock_read(&clock, when_ns - 1).now_ns < wanted_ns + 2);
        if (i % 7 == 0) {
            int64_t ppm = (int64_t)prng_between(&prng, 0, 2 * SIM_DRIFT_PPM_MAX);
            sim_clock_set_drift(&clock, now_ns, ppm - SIM_DRIFT_PPM_MAX);
        }
    }
    assert_true(sim_clock_when(&clock, TIME_NEVER) == TIME_NEVER);
}

static void a_wall_clock_jumps_and_the_monotonic_one_does_not_notice(void **state)
{
    (void)state;
    struct sim_clock clock;
    sim_clock_init(&clock, 0, NS_PER_S, 100 * NS_PER_S);
    sim_clock_jump(&clock, NS_PER_S, (int64_t)(50 * NS_PER_S));
    struct build_time time = sim_clock_read(&clock, NS_PER_S);
    assert_int_equal(time.now_ns, 2 * NS_PER_S);
    assert_int_equal(time.wall_ns, 151 * NS_PER_S);
    sim_clock_jump(&clock, NS_PER_S, -(int64_t)(500 * NS_PER_S));
    time = sim_clock_read(&clock, 2 * NS_PER_S);
    assert_int_equal(time.now_ns, 3 * NS_PER_S);
    assert_int_equal(time.wall_ns, NS_PER_S); /* not before the epoch */
    for (int i = 0; i < 3; i++) {
        sim_clock_jump(&clock, 2 * NS_PER_S, INT64_MAX / 2);
    }
    time = sim_clock_read(&clock, 2 * NS_PER_S);
    assert_int_equal(time.now_ns, 3 * NS_PER_S);
    assert_int_equal(time.wall_ns, UINT64_C(1) << 62); /* nor so late that it overflows */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_happen_by_time_and_then_by_age),
        cmocka_unit_test(an_event_that_is_moved_or_removed_happens_then_or_never),
        cmocka_unit_test(what_is_late_happens_now),
        cmocka_unit_test(a_drifting_clock_goes_forward_and_back_again_to_virtual_time),
        cmocka_unit_test(a_wall_clock_jumps_and_the_monotonic_one_does_not_notice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
