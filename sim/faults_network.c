/* faults_network.c: cuts of every shape, slow and clogged links, closed connections. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "sim/faults.h"

enum shape {
    SHAPE_HALVES,  /* two groups that do not hear one another */
    SHAPE_ISOLATE, /* one against all others */
    SHAPE_RING,    /* each hears only its two neighbours */
    SHAPE_BRIDGE,  /* two groups, and one node that hears both */
    SHAPE_SOME,    /* one against some of the others */
    SHAPE_COUNT,
};

/* Which side of a cut a node is on; the bridge is on both. */
static bool are_apart(enum shape shape, const uint8_t *side, uint32_t chosen, uint32_t a,
                      uint32_t b, uint32_t count)
{
    switch (shape) {
    case SHAPE_HALVES:
        return side[a] != side[b];
    case SHAPE_ISOLATE:
        return a == chosen || b == chosen;
    case SHAPE_RING:
        return (a + 1) % count != b && (b + 1) % count != a;
    case SHAPE_BRIDGE:
        return a != chosen && b != chosen && side[a] != side[b];
    default:
        return (a == chosen && side[b] != 0) || (b == chosen && side[a] != 0);
    }
}

static const char *shape_name(enum shape shape)
{
    static const char *const names[] = {"halves", "isolate", "ring", "bridge", "some"};
    return names[shape];
}

static void heal_cut(struct sim_event *event)
{
    struct sim_heal *heal = event->owner;
    for (uint32_t a = 0; a < heal->sim->host_count; a++) {
        for (uint32_t b = 0; b < heal->sim->host_count; b++) {
            if (heal->cuts[a][b]) {
                sim_network_cut(heal->sim, a, b, false);
            }
        }
    }
    sim_heal_end(heal);
}

/* Returns whether the shape cuts anything: two groups may be all and none.
 *
 * One way: of each pair that is apart only one direction is cut.
 */
static bool draw_cuts(struct sim_blow *blow, enum shape shape, uint32_t chosen,
                      bool cuts[SIM_HOSTS_MAX][SIM_HOSTS_MAX])
{
    uint32_t count = blow->sim->host_count;
    uint8_t side[SIM_HOSTS_MAX] = {0};
    uint64_t order = prng_next(&blow->prng);
    bool is_one_way = blow->fault == SIM_FAULT_ONE_WAY;
    bool is_any = false;
    for (uint32_t i = 0; i < count; i++) {
        side[i] = (uint8_t)prng_between(&blow->prng, 0, 1);
    }
    for (uint32_t a = 0; a < count; a++) {
        for (uint32_t b = 0; b < count; b++) {
            bool is_first = (order >> (a < b ? a * 8 + b : b * 8 + a) % 64 & 1) == (a < b);
            bool is_cut = a != b && are_apart(shape, side, chosen, a, b, count);
            cuts[a][b] = is_cut && (!is_one_way || is_first);
            is_any = is_any || cuts[a][b];
        }
    }
    return is_any;
}

static bool cut(struct sim_blow *blow)
{
    struct sim *sim = blow->sim;
    bool cuts[SIM_HOSTS_MAX][SIM_HOSTS_MAX] = {{false}};
    enum shape shape = (enum shape)prng_between(&blow->prng, 0, SHAPE_COUNT - 1);
    uint32_t chosen = sim_blow_host_number(blow);
    if (!draw_cuts(blow, shape, chosen, cuts)) {
        return false;
    }
    time_ns length_ns = sim_blow_length_ns(blow);
    struct sim_heal *heal = sim_blow_heal_later(blow, SIM_NOBODY, length_ns, heal_cut);
    memcpy(heal->cuts, cuts, sizeof(cuts));
    for (uint32_t a = 0; a < sim->host_count; a++) {
        for (uint32_t b = 0; b < sim->host_count; b++) {
            if (cuts[a][b]) {
                sim_network_cut(sim, a, b, true);
            }
        }
    }
    sim->report->partitions++;
    sim_blow_tell(blow, SIM_NOBODY, "%s for %llu ms, chosen n%u", shape_name(shape),
                  (unsigned long long)(length_ns / NS_PER_MS), chosen + 1);
    /* What a leader appends that has just been cut off will be replaced. */
    if (prng_between(&blow->prng, 0, 1) == 0) {
        sim_administrator_press(sim);
    }
    return true;
}

/* For elections that go wrong one after the other: answers to one campaign come in the next. */
static void break_storm(struct sim_blow *blow)
{
    struct sim *sim = blow->sim;
    time_ns length_ns = prng_between(&blow->prng, 4, 40) * sim->plan.election_max_ms * NS_PER_MS;
    sim->storm_until_ns = max_u64(sim->storm_until_ns, sim_now(sim) + length_ns);
    sim->storm_loss = prng_between(&blow->prng, 0, 300000);
    sim->storm_late = prng_between(&blow->prng, 100000, 700000);
    sim->storm_ms = prng_between(&blow->prng, 1, 4) * sim->plan.election_max_ms;
    sim_blow_tell(blow, SIM_NOBODY, "for %llu ms", (unsigned long long)(length_ns / NS_PER_MS));
}

bool sim_blow_network(struct sim_blow *blow)
{
    struct sim *sim = blow->sim;
    if (sim->host_count < 2) {
        return false;
    }
    if (blow->fault == SIM_FAULT_PARTITION || blow->fault == SIM_FAULT_ONE_WAY) {
        return cut(blow);
    }
    if (blow->fault == SIM_FAULT_STORM) {
        break_storm(blow);
        return true;
    }
    uint32_t from = sim_blow_host_number(blow);
    uint32_t to = sim_blow_host_number(blow);
    if (from == to) {
        return false;
    }
    struct sim_link *link = &sim->links[from][to];
    time_ns until_ns = sim_now(sim) + sim_blow_length_ns(blow);
    if (blow->fault == SIM_FAULT_SLOW_LINK) {
        link->slow_until_ns = until_ns;
        link->slow_ns = prng_between(&blow->prng, 1, 2 * sim->plan.election_max_ms) * NS_PER_MS;
    } else if (blow->fault == SIM_FAULT_CLOG) {
        link->clogged_until_ns = until_ns;
    } else {
        sim_network_reset(sim, from, to);
    }
    sim_blow_tell(blow, from, "to n%u", to + 1);
    return true;
}
