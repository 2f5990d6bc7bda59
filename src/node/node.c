/* node.c: the turn: what came in is let happen, in the one right order.
 *
 *   1. what is due by now (gossip, election, heartbeat, timeouts)
 *   2. held proposals and reads go to the leader
 *   3. the machine's ready: save first (write and sync begin), then messages (none of them
 *      promises what is not durable), then reads, then fetches
 *   4. a snapshot that a leader sent goes to the state machine, or else what is committed and
 *      durable does; before that, digests are compared (compare.c, digests.c)
 *   5. a slice of this node's own snapshot; what of the log is not needed any more goes
 *   6. who waited is told, and the members what has changed
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/node.h"

#include <string.h>

#include "base/assert.h"
#include "node/internal.h"
#include "quorate/error.h"

bool node_is_running(const struct node *node)
{
    return node->phase == NODE_RUNNING;
}

uint64_t node_uncommitted_bytes_max(const struct node *node)
{
    return 4 * node->options.inflight_bytes_max;
}

/* Of an entry: what the log holds at most. A member with another limit may send more. */
uint64_t node_record_bytes_max(const struct node *node)
{
    return entry_record_bytes(ENTRY_COMMAND_BYTES_MAX, node->options.message_bytes_max);
}

const struct raft_status *node_raft_status(const struct node *node)
{
    return &node->raft_now;
}

/* Step the machine; what only memory or an impossible state can cause ends the node. */
int node_step(struct node *node, struct raft_event event)
{
    ASSERT(node_is_running(node));
    event.now_ns = node->time.now_ns;
    event.wall_ns = node->time.wall_ns;
    int status = raft_step(node->raft, &event);
    raft_status(node->raft, &node->raft_now);
    if (status == QR_ERR_NO_MEMORY) {
        node_fail(node, status, "memory ran out");
    }
    return status;
}

/* Tell a member, as soon as this index is committed, that it is. */
void node_notify(struct node *node, node_id peer, raft_index index)
{
    int status =
        node_step(node, (struct raft_event){.type = RAFT_EVENT_NOTIFY, .notify = {peer, index}});
    ASSERT(status == 0);
}

void node_fail(struct node *node, int status, const char *reason)
{
    if (node->phase == NODE_STOPPED) {
        return;
    }
    node->phase = NODE_STOPPED;
    LOG(node->options.log, LOG_ERROR, "node_failed", log_string("error", qr_error_name(status)),
        log_string("reason", reason));
    node_fail_proposals(node);
    node_fail_reads(node, QR_ERR_STOPPED);
    node_snapshots_stop(node);
    node_fail_changes(node);
    node_invite_fail(node);
    node->options.io.failed(node->options.io.context, status, reason);
}

void node_stop(struct node *node)
{
    if (node->phase == NODE_STOPPED) {
        return;
    }
    if (node_is_running(node)) {
        node_refuse_joins(node, QR_ERR_STOPPED, "this node is stopping");
    }
    node->phase = NODE_STOPPED;
    node_fail_proposals(node);
    node_fail_reads(node, QR_ERR_STOPPED);
    node_snapshots_stop(node);
    node_fail_changes(node);
    node_invite_fail(node);
    node->options.io.dial_seed(node->options.io.context, NULL);
}

bool node_is_idle(const struct node *node)
{
    return (node->log == NULL || node->store->is_idle(node->log)) &&
           node_snapshots_are_idle(node) && !node->is_applying;
}

bool node_settle(struct node *node)
{
    ASSERT(node->phase == NODE_STOPPED);
    if (node_is_idle(node) && node->raft != NULL) {
        node->store->mark(node->log, node_raft_status(node)->commit_index);
    }
    return node_is_idle(node);
}

