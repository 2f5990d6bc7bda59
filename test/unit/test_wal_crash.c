/* test_wal_crash.c: power is lost, calls fail, and no acknowledgement turns out a lie. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/prng.h"
#include "quorate/error.h"
#include "support/wal_rig.h"

#define FIRST "log-0000000000000001"
#define SECOND "log-0000000000000002"

static void open_log(struct wal_rig *rig)
{
    assert_int_equal(wal_rig_open(rig), 0);
}

static bool keep_mask(void *context, size_t number)
{
    const uint32_t *mask = context;
    return (*mask >> number & 1) != 0;
}

static bool keep_all(void *context, size_t number)
{
    (void)context;
    (void)number;
    return true;
}

static bool keep_some(void *context, size_t number)
{
    (void)number;
    return prng_next(context) % 2 == 0;
}

static void stale_batches_behind_a_cut_tail_are_not_resurrected(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 1, 1, 10);
    assert_int_equal(wal_rig_append(rig, 2, 1, 1, 10), 0); /* lost */
    assert_int_equal(wal_rig_append(rig, 3, 1, 1, 10), 0); /* stays, at the sector behind */
    uint32_t mask = 2;
    wal_rig_crash(rig, keep_mask, &mask);
    open_log(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 1), 1);
    assert_true(rig->recovered.was_torn);
    assert_int_equal(rig->recovered.torn_bytes, DISK_SECTOR_BYTES);

    /* The very same batch again: only its generation tells it from the lost one. */
    rig->append_count = 1;
    wal_rig_append_now(rig, 2, 1, 1, 10);
    wal_rig_reopen(rig);
    assert_int_equal(rig->recovered.last_index, 2);
    assert_int_equal(wal_rig_recovered_as(rig, 2), 2);
    wal_rig_check(rig, 2);
}

static void stale_segments_behind_a_cut_tail_are_not_resurrected(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 58, 1, 1000);
    assert_int_equal(wal_rig_append(rig, 59, 1, 1, 1000), 0);   /* lost */
    assert_int_equal(wal_rig_append(rig, 60, 100, 1, 1000), 0); /* stays, in three segments */
    uint32_t mask = UINT32_C(0xfffffff8);
    disk_memory_stop(&rig->disk);
    assert_true(rig->disk.unsynced_count > 20);
    rig->disk.unsynced_count = min_u64(rig->disk.unsynced_count, 32);
    wal_rig_crash(rig, keep_mask, &mask);
    open_log(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 1), 1);
    rig->append_count = 1;
    wal_rig_append_now(rig, 59, 1, 1, 1000);
    wal_rig_reopen(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 2), 2);
    wal_rig_append_now(rig, 60, 150, 2, 1000);
    wal_rig_reopen(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 3), 3);
    wal_rig_check(rig, 3);
}

/* A segment's header and its first batch are one write; this is what is left of two of them. */
static void a_stale_batch_is_not_resurrected_under_a_later_segment_header(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 60, 1, 1000);
    assert_int_equal(wal_rig_append(rig, 61, 1, 1, 2000), 0); /* begins the second segment */
    uint32_t all_but_the_header = ~UINT32_C(1);
    wal_rig_crash(rig, keep_mask, &all_but_the_header);
    open_log(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 1), 1);
    assert_true(rig->recovered.was_torn);

    rig->append_count = 1;
    assert_int_equal(wal_rig_append(rig, 61, 1, 2, 2000), 0);
    uint32_t the_header = 1;
    wal_rig_crash(rig, keep_mask, &the_header);
    open_log(rig);
    assert_int_equal(rig->recovered.last_index, 60);
    assert_int_equal(wal_rig_recovered_as(rig, 1), 1);
    wal_rig_check(rig, 1);
}

