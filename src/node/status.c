/* status.c: looking at the node: what it is, and what it waits for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "node/internal.h"

static size_t count_joins(const struct node *node)
{
    size_t count = 0;
    for (size_t i = 0; i < NODE_JOINS_MAX; i++) {
        count += node->joins[i].is_used ? 1 : 0;
    }
    return count;
}

static size_t count_changes(const struct node *node)
{
    size_t count = 0;
    for (size_t i = 0; i < NODE_CHANGES_MAX; i++) {
        count += node->changes[i].state != NODE_CHANGE_FREE ? 1 : 0;
    }
    return count;
}

void node_waits(const struct node *node, struct node_waits *out)
{
    const struct node_install *install = &node->install;
    const struct raft_status *now = node_raft_status(node);
    time_ns now_ns = node->time.now_ns;
    bool is_saving = now->durable_index < now->last_index;
    bool is_applying = now->applied_index < min_u64(now->commit_index, now->durable_index);
    bool is_installing = install->state != NODE_INSTALL_NONE;
    *out = (struct node_waits){
        .saving_ns = is_saving ? now_ns - node->durable_since_ns : 0,
        .applying_ns = is_applying ? now_ns - node->applied_since_ns : 0,
        .is_installing = is_installing,
        .install_offset = is_installing ? install->offset : 0,
        .install_size_bytes = is_installing ? install->size_bytes : 0,
        .is_change_pending = node->raft != NULL && !raft_configuration_is_committed(node->raft),
        .joins_count = count_joins(node),
        .changes_count = count_changes(node),
        .uncommitted_bytes_max = node_uncommitted_bytes_max(node),
        .join_status = node->phase == NODE_JOINING ? node->join_status : 0,
        .join_reason = node->phase == NODE_JOINING ? node->join_reason : "",
    };
}

size_t node_vote_answers(const struct node *node, struct raft_vote_answer *out)
{
    return node->raft == NULL ? 0 : raft_vote_answers(node->raft, out);
}

bool node_sending_progress(const struct node *node, node_id peer, uint64_t *offset,
                           uint64_t *size_bytes)
{
    for (size_t i = 0; i < NODE_SENDINGS_MAX; i++) {
        const struct node_sending *sending = &node->sendings.slots[i];
        if (sending->is_used && sending->peer == peer) {
            *offset = sending->next_offset;
            *size_bytes = sending->info.size_bytes;
            return true;
        }
    }
    return false;
}

void node_status(const struct node *node, struct node_status *out)
{
    struct wal_stats log;
    node->store->stats(node->log, &log);
    *out = (struct node_status){
        .raft = *node_raft_status(node),
        .id = node->identity.id,
        .cluster = node->identity.is_log_used ? node->identity.cluster : (struct cluster_id){0},
        .is_disk_full = !node_has_room(node, NODE_ROOM_SLACK_BYTES),
        .is_stopped = node->phase == NODE_STOPPED,
        .is_joining = node->phase == NODE_JOINING,
        .pending_count = node->pending.count,
        .sessions_digest = node->is_applying || node->is_apply_lost
                               ? node->apply_sessions_digest
                               : sessions_digest(&node->sessions),
        .session_count = node->sessions.session_count,
        .outcome_count = node->sessions.outcome_count,
        .elections_started = node->elections_started,
        .leader_changes = node->leader_changes,
        .held_count = node->held_count,
        .proposals_forwarded = node->proposals_forwarded,
        .log_writes = log.append_count,
        .log_syncs = log.sync_count,
        .log_written_bytes = log.written_bytes,
        .log_size_bytes = log.size_bytes,
        .snapshot_index = node->snapshots.has_newest ? node->snapshots.newest.position.index : 0,
        .snapshot_size_bytes = node->snapshots.has_newest ? node->snapshots.newest.size_bytes : 0,
        .is_restoring = node_is_restoring(node),
        .is_snapshot_bare = node->snapshots.has_newest && node->snapshots.is_newest_bare,
        .snapshots_taken = node->snapshots.taken_count,
        .snapshots_installed = node->install.installed_count,
        .snapshots_sent = node->sendings.sent_count,
        .snapshot_sent_bytes = node->sendings.sent_bytes,
        .is_stalled = node->is_stalled,
        .differs = node->divergence.found,
        .is_rebuilding = node->divergence.is_rebuilding,
        .divergences = node->divergence.found_count,
        .rebuilds = node->divergence.rebuilt_count,
        .undecided_index =
            node_raft_status(node)->role == RAFT_LEADER ? node->compare.undecided : 0,
        .gossip = node->gossip == NULL ? (struct node_gossip_counters){0} : node->gossip->counters,
    };
}

const struct raft_configuration *node_configuration(const struct node *node)
{
    static const struct raft_configuration none;
    return node->raft == NULL ? &none : raft_configuration(node->raft);
}

const struct raft_configuration *node_configuration_back(const struct node *node, size_t back)
{
    return node->raft == NULL ? NULL : raft_configuration_back(node->raft, back);
}

bool node_peer_status(const struct node *node, node_id id, struct raft_peer_status *out)
{
    return node->raft != NULL && raft_peer_status(node->raft, id, out);
}

bool node_term_at(const struct node *node, raft_index index, raft_term *term)
{
    return node->raft != NULL && raft_term_at(node->raft, index, term);
}

time_ns node_log_time(const struct node *node, struct node_time time)
{
    return node->raft == NULL ? time.wall_ns : raft_log_time(node->raft, time.now_ns);
}
