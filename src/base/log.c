/* log.c: events for people, as text or JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/assert.h"

struct log_field log_u64(const char *key, uint64_t value)
{
    return (struct log_field){.key = key, .value = value};
}

struct log_field log_id(const char *key, node_id value)
{
    return (struct log_field){.key = key, .value = value, .is_hex = true};
}

struct log_field log_string(const char *key, const char *value)
{
    return (struct log_field){.key = key, .string = value == NULL ? "" : value};
}

void log_event_write(const struct log_sink *sink, enum log_level level, const char *name,
                     const struct log_field *fields, size_t field_count)
{
    ASSERT(field_count <= LOG_FIELDS_MAX);
    if (sink == NULL || sink->write == NULL || level < sink->level_min) {
        return;
    }
    struct log_event event = {.level = level, .name = name, .field_count = field_count};
    for (size_t i = 0; i < field_count; i++) {
        event.fields[i] = fields[i];
    }
    sink->write(sink->context, &event);
}

const char *log_level_name(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG:
        return "debug";
    case LOG_INFO:
        return "info";
    case LOG_WARN:
        return "warn";
    case LOG_ERROR:
        return "error";
    }
    return "?";
}

static size_t string_length(const char *string)
{
    size_t length = 0;
    while (string[length] != '\0' && length < LOG_STRING_BYTES_MAX) {
        length++;
    }
    return length;
}

/* A value without blanks or quotes needs no quotes around it. */
static bool is_plain(const char *string, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (string[i] <= ' ' || string[i] > '~' || string[i] == '"' || string[i] == '\\') {
            return false;
        }
    }
    return length > 0;
}

void log_event_text(const struct log_event *event, struct text *text)
{
    text_string(text, event->name);
    for (size_t i = 0; i < event->field_count; i++) {
        const struct log_field *field = &event->fields[i];
        text_char(text, ' ');
        text_string(text, field->key);
        text_char(text, '=');
        if (field->string == NULL && field->is_hex) {
            text_hex(text, field->value, 16);
        } else if (field->string == NULL) {
            text_u64(text, field->value);
        } else {
            size_t length = string_length(field->string);
            if (is_plain(field->string, length)) {
                text_bytes(text, field->string, length);
            } else {
                text_quoted(text, field->string, length);
            }
        }
    }
}

void log_event_json(const struct log_event *event, struct text *text)
{
    text_json_key(text, "event");
    text_json_string(text, event->name);
    for (size_t i = 0; i < event->field_count; i++) {
        const struct log_field *field = &event->fields[i];
        text_json_key(text, field->key);
        if (field->string == NULL && field->is_hex) {
            text_json_hex(text, field->value, 16);
        } else if (field->string == NULL) {
            text_json_u64(text, field->value);
        } else {
            text_json_bytes(text, field->string, string_length(field->string));
        }
    }
}
