/* election.c: timeouts, hints, pre-votes, votes (Raft §5.2, §5.4.1; diss. §4.2.3, §9.6). */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "raft/internal.h"

#define PATIENCE_MAX 4
#define TURNS 16 /* of one election_timeout_min, that a hint lets voters take */

/* Voters of a higher priority go first: for each priority above its own that there is, a node
 * waits for one span of timeouts more, so that those are over before its own begins.
 */
static time_ns patience_ns(const struct raft *raft)
{
    const struct raft_configuration *configuration = raft_configuration_in_force(raft);
    time_ns span_ns = raft->options.election_timeout_max_ns - raft->options.election_timeout_min_ns;
    int at = raft_configuration_find(configuration, raft->options.self);
    bool is_above[UINT8_MAX + 1] = {false};
    uint64_t patience = 0;
    for (size_t i = 0; i < configuration->count && at >= 0 && patience < PATIENCE_MAX; i++) {
        const struct raft_member *member = &configuration->members[i];
        bool is_higher = (member->roles & RAFT_VOTER) != 0 &&
                         member->priority > configuration->members[at].priority;
        patience += is_higher && !is_above[member->priority] ? 1 : 0;
        is_above[member->priority] = is_higher || is_above[member->priority];
    }
    return patience * span_ns;
}

/* Whether the leader that was heard last may read by a lease that rests on this node. */
static bool may_be_leased(const struct raft *raft)
{
    return raft->is_leader_leased && !(MUTANT(HINT_BREAKS_PROMISE) && raft->haste.until_ns != 0);
}

/* Its own vote, too, is bound by what it may have promised: when a campaign may begin. */
static time_ns free_ns(const struct raft *raft)
{
    time_ns promised_ns = raft->leader_heard_ns + raft->options.election_timeout_min_ns;
    return may_be_leased(raft) ? max_u64(raft->now_ns, promised_ns) : raft->now_ns;
}

void raft_reset_election_timer(struct raft *raft)
{
    const struct raft_haste *haste = &raft->haste;
    raft->election_deadline_ns = TIME_NEVER;
    /* A learner campaigns never, but must notice when its leader is silent. */
    if (raft_may_campaign(raft) || raft->has_leader) {
        raft->election_deadline_ns =
            raft->now_ns + patience_ns(raft) +
            prng_between(&raft->prng, raft->options.election_timeout_min_ns,
                         raft->options.election_timeout_max_ns);
    }
    /* Who was asked too early may have heard by the next turn that the leader is gone. */
    if (raft_may_campaign(raft) && haste->until_ns > raft->now_ns) {
        time_ns next_ns = max_u64(raft->now_ns + haste->turn_ns, free_ns(raft));
        raft->election_deadline_ns =
            min_u64(raft->election_deadline_ns, min_u64(next_ns, haste->until_ns));
    }
}

bool raft_keeps_promise(const struct raft *raft)
{
    return raft->options.lease_ns > 0 || raft->options.keeps_promise;
}

/* Who hears from a leader, or leads, helps nobody to depose it (diss. §4.2.3), until a hint says
 * that it is gone. To one that may hold leases that is a promise, which neither a new term nor a
 * restart nor a hint ends: see lease.c.
 */
bool raft_sticks_to_leader(const struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        return true;
    }
    bool is_leased = may_be_leased(raft);
    bool has_promised = raft_keeps_promise(raft) && is_leased && !MUTANT(LEASE_PROMISE_FORGOTTEN);
    bool is_followed = raft->has_leader && (raft->haste.until_ns == 0 || is_leased);
    return (is_followed || has_promised) &&
           raft->now_ns - raft->leader_heard_ns < raft->options.election_timeout_min_ns;
}

/* §5.4.1: the later term wins; with the same term, the longer log. */
static bool is_up_to_date(const struct raft *raft, struct raft_position candidate)
{
    struct raft_position mine = raft_log_last(&raft->log);
    if (MUTANT(VOTE_BY_LENGTH)) {
        return candidate.index >= mine.index;
    }
    return candidate.term > mine.term ||
           (candidate.term == mine.term &&
            (candidate.index >= mine.index || MUTANT(VOTE_FOR_SHORTER)));
}

