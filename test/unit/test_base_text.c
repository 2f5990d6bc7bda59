/* test_base_text.c: text stays in its buffer, and JSON is valid whatever bytes come in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "base/text.h"

struct quote_case {
    const char *name;
    const char *data;
    size_t size_bytes;
    const char *expected;
};

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct quote_case quote_cases[] = {
    {"nothing", BYTES(""), "\"\""},
    {"plain text", BYTES("plain text"), "\"plain text\""},
    {"a quote and a backslash", BYTES("a\"b\\c"), "\"a\\\"b\\\\c\""},
    {"control bytes", BYTES("\t\n\x1f\x7f"), "\"\\u0009\\u000a\\u001f\\u007f\""},
    {"a NUL", BYTES("a\0b"), "\"a\\u0000b\""},
    {"two-byte UTF-8", BYTES("\xc3\xbc"), "\"\xc3\xbc\""},
    {"three-byte UTF-8", BYTES("\xe2\x80\xa6"), "\"\xe2\x80\xa6\""},
    {"four-byte UTF-8", BYTES("\xf0\x9f\x98\x80"), "\"\xf0\x9f\x98\x80\""},
    {"the last code point", BYTES("\xf4\x8f\xbf\xbf"), "\"\xf4\x8f\xbf\xbf\""},
    {"behind the last code point", BYTES("\xf4\x90\x80\x80"), "\"\\u00f4\\u0090\\u0080\\u0080\""},
    {"a lead byte too high", BYTES("\xf5\x80\x80\x80"), "\"\\u00f5\\u0080\\u0080\\u0080\""},
    {"a tail without a head", BYTES("\x80"), "\"\\u0080\""},
    {"a head without a tail", BYTES("\xc3"), "\"\\u00c3\""},
    {"a head and a letter", BYTES("\xc3x"), "\"\\u00c3x\""},
    {"cut in the middle", BYTES("\xe2\x80"), "\"\\u00e2\\u0080\""},
    {"two bytes, overlong", BYTES("\xc0\xaf"), "\"\\u00c0\\u00af\""},
    {"three bytes, overlong", BYTES("\xe0\x80\xaf"), "\"\\u00e0\\u0080\\u00af\""},
    {"four bytes, overlong", BYTES("\xf0\x80\x80\xaf"), "\"\\u00f0\\u0080\\u0080\\u00af\""},
    {"a surrogate", BYTES("\xed\xa0\x80"), "\"\\u00ed\\u00a0\\u0080\""},
    {"just below the surrogates", BYTES("\xed\x9f\xbf"), "\"\xed\x9f\xbf\""},
};

static void quoting_escapes_what_json_does_not_allow(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT_OF(quote_cases); c++) {
        const struct quote_case *row = &quote_cases[c];
        char data[128];
        struct text text = text_of(data, sizeof(data));
        text_quoted(&text, row->data, row->size_bytes);
        if (strcmp(data, row->expected) != 0) {
            fail_msg("%s: %s, expected %s", row->name, data, row->expected);
        }
        assert_false(text.truncated);
        assert_int_equal(text.length, strlen(row->expected));
    }
}

/* Bytes that are half the time near the borders of UTF-8, so that all branches are met. */
static uint8_t odd_byte(struct prng *prng)
{
    static const uint8_t odd[] = {0x00, 0x1f, '"',  '\\', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                  0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff};
    uint64_t value = prng_next(prng);
    return value & 1 ? odd[(value >> 8) % sizeof(odd)] : (uint8_t)(value >> 8);
}

/* The next byte of a JSON string's inside at `*at`; what JSON does not allow fails the case. */
static uint8_t unquoted_byte(const char **at)
{
    if (**at != '\\') {
        assert_true((uint8_t) * *at >= 0x20);
        return (uint8_t) * (*at)++;
    }
    char escaped = (*at)[1];
    if (escaped == '"' || escaped == '\\') {
        *at += 2;
        return (uint8_t)escaped;
    }
    assert_memory_equal(*at, "\\u00", 4);
    unsigned value;
    assert_int_equal(sscanf(*at + 4, "%2x", &value), 1);
    *at += 6;
    return (uint8_t)value;
}

