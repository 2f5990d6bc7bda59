/* test_engine_callbacks.c: what callbacks and handlers of commits may do, on the caller's loop. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "engine_alone.h"
#include "quorate/engine.h"

static void propose_and_cancel(void *argument, int status, uint64_t index,
                               const struct qr_result *result)
{
    struct bench *bench = argument;
    uint64_t ticket = 0;
    on_answer(argument, status, index, result);
    assert_int_equal(propose_with_ticket(bench, on_answer, &ticket), 0);
    assert_int_equal(qr_cancel(bench->lone.engine, ticket), 0);
    assert_int_equal(qr_cancel(bench->lone.engine, bench->token), 0);
}

static void a_callback_may_cancel_what_waits_in_the_queue(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    read_as(bench, QR_READ_CONFIGURED, 0, 0); /* it leads */
    assert_int_equal(propose(bench, "\x05", propose_and_cancel), 0);
    assert_int_equal(propose_with_ticket(bench, on_answer, &bench->token), 0);
    wait_for_answers(bench, 3);
    assert_int_equal(bench->answer_status, QR_ERR_WITHDRAWN);
    assert_int_equal(tally_sum(&bench->lone.tally), 10);
}

static void on_chain(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct bench *bench = argument;
    on_answer(argument, status, index, result);
    if (bench->chain_left > 0) {
        bench->chain_left--;
        assert_int_equal(propose(bench, "\x01", on_chain), 0);
    }
}

static void a_callback_may_propose_again(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    bench->chain_left = 20;
    assert_int_equal(propose(bench, "\x01", on_chain), 0);
    wait_for_answers(bench, 21);
    assert_int_equal(bench->answer_sum, 21);
}

static void on_commit_once(void *argument, const struct qr_entry *entry)
{
    struct bench *bench = argument;
    assert_int_equal(entry->command_bytes, 3);
    assert_memory_equal(entry->command, "add", 3);
    bench->handled_count++;
    qr_remove_commit_handler(bench->lone.engine, bench->token);
    assert_int_equal(qr_on_commit(bench->lone.engine, on_commit_once, bench, &bench->token), 0);
}

static void a_commit_handler_may_remove_and_add_while_it_runs(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    assert_int_equal(qr_on_commit(bench->lone.engine, on_commit_once, bench, &bench->token), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(propose(bench, "\x01", on_answer), 0);
    }
    wait_for_answers(bench, 10);
    assert_int_equal(bench->handled_count, 10); /* once an entry, by one handler or the next */
    qr_remove_commit_handler(bench->lone.engine, bench->token);
    qr_remove_commit_handler(bench->lone.engine, 4711);
    assert_int_equal(propose(bench, "\x01", on_answer), 0);
    wait_for_answers(bench, 11);
    assert_int_equal(bench->handled_count, 10);
}

static void count_commit(void *argument, const struct qr_entry *entry)
{
    struct bench *bench = argument;
    bench->handled_count++;
    bench->answer_index = entry->index;
}

static void a_handler_of_the_options_hears_of_every_entry_also_behind_a_restart(void **state)
{
    struct bench *bench = *state;
    struct qr_engine_options options = lone_engine_options(&bench->lone);
    options.on_commit = count_commit;
    options.on_commit_argument = bench;
    lone_engine_open_with(&bench->lone, &options);
    wait_until_it_leads(bench);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(propose(bench, "\x01", on_answer), 0);
    }
    wait_for_answers(bench, 3);
    assert_int_equal(bench->handled_count, 3);
    lone_engine_close(&bench->lone);

    lone_engine_open_with(&bench->lone, &options);
    wait_until_it_leads(bench);
    assert_int_equal(propose(bench, "\x01", on_answer), 0);
    wait_for_answers(bench, 4);
    assert_int_equal(bench->handled_count, 3 + 4); /* those before the restart, once more */
}

static void handlers_are_bounded(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    uint64_t token = 0;
    for (int i = 0; i < QR_COMMIT_HANDLERS_MAX; i++) {
        assert_int_equal(qr_on_commit(bench->lone.engine, on_commit_once, bench, &token), 0);
    }
    assert_int_equal(qr_on_commit(bench->lone.engine, on_commit_once, bench, &token), QR_ERR_BUSY);
}

#define ENGINE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_callback_may_cancel_what_waits_in_the_queue),
        ENGINE_TEST(a_callback_may_propose_again),
        ENGINE_TEST(a_commit_handler_may_remove_and_add_while_it_runs),
        ENGINE_TEST(a_handler_of_the_options_hears_of_every_entry_also_behind_a_restart),
        ENGINE_TEST(handlers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