void node_free(struct node *node)
{
    if (node == NULL) {
        return;
    }
    const struct allocator *allocator = node->options.allocator;
    ASSERT(node_is_idle(node));
    node_apply_deinit(node);
    node_snapshots_deinit(node);
    node_reads_deinit(node);
    pending_deinit(&node->pending);
    entry_arena_deinit(&node->held_arena);
    node_gossip_free(node);
    raft_free(node->raft);
    node->store->free(node->log);
    release(allocator, node->join, node->join_bytes);
    release(allocator, node, sizeof(*node));
}

bool node_send(struct node *node, node_id to, const struct wire_message *message)
{
    if (node->phase == NODE_STOPPED) {
        return false; /* it failed while it was to answer: nothing stands behind what it says */
    }
    struct wire_frame *frame = wire_encode(node->options.allocator, message);
    if (frame == NULL) {
        return false; /* as good as lost on the way */
    }
    return node->options.io.send(node->options.io.context, to, frame);
}

/* Who sent proposals to the leader before waits for the first commit of this one, to know that
 * they are lost and to send them again: it need not wait for a heartbeat.
 */
static void promise_first_commit(struct node *node, const struct raft_status *now)
{
    const struct raft_configuration *configuration = raft_configuration(node->raft);
    for (size_t i = 0; i < configuration->count; i++) {
        node_notify(node, configuration->members[i].id, now->last_index);
    }
}

static void note_leader(struct node *node, const struct raft_status *now)
{
    node->leader_changes++;
    if (now->role == RAFT_LEADER) {
        promise_first_commit(node, now);
        LOG(node->options.log, LOG_INFO, "became_leader", log_u64("term", now->term),
            log_u64("last_index", now->last_index), log_u64("commit_index", now->commit_index));
        return;
    }
    if (!now->has_leader) {
        LOG(node->options.log, LOG_INFO, "leader_lost", log_u64("term", now->term));
        return;
    }
    const struct raft_configuration *configuration = raft_configuration(node->raft);
    int at = raft_configuration_find(configuration, now->leader);
    LOG(node->options.log, LOG_INFO, "leader_changed", log_u64("term", now->term),
        log_id("leader", now->leader),
        log_string("name", at < 0 ? "" : configuration->members[at].name));
}

/* Every change of role, term or leader in the machine's own words, for who traces it. */
static void trace_change(const struct node *node, const struct raft_status *now)
{
    char line[256];
    struct text text = text_of(line, sizeof(line));
    raft_status_text(now, &text);
    LOG(node->options.log, LOG_DEBUG, "raft_changed", log_string("to", line));
}

/* Say once what is different since the turn before. */
static void note_changes(struct node *node)
{
    const struct raft_status now = *node_raft_status(node);
    bool is_leader_new = now.has_leader != node->told_has_leader ||
                         (now.has_leader && now.leader != node->told_leader) ||
                         (now.has_leader && now.term != node->told_term);
    bool is_changed = is_leader_new || now.role != node->told_role || now.term != node->told_term;
    if (!is_changed) {
        return;
    }
    trace_change(node, &now);
    if (now.role == RAFT_PRE_CANDIDATE && node->told_role != RAFT_PRE_CANDIDATE) {
        node->elections_started++;
        LOG(node->options.log, LOG_INFO, "election_started", log_u64("term", now.term + 1));
    }
    if (is_leader_new) {
        note_leader(node, &now);
    }
    if (node->told_role == RAFT_LEADER && now.role != RAFT_LEADER) {
        node_refuse_joins(node, QR_ERR_NOT_LEADER, "leadership moved");
    }
    node->told_role = now.role;
    node->told_term = now.term;
    node->told_has_leader = now.has_leader;
    node->told_leader = now.leader;
    node->options.io.changed(node->options.io.context);
}

