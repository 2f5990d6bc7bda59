/* machine_snapshot.c: snapshots of one node: taken, sent in one piece, received, installed.
 *
 * A snapshot is the list of the entries that made the state: so every rule can go on to look
 * at what was compacted.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "sim/model/machine.h"

static int step(struct machine *machine, struct raft_event event)
{
    event.now_ns = machine->now_ns;
    event.wall_ns = WORLD_WALL_NS;
    return raft_step(machine->raft, &event);
}

static struct raft_position position_of(const struct world *world,
                                        const struct machine_snapshot *snapshot)
{
    const struct entry *last =
        &world_entry_at(world, snapshot->entries[snapshot->count - 1])->entry;
    ASSERT(last->index == snapshot->count);
    return (struct raft_position){last->term, last->index};
}

int machine_compact(struct world *world, struct machine *machine)
{
    struct machine_disk *disk = &machine->disk;
    size_t index = (size_t)machine->applied_index;
    ASSERT(world->configuration->change == MODEL_NO_CHANGE);
    if (index <= disk->base || index > disk->count) {
        return QR_ERR_NOT_FOUND;
    }
    memset(&disk->snapshot, 0, sizeof(disk->snapshot));
    disk->snapshot.count = index;
    memcpy(disk->snapshot.entries, disk->entries, index * sizeof(disk->entries[0]));
    disk->base = index;
    return step(machine, (struct raft_event){.type = RAFT_EVENT_COMPACT, .compact = index});
}

int machine_step_installed(const struct world *world, struct machine *machine)
{
    const struct machine_snapshot *from = &machine->disk.snapshot;
    struct entry_fields first = entry_fields_of(&world_entry_at(world, from->entries[0])->entry);
    ASSERT(first.type == ENTRY_CONFIGURATION);
    struct raft_snapshot snapshot = {
        .position = position_of(world, from),
        .timestamp_ns = WORLD_WALL_NS,
        .configuration_index = first.index,
        .configuration = first.payload,
        .configuration_bytes = first.payload_bytes,
    };
    machine->applied_index = max_u64(machine->applied_index, from->count);
    return step(machine, (struct raft_event){.type = RAFT_EVENT_INSTALLED, .installed = &snapshot});
}

int machine_install(struct world *world, struct machine *machine)
{
    struct machine_snapshot received = machine->received;
    if (received.count == 0) {
        return QR_ERR_NOT_FOUND;
    }
    memset(&machine->received, 0, sizeof(machine->received));
    if (!raft_wants_snapshot(machine->raft, position_of(world, &received))) {
        return 0;
    }
    machine->disk.snapshot = received;
    int status = machine_step_installed(world, machine);
    if (status != 0) {
        world_violate(world, "node %u refuses a snapshot: %s", (unsigned)machine->id,
                      qr_error_name(status));
    }
    return status;
}

void machine_snapshot_note(const struct world *world, struct machine *machine,
                           const struct raft_ready *ready)
{
    for (size_t i = 0; i < ready->sending_count; i++) {
        machine->sendings |= 1U << (ready->sendings[i].peer - 1);
    }
    for (size_t i = 0; i < ready->piece_count; i++) {
        const struct raft_piece *piece = &ready->pieces[i];
        struct machine_snapshot *received = &machine->received;
        ASSERT(piece->is_last && piece->offset == 0);
        memset(received, 0, sizeof(*received));
        received->count = piece->data.size_bytes / sizeof(uint16_t);
        ASSERT(received->count == piece->snapshot.index && received->count <= WORLD_LOG_MAX);
        memcpy(received->entries, piece->data.bytes, piece->data.size_bytes);
        ASSERT(position_of(world, received).term == piece->snapshot.term);
    }
}

static int send_to(const struct world *world, struct arena *arena, struct machine *machine,
                   node_id peer)
{
    const struct machine_snapshot *snapshot = &machine->disk.snapshot;
    size_t size_bytes = snapshot->count * sizeof(snapshot->entries[0]);
    struct chunk *chunk = chunk_new(arena_allocator(arena), (uint32_t)size_bytes);
    ASSERT(chunk != NULL);
    memcpy(chunk->data, snapshot->entries, size_bytes);
    struct raft_piece piece = {.peer = peer,
                               .snapshot = position_of(world, snapshot),
                               .size_bytes = size_bytes,
                               .is_last = true,
                               .data = {chunk, chunk->data, (uint32_t)size_bytes}};
    int status = step(machine, (struct raft_event){.type = RAFT_EVENT_PIECE, .piece = &piece});
    chunk_drop(chunk);
    return status;
}

bool machine_snapshot_send(struct world *world, struct arena *arena, struct machine *machine)
{
    bool is_any = machine->sendings != 0;
    for (node_id peer = 1; peer <= MODEL_NODES_MAX; peer++) {
        if ((machine->sendings >> (peer - 1) & 1) != 0) {
            int status = send_to(world, arena, machine, peer);
            ASSERT(status == 0);
        }
    }
    machine->sendings = 0;
    return is_any;
}
