/* host.c: a machine with one process on it: started, given its turns, killed, started again. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "sim/internal.h"
#include "sim/observe.h"

#define IDLE_TURNS_MAX 5000
#define TURN_US_MAX 40 /* until a node gets its turn for what came in */
#define SETTLE_ROUNDS_MAX 100
#define RECOVERY_AUDITS 6
#define RESTART_NS_MIN (20 * NS_PER_MS)
#define RESTART_NS_MAX (5 * NS_PER_S)
#define WALL_NS UINT64_C(1767225600000000000) /* the first moment of 2026 */
#define WALL_SPREAD_NS (3600 * NS_PER_S)

struct build_time sim_host_time(const struct sim_host *host)
{
    return sim_clock_read(&host->clock, sim_now(host->sim));
}

bool sim_host_is_up(const struct sim_host *host)
{
    return host->state == SIM_HOST_UP && !host->is_ending;
}

bool sim_host_is_observer(const struct sim_host *host)
{
    return host->number >= host->sim->serving_count;
}

bool sim_host_is_paused(const struct sim_host *host)
{
    return host->paused_until_ns > sim_now(host->sim);
}

void sim_host_mark(struct sim_host *host)
{
    struct sim *sim = host->sim;
    uint64_t wait_us = prng_between(&sim->node_prng, 1, TURN_US_MAX);
    sim_schedule_advance(&sim->schedule, &host->turn, sim_now(sim) + wait_us * 1000);
}

static size_t pending_count(const struct sim_host *host)
{
    size_t count = 0;
    for (int kind = 0; kind < SIM_DISK_OP_KINDS; kind++) {
        count += sim_disk_pending_count(&host->disk, (enum build_op_kind)kind);
    }
    return count;
}

/* Whether the moment has come at which this host is to go down. */
static bool is_doomed_now(struct sim_host *host)
{
    switch (host->doom_moment) {
    case SIM_MOMENT_WORK:
        return pending_count(host) >= host->doom_count;
    case SIM_MOMENT_STORING:
        host->doom_count -= sim_disk_pending_count(&host->disk, BUILD_STORE) > 0;
        break;
    case SIM_MOMENT_RESTORING:
        host->doom_count -= host->is_restoring;
        break;
    }
    return host->doom_count == 0;
}

/* Let the disk work on what it was given, after a while. */
static void wake_disk(struct sim_host *host)
{
    struct sim *sim = host->sim;
    if (host->doom != NULL && host->doom_count > 0 && is_doomed_now(host)) {
        sim_schedule_advance(&sim->schedule, host->doom, sim_now(sim));
    }
    if (sim_event_is_waiting(&host->disk_event) || pending_count(host) == 0) {
        return;
    }
    uint64_t us = prng_between(&sim->disk_prng, sim->plan.disk_us_min, sim->plan.disk_us_max);
    if (sim_now(sim) < host->disk_slow_until_ns) {
        us *= prng_between(&sim->disk_prng, 5, 100);
    }
    time_ns at_ns = sim_now(sim) + us * 1000;
    sim_schedule_add(&sim->schedule, &host->disk_event, max_u64(at_ns, host->disk_hung_until_ns));
}

struct build_time sim_host_enter(struct sim_host *host)
{
    ASSERT(host->node != NULL);
    host->calls++;
    host->idle_turns = 0;
    return sim_host_time(host);
}

void sim_host_leave(struct sim_host *host)
{
    ASSERT(host->calls > 0);
    if (--host->calls > 0) {
        return;
    }
    struct build_status status;
    host->build->status(host->node, &status);
    sim_members_note(host, &status);
    sim_check_removal_called(host, &status);
    sim_observe_status(host, &status);
    wake_disk(host);
    sim_host_mark(host);
}

/* A node that wants turn after turn at once, and waits for something else, burns a processor. */
static void check_idle_turns(struct sim_host *host, unsigned before, bool is_due_at_once)
{
    host->idle_turns = is_due_at_once ? before + 1 : 0;
    if (host->idle_turns == IDLE_TURNS_MAX) {
        sim_violate(host->sim, "no_busy_waiting",
                    "n%u took %u turns in a row, each at once, and nothing came in between",
                    host->number + 1, host->idle_turns);
    }
}

