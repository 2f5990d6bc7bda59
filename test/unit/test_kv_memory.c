/* test_kv_memory.c: each allocation fails once, and what is used is counted and given back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/store.h"
#include "test_kv_support.h"

static const char *const lines[] = {
    "SET a 1",          "SET b 1 EX 100", "SET b 2 KEEPTTL",
    "SET b 3 EX 50",    "EXPIRE a 100",   "PERSIST a",
    "INCR a",           "APPEND a xyz",   "SETRANGE a 5 q",
    "MSET a 1 b 2 c 3", "MSETNX d 1 e 2", "GETEX c EX 5",
    "GETDEL a",         "GETSET b y",     "SETEX f 10 x",
    "MGET a b c d e f", "KEYS *",         "SET f z PX 10000 GET",
    "DEL b c",          "FLUSHALL",       "SET again 1 EX 10",
};

static uint64_t digests[COUNT_OF(lines)]; /* after each line, when nothing fails */

/* Talk until the n-th allocation fails; returns whether one did. What is there then is what was
 * there before the line or is there after it, or, of a line with several keys, in between.
 */
static bool talk_with_failure(uint64_t n)
{
    static struct store_test test;
    int error = 0;

    heap_init(&test.heap);
    test.heap.fail_at = n;
    test.index = 0;
    test.now_ns = START_NS;
    test.kv = kv_new(&test.heap.allocator);
    if (test.kv == NULL) {
        heap_deinit(&test.heap);
        return true;
    }
    for (size_t i = 0; error == 0 && i < COUNT_OF(lines); i++) {
        struct kv_argument words[WORDS_MAX];
        size_t count = words_of(lines[i], words);
        error = store_apply(&test, words, count, true);
        kv_invariants(test.kv);
        uint64_t digest = store_digest(&test);
        if (n == 0) {
            digests[i] = digest;
        } else if (error == 0) {
            assert_true(digest == digests[i]);
        } else {
            assert_int_equal(error, QR_ERR_NO_MEMORY);
            assert_string_equal(test.reply, "");
            assert_true(digest == digests[i] || digest == (i == 0 ? 0 : digests[i - 1]) ||
                        lines[i][0] == 'M');
        }
    }
    kv_free(test.kv);
    heap_deinit(&test.heap);
    return error != 0;
}

static void each_allocation_may_fail_and_the_store_stays_whole(void **state)
{
    uint64_t n = 1;

    (void)state;
    assert_false(talk_with_failure(0));
    while (talk_with_failure(n)) {
        n++;
    }
    assert_true(n > COUNT_OF(lines));
}

static int store_put(struct kv_store *store, const char *key, const char *value, time_ns expires_ns)
{
    struct kv_item *item = kv_item_make(&store->memory, (struct kv_argument){key, strlen(key)},
                                        (struct kv_argument){value, strlen(value)}, expires_ns);

    return item == NULL ? QR_ERR_NO_MEMORY : kv_store_put(store, item);
}

/* While a view is held, a change of the tree of keys takes memory too, and the tree of expiry
 * times, changed before it, must follow it back.
 */
static void a_change_that_fails_under_a_view_is_undone_in_both_trees(void **state)
{
    static const time_ns times[] = {0, 100, 200};
    struct heap heap;
    struct kv_store store;
    struct kv_tree view;

    (void)state;
    heap_init(&heap);
    kv_store_init(&store, &heap.allocator);
    for (unsigned i = 0; i < 9; i++) {
        char key[] = {(char)('a' + i), 0};
        assert_int_equal(store_put(&store, key, "old", times[i / 3]), 0);
    }
    kv_tree_view(&store.keys, &view);
    for (unsigned i = 0; i < 12; i++) {
        /* Every change from one time to another, and new keys. */
        char key[] = {(char)('a' + i), 0};
        uint64_t digest = store.digest;
        for (uint64_t n = 1;; n++) {
            heap.fail_at = heap.allocate_count + n;
            int error = store_put(&store, key, "new", times[i % 3]);
            heap.fail_at = 0;
            kv_store_invariants(&store);
            if (error == 0) {
                assert_true(n > 2);
                break;
            }
            assert_int_equal(error, QR_ERR_NO_MEMORY);
            assert_true(store.digest == digest);
        }
        kv_tree_deinit(&view);
        kv_tree_view(&store.keys, &view);
    }
    assert_int_equal(kv_tree_count(&store.keys), 12);
    kv_tree_deinit(&view);
    kv_store_deinit(&store);
    heap_deinit(&heap);
}

