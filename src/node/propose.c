/* propose.c: proposals on their way: held, forwarded or appended, and told how they ended.
 *
 *   held       certainly nowhere yet; sent on as soon as a leader is known, refused with
 *              QR_ERR_NO_LEADER after about an election timeout
 *   forwarded  with a leader that has not answered: may or may not be in its log
 *   appended   in a leader's log at a known index and term: done when this very entry is
 *              applied here, certainly not when another one is
 *
 * What is not held is never sent a second time.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "node/internal.h"
#include "quorate/error.h"

#define SWEEP_MAX 64 /* proposals looked at a turn */

void node_finish(struct node *node, struct pending *pending, int status, raft_index index,
                 const struct qr_result *result)
{
    uint64_t token = pending->token;
    if (pending->state == PENDING_HELD) {
        ASSERT(node->held_count > 0);
        node->held_count--;
    }
    pending_remove(&node->pending, pending);
    node->options.io.proposal_done(node->options.io.context, token, status, index, result);
}

static int check(const struct node *node, const struct node_proposal *proposal)
{
    if (node->phase == NODE_STOPPED) {
        return QR_ERR_STOPPED;
    }
    if (proposal->command_bytes > ENTRY_COMMAND_BYTES_MAX ||
        proposal->command_bytes + proposal->payload_bytes == 0) {
        return QR_ERR_INVALID;
    }
    if (proposal->payload_bytes > node->options.message_bytes_max - proposal->command_bytes) {
        return QR_ERR_TOO_LARGE;
    }
    return 0;
}

static struct raft_proposal raft_proposal_of(const struct node_proposal *proposal,
                                             struct proposal_id id)
{
    return (struct raft_proposal){
        .id = id,
        .type = ENTRY_NORMAL,
        .command_bytes = (uint8_t)proposal->command_bytes,
        .payload_bytes = (uint32_t)proposal->payload_bytes,
        .command = proposal->command,
        .payload = proposal->payload,
    };
}

/* As leader: into the log. 0 with index and term set, or why not. */
static int append(struct node *node, const struct raft_proposal *proposal, raft_index *index,
                  raft_term *term)
{
    uint64_t bytes = entry_record_bytes(proposal->command_bytes, proposal->payload_bytes);
    if (!node_has_room(node, bytes)) {
        return QR_ERR_DISK_FULL;
    }
    int status =
        node_step(node, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .propose = {proposal, 1}});
    if (status != 0) {
        return status;
    }
    node->unsaved_bytes += bytes;
    struct raft_status now = node_raft_status(node);
    *index = now.last_index;
    *term = now.term;
    return 0;
}

/* Keep a copy until a leader is known. */
static int hold(struct node *node, struct pending *pending, const struct raft_proposal *proposal)
{
    int status = entry_arena_encode(&node->held_arena,
                                    &(struct entry_fields){
                                        .id = proposal->id,
                                        .type = ENTRY_NORMAL,
                                        .command_bytes = proposal->command_bytes,
                                        .payload_bytes = proposal->payload_bytes,
                                        .command = proposal->command,
                                        .payload = proposal->payload,
                                    },
                                    &pending->entry);
    if (status == 0) {
        pending->state = PENDING_HELD;
        node->held_count++;
    }
    return status;
}

int node_propose(struct node *node, const struct node_proposal *proposal, uint64_t token,
                 struct node_time time)
{
    int status = check(node, proposal);
    if (status != 0) {
        return status;
    }
    node->time = time;
    struct proposal_id id = proposal->id;
    if (id.high == 0 && id.low == 0) {
        id = (struct proposal_id){node->identity.id, pending_next_sequence(&node->pending)};
    }
    struct pending *pending = pending_add(&node->pending, id, &status);
    if (pending == NULL) {
        return status;
    }
    pending->token = token;
    pending->deadline_ns = time.now_ns + node->options.proposal_timeout_ns;
    pending->hold_until_ns =
        min_u64(pending->deadline_ns, time.now_ns + node->options.election_timeout_min_ns +
                                          node->options.election_timeout_max_ns);

    struct raft_proposal raft_proposal = raft_proposal_of(proposal, id);
    bool is_leader = node_is_running(node) && node->held_count == 0 && raft_is_leader(node->raft);
    if (is_leader) {
        status = append(node, &raft_proposal, &pending->index, &pending->term);
        pending->state = PENDING_APPENDED;
    } else {
        status = hold(node, pending, &raft_proposal);
    }
    if (status != 0 && node->phase != NODE_STOPPED) {
        pending->state = PENDING_APPENDED; /* it is not counted among the held ones */
        pending_remove(&node->pending, pending);
    }
    return node->phase == NODE_STOPPED ? 0 : status; /* stopped meanwhile: it was told */
}

