/* check_reads.c: a read is answered only after a majority confirmed, since it was asked, that
 * its leader still leads (diss. §6.4).
 *
 * Answers to append_entries that echo a round are what confirms. Which round they end is not
 * looked at, nor their term: an answer of a later moment than the question is the least that
 * there must be.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/check.h"

struct moment {
    time_ns at_ns;
};

void check_reads_said(struct check_reads *check, const struct raft_message *message, time_ns now_ns)
{
    if ((message->append_entries_response.round & RAFT_ROUND_MAX) > 0) {
        struct moment *said =
            sim_pairs_take(&check->heard, message->from, message->to, sizeof(*said));
        said->at_ns = now_ns;
    }
}

bool check_reads_is_confirmed(const struct check_reads *check, uint64_t leader,
                              const uint64_t *voters, size_t voter_count, time_ns since_ns)
{
    size_t confirmed = 0;
    for (size_t i = 0; i < voter_count; i++) {
        const struct moment *said = sim_pairs_find(&check->heard, voters[i], leader);
        bool has_answered = said != NULL && said->at_ns >= since_ns;
        confirmed += voters[i] == leader || has_answered ? 1 : 0;
    }
    return 2 * confirmed > voter_count;
}

/* A number that comes again may be a question of an earlier life that is still under way. */
void check_reads_asked(struct check_reads *check, const struct wire_read *question, time_ns now_ns)
{
    struct moment *asked =
        sim_pairs_take(&check->asked, question->from, question->request, sizeof(*asked));
    asked->at_ns = asked->at_ns == 0 ? now_ns : asked->at_ns;
}

time_ns check_reads_asked_ns(const struct check_reads *check, uint64_t member, uint64_t request)
{
    const struct moment *asked = sim_pairs_find(&check->asked, member, request);
    return asked == NULL ? 0 : asked->at_ns;
}

void check_reads_deinit(struct check_reads *check)
{
    sim_pairs_deinit(&check->heard);
    sim_pairs_deinit(&check->asked);
}
