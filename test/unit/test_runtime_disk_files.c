/* test_runtime_disk_files.c: whole files and the directory: prepared, replaced, listed, locked. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quorate/error.h"
#include "runtime/memory.h"
#include "support/disk_bench.h"

static void a_file_is_prepared_full_of_zeros_under_its_name(void **state)
{
    struct disk_bench *bench = *state;
    struct disk_op *op = disk_bench_submit(bench, DISK_PREPARE, "log-2", 0,
                                           (struct disk_part){NULL, 3 * 1048576 + 512});
    disk_bench_wait(bench);
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
    struct disk_bench *bench = *state;
    char data[] = "old";
    disk_bench_submit(bench, DISK_WRITE, "log-1", 0, (struct disk_part){data, 3});
    disk_bench_wait(bench);
    disk_bench_submit(bench, DISK_PREPARE, "log-1", 0,
                      (struct disk_part){NULL, DISK_BENCH_FILE_BYTES});
    disk_bench_wait(bench);
    disk_bench_submit(bench, DISK_WRITE, "log-1", 512, (struct disk_part){data, 3});
    disk_bench_wait(bench);
    disk_bench_check(bench, "log-1", 512, "old");
    char first[3];
    size_t got = 0;
    assert_int_equal(
        bench->interface->read(bench->disk, "log-1", 0, (struct disk_part){first, 3}, &got), 0);
    assert_memory_equal(first, "\0\0\0", 3);
}

static void a_full_disk_fails_preparing_and_nothing_else(void **state)
{
    struct disk_bench *bench = *state;
    bench->fail_call = DISK_CALL_WRITE;
    bench->fail_errno = ENOSPC;
    bench->fail_after = 1;
    bench->is_once = true;
    struct disk_op *op =
        disk_bench_submit(bench, DISK_PREPARE, "log-2", 0, (struct disk_part){NULL, 3 * 1048576});
    disk_bench_wait(bench);
    assert_int_equal(op->status, QR_ERR_DISK_FULL);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/log-2.tmp", bench->directory);
    assert_int_equal(access(path, F_OK), -1);
    char data[] = "x";
    op = disk_bench_submit(bench, DISK_WRITE, "log-1", 512, (struct disk_part){data, 1});
    disk_bench_wait(bench);
    assert_int_equal(op->status, 0);
    op = disk_bench_submit(bench, DISK_PREPARE, "log-2", 0,
                           (struct disk_part){NULL, DISK_BENCH_FILE_BYTES});
    disk_bench_wait(bench);
    assert_int_equal(op->status, 0);
}

static void a_failed_sync_in_preparing_is_final_too(void **state)
{
    struct disk_bench *bench = *state;
    bench->fail_call = DISK_CALL_SYNC;
    bench->fail_errno = EIO;
    bench->is_once = true;
    struct disk_op *op = disk_bench_submit(bench, DISK_PREPARE, "log-2", 0,
                                           (struct disk_part){NULL, DISK_BENCH_FILE_BYTES});
    disk_bench_wait(bench);
    assert_int_equal(op->status, QR_ERR_IO);
    char data[] = "x";
    op = disk_bench_submit(bench, DISK_WRITE, "log-1", 512, (struct disk_part){data, 1});
    disk_bench_wait(bench);
    assert_int_equal(op->status, QR_ERR_IO);
}

static void a_removed_file_is_gone(void **state)
{
    struct disk_bench *bench = *state;
    struct disk_op *op =
        disk_bench_submit(bench, DISK_REMOVE, "log-1", 0, (struct disk_part){NULL, 0});
    disk_bench_wait(bench);
    assert_int_equal(op->status, 0);
    char data[1];
    size_t got = 0;
    assert_int_equal(
        bench->interface->read(bench->disk, "log-1", 0, (struct disk_part){data, 1}, &got),
        QR_ERR_NOT_FOUND);
    assert_int_equal(bench->calls[DISK_CALL_SYNC_DIRECTORY], 1);
}

static struct disk_op *store(struct disk_bench *bench, uint64_t offset, char *text)
{
    return disk_bench_submit(bench, DISK_STORE, "whole", offset,
                             (struct disk_part){text, strlen(text)});
}

static void a_file_is_stored_aside_and_then_has_its_name(void **state)
{
    struct disk_bench *bench = *state;
    char first[] = "one, ";
    char second[] = "two";
    char data[3];
    size_t got = 0;
    const struct disk *disk = bench->interface;
    for (int i = 0; i < 2; i++) {
        struct disk_op *one = store(bench, 0, first);
        struct disk_op *two = store(bench, 5, second);
        disk_bench_wait(bench);
        assert_int_equal(one->status, 0);
        assert_int_equal(two->status, 0);
        assert_int_equal(disk->read(bench->disk, "whole", 0, (struct disk_part){data, 3}, &got),
                         i == 0 ? QR_ERR_NOT_FOUND : 0);
        struct disk_op *last =
            disk_bench_submit(bench, DISK_PUBLISH, "whole", 0, (struct disk_part){NULL, 0});
        disk_bench_wait(bench);
        assert_int_equal(last->status, 0);
        disk_bench_check(bench, "whole", 0, i == 0 ? "one, two" : "One,+two");
        first[0] = 'O'; /* and once more, in its place */
        first[4] = '+';
    }
    assert_int_equal(bench->calls[DISK_CALL_SYNC], 4);
    assert_int_equal(bench->calls[DISK_CALL_RENAME], 2);
    assert_int_equal(bench->calls[DISK_CALL_SYNC_DIRECTORY], 2);
}

