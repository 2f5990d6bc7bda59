/* backup.h: a running cluster into a file, and a file into the data directory of a new cluster.
 *
 * Owns     the order of both; what a file holds is written down in docs/backup.md.
 * Does not know files: the program writes and reads the backup itself, piece by piece.
 * Threads  a backup that is taken: any thread, as engine.h; a reader or a restore: one caller.
 * Cost     of one that is taken: a round to a majority, a snapshot unless the newest one will do,
 *          and a read of the disk for each piece. A reader is linear in what it is fed; so is a
 *          restore, which waits for the disk, as does its end for the syncs.
 * Source   docs/backup.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_BACKUP_H
#define QUORATE_BACKUP_H

#include "quorate/engine.h"
#include "quorate/error.h"
#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QR_BACKUP_HEAD_BYTES 512 /* the first piece */
#define QR_BACKUPS_MAX 2         /* taken from one engine at a time */

struct qr_backup;

/* The next piece of a backup, as qr_backup_next() asked for it.
 *
 * status   0: size_bytes of `data`, borrowed until return. First QR_BACKUP_HEAD_BYTES, then the
 *          content, at most 256 KiB each; 0 bytes: that was all. The pieces one behind the other
 *          are the file.
 *          QR_ERR_NO_LEADER, QR_ERR_TIMEOUT   the barrier was not passed.
 *          QR_ERR_DISK_FULL, QR_ERR_IO, QR_ERR_NO_MEMORY   the snapshot was not taken or read.
 *          QR_ERR_CORRUPT   the snapshot was damaged on the disk.
 *          QR_ERR_BUSY      too many snapshots are read, or asked for.
 *          QR_ERR_BEHIND    this node is still taking a leader's snapshot over.
 *          QR_ERR_TOO_LARGE the log counts beyond what a backup holds; see docs/backup.md.
 *          QR_ERR_STOPPED   the engine has stopped.
 *          After an error it can only be closed.
 */
typedef void qr_backup_done(void *argument, int status, const void *data, size_t size_bytes);

/* Begin a backup on any node: whatever was acknowledged anywhere before this call will be in
 * it. A read barrier is passed, then a snapshot of this node is taken unless the newest one has
 * all of that, and its file is kept until the backup is closed. Pieces are read no faster than
 * max_snapshot_rate allows, together with what is sent to members.
 *
 * done   called like every callback, once for each qr_backup_next(), never from within it.
 * out    the backup, to be closed by qr_backup_close() before the engine is freed.
 *
 * Returns 0, or with nothing done
 *   QR_ERR_INVALID   the state machine makes no snapshots, or is durable by itself: its own files
 *                    have its state.
 *   QR_ERR_BUSY      QR_BACKUPS_MAX are being taken, or too many reads wait.
 *   QR_ERR_STOPPED   the engine has stopped.
 */
int qr_backup_open(struct qr_engine *engine, qr_backup_done *done, void *argument,
                   struct qr_backup **out);

/* Ask for the next piece of `backup`, which `done` gets.
 * Returns 0, QR_ERR_BUSY (one is asked for already) or QR_ERR_STOPPED: then `done` is not called.
 */
int qr_backup_next(struct qr_backup *backup);

/* End a backup, whole or not; `backup` is gone. Called from a callback `done` is not called any
 * more; from another thread it may be under way, and is not begun again. NULL is allowed.
 */
void qr_backup_close(struct qr_backup *backup);

struct qr_backup_member {
    uint64_t id;
    bool is_voter;
    char name[QR_NAME_BYTES_MAX];
    char address[QR_ADDRESS_BYTES_MAX];
};

/* What a backup says of itself. */
struct qr_backup_facts {
    struct qr_id cluster;
    uint64_t node_id; /* that made it */
    char node_name[QR_NAME_BYTES_MAX];
    uint64_t made_ns;       /* by that node's clock, since the Unix epoch */
    uint64_t index;         /* of the last entry that is in it */
    uint64_t term;          /* of that entry */
    uint64_t timestamp_ns;  /* log time there */
    uint64_t size_bytes;    /* of the whole file */
    uint64_t state_bytes;   /* of the state machine, before compression */
    uint64_t session_bytes; /* of sessions and tokens, likewise */
    size_t member_count;
    struct qr_backup_member members[QR_MEMBERS_MAX]; /* at that index */
};

struct qr_backup_reader;

