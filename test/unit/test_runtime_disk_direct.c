/* test_runtime_disk_direct.c: writes past the page cache: which go there, order, failures, and the
 * thread when it is none. Skipped where the file system of the test cannot.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "quorate/error.h"
#include "support/disk_bench.h"

#define SECTOR DISK_SECTOR_BYTES

static char sectors[DISK_DIRECT_BYTES_MAX + 16 * SECTOR]; /* "a…", "b…", one letter a sector */

static uint64_t direct_calls(const struct disk_bench *bench)
{
    struct disk_posix_stats stats;
    disk_posix_stats(bench->disk, &stats);
    return stats.direct_calls;
}

/* Submit a write of these sectors to where they belong. */
static struct disk_op *write_sectors(struct disk_bench *bench, size_t first, size_t count)
{
    return disk_bench_submit(bench, DISK_WRITE, "log-1", first * SECTOR,
                             (struct disk_part){sectors + first * SECTOR, count * SECTOR});
}

static void check_sectors(struct disk_bench *bench, size_t first, size_t count)
{
    char *got = malloc(count * SECTOR);
    size_t got_bytes = 0;
    assert_int_equal(bench->interface->read(bench->disk, "log-1", first * SECTOR,
                                            (struct disk_part){got, count * SECTOR}, &got_bytes),
                     0);
    assert_int_equal(got_bytes, count * SECTOR);
    assert_memory_equal(got, sectors + first * SECTOR, count * SECTOR);
    free(got);
}

static void skip_unless_direct(const struct disk_bench *bench)
{
    if (!disk_posix_is_direct(bench->disk)) {
        skip();
    }
}

/* The first write to a file is the thread's, which makes it ready. */
static void make_ready(struct disk_bench *bench)
{
    skip_unless_direct(bench);
    write_sectors(bench, 0, 1);
    disk_bench_wait(bench);
    assert_int_equal(direct_calls(bench), 0);
    memset(bench->calls, 0, sizeof(bench->calls));
}

/* Where the thread has written the page is cached, and so the first may be refused and the thread's
 * again; not the second.
 */
static void write_two_and_find_them_direct(struct disk_bench *bench, size_t first)
{
    uint64_t before = direct_calls(bench);
    write_sectors(bench, first, 1);
    disk_bench_wait(bench);
    write_sectors(bench, first + 1, 1);
    disk_bench_wait(bench);
    assert_in_range(direct_calls(bench), before + 1, before + 2);
}

static void all_is_well(const struct disk_bench *bench)
{
    assert_int_equal(bench->done_count, bench->op_count);
    for (size_t i = 0; i < bench->op_count; i++) {
        assert_ptr_equal(bench->done[i], &bench->ops[i]);
        assert_int_equal(bench->ops[i].status, 0);
    }
}

static void what_waits_is_one_write_past_the_page_cache(void **state)
{
    struct disk_bench *bench = *state;
    make_ready(bench);
    write_sectors(bench, 1, 1);
    uv_run(&bench->loop, UV_RUN_NOWAIT);
    write_sectors(bench, 2, 1);
    write_sectors(bench, 3, 2);
    write_sectors(bench, 5, 1);
    disk_bench_wait(bench);
    all_is_well(bench);
    assert_int_equal(direct_calls(bench), 2);
    assert_int_equal(bench->calls[DISK_CALL_WRITE], 2);
    assert_int_equal(bench->calls[DISK_CALL_SYNC], 2);
    check_sectors(bench, 0, 6);
    struct disk_posix_times times;
    disk_posix_times(bench->disk, &times);
    assert_true(times.median_ns > 0);
}

static void many_parts_become_one_write(void **state)
{
    struct disk_bench *bench = *state;
    make_ready(bench);
    struct disk_part parts[] = {
        {sectors + SECTOR, 100}, {sectors + SECTOR + 100, 0}, {sectors + SECTOR + 100, 924}};
    struct disk_op *op = &bench->ops[bench->op_count++];
    *op = (struct disk_op){.kind = DISK_WRITE,
                           .is_synced = false,
                           .name = "log-1",
                           .offset = SECTOR,
                           .parts = parts,
                           .part_count = COUNT_OF(parts),
                           .done = disk_bench_on_done,
                           .context = bench};
    bench->interface->submit(bench->disk, op);
    disk_bench_wait(bench);
    all_is_well(bench);
    assert_int_equal(direct_calls(bench), 1);
    assert_int_equal(bench->calls[DISK_CALL_SYNC], 0);
    check_sectors(bench, 0, 3);
}

