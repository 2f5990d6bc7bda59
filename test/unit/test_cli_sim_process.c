/* test_cli_sim_process.c: a run in a child process, however that ends. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/sim_process.h"
#include "quorate/error.h"

#define LONG_NS (60 * NS_PER_S)

static struct sim_task task_of(const struct sim_case *chosen)
{
    return (struct sim_task){.chosen = chosen, .timeout_ns = LONG_NS, .trace_descriptor = -1};
}

static struct sim_case case_of(uint64_t seed, const char *setting)
{
    struct sim_case chosen = {.seed = seed};
    if (setting != NULL) {
        assert_null(sim_case_set(&chosen, setting));
    }
    return chosen;
}

static struct sim_result result_of(const struct sim_task *task)
{
    struct sim_process process;
    struct sim_result result;
    struct interrupt interrupt = {.descriptor = -1};
    assert_int_equal(sim_process_init(&process), 0);
    assert_int_equal(sim_process_run(&process, task, &interrupt, NULL, &result), 0);
    sim_process_deinit(&process);
    return result;
}

static void a_run_gives_what_it_gives_in_this_process(void **state)
{
    (void)state;
    struct sim_case chosen = case_of(6, NULL);
    struct sim_task task = task_of(&chosen);
    struct qr_sim_options options = sim_case_options(&chosen);
    struct qr_sim_report report;
    struct sim_result result = result_of(&task);
    assert_int_equal(qr_sim_run(&options, &report), 0);
    assert_int_equal(result.status, 0);
    assert_true(result.has_trace_hash);
    assert_true(result.report.has_passed);
    assert_true(result.report.trace_hash == report.trace_hash);
    assert_true(result.report.events == report.events);
}

static void an_assertion_is_a_failure_with_what_was_said_last(void **state)
{
    (void)state;
    struct sim_case chosen = case_of(6, "abort_every=3");
    struct sim_task task = task_of(&chosen);
    struct sim_result result = result_of(&task);
    assert_int_equal(result.status, 0);
    assert_false(result.report.has_passed);
    assert_false(result.has_trace_hash);
    assert_string_equal(result.report.checker, "assertion");
    assert_non_null(strstr(result.report.failure, "signal 6"));
    assert_non_null(strstr(result.report.failure, "raft_step: assertion failed: index <= last"));
}

static void a_run_that_takes_too_long_is_ended(void **state)
{
    (void)state;
    struct sim_case chosen = case_of(6, "hang_every=3");
    struct sim_task task = task_of(&chosen);
    task.timeout_ns = NS_PER_S;
    time_ns began_ns = cli_clock_ns();
    struct sim_result result = result_of(&task);
    assert_true(cli_clock_ns() - began_ns < LONG_NS);
    assert_string_equal(result.report.checker, "hang");
    assert_string_equal(result.report.failure,
                        "it has not ended after 1 s of a processor's time; it said last:\n"
                        "the last words of a seed");
}

/* As all runs do where many others want the same processors. */
static void a_run_that_waits_for_longer_than_it_may_work_is_not_ended(void **state)
{
    (void)state;
    struct sim_case chosen = case_of(6, "sleep_ms=1000");
    struct sim_task task = task_of(&chosen);
    task.timeout_ns = NS_PER_S / 2;
    assert_true(result_of(&task).report.has_passed);
}

static void a_run_that_sleeps_for_ever_is_ended(void **state)
{
    (void)state;
    struct sim_case chosen = case_of(6, "sleep_ms=10000");
    struct sim_task task = task_of(&chosen);
    task.timeout_ns = NS_PER_S / SIM_REAL_FACTOR;
    struct sim_result result = result_of(&task);
    assert_string_equal(result.report.checker, "hang");
    assert_non_null(strstr(result.report.failure, "most of which it slept or waited"));
}

static void a_plan_that_is_refused_is_no_failure_of_the_seed(void **state)
{
    (void)state;
    struct sim_case chosen = case_of(6, "refuse_every=3");
    struct sim_task task = task_of(&chosen);
    struct sim_result result = result_of(&task);
    assert_int_equal(result.status, QR_ERR_INVALID);
    assert_string_equal(result.report.failure, "this seed refuses its plan");
}

