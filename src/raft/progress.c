/* progress.c: what the leader knows of its peers, and how much is under way to each.
 *
 *   state      holds                                      left by
 *   probe      at most one unanswered message; where      an answer that fits -> replicate
 *              the logs meet is being looked for
 *              an answer from below base -> snapshot
 *   replicate  messages are pipelined; next runs ahead    a rejection -> probe, snapshot
 *              of match, within the limits in flight
 *   snapshot   next is behind base; the node sends a      an answer from base on -> replicate
 *              snapshot, the machine heartbeats alone     the sending's end -> probe
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "raft/internal.h"

const struct raft_peer *raft_peer_of(const struct raft *raft, node_id id)
{
    for (size_t i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].id == id) {
            return &raft->peers[i];
        }
    }
    return NULL;
}

struct raft_peer *raft_find_peer(struct raft *raft, node_id id)
{
    const struct raft_peer *peer = raft_peer_of(raft, id);
    return peer == NULL ? NULL : &raft->peers[peer - raft->peers];
}

void raft_peer_drop_fetched(struct raft *raft, struct raft_peer *peer)
{
    for (size_t i = 0; i < peer->fetched_count; i++) {
        chunk_drop(peer->fetched[i].chunk);
    }
    release(raft->options.allocator, peer->fetched,
            peer->fetched_capacity * sizeof(*peer->fetched));
    peer->fetched = NULL;
    peer->fetched_count = 0;
    peer->fetched_capacity = 0;
    peer->is_fetched_sent = false;
}

static void peer_deinit(struct raft *raft, struct raft_peer *peer)
{
    raft_peer_drop_fetched(raft, peer);
    release(raft->options.allocator, peer->inflights,
            raft->options.inflight_messages_max * sizeof(*peer->inflights));
    peer->inflights = NULL;
}

void raft_peers_deinit(struct raft *raft)
{
    for (size_t i = 0; i < raft->peer_count; i++) {
        peer_deinit(raft, &raft->peers[i]);
    }
    raft->peer_count = 0;
}

static int peer_add(struct raft *raft, node_id id)
{
    ASSERT(raft->peer_count < RAFT_MEMBERS_MAX);
    struct raft_inflight *inflights =
        allocate(raft->options.allocator,
                 raft->options.inflight_messages_max * sizeof(struct raft_inflight));
    if (inflights == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    raft->peers[raft->peer_count++] = (struct raft_peer){
        .id = id,
        .state = RAFT_PROBE,
        .next_index = raft->log.last_index + 1,
        .probe_last = raft->log.last_index,
        .inflights = inflights,
    };
    return 0;
}

/* Follow the configuration in force: who stays keeps what is known of it. */
int raft_peers_update(struct raft *raft)
{
    const struct raft_configuration *configuration = raft_configuration_in_force(raft);
    size_t kept = 0;
    for (size_t i = 0; i < raft->peer_count; i++) {
        if (raft_configuration_find(configuration, raft->peers[i].id) >= 0) {
            raft->peers[kept++] = raft->peers[i];
        } else {
            peer_deinit(raft, &raft->peers[i]);
        }
    }
    raft->peer_count = kept;
    for (size_t i = 0; i < configuration->count; i++) {
        node_id id = configuration->members[i].id;
        if (id == raft->options.self || raft_find_peer(raft, id) != NULL) {
            continue;
        }
        int status = peer_add(raft, id);
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

void raft_peer_become_probe(struct raft_peer *peer, raft_index next)
{
    ASSERT(next > peer->match_index);
    peer->state = RAFT_PROBE;
    peer->next_index = next;
    peer->probe_last = next - 1;
    peer->is_probe_sent = false;
    peer->is_fetching = false;
    peer->inflight_count = 0;
    peer->inflight_bytes = 0;
}

/* The logs meet: go on behind what the probe carried, durable there yet or not. Should the
 * answer have been another message's, the next one is rejected and probing begins again.
 */
void raft_peer_become_replicate(struct raft_peer *peer)
{
    peer->state = RAFT_REPLICATE;
    peer->next_index = max_u64(peer->match_index, peer->probe_last) + 1;
    peer->is_fetching = false;
    peer->inflight_count = 0;
    peer->inflight_bytes = 0;
}

/* It answered, and what it needs is compacted. */
void raft_peer_become_snapshot(struct raft *raft, struct raft_peer *peer)
{
    raft_peer_become_probe(peer, raft->log.base.index + 1);
    peer->state = RAFT_SNAPSHOT;
    peer->is_sending_asked = false;
}

bool raft_peer_is_full(const struct raft *raft, const struct raft_peer *peer)
{
    if (peer->state == RAFT_SNAPSHOT) {
        return true;
    }
    if (peer->state == RAFT_PROBE) {
        return peer->is_probe_sent;
    }
    return peer->inflight_count == raft->options.inflight_messages_max ||
           peer->inflight_bytes >= raft->options.inflight_bytes_max;
}

/* Entries up to `last` were sent. A probe does not move next: its answer will. */
void raft_peer_sent(struct raft *raft, struct raft_peer *peer, raft_index last, uint64_t bytes)
{
    ASSERT(!raft_peer_is_full(raft, peer));
    if (peer->state == RAFT_PROBE) {
        peer->is_probe_sent = true;
        peer->probe_last = last;
        return;
    }
    ASSERT(last >= peer->next_index);
    size_t at =
        (peer->inflight_head + peer->inflight_count++) % raft->options.inflight_messages_max;
    peer->inflights[at] = (struct raft_inflight){last, bytes};
    peer->inflight_bytes += bytes;
    peer->next_index = last + 1;
}

void raft_peer_freed(struct raft *raft, struct raft_peer *peer, raft_index match)
{
    while (peer->inflight_count > 0 && peer->inflights[peer->inflight_head].last <= match) {
        ASSERT(peer->inflight_bytes >= peer->inflights[peer->inflight_head].bytes);
        peer->inflight_bytes -= peer->inflights[peer->inflight_head].bytes;
        peer->inflight_head = (peer->inflight_head + 1) % raft->options.inflight_messages_max;
        peer->inflight_count--;
    }
}

bool raft_peer_status(const struct raft *raft, node_id id, struct raft_peer_status *out)
{
    const struct raft_peer *peer = raft->role == RAFT_LEADER ? raft_peer_of(raft, id) : NULL;
    if (peer == NULL) {
        return false;
    }
    *out = (struct raft_peer_status){
        .id = id,
        .state = peer->state,
        .match_index = peer->match_index,
        .next_index = peer->next_index,
        .inflight_messages = peer->inflight_count,
        .inflight_bytes = peer->inflight_bytes,
        .heard_ns = peer->heard_ns,
        .sending_status = peer->sending_status,
    };
    return true;
}
