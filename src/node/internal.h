/* internal.h: what the files of the node share. Never leaves src/node. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_INTERNAL_H
#define NODE_INTERNAL_H

#include "base/prng.h"
#include "node/digests_internal.h"
#include "node/gossip_internal.h"
#include "node/invite_internal.h"
#include "node/node.h"
#include "node/pending.h"
#include "node/sessions.h"
#include "node/snapshot_internal.h"
#include "quorate/error.h"
#include "wal/wal.h"

#define NODE_READ_GROUPS_MAX 1024
#define NODE_REMOTE_READS_MAX 1024
#define NODE_FORWARD_LIVES_MAX (4 * RAFT_MEMBERS_MAX) /* lives of members, latest first */
#define NODE_PEERS_MAX (2 * RAFT_MEMBERS_MAX)         /* whose version is known, members first */
#define NODE_JOINS_MAX 16
#define NODE_CHANGES_MAX 16
#define NODE_APPLY_BYTES_MAX (UINT64_C(1) << 20)
#define NODE_APPLY_BATCHES_MAX 16 /* of one turn; then the loop gets its turn */
#define NODE_ROOM_SLACK_BYTES (UINT64_C(64) * 1024)
#define NODE_RETRY_NS NS_PER_S

/* X(NAME, value): how far the data directory is on its way into a cluster. */
enum node_phase {
    NODE_JOINING, /* in no cluster: asks to be taken in; no Raft machine yet */
    NODE_OPENING, /* its first record is being made durable, then its identity */
    NODE_RUNNING, /* takes part */
    NODE_STOPPED, /* stopped or failed */
};

/* Reads that were asked in one turn and share one round. */
enum node_read_state {
    NODE_READ_HELD,      /* waits for a leader to be known */
    NODE_READ_ASKED,     /* the Raft machine, or the leader, was asked */
    NODE_READ_CONFIRMED, /* waits for the state machine to come to `index` */
    NODE_READ_DONE,
};

struct node_read_group {
    enum node_read_state state;
    uint64_t request;   /* the present question's number */
    bool is_by_round;   /* not to be answered by a lease */
    bool is_asked_here; /* it went to our own machine, which answers also when it is deposed */
    raft_term asked_term;
    size_t count; /* of tokens: the next ones of the token ring */
    raft_index index;
    time_ns asked_ns;
    time_ns hold_until_ns; /* without a leader: refused then */
    time_ns deadline_ns;
};

struct node_reads {
    uint64_t *tokens; /* ring */
    size_t capacity;
    size_t head;
    size_t count;
    struct node_read_group groups[NODE_READ_GROUPS_MAX]; /* ring */
    size_t group_head;
    size_t group_count;
    bool is_open; /* the last group still takes reads of this turn */
};

/* Of when what is applied here is known to be whole: see stale.c. */
struct node_fresh {
    bool is_known;
    time_ns since_ns;      /* all that was acknowledged anywhere before this is applied here */
    time_ns asked_ns;      /* when that was last asked for by itself */
    time_ns used_until_ns; /* stale reads are expected until then */
};

/* A member's question to us as leader, while its round is under way. */
struct node_remote_read {
    bool is_used;
    node_id from;
    uint64_t request;
};

/* Somebody who asked to be taken in, or to have its member's record changed. */
struct node_join {
    bool is_used;
    uint64_t connection;
    struct wire_join request;
    raft_index index; /* of the configuration with it; 0: not yet proposed */
    time_ns deadline_ns;
};

/* A change of the members, or of the leader, that somebody waits for. */
enum node_change_state {
    NODE_CHANGE_FREE,
    NODE_CHANGE_HELD,  /* certainly not begun: waits for a leader, or for another change */
    NODE_CHANGE_SENT,  /* the leader was asked */
    NODE_CHANGE_BEGUN, /* by us as leader: its configuration is in the log, or its transfer began */
};