/* This node leads: what it held goes into its own log. */
static void append_held(struct node *node, struct pending *pending)
{
    struct entry_fields fields = entry_fields_of(&pending->entry);
    struct raft_proposal proposal = {
        .id = fields.id,
        .type = fields.type,
        .command_bytes = fields.command_bytes,
        .payload_bytes = fields.payload_bytes,
        .command = fields.command,
        .payload = fields.payload,
    };
    int status = append(node, &proposal, &pending->index, &pending->term);
    if (node->phase == NODE_STOPPED) {
        return;
    }
    if (status != 0) {
        node_finish(node, pending, status, 0, NULL);
        return;
    }
    pending->state = PENDING_APPENDED;
    node->held_count--;
    chunk_drop(pending->entry.chunk);
    pending->entry = (struct entry){0};
}

struct batch {
    struct entry *entries;
    size_t count;
    size_t bytes;
    uint64_t first; /* sequence number of the first */
};

/* Send a run of held proposals to the leader. Returns false when it was not sent. */
static bool send_batch(struct node *node, node_id leader, struct batch *batch)
{
    if (batch->count == 0) {
        return true;
    }
    struct wire_message message = {
        .type = WIRE_FORWARD,
        .forward = {.from = node->identity.id, .request = batch->first},
        .entries = batch->entries,
        .entry_count = batch->count,
    };
    bool is_sent = node_send(node, leader, &message);
    for (size_t i = 0; i < batch->count && is_sent; i++) {
        struct pending *pending = pending_at(&node->pending, batch->first + i);
        ASSERT(pending != NULL && pending->state == PENDING_HELD);
        pending->state = PENDING_FORWARDED;
        node->held_count--;
        node->proposals_forwarded++;
        chunk_drop(pending->entry.chunk);
        pending->entry = (struct entry){0};
    }
    batch->count = 0;
    batch->bytes = 0;
    return is_sent;
}

static void forward_held(struct node *node, node_id leader)
{
    struct entry entries[256];
    struct batch batch = {.entries = entries};
    uint64_t end = pending_next_sequence(&node->pending);
    bool is_sent = true;
    for (uint64_t s = node->pending.first; s < end && is_sent; s++) {
        struct pending *pending = pending_at(&node->pending, s);
        bool is_held = pending != NULL && pending->state == PENDING_HELD;
        bool is_full =
            batch.count == sizeof(entries) / sizeof(entries[0]) ||
            (is_held && batch.count > 0 &&
             batch.bytes + pending->entry.record_bytes > node->options.message_bytes_max);
        if (!is_held || is_full) {
            is_sent = send_batch(node, leader, &batch);
        }
        if (is_held && is_sent) {
            batch.first = batch.count == 0 ? s : batch.first;
            batch.bytes += pending->entry.record_bytes;
            entries[batch.count++] = pending->entry;
        }
    }
    if (is_sent) {
        (void)send_batch(node, leader, &batch); /* unsent ones stay held */
    }
}

void node_flush_held(struct node *node)
{
    if (node->held_count == 0) {
        return;
    }
    struct raft_status now = node_raft_status(node);
    if (now.role == RAFT_LEADER) {
        uint64_t end = pending_next_sequence(&node->pending);
        for (uint64_t s = node->pending.first; s < end && node->held_count > 0; s++) {
            struct pending *pending = pending_at(&node->pending, s);
            if (pending != NULL && pending->state == PENDING_HELD && node_is_running(node)) {
                append_held(node, pending);
            }
        }
    } else if (now.has_leader) {
        forward_held(node, now.leader);
    }
}

/* Give up what is past its time: held ones certainly went nowhere. */
void node_expire_proposals(struct node *node)
{
    uint64_t end = pending_next_sequence(&node->pending);
    for (uint64_t s = node->pending.first; s < end; s++) {
        struct pending *pending = pending_at(&node->pending, s);
        if (pending == NULL) {
            continue;
        }
        if (node->time.now_ns < pending->hold_until_ns) {
            return; /* the others came later */
        }
        if (pending->state == PENDING_HELD) {
            node_finish(node, pending, QR_ERR_NO_LEADER, 0, NULL);
        } else if (node->time.now_ns >= pending->deadline_ns) {
            node_finish(node, pending, QR_ERR_TIMEOUT, 0, NULL);
        } else if (node->held_count == 0) {
            return;
        }
    }
}

