/* test_kv_payload.c: bytes from outside, as payloads and as results. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/payload.h"

#include "base/prng.h"
#include "kv/result.h"
#include "test_kv_support.h"

static void arguments_come_back_as_they_were(void **state)
{
    static struct kv_argument words[200];
    static uint8_t data[4096];
    struct heap heap;

    (void)state;
    heap_init(&heap);
    for (size_t count = 1; count <= COUNT_OF(words); count += 21) {
        struct kv_payload payload;
        for (size_t i = 0; i < count; i++) {
            words[i] = (struct kv_argument){&"a\0bcdefghij"[i % 5], i % 7};
        }
        size_t size_bytes = kv_payload_bytes(words, count);
        assert_true(size_bytes <= sizeof(data));
        kv_payload_encode(words, count, data);
        assert_int_equal(kv_payload_decode(&payload, &heap.allocator, data, size_bytes), 0);
        assert_int_equal(payload.count, count);
        assert_int_equal(heap.block_count, count > KV_PAYLOAD_INLINE_MAX ? 1 : 0);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(payload.arguments[i].size_bytes, words[i].size_bytes);
            assert_memory_equal(payload.arguments[i].data, words[i].data, words[i].size_bytes);
        }
        kv_payload_deinit(&payload);
    }
    heap_deinit(&heap);
}

static void a_malformed_payload_is_refused(void **state)
{
    static const struct {
        const char *name;
        size_t size_bytes;
        uint8_t data[16];
    } rows[] = {
        {"nothing", 0, {0}},
        {"half a count", 3, {1, 0, 0}},
        {"no argument", 4, {0, 0, 0, 0}},
        {"an argument missing", 4, {1, 0, 0, 0}},
        {"half a length", 7, {1, 0, 0, 0, 1, 0, 0}},
        {"bytes missing", 9, {1, 0, 0, 0, 2, 0, 0, 0, 'a'}},
        {"bytes left over", 10, {1, 0, 0, 0, 1, 0, 0, 0, 'a', 'b'}},
        {"a length that wraps", 9, {1, 0, 0, 0, 255, 255, 255, 255, 'a'}},
        {"a count that wraps", 12, {255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"a million arguments in no bytes", 8, {64, 66, 15, 0, 0, 0, 0, 0}},
        {"more arguments than bytes", 12, {3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    };
    struct heap heap;

    (void)state;
    heap_init(&heap);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct kv_payload payload;
        if (kv_payload_decode(&payload, &heap.allocator, rows[i].data, rows[i].size_bytes) !=
            QR_ERR_MALFORMED) {
            fail_msg("%s", rows[i].name);
        }
    }
    assert_int_equal(heap.allocate_count, 0);
    heap_deinit(&heap);
}

/* Apply one entry with this command and payload; returns the reply. */
static const char *apply_bytes(struct store_test *test, const char *command, const void *payload,
                               size_t size_bytes)
{
    const struct qr_state_machine *machine = kv_state_machine(test->kv);
    struct qr_result result = {0};
    struct qr_entry entry = {
        .index = ++test->index,
        .term = 1,
        .timestamp_ns = test->now_ns,
        .command = command,
        .command_bytes = strlen(command),
        .payload = payload,
        .payload_bytes = size_bytes,
        .wants_result = true,
    };

    assert_int_equal(machine->apply(machine->context, &entry, 1, &result), 0);
    struct kv_reply_sink sink = store_sink(test);
    kv_result_replay(result.data, result.size_bytes, &sink);
    return test->reply;
}

static void a_malformed_entry_gets_an_error_and_changes_nothing(void **state)
{
    static struct store_test test;

    (void)state;
    store_init(&test);
    (void)store_do(&test, "SET a 1");
    uint64_t digest = store_digest(&test);
    assert_string_equal(apply_bytes(&test, "kv", "", 0), "(error) ERR malformed command");
    assert_string_equal(apply_bytes(&test, "kv", NULL, 0), "(error) ERR malformed command");
    assert_string_equal(apply_bytes(&test, "kv", "\1\0\0\0\1\0\0\0", 8),
                        "(error) ERR malformed command");
    assert_string_equal(apply_bytes(&test, "kv", "\1\0\0\0\0\0\0\0", 8),
                        "(error) ERR unknown command");
    assert_true(store_digest(&test) == digest);
    store_deinit(&test);
}

