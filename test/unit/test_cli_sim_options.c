/* test_cli_sim_options.c: which runs a command line of `quorate sim` asks for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

#include "cli/sim.h"

static void settings_are_put_together_in_their_order(void **state)
{
    (void)state;
    struct sim_case chosen = {.seed = 1};
    assert_null(sim_case_set(&chosen, "nodes=3"));
    assert_null(sim_case_without(&chosen, "loss,crash"));
    assert_null(sim_case_set(&chosen, "nodes=5"));
    assert_string_equal(chosen.plan, "nodes=3 loss=0 crash=0 nodes=5");
    assert_int_equal(chosen.plan_bytes, strlen(chosen.plan));
}

static void a_setting_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "nodes", "=3", "nodes=", "a=1 b=2", "a=1\tb", "a=1\n"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct sim_case chosen = {.seed = 1};
        assert_string_equal(sim_case_set(&chosen, wrong[i]), "must be NAME=VALUE");
        assert_string_equal(chosen.plan, "");
    }
}

static void a_list_of_faults_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", ",", "loss,", ",loss", "loss,,crash", "loss=1", "a b"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct sim_case chosen = {.seed = 1};
        assert_string_equal(sim_case_without(&chosen, wrong[i]),
                            "must be names of faults with commas");
    }
}

static void settings_for_which_there_is_no_room_are_refused_whole(void **state)
{
    (void)state;
    struct sim_case chosen = {.seed = 1};
    const char *refused = NULL;
    size_t count = 0;
    while (refused == NULL) {
        refused = sim_case_set(&chosen, "segment_bytes=65536");
        count += refused == NULL;
    }
    assert_string_equal(refused, "there are too many settings");
    assert_int_equal(count, sizeof(chosen.plan) / 20);
    assert_int_equal(strlen(chosen.plan), count * 20 - 1);
    assert_int_equal(chosen.plan_bytes, count * 20 - 1);
}

static void faults_to_skip_are_numbers_and_ranges(void **state)
{
    (void)state;
    struct sim_case chosen = {.seed = 1};
    static const uint32_t wanted[] = {3, 7, 8, 9, 4294967295};
    assert_null(sim_case_skip(&chosen, "3,7-9"));
    assert_null(sim_case_skip(&chosen, "4294967295"));
    assert_int_equal(chosen.skipped_count, COUNT_OF(wanted));
    assert_memory_equal(chosen.skipped, wanted, sizeof(wanted));
}

static void faults_to_skip_are_written_as_they_are_read(void **state)
{
    (void)state;
    static const char *const lists[] = {"1", "1-2", "3,7-9", "1-4096", "2,4,6-8,10"};
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct sim_case chosen = {.seed = 1};
        char written[64];
        struct text text = text_of(written, sizeof(written));
        assert_null(sim_case_skip(&chosen, lists[i]));
        sim_case_skipped_write(chosen.skipped, chosen.skipped_count, &text);
        assert_string_equal(written, lists[i]);
    }
}

static void faults_to_skip_that_are_none_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *wrong;
    } cases[] = {
        {"", "must be like 3,7-9"},
        {"3,", "must be like 3,7-9"},
        {",3", "must be like 3,7-9"},
        {"-3", "must be like 3,7-9"},
        {"3-", "must be like 3,7-9"},
        {"3-4-5", "must be like 3,7-9"},
        {"0", "must be like 3,7-9"},
        {"4294967296", "must be like 3,7-9"},
        {"18446744073709551617", "must be like 3,7-9"},
        {"111111111111111111111111111111", "must be like 3,7-9"},
        {"x", "must be like 3,7-9"},
        {"3,3", "must be ascending"},
        {"9-7", "must be ascending"},
        {"1-5,5", "must be ascending"},
        {"1-4097", "names more than 4096 faults"},
        {"1-4294967295", "names more than 4096 faults"},
        {"1-4096,5000", "names more than 4096 faults"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sim_case chosen = {.seed = 1};
        assert_string_equal(sim_case_skip(&chosen, cases[i].text), cases[i].wrong);
    }
}

static void a_case_is_written_as_the_flags_that_give_it(void **state)
{
    (void)state;
    struct sim_case chosen = {.seed = 17};
    char written[256];
    struct text text = text_of(written, sizeof(written));
    assert_null(sim_case_set(&chosen, "nodes=3"));
    assert_null(sim_case_without(&chosen, "loss"));
    assert_null(sim_case_skip(&chosen, "1-2,9"));
    sim_case_flags_write(&chosen, &text);
    assert_string_equal(written, " --seed 17 --set nodes=3 --set loss=0 --skip-faults 1-2,9");
}

static void the_simulator_is_asked_for_the_case(void **state)
{
    (void)state;
    struct sim_case chosen = {.seed = 17};
    assert_null(sim_case_set(&chosen, "nodes=3"));
    assert_null(sim_case_skip(&chosen, "4"));
    struct qr_sim_options options = sim_case_options(&chosen);
    assert_int_equal(options.size_bytes, sizeof(options));
    assert_int_equal(options.seed, 17);
    assert_string_equal(options.plan, "nodes=3");
    assert_int_equal(options.skipped_fault_count, 1);
    assert_int_equal(options.skipped_faults[0], 4);
}

static struct sim_options parsed(const char **arguments)
{
    struct sim_options options;
    char *argv[16];
    int argc = 0;
    while (arguments[argc] != NULL) {
        argc++;
    }
    memcpy(argv, arguments, sizeof(char *) * ((size_t)argc + 1));
    sim_options_parse(argc, argv, &options);
    return options;
}

static void without_options_a_hundred_seeds_are_run_from_1(void **state)
{
    (void)state;
    const char *arguments[] = {"quorate sim", NULL};
    struct sim_options options = parsed(arguments);
    assert_int_equal(options.first_seed, 1);
    assert_int_equal(options.seed_count, 100);
    assert_int_equal(options.fail_max, 10);
    assert_int_equal(options.seed_timeout_s, 120);
    assert_int_equal(options.shrink_runs, 500);
    assert_true(options.jobs >= 1);
    assert_false(options.given['s']);
    /* Settings are judged by a seed that will run. */
    assert_int_equal(options.chosen.seed, 1);
}

