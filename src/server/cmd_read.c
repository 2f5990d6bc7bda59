/* cmd_read.c: which kind of read a client wants, and how old a stale one is: docs/reads.md.
 *
 *   QUORATE.READ [CONFIGURED | LINEARIZABLE | LEASE | STALE [milliseconds]]
 *       of this connection, from here on; without a kind: what it is now.
 *   QUORATE.STALE milliseconds|ANY command ...
 *       one stale read, whatever the connection's kind is: its age, and the command's reply.
 *   QUORATE.AGE
 *       of what is applied here now, in milliseconds; null when it is not known.
 *
 * A stale read is judged at the moment it is served, in its turn, so that no time passes
 * between its age and its data.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "server/internal.h"

#define AGE_MS_MAX UINT64_C(1000000000)

static void reply_age(const struct reply *reply, uint64_t age_ms)
{
    if (age_ms == QR_AGE_UNKNOWN) {
        reply_null(reply);
    } else {
        reply_integer(reply, (int64_t)age_ms);
    }
}

/* "STALE what is applied here may be 812 ms old, and at most 100 ms were asked for; nothing was
 * changed"
 */
static void reply_too_old(struct server *server, uint64_t age_ms_max, const struct reply *reply)
{
    char message[SERVER_ERROR_BYTES];
    struct text text = text_of(message, sizeof(message));
    uint64_t age_ms = server_status(server)->age_ms;

    text_string(&text, "STALE ");
    if (age_ms == QR_AGE_UNKNOWN) {
        text_string(&text, "how old it is, what is applied here, is not known");
    } else {
        text_string(&text, "what is applied here may be ");
        text_u64(&text, age_ms);
        text_string(&text, " ms old");
    }
    text_string(&text, ", and at most ");
    text_u64(&text, age_ms_max);
    text_string(&text, " ms were asked for; nothing was changed");
    reply_error(reply, message);
}

static void reply_refused(const struct request *request, int status, const struct reply *reply)
{
    switch (status) {
    case QR_ERR_STALE:
        reply_too_old(request->client->server, request->read.age_ms_max, reply);
        break;
    case QR_ERR_BUSY:
        reply_error(reply, "TRYAGAIN this node is taking over a snapshot; nothing was changed");
        break;
    case QR_ERR_NO_LEADER:
        reply_error(reply, "CLUSTERDOWN this node is in no cluster yet; nothing was changed");
        break;
    case QR_ERR_DIVERGED:
        reply_error(reply, "TRYAGAIN this node's state differs from the others'; ask another node; "
                           "nothing was changed");
        break;
    default:
        reply_error(reply, "TRYAGAIN this node has stopped; nothing was changed");
        break;
    }
}

void read_answer(struct request *request, struct reply *reply)
{
    struct client *client = request->client;
    uint64_t age_ms = QR_AGE_UNKNOWN;

    if (request->read.kind == QR_READ_STALE) {
        int status = qr_read_age(client->server->options.engine, request->read.age_ms_max, &age_ms);
        if (status != 0) {
            reply_refused(request, status, reply);
            return;
        }
    }
    if (request->wants_age) {
        reply_array(reply, 2);
        reply_age(reply, age_ms);
    }
    request->serve(client, request->arguments, request->argument_count, reply);
}

static enum dispatch_outcome answer_error(struct client *client, const char *error)
{
    struct reply reply = pipeline_reply(client);

    reply_error(&reply, error);
    return DISPATCH_DONE;
}

/* "stale", or "stale 100" */
static enum dispatch_outcome answer_kind(struct client *client)
{
    char data[64];
    struct text text = text_of(data, sizeof(data));
    struct reply reply = pipeline_reply(client);

    text_string(&text, qr_read_kind_name(client->read.kind));
    if (client->read.kind == QR_READ_STALE && client->read.age_ms_max != QR_AGE_ANY) {
        text_char(&text, ' ');
        text_u64(&text, client->read.age_ms_max);
    }
    reply_bulk(&reply, text.data, text.length);
    return DISPATCH_DONE;
}

static bool parse_age(const struct kv_argument *argument, uint64_t *age_ms)
{
    return word_number(argument, age_ms) && *age_ms <= AGE_MS_MAX;
}

enum dispatch_outcome cmd_quorate_read(struct client *client, const struct kv_argument *arguments,
                                       size_t count)
{
    static const char *const words[] = {"CONFIGURED", "LINEARIZABLE", "LEASE", "STALE"};
    struct qr_read_options read = {.size_bytes = sizeof(read), .age_ms_max = QR_AGE_ANY};
    unsigned kind = 0;

    if (count == 1) {
        return answer_kind(client);
    }
    while (kind <= QR_READ_STALE && !word_is(&arguments[1], words[kind])) {
        kind++;
    }
    if (kind > QR_READ_STALE || count > (kind == QR_READ_STALE ? 3 : 2)) {
        return answer_error(client, "ERR syntax error");
    }
    if (count == 3 && !parse_age(&arguments[2], &read.age_ms_max)) {
        return answer_error(client, "ERR the age is not a number of milliseconds, or too large");
    }
    read.kind = (enum qr_read_kind)kind;
    client->read = kind == QR_READ_CONFIGURED ? client->server->options.read : read;
    struct reply reply = pipeline_reply(client);
    reply_status(&reply, "OK");
    return DISPATCH_DONE;
}

enum dispatch_outcome cmd_quorate_stale(struct client *client, const struct kv_argument *arguments,
                                        size_t count)
{
    struct read_order order = {
        .read = {.kind = QR_READ_STALE, .age_ms_max = QR_AGE_ANY},
        .wants_age = true,
        .serve = dispatch_serve_kv,
    };
    const char *error = NULL;

    ASSERT(count >= 3);
    if (!word_is(&arguments[1], "ANY") && !parse_age(&arguments[1], &order.read.age_ms_max)) {
        return answer_error(client, "ERR the age is not a number of milliseconds, or too large");
    }
    const struct kv_command *command = kv_command_find(arguments[2].data, arguments[2].size_bytes);
    if (command == NULL || (command->flags & KV_WRITE) != 0) {
        return answer_error(client, "ERR only a command of the store that reads can be stale");
    }
    if (!kv_check(arguments + 2, count - 2, &error)) {
        return answer_error(client, error);
    }
    pipeline_read_as(client, arguments + 2, count - 2, &order);
    return DISPATCH_DONE;
}

static void serve_age(struct client *client, const struct kv_argument *arguments, size_t count,
                      struct reply *reply)
{
    (void)arguments;
    (void)count;
    reply_age(reply, server_status(client->server)->age_ms);
}

enum dispatch_outcome cmd_quorate_age(struct client *client, const struct kv_argument *arguments,
                                      size_t count)
{
    const struct read_order order = {
        .read = {.kind = QR_READ_STALE, .age_ms_max = QR_AGE_ANY},
        .serve = serve_age,
    };

    pipeline_read_as(client, arguments, count, &order);
    return DISPATCH_DONE;
}
