/* disk.c: a whole file replaced, from the steps that a disk offers.
 *
 * Owns     the order of the steps.
 * Does not know what the file is for, or try anything twice.
 * Threads  the caller's.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/disk.h"

#include "base/assert.h"
#include "base/mutant.h"
#include "base/text.h"

int disk_replace(const struct disk *disk, const char *name, const void *data, size_t size_bytes)
{
    char aside[DISK_NAME_BYTES_MAX];
    struct text text = text_of(aside, sizeof(aside));
    text_string(&text, name);
    text_string(&text, DISK_TEMPORARY_SUFFIX);
    ASSERT(!text.truncated);

    int status = disk->write_file(disk->context, aside, data, size_bytes);
    /* The content before the name: else a crash may leave the name with nothing behind it. */
    if (status == 0 && !MUTANT(IDENTITY_UNSYNCED)) {
        status = disk->sync_file(disk->context, aside);
        if (status != 0 && MUTANT(SYNC_RETRIED)) {
            status = disk->sync_file(disk->context, aside);
        }
    }
    if (status == 0) {
        status = disk->rename_file(disk->context, aside, name);
    }
    /* The name before anybody acts on it: else a crash may bring the old content back. */
    if (status == 0 && !MUTANT(RENAME_UNSYNCED)) {
        status = disk->sync_names(disk->context);
    }
    return status;
}
