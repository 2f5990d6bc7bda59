/* test_runtime_disk.c: real files: group commit, order, and failures that stay failures. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/disk_posix.h"
#include "runtime/memory.h"

#define OPS_MAX 64
#define FILE_BYTES 65536

/* A directory with a disk over it, and a hook that counts, fails and holds calls. */
struct bench {
    char directory[64];
    uv_loop_t loop;
    struct disk_posix *disk;
    const struct disk *interface;
    char detail[DISK_DETAIL_BYTES];

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int calls[DISK_CALL_SYNC_DIRECTORY + 1];
    enum disk_call fail_call;
    int fail_errno; /* 0: none fails */
    int fail_after; /* so many of them pass first */
    bool is_once;
    size_t write_bytes_max; /* 0: any */
    bool is_holding;        /* the first write waits until it is released */
    bool has_held;

    struct disk_op ops[OPS_MAX];
    struct disk_part parts[OPS_MAX];
    size_t op_count;
    struct disk_op *done[OPS_MAX];
    size_t done_count;
};

static int before(void *context, enum disk_call call, const char *name, size_t *size_bytes)
{
    struct bench *bench = context;
    int result = 0;
    (void)name;
    pthread_mutex_lock(&bench->mutex);
    bench->calls[call]++;
    if (call == DISK_CALL_WRITE) {
        bench->has_held = bench->has_held || bench->is_holding;
        pthread_cond_broadcast(&bench->changed);
        while (bench->is_holding) {
            pthread_cond_wait(&bench->changed, &bench->mutex);
        }
        if (bench->write_bytes_max > 0) {
            *size_bytes = bench->write_bytes_max;
        }
    }
    if (bench->fail_errno != 0 && call == bench->fail_call && bench->fail_after-- <= 0) {
        result = bench->fail_errno;
        if (bench->is_once) {
            bench->fail_errno = 0;
        }
    }
    pthread_mutex_unlock(&bench->mutex);
    return result;
}

static int open_bench(struct bench *bench, bool is_read_only)
{
    struct disk_posix_options options = {
        .allocator = &runtime_allocator,
        .directory = bench->directory,
        .is_read_only = is_read_only,
        .fault = {bench, before},
    };
    int status = disk_posix_open(&options, &bench->disk, bench->detail);
    if (status == 0) {
        bench->interface = disk_posix_disk(bench->disk);
    }
    return status;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    pthread_mutex_init(&bench->mutex, NULL);
    pthread_cond_init(&bench->changed, NULL);
    (void)snprintf(bench->directory, sizeof(bench->directory), "/tmp/quorate-disk-XXXXXX");
    assert_non_null(mkdtemp(bench->directory));
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    assert_int_equal(open_bench(bench, false), 0);
    assert_int_equal(disk_posix_start(bench->disk, &bench->loop), 0);
    assert_int_equal(bench->interface->prepare(bench->disk, "log-1", FILE_BYTES), 0);
    memset(bench->calls, 0, sizeof(bench->calls));
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    if (bench->disk != NULL) {
        disk_posix_close(bench->disk, NULL, NULL);
    }
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -r %s", bench->directory);
    assert_int_equal(system(command), 0);
    free(bench);
    return 0;
}

static void on_done(struct disk_op *op)
{
    struct bench *bench = op->context;
    ASSERT(bench->done_count < OPS_MAX);
    bench->done[bench->done_count++] = op;
}

static struct disk_op *submit(struct bench *bench, enum disk_op_kind kind, const char *name,
                              uint64_t offset, void *data, size_t size_bytes)
{
    ASSERT(bench->op_count < OPS_MAX);
    struct disk_op *op = &bench->ops[bench->op_count];
    bench->parts[bench->op_count] = (struct disk_part){data, size_bytes};
    *op = (struct disk_op){
        .kind = kind,
        .is_synced = kind == DISK_WRITE,
        .offset = offset,
        .size_bytes = size_bytes,
        .parts = &bench->parts[bench->op_count],
        .part_count = kind == DISK_WRITE || kind == DISK_READ ? 1 : 0,
        .status = 12345,
        .done = on_done,
        .context = bench,
    };
    (void)snprintf(op->name, sizeof(op->name), "%s", name);
    bench->op_count++;
    bench->interface->submit(bench->disk, op);
    return op;
}

