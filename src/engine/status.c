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
    return role == QR_OBSERVER ? "observer" : raft_role_name((enum raft_role)role);
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

/* A directory that belongs to a cluster makes a member, whatever the options say. */
static bool is_observing(const struct qr_engine *engine, const struct node_status *status)
{
    return engine->is_observer && status->is_joining;
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
    out->leader_heard_ms = status->raft.role == RAFT_LEADER
                               ? QR_AGE_UNKNOWN
                               : engine_since_ms(status->raft.leader_heard_ns);
    out->quorum_lost_ms = engine_since_ms(status->raft.quorum_lost_ns);
    out->is_stalled = status->is_stalled;
    out->is_diverged = status->differs.index > 0;
    out->is_rebuilding = status->is_rebuilding;
    out->diverged_index = status->differs.index;
    out->diverged_digest = status->differs.differing;
    out->agreed_digest = status->differs.agreed;
    out->undecided_index = status->undecided_index;
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
    engine_copy(out->transferee_name, sizeof(out->transferee_name),
                transferee < 0 ? "" : configuration->members[transferee].name);
    out->is_joining = status->is_joining && !is_observing(engine, status);
    out->join_error = waits.join_status;
    engine_copy(out->join_reason, sizeof(out->join_reason), waits.join_reason);
}

/* Where the state machine stands, and its digest there. Asked from within a callback, or while one
 * is called, it is ahead of what the node was told; but not where the session table still waits
 * for what the batch gave.
 */
static void fill_applied(struct qr_engine *engine, const struct node_status *status,
                         struct qr_status *out)
{
    const struct qr_state_machine *machine = &engine->state_machine;
    raft_index applied = engine->applied_index;
    uint64_t digest = 0;
    if (status->is_restoring) {
        return;
    }
    if (engine->application.is_on) {
        struct application_facts facts = engine_facts(engine);
        bool is_ahead = facts.applied_index > status->raft.applied_index;
        bool is_settled = !is_ahead || engine->application.batch.is_claimed;
        applied = is_settled ? facts.applied_index : 0;
        digest = is_settled ? facts.digest : engine->settled_digest;
    } else if (machine->digest != NULL) {
        digest = machine->digest(machine->context);
    }
    out->applied_index = max_u64(status->raft.applied_index, applied);
    out->digest = status->sessions_digest + digest;
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
        .role = is_observing(engine, &status) ? QR_OBSERVER : (enum qr_role)status.raft.role,
        .term = status.raft.term,
        .first_index = status.raft.first_index,
        .last_index = status.raft.last_index,
        .commit_index = status.raft.commit_index,
        .snapshot_index = status.snapshot_index,
        .session_count = status.session_count,
        .outcome_count = status.outcome_count,
        .age_ms = engine_age_ms(node_age(engine->node, runtime_now_ns())),
        .is_disk_full = status.is_disk_full,
        .time_ms = runtime_wall_ns() / NS_PER_MS,
        .is_stopped = status.is_stopped || engine->is_stopping,
    };
    fill_applied(engine, &status, out);
    engine_copy(out->name, sizeof(out->name), engine->name);
    engine_gossip_fill(engine, &status, out);
    engine_members_fill(engine, &status, out);
    fill_waits(engine, &status, out);
}

/* Without the members is the least that may be asked for. */
static const struct sized sized_status = {sizeof(struct qr_status),
                                          offsetof(struct qr_status, members)};

static void take_status(struct qr_engine *engine, void *argument)
{
    struct qr_status *out = argument;
    if (engine->node != NULL) {
        engine_status_fill(engine, &engine->final_status); /* until it stops, room to work in */
    }
    sized_write(sized_status, &engine->final_status, out);
}

int qr_status(struct qr_engine *engine, struct qr_status *out)
{
    int status = engine_is_given(engine) ? sized_check(sized_status, out) : QR_ERR_INVALID;
    if (status == 0) {
        engine_call(engine, take_status, out);
    }
    return status;
}

