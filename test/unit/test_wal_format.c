/* test_wal_format.c: the bytes of headers are those of docs/wal-format.md. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "support/wal_rig.h"

#define FIRST "log-0000000000000001"
#define SECOND "log-0000000000000002"

struct field {
    const char *name;
    size_t offset;
    size_t size_bytes;
    uint64_t value;
};

static void assert_fields(const uint8_t *data, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = data + fields[i].offset;
        uint64_t value = fields[i].size_bytes == 8 ? load_u64(at) : load_u32(at);
        if (value != fields[i].value) {
            print_error("%s\n", fields[i].name);
        }
        assert_int_equal(value, fields[i].value);
    }
}

static void assert_zero(const uint8_t *data, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        assert_int_equal(data[i], 0);
    }
}

static const struct field first_segment[] = {
    {"version", 8, 4, 1},      {"node", 16, 8, WAL_RIG_NODE},
    {"sequence", 24, 8, 1},    {"segment_bytes", 32, 8, WAL_SEGMENT_BYTES_MIN},
    {"first_index", 40, 8, 1}, {"number", 48, 8, 1},
    {"generation", 56, 8, 1},  {"chain", 64, 4, 0},
    {"flags", 68, 4, 0},       {"term", 72, 8, 0},
    {"voted_for", 80, 8, 0},   {"commit_index", 88, 8, 0},
};

/* The first append of a rig votes for 1000, the second has no vote. */
static const struct field first_batch[] = {
    {"sequence", 8, 8, 1},       {"offset", 16, 8, 512},     {"number", 24, 8, 1},
    {"generation", 32, 8, 1},    {"chain", 40, 4, 0},        {"body_bytes", 48, 4, 160},
    {"entry_count", 52, 4, 2},   {"first_index", 56, 8, 1},  {"term", 64, 8, 3},
    {"voted_for", 72, 8, 1000},  {"commit_index", 80, 8, 0}, {"synced sequence", 88, 8, 1},
    {"synced offset", 96, 8, 0}, {"flags", 104, 4, 1},
};

static const struct field second_batch[] = {
    {"sequence", 8, 8, 1},          {"offset", 16, 8, 1024},    {"number", 24, 8, 2},
    {"generation", 32, 8, 1},       {"digest", 44, 4, 0},       {"body_bytes", 48, 4, 0},
    {"entry_count", 52, 4, 0},      {"first_index", 56, 8, 3},  {"term", 64, 8, 4},
    {"voted_for", 72, 8, 1001},     {"commit_index", 80, 8, 2}, {"synced sequence", 88, 8, 1},
    {"synced offset", 96, 8, 1024}, {"flags", 104, 4, 0},
};

static const struct field mark[] = {
    {"sequence", 8, 8, 1},
    {"offset", 16, 8, 1536},
    {"number", 24, 8, 3},
    {"body_bytes", 48, 4, 0},
    {"entry_count", 52, 4, 0},
    {"first_index", 56, 8, 3},
    {"term", 64, 8, 4},
    {"commit_index", 80, 8, 2},
    {"synced sequence", 88, 8, 1},
    {"synced offset", 96, 8, 1536},
    {"flags", 104, 4, 2},
};

static void the_bytes_are_the_documented_ones(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_append_now(rig, 1, 2, 3, 20);
    wal_rig_append_now(rig, 3, 0, 4, 0);
    wal_mark(rig->wal, 2);
    disk_memory_run(&rig->disk);
    const uint8_t *file = disk_memory_find(&rig->disk, FIRST)->seen;

    assert_memory_equal(file, "QRTELOG\n", 8);
    assert_fields(file, first_segment, COUNT_OF(first_segment));
    assert_zero(file + 96, 416);
    assert_int_equal(load_u32(file + 12), crc32c(crc32c(0, file, 12), file + 16, 496));

    assert_memory_equal(file + 512, "QTCH", 4);
    assert_fields(file + 512, first_batch, COUNT_OF(first_batch));
    assert_zero(file + 512 + 108, 20);
    assert_int_equal(load_u32(file + 512 + 4), crc32c(0, file + 512 + 8, 120));
    uint8_t checksums[8]; /* of the two records, 80 bytes each */
    memcpy(checksums, file + 640, 4);
    memcpy(checksums + 4, file + 720, 4);
    assert_int_equal(load_u32(file + 512 + 44), crc32c(0, checksums, sizeof(checksums)));
    assert_zero(file + 800, 224);

    assert_fields(file + 1024, second_batch, COUNT_OF(second_batch));
    assert_int_equal(load_u32(file + 1024 + 40), load_u32(file + 512 + 4));
    assert_zero(file + 1024 + 128, 384);

    assert_fields(file + 1536, mark, COUNT_OF(mark));
    assert_int_equal(load_u32(file + 1536 + 40), load_u32(file + 1024 + 4));
    assert_zero(file + 1536 + 128, WAL_SEGMENT_BYTES_MIN - 1536 - 128);
}

static void a_later_segment_carries_on_number_chain_and_hard_state(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_append_now(rig, 1, 60, 3, 1000);
    wal_rig_append_now(rig, 61, 1, 4, 1000);
    const uint8_t *file = disk_memory_find(&rig->disk, SECOND)->seen;
    const uint8_t *before = disk_memory_find(&rig->disk, FIRST)->seen + 512;
    const struct field expected[] = {
        {"sequence", 24, 8, 2},
        {"first_index", 40, 8, 61},
        {"number", 48, 8, 2},
        {"chain", 64, 4, load_u32(before + 4)},
        {"flags", 68, 4, 1},
        {"term", 72, 8, 3},
        {"voted_for", 80, 8, 1000},
        {"batch's offset", 512 + 16, 8, 512},
        {"batch's number", 512 + 24, 8, 2},
        {"batch's chain", 512 + 40, 4, load_u32(before + 4)},
        {"batch's synced offset", 512 + 96, 8, load_u32(before + 48) / 512 * 512 + 1024},
    };
    assert_fields(file, expected, COUNT_OF(expected));
}

static void each_start_has_a_generation_of_its_own(void **state)
{
    struct wal_rig *rig = *state;
    for (uint64_t start = 1; start <= 4; start++) {
        wal_rig_append_now(rig, start, 1, 1, 10);
        const uint8_t *file = disk_memory_find(&rig->disk, FIRST)->seen;
        assert_int_equal(load_u64(file + 512 * start + 32), start);
        wal_rig_reopen(rig);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, wal_rig_set_up_open, wal_rig_tear_down)

int main(void)
{
    static const struct CMUnitTest cases[] = {
        CASE(the_bytes_are_the_documented_ones),
        CASE(a_later_segment_carries_on_number_chain_and_hard_state),
        CASE(each_start_has_a_generation_of_its_own),
    };
    return cmocka_run_group_tests_name("wal_format", cases, NULL, NULL);
}
