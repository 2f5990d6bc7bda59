/* cluster.c: nodes and their lives. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "scenario/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

static struct raft_options default_options(const struct allocator *allocator)
{
    return (struct raft_options){
        .allocator = allocator,
        .election_timeout_min_ns = 150 * NS_PER_MS,
        .election_timeout_max_ns = 300 * NS_PER_MS,
        .heartbeat_interval_ns = 50 * NS_PER_MS,
        .append_entries_max = 1000,
        .append_bytes_max = 1 << 20,
        .inflight_messages_max = 64,
        .inflight_bytes_max = 8 << 20,
        .uncommitted_bytes_max = 64 << 20,
        .cache_bytes_max = 8 << 20,
    };
}

struct cluster *cluster_new(FILE *out)
{
    struct cluster *cluster = calloc(1, sizeof(*cluster));
    ASSERT(cluster != NULL);
    heap_init(&cluster->heap);
    cluster->out = out;
    cluster->verbosity = SAY_ALL;
    cluster->now_ns = NS_PER_S;
    cluster->options = default_options(&cluster->heap.allocator);
    return cluster;
}

void cluster_free(struct cluster *cluster)
{
    network_clear(cluster);
    for (node_id id = 0; id < NODES_MAX; id++) {
        disk_drop_saves(cluster, id);
        raft_free(cluster->nodes[id].raft);
        disk_truncate(cluster, id, 0);
    }
    snapshot_states_deinit(cluster);
    heap_deinit(&cluster->heap);
    free(cluster);
}

struct node *cluster_running(struct cluster *cluster, node_id id)
{
    return id < NODES_MAX && cluster->nodes[id].raft != NULL ? &cluster->nodes[id] : NULL;
}

/* Where terms begin in the node's durable log. */
static size_t term_runs(const struct node *node, struct raft_term_run *runs)
{
    size_t count = 0;
    for (size_t i = (size_t)node->base.index; i < node->log_count; i++) {
        if (count == 0 || runs[count - 1].term != node->log[i].term) {
            runs[count++] = (struct raft_term_run){node->log[i].term, node->log[i].index};
        }
    }
    return count;
}

/* The last configuration at or below `commit_index`, and all above. */
static size_t configurations_of(const struct node *node, raft_index commit_index,
                                struct entry *configurations)
{
    size_t count = 0;
    for (size_t i = (size_t)node->base.index; i < node->log_count; i++) {
        if (node->log[i].type != ENTRY_CONFIGURATION) {
            continue;
        }
        if (node->log[i].index <= commit_index) {
            count = 0;
        }
        configurations[count++] = node->log[i];
    }
    return count;
}

void cluster_restart(struct cluster *cluster, node_id id, raft_index commit_index)
{
    struct node *node = &cluster->nodes[id];
    ASSERT(node->exists && node->raft == NULL);
    struct raft_term_run *runs = cluster->scratch.runs;
    struct entry *configurations = cluster->scratch.configurations;
    struct raft_restored restored = {
        .hard_state = node->hard_state,
        .base = node->base,
        .commit_index = min_u64(commit_index, node->log_count),
        .last_index = node->log_count,
        .last_timestamp_ns = node->log_count > 0 ? node->log[node->log_count - 1].timestamp_ns : 0,
        .terms = runs,
        .term_count = term_runs(node, runs),
        .configurations = configurations,
        .configuration_count = configurations_of(node, commit_index, configurations),
    };
    struct raft_options options = cluster->options;
    options.self = id;
    options.seed = 1000 * id + node->restart_count++;
    int status = raft_new(&options, &restored, cluster->now_ns, &node->raft);
    ASSERT(status == 0);
    node->handed = node->hard_state;
    node->committed_index = max_u64(restored.commit_index, node->base.index);
    node->applied_index = node->base.index;
    raft_status(node->raft, &node->said);
    ASSERT(node->said.commit_index == node->committed_index);
    snapshot_restore(cluster, id);
    if (restored.commit_index > node->applied_index) {
        node->applied_index = restored.commit_index;
        struct raft_event event = {.type = RAFT_EVENT_APPLIED, .applied = restored.commit_index};
        (void)cluster_step(cluster, id, event);
    }
}

