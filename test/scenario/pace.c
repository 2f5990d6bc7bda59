/* pace.c: many steps at once, in an order that is always the same. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "scenario/cluster.h"

#define ROUNDS_MAX 100000 /* a scenario that never gets quiet is a fault of ours */
#define CAMPAIGNS_MAX 64

/* Save, apply and fetch on one node what it does not do by hand; false when nothing was due. */
static bool serve_node(struct cluster *cluster, node_id id)
{
    bool is_busy = false;
    if (!cluster->nodes[id].is_saving_by_hand) {
        is_busy = disk_saved(cluster, id);
    }
    if (!cluster->is_fetching_by_hand) {
        is_busy = disk_fetched(cluster, id, 0) || is_busy;
    }
    is_busy = snapshot_serve(cluster, id) || is_busy;
    return disk_apply(cluster, id) || is_busy;
}

void pace_stabilize(struct cluster *cluster)
{
    struct packet_filter everything = {.count = NETWORK_MAX};
    for (size_t round = 0; round < ROUNDS_MAX; round++) {
        bool is_busy = network_act(cluster, PACKET_DELIVER, &everything) > 0;
        for (node_id id = 0; id < NODES_MAX; id++) {
            is_busy = serve_node(cluster, id) || is_busy;
        }
        if (!is_busy) {
            return;
        }
    }
    ASSERT(false);
}

/* The node whose deadline comes first, and when; NODES_MAX when none has one. */
static node_id next_due(const struct cluster *cluster, time_ns *when)
{
    node_id due = NODES_MAX;
    *when = TIME_NEVER;
    for (node_id id = 0; id < NODES_MAX; id++) {
        const struct raft *raft = cluster->nodes[id].raft;
        if (raft != NULL && raft_deadline(raft) < *when) {
            *when = raft_deadline(raft);
            due = id;
        }
    }
    return due;
}

void pace_advance(struct cluster *cluster, uint64_t ms, bool is_alive)
{
    time_ns end = cluster->now_ns + ms * NS_PER_MS;
    time_ns when;
    for (size_t round = 0; round < ROUNDS_MAX; round++) {
        node_id id = next_due(cluster, &when);
        if (id == NODES_MAX || when > end) {
            cluster->now_ns = end;
            return;
        }
        cluster->now_ns = max_u64(cluster->now_ns, when);
        (void)cluster_step(cluster, id, (struct raft_event){.type = RAFT_EVENT_TICK});
        if (is_alive) {
            pace_stabilize(cluster);
        }
    }
    ASSERT(false);
}

bool pace_elect(struct cluster *cluster, node_id id)
{
    const struct raft *raft = cluster->nodes[id].raft;
    for (size_t campaign = 0; campaign < CAMPAIGNS_MAX; campaign++) {
        struct raft_status status;
        pace_stabilize(cluster);
        raft_status(raft, &status);
        if (status.role == RAFT_LEADER) {
            return status.has_committed_in_term;
        }
        if (raft_deadline(raft) == TIME_NEVER) {
            return false;
        }
        cluster->now_ns = max_u64(cluster->now_ns, raft_deadline(raft));
        (void)cluster_step(cluster, id, (struct raft_event){.type = RAFT_EVENT_TICK});
    }
    return false;
}
