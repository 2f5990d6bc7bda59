/* clock.h: the two clocks of a machine, which are nobody else's.
 *
 * Owns     how virtual time becomes a machine's monotonic time (it may run too fast or too
 *          slow) and its wall time (it may also jump), and back.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_CLOCK_H
#define SIM_CLOCK_H

#include "base/types.h"
#include "sim/build.h"

#define SIM_DRIFT_PPM_MAX 200000 /* a fifth too fast or too slow */

struct sim_clock {
    time_ns anchor_ns; /* of virtual time … */
    time_ns local_ns;  /* … when the monotonic clock said this, which never goes back */
    int64_t drift_ppm; /* since then */
    int64_t wall_ns;   /* wall time is monotonic time plus this */
};

/* local_ns   what the monotonic clock says now; below 2^62. */
void sim_clock_init(struct sim_clock *clock, time_ns now_ns, time_ns local_ns, time_ns wall_ns);

struct build_time sim_clock_read(const struct sim_clock *clock, time_ns now_ns);

/* From now on the monotonic clock runs so much too fast; |drift_ppm| <= SIM_DRIFT_PPM_MAX. */
void sim_clock_set_drift(struct sim_clock *clock, time_ns now_ns, int64_t drift_ppm);

/* The wall clock is set forward or back; never before the epoch, nor behind 2^62 ns. */
void sim_clock_jump(struct sim_clock *clock, time_ns now_ns, int64_t by_ns);

/* The virtual time at which the monotonic clock has come to local_ns; TIME_NEVER for TIME_NEVER. */
time_ns sim_clock_when(const struct sim_clock *clock, time_ns local_ns);

#endif
