/* packet_layout.c: the tables of swim/message.h as data. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/packet_internal.h"

#include "base/assert.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum kind_bytes {
#define X(kind, bytes) KIND_BYTES_##kind = bytes,
    PACKET_KIND_MAP(X)
#undef X
};

#define BYTES_OF(kind, type, name) +KIND_BYTES_##kind
#define ENVELOPE_FIELD(kind, type, name)                                                           \
    {#name, PACKET_KIND_##kind, offsetof(struct swim_message, name)},
#define UPDATE_FIELD(kind, type, name)                                                             \
    {#name, PACKET_KIND_##kind, offsetof(struct swim_update, name)},

enum {
    envelope_bytes = 0 SWIM_ENVELOPE_FIELDS(BYTES_OF),
    update_bytes = 0 SWIM_UPDATE_FIELDS(BYTES_OF),
};

_Static_assert(update_bytes == SWIM_UPDATE_BYTES, "the machine counts with what is encoded");

const struct packet_layout *packet_envelope(void)
{
    static const struct packet_field fields[] = {SWIM_ENVELOPE_FIELDS(ENVELOPE_FIELD)};
    static const struct packet_layout layout = {
        .name = "envelope",
        .fields = fields,
        .field_count = COUNT_OF(fields),
        .bytes = envelope_bytes,
    };
    return &layout;
}

const struct packet_layout *packet_update(void)
{
    static const struct packet_field fields[] = {SWIM_UPDATE_FIELDS(UPDATE_FIELD)};
    static const struct packet_layout layout = {
        .name = "update",
        .fields = fields,
        .field_count = COUNT_OF(fields),
        .bytes = update_bytes,
    };
    return &layout;
}

/* A function for each, within which `struct_of` is the struct that its fields are members of. */
#define MEMBER_FIELD(kind, type, name)                                                             \
    {#name, PACKET_KIND_##kind, base + offsetof(struct_of, name)},
#define X(id, value, member, text, fields_of)                                                      \
    static const struct packet_layout *layout_of_##member(void)                                    \
    {                                                                                              \
        typedef struct swim_##member struct_of;                                                    \
        enum { base = offsetof(struct swim_message, member), bytes = 0 fields_of(BYTES_OF) };      \
        _Static_assert(PACKET_HEADER_BYTES + envelope_bytes + bytes + PACKET_COUNT_BYTES <=        \
                           SWIM_HEAD_BYTES_MAX,                                                    \
                       "every head fits");                                                         \
        static const struct packet_field fields[] = {fields_of(MEMBER_FIELD)};                     \
        static const struct packet_layout layout = {                                               \
            .name = text,                                                                          \
            .fields = fields,                                                                      \
            .field_count = COUNT_OF(fields),                                                       \
            .bytes = bytes,                                                                        \
        };                                                                                         \
        return &layout;                                                                            \
    }
SWIM_MESSAGE_MAP(X)
#undef X

const struct packet_layout *packet_layout_of(uint8_t type)
{
    switch (type) {
#define X(id, value, member, text, fields_of)                                                      \
    case id:                                                                                       \
        return layout_of_##member();
        SWIM_MESSAGE_MAP(X)
#undef X
    default:
        return NULL;
    }
}
