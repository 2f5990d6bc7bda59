/* output.c: what goes out with the next ready: packets, streams, news. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "quorate/error.h"
#include "swim/internal.h"

#define OUTBOX_KEPT 64 /* items for which memory is kept between turns */

/* Room for one more behind the last, or NULL: over the limit, or no memory. */
static void *outbox_push(struct swim *swim, struct swim_outbox *outbox, size_t limit, size_t bytes)
{
    int status = allocate_grow(swim->options.allocator, &outbox->items, &outbox->capacity,
                               outbox->count + 1, limit, bytes);
    if (status == QR_ERR_TOO_LARGE) {
        swim->counters.overflowed++;
        return NULL;
    }
    if (status != 0) {
        swim->failed = QR_ERR_NO_MEMORY;
        return NULL;
    }
    return (uint8_t *)outbox->items + outbox->count++ * bytes;
}

static void outbox_clear(struct swim *swim, struct swim_outbox *outbox, size_t bytes, size_t kept)
{
    outbox->count = 0;
    if (outbox->capacity > kept) {
        release(swim->options.allocator, outbox->items, outbox->capacity * bytes);
        *outbox = (struct swim_outbox){0};
    }
}

static void clear_all(struct swim *swim, size_t kept)
{
    struct swim_card **dropped = swim->dropped.items;
    for (size_t i = 0; i < swim->dropped.count; i++) {
        swim_cards_drop(swim->options.cards, dropped[i]);
    }
    outbox_clear(swim, &swim->dropped, sizeof(*dropped), kept);
    outbox_clear(swim, &swim->packets, sizeof(struct swim_packet), kept);
    outbox_clear(swim, &swim->streams, sizeof(struct swim_stream), kept);
    outbox_clear(swim, &swim->news, sizeof(struct swim_news), kept);
    outbox_clear(swim, &swim->updates, sizeof(struct swim_update), kept);
    swim->is_taken = false;
}

void swim_outboxes_clear(struct swim *swim)
{
    clear_all(swim, OUTBOX_KEPT);
}

void swim_outboxes_free(struct swim *swim)
{
    clear_all(swim, 0);
}

void swim_tell(struct swim *swim, struct swim_news news)
{
    /* One step tells of each member a few things at most. */
    struct swim_news *out = outbox_push(swim, &swim->news, SIZE_MAX / sizeof(news), sizeof(news));
    if (out != NULL) {
        *out = news;
    }
}

void swim_tell_refused(struct swim *swim, struct swim_news news)
{
    uint64_t period = (swim->now_ns - swim->start_ns) / swim->options.period_ns;
    if (period != swim->refused_period) {
        swim->refused_period = period;
        swim->refused_count = 0;
    }
    for (uint32_t i = 0; i < swim->refused_count; i++) {
        if (swim->refused[i] == news.id) {
            return;
        }
    }
    if (swim->refused_count < SWIM_REFUSED_MAX) {
        swim->refused[swim->refused_count++] = news.id;
        swim_tell(swim, news);
    }
}

void swim_tell_of(struct swim *swim, enum swim_news_type type, uint32_t slot, node_id source)
{
    const struct swim_slot *member = swim_slot_of(swim, slot);
    swim_tell(swim, (struct swim_news){
                        .type = type,
                        .id = member->id,
                        .incarnation = member->incarnation,
                        .reason = member->reason,
                        .source = source,
                    });
}

static node_id accuser_of(struct swim *swim, const struct swim_slot *member)
{
    struct swim_suspicion *suspicion = &swim->suspicions[member->suspicion];
    if (suspicion->accuser_count == 0) {
        return 0; /* nobody: whoever hears it waits for one who is known */
    }
    return suspicion->accusers[suspicion->told++ % suspicion->accuser_count];
}

bool swim_put_update(struct swim *swim, uint32_t slot, enum swim_state state)
{
    const struct swim_slot *member = swim_slot_of(swim, slot);
    struct swim_update *update =
        outbox_push(swim, &swim->updates, SIZE_MAX / sizeof(*update), sizeof(*update));
    if (update == NULL) {
        return false;
    }
    *update = (struct swim_update){
        .state = (uint8_t)state,
        .reason = member->reason,
        .id = member->id,
        .incarnation = member->incarnation,
    };
    if (state == SWIM_ALIVE) {
        update->reason = SWIM_REASON_NONE;
        update->profile = swim_card_blob(member->card);
    } else if (state == SWIM_SUSPECT) {
        update->accuser = accuser_of(swim, member);
    } else if (state == SWIM_DEAD) {
        update->accuser = swim->options.self; /* who believes it, and passes it on */
    }
    return true;
}

