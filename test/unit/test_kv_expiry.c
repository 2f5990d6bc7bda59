/* test_kv_expiry.c: keys live by log time, and by nothing else. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/store.h"
#include "test_kv_support.h"

#define INCOMPATIBLE "(error) ERR NX and XX, GT or LT options at the same time are not compatible"
#define INVALID(name) "(error) ERR invalid expire time in '" name "' command"
#define TALK(name, ...)                                                                            \
    static void name(void **state)                                                                 \
    {                                                                                              \
        static const struct exchange exchanges[] = {__VA_ARGS__};                                  \
        (void)state;                                                                               \
        store_talk(exchanges, COUNT_OF(exchanges));                                                \
    }

/* The stores begin at 1,700,000,000 seconds. "@N" lets N milliseconds pass. */
/* clang-format off */
TALK(a_key_dies_at_its_time_and_not_before,
    {"SET a 1 PX 100", "OK"},
    {"PTTL a", "(integer) 100"},
    {"@99", ""},
    {"GET a", "\"1\""},
    {"PTTL a", "(integer) 1"},
    {"TTL a", "(integer) 0"},
    {"@1", ""},
    {"GET a", "(nil)"},
    {"TTL a", "(integer) -2"},
    {"DBSIZE", "(integer) 0"},
    {"SET a 2 XX", "(nil)"},
    {"SET a 2 NX", "OK"},
    {"TTL a", "(integer) -1"})

TALK(every_way_to_say_when,
    {"SET a 1 EX 10", "OK"},
    {"TTL a", "(integer) 10"},
    {"EXPIRETIME a", "(integer) 1700000010"},
    {"PEXPIRETIME a", "(integer) 1700000010000"},
    {"SET a 1 EXAT 1700000020", "OK"},
    {"TTL a", "(integer) 20"},
    {"SET a 1 PXAT 1700000000500", "OK"},
    {"PTTL a", "(integer) 500"},
    {"TTL a", "(integer) 1"},
    {"SETEX a 7 x", "OK"},
    {"TTL a", "(integer) 7"},
    {"PSETEX a 7 y", "OK"},
    {"PTTL a", "(integer) 7"},
    {"EXPIRE a 5", "(integer) 1"},
    {"PTTL a", "(integer) 5000"},
    {"PEXPIRE a 5", "(integer) 1"},
    {"PTTL a", "(integer) 5"},
    {"EXPIREAT a 1700000009", "(integer) 1"},
    {"PTTL a", "(integer) 9000"},
    {"PEXPIREAT a 1700000000009", "(integer) 1"},
    {"PTTL a", "(integer) 9"},
    {"GETEX a EX 3", "\"y\""},
    {"TTL a", "(integer) 3"},
    {"GETEX a", "\"y\""},
    {"TTL a", "(integer) 3"},
    {"GETEX a PERSIST", "\"y\""},
    {"TTL a", "(integer) -1"},
    {"EXPIRETIME a", "(integer) -1"},
    {"PEXPIRETIME n", "(integer) -2"},
    {"GETEX n EX 1", "(nil)"},
    {"GETEX a PERSIST EX 1", "(error) ERR syntax error"})

TALK(a_time_in_the_past_takes_the_key_away,
    {"SET a 1 EXAT 1", "OK"},
    {"EXISTS a", "(integer) 0"},
    {"MSET a 1 b 2 c 3 d 4 e 5", "OK"},
    {"EXPIRE a 0", "(integer) 1"},
    {"EXPIRE b -1", "(integer) 1"},
    {"EXPIREAT c -5", "(integer) 1"},
    {"PEXPIREAT d 1700000000000", "(integer) 1"},
    {"GETEX e PXAT 1", "\"5\""},
    {"DBSIZE", "(integer) 0"},
    {"EXPIRE a 5", "(integer) 0"})

