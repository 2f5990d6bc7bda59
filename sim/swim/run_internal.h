/* run_internal.h: a run under way, shared by what befalls it and who judges it. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SWIM_RUN_INTERNAL_H
#define SIM_SWIM_RUN_INTERNAL_H

#include "sim/swim/check.h"

#define REPLAY_PERIODS 20 /* of quiet, in which old packets still come */

struct run {
    struct world world;
    struct checks checks;
    struct prng prng; /* of the plan: what befalls does not depend on what was sent */
    uint32_t names;
    bool is_peaceful; /* no partition and no starved host so far */
    raft_term term;
};

/* A node that is up, or not; WORLD_NOBODY when there is none. */
uint32_t run_pick(struct run *run, bool is_up);
/* Start its process, with node 0 and another for seeds. */
void run_start(struct run *run, uint32_t node);
void run_pass(struct run *run, time_ns span_ns);
/* A checker has found something. */
bool run_is_over(const struct run *run);
/* Nothing is broken or starved any more. */
void run_heal(struct run *run);
/* Quiet, and what must be true then. */
void run_judge(struct run *run);

#endif
