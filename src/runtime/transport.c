/* transport.c: the peers, what is due when, and the transport's own life. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/transport.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/clock.h"
#include "runtime/tcp.h"
#include "runtime/transport_internal.h"
#include "runtime/transport_tls.h"

int transport_open(const struct transport_options *options, struct transport **out, char *detail)
{
    struct transport *transport = allocate_zeroed(options->allocator, sizeof(*transport));
    if (transport == NULL) {
        (void)snprintf(detail, TRANSPORT_DETAIL_BYTES, "memory ran out");
        return QR_ERR_NO_MEMORY;
    }
    transport->options = *options;
    transport->options.address = NULL;
    if (options->backoff_ns_max == 0) {
        transport->options.backoff_ns_max = TRANSPORT_BACKOFF_NS_MAX;
    }
    if (options->idle_ns == 0) {
        transport->options.idle_ns = TRANSPORT_IDLE_NS;
    }
    if (options->hello_timeout_ns == 0) {
        transport->options.hello_timeout_ns = TRANSPORT_HELLO_TIMEOUT_NS;
    }
    transport->prng = prng_of(options->seed);
    if (options->keyring != NULL) {
        transport->tls = transport_tls_new(options->allocator, options->keyring);
        if (transport->tls == NULL) {
            (void)snprintf(detail, TRANSPORT_DETAIL_BYTES, "TLS cannot be set up");
            transport_free(transport);
            return QR_ERR_NO_MEMORY;
        }
    }
    transport->streams = options->streams;
    if (transport->streams == NULL) {
        _Static_assert(TRANSPORT_DETAIL_BYTES >= TCP_DETAIL_BYTES, "its detail fits");
        int status = tcp_open(options->allocator, options->address, &transport->streams, detail);
        if (status != 0) {
            transport_free(transport);
            return status;
        }
        transport->port = tcp_port(transport->streams);
    }
    *out = transport;
    return 0;
}

uint16_t transport_port(const struct transport *transport)
{
    return transport->port;
}

void transport_free(struct transport *transport)
{
    if (transport == NULL) {
        return;
    }
    ASSERT(transport->connections == NULL);
    if (transport->streams != NULL) {
        transport->streams->table->free(transport->streams);
    }
    transport_tls_free(transport->tls);
    release(transport->options.allocator, transport, sizeof(*transport));
}

/* When a peer is to be dialed, or a connection given up. */
static time_ns next_due(const struct transport *transport)
{
    time_ns due = TIME_NEVER;
    for (size_t i = 0; i < TRANSPORT_PEERS_MAX; i++) {
        const struct peer *peer = &transport->peers[i];
        if (peer->is_used && peer->connection == NULL) {
            due = min_u64(due, peer->dial_at_ns);
        }
    }
    const struct connection *connection = transport->connections;
    for (; connection != NULL; connection = connection->next) {
        if (connection->state != CONNECTION_CLOSED) {
            due = min_u64(due, connection->deadline_ns);
        }
    }
    return transport->has_seed_address ? 0 : due;
}

static void on_timer(uv_timer_t *timer);

void transport_arm(struct transport *transport)
{
    if (transport->loop == NULL || transport->is_closing) {
        return;
    }
    time_ns due = next_due(transport);
    if (due == TIME_NEVER) {
        (void)uv_timer_stop(&transport->timer);
        return;
    }
    time_ns now_ns = runtime_now_ns();
    uint64_t wait_ms = due <= now_ns ? 0 : (due - now_ns + NS_PER_MS - 1) / NS_PER_MS;
    /* libuv counts from the start of the loop's round, which may lie back. */
    uv_update_time(transport->loop);
    int failed = uv_timer_start(&transport->timer, on_timer, wait_ms, 0);
    ASSERT(failed == 0);
}

static const char *overdue_reason(const struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_OPEN:
        return "idle";
    case CONNECTION_HELLO:
        return "no hello in time";
    default:
        return "no connection in time";
    }
}

