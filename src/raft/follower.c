/* follower.c: taking entries from a leader, and answering with what is durable.
 *
 * Source: Raft §5.3 and figure 2, AppendEntries RPC, receiver.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "quorate/error.h"
#include "raft/internal.h"

/* A message that contradicts itself is refused whole, before anything changed. */
bool raft_append_is_well_formed(const struct raft_message *message)
{
    struct raft_position before = message->append_entries.prev;
    if ((before.index == 0) != (before.term == 0) || before.term > message->term ||
        before.index > UINT64_MAX / 2) {
        return false;
    }
    for (size_t i = 0; i < message->entry_count; i++) {
        const struct entry *entry = &message->entries[i];
        if (entry->index != before.index + 1 || entry->term < before.term || entry->term == 0 ||
            entry->term > message->term) {
            return false;
        }
        if (entry->type == ENTRY_CONFIGURATION) {
            struct entry_fields fields = entry_fields_of(entry);
            struct raft_configuration ignored;
            if (raft_configuration_decode(fields.payload, fields.payload_bytes, entry->index,
                                          &ignored) != 0) {
                return false;
            }
        }
        before = (struct raft_position){entry->term, entry->index};
    }
    return true;
}

/* Tell the leader where to look next: our last entry at or below its own that is not of a
 * later term than its own there. Each answer skips a whole term.
 */
static void reject(struct raft *raft, const struct raft_message *message)
{
    struct raft_position prev = message->append_entries.prev;
    struct raft_position hint; /* what is below base is committed: the logs meet there at least */
    (void)raft_log_meeting(&raft->log, prev.index, prev.term, &hint);
    raft->rejection = (struct raft_append_entries_response){
        .is_rejected = true,
        .rejected = prev.index,
        .hint = hint,
    };
    raft->is_rejection_due = true;
}

/* Whether the log has the entry at this position. What is compacted is committed, and thereby
 * the same in every leader's log.
 */
static bool is_known(const struct raft *raft, struct raft_position position, bool is_any_term)
{
    raft_term term;
    return (position.index < raft->log.base.index && !MUTANT(COMPACTED_PREV_REFUSED)) ||
           (raft_log_term_at(&raft->log, position.index, &term) &&
            (term == position.term || is_any_term));
}

/* How many of the message's entries the log has already. */
static size_t count_known(const struct raft *raft, const struct raft_message *message)
{
    size_t known = 0;
    while (known < message->entry_count &&
           is_known(
               raft,
               (struct raft_position){message->entries[known].term, message->entries[known].index},
               MUTANT(CONFLICT_UNNOTICED))) {
        known++;
    }
    return known;
}

static void truncate(struct raft *raft, raft_index from)
{
    raft_log_truncate(&raft->log, from);
    raft_configuration_rollback(raft, from);
    raft_saves_lower(raft, from - 1);
}

/* Append what is new; only a real conflict of terms removes anything (§5.3). */
static int take_entries(struct raft *raft, const struct raft_message *message)
{
    size_t known = count_known(raft, message);
    size_t fresh = message->entry_count - known;
    if (fresh == 0) {
        return 0;
    }
    raft_index first = message->entries[known].index;
    if (first <= raft->log.commit_index) {
        return QR_ERR_MALFORMED; /* would replace what is committed */
    }
    int status = raft_log_reserve(&raft->log, fresh);
    if (status != 0) {
        return status;
    }
    raft->last_entry_ns = raft->now_ns;
    if (first <= raft->log.last_index) {
        truncate(raft, first);
    }
    for (size_t i = known; i < message->entry_count; i++) {
        struct entry entry = message->entries[i];
        chunk_hold(entry.chunk);
        raft_log_append(&raft->log, entry);
        if (entry.type == ENTRY_CONFIGURATION) {
            status = raft_configuration_push(raft, &entry);
            if (status != 0) {
                return status;
            }
        }
    }
    return 0;
}

static int accept(struct raft *raft, const struct raft_message *message)
{
    raft_index covered = message->append_entries.prev.index + message->entry_count;
    int status = take_entries(raft, message);
    if (status != 0) {
        return status;
    }
    if (MUTANT(STALE_APPEND_TRUNCATES) && covered < raft->log.last_index &&
        covered >= raft->log.commit_index) {
        truncate(raft, covered + 1);
    }
    raft->verified_index = max_u64(raft->verified_index, covered);
    /* Not our last index: what lies behind `covered` may be of another leader. */
    raft_index bound = MUTANT(COMMIT_BEYOND_SENT) ? raft->log.last_index : covered;
    raft_index commit = min_u64(message->append_entries.commit, bound);
    if (commit > raft->log.commit_index || MUTANT(COMMIT_GOES_BACK)) {
        raft->log.commit_index = commit;
        raft_configuration_committed(raft);
    }
    return 0;
}

