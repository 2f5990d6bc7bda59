/* test_swim_sim.c: the simulation of SWIM itself: seeds pass, a seed repeats, a checker checks. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "base/assert.h"
#include "sim/swim/check.h"
#include "sim/swim/figures.h"
#include "sim/swim/process.h"
#include "sim/swim/run.h"

#define SEEDS 100

static void every_seed_passes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run_report report;
        run_seed(seed, false, &report);
        if (report.failure[0] != '\0') {
            fail_msg("seed %lu: %s", (unsigned long)seed, report.failure);
        }
        assert_true(report.events > 0);
    }
}

static void a_seed_gives_the_same_run_each_time(void **state)
{
    struct run_report once, again, other;
    (void)state;
    run_seed(7, false, &once);
    run_seed(7, false, &again);
    run_seed(8, false, &other);
    assert_int_equal(once.hash, again.hash);
    assert_int_equal(once.events, again.events);
    assert_int_not_equal(once.hash, other.hash);
}

/* A cluster of five that agrees; then something that a checker must not let pass. */
static void expect(const char *checker, void (*spoil)(struct world *world, struct checks *checks))
{
    struct world world;
    static struct checks checks;
    struct swim_options options = swim_options_default();
    measure_begin(&world, &options, 1, 5);
    world.watch = checks_watch(&checks, &world);
    world_run(&world, world.now_ns + 5 * NS_PER_S);
    checks_at_rest(&checks);
    assert_string_equal(world.failure, "");
    spoil(&world, &checks);
    checks_at_rest(&checks);
    if (strncmp(world.failure, checker, strlen(checker)) != 0) {
        fail_msg("%s was to find something, not: %s", checker, world.failure);
    }
    world_deinit(&world);
}

static void spoil_by_crash(struct world *world, struct checks *checks)
{
    (void)checks;
    world_kill(world, 3); /* and no time for the others to notice */
}

static void spoil_by_partition(struct world *world, struct checks *checks)
{
    (void)checks;
    world->nodes[3].group = 1;
    world_run(world, world->now_ns + 60 * NS_PER_S);
}

static void spoil_by_news(struct world *world, struct checks *checks)
{
    (void)checks;
    world->nodes[3].group = 1;
    world_step(world, 3,
               (struct swim_event){.type = SWIM_EVENT_LEADER, .leader = {.term = 4, .leader = 1}});
}

static void spoil_by_lone_witness(struct world *world, struct checks *checks)
{
    check_witness_news(checks, 0,
                       &(struct swim_news){.type = SWIM_NEWS_DEAD, .id = 1, .agreed = 1});
    (void)world;
}

static void spoil_by_return(struct world *world, struct checks *checks)
{
    struct swim_news news = {.type = SWIM_NEWS_DEAD, .id = world->nodes[1].id, .incarnation = 4};
    check_return_news(checks, 0, &news);
    news.type = SWIM_NEWS_JOINED;
    check_return_news(checks, 0, &news);
}

static void spoil_by_memory(struct world *world, struct checks *checks)
{
    checks->known[0][1] = 99; /* as if node 0 had known more before */
    check_incarnation_stepped(checks, 0);
    (void)world;
}

static void spoil_by_load(struct world *world, struct checks *checks)
{
    checks_load_begin(checks);
    world_run(world, world->now_ns + NS_PER_S);
    checks->questions += 1000;
    checks_load_end(checks);
}

/* Node 1 goes for its name. */
static void spoil_by_name(struct world *world, struct checks *checks)
{
    struct swim_news news = {.type = SWIM_NEWS_NAME_TAKEN, .id = world->nodes[1].id};
    check_names_news(checks, 1, &news);
}

static void spoil_by_newcomer(struct world *world, struct checks *checks)
{
    world->nodes[2].name = world->nodes[1].name;
    world_kill(world, 2);
    check_names_twin(checks, 1, true);
    spoil_by_name(world, checks);
}

