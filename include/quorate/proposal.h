/* proposal.h: entries into the replicated log, and who hears of them.
 *
 * Owns     proposals, sessions under which one is applied at most once, and the handlers that
 *          hear of what was applied.
 * Threads  as in engine.h.
 * Cost     as in engine.h; command and payload are copied once, and what is replicated takes one
 *          round to a majority with its syncs, shared by all that are under way.
 * Source   sessions: Ongaro's dissertation, §6.3; docs/exactly-once.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_PROPOSAL_H
#define QUORATE_PROPOSAL_H

#include "quorate/error.h"
#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct qr_engine;

#define QR_PROPOSAL_TIMEOUT_MS_MAX 600000

struct qr_proposal {
    size_t size_bytes; /* sizeof(struct qr_proposal) */
    struct qr_id id;   /* all zero: the engine makes one */
    const char *command;
    size_t command_bytes; /* 0..QR_COMMAND_BYTES_MAX; command and payload not both empty */
    const void *payload;
    size_t payload_bytes; /* with the command at most max_message_bytes */
    bool is_guarded;      /* not for members of version 0.1.0, as all under a session or token */
    uint32_t timeout_ms;  /* 1..QR_PROPOSAL_TIMEOUT_MS_MAX; 0: limits.proposal_timeout_ms */
    uint64_t *ticket;     /* set, before `done` can come, to what qr_cancel() takes; NULL: none */
};

/* How a proposal ended.
 *
 * status   0: committed by a quorum and applied here; index and result are set.
 *          QR_ERR_REJECTED: likewise, but no state machine of the cluster takes it; `result` says
 *          why, in the form that the program's own has for that.
 *          QR_ERR_NO_LEADER, QR_ERR_BUSY, QR_ERR_SUPERSEDED, QR_ERR_DISK_FULL, QR_ERR_WITHDRAWN
 *          (qr_cancel() came in time), QR_ERR_STOPPED before it was sent: certainly not applied,
 *          and never will be.
 *          QR_ERR_TIMEOUT, QR_ERR_CANCELLED, or QR_ERR_STOPPED after it was sent: unknown.
 *          QR_ERR_VERSION: guarded, and some member is too old; not applied.
 *          QR_ERR_DIVERGED: not applied; this replica's state differs, propose on another.
 *          Under a session or token, what is certain of a repeat is certain of this sending
 *          alone; of all of them tell
 *          0, QR_ERR_REJECTED: now or before; index and result are those of the first time, but
 *          what result said of a rejection may be forgotten: then it is empty.
 *          QR_ERR_FORGOTTEN: given to the state machine before; the result is no longer kept, and,
 *          of one that is durable by itself, not whether it rejected it.
 *          QR_ERR_SETTLED: not applied, and never will be: qr_settle() came first.
 *          QR_ERR_MISMATCH: the id was used for another command; this one is not applied.
 *          QR_ERR_EXPIRED: the session is over, or the sequence too far behind its highest:
 *          whether it was applied is unknown; it never will be again.
 * result   what the state machine gave, borrowed until return; NULL unless status is 0 or
 *          QR_ERR_REJECTED.
 */
typedef void qr_propose_done(void *argument, int status, uint64_t index,
                             const struct qr_result *result);

/* Propose an entry, on any node: one that does not lead forwards it.
 *
 * proposal   borrowed until return; copied.
 * done       called exactly once, never from within this call, unless it returns an error.
 *
 * Returns 0, or with nothing done
 *   QR_ERR_INVALID, QR_ERR_TOO_LARGE   the proposal is out of bounds.
 *   QR_ERR_BUSY      max_pending_proposals are waiting, or one with this id; of a session or
 *                    token, eight with this id.
 *   QR_ERR_VERSION   guarded, and some member is too old.
 *   QR_ERR_DISK_FULL the log has no room.
 *   QR_ERR_STOPPED   the engine has stopped.
 */
int qr_propose(struct qr_engine *engine, const struct qr_proposal *proposal, qr_propose_done *done,
               void *argument);

/* Wait no longer for a proposal that a leader may have, and send no more what none has.
 *
 * ticket   as qr_proposal.ticket was set.
 *
 * Returns 0, and `done` comes, once as ever, as soon as the program's code lets it: with
 * QR_ERR_WITHDRAWN (certainly not applied), QR_ERR_CANCELLED (unknown: it may be applied, now or
 * later), or as it ended just before. Or, with nothing done, QR_ERR_NOT_FOUND: `done` came, or is
 * coming, already, or there never was such a ticket; or QR_ERR_STOPPED.
 *
 * Threads: any, also from callbacks; from another thread it waits for the engine's turn. It ends a
 * qr_propose_wait() of another thread as well. Cost: linear in the proposals that are pending.
 */
int qr_cancel(struct qr_engine *engine, uint64_t ticket);

/* What came of a proposal that was waited for. */
struct qr_reply {
    void *data;            /* room for the result, the caller's; NULL where capacity_bytes is 0 */
    size_t capacity_bytes; /* of it */
    size_t size_bytes;     /* set: of the whole result, which may be more than there is room for */
    uint64_t index;        /* set: as qr_propose_done has it; 0: none */
    int status;            /* set: what was returned */
};

