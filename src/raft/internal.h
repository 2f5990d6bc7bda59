/* internal.h: what the files of the Raft machine share. Never leaves src/raft. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RAFT_INTERNAL_H
#define RAFT_INTERNAL_H

#include "base/prng.h"
#include "raft/raft.h"

#define RAFT_CONFIGURATIONS_MAX 1024 /* not yet known to be committed, in one log */
#define RAFT_HELD_MAX 128            /* messages that wait for term and vote to be durable */
#define RAFT_PROBE_BYTES_MAX (16 * 1024)
#define RAFT_LOG_ENTRIES_MAX (UINT64_C(1) << 32) /* in memory */
#define RAFT_TERM_RUNS_MAX (UINT64_C(1) << 32)
/* A term so far ahead of ours was never reached by elections, be there a thousand a second. */
#define RAFT_TERM_JUMP_MAX (UINT64_C(1) << 48)

/* The log: its tail in memory, and of all of it where terms begin. */
struct raft_log {
    const struct allocator *allocator;
    struct raft_position base; /* what stands at or below it is compacted; {0, 0}: nothing */
    struct entry *entries;     /* cached ones: entries[head .. head + count) */
    size_t capacity;
    size_t head;
    size_t count;
    struct raft_term_run *terms; /* ascending in both fields; the first begins behind base */
    size_t term_capacity;
    size_t term_count;
    raft_index last_index;
    raft_index handed_index;  /* given to a save; what lies above has still to be */
    raft_index durable_index; /* saved, and not replaced since */
    raft_index commit_index;
    raft_index applied_index;
    uint64_t cached_bytes;
    uint64_t cache_bytes_max;
    time_ns last_timestamp_ns; /* never goes back, also not when entries are replaced */
};

void raft_log_init(struct raft_log *log, const struct allocator *allocator,
                   uint64_t cache_bytes_max);
void raft_log_deinit(struct raft_log *log);
raft_index raft_log_first_cached(const struct raft_log *log);
bool raft_log_term_at(const struct raft_log *log, raft_index index, raft_term *term);
struct raft_position raft_log_last(const struct raft_log *log);
const struct entry *raft_log_entry(const struct raft_log *log, raft_index index);

/* Make room for `count` more entries, so that raft_log_append() cannot fail. */
NODISCARD int raft_log_reserve(struct raft_log *log, size_t count);

/* Take over the entry and its reference. It follows the last one. */
void raft_log_append(struct raft_log *log, struct entry entry);

/* Drop every entry from `from` on, which is above commit_index. */
void raft_log_truncate(struct raft_log *log, raft_index from);

/* Forget cached entries that are applied and durable while there are too many bytes. */
void raft_log_evict(struct raft_log *log);

/* Forget the entries up to `index`, which are applied and durable. */
void raft_log_compact(struct raft_log *log, raft_index index);

/* Forget every entry: what is up to `base` is committed, applied and durable in a snapshot. */
void raft_log_reset(struct raft_log *log, struct raft_position base);

/* Largest index at or below `index` whose term is at most `term`; where two logs may meet.
 * False when it lies below base, which is then what `out` says.
 */
bool raft_log_meeting(const struct raft_log *log, raft_index index, raft_term term,
                      struct raft_position *out);

struct raft_inflight {
    raft_index last;
    uint64_t bytes;
};

/* What the leader knows of a peer. */
struct raft_peer {
    node_id id;
    enum raft_progress_state state;
    raft_index match_index;
    raft_index next_index;
    struct raft_inflight *inflights; /* ring of options.inflight_messages_max */
    size_t inflight_head;
    size_t inflight_count;
    uint64_t inflight_bytes;
    bool is_probe_sent;
    raft_index probe_last; /* last entry that the probe carried, or its prev */
    bool is_fetching;
    struct entry *fetched; /* read back from the log for this peer; next_index.. */
    size_t fetched_count;
    size_t fetched_capacity;
    bool is_fetched_sent;  /* part of a ready; to be released with the next step */
    bool is_sending_asked; /* in state snapshot: the node knows */
    int sending_status;
    raft_index commit_sent;
    raft_index notify_index;
    uint64_t round_sent;
    uint64_t round_acked;
    time_ns sent_ns;
    time_ns heard_ns; /* 0: not yet in this term */
};

