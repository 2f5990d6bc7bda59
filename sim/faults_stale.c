/* faults_stale.c: a leader that is cut off with entries that nobody else has, and comes back when
 * the others have replaced them and dropped theirs from their logs: it needs a snapshot, which
 * stands amid its own entries.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/faults.h"

#define LOOK_NS (5 * NS_PER_MS)
#define AWAY_NS_MAX (10 * NS_PER_S)

static struct sim_host *leader_of(struct sim *sim)
{
    struct sim_host *found = NULL;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        struct sim_host *host = &sim->hosts[i];
        bool is_later = found == NULL || host->progress.seen.term > found->progress.seen.term;
        if (sim_host_is_up(host) && host->progress.seen.role == BUILD_LEADER && is_later) {
            found = host;
        }
    }
    return found;
}

static void cut_off(struct sim *sim, uint32_t host, bool is_cut)
{
    for (uint32_t other = 0; other < sim->host_count; other++) {
        if (other != host) {
            sim_network_cut(sim, host, other, is_cut);
            sim_network_cut(sim, other, host, is_cut);
        }
    }
}

/* Another leads, and its log begins behind what the one that was cut off had committed. */
static bool have_others_compacted(struct sim *sim, const struct sim_heal *heal)
{
    const struct sim_host *leader = leader_of(sim);
    return leader != NULL && leader->number != heal->host &&
           leader->progress.seen.first_index > heal->count + 1;
}

static void look(struct sim_event *event)
{
    struct sim_heal *heal = event->owner;
    struct sim *sim = heal->sim;
    if (!sim->has_no_faults && sim_now(sim) < heal->away_ns && !have_others_compacted(sim, heal)) {
        sim_schedule_add(&sim->schedule, event, sim_now(sim) + LOOK_NS);
        return;
    }
    cut_off(sim, heal->host, false);
    sim_heal_end(heal);
}

/* One after the other: else nobody would be left to go on. */
static bool is_under_way(const struct sim *sim)
{
    const struct sim_heal *heal = sim->heals;
    while (heal != NULL && heal->fault != SIM_FAULT_STALE_TAIL) {
        heal = heal->next;
    }
    return heal != NULL;
}

bool sim_blow_stale_tail(struct sim_blow *blow)
{
    struct sim *sim = blow->sim;
    struct sim_host *leader = leader_of(sim);
    if (leader == NULL || sim->host_count < 2 || is_under_way(sim)) {
        return false;
    }
    cut_off(sim, leader->number, true);
    sim_clients_gather(sim, leader->number, &blow->prng);
    struct sim_heal *heal = sim_blow_heal_later(blow, leader->number, LOOK_NS, look);
    heal->count = leader->progress.seen.commit_index;
    heal->away_ns = sim_now(sim) + AWAY_NS_MAX;
    sim->report->partitions++;
    sim_blow_tell(blow, leader->number, "behind index %llu",
                  (unsigned long long)leader->progress.seen.commit_index);
    return true;
}
