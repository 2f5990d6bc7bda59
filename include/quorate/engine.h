/* engine.h: a node of a Quorate cluster inside a C program.
 *
 * Owns     one data directory, the connections to the other members, and a thread (or a
 *          place on the caller's event loop). The state machine stays the program's.
 * Threads  with a thread of its own every function may be called from any thread, and
 *          callbacks come on the engine's. On a caller's loop all calls are made, and all
 *          callbacks come, on the loop's thread. A callback must not block. A program with
 *          the engine on its loop must ignore SIGPIPE.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_ENGINE_H
#define QUORATE_ENGINE_H

#include "quorate/error.h"
#include "quorate/log.h"
#include "quorate/state_machine.h"
#include "quorate/types.h"

#define QR_ERROR_DETAIL_BYTES 512
#define QR_REASON_BYTES_MAX 512

#define QR_VERSION_TEXT "0.1.0"

struct qr_engine;

/* X(type of number, name, default, least, most, unit in words): every number an engine can
 * be told, its default and its bounds, for headers, configuration files and command lines.
 */
/* clang-format off */
#define QR_LIMIT_MAP(X)                                                                            \
    X(election_timeout_min_ms, 150,          10,        60000,               "milliseconds")       \
    X(election_timeout_max_ms, 300,          10,        120000,              "milliseconds")       \
    X(heartbeat_interval_ms,   50,           1,         30000,               "milliseconds")       \
    X(proposal_timeout_ms,     5000,         100,       600000,              "milliseconds")       \
    X(max_log_entries,         10000,        100,       UINT64_C(1000000000), "entries")           \
    X(max_log_bytes,           UINT64_C(1) << 30, UINT64_C(1) << 20, UINT64_C(1) << 40, "bytes")   \
    X(max_message_bytes,       UINT64_C(10) << 20, 65536, UINT64_C(512) << 20, "bytes")            \
    X(max_snapshot_rate,       UINT64_C(64) << 20, 65536, UINT64_C(1) << 40, "bytes a second")     \
    X(max_pending_proposals,   65536,        16,        1048576,             "proposals")          \
    X(max_inflight_bytes,      UINT64_C(8) << 20, 65536, UINT64_C(1) << 30,  "bytes per peer")     \
    X(log_cache_bytes,         UINT64_C(8) << 20, 65536, UINT64_C(1) << 34,  "bytes")              \
    X(segment_bytes,           UINT64_C(16) << 20, 65536, UINT64_C(1) << 30, "bytes")              \
    X(stall_timeout_ms,        10000,        100,       600000,              "milliseconds")       \
    X(swim_protocol_period_ms, 1000,         50,        600000,              "milliseconds")       \
    X(swim_ping_timeout_ms,    500,          5,         300000,              "milliseconds")       \
    X(swim_indirect_pings,     3,            0,         8,                   "members")            \
    X(swim_suspicion_timeout_ms, 5000,       100,       3600000,             "milliseconds")       \
    X(swim_piggyback_max,      10,           1,         32,                  "updates")            \
    X(swim_dead_quorum,        2,            1,         8,                   "members")            \
    X(remove_dead_after_ms,    0,            0,   UINT64_C(31536000000), "milliseconds, 0: never")
/* clang-format on */

struct qr_limits {
#define X(name, value, least, most, unit) uint64_t name;
    QR_LIMIT_MAP(X)
#undef X
};

/* The defaults. */
struct qr_limits qr_limits_default(void);

/* How quickly members that fail are found: docs/swim.md. */
enum qr_swim_profile {
    QR_SWIM_DEFAULT, /* what fits a data centre */
    QR_SWIM_FAST,    /* for one LAN: a killed process is seen in under a second */
};

/* "default" or "fast"; "?" for what is none. Static. */
const char *qr_swim_profile_name(enum qr_swim_profile profile);

/* Set the six limits of SWIM (swim_…) to those of a profile. */
void qr_limits_set_profile(struct qr_limits *limits, enum qr_swim_profile profile);

/* Check every limit and the relations between them (heartbeat below the election timeout,
 * minimum below maximum, a message fits a segment, a ping times out within its period, a suspicion
 * lasts a period at least, nobody is removed for being dead before a suspicion could end).
 *
 * detail   of QR_ERROR_DETAIL_BYTES; on failure "name: value is out of bounds, least..most".
 *
 * Returns 0 or QR_ERR_INVALID.
 */
