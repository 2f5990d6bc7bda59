/* test_node_content.c: the content of a snapshot, written in blocks and read in pieces. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/content.h"

#include <string.h>

#include "base/bytes.h"
#include "quorate/error.h"
#include "support/heap.h"
#include "support/unit.h"

#define BYTES_MAX (512 * 1024)

struct bytes {
    uint8_t data[BYTES_MAX];
    size_t size_bytes;
};

/* What a reader was given. */
struct taken {
    struct content_head head;
    uint8_t configuration[RAFT_CONFIGURATION_BYTES_MAX];
    struct bytes sessions;
    struct bytes machine;
    unsigned heads;
    int status; /* what the sink answers */
};

static struct bytes content;
static struct taken taken;
static struct heap heap;

static int take_head(void *context, const struct content_head *head)
{
    struct taken *to = context;
    to->head = *head;
    memcpy(to->configuration, head->configuration, head->configuration_bytes);
    to->heads++;
    return to->status;
}

static void add(struct bytes *bytes, const void *data, size_t size_bytes)
{
    assert_true(bytes->size_bytes + size_bytes <= BYTES_MAX);
    memcpy(bytes->data + bytes->size_bytes, data, size_bytes);
    bytes->size_bytes += size_bytes;
}

static int take_sessions(void *context, const uint8_t *data, size_t size_bytes)
{
    struct taken *to = context;
    add(&to->sessions, data, size_bytes);
    return to->status;
}

static int take_machine(void *context, const uint8_t *data, size_t size_bytes)
{
    struct taken *to = context;
    add(&to->machine, data, size_bytes);
    return to->status;
}

static const struct content_sink sink = {&taken, take_head, take_sessions, take_machine};

/* Bytes that are all the same become one. */
static size_t compress(void *context, const void *data, size_t size_bytes, void *out,
                       size_t out_bytes)
{
    const uint8_t *from = data;
    (void)context;
    for (size_t i = 1; i < size_bytes; i++) {
        if (from[i] != from[0]) {
            return 0;
        }
    }
    if (out_bytes == 0) {
        return 0;
    }
    memcpy(out, from, 1);
    return 1;
}

static bool expand(void *context, const void *data, size_t size_bytes, void *out, size_t out_bytes)
{
    (void)context;
    memset(out, *(const uint8_t *)data, out_bytes);
    return size_bytes == 1;
}

static const struct content_codec codec = {.number = 9, .compress = compress, .expand = expand};

static void add_block(struct content_writer *writer, enum content_section section, const void *data,
                      size_t size_bytes)
{
    static uint8_t block[CONTENT_STORED_BYTES_MAX];
    add(&content, block, content_write(writer, section, data, size_bytes, block));
}

static void add_head_of(struct content_writer *writer, bool is_bare)
{
    static uint8_t block[CONTENT_STORED_BYTES_MAX];
    struct content_head head = {.position = {3, 77},
                                .timestamp_ns = 5000,
                                .configuration_index = 70,
                                .configuration = "members",
                                .configuration_bytes = 7,
                                .is_bare = is_bare};
    add(&content, block, content_write_head(writer, &head, block));
}

static void add_head(struct content_writer *writer)
{
    add_head_of(writer, false);
}

static void add_end(struct content_writer *writer)
{
    static uint8_t block[CONTENT_STORED_BYTES_MAX];
    add(&content, block, content_write_end(writer, block));
}

static void make(const struct content_codec *with)
{
    static uint8_t zeros[CONTENT_BLOCK_BYTES_MAX];
    struct content_writer writer = {.codec = with};
    content.size_bytes = 0;
    add_head(&writer);
    add_block(&writer, CONTENT_SESSIONS, "session 1", 9);
    add_block(&writer, CONTENT_SESSIONS, "session 2", 9);
    add_block(&writer, CONTENT_MACHINE, "state", 5);
    add_block(&writer, CONTENT_MACHINE, zeros, sizeof(zeros));
    add_end(&writer);
}

static int read_with(const struct content_codec *with, size_t piece_bytes, bool *is_whole)
{
    struct content_reader reader;
    int status = content_reader_init(&reader, &heap.allocator, with, sink);
    if (status != 0) {
        return status;
    }
    taken.heads = 0;
    taken.sessions.size_bytes = 0;
    taken.machine.size_bytes = 0;
    for (size_t at = 0; status == 0 && at < content.size_bytes; at += piece_bytes) {
        status =
            content_read(&reader, content.data + at, min_u64(piece_bytes, content.size_bytes - at));
    }
    *is_whole = content_is_whole(&reader);
    assert_int_equal(content_read(&reader, "x", 0), status);
    content_reader_deinit(&reader);
    return status;
}

static int begin(void **state)
{
    (void)state;
    heap_init(&heap);
    taken.status = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    heap_deinit(&heap);
    return 0;
}

static void it_is_read_as_it_was_written_whatever_the_pieces(void **state)
{
    static const size_t sizes[] = {1, 13, 4096, BYTES_MAX};
    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(sizes); i++) {
        const struct content_codec *with = i % 2 == 0 ? NULL : &codec;
        bool is_whole = false;
        make(with);
        assert_true(with == NULL || content.size_bytes < 1000);
        assert_int_equal(read_with(with, sizes[i / 2], &is_whole), 0);
        assert_true(is_whole);
        assert_int_equal(taken.heads, 1);
        assert_int_equal(taken.head.position.term, 3);
        assert_int_equal(taken.head.position.index, 77);
        assert_int_equal(taken.head.timestamp_ns, 5000);
        assert_int_equal(taken.head.configuration_index, 70);
        assert_int_equal(taken.head.configuration_bytes, 7);
        assert_memory_equal(taken.configuration, "members", 7);
        assert_int_equal(taken.sessions.size_bytes, 18);
        assert_memory_equal(taken.sessions.data, "session 1session 2", 18);
        assert_int_equal(taken.machine.size_bytes, 5 + CONTENT_BLOCK_BYTES_MAX);
        assert_memory_equal(taken.machine.data, "state", 5);
    }
}