struct raft_save {
    uint64_t number;
    raft_index last_index; /* lowered when entries are replaced while it is under way */
};

/* Leadership on its way to another voter. */
struct raft_transfer {
    bool is_active;
    bool is_sent; /* the transferee was told, at sent_ns */
    node_id to;
    time_ns sent_ns;
    time_ns deadline_ns;      /* given up then */
    time_ns by_priority_ns;   /* not before: the next one that nobody asked for */
    raft_index checked_index; /* commit index at the last quorum check */
};

/* A hint said that the leader is gone: votes are asked for by turns. All zero: none did. */
struct raft_haste {
    time_ns until_ns; /* when they would have been without it */
    time_ns turn_ns;  /* from one of this node's turns to its next */
};

#define RAFT_LEASE_ROUNDS 64

/* When the leader's rounds began: what a majority has answered proves that it led then. */
struct raft_lease {
    bool is_void; /* for the rest of the term: somebody was told to campaign */
    time_ns round_ns;
    time_ns rounds_ns[RAFT_LEASE_ROUNDS]; /* of round r at r modulo their number */
};

enum raft_vote_state {
    RAFT_VOTE_PENDING,
    RAFT_VOTE_WON,
    RAFT_VOTE_LOST,
};

struct raft {
    struct raft_options options;
    struct prng prng;
    time_ns now_ns;
    time_ns wall_ns;

    struct hard_state hard_state;
    bool is_hard_state_changed;
    uint64_t hard_state_save; /* number of the save that holds it */
    struct raft_save saves[RAFT_SAVES_MAX];
    size_t save_head;
    size_t save_count;
    uint64_t save_issued;
    uint64_t save_completed;
    bool is_reset_due;          /* the log was emptied, which no save says yet */
    struct raft_position reset; /* lent to a ready */
    uint64_t reset_save;        /* number of the save that says it */

    enum raft_role role;
    bool has_leader;
    node_id leader;
    time_ns leader_heard_ns;
    bool is_leader_leased; /* who was heard then may hold leases, or it is not known */
    struct raft_haste haste;
    bool is_stalled; /* its disk or state machine does not advance: it is not to lead */
    time_ns election_deadline_ns;

    struct raft_log log;
    struct entry_arena arena;

    /* The last is in force; the first is committed, unless none is known to be. */
    struct raft_configuration **configurations;
    size_t configuration_capacity;
    size_t configuration_count;
    struct raft_configuration none; /* in force while the log holds no configuration */

    /* Votes of the present campaign, by id: a set, so that duplicates count once. */
    node_id granted[RAFT_MEMBERS_MAX];
    size_t granted_count;
    node_id refused[RAFT_MEMBERS_MAX];
    size_t refused_count;

    /* For who wants to know why it is not elected; nothing is decided by it. */
    struct raft_vote_answer vote_answers[RAFT_MEMBERS_MAX];
    size_t vote_answer_count;
    time_ns quorum_lost_ns;

    /* Follower. */
    raft_index verified_index; /* the same as the leader's of this term, up to here */
    bool is_response_due;
    bool is_rejection_due;
    struct raft_append_entries_response rejection;
    raft_index acked_index; /* last match told to this leader */
    time_ns last_entry_ns;  /* when entries came last, to go on with log time from there */
    uint64_t round_seen;
    uint64_t round_echoed;
    time_ns response_ns;
    struct raft_position offered; /* of which the present leader sent a piece; {0, 0}: of none */
    bool is_installed_due; /* `installed` is to be answered as done once the log stands there */
    struct raft_position installed;
    struct raft_piece pieces[RAFT_PIECES_MAX]; /* for the next ready; their chunks are held */
    size_t piece_count;

