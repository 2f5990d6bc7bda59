/* wal.h: the durable log: entries and hard state, in one directory of segment files.
 *
 * Owns     the files called log-* of its disk, their format, their recovery, and the rule
 *          what is a torn tail and what is damage.
 * Does not know Raft, a clock, a thread, a file descriptor: it is written against disk.h.
 * Threads  one caller; completions come on the caller's thread.
 * Format   docs/wal-format.md.
 *
 * One append is one batch: {hard state, entries, commit index, what is known to be synced}
 * in one write with one sync. A batch that begins at or below the last index replaces the
 * log from there on (conflict); nothing is ever cut in place. The first failed write or
 * sync poisons the log for good: it is never tried again.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WAL_WAL_H
#define WAL_WAL_H

#include "base/allocator.h"
#include "base/entry.h"
#include "base/log.h"
#include "base/types.h"
#include "wal/disk.h"

#define WAL_SEGMENT_BYTES_MIN (UINT64_C(64) * 1024)
#define WAL_SEGMENT_BYTES_DEFAULT (UINT64_C(16) * 1024 * 1024)
#define WAL_SEGMENT_BYTES_MAX (UINT64_C(1024) * 1024 * 1024)
#define WAL_APPENDS_MAX 64 /* in flight; the caller keeps to it */
#define WAL_READS_MAX 128  /* in flight */
#define WAL_ERROR_DETAIL_BYTES 256

struct wal;

/* Told by the log, always from within a disk operation's done(). */
struct wal_listener {
    void *context;
    /* All appends up to and with this ticket are durable. */
    void (*synced)(void *context, uint64_t ticket);
    /* A read ended. status 0: `count` >= 1 entries from the asked index on, borrowed until
     * return (hold their chunks to keep them). Else count is 0: QR_ERR_CORRUPT, QR_ERR_IO,
     * QR_ERR_NO_MEMORY, or QR_ERR_NOT_FOUND when an append replaced them meanwhile, or they
     * were truncated.
     */
    void (*read_done)(void *context, uint64_t token, int status, const struct entry *entries,
                      size_t count);
    /* The log is poisoned; said once. `detail` names file, offset and what failed. */
    void (*poisoned)(void *context, int status, const char *detail);
};

struct wal_options {
    const struct allocator *allocator; /* borrowed */
    const struct disk *disk;           /* borrowed */
    const struct log_sink *log;        /* borrowed; may be NULL */
    struct wal_listener listener;
    node_id node;             /* stands in every segment; another's is refused */
    uint64_t segment_bytes;   /* WAL_SEGMENT_BYTES_MIN.._MAX, a multiple of 4096 */
    uint64_t entry_bytes_max; /* of one record; segment_bytes must hold it with headers */
    bool must_hold_batches;   /* a log without any is damage, not a fresh directory */
    bool is_read_only;        /* only to be looked at: nothing is prepared, appended or marked */
};

/* The last entry that is not in the log any more, nor needed: everything up to it is in a
 * snapshot. {0, 0}: nothing was ever left out.
 */
struct wal_base {
    raft_term term;
    raft_index index;
};

/* Where the log's terms begin: `term` is that of every entry from first_index up to the
 * next run.
 */
struct wal_term_run {
    raft_term term;
    raft_index first_index;
};

/* What recovery found. Arrays are the log's, until its next append. */
struct wal_recovered {
    struct hard_state hard_state;
    raft_index commit_index; /* known to be committed when last written; may be behind */
    struct wal_base base; /* a snapshot at or above it must be there: that is the caller's check */
    raft_index first_index;    /* base.index + 1 */
    raft_index last_index;     /* base.index when the log is empty */
    time_ns last_timestamp_ns; /* of the last entry that stands in a file; 0 when none does */
    const struct wal_term_run *terms; /* from first_index on; none when the log is empty */
    size_t term_count;
    /* Entries of type ENTRY_CONFIGURATION from first_index on that still count: the latest at or
     * below commit_index, and every one above it. Ascending.
     */
    const struct entry *configurations;
    size_t configuration_count;
    bool was_torn;       /* a tail was cut that nobody had been told was durable */
    uint64_t torn_bytes; /* how much, at least */
};

/* Open the log of a directory, or begin one.
 *
 * detail   WAL_ERROR_DETAIL_BYTES of room; on failure a sentence with file and offset and
 *          what to do.
 *
 * Nothing is submitted to the disk before the first wal_append() or wal_prepare(), so that
 * who opened it may still free it.
 *
 * Returns 0, or, with nothing changed on the disk,
 *   QR_ERR_CORRUPT   damage in what was once known to be synced, a gap between segments, or
 *                    first segments that are gone though no base says that they may be.
 *   QR_ERR_VERSION   a segment of a newer format.
 *   QR_ERR_FOREIGN   a segment of another node.
 *   QR_ERR_IO, QR_ERR_NO_MEMORY
 *   QR_ERR_DISK_FULL no room for the first segment.
 *
 * Cost: reads the whole log once.
 */
NODISCARD int wal_open(const struct wal_options *options, struct wal **out,
                       struct wal_recovered *recovered, char *detail);

/* Whether a file of this name is one of a log's. */
bool wal_is_log_file(const char *name);

/* Free the log; no operation may be in flight (see wal_is_idle()). NULL is allowed. */
void wal_free(struct wal *wal);

struct wal_batch {
    struct hard_state hard_state;
    const struct entry *entries; /* follow one another; the first is at most last_index + 1 */
    size_t count;                /* 0: only the hard state */
    raft_index commit_index;     /* a hint for recovery */
    uint64_t ticket;             /* greater than any before */
    /* NULL, or borrowed: the log becomes empty, standing at *reset, whatever it held; entries
     * follow reset->index + 1. At or above the base there was. One step, durable with the
     * ticket: before that a crash leaves the log as it was.
     */
    const struct wal_base *reset;
};

