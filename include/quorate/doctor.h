/* doctor.h: a cluster that lost its majority: what its data directories hold, and the way back.
 *
 * Owns     the directories it is given, locked from qr_doctor_open() to qr_doctor_free(), so that
 *          no node runs in them; nothing is changed but by qr_doctor_recover().
 * Threads  one caller.
 * Cost     qr_doctor_open() reads, and qr_doctor_recover() reads again, writes and syncs; the
 *          others look at what was read.
 * Source   docs/recovery.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_DOCTOR_H
#define QUORATE_DOCTOR_H

#include "quorate/engine.h"
#include "quorate/error.h"
#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QR_DOCTOR_DIRECTORIES_MAX 64
#define QR_DOCTOR_BEST SIZE_MAX /* in the place of a directory: the best one */

struct qr_doctor;

struct qr_doctor_member {
    uint64_t id;
    bool is_voter;    /* of the configuration in force, or the one to come */
    bool is_outgoing; /* a voter of the one that a joint configuration leaves */
    char name[QR_NAME_BYTES_MAX];
    char address[QR_ADDRESS_BYTES_MAX];
    char meta[QR_META_BYTES_MAX];
};

struct qr_doctor_configuration {
    uint64_t index; /* of its entry; 0: none */
    size_t count;
    struct qr_doctor_member members[QR_MEMBERS_MAX];
};

/* What one directory holds. Fields below `status` are set as far as the reading came. */
struct qr_doctor_directory {
    const char *path;
    int status;                         /* 0: whole; else `detail` says what is wrong */
    char detail[QR_ERROR_DETAIL_BYTES]; /* in words */
    bool has_identity;
    uint64_t node_id;
    struct qr_id cluster;
    struct qr_id former; /* which its cluster was made from; zero: none */
    bool is_in_cluster;  /* else it waits to be taken in, and holds nothing */
    bool is_recovering;  /* a recovery was begun; the next start finishes it */
    bool is_torn;        /* an unacknowledged tail would be cut at the next start */
    bool has_guarded;    /* entries of sessions or tokens may be in it, see exactly-once.md */
    char name[QR_NAME_BYTES_MAX];
    uint64_t term;
    bool has_voted;
    uint64_t voted_for;
    uint64_t first_index;
    uint64_t last_index; /* of log and snapshot together, which may stand beyond the log */
    uint64_t last_term;
    uint64_t last_timestamp_ns; /* log time of what stands there */
    uint64_t commit_index;      /* known to be committed; more may be */
    bool has_snapshot;
    bool is_beyond_log; /* the snapshot is what counts: the log does not reach it, or contradicts */
    uint64_t snapshot_index;
    uint64_t snapshot_term;
    uint64_t snapshot_bytes;
    struct qr_doctor_configuration committed; /* the latest known to be */
    struct qr_doctor_configuration latest;    /* the last one, committed or not: that in force */
};

enum qr_doctor_way {
    QR_DOCTOR_NOWHERE, /* no directory here is whole and in a cluster */
    QR_DOCTOR_MIXED,   /* of several clusters, or one node twice: name those of one alone */
    QR_DOCTOR_START,   /* a majority is here: start the nodes; nothing is to be recovered */
    QR_DOCTOR_RECOVER, /* the majority is lost: qr_doctor_recover() */
};

struct qr_doctor_verdict {
    enum qr_doctor_way way;
    size_t best;   /* the directory with the longest log, by term, then index */
    size_t chosen; /* whose recovery the fields below tell */
    bool can_lead; /* chosen is a member of its own last configuration */

    /* Of the best one's latest configuration; outgoing ones are counted when it is joint. */
    size_t voter_count;
    size_t voters_here;
    size_t outgoing_count;
    size_t outgoing_here;

    uint64_t kept_through; /* known to be committed, and in the chosen directory: surely kept */
    /* Entries here, but not in the chosen directory, that may have been acknowledged. */
    bool loses_seen;
    uint64_t lost_first; /* at the latest: when logs are compacted it may be an earlier one */
    uint64_t lost_last;
    uint64_t lost_committed_last; /* those up to it surely were; 0: none surely */
    /* Entries here, but not in the chosen directory, that surely were not acknowledged: a
     * majority never had them.
     */
    uint64_t void_count;
    /* As many voters are missing as could have acknowledged entries among themselves: there may be
     * any number that nobody here has, in the places behind kept_through.
     */
    bool may_lose_unseen;
};

