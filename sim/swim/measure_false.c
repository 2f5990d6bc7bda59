/* measure_false.c: who is suspected or declared dead though he is well; whom news misses. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "sim/swim/measure_internal.h"

#define MEMBERS 20
#define MINUTES 30
#define RUNS 3 /* clusters for each line */
#define LIMIT_MEMBERS 5
#define LIMIT_TRIALS 1000
#define LIMIT_PERIODS 30

struct false_watch {
    struct world *world;
    struct measure_false *out;
    bool has_lifeguard;
};

static void on_news(void *context, uint32_t node, const struct swim_news *news)
{
    struct false_watch *watch = context;
    uint32_t about = world_node_of(watch->world, news->id);
    bool is_dead = news->type == SWIM_NEWS_DEAD && news->agreed > 0;
    (void)node;
    if (watch->world->nodes[about].stall_ns > 0) {
        watch->out->starved[watch->has_lifeguard] += is_dead;
        return;
    }
    watch->out->dead[watch->has_lifeguard] += is_dead;
    watch->out->suspected[watch->has_lifeguard] +=
        news->type == SWIM_NEWS_SUSPECTED && news->source == watch->world->nodes[node].id;
}

static void run_false(struct measure_false *out, bool has_lifeguard, uint32_t starved,
                      time_ns run_ns, time_ns stall_ns, uint32_t loss)
{
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        struct world world;
        struct swim_options options = swim_options_default();
        options.has_lifeguard = has_lifeguard;
        measure_begin(&world, &options, seed, MEMBERS);
        struct false_watch watch = {&world, out, has_lifeguard};
        world.watch = (struct world_watch){.context = &watch, .news = on_news};
        world.network.loss = loss * 10000;
        for (uint32_t node = 0; node < starved; node++) {
            world.nodes[node].run_ns = run_ns;
            /* Not all at one moment. */
            world.nodes[node].stall_ns = stall_ns + node * NS_PER_MS * 37;
        }
        world_run(&world, world.now_ns + MINUTES * 60 * NS_PER_S);
        world_deinit(&world);
    }
}

void measure_falses(struct measure_false out[MEASURE_FALSE_COUNT])
{
    printf("\n%d clusters of %d members for %d minutes each; without Lifeguard, with it:\n", RUNS,
           MEMBERS, MINUTES);
    printf(
        "| what is wrong | healthy suspected | healthy declared dead | starved declared dead |\n");
#define X(name, starved, run_ms, stall_ms, loss, text)                                             \
    out[MEASURE_FALSE_##name] = (struct measure_false){.what = text};                              \
    for (int has_lifeguard = 0; has_lifeguard < 2; has_lifeguard++) {                              \
        run_false(&out[MEASURE_FALSE_##name], has_lifeguard == 1, starved, (run_ms)*NS_PER_MS,     \
                  (stall_ms)*NS_PER_MS, loss);                                                     \
    }
    MEASURE_FALSE_MAP(X)
#undef X
    for (size_t i = 0; i < MEASURE_FALSE_COUNT; i++) {
        printf("| %s | %" PRIu64 ", %" PRIu64 " | %" PRIu64 ", %" PRIu64 " | %" PRIu64 ", %" PRIu64
               " |\n",
               out[i].what, out[i].suspected[0], out[i].suspected[1], out[i].dead[0],
               out[i].dead[1], out[i].starved[0], out[i].starved[1]);
    }
}

struct limit_watch {
    uint32_t heard;
};

static void on_update(void *context, uint32_t node, const struct swim_news *news)
{
    struct limit_watch *watch = context;
    (void)node;
    watch->heard += news->type == SWIM_NEWS_UPDATED;
}

/* In how many trials somebody never heard of a change. */
static uint32_t missed(uint32_t transmits, bool has_sync)
{
    uint32_t missed = 0;
    for (uint64_t seed = 1; seed <= LIMIT_TRIALS; seed++) {
        struct world world;
        struct limit_watch watch = {0};
        struct swim_profile profile;
        struct swim_member_status self;
        uint32_t place = 0;
        struct swim_options options = swim_options_default();
        options.transmit_factor = 1;
        options.transmit_min = transmits;
        options.sync_ns = has_sync ? options.sync_ns : 0;
        measure_begin(&world, &options, seed, LIMIT_MEMBERS);
        world.watch = (struct world_watch){.context = &watch, .news = on_update};
        world.network.loss = 200000;
        ASSERT(swim_member_at(world.nodes[0].swim, &place, &self));
        ASSERT(swim_profile_decode(self.profile, &profile) == 0);
        profile.health = 1;
        world_step(&world, 0, (struct swim_event){.type = SWIM_EVENT_PROFILE, .profile = &profile});
        world_run(&world, world.now_ns + LIMIT_PERIODS * options.period_ns);
        missed += watch.heard < LIMIT_MEMBERS - 1;
        world_deinit(&world);
    }
    return missed;
}

void measure_limits(void)
{
    uint32_t ours = swim_options_default().transmit_min;
    printf("\na change of one of %d members at 20 %% loss, %d trials: not heard by all in\n",
           LIMIT_MEMBERS, LIMIT_TRIALS);
    for (uint32_t transmits = 2; transmits <= 6; transmits += 2) {
        printf("  %4" PRIu32 " with %2" PRIu32 " transmissions by each\n", missed(transmits, false),
               transmits);
    }
    printf("  %4" PRIu32 " with %2" PRIu32 ", the default\n", missed(ours, false), ours);
    printf("  %4" PRIu32 " with  2, and digests compared\n", missed(2, true));
}