int qr_limits_check(const struct qr_limits *limits, char *detail);

struct qr_engine_options {
    size_t size_bytes;                            /* sizeof(struct qr_engine_options) */
    const struct qr_state_machine *state_machine; /* kept; outlives the engine */
    const char *name;                             /* 1..63 of [a-z0-9.-] */
    const char *data_directory;                   /* made when missing; locked while in use */
    const char *peer_address;                     /* HOST:PORT to listen on for members */
    const char *advertise_address;                /* what others dial; NULL: peer_address */
    const char *meta; /* told to every member, not looked into; NULL: "" */
    /* Where clients and /status are, told to every member, observers included; NULL: nowhere. */
    const char *client_address;
    const char *http_address;
    const char *join;  /* HOST:PORT,… of members to join through, or NULL */
    bool is_bootstrap; /* a directory without a cluster begins one, alone */
    bool is_waiting;   /* a directory without a cluster waits for qr_join() */
    bool is_learner;   /* joins without ever asking for a vote */
    /* The file of the cluster's secret (docs/security.md): members prove to each other that they
     * have it, and encrypt; NULL: none, and then peer_address must be loopback, unless
     * is_insecure says that everybody who reaches it may take part.
     */
    const char *secret_file;
    bool is_insecure;
    /* Takes part in membership alone: it knows who is alive and who leads, is in no configuration,
     * gets no entry of the log and never votes. Needs `join`; contradicts is_bootstrap,
     * is_waiting and is_learner.
     */
    bool is_observer;
    /* That a leader was found dead, or unreachable, does not hasten an election: it waits for its
     * timeout.
     */
    bool has_no_hints;
    enum qr_swim_profile swim_profile; /* for what no limit says */
    struct qr_limits limits;           /* from qr_limits_default() */
    struct qr_logger *logger;          /* borrowed; NULL: silent */
    void *loop; /* a uv_loop_t of the caller's to live on; NULL: a thread of its own */

    /* Read barriers cost the leader no round while the answers of a majority to the last one
     * are young: 9/11 of election_timeout_min_ms, which clocks that each go wrong by up to 10 %
     * cannot make wrong. One that stands still, as that of a virtual machine may while its host
     * holds it, can. A lease rests on the other voters, which keep their promise whether they
     * have leases or not; but those of release 0.1.0 do not: have none beside them.
     */
    bool has_leases;

    /* Called once, when the engine has stopped: after qr_engine_stop() (status 0), or
     * because it cannot go on (a failed disk, say): then status and reason say why. From
     * then on the engine can only be freed. May be NULL.
     */
    void (*on_stopped)(void *argument, int status, const char *reason);
    void *argument;
};

/* Open the data directory, replay nothing yet, listen, and take part in the cluster.
 *
 * detail   of QR_ERROR_DETAIL_BYTES; on failure a sentence: what, where, what to do.
 *
 * Returns 0, or with nothing left behind
 *   QR_ERR_INVALID    an option out of bounds, named in `detail`; a secret file without a key,
 *                     or that others may read.
 *   QR_ERR_LOCKED     another process has the directory.
 *   QR_ERR_CORRUPT, QR_ERR_VERSION, QR_ERR_FOREIGN   what the directory holds cannot be used;
 *                     not one byte of it changed.
 *   QR_ERR_ADDRESS    the address does not parse, is in use, or is not loopback (is_insecure).
 *   QR_ERR_IO, QR_ERR_DISK_FULL, QR_ERR_NO_MEMORY
 *
 * Cost: reads the whole log once.
 */
int qr_engine_open(const struct qr_engine_options *options, struct qr_engine **out, char *detail);

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

/* Stop: what waits is answered QR_ERR_STOPPED, what is durable stays; on_stopped follows. */
void qr_engine_stop(struct qr_engine *engine);

/* Stop if that was not done, wait for the engine's own thread, and free. On a caller's loop
 * it may be called only after on_stopped. NULL is allowed.
 */
void qr_engine_free(struct qr_engine *engine);

struct qr_proposal {
    struct qr_id id; /* all zero: the engine makes one */
    const char *command;
    size_t command_bytes; /* 0..QR_COMMAND_BYTES_MAX; command and payload not both empty */
    const void *payload;
    size_t payload_bytes; /* with the command at most max_message_bytes */
    bool is_guarded;      /* not for members of version 0.1.0, as all under a session or token */
};

