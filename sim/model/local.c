/* local.c: states of single nodes, and what events make of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model/local.h"

#include <string.h>

#include "base/assert.h"
#include "sim/model/trap.h"

#define FINGERPRINT_BYTES_MAX 16384
#define ALIGN_BYTES 16 /* of what stands in a pool */

static size_t round_up(size_t size_bytes)
{
    return (size_bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

bool locals_init(struct locals *locals, struct world *world)
{
    memset(locals, 0, sizeof(*locals));
    locals->world = world;
    locals->local_bytes =
        round_up(sizeof(struct local) + world->renaming_count * sizeof(struct hash));
    bool is_made =
        pool_init(&locals->images, &world->budget) && pool_init(&locals->states, &world->budget) &&
        pool_init(&locals->outcomes, &world->budget) &&
        table_init(&locals->numbers, &world->budget) && table_init(&locals->known, &world->budget);
    for (node_id id = 1; is_made && id <= world->configuration->node_count; id++) {
        is_made = arena_init(&locals->arenas[id]);
    }
    return is_made;
}

void locals_deinit(struct locals *locals)
{
    for (size_t i = 0; i <= MODEL_NODES_MAX; i++) {
        arena_deinit(&locals->arenas[i]);
    }
    table_deinit(&locals->known);
    table_deinit(&locals->numbers);
    pool_deinit(&locals->outcomes);
    pool_deinit(&locals->states);
    pool_deinit(&locals->images);
}

static struct hash fingerprint(const struct world *world, const struct machine *machine,
                               size_t renaming)
{
    uint8_t bytes[FINGERPRINT_BYTES_MAX];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    machine_fingerprint(world, machine, renaming, &writer);
    ASSERT(!writer.failed);
    return hash_of(bytes, writer_used(&writer), WORLD_HASH_NODE);
}

/* The machine's log: from its memory, and what it has forgotten from the disk, or from the
 * snapshot there when it is compacted.
 */
static void view_log(struct world *world, const struct machine *machine, struct local_view *view)
{
    struct raft_status status;
    raft_status(machine->raft, &status);
    size_t base = (size_t)status.base.index;
    if (base > machine->disk.snapshot.count) {
        world_violate(world, "node %u has compacted up to %zu and has no snapshot of it",
                      (unsigned)machine->id, base);
        return;
    }
    memcpy(view->log, machine->disk.snapshot.entries, base * sizeof(view->log[0]));
    if (base > 0 && world_entry_at(world, view->log[base - 1])->entry.term != status.base.term) {
        world_violate(world, "node %u has a snapshot of another entry at %zu than it compacted to",
                      (unsigned)machine->id, base);
        return;
    }
    for (size_t i = base; i < view->log_count; i++) {
        size_t count;
        raft_term term = 0;
        const struct entry *entry = raft_entries(machine->raft, i + 1, &count);
        if (entry != NULL) {
            view->log[i] = world_entry_number(world, entry);
        } else if (i < machine->disk.count) {
            view->log[i] = machine->disk.entries[i];
        }
        bool is_there = raft_term_at(machine->raft, i + 1, &term);
        if (world->is_full) {
            return;
        }
        if (!is_there || world_entry_at(world, view->log[i])->entry.term != term) {
            world_violate(world, "node %u has entry %zu neither in memory nor on its disk",
                          (unsigned)machine->id, i + 1);
        }
    }
}

static void view_members(const struct machine *machine, struct local_view *view)
{
    const struct raft_configuration *configuration = raft_configuration(machine->raft);
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        uint8_t bit = (uint8_t)(1U << (member->id - 1));
        view->members = (uint8_t)(view->members | bit);
        if ((member->roles & RAFT_VOTER) != 0) {
            view->voters = (uint8_t)(view->voters | bit);
        }
        if ((member->roles & RAFT_VOTER_OUTGOING) != 0) {
            view->outgoing = (uint8_t)(view->outgoing | bit);
        }
    }
}

static void view(struct world *world, const struct machine *machine, struct local_view *out)
{
    struct raft_status status;
    raft_status(machine->raft, &status);
    ASSERT(status.last_index <= WORLD_LOG_MAX);
    time_ns deadline_ns = raft_deadline(machine->raft);
    *out = (struct local_view){
        .id = (uint8_t)machine->id,
        .role = (uint8_t)status.role,
        .has_leader = status.role == RAFT_FOLLOWER && status.has_leader,
        .term = (uint8_t)status.term,
        .commit_index = (uint8_t)status.commit_index,
        .log_count = (uint8_t)status.last_index,
        .save_count = (uint8_t)machine->save_count,
        .fetch_count = (uint8_t)machine->fetch_count,
        .can_time_out = deadline_ns != TIME_NEVER,
        .can_lapse =
            deadline_ns != TIME_NEVER && deadline_ns > machine->now_ns && !machine->is_ready_due,
        .can_mark = machine->save_count == 0 &&
                    min_u64(status.commit_index, machine->disk.count) > machine->disk.commit_index,
        .can_compact = machine->applied_index > machine->disk.base &&
                       machine->applied_index <= machine->disk.count,
        .can_install = machine->received.count > 0,
        .is_ready_due = machine->is_ready_due,
    };
    size_t disk_count;
    machine_disk_view(&machine->disk, &disk_count, out->disk);
    out->disk_count = (uint8_t)disk_count;
    view_members(machine, out);
    view_log(world, machine, out);
}

const struct local *locals_at(const struct locals *locals, uint32_t number)
{
    ASSERT(number < locals->numbers.count);
    return (const struct local *)(const void *)(locals->states.base + number * locals->local_bytes);
}

/* The number of the state that the node's arena holds now; a new one if it is new. */
static uint32_t intern(struct locals *locals, node_id id)
{
    struct world *world = locals->world;
    struct arena *arena = &locals->arenas[id];
    const struct machine *machine = machine_in(arena);
    struct hash key = fingerprint(world, machine, 0);
    uint32_t number = table_find(&locals->numbers, key);
    if (number != TABLE_NONE) {
        return number;
    }
    number = (uint32_t)locals->numbers.count;
    struct local *local = pool_take(&locals->states, locals->local_bytes);
    if (local == NULL) {
        world->is_full = true;
        return LOCAL_NONE;
    }
    local->image_bytes = arena_save(arena, &locals->images, &local->image);
    if (local->image_bytes == 0 || !table_put(&locals->numbers, key, number)) {
        world->is_full = true;
        return LOCAL_NONE;
    }
    for (size_t i = 0; i < world->renaming_count; i++) {
        local->hashes[i] = fingerprint(world, machine, i);
    }
    view(world, machine, &local->view);
    return world_is_violated(world) || world->is_full ? LOCAL_NONE : number;
}

uint32_t locals_first(struct locals *locals, node_id id)
{
    struct trap trap;
    volatile uint32_t number = LOCAL_NONE;
    trap_arm(&trap);
    if (setjmp(trap.back) == 0) {
        arena_clear(&locals->arenas[id]);
        machine_init(locals->world, &locals->arenas[id], id);
        if (!world_is_violated(locals->world) && !locals->world->is_full) {
            number = intern(locals, id);
        }
    } else {
        world_violate(locals->world, "%s", trap.text);
    }
    trap_disarm();
    return number;
}

const struct machine *locals_machine(struct locals *locals, uint32_t number)
{
    const struct local *local = locals_at(locals, number);
    struct arena *arena = &locals->arenas[local->view.id];
    arena_restore(arena, local->image, local->image_bytes);
    return machine_in(arena);
}

/* Keep what came of a step. NULL when memory ran out. */
static const struct local_outcome *keep(struct locals *locals, struct hash key, uint32_t local,
                                        const struct machine_outcome *made)
{
    size_t size = round_up(sizeof(struct local_outcome) + made->count * sizeof(uint16_t));
    size_t offset = locals->outcomes.used_bytes / ALIGN_BYTES;
    struct local_outcome *outcome = pool_take(&locals->outcomes, size);
    if (outcome == NULL || offset >= TABLE_NONE ||
        !table_put(&locals->known, key, (uint32_t)offset)) {
        locals->world->is_full = true;
        return NULL;
    }
    outcome->local = local;
    outcome->is_cut = made->is_cut;
    outcome->count = (uint8_t)made->count;
    memcpy(outcome->messages, made->messages, made->count * sizeof(uint16_t));
    return outcome;
}

static const struct local_outcome *run(struct locals *locals, struct hash key, uint32_t number,
                                       uint32_t event)
{
    struct world *world = locals->world;
    node_id id = locals_at(locals, number)->view.id;
    struct machine_outcome made;
    (void)locals_machine(locals, number);
    locals->step_count++;
    machine_step(world, &locals->arenas[id], event, &made);
    if (world_is_violated(world) || world->is_full) {
        return NULL;
    }
    uint32_t local = LOCAL_NONE;
    if (!made.is_refused && !made.is_cut) {
        local = intern(locals, id);
        if (local == LOCAL_NONE) {
            return NULL;
        }
    }
    return keep(locals, key, local, &made);
}

const struct local_outcome *locals_step(struct locals *locals, uint32_t number, uint32_t event)
{
    const uint32_t pair[] = {number, event};
    struct hash key = hash_of(pair, sizeof(pair), WORLD_HASH_STEP);
    uint32_t offset = table_find(&locals->known, key);
    if (offset != TABLE_NONE) {
        return (const struct local_outcome *)(const void *)(locals->outcomes.base +
                                                            (size_t)offset * ALIGN_BYTES);
    }
    struct trap trap;
    const struct local_outcome *outcome = NULL;
    trap_arm(&trap);
    if (setjmp(trap.back) == 0) {
        outcome = run(locals, key, number, event);
    } else {
        world_violate(locals->world, "%s", trap.text);
        outcome = NULL;
    }
    trap_disarm();
    return outcome;
}
