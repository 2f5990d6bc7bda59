/* message_text.c: a message as one line for people. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/crc32c.h"
#include "wire/internal.h"
#include "wire/wire.h"

/* Ids below this are small numbers somebody gave; a random one never is. */
#define DECIMAL_ID_BELOW 1000
#define CHECKSUM_DIGITS 8

static void id_text(node_id id, struct text *text)
{
    if (id < DECIMAL_ID_BELOW) {
        text_u64(text, id);
    } else {
        text_hex(text, id, 16);
    }
}

static void position_text(const struct raft_position *position, struct text *text)
{
    text_u64(text, position->term);
    text_char(text, '/');
    text_u64(text, position->index);
}

static void cluster_text(const struct cluster_id *cluster, struct text *text)
{
    text_hex(text, cluster->high, 16);
    text_hex(text, cluster->low, 16);
}

/* How many bytes, and their checksum: what they are is for others to say. */
static void data_text(const struct raft_data *data, struct text *text)
{
    text_u64(text, data->size_bytes);
    text_char(text, ':');
    text_hex(text, crc32c(0, data->bytes, data->size_bytes), CHECKSUM_DIGITS);
}

/* Whether the field says nothing: zero, false or empty. */
static bool is_zero(const struct wire_message *message, const struct wire_field *field)
{
    const uint8_t *at = wire_field_in(message, field);
    if (field->kind == WIRE_KIND_DATA) {
        return ((const struct raft_data *)(const void *)at)->size_bytes == 0;
    }
    size_t size = field->kind == WIRE_KIND_STRING ? 1 : field->size;
    for (size_t i = 0; i < size; i++) {
        if (at[i] != 0) {
            return false;
        }
    }
    return true;
}

static void value_text(const struct wire_message *message, const struct wire_field *field,
                       struct text *text)
{
    const void *at = wire_field_in(message, field);
    switch (field->kind) {
    case WIRE_KIND_U64:
    case WIRE_KIND_U63:
        text_u64(text, *(const uint64_t *)at);
        break;
    case WIRE_KIND_ID:
        id_text(*(const node_id *)at, text);
        break;
    case WIRE_KIND_U32:
        text_u64(text, *(const uint32_t *)at);
        break;
    case WIRE_KIND_I32:
        text_i64(text, *(const int32_t *)at);
        break;
    case WIRE_KIND_ENUM_REASON:
        text_char(text, '"');
        text_string(text, raft_vote_reason_text(*(const uint32_t *)at));
        text_char(text, '"');
        break;
    case WIRE_KIND_BOOL:
    case WIRE_KIND_ASSUMED:
        text_string(text, *(const bool *)at ? "true" : "false");
        break;
    case WIRE_KIND_POSITION:
        position_text(at, text);
        break;
    case WIRE_KIND_CLUSTER:
        cluster_text(at, text);
        break;
    case WIRE_KIND_DATA:
        data_text(at, text);
        break;
    case WIRE_KIND_STRING:
        text_quoted(text, at, wire_string_length(at, field->size));
        break;
    }
}

static void field_text(const struct wire_message *message, const struct wire_field *field,
                       struct text *text)
{
    if (is_zero(message, field)) {
        return;
    }
    text_char(text, ' ');
    text_string(text, field->name);
    text_char(text, '=');
    value_text(message, field, text);
}

static void entries_text(const struct wire_message *message, struct text *text)
{
    if (message->entry_count == 0) {
        return;
    }
    text_string(text, " entries=[");
    for (size_t i = 0; i < message->entry_count; i++) {
        if (i > 0) {
            text_string(text, ", ");
        }
        entry_text(&message->entries[i], text);
    }
    text_char(text, ']');
}

void wire_message_text(const struct wire_message *message, struct text *text)
{
    const struct wire_layout *layout = wire_layout_of(message->type);
    ASSERT(layout != NULL);

    text_string(text, layout->name);
    size_t first = 0;
    if (wire_is_raft(message->type)) {
        text_char(text, ' ');
        id_text(message->raft.from, text);
        text_string(text, "->");
        id_text(message->raft.to, text);
        first = WIRE_ENVELOPE_IDS;
    }
    for (size_t f = first; f < layout->field_count; f++) {
        field_text(message, &layout->fields[f], text);
        if (layout->has_entries && layout->fields[f].offset == layout->entries_behind) {
            entries_text(message, text);
        }
    }
}
