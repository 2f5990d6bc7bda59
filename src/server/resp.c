/* resp.c: the incremental parser of arrays; inline commands are in resp_inline.c. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "server/resp_inline.h"

/* "*1048576\r\n" and "$536870912\r\n" with room to spare. */
#define HEADER_BYTES_MAX 32
#define FIRST_ARGUMENTS 16

_Static_assert(RESP_ARGUMENTS_MAX <= UINT32_MAX, "a count fits missing_count");

void resp_parser_init(struct resp_parser *parser, uint64_t bytes_max)
{
    ASSERT(bytes_max <= RESP_BULK_BYTES_MAX);
    *parser = (struct resp_parser){.bytes_max = bytes_max};
}

void resp_parser_deinit(struct resp_parser *parser)
{
    free(parser->arguments);
    free(parser->offsets);
    free(parser->inline_words);
    resp_parser_init(parser, parser->bytes_max);
}

bool resp_parser_is_between(const struct resp_parser *parser)
{
    return !parser->has_count && parser->position == 0;
}

static enum resp_outcome refuse(struct resp_parser *parser, const char *reason)
{
    struct text text = text_of(parser->error, sizeof(parser->error));

    text_string(&text, "ERR Protocol error: ");
    text_string(&text, reason);
    ASSERT(!text.truncated);
    return RESP_ERROR;
}

static enum resp_outcome refuse_no_dollar(struct resp_parser *parser, uint8_t found)
{
    char reason[32];
    struct text text = text_of(reason, sizeof(reason));

    text_string(&text, "expected '$', got '");
    text_char(&text, found >= ' ' && found < 0x7f ? (char)found : '?');
    text_char(&text, '\'');
    return refuse(parser, reason);
}

/* The next command begins behind this one. */
static void begin_anew(struct resp_parser *parser)
{
    parser->position = 0;
    parser->total_bytes = 0;
    parser->missing_count = 0;
    parser->has_count = false;
    parser->has_bulk = false;
    parser->is_skipping = false;
}

/* Digits with at most one '-' before them. */
static bool parse_number(const uint8_t *at, const uint8_t *end, int64_t *out)
{
    bool is_negative = at < end && *at == '-';
    int64_t value = 0;

    at += is_negative ? 1 : 0;
    if (at == end || end - at > 18) {
        return false;
    }
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') {
            return false;
        }
        value = value * 10 + (*at - '0');
    }
    *out = is_negative ? -value : value;
    return true;
}

enum header {
    HEADER_MORE,
    HEADER_READ,
    HEADER_TOO_LONG,
    HEADER_NOT_A_NUMBER,
};

/* Read the number of the line at `position`, behind its first byte, and step over it. */
static enum header read_header(struct resp_parser *parser, const uint8_t *data, size_t size_bytes,
                               int64_t *out)
{
    const uint8_t *line = data + parser->position;
    size_t left = size_bytes - parser->position;
    const uint8_t *newline = memchr(line, '\n', left < HEADER_BYTES_MAX ? left : HEADER_BYTES_MAX);

    if (newline == NULL) {
        return left < HEADER_BYTES_MAX ? HEADER_MORE : HEADER_TOO_LONG;
    }
    if (newline - line < 2 || newline[-1] != '\r' || !parse_number(line + 1, newline - 1, out)) {
        return HEADER_NOT_A_NUMBER;
    }
    parser->position += (size_t)(newline - line) + 1;
    return HEADER_READ;
}

/* Read "*N". RESP_COMMAND here means: go on. */
static enum resp_outcome read_count(struct resp_parser *parser, const uint8_t *data,
                                    size_t size_bytes)
{
    int64_t count = 0;

    switch (read_header(parser, data, size_bytes, &count)) {
    case HEADER_MORE:
        return RESP_MORE;
    case HEADER_TOO_LONG:
        return refuse(parser, "too big mbulk count string");
    case HEADER_NOT_A_NUMBER:
        return refuse(parser, "invalid multibulk length");
    case HEADER_READ:
        break;
    }
    if (count > RESP_ARGUMENTS_MAX) {
        return refuse(parser, "invalid multibulk length");
    }
    parser->has_count = true;
    parser->missing_count = count < 0 ? 0 : (uint32_t)count;
    parser->argument_count = 0;
    return RESP_COMMAND;
}

/* Read "$N". RESP_COMMAND here means: go on. */
static enum resp_outcome read_bulk_header(struct resp_parser *parser, const uint8_t *data,
                                          size_t size_bytes)
{
    int64_t size = 0;

    if (parser->position == size_bytes) {
        return RESP_MORE;
    }
    if (data[parser->position] != '$') {
        return refuse_no_dollar(parser, data[parser->position]);
    }
    switch (read_header(parser, data, size_bytes, &size)) {
    case HEADER_MORE:
        return RESP_MORE;
    case HEADER_TOO_LONG:
        return refuse(parser, "too big bulk count string");
    case HEADER_NOT_A_NUMBER:
        return refuse(parser, "invalid bulk length");
    case HEADER_READ:
        break;
    }
    if (size < 0 || (uint64_t)size > RESP_BULK_BYTES_MAX) {
        return refuse(parser, "invalid bulk length");
    }
    parser->has_bulk = true;
    parser->bulk_bytes = (uint32_t)size;
    parser->total_bytes += (uint64_t)size;
    parser->is_skipping = parser->is_skipping || parser->total_bytes > parser->bytes_max;
    return RESP_COMMAND;
}

