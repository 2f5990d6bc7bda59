/* carrier_host.c: what a program's transport tells, on any thread: checked, copied, and left for
 * the loop. Nothing here calls the program, or what is above.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "engine/carrier_internal.h"
#include "quorate/error.h"

static void lock(struct carrier *carrier)
{
    (void)pthread_mutex_lock(&carrier->mutex);
}

static void unlock(struct carrier *carrier)
{
    (void)pthread_mutex_unlock(&carrier->mutex);
}

static void on_idle(uv_idle_t *idle)
{
    (void)uv_idle_stop(idle);
    carrier_round(idle->data);
}

void carrier_wake(struct carrier *carrier)
{
    if (carrier->is_awake) {
        return;
    }
    carrier->is_awake = true;
    if (carrier->is_thread_known && pthread_equal(carrier->thread, pthread_self()) != 0) {
        (void)uv_idle_start(&carrier->idle, on_idle); /* no descriptor is needed for that */
    } else {
        (void)uv_async_send(&carrier->async);
    }
}

static void mark_due(struct carrier_stream *stream)
{
    struct carrier *carrier = stream->carrier;
    if (!stream->is_due) {
        stream->is_due = true;
        stream->next_due = NULL;
        if (carrier->due_last == NULL) {
            carrier->due_first = stream;
        } else {
            carrier->due_last->next_due = stream;
        }
        carrier->due_last = stream;
    }
    carrier_wake(carrier);
}

struct carrier_stream *carrier_stream_new(struct carrier *carrier, void *owner)
{
    struct carrier_stream *stream = allocate_zeroed(carrier->allocator, sizeof(*stream));
    if (stream == NULL) {
        return NULL;
    }
    stream->base.owner = owner;
    stream->carrier = carrier;
    stream->number = ++carrier->last_number;
    stream->next = carrier->all;
    if (stream->next != NULL) {
        stream->next->previous = stream;
    }
    carrier->all = stream;
    return stream;
}

void carrier_blocks_free(struct carrier *carrier, struct carrier_block *first)
{
    while (first != NULL) {
        struct carrier_block *next = first->next;
        release(carrier->allocator, first, sizeof(*first) + first->size_bytes);
        first = next;
    }
}

bool carrier_take_news(struct carrier *carrier, struct carrier_stream **stream,
                       struct carrier_news *news)
{
    struct carrier_stream *first = carrier->due_first;
    if (first == NULL) {
        return false;
    }
    carrier->due_first = first->next_due;
    if (carrier->due_first == NULL) {
        carrier->due_last = NULL;
    }
    first->is_due = false;
    carrier->accepted_count -= first->news.is_accepted ? 1 : 0;
    *news = first->news;
    first->news = (struct carrier_news){.is_accepted = false};
    *stream = first;
    return true;
}

static void unlink_due(struct carrier_stream *stream)
{
    struct carrier *carrier = stream->carrier;
    struct carrier_stream *before = NULL;
    struct carrier_stream *at = carrier->due_first;
    while (at != stream) {
        ASSERT(at != NULL);
        before = at;
        at = at->next_due;
    }
    if (before == NULL) {
        carrier->due_first = stream->next_due;
    } else {
        before->next_due = stream->next_due;
    }
    if (carrier->due_last == stream) {
        carrier->due_last = before;
    }
    stream->is_due = false;
}

void carrier_stream_forget(struct carrier_stream *stream)
{
    struct carrier *carrier = stream->carrier;
    if (stream->is_due) {
        unlink_due(stream);
    }
    carrier->accepted_count -= stream->news.is_accepted ? 1 : 0;
    carrier_blocks_free(carrier, stream->news.first);
    stream->news = (struct carrier_news){.is_accepted = false};
    if (stream->previous != NULL) {
        stream->previous->next = stream->next;
    } else {
        carrier->all = stream->next;
    }
    if (stream->next != NULL) {
        stream->next->previous = stream->previous;
    }
}

/* The stream, with the mutex locked; or NULL, without: then `*status` says why. */
static struct carrier_stream *find(void *context, uint64_t connection, int *status)
{
    struct carrier *carrier = context;
    *status = QR_ERR_INVALID;
    if (carrier == NULL) {
        return NULL;
    }
    lock(carrier);
    struct carrier_stream *stream = carrier->all;
    while (stream != NULL && stream->number != connection) {
        stream = stream->next;
    }
    if (carrier->is_stopping || stream == NULL || stream->is_over) {
        *status = carrier->is_stopping ? QR_ERR_STOPPED : QR_ERR_NOT_FOUND;
        unlock(carrier);
        return NULL;
    }
    *status = 0;
    return stream;
}

