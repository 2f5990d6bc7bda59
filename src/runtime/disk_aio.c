/* disk_aio.c: asynchronous writes of the kernel, by its own system calls, and a trial of them.
 *
 * Owns     the queue in the kernel, of one write, and the eventfd that tells of its end.
 * Does not know whose writes they are.
 * Threads  one caller at a time.
 *
 * The older interface of the two that Linux has: containers often forbid io_uring, and for one
 * write at a time there is nothing to win by it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "runtime/disk_internal.h"

#define TRIAL_BYTES 8192
#define TRIAL_BYTE 0x5a

int disk_aio_open(struct disk_aio *aio)
{
    *aio = (struct disk_aio){.event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    if (aio->event < 0) {
        return -errno;
    }
    if (syscall(SYS_io_setup, 1, &aio->context) != 0) {
        int failure = -errno;
        aio->context = 0;
        disk_aio_close(aio);
        return failure;
    }
    return 0;
}

void disk_aio_close(struct disk_aio *aio)
{
    if (aio->context != 0) {
        (void)syscall(SYS_io_destroy, aio->context);
        aio->context = 0;
    }
    if (aio->event >= 0) {
        (void)close(aio->event);
        aio->event = -1;
    }
}

int disk_aio_submit(struct disk_aio *aio, const struct disk_aio_write *write)
{
    ASSERT(write->offset % DISK_SECTOR_BYTES == 0);
    ASSERT((uintptr_t)write->data % DISK_SECTOR_BYTES == 0);
    struct iocb request = {
        .aio_lio_opcode = IOCB_CMD_PWRITE,
        .aio_fildes = (uint32_t)write->descriptor,
        .aio_buf = (uintptr_t)write->data,
        .aio_nbytes = write->size_bytes,
        .aio_offset = (int64_t)write->offset,
        .aio_rw_flags = RWF_NOWAIT | (write->is_synced ? RWF_DSYNC : 0),
        .aio_flags = IOCB_FLAG_RESFD,
        .aio_resfd = (uint32_t)aio->event,
    };
    struct iocb *requests[] = {&request};
    long taken = syscall(SYS_io_submit, aio->context, 1, requests);
    if (taken < 0) {
        return -errno;
    }
    return taken == 1 ? 0 : -EAGAIN;
}

bool disk_aio_reap(struct disk_aio *aio, bool is_waiting, int64_t *result)
{
    struct io_event event;
    uint64_t count;
    long found = 0;
    /* First of all: the kernel tells of a write only behind its end, so that one which was waited
     * for has left a word, and what ends just now must not be cleared with that, unseen.
     */
    ssize_t cleared = read(aio->event, &count, sizeof(count));
    (void)cleared;
    do {
        found = syscall(SYS_io_getevents, aio->context, is_waiting ? 1 : 0, 1, &event, NULL);
    } while (found < 0 && errno == EINTR);
    ASSERT(found >= 0);
    if (found == 1) {
        *result = event.res;
    }
    return found == 1;
}

/* Zeros that are on the disk, as a segment is before it is written to. */
static int make_trial_file(int directory)
{
    static const uint8_t zeros[TRIAL_BYTES];
    int descriptor = openat(directory, DISK_TRIAL_NAME,
                            O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0) {
        return -errno;
    }
    int failure = 0;
    ssize_t written = pwrite(descriptor, zeros, sizeof(zeros), 0);
    if (written != (ssize_t)sizeof(zeros)) {
        failure = written < 0 ? -errno : -ENOSPC;
    } else if (fdatasync(descriptor) != 0) {
        failure = -errno;
    }
    (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    if (failure != 0) {
        (void)close(descriptor);
        return failure;
    }
    return descriptor;
}

static int write_trial_sector(struct disk_aio *aio, int directory, uint8_t *buffer)
{
    int descriptor = openat(directory, DISK_TRIAL_NAME, O_WRONLY | O_DIRECT | O_CLOEXEC);
    if (descriptor < 0) {
        return -errno;
    }
    memset(buffer, TRIAL_BYTE, DISK_SECTOR_BYTES);
    struct disk_aio_write write = {
        .descriptor = descriptor,
        .is_synced = true,
        .data = buffer,
        .size_bytes = DISK_SECTOR_BYTES,
        .offset = DISK_SECTOR_BYTES,
    };
    int failure = disk_aio_submit(aio, &write);
    if (failure == 0) {
        int64_t result = 0;
        bool is_over = disk_aio_reap(aio, true, &result);
        ASSERT(is_over);
        failure = result < 0 ? (int)result : 0;
        failure = result >= 0 && result != DISK_SECTOR_BYTES ? -EINVAL : failure;
    }
    (void)close(descriptor);
    return failure;
}

/* What was written past the page cache must be what is read through it, and nothing beside it. */
static int check_trial(int descriptor)
{
    uint8_t found[3 * DISK_SECTOR_BYTES];
    uint8_t expected[sizeof(found)] = {0};
    memset(expected + DISK_SECTOR_BYTES, TRIAL_BYTE, DISK_SECTOR_BYTES);
    if (pread(descriptor, found, sizeof(found), 0) != (ssize_t)sizeof(found)) {
        return -EIO;
    }
    return memcmp(found, expected, sizeof(found)) == 0 ? 0 : -EIO;
}

int disk_aio_try(struct disk_aio *aio, int directory, uint8_t *buffer)
{
    int descriptor = make_trial_file(directory);
    if (descriptor < 0) {
        (void)unlinkat(directory, DISK_TRIAL_NAME, 0);
        return descriptor;
    }
    int failure = write_trial_sector(aio, directory, buffer);
    if (failure == 0) {
        failure = check_trial(descriptor);
    }
    (void)close(descriptor);
    (void)unlinkat(directory, DISK_TRIAL_NAME, 0); /* else the next start removes it */
    return failure;
}
