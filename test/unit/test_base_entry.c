/* test_base_entry.c: a record comes back as it was made, or is refused. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/entry.h"
#include "quorate/error.h"
#include "support/heap.h"

#define NO_LIMIT ((size_t)1 << 30)

static const struct entry_fields sample = {
    .index = 0x0102030405060708,
    .term = 0x1112131415161718,
    .timestamp_ns = 0x2122232425262728,
    .id = {0x3132333435363738, 0x4142434445464748},
    .group = 0x51525354,
    .type = ENTRY_NORMAL,
    .command_bytes = 3,
    .payload_bytes = 5,
    .command = "set",
    .payload = "hello",
};

static void the_layout_is_the_documented_one(void **state)
{
    (void)state;
    static const uint8_t expected[64] = {
        0x00, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x08, 0x07, 0x06, 0x05, 0x04,
        0x03, 0x02, 0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x28, 0x27,
        0x26, 0x25, 0x24, 0x23, 0x22, 0x21, 0x54, 0x53, 0x52, 0x51, 0x01, 0x03, 0x00,
        0x00, 0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31, 0x48, 0x47, 0x46, 0x45,
        0x44, 0x43, 0x42, 0x41, 's',  'e',  't',  'h',  'e',  'l',  'l',  'o',
    };
    uint8_t record[64];
    assert_int_equal(entry_record_bytes(3, 5), sizeof(record));
    entry_encode(&sample, record);
    assert_memory_equal(record + 4, expected + 4, sizeof(record) - 4);
    assert_int_equal(load_u32(record), crc32c_by_table(0, record + 4, sizeof(record) - 4));
}

struct size_case {
    size_t command_bytes;
    size_t payload_bytes;
    size_t record_bytes;
};

static const struct size_case size_cases[] = {
    {0, 0, 56}, {0, 1, 64}, {1, 7, 64}, {1, 8, 72}, {32, 0, 88}, {2, 1000, 1064},
};

static void a_record_is_a_multiple_of_eight_bytes(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT_OF(size_cases); c++) {
        assert_int_equal(
            entry_record_bytes(size_cases[c].command_bytes, size_cases[c].payload_bytes),
            size_cases[c].record_bytes);
    }
}

/* Encode into memory of exactly the record's size, so that a sanitizer sees every byte past it. */
static uint8_t *encoded(const struct entry_fields *fields, size_t *size_bytes)
{
    *size_bytes = entry_record_bytes(fields->command_bytes, fields->payload_bytes);
    uint8_t *record = malloc(*size_bytes);
    assert_non_null(record);
    memset(record, 0xcc, *size_bytes);
    entry_encode(fields, record);
    return record;
}

static void assert_fields_equal(const struct entry_fields *a, const struct entry_fields *b)
{
    assert_true(a->index == b->index && a->term == b->term);
    assert_true(a->timestamp_ns == b->timestamp_ns);
    assert_true(a->id.high == b->id.high && a->id.low == b->id.low);
    assert_int_equal(a->group, b->group);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->command_bytes, b->command_bytes);
    assert_int_equal(a->payload_bytes, b->payload_bytes);
    if (a->command_bytes > 0) {
        assert_memory_equal(a->command, b->command, a->command_bytes);
    }
    if (a->payload_bytes > 0) {
        assert_memory_equal(a->payload, b->payload, a->payload_bytes);
    }
}

static void what_was_encoded_is_decoded(void **state)
{
    (void)state;
    static const char bytes[] = "0123456789abcdef0123456789abcdef";
    for (uint8_t command_bytes = 0; command_bytes <= ENTRY_COMMAND_BYTES_MAX; command_bytes++) {
        for (uint32_t payload_bytes = 0; payload_bytes <= 17; payload_bytes++) {
            struct entry_fields fields = sample;
            fields.type = (uint8_t)(payload_bytes % (ENTRY_GUARDED + 1));
            fields.command_bytes = command_bytes;
            fields.command = command_bytes == 0 ? NULL : bytes;
            fields.payload_bytes = payload_bytes;
            fields.payload = payload_bytes == 0 ? NULL : bytes;
            size_t size_bytes;
            uint8_t *record = encoded(&fields, &size_bytes);
            struct entry_fields out;
            size_t record_bytes = 0;
            assert_int_equal(entry_decode(record, size_bytes, size_bytes, &out, &record_bytes), 0);
            assert_int_equal(record_bytes, size_bytes);
            assert_fields_equal(&out, &fields);
            free(record);
        }
    }
}

