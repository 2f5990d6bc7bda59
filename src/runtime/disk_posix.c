/* disk_posix.c: opening and closing the directory; the way in and out of the lanes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/disk_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/disk_internal.h"

/* A new directory is there after a power failure only if its parent is synced. */
static int sync_parent(const char *directory)
{
    char path[PATH_MAX];
    struct text text = text_of(path, sizeof(path));
    text_string(&text, directory);
    if (text.truncated) {
        return -ENAMETOOLONG;
    }
    int parent = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0) {
        return -errno;
    }
    int failure = fsync(parent) != 0 ? -errno : 0;
    (void)close(parent);
    return failure;
}

static int open_directory(struct disk_posix *disk, const char *directory, char *detail)
{
    int failure = 0;
    if (!disk->options.is_read_only) {
        if (mkdir(directory, 0700) == 0) {
            failure = sync_parent(directory);
        } else if (errno != EEXIST) {
            failure = -errno;
        }
    }
    if (failure == 0) {
        disk->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        failure = disk->directory < 0 ? -errno : 0;
    }
    if (failure == 0) {
        return 0;
    }
    (void)snprintf(detail, DISK_DETAIL_BYTES, "cannot open the data directory %s: %s", directory,
                   strerror(-failure));
    if (failure == -ENOENT && disk->options.is_read_only) {
        return QR_ERR_NOT_FOUND;
    }
    return failure == -ENOSPC || failure == -EDQUOT ? QR_ERR_DISK_FULL : QR_ERR_IO;
}

