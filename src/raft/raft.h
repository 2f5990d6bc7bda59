/* raft.h: the Raft machine: events in, actions out.
 *
 * Owns     term, vote, role, the tail of the log in memory, what is known of each peer, the
 *          configuration in force, and every rule of Raft that decides.
 * Does not know a clock, chance, a disk, a socket, or how anything is encoded but the
 *          entries it makes itself. Time comes with each event; chance from a seed.
 * Threads  one caller at a time.
 * Source   Ongaro and Ousterhout 2014 ("Raft"), Ongaro's dissertation 2014 ("diss.").
 *
 * One way in, raft_step(); one way out, raft_ready(). Any number of steps may come before
 * one ready: what they cause is gathered, so that a turn's proposals become one save and
 * one append_entries per peer.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H

#include "base/allocator.h"
#include "base/bytes.h"
#include "base/entry.h"
#include "base/types.h"
#include "raft/configuration.h"
#include "raft/message.h"

#define RAFT_SAVES_MAX 64           /* saves in flight; more wait and become one */
#define RAFT_MESSAGES_MAX 512       /* of one ready; a message over it counts as lost */
#define RAFT_READS_MAX 65536        /* reads waiting for their quorum */
#define RAFT_PIECES_MAX 64          /* of snapshots, of one ready; a piece over it counts as lost */
#define RAFT_ANSWERS_MAX 256        /* about them, likewise */
#define RAFT_CLOCK_DRIFT_PERCENT 10 /* that a clock may be wrong by, for leases to hold */

/* X(NAME, value, "text") */
#define RAFT_ROLE_MAP(X)                                                                           \
    X(RAFT_LEARNER, 0, "learner")                                                                  \
    X(RAFT_FOLLOWER, 1, "follower")                                                                \
    X(RAFT_PRE_CANDIDATE, 2, "pre_candidate")                                                      \
    X(RAFT_CANDIDATE, 3, "candidate")                                                              \
    X(RAFT_LEADER, 4, "leader")

enum raft_role {
#define X(name, value, text) name = value,
    RAFT_ROLE_MAP(X)
#undef X
};

const char *raft_role_name(enum raft_role role);

struct raft_options {
    const struct allocator *allocator; /* borrowed; outlives the machine */
    node_id self;
    uint64_t seed;                   /* of the election timeouts */
    time_ns election_timeout_min_ns; /* drawn uniformly from [min, max] */
    time_ns election_timeout_max_ns;
    time_ns heartbeat_interval_ns;  /* below election_timeout_min_ns */
    uint32_t append_entries_max;    /* entries of one append_entries, >= 1 */
    uint64_t append_bytes_max;      /* bytes of one, passed only by a single entry */
    uint32_t inflight_messages_max; /* unanswered append_entries per peer, >= 1 */
    uint64_t inflight_bytes_max;    /* and their bytes; one may pass it */
    uint64_t uncommitted_bytes_max; /* of the leader's own proposals; past it QR_ERR_BUSY */
    uint64_t cache_bytes_max;       /* entries kept in memory once durable; older are fetched */
    uint32_t group;                 /* goes into every record */
    /* How long the answers of a majority allow the leader to read without asking again; 0:
     * never. Rests on clocks (diss. §6.4.1): while it lasts, no voter may think that
     * election_timeout_min has passed. With clocks that go wrong by up to
     * RAFT_CLOCK_DRIFT_PERCENT each, that holds for what raft_lease_ns_max() allows. Every
     * other member has a lease, too, or keeps_promise: else it forgets at a restart that it has
     * heard a leader. Without check-quorum a deposed leader would hold its lease for ever; here
     * it is always on.
     */
    time_ns lease_ns;
    /* Without a lease of its own: stick to whom it heard as if it had one, so that others may
     * have theirs. It costs a vote that comes up to election_timeout_min after a start.
     */
    bool keeps_promise;
};

struct raft_term_run {
    raft_term term;
    raft_index first_index;
};