static void entries_of_others_are_ignored(void **state)
{
    static struct store_test test;
    struct kv_argument words[] = {{"DEL", 3}, {"a", 1}};
    uint8_t payload[32];

    (void)state;
    store_init(&test);
    (void)store_do(&test, "SET a 1");
    kv_payload_encode(words, 2, payload);
    assert_string_equal(apply_bytes(&test, "kw", payload, kv_payload_bytes(words, 2)), "OK");
    assert_string_equal(apply_bytes(&test, "k", payload, kv_payload_bytes(words, 2)), "OK");
    assert_string_equal(apply_bytes(&test, "kvv", payload, kv_payload_bytes(words, 2)), "OK");
    assert_string_equal(apply_bytes(&test, "", "", 0), "OK");
    assert_string_equal(store_do(&test, "EXISTS a"), "(integer) 1");
    store_deinit(&test);
}

/* Payloads with a few bytes changed: any reply will do, but two replicas give the same one. */
static void damaged_payloads_do_the_same_everywhere(void **state)
{
    static const char *const lines[] = {
        "SET key value EX 100", "MSET a 1 b 2",      "EXPIRE key 100 NX", "SETRANGE key 3 abc",
        "INCRBY n 5",           "DEL key a b",       "GETRANGE key 0 -1", "KEYS [a-z]*",
        "GETEX key PX 77",      "PEXPIREAT key 999", "FLUSHALL SYNC",     "DECRBY n 3",
    };
    static struct store_test one;
    static struct store_test other;
    struct prng prng = prng_of(11);

    (void)state;
    store_init(&one);
    store_init(&other);
    for (unsigned round = 0; round < 20000; round++) {
        struct kv_argument words[16];
        uint8_t payload[256];
        size_t count = words_of(lines[prng_between(&prng, 0, COUNT_OF(lines) - 1)], words);
        size_t size_bytes = kv_payload_bytes(words, count);
        kv_payload_encode(words, count, payload);
        for (uint64_t flips = prng_between(&prng, 0, 3); flips > 0; flips--) {
            size_t at = (size_t)prng_between(&prng, 0, size_bytes - 1);
            payload[at] = (uint8_t)(payload[at] ^ (1U << prng_between(&prng, 0, 7)));
        }
        one.now_ns += NS_PER_MS;
        other.now_ns = one.now_ns;
        const char *reply = apply_bytes(&one, "kv", payload, size_bytes);
        assert_string_equal(reply, apply_bytes(&other, "kv", payload, size_bytes));
    }
    assert_true(store_digest(&one) == store_digest(&other));
    kv_invariants(one.kv);
    store_deinit(&one);
    store_deinit(&other);
}

static const char *replay(struct store_test *test, const void *data, size_t size_bytes)
{
    struct kv_reply_sink sink = store_sink(test);

    kv_result_replay(data, size_bytes, &sink);
    return test->reply;
}

/* Fill `results` with one result that has every kind of value. */
static size_t make_result(struct kv_results *results)
{
    struct kv_reply_sink sink = kv_results_sink(results);
    size_t size_bytes = 0;

    kv_results_begin(results);
    sink.array(sink.context, 6);
    sink.status(sink.context, "OK");
    sink.error(sink.context, "ERR no");
    sink.integer(sink.context, INT64_MIN);
    sink.bulk(sink.context, "a\0b", 3);
    sink.null(sink.context);
    sink.bulk(sink.context, "", 0);
    assert_int_equal(kv_results_end(results, &size_bytes), 0);
    return size_bytes;
}

#define EVERY_KIND "[OK (error) ERR no (integer) -9223372036854775808 \"a\\u0000b\" (nil) \"\"]"
#define UNREADABLE "(error) ERR the result cannot be read"

static void a_result_says_again_what_it_was_told(void **state)
{
    static struct store_test test;
    struct kv_results results;

    (void)state;
    heap_init(&test.heap);
    kv_results_init(&results, &test.heap.allocator);
    size_t size_bytes = make_result(&results);
    assert_string_equal(replay(&test, results.data, size_bytes), EVERY_KIND);
    for (size_t cut = 0; cut < size_bytes; cut++) {
        assert_string_equal(replay(&test, results.data, cut), UNREADABLE);
    }
    kv_results_deinit(&results);
    heap_deinit(&test.heap);
}

