/* raft.c: the way in and the way out of the Raft machine, and what every role shares.
 *
 * A message that leaves promises that term and vote are durable: raft_send() holds it back
 * until the save that has them is done (Raft, figure 2: "updated on stable storage before
 * responding to RPCs"; for a candidate's own requests likewise).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "raft/raft.h"

#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "quorate/error.h"
#include "raft/internal.h"

static bool options_are_valid(const struct raft_options *options)
{
    return options->allocator != NULL && options->heartbeat_interval_ns > 0 &&
           options->heartbeat_interval_ns < options->election_timeout_min_ns &&
           options->election_timeout_min_ns <= options->election_timeout_max_ns &&
           options->election_timeout_max_ns < TIME_NEVER / 4 && options->append_entries_max > 0 &&
           options->append_bytes_max > 0 && options->inflight_messages_max > 0 &&
           options->inflight_bytes_max > 0 && options->uncommitted_bytes_max > 0 &&
           options->lease_ns <= raft_lease_ns_max(options->election_timeout_min_ns);
}

int raft_new(const struct raft_options *options, const struct raft_restored *restored,
             time_ns now_ns, struct raft **out)
{
    if (!options_are_valid(options)) {
        return QR_ERR_INVALID;
    }
    const struct allocator *allocator = options->allocator;
    struct raft *raft = allocate_zeroed(allocator, sizeof(*raft));
    if (raft == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    raft->options = *options;
    raft->prng = prng_of(options->seed);
    raft->now_ns = now_ns;
    raft_log_init(&raft->log, allocator, options->cache_bytes_max);
    entry_arena_init(&raft->arena, allocator);
    raft->out = allocate(allocator, RAFT_MESSAGES_MAX * sizeof(*raft->out));
    raft->held = allocate(allocator, RAFT_HELD_MAX * sizeof(*raft->held));
    int status = QR_ERR_NO_MEMORY;
    if (raft->out != NULL && raft->held != NULL) {
        status = raft_restore(raft, restored);
    }
    if (status != 0) {
        raft_free(raft);
        return status;
    }
    raft->leader_heard_ns = now_ns; /* a leader may hold a lease that rests on us: see lease.c */
    raft->is_leader_leased = true;
    raft_become_follower(raft, raft->hard_state.term, false, 0);
    raft_invariants(raft);
    *out = raft;
    return 0;
}

void raft_free(struct raft *raft)
{
    if (raft == NULL) {
        return;
    }
    const struct allocator *allocator = raft->options.allocator;
    raft_release_fetched(raft);
    raft_release_pieces(raft);
    raft_peers_deinit(raft);
    raft_configuration_deinit(raft);
    raft_log_deinit(&raft->log);
    entry_arena_deinit(&raft->arena);
    release(allocator, raft->reads, raft->read_capacity * sizeof(*raft->reads));
    release(allocator, raft->read_rounds, raft->read_capacity * sizeof(*raft->read_rounds));
    release(allocator, raft->reads_out, raft->reads_out_capacity * sizeof(*raft->reads_out));
    release(allocator, raft->out, RAFT_MESSAGES_MAX * sizeof(*raft->out));
    release(allocator, raft->held, RAFT_HELD_MAX * sizeof(*raft->held));
    release(allocator, raft, sizeof(*raft));
}

bool raft_is_hard_state_durable(const struct raft *raft)
{
    return !raft->is_hard_state_changed && raft->hard_state_save <= raft->save_completed;
}

void raft_set_hard_state(struct raft *raft, raft_term term, bool has_voted, node_id voted_for)
{
    ASSERT(term >= raft->hard_state.term);
    ASSERT_IMPLIES(term == raft->hard_state.term && raft->hard_state.has_voted,
                   has_voted && voted_for == raft->hard_state.voted_for);
    if (term > raft->hard_state.term) {
        raft->held_count = 0; /* of a term that is over */
    }
    raft->hard_state = (struct hard_state){term, voted_for, has_voted};
    raft->is_hard_state_changed = true;
}

