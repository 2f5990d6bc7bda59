/* run.c: what befalls a cluster, as a seed decides: faults, then quiet, then judgement. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/swim/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/swim/run_internal.h"

#define FIRST_MAX 16    /* members at the beginning */
#define FAULTS_MAX 24   /* in one run */
#define REAP_PERIODS 25 /* so that some are reaped within a run */
#define WALL_MS 1000000 /* what the clocks say at the beginning */
#define MILLIONTHS 1000000
#define FORGED_ID 13 /* nobody's */
#define ID_STEP UINT64_C(0x9e3779b97f4a7c15)

/* X(name, weight) */
#define FAULT_MAP(X)                                                                               \
    X(crash, 5)                                                                                    \
    X(restart, 6)                                                                                  \
    X(move, 2)                                                                                     \
    X(wipe, 2)                                                                                     \
    X(leave, 3)                                                                                    \
    X(join, 3)                                                                                     \
    X(twin, 1)                                                                                     \
    X(partition, 3)                                                                                \
    X(links, 2)                                                                                    \
    X(heal, 4)                                                                                     \
    X(starve, 2)                                                                                   \
    X(recover, 2)                                                                                  \
    X(mass_restart, 1)                                                                             \
    X(profile, 2)                                                                                  \
    X(elect, 3)                                                                                    \
    X(two_leaders, 1)                                                                              \
    X(hint, 2)                                                                                     \
    X(forge, 3)

static uint64_t draw(struct run *run, uint64_t low, uint64_t high)
{
    return prng_between(&run->prng, low, high);
}

/* A node that is up, or not; WORLD_NOBODY when there is none. */
uint32_t run_pick(struct run *run, bool is_up)
{
    uint32_t found = WORLD_NOBODY;
    uint64_t count = 0;
    for (uint32_t node = 0; node < run->world.node_count; node++) {
        bool is_fit = is_up ? world_is_up(&run->world, node) : run->world.nodes[node].swim == NULL;
        bool is_here = run->world.owner[run->world.nodes[node].address] == node;
        if (is_fit && is_here) {
            count++;
            found = draw(run, 1, count) == 1 ? node : found;
        }
    }
    return found;
}

static uint32_t up_count(const struct run *run)
{
    uint32_t count = 0;
    for (uint32_t node = 0; node < run->world.node_count; node++) {
        count += world_is_up(&run->world, node);
    }
    return count;
}

static bool has_room(const struct run *run)
{
    return run->world.node_count < CHECK_NODES_MAX;
}

/* Milliseconds, as its wall clock has them; at times that went back. */
static uint64_t wall_clock(struct run *run)
{
    uint64_t wall = WALL_MS + run->world.now_ns / NS_PER_MS;
    return draw(run, 0, 7) == 0 ? wall - draw(run, 0, WALL_MS) : wall;
}

void run_start(struct run *run, uint32_t node)
{
    uint32_t seeds[2];
    for (size_t i = 0; i < 2; i++) {
        /* Node 0 is everybody's, so that none is alone for ever; up or not. */
        seeds[i] = i == 0 ? 0 : (uint32_t)draw(run, 0, run->world.node_count - 1);
    }
    checks_forget(&run->checks, node);
    run->checks.is_incumbent[node] = false;
    run->checks.has_left_in_peace[node] = false;
    world_start(&run->world, node, wall_clock(run), seeds, 2);
}

static void stop(struct run *run, uint32_t node)
{
    world_kill(&run->world, node);
    run->world.nodes[node].stopped_ns = run->world.now_ns;
    run->world.nodes[node].stall_ns = 0;
}

static void fault_crash(struct run *run)
{
    uint32_t node = run_pick(run, true);
    if (node != WORLD_NOBODY && up_count(run) > 2) {
        stop(run, node);
    }
}

static void fault_restart(struct run *run)
{
    uint32_t node = run_pick(run, false);
    if (node != WORLD_NOBODY) {
        run_start(run, node);
    }
}

static void fault_move(struct run *run)
{
    uint32_t node = run_pick(run, false);
    if (node != WORLD_NOBODY && node != 0) {
        world_move(&run->world, node);
        run_start(run, node);
    }
}

static node_id new_id(struct run *run)
{
    return (run->world.node_count + 1) * ID_STEP;
}

