/* taking.c: how a snapshot of this node's state is taken, a slice at a time.
 *
 * A view of the state machine is opened at applied_index and read on the node's own turns, one
 * slice a turn, while entries go on being applied. Slices go into the store as blocks of a
 * content (content.h).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

void node_taking_end(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    const struct qr_state_machine *machine = &node->options.io.machine;
    if (taking->view != NULL || taking->is_open_late) {
        machine->snapshot_close(machine->context, taking->view);
    }
    release(node->options.allocator, taking->sessions, taking->sessions_bytes);
    release(node->options.allocator, taking->slice, CONTENT_BLOCK_BYTES_MAX);
    release(node->options.allocator, taking->block, CONTENT_STORED_BYTES_MAX);
    *taking = (struct node_taking){.is_active = false};
}

void node_taking_abandon(struct node *node)
{
    if (node->snapshots.taking.is_active) {
        node_taking_end(node);
        snapshot_writer_abandon(node->snapshots.store);
    }
}

static int allocate_buffers(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    taking->slice = allocate(node->options.allocator, CONTENT_BLOCK_BYTES_MAX);
    taking->block = allocate(node->options.allocator, CONTENT_STORED_BYTES_MAX);
    return taking->slice == NULL || taking->block == NULL ? QR_ERR_NO_MEMORY : 0;
}

/* The session table has no views: it is copied, of one moment with that of the state machine. */
static int copy_sessions(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    size_t size_bytes =
        MUTANT(SNAPSHOT_WITHOUT_SESSIONS) ? 0 : sessions_write_bytes(&node->sessions);
    if (size_bytes == 0) {
        return 0;
    }
    taking->sessions = allocate(node->options.allocator, size_bytes);
    if (taking->sessions == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    taking->sessions_bytes = size_bytes;
    sessions_write(&node->sessions, taking->sessions);
    return 0;
}

static void write_head(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    const struct node_configuration *configuration = node->snapshots.applied;
    if (configuration->index > 0 && !MUTANT(SNAPSHOT_WITHOUT_CONFIGURATION)) {
        taking->head.configuration_index = configuration->index;
        taking->head.configuration = configuration->payload;
        taking->head.configuration_bytes = configuration->size_bytes;
    }
    taking->block_bytes = content_write_head(&taking->writer, &taking->head, taking->block);
}

void node_taking_begin(struct node *node, raft_index index, bool is_bare)
{
    struct node_taking *taking = &node->snapshots.taking;
    struct wal_base position = {.index = index};
    bool is_known = raft_term_at(node->raft, position.index, &position.term);
    ASSERT(is_known);
    int status = snapshot_writer_begin(node->snapshots.store, &position,
                                       node->snapshots.applied_timestamp_ns,
                                       node->snapshots.is_newest_bare && !is_bare);
    if (status == QR_ERR_SUPERSEDED) {
        /* One came from a leader and was not needed: it stands until the log has passed it. */
        node_snapshots_tell(node, 0, node->snapshots.newest.position.index);
        node->snapshots.due_ns = node->time.now_ns + node->options.heartbeat_interval_ns;
        return;
    }
    if (status == QR_ERR_BUSY) {
        node->snapshots.due_ns = node->time.now_ns + node->options.heartbeat_interval_ns;
        return;
    }
    *taking = (struct node_taking){
        .is_active = status == 0,
        .is_waiting = is_bare,
        .writer = {.codec = node->options.codec},
        .head = {.position = {position.term, position.index},
                 .timestamp_ns = node->snapshots.applied_timestamp_ns,
                 .is_bare = is_bare},
        .began_ns = node->time.now_ns,
    };
    if (status == 0) {
        status = allocate_buffers(node);
    }
    if (status == 0) {
        status = copy_sessions(node);
    }
    if (status != 0) {
        node_taking_failed(node, status);
        return;
    }
    struct wal_stats log;
    node->store->stats(node->log, &log);
    node->snapshots.written_bytes = log.written_bytes;
    write_head(node);
    taking->is_opening = !is_bare;
}

/* The view of the state machine, of where it stands. False: it is not there yet, or it failed. */
static bool open_view(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    const struct qr_state_machine *machine = &node->options.io.machine;
    if (!taking->is_opening) {
        return true;
    }
    int status = machine->snapshot_open(machine->context, &taking->view);
    taking->is_open_late = status == NODE_LATER;
    if (taking->is_open_late) {
        return false;
    }
    taking->is_opening = false;
    if (status != 0) {
        node_taking_failed(node, status);
    }
    node->needs_turn = true; /* what waits to be applied goes on */
    return status == 0;
}

/* Make the next block. False: that was the last one, or it failed, or the next is not there yet. */
static bool make_block(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    const struct qr_state_machine *machine = &node->options.io.machine;
    size_t read_bytes = 0;
    taking->block_given = 0;
    taking->block_bytes = 0;
    if (taking->sessions_given < taking->sessions_bytes) {
        size_t piece_bytes =
            min_u64(taking->sessions_bytes - taking->sessions_given, CONTENT_BLOCK_BYTES_MAX);
        taking->block_bytes =
            content_write(&taking->writer, CONTENT_SESSIONS,
                          taking->sessions + taking->sessions_given, piece_bytes, taking->block);
        taking->sessions_given += piece_bytes;
        return true;
    }
    if (taking->is_ended) {
        return false;
    }
    if (taking->view != NULL) {
        int status = machine->snapshot_read(machine->context, taking->view, taking->slice,
                                            CONTENT_BLOCK_BYTES_MAX, &read_bytes);
        taking->is_late = status == NODE_LATER;
        if (taking->is_late) {
            return false;
        }
        if (status != 0) {
            node_taking_failed(node, status);
            return false;
        }
        ASSERT(read_bytes <= CONTENT_BLOCK_BYTES_MAX);
    }
    if (read_bytes > 0) {
        taking->block_bytes = content_write(&taking->writer, CONTENT_MACHINE, taking->slice,
                                            read_bytes, taking->block);
        return true;
    }
    if (taking->view != NULL) {
        machine->snapshot_close(machine->context, taking->view);
        taking->view = NULL;
    }
    taking->is_ended = true;
    taking->block_bytes = content_write_end(&taking->writer, taking->block);
    return true;
}

/* A bare one is worth nothing, and dangerous, before the state machine stands there durably: a
 * start would find one that is behind it.
 */
static bool may_go_on(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    const struct qr_state_machine *machine = &node->options.io.machine;
    if (taking->is_waiting && !node->is_applying &&
        (machine->applied_index(machine->context) >= taking->head.position.index ||
         MUTANT(BARE_BEFORE_DURABLE))) {
        taking->is_waiting = false;
        taking->began_ns = node->time.now_ns; /* waiting cost nobody anything */
    }
    return !taking->is_waiting;
}

void node_taking_advance(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    size_t taken = 0;
    if (taking->is_given || !may_go_on(node) || !open_view(node)) {
        return;
    }
    if (taking->block_given == taking->block_bytes && !make_block(node)) {
        if (taking->is_active && !taking->is_late) {
            taking->is_given = true;
            snapshot_writer_finish(node->snapshots.store);
        }
        return;
    }
    snapshot_writer_append(node->snapshots.store, taking->block + taking->block_given,
                           taking->block_bytes - taking->block_given, &taken);
    taking->block_given += taken;
    node->needs_turn = node->needs_turn || taking->block_given == taking->block_bytes;
}
