/* stale_reads.c: who asks a node for what it has applied, and for how old that is.
 *
 * Its chance is a stream of its own; what comes of it is judged at once, and told to nobody else.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "sim/internal.h"
#include "sim/observe.h"

#define RATE_SPAN_NS (1000 * NS_PER_S)
#define MILLION UINT64_C(1000000)
#define AGE_NS_MAX (4 * NS_PER_S)

static void wait_for_next(struct sim *sim)
{
    uint64_t most_ns = 2 * RATE_SPAN_NS / sim->plan.stale_reads;
    sim_schedule_add(&sim->schedule, &sim->stale_event,
                     sim_now(sim) + prng_between(&sim->stale_prng, 0, most_ns));
}

/* So long ago, at most, by the run's time: a slow clock makes an age shorter. */
static time_ns before_ns(const struct sim *sim, time_ns age_ns)
{
    uint64_t drift = sim->plan.drift_ppm;
    time_ns real_ns = age_ns + age_ns / (MILLION - drift) * drift + NS_PER_MS;
    return sim_now(sim) - min_u64(sim_now(sim), real_ns);
}

static void judge(struct sim_host *host, time_ns age_ns, time_ns age_ns_max)
{
    struct sim *sim = host->sim;
    struct build_status now;
    host->build->status(host->node, &now);
    sim_divergence_answered(host);
    if (now.is_restoring) {
        sim_violate(sim, "stale_read_whole",
                    "n%u answers a stale read while its state machine takes over a snapshot",
                    host->number + 1);
    }
    uint64_t floor_index =
        age_ns == TIME_NEVER ? 0 : check_stale_floor(&sim->stale, before_ns(sim, age_ns));
    if (age_ns > age_ns_max || now.applied_index < floor_index) {
        sim_violate(sim, "stale_read_age",
                    "n%u answers a stale read that may be %llu us old as one of %llu us, at index "
                    "%llu, and %llu had been acknowledged before",
                    host->number + 1, (unsigned long long)(age_ns_max / 1000),
                    (unsigned long long)(age_ns / 1000), (unsigned long long)now.applied_index,
                    (unsigned long long)floor_index);
    }
}

static void on_stale_read(struct sim_event *event)
{
    struct sim *sim = event->owner;
    struct prng *prng = &sim->stale_prng;
    struct sim_host *host = &sim->hosts[prng_between(prng, 0, sim->host_count - 1)];
    bool is_bounded = prng_between(prng, 0, 1) == 0;
    time_ns age_ns_max = prng_between(prng, 0, AGE_NS_MAX);
    wait_for_next(sim);
    if (!sim_host_is_up(host) || host->has_failed || sim_host_is_paused(host) ||
        host->build->read_stale == NULL) {
        return;
    }
    age_ns_max = is_bounded ? age_ns_max : TIME_NEVER;
    time_ns age_ns = TIME_NEVER;
    struct build_time time = sim_host_enter(host);
    int status = host->build->read_stale(host->node, age_ns_max, time, &age_ns);
    sim_host_leave(host);
    if (status == 0) {
        judge(host, age_ns, age_ns_max);
    }
}

void sim_stale_init(struct sim *sim)
{
    sim->stale_event.happen = on_stale_read;
    sim->stale_event.owner = sim;
    if (sim->plan.stale_reads > 0) {
        wait_for_next(sim);
    }
}

void sim_stale_stop(struct sim *sim)
{
    sim_schedule_remove(&sim->schedule, &sim->stale_event);
}
