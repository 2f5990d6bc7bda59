/* options.c: bounds of the options, the two profiles, and what follows from the cluster's size. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "swim/internal.h"

#define FANOUT_MAX 8
#define SHRINK_MAX 64
#define SPAN_MAX_NS (365 * 24 * 3600 * NS_PER_S)
#define UNIT 1024 /* fixed point of the logarithms */
/* log10(x) = log2(x) * 308 / 1024, nearly. */
#define LOG10_OF_2 308

struct swim_options swim_options_default(void)
{
    return (struct swim_options){
        .members_max = 4096,
        .packet_bytes_max = SWIM_PACKET_BYTES_MAX,
        .period_ns = 1000 * NS_PER_MS,
        .ping_timeout_ns = 500 * NS_PER_MS,
        .hint_timeout_ns = 20 * NS_PER_MS,
        .indirect_pings = 3,
        .suspicion_ns = 5000 * NS_PER_MS,
        .suspicion_shrink = 4,
        .confirmations_max = 3,
        .dead_quorum = 2,
        .piggyback_max = 10,
        .transmit_factor = 3,
        .transmit_min = 10,
        .gossip_ns = 250 * NS_PER_MS,
        .gossip_fanout = 2,
        .sync_ns = 30 * NS_PER_S,
        .heal_min_ns = 1 * NS_PER_S,
        .heal_max_ns = 10 * NS_PER_S,
        .reap_ns = 24 * 3600 * NS_PER_S,
        .leave_ns = 2 * NS_PER_S,
        .has_lifeguard = true,
    };
}

struct swim_options swim_options_fast(void)
{
    struct swim_options options = swim_options_default();
    options.period_ns = 80 * NS_PER_MS;
    options.ping_timeout_ns = 40 * NS_PER_MS;
    options.hint_timeout_ns = 10 * NS_PER_MS;
    options.suspicion_ns = 600 * NS_PER_MS;
    options.gossip_ns = 25 * NS_PER_MS;
    options.sync_ns = 5 * NS_PER_S;
    options.heal_min_ns = 100 * NS_PER_MS;
    options.heal_max_ns = 2 * NS_PER_S;
    options.leave_ns = 300 * NS_PER_MS;
    return options;
}

static bool is_within(uint64_t value, uint64_t least, uint64_t most)
{
    return value >= least && value <= most;
}

/* Neither so short that nothing else is done, nor so long that sums of moments wrap. */
static bool is_span(time_ns span_ns)
{
    return is_within(span_ns, NS_PER_MS, SPAN_MAX_NS);
}

bool swim_options_are_valid(const struct swim_options *options)
{
    return options->allocator != NULL && options->incarnation < SWIM_INCARNATION_MAX &&
           is_within(options->members_max, 1, SWIM_MEMBERS_MAX) &&
           is_within(options->packet_bytes_max, SWIM_PACKET_BYTES_MIN, SWIM_PACKET_BYTES_MAX) &&
           is_within(options->period_ns, NS_PER_MS, 3600 * NS_PER_S) &&
           is_within(options->ping_timeout_ns, 1, options->period_ns - 1) &&
           is_within(options->hint_timeout_ns, 1, options->period_ns - 1) &&
           options->indirect_pings <= SWIM_INDIRECT_MAX &&
           is_within(options->suspicion_ns, 1, 24 * 3600 * NS_PER_S) &&
           is_within(options->suspicion_shrink, 1, SHRINK_MAX) &&
           is_within(options->confirmations_max, 1, SWIM_ACCUSERS_MAX - 1) &&
           is_within(options->dead_quorum, 1, SWIM_ACCUSERS_MAX) &&
           is_within(options->piggyback_max, 1, SWIM_PIGGYBACK_MAX) &&
           is_within(options->transmit_factor, 1, SWIM_TRANSMITS_MAX) &&
           is_within(options->transmit_min, 1, SWIM_TRANSMITS_MAX) &&
           is_within(options->gossip_fanout, 1, FANOUT_MAX) &&
           (options->gossip_ns == 0 || is_span(options->gossip_ns)) &&
           (options->sync_ns == 0 || is_span(options->sync_ns)) && is_span(options->heal_min_ns) &&
           is_span(options->heal_max_ns) && options->heal_min_ns <= options->heal_max_ns &&
           is_span(options->reap_ns) && is_span(options->leave_ns);
}

/* log2 in units of 1/1024, rounded down; x >= 1. By squaring (Knuth 1.2.2, exercise 25). */
static uint32_t log2_units(uint32_t x)
{
    ASSERT(x >= 1);
    uint32_t whole = 31 - (uint32_t)__builtin_clz(x);
    uint64_t mantissa = ((uint64_t)x << 31) >> whole; /* in [1, 2), 31 bits behind the point */
    uint32_t units = whole * UNIT;
    for (uint32_t bit = UNIT / 2; bit > 0; bit /= 2) {
        mantissa = mantissa * mantissa >> 31;
        if (mantissa >= UINT64_C(1) << 32) {
            mantissa >>= 1;
            units += bit;
        }
    }
    return units;
}

time_ns swim_suspicion_ns(const struct swim_options *options, uint32_t members,
                          uint32_t confirmations)
{
    /* All grows with log10 of the members, as the news needs longer to reach the suspect. */
    uint64_t scale = max_u64(log2_units(members < 1 ? 1 : members) * LOG10_OF_2 / UNIT, UNIT);
    time_ns longest = options->suspicion_ns / UNIT * scale;
    if (!options->has_lifeguard) {
        return longest;
    }
    time_ns shortest = longest / options->suspicion_shrink;
    /* Two are no witnesses for each other: the suspect and this node. */
    uint32_t expected = members > 2 ? members - 2 : 0;
    if (expected > options->confirmations_max) {
        expected = options->confirmations_max;
    }
    if (confirmations >= expected) {
        return shortest;
    }
    uint64_t part = (uint64_t)log2_units(confirmations + 1) * UNIT / log2_units(expected + 1);
    return longest - (longest - shortest) / UNIT * part;
}

uint32_t swim_transmit_limit(const struct swim_options *options, uint32_t members)
{
    uint32_t log = (log2_units(members + 1) + UNIT - 1) / UNIT;
    uint64_t limit = max_u64((uint64_t)options->transmit_factor * log, options->transmit_min);
    return (uint32_t)min_u64(limit, SWIM_TRANSMITS_MAX);
}
