/* run_judge.c: the end of a run: all is mended, time passes, and all must know the same. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "sim/swim/run_internal.h"

#define QUIET_PERIODS 60 /* within which all must know the same */
#define LOAD_PERIODS 20  /* over which packets are counted */

/* The seed of all has gone for its name: each is told of another, or it may be alone for ever. */
static void seed_all(struct run *run)
{
    uint32_t live = run_pick(run, true);
    if (live == WORLD_NOBODY) {
        return;
    }
    char address[SWIM_ADDRESS_BYTES_MAX];
    (void)snprintf(address, sizeof(address), "a%" PRIu32 WORLD_PORT,
                   run->world.nodes[live].address);
    const char *seeds[] = {address};
    for (uint32_t node = 0; node < run->world.node_count; node++) {
        if (world_is_up(&run->world, node)) {
            world_step(&run->world, node,
                       (struct swim_event){.type = SWIM_EVENT_JOIN, .join = {seeds, 1}});
        }
    }
}

void run_judge(struct run *run)
{
    time_ns period_ns = run->world.options.period_ns;
    run_heal(run);
    run->world.network.loss = 0;
    run->world.network.duplicate = 0;
    run_pass(run, run->world.options.leave_ns + period_ns); /* who leaves has left then */
    if (run->world.nodes[0].swim == NULL && run->world.owner[0] == 0) {
        run_start(run, 0); /* the seed of all */
    }
    run_pass(run, REPLAY_PERIODS * period_ns);
    run->world.network.replay = 0;
    if (!world_is_up(&run->world, 0)) {
        seed_all(run);
    }
    run_pass(run, (QUIET_PERIODS - REPLAY_PERIODS) * period_ns);
    if (run_is_over(run)) {
        return;
    }
    checks_at_rest(&run->checks);
    checks_load_begin(&run->checks);
    run_pass(run, LOAD_PERIODS * period_ns);
    checks_load_end(&run->checks);
    checks_at_rest(&run->checks);
}
