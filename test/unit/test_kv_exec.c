/* test_kv_exec.c: several commands in one entry: all of them, or none. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "kv/exec.h"
#include "test_kv_support.h"

#define WATCHES_MAX 4

/* A transaction being made. */
struct maker {
    uint8_t commands[512 * 1024];
    size_t commands_bytes;
    struct kv_watch watches[WATCHES_MAX];
    struct kv_exec exec;
    uint8_t payload[768 * 1024];
    size_t payload_bytes;
};

static struct maker maker;

static void clear(void)
{
    memset(&maker, 0, sizeof(maker));
    maker.exec.commands = maker.commands;
    maker.exec.watches = maker.watches;
}

static void add(const char *line)
{
    struct kv_argument words[WORDS_MAX];
    size_t count = words_of(line, words);
    size_t bytes = kv_payload_bytes(words, count);
    ASSERT(maker.exec.commands_bytes + bytes <= sizeof(maker.commands));
    kv_payload_encode(words, count, maker.commands + maker.exec.commands_bytes);
    maker.exec.commands_bytes += bytes;
    maker.exec.command_count++;
}

static void watch(struct store_test *test, const char *key)
{
    struct kv_argument name = {key, strlen(key)};
    maker.watches[maker.exec.watch_count++] =
        (struct kv_watch){name, kv_key_digest(test->kv, name)};
}

static void encode(void)
{
    maker.payload_bytes = kv_exec_bytes(&maker.exec);
    ASSERT(maker.payload_bytes <= sizeof(maker.payload));
    kv_exec_encode(&maker.exec, maker.payload);
}

static int apply(struct store_test *test, bool wants_result)
{
    const struct qr_state_machine *machine = kv_state_machine(test->kv);
    struct qr_result result = {0};
    struct qr_entry entry = {
        .index = ++test->index,
        .term = 1,
        .timestamp_ns = test->now_ns,
        .command = KV_EXEC_COMMAND,
        .command_bytes = strlen(KV_EXEC_COMMAND),
        .payload = maker.payload,
        .payload_bytes = maker.payload_bytes,
        .wants_result = wants_result,
    };
    int status = machine->apply(machine->context, &entry, 1, &result);
    struct kv_reply_sink sink = store_sink(test);
    if (status == 0 && wants_result) {
        kv_result_replay(result.data, result.size_bytes, &sink);
    }
    return status;
}

static const char *run(struct store_test *test)
{
    encode();
    assert_int_equal(apply(test, true), 0);
    return test->reply;
}

static void all_replies_come_in_one_array(void **state)
{
    (void)state;
    static struct store_test test;
    store_init(&test);
    clear();
    add("SET a 1");
    add("INCR a");
    add("GET a");
    add("GET b");
    assert_string_equal(run(&test), "[OK (integer) 2 \"2\" (nil)]");
    clear();
    assert_string_equal(run(&test), "[]");
    clear();
    add("INCR a");
    maker.exec.is_single = true;
    assert_string_equal(run(&test), "(integer) 3");
    store_deinit(&test);
}

/* As in Redis: an error of one command is its reply, and the others are done. */
static void an_error_is_the_reply_of_its_command_alone(void **state)
{
    (void)state;
    static struct store_test test;
    store_init(&test);
    clear();
    add("SET a x");
    add("INCR a");
    add("NOSUCH a");
    add("SET a 1 EX nonsense");
    add("SET b 2");
    assert_string_equal(run(&test),
                        "[OK (error) ERR value is not an integer or out of range (error) ERR "
                        "unknown command (error) ERR value is not an integer or out of range OK]");
    assert_string_equal(store_do(&test, "GET b"), "\"2\"");
    store_deinit(&test);
}

static void nothing_is_done_when_a_watched_key_is_another_now(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *before;
        const char *meanwhile;
        bool is_done;
    } rows[] = {
        {"nothing happened", "SET k 1", NULL, true},
        {"another key changed", "SET k 1", "SET other 1", true},
        {"another value", "SET k 1", "SET k 2", false},
        {"the same value again", "SET k 1", "SET k 1", true},
        {"gone", "SET k 1", "DEL k", false},
        {"it was not there and is", "DEL k", "SET k 1", false},
        {"it was not there and is not", "DEL k", "DEL k", true},
        {"an expiry time more", "SET k 1", "PEXPIRE k 100000", false},
        {"all flushed", "SET k 1", "FLUSHALL", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static struct store_test test;
        store_init(&test);
        clear();
        (void)store_do(&test, rows[i].before);
        watch(&test, "k");
        watch(&test, "absent");
        add("SET done 1");
        if (rows[i].meanwhile != NULL) {
            (void)store_do(&test, rows[i].meanwhile);
        }
        const char *reply = run(&test);
        if (strcmp(reply, rows[i].is_done ? "[OK]" : "(not done)") != 0) {
            fail_msg("%s: %s", rows[i].name, reply);
        }
        assert_string_equal(store_do(&test, "GET done"), rows[i].is_done ? "\"1\"" : "(nil)");
        store_deinit(&test);
    }
}

