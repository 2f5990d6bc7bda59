/* digests.c: this replica's digests, and what it says of them when the leader asks.
 *
 * Owns     which indexes they are of: every NODE_DIGEST_STEPth, which all replicas take unasked,
 *          and the one that the leader asked for last. A batch ends there, so that the digest is
 *          that of exactly this index.
 * Does not know which of them is right: compare.c, on the leader.
 *
 * A digest is the state machine's and that of the session table. The table of a state machine that
 * is durable by itself forgets results at a restart, so there it does not count.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"

bool node_digests_are_made(const struct node *node)
{
    return node->options.io.machine.digest != NULL;
}

/* The state is another one from here on: what was said of it before says nothing now. */
void node_digests_renew(struct node *node)
{
    struct node_digests *digests = &node->digests;
    uint64_t history = prng_next(&node->prng);
    *digests = (struct node_digests){.history = history == 0 ? 1 : history};
    node->divergence.judged = 0;
    node->divergence.is_confirmed = false;
}

static bool find(const struct node *node, raft_index index, uint64_t *digest)
{
    for (size_t i = 0; i < NODE_DIGESTS_KEPT; i++) {
        const struct node_divergence_digest *kept = &node->digests.kept[i];
        if (kept->index == index && index > 0) {
            *digest = kept->digest;
            return true;
        }
    }
    return false;
}

/* Whether the state machine stands where the log says, so that a digest may be taken. One that is
 * durable by itself may be ahead at first.
 */
static bool may_take(const struct node *node, raft_index index)
{
    return node_digests_are_made(node) && index >= node->machine_index &&
           !node_is_restoring(node) && !node->divergence.is_rebuilding;
}

raft_index node_digests_stop(const struct node *node, raft_index first)
{
    raft_index wanted = node->digests.wanted;
    raft_index stop = (first + NODE_DIGEST_STEP - 1) / NODE_DIGEST_STEP * NODE_DIGEST_STEP;
    if (MUTANT(DIGEST_BEHIND_BATCH)) {
        return UINT64_MAX;
    }
    return wanted >= first ? min_u64(wanted, stop) : stop;
}

bool node_digests_take(struct node *node, raft_index index)
{
    raft_index wanted = node->digests.wanted;
    bool is_agreed = index % NODE_DIGEST_STEP == 0 || index == wanted ||
                     (MUTANT(DIGEST_BEHIND_BATCH) && wanted > 0 && index > wanted);
    node->digests.is_taking = is_agreed && may_take(node, index);
    return node->digests.is_taking;
}

static void answer(struct node *node, node_id to, raft_index index, uint64_t digest)
{
    const struct node_difference *found = &node->divergence.found;
    struct wire_message message = {
        .type = WIRE_COMPARE_RESPONSE,
        .compare_response = {.from = node->identity.id,
                             .history = node->digests.history,
                             .made = NODE_DIGEST_MADE,
                             .index = index,
                             .digest = digest,
                             .wanted = node_rebuild_wants(node),
                             .is_isolated = node_is_isolated(node),
                             .differed = found->index,
                             .differing = found->differing,
                             .agreed = found->agreed},
    };
    if (to == node->identity.id) {
        node_on_compare_response(node, to, &message.compare_response);
    } else if (node_peer_version(node, to) >= WIRE_VERSION_DIGESTS) {
        (void)node_send(node, to, &message);
    }
}

void node_digests_say(struct node *node, node_id to)
{
    answer(node, to, 0, 0);
}

void node_digests_note(struct node *node, raft_index index, uint64_t machine_digest)
{
    struct node_digests *digests = &node->digests;
    if (!digests->is_taking) {
        return;
    }
    digests->is_taking = false;
    if (MUTANT(DIGEST_BEHIND_BATCH) && digests->wanted > 0 && index > digests->wanted) {
        index = digests->wanted;
    }
    bool is_durable = node->options.io.machine.applied_index != NULL;
    uint64_t digest = machine_digest + (is_durable ? 0 : sessions_digest(&node->sessions));
    digests->kept[digests->next] = (struct node_divergence_digest){index, digest};
    digests->next = (digests->next + 1) % NODE_DIGESTS_KEPT;
    if (digests->wanted == index) {
        digests->wanted = 0;
        answer(node, digests->asked_by, index, digest);
    }
}

void node_digests_want(struct node *node, raft_index index, node_id asked_by)
{
    uint64_t digest;
    if (find(node, index, &digest)) {
        answer(node, asked_by, index, digest);
        return;
    }
    answer(node, asked_by, 0, 0);
    if (may_take(node, index) && index >= node_raft_status(node)->applied_index) {
        node->digests.wanted = index;
        node->digests.asked_by = asked_by;
        node->needs_turn = true;
    }
}

/* The state machine stands where it was asked for: nothing has to be applied for that. */
void node_digests_turn(struct node *node)
{
    raft_index wanted = node->digests.wanted;
    raft_index applied = node_raft_status(node)->applied_index;
    if (wanted == 0 || node->is_applying || node->snapshots.taking.is_opening || wanted > applied) {
        return;
    }
    if (wanted < applied || !node_digests_take(node, wanted)) {
        node->digests.wanted = 0; /* too late */
        return;
    }
    node_apply_nothing(node);
}

void node_on_compare(struct node *node, node_id from, const struct wire_compare *question)
{
    const struct raft_status *now = node_raft_status(node);
    if (!node_digests_are_made(node) || !now->has_leader || now->leader != from ||
        from == node->identity.id) {
        return;
    }
    node_divergence_judge(node, question);
    if (!node_is_running(node)) {
        return;
    }
    if (question->index > 0) {
        node_digests_want(node, question->index, from);
    } else {
        node_digests_say(node, from);
    }
}