struct node_change_wait {
    enum node_change_state state;
    bool is_remote;            /* a member asked, and is answered; else our own program, */
    bool is_by_itself;         /* or the node itself: see removal.c */
    uint64_t token;            /* our own */
    struct wire_change change; /* from and request: whom to answer */
    uint64_t request;          /* our number of the question to the leader */
    raft_index index;          /* of the configuration, */
    raft_term term;            /* and its term: another leader's may take its place */
    node_id transferee;
    time_ns retry_ns; /* not before */
    time_ns deadline_ns;
    struct node_change_result result;
};

struct node_fetch {
    bool is_used;
    bool is_apply;
    node_id peer;
    raft_index first;
    raft_index last; /* is_apply: nobody replaces what is up to here */
};

/* The last forward taken from one life of a member, so that a repeated frame appends nothing
 * twice.
 */
struct node_forward_seen {
    node_id from;
    uint64_t next_number;
    uint64_t used_at; /* of seen_clock; 0: free */
};

/* What a node said of itself when it was connected last. */
struct node_peer {
    node_id id;
    uint32_t version; /* 0: a free place */
};

/* A guarded entry of the batch under way, and what the session table said to it. */
struct node_guarded {
    struct sessions_entry entry;
    raft_term term;
    int status;               /* 0: applied, now or before */
    bool is_repeat;           /* sessions_find(asked) has the answer */
    uint32_t place;           /* among apply_entries; NODE_NO_PLACE: not applied now */
    struct proposal_id asked; /* whose outcome is told */
};

#define NODE_NO_PLACE UINT32_MAX

struct node {
    struct node_options options;
    char name[RAFT_NAME_BYTES_MAX];
    char address[RAFT_ADDRESS_BYTES_MAX];
    char meta[RAFT_META_BYTES_MAX];
    char *join; /* copy of options.join */
    size_t join_bytes;
    bool asks_no_vote;       /* when it joins: as it was told last */
    bool was_told_otherwise; /* before that */
    struct node_invited invited;
    struct node_identity identity;
    enum node_phase phase;
    struct node_time time;
    struct prng prng;

    const struct log_store *store;
    void *log;         /* of the store */
    struct raft *raft; /* NULL before NODE_RUNNING */
    struct raft_status raft_now;
    uint64_t last_ticket;
    uint64_t unsaved_bytes; /* proposed since the last save */
    time_ns mark_due_ns;
    time_ns prepare_due_ns;
    struct node_fetch fetches[WAL_READS_MAX];

    struct pending_table pending;
    struct entry_arena held_arena;
    size_t held_count;    /* of pending ones: not yet with a leader */
    uint64_t kept_bytes;  /* of records of pending ones, held or sent to another leader */
    time_ns own_due_ns;   /* the earliest of those with a limit of their own, or before that */
    bool has_cancelled;   /* some of them are */
    raft_term swept_term; /* of the last applied entry, when they were last looked through */
    raft_term first_term; /* of this life; what an earlier one did in it, is not known */
    struct node_forward_seen seen[NODE_FORWARD_LIVES_MAX];
    uint64_t seen_clock;
    struct node_reads reads;
    struct node_fresh fresh;
    uint64_t next_request;
    struct node_remote_read remote_reads[NODE_REMOTE_READS_MAX];
    struct raft_read answers[NODE_REMOTE_READS_MAX]; /* to members, of this turn */
    size_t answer_count;

    /* Applying. */
    bool is_applying;
    bool is_apply_lost;    /* the last batch does not count: the node stopped */
    bool is_apply_claimed; /* who waits for the batch under way is told by who applies it */
    bool is_apply_fetching;
    raft_index apply_last;          /* of the batch under way */
    raft_index machine_index;       /* what is up to here, a durable state machine has */
    struct qr_entry *apply_entries; /* NODE_APPLY_ENTRIES_MAX */
    size_t apply_count;
    struct node_guarded *apply_guarded; /* NODE_APPLY_ENTRIES_MAX, once there was one */
    size_t apply_guarded_count;
    struct sessions sessions;
    uint64_t apply_sessions_digest; /* before the batch under way */
    struct node_peer peers[NODE_PEERS_MAX];
    struct entry *apply_fetched; /* read back from the log; hold their chunks */
    size_t apply_fetched_count;
    size_t apply_fetched_capacity;
    raft_index tick_index; /* where the last tick was appended, as leader of tick_term */
    raft_term tick_term;
    time_ns tick_due_ns; /* one was refused: not before */
    bool needs_turn;

