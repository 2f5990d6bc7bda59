/* status.c: one consistent picture of the engine, from any thread. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"
#include "runtime/clock.h"

_Static_assert((int)QR_LEARNER == (int)RAFT_LEARNER && (int)QR_FOLLOWER == (int)RAFT_FOLLOWER &&
                   (int)QR_PRE_CANDIDATE == (int)RAFT_PRE_CANDIDATE &&
                   (int)QR_CANDIDATE == (int)RAFT_CANDIDATE && (int)QR_LEADER == (int)RAFT_LEADER,
               "roles are the same, inside and out");
_Static_assert(QR_MEMBERS_MAX == RAFT_MEMBERS_MAX && QR_NAME_BYTES_MAX == RAFT_NAME_BYTES_MAX &&
                   QR_ADDRESS_BYTES_MAX == RAFT_ADDRESS_BYTES_MAX &&
                   QR_META_BYTES_MAX == RAFT_META_BYTES_MAX,
               "members are as many and as long, inside and out");

const char *qr_role_name(enum qr_role role)
{
    return raft_role_name((enum raft_role)role);
}

const char *qr_health_name(enum qr_health health)
{
    switch (health) {
    case QR_ALIVE:
        return "alive";
    case QR_SUSPECT:
        return "suspect";
    case QR_DEAD:
        return "dead";
    case QR_LEFT:
        return "left";
    }
    return "?";
}

const char *qr_progress_name(enum qr_progress progress)
{
    switch (progress) {
    case QR_PROGRESS_UNKNOWN:
        return "";
    case QR_PROGRESS_PROBE:
        return "probe";
    case QR_PROGRESS_REPLICATE:
        return "replicate";
    case QR_PROGRESS_SNAPSHOT:
        return "snapshot";
    }
    return "?";
}

static void copy(char *out, size_t out_bytes, const char *string)
{
    struct text text = text_of(out, out_bytes);
    text_string(&text, string);
}

static enum qr_health health_of(const struct qr_engine *engine, node_id id)
{
    struct transport_peer_state state;
    if (id == engine->self) {
        return QR_ALIVE;
    }
    if (!transport_peer_state(engine->transport, id, &state)) {
        return QR_SUSPECT; /* a member of a moment: the transport is told at the turn's end */
    }
    time_ns now_ns = runtime_now_ns();
    time_ns recent_ns = 2 * engine->limits.election_timeout_max_ms * NS_PER_MS;
    if (state.is_connected || (state.heard_ns > 0 && now_ns - state.heard_ns <= recent_ns)) {
        return QR_ALIVE;
    }
    return now_ns - state.lost_ns < ENGINE_SUSPECT_NS ? QR_SUSPECT : QR_DEAD;
}

static uint64_t match_of(const struct qr_engine *engine, const struct node_status *status,
                         node_id id)
{
    struct raft_peer_status peer;
    if (status->raft.role != RAFT_LEADER) {
        return 0;
    }
    if (id == engine->self) {
        return status->raft.durable_index;
    }
    return node_peer_status(engine->node, id, &peer) ? peer.match_index : 0;
}

/* How long ago; QR_AGE_UNKNOWN: never. */
static uint64_t since_ms(time_ns then_ns)
{
    time_ns now_ns = runtime_now_ns();
    return then_ns == 0 ? QR_AGE_UNKNOWN : (now_ns > then_ns ? now_ns - then_ns : 0) / NS_PER_MS;
}

static enum qr_progress progress_of(enum raft_progress_state state)
{
    return state == RAFT_PROBE       ? QR_PROGRESS_PROBE
           : state == RAFT_REPLICATE ? QR_PROGRESS_REPLICATE
                                     : QR_PROGRESS_SNAPSHOT;
}

/* What a leader knows of a member. */
static void fill_progress(const struct qr_engine *engine, struct qr_member *told)
{
    struct raft_peer_status peer;
    told->heard_ms = QR_AGE_UNKNOWN;
    if (!node_peer_status(engine->node, told->id, &peer)) {
        return;
    }
    told->progress = progress_of(peer.state);
    told->heard_ms = since_ms(peer.heard_ns);
    told->inflight_bytes = peer.inflight_bytes;
    told->snapshot_error = peer.sending_status;
    (void)node_sending_progress(engine->node, told->id, &told->snapshot_sent_bytes,
                                &told->snapshot_size_bytes);
}

