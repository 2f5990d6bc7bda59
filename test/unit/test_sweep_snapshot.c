/* test_sweep_snapshot.c: power is lost, calls fail and bits flip at every step of a snapshot.
 *
 * Whatever happens, the snapshot that was there is there, or the new one is, whole; and after it
 * was told to be done, the new one. Damage to any bit is refused, and never taken for content.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "quorate/error.h"
#include "support/snapshot_rig.h"
#include "support/sweep.h"

#define OLD 5
#define OLD_BYTES 700
#define NEW 9
#define NEW_BYTES 1300 /* three chunks, the last of one sector */
#define STEPS 6        /* header, three chunks, trailer, name */
#define CHOICES_MAX 12

static struct snapshot_rig rig;

static void begin(void)
{
    snapshot_rig_init(&rig);
    assert_int_equal(snapshot_rig_open(&rig), 0);
    snapshot_rig_write(&rig, OLD, OLD_BYTES);
    rig.done_count = 0;
}

/* Open again: the new one counts, or the old one, and nothing else is left in the end. */
static void judge(bool must_be_new, bool may_be_new)
{
    assert_int_equal(snapshot_rig_open(&rig), 0);
    assert_true(rig.found.has_newest);
    assert_int_equal(rig.found.refused_count, 0);
    bool is_new = rig.found.newest.position.index == NEW;
    assert_true(is_new || !must_be_new);
    assert_true(may_be_new || !is_new);
    snapshot_rig_check(&rig, is_new ? NEW : OLD, is_new ? NEW_BYTES : OLD_BYTES);
    snapshot_store_work(rig.store);
    snapshot_store_remove_below(rig.store, NEW);
    while (snapshot_rig_step(&rig)) {
    }
    assert_int_equal(rig.disk.file_count, 1);
    if (!is_new) {
        snapshot_rig_write(&rig, NEW, NEW_BYTES);
    }
}

static bool keep_bit(void *context, size_t number)
{
    const uint64_t *mask = context;
    return (*mask >> number & 1) != 0;
}

/* Case: the step before which power is lost, and which of what is unsynced stays. */
static void lose_power(void *context, uint64_t number)
{
    (void)context;
    uint64_t mask = number >> 3;
    size_t steps = number & 7;
    begin();
    assert_int_equal(snapshot_rig_begin(&rig, NEW, NEW_BYTES), 0);
    for (size_t i = 0; i < steps; i++) {
        (void)snapshot_rig_step(&rig);
    }
    bool is_done = rig.done_count == 1;
    assert_int_equal(is_done, steps >= STEPS);
    disk_memory_stop(&rig.disk);
    assert_in_range(disk_memory_choices(&rig.disk), 0, CHOICES_MAX);
    snapshot_rig_crash(&rig, keep_bit, &mask);
    judge(is_done, steps + 1 >= STEPS);
    snapshot_rig_deinit(&rig);
}

static void whatever_part_of_a_snapshot_stays_it_counts_whole_or_not_at_all(void **state)
{
    (void)state;
    sweep_run(&(struct sweep){"power lost", UINT64_C(8) << CHOICES_MAX, 4000, lose_power, NULL});
}

/* Case: the call that fails, and how; also with the machine going down afterwards. */
static void fail_a_call(void *context, uint64_t number)
{
    (void)context;
    static const int statuses[] = {QR_ERR_IO, QR_ERR_DISK_FULL};
    begin();
    rig.disk.fail_status = statuses[number % 2];
    rig.disk.fail_at = rig.disk.call_count + 1 + number / 4;
    assert_int_equal(snapshot_rig_begin(&rig, NEW, NEW_BYTES), 0);
    while (snapshot_rig_step(&rig)) {
    }
    bool has_failed = rig.disk.call_count >= rig.disk.fail_at;
    assert_int_equal(rig.done_count, 1);
    assert_int_equal(rig.done_status, has_failed ? rig.disk.fail_status : 0);
    rig.disk.fail_at = 0;
    assert_false(snapshot_writer_is_active(rig.store));
    snapshot_rig_check(&rig, has_failed ? OLD : NEW, has_failed ? OLD_BYTES : NEW_BYTES);
    if (number / 2 % 2 == 0) {
        if (has_failed) {
            snapshot_rig_write(&rig, NEW, NEW_BYTES); /* the next one works */
        }
        snapshot_rig_close(&rig);
        judge(true, true);
    } else {
        uint64_t none = 0;
        snapshot_rig_crash(&rig, keep_bit, &none);
        judge(!has_failed, true);
    }
    snapshot_rig_deinit(&rig);
}

static void whatever_call_fails_the_old_snapshot_stays_and_the_next_one_works(void **state)
{
    (void)state;
    /* Seven calls of the disk, one of them after the last. */
    sweep_run(&(struct sweep){"calls that fail", UINT64_C(4) * 10, 40, fail_a_call, NULL});
}