static void a_flipped_bit_anywhere_is_refused(void **state)
{
    (void)state;
    make(&codec);
    for (size_t at = 0; at < content.size_bytes * 8; at++) {
        bool is_whole = false;
        content.data[at / 8] ^= (uint8_t)(1 << at % 8);
        int status = read_with(&codec, 100, &is_whole);
        if (is_whole || (status != 0 && status != QR_ERR_CORRUPT && status != QR_ERR_VERSION)) {
            fail_msg("bit %zu: %d", at, status);
        }
        content.data[at / 8] ^= (uint8_t)(1 << at % 8);
    }
}

static void a_part_of_one_is_not_whole_and_neither_is_more_than_one(void **state)
{
    bool is_whole;
    (void)state;
    make(&codec);
    size_t whole_bytes = content.size_bytes;
    for (content.size_bytes = 0; content.size_bytes < whole_bytes; content.size_bytes++) {
        is_whole = false;
        assert_int_equal(read_with(&codec, 50, &is_whole), 0);
        assert_false(is_whole);
    }
    for (unsigned i = 0; i < CONTENT_BLOCK_HEAD_BYTES; i++) {
        content.data[content.size_bytes++] = 0;
        int status = read_with(&codec, 50, &is_whole);
        assert_int_equal(status, i + 1 == CONTENT_BLOCK_HEAD_BYTES ? QR_ERR_CORRUPT : 0);
        assert_false(is_whole);
    }
}

/* Each block is right by itself. */
static void blocks_that_are_left_out_are_missed(void **state)
{
    static uint8_t zeros[100];
    bool is_whole;
    (void)state;
    for (unsigned left_out = 0; left_out < 4; left_out++) {
        struct content_writer writer = {.codec = NULL};
        content.size_bytes = 0;
        for (unsigned block = 0; block < 4; block++) {
            size_t before = content.size_bytes;
            if (block == 0) {
                add_head(&writer);
            } else if (block == 3) {
                add_end(&writer);
            } else {
                add_block(&writer, block == 1 ? CONTENT_SESSIONS : CONTENT_MACHINE, zeros, 50);
            }
            content.size_bytes = block == left_out ? before : content.size_bytes;
        }
        int status = read_with(NULL, 1000, &is_whole);
        assert_int_equal(status, left_out == 3 ? 0 : QR_ERR_CORRUPT);
        assert_false(is_whole);
    }
}

static void a_codec_that_is_not_there_is_told_from_damage(void **state)
{
    struct content_codec other = codec;
    bool is_whole;
    (void)state;
    make(&codec);
    assert_int_equal(read_with(NULL, 1000, &is_whole), QR_ERR_VERSION);
    other.number = 8;
    assert_int_equal(read_with(&other, 1000, &is_whole), QR_ERR_VERSION);
}

static void a_bare_one_says_so_and_has_no_state(void **state)
{
    bool is_whole;
    (void)state;
    for (int has_state = 0; has_state < 2; has_state++) {
        struct content_writer writer = {.codec = NULL};
        content.size_bytes = 0;
        add_head_of(&writer, true);
        add_block(&writer, CONTENT_SESSIONS, "session 1", 9);
        if (has_state == 1) {
            add_block(&writer, CONTENT_MACHINE, "state", 5);
        }
        add_end(&writer);
        int expected = has_state == 1 ? QR_ERR_CORRUPT : 0;
        assert_int_equal(read_with(NULL, 7, &is_whole), expected);
        assert_int_equal(is_whole, has_state == 0);
        assert_true(taken.head.is_bare);
    }
    make(NULL);
    assert_int_equal(read_with(NULL, 7, &is_whole), 0);
    assert_false(taken.head.is_bare);
}

static void what_the_sink_refuses_ends_it(void **state)
{
    bool is_whole;
    (void)state;
    make(NULL);
    taken.status = QR_ERR_TOO_LARGE;
    assert_int_equal(read_with(NULL, 1000, &is_whole), QR_ERR_TOO_LARGE);
    assert_false(is_whole);
    assert_int_equal(taken.sessions.size_bytes, 0);
}

static void without_memory_nothing_is_begun(void **state)
{
    bool is_whole;
    (void)state;
    make(NULL);
    for (uint64_t fail_at = 1; fail_at <= 2; fail_at++) {
        heap.fail_at = heap.allocate_count + fail_at;
        assert_int_equal(read_with(NULL, 1000, &is_whole), QR_ERR_NO_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_read_as_it_was_written_whatever_the_pieces, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_flipped_bit_anywhere_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_part_of_one_is_not_whole_and_neither_is_more_than_one,
                                        begin, end),
        cmocka_unit_test_setup_teardown(blocks_that_are_left_out_are_missed, begin, end),
        cmocka_unit_test_setup_teardown(a_codec_that_is_not_there_is_told_from_damage, begin, end),
        cmocka_unit_test_setup_teardown(a_bare_one_says_so_and_has_no_state, begin, end),
        cmocka_unit_test_setup_teardown(what_the_sink_refuses_ends_it, begin, end),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_begun, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
