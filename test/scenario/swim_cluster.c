/* swim_cluster.c: the machines of a scenario about SWIM, their lives and their time. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "scenario/swim_cluster.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

#define CLUSTER_ID ((struct cluster_id){7, 7})
#define ROUNDS_MAX 100000 /* a scenario that never gets quiet is a fault of ours */

struct swim_cluster *swim_cluster_new(FILE *out)
{
    struct swim_cluster *cluster = calloc(1, sizeof(*cluster));
    ASSERT(cluster != NULL);
    heap_init(&cluster->heap);
    cluster->out = out;
    cluster->now_ns = NS_PER_S;
    cluster->said_ns = cluster->now_ns;
    cluster->options = swim_options_default();
    cluster->options.allocator = &cluster->heap.allocator;
    cluster->options.cluster = CLUSTER_ID;
    cluster->options.members_max = NODES_MAX;
    cluster->options.sync_ns = 0; /* by chance; a scenario that wants it says so */
    return cluster;
}

void swim_cluster_free(struct swim_cluster *cluster)
{
    swim_network_clear(cluster);
    for (node_id id = 0; id < NODES_MAX; id++) {
        swim_free(cluster->hosts[id].swim);
    }
    heap_deinit(&cluster->heap);
    free(cluster);
}

struct swim *swim_cluster_running(const struct swim_cluster *cluster, node_id id)
{
    return id < NODES_MAX ? cluster->hosts[id].swim : NULL;
}

struct swim_host *swim_cluster_add(struct swim_cluster *cluster, node_id id)
{
    struct swim_host *host = &cluster->hosts[id];
    ASSERT(!host->exists);
    *host = (struct swim_host){.exists = true, .incarnation = 1};
    host->profile = (struct swim_profile){.version_min = 1, .version_max = 2};
    (void)snprintf(host->profile.name, sizeof(host->profile.name), "m%llu", (unsigned long long)id);
    (void)snprintf(host->profile.peer, sizeof(host->profile.peer), "h%llu:7700",
                   (unsigned long long)id);
    return host;
}

void swim_cluster_start(struct swim_cluster *cluster, node_id id, const char *const *seeds,
                        size_t seed_count)
{
    struct swim_host *host = &cluster->hosts[id];
    ASSERT(host->exists && host->swim == NULL);
    host->lives++;
    host->leader_term = 0;
    struct swim_options options = cluster->options;
    options.self = id;
    options.incarnation = host->incarnation;
    options.seed = id * 100 + host->lives;
    ASSERT(swim_new(&options, &host->profile, cluster->now_ns, &host->swim) == 0);
    struct swim_event join = {.type = SWIM_EVENT_JOIN, .join = {seeds, seed_count}};
    swim_cluster_step(cluster, id, join);
}

/* One table of all members, taken by each as the answer to its first question. */
void swim_cluster_introduce(struct swim_cluster *cluster)
{
    static uint8_t profiles[NODES_MAX][SWIM_PROFILE_BYTES_MAX];
    size_t count = 0;
    for (node_id id = 0; id < NODES_MAX; id++) {
        struct swim_host *host = &cluster->hosts[id];
        if (host->swim == NULL) {
            continue;
        }
        struct swim_profile profile = host->profile;
        profile.started = host->incarnation;
        size_t bytes = swim_profile_encode(&profile, profiles[id]);
        cluster->updates[count++] = (struct swim_update){
            .state = SWIM_ALIVE,
            .id = id,
            .incarnation = host->incarnation,
            .profile = {profiles[id], (uint16_t)bytes},
        };
    }
    for (size_t i = 0; i < count && count > 1; i++) {
        node_id id = cluster->updates[i].id;
        struct swim_message message = {
            .type = SWIM_PUSH_PULL_RESPONSE,
            .cluster = CLUSTER_ID,
            .from = cluster->updates[i == 0 ? 1 : 0].id,
            .push_pull_response = {.is_last = true},
            .updates = cluster->updates,
            .update_count = count,
        };
        struct swim_event event = {
            .type = SWIM_EVENT_STREAM,
            .now_ns = cluster->now_ns,
            .received = {.message = &message, .source = "h:1", .is_proved = true},
        };
        struct swim_ready ready;
        ASSERT(swim_step(cluster->hosts[id].swim, &event) == 0);
        swim_ready(cluster->hosts[id].swim, &ready); /* nobody is told of this */
    }
}