/* Those of the SWIM machine begin anew with each life of it, see node_gossip_counters.begun. */
static void fill_gossip_counters(const struct qr_engine *engine,
                                 const struct node_gossip_counters *gossip, struct qr_counters *out)
{
    struct swim_status swim = {.local_health = 0};
    out->gossip_packets_sent = gossip->packets_sent;
    out->gossip_packets_received = gossip->packets_received;
    out->gossip_packets_sent_bytes = gossip->packets_sent_bytes;
    out->gossip_packets_received_bytes = gossip->packets_received_bytes;
    out->gossip_messages_sent = gossip->messages_sent;
    out->gossip_messages_received = gossip->messages_received;
    out->gossip_messages_sent_bytes = gossip->messages_sent_bytes;
    out->gossip_messages_received_bytes = gossip->messages_received_bytes;
    out->gossip_undecodable = gossip->undecodable;
    out->gossip_leader_lost = gossip->leader_lost;
    struct gossip_counters packets;
    gossip_counters(engine->gossip, &packets);
    out->gossip_refused = packets.received_refused;
    out->gossip_packet_longest_bytes = packets.longest_sent_bytes;
    if (node_swim(engine->node) != NULL) {
        swim_status(node_swim(engine->node), &swim);
    }
    out->swim_probes = swim.counters.probes;
    out->swim_probes_failed = swim.counters.probes_failed;
    out->swim_suspicions_raised = swim.counters.suspicions_raised;
    out->swim_deaths_declared = swim.counters.deaths_declared;
    out->swim_refutations = swim.counters.refutations;
    out->swim_syncs = swim.counters.syncs;
    out->swim_heals = swim.counters.heals;
    out->swim_malformed = swim.counters.malformed;
    out->swim_foreign = swim.counters.foreign;
    out->swim_misdirected = swim.counters.misdirected;
    out->swim_overflowed = swim.counters.overflowed;
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
    out->peers_refused = transport.peers_refused;
    out->sent_bytes = transport.sent_bytes;
    out->received_bytes = transport.received_bytes;
    out->log_writes = status.log_writes;
    out->log_syncs = disk.sync_calls;
    out->log_written_bytes = status.log_written_bytes;
    out->log_size_bytes = status.log_size_bytes;
    out->snapshots_taken = status.snapshots_taken;
    out->snapshots_installed = status.snapshots_installed;
    out->divergences = status.divergences;
    out->rebuilds = status.rebuilds;
    out->snapshots_sent = status.snapshots_sent;
    out->snapshot_sent_bytes = status.snapshot_sent_bytes;
    out->snapshot_size_bytes = status.snapshot_size_bytes;
    out->sync_time_ns = disk.busy_ns;
    fill_gossip_counters(engine, &status.gossip, out);
}

static const struct sized sized_counters = {sizeof(struct qr_counters),
                                            offsetof(struct qr_counters, proposals)};

static void take_counters(struct qr_engine *engine, void *argument)
{
    struct qr_counters *out = argument;
    if (engine->node != NULL) {
        engine_counters_fill(engine, &engine->final_counters);
    }
    sized_write(sized_counters, &engine->final_counters, out);
}

int qr_counters(struct qr_engine *engine, struct qr_counters *out)
{
    int status = engine_is_given(engine) ? sized_check(sized_counters, out) : QR_ERR_INVALID;
    if (status == 0) {
        engine_call(engine, take_counters, out);
    }
    return status;
}

void engine_publish_role(struct qr_engine *engine)
{
    struct node_status status = {0};
    if (engine->node != NULL) { /* else it is just being opened */
        node_status(engine->node, &status);
    }
    atomic_store(&engine->is_leader, status.raft.role == RAFT_LEADER && !status.is_stopped);
    if (engine->node != NULL) {
        struct qr_status *known = &engine->final_status; /* until it stops, room to work in */
        known->has_leader = false;
        known->leader_id = 0;
        engine_gossip_fill(engine, &status, known);
        const struct qr_role_event event = {
            .size_bytes = sizeof(event),
            .role = is_observing(engine, &status) ? QR_OBSERVER : (enum qr_role)status.raft.role,
            .term = status.raft.term,
            .has_leader = known->has_leader,
            .leader_id = known->leader_id,
        };
        engine_tell_role(engine, &event);
    }
}

bool qr_is_leader(struct qr_engine *engine)
{
    return engine_is_given(engine) && atomic_load(&engine->is_leader);
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
    if (engine_is_given(engine)) {
        engine_call(engine, take_log_time, &log_time);
    }
    return log_time;
}
