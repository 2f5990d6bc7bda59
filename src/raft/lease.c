/* lease.c: reads that the leader answers without a round, while a majority's answers allow it
 * (diss. §6.4.1).
 *
 * Who answered a round has heard the leader after the round began, and votes for nobody else
 * for election_timeout_min from then on, by its own clock. So nobody else can be elected before
 * that has passed on a majority, and a leader that stops earlier, by its own clock, is sure. A
 * clock that is wrong by RAFT_CLOCK_DRIFT_PERCENT may make the voters' time shorter, and
 * another one the leader's longer: both are in raft_lease_ns_max().
 *
 * What would break the promise, and does not:
 *   a restart of the voter      it sticks to whomever it may have heard just before
 *   a later term that it hears  it sticks all the same: raft_sticks_to_leader()
 *   a transfer                  who was told to campaign may do so at any later time, and need
 *                               not wait: from then on the term has no lease any more
 *   a change of the members     one at a time, so that both majorities meet
 * A clock that stands still while the world goes on is wrong by more than any bound.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "quorate/error.h"
#include "raft/internal.h"

time_ns raft_lease_ns_max(time_ns election_timeout_min_ns)
{
    return election_timeout_min_ns / (100 + RAFT_CLOCK_DRIFT_PERCENT) *
           (100 - RAFT_CLOCK_DRIFT_PERCENT);
}

static bool is_leased(const struct raft *raft)
{
    const struct raft_lease *lease = &raft->lease;
    bool has_own_commit = raft->log.commit_index >= raft->term_first_index;
    uint64_t round = raft_reads_round_acked(raft);
    bool is_void = lease->is_void && !MUTANT(LEASE_SURVIVES_TRANSFER);
    if (raft->options.lease_ns == 0 || is_void || !has_own_commit || round == 0 ||
        raft->round - round >= RAFT_LEASE_ROUNDS) {
        return false;
    }
    time_ns began_ns = lease->rounds_ns[round % RAFT_LEASE_ROUNDS];
    ASSERT(began_ns <= raft->now_ns);
    time_ns lasts_ns = MUTANT(LEASE_BEYOND_BOUND) ? 8 * raft->options.election_timeout_max_ns
                                                  : raft->options.lease_ns;
    return began_ns != 0 && raft->now_ns - began_ns < lasts_ns;
}

int raft_on_read_lease(struct raft *raft, uint64_t token)
{
    if (raft->role != RAFT_LEADER || !is_leased(raft)) {
        return raft_on_read(raft, token);
    }
    int status = raft_reads_reserve(raft);
    if (status != 0) {
        return status;
    }
    raft_reads_hand_out(raft, (struct raft_read){.token = token, .index = raft->log.commit_index});
    return 0;
}

/* A round for each heartbeat keeps the lease alive; and each that begins is noted. */
void raft_lease_ready(struct raft *raft)
{
    struct raft_lease *lease = &raft->lease;
    if (raft->options.lease_ns == 0) {
        return;
    }
    if (raft->now_ns - lease->round_ns >= raft->options.heartbeat_interval_ns) {
        raft->is_round_open = true;
    }
    if (raft->is_round_open) {
        lease->round_ns = raft->now_ns;
        lease->rounds_ns[(raft->round + 1) % RAFT_LEASE_ROUNDS] = raft->now_ns;
    }
}
