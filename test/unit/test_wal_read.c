/* test_wal_read.c: entries come back in their last version, checked, and only durable ones. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "base/prng.h"
#include "quorate/error.h"
#include "support/wal_rig.h"

#define FIRST "log-0000000000000001"

static void any_range_can_be_read(void **state)
{
    struct wal_rig *rig = *state;
    static raft_term terms[WAL_RIG_ENTRIES_MAX];
    for (raft_term term = 1; term <= 30; term++) {
        raft_index first = term % 7 == 0 ? rig->last_index - 3 : rig->last_index + 1;
        wal_rig_append_now(rig, first, 12, term, (uint32_t)(term * 97 % 1300));
    }
    raft_index last = wal_rig_model(rig, 30, terms);
    static const uint64_t sizes[] = {0, 1, 3000, 70000, UINT64_MAX};
    for (raft_index first = 1; first <= last; first++) {
        for (size_t s = 0; s < COUNT_OF(sizes); s++) {
            assert_int_equal(wal_rig_read(rig, first, sizes[s]), 0);
            assert_true(rig->read_count >= 1);
            assert_true(sizes[s] > 1 || rig->read_count == 1);
            for (size_t i = 0; i < rig->read_count; i++) {
                assert_int_equal(rig->read_terms[i], terms[first + i]);
            }
        }
    }
    assert_int_equal(wal_read(rig->wal, 0, 1, 1), QR_ERR_NOT_FOUND);
    assert_int_equal(wal_read(rig->wal, last + 1, 1, 1), QR_ERR_NOT_FOUND);
}

static void random_replacements_are_read_in_their_last_version(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        void *own = NULL;
        (void)wal_rig_set_up_open(&own);
        struct wal_rig *rig = own;
        struct prng prng = prng_of(seed);
        for (raft_term term = 1; term <= 40; term++) {
            raft_index back = min_u64(prng_between(&prng, 0, 6), rig->last_index);
            wal_rig_append_now(rig, rig->last_index + 1 - back, prng_between(&prng, 1, 9), term,
                               (uint32_t)prng_between(&prng, 0, 3000));
        }
        wal_rig_check(rig, 40);
        wal_rig_reopen(rig);
        wal_rig_check(rig, 40);
        (void)wal_rig_tear_down(&own);
    }
}

static void batches_without_entries_are_passed_over(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_append_now(rig, 1, 3, 1, 10);
    wal_rig_append_now(rig, 4, 0, 2, 0);
    wal_rig_append_now(rig, 4, 0, 3, 0);
    wal_rig_append_now(rig, 4, 3, 3, 10);
    assert_int_equal(wal_rig_read(rig, 1, UINT64_MAX), 0);
    assert_int_equal(rig->read_count, 6);
    assert_int_equal(wal_rig_read(rig, 4, UINT64_MAX), 0);
    assert_int_equal(rig->read_count, 3);
}

static void what_is_not_durable_cannot_be_read(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_append_now(rig, 1, 5, 1, 10);
    assert_int_equal(wal_rig_append(rig, 6, 5, 1, 10), 0);
    assert_int_equal(wal_read(rig->wal, 6, 1, 1), QR_ERR_NOT_FOUND);
    assert_int_equal(wal_read(rig->wal, 5, UINT64_MAX, 1), 0);
    disk_memory_run(&rig->disk);
    assert_int_equal(rig->read_count, 1);
    assert_int_equal(wal_rig_read(rig, 6, UINT64_MAX), 0);
    assert_int_equal(rig->read_count, 5);
}

static void what_an_append_under_way_replaces_cannot_be_read(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_append_now(rig, 1, 10, 1, 10);
    assert_int_equal(wal_rig_append(rig, 11, 1, 1, 10), 0);
    assert_int_equal(wal_rig_append(rig, 4, 2, 2, 10), 0);
    assert_int_equal(wal_read(rig->wal, 4, 1, 1), QR_ERR_NOT_FOUND);
    assert_true(disk_memory_step_kind(&rig->disk, DISK_WRITE));
    wal_invariants(rig->wal);
    assert_int_equal(wal_read(rig->wal, 11, 1, 1), QR_ERR_NOT_FOUND);
    assert_int_equal(wal_read(rig->wal, 4, 1, 1), QR_ERR_NOT_FOUND);
    assert_int_equal(wal_read(rig->wal, 3, UINT64_MAX, 1), 0);
    disk_memory_run(&rig->disk);
    assert_int_equal(rig->read_count, 1);
    wal_rig_check(rig, 3);
}

static void a_read_under_way_gives_nothing_that_was_replaced_meanwhile(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_append_now(rig, 1, 10, 1, 10);
    assert_int_equal(wal_read(rig->wal, 2, UINT64_MAX, 71), 0);
    assert_int_equal(wal_rig_append(rig, 5, 1, 2, 10), 0);
    assert_true(disk_memory_step_kind(&rig->disk, DISK_READ));
    assert_int_equal(rig->read_token, 71);
    assert_int_equal(rig->read_count, 3);
    disk_memory_run(&rig->disk);
    assert_int_equal(wal_read(rig->wal, 4, UINT64_MAX, 72), 0);
    assert_int_equal(wal_rig_append(rig, 3, 1, 3, 10), 0);
    assert_true(disk_memory_step_kind(&rig->disk, DISK_READ));
    assert_int_equal(rig->read_token, 72);
    assert_int_equal(rig->read_status, QR_ERR_NOT_FOUND);
}

static void an_entry_larger_than_a_piece_is_read(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_close(rig);
    rig->options.segment_bytes = 16 * WAL_SEGMENT_BYTES_MIN;
    rig->options.entry_bytes_max = 900000;
    disk_memory_deinit(&rig->disk);
    disk_memory_init(&rig->disk);
    assert_int_equal(wal_rig_open(rig), 0);
    wal_rig_append_now(rig, 1, 200, 1, 700);
    wal_rig_append_now(rig, 201, 1, 1, 700000);
    wal_rig_append_now(rig, 202, 300, 1, 5000);
    wal_rig_check(rig, 3);
    for (raft_index first = 1; first <= 501; first += 7) {
        assert_int_equal(wal_rig_read(rig, first, 1), 0);
        assert_int_equal(wal_rig_read(rig, first, UINT64_MAX), 0);
    }
    wal_rig_reopen(rig);
    wal_rig_check(rig, 3);
}

static void reading_on_does_not_read_the_same_bytes_again(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_close(rig);
    rig->options.segment_bytes = 32 * WAL_SEGMENT_BYTES_MIN;
    disk_memory_deinit(&rig->disk);
    disk_memory_init(&rig->disk);
    assert_int_equal(wal_rig_open(rig), 0);
    wal_rig_append_now(rig, 1, 1000, 1, 930); /* one batch of about 1 MiB */
    disk_memory_run(&rig->disk);
    uint64_t calls = rig->disk.call_count;
    wal_rig_check(rig, 1);
    assert_in_range(rig->disk.call_count - calls, 8, 16);
    wal_rig_append_now(rig, 400, 100, 2, 930); /* where a read may have ended: none is stale */
    wal_rig_check(rig, 2);
    wal_rig_append_now(rig, 500, 1, 3, 930);
    wal_rig_check(rig, 3);
}

