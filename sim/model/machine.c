/* machine.c: an event on one node: the step, the ready behind it, and what becomes of that. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model/machine.h"

#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

struct machine *machine_in(const struct arena *arena)
{
    const size_t align = 16;
    size_t offset = (sizeof(struct arena_head) + align - 1) / align * align;
    return (struct machine *)(void *)(arena->base + offset);
}

/* The first configuration, as an entry. */
static uint16_t first_entry(struct world *world)
{
    const struct model_configuration *configuration = world->configuration;
    struct raft_configuration value = {.count = 0};
    uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
    for (node_id id = 1; id <= configuration->node_count; id++) {
        bool is_voter = (configuration->voters >> (id - 1) & 1) != 0;
        if (is_voter || (configuration->learners >> (id - 1) & 1) != 0) {
            struct raft_member *member = &value.members[value.count++];
            member->id = id;
            member->roles = is_voter ? RAFT_VOTER : 0;
            member->priority = RAFT_PRIORITY_ORDINARY;
        }
    }
    size_t payload_bytes = raft_configuration_encode(&value, payload);
    return world_entry_make(world, &(struct entry_fields){
                                       .index = 1,
                                       .term = 1,
                                       .timestamp_ns = WORLD_WALL_NS,
                                       .type = ENTRY_CONFIGURATION,
                                       .payload = payload,
                                       .payload_bytes = (uint32_t)payload_bytes,
                                   });
}

void machine_init(struct world *world, struct arena *arena, node_id id)
{
    struct machine *machine = arena_allocate(arena, sizeof(*machine));
    ASSERT(machine == machine_in(arena));
    unsigned members = world->configuration->voters | world->configuration->learners;
    machine->id = id;
    machine->now_ns = WORLD_START_NS;
    if ((members >> (id - 1) & 1) != 0) {
        machine->disk.hard_state.term = 1;
        machine->disk.commit_index = 1;
        machine->disk.entries[0] = first_entry(world);
        machine->disk.count = 1;
    }
    machine_disk_restart(world, arena, machine);
}

static int step(struct world *world, struct machine *machine, struct raft_event event)
{
    event.now_ns = machine->now_ns;
    event.wall_ns = WORLD_WALL_NS;
    int status = raft_step(machine->raft, &event);
    if (status == QR_ERR_NO_MEMORY) {
        world->is_full = true;
    }
    return status;
}

/* The state machine follows at once: how far it lags decides nothing while no entry in memory
 * is forgotten, and the cache is larger than all of them.
 */
static void apply(struct world *world, struct machine *machine)
{
    raft_index end = raft_applicable_index(machine->raft);
    if (end > machine->applied_index) {
        machine_check_applicable(world, machine, end);
        machine->applied_index = end;
        int status =
            step(world, machine, (struct raft_event){.type = RAFT_EVENT_APPLIED, .applied = end});
        ASSERT(status == 0);
    }
}

/* Take what the steps since the last ready caused, in the order that raft.h states. */
static void collect(struct world *world, struct machine *machine, struct machine_outcome *out)
{
    struct raft_ready ready;
    raft_ready(machine->raft, &ready);
    machine->is_ready_due = false;
    machine_disk_save(world, machine, &ready, out);
    for (size_t i = 0; i < ready.message_count; i++) {
        machine_check_message(world, machine, &ready.messages[i]);
        ASSERT(out->count < MACHINE_OUT_MAX);
        out->messages[out->count++] = world_message_number(world, &ready.messages[i]);
    }
    for (size_t i = 0; i < ready.read_count; i++) {
        machine_check_read(world, machine, &ready.reads[i]);
    }
    for (size_t i = 0; i < ready.fetch_count; i++) {
        if (machine->fetch_count == MODEL_FETCHES_MAX) {
            out->is_cut = true;
            return;
        }
        machine->fetches[machine->fetch_count++] = ready.fetches[i];
    }
    machine_snapshot_note(world, machine, &ready);
    apply(world, machine);
    raft_invariants(machine->raft);
}