static void a_default_is_no_limit_where_another_is_given(void **state)
{
    (void)state;
    const char *by_minutes[] = {"quorate sim", "--minutes", "5", "--first-seed", "7", NULL};
    const char *by_failure[] = {"quorate sim", "--until-failure", NULL};
    const char *by_both[] = {"quorate sim", "--until-failure", "--seeds=9", NULL};
    struct sim_options options = parsed(by_minutes);
    assert_int_equal(options.seed_count, 0);
    assert_int_equal(options.minutes, 5);
    assert_int_equal(options.chosen.seed, 7);
    assert_int_equal(parsed(by_failure).seed_count, 0);
    assert_int_equal(parsed(by_both).seed_count, 9);
}

static void the_default_ends_at_the_last_seed_there_is(void **state)
{
    (void)state;
    const char *arguments[] = {"quorate sim", "--first-seed", "9223372036854775800", NULL};
    assert_int_equal(parsed(arguments).seed_count, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_put_together_in_their_order),
        cmocka_unit_test(a_setting_that_is_none_is_refused),
        cmocka_unit_test(a_list_of_faults_that_is_none_is_refused),
        cmocka_unit_test(settings_for_which_there_is_no_room_are_refused_whole),
        cmocka_unit_test(faults_to_skip_are_numbers_and_ranges),
        cmocka_unit_test(faults_to_skip_are_written_as_they_are_read),
        cmocka_unit_test(faults_to_skip_that_are_none_are_refused),
        cmocka_unit_test(a_case_is_written_as_the_flags_that_give_it),
        cmocka_unit_test(the_simulator_is_asked_for_the_case),
        cmocka_unit_test(without_options_a_hundred_seeds_are_run_from_1),
        cmocka_unit_test(a_default_is_no_limit_where_another_is_given),
        cmocka_unit_test(the_default_ends_at_the_last_seed_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