/* Append one batch and make it durable; listener.synced(ticket) says when.
 *
 * entries   borrowed until return; their chunks are held until the write is done.
 *
 * At most WAL_APPENDS_MAX may be in flight, those that wait for a segment included; more is
 * the caller's bug and is asserted.
 *
 * Returns 0, or with nothing changed
 *   QR_ERR_DISK_FULL   no room is prepared and none can be made now, see wal_room_bytes().
 *   QR_ERR_STOPPED     the log is poisoned.
 *   QR_ERR_NO_MEMORY
 */
NODISCARD int wal_append(struct wal *wal, const struct wal_batch *batch);

/* Note in the log, without a sync, what is synced by now, so that damage to the last batch
 * is told from a torn tail. Does nothing when that stands there already, or when anything
 * is in flight. For a moment without other work.
 */
void wal_mark(struct wal *wal, raft_index commit_index);

/* The entries up to base->index are not needed any more: a durable snapshot has them.
 *
 * base   term and index of an entry that can be read; one at or below the present base changes
 *        nothing.
 *
 * From now on they are not in the log: reads of them are QR_ERR_NOT_FOUND. Whole segments that
 * hold nothing else are removed in the background, the first one first and one at a time, but
 * not before the base itself is durable in the log: a batch of its own notes it, and when there
 * is no room or memory for that, the next append or wal_prepare().
 *
 * Cost: one write and sync of 512 bytes; no waiting.
 */
void wal_truncate_prefix(struct wal *wal, const struct wal_base *base);

/* Read entries from `first` on, at least one, up to about bytes_max; the answer comes
 * through listener.read_done(token).
 *
 * first   base.index + 1 .. the last durable index, and before anything that an append
 *         under way replaces.
 *
 * Returns 0, QR_ERR_NOT_FOUND (not in the log), QR_ERR_BUSY (WAL_READS_MAX in flight),
 * QR_ERR_STOPPED or QR_ERR_NO_MEMORY.
 */
NODISCARD int wal_read(struct wal *wal, raft_index first, uint64_t bytes_max, uint64_t token);

/* How many bytes of records one append can surely take now. Small when the disk is full and
 * the present segment nearly so; a reserve for hard state and no-ops is not counted.
 */
uint64_t wal_room_bytes(const struct wal *wal);

/* Whether the disk had no room when a segment was last prepared; wal_prepare() tries again. */
bool wal_is_full(const struct wal *wal);

/* Whether a batch with a reset is taken now, for it begins a segment, whatever room the present
 * one has.
 */
bool wal_has_room_for_reset(const struct wal *wal);

/* Prepare segments ahead: once after opening, and again after QR_ERR_DISK_FULL; cheap when
 * nothing is to be done.
 */
void wal_prepare(struct wal *wal);

bool wal_is_idle(const struct wal *wal); /* no operation in flight */
bool wal_is_poisoned(const struct wal *wal);

/* Append one batch of one entry to a log that nobody has open, and make it durable before
 * returning, as a segment of its own: it is written aside and gets its name in one step.
 *
 * batch    reset as in wal_append(); ticket is not looked at. A log without files begins so, too.
 * detail   WAL_ERROR_DETAIL_BYTES; on failure a sentence with file and offset.
 *
 * Whatever the moment of a crash, the log is as before, or with the batch.
 *
 * Returns 0, QR_ERR_INVALID (the entry does not follow, or the log is newer) with nothing changed,
 * or as wal_open(); after QR_ERR_IO and QR_ERR_DISK_FULL either is there.
 *
 * Cost: reads the whole log once.
 */
NODISCARD int wal_append_offline(const struct wal_options *options, const struct wal_batch *batch,
                                 char *detail);

struct wal_stats {
    struct wal_base base;
    uint64_t segment_count;
    uint64_t size_bytes; /* of all segment files, those to be removed included */
    uint64_t append_count;
    uint64_t entry_count;
    uint64_t written_bytes;
    uint64_t sync_count;
};

void wal_stats(const struct wal *wal, struct wal_stats *out);

/* Assert all that must hold between two calls; for tests, the simulator and CHECKS builds. */
void wal_invariants(const struct wal *wal);

/* What wal_scan() meets, in the order of the files. */
enum wal_scan_kind {
    WAL_SCAN_SEGMENT, /* a segment begins */
    WAL_SCAN_BATCH,   /* a batch; its entries follow */
    WAL_SCAN_ENTRY,
    WAL_SCAN_TORN,   /* the tail from here on was never known to be synced */
    WAL_SCAN_DAMAGE, /* bytes that were once whole; the scan ends */
};

struct wal_scan_item {
    enum wal_scan_kind kind;
    const char *file;
    uint64_t offset;
    uint64_t sequence;            /* segment: its number */
    bool is_reset;                /* segment: what stood before it is void */
    struct wal_base base;         /* segment, batch */
    struct hard_state hard_state; /* batch */
    raft_index commit_index;      /* batch */
    uint64_t generation;          /* batch: the start that wrote it; never falls along a log */
    size_t entry_count;           /* batch */
    const struct entry *entry;    /* entry: borrowed until return */
    const char *text;             /* torn, damage: what is wrong, in words */
};

/* Read a log without changing it: for `wal verify` and `wal dump`.
 *
 * Returns 0 (also with a torn tail), QR_ERR_CORRUPT after a WAL_SCAN_DAMAGE item, or as
 * wal_open().
 */
NODISCARD int wal_scan(const struct wal_options *options,
                       void (*each)(void *context, const struct wal_scan_item *item), void *context,
                       char *detail);

#endif