/* How a proposal ended.
 *
 * status   0: committed by a quorum and applied here; index and result are set.
 *          QR_ERR_REJECTED: likewise, but the state machine did not take it, on any replica;
 *          result says why, in the state machine's own form.
 *          QR_ERR_NO_LEADER, QR_ERR_BUSY, QR_ERR_SUPERSEDED, QR_ERR_DISK_FULL, QR_ERR_STOPPED
 *          before it was sent: certainly not applied, and never will be.
 *          QR_ERR_TIMEOUT, or QR_ERR_STOPPED after it was sent: unknown.
 *          QR_ERR_VERSION: guarded, and some member is too old; not applied.
 *          Under a session or token, what is certain of a repeat is certain of this sending
 *          alone; of all of them tell
 *          0, QR_ERR_REJECTED: now or before; index and result are those of the first time, but
 *          of what was rejected result may be empty.
 *          QR_ERR_FORGOTTEN: applied before; the result is no longer kept.
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

/* Learn what became of a proposal under a session or token, and decide it: what was not applied
 * by then never will be, wherever it is still on its way.
 *
 * done   status 0: applied, with index and result as at first; QR_ERR_REJECTED: likewise rejected;
 *        QR_ERR_SETTLED: not applied, and
 *        never will be; QR_ERR_FORGOTTEN: applied, the result is no longer kept;
 *        QR_ERR_EXPIRED: unknown; else, as of any proposal, nothing is decided.
 *
 * Returns and calls as qr_propose(); QR_ERR_INVALID for an id of neither.
 */
int qr_settle(struct qr_engine *engine, struct qr_id id, qr_propose_done *done, void *argument);

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
    enum qr_read_kind kind;
    uint64_t age_ms_max; /* stale; QR_AGE_ANY: also what is of unknown age */
};

/* status 0: whatever was acknowledged anywhere before the call is applied here, at `index`
 * or above; of a stale read, before a moment that is at most age_ms_max ago (`index` is 0).
 * Else QR_ERR_NO_LEADER, QR_ERR_BUSY, QR_ERR_TIMEOUT, QR_ERR_STOPPED, or QR_ERR_STALE: what is
 * applied here may be older.
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

/* status 0: a snapshot that stands at `index` is durable here, and the log may be compacted; else
 * why not: QR_ERR_IO, QR_ERR_DISK_FULL, QR_ERR_NO_MEMORY, QR_ERR_STOPPED.
 */
typedef void qr_snapshot_done(void *argument, int status, uint64_t index);

/* Take a snapshot of this node's state machine now, in the background, and compact its log as
 * the limits have it. Without this one is taken whenever the log has grown enough. That of a state
 * machine that is durable by itself has nothing of its state, and waits until it durably stands
 * there.
 *
 * done   called exactly once, never from within this call, unless it returns an error.
 *
 * Returns 0, or with nothing done
 *   QR_ERR_INVALID   the state machine makes no snapshots.
 *   QR_ERR_BUSY      many wait for one already.
 *   QR_ERR_STOPPED   the engine has stopped.
 */
int qr_snapshot(struct qr_engine *engine, qr_snapshot_done *done, void *argument);

/* A change of the members, or of the leader. Names are separated by commas; NULL or "" changes
 * nothing. All of it is one change: done as a whole or not at all.
 */
struct qr_change {
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
    uint32_t tolerated_before; /* voters that answer and may still fail, before the change */
    uint32_t tolerated_after;
    const char *reason; /* a sentence, borrowed until return */
};

/* How a change ended.
 *
 * status   0: done and committed, or nothing was to be done; of a dry run: it would be.
 *          QR_ERR_NOT_FOUND   no member has one of the names.
 *          QR_ERR_INVALID     it contradicts itself, or leaves no voter that may lead.
 *          QR_ERR_BEHIND      a learner has not caught up; who is to lead is not heard or did
 *                             not take over.
 *          QR_ERR_QUORUM      too few of the voters that are left answer.
 *          QR_ERR_NO_LEADER, QR_ERR_BUSY, QR_ERR_DISK_FULL, QR_ERR_STOPPED   not done.
 *          QR_ERR_TIMEOUT     unknown: look who is a member.
 */
