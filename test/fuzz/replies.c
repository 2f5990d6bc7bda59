/* replies.c: a reader of replies that shares no code with the writer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/replies.h"

#include <string.h>

#include "fuzz/fuzz.h"

#define NUMBER_DIGITS_MAX 20

struct line {
    uint8_t type;
    const uint8_t *text;
    size_t text_bytes;
    int64_t number; /* of types that have one */
};

static bool has_number(uint8_t type)
{
    return memchr(":$*%=", type, 5) != NULL;
}

static int64_t number_of(const struct line *line)
{
    bool is_negative = line->text_bytes > 0 && line->text[0] == '-';
    uint64_t value = 0;
    ASSERT(line->text_bytes > is_negative);
    ASSERT(line->text_bytes <= NUMBER_DIGITS_MAX);
    for (size_t i = is_negative; i < line->text_bytes; i++) {
        ASSERT(line->text[i] >= '0' && line->text[i] <= '9');
        value = value * 10 + (uint64_t)(line->text[i] - '0');
    }
    return (int64_t)(is_negative ? -value : value);
}

/* Read one line; false when it is not whole. */
static bool read_line(struct reader *reader, struct line *out)
{
    size_t left = reader_left(reader);
    const uint8_t *end = left == 0 ? NULL : memchr(reader->at, '\n', left);
    if (end == NULL) {
        return false;
    }
    size_t line_bytes = (size_t)(end - reader->at) + 1;
    const uint8_t *line = read_bytes(reader, line_bytes);
    ASSERT(line_bytes >= 3);
    ASSERT(line[line_bytes - 2] == '\r');
    *out = (struct line){.type = line[0], .text = line + 1, .text_bytes = line_bytes - 3};
    ASSERT(memchr("+-:$*%=_", out->type, 8) != NULL);
    ASSERT(memchr(out->text, '\r', out->text_bytes) == NULL);
    ASSERT_IMPLIES(out->type == '_', out->text_bytes == 0);
    ASSERT_IMPLIES(out->type == '-', out->text_bytes > 0);
    out->number = has_number(out->type) ? number_of(out) : 0;
    return true;
}

/* Read the bytes behind a line that announces some; false when they are not all there. */
static bool read_body(struct reader *reader, const struct line *line)
{
    bool has_body = (line->type == '$' && line->number >= 0) || line->type == '=';
    if (!has_body) {
        ASSERT_IMPLIES(line->type == '$', line->number == -1);
        return true;
    }
    uint64_t body_bytes = (uint64_t)line->number;
    if (reader_left(reader) < body_bytes + 2) {
        return false;
    }
    const uint8_t *body = read_bytes(reader, (size_t)body_bytes + 2);
    ASSERT(body[body_bytes] == '\r');
    ASSERT(body[body_bytes + 1] == '\n');
    ASSERT_IMPLIES(line->type == '=', body_bytes >= 4 && memcmp(body, "txt:", 4) == 0);
    return true;
}

/* Read one reply, with all within it; false when it is not whole. */
static bool read_reply(struct reader *reader)
{
    uint64_t missing = 1;
    while (missing > 0) {
        struct line line;
        if (!read_line(reader, &line) || !read_body(reader, &line)) {
            return false;
        }
        missing--;
        if (line.type == '*' || line.type == '%') {
            ASSERT(line.number >= 0);
            missing += (uint64_t)line.number * (line.type == '%' ? 2 : 1);
        }
    }
    return true;
}

size_t replies_count(const uint8_t *data, size_t size_bytes, size_t *count)
{
    struct reader reader = reader_of(data, size_bytes);
    size_t left = size_bytes;
    *count = 0;
    while (left > 0 && read_reply(&reader)) {
        (*count)++;
        left = reader_left(&reader);
    }
    return left;
}