void raft_send(struct raft *raft, struct raft_message message)
{
    message.from = raft->options.self;
    message.term = raft->hard_state.term;
    ASSERT(message.to != message.from);
    bool is_early = MUTANT(VOTE_BEFORE_DURABLE) && message.type == RAFT_REQUEST_VOTE_RESPONSE;
    if (!raft_is_hard_state_durable(raft) && !is_early) {
        if (raft->held_count < RAFT_HELD_MAX) {
            ASSERT(message.entry_count == 0);
            raft->held[raft->held_count++] = message;
        }
        return;
    }
    if (raft->out_count < RAFT_MESSAGES_MAX) {
        raft->out[raft->out_count++] = message;
    }
}

void raft_become_follower(struct raft *raft, raft_term term, bool has_leader, node_id leader)
{
    ASSERT(term >= raft->hard_state.term);
    ASSERT_IMPLIES(has_leader, leader != raft->options.self);

    bool is_new_term = term > raft->hard_state.term;
    bool is_new_leader = has_leader && (!raft->has_leader || raft->leader != leader);
    if (raft->role == RAFT_LEADER) {
        raft_leave_leadership(raft);
    }
    if (is_new_term) {
        raft_set_hard_state(raft, term, false, 0);
        raft->haste = (struct raft_haste){0};
    }
    if (is_new_term || is_new_leader) {
        raft->verified_index = MUTANT(VERIFIED_KEPT) ? raft->verified_index : 0;
        raft->acked_index = 0;
        raft->round_seen = 0;
        raft->round_echoed = 0;
        raft->is_response_due = false;
        raft->is_rejection_due = false;
        raft->is_installed_due = false;
        raft->offered = (struct raft_position){0};
    }
    if (has_leader && (is_new_leader || is_new_term)) {
        raft->is_leader_leased = true; /* until it says */
    }
    raft->role = RAFT_FOLLOWER;
    raft->has_leader = has_leader;
    raft->leader = leader;
    raft->granted_count = 0;
    raft->refused_count = 0;
    raft_configuration_apply_role(raft);
    raft_reset_election_timer(raft);
}

/* A higher term ends ours (Raft §5.1), but for votes that may be refused without it:
 * a pre-vote is only a question, and who hears a leader ignores a campaign (diss. §4.2.3).
 */
static void follow_higher_term(struct raft *raft, const struct raft_message *message)
{
    if (message->term <= raft->hard_state.term || message->type == RAFT_PRE_VOTE) {
        return;
    }
    if (message->type == RAFT_REQUEST_VOTE && !message->request_vote.is_transfer &&
        raft_sticks_to_leader(raft)) {
        return;
    }
    if (message->type == RAFT_PRE_VOTE_RESPONSE && message->pre_vote_response.is_granted) {
        return; /* contradicts itself: who grants stands below the asked term */
    }
    bool is_from_leader =
        message->type == RAFT_APPEND_ENTRIES || message->type == RAFT_INSTALL_SNAPSHOT;
    raft_become_follower(raft, message->term, is_from_leader, is_from_leader ? message->from : 0);
}

static bool is_well_formed(const struct raft_message *message)
{
    switch (message->type) {
    case RAFT_APPEND_ENTRIES:
        return raft_append_is_well_formed(message);
    case RAFT_INSTALL_SNAPSHOT:
        return raft_piece_is_well_formed(message);
    default:
        return true;
    }
}

