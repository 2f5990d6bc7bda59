/* wal.h: look into a data directory that no node is using. Nothing is changed.
 *
 * Owns     nothing; the directory is locked while a call reads it.
 * Threads  any; a directory is read by one call at a time, another gets QR_ERR_LOCKED.
 * Cost     the whole log is read once, and the newest snapshot.
 * Source   docs/wal-format.md, docs/snapshot-format.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_WAL_H
#define QUORATE_WAL_H

#include "quorate/error.h"
#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct qr_wal_summary {
    uint64_t node_id;
    uint64_t cluster_high;
    uint64_t cluster_low;
    char name[QR_NAME_BYTES_MAX];
    uint64_t segment_count;
    uint64_t batch_count;
    uint64_t entry_count; /* entries met, replaced ones included */
    uint64_t base_index;  /* of the last entry that the log has left to a snapshot; 0: none */
    uint64_t base_term;
    uint64_t last_index;
    uint64_t term; /* hard state */
    bool has_voted;
    uint64_t voted_for;
    uint64_t commit_index; /* as far as the log knows */
    bool is_torn;          /* an unacknowledged tail would be cut at the next start */
    bool has_snapshot;     /* the newest that is whole */
    uint64_t snapshot_index;
    uint64_t snapshot_term;
    uint64_t snapshot_bytes; /* of its content */
};

/* One line for every thing met: text, or a JSON object when is_json; without newline. */
typedef void qr_wal_line(void *argument, const char *line);

/* Read the whole log, and the newest snapshot.
 *
 * data_directory   of a node that does not run; borrowed until return.
 * line     called for every segment, batch and entry (dump), as text or, if is_json, as JSON; NULL:
 *          only check (verify).
 * detail   of 512 bytes; on failure a sentence with file and offset.
 *
 * Returns 0, QR_ERR_NOT_FOUND (no data directory there), QR_ERR_LOCKED, QR_ERR_CORRUPT (also
 * when a snapshot newer than that is not whole), QR_ERR_VERSION, QR_ERR_IO or
 * QR_ERR_NO_MEMORY. `out` is filled as far as the reading came.
 */
int qr_wal_inspect(const char *data_directory, bool is_json, qr_wal_line *line, void *argument,
                   struct qr_wal_summary *out, char *detail);

#ifdef __cplusplus
}
#endif

#endif
