/* transport_connection.c: a connection's life: hello, messages, end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/clock.h"
#include "runtime/transport_internal.h"
#include "runtime/transport_tls.h"

struct connection *connection_new(struct transport *transport, enum connection_kind kind,
                                  struct stream *stream)
{
    struct streams *streams = transport->streams;
    struct connection *connection =
        allocate_zeroed(transport->options.allocator, sizeof(*connection));
    if (connection == NULL) {
        return NULL;
    }
    connection->stream = stream == NULL ? streams->table->make(streams, connection) : stream;
    if (connection->stream == NULL) {
        release(transport->options.allocator, connection, sizeof(*connection));
        return NULL;
    }
    connection->stream->owner = connection;
    connection->transport = transport;
    connection->kind = kind;
    connection->state = CONNECTION_DIALING;
    connection->number = ++transport->last_number;
    connection->deadline_ns = TIME_NEVER;
    connection->next = transport->connections;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    transport->connections = connection;
    transport->connection_count++;
    if (kind == CONNECTION_INCOMING) {
        transport->incoming_count++;
    }
    return connection;
}

static void unlink_connection(struct connection *connection)
{
    struct transport *transport = connection->transport;
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        transport->connections = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    transport->connection_count--;
}

static void unlink_dirty(struct connection *connection)
{
    struct connection **at = &connection->transport->dirty;
    while (connection->is_dirty && *at != NULL) {
        if (*at == connection) {
            *at = connection->next_dirty;
            connection->is_dirty = false;
        } else {
            at = &(*at)->next_dirty;
        }
    }
}

void connection_gone(void *owner)
{
    struct connection *connection = owner;
    ASSERT(connection->state == CONNECTION_CLOSED);
    struct transport *transport = connection->transport;
    connection_queue_clear(connection);
    chunk_drop(connection->chunk);
    connection_tls_free(connection);
    unlink_connection(connection);
    release(transport->options.allocator, connection, sizeof(*connection));
    transport_let_go(transport);
}

void connection_discard(struct connection *connection)
{
    struct transport *transport = connection->transport;
    if (connection->state == CONNECTION_CLOSED) {
        return;
    }
    connection->state = CONNECTION_CLOSED;
    unlink_dirty(connection);
    if (connection->kind == CONNECTION_INCOMING) {
        transport->incoming_count--;
    }
    if (connection->peer != NULL) {
        connection->peer->connection = NULL;
        connection->peer = NULL;
    }
    if (transport->seed == connection) {
        transport->seed = NULL;
    }
    transport->streams->table->close(connection->stream);
}

/* What Raft's messages go over, to a member or from one. */
static bool is_of_member(const struct connection *connection)
{
    bool is_meant = connection->kind == CONNECTION_PEER || connection->expects_us;
    return is_meant && transport_find_peer(connection->transport, connection->member) != NULL;
}

/* That a member comes and goes is news; anybody else could fill the log with it. */
static enum log_level log_level(const struct connection *connection)
{
    return is_of_member(connection) ? LOG_INFO : LOG_DEBUG;
}

void connection_close(struct connection *connection, const char *reason)
{
    struct transport *transport = connection->transport;
    if (connection->state == CONNECTION_CLOSED) {
        return;
    }
    bool was_open = connection->state == CONNECTION_OPEN;
    struct peer *dialed = connection->peer;
    enum connection_kind kind = connection->kind;
    int refusal = connection->refusal;
    node_id member = connection->member;
    struct peer *peer =
        was_open && is_of_member(connection) ? transport_find_peer(transport, member) : NULL;
    connection_discard(connection);
    if (was_open && kind != CONNECTION_SEED) {
        LOG(transport->options.log, log_level(connection), "peer_disconnected",
            log_id("node", member), log_string("address", connection->address),
            log_string("direction", kind == CONNECTION_INCOMING ? "in" : "out"),
            log_string("reason", reason));
    }
    if (peer != NULL && !transport_is_connected(transport, member)) {
        peer->lost_ns = runtime_now_ns();
    }
    if (peer != NULL && peer->connection == NULL) {
        transport_redial(transport, peer);
    } else if (dialed != NULL) {
        transport_back_off(transport, dialed);
    }
    if (kind == CONNECTION_SEED) {
        transport->options.events.seed_closed(transport->options.events.context, refusal, reason);
    }
    if (peer != NULL) {
        transport->options.events.member_closed(transport->options.events.context, member, false);
    }
    transport_arm(transport);
}

void connection_refuse(struct connection *connection, const char *why)
{
    struct transport *transport = connection->transport;
    uint64_t suppressed = 0;
    transport->stats.frames_refused++;
    if (transport_may_log(&transport->refused, &suppressed)) {
        LOG(transport->options.log, LOG_WARN, "frame_refused",
            log_string("address", connection->address), log_string("reason", why),
            log_u64("suppressed", suppressed));
    }
    connection_close(connection, why);
}

