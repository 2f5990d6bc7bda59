/* membership.h: who is there, who leads, and changes of either.
 *
 * Owns     the events that a program can hear, an engine's joining and departure, and changes of
 *          the members and of the leader, which are decided in the log alone: gossip changes
 *          nothing there.
 * Threads  as in engine.h: calls from any thread, handlers on the application thread.
 * Cost     as in engine.h; a change is entries in the log, and catching up before it.
 * Source   changes: Ongaro's dissertation, chapters 3 (transfer) and 4, docs/membership.md; who is
 *          alive: docs/swim.md, which names the papers.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_MEMBERSHIP_H
#define QUORATE_MEMBERSHIP_H

#include "quorate/error.h"
#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct qr_engine;

/* Of an engine in no cluster yet, opened with options.is_waiting: join the cluster of these,
 * whatever it was told before. The same list and flag again leave what is under way alone.
 *
 * join         HOST:PORT,… of members; copied.
 * is_learner   without ever asking for a vote.
 *
 * Returns 0, and it goes on trying until it is let in, see qr_status.join_reason, or is freed:
 * the order is on no disk, so that it must be given again behind a restart. Or, with nothing
 * changed, QR_ERR_INVALID or QR_ERR_ADDRESS (the list), QR_ERR_FOREIGN (it belongs to a
 * cluster, is just being taken in, or was not opened with is_waiting), QR_ERR_BUSY (called from
 * a callback, or memory ran out) or QR_ERR_STOPPED.
 */
int qr_join(struct qr_engine *engine, const char *join, bool is_learner);

/* Add a member: tell an engine that waits at an address, opened with options.is_waiting and in no
 * cluster, to join the cluster of this one, and wait until it is a member: a learner, which the
 * leader gives a vote once it has caught up, unless it is to be a learner. Any member can do it;
 * nothing is called on the engine that is added. Of one that is a member already it is success,
 * whether it has a vote or not. Of several members that add it the first is followed, all wait for
 * the same, and whether it is a learner the first says. What qr_join() said there goes before all.
 *
 * address      HOST:PORT, its peer address as this node reaches it; copied.
 * is_learner   it never asks for a vote: qr_promote() gives it one.
 * reason       QR_REASON_BYTES_MAX: filled with a sentence on how it ended, whatever is returned.
 *              NULL: not wanted.
 *
 * Returns 0, or
 *   QR_ERR_INVALID    no address, or called from a callback of this engine, or it lives on a
 *                     caller's loop: nothing was done.
 *   QR_ERR_ADDRESS    it is none, or nobody was met there: nothing was done. Start that engine, and
 *                     look whether this node reaches it.
 *   QR_ERR_FOREIGN    it is in another cluster, is this engine, does not wait, or one of both lacks
 *                     the secret of the other: nothing was done. Open it as it should be.
 *   QR_ERR_VERSION    it is of a release that takes no invitation: use its qr_join().
 *   QR_ERR_NO_LEADER  this engine is in no cluster itself, or no member of it any more: nothing was
 *                     done.
 *   QR_ERR_BUSY       another is being added by this engine, another cluster adds that one, or
 *                     memory ran out here or there: nothing was done. Try again later.
 *   QR_ERR_TIMEOUT    unknown: it was told, and was no member within limits.proposal_timeout_ms, or
 *                     was met since as one that cannot be added, or this engine stopped. It goes on
 *                     asking until it is let in, or is closed; the reason is what was heard of it
 *                     last, as that its name is taken. Mend that, and look who is a member.
 *   QR_ERR_STOPPED    this engine stopped before it was told.
 *
 * Threads: as qr_propose_wait(). Cost: one connection, an entry in the log and what catching up
 * takes, see docs/membership.md.
 */
int qr_add(struct qr_engine *engine, const char *address, bool is_learner, char *reason);

/* A change of the members, or of the leader. Names are separated by commas; NULL or "" changes
 * nothing. All of it is one change: done as a whole or not at all.
 */
struct qr_change {
    size_t size_bytes;      /* sizeof(struct qr_change) */
    const char *promote;    /* become voters; they must have caught up */
    const char *demote;     /* become learners */
    const char *remove;     /* are no members any more */
    const char *prioritize; /* one name: it gets `priority` */
    uint32_t priority;      /* 0..255; 1 is ordinary, 0 never leads */
    const char *transfer;   /* one name: leadership goes there; alone */
    bool is_dry_run;        /* only tell what would come of it */
    bool is_forced;         /* insist on what the live voters could not decide, or who is behind */
};

