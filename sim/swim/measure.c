/* measure.c: detection, spread and load by the number of members. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/swim/measure.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/swim/figures.h"

#define SEED 1
#define SMALLEST 3
#define QUIET_PERIODS 8
#define LOAD_PERIODS 10
#define PERIODS_MAX 60 /* that anything may take */

/* What is watched for, and when it came. */
struct probe_watch {
    struct world *world;
    uint32_t victim;
    time_ns began_ns;
    time_ns pinged_ns;
    time_ns suspected_ns;
    time_ns dead_first_ns;
    time_ns dead_last_ns;
    uint32_t dead_count;
    time_ns updated_last_ns;
    uint32_t updated_count;
};

static void on_sent(void *context, uint32_t from, uint32_t to, const struct swim_message *message,
                    size_t size_bytes, bool is_stream)
{
    struct probe_watch *watch = context;
    (void)from;
    (void)size_bytes;
    (void)is_stream;
    if (to == watch->victim && message->type == SWIM_PING && watch->pinged_ns == 0) {
        watch->pinged_ns = watch->world->now_ns;
    }
}

static void on_news(void *context, uint32_t node, const struct swim_news *news)
{
    struct probe_watch *watch = context;
    (void)node;
    if (watch->victim == WORLD_NOBODY || news->id != watch->world->nodes[watch->victim].id) {
        return;
    }
    time_ns now_ns = watch->world->now_ns;
    if (news->type == SWIM_NEWS_SUSPECTED && watch->suspected_ns == 0) {
        watch->suspected_ns = now_ns;
    } else if (news->type == SWIM_NEWS_DEAD) {
        watch->dead_first_ns = watch->dead_count == 0 ? now_ns : watch->dead_first_ns;
        watch->dead_last_ns = now_ns;
        watch->dead_count++;
    } else if (news->type == SWIM_NEWS_UPDATED) {
        watch->updated_last_ns = now_ns;
        watch->updated_count++;
    }
}

static void watch_begin(struct probe_watch *watch, struct world *world, uint32_t victim)
{
    *watch = (struct probe_watch){.world = world, .victim = victim, .began_ns = world->now_ns};
}

static double periods(const struct world *world, time_ns from_ns, time_ns to_ns)
{
    return (double)(to_ns - from_ns) / (double)world->options.period_ns;
}

static uint32_t up_count(const struct world *world)
{
    uint32_t count = 0;
    for (uint32_t node = 0; node < world->node_count; node++) {
        count += world_is_up(world, node);
    }
    return count;
}

static uint32_t pick_up(struct world *world)
{
    for (;;) {
        uint32_t node = (uint32_t)prng_between(&world->prng, 0, world->node_count - 1);
        if (world_is_up(world, node)) {
            return node;
        }
    }
}

void measure_begin(struct world *world, const struct swim_options *options, uint64_t seed,
                   uint32_t members)
{
    struct swim_options own = *options;
    own.members_max = members < 8 ? 16 : members + 16;
    world_init(world, &own, seed, members + 1);
    for (uint32_t node = 0; node < members; node++) {
        (void)world_add(world, (node + 1) * UINT64_C(0x9e3779b97f4a7c15), node);
        world_start(world, node, 1, NULL, 0);
    }
    world_introduce_all(world);
}

/* Let time pass until `count` is what is wanted, or too long. */
static void run_until(struct world *world, const uint32_t *count, uint32_t wanted)
{
    time_ns end_ns = world->now_ns + PERIODS_MAX * world->options.period_ns;
    while (*count < wanted && world->now_ns < end_ns) {
        world_run(world, world->now_ns + world->options.period_ns / 10);
    }
    ASSERT(*count == wanted);
}

static void try_crash(struct world *world, struct probe_watch *watch, struct measure_row *row)
{
    world_run(world, world->now_ns + prng_between(&world->prng, 0, world->options.period_ns));
    uint32_t victim = pick_up(world);
    watch_begin(watch, world, victim);
    world_kill(world, victim);
    run_until(world, &watch->dead_count, up_count(world));
    double first = periods(world, watch->began_ns, watch->pinged_ns);
    row->detection += (double)(uint64_t)first + 1; /* whole periods, as the paper counts */
    row->suspected += periods(world, watch->began_ns, watch->suspected_ns);
    row->dead_first += periods(world, watch->began_ns, watch->dead_first_ns);
    row->dead_all += periods(world, watch->began_ns, watch->dead_last_ns);
    double all = periods(world, watch->began_ns, watch->dead_last_ns);
    row->dead_worst = all > row->dead_worst ? all : row->dead_worst;
    ASSERT(row->trials < MEASURE_TRIALS_MAX);
    row->all[row->trials++] = all;
}

static void try_update(struct world *world, struct probe_watch *watch, struct measure_row *row)
{
    uint32_t node = pick_up(world);
    struct swim_member_status self;
    struct swim_profile profile;
    uint32_t place = 0;
    ASSERT(swim_member_at(world->nodes[node].swim, &place, &self));
    ASSERT(swim_profile_decode(self.profile, &profile) == 0);
    profile.health++;
    watch_begin(watch, world, node);
    world_step(world, node, (struct swim_event){.type = SWIM_EVENT_PROFILE, .profile = &profile});
    run_until(world, &watch->updated_count, up_count(world) - 1);
    row->spread += periods(world, watch->began_ns, watch->updated_last_ns);
}

