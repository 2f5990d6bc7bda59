/* test_kv_commands.c: what each command answers, and what it leaves.
 *
 * The replies were compared with those of Redis 7.0.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "test_kv_support.h"

#define NOT_INTEGER "(error) ERR value is not an integer or out of range"
#define SYNTAX "(error) ERR syntax error"
#define OVERFLOWS "(error) ERR increment or decrement would overflow"
#define TOO_LONG "(error) ERR string exceeds maximum allowed size (proto-max-bulk-len)"
#define TALK(name, ...)                                                                            \
    static void name(void **state)                                                                 \
    {                                                                                              \
        static const struct exchange exchanges[] = {__VA_ARGS__};                                  \
        (void)state;                                                                               \
        store_talk(exchanges, COUNT_OF(exchanges));                                                \
    }

/* clang-format off */
TALK(get_and_set_keep_values,
    {"GET a", "(nil)"},
    {"SET a 1", "OK"},
    {"GET a", "\"1\""},
    {"set A 2", "OK"},
    {"MGET a A b", "[\"1\" \"2\" (nil)]"},
    {"SET a ''", "OK"},
    {"GET a", "\"\""},
    {"STRLEN a", "(integer) 0"},
    {"STRLEN b", "(integer) 0"},
    {"SET '' empty", "OK"},
    {"GET ''", "\"empty\""},
    {"TYPE ''", "string"},
    {"TYPE b", "none"},
    {"GETSET a x", "\"\""},
    {"GETSET n x", "(nil)"},
    {"GETDEL a", "\"x\""},
    {"GETDEL a", "(nil)"},
    {"EXISTS a n n", "(integer) 2"},
    {"DEL a n ''", "(integer) 2"},
    {"DBSIZE", "(integer) 1"})

TALK(set_obeys_its_conditions,
    {"SET a 1 XX", "(nil)"},
    {"SET a 1 IFEQ 1", "(nil)"},
    {"EXISTS a", "(integer) 0"},
    {"SET a 1 NX", "OK"},
    {"SET a 2 NX", "(nil)"},
    {"SET a 2 nx get", "\"1\""},
    {"GET a", "\"1\""},
    {"SET a 2 XX GET", "\"1\""},
    {"SET b 2 XX GET", "(nil)"},
    {"SET b 2 GET", "(nil)"},
    {"GET b", "\"2\""},
    {"SET a 3 IFEQ 1", "(nil)"},
    {"SET a 3 IFEQ 2", "OK"},
    {"SET a 4 IFEQ 33", "(nil)"},
    {"SET a 4 GET IFEQ 3", "\"3\""},
    {"SET a 5 IFEQ 3 GET", "\"4\""},
    {"SET a '' IFEQ 4", "OK"},
    {"SET a 6 IFEQ ''", "OK"},
    {"GET a", "\"6\""},
    {"SETNX a 1", "(integer) 0"},
    {"SETNX c 1", "(integer) 1"})

TALK(set_refuses_options_that_contradict,
    {"SET a 1 NX XX", SYNTAX},
    {"SET a 1 NX IFEQ 1", SYNTAX},
    {"SET a 1 IFEQ 1 XX", SYNTAX},
    {"SET a 1 IFEQ", SYNTAX},
    {"SET a 1 EX", SYNTAX},
    {"SET a 1 EX 1 PX 1", SYNTAX},
    {"SET a 1 KEEPTTL EX 1", SYNTAX},
    {"SET a 1 EXAT 1 KEEPTTL", SYNTAX},
    {"SET a 1 PERSIST", SYNTAX},
    {"SET a 1 EX x PX 1", SYNTAX},
    {"SET a 1 FOO", SYNTAX},
    {"SET a 1 ''", SYNTAX},
    {"SET a 1 EX x", NOT_INTEGER},
    {"SET a 1 EX 0", "(error) ERR invalid expire time in 'set' command"},
    {"SET a 1 PXAT -1", "(error) ERR invalid expire time in 'set' command"},
    {"SET a 1 EX 9223372036854775807", "(error) ERR invalid expire time in 'set' command"},
    {"SET a 1 PX 9223372036854775807", "(error) ERR invalid expire time in 'set' command"},
    {"EXISTS a", "(integer) 0"})

TALK(a_wrong_number_of_arguments_is_refused,
    {"GET", "(error) ERR wrong number of arguments for 'get' command"},
    {"get a b", "(error) ERR wrong number of arguments for 'get' command"},
    {"SET a", "(error) ERR wrong number of arguments for 'set' command"},
    {"DEL", "(error) ERR wrong number of arguments for 'del' command"},
    {"MSET a", "(error) ERR wrong number of arguments for 'mset' command"},
    {"MSET a 1 b", "(error) ERR wrong number of arguments for 'mset' command"},
    {"MSETNX a 1 b", "(error) ERR wrong number of arguments for 'msetnx' command"},
    {"DBSIZE x", "(error) ERR wrong number of arguments for 'dbsize' command"},
    {"NOSUCH a", "(error) ERR unknown command"},
    {"AVERYLONGCOMMANDNAMETHATNOBODYHAS", "(error) ERR unknown command"},
    {"SCAN 0", "(error) ERR SCAN cannot be used here"})

