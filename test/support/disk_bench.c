/* disk_bench.c: a real disk over a temporary directory, for tests. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/disk_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "runtime/memory.h"
#include "support/tally.h"
#include "support/unit.h"

static int before(void *context, enum disk_call call, const char *name, size_t *size_bytes)
{
    struct disk_bench *bench = context;
    int result = 0;
    (void)name;
    pthread_mutex_lock(&bench->mutex);
    bench->calls[call]++;
    if (call == DISK_CALL_WRITE) {
        bench->has_held = bench->has_held || bench->is_holding;
        pthread_cond_broadcast(&bench->changed);
        while (bench->is_holding &&
               (bench->held_name == NULL || strcmp(bench->held_name, name) == 0)) {
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

int disk_bench_open(struct disk_bench *bench, bool is_read_only)
{
    struct disk_posix_options options = {
        .allocator = &runtime_allocator,
        .directory = bench->directory,
        .is_read_only = is_read_only,
        .driver = bench->driver,
        .fault = {bench, before},
    };
    int status = disk_posix_open(&options, &bench->disk, bench->detail);
    if (status == 0) {
        bench->interface = disk_posix_disk(bench->disk);
    }
    return status;
}

static int setup(void **state, enum disk_driver driver)
{
    struct disk_bench *bench = calloc(1, sizeof(*bench));
    bench->driver = driver;
    pthread_mutex_init(&bench->mutex, NULL);
    pthread_cond_init(&bench->changed, NULL);
    (void)snprintf(bench->directory, sizeof(bench->directory), "/tmp/quorate-disk-XXXXXX");
    assert_non_null(mkdtemp(bench->directory));
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    assert_int_equal(disk_bench_open(bench, false), 0);
    assert_int_equal(disk_posix_start(bench->disk, &bench->loop), 0);
    assert_int_equal(bench->interface->prepare(bench->disk, "log-1", DISK_BENCH_FILE_BYTES), 0);
    memset(bench->calls, 0, sizeof(bench->calls));
    *state = bench;
    return 0;
}

int disk_bench_setup(void **state)
{
    return setup(state, DISK_DRIVER_THREADS);
}

int disk_bench_setup_direct(void **state)
{
    return setup(state, DISK_DRIVER_DIRECT);
}

void disk_bench_restart(struct disk_bench *bench)
{
    disk_posix_close(bench->disk, NULL, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    bench->disk = NULL;
    assert_int_equal(disk_bench_open(bench, false), 0);
    assert_int_equal(disk_posix_start(bench->disk, &bench->loop), 0);
}

int disk_bench_teardown(void **state)
{
    struct disk_bench *bench = *state;
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

void disk_bench_on_done(struct disk_op *op)
{
    struct disk_bench *bench = op->context;
    ASSERT(bench->done_count < DISK_BENCH_OPS_MAX);
    bench->done[bench->done_count++] = op;
}

struct disk_op *disk_bench_submit(struct disk_bench *bench, enum disk_op_kind kind,
                                  const char *name, uint64_t offset, struct disk_part part)
{
    ASSERT(bench->op_count < DISK_BENCH_OPS_MAX);
    struct disk_op *op = &bench->ops[bench->op_count];
    bench->parts[bench->op_count] = part;
    *op = (struct disk_op){
        .kind = kind,
        .is_synced = kind == DISK_WRITE || kind == DISK_STORE,
        .offset = offset,
        .size_bytes = part.size_bytes,
        .parts = &bench->parts[bench->op_count],
        .part_count = part.data != NULL ? 1 : 0,
        .status = 12345,
        .done = disk_bench_on_done,
        .context = bench,
    };
    (void)snprintf(op->name, sizeof(op->name), "%s", name);
    bench->op_count++;
    bench->interface->submit(bench->disk, op);
    return op;
}

void disk_bench_wait(struct disk_bench *bench)
{
    while (bench->done_count < bench->op_count) {
        uv_run(&bench->loop, UV_RUN_ONCE);
    }
}

void disk_bench_hold_writer(struct disk_bench *bench)
{
    pthread_mutex_lock(&bench->mutex);
    bench->is_holding = true;
    pthread_mutex_unlock(&bench->mutex);
    /* No whole sector: whatever the driver, the thread has it. */
    disk_bench_submit(bench, DISK_WRITE, "log-1", 0, (struct disk_part){bench->directory, 8});
    uv_run(&bench->loop, UV_RUN_NOWAIT);
    pthread_mutex_lock(&bench->mutex);
    while (!bench->has_held) {
        pthread_cond_wait(&bench->changed, &bench->mutex);
    }
    pthread_mutex_unlock(&bench->mutex);
}

void disk_bench_release_writer(struct disk_bench *bench)
{
    pthread_mutex_lock(&bench->mutex);
    bench->is_holding = false;
    pthread_cond_broadcast(&bench->changed);
    pthread_mutex_unlock(&bench->mutex);
}

void disk_bench_check(struct disk_bench *bench, const char *name, uint64_t offset,
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
