/* propose.c: proposals on their way: held, forwarded or appended, and told how they ended.
 *
 *   held       certainly nowhere yet; sent on as soon as a leader is known, refused with
 *              QR_ERR_NO_LEADER after about an election timeout
 *   forwarded  sent to the leader of a term, which has not answered: may be in its log
 *   appended   in the log of the leader of a term: done when this very entry is applied here
 *
 * What is not held is sent again only once it is certain that it was not, and never will be,
 * applied: the leader refused it, or an entry of a later term has been applied.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

uint64_t node_release_proposal(struct node *node, struct pending *pending)
{
    uint64_t token = pending->token;
    if (pending->state == PENDING_HELD) {
        ASSERT(node->held_count > 0);
        node->held_count--;
    }
    node->kept_bytes -= pending->entry.record_bytes;
    pending_remove(&node->pending, pending);
    return token;
}

void node_finish(struct node *node, struct pending *pending, int status, raft_index index,
                 const struct qr_result *result)
{
    ASSERT((status == 0 || status == QR_ERR_REJECTED) == (result != NULL));
    uint64_t token = node_release_proposal(node, pending);
    node->options.io.proposal_done(node->options.io.context, token, status, index, result);
}

/* Without a leader a proposal is held for about an election timeout. */
static time_ns hold_until(const struct node *node, time_ns deadline_ns)
{
    return min_u64(deadline_ns, node->time.now_ns + node->options.election_timeout_min_ns +
                                    node->options.election_timeout_max_ns);
}

static int check(const struct node *node, const struct node_proposal *proposal)
{
    if (node->phase == NODE_STOPPED) {
        return QR_ERR_STOPPED;
    }
    if (node_is_isolated(node)) {
        return QR_ERR_DIVERGED;
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
        .type = proposal->is_guarded || proposal_id_is_session(id) ? ENTRY_GUARDED : ENTRY_NORMAL,
        .command_bytes = (uint8_t)proposal->command_bytes,
        .payload_bytes = (uint32_t)proposal->payload_bytes,
        .command = proposal->command,
        .payload = proposal->payload,
    };
}

/* As leader: into the log. 0 with the term set, or why not. */
static int append(struct node *node, const struct raft_proposal *proposal, raft_term *term)
{
    uint64_t bytes = entry_record_bytes(proposal->command_bytes, proposal->payload_bytes);
    if (bytes > node_record_bytes_max(node)) {
        return QR_ERR_TOO_LARGE; /* forwarded by a member with another limit */
    }
    int status = 0;
    if (proposal->type == ENTRY_GUARDED) {
        status = node_may_guard(node) ? node_note_guarded(node) : QR_ERR_VERSION;
    }
    if (status != 0) {
        return status;
    }
    if (!node_has_room(node, bytes)) {
        return QR_ERR_DISK_FULL;
    }
    status =
        node_step(node, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .propose = {proposal, 1}});
    if (status != 0) {
        return status;
    }
    node->unsaved_bytes += bytes;
    *term = node_raft_status(node)->term;
    return 0;
}

/* Keep a copy until a leader is known. */
static int hold(struct node *node, struct pending *pending, const struct raft_proposal *proposal)
{
    /* As for a leader's own: one always fits, however large, when there is no other. */
    uint64_t bytes = entry_record_bytes(proposal->command_bytes, proposal->payload_bytes);
    if (node->kept_bytes > 0 && node->kept_bytes + bytes > node_uncommitted_bytes_max(node)) {
        return QR_ERR_BUSY;
    }
    int status = entry_arena_encode(&node->held_arena,
                                    &(struct entry_fields){
                                        .id = proposal->id,
                                        .type = proposal->type,
                                        .command_bytes = proposal->command_bytes,
                                        .payload_bytes = proposal->payload_bytes,
                                        .command = proposal->command,
                                        .payload = proposal->payload,
                                    },
                                    &pending->entry);
    if (status == 0) {
        pending->state = PENDING_HELD;
        node->held_count++;
        node->kept_bytes += pending->entry.record_bytes;
    }
    return status;
}

/* Whether what a leader of an earlier term took may still be applied, or sent again. Later ones
 * wait until the first entry of this term decides that: one node's proposals keep their order.
 */
