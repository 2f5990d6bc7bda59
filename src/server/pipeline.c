/* pipeline.c: the unfinished commands of a client, and their replies in order.
 *
 * Owns     every request from its command to its reply. A request that the engine has when
 *          its client is closed is freed by the callback.
 * Order    writes are proposed at once, all in flight together. A read behind unfinished
 *          writes goes through the log too (dispatch.c); other reads wait for a barrier, and
 *          stale ones for their turn alone. A write never passes a read: dispatch.c holds it
 *          until the pipeline is empty.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "server/internal.h"

/* What a refused or failed write is answered. The text says whether anything happened. */
static const char *write_error(int status)
{
    switch (status) {
    case QR_ERR_NO_LEADER:
        return "CLUSTERDOWN no leader is known; not applied";
    case QR_ERR_BUSY:
        return "TRYAGAIN too many commands are waiting; not applied";
    case QR_ERR_SUPERSEDED:
    case QR_ERR_NOT_LEADER:
        return "TRYAGAIN leadership moved; not applied";
    case QR_ERR_DISK_FULL:
        return "READONLY the disk is full; not applied";
    case QR_ERR_DIVERGED:
        return "TRYAGAIN this node's state differs from the others'; ask another node; not applied";
    case QR_ERR_INVALID:
        return "ERR the command cannot be replicated; not applied";
    case QR_ERR_VERSION:
        return "TRYAGAIN a member is too old for this, or was not met yet; not applied";
    case QR_ERR_MISMATCH:
        return "ERR the token was used for another command; this one is not applied";
    case QR_ERR_SETTLED:
        return "NOTAPPLIED not applied, and never will be: OUTCOME was asked before it came";
    case QR_ERR_FORGOTTEN:
        return "FORGOTTEN applied before; its answer is no longer kept";
    case QR_ERR_EXPIRED:
        return "UNKNOWN nothing is known of it any more; not applied again";
    default:
        return qr_error_is_certain(status) ? "ERR the command was refused; not applied"
                                           : "TIMEOUT outcome unknown";
    }
}

/* What OUTCOME is answered instead of the command's own answer. */
static const char *outcome_error(int status)
{
    switch (status) {
    case QR_ERR_SETTLED:
        return "NOTAPPLIED not applied, and never will be";
    case QR_ERR_FORGOTTEN:
        return "FORGOTTEN applied; its answer is no longer kept";
    case QR_ERR_EXPIRED:
        return "UNKNOWN nothing is known of it any more";
    case QR_ERR_NO_LEADER:
        return "CLUSTERDOWN no leader is known; nothing was decided";
    case QR_ERR_VERSION:
        return "TRYAGAIN a member is too old for this, or was not met yet; nothing was decided";
    default:
        return qr_error_class_of(status) == QR_CLASS_RETRY
                   ? "TRYAGAIN too much is waiting, or leadership moved; nothing was decided"
                   : "TIMEOUT no answer in time; ask again";
    }
}

static const char *read_error(int status)
{
    switch (status) {
    case QR_ERR_NO_LEADER:
        return "CLUSTERDOWN no leader is known; nothing was changed";
    case QR_ERR_BUSY:
        return "TRYAGAIN too many commands are waiting; nothing was changed";
    case QR_ERR_SUPERSEDED:
    case QR_ERR_NOT_LEADER:
        return "TRYAGAIN leadership moved; nothing was changed";
    case QR_ERR_DIVERGED:
        return "TRYAGAIN this node's state differs from the others'; ask another node; nothing was "
               "changed";
    case QR_ERR_NO_MEMORY:
        return "TRYAGAIN memory ran out; nothing was changed";
    case QR_ERR_STOPPED:
        return "TRYAGAIN this node has stopped; nothing was changed";
    default:
        return "TIMEOUT no answer in time; nothing was changed";
    }
}

static void request_free(struct request *request)
{
    buffer_free(&request->reply);
    free(request);
}

/* A request at the end of the pipeline, with room for `argument_count` arguments and
 * `extra_bytes` behind them, or NULL.
 */
static struct request *request_open(struct client *client, size_t argument_count,
                                    size_t extra_bytes)
{
    struct pipeline *pipeline = &client->pipeline;
    size_t size_bytes =
        sizeof(struct request) + argument_count * sizeof(struct kv_argument) + extra_bytes;
    struct request *request = malloc(size_bytes);

    if (request == NULL) {
        return NULL;
    }
    memset(request, 0, sizeof(*request));
    request->client = client;
    request->protocol = client->protocol;
    request->size_bytes = size_bytes;
    if (pipeline->last == NULL) {
        pipeline->first = request;
    } else {
        pipeline->last->next = request;
    }
    pipeline->last = request;
    pipeline->count++;
    pipeline->size_bytes += size_bytes;
    return request;
}

