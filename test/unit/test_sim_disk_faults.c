/* test_sim_disk_faults.c: calls that fail on the simulator's disk, and what that leaves. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "quorate/error.h"
#include "support/sim_disk_rig.h"

#define SEEDS 400
#define SHOWN_BYTES (SIM_DISK_RIG_SECTORS_MAX + 8)
#define LOG_BYTES (SIM_DISK_RIG_SECTORS_MAX * SIM_DISK_SECTOR_BYTES)

static struct sim_disk_rig *rig_new(uint64_t seed)
{
    struct sim_disk_rig *rig = malloc(sizeof(*rig));
    assert_non_null(rig);
    sim_disk_rig_init(rig, seed);
    return rig;
}

static void rig_free(struct sim_disk_rig *rig)
{
    assert_null(sim_disk_complaint(&rig->disk));
    sim_disk_rig_deinit(rig);
    free(rig);
}

static int read_log(struct sim_disk_rig *rig, uint64_t sector, uint64_t count)
{
    uint8_t bytes[LOG_BYTES];
    size_t got = 0;
    return rig->calls->read(rig->calls->context, "log", sector * SIM_DISK_SECTOR_BYTES,
                            (struct build_part){bytes, count * SIM_DISK_SECTOR_BYTES}, &got);
}

static void a_failed_write_is_seen_but_no_sync_makes_it_durable(void **state)
{
    (void)state;
    uint32_t seen = 0;
    uint32_t kept = 0;
    uint32_t lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        sim_disk_fail_write(&rig->disk);
        assert_int_equal(sim_disk_rig_write_now(rig, 0, 2, 'm', false), 0); /* not synced */
        assert_int_equal(sim_disk_rig_write_now(rig, 2, 2, 'a', true), QR_ERR_IO);
        char shown[SHOWN_BYTES];
        seen += strncmp(sim_disk_rig_show(rig, false, shown), "mmaa", 4) == 0;
        assert_int_equal(rig->calls->sync_file(rig->calls->context, "log"), 0);
        assert_memory_equal(sim_disk_rig_show(rig, true, shown), "mm00", 4);
        if (seed % 2 == 0) {
            sim_disk_power_loss(&rig->disk);
        }
        sim_disk_rig_mount(rig);
        (void)sim_disk_rig_show(rig, false, shown);
        assert_memory_equal(shown, "mm", 2);
        kept += shown[2] == 'a';
        lost += shown[2] == '0';
        rig_free(rig);
    }
    assert_in_range(seen, SEEDS / 4, SEEDS);
    assert_in_range(lost, SEEDS / 2, SEEDS);
    assert_in_range(kept, SEEDS / 50, SEEDS / 4);
}

static void writes_submitted_before_the_report_fail_and_later_ones_are_counted(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(1);
    sim_disk_fail_write(&rig->disk);
    const struct build_op *one = sim_disk_rig_write(rig, 0, 1, 'a', true);
    const struct build_op *two = sim_disk_rig_write(rig, 1, 1, 'b', true);
    const struct build_op *mark = sim_disk_rig_write(rig, 2, 1, 'c', false);
    assert_true(sim_disk_step(&rig->disk, BUILD_WRITE));
    assert_int_equal(one->status, QR_ERR_IO);
    assert_int_equal(sim_disk_stats(&rig->disk)->writes_after_failure, 0);
    const struct build_op *later = sim_disk_rig_write(rig, 3, 1, 'd', true);
    assert_int_equal(sim_disk_stats(&rig->disk)->writes_after_failure, 1);
    while (sim_disk_step(&rig->disk, BUILD_WRITE)) {
    }
    assert_int_equal(two->status, QR_ERR_IO);
    assert_int_equal(mark->status, QR_ERR_IO);
    assert_int_equal(later->status, 0);
    char shown[SHOWN_BYTES];
    assert_string_equal(sim_disk_rig_show(rig, true, shown), "000d000000000000");
    assert_int_equal(sim_disk_stats(&rig->disk)->failure_count, 1);
    sim_disk_rig_mount(rig);
    assert_int_equal(sim_disk_rig_write_now(rig, 4, 1, 'e', true), 0);
    assert_int_equal(sim_disk_stats(&rig->disk)->writes_after_failure, 1);
    rig_free(rig);
}

