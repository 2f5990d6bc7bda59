/* disk_call.c: the system calls of disk_posix, one function each, with the tests' hook. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/disk_internal.h"

/* What the tests' hook wants to happen to this call. */
static int fault(struct disk_posix *disk, enum disk_call call, const char *name, size_t *size_bytes)
{
    const struct disk_fault *hook = &disk->options.fault;
    return hook->before == NULL ? 0 : hook->before(hook->context, call, name, size_bytes);
}

int disk_call_ask(struct disk_posix *disk, enum disk_call call, const char *name,
                  size_t *size_bytes)
{
    return -fault(disk, call, name, size_bytes);
}

int disk_call_open(struct disk_posix *disk, const char *name, int flags)
{
    size_t unused = 0;
    int injected = fault(disk, DISK_CALL_OPEN, name, &unused);
    if (injected != 0) {
        return -injected;
    }
    int descriptor = -1;
    do {
        descriptor = openat(disk->directory, name, flags | O_CLOEXEC, 0600);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor < 0 ? -errno : descriptor;
}

int disk_call_read(struct disk_posix *disk, const struct disk_file *file, uint64_t offset,
                   struct disk_part part)
{
    size_t done = 0;
    while (done < part.size_bytes) {
        size_t wanted = part.size_bytes - done;
        int injected = fault(disk, DISK_CALL_READ, file->name, &wanted);
        if (injected != 0) {
            return -injected;
        }
        ssize_t got =
            pread(file->descriptor, (uint8_t *)part.data + done, wanted, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -errno;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    return (int)done;
}

/* Skip what was written; returns how many parts were used up. */
static size_t advance(struct iovec *parts, size_t count, size_t written)
{
    size_t index = 0;
    while (index < count && written >= parts[index].iov_len) {
        written -= parts[index].iov_len;
        index++;
    }
    if (index < count) {
        parts[index].iov_base = (uint8_t *)parts[index].iov_base + written;
        parts[index].iov_len -= written;
    }
    return index;
}

static ssize_t write_once(struct disk_posix *disk, const struct disk_file *file, uint64_t offset,
                          const struct iovec *parts, size_t count)
{
    size_t allowed = SIZE_MAX;
    int injected = fault(disk, DISK_CALL_WRITE, file->name, &allowed);
    if (injected != 0) {
        errno = injected;
        return -1;
    }
    if (allowed < parts[0].iov_len) {
        return pwrite(file->descriptor, parts[0].iov_base, allowed, (off_t)offset);
    }
    return pwritev(file->descriptor, parts, (int)count, (off_t)offset);
}

int disk_call_write(struct disk_posix *disk, const struct disk_file *file, uint64_t offset,
                    struct iovec *parts, size_t count)
{
    ASSERT(count <= DISK_IOV_MAX);
    size_t skipped = advance(parts, count, 0); /* empty parts */
    while (skipped < count) {
        ssize_t written = write_once(disk, file, offset, parts + skipped, count - skipped);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return written == 0 ? -EIO : -errno;
        }
        offset += (uint64_t)written;
        skipped += advance(parts + skipped, count - skipped, (size_t)written);
    }
    return 0;
}

int disk_call_sync(struct disk_posix *disk, const struct disk_file *file)
{
    size_t unused = 0;
    int injected = fault(disk, DISK_CALL_SYNC, file->name, &unused);
    if (injected != 0) {
        return -injected;
    }
    /* Not repeated on any error: after a failed sync the kernel may have dropped the pages. */
    return fdatasync(file->descriptor) != 0 ? -errno : 0;
}

int disk_call_drop_cached(struct disk_posix *disk, const struct disk_file *file)
{
    size_t unused = 0;
    int injected = fault(disk, DISK_CALL_DROP_CACHED, file->name, &unused);
    if (injected != 0) {
        return -injected;
    }
    return -posix_fadvise(file->descriptor, 0, 0, POSIX_FADV_DONTNEED);
}

int disk_call_rename(struct disk_posix *disk, const char *from, const char *to)
{
    size_t unused = 0;
    int injected = fault(disk, DISK_CALL_RENAME, to, &unused);
    if (injected != 0) {
        return -injected;
    }
    return renameat(disk->directory, from, disk->directory, to) != 0 ? -errno : 0;
}

int disk_call_unlink(struct disk_posix *disk, const char *name)
{
    size_t unused = 0;
    int injected = fault(disk, DISK_CALL_UNLINK, name, &unused);
    if (injected != 0) {
        return -injected;
    }
    return unlinkat(disk->directory, name, 0) != 0 ? -errno : 0;
}

int disk_call_sync_directory(struct disk_posix *disk)
{
    size_t unused = 0;
    int injected = fault(disk, DISK_CALL_SYNC_DIRECTORY, ".", &unused);
    if (injected != 0) {
        return -injected;
    }
    return fsync(disk->directory) != 0 ? -errno : 0;
}

int disk_latch(struct disk_posix *disk, const char *what, const char *name, int failure)
{
    ASSERT(failure < 0);
    if (!atomic_exchange(&disk->has_failed, true)) {
        char text[128];
        const char *reason = strerror_r(-failure, text, sizeof(text));
        LOG(disk->options.log, LOG_ERROR, "disk_failed", log_string("call", what),
            log_string("file", name), log_string("error", reason));
    }
    return QR_ERR_IO;
}