    /* Membership. */
    struct node_join joins[NODE_JOINS_MAX];
    struct node_change_wait changes[NODE_CHANGES_MAX];
    struct {
        bool is_under_way;
        node_id id;             /* of whom it is, or was last */
        size_t next;            /* position at which to look for the next */
        raft_term term;         /* of what stands here */
        time_ns led_ns;         /* since when this node has led in it */
        uint32_t voters_before; /* as many as there were when the first was found dead */
        time_ns retry_ns;
        time_ns due_ns; /* of the next; TIME_NEVER: none is known */
    } removal;
    raft_term resigned_term; /* in which leadership was to be handed over before a change */
    struct node_invite invite;
    enum node_seed_state seed_state;
    size_t seed_position;                      /* in the join string */
    char seed_address[RAFT_ADDRESS_BYTES_MAX]; /* dialed last */
    char seed_hint[RAFT_ADDRESS_BYTES_MAX];    /* where the leader is said to be */
    time_ns seed_due_ns;
    bool joins_by_gossip; /* the last address came from there */
    int join_status;      /* of the last attempt to join, and */
    char join_reason[WIRE_REASON_BYTES_MAX + RAFT_ADDRESS_BYTES_MAX]; /* who said what */
    raft_index told_configuration; /* index and term of that which io.members() knows */
    raft_term told_configuration_term;
    bool has_told_configuration;
    raft_index promote_goal;                  /* commit index at the last check */
    raft_index promote_configuration;         /* whose members were checked */
    uint8_t promote_checks[RAFT_MEMBERS_MAX]; /* passed one after another, by position in it */
    time_ns promote_due_ns;
    time_ns announce_due_ns;
    time_ns refusal_log_due_ns;
    time_ns join_log_due_ns;

    /* What must advance. */
    bool is_stalled; /* something does not */
    raft_index watched_durable;
    raft_index watched_applied;
    time_ns durable_since_ns;
    time_ns applied_since_ns;

    /* What was said last, to notice changes. */
    enum raft_role told_role;
    raft_term told_term;
    bool told_has_leader;
    node_id told_leader;

    struct node_snapshots snapshots;
    struct node_sendings sendings;
    struct node_backup backups[NODE_BACKUPS_MAX];
    struct node_install install;
    struct node_restore restore;

    struct node_digests digests;
    struct node_divergence divergence;
    struct node_compare compare;

    uint64_t elections_started;
    uint64_t leader_changes;
    uint64_t proposals_forwarded;

    struct node_gossip *gossip; /* NULL: there is none */
};

/* node.c */
void node_fail(struct node *node, int status, const char *reason);
bool node_is_running(const struct node *node);
uint64_t node_uncommitted_bytes_max(const struct node *node); /* of this node's proposals */
uint64_t node_record_bytes_max(const struct node *node);
NODISCARD int node_step(struct node *node, struct raft_event event);
/* As it stands since the last step, and until the next; all zero before there is a machine. */
const struct raft_status *node_raft_status(const struct node *node);
void node_notify(struct node *node, node_id peer, raft_index index);
bool node_send(struct node *node, node_id to, const struct wire_message *message);
bool node_has_room(const struct node *node, uint64_t bytes);

/* ready.c */
void node_take_ready(struct node *node);

/* identity.c */
NODISCARD int node_identity_write(const struct disk *disk, const struct node_identity *identity);

/* open.c */
void node_opened(struct node *node);
NODISCARD int node_begin_log(struct node *node, struct cluster_id cluster, bool is_bootstrap);

/* persist.c */
void node_on_synced(void *context, uint64_t ticket);
void node_on_read(void *context, uint64_t token, int status, const struct entry *entries,
                  size_t count);