typedef void qr_change_done(void *argument, int status, const struct qr_change_result *result);

/* Change the members or the leader of the cluster, on any node: the leader is asked. A member is
 * added by starting it with options.join.
 *
 * change   borrowed until return; copied.
 * done     called exactly once, never from within this call, unless it returns an error.
 *
 * Returns 0, or with nothing done QR_ERR_TOO_LARGE (a name or a list of names), QR_ERR_BUSY or
 * QR_ERR_STOPPED.
 */
int qr_change_cluster(struct qr_engine *engine, const struct qr_change *change,
                      qr_change_done *done, void *argument);

/* Whether this node leads, as far as it knows: another may lead a later term already. A write
 * or a read barrier tells for certain.
 */
bool qr_is_leader(struct qr_engine *engine);

/* Log time now, as the leader would stamp an entry; elsewhere an estimate. */
uint64_t qr_log_time(struct qr_engine *engine);

enum qr_role {
    QR_LEARNER,
    QR_FOLLOWER,
    QR_PRE_CANDIDATE,
    QR_CANDIDATE,
    QR_LEADER,
    QR_OBSERVER, /* takes no part in Raft, see qr_engine_options.is_observer */
};

/* "leader", "follower" and so on; "?" for what is none. Static. */
const char *qr_role_name(enum qr_role role);

enum qr_health {
    QR_ALIVE,
    QR_SUSPECT,
    QR_DEAD,
    QR_LEFT,
};

/* "alive", "suspect", "dead" or "left"; "?" for what is none. Static. */
const char *qr_health_name(enum qr_health health);

/* How a leader feeds a member. */
enum qr_progress {
    QR_PROGRESS_UNKNOWN,   /* this node does not lead, or it is this very node */
    QR_PROGRESS_PROBE,     /* looks where the logs meet, or waits for an answer */
    QR_PROGRESS_REPLICATE, /* entries as they come */
    QR_PROGRESS_SNAPSHOT,  /* needs what the log does not hold any more */
};

/* "", "probe", "replicate" or "snapshot"; "?" for what is none. Static. */
const char *qr_progress_name(enum qr_progress progress);

struct qr_member {
    uint64_t id;
    char name[QR_NAME_BYTES_MAX];
    char address[QR_ADDRESS_BYTES_MAX];
    char meta[QR_META_BYTES_MAX];
    bool is_voter;    /* else a learner, or an observer */
    bool is_observer; /* in no configuration that this node knows: it takes part in gossip alone.
                         To an observer the others are what they say of themselves. */
    enum qr_health health;
    bool is_connected;    /* there is a connection with it, or was until just now */
    bool is_heard;        /* its health is what gossip says; else what connections tell */
    uint64_t health_ms;   /* so long, as far as this node knows; QR_AGE_UNKNOWN: not heard */
    uint64_t incarnation; /* of what gossip says of it; 0: nothing */
    char client_address[QR_ADDRESS_BYTES_MAX]; /* as it says by gossip; "": it does not */
    char http_address[QR_ADDRESS_BYTES_MAX];
    uint64_t match_index; /* leader: durable there, as far as known; elsewhere 0 */
    bool wants_vote;      /* a learner that is promoted by itself once it has caught up */
    bool is_outgoing;     /* a voter that the change under way takes the vote from */
    uint8_t priority;
    enum qr_progress progress;
    uint64_t heard_ms;       /* leader: since its last answer in this term; QR_AGE_UNKNOWN: none */
    uint64_t inflight_bytes; /* leader: sent and not answered */
    uint64_t snapshot_sent_bytes; /* leader: of the one on its way there */
    uint64_t snapshot_size_bytes; /* 0: none is */
    int snapshot_error;           /* how the last one ended; 0: well, or there was none */
    const char *vote; /* what it answered when this node wanted to lead, in words; NULL: nothing */
    bool has_granted; /* that was yes */
    uint64_t vote_ms; /* how long ago */
};

/* What this node's part in gossip knows, in numbers: docs/swim.md. */
struct qr_swim_status {
    bool is_on;     /* it takes part */
    bool is_joined; /* it has heard from somebody */
    bool is_leaving;
    uint64_t incarnation;  /* of what it says of itself */
    uint64_t digest;       /* the same as another's: both hold the same members for live */
    uint32_t local_health; /* 0: well; up to 8, the slower it finds itself */
    uint32_t live_count;   /* this node included, as are those that are suspected */
    uint32_t suspect_count;
    uint32_t dead_count;
    uint32_t left_count;
    uint32_t queued_count; /* updates that are still to be spread */
    uint64_t leader_term;  /* of the latest leader that was heard of; 0: none */
};

