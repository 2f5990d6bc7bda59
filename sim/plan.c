/* plan.c: draws the settings of a run, and takes over those that were told. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/plan.h"

#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "raft/raft.h"
#include "sim/build.h"

#define CLIENTS_MAX 16
#define STALE_LOG_ENTRIES 4

static const uint64_t fault_most[SIM_FAULT_COUNT] = {
#define X(upper, name, most, meaning) most,
    SIM_FAULT_MAP(X)
#undef X
};

struct setting {
    const char *name;
    uint64_t least;
    uint64_t most;
    size_t offset; /* in struct sim_plan */
    const char *meaning;
};

/* clang-format off */
static const struct setting settings_table[] = {
#define X(name, least, most, meaning)                                                              \
    {#name, least, most, offsetof(struct sim_plan, name), meaning},
    SIM_SETTING_MAP(X)
#undef X
#define X(name, most, meaning) {#name, 0, most, offsetof(struct sim_plan, name), meaning},
    SIM_RATE_MAP(X)
#undef X
#define X(upper, name, most, meaning)                                                              \
    {#name, 0, most, offsetof(struct sim_plan, faults[SIM_FAULT_##upper]), meaning},
    SIM_FAULT_MAP(X)
#undef X
};
/* clang-format on */

#define SETTING_COUNT (sizeof(settings_table) / sizeof(settings_table[0]))

const char *sim_fault_name(enum sim_fault fault)
{
    static const char *const names[] = {
#define X(upper, name, most, meaning) #name,
        SIM_FAULT_MAP(X)
#undef X
    };
    ASSERT(fault < SIM_FAULT_COUNT);
    return names[fault];
}

struct prng sim_stream_of(uint64_t seed, enum sim_stream stream)
{
    struct prng prng = prng_of(seed ^ (UINT64_C(0x9e3779b97f4a7c15) * ((uint64_t)stream + 1)));
    (void)prng_next(&prng);
    return prng;
}

static uint64_t *value_of(struct sim_plan *plan, const struct setting *setting)
{
    return (uint64_t *)(void *)((uint8_t *)plan + setting->offset);
}

static bool chance(struct prng *prng, uint64_t percent)
{
    return prng_between(prng, 0, 99) < percent;
}

/* Small values as often as large ones: the exponent is drawn first. */
static uint64_t draw_log(struct prng *prng, uint64_t least, uint64_t most)
{
    ASSERT(least > 0);
    uint64_t top = least;
    while (top < most && chance(prng, 70)) {
        top = min_u64(most, 2 * top);
    }
    return prng_between(prng, least, top);
}

static void draw_nodes(struct prng *prng, struct sim_plan *plan)
{
    static const uint8_t sizes[] = {1, 2, 3, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7};
    plan->nodes = sizes[prng_between(prng, 0, sizeof(sizes) - 1)];
    plan->clients = prng_between(prng, 1, CLIENTS_MAX);
    plan->safety_ms = prng_between(prng, 30000, 70000);
    plan->commits = 1000;
    plan->operations = prng_between(prng, 800, 1600);
    plan->think_us = plan->clients * plan->safety_ms * 1000 / plan->operations;
    plan->think_us = prng_between(prng, plan->think_us / 4, plan->think_us);
    plan->past_percent = chance(prng, 20) ? prng_between(prng, 10, 60) : 0;
}

static void draw_timings(struct prng *prng, struct sim_plan *plan)
{
    plan->election_min_ms = 150;
    plan->election_max_ms = 300;
    plan->heartbeat_ms = 50;
    if (chance(prng, 50)) {
        plan->election_min_ms = prng_between(prng, 50, 1000);
        plan->election_max_ms = plan->election_min_ms * prng_between(prng, 12, 30) / 10;
        plan->heartbeat_ms = plan->election_min_ms / prng_between(prng, 2, 6);
    }
    plan->proposal_ms = chance(prng, 50) ? 5000 : prng_between(prng, 300, 8000);
    plan->message_bytes = draw_log(prng, 8192, 1 << 20);
    plan->inflight_bytes = draw_log(prng, 4096, 1 << 20);
    plan->cache_bytes = draw_log(prng, 256, 1 << 20);
    plan->segment_bytes = 65536 * prng_between(prng, 1, 4);
    while (plan->segment_bytes < 2 * plan->message_bytes + 65536) {
        plan->segment_bytes *= 2;
    }
    plan->pending = draw_log(prng, 4, 65536);
    plan->delay_us_min = draw_log(prng, 20, 2000);
    plan->delay_us_max = plan->delay_us_min * prng_between(prng, 1, 20);
    plan->disk_us_min = draw_log(prng, 20, 2000);
    plan->disk_us_max = plan->disk_us_min * prng_between(prng, 1, 20);
}

/* The log is compacted many times in a run; every other node that comes back needs a snapshot. */
static void draw_snapshots(struct prng *prng, struct sim_plan *plan)
{
    plan->log_entries = draw_log(prng, 16, 400);
    plan->log_bytes = draw_log(prng, 1 << 20, 1 << 24);
    plan->snapshot_ms = chance(prng, 50) ? 0 : draw_log(prng, 10, 2000);
    plan->chunk_bytes = draw_log(prng, 512, 16384);
    plan->snapshot_rate = chance(prng, 50) ? 0 : draw_log(prng, 500000, 20000000);
    plan->member_wait_ms =
        chance(prng, 30) ? 0
                         : prng_between(prng, 4 * plan->heartbeat_ms, 5 * plan->election_max_ms);
}

/* A quarter of the seeds have little trouble with frames, so that others are seen alone. */
static void draw_rates(struct prng *prng, struct sim_plan *plan)
{
    plan->loss = chance(prng, 60) ? draw_log(prng, 1000, 300000) : 0;
    plan->duplicate = chance(prng, 50) ? draw_log(prng, 1000, 500000) : 0;
    plan->late = chance(prng, 50) ? draw_log(prng, 1000, 300000) : 0;
    plan->late_ms = prng_between(prng, 1, 5 * plan->election_max_ms);
    plan->drift_ppm = chance(prng, 30) ? draw_log(prng, 10, 100000) : 0;
}

/* Each seed has some of the kinds only: what one hides another shows (Groce et al. 2012). Some
 * seeds are calm, in some hardly a second passes without a blow.
 */
static void draw_faults(struct prng *prng, struct sim_plan *plan)
{
    uint64_t kinds_percent = prng_between(prng, 10, 70);
    uint64_t rate_most = UINT64_C(40) << prng_between(prng, 0, 5);
    for (size_t i = 0; i < SIM_FAULT_SNAPSHOT_CRASH; i++) {
        bool is_on = chance(prng, kinds_percent);
        uint64_t rate = prng_between(prng, rate_most / 8, rate_most);
        plan->faults[i] = is_on ? min_u64(rate, fault_most[i]) : 0;
    }
    plan->faults[SIM_FAULT_BLACKOUT] /= 4;
    if (plan->past_percent == 0) {
        plan->faults[SIM_FAULT_UPGRADE] = 0;
    }
}

/* Drawn last, so that what was drawn before it stays as it is. */
static void draw_weather(struct prng *prng, struct sim_plan *plan)
{
    uint64_t storm = prng_between(prng, 50, 400);
    if (plan->nodes > 1 && chance(prng, 40)) {
        plan->faults[SIM_FAULT_STORM] = max_u64(plan->faults[SIM_FAULT_STORM], storm);
    }
    plan->stray = chance(prng, 40) ? prng_between(prng, 1000, 200000) : 0;
}

/* Sessions and tokens, which past releases do not know. */
static void draw_once(struct prng *prng, struct sim_plan *plan)
{
    uint64_t percent = chance(prng, 60) ? prng_between(prng, 30, 100) : 0;
    plan->once_percent = plan->past_percent == 0 ? percent : 0;
}

/* Changes of the leader, stalls and leases, which past releases do not know. */
static void draw_administrator(struct prng *prng, struct sim_plan *plan)
{
    uint64_t transfers = chance(prng, 40) ? prng_between(prng, 20, 400) : 0;
    uint64_t stall_ms = chance(prng, 50) ? prng_between(prng, 300, 5000) : 0;
    uint64_t lease_percent = chance(prng, 40) ? prng_between(prng, 10, 100) : 0;
    bool is_able = plan->past_percent == 0;
    plan->transfers = is_able && plan->nodes > 1 ? transfers : 0;
    plan->stall_ms = is_able ? stall_ms : 0;
    plan->lease_percent = is_able ? lease_percent : 0;
}

/* State machines that outlive their processes; the log of a past release begins with nothing. */
static void draw_durable(struct prng *prng, struct sim_plan *plan)
{
    uint64_t percent = chance(prng, 25) ? draw_log(prng, 2, 100) : 0;
    plan->durable_percent = plan->past_percent == 0 ? percent : 0;
}

/* Changes of the members and of their priorities, which past releases do not know either. At the
 * greatest rates a change follows on the other within a second; mostly there is time between them.
 */
static void draw_members(struct prng *prng, struct sim_plan *plan)
{
    uint64_t changes = chance(prng, 60) ? draw_log(prng, 50, 1000) : 0;
    uint64_t priorities = chance(prng, 35) ? draw_log(prng, 20, 400) : 0;
    bool is_able = plan->past_percent == 0 && plan->nodes > 1;
    plan->changes = is_able ? changes : 0;
    plan->priorities = is_able ? priorities : 0;
}

/* With past releases there are no snapshots. */
static void draw_snapshot_crashes(struct prng *prng, struct sim_plan *plan)
{
    uint64_t rate = chance(prng, 35) ? draw_log(prng, 50, 800) : 0;
    plan->faults[SIM_FAULT_SNAPSHOT_CRASH] = plan->past_percent == 0 ? rate : 0;
}

/* What leases rest on is hardly ever short of its bounds: clocks that drift as far as they may,
 * leases as long as they may be, heartbeats that are seldom, and machines that forget together.
 */
static void draw_leases(struct prng *prng, struct sim_plan *plan)
{
    bool is_more = chance(prng, 20);
    bool is_hard = chance(prng, 75);
    uint64_t lease_percent = prng_between(prng, 80, 100);
    uint64_t drift = prng_between(prng, 100, 400);
    uint64_t blackout = prng_between(prng, 40, 500);
    uint64_t loss = prng_between(prng, 50000, 250000);
    uint64_t election_tenths = prng_between(prng, 12, 20);
    if (is_more && plan->past_percent == 0) {
        plan->lease_percent = lease_percent;
    }
    if (is_hard && plan->lease_percent > 0) {
        plan->lease_percent = lease_percent;
        plan->heartbeat_ms = plan->election_min_ms / 2;
        plan->election_max_ms = plan->election_min_ms * election_tenths / 10;
        plan->loss = max_u64(plan->loss, loss);
        plan->drift_ppm = RAFT_CLOCK_DRIFT_PERCENT * UINT64_C(10000);
        plan->faults[SIM_FAULT_DRIFT] = max_u64(plan->faults[SIM_FAULT_DRIFT], drift);
        plan->faults[SIM_FAULT_BLACKOUT] = max_u64(plan->faults[SIM_FAULT_BLACKOUT], blackout);
    }
}

/* Leaders that come back with a tail of their own, longer than what the others did without them:
 * logs of next to nothing, and many clients, which turn to the leader together.
 */
static void draw_stale_tails(struct prng *prng, struct sim_plan *plan)
{
    bool is_on = chance(prng, 8);
    uint64_t rate = draw_log(prng, 100, 1000);
    if (is_on && plan->past_percent == 0 && plan->nodes > 1) {
        plan->faults[SIM_FAULT_STALE_TAIL] = rate;
        plan->log_entries = STALE_LOG_ENTRIES;
        plan->snapshot_ms = min_u64(plan->snapshot_ms, 10);
        plan->think_us = plan->think_us * CLIENTS_MAX / plan->clients;
        plan->clients = CLIENTS_MAX;
    }
}

/* The second phase lasts for seconds: at full load it would be most of what a run costs. */
static void draw_calm(struct prng *prng, struct sim_plan *plan)
{
    bool is_loaded = chance(prng, 10);
    uint64_t calm_us = prng_between(prng, 20000, 100000);
    plan->calm_us = is_loaded ? SIM_RUSH_US : calm_us;
}

/* What only today's nodes do, so none of it with past releases. An observer takes the place of a
 * node, so that all hosts are struck alike.
 */
static void draw_more_gossip(struct prng *prng, struct sim_plan *plan)
{
    bool is_mixed = chance(prng, 35);
    bool has_removal = chance(prng, 35);
    uint64_t remove_ms = draw_log(prng, 300, 8000);
    bool is_moving = chance(prng, 35);
    uint64_t move_percent = prng_between(prng, 20, 100);
    bool has_observers = chance(prng, 25);
    uint64_t observers = prng_between(prng, 1, 2);
    uint64_t stale_reads = chance(prng, 50) ? draw_log(prng, 1000, 20000) : 0;
    bool is_able = plan->past_percent == 0;
    plan->stale_reads = is_able ? stale_reads : 0;
    if (is_able && plan->gossip != BUILD_GOSSIP_NONE) {
        plan->hints = plan->hints > 0 && is_mixed ? SIM_HINTS_OF_SOME : plan->hints;
        plan->remove_dead_ms = has_removal ? remove_ms : 0;
        plan->move_percent = is_moving ? move_percent : 0;
        plan->observers = has_observers && plan->nodes > 3 ? observers : 0;
    }
}

/* Most seeds have it: what leaves the others as they were must show with it, too. */
static void draw_gossip(uint64_t seed, struct sim_plan *plan)
{
    struct prng prng = sim_stream_of(seed, SIM_STREAM_GOSSIP);
    bool is_on = chance(&prng, 75);
    bool is_fast = chance(&prng, 50);
    bool has_hints = chance(&prng, 80);
    bool has_false = chance(&prng, 50);
    uint64_t rate = draw_log(&prng, 20, 5000);
    if (is_on) {
        plan->gossip = is_fast ? BUILD_GOSSIP_FAST : BUILD_GOSSIP_DEFAULT;
        plan->hints = has_hints ? 1 : 0;
        plan->false_hints = has_false ? rate : 0;
    }
    draw_more_gossip(&prng, plan);
}

/* A replica that goes wrong is the only trouble with disks and members: as it never leads, it and
 * others that lack what it has would have no leader.
 */
static void draw_divergence(uint64_t seed, struct sim_plan *plan)
{
    static const enum sim_fault others[] = {SIM_FAULT_READ_ERROR, SIM_FAULT_WRITE_ERROR,
                                            SIM_FAULT_BIT_FLIP,   SIM_FAULT_ZEROED,
                                            SIM_FAULT_MISDIRECT,  SIM_FAULT_DISK_LOSS};
    struct prng prng = sim_stream_of(seed, SIM_STREAM_DIVERGE);
    bool is_on = chance(&prng, 15);
    uint64_t rate = draw_log(&prng, 30, 400);
    uint64_t rebuild = prng_between(&prng, 0, 1);
    if (!is_on || plan->nodes < 3) {
        return;
    }
    plan->faults[SIM_FAULT_DIVERGE] = rate;
    plan->rebuild = rebuild;
    plan->changes = 0;
    plan->transfers = 0;
    plan->priorities = 0;
    plan->remove_dead_ms = 0;
    plan->observers = 0;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        plan->faults[others[i]] = 0;
    }
}

/* Nodes that are not told whom to join when they start. */
static void draw_waiting(uint64_t seed, struct sim_plan *plan)
{
    struct prng prng = sim_stream_of(seed, SIM_STREAM_INVITE);
    bool is_on = chance(&prng, 30);
    uint64_t percent = prng_between(&prng, 30, 100);
    plan->waiting_percent = is_on && plan->nodes > 1 ? percent : 0;
}

static const struct setting *find(const char *name, size_t length)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *setting = &settings_table[i];
        if (strlen(setting->name) == length && memcmp(setting->name, name, length) == 0) {
            return setting;
        }
    }
    return NULL;
}

