/* gossip.c: the node's SWIM machine, joined to the UDP socket and to the transport's streams. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

#define GOSSIP_PACKETS_MAX 64        /* of one turn, so that Raft has its share of the loop */
#define GOSSIP_PACKETS_LATE_MAX 1024 /* when the loop did not run for a while */
#define GOSSIP_LATE_NS (100 * NS_PER_MS)

static void on_readable(void *context)
{
    struct qr_engine *engine = context;
    engine->is_gossip_due = true;
    engine_mark(engine);
}

static void on_packet(void *context, const struct gossip_packet *packet)
{
    struct qr_engine *engine = context;
    node_gossip_packet(engine->node, packet->data, packet->size_bytes, packet->source,
                       packet->is_proved, engine_time());
}

int engine_gossip_open(struct qr_engine *engine, const struct qr_engine_options *options,
                       struct packets *packets, char *detail)
{
    _Static_assert(QR_ERROR_DETAIL_BYTES >= GOSSIP_DETAIL_BYTES, "its detail fits");
    struct gossip_options given = {
        .allocator = &engine->pool.allocator,
        .log = &engine->log,
        .keyring = engine->keyring,
        .events = {engine, on_readable, on_packet},
        .packets = packets,
        .address = options->peer_address,
        .port = transport_port(engine->transport),
    };
    return gossip_open(&given, &engine->gossip, detail);
}

/* What has arrived comes before the machine's timers, or a node that did not run for a while
 * suspects those who answered long ago (docs/swim.md). Behind the loop's polling the socket was
 * asked already whether there is anything.
 */
void engine_gossip_take(struct qr_engine *engine, bool is_polled)
{
    if (is_polled && !engine->is_gossip_due) {
        return;
    }
    engine->is_gossip_due = false;
    time_ns due_ns = node_deadline(engine->node);
    bool is_late = due_ns != TIME_NEVER && runtime_now_ns() > due_ns + GOSSIP_LATE_NS;
    engine->in_node++;
    gossip_receive(engine->gossip, is_late ? GOSSIP_PACKETS_LATE_MAX : GOSSIP_PACKETS_MAX);
    engine->in_node--;
}

void engine_gossip_packet(void *context, const char *address, const uint8_t *data,
                          size_t size_bytes)
{
    struct qr_engine *engine = context;
    (void)gossip_send(engine->gossip, address, data, size_bytes); /* it may be lost anyway */
}

void engine_gossip_stream(void *context, const char *address, uint64_t answers, const uint8_t *data,
                          size_t size_bytes)
{
    struct qr_engine *engine = context;
    (void)transport_gossip(engine->transport, address, answers, data, size_bytes);
}

void engine_gossip_received(void *context, const struct transport_gossip *gossip)
{
    struct qr_engine *engine = context;
    engine->in_node++;
    node_gossip_stream(engine->node, gossip->stream, gossip->data, gossip->size_bytes,
                       gossip->source, gossip->is_proved, engine_time());
    engine->in_node--;
    engine_mark(engine);
}

void engine_member_closed(void *context, node_id member, bool is_refused)
{
    struct qr_engine *engine = context;
    engine->in_node++;
    node_member_closed(engine->node, member, is_refused, engine_time());
    engine->in_node--;
    engine_mark(engine);
}

/* The members hear of it at once, from this node, and not from their probes. Meanwhile it goes on
 * with Raft.
 */
bool engine_gossip_leave(struct qr_engine *engine, enum swim_reason reason, time_ns limit_ns)
{
    struct node_time time = engine_time();
    if (engine->leave_ns == 0) {
        engine->leave_ns = time.now_ns + limit_ns;
        engine->in_node++;
        node_gossip_leave(engine->node, reason, time);
        engine->in_node--;
        engine_mark(engine);
    } else if (time.now_ns + limit_ns < engine->leave_ns) {
        engine->leave_ns = time.now_ns + limit_ns; /* who leaves is told to stop */
        engine_mark(engine);
    }
    return node_gossip_is_gone(engine->node) || time.now_ns >= engine->leave_ns;
}