static void a_read_fails_once(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(2);
    sim_disk_fail_read(&rig->disk, false);
    assert_int_equal(read_log(rig, 0, 4), QR_ERR_IO);
    assert_int_equal(read_log(rig, 0, 4), 0);
    assert_false(sim_disk_is_damaged(&rig->disk));
    rig_free(rig);
}

static void a_bad_sector_fails_until_it_is_written(void **state)
{
    (void)state;
    uint32_t is_bad_at[4] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        sim_disk_fail_read(&rig->disk, true);
        assert_int_equal(read_log(rig, 4, 4), QR_ERR_IO);
        assert_true(sim_disk_is_damaged(&rig->disk));
        sim_disk_power_loss(&rig->disk);
        sim_disk_rig_mount(rig);
        assert_int_equal(read_log(rig, 4, 4), QR_ERR_IO);
        assert_int_equal(read_log(rig, 0, 4), 0);
        assert_int_equal(read_log(rig, 8, 4), 0);
        size_t bad = 0;
        for (size_t i = 0; i < 4; i++) {
            bad += read_log(rig, 4 + i, 1) != 0;
            is_bad_at[i] += read_log(rig, 4 + i, 1) != 0;
        }
        assert_int_equal(bad, 1);
        assert_int_equal(sim_disk_rig_write_now(rig, 4, 4, 'a', true), 0);
        assert_int_equal(read_log(rig, 4, 4), 0);
        assert_false(sim_disk_is_damaged(&rig->disk));
        rig_free(rig);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_in_range(is_bad_at[i], SEEDS / 10, SEEDS);
    }
}

static void a_bad_sector_goes_with_its_file(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(7);
    sim_disk_fail_read(&rig->disk, true);
    assert_int_equal(read_log(rig, 0, 1), QR_ERR_IO);
    assert_true(sim_disk_is_damaged(&rig->disk));
    (void)sim_disk_rig_submit(rig, BUILD_REMOVE, "log", 0);
    assert_true(sim_disk_step(&rig->disk, BUILD_REMOVE));
    assert_false(sim_disk_is_damaged(&rig->disk));
    rig_free(rig);
}

static void a_full_disk_refuses_what_grows_it_and_changes_nothing(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(3);
    void *disk = rig->calls->context;
    sim_disk_set_room(&rig->disk, LOG_BYTES + 1000);
    assert_int_equal(rig->calls->prepare(disk, "next", 1001), QR_ERR_DISK_FULL);
    assert_int_equal(sim_disk_rig_size(rig, "next"), -1);
    const struct build_op *op = sim_disk_rig_submit(rig, BUILD_PREPARE, "next", 1001);
    assert_true(sim_disk_step(&rig->disk, BUILD_PREPARE));
    assert_int_equal(op->status, QR_ERR_DISK_FULL);
    assert_int_equal(rig->calls->write_file(disk, "identity", "0123456789", 10), 0);
    assert_int_equal(rig->calls->prepare(disk, "next", 991), QR_ERR_DISK_FULL);
    assert_int_equal(rig->calls->prepare(disk, "next", 990), 0);
    assert_int_equal(sim_disk_used_bytes(&rig->disk), LOG_BYTES + 1000);
    assert_int_equal(rig->calls->write_file(disk, "identity", "01234567890", 11), QR_ERR_DISK_FULL);
    assert_int_equal(sim_disk_rig_size(rig, "identity"), 10);
    assert_int_equal(rig->calls->write_file(disk, "identity", "9876543210", 10), 0);
    assert_int_equal(sim_disk_rig_write_now(rig, 0, 4, 'a', true), 0);
    rig_free(rig);
}

static void no_name(void *argument, const char *name, uint64_t size_bytes)
{
    (void)argument;
    (void)name;
    (void)size_bytes;
}