/* What lies on what was just written must come after it, and two files are two writes. */
static void what_is_not_one_run_is_the_threads(void **state)
{
    struct disk_bench *bench = *state;
    char other[SECTOR];
    memset(other, '?', sizeof(other));
    make_ready(bench);
    assert_int_equal(bench->interface->prepare(bench->disk, "log-2", DISK_BENCH_FILE_BYTES), 0);
    disk_bench_submit(bench, DISK_WRITE, "log-1", SECTOR, (struct disk_part){other, SECTOR});
    write_sectors(bench, 1, 2);
    disk_bench_wait(bench);
    write_sectors(bench, 3, 1);
    write_sectors(bench, 6, 1);
    disk_bench_wait(bench);
    write_sectors(bench, 7, 1);
    disk_bench_submit(bench, DISK_WRITE, "log-2", 8 * SECTOR, (struct disk_part){other, SECTOR});
    disk_bench_wait(bench);
    all_is_well(bench);
    assert_int_equal(direct_calls(bench), 0);
    check_sectors(bench, 0, 4);
    check_sectors(bench, 6, 2);
}

static void after_a_large_write_the_thread_has_the_next_one_too(void **state)
{
    struct disk_bench *bench = *state;
    size_t many = DISK_DIRECT_BYTES_MAX / SECTOR + 1;
    make_ready(bench);
    write_sectors(bench, 1, many);
    disk_bench_wait(bench);
    write_sectors(bench, 1 + many, 1);
    disk_bench_wait(bench);
    assert_int_equal(bench->calls[DISK_CALL_DIRECT], 0); /* nor was it tried */
    write_two_and_find_them_direct(bench, 2 + many);
    all_is_well(bench);
    check_sectors(bench, 0, 4 + many);
}

/* Both ways by turns, in one page, with reads through the cache in between. */
static void both_ways_and_reads_see_one_file(void **state)
{
    struct disk_bench *bench = *state;
    char half[] = "half a sector";
    make_ready(bench);
    for (size_t i = 1; i < 8; i++) {
        write_sectors(bench, i, 1);
        disk_bench_wait(bench);
        check_sectors(bench, 0, i + 1); /* and now the page is cached */
        memcpy(sectors, half, sizeof(half));
        disk_bench_submit(bench, DISK_WRITE, "log-1", 0, (struct disk_part){half, sizeof(half)});
        disk_bench_wait(bench);
        half[0]++;
    }
    all_is_well(bench);
    disk_bench_restart(bench); /* which drops what is cached */
    check_sectors(bench, 0, 8);
}

static void a_prepared_file_is_not_what_was_open(void **state)
{
    struct disk_bench *bench = *state;
    make_ready(bench);
    write_sectors(bench, 1, 1);
    disk_bench_wait(bench);
    disk_bench_submit(bench, DISK_PREPARE, "log-1", 0,
                      (struct disk_part){NULL, DISK_BENCH_FILE_BYTES});
    disk_bench_wait(bench);
    write_sectors(bench, 2, 1);
    disk_bench_wait(bench);
    write_sectors(bench, 3, 1);
    disk_bench_wait(bench);
    assert_int_equal(direct_calls(bench), 2);
    memset(sectors, 0, 2 * SECTOR);
    check_sectors(bench, 0, 4);
}

static void the_first_failure_is_final(void **state)
{
    struct disk_bench *bench = *state;
    const struct {
        enum disk_call call;
        int failure;
        size_t write_bytes_max;
    } cases[] = {
        {DISK_CALL_WRITE, EIO, 0},
        {DISK_CALL_WRITE, ENOSPC, 0},
        {DISK_CALL_SYNC, EIO, 0},
        {DISK_CALL_WRITE, 0, 3}, /* what the kernel refuses */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bench->op_count = 0;
        bench->done_count = 0;
        make_ready(bench);
        bench->fail_call = cases[i].call;
        bench->fail_errno = cases[i].failure;
        bench->fail_after = 0;
        bench->is_once = true; /* a second try would succeed, and must not be made */
        bench->write_bytes_max = cases[i].write_bytes_max;
        struct disk_op *op = write_sectors(bench, 1, 2);
        uv_run(&bench->loop, UV_RUN_NOWAIT);
        struct disk_op *next = write_sectors(bench, 3, 1);
        disk_bench_wait(bench);
        assert_int_equal(op->status, QR_ERR_IO);
        assert_int_equal(next->status, QR_ERR_IO);
        bench->write_bytes_max = 0;
        op = write_sectors(bench, 4, 1);
        disk_bench_wait(bench);
        assert_int_equal(op->status, QR_ERR_IO);
        assert_int_equal(bench->calls[DISK_CALL_WRITE], 1);
        disk_bench_restart(bench);
    }
}

static void what_the_kernel_writes_in_part_the_thread_writes_whole(void **state)
{
    struct disk_bench *bench = *state;
    make_ready(bench);
    bench->write_bytes_max = SECTOR;
    write_sectors(bench, 8, 3); /* of a page that the thread had nothing to do with */
    uv_run(&bench->loop, UV_RUN_NOWAIT);
    write_sectors(bench, 11, 1);
    disk_bench_wait(bench);
    assert_true(bench->calls[DISK_CALL_DIRECT] > 0);
    assert_int_equal(direct_calls(bench), 0);
    bench->write_bytes_max = 0;
    write_two_and_find_them_direct(bench, 12);
    all_is_well(bench);
    check_sectors(bench, 8, 6);
}