static void any_bytes_become_a_json_string_and_come_back(void **state)
{
    (void)state;
    /* The C library judges independently what is UTF-8. */
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    struct prng prng = prng_of(11);
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[24];
        size_t size_bytes = (size_t)prng_between(&prng, 0, sizeof(bytes));
        for (size_t i = 0; i < size_bytes; i++) {
            bytes[i] = odd_byte(&prng);
        }
        char data[256];
        struct text text = text_of(data, sizeof(data));
        text_json_bytes(&text, bytes, size_bytes);
        assert_true(mbstowcs(NULL, data, 0) != (size_t)-1);
        assert_int_equal(data[0], '"');
        const char *at = data + 1;
        for (size_t i = 0; i < size_bytes; i++) {
            assert_int_equal(unquoted_byte(&at), bytes[i]);
        }
        assert_string_equal(at, "\"");
    }
}

struct number_case {
    int64_t value;
    const char *expected;
};

static const struct number_case number_cases[] = {
    {0, "0"},
    {-1, "-1"},
    {10, "10"},
    {INT64_MAX, "9223372036854775807"},
    {INT64_MIN, "-9223372036854775808"},
};

static void numbers_are_written_in_full(void **state)
{
    (void)state;
    char data[64];
    for (size_t c = 0; c < COUNT_OF(number_cases); c++) {
        struct text text = text_of(data, sizeof(data));
        text_i64(&text, number_cases[c].value);
        assert_string_equal(data, number_cases[c].expected);
    }
    struct text text = text_of(data, sizeof(data));
    text_u64(&text, UINT64_MAX);
    assert_string_equal(data, "18446744073709551615");
}

static void hexadecimal_keeps_its_zeros(void **state)
{
    (void)state;
    char data[64];
    struct text text = text_of(data, sizeof(data));
    text_hex(&text, 0, 1);
    text_char(&text, ' ');
    text_hex(&text, 0xbeef, 16);
    text_char(&text, ' ');
    text_hex(&text, UINT64_MAX, 2);
    assert_string_equal(data, "0 000000000000beef ff");
}

static void what_does_not_fit_is_cut_and_said_so(void **state)
{
    (void)state;
    static const char whole[] = "{\"a\":12345,\"b\":\"x\\\"y\"}";
    for (size_t size_bytes = 1; size_bytes <= sizeof(whole); size_bytes++) {
        char data[sizeof(whole) + 1];
        memset(data, '#', sizeof(data));
        struct text text = text_of(data, size_bytes);
        text_json_object_begin(&text);
        text_json_key(&text, "a");
        text_json_u64(&text, 12345);
        text_json_key(&text, "b");
        text_json_string(&text, "x\"y");
        text_json_object_end(&text);
        assert_int_equal(text.truncated, size_bytes < sizeof(whole));
        assert_true(text.length < size_bytes);
        assert_int_equal(data[text.length], '\0');
        assert_int_equal(data[size_bytes], '#');
        if (!text.truncated) {
            assert_string_equal(data, whole);
        }
    }
}

static void commas_stand_between_values_and_nowhere_else(void **state)
{
    (void)state;
    char data[256];
    struct text text = text_of(data, sizeof(data));
    text_json_object_begin(&text);
    text_json_key(&text, "empty");
    text_json_array_begin(&text);
    text_json_array_end(&text);
    text_json_key(&text, "list");
    text_json_array_begin(&text);
    text_json_u64(&text, 1);
    text_json_object_begin(&text);
    text_json_object_end(&text);
    text_json_object_begin(&text);
    text_json_key(&text, "in");
    text_json_bool(&text, true);
    text_json_object_end(&text);
    text_json_null(&text);
    text_json_array_end(&text);
    text_json_key(&text, "id");
    text_json_hex(&text, 0x1f, 4);
    text_json_key(&text, "no");
    text_json_bool(&text, false);
    text_json_key(&text, "less");
    text_json_i64(&text, -5);
    text_json_object_end(&text);
    assert_string_equal(data, "{\"empty\":[],\"list\":[1,{},{\"in\":true},null],\"id\":\"001f\","
                              "\"no\":false,\"less\":-5}");
}

static void strings_are_the_same_or_not(void **state)
{
    (void)state;
    assert_true(text_equal("", ""));
    assert_true(text_equal("ab", "ab"));
    assert_false(text_equal("ab", "a"));
    assert_false(text_equal("a", "ab"));
    assert_false(text_equal("ab", "ac"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_the_same_or_not),
        cmocka_unit_test(quoting_escapes_what_json_does_not_allow),
        cmocka_unit_test(any_bytes_become_a_json_string_and_come_back),
        cmocka_unit_test(numbers_are_written_in_full),
        cmocka_unit_test(hexadecimal_keeps_its_zeros),
        cmocka_unit_test(what_does_not_fit_is_cut_and_said_so),
        cmocka_unit_test(commas_stand_between_values_and_nowhere_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