static void envelope_fill(struct swim *swim, const struct swim_to *to, struct swim_message *out)
{
    out->cluster = swim->cluster;
    out->from = swim->options.self;
    out->has_to = to->has_id;
    out->to = to->has_id ? to->id : 0;
    uint32_t slot = to->has_id ? swim_find(swim, to->id) : SWIM_NONE;
    if (slot != SWIM_NONE) {
        const struct swim_slot *member = swim_slot_of(swim, slot);
        bool is_told = member->state != SWIM_SUSPECT || swim->options.has_lifeguard;
        out->held_state = is_told ? member->state : SWIM_ALIVE;
        out->held_incarnation = member->incarnation;
    }
    out->incarnation = swim->slots[SWIM_SELF].incarnation;
    out->digest = swim->digest;
    out->leader_term = swim->leader_term;
    out->leader = swim->leader_term > 0 ? swim->leader : 0;
    out->local_health = (uint8_t)swim->local_health;
}

void swim_address_copy(char out[SWIM_ADDRESS_BYTES_MAX], const char *address)
{
    size_t length = 0;
    while (address[length] != '\0') {
        length++;
        ASSERT(length < SWIM_ADDRESS_BYTES_MAX);
    }
    memcpy(out, address, length + 1);
}

void swim_send_with(struct swim *swim, const struct swim_to *to, struct swim_message message,
                    size_t first)
{
    envelope_fill(swim, to, &message);
    message.updates = NULL; /* known when nothing moves any more: swim_ready() */
    message.update_count = swim->updates.count - first;
    if (to->is_stream) {
        struct swim_stream *stream =
            outbox_push(swim, &swim->streams, SWIM_STREAMS_MAX, sizeof(*stream));
        if (stream != NULL) {
            *stream = (struct swim_stream){
                .first_update = (uint32_t)first,
                .is_answer = to->is_answer,
                .answers = to->is_answer ? to->answers : 0,
                .message = message,
            };
            swim_address_copy(stream->address, to->is_answer ? "" : to->address);
            return;
        }
    } else {
        struct swim_packet *packet =
            outbox_push(swim, &swim->packets, SWIM_PACKETS_MAX, sizeof(*packet));
        if (packet != NULL) {
            packet->first_update = (uint32_t)first;
            packet->message = message;
            swim_address_copy(packet->address, to->address);
            return;
        }
    }
    swim->updates.count = first;
}

void swim_send(struct swim *swim, const struct swim_to *to, struct swim_message message)
{
    size_t first = swim->updates.count;
    size_t room_bytes = swim->options.packet_bytes_max;
    if (to->bytes_max > 0) {
        room_bytes = min_u64(room_bytes, to->bytes_max);
    }
    room_bytes = room_bytes > SWIM_HEAD_BYTES_MAX ? room_bytes - SWIM_HEAD_BYTES_MAX : 0;
    if (MUTANT(SWIM_PACKET_OVERFULL)) {
        room_bytes = SIZE_MAX;
    }
    uint32_t told = to->has_id ? swim_find(swim, to->id) : SWIM_NONE;
    swim_queue_fill(swim, room_bytes, told);
    swim_send_with(swim, to, message, first);
}

struct swim_to swim_to_slot(const struct swim *swim, uint32_t slot)
{
    const struct swim_slot *member = &swim->slots[slot];
    ASSERT(member->card != NULL);
    return (struct swim_to){
        .address = swim_card_peer(member->card),
        .id = member->id,
        .has_id = true,
    };
}

bool swim_is_same_address(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* Whether the sender lives where the bytes came from, as far as this node knows. */
static bool is_at_home(struct swim *swim, const struct swim_event *event)
{
    uint32_t slot = swim_find(swim, event->received.message->from);
    return slot != SWIM_NONE && swim_state_is_live(swim_slot_of(swim, slot)->state) &&
           swim_is_same_address(event->received.source,
                                swim_card_peer(swim_slot_of(swim, slot)->card));
}

struct swim_to swim_back(struct swim *swim, const struct swim_event *event)
{
    bool is_stream = event->type == SWIM_EVENT_STREAM;
    bool is_trusted = is_stream || event->received.is_proved || is_at_home(swim, event);
    return (struct swim_to){
        .address = event->received.source,
        .id = event->received.message->from,
        .has_id = true,
        .is_stream = is_stream,
        .is_answer = is_stream,
        .answers = event->received.stream,
        .bytes_max = is_trusted ? 0 : event->received.size_bytes,
    };
}

void swim_ready(struct swim *swim, struct swim_ready *out)
{
    if (swim->is_taken) {
        swim_outboxes_clear(swim);
    }
    struct swim_packet *packets = swim->packets.items;
    struct swim_stream *streams = swim->streams.items;
    const struct swim_update *updates = swim->updates.items;
    for (size_t i = 0; i < swim->packets.count; i++) {
        bool has_any = packets[i].message.update_count > 0;
        packets[i].message.updates = has_any ? updates + packets[i].first_update : NULL;
    }
    for (size_t i = 0; i < swim->streams.count; i++) {
        bool has_any = streams[i].message.update_count > 0;
        streams[i].message.updates = has_any ? updates + streams[i].first_update : NULL;
    }
    *out = (struct swim_ready){
        .packets = packets,
        .packet_count = swim->packets.count,
        .streams = streams,
        .stream_count = swim->streams.count,
        .news = swim->news.items,
        .news_count = swim->news.count,
    };
    swim->is_taken = true;
}
