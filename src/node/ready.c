/* ready.c: what the Raft machine wants done, in its order: save, send, then the rest. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "node/internal.h"

static void send_raft_messages(struct node *node, const struct raft_ready *ready)
{
    for (size_t i = 0; i < ready->message_count; i++) {
        struct wire_message message = wire_of_raft(&ready->messages[i]);
        (void)node_send(node, ready->messages[i].to, &message);
    }
}

/* What a ready lends until the next step, and is still to be acted on. */
struct kept_ready {
    struct raft_fetch fetches[RAFT_MEMBERS_MAX];
    size_t fetch_count;
    struct raft_sending sendings[RAFT_MEMBERS_MAX];
    size_t sending_count;
    struct raft_piece_answer answers[RAFT_ANSWERS_MAX];
    size_t answer_count;
    struct raft_piece pieces[RAFT_PIECES_MAX]; /* their chunks are held */
    size_t piece_count;
};

static void keep_ready(const struct raft_ready *ready, struct kept_ready *kept)
{
    ASSERT(ready->fetch_count <= RAFT_MEMBERS_MAX && ready->sending_count <= RAFT_MEMBERS_MAX);
    ASSERT(ready->answer_count <= RAFT_ANSWERS_MAX && ready->piece_count <= RAFT_PIECES_MAX);
    kept->fetch_count = ready->fetch_count;
    kept->sending_count = ready->sending_count;
    kept->answer_count = ready->answer_count;
    kept->piece_count = ready->piece_count;
    for (size_t i = 0; i < ready->fetch_count; i++) {
        kept->fetches[i] = ready->fetches[i];
    }
    for (size_t i = 0; i < ready->sending_count; i++) {
        kept->sendings[i] = ready->sendings[i];
    }
    for (size_t i = 0; i < ready->answer_count; i++) {
        kept->answers[i] = ready->answers[i];
    }
    for (size_t i = 0; i < ready->piece_count; i++) {
        kept->pieces[i] = ready->pieces[i];
        if (kept->pieces[i].data.chunk != NULL) {
            (void)chunk_hold(kept->pieces[i].data.chunk);
        }
    }
}

static void take_pieces(struct node *node, const struct kept_ready *kept)
{
    for (size_t i = 0; i < kept->piece_count; i++) {
        if (node_is_running(node)) {
            node_install_take(node, &kept->pieces[i]);
        }
        chunk_drop(kept->pieces[i].data.chunk);
    }
}

void node_take_ready(struct node *node)
{
    struct raft_ready ready;
    raft_ready(node->raft, &ready);
    raft_status(node->raft, &node->raft_now);
    node_persist(node, &ready);
    if (!node_is_running(node)) {
        return;
    }
    send_raft_messages(node, &ready);
    /* What follows steps the machine, which ends what the ready lent. */
    struct kept_ready kept;
    keep_ready(&ready, &kept);
    node_reads_confirmed(node, ready.reads, ready.read_count);
    for (size_t i = 0; i < kept.fetch_count && node_is_running(node); i++) {
        node_fetch(node, &kept.fetches[i]);
    }
    node_sendings_take(node, kept.sendings, kept.sending_count, kept.answers, kept.answer_count);
    take_pieces(node, &kept);
}