static void running_turn(struct node *node)
{
    if (node->time.now_ns >= raft_deadline(node->raft)) {
        int status = node_step(node, (struct raft_event){.type = RAFT_EVENT_TICK});
        ASSERT(status == 0 || !node_is_running(node));
    }
    if (node_is_running(node)) {
        node_watch(node);
    }
    if (node_is_running(node)) {
        node_members_turn(node);
    }
    if (node_is_running(node)) {
        node_invite_turn(node);
    }
    if (node_is_running(node)) {
        node_removal_turn(node);
        node_propose_tick(node);
        node_flush_held(node);
        node_stale_turn(node);
        node_flush_reads(node);
    }
    if (node_is_running(node)) {
        node_take_ready(node);
    }
    if (node_is_running(node)) {
        node_install_turn(node);
    }
    if (node_is_running(node)) {
        node_compare_turn(node);
    }
    if (node_is_running(node)) {
        node_divergence_turn(node);
    }
    if (node_is_running(node)) {
        node_snapshots_turn(node); /* between two batches: below the next one is under way */
    }
    if (node_is_running(node)) {
        node_digests_turn(node);
    }
    if (node_is_running(node)) {
        node_start_apply(node);
    }
    if (node_is_running(node)) {
        node_sendings_turn(node);
    }
    if (node_is_running(node)) {
        node_backups_turn(node);
    }
    if (node_is_running(node)) {
        note_changes(node);
        node_log_upkeep(node);
    }
}

void node_turn(struct node *node, struct node_time time)
{
    ASSERT(time.now_ns >= node->time.now_ns);
    node->time = time;
    node->needs_turn = false;
    if (node->phase != NODE_STOPPED) {
        node_gossip_turn(node);
    }
    if (node->phase == NODE_JOINING) {
        node_join_turn(node);
    }
    if (node->phase != NODE_STOPPED) {
        node_changes_turn(node);
    }
    if (node_is_running(node)) {
        running_turn(node);
    }
    if (node->phase != NODE_STOPPED) {
        node_expire_proposals(node);
        node_finish_reads(node);
    }
    if (node->phase != NODE_STOPPED) {
        node_gossip_tell(node);
    }
}

time_ns node_deadline(const struct node *node)
{
    if (node->phase == NODE_STOPPED) {
        return TIME_NEVER;
    }
    if (node->needs_turn) {
        return node->time.now_ns;
    }
    time_ns deadline = min_u64(node_proposals_deadline(node), node_reads_deadline(node));
    deadline = min_u64(deadline, node_changes_deadline(node));
    deadline = min_u64(deadline, node_gossip_deadline(node));
    if (node->phase == NODE_JOINING) {
        return min_u64(deadline, node->seed_due_ns);
    }
    if (node_is_running(node)) {
        deadline = min_u64(deadline, raft_deadline(node->raft));
        deadline = min_u64(deadline, node_removal_deadline(node));
        deadline = min_u64(deadline, node_members_deadline(node));
        deadline = min_u64(deadline, node_invite_deadline(node));
        deadline = min_u64(deadline, node_watch_deadline(node));
        deadline = min_u64(deadline, node_stale_deadline(node));
        deadline = min_u64(deadline, node_tick_deadline(node));
        deadline = min_u64(deadline, min_u64(node->mark_due_ns, node->prepare_due_ns));
        deadline = min_u64(deadline, node_snapshots_deadline(node));
        deadline = min_u64(deadline, node_sendings_deadline(node));
        deadline = min_u64(deadline, node_backups_deadline(node));
        deadline = min_u64(deadline, node_install_deadline(node));
        deadline = min_u64(deadline, node_compare_deadline(node));
        deadline = min_u64(deadline, node_divergence_deadline(node));
    }
    return deadline;
}

/* Once a second at most: whoever sends one such message may send many. */
static void log_refused_message(struct node *node, node_id from, const char *reason)
{
    if (node->time.now_ns >= node->refusal_log_due_ns) {
        node->refusal_log_due_ns = node->time.now_ns + NS_PER_S;
        LOG(node->options.log, LOG_WARN, "message_refused", log_id("from", from),
            log_string("reason", reason));
    }
}