static bool parse_number(const char *text, size_t length, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value)) {
            return false;
        }
    }
    *out = value;
    return length > 0;
}

static int take_over(struct sim_plan *plan, const char *word, size_t length, struct text *why)
{
    const char *equals = memchr(word, '=', length);
    size_t name_length = equals == NULL ? length : (size_t)(equals - word);
    const struct setting *setting = find(word, name_length);
    uint64_t value = 0;
    if (setting == NULL) {
        text_string(why, "there is no setting '");
        text_bytes(why, word, name_length);
        text_string(why, "'");
        return QR_ERR_INVALID;
    }
    bool is_number = equals != NULL && parse_number(equals + 1, length - name_length - 1, &value);
    if (!is_number || value < setting->least || value > setting->most) {
        text_string(why, setting->name);
        text_string(why, ": ");
        if (equals != NULL) {
            text_bytes(why, equals + 1, length - name_length - 1);
        }
        text_string(why, is_number ? " is out of bounds, " : " is no number, ");
        text_u64(why, setting->least);
        text_string(why, "..");
        text_u64(why, setting->most);
        return QR_ERR_INVALID;
    }
    *value_of(plan, setting) = value;
    return 0;
}

static int check_pairs(const struct sim_plan *plan, struct text *why)
{
    const char *broken = NULL;
    if (plan->election_min_ms > plan->election_max_ms) {
        broken = "election_min_ms is greater than election_max_ms";
    } else if (plan->heartbeat_ms >= plan->election_min_ms) {
        broken = "heartbeat_ms is not below election_min_ms";
    } else if (plan->delay_us_min > plan->delay_us_max) {
        broken = "delay_us_min is greater than delay_us_max";
    } else if (plan->disk_us_min > plan->disk_us_max) {
        broken = "disk_us_min is greater than disk_us_max";
    } else if (plan->durable_percent > 0 && plan->past_percent > 0) {
        broken = "durable_percent and past_percent exclude each other: a past release takes over "
                 "no log behind a snapshot";
    } else if (plan->segment_bytes % 4096 != 0 ||
               plan->segment_bytes < plan->message_bytes + 8192) {
        broken = "segment_bytes is no multiple of 4096, or does not hold a message";
    }
    if (broken != NULL) {
        text_string(why, broken);
        return QR_ERR_INVALID;
    }
    return 0;
}