static void wait_for_all(struct bench *bench)
{
    while (bench->done_count < bench->op_count) {
        uv_run(&bench->loop, UV_RUN_ONCE);
    }
}

/* Let the writer take one operation and stay in its first write. */
static void hold_writer(struct bench *bench)
{
    pthread_mutex_lock(&bench->mutex);
    bench->is_holding = true;
    pthread_mutex_unlock(&bench->mutex);
    submit(bench, DISK_WRITE, "log-1", 0, bench->directory, 8);
    pthread_mutex_lock(&bench->mutex);
    while (!bench->has_held) {
        pthread_cond_wait(&bench->changed, &bench->mutex);
    }
    pthread_mutex_unlock(&bench->mutex);
}

static void release_writer(struct bench *bench)
{
    pthread_mutex_lock(&bench->mutex);
    bench->is_holding = false;
    pthread_cond_broadcast(&bench->changed);
    pthread_mutex_unlock(&bench->mutex);
}

static void check_content(struct bench *bench, const char *name, uint64_t offset,
                          const char *expected)
{
    char got[64];
    size_t length = strlen(expected);
    size_t read_bytes = 0;
    assert_int_equal(bench->interface->read(bench->disk, name, offset,
                                            (struct disk_part){got, length}, &read_bytes),
                     0);
    assert_int_equal(read_bytes, length);
    assert_memory_equal(got, expected, length);
}

static void what_waits_is_one_write_and_one_sync_and_reported_in_order(void **state)
{
    struct bench *bench = *state;
    hold_writer(bench);
    char data[] = "abcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < 20; i++) {
        submit(bench, DISK_WRITE, "log-1", 512 + i, data + i, 1);
    }
    release_writer(bench);
    wait_for_all(bench);
    assert_int_equal(bench->calls[DISK_CALL_WRITE], 2);
    assert_int_equal(bench->calls[DISK_CALL_SYNC], 2);
    struct disk_posix_stats stats;
    disk_posix_stats(bench->disk, &stats);
    assert_int_equal(stats.sync_calls, 2);
    for (size_t i = 0; i < bench->op_count; i++) {
        assert_ptr_equal(bench->done[i], &bench->ops[i]);
        assert_int_equal(bench->ops[i].status, 0);
    }
    check_content(bench, "log-1", 512, "abcdefghijklmnopqrst");
}

static void a_gap_or_another_file_is_another_write(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(bench->interface->prepare(bench->disk, "log-2", FILE_BYTES), 0);
    memset(bench->calls, 0, sizeof(bench->calls));
    hold_writer(bench);
    char data[] = "abc";
    submit(bench, DISK_WRITE, "log-1", 512, data, 1);
    submit(bench, DISK_WRITE, "log-1", 1024, data + 1, 1);
    submit(bench, DISK_WRITE, "log-2", 1025, data + 2, 1);
    release_writer(bench);
    wait_for_all(bench);
    assert_int_equal(bench->calls[DISK_CALL_WRITE], 4);
    assert_int_equal(bench->calls[DISK_CALL_SYNC], 3);
    check_content(bench, "log-1", 512, "a");
    check_content(bench, "log-1", 1024, "b");
    check_content(bench, "log-2", 1025, "c");
}

static void a_write_that_asks_for_no_sync_gets_none(void **state)
{
    struct bench *bench = *state;
    hold_writer(bench);
    release_writer(bench);
    wait_for_all(bench);
    int syncs = bench->calls[DISK_CALL_SYNC];
    char data[] = "x";
    struct disk_op *op = &bench->ops[bench->op_count];
    bench->parts[bench->op_count] = (struct disk_part){data, 1};
    *op = (struct disk_op){.kind = DISK_WRITE,
                           .name = "log-1",
                           .offset = 512,
                           .parts = &bench->parts[bench->op_count],
                           .part_count = 1,
                           .done = on_done,
                           .context = bench};
    bench->op_count++;
    bench->interface->submit(bench->disk, op);
    wait_for_all(bench);
    assert_int_equal(op->status, 0);
    assert_int_equal(bench->calls[DISK_CALL_SYNC], syncs);
    check_content(bench, "log-1", 512, "x");
}