void swim_cluster_crash(struct swim_cluster *cluster, node_id id)
{
    struct swim_host *host = &cluster->hosts[id];
    swim_free(host->swim);
    host->swim = NULL;
    swim_network_cut(cluster);
}

/* Who lives at this address now; NODES_MAX: nobody. */
static node_id at_address(const struct swim_cluster *cluster, const char *address)
{
    for (node_id id = 0; id < NODES_MAX; id++) {
        const struct swim_host *host = &cluster->hosts[id];
        if (host->swim != NULL && strcmp(host->profile.peer, address) == 0) {
            return id;
        }
    }
    return NODES_MAX;
}

static void act(struct swim_cluster *cluster, node_id id)
{
    struct swim_ready ready;
    swim_ready(cluster->hosts[id].swim, &ready);
    for (size_t i = 0; i < ready.news_count; i++) {
        swim_print_news(cluster, id, &ready.news[i]);
    }
    for (size_t i = 0; i < ready.packet_count; i++) {
        const struct swim_packet *packet = &ready.packets[i];
        swim_network_send(cluster, id, at_address(cluster, packet->address), packet->address,
                          &packet->message, false);
    }
    for (size_t i = 0; i < ready.stream_count; i++) {
        const struct swim_stream *stream = &ready.streams[i];
        node_id to = stream->is_answer ? stream->answers - 1 : at_address(cluster, stream->address);
        swim_network_send(cluster, id, to, stream->address, &stream->message, true);
    }
}

void swim_cluster_step(struct swim_cluster *cluster, node_id id, struct swim_event event)
{
    struct swim_host *host = &cluster->hosts[id];
    struct swim_status status;
    event.now_ns = cluster->now_ns;
    int result = swim_step(host->swim, &event);
    swim_invariants(host->swim);
    if (result != 0) {
        bool is_received = event.type == SWIM_EVENT_PACKET || event.type == SWIM_EVENT_STREAM;
        swim_print_line(cluster, is_received ? SAY_ALL : SAY_ROLES, "%llu refused %s: %s",
                        (unsigned long long)id, swim_event_name(event.type), qr_error_name(result));
    }
    act(cluster, id);
    swim_status(host->swim, &status);
    ASSERT(status.leader_term >= host->leader_term);
    host->leader_term = status.leader_term;
}

/* Whose deadline comes first, and when; NODES_MAX when nobody has one. */
static node_id next_due(const struct swim_cluster *cluster, time_ns *when)
{
    node_id due = NODES_MAX;
    *when = TIME_NEVER;
    for (node_id id = 0; id < NODES_MAX; id++) {
        const struct swim *swim = cluster->hosts[id].swim;
        if (swim != NULL && swim_deadline(swim) < *when) {
            *when = swim_deadline(swim);
            due = id;
        }
    }
    return due;
}

void swim_cluster_pass(struct swim_cluster *cluster, uint64_t ms, bool is_delivering)
{
    time_ns end_ns = cluster->now_ns + ms * NS_PER_MS;
    time_ns when_ns;
    for (size_t round = 0; round < ROUNDS_MAX; round++) {
        if (is_delivering) {
            swim_network_settle(cluster);
        }
        node_id id = next_due(cluster, &when_ns);
        if (id == NODES_MAX || when_ns > end_ns) {
            cluster->now_ns = end_ns;
            return;
        }
        cluster->now_ns = max_u64(cluster->now_ns, when_ns);
        swim_cluster_step(cluster, id, (struct swim_event){.type = SWIM_EVENT_TICK});
    }
    ASSERT(false);
}
