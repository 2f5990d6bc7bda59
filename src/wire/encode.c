/* encode.c: a message as a frame of parts. Format: docs/wire-format.md. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/wire.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "wire/internal.h"

_Static_assert(offsetof(struct wire_frame, head) % sizeof(void *) == 0, "parts are aligned");
_Static_assert(WIRE_ALIGN_BYTES % sizeof(void *) == 0, "parts stand behind the head");
_Static_assert(WIRE_ALIGN_BYTES == ENTRY_ALIGN_BYTES, "records keep a frame's alignment");

/* Its size and checksum; the bytes themselves follow the head. */
static void data_encode(const struct raft_data *data, struct writer *writer)
{
    ASSERT(data->size_bytes <= RAFT_DATA_BYTES_MAX);
    write_u32(writer, data->size_bytes);
    write_u32(writer, crc32c(0, data->bytes, data->size_bytes));
}

static void field_encode(const struct wire_message *message, const struct wire_field *field,
                         struct writer *writer)
{
    const void *at = wire_field_in(message, field);
    switch (field->kind) {
    case WIRE_KIND_U64:
    case WIRE_KIND_ID:
        write_u64(writer, *(const uint64_t *)at);
        break;
    case WIRE_KIND_U63:
        ASSERT(*(const uint64_t *)at <= INT64_MAX);
        write_u64(writer, *(const uint64_t *)at);
        break;
    case WIRE_KIND_ASSUMED:
        if (!*(const bool *)at) {
            writer->at[-1] |= WIRE_DENIED;
        }
        break;
    case WIRE_KIND_ENUM_REASON:
        ASSERT(wire_reason_is_known(*(const uint32_t *)at));
        write_u32(writer, *(const uint32_t *)at);
        break;
    case WIRE_KIND_U32:
        write_u32(writer, *(const uint32_t *)at);
        break;
    case WIRE_KIND_I32:
        write_u32(writer, (uint32_t) * (const int32_t *)at);
        break;
    case WIRE_KIND_BOOL:
        write_u8(writer, *(const bool *)at ? 1 : 0);
        break;
    case WIRE_KIND_POSITION:
        write_u64(writer, ((const struct raft_position *)at)->term);
        write_u64(writer, ((const struct raft_position *)at)->index);
        break;
    case WIRE_KIND_CLUSTER:
        write_u64(writer, ((const struct cluster_id *)at)->high);
        write_u64(writer, ((const struct cluster_id *)at)->low);
        break;
    case WIRE_KIND_DATA:
        data_encode(at, writer);
        break;
    case WIRE_KIND_STRING:
        ASSERT(wire_string_length(at, field->size) <= UINT8_MAX);
        write_string8(writer, at);
        break;
    }
}

/* Write the header's room and the fields, padded; returns head_bytes. */
static size_t fields_encode(const struct wire_layout *layout, const struct wire_message *message,
                            uint8_t *head)
{
    memset(head, 0, WIRE_HEAD_BYTES_MAX);
    struct writer writer = writer_of(head, WIRE_HEAD_BYTES_MAX);
    ASSERT(layout->head_bytes_max <= WIRE_HEAD_BYTES_MAX);
    for (size_t i = 0; i < WIRE_HEADER_BYTES; i++) {
        write_u8(&writer, 0);
    }
    for (size_t f = 0; f < layout->field_count; f++) {
        field_encode(message, &layout->fields[f], &writer);
    }
    ASSERT(!writer.failed);
    ASSERT(writer_used(&writer) <= layout->head_bytes_max);
    return wire_align(writer_used(&writer));
}

static void header_encode(uint8_t *head, size_t head_bytes, size_t frame_bytes,
                          const struct wire_message *message)
{
    ASSERT(frame_bytes <= UINT32_MAX);
    store_u32(head + WIRE_AT_FRAME_BYTES, (uint32_t)frame_bytes);
    head[WIRE_AT_TYPE] = message->type;
    store_u32(head + WIRE_AT_HEAD_BYTES, (uint32_t)head_bytes);
    store_u32(head + WIRE_AT_ENTRY_COUNT, (uint32_t)message->entry_count);
    store_u32(head + WIRE_AT_CHECKSUM,
              crc32c(0, head + WIRE_CHECKED_FROM, head_bytes - WIRE_CHECKED_FROM));
}

