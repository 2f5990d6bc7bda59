/* wire.h: the encodings of everything that crosses a network.
 *
 * Owns     frames, and the binary, text and JSON form of every message, made from the
 *          tables in raft/message.h and wire/message.h.
 * Does not know a socket, a clock, or what a message means.
 * Threads  any; nothing is kept between calls.
 * Format   docs/wire-format.md. A frame:
 *
 *   offset size
 *     0     4   frame_bytes: all of it, a multiple of 8
 *     4     4   crc32c of the bytes from 8 to the end of the head (entries have their own)
 *     8     1   type
 *     9     3   zero
 *    12     4   head_bytes: header and fields, a multiple of 8; entries follow
 *    16     4   entry_count
 *    20     4   zero
 *    24         fields in the order of the table; zeros up to head_bytes; entry records, or
 *               data and zeros up to a multiple of 8
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include "base/allocator.h"
#include "base/chunk.h"
#include "base/text.h"
#include "wire/message.h"

#define WIRE_HEADER_BYTES 24
#define WIRE_HEAD_BYTES_MAX 1024 /* of any message, without its entries */
#define WIRE_ENTRIES_MAX 4096    /* of one frame */
#define WIRE_FRAME_BYTES_MIN WIRE_HEADER_BYTES

/* Bytes to be sent, in pieces that stay where they are: the head, then runs of records. */
struct wire_part {
    const void *data;
    size_t size_bytes;
};

struct wire_frame {
    const struct allocator *allocator;
    struct wire_frame *next; /* for whoever queues it */
    size_t frame_bytes;
    size_t allocated_bytes;
    size_t part_count;
    struct wire_part *parts; /* part_count; behind this struct */
    struct chunk **chunks;   /* held for the parts, NULL where the head stands */
    uint8_t head[];
};

/* Encode a message. The chunks of its entries and data are held by the frame.
 *
 * message   its type is known, its strings end within their arrays, only append_entries and
 *           forward have entries, at most WIRE_ENTRIES_MAX, and data is at most
 *           RAFT_DATA_BYTES_MAX (gossip: WIRE_GOSSIP_BYTES_MAX): asserted. The frame's length
 *           fits 32 bits: what bounds a message is far below.
 *
 * Returns a frame to be freed by wire_frame_free(), or NULL when memory ran out.
 * Cost: one allocation; records and data are not copied, adjacent records become one part.
 */
struct wire_frame *wire_encode(const struct allocator *allocator,
                               const struct wire_message *message);

/* Drop the chunks and free the frame. NULL is allowed. */
void wire_frame_free(struct wire_frame *frame);

/* How long is the frame that begins here? For a receiver, before it makes room.
 *
 * Returns 0 with *frame_bytes set; 1 when fewer than WIRE_HEADER_BYTES are there yet; or
 * QR_ERR_MALFORMED: not a frame; QR_ERR_TOO_LARGE: announces more than frame_bytes_max.
 */
NODISCARD int wire_frame_length(const uint8_t *data, size_t size_bytes, size_t frame_bytes_max,
                                size_t *frame_bytes);

/* Decode one whole frame that stands in `chunk`.
 *
 * data, frame_bytes   within the chunk (asserted), frame_bytes as wire_frame_length() said.
 * entries   room for WIRE_ENTRIES_MAX; the message's entries point here, their records, like
 *           its data, into the chunk. They hold no reference: whoever keeps one holds the chunk.
 *
 * Returns 0 or QR_ERR_MALFORMED: a checksum, type, a length, a string, an enum or an entry out
 * of bounds, bytes left over, entries that do not follow one another. `out` is undefined then.
 */
NODISCARD int wire_decode(struct chunk *chunk, const uint8_t *data, size_t frame_bytes,
                          struct entry *entries, struct wire_message *out);

/* Whether records or data of a decoded message lie in its chunk: who keeps them holds it. */
bool wire_is_in_chunk(const struct wire_message *message);

/* `append_entries 1->2 term=2 prev=1/1 entries=[1/2 normal "x"] commit=1 round=7`: ids in
 * decimal below 1000, else 16 hexadecimal digits; fields that are zero, false or empty are
 * left out. One line, stable.
 */
void wire_message_text(const struct wire_message *message, struct text *text);

/* One JSON object: type, then every field under its name, ids as hexadecimal strings, a
 * reason in words, a position as an object of term and index, entries last.
 */
void wire_message_json(const struct wire_message *message, struct text *text);

/* A Raft message as a wire message, its entries included. */
struct wire_message wire_of_raft(const struct raft_message *message);

/* The Raft message in a wire message, its entries included; asserts that it is one. */
struct raft_message wire_to_raft(const struct wire_message *message);

#endif
