/* check_handovers.c: who campaigns for its leader was told so by the leader of the last term. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/check.h"

struct handover {
    bool is_known;
    time_ns at_ns;
};

void check_handovers_said(struct check_handovers *check, const struct raft_message *message,
                          time_ns now_ns)
{
    struct handover *said =
        sim_pairs_take(&check->said, message->from, message->term, sizeof(*said));
    *said = said->is_known ? *said : (struct handover){true, now_ns};
}

void check_handovers_heard(struct check_handovers *check, const struct raft_message *message)
{
    struct handover *heard =
        sim_pairs_take(&check->heard, message->to, message->term, sizeof(*heard));
    heard->is_known = true;
}

void check_handovers_campaign(const struct check_handovers *check,
                              const struct raft_message *message, time_ns now_ns,
                              struct sim_failure *failure)
{
    if (message->type == RAFT_REQUEST_VOTE && message->request_vote.is_transfer &&
        sim_pairs_find(&check->heard, message->from, message->term - 1) == NULL) {
        sim_failure_set(failure, now_ns, "transfer_of_last_term",
                        "%016" PRIx64 " campaigns in term %" PRIu64
                        " for its leader, and the leader of term %" PRIu64 " has not told it to",
                        message->from, message->term, message->term - 1);
    }
}

time_ns check_handovers_since(const struct check_handovers *check, uint64_t leader, uint64_t term)
{
    const struct handover *said = sim_pairs_find(&check->said, leader, term);
    return said == NULL ? TIME_NEVER : said->at_ns;
}

void check_handovers_deinit(struct check_handovers *check)
{
    sim_pairs_deinit(&check->said);
    sim_pairs_deinit(&check->heard);
}
