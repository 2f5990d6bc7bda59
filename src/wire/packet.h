/* packet.h: the encodings of what SWIM members send: datagrams, and messages on streams.
 *
 * Owns     the binary, text and JSON form of every message of swim/message.h, made from the
 *          tables there.
 * Does not know a socket, encryption, or what a message means.
 * Threads  any; nothing is kept between calls.
 * Format   docs/wire-format.md, Packets:
 *
 *   offset size
 *     0     2   'Q' 'S'
 *     2     1   version
 *     3     1   type
 *     4     4   crc32c of the bytes 0 to 3, then those from 8 on
 *     8         the envelope's fields, then the message's, in the order of the tables
 *               count of updates (u16), then each: its fields in the order of the table
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_PACKET_H
#define WIRE_PACKET_H

#include "base/text.h"
#include "base/types.h"
#include "swim/message.h"

#define PACKET_HEADER_BYTES 8

/* Bytes that it takes. */
size_t wire_packet_bytes(const struct swim_message *message);

/* Encode a message.
 *
 * message    its type is known, each field within its bounds: asserted. At most
 *            SWIM_UPDATES_MAX updates.
 *
 * Returns its bytes, or 0 when there are fewer than that in `out`.
 */
size_t wire_packet_encode(const struct swim_message *message, uint8_t *out, size_t out_bytes);

/* Decode one whole packet.
 *
 * updates    room for updates_max; the message's updates point here, their profiles into `data`.
 *
 * Returns 0, QR_ERR_VERSION: of a version that this build does not speak, or
 * QR_ERR_MALFORMED: anything else, bytes left over, a field out of bounds, a profile that does
 * not decode, more than updates_max updates, fields that contradict each other; then `out` is
 * undefined.
 */
NODISCARD int wire_packet_decode(const uint8_t *data, size_t size_bytes,
                                 struct swim_update *updates, size_t updates_max,
                                 struct swim_message *out);

/* `ping 1->2 incarnation=7 sequence=4 [suspect 3@5 accuser=1]`: ids as in wire.h; fields that
 * are zero, the cluster and the digest are left out. One line, stable.
 */
void wire_packet_text(const struct swim_message *message, struct text *text);

/* One JSON object: type, then every field under its name, updates last. */
void wire_packet_json(const struct swim_message *message, struct text *text);

#endif
