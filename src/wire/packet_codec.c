/* packet_codec.c: a SWIM message as bytes, and back. Format: docs/wire-format.md, Packets.
 *
 * What is decoded comes from outside: it is checked, never asserted.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "quorate/error.h"
#include "wire/packet_internal.h"

static void field_encode(const void *object, const struct packet_field *field,
                         struct writer *writer)
{
    const void *at = packet_field_in(object, field);
    switch (field->kind) {
    case PACKET_KIND_STATE:
        ASSERT(*(const uint8_t *)at <= SWIM_LEFT);
        write_u8(writer, *(const uint8_t *)at);
        break;
    case PACKET_KIND_REASON:
        ASSERT(*(const uint8_t *)at <= SWIM_REASON_NAME_TAKEN);
        write_u8(writer, *(const uint8_t *)at);
        break;
    case PACKET_KIND_U8:
        write_u8(writer, *(const uint8_t *)at);
        break;
    case PACKET_KIND_BOOL:
        write_u8(writer, *(const bool *)at ? 1 : 0);
        break;
    case PACKET_KIND_U32:
        write_u32(writer, *(const uint32_t *)at);
        break;
    case PACKET_KIND_U64:
    case PACKET_KIND_ID:
        write_u64(writer, *(const uint64_t *)at);
        break;
    case PACKET_KIND_CLUSTER:
        write_u64(writer, ((const struct cluster_id *)at)->high);
        write_u64(writer, ((const struct cluster_id *)at)->low);
        break;
    case PACKET_KIND_PROFILE:
        ASSERT(((const struct swim_blob *)at)->size_bytes <= SWIM_PROFILE_BYTES_MAX);
        write_u16(writer, ((const struct swim_blob *)at)->size_bytes);
        write_bytes(writer, ((const struct swim_blob *)at)->bytes,
                    ((const struct swim_blob *)at)->size_bytes);
        break;
    }
}

static void fields_encode(const void *object, const struct packet_layout *layout,
                          struct writer *writer)
{
    for (size_t f = 0; f < layout->field_count; f++) {
        field_encode(object, &layout->fields[f], writer);
    }
}

size_t wire_packet_bytes(const struct swim_message *message)
{
    const struct packet_layout *layout = packet_layout_of((uint8_t)message->type);
    ASSERT(layout != NULL);
    size_t bytes = PACKET_HEADER_BYTES + packet_envelope()->bytes + layout->bytes;
    bytes += PACKET_COUNT_BYTES;
    ASSERT(bytes <= SWIM_HEAD_BYTES_MAX);
    for (size_t i = 0; i < message->update_count; i++) {
        bytes += swim_update_bytes(&message->updates[i]);
    }
    return bytes;
}

static uint32_t checksum(const uint8_t *data, size_t size_bytes)
{
    return crc32c(crc32c(0, data, PACKET_AT_CHECKSUM), data + PACKET_HEADER_BYTES,
                  size_bytes - PACKET_HEADER_BYTES);
}

size_t wire_packet_encode(const struct swim_message *message, uint8_t *out, size_t out_bytes)
{
    const struct packet_layout *layout = packet_layout_of((uint8_t)message->type);
    ASSERT(layout != NULL);
    ASSERT(message->update_count <= SWIM_UPDATES_MAX);

    struct writer writer = writer_of(out, out_bytes);
    write_bytes(&writer, "QS", PACKET_AT_VERSION);
    write_u8(&writer, SWIM_VERSION);
    write_u8(&writer, (uint8_t)message->type);
    write_u32(&writer, 0);
    fields_encode(message, packet_envelope(), &writer);
    fields_encode(message, layout, &writer);
    write_u16(&writer, (uint16_t)message->update_count);
    for (size_t i = 0; i < message->update_count; i++) {
        fields_encode(&message->updates[i], packet_update(), &writer);
    }
    if (writer.failed) {
        return 0;
    }
    size_t size_bytes = writer_used(&writer);
    ASSERT(size_bytes == wire_packet_bytes(message));
    store_u32(out + PACKET_AT_CHECKSUM, checksum(out, size_bytes));
    return size_bytes;
}

/* A byte that is at most `most`. */
static uint8_t byte_decode(struct reader *reader, uint8_t most)
{
    uint8_t value = read_u8(reader);
    reader->failed = reader->failed || value > most;
    return value;
}