/* What was durable when the node stopped. Everything is borrowed until raft_new returns. */
struct raft_restored {
    struct hard_state hard_state;
    /* Where the log begins: behind this entry, which is committed, and known by its position
     * alone. {0, 0}: with the first. With another base there is a snapshot, which is to be
     * stepped as RAFT_EVENT_INSTALLED before anything else.
     */
    struct raft_position base;
    raft_index commit_index; /* known; at most last_index */
    raft_index last_index;   /* base.index: the log is empty */
    time_ns last_timestamp_ns;
    const struct raft_term_run *terms; /* of the entries behind base, which it may include */
    size_t term_count;
    /* Entries of type ENTRY_CONFIGURATION: the latest at or below commit_index, unless it lies
     * below base, and all above commit_index.
     */
    const struct entry *configurations;
    size_t configuration_count;
};

/* X(NAME, value, "text") */
#define RAFT_EVENT_MAP(X)                                                                          \
    X(RAFT_EVENT_MESSAGE, 0, "message")     /* one arrived */                                      \
    X(RAFT_EVENT_TICK, 1, "tick")           /* raft_deadline() has come, or any other moment */    \
    X(RAFT_EVENT_PROPOSE, 2, "propose")     /* append these to the log, as leader */               \
    X(RAFT_EVENT_CONFIGURE, 3, "configure") /* go over to this configuration, as leader */         \
    X(RAFT_EVENT_READ, 4, "read")           /* at which index is a read linearizable? */           \
    X(RAFT_EVENT_SAVED, 5, "saved")         /* a save is durable */                                \
    X(RAFT_EVENT_APPLIED, 6, "applied")     /* the state machine stands at this index */           \
    X(RAFT_EVENT_FETCHED, 7, "fetched")     /* a fetch ended */                                    \
    X(RAFT_EVENT_NOTIFY, 8, "notify")       /* tell a peer at once when an index commits */        \
    X(RAFT_EVENT_COMPACT, 9, "compact")     /* forget the log up to this index */                  \
    X(RAFT_EVENT_PIECE, 10, "piece")        /* leader: send this piece of a snapshot to a peer */  \
    X(RAFT_EVENT_SENDING_ENDED, 11,                                                                \
      "sending ended") /* leader: no more of a snapshot comes for this peer */                     \
    X(RAFT_EVENT_PIECE_TAKEN, 12,                                                                  \
      "piece taken")                         /* follower: answer the leader about a snapshot */    \
    X(RAFT_EVENT_INSTALLED, 13, "installed") /* the state machine stands at a snapshot */          \
    X(RAFT_EVENT_TRANSFER, 16, "transfer")   /* hand leadership over to this voter */              \
    X(RAFT_EVENT_READ_LEASE, 17,                                                                   \
      "read_lease")                  /* as read, without a round while the lease lasts */          \
    X(RAFT_EVENT_STALL, 18, "stall") /* disk or state machine do not advance, or do again */       \
    X(RAFT_EVENT_LEADER_LOST, 19, "leader_lost") /* who leads that term seems to be gone */

enum raft_event_type {
#define X(name, value, text) name = value,
    RAFT_EVENT_MAP(X)
#undef X
};

struct raft_proposal {
    struct proposal_id id;
    uint8_t type; /* ENTRY_NORMAL, ENTRY_TICK or ENTRY_GUARDED */
    uint8_t command_bytes;
    uint32_t payload_bytes;
    const char *command;
    const void *payload;
};

/* What of a snapshot the machine must know. Everything is borrowed. */
struct raft_snapshot {
    struct raft_position position;
    time_ns timestamp_ns;           /* log time there */
    raft_index configuration_index; /* of the configuration in force there; 0: there is none */
    const void *configuration;      /* as in its entry */
    size_t configuration_bytes;
};