static void what_is_stored_aside_can_be_removed(void **state)
{
    struct disk_bench *bench = *state;
    char text[] = "half";
    char path[128];
    store(bench, 0, text);
    disk_bench_wait(bench);
    (void)snprintf(path, sizeof(path), "%s/whole.tmp", bench->directory);
    assert_int_equal(access(path, F_OK), 0);
    for (int i = 0; i < 2; i++) {
        struct disk_op *op =
            disk_bench_submit(bench, DISK_REMOVE, "whole.tmp", 0, (struct disk_part){NULL, 0});
        disk_bench_wait(bench);
        assert_int_equal(op->status, 0);
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void a_full_disk_fails_storing_and_nothing_else(void **state)
{
    static const enum disk_call calls[] = {DISK_CALL_OPEN, DISK_CALL_WRITE, DISK_CALL_SYNC};
    struct disk_bench *bench = *state;
    char text[] = "text";
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        bench->fail_call = calls[i];
        bench->fail_errno = ENOSPC;
        bench->fail_after = 0;
        bench->is_once = true;
        struct disk_op *op = store(bench, 0, text);
        disk_bench_wait(bench);
        assert_int_equal(op->status, QR_ERR_DISK_FULL);
        op = disk_bench_submit(bench, DISK_WRITE, "log-1", 0, (struct disk_part){text, 4});
        disk_bench_wait(bench);
        assert_int_equal(op->status, 0);
    }
}

static void a_failed_sync_of_what_is_stored_is_final_too(void **state)
{
    struct disk_bench *bench = *state;
    char text[] = "text";
    bench->fail_call = DISK_CALL_SYNC;
    bench->fail_errno = EIO;
    bench->is_once = true;
    struct disk_op *op = store(bench, 0, text);
    disk_bench_wait(bench);
    assert_int_equal(op->status, QR_ERR_IO);
    op = disk_bench_submit(bench, DISK_PUBLISH, "whole", 0, (struct disk_part){NULL, 0});
    struct disk_op *more = store(bench, 4, text);
    disk_bench_wait(bench);
    assert_int_equal(op->status, QR_ERR_IO);
    assert_int_equal(more->status, QR_ERR_IO);
    assert_int_equal(bench->calls[DISK_CALL_RENAME], 0);
    assert_int_equal(bench->calls[DISK_CALL_SYNC], 1);
}

static void the_log_does_not_wait_for_what_is_stored(void **state)
{
    struct disk_bench *bench = *state;
    char text[] = "text";
    bench->held_name = "whole.tmp";
    bench->is_holding = true;
    struct disk_op *held = store(bench, 0, text);
    struct disk_op *write =
        disk_bench_submit(bench, DISK_WRITE, "log-1", 0, (struct disk_part){text, 4});
    struct disk_op *prepare = disk_bench_submit(bench, DISK_PREPARE, "log-2", 0,
                                                (struct disk_part){NULL, DISK_BENCH_FILE_BYTES});
    while (bench->done_count < 2) {
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
    }
    assert_true(bench->done[0] != held && bench->done[1] != held);
    assert_int_equal(write->status, 0);
    assert_int_equal(prepare->status, 0);
    disk_bench_release_writer(bench);
    disk_bench_wait(bench);
    assert_int_equal(held->status, 0);
}

static void replacing_is_all_or_nothing(void **state)
{
    struct disk_bench *bench = *state;
    assert_int_equal(disk_replace(bench->interface, "id", "one", 3), 0);
    assert_int_equal(disk_replace(bench->interface, "id", "two!", 4), 0);
    disk_bench_check(bench, "id", 0, "two!");
    bench->fail_call = DISK_CALL_WRITE;
    bench->fail_errno = ENOSPC;
    bench->is_once = true;
    assert_int_equal(disk_replace(bench->interface, "id", "three", 5), QR_ERR_DISK_FULL);
    disk_bench_check(bench, "id", 0, "two!");
    bench->fail_call = DISK_CALL_RENAME;
    bench->fail_errno = EIO;
    assert_int_equal(disk_replace(bench->interface, "id", "three", 5), QR_ERR_IO);
    disk_bench_check(bench, "id", 0, "two!");
}

static void replacing_opens_writes_syncs_and_renames_once(void **state)
{
    struct disk_bench *bench = *state;
    static const enum disk_call steps[] = {DISK_CALL_OPEN, DISK_CALL_WRITE, DISK_CALL_SYNC,
                                           DISK_CALL_RENAME, DISK_CALL_SYNC_DIRECTORY};
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/id.tmp", bench->directory);
    int left = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(left, "longer than what follows", 24), 24);
    close(left);
    assert_int_equal(disk_replace(bench->interface, "id", "one", 3), 0);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        assert_int_equal(bench->calls[steps[i]], 1);
    }
    struct stat stat_of;
    assert_int_equal(access(path, F_OK), -1);
    (void)snprintf(path, sizeof(path), "%s/id", bench->directory);
    assert_int_equal(stat(path, &stat_of), 0);
    assert_int_equal(stat_of.st_size, 3);
    disk_bench_check(bench, "id", 0, "one");
}

