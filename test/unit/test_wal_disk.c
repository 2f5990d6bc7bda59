/* test_wal_disk.c: a file that is replaced is the old one or the new one, whatever happens. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "support/disk_memory.h"
#include "support/unit.h"

#define NAME "identity"
#define ASIDE NAME DISK_TEMPORARY_SUFFIX
#define STEPS 4
#define CHOICES_MAX 12 /* of one crash: each subset is tried */

static char old_content[700];
static char new_content[1300]; /* three sectors */

static bool keep_mask(void *context, size_t number)
{
    const uint32_t *mask = context;
    return (*mask >> number & 1) != 0;
}

static bool holds(struct disk_memory *disk, const char *content, size_t size_bytes)
{
    const struct disk_memory_file *file = disk_memory_find(disk, NAME);
    if (content == NULL || file == NULL) {
        return content == NULL && file == NULL;
    }
    return file->size_bytes == size_bytes && memcmp(file->seen, content, size_bytes) == 0;
}

static bool holds_old(struct disk_memory *disk, bool has_old)
{
    return holds(disk, has_old ? old_content : NULL, sizeof(old_content));
}

static bool holds_new(struct disk_memory *disk)
{
    return holds(disk, new_content, sizeof(new_content));
}

static int replace(struct disk_memory *disk)
{
    return disk_replace(&disk->disk, NAME, new_content, sizeof(new_content));
}

static void init(struct disk_memory *disk, bool has_old)
{
    memset(old_content, 'o', sizeof(old_content));
    memset(new_content, 'n', sizeof(new_content));
    disk_memory_init(disk);
    if (has_old) {
        assert_int_equal(disk_replace(&disk->disk, NAME, old_content, sizeof(old_content)), 0);
    }
}

/* Lose power with every subset of what is not synced; each must leave one or the other, and a
 * replacement that is tried again must succeed over what was left.
 */
static size_t crash_each_way(const struct disk_memory *before, bool has_old, bool may_be_old)
{
    size_t choices = disk_memory_choices(before);
    size_t new_count = 0;
    assert_true(choices <= CHOICES_MAX);
    for (uint32_t mask = 0; mask < UINT32_C(1) << choices; mask++) {
        struct disk_memory disk;
        disk_memory_copy(&disk, before);
        disk_memory_crash(&disk, keep_mask, &mask);
        bool is_new = holds_new(&disk);
        if (!is_new && !(may_be_old && holds_old(&disk, has_old))) {
            fail_msg("crash with %x kept of %zu: neither old nor new", mask, choices);
        }
        new_count += is_new;
        assert_int_equal(replace(&disk), 0);
        assert_true(holds_new(&disk));
        disk_memory_deinit(&disk);
    }
    return new_count;
}

static void a_crash_at_any_step_leaves_the_old_or_the_new(void **state)
{
    (void)state;
    for (int has_old = 0; has_old < 2; has_old++) {
        for (uint64_t step = 1; step <= STEPS; step++) {
            struct disk_memory disk;
            init(&disk, has_old != 0);
            disk.fail_at = disk.call_count + step;
            assert_int_equal(replace(&disk), QR_ERR_IO);
            size_t new_count = crash_each_way(&disk, has_old != 0, true);
            /* The rename is seen by a crash only where it was made. */
            assert_int_equal(new_count > 0, step == STEPS);
            disk_memory_deinit(&disk);
        }
    }
}

static void after_success_no_crash_brings_the_old_one_back(void **state)
{
    (void)state;
    for (int has_old = 0; has_old < 2; has_old++) {
        struct disk_memory disk;
        init(&disk, has_old != 0);
        assert_int_equal(replace(&disk), 0);
        assert_true(holds_new(&disk));
        assert_null(disk_memory_find(&disk, ASIDE));
        (void)crash_each_way(&disk, has_old != 0, false);
        disk_memory_deinit(&disk);
    }
}

static void nothing_is_tried_behind_a_step_that_failed(void **state)
{
    (void)state;
    for (uint64_t step = 1; step <= STEPS; step++) {
        struct disk_memory disk;
        init(&disk, true);
        uint64_t calls = disk.call_count;
        disk.fail_at = calls + step;
        assert_int_equal(replace(&disk), QR_ERR_IO);
        assert_int_equal(disk.call_count, calls + step);
        assert_int_equal(holds_old(&disk, true), step < STEPS);
        disk_memory_deinit(&disk);
    }
}

static void a_full_disk_keeps_the_old_one(void **state)
{
    (void)state;
    struct disk_memory disk;
    init(&disk, true);
    disk.room_bytes = sizeof(old_content) + sizeof(new_content) - 1;
    assert_int_equal(replace(&disk), QR_ERR_DISK_FULL);
    assert_true(holds_old(&disk, true));
    disk.room_bytes++;
    assert_int_equal(replace(&disk), 0);
    assert_true(holds_new(&disk));
    disk_memory_deinit(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_at_any_step_leaves_the_old_or_the_new),
        cmocka_unit_test(after_success_no_crash_brings_the_old_one_back),
        cmocka_unit_test(nothing_is_tried_behind_a_step_that_failed),
        cmocka_unit_test(a_full_disk_keeps_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