/* And what that causes at once: snapshots that are sent. */
static void collect_all(struct world *world, struct arena *arena, struct machine *machine,
                        struct machine_outcome *out)
{
    collect(world, machine, out);
    while (machine_snapshot_send(world, arena, machine)) {
        collect(world, machine, out);
    }
}

/* The first `count` saves are durable, and the machine is told so once. */
static int saved(struct world *world, struct machine *machine, size_t count)
{
    ASSERT(count >= 1 && count <= machine->save_count);
    uint64_t number = machine->saves[count - 1].number;
    for (size_t i = 0; i < count; i++) {
        machine_disk_take(world, machine);
    }
    return step(world, machine, (struct raft_event){.type = RAFT_EVENT_SAVED, .saved = number});
}

static int deliver(struct world *world, struct machine *machine, uint16_t number)
{
    const struct raft_message *message = &world_message_at(world, number)->raft;
    world_message_lend(world, number);
    int status =
        step(world, machine, (struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = message});
    if (status == QR_ERR_MALFORMED) {
        world_violate(world, "node %u refuses a message that another node made",
                      (unsigned)machine->id);
    }
    return status;
}

static int fetched(struct world *world, struct machine *machine, size_t position)
{
    ASSERT(position < machine->fetch_count);
    struct raft_fetch fetch = machine->fetches[position];
    struct entry entries[WORLD_LOG_MAX];
    size_t count = 0;
    machine->fetch_count--;
    memmove(&machine->fetches[position], &machine->fetches[position + 1],
            (machine->fetch_count - position) * sizeof(fetch));
    for (size_t i = (size_t)fetch.first - 1;
         i < machine->disk.count && fetch.first > machine->disk.base; i++) {
        entries[count] = world_entry_at(world, machine->disk.entries[i])->entry;
        entries[count++].chunk->reference_count = UINT32_C(1) << 30;
    }
    struct raft_event event = {.type = RAFT_EVENT_FETCHED};
    event.fetched.peer = fetch.peer;
    event.fetched.status = count > 0 ? 0 : QR_ERR_NOT_FOUND;
    event.fetched.entries = entries;
    event.fetched.count = count;
    return step(world, machine, event);
}

static int propose(struct world *world, struct machine *machine, uint32_t number)
{
    char payload = (char)('a' + number);
    struct raft_proposal proposal = {
        .id = {.low = number + 1}, .type = ENTRY_NORMAL, .payload_bytes = 1, .payload = &payload};
    struct raft_event event = {.type = RAFT_EVENT_PROPOSE};
    event.propose.proposals = &proposal;
    event.propose.count = 1;
    return step(world, machine, event);
}

/* These are the voters from now on, and nobody else is a member. */
static void set_voters(unsigned voters, struct raft_configuration *next)
{
    next->count = 0;
    for (node_id id = 1; id <= MODEL_NODES_MAX; id++) {
        if ((voters >> (id - 1) & 1) != 0) {
            next->members[next->count++] = (struct raft_member){
                .id = id, .roles = RAFT_VOTER, .priority = RAFT_PRIORITY_ORDINARY};
        }
    }
}

static int change(struct world *world, struct machine *machine, uint32_t argument)
{
    node_id id = argument & (EVENT_CHANGE_ADD - 1);
    struct raft_configuration next = *raft_configuration(machine->raft);
    int at = raft_configuration_find(&next, id);
    if ((argument & EVENT_CHANGE_TO) != 0) {
        set_voters(argument & (EVENT_CHANGE_TO - 1), &next);
    } else if ((argument & EVENT_CHANGE_ADD) != 0) {
        size_t position = at >= 0 ? (size_t)at : next.count++;
        next.members[position] =
            (struct raft_member){.id = id, .roles = RAFT_VOTER, .priority = RAFT_PRIORITY_ORDINARY};
    } else if (at >= 0) {
        next.count--;
        memmove(&next.members[at], &next.members[at + 1],
                (next.count - (size_t)at) * sizeof(next.members[0]));
    }
    return step(world, machine,
                (struct raft_event){.type = RAFT_EVENT_CONFIGURE, .configuration = &next});
}

