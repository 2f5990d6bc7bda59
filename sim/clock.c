/* clock.c: virtual time to a machine's own, and back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/clock.h"

#include "base/assert.h"

#define MILLION INT64_C(1000000)
#define LOCAL_NS_MAX (UINT64_C(1) << 62)

static time_ns local_at(const struct sim_clock *clock, time_ns now_ns)
{
    ASSERT(now_ns >= clock->anchor_ns);
    int64_t passed_ns = (int64_t)(now_ns - clock->anchor_ns);
    int64_t extra_ns =
        passed_ns / MILLION * clock->drift_ppm + passed_ns % MILLION * clock->drift_ppm / MILLION;
    return clock->local_ns + (time_ns)(passed_ns + extra_ns);
}

void sim_clock_init(struct sim_clock *clock, time_ns now_ns, time_ns local_ns, time_ns wall_ns)
{
    ASSERT(local_ns < LOCAL_NS_MAX);
    ASSERT(wall_ns < LOCAL_NS_MAX);
    *clock = (struct sim_clock){
        .anchor_ns = now_ns,
        .local_ns = local_ns,
        .wall_ns = (int64_t)wall_ns - (int64_t)local_ns,
    };
}

struct build_time sim_clock_read(const struct sim_clock *clock, time_ns now_ns)
{
    time_ns local_ns = local_at(clock, now_ns);
    int64_t wall_ns = (int64_t)local_ns + clock->wall_ns;
    return (struct build_time){local_ns, wall_ns < 0 ? 0 : (time_ns)wall_ns};
}

void sim_clock_set_drift(struct sim_clock *clock, time_ns now_ns, int64_t drift_ppm)
{
    ASSERT(drift_ppm >= -SIM_DRIFT_PPM_MAX && drift_ppm <= SIM_DRIFT_PPM_MAX);
    clock->local_ns = local_at(clock, now_ns);
    clock->anchor_ns = now_ns;
    clock->drift_ppm = drift_ppm;
}

void sim_clock_jump(struct sim_clock *clock, time_ns now_ns, int64_t by_ns)
{
    int64_t local_ns = (int64_t)local_at(clock, now_ns);
    int64_t wall_ns = local_ns + clock->wall_ns;
    bool is_in_range = !__builtin_add_overflow(wall_ns, by_ns, &wall_ns) && wall_ns >= 0 &&
                       wall_ns < (int64_t)LOCAL_NS_MAX;
    if (!is_in_range) {
        wall_ns = by_ns < 0 ? 0 : (int64_t)LOCAL_NS_MAX;
    }
    clock->wall_ns = wall_ns - local_ns;
}

time_ns sim_clock_when(const struct sim_clock *clock, time_ns local_ns)
{
    if (local_ns == TIME_NEVER) {
        return TIME_NEVER;
    }
    if (local_ns <= clock->local_ns) {
        return clock->anchor_ns;
    }
    /* A little late is what timers are; never early, or the node is asked again and again. */
    uint64_t wanted_ns = local_ns - clock->local_ns;
    uint64_t rate = (uint64_t)(MILLION + clock->drift_ppm);
    uint64_t passed_ns = wanted_ns / rate * (uint64_t)MILLION +
                         (wanted_ns % rate * (uint64_t)MILLION + rate - 1) / rate;
    time_ns when_ns = clock->anchor_ns + passed_ns;
    while (local_at(clock, when_ns) < local_ns) {
        when_ns++;
    }
    return when_ns;
}
