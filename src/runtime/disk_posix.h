/* disk_posix.h: struct disk over a directory of real files.
 *
 * Owns     the directory, held by a lock on its file `lock`; four threads: writes, reads, the
 *          upkeep of files (preparing, removing), and storing whole ones, so that none waits
 *          for another; and, beside the first, a queue of writes in the kernel.
 * Does not know what the files hold, or retry anything that failed.
 * Threads  all calls on one thread, that of the loop; completions come there too.
 *
 * Group commit: the writer takes everything that waits, joins what is contiguous in one
 * file into one call, syncs each file once, and only then reports, all in order.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_DISK_POSIX_H
#define RUNTIME_DISK_POSIX_H

#include <uv.h>

#include "base/allocator.h"
#include "base/log.h"
#include "wal/disk.h"

#define DISK_DETAIL_BYTES 512
#define DISK_DIRECT_BYTES_MAX ((size_t)128 * 1024) /* of one write past the page cache */

enum disk_call {
    DISK_CALL_OPEN,
    DISK_CALL_READ,
    DISK_CALL_WRITE,
    DISK_CALL_SYNC,
    DISK_CALL_DROP_CACHED,
    DISK_CALL_RENAME,
    DISK_CALL_UNLINK,
    DISK_CALL_SYNC_DIRECTORY,
    DISK_CALL_DIRECT, /* the trial, and each io_submit; where it fails, the thread writes */
};

/* For tests: asked before each system call, on the thread that makes it. Returns 0, or the
 * errno the call fails with, without being made. A read or write may be made shorter. What
 * io_submit does in one is asked about as DISK_CALL_WRITE and, if it is synced, DISK_CALL_SYNC.
 */
struct disk_fault {
    void *context;
    int (*before)(void *context, enum disk_call call, const char *name, size_t *size_bytes);
};

/* How writes of the log are carried out; all else is done by the threads. */
enum disk_driver {
    DISK_DRIVER_AUTO,    /* by the kernel itself where it can (disk_direct.c), else as THREADS */
    DISK_DRIVER_DIRECT,  /* the same, with a warning where it cannot */
    DISK_DRIVER_THREADS, /* by the writer's thread: pwritev, fdatasync */
};

struct disk_posix_options {
    const struct allocator *allocator; /* borrowed */
    const struct log_sink *log;        /* borrowed; written to from any thread; may be NULL */
    const char *directory;
    bool is_read_only; /* nothing is made or changed; submit() is not allowed */
    enum disk_driver driver;
    struct disk_fault fault;
    /* Called before and after a round of completions is handed out. May be NULL. */
    void (*completing)(void *context);
    void (*completed)(void *context);
    void *context;
};

struct disk_posix;

/* Lock the directory, made with mode 0700 when missing. Of what it holds nothing is changed
 * before disk_posix_start(), which also removes unfinished files.
 *
 * detail   DISK_DETAIL_BYTES; on failure a sentence with the path and what to do.
 *
 * Operations may be submitted at once; they are carried out after disk_posix_start().
 *
 * Returns 0, or with nothing left open: QR_ERR_LOCKED, QR_ERR_NOT_FOUND (read-only, and
 * there is no such directory), QR_ERR_DISK_FULL, QR_ERR_IO, QR_ERR_NO_MEMORY.
 */
NODISCARD int disk_posix_open(const struct disk_posix_options *options, struct disk_posix **out,
                              char *detail);

/* The interface; lives as long as the disk. */
const struct disk *disk_posix_disk(struct disk_posix *disk);

/* Have the threads that disk_posix_start() wants, which wait for it; without this it makes them
 * itself. Ahead of what submits operations, so that afterwards nothing fails any more.
 *
 * Returns 0 or QR_ERR_NO_MEMORY (no thread to be had): then as before.
 */
NODISCARD int disk_posix_reserve(struct disk_posix *disk);

/* Begin to carry out operations; completions come on `loop`.
 * Returns 0 or QR_ERR_NO_MEMORY (no thread or no descriptor to be had): then as before.
 */
NODISCARD int disk_posix_start(struct disk_posix *disk, uv_loop_t *loop);

/* Free a disk that was not started. What was submitted is dropped. NULL is allowed. */
void disk_posix_free(struct disk_posix *disk);

/* Stop the threads, unlock and free a started disk; no operation may be in flight.
 * `closed` is called on the loop, later, when nothing of the disk is left.
 */
void disk_posix_close(struct disk_posix *disk, void (*closed)(void *argument), void *argument);

#define DISK_ROUNDS_KEPT 256

struct disk_posix_stats {
    uint64_t write_calls;
    uint64_t sync_calls;
    uint64_t direct_calls; /* among both: a write, with its sync if it has one, by the kernel */
    uint64_t busy_ns;      /* spent in writes and their syncs */
};

/* How long the last DISK_ROUNDS_KEPT writes with their syncs took: half of them, and all but one in
 * a hundred, at most so long; 0 when there was none.
 */
struct disk_posix_times {
    uint64_t median_ns;
    uint64_t percentile_99_ns;
};

void disk_posix_times(const struct disk_posix *disk, struct disk_posix_times *out);

void disk_posix_stats(const struct disk_posix *disk, struct disk_posix_stats *out);

/* Whether small writes go past the page cache: a trial at the start has succeeded. */
bool disk_posix_is_direct(const struct disk_posix *disk);

/* A round took so long, and of that so long was spent in its submission. After DISK_HELD_ROUNDS_MAX
 * in a row that were written within it, all is the thread's: a file system that knows no better
 * would let the loop wait for the disk each time.
 */
#define DISK_HELD_ROUNDS_MAX 16
void disk_direct_watch(struct disk_posix *disk, uint64_t held_ns, uint64_t took_ns);

#endif
