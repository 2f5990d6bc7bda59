/* note.h: a small file that survives the process, and need not survive the machine.
 *
 * Owns     the file, under its path, while it is open. Nothing is synced: a hint is kept here,
 *          never data.
 * Threads  one caller at a time.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_NOTE_H
#define RUNTIME_NOTE_H

#include "base/types.h"

#define NOTE_PATH_BYTES 4096

struct note {
    char path[NOTE_PATH_BYTES];
    int descriptor; /* -1: not open */
};

/* Name the file `name` of a directory; it need not be there. False: the path is too long. */
bool note_init(struct note *note, const char *directory, const char *name);

/* The file's bytes, at most size_bytes. Returns how many; 0 where it cannot be read, or is not
 * there.
 */
size_t note_read(const struct note *note, void *bytes, size_t size_bytes);

/* Write the file's bytes anew, opening it at the first time. False: that failed. Cost: one
 * write.
 */
bool note_write(struct note *note, const void *bytes, size_t size_bytes);

void note_close(struct note *note);
void note_remove(struct note *note); /* and close it */

#endif
