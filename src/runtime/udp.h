/* udp.h: packets over UDP, which is what carries gossip unless a program does.
 *
 * Owns     the socket; the names of members that were looked up, and when.
 * Threads  as packets.h says; udp_open() on any.
 *
 * Whoever drives a SWIM machine must take what has arrived before the machine ticks
 * (docs/swim.md). So a readable socket is only told of, and read when receive() is called.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_UDP_H
#define RUNTIME_UDP_H

#include "base/allocator.h"
#include "runtime/packets.h"

#define UDP_DETAIL_BYTES 512
#define UDP_PACKET_BYTES_MAX 1400         /* of one received: longer ones are cut */
#define UDP_NAMES_MAX 256                 /* the one that was not asked for longest makes room */
#define UDP_LOOKUPS_MAX 1                 /* at a time: libuv runs two, one for the transport */
#define UDP_NAME_FRESH_NS (10 * NS_PER_S) /* then it is looked up again, when it is used */
#define UDP_NAME_AGAIN_NS (2 * NS_PER_S)  /* after a failure */

/* Bind; nothing is received before it is started. A name is looked up in the background when
 * something is sent to it, and what is sent meanwhile is lost.
 *
 * allocator  borrowed.
 * address    HOST:PORT; its host is bound.
 * port       instead of that in `address`.
 * detail     UDP_DETAIL_BYTES; on failure a sentence with the address.
 *
 * Returns 0, or with nothing left behind QR_ERR_ADDRESS or QR_ERR_NO_MEMORY. Blocks for as long
 * as the host's name is looked up.
 */
NODISCARD int udp_open(const struct allocator *allocator, const char *address, uint16_t port,
                       struct packets **out, char *detail);

#endif