/* A reply that waits for its turn holds memory, too. */
static void count_reply(struct pipeline *pipeline, struct request *request)
{
    uint64_t bytes = max_u64(request->reply.capacity, request->reply_bytes);
    uint64_t added_bytes = bytes - request->reply_bytes;

    request->reply_bytes = bytes;
    request->size_bytes += added_bytes;
    pipeline->size_bytes += added_bytes;
}

void pipeline_count_last(struct client *client)
{
    if (client->pipeline.last != NULL) {
        count_reply(&client->pipeline, client->pipeline.last);
    }
}

static struct request *pop_first(struct pipeline *pipeline)
{
    struct request *request = pipeline->first;

    ASSERT(pipeline->count > 0);
    ASSERT(pipeline->size_bytes >= request->size_bytes);
    pipeline->first = request->next;
    if (pipeline->first == NULL) {
        pipeline->last = NULL;
    }
    pipeline->count--;
    pipeline->size_bytes -= request->size_bytes;
    ASSERT_IMPLIES(pipeline->count == 0, pipeline->size_bytes == 0);
    return request;
}

/* Memory ran out for this client: it is closed at the end of the turn. */
static struct reply reply_to_nobody(struct client *client)
{
    client->output.failed = true;
    return (struct reply){&client->output, client->protocol};
}

struct reply pipeline_reply(struct client *client)
{
    turn_mark(client);
    if (client->pipeline.count == 0) {
        return (struct reply){&client->output, client->protocol};
    }
    struct request *request = request_open(client, 0, 0);
    if (request == NULL) {
        return reply_to_nobody(client);
    }
    request->state = REQUEST_READY;
    return (struct reply){&request->reply, client->protocol};
}

/* Where the reply of `request` goes now: straight out when its turn has come. */
struct reply pipeline_reply_of(struct request *request)
{
    struct client *client = request->client;

    request->state = REQUEST_READY;
    return (struct reply){
        .buffer = client->pipeline.first == request ? &client->output : &request->reply,
        .protocol = request->protocol,
    };
}

static void reply_too_large(const struct reply *reply, const struct server *server)
{
    char message[SERVER_ERROR_BYTES];
    struct text text = text_of(message, sizeof(message));

    text_string(&text, "ERR the command is larger than max-message-bytes, ");
    text_u64(&text, server->options.max_message_bytes);
    text_string(&text, "; not applied");
    reply_error(reply, message);
}

void pipeline_refuse_too_large(struct client *client)
{
    struct reply reply = pipeline_reply(client);

    reply_too_large(&reply, client->server);
}

static void reply_write_error(const struct reply *reply, const struct server *server, int status)
{
    if (status == QR_ERR_TOO_LARGE) {
        reply_too_large(reply, server);
    } else {
        reply_error(reply, write_error(status));
    }
}

static void reply_session(const struct reply *reply, uint64_t session)
{
    char name[64];
    struct text text = text_of(name, sizeof(name));

    once_session_name(&text, session);
    ASSERT(!text.truncated);
    reply_bulk(reply, text.data, text.length);
}

static void on_proposed(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct request *request = argument;
    struct client *client = request->client;

    if (client == NULL) {
        request_free(request);
        return;
    }
    ASSERT(request->state == REQUEST_PENDING);
    ASSERT(client->pipeline.pending_write_count > 0);
    client->pipeline.pending_write_count--;
    struct reply reply = pipeline_reply_of(request);
    if (status != 0 && request->is_question) {
        reply_error(&reply, outcome_error(status));
    } else if (status != 0) {
        reply_write_error(&reply, client->server, status);
    } else if (request->wants_session) {
        reply_session(&reply, qr_session_of(index));
    } else if (request->wants_index) {
        reply_integer(&reply, (int64_t)index);
    } else {
        struct kv_reply_sink sink = reply_sink(&reply);
        kv_result_replay(result->data, result->size_bytes, &sink);
    }
    pipeline_replied(client, request);
}

/* A request that goes through the log, or NULL. */
struct request *pipeline_open_write(struct client *client, size_t payload_bytes)
{
    struct request *request = request_open(client, 0, 0);

    if (request == NULL) {
        reply_to_nobody(client);
        turn_mark(client);
        return NULL;
    }
    request->is_write = true;
    request->size_bytes += payload_bytes;
    client->pipeline.size_bytes += payload_bytes;
    return request;
}

/* The engine has it, or has refused it. */
static void end_open(struct client *client, struct request *request, int error)
{
    if (error == 0) {
        client->pipeline.pending_write_count++;
        return;
    }
    struct reply reply = pipeline_reply_of(request);
    if (request->is_question) {
        reply_error(&reply, outcome_error(error));
    } else if (error == QR_ERR_STOPPED) {
        reply_error(&reply, "CLUSTERDOWN this node has stopped; not applied");
    } else {
        reply_write_error(&reply, client->server, error);
    }
    pipeline_advance(client);
    turn_mark(client);
}

void pipeline_propose(struct client *client, const struct qr_proposal *proposal, bool wants_index)
{
    struct request *request = pipeline_open_write(client, proposal->payload_bytes);

    if (request != NULL) {
        request->wants_index = wants_index;
        end_open(client, request,
                 qr_propose(client->server->options.engine, proposal, on_proposed, request));
    }
}

