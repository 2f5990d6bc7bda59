/* client.c: the life of a Redis connection, and the bytes that come from it.
 *
 * Owns     a struct client from accept to the close callback. An idle one costs its struct
 *          alone: bytes are read into a buffer that all share, and only a command that is
 *          not whole, or may not be taken yet, is copied.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/assert.h"
#include "server/internal.h"

static void client_free(struct client *client)
{
    resp_parser_deinit(&client->parser);
    buffer_free(&client->input);
    buffer_free(&client->output);
    buffer_free(&client->writing);
    transaction_clear(&client->transaction);
    for (size_t i = 0; i < CLIENT_TEXTS; i++) {
        free(client->texts[i]);
    }
    free(client);
}

static void on_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    struct server *server = client->server;

    client_free(client);
    server_handle_closed(server);
}

void client_close(struct client *client)
{
    struct server *server = client->server;

    if (client->is_closing) {
        return;
    }
    tail_stop(client);
    turn_unmark(client);
    client->is_closing = true;
    backup_stop(client);
    pipeline_drop(client);

    ASSERT(server->clients[client->position] == client);
    struct client *last = server->clients[--server->client_count];
    server->clients[client->position] = last;
    last->position = client->position;
    uv_close((uv_handle_t *)&client->handle, on_closed);
}

/* A limit is reached, or was and the pipeline is not half empty yet. */
static bool is_full(struct client *client)
{
    const struct server_options *options = &client->server->options;
    const struct pipeline *pipeline = &client->pipeline;

    pipeline_count_last(client);
    uint32_t divisor = client->is_full ? 2 : 1;

    client->is_full = pipeline->count >= options->pipeline_commands_max / divisor ||
                      pipeline->size_bytes >= options->pipeline_bytes_max / divisor;
    client->is_full = client->is_full && pipeline->count > 0;
    return client->is_full;
}

bool client_may_take_command(struct client *client)
{
    if (client->is_closing || client->is_ending) {
        return false;
    }
    if (client->waits_for_empty && client->pipeline.count > 0) {
        return false;
    }
    client->waits_for_empty = false;
    return !is_full(client) && !client_is_behind(client);
}

/* Answer with an error after which the stream makes no sense. */
static void refuse_stream(struct client *client, const char *error)
{
    struct server *server = client->server;

    struct reply reply = pipeline_reply(client);
    reply_error(&reply, error);
    if (server_may_log(server, SERVER_LOG_PROTOCOL)) {
        char address[QR_ADDRESS_BYTES_MAX];
        listen_peer_text(&client->handle, address, sizeof(address));
        qr_log(server->options.logger, QR_LOG_WARN, "client_protocol_error", "address", address,
               "error", error, NULL);
    }
    client_end(client);
}

/* A browser that was lured to this port would send commands in the body of a request. */
static bool is_http(const struct resp_parser *parser, uint8_t first_byte)
{
    return first_byte != '*' && parser->argument_count > 0 &&
           (word_is(&parser->arguments[0], "POST") || word_is(&parser->arguments[0], "HOST:"));
}

/* Take one command off `data`. Returns false when no further one can be taken now. */
static bool take_command(struct client *client, const uint8_t *data, size_t size_bytes,
                         size_t *consumed)
{
    struct resp_parser *parser = &client->parser;

    switch (resp_parse(parser, data, size_bytes, consumed)) {
    case RESP_MORE:
        return false;
    case RESP_COMMAND:
        if (is_http(parser, data[0])) {
            refuse_stream(client, "ERR this port speaks the Redis protocol, not HTTP");
            return false;
        }
        if (parser->argument_count > 0 &&
            dispatch(client, parser->arguments, parser->argument_count) == DISPATCH_HOLD) {
            ASSERT(client->pipeline.count > 0);
            client->waits_for_empty = true;
            *consumed = 0;
            return false;
        }
        return true;
    case RESP_TOO_LARGE:
        pipeline_refuse_too_large(client);
        return true;
    case RESP_ERROR:
        refuse_stream(client, parser->error);
        return false;
    case RESP_NO_MEMORY:
        refuse_stream(client, "ERR memory ran out while the command was read; not applied");
        return false;
    }
    return false;
}

/* Take commands as long as limits allow. Returns how many bytes are done with. */
static size_t take_commands(struct client *client, const uint8_t *data, size_t size_bytes)
{
    size_t taken = 0;
    bool goes_on = true;

    while (goes_on && taken < size_bytes && client_may_take_command(client)) {
        size_t consumed = 0;
        goes_on = take_command(client, data + taken, size_bytes - taken, &consumed);
        taken += consumed;
    }
    return client->is_closing || client->is_ending ? size_bytes : taken;
}

static void on_allocate(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *out)
{
    struct client *client = handle->data;

    (void)suggested_bytes;
    *out = uv_buf_init((char *)client->server->receive, SERVER_RECEIVE_BYTES);
}

