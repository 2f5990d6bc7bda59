/* check.c: what Raft promises (Raft, figure 3), asserted over all nodes of a scenario. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "scenario/cluster.h"

/* Election safety: at most one leader in a term. */
static void check_leader(struct cluster *cluster, node_id id, const struct raft_status *status)
{
    if (status->role != RAFT_LEADER) {
        return;
    }
    ASSERT(status->term < TERMS_MAX);
    ASSERT_IMPLIES(cluster->has_leader[status->term], cluster->leaders[status->term] == id);
    cluster->has_leader[status->term] = true;
    cluster->leaders[status->term] = id;
}

/* What one node knows to be committed, no other ever contradicts. */
static void check_committed(struct cluster *cluster, node_id id, const struct raft_status *status)
{
    struct node *node = &cluster->nodes[id];
    ASSERT(status->commit_index >= node->committed_index);
    ASSERT(status->commit_index < LOG_MAX);
    ASSERT(status->base.index <= status->commit_index);
    for (raft_index index = max_u64(status->base.index, 1); index <= status->commit_index;
         index++) {
        raft_term term = 0;
        bool is_there = raft_term_at(node->raft, index, &term);
        ASSERT(is_there);
        if (cluster->committed_terms[index] == 0) {
            cluster->committed_terms[index] = term;
        }
        ASSERT(cluster->committed_terms[index] == term);
    }
    node->committed_index = status->commit_index;
}

void check_node(struct cluster *cluster, node_id id)
{
    struct raft_status status;
    raft_invariants(cluster->nodes[id].raft);
    raft_status(cluster->nodes[id].raft, &status);
    check_leader(cluster, id, &status);
    check_committed(cluster, id, &status);
}

/* Log matching: where two logs agree at an index, they agree at all before it. */
static void check_matching(const struct raft *a, const struct raft *b)
{
    struct raft_status status_a;
    struct raft_status status_b;
    raft_status(a, &status_a);
    raft_status(b, &status_b);
    bool must_agree = false;
    for (raft_index index = min_u64(status_a.last_index, status_b.last_index); index > 0; index--) {
        raft_term term_a = 0;
        raft_term term_b = 0;
        if (!raft_term_at(a, index, &term_a) || !raft_term_at(b, index, &term_b)) {
            return;
        }
        ASSERT_IMPLIES(must_agree, term_a == term_b);
        must_agree = must_agree || term_a == term_b;
    }
}

/* Leader completeness: a leader of the latest term has all that was ever committed. */
static void check_completeness(const struct cluster *cluster, const struct raft *raft)
{
    struct raft_status status;
    raft_status(raft, &status);
    if (status.role != RAFT_LEADER) {
        return;
    }
    for (raft_term later = status.term + 1; later < TERMS_MAX; later++) {
        if (cluster->has_leader[later]) {
            return;
        }
    }
    for (raft_index index = max_u64(status.base.index, 1);
         index < LOG_MAX && cluster->committed_terms[index] != 0; index++) {
        raft_term term = 0;
        bool is_there = raft_term_at(raft, index, &term);
        ASSERT(is_there && term == cluster->committed_terms[index]);
    }
}

void check_cluster(struct cluster *cluster)
{
    for (node_id a = 0; a < NODES_MAX; a++) {
        const struct raft *raft = cluster->nodes[a].raft;
        if (raft == NULL) {
            continue;
        }
        check_completeness(cluster, raft);
        for (node_id b = a + 1; b < NODES_MAX; b++) {
            if (cluster->nodes[b].raft != NULL) {
                check_matching(raft, cluster->nodes[b].raft);
            }
        }
    }
}

/* State machine safety: no two nodes apply different entries at one index. */
void check_applied(struct cluster *cluster, const struct entry *entry)
{
    uint32_t checksum = entry_checksum(entry);
    ASSERT(entry->index < LOG_MAX);
    ASSERT(cluster->committed_terms[entry->index] == entry->term);
    if (cluster->applied_checksums[entry->index] == 0) {
        cluster->applied_checksums[entry->index] = checksum;
    }
    ASSERT(cluster->applied_checksums[entry->index] == checksum);
}

void check_promise(const struct cluster *cluster, const struct raft_message *message)
{
    const struct node *node = &cluster->nodes[message->from];
    ASSERT(node->hard_state.term == message->term);
    if (message->type == RAFT_REQUEST_VOTE) {
        ASSERT(node->hard_state.has_voted && node->hard_state.voted_for == message->from);
    }
    if (message->type == RAFT_REQUEST_VOTE_RESPONSE && message->request_vote_response.is_granted) {
        ASSERT(node->hard_state.has_voted && node->hard_state.voted_for == message->to);
    }
    if (message->type == RAFT_APPEND_ENTRIES_RESPONSE) {
        ASSERT(message->append_entries_response.match <= node->log_count);
    }
    if (message->type == RAFT_INSTALL_SNAPSHOT_RESPONSE &&
        message->install_snapshot_response.is_done) {
        struct raft_position position = message->install_snapshot_response.snapshot;
        ASSERT(position.index <= node->log_count);
        ASSERT_IMPLIES(position.index > node->base.index,
                       node->log[position.index - 1].term == position.term);
    }
}