static bool is_earlier_open(struct node *node, raft_term term)
{
    if (node->swept_term == term) {
        return false;
    }
    uint64_t end = pending_next_sequence(&node->pending);
    for (uint64_t s = node->pending.first; s < end; s++) {
        const struct pending *pending = pending_at(&node->pending, s);
        if (pending != NULL && pending->state != PENDING_HELD && pending->term < term) {
            return true;
        }
    }
    return false;
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
        id = (struct proposal_id){node->identity.id & ~QR_SESSION_BIT,
                                  pending_next_sequence(&node->pending)};
    } else if (id.high == QR_SESSION_BIT && id.low == 0) {
        id.low = pending_next_sequence(&node->pending);
    }
    struct pending *pending = pending_add(&node->pending, id, &status);
    if (pending == NULL) {
        return status;
    }
    pending->token = token;
    node_limit_proposal(node, pending, proposal->timeout_ns);
    pending->ticket = proposal->ticket;
    pending->hold_until_ns = hold_until(node, pending->deadline_ns);

    struct raft_proposal raft_proposal = raft_proposal_of(proposal, id);
    if (proposal_id_is_session(id)) {
        pending->checksum = node_command_checksum(&raft_proposal);
    }
    const struct raft_status *now = node_raft_status(node);
    bool is_leader = node_is_running(node) && node->held_count == 0 && now->role == RAFT_LEADER &&
                     !now->is_transferring && !is_earlier_open(node, now->term);
    if (is_leader) {
        pending->state = PENDING_APPENDED; /* not one of the held, should memory run out now */
        status = append(node, &raft_proposal, &pending->term);
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
    int status = append(node, &proposal, &pending->term);
    if (node->phase == NODE_STOPPED) {
        return;
    }
    if (status != 0) {
        node_finish(node, pending, status, 0, NULL);
        return;
    }
    pending->state = PENDING_APPENDED;
    node->held_count--;
    node->kept_bytes -= pending->entry.record_bytes;
    chunk_drop(pending->entry.chunk);
    pending->entry = (struct entry){0};
}

struct batch {
    struct entry *entries;
    size_t count;
    size_t bytes;
    uint64_t first; /* sequence number of the first */
    raft_term term; /* whose leader is meant */
};

/* Send a run of held proposals to the leader. Returns false when it was not sent. */
static bool send_batch(struct node *node, node_id leader, struct batch *batch)
{
    if (batch->count == 0) {
        return true;
    }
    struct wire_message message = {
        .type = WIRE_FORWARD,
        .forward = {.from = node->identity.id,
                    .request = batch->first,
                    .term = batch->term,
                    .number = node->next_request++},
        .entries = batch->entries,
        .entry_count = batch->count,
    };
    bool is_sent = node_send(node, leader, &message);
    for (size_t i = 0; i < batch->count && is_sent; i++) {
        struct pending *pending = pending_at(&node->pending, batch->first + i);
        ASSERT(pending != NULL && pending->state == PENDING_HELD);
        pending->state = PENDING_FORWARDED;
        pending->term = batch->term;
        node->held_count--;
        node->proposals_forwarded++;
    }
    batch->count = 0;
    batch->bytes = 0;
    return is_sent;
}

