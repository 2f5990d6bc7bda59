/* packets.h: datagrams between addresses, whoever carries them.
 *
 * Owns     nothing: it is the table between gossip.h, which seals and counts, and what is under it:
 *          udp.h, or the transport of a program (engine/carrier.h).
 * Does not know what a packet says, or who is a member. Nothing waits to be sent.
 * Threads  the loop's, for every call and every event.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_PACKETS_H
#define RUNTIME_PACKETS_H

#include <uv.h>

#include "base/types.h"
#include "quorate/types.h"

/* Whoever carries packets: the first member of what it is. */
struct packets {
    const struct packets_table *table;
};

struct packet_events {
    void *context;

    /* Something has arrived: receive() is to be called soon. From the loop. */
    void (*readable)(void *context);

    /* From within receive().
     *
     * from  for source(), during this call.
     * data  borrowed; of any size, 0 and too long among them: then it may be cut, not its size.
     */
    void (*received)(void *context, const void *from, const uint8_t *data, size_t size_bytes);

    /* Receiving failed; what came is lost. status: for uv_strerror(). */
    void (*failed)(void *context, int status);
};

struct packets_table {
    /* Tell what comes on `loop` from now on. events: copied. Cannot fail. */
    void (*start)(struct packets *self, uv_loop_t *loop, const struct packet_events *events);

    /* Hand over what has arrived, `count_max` packets at most; of the rest is told again. */
    void (*receive)(struct packets *self, size_t count_max);

    /* Where a packet came from, as members write it. */
    void (*source)(struct packets *self, const void *from, char out[QR_ADDRESS_BYTES_MAX]);

    /* Send one to an address, at once or never. Returns 0, or a number for uv_strerror():
     * UV_EAI_AGAIN where the address is not known, or not yet.
     */
    int (*send)(struct packets *self, const char *address, const uint8_t *data, size_t size_bytes);

    /* End; `stopped` is called on the loop, later. No event follows. */
    void (*stop)(struct packets *self, void (*stopped)(void *argument), void *argument);

    /* Free one that was not started, or has stopped. */
    void (*free)(struct packets *self);
};

#endif