/* A piece of two sectors of the file that is written aside. */
static int store(struct sim_disk_rig *rig, uint64_t offset)
{
    struct sim_disk_rig_op *op = &rig->ops[rig->op_count];
    (void)sim_disk_rig_submit(rig, BUILD_STORE, "whole", 0);
    memset(op->bytes, 's', sizeof(op->bytes));
    op->part = (struct build_part){op->bytes, 1024};
    op->op.offset = offset;
    op->op.is_synced = true;
    op->op.parts = &op->part;
    op->op.part_count = 1;
    assert_true(sim_disk_step(&rig->disk, BUILD_STORE));
    return op->op.status;
}

static int publish(struct sim_disk_rig *rig)
{
    const struct build_op *op = sim_disk_rig_submit(rig, BUILD_PUBLISH, "whole", 0);
    assert_true(sim_disk_step(&rig->disk, BUILD_STORE));
    return op->status;
}

static int call(struct sim_disk_rig *rig, enum sim_disk_call which)
{
    const struct build_disk *calls = rig->calls;
    void *disk = calls->context;
    switch (which) {
    case SIM_DISK_LIST:
        return calls->list(disk, no_name, NULL);
    case SIM_DISK_WRITE_FILE:
        return calls->write_file(disk, "file", "new", 3);
    case SIM_DISK_SYNC_FILE:
        return calls->sync_file(disk, "file");
    case SIM_DISK_RENAME_FILE:
        return calls->rename_file(disk, "file", "renamed");
    case SIM_DISK_SYNC_NAMES:
        return calls->sync_names(disk);
    case SIM_DISK_PREPARE:
        return calls->prepare(disk, "prepared", 1024);
    case SIM_DISK_REMOVE: {
        const struct build_op *op = sim_disk_rig_submit(rig, BUILD_REMOVE, "file", 0);
        assert_true(sim_disk_step(&rig->disk, BUILD_REMOVE));
        return op->status;
    }
    case SIM_DISK_MOUNT:
        return sim_disk_mount(&rig->disk);
    case SIM_DISK_STORE:
        return store(rig, 0);
    case SIM_DISK_PUBLISH:
        return store(rig, 0) == 0 ? publish(rig) : 1;
    case SIM_DISK_CALLS:
        break;
    }
    return 1;
}

static void each_call_fails_when_it_is_asked_to_and_only_once(void **state)
{
    (void)state;
    for (unsigned which = 0; which < SIM_DISK_CALLS; which++) {
        struct sim_disk_rig *rig = rig_new(which);
        assert_int_equal(rig->calls->write_file(rig->calls->context, "file", "old", 3), 0);
        sim_disk_fail_call(&rig->disk, (enum sim_disk_call)which);
        for (unsigned other = 0; other < SIM_DISK_MOUNT; other++) {
            bool is_harmless = other != which && other != SIM_DISK_RENAME_FILE &&
                               other != SIM_DISK_REMOVE && other != SIM_DISK_PREPARE;
            assert_int_equal(is_harmless ? call(rig, (enum sim_disk_call)other) : 0, 0);
        }
        assert_int_equal(call(rig, (enum sim_disk_call)which), QR_ERR_IO);
        assert_int_equal(call(rig, (enum sim_disk_call)which), 0);
        assert_int_equal(sim_disk_stats(&rig->disk)->failure_count, 1);
        rig_free(rig);
    }
}

static void faults_that_were_asked_for_are_taken_back(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(5);
    sim_disk_fail_write(&rig->disk);
    sim_disk_fail_read(&rig->disk, true);
    sim_disk_fail_call(&rig->disk, SIM_DISK_LIST);
    sim_disk_clear_faults(&rig->disk);
    assert_int_equal(sim_disk_rig_write_now(rig, 0, 1, 'a', true), 0);
    assert_int_equal(read_log(rig, 0, 1), 0);
    assert_int_equal(call(rig, SIM_DISK_LIST), 0);
    rig_free(rig);
}