static bool has_expected(const struct connection *connection)
{
    return connection->kind == CONNECTION_PEER;
}

static void send_hello(struct connection *connection)
{
    struct transport *transport = connection->transport;
    const struct transport_events *events = &transport->options.events;
    struct wire_message message = {.type = WIRE_HELLO};
    events->hello(events->context, has_expected(connection), connection->member, &message.hello);
    struct wire_frame *frame = wire_encode(transport->options.allocator, &message);
    if (frame == NULL) {
        connection_close_without_memory(connection);
        return;
    }
    connection_greet_with(connection, frame);
}

void connection_greet(struct connection *connection)
{
    if (connection->kind != CONNECTION_INCOMING) {
        send_hello(connection);
    }
}

void connection_begin(struct connection *connection)
{
    connection->state = CONNECTION_HELLO;
    connection->deadline_ns = runtime_now_ns() + connection->transport->options.hello_timeout_ns;
    if (connection->transport->tls != NULL) {
        connection_tls_begin(connection);
    } else {
        connection_greet(connection);
    }
}

/* A node that dials again has lost its old connection, whether we noticed or not. Of those that
 * mean nobody only the same use, which is known by the first message: one joins, and gossips
 * meanwhile. Those on which nothing is said have the deadline of idle ones.
 */
static void close_older(struct connection *newer)
{
    ASSERT(newer->is_used);
    struct connection *connection = newer->transport->connections;
    while (connection != NULL) {
        struct connection *next = connection->next;
        if (connection != newer && connection->kind == CONNECTION_INCOMING &&
            connection->state == CONNECTION_OPEN && connection->member == newer->member &&
            connection->expects_us == newer->expects_us && connection->is_used &&
            connection->is_gossip == newer->is_gossip) {
            connection_discard(connection);
        }
        connection = next;
    }
}

static void open_connection(struct connection *connection)
{
    connection->state = CONNECTION_OPEN;
    connection->deadline_ns = TIME_NEVER;
    bool is_meant = connection->kind != CONNECTION_INCOMING || connection->expects_us;
    if (connection->kind == CONNECTION_GOSSIP || !is_meant) {
        connection_touch(connection);
    }
    if (connection->kind != CONNECTION_SEED) {
        LOG(connection->transport->options.log, log_level(connection), "peer_connected",
            log_id("node", connection->member), log_string("address", connection->address),
            log_string("direction", connection->kind == CONNECTION_INCOMING ? "in" : "out"));
    }
}

/* A node that is only just joining is no trouble: it will be dialed again in a moment.
 *
 * said   the address that the other end says it listens on, or "".
 */
static void log_refusal(struct connection *connection, int status, const char *reason,
                        const char *said)
{
    struct transport *transport = connection->transport;
    uint64_t suppressed = 0;
    transport->stats.peers_refused += status == QR_ERR_PENDING ? 0 : 1;
    if (status == QR_ERR_PENDING) {
        LOG(transport->options.log, LOG_DEBUG, "peer_not_ready",
            log_string("address", connection->address), log_string("reason", reason));
    } else if (transport_may_log(&transport->refused, &suppressed)) {
        LOG(transport->options.log, LOG_WARN, "peer_refused",
            log_string("address", connection->address), log_string("said", said),
            log_string("reason", reason), log_u64("suppressed", suppressed));
    }
}

void connection_close_without_memory(struct connection *connection)
{
    connection->refusal = QR_ERR_NO_MEMORY;
    connection_close(connection, "memory ran out");
}

void connection_refuse_peer(struct connection *connection, const char *why)
{
    connection->refusal = QR_ERR_FOREIGN;
    log_refusal(connection, QR_ERR_FOREIGN, why, "");
    connection_close(connection, why);
}

/* Who dialed us says who it is. */
static void take_hello(struct connection *connection, const struct wire_hello *hello)
{
    struct transport *transport = connection->transport;
    const struct transport_events *events = &transport->options.events;
    struct wire_message answer = {.type = WIRE_HELLO_RESPONSE};
    int status = events->hello_check(events->context, hello, &answer.hello_response);
    struct wire_frame *frame = wire_encode(transport->options.allocator, &answer);
    if (frame != NULL) {
        connection_greet_with(connection, frame);
    }
    if (status != 0) {
        log_refusal(connection, status, answer.hello_response.reason, hello->address);
        connection_close(connection, "refused");
        return;
    }
    if (frame == NULL) {
        connection_close_without_memory(connection);
    }
    if (connection->state == CONNECTION_CLOSED) {
        return;
    }
    connection->member = hello->from;
    connection->version = answer.hello_response.version;
    connection->expects_us = hello->has_expected;
    connection->is_stranger = cluster_id_is_none(hello->cluster);
    connection->is_invitation = cluster_id_is_none(answer.hello_response.cluster);
    memcpy(connection->said_address, hello->address, sizeof(connection->said_address));
    connection->is_used = connection->expects_us; /* else the first message says for what */
    if (connection->is_used) {
        close_older(connection);
    }
    open_connection(connection);
    struct peer *peer = transport_find_peer(transport, hello->from);
    if (peer != NULL && peer->connection == NULL) {
        peer->dial_at_ns = 0; /* it is there: do not wait out the back-off */
    }
    transport_arm(transport);
}