/* The first news of a stream: that somebody made it. */
static int add_accepted(struct carrier *carrier, void *link, const char *source,
                        uint64_t *connection)
{
    if (carrier->is_stopping || !carrier->is_started) {
        return QR_ERR_STOPPED;
    }
    if (carrier->accepted_count == QR_TRANSPORT_ACCEPTED_MAX) {
        return QR_ERR_BUSY;
    }
    struct carrier_stream *stream = carrier_stream_new(carrier, NULL);
    if (stream == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    stream->link = link;
    stream->has_link = true;
    stream->is_up = true;
    stream->news.is_accepted = true;
    carrier->accepted_count++;
    struct text text = text_of(stream->source, sizeof(stream->source));
    text_string(&text, source == NULL ? "?" : source);
    *connection = stream->number;
    mark_due(stream);
    return 0;
}

static int accepted(void *context, void *link, const char *source, uint64_t *connection)
{
    struct carrier *carrier = context;
    if (carrier == NULL || connection == NULL) {
        return QR_ERR_INVALID;
    }
    lock(carrier);
    int status = add_accepted(carrier, link, source, connection);
    unlock(carrier);
    return status;
}

static int connected(void *context, uint64_t connection)
{
    int status = 0;
    struct carrier_stream *stream = find(context, connection, &status);
    if (stream == NULL) {
        return status;
    }
    if (stream->is_up) {
        status = QR_ERR_INVALID; /* it was told already */
    } else {
        stream->is_up = true;
        stream->news.is_connected = true;
        mark_due(stream);
    }
    unlock(stream->carrier);
    return status;
}

static void note_end(struct carrier_stream *stream, enum stream_end end, const char *reason)
{
    struct carrier_news *news = &stream->news;
    stream->is_over = true;
    news->is_ended = true;
    news->end = end;
    struct text text = text_of(news->reason, sizeof(news->reason));
    text_string(&text, reason == NULL ? "" : reason);
    mark_due(stream);
}

static int add_bytes(struct carrier_stream *stream, const void *data, size_t size_bytes)
{
    struct carrier_news *news = &stream->news;
    if (!stream->is_up) {
        return QR_ERR_INVALID;
    }
    if (news->waiting_bytes + size_bytes > QR_TRANSPORT_RECEIVED_BYTES_MAX) {
        news->is_hungry = true;
        return QR_ERR_BUSY;
    }
    struct carrier_block *block = allocate(stream->carrier->allocator, sizeof(*block) + size_bytes);
    if (block == NULL) {
        note_end(stream, STREAM_FAILED, "memory ran out");
        return QR_ERR_NO_MEMORY;
    }
    block->next = NULL;
    block->size_bytes = size_bytes;
    memcpy(block->data, data, size_bytes);
    if (news->last == NULL) {
        news->first = block;
    } else {
        news->last->next = block;
    }
    news->last = block;
    news->waiting_bytes += size_bytes;
    mark_due(stream);
    return 0;
}

static int received(void *context, uint64_t connection, const void *data, size_t size_bytes)
{
    int status = QR_ERR_INVALID;
    if (data == NULL || size_bytes == 0 || size_bytes > QR_TRANSPORT_RECEIVED_BYTES_MAX) {
        return status;
    }
    struct carrier_stream *stream = find(context, connection, &status);
    if (stream != NULL) {
        status = add_bytes(stream, data, size_bytes);
        unlock(stream->carrier);
    }
    return status;
}

static int writable(void *context, uint64_t connection)
{
    int status = 0;
    struct carrier_stream *stream = find(context, connection, &status);
    if (stream == NULL) {
        return status;
    }
    if (stream->is_up) {
        stream->news.is_writable = true;
        mark_due(stream);
    } else {
        status = QR_ERR_INVALID;
    }
    unlock(stream->carrier);
    return status;
}

static int closed(void *context, uint64_t connection, enum qr_transport_end end, const char *reason)
{
    int status = QR_ERR_INVALID;
    if ((unsigned)end > QR_TRANSPORT_FAILED) {
        return status;
    }
    struct carrier_stream *stream = find(context, connection, &status);
    if (stream != NULL) {
        note_end(stream,
                 end == QR_TRANSPORT_CLOSED    ? STREAM_CLOSED
                 : end == QR_TRANSPORT_REFUSED ? STREAM_REFUSED
                                               : STREAM_FAILED,
                 reason);
        unlock(stream->carrier);
    }
    return status;
}

static int add_packet(struct carrier *carrier, const char *source, const void *data,
                      size_t size_bytes)
{
    if (carrier->is_stopping || !carrier->is_started) {
        return QR_ERR_STOPPED;
    }
    if (carrier->packet_count == QR_TRANSPORT_PACKETS_MAX) {
        return QR_ERR_BUSY;
    }
    struct carrier_packet *packet = allocate(carrier->allocator, sizeof(*packet) + size_bytes);
    if (packet == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    packet->next = NULL;
    packet->size_bytes = size_bytes;
    memcpy(packet->data, data, size_bytes);
    struct text text = text_of(packet->source, sizeof(packet->source));
    text_string(&text, source);
    if (carrier->packet_last == NULL) {
        carrier->packet_first = packet;
    } else {
        carrier->packet_last->next = packet;
    }
    carrier->packet_last = packet;
    carrier->packet_count++;
    carrier_wake(carrier);
    return 0;
}

static int packet(void *context, const char *source, const void *data, size_t size_bytes)
{
    struct carrier *carrier = context;
    if (carrier == NULL || source == NULL || data == NULL || size_bytes == 0 ||
        size_bytes > QR_TRANSPORT_PACKET_BYTES_MAX) {
        return QR_ERR_INVALID;
    }
    lock(carrier);
    int status = add_packet(carrier, source, data, size_bytes);
    unlock(carrier);
    return status;
}

static void stopped(void *context)
{
    struct carrier *carrier = context;
    if (carrier == NULL) {
        return;
    }
    lock(carrier);
    if (carrier->is_stopping && !carrier->is_stopped) { /* else nobody has asked, or twice */
        carrier->is_stopped = true;
        carrier_wake(carrier);
    }
    unlock(carrier);
}

void carrier_host_init(struct carrier *carrier)
{
    carrier->host = (struct qr_transport_host){
        .size_bytes = sizeof(carrier->host),
        .context = carrier,
        .accepted = accepted,
        .connected = connected,
        .received = received,
        .writable = writable,
        .closed = closed,
        .packet = packet,
        .stopped = stopped,
    };
}