/* A piece of a snapshot on its way: from the leader's node to a peer's. */
struct raft_piece {
    node_id peer;                  /* to whom; of a ready: from whom */
    struct raft_position snapshot; /* as in install_snapshot, and so on */
    uint64_t offset;
    uint64_t size_bytes;
    bool is_last;
    struct raft_data data;
};

struct raft_event {
    enum raft_event_type type;
    time_ns now_ns;  /* monotonic; never less than in the event before */
    time_ns wall_ns; /* since the Unix epoch; used only where a term begins */
    union {
        const struct raft_message *message; /* its entries' chunks are held, not copied */
        struct {
            const struct raft_proposal *proposals;
            size_t count;
        } propose;
        const struct raft_configuration *configuration; /* index and joint are the machine's */
        uint64_t read_token;                            /* read, read_lease */
        uint64_t saved;                                 /* raft_ready.save_number */
        raft_index applied;
        struct {
            node_id peer;
            int status; /* 0, or why the log could not be read: then nothing is sent */
            const struct entry *entries;
            size_t count;
        } fetched;
        struct {
            node_id peer;
            raft_index index;
        } notify; /* leader; else ignored */
        /* At most what is applied and durable, and in a snapshot here: asserted but for that.
         * What is compacted already is ignored.
         */
        raft_index compact;
        const struct raft_piece *piece; /* its chunk is held, not copied */
        struct {
            node_id peer;
            int status;  /* 0: it has it; else why not: it is asked again later where it stands */
        } sending_ended; /* ignored unless that peer is being sent a snapshot */
        struct {
            struct raft_position snapshot;
            uint64_t offset; /* of the next byte wanted */
            bool is_refused; /* it can not be taken, or not now */
        } piece_taken;       /* told to the leader, if one is known */
        /* In role of any kind, and at the start: it is durable here, and the state machine
         * stands there now. At or below applied_index it changes nothing. If the log holds the
         * position, what is behind it stays; else the log becomes empty, standing there, and
         * the next save says so.
         */
        const struct raft_snapshot *installed;
        node_id transfer_to;
        bool is_stalled;
        /* A hint, be it true or false: it makes for haste, and decides nothing. Ignored unless
         * this node is a follower of that very leader in that very term. Until it hears a
         * leader again it helps others to depose that one, unless it may owe it a promise (see
         * lease.c), and asks for votes earlier, in turn with the other voters.
         */
        struct {
            node_id leader;
            raft_term term;
        } leader_lost;
    };
};

struct raft_read {
    uint64_t token;
    raft_index index; /* read once this is applied */
    int status;       /* 0, or QR_ERR_NOT_LEADER: leadership was lost meanwhile */
};

struct raft_fetch {
    node_id peer;
    raft_index first;
    uint64_t bytes_max;
};

/* A peer needs what is compacted: send it any snapshot at or above base, piece by piece with
 * RAFT_EVENT_PIECE, until it says that it is done, or RAFT_EVENT_SENDING_ENDED says that no
 * more comes: also at once, if there is none or the peer knows no snapshots.
 */
struct raft_sending {
    node_id peer;
    struct raft_position base; /* as it is now */
};

/* What a peer answered about a snapshot that is being sent to it. */
struct raft_piece_answer {
    node_id peer;
    struct raft_position snapshot;
    uint64_t offset;
    bool is_done; /* the sending has ended by that */
    bool is_refused;
};

/* What is to be done, in this order: save; send; hand out reads; fetch; then what concerns
 * snapshots. Everything is borrowed until the next raft_step() or raft_ready().
 */
struct raft_ready {
    /* Write these in one batch and sync; then step RAFT_EVENT_SAVED with save_number.
     * 0: nothing to save. Every message here may leave at once: what must wait for a save
     * is held back by the machine and comes with a later ready.
     */
    uint64_t save_number;
    struct hard_state hard_state;
    const struct raft_position *reset; /* the log becomes empty there first; NULL: it does not */
    const struct entry *entries;       /* the first may replace what was saved before */
    size_t entry_count;

