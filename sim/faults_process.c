/* faults_process.c: processes and machines that end, stand still, or come back as another
 * version; clocks that are wrong.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "sim/faults.h"

#define QUICK_MS_MAX 50
#define AWAY_MS_MAX 1000
#define DOOM_PENDING_MAX 3
#define AGAIN_MAX 3
#define AGAIN_NS (100 * UINT64_C(1000)) /* after its start */
#define DOOM_NS_MAX NS_PER_S            /* a disk without work is waited for no longer */
#define SNAPSHOT_NS_MAX (15 * NS_PER_S) /* nor is a snapshot */
#define STORE_STEPS_MAX 24              /* of one, until it ends */
#define RESTORE_STEPS_MAX 4
#define BEHIND_NS_MIN (2 * NS_PER_S) /* away, until the others have compacted their logs */
#define BEHIND_NS_MAX (15 * NS_PER_S)

/* Mostly a process is back within a second, often at once: before anybody has missed it.
 * Sometimes it is away for long.
 */
static time_ns draw_away_ns(struct sim_blow *blow)
{
    uint64_t which = prng_between(&blow->prng, 0, 3);
    if (which == 0) {
        return sim_blow_length_ns(blow);
    }
    return prng_between(&blow->prng, 1, which <= 2 ? QUICK_MS_MAX : AWAY_MS_MAX) * NS_PER_MS;
}

static void begin_doom(struct sim_event *event);

/* The moment has come, or it was waited for long enough. */
static void end_now(struct sim_event *event)
{
    struct sim_heal *heal = event->owner;
    struct sim *sim = heal->sim;
    struct sim_host *host = &sim->hosts[heal->host];
    bool is_meant = sim_now(sim) >= event->at_ns && host->doom == event;
    host->doom = host->doom == event ? NULL : host->doom;
    if (is_meant && sim_host_is_up(host)) {
        sim_host_end(host, heal->how);
        sim->report->crashes++;
        sim_host_restart_at(host, sim_now(sim) + heal->away_ns);
        if (heal->again > 0) {
            heal->again--;
            event->happen = begin_doom;
            sim_schedule_add(&sim->schedule, event, sim_now(sim) + heal->away_ns + AGAIN_NS);
            return;
        }
    }
    sim_heal_end(heal);
}

/* From now on the moment is waited for. */
static void begin_doom(struct sim_event *event)
{
    struct sim_heal *heal = event->owner;
    struct sim *sim = heal->sim;
    struct sim_host *host = &sim->hosts[heal->host];
    if (sim_now(sim) < event->at_ns || !sim_host_is_up(host) || host->doom != NULL) {
        sim_heal_end(heal);
        return;
    }
    host->doom = event;
    host->doom_moment = heal->moment;
    host->doom_count = heal->count;
    event->happen = end_now;
    sim_schedule_add(&sim->schedule, event,
                     sim_now(sim) +
                         (heal->moment == SIM_MOMENT_WORK ? DOOM_NS_MAX : SNAPSHOT_NS_MAX));
}

/* It ends when its disk has work, as machines under load do: then there is something to lose.
 * Mostly it goes down again while it recovers: a loose cable, or what makes it crash.
 */
static void end_at_work(struct sim_blow *blow, struct sim_host *host, enum sim_end how,
                        time_ns after_ns)
{
    struct sim_heal *heal = sim_blow_heal_later(blow, host->number, after_ns, begin_doom);
    heal->how = how;
    heal->count = prng_between(&blow->prng, 1, DOOM_PENDING_MAX);
    heal->away_ns = draw_away_ns(blow);
    heal->again = prng_between(&blow->prng, 0, AGAIN_MAX);
}

/* It ends while its store of snapshots has work, or its state machine takes one over, as far
 * into that as chance has it: then, mostly, it begins anew with that, and ends again. Half of
 * them were away before, for so long that they need their leader's snapshot.
 */
static void end_at_snapshot(struct sim_blow *blow, struct sim_host *host)
{
    bool is_restoring = prng_between(&blow->prng, 0, 1) == 0;
    bool is_power = prng_between(&blow->prng, 0, 2) > 0;
    time_ns after_ns = 0;
    if (prng_between(&blow->prng, 0, 1) == 0) {
        time_ns away_ns = prng_between(&blow->prng, BEHIND_NS_MIN, BEHIND_NS_MAX);
        sim_host_end(host, is_power ? SIM_END_POWER_LOST : SIM_END_KILLED);
        blow->sim->report->crashes++;
        sim_host_restart_at(host, sim_now(blow->sim) + away_ns);
        after_ns = away_ns + AGAIN_NS;
    }
    struct sim_heal *heal = sim_blow_heal_later(blow, host->number, after_ns, begin_doom);
    heal->how = is_power ? SIM_END_POWER_LOST : SIM_END_KILLED;
    heal->moment = is_restoring ? SIM_MOMENT_RESTORING : SIM_MOMENT_STORING;
    heal->count = prng_between(&blow->prng, 1, is_restoring ? RESTORE_STEPS_MAX : STORE_STEPS_MAX);
    heal->away_ns = draw_away_ns(blow);
    heal->again = prng_between(&blow->prng, 0, AGAIN_MAX);
}

