/* swim_network.c: packets and streams in flight between the machines of a scenario. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "scenario/swim_cluster.h"
#include "wire/packet.h"

#define ROUNDS_MAX 1000 /* of answers to answers */

static bool is_reachable(const struct swim_cluster *cluster, node_id from, node_id to)
{
    return to < NODES_MAX && cluster->hosts[to].swim != NULL && !cluster->is_cut[from][to];
}

void swim_network_send(struct swim_cluster *cluster, node_id from, node_id to, const char *address,
                       const struct swim_message *message, bool is_stream)
{
    size_t size_bytes = wire_packet_encode(message, cluster->bytes, sizeof(cluster->bytes));
    ASSERT(size_bytes > 0);
    ASSERT_IMPLIES(!is_stream, size_bytes <= cluster->options.packet_bytes_max);
    bool is_under_way = is_reachable(cluster, from, to);
    const char *verbs[2][2] = {{"send (lost)", "stream (lost)"}, {"send", "stream"}};
    swim_print_message(cluster, verbs[is_under_way][is_stream], address, message);
    if (!is_under_way) {
        return;
    }
    ASSERT(cluster->flight_count < FLIGHTS_MAX);
    struct swim_flight *flight = &cluster->flights[cluster->flight_count++];
    *flight = (struct swim_flight){
        .from = from,
        .to = to,
        .is_stream = is_stream,
        .type = (uint8_t)message->type,
        .bytes = malloc(size_bytes),
        .size_bytes = size_bytes,
    };
    ASSERT(flight->bytes != NULL);
    memcpy(flight->bytes, cluster->bytes, size_bytes);
    memcpy(flight->source, cluster->hosts[from].profile.peer, sizeof(flight->source));
}

static struct swim_flight take_flight(struct swim_cluster *cluster, size_t at)
{
    struct swim_flight flight = cluster->flights[at];
    cluster->flight_count--;
    memmove(&cluster->flights[at], &cluster->flights[at + 1],
            (cluster->flight_count - at) * sizeof(flight));
    return flight;
}

static void deliver(struct swim_cluster *cluster, const struct swim_flight *flight)
{
    struct swim_message message;
    ASSERT(wire_packet_decode(flight->bytes, flight->size_bytes, cluster->updates, SWIM_UPDATES_MAX,
                              &message) == 0);
    swim_cluster_step(cluster, flight->to,
                      (struct swim_event){
                          .type = flight->is_stream ? SWIM_EVENT_STREAM : SWIM_EVENT_PACKET,
                          .received = {.message = &message,
                                       .source = flight->source,
                                       .stream = flight->from + 1,
                                       .size_bytes = (uint32_t)flight->size_bytes},
                      });
}

static void act_on(struct swim_cluster *cluster, enum packet_action action, size_t at)
{
    if (action == PACKET_DUPLICATE) {
        ASSERT(cluster->flight_count < FLIGHTS_MAX);
        struct swim_flight copy = cluster->flights[at];
        copy.bytes = malloc(copy.size_bytes);
        ASSERT(copy.bytes != NULL);
        memcpy(copy.bytes, cluster->flights[at].bytes, copy.size_bytes);
        cluster->flights[cluster->flight_count++] = copy;
        return;
    }
    struct swim_flight flight = take_flight(cluster, at);
    if (action == PACKET_DELIVER && is_reachable(cluster, flight.from, flight.to)) {
        deliver(cluster, &flight);
    }
    free(flight.bytes);
}

static bool is_matching(const struct swim_flight *flight, const struct swim_filter *filter)
{
    return (!filter->has_from || flight->from == filter->from) &&
           (!filter->has_to || flight->to == filter->to) &&
           (!filter->has_way || flight->is_stream == filter->is_stream) &&
           (filter->type == 0 || flight->type == filter->type);
}

size_t swim_network_act(struct swim_cluster *cluster, enum packet_action action,
                        const struct swim_filter *filter)
{
    /* Only what is in flight now: an answer that this causes waits for the next call. */
    size_t left = cluster->flight_count;
    size_t at = 0;
    size_t count = 0;
    while (left > 0 && count < filter->count) {
        left--;
        if (!is_matching(&cluster->flights[at], filter)) {
            at++;
            continue;
        }
        act_on(cluster, action, at);
        at += action == PACKET_DUPLICATE;
        count++;
    }
    return count;
}

void swim_network_settle(struct swim_cluster *cluster)
{
    const struct swim_filter everything = {.count = FLIGHTS_MAX};
    for (size_t round = 0; round < ROUNDS_MAX; round++) {
        if (swim_network_act(cluster, PACKET_DELIVER, &everything) == 0) {
            return;
        }
    }
    ASSERT(false);
}

void swim_network_cut(struct swim_cluster *cluster)
{
    size_t at = 0;
    while (at < cluster->flight_count) {
        const struct swim_flight *flight = &cluster->flights[at];
        if (is_reachable(cluster, flight->from, flight->to)) {
            at++;
        } else {
            free(take_flight(cluster, at).bytes);
        }
    }
}

void swim_network_clear(struct swim_cluster *cluster)
{
    while (cluster->flight_count > 0) {
        free(take_flight(cluster, cluster->flight_count - 1).bytes);
    }
}