/* Another disk in the same machine: another id, the same address, perhaps the same name. */
static void fault_wipe(struct run *run)
{
    uint32_t node = run_pick(run, false);
    if (node == WORLD_NOBODY || node == 0 || !has_room(run)) {
        return;
    }
    uint32_t name = draw(run, 0, 1) == 0 ? run->world.nodes[node].name : run->names++;
    uint32_t next = world_succeed(&run->world, node, new_id(run), name);
    run_start(run, next);
}

/* Whether all others hold it for live, in this life: who has not been heard of leaves unheard. */
static bool is_known_to_all(const struct run *run, uint32_t node)
{
    const struct world *world = &run->world;
    uint64_t incarnation = world_status(world, node).incarnation;
    for (uint32_t other = 0; other < world->node_count; other++) {
        struct swim_member_status member;
        if (other != node && world_is_up(world, other) &&
            (!swim_member(world->nodes[other].swim, world->nodes[node].id, &member) ||
             member.state > SWIM_SUSPECT || member.incarnation != incarnation)) {
            return false;
        }
    }
    return true;
}

static void fault_leave(struct run *run)
{
    uint32_t node = run_pick(run, true);
    if (node == WORLD_NOBODY || up_count(run) <= 2) {
        return;
    }
    run->checks.has_left_in_peace[node] = run->is_peaceful && is_known_to_all(run, node);
    world_step(&run->world, node,
               (struct swim_event){.type = SWIM_EVENT_LEAVE, .leave = SWIM_REASON_SHUTDOWN});
}

static void fault_join(struct run *run)
{
    if (has_room(run)) {
        run_start(run, world_add(&run->world, new_id(run), run->names++));
    }
}

/* Somebody starts a node with a name that is in use. */
static void fault_twin(struct run *run)
{
    uint32_t node = run_pick(run, true);
    if (has_room(run) && node != WORLD_NOBODY) {
        check_names_twin(&run->checks, node, run->is_peaceful);
        run_start(run, world_add(&run->world, new_id(run), run->world.nodes[node].name));
    }
}

static void peace_ends(struct run *run)
{
    run->is_peaceful = false;
    memset(run->checks.has_left_in_peace, 0, sizeof(run->checks.has_left_in_peace));
    memset(run->checks.is_incumbent, 0, sizeof(run->checks.is_incumbent));
}

static void fault_partition(struct run *run)
{
    for (uint32_t node = 0; node < run->world.node_count; node++) {
        run->world.nodes[node].group = (uint32_t)draw(run, 0, 1);
    }
    peace_ends(run);
}

/* Some links carry nothing, one way. */
static void fault_links(struct run *run)
{
    uint64_t links = draw(run, 1, WORLD_CUTS_MAX);
    for (run->world.cut_count = 0; run->world.cut_count < links; run->world.cut_count++) {
        uint32_t from = (uint32_t)draw(run, 0, run->world.node_count - 1);
        uint32_t to = (uint32_t)draw(run, 0, run->world.node_count - 1);
        run->world.cuts[run->world.cut_count] = (struct world_cut){from, to};
    }
    peace_ends(run);
}

static void fault_heal(struct run *run)
{
    run->world.cut_count = 0;
    for (uint32_t node = 0; node < run->world.node_count; node++) {
        run->world.nodes[node].group = 0;
    }
}

static void fault_starve(struct run *run)
{
    uint32_t node = run_pick(run, true);
    if (node != WORLD_NOBODY) {
        run->world.nodes[node].run_ns = draw(run, 10, 1000) * NS_PER_MS;
        run->world.nodes[node].stall_ns = draw(run, 100, 8000) * NS_PER_MS;
        peace_ends(run);
    }
}

static void fault_recover(struct run *run)
{
    for (uint32_t node = 0; node < run->world.node_count; node++) {
        run->world.nodes[node].stall_ns = 0;
    }
}

void run_heal(struct run *run)
{
    fault_heal(run);
    fault_recover(run);
}

static void fault_mass_restart(struct run *run)
{
    /* Nobody remembers who left. */
    memset(run->checks.has_left_in_peace, 0, sizeof(run->checks.has_left_in_peace));
    for (uint32_t node = 0; node < run->world.node_count; node++) {
        if (world_is_up(&run->world, node)) {
            stop(run, node);
            run_start(run, node);
        }
    }
}