/* Case: the room there is, in sectors. */
static void fill_the_disk(void *context, uint64_t number)
{
    (void)context;
    begin();
    uint64_t used = rig.disk.files[0].size_bytes;
    rig.disk.room_bytes = used + number * DISK_SECTOR_BYTES;
    assert_int_equal(snapshot_rig_begin(&rig, NEW, NEW_BYTES), 0);
    while (snapshot_rig_step(&rig)) {
    }
    assert_int_equal(rig.done_status, number < 7 ? QR_ERR_DISK_FULL : 0);
    assert_int_equal(rig.disk.file_count, number < 7 ? 1 : 2);
    rig.disk.room_bytes = UINT64_MAX;
    snapshot_rig_crash(&rig, NULL, NULL);
    judge(number >= 7, number >= 7);
    snapshot_rig_deinit(&rig);
}

static void a_disk_that_is_full_at_any_step_leaves_the_old_snapshot(void **state)
{
    (void)state;
    sweep_run(&(struct sweep){"full disks", 10, 10, fill_the_disk, NULL});
}

/* The memory that runs out. */
static void without_memory_nothing_is_begun_and_nothing_is_lost(void **state)
{
    (void)state;
    for (uint64_t at = 1; at <= 3; at++) {
        snapshot_rig_init(&rig);
        rig.heap.fail_at = rig.heap.allocate_count + at;
        int status = snapshot_rig_open(&rig);
        assert_int_equal(status, at == 1 ? QR_ERR_NO_MEMORY : 0);
        if (status == 0) {
            assert_int_equal(snapshot_rig_begin(&rig, NEW, NEW_BYTES), QR_ERR_NO_MEMORY);
            rig.heap.fail_at = 0;
            snapshot_rig_write(&rig, NEW, NEW_BYTES);
        }
        rig.heap.fail_at = 0;
        snapshot_rig_deinit(&rig);
    }
}

static struct disk_memory whole;

/* The damaged one is refused: the old one counts, and not a byte is changed. */
static void judge_damage(void)
{
    struct disk_memory before;
    disk_memory_copy(&before, &rig.disk);
    assert_int_equal(snapshot_rig_open(&rig), 0);
    assert_int_equal(rig.found.refused_count, 1);
    assert_true(rig.found.refused_status == QR_ERR_CORRUPT);
    assert_int_equal(rig.found.newest.position.index, OLD);
    assert_non_null(strstr(rig.detail, "snapshot-0000000000000009, offset "));
    snapshot_store_work(rig.store);
    snapshot_rig_close(&rig);
    assert_true(disk_memory_equal(&before, &rig.disk));
    disk_memory_deinit(&before);
}

static void flip_a_bit(void *context, uint64_t number)
{
    (void)context;
    const char *name = snapshot_rig_name(NEW, false);
    disk_memory_flip(&rig.disk, name, number / 8, number % 8);
    judge_damage();
    disk_memory_flip(&rig.disk, snapshot_rig_name(NEW, false), number / 8, number % 8);
}

static void cut_it_short(void *context, uint64_t number)
{
    (void)context;
    disk_memory_resize(&rig.disk, snapshot_rig_name(NEW, false), number);
    judge_damage();
    disk_memory_restore(&rig.disk, &whole);
}

static void zero_a_sector(void *context, uint64_t number)
{
    static const uint8_t zeros[DISK_SECTOR_BYTES];
    (void)context;
    disk_memory_write(&rig.disk, snapshot_rig_name(NEW, false), number * sizeof(zeros), zeros,
                      sizeof(zeros));
    judge_damage();
    disk_memory_restore(&rig.disk, &whole);
}

static void damage_to_any_bit_is_refused(void **state)
{
    (void)state;
    begin();
    snapshot_rig_write(&rig, NEW, NEW_BYTES);
    snapshot_rig_close(&rig);
    disk_memory_crash(&rig.disk, NULL, NULL);
    disk_memory_copy(&whole, &rig.disk);
    uint64_t size_bytes = disk_memory_find(&rig.disk, snapshot_rig_name(NEW, false))->size_bytes;
    assert_int_equal(size_bytes, 7 * DISK_SECTOR_BYTES);
    sweep_run(&(struct sweep){"bits flipped", size_bytes * 8, 4000, flip_a_bit, NULL});
    sweep_run(&(struct sweep){"cut short", size_bytes, 500, cut_it_short, NULL});
    sweep_run(&(struct sweep){"zeroed", size_bytes / DISK_SECTOR_BYTES, 8, zero_a_sector, NULL});
    disk_memory_resize(&rig.disk, snapshot_rig_name(NEW, false), size_bytes + 1);
    judge_damage();
    disk_memory_restore(&rig.disk, &whole);
    assert_int_equal(snapshot_rig_open(&rig), 0);
    snapshot_rig_check(&rig, NEW, NEW_BYTES);
    disk_memory_deinit(&whole);
    snapshot_rig_deinit(&rig);
}

int main(void)
{
    static const struct CMUnitTest cases[] = {
        cmocka_unit_test(whatever_part_of_a_snapshot_stays_it_counts_whole_or_not_at_all),
        cmocka_unit_test(whatever_call_fails_the_old_snapshot_stays_and_the_next_one_works),
        cmocka_unit_test(a_disk_that_is_full_at_any_step_leaves_the_old_snapshot),
        cmocka_unit_test(without_memory_nothing_is_begun_and_nothing_is_lost),
        cmocka_unit_test(damage_to_any_bit_is_refused),
    };
    return cmocka_run_group_tests_name("sweep_snapshot", cases, NULL, NULL);
}
