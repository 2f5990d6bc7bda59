/* test_base_bytes.c: cursors never leave their bounds. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "base/bytes.h"

static void numbers_are_little_endian(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0x12, 0x34, 0x12, 0x78, 0x56, 0x34, 0x12, 0xef,
                                       0xcd, 0xab, 0x90, 0x78, 0x56, 0x34, 0x12};
    uint8_t data[sizeof(expected)];
    struct writer writer = writer_of(data, sizeof(data));
    write_u8(&writer, 0x12);
    write_u16(&writer, 0x1234);
    write_u32(&writer, UINT32_C(0x12345678));
    write_u64(&writer, UINT64_C(0x1234567890abcdef));
    assert_false(writer.failed);
    assert_int_equal(writer_used(&writer), sizeof(expected));
    assert_memory_equal(data, expected, sizeof(expected));

    struct reader reader = reader_of(data, sizeof(data));
    assert_int_equal(read_u8(&reader), 0x12);
    assert_int_equal(read_u16(&reader), 0x1234);
    assert_int_equal(read_u32(&reader), UINT32_C(0x12345678));
    assert_int_equal(read_u64(&reader), UINT64_C(0x1234567890abcdef));
    assert_false(reader.failed);
    assert_int_equal(reader_left(&reader), 0);
}

static void largest_numbers_survive(void **state)
{
    (void)state;
    uint8_t at[8];
    store_u16(at, UINT16_MAX);
    assert_int_equal(load_u16(at), UINT16_MAX);
    store_u32(at, UINT32_MAX);
    assert_int_equal(load_u32(at), UINT32_MAX);
    store_u64(at, UINT64_MAX);
    assert_true(load_u64(at) == UINT64_MAX);
}

/* Read all kinds of numbers from `size_bytes` bytes; where it must fail is known. */
static void reading_past_the_end_fails_once_and_for_all(void **state)
{
    (void)state;
    uint8_t data[15];
    memset(data, 0xff, sizeof(data));
    for (size_t size_bytes = 0; size_bytes < sizeof(data); size_bytes++) {
        struct reader reader = reader_of(data, size_bytes);
        assert_int_equal(read_u8(&reader), size_bytes >= 1 ? UINT8_MAX : 0);
        assert_int_equal(read_u16(&reader), size_bytes >= 3 ? UINT16_MAX : 0);
        assert_int_equal(read_u32(&reader), size_bytes >= 7 ? UINT32_MAX : 0);
        assert_int_equal(read_u64(&reader), 0);
        assert_true(reader.failed);
        /* Bytes may be left, yet nothing is read any more. */
        assert_int_equal(read_u8(&reader), 0);
        assert_null(read_bytes(&reader, 0));
    }
}

static void writing_past_the_end_changes_nothing(void **state)
{
    (void)state;
    uint8_t data[8];
    memset(data, 0xee, sizeof(data));
    struct writer writer = writer_of(data, 3);
    write_u16(&writer, 0);
    write_u16(&writer, 0);
    assert_true(writer.failed);
    write_u8(&writer, 0);
    assert_int_equal(writer_used(&writer), 2);
    for (size_t i = 2; i < sizeof(data); i++) {
        assert_int_equal(data[i], 0xee);
    }
}

static void an_empty_cursor_takes_only_nothing(void **state)
{
    (void)state;
    struct reader reader = reader_of(NULL, 0);
    (void)read_bytes(&reader, 0);
    assert_false(reader.failed);
    assert_int_equal(read_u8(&reader), 0);
    assert_true(reader.failed);

    struct writer writer = writer_of(NULL, 0);
    write_bytes(&writer, NULL, 0);
    assert_false(writer.failed);
    write_u8(&writer, 1);
    assert_true(writer.failed);
}

static void bytes_are_read_in_place(void **state)
{
    (void)state;
    static const uint8_t data[] = {1, 2, 3, 4};
    struct reader reader = reader_of(data, sizeof(data));
    assert_ptr_equal(read_bytes(&reader, 3), data);
    assert_int_equal(reader_left(&reader), 1);
    assert_null(read_bytes(&reader, 2));
    assert_true(reader.failed);
}

static void a_length_that_would_wrap_is_refused(void **state)
{
    (void)state;
    static const uint8_t data[] = {1, 2, 3, 4};
    struct reader reader = reader_of(data, sizeof(data));
    assert_null(read_bytes(&reader, SIZE_MAX));
    assert_true(reader.failed);
}

struct string_case {
    const char *name;
    const char *data;
    size_t data_bytes;
    size_t out_bytes;
    const char *expected; /* NULL: refused */
};

static const struct string_case string_cases[] = {
    {"an empty string", "\0", 1, 1, ""},
    {"a string that just fits", "\3abc", 4, 4, "abc"},
    {"no room for the NUL", "\3abc", 4, 3, NULL},
    {"fewer bytes than announced", "\3ab", 3, 8, NULL},
    {"no length", "", 0, 8, NULL},
    {"a NUL inside", "\3a\0c", 4, 8, NULL},
};

static void a_string_is_bounded_and_whole(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT_OF(string_cases); c++) {
        const struct string_case *row = &string_cases[c];
        char out[8] = "#######";
        struct reader reader = reader_of(row->data, row->data_bytes);
        read_string8(&reader, out, row->out_bytes);
        if (reader.failed != (row->expected == NULL)) {
            fail_msg("%s: failed=%d", row->name, reader.failed);
        }
        assert_string_equal(out, row->expected == NULL ? "#######" : row->expected);
    }
}

static void a_written_string_has_its_length_before_it(void **state)
{
    (void)state;
    char longest[257];
    uint8_t data[300];
    memset(longest, 'x', sizeof(longest));
    longest[256] = '\0';

    struct writer writer = writer_of(data, sizeof(data));
    write_string8(&writer, longest + 1);
    assert_false(writer.failed);
    assert_int_equal(writer_used(&writer), 256);
    assert_int_equal(data[0], 255);
    assert_memory_equal(data + 1, longest, 255);

    write_string8(&writer, longest);
    assert_true(writer.failed);
    assert_int_equal(writer_used(&writer), 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_little_endian),
        cmocka_unit_test(largest_numbers_survive),
        cmocka_unit_test(reading_past_the_end_fails_once_and_for_all),
        cmocka_unit_test(writing_past_the_end_changes_nothing),
        cmocka_unit_test(an_empty_cursor_takes_only_nothing),
        cmocka_unit_test(bytes_are_read_in_place),
        cmocka_unit_test(a_length_that_would_wrap_is_refused),
        cmocka_unit_test(a_string_is_bounded_and_whole),
        cmocka_unit_test(a_written_string_has_its_length_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