TALK(expire_obeys_its_options,
    {"SET a 1", "OK"},
    {"EXPIRE a 10 XX", "(integer) 0"},
    {"EXPIRE a 10 GT", "(integer) 0"},
    {"EXPIRE a 10 NX", "(integer) 1"},
    {"EXPIRE a 20 NX", "(integer) 0"},
    {"EXPIRE a 5 GT", "(integer) 0"},
    {"EXPIRE a 10 GT", "(integer) 0"},
    {"EXPIRE a 20 GT", "(integer) 1"},
    {"EXPIRE a 30 LT", "(integer) 0"},
    {"EXPIRE a 15 LT", "(integer) 1"},
    {"TTL a", "(integer) 15"},
    {"EXPIRE a 16 xx gt", "(integer) 1"},
    {"PERSIST a", "(integer) 1"},
    {"PERSIST a", "(integer) 0"},
    {"PERSIST n", "(integer) 0"},
    {"EXPIRE a 30 LT", "(integer) 1"},
    {"EXPIRE a 10 NX XX", INCOMPATIBLE},
    {"EXPIRE a 10 LT NX", INCOMPATIBLE},
    {"EXPIRE a 10 GT LT", "(error) ERR GT and LT options at the same time are not compatible"},
    {"EXPIRE a 10 SOON", "(error) ERR Unsupported option SOON"},
    {"EXPIRE a x SOON", "(error) ERR Unsupported option SOON"},
    {"EXPIRE a x", "(error) ERR value is not an integer or out of range"},
    {"TTL a", "(integer) 30"})

TALK(times_out_of_bounds_are_refused,
    {"SET a 1", "OK"},
    {"SETEX a 0 x", INVALID("setex")},
    {"PSETEX a -1 x", INVALID("psetex")},
    {"SETEX a x x", "(error) ERR value is not an integer or out of range"},
    {"SETEX a 9223372036854775807 x", INVALID("setex")},
    {"EXPIRE a 9223372036854775807", INVALID("expire")},
    {"EXPIRE a -9223372036854775807", INVALID("expire")},
    {"PEXPIRE a 9223372036854775807", INVALID("pexpire")},
    {"EXPIREAT a 9223372036854775807", INVALID("expireat")},
    {"PEXPIREAT a 18446744073709", INVALID("pexpireat")},
    {"GETEX a EX 0", INVALID("getex")},
    {"GETEX a PX 9223372036854775807", INVALID("getex")},
    {"TTL a", "(integer) -1"},
    {"PEXPIREAT a 18446744073000", "(integer) 1"},
    {"PEXPIRETIME a", "(integer) 18446744073000"})

TALK(what_keeps_a_time_and_what_drops_it,
    {"SET a 1 EX 10", "OK"},
    {"INCR a", "(integer) 2"},
    {"APPEND a 0", "(integer) 2"},
    {"SETRANGE a 0 3", "(integer) 2"},
    {"TTL a", "(integer) 10"},
    {"SET a 1 KEEPTTL", "OK"},
    {"TTL a", "(integer) 10"},
    {"SET n 1 KEEPTTL", "OK"},
    {"TTL n", "(integer) -1"},
    {"GETSET a 2", "\"1\""},
    {"TTL a", "(integer) -1"},
    {"SET a 1 EX 10", "OK"},
    {"SET a 2", "OK"},
    {"TTL a", "(integer) -1"},
    {"SET a 1 EX 10", "OK"},
    {"MSET a 2", "OK"},
    {"TTL a", "(integer) -1"})
/* clang-format on */

static void log_time_never_goes_back(void **state)
{
    static struct store_test test;

    (void)state;
    store_init(&test);
    (void)store_do(&test, "SET a 1 PX 100");
    store_tick(&test, START_NS + 100 * NS_PER_MS);
    assert_string_equal(store_do(&test, "GET a"), "(nil)");
    test.now_ns = START_NS;
    assert_string_equal(store_do(&test, "GET a"), "(nil)");
    (void)store_do(&test, "SET a 1 PX 100");
    assert_string_equal(store_do(&test, "PEXPIRETIME a"), "(integer) 1700000000200");
    store_deinit(&test);
}

static void a_reader_estimates_what_is_left_but_kills_nothing(void **state)
{
    static struct store_test test;

    (void)state;
    store_init(&test);
    (void)store_do(&test, "SET a 1 EX 10");
    test.now_ns = START_NS + 4 * NS_PER_S;
    assert_string_equal(store_read(&test, "TTL a"), "(integer) 6");
    test.now_ns = START_NS + 99 * NS_PER_S;
    assert_string_equal(store_read(&test, "PTTL a"), "(integer) 0");
    assert_string_equal(store_read(&test, "GET a"), "\"1\"");
    test.now_ns = 0;
    assert_string_equal(store_read(&test, "TTL a"), "(integer) 10");
    store_deinit(&test);
}

