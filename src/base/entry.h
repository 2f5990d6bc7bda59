/* entry.h: a log entry and the bytes it is made of, once, by the leader.
 *
 * The same record is the log record on every disk, the tail of an append_entries frame and
 * the buffer that the state machine reads, so its layout lies below raft, wire and wal.
 *
 * Owns     the layout of a record:
 *
 *   offset size
 *     0     4   crc32c of all that follows, up to the end of the payload
 *     4     4   payload_bytes
 *     8     8   index
 *    16     8   term
 *    24     8   timestamp_ns: log time, nanoseconds since the Unix epoch, never going back
 *    32     4   group: which Raft group; 0
 *    36     1   type: enum entry_type
 *    37     1   command_bytes, 0..ENTRY_COMMAND_BYTES_MAX
 *    38     2   zero
 *    40     8   proposal id, high
 *    48     8   proposal id, low
 *    56         command, then payload, then zeros up to a multiple of 8
 *
 *   Numbers are little-endian. The zeros at the end are not under the checksum; they are
 *   checked to be zero.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ENTRY_H
#define BASE_ENTRY_H

#include "base/chunk.h"
#include "base/text.h"
#include "base/types.h"

#define ENTRY_HEADER_BYTES 56
#define ENTRY_COMMAND_BYTES_MAX 32
#define ENTRY_ALIGN_BYTES 8

/* X(NAME, value, "text"). A guarded entry is a program's own, like a normal one: it stands
 * behind the session table (docs/exactly-once.md). Version 0.1.0 does not decode it, so that it
 * never applies again what the table would have kept from it.
 */
#define ENTRY_TYPE_MAP(X)                                                                          \
    X(ENTRY_NOOP, 0, "noop")                                                                       \
    X(ENTRY_NORMAL, 1, "normal")                                                                   \
    X(ENTRY_CONFIGURATION, 2, "configuration")                                                     \
    X(ENTRY_TICK, 3, "tick")                                                                       \
    X(ENTRY_GUARDED, 4, "guarded")

enum entry_type {
#define X(name, value, text) name = value,
    ENTRY_TYPE_MAP(X)
#undef X
};

/* The fixed fields of a record, from which its bytes and its JSON are made, in the order of
 * the JSON. X(member of struct entry_fields, key, offset, width, form of its value)
 */
#define ENTRY_FIELD_MAP(X)                                                                         \
    X(index, "index", 8, u64, number)                                                              \
    X(term, "term", 16, u64, number)                                                               \
    X(type, "type", 36, u8, type)                                                                  \
    X(timestamp_ns, "timestamp_ns", 24, u64, number)                                               \
    X(group, "group", 32, u32, number)                                                             \
    X(id.high, "id_high", 40, u64, hex)                                                            \
    X(id.low, "id_low", 48, u64, hex)                                                              \
    X(command_bytes, "command", 37, u8, command)                                                   \
    X(payload_bytes, "payload_bytes", 4, u32, number)

/* What the log carries about: a record with its most used fields at hand. */
struct entry {
    raft_index index;
    raft_term term;
    time_ns timestamp_ns;
    const uint8_t *record; /* record_bytes long, within chunk->data */
    struct chunk *chunk;   /* one reference belongs to whoever owns this struct */
    uint32_t record_bytes; /* a multiple of ENTRY_ALIGN_BYTES */
    uint8_t type;          /* enum entry_type */
};

/* What a record is made from. Pointers are borrowed. */
struct entry_fields {
    raft_index index;
    raft_term term;
    time_ns timestamp_ns;
    struct proposal_id id;
    uint32_t group;
    uint8_t type;
    uint8_t command_bytes;
    uint32_t payload_bytes;
    const char *command;
    const void *payload;
};

/* Bytes of the record with a command and a payload of these sizes. */
size_t entry_record_bytes(size_t command_bytes, size_t payload_bytes);

/* Write the record of `fields` to `out`, which has entry_record_bytes() of room. */
void entry_encode(const struct entry_fields *fields, uint8_t *out);

/* Read the record at the start of `data`.
 *
 * record_bytes_max   a record that announces more is refused before it is looked at.
 * out, record_bytes  set on success; pointers in `out` point into `data`.
 *
 * Returns 0, or QR_ERR_MALFORMED: too short, a length out of bounds, an unknown type,
 * a wrong checksum, or padding that is not zero.
 */
NODISCARD int entry_decode(const uint8_t *data, size_t size_bytes, size_t record_bytes_max,
                           struct entry_fields *out, size_t *record_bytes);

/* The fields of a record that was decoded or encoded before; asserts that it is whole. */
struct entry_fields entry_fields_of(const struct entry *entry);

/* The checksum that stands in the record. */
uint32_t entry_checksum(const struct entry *entry);

const char *entry_type_name(uint8_t type);

/* `1/2 normal "x"`: term/index, type, and the payload, cut after 32 bytes. */
void entry_text(const struct entry *entry, struct text *text);

/* One JSON object with every field; the payload as a string, cut after 4,096 bytes. */
void entry_json(const struct entry *entry, struct text *text);

/* Where records are encoded: fills one chunk after another. */
struct entry_arena {
    const struct allocator *allocator;
    struct chunk *chunk; /* the one being filled, or NULL */
};

void entry_arena_init(struct entry_arena *arena, const struct allocator *allocator);
void entry_arena_deinit(struct entry_arena *arena);

/* Encode one record; `out` gets a reference of its own to the chunk.
 *
 * Returns 0 or QR_ERR_NO_MEMORY; on failure nothing changed.
 * Cost: one allocation for each ENTRY_ARENA_CHUNK_BYTES of records, or for a larger record.
 */
NODISCARD int entry_arena_encode(struct entry_arena *arena, const struct entry_fields *fields,
                                 struct entry *out);

#define ENTRY_ARENA_CHUNK_BYTES CHUNK_USUAL_BYTES

#endif