/* The next turn: when something is due. */
static void wait_for_deadline(struct sim_host *host)
{
    struct sim *sim = host->sim;
    uint64_t deadline_ns = host->build->deadline(host->node);
    time_ns at_ns = sim_clock_when(&host->clock, deadline_ns);
    sim_schedule_remove(&sim->schedule, &host->turn);
    if (at_ns != TIME_NEVER) {
        sim_schedule_add(&sim->schedule, &host->turn, max_u64(at_ns, sim_now(sim) + 1000));
    }
}

static void on_turn(struct sim_event *event)
{
    struct sim_host *host = event->owner;
    struct sim *sim = host->sim;
    ASSERT(host->state == SIM_HOST_UP);
    if (sim_host_is_paused(host)) {
        /* Who gossips reads what has arrived meanwhile before its timers run. */
        time_ns behind_ns = sim->plan.gossip == BUILD_GOSSIP_NONE ? 0 : 1000;
        sim_schedule_add(&sim->schedule, event,
                         host->paused_until_ns +
                             min_u64(behind_ns, TIME_NEVER - host->paused_until_ns));
        return;
    }
    if (host->has_failed) {
        sim_host_end(host, SIM_END_KILLED);
        sim_host_restart_later(host);
        return;
    }
    unsigned idle_turns = host->idle_turns;
    struct build_time time = sim_host_enter(host);
    host->build->turn(host->node, time);
    sim_host_leave(host);
    if (!host->has_failed) {
        bool is_due_at_once = host->build->deadline(host->node) <= time.now_ns;
        check_idle_turns(host, idle_turns, is_due_at_once);
        wait_for_deadline(host);
    }
}

/* Carry out what waits: mostly all of it, with one report, as a disk's thread does. */
static void on_disk(struct sim_event *event)
{
    struct sim_host *host = event->owner;
    struct sim *sim = host->sim;
    ASSERT(host->state == SIM_HOST_UP);
    time_ns later_ns = max_u64(host->paused_until_ns, host->disk_hung_until_ns);
    if (later_ns > sim_now(sim)) {
        sim_schedule_add(&sim->schedule, event, later_ns);
        return;
    }
    size_t count = pending_count(host);
    if (count > 1 && prng_between(&sim->disk_prng, 0, 3) == 0) {
        count = prng_between(&sim->disk_prng, 1, count);
    }
    (void)sim_host_enter(host);
    for (size_t i = 0; i < count; i++) {
        enum build_op_kind kind = BUILD_WRITE;
        bool is_any = sim_disk_first_kind(&host->disk, &kind);
        /* Preparing a segment takes long: others pass it. */
        if (is_any && prng_between(&sim->disk_prng, 0, 3) > 0 &&
            sim_disk_pending_count(&host->disk, BUILD_WRITE) > 0) {
            kind = BUILD_WRITE;
        }
        (void)sim_disk_step(&host->disk, kind);
    }
    sim_observe(sim, SIM_TRACE_DISK, host->number, count, pending_count(host), NULL);
    sim_host_leave(host);
}

static void on_restart(struct sim_event *event)
{
    struct sim_host *host = event->owner;
    if (host->state == SIM_HOST_DOWN) {
        sim_host_start(host);
    }
}

/* Where a monotonic clock begins: also where 32 bits of milliseconds end (a known bug of
 * others).
 */
static time_ns draw_local_ns(struct prng *prng)
{
    static const uint64_t begins_ms[] = {1000, UINT64_C(0x7fffffff), UINT64_C(0xffffffff)};
    uint64_t which = prng_between(prng, 0, 3);
    uint64_t before_ms = prng_between(prng, 0, 40000);
    if (which == 3) {
        return prng_between(prng, NS_PER_S, 1000000 * NS_PER_S);
    }
    return (begins_ms[which] > before_ms ? begins_ms[which] - before_ms : 1000) * NS_PER_MS;
}

