/* faults_process.c: processes and machines that end, stand still, or come back as another
 * version; clocks that are wrong.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "sim/faults.h"

static void end(struct sim_blow *blow, struct sim_host *host, enum sim_end how)
{
    sim_host_end(host, how);
    blow->sim->report->crashes++;
    /* Mostly it is back soon; sometimes it is away for long. */
    time_ns away_ns = prng_between(&blow->prng, 0, 3) == 0
                          ? sim_blow_length_ns(blow)
                          : prng_between(&blow->prng, 1, 1000) * NS_PER_MS;
    sim_host_restart_at(host, sim_now(blow->sim) + away_ns);
}

static bool black_out(struct sim_blow *blow)
{
    sim_blow_tell(blow, SIM_NOBODY, "of all");
    for (uint32_t i = 0; i < blow->sim->host_count; i++) {
        if (sim_host_is_up(&blow->sim->hosts[i])) {
            end(blow, &blow->sim->hosts[i], SIM_END_POWER_LOST);
        }
    }
    return true;
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
    end(blow, host, how_of(blow->fault));
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
