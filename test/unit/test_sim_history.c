/* test_sim_history.c: a record of operations, within its limit. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "test_sim_history_support.h"

static struct heap heap;
static struct history history;

static int setup(void **state)
{
    (void)state;
    heap_init(&heap);
    history_init(&history, &heap.allocator, 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    history_deinit(&history);
    heap_deinit(&heap);
    return 0;
}

static const struct history_call get = {.key = 3, .client = 2, .kind = HISTORY_GET};

static void operations_are_numbered_as_they_are_called(void **state)
{
    uint32_t number;

    (void)state;
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(history_add(&history, &get, 100 - i, &number), 0);
        assert_int_equal(number, i);
    }
    history_invariants(&history);
    assert_int_equal(history.operations[19].invoked_at, 81);
    assert_int_equal(history.operations[19].call.client, 2);
}

static void the_limit_is_kept(void **state)
{
    uint32_t number = 99;

    (void)state;
    for (int i = 0; i < 20; i++) {
        history_call(&history, &get, 0);
    }
    assert_int_equal(history_add(&history, &get, 0, &number), QR_ERR_TOO_LARGE);
    assert_int_equal(number, 99);
    assert_int_equal(history.count, 20);
}

static void a_call_without_memory_changes_nothing(void **state)
{
    uint32_t number = 99;

    (void)state;
    heap.fail_at = 1;
    assert_int_equal(history_add(&history, &get, 0, &number), QR_ERR_NO_MEMORY);
    assert_int_equal(number, 99);
    assert_int_equal(history.count, 0);
    history_invariants(&history);
    assert_int_equal(history_add(&history, &get, 0, &number), 0);
}

static void each_outcome_is_kept(void **state)
{
    (void)state;
    history_read(&history, "1 INCR 5 9 7, 1 INCR 6 ?, 1 INCR 7 x, 1 INCR 8 ~");
    assert_int_equal(history.operations[0].outcome, HISTORY_DONE);
    assert_int_equal(history.operations[0].reply.number, 7);
    assert_true(history.operations[0].reply.is_present);
    assert_int_equal(history.operations[0].returned_at, 9);
    assert_int_equal(history.operations[1].outcome, HISTORY_UNKNOWN);
    assert_int_equal(history.operations[2].outcome, HISTORY_REFUSED);
    assert_int_equal(history.operations[3].outcome, HISTORY_PENDING);
}

static void a_cleared_record_uses_its_memory_again(void **state)
{
    (void)state;
    history_read(&history, "1 GET 0 1 -, 2 GET 0 1 -");
    uint64_t allocate_count = heap.allocate_count;
    history_clear(&history);
    assert_int_equal(history.count, 0);
    assert_int_equal(history_call(&history, &get, 0), 0);
    assert_int_equal(heap.allocate_count, allocate_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(operations_are_numbered_as_they_are_called, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_limit_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_call_without_memory_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(each_outcome_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cleared_record_uses_its_memory_again, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
