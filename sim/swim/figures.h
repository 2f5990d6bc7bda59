/* figures.h: figures, and who measures and draws which. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SWIM_FIGURES_H
#define SIM_SWIM_FIGURES_H

#include <stddef.h>

#include "sim/swim/measure.h"
#include "sim/swim/world.h"

#define MEASURE_TRIALS_MAX 300 /* of one size */

/* Means over all trials, in periods from the crash or the change on. */
struct measure_row {
    uint32_t members;
    uint32_t trials;
    double detection;  /* until the first ping that it cannot answer, in whole periods */
    double suspected;  /* by the first */
    double dead_first; /* declared by the first */
    double dead_all;   /* known by all */
    double dead_worst; /* the longest of all trials */
    double spread;     /* of a changed profile, to the last */
    double packets;    /* of one member in a quiet period, acks included */
    double bytes;
    double memory;                  /* bytes of one machine */
    double all[MEASURE_TRIALS_MAX]; /* of each trial: known by all */
};

/* The starved are processes with 10 % of a processor (process.h): run and stall in ms, up to
 * `work` ms of other work at a time; blocked: the paper's.
 * X(name, starved, run, stall, work, is_blocked, loss in per cent, "what is wrong")
 */
#define MEASURE_FALSE_MAP(X)                                                                       \
    X(quota, 1, 10, 90, 0, false, 0, "1 of 20: 10 ms of each 100 ms")                              \
    X(busy, 1, 10, 90, 60, false, 0, "1 of 20: the same, in turns of up to 0.6 s")                 \
    X(busier, 1, 10, 90, 500, false, 0, "1 of 20: the same, in turns of up to 5 s")                \
    X(busiest, 4, 10, 90, 500, false, 0, "4 of 20: the same, in turns of up to 5 s")               \
    X(stalled, 1, 500, 4500, 0, false, 0, "1 of 20: 0.5 s of each 5 s")                            \
    X(frozen, 4, 2000, 18000, 0, false, 0, "4 of 20: 2 s of each 20 s")                            \
    X(blocked, 1, 2000, 18000, 0, true, 0, "1 of 20: the same, but timers run on")                 \
    X(blocked4, 4, 2000, 18000, 0, true, 0, "4 of 20: the same, but timers run on")                \
    X(loss20, 0, 0, 0, 0, false, 20, "20 % loss")                                                  \
    X(loss40, 0, 0, 0, 0, false, 40, "40 % loss")

/* Plain SWIM, timers before what has arrived; the same, what has arrived first; ours. */
enum measure_kind {
    MEASURE_NAIVE,
    MEASURE_PLAIN,
    MEASURE_OURS,
    MEASURE_KINDS,
};

enum {
#define X(name, starved, run, stall, work, is_blocked, loss, text) MEASURE_FALSE_##name,
    MEASURE_FALSE_MAP(X)
#undef X
        MEASURE_FALSE_COUNT,
};

/* Of all clusters, by enum measure_kind. */
struct measure_false {
    const char *what;
    uint64_t suspected[MEASURE_KINDS]; /* healthy members, each time that somebody begins to */
    uint64_t dead[MEASURE_KINDS];      /* healthy members, each time that somebody declares */
    uint64_t starved[MEASURE_KINDS];   /* the same of the starved ones */
};

/* One cluster of row->members: its load, before anybody is dead; then so many updates and crashes,
 * added to the row, as sums.
 */
void measure_cluster(const struct swim_options *options, uint64_t seed, uint32_t crashes,
                     struct measure_row *row);
/* Crashes, updates and load in clusters of this size, as many as fit the size. */
void measure_size(const struct swim_options *options, uint32_t members, struct measure_row *row);
/* How long after ten minutes of partition, or a restart of all at once, until all agree. */
time_ns measure_partition(uint32_t members, uint64_t seed);
time_ns measure_restart(uint32_t members, uint64_t seed);
void measure_healing(void);
void measure_limits(void);
/* One cluster of 20 for so long, with what is wrong in line `which`; added to `out`. */
void measure_false_run(size_t which, enum measure_kind kind, uint64_t seed, uint32_t minutes,
                       struct measure_false *out);
void measure_falses(struct measure_false out[MEASURE_FALSE_COUNT]);

/* Write SVG files into the folder. 0, or -1: it could not be written. */
int plot_sizes(const char *folder, const struct measure_row *rows, size_t count);
int plot_falses(const char *folder, const struct measure_false *falses);

#endif
