/* test_kv_memory.c: each allocation fails once, and what is used is counted and given back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "kv/command.h"
#include "test_kv_support.h"

/* Every command, and each way in which one takes memory. "@N": let N seconds pass. */
static const char *const lines[] = {
    "SET a 1",
    "SET b 1 EX 100",
    "SET b 2 KEEPTTL",
    "SET b 3 EX 50",
    "EXPIRE a 100",
    "PERSIST a",
    "INCR a",
    "APPEND a xyz",
    "SETRANGE a 5 q",
    "GETRANGE a 0 2",
    "STRLEN a",
    "MSET a 1 b 2 c 3",
    "MSETNX d 1 e 2",
    "GETEX c EX 5",
    "GETDEL a",
    "GETSET b y",
    "SETEX f 10 x",
    "PSETEX g 99 x",
    "SETNX h 7",
    "DECR h",
    "INCRBY h 40",
    "DECRBY h 4",
    "PEXPIRE h 90000",
    "EXPIREAT h 1900000000",
    "GET h",
    "EXPIRETIME h",
    "PEXPIRETIME h",
    "PEXPIREAT h 1900000000000",
    "TTL h",
    "PTTL h",
    "TYPE h",
    "EXISTS h i",
    "TOUCH h i",
    "DBSIZE",
    "MGET a b c d e f",
    "KEYS *",
    "SCAN 0",
    "RANDOMKEY",
    "SET f z PX 10000 GET",
    "SET big 1",
    "SETRANGE big 9 x",
    "@20",
    "GET f",
    "DEL b c",
    "UNLINK d e",
    "FLUSHALL",
    "SET again 1 EX 10",
};

#define FILLED 120 /* keys, set before the lines: enough for nodes of the tree to split and join */
#define STEPS (2 * FILLED + COUNT_OF(lines))

static uint64_t digests[STEPS]; /* after each step, when nothing fails */

/* Say step `i`: keys are set, then come the lines, then keys are deleted that are not there. */
static int say(struct store_test *test, size_t i)
{
    struct kv_argument words[WORDS_MAX];
    char line[64];
    bool is_filling = i < FILLED;
    size_t key = (is_filling ? i : i - COUNT_OF(lines)) * 37 % FILLED;
    if (i >= FILLED && i < FILLED + COUNT_OF(lines)) {
        (void)snprintf(line, sizeof(line), "%s", lines[i - FILLED]);
    } else if (i % 2 == 0) {
        (void)snprintf(line, sizeof(line), "SET key%zu value EX %zu", key, 1000 + key);
    } else {
        (void)snprintf(line, sizeof(line), is_filling ? "SET key%zu value" : "DEL key%zu", key);
    }
    if (line[0] == '@') {
        test->now_ns += strtoull(line + 1, NULL, 10) * NS_PER_S;
        return 0;
    }
    size_t count = words_of(line, words);
    return store_apply(test, words, count, true);
}

/* Whether a step has several keys, of which some may be done when memory runs out. */
static bool is_several(size_t i)
{
    return i >= FILLED && i < FILLED + COUNT_OF(lines) && lines[i - FILLED][0] == 'M';
}

/* Talk with the n-th allocation failing; returns whether one did. What failed and has not happened
 * is said again: then all is as if nothing had failed, to the end.
 */
static bool talk_with_failure(uint64_t n)
{
    static struct store_test test;
    bool has_failed = false;
    bool is_whole = true;

    heap_init(&test.heap);
    test.heap.fail_at = n;
    test.index = 0;
    test.now_ns = START_NS;
    test.kv = kv_new(&test.heap.allocator);
    if (test.kv == NULL) {
        heap_deinit(&test.heap);
        return true;
    }
    for (size_t i = 0; is_whole && i < STEPS; i++) {
        int error = say(&test, i);
        kv_invariants(test.kv);
        uint64_t digest = store_digest(&test);
        if (error != 0) {
            assert_int_equal(error, QR_ERR_NO_MEMORY);
            assert_false(has_failed);
            assert_string_equal(test.reply, "");
            has_failed = true;
            if (digest == (i == 0 ? 0 : digests[i - 1])) {
                assert_int_equal(say(&test, i), 0);
                digest = store_digest(&test);
            }
            is_whole = digest == digests[i];
        }
        digests[i] = n == 0 ? digest : digests[i];
        assert_true(digest == digests[i] || is_several(i));
    }
    kv_free(test.kv);
    heap_deinit(&test.heap);
    return has_failed;
}

/* The names of all commands, as lines begin. */
static void check_that_every_command_is_said(void)
{
    static const char *const names[] = {
#define X(upper, lower, arity, flags, first, last, step, check) #upper " ",
        KV_COMMAND_MAP(X)
#undef X
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        bool is_said = false;
        for (size_t k = 0; k < COUNT_OF(lines); k++) {
            size_t length = strlen(names[i]) - 1;
            char end = strncmp(lines[k], names[i], length) == 0 ? lines[k][length] : 'x';
            is_said = is_said || end == ' ' || end == '\0';
        }
        assert_true(is_said);
    }
}

static void each_allocation_may_fail_and_the_store_stays_whole(void **state)
{
    uint64_t n = 1;

    (void)state;
    check_that_every_command_is_said();
    assert_false(talk_with_failure(0));
    while (talk_with_failure(n)) {
        n++;
    }
    assert_true(n > STEPS / 2);
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