static void spoil_by_name_of_two(struct world *world, struct checks *checks)
{
    (void)checks;
    world->nodes[2].name = world->nodes[1].name;
}

static void spoil_by_stranger(struct world *world, struct checks *checks)
{
    struct swim_news news = {.type = SWIM_NEWS_JOINED, .id = 13};
    assert_int_equal(world_node_of(world, news.id), WORLD_NOBODY);
    check_return_news(checks, 0, &news);
}

static void spoil_by_death_of_one_who_left(struct world *world, struct checks *checks)
{
    world_kill(world, 3);
    world_run(world, world->now_ns + 30 * NS_PER_S);
    checks->has_left_in_peace[3] = true;
}

static void each_checker_finds_what_it_is_for(void **state)
{
    (void)state;
    expect("dead_held_live", spoil_by_crash);
    expect("live_held_dead", spoil_by_partition);
    expect("leader_unheard", spoil_by_news);
    expect("one_witness", spoil_by_lone_witness);
    expect("gone_returns", spoil_by_return);
    expect("incarnation_goes_back", spoil_by_memory);
    expect("load", spoil_by_load);
    expect("one_name_twice", spoil_by_name_of_two);
    expect("forged", spoil_by_stranger);
    expect("out_for_nobody", spoil_by_name);
    expect("incumbent_out", spoil_by_newcomer);
    expect("left_held_dead", spoil_by_death_of_one_who_left);
}

static void a_partition_longer_than_all_timers_closes_by_itself(void **state)
{
    struct world world;
    static struct checks checks;
    struct swim_options options = swim_options_default();
    (void)state;
    measure_begin(&world, &options, 1, 10);
    world.watch = checks_watch(&checks, &world);
    for (uint32_t node = 0; node < 10; node++) {
        world.nodes[node].group = node < 4 ? 0 : 1;
    }
    world_run(&world, world.now_ns + 600 * NS_PER_S);
    assert_int_equal(world_status(&world, 0).live_count, 4);
    assert_int_equal(world_status(&world, 9).live_count, 6);
    for (uint32_t node = 0; node < 10; node++) {
        world.nodes[node].group = 0;
    }
    world_run(&world, world.now_ns + 30 * NS_PER_S);
    checks_at_rest(&checks);
    assert_string_equal(world.failure, "");
    world_deinit(&world);
}

static void fifty_restarted_at_once_agree_within_fifteen_seconds(void **state)
{
    struct world world;
    static struct checks checks;
    struct swim_options options = swim_options_default();
    static const uint32_t seeds[] = {0, 1};
    (void)state;
    measure_begin(&world, &options, 1, 50);
    world.watch = checks_watch(&checks, &world);
    world_run(&world, world.now_ns + 5 * NS_PER_S);
    for (uint32_t node = 0; node < 50; node++) {
        world_kill(&world, node);
        checks_forget(&checks, node);
    }
    for (uint32_t node = 0; node < 50; node++) {
        world_start(&world, node, 1000, seeds, 2);
    }
    world_run(&world, world.now_ns + 15 * NS_PER_S);
    checks_at_rest(&checks);
    assert_string_equal(world.failure, "");
    world_deinit(&world);
}

static void ten_see_a_kill_within_four_seconds_on_average_and_eight_at_worst(void **state)
{
    struct swim_options options = swim_options_default();
    struct measure_row row;
    (void)state;
    measure_size(&options, 10, &row);
    assert_true(row.trials == 300);
    assert_true(row.dead_all * (double)options.period_ns < 4.0 * NS_PER_S);
    assert_true(row.dead_worst * (double)options.period_ns < 8.0 * NS_PER_S);
}

struct fast_case {
    uint32_t members;
    uint32_t clusters;
    uint32_t crashes; /* in each */
};