/* Propose an entry and wait until it ended.
 *
 * proposal   borrowed until return.
 * reply      data and capacity_bytes are read, the others set, whatever is returned; the result is
 *            copied into data, cut where there is no room. NULL: it is not wanted.
 *
 * Returns what `done` of qr_propose() would have got, or what that would have returned; or
 * QR_ERR_INVALID, with nothing done, where waiting would wait for itself: from a callback of this
 * engine, its state machine included, or if it lives on a caller's loop.
 *
 * Threads: any other, as many as max_pending_proposals at once. It returns within about the time
 * limit of the proposal, but not while other code of the program (apply, a callback) keeps the
 * application thread; and when the engine stops, with QR_ERR_STOPPED. The engine may be freed by
 * another thread once all calls have returned.
 *
 * Cost: the thread sleeps; one round to a majority and its syncs, shared by all that are under way.
 * One thread alone proposes as often as that goes in a second: for more use qr_propose().
 */
int qr_propose_wait(struct qr_engine *engine, const struct qr_proposal *proposal,
                    struct qr_reply *reply);

#define QR_SESSION_TIMEOUT_MS_MAX (UINT64_C(30) * 24 * 3600 * 1000)

/* Open a session, under which each sequence number (qr_id.low, from 1, in ascending order as a
 * rule) is applied at most once. It ends when nothing was proposed under it for longer than
 * `timeout_ms` of log time. The highest sequence used and the QR_SESSION_WINDOW - 1 below it are
 * remembered: no more may be under way at once.
 *
 * timeout_ms   1..QR_SESSION_TIMEOUT_MS_MAX.
 * done         status 0: qr_session_of(index) is the session, good on every node. To open one
 *              again after QR_ERR_TIMEOUT may leave one that nobody uses until it expires.
 *              QR_ERR_BUSY also where 16,384 are open.
 *
 * Returns and calls as qr_propose().
 */
int qr_open_session(struct qr_engine *engine, uint64_t timeout_ms, qr_propose_done *done,
                    void *argument);

/* qr_open_session(), and wait until it ended.
 *
 * session   on success: set to the session (qr_id.high), good on every node; else untouched.
 *
 * Returns what `done` would have got, or what qr_open_session() would have returned; or
 * QR_ERR_INVALID, with nothing done, without `session`, from a callback of this engine, its state
 * machine included, or if it lives on a caller's loop. The time limit is
 * limits.proposal_timeout_ms. Threads and cost: as qr_propose_wait().
 */
int qr_open_session_wait(struct qr_engine *engine, uint64_t timeout_ms, uint64_t *session);

/* The session (qr_id.high) that the entry at `index` has opened. */
static inline uint64_t qr_session_of(uint64_t index)
{
    return QR_SESSION_BIT | index;
}

/* End a session before its time: nothing is applied under it any more. `done` gets 0, or
 * QR_ERR_EXPIRED: it was over. Returns and calls as qr_propose().
 */
int qr_end_session(struct qr_engine *engine, uint64_t session, qr_propose_done *done,
                   void *argument);

/* qr_end_session(), and wait until it ended. Returns what `done` would have got, or what
 * qr_end_session() would have returned; QR_ERR_INVALID, limit, threads and cost as
 * qr_open_session_wait().
 */
int qr_end_session_wait(struct qr_engine *engine, uint64_t session);

/* Learn what became of a proposal under a session or token, and decide it: what was not applied
 * by then never will be, wherever it is still on its way.
 *
 * done   status 0: applied, QR_ERR_REJECTED: rejected, each with index and result as at first;
 *        QR_ERR_SETTLED: not applied, and never will be; QR_ERR_FORGOTTEN: applied, the result is
 *        no longer kept; QR_ERR_EXPIRED: unknown; else, as of any proposal, nothing is decided.
 *
 * Returns and calls as qr_propose(); QR_ERR_INVALID for an id of neither.
 */
int qr_settle(struct qr_engine *engine, struct qr_id id, qr_propose_done *done, void *argument);

/* qr_settle(), and wait until it ended.
 *
 * reply   as for qr_propose_wait(): with 0 and QR_ERR_REJECTED it holds the first answer, as far as
 *         there is room. NULL: it is not wanted.
 *
 * Returns what `done` would have got, or what qr_settle() would have returned; QR_ERR_INVALID also
 * without room where capacity_bytes says that there is some. Limit, threads and cost as
 * qr_open_session_wait().
 */
int qr_settle_wait(struct qr_engine *engine, struct qr_id id, struct qr_reply *reply);

/* Called for every entry of a program's own, after it was applied, in order, on every node: but
 * those that came inside a leader's snapshot. The entry is borrowed until return.
 */
typedef void qr_commit_handler(void *argument, const struct qr_entry *entry);

#define QR_COMMIT_HANDLERS_MAX 64

/* Call `handler` from the next applied entry on; `token` removes it. Behind qr_engine_open() that
 * may be any: who must have all of them gives qr_engine_options.on_commit instead.
 * Returns 0, QR_ERR_BUSY (QR_COMMIT_HANDLERS_MAX) or QR_ERR_STOPPED.
 */
int qr_on_commit(struct qr_engine *engine, qr_commit_handler *handler, void *argument,
                 uint64_t *token);

/* Remove a handler; after return it is not called again. An unknown token is ignored. From a
 * callback at once; from another thread, if it is just being called, when that has returned: hold
 * no lock that it wants.
 */
void qr_remove_commit_handler(struct qr_engine *engine, uint64_t token);

#ifdef __cplusplus
}
#endif

#endif
