/* test_sim_shrink.c: a failing run is made shorter, and still fails in the same checker. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/types.h"
#include "quorate/error.h"
#include "sim/kv_subject.h"
#include "sim/shrink.h"

#define FAILS "fail_every=6 nodes=5"
#define RUNS_MAX 500

static struct qr_sim_options options_of(const char *plan)
{
    return (struct qr_sim_options){
        .size_bytes = sizeof(struct qr_sim_options), .seed = 6, .plan = plan};
}

static struct qr_sim_shrunk shrunk_of(const struct qr_sim_options *options, uint64_t runs_max)
{
    struct qr_sim_shrunk shrunk;
    assert_int_equal(qr_sim_shrink(options, runs_max, NULL, NULL, &shrunk), 0);
    return shrunk;
}

static bool skips(const struct qr_sim_shrunk *shrunk, uint32_t fault)
{
    for (size_t i = 0; i < shrunk->skipped_fault_count; i++) {
        if (shrunk->skipped_faults[i] == fault) {
            return true;
        }
    }
    return false;
}

static void what_is_not_needed_is_gone_and_what_is_needed_stays(void **state)
{
    (void)state;
    struct qr_sim_options options = options_of(FAILS);
    struct qr_sim_shrunk shrunk = shrunk_of(&options, RUNS_MAX);
    assert_string_equal(shrunk.report.checker, "log-matching");
    assert_non_null(strstr(shrunk.plan, "nodes=2"));
    assert_non_null(strstr(shrunk.plan, "operations=1"));
    assert_null(strstr(shrunk.plan, "loss=0"));
    assert_false(skips(&shrunk, 7));
    /* One operation, one fault of ten events, two nodes. */
    assert_int_equal(shrunk.report.events, 1 + 10 + 100);
    qr_sim_shrunk_deinit(&shrunk);
}

static void the_shorter_run_fails_when_it_is_run_by_its_plan_and_faults(void **state)
{
    (void)state;
    struct qr_sim_options options = options_of(FAILS);
    struct qr_sim_shrunk shrunk = shrunk_of(&options, RUNS_MAX);
    struct qr_sim_report report;
    options.plan = shrunk.plan;
    options.skipped_faults = shrunk.skipped_faults;
    options.skipped_fault_count = shrunk.skipped_fault_count;
    assert_int_equal(qr_sim_run(&options, &report), 0);
    assert_false(report.has_passed);
    assert_true(report.trace_hash == shrunk.report.trace_hash);
    qr_sim_shrunk_deinit(&shrunk);
}

static void faults_that_were_skipped_before_stay_skipped_in_ascending_order(void **state)
{
    (void)state;
    static const uint32_t skipped[] = {3, 9};
    struct qr_sim_options options = options_of(FAILS " crash=20");
    options.skipped_faults = skipped;
    options.skipped_fault_count = COUNT_OF(skipped);
    struct qr_sim_shrunk shrunk = shrunk_of(&options, RUNS_MAX);
    assert_true(skips(&shrunk, 3));
    assert_true(shrunk.skipped_fault_count > 2);
    for (size_t i = 1; i < shrunk.skipped_fault_count; i++) {
        assert_true(shrunk.skipped_faults[i - 1] < shrunk.skipped_faults[i]);
    }
    qr_sim_shrunk_deinit(&shrunk);
}

static void faults_that_do_not_come_are_not_left_out(void **state)
{
    (void)state;
    struct qr_sim_options options = options_of(FAILS);
    struct qr_sim_shrunk shrunk = shrunk_of(&options, RUNS_MAX);
    assert_true(shrunk.runs < RUNS_MAX);
    for (size_t i = 0; i < shrunk.skipped_fault_count; i++) {
        assert_true(shrunk.skipped_faults[i] <= 20);
    }
    qr_sim_shrunk_deinit(&shrunk);
}

static void no_more_runs_are_tried_than_allowed(void **state)
{
    (void)state;
    for (uint64_t runs_max = 1; runs_max <= 30; runs_max++) {
        struct qr_sim_options options = options_of(FAILS);
        struct qr_sim_shrunk shrunk = shrunk_of(&options, runs_max);
        assert_true(shrunk.runs <= runs_max);
        assert_false(shrunk.report.has_passed);
        qr_sim_shrunk_deinit(&shrunk);
    }
}

static bool stop_at_ten(void *argument, const struct qr_sim_shrunk *best)
{
    uint64_t *runs = argument;
    *runs = best->runs;
    return best->runs < 10;
}

static void a_search_that_is_stopped_gives_the_best_so_far(void **state)
{
    (void)state;
    struct qr_sim_options options = options_of(FAILS);
    struct qr_sim_shrunk shrunk;
    uint64_t runs = 0;
    assert_int_equal(qr_sim_shrink(&options, RUNS_MAX, stop_at_ten, &runs, &shrunk), 0);
    assert_int_equal(runs, 10);
    assert_int_equal(shrunk.runs, 10);
    assert_false(shrunk.report.has_passed);
    assert_true(shrunk.report.events < 100 + 200 + 250);
    qr_sim_shrunk_deinit(&shrunk);
}

static void a_run_that_passes_is_not_shrunk(void **state)
{
    (void)state;
    struct qr_sim_options options = options_of("nodes=5");
    struct qr_sim_shrunk shrunk;
    assert_int_equal(qr_sim_shrink(&options, RUNS_MAX, NULL, NULL, &shrunk), QR_ERR_NOT_FOUND);
    assert_null(shrunk.skipped_faults);
}

