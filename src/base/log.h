/* log.h: events for people, one a line, with named fields.
 *
 * Owns     the shape of an event. Whether it is text or JSON, where it goes and what time
 *          stands before it is the sink's affair; a sink never blocks.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/text.h"
#include "base/types.h"

#define LOG_FIELDS_MAX 12
#define LOG_STRING_BYTES_MAX 512

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
};

struct log_field {
    const char *key;    /* static */
    const char *string; /* NULL: `value` is meant */
    uint64_t value;
    bool is_hex; /* an id: 16 hexadecimal digits */
};

struct log_event {
    enum log_level level;
    const char *name; /* static, snake_case: "became_leader" */
    size_t field_count;
    struct log_field fields[LOG_FIELDS_MAX];
};

struct log_sink {
    void *context;
    enum log_level level_min; /* events below it are not made */
    /* The event and its strings are borrowed until return. Never blocks. */
    void (*write)(void *context, const struct log_event *event);
};

/* Makers of fields. Strings are borrowed until log_event_write() returns. */
struct log_field log_u64(const char *key, uint64_t value);
struct log_field log_id(const char *key, node_id value);
struct log_field log_string(const char *key, const char *value);

/* Hand one event to `sink`; nothing when it is NULL or the level too low. */
void log_event_write(const struct log_sink *sink, enum log_level level, const char *name,
                     const struct log_field *fields, size_t field_count);

/* LOG(sink, LOG_INFO, "became_leader", log_u64("term", 7), log_id("node", id)); */
#define LOG(sink, level, name, ...)                                                                \
    log_event_write(sink, level, name, (const struct log_field[]){__VA_ARGS__},                    \
                    sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

const char *log_level_name(enum log_level level);

/* The event as `name key=value …` or as members of a JSON object, without time or level. */
void log_event_text(const struct log_event *event, struct text *text);
void log_event_json(const struct log_event *event, struct text *text);

#endif