static void a_damaged_result_is_refused_or_read_within_its_bounds(void **state)
{
    static struct store_test test;
    struct kv_results results;
    struct prng prng = prng_of(5);

    (void)state;
    heap_init(&test.heap);
    kv_results_init(&results, &test.heap.allocator);
    size_t size_bytes = make_result(&results);
    uint8_t *copy = malloc(size_bytes);
    assert_non_null(copy);
    unsigned refused = 0;
    for (unsigned round = 0; round < 20000; round++) {
        memcpy(copy, results.data, size_bytes);
        for (uint64_t flips = prng_between(&prng, 1, 3); flips > 0; flips--) {
            copy[prng_between(&prng, 0, size_bytes - 1)] = (uint8_t)prng_next(&prng);
        }
        refused += strcmp(replay(&test, copy, size_bytes), UNREADABLE) == 0;
    }
    assert_in_range(refused, 10000, 19999);
    free(copy);
    kv_results_deinit(&results);
    heap_deinit(&test.heap);
}

static void a_result_that_is_no_single_value_is_refused(void **state)
{
    static const struct {
        const char *name;
        size_t size_bytes;
        uint8_t data[12];
    } rows[] = {
        {"nothing", 0, {0}},
        {"tag zero", 1, {0}},
        {"tag unknown", 1, {8}},
        {"two nulls", 2, {5, 5}},
        {"a status without its NUL", 7, {1, 2, 0, 0, 0, 'O', 'K'}},
        {"a status with a NUL inside", 8, {1, 3, 0, 0, 0, 'O', 0, 0}},
        {"an empty status", 5, {1, 0, 0, 0, 0}},
        {"half an integer", 5, {3, 1, 0, 0, 0}},
        {"a short array", 6, {6, 2, 0, 0, 0, 5}},
        {"a long array", 8, {6, 2, 0, 0, 0, 5, 5, 5}},
        {"an endless array", 5, {6, 255, 255, 255, 255}},
        {"arrays in arrays without end", 10, {6, 1, 0, 0, 0, 6, 1, 0, 0, 0}},
    };
    static struct store_test test;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(replay(&test, rows[i].data, rows[i].size_bytes), UNREADABLE) != 0) {
            fail_msg("%s", rows[i].name);
        }
    }
}

static void results_of_a_batch_lie_side_by_side(void **state)
{
    static struct store_test test;
    static uint8_t payloads[300][64];
    static struct qr_entry entries[300];
    static struct qr_result results[300];
    static char value[30];

    (void)state;
    store_init(&test);
    const struct qr_state_machine *machine = kv_state_machine(test.kv);
    for (size_t i = 0; i < 300; i++) {
        struct kv_argument words[] = {{"APPEND", 6}, {"key", 3}, {value, i % sizeof(value)}};
        kv_payload_encode(words, 3, payloads[i]);
        entries[i] = (struct qr_entry){.index = i + 1,
                                       .term = 1,
                                       .timestamp_ns = START_NS,
                                       .command = KV_COMMAND,
                                       .command_bytes = 2,
                                       .payload = payloads[i],
                                       .payload_bytes = kv_payload_bytes(words, 3),
                                       .wants_result = i % 3 != 1};
    }
    assert_int_equal(machine->apply(machine->context, entries, 300, results), 0);
    int64_t length = 0;
    for (size_t i = 0; i < 300; i++) {
        char expected[64];
        struct text text = text_of(expected, sizeof(expected));
        length += (int64_t)(i % sizeof(value));
        text_string(&text, "(integer) ");
        text_i64(&text, length);
        if (entries[i].wants_result) {
            assert_string_equal(replay(&test, results[i].data, results[i].size_bytes), expected);
        } else {
            assert_int_equal(results[i].size_bytes, 0);
            assert_null(results[i].data);
        }
    }
    store_deinit(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_come_back_as_they_were),
        cmocka_unit_test(a_malformed_payload_is_refused),
        cmocka_unit_test(a_malformed_entry_gets_an_error_and_changes_nothing),
        cmocka_unit_test(entries_of_others_are_ignored),
        cmocka_unit_test(damaged_payloads_do_the_same_everywhere),
        cmocka_unit_test(a_result_says_again_what_it_was_told),
        cmocka_unit_test(a_damaged_result_is_refused_or_read_within_its_bounds),
        cmocka_unit_test(a_result_that_is_no_single_value_is_refused),
        cmocka_unit_test(results_of_a_batch_lie_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