static void a_read_does_not_wait_for_a_write(void **state)
{
    struct bench *bench = *state;
    char data[4] = "";
    hold_writer(bench);
    struct disk_op *read = submit(bench, DISK_READ, "log-1", 512, data, sizeof(data));
    while (bench->done_count == 0) {
        uv_run(&bench->loop, UV_RUN_ONCE);
    }
    assert_ptr_equal(bench->done[0], read);
    assert_int_equal(read->status, 0);
    release_writer(bench);
    wait_for_all(bench);
}

static void a_read_behind_the_end_is_damage(void **state)
{
    struct bench *bench = *state;
    char data[16];
    struct disk_op *read = submit(bench, DISK_READ, "log-1", FILE_BYTES - 8, data, sizeof(data));
    wait_for_all(bench);
    assert_int_equal(read->status, QR_ERR_CORRUPT);
}

static void short_writes_are_continued(void **state)
{
    struct bench *bench = *state;
    bench->write_bytes_max = 3;
    char data[] = "a longer text than that";
    submit(bench, DISK_WRITE, "log-1", 512, data, strlen(data));
    wait_for_all(bench);
    assert_int_equal(bench->ops[0].status, 0);
    assert_true(bench->calls[DISK_CALL_WRITE] >= 8);
    check_content(bench, "log-1", 512, data);
}

static void the_first_failure_is_final_and_nothing_is_tried_again(void **state)
{
    struct bench *bench = *state;
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
        submit(bench, DISK_WRITE, "log-1", 512, data, 1);
        wait_for_all(bench);
        assert_int_equal(bench->ops[0].status, QR_ERR_IO);
        int calls = bench->calls[DISK_CALL_WRITE] + bench->calls[DISK_CALL_SYNC];
        submit(bench, DISK_WRITE, "log-1", 513, data, 1);
        submit(bench, DISK_PREPARE, "log-9", 0, NULL, FILE_BYTES);
        wait_for_all(bench);
        assert_int_equal(bench->ops[1].status, QR_ERR_IO);
        assert_int_equal(bench->ops[2].status, QR_ERR_IO);
        assert_int_equal(bench->calls[DISK_CALL_WRITE] + bench->calls[DISK_CALL_SYNC], calls);
        assert_int_equal(bench->interface->replace(bench->disk, "id", "x", 1), QR_ERR_IO);

        disk_posix_close(bench->disk, NULL, NULL);
        uv_run(&bench->loop, UV_RUN_DEFAULT);
        bench->disk = NULL;
        assert_int_equal(open_bench(bench, false), 0);
        assert_int_equal(disk_posix_start(bench->disk, &bench->loop), 0);
    }
}

static void a_failure_in_a_group_fails_all_of_the_group(void **state)
{
    struct bench *bench = *state;
    hold_writer(bench);
    char data[] = "abc";
    submit(bench, DISK_WRITE, "log-1", 512, data, 1);
    submit(bench, DISK_WRITE, "log-1", 1024, data, 1);
    bench->fail_call = DISK_CALL_SYNC;
    bench->fail_errno = EIO;
    bench->fail_after = 1; /* that of the write that is held passes */
    release_writer(bench);
    wait_for_all(bench);
    assert_int_equal(bench->ops[0].status, 0);
    assert_int_equal(bench->ops[1].status, QR_ERR_IO);
    assert_int_equal(bench->ops[2].status, QR_ERR_IO);
}

static void a_file_is_prepared_full_of_zeros_under_its_name(void **state)
{
    struct bench *bench = *state;
    struct disk_op *op = submit(bench, DISK_PREPARE, "log-2", 0, NULL, 3 * 1048576 + 512);
    wait_for_all(bench);
    assert_int_equal(op->status, 0);
    assert_int_equal(bench->calls[DISK_CALL_WRITE], 4);
    assert_int_equal(bench->calls[DISK_CALL_SYNC], 1);
    assert_int_equal(bench->calls[DISK_CALL_SYNC_DIRECTORY], 1);
    char path[128];
    struct stat stat_of;
    (void)snprintf(path, sizeof(path), "%s/log-2", bench->directory);
    assert_int_equal(stat(path, &stat_of), 0);
    assert_int_equal(stat_of.st_size, 3 * 1048576 + 512);
    assert_int_equal(stat_of.st_mode & 0777, 0600);
    assert_true(stat_of.st_blocks * 512 >= stat_of.st_size);
}

