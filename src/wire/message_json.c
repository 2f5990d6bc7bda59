/* message_json.c: a message as one JSON object. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/crc32c.h"
#include "wire/internal.h"
#include "wire/wire.h"

#define CLUSTER_DIGITS 32
#define CHECKSUM_DIGITS 8

static void position_json(const struct raft_position *position, struct text *text)
{
    text_json_object_begin(text);
    text_json_key(text, "term");
    text_json_u64(text, position->term);
    text_json_key(text, "index");
    text_json_u64(text, position->index);
    text_json_object_end(text);
}

static void cluster_json(const struct cluster_id *cluster, struct text *text)
{
    char digits[CLUSTER_DIGITS + 1];
    struct text hex = text_of(digits, sizeof(digits));
    text_hex(&hex, cluster->high, CLUSTER_DIGITS / 2);
    text_hex(&hex, cluster->low, CLUSTER_DIGITS / 2);
    text_json_string(text, digits);
}

static void data_json(const struct raft_data *data, struct text *text)
{
    text_json_object_begin(text);
    text_json_key(text, "bytes");
    text_json_u64(text, data->size_bytes);
    text_json_key(text, "crc32c");
    text_json_hex(text, crc32c(0, data->bytes, data->size_bytes), CHECKSUM_DIGITS);
    text_json_object_end(text);
}

static void value_json(const struct wire_message *message, const struct wire_field *field,
                       struct text *text)
{
    const void *at = wire_field_in(message, field);
    switch (field->kind) {
    case WIRE_KIND_U64:
    case WIRE_KIND_U63:
        text_json_u64(text, *(const uint64_t *)at);
        break;
    case WIRE_KIND_ID:
        text_json_hex(text, *(const node_id *)at, 16);
        break;
    case WIRE_KIND_U32:
        text_json_u64(text, *(const uint32_t *)at);
        break;
    case WIRE_KIND_I32:
        text_json_i64(text, *(const int32_t *)at);
        break;
    case WIRE_KIND_ENUM_REASON:
        text_json_string(text, raft_vote_reason_text(*(const uint32_t *)at));
        break;
    case WIRE_KIND_BOOL:
    case WIRE_KIND_ASSUMED:
        text_json_bool(text, *(const bool *)at);
        break;
    case WIRE_KIND_POSITION:
        position_json(at, text);
        break;
    case WIRE_KIND_CLUSTER:
        cluster_json(at, text);
        break;
    case WIRE_KIND_DATA:
        data_json(at, text);
        break;
    case WIRE_KIND_STRING:
        text_json_bytes(text, at, wire_string_length(at, field->size));
        break;
    }
}

void wire_message_json(const struct wire_message *message, struct text *text)
{
    const struct wire_layout *layout = wire_layout_of(message->type);
    ASSERT(layout != NULL);

    text_json_object_begin(text);
    text_json_key(text, "type");
    text_json_string(text, layout->name);
    for (size_t f = 0; f < layout->field_count; f++) {
        text_json_key(text, layout->fields[f].name);
        value_json(message, &layout->fields[f], text);
    }
    if (layout->has_entries) {
        text_json_key(text, "entries");
        text_json_array_begin(text);
        for (size_t i = 0; i < message->entry_count; i++) {
            entry_json(&message->entries[i], text);
        }
        text_json_array_end(text);
    }
    text_json_object_end(text);
}
