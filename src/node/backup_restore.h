/* backup_restore.h: making the data directory of a new cluster out of a backup.
 *
 * Owns     the order of the steps, written down in backup_restore.c, and the note in the directory
 *          that says that one was begun.
 * Does not know files or threads: it is written against disk.h; nor chance: ids are handed in.
 * Threads  one caller; the disk's completions come on its thread.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_BACKUP_RESTORE_H
#define NODE_BACKUP_RESTORE_H

#include "base/log.h"
#include "node/backup_file.h"
#include "wal/disk.h"

#define BACKUP_RESTORE_NOTE "restoring" /* the name of that note */

struct backup_restore;

struct backup_restore_options {
    const struct allocator *allocator; /* borrowed, like the others */
    const struct disk *disk;
    const struct content_codec *codec;
    const struct log_sink *log;    /* may be NULL */
    struct cluster_id cluster;     /* random: never used before */
    struct raft_member member;     /* the new node: a random id, its name and its address */
    uint32_t snapshot_chunk_bytes; /* 0: as a node's own */
};

/* Begin in a directory that holds nothing, or what an earlier try left unfinished.
 *
 * detail   NODE_DETAIL_BYTES; on failure a sentence.
 *
 * Returns 0, or with nothing changed QR_ERR_INVALID (the directory is in use), QR_ERR_NO_MEMORY,
 * QR_ERR_IO; or QR_ERR_IO or QR_ERR_DISK_FULL: the note may be there.
 */
NODISCARD int backup_restore_new(const struct backup_restore_options *options,
                                 struct backup_restore **out, char *detail);

/* Free it; backup_restore_is_idle() must hold. NULL is allowed. */
void backup_restore_free(struct backup_restore *restore);

/* Whether what an earlier try left is gone, or could not be removed: then it has failed. */
bool backup_restore_is_ready(const struct backup_restore *restore);

/* Once it is ready: take the next bytes of the file, as far as there is room: `taken` says how
 * much. When it is less the disk must go on first, and the rest is to be given again.
 *
 * Returns 0, or, with backup_restore_detail(), as backup_read(), or what the disk answered; the
 * same again for all that follows.
 */
NODISCARD int backup_restore_feed(struct backup_restore *restore, const void *data,
                                  size_t size_bytes, size_t *taken);

/* The file has ended: check that it was whole, and have the disk finish; then
 * backup_restore_is_over(). Returns as backup_restore_feed().
 */
NODISCARD int backup_restore_finish(struct backup_restore *restore);

/* Whether there is nothing to wait for any more: it is done, or failed. */
bool backup_restore_is_over(const struct backup_restore *restore);

/* Give up, and begin to remove what was made: then it is over, too. Behind a finish() it is too
 * late: nothing happens.
 */
void backup_restore_abandon(struct backup_restore *restore);

bool backup_restore_is_idle(const struct backup_restore *restore); /* no operation in flight */

/* 0: done, if it is over; a detail then says what the first start of the node has to finish.
 * QR_ERR_CANCELLED behind a finish(): whether it is done is not known. Else why it is not.
 */
int backup_restore_status(const struct backup_restore *restore);
const char *backup_restore_detail(const struct backup_restore *restore);

/* Whether a restore was begun in this directory: without an identity it did not come to its end. */
bool backup_restore_has_note(const struct disk *disk);

#endif