static struct raft_position log_end(const struct node *node)
{
    struct raft_position end = {.index = node_raft_status(node)->last_index};
    bool is_known = raft_term_at(node->raft, end.index, &end.term);
    ASSERT(is_known);
    return end;
}

static void on_raft_message(struct node *node, node_id from, const struct wire_message *message)
{
    struct raft_message raft_message = wire_to_raft(message);
    if (raft_message.from != from) {
        log_refused_message(node, from, "it claims another sender");
        return;
    }
    if (node_rebuild_receive(node, &raft_message)) {
        return;
    }
    node_sendings_answered(node, &raft_message);
    if (!node_is_running(node)) {
        return;
    }
    uint64_t bytes = 0;
    bool has_guarded = false;
    for (size_t i = 0; i < message->entry_count; i++) {
        has_guarded = has_guarded || message->entries[i].type == ENTRY_GUARDED;
        bytes += message->entries[i].record_bytes;
        if (message->entries[i].record_bytes > node_record_bytes_max(node)) {
            log_refused_message(node, from, "an entry is over this node's max_message_bytes");
            return;
        }
    }
    bool is_full = bytes > 0 && !node_has_room(node, bytes);
    if (has_guarded && !is_full) {
        is_full = node_note_guarded(node) != 0;
        if (!node_is_running(node)) {
            return;
        }
    }
    if (is_full) {
        raft_message.entries = NULL;
        raft_message.entry_count = 0;
        raft_message.has_no_room = true;
        bytes = 0;
    }
    struct raft_position before = log_end(node);
    int status =
        node_step(node, (struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &raft_message});
    if (status == QR_ERR_MALFORMED) {
        log_refused_message(node, from, "it contradicts itself, or what is committed");
        return;
    }
    /* What was refused or known already takes no room, and no save would give it back. */
    struct raft_position after = log_end(node);
    bool has_appended = before.index != after.index || before.term != after.term;
    node->unsaved_bytes += has_appended ? bytes : 0;
}

void node_receive(struct node *node, node_id from, uint64_t connection,
                  const struct wire_message *message, struct node_time time)
{
    node->time = time;
    if (message->type == WIRE_INVITE) {
        node_on_invite(node, from, connection, &message->invite);
        return;
    }
    if (!node_is_running(node)) {
        return;
    }
    if (wire_is_raft(message->type)) {
        on_raft_message(node, from, message);
        return;
    }
    switch ((enum wire_message_type)message->type) {
    case WIRE_JOIN:
        if (message->join.from != from) {
            log_refused_message(node, from, "it asks for another node to join");
        } else {
            node_on_join(node, connection, &message->join);
        }
        break;
    case WIRE_FORWARD:
        node_on_forward(node, from, message);
        break;
    case WIRE_FORWARD_RESPONSE:
        node_on_forward_response(node, &message->forward_response);
        break;
    case WIRE_READ:
        node_on_read_request(node, from, &message->read);
        break;
    case WIRE_READ_RESPONSE:
        node_on_read_response(node, &message->read_response);
        break;
    case WIRE_CHANGE:
        node_on_change(node, from, &message->change);
        break;
    case WIRE_CHANGE_RESPONSE:
        node_on_change_response(node, &message->change_response);
        break;
    case WIRE_COMPARE:
        node_on_compare(node, from, &message->compare);
        break;
    case WIRE_COMPARE_RESPONSE:
        node_on_compare_response(node, from, &message->compare_response);
        break;
    case WIRE_HELLO:
    case WIRE_HELLO_RESPONSE:
    case WIRE_JOIN_RESPONSE:
    case WIRE_INVITE:
    case WIRE_INVITE_RESPONSE:
    case WIRE_GOSSIP: /* what it carries comes by node_gossip_stream() */
        break;        /* not at this point of a conversation; harmless */
    }
}
