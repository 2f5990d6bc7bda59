/* carrier.c: a program's transport as streams and packets: what is asked of it, and its life. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/carrier.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "engine/carrier_internal.h"
#include "quorate/error.h"

_Static_assert(STREAM_PARTS_MAX <= QR_TRANSPORT_PARTS_MAX, "all of them are handed on");

static struct carrier *of_streams(struct streams *streams)
{
    return (struct carrier *)streams;
}

static struct carrier *of_packets(struct packets *packets)
{
    return (struct carrier *)(void *)((char *)packets - offsetof(struct carrier, packets));
}

static struct carrier_stream *of_stream(struct stream *stream)
{
    return (struct carrier_stream *)stream;
}

static void lock(struct carrier *carrier)
{
    (void)pthread_mutex_lock(&carrier->mutex);
}

static void unlock(struct carrier *carrier)
{
    (void)pthread_mutex_unlock(&carrier->mutex);
}

static struct stream *make(struct streams *streams, void *owner)
{
    struct carrier *carrier = of_streams(streams);
    lock(carrier);
    struct carrier_stream *stream = carrier_stream_new(carrier, owner);
    unlock(carrier);
    return stream == NULL ? NULL : &stream->base;
}

static const char *dial(struct stream *stream, const char *address, uint32_t attempt)
{
    struct carrier_stream *self = of_stream(stream);
    const struct qr_transport *transport = &self->carrier->transport;
    (void)attempt; /* what a name means is the program's */
    int status = transport->dial(transport->context, self->number, address, &self->link);
    self->has_link = status == 0;
    return status == 0 ? NULL : qr_error_text(status);
}

static ssize_t write_parts(struct stream *stream, const uv_buf_t *parts, size_t count)
{
    struct carrier_stream *self = of_stream(stream);
    const struct qr_transport *transport = &self->carrier->transport;
    struct qr_part given[STREAM_PARTS_MAX];
    size_t total = 0;
    ASSERT(count > 0 && count <= STREAM_PARTS_MAX && !self->is_closed && self->has_link);
    for (size_t i = 0; i < count; i++) {
        given[i] = (struct qr_part){parts[i].base, parts[i].len};
        total += parts[i].len;
    }
    size_t taken = transport->write(transport->context, self->link, given, count);
    return taken <= total ? (ssize_t)taken : UV_EPROTO; /* it says that it took more than all */
}

static void close_stream(struct stream *stream)
{
    struct carrier_stream *self = of_stream(stream);
    struct carrier *carrier = self->carrier;
    ASSERT(!self->is_closed);
    self->is_closed = true;
    lock(carrier);
    carrier_stream_forget(self);
    carrier_wake(carrier);
    unlock(carrier);
    self->next_gone = carrier->gone;
    carrier->gone = self;
    if (self->has_link) {
        carrier->transport.close(carrier->transport.context, self->link);
    }
}

static void on_async(uv_async_t *async)
{
    carrier_round(async->data);
}

/* On a loop that has a descriptor to wake it already, neither can fail. */
static void start_streams(struct streams *streams, uv_loop_t *loop,
                          const struct stream_events *events)
{
    struct carrier *carrier = of_streams(streams);
    ASSERT(!carrier->is_started);
    carrier->stream_events = *events;
    carrier->async.data = carrier;
    carrier->idle.data = carrier;
    int failed = uv_async_init(loop, &carrier->async, on_async);
    failed |= uv_idle_init(loop, &carrier->idle);
    ASSERT(failed == 0);
    carrier->open_handles = 2;
    lock(carrier);
    carrier->is_started = true;
    carrier_wake(carrier); /* so that it is known which thread is the loop's */
    unlock(carrier);
    carrier->transport.start(carrier->transport.context, &carrier->host);
}

static void start_packets(struct packets *packets, uv_loop_t *loop,
                          const struct packet_events *events)
{
    struct carrier *carrier = of_packets(packets);
    (void)loop;
    ASSERT(carrier->is_started);
    carrier->packet_events = *events;
}

static struct carrier_packet *take_packet(struct carrier *carrier)
{
    lock(carrier);
    struct carrier_packet *packet = carrier->packet_first;
    if (packet != NULL) {
        carrier->packet_first = packet->next;
        carrier->packet_last = packet->next == NULL ? NULL : carrier->packet_last;
        carrier->packet_count--;
    }
    unlock(carrier);
    return packet;
}

static void packet_free(struct carrier *carrier, struct carrier_packet *packet)
{
    release(carrier->allocator, packet, sizeof(*packet) + packet->size_bytes);
}

static void receive(struct packets *packets, size_t count_max)
{
    struct carrier *carrier = of_packets(packets);
    struct carrier_packet *packet = NULL;
    for (size_t i = 0; i < count_max && (packet = take_packet(carrier)) != NULL; i++) {
        carrier->packet_events.received(carrier->packet_events.context, packet->source,
                                        packet->data, packet->size_bytes);
        packet_free(carrier, packet);
    }
    lock(carrier);
    if (carrier->packet_count > 0) {
        carrier_wake(carrier);
    }
    unlock(carrier);
}

static void source(struct packets *packets, const void *from, char out[QR_ADDRESS_BYTES_MAX])
{
    (void)packets;
    struct text text = text_of(out, QR_ADDRESS_BYTES_MAX);
    text_string(&text, from);
}

static int send_packet(struct packets *packets, const char *address, const uint8_t *data,
                       size_t size_bytes)
{
    const struct qr_transport *transport = &of_packets(packets)->transport;
    int status = transport->send_packet(transport->context, address, data, size_bytes);
    return status == 0 ? 0 : UV_EAI_AGAIN; /* whatever it was: the program knows */
}