/* Whether the record of `entry` stands directly behind the one before it in memory. */
static bool is_adjacent(const struct entry *entry)
{
    const struct entry *before = entry - 1;
    return before->chunk == entry->chunk && before->record + before->record_bytes == entry->record;
}

/* How many parts the entries make, and how many bytes. */
static size_t runs_count(const struct wire_message *message, size_t *size_bytes)
{
    size_t count = 0;
    *size_bytes = 0;
    for (size_t i = 0; i < message->entry_count; i++) {
        ASSERT(message->entries[i].record_bytes % ENTRY_ALIGN_BYTES == 0);
        count += i == 0 || !is_adjacent(&message->entries[i]);
        *size_bytes += message->entries[i].record_bytes;
    }
    return count;
}

static const uint8_t zeros[WIRE_ALIGN_BYTES];

/* The message's data in its place, and zeros behind it up to a multiple of 8. */
static size_t data_parts_fill(struct wire_frame *frame, const struct raft_data *data)
{
    size_t padding = wire_align(data->size_bytes) - data->size_bytes;
    frame->parts[1] = (struct wire_part){data->bytes, data->size_bytes};
    frame->chunks[1] = chunk_hold(data->chunk);
    if (padding == 0) {
        return 1;
    }
    frame->parts[2] = (struct wire_part){zeros, padding};
    frame->chunks[2] = NULL;
    return 2;
}

static void parts_fill(struct wire_frame *frame, const struct wire_message *message,
                       const struct raft_data *data, size_t head_bytes)
{
    frame->parts[0] = (struct wire_part){frame->head, head_bytes};
    frame->chunks[0] = NULL;
    size_t part = data != NULL ? data_parts_fill(frame, data) : 0;
    for (size_t i = 0; i < message->entry_count; i++) {
        const struct entry *entry = &message->entries[i];
        if (i > 0 && is_adjacent(entry)) {
            frame->parts[part].size_bytes += entry->record_bytes;
            continue;
        }
        part++;
        frame->parts[part] = (struct wire_part){entry->record, entry->record_bytes};
        frame->chunks[part] = chunk_hold(entry->chunk);
    }
    ASSERT(part + 1 == frame->part_count);
}

struct wire_frame *wire_encode(const struct allocator *allocator,
                               const struct wire_message *message)
{
    const struct wire_layout *layout = wire_layout_of(message->type);
    ASSERT(layout != NULL);
    ASSERT_IMPLIES(message->entry_count > 0, layout->has_entries);
    ASSERT(message->entry_count <= WIRE_ENTRIES_MAX);

    uint8_t head[WIRE_HEAD_BYTES_MAX];
    size_t behind_bytes;
    size_t head_bytes = fields_encode(layout, message, head);
    size_t part_count = 1 + runs_count(message, &behind_bytes);
    const struct raft_data *data = wire_data_in(layout, message);
    if (data != NULL && data->size_bytes > 0) {
        ASSERT(message->entry_count == 0);
        ASSERT(data->size_bytes <= layout->data_bytes_max);
        behind_bytes = wire_align(data->size_bytes);
        part_count += behind_bytes == data->size_bytes ? 1 : 2;
    } else {
        data = NULL;
    }
    header_encode(head, head_bytes, head_bytes + behind_bytes, message);

    size_t allocated_bytes = offsetof(struct wire_frame, head) + head_bytes +
                             part_count * (sizeof(struct wire_part) + sizeof(struct chunk *));
    struct wire_frame *frame = allocate(allocator, allocated_bytes);
    if (frame == NULL) {
        return NULL;
    }
    *frame = (struct wire_frame){
        .allocator = allocator,
        .frame_bytes = head_bytes + behind_bytes,
        .allocated_bytes = allocated_bytes,
        .part_count = part_count,
    };
    memcpy(frame->head, head, head_bytes);
    void *behind = frame->head + head_bytes;
    frame->parts = behind;
    frame->chunks = (void *)(frame->parts + part_count);
    parts_fill(frame, message, data, head_bytes);
    return frame;
}

void wire_frame_free(struct wire_frame *frame)
{
    if (frame == NULL) {
        return;
    }
    for (size_t p = 0; p < frame->part_count; p++) {
        chunk_drop(frame->chunks[p]);
    }
    release(frame->allocator, frame, frame->allocated_bytes);
}
