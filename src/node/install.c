/* install.c: a follower's part of a snapshot that its leader sends.
 *
 *   receiving  pieces in order go aside into the store, and are checked as they come; one that
 *              is damaged, or of another snapshot, never counts
 *   syncing    all are there and whole: the file is made durable and gets its name
 *   waiting    for a batch that is being applied
 *   restoring  the state machine takes it over (restore.c)
 *   then the Raft machine is told, which empties the log where it does not lead there, and
 *   tells the leader when that is durable too
 *
 * A crash between any two of these leaves the log as it was, or a newer snapshot than the log
 * leads to, with which the next start goes on (open.c).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

#define STALL_NS (60 * NS_PER_S) /* without a piece: what came is given up */

static void answer(struct node *node, struct raft_position snapshot, uint64_t offset,
                   bool is_refused)
{
    int status = node_step(node, (struct raft_event){.type = RAFT_EVENT_PIECE_TAKEN,
                                                     .piece_taken = {.snapshot = snapshot,
                                                                     .offset = offset,
                                                                     .is_refused = is_refused}});
    ASSERT(status == 0 || !node_is_running(node));
}

/* Whether it takes this node further than its log does, or in the place of a wrong state. */
static bool is_wanted(const struct node *node, struct raft_position position)
{
    return raft_wants_snapshot(node->raft, position) || node_rebuild_takes(node, position);
}

/* The leader sends a window ahead of where this node says it stands. That is said when half of the
 * places are free, which is a window's worth: what comes finds a place, however slow the disk is.
 */
static void answer_when_due(struct node *node)
{
    struct node_install *install = &node->install;
    if (install->is_answer_due && install->piece_count <= NODE_INSTALL_PIECES_MAX / 2) {
        install->is_answer_due = false;
        answer(node, install->position, install->offset, false);
    }
}

static void drop_pieces(struct node_install *install)
{
    while (install->piece_count > 0) {
        chunk_drop(install->pieces[install->piece_head].chunk);
        install->piece_head = (install->piece_head + 1) % NODE_INSTALL_PIECES_MAX;
        install->piece_count--;
    }
    install->piece_given = 0;
}

static void end_install(struct node *node)
{
    struct node_install *install = &node->install;
    drop_pieces(install);
    content_reader_deinit(&install->check);
    install->is_answer_due = false;
    install->state = NODE_INSTALL_NONE;
}

/* Nothing of it is kept. */
static void abandon(struct node *node, const char *why)
{
    struct node_install *install = &node->install;
    LOG(node->options.log, LOG_WARN, "snapshot_refused", log_id("from", install->from),
        log_u64("index", install->position.index), log_string("reason", why));
    snapshot_writer_abandon(node->snapshots.store);
    end_install(node);
}

static bool is_same(const struct node_install *install, const struct raft_piece *piece)
{
    return install->from == piece->peer && install->position.index == piece->snapshot.index &&
           install->position.term == piece->snapshot.term &&
           install->size_bytes == piece->size_bytes;
}

/* A bare snapshot is of use to nobody but who took it. */
static int refuse_bare(void *context, const struct content_head *head)
{
    (void)context;
    return head->is_bare ? QR_ERR_CORRUPT : 0;
}

/* Begin with the first piece of a snapshot. False: not now. */
static bool begin_install(struct node *node, const struct raft_piece *piece)
{
    struct node_install *install = &node->install;
    struct wal_base position = {piece->snapshot.term, piece->snapshot.index};
    node_taking_abandon(node); /* what is here will be dropped */
    /* The state that is to be replaced may be in one of this very index. */
    bool may_replace = node_rebuild_takes(node, piece->snapshot);
    int status = snapshot_writer_begin(node->snapshots.store, &position, 0, may_replace);
    if (status != 0) {
        return false; /* what was abandoned is still being removed */
    }
    status = content_reader_init(&install->check, node->options.allocator, node->options.codec,
                                 (struct content_sink){.head = refuse_bare});
    if (status != 0) {
        snapshot_writer_abandon(node->snapshots.store);
        return false;
    }
    install->state = NODE_INSTALL_RECEIVING;
    install->from = piece->peer;
    install->position = piece->snapshot;
    install->size_bytes = piece->size_bytes;
    install->offset = 0;
    LOG(node->options.log, LOG_INFO, "snapshot_receiving", log_id("from", piece->peer),
        log_u64("index", piece->snapshot.index), log_u64("bytes", piece->size_bytes));
    return true;
}