static void the_fast_profile_sees_a_kill_in_under_one_second(void **state)
{
    static const struct fast_case cases[] = {{3, 100, 1}, {10, 100, 1}, {30, 10, 3}, {100, 4, 5}};
    struct swim_options options = swim_options_fast();
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct measure_row row = {.members = cases[i].members};
        for (uint64_t seed = 1; seed <= cases[i].clusters; seed++) {
            measure_cluster(&options, seed, cases[i].crashes, &row);
        }
        assert_int_equal(row.trials, cases[i].clusters * cases[i].crashes);
        assert_true(row.dead_worst * (double)options.period_ns < 1.0 * NS_PER_S);
    }
}

static void idle_packets_of_a_member_are_as_many_at_any_size(void **state)
{
    static const uint32_t sizes[] = {5, 10, 20, 50, 100};
    struct swim_options options = swim_options_default();
    double least = 0;
    double most = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct measure_row row = {.members = sizes[i]};
        measure_cluster(&options, 1, 0, &row);
        assert_true(row.packets > 0);
        least = i == 0 || row.packets < least ? row.packets : least;
        most = row.packets > most ? row.packets : most;
    }
    assert_true(most < least * 1.2);
}

static void expect_false_deaths(size_t which, enum measure_kind control)
{
    struct measure_false out = {0};
    measure_false_run(which, control, 1, 30, &out);
    measure_false_run(which, MEASURE_OURS, 1, 30, &out);
    assert_true(out.dead[control] > 0); /* or it would be nothing that none came of ours */
    assert_int_equal(out.dead[MEASURE_OURS], 0);
}

static void a_starved_member_has_no_healthy_one_declared_dead(void **state)
{
    (void)state;
    expect_false_deaths(MEASURE_FALSE_busier, MEASURE_NAIVE);
    expect_false_deaths(MEASURE_FALSE_blocked, MEASURE_PLAIN);
}

/* Three clusters: there, any two of the four were enough before. */
static void four_that_stand_still_and_agree_kill_nobody(void **state)
{
    (void)state;
    struct measure_false out = {0};
    for (uint64_t seed = 1; seed <= 3; seed++) {
        measure_false_run(MEASURE_FALSE_blocked4, MEASURE_OURS, seed, 30, &out);
    }
    assert_true(out.starved[MEASURE_OURS] > 0);
    assert_int_equal(out.dead[MEASURE_OURS], 0);
}

static void loss_has_no_healthy_one_declared_dead(void **state)
{
    (void)state;
    expect_false_deaths(MEASURE_FALSE_loss20, MEASURE_PLAIN);
}

/* 30 ms of its own time, in slices of 10 of each 100. */
static void a_process_runs_in_its_slices_only(void **state)
{
    struct process process;
    struct process_options options = {.run_ns = 10, .stall_ns = 90};
    (void)state;
    process_init(&process, &options);
    assert_int_equal(process_after(&process, 0, 5), 5);
    assert_int_equal(process_after(&process, 5, 4), 9);
    assert_int_equal(process_after(&process, 5, 5), 100);
    assert_int_equal(process_after(&process, 5, 30), 305);
    assert_int_equal(process_after(&process, 10, 0), 100);
    assert_int_equal(process_after(&process, 99, 1), 101);
    process_deinit(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_seed_passes),
        cmocka_unit_test(a_seed_gives_the_same_run_each_time),
        cmocka_unit_test(each_checker_finds_what_it_is_for),
        cmocka_unit_test(a_partition_longer_than_all_timers_closes_by_itself),
        cmocka_unit_test(fifty_restarted_at_once_agree_within_fifteen_seconds),
        cmocka_unit_test(ten_see_a_kill_within_four_seconds_on_average_and_eight_at_worst),
        cmocka_unit_test(the_fast_profile_sees_a_kill_in_under_one_second),
        cmocka_unit_test(idle_packets_of_a_member_are_as_many_at_any_size),
        cmocka_unit_test(a_starved_member_has_no_healthy_one_declared_dead),
        cmocka_unit_test(four_that_stand_still_and_agree_kill_nobody),
        cmocka_unit_test(loss_has_no_healthy_one_declared_dead),
        cmocka_unit_test(a_process_runs_in_its_slices_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