/* Content of a small file; "none" when there is no such file. */
static const char *content(struct sim_disk_rig *rig, const char *name, char *out)
{
    size_t got = 0;
    int status = rig->calls->read(rig->calls->context, name, 0, (struct build_part){out, 20}, &got);
    if (status != 0) {
        memcpy(out, "none", 5);
        return out;
    }
    out[got] = '\0';
    return out;
}

/* How a replacement ends when the power goes after `steps` of its calls. */
static void replace_in_part(struct sim_disk_rig *rig, unsigned steps)
{
    const struct build_disk *calls = rig->calls;
    void *disk = calls->context;
    assert_int_equal(calls->write_file(disk, "tmp", "old!", 4), 0);
    assert_int_equal(calls->sync_file(disk, "tmp"), 0);
    assert_int_equal(calls->rename_file(disk, "tmp", "identity"), 0);
    assert_int_equal(calls->sync_names(disk), 0);
    if (steps > 0) {
        assert_int_equal(calls->write_file(disk, "tmp", "newer", 5), 0);
    }
    if (steps == 2 || steps > 3) { /* 3 forgets to sync the file */
        assert_int_equal(calls->sync_file(disk, "tmp"), 0);
    }
    if (steps > 2) {
        assert_int_equal(calls->rename_file(disk, "tmp", "identity"), 0);
    }
    if (steps > 4) {
        assert_int_equal(calls->sync_names(disk), 0);
    }
    char seen[24];
    assert_string_equal(content(rig, "identity", seen), steps > 2 ? "newer" : "old!");
    sim_disk_power_loss(&rig->disk);
    sim_disk_rig_mount(rig);
}

static void a_replacement_is_whole_only_when_file_and_names_were_synced(void **state)
{
    (void)state;
    static const struct {
        unsigned steps;
        bool may_be_old;
        bool may_be_new;
        bool may_be_part;
    } rows[] = {
        {0, true, false, false}, {1, true, false, false}, {2, true, false, false},
        {3, true, true, true},   {4, true, true, false},  {5, false, true, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t olds = 0;
        uint32_t news = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct sim_disk_rig *rig = rig_new(seed);
            replace_in_part(rig, rows[i].steps);
            char seen[24];
            (void)content(rig, "identity", seen);
            olds += strcmp(seen, "old!") == 0;
            news += strcmp(seen, "newer") == 0;
            assert_int_equal(
                strncmp(seen, "old!", 4) == 0 || strncmp(seen, "newer", strlen(seen)) == 0, true);
            rig_free(rig);
        }
        assert_int_equal(olds > SEEDS / 10, rows[i].may_be_old);
        assert_int_equal(news > SEEDS / 10, rows[i].may_be_new);
        assert_int_equal(olds + news < SEEDS, rows[i].may_be_part);
    }
}

static void an_unsynced_file_is_lost_empty_cut_short_or_whole(void **state)
{
    (void)state;
    uint32_t lengths[11] = {0};
    uint32_t lost = 0;
    for (uint64_t seed = 0; seed < 4 * SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        void *disk = rig->calls->context;
        assert_int_equal(rig->calls->write_file(disk, "file", "0123456789", 10), 0);
        sim_disk_power_loss(&rig->disk);
        sim_disk_rig_mount(rig);
        char seen[24];
        if (strcmp(content(rig, "file", seen), "none") == 0) {
            lost++;
        } else {
            assert_memory_equal(seen, "0123456789", strlen(seen));
            lengths[strlen(seen)]++;
        }
        rig_free(rig);
    }
    assert_in_range(lost, SEEDS / 4, 4 * SEEDS);
    for (size_t i = 0; i <= 10; i++) {
        assert_in_range(lengths[i], 1, 4 * SEEDS);
    }
}