static void nor_is_it_with_what_its_own_start_wrote_behind_it(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 60, 1, 1000);
    assert_int_equal(wal_rig_append(rig, 61, 1, 1, 2000), 0);
    assert_int_equal(wal_rig_append(rig, 62, 1, 1, 10), 0);
    uint32_t all_but_the_header = ~UINT32_C(1);
    wal_rig_crash(rig, keep_mask, &all_but_the_header);
    open_log(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 1), 1);

    rig->append_count = 1;
    assert_int_equal(wal_rig_append(rig, 61, 1, 2, 2000), 0);
    uint32_t the_header = 1;
    wal_rig_crash(rig, keep_mask, &the_header);
    open_log(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 1), 1);
    wal_rig_check(rig, 1);
}

/* As if the header of the second segment were of another start than its first batch. */
static void mix_second(struct wal_rig *rig, uint64_t generation)
{
    uint8_t header[DISK_SECTOR_BYTES];
    memcpy(header, disk_memory_find(&rig->disk, SECOND)->seen, sizeof(header));
    store_u64(header + 56, generation);
    store_u32(header + 12, crc32c(crc32c(0, header, 12), header + 16, sizeof(header) - 16));
    disk_memory_write(&rig->disk, SECOND, 0, header, sizeof(header));
}

enum behind { A_BATCH, A_MARK, A_SEGMENT };

/* The second segment's first batch is of the second start, what is behind it of the third. */
static void make_mixed(struct wal_rig *rig, uint64_t generation, enum behind behind)
{
    open_log(rig);
    wal_rig_append_now(rig, 1, 60, 1, 1000);
    wal_rig_reopen(rig);
    wal_rig_append_now(rig, 61, behind == A_SEGMENT ? 60 : 1, 1, 1000);
    wal_rig_reopen(rig);
    if (behind == A_MARK) {
        wal_mark(rig->wal, 0);
    } else {
        wal_rig_append_now(rig, rig->last_index + 1, 1, 2, 2000);
    }
    wal_rig_close(rig);
    mix_second(rig, generation);
}

struct mixed {
    const char *name;
    uint64_t generation; /* of the header */
    enum behind behind;
};

static const struct mixed mixed[] = {
    {"a later header, and a batch behind", 3, A_BATCH},
    {"a later header, and a mark behind", 3, A_MARK},
    {"a later header, and a segment behind", 3, A_SEGMENT},
    {"an earlier header, and a batch behind", 1, A_BATCH},
    {"an earlier header, and a mark behind", 1, A_MARK},
    {"an earlier header, and a segment behind", 1, A_SEGMENT},
};

/* 0.1.0 took such a batch for part of the log, and told others of it, and of what came behind. */
static void a_batch_that_a_later_start_went_on_from_is_part_of_the_log(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mixed); i++) {
        void *own = NULL;
        (void)wal_rig_set_up(&own);
        struct wal_rig *rig = own;
        make_mixed(rig, mixed[i].generation, mixed[i].behind);
        if (wal_rig_open(rig) != 0) {
            fail_msg("%s: %s", mixed[i].name, rig->detail);
        }
        assert_int_equal(wal_rig_recovered_as(rig, rig->append_count), rig->append_count);
        wal_rig_append_now(rig, rig->last_index + 1, 3, 3, 100);
        wal_rig_reopen(rig);
        wal_rig_check(rig, rig->append_count);
        (void)wal_rig_tear_down(&own);
    }
}

static void a_log_may_begin_with_it(void **state)
{
    struct wal_rig *rig = *state;
    make_mixed(rig, 3, A_BATCH);
    open_log(rig);
    wal_rig_truncate(rig, 60);
    disk_memory_run(&rig->disk);
    assert_null(disk_memory_find(&rig->disk, FIRST));
    wal_rig_reopen(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 3), 3);
    wal_rig_check(rig, 3);
}