static void draw_identity(struct sim_host *host)
{
    struct prng *prng = &host->sim->node_prng;
    bool is_small = host->disk_life == 0 && prng_between(prng, 0, 7) == 0;
    uint64_t id = prng_next(prng) | 0x100;
    host->id = is_small ? host->number : id;
    if (host->disk_life == 0) {
        snprintf(host->name, sizeof(host->name), "n%u", host->number + 1);
    } else {
        snprintf(host->name, sizeof(host->name), "n%u-%u", host->number + 1, host->disk_life + 1);
    }
}

void sim_host_init(struct sim *sim, uint32_t number)
{
    struct sim_host *host = &sim->hosts[number];
    host->sim = sim;
    host->number = number;
    host->turn.happen = on_turn;
    host->turn.owner = host;
    host->disk_event.happen = on_disk;
    host->disk_event.owner = host;
    host->restart.happen = on_restart;
    host->restart.owner = host;
    snprintf(host->address, sizeof(host->address), "n%u:%u", number + 1, SIM_PORT);
    draw_identity(host);
    time_ns local_ns = draw_local_ns(&sim->node_prng);
    time_ns wall_ns = WALL_NS + prng_between(&sim->node_prng, 0, WALL_SPREAD_NS);
    sim_clock_init(&host->clock, sim_now(sim), local_ns, wall_ns);
    sim_disk_init(&host->disk, prng_next(&sim->disk_prng));
    host->next_build = sim_draw_build(sim);
    sim_host_world_init(host);
    check_durable_forget(sim->durable, number);
}

void sim_host_restart_at(struct sim_host *host, time_ns at_ns)
{
    if (host->state == SIM_HOST_DOWN) {
        sim_schedule_add(&host->sim->schedule, &host->restart, at_ns);
    }
}

void sim_host_restart_later(struct sim_host *host)
{
    struct sim *sim = host->sim;
    time_ns wait_ns = prng_between(&sim->node_prng, RESTART_NS_MIN, RESTART_NS_MAX);
    sim_host_restart_at(host, sim_now(sim) + wait_ns);
}

/* The node did not open: what a damaged disk may cause, or a bug. */
static void not_opened(struct sim_host *host, int status, const char *detail)
{
    struct sim *sim = host->sim;
    sim_observe_words(sim, SIM_TRACE_REFUSED, host->number, (uint64_t)(int64_t)status, 0, "%s: %s",
                      qr_error_name(status), detail);
    bool is_passing = status == QR_ERR_IO || status == QR_ERR_DISK_FULL;
    if (is_passing && sim_host_is_explained(host, status)) {
        sim_host_restart_later(host);
    } else if (host->is_disk_marred && !is_passing) {
        sim_host_wipe(host);
        sim_host_restart_later(host);
    } else {
        sim_violate(sim, "undamaged_opens",
                    "n%u does not start, though nothing befell its disk: "
                    "%s: %s",
                    host->number + 1, qr_error_name(status), detail);
    }
}

void sim_host_start(struct sim_host *host)
{
    struct sim *sim = host->sim;
    char detail[BUILD_DETAIL_BYTES] = "";
    ASSERT(host->node == NULL && host->state == SIM_HOST_DOWN);
    host->build = host->next_build;
    host->life++;
    host->has_failed = false;
    host->applied_index = 0;
    host->is_restoring = false;
    host->progress = (struct check_progress){0};
    host->told = (struct build_status){0};
    host->told_hints = 0;
    host->paused_until_ns = 0;
    int status = sim_disk_mount(&host->disk);
    if (status == 0) {
        if (!sim_replica_open(host)) {
            sim_replica_close(host);
            return;
        }
        sim_host_world_init(host);
        status = sim_host_open(host, detail);
    }
    if (status != 0) {
        sim_replica_close(host);
        if (host->memory_blocks != 0) {
            sim_violate(sim, "no_leaks", "n%u did not open and holds %zu blocks of memory",
                        host->number + 1, host->memory_blocks);
        }
        not_opened(host, status, detail);
        return;
    }
    host->state = SIM_HOST_UP;
    sim_observe_words(sim, SIM_TRACE_START, host->number, host->life, host->id, "%s id=%016llx %s",
                      host->name, (unsigned long long)host->id, host->build->version);
    (void)sim_host_enter(host);
    sim_host_leave(host);
}