static void add_vote(node_id *ids, size_t *count, node_id id)
{
    for (size_t i = 0; i < *count; i++) {
        if (ids[i] == id) {
            return;
        }
    }
    if (*count < RAFT_MEMBERS_MAX) {
        ids[(*count)++] = id;
    }
}

static void record_vote(struct raft *raft, node_id id, bool is_granted)
{
    if (is_granted) {
        add_vote(raft->granted, &raft->granted_count, id);
    } else {
        add_vote(raft->refused, &raft->refused_count, id);
    }
}

/* The latest answer of each voter; one who is no member any more makes room. */
static void note_answer(struct raft *raft, node_id voter, enum raft_vote_reason reason)
{
    size_t at = 0;
    while (at < raft->vote_answer_count && raft->vote_answers[at].voter != voter) {
        at++;
    }
    if (at == RAFT_MEMBERS_MAX) {
        const struct raft_configuration *configuration = raft_configuration_in_force(raft);
        at = 0;
        while (at < RAFT_MEMBERS_MAX - 1 &&
               raft_configuration_find(configuration, raft->vote_answers[at].voter) >= 0) {
            at++;
        }
    }
    raft->vote_answer_count = max_u64(raft->vote_answer_count, at + 1);
    raft->vote_answers[at] = (struct raft_vote_answer){voter, reason, raft->now_ns};
}

size_t raft_vote_answers(const struct raft *raft, struct raft_vote_answer *out)
{
    if (raft->vote_answer_count > 0) {
        memcpy(out, raft->vote_answers, raft->vote_answer_count * sizeof(*out));
    }
    return raft->vote_answer_count;
}

static void ask_voters(struct raft *raft, const struct raft_message *question)
{
    const struct raft_configuration *configuration = raft_configuration_in_force(raft);
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        bool is_voter = (member->roles & (RAFT_VOTER | RAFT_VOTER_OUTGOING)) != 0;
        if (is_voter && member->id != raft->options.self) {
            struct raft_message message = *question;
            message.to = member->id;
            raft_send(raft, message);
        }
    }
}

static void begin_count(struct raft *raft)
{
    raft->granted_count = 0;
    raft->refused_count = 0;
    if (MUTANT(HINT_LOWERS_QUORUM) && raft->haste.until_ns != 0) {
        record_vote(raft, raft->leader, true);
    }
}

/* is_transfer   the leader asked for it, so that nobody need stick to it. */
static void become_candidate(struct raft *raft, bool is_transfer)
{
    ASSERT(raft->role == RAFT_PRE_CANDIDATE || is_transfer);
    raft->role = RAFT_CANDIDATE;
    raft->has_leader = false;
    begin_count(raft);
    raft->haste = (struct raft_haste){0};
    raft_set_hard_state(raft, raft->hard_state.term + 1, true, raft->options.self);
    raft_reset_election_timer(raft);
    /* Our own vote counts, and the requests leave, once the save is done. */
    ask_voters(raft,
               &(struct raft_message){
                   .type = RAFT_REQUEST_VOTE,
                   .request_vote = {.last = raft_log_last(&raft->log), .is_transfer = is_transfer},
               });
}

static int count_votes(struct raft *raft)
{
    enum raft_vote_state state = raft_quorum_vote(raft);
    if (state == RAFT_VOTE_LOST) {
        raft_become_follower(raft, raft->hard_state.term, false, 0);
        return 0;
    }
    if (state == RAFT_VOTE_PENDING) {
        return 0;
    }
    if (raft->role == RAFT_PRE_CANDIDATE) {
        become_candidate(raft, false);
        return 0;
    }
    return raft_become_leader(raft);
}

/* Ask first whether a campaign could succeed, without disturbing anyone (diss. §9.6). */
static void become_pre_candidate(struct raft *raft)
{
    raft->role = RAFT_PRE_CANDIDATE;
    raft->has_leader = false;
    begin_count(raft);
    raft_reset_election_timer(raft);
    record_vote(raft, raft->options.self, true);
    ask_voters(raft, &(struct raft_message){
                         .type = RAFT_PRE_VOTE,
                         .pre_vote = {.next_term = raft->hard_state.term + 1,
                                      .last = raft_log_last(&raft->log)},
                     });
    bool is_unasked = MUTANT(HINT_SKIPS_PRE_VOTE) && raft->haste.until_ns != 0;
    if (raft_quorum_vote(raft) == RAFT_VOTE_WON || is_unasked) {
        become_candidate(raft, false);
    }
}

