/* entry.c: the record of a log entry. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/entry.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mutant.h"
#include "quorate/error.h"

#define CHECKED_FROM 4 /* the checksum itself is not under the checksum */
#define TEXT_PAYLOAD_BYTES_MAX 32
#define JSON_PAYLOAD_BYTES_MAX 4096

_Static_assert(ENTRY_HEADER_BYTES % ENTRY_ALIGN_BYTES == 0, "a record's body is aligned");
_Static_assert(ENTRY_COMMAND_BYTES_MAX <= UINT8_MAX, "the command's length is one byte");

size_t entry_record_bytes(size_t command_bytes, size_t payload_bytes)
{
    size_t bytes = ENTRY_HEADER_BYTES + command_bytes + payload_bytes;
    return (bytes + ENTRY_ALIGN_BYTES - 1) & ~(size_t)(ENTRY_ALIGN_BYTES - 1);
}

void entry_encode(const struct entry_fields *fields, uint8_t *out)
{
    ASSERT(fields->command_bytes <= ENTRY_COMMAND_BYTES_MAX);

#define X(member, key, offset, width, form) store_##width(out + (offset), fields->member);
    ENTRY_FIELD_MAP(X)
#undef X
    store_u16(out + 38, 0);
    uint8_t *at = out + ENTRY_HEADER_BYTES;
    if (fields->command_bytes > 0) {
        memcpy(at, fields->command, fields->command_bytes);
    }
    at += fields->command_bytes;
    if (fields->payload_bytes > 0) {
        memcpy(at, fields->payload, fields->payload_bytes);
    }
    at += fields->payload_bytes;

    store_u32(out, crc32c(0, out + CHECKED_FROM, (size_t)(at - out) - CHECKED_FROM));
    size_t record_bytes = entry_record_bytes(fields->command_bytes, fields->payload_bytes);
    memset(at, 0, record_bytes - (size_t)(at - out));
}

static struct entry_fields fields_at(const uint8_t *data)
{
    struct entry_fields fields;
#define X(member, key, offset, width, form) fields.member = load_##width(data + (offset));
    ENTRY_FIELD_MAP(X)
#undef X
    fields.command = (const char *)data + ENTRY_HEADER_BYTES;
    fields.payload = data + ENTRY_HEADER_BYTES + fields.command_bytes;
    return fields;
}

int entry_decode(const uint8_t *data, size_t size_bytes, size_t record_bytes_max,
                 struct entry_fields *out, size_t *record_bytes)
{
    if (size_bytes < ENTRY_HEADER_BYTES) {
        return QR_ERR_MALFORMED;
    }
    struct entry_fields fields = fields_at(data);
    size_t body_bytes = (size_t)fields.command_bytes + fields.payload_bytes;
    size_t total_bytes = entry_record_bytes(fields.command_bytes, fields.payload_bytes);
    if (fields.command_bytes > ENTRY_COMMAND_BYTES_MAX || fields.type > ENTRY_GUARDED ||
        load_u16(data + 38) != 0 || total_bytes > record_bytes_max || total_bytes > size_bytes) {
        return QR_ERR_MALFORMED;
    }
    size_t checked_bytes = ENTRY_HEADER_BYTES + body_bytes;
    if (load_u32(data) != crc32c(0, data + CHECKED_FROM, checked_bytes - CHECKED_FROM) &&
        !MUTANT(RECORD_UNCHECKED)) {
        return QR_ERR_MALFORMED;
    }
    for (size_t i = checked_bytes; i < total_bytes; i++) {
        if (data[i] != 0) {
            return QR_ERR_MALFORMED;
        }
    }
    *out = fields;
    *record_bytes = total_bytes;
    return 0;
}

struct entry_fields entry_fields_of(const struct entry *entry)
{
    struct entry_fields fields = fields_at(entry->record);
    ASSERT(fields.index == entry->index);
    ASSERT(fields.term == entry->term);
    ASSERT(entry_record_bytes(fields.command_bytes, fields.payload_bytes) == entry->record_bytes);
    return fields;
}