static void a_failed_sync_in_replacing_is_final_too(void **state)
{
    struct disk_bench *bench = *state;
    assert_int_equal(disk_replace(bench->interface, "id", "one", 3), 0);
    bench->fail_call = DISK_CALL_SYNC;
    bench->fail_errno = EIO;
    bench->is_once = true;
    assert_int_equal(disk_replace(bench->interface, "id", "two", 3), QR_ERR_IO);
    memset(bench->calls, 0, sizeof(bench->calls));
    assert_int_equal(disk_replace(bench->interface, "id", "two", 3), QR_ERR_IO);
    assert_int_equal(bench->calls[DISK_CALL_OPEN] + bench->calls[DISK_CALL_WRITE], 0);
    disk_bench_check(bench, "id", 0, "one");
}

static void count_file(void *argument, const char *name, uint64_t size_bytes)
{
    int *count = argument;
    assert_string_equal(name, "log-1");
    assert_int_equal(size_bytes, DISK_BENCH_FILE_BYTES);
    (*count)++;
}

static void a_list_shows_neither_the_lock_nor_unfinished_files(void **state)
{
    struct disk_bench *bench = *state;
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
    assert_int_equal(disk_bench_open(bench, true), 0);
    assert_int_equal(access(path, F_OK), 0); /* who only reads removes nothing */
    kept = bench->disk;
    bench->disk = NULL;
    disk_posix_free(kept);
    assert_int_equal(disk_bench_open(bench, false), 0);
    assert_int_equal(access(path, F_OK), 0); /* it may yet be refused: nothing is changed */
    assert_int_equal(disk_posix_start(bench->disk, &bench->loop), 0);
    assert_int_equal(access(path, F_OK), -1);
}