static void profile_decode(struct reader *reader, struct swim_blob *out)
{
    uint16_t size_bytes = read_u16(reader);
    const uint8_t *bytes = read_bytes(reader, size_bytes);
    if (size_bytes == 0 || reader->failed) {
        return;
    }
    struct swim_profile profile;
    struct swim_blob blob = {.bytes = bytes, .size_bytes = size_bytes};
    if (size_bytes > SWIM_PROFILE_BYTES_MAX || swim_profile_decode(blob, &profile) != 0) {
        reader->failed = true;
        return;
    }
    *out = blob;
}

static void field_decode(struct reader *reader, const struct packet_field *field, void *object)
{
    void *at = (uint8_t *)object + field->offset;
    switch (field->kind) {
    case PACKET_KIND_STATE:
        *(uint8_t *)at = byte_decode(reader, SWIM_LEFT);
        break;
    case PACKET_KIND_REASON:
        *(uint8_t *)at = byte_decode(reader, SWIM_REASON_NAME_TAKEN);
        break;
    case PACKET_KIND_U8:
        *(uint8_t *)at = read_u8(reader);
        break;
    case PACKET_KIND_BOOL:
        *(bool *)at = byte_decode(reader, 1) == 1;
        break;
    case PACKET_KIND_U32:
        *(uint32_t *)at = read_u32(reader);
        break;
    case PACKET_KIND_U64:
    case PACKET_KIND_ID:
        *(uint64_t *)at = read_u64(reader);
        break;
    case PACKET_KIND_CLUSTER:
        ((struct cluster_id *)at)->high = read_u64(reader);
        ((struct cluster_id *)at)->low = read_u64(reader);
        break;
    case PACKET_KIND_PROFILE:
        profile_decode(reader, at);
        break;
    }
}

static void fields_decode(struct reader *reader, const struct packet_layout *layout, void *object)
{
    for (size_t f = 0; f < layout->field_count && !reader->failed; f++) {
        field_decode(reader, &layout->fields[f], object);
    }
}

int wire_packet_decode(const uint8_t *data, size_t size_bytes, struct swim_update *updates,
                       size_t updates_max, struct swim_message *out)
{
    if (size_bytes < PACKET_HEADER_BYTES || data[0] != 'Q' || data[1] != 'S' ||
        load_u32(data + PACKET_AT_CHECKSUM) != checksum(data, size_bytes)) {
        return QR_ERR_MALFORMED;
    }
    if (data[PACKET_AT_VERSION] != SWIM_VERSION) {
        return QR_ERR_VERSION;
    }
    const struct packet_layout *layout = packet_layout_of(data[PACKET_AT_TYPE]);
    if (layout == NULL) {
        return QR_ERR_MALFORMED;
    }
    struct reader reader = reader_of(data + PACKET_HEADER_BYTES, size_bytes - PACKET_HEADER_BYTES);
    memset(out, 0, sizeof(*out));
    out->type = (enum swim_message_type)data[PACKET_AT_TYPE];
    fields_decode(&reader, packet_envelope(), out);
    fields_decode(&reader, layout, out);
    size_t count = read_u16(&reader);
    if (reader.failed || count > updates_max) {
        return QR_ERR_MALFORMED;
    }
    for (size_t i = 0; i < count && !reader.failed; i++) {
        updates[i] = (struct swim_update){0};
        fields_decode(&reader, packet_update(), &updates[i]);
    }
    out->updates = count > 0 ? updates : NULL;
    out->update_count = count;
    bool is_whole = !reader.failed && reader_left(&reader) == 0;
    return is_whole && swim_message_is_coherent(out) ? 0 : QR_ERR_MALFORMED;
}
