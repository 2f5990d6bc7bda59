/* expire.c: proposals that are given up: their time is over, or they are cancelled.
 *
 * What is held went nowhere, and never will: that is certain. Of what a leader has nothing is.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

void node_limit_proposal(struct node *node, struct pending *pending, time_ns timeout_ns)
{
    pending->has_own_timeout = timeout_ns != 0;
    if (pending->has_own_timeout) {
        pending->deadline_ns = node->time.now_ns + timeout_ns;
        node->own_due_ns = min_u64(node->own_due_ns, pending->deadline_ns);
    } else {
        pending->deadline_ns = node->time.now_ns + node->options.proposal_timeout_ns;
    }
}

/* When the oldest proposal is to be given up; later ones come later, but for those with a limit of
 * their own. What no order tells is looked for every heartbeat.
 */
time_ns node_proposals_deadline(const struct node *node)
{
    if (node->pending.count == 0) {
        return TIME_NEVER;
    }
    const struct pending *oldest =
        &node->pending.slots[node->pending.first & (node->pending.capacity - 1)];
    time_ns deadline_ns = min_u64(oldest->deadline_ns, node->own_due_ns);
    return node->held_count > 0 || oldest->has_own_timeout
               ? min_u64(deadline_ns, node->time.now_ns + node->options.heartbeat_interval_ns)
               : deadline_ns;
}

/* Why one is given up now; 0: it is not. */
static int end_of(const struct node *node, const struct pending *pending)
{
    bool is_nowhere = pending->state == PENDING_HELD;
    if (pending->is_cancelled) {
        return is_nowhere || MUTANT(CANCEL_IS_REFUSAL) ? QR_ERR_WITHDRAWN : QR_ERR_CANCELLED;
    }
    if ((is_nowhere || MUTANT(TIMEOUT_IS_REFUSAL)) && node->time.now_ns >= pending->hold_until_ns) {
        return QR_ERR_NO_LEADER;
    }
    return node->time.now_ns >= pending->deadline_ns ? QR_ERR_TIMEOUT : 0;
}

void node_expire_proposals(struct node *node)
{
    bool is_whole = node->has_cancelled || node->time.now_ns >= node->own_due_ns;
    time_ns own_due_ns = TIME_NEVER;
    node->has_cancelled =
        false; /* who is told here may cancel others: those are for the next turn */
    uint64_t end = pending_next_sequence(&node->pending);
    for (uint64_t s = node->pending.first; s < end; s++) {
        struct pending *pending = pending_at(&node->pending, s);
        if (pending == NULL) {
            continue;
        }
        int status = end_of(node, pending);
        if (status != 0) {
            node_finish(node, pending, status, 0, NULL);
        } else if (pending->has_own_timeout) {
            own_due_ns = min_u64(own_due_ns, pending->deadline_ns);
        } else if (!is_whole && node->held_count == 0) {
            return; /* the others came later */
        }
    }
    node->own_due_ns = own_due_ns;
}

bool node_cancel(struct node *node, uint64_t ticket)
{
    uint64_t end = pending_next_sequence(&node->pending);
    for (uint64_t s = node->pending.first; s < end; s++) {
        struct pending *pending = pending_at(&node->pending, s);
        if (pending != NULL && pending->ticket == ticket) {
            pending->is_cancelled = true;
            node->has_cancelled = true;
            node->needs_turn = true;
            return true;
        }
    }
    return false;
}