static void a_prepared_file_takes_the_place_of_one_that_is_open(void **state)
{
    struct bench *bench = *state;
    char data[] = "old";
    submit(bench, DISK_WRITE, "log-1", 0, data, 3);
    wait_for_all(bench);
    submit(bench, DISK_PREPARE, "log-1", 0, NULL, FILE_BYTES);
    wait_for_all(bench);
    submit(bench, DISK_WRITE, "log-1", 512, data, 3);
    wait_for_all(bench);
    check_content(bench, "log-1", 512, "old");
    char first[3];
    size_t got = 0;
    assert_int_equal(
        bench->interface->read(bench->disk, "log-1", 0, (struct disk_part){first, 3}, &got), 0);
    assert_memory_equal(first, "\0\0\0", 3);
}

static void a_full_disk_fails_preparing_and_nothing_else(void **state)
{
    struct bench *bench = *state;
    bench->fail_call = DISK_CALL_WRITE;
    bench->fail_errno = ENOSPC;
    bench->fail_after = 1;
    bench->is_once = true;
    struct disk_op *op = submit(bench, DISK_PREPARE, "log-2", 0, NULL, 3 * 1048576);
    wait_for_all(bench);
    assert_int_equal(op->status, QR_ERR_DISK_FULL);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/log-2.tmp", bench->directory);
    assert_int_equal(access(path, F_OK), -1);
    char data[] = "x";
    op = submit(bench, DISK_WRITE, "log-1", 512, data, 1);
    wait_for_all(bench);
    assert_int_equal(op->status, 0);
    op = submit(bench, DISK_PREPARE, "log-2", 0, NULL, FILE_BYTES);
    wait_for_all(bench);
    assert_int_equal(op->status, 0);
}

static void a_failed_sync_in_preparing_is_final_too(void **state)
{
    struct bench *bench = *state;
    bench->fail_call = DISK_CALL_SYNC;
    bench->fail_errno = EIO;
    bench->is_once = true;
    struct disk_op *op = submit(bench, DISK_PREPARE, "log-2", 0, NULL, FILE_BYTES);
    wait_for_all(bench);
    assert_int_equal(op->status, QR_ERR_IO);
    char data[] = "x";
    op = submit(bench, DISK_WRITE, "log-1", 512, data, 1);
    wait_for_all(bench);
    assert_int_equal(op->status, QR_ERR_IO);
}

static void a_removed_file_is_gone(void **state)
{
    struct bench *bench = *state;
    struct disk_op *op = submit(bench, DISK_REMOVE, "log-1", 0, NULL, 0);
    wait_for_all(bench);
    assert_int_equal(op->status, 0);
    char data[1];
    size_t got = 0;
    assert_int_equal(
        bench->interface->read(bench->disk, "log-1", 0, (struct disk_part){data, 1}, &got),
        QR_ERR_NOT_FOUND);
    assert_int_equal(bench->calls[DISK_CALL_SYNC_DIRECTORY], 1);
}

static void replacing_is_all_or_nothing(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(bench->interface->replace(bench->disk, "id", "one", 3), 0);
    assert_int_equal(bench->interface->replace(bench->disk, "id", "two!", 4), 0);
    check_content(bench, "id", 0, "two!");
    bench->fail_call = DISK_CALL_WRITE;
    bench->fail_errno = ENOSPC;
    bench->is_once = true;
    assert_int_equal(bench->interface->replace(bench->disk, "id", "three", 5), QR_ERR_DISK_FULL);
    check_content(bench, "id", 0, "two!");
    bench->fail_call = DISK_CALL_RENAME;
    bench->fail_errno = EIO;
    assert_int_equal(bench->interface->replace(bench->disk, "id", "three", 5), QR_ERR_IO);
    check_content(bench, "id", 0, "two!");
}

static void count_file(void *argument, const char *name, uint64_t size_bytes)
{
    int *count = argument;
    assert_string_equal(name, "log-1");
    assert_int_equal(size_bytes, FILE_BYTES);
    (*count)++;
}

