/* gossip.c: packets sealed and opened, counted, and told of. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/gossip.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/types.h"
#include "quorate/error.h"
#include "runtime/clock.h"
#include "runtime/keyring.h"
#include "runtime/udp.h"

#define REFUSED_NS (10 * NS_PER_S) /* a line about packets that were refused */

_Static_assert(UDP_PACKET_BYTES_MAX == GOSSIP_PACKET_BYTES_MAX, "none of ours is cut");
_Static_assert(UDP_DETAIL_BYTES <= GOSSIP_DETAIL_BYTES, "its detail fits");

struct gossip {
    struct gossip_options options; /* address is not kept */
    struct packets *packets;
    bool is_started;
    bool is_closing;
    time_ns log_ns;     /* no line about failures before */
    time_ns refused_ns; /* nor about packets that were refused */
    struct gossip_counters counters;
    void (*closed)(void *argument);
    void *closed_argument;
};

int gossip_open(const struct gossip_options *options, struct gossip **out, char *detail)
{
    struct gossip *gossip = allocate_zeroed(options->allocator, sizeof(*gossip));
    if (gossip == NULL) {
        (void)snprintf(detail, GOSSIP_DETAIL_BYTES, "memory ran out");
        return QR_ERR_NO_MEMORY;
    }
    gossip->options = *options;
    gossip->options.address = NULL;
    gossip->packets = options->packets;
    if (gossip->packets == NULL) {
        int status =
            udp_open(options->allocator, options->address, options->port, &gossip->packets, detail);
        if (status != 0) {
            gossip_free(gossip);
            return status;
        }
    }
    *out = gossip;
    return 0;
}

void gossip_free(struct gossip *gossip)
{
    if (gossip == NULL) {
        return;
    }
    if (gossip->packets != NULL) {
        gossip->packets->table->free(gossip->packets);
    }
    release(gossip->options.allocator, gossip, sizeof(*gossip));
}

/* Failures are counted; of those that somebody may want to mend one is told in a second. */
static void log_failure(struct gossip *gossip, const char *event, const char *reason)
{
    time_ns now_ns = runtime_now_ns();
    if (now_ns >= gossip->log_ns) {
        gossip->log_ns = now_ns + NS_PER_S;
        LOG(gossip->options.log, LOG_DEBUG, event, log_string("reason", reason));
    }
}

static void source_of(const struct gossip *gossip, const void *from, char out[QR_ADDRESS_BYTES_MAX])
{
    gossip->packets->table->source(gossip->packets, from, out);
}

static const char *refusal(int status)
{
    switch (status) {
    case QR_ERR_MALFORMED:
        return "it is not encrypted: its sender was started without the cluster's secret, or is "
               "none";
    case QR_ERR_FOREIGN:
        return "its sender has a cluster secret that this node does not have";
    case QR_ERR_STALE:
        return "it came before, or very late";
    default:
        return "it was changed on its way, or forged";
    }
}

/* Counted, and told now and then. */
static void refuse(struct gossip *gossip, const void *from, int status)
{
    time_ns now_ns = runtime_now_ns();
    gossip->counters.received_refused++;
    if (now_ns >= gossip->refused_ns) {
        char source[QR_ADDRESS_BYTES_MAX];
        source_of(gossip, from, source);
        gossip->refused_ns = now_ns + REFUSED_NS;
        LOG(gossip->options.log, LOG_WARN, "gossip_refused", log_string("address", source),
            log_string("reason", refusal(status)),
            log_u64("refused", gossip->counters.received_refused));
    }
}

/* What was sealed, or nothing. */
static bool open_packet(struct gossip *gossip, const void *from, struct gossip_packet *packet,
                        uint8_t room[GOSSIP_PACKET_BYTES_MAX])
{
    size_t opened_bytes = 0;
    int status = keyring_open(gossip->options.keyring, packet->data, packet->size_bytes, room,
                              GOSSIP_PACKET_BYTES_MAX, &opened_bytes);
    if (status != 0 || opened_bytes == 0) {
        refuse(gossip, from, status);
        return false;
    }
    packet->data = room;
    packet->size_bytes = opened_bytes;
    packet->is_proved = true;
    return true;
}

