/* note.c: see note.h. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/note.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

bool note_init(struct note *note, const char *directory, const char *name)
{
    int length = snprintf(note->path, sizeof(note->path), "%s/%s", directory, name);
    note->descriptor = -1;
    return length > 0 && (size_t)length < sizeof(note->path);
}

size_t note_read(const struct note *note, void *bytes, size_t size_bytes)
{
    int descriptor = open(note->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0) {
        return 0;
    }
    ssize_t count = pread(descriptor, bytes, size_bytes, 0);
    (void)close(descriptor);
    return count < 0 ? 0 : (size_t)count;
}

bool note_write(struct note *note, const void *bytes, size_t size_bytes)
{
    if (note->descriptor < 0) {
        note->descriptor =
            open(note->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    }
    return note->descriptor >= 0 &&
           pwrite(note->descriptor, bytes, size_bytes, 0) == (ssize_t)size_bytes;
}

void note_close(struct note *note)
{
    if (note->descriptor >= 0) {
        (void)close(note->descriptor);
        note->descriptor = -1;
    }
}

void note_remove(struct note *note)
{
    note_close(note);
    (void)unlink(note->path);
}