/* Read data directories that no node is using.
 *
 * paths    `count` of them, 1..QR_DOCTOR_DIRECTORIES_MAX, borrowed until qr_doctor_free().
 * out      the caller's, until qr_doctor_free().
 * detail   QR_ERROR_DETAIL_BYTES; on failure a sentence; NULL: not wanted.
 *
 * What is wrong with one of them is told with it. Returns 0, or QR_ERR_INVALID, QR_ERR_LOCKED (a
 * node runs in one of them) or QR_ERR_NO_MEMORY.
 *
 * Cost: reads every log and the newest snapshots once.
 */
int qr_doctor_open(const char *const *paths, size_t count, struct qr_doctor **out, char *detail);

/* Let the directories go. NULL is allowed. */
void qr_doctor_free(struct qr_doctor *doctor);

/* What directory `at` holds; the doctor's, until qr_doctor_free(). NULL: there is no such
 * directory.
 */
const struct qr_doctor_directory *qr_doctor_directory(const struct qr_doctor *doctor, size_t at);

/* What the note `applying` of a directory tells its next start (docs/recovery.md). */
enum qr_doctor_note {
    QR_DOCTOR_NOTE_NONE,    /* nothing */
    QR_DOCTOR_NOTE_ENDED,   /* the process ended while entries were applied: they are tried again */
    QR_DOCTOR_NOTE_REFUSED, /* too often at one entry: the start ends with QR_ERR_POISON */
    QR_DOCTOR_NOTE_DAMAGED, /* not to be read, and forgotten */
};

struct qr_doctor_applying {
    size_t size_bytes; /* sizeof(struct qr_doctor_applying) */
    enum qr_doctor_note note;
    uint32_t ends;        /* of the process in a row, each within the entries of the end before */
    uint64_t first_index; /* of the entries of the last end: one of them, or a kill, ended it */
    uint64_t last_index;
    uint64_t term;                          /* of the first of them; 0: not known any more */
    char command[QR_COMMAND_BYTES_MAX + 1]; /* likewise; what is not printable is '?' */
};

/* Fill `out`: which entries of directory `at` were being applied when its process ended, and
 * how often. All zero but `note` where there is nothing to tell, or no telling.
 *
 * Returns 0, or QR_ERR_INVALID: NULL, no such directory, or a size of no version.
 */
int qr_doctor_applying(const struct qr_doctor *doctor, size_t at, struct qr_doctor_applying *out);

/* Compare them, and fill `out`. `chosen`: of which to tell what its recovery would lose;
 * QR_DOCTOR_BEST: the best one; of one that is none of them it tells QR_DOCTOR_NOWHERE.
 */
void qr_doctor_judge(const struct qr_doctor *doctor, size_t chosen, struct qr_doctor_verdict *out);

/* Make the node of one directory the only voter of a new cluster, of a random id, with all that
 * it holds. Every other node of the old one is refused by it for ever; they join from empty
 * directories.
 *
 * chosen    which; QR_DOCTOR_BEST is none: say whose it is to be.
 * cluster   set to the new cluster's id.
 * detail    QR_ERROR_DETAIL_BYTES; on failure a sentence; NULL: not wanted.
 *
 * One step: whatever the moment of a crash, the directory is as it was or that of the new cluster.
 *
 * Returns 0; QR_ERR_INVALID with nothing changed, when the verdict is not QR_DOCTOR_RECOVER, or the
 * directory is none of these, not whole or cannot lead; QR_ERR_LOCKED, or QR_ERR_BUSY (it changed
 * since it was read) likewise; QR_ERR_IO, QR_ERR_DISK_FULL, QR_ERR_NO_MEMORY: ask again what it
 * holds.
 */
int qr_doctor_recover(struct qr_doctor *doctor, size_t chosen, struct qr_id *cluster, char *detail);

#ifdef __cplusplus
}
#endif

#endif