/* Begin to check a backup.
 *
 * machine   whose restore functions are given what is in it, so that what it refuses is refused
 *           now; NULL: its bytes are checked, and not looked into. Then neither are sessions.
 *           Borrowed until qr_backup_reader_free().
 * out       the caller's, until qr_backup_reader_free().
 *
 * Returns 0, QR_ERR_INVALID (the machine restores nothing), QR_ERR_NO_MEMORY or what its
 * restore_begin() returned.
 */
int qr_backup_reader_new(const struct qr_state_machine *machine, struct qr_backup_reader **out);

/* Free a reader; what its machine took over by then is the machine's. NULL is allowed. */
void qr_backup_reader_free(struct qr_backup_reader *reader);

/* Take the next bytes of the file, however many.
 *
 * data   size_bytes, borrowed until return.
 *
 * Returns 0; QR_ERR_FOREIGN (no backup), QR_ERR_VERSION (of a later version), QR_ERR_CORRUPT
 * (damaged), QR_ERR_NO_MEMORY, or what the machine returned; and the same for all that follows.
 * QR_ERR_INVALID (NULL), as if it had not been called.
 */
int qr_backup_reader_feed(struct qr_backup_reader *reader, const void *data, size_t size_bytes);

/* The file has ended: whether it was whole. Returns as qr_backup_reader_feed(). */
int qr_backup_reader_end(struct qr_backup_reader *reader);

/* What went wrong, where, in a sentence; "" as long as nothing did, and for NULL. The
 * reader's.
 */
const char *qr_backup_reader_detail(const struct qr_backup_reader *reader);

/* Fill `out` as far as the reading came. False: the head was not read yet. */
bool qr_backup_reader_facts(const struct qr_backup_reader *reader, struct qr_backup_facts *out);

struct qr_restore_options {
    size_t size_bytes;          /* sizeof(struct qr_restore_options) */
    const char *data_directory; /* made when missing; must hold nothing */
    const char *name;           /* of the new node: 1..63 of [a-z0-9.-] */
    const char *address;        /* HOST:PORT that others dial; a start may say another */
    struct qr_logger *logger;   /* borrowed; NULL: silent */
};

struct qr_restore;

/* Begin to make the data directory of a new cluster, with a random id and a new node, the only
 * voter, with all that is in the backup: state, sessions and tokens, log index and log time.
 * Others join it as they join any cluster. A directory in which a restore was begun and not
 * finished may be used again; a start in it is refused until then.
 *
 * options   borrowed until return; its logger until qr_restore_free().
 * out       the caller's, until qr_restore_free().
 * detail   QR_ERROR_DETAIL_BYTES; on failure a sentence; NULL: not wanted.
 *
 * Returns 0, or with nothing changed QR_ERR_INVALID (an option, or the directory holds
 * something), QR_ERR_ADDRESS, QR_ERR_LOCKED, QR_ERR_NO_MEMORY; QR_ERR_IO, QR_ERR_DISK_FULL.
 */
int qr_restore_open(const struct qr_restore_options *options, struct qr_restore **out,
                    char *detail);

/* Take the next bytes of the file, however many; they are checked, and written. Whether a state
 * machine takes over what is in them is not: a reader with one (qr_backup_reader_new()) goes
 * first, over all of the file.
 *
 * data     size_bytes, borrowed until return.
 * detail   as in qr_restore_open().
 *
 * Returns 0; as qr_backup_reader_feed(); QR_ERR_IO or QR_ERR_DISK_FULL. After a failure other than
 * QR_ERR_INVALID what was begun is removed, as far as the disk lets it.
 */
int qr_restore_feed(struct qr_restore *restore, const void *data, size_t size_bytes, char *detail);

/* The file has ended: make all of it durable, and then, in one step, the directory a node's.
 *
 * cluster   set to the new cluster's id.
 * detail    QR_ERROR_DETAIL_BYTES; on success "", or a sentence that says what could not be written
 *           any more and is finished by the first start of the node; NULL: not wanted.
 *
 * Returns 0; as qr_restore_feed(), then nothing was restored; or QR_ERR_CANCELLED: the disk failed
 * in the one step, and whether it is done is not known: a start in the directory tells.
 */
int qr_restore_finish(struct qr_restore *restore, struct qr_id *cluster, char *detail);

/* End it. What is not finished is removed, as far as the disk lets it. NULL is allowed. */
void qr_restore_free(struct qr_restore *restore);

#ifdef __cplusplus
}
#endif

#endif