TALK(counters_count,
    {"INCR a", "(integer) 1"},
    {"INCR a", "(integer) 2"},
    {"DECR a", "(integer) 1"},
    {"INCRBY a 41", "(integer) 42"},
    {"DECRBY a 50", "(integer) -8"},
    {"DECRBY a -9", "(integer) 1"},
    {"GET a", "\"1\""},
    {"DECR n", "(integer) -1"},
    {"INCRBY a x", NOT_INTEGER},
    {"INCRBY a 9223372036854775808", NOT_INTEGER},
    {"INCRBY a 1.5", NOT_INTEGER},
    {"DECRBY a -9223372036854775808", "(error) ERR decrement would overflow"},
    {"SET a 9223372036854775807", "OK"},
    {"INCR a", OVERFLOWS},
    {"INCRBY a -1", "(integer) 9223372036854775806"},
    {"SET a -9223372036854775808", "OK"},
    {"DECR a", OVERFLOWS},
    {"INCRBY a -1", OVERFLOWS},
    {"INCR a", "(integer) -9223372036854775807"},
    {"SET a 007", "OK"},
    {"INCR a", NOT_INTEGER},
    {"SET a +1", "OK"},
    {"INCR a", NOT_INTEGER},
    {"SET a ''", "OK"},
    {"INCR a", NOT_INTEGER},
    {"SET a -0", "OK"},
    {"INCR a", NOT_INTEGER},
    {"SET a -", "OK"},
    {"INCR a", NOT_INTEGER},
    {"GET a", "\"-\""})

TALK(parts_of_values_are_read_and_written,
    {"APPEND a hello", "(integer) 5"},
    {"APPEND a ''", "(integer) 5"},
    {"APPEND a _world", "(integer) 11"},
    {"STRLEN a", "(integer) 11"},
    {"GETRANGE a 0 4", "\"hello\""},
    {"GETRANGE a -5 -1", "\"world\""},
    {"GETRANGE a 0 -1", "\"hello_world\""},
    {"GETRANGE a 5 99", "\"_world\""},
    {"GETRANGE a 20 30", "\"\""},
    {"GETRANGE a -99 1", "\"he\""},
    {"GETRANGE a -99 -99", "\"h\""},
    {"GETRANGE a -98 -99", "\"\""},
    {"GETRANGE a 3 1", "\"\""},
    {"GETRANGE a -9223372036854775808 9223372036854775807", "\"hello_world\""},
    {"GETRANGE a x 1", NOT_INTEGER},
    {"GETRANGE n 0 -1", "\"\""},
    {"SETRANGE a 6 W", "(integer) 11"},
    {"SETRANGE a 10 ds!", "(integer) 13"},
    {"GET a", "\"hello_Worlds!\""},
    {"SETRANGE b 3 x", "(integer) 4"},
    {"GET b", "\"\\u0000\\u0000\\u0000x\""},
    {"SETRANGE b 1 ''", "(integer) 4"},
    {"SETRANGE n 1 ''", "(integer) 0"},
    {"EXISTS n", "(integer) 0"},
    {"SETRANGE b -1 x", "(error) ERR offset is out of range"},
    {"SETRANGE b x x", NOT_INTEGER},
    {"SETRANGE b 33554432 x", TOO_LONG},
    {"SETRANGE b 33554431 x", "(integer) 33554432"},
    {"APPEND b x", TOO_LONG},
    {"DEL b", "(integer) 1"},
    {"SETRANGE b 9223372036854775807 x", TOO_LONG})

TALK(many_keys_at_once,
    {"MSET a 1 b 2 a 3", "OK"},
    {"MGET a b c", "[\"3\" \"2\" (nil)]"},
    {"MSETNX c 1 a 2", "(integer) 0"},
    {"EXISTS c", "(integer) 0"},
    {"MSETNX c 1 d 2 c 3", "(integer) 1"},
    {"MGET c d", "[\"3\" \"2\"]"},
    {"TOUCH a b x", "(integer) 2"},
    {"UNLINK a b x", "(integer) 2"},
    {"DEL c c d", "(integer) 2"},
    {"DBSIZE", "(integer) 0"})

