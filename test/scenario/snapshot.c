/* snapshot.c: snapshots of a scenario's nodes: taken, on their way, and installed.
 *
 * The content of one is a line that names its position, so that pieces in a wrong order show.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "scenario/cluster.h"

/* Write what the snapshot at a position consists of; returns its bytes. */
static size_t content_of(struct raft_position position, char content[STATE_BYTES])
{
    struct text text = text_of(content, STATE_BYTES);
    text_string(&text, "all that was applied up to ");
    text_u64(&text, position.term);
    text_char(&text, '/');
    text_u64(&text, position.index);
    ASSERT(!text.truncated);
    return text.length;
}

/* The last configuration that the node has applied. */
static const struct entry *configuration_of(const struct cluster *cluster, const struct node *node)
{
    for (raft_index index = node->applied_index; index > node->base.index; index--) {
        if (node->log[index - 1].type == ENTRY_CONFIGURATION) {
            return &node->log[index - 1];
        }
    }
    return node->snapshot.index > 0 ? &cluster->states[node->snapshot.index].configuration : NULL;
}

bool snapshot_take(struct cluster *cluster, node_id id)
{
    struct node *node = &cluster->nodes[id];
    raft_index index = node->applied_index;
    if (index <= max_u64(node->snapshot.index, node->base.index)) {
        return false;
    }
    struct state *state = &cluster->states[index];
    raft_term term = node->log[index - 1].term;
    if (state->position.index == 0) {
        const struct entry *configuration = configuration_of(cluster, node);
        ASSERT(configuration != NULL);
        *state = (struct state){.position = {term, index},
                                .timestamp_ns = node->log[index - 1].timestamp_ns,
                                .configuration = *configuration};
        (void)chunk_hold(configuration->chunk);
    }
    ASSERT(state->position.term == term);
    node->snapshot = state->position;
    return true;
}

void snapshot_compact(struct cluster *cluster, node_id id, raft_index index)
{
    struct node *node = &cluster->nodes[id];
    ASSERT(index <= node->snapshot.index);
    if (index > node->base.index) {
        raft_term term = node->log[index - 1].term;
        for (raft_index i = node->base.index + 1; i <= index; i++) {
            chunk_drop(node->log[i - 1].chunk);
            node->log[i - 1] = (struct entry){0};
        }
        node->base = (struct raft_position){term, index};
    }
    struct raft_event event = {.type = RAFT_EVENT_COMPACT, .compact = index};
    (void)cluster_step(cluster, id, event);
}

int snapshot_send(struct cluster *cluster, node_id id, node_id peer, uint64_t offset, size_t count)
{
    char content[STATE_BYTES];
    struct node *node = &cluster->nodes[id];
    size_t size_bytes = content_of(node->snapshot, content);
    ASSERT(offset <= size_bytes);
    count = count < size_bytes - offset ? count : size_bytes - (size_t)offset;
    struct chunk *chunk = chunk_new(&cluster->heap.allocator, (uint32_t)count);
    ASSERT(chunk != NULL);
    memcpy(chunk->data, content + offset, count);
    struct raft_piece piece = {.peer = peer,
                               .snapshot = node->snapshot,
                               .offset = offset,
                               .size_bytes = size_bytes,
                               .is_last = offset + count == size_bytes,
                               .data = {chunk, chunk->data, (uint32_t)count}};
    node->is_sending[peer] = false;
    struct raft_event event = {.type = RAFT_EVENT_PIECE, .piece = &piece};
    int status = cluster_step(cluster, id, event);
    chunk_drop(chunk);
    return status;
}

/* One piece more, if it is the next one; else say what is wanted. */
static void take_piece(struct node *node, const struct raft_piece *piece)
{
    struct incoming *incoming = &node->incoming;
    bool is_same = incoming->position.index == piece->snapshot.index &&
                   incoming->position.term == piece->snapshot.term;
    if (!is_same) { /* half of another one is worth nothing */
        *incoming = (struct incoming){.position = piece->snapshot};
    }
    incoming->is_answer_due = true;
    if (incoming->is_whole || piece->offset != incoming->received_bytes) {
        return;
    }
    ASSERT(piece->data.size_bytes <= STATE_BYTES - incoming->received_bytes);
    memcpy(incoming->content + incoming->received_bytes, piece->data.bytes, piece->data.size_bytes);
    incoming->received_bytes += piece->data.size_bytes;
    incoming->is_whole = piece->is_last;
    incoming->is_answer_due = !piece->is_last; /* the machine answers once it is installed */
}

static void note_answer(struct cluster *cluster, node_id id, const struct raft_piece_answer *answer)
{
    struct node *node = &cluster->nodes[id];
    const char *what = answer->is_done ? " done" : answer->is_refused ? " refused" : "";
    print_line(cluster, SAY_ALL, "%llu hears of %llu/%llu from %llu: offset=%llu%s",
               (unsigned long long)id, (unsigned long long)answer->snapshot.term,
               (unsigned long long)answer->snapshot.index, (unsigned long long)answer->peer,
               (unsigned long long)answer->offset, what);
    node->is_sending[answer->peer] = !answer->is_done && !answer->is_refused;
    node->offsets[answer->peer] = answer->offset;
}

