/* walk.h: reading a whole log in order; the one parser of recovery and of wal_scan().
 *
 * Owns     the order of checks, and the judgement where a log ends: at a torn tail, which is
 *          cut, or at damage, which is refused.
 * Threads  one caller; the disk is read synchronously. Nothing is ever written.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WAL_WALK_H
#define WAL_WALK_H

#include "wal/internal.h"

/* Told what is whole, in order. A result other than 0 ends the walk with it. */
struct wal_visitor {
    void *context;
    int (*segment)(void *context, const struct wal_segment_header *header, const char *name);
    /* Entries, header->entry_count of them, are borrowed until return, their chunk too. */
    int (*batch)(void *context, const struct wal_batch_header *header, const char *name,
                 const struct entry *entries, uint64_t end);
};

struct wal_file {
    uint64_t sequence;
    uint64_t size_bytes;
};

struct wal_walk {
    const struct wal_options *options;
    struct wal_visitor visitor;
    struct wal_file *files; /* ascending */
    size_t file_count;
    size_t file_capacity;
    int list_status;
    struct chunk *window; /* bytes of one file */
    uint64_t window_sequence;
    uint64_t window_offset;
    uint64_t window_bytes;
    struct entry *entries; /* of the batch being looked at */
    size_t entry_capacity;
    struct wal_cursor cursor;    /* behind the last whole batch */
    struct wal_cursor due;       /* the same, but for a segment that empties the log */
    raft_index missing_through;  /* entries up to here may be in segments that are gone */
    struct wal_position noted;   /* the furthest that is noted as synced, by anything whole */
    raft_index commit_index;     /* the highest noted */
    uint64_t generation_max;     /* of anything whole, also of stale batches and lone headers */
    struct wal_position failed;  /* where it ends for another reason than zeros */
    const char *reason;          /* why; NULL: it ends in zeros or in a mark */
    uint64_t torn_bytes;         /* behind the end, that are not zero */
    struct wal_position torn_at; /* the first of them */
    bool has_mark;               /* at the end */
    char *detail;                /* WAL_ERROR_DETAIL_BYTES */
};

void wal_walk_init(struct wal_walk *walk, const struct wal_options *options, char *detail);
void wal_walk_deinit(struct wal_walk *walk);

/* Walk the log from the first segment that is there.
 *
 * Returns 0, with `cursor` at the log's end; or the first failure, with `detail` filled:
 *   QR_ERR_CORRUPT (`failed` and `reason` say where and why), QR_ERR_VERSION,
 *   QR_ERR_FOREIGN, QR_ERR_IO, QR_ERR_NO_MEMORY, or what a visitor returned.
 */
NODISCARD int wal_walk_run(struct wal_walk *walk);

/* walk.c for tail.c and followed.c: the bytes of a file, valid until the next call. They are
 * within the file. 0, QR_ERR_IO or QR_ERR_NO_MEMORY, with `detail` filled.
 */
NODISCARD int wal_walk_bytes(struct wal_walk *walk, const struct wal_file *file, uint64_t offset,
                             uint64_t size_bytes, const uint8_t **out);

/* walk.c for tail.c and followed.c: read the first sector of files[index] and check what it
 * says of itself.
 *
 * kind     WAL_SECTOR_ZERO also for a last file whose preparation was not finished.
 * header   set when it is whole.
 *
 * Returns 0, QR_ERR_CORRUPT (cut short, or under another one's name), QR_ERR_VERSION,
 * QR_ERR_FOREIGN, or as wal_walk_bytes(); with `detail` filled.
 */
NODISCARD int wal_walk_look_at_header(struct wal_walk *walk, size_t index,
                                      struct wal_segment_header *header,
                                      enum wal_sector_kind *kind);

/* followed.c for walk.c: whether a start later than that of `batch` went on from it. It is the next
 * one by walk->due, in `file`, with this checksum. What wal_walk_bytes() gave is void afterwards.
 *
 * Returns 0, or as wal_walk_look_at_header(), with `detail` filled; `is_followed` is set.
 */
NODISCARD int wal_walk_look_ahead(struct wal_walk *walk, const struct wal_file *file,
                                  const struct wal_batch_header *batch, uint32_t checksum,
                                  bool *is_followed);

/* Fill `detail` with file, place, reason and advice. Returns `status`. */
int wal_walk_refuse(struct wal_walk *walk, int status, struct wal_position at, const char *reason,
                    const char *advice);

extern const char wal_advice_damage[];

/* tail.c: look at all that lies behind the end. 0 when it is torn, or nothing; or
 * QR_ERR_CORRUPT when something there proves that the log once went on.
 */
NODISCARD int wal_walk_judge_tail(struct wal_walk *walk);

#endif
