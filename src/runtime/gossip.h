/* gossip.h: SWIM's datagrams, sealed by the cluster's secret, over packets that somebody carries.
 *
 * Owns     whoever carries them: UDP, on the port of the transport's listener, unless told
 *          otherwise (packets.h).
 * Does not know what a packet says, who is a member, or when to send again: nothing waits to be
 *          sent, and what the kernel does not take at once is lost, as packets may be.
 * Threads  the loop's, for every call.
 *
 * Whoever drives a SWIM machine must take what has arrived before the machine ticks
 * (docs/swim.md). So what has come is only told of, and read when gossip_receive() is called.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_GOSSIP_H
#define RUNTIME_GOSSIP_H

#include <uv.h>

#include "base/allocator.h"
#include "base/log.h"
#include "quorate/types.h"
#include "runtime/packets.h"

#define GOSSIP_DETAIL_BYTES 512
#define GOSSIP_PACKET_BYTES_MAX 1400 /* longer ones are dropped */

/* X(name): counted since the beginning. */
#define GOSSIP_COUNTER_MAP(X)                                                                      \
    X(sent)                                                                                        \
    X(received)                                                                                    \
    X(received_too_long)                                                                           \
    X(received_empty)                                                                              \
    X(received_refused) /* not sealed by a key of ours, changed on its way, or a replay */         \
    X(receive_failed)                                                                              \
    X(send_failed) /* the kernel said no, or no address to be had for the name: yet, or at all */

struct gossip_counters {
#define X(name) uint64_t name;
    GOSSIP_COUNTER_MAP(X)
#undef X
    uint64_t longest_sent_bytes; /* of one packet, sealed as it went */
};

struct gossip_packet {
    const uint8_t *data; /* borrowed until return */
    size_t size_bytes;   /* 1..GOSSIP_PACKET_BYTES_MAX */
    const char *source;  /* HOST:PORT it came from; the name, when it is that of one we looked up */
    bool is_proved;      /* it was sealed with a key of this cluster */
};

/* Called from the loop. `readable` from the loop's polling: gossip_receive() is to be called
 * soon. `received` from within gossip_receive(); it may send, and must not close.
 */
struct gossip_events {
    void *context;
    void (*readable)(void *context);
    void (*received)(void *context, const struct gossip_packet *packet);
};

struct keyring;

struct gossip_options {
    const struct allocator *allocator; /* borrowed */
    const struct log_sink *log;        /* borrowed; may be NULL */
    struct keyring *keyring;           /* kept: each packet is sealed, and must be; NULL: plain */
    struct gossip_events events;
    struct packets *packets; /* given, if gossip_open() returns 0; NULL: UDP, at these: */
    const char *address;     /* HOST:PORT; its host is bound */
    uint16_t port;           /* instead of that in `address` */
};

struct gossip;

/* Bind; nothing is received before gossip_start().
 *
 * detail   GOSSIP_DETAIL_BYTES; on failure a sentence with the address.
 *
 * Returns 0, or with nothing left behind QR_ERR_ADDRESS or QR_ERR_NO_MEMORY. Blocks for as long
 * as the host's name is looked up.
 */
NODISCARD int gossip_open(const struct gossip_options *options, struct gossip **out, char *detail);

/* Live on `loop` from now on. */
void gossip_start(struct gossip *gossip, uv_loop_t *loop);

/* Free one that was not started. NULL is allowed. */
void gossip_free(struct gossip *gossip);

/* Close and free; `closed` is called on the loop, later. No event follows. */
void gossip_close(struct gossip *gossip, void (*closed)(void *argument), void *argument);

/* Hand over what has arrived, `count_max` datagrams at most; the rest stays with the kernel, which
 * tells of it again.
 */
void gossip_receive(struct gossip *gossip, size_t count_max);

/* Send a datagram to HOST:PORT, at once or never. A name is looked up in the background, and what
 * is sent meanwhile is lost.
 *
 * data   borrowed; 1..GOSSIP_PACKET_BYTES_MAX, with a keyring KEYRING_SEAL_BYTES less (asserted).
 *
 * False: it was certainly not sent.
 */
bool gossip_send(struct gossip *gossip, const char *address, const uint8_t *data,
                 size_t size_bytes);

void gossip_counters(const struct gossip *gossip, struct gossip_counters *out);

#endif