/* Give up what took too long. Closing tells others, who may close more: so from the start. */
static void close_overdue(struct transport *transport, time_ns now_ns)
{
    struct connection *connection = transport->connections;
    while (connection != NULL) {
        if (connection->state == CONNECTION_CLOSED || connection->deadline_ns > now_ns) {
            connection = connection->next;
            continue;
        }
        connection_close(connection, overdue_reason(connection));
        connection = transport->is_closing ? NULL : transport->connections;
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct transport *transport = timer->data;
    time_ns now_ns = runtime_now_ns();
    close_overdue(transport, now_ns);
    for (size_t i = 0; i < TRANSPORT_PEERS_MAX; i++) {
        struct peer *peer = &transport->peers[i];
        if (peer->is_used && peer->connection == NULL && peer->dial_at_ns <= now_ns) {
            transport_dial_peer(transport, peer);
        }
    }
    if (transport->has_seed_address) {
        transport_dial_waiting_seed(transport);
    }
    transport_arm(transport);
}

void transport_start(struct transport *transport, uv_loop_t *loop)
{
    ASSERT(transport->loop == NULL);
    transport->loop = loop;
    transport->timer.data = transport;
    int failed = uv_timer_init(loop, &transport->timer);
    ASSERT(failed == 0);
    const struct stream_events events = {
        .context = transport,
        .accepted = transport_accept,
        .connected = connection_connected,
        .room = connection_read_room,
        .received = connection_read,
        .writable = connection_writable,
        .ended = connection_ended,
        .gone = connection_gone,
    };
    transport->streams->table->start(transport->streams, loop, &events);
    transport->open_handles = 2;
    transport_arm(transport);
}

void transport_let_go(struct transport *transport)
{
    if (!transport->is_closing || transport->open_handles > 0 || transport->connection_count > 0) {
        return;
    }
    void (*closed)(void *argument) = transport->closed;
    void *argument = transport->closed_argument;
    transport_free(transport);
    if (closed != NULL) {
        closed(argument);
    }
}

static void on_part_closed(void *argument)
{
    struct transport *transport = argument;
    transport->open_handles--;
    transport_let_go(transport);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

void transport_close(struct transport *transport, void (*closed)(void *argument), void *argument)
{
    ASSERT(transport->loop != NULL);
    ASSERT(!transport->is_closing);
    transport->is_closing = true;
    transport->closed = closed;
    transport->closed_argument = argument;
    struct connection *connection = transport->connections;
    while (connection != NULL) {
        struct connection *next = connection->next;
        connection_discard(connection);
        connection = next;
    }
    uv_close((uv_handle_t *)&transport->timer, on_timer_closed);
    transport->streams->table->stop(transport->streams, on_part_closed, transport);
}

struct peer *transport_find_peer(const struct transport *transport, node_id id)
{
    for (size_t i = 0; i < TRANSPORT_PEERS_MAX; i++) {
        const struct peer *peer = &transport->peers[i];
        if (peer->is_used && peer->id == id) {
            return (struct peer *)(uintptr_t)peer;
        }
    }
    return NULL;
}

static void forget_peer(struct peer *peer)
{
    if (peer->connection != NULL) {
        connection_discard(peer->connection);
    }
    *peer = (struct peer){.is_used = false};
}

static void forget_missing(struct transport *transport, const struct transport_peer *peers,
                           size_t count)
{
    for (size_t i = 0; i < TRANSPORT_PEERS_MAX; i++) {
        struct peer *peer = &transport->peers[i];
        bool is_kept = false;
        for (size_t k = 0; k < count; k++) {
            is_kept = is_kept ||
                      (peers[k].id == peer->id && strcmp(peers[k].address, peer->address) == 0);
        }
        if (peer->is_used && !is_kept) {
            forget_peer(peer);
        }
    }
}

static void add_peer(struct transport *transport, const struct transport_peer *added)
{
    size_t place = 0;
    while (place < TRANSPORT_PEERS_MAX && transport->peers[place].is_used) {
        place++;
    }
    ASSERT(place < TRANSPORT_PEERS_MAX);
    struct peer *peer = &transport->peers[place];
    *peer = (struct peer){.is_used = true, .id = added->id, .lost_ns = runtime_now_ns()};
    struct text text = text_of(peer->address, sizeof(peer->address));
    text_string(&text, added->address);
}

void transport_set_peers(struct transport *transport, const struct transport_peer *peers,
                         size_t count)
{
    ASSERT(count <= TRANSPORT_PEERS_MAX);
    forget_missing(transport, peers, count);
    for (size_t i = 0; i < count; i++) {
        if (transport_find_peer(transport, peers[i].id) == NULL) {
            add_peer(transport, &peers[i]);
        }
    }
    transport_arm(transport);
}

bool transport_is_connected(const struct transport *transport, node_id id)
{
    const struct connection *connection = transport->connections;
    for (; connection != NULL; connection = connection->next) {
        if (connection->state == CONNECTION_OPEN && connection->member == id &&
            connection->kind != CONNECTION_SEED && !connection_is_gossip(connection)) {
            return true;
        }
    }
    return false;
}

bool transport_peer_state(const struct transport *transport, node_id id,
                          struct transport_peer_state *out)
{
    const struct peer *peer = transport_find_peer(transport, id);
    if (peer == NULL) {
        return false;
    }
    *out = (struct transport_peer_state){
        .is_connected = transport_is_connected(transport, id),
        .is_proved = peer->connection != NULL && peer->connection->is_proved &&
                     peer->connection->state == CONNECTION_OPEN,
        .heard_ns = peer->heard_ns,
        .lost_ns = peer->lost_ns,
    };
    return true;
}

void transport_stats(const struct transport *transport, struct transport_stats *out)
{
    *out = transport->stats;
    out->incoming_count = transport->incoming_count;
    const struct connection *connection = transport->connections;
    for (; connection != NULL; connection = connection->next) {
        out->queued_bytes += connection->greeting.bytes + connection->queue.bytes;
    }
}

bool transport_may_log(struct rate_limit *limit, uint64_t *suppressed)
{
    time_ns now_ns = runtime_now_ns();
    if (now_ns < limit->next_ns) {
        limit->suppressed_count++;
        return false;
    }
    *suppressed = limit->suppressed_count;
    *limit = (struct rate_limit){.next_ns = now_ns + NS_PER_S};
    return true;
}
