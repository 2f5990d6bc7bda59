/* leader.c: a leader's term: its first entry, proposals, commit, and staying in touch with a
 * majority (Raft §5.3, §5.4.2; diss. §6.2).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "quorate/error.h"
#include "raft/internal.h"

/* Log time: set by the wall clock where a term begins, then run by the monotonic one, so
 * that a jump of somebody's wall clock moves nothing within a term.
 */
static time_ns stamp(const struct raft *raft, time_ns now_ns)
{
    ASSERT(now_ns >= raft->term_began_ns);
    if (MUTANT(LOG_TIME_GOES_BACK)) {
        return raft->wall_ns;
    }
    return max_u64(raft->log.last_timestamp_ns,
                   raft->term_timestamp_ns + (now_ns - raft->term_began_ns));
}

time_ns raft_log_time(const struct raft *raft, time_ns now_ns)
{
    if (raft->role == RAFT_LEADER) {
        return stamp(raft, max_u64(now_ns, raft->term_began_ns));
    }
    bool has_heard = raft->last_entry_ns != 0 && now_ns > raft->last_entry_ns;
    return raft->log.last_timestamp_ns + (has_heard ? now_ns - raft->last_entry_ns : 0);
}

int raft_leader_append(struct raft *raft, const struct raft_proposal *proposal)
{
    struct entry entry;
    int status = raft_log_reserve(&raft->log, 1);
    if (status != 0) {
        return status;
    }
    status = entry_arena_encode(&raft->arena,
                                &(struct entry_fields){
                                    .index = raft->log.last_index + 1,
                                    .term = raft->hard_state.term,
                                    .timestamp_ns = stamp(raft, raft->now_ns),
                                    .id = proposal->id,
                                    .group = raft->options.group,
                                    .type = proposal->type,
                                    .command_bytes = proposal->command_bytes,
                                    .payload_bytes = proposal->payload_bytes,
                                    .command = proposal->command,
                                    .payload = proposal->payload,
                                },
                                &entry);
    if (status != 0) {
        return status;
    }
    if (entry.type == ENTRY_CONFIGURATION) {
        status = raft_configuration_push(raft, &entry);
        if (status != 0) {
            chunk_drop(entry.chunk);
            return status;
        }
    }
    raft_log_append(&raft->log, entry);
    raft->uncommitted_bytes += entry.record_bytes;
    return 0;
}

int raft_leader_propose(struct raft *raft, const struct raft_proposal *proposals, size_t count)
{
    if (raft->role != RAFT_LEADER) {
        return QR_ERR_NOT_LEADER;
    }
    if (raft->transfer.is_active) {
        return QR_ERR_BUSY; /* the transferee would never catch up with what still comes */
    }
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        ASSERT(proposals[i].type == ENTRY_NORMAL || proposals[i].type == ENTRY_TICK ||
               proposals[i].type == ENTRY_GUARDED);
        bytes += entry_record_bytes(proposals[i].command_bytes, proposals[i].payload_bytes);
    }
    /* One proposal always fits, however large, when nothing else is under way. */
    if (raft->uncommitted_bytes > 0 &&
        raft->uncommitted_bytes + bytes > raft->options.uncommitted_bytes_max) {
        return QR_ERR_BUSY;
    }
    for (size_t i = 0; i < count; i++) {
        int status = raft_leader_append(raft, &proposals[i]);
        if (status != 0) {
            ASSERT(i == 0 || count == 1 || status == QR_ERR_NO_MEMORY);
            return status;
        }
    }
    return 0;
}

int raft_become_leader(struct raft *raft)
{
    ASSERT(raft->role == RAFT_CANDIDATE);
    ASSERT(raft_is_hard_state_durable(raft));

    raft->role = RAFT_LEADER;
    raft->has_leader = true;
    raft->leader = raft->options.self;
    raft->election_deadline_ns = TIME_NEVER;
    raft->term_began_ns = raft->now_ns;
    raft->quorum_lost_ns = 0;
    raft->term_timestamp_ns = max_u64(raft->wall_ns, raft->log.last_timestamp_ns);
    raft->term_first_index = raft->log.last_index + 1;
    raft->uncommitted_bytes = 0;
    raft->is_round_open = false;
    raft->quorum_check_ns = raft->now_ns + raft->options.election_timeout_max_ns;
    raft->transfer = (struct raft_transfer){.checked_index = raft->log.commit_index};
    raft->lease = (struct raft_lease){0};
    int status = raft_peers_update(raft);
    if (status != 0) {
        return status;
    }
    /* An entry of its own lets the leader commit what earlier terms left (§5.4.2, §8). */
    return raft_leader_append(raft, &(struct raft_proposal){.type = ENTRY_NOOP});
}

void raft_leave_leadership(struct raft *raft)
{
    ASSERT(raft->role == RAFT_LEADER);
    raft_reads_abandon(raft);
    raft_peers_deinit(raft);
    raft->uncommitted_bytes = 0;
    raft->is_round_open = false;
    raft->transfer = (struct raft_transfer){0};
    raft->lease = (struct raft_lease){0};
}

static uint64_t durable_at(const struct raft *raft, node_id id)
{
    if (id == raft->options.self) {
        return MUTANT(OWN_COPY_UNSYNCED) ? raft->log.last_index : raft->log.durable_index;
    }
    const struct raft_peer *peer = raft_peer_of(raft, id);
    return peer == NULL ? 0 : peer->match_index;
}