/* Decode, expecting a refusal that leaves the results alone. */
static void assert_refused(const uint8_t *data, size_t size_bytes, size_t record_bytes_max)
{
    struct entry_fields out = sample;
    size_t record_bytes = 12345;
    assert_int_equal(entry_decode(data, size_bytes, record_bytes_max, &out, &record_bytes),
                     QR_ERR_MALFORMED);
    assert_int_equal(record_bytes, 12345);
    assert_fields_equal(&out, &sample);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    size_t size_bytes;
    uint8_t *record = encoded(&sample, &size_bytes);
    for (size_t cut = 0; cut < size_bytes; cut++) {
        uint8_t *shorter = malloc(cut + 1);
        assert_non_null(shorter);
        memcpy(shorter, record, cut);
        uint8_t *exact = realloc(shorter, cut > 0 ? cut : 1);
        assert_non_null(exact);
        assert_refused(exact, cut, NO_LIMIT);
        free(exact);
    }
    free(record);
}

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    struct entry_fields fields = sample;
    fields.payload_bytes = 3; /* two bytes of padding behind it */
    size_t size_bytes;
    uint8_t *record = encoded(&fields, &size_bytes);
    for (size_t bit = 0; bit < size_bytes * 8; bit++) {
        record[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_refused(record, size_bytes, NO_LIMIT);
        record[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    free(record);
}

/* Change one byte and make the checksum right again: the fields are still checked. */
static void assert_refused_with_byte(size_t offset, uint8_t value)
{
    size_t size_bytes;
    uint8_t *record = encoded(&sample, &size_bytes);
    record[offset] = value;
    store_u32(record, crc32c(0, record + 4, size_bytes - 4));
    assert_refused(record, size_bytes, NO_LIMIT);
    free(record);
}

static void a_right_checksum_does_not_excuse_wrong_fields(void **state)
{
    (void)state;
    assert_refused_with_byte(36, ENTRY_GUARDED + 1);
    assert_refused_with_byte(36, UINT8_MAX);
    assert_refused_with_byte(37, ENTRY_COMMAND_BYTES_MAX + 1);
    assert_refused_with_byte(38, 1);
    assert_refused_with_byte(39, 1);
    assert_refused_with_byte(7, 0xff); /* a payload of four gigabytes */
}

static void a_record_over_the_limit_is_refused(void **state)
{
    (void)state;
    size_t size_bytes;
    uint8_t *record = encoded(&sample, &size_bytes);
    assert_refused(record, size_bytes, size_bytes - 1);
    free(record);
}

static void bytes_behind_a_record_are_not_looked_at(void **state)
{
    (void)state;
    uint8_t data[64 + 8];
    memset(data, 0xff, sizeof(data));
    entry_encode(&sample, data);
    struct entry_fields out;
    size_t record_bytes = 0;
    assert_int_equal(entry_decode(data, sizeof(data), NO_LIMIT, &out, &record_bytes), 0);
    assert_int_equal(record_bytes, 64);
}

static void types_have_names(void **state)
{
    (void)state;
    assert_string_equal(entry_type_name(ENTRY_NOOP), "noop");
    assert_string_equal(entry_type_name(ENTRY_NORMAL), "normal");
    assert_string_equal(entry_type_name(ENTRY_CONFIGURATION), "configuration");
    assert_string_equal(entry_type_name(ENTRY_GUARDED), "guarded");
    assert_string_equal(entry_type_name(ENTRY_GUARDED + 1), "?");
}

static void an_entry_can_be_read_by_people(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap);
    struct entry_arena arena;
    entry_arena_init(&arena, &heap.allocator);
    struct entry_fields fields = sample;
    fields.index = 2;
    fields.term = 1;
    struct entry entry;
    assert_int_equal(entry_arena_encode(&arena, &fields, &entry), 0);
    char data[512];
    struct text text = text_of(data, sizeof(data));
    entry_text(&entry, &text);
    assert_string_equal(data, "1/2 normal \"hello\"");
    struct text json = text_of(data, sizeof(data));
    entry_json(&entry, &json);
    assert_string_equal(data, "{\"index\":2,\"term\":1,\"type\":\"normal\","
                              "\"timestamp_ns\":2387509390608836392,\"group\":1364349780,"
                              "\"id_high\":\"3132333435363738\",\"id_low\":\"4142434445464748\","
                              "\"command\":\"set\",\"payload_bytes\":5,\"payload\":\"hello\"}");
    chunk_drop(entry.chunk);
    entry_arena_deinit(&arena);
    heap_deinit(&heap);
}

static void an_arena_fills_a_chunk_before_it_takes_another(void **state)
{
    (void)state;
    enum { ENTRIES = 2 * ENTRY_ARENA_CHUNK_BYTES / 64 + 1 };
    static struct entry entries[ENTRIES];
    struct heap heap;
    heap_init(&heap);
    struct entry_arena arena;
    entry_arena_init(&arena, &heap.allocator);
    for (size_t i = 0; i < ENTRIES; i++) {
        struct entry_fields fields = sample;
        fields.index = i + 1;
        assert_int_equal(entry_arena_encode(&arena, &fields, &entries[i]), 0);
        assert_int_equal(entries[i].record_bytes, 64);
    }
    assert_int_equal(heap.allocate_count, 3);
    entry_arena_deinit(&arena);
    for (size_t i = 0; i < ENTRIES; i++) {
        struct entry_fields fields = entry_fields_of(&entries[i]);
        assert_int_equal(fields.index, i + 1);
        assert_memory_equal(fields.payload, "hello", 5);
        assert_int_equal(entry_checksum(&entries[i]), load_u32(entries[i].record));
        chunk_drop(entries[i].chunk);
    }
    heap_deinit(&heap);
}

static void a_large_entry_gets_a_chunk_of_its_own_size(void **state)
{
    (void)state;
    static const uint8_t payload[ENTRY_ARENA_CHUNK_BYTES * 2];
    struct heap heap;
    heap_init(&heap);
    struct entry_arena arena;
    entry_arena_init(&arena, &heap.allocator);
    struct entry_fields fields = sample;
    fields.payload = payload;
    fields.payload_bytes = sizeof(payload);
    struct entry entry;
    assert_int_equal(entry_arena_encode(&arena, &fields, &entry), 0);
    assert_int_equal(entry.chunk->size_bytes, entry_record_bytes(3, sizeof(payload)));
    entry_arena_deinit(&arena);
    chunk_drop(entry.chunk);
    heap_deinit(&heap);
}

static void an_arena_without_memory_changes_nothing(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap);
    heap.fail_at = 1;
    struct entry_arena arena;
    entry_arena_init(&arena, &heap.allocator);
    struct entry entry = {.index = 77};
    assert_int_equal(entry_arena_encode(&arena, &sample, &entry), QR_ERR_NO_MEMORY);
    assert_int_equal(entry.index, 77);
    assert_int_equal(entry_arena_encode(&arena, &sample, &entry), 0);
    chunk_drop(entry.chunk);
    entry_arena_deinit(&arena);
    heap_deinit(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layout_is_the_documented_one),
        cmocka_unit_test(a_record_is_a_multiple_of_eight_bytes),
        cmocka_unit_test(what_was_encoded_is_decoded),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(a_right_checksum_does_not_excuse_wrong_fields),
        cmocka_unit_test(a_record_over_the_limit_is_refused),
        cmocka_unit_test(bytes_behind_a_record_are_not_looked_at),
        cmocka_unit_test(types_have_names),
        cmocka_unit_test(an_entry_can_be_read_by_people),
        cmocka_unit_test(an_arena_fills_a_chunk_before_it_takes_another),
        cmocka_unit_test(a_large_entry_gets_a_chunk_of_its_own_size),
        cmocka_unit_test(an_arena_without_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
