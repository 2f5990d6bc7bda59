/* read.h: when what is applied on this node may be read: docs/reads.md.
 *
 * Threads  as in engine.h.
 * Cost     as in engine.h, and what qr_read() says.
 * Source   Ongaro's dissertation, §6.4; docs/reads.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_READ_H
#define QUORATE_READ_H

#include "quorate/error.h"
#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct qr_engine;

/* What a read promises, and what it costs: docs/reads.md. */
enum qr_read_kind {
    QR_READ_CONFIGURED,   /* by a lease where options.has_leases, else by a round */
    QR_READ_LINEARIZABLE, /* by a round to a majority, whatever has_leases says */
    QR_READ_LEASE,        /* as configured: there is no lease where has_leases is false */
    QR_READ_STALE,        /* what is applied here, asking nobody, if it is young enough */
};

/* "configured", "linearizable", "lease" or "stale"; "?" for what is none. Static. */
const char *qr_read_kind_name(enum qr_read_kind kind);

#define QR_AGE_ANY UINT64_MAX     /* as a bound */
#define QR_AGE_UNKNOWN UINT64_MAX /* as an age */

struct qr_read_options {
    size_t size_bytes; /* sizeof(struct qr_read_options) */
    enum qr_read_kind kind;
    uint64_t age_ms_max; /* stale; QR_AGE_ANY: also what is of unknown age */
};

/* status 0: whatever was acknowledged anywhere before the call is applied here, at `index`
 * or above; of a stale read, before a moment that is at most age_ms_max ago (`index` is 0).
 * Else QR_ERR_NO_LEADER, QR_ERR_BUSY, QR_ERR_TIMEOUT, QR_ERR_STOPPED, QR_ERR_DIVERGED (this
 * replica's state differs from the others': ask another), or QR_ERR_STALE: what is applied here
 * may be older.
 */
typedef void qr_read_done(void *argument, int status, uint64_t index);

/* Wait until a local read is linearizable (ReadIndex; Ongaro's dissertation, §6.4), or as the
 * options have it: NULL is QR_READ_CONFIGURED. Returns and calls as qr_propose(), and
 * QR_ERR_INVALID for an unknown kind. Cost: one round to a majority, shared by all reads of the
 * same moment; none with a lease, or of a stale one.
 */
int qr_read(struct qr_engine *engine, const struct qr_read_options *options, qr_read_done *done,
            void *argument);

/* qr_read() as configured. */
int qr_read_barrier(struct qr_engine *engine, qr_read_done *done, void *argument);

/* qr_read(), and wait until it ended.
 *
 * index   on success: as qr_read_done has it. NULL: not wanted.
 *
 * Returns what `done` would have got, or what qr_read() would have returned; or QR_ERR_INVALID,
 * with nothing done, from a callback of this engine, or if it lives on a caller's loop. Threads and
 * cost: as qr_propose_wait(), without a sync.
 */
int qr_read_wait(struct qr_engine *engine, const struct qr_read_options *options, uint64_t *index);

/* A stale read at once: whether what is applied here may be read as it is, and its age.
 *
 * age_ms   on success: everything that had been acknowledged anywhere so many milliseconds ago
 *          is applied here, by this node's clock, which is trusted alone (and by leases', where
 *          there are any); QR_AGE_UNKNOWN: that was not found out since the engine was opened.
 *
 * Returns 0, or QR_ERR_STALE (older than age_ms_max, or of unknown age; ask again, soon it is
 * known anew if a leader answers), QR_ERR_BUSY (the state machine is taking over a snapshot),
 * QR_ERR_NO_LEADER (in no cluster yet) or QR_ERR_STOPPED. From another thread it waits for the
 * engine's turn.
 */
int qr_read_age(struct qr_engine *engine, uint64_t age_ms_max, uint64_t *age_ms);

#ifdef __cplusplus
}
#endif

#endif
