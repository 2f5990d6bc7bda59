/* test_server_scan.c: the table of SCAN's cursors stays within its bounds. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "support/unit.h"

static void a_number_leads_back_to_its_key(void **state)
{
    struct scan_table table = {0};
    struct kv_argument key;

    (void)state;
    assert_false(scan_table_get(&table, 1, &key));
    uint64_t number = scan_table_put(&table, &(struct kv_argument){"abc", 3}, 12345678901);
    assert_true(number != 0);
    assert_true(number < UINT64_C(1) << 53);
    assert_true(scan_table_get(&table, number, &key));
    assert_int_equal(key.size_bytes, 3);
    assert_memory_equal(key.data, "abc", 3);
    assert_true(scan_table_get(&table, number, &key));
    assert_false(scan_table_get(&table, number + SCAN_CURSORS_MAX, &key));
    assert_false(scan_table_get(&table, 0, &key));
    scan_table_deinit(&table);
}

static void chance_of_nothing_still_gives_a_number(void **state)
{
    struct scan_table table = {0};
    struct kv_argument key;

    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        uint64_t number = scan_table_put(&table, &(struct kv_argument){"", 0}, 0);
        assert_true(number != 0);
        assert_true(scan_table_get(&table, number, &key));
        assert_int_equal(key.size_bytes, 0);
    }
    scan_table_deinit(&table);
}

static void past_the_limit_the_least_used_is_forgotten(void **state)
{
    struct scan_table table = {0};
    struct kv_argument key;
    struct prng prng = prng_of(7);
    static uint64_t numbers[SCAN_CURSORS_MAX];

    (void)state;
    for (size_t i = 0; i < SCAN_CURSORS_MAX; i++) {
        numbers[i] = scan_table_put(&table, &(struct kv_argument){"k", 1}, prng_next(&prng));
    }
    assert_true(scan_table_get(&table, numbers[0], &key));
    assert_true(scan_table_put(&table, &(struct kv_argument){"x", 1}, prng_next(&prng)) != 0);
    assert_true(scan_table_get(&table, numbers[0], &key));
    assert_false(scan_table_get(&table, numbers[1], &key));
    assert_true(scan_table_get(&table, numbers[2], &key));
    assert_int_equal(table.key_bytes, SCAN_CURSORS_MAX);
    scan_table_deinit(&table);
}

static void the_bytes_of_all_keys_are_bounded(void **state)
{
    struct scan_table table = {0};
    struct prng prng = prng_of(8);
    struct kv_argument key;
    uint8_t *bytes = calloc(1, KV_KEY_BYTES_MAX);
    uint64_t last = 0;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < 1000; i++) {
        size_t size_bytes = prng_between(&prng, 1, KV_KEY_BYTES_MAX);
        last = scan_table_put(&table, &(struct kv_argument){bytes, size_bytes}, prng_next(&prng));
        assert_true(last != 0);
        assert_true(table.key_bytes <= SCAN_BYTES_MAX);
    }
    assert_true(table.key_bytes > SCAN_BYTES_MAX / 2);
    assert_true(scan_table_get(&table, last, &key));
    scan_table_deinit(&table);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_leads_back_to_its_key),
        cmocka_unit_test(chance_of_nothing_still_gives_a_number),
        cmocka_unit_test(past_the_limit_the_least_used_is_forgotten),
        cmocka_unit_test(the_bytes_of_all_keys_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
