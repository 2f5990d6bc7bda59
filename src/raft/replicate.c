/* replicate.c: what the leader sends to each peer, once a turn (Raft §5.3; diss. §10.2). */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "raft/internal.h"

static void send_append(struct raft *raft, struct raft_peer *peer, const struct entry *entries,
                        size_t count)
{
    raft_term prev_term = 0;
    bool is_known = raft_log_term_at(&raft->log, peer->next_index - 1, &prev_term);
    ASSERT(is_known);
    ASSERT_IMPLIES(count > 0, entries[0].index == peer->next_index);
    raft_send(raft, (struct raft_message){
                        .type = RAFT_APPEND_ENTRIES,
                        .to = peer->id,
                        .append_entries = {.prev = {prev_term, peer->next_index - 1},
                                           .commit = raft->log.commit_index,
                                           .round = raft->round,
                                           .is_leased = raft->options.lease_ns > 0},
                        .entries = entries,
                        .entry_count = count,
                    });
    peer->commit_sent = raft->log.commit_index;
    peer->round_sent = raft->round;
    peer->sent_ns = raft->now_ns;
}

/* How many of these entries one message may carry; at least one. */
static size_t batch_of(const struct raft *raft, const struct raft_peer *peer,
                       const struct entry *entries, size_t count, uint64_t *bytes)
{
    uint64_t bytes_max = raft->options.append_bytes_max;
    if (peer->state == RAFT_PROBE) {
        bytes_max = min_u64(bytes_max, RAFT_PROBE_BYTES_MAX);
    }
    size_t taken = 0;
    *bytes = 0;
    while (taken < count && taken < raft->options.append_entries_max &&
           (taken == 0 || *bytes + entries[taken].record_bytes <= bytes_max)) {
        *bytes += entries[taken++].record_bytes;
    }
    return taken;
}

static void send_batch(struct raft *raft, struct raft_peer *peer, const struct entry *entries,
                       size_t count)
{
    uint64_t bytes;
    size_t taken = batch_of(raft, peer, entries, count, &bytes);
    send_append(raft, peer, entries, taken);
    raft_peer_sent(raft, peer, entries[taken - 1].index, bytes);
}

static void ask_for_entries(struct raft *raft, struct raft_peer *peer, struct raft_ready *out)
{
    if (peer->is_fetching) {
        return;
    }
    ASSERT(out->fetch_count < RAFT_MEMBERS_MAX);
    peer->is_fetching = true;
    raft->fetches[out->fetch_count++] = (struct raft_fetch){
        .peer = peer->id,
        .first = peer->next_index,
        .bytes_max =
            peer->state == RAFT_PROBE ? RAFT_PROBE_BYTES_MAX : raft->options.append_bytes_max,
    };
}

/* Send as much as the limits in flight allow; entries no longer in memory are fetched. */
static void send_entries(struct raft *raft, struct raft_peer *peer, struct raft_ready *out)
{
    while (peer->next_index <= raft->log.last_index && !raft_peer_is_full(raft, peer) &&
           raft->out_count < RAFT_MESSAGES_MAX) {
        size_t count;
        const struct entry *entries = raft_entries(raft, peer->next_index, &count);
        if (entries != NULL) {
            send_batch(raft, peer, entries, count);
        } else if (peer->fetched_count > 0 && !peer->is_fetched_sent) {
            ASSERT(peer->fetched[0].index == peer->next_index);
            peer->is_fetched_sent = true;
            send_batch(raft, peer, peer->fetched, peer->fetched_count);
        } else {
            if (peer->fetched_count == 0) {
                ask_for_entries(raft, peer, out);
            }
            return;
        }
    }
}

static void replicate(struct raft *raft, struct raft_peer *peer, struct raft_ready *out)
{
    bool is_heartbeat_due = raft->now_ns >= peer->sent_ns + raft->options.heartbeat_interval_ns;
    if (peer->state == RAFT_PROBE && is_heartbeat_due) {
        peer->is_probe_sent = false; /* unanswered for so long: ask again */
    }
    size_t sent_before = raft->out_count;
    send_entries(raft, peer, out);
    bool is_round_due = peer->round_sent < raft->round;
    bool is_commit_due =
        peer->commit_sent < peer->notify_index && raft->log.commit_index >= peer->notify_index;
    if (raft->out_count == sent_before && (is_heartbeat_due || is_round_due || is_commit_due)) {
        send_append(raft, peer, NULL, 0);
        if (peer->state == RAFT_PROBE) {
            peer->is_probe_sent = true;
        }
    }
}

void raft_leader_ready(struct raft *raft, struct raft_ready *out)
{
    if (raft->is_round_open) {
        raft->is_round_open = false;
        raft->round++;
        raft_reads_confirm(raft); /* a single voter asks nobody */
    }
    for (size_t i = 0; i < raft->peer_count; i++) {
        replicate(raft, &raft->peers[i], out);
    }
    out->fetches = raft->fetches;
    raft_sendings_ready(raft, out);
}

int raft_on_fetched(struct raft *raft, node_id id, int status, const struct entry *entries,
                    size_t count)
{
    struct raft_peer *peer = raft->role == RAFT_LEADER ? raft_find_peer(raft, id) : NULL;
    if (peer == NULL || !peer->is_fetching) {
        return 0; /* asked in another life */
    }
    peer->is_fetching = false;
    raft_term term;
    bool is_wanted = status == 0 && count > 0 && entries[0].index == peer->next_index &&
                     raft_log_term_at(&raft->log, entries[0].index, &term) &&
                     term == entries[0].term;
    if (!is_wanted) {
        return 0; /* an unread log is never an empty one: nothing is sent */
    }
    ASSERT(peer->fetched_count == 0);
    void *array = NULL;
    int grown = allocate_grow(raft->options.allocator, &array, &peer->fetched_capacity, count,
                              RAFT_LOG_ENTRIES_MAX, sizeof(*entries));
    if (grown != 0) {
        return grown;
    }
    peer->fetched = array;
    memcpy(peer->fetched, entries, count * sizeof(*entries));
    peer->fetched_count = count;
    for (size_t i = 0; i < count; i++) {
        chunk_hold(entries[i].chunk);
    }
    return 0;
}

/* What was lent to a ready has been encoded by now. */
void raft_release_fetched(struct raft *raft)
{
    for (size_t i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].is_fetched_sent) {
            raft_peer_drop_fetched(raft, &raft->peers[i]);
        }
    }
}