static bool is_received(const struct node_install *install)
{
    return install->offset == install->size_bytes && install->piece_count == 0;
}

/* Give the store what it has room for; then it may all be there. */
static void write_pieces(struct node *node)
{
    struct node_install *install = &node->install;
    while (install->piece_count > 0) {
        struct raft_data *piece = &install->pieces[install->piece_head];
        size_t left = piece->size_bytes - install->piece_given;
        size_t taken;
        snapshot_writer_append(node->snapshots.store, piece->bytes + install->piece_given, left,
                               &taken);
        install->piece_given += taken;
        if (taken < left) {
            return;
        }
        chunk_drop(piece->chunk);
        install->piece_given = 0;
        install->piece_head = (install->piece_head + 1) % NODE_INSTALL_PIECES_MAX;
        install->piece_count--;
    }
    if (!is_received(install) && !MUTANT(HALF_INSTALL_COUNTS)) {
        return;
    }
    if (!content_is_whole(&install->check) && !MUTANT(HALF_INSTALL_COUNTS)) {
        answer(node, install->position, 0, true);
        abandon(node, "it is not whole");
        return;
    }
    install->state = NODE_INSTALL_SYNCING;
    snapshot_writer_finish(node->snapshots.store);
}

/* The next piece in order. */
static void take_next(struct node *node, const struct raft_piece *piece)
{
    struct node_install *install = &node->install;
    if (install->piece_count == NODE_INSTALL_PIECES_MAX) {
        return; /* lost: it is sent again */
    }
    if (piece->data.size_bytes > install->size_bytes - install->offset ||
        content_read(&install->check, piece->data.bytes, piece->data.size_bytes) != 0) {
        answer(node, install->position, 0, true);
        abandon(node, "it is damaged");
        return;
    }
    size_t at = (install->piece_head + install->piece_count++) % NODE_INSTALL_PIECES_MAX;
    install->pieces[at] = piece->data;
    (void)chunk_hold(piece->data.chunk);
    install->offset += piece->data.size_bytes;
    write_pieces(node);
}

void node_install_take(struct node *node, const struct raft_piece *piece)
{
    struct node_install *install = &node->install;
    bool is_known = install->state != NODE_INSTALL_NONE && is_same(install, piece);
    if (node->options.io.machine.restore_begin == NULL || piece->size_bytes == 0) {
        answer(node, piece->snapshot, 0, true);
        return;
    }
    if (!is_wanted(node, piece->snapshot)) {
        return; /* the answer to a heartbeat says what the log has */
    }
    if (!is_known && install->state > NODE_INSTALL_RECEIVING) {
        answer(node, piece->snapshot, 0, true); /* another one is all but there */
        return;
    }
    if (!is_known && install->state == NODE_INSTALL_RECEIVING) {
        abandon(node, "another one comes");
    }
    if (install->state == NODE_INSTALL_NONE && (piece->offset > 0 || !begin_install(node, piece))) {
        answer(node, piece->snapshot, 0, false);
        return;
    }
    install->heard_ns = node->time.now_ns;
    if (install->state == NODE_INSTALL_RECEIVING && piece->offset == install->offset &&
        piece->data.size_bytes > 0) {
        take_next(node, piece);
    }
    if (node_is_running(node) && install->state != NODE_INSTALL_NONE) {
        install->is_answer_due = true;
        answer_when_due(node);
    }
}