    /* Leader. */
    struct raft_peer peers[RAFT_MEMBERS_MAX];
    size_t peer_count;
    time_ns term_began_ns;
    time_ns term_timestamp_ns; /* log time at term_began_ns */
    raft_index term_first_index;
    uint64_t uncommitted_bytes;
    uint64_t round;
    bool is_round_open; /* a read asked for a round that no message carries yet */
    time_ns quorum_check_ns;
    struct raft_transfer transfer;
    struct raft_lease lease;

    struct raft_read *reads; /* asked, not confirmed: ring of RAFT_READS_MAX */
    uint64_t *read_rounds;   /* 0: waits for the first commit of the term */
    size_t read_capacity;
    size_t read_head;
    size_t read_count;
    struct raft_read *reads_out;
    size_t reads_out_count;
    size_t reads_out_capacity;

    struct raft_message *out; /* RAFT_MESSAGES_MAX */
    size_t out_count;
    struct raft_message *held; /* RAFT_HELD_MAX */
    size_t held_count;
    struct raft_fetch fetches[RAFT_MEMBERS_MAX];
    struct raft_sending sendings[RAFT_MEMBERS_MAX];
    struct raft_piece_answer answers[RAFT_ANSWERS_MAX];
    size_t answer_count;
    bool is_ready_taken; /* the next step frees what the last ready lent */
};

/* restore.c */
NODISCARD int raft_restore(struct raft *raft, const struct raft_restored *restored);

/* raft.c */
void raft_send(struct raft *raft, struct raft_message message);
bool raft_is_hard_state_durable(const struct raft *raft);
void raft_set_hard_state(struct raft *raft, raft_term term, bool has_voted, node_id voted_for);
void raft_become_follower(struct raft *raft, raft_term term, bool has_leader, node_id leader);
/* Saves under way hold nothing of the log above `index`. */
void raft_saves_lower(struct raft *raft, raft_index index);
/* Whether the disk's log was emptied where ours was. */
bool raft_is_reset_durable(const struct raft *raft);

/* election.c */
void raft_reset_election_timer(struct raft *raft);
void raft_election_tick(struct raft *raft);
NODISCARD int raft_election_saved(struct raft *raft);
void raft_on_pre_vote(struct raft *raft, const struct raft_message *message);
NODISCARD int raft_on_pre_vote_response(struct raft *raft, const struct raft_message *message);
void raft_on_request_vote(struct raft *raft, const struct raft_message *message);
NODISCARD int raft_on_request_vote_response(struct raft *raft, const struct raft_message *message);
bool raft_sticks_to_leader(const struct raft *raft);
void raft_on_leader_lost(struct raft *raft, node_id leader, raft_term term);
/* Whether a new term and a restart leave it so: another's lease may rest on it. */
bool raft_keeps_promise(const struct raft *raft);
NODISCARD int raft_on_timeout_now(struct raft *raft, const struct raft_message *message);

/* follower.c */
bool raft_append_is_well_formed(const struct raft_message *message);
NODISCARD int raft_on_append_entries(struct raft *raft, const struct raft_message *message);
NODISCARD int raft_hear_leader(struct raft *raft, const struct raft_message *message);
void raft_respond_stale(struct raft *raft, const struct raft_message *message);
void raft_follower_ready(struct raft *raft);

/* leader.c */
NODISCARD int raft_become_leader(struct raft *raft);
void raft_leave_leadership(struct raft *raft);
NODISCARD int raft_leader_propose(struct raft *raft, const struct raft_proposal *proposals,
                                  size_t count);
NODISCARD int raft_leader_append(struct raft *raft, const struct raft_proposal *proposal);
void raft_leader_tick(struct raft *raft);
NODISCARD int raft_leader_commit(struct raft *raft);
NODISCARD int raft_on_append_entries_response(struct raft *raft,
                                              const struct raft_message *message);
time_ns raft_leader_deadline(const struct raft *raft);

/* replicate.c */
void raft_leader_ready(struct raft *raft, struct raft_ready *out);
NODISCARD int raft_on_fetched(struct raft *raft, node_id id, int status,
                              const struct entry *entries, size_t count);
