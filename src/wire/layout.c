/* layout.c: the tables of raft/message.h and wire/message.h as data.
 *
 * Each message gets a function that holds its table: within it `struct_of` names the struct
 * that the table's fields are members of, which the field macros alone cannot know.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/internal.h"

#include "base/assert.h"
#include "swim/message.h"
#include "wire/wire.h"

_Static_assert(WIRE_GOSSIP_BYTES_MAX == SWIM_PIECE_BYTES_MAX, "whatever a stream may carry fits");
_Static_assert(WIRE_GOSSIP_BYTES_MAX % WIRE_ALIGN_BYTES == 0, "the longest needs no padding");
_Static_assert(WIRE_GOSSIP_BYTES_MAX <= RAFT_DATA_BYTES_MAX, "it is data like any other");

#define MEMBER_BYTES(name) sizeof(((struct_of *)NULL)->name)
#define FIELD(kind, type, name, ...)                                                               \
    {#name, WIRE_KIND_##kind, base + offsetof(struct_of, name), MEMBER_BYTES(name)},
/* A field macro may be called with a trailing size; the empty last argument keeps C11 happy. */
#define FIELD_OF(...) FIELD(__VA_ARGS__, )

#define ENVELOPE(kind, name)                                                                       \
    {#name, WIRE_KIND_##kind, offsetof(struct wire_message, raft.name),                            \
     sizeof(((struct raft_message *)NULL)->name)},
#define RAFT_ENVELOPE ENVELOPE(ID, from) ENVELOPE(ID, to) ENVELOPE(U64, term)
#define RAFT_ENVELOPE_BYTES 24

enum kind_bytes {
#define X(kind, bytes) KIND_BYTES_##kind = bytes,
    WIRE_KIND_MAP(X)
#undef X
};

#define FIELD_BYTES(kind, type, name, ...)                                                         \
    +(WIRE_KIND_##kind == WIRE_KIND_STRING ? MEMBER_BYTES(name) : (size_t)KIND_BYTES_##kind)
#define FIELD_BYTES_OF(...) FIELD_BYTES(__VA_ARGS__, )

#define LAYOUT(value, text, member, envelope, envelope_bytes, fields_of)                           \
    enum {                                                                                         \
        base = offsetof(struct wire_message, member),                                              \
        head_bytes_max = WIRE_HEADER_BYTES + envelope_bytes fields_of(FIELD_BYTES_OF),             \
    };                                                                                             \
    _Static_assert(head_bytes_max <= WIRE_HEAD_BYTES_MAX, "every head fits");                      \
    static const struct wire_field fields[] = {envelope fields_of(FIELD_OF)};                      \
    static const struct wire_layout layout = {                                                     \
        .name = text,                                                                              \
        .fields = fields,                                                                          \
        .field_count = sizeof(fields) / sizeof(fields[0]),                                         \
        .head_bytes_max = head_bytes_max,                                                          \
        .has_entries = (value) == RAFT_APPEND_ENTRIES || (value) == WIRE_FORWARD,                  \
        .entries_behind = (value) == RAFT_APPEND_ENTRIES                                           \
                              ? offsetof(struct wire_message, raft.append_entries.prev)            \
                              : offsetof(struct wire_message, forward.request),                    \
        .data = (value) == RAFT_INSTALL_SNAPSHOT                                                   \
                    ? offsetof(struct wire_message, raft.install_snapshot.data)                    \
                : (value) == WIRE_GOSSIP ? offsetof(struct wire_message, gossip.data)              \
                                         : 0,                                                      \
        .data_bytes_max = (value) == WIRE_GOSSIP ? WIRE_GOSSIP_BYTES_MAX : RAFT_DATA_BYTES_MAX,    \
    };                                                                                             \
    return &layout

#define X(id, value, member, text, fields_of)                                                      \
    static const struct wire_layout *layout_of_raft_##member(void)                                 \
    {                                                                                              \
        typedef struct raft_##member struct_of;                                                    \
        LAYOUT(value, text, raft.member, RAFT_ENVELOPE, RAFT_ENVELOPE_BYTES, fields_of);           \
    }
RAFT_MESSAGE_MAP(X)
#undef X

#define NO_ENVELOPE
#define X(id, value, member, text, fields_of)                                                      \
    static const struct wire_layout *layout_of_##member(void)                                      \
    {                                                                                              \
        typedef struct wire_##member struct_of;                                                    \
        LAYOUT(value, text, member, NO_ENVELOPE, 0, fields_of);                                    \
    }
WIRE_MESSAGE_MAP(X)
#undef X

const struct wire_layout *wire_layout_of(uint8_t type)
{
    switch (type) {
#define X(id, value, member, text, fields_of)                                                      \
    case id:                                                                                       \
        return layout_of_raft_##member();
        RAFT_MESSAGE_MAP(X)
#undef X
#define X(id, value, member, text, fields_of)                                                      \
    case id:                                                                                       \
        return layout_of_##member();
        WIRE_MESSAGE_MAP(X)
#undef X
    default:
        return NULL;
    }
}

bool wire_reason_is_known(uint32_t reason)
{
    switch (reason) {
#define X(name, value, text) case name:
        RAFT_VOTE_REASON_MAP(X)
#undef X
        return true;
    default:
        return false;
    }
}

size_t wire_string_length(const char *string, size_t size)
{
    size_t length = 0;
    while (length < size && string[length] != '\0') {
        length++;
    }
    ASSERT(length < size);
    return length;
}

struct wire_message wire_of_raft(const struct raft_message *message)
{
    ASSERT(wire_is_raft((uint8_t)message->type));
    ASSERT(wire_layout_of((uint8_t)message->type) != NULL);
    return (struct wire_message){
        .type = (uint8_t)message->type,
        .raft = *message,
        .entries = message->entries,
        .entry_count = message->entry_count,
    };
}

struct raft_message wire_to_raft(const struct wire_message *message)
{
    ASSERT(wire_is_raft(message->type));
    struct raft_message raft = message->raft;
    raft.type = (enum raft_message_type)message->type;
    raft.entries = message->entries;
    raft.entry_count = message->entry_count;
    return raft;
}