void node_on_poisoned(void *context, int status, const char *detail);
void node_fetch(struct node *node, const struct raft_fetch *fetch);
bool node_fetch_for_apply(struct node *node, raft_index first);
void node_persist(struct node *node, const struct raft_ready *ready);
void node_log_upkeep(struct node *node);

/* expire.c */

/* Set the deadline of one that was just added; 0: as the options have it. */
void node_limit_proposal(struct node *node, struct pending *pending, time_ns timeout_ns);
time_ns node_proposals_deadline(const struct node *node);

/* Give up what is past its time, or cancelled. */
void node_expire_proposals(struct node *node);

/* propose.c */
void node_flush_held(struct node *node);
/* What a result says of its entry: 0, or that it was rejected. */
static inline int node_result_status(const struct qr_result *result)
{
    return result->status == 0 ? 0 : QR_ERR_REJECTED;
}

/* `result` is there if, and only if, the entry was applied or rejected. */
void node_finish(struct node *node, struct pending *pending, int status, raft_index index,
                 const struct qr_result *result);

/* Take one out without a word; its token. */
uint64_t node_release_proposal(struct node *node, struct pending *pending);
void node_sweep_superseded(struct node *node);
void node_fail_proposals(struct node *node);
void node_on_forward(struct node *node, node_id from, const struct wire_message *message);
void node_on_forward_response(struct node *node, const struct wire_forward_response *response);

struct pending *node_find_proposal(struct node *node, struct proposal_id id, raft_term term);

/* once.c: guarded entries: the session table, and who waits for what it says. */

enum node_guard_verdict {
    NODE_GUARD_SKIP,  /* not to be applied */
    NODE_GUARD_PASS,  /* to be applied like any other */
    NODE_GUARD_APPLY, /* to be applied, and its result is to be kept */
};

/* A guarded entry's turn has come. Returns 0 or QR_ERR_NO_MEMORY: the node cannot go on. */
NODISCARD int node_guard(struct node *node, const struct entry *entry,
                         enum node_guard_verdict *verdict);

/* Guarded entries are about to come into the log: the identity must say so first. Returns 0 or
 * QR_ERR_DISK_FULL: they may not come; or the error with which the node has failed.
 */
NODISCARD int node_note_guarded(struct node *node);

/* Tell who waits for a proposal under a session or token what the table knows of it, where it was
 * applied without being seen here, within a snapshot. False: nothing is known of it.
 */
bool node_finish_known(struct node *node, struct pending *pending);

/* The batch was applied: keep what it gave, and tell who waits. */
void node_finish_guarded(struct node *node, const struct qr_result *results);

/* Of a proposal under a session or token: so that one id does not stand for two commands. */
uint32_t node_command_checksum(const struct raft_proposal *proposal);

/* Give up the guarded proposals that wait for a leader, where it does not understand them. */
void node_refuse_guarded(struct node *node, node_id leader);
bool node_may_send(const struct node *node, const struct pending *pending, node_id leader);

/* peers.c */
void node_note_peer(struct node *node, node_id id, uint32_t version);

/* The latest version that a node spoke; 0: it was not met in this life. */
uint32_t node_peer_version(const struct node *node, node_id id);

/* Whether guarded entries may be appended: every member understands them, or must already;
 * newcomers that were not met are not asked.
 */
bool node_may_guard(const struct node *node);

/* reads.c */
void node_flush_reads(struct node *node);
void node_reads_confirmed(struct node *node, const struct raft_read *reads, size_t count);
void node_finish_reads(struct node *node);
void node_fail_reads(struct node *node, int status);
void node_reads_deinit(struct node *node);
time_ns node_reads_deadline(const struct node *node);
void node_on_read_request(struct node *node, node_id from, const struct wire_read *request);
void node_on_read_response(struct node *node, const struct wire_read_response *response);

/* Ask as for a read, for the sake of the answer alone. */
void node_read_for_nobody(struct node *node);

/* stale.c */

/* All that was acknowledged anywhere before this moment is applied here. */
void node_stale_proved(struct node *node, time_ns asked_ns);
void node_stale_turn(struct node *node);
time_ns node_stale_deadline(const struct node *node);

