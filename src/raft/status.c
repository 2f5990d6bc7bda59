/* status.c: looking at the machine, in numbers and words. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "raft/internal.h"

const char *raft_role_name(enum raft_role role)
{
    switch (role) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        RAFT_ROLE_MAP(X)
#undef X
    }
    return "?";
}

const char *raft_vote_reason_text(enum raft_vote_reason reason)
{
    switch (reason) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        RAFT_VOTE_REASON_MAP(X)
#undef X
    }
    return "?";
}

const struct entry *raft_entries(const struct raft *raft, raft_index first, size_t *count)
{
    const struct entry *entry = raft_log_entry(&raft->log, first);
    *count = entry == NULL ? 0 : (size_t)(raft->log.last_index - first + 1);
    return entry;
}

raft_index raft_applicable_index(const struct raft *raft)
{
    if (MUTANT(APPLY_BEFORE_DURABLE)) {
        return raft->log.commit_index;
    }
    return min_u64(raft->log.commit_index, raft->log.durable_index);
}

bool raft_term_at(const struct raft *raft, raft_index index, raft_term *term)
{
    return raft_log_term_at(&raft->log, index, term);
}

bool raft_is_leader(const struct raft *raft)
{
    return raft->role == RAFT_LEADER;
}

void raft_status(const struct raft *raft, struct raft_status *out)
{
    *out = (struct raft_status){
        .role = raft->role,
        .term = raft->hard_state.term,
        .has_leader = raft->has_leader,
        .leader = raft->leader,
        .base = raft->log.base,
        .first_index = raft->log.base.index + 1,
        .last_index = raft->log.last_index,
        .durable_index = raft->log.durable_index,
        .commit_index = raft->log.commit_index,
        .applied_index = raft->log.applied_index,
        .has_committed_in_term =
            raft->role == RAFT_LEADER && raft->log.commit_index >= raft->term_first_index,
        .is_transferring = raft->transfer.is_active,
        .transferee = raft->transfer.to,
        .is_stalled = raft->is_stalled,
        .cached_bytes = raft->log.cached_bytes,
        .uncommitted_bytes = raft->uncommitted_bytes,
        .leader_heard_ns = raft->leader_heard_ns,
        .is_leader_lost = raft->haste.until_ns != 0,
        .quorum_lost_ns = raft->quorum_lost_ns,
    };
}

/* X(name): the numbers of a status, in the order in which they are written. */
#define STATUS_NUMBERS(X)                                                                          \
    X(term)                                                                                        \
    X(last_index)                                                                                  \
    X(durable_index)                                                                               \
    X(commit_index)                                                                                \
    X(applied_index)

