/* test_kv_glob.c: patterns as Redis reads them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/glob.h"

#include <stdlib.h>
#include <string.h>

#include "support/unit.h"

static struct kv_argument argument(const char *text)
{
    return (struct kv_argument){text, strlen(text)};
}

static void patterns_match_as_in_redis(void **state)
{
    static const struct {
        const char *pattern;
        const char *text;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"a", "a", true},
        {"a", "b", false},
        {"a", "ab", false},
        {"*", "", true},
        {"*", "anything", true},
        {"**", "anything", true},
        {"?", "", false},
        {"?", "a", true},
        {"??", "a", false},
        {"h?llo", "hello", true},
        {"h*llo", "heeeello", true},
        {"h*llo", "hell", false},
        {"*a*b*c", "xxaxxbxxc", true},
        {"*a*b*c", "xxaxxcxxb", false},
        {"*ab", "aab", true},
        {"*aab", "aaab", true},
        {"a*b*a", "abba", true},
        {"h[ae]llo", "hello", true},
        {"h[ae]llo", "hillo", false},
        {"h[^e]llo", "hallo", true},
        {"h[^e]llo", "hello", false},
        {"h[a-c]llo", "hbllo", true},
        {"h[c-a]llo", "hbllo", true},
        {"h[a-c]llo", "hdllo", false},
        {"[a-c]", "", false},
        {"[]", "a", false},
        {"[]a]", "a", false},
        {"[^]a]", "ba]", true},
        {"[\\]]", "]", true},
        {"[\\-a]", "-", true},
        {"[a-", "a", true},
        {"[a-", "-", true},
        {"[ab", "b", true},
        {"[ab", "bc", false},
        {"[", "a", false},
        {"[^", "a", true},
        {"[a-]", "a", true},
        {"[a-]", "b", false},
        {"[a-]", "]", true},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"\\", "\\", true},
        {"a\\", "a", false},
        {"\\a", "a", true},
        {"*[0-9]", "key7", true},
        {"*[0-9]", "key", false},
        {"user:*:name", "user:1:2:name", true},
        {"user:*:name", "user:1:names", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (kv_glob_match(argument(rows[i].pattern), argument(rows[i].text)) != rows[i].matches) {
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].text);
        }
    }
}

static void bytes_that_are_no_text_match_too(void **state)
{
    static const uint8_t bytes[] = {0, 255, 10};

    (void)state;
    assert_true(kv_glob_match(argument("???"), (struct kv_argument){bytes, sizeof(bytes)}));
    assert_true(kv_glob_match((struct kv_argument){bytes, sizeof(bytes)},
                              (struct kv_argument){bytes, sizeof(bytes)}));
    assert_false(kv_glob_match((struct kv_argument){bytes, 1}, argument("a")));
}

/* Backtracking to every star would take longer than the age of the universe. */
static void many_stars_end_soon(void **state)
{
    char pattern[201];
    char text[20000];

    (void)state;
    for (size_t i = 0; i < 200; i += 2) {
        pattern[i] = '*';
        pattern[i + 1] = 'a';
    }
    memset(text, 'a', sizeof(text));
    pattern[200] = 'b';
    assert_false(kv_glob_match((struct kv_argument){pattern, sizeof(pattern)},
                               (struct kv_argument){text, sizeof(text)}));
}

static void the_prefix_ends_at_the_first_special_byte(void **state)
{
    static const struct {
        const char *pattern;
        size_t prefix_bytes;
    } rows[] = {
        {"", 0}, {"*", 0}, {"a*", 1}, {"user:?x", 5}, {"ab[c]", 2}, {"ab\\c", 2}, {"plain", 5},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct kv_argument prefix = kv_glob_prefix(argument(rows[i].pattern));
        assert_int_equal(prefix.size_bytes, rows[i].prefix_bytes);
        assert_ptr_equal(prefix.data, rows[i].pattern);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_in_redis),
        cmocka_unit_test(bytes_that_are_no_text_match_too),
        cmocka_unit_test(many_stars_end_soon),
        cmocka_unit_test(the_prefix_ends_at_the_first_special_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