/* Whether `name` is among the settings that were given. */
static bool is_given(const char *given, const char *name)
{
    size_t name_length = strlen(name);
    while (*given != '\0') {
        size_t length = strcspn(given, " ");
        if (length > name_length && given[name_length] == '=' &&
            memcmp(given, name, name_length) == 0) {
            return true;
        }
        given += length + (given[length] == ' ');
    }
    return false;
}

/* Of two that exclude each other the one that was only drawn gives way. */
static void leave_out_drawn(struct sim_plan *plan, const char *given)
{
    bool is_both = plan->durable_percent > 0 && plan->past_percent > 0;
    if (is_both && !is_given(given, "durable_percent")) {
        plan->durable_percent = 0;
    } else if (is_both && !is_given(given, "past_percent")) {
        plan->past_percent = 0;
        plan->faults[SIM_FAULT_UPGRADE] = 0;
    }
}

int sim_plan_draw(uint64_t seed, const char *settings, struct sim_plan *out, char *detail)
{
    struct prng prng = sim_stream_of(seed, SIM_STREAM_PLAN);
    struct text why = text_of(detail, QR_SIM_TEXT_BYTES_MAX);
    *out = (struct sim_plan){0};
    draw_nodes(&prng, out);
    draw_timings(&prng, out);
    draw_rates(&prng, out);
    draw_faults(&prng, out);
    draw_weather(&prng, out);
    draw_snapshots(&prng, out);
    draw_once(&prng, out);
    draw_administrator(&prng, out);
    draw_durable(&prng, out);
    struct prng later_prng = sim_stream_of(seed, SIM_STREAM_LATER);
    draw_members(&later_prng, out);
    draw_snapshot_crashes(&later_prng, out);
    draw_leases(&later_prng, out);
    draw_stale_tails(&later_prng, out);
    draw_calm(&later_prng, out);
    draw_gossip(seed, out);
    draw_divergence(seed, out);
    draw_waiting(seed, out);
    const char *at = settings == NULL ? "" : settings;
    while (*at != '\0') {
        size_t length = strcspn(at, " ");
        if (length > 0 && take_over(out, at, length, &why) != 0) {
            return QR_ERR_INVALID;
        }
        at += length + (at[length] == ' ');
    }
    leave_out_drawn(out, settings == NULL ? "" : settings);
    return check_pairs(out, &why);
}

void sim_plan_each(const struct sim_plan *plan, qr_sim_setting *each, void *argument)
{
    struct sim_plan copy = *plan;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *setting = &settings_table[i];
        each(argument, setting->name, *value_of(&copy, setting), setting->least, setting->most,
             setting->meaning);
    }
}
