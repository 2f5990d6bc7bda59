/* disk_bench.h: a real disk over a temporary directory, with a hook that counts, fails and
 * holds its system calls.
 *
 * Owns     the directory, and the operations that are submitted through it.
 * Threads  the test's; the hook comes on the disk's.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_DISK_BENCH_H
#define SUPPORT_DISK_BENCH_H

#include <pthread.h>

#include "runtime/disk_posix.h"

#define DISK_BENCH_OPS_MAX 64
#define DISK_BENCH_FILE_BYTES 262144 /* of log-1, which is there from the start */

/* A directory with a disk over it, and a hook that counts, fails and holds calls. */
struct disk_bench {
    char directory[64];
    uv_loop_t loop;
    enum disk_driver driver; /* of disks that are opened from now on */
    struct disk_posix *disk;
    const struct disk *interface;
    char detail[DISK_DETAIL_BYTES];

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int calls[DISK_CALL_DIRECT + 1];
    enum disk_call fail_call;
    int fail_errno; /* 0: none fails */
    int fail_after; /* so many of them pass first */
    bool is_once;
    size_t write_bytes_max; /* 0: any */
    bool is_holding;        /* the first write waits until it is released */
    const char *held_name;  /* those of this file alone; NULL: any */
    bool has_held;

    struct disk_op ops[DISK_BENCH_OPS_MAX];
    struct disk_part parts[DISK_BENCH_OPS_MAX];
    size_t op_count;
    struct disk_op *done[DISK_BENCH_OPS_MAX];
    size_t done_count;
};

/* For cmocka: a bench with a started disk and the prepared file log-1; and its end. The log is
 * written by the thread, or directly where the directory is on a file system for that.
 */
int disk_bench_setup(void **state);
int disk_bench_setup_direct(void **state);
int disk_bench_teardown(void **state);

/* Open the disk of the directory, not started. Returns as disk_posix_open(). */
int disk_bench_open(struct disk_bench *bench, bool is_read_only);

/* Submit an operation; a write is synced. It is the bench's until its end. */
struct disk_op *disk_bench_submit(struct disk_bench *bench, enum disk_op_kind kind,
                                  const char *name, uint64_t offset, struct disk_part part);

/* What an operation has to tell when it is done. */
void disk_bench_on_done(struct disk_op *op);

/* End the disk, and open and start another one over the same directory. */
void disk_bench_restart(struct disk_bench *bench);

/* Run the loop until all that was submitted is done. */
void disk_bench_wait(struct disk_bench *bench);

/* Let the writer take one operation and stay in its first write, until it is released. */
void disk_bench_hold_writer(struct disk_bench *bench);
void disk_bench_release_writer(struct disk_bench *bench);

/* Assert that these bytes stand in the file. */
void disk_bench_check(struct disk_bench *bench, const char *name, uint64_t offset,
                      const char *expected);

#endif
