/* packet_text.c: a SWIM message as one line for people, and as one JSON object. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "wire/packet_internal.h"

/* Ids below this are small numbers somebody gave; a random one never is. */
#define DECIMAL_ID_BELOW 1000

static void id_text(node_id id, struct text *text)
{
    if (id < DECIMAL_ID_BELOW) {
        text_u64(text, id);
    } else {
        text_hex(text, id, 16);
    }
}

static uint64_t number_of(const void *object, const struct packet_field *field)
{
    const void *at = packet_field_in(object, field);
    switch (field->kind) {
    case PACKET_KIND_U32:
        return *(const uint32_t *)at;
    case PACKET_KIND_U64:
    case PACKET_KIND_ID:
        return *(const uint64_t *)at;
    case PACKET_KIND_BOOL:
        return *(const bool *)at ? 1 : 0;
    case PACKET_KIND_U8:
    case PACKET_KIND_STATE:
    case PACKET_KIND_REASON:
        return *(const uint8_t *)at;
    case PACKET_KIND_CLUSTER:
    case PACKET_KIND_PROFILE:
        break;
    }
    return 0; /* not a number */
}

static void profile_text(const struct swim_blob *blob, struct text *text)
{
    struct swim_profile profile;
    if (blob->size_bytes > 0 && swim_profile_decode(*blob, &profile) == 0) {
        text_char(text, ' ');
        swim_profile_text(&profile, text);
    }
}

static void field_text(const void *object, const struct packet_field *field, struct text *text)
{
    if (field->kind == PACKET_KIND_PROFILE) {
        profile_text(packet_field_in(object, field), text);
        return;
    }
    uint64_t number = number_of(object, field);
    /* A digest says something only beside another. */
    if (number == 0 || (field->kind == PACKET_KIND_U64 &&
                        field->offset == offsetof(struct swim_message, digest))) {
        return;
    }
    text_char(text, ' ');
    text_string(text, field->name);
    text_char(text, '=');
    switch (field->kind) {
    case PACKET_KIND_ID:
        id_text(number, text);
        break;
    case PACKET_KIND_BOOL:
        text_string(text, "true");
        break;
    case PACKET_KIND_STATE:
        text_string(text, swim_state_name((enum swim_state)number));
        break;
    case PACKET_KIND_REASON:
        text_char(text, '"');
        text_string(text, swim_reason_text((enum swim_reason)number));
        text_char(text, '"');
        break;
    case PACKET_KIND_U64:
    default:
        text_u64(text, number);
        break;
    }
}

static void update_text(const struct swim_update *update, struct text *text)
{
    text_string(text, swim_state_name((enum swim_state)update->state));
    text_char(text, ' ');
    id_text(update->id, text);
    text_char(text, '@');
    text_u64(text, update->incarnation);
    for (size_t f = 0; f < packet_update()->field_count; f++) {
        const struct packet_field *field = &packet_update()->fields[f];
        if (field->offset != offsetof(struct swim_update, state) &&
            field->offset != offsetof(struct swim_update, id) &&
            field->offset != offsetof(struct swim_update, incarnation)) {
            field_text(update, field, text);
        }
    }
}

void wire_packet_text(const struct swim_message *message, struct text *text)
{
    const struct packet_layout *layout = packet_layout_of((uint8_t)message->type);
    ASSERT(layout != NULL);
    text_string(text, layout->name);
    text_char(text, ' ');
    id_text(message->from, text);
    text_string(text, "->");
    if (message->has_to) {
        id_text(message->to, text);
    } else {
        text_char(text, '?');
    }
    for (size_t f = 0; f < packet_envelope()->field_count; f++) {
        const struct packet_field *field = &packet_envelope()->fields[f];
        if (field->offset != offsetof(struct swim_message, from) &&
            field->offset != offsetof(struct swim_message, has_to) &&
            field->offset != offsetof(struct swim_message, to)) {
            field_text(message, field, text);
        }
    }
    for (size_t f = 0; f < layout->field_count; f++) {
        field_text(message, &layout->fields[f], text);
    }
    if (message->update_count == 0) {
        return;
    }
    text_string(text, " [");
    for (size_t i = 0; i < message->update_count; i++) {
        if (i > 0) {
            text_string(text, ", ");
        }
        update_text(&message->updates[i], text);
    }
    text_char(text, ']');
}

static void cluster_json(const struct cluster_id *cluster, struct text *text)
{
    char digits[33];
    struct text hex = text_of(digits, sizeof(digits));
    text_hex(&hex, cluster->high, 16);
    text_hex(&hex, cluster->low, 16);
    text_json_string(text, digits);
}

static void value_json(const void *object, const struct packet_field *field, struct text *text)
{
    const void *at = packet_field_in(object, field);
    uint64_t number = number_of(object, field);
    struct swim_profile profile;
    switch (field->kind) {
    case PACKET_KIND_U8:
    case PACKET_KIND_U32:
    case PACKET_KIND_U64:
        text_json_u64(text, number);
        break;
    case PACKET_KIND_ID:
        text_json_hex(text, number, 16);
        break;
    case PACKET_KIND_BOOL:
        text_json_bool(text, number == 1);
        break;
    case PACKET_KIND_STATE:
        text_json_string(text, swim_state_name((enum swim_state)number));
        break;
    case PACKET_KIND_REASON:
        text_json_string(text, swim_reason_text((enum swim_reason)number));
        break;
    case PACKET_KIND_CLUSTER:
        cluster_json(at, text);
        break;
    case PACKET_KIND_PROFILE:
        if (((const struct swim_blob *)at)->size_bytes > 0 &&
            swim_profile_decode(*(const struct swim_blob *)at, &profile) == 0) {
            swim_profile_json(&profile, text);
        } else {
            text_json_null(text);
        }
        break;
    }
}

static void fields_json(const void *object, const struct packet_layout *layout, struct text *text)
{
    for (size_t f = 0; f < layout->field_count; f++) {
        text_json_key(text, layout->fields[f].name);
        value_json(object, &layout->fields[f], text);
    }
}

void wire_packet_json(const struct swim_message *message, struct text *text)
{
    const struct packet_layout *layout = packet_layout_of((uint8_t)message->type);
    ASSERT(layout != NULL);
    text_json_object_begin(text);
    text_json_key(text, "type");
    text_json_string(text, layout->name);
    fields_json(message, packet_envelope(), text);
    fields_json(message, layout, text);
    text_json_key(text, "updates");
    text_json_array_begin(text);
    for (size_t i = 0; i < message->update_count; i++) {
        text_json_object_begin(text);
        fields_json(&message->updates[i], packet_update(), text);
        text_json_object_end(text);
    }
    text_json_array_end(text);
    text_json_object_end(text);
}
