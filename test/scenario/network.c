/* network.c: messages in flight between the nodes of a scenario, each as its frame. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "scenario/cluster.h"

bool network_is_connected(const struct cluster *cluster, node_id a, node_id b)
{
    return a < NODES_MAX && b < NODES_MAX && cluster->side[a] == cluster->side[b] &&
           cluster->nodes[a].raft != NULL && cluster->nodes[b].raft != NULL;
}

static struct chunk *frame_of(struct cluster *cluster, const struct raft_message *raft)
{
    struct wire_message message = wire_of_raft(raft);
    struct wire_frame *frame = wire_encode(&cluster->heap.allocator, &message);
    ASSERT(frame != NULL);
    struct chunk *chunk = chunk_new(&cluster->heap.allocator, (uint32_t)frame->frame_bytes);
    ASSERT(chunk != NULL);
    for (size_t p = 0; p < frame->part_count; p++) {
        memcpy(chunk->data + chunk->used_bytes, frame->parts[p].data, frame->parts[p].size_bytes);
        chunk->used_bytes += (uint32_t)frame->parts[p].size_bytes;
    }
    ASSERT(chunk->used_bytes == chunk->size_bytes);
    wire_frame_free(frame);
    return chunk;
}

void network_send(struct cluster *cluster, const struct raft_message *message)
{
    bool is_connected = network_is_connected(cluster, message->from, message->to);
    print_message(cluster, is_connected ? "send" : "send (lost)", message->from, message);
    if (!is_connected) {
        return;
    }
    ASSERT(cluster->packet_count < NETWORK_MAX);
    cluster->packets[cluster->packet_count++] = (struct packet){
        message->from, message->to, (uint8_t)message->type, frame_of(cluster, message)};
}

static struct packet take_packet(struct cluster *cluster, size_t at)
{
    struct packet packet = cluster->packets[at];
    cluster->packet_count--;
    memmove(&cluster->packets[at], &cluster->packets[at + 1],
            (cluster->packet_count - at) * sizeof(packet));
    return packet;
}

static void deliver(struct cluster *cluster, struct packet packet)
{
    struct entry *entries = cluster->scratch.received;
    struct wire_message message;
    int status =
        wire_decode(packet.chunk, packet.chunk->data, packet.chunk->size_bytes, entries, &message);
    ASSERT(status == 0);
    struct raft_message raft = wire_to_raft(&message);
    (void)cluster_step(cluster, packet.to,
                       (struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &raft});
    chunk_drop(packet.chunk);
}

static void act_on(struct cluster *cluster, enum packet_action action, size_t at)
{
    if (action == PACKET_DUPLICATE) {
        ASSERT(cluster->packet_count < NETWORK_MAX);
        struct packet copy = cluster->packets[at];
        (void)chunk_hold(copy.chunk);
        cluster->packets[cluster->packet_count++] = copy;
        return;
    }
    struct packet packet = take_packet(cluster, at);
    if (action == PACKET_DELIVER) {
        deliver(cluster, packet);
    } else {
        chunk_drop(packet.chunk);
    }
}

static bool is_matching(const struct packet *packet, const struct packet_filter *filter)
{
    return (!filter->has_from || packet->from == filter->from) &&
           (!filter->has_to || packet->to == filter->to) &&
           (filter->type == 0 || packet->type == filter->type);
}

/* The order of those that match is turned around; the others keep their places. */
static size_t reorder(struct cluster *cluster, const struct packet_filter *filter)
{
    size_t count = 0;
    size_t low = 0;
    size_t high = cluster->packet_count;
    while (low < high) {
        if (!is_matching(&cluster->packets[low], filter)) {
            low++;
        } else if (!is_matching(&cluster->packets[high - 1], filter)) {
            high--;
        } else {
            struct packet packet = cluster->packets[low];
            cluster->packets[low++] = cluster->packets[--high];
            cluster->packets[high] = packet;
            count++;
        }
    }
    return count;
}

size_t network_act(struct cluster *cluster, enum packet_action action,
                   const struct packet_filter *filter)
{
    if (action == PACKET_REORDER) {
        return reorder(cluster, filter);
    }
    /* Only what is in flight now: an answer that this causes waits for the next call. */
    size_t left = cluster->packet_count;
    size_t at = 0;
    size_t count = 0;
    while (left > 0 && count < filter->count) {
        left--;
        if (!is_matching(&cluster->packets[at], filter)) {
            at++;
            continue;
        }
        act_on(cluster, action, at);
        at += action == PACKET_DUPLICATE;
        count++;
    }
    return count;
}

void network_cut(struct cluster *cluster)
{
    size_t at = 0;
    while (at < cluster->packet_count) {
        const struct packet *packet = &cluster->packets[at];
        if (network_is_connected(cluster, packet->from, packet->to)) {
            at++;
        } else {
            chunk_drop(take_packet(cluster, at).chunk);
        }
    }
}

void network_forget(struct cluster *cluster, node_id id)
{
    ASSERT(cluster->nodes[id].raft == NULL);
    network_cut(cluster);
}

void network_clear(struct cluster *cluster)
{
    while (cluster->packet_count > 0) {
        chunk_drop(take_packet(cluster, cluster->packet_count - 1).chunk);
    }
}
