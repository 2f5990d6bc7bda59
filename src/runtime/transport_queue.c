/* transport_queue.c: what waits to be sent, bounded, and how it leaves. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "runtime/transport_internal.h"
#include "runtime/transport_tls.h"

static bool drop(struct transport *transport, struct wire_frame *frame)
{
    transport->stats.messages_dropped++;
    wire_frame_free(frame);
    return false;
}

/* A stream may be anybody's, who asks for much and reads nothing: it has less room. */
static uint64_t bytes_max(const struct connection *connection)
{
    uint64_t queue_bytes_max = connection->transport->options.queue_bytes_max;
    return connection_is_gossip(connection) ? min_u64(queue_bytes_max, TRANSPORT_GOSSIP_QUEUE_BYTES)
                                            : queue_bytes_max;
}

static void push(struct frame_queue *queue, struct wire_frame *frame)
{
    frame->next = NULL;
    if (queue->last == NULL) {
        queue->first = frame;
    } else {
        queue->last->next = frame;
    }
    queue->last = frame;
    queue->count++;
    queue->bytes += frame->frame_bytes;
}

bool connection_queue(struct connection *connection, struct wire_frame *frame)
{
    struct transport *transport = connection->transport;
    const struct frame_queue *queue = &connection->queue;
    bool is_full = queue->count >= TRANSPORT_QUEUE_FRAMES_MAX ||
                   (queue->count > 0 && queue->bytes + frame->frame_bytes > bytes_max(connection));
    if (connection->state == CONNECTION_CLOSED || is_full) {
        return drop(transport, frame);
    }
    push(&connection->queue, frame);
    transport->stats.messages_sent++;
    if (!connection->is_dirty) {
        connection->is_dirty = true;
        connection->next_dirty = transport->dirty;
        transport->dirty = connection;
    }
    return true;
}

static void pop(struct frame_queue *queue)
{
    struct wire_frame *frame = queue->first;
    queue->first = frame->next;
    if (queue->first == NULL) {
        queue->last = NULL;
    }
    queue->count--;
    queue->bytes -= frame->frame_bytes;
    queue->first_sent_bytes = 0;
    wire_frame_free(frame);
}

void connection_queue_clear(struct connection *connection)
{
    while (connection->queue.first != NULL) {
        connection->transport->stats.messages_dropped++;
        connection->transport->stats.messages_sent--;
        pop(&connection->queue);
    }
    while (connection->greeting.first != NULL) {
        pop(&connection->greeting);
    }
}

/* What is sent from: what goes ahead of all else, until it is through. */
static struct frame_queue *present_queue(struct connection *connection)
{
    return connection->greeting.first != NULL ? &connection->greeting : &connection->queue;
}

/* So many bytes left: frames that are through are freed. */
static void advance(struct connection *connection, size_t sent_bytes)
{
    struct frame_queue *queue = present_queue(connection);
    connection->transport->stats.sent_bytes += sent_bytes;
    while (sent_bytes > 0) {
        ASSERT(queue->first != NULL);
        size_t left = queue->first->frame_bytes - queue->first_sent_bytes;
        if (sent_bytes < left) {
            queue->first_sent_bytes += sent_bytes;
            return;
        }
        sent_bytes -= left;
        pop(queue);
    }
}

/* The parts that wait, from where sending stands, up to STREAM_PARTS_MAX. */
static size_t gather(struct connection *connection, uv_buf_t *out, size_t *total)
{
    const struct frame_queue *queue = present_queue(connection);
    size_t skip = queue->first_sent_bytes;
    size_t count = 0;
    *total = 0;
    for (const struct wire_frame *frame = queue->first; frame != NULL; frame = frame->next) {
        for (size_t i = 0; i < frame->part_count && count < STREAM_PARTS_MAX; i++) {
            const struct wire_part *part = &frame->parts[i];
            if (skip >= part->size_bytes) {
                skip -= part->size_bytes;
                continue;
            }
            char *data = NULL;
            const uint8_t *from = (const uint8_t *)part->data + skip;
            memcpy(&data, &from, sizeof(data)); /* libuv's type has no const, and needs none */
            out[count++] = uv_buf_init(data, (unsigned)(part->size_bytes - skip));
            *total += part->size_bytes - skip;
            skip = 0;
        }
        if (count == STREAM_PARTS_MAX) {
            break;
        }
    }
    return count;
}

