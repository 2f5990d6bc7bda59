/* transport_gossip.c: streams of SWIM: connections for gossip alone, dialed when there is
 * something to say, and closed when nothing more is said.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "runtime/clock.h"
#include "runtime/transport_internal.h"

_Static_assert(WIRE_HEAD_BYTES_MAX + WIRE_GOSSIP_BYTES_MAX <= TRANSPORT_CHUNK_BYTES,
               "no gossip makes a receiver take more than the usual room");

bool connection_is_gossip(const struct connection *connection)
{
    return connection->kind == CONNECTION_GOSSIP || connection->is_gossip;
}

void connection_touch(struct connection *connection)
{
    /* The end that dialed closes first: the other waits, so that nothing is lost on the way. */
    uint64_t idle_ns = connection->transport->options.idle_ns;
    connection->deadline_ns =
        runtime_now_ns() + (connection->kind == CONNECTION_GOSSIP ? idle_ns : 2 * idle_ns);
}

void connection_take_gossip(struct connection *connection, const struct wire_message *message)
{
    const struct transport_events *events = &connection->transport->options.events;
    const struct raft_data *data = &message->gossip.data;
    connection_touch(connection);
    const char *source =
        connection->kind == CONNECTION_GOSSIP ? connection->address : connection->said_address;
    struct transport_gossip gossip = {
        .stream = connection->number,
        .data = data->bytes,
        .size_bytes = data->size_bytes,
        .source = source,
        .is_proved = connection->is_proved,
    };
    events->gossip_received(events->context, &gossip);
}

static struct connection *find_dialed(const struct transport *transport, const char *address)
{
    struct connection *connection = transport->connections;
    while (connection != NULL &&
           !(connection->kind == CONNECTION_GOSSIP && connection->state != CONNECTION_CLOSED &&
             strcmp(connection->address, address) == 0)) {
        connection = connection->next;
    }
    return connection;
}

static struct connection *find_stream(const struct transport *transport, uint64_t number)
{
    struct connection *connection = transport->connections;
    while (connection != NULL && connection->number != number) {
        connection = connection->next;
    }
    bool is_there = connection != NULL && connection->state == CONNECTION_OPEN &&
                    connection_is_gossip(connection);
    return is_there ? connection : NULL;
}

/* Whether one more may be dialed: else one that was silent for a second has to go. */
static bool make_room(struct transport *transport)
{
    time_ns now_ns = runtime_now_ns();
    struct connection *idle = NULL;
    size_t count = 0;
    struct connection *connection = transport->connections;
    for (; connection != NULL; connection = connection->next) {
        if (connection->kind != CONNECTION_GOSSIP || connection->state == CONNECTION_CLOSED) {
            continue;
        }
        count++;
        bool is_idle = connection->state == CONNECTION_OPEN && connection->queue.count == 0 &&
                       connection->deadline_ns + NS_PER_S <= now_ns + transport->options.idle_ns;
        if (is_idle && (idle == NULL || connection->deadline_ns < idle->deadline_ns)) {
            idle = connection;
        }
    }
    if (count >= TRANSPORT_GOSSIP_DIALED_MAX && idle != NULL) {
        connection_discard(idle);
        count--;
    }
    return count < TRANSPORT_GOSSIP_DIALED_MAX;
}

static struct connection *dial(struct transport *transport, const char *address)
{
    struct connection *connection = find_dialed(transport, address);
    if (connection != NULL || !make_room(transport)) {
        return connection;
    }
    return transport_dial_gossip(transport, address);
}

/* The bytes in a frame of their own; NULL when memory ran out. */
static struct wire_frame *frame_of(struct transport *transport, const uint8_t *data,
                                   size_t size_bytes)
{
    struct chunk *chunk = chunk_new(transport->options.allocator, (uint32_t)size_bytes);
    if (chunk == NULL) {
        return NULL;
    }
    memcpy(chunk->data, data, size_bytes);
    struct wire_message message = {
        .type = WIRE_GOSSIP,
        .gossip = {.data = {chunk, chunk->data, (uint32_t)size_bytes}},
    };
    struct wire_frame *frame = wire_encode(transport->options.allocator, &message);
    chunk_drop(chunk);
    return frame;
}

bool transport_gossip(struct transport *transport, const char *address, uint64_t answers,
                      const uint8_t *data, size_t size_bytes)
{
    ASSERT(size_bytes > 0 && size_bytes <= WIRE_GOSSIP_BYTES_MAX);
    if (transport->loop == NULL || transport->is_closing) {
        return false;
    }
    struct connection *connection =
        address == NULL ? find_stream(transport, answers) : dial(transport, address);
    struct wire_frame *frame = connection == NULL ? NULL : frame_of(transport, data, size_bytes);
    if (frame == NULL) {
        transport->stats.messages_dropped++;
        return false;
    }
    if (connection->state == CONNECTION_OPEN) {
        connection_touch(connection);
    }
    bool is_queued = connection_queue(connection, frame);
    transport_arm(transport);
    return is_queued;
}