static void what_was_durable_behind_a_mixed_beginning_is_not_cut(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 60, 1, 1000);
    wal_rig_reopen(rig);
    wal_rig_append_now(rig, 61, 1, 1, 2000);
    wal_rig_append_now(rig, 62, 1, 1, 10); /* of the same start: it proves no more than damage */
    wal_rig_close(rig);
    mix_second(rig, 3);
    assert_int_equal(wal_rig_open(rig), QR_ERR_CORRUPT);
    assert_non_null(strstr(rig->detail, SECOND ", offset 512"));
}

static void a_header_that_was_left_alone_is_not_that_of_the_batch_after_it(void **state)
{
    struct wal_rig *rig = *state;
    uint32_t the_header = 1;
    open_log(rig);
    wal_rig_append_now(rig, 1, 60, 1, 1000);
    wal_rig_reopen(rig);
    struct wal_base base = {1, 500};
    assert_int_equal(wal_rig_reset(rig, base, 0, 1, 0), 0); /* empties the log, but for the crash */
    wal_rig_crash(rig, keep_mask, &the_header);
    open_log(rig);
    assert_int_equal(wal_rig_recovered_as(rig, 1), 1);

    rig->append_count = 1;
    assert_int_equal(wal_rig_append(rig, 61, 1, 1, 2000), 0);
    uint32_t all_but_the_header = ~UINT32_C(1);
    wal_rig_crash(rig, keep_mask, &all_but_the_header);
    if (wal_rig_open(rig) != 0) {
        fail_msg("%s", rig->detail);
    }
    assert_int_equal(wal_rig_recovered_as(rig, 1), 1);
    wal_rig_check(rig, 1);
}

/* A life of many appends with crashes; what is acknowledged must be there after each. */
static void live_and_crash(struct wal_rig *rig, struct prng *prng)
{
    size_t acknowledged = 0;
    open_log(rig);
    for (size_t life = 0; life < 12; life++) {
        for (size_t i = prng_between(prng, 1, 12); i > 0; i--) {
            raft_index back = prng_between(prng, 0, 9) == 0 ? prng_between(prng, 0, 3) : 0;
            raft_index first = rig->last_index + 1 - min_u64(back, rig->last_index);
            raft_term term = rig->append_count + 1;
            uint32_t payload_bytes = (uint32_t)prng_between(prng, 0, 8) * 500;
            assert_int_equal(
                wal_rig_append(rig, first, prng_between(prng, 0, 4), term, payload_bytes), 0);
            for (size_t steps = prng_between(prng, 0, 3); steps > 0; steps--) {
                (void)disk_memory_step(&rig->disk);
                wal_invariants(rig->wal);
            }
            if (prng_between(prng, 0, 4) == 0) {
                disk_memory_run(&rig->disk);
                wal_mark(rig->wal, 0);
            }
            acknowledged = max_u64(acknowledged, rig->ticket_synced);
        }
        wal_rig_crash(rig, prng_between(prng, 0, 3) == 0 ? keep_all : keep_some, prng);
        open_log(rig);
        size_t found = wal_rig_recovered_as(rig, acknowledged);
        assert_int_not_equal(found, SIZE_MAX);
        wal_rig_check(rig, found);
        rig->append_count = found;
        acknowledged = found;
    }
}

static void a_hundred_lives_with_crashes_lose_nothing_acknowledged(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        void *own = NULL;
        (void)wal_rig_set_up(&own);
        struct prng prng = prng_of(seed);
        live_and_crash(own, &prng);
        (void)wal_rig_tear_down(&own);
    }
}

/* A few appends with a full segment between; how many calls they make of the disk. */
static void short_life(struct wal_rig *rig)
{
    raft_index next = 1;
    for (size_t i = 0; i < 8; i++, next += 12) {
        int status = wal_rig_append(rig, next, 12, 1, 1000);
        assert_true(status == 0 || status == QR_ERR_STOPPED);
        if (i % 2 == 1) {
            disk_memory_run(&rig->disk);
        }
        if (status != 0) {
            return;
        }
    }
}