struct qr_change_result {
    size_t size_bytes;         /* of this struct as the library has it */
    uint32_t tolerated_before; /* voters that answer and may still fail, before the change */
    uint32_t tolerated_after;  /* and behind it; both 0 where nothing was planned: a transfer */
    const char *reason;        /* a sentence, borrowed until return */
};

/* How a change ended.
 *
 * status   0: done and committed, or nothing was to be done; of a dry run: it would be.
 *          QR_ERR_NOT_FOUND   no member has one of the names.
 *          QR_ERR_INVALID     it contradicts itself, or leaves no voter that may lead.
 *          QR_ERR_BEHIND      a learner has not caught up; who is to lead is not heard, or differs
 *                             from the others, or another took over.
 *          QR_ERR_QUORUM      too few of the voters that are left answer.
 *          QR_ERR_NO_LEADER, QR_ERR_BUSY, QR_ERR_DISK_FULL, QR_ERR_STOPPED   not done.
 *          QR_ERR_TIMEOUT     unknown: look who is a member. Also who did not take over within an
 *                             election timeout, and may yet: look who leads.
 */
typedef void qr_change_done(void *argument, int status, const struct qr_change_result *result);

/* Change the members or the leader of the cluster, on any node: the leader is asked. A member is
 * added by starting it with options.join, or by qr_add().
 *
 * change   borrowed until return; copied.
 * done     called exactly once, never from within this call, unless it returns an error.
 *
 * Returns 0, or with nothing done QR_ERR_TOO_LARGE (a name or a list of names), QR_ERR_BUSY or
 * QR_ERR_STOPPED.
 */
int qr_change_cluster(struct qr_engine *engine, const struct qr_change *change,
                      qr_change_done *done, void *argument);

/* What came of a change that was waited for, as in qr_change_result. */
struct qr_change_reply {
    size_t size_bytes; /* sizeof(struct qr_change_reply) */
    uint32_t tolerated_before;
    uint32_t tolerated_after;
    char reason[QR_REASON_BYTES_MAX];
};

/* qr_change_cluster(), and wait until it ended.
 *
 * reply   filled, whatever is returned but QR_ERR_INVALID. NULL: it is not wanted.
 *
 * Returns what `done` would have got, or what qr_change_cluster() would have returned; or
 * QR_ERR_INVALID, with nothing done, from a callback of this engine, or if it lives on a caller's
 * loop. Threads: as qr_propose_wait(). Cost: it may take some election timeouts, see
 * limits.proposal_timeout_ms.
 */
int qr_change_wait(struct qr_engine *engine, const struct qr_change *change,
                   struct qr_change_reply *reply);

/* One change of one member, waited for: qr_change_wait() with nothing but its name, and what that
 * returns; QR_ERR_INVALID also where there is no name. What is so already is success.
 *
 * To add a member, open an engine on its node with options.join; or with options.is_waiting, and
 * have any member add it by qr_add(), or tell it by qr_join() whom to ask. The leader takes it in
 * as a learner, and gives it a vote once it has caught up, unless it is to be a learner: then
 * qr_promote() does. To replace a member, add the new one first. A member that was removed stops
 * voting, not running: stop its engine, and begin with an empty directory if it is to come back.
 */
int qr_promote(struct qr_engine *engine, const char *name);  /* gets a vote */
int qr_demote(struct qr_engine *engine, const char *name);   /* is a learner from now on */
int qr_remove(struct qr_engine *engine, const char *name);   /* is no member any more */
int qr_transfer(struct qr_engine *engine, const char *name); /* leads next */

/* X(NAME, value, "text"): what can be heard of a member. */
#define QR_MEMBERSHIP_MAP(X)                                                                       \
    X(QR_MEMBER_JOINED, 0, "joined")          /* it is there, for the first time or again */       \
    X(QR_MEMBER_UPDATED, 1, "updated")        /* it told another address, role or meta text */     \
    X(QR_MEMBER_SUSPECTED, 2, "suspected")    /* it did not answer, and may still contradict */    \
    X(QR_MEMBER_REFUTED, 3, "refuted")        /* it did */                                         \
    X(QR_MEMBER_DEAD, 4, "dead")              /* it did not; it may come back as joined */         \
    X(QR_MEMBER_LEFT, 5, "left")              /* it said so itself, and why */                     \
    X(QR_LEADER_CHANGED, 6, "leader_changed") /* it leads, in a later term than who did before */