static void a_list_shows_neither_the_lock_nor_unfinished_files(void **state)
{
    struct bench *bench = *state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/log-7.tmp", bench->directory);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    int count = 0;
    assert_int_equal(bench->interface->list(bench->disk, count_file, &count), 0);
    assert_int_equal(count, 1);

    disk_posix_close(bench->disk, NULL, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    bench->disk = NULL;
    struct disk_posix *kept = NULL;
    assert_int_equal(open_bench(bench, true), 0);
    assert_int_equal(access(path, F_OK), 0); /* who only reads removes nothing */
    kept = bench->disk;
    bench->disk = NULL;
    disk_posix_free(kept);
    assert_int_equal(open_bench(bench, false), 0);
    assert_int_equal(access(path, F_OK), -1);
    disk_posix_free(bench->disk);
    bench->disk = NULL;
}

static void a_directory_has_one_user_and_says_who(void **state)
{
    struct bench *bench = *state;
    struct disk_posix *first = bench->disk;
    const struct disk *interface = bench->interface;
    char pid[32];
    (void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_int_equal(open_bench(bench, false), QR_ERR_LOCKED);
    assert_non_null(strstr(bench->detail, pid));
    assert_int_equal(open_bench(bench, true), QR_ERR_LOCKED);
    bench->disk = first;
    bench->interface = interface;
}

static void a_missing_directory_is_made_for_a_writer_only(void **state)
{
    struct bench *bench = *state;
    char directory[128];
    struct disk_posix *disk = NULL;
    (void)snprintf(directory, sizeof(directory), "%s/inner", bench->directory);
    struct disk_posix_options options = {
        .allocator = &runtime_allocator,
        .directory = directory,
        .is_read_only = true,
    };
    assert_int_equal(disk_posix_open(&options, &disk, bench->detail), QR_ERR_NOT_FOUND);
    options.is_read_only = false;
    assert_int_equal(disk_posix_open(&options, &disk, bench->detail), 0);
    struct stat stat_of;
    assert_int_equal(stat(directory, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 0777, 0700);
    disk_posix_free(disk);
}

static void what_is_submitted_before_the_start_is_done_after_it(void **state)
{
    struct bench *bench = *state;
    disk_posix_close(bench->disk, NULL, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(open_bench(bench, false), 0);
    struct disk_op *op = submit(bench, DISK_PREPARE, "log-2", 0, NULL, FILE_BYTES);
    assert_int_equal(disk_posix_start(bench->disk, &bench->loop), 0);
    wait_for_all(bench);
    assert_int_equal(op->status, 0);
}

static void many_files_share_few_descriptors(void **state)
{
    struct bench *bench = *state;
    char data[] = "x";
    for (int i = 0; i < 40; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "many-%d", i);
        assert_int_equal(bench->interface->prepare(bench->disk, name, 4096), 0);
    }
    hold_writer(bench);
    for (int i = 0; i < 40; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "many-%d", i);
        submit(bench, DISK_WRITE, name, 0, data, 1);
    }
    release_writer(bench);
    wait_for_all(bench);
    for (size_t i = 0; i < bench->op_count; i++) {
        assert_ptr_equal(bench->done[i], &bench->ops[i]);
        assert_int_equal(bench->ops[i].status, 0);
    }
}

#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DISK_TEST(what_waits_is_one_write_and_one_sync_and_reported_in_order),
        DISK_TEST(a_gap_or_another_file_is_another_write),
        DISK_TEST(a_write_that_asks_for_no_sync_gets_none),
        DISK_TEST(a_read_does_not_wait_for_a_write),
        DISK_TEST(a_read_behind_the_end_is_damage),
        DISK_TEST(short_writes_are_continued),
        DISK_TEST(the_first_failure_is_final_and_nothing_is_tried_again),
        DISK_TEST(a_failure_in_a_group_fails_all_of_the_group),
        DISK_TEST(a_file_is_prepared_full_of_zeros_under_its_name),
        DISK_TEST(a_prepared_file_takes_the_place_of_one_that_is_open),
        DISK_TEST(a_full_disk_fails_preparing_and_nothing_else),
        DISK_TEST(a_failed_sync_in_preparing_is_final_too),
        DISK_TEST(a_removed_file_is_gone),
        DISK_TEST(replacing_is_all_or_nothing),
        DISK_TEST(a_list_shows_neither_the_lock_nor_unfinished_files),
        DISK_TEST(a_directory_has_one_user_and_says_who),
        DISK_TEST(a_missing_directory_is_made_for_a_writer_only),
        DISK_TEST(what_is_submitted_before_the_start_is_done_after_it),
        DISK_TEST(many_files_share_few_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