static void measure_load(struct world *world, struct probe_watch *watch, struct measure_row *row)
{
    uint64_t packets = 0;
    uint64_t bytes = 0;
    watch_begin(watch, world, WORLD_NOBODY);
    for (uint32_t node = 0; node < world->node_count; node++) {
        packets -= world->nodes[node].sent_packets;
        bytes -= world->nodes[node].sent_bytes;
    }
    world_run(world, world->now_ns + LOAD_PERIODS * world->options.period_ns);
    for (uint32_t node = 0; node < world->node_count; node++) {
        packets += world->nodes[node].sent_packets;
        bytes += world->nodes[node].sent_bytes;
    }
    row->packets = (double)packets / LOAD_PERIODS / up_count(world);
    row->bytes = (double)bytes / LOAD_PERIODS / up_count(world);
}

void measure_cluster(const struct swim_options *options, uint64_t seed, uint32_t crashes,
                     struct measure_row *row)
{
    struct world world;
    struct probe_watch watch;
    time_ns quiet_ns = QUIET_PERIODS * options->period_ns;
    measure_begin(&world, options, seed, row->members);
    world.watch = (struct world_watch){.context = &watch, .sent = on_sent, .news = on_news};
    watch_begin(&watch, &world, WORLD_NOBODY);
    world_run(&world, world.now_ns + quiet_ns);
    measure_load(&world, &watch, row);
    row->memory = (double)world.allocated_bytes / row->members;
    for (uint32_t i = 0; i < crashes; i++) {
        try_update(&world, &watch, row);
        world_run(&world, world.now_ns + quiet_ns);
        try_crash(&world, &watch, row);
        world_run(&world, world.now_ns + quiet_ns);
    }
    world_deinit(&world);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

void measure_size(const struct swim_options *options, uint32_t members, struct measure_row *row)
{
    *row = (struct measure_row){.members = members};
    /* Small clusters: one crash each, in many; large ones: many in one. */
    uint32_t clusters = members <= 10 ? 300 : members <= 100 ? 20 : members <= 1000 ? 2 : 1;
    uint32_t crashes = members <= 10 ? 1 : members <= 100 ? 5 : members <= 1000 ? 15 : 8;
    for (uint32_t i = 0; i < clusters; i++) {
        measure_cluster(options, SEED + i, crashes, row);
    }
    ASSERT(row->trials == clusters * crashes);
    row->detection /= row->trials;
    row->suspected /= row->trials;
    row->dead_first /= row->trials;
    row->dead_all /= row->trials;
    row->spread /= row->trials;
    qsort(row->all, row->trials, sizeof(row->all[0]), compare);
}

static void print_sizes(const struct measure_row *row)
{
    printf("| %6" PRIu32 " | %6" PRIu32 " | %5.2f | %5.2f | %5.2f | %5.2f | %5.2f | %5.2f | %5.2f "
           "| %5.0f | %8.1f |\n",
           row->members, row->trials, row->detection, row->suspected, row->dead_first,
           row->dead_all, row->dead_worst, row->spread, row->packets, row->bytes,
           row->memory / 1024);
    (void)fflush(stdout);
}

/* The fast profile, in milliseconds. */
static void measure_fast(void)
{
    static const uint32_t sizes[] = {SMALLEST, 10, 20, 50, 100};
    struct swim_options options = swim_options_fast();
    double ms = (double)options.period_ns / NS_PER_MS;
    printf("\nthe fast profile, times in ms:\n"
           "| members | crashes | dead, first | dead, all | 99 %% | worst | packets in 1 s |\n");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct measure_row row;
        measure_size(&options, sizes[i], &row);
        printf("| %6" PRIu32 " | %6" PRIu32 " | %4.0f | %4.0f | %4.0f | %4.0f | %5.2f |\n",
               row.members, row.trials, row.dead_first * ms, row.dead_all * ms,
               row.all[(row.trials * 99 - 1) / 100] * ms, row.dead_worst * ms,
               row.packets * 1000 / ms);
        (void)fflush(stdout);
    }
}

int measure_all(uint32_t members_min, uint32_t members_max, const char *plots)
{
    static const uint32_t sizes[] = {SMALLEST, 10, 100, 1000, 3000, 10000};
    struct measure_row rows[sizeof(sizes) / sizeof(sizes[0])];
    size_t count = 0;
    printf("| members | crashes | detected in | suspected | dead, first | dead, all | worst | "
           "spread | packets | bytes | KiB each |\n");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (sizes[i] >= members_min && sizes[i] <= members_max) {
            struct swim_options options = swim_options_default();
            measure_size(&options, sizes[i], &rows[count]);
            print_sizes(&rows[count]);
            count++;
        }
    }
    if (members_min > SMALLEST) {
        return EXIT_SUCCESS;
    }
    measure_fast();
    measure_healing();
    measure_limits();
    struct measure_false falses[MEASURE_FALSE_COUNT];
    measure_falses(falses);
    if (plots != NULL && (plot_sizes(plots, rows, count) != 0 || plot_falses(plots, falses) != 0)) {
        (void)fprintf(stderr, "cannot write into %s\n", plots);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