/* Give an idle client's memory back. */
static void release_idle(struct client *client)
{
    if (client->input.data != NULL && buffer_bytes(&client->input) == 0) {
        buffer_free(&client->input);
    }
    if (resp_parser_is_between(&client->parser) && client->parser.arguments != NULL &&
        buffer_bytes(&client->input) == 0) {
        resp_parser_deinit(&client->parser);
    }
}

/* Bytes arrived while the input was empty, as is usual: they are parsed where they are. */
static void take_from_shared(struct client *client, const uint8_t *data, size_t size_bytes)
{
    size_t taken = take_commands(client, data, size_bytes);

    if (taken < size_bytes) {
        buffer_append(&client->input, data + taken, size_bytes - taken);
    }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct client *client = stream->data;

    if (count < 0) {
        if (count == UV_EOF && !client->is_lingering) {
            client_end(client);
        } else {
            client_close(client);
        }
        return;
    }
    client->server->stats.received_bytes += (uint64_t)count;
    if (client->is_lingering || client->is_ending || count == 0) {
        return;
    }
    client->active_ms = server_now_ms(client->server);
    if (buffer_bytes(&client->input) == 0) {
        take_from_shared(client, (const uint8_t *)buffer->base, (size_t)count);
    } else {
        buffer_append(&client->input, buffer->base, (size_t)count);
    }
    client_process(client);
}

/* Read while a command may be taken, and at the end to see the client go away. */
static void read_or_not(struct client *client)
{
    bool wants = client->is_lingering || client_may_take_command(client);

    if (wants && !client->is_reading) {
        client->is_reading =
            uv_read_start((uv_stream_t *)&client->handle, on_allocate, on_read) == 0;
    } else if (!wants && client->is_reading) {
        uv_read_stop((uv_stream_t *)&client->handle);
        client->is_reading = false;
    }
}

void client_process(struct client *client)
{
    if (client->is_closing) {
        return;
    }
    if (buffer_bytes(&client->input) > 0) {
        size_t taken =
            take_commands(client, buffer_at(&client->input), buffer_bytes(&client->input));
        buffer_consume(&client->input, taken);
    }
    if (client->input.failed) {
        buffer_free(&client->input);
        refuse_stream(client, "ERR memory ran out while the command was read; not applied");
    }
    if (client->is_closing) {
        return;
    }
    release_idle(client);
    read_or_not(client);
}

void client_end(struct client *client)
{
    client->is_ending = true;
    if (!client->is_lingering && client->is_reading) {
        uv_read_stop((uv_stream_t *)&client->handle);
        client->is_reading = false;
    }
    turn_mark(client);
}

/* One line of refusal, if the socket takes it at once, and good-bye. */
static void refuse_connection(struct server *server, struct client *client)
{
    char refusal[] = "-ERR max number of clients reached\r\n";
    uv_buf_t buffer = uv_buf_init(refusal, sizeof(refusal) - 1);

    uv_try_write((uv_stream_t *)&client->handle, &buffer, 1);
    server->stats.refused_count++;
    if (server_may_log(server, SERVER_LOG_REFUSED)) {
        qr_log(server->options.logger, QR_LOG_WARN, "client_refused", "reason",
               "max number of clients reached", NULL);
    }
    client->is_closing = true;
    uv_close((uv_handle_t *)&client->handle, on_closed);
}

static void begin(struct server *server, struct client *client)
{
    uint64_t now_ms = server_now_ms(server);

    client->id = ++server->last_client_id;
    client->protocol = 2;
    client->opened_ms = now_ms;
    client->active_ms = now_ms;
    client->position = server->client_count;
    server->clients[server->client_count++] = client;
    server->stats.connection_count++;
    resp_parser_init(&client->parser, server->options.max_message_bytes);
    uv_tcp_nodelay(&client->handle, 1);
    uv_tcp_keepalive(&client->handle, 1, 60);
    read_or_not(client);
}

static void log_accept_failure(struct server *server, const char *reason)
{
    if (server_may_log(server, SERVER_LOG_ACCEPT)) {
        qr_log(server->options.logger, QR_LOG_WARN, "client_accept_failed", "reason", reason, NULL);
    }
}

void client_on_connection(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;

    if (status < 0) {
        log_accept_failure(server, uv_strerror(status));
        return;
    }
    struct client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        log_accept_failure(server, "memory ran out");
        return;
    }
    client->server = server;
    client->read = server->options.read;
    uv_tcp_init(server->options.loop, &client->handle);
    client->handle.data = client;
    server->handle_count++;
    int error = uv_accept(listener, (uv_stream_t *)&client->handle);
    if (error != 0) {
        log_accept_failure(server, uv_strerror(error));
        client->is_closing = true;
        uv_close((uv_handle_t *)&client->handle, on_closed);
    } else if (server->client_count >= server->options.clients_max) {
        refuse_connection(server, client);
    } else {
        begin(server, client);
    }
}
