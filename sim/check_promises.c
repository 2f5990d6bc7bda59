/* check_promises.c: who answered a leader's round sticks to it for an election timeout.
 *
 * Its patience begins when it hears of the round, at the first frame that tells of it; when it
 * decided on its vote nobody sees, but not after that was sent. What is too early by these two
 * moments, by the voter's own clock, is too early. A vote of the term of the round, or of an
 * earlier one, may have been decided on before.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/check.h"

#define ROUNDS_MAX 64 /* that are remembered: an answer to an older one promises nothing here */
#define BY_VOTER 0

struct heard {
    uint64_t term;
    struct heard_round {
        uint64_t round;
        time_ns local_ns; /* of the voter, when the first frame came */
    } rounds[ROUNDS_MAX];
};

struct given {
    uint64_t leader;
    uint64_t term;
    time_ns since_ns;    /* by the voter's clock */
    uint64_t void_below; /* what was promised in earlier terms holds no more */
};

void check_promises_heard(struct check_promises *check, const struct raft_message *message,
                          time_ns local_ns)
{
    uint64_t round = message->append_entries.round;
    struct heard *heard = sim_pairs_take(&check->heard, message->from, message->to, sizeof(*heard));
    if (heard->term < message->term) {
        *heard = (struct heard){.term = message->term};
    }
    struct heard_round *slot = &heard->rounds[round % ROUNDS_MAX];
    if (heard->term == message->term && slot->round < round) {
        *slot = (struct heard_round){round, local_ns};
    }
}

void check_promises_given(struct check_promises *check, const struct raft_message *message)
{
    uint64_t round = message->append_entries_response.round;
    const struct heard *heard = sim_pairs_find(&check->heard, message->to, message->from);
    if (round == 0 || heard == NULL || heard->term != message->term ||
        heard->rounds[round % ROUNDS_MAX].round != round) {
        return;
    }
    time_ns since_ns = heard->rounds[round % ROUNDS_MAX].local_ns;
    struct given *given = sim_pairs_take(&check->given, message->from, BY_VOTER, sizeof(*given));
    if (since_ns >= given->since_ns) {
        *given = (struct given){message->to, message->term, since_ns, given->void_below};
    }
}

void check_promises_void(struct check_promises *check, const struct raft_message *message)
{
    struct given *given = sim_pairs_take(&check->given, message->from, BY_VOTER, sizeof(*given));
    if (given->void_below < message->term) {
        given->void_below = message->term;
    }
}

void check_promises_vote(const struct check_promises *check, const struct raft_message *message,
                         time_ns local_ns, time_ns patience_ns, time_ns now_ns,
                         struct sim_failure *failure)
{
    const struct given *given = sim_pairs_find(&check->given, message->from, BY_VOTER);
    uint64_t term = message->type == RAFT_PRE_VOTE_RESPONSE ? message->pre_vote_response.next_term
                                                            : message->term;
    if (given != NULL && given->leader != message->to && given->term < term &&
        given->term >= given->void_below && local_ns - given->since_ns < patience_ns) {
        sim_failure_set(failure, now_ns, "promise_kept",
                        "%016" PRIx64 " votes in term %" PRIu64 " for %016" PRIx64 ", %" PRIu64
                        " ns, at most, after it heard the leader of term %" PRIu64
                        ", and has promised that one %" PRIu64 " ns",
                        message->from, term, message->to, local_ns - given->since_ns, given->term,
                        patience_ns);
    }
}

void check_promises_deinit(struct check_promises *check)
{
    sim_pairs_deinit(&check->heard);
    sim_pairs_deinit(&check->given);
}
