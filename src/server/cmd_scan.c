/* cmd_scan.c: SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "server/internal.h"

#define COUNT_DEFAULT 10
#define COUNT_MAX 10000 /* a step holds up everybody else */

struct scan_options {
    uint64_t cursor;
    struct kv_argument pattern;
    uint64_t count;
    bool has_pattern;
    bool wants_none; /* TYPE asks for what is not kept here */
};

/* Returns NULL, or the error to reply. */
static const char *parse(const struct kv_argument *arguments, size_t count,
                         struct scan_options *out)
{
    *out = (struct scan_options){.count = COUNT_DEFAULT};
    if (!word_number(&arguments[1], &out->cursor)) {
        return "ERR invalid cursor";
    }
    for (size_t i = 2; i < count; i += 2) {
        if (count - i < 2) {
            return "ERR syntax error";
        }
        const struct kv_argument *value = &arguments[i + 1];
        if (word_is(&arguments[i], "MATCH")) {
            out->pattern = *value;
            out->has_pattern = true;
        } else if (word_is(&arguments[i], "COUNT")) {
            if (!word_number(value, &out->count)) {
                return "ERR value is not an integer or out of range";
            }
            if (out->count == 0) {
                return "ERR syntax error";
            }
        } else if (word_is(&arguments[i], "TYPE")) {
            out->wants_none = !word_is(value, "STRING");
        } else {
            return "ERR syntax error";
        }
    }
    out->count = min_u64(out->count, COUNT_MAX);
    return NULL;
}

struct step {
    struct kv_reply_sink sink; /* for the keys, while their number is not known yet */
    size_t key_count;
};

static void add_key(void *context, const void *key, size_t size_bytes)
{
    struct step *step = context;

    step->sink.bulk(step->sink.context, key, size_bytes);
    step->key_count++;
}

static void ignore_key(void *context, const void *key, size_t size_bytes)
{
    (void)context;
    (void)key;
    (void)size_bytes;
}

/* The cursor of the step that follows, 0 when there is none. False: memory ran out. */
static bool next_cursor(struct server *server, bool has_more, const struct kv_argument *last,
                        uint64_t *out)
{
    *out = has_more ? scan_table_put(&server->scans, last, server_random(server)) : 0;
    return !has_more || *out != 0;
}

static void serve_scan(struct client *client, const struct kv_argument *arguments, size_t count,
                       struct reply *reply)
{
    struct server *server = client->server;
    struct scan_options options;
    struct kv_argument after;
    struct kv_argument last = {NULL, 0};
    struct buffer keys = {0};
    struct reply to_keys = {&keys, reply->protocol};
    struct bounded_reply bounded = reply_bounded(&to_keys, server_reply_bytes_max(server));
    struct step step = {reply_bounded_sink(&bounded), 0};
    uint64_t cursor;

    const char *error = parse(arguments, count, &options);
    ASSERT(error == NULL);
    if (options.cursor != 0 && !scan_table_get(&server->scans, options.cursor, &after)) {
        reply_error(reply, "ERR invalid cursor");
        return;
    }
    bool has_more = kv_scan(server->options.kv, options.cursor == 0 ? NULL : &after, options.count,
                            options.has_pattern ? &options.pattern : NULL,
                            options.wants_none ? ignore_key : add_key, &step, &last);
    if (!next_cursor(server, has_more, &last, &cursor) || keys.failed) {
        reply_error(reply, "TRYAGAIN memory ran out; nothing was changed");
    } else if (bounded.is_over) {
        reply_error(reply, KV_REPLY_TOO_LONG);
    } else {
        char data[24];
        struct text number = text_of(data, sizeof(data));
        text_u64(&number, cursor);
        reply_array(reply, 2);
        reply_bulk(reply, number.data, number.length);
        reply_array(reply, step.key_count);
        buffer_append(reply->buffer, buffer_at(&keys), buffer_bytes(&keys));
    }
    buffer_free(&keys);
}

/* Cursors are this node's, so a scan never goes through the log. */
enum dispatch_outcome cmd_scan(struct client *client, const struct kv_argument *arguments,
                               size_t count)
{
    struct scan_options options;
    const char *error = parse(arguments, count, &options);

    if (error != NULL) {
        struct reply reply = pipeline_reply(client);
        reply_error(&reply, error);
        return DISPATCH_DONE;
    }
    if (client->pipeline.pending_write_count > 0) {
        return DISPATCH_HOLD;
    }
    const struct read_order order = {.read = client->read, .serve = serve_scan};
    pipeline_read_as(client, arguments, count, &order);
    return DISPATCH_DONE;
}
