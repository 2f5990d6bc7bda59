/* carrier_round.c: on the loop: what the program's transport told, handed on. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "engine/carrier_internal.h"

/* Bytes to where the owner wants them, for as long as it wants the stream. */
static void hand_bytes(struct carrier_stream *stream, const struct carrier_block *block)
{
    const struct stream_events *events = &stream->carrier->stream_events;
    size_t at = 0;
    while (at < block->size_bytes && !stream->is_closed) {
        uv_buf_t room = {.base = NULL};
        events->room(stream->base.owner, &room);
        if (room.len == 0) {
            events->ended(stream->base.owner, STREAM_FAILED, "memory ran out");
            return;
        }
        size_t taken = min_u64(room.len, block->size_bytes - at);
        memcpy(room.base, block->data + at, taken);
        at += taken;
        events->received(stream->base.owner, (const uint8_t *)room.base, taken);
    }
}

/* It may be closed, and so forgotten, by each of these; it is freed later, by this file alone. */
static void hand_over(struct carrier_stream *stream, const struct carrier_news *news)
{
    struct carrier *carrier = stream->carrier;
    const struct stream_events *events = &carrier->stream_events;
    if (news->is_accepted && !events->accepted(events->context, &stream->base, stream->source)) {
        carrier->streams.table->close(&stream->base);
    }
    if (news->is_connected && !stream->is_closed) {
        events->connected(stream->base.owner);
    }
    const struct carrier_block *block = news->first;
    for (; block != NULL && !stream->is_closed; block = block->next) {
        hand_bytes(stream, block);
    }
    if (news->is_writable && !stream->is_closed) {
        events->writable(stream->base.owner, 0);
    }
    if (news->is_ended && !stream->is_closed) {
        events->ended(stream->base.owner, news->end, news->reason);
    }
    if (news->is_hungry && !stream->is_closed) {
        carrier->transport.resume(carrier->transport.context, stream->link);
    }
}

static bool take_news(struct carrier *carrier, struct carrier_stream **stream,
                      struct carrier_news *news)
{
    (void)pthread_mutex_lock(&carrier->mutex);
    bool is_there = carrier_take_news(carrier, stream, news);
    (void)pthread_mutex_unlock(&carrier->mutex);
    return is_there;
}

static void tell_gone(struct carrier *carrier)
{
    while (carrier->gone != NULL) {
        struct carrier_stream *stream = carrier->gone;
        void *owner = stream->base.owner;
        carrier->gone = stream->next_gone;
        release(carrier->allocator, stream, sizeof(*stream));
        if (owner != NULL) { /* else it was not accepted */
            carrier->stream_events.gone(owner);
        }
    }
}

/* Begin: what is told from now on wakes the loop anew. Whether there are packets. */
static bool begin(struct carrier *carrier)
{
    (void)pthread_mutex_lock(&carrier->mutex);
    carrier->is_awake = false;
    carrier->is_thread_known = true;
    carrier->thread = pthread_self();
    bool has_packets = carrier->packet_count > 0 && !carrier->is_stopping;
    (void)pthread_mutex_unlock(&carrier->mutex);
    return has_packets;
}

/* What is left is for the next round. Whether it was the last one. */
static bool end(struct carrier *carrier)
{
    (void)pthread_mutex_lock(&carrier->mutex);
    bool is_last = carrier->is_stopped && carrier->gone == NULL;
    if (!is_last && (carrier->due_first != NULL || carrier->gone != NULL)) {
        carrier_wake(carrier);
    }
    (void)pthread_mutex_unlock(&carrier->mutex);
    return is_last;
}

void carrier_round(struct carrier *carrier)
{
    struct carrier_stream *stream = NULL;
    struct carrier_news news;
    if (begin(carrier)) {
        carrier->packet_events.readable(carrier->packet_events.context);
    }
    for (int i = 0; i < CARRIER_ROUND_MAX && take_news(carrier, &stream, &news); i++) {
        hand_over(stream, &news);
        carrier_blocks_free(carrier, news.first);
    }
    tell_gone(carrier);
    if (end(carrier)) {
        carrier_finish(carrier);
    }
}