    const struct raft_message *messages;
    size_t message_count;
    const struct raft_read *reads;
    size_t read_count;
    const struct raft_fetch *fetches;
    size_t fetch_count;
    const struct raft_sending *sendings; /* leader: to be begun */
    size_t sending_count;
    const struct raft_piece_answer *answers; /* leader */
    size_t answer_count;
    const struct raft_piece *pieces; /* follower: of this term's leader, as they came */
    size_t piece_count;
};

struct raft;

/* The longest lease with which a machine of this election timeout may be made. */
time_ns raft_lease_ns_max(time_ns election_timeout_min_ns);

/* Make a machine from what was durable; a fresh one has an all-zero `restored`.
 *
 * now_ns   as in events.
 *
 * Returns 0, QR_ERR_INVALID (options out of bounds or contradicting), QR_ERR_CORRUPT (what
 * was restored contradicts itself) or QR_ERR_NO_MEMORY.
 */
NODISCARD int raft_new(const struct raft_options *options, const struct raft_restored *restored,
                       time_ns now_ns, struct raft **out);
void raft_free(struct raft *raft);

/* Take one event.
 *
 * Returns 0, or, with nothing changed but time,
 *   QR_ERR_NOT_LEADER  propose, configure, read, transfer, piece: this node does not lead.
 *   QR_ERR_NOT_FOUND   piece: that peer is not being sent a snapshot (any more).
 *   QR_ERR_BUSY        propose: uncommitted_bytes_max, or leadership is being handed over;
 *                      read: RAFT_READS_MAX.
 *   QR_ERR_PENDING     configure: one is not yet committed or still joint, no entry of this
 *                      term is committed, or leadership is being handed over; transfer: one
 *                      is under way.
 *   QR_ERR_INVALID     configure: see raft_configuration_towards(); transfer: to this node, or
 *                      to one that is no voter or may not lead.
 *   QR_ERR_BEHIND      transfer: that voter was not heard within an election timeout, or where
 *                      its log stands is not known yet.
 *   QR_ERR_MALFORMED   message: contradicts itself, or what is committed; dropped, though a
 *                      higher term in it may have been taken over. installed: likewise.
 *   QR_ERR_NO_MEMORY   the machine can only be freed.
 */
NODISCARD int raft_step(struct raft *raft, const struct raft_event *event);

/* Collect what the steps since the last ready caused. */
void raft_ready(struct raft *raft, struct raft_ready *out);

/* When a tick is due at the latest, on the clock of now_ns; TIME_NEVER for none. */
time_ns raft_deadline(const struct raft *raft);

/* The entries in memory from `first` on: pointer and count, 0 when `first` is not in
 * memory. Borrowed until the next step.
 */
const struct entry *raft_entries(const struct raft *raft, raft_index first, size_t *count);

/* Log time now, as the leader would stamp an entry; for others an estimate from the last
 * entry. Never behind the last entry.
 */
time_ns raft_log_time(const struct raft *raft, time_ns now_ns);

bool raft_is_leader(const struct raft *raft);

/* One consistent picture of the machine. */
struct raft_status {
    enum raft_role role;
    raft_term term;
    bool has_leader;
    node_id leader;            /* of `term`; means nothing unless has_leader */
    struct raft_position base; /* first_index - 1: what is at or below is compacted */
    raft_index first_index;
    raft_index last_index;
    raft_index durable_index;
    raft_index commit_index;
    raft_index applied_index;
    bool has_committed_in_term; /* leader: reads and configurations may go */
    bool is_transferring;       /* leader: proposals wait until it is over, soon, either way */
    node_id transferee;
    bool is_stalled;
    uint64_t cached_bytes;
    uint64_t uncommitted_bytes;
    time_ns leader_heard_ns; /* when it heard a leader last, of any term, or was made */
    bool is_leader_lost;     /* a hint said that its leader is gone; none was heard since */
    time_ns quorum_lost_ns;  /* when it stepped down, hearing no majority; 0: not since elected */
};

void raft_status(const struct raft *raft, struct raft_status *out);