/* What the members answered when this node wanted to lead. */
static void fill_votes(const struct qr_engine *engine, struct qr_status *out)
{
    struct raft_vote_answer answers[RAFT_MEMBERS_MAX];
    size_t count = node_vote_answers(engine->node, answers);
    for (size_t i = 0; i < out->member_count; i++) {
        struct qr_member *told = &out->members[i];
        told->vote_ms = QR_AGE_UNKNOWN;
        for (size_t k = 0; k < count; k++) {
            if (answers[k].voter == told->id) {
                told->vote = raft_vote_reason_text(answers[k].reason);
                told->has_granted = answers[k].reason == RAFT_VOTE_GRANTED;
                told->vote_ms = since_ms(answers[k].answered_ns);
            }
        }
    }
}

static void fill_waits(const struct qr_engine *engine, const struct node_status *status,
                       struct qr_status *out)
{
    struct node_waits waits;
    struct disk_posix_times times;
    const struct raft_configuration *configuration = node_configuration(engine->node);
    node_waits(engine->node, &waits);
    disk_posix_times(engine->disk, &times);
    out->durable_index = status->raft.durable_index;
    out->leader_heard_ms =
        status->raft.role == RAFT_LEADER ? QR_AGE_UNKNOWN : since_ms(status->raft.leader_heard_ns);
    out->quorum_lost_ms = since_ms(status->raft.quorum_lost_ns);
    out->is_stalled = status->raft.is_stalled;
    out->saving_ms = waits.saving_ns / NS_PER_MS;
    out->applying_ms = waits.applying_ns / NS_PER_MS;
    out->sync_median_us = times.median_ns / 1000;
    out->sync_99_us = times.percentile_99_ns / 1000;
    out->pending_count = status->pending_count;
    out->pending_count_max = engine->limits.max_pending_proposals;
    out->uncommitted_bytes = status->raft.uncommitted_bytes;
    out->uncommitted_bytes_max = waits.uncommitted_bytes_max;
    out->log_size_bytes = status->log_size_bytes;
    out->log_entries_max = engine->limits.max_log_entries;
    out->election_timeout_max_ms = engine->limits.election_timeout_max_ms;
    out->is_receiving = waits.is_installing;
    out->received_bytes = waits.install_offset;
    out->receive_bytes = waits.install_size_bytes;
    out->is_change_pending = waits.is_change_pending;
    out->is_joint = raft_configuration_is_joint(configuration);
    out->joins_count = waits.joins_count;
    out->changes_count = waits.changes_count;
    int transferee = status->raft.is_transferring
                         ? raft_configuration_find(configuration, status->raft.transferee)
                         : -1;
    copy(out->transferee_name, sizeof(out->transferee_name),
         transferee < 0 ? "" : configuration->members[transferee].name);
    out->is_joining = status->is_joining;
    out->join_error = waits.join_status;
    copy(out->join_reason, sizeof(out->join_reason), waits.join_reason);
}

static void fill_members(const struct qr_engine *engine, const struct node_status *status,
                         struct qr_status *out)
{
    const struct raft_configuration *configuration = node_configuration(engine->node);
    out->member_count = configuration->count;
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        struct qr_member *told = &out->members[i];
        told->id = member->id;
        copy(told->name, sizeof(told->name), member->name);
        copy(told->address, sizeof(told->address), member->address);
        copy(told->meta, sizeof(told->meta), member->meta);
        told->is_voter = raft_configuration_is_voter(configuration, member->id);
        told->health = health_of(engine, member->id);
        told->match_index = match_of(engine, status, member->id);
        told->wants_vote = (member->roles & RAFT_PROMOTABLE) != 0;
        told->is_outgoing = (member->roles & RAFT_VOTER_OUTGOING) != 0;
        told->priority = member->priority;
        fill_progress(engine, told);
        if (out->has_leader && member->id == out->leader_id) {
            copy(out->leader_name, sizeof(out->leader_name), member->name);
            copy(out->leader_meta, sizeof(out->leader_meta), member->meta);
        }
    }
}

static uint64_t machine_digest(const struct qr_engine *engine)
{
    const struct qr_state_machine *machine = &engine->state_machine;
    return machine->digest == NULL ? 0 : machine->digest(machine->context);
}

