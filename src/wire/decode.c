/* decode.c: a frame as a message, or refused. Format: docs/wire-format.md.
 *
 * Everything here comes from outside: it is checked, never asserted.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/wire.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "quorate/error.h"
#include "wire/internal.h"

struct header {
    size_t frame_bytes;
    uint32_t checksum;
    uint8_t type;
    size_t head_bytes;
    size_t entry_count;
};

/* Read the header and check what it says of itself; WIRE_HEADER_BYTES are there. */
static int header_decode(const uint8_t *data, struct header *out)
{
    *out = (struct header){
        .frame_bytes = load_u32(data + WIRE_AT_FRAME_BYTES),
        .checksum = load_u32(data + WIRE_AT_CHECKSUM),
        .type = data[WIRE_AT_TYPE],
        .head_bytes = load_u32(data + WIRE_AT_HEAD_BYTES),
        .entry_count = load_u32(data + WIRE_AT_ENTRY_COUNT),
    };
    const struct wire_layout *layout = wire_layout_of(out->type);
    if (layout == NULL || load_u32(data + WIRE_AT_TYPE) != out->type ||
        load_u32(data + WIRE_AT_ZERO) != 0) {
        return QR_ERR_MALFORMED;
    }
    if (out->head_bytes < WIRE_HEADER_BYTES || out->head_bytes % WIRE_ALIGN_BYTES != 0 ||
        out->head_bytes > wire_align(layout->head_bytes_max) ||
        out->head_bytes > out->frame_bytes || out->frame_bytes % WIRE_ALIGN_BYTES != 0) {
        return QR_ERR_MALFORMED;
    }
    size_t behind_bytes = out->frame_bytes - out->head_bytes;
    if (layout->data != 0) {
        return out->entry_count == 0 && behind_bytes <= layout->data_bytes_max ? 0
                                                                               : QR_ERR_MALFORMED;
    }
    if (out->entry_count > (layout->has_entries ? WIRE_ENTRIES_MAX : 0) ||
        out->entry_count > behind_bytes / ENTRY_HEADER_BYTES ||
        (out->entry_count == 0 && behind_bytes > 0)) {
        return QR_ERR_MALFORMED;
    }
    return 0;
}

int wire_frame_length(const uint8_t *data, size_t size_bytes, size_t frame_bytes_max,
                      size_t *frame_bytes)
{
    if (size_bytes < WIRE_HEADER_BYTES) {
        return 1;
    }
    if (load_u32(data + WIRE_AT_FRAME_BYTES) > frame_bytes_max) {
        return QR_ERR_TOO_LARGE;
    }
    struct header header;
    int status = header_decode(data, &header);
    if (status == 0) {
        *frame_bytes = header.frame_bytes;
    }
    return status;
}

static void bool_decode(struct reader *reader, bool *out)
{
    uint8_t value = read_u8(reader);
    reader->failed = reader->failed || value > 1;
    *out = value == 1;
}

static void reason_decode(struct reader *reader, uint32_t *out)
{
    *out = read_u32(reader);
    reader->failed = reader->failed || !wire_reason_is_known(*out);
}

/* Fails unless the bytes that the field announces are those behind the head. */
static void data_decode(struct reader *reader, struct chunk *chunk, struct reader behind,
                        struct raft_data *out)
{
    uint32_t size_bytes = read_u32(reader);
    uint32_t checksum = read_u32(reader);
    size_t behind_bytes = reader_left(&behind);
    const uint8_t *bytes = behind.at;
    if (reader->failed || size_bytes > behind_bytes || wire_align(size_bytes) != behind_bytes ||
        crc32c(0, bytes, size_bytes) != checksum) {
        reader->failed = true;
        return;
    }
    for (size_t i = size_bytes; i < behind_bytes; i++) {
        reader->failed = reader->failed || bytes[i] != 0;
    }
    *out = size_bytes == 0 ? (struct raft_data){0} : (struct raft_data){chunk, bytes, size_bytes};
}

static void field_decode(struct reader *reader, const struct wire_field *field,
                         struct wire_message *out)
{
    void *at = (uint8_t *)out + field->offset;
    switch (field->kind) {
    case WIRE_KIND_U64:
    case WIRE_KIND_ID:
        *(uint64_t *)at = read_u64(reader);
        break;
    case WIRE_KIND_U63:
        *(uint64_t *)at = read_u64(reader) & INT64_MAX;
        break;
    case WIRE_KIND_ASSUMED:
        *(bool *)at = reader->failed || (reader->at[-1] & WIRE_DENIED) == 0;
        break;
    case WIRE_KIND_U32:
        *(uint32_t *)at = read_u32(reader);
        break;
    case WIRE_KIND_I32:
        *(int32_t *)at = (int32_t)read_u32(reader);
        break;
    case WIRE_KIND_ENUM_REASON:
        reason_decode(reader, at);
        break;
    case WIRE_KIND_BOOL:
        bool_decode(reader, at);
        break;
    case WIRE_KIND_POSITION:
        ((struct raft_position *)at)->term = read_u64(reader);
        ((struct raft_position *)at)->index = read_u64(reader);
        break;
    case WIRE_KIND_CLUSTER:
        ((struct cluster_id *)at)->high = read_u64(reader);
        ((struct cluster_id *)at)->low = read_u64(reader);
        break;
    case WIRE_KIND_DATA:
        break; /* by head_decode(), which knows what is behind the head */
    case WIRE_KIND_STRING:
        read_string8(reader, at, field->size);
        break;
    }
}

