/* status.h: what an engine says of itself: its part in the cluster, the members, what it counts.
 *
 * Threads  as in engine.h.
 * Cost     as in engine.h; qr_is_leader() reads one word and waits for nobody.
 * Source   docs/explain.md; digests: docs/divergence.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_STATUS_H
#define QUORATE_STATUS_H

#include "quorate/read.h"
#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct qr_engine;

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

/* What this node is, and whom it knows to lead. */
struct qr_role_event {
    size_t size_bytes; /* of this struct as the library has it */
    enum qr_role role;
    uint64_t term;
    bool has_leader;
    uint64_t leader_id; /* this node's own where role is QR_LEADER; qr_leader() tells more */
};

/* Called behind each change, with what is so now: what was so only for a moment may be left out.
 * Another node may lead a later term already: what must not be done by two needs a fencing token,
 * such as the index of an entry that this node has proposed.
 */
typedef void qr_role_handler(void *argument, const struct qr_role_event *event);

#define QR_ROLE_HANDLERS_MAX 64

/* Call `handler` from the next change of role, term or leader on. What is so already tells
 * qr_status(): ask it behind this call. An engine that stops says so by on_stopped, and not here.
 *
 * argument   kept, and handed to it.
 * token      on success: removes it, see qr_remove_handler().
 *
 * Returns 0, or with nothing done QR_ERR_BUSY (QR_ROLE_HANDLERS_MAX) or QR_ERR_STOPPED.
 */
int qr_on_role_change(struct qr_engine *engine, qr_role_handler *handler, void *argument,
                      uint64_t *token);

/* Remove a handler of any kind, by the token of qr_on_commit(), qr_on_membership() or
 * qr_on_role_change(). After return it is not called again, and no call of it is under way, unless
 * this comes from within that call. An unknown token is ignored.
 */
void qr_remove_handler(struct qr_engine *engine, uint64_t token);

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
    /* Its state differs from that of a majority: the leader knows of all, others of themselves. */
    uint64_t diverged_index;  /* behind this entry; 0: it does not, as far as is known here */
    uint64_t diverged_digest; /* its digest there, */
    uint64_t agreed_digest;   /* and the majority's */
    uint64_t reserved[5];
};

/* Say who the members are: those of the configuration, then the leader if it is none of them here,
 * then observers, as in qr_status.
 *
 * members   room for *count of them, the caller's; QR_MEMBERS_MAX is always enough.
 * count     in: the room; out, on success or QR_ERR_TOO_LARGE: how many there are.
 *
 * Returns 0, or with `members` untouched QR_ERR_TOO_LARGE (there are more than there is room for),
 * QR_ERR_INVALID or QR_ERR_STOPPED. From another thread it waits for the engine's turn.
 */
int qr_members(struct qr_engine *engine, struct qr_member *members, size_t *count);

/* Say who this node is among the members. Of one in no cluster yet only id, name and is_observer
 * are known. Returns 0, or with `out` untouched QR_ERR_INVALID or QR_ERR_STOPPED.
 */
int qr_self(struct qr_engine *engine, struct qr_member *out);

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
    uint64_t reserved[8];
};

/* One consistent picture: everything belongs to the same moment. */
struct qr_status {
    size_t size_bytes; /* sizeof(struct qr_status) */
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
    bool is_joining; /* in no cluster yet: looks for one, or waits for qr_add(), qr_join() */
    int join_error;  /* what came of the last attempt; 0: none yet */
    char join_reason[QR_REASON_BYTES_MAX]; /* in words */

    bool is_disk_full;
    bool is_stopped;
    uint64_t time_ms; /* this moment by the node's wall clock, since the Unix epoch */
    struct qr_swim_status swim;
    uint64_t unlisted_count; /* observers for which there was no room below */
    size_t member_count;     /* those of the configuration, then the leader if it is none here */
    struct qr_member members[QR_MEMBERS_MAX]; /* then observers */
    /* The state here was found to differ from that of a majority: no read is answered. */
    bool is_diverged;
    bool is_rebuilding; /* a snapshot of the leader is to take its place */
    uint64_t diverged_index;
    uint64_t diverged_digest;
    uint64_t agreed_digest;
    uint64_t undecided_index; /* leader: there states differ without a majority; 0: not so */
};

/* Fill `out`, which is the caller's: some 70 KB. From another thread it waits for the engine's
 * turn; after the engine stopped it gives what was true last. Returns 0, or QR_ERR_INVALID with
 * `out` untouched: its size_bytes.
 */
int qr_status(struct qr_engine *engine, struct qr_status *out);

/* X(name, "help"): what an engine counts, since it was opened. New ones come at the end. */
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
    X(swim_overflowed, "Messages of gossip dropped for a limit")                                   \
    X(divergences, "Times this node's state was found to differ from that of a majority")          \
    X(rebuilds, "Times a leader's snapshot took the place of a state that differed")

struct qr_counters {
    size_t size_bytes;                    /* sizeof(struct qr_counters) */
    uint64_t sync_time_ns;                /* spent in writes and syncs of the log */
    uint64_t log_size_bytes;              /* of the log's files, now: this one goes down, too */
    uint64_t snapshot_size_bytes;         /* of the newest one, as it lies there, compressed */
    uint64_t gossip_packet_longest_bytes; /* of those sent, as they went out */
#define X(name, help) uint64_t name;
    QR_COUNTER_MAP(X)
#undef X
};

/* Fill `out`, as qr_status() does. */
int qr_counters(struct qr_engine *engine, struct qr_counters *out);

#ifdef __cplusplus
}
#endif

#endif