/* One consistent picture: everything belongs to the same moment. */
struct qr_status {
    char name[QR_NAME_BYTES_MAX];
    uint64_t node_id;
    uint64_t cluster_high; /* both 0: no cluster yet */
    uint64_t cluster_low;
    enum qr_role role;
    uint64_t term;
    bool has_leader;
    bool is_leader_by_gossip; /* this node does not vote, and heard of it from members alone */
    uint64_t leader_term;     /* 0: no leader is known; by gossip it may be above `term` */
    uint64_t leader_id;
    char leader_name[QR_NAME_BYTES_MAX]; /* "" when not known */
    char leader_meta[QR_META_BYTES_MAX];
    uint64_t first_index; /* of the log: what is before is in a snapshot alone */
    uint64_t last_index;
    uint64_t commit_index;
    uint64_t applied_index;  /* 0 while the state machine takes over a leader's snapshot */
    uint64_t snapshot_index; /* of the newest one that is durable here; 0: none */
    uint64_t digest;         /* of the state machine and the sessions at applied_index */
    uint64_t session_count;  /* open sessions */
    uint64_t outcome_count;  /* sequences and tokens that are remembered */
    uint64_t durable_index;  /* of the log, on this disk */
    uint64_t age_ms;         /* of what is applied here, see qr_read_age() */

    uint64_t leader_heard_ms; /* since it heard a leader, or was opened; QR_AGE_UNKNOWN: it leads */
    /* Since it stepped down, hearing no majority; QR_AGE_UNKNOWN: not since it was last elected. */
    uint64_t quorum_lost_ms;
    bool is_stalled;         /* its disk or state machine does not advance: it does not lead */
    uint64_t saving_ms;      /* entries wait for the disk so long without progress; 0: none */
    uint64_t applying_ms;    /* likewise for the state machine */
    uint64_t sync_median_us; /* how long the last writes with their syncs took */
    uint64_t sync_99_us;
    uint64_t pending_count; /* proposals that wait here, of max_pending_proposals */
    uint64_t pending_count_max;
    uint64_t uncommitted_bytes; /* leader: of its log's end */
    uint64_t uncommitted_bytes_max;
    uint64_t log_size_bytes;
    uint64_t log_entries_max;
    uint64_t election_timeout_max_ms;
    bool is_receiving; /* a snapshot comes from the leader, or is being taken over */
    uint64_t received_bytes;
    uint64_t receive_bytes;
    bool is_change_pending; /* the configuration in force is not known to be committed */
    bool is_joint;          /* it leads from one set of voters to another */
    uint64_t joins_count;   /* leader: who wants to be a member, or to change its addresses */
    uint64_t changes_count; /* changes that wait here, or are under way */
    char transferee_name[QR_NAME_BYTES_MAX]; /* leader: hands over to it; "": to nobody */
    bool is_joining;                         /* in no cluster yet, and looks for one */
    int join_error;                          /* what came of the last attempt; 0: none yet */
    char join_reason[QR_REASON_BYTES_MAX];   /* in words */

    bool is_disk_full;
    bool is_stopped;
    uint64_t time_ms; /* this moment by the node's wall clock, since the Unix epoch */
    struct qr_swim_status swim;
    uint64_t unlisted_count; /* observers for which there was no room below */
    size_t member_count;     /* those of the configuration, then the leader if it is none here */
    struct qr_member members[QR_MEMBERS_MAX]; /* then observers */
};

/* Fill `out`, which is the caller's. From another thread it waits for the engine's turn; after
 * the engine stopped it gives what was true last.
 */
void qr_status(struct qr_engine *engine, struct qr_status *out);

