/* test_runtime_disk.c: reads and writes: group commit, order, and failures that stay failures. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "quorate/error.h"
#include "runtime/clock.h"
#include "support/disk_bench.h"

static void what_waits_is_one_write_and_one_sync_and_reported_in_order(void **state)
{
    struct disk_bench *bench = *state;
    disk_bench_hold_writer(bench);
    char data[] = "abcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < 20; i++) {
        disk_bench_submit(bench, DISK_WRITE, "log-1", 512 + i, (struct disk_part){data + i, 1});
    }
    disk_bench_release_writer(bench);
    disk_bench_wait(bench);
    assert_int_equal(bench->calls[DISK_CALL_WRITE], 2);
    assert_int_equal(bench->calls[DISK_CALL_SYNC], 2);
    struct disk_posix_stats stats;
    disk_posix_stats(bench->disk, &stats);
    assert_int_equal(stats.sync_calls, 2);
    for (size_t i = 0; i < bench->op_count; i++) {
        assert_ptr_equal(bench->done[i], &bench->ops[i]);
        assert_int_equal(bench->ops[i].status, 0);
    }
    disk_bench_check(bench, "log-1", 512, "abcdefghijklmnopqrst");
}

/* Once it is over: what goes on has taken no time yet that could be told. */
static void a_round_of_writing_counts_when_it_is_over(void **state)
{
    struct disk_bench *bench = *state;
    struct disk_posix_times times;
    time_ns began_ns = runtime_now_ns();
    disk_bench_hold_writer(bench);
    disk_posix_times(bench->disk, &times);
    assert_int_equal(times.median_ns, 0);
    assert_int_equal(times.percentile_99_ns, 0);
    disk_bench_release_writer(bench);
    disk_bench_wait(bench);
    disk_posix_times(bench->disk, &times);
    assert_in_range(times.median_ns, 1, runtime_now_ns() - began_ns);
    assert_int_equal(times.percentile_99_ns, times.median_ns);
}

static void a_gap_or_another_file_is_another_write(void **state)
{
    struct disk_bench *bench = *state;
    assert_int_equal(bench->interface->prepare(bench->disk, "log-2", DISK_BENCH_FILE_BYTES), 0);
    memset(bench->calls, 0, sizeof(bench->calls));
    disk_bench_hold_writer(bench);
    char data[] = "abc";
    disk_bench_submit(bench, DISK_WRITE, "log-1", 512, (struct disk_part){data, 1});
    disk_bench_submit(bench, DISK_WRITE, "log-1", 1024, (struct disk_part){data + 1, 1});
    disk_bench_submit(bench, DISK_WRITE, "log-2", 1025, (struct disk_part){data + 2, 1});
    disk_bench_release_writer(bench);
    disk_bench_wait(bench);
    assert_int_equal(bench->calls[DISK_CALL_WRITE], 4);
    assert_int_equal(bench->calls[DISK_CALL_SYNC], 3);
    disk_bench_check(bench, "log-1", 512, "a");
    disk_bench_check(bench, "log-1", 1024, "b");
    disk_bench_check(bench, "log-2", 1025, "c");
}

static void a_write_that_asks_for_no_sync_gets_none(void **state)
{
    struct disk_bench *bench = *state;
    disk_bench_hold_writer(bench);
    disk_bench_release_writer(bench);
    disk_bench_wait(bench);
    int syncs = bench->calls[DISK_CALL_SYNC];
    char data[] = "x";
    struct disk_op *op = &bench->ops[bench->op_count];
    bench->parts[bench->op_count] = (struct disk_part){data, 1};
    *op = (struct disk_op){.kind = DISK_WRITE,
                           .name = "log-1",
                           .offset = 512,
                           .parts = &bench->parts[bench->op_count],
                           .part_count = 1,
                           .done = disk_bench_on_done,
                           .context = bench};
    bench->op_count++;
    bench->interface->submit(bench->disk, op);
    disk_bench_wait(bench);
    assert_int_equal(op->status, 0);
    assert_int_equal(bench->calls[DISK_CALL_SYNC], syncs);
    disk_bench_check(bench, "log-1", 512, "x");
}

static void a_read_does_not_wait_for_a_write(void **state)
{
    struct disk_bench *bench = *state;
    char data[4] = "";
    disk_bench_hold_writer(bench);
    struct disk_op *read =
        disk_bench_submit(bench, DISK_READ, "log-1", 512, (struct disk_part){data, sizeof(data)});
    while (bench->done_count == 0) {
        uv_run(&bench->loop, UV_RUN_ONCE);
    }
    assert_ptr_equal(bench->done[0], read);
    assert_int_equal(read->status, 0);
    disk_bench_release_writer(bench);
    disk_bench_wait(bench);
}

static void a_read_behind_the_end_is_damage(void **state)
{
    struct disk_bench *bench = *state;
    char data[16];
    struct disk_op *read = disk_bench_submit(bench, DISK_READ, "log-1", DISK_BENCH_FILE_BYTES - 8,
                                             (struct disk_part){data, sizeof(data)});
    disk_bench_wait(bench);
    assert_int_equal(read->status, QR_ERR_CORRUPT);
}

