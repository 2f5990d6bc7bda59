/* test_kv_scan.c: SCAN in steps, while keys come and go. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "test_kv_support.h"

struct seen {
    char keys[512];
    struct text text;
    unsigned count;
};

static void see(void *context, const void *key, size_t size_bytes)
{
    struct seen *seen = context;

    text_bytes(&seen->text, key, size_bytes);
    text_char(&seen->text, ' ');
    seen->count++;
}

/* Scan to the end in steps of `count`; returns the keys, and the number of steps. */
static const char *scan(struct store_test *test, const char *pattern, size_t count,
                        unsigned *step_count)
{
    static struct seen seen;
    static char after_bytes[64];
    struct kv_argument pattern_argument = {pattern, pattern == NULL ? 0 : strlen(pattern)};
    struct kv_argument after = {after_bytes, 0};
    struct kv_argument last = {NULL, 0};
    bool has_more = true;

    seen.text = text_of(seen.keys, sizeof(seen.keys));
    for (*step_count = 0; has_more; (*step_count)++) {
        has_more = kv_scan(test->kv, *step_count == 0 ? NULL : &after, count,
                           pattern == NULL ? NULL : &pattern_argument, see, &seen, &last);
        if (has_more) {
            assert_true(last.size_bytes <= sizeof(after_bytes));
            memcpy(after_bytes, last.data, last.size_bytes);
            after.size_bytes = last.size_bytes;
        }
    }
    return seen.keys;
}

static void a_scan_gives_every_key_once_in_order(void **state)
{
    static struct store_test test;
    unsigned steps;

    (void)state;
    store_init(&test);
    assert_string_equal(scan(&test, NULL, 10, &steps), "");
    assert_int_equal(steps, 1);
    (void)store_do(&test, "MSET b 1 a 1 c 1 ab 1 abc 1 ca 1");
    for (size_t count = 0; count < 8; count++) {
        assert_string_equal(scan(&test, NULL, count, &steps), "a ab abc b c ca ");
        size_t per_step = count == 0 ? 1 : count;
        assert_int_equal(steps, (6 + per_step - 1) / per_step);
    }
    store_deinit(&test);
}

static void a_pattern_narrows_what_is_given_and_what_is_looked_at(void **state)
{
    static struct store_test test;
    unsigned steps;

    (void)state;
    store_init(&test);
    (void)store_do(&test, "MSET a1 1 a2 1 b1 1 b2 1 b21 1 c1 1");
    assert_string_equal(scan(&test, "b*", 1, &steps), "b1 b2 b21 ");
    assert_int_equal(steps, 3);
    assert_string_equal(scan(&test, "*1", 2, &steps), "a1 b1 b21 c1 ");
    assert_int_equal(steps, 3);
    assert_string_equal(scan(&test, "b2", 10, &steps), "b2 ");
    assert_string_equal(scan(&test, "x*", 10, &steps), "");
    assert_int_equal(steps, 1);
    store_deinit(&test);
}

static void a_scan_goes_on_behind_a_key_that_is_gone(void **state)
{
    static struct store_test test;
    struct seen seen;
    struct kv_argument last;
    struct kv_argument after = {"b", 1};

    (void)state;
    store_init(&test);
    (void)store_do(&test, "MSET a 1 c 1 d 1");
    seen.text = text_of(seen.keys, sizeof(seen.keys));
    assert_true(kv_scan(test.kv, &after, 1, NULL, see, &seen, &last));
    assert_string_equal(seen.keys, "c ");
    assert_false(kv_scan(test.kv, &last, 5, NULL, see, &seen, &last));
    assert_string_equal(seen.keys, "c d ");
    store_deinit(&test);
}

/* The key at which a step ends is one that was looked at, whether it is given or not, so that
 * a step with no match still moves on.
 */
static void a_step_without_a_match_moves_on(void **state)
{
    static struct store_test test;
    unsigned steps;

    (void)state;
    store_init(&test);
    (void)store_do(&test, "MSET a 1 b 1 c 1 d 1 e 1 z 1");
    assert_string_equal(scan(&test, "*z", 2, &steps), "z ");
    assert_int_equal(steps, 3);
    (void)store_do(&test, "PEXPIRE z 5");
    test.now_ns += 5 * NS_PER_MS;
    store_tick(&test, test.now_ns);
    assert_string_equal(scan(&test, "*z", 2, &steps), "");
    store_deinit(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_gives_every_key_once_in_order),
        cmocka_unit_test(a_pattern_narrows_what_is_given_and_what_is_looked_at),
        cmocka_unit_test(a_scan_goes_on_behind_a_key_that_is_gone),
        cmocka_unit_test(a_step_without_a_match_moves_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
