/* test_server_resp.c: commands come out of any split of the stream; bad streams are refused. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "support/unit.h"

#define LIMIT 64

/* What a stream gives, as text: "[SET|k|v]" for a command, "<too large>", "!error". */
struct stream_case {
    const char *name;
    const char *bytes;
    const char *expected;
};

static const struct stream_case stream_cases[] = {
    {"an array", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", "[SET|k|v]"},
    {"a pipeline", "*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "[PING][GET|k]"},
    {"an empty argument", "*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "[GET|]"},
    {"line ends within an argument", "*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\r\n\r\n", "[ECHO|\r\n\r\n]"},
    {"an empty array", "*0\r\n*1\r\n$4\r\nPING\r\n", "[][PING]"},
    {"a null array", "*-1\r\n*1\r\n$4\r\nPING\r\n", "[][PING]"},
    {"an inline command", "SET k v\r\n", "[SET|k|v]"},
    {"an inline command without a carriage return", "PING\nPING\n", "[PING][PING]"},
    {"blanks around words", "  GET \t k  \r\n", "[GET|k]"},
    {"an empty line", "\r\nPING\r\n", "[][PING]"},
    {"double quotes", "SET k \"a b\\n\\x41\\\"\"\r\n", "[SET|k|a b\nA\"]"},
    {"single quotes", "SET k 'a \\'b\\' \\n'\r\n", "[SET|k|a 'b' \\n]"},
    {"an empty word in quotes", "SET k \"\"\r\n", "[SET|k|]"},
    {"inline and array after each other", "PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n",
     "[PING][PING][PING]"},
    {"a command over the limit is skipped",
     "*4\r\n$3\r\nSET\r\n$40\r\n0123456789012345678901234567890123456789\r\n$40\r\n"
     "0123456789012345678901234567890123456789\r\n$1\r\nx\r\nPING\r\n",
     "<too large>[PING]"},
    {"exactly the limit",
     "*2\r\n$24\r\n012345678901234567890123\r\n$40\r\n"
     "0123456789012345678901234567890123456789\r\n",
     "[012345678901234567890123|0123456789012345678901234567890123456789]"},

    {"an argument over the limit is skipped",
     "*2\r\n$65\r\n01234567890123456789012345678901234567890123456789012345678901234\r\n"
     "$1\r\nx\r\nPING\r\n",
     "<too large>[PING]"},
    {"a huge argument", "*2\r\n$3\r\nGET\r\n$536870913\r\n",
     "!ERR Protocol error: invalid bulk length"},
    {"a length that overflows", "*1\r\n$99999999999999999999\r\n",
     "!ERR Protocol error: invalid bulk length"},
    {"a negative length", "*1\r\n$-1\r\n", "!ERR Protocol error: invalid bulk length"},
    {"a length that is no number", "*1\r\n$1x\r\n", "!ERR Protocol error: invalid bulk length"},
    {"no length", "*1\r\n$\r\n", "!ERR Protocol error: invalid bulk length"},
    {"a plus before a length", "*1\r\n$+4\r\n", "!ERR Protocol error: invalid bulk length"},
    {"too many arguments", "*1048577\r\n", "!ERR Protocol error: invalid multibulk length"},
    {"a count that is no number", "*x\r\n", "!ERR Protocol error: invalid multibulk length"},
    {"no count", "*\r\n", "!ERR Protocol error: invalid multibulk length"},
    {"a count without carriage return", "*1\n", "!ERR Protocol error: invalid multibulk length"},
    {"no dollar", "*1\r\n:4\r\n", "!ERR Protocol error: expected '$', got ':'"},
    {"a control byte for a dollar", "*1\r\n\x01", "!ERR Protocol error: expected '$', got '?'"},
    {"a bulk that is longer than it said", "*1\r\n$4\r\nPINGS\r\n",
     "!ERR Protocol error: expected CRLF after a bulk"},
    {"a count line without end", "*11111111111111111111111111111111111111",
     "!ERR Protocol error: too big mbulk count string"},
    {"a length line without end", "*1\r\n$11111111111111111111111111111111111111",
     "!ERR Protocol error: too big bulk count string"},
    {"an open quote", "SET k \"a\r\n", "!ERR Protocol error: unbalanced quotes in request"},
    {"something behind a quote", "SET k \"a\"b\r\n",
     "!ERR Protocol error: unbalanced quotes in request"},
    {"an open single quote", "SET k 'a\r\n", "!ERR Protocol error: unbalanced quotes in request"},
};

static void write_command(const struct resp_parser *parser, struct text *out)
{
    text_char(out, '[');
    for (size_t i = 0; i < parser->argument_count; i++) {
        if (i > 0) {
            text_char(out, '|');
        }
        text_bytes(out, parser->arguments[i].data, parser->arguments[i].size_bytes);
    }
    text_char(out, ']');
}

/* What a connection does: keeps what was not consumed, and adds what comes. */
struct feed {
    struct resp_parser parser;
    uint8_t kept[4096];
    size_t kept_bytes;
    bool has_failed;
    struct text out;
    char out_data[4096];
};

static void feed_init(struct feed *feed)
{
    feed->kept_bytes = 0;
    feed->has_failed = false;
    resp_parser_init(&feed->parser, LIMIT);
    feed->out = text_of(feed->out_data, sizeof(feed->out_data));
}

static bool feed_step(struct feed *feed)
{
    size_t consumed;
    /* Memory of exactly the size: reading past it is seen by the sanitizer. */
    uint8_t *copy = malloc(feed->kept_bytes);

    assert_true(copy != NULL || feed->kept_bytes == 0);
    if (feed->kept_bytes > 0) {
        memcpy(copy, feed->kept, feed->kept_bytes);
    }
    enum resp_outcome outcome = resp_parse(&feed->parser, copy, feed->kept_bytes, &consumed);
    if (outcome == RESP_COMMAND) {
        write_command(&feed->parser, &feed->out);
    } else if (outcome == RESP_TOO_LARGE) {
        text_string(&feed->out, "<too large>");
    } else if (outcome == RESP_ERROR) {
        text_char(&feed->out, '!');
        text_string(&feed->out, feed->parser.error);
        feed->has_failed = true;
    }
    free(copy);
    memmove(feed->kept, feed->kept + consumed, feed->kept_bytes - consumed);
    feed->kept_bytes -= consumed;
    return outcome != RESP_MORE && outcome != RESP_ERROR;
}

static void feed_bytes(struct feed *feed, const char *bytes, size_t size_bytes)
{
    assert_true(size_bytes <= sizeof(feed->kept) - feed->kept_bytes);
    memcpy(feed->kept + feed->kept_bytes, bytes, size_bytes);
    feed->kept_bytes += size_bytes;
    while (!feed->has_failed && feed_step(feed)) {
    }
}

static void every_stream_reads_the_same_however_it_is_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(stream_cases); i++) {
        const struct stream_case *c = &stream_cases[i];
        size_t size_bytes = strlen(c->bytes);
        for (size_t first = 0; first <= size_bytes; first++) {
            for (size_t second = first; second <= size_bytes; second++) {
                struct feed feed;
                feed_init(&feed);
                feed_bytes(&feed, c->bytes, first);
                feed_bytes(&feed, c->bytes + first, second - first);
                feed_bytes(&feed, c->bytes + second, size_bytes - second);
                if (strcmp(feed.out.data, c->expected) != 0) {
                    print_message("%s, split at %zu and %zu\n", c->name, first, second);
                }
                assert_string_equal(feed.out.data, c->expected);
                resp_parser_deinit(&feed.parser);
            }
        }
    }
}

static void every_stream_reads_the_same_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(stream_cases); i++) {
        struct feed feed;
        feed_init(&feed);
        for (const char *at = stream_cases[i].bytes; *at != '\0'; at++) {
            feed_bytes(&feed, at, 1);
        }
        assert_string_equal(feed.out.data, stream_cases[i].expected);
        resp_parser_deinit(&feed.parser);
    }
}