/* Who was accepted, and not handed on yet, is turned away. */
static void close_waiting(struct carrier *carrier)
{
    struct carrier_stream *stream = carrier->all;
    while (stream != NULL) {
        ASSERT(stream->base.owner == NULL); /* whoever had one has closed it */
        struct carrier_stream *next = stream->next;
        close_stream(&stream->base);
        stream = next;
    }
}

/* Both have done with it: let the program's end. */
static void stop_transport(struct carrier *carrier)
{
    if (!carrier->are_streams_stopping || !carrier->are_packets_stopping) {
        return;
    }
    lock(carrier);
    carrier->is_stopping = true;
    unlock(carrier);
    close_waiting(carrier);
    carrier->transport.stop(carrier->transport.context);
}

static void stop_streams(struct streams *streams, void (*stopped)(void *argument), void *argument)
{
    struct carrier *carrier = of_streams(streams);
    ASSERT(carrier->is_started && !carrier->are_streams_stopping);
    carrier->are_streams_stopping = true;
    carrier->streams_stopped = stopped;
    carrier->streams_argument = argument;
    stop_transport(carrier);
}

static void stop_packets(struct packets *packets, void (*stopped)(void *argument), void *argument)
{
    struct carrier *carrier = of_packets(packets);
    ASSERT(carrier->is_started && !carrier->are_packets_stopping);
    carrier->are_packets_stopping = true;
    carrier->packets_stopped = stopped;
    carrier->packets_argument = argument;
    stop_transport(carrier);
}

/* Each is told, and frees its part then. */
static void on_handle_closed(uv_handle_t *handle)
{
    struct carrier *carrier = handle->data;
    carrier->open_handles--;
    if (carrier->open_handles == 0) {
        void (*packets_stopped)(void *argument) = carrier->packets_stopped;
        void *argument = carrier->packets_argument;
        carrier->streams_stopped(carrier->streams_argument);
        packets_stopped(argument);
    }
}

void carrier_finish(struct carrier *carrier)
{
    uv_close((uv_handle_t *)&carrier->async, on_handle_closed);
    uv_close((uv_handle_t *)&carrier->idle, on_handle_closed);
}

static void carrier_free(struct carrier *carrier)
{
    struct carrier_packet *packet = NULL;
    while ((packet = take_packet(carrier)) != NULL) {
        packet_free(carrier, packet);
    }
    ASSERT(carrier->all == NULL && carrier->gone == NULL);
    (void)pthread_mutex_destroy(&carrier->mutex);
    release(carrier->allocator, carrier, sizeof(*carrier));
}

/* The streams or the packets are done with; if nothing was ever started, nobody else ends it. */
static void drop(struct carrier *carrier)
{
    ASSERT(carrier->reference_count > 0);
    carrier->reference_count--;
    if (carrier->reference_count == 0) {
        if (!carrier->is_started) {
            carrier->transport.stop(carrier->transport.context);
        }
        carrier_free(carrier);
    }
}

static void free_streams(struct streams *streams)
{
    drop(of_streams(streams));
}

static void free_packets(struct packets *packets)
{
    drop(of_packets(packets));
}

static const struct streams_table streams_table = {
    .start = start_streams,
    .make = make,
    .dial = dial,
    .write = write_parts,
    .close = close_stream,
    .stop = stop_streams,
    .free = free_streams,
};

static const struct packets_table packets_table = {
    .start = start_packets,
    .receive = receive,
    .source = source,
    .send = send_packet,
    .stop = stop_packets,
    .free = free_packets,
};

const char *carrier_read(const struct qr_transport *given, struct qr_transport *out)
{
    if (given->size_bytes < sizeof(*given)) {
        return "size_bytes is that of no version known here";
    }
    *out = *given;
    out->size_bytes = sizeof(*out);
    bool is_whole = out->listen != NULL && out->start != NULL && out->dial != NULL &&
                    out->write != NULL && out->resume != NULL && out->close != NULL &&
                    out->send_packet != NULL && out->stop != NULL;
    return is_whole ? NULL : "a function is missing";
}

/* As the program's listen() says it, made sure that it can be shown. */
static int listen_at(const struct carrier *carrier, const char *address, char *detail)
{
    detail[0] = '\0';
    int status = carrier->transport.listen(carrier->transport.context, address, detail);
    detail[QR_TRANSPORT_DETAIL_BYTES - 1] = '\0';
    if (status != 0 && detail[0] == '\0') {
        (void)snprintf(detail, QR_TRANSPORT_DETAIL_BYTES, "transport: cannot listen at %.200s: %s",
                       address, qr_error_text(status));
    }
    return status > 0 ? QR_ERR_ADDRESS : status;
}

int carrier_open(const struct allocator *allocator, const struct qr_transport *transport,
                 const char *address, struct streams **streams, struct packets **packets,
                 char *detail)
{
    struct carrier *carrier = allocate_zeroed(allocator, sizeof(*carrier));
    if (carrier == NULL) {
        (void)snprintf(detail, QR_TRANSPORT_DETAIL_BYTES, "memory ran out");
        return QR_ERR_NO_MEMORY;
    }
    const char *wrong = carrier_read(transport, &carrier->transport);
    ASSERT(wrong == NULL);
    carrier->streams.table = &streams_table;
    carrier->packets.table = &packets_table;
    carrier->allocator = allocator;
    carrier->reference_count = 2;
    int failed = pthread_mutex_init(&carrier->mutex, NULL);
    ASSERT(failed == 0);
    carrier_host_init(carrier);
    int status = listen_at(carrier, address, detail);
    if (status != 0) {
        carrier_free(carrier);
        return status;
    }
    *streams = &carrier->streams;
    *packets = &carrier->packets;
    return 0;
}