static void a_failed_sync_of_a_file_is_not_made_good_by_a_later_one(void **state)
{
    (void)state;
    uint32_t old = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        void *disk = rig->calls->context;
        assert_int_equal(rig->calls->write_file(disk, "file", "old", 3), 0);
        assert_int_equal(rig->calls->sync_file(disk, "file"), 0);
        assert_int_equal(rig->calls->sync_names(disk), 0);
        assert_int_equal(rig->calls->write_file(disk, "file", "new", 3), 0);
        sim_disk_fail_call(&rig->disk, SIM_DISK_SYNC_FILE);
        assert_int_equal(rig->calls->sync_file(disk, "file"), QR_ERR_IO);
        assert_int_equal(rig->calls->sync_file(disk, "file"), 0);
        char seen[24];
        assert_string_equal(content(rig, "file", seen), "new");
        sim_disk_rig_mount(rig);
        old += strcmp(content(rig, "file", seen), "new") != 0;
        rig_free(rig);
    }
    assert_in_range(old, SEEDS / 2, SEEDS - 1);
}

static void a_failed_sync_of_names_is_not_made_good_by_a_later_one(void **state)
{
    (void)state;
    uint32_t lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        void *disk = rig->calls->context;
        assert_int_equal(rig->calls->write_file(disk, "file", "new", 3), 0);
        assert_int_equal(rig->calls->sync_file(disk, "file"), 0);
        sim_disk_fail_call(&rig->disk, SIM_DISK_SYNC_NAMES);
        assert_int_equal(rig->calls->sync_names(disk), QR_ERR_IO);
        assert_int_equal(rig->calls->sync_names(disk), 0);
        assert_int_equal(sim_disk_rig_size(rig, "file"), 3);
        sim_disk_rig_mount(rig);
        lost += sim_disk_rig_size(rig, "file") == -1;
        rig_free(rig);
    }
    assert_in_range(lost, SEEDS / 2, SEEDS - 1);
}

static void a_mount_that_fails_loses_what_it_should_have_synced(void **state)
{
    (void)state;
    uint32_t lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        assert_int_equal(sim_disk_rig_write_now(rig, 0, 1, 'a', true), 0);
        assert_int_equal(sim_disk_rig_write_now(rig, 1, 1, 'b', false), 0);
        sim_disk_fail_call(&rig->disk, SIM_DISK_MOUNT);
        assert_int_equal(sim_disk_mount(&rig->disk), QR_ERR_IO);
        char shown[SHOWN_BYTES];
        assert_string_equal(sim_disk_rig_show(rig, false, shown), "none");
        sim_disk_rig_mount(rig);
        (void)sim_disk_rig_show(rig, false, shown);
        assert_int_equal(shown[0], 'a');
        lost += shown[1] == '0';
        rig_free(rig);
    }
    assert_in_range(lost, SEEDS / 2, SEEDS - 1);
}

/* How a preparation ends that was under way: 0 nothing, 1 a part, 2 the whole. */
static unsigned interrupt(uint64_t seed, bool is_power_lost)
{
    struct sim_disk_rig *rig = rig_new(seed);
    (void)sim_disk_rig_submit(rig, BUILD_PREPARE, "next", 100000);
    if (is_power_lost) {
        sim_disk_power_loss(&rig->disk);
    } else {
        sim_disk_process_crash(&rig->disk);
    }
    sim_disk_rig_mount(rig);
    int64_t size_bytes = sim_disk_rig_size(rig, "next");
    assert_in_range(size_bytes + 1, 0, 100001);
    rig_free(rig);
    return size_bytes == -1 ? 0 : size_bytes < 100000 ? 1 : 2;
}

static void a_preparation_that_was_interrupted_leaves_zeros_of_any_size_or_nothing(void **state)
{
    (void)state;
    for (int is_power_lost = 0; is_power_lost < 2; is_power_lost++) {
        uint32_t ends[3] = {0};
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            ends[interrupt(seed, is_power_lost == 1)]++;
        }
        for (size_t i = 0; i < 3; i++) {
            assert_in_range(ends[i], SEEDS / 20, SEEDS);
        }
    }
}