static void a_plan_out_of_bounds_is_refused_with_its_sentence(void **state)
{
    (void)state;
    struct qr_sim_options options = options_of("nodes=8");
    struct qr_sim_shrunk shrunk;
    assert_int_equal(qr_sim_shrink(&options, RUNS_MAX, NULL, NULL, &shrunk), QR_ERR_INVALID);
    assert_string_equal(shrunk.report.failure, "nodes: 8 is out of bounds, 1..7");
}

/* Fails in another checker as soon as there are fewer than four nodes. */
static int other_checker_run(void *argument, const struct qr_sim_options *options,
                             struct qr_sim_report *out)
{
    (void)argument;
    int status = qr_sim_run(options, out);
    if (status == 0 && !out->has_passed && out->events < 50 * 4) {
        (void)snprintf(out->checker, sizeof(out->checker), "another");
    }
    return status;
}

static void a_run_that_fails_in_another_checker_is_not_taken(void **state)
{
    (void)state;
    struct qr_sim_options options = options_of(FAILS);
    struct qr_sim_shrunk shrunk;
    const struct shrink shrink = {
        .options = &options, .runs_max = RUNS_MAX, .run = other_checker_run};
    assert_int_equal(shrink_search(&shrink, &shrunk), 0);
    assert_string_equal(shrunk.report.checker, "log-matching");
    assert_true(shrunk.report.events >= 200);
    assert_true(shrunk.report.events < 550);
    qr_sim_shrunk_deinit(&shrunk);
}

/* Fails with fewer than five nodes only when fault 1 is left out, and never without fault 8. */
static int entangled_run(void *argument, const struct qr_sim_options *options,
                         struct qr_sim_report *out)
{
    (void)argument;
    bool is_first_left_out = false;
    bool is_eighth_left_out = false;
    for (size_t i = 0; i < options->skipped_fault_count; i++) {
        is_first_left_out |= options->skipped_faults[i] == 1;
        is_eighth_left_out |= options->skipped_faults[i] == 8;
    }
    bool is_small = strstr(options->plan, "nodes=5") == NULL;
    int status = qr_sim_run(options, out);
    out->has_passed |= is_eighth_left_out || (is_small && !is_first_left_out);
    return status;
}

static void what_faults_stood_in_the_way_of_is_tried_again_without_them(void **state)
{
    (void)state;
    struct qr_sim_options options = options_of(FAILS);
    struct qr_sim_shrunk shrunk;
    const struct shrink shrink = {.options = &options, .runs_max = RUNS_MAX, .run = entangled_run};
    assert_int_equal(shrink_search(&shrink, &shrunk), 0);
    assert_true(skips(&shrunk, 1));
    assert_false(skips(&shrunk, 8));
    assert_non_null(strstr(shrunk.plan, "nodes=2"));
    qr_sim_shrunk_deinit(&shrunk);
}

/* Memory runs out in the fifth run. */
static int poor_run(void *argument, const struct qr_sim_options *options, struct qr_sim_report *out)
{
    int *runs = argument;
    return ++*runs == 5 ? QR_ERR_NO_MEMORY : qr_sim_run(options, out);
}

static void a_run_for_which_memory_runs_out_ends_the_search(void **state)
{
    (void)state;
    struct qr_sim_options options = options_of(FAILS);
    struct qr_sim_shrunk shrunk;
    int runs = 0;
    const struct shrink shrink = {
        .options = &options, .runs_max = RUNS_MAX, .run = poor_run, .run_argument = &runs};
    assert_int_equal(shrink_search(&shrink, &shrunk), QR_ERR_NO_MEMORY);
    assert_int_equal(runs, 5);
}

/* A child that crashed tells of no events: everything but the checker is unknown. */
static int crashed_run(void *argument, const struct qr_sim_options *options,
                       struct qr_sim_report *out)
{
    (void)argument;
    int status = qr_sim_run(options, out);
    out->events = 0;
    out->faults = 0;
    return status;
}

static void a_run_without_counts_is_shrunk_by_its_settings(void **state)
{
    (void)state;
    struct qr_sim_options options = options_of(FAILS);
    struct qr_sim_shrunk shrunk;
    const struct shrink shrink = {.options = &options, .runs_max = RUNS_MAX, .run = crashed_run};
    assert_int_equal(shrink_search(&shrink, &shrunk), 0);
    assert_non_null(strstr(shrunk.plan, "nodes=2"));
    assert_non_null(strstr(shrunk.plan, "operations=1"));
    qr_sim_shrunk_deinit(&shrunk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_needed_is_gone_and_what_is_needed_stays),
        cmocka_unit_test(the_shorter_run_fails_when_it_is_run_by_its_plan_and_faults),
        cmocka_unit_test(faults_that_were_skipped_before_stay_skipped_in_ascending_order),
        cmocka_unit_test(faults_that_do_not_come_are_not_left_out),
        cmocka_unit_test(no_more_runs_are_tried_than_allowed),
        cmocka_unit_test(a_search_that_is_stopped_gives_the_best_so_far),
        cmocka_unit_test(a_run_that_passes_is_not_shrunk),
        cmocka_unit_test(a_plan_out_of_bounds_is_refused_with_its_sentence),
        cmocka_unit_test(a_run_that_fails_in_another_checker_is_not_taken),
        cmocka_unit_test(what_faults_stood_in_the_way_of_is_tried_again_without_them),
        cmocka_unit_test(a_run_for_which_memory_runs_out_ends_the_search),
        cmocka_unit_test(a_run_without_counts_is_shrunk_by_its_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
