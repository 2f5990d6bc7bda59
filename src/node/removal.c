/* removal.c: members that have been dead, or gone, for long are removed, if that is wanted.
 *
 * Gossip says who is dead; what may be removed is decided by what the leader itself hears, and
 * done like any other change, through the log, one member at a time. Off by default:
 * docs/membership.md, "Removing the dead".
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

#define VOTERS_LEFT_MIN 3
#define RETRY_NS (10 * NS_PER_S) /* behind one that was refused, or did not succeed */

static bool is_heard(const struct node *node, node_id id)
{
    struct raft_peer_status peer;
    return id == node->identity.id ||
           (raft_peer_status(node->raft, id, &peer) && peer.heard_ns != 0 &&
            node->time.now_ns - peer.heard_ns <= node->options.election_timeout_max_ns);
}

/* Whether gossip holds the member for dead or gone; and since when it does, and Raft has not heard
 * it either, for as long as this node has led. Gossip alone may be wrong for ever: of a member
 * whose packets are blocked, that lost its name, or went back to a version without gossip.
 */
static bool is_dead(const struct node *node, node_id id, time_ns *since_ns)
{
    struct swim_member_status member;
    struct raft_peer_status peer;
    const struct swim *swim = node_swim(node);
    if (swim == NULL || id == node->identity.id || !swim_member(swim, id, &member) ||
        (member.state != SWIM_DEAD && member.state != SWIM_LEFT)) {
        return false;
    }
    time_ns heard_ns = raft_peer_status(node->raft, id, &peer) ? peer.heard_ns : 0;
    *since_ns = max_u64(member.changed_ns, max_u64(heard_ns, node->removal.led_ns));
    return true;
}

static bool is_due(const struct node *node, node_id id)
{
    time_ns since_ns;
    return is_dead(node, id, &since_ns) &&
           node->time.now_ns - since_ns >= node->options.remove_dead_after_ns;
}

static uint32_t count_voters(const struct node *node, const struct raft_configuration *value,
                             bool is_of_heard)
{
    uint32_t count = 0;
    for (size_t i = 0; i < value->count; i++) {
        bool is_voter = (value->members[i].roles & RAFT_VOTER) != 0;
        count += is_voter && (!is_of_heard || is_heard(node, value->members[i].id)) ? 1 : 0;
    }
    return count;
}

/* Beyond what every change must leave: see docs/membership.md. */
int node_removal_judge(const struct node *node, const struct raft_configuration *next,
                       const struct node_change_result *result)
{
    const struct raft_configuration *now = node_configuration(node);
    bool is_it = raft_configuration_find(now, node->removal.id) >= 0 &&
                 raft_configuration_find(next, node->removal.id) < 0;
    if (!is_it || !is_due(node, node->removal.id)) {
        return QR_ERR_QUORUM; /* it came back while the change waited, or another has its name */
    }
    uint32_t left = count_voters(node, next, false);
    if (left == count_voters(node, now, false)) {
        return 0; /* who is removed has no vote */
    }
    uint32_t needed = node->removal.voters_before / 2 + 1;
    bool is_safe = left >= VOTERS_LEFT_MIN && count_voters(node, next, true) >= needed &&
                   result->tolerated_after >= result->tolerated_before;
    return is_safe || MUTANT(REMOVAL_BELOW_QUORUM) ? 0 : QR_ERR_QUORUM;
}

void node_removal_ended(struct node *node, const struct node_change_wait *wait, int status)
{
    node->removal.is_under_way = false;
    node->removal.retry_ns = node->time.now_ns + (status == 0 ? 0 : RETRY_NS);
    LOG(node->options.log, status == 0 ? LOG_WARN : LOG_INFO,
        status == 0 ? "dead_member_removed" : "dead_member_kept",
        log_string("name", wait->change.removed), log_string("error", qr_error_name(status)),
        log_string("reason", wait->result.reason));
}

/* One that has been dead for long, and its name, each in its turn: one that may not go holds up no
 * other. Also notes how many voters there were before any was dead, in this leader's term.
 */
static const struct raft_member *find_dead(struct node *node, struct text *name)
{
    const struct raft_configuration *now = node_configuration(node);
    const struct raft_member *found = NULL;
    raft_term term = node_raft_status(node)->term;
    bool is_new_term = node->removal.term != term;
    bool is_any = false;
    size_t first = node->removal.next;
    if (is_new_term && !MUTANT(REMOVAL_BY_NEW_LEADER)) {
        node->removal.led_ns = node->time.now_ns;
    }
    node->removal.term = term;
    node->removal.due_ns = TIME_NEVER;
    for (size_t i = 0; i < now->count; i++) {
        size_t at = (first + i) % now->count;
        time_ns since_ns = 0;
        if (!is_dead(node, now->members[at].id, &since_ns)) {
            continue;
        }
        time_ns due_ns =
            max_u64(since_ns + node->options.remove_dead_after_ns, node->removal.retry_ns);
        is_any = true;
        if (found != NULL && MUTANT(REMOVAL_OF_TWO)) {
            text_char(name, ',');
            text_string(name, now->members[at].name);
        } else if (due_ns > node->time.now_ns) {
            node->removal.due_ns = min_u64(node->removal.due_ns, due_ns);
        } else if (found == NULL) {
            found = &now->members[at];
            node->removal.next = at + 1;
            text_string(name, found->name);
        }
    }
    if (!is_any || is_new_term) {
        node->removal.voters_before = count_voters(node, now, false);
    }
    return found;
}

void node_removal_turn(struct node *node)
{
    const struct raft_status *status = node_raft_status(node);
    node->removal.due_ns = TIME_NEVER;
    bool is_wanted = node->options.remove_dead_after_ns > 0 || MUTANT(GOSSIP_REMOVES_UNASKED);
    if (!is_wanted || status->role != RAFT_LEADER || node->removal.is_under_way ||
        !raft_configuration_is_committed(node->raft) ||
        raft_configuration_is_joint(node_configuration(node))) {
        return;
    }
    struct wire_change change = {0};
    struct text names = text_of(change.removed, sizeof(change.removed));
    const struct raft_member *dead = find_dead(node, &names);
    if (dead == NULL) {
        return;
    }
    ASSERT(dead->id != node->identity.id);
    node->removal.id = dead->id;
    node->removal.is_under_way = node_change_by_itself(node, &change);
    if (!node->removal.is_under_way) {
        node->removal.retry_ns = node->time.now_ns + RETRY_NS;
        node->removal.due_ns = node->removal.retry_ns;
    }
}

time_ns node_removal_deadline(const struct node *node)
{
    return node->removal.due_ns;
}
