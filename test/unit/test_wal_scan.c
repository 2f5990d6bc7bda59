/* test_wal_scan.c: what `wal dump` and `wal verify` are told. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "quorate/error.h"
#include "support/wal_rig.h"

#define FIRST "log-0000000000000001"

struct transcript {
    char data[4096];
    struct text text;
};

static void write_down(void *context, const struct wal_scan_item *item)
{
    static const char *const kinds[] = {"segment", "batch", "entry", "torn", "damage"};
    struct transcript *transcript = context;
    struct text *text = &transcript->text;
    text_string(text, kinds[item->kind]);
    text_string(text, " ");
    text_string(text, item->file + strlen("log-000000000000000"));
    text_string(text, "+");
    text_u64(text, item->offset);
    if (item->kind == WAL_SCAN_BATCH) {
        text_string(text, " term=");
        text_u64(text, item->hard_state.term);
        text_string(text, " commit=");
        text_u64(text, item->commit_index);
        text_string(text, " entries=");
        text_u64(text, item->entry_count);
    }
    if (item->kind <= WAL_SCAN_BATCH && item->base.index > 0) {
        text_string(text, " base=");
        text_u64(text, item->base.term);
        text_string(text, "/");
        text_u64(text, item->base.index);
    }
    text_string(text, item->is_reset ? " reset" : "");
    if (item->kind == WAL_SCAN_ENTRY) {
        text_string(text, " ");
        text_u64(text, item->entry->term);
        text_string(text, "/");
        text_u64(text, item->entry->index);
        assert_int_equal(entry_fields_of(item->entry).index, item->entry->index);
    }
    if (item->text != NULL) {
        text_string(text, " ");
        text_string(text, item->text);
    }
    text_string(text, "\n");
}

static int set_up(void **state)
{
    (void)wal_rig_set_up_open(state);
    struct wal_rig *rig = *state;
    wal_rig_append_now(rig, 1, 2, 1, 20);
    wal_rig_append_now(rig, 2, 1, 2, 20);
    wal_rig_append_now(rig, 3, 0, 3, 20);
    wal_rig_close(rig);
    return 0;
}

/* Scan, and assert the result and that nothing was changed. */
static void assert_scan(struct wal_rig *rig, int expected_status, const char *expected)
{
    struct transcript transcript;
    transcript.text = text_of(transcript.data, sizeof(transcript.data));
    uint64_t mutations = rig->disk.mutation_count;
    int status = wal_scan(&rig->options, write_down, &transcript, rig->detail);
    assert_int_equal(status, expected_status);
    assert_string_equal(transcript.data, expected);
    assert_int_equal(rig->disk.mutation_count, mutations);
}

#define SOUND_PART                                                                                 \
    "segment 1+0\n"                                                                                \
    "batch 1+512 term=1 commit=0 entries=2\n"                                                      \
    "entry 1+640 1/1\n"                                                                            \
    "entry 1+720 1/2\n"                                                                            \
    "batch 1+1024 term=2 commit=1 entries=1\n"                                                     \
    "entry 1+1152 2/2\n"

static void a_sound_log_is_told_in_order(void **state)
{
    assert_scan(*state, 0, SOUND_PART "batch 1+1536 term=3 commit=2 entries=0\n");
}

struct generations {
    uint64_t at[8];
    size_t count;
};

static void write_down_generation(void *context, const struct wal_scan_item *item)
{
    struct generations *generations = context;
    if (item->kind == WAL_SCAN_BATCH) {
        assert_true(generations->count < 8);
        generations->at[generations->count++] = item->generation;
    }
}

static void a_batch_is_told_with_the_start_that_wrote_it(void **state)
{
    struct wal_rig *rig = *state;
    struct generations found = {.count = 0};
    assert_int_equal(wal_rig_open(rig), 0);
    wal_rig_append_now(rig, 3, 1, 3, 20);
    wal_rig_close(rig);
    assert_int_equal(wal_scan(&rig->options, write_down_generation, &found, rig->detail), 0);
    assert_int_equal(found.count, 4);
    assert_int_equal(found.at[0], found.at[2]);
    assert_int_equal(found.at[3], found.at[2] + 1);
}