void raft_election_tick(struct raft *raft)
{
    ASSERT(raft->role != RAFT_LEADER);
    if (raft->now_ns < raft->election_deadline_ns) {
        return;
    }
    if (!raft_may_campaign(raft)) {
        raft_become_follower(raft, raft->hard_state.term, false, 0);
        return;
    }
    become_pre_candidate(raft);
}

/* How many voters may lead when `lost` does not, this node always being one of them, and how
 * many of them come first: those of a higher priority, and of the same those of a lower id.
 */
static uint64_t rank_without(const struct raft *raft, node_id lost, uint64_t *count)
{
    const struct raft_configuration *configuration = raft_configuration_in_force(raft);
    node_id self = raft->options.self;
    int at = raft_configuration_find(configuration, self);
    uint8_t own = at < 0 ? RAFT_PRIORITY_NEVER : configuration->members[at].priority;
    uint64_t rank = 0;
    *count = 1;
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        if (member->id == self || member->id == lost ||
            !raft_configuration_may_lead(configuration, member->id)) {
            continue;
        }
        *count += 1;
        rank += member->priority > own || (member->priority == own && member->id < self) ? 1 : 0;
    }
    return rank;
}

/* One after another, so that they do not split the votes; and again and again until the time at
 * which this node would have campaigned anyhow, because others may hear of it later.
 */
void raft_on_leader_lost(struct raft *raft, node_id leader, raft_term term)
{
    bool is_ours = term == raft->hard_state.term || MUTANT(HINT_OF_OLD_TERM);
    if (raft->role != RAFT_FOLLOWER || !raft->has_leader || raft->leader != leader || !is_ours ||
        raft->haste.until_ns != 0) {
        return;
    }
    time_ns turn_ns = max_u64(raft->options.election_timeout_min_ns / TURNS, 1);
    uint64_t count;
    uint64_t rank = rank_without(raft, leader, &count);
    raft->haste =
        (struct raft_haste){.until_ns = raft->election_deadline_ns, .turn_ns = count * turn_ns};
    ASSERT(raft->election_deadline_ns != TIME_NEVER); /* it follows somebody */
    if (!raft_may_campaign(raft)) {
        return;
    }
    raft->election_deadline_ns =
        min_u64(raft->election_deadline_ns, free_ns(raft) + rank * turn_ns);
    raft_election_tick(raft);
}

int raft_election_saved(struct raft *raft)
{
    if (raft->role != RAFT_CANDIDATE || !raft_is_hard_state_durable(raft)) {
        return 0;
    }
    ASSERT(raft->hard_state.has_voted && raft->hard_state.voted_for == raft->options.self);
    record_vote(raft, raft->options.self, true);
    return count_votes(raft);
}

static enum raft_vote_reason judge_pre_vote(const struct raft *raft,
                                            const struct raft_message *message)
{
    if (message->pre_vote.next_term <= raft->hard_state.term) {
        return RAFT_VOTE_STALE_TERM;
    }
    if (raft->role == RAFT_LEADER) {
        return RAFT_VOTE_IS_LEADER;
    }
    if (raft_sticks_to_leader(raft)) {
        return RAFT_VOTE_LEADER_ALIVE;
    }
    return is_up_to_date(raft, message->pre_vote.last) ? RAFT_VOTE_GRANTED : RAFT_VOTE_LOG_BEHIND;
}

/* Changes nothing here: not the term, not the vote, not the timer. */
void raft_on_pre_vote(struct raft *raft, const struct raft_message *message)
{
    enum raft_vote_reason reason = judge_pre_vote(raft, message);
    raft_send(raft, (struct raft_message){
                        .type = RAFT_PRE_VOTE_RESPONSE,
                        .to = message->from,
                        .pre_vote_response = {.next_term = message->pre_vote.next_term,
                                              .is_granted = reason == RAFT_VOTE_GRANTED,
                                              .reason = reason},
                    });
}