/* Why there is nobody to gossip with, which is no trouble; NULL: there may be. */
static const char *gossip_refusal(const struct connection *connection,
                                  const struct wire_hello_response *response)
{
    if (connection->kind != CONNECTION_GOSSIP || response->status != 0) {
        return NULL;
    }
    if (response->version < WIRE_VERSION_GOSSIP) {
        return "it does not know gossip";
    }
    return cluster_id_is_none(response->cluster) ? "it is in no cluster yet" : NULL;
}

/* Whom we dialed answers. */
static void take_hello_response(struct connection *connection,
                                const struct wire_hello_response *response)
{
    struct transport *transport = connection->transport;
    const struct transport_events *events = &transport->options.events;
    const char *reason = gossip_refusal(connection, response);
    if (reason != NULL) {
        connection_close(connection, reason);
        return;
    }
    int status = events->hello_response_check(events->context, response, has_expected(connection),
                                              connection->member, &reason);
    if (status != 0) {
        connection->refusal = status;
        log_refusal(connection, status, reason, "");
        connection_close(connection, reason);
        return;
    }
    connection->version = response->version;
    if (connection->kind == CONNECTION_PEER) {
        connection->peer->backoff_ns = 0;
        connection->peer->is_redialed = false;
    } else {
        connection->member = response->from;
    }
    open_connection(connection);
    transport_arm(transport);
    if (connection->kind == CONNECTION_SEED) {
        events->seed_ready(events->context);
    }
    if (connection->state == CONNECTION_OPEN) {
        connection_flush(connection);
    }
}

/* The first message on a connection that means nobody says what it is for. */
static void note_use(struct connection *connection, const struct wire_message *message)
{
    if (connection->kind != CONNECTION_INCOMING || connection->is_used) {
        return;
    }
    connection->is_used = true;
    connection->is_gossip = message->type == WIRE_GOSSIP;
    connection->deadline_ns = TIME_NEVER;
    close_older(connection);
}

/* Who invites says so again and again, and who stops has ended it; a member's may be silent. */
static void note_invitation(struct connection *connection)
{
    if (connection->is_invitation) {
        connection_touch(connection);
    }
}

/* What must not come on this connection, in words; NULL: it may. */
static const char *refusal(const struct connection *connection, const struct wire_message *message)
{
    bool is_gossip = message->type == WIRE_GOSSIP;
    if (is_gossip != connection_is_gossip(connection)) {
        return "a message on a connection for others";
    }
    if (is_gossip && connection->version < WIRE_VERSION_GOSSIP) {
        return "a message of a later version of the protocol";
    }
    if (connection->is_stranger && !is_gossip && message->type != WIRE_JOIN) {
        return "a message of a node that has not joined";
    }
    if (connection->is_invitation && message->type != WIRE_INVITE) {
        return "a message to a node that has not joined";
    }
    return NULL;
}

static void take_message(struct connection *connection, const struct wire_message *message)
{
    struct transport *transport = connection->transport;
    const struct transport_events *events = &transport->options.events;
    transport->stats.messages_received++;
    note_use(connection, message);
    note_invitation(connection);
    const char *why = refusal(connection, message);
    if (why != NULL) {
        connection_refuse(connection, why);
        return;
    }
    if (connection_is_gossip(connection)) {
        connection_take_gossip(connection, message);
        transport_arm(transport);
        return;
    }
    if (connection->kind == CONNECTION_SEED) {
        events->seed_received(events->context, message);
        return;
    }
    struct peer *peer = transport_find_peer(transport, connection->member);
    if (peer != NULL) {
        peer->heard_ns = runtime_now_ns();
    }
    bool is_answered_there = connection->is_stranger || message->type == WIRE_INVITE;
    events->received(events->context, connection->member,
                     is_answered_there ? connection->number : 0, message);
}

void connection_take(struct connection *connection, const struct wire_message *message)
{
    bool is_incoming = connection->kind == CONNECTION_INCOMING;
    if (connection->state == CONNECTION_OPEN) {
        if (message->type == WIRE_HELLO || message->type == WIRE_HELLO_RESPONSE) {
            connection_refuse(connection, "a second hello");
        } else {
            take_message(connection, message);
        }
        return;
    }
    ASSERT(connection->state == CONNECTION_HELLO);
    if (message->type != (is_incoming ? WIRE_HELLO : WIRE_HELLO_RESPONSE)) {
        connection_refuse(connection, "a message before the hello");
    } else if (is_incoming) {
        take_hello(connection, &message->hello);
    } else {
        take_hello_response(connection, &message->hello_response);
    }
}
