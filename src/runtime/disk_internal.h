/* disk_internal.h: what the files of disk_posix share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_DISK_INTERNAL_H
#define RUNTIME_DISK_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "runtime/disk_posix.h"

#define DISK_FILES_MAX 32      /* descriptors kept open */
#define DISK_IOV_MAX 1024      /* parts of one write call, at most IOV_MAX */
#define DISK_SYNC_FILES_MAX 8  /* files of one group commit; more: another sync */
#define DISK_ZEROS_BYTES 65536 /* the one piece of zeros that prepared files are made of */
#define DISK_ZEROS_PER_CALL 16 /* pieces of one write: 1 MiB */
#define DISK_LOCK_NAME "lock"
#define DISK_TEMPORARY_NAME_BYTES (DISK_NAME_BYTES_MAX + sizeof(DISK_TEMPORARY_SUFFIX))

/* A file kept open. */
struct disk_file {
    char name[DISK_NAME_BYTES_MAX]; /* "": free, or forgotten while held */
    int descriptor;                 /* -1: free */
    uint32_t hold_count;
    uint64_t used_at; /* of disk_files.clock; the least is closed first */
};

struct disk_files {
    pthread_mutex_t mutex;
    uint64_t clock;
    struct disk_file files[DISK_FILES_MAX];
};

struct disk_queue {
    struct disk_op *first;
    struct disk_op *last;
};

/* A thread, and what waits for it. */
struct disk_lane {
    struct disk_posix *disk;
    /* Carries out all of the list and hands each to disk_complete(). */
    void (*serve)(struct disk_posix *disk, struct disk_op *ops);
    pthread_t thread;
    bool is_running;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct disk_queue queue; /* under the mutex, like the flags */
    bool is_released;        /* may serve: completions have a way back */
    bool is_stopping;
};

struct disk_posix {
    struct disk disk;
    struct disk_posix_options options; /* directory is not kept */
    int directory;
    int lock; /* -1: none, see disk_lock.c */
    struct disk_files files;
    struct disk_lane writer;
    struct disk_lane reader;
    struct disk_lane upkeep;
    struct disk_lane store;
    atomic_bool has_failed; /* the latch: set once, never cleared */
    atomic_uint_fast64_t write_calls;
    atomic_uint_fast64_t sync_calls;
    atomic_uint_fast64_t busy_ns;
    atomic_uint_fast64_t round_count; /* of the writer */
    atomic_uint_fast64_t rounds_ns[DISK_ROUNDS_KEPT];
    uint64_t in_flight_count; /* the loop's */
    pthread_mutex_t completed_mutex;
    struct disk_queue completed;
    uv_async_t completed_async;
    void (*closed)(void *argument);
    void *closed_argument;
    struct iovec parts[DISK_IOV_MAX]; /* the writer's */
    uint8_t zeros[DISK_ZEROS_BYTES];
};

static inline void disk_queue_push(struct disk_queue *queue, struct disk_op *op)
{
    op->next = NULL;
    if (queue->last == NULL) {
        queue->first = op;
    } else {
        queue->last->next = op;
    }
    queue->last = op;
}

/* disk_lock.c */

/* Take the directory's lock. Returns 0, QR_ERR_LOCKED or QR_ERR_IO, with `detail`. */
NODISCARD int disk_lock(struct disk_posix *disk, const char *directory, char *detail);

/* Write into the lock who has it. */
void disk_lock_sign(struct disk_posix *disk);

/* disk_call.c: each returns a descriptor, a size or 0, or a negative errno. EINTR is handled. */
int disk_call_open(struct disk_posix *disk, const char *name, int flags);
int disk_call_read(struct disk_posix *disk, const struct disk_file *file, uint64_t offset,
                   struct disk_part part);

/* Write all parts; short writes are continued. The parts are used up. */
int disk_call_write(struct disk_posix *disk, const struct disk_file *file, uint64_t offset,
                    struct iovec *parts, size_t count);
int disk_call_sync(struct disk_posix *disk, const struct disk_file *file);

/* Let the kernel forget what it keeps of the file and believes to be on the disk. */
int disk_call_drop_cached(struct disk_posix *disk, const struct disk_file *file);
int disk_call_rename(struct disk_posix *disk, const char *from, const char *to);
int disk_call_unlink(struct disk_posix *disk, const char *name);
int disk_call_sync_directory(struct disk_posix *disk);

/* Latch a failure: from now on nothing is written. Logged the first time. Returns QR_ERR_IO. */
int disk_latch(struct disk_posix *disk, const char *what, const char *name, int failure);

/* disk_files.c: descriptors by name. */
void disk_files_init(struct disk_files *files);
void disk_files_deinit(struct disk_files *files);

/* The open file of this name, held. Returns 0 or a negative errno. */
int disk_files_hold(struct disk_posix *disk, const char *name, struct disk_file **out);

/* The same, of an empty file under this name, made or emptied. */
int disk_files_make(struct disk_posix *disk, const char *name, struct disk_file **out);
void disk_files_drop(struct disk_posix *disk, struct disk_file *file);

/* The name no longer means the file it meant. */
void disk_files_forget(struct disk_posix *disk, const char *name);

/* disk_lane.c */
void disk_lane_init(struct disk_lane *lane, struct disk_posix *disk,
                    void (*serve)(struct disk_posix *disk, struct disk_op *ops));
void disk_lane_deinit(struct disk_lane *lane);
NODISCARD int disk_lane_start(struct disk_lane *lane);
void disk_lane_release(struct disk_lane *lane);
void disk_lane_stop(struct disk_lane *lane);
void disk_lane_submit(struct disk_lane *lane, struct disk_op *op);

/* disk_posix.c: hand a list of carried out operations back to the loop. Lanes only. */
void disk_complete(struct disk_posix *disk, struct disk_op *first, struct disk_op *last);

/* disk_write.c */
void disk_serve_writes(struct disk_posix *disk, struct disk_op *ops);

/* disk_store.c */
void disk_serve_stores(struct disk_posix *disk, struct disk_op *ops);

/* disk_now.c: what is done at once, on whichever thread calls. */
int disk_now_list(void *context,
                  void (*each)(void *argument, const char *name, uint64_t size_bytes),
                  void *argument);

/* Make durable what an earlier process left in the page cache, and drop what is cached: what is
 * read at a start, and built upon, must survive a power failure too. 0 or QR_ERR_IO.
 */
NODISCARD int disk_now_settle_all(struct disk_posix *disk);
int disk_now_read(void *context, const char *name, uint64_t offset, struct disk_part part,
                  size_t *read_bytes);
int disk_now_write_file(void *context, const char *name, const void *data, size_t size_bytes);
int disk_now_sync_file(void *context, const char *name);
int disk_now_rename_file(void *context, const char *from, const char *to);
int disk_now_sync_names(void *context);
int disk_now_prepare(void *context, const char *name, uint64_t size_bytes);
int disk_now_remove(struct disk_posix *disk, const char *name);
bool disk_name_is_temporary(const char *name);

/* The name of the file that is written aside; DISK_TEMPORARY_NAME_BYTES. */
void disk_temporary_name(const char *name, char *out);

/* What a failed step of making a file means: a full disk is no failure of the disk, all else is
 * latched.
 */
int disk_failure_status(struct disk_posix *disk, const char *what, const char *name, int failure);

#endif