static void many_small_entries_come_in_bounded_portions(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_append_now(rig, 1, 5000, 1, 0);
    assert_int_equal(wal_rig_read(rig, 1, UINT64_MAX), 0);
    assert_in_range(rig->read_count, 100, 1024);
    wal_rig_check(rig, 1);
}

static void damage_is_found_when_it_is_read_and_not_passed_on(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_append_now(rig, 1, 10, 1, 100);
    disk_memory_run(&rig->disk);
    for (uint64_t offset = 512; offset < 512 + 128 + 10 * 160; offset++) {
        disk_memory_flip(&rig->disk, FIRST, offset, (unsigned)(offset % 8));
        for (raft_index first = 1; first <= 10; first++) {
            int status = wal_rig_read(rig, first, UINT64_MAX);
            assert_true(status == QR_ERR_CORRUPT || status == 0);
            /* The header is only met by reads that begin before it. */
            uint64_t broken = offset < 640 ? 1 : (offset - 640) / 160 + 1;
            assert_true(first != broken || status == QR_ERR_CORRUPT);
            assert_true(status != 0 || first > broken || first + rig->read_count <= broken);
        }
        disk_memory_flip(&rig->disk, FIRST, offset, (unsigned)(offset % 8));
    }
    assert_false(wal_is_poisoned(rig->wal));
}

