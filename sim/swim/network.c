/* network.c: delay, loss, repetition, partitions, broken links, starved hosts. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/swim/network.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/swim/process.h"
#include "wire/packet.h"

#define RETRANSMIT_NS (200 * NS_PER_MS) /* of a stream, when a segment was lost */
#define RETRANSMITS_MAX 5

static bool is_before(const struct world_event *a, const struct world_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

void network_push(struct world *world, struct world_event event)
{
    if (world->heap_count == world->heap_capacity) {
        world->heap_capacity = world->heap_capacity == 0 ? 1024 : world->heap_capacity * 2;
        world->heap = realloc(world->heap, world->heap_capacity * sizeof(*world->heap));
        ASSERT(world->heap != NULL);
    }
    event.order = world->order++;
    size_t at = world->heap_count++;
    while (at > 0 && is_before(&event, &world->heap[(at - 1) / 2])) {
        world->heap[at] = world->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->heap[at] = event;
}

struct world_event network_pop(struct world *world)
{
    ASSERT(world->heap_count > 0);
    struct world_event first = world->heap[0];
    struct world_event last = world->heap[--world->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= world->heap_count) {
            break;
        }
        if (child + 1 < world->heap_count &&
            is_before(&world->heap[child + 1], &world->heap[child])) {
            child++;
        }
        if (!is_before(&world->heap[child], &last)) {
            break;
        }
        world->heap[at] = world->heap[child];
        at = child;
    }
    if (world->heap_count > 0) {
        world->heap[at] = last;
    }
    return first;
}

static bool is_cut(const struct world *world, uint32_t from, uint32_t to)
{
    if (world->nodes[from].group != world->nodes[to].group) {
        return true;
    }
    for (size_t i = 0; i < world->cut_count; i++) {
        if (world->cuts[i].from == from && world->cuts[i].to == to) {
            return true;
        }
    }
    return false;
}

static time_ns delay(struct world *world, bool is_stream)
{
    const struct world_network *network = &world->network;
    time_ns delay_ns = prng_between(&world->prng, network->delay_min_ns, network->delay_max_ns);
    for (int i = 0; is_stream && i < RETRANSMITS_MAX && world_chance(world, network->loss); i++) {
        delay_ns += RETRANSMIT_NS << i;
    }
    return delay_ns;
}

static void put(struct world *world, struct world_event event, const uint8_t *bytes)
{
    event.bytes = malloc(event.size_bytes);
    ASSERT(event.bytes != NULL);
    memcpy(event.bytes, bytes, event.size_bytes);
    network_push(world, event);
}

size_t network_send(struct world *world, uint32_t from, uint32_t address,
                    const struct swim_message *message, bool is_stream)
{
    static uint8_t bytes[SWIM_PIECE_BYTES_MAX];
    size_t size_bytes = wire_packet_encode(message, bytes, sizeof(bytes));
    ASSERT(size_bytes > 0);
    if (!is_stream && size_bytes > world->options.packet_bytes_max) {
        world_fail(world, "packet_size", "a packet of %zu bytes", size_bytes);
    }
    uint32_t to = world->owner[address];
    if (to == WORLD_NOBODY || is_cut(world, from, to) ||
        (!is_stream && world_chance(world, world->network.loss))) {
        return size_bytes;
    }
    const struct process *process = world->nodes[from].process;
    bool is_blocked = process != NULL && process->options.is_blocked_only;
    time_ns sent_ns = is_blocked ? process_after(process, world->now_ns, 0) : world->now_ns;
    struct world_event event = {
        .at_ns = sent_ns + delay(world, is_stream),
        .size_bytes = (uint32_t)size_bytes,
        .source = from,
        .source_address = world->nodes[from].address,
        .address = address,
        .is_stream = is_stream,
    };
    put(world, event, bytes);
    if (!is_stream && world_chance(world, world->network.duplicate)) {
        event.at_ns += delay(world, false);
        put(world, event, bytes);
    }
    if (!is_stream && world_chance(world, world->network.replay)) {
        event.at_ns += prng_between(&world->prng, 0, world->network.replay_ns);
        event.is_replay = true;
        put(world, event, bytes);
    }
    return size_bytes;
}

time_ns network_runs_at(const struct world_node *node, time_ns now_ns)
{
    if (node->stall_ns == 0) {
        return now_ns;
    }
    time_ns cycle_ns = node->run_ns + node->stall_ns;
    time_ns within_ns = now_ns % cycle_ns;
    return within_ns < node->run_ns ? now_ns : now_ns - within_ns + cycle_ns;
}
