/* transfer.c: handing leadership over (diss. §3.10).
 *
 * On request, to the voter that was named; because a voter with a higher priority could lead;
 * or because this node stalls. In each case the transferee is caught up first, while nothing
 * new is proposed; then it is told to campaign at once. After an election timeout without
 * success the leader goes on, or, if it stalls, steps down: somebody else will campaign.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "quorate/error.h"
#include "raft/internal.h"

/* A leader that leads well is not replaced more often than this because of priorities. */
#define PRIORITY_TIMEOUTS 10

static void begin(struct raft *raft, node_id to)
{
    struct raft_transfer *transfer = &raft->transfer;
    ASSERT(raft->role == RAFT_LEADER && to != raft->options.self);
    transfer->is_active = true;
    transfer->is_sent = false;
    transfer->to = to;
    transfer->deadline_ns = raft->now_ns + raft->options.election_timeout_max_ns;
}

/* Whether it answered lately, and where its log stands is known. */
static bool is_ready_to_lead(const struct raft *raft, const struct raft_peer *peer)
{
    return peer != NULL && peer->state == RAFT_REPLICATE && peer->heard_ns != 0 &&
           raft->now_ns - peer->heard_ns <= raft->options.election_timeout_max_ns;
}

int raft_on_transfer(struct raft *raft, node_id to)
{
    if (raft->role != RAFT_LEADER) {
        return QR_ERR_NOT_LEADER;
    }
    if (raft->transfer.is_active) {
        return QR_ERR_PENDING;
    }
    if (to == raft->options.self ||
        !raft_configuration_may_lead(raft_configuration_in_force(raft), to)) {
        return QR_ERR_INVALID;
    }
    if (!is_ready_to_lead(raft, raft_peer_of(raft, to))) {
        return QR_ERR_BEHIND;
    }
    begin(raft, to);
    return 0;
}

/* Of the voters with this priority or a higher one that have the log up to `index`, the one
 * with the highest, and of these the one with the longest log; NULL when there is none.
 */
static const struct raft_peer *find_successor(const struct raft *raft, uint8_t priority,
                                              raft_index index)
{
    const struct raft_configuration *configuration = raft_configuration_in_force(raft);
    const struct raft_peer *found = NULL;
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        const struct raft_peer *peer = raft_peer_of(raft, member->id);
        bool is_fit = raft_configuration_may_lead(configuration, member->id) &&
                      is_ready_to_lead(raft, peer) && member->priority >= priority &&
                      peer->match_index >= index;
        if (!is_fit) {
            continue;
        }
        if (found == NULL || member->priority > priority ||
            peer->match_index > found->match_index) {
            priority = member->priority;
            found = peer;
        }
    }
    return found;
}

static uint8_t own_priority(const struct raft *raft)
{
    const struct raft_configuration *configuration = raft_configuration_in_force(raft);
    int at = raft_configuration_find(configuration, raft->options.self);
    return at < 0 ? RAFT_PRIORITY_NEVER : configuration->members[at].priority;
}

/* Once in an election timeout, after a majority was heard: a voter of higher priority leads
 * rather, if it has what was committed at the last time. Not while the members change.
 */
void raft_transfer_by_priority(struct raft *raft)
{
    struct raft_transfer *transfer = &raft->transfer;
    uint8_t own = own_priority(raft);
    time_ns settled_ns =
        raft->term_began_ns + (own == RAFT_PRIORITY_NEVER ? 1 : PRIORITY_TIMEOUTS) *
                                  raft->options.election_timeout_max_ns;
    bool may_hand_over = !transfer->is_active && own < UINT8_MAX &&
                         raft->now_ns >= max_u64(settled_ns, transfer->by_priority_ns) &&
                         raft->log.commit_index >= raft->term_first_index &&
                         !raft_configuration_is_pending(raft) &&
                         !raft_configuration_is_joint(raft_configuration_in_force(raft));
    const struct raft_peer *successor =
        may_hand_over ? find_successor(raft, (uint8_t)(own + 1), transfer->checked_index) : NULL;
    if (successor != NULL) {
        transfer->by_priority_ns =
            raft->now_ns + PRIORITY_TIMEOUTS * raft->options.election_timeout_max_ns;
        begin(raft, successor->id);
    }
    transfer->checked_index = raft->log.commit_index;
}

void raft_on_stall(struct raft *raft, bool is_stalled)
{
    if (is_stalled == raft->is_stalled) {
        return;
    }
    raft->is_stalled = is_stalled;
    if (is_stalled && (raft->role == RAFT_PRE_CANDIDATE || raft->role == RAFT_CANDIDATE)) {
        raft_become_follower(raft, raft->hard_state.term, false, 0); /* it must not win */
        return;
    }
    if (raft->role != RAFT_LEADER) {
        raft_reset_election_timer(raft);
        return;
    }
    if (!is_stalled || raft->transfer.is_active) {
        return;
    }
    const struct raft_peer *successor = find_successor(raft, RAFT_PRIORITY_ORDINARY, 0);
    if (successor != NULL) {
        begin(raft, successor->id);
    } else {
        raft_become_follower(raft, raft->hard_state.term, false, 0);
    }
}

/* Given up in bounded time, whatever became of the transferee. */
void raft_transfer_tick(struct raft *raft)
{
    if (raft->now_ns < raft_transfer_deadline(raft)) {
        return;
    }
    raft->transfer.is_active = false;
    if (raft->is_stalled) {
        raft_become_follower(raft, raft->hard_state.term, false, 0);
    }
}

time_ns raft_transfer_deadline(const struct raft *raft)
{
    return raft->transfer.is_active ? raft->transfer.deadline_ns : TIME_NEVER;
}

/* Tell the transferee once it has all of our log; again with each heartbeat. */
void raft_transfer_ready(struct raft *raft)
{
    struct raft_transfer *transfer = &raft->transfer;
    if (!transfer->is_active) {
        return;
    }
    const struct raft_peer *peer = raft_peer_of(raft, transfer->to);
    /* No change begins meanwhile, and one that ends takes no vote from who has it to stay. */
    ASSERT(peer != NULL);
    ASSERT(raft_configuration_may_lead(raft_configuration_in_force(raft), transfer->to));
    struct raft_position last = raft_log_last(&raft->log);
    bool is_caught_up = peer->match_index == last.index || MUTANT(TRANSFER_BEHIND);
    bool is_due = !transfer->is_sent ||
                  raft->now_ns - transfer->sent_ns >= raft->options.heartbeat_interval_ns;
    if (!is_caught_up || !is_due) {
        return;
    }
    raft->lease.is_void = true;
    transfer->is_sent = true;
    transfer->sent_ns = raft->now_ns;
    if (MUTANT(TRANSFER_BEHIND)) {
        bool is_known = raft_log_term_at(&raft->log, peer->match_index, &last.term);
        ASSERT(is_known);
        last.index = peer->match_index;
    }
    raft_send(raft, (struct raft_message){
                        .type = RAFT_TIMEOUT_NOW,
                        .to = transfer->to,
                        .timeout_now = {.last = last},
                    });
}