void raft_status_text(const struct raft_status *status, struct text *text)
{
    text_string(text, raft_role_name(status->role));
#define X(name)                                                                                    \
    text_string(text, " " #name "=");                                                              \
    text_u64(text, status->name);
    STATUS_NUMBERS(X)
#undef X
    text_string(text, " leader=");
    if (status->has_leader) {
        text_u64(text, status->leader);
    } else {
        text_string(text, "none");
    }
}

void raft_status_json(const struct raft_status *status, struct text *text)
{
    text_json_object_begin(text);
    text_json_key(text, "role");
    text_json_string(text, raft_role_name(status->role));
#define X(name)                                                                                    \
    text_json_key(text, #name);                                                                    \
    text_json_u64(text, status->name);
    STATUS_NUMBERS(X)
#undef X
    text_json_key(text, "leader");
    if (status->has_leader) {
        text_json_hex(text, status->leader, 16);
    } else {
        text_json_null(text);
    }
    text_json_object_end(text);
}

static void log_invariants(const struct raft_log *log)
{
    ASSERT((log->base.index == 0) == (log->base.term == 0));
    ASSERT(log->base.index <= min_u64(log->applied_index, log->durable_index));
    ASSERT(log->applied_index <= log->commit_index);
    ASSERT(log->commit_index <= log->last_index);
    ASSERT(log->durable_index <= log->handed_index);
    ASSERT(log->handed_index <= log->last_index);
    ASSERT(raft_log_first_cached(log) <= min_u64(log->applied_index, log->durable_index) + 1 ||
           raft_log_first_cached(log) <= log->last_index + 1);
    uint64_t bytes = 0;
    for (size_t i = 0; i < log->count; i++) {
        const struct entry *entry = &log->entries[log->head + i];
        raft_term term = 0;
        ASSERT(entry->index == raft_log_first_cached(log) + i);
        ASSERT(raft_log_term_at(log, entry->index, &term) && term == entry->term);
        bytes += entry->record_bytes;
    }
    ASSERT(bytes == log->cached_bytes);
    ASSERT((log->term_count == 0) == (log->last_index == log->base.index));
    ASSERT_IMPLIES(log->term_count > 0, log->terms[0].first_index == log->base.index + 1 &&
                                            log->terms[0].term >= log->base.term);
    for (size_t i = 1; i < log->term_count; i++) {
        ASSERT(log->terms[i].term > log->terms[i - 1].term);
        ASSERT(log->terms[i].first_index > log->terms[i - 1].first_index);
    }
}

static void leader_invariants(const struct raft *raft)
{
    ASSERT(raft->has_leader && raft->leader == raft->options.self);
    ASSERT(raft->hard_state.has_voted && raft->hard_state.voted_for == raft->options.self);
    for (size_t i = 0; i < raft->peer_count; i++) {
        const struct raft_peer *peer = &raft->peers[i];
        ASSERT(peer->id != raft->options.self);
        ASSERT(peer->match_index < peer->next_index);
        ASSERT(peer->next_index <= raft->log.last_index + 1);
        ASSERT(peer->inflight_count <= raft->options.inflight_messages_max);
        ASSERT_IMPLIES(peer->state != RAFT_REPLICATE, peer->inflight_count == 0);
        ASSERT(peer->next_index > raft->log.base.index);
        ASSERT_IMPLIES(peer->state == RAFT_SNAPSHOT, peer->next_index == raft->log.base.index + 1 &&
                                                         peer->match_index < raft->log.base.index);
    }
}

void raft_invariants(const struct raft *raft)
{
    const struct raft_configuration *configuration = raft_configuration_in_force(raft);
    bool is_voter = raft_configuration_may_campaign(raft);

    log_invariants(&raft->log);
    ASSERT(raft_log_last(&raft->log).term <= raft->hard_state.term);
    ASSERT(configuration->index <= raft->log.last_index);
    ASSERT_IMPLIES(raft->role == RAFT_LEARNER, !is_voter);
    ASSERT_IMPLIES(raft->role == RAFT_FOLLOWER, is_voter);
    ASSERT_IMPLIES(raft->role == RAFT_CANDIDATE, raft->hard_state.voted_for == raft->options.self);
    ASSERT_IMPLIES(raft->role != RAFT_LEADER, raft->peer_count == 0 && raft->read_count == 0);
    ASSERT_IMPLIES(raft->role != RAFT_LEADER, !raft->transfer.is_active);
    ASSERT(raft->save_count <= RAFT_SAVES_MAX);
    ASSERT(raft->save_completed <= raft->save_issued);
    ASSERT(raft->reset_save <= raft->save_issued);
    ASSERT_IMPLIES(raft->is_reset_due, raft->log.base.index == raft->log.durable_index);
    ASSERT_IMPLIES(raft->is_installed_due, raft->installed.index <= raft->log.applied_index);
    ASSERT_IMPLIES(raft->haste.until_ns != 0,
                   raft->role != RAFT_CANDIDATE && raft->role != RAFT_LEADER);
    ASSERT((raft->haste.until_ns != 0) == (raft->haste.turn_ns != 0));
    if (raft->role == RAFT_LEADER) {
        leader_invariants(raft);
    }
}