void snapshot_note(struct cluster *cluster, node_id id, const struct raft_ready *ready)
{
    struct node *node = &cluster->nodes[id];
    for (size_t i = 0; i < ready->sending_count; i++) {
        const struct raft_sending *sending = &ready->sendings[i];
        print_line(cluster, SAY_ALL, "%llu sending to %llu base=%llu/%llu", (unsigned long long)id,
                   (unsigned long long)sending->peer, (unsigned long long)sending->base.term,
                   (unsigned long long)sending->base.index);
        ASSERT(sending->base.index <= node->snapshot.index);
        node->is_sending[sending->peer] = true;
        node->offsets[sending->peer] = 0;
    }
    for (size_t i = 0; i < ready->answer_count; i++) {
        note_answer(cluster, id, &ready->answers[i]);
    }
    for (size_t i = 0; i < ready->piece_count; i++) {
        const struct raft_piece *piece = &ready->pieces[i];
        print_line(cluster, SAY_ALL, "%llu takes %u bytes of %llu/%llu at %llu",
                   (unsigned long long)id, piece->data.size_bytes,
                   (unsigned long long)piece->snapshot.term,
                   (unsigned long long)piece->snapshot.index, (unsigned long long)piece->offset);
        take_piece(node, piece);
    }
}

void snapshot_answer(struct cluster *cluster, node_id id)
{
    struct incoming *incoming = &cluster->nodes[id].incoming;
    if (!incoming->is_answer_due) {
        return;
    }
    struct raft_event event = {.type = RAFT_EVENT_PIECE_TAKEN};
    event.piece_taken.snapshot = incoming->position;
    event.piece_taken.offset = incoming->received_bytes;
    event.piece_taken.is_refused = incoming->is_refused;
    incoming->is_answer_due = false;
    (void)cluster_take(cluster, id, event);
    cluster_ready(cluster, id);
}

static void step_installed(struct cluster *cluster, node_id id)
{
    struct node *node = &cluster->nodes[id];
    const struct state *state = &cluster->states[node->snapshot.index];
    struct entry_fields configuration = entry_fields_of(&state->configuration);
    struct raft_snapshot snapshot = {
        .position = node->snapshot,
        .timestamp_ns = state->timestamp_ns,
        .configuration_index = configuration.index,
        .configuration = configuration.payload,
        .configuration_bytes = configuration.payload_bytes,
    };
    node->applied_index = max_u64(node->applied_index, node->snapshot.index);
    struct raft_event event = {.type = RAFT_EVENT_INSTALLED, .installed = &snapshot};
    int status = cluster_step(cluster, id, event);
    ASSERT(status == 0);
    /* All that is applied is the same everywhere, however it came there. */
    ASSERT(cluster->committed_terms[node->snapshot.index] == node->snapshot.term);
}

bool snapshot_install(struct cluster *cluster, node_id id)
{
    char content[STATE_BYTES];
    struct node *node = cluster_running(cluster, id);
    if (node == NULL || !node->incoming.is_whole) {
        return false;
    }
    struct raft_position position = node->incoming.position;
    size_t size_bytes = content_of(position, content);
    ASSERT(size_bytes == node->incoming.received_bytes);
    ASSERT(memcmp(content, node->incoming.content, size_bytes) == 0);
    node->incoming = (struct incoming){0};
    if (!raft_wants_snapshot(node->raft, position)) {
        print_line(cluster, SAY_ALL, "%llu needs no snapshot any more", (unsigned long long)id);
        return true;
    }
    node->snapshot = position;
    print_line(cluster, SAY_ALL, "%llu stands at %llu/%llu", (unsigned long long)id,
               (unsigned long long)position.term, (unsigned long long)position.index);
    step_installed(cluster, id);
    return true;
}

bool snapshot_fail(struct cluster *cluster, node_id id)
{
    struct node *node = cluster_running(cluster, id);
    if (node == NULL || node->incoming.position.index == 0) {
        return false;
    }
    node->incoming.received_bytes = 0;
    node->incoming.is_refused = true;
    node->incoming.is_answer_due = true;
    snapshot_answer(cluster, id);
    node->incoming = (struct incoming){0};
    return true;
}

void snapshot_restore(struct cluster *cluster, node_id id)
{
    if (cluster->nodes[id].snapshot.index > 0) {
        step_installed(cluster, id);
    }
}

bool snapshot_serve(struct cluster *cluster, node_id id)
{
    struct node *node = cluster_running(cluster, id);
    if (node == NULL || cluster->is_sending_by_hand) {
        return false;
    }
    bool is_busy = snapshot_install(cluster, id);
    for (node_id peer = 0; peer < NODES_MAX; peer++) {
        if (node->is_sending[peer]) {
            (void)snapshot_send(cluster, id, peer, node->offsets[peer], STATE_BYTES);
            is_busy = true;
        }
    }
    return is_busy;
}

void snapshot_states_deinit(struct cluster *cluster)
{
    for (size_t i = 0; i < LOG_MAX; i++) {
        chunk_drop(cluster->states[i].configuration.chunk);
    }
}