static void forward_held(struct node *node, node_id leader, raft_term term)
{
    struct entry entries[256];
    struct batch batch = {.entries = entries, .term = term};
    uint64_t end = pending_next_sequence(&node->pending);
    bool is_sent = true;
    for (uint64_t s = node->pending.first; s < end && is_sent; s++) {
        struct pending *pending = pending_at(&node->pending, s);
        /* Refused by the leader of this very term, it is not sent there again: that one leads
         * no more, though nobody has told us yet, or it hands over; a late refusal must not be
         * taken for one of a later sending.
         */
        bool is_held = pending != NULL && pending->state == PENDING_HELD &&
                       !pending->is_cancelled && pending->term != batch.term &&
                       node_may_send(node, pending, leader);
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
    const struct raft_status now = *node_raft_status(node);
    if (is_earlier_open(node, now.term) || now.is_transferring) {
        return; /* a transfer is over soon, one way or the other */
    }
    if (now.role == RAFT_LEADER) {
        uint64_t end = pending_next_sequence(&node->pending);
        for (uint64_t s = node->pending.first; s < end && node->held_count > 0; s++) {
            struct pending *pending = pending_at(&node->pending, s);
            if (pending != NULL && pending->state == PENDING_HELD && !pending->is_cancelled &&
                node_is_running(node)) {
                append_held(node, pending);
            }
        }
    } else if (now.has_leader) {
        node_refuse_guarded(node, now.leader);
        forward_held(node, now.leader, now.term);
    }
}

/* Certainly not applied, and never will be: hold it for whoever leads now, if its record is
 * still here, else say so.
 */
static void hold_again(struct node *node, struct pending *pending, int status)
{
    if (pending->entry.chunk == NULL) {
        node_finish(node, pending, status, 0, NULL);
        return;
    }
    pending->state = PENDING_HELD;
    pending->hold_until_ns = hold_until(node, pending->deadline_ns);
    node->held_count++;
    node->needs_turn = true;
}

/* In a log no entry of an earlier term follows one of a later term: what a leader of a term
 * that is over took, and has not been applied by now, never will be.
 */
void node_sweep_superseded(struct node *node)
{
    raft_term term = 0;
    raft_index applied = node_raft_status(node)->applied_index;
    bool is_known = raft_term_at(node->raft, applied, &term);
    if (MUTANT(SUPERSEDED_TOO_EARLY)) {
        term = node_raft_status(node)->term;
    }
    if (!is_known || term == node->swept_term) {
        return;
    }
    node->swept_term = term;
    uint64_t end = pending_next_sequence(&node->pending);
    for (uint64_t s = node->pending.first; s < end; s++) {
        struct pending *pending = pending_at(&node->pending, s);
        if (pending != NULL && pending->state != PENDING_HELD && pending->term < term) {
            hold_again(node, pending, QR_ERR_SUPERSEDED);
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

/* Where the numbers of one life of a member stand; of a life not met yet, the place of the
 * one that was quiet longest.
 */
static struct node_forward_seen *find_seen(struct node *node, node_id from, uint64_t number)
{
    struct node_forward_seen *found = &node->seen[0];
    for (size_t i = 0; i < NODE_FORWARD_LIVES_MAX; i++) {
        struct node_forward_seen *one = &node->seen[i];
        uint64_t distance = max_u64(number, one->next_number) - min_u64(number, one->next_number);
        if (one->used_at != 0 && one->from == from && distance < UINT64_C(1) << 32) {
            return one;
        }
        found = one->used_at < found->used_at ? one : found;
    }
    *found = (struct node_forward_seen){.from = from};
    return found;
}

/* A frame that came twice must not append twice. Numbers of one life of a member grow;
 * another life starts somewhere else altogether, and frames of both may be under way.
 */
static bool was_seen(struct node *node, node_id from, uint64_t number)
{
    struct node_forward_seen *seen = find_seen(node, from, number);
    bool is_old = seen->used_at != 0 && number < seen->next_number;
    if (!is_old) {
        seen->next_number = number + 1;
        seen->used_at = ++node->seen_clock;
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
    raft_term term = message->forward.term;
    /* In a term that began before this life we may have led, and appended these: say nothing. */
    bool is_of_earlier_life = term <= node->first_term && !MUTANT(FORWARD_REFUSED_ANEW);
    if (is_of_earlier_life ||
        (was_seen(node, from, message->forward.number) && !MUTANT(FORWARD_TWICE))) {
        return;
    }
    struct wire_forward_response appended = {.request = request, .entry_term = term};
    /* Meant for another term, it may have been given up there as certainly not applied. */
    const struct raft_status now = *node_raft_status(node);
    bool is_meant = (term == now.term && !now.is_transferring) || MUTANT(FORWARD_OF_OLD_TERM);
    int status = is_meant ? 0 : QR_ERR_NOT_LEADER;
    for (size_t i = 0; i < message->entry_count && status == 0; i++) {
        struct entry_fields fields = entry_fields_of(&message->entries[i]);
        struct raft_proposal proposal = {
            .id = fields.id,
            .type = fields.type == ENTRY_GUARDED ? ENTRY_GUARDED : ENTRY_NORMAL,
            .command_bytes = fields.command_bytes,
            .payload_bytes = fields.payload_bytes,
            .command = fields.command,
            .payload = fields.payload,
        };
        status = append(node, &proposal, &term);
        if (!node_is_running(node)) {
            return;
        }
        if (status == 0) {
            appended.count++;
            appended.first_index = node_raft_status(node)->last_index - appended.count + 1;
        }
    }
    answer_forward(node, from, appended);
    answer_forward(node, from,
                   (struct wire_forward_response){
                       .request = request + appended.count,
                       .count = (uint32_t)message->entry_count - appended.count,
                       .status = status,
                       .entry_term = appended.entry_term,
                   });
    if (appended.count > 0) {
        raft_index last = appended.first_index + appended.count - 1;
        node_notify(node, from, last);
    }
}

/* An answer to an earlier sending says nothing about the present one. */
void node_on_forward_response(struct node *node, const struct wire_forward_response *response)
{
    for (uint32_t i = 0; i < response->count && i < WIRE_ENTRIES_MAX; i++) {
        struct pending *pending = pending_at(&node->pending, response->request + i);
        if (pending == NULL || pending->state != PENDING_FORWARDED ||
            (pending->term != response->entry_term && !MUTANT(REFUSAL_OF_OLD_TERM))) {
            continue;
        }
        if (response->status == 0) {
            pending->state = PENDING_APPENDED;
            if (MUTANT(DONE_WHEN_APPENDED)) {
                node_finish(node, pending, 0, response->first_index + i, &(struct qr_result){0});
            }
        } else if (response->status == QR_ERR_NOT_LEADER) {
            hold_again(node, pending, QR_ERR_NOT_LEADER);
        } else {
            bool is_certain = qr_error_is_certain(response->status) &&
                              response->status != QR_ERR_REJECTED; /* no leader decides that */
            node_finish(node, pending, is_certain ? response->status : QR_ERR_TIMEOUT, 0, NULL);
        }
    }
}