void pipeline_open_session(struct client *client, uint64_t timeout_ms)
{
    struct request *request = pipeline_open_write(client, 0);

    if (request != NULL) {
        request->wants_session = true;
        end_open(client, request,
                 qr_open_session(client->server->options.engine, timeout_ms, on_proposed, request));
    }
}

void pipeline_settle(struct client *client, struct qr_id id)
{
    struct request *request = pipeline_open_write(client, 0);

    if (request != NULL) {
        request->is_question = true;
        end_open(client, request,
                 qr_settle(client->server->options.engine, id, on_proposed, request));
    }
}

struct client *pipeline_write_ended(struct request *request)
{
    struct client *client = request->client;

    if (client == NULL) {
        request_free(request);
        return NULL;
    }
    ASSERT(client->pipeline.pending_write_count > 0);
    client->pipeline.pending_write_count--;
    return client;
}

void pipeline_replied(struct client *client, struct request *request)
{
    if (client->pipeline.first == request) {
        pipeline_advance(client);
    } else {
        count_reply(&client->pipeline, request);
    }
    turn_mark(client);
    client_check_output(client);
}

void pipeline_read(struct client *client, const struct kv_argument *arguments, size_t count,
                   read_serve *serve)
{
    const struct read_order order = {.serve = serve};

    pipeline_read_as(client, arguments, count, &order);
}

void pipeline_read_as(struct client *client, const struct kv_argument *arguments, size_t count,
                      const struct read_order *order)
{
    size_t extra_bytes = 0;

    for (size_t i = 0; i < count; i++) {
        extra_bytes += arguments[i].size_bytes;
    }
    struct request *request = request_open(client, count, extra_bytes);
    if (request == NULL) {
        reply_to_nobody(client);
        turn_mark(client);
        return;
    }
    uint8_t *bytes = (uint8_t *)&request->arguments[count];
    for (size_t i = 0; i < count; i++) {
        size_t size_bytes = arguments[i].size_bytes;
        request->arguments[i] = (struct kv_argument){bytes, size_bytes};
        if (size_bytes > 0) {
            memcpy(bytes, arguments[i].data, size_bytes);
        }
        bytes += size_bytes;
    }
    request->argument_count = count;
    request->serve = order->serve;
    request->read = order->read;
    request->wants_age = order->wants_age;
    client->pipeline.read_count++;
    if (order->read.kind != QR_READ_STALE) {
        turn_gather_read(client->server, request);
        return;
    }
    request->state = REQUEST_PASSED;
    if (client->pipeline.first == request) {
        pipeline_advance(client);
    }
    turn_mark(client);
}

void pipeline_read_done(struct request *request, int status)
{
    struct client *client = request->client;

    if (client == NULL) {
        request_free(request);
        return;
    }
    ASSERT(request->state == REQUEST_PENDING);
    if (status == 0) {
        request->state = REQUEST_PASSED;
    } else {
        struct reply reply = pipeline_reply_of(request);
        client->pipeline.read_count--;
        if (request->serve == cmd_watch_serve) {
            client->transaction.has_failed = true; /* what is not watched may have changed */
        }
        reply_error(&reply, read_error(status));
    }
    if (client->pipeline.first == request) {
        pipeline_advance(client);
    } else {
        count_reply(&client->pipeline, request);
    }
    turn_mark(client);
}

/* Append a reply that waited for its turn; a whole buffer changes hands where it can. */
static void emit(struct client *client, struct request *request)
{
    client->output.failed = client->output.failed || request->reply.failed;
    if (buffer_bytes(&client->output) == 0 && !client->output.failed) {
        struct buffer empty = client->output;
        client->output = request->reply;
        request->reply = empty;
        return;
    }
    buffer_append(&client->output, buffer_at(&request->reply), buffer_bytes(&request->reply));
}

void pipeline_advance(struct client *client)
{
    struct pipeline *pipeline = &client->pipeline;

    while (pipeline->first != NULL && pipeline->first->state != REQUEST_PENDING) {
        struct request *request = pipeline->first;
        if (request->state == REQUEST_PASSED) {
            if (client_is_behind(client)) {
                break;
            }
            struct reply reply = {&client->output, request->protocol};
            read_answer(request, &reply);
            pipeline->read_count--;
        } else if (buffer_bytes(&request->reply) > 0 || request->reply.failed) {
            emit(client, request);
        }
        request_free(pop_first(pipeline));
    }
}

void pipeline_drop(struct client *client)
{
    struct pipeline *pipeline = &client->pipeline;

    while (pipeline->first != NULL) {
        struct request *request = pop_first(pipeline);
        request->next = NULL;
        request->client = NULL;
        if (request->state != REQUEST_PENDING) {
            request_free(request);
        }
    }
    pipeline->pending_write_count = 0;
    pipeline->read_count = 0;
}
