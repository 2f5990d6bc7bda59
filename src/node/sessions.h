/* sessions.h: what was applied already, so that a repeat is answered and not applied again.
 *
 * Owns     the open sessions, the outcomes of what was proposed under them and under tokens,
 *          and the results that are kept for repeats, all within the limits below.
 * Does not know Raft, the state machine, or who waits for what. Its time is log time, its
 *          input the committed guarded entries in their order: so it is the same on every
 *          replica, and its digest is compared like that of a state machine.
 * Threads  one caller at a time.
 * Format   of ids and control entries, and every promise: docs/exactly-once.md.
 *
 * An entry has two moments: sessions_use() when it is its turn, and sessions_keep() when the
 * state machine has given its result. Entries of one batch may all have the first before any
 * has the second: neither looks at what the other changes, so batches may be cut anywhere.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_SESSIONS_H
#define NODE_SESSIONS_H

#include "node/id_map.h"
#include "node/results.h"
#include "quorate/types.h"

#define SESSIONS_MAX 16384
#define SESSIONS_OUTCOMES_MAX 262144
#define SESSIONS_WINDOW QR_SESSION_WINDOW
#define SESSIONS_TIMEOUT_NS_MIN NS_PER_MS
#define SESSIONS_TIMEOUT_NS_MAX (UINT64_C(30) * 24 * 3600 * NS_PER_S)
#define SESSIONS_TOKEN_NS (UINT64_C(600) * NS_PER_S) /* older ones go where room is short */
#define SESSIONS_SWEEP_NS NS_PER_S

enum sessions_id_kind {
    SESSIONS_ID_NONE,    /* none of the table's: applied, and not remembered */
    SESSIONS_ID_CONTROL, /* opens, ends, settles */
    SESSIONS_ID_SESSION,
    SESSIONS_ID_TOKEN,
};

enum sessions_id_kind sessions_id_kind(struct proposal_id id);

struct session {
    uint64_t id; /* 0: a free place */
    time_ns used_ns;
    time_ns timeout_ns;
    uint64_t highest; /* sequence; 0: none yet */
};

enum sessions_state {
    SESSIONS_FREE,
    SESSIONS_APPLIED,
    SESSIONS_SETTLED,  /* not applied, and never will be */
    SESSIONS_REJECTED, /* given to the state machine, which rejected it */
};

struct sessions_outcome {
    struct proposal_id id;
    raft_index index; /* of the entry that was applied, or that settled it */
    time_ns created_ns;
    uint64_t result_at;
    uint32_t result_bytes;
    uint32_t checksum; /* of the command and payload */
    uint8_t state;
    bool has_result;
    uint32_t older; /* places of its neighbours in order of creation */
    uint32_t newer; /* ... or of the next free one */
};

struct sessions {
    const struct allocator *allocator;
    bool is_used;        /* some guarded entry was applied, ever */
    time_ns log_time_ns; /* of the latest guarded entry */
    time_ns swept_ns;    /* log time at which all that is over was looked for last */
    struct session *sessions;
    size_t session_capacity;
    size_t session_count;
    struct id_map session_map;
    struct sessions_outcome *outcomes;
    size_t outcome_capacity;
    size_t outcome_used; /* places that were ever taken */
    size_t outcome_count;
    uint32_t free_outcome;
    uint32_t oldest;
    uint32_t newest;
    struct id_map outcome_map;
    struct results results;
    uint64_t digest; /* of sessions and outcomes: the sum of theirs */
    uint8_t *copied; /* the result that sessions_find() gave last */
};

void sessions_init(struct sessions *sessions, const struct allocator *allocator);
void sessions_deinit(struct sessions *sessions);

/* A committed entry, as far as the table looks at it. */
struct sessions_entry {
    struct proposal_id id;
    raft_index index;
    time_ns timestamp_ns;
    uint32_t checksum;
};

/* Whether an entry under a session or token is to be applied. It is decided by committed entries
 * alone; sessions_keep() must follow where it is, and the result is known: without it a repeat is
 * answered QR_ERR_FORGOTTEN.
 *
 * is_first   true: apply it. False: it is a repeat; sessions_find() has the answer.
 *
 * Returns 0, or then it must not be applied
 *   QR_ERR_EXPIRED    no such session is open, or the sequence is below its window.
 *   QR_ERR_SETTLED    it was settled as not applied.
 *   QR_ERR_MISMATCH   its id was used for another command.
 *   QR_ERR_BUSY       SESSIONS_OUTCOMES_MAX are remembered, and none may be forgotten yet.
 *   QR_ERR_NO_MEMORY  the table is whole, and this replica cannot go on.
 */