/* An index that was applied without telling its proposer was another leader's. */
void node_sweep_superseded(struct node *node)
{
    raft_index applied = node_raft_status(node).applied_index;
    uint64_t end = min_u64(pending_next_sequence(&node->pending), node->pending.first + SWEEP_MAX);
    for (uint64_t s = node->pending.first; s < end; s++) {
        struct pending *pending = pending_at(&node->pending, s);
        if (pending != NULL && pending->state == PENDING_APPENDED && pending->index <= applied) {
            node_finish(node, pending, QR_ERR_SUPERSEDED, 0, NULL);
        }
    }
}

void node_fail_proposals(struct node *node)
{
    uint64_t end = pending_next_sequence(&node->pending);
    for (uint64_t s = node->pending.first; s < end; s++) {
        struct pending *pending = pending_at(&node->pending, s);
        if (pending != NULL) {
            node_finish(node, pending, QR_ERR_STOPPED, 0, NULL);
        }
    }
}

/* A frame that came twice must not append twice. Requests of one life of a member count on;
 * another life starts somewhere else altogether.
 */
static bool was_seen(struct node *node, node_id from, uint64_t request, size_t count)
{
    struct node_forward_seen *seen = NULL;
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        struct node_forward_seen *one = &node->seen[i];
        if (one->is_used && one->from == from) {
            seen = one;
            break;
        }
        if (!one->is_used && seen == NULL) {
            seen = one;
        }
    }
    if (seen == NULL) {
        /* More members than there ever were at once: forget one that is none any more. */
        for (size_t i = 0; i < RAFT_MEMBERS_MAX && seen == NULL; i++) {
            if (raft_configuration_find(raft_configuration(node->raft), node->seen[i].from) < 0) {
                seen = &node->seen[i];
                seen->is_used = false;
            }
        }
        if (seen == NULL) {
            return true;
        }
    }
    bool is_old = seen->is_used && request < seen->next_request &&
                  seen->next_request - request < UINT64_C(1) << 32;
    if (!is_old) {
        *seen = (struct node_forward_seen){from, request + count, true};
    }
    return is_old;
}

static void answer_forward(struct node *node, node_id to, struct wire_forward_response response)
{
    response.from = node->identity.id;
    struct wire_message message = {.type = WIRE_FORWARD_RESPONSE, .forward_response = response};
    if (response.count > 0) {
        (void)node_send(node, to, &message);
    }
}

/* A member's proposals: append what goes, and say how many did. */
void node_on_forward(struct node *node, node_id from, const struct wire_message *message)
{
    uint64_t request = message->forward.request;
    if (was_seen(node, from, request, message->entry_count)) {
        return;
    }
    struct wire_forward_response appended = {.request = request};
    int status = 0;
    for (size_t i = 0; i < message->entry_count && status == 0; i++) {
        struct entry_fields fields = entry_fields_of(&message->entries[i]);
        struct raft_proposal proposal = {
            .id = fields.id,
            .type = ENTRY_NORMAL,
            .command_bytes = fields.command_bytes,
            .payload_bytes = fields.payload_bytes,
            .command = fields.command,
            .payload = fields.payload,
        };
        raft_index index;
        status = append(node, &proposal, &index, &appended.entry_term);
        if (!node_is_running(node)) {
            return;
        }
        if (status == 0) {
            appended.first_index = appended.count == 0 ? index : appended.first_index;
            appended.count++;
        }
    }
    answer_forward(node, from, appended);
    answer_forward(node, from,
                   (struct wire_forward_response){
                       .request = request + appended.count,
                       .count = (uint32_t)message->entry_count - appended.count,
                       .status = status,
                   });
    if (appended.count > 0) {
        raft_index last = appended.first_index + appended.count - 1;
        node_notify(node, from, last);
    }
}

/* Certainly not appended there: what may be tried again is not, for its record is gone; the
 * proposer is told that nothing happened.
 */
void node_on_forward_response(struct node *node, const struct wire_forward_response *response)
{
    for (uint32_t i = 0; i < response->count && i < WIRE_ENTRIES_MAX; i++) {
        struct pending *pending = pending_at(&node->pending, response->request + i);
        if (pending == NULL || pending->state != PENDING_FORWARDED) {
            continue;
        }
        if (response->status == 0) {
            pending->state = PENDING_APPENDED;
            pending->index = response->first_index + i;
            pending->term = response->entry_term;
        } else {
            bool is_certain = qr_error_class_of(response->status) == QR_CLASS_RETRY;
            node_finish(node, pending, is_certain ? response->status : QR_ERR_TIMEOUT, 0, NULL);
        }
    }
}