static void fault_profile(struct run *run)
{
    uint32_t node = run_pick(run, true);
    if (node == WORLD_NOBODY) {
        return;
    }
    struct swim_member_status self;
    uint32_t place = 0;
    struct swim_profile profile;
    ASSERT(swim_member_at(run->world.nodes[node].swim, &place, &self));
    ASSERT(swim_profile_decode(self.profile, &profile) == 0);
    profile.health = (uint8_t)draw(run, 0, 255);
    world_step(&run->world, node,
               (struct swim_event){.type = SWIM_EVENT_PROFILE, .profile = &profile});
}

static void elect(struct run *run, uint32_t node, raft_term term, uint32_t leader)
{
    world_step(&run->world, node,
               (struct swim_event){
                   .type = SWIM_EVENT_LEADER,
                   .leader = {.term = term, .leader = run->world.nodes[leader].id},
               });
}

static void fault_elect(struct run *run)
{
    uint32_t node = run_pick(run, true);
    if (node != WORLD_NOBODY) {
        /* At times one hears of it late. */
        raft_term term =
            run->term > 0 && draw(run, 0, 3) == 0 ? draw(run, 1, run->term) : ++run->term;
        elect(run, node, term, (uint32_t)term % run->world.node_count);
    }
}

/* What Raft never does, and a bug or a stranger might. */
static void fault_two_leaders(struct run *run)
{
    uint32_t a = run_pick(run, true);
    uint32_t b = run_pick(run, true);
    if (a != WORLD_NOBODY && a != b) {
        run->term++;
        elect(run, a, run->term, a);
        elect(run, b, run->term, b);
    }
}

static void fault_hint(struct run *run)
{
    uint32_t node = run_pick(run, true);
    if (node != WORLD_NOBODY) {
        uint32_t about = (uint32_t)draw(run, 0, run->world.node_count - 1);
        world_step(
            &run->world, node,
            (struct swim_event){
                .type = SWIM_EVENT_HINT,
                .hint = {.id = run->world.nodes[about].id, .is_refused = draw(run, 0, 1) == 0},
            });
    }
}

/* What a stranger may send: nothing of it changes who is held for live, and nobody goes for it. */
static void forge(struct run *run, uint32_t node, struct swim_message message,
                  struct swim_update update)
{
    uint64_t digest = world_status(&run->world, node).digest;
    if (cluster_id_is_none(message.cluster)) {
        message.cluster = run->world.options.cluster;
    }
    message.from = FORGED_ID;
    message.updates = &update;
    message.update_count = update.id != 0;
    world_step(&run->world, node,
               (struct swim_event){
                   .type = SWIM_EVENT_PACKET,
                   .received = {.message = &message, .source = "a0:1", .size_bytes = 200},
               });
    if (world_status(&run->world, node).digest != digest) {
        world_fail(&run->world, "forged", "node %" PRIu32 " believes a stranger", node);
    }
}

static void fault_forge(struct run *run)
{
    uint32_t node = run_pick(run, true);
    uint32_t about = (uint32_t)draw(run, 0, run->world.node_count - 1);
    if (node == WORLD_NOBODY || about == node || world_status(&run->world, node).is_leaving) {
        return; /* who leaves has no name to lose */
    }
    struct swim_member_status self;
    struct swim_profile profile;
    uint8_t bytes[SWIM_PROFILE_BYTES_MAX];
    uint32_t place = 0;
    ASSERT(swim_member_at(run->world.nodes[node].swim, &place, &self));
    ASSERT(swim_profile_decode(self.profile, &profile) == 0);
    profile.started = 0;
    node_id id = run->world.nodes[about].id;
    struct swim_message gossip = {.type = SWIM_GOSSIP};
    struct swim_update none = {.id = 0};
    struct swim_update last = {.state = SWIM_DEAD,
                               .id = id,
                               .incarnation = SWIM_INCARNATION_MAX - 2,
                               .accuser = FORGED_ID};
    struct swim_update name = {.state = SWIM_ALIVE, .id = FORGED_ID, .incarnation = 1};
    name.profile.size_bytes = (uint16_t)swim_profile_encode(&profile, bytes);
    name.profile.bytes = bytes;

    forge(run, node, (struct swim_message){.type = SWIM_PING, .cluster = {8, 8}}, last);
    forge(run, node, (struct swim_message){.type = SWIM_PING, .has_to = true, .to = id}, last);
    forge(run, node, (struct swim_message){.type = SWIM_ACK, .incarnation = 1}, none);
    forge(run, node, gossip, last); /* that nobody could refute */
    forge(run, node, gossip, name); /* this node's, and older than it */
    gossip.leader_term = UINT64_MAX;
    gossip.leader = FORGED_ID;
    forge(run, node, gossip, none);
}