static void skipping_keeps_nothing_of_what_is_skipped(void **state)
{
    struct feed feed;
    char piece[LIMIT];

    (void)state;
    memset(piece, 'x', sizeof(piece));
    feed_init(&feed);
    feed_bytes(&feed, "*3\r\n$64\r\n", 9);
    feed_bytes(&feed, piece, 64);
    feed_bytes(&feed, "\r\n$64\r\n", 7);
    assert_int_equal(feed.kept_bytes, 0);
    feed_bytes(&feed, piece, 60);
    assert_int_equal(feed.kept_bytes, 0);
    feed_bytes(&feed, "xxxx\r\n$1\r\nx\r\n", 13);
    assert_string_equal(feed.out.data, "<too large>");
    resp_parser_deinit(&feed.parser);
}

static void an_inline_command_without_end_is_refused(void **state)
{
    struct resp_parser parser;
    size_t consumed;
    uint8_t *line = malloc(RESP_INLINE_BYTES_MAX + 2);

    (void)state;
    assert_non_null(line);
    memset(line, 'a', RESP_INLINE_BYTES_MAX + 2);
    resp_parser_init(&parser, LIMIT);
    assert_int_equal(resp_parse(&parser, line, RESP_INLINE_BYTES_MAX - 1, &consumed), RESP_MORE);
    assert_int_equal(consumed, 0);
    assert_int_equal(resp_parse(&parser, line, RESP_INLINE_BYTES_MAX, &consumed), RESP_ERROR);
    assert_string_equal(parser.error, "ERR Protocol error: too big inline request");
    resp_parser_deinit(&parser);
    free(line);
}

static void an_announced_count_takes_no_memory(void **state)
{
    struct resp_parser parser;
    size_t consumed;
    static const uint8_t announcement[] = "*1048576\r\n$64\r\n";

    (void)state;
    resp_parser_init(&parser, LIMIT);
    assert_int_equal(resp_parse(&parser, announcement, sizeof(announcement) - 1, &consumed),
                     RESP_MORE);
    assert_int_equal(parser.argument_capacity, 0);
    assert_false(resp_parser_is_between(&parser));
    resp_parser_deinit(&parser);
    assert_true(resp_parser_is_between(&parser));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stream_reads_the_same_however_it_is_split),
        cmocka_unit_test(every_stream_reads_the_same_byte_by_byte),
        cmocka_unit_test(skipping_keeps_nothing_of_what_is_skipped),
        cmocka_unit_test(an_inline_command_without_end_is_refused),
        cmocka_unit_test(an_announced_count_takes_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
