/* carrier.h: the transport of a program (quorate/transport.h) as the runtime's streams and packets.
 *
 * Owns     the streams that the program was asked for or told of, and what it told of them that the
 *          loop has not taken in yet, all of it bounded.
 * Does not know what the bytes mean. What the program says is checked, not believed.
 * Threads  as runtime/streams.h and packets.h say; the functions that the program calls, any.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CARRIER_H
#define ENGINE_CARRIER_H

#include "base/allocator.h"
#include "quorate/transport.h"
#include "runtime/packets.h"
#include "runtime/streams.h"

/* What is wrong with a table, in words; NULL: nothing, and `out` is it as this version has it. */
const char *carrier_read(const struct qr_transport *given, struct qr_transport *out);

/* Have the program's transport listen.
 *
 * allocator  borrowed; used on any thread.
 * detail     QR_TRANSPORT_DETAIL_BYTES; on failure a sentence.
 *
 * Returns 0, and both are given, and must both be started, or neither; or what `listen` returned,
 * or QR_ERR_NO_MEMORY, with nothing left behind.
 */
NODISCARD int carrier_open(const struct allocator *allocator, const struct qr_transport *transport,
                           const char *address, struct streams **streams, struct packets **packets,
                           char *detail);

#endif