/* Room for one more argument. Arguments came over the wire, so this grows with what was
 * sent, not with what was announced.
 */
static bool grow_arguments(struct resp_parser *parser)
{
    if (parser->argument_count < parser->argument_capacity) {
        return true;
    }
    size_t capacity =
        parser->argument_capacity == 0 ? FIRST_ARGUMENTS : parser->argument_capacity * 2;
    struct kv_argument *arguments =
        realloc(parser->arguments, capacity * sizeof(parser->arguments[0]));
    if (arguments == NULL) {
        return false;
    }
    parser->arguments = arguments;
    size_t *offsets = realloc(parser->offsets, capacity * sizeof(parser->offsets[0]));
    if (offsets == NULL) {
        return false;
    }
    parser->offsets = offsets;
    parser->argument_capacity = capacity;
    return true;
}

/* Read the bytes of an argument and the line end behind them. RESP_COMMAND: go on. */
static enum resp_outcome read_bulk(struct resp_parser *parser, const uint8_t *data,
                                   size_t size_bytes)
{
    size_t left = size_bytes - parser->position;

    if (left < 2 || left - 2 < parser->bulk_bytes) {
        return RESP_MORE;
    }
    size_t end = parser->position + parser->bulk_bytes;
    if (data[end] != '\r' || data[end + 1] != '\n') {
        return refuse(parser, "expected CRLF after a bulk");
    }
    if (!parser->is_skipping) {
        if (!grow_arguments(parser)) {
            return RESP_NO_MEMORY;
        }
        parser->arguments[parser->argument_count].size_bytes = parser->bulk_bytes;
        parser->offsets[parser->argument_count] = parser->position;
        parser->argument_count++;
    }
    parser->position = end + 2;
    parser->has_bulk = false;
    parser->missing_count--;
    return RESP_COMMAND;
}

static enum resp_outcome parse_array(struct resp_parser *parser, const uint8_t *data,
                                     size_t size_bytes)
{
    enum resp_outcome outcome = RESP_COMMAND;

    if (!parser->has_count) {
        outcome = read_count(parser, data, size_bytes);
    }
    while (outcome == RESP_COMMAND && parser->missing_count > 0) {
        outcome = parser->has_bulk ? read_bulk(parser, data, size_bytes)
                                   : read_bulk_header(parser, data, size_bytes);
    }
    return outcome;
}

static enum resp_outcome finish_array(struct resp_parser *parser, const uint8_t *data)
{
    if (parser->is_skipping) {
        return RESP_TOO_LARGE;
    }
    for (size_t i = 0; i < parser->argument_count; i++) {
        parser->arguments[i].data = data + parser->offsets[i];
    }
    return RESP_COMMAND;
}

/* While skipping, give back what was passed, and even the part of an argument that is here. */
static size_t skip(struct resp_parser *parser, size_t size_bytes)
{
    size_t passed = parser->position;

    parser->position = 0;
    if (parser->has_bulk) {
        size_t left = size_bytes - passed;
        uint32_t part = left < parser->bulk_bytes ? (uint32_t)left : parser->bulk_bytes;
        parser->bulk_bytes -= part;
        passed += part;
    }
    return passed;
}

static enum resp_outcome parse_inline(struct resp_parser *parser, const uint8_t *data,
                                      size_t size_bytes, size_t *consumed)
{
    size_t limit = size_bytes < RESP_INLINE_BYTES_MAX ? size_bytes : RESP_INLINE_BYTES_MAX;
    const uint8_t *newline = memchr(data + parser->position, '\n',
                                    limit > parser->position ? limit - parser->position : 0);

    if (newline == NULL) {
        parser->position = limit;
        return size_bytes < RESP_INLINE_BYTES_MAX ? RESP_MORE
                                                  : refuse(parser, "too big inline request");
    }
    size_t line_bytes = (size_t)(newline - data);
    *consumed = line_bytes + 1;
    if (line_bytes > 0 && newline[-1] == '\r') {
        line_bytes--;
    }
    free(parser->inline_words);
    parser->inline_words = malloc(line_bytes + 1);
    parser->argument_count = 0;
    if (parser->inline_words == NULL) {
        return RESP_NO_MEMORY;
    }
    struct resp_line line = {.at = data, .end = data + line_bytes, .out = parser->inline_words};
    struct kv_argument word;
    while (resp_inline_next(&line, &word)) {
        if (!grow_arguments(parser)) {
            return RESP_NO_MEMORY;
        }
        parser->arguments[parser->argument_count++] = word;
    }
    return line.is_unbalanced ? refuse(parser, "unbalanced quotes in request") : RESP_COMMAND;
}

enum resp_outcome resp_parse(struct resp_parser *parser, const uint8_t *data, size_t size_bytes,
                             size_t *consumed)
{
    enum resp_outcome outcome;

    *consumed = 0;
    if (size_bytes == 0) {
        return RESP_MORE;
    }
    ASSERT(parser->position <= size_bytes);
    if (!parser->has_count && data[0] != '*') {
        outcome = parse_inline(parser, data, size_bytes, consumed);
    } else {
        outcome = parse_array(parser, data, size_bytes);
        if (outcome == RESP_COMMAND) {
            *consumed = parser->position;
            outcome = finish_array(parser, data);
        } else if (outcome == RESP_MORE && parser->is_skipping) {
            *consumed = skip(parser, size_bytes);
        }
    }
    if (outcome != RESP_MORE) {
        begin_anew(parser);
    }
    ASSERT(*consumed <= size_bytes);
    return outcome;
}