static void a_torn_tail_is_told_and_is_no_failure(void **state)
{
    struct wal_rig *rig = *state;
    disk_memory_flip(&rig->disk, FIRST, 1540, 1);
    assert_scan(rig, 0, SOUND_PART "torn 1+1536 a batch header that is not whole\n");
}

static void bytes_behind_the_end_are_told(void **state)
{
    struct wal_rig *rig = *state;
    disk_memory_flip(&rig->disk, FIRST, 5000, 1);
    assert_scan(rig, 0,
                SOUND_PART "batch 1+1536 term=3 commit=2 entries=0\n"
                           "torn 1+2048 bytes behind the end of the log\n");
}

static void damage_is_told_where_it_is(void **state)
{
    struct wal_rig *rig = *state;
    disk_memory_flip(&rig->disk, FIRST, 1200, 1);
    assert_scan(rig, QR_ERR_CORRUPT,
                "segment 1+0\n"
                "batch 1+512 term=1 commit=0 entries=2\n"
                "entry 1+640 1/1\n"
                "entry 1+720 1/2\n"
                "damage 1+1024 a record that is not whole\n");
    assert_non_null(strstr(rig->detail, FIRST ", offset 1024"));
}

static void a_log_of_another_node_is_not_told(void **state)
{
    struct wal_rig *rig = *state;
    rig->options.node++;
    assert_scan(rig, QR_ERR_FOREIGN, "");
}

static void an_empty_directory_is_an_empty_log(void **state)
{
    struct wal_rig *rig = *state;
    disk_memory_deinit(&rig->disk);
    disk_memory_init(&rig->disk);
    assert_scan(rig, 0, "");
}

/* Up to the first batch that says it, in whichever segment the log begins. */
static void a_log_with_a_base_is_told_with_it(void **state)
{
    struct wal_rig *rig = *state;
    assert_int_equal(wal_rig_open(rig), 0);
    wal_rig_truncate(rig, 1);
    disk_memory_run(&rig->disk);
    assert_int_equal(wal_rig_reset(rig, (struct wal_base){4, 9}, 1, 5, 10), 0);
    wal_rig_close(rig);
    assert_scan(rig, 0,
                "segment 2+0 base=4/9 reset\n"
                "batch 2+512 term=5 commit=9 entries=1 base=4/9\n"
                "entry 2+640 5/10\n");
}

static void a_log_without_its_first_segments_is_told_as_damaged(void **state)
{
    struct wal_rig *rig = *state;
    assert_int_equal(wal_rig_open(rig), 0);
    wal_rig_append_now(rig, 3, 70, 4, 1000);
    wal_rig_close(rig);
    disk_memory_remove(&rig->disk, FIRST);
    struct transcript transcript;
    transcript.text = text_of(transcript.data, sizeof(transcript.data));
    assert_int_equal(wal_scan(&rig->options, write_down, &transcript, rig->detail), QR_ERR_CORRUPT);
    assert_non_null(strstr(transcript.data, "damage 1+0 the file is missing, and"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, wal_rig_tear_down)

int main(void)
{
    static const struct CMUnitTest cases[] = {
        CASE(a_sound_log_is_told_in_order),
        CASE(a_batch_is_told_with_the_start_that_wrote_it),
        CASE(a_torn_tail_is_told_and_is_no_failure),
        CASE(bytes_behind_the_end_are_told),
        CASE(damage_is_told_where_it_is),
        CASE(a_log_of_another_node_is_not_told),
        CASE(an_empty_directory_is_an_empty_log),
        CASE(a_log_with_a_base_is_told_with_it),
        CASE(a_log_without_its_first_segments_is_told_as_damaged),
    };
    return cmocka_run_group_tests_name("wal_scan", cases, NULL, NULL);
}