TALK(keys_are_listed_in_order,
    {"KEYS *", "[]"},
    {"MSET user:2 b user:1 a use x user:10 c other y", "OK"},
    {"KEYS *", "[\"other\" \"use\" \"user:1\" \"user:10\" \"user:2\"]"},
    {"KEYS user:*", "[\"user:1\" \"user:10\" \"user:2\"]"},
    {"KEYS user:?", "[\"user:1\" \"user:2\"]"},
    {"KEYS use", "[\"use\"]"},
    {"KEYS user", "[]"},
    {"KEYS *[02]", "[\"user:10\" \"user:2\"]"},
    {"KEYS z*", "[]"},
    {"DBSIZE", "(integer) 5"})

TALK(flushall_empties_the_store,
    {"MSET a 1 b 2", "OK"},
    {"SET c 1 EX 100", "OK"},
    {"FLUSHALL now", SYNTAX},
    {"FLUSHALL SYNC ASYNC", SYNTAX},
    {"DBSIZE", "(integer) 3"},
    {"flushall async", "OK"},
    {"DBSIZE", "(integer) 0"},
    {"RANDOMKEY", "(nil)"},
    {"GET a", "(nil)"},
    {"TTL c", "(integer) -2"},
    {"SET a 1", "OK"},
    {"RANDOMKEY", "\"a\""},
    {"FLUSHALL SYNC", "OK"},
    {"FLUSHALL", "OK"},
    {"KEYS *", "[]"})
/* clang-format on */

static void the_table_is_sorted_and_finds_every_command_in_any_case(void **state)
{
    size_t count;
    const struct kv_command *commands = kv_commands(&count);

    (void)state;
    assert_true(count > 30);
    for (size_t i = 0; i < count; i++) {
        char lower[32] = {0};
        size_t length = strlen(commands[i].name);
        for (size_t c = 0; c < length; c++) {
            lower[c] = (char)(commands[i].name[c] | 0x20);
        }
        assert_ptr_equal(kv_command_find(lower, length), &commands[i]);
        assert_ptr_equal(kv_command_find(commands[i].name, length), &commands[i]);
        assert_null(kv_command_find(lower, length + 1));
        assert_true(i == 0 || strcmp(commands[i - 1].name, commands[i].name) < 0);
        assert_true(((commands[i].flags & KV_WRITE) != 0) != ((commands[i].flags & KV_READ) != 0));
    }
    assert_null(kv_command_find("", 0));
}

static bool check(const char *name, const void *key, size_t key_bytes)
{
    struct kv_argument words[] = {{name, strlen(name)}, {key, key_bytes}, {"1", 1}};
    const char *error = NULL;
    bool is_good = kv_check(words, 3, &error);

    if (!is_good) {
        assert_string_equal(error, "ERR key is longer than 65536 bytes");
    }
    return is_good;
}

static void a_key_may_have_65536_bytes_and_no_more(void **state)
{
    static struct store_test test;
    static char key[KV_KEY_BYTES_MAX + 1];

    (void)state;
    memset(key, 'k', sizeof(key));
    assert_true(check("SET", key, sizeof(key) - 1));
    assert_false(check("SET", key, sizeof(key)));
    assert_false(check("DEL", key, sizeof(key)));
    assert_false(check("MSET", key, sizeof(key)));
    store_init(&test);
    struct kv_argument words[] = {{"SET", 3}, {key, sizeof(key)}, {"1", 1}};
    assert_int_equal(store_apply(&test, words, 3, true), 0);
    assert_string_equal(test.reply, "(error) ERR key is longer than 65536 bytes");
    words[1].size_bytes--;
    assert_int_equal(store_apply(&test, words, 3, true), 0);
    assert_string_equal(test.reply, "OK");
    assert_string_equal(store_do(&test, "DBSIZE"), "(integer) 1");
    store_deinit(&test);
}

static void reads_beside_the_log_change_nothing_and_writes_are_refused(void **state)
{
    static struct store_test test;

    (void)state;
    store_init(&test);
    (void)store_do(&test, "MSET a 1 b 2");
    assert_string_equal(store_read(&test, "GET a"), "\"1\"");
    assert_string_equal(store_read(&test, "MGET a c"), "[\"1\" (nil)]");
    assert_string_equal(store_read(&test, "SET a 2"),
                        "(error) ERR the command writes and must go through the log");
    assert_string_equal(store_read(&test, "GET"),
                        "(error) ERR wrong number of arguments for 'get' command");
    assert_string_equal(store_read(&test, "FOO"), "(error) ERR unknown command");
    assert_string_equal(store_read(&test, "GET a"), "\"1\"");
    store_deinit(&test);
}

