/* measure_internal.h: figures, and who measures and draws which. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SWIM_MEASURE_INTERNAL_H
#define SIM_SWIM_MEASURE_INTERNAL_H

#include "sim/swim/measure.h"
#include "sim/swim/world.h"

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
    double memory; /* bytes of one machine */
};

/* X(name, starved, run_ms, stall_ms, loss in per cent, "what is wrong") */
#define MEASURE_FALSE_MAP(X)                                                                       \
    X(starved, 1, 50, 450, 0, "one of 20 at 10 % CPU, stalls of 0.45 s")                           \
    X(stalled, 1, 500, 4500, 0, "one of 20 at 10 % CPU, stalls of 4.5 s")                          \
    X(many, 4, 500, 4500, 0, "four of 20 at 10 % CPU, stalls of 4.5 s")                            \
    X(frozen, 4, 2000, 18000, 0, "four of 20 at 10 % CPU, stalls of 18 s")                         \
    X(loss20, 0, 0, 0, 20, "20 % loss")                                                            \
    X(loss40, 0, 0, 0, 40, "40 % loss")

enum {
#define X(name, starved, run_ms, stall_ms, loss, text) MEASURE_FALSE_##name,
    MEASURE_FALSE_MAP(X)
#undef X
        MEASURE_FALSE_COUNT,
};

/* Of all clusters, each for 30 minutes, [0] without Lifeguard and [1] with it. */
struct measure_false {
    const char *what;
    uint64_t suspected[2]; /* healthy members, each time that somebody begins to suspect */
    uint64_t dead[2];      /* healthy members, each time that somebody declares */
    uint64_t starved[2];   /* the same of the starved ones */
};

void measure_limits(void);
void measure_falses(struct measure_false out[MEASURE_FALSE_COUNT]);

/* Write SVG files into the folder. 0, or -1: it could not be written. */
int plot_sizes(const char *folder, const struct measure_row *rows, size_t count);
int plot_falses(const char *folder, const struct measure_false *falses);

#endif