/* X(name, "help"): what an engine counts, since it was opened. */
#define QR_COUNTER_MAP(X)                                                                          \
    X(proposals, "Proposals taken from this node's program")                                       \
    X(proposals_failed, "Proposals that were refused or timed out")                                \
    X(proposals_forwarded, "Proposals sent on to the leader")                                      \
    X(reads, "Read barriers asked for")                                                            \
    X(entries_applied, "Entries given to the state machine")                                       \
    X(elections_started, "Campaigns begun by this node")                                           \
    X(leader_changes, "Times another leader, or none, became known")                               \
    X(messages_sent, "Frames handed to connections with members")                                  \
    X(messages_dropped, "Frames not sent: no connection, or its queue full")                       \
    X(messages_received, "Frames taken from members")                                              \
    X(frames_refused, "Connections closed for bytes that do not decode")                           \
    X(peers_refused, "Connections refused: of another secret, cluster or version, or without")     \
    X(sent_bytes, "Bytes sent to members")                                                         \
    X(received_bytes, "Bytes received from members")                                               \
    X(log_writes, "Batches written to the log")                                                    \
    X(log_syncs, "Syncs of the log")                                                               \
    X(log_written_bytes, "Bytes written to the log")                                               \
    X(snapshots_taken, "Snapshots taken of this node's state machine")                             \
    X(snapshots_installed, "Snapshots taken over from a leader")                                   \
    X(snapshots_sent, "Snapshots sent to members, to their end")                                   \
    X(snapshot_sent_bytes, "Bytes of snapshots sent to members")                                   \
    X(gossip_packets_sent, "Packets of gossip sent")                                               \
    X(gossip_packets_received, "Packets of gossip received, whatever became of them")              \
    X(gossip_packets_sent_bytes, "Bytes of gossip sent in packets")                                \
    X(gossip_packets_received_bytes, "Bytes of gossip received in packets")                        \
    X(gossip_messages_sent, "Messages of gossip sent over connections")                            \
    X(gossip_messages_received, "Messages of gossip received over connections")                    \
    X(gossip_messages_sent_bytes, "Bytes of gossip sent over connections")                         \
    X(gossip_messages_received_bytes, "Bytes of gossip received over connections")                 \
    X(gossip_undecodable, "Packets and messages of gossip that do not decode")                     \
    X(gossip_refused, "Packets of gossip that no key of the secret sealed, changed ones, replays") \
    X(gossip_leader_lost, "Times gossip said that the leader is gone, to hasten an election")      \
    X(gossip_events, "Events of members that were told")                                           \
    X(swim_probes, "Probes of members begun")                                                      \
    X(swim_probes_failed, "Probes of members without an answer")                                   \
    X(swim_suspicions_raised, "Members suspected by this node's own probes")                       \
    X(swim_deaths_declared, "Members declared dead by this node")                                  \
    X(swim_refutations, "Rumours of this node that it contradicted")                               \
    X(swim_syncs, "Exchanges of all that is known of members, begun by this node")                 \
    X(swim_heals, "Dead members and seeds that were tried")                                        \
    X(swim_malformed, "Messages of gossip that contradict themselves")                             \
    X(swim_foreign, "Messages of gossip of another cluster")                                       \
    X(swim_misdirected, "Messages of gossip for another node")                                     \
    X(swim_overflowed, "Messages of gossip dropped for a limit")

struct qr_counters {
#define X(name, help) uint64_t name;
    QR_COUNTER_MAP(X)
#undef X
    uint64_t sync_time_ns;                /* spent in writes and syncs of the log */
    uint64_t log_size_bytes;              /* of the log's files, now: this one goes down, too */
    uint64_t snapshot_size_bytes;         /* of the newest one, as it lies there, compressed */
    uint64_t gossip_packet_longest_bytes; /* of those sent, as they went out */
};

/* Fill `out`, as qr_status() does. */
void qr_counters(struct qr_engine *engine, struct qr_counters *out);

/* Called for every entry of a program's own, after it was applied, in order, on every node: but
 * those that came inside a leader's snapshot. The entry is borrowed until return.
 */
typedef void qr_commit_handler(void *argument, const struct qr_entry *entry);

#define QR_COMMIT_HANDLERS_MAX 64

/* Call `handler` from the next applied entry on; `token` removes it.
 * Returns 0, QR_ERR_BUSY (QR_COMMIT_HANDLERS_MAX) or QR_ERR_STOPPED.
 */
int qr_on_commit(struct qr_engine *engine, qr_commit_handler *handler, void *argument,
                 uint64_t *token);

/* Remove a handler; after return it is not called again. An unknown token is ignored. */
void qr_remove_commit_handler(struct qr_engine *engine, uint64_t token);

#endif