static void after_the_first_failure_nothing_is_acknowledged_or_tried_again(void **state)
{
    (void)state;
    size_t poisoned = 0;
    for (uint64_t at = 1; at <= 12; at++) {
        void *own = NULL;
        (void)wal_rig_set_up(&own);
        struct wal_rig *rig = own;
        open_log(rig);
        rig->disk.fail_at = rig->disk.call_count + at;
        short_life(rig);
        disk_memory_run(&rig->disk);
        poisoned += rig->poisoned_count;
        assert_int_equal(wal_is_poisoned(rig->wal), rig->poisoned_count == 1);
        if (rig->poisoned_count > 0) {
            uint64_t calls = rig->disk.call_count;
            uint64_t synced = rig->ticket_synced;
            assert_int_equal(rig->poisoned_status, QR_ERR_IO);
            assert_non_null(strstr(rig->poisoned_detail, "log-00000000000000"));
            assert_non_null(strstr(rig->poisoned_detail, "offset "));
            assert_int_equal(wal_rig_append(rig, 1, 1, 5, 10), QR_ERR_STOPPED);
            assert_int_equal(wal_read(rig->wal, 1, 1, 1), QR_ERR_STOPPED);
            assert_int_equal(wal_room_bytes(rig->wal), 0);
            wal_mark(rig->wal, 0);
            wal_prepare(rig->wal);
            disk_memory_run(&rig->disk);
            assert_int_equal(rig->disk.call_count, calls);
            assert_int_equal(rig->ticket_synced, synced);
        }
        size_t acknowledged = rig->ticket_synced;
        wal_rig_crash(rig, NULL, NULL);
        assert_int_equal(wal_rig_open(rig), 0);
        assert_int_not_equal(wal_rig_recovered_as(rig, acknowledged), SIZE_MAX);
        (void)wal_rig_tear_down(&own);
    }
    assert_int_equal(poisoned, 12);
}

static void completions_behind_a_failed_write_are_not_believed(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    disk_memory_run(&rig->disk);
    assert_int_equal(wal_rig_append(rig, 1, 1, 1, 10), 0);
    assert_int_equal(wal_rig_append(rig, 2, 1, 1, 10), 0);
    rig->disk.fail_at = rig->disk.call_count + 1;
    assert_true(disk_memory_step(&rig->disk));
    assert_int_equal(rig->poisoned_count, 1);
    rig->disk.has_write_failed = false; /* a disk that lies: the next write "succeeds" */
    assert_true(disk_memory_step(&rig->disk));
    assert_int_equal(rig->ticket_synced, 0);
    assert_int_equal(rig->poisoned_count, 1);
}

static void a_write_that_finds_the_disk_full_is_final_too(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    disk_memory_run(&rig->disk);
    rig->disk.fail_status = QR_ERR_DISK_FULL;
    rig->disk.fail_at = rig->disk.call_count + 1;
    assert_int_equal(wal_rig_append(rig, 1, 1, 1, 10), 0);
    disk_memory_run(&rig->disk);
    assert_int_equal(rig->poisoned_status, QR_ERR_DISK_FULL);
    assert_int_equal(wal_rig_append(rig, 1, 1, 1, 10), QR_ERR_STOPPED);
}

/* Change a few random places: bits, ranges, sectors copied to where they do not belong. */
static void garble(struct disk_memory *disk, struct prng *prng)
{
    for (size_t i = prng_between(prng, 1, 4); i > 0; i--) {
        struct disk_memory_file *file = &disk->files[prng_next(prng) % disk->file_count];
        uint8_t bytes[DISK_SECTOR_BYTES];
        uint64_t sectors = file->size_bytes / DISK_SECTOR_BYTES;
        uint64_t to = prng_between(prng, 0, sectors - 1) * DISK_SECTOR_BYTES;
        uint64_t from = prng_between(prng, 0, sectors - 1) * DISK_SECTOR_BYTES;
        uint64_t kind = prng_between(prng, 0, 2);
        memcpy(bytes, disk->files[prng_next(prng) % disk->file_count].seen + from, sizeof(bytes));
        for (size_t k = 0; k < sizeof(bytes) && kind == 1; k++) {
            bytes[k] = (uint8_t)prng_next(prng);
        }
        if (kind == 2) {
            disk_memory_flip(disk, file->name, to + prng_between(prng, 0, 511), 5);
        } else {
            disk_memory_write(disk, file->name, to, bytes, sizeof(bytes));
        }
    }
}