/* What a crash left half made. A file that cannot be removed harms nobody: it is not listed. */
static void remove_temporary_files(struct disk_posix *disk)
{
    int descriptor = openat(disk->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (directory == NULL) {
        return;
    }
    const struct dirent *entry = readdir(directory);
    while (entry != NULL) {
        if (disk_name_is_temporary(entry->d_name)) {
            (void)unlinkat(disk->directory, entry->d_name, 0);
        }
        entry = readdir(directory);
    }
    (void)closedir(directory);
}

static void serve_reads(struct disk_posix *disk, struct disk_op *ops)
{
    struct disk_op *next = ops;
    while (next != NULL) {
        struct disk_op *op = next;
        next = op->next;
        ASSERT(op->part_count == 1);
        struct disk_file *file = NULL;
        int got = disk_files_hold(disk, op->name, &file);
        if (got >= 0) {
            got = disk_call_read(disk, file, op->offset, op->parts[0]);
            disk_files_drop(disk, file);
        }
        op->status = 0;
        if (got < 0) {
            op->status = QR_ERR_IO;
        } else if ((size_t)got < op->parts[0].size_bytes) {
            op->status = QR_ERR_CORRUPT;
        }
        disk_complete(disk, op, op);
    }
}

static void serve_upkeep(struct disk_posix *disk, struct disk_op *ops)
{
    struct disk_op *next = ops;
    while (next != NULL) {
        struct disk_op *op = next;
        next = op->next;
        op->status = op->kind == DISK_PREPARE ? disk_now_prepare(disk, op->name, op->size_bytes)
                                              : disk_now_remove(disk, op->name);
        disk_complete(disk, op, op);
    }
}

static void submit(void *context, struct disk_op *op)
{
    struct disk_posix *disk = context;
    ASSERT(!disk->options.is_read_only);
    ASSERT(op->part_count <= DISK_PARTS_MAX);
    disk->in_flight_count++;
    switch (op->kind) {
    case DISK_WRITE:
        disk_direct_submit(disk, op);
        return;
    case DISK_READ:
        disk_lane_submit(&disk->reader, op);
        return;
    case DISK_PREPARE:
    case DISK_REMOVE:
        disk_lane_submit(&disk->upkeep, op);
        return;
    case DISK_STORE:
    case DISK_PUBLISH:
        disk_lane_submit(&disk->store, op);
        return;
    }
    ASSERT(false);
}

void disk_complete(struct disk_posix *disk, struct disk_op *first, struct disk_op *last)
{
    (void)pthread_mutex_lock(&disk->completed_mutex);
    bool was_empty = disk->completed.first == NULL;
    last->next = NULL;
    if (was_empty) {
        disk->completed.first = first;
    } else {
        disk->completed.last->next = first;
    }
    disk->completed.last = last;
    (void)pthread_mutex_unlock(&disk->completed_mutex);
    if (was_empty) {
        int failed = uv_async_send(&disk->completed_async);
        ASSERT(failed == 0);
    }
}

static void on_completed(uv_async_t *async)
{
    struct disk_posix *disk = async->data;
    (void)pthread_mutex_lock(&disk->completed_mutex);
    struct disk_op *next = disk->completed.first;
    disk->completed = (struct disk_queue){.first = NULL};
    (void)pthread_mutex_unlock(&disk->completed_mutex);
    for (const struct disk_op *op = next; op != NULL; op = op->next) {
        if (op->kind == DISK_WRITE) {
            disk_direct_returned(disk);
        }
    }
    disk_report(disk, next);
}

void disk_report(struct disk_posix *disk, struct disk_op *ops)
{
    struct disk_op *next = ops;
    if (disk->options.completing != NULL) {
        disk->options.completing(disk->options.context);
    }
    while (next != NULL) {
        struct disk_op *op = next;
        next = op->next;
        op->next = NULL;
        ASSERT(disk->in_flight_count > 0);
        disk->in_flight_count--;
        op->done(op);
    }
    if (disk->options.completed != NULL) {
        disk->options.completed(disk->options.context);
    }
}

static struct disk_posix *make(const struct disk_posix_options *options)
{
    struct disk_posix *disk = allocate_zeroed(options->allocator, sizeof(*disk));
    if (disk == NULL) {
        return NULL;
    }
    disk->options = *options;
    disk->options.directory = NULL;
    disk->directory = -1;
    disk->lock = -1;
    disk->direct.aio.event = -1;
    disk->disk = (struct disk){
        .context = disk,
        .list = disk_now_list,
        .read = disk_now_read,
        .write_file = disk_now_write_file,
        .sync_file = disk_now_sync_file,
        .rename_file = disk_now_rename_file,
        .sync_names = disk_now_sync_names,
        .prepare = disk_now_prepare,
        .submit = submit,
    };
    disk_files_init(&disk->files);
    disk_lane_init(&disk->writer, disk, disk_serve_writes);
    disk_lane_init(&disk->reader, disk, serve_reads);
    disk_lane_init(&disk->upkeep, disk, serve_upkeep);
    disk_lane_init(&disk->store, disk, disk_serve_stores);
    int failed = pthread_mutex_init(&disk->completed_mutex, NULL);
    ASSERT(failed == 0);
    return disk;
}

int disk_posix_open(const struct disk_posix_options *options, struct disk_posix **out, char *detail)
{
    struct disk_posix *disk = make(options);
    if (disk == NULL) {
        (void)snprintf(detail, DISK_DETAIL_BYTES, "memory ran out");
        return QR_ERR_NO_MEMORY;
    }
    int status = open_directory(disk, options->directory, detail);
    if (status == 0) {
        status = disk_lock(disk, options->directory, detail);
    }
    if (status != 0) {
        disk_posix_free(disk);
        return status;
    }
    if (!options->is_read_only) {
        status = disk_now_settle_all(disk);
    }
    if (status != 0) {
        (void)snprintf(detail, DISK_DETAIL_BYTES,
                       "cannot sync what is in the data directory %s: the disk fails",
                       options->directory);
        disk_posix_free(disk);
        return status;
    }
    *out = disk;
    return 0;
}

const struct disk *disk_posix_disk(struct disk_posix *disk)
{
    return &disk->disk;
}

static void stop_lanes(struct disk_posix *disk)
{
    disk_lane_stop(&disk->writer);
    disk_lane_stop(&disk->reader);
    disk_lane_stop(&disk->upkeep);
    disk_lane_stop(&disk->store);
}

int disk_posix_reserve(struct disk_posix *disk)
{
    struct disk_lane *lanes[] = {&disk->writer, &disk->reader, &disk->upkeep, &disk->store};
    int status = 0;
    for (size_t i = 0; i < sizeof(lanes) / sizeof(lanes[0]) && status == 0; i++) {
        status = lanes[i]->is_running ? 0 : disk_lane_start(lanes[i]);
    }
    if (status != 0) {
        stop_lanes(disk);
    }
    return status;
}

int disk_posix_start(struct disk_posix *disk, uv_loop_t *loop)
{
    if (disk_posix_reserve(disk) != 0 ||
        uv_async_init(loop, &disk->completed_async, on_completed) != 0) {
        stop_lanes(disk);
        return QR_ERR_NO_MEMORY;
    }
    disk->completed_async.data = disk;
    disk->open_handles = 1;
    /* Only now: a directory whose user refused it at the start stays as it was. */
    disk_lock_sign(disk);
    remove_temporary_files(disk);
    if (disk->options.driver != DISK_DRIVER_THREADS) {
        disk_direct_open(disk, loop);
    }
    disk_lane_release(&disk->writer);
    disk_lane_release(&disk->reader);
    disk_lane_release(&disk->upkeep);
    disk_lane_release(&disk->store);
    return 0;
}

void disk_posix_free(struct disk_posix *disk)
{
    if (disk == NULL) {
        return;
    }
    stop_lanes(disk);
    disk_lane_deinit(&disk->writer);
    disk_lane_deinit(&disk->reader);
    disk_lane_deinit(&disk->upkeep);
    disk_lane_deinit(&disk->store);
    disk_direct_deinit(disk);
    disk_files_deinit(&disk->files);
    (void)pthread_mutex_destroy(&disk->completed_mutex);
    if (disk->lock >= 0) {
        (void)close(disk->lock);
    }
    if (disk->directory >= 0) {
        (void)close(disk->directory);
    }
    release(disk->options.allocator, disk, sizeof(*disk));
}

static void on_closed(uv_handle_t *handle)
{
    struct disk_posix *disk = handle->data;
    disk->open_handles--;
    if (disk->open_handles > 0) {
        return;
    }
    void (*closed)(void *argument) = disk->closed;
    void *argument = disk->closed_argument;
    disk_posix_free(disk);
    if (closed != NULL) {
        closed(argument);
    }
}

void disk_posix_close(struct disk_posix *disk, void (*closed)(void *argument), void *argument)
{
    ASSERT(disk->in_flight_count == 0);
    stop_lanes(disk);
    disk->closed = closed;
    disk->closed_argument = argument;
    disk_direct_close(disk, on_closed);
    uv_close((uv_handle_t *)&disk->completed_async, on_closed);
}

void disk_posix_stats(const struct disk_posix *disk, struct disk_posix_stats *out)
{
    out->write_calls = atomic_load(&disk->write_calls);
    out->sync_calls = atomic_load(&disk->sync_calls);
    out->direct_calls = atomic_load(&disk->direct_calls);
    out->busy_ns = atomic_load(&disk->busy_ns);
}

bool disk_posix_is_direct(const struct disk_posix *disk)
{
    return atomic_load(&disk->direct.is_on);
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

void disk_posix_times(const struct disk_posix *disk, struct disk_posix_times *out)
{
    uint64_t rounds_ns[DISK_ROUNDS_KEPT];
    size_t count = (size_t)min_u64(atomic_load(&disk->round_count), DISK_ROUNDS_KEPT);
    *out = (struct disk_posix_times){0};
    if (count == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        rounds_ns[i] = atomic_load(&disk->rounds_ns[i]);
    }
    qsort(rounds_ns, count, sizeof(rounds_ns[0]), compare);
    out->median_ns = rounds_ns[(count - 1) / 2];
    out->percentile_99_ns = rounds_ns[count - 1 - count / 100];
}
