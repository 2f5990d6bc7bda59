/* disk.h: what the log asks of a disk: one directory of files, and nothing else.
 *
 * The runtime answers with real files, the simulator with virtual ones. Calls made while a
 * node starts are synchronous; afterwards everything goes through submit() and comes back
 * later, on the same thread, through the operation's `done`.
 *
 * Order    writes are carried out in the order of submit(), and reported in it. DISK_STORE and
 *          DISK_PUBLISH are so among themselves. All else may pass and be passed, and a write
 *          waits for none of another kind.
 * Failure  after the first DISK_WRITE that fails, every later one fails too, untried. A
 *          DISK_STORE or DISK_PUBLISH fails for its file, which is then to be removed: it is
 *          never synced again. After an error, other than a full disk, a disk may fail all
 *          that follows.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WAL_DISK_H
#define WAL_DISK_H

#include "base/types.h"

#define DISK_NAME_BYTES_MAX 64
#define DISK_PARTS_MAX 256 /* of one operation */
#define DISK_SECTOR_BYTES 512
#define DISK_TEMPORARY_SUFFIX ".tmp" /* of the name of a file that is not finished */

enum disk_op_kind {
    DISK_WRITE,   /* write the parts at the offset; then, if is_synced, make them durable */
    DISK_READ,    /* fill the one part from the offset; a short file is QR_ERR_CORRUPT */
    DISK_PREPARE, /* create the file full of zeros, size_bytes long; file and name durable */
    DISK_REMOVE,  /* remove the file, if it is there; durable */
    /* Write the parts at the offset of the file that is written aside for `name`: called that with
     * DISK_TEMPORARY_SUFFIX. It is made anew at offset 0, and each piece follows the one before,
     * all in whole sectors. Then, if is_synced, make all of its content durable.
     */
    DISK_STORE,
    DISK_PUBLISH, /* give the file that is written aside its name, whoever had it; durable */
};

struct disk_part {
    void *data; /* read from by writes, never changed by them */
    size_t size_bytes;
};

struct disk_op {
    enum disk_op_kind kind;
    bool is_synced;
    char name[DISK_NAME_BYTES_MAX];
    uint64_t offset;
    uint64_t size_bytes; /* DISK_PREPARE only */
    struct disk_part *parts;
    size_t part_count;
    int status; /* set before done(): 0, QR_ERR_IO, QR_ERR_CORRUPT, QR_ERR_DISK_FULL */
    /* Called once, on the thread of submit(), never from within submit(). */
    void (*done)(struct disk_op *op);
    void *context;        /* the submitter's */
    struct disk_op *next; /* the disk's, while it has the operation */
};

struct disk {
    void *context;

    /* Give every file's name and size to `each`, in any order; whether those that are not
     * finished, too, is the disk's choice. 0 or QR_ERR_IO.
     */
    int (*list)(void *context, void (*each)(void *argument, const char *name, uint64_t size_bytes),
                void *argument);

    /* Read up to size_bytes at the offset; `read_bytes` is less only at the file's end.
     * 0, QR_ERR_NOT_FOUND or QR_ERR_IO; QR_ERR_CORRUPT where the disk itself knows that it has
     * lost them.
     */
    int (*read)(void *context, const char *name, uint64_t offset, struct disk_part part,
                size_t *read_bytes);

    /* The steps of disk_replace(): each returns 0, QR_ERR_IO or QR_ERR_DISK_FULL. Of what was
     * not synced a crash may leave all, a part or nothing, in any order.
     *
     * write_file    Make the file hold just these bytes, whatever it held; not durable. On
     *               failure it may hold a part of them.
     * sync_file     Make durable what the file holds, not its name. After a failure it is to
     *               be written anew, all of it, before it is synced again.
     * rename_file   Let the content go under another name, also if that is taken; not durable.
     * sync_names    Make durable under which names files are found, and which are gone.
     */
    int (*write_file)(void *context, const char *name, const void *data, size_t size_bytes);
    int (*sync_file)(void *context, const char *name);
    int (*rename_file)(void *context, const char *from, const char *to);
    int (*sync_names)(void *context);

    /* DISK_PREPARE at once. 0, QR_ERR_IO or QR_ERR_DISK_FULL. */
    int (*prepare)(void *context, const char *name, uint64_t size_bytes);

    /* Take the operation; it and its parts stay where they are until done(). */
    void (*submit)(void *context, struct disk_op *op);
};

/* Make `name` hold just these bytes, durably and in one step.
 *
 * name   shorter than DISK_NAME_BYTES_MAX with DISK_TEMPORARY_SUFFIX behind it, which is the
 *        name of the file that is written aside. One that a crash has left is overwritten.
 *
 * Whatever the moment of a crash, the old content is found (or none, if there was none) or
 * the new one; after success, the new one.
 *
 * Returns 0, or QR_ERR_IO or QR_ERR_DISK_FULL: then either of them is there.
 */
NODISCARD int disk_replace(const struct disk *disk, const char *name, const void *data,
                           size_t size_bytes);

#endif