static void on_received(void *context, const void *from, const uint8_t *data, size_t size_bytes)
{
    struct gossip *gossip = context;
    if (size_bytes == 0) {
        gossip->counters.received_empty++;
        return;
    }
    if (size_bytes > GOSSIP_PACKET_BYTES_MAX) {
        gossip->counters.received_too_long++;
        return;
    }
    char source[QR_ADDRESS_BYTES_MAX];
    struct gossip_packet packet = {.data = data, .size_bytes = size_bytes, .source = source};
    uint8_t opened[GOSSIP_PACKET_BYTES_MAX];
    if (gossip->options.keyring != NULL && !open_packet(gossip, from, &packet, opened)) {
        return;
    }
    source_of(gossip, from, source); /* which may cost something: not for what anybody sends */
    gossip->counters.received++;
    gossip->options.events.received(gossip->options.events.context, &packet);
}

static void on_failed(void *context, int status)
{
    struct gossip *gossip = context;
    gossip->counters.receive_failed++;
    log_failure(gossip, "gossip_receive_failed", uv_strerror(status));
}

static void on_readable(void *context)
{
    const struct gossip *gossip = context;
    gossip->options.events.readable(gossip->options.events.context);
}

void gossip_start(struct gossip *gossip, uv_loop_t *loop)
{
    ASSERT(!gossip->is_started);
    const struct packet_events events = {gossip, on_readable, on_received, on_failed};
    gossip->is_started = true;
    gossip->packets->table->start(gossip->packets, loop, &events);
}

static void on_stopped(void *argument)
{
    struct gossip *gossip = argument;
    void (*closed)(void *argument) = gossip->closed;
    void *closed_argument = gossip->closed_argument;
    gossip_free(gossip);
    if (closed != NULL) {
        closed(closed_argument);
    }
}

void gossip_close(struct gossip *gossip, void (*closed)(void *argument), void *argument)
{
    ASSERT(gossip->is_started && !gossip->is_closing);
    gossip->is_closing = true;
    gossip->closed = closed;
    gossip->closed_argument = argument;
    gossip->packets->table->stop(gossip->packets, on_stopped, gossip);
}

void gossip_receive(struct gossip *gossip, size_t count_max)
{
    gossip->packets->table->receive(gossip->packets, count_max);
}

bool gossip_send(struct gossip *gossip, const char *address, const uint8_t *data, size_t size_bytes)
{
    uint8_t sealed[GOSSIP_PACKET_BYTES_MAX];
    struct keyring *keyring = gossip->options.keyring;
    size_t added_bytes = keyring == NULL ? 0 : KEYRING_SEAL_BYTES;
    ASSERT(size_bytes > 0 && size_bytes + added_bytes <= GOSSIP_PACKET_BYTES_MAX);
    ASSERT(gossip->is_started && !gossip->is_closing);
    if (keyring != NULL) {
        size_bytes = keyring_seal(keyring, data, size_bytes, sealed, sizeof(sealed));
        data = sealed;
        if (size_bytes == 0) {
            gossip->counters.send_failed++;
            return false;
        }
    }
    int failure = gossip->packets->table->send(gossip->packets, address, data, size_bytes);
    if (failure != 0) {
        gossip->counters.send_failed++;
        if (failure != UV_EAI_AGAIN) {
            log_failure(gossip, "gossip_send_failed", uv_strerror(failure));
        }
        return false;
    }
    gossip->counters.sent++;
    gossip->counters.longest_sent_bytes = max_u64(gossip->counters.longest_sent_bytes, size_bytes);
    return true;
}

void gossip_counters(const struct gossip *gossip, struct gossip_counters *out)
{
    *out = gossip->counters;
}
