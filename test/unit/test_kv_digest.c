/* test_kv_digest.c: replicas agree, however their entries are batched and whoever listens. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/prng.h"
#include "test_kv_support.h"

#define ENTRIES 6000
#define PAYLOAD_BYTES 128

struct recorded {
    time_ns timestamp_ns;
    size_t payload_bytes;
    uint8_t payload[PAYLOAD_BYTES];
};

static struct recorded history[ENTRIES];

/* The same state, reached by two talks. */
static void expect_same(const char *const *one, size_t one_count, const char *const *other,
                        size_t other_count)
{
    static struct store_test test[2];

    store_init(&test[0]);
    store_init(&test[1]);
    for (size_t i = 0; i < one_count; i++) {
        (void)store_do(&test[0], one[i]);
    }
    for (size_t i = 0; i < other_count; i++) {
        (void)store_do(&test[1], other[i]);
    }
    assert_true(store_digest(&test[0]) == store_digest(&test[1]));
    store_deinit(&test[0]);
    store_deinit(&test[1]);
}

static void the_digest_does_not_depend_on_the_way(void **state)
{
    static const char *const straight[] = {"SET a 10", "SET b x EX 5", "SET c 3"};
    static const char *const winding[] = {"SET d 1",    "MSET c 3 b y", "INCRBY a 12", "DECRBY a 2",
                                          "GETDEL d",   "EXPIRE c 9",   "PERSIST c",   "SET b x",
                                          "EXPIRE b 5", "DEL nothing"};
    static const char *const emptied[] = {"SET a 1", "SET b 2 EX 9", "DEL a", "DEL b"};
    static const char *const flushed[] = {"SET a 1 EX 3", "SET b 2", "FLUSHALL"};

    (void)state;
    expect_same(straight, COUNT_OF(straight), winding, COUNT_OF(winding));
    expect_same(emptied, COUNT_OF(emptied), NULL, 0);
    expect_same(flushed, COUNT_OF(flushed), NULL, 0);
}

static void the_digest_tells_states_apart(void **state)
{
    static const char *const states[] = {"DEL a",         "SET a 1",        "SET a 2",
                                         "SET b 1",       "SET a1 ''",      "SET '' a1",
                                         "MSET a 1 b 1",  "MSET a b b a",   "MSET a a b b",
                                         "SET a 1 EX 10", "SET a 1 PX 9999"};
    static uint64_t digests[COUNT_OF(states)];
    static struct store_test test;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        store_init(&test);
        (void)store_do(&test, states[i]);
        digests[i] = store_digest(&test);
        for (size_t j = 0; j < i; j++) {
            assert_true(digests[i] != digests[j]);
        }
        store_deinit(&test);
    }
    assert_true(digests[0] == 0);
}

static void the_digest_is_the_same_on_every_machine(void **state)
{
    static struct store_test test;

    (void)state;
    store_init(&test);
    (void)store_do(&test, "MSET a 1 b 22");
    (void)store_do(&test, "SET c 333 PXAT 1700000005000");
    assert_true(store_digest(&test) == UINT64_C(0xc0d431dfc9883b9b));
    store_deinit(&test);
}

static size_t make_line(struct prng *prng, char *line, size_t line_bytes)
{
    static const char *const shapes[] = {
        "SET K V", "SET K V PX N", "SET K V NX", "INCR K",       "APPEND K V",     "DEL K K",
        "GET K",   "PEXPIRE K N",  "PERSIST K",  "GETDEL K",     "SETRANGE K 3 V", "MSET K V K V",
        "NOSUCH",  "RANDOMKEY",    "INCRBY K V", "GETEX K PX N", "MSETNX K V K V", "GET K K",
    };
    const char *shape = shapes[prng_between(prng, 0, COUNT_OF(shapes) - 1)];
    struct text text = text_of(line, line_bytes);

    for (; *shape != '\0'; shape++) {
        bool is_word = (shape[1] == ' ' || shape[1] == '\0') && shape[-1] == ' ';
        if (is_word && *shape == 'K') {
            text_u64(&text, prng_between(prng, 0, 300));
        } else if (is_word && *shape == 'V') {
            text_u64(&text, prng_between(prng, 0, 9));
        } else if (is_word && *shape == 'N') {
            text_u64(&text, prng_between(prng, 1, 400));
        } else {
            text_char(&text, *shape);
        }
    }
    return text.length;
}