static void a_watched_key_that_expired_meanwhile_is_another(void **state)
{
    (void)state;
    static struct store_test test;
    store_init(&test);
    clear();
    (void)store_do(&test, "PSETEX k 100 x");
    watch(&test, "k");
    add("SET done 1");
    test.now_ns += 100 * NS_PER_MS;
    assert_string_equal(run(&test), "(not done)");
    store_deinit(&test);
}

/* Who waits for the result must make no difference to the state. */
static void replicas_that_are_not_asked_come_to_the_same(void **state)
{
    (void)state;
    static struct store_test asked;
    static struct store_test other;
    store_init(&asked);
    store_init(&other);
    clear();
    add("SET a 1");
    add("GET a");
    add("MGET a b");
    add("INCRBY a 41");
    add("PEXPIRE a 5000");
    encode();
    assert_int_equal(apply(&asked, true), 0);
    assert_int_equal(apply(&other, false), 0);
    assert_int_equal(store_digest(&asked), store_digest(&other));
    assert_string_equal(store_do(&other, "GET a"), "\"42\"");
    store_deinit(&asked);
    store_deinit(&other);
}

static void a_malformed_payload_does_nothing(void **state)
{
    (void)state;
    static struct store_test test;
    store_init(&test);
    clear();
    watch(&test, "k");
    add("SET a 1");
    add("SET b 1");
    encode();
    uint64_t digest = store_digest(&test);
    size_t whole_bytes = maker.payload_bytes;
    for (size_t cut = 0; cut < whole_bytes; cut++) {
        maker.payload_bytes = cut;
        assert_int_equal(apply(&test, true), 0);
        assert_string_equal(test.reply, "(error) ERR malformed command");
        assert_int_equal(store_digest(&test), digest);
    }
    maker.payload_bytes = whole_bytes + 1;
    assert_int_equal(apply(&test, true), 0);
    assert_string_equal(test.reply, "(error) ERR malformed command");
    maker.payload_bytes = whole_bytes;
    for (size_t at = 0; at < 8; at++) { /* both heads: a flag that is none, too many watches */
        maker.payload[at] ^= 0x82;
        assert_int_equal(apply(&test, true), 0);
        assert_string_equal(test.reply, "(error) ERR malformed command");
        maker.payload[at] ^= 0x82;
    }
    assert_int_equal(apply(&test, true), 0);
    assert_string_equal(test.reply, "[OK OK]");
    store_deinit(&test);
}

/* Far below what a result may have: an answer for each, and errors where it got too long. */
static void long_replies_become_errors_one_by_one(void **state)
{
    (void)state;
    static struct store_test test;
    struct kv_argument set[3] = {{"SET", 3}, {"big", 3}, {NULL, 0}};
    size_t size_bytes = 900 * 1024;
    uint8_t *value = calloc(1, size_bytes);
    assert_non_null(value);
    store_init(&test);
    set[2] = (struct kv_argument){value, size_bytes};
    assert_int_equal(store_apply(&test, set, 3, false), 0);
    clear();
    size_t fits = KV_EXEC_REPLY_BYTES_MAX / size_bytes;
    for (size_t i = 0; i < fits + 2; i++) {
        add("GET big");
    }
    add("SET a 1");
    encode();
    const struct qr_state_machine *machine = kv_state_machine(test.kv);
    struct qr_result result = {0};
    struct qr_entry entry = {.index = ++test.index,
                             .term = 1,
                             .timestamp_ns = test.now_ns,
                             .command = KV_EXEC_COMMAND,
                             .command_bytes = strlen(KV_EXEC_COMMAND),
                             .payload = maker.payload,
                             .payload_bytes = maker.payload_bytes,
                             .wants_result = true};
    assert_int_equal(machine->apply(machine->context, &entry, 1, &result), 0);
    assert_true(result.size_bytes > (fits - 1) * size_bytes);
    assert_true(result.size_bytes < KV_EXEC_REPLY_BYTES_MAX + 1024);
    const char *end = (const char *)result.data + result.size_bytes - 64;
    assert_non_null(memchr(end, 'a', 64)); /* "ask for less at a time" */
    assert_string_equal(store_do(&test, "GET a"), "\"1\"");
    free(value);
    store_deinit(&test);
}

/* A value of so many bytes under the key `big`. */
static void set_big(struct store_test *test, size_t size_bytes)
{
    struct kv_argument set[3] = {{"SET", 3}, {"big", 3}, {NULL, 0}};
    uint8_t *value = calloc(1, size_bytes);
    assert_non_null(value);
    set[2] = (struct kv_argument){value, size_bytes};
    assert_int_equal(store_apply(test, set, 3, false), 0);
    free(value);
}