static void what_the_kernel_does_not_take_is_the_threads(void **state)
{
    struct disk_bench *bench = *state;
    make_ready(bench);
    bench->fail_call = DISK_CALL_DIRECT;
    bench->fail_errno = EAGAIN;
    write_sectors(bench, 1, 1);
    disk_bench_wait(bench);
    assert_int_equal(direct_calls(bench), 0);
    bench->fail_errno = 0;
    write_two_and_find_them_direct(bench, 2);
    all_is_well(bench);
    check_sectors(bench, 0, 4);
}

/* Behind the disk's own handle: what waited when this turn began is in flight. */
static void write_a_third(uv_prepare_t *prepare)
{
    struct disk_bench *bench = prepare->data;
    if (bench->op_count == 2) {
        write_sectors(bench, 2, 1);
    }
}

static void what_came_behind_a_refused_write_follows_it_to_the_thread(void **state)
{
    struct disk_bench *bench = *state;
    uv_prepare_t prepare;
    skip_unless_direct(bench);
    assert_int_equal(uv_prepare_init(&bench->loop, &prepare), 0);
    assert_int_equal(uv_prepare_start(&prepare, write_a_third), 0);
    prepare.data = bench;
    uv_unref((uv_handle_t *)&prepare);
    disk_bench_restart(bench); /* libuv calls first what was started last: the disk's */
    make_ready(bench);
    check_sectors(bench, 0, 1); /* now the page is cached, and a write to it may be refused */
    write_sectors(bench, 1, 1);
    disk_bench_wait(bench);
    assert_int_equal(bench->op_count, 3);
    all_is_well(bench);
    check_sectors(bench, 0, 3);
    uv_close((uv_handle_t *)&prepare, NULL);
    uv_run(&bench->loop, UV_RUN_NOWAIT);
}

static void without_the_trial_all_is_the_threads(void **state)
{
    struct disk_bench *bench = *state;
    bench->fail_call = DISK_CALL_DIRECT;
    bench->fail_errno = EINVAL;
    disk_bench_restart(bench);
    assert_false(disk_posix_is_direct(bench->disk));
    for (size_t i = 0; i < 3; i++) {
        write_sectors(bench, i, 1);
        disk_bench_wait(bench);
    }
    all_is_well(bench);
    assert_int_equal(direct_calls(bench), 0);
    check_sectors(bench, 0, 3);
}

static void where_the_kernel_writes_at_once_all_is_the_threads(void **state)
{
    struct disk_bench *bench = *state;
    make_ready(bench);
    for (int i = 0; i < 3 * DISK_HELD_ROUNDS_MAX; i++) {
        disk_direct_watch(bench->disk, 5000000, i % DISK_HELD_ROUNDS_MAX == 1 ? 20000000 : 6000000);
        disk_direct_watch(bench->disk, 500, 600); /* so fast that nobody minds */
    }
    write_sectors(bench, 1, 1);
    disk_bench_wait(bench);
    assert_int_equal(direct_calls(bench), 1);
    for (int i = 0; i < DISK_HELD_ROUNDS_MAX; i++) {
        assert_true(disk_posix_is_direct(bench->disk));
        disk_direct_watch(bench->disk, 5000000, 6000000);
    }
    assert_false(disk_posix_is_direct(bench->disk));
    write_sectors(bench, 2, 1);
    disk_bench_wait(bench);
    assert_int_equal(direct_calls(bench), 1);
    all_is_well(bench);
    check_sectors(bench, 0, 3);
}

static int setup(void **state)
{
    for (size_t i = 0; i < sizeof(sectors); i++) {
        sectors[i] = (char)('a' + i / SECTOR);
    }
    return disk_bench_setup_direct(state);
}

#define DIRECT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, disk_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIRECT_TEST(what_waits_is_one_write_past_the_page_cache),
        DIRECT_TEST(many_parts_become_one_write),
        DIRECT_TEST(what_is_not_one_run_is_the_threads),
        DIRECT_TEST(after_a_large_write_the_thread_has_the_next_one_too),
        DIRECT_TEST(both_ways_and_reads_see_one_file),
        DIRECT_TEST(a_prepared_file_is_not_what_was_open),
        DIRECT_TEST(the_first_failure_is_final),
        DIRECT_TEST(what_the_kernel_writes_in_part_the_thread_writes_whole),
        DIRECT_TEST(what_the_kernel_does_not_take_is_the_threads),
        DIRECT_TEST(what_came_behind_a_refused_write_follows_it_to_the_thread),
        DIRECT_TEST(without_the_trial_all_is_the_threads),
        DIRECT_TEST(where_the_kernel_writes_at_once_all_is_the_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
