/* tcp.h: streams over TCP, which is what carries the transport's bytes unless a program does.
 *
 * Owns     the listening socket, and the sockets of all streams.
 * Threads  as streams.h says; tcp_open() on any.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_TCP_H
#define RUNTIME_TCP_H

#include "base/allocator.h"
#include "quorate/types.h"
#include "runtime/streams.h"

#define TCP_DETAIL_BYTES 512

/* Bind and listen; nothing is accepted before it is started.
 *
 * allocator  borrowed.
 * address    HOST:PORT; port 0: any.
 * detail     TCP_DETAIL_BYTES; on failure a sentence with the address.
 *
 * Returns 0, or with nothing left behind QR_ERR_ADDRESS or QR_ERR_NO_MEMORY. Blocks for as long as
 * the host's name is looked up.
 */
NODISCARD int tcp_open(const struct allocator *allocator, const char *address, struct streams **out,
                       char *detail);

/* The port that is listened on. */
uint16_t tcp_port(const struct streams *streams);

#endif