static void end(struct sim_blow *blow, struct sim_host *host, enum sim_end how)
{
    sim_host_end(host, how);
    blow->sim->report->crashes++;
    time_ns away_ns = draw_away_ns(blow);
    sim_host_restart_at(host, sim_now(blow->sim) + away_ns);
    if (how != SIM_END_STOPPED && prng_between(&blow->prng, 0, 1) == 0) {
        end_at_work(blow, host, how, away_ns + AGAIN_NS);
    }
}

static uint64_t leaders_of(const struct sim *sim)
{
    uint64_t leaders = 0;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        bool is_leading = sim->hosts[i].progress.seen.role == BUILD_LEADER;
        leaders |= (uint64_t)is_leading << i;
    }
    return leaders;
}

/* All machines at once, or those of some racks, mostly the leader's: then who is left misses its
 * leader just when others come back and have forgotten it.
 */
static bool black_out(struct sim_blow *blow)
{
    struct sim *sim = blow->sim;
    bool is_of_all = prng_between(&blow->prng, 0, 1) == 0;
    uint64_t struck = is_of_all ? UINT64_MAX : prng_next(&blow->prng);
    struck |= prng_between(&blow->prng, 0, 3) > 0 ? leaders_of(sim) : 0;
    bool is_any = false;
    sim_blow_tell(blow, SIM_NOBODY, is_of_all ? "of all" : "of some");
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if ((struck >> i & 1) != 0 && sim_host_is_up(&sim->hosts[i])) {
            end(blow, &sim->hosts[i], SIM_END_POWER_LOST);
            is_any = true;
        }
    }
    return is_any;
}

static enum sim_end how_of(enum sim_fault fault)
{
    if (fault == SIM_FAULT_CRASH) {
        return SIM_END_KILLED;
    }
    return fault == SIM_FAULT_POWER_LOSS ? SIM_END_POWER_LOST : SIM_END_STOPPED;
}

bool sim_blow_process(struct sim_blow *blow)
{
    struct sim *sim = blow->sim;
    if (blow->fault == SIM_FAULT_BLACKOUT) {
        return black_out(blow);
    }
    struct sim_host *host = sim_blow_host(blow);
    if (!sim_host_is_up(host)) {
        return false;
    }
    if (blow->fault == SIM_FAULT_PAUSE) {
        time_ns length_ns = sim_blow_length_ns(blow);
        host->paused_until_ns = max_u64(host->paused_until_ns, sim_now(sim) + length_ns);
        sim_blow_tell(blow, host->number, "for %llu ms",
                      (unsigned long long)(length_ns / NS_PER_MS));
        return true;
    }
    if (blow->fault == SIM_FAULT_UPGRADE) {
        host->next_build = sim_draw_build(sim);
    }
    sim_blow_tell(blow, host->number, "%s", host->next_build->version);
    if (blow->fault == SIM_FAULT_SNAPSHOT_CRASH) {
        end_at_snapshot(blow, host);
        return true;
    }
    enum sim_end how = how_of(blow->fault);
    if (how != SIM_END_STOPPED && prng_between(&blow->prng, 0, 3) > 0) {
        end_at_work(blow, host, how, 0);
    } else {
        end(blow, host, how);
    }
    return true;
}

bool sim_blow_clock(struct sim_blow *blow)
{
    struct sim *sim = blow->sim;
    struct sim_host *host = sim_blow_host(blow);
    if (blow->fault == SIM_FAULT_DRIFT) {
        int64_t most = (int64_t)sim->plan.drift_ppm;
        if (most == 0) {
            return false;
        }
        int64_t ppm = (int64_t)prng_between(&blow->prng, 0, (uint64_t)(2 * most)) - most;
        bool is_extreme = prng_between(&blow->prng, 0, 1) == 0;
        ppm = !is_extreme ? ppm : ppm < 0 ? -most : most;
        sim_clock_set_drift(&host->clock, sim_now(sim), ppm);
        if (sim_host_is_up(host)) {
            sim_host_mark(host);
        }
        sim_blow_tell(blow, host->number, "%lld ppm", (long long)ppm);
        return true;
    }
    int64_t most_ms = INT64_C(10) << prng_between(&blow->prng, 0, 24);
    int64_t by_ms = (int64_t)prng_between(&blow->prng, 0, (uint64_t)(2 * most_ms)) - most_ms;
    sim_clock_jump(&host->clock, sim_now(sim), by_ms * (int64_t)NS_PER_MS);
    sim_blow_tell(blow, host->number, "by %lld ms", (long long)by_ms);
    return true;
}
