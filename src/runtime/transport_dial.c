/* transport_dial.c: making connections, and trying again. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/clock.h"
#include "runtime/transport_internal.h"

/* A process that is killed closes its sockets one after the other: it may let us in once more
 * before its listener goes. So the first few attempts behind a loss follow closely: 1, 2, 4, 8 ms.
 */
static bool is_hasty(struct peer *peer)
{
    if (!peer->is_redialed || peer->hasty_count == TRANSPORT_HASTY_MAX) {
        return false;
    }
    peer->dial_at_ns = runtime_now_ns() + (NS_PER_MS << peer->hasty_count);
    peer->hasty_count++;
    return true;
}

void transport_back_off(struct transport *transport, struct peer *peer)
{
    if (is_hasty(peer)) {
        return;
    }
    uint64_t longest = transport->options.backoff_ns_max;
    uint64_t wait_ns = min_u64(longest, max_u64(TRANSPORT_BACKOFF_NS_MIN, peer->backoff_ns * 2));
    peer->backoff_ns = wait_ns;
    /* Between half of it and all, so that nodes that lost one another do not move in step. */
    peer->dial_at_ns = runtime_now_ns() + prng_between(&transport->prng, wait_ns / 2, wait_ns);
}

void transport_redial(struct transport *transport, struct peer *peer)
{
    time_ns now_ns = runtime_now_ns();
    if (peer->dial_at_ns == 0) {
        return; /* the other connection with it closed just now */
    }
    /* One that lets us in and closes again and again must not keep us busy. */
    if (peer->redialed_ns != 0 && now_ns - peer->redialed_ns < TRANSPORT_BACKOFF_NS_MAX) {
        transport_back_off(transport, peer);
        return;
    }
    peer->redialed_ns = now_ns;
    peer->is_redialed = true;
    peer->hasty_count = 0;
    peer->dial_at_ns = 0;
}

void connection_not_connected(struct connection *connection, enum stream_end end,
                              const char *reason)
{
    struct transport *transport = connection->transport;
    struct peer *peer = end == STREAM_REFUSED ? connection->peer : NULL;
    bool is_news = peer != NULL && peer->is_redialed;
    node_id member = connection->member;
    if (is_news) {
        peer->is_redialed = false;
    }
    connection_close(connection, reason);
    if (is_news) {
        /* Nobody listens there any more: for who asks whether a member that closed is gone. */
        transport->options.events.member_closed(transport->options.events.context, member, true);
    }
}

void connection_connected(void *owner)
{
    struct connection *connection = owner;
    struct transport *transport = connection->transport;
    connection_begin(connection);
    transport_arm(transport);
}

static void dial(struct connection *connection, const char *address)
{
    const struct streams_table *table = connection->transport->streams->table;
    struct text text = text_of(connection->address, sizeof(connection->address));
    text_string(&text, address);
    connection->deadline_ns = runtime_now_ns() + TRANSPORT_CONNECT_TIMEOUT_NS;
    const char *reason = table->dial(connection->stream, address, connection->attempt);
    if (reason != NULL) {
        connection_close(connection, reason);
    }
}

void transport_dial_peer(struct transport *transport, struct peer *peer)
{
    ASSERT(peer->is_used && peer->connection == NULL);
    struct connection *connection = connection_new(transport, CONNECTION_PEER, NULL);
    if (connection == NULL) {
        transport_back_off(transport, peer);
        return;
    }
    connection->peer = peer;
    connection->member = peer->id;
    connection->attempt = peer->attempt++;
    peer->connection = connection;
    peer->dial_at_ns = TIME_NEVER;
    dial(connection, peer->address);
}

struct connection *transport_dial_gossip(struct transport *transport, const char *address)
{
    struct connection *connection = connection_new(transport, CONNECTION_GOSSIP, NULL);
    if (connection == NULL) {
        return NULL;
    }
    connection->attempt = (uint32_t)(prng_next(&transport->prng) >> 32);
    dial(connection, address);
    return connection->state == CONNECTION_CLOSED ? NULL : connection;
}

void transport_dial_waiting_seed(struct transport *transport)
{
    ASSERT(transport->seed == NULL);
    transport->has_seed_address = false;
    struct connection *connection = connection_new(transport, CONNECTION_SEED, NULL);
    if (connection == NULL) {
        transport->options.events.seed_closed(transport->options.events.context, QR_ERR_NO_MEMORY,
                                              "memory ran out");
        return;
    }
    /* A new seed connection knows no attempt before it: chance picks among the addresses. */
    connection->attempt = (uint32_t)(prng_next(&transport->prng) >> 32);
    transport->seed = connection;
    dial(connection, transport->seed_address);
}

void transport_dial_seed(struct transport *transport, const char *address)
{
    if (transport->seed != NULL) {
        connection_discard(transport->seed);
    }
    transport->has_seed_address = address != NULL;
    if (address != NULL) {
        struct text text = text_of(transport->seed_address, sizeof(transport->seed_address));
        text_string(&text, address);
    }
    transport_arm(transport);
}