static void garbage_is_refused_or_cut_but_never_believed(void **state)
{
    struct wal_rig *rig = *state;
    struct prng prng = prng_of(11);
    open_log(rig);
    for (raft_term term = 1; term <= 25; term++) {
        raft_index back = min_u64(prng_between(&prng, 0, 3), rig->last_index);
        wal_rig_append_now(rig, rig->last_index + 1 - back, 5, term, 1000);
    }
    wal_rig_close(rig);
    struct disk_memory whole;
    disk_memory_copy(&whole, &rig->disk);
    size_t refused = 0;
    size_t cut = 0;
    for (size_t round = 0; round < 500; round++) {
        disk_memory_deinit(&rig->disk);
        disk_memory_copy(&rig->disk, &whole);
        garble(&rig->disk, &prng);
        int status = wal_rig_open(rig);
        assert_true(status == 0 || status == QR_ERR_CORRUPT);
        refused += status == QR_ERR_CORRUPT;
        if (status == 0) {
            size_t found = wal_rig_recovered_as(rig, 24); /* only the last is not noted */
            assert_int_not_equal(found, SIZE_MAX);
            wal_rig_check(rig, found);
            cut += found == 24;
            wal_rig_close(rig);
        }
    }
    assert_true(refused > 100);
    assert_true(cut > 3);
    disk_memory_deinit(&whole);
}

static void garbled_hard_state_is_refused_and_never_read_as_none(void **state)
{
    struct wal_rig *rig = *state;
    open_log(rig);
    wal_rig_append_now(rig, 1, 0, 5, 0);
    wal_mark(rig->wal, 0);
    wal_rig_close(rig);
    for (uint64_t offset = 0; offset < 1024; offset++) {
        disk_memory_flip(&rig->disk, FIRST, offset, 0);
        assert_int_equal(wal_rig_open(rig), QR_ERR_CORRUPT);
        disk_memory_flip(&rig->disk, FIRST, offset, 0);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, wal_rig_set_up, wal_rig_tear_down)

int main(void)
{
    static const struct CMUnitTest cases[] = {
        CASE(stale_batches_behind_a_cut_tail_are_not_resurrected),
        CASE(stale_segments_behind_a_cut_tail_are_not_resurrected),
        CASE(a_stale_batch_is_not_resurrected_under_a_later_segment_header),
        CASE(nor_is_it_with_what_its_own_start_wrote_behind_it),
        CASE(a_batch_that_a_later_start_went_on_from_is_part_of_the_log),
        CASE(a_log_may_begin_with_it),
        CASE(what_was_durable_behind_a_mixed_beginning_is_not_cut),
        CASE(a_header_that_was_left_alone_is_not_that_of_the_batch_after_it),
        CASE(a_hundred_lives_with_crashes_lose_nothing_acknowledged),
        CASE(after_the_first_failure_nothing_is_acknowledged_or_tried_again),
        CASE(completions_behind_a_failed_write_are_not_believed),
        CASE(a_write_that_finds_the_disk_full_is_final_too),
        CASE(garbage_is_refused_or_cut_but_never_believed),
        CASE(garbled_hard_state_is_refused_and_never_read_as_none),
    };
    return cmocka_run_group_tests_name("wal_crash", cases, NULL, NULL);
}
