/* http.c: HTTP/1.1 for dashboards, scrapers and health checks.
 *
 * Owns     every HTTP connection. Requests carry no body; an answer is made at once, is one
 *          buffer and one write. What follows at /events is for http_events.c.
 * Library  http_parser reads requests: libmicrohttpd would bring GnuTLS and a second way of
 *          waiting for sockets, for five pages that are ready when they are asked for.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "server/http_internal.h"

#define HEADER_BYTES_MAX 8192
#define UNSENT_BYTES_MAX (4 * 1024 * 1024)

/* An answer on its way. */
struct http_write {
    uv_write_t write;
    struct http_connection *connection;
    struct buffer bytes;
};

static void on_closed(uv_handle_t *handle)
{
    struct http_connection *connection = handle->data;
    struct server *server = connection->server;

    free(connection);
    server_handle_closed(server);
}

void http_close(struct http_connection *connection)
{
    struct server *server = connection->server;

    if (connection->is_closing) {
        return;
    }
    connection->is_closing = true;
    http_events_ended(connection);
    if (connection->previous == NULL) {
        ASSERT(server->http_connections == connection);
        server->http_connections = connection->next;
    } else {
        connection->previous->next = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    ASSERT(server->http_count > 0);
    server->http_count--;
    uv_close((uv_handle_t *)&connection->handle, on_closed);
}

void http_close_all(struct server *server)
{
    while (server->http_connections != NULL) {
        http_close(server->http_connections);
    }
}

void http_sweep(struct server *server, uint64_t now_ms)
{
    struct http_connection *connection = server->http_connections;

    while (connection != NULL) {
        struct http_connection *next = connection->next;
        uint64_t limit_ms =
            connection->is_shut ? SERVER_LINGER_MS : server->options.http_idle_timeout_ms;
        if (connection->is_listener) {
            http_events_sweep(connection, now_ms);
        } else if (now_ms - connection->active_ms > limit_ms) {
            http_close(connection);
        }
        connection = next;
    }
}

static void on_shut(uv_shutdown_t *shutdown, int status)
{
    if (status != 0) {
        http_close(shutdown->data);
    }
}

/* Everything is written. Only our end is closed, until the client's is too: bytes of its
 * that nobody reads would take the answer with them.
 */
static void shut(struct http_connection *connection)
{
    if (connection->has_ended) {
        http_close(connection);
        return;
    }
    connection->is_shut = true;
    connection->active_ms = server_now_ms(connection->server);
    connection->shutdown.data = connection;
    if (uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->handle, on_shut) != 0) {
        http_close(connection);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct http_write *sent = write->data;
    struct http_connection *connection = sent->connection;

    connection->server->stats.sent_bytes += buffer_bytes(&sent->bytes);
    buffer_free(&sent->bytes);
    free(sent);
    if (status != 0) {
        http_close(connection);
    } else if (connection->is_listener) {
        connection->active_ms = server_now_ms(connection->server); /* it takes what it is sent */
    } else if (connection->is_ending && !connection->is_shut && !connection->is_closing &&
               connection->handle.write_queue_size == 0) {
        shut(connection);
    }
}

void http_send(struct http_connection *connection, struct buffer *answer)
{
    struct http_write *sent = answer->failed ? NULL : malloc(sizeof(*sent));

    if (sent == NULL) {
        buffer_free(answer);
        http_close(connection);
        return;
    }
    sent->connection = connection;
    sent->bytes = *answer;
    sent->write.data = sent;
    uv_buf_t bytes =
        uv_buf_init((char *)buffer_at(&sent->bytes), (unsigned)buffer_bytes(&sent->bytes));
    if (!connection->is_listener || connection->handle.write_queue_size == 0) {
        connection->active_ms = server_now_ms(connection->server);
    }
    if (uv_write(&sent->write, (uv_stream_t *)&connection->handle, &bytes, 1, on_written) != 0) {
        buffer_free(&sent->bytes);
        free(sent);
        http_close(connection);
    } else if (connection->handle.write_queue_size > UNSENT_BYTES_MAX) {
        http_close(connection);
    }
}

static int on_begin(http_parser *parser)
{
    struct http_connection *connection = parser->data;

    connection->header_bytes = 0;
    connection->url_bytes = 0;
    return 0;
}

/* Ends the parsing: the caller then answers with `code`. Of on_headers_complete, 1 and 2 mean
 * something else.
 */
static int refuse_with(struct http_connection *connection, unsigned code, const char *reason)
{
    connection->refusal = code;
    connection->refusal_reason = reason;
    return -1;
}

static int on_header(http_parser *parser, const char *at, size_t size_bytes)
{
    struct http_connection *connection = parser->data;

    (void)at;
    if (size_bytes > HEADER_BYTES_MAX - connection->header_bytes) {
        return refuse_with(connection, 431, "Request Header Fields Too Large");
    }
    connection->header_bytes += (uint32_t)size_bytes;
    return 0;
}

static int on_url(http_parser *parser, const char *at, size_t size_bytes)
{
    struct http_connection *connection = parser->data;

    if (size_bytes >= sizeof(connection->url) - connection->url_bytes) {
        return refuse_with(connection, 414, "URI Too Long");
    }
    memcpy(connection->url + connection->url_bytes, at, size_bytes);
    connection->url_bytes += (uint32_t)size_bytes;
    return on_header(parser, at, size_bytes);
}

static int on_headers_complete(http_parser *parser)
{
    bool has_length = (parser->flags & F_CONTENTLENGTH) != 0 && parser->content_length > 0;

    if (has_length || (parser->flags & F_CHUNKED) != 0) {
        return refuse_with(parser->data, 413, "Payload Too Large");
    }
    return 0;
}

static int on_message_complete(http_parser *parser)
{
    struct http_connection *connection = parser->data;
    struct buffer answer = {0};
    bool keeps_alive = http_should_keep_alive(parser) != 0 && parser->upgrade == 0;

    connection->url[connection->url_bytes] = '\0';
    struct http_request request = {
        .url = connection->url,
        .is_get = parser->method == HTTP_GET,
        .is_head = parser->method == HTTP_HEAD,
        .keeps_alive = keeps_alive,
    };
    if (http_events_are_wanted(&request) && http_events_begin(connection, &answer)) {
        connection->is_ending = true; /* what else comes is no request */
        return 1;
    }
    http_answer(connection->server, &request, &answer);
    connection->is_ending = !keeps_alive;
    http_send(connection, &answer);
    return connection->is_ending || connection->is_closing ? 1 : 0;
}

static const http_parser_settings parser_settings = {
    .on_message_begin = on_begin,
    .on_url = on_url,
    .on_header_field = on_header,
    .on_header_value = on_header,
    .on_headers_complete = on_headers_complete,
    .on_message_complete = on_message_complete,
};

/* What cannot be a request is answered once, and then no more is read. */
static void refuse_request(struct http_connection *connection)
{
    struct buffer answer = {0};

    if (connection->refusal == 0) {
        connection->refusal = 400;
        connection->refusal_reason = "Bad Request";
    }
    http_refuse(connection->refusal, connection->refusal_reason, &answer);
    connection->is_ending = true;
    http_send(connection, &answer);
}

static void on_allocate(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *out)
{
    struct http_connection *connection = handle->data;

    (void)suggested_bytes;
    *out = uv_buf_init((char *)connection->server->receive, SERVER_RECEIVE_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *bytes)
{
    struct http_connection *connection = stream->data;

    if (count < 0) {
        /* A client may close its end behind a request; its answer is still written. */
        bool waits =
            count == UV_EOF && connection->handle.write_queue_size > 0 && !connection->is_listener;
        connection->is_ending = true;
        connection->has_ended = true;
        if (!waits) {
            http_close(connection);
        }
        return;
    }
    connection->server->stats.received_bytes += (uint64_t)count;
    if (connection->is_ending || connection->is_closing || count == 0) {
        return;
    }
    size_t taken =
        http_parser_execute(&connection->parser, &parser_settings, bytes->base, (size_t)count);
    bool is_refused = taken != (size_t)count || HTTP_PARSER_ERRNO(&connection->parser) != HPE_OK;
    if (is_refused && !connection->is_ending && !connection->is_closing) {
        refuse_request(connection);
    }
}

static void begin(struct server *server, struct http_connection *connection)
{
    connection->next = server->http_connections;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    server->http_connections = connection;
    server->http_count++;
    connection->active_ms = server_now_ms(server);
    http_parser_init(&connection->parser, HTTP_REQUEST);
    connection->parser.data = connection;
    uv_tcp_nodelay(&connection->handle, 1);
    if (uv_read_start((uv_stream_t *)&connection->handle, on_allocate, on_read) != 0) {
        http_close(connection);
    }
}

void http_on_connection(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;
    struct http_connection *connection =
        status < 0 ? NULL : calloc(1, sizeof(struct http_connection));

    if (connection == NULL) {
        if (server_may_log(server, SERVER_LOG_ACCEPT)) {
            qr_log(server->options.logger, QR_LOG_WARN, "http_accept_failed", "reason",
                   status < 0 ? uv_strerror(status) : "memory ran out", NULL);
        }
        return;
    }
    connection->server = server;
    uv_tcp_init(server->options.loop, &connection->handle);
    connection->handle.data = connection;
    server->handle_count++;
    int error = uv_accept(listener, (uv_stream_t *)&connection->handle);
    if (error != 0 || server->http_count >= server->options.http_clients_max) {
        server->stats.refused_count++;
        connection->is_closing = true;
        uv_close((uv_handle_t *)&connection->handle, on_closed);
        return;
    }
    begin(server, connection);
}