NODISCARD int sessions_use(struct sessions *sessions, const struct sessions_entry *entry,
                           bool *is_first);

/* The state machine applied it, or rejected it: result->status. Returns 0 or QR_ERR_NO_MEMORY, as
 * sessions_use().
 */
NODISCARD int sessions_keep(struct sessions *sessions, const struct sessions_entry *entry,
                            const struct qr_result *result);

/* What became of an id.
 *
 * index, result   of the entry that was applied; the result's bytes live until the next call.
 *
 * Returns 0; QR_ERR_REJECTED (likewise; where its result is no longer kept it is empty);
 * QR_ERR_FORGOTTEN (applied: index is set, the result is no longer kept); QR_ERR_SETTLED;
 * QR_ERR_EXPIRED (nothing is known of it); or QR_ERR_NO_MEMORY.
 */
NODISCARD int sessions_find(struct sessions *sessions, struct proposal_id id, raft_index *index,
                            struct qr_result *result);

/* Open the session that the entry at `index` is to open.
 * Returns 0, QR_ERR_INVALID (timeout out of bounds), QR_ERR_BUSY (SESSIONS_MAX are open) or
 * QR_ERR_NO_MEMORY.
 */
NODISCARD int sessions_open(struct sessions *sessions, const struct sessions_entry *entry,
                            time_ns timeout_ns);

/* End a session, and forget all of it. Returns 0 or QR_ERR_EXPIRED: it is not open. */
NODISCARD int sessions_end(struct sessions *sessions, const struct sessions_entry *entry,
                           uint64_t session);

/* Decide what becomes of `id`: if it was not applied by now, it never will be.
 * Returns 0 (it was applied or rejected: sessions_find()), QR_ERR_SETTLED, QR_ERR_EXPIRED,
 * QR_ERR_BUSY or QR_ERR_NO_MEMORY, as sessions_use(); QR_ERR_INVALID for an id that is not of the
 * table's.
 */
NODISCARD int sessions_settle(struct sessions *sessions, const struct sessions_entry *entry,
                              struct proposal_id id);

/* Equal on replicas that applied the same entries; 0 before the first guarded one. */
uint64_t sessions_digest(const struct sessions *sessions);

/* Check what must hold of the table, with assertions. Cost: the whole table. */
void sessions_invariants(const struct sessions *sessions);

/* sessions_stream.c: the whole table as bytes, for a snapshot, and back from them. */
size_t sessions_write_bytes(const struct sessions *sessions);

/* `out` has sessions_write_bytes() of room. */
void sessions_write(const struct sessions *sessions, uint8_t *out);

/* Replace what the table holds.
 * Returns 0, QR_ERR_CORRUPT, QR_ERR_VERSION or QR_ERR_NO_MEMORY; on failure it is empty.
 */
NODISCARD int sessions_read(struct sessions *sessions, const void *data, size_t size_bytes);

/* Whether entries up to `index` can have made what is in the table: bytes of a peer may claim
 * more. Cost: the whole table.
 */
bool sessions_fit(const struct sessions *sessions, raft_index index);

/* sessions_table.c: places in the table, for the files of this name alone. */

/* A new outcome, or NULL: memory ran out, *status says so. Pointers to others become invalid. */
struct sessions_outcome *sessions_outcome_add(struct sessions *sessions,
                                              const struct sessions_outcome *outcome, int *status);
void sessions_outcome_remove(struct sessions *sessions, struct sessions_outcome *outcome);
struct sessions_outcome *sessions_outcome_find(const struct sessions *sessions,
                                               struct proposal_id id);
NODISCARD int sessions_session_add(struct sessions *sessions, const struct session *session);
/* What was applied turns out to be rejected. */
void sessions_outcome_reject(struct sessions *sessions, struct sessions_outcome *outcome);
void sessions_session_remove(struct sessions *sessions, struct session *session);
struct session *sessions_session_find(const struct sessions *sessions, uint64_t id);
/* Change a session's time of use and highest sequence. */
void sessions_session_set(struct sessions *sessions, struct session *session, time_ns used_ns,
                          uint64_t highest);

#endif