void cluster_add_empty(struct cluster *cluster, node_id id)
{
    cluster->nodes[id].exists = true;
    cluster_restart(cluster, id, 0);
}

void cluster_add_nodes(struct cluster *cluster, node_id first, size_t count,
                       const struct raft_configuration *configuration)
{
    uint8_t *payload = cluster->scratch.payload;
    struct entry_arena arena;
    struct entry entry;
    struct entry_fields fields = {
        .index = 1,
        .term = 1,
        .timestamp_ns = WALL_NS_AT_START,
        .type = ENTRY_CONFIGURATION,
        .payload_bytes = (uint32_t)raft_configuration_encode(configuration, payload),
        .payload = payload,
    };
    entry_arena_init(&arena, &cluster->heap.allocator);
    int status = entry_arena_encode(&arena, &fields, &entry);
    ASSERT(status == 0);
    for (node_id id = first; id < first + count; id++) {
        struct node *node = &cluster->nodes[id];
        node->exists = true;
        node->hard_state = (struct hard_state){.term = 1};
        disk_append(cluster, id, &entry);
        cluster_restart(cluster, id, 1);
    }
    chunk_drop(entry.chunk);
    entry_arena_deinit(&arena);
}

void cluster_crash(struct cluster *cluster, node_id id)
{
    struct node *node = &cluster->nodes[id];
    disk_drop_saves(cluster, id);
    raft_free(node->raft);
    node->raft = NULL;
    cluster->fetch_counts[id] = 0;
    node->incoming = (struct incoming){0};
    memset(node->is_sending, 0, sizeof(node->is_sending));
    network_forget(cluster, id);
}

static void hand_out_reads(struct cluster *cluster, node_id id, const struct raft_ready *ready)
{
    for (size_t i = 0; i < ready->read_count; i++) {
        const struct raft_read *read = &ready->reads[i];
        if (read->status != 0) {
            print_line(cluster, SAY_ROLES, "%llu read token=%llu %s", (unsigned long long)id,
                       (unsigned long long)read->token, qr_error_name(read->status));
            continue;
        }
        print_line(cluster, SAY_ROLES, "%llu read token=%llu index=%llu", (unsigned long long)id,
                   (unsigned long long)read->token, (unsigned long long)read->index);
    }
}

static void note_fetches(struct cluster *cluster, node_id id, const struct raft_ready *ready)
{
    for (size_t i = 0; i < ready->fetch_count; i++) {
        const struct raft_fetch *fetch = &ready->fetches[i];
        print_line(cluster, SAY_ALL, "%llu fetch first=%llu for %llu", (unsigned long long)id,
                   (unsigned long long)fetch->first, (unsigned long long)fetch->peer);
        ASSERT(cluster->fetch_counts[id] < NODES_MAX);
        cluster->fetches[id][cluster->fetch_counts[id]++] = *fetch;
    }
}

int cluster_take(struct cluster *cluster, node_id id, struct raft_event event)
{
    event.now_ns = cluster->now_ns;
    event.wall_ns = WALL_NS_AT_START + cluster->now_ns;
    int status = raft_step(cluster->nodes[id].raft, &event);
    if (status != 0) {
        print_error(cluster, id, "refused", status);
    }
    raft_invariants(cluster->nodes[id].raft);
    return status;
}

/* Do what the machine asks for, in the order that raft.h states. */
void cluster_ready(struct cluster *cluster, node_id id)
{
    struct raft_ready ready;
    raft_ready(cluster->nodes[id].raft, &ready);
    print_changes(cluster, id);
    if (ready.save_number != 0) {
        print_save(cluster, id, &ready);
        disk_save(cluster, id, &ready);
    }
    for (size_t i = 0; i < ready.message_count; i++) {
        check_promise(cluster, &ready.messages[i]);
        network_send(cluster, &ready.messages[i]);
    }
    hand_out_reads(cluster, id, &ready);
    note_fetches(cluster, id, &ready);
    snapshot_note(cluster, id, &ready);
    check_node(cluster, id);
    check_cluster(cluster);
}

int cluster_step(struct cluster *cluster, node_id id, struct raft_event event)
{
    int status = cluster_take(cluster, id, event);
    cluster_ready(cluster, id);
    snapshot_answer(cluster, id);
    return status;
}