/* To a leader of an older term: the answer's own term is the message. The round is not told:
 * one of an older term must confirm nothing should that node lead ours.
 */
void raft_respond_stale(struct raft *raft, const struct raft_message *message)
{
    raft_send(raft, (struct raft_message){
                        .type = RAFT_APPEND_ENTRIES_RESPONSE,
                        .to = message->from,
                        .append_entries_response = {.is_rejected = true,
                                                    .rejected = message->append_entries.prev.index},
                    });
}

/* Take note of who leads our term. QR_ERR_MALFORMED: not this one. */
int raft_hear_leader(struct raft *raft, const struct raft_message *message)
{
    ASSERT(message->term == raft->hard_state.term);
    /* A second leader in one term cannot be: whatever sent this is not of our making. */
    if (raft->role == RAFT_LEADER || (raft->has_leader && raft->leader != message->from)) {
        return QR_ERR_MALFORMED;
    }
    raft->haste = (struct raft_haste){0};
    if (!raft->has_leader) { /* a candidate knows none either */
        raft_become_follower(raft, message->term, true, message->from);
    }
    raft->leader_heard_ns = raft->now_ns;
    raft_reset_election_timer(raft);
    return 0;
}

int raft_on_append_entries(struct raft *raft, const struct raft_message *message)
{
    if (message->term < raft->hard_state.term) {
        raft_respond_stale(raft, message);
        return 0;
    }
    int status = raft_hear_leader(raft, message);
    if (status != 0) {
        return status;
    }
    raft->is_leader_leased = message->append_entries.is_leased;
    raft->round_seen = max_u64(raft->round_seen, message->append_entries.round);

    struct raft_position prev = message->append_entries.prev;
    if (!is_known(raft, prev, MUTANT(PREV_TERM_UNCHECKED))) {
        if (prev.index <= raft->log.commit_index) {
            return QR_ERR_MALFORMED; /* contradicts what is committed */
        }
        reject(raft, message);
        return 0;
    }
    status = accept(raft, message);
    if (status != 0) {
        return status;
    }
    if (message->has_no_room) {
        reject(raft, message);
        return 0;
    }
    /* With entries the answer is worth sending when they are durable, unless the leader
     * waits for a sign of life: for a read, or for longer than a heartbeat.
     */
    if (message->entry_count == 0 || raft->round_seen > raft->round_echoed ||
        raft->now_ns - raft->response_ns >= raft->options.heartbeat_interval_ns ||
        min_u64(raft->verified_index, raft->log.durable_index) >=
            prev.index + message->entry_count) {
        raft->is_response_due = true;
    }
    return 0;
}

static void respond(struct raft *raft, struct raft_append_entries_response response)
{
    raft_index last = raft->log.last_index;
    response.match = min_u64(MUTANT(MATCH_UNVERIFIED) ? last : raft->verified_index,
                             MUTANT(ACK_BEFORE_SYNC) ? last : raft->log.durable_index);
    if (!raft_is_reset_durable(raft)) {
        response.match = 0; /* the disk's log stands elsewhere yet */
    }
    response.round = raft->round_seen;
    raft->acked_index = max_u64(raft->acked_index, response.match);
    raft->round_echoed = raft->round_seen;
    raft->response_ns = raft->now_ns;
    raft_send(raft, (struct raft_message){
                        .type = RAFT_APPEND_ENTRIES_RESPONSE,
                        .to = raft->leader,
                        .append_entries_response = response,
                    });
}

/* One answer for everything that came since the last ready. */
void raft_follower_ready(struct raft *raft)
{
    if (!raft->has_leader || !raft_is_hard_state_durable(raft)) {
        return; /* stays due until term and vote are durable */
    }
    raft_installed_ready(raft);
    if (raft->is_rejection_due) {
        respond(raft, raft->rejection);
    } else if (raft->is_response_due) {
        respond(raft, (struct raft_append_entries_response){0});
    }
    raft->is_rejection_due = false;
    raft->is_response_due = false;
}