/* Whether all that is left are the zeros that make the head a multiple of 8. */
static bool is_padding(struct reader *reader)
{
    if (reader->failed || reader_left(reader) >= WIRE_ALIGN_BYTES) {
        return false;
    }
    while (reader_left(reader) > 0) {
        if (read_u8(reader) != 0) {
            return false;
        }
    }
    return true;
}

static int head_decode(struct chunk *chunk, const uint8_t *data, const struct header *header,
                       struct wire_message *out)
{
    const struct wire_layout *layout = wire_layout_of(header->type);
    memset(out, 0, sizeof(*out));
    out->type = header->type;
    struct reader reader =
        reader_of(data + WIRE_HEADER_BYTES, header->head_bytes - WIRE_HEADER_BYTES);
    for (size_t f = 0; f < layout->field_count; f++) {
        const struct wire_field *field = &layout->fields[f];
        if (field->kind == WIRE_KIND_DATA) {
            struct reader behind =
                reader_of(data + header->head_bytes, header->frame_bytes - header->head_bytes);
            data_decode(&reader, chunk, behind, (void *)((uint8_t *)out + field->offset));
        } else {
            field_decode(&reader, field, out);
        }
    }
    if (wire_is_raft(header->type)) {
        out->raft.type = (enum raft_message_type)header->type;
    }
    return is_padding(&reader) ? 0 : QR_ERR_MALFORMED;
}

/* What the next entry must be: that of append_entries follows, that of forward is unplaced. */
struct sequence {
    bool is_placed;
    bool has_group;
    uint32_t group;
    struct raft_position last;
};

static bool sequence_takes(struct sequence *sequence, const struct entry_fields *fields)
{
    if (sequence->has_group && fields->group != sequence->group) {
        return false;
    }
    sequence->has_group = true;
    sequence->group = fields->group;
    if (!sequence->is_placed) {
        return fields->index == 0 && fields->term == 0;
    }
    if (sequence->last.index == UINT64_MAX || fields->index != sequence->last.index + 1 ||
        fields->term < sequence->last.term) {
        return false;
    }
    sequence->last = (struct raft_position){fields->term, fields->index};
    return true;
}

static struct sequence sequence_of(const struct wire_message *message)
{
    if (message->type != RAFT_APPEND_ENTRIES) {
        return (struct sequence){.is_placed = false};
    }
    return (struct sequence){.is_placed = true, .last = message->raft.append_entries.prev};
}

static int entries_decode(struct chunk *chunk, struct reader reader, size_t count,
                          struct sequence sequence, struct entry *entries)
{
    for (size_t i = 0; i < count; i++) {
        struct entry_fields fields;
        size_t record_bytes;
        size_t left = reader_left(&reader);
        const uint8_t *record = reader.at;
        int status = entry_decode(record, left, left, &fields, &record_bytes);
        if (status != 0) {
            return status;
        }
        if (!sequence_takes(&sequence, &fields)) {
            return QR_ERR_MALFORMED;
        }
        (void)read_bytes(&reader, record_bytes);
        entries[i] = (struct entry){
            .index = fields.index,
            .term = fields.term,
            .timestamp_ns = fields.timestamp_ns,
            .record = record,
            .chunk = chunk,
            .record_bytes = (uint32_t)record_bytes,
            .type = fields.type,
        };
    }
    return reader_left(&reader) == 0 ? 0 : QR_ERR_MALFORMED;
}

int wire_decode(struct chunk *chunk, const uint8_t *data, size_t frame_bytes, struct entry *entries,
                struct wire_message *out)
{
    ASSERT(data >= chunk->data);
    ASSERT(frame_bytes <= chunk->size_bytes - (size_t)(data - chunk->data));

    struct header header;
    if (frame_bytes < WIRE_HEADER_BYTES || header_decode(data, &header) != 0 ||
        header.frame_bytes != frame_bytes) {
        return QR_ERR_MALFORMED;
    }
    if (header.checksum !=
        crc32c(0, data + WIRE_CHECKED_FROM, header.head_bytes - WIRE_CHECKED_FROM)) {
        return QR_ERR_MALFORMED;
    }
    int status = head_decode(chunk, data, &header, out);
    if (status != 0 || wire_layout_of(header.type)->data != 0) {
        return status;
    }
    struct reader reader =
        reader_of(data + header.head_bytes, header.frame_bytes - header.head_bytes);
    status = entries_decode(chunk, reader, header.entry_count, sequence_of(out), entries);
    if (status != 0) {
        return status;
    }
    out->entries = header.entry_count > 0 ? entries : NULL;
    out->entry_count = header.entry_count;
    return 0;
}

bool wire_is_in_chunk(const struct wire_message *message)
{
    const struct raft_data *data = wire_data_in(wire_layout_of(message->type), message);
    return message->entry_count > 0 || (data != NULL && data->size_bytes > 0);
}