size_t connection_queue_read(struct connection *connection, uint8_t *out, size_t out_bytes)
{
    uv_buf_t parts[STREAM_PARTS_MAX];
    size_t total = 0;
    size_t copied = 0;
    size_t count = gather(connection, parts, &total);
    for (size_t i = 0; i < count && copied < out_bytes; i++) {
        size_t taken = (size_t)min_u64(parts[i].len, out_bytes - copied);
        memcpy(out + copied, parts[i].base, taken);
        copied += taken;
    }
    advance(connection, copied);
    return copied;
}

bool connection_has_output(const struct connection *connection)
{
    return connection->greeting.first != NULL ||
           (connection->state == CONNECTION_OPEN && connection->queue.first != NULL);
}

static void flush_plain(struct connection *connection)
{
    const struct streams_table *table = connection->transport->streams->table;
    while (connection->state != CONNECTION_CLOSED && !connection->is_writing &&
           connection_has_output(connection)) {
        uv_buf_t parts[STREAM_PARTS_MAX];
        size_t total = 0;
        size_t count = gather(connection, parts, &total);
        ssize_t sent = table->write(connection->stream, parts, count);
        if (sent < 0) {
            connection_close(connection, uv_strerror((int)sent));
            return;
        }
        connection->is_writing = (size_t)sent < total;
        advance(connection, (size_t)sent);
    }
}

void connection_flush(struct connection *connection)
{
    if (connection->state != CONNECTION_HELLO && connection->state != CONNECTION_OPEN) {
        return;
    }
    if (connection->tls == NULL) {
        flush_plain(connection);
    } else {
        connection_tls_flush(connection);
    }
}

void connection_writable(void *owner, size_t sent_bytes)
{
    struct connection *connection = owner;
    connection->is_writing = false;
    if (connection->tls == NULL) {
        advance(connection, sent_bytes);
    } else {
        connection_tls_sent(connection, sent_bytes);
    }
    connection_flush(connection);
}

void connection_greet_with(struct connection *connection, struct wire_frame *frame)
{
    ASSERT(connection->state == CONNECTION_HELLO);
    push(&connection->greeting, frame);
    connection_flush(connection);
}

void transport_flush(struct transport *transport)
{
    while (transport->dirty != NULL) {
        struct connection *connection = transport->dirty;
        transport->dirty = connection->next_dirty;
        connection->is_dirty = false;
        connection_flush(connection);
    }
}

/* The connection a member dialed to us, meaning us. */
static struct connection *find_incoming(struct transport *transport, node_id from)
{
    struct connection *connection = transport->connections;
    while (connection != NULL &&
           !(connection->kind == CONNECTION_INCOMING && connection->state == CONNECTION_OPEN &&
             connection->expects_us && !connection->is_stranger && connection->member == from)) {
        connection = connection->next;
    }
    return connection;
}

/* Our own connection; until it is open, the one that the member made. A newcomer, who knows
 * no member yet, answers its leader so.
 */
static struct connection *route_to(struct transport *transport, node_id to)
{
    const struct peer *peer = transport_find_peer(transport, to);
    struct connection *own = peer == NULL ? NULL : peer->connection;
    if (own != NULL && own->state == CONNECTION_OPEN) {
        return own;
    }
    struct connection *incoming = find_incoming(transport, to);
    return incoming != NULL ? incoming : own;
}

bool transport_send(struct transport *transport, node_id to, struct wire_frame *frame)
{
    struct connection *connection = route_to(transport, to);
    return connection == NULL ? drop(transport, frame) : connection_queue(connection, frame);
}

void transport_send_seed(struct transport *transport, struct wire_frame *frame)
{
    if (transport->seed == NULL) {
        (void)drop(transport, frame);
        return;
    }
    (void)connection_queue(transport->seed, frame);
}

void transport_reply(struct transport *transport, uint64_t number, struct wire_frame *frame)
{
    struct connection *connection = transport->connections;
    while (connection != NULL && connection->number != number) {
        connection = connection->next;
    }
    if (connection == NULL || connection_is_gossip(connection)) {
        (void)drop(transport, frame);
        return;
    }
    (void)connection_queue(connection, frame);
}