enum qr_membership_type {
#define X(name, value, text) name = value,
    QR_MEMBERSHIP_MAP(X)
#undef X
};

/* "joined", "dead" and so on; "?" for what is none. Static. */
const char *qr_membership_type_name(enum qr_membership_type type);

/* One event. All strings are borrowed until the handler returns, and "" where nothing is known. */
struct qr_membership_event {
    size_t size_bytes; /* of this struct as the library has it: later ones have more behind */
    enum qr_membership_type type;
    uint64_t node_id; /* whom it is about; with QR_LEADER_CHANGED who leads */
    const char *name;
    const char *address; /* where members reach it */
    const char *client_address;
    const char *http_address;
    const char *reason; /* suspected, dead, left: why, in words */
    uint64_t source_id; /* suspected, dead: who found it so; leader_changed: who told this node */
    uint64_t term;      /* leader_changed */
    uint64_t time_ms;   /* when this node heard of it: its wall clock, since the Unix epoch */
    bool is_self;       /* it is about this very node */
    /* Events before this one, since the last, that no handler was told of: the handlers were too
     * slow. What is so now tells qr_status().
     */
    uint64_t missed_count;
};

/* Called for each event, in the order in which this node hears of them: other nodes may hear of
 * them in another one. It may call the engine, and add and remove handlers, also itself.
 */
typedef void qr_membership_handler(void *argument, const struct qr_membership_event *event);

#define QR_MEMBERSHIP_HANDLERS_MAX 64

/* Call `handler` from the next event on. What is so already tells qr_status().
 *
 * argument   kept, and handed to it.
 * token      on success: removes it.
 *
 * Returns 0, or with nothing done QR_ERR_BUSY (QR_MEMBERSHIP_HANDLERS_MAX) or QR_ERR_STOPPED.
 */
int qr_on_membership(struct qr_engine *engine, qr_membership_handler *handler, void *argument,
                     uint64_t *token);

/* Remove a handler; after return it is not called again. An unknown token is ignored. From a
 * callback at once; from another thread, if it is just being called, when that has returned: hold
 * no lock that it wants.
 */
void qr_remove_membership(struct qr_engine *engine, uint64_t token);

/* Who leads. */
struct qr_leader {
    size_t size_bytes; /* sizeof(struct qr_leader) */
    uint64_t node_id;
    uint64_t term;
    char name[QR_NAME_BYTES_MAX];       /* "", like the addresses, when it is not known */
    char address[QR_ADDRESS_BYTES_MAX]; /* where members reach it */
    char client_address[QR_ADDRESS_BYTES_MAX];
    bool is_by_gossip; /* heard from members, not from the leader itself */
};

/* Say who leads, as far as this node knows: a voter hears it from the leader alone; any other
 * node, observers included, may know it by gossip. Another may lead a later term already.
 *
 * Returns 0, or with `out` untouched QR_ERR_NO_LEADER, QR_ERR_STOPPED or QR_ERR_INVALID (its
 * size_bytes).
 */
int qr_leader(struct qr_engine *engine, struct qr_leader *out);

/* Whether this node is well: it has not stopped and does not leave, it knows a leader, its disk
 * has room and advances, the others see it under its name, and it takes part in time: its own
 * health counter (Lifeguard's) is below half of its most.
 */
bool qr_is_healthy(struct qr_engine *engine);

/* Why a node leaves. */
enum qr_leave_reason {
    QR_LEAVE_SHUTDOWN,
    QR_LEAVE_RESTART, /* it will be back soon */
    QR_LEAVE_REMOVED, /* it is no member any more, or is not to be one */
};

/* "shutdown", "restart" or "removed"; "?" for what is none. Static. */
const char *qr_leave_reason_name(enum qr_leave_reason reason);

/* Leave in good order, and stop: a leader hands over first, if another voter can take over within
 * an election timeout or two; the members are told that this node leaves, and why, so that nobody
 * takes it for dead; then it stops as by qr_engine_stop(), and on_stopped comes with status 0.
 * Until then it goes on serving. The members are told for 600 ms; qr_engine_stop(), which
 * takes 100 ms for that and hands nothing over, ends it at any time.
 *
 * A member stays a member of the configuration: with its data it comes back as what it was. To take
 * it out ask qr_change_cluster() first.
 *
 * Returns 0, also when it leaves already, QR_ERR_INVALID (the reason is none) or QR_ERR_STOPPED.
 */
int qr_leave(struct qr_engine *engine, enum qr_leave_reason reason);

#ifdef __cplusplus
}
#endif

#endif