static void befall(struct run *run)
{
    static const struct {
        const char *name;
        uint64_t weight;
        void (*fault)(struct run *run);
    } faults[] = {
#define X(name, weight) {#name, weight, fault_##name},
        FAULT_MAP(X)
#undef X
    };
    uint64_t all = 0;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        all += faults[i].weight;
    }
    uint64_t at = draw(run, 0, all - 1);
    size_t chosen = 0;
    while (at >= faults[chosen].weight) {
        at -= faults[chosen++].weight;
    }
    if (run->world.is_traced) {
        printf("%9.3f fault %s\n", (double)run->world.now_ns / 1e9, faults[chosen].name);
    }
    faults[chosen].fault(run);
}

/* Whoever left and is still there is stopped now: its process ends by itself. */
static void bury(struct run *run)
{
    for (uint32_t node = 0; node < run->world.node_count; node++) {
        if (run->world.nodes[node].swim != NULL && run->world.nodes[node].is_quiet_now) {
            stop(run, node);
        }
    }
}

void run_pass(struct run *run, time_ns span_ns)
{
    world_run(&run->world, run->world.now_ns + span_ns);
    bury(run);
}

bool run_is_over(const struct run *run)
{
    return run->world.failure[0] != '\0';
}

static void begin(struct run *run)
{
    uint32_t count = (uint32_t)draw(run, 3, FIRST_MAX);
    for (uint32_t node = 0; node < count; node++) {
        (void)world_add(&run->world, new_id(run), run->names++);
    }
    for (uint32_t node = 0; node < count; node++) {
        run_start(run, node);
    }
}

static void time_of_faults(struct run *run)
{
    uint64_t faults = draw(run, 4, FAULTS_MAX);
    time_ns period_ns = run->world.options.period_ns;
    for (uint64_t i = 0; i < faults && !run_is_over(run); i++) {
        run_pass(run,
                 draw(run, 0, 1) == 0 ? draw(run, 0, period_ns * 3) : draw(run, 0, period_ns * 20));
        if (!run_is_over(run)) {
            befall(run);
        }
    }
}

void run_seed(uint64_t seed, bool is_traced, struct run_report *out)
{
    struct run *run = calloc(1, sizeof(*run));
    ASSERT(run != NULL);
    run->prng = prng_of(seed);
    run->is_peaceful = true;
    struct swim_options options =
        draw(run, 0, 1) == 0 ? swim_options_default() : swim_options_fast();
    options.members_max = CHECK_NODES_MAX;
    options.reap_ns = REAP_PERIODS * options.period_ns;
    options.piggyback_max = (uint32_t)draw(run, 5, SWIM_PIGGYBACK_MAX);
    options.packet_bytes_max = (uint32_t)draw(run, SWIM_PACKET_BYTES_MIN, SWIM_PACKET_BYTES_MAX);
    world_init(&run->world, &options, draw(run, 0, UINT64_MAX), CHECK_NODES_MAX);
    run->world.watch = checks_watch(&run->checks, &run->world);
    run->world.is_checked = true;
    run->world.is_traced = is_traced;
    /* A profile is for a network where an answer comes within its timeouts. */
    run->world.network.delay_max_ns =
        min_u64(draw(run, 1, 40) * NS_PER_MS, options.ping_timeout_ns * 3 / 8);
    bool has_loss = draw(run, 0, 1) == 1;
    uint32_t loss = (uint32_t)draw(run, 0, MILLIONTHS / 5);
    run->world.network.loss = has_loss ? loss : 0;
    run->world.network.duplicate = (uint32_t)draw(run, 0, MILLIONTHS / 20);
    run->world.network.replay = (uint32_t)draw(run, 0, MILLIONTHS / 10);
    run->world.network.replay_ns = REAP_PERIODS * 4 * options.period_ns;
    begin(run);
    run_pass(run, draw(run, 0, 20) * options.period_ns);
    time_of_faults(run);
    run_judge(run);
    *out = (struct run_report){
        .hash = run->world.hash,
        .events = run->world.event_count,
        .nodes = run->world.node_count,
    };
    memcpy(out->failure, run->world.failure, sizeof(out->failure));
    world_deinit(&run->world);
    free(run);
}
