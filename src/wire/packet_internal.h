/* packet_internal.h: the tables of swim/message.h as data.
 *
 * Owns     struct packet_layout: the fields of an envelope, a message or an update, in the order
 *          in which they are encoded.
 * Does not leave src/wire.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_PACKET_INTERNAL_H
#define WIRE_PACKET_INTERNAL_H

#include "wire/packet.h"

#define PACKET_AT_VERSION 2
#define PACKET_AT_TYPE 3
#define PACKET_AT_CHECKSUM 4
#define PACKET_COUNT_BYTES 2

/* X(KIND, bytes); a profile's come behind its length */
#define PACKET_KIND_MAP(X)                                                                         \
    X(U8, 1)                                                                                       \
    X(U32, 4)                                                                                      \
    X(U64, 8)                                                                                      \
    X(BOOL, 1)                                                                                     \
    X(ID, 8)                                                                                       \
    X(CLUSTER, 16)                                                                                 \
    X(STATE, 1)                                                                                    \
    X(REASON, 1)                                                                                   \
    X(PROFILE, 2)

enum packet_kind {
#define X(kind, bytes) PACKET_KIND_##kind,
    PACKET_KIND_MAP(X)
#undef X
};

struct packet_field {
    const char *name;
    enum packet_kind kind;
    size_t offset; /* in struct swim_message, or struct swim_update */
};

struct packet_layout {
    const char *name;
    const struct packet_field *fields;
    size_t field_count;
    size_t bytes; /* of all fields, without profiles */
};

const struct packet_layout *packet_envelope(void);
const struct packet_layout *packet_update(void);

/* The layout of a message type, or NULL when there is no such type. Static. */
const struct packet_layout *packet_layout_of(uint8_t type);

static inline const void *packet_field_in(const void *object, const struct packet_field *field)
{
    return (const uint8_t *)object + field->offset;
}

#endif