/* The store ended the writing. */
void node_install_written(struct node *node, int status, const struct snapshot_info *info)
{
    struct node_install *install = &node->install;
    if (install->state != NODE_INSTALL_RECEIVING && install->state != NODE_INSTALL_SYNCING) {
        return;
    }
    if (status != 0) {
        answer(node, install->position, 0, true);
        abandon(node, qr_error_text(status));
        return;
    }
    ASSERT(info->position.index == install->position.index);
    LOG(node->options.log, LOG_INFO, "snapshot_received", log_u64("index", info->position.index),
        log_u64("bytes", info->size_bytes));
    drop_pieces(install);
    install->state = NODE_INSTALL_WAITING;
}

/* A snapshot took the state machine further: what was taken up to there by a leader of its last
 * term, or of an earlier one, may be in it. Nobody here will ever know, so it is sent to no other;
 * but what has the id of a session or token is known to the session table.
 */
static void forget_undecided(struct node *node)
{
    raft_term term = 0;
    raft_index applied = node_raft_status(node)->applied_index;
    bool is_known = raft_term_at(node->raft, applied, &term);
    ASSERT(is_known);
    if (MUTANT(INSTALLED_SENT_AGAIN)) {
        node_sweep_superseded(node);
        return;
    }
    node->swept_term = term;
    uint64_t end = pending_next_sequence(&node->pending);
    for (uint64_t s = node->pending.first; s < end; s++) {
        struct pending *pending = pending_at(&node->pending, s);
        bool is_undecided =
            pending != NULL && pending->state != PENDING_HELD && pending->term <= term;
        if (is_undecided && !node_finish_known(node, pending)) {
            node_finish(node, pending, QR_ERR_TIMEOUT, 0, NULL);
        }
    }
}

/* The state machine stands there. */
void node_install_restored(struct node *node)
{
    int status = node_restore_tell(node);
    if (status != 0) {
        if (node_is_running(node)) {
            node_fail(node, status, "a leader's snapshot contradicts what is committed here");
        }
        return;
    }
    LOG(node->options.log, LOG_INFO, "snapshot_installed",
        log_u64("index", node->install.position.index));
    node->install.installed_count++;
    end_install(node);
    forget_undecided(node);
    node_divergence_restored(node);
    node->needs_turn = true;
}

void node_install_turn(struct node *node)
{
    struct node_install *install = &node->install;
    switch (install->state) {
    case NODE_INSTALL_NONE:
    case NODE_INSTALL_SYNCING:
        break;
    case NODE_INSTALL_RESTORING:
        node_restore_turn(node);
        break;
    case NODE_INSTALL_RECEIVING:
        if (!is_wanted(node, install->position)) {
            abandon(node, "the log leads there by now");
        } else if (node->time.now_ns - install->heard_ns >= STALL_NS) {
            abandon(node, "no more of it comes");
        } else {
            write_pieces(node);
            answer_when_due(node);
        }
        break;
    case NODE_INSTALL_WAITING:
        if (!is_wanted(node, install->position)) {
            end_install(
                node); /* the log leads there by now; it is this node's newest all the same */
        } else if (!node->is_applying) {
            install->state = NODE_INSTALL_RESTORING;
            if (!node_restore_begin(node)) {
                install->state = NODE_INSTALL_WAITING; /* the disk is still reading for others */
            }
        }
        break;
    }
}

time_ns node_install_deadline(const struct node *node)
{
    const struct node_install *install = &node->install;
    if (install->state == NODE_INSTALL_WAITING && !node->is_applying) {
        return node->time.now_ns + NS_PER_MS; /* nobody tells when a reader is free again */
    }
    return install->state == NODE_INSTALL_RECEIVING ? install->heard_ns + STALL_NS : TIME_NEVER;
}

bool node_is_restoring(const struct node *node)
{
    return node->install.state == NODE_INSTALL_RESTORING;
}

void node_install_stop(struct node *node)
{
    if (node->install.state == NODE_INSTALL_RECEIVING ||
        node->install.state == NODE_INSTALL_SYNCING) {
        snapshot_writer_abandon(node->snapshots.store);
    }
    node_restore_stop(node);
    end_install(node);
}
