/* sending.c: compacting the log, and who is sent a snapshot for it (Raft §7).
 *
 * A peer gets there by its own rejection only, so that nothing is prepared for one that is
 * away. Meanwhile heartbeats go on with base as their prev: should one be accepted, the peer
 * came that far on another way, and the sending has ended.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "quorate/error.h"
#include "raft/internal.h"

void raft_on_compact(struct raft *raft, raft_index index)
{
    if (index <= raft->log.base.index) {
        return;
    }
    raft_log_compact(&raft->log, index);
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct raft_peer *peer = &raft->peers[i];
        if (peer->next_index > index) {
            continue;
        }
        raft_peer_drop_fetched(raft, peer);
        bool is_asked = peer->is_sending_asked;
        if (peer->state == RAFT_SNAPSHOT) {
            raft_peer_become_snapshot(raft, peer);
            peer->is_sending_asked = is_asked;
        } else {
            raft_peer_become_probe(peer, index + 1); /* its answer tells whether it needs one */
        }
    }
}

int raft_on_piece(struct raft *raft, const struct raft_piece *piece)
{
    if (raft->role != RAFT_LEADER) {
        return QR_ERR_NOT_LEADER;
    }
    const struct raft_peer *peer = raft_peer_of(raft, piece->peer);
    if (peer == NULL || peer->state != RAFT_SNAPSHOT) {
        return QR_ERR_NOT_FOUND;
    }
    ASSERT(piece->snapshot.index > 0 && piece->snapshot.index <= raft->log.applied_index);
    ASSERT(piece->data.size_bytes <= RAFT_DATA_BYTES_MAX);
    ASSERT(raft_is_hard_state_durable(raft)); /* nothing of a leader is held back */

    if (raft->out_count == RAFT_MESSAGES_MAX) {
        return 0; /* lost */
    }
    raft_send(raft, (struct raft_message){
                        .type = RAFT_INSTALL_SNAPSHOT,
                        .to = piece->peer,
                        .install_snapshot = {.snapshot = piece->snapshot,
                                             .offset = piece->offset,
                                             .size_bytes = piece->size_bytes,
                                             .is_last = piece->is_last,
                                             .data = piece->data},
                    });
    if (piece->data.size_bytes > 0) {
        (void)chunk_hold(piece->data.chunk);
    }
    return 0;
}

/* Tried again when it is still so: one that failed, not before the next heartbeat. */
void raft_on_sending_ended(struct raft *raft, node_id id, int status)
{
    struct raft_peer *peer = raft->role == RAFT_LEADER ? raft_find_peer(raft, id) : NULL;
    if (peer == NULL || peer->state != RAFT_SNAPSHOT) {
        return;
    }
    peer->sending_status = status;
    raft_peer_become_probe(peer, raft->log.base.index + 1);
    peer->is_probe_sent = status != 0;
}

static void take_done(struct raft *raft, struct raft_peer *peer, raft_index index)
{
    if (index > peer->match_index) {
        peer->match_index = index;
        raft_peer_freed(raft, peer, index);
    }
    peer->sending_status = 0;
    if (peer->state == RAFT_SNAPSHOT) {
        raft_peer_become_probe(peer, max_u64(raft->log.base.index, index) + 1);
    } else if (peer->next_index <= index) {
        raft_peer_drop_fetched(raft, peer);
        peer->next_index = index + 1;
    }
}

int raft_on_install_snapshot_response(struct raft *raft, const struct raft_message *message)
{
    const struct raft_install_snapshot_response *response = &message->install_snapshot_response;
    struct raft_peer *peer = raft_find_peer(raft, message->from);
    raft_term term;
    bool is_mine = response->snapshot.index > 0 &&
                   (response->snapshot.index < raft->log.base.index ||
                    (raft_log_term_at(&raft->log, response->snapshot.index, &term) &&
                     term == response->snapshot.term));
    if (peer == NULL || !is_mine) {
        return 0;
    }
    peer->heard_ns = raft->now_ns;
    if (peer->state == RAFT_SNAPSHOT && raft->answer_count < RAFT_ANSWERS_MAX) {
        raft->answers[raft->answer_count++] = (struct raft_piece_answer){
            .peer = message->from,
            .snapshot = response->snapshot,
            .offset = response->offset,
            .is_done = response->is_done,
            .is_refused = response->is_refused,
        };
    }
    if (!response->is_done) {
        return 0;
    }
    take_done(raft, peer, response->snapshot.index);
    return raft_leader_commit(raft);
}

void raft_sendings_ready(struct raft *raft, struct raft_ready *out)
{
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct raft_peer *peer = &raft->peers[i];
        if (peer->state == RAFT_SNAPSHOT && !peer->is_sending_asked) {
            peer->is_sending_asked = true;
            raft->sendings[out->sending_count++] =
                (struct raft_sending){.peer = peer->id, .base = raft->log.base};
        }
    }
    out->sendings = raft->sendings;
}