static void make_history(uint64_t seed)
{
    struct prng prng = prng_of(seed);
    time_ns now_ns = START_NS;

    for (size_t i = 0; i < ENTRIES; i++) {
        char line[PAYLOAD_BYTES];
        struct kv_argument words[16];
        now_ns += prng_between(&prng, 0, 3) * NS_PER_MS;
        size_t length = make_line(&prng, line, sizeof(line));
        ASSERT(length < sizeof(line));
        size_t count = words_of(line, words);
        history[i].timestamp_ns = now_ns;
        history[i].payload_bytes = kv_payload_bytes(words, count);
        ASSERT(history[i].payload_bytes <= PAYLOAD_BYTES);
        kv_payload_encode(words, count, history[i].payload);
        if (prng_between(&prng, 0, 50) == 0) {
            /* A damaged payload is an entry like any other. */
            history[i].payload_bytes = prng_between(&prng, 0, history[i].payload_bytes);
        }
    }
}

/* Apply the history in batches of up to `batch_max`; returns a sum over all results. */
static uint64_t replay(struct store_test *test, size_t batch_max, unsigned wants_percent,
                       uint64_t seed)
{
    static struct qr_entry entries[64];
    static struct qr_result results[64];
    const struct qr_state_machine *machine = kv_state_machine(test->kv);
    struct prng prng = prng_of(seed);
    uint64_t sum = 0;

    for (size_t i = 0; i < ENTRIES;) {
        size_t count = (size_t)prng_between(&prng, 1, batch_max);
        count = count < ENTRIES - i ? count : ENTRIES - i;
        memset(results, 0, sizeof(results));
        for (size_t j = 0; j < count; j++) {
            entries[j] = (struct qr_entry){
                .index = i + j + 1,
                .term = 1,
                .timestamp_ns = history[i + j].timestamp_ns,
                .command = KV_COMMAND,
                .command_bytes = strlen(KV_COMMAND),
                .payload = history[i + j].payload,
                .payload_bytes = history[i + j].payload_bytes,
                .wants_result = prng_between(&prng, 1, 100) <= wants_percent,
            };
        }
        assert_int_equal(machine->apply(machine->context, entries, count, results), 0);
        for (size_t j = 0; j < count; j++) {
            assert_int_equal(results[j].size_bytes > 0, entries[j].wants_result);
            const uint8_t *bytes = results[j].data;
            for (size_t b = 0; b < results[j].size_bytes; b++) {
                sum = sum * 31 + bytes[b];
            }
        }
        i += count;
        if (i % 101 == 0) {
            kv_invariants(test->kv);
        }
    }
    return sum;
}

static void replicas_that_apply_the_same_entries_agree(void **state)
{
    static struct store_test leader;
    static struct store_test replica;

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        make_history(seed);
        store_init(&leader);
        uint64_t answers = replay(&leader, 1, 100, 1);
        assert_true(store_digest(&leader) != 0);

        store_init(&replica);
        assert_true(replay(&replica, 64, 100, 2) == answers);
        assert_true(store_digest(&replica) == store_digest(&leader));
        store_deinit(&replica);

        store_init(&replica);
        (void)replay(&replica, 40, 0, 3);
        assert_true(store_digest(&replica) == store_digest(&leader));
        assert_true(store_wake_at(&replica) == store_wake_at(&leader));
        store_deinit(&replica);

        store_init(&replica);
        (void)replay(&replica, 7, 50, 4);
        assert_true(store_digest(&replica) == store_digest(&leader));
        store_deinit(&replica);
        store_deinit(&leader);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digest_does_not_depend_on_the_way),
        cmocka_unit_test(the_digest_tells_states_apart),
        cmocka_unit_test(the_digest_is_the_same_on_every_machine),
        cmocka_unit_test(replicas_that_apply_the_same_entries_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
