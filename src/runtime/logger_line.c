/* logger_line.c: an event as a line of text or JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "base/assert.h"
#include "runtime/logger.h"

#define NS_PER_US 1000
#define US_DIGITS 6
#define TIME_BYTES 40

static void padded(struct text *text, uint64_t value, unsigned digits)
{
    uint64_t least = 1;
    for (unsigned i = 1; i < digits; i++) {
        least *= 10;
    }
    for (; least > 1 && value < least; least /= 10) {
        text_char(text, '0');
    }
    text_u64(text, value);
}

/* RFC 3339 in UTC with microseconds. */
static void put_time(struct text *text, time_ns wall_ns)
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm tm = {0};
    const struct tm *converted = gmtime_r(&seconds, &tm);
    ASSERT(converted != NULL);
    padded(text, (uint64_t)tm.tm_year + 1900, 4);
    text_char(text, '-');
    padded(text, (uint64_t)tm.tm_mon + 1, 2);
    text_char(text, '-');
    padded(text, (uint64_t)tm.tm_mday, 2);
    text_char(text, 'T');
    padded(text, (uint64_t)tm.tm_hour, 2);
    text_char(text, ':');
    padded(text, (uint64_t)tm.tm_min, 2);
    text_char(text, ':');
    padded(text, (uint64_t)tm.tm_sec, 2);
    text_char(text, '.');
    padded(text, wall_ns % NS_PER_S / NS_PER_US, US_DIGITS);
    text_char(text, 'Z');
}

static void json_line(struct text *text, time_ns wall_ns, const struct log_event *event)
{
    char time[TIME_BYTES];
    struct text time_text = text_of(time, sizeof(time));
    put_time(&time_text, wall_ns);
    text_json_object_begin(text);
    text_json_key(text, "time");
    text_json_string(text, time);
    text_json_key(text, "level");
    text_json_string(text, log_level_name(event->level));
    log_event_json(event, text);
    text_json_object_end(text);
}

size_t logger_line(enum qr_log_format format, time_ns wall_ns, const struct log_event *event,
                   char *out)
{
    /* One byte is kept for the newline. */
    struct text text = text_of(out, LOGGER_LINE_BYTES_MAX - 1);
    if (format == QR_LOG_JSON) {
        json_line(&text, wall_ns, event);
        if (text.truncated) {
            struct log_event shorter = {.level = event->level, .name = event->name};
            text = text_of(out, LOGGER_LINE_BYTES_MAX - 1);
            json_line(&text, wall_ns, &shorter);
        }
    } else {
        put_time(&text, wall_ns);
        text_char(&text, ' ');
        text_string(&text, log_level_name(event->level));
        text_char(&text, ' ');
        log_event_text(event, &text);
    }
    out[text.length] = '\n';
    return text.length + 1;
}
