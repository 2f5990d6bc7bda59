/* disk_now.c: the disk operations that end before they return.
 *
 * Threads  any: the table of open files, which locks itself, is all that is shared.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/disk_internal.h"

bool disk_name_is_temporary(const char *name)
{
    size_t length = strlen(name);
    size_t suffix = strlen(DISK_TEMPORARY_SUFFIX);
    return length > suffix && strcmp(name + length - suffix, DISK_TEMPORARY_SUFFIX) == 0;
}

/* Whether a file is the user's of the disk; its size if so. */
static bool is_listed(const struct disk_posix *disk, const char *name, uint64_t *size_bytes)
{
    struct stat stat;
    if (strcmp(name, DISK_LOCK_NAME) == 0 || disk_name_is_temporary(name) ||
        strlen(name) >= DISK_NAME_BYTES_MAX) {
        return false;
    }
    if (fstatat(disk->directory, name, &stat, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(stat.st_mode)) {
        return false;
    }
    *size_bytes = (uint64_t)stat.st_size;
    return true;
}

int disk_now_list(void *context,
                  void (*each)(void *argument, const char *name, uint64_t size_bytes),
                  void *argument)
{
    struct disk_posix *disk = context;
    int descriptor = openat(disk->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return QR_ERR_IO;
    }
    DIR *directory = fdopendir(descriptor);
    if (directory == NULL) {
        (void)close(descriptor);
        return QR_ERR_IO;
    }
    errno = 0;
    const struct dirent *entry = readdir(directory);
    while (entry != NULL) {
        uint64_t size_bytes = 0;
        if (is_listed(disk, entry->d_name, &size_bytes)) {
            each(argument, entry->d_name, size_bytes);
        }
        errno = 0;
        entry = readdir(directory);
    }
    int status = errno == 0 ? 0 : QR_ERR_IO;
    (void)closedir(directory);
    return status;
}

static void settle_one(void *argument, const char *name, uint64_t size_bytes)
{
    (void)size_bytes;
    struct disk_posix *disk = argument;
    struct disk_file file = {.descriptor = disk_call_open(disk, name, O_RDONLY)};
    struct text text = text_of(file.name, sizeof(file.name));
    text_string(&text, name);
    const char *what = "open";
    int failure = file.descriptor;
    if (failure >= 0) {
        what = "fdatasync";
        failure = disk_call_sync(disk, &file);
    }
    /* A sync that failed under an earlier process left pages that the kernel takes for clean:
     * the sync just made says nothing of them, and only the disk itself has the truth.
     */
    if (failure >= 0) {
        what = "posix_fadvise";
        failure = disk_call_drop_cached(disk, &file);
    }
    if (file.descriptor >= 0) {
        (void)close(file.descriptor);
    }
    if (failure < 0) {
        (void)disk_latch(disk, what, name, failure);
    }
}

int disk_now_settle_all(struct disk_posix *disk)
{
    int status = disk_now_list(disk, settle_one, disk);
    if (status == 0 && disk_call_sync_directory(disk) < 0) {
        status = QR_ERR_IO;
    }
    return atomic_load(&disk->has_failed) ? QR_ERR_IO : status;
}

int disk_now_read(void *context, const char *name, uint64_t offset, struct disk_part part,
                  size_t *read_bytes)
{
    struct disk_posix *disk = context;
    struct disk_file file = {.descriptor = disk_call_open(disk, name, O_RDONLY)};
    if (file.descriptor < 0) {
        return file.descriptor == -ENOENT ? QR_ERR_NOT_FOUND : QR_ERR_IO;
    }
    int got = disk_call_read(disk, &file, offset, part);
    (void)close(file.descriptor);
    if (got < 0) {
        return QR_ERR_IO;
    }
    *read_bytes = (size_t)got;
    return 0;
}

int disk_failure_status(struct disk_posix *disk, const char *what, const char *name, int failure)
{
    if (failure == -ENOSPC || failure == -EDQUOT) {
        return QR_ERR_DISK_FULL;
    }
    return disk_latch(disk, what, name, failure);
}

void disk_temporary_name(const char *name, char *out)
{
    struct text text = text_of(out, DISK_TEMPORARY_NAME_BYTES);
    text_string(&text, name);
    text_string(&text, DISK_TEMPORARY_SUFFIX);
    ASSERT(!text.truncated);
}

static int write_zeros(struct disk_posix *disk, const struct disk_file *file, uint64_t size_bytes)
{
    uint64_t offset = 0;
    while (offset < size_bytes) {
        struct iovec parts[DISK_ZEROS_PER_CALL];
        size_t count = 0;
        uint64_t end = offset;
        while (count < DISK_ZEROS_PER_CALL && end < size_bytes) {
            size_t piece = (size_t)min_u64(DISK_ZEROS_BYTES, size_bytes - end);
            parts[count++] = (struct iovec){disk->zeros, piece};
            end += piece;
        }
        int failure = disk_call_write(disk, file, offset, parts, count);
        if (failure < 0) {
            return failure;
        }
        offset = end;
    }
    return 0;
}

/* Fill and sync the file; a short name of the step that failed goes to `what`. */
static int fill(struct disk_posix *disk, const struct disk_file *file, uint64_t size_bytes,
                const char **what)
{
    *what = "pwritev";
    int failure = write_zeros(disk, file, size_bytes);
    if (failure < 0) {
        return failure;
    }
    *what = "fdatasync";
    return disk_call_sync(disk, file);
}

int disk_now_prepare(void *context, const char *name, uint64_t size_bytes)
{
    struct disk_posix *disk = context;
    ASSERT(!disk->options.is_read_only);
    if (atomic_load(&disk->has_failed)) {
        return QR_ERR_IO;
    }
    char temporary[DISK_TEMPORARY_NAME_BYTES];
    disk_temporary_name(name, temporary);
    const char *what = "open";
    struct disk_file file = {.descriptor =
                                 disk_call_open(disk, temporary, O_RDWR | O_CREAT | O_TRUNC)};
    struct text text = text_of(file.name, sizeof(file.name));
    text_string(&text, name);
    int failure = file.descriptor;
    if (failure >= 0) {
        failure = fill(disk, &file, size_bytes, &what);
        (void)close(file.descriptor);
    }
    if (failure >= 0) {
        what = "rename";
        failure = disk_call_rename(disk, temporary, name);
    }
    if (failure < 0) {
        (void)disk_call_unlink(disk, temporary); /* else the next start removes it */
        return disk_failure_status(disk, what, name, failure);
    }
    disk_files_forget(disk, name);
    failure = disk_call_sync_directory(disk);
    return failure < 0 ? disk_latch(disk, "fsync", ".", failure) : 0;
}

/* The descriptor stays among the open ones: what fails behind this write's back is reported
 * to whoever has the file open, when it is synced.
 */
int disk_now_write_file(void *context, const char *name, const void *data, size_t size_bytes)
{
    struct disk_posix *disk = context;
    ASSERT(!disk->options.is_read_only);
    ASSERT(data != NULL);
    if (atomic_load(&disk->has_failed)) {
        return QR_ERR_IO;
    }
    struct disk_file *file = NULL;
    const char *what = "open";
    int failure = disk_files_make(disk, name, &file);
    if (failure >= 0) {
        struct iovec part;
        memcpy(&part.iov_base, &data, sizeof(part.iov_base)); /* written from, not to */
        part.iov_len = size_bytes;
        what = "pwritev";
        failure = disk_call_write(disk, file, 0, &part, 1);
        disk_files_drop(disk, file);
    }
    return failure < 0 ? disk_failure_status(disk, what, name, failure) : 0;
}

int disk_now_sync_file(void *context, const char *name)
{
    struct disk_posix *disk = context;
    if (atomic_load(&disk->has_failed)) {
        return QR_ERR_IO;
    }
    struct disk_file *file = NULL;
    const char *what = "open";
    int failure = disk_files_hold(disk, name, &file);
    if (failure >= 0) {
        what = "fdatasync";
        failure = disk_call_sync(disk, file);
        disk_files_drop(disk, file);
    }
    return failure < 0 ? disk_failure_status(disk, what, name, failure) : 0;
}

int disk_now_rename_file(void *context, const char *from, const char *to)
{
    struct disk_posix *disk = context;
    if (atomic_load(&disk->has_failed)) {
        return QR_ERR_IO;
    }
    int failure = disk_call_rename(disk, from, to);
    disk_files_forget(disk, from);
    disk_files_forget(disk, to);
    return failure < 0 ? disk_failure_status(disk, "rename", to, failure) : 0;
}

int disk_now_sync_names(void *context)
{
    struct disk_posix *disk = context;
    if (atomic_load(&disk->has_failed)) {
        return QR_ERR_IO;
    }
    /* Final whatever the reason, also for want of room: another thread's names were in it, and
     * the kernel tells of a failure once.
     */
    int failure = disk_call_sync_directory(disk);
    return failure < 0 ? disk_latch(disk, "fsync", ".", failure) : 0;
}

int disk_now_remove(struct disk_posix *disk, const char *name)
{
    if (atomic_load(&disk->has_failed)) {
        return QR_ERR_IO;
    }
    int failure = disk_call_unlink(disk, name);
    disk_files_forget(disk, name);
    if (failure < 0 && failure != -ENOENT) {
        return disk_latch(disk, "unlink", name, failure);
    }
    failure = disk_call_sync_directory(disk);
    return failure < 0 ? disk_latch(disk, "fsync", ".", failure) : 0;
}
