/* check.h: what must hold in every run, one checker for each promise.
 *
 * Owns     what each checker has seen so far. Nodes are known by their node ids here: a host
 *          whose disk was lost comes back as another node.
 * Does not know how the run goes on: it tells the first thing that is broken, once.
 * Threads  one.
 *
 * check_durable.h (nothing acted on before it was durable) and linearizability.h (of the
 * clients' history, by key) stand beside these.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "quorate/sim.h"
#include "raft/message.h"
#include "sim/build.h"
#include "sim/pairs.h"
#include "wire/message.h"

#define SIM_TERMS_MAX 65536

/* The first violation; later ones are often its consequences. */
struct sim_failure {
    bool is_set;
    time_ns at_ns;
    char checker[QR_SIM_NAME_BYTES_MAX];
    char text[QR_SIM_TEXT_BYTES_MAX];
};

/* Record a violation, unless one is. The text is cut at its limit. */
void sim_failure_set(struct sim_failure *failure, time_ns at_ns, const char *checker,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Election safety: at most one leader in a term (Raft, figure 3). */
struct check_election {
    struct check_term {
        bool has_leader;
        uint64_t leader;
    } * terms;
    size_t capacity;
    uint64_t term_count; /* that had a leader */
};

/* A node leads a term, by its own word or by its messages. */
void check_election_leads(struct check_election *check, uint64_t id, uint64_t term, time_ns now_ns,
                          struct sim_failure *failure);
bool check_election_leader(const struct check_election *check, uint64_t term, uint64_t *leader);
void check_election_deinit(struct check_election *check);

/* Votes: a node grants one candidate a vote in a term, over all its lives (Raft, §5.2). */
struct check_votes {
    struct check_vote {
        uint64_t voter;
        uint64_t term;
        uint64_t candidate;
        struct raft_position last; /* of its log, as the candidate said */
        bool is_heard;             /* by the candidate */
        bool is_transfer;          /* of a candidate's own: its leader told it to campaign */
    } * votes;                     /* open addressing; voter and term are the key; term 0: free */
    size_t capacity;
    size_t count;
    struct sim_pairs pre_votes; /* by voter and candidate: the latest question */
};

void check_votes_message(struct check_votes *check, const struct raft_message *message,
                         time_ns now_ns, struct sim_failure *failure);

/* A node whose log ends at `last` sends its vote: the candidate's log is as good (Raft, §5.4.1).
 * What it has of the term itself came from that candidate, later.
 */
void check_votes_log(const struct check_votes *check, const struct raft_message *message,
                     struct raft_position last, time_ns now_ns, struct sim_failure *failure);

/* This pre_vote comes to a node whose log ends at `last`. */
void check_votes_asked(struct check_votes *check, const struct raft_message *message,
                       struct raft_position last);

/* It answers: as it would have voted when it was asked. */
void check_votes_answered(const struct check_votes *check, const struct raft_message *message,
                          time_ns now_ns, struct sim_failure *failure);

/* Whether this candidate said that its leader told it to campaign. */
bool check_votes_is_transfer(const struct check_votes *check, uint64_t candidate, uint64_t term);

/* A vote arrives: what its candidate may count. */
void check_votes_heard(struct check_votes *check, const struct raft_message *message);

/* A node leads a term: of a majority of the voters that it knows, itself included where it is
 * one, it has heard a vote that was sent to it in that very term.
 */
void check_votes_elected(const struct check_votes *check, uint64_t id, uint64_t term,
                         const uint64_t *voters, size_t voter_count, time_ns now_ns,
                         struct sim_failure *failure);
void check_votes_deinit(struct check_votes *check);

/* Handovers: who was told by the leader of which term to campaign (diss. §3.10). */
struct check_handovers {
    struct sim_pairs said;  /* by leader and term: when it first told somebody */
    struct sim_pairs heard; /* by who was told, and the term of the leader */
};

void check_handovers_said(struct check_handovers *check, const struct raft_message *message,
                          time_ns now_ns);
void check_handovers_heard(struct check_handovers *check, const struct raft_message *message);

/* A node campaigns because it was told to: by the leader of the very last term. */
void check_handovers_campaign(const struct check_handovers *check,
                              const struct raft_message *message, time_ns now_ns,
                              struct sim_failure *failure);

/* When the leader of this term first told somebody to campaign; TIME_NEVER: not yet. */
time_ns check_handovers_since(const struct check_handovers *check, uint64_t leader, uint64_t term);
void check_handovers_deinit(struct check_handovers *check);

/* Commits: how far each member has told the leader of a term that its log is durable. */
struct check_commits {
    struct sim_pairs told; /* by member and leader */
};

void check_commits_said(struct check_commits *check, const struct raft_message *message);

/* Whether a majority of these voters holds the log up to `index`, as far as its leader can know:
 * the others have told it so in its term; itself, where it is a voter, up to `durable_index`.
 */
bool check_commits_is_agreed(const struct check_commits *check, uint64_t leader, uint64_t term,
                             uint64_t durable_index, uint64_t index, const uint64_t *voters,
                             size_t voter_count);
void check_commits_deinit(struct check_commits *check);

/* Promises, where leaders hold leases: who answered a leader's round votes for nobody else for an
 * election timeout from when it heard of it, whatever happens meanwhile (diss. §6.4.1).
 */
struct check_promises {
    struct sim_pairs heard; /* by leader and voter: its latest rounds */
    struct sim_pairs given; /* by voter: the latest */
};

/* This append_entries comes to a voter, whose own clock says `local_ns` now. */
void check_promises_heard(struct check_promises *check, const struct raft_message *message,
                          time_ns local_ns);

/* A voter sends this answer to it. */
void check_promises_given(struct check_promises *check, const struct raft_message *message);

/* A voter sends its vote, or its pre-vote, to whom the leader told to campaign in the vote's term:
 * it handed over, and what was promised in earlier terms holds no more.
 */
void check_promises_void(struct check_promises *check, const struct raft_message *message);

/* A voter, whose own clock says `local_ns` now, sends its vote, or its pre-vote.
 */
void check_promises_vote(const struct check_promises *check, const struct raft_message *message,
                         time_ns local_ns, time_ns patience_ns, time_ns now_ns,
                         struct sim_failure *failure);
void check_promises_deinit(struct check_promises *check);

/* Reads: when a node last confirmed to another one that it leads, and when each question of a
 * member was first asked.
 */
struct check_reads {
    struct sim_pairs heard; /* by member and leader */
    struct sim_pairs asked; /* by member and its number of the question */
};

/* A node answers an append_entries. What echoes no round confirms none. */
void check_reads_said(struct check_reads *check, const struct raft_message *message,
                      time_ns now_ns);

/* Whether a majority of the voters, this leader included where it is one, has answered it at
 * `since_ns` or later.
 */
bool check_reads_is_confirmed(const struct check_reads *check, uint64_t leader,
                              const uint64_t *voters, size_t voter_count, time_ns since_ns);

void check_reads_asked(struct check_reads *check, const struct wire_read *question, time_ns now_ns);

/* When this member first asked that; 0: never. */
time_ns check_reads_asked_ns(const struct check_reads *check, uint64_t member, uint64_t request);
void check_reads_deinit(struct check_reads *check);

/* Forwards: where a member's proposal may be, as far as anybody can know (node/propose.c). */
struct check_forwards {
    struct check_forward {
        bool is_used;
        uint64_t from;
        uint64_t request;
        uint64_t number;  /* of the operation */
        uint64_t term;    /* whose leader it was sent to, the last time */
        bool is_refused;  /* by that one, as the member has heard */
        bool is_appended; /* by the leader named next, in its term, the last time */
        uint64_t appended_by;
        uint64_t appended_term;
    } * forwards; /* open addressing; from and request are the key */
    size_t capacity;
    size_t count;
    struct check_forward_key {
        bool is_used;
        uint64_t from;
        uint64_t request;
    } * keys; /* by the number of the operation */
    size_t key_capacity;
};

/* A member forwards these. It has sent one of them before only if it heard that leader's
 * refusal, or has applied an entry of a later term.
 *
 * applied_term   of the last entry that it has applied
 */
void check_forwards_sent(struct check_forwards *check, const struct wire_message *message,
                         uint64_t applied_term, time_ns now_ns, struct sim_failure *failure);

/* A leader answers a member. It refuses nothing that it has appended in that term, in any life. */
void check_forwards_answered(struct check_forwards *check, uint64_t to,
                             const struct wire_forward_response *response, time_ns now_ns,
                             struct sim_failure *failure);

/* The answer arrives. False: it is a refusal of earlier sendings only, and says nothing. */
bool check_forwards_heard(struct check_forwards *check, uint64_t to,
                          const struct wire_forward_response *response);

/* A member tells a client that its operation is nowhere: as certain as for sending it again. */
void check_forwards_refused(const struct check_forwards *check, uint64_t from, uint64_t number,
                            uint64_t applied_term, time_ns now_ns, struct sim_failure *failure);
void check_forwards_deinit(struct check_forwards *check);

/* Log matching: entries with the same index and term are the same, and so is all before them
 * (Raft, figure 3): it is enough that an entry's bytes and the term before it are the same.
 */
struct check_log {
    struct check_log_entry {
        uint64_t index; /* 0: free */
        uint64_t term;
        uint64_t prev_term;
        uint32_t checksum;
        bool is_configuration;
    } * entries; /* open addressing */
    size_t capacity;
    size_t count;
};

void check_log_message(struct check_log *check, const struct wire_message *message, time_ns now_ns,
                       struct sim_failure *failure);

/* Whether a leader sent an entry with this index and term that is no configuration. */
bool check_log_is_other(const struct check_log *check, uint64_t index, uint64_t term);
void check_log_deinit(struct check_log *check);

/* State machine safety: what one replica applies at an index, every replica applies (Raft,
 * figure 3); each proposal at most once; equal results, and equal digests, at equal indexes.
 */
enum check_applied_kind {
    CHECK_NOT_SEEN,
    CHECK_SKIPPED, /* an entry of the engine's own */
    CHECK_APPLIED,
};

struct check_applied {
    uint8_t kind; /* enum check_applied_kind */
    bool has_digest;
    bool has_result;
    uint32_t host;        /* which told first */
    uint32_t digest_host; /* and whose digest it was */
    uint64_t hash;        /* of the entry */
    uint64_t term;
    uint64_t result_hash;
    uint64_t digest;
};

struct check_apply {
    struct check_applied *at; /* by index */
    size_t capacity;
    uint64_t last_index; /* that anybody applied */
    uint64_t last_term;
    uint64_t last_timestamp_ns;
    uint64_t commit_count; /* entries applied by anybody, the engine's own included */
    uint64_t *index_of;    /* by the number of the proposal: where it was applied; 0: nowhere */
    size_t proposal_capacity;
};

/* The high half of the ids that clients of the simulator give; the low half is the number
 * of the operation, plus one.
 */
#define CHECK_PROPOSAL_ID_HIGH UINT64_C(0x51a0c11e4751d000)

/* The same of tokens; under a session the sequence is the number of the operation, plus one. */
#define CHECK_TOKEN_ID_HIGH UINT64_C(0xd1a0c11e4751d000)

/* `host` applies an entry, after `last_index`, the last one that it applied. */
void check_apply_entry(struct check_apply *check, uint32_t host, uint64_t last_index,
                       const struct qr_entry *entry, time_ns now_ns, struct sim_failure *failure);
void check_apply_result(struct check_apply *check, uint32_t host, uint64_t index,
                        const struct qr_result *result, time_ns now_ns,
                        struct sim_failure *failure);
void check_apply_digest(struct check_apply *check, uint32_t host, uint64_t index, uint64_t digest,
                        time_ns now_ns, struct sim_failure *failure);
/* A client was given this answer to an operation, of an entry at `index`: it is the answer of the
 * one time that the operation was applied, whichever sending of it is answered.
 */
void check_apply_answer(const struct check_apply *check, uint64_t number, uint64_t index,
                        const struct qr_result *result, time_ns now_ns,
                        struct sim_failure *failure);
uint64_t check_apply_index_of(const struct check_apply *check, uint64_t number);
uint64_t check_apply_term_of(const struct check_apply *check, uint64_t index);
void check_apply_deinit(struct check_apply *check);

/* Leader completeness: who becomes leader has every entry that is committed (Raft, §5.4). */
void check_leader_has(const struct check_apply *applied, const struct build *build,
                      const struct build_node *node, const struct build_status *status,
                      time_ns now_ns, struct sim_failure *failure);

/* Term, commit and applied index of a node never go back while it lives, and it applies nothing
 * that is not durable on its own disk.
 */
struct check_progress {
    bool has_seen;
    struct build_status seen;
};

void check_progress_status(struct check_progress *check, const struct build_status *now,
                           time_ns now_ns, struct sim_failure *failure);

/* Acknowledged writes are there, refused ones are not, and answers are in an order that time
 * allows: an operation that began after another had ended stands behind it.
 */
struct check_acked {
    uint64_t floor_index; /* the highest index of any answer so far */
    struct check_refused {
        uint64_t number;
    } * refused;
    size_t refused_count;
    size_t refused_capacity;
    struct check_done {
        uint64_t number;
        uint64_t index;
    } * done;
    size_t done_count;
    size_t done_capacity;
};

/* floor_index   check->floor_index when the operation began. */
void check_acked_done(struct check_acked *check, const struct qr_sim_operation *operation,
                      uint64_t index, uint64_t floor_index, time_ns now_ns,
                      struct sim_failure *failure);
void check_acked_refused(struct check_acked *check, uint64_t number);

/* At the end: against what was applied. */
void check_acked_finish(const struct check_acked *check, const struct check_apply *applied,
                        time_ns now_ns, struct sim_failure *failure);
void check_acked_deinit(struct check_acked *check);

/* check_stale.c: when which index had been acknowledged at least. */
struct check_stale {
    struct check_floor {
        time_ns at_ns;
        uint64_t index;
    } * floors; /* both ascend */
    size_t count;
    size_t capacity;
};

void check_stale_acked(struct check_stale *check, uint64_t floor_index, time_ns now_ns);

/* The highest index that was acknowledged before that moment; 0: none. */
uint64_t check_stale_floor(const struct check_stale *check, time_ns before_ns);

void check_stale_deinit(struct check_stale *check);

#endif