static void account_committed(struct raft *raft, raft_index from, raft_index to)
{
    for (raft_index i = max_u64(from, raft->term_first_index); i <= to; i++) {
        const struct entry *entry = raft_log_entry(&raft->log, i);
        ASSERT(entry != NULL); /* not applied yet, so not evicted */
        ASSERT(raft->uncommitted_bytes >= entry->record_bytes);
        raft->uncommitted_bytes -= entry->record_bytes;
    }
}

/* A majority of durable copies of an entry of this very term is a commit (§5.4.2). */
int raft_leader_commit(struct raft *raft)
{
    raft_index reached = min_u64(raft_quorum_reached(raft, durable_at), raft->log.last_index);
    if (reached <= raft->log.commit_index ||
        (reached < raft->term_first_index && !MUTANT(COMMIT_OLD_TERM))) {
        return 0;
    }
    bool is_first_of_term = raft->log.commit_index < raft->term_first_index;
    account_committed(raft, raft->log.commit_index + 1, reached);
    raft->log.commit_index = reached;
    if (is_first_of_term) {
        raft_reads_committed(raft);
    }
    raft_configuration_committed(raft);
    return raft_configuration_leave_joint(raft);
}

static uint64_t is_heard(const struct raft *raft, node_id id)
{
    const struct raft_peer *peer = raft_peer_of(raft, id);
    if (id == raft->options.self) {
        return 1;
    }
    return peer != NULL && peer->heard_ns != 0 &&
                   raft->now_ns - peer->heard_ns <= raft->options.election_timeout_max_ns
               ? 1
               : 0;
}

/* A leader that hears no majority steps down, so that its clients learn it (diss. §6.2). */
void raft_leader_tick(struct raft *raft)
{
    raft_transfer_tick(raft);
    if (raft->role != RAFT_LEADER || raft->now_ns < raft->quorum_check_ns) {
        return; /* heartbeats are made by raft_ready() */
    }
    raft->quorum_check_ns = raft->now_ns + raft->options.election_timeout_max_ns;
    if (raft_quorum_reached(raft, is_heard) == 0) {
        raft->quorum_lost_ns = raft->now_ns;
        raft_become_follower(raft, raft->hard_state.term, false, 0);
        return;
    }
    raft_transfer_by_priority(raft);
}

time_ns raft_leader_deadline(const struct raft *raft)
{
    time_ns deadline = min_u64(raft->quorum_check_ns, raft_transfer_deadline(raft));
    for (size_t i = 0; i < raft->peer_count; i++) {
        deadline = min_u64(deadline, raft->peers[i].sent_ns + raft->options.heartbeat_interval_ns);
    }
    return deadline;
}

static void on_rejection(struct raft *raft, struct raft_peer *peer,
                         const struct raft_append_entries_response *response)
{
    bool is_stale = peer->state == RAFT_PROBE ? response->rejected != peer->next_index - 1
                                              : response->rejected <= peer->match_index;
    if (peer->state == RAFT_SNAPSHOT || is_stale || response->hint.index > response->rejected) {
        return;
    }
    struct raft_position meeting;
    raft_index base = raft->log.base.index;
    bool is_in_log =
        raft_log_meeting(&raft->log, response->hint.index, response->hint.term, &meeting);
    if (!is_in_log && peer->match_index < base) {
        raft_peer_drop_fetched(raft, peer);
        raft_peer_become_snapshot(raft, peer);
        return;
    }
    raft_index next =
        max_u64(min_u64(meeting.index, response->rejected - 1), max_u64(peer->match_index, base)) +
        1;
    /* Refused where the logs are known to meet: it has no room, and is not pressed. */
    bool is_waiting = peer->state == RAFT_PROBE && next == peer->next_index;
    raft_peer_drop_fetched(raft, peer);
    raft_peer_become_probe(peer, next);
    peer->is_probe_sent = is_waiting;
}

int raft_on_append_entries_response(struct raft *raft, const struct raft_message *message)
{
    const struct raft_append_entries_response *response = &message->append_entries_response;
    struct raft_peer *peer = raft_find_peer(raft, message->from);
    if (peer == NULL || response->match > raft->log.last_index ||
        (response->is_rejected && response->rejected == 0)) {
        return 0;
    }
    peer->heard_ns = raft->now_ns;
    uint64_t round = response->round & RAFT_ROUND_MAX;
    if (round > peer->round_acked && round <= raft->round) {
        peer->round_acked = round;
        raft_reads_confirm(raft);
    }
    if (response->match > peer->match_index) {
        peer->match_index = response->match;
        raft_peer_freed(raft, peer, response->match);
        if (peer->next_index <= response->match) {
            raft_peer_drop_fetched(raft, peer);
            peer->next_index = response->match + 1;
        }
        int status = raft_leader_commit(raft);
        /* What was committed may have removed us, or it. */
        peer = raft->role == RAFT_LEADER ? raft_find_peer(raft, message->from) : NULL;
        if (status != 0 || peer == NULL) {
            return status;
        }
    }
    bool has_caught_up = peer->state == RAFT_SNAPSHOT && peer->match_index >= raft->log.base.index;
    if (response->is_rejected && !has_caught_up) {
        on_rejection(raft, peer, response);
    } else if (peer->state == RAFT_PROBE || has_caught_up) {
        raft_peer_drop_fetched(raft, peer);
        raft_peer_become_replicate(peer);
    }
    return 0;
}