/* How many pages of the file are in memory, without reading any. */
static size_t cached_pages(const struct disk_bench *bench, const char *name)
{
    enum { PAGES = DISK_BENCH_FILE_BYTES / 4096 };
    char path[128];
    unsigned char resident[PAGES];
    (void)snprintf(path, sizeof(path), "%s/%s", bench->directory, name);
    int descriptor = open(path, O_RDWR);
    void *mapped =
        mmap(NULL, DISK_BENCH_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    assert_ptr_not_equal(mapped, MAP_FAILED);
    assert_int_equal(mincore(mapped, DISK_BENCH_FILE_BYTES, resident), 0);
    size_t count = 0;
    for (size_t i = 0; i < PAGES; i++) {
        count += resident[i] & 1;
    }
    munmap(mapped, DISK_BENCH_FILE_BYTES);
    close(descriptor);
    return count;
}

/* Whether the kernel drops anything here: a file system in memory has nowhere to go. */
static bool can_drop(const struct disk_bench *bench)
{
    char path[128];
    char byte = 0;
    (void)snprintf(path, sizeof(path), "%s/log-1", bench->directory);
    int descriptor = open(path, O_RDONLY);
    assert_int_equal(posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED), 0);
    bool is_dropped = cached_pages(bench, "log-1") == 0;
    assert_int_equal(pread(descriptor, &byte, 1, 0), 1);
    close(descriptor);
    return is_dropped;
}

static void a_start_reads_from_the_disk_and_not_what_is_cached(void **state)
{
    struct disk_bench *bench = *state;
    disk_posix_close(bench->disk, NULL, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    bench->disk = NULL;
    if (!can_drop(bench)) {
        skip(); /* nothing is dropped anywhere here, whatever a start does */
    }
    assert_true(cached_pages(bench, "log-1") > 0);
    assert_int_equal(disk_bench_open(bench, false), 0);
    assert_int_equal(disk_posix_start(bench->disk, &bench->loop), 0);
    assert_int_equal(cached_pages(bench, "log-1"), 0);
}

static void without_dropping_what_is_cached_there_is_no_start(void **state)
{
    struct disk_bench *bench = *state;
    disk_posix_close(bench->disk, NULL, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    bench->disk = NULL;
    bench->fail_call = DISK_CALL_DROP_CACHED;
    bench->fail_errno = EIO;
    bench->is_once = true;
    int status = disk_bench_open(bench, false);
    disk_posix_free(bench->disk);
    bench->disk = NULL;
    assert_int_equal(status, QR_ERR_IO);
    assert_int_equal(bench->calls[DISK_CALL_SYNC], 1);
    assert_int_equal(bench->calls[DISK_CALL_READ], 0);
}

static void a_directory_has_one_user_and_says_who(void **state)
{
    struct disk_bench *bench = *state;
    struct disk_posix *first = bench->disk;
    const struct disk *interface = bench->interface;
    char pid[32];
    (void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_int_equal(disk_bench_open(bench, false), QR_ERR_LOCKED);
    assert_non_null(strstr(bench->detail, pid));
    assert_int_equal(disk_bench_open(bench, true), QR_ERR_LOCKED);
    bench->disk = first;
    bench->interface = interface;
}

static void a_missing_directory_is_made_for_a_writer_only(void **state)
{
    struct disk_bench *bench = *state;
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

/* Each with both drivers. */
#define DISK_TEST(name)                                                                            \
    cmocka_unit_test_setup_teardown(name, disk_bench_setup, disk_bench_teardown),                  \
        cmocka_unit_test_setup_teardown(name, disk_bench_setup_direct, disk_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DISK_TEST(a_file_is_prepared_full_of_zeros_under_its_name),
        DISK_TEST(a_prepared_file_takes_the_place_of_one_that_is_open),
        DISK_TEST(a_full_disk_fails_preparing_and_nothing_else),
        DISK_TEST(a_failed_sync_in_preparing_is_final_too),
        DISK_TEST(a_removed_file_is_gone),
        DISK_TEST(a_file_is_stored_aside_and_then_has_its_name),
        DISK_TEST(what_is_stored_aside_can_be_removed),
        DISK_TEST(a_full_disk_fails_storing_and_nothing_else),
        DISK_TEST(a_failed_sync_of_what_is_stored_is_final_too),
        DISK_TEST(the_log_does_not_wait_for_what_is_stored),
        DISK_TEST(replacing_is_all_or_nothing),
        DISK_TEST(replacing_opens_writes_syncs_and_renames_once),
        DISK_TEST(a_failed_sync_in_replacing_is_final_too),
        DISK_TEST(a_list_shows_neither_the_lock_nor_unfinished_files),
        DISK_TEST(a_start_reads_from_the_disk_and_not_what_is_cached),
        DISK_TEST(without_dropping_what_is_cached_there_is_no_start),
        DISK_TEST(a_directory_has_one_user_and_says_who),
        DISK_TEST(a_missing_directory_is_made_for_a_writer_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
