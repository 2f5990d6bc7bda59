/* thread_sanitizer.c: shows ThreadSanitizer the one system call of the library that it misses.
 *
 * It knows descriptors by the calls that make and end them, and neither openat() nor how libuv
 * closes is among these: a file looks to it like whatever had its number before, and its owner like
 * a thread that uses another's. dup() it knows. Linked into the tests under that sanitizer alone.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

int openat(int directory, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    unsigned mode = (flags & O_CREAT) != 0 ? va_arg(more, unsigned) : 0;
    va_end(more);
    long opened = syscall(SYS_openat, directory, path, flags, mode);
    if (opened < 0) {
        return -1;
    }
    int known = dup((int)opened);
    int failure = errno;
    (void)syscall(SYS_close, opened);
    if (known >= 0 && (flags & O_CLOEXEC) != 0) {
        (void)fcntl(known, F_SETFD, FD_CLOEXEC);
    }
    errno = failure;
    return known;
}
