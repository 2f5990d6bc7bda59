/* reply.c: the encoder of replies. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reply.h"

#include <string.h>

#include "base/assert.h"
#include "base/text.h"

/* A type byte, a number, a line end. */
static void append_header(const struct reply *reply, char type, int64_t number)
{
    char line[32];
    struct text text = text_of(line, sizeof(line));

    text_char(&text, type);
    text_i64(&text, number);
    text_string(&text, "\r\n");
    ASSERT(!text.truncated);
    buffer_append(reply->buffer, line, text.length);
}

/* A type byte, text without line ends, a line end. */
static void append_line(const struct reply *reply, char type, const char *string)
{
    size_t size_bytes = strlen(string);
    uint8_t *out = buffer_reserve(reply->buffer, size_bytes + 3);

    if (out == NULL) {
        return;
    }
    *out++ = (uint8_t)type;
    for (size_t i = 0; i < size_bytes; i++) {
        *out++ = string[i] == '\r' || string[i] == '\n' ? ' ' : (uint8_t)string[i];
    }
    *out++ = '\r';
    *out++ = '\n';
    reply->buffer->end += size_bytes + 3;
}

void reply_status(const struct reply *reply, const char *text)
{
    append_line(reply, '+', text);
}

void reply_error(const struct reply *reply, const char *text)
{
    append_line(reply, '-', text);
}

void reply_integer(const struct reply *reply, int64_t value)
{
    append_header(reply, ':', value);
}

void reply_bulk(const struct reply *reply, const void *data, size_t size_bytes)
{
    append_header(reply, '$', (int64_t)size_bytes);
    buffer_append(reply->buffer, data, size_bytes);
    buffer_append(reply->buffer, "\r\n", 2);
}

void reply_string(const struct reply *reply, const char *string)
{
    reply_bulk(reply, string, strlen(string));
}

void reply_null(const struct reply *reply)
{
    if (reply->protocol >= 3) {
        buffer_append(reply->buffer, "_\r\n", 3);
    } else {
        buffer_append(reply->buffer, "$-1\r\n", 5);
    }
}

void reply_null_array(const struct reply *reply)
{
    if (reply->protocol >= 3) {
        reply_null(reply);
    } else {
        buffer_append(reply->buffer, "*-1\r\n", 5);
    }
}

void reply_array(const struct reply *reply, size_t count)
{
    append_header(reply, '*', (int64_t)count);
}

void reply_map(const struct reply *reply, size_t count)
{
    if (reply->protocol >= 3) {
        append_header(reply, '%', (int64_t)count);
    } else {
        append_header(reply, '*', (int64_t)(count * 2));
    }
}

void reply_verbatim(const struct reply *reply, const char *data, size_t size_bytes)
{
    if (reply->protocol < 3) {
        reply_bulk(reply, data, size_bytes);
        return;
    }
    append_header(reply, '=', (int64_t)size_bytes + 4);
    buffer_append(reply->buffer, "txt:", 4);
    buffer_append(reply->buffer, data, size_bytes);
    buffer_append(reply->buffer, "\r\n", 2);
}

_Static_assert(offsetof(struct bounded_reply, reply) == 0, "a bounded reply is a reply");

static void sink_status(void *context, const char *text)
{
    reply_status(context, text);
}

static void sink_error(void *context, const char *text)
{
    reply_error(context, text);
}

static void sink_integer(void *context, int64_t value)
{
    reply_integer(context, value);
}

static void sink_bulk(void *context, const void *data, size_t size_bytes)
{
    reply_bulk(context, data, size_bytes);
}

static void sink_null(void *context)
{
    reply_null(context);
}

static void sink_array(void *context, size_t count)
{
    reply_array(context, count);
}

static void sink_null_array(void *context)
{
    reply_null_array(context);
}

struct kv_reply_sink reply_sink(struct reply *reply)
{
    return (struct kv_reply_sink){
        .context = reply,
        .status = sink_status,
        .error = sink_error,
        .integer = sink_integer,
        .bulk = sink_bulk,
        .null = sink_null,
        .array = sink_array,
        .null_array = sink_null_array,
    };
}

struct bounded_reply reply_bounded(const struct reply *reply, size_t bytes_max)
{
    return (struct bounded_reply){
        .reply = *reply, .begin_bytes = buffer_bytes(reply->buffer), .bytes_max = bytes_max};
}

static void sink_bounded_bulk(void *context, const void *data, size_t size_bytes)
{
    struct bounded_reply *bounded = context;
    size_t used_bytes = buffer_bytes(bounded->reply.buffer) - bounded->begin_bytes;

    bounded->is_over = bounded->is_over || used_bytes > bounded->bytes_max ||
                       size_bytes > bounded->bytes_max - used_bytes;
    if (!bounded->is_over) {
        reply_bulk(&bounded->reply, data, size_bytes);
    }
}

/* Only strings count: nothing else is longer than the argument that asked for it. */
struct kv_reply_sink reply_bounded_sink(struct bounded_reply *bounded)
{
    struct kv_reply_sink sink = reply_sink(&bounded->reply);

    /* The other functions take the same pointer for the reply that it begins with. */
    sink.context = bounded;
    sink.bulk = sink_bounded_bulk;
    return sink;
}

void reply_bounded_end(struct bounded_reply *bounded)
{
    struct buffer *buffer = bounded->reply.buffer;

    if (!bounded->is_over) {
        return;
    }
    buffer->end = buffer->start + bounded->begin_bytes;
    reply_error(&bounded->reply, KV_REPLY_TOO_LONG);
}
