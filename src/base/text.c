/* text.c: text and JSON into a fixed buffer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <string.h>

#include "base/assert.h"

#define U64_DIGITS_MAX 20

struct text text_of(char *data, size_t size_bytes)
{
    ASSERT(size_bytes >= 1);
    data[0] = '\0';
    return (struct text){.data = data, .size_bytes = size_bytes};
}

void text_bytes(struct text *text, const void *data, size_t size_bytes)
{
    size_t room = text->size_bytes - 1 - text->length;
    if (size_bytes > room) {
        size_bytes = room;
        text->truncated = true;
    }
    if (size_bytes > 0) {
        memcpy(text->data + text->length, data, size_bytes);
    }
    text->length += size_bytes;
    text->data[text->length] = '\0';
}

void text_char(struct text *text, char c)
{
    text_bytes(text, &c, 1);
}

void text_string(struct text *text, const char *string)
{
    size_t length = 0;
    while (string[length] != '\0') {
        length++;
    }
    text_bytes(text, string, length);
}

void text_u64(struct text *text, uint64_t value)
{
    char digits[U64_DIGITS_MAX];
    size_t count = 0;
    do {
        digits[U64_DIGITS_MAX - ++count] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    text_bytes(text, digits + U64_DIGITS_MAX - count, count);
}

void text_i64(struct text *text, int64_t value)
{
    if (value < 0) {
        text_char(text, '-');
        text_u64(text, UINT64_C(0) - (uint64_t)value);
        return;
    }
    text_u64(text, (uint64_t)value);
}

void text_hex(struct text *text, uint64_t value, unsigned digits)
{
    ASSERT(digits >= 1 && digits <= 16);
    char written[16];
    for (unsigned i = digits; i > 0; i--) {
        written[i - 1] = "0123456789abcdef"[value & 0xf];
        value >>= 4;
    }
    text_bytes(text, written, digits);
}

/* How many bytes of valid UTF-8 (RFC 3629) stand at `at`, or 0. */
static size_t utf8_length(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length == 0 || length > left || lead > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool is_overlong = (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xf0 && at[1] < 0x90);
    bool is_outside = (lead == 0xed && at[1] > 0x9f) || (lead == 0xf4 && at[1] > 0x8f);
    return is_overlong || is_outside ? 0 : length;
}

void text_quoted(struct text *text, const void *data, size_t size_bytes)
{
    const uint8_t *at = data;
    text_char(text, '"');
    while (size_bytes > 0) {
        size_t length = utf8_length(at, size_bytes);
        if (length == 0 || *at < 0x20 || *at == 0x7f) {
            text_string(text, "\\u00");
            text_hex(text, *at, 2);
            length = 1;
        } else {
            if (*at == '"' || *at == '\\') {
                text_char(text, '\\');
            }
            text_bytes(text, at, length);
        }
        at += length;
        size_bytes -= length;
    }
    text_char(text, '"');
}

bool text_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static void json_value_begins(struct text *text)
{
    if (text->needs_comma) {
        text_char(text, ',');
    }
    text->needs_comma = true;
}

static void json_open(struct text *text, char bracket)
{
    json_value_begins(text);
    text_char(text, bracket);
    text->needs_comma = false;
}

static void json_close(struct text *text, char bracket)
{
    text_char(text, bracket);
    text->needs_comma = true;
}

void text_json_object_begin(struct text *text)
{
    json_open(text, '{');
}

void text_json_object_end(struct text *text)
{
    json_close(text, '}');
}

void text_json_array_begin(struct text *text)
{
    json_open(text, '[');
}

void text_json_array_end(struct text *text)
{
    json_close(text, ']');
}

void text_json_key(struct text *text, const char *key)
{
    text_json_string(text, key);
    text_char(text, ':');
    text->needs_comma = false;
}

void text_json_bytes(struct text *text, const void *data, size_t size_bytes)
{
    json_value_begins(text);
    text_quoted(text, data, size_bytes);
}

void text_json_string(struct text *text, const char *string)
{
    size_t length = 0;
    while (string[length] != '\0') {
        length++;
    }
    text_json_bytes(text, string, length);
}

void text_json_u64(struct text *text, uint64_t value)
{
    json_value_begins(text);
    text_u64(text, value);
}

void text_json_i64(struct text *text, int64_t value)
{
    json_value_begins(text);
    text_i64(text, value);
}

void text_json_bool(struct text *text, bool value)
{
    json_value_begins(text);
    text_string(text, value ? "true" : "false");
}

void text_json_null(struct text *text)
{
    json_value_begins(text);
    text_string(text, "null");
}

void text_json_hex(struct text *text, uint64_t value, unsigned digits)
{
    json_value_begins(text);
    text_char(text, '"');
    text_hex(text, value, digits);
    text_char(text, '"');
}
