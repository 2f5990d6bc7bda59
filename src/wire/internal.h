/* internal.h: the tables that the encoder, the decoder and both writers interpret.
 *
 * Owns     struct wire_layout: one message's fields, in the order they are encoded.
 * Does not leave src/wire.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_INTERNAL_H
#define WIRE_INTERNAL_H

#include "wire/message.h"

/* The offsets of a frame's header; the table stands in wire.h. */
#define WIRE_AT_FRAME_BYTES 0
#define WIRE_AT_CHECKSUM 4
#define WIRE_AT_TYPE 8
#define WIRE_AT_ZERO_TYPE 9
#define WIRE_AT_HEAD_BYTES 12
#define WIRE_AT_ENTRY_COUNT 16
#define WIRE_AT_ZERO 20

#define WIRE_CHECKED_FROM 8
#define WIRE_ALIGN_BYTES 8

/* X(KIND, bytes in a frame); a string takes its array's size at most, its length included */
#define WIRE_KIND_MAP(X)                                                                           \
    X(U64, 8)                                                                                      \
    X(U63, 8)                                                                                      \
    X(ASSUMED, 0)                                                                                  \
    X(ID, 8)                                                                                       \
    X(U32, 4)                                                                                      \
    X(I32, 4)                                                                                      \
    X(ENUM_REASON, 4)                                                                              \
    X(BOOL, 1)                                                                                     \
    X(POSITION, 16)                                                                                \
    X(CLUSTER, 16)                                                                                 \
    X(DATA, 8)                                                                                     \
    X(STRING, 0)

enum wire_kind {
#define X(kind, bytes) WIRE_KIND_##kind,
    WIRE_KIND_MAP(X)
#undef X
};

/* Of the last byte of a U63: the ASSUMED behind it is false. */
#define WIRE_DENIED 0x80

struct wire_field {
    const char *name;
    enum wire_kind kind;
    size_t offset; /* in struct wire_message */
    size_t size;   /* of the member, for a string its array */
};

struct wire_layout {
    const char *name;
    const struct wire_field *fields;
    size_t field_count;
    size_t head_bytes_max; /* header and fields, strings at their longest */
    bool has_entries;
    size_t entries_behind; /* offset of the field that entries follow in text */
    size_t data;           /* offset of the field of kind DATA; 0: there is none */
    size_t data_bytes_max; /* if there is one */
};

/* How many of a Raft message's fields are its ids, from and to, which stand first. */
#define WIRE_ENVELOPE_IDS 2

/* The layout of a message type, or NULL when there is no such type. Static. */
const struct wire_layout *wire_layout_of(uint8_t type);

/* Whether it is one of enum raft_vote_reason. */
bool wire_reason_is_known(uint32_t reason);

/* The message's data, or NULL when this layout has none. */
static inline const struct raft_data *wire_data_in(const struct wire_layout *layout,
                                                   const struct wire_message *message)
{
    return layout->data == 0
               ? NULL
               : (const struct raft_data *)(const void *)((const uint8_t *)message + layout->data);
}

/* Where the field stands in the message's struct. */
static inline const void *wire_field_in(const struct wire_message *message,
                                        const struct wire_field *field)
{
    return (const uint8_t *)message + field->offset;
}

static inline size_t wire_align(size_t size_bytes)
{
    return (size_bytes + WIRE_ALIGN_BYTES - 1) & ~(size_t)(WIRE_ALIGN_BYTES - 1);
}

/* Bytes of the string in an array of `size`, which it must end in. */
size_t wire_string_length(const char *string, size_t size);

#endif
