/* machine_fingerprint.c: all that decides what a node does next: its machine and its disk. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model/machine.h"

static void put_hard_state(struct writer *writer, const struct raft_renaming *renaming,
                           const struct hard_state *value)
{
    write_u64(writer, value->term);
    write_u8(writer, value->has_voted ? 1 : 0);
    if (value->has_voted) {
        write_u64(writer, renaming->rename(renaming->context, value->voted_for));
    }
}

static void put_entries(const struct world *world, const uint16_t *entries, size_t count,
                        size_t renaming, struct writer *writer)
{
    write_u8(writer, (uint8_t)count);
    for (size_t i = 0; i < count; i++) {
        struct hash hash = world_entry_at(world, entries[i])->hashes[renaming];
        write_u64(writer, hash.low);
        write_u64(writer, hash.high);
    }
}

/* Under new names fetches may stand in another order, which decides nothing: each is answered
 * by itself. So they are written by peer.
 */
static void put_fetches(const struct machine *machine, const struct raft_renaming *renaming,
                        struct writer *writer)
{
    write_u8(writer, (uint8_t)machine->fetch_count);
    for (node_id name = 1; name <= MODEL_NODES_MAX; name++) {
        for (size_t i = 0; i < machine->fetch_count; i++) {
            const struct raft_fetch *fetch = &machine->fetches[i];
            if (renaming->rename(renaming->context, fetch->peer) == name) {
                write_u64(writer, name);
                write_u64(writer, fetch->first);
            }
        }
    }
}

void machine_fingerprint(const struct world *world, const struct machine *machine, size_t renaming,
                         struct writer *writer)
{
    struct raft_renaming names = world_renaming(world, renaming);
    raft_fingerprint(machine->raft, machine->now_ns, &names, writer);
    put_hard_state(writer, &names, &machine->disk.hard_state);
    write_u64(writer, machine->disk.commit_index);
    put_entries(world, machine->disk.entries, machine->disk.count, renaming, writer);
    write_u8(writer, (uint8_t)machine->save_count);
    for (size_t i = 0; i < machine->save_count; i++) {
        const struct machine_save *save = &machine->saves[i];
        put_hard_state(writer, &names, &save->hard_state);
        write_u64(writer, save->commit_index);
        write_u8(writer, (uint8_t)save->reset);
        put_entries(world, save->entries, save->count, renaming, writer);
    }
    write_u8(writer, (uint8_t)machine->disk.base);
    put_entries(world, machine->disk.snapshot.entries, machine->disk.snapshot.count, renaming,
                writer);
    put_entries(world, machine->received.entries, machine->received.count, renaming, writer);
    put_fetches(machine, &names, writer);
    write_u8(writer, machine->is_ready_due ? 1 : 0);
}
