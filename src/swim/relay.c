/* relay.c: pings for others (SWIM §3.1), and the nack that tells them that they are heard.
 *
 * Only a member is pinged, at the address that this node knows: nobody can be made to send to
 * an address of somebody's choice.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "quorate/error.h"
#include "swim/internal.h"

static struct swim_relay *relay_free(struct swim *swim)
{
    if (swim->relays == NULL) {
        swim->relays =
            allocate_zeroed(swim->options.allocator, SWIM_RELAYS_MAX * sizeof(*swim->relays));
        if (swim->relays == NULL) {
            swim->failed = QR_ERR_NO_MEMORY;
            return NULL;
        }
    }
    for (size_t i = 0; i < SWIM_RELAYS_MAX; i++) {
        if (swim->relays[i].sequence == 0) {
            return &swim->relays[i];
        }
    }
    swim->counters.overflowed++;
    return NULL;
}

static void nack(struct swim *swim, const struct swim_to *to, uint32_t sequence, node_id subject)
{
    swim_send(swim, to,
              (struct swim_message){
                  .type = SWIM_NACK,
                  .nack = {.sequence = sequence, .subject = subject},
              });
}

void swim_on_ping_req(struct swim *swim, const struct swim_event *event)
{
    const struct swim_message *message = event->received.message;
    const struct swim_ping_req *request = &message->ping_req;
    struct swim_to back = swim_back(swim, event);
    uint32_t slot = swim_find(swim, request->target);
    bool is_known = slot != SWIM_NONE && slot != SWIM_SELF &&
                    swim_state_is_live(swim_slot_of(swim, slot)->state);
    struct swim_relay *relay = is_known && !back.is_stream ? relay_free(swim) : NULL;
    if (swim->failed != 0) {
        return;
    }
    if (relay == NULL) {
        nack(swim, &back, request->sequence, request->target);
        return;
    }
    /* In time for the end of the period of who asks. */
    time_ns rest_ns = swim->options.period_ns - swim->options.ping_timeout_ns;
    *relay = (struct swim_relay){
        .sequence = swim_sequence_next(swim),
        .origin_sequence = request->sequence,
        .origin = message->from,
        .subject = request->target,
        .nack_ns = swim->now_ns + rest_ns * 4 / 5,
        .end_ns = swim->now_ns + swim->options.period_ns * 2,
        .bytes_max = back.bytes_max,
    };
    swim_address_copy(relay->address, event->received.source);
    swim->relay_ns = min_u64(swim->relay_ns, relay->nack_ns);

    struct swim_to to = swim_to_slot(swim, slot);
    swim_send(swim, &to,
              (struct swim_message){.type = SWIM_PING, .ping = {.sequence = relay->sequence}});
}

static struct swim_to origin_of(const struct swim_relay *relay)
{
    return (struct swim_to){
        .address = relay->address,
        .id = relay->origin,
        .has_id = true,
        .bytes_max = relay->bytes_max,
    };
}

bool swim_relay_ack(struct swim *swim, const struct swim_message *message)
{
    uint32_t sequence = message->ack.sequence;
    for (size_t i = 0; i < SWIM_RELAYS_MAX && swim->relays != NULL && sequence != 0; i++) {
        struct swim_relay *relay = &swim->relays[i];
        if (relay->sequence == sequence && relay->subject == message->from) {
            struct swim_to to = origin_of(relay);
            relay->sequence = 0;
            swim_send(swim, &to,
                      (struct swim_message){
                          .type = SWIM_ACK,
                          .ack = {.sequence = relay->origin_sequence},
                      });
            return true;
        }
    }
    return false;
}

void swim_relays_tick(struct swim *swim)
{
    if (swim->now_ns < swim->relay_ns) {
        return;
    }
    swim->relay_ns = TIME_NEVER;
    for (size_t i = 0; i < SWIM_RELAYS_MAX; i++) {
        struct swim_relay *relay = &swim->relays[i];
        if (relay->sequence == 0) {
            continue;
        }
        if (relay->nack_ns <= swim->now_ns) {
            struct swim_to to = origin_of(relay);
            relay->nack_ns = TIME_NEVER;
            nack(swim, &to, relay->origin_sequence, relay->subject);
            if (relay->bytes_max > 0) {
                relay->sequence = 0; /* a stranger gets one answer to one question */
                continue;
            }
        }
        if (relay->end_ns <= swim->now_ns) {
            relay->sequence = 0;
        } else {
            swim->relay_ns = min_u64(swim->relay_ns, min_u64(relay->nack_ns, relay->end_ns));
        }
    }
}