void raft_release_fetched(struct raft *raft);

/* snapshot.c: what is compacted, here and at others (Raft §7). */
bool raft_piece_is_well_formed(const struct raft_message *message);
NODISCARD int raft_on_install_snapshot(struct raft *raft, const struct raft_message *message);
void raft_on_piece_taken(struct raft *raft, const struct raft_event *event);
NODISCARD int raft_on_installed(struct raft *raft, const struct raft_snapshot *snapshot);
void raft_installed_ready(struct raft *raft);
void raft_release_pieces(struct raft *raft);

/* sending.c: the leader's side of it. */
void raft_on_compact(struct raft *raft, raft_index index);
NODISCARD int raft_on_piece(struct raft *raft, const struct raft_piece *piece);
void raft_on_sending_ended(struct raft *raft, node_id id, int status);
NODISCARD int raft_on_install_snapshot_response(struct raft *raft,
                                                const struct raft_message *message);
void raft_sendings_ready(struct raft *raft, struct raft_ready *out);

/* progress.c */
struct raft_peer *raft_find_peer(struct raft *raft, node_id id);
const struct raft_peer *raft_peer_of(const struct raft *raft, node_id id);
NODISCARD int raft_peers_update(struct raft *raft);
void raft_peers_deinit(struct raft *raft);
void raft_peer_become_probe(struct raft_peer *peer, raft_index next);
void raft_peer_become_replicate(struct raft_peer *peer);
void raft_peer_become_snapshot(struct raft *raft, struct raft_peer *peer);
bool raft_peer_is_full(const struct raft *raft, const struct raft_peer *peer);
void raft_peer_sent(struct raft *raft, struct raft_peer *peer, raft_index last, uint64_t bytes);
void raft_peer_freed(struct raft *raft, struct raft_peer *peer, raft_index match);
void raft_peer_drop_fetched(struct raft *raft, struct raft_peer *peer);

/* quorum.c: what a majority of both sets of voters agrees on. */
typedef uint64_t raft_quorum_value(const struct raft *raft, node_id id);
uint64_t raft_quorum_reached(const struct raft *raft, raft_quorum_value *value);
enum raft_vote_state raft_quorum_vote(const struct raft *raft);
uint64_t raft_majority_of(const uint64_t *values, size_t count);

/* confchange.c */
const struct raft_configuration *raft_configuration_in_force(const struct raft *raft);
NODISCARD int raft_configuration_push(struct raft *raft, const struct entry *entry);
void raft_configuration_rollback(struct raft *raft, raft_index from);
void raft_configuration_committed(struct raft *raft);
void raft_configuration_apply_role(struct raft *raft);
NODISCARD int raft_on_configure(struct raft *raft, const struct raft_configuration *next);
void raft_configuration_deinit(struct raft *raft);
bool raft_configuration_is_pending(const struct raft *raft);
bool raft_configuration_may_campaign(const struct raft *raft);
NODISCARD int raft_configuration_leave_joint(struct raft *raft);
bool raft_may_campaign(const struct raft *raft);

/* read_index.c */
NODISCARD int raft_on_read(struct raft *raft, uint64_t token);
void raft_reads_committed(struct raft *raft);
void raft_reads_confirm(struct raft *raft);
void raft_reads_abandon(struct raft *raft);
NODISCARD int raft_reads_reserve(struct raft *raft);
void raft_reads_hand_out(struct raft *raft, struct raft_read read);
uint64_t raft_reads_round_acked(const struct raft *raft);

/* lease.c */
NODISCARD int raft_on_read_lease(struct raft *raft, uint64_t token);
void raft_lease_ready(struct raft *raft);

/* transfer.c */
NODISCARD int raft_on_transfer(struct raft *raft, node_id to);
void raft_on_stall(struct raft *raft, bool is_stalled);
void raft_transfer_tick(struct raft *raft);
void raft_transfer_by_priority(struct raft *raft);
void raft_transfer_ready(struct raft *raft);
time_ns raft_transfer_deadline(const struct raft *raft);

#endif