int raft_on_pre_vote_response(struct raft *raft, const struct raft_message *message)
{
    bool is_awaited = raft->role == RAFT_PRE_CANDIDATE &&
                      message->pre_vote_response.next_term == raft->hard_state.term + 1 &&
                      message->term <= raft->hard_state.term;
    bool is_late = MUTANT(VOTE_FROM_PRE_VOTE) && raft->role == RAFT_CANDIDATE &&
                   raft_is_hard_state_durable(raft);
    if (!is_awaited && !is_late) {
        return 0;
    }
    note_answer(raft, message->from, message->pre_vote_response.reason);
    record_vote(raft, message->from, message->pre_vote_response.is_granted);
    return count_votes(raft);
}

/* Raft, figure 2, RequestVote RPC, receiver. */
static enum raft_vote_reason judge_vote(const struct raft *raft, const struct raft_message *message)
{
    if (message->term > raft->hard_state.term) {
        return RAFT_VOTE_LEADER_ALIVE; /* the term was not taken over: we hear a leader */
    }
    if (message->term < raft->hard_state.term) {
        return RAFT_VOTE_STALE_TERM;
    }
    if (raft->role == RAFT_LEADER) {
        return RAFT_VOTE_IS_LEADER;
    }
    if (raft->hard_state.has_voted && !MUTANT(VOTE_TWICE)) {
        return raft->hard_state.voted_for == message->from ? RAFT_VOTE_GRANTED
                                                           : RAFT_VOTE_ALREADY_VOTED;
    }
    bool has_promised = raft_keeps_promise(raft) && raft_sticks_to_leader(raft) &&
                        !message->request_vote.is_transfer;
    if (raft->has_leader || has_promised) {
        return RAFT_VOTE_LEADER_ALIVE; /* of this term, or of one whose lease may last */
    }
    return is_up_to_date(raft, message->request_vote.last) ? RAFT_VOTE_GRANTED
                                                           : RAFT_VOTE_LOG_BEHIND;
}

void raft_on_request_vote(struct raft *raft, const struct raft_message *message)
{
    enum raft_vote_reason reason = judge_vote(raft, message);
    if (reason == RAFT_VOTE_GRANTED && !raft->hard_state.has_voted) {
        raft_set_hard_state(raft, message->term, true, message->from);
        raft_reset_election_timer(raft);
    }
    /* Held back until the vote is durable. */
    raft_send(raft, (struct raft_message){
                        .type = RAFT_REQUEST_VOTE_RESPONSE,
                        .to = message->from,
                        .request_vote_response = {.is_granted = reason == RAFT_VOTE_GRANTED,
                                                  .reason = reason},
                    });
}

int raft_on_request_vote_response(struct raft *raft, const struct raft_message *message)
{
    /* Before our own vote is durable nobody has been asked. */
    bool is_stale = message->term != raft->hard_state.term && !MUTANT(VOTE_OF_OLD_TERM);
    if (raft->role != RAFT_CANDIDATE || is_stale || !raft_is_hard_state_durable(raft)) {
        return 0;
    }
    note_answer(raft, message->from, message->request_vote_response.reason);
    record_vote(raft, message->from, message->request_vote_response.is_granted);
    return count_votes(raft);
}

/* The leader hands over: campaign at once, without a pre-vote, which everybody who hears the
 * leader would refuse (diss. §3.10). Only its very leader may ask that of a node, and only one
 * that has all of the leader's log can win.
 */
int raft_on_timeout_now(struct raft *raft, const struct raft_message *message)
{
    struct raft_position last = message->timeout_now.last;
    raft_term term = 0;
    bool is_from_leader =
        message->term == raft->hard_state.term && raft->has_leader && raft->leader == message->from;
    bool has_all = raft_log_term_at(&raft->log, last.index, &term) && term == last.term;
    if (raft->role != RAFT_FOLLOWER || !raft_may_campaign(raft) || !has_all ||
        (!is_from_leader && !MUTANT(TIMEOUT_NOW_OF_OLD_TERM))) {
        return 0;
    }
    become_candidate(raft, true);
    return 0;
}