static void runs_that_differ_are_told_by_what_differs(void **state)
{
    (void)state;
    static const struct {
        const char *setting;
        const char *words;
    } cases[] = {{"fickle=1", "trace hash "},
                 {"fickle=2", "the state machine is not deterministic"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sim_case chosen = case_of(6, cases[i].setting);
        struct sim_task task = task_of(&chosen);
        assert_true(result_of(&task).report.has_passed);
        task.is_twice = true;
        struct sim_result result = result_of(&task);
        assert_false(result.report.has_passed);
        assert_string_equal(result.report.checker, "determinism");
        assert_non_null(strstr(result.report.failure, cases[i].words));
    }
}

static void runs_that_are_the_same_pass_twice(void **state)
{
    (void)state;
    struct sim_case chosen = case_of(6, NULL);
    struct sim_task task = task_of(&chosen);
    task.is_twice = true;
    assert_true(result_of(&task).report.has_passed);
}

static size_t lines_in(int descriptor, char *text, size_t size_bytes)
{
    ssize_t length = pread(descriptor, text, size_bytes - 1, 0);
    assert_true(length >= 0);
    text[length] = '\0';
    size_t count = 0;
    for (ssize_t i = 0; i < length; i++) {
        count += text[i] == '\n';
    }
    return count;
}

static void the_trace_of_a_run_that_dies_is_whole(void **state)
{
    (void)state;
    static char text[1 << 20];
    static const char *const settings[] = {"crash=0", "abort_every=6"};
    size_t lines[COUNT_OF(settings)];
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        char path[] = "/tmp/quorate-test-XXXXXX";
        int descriptor = mkstemp(path);
        struct sim_case chosen = case_of(6, "crash=0");
        assert_null(sim_case_set(&chosen, settings[i]));
        struct sim_task task = task_of(&chosen);
        task.trace = SIM_TRACE_TEXT;
        task.trace_descriptor = descriptor;
        struct sim_result result = result_of(&task);
        assert_int_equal(result.trace_errno, 0);
        lines[i] = lines_in(descriptor, text, sizeof(text));
        assert_int_equal(lines[i], result.lines);
        close(descriptor);
        unlink(path);
    }
    assert_int_equal(lines[0], 450 + 2); /* of the fake's events two are told in two lines */
    assert_int_equal(lines[1], lines[0]);
}

static void a_trace_that_cannot_be_written_is_told(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    struct sim_case chosen = case_of(6, "operations=20000");
    struct sim_task task = task_of(&chosen);
    task.trace = SIM_TRACE_TEXT;
    task.trace_descriptor = fileno(full);
    assert_int_equal(result_of(&task).trace_errno, ENOSPC);
    (void)fclose(full);
}

static void a_signal_ends_the_waiting_and_the_run(void **state)
{
    (void)state;
    struct sim_process process;
    struct sim_result result;
    struct sim_case chosen = case_of(6, "hang_every=3");
    struct sim_task task = task_of(&chosen);
    struct interrupt interrupt = interrupt_open();
    assert_int_equal(sim_process_init(&process), 0);
    assert_int_equal(kill(getpid(), SIGINT), 0);
    assert_int_equal(sim_process_run(&process, &task, &interrupt, NULL, &result), QR_ERR_CANCELLED);
    assert_int_equal(process.pid, 0);
    sim_process_deinit(&process);
}

static void a_process_is_used_again_after_every_kind_of_end(void **state)
{
    (void)state;
    static const char *const settings[] = {"abort_every=3", "hang_every=3", "fail_every=3",
                                           "crash=1"};
    struct sim_process process;
    struct interrupt interrupt = {.descriptor = -1};
    assert_int_equal(sim_process_init(&process), 0);
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        struct sim_result result;
        struct sim_case chosen = case_of(6, settings[i]);
        struct sim_task task = task_of(&chosen);
        task.timeout_ns = NS_PER_S;
        assert_int_equal(sim_process_run(&process, &task, &interrupt, NULL, &result), 0);
        assert_int_equal(result.report.has_passed, i == 3);
    }
    sim_process_deinit(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_gives_what_it_gives_in_this_process),
        cmocka_unit_test(an_assertion_is_a_failure_with_what_was_said_last),
        cmocka_unit_test(a_run_that_takes_too_long_is_ended),
        cmocka_unit_test(a_run_that_waits_for_longer_than_it_may_work_is_not_ended),
        cmocka_unit_test(a_run_that_sleeps_for_ever_is_ended),
        cmocka_unit_test(a_plan_that_is_refused_is_no_failure_of_the_seed),
        cmocka_unit_test(runs_that_differ_are_told_by_what_differs),
        cmocka_unit_test(runs_that_are_the_same_pass_twice),
        cmocka_unit_test(the_trace_of_a_run_that_dies_is_whole),
        cmocka_unit_test(a_trace_that_cannot_be_written_is_told),
        cmocka_unit_test(a_process_is_used_again_after_every_kind_of_end),
        cmocka_unit_test(a_signal_ends_the_waiting_and_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