/* What a voter answered last when this node campaigned, or asked whether it could. */
struct raft_vote_answer {
    node_id voter;
    enum raft_vote_reason reason;
    time_ns answered_ns;
};

/* The answers that are known, the latest of each voter; at most RAFT_MEMBERS_MAX, which `out` has
 * room for. Returns their count.
 */
size_t raft_vote_answers(const struct raft *raft, struct raft_vote_answer *out);

/* Highest index that may be applied: committed, and durable here. */
raft_index raft_applicable_index(const struct raft *raft);

/* The configuration in force. Borrowed until the next step. */
const struct raft_configuration *raft_configuration(const struct raft *raft);

/* The one so many before it to which the log may still have to go back, the latest that is
 * committed included; NULL: there is none. Borrowed likewise.
 */
const struct raft_configuration *raft_configuration_back(const struct raft *raft, size_t back);

/* Whether the entry that made it is committed. */
bool raft_configuration_is_committed(const struct raft *raft);

/* Whether RAFT_EVENT_INSTALLED at this position would take the node further than its log does:
 * to be asked before the state machine is restored.
 */
bool raft_wants_snapshot(const struct raft *raft, struct raft_position position);

/* Term of the entry at `index`; false when the log does not hold it, nor base. */
bool raft_term_at(const struct raft *raft, raft_index index, raft_term *term);

/* X(NAME, value, "text"): how the leader feeds a peer (diss. §10.2.1; etcd's progress). */
#define RAFT_PROGRESS_MAP(X)                                                                       \
    X(RAFT_PROBE, 0, "probe")         /* one message at a time, looking where the logs meet */     \
    X(RAFT_REPLICATE, 1, "replicate") /* pipelined */                                              \
    X(RAFT_SNAPSHOT, 2, "snapshot")   /* needs what is compacted: heartbeats alone, meanwhile */

enum raft_progress_state {
#define X(name, value, text) name = value,
    RAFT_PROGRESS_MAP(X)
#undef X
};

struct raft_peer_status {
    node_id id;
    enum raft_progress_state state;
    raft_index match_index;
    raft_index next_index;
    uint64_t inflight_messages;
    uint64_t inflight_bytes;
    time_ns heard_ns;   /* when the last answer came; 0: never in this term */
    int sending_status; /* of the last sending in this term; 0: none failed since it succeeded */
};

/* What the leader knows of the member at this position of the configuration. Returns false
 * when this node does not lead, or for itself.
 */
bool raft_peer_status(const struct raft *raft, node_id id, struct raft_peer_status *out);

/* Assert everything that must hold between steps. For tests and simulation. */
void raft_invariants(const struct raft *raft);

/* Other names for the nodes, one to one: two states that differ in names alone are one. */
struct raft_renaming {
    const void *context;
    node_id (*rename)(const void *context, node_id id);
};

/* Write all that decides what the machine does next, in one canonical form: machines that
 * write the same bytes do the same from here on, but for log time, and at the same distance
 * of time. Nothing of it depends on addresses, padding or on how the machine came here; nodes
 * are told apart by equality alone, so that renamed nodes do the same under their new names.
 * For model checking, and for comparing runs; not a format to be kept or read back.
 *
 * now_ns    the earliest moment of the next event, at least that of the last one; before the
 *           ready that follows a step, that step's own.
 * renaming  NULL: every node keeps its id.
 * out       fails when there is too little room.
 *
 * Cost: linear in the entries in memory.
 */
void raft_fingerprint(const struct raft *raft, time_ns now_ns, const struct raft_renaming *renaming,
                      struct writer *out);

/* The same for a message on its way. */
void raft_message_fingerprint(const struct raft_message *message,
                              const struct raft_renaming *renaming, struct writer *out);

/* Texts of role changes and events, for traces: one line each, stable. */
void raft_status_text(const struct raft_status *status, struct text *text);
void raft_status_json(const struct raft_status *status, struct text *text);

#endif
