/* snapshot_store.h: where snapshots are kept, where that is not to be files of the data directory.
 *
 * A snapshot store is a table of functions of the program's (qr_engine_options.snapshot_store). It
 * keeps snapshots as strings of bytes, each under a number, the index of the last entry that is in
 * it, and says when one is durable. What the bytes are it need not know (docs/snapshot-format.md):
 * every one of them is under a checksum, which the engine checks whenever it gets one back, and a
 * snapshot of another index, or with a piece missing, is refused. So a store that loses, mixes up
 * or invents something is found out, as a disk is. But that something is durable, only the store
 * knows, and the engine believes it: behind a snapshot it lets go of the log, so that a store which
 * says so too early can cost the cluster what it has committed.
 *
 * A node has one place for its snapshots for life: the data directory says whether that is a store
 * of the program's, and a start with the other kind is refused. Tools for directories without an
 * engine (backup.h's restore, doctor.h, wal.h) know only the engine's own snapshots.
 *
 * What a store must keep to, tried by snapshot_store_check() in snapshot_store_check.h, which any
 * program may compile and call with a store of its own; `pkg-config --variable=storecheckdir
 * quorate` says where it is:
 *
 *   1  A snapshot is written aside, under its index, piece by piece, and counts for nothing before
 *      `publish`: neither `list` nor `read` knows it. After a crash, or `close`, what was not
 *      published is gone, or at least never seen again.
 *   2  When `publish` has ended with 0, all of the snapshot is durable, and found under its index
 *      after whatever crash, until `remove`. If there was one under that index, it took its place,
 *      in one step: whatever the moment of a crash, all of the old one is found, or of the new one.
 *   3  When a write or `publish` has failed, nothing is published, but what was there before is: a
 *      sync that failed is not tried again, for what it has left on a disk is not known. `abandon`
 *      follows, and the next snapshot is tried later; the node goes on meanwhile, with a log that
 *      grows.
 *   4  Reads and removals go on beside a writing, and beside one another. One that waits for
 *      another is allowed, but slow: a member that is sent a snapshot waits for the reads.
 *
 * Owns     nothing. A table and its context serve one engine at a time, and the program keeps
 *          them until that is freed.
 * Threads  `open` and `list` are called on the thread of qr_engine_open(), where they may block;
 *          so are the first reads, for whose ends that thread waits (a store that works on that
 *          very thread, or its loop, must end them before it returns), and `close`, where opening
 *          fails. All else is called on the engine's thread, or the caller's loop, one call at a
 *          time, and must not block, but `close`: Raft waits meanwhile. The host's functions may be
 *          called on any thread, several at once, also from within a function of the table and
 *          under locks of the program.
 * Cost     no entry waits for a store of snapshots; a member that is sent one does.
 * Source   docs/replaceable-parts.md; the bytes: docs/snapshot-format.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_SNAPSHOT_STORE_H
#define QUORATE_SNAPSHOT_STORE_H

#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QR_SNAPSHOT_DETAIL_BYTES 256      /* of a sentence, the NUL included */
#define QR_SNAPSHOT_READS_MAX 8           /* not yet ended */
#define QR_SNAPSHOT_OPERATIONS_MAX 10     /* likewise, together: one writes, one removes */
#define QR_SNAPSHOT_PART_BYTES_MAX 262656 /* of one write or read */

/* A part of a snapshot's bytes. Filled by the engine; a later version may have more at its end. */
struct qr_snapshot_part {
    size_t size_bytes; /* sizeof(struct qr_snapshot_part) */
    uint64_t index;    /* of the snapshot; above 0 */
    uint64_t offset;   /* of its first byte, from the snapshot's beginning */
    size_t count;      /* of bytes; 1..QR_SNAPSHOT_PART_BYTES_MAX */
};

/* What a store tells an engine. Filled by the library, constant, and good from `open` until `close`
 * returns; a later version may have more at its end. It never fails, waits for long or calls back:
 * what it tells is taken in the loop's next round, and the room for that was reserved with the call
 * that it answers.
 *
 * Cost: a lock that is held briefly, and where the engine's thread sleeps waking it.
 */