static int hint(struct world *world, struct machine *machine)
{
    struct raft_status status;
    raft_status(machine->raft, &status);
    return step(world, machine,
                (struct raft_event){.type = RAFT_EVENT_LEADER_LOST,
                                    .leader_lost = {status.leader, status.term}});
}

static void crash(struct world *world, struct arena *arena, uint32_t argument)
{
    struct machine survivor = *machine_in(arena);
    size_t kept = argument & (EVENT_CRASH_MARKED - 1);
    ASSERT(kept <= survivor.save_count);
    for (size_t i = 0; i < kept; i++) {
        machine_disk_take(world, &survivor);
    }
    if ((argument & EVENT_CRASH_MARKED) != 0) {
        struct raft_status status;
        raft_status(survivor.raft, &status);
        survivor.disk.commit_index = status.commit_index;
    }
    arena_clear(arena);
    struct machine *machine = arena_allocate(arena, sizeof(*machine));
    *machine = (struct machine){.id = survivor.id, .now_ns = WORLD_START_NS, .disk = survivor.disk};
    machine_disk_restart(world, arena, machine);
}

static void reach_deadline(struct machine *machine)
{
    machine->now_ns = max_u64(machine->now_ns, raft_deadline(machine->raft));
    ASSERT(machine->now_ns != TIME_NEVER);
}

/* Returns what the machine said. */
static int act(struct world *world, struct arena *arena, uint32_t event)
{
    struct machine *machine = machine_in(arena);
    uint32_t argument = event_argument(event);
    switch (event_kind_of(event)) {
    case EVENT_DELIVER:
    case EVENT_DUPLICATE:
        return deliver(world, machine, (uint16_t)argument);
    case EVENT_TIMEOUT:
        reach_deadline(machine);
        return step(world, machine, (struct raft_event){.type = RAFT_EVENT_TICK});
    case EVENT_SAVED:
        return saved(world, machine, argument);
    case EVENT_FETCHED:
        return fetched(world, machine, argument);
    case EVENT_PROPOSE:
        return propose(world, machine, argument);
    case EVENT_READ:
        return step(world, machine,
                    (struct raft_event){.type = RAFT_EVENT_READ, .read_token = argument});
    case EVENT_CHANGE:
        return change(world, machine, argument);
    case EVENT_TRANSFER:
        return step(world, machine,
                    (struct raft_event){.type = RAFT_EVENT_TRANSFER, .transfer_to = argument});
    case EVENT_HINT:
        return hint(world, machine);
    case EVENT_CRASH:
        crash(world, arena, argument);
        return 0;
    case EVENT_LAPSE:
        reach_deadline(machine);
        return 0;
    case EVENT_COMPACT:
        return machine_compact(world, machine);
    case EVENT_INSTALL:
        return machine_install(world, machine);
    case EVENT_READY:
        return 0;
    }
    return 0;
}

static void check_bounds(struct world *world, const struct machine *machine,
                         struct machine_outcome *out)
{
    struct raft_status status;
    raft_status(machine->raft, &status);
    out->is_cut = out->is_cut || status.term > world->configuration->bounds.term ||
                  status.last_index > WORLD_LOG_MAX;
}

void machine_step(struct world *world, struct arena *arena, uint32_t event,
                  struct machine_outcome *out)
{
    enum event_kind kind = event_kind_of(event);
    *out = (struct machine_outcome){0};
    out->is_refused = act(world, arena, event) != 0;
    struct machine *machine = machine_in(arena);
    if (out->is_refused || kind == EVENT_LAPSE) {
        return;
    }
    raft_invariants(machine->raft);
    if (world->configuration->has_turns && kind != EVENT_READY) {
        machine->is_ready_due = true;
        apply(world, machine);
        check_bounds(world, machine, out);
        return;
    }
    collect_all(world, arena, machine, out);
    while (world->configuration->saves_at_once && machine->save_count > 0) {
        out->is_refused = saved(world, machine, machine->save_count) != 0;
        collect_all(world, arena, machine, out);
    }
    check_bounds(world, machine, out);
}
