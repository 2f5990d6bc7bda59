/* measure_false.c: who is suspected or declared dead though he is well; whom news misses. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "sim/swim/figures.h"
#include "sim/swim/process.h"

#define MEMBERS 20
#define MINUTES 30
#define RUNS 3 /* clusters for each line */
#define LIMIT_MEMBERS 5
#define LIMIT_TRIALS 1000
#define LIMIT_PERIODS 30

#define SOCKET_MAX 256          /* small packets in 208 KiB, Linux's default */
#define STEP_NS (NS_PER_MS / 5) /* of a processor, for a packet or a timer */

struct false_watch {
    struct world *world;
    struct measure_false *out;
    enum measure_kind kind;
};

static void on_news(void *context, uint32_t node, const struct swim_news *news)
{
    struct false_watch *watch = context;
    uint32_t about = world_node_of(watch->world, news->id);
    bool is_dead = news->type == SWIM_NEWS_DEAD && news->agreed > 0;
    if (watch->world->nodes[about].process != NULL) {
        watch->out->starved[watch->kind] += is_dead;
        return;
    }
    watch->out->dead[watch->kind] += is_dead;
    watch->out->suspected[watch->kind] +=
        news->type == SWIM_NEWS_SUSPECTED && news->source == watch->world->nodes[node].id;
}

struct false_case {
    const char *what;
    uint32_t starved;
    uint32_t loss;
    struct process_options process;
};

static const struct false_case false_cases[] = {
#define X(name, starved_, run, stall, work, is_blocked, loss_, text)                               \
    [MEASURE_FALSE_##name] = {.what = text,                                                        \
                              .starved = starved_,                                                 \
                              .loss = loss_,                                                       \
                              .process = {.run_ns = (run)*NS_PER_MS,                               \
                                          .stall_ns = (stall)*NS_PER_MS,                           \
                                          .step_ns = STEP_NS,                                      \
                                          .work_max_ns = (work)*NS_PER_MS,                         \
                                          .socket_max = SOCKET_MAX,                                \
                                          .is_blocked_only = is_blocked}},
    MEASURE_FALSE_MAP(X)
#undef X
};

void measure_false_run(size_t which, enum measure_kind kind, uint64_t seed, uint32_t minutes,
                       struct measure_false *out)
{
    const struct false_case *wrong = &false_cases[which];
    struct world world;
    struct process processes[MEMBERS];
    struct swim_options options = swim_options_default();
    options.has_lifeguard = kind == MEASURE_OURS;
    measure_begin(&world, &options, seed, MEMBERS);
    struct false_watch watch = {&world, out, kind};
    world.watch = (struct world_watch){.context = &watch, .news = on_news};
    world.network.loss = wrong->loss * 10000;
    for (uint32_t node = 0; node < wrong->starved; node++) {
        struct process_options own = wrong->process;
        own.has_timers_first = kind == MEASURE_NAIVE;
        own.phase_ns = prng_between(&world.prng, 0, own.run_ns + own.stall_ns - 1);
        own.stall_ns += node * NS_PER_MS * 37; /* not in step for ever */
        process_init(&processes[node], &own);
        world.nodes[node].process = &processes[node];
    }
    world_run(&world, world.now_ns + (time_ns)minutes * 60 * NS_PER_S);
    world_deinit(&world);
    for (uint32_t node = 0; node < wrong->starved; node++) {
        process_deinit(&processes[node]);
    }
}

static void print_counts(const uint64_t counts[MEASURE_KINDS])
{
    printf(" %" PRIu64 ", %" PRIu64 ", %" PRIu64 " |", counts[MEASURE_NAIVE], counts[MEASURE_PLAIN],
           counts[MEASURE_OURS]);
}

void measure_falses(struct measure_false out[MEASURE_FALSE_COUNT])
{
    printf("\n%d clusters of %d members for %d minutes each; without Lifeguard, timers before what "
           "has arrived; what has arrived first; with Lifeguard:\n",
           RUNS, MEMBERS, MINUTES);
    printf(
        "| what is wrong | healthy suspected | healthy declared dead | starved declared dead |\n");
    for (size_t i = 0; i < MEASURE_FALSE_COUNT; i++) {
        out[i] = (struct measure_false){.what = false_cases[i].what};
        for (uint64_t run = 0; run < RUNS * MEASURE_KINDS; run++) {
            measure_false_run(i, run % MEASURE_KINDS, 1 + run / MEASURE_KINDS, MINUTES, &out[i]);
        }
        printf("| %s |", out[i].what);
        print_counts(out[i].suspected);
        print_counts(out[i].dead);
        print_counts(out[i].starved);
        printf("\n");
        (void)fflush(stdout);
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
