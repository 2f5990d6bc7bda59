/* test_kv_support.h: a store that is told commands as lines of text and answers likewise.
 *
 * A line is words between spaces; '' is an empty word. Replies look as redis-cli shows them,
 * an array's elements between brackets.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_KV_SUPPORT_H
#define TEST_KV_SUPPORT_H

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "kv/kv.h"
#include "quorate/error.h"
#include "support/heap.h"
#include "support/unit.h"

#define WORDS_MAX 200
#define REPLY_BYTES 8192
#define START_NS (UINT64_C(1700000000) * NS_PER_S)

struct store_test {
    struct heap heap;
    struct kv *kv;
    uint64_t index;
    time_ns now_ns; /* log time of the next entry */
    char reply[REPLY_BYTES];
    struct text text;
    uint64_t elements_left; /* of an array, still to come */
};

static void separate(struct store_test *test)
{
    if (test->text.length > 0 && test->text.data[test->text.length - 1] != '[') {
        text_char(&test->text, ' ');
    }
}

static void element_end(struct store_test *test)
{
    if (test->elements_left > 0 && --test->elements_left == 0) {
        text_char(&test->text, ']');
    }
}

static void take_status(void *context, const char *text)
{
    struct store_test *test = context;
    separate(test);
    text_string(&test->text, text);
    element_end(test);
}

static void take_error(void *context, const char *text)
{
    struct store_test *test = context;
    separate(test);
    text_string(&test->text, "(error) ");
    text_string(&test->text, text);
    element_end(test);
}

static void take_integer(void *context, int64_t value)
{
    struct store_test *test = context;
    separate(test);
    text_string(&test->text, "(integer) ");
    text_i64(&test->text, value);
    element_end(test);
}

static void take_bulk(void *context, const void *data, size_t size_bytes)
{
    struct store_test *test = context;
    separate(test);
    text_quoted(&test->text, data, size_bytes);
    element_end(test);
}

static void take_null(void *context)
{
    struct store_test *test = context;
    separate(test);
    text_string(&test->text, "(nil)");
    element_end(test);
}

static void take_array(void *context, size_t count)
{
    struct store_test *test = context;
    text_string(&test->text, count == 0 ? "[]" : "[");
    test->elements_left = count;
}

static void take_null_array(void *context)
{
    struct store_test *test = context;
    separate(test);
    text_string(&test->text, "(not done)");
    element_end(test);
}

static struct kv_reply_sink store_sink(struct store_test *test)
{
    test->text = text_of(test->reply, sizeof(test->reply));
    test->elements_left = 0;
    return (struct kv_reply_sink){test,      take_status, take_error, take_integer,
                                  take_bulk, take_null,   take_array, take_null_array};
}

/* Split a line in place; returns the number of words. */
static size_t words_of(const char *line, struct kv_argument *words)
{
    size_t count = 0;

    while (*line != '\0') {
        size_t length = strcspn(line, " ");
        ASSERT(count < WORDS_MAX);
        bool is_empty = length == 2 && line[0] == '\'' && line[1] == '\'';
        words[count++] = (struct kv_argument){line, is_empty ? 0 : length};
        line += length;
        line += *line == ' ';
    }
    return count;
}

static inline void store_init(struct store_test *test)
{
    memset(test, 0, sizeof(*test));
    heap_init(&test->heap);
    test->now_ns = START_NS;
    test->kv = kv_new(&test->heap.allocator);
    assert_non_null(test->kv);
}

static inline void store_deinit(struct store_test *test)
{
    kv_free(test->kv);
    heap_deinit(&test->heap);
}

/* Apply one entry with these arguments; returns what apply returned. */
static inline int store_apply(struct store_test *test, const struct kv_argument *words,
                              size_t count, bool wants_result)
{
    static uint8_t payload[1024 * 1024];
    const struct qr_state_machine *machine = kv_state_machine(test->kv);
    struct qr_result result = {0};
    struct qr_entry entry = {
        .index = ++test->index,
        .term = 1,
        .timestamp_ns = test->now_ns,
        .command = KV_COMMAND,
        .command_bytes = strlen(KV_COMMAND),
        .payload = payload,
        .payload_bytes = kv_payload_bytes(words, count),
        .wants_result = wants_result,
    };

    ASSERT(entry.payload_bytes <= sizeof(payload));
    kv_payload_encode(words, count, payload);
    int error = machine->apply(machine->context, &entry, 1, &result);
    struct kv_reply_sink sink = store_sink(test);
    if (error == 0 && wants_result) {
        kv_result_replay(result.data, result.size_bytes, &sink);
    }
    return error;
}

/* Apply a line through the log; returns the reply, good until the next. */
static inline const char *store_do(struct store_test *test, const char *line)
{
    struct kv_argument words[WORDS_MAX];
    size_t count = words_of(line, words);

    assert_int_equal(store_apply(test, words, count, true), 0);
    return test->reply;
}

/* Execute a reading line beside the log. */
static inline const char *store_read(struct store_test *test, const char *line)
{
    struct kv_argument words[WORDS_MAX];
    size_t count = words_of(line, words);
    struct kv_reply_sink sink = store_sink(test);

    kv_read(test->kv, words, count, test->now_ns, 7, &sink);
    return test->reply;
}

/* Apply a tick at `now_ns`. */
static inline void store_tick(struct store_test *test, time_ns now_ns)
{
    const struct qr_state_machine *machine = kv_state_machine(test->kv);
    struct qr_result result = {0};

    test->now_ns = now_ns;
    struct qr_entry entry = {
        .index = ++test->index, .term = 1, .timestamp_ns = now_ns, .command = "", .payload = ""};
    assert_int_equal(machine->apply(machine->context, &entry, 1, &result), 0);
}

static inline uint64_t store_digest(struct store_test *test)
{
    const struct qr_state_machine *machine = kv_state_machine(test->kv);

    return machine->digest(machine->context);
}

static inline uint64_t store_wake_at(struct store_test *test)
{
    const struct qr_state_machine *machine = kv_state_machine(test->kv);

    return machine->wake_at(machine->context);
}

struct exchange {
    const char *line; /* "@N": let N milliseconds pass */
    const char *reply;
};

/* Say all lines to a new store and compare what it answers. */
static inline void store_talk(const struct exchange *exchanges, size_t count)
{
    static struct store_test test;

    store_init(&test);
    for (size_t i = 0; i < count; i++) {
        const char *line = exchanges[i].line;
        if (line[0] == '@') {
            test.now_ns += (uint64_t)strtoull(line + 1, NULL, 10) * NS_PER_MS;
            continue;
        }
        const char *reply = store_do(&test, line);
        if (strcmp(reply, exchanges[i].reply) != 0) {
            fail_msg("%s\n  answered %s\n  not      %s", line, reply, exchanges[i].reply);
        }
        kv_invariants(test.kv);
    }
    store_deinit(&test);
}

#endif
