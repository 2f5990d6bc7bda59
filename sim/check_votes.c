/* check_votes.c: a node votes for one candidate in a term, whatever happens to it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/check.h"
#include "sim/memory.h"
#include "sim/trace.h"

static struct check_vote *slot_of(const struct check_votes *check, uint64_t voter, uint64_t term)
{
    size_t at = sim_hash_u64(voter, term) & (check->capacity - 1);
    while (check->votes[at].term != 0 &&
           (check->votes[at].voter != voter || check->votes[at].term != term)) {
        at = (at + 1) & (check->capacity - 1);
    }
    return &check->votes[at];
}

static void make_room(struct check_votes *check)
{
    if (2 * check->count < check->capacity) {
        return;
    }
    struct check_votes larger = {.capacity = check->capacity == 0 ? 256 : 2 * check->capacity};
    larger.votes = sim_allocate(larger.capacity, sizeof(*larger.votes));
    larger.count = check->count;
    larger.pre_votes = check->pre_votes;
    for (size_t i = 0; i < check->capacity; i++) {
        if (check->votes[i].term != 0) {
            *slot_of(&larger, check->votes[i].voter, check->votes[i].term) = check->votes[i];
        }
    }
    sim_release(check->votes);
    *check = larger;
}

static void votes_for(struct check_votes *check, const struct check_vote *vote, time_ns now_ns,
                      struct sim_failure *failure)
{
    make_room(check);
    struct check_vote *slot = slot_of(check, vote->voter, vote->term);
    if (slot->term == 0) {
        *slot = *vote;
        check->count++;
    } else if (slot->candidate != vote->candidate) {
        sim_failure_set(failure, now_ns, "one_vote_a_term",
                        "%016" PRIx64 " votes for %016" PRIx64 " and for %016" PRIx64
                        " in term %" PRIu64,
                        vote->voter, slot->candidate, vote->candidate, vote->term);
    }
}

void check_votes_message(struct check_votes *check, const struct raft_message *message,
                         time_ns now_ns, struct sim_failure *failure)
{
    struct check_vote vote = {.voter = message->from, .term = message->term};
    if (message->type == RAFT_REQUEST_VOTE) {
        vote.candidate = message->from;
        vote.last = message->request_vote.last;
        vote.is_transfer = message->request_vote.is_transfer;
    } else if (message->type == RAFT_REQUEST_VOTE_RESPONSE &&
               message->request_vote_response.is_granted) {
        vote.candidate = message->to;
    } else {
        return;
    }
    votes_for(check, &vote, now_ns, failure);
}

static bool is_better(struct raft_position a, struct raft_position b)
{
    return a.term > b.term || (a.term == b.term && a.index > b.index);
}

void check_votes_log(const struct check_votes *check, const struct raft_message *message,
                     struct raft_position last, time_ns now_ns, struct sim_failure *failure)
{
    const struct check_vote *own =
        check->capacity == 0 ? NULL : slot_of(check, message->to, message->term);
    if (own == NULL || own->term == 0 || own->candidate != message->to ||
        last.term == message->term) {
        return;
    }
    if (is_better(last, own->last)) {
        sim_failure_set(failure, now_ns, "vote_for_as_good_a_log",
                        "%016" PRIx64 ", whose log ends at %" PRIu64 "/%" PRIu64
                        ", votes in term %" PRIu64 " for %016" PRIx64 ", whose log ends at %" PRIu64
                        "/%" PRIu64,
                        message->from, last.term, last.index, message->term, message->to,
                        own->last.term, own->last.index);
    }
}

struct pre_vote {
    uint64_t next_term;
    bool may_be_granted; /* when it was asked, the last time or before */
};

void check_votes_asked(struct check_votes *check, const struct raft_message *message,
                       struct raft_position last)
{
    const struct raft_pre_vote *question = &message->pre_vote;
    struct pre_vote *seen =
        sim_pairs_take(&check->pre_votes, message->to, message->from, sizeof(*seen));
    /* A late copy of an earlier question: what is answered to the first is on its way. */
    if (seen->next_term > question->next_term) {
        return;
    }
    if (seen->next_term < question->next_term) {
        *seen = (struct pre_vote){.next_term = question->next_term};
    }
    seen->may_be_granted = seen->may_be_granted || !is_better(last, question->last);
}

void check_votes_answered(const struct check_votes *check, const struct raft_message *message,
                          time_ns now_ns, struct sim_failure *failure)
{
    const struct raft_pre_vote_response *answer = &message->pre_vote_response;
    const struct pre_vote *seen = sim_pairs_find(&check->pre_votes, message->from, message->to);
    if (answer->is_granted && seen != NULL && seen->next_term == answer->next_term &&
        !seen->may_be_granted) {
        sim_failure_set(failure, now_ns, "vote_for_as_good_a_log",
                        "%016" PRIx64 " would vote in term %" PRIu64 " for %016" PRIx64
                        ", whose log is not as good as its own",
                        message->from, answer->next_term, message->to);
    }
}

bool check_votes_is_transfer(const struct check_votes *check, uint64_t candidate, uint64_t term)
{
    const struct check_vote *own = check->capacity == 0 ? NULL : slot_of(check, candidate, term);
    return own != NULL && own->term != 0 && own->candidate == candidate && own->is_transfer;
}

void check_votes_heard(struct check_votes *check, const struct raft_message *message)
{
    struct check_vote *vote =
        check->capacity == 0 ? NULL : slot_of(check, message->from, message->term);
    if (vote != NULL && vote->term != 0 && vote->candidate == message->to &&
        message->request_vote_response.is_granted) {
        vote->is_heard = true;
    }
}

void check_votes_elected(const struct check_votes *check, uint64_t id, uint64_t term,
                         const uint64_t *voters, size_t voter_count, time_ns now_ns,
                         struct sim_failure *failure)
{
    size_t granted = 0;
    for (size_t i = 0; i < voter_count; i++) {
        const struct check_vote *vote =
            check->capacity == 0 ? NULL : slot_of(check, voters[i], term);
        bool is_for_it = vote != NULL && vote->term != 0 && vote->candidate == id && vote->is_heard;
        granted += voters[i] == id || is_for_it ? 1 : 0;
    }
    if (2 * granted <= voter_count) {
        sim_failure_set(failure, now_ns, "elected_by_majority",
                        "%016" PRIx64 " leads term %" PRIu64
                        " by %zu votes of %zu voters that it has heard",
                        id, term, granted, voter_count);
    }
}

void check_votes_deinit(struct check_votes *check)
{
    sim_pairs_deinit(&check->pre_votes);
    sim_release(check->votes);
}