/* A payload of more arguments than the stack has room for asks for memory of its own. */
static void a_long_argument_list_may_find_no_memory(void **state)
{
    static struct store_test test;
    static struct kv_argument words[101];

    (void)state;
    store_init(&test);
    words[0] = (struct kv_argument){"DEL", 3};
    for (size_t i = 1; i < COUNT_OF(words); i++) {
        words[i] = (struct kv_argument){"k", 1};
    }
    test.heap.fail_at = test.heap.allocate_count + 1;
    assert_int_equal(store_apply(&test, words, COUNT_OF(words), false), QR_ERR_NO_MEMORY);
    assert_int_equal(store_apply(&test, words, COUNT_OF(words), false), 0);
    store_deinit(&test);
}

static void memory_is_counted_and_given_back(void **state)
{
    static struct store_test test;
    struct kv_stats stats;

    (void)state;
    store_init(&test);
    (void)store_do(&test, "SET key value");
    kv_stats(test.kv, &stats);
    uint64_t one = stats.memory_bytes;
    assert_true(one > 0);
    (void)store_do(&test, "SET key value!");
    kv_stats(test.kv, &stats);
    assert_int_equal(stats.memory_bytes, one + 1);
    (void)store_do(&test, "SETRANGE big 999999 x");
    kv_stats(test.kv, &stats);
    assert_in_range(stats.memory_bytes, one + 1000000, one + 1000200);
    (void)store_do(&test, "FLUSHALL");
    store_tick(&test, START_NS);
    kv_stats(test.kv, &stats);
    assert_int_equal(stats.memory_bytes, 0);
    store_deinit(&test);
}

/* A flush gives memory back over the entries behind it, not at once. */
static void a_flushed_store_is_freed_little_by_little(void **state)
{
    static struct store_test test;
    struct kv_stats stats;
    char line[] = "SET k00000 v EX 100";

    (void)state;
    store_init(&test);
    for (unsigned i = 0; i < 20000; i++) {
        for (unsigned digit = 0, rest = i; digit < 5; digit++, rest /= 10) {
            line[9 - digit] = (char)('0' + rest % 10);
        }
        (void)store_do(&test, line);
    }
    (void)store_do(&test, "FLUSHALL");
    kv_stats(test.kv, &stats);
    uint64_t before = stats.memory_bytes;
    assert_true(before > 20000 * 40);
    (void)store_do(&test, "SET new 1");
    kv_stats(test.kv, &stats);
    assert_in_range(stats.memory_bytes, 1, before - 1);
    assert_string_equal(store_do(&test, "KEYS *"), "[\"new\"]");
    for (unsigned i = 0; i < 20; i++) {
        store_tick(&test, START_NS);
    }
    kv_stats(test.kv, &stats);
    assert_in_range(stats.memory_bytes, 1, 4096);
    (void)store_do(&test, "FLUSHALL");
    (void)store_do(&test, "FLUSHALL");
    store_deinit(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail_and_the_store_stays_whole),
        cmocka_unit_test(a_change_that_fails_under_a_view_is_undone_in_both_trees),
        cmocka_unit_test(a_long_argument_list_may_find_no_memory),
        cmocka_unit_test(memory_is_counted_and_given_back),
        cmocka_unit_test(a_flushed_store_is_freed_little_by_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
