/* test_server_reply.c: replies as RESP2 and RESP3. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reply.h"

#include <string.h>

#include "support/unit.h"

struct reply_case {
    const char *name;
    void (*write)(struct reply *reply);
    const char *expected_2;
    const char *expected_3;
};

static void write_status(struct reply *reply)
{
    reply_status(reply, "OK");
}

static void write_status_of_lines(struct reply *reply)
{
    reply_status(reply, "two\r\nlines");
}

static void write_error(struct reply *reply)
{
    reply_error(reply, "ERR bad\nthing");
}

static void write_integers(struct reply *reply)
{
    reply_integer(reply, 0);
    reply_integer(reply, -7);
    reply_integer(reply, INT64_MIN);
    reply_integer(reply, INT64_MAX);
}

static void write_bulks(struct reply *reply)
{
    reply_bulk(reply, "a\r\nb", 4);
    reply_bulk(reply, NULL, 0);
    reply_string(reply, "x");
}

static void write_null(struct reply *reply)
{
    reply_null(reply);
}

static void write_array(struct reply *reply)
{
    reply_array(reply, 2);
    reply_array(reply, 0);
    reply_null(reply);
}

static void write_map(struct reply *reply)
{
    reply_map(reply, 1);
    reply_string(reply, "k");
    reply_integer(reply, 1);
}

static void write_verbatim(struct reply *reply)
{
    reply_verbatim(reply, "a:1\r\n", 5);
}

static void write_null_array(struct reply *reply)
{
    reply_null_array(reply);
}

static void write_through_a_sink(struct reply *reply)
{
    struct kv_reply_sink sink = reply_sink(reply);

    sink.array(sink.context, 5);
    sink.status(sink.context, "OK");
    sink.error(sink.context, "ERR x");
    sink.integer(sink.context, 1);
    sink.bulk(sink.context, "b", 1);
    sink.null(sink.context);
}

static const struct reply_case reply_cases[] = {
    {"status", write_status, "+OK\r\n", "+OK\r\n"},
    {"a status has no line ends", write_status_of_lines, "+two  lines\r\n", "+two  lines\r\n"},
    {"an error has no line ends", write_error, "-ERR bad thing\r\n", "-ERR bad thing\r\n"},
    {"integers", write_integers, ":0\r\n:-7\r\n:-9223372036854775808\r\n:9223372036854775807\r\n",
     ":0\r\n:-7\r\n:-9223372036854775808\r\n:9223372036854775807\r\n"},
    {"bulks", write_bulks, "$4\r\na\r\nb\r\n$0\r\n\r\n$1\r\nx\r\n",
     "$4\r\na\r\nb\r\n$0\r\n\r\n$1\r\nx\r\n"},
    {"null", write_null, "$-1\r\n", "_\r\n"},
    {"null in the place of an array", write_null_array, "*-1\r\n", "_\r\n"},
    {"array", write_array, "*2\r\n*0\r\n$-1\r\n", "*2\r\n*0\r\n_\r\n"},
    {"map", write_map, "*2\r\n$1\r\nk\r\n:1\r\n", "%1\r\n$1\r\nk\r\n:1\r\n"},
    {"verbatim", write_verbatim, "$5\r\na:1\r\n\r\n", "=9\r\ntxt:a:1\r\n\r\n"},
    {"sink", write_through_a_sink, "*5\r\n+OK\r\n-ERR x\r\n:1\r\n$1\r\nb\r\n$-1\r\n",
     "*5\r\n+OK\r\n-ERR x\r\n:1\r\n$1\r\nb\r\n_\r\n"},
};

static void check(const struct reply_case *c, uint8_t protocol, const char *expected)
{
    struct buffer buffer = {0};
    struct reply reply = {&buffer, protocol};

    c->write(&reply);
    buffer_append(&buffer, "", 1);
    assert_false(buffer.failed);
    if (strcmp((const char *)buffer_at(&buffer), expected) != 0) {
        print_message("%s\n", c->name);
    }
    assert_string_equal((const char *)buffer_at(&buffer), expected);
    buffer_free(&buffer);
}

static void replies_are_encoded_for_both_protocols(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(reply_cases); i++) {
        check(&reply_cases[i], 2, reply_cases[i].expected_2);
        check(&reply_cases[i], 3, reply_cases[i].expected_3);
    }
}

static void a_buffer_gives_back_what_was_put_in(void **state)
{
    struct buffer buffer = {0};
    uint8_t next_in = 0;
    uint8_t next_out = 0;

    (void)state;
    for (size_t round = 1; round < 400; round++) {
        for (size_t i = 0; i < round % 97; i++) {
            buffer_append(&buffer, &next_in, 1);
            next_in++;
        }
        size_t taken = round % 2 == 0 ? buffer_bytes(&buffer) / 2 : buffer_bytes(&buffer) / 3;
        for (size_t i = 0; i < taken; i++) {
            assert_int_equal(buffer_at(&buffer)[i], next_out);
            next_out++;
        }
        buffer_consume(&buffer, taken);
    }
    assert_false(buffer.failed);
    assert_true(buffer.capacity < 65536);
    buffer_free(&buffer);
}

static void a_buffer_refuses_what_no_memory_holds(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    buffer_append(&buffer, "x", 1);
    assert_null(buffer_reserve(&buffer, SIZE_MAX));
    assert_true(buffer.failed);
    buffer_append(&buffer, "y", 1);
    assert_int_equal(buffer_bytes(&buffer), 1);
    buffer_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_encoded_for_both_protocols),
        cmocka_unit_test(a_buffer_gives_back_what_was_put_in),
        cmocka_unit_test(a_buffer_refuses_what_no_memory_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
