/* host_open.c: what a process is told when it starts: where it is, whom it joins, what it may. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/assert.h"
#include "raft/raft.h"
#include "sim/internal.h"

/* All other hosts, to join through any of them. */
static void list_others(const struct sim_host *host, char *out, size_t out_bytes)
{
    const struct sim *sim = host->sim;
    struct text text = text_of(out, out_bytes);
    for (uint32_t i = 0; i < sim->host_count; i++) {
        uint32_t other = (host->number + 1 + i) % sim->host_count;
        if (other != host->number) {
            text_string(&text, text.length > 0 ? "," : "");
            text_string(&text, sim->hosts[other].address);
        }
    }
}

/* It has another address from now on. Nobody is told: what leads to the old one leads nowhere. */
static void move(struct sim_host *host)
{
    struct sim *sim = host->sim;
    host->moves++;
    int used = snprintf(host->address, sizeof(host->address), "n%u:%llu", host->number + 1,
                        (unsigned long long)(SIM_PORT + host->moves));
    ASSERT(used > 0 && (size_t)used < sizeof(host->address));
    for (uint32_t i = 0; i < sim->host_count; i++) {
        struct sim_host *other = &sim->hosts[i];
        for (size_t j = 0; j < other->member_count; j++) {
            if (other->member_hosts[j] == host->number) {
                other->member_hosts[j] = SIM_NOBODY;
            }
        }
    }
}

/* Without gossip, as a past release is, those that have all moved would not find each other. */
static void move_maybe(struct sim_host *host)
{
    const struct sim_plan *plan = &host->sim->plan;
    bool may_move = plan->gossip != BUILD_GOSSIP_NONE && plan->past_percent == 0;
    if (plan->move_percent > 0 && may_move && host->life > 1 &&
        prng_between(&host->sim->starts_prng, 0, 99) < plan->move_percent) {
        move(host);
    }
}

static bool has_hints(struct sim *sim)
{
    return sim->plan.hints == SIM_HINTS_OF_SOME ? prng_between(&sim->starts_prng, 0, 1) == 0
                                                : sim->plan.hints != 0;
}

int sim_host_open(struct sim_host *host, char *detail)
{
    struct sim *sim = host->sim;
    move_maybe(host);
    const struct sim_plan *plan = &sim->plan;
    char join[SIM_HOSTS_MAX * SIM_ADDRESS_BYTES_MAX] = "";
    list_others(host, join, sizeof(join));
    sim_invitations_start(host);
    struct build_options options = {
        .disk = sim_disk_interface(&host->disk),
        .world = &host->world,
        .name = host->name,
        .address = host->address,
        .join = join[0] == '\0' || host->is_waiting ? NULL : join,
        .is_waiting = host->is_waiting,
        .is_bootstrap = host->number == 0 && host->disk_life == 0,
        .fresh_node_id = host->id,
        .fresh_cluster_id = {sim->options->seed, 1},
        .seed = prng_next(&sim->node_prng),
        .election_timeout_min_ns = plan->election_min_ms * NS_PER_MS,
        .election_timeout_max_ns = plan->election_max_ms * NS_PER_MS,
        .heartbeat_interval_ns = plan->heartbeat_ms * NS_PER_MS,
        .proposal_timeout_ns = plan->proposal_ms * NS_PER_MS,
        .message_bytes_max = plan->message_bytes,
        .inflight_bytes_max = plan->inflight_bytes,
        .cache_bytes_max = plan->cache_bytes,
        .segment_bytes = plan->segment_bytes,
        .pending_max = (uint32_t)plan->pending,
        .snapshot_chunk_bytes = (uint32_t)plan->chunk_bytes,
        /* A log that was compacted is nothing for a release that knows no snapshots. */
        .log_entries_max = plan->past_percent > 0 ? 0 : plan->log_entries,
        .log_bytes_max = plan->log_bytes,
        .snapshot_interval_ns = plan->snapshot_ms * NS_PER_MS,
        .sending_bytes_per_second = plan->snapshot_rate,
        .member_wait_ns = plan->member_wait_ms * NS_PER_MS,
        .lease_ns =
            raft_lease_ns_max(plan->election_min_ms * NS_PER_MS) / 100 * plan->lease_percent,
        .stall_timeout_ns = plan->stall_ms * NS_PER_MS,
        .gossip = (enum build_gossip)plan->gossip,
        .has_hints = has_hints(sim),
        .is_observer = sim_host_is_observer(host),
        .remove_dead_after_ns = plan->remove_dead_ms * NS_PER_MS,
        .rebuilds = plan->rebuild != 0,
    };
    return host->build->open(&options, sim_host_time(host), &host->node, detail);
}
