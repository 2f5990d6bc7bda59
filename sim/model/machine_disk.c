/* machine_disk.c: what is durable on a node, what is on its way there, and a start from it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "sim/model/machine.h"

void machine_disk_save(struct world *world, struct machine *machine, const struct raft_ready *ready,
                       struct machine_outcome *out)
{
    if (ready->save_number == 0) {
        return;
    }
    machine_check_save(world, machine, ready);
    bool fits =
        ready->entry_count == 0 || ready->entries[ready->entry_count - 1].index <= WORLD_LOG_MAX;
    if (machine->save_count >= world->configuration->bounds.saves || !fits) {
        out->is_cut = true;
        return;
    }
    ASSERT(machine->save_count < MODEL_SAVES_MAX);
    struct raft_status status;
    raft_status(machine->raft, &status);
    struct machine_save *save = &machine->saves[machine->save_count++];
    *save = (struct machine_save){
        .number = ready->save_number,
        .hard_state = ready->hard_state,
        .commit_index = status.commit_index,
        .reset = ready->reset != NULL ? (size_t)ready->reset->index : 0,
        .first_index = ready->entry_count > 0 ? ready->entries[0].index : 0,
        .count = ready->entry_count,
    };
    for (size_t i = 0; i < ready->entry_count; i++) {
        save->entries[i] = world_entry_number(world, &ready->entries[i]);
    }
}

/* The log becomes empty, and stands where a snapshot does. */
static void reset(struct world *world, struct machine *machine, size_t index)
{
    struct machine_disk *disk = &machine->disk;
    if (index > disk->snapshot.count) {
        world_violate(world, "node %u empties its log to %zu without a snapshot there",
                      (unsigned)machine->id, index);
        return;
    }
    memset(disk->entries, 0, sizeof(disk->entries));
    memcpy(disk->entries, disk->snapshot.entries, index * sizeof(disk->entries[0]));
    disk->base = index;
    disk->count = index;
}

void machine_disk_take(struct world *world, struct machine *machine)
{
    struct machine_disk *disk = &machine->disk;
    const struct machine_save *save = &machine->saves[0];
    ASSERT(machine->save_count > 0);
    if (save->reset > 0) {
        reset(world, machine, save->reset);
    }
    if (save->count > 0 &&
        (save->first_index > disk->count + 1 || save->first_index <= disk->base)) {
        world_violate(world, "node %u saves entries behind a gap", (unsigned)machine->id);
        return;
    }
    disk->hard_state = save->hard_state;
    disk->hard_state.has_voted = disk->hard_state.has_voted && !world->disk_lies;
    disk->commit_index = save->commit_index;
    if (save->count > 0) {
        size_t at = (size_t)save->first_index - 1;
        memcpy(&disk->entries[at], save->entries, save->count * sizeof(save->entries[0]));
        disk->count = at + save->count;
        /* So that equal logs are equal bytes in an image. */
        memset(&disk->entries[disk->count], 0,
               (WORLD_LOG_MAX - disk->count) * sizeof(disk->entries[0]));
    }
    machine->save_count--;
    memmove(&machine->saves[0], &machine->saves[1],
            machine->save_count * sizeof(machine->saves[0]));
    memset(&machine->saves[machine->save_count], 0, sizeof(machine->saves[0]));
}

void machine_disk_view(const struct machine_disk *disk, size_t *count,
                       uint16_t entries[WORLD_LOG_MAX])
{
    const struct machine_snapshot *snapshot = &disk->snapshot;
    bool is_held = snapshot->count <= disk->count &&
                   (snapshot->count == 0 ||
                    disk->entries[snapshot->count - 1] == snapshot->entries[snapshot->count - 1]);
    *count = is_held ? disk->count : snapshot->count;
    memcpy(entries, is_held ? disk->entries : snapshot->entries, sizeof(disk->entries));
}

/* What wal_open() gives back of this disk. */
static struct raft_restored restored_from(const struct world *world,
                                          const struct machine_disk *disk,
                                          struct raft_term_run *runs, struct entry *configurations)
{
    struct raft_restored restored = {
        .hard_state = disk->hard_state,
        .commit_index = min_u64(disk->commit_index, disk->count),
        .last_index = disk->count,
        .last_timestamp_ns = WORLD_WALL_NS,
        .terms = runs,
        .configurations = configurations,
    };
    if (disk->base > 0) {
        restored.base = (struct raft_position){
            world_entry_at(world, disk->entries[disk->base - 1])->entry.term, disk->base};
    }
    for (size_t i = disk->base; i < disk->count; i++) {
        const struct entry *entry = &world_entry_at(world, disk->entries[i])->entry;
        if (restored.term_count == 0 || runs[restored.term_count - 1].term != entry->term) {
            runs[restored.term_count++] = (struct raft_term_run){entry->term, entry->index};
        }
        if (entry->type == ENTRY_CONFIGURATION) {
            if (entry->index <= restored.commit_index) {
                restored.configuration_count = 0; /* of those only the latest counts */
            }
            configurations[restored.configuration_count++] = *entry;
        }
    }
    return restored;
}

void machine_disk_restart(struct world *world, struct arena *arena, struct machine *machine)
{
    struct raft_term_run runs[WORLD_LOG_MAX];
    struct entry configurations[WORLD_LOG_MAX];
    struct raft_restored restored = restored_from(world, &machine->disk, runs, configurations);
    struct raft_options options = {
        .allocator = arena_allocator(arena),
        .self = machine->id,
        .seed = 1, /* chance decides nothing: the election timeouts are all the same */
        .election_timeout_min_ns = WORLD_ELECTION_NS,
        .election_timeout_max_ns = WORLD_ELECTION_NS,
        .heartbeat_interval_ns = WORLD_HEARTBEAT_NS,
        .append_entries_max = WORLD_LOG_MAX,
        .append_bytes_max = 1 << 20,
        .inflight_messages_max = 4,
        .inflight_bytes_max = 1 << 20,
        .uncommitted_bytes_max = 1 << 20,
        .cache_bytes_max = 1 << 20,
    };
    int status = raft_new(&options, &restored, machine->now_ns, &machine->raft);
    if (status != 0) {
        world_violate(world, "node %u cannot start from its own disk: %s", (unsigned)machine->id,
                      qr_error_name(status));
        return;
    }
    size_t snapshot = machine->disk.snapshot.count;
    if (snapshot > 0 && machine_step_installed(world, machine) != 0) {
        world_violate(world, "node %u cannot start from its own snapshot", (unsigned)machine->id);
        return;
    }
    struct raft_status now;
    size_t count;
    uint16_t entries[WORLD_LOG_MAX];
    raft_status(machine->raft, &now);
    machine_disk_view(&machine->disk, &count, entries);
    if (now.term < restored.hard_state.term ||
        now.commit_index != max_u64(restored.commit_index, snapshot) || now.last_index != count) {
        world_violate(world,
                      "node %u forgets what was durable: it starts with term %llu, "
                      "commit_index %llu, last_index %llu",
                      (unsigned)machine->id, (unsigned long long)now.term,
                      (unsigned long long)now.commit_index, (unsigned long long)now.last_index);
    }
}