static void every_key_can_be_the_random_one(void **state)
{
    static struct store_test test;
    struct kv_argument words[] = {{"RANDOMKEY", 9}};
    char line[] = "SET 00 1";

    (void)state;
    store_init(&test);
    for (unsigned i = 0; i < 100; i++) {
        line[4] = (char)('0' + i / 10);
        line[5] = (char)('0' + i % 10);
        (void)store_do(&test, line);
    }
    for (uint64_t random = 0; random < 200; random++) {
        struct kv_reply_sink sink = store_sink(&test);
        kv_read(test.kv, words, 1, 0, random, &sink);
        assert_int_equal((test.reply[1] - '0') * 10 + (test.reply[2] - '0'), random % 100);
    }
    store_deinit(&test);
}

static void a_big_payload_is_executed_whole(void **state)
{
    static struct store_test test;
    static struct kv_argument words[3001];
    static char keys[3000][4];

    (void)state;
    store_init(&test);
    words[0] = (struct kv_argument){"MSET", 4};
    for (unsigned i = 0; i < 3000; i++) {
        memcpy(keys[i],
               (char[]){(char)('a' + i % 26), (char)('a' + i / 26 % 26), (char)('a' + i / 676), 0},
               4);
        words[1 + i] = (struct kv_argument){keys[i], 3};
    }
    assert_int_equal(store_apply(&test, words, 3001, true), 0);
    assert_string_equal(test.reply, "OK");
    assert_string_equal(store_do(&test, "DBSIZE"), "(integer) 1500");
    kv_invariants(test.kv);
    store_deinit(&test);
}

#define BATCH 12

/* Apply BATCH entries with the same line in one call; counts replies that begin with `reply`. */
static size_t batch_count_replies(struct store_test *test, const char *line, const char *reply)
{
    static uint8_t payload[4096];
    const struct qr_state_machine *machine = kv_state_machine(test->kv);
    struct qr_entry entries[BATCH];
    struct qr_result results[BATCH] = {{0}};
    struct kv_argument words[WORDS_MAX];
    size_t count = words_of(line, words);
    size_t matching = 0;

    kv_payload_encode(words, count, payload);
    for (size_t i = 0; i < BATCH; i++) {
        entries[i] = (struct qr_entry){.index = ++test->index,
                                       .timestamp_ns = test->now_ns,
                                       .command = KV_COMMAND,
                                       .command_bytes = strlen(KV_COMMAND),
                                       .payload = payload,
                                       .payload_bytes = kv_payload_bytes(words, count),
                                       .wants_result = true};
    }
    assert_int_equal(machine->apply(machine->context, entries, BATCH, results), 0);
    for (size_t i = 0; i < BATCH; i++) {
        struct kv_reply_sink sink = store_sink(test);
        kv_result_replay(results[i].data, results[i].size_bytes, &sink);
        matching += strncmp(test->reply, reply, strlen(reply)) == 0 ? 1 : 0;
    }
    return matching;
}

static void reads_of_one_batch_are_limited_together(void **state)
{
    static struct store_test test;

    (void)state;
    store_init(&test);
    assert_string_equal(store_do(&test, "SET k 01234567890123456789"), "OK");
    kv_limit_replies(test.kv, 30);
    /* A result is five bytes longer than its value, and 4 * 30 bytes are enough at once. */
    assert_int_equal(batch_count_replies(&test, "GET k", "\"0123"), 5);
    assert_int_equal(batch_count_replies(&test, "GET k", "(error) TRYAGAIN"), BATCH - 5);
    store_deinit(&test);
}

static void writes_are_answered_however_much_one_batch_reads(void **state)
{
    static struct store_test test;

    (void)state;
    store_init(&test);
    assert_string_equal(store_do(&test, "SET k 01234567890123456789"), "OK");
    kv_limit_replies(test.kv, 10);
    assert_int_equal(batch_count_replies(&test, "SET k 01234567890123456789 GET", "\"0123"), BATCH);
    store_deinit(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_and_set_keep_values),
        cmocka_unit_test(set_obeys_its_conditions),
        cmocka_unit_test(set_refuses_options_that_contradict),
        cmocka_unit_test(a_wrong_number_of_arguments_is_refused),
        cmocka_unit_test(counters_count),
        cmocka_unit_test(parts_of_values_are_read_and_written),
        cmocka_unit_test(many_keys_at_once),
        cmocka_unit_test(keys_are_listed_in_order),
        cmocka_unit_test(flushall_empties_the_store),
        cmocka_unit_test(the_table_is_sorted_and_finds_every_command_in_any_case),
        cmocka_unit_test(a_key_may_have_65536_bytes_and_no_more),
        cmocka_unit_test(reads_beside_the_log_change_nothing_and_writes_are_refused),
        cmocka_unit_test(every_key_can_be_the_random_one),
        cmocka_unit_test(a_big_payload_is_executed_whole),
        cmocka_unit_test(reads_of_one_batch_are_limited_together),
        cmocka_unit_test(writes_are_answered_however_much_one_batch_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