static void what_was_prepared_and_removed_stays_so(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        (void)sim_disk_rig_submit(rig, BUILD_PREPARE, "next", 2048);
        assert_true(sim_disk_step(&rig->disk, BUILD_PREPARE));
        (void)sim_disk_rig_submit(rig, BUILD_REMOVE, "log", 0);
        assert_true(sim_disk_step(&rig->disk, BUILD_REMOVE));
        sim_disk_power_loss(&rig->disk);
        sim_disk_rig_mount(rig);
        assert_int_equal(sim_disk_rig_size(rig, "next"), 2048);
        assert_int_equal(sim_disk_rig_size(rig, "log"), -1);
        rig_free(rig);
    }
}

static void a_removal_under_way_has_happened_or_not(void **state)
{
    (void)state;
    uint32_t gone = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        assert_int_equal(sim_disk_rig_write_now(rig, 0, 1, 'a', true), 0);
        (void)sim_disk_rig_submit(rig, BUILD_REMOVE, "log", 0);
        sim_disk_power_loss(&rig->disk);
        sim_disk_rig_mount(rig);
        char shown[SHOWN_BYTES];
        (void)sim_disk_rig_show(rig, false, shown);
        gone += strcmp(shown, "none") == 0;
        assert_true(strcmp(shown, "none") == 0 || strcmp(shown, "a000000000000000") == 0);
        rig_free(rig);
    }
    assert_in_range(gone, SEEDS / 10, SEEDS - SEEDS / 10);
}

static void a_wiped_disk_is_empty_and_works(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(6);
    assert_int_equal(sim_disk_rig_write_now(rig, 0, 2, 'a', true), 0);
    assert_int_equal(sim_disk_rig_write_now(rig, 2, 2, 'b', false), 0);
    (void)sim_disk_rig_write(rig, 4, 1, 'c', true);
    sim_disk_fail_read(&rig->disk, true);
    assert_int_equal(read_log(rig, 0, 1), QR_ERR_IO);
    sim_disk_wipe(&rig->disk);
    assert_false(sim_disk_is_damaged(&rig->disk));
    assert_int_equal(sim_disk_used_bytes(&rig->disk), 0);
    assert_false(sim_disk_step(&rig->disk, BUILD_WRITE));
    sim_disk_rig_mount(rig);
    assert_int_equal(rig->calls->prepare(rig->calls->context, "log", 1024), 0);
    assert_int_equal(sim_disk_rig_write_now(rig, 0, 1, 'd', true), 0);
    char shown[SHOWN_BYTES];
    assert_string_equal(sim_disk_rig_show(rig, false, shown), "d0");
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_write_is_seen_but_no_sync_makes_it_durable),
        cmocka_unit_test(writes_submitted_before_the_report_fail_and_later_ones_are_counted),
        cmocka_unit_test(a_read_fails_once),
        cmocka_unit_test(a_bad_sector_fails_until_it_is_written),
        cmocka_unit_test(a_bad_sector_goes_with_its_file),
        cmocka_unit_test(a_full_disk_refuses_what_grows_it_and_changes_nothing),
        cmocka_unit_test(each_call_fails_when_it_is_asked_to_and_only_once),
        cmocka_unit_test(faults_that_were_asked_for_are_taken_back),
        cmocka_unit_test(a_replacement_is_whole_only_when_file_and_names_were_synced),
        cmocka_unit_test(an_unsynced_file_is_lost_empty_cut_short_or_whole),
        cmocka_unit_test(a_failed_sync_of_a_file_is_not_made_good_by_a_later_one),
        cmocka_unit_test(a_failed_sync_of_names_is_not_made_good_by_a_later_one),
        cmocka_unit_test(a_mount_that_fails_loses_what_it_should_have_synced),
        cmocka_unit_test(a_preparation_that_was_interrupted_leaves_zeros_of_any_size_or_nothing),
        cmocka_unit_test(what_was_prepared_and_removed_stays_so),
        cmocka_unit_test(a_removal_under_way_has_happened_or_not),
        cmocka_unit_test(a_wiped_disk_is_empty_and_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