/* apply.c */
void node_start_apply(struct node *node);
void node_apply_deinit(struct node *node);

/* Ask for the digest where the state machine stands; no batch may be under way. */
void node_apply_nothing(struct node *node);
void node_propose_tick(struct node *node);
time_ns node_tick_deadline(const struct node *node);

/* members.c */
void node_on_join(struct node *node, uint64_t connection, const struct wire_join *request);
void node_members_turn(struct node *node);
time_ns node_members_deadline(const struct node *node);
void node_refuse_joins(struct node *node, int status, const char *reason);

bool node_has_caught_up(const struct node *node, node_id id);
NODISCARD int node_configure(struct node *node, const struct raft_configuration *next);

/* change.c */
void node_changes_turn(struct node *node);
void node_fail_changes(struct node *node);
time_ns node_changes_deadline(const struct node *node);
void node_on_change(struct node *node, node_id from, const struct wire_change *change);
void node_on_change_response(struct node *node, const struct wire_change_response *response);

/* Begin a change that the node wants by itself, as leader: it is never sent on, and ends in
 * node_removal_ended(). False: too many changes wait.
 */
bool node_change_by_itself(struct node *node, const struct wire_change *change);

/* removal.c */
void node_removal_turn(struct node *node);
time_ns node_removal_deadline(const struct node *node);
NODISCARD int node_removal_judge(const struct node *node, const struct raft_configuration *next,
                                 const struct node_change_result *result);
void node_removal_ended(struct node *node, const struct node_change_wait *wait, int status);

/* change_plan.c */
NODISCARD int node_change_plan(const struct node *node, const struct wire_change *change,
                               struct raft_configuration *next, struct node_change_result *result);

/* digests.c: this replica's digests. */
bool node_digests_are_made(const struct node *node);
void node_digests_renew(struct node *node);

/* Where a batch that begins at `first` must end. */
raft_index node_digests_stop(const struct node *node, raft_index first);

/* Whether the batch that ends at `index` is to tell its digest; and it did. */
bool node_digests_take(struct node *node, raft_index index);
void node_digests_note(struct node *node, raft_index index, uint64_t machine_digest);
void node_digests_turn(struct node *node);

/* Take the digest behind `index`, and tell who asked: at once that there is none yet. */
void node_digests_want(struct node *node, raft_index index, node_id asked_by);

/* Tell a member how this replica fares, without a digest. */
void node_digests_say(struct node *node, node_id to);
void node_on_compare(struct node *node, node_id from, const struct wire_compare *question);

/* compare.c: all replicas' digests, on the leader. */
void node_compare_turn(struct node *node);
time_ns node_compare_deadline(const struct node *node);
void node_on_compare_response(struct node *node, node_id from,
                              const struct wire_compare_response *response);
void node_compare_forget(struct node *node, node_id id);

/* divergence.c: what becomes of a replica that differs. */

/* Read the mark of an earlier life. Returns 0 or QR_ERR_IO, with `detail` set. */
NODISCARD int node_divergence_open(struct node *node, char *detail);
void node_divergence_turn(struct node *node);
time_ns node_divergence_deadline(const struct node *node);

/* A leader's verdict on this replica. It may end the node. */
void node_divergence_judge(struct node *node, const struct wire_compare *verdict);
void node_divergence_restored(struct node *node);
void node_bar(struct node *node);
raft_index node_rebuild_wants(const struct node *node);
bool node_rebuild_takes(const struct node *node, struct raft_position position);

/* Whether the message was a piece of the snapshot that is to take the state's place. */
bool node_rebuild_receive(struct node *node, const struct raft_message *message);

/* watch.c */
void node_watch(struct node *node);
time_ns node_watch_deadline(const struct node *node);

/* join.c */
void node_join_turn(struct node *node);

/* Whether a node in no cluster may be taken in by this one: an invitation names the cluster. */
bool node_may_enter(const struct node *node, struct cluster_id cluster);

/* Keep a copy of the list, in the place of the one before. Returns 0 or QR_ERR_NO_MEMORY. */
NODISCARD int node_join_copy(struct node *node, const char *join);

#endif
