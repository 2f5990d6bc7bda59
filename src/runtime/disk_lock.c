/* disk_lock.c: one process a directory.
 *
 * An open-file-description lock on the file `lock`, which holds the pid of who has it. The
 * kernel lets it go with the process, however that ends; the file stays.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "quorate/error.h"
#include "runtime/disk_internal.h"

#define PID_BYTES 24
#define PID_DIGITS_MAX 9

static int refuse(char *detail, const char *directory, const char *pid)
{
    (void)snprintf(detail, DISK_DETAIL_BYTES, "%s is in use by %s%s; stop it first", directory,
                   pid[0] == '\0' ? "another process" : "process ", pid);
    return QR_ERR_LOCKED;
}

/* Who holds it, as the file says; "" when it says nothing readable, or names a process that
 * is gone: then the present one has not signed yet.
 */
static void read_holder(int descriptor, char *pid)
{
    ssize_t count = pread(descriptor, pid, PID_BYTES - 1, 0);
    size_t length = 0;
    long number = 0;
    while (count > 0 && length < (size_t)count && length < PID_DIGITS_MAX && pid[length] >= '0' &&
           pid[length] <= '9') {
        number = number * 10 + (pid[length] - '0');
        length++;
    }
    bool is_alive = number > 0 && (kill((pid_t)number, 0) == 0 || errno == EPERM);
    pid[is_alive ? length : 0] = '\0';
}

/* For people only: a lock without a pid holds as well. */
void disk_lock_sign(struct disk_posix *disk)
{
    char pid[PID_BYTES];
    int length = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (disk->lock >= 0 && ftruncate(disk->lock, 0) == 0 && length > 0) {
        ssize_t written = pwrite(disk->lock, pid, (size_t)length, 0);
        (void)written;
    }
}

int disk_lock(struct disk_posix *disk, const char *directory, char *detail)
{
    bool is_read_only = disk->options.is_read_only;
    int flags = is_read_only ? O_RDONLY : O_RDWR | O_CREAT;
    int descriptor = openat(disk->directory, DISK_LOCK_NAME, flags | O_CLOEXEC, 0600);
    if (descriptor < 0 && is_read_only && errno == ENOENT) {
        return 0; /* no node ever used it */
    }
    if (descriptor < 0) {
        (void)snprintf(detail, DISK_DETAIL_BYTES, "cannot open %s/%s: %s", directory,
                       DISK_LOCK_NAME, strerror(errno));
        return QR_ERR_IO;
    }
    struct flock lock = {.l_type = is_read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(descriptor, F_OFD_SETLK, &lock) != 0) {
        int failure = errno;
        char pid[PID_BYTES] = "";
        read_holder(descriptor, pid);
        (void)close(descriptor);
        if (failure == EAGAIN || failure == EACCES) {
            return refuse(detail, directory, pid);
        }
        (void)snprintf(detail, DISK_DETAIL_BYTES, "cannot lock %s/%s: %s", directory,
                       DISK_LOCK_NAME, strerror(failure));
        return QR_ERR_IO;
    }
    disk->lock = descriptor;
    return 0;
}
