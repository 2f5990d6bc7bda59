/* measure_heal.c: how long it takes until all agree again, and what a member sends while idle. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "sim/swim/figures.h"

#define APART_NS (600 * NS_PER_S)
#define LOOK_NS (NS_PER_S / 10)
#define SETTLE_NS (5 * NS_PER_S)
#define AGREE_MAX_NS (600 * NS_PER_S)
#define TRIALS 20
#define LATER_LIFE 1000 /* its incarnation */

static bool all_agree(const struct world *world)
{
    uint64_t digest = world_status(world, 0).digest;
    for (uint32_t node = 0; node < world->node_count; node++) {
        struct swim_status status = world_status(world, node);
        if (status.digest != digest || status.live_count != world->node_count ||
            status.suspect_count > 0) {
            return false;
        }
    }
    return true;
}

static time_ns time_to_agree(struct world *world)
{
    time_ns began_ns = world->now_ns;
    while (!all_agree(world)) {
        ASSERT(world->now_ns - began_ns < AGREE_MAX_NS);
        world_run(world, world->now_ns + LOOK_NS);
    }
    return world->now_ns - began_ns;
}

time_ns measure_partition(uint32_t members, uint64_t seed)
{
    struct world world;
    struct swim_options options = swim_options_default();
    measure_begin(&world, &options, seed, members);
    world_run(&world, world.now_ns + SETTLE_NS);
    for (uint32_t node = 0; node < members; node++) {
        world.nodes[node].group = node < members * 2 / 5 ? 0 : 1;
    }
    world_run(&world, world.now_ns + APART_NS);
    ASSERT(!all_agree(&world));
    for (uint32_t node = 0; node < members; node++) {
        world.nodes[node].group = 0;
    }
    time_ns took_ns = time_to_agree(&world);
    ASSERT(world.failure[0] == '\0');
    world_deinit(&world);
    return took_ns;
}

time_ns measure_restart(uint32_t members, uint64_t seed)
{
    static const uint32_t seeds[] = {0, 1};
    struct world world;
    struct swim_options options = swim_options_default();
    measure_begin(&world, &options, seed, members);
    world_run(&world, world.now_ns + SETTLE_NS);
    for (uint32_t node = 0; node < members; node++) {
        world_kill(&world, node);
    }
    for (uint32_t node = 0; node < members; node++) {
        world_start(&world, node, LATER_LIFE, seeds, 2);
    }
    time_ns took_ns = time_to_agree(&world);
    ASSERT(world.failure[0] == '\0');
    world_deinit(&world);
    return took_ns;
}

static void print_times(uint32_t members, time_ns (*measure)(uint32_t members, uint64_t seed))
{
    time_ns sum_ns = 0;
    time_ns worst_ns = 0;
    for (uint64_t seed = 1; seed <= TRIALS; seed++) {
        time_ns took_ns = measure(members, seed);
        sum_ns += took_ns;
        worst_ns = took_ns > worst_ns ? took_ns : worst_ns;
    }
    printf(" %.1f, %.1f |", (double)sum_ns / TRIALS / NS_PER_S, (double)worst_ns / NS_PER_S);
}

void measure_healing(void)
{
    static const uint32_t sizes[] = {5, 10, 20, 50, 100};
    printf(
        "\n%d trials each, mean and worst in seconds:\n"
        "| members | agree after 10 minutes of partition | after all restarted at once | packets "
        "of a member in a quiet second | bytes of each |\n",
        TRIALS);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct swim_options options = swim_options_default();
        struct measure_row row = {.members = sizes[i]};
        measure_cluster(&options, 1, 0, &row);
        printf("| %" PRIu32 " |", sizes[i]);
        print_times(sizes[i], measure_partition);
        print_times(sizes[i], measure_restart);
        printf(" %.2f | %.0f |\n", row.packets, row.bytes / row.packets);
        (void)fflush(stdout);
    }
}