static int on_message(struct raft *raft, const struct raft_message *message)
{
    if (message->from == raft->options.self || message->to != raft->options.self ||
        !is_well_formed(message)) {
        return QR_ERR_MALFORMED;
    }
    /* Taken over, it would be kept for good, and spread; behind the last there is no election. */
    if (message->term > raft->hard_state.term &&
        message->term - raft->hard_state.term > RAFT_TERM_JUMP_MAX) {
        return QR_ERR_MALFORMED;
    }
    follow_higher_term(raft, message);
    switch (message->type) {
    case RAFT_PRE_VOTE:
        raft_on_pre_vote(raft, message);
        return 0;
    case RAFT_PRE_VOTE_RESPONSE:
        return raft_on_pre_vote_response(raft, message);
    case RAFT_REQUEST_VOTE:
        raft_on_request_vote(raft, message);
        return 0;
    case RAFT_REQUEST_VOTE_RESPONSE:
        return raft_on_request_vote_response(raft, message);
    case RAFT_APPEND_ENTRIES:
        return raft_on_append_entries(raft, message);
    case RAFT_APPEND_ENTRIES_RESPONSE:
        if (message->term == raft->hard_state.term && raft->role == RAFT_LEADER) {
            return raft_on_append_entries_response(raft, message);
        }
        return 0;
    case RAFT_INSTALL_SNAPSHOT:
        return raft_on_install_snapshot(raft, message);
    case RAFT_INSTALL_SNAPSHOT_RESPONSE:
        if (message->term == raft->hard_state.term && raft->role == RAFT_LEADER) {
            return raft_on_install_snapshot_response(raft, message);
        }
        return 0;
    case RAFT_TIMEOUT_NOW:
        return raft_on_timeout_now(raft, message);
    }
    return QR_ERR_MALFORMED;
}

void raft_saves_lower(struct raft *raft, raft_index index)
{
    for (size_t i = 0; i < raft->save_count; i++) {
        struct raft_save *save = &raft->saves[(raft->save_head + i) % RAFT_SAVES_MAX];
        if (!MUTANT(REPLACED_SAVE_COUNTS)) {
            save->last_index = min_u64(save->last_index, index);
        }
    }
}

bool raft_is_reset_durable(const struct raft *raft)
{
    return !raft->is_reset_due && raft->reset_save <= raft->save_completed;
}

/* Messages held for the save that just ended may leave, if their term still lasts. */
static void release_held(struct raft *raft)
{
    size_t count = raft->held_count;
    raft->held_count = 0;
    for (size_t i = 0; i < count; i++) {
        ASSERT(raft->held[i].term == raft->hard_state.term);
        raft_send(raft, raft->held[i]);
    }
}

static int on_saved(struct raft *raft, uint64_t number)
{
    ASSERT(number > raft->save_completed && number <= raft->save_issued);
    raft_index durable = raft->log.durable_index;
    while (raft->save_count > 0 && raft->saves[raft->save_head].number <= number) {
        durable = raft->saves[raft->save_head].last_index;
        raft->save_head = (raft->save_head + 1) % RAFT_SAVES_MAX;
        raft->save_count--;
    }
    raft->save_completed = number;
    raft->log.durable_index = max_u64(raft->log.durable_index, durable);
    ASSERT(raft->log.durable_index <= raft->log.handed_index);
    if (raft_is_hard_state_durable(raft)) {
        release_held(raft);
    }
    raft_log_evict(&raft->log);
    if (raft->role == RAFT_LEADER) {
        return raft_leader_commit(raft);
    }
    if (min_u64(raft->verified_index, raft->log.durable_index) > raft->acked_index) {
        raft->is_response_due = true;
    }
    return raft_election_saved(raft);
}

static void on_notify(struct raft *raft, node_id id, raft_index index)
{
    struct raft_peer *peer = raft->role == RAFT_LEADER ? raft_find_peer(raft, id) : NULL;
    if (peer != NULL) {
        peer->notify_index = max_u64(peer->notify_index, index);
    }
}

static void on_tick(struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        raft_leader_tick(raft);
    } else {
        raft_election_tick(raft);
    }
}

/* What the last ready lent has been used by now, and is not handed out again. */
static void end_loan(struct raft *raft)
{
    if (raft->is_ready_taken) {
        raft->is_ready_taken = false;
        raft_release_fetched(raft);
        raft_release_pieces(raft);
        raft->out_count = 0;
        raft->reads_out_count = 0;
        raft->answer_count = 0;
    }
}