/* A write that never reached its place leaves what was there before: here the mark that stood
 * where the batch with index 2 should be. Found by the simulator (seed 20301 of its time).
 */
static void a_batch_whose_place_has_an_older_mark_is_missed(void **state)
{
    struct wal_rig *rig = *state;
    uint8_t before[DISK_SECTOR_BYTES];
    wal_rig_append_now(rig, 1, 1, 1, 100);
    wal_mark(rig->wal, 1);
    disk_memory_run(&rig->disk);
    const struct disk_memory_file *file = disk_memory_find(&rig->disk, FIRST);
    uint64_t offset = 2 * DISK_SECTOR_BYTES;
    memcpy(before, file->seen + offset, sizeof(before));
    assert_memory_equal(before, "QTCH", 4);
    wal_rig_append_now(rig, 2, 1, 1, 100);
    wal_rig_append_now(rig, 3, 1, 1, 100);
    assert_int_equal(wal_rig_read(rig, 1, UINT64_MAX), 0);
    assert_int_equal(rig->read_count, 3);
    disk_memory_write(&rig->disk, FIRST, offset, before, sizeof(before));
    assert_int_equal(wal_rig_read(rig, 1, UINT64_MAX), 0);
    assert_int_equal(rig->read_count, 1);
    assert_int_equal(wal_rig_read(rig, 2, UINT64_MAX), QR_ERR_CORRUPT);
}

static void a_failed_read_is_told_and_harms_nothing(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_append_now(rig, 1, 10, 1, 100);
    rig->disk.fail_at = rig->disk.call_count + 1;
    assert_int_equal(wal_rig_read(rig, 3, 1), QR_ERR_IO);
    assert_false(wal_is_poisoned(rig->wal));
    wal_rig_append_now(rig, 11, 1, 1, 100);
    wal_rig_check(rig, 2);
}

static void reads_are_bounded_in_number(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_append_now(rig, 1, 10, 1, 100);
    for (size_t i = 0; i < WAL_READS_MAX; i++) {
        assert_int_equal(wal_read(rig->wal, 1 + i % 10, 1, i), 0);
    }
    assert_int_equal(wal_read(rig->wal, 1, 1, 999), QR_ERR_BUSY);
    assert_false(wal_is_idle(rig->wal));
    disk_memory_run(&rig->disk);
    assert_int_equal(rig->read_done_count, WAL_READS_MAX);
    assert_int_equal(rig->read_token, WAL_READS_MAX - 1);
    assert_true(wal_is_idle(rig->wal));
    wal_rig_check(rig, 1);
}

static void a_read_without_memory_is_refused(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_append_now(rig, 1, 10, 1, 100);
    rig->heap.fail_at = rig->heap.allocate_count + 1;
    assert_int_equal(wal_read(rig->wal, 1, 1, 1), QR_ERR_NO_MEMORY);
    assert_true(wal_is_idle(rig->wal));
    wal_rig_check(rig, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, wal_rig_set_up_open, wal_rig_tear_down)

int main(void)
{
    static const struct CMUnitTest cases[] = {
        CASE(any_range_can_be_read),
        CASE(random_replacements_are_read_in_their_last_version),
        CASE(batches_without_entries_are_passed_over),
        CASE(what_is_not_durable_cannot_be_read),
        CASE(what_an_append_under_way_replaces_cannot_be_read),
        CASE(a_read_under_way_gives_nothing_that_was_replaced_meanwhile),
        CASE(an_entry_larger_than_a_piece_is_read),
        CASE(reading_on_does_not_read_the_same_bytes_again),
        CASE(many_small_entries_come_in_bounded_portions),
        CASE(damage_is_found_when_it_is_read_and_not_passed_on),
        CASE(a_batch_whose_place_has_an_older_mark_is_missed),
        CASE(a_failed_read_is_told_and_harms_nothing),
        CASE(reads_are_bounded_in_number),
        CASE(a_read_without_memory_is_refused),
    };
    return cmocka_run_group_tests_name("wal_read", cases, NULL, NULL);
}