/* What was pending is reported as failed to a node that is on its way out; and what that makes
 * it ask for, to clean up behind itself.
 */
static void drain_disk(struct sim_host *host)
{
    enum build_op_kind kind;
    while (sim_disk_first_kind(&host->disk, &kind)) {
        (void)sim_disk_step(&host->disk, kind);
    }
}

static void check_disk_rules(struct sim_host *host)
{
    const char *complaint = sim_disk_complaint(&host->disk);
    if (complaint != NULL) {
        sim_violate(host->sim, "disk_rules", "n%u: %s", host->number + 1, complaint);
    }
    if (sim_disk_stats(&host->disk)->writes_after_failure > 0) {
        sim_violate(host->sim, "no_write_after_failure",
                    "n%u went on writing to its log after a write or sync had failed",
                    host->number + 1);
    }
}

bool sim_host_is_explained(const struct sim_host *host, int status)
{
    if (host->is_disk_marred) {
        return true;
    }
    return status == QR_ERR_DISK_FULL
               ? host->disk.room_bytes != UINT64_MAX
               : status == QR_ERR_IO && sim_disk_stats(&host->disk)->failure_count > 0;
}

/* The process is asked to stop, and its disk works as long as it has something to do. */
static void settle(struct sim_host *host)
{
    for (int i = 0; i < SETTLE_ROUNDS_MAX && !host->build->settle(host->node); i++) {
        enum build_op_kind kind;
        while (sim_disk_first_kind(&host->disk, &kind)) {
            (void)sim_disk_step(&host->disk, kind);
        }
    }
}

static void end_disk(struct sim_host *host, enum sim_end how)
{
    if (how == SIM_END_STOPPED) {
        settle(host);
    }
    if (how == SIM_END_POWER_LOST) {
        host->audits_due = RECOVERY_AUDITS;
        sim_disk_power_loss(&host->disk);
    } else {
        sim_disk_process_crash(&host->disk);
    }
    drain_disk(host);
}

void sim_host_end(struct sim_host *host, enum sim_end how)
{
    struct sim *sim = host->sim;
    if (host->state != SIM_HOST_UP) {
        return;
    }
    ASSERT(host->calls == 0);
    sim_observe_durable(host);
    sim_observe(sim, SIM_TRACE_STOP, host->number, host->life, how, NULL);
    host->is_ending = true;
    host->build->stop(host->node);
    end_disk(host, how);
    ASSERT(host->build->is_idle(host->node));
    host->build->free(host->node);
    host->node = NULL;
    host->is_ending = false;
    host->state = SIM_HOST_DOWN;
    host->doom = NULL;
    sim_replica_close(host);
    sim_schedule_remove(&sim->schedule, &host->turn);
    sim_schedule_remove(&sim->schedule, &host->disk_event);
    sim_gossip_host_down(host, how);
    sim_network_host_down(host);
    sim_clients_host_down(host);
    sim_administrator_host_down(host);
    if (host->memory_blocks != 0) {
        sim_violate(sim, "no_leaks", "n%u left %zu blocks of memory behind", host->number + 1,
                    host->memory_blocks);
    }
    check_disk_rules(host);
}

/* A new disk: the host comes back as a node that nobody knows. */
void sim_host_wipe(struct sim_host *host)
{
    struct sim *sim = host->sim;
    ASSERT(host->state == SIM_HOST_DOWN);
    sim_atlas_lose(sim, host);
    sim->report->disks_lost++;
    host->disk_life++;
    host->is_disk_marred = false;
    host->was_wrong = false;
    host->has_entered = false;
    host->held_count = 0;
    host->member_count = 0;
    draw_identity(host);
    sim_disk_wipe(&host->disk);
    sim_durable_forget(host);
    check_durable_forget(sim->durable, host->number);
}

void sim_host_deinit(struct sim_host *host)
{
    ASSERT(host->node == NULL);
    sim_durable_forget(host);
    sim_disk_deinit(&host->disk);
}
