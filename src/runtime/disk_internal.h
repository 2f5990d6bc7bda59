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
#define DISK_TRIAL_NAME "direct" DISK_TEMPORARY_SUFFIX
#define DISK_TEMPORARY_NAME_BYTES (DISK_NAME_BYTES_MAX + sizeof(DISK_TEMPORARY_SUFFIX))

/* A file kept open. */
struct disk_file {
    char name[DISK_NAME_BYTES_MAX]; /* "": free, or forgotten while held */
    int descriptor;                 /* -1: free */
    int direct;                     /* the same file past the page cache; -1: not open */
    uint32_t hold_count;
    uint64_t used_at; /* of disk_files.clock; the least is closed first */
};

struct disk_files {
    pthread_mutex_t mutex;
    uint64_t clock;
    uint64_t forgotten; /* how often a name lost its meaning */
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

/* One write that the kernel carries out by itself, and a descriptor that tells of its end. */
struct disk_aio {
    unsigned long context; /* the kernel's name for the queue; 0: none */
    int event;             /* an eventfd; -1: none */
};

/* The second way of the log's writes, see disk_direct.c. All is the loop's, but for is_on. */
struct disk_direct {
    atomic_bool is_on;              /* cleared once and for all where this way proves to be none */
    atomic_bool is_page_in_the_way; /* a write was refused; the writer's to clear */
    bool is_open;                   /* there are handles on the loop */
    struct disk_aio aio;
    void *memory;        /* of the buffer, which is aligned in it */
    uint8_t *buffer;     /* DISK_DIRECT_BYTES_MAX */
    uint64_t at_lane;    /* writes that the writer's thread has */
    uint64_t lane_bytes; /* of all that it was given without a pause */
    bool is_busy;        /* that was much: the next write, too, is the thread's */
    struct disk_queue waiting;
    struct disk_queue flying; /* what is being written, in one piece */
    struct disk_file *file;   /* to this, held */
    size_t flying_bytes;
    uint64_t began_ns;
    uint64_t held_ns;     /* so long the loop was in the submission of what flies */
    uint32_t held_rounds; /* one after another that held the loop */
    uv_poll_t poll;
    uv_prepare_t prepare;
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
    struct disk_direct direct;
    size_t open_handles;    /* on the loop, until closed() */
    atomic_bool has_failed; /* the latch: set once, never cleared */
    atomic_uint_fast64_t write_calls;
    atomic_uint_fast64_t sync_calls;
    atomic_uint_fast64_t direct_calls;
    atomic_uint_fast64_t busy_ns;
    atomic_uint_fast64_t round_count; /* of writes, whoever made them */
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

/* The tests' hook is asked about a call that is made elsewhere. 0, or the negative errno that it is
 * to fail with.
 */
int disk_call_ask(struct disk_posix *disk, enum disk_call call, const char *name,
                  size_t *size_bytes);
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

/* The open file of this name, held, if it can be written to past the page cache, or NULL: without a
 * system call.
 */
struct disk_file *disk_files_hold_direct(struct disk_posix *disk, const char *name);

/* Let the held file of this name be had by disk_files_hold_direct(). False: it could be already, or
 * cannot be.
 */
bool disk_files_open_direct(struct disk_posix *disk, const char *name, struct disk_file *file);

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

void disk_lane_submit_all(struct disk_lane *lane, struct disk_queue *ops);

/* disk_posix.c: hand a list of carried out operations back to the loop. Lanes only. */
void disk_complete(struct disk_posix *disk, struct disk_op *first, struct disk_op *last);

/* Report what is carried out. On the loop, outside of submit(). */
void disk_report(struct disk_posix *disk, struct disk_op *ops);

/* disk_write.c */
void disk_serve_writes(struct disk_posix *disk, struct disk_op *ops);

/* A round of writes and their syncs took so long. One at a time: there is one round at a time. */
void disk_note_round(struct disk_posix *disk, uint64_t took_ns);

static inline uint64_t disk_op_bytes(const struct disk_op *op)
{
    uint64_t total = 0;
    for (size_t i = 0; i < op->part_count; i++) {
        total += op->parts[i].size_bytes;
    }
    return total;
}

/* disk_aio.c: each returns 0 or a negative errno, but for the close. */
NODISCARD int disk_aio_open(struct disk_aio *aio);
void disk_aio_close(struct disk_aio *aio);

/* Let the kernel write to a descriptor that was opened with O_DIRECT. It is over, and durable if
 * `is_synced`, when `event` can be read. The offset and the place of `data` in memory, which
 * stays as it is meanwhile, are multiples of a sector; of any other size the kernel says -EINVAL.
 * On failure nothing was tried.
 */
struct disk_aio_write {
    int descriptor;
    bool is_synced;
    const uint8_t *data;
    size_t size_bytes;
    uint64_t offset;
};
NODISCARD int disk_aio_submit(struct disk_aio *aio, const struct disk_aio_write *write);

/* Whether it is over; `result` is the number of bytes or a negative errno. -EAGAIN: it would have
 * had to wait in the submission, and may be in part or not at all in the file.
 */
bool disk_aio_reap(struct disk_aio *aio, bool is_waiting, int64_t *result);

/* Write a sector into a file of this directory that is made for it and removed, and wait. 0: so it
 * works here. -EINVAL: not with sectors of this size, or with this file system.
 */
NODISCARD int disk_aio_try(struct disk_aio *aio, int directory, uint8_t *buffer);

/* disk_direct.c */

/* On the loop, if the file system plays along; if not, or without memory or descriptors, all writes
 * go to the writer's thread.
 */
void disk_direct_open(struct disk_posix *disk, uv_loop_t *loop);

/* Close the handles; `on_closed` for each, which are counted in open_handles. */
void disk_direct_close(struct disk_posix *disk, uv_close_cb on_closed);
void disk_direct_deinit(struct disk_posix *disk);
void disk_direct_submit(struct disk_posix *disk, struct disk_op *op);

/* A write that the thread had is reported. */
void disk_direct_returned(struct disk_posix *disk);

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