static void short_writes_are_continued(void **state)
{
    struct disk_bench *bench = *state;
    bench->write_bytes_max = 3;
    char data[] = "a longer text than that";
    disk_bench_submit(bench, DISK_WRITE, "log-1", 512, (struct disk_part){data, strlen(data)});
    disk_bench_wait(bench);
    assert_int_equal(bench->ops[0].status, 0);
    assert_true(bench->calls[DISK_CALL_WRITE] >= 8);
    disk_bench_check(bench, "log-1", 512, data);
}

static void the_first_failure_is_final_and_nothing_is_tried_again(void **state)
{
    struct disk_bench *bench = *state;
    const struct {
        enum disk_call call;
        int failure;
    } cases[] = {
        {DISK_CALL_WRITE, EIO},
        {DISK_CALL_WRITE, ENOSPC},
        {DISK_CALL_SYNC, EIO},
        {DISK_CALL_OPEN, EMFILE},
    };
    char data[] = "x";
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bench->fail_call = cases[i].call;
        bench->fail_errno = cases[i].failure;
        bench->is_once = true; /* a second try would succeed, and must not be made */
        bench->op_count = 0;
        bench->done_count = 0;
        memset(bench->calls, 0, sizeof(bench->calls));
        disk_bench_submit(bench, DISK_WRITE, "log-1", 512, (struct disk_part){data, 1});
        disk_bench_wait(bench);
        assert_int_equal(bench->ops[0].status, QR_ERR_IO);
        int calls = bench->calls[DISK_CALL_WRITE] + bench->calls[DISK_CALL_SYNC];
        disk_bench_submit(bench, DISK_WRITE, "log-1", 513, (struct disk_part){data, 1});
        disk_bench_submit(bench, DISK_PREPARE, "log-9", 0,
                          (struct disk_part){NULL, DISK_BENCH_FILE_BYTES});
        disk_bench_wait(bench);
        assert_int_equal(bench->ops[1].status, QR_ERR_IO);
        assert_int_equal(bench->ops[2].status, QR_ERR_IO);
        assert_int_equal(bench->calls[DISK_CALL_WRITE] + bench->calls[DISK_CALL_SYNC], calls);
        assert_int_equal(disk_replace(bench->interface, "id", "x", 1), QR_ERR_IO);

        disk_bench_restart(bench);
    }
}

static void a_failure_in_a_group_fails_all_of_the_group(void **state)
{
    struct disk_bench *bench = *state;
    disk_bench_hold_writer(bench);
    char data[] = "abc";
    disk_bench_submit(bench, DISK_WRITE, "log-1", 512, (struct disk_part){data, 1});
    disk_bench_submit(bench, DISK_WRITE, "log-1", 1024, (struct disk_part){data, 1});
    bench->fail_call = DISK_CALL_SYNC;
    bench->fail_errno = EIO;
    bench->fail_after = 1; /* that of the write that is held passes */
    disk_bench_release_writer(bench);
    disk_bench_wait(bench);
    assert_int_equal(bench->ops[0].status, 0);
    assert_int_equal(bench->ops[1].status, QR_ERR_IO);
    assert_int_equal(bench->ops[2].status, QR_ERR_IO);
}

static void what_is_submitted_before_the_start_is_done_after_it(void **state)
{
    struct disk_bench *bench = *state;
    disk_posix_close(bench->disk, NULL, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(disk_bench_open(bench, false), 0);
    struct disk_op *op = disk_bench_submit(bench, DISK_PREPARE, "log-2", 0,
                                           (struct disk_part){NULL, DISK_BENCH_FILE_BYTES});
    assert_int_equal(disk_posix_start(bench->disk, &bench->loop), 0);
    disk_bench_wait(bench);
    assert_int_equal(op->status, 0);
}

static void many_files_share_few_descriptors(void **state)
{
    struct disk_bench *bench = *state;
    char data[] = "x";
    for (int i = 0; i < 40; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "many-%d", i);
        assert_int_equal(bench->interface->prepare(bench->disk, name, 4096), 0);
    }
    disk_bench_hold_writer(bench);
    for (int i = 0; i < 40; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "many-%d", i);
        disk_bench_submit(bench, DISK_WRITE, name, 0, (struct disk_part){data, 1});
    }
    disk_bench_release_writer(bench);
    disk_bench_wait(bench);
    for (size_t i = 0; i < bench->op_count; i++) {
        assert_ptr_equal(bench->done[i], &bench->ops[i]);
        assert_int_equal(bench->ops[i].status, 0);
    }
}

/* Each with both drivers. */
#define DISK_TEST(name)                                                                            \
    cmocka_unit_test_setup_teardown(name, disk_bench_setup, disk_bench_teardown),                  \
        cmocka_unit_test_setup_teardown(name, disk_bench_setup_direct, disk_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DISK_TEST(what_waits_is_one_write_and_one_sync_and_reported_in_order),
        DISK_TEST(a_round_of_writing_counts_when_it_is_over),
        DISK_TEST(a_gap_or_another_file_is_another_write),
        DISK_TEST(a_write_that_asks_for_no_sync_gets_none),
        DISK_TEST(a_read_does_not_wait_for_a_write),
        DISK_TEST(a_read_behind_the_end_is_damage),
        DISK_TEST(short_writes_are_continued),
        DISK_TEST(the_first_failure_is_final_and_nothing_is_tried_again),
        DISK_TEST(a_failure_in_a_group_fails_all_of_the_group),
        DISK_TEST(what_is_submitted_before_the_start_is_done_after_it),
        DISK_TEST(many_files_share_few_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
