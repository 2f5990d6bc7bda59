/* disk_store.c: files written aside, piece by piece, and given their name when they are whole.
 *
 * Threads  the store's: however long a sync takes here, the log's writes do not wait for it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/disk_internal.h"

static int write_piece(struct disk_posix *disk, const struct disk_file *file,
                       const struct disk_op *op)
{
    struct iovec parts[DISK_PARTS_MAX];
    for (size_t i = 0; i < op->part_count; i++) {
        parts[i] = (struct iovec){op->parts[i].data, op->parts[i].size_bytes};
    }
    return disk_call_write(disk, file, op->offset, parts, op->part_count);
}

static int store(struct disk_posix *disk, const struct disk_op *op)
{
    char name[DISK_TEMPORARY_NAME_BYTES];
    disk_temporary_name(op->name, name);
    struct disk_file *file = NULL;
    const char *what = "open";
    int failure =
        op->offset == 0 ? disk_files_make(disk, name, &file) : disk_files_hold(disk, name, &file);
    if (failure >= 0) {
        what = "pwritev";
        failure = write_piece(disk, file, op);
        if (failure >= 0 && op->is_synced) {
            what = "fdatasync";
            failure = disk_call_sync(disk, file);
        }
        disk_files_drop(disk, file);
    }
    return failure < 0 ? disk_failure_status(disk, what, name, failure) : 0;
}

static int publish(struct disk_posix *disk, const struct disk_op *op)
{
    char name[DISK_TEMPORARY_NAME_BYTES];
    disk_temporary_name(op->name, name);
    int status = disk_now_rename_file(disk, name, op->name);
    return status == 0 ? disk_now_sync_names(disk) : status;
}

void disk_serve_stores(struct disk_posix *disk, struct disk_op *ops)
{
    struct disk_op *next = ops;
    while (next != NULL) {
        struct disk_op *op = next;
        next = op->next;
        if (atomic_load(&disk->has_failed)) {
            op->status = QR_ERR_IO;
        } else {
            op->status = op->kind == DISK_STORE ? store(disk, op) : publish(disk, op);
        }
        disk_complete(disk, op, op);
    }
}