uint32_t entry_checksum(const struct entry *entry)
{
    return load_u32(entry->record);
}

const char *entry_type_name(uint8_t type)
{
    switch (type) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        ENTRY_TYPE_MAP(X)
#undef X
    default:
        return "?";
    }
}

void entry_text(const struct entry *entry, struct text *text)
{
    text_u64(text, entry->term);
    text_char(text, '/');
    text_u64(text, entry->index);
    text_char(text, ' ');
    text_string(text, entry_type_name(entry->type));
    struct entry_fields fields = entry_fields_of(entry);
    if (fields.type == ENTRY_NORMAL || fields.type == ENTRY_GUARDED) {
        text_char(text, ' ');
        text_quoted(text, fields.payload, min_u64(fields.payload_bytes, TEXT_PAYLOAD_BYTES_MAX));
    }
}

static void json_number(struct text *text, const struct entry_fields *fields, uint64_t value)
{
    (void)fields;
    text_json_u64(text, value);
}

static void json_hex(struct text *text, const struct entry_fields *fields, uint64_t value)
{
    (void)fields;
    text_json_hex(text, value, 16);
}

static void json_type(struct text *text, const struct entry_fields *fields, uint64_t value)
{
    (void)fields;
    text_json_string(text, entry_type_name((uint8_t)value));
}

static void json_command(struct text *text, const struct entry_fields *fields, uint64_t bytes)
{
    text_json_bytes(text, fields->command, bytes);
}

void entry_json(const struct entry *entry, struct text *text)
{
    struct entry_fields fields = entry_fields_of(entry);
    text_json_object_begin(text);
#define X(member, key, offset, width, form)                                                        \
    text_json_key(text, key);                                                                      \
    json_##form(text, &fields, fields.member);
    ENTRY_FIELD_MAP(X)
#undef X
    text_json_key(text, "payload");
    text_json_bytes(text, fields.payload, min_u64(fields.payload_bytes, JSON_PAYLOAD_BYTES_MAX));
    text_json_object_end(text);
}

void entry_arena_init(struct entry_arena *arena, const struct allocator *allocator)
{
    *arena = (struct entry_arena){.allocator = allocator};
}

void entry_arena_deinit(struct entry_arena *arena)
{
    chunk_drop(arena->chunk);
    arena->chunk = NULL;
}

/* Room for `size_bytes` in the arena's chunk, a new one when the present one is full. */
static struct chunk *arena_room(struct entry_arena *arena, size_t size_bytes)
{
    struct chunk *chunk = arena->chunk;
    if (chunk != NULL && chunk->size_bytes - chunk->used_bytes >= size_bytes) {
        return chunk;
    }
    if (size_bytes > UINT32_MAX - sizeof(*chunk)) {
        return NULL;
    }
    chunk = chunk_new(arena->allocator, (uint32_t)max_u64(size_bytes, ENTRY_ARENA_CHUNK_BYTES));
    if (chunk == NULL) {
        return NULL;
    }
    chunk_drop(arena->chunk);
    arena->chunk = chunk;
    return chunk;
}

int entry_arena_encode(struct entry_arena *arena, const struct entry_fields *fields,
                       struct entry *out)
{
    size_t record_bytes = entry_record_bytes(fields->command_bytes, fields->payload_bytes);
    struct chunk *chunk = arena_room(arena, record_bytes);
    if (chunk == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    uint8_t *record = chunk->data + chunk->used_bytes;
    entry_encode(fields, record);
    chunk->used_bytes += (uint32_t)record_bytes;
    *out = (struct entry){
        .index = fields->index,
        .term = fields->term,
        .timestamp_ns = fields->timestamp_ns,
        .record = record,
        .chunk = chunk_hold(chunk),
        .record_bytes = (uint32_t)record_bytes,
        .type = fields->type,
    };
    return 0;
}