static struct qr_result apply_for_result(struct store_test *test)
{
    const struct qr_state_machine *machine = kv_state_machine(test->kv);
    struct qr_result result = {0};
    encode();
    struct qr_entry entry = {.index = ++test->index,
                             .term = 1,
                             .timestamp_ns = test->now_ns,
                             .command = KV_EXEC_COMMAND,
                             .command_bytes = strlen(KV_EXEC_COMMAND),
                             .payload = maker.payload,
                             .payload_bytes = maker.payload_bytes,
                             .wants_result = true};
    assert_int_equal(machine->apply(machine->context, &entry, 1, &result), 0);
    return result;
}

static void a_write_whose_reply_is_too_long_says_that_it_is_done(void **state)
{
    (void)state;
    static struct store_test test;
    size_t size_bytes = 900 * 1024;
    store_init(&test);
    set_big(&test, size_bytes);
    clear();
    for (size_t i = 0; i < KV_EXEC_REPLY_BYTES_MAX / size_bytes; i++) {
        add("GET big");
    }
    add("GETDEL big");
    struct qr_result result = apply_for_result(&test);
    const char *text = KV_REPLY_DONE_TOO_LONG;
    const char *end = (const char *)result.data + result.size_bytes;
    assert_string_equal(end - strlen(text) - 1, text);
    assert_string_equal(store_do(&test, "EXISTS big"), "(integer) 0");
    store_deinit(&test);
}

/* Each of them copies the whole value, and all are one turn on every replica. */
static void what_one_entry_copies_is_bounded(void **state)
{
    (void)state;
    static struct store_test test;
    /* Short of what the heap maps and clears anew each time. */
    const uint64_t size_bytes = 90 * 1024;
    uint64_t allowed = 0;
    uint64_t copied_bytes = 0;
    /* The value is a byte longer each time. */
    while (copied_bytes + size_bytes + allowed + 1 <= KV_EXEC_COPIED_BYTES_MAX) {
        allowed++;
        copied_bytes += size_bytes + allowed;
    }
    store_init(&test);
    set_big(&test, size_bytes);
    clear();
    for (uint64_t i = 0; i < allowed + 50; i++) {
        add("APPEND big x");
    }
    add("SET a 1");
    encode();
    assert_int_equal(apply(&test, false), 0);
    assert_string_equal(store_do(&test, "GET a"), "\"1\"");
    char length[32];
    snprintf(length, sizeof(length), "(integer) %llu", (unsigned long long)(size_bytes + allowed));
    assert_string_equal(store_do(&test, "STRLEN big"), length);
    store_deinit(&test);
}

/* Each node has the result for its own clients only. */
static void what_is_refused_does_not_depend_on_who_waits_for_the_result(void **state)
{
    (void)state;
    static struct store_test asked;
    static struct store_test other;
    enum { KEYS = 100000 };
    store_init(&asked);
    store_init(&other);
    for (int i = 0; i < KEYS; i++) {
        char line[32];
        snprintf(line, sizeof(line), "SET k%d 1", i);
        store_do(&asked, line);
        store_do(&other, line);
    }
    clear();
    for (uint64_t seen = 0; seen < KV_EXEC_KEYS_SEEN_MAX; seen += KEYS) {
        add("KEYS nosuch");
    }
    add("FLUSHALL");
    assert_non_null(strstr(run(&asked), "one transaction looks at too many keys"));
    assert_int_equal(apply(&other, false), 0);
    assert_string_equal(store_do(&asked, "DBSIZE"), "(integer) 100000");
    assert_int_equal(store_digest(&asked), store_digest(&other));
    store_deinit(&asked);
    store_deinit(&other);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    bool is_past = false;
    for (uint64_t fail_at = 1; !is_past; fail_at++) {
        static struct store_test test;
        store_init(&test);
        clear();
        (void)store_do(&test, "SET a 1");
        for (int i = 0; i < 20; i++) {
            add("APPEND a x");
        }
        add("MSET k1 1 k2 2 k3 3");
        encode();
        test.heap.fail_at = test.heap.allocate_count + fail_at;
        int status = apply(&test, true);
        is_past = test.heap.allocate_count < test.heap.fail_at;
        assert_int_equal(status, is_past ? 0 : QR_ERR_NO_MEMORY);
        kv_invariants(test.kv);
        store_deinit(&test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_replies_come_in_one_array),
        cmocka_unit_test(an_error_is_the_reply_of_its_command_alone),
        cmocka_unit_test(nothing_is_done_when_a_watched_key_is_another_now),
        cmocka_unit_test(a_watched_key_that_expired_meanwhile_is_another),
        cmocka_unit_test(replicas_that_are_not_asked_come_to_the_same),
        cmocka_unit_test(a_malformed_payload_does_nothing),
        cmocka_unit_test(long_replies_become_errors_one_by_one),
        cmocka_unit_test(a_write_whose_reply_is_too_long_says_that_it_is_done),
        cmocka_unit_test(what_one_entry_copies_is_bounded),
        cmocka_unit_test(what_is_refused_does_not_depend_on_who_waits_for_the_result),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