int raft_step(struct raft *raft, const struct raft_event *event)
{
    ASSERT(event->now_ns >= raft->now_ns);
    raft->now_ns = event->now_ns;
    raft->wall_ns = event->wall_ns;
    end_loan(raft);
    switch (event->type) {
    case RAFT_EVENT_MESSAGE:
        return on_message(raft, event->message);
    case RAFT_EVENT_TICK:
        on_tick(raft);
        return 0;
    case RAFT_EVENT_PROPOSE:
        return raft_leader_propose(raft, event->propose.proposals, event->propose.count);
    case RAFT_EVENT_CONFIGURE:
        return raft_on_configure(raft, event->configuration);
    case RAFT_EVENT_READ:
        return raft_on_read(raft, event->read_token);
    case RAFT_EVENT_SAVED:
        return on_saved(raft, event->saved);
    case RAFT_EVENT_APPLIED:
        ASSERT(event->applied >= raft->log.applied_index);
        ASSERT(event->applied <= raft_applicable_index(raft));
        raft->log.applied_index = event->applied;
        raft_log_evict(&raft->log);
        return 0;
    case RAFT_EVENT_FETCHED:
        return raft_on_fetched(raft, event->fetched.peer, event->fetched.status,
                               event->fetched.entries, event->fetched.count);
    case RAFT_EVENT_NOTIFY:
        on_notify(raft, event->notify.peer, event->notify.index);
        return 0;
    case RAFT_EVENT_COMPACT:
        raft_on_compact(raft, event->compact);
        return 0;
    case RAFT_EVENT_PIECE:
        return raft_on_piece(raft, event->piece);
    case RAFT_EVENT_SENDING_ENDED:
        raft_on_sending_ended(raft, event->sending_ended.peer, event->sending_ended.status);
        return 0;
    case RAFT_EVENT_PIECE_TAKEN:
        raft_on_piece_taken(raft, event);
        return 0;
    case RAFT_EVENT_INSTALLED:
        return raft_on_installed(raft, event->installed);
    case RAFT_EVENT_TRANSFER:
        return raft_on_transfer(raft, event->transfer_to);
    case RAFT_EVENT_READ_LEASE:
        return raft_on_read_lease(raft, event->read_token);
    case RAFT_EVENT_STALL:
        raft_on_stall(raft, event->is_stalled);
        return 0;
    case RAFT_EVENT_LEADER_LOST:
        raft_on_leader_lost(raft, event->leader_lost.leader, event->leader_lost.term);
        return 0;
    }
    return QR_ERR_INVALID;
}

/* One save for all that changed; more than RAFT_SAVES_MAX under way wait and become one. */
static void ready_save(struct raft *raft, struct raft_ready *out)
{
    struct raft_log *log = &raft->log;
    bool has_entries = log->last_index > log->handed_index;
    if ((!has_entries && !raft->is_hard_state_changed && !raft->is_reset_due) ||
        raft->save_count == RAFT_SAVES_MAX) {
        return;
    }
    out->save_number = ++raft->save_issued;
    out->hard_state = raft->hard_state;
    if (raft->is_reset_due) {
        raft->is_reset_due = false;
        raft->reset_save = out->save_number;
        raft->reset = log->base;
        out->reset = &raft->reset;
    }
    if (has_entries) {
        out->entry_count = (size_t)(log->last_index - log->handed_index);
        out->entries = raft_log_entry(log, log->handed_index + 1);
        ASSERT(out->entries != NULL);
        log->handed_index = log->last_index;
    }
    if (raft->is_hard_state_changed) {
        raft->is_hard_state_changed = false;
        raft->hard_state_save = out->save_number;
    }
    size_t at = (raft->save_head + raft->save_count++) % RAFT_SAVES_MAX;
    raft->saves[at] = (struct raft_save){out->save_number, log->last_index};
}

void raft_ready(struct raft *raft, struct raft_ready *out)
{
    end_loan(raft);
    *out = (struct raft_ready){0};
    if (raft->role == RAFT_LEADER) {
        raft_transfer_ready(raft);
        raft_lease_ready(raft);
        raft_leader_ready(raft, out);
    } else {
        raft_follower_ready(raft);
    }
    ready_save(raft, out);
    out->messages = raft->out;
    out->message_count = raft->out_count;
    out->reads = raft->reads_out;
    out->read_count = raft->reads_out_count;
    out->answers = raft->answers;
    out->answer_count = raft->answer_count;
    out->pieces = raft->pieces;
    out->piece_count = raft->piece_count;
    raft->is_ready_taken = true;
}

time_ns raft_deadline(const struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        return raft_leader_deadline(raft);
    }
    return raft->election_deadline_ns;
}