static void the_store_wants_to_be_woken_at_the_earliest_time(void **state)
{
    static struct store_test test;

    (void)state;
    store_init(&test);
    assert_int_equal(store_wake_at(&test), 0);
    (void)store_do(&test, "SET a 1 PX 300");
    (void)store_do(&test, "SET b 1 PX 100");
    (void)store_do(&test, "SET c 1 PX 200");
    (void)store_do(&test, "SET d 1");
    assert_int_equal(store_wake_at(&test), START_NS + 100 * NS_PER_MS);
    store_tick(&test, START_NS + 100 * NS_PER_MS);
    assert_int_equal(store_wake_at(&test), START_NS + 200 * NS_PER_MS);
    (void)store_do(&test, "DEL c");
    assert_int_equal(store_wake_at(&test), START_NS + 300 * NS_PER_MS);
    (void)store_do(&test, "PERSIST a");
    assert_int_equal(store_wake_at(&test), 0);
    struct kv_stats stats;
    kv_stats(test.kv, &stats);
    assert_int_equal(stats.key_count, 2);
    assert_int_equal(stats.expiring_key_count, 0);
    assert_int_equal(stats.expired_count, 1);
    store_deinit(&test);
}

/* More keys die at once than one entry removes: none of them is seen any more, and they go
 * with the entries that follow.
 */
static void many_deaths_at_once_are_spread_over_entries(void **state)
{
    static struct store_test test;
    struct kv_stats stats;
    char line[] = "SET k0000 1 PX 50";

    (void)state;
    store_init(&test);
    for (unsigned i = 0; i < 2500; i++) {
        for (unsigned digit = 0, rest = i; digit < 4; digit++, rest /= 10) {
            line[8 - digit] = (char)('0' + rest % 10);
        }
        (void)store_do(&test, line);
    }
    (void)store_do(&test, "SET alive 1");
    store_tick(&test, START_NS + 50 * NS_PER_MS);
    kv_stats(test.kv, &stats);
    assert_int_equal(stats.expired_count, KV_EXPIRED_PER_ENTRY_MAX);
    assert_int_equal(stats.expiring_key_count, 2500 - KV_EXPIRED_PER_ENTRY_MAX);
    assert_int_equal(stats.key_count, 1);
    assert_string_equal(store_read(&test, "DBSIZE"), "(integer) 1");
    assert_string_equal(store_read(&test, "KEYS *"), "[\"alive\"]");
    assert_string_equal(store_read(&test, "EXISTS k2499"), "(integer) 0");
    assert_string_equal(store_read(&test, "RANDOMKEY"), "\"alive\"");
    assert_int_equal(store_wake_at(&test), START_NS + 50 * NS_PER_MS);
    assert_string_equal(store_do(&test, "DEL k2499"), "(integer) 0");
    store_tick(&test, test.now_ns);
    kv_stats(test.kv, &stats);
    assert_int_equal(stats.expired_count, 2500);
    assert_int_equal(stats.expiring_key_count, 0);
    assert_int_equal(store_wake_at(&test), 0);
    kv_invariants(test.kv);
    store_deinit(&test);
}

/* Left over after one entry must be the same keys, whatever the way there. */
static void which_keys_die_first_does_not_depend_on_the_way_they_came(void **state)
{
    static struct store_test test[2];
    char line[] = "SET k0000 1 PX 50";

    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        store_init(&test[way]);
        for (unsigned i = 0; i < 1700; i++) {
            for (unsigned digit = 0, rest = way == 0 ? i : 1699 - i; digit < 4; digit++) {
                line[8 - digit] = (char)('0' + rest % 10);
                rest /= 10;
            }
            (void)store_do(&test[way], line);
        }
        store_tick(&test[way], START_NS + NS_PER_S);
    }
    assert_true(store_digest(&test[0]) != 0);
    assert_true(store_digest(&test[0]) == store_digest(&test[1]));
    store_deinit(&test[0]);
    store_deinit(&test[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_dies_at_its_time_and_not_before),
        cmocka_unit_test(every_way_to_say_when),
        cmocka_unit_test(a_time_in_the_past_takes_the_key_away),
        cmocka_unit_test(expire_obeys_its_options),
        cmocka_unit_test(times_out_of_bounds_are_refused),
        cmocka_unit_test(what_keeps_a_time_and_what_drops_it),
        cmocka_unit_test(log_time_never_goes_back),
        cmocka_unit_test(a_reader_estimates_what_is_left_but_kills_nothing),
        cmocka_unit_test(the_store_wants_to_be_woken_at_the_earliest_time),
        cmocka_unit_test(many_deaths_at_once_are_spread_over_entries),
        cmocka_unit_test(which_keys_die_first_does_not_depend_on_the_way_they_came),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