void engine_status_fill(struct qr_engine *engine, struct qr_status *out)
{
    struct node_status status;
    ASSERT(engine->node != NULL);
    node_status(engine->node, &status);
    *out = (struct qr_status){
        .node_id = status.id,
        .cluster_high = status.cluster.high,
        .cluster_low = status.cluster.low,
        .role = (enum qr_role)status.raft.role,
        .term = status.raft.term,
        .has_leader = status.raft.has_leader,
        .leader_id = status.raft.has_leader ? status.raft.leader : 0,
        .first_index = status.raft.first_index,
        .last_index = status.raft.last_index,
        .commit_index = status.raft.commit_index,
        /* Asked from within a commit handler, the state machine is ahead of what the node
         * was told.
         */
        .applied_index =
            status.is_restoring ? 0 : max_u64(status.raft.applied_index, engine->applied_index),
        .snapshot_index = status.snapshot_index,
        .digest = status.is_restoring ? 0 : status.sessions_digest + machine_digest(engine),
        .session_count = status.session_count,
        .outcome_count = status.outcome_count,
        .age_ms = engine_age_ms(node_age(engine->node, runtime_now_ns())),
        .is_disk_full = status.is_disk_full,
        .is_stopped = status.is_stopped || engine->is_stopping,
    };
    copy(out->name, sizeof(out->name), engine->name);
    fill_members(engine, &status, out);
    fill_votes(engine, out);
    fill_waits(engine, &status, out);
}

static void take_status(struct qr_engine *engine, void *argument)
{
    struct qr_status *out = argument;
    if (engine->node == NULL) {
        *out = engine->final_status;
    } else {
        engine_status_fill(engine, out);
    }
}

void qr_status(struct qr_engine *engine, struct qr_status *out)
{
    engine_call(engine, take_status, out);
}

void engine_counters_fill(struct qr_engine *engine, struct qr_counters *out)
{
    struct node_status status;
    struct transport_stats transport;
    struct disk_posix_stats disk;
    node_status(engine->node, &status);
    transport_stats(engine->transport, &transport);
    disk_posix_stats(engine->disk, &disk);
    *out = engine->counters;
    out->proposals_forwarded = status.proposals_forwarded;
    out->elections_started = status.elections_started;
    out->leader_changes = status.leader_changes;
    out->messages_sent = transport.messages_sent;
    out->messages_dropped = transport.messages_dropped;
    out->messages_received = transport.messages_received;
    out->frames_refused = transport.frames_refused;
    out->sent_bytes = transport.sent_bytes;
    out->received_bytes = transport.received_bytes;
    out->log_writes = status.log_writes;
    out->log_syncs = disk.sync_calls;
    out->log_written_bytes = status.log_written_bytes;
    out->log_size_bytes = status.log_size_bytes;
    out->snapshots_taken = status.snapshots_taken;
    out->snapshots_installed = status.snapshots_installed;
    out->snapshots_sent = status.snapshots_sent;
    out->snapshot_sent_bytes = status.snapshot_sent_bytes;
    out->snapshot_size_bytes = status.snapshot_size_bytes;
    out->sync_time_ns = disk.busy_ns;
}

static void take_counters(struct qr_engine *engine, void *argument)
{
    struct qr_counters *out = argument;
    if (engine->node == NULL) {
        *out = engine->final_counters;
    } else {
        engine_counters_fill(engine, out);
    }
}

void qr_counters(struct qr_engine *engine, struct qr_counters *out)
{
    engine_call(engine, take_counters, out);
}

void engine_publish_role(struct qr_engine *engine)
{
    struct node_status status = {0};
    if (engine->node != NULL) { /* else it is just being opened */
        node_status(engine->node, &status);
    }
    atomic_store(&engine->is_leader, status.raft.role == RAFT_LEADER && !status.is_stopped);
}

bool qr_is_leader(struct qr_engine *engine)
{
    return atomic_load(&engine->is_leader);
}

static void take_log_time(struct qr_engine *engine, void *argument)
{
    uint64_t *out = argument;
    struct node_time time = engine_time();
    *out = engine->node == NULL ? time.wall_ns : node_log_time(engine->node, time);
}

uint64_t qr_log_time(struct qr_engine *engine)
{
    uint64_t log_time = 0;
    engine_call(engine, take_log_time, &log_time);
    return log_time;
}