struct qr_snapshot_host {
    size_t size_bytes;
    void *context; /* to be handed to every function */

    /* What was begun with this ticket has ended; exactly once for each, in any order. Of the memory
     * that was given with it nothing may be touched any more.
     *
     * ticket   one that was never given, or has ended, ends the node with QR_ERR_CORRUPT.
     * status   0, or QR_ERR_IO, QR_ERR_DISK_FULL, QR_ERR_NO_MEMORY, or of a read QR_ERR_CORRUPT;
     *          any other number is taken for QR_ERR_IO.
     */
    void (*done)(void *context, uint64_t ticket, int status);
};

/* What `open` is told. Filled by the library; a later version may have more at its end. */
struct qr_snapshot_open {
    size_t size_bytes;
    const struct qr_snapshot_host *host; /* kept until `close` */
};

/* Called with each snapshot that is published, and how many bytes it has, in any order. */
typedef void qr_snapshot_each(void *argument, uint64_t index, uint64_t size_bytes);

/* What an engine asks of a snapshot store. All functions are needed. Those with a ticket begin
 * something, and host.done() says that it has ended, be it before they return; until then all
 * memory that they are given stays as it is, but for the part, which is borrowed until return. At
 * most QR_SNAPSHOT_OPERATIONS_MAX of them have not ended.
 */
struct qr_snapshot_store {
    size_t size_bytes; /* sizeof(struct qr_snapshot_store), for versions to come */
    void *context;     /* handed to every function */

    /* Take the snapshots, of which there may be none. Nobody else may use them until `close`.
     *
     * open    borrowed until return, but for its host.
     * detail  QR_SNAPSHOT_DETAIL_BYTES; on failure a sentence.
     *
     * Returns 0, or with nothing left open a QR_ERR_* that qr_engine_open() returns: QR_ERR_LOCKED
     * where they are in use, QR_ERR_FOREIGN where they are another node's, QR_ERR_CORRUPT,
     * QR_ERR_IO, QR_ERR_DISK_FULL, QR_ERR_NO_MEMORY. `close` is not called then.
     */
    int (*open)(void *context, const struct qr_snapshot_open *open, char *detail);

    /* Give every snapshot that is published to `each`. Called a few times, behind `open`. Returns
     * 0, or QR_ERR_IO, QR_ERR_CORRUPT or QR_ERR_NO_MEMORY; `close` follows.
     *
     * Of more than 64 those with the highest indexes are kept in mind, and the rest stays.
     */
    int (*list)(void *context, qr_snapshot_each *each, void *argument);

    /* Write a part of the snapshot that is written aside. At offset 0 it begins, anew if something
     * was aside under that index; each part follows the one before, which has ended. One snapshot
     * is written at a time. How many there will be is not known before `publish`. Durable it need
     * not become before that.
     *
     * data   part->count bytes.
     */
    void (*write)(void *context, uint64_t ticket, const struct qr_snapshot_part *part,
                  const void *data);

    /* What is aside under this index is whole: make all of it durable and found, see rule 2. */
    void (*publish)(void *context, uint64_t ticket, uint64_t index);

    /* Drop what is aside under this index; it is no failure that nothing is. */
    void (*abandon)(void *context, uint64_t ticket, uint64_t index);

    /* Read a part of a published snapshot, all of it or none. It is never removed meanwhile, nor
     * another put in its place.
     *
     * buffer   room for part->count bytes. Bytes that are not there, for it is shorter than was
     *          listed or written, are QR_ERR_CORRUPT.
     */
    void (*read)(void *context, uint64_t ticket, const struct qr_snapshot_part *part, void *buffer);

    /* Remove a published snapshot, which is needed no more; durably, so that it does not come back.
     * It is no failure that there is none. If it fails the snapshot stays, and the next start tries
     * again.
     */
    void (*remove)(void *context, uint64_t ticket, uint64_t index);

    /* End what `open` began: the last call. Everything has ended, unless it is called because the
     * store told of a ticket that it was not given: then what had not ended is over when this
     * returns. It may wait for threads of the store; behind it host.done() may neither be called
     * nor be under way.
     */
    void (*close)(void *context);
};

#ifdef __cplusplus
}
#endif

#endif
