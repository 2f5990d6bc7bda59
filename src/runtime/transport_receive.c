/* transport_receive.c: bytes into chunks, and frames out of them, without copying entries.
 *
 * A chunk is filled from its start to its end; entries and data that somebody keeps hold it.
 * What held neither, as most frames, is overwritten by the next bytes, so that a quiet
 * connection does not use up chunks that a single kept entry would then pin.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/transport_internal.h"
#include "runtime/transport_tls.h"

/* Make sure that the frame at `start` fits, with at least a byte of room. */
static bool make_room(struct connection *connection)
{
    struct chunk *chunk = connection->chunk;
    uint32_t have = connection->filled - connection->start;
    size_t need = max_u64(connection->frame_bytes, WIRE_HEADER_BYTES);
    if (chunk != NULL && chunk->size_bytes - connection->start >= need &&
        connection->filled < chunk->size_bytes) {
        return true;
    }
    size_t size_bytes = max_u64(need, TRANSPORT_CHUNK_BYTES);
    ASSERT(size_bytes <= UINT32_MAX);
    struct chunk *fresh = chunk_new(connection->transport->options.allocator, (uint32_t)size_bytes);
    if (fresh == NULL) {
        return false;
    }
    if (have > 0) {
        memcpy(fresh->data, chunk->data + connection->start, have);
    }
    chunk_drop(chunk);
    connection->chunk = fresh;
    connection->start = 0;
    connection->filled = have;
    return true;
}

void connection_room(struct connection *connection, uv_buf_t *out)
{
    *out = uv_buf_init(NULL, 0);
    if (make_room(connection)) {
        struct chunk *chunk = connection->chunk;
        out->base = (char *)chunk->data + connection->filled;
        out->len = chunk->size_bytes - connection->filled;
    }
}

void connection_read_room(void *owner, uv_buf_t *out)
{
    struct connection *connection = owner;
    if (connection->tls != NULL) {
        connection_tls_room(connection, out);
    } else {
        connection_room(connection, out);
    }
}

/* Take back the room of what nobody keeps. */
static void rewind_chunk(struct connection *connection, uint32_t begin, bool may_be_kept)
{
    struct chunk *chunk = connection->chunk;
    if (connection->start != connection->filled) {
        return;
    }
    if (chunk->reference_count == 1 && chunk->size_bytes > TRANSPORT_CHUNK_BYTES) {
        chunk_drop(chunk);
        connection->chunk = NULL;
        connection->start = 0;
        connection->filled = 0;
    } else if (chunk->reference_count == 1) {
        connection->start = 0;
        connection->filled = 0;
    } else if (!may_be_kept) {
        connection->start = begin;
        connection->filled = begin;
    }
}

/* Nobody has a reason to begin with more than a head, nor a stranger to send more than gossip. */
static size_t bytes_allowed(const struct connection *connection)
{
    size_t bytes_max = (size_t)connection->transport->options.frame_bytes_max;
    if (connection->state == CONNECTION_HELLO || connection->is_invitation) {
        return WIRE_HEAD_BYTES_MAX;
    }
    return connection->is_stranger ? min_u64(bytes_max, WIRE_HEAD_BYTES_MAX + WIRE_GOSSIP_BYTES_MAX)
                                   : bytes_max;
}

/* Decode and hand over the frame at `start`; false when there is no whole one, or no more. */
static bool take_frame(struct connection *connection)
{
    struct transport *transport = connection->transport;
    struct chunk *chunk = connection->chunk;
    const uint8_t *data = chunk->data + connection->start;
    size_t left = connection->filled - connection->start;
    size_t frame_bytes_max = bytes_allowed(connection);
    size_t frame_bytes = 0;
    int status = wire_frame_length(data, left, frame_bytes_max, &frame_bytes);
    if (status == 1) {
        return false;
    }
    if (status == 0 && left < frame_bytes) {
        connection->frame_bytes = frame_bytes;
        return false;
    }
    struct wire_message message;
    if (status == 0) {
        status = wire_decode(chunk, data, frame_bytes, transport->entries, &message);
    }
    if (status < 0 && connection->tls == NULL && tls_is_handshake(data, left)) {
        connection_refuse_peer(connection, "it encrypts: it has the cluster's secret, and this "
                                           "node was started without --cluster-secret-file");
        return false;
    }
    if (status < 0) {
        connection_refuse(connection, qr_error_text(status));
        return false;
    }
    uint32_t begin = connection->start;
    connection->start += (uint32_t)frame_bytes;
    chunk->used_bytes = connection->start;
    connection_take(connection, &message);
    if (connection->state == CONNECTION_CLOSED) {
        return false;
    }
    rewind_chunk(connection, begin, wire_is_in_chunk(&message));
    return connection->start < connection->filled;
}

void connection_received(struct connection *connection, size_t size_bytes)
{
    connection->filled += (uint32_t)size_bytes;
    connection->frame_bytes = 0;
    connection->transport->stats.received_bytes += size_bytes;
    bool has_more = true;
    while (has_more) {
        has_more = take_frame(connection);
    }
}

void connection_ended(void *owner, enum stream_end end, const char *reason)
{
    struct connection *connection = owner;
    if (connection->state == CONNECTION_DIALING) {
        connection_not_connected(connection, end, reason);
        return;
    }
    /* A node without the secret reads what came and closes. One that is killed, or full, resets. */
    const char *why = end == STREAM_CLOSED ? connection_tls_end(connection) : NULL;
    if (why != NULL) {
        connection_refuse_peer(connection, why);
    } else {
        connection_close(connection, reason);
    }
}

void connection_read(void *owner, const uint8_t *data, size_t size_bytes)
{
    struct connection *connection = owner;
    if (connection->tls != NULL) {
        connection_tls_received(connection, data, size_bytes);
    } else {
        connection_received(connection, size_bytes);
    }
}
