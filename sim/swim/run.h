/* run.h: one run of a seed: a cluster, what befalls it, and what must be true of it then. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SWIM_RUN_H
#define SIM_SWIM_RUN_H

#include "sim/swim/world.h"

struct run_report {
    uint64_t hash;
    uint64_t events;
    uint32_t nodes;
    char failure[256]; /* "" when all is well */
};

/* Run one seed. is_traced: write down each message and all news. */
void run_seed(uint64_t seed, bool is_traced, struct run_report *out);

#endif
