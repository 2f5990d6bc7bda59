/* bench_connection.c: one connection of the load: requests out, answers in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "cli/bench.h"
#include "cli/cli.h"

#define RECEIVE_BYTES (256 * 1024)

void bench_connection_close(struct bench_connection *connection)
{
    if (!connection->is_closed) {
        connection->is_closed = true;
        connection->is_open = false;
        uv_close((uv_handle_t *)&connection->tcp, NULL);
    }
}

static void connection_fail(struct bench_connection *connection)
{
    if (!connection->is_closed) {
        bench_connection_close(connection);
        bench_failed(connection->bench);
    }
}

static void requests_make(struct bench_connection *connection, size_t count)
{
    struct bench *bench = connection->bench;
    size_t pipeline = bench->options->pipeline;
    time_ns now = cli_clock_ns();
    ASSERT(!connection->is_writing);
    ASSERT(connection->in_flight + count <= pipeline);
    for (size_t i = 0; i < count; i++) {
        size_t at = (connection->head + connection->in_flight) % pipeline;
        connection->started[at] = now;
        connection->in_flight++;
        connection->output_bytes +=
            bench_request_write(bench, connection->output + connection->output_bytes);
    }
}

static void output_flush(struct bench_connection *connection);

static void write_done(uv_write_t *request, int status)
{
    struct bench_connection *connection = request->data;
    connection->is_writing = false;
    if (status != 0) {
        connection_fail(connection);
        return;
    }
    size_t owed = connection->owed;
    connection->owed = 0;
    connection->output_bytes = 0;
    requests_make(connection, owed);
    output_flush(connection);
}

static void output_flush(struct bench_connection *connection)
{
    uv_stream_t *stream = (uv_stream_t *)&connection->tcp;
    if (connection->output_bytes == 0) {
        return;
    }
    uv_buf_t buffer = uv_buf_init(connection->output, (unsigned)connection->output_bytes);
    int sent = uv_try_write(stream, &buffer, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        connection_fail(connection);
        return;
    }
    size_t done = sent < 0 ? 0 : (size_t)sent;
    if (done == connection->output_bytes) {
        connection->output_bytes = 0;
        return;
    }
    uv_buf_t rest =
        uv_buf_init(connection->output + done, (unsigned)(connection->output_bytes - done));
    connection->write.data = connection;
    connection->is_writing = true;
    if (uv_write(&connection->write, stream, &rest, 1, write_done) != 0) {
        connection->is_writing = false;
        connection_fail(connection);
    }
}

static void answer_came(struct bench_connection *connection, const char *error)
{
    struct bench *bench = connection->bench;
    if (connection->in_flight == 0) {
        connection_fail(connection);
        return;
    }
    time_ns started = connection->started[connection->head];
    connection->head = (connection->head + 1) % bench->options->pipeline;
    connection->in_flight--;
    bench_answered(bench, started, error);
    if (bench->phase == BENCH_ENDED || connection->is_closed) {
        return;
    }
    if (connection->is_writing) {
        connection->owed++;
    } else {
        requests_make(connection, 1);
    }
}

/* Take the end of a reply's line: a whole reply, or the head of a bulk string. */
static void line_ended(struct bench_connection *connection)
{
    char *line = connection->line;
    size_t length = connection->line_bytes;
    connection->line_bytes = 0;
    while (length > 0 && line[length - 1] == '\r') {
        length--;
    }
    line[length] = '\0';
    uint64_t size;
    switch (line[0]) {
    case '-':
        answer_came(connection, line + 1);
        return;
    case '+':
    case ':':
    case '_':
        answer_came(connection, NULL);
        return;
    case '$':
        if (strcmp(line, "$-1") == 0) {
            answer_came(connection, NULL);
        } else if (cli_number_parse(line + 1, false, &size) && size < UINT32_MAX) {
            connection->skip_bytes = size + 2;
        } else {
            connection_fail(connection);
        }
        return;
    default:
        connection_fail(connection);
    }
}

static size_t bytes_take(struct bench_connection *connection, const char *bytes, size_t count)
{
    if (connection->skip_bytes > 0) {
        size_t skipped = min_u64(connection->skip_bytes, count);
        connection->skip_bytes -= skipped;
        if (connection->skip_bytes == 0) {
            answer_came(connection, NULL);
        }
        return skipped;
    }
    const char *newline = memchr(bytes, '\n', count);
    size_t line_part = newline == NULL ? count : (size_t)(newline - bytes);
    size_t room = sizeof(connection->line) - 1 - connection->line_bytes;
    size_t kept = min_u64(room, line_part);
    memcpy(connection->line + connection->line_bytes, bytes, kept);
    connection->line_bytes += kept;
    if (newline == NULL) {
        return count;
    }
    line_ended(connection);
    return line_part + 1;
}

static void receive_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct bench_connection *connection = handle->data;
    (void)suggested;
    *out = uv_buf_init(connection->bench->receive_buffer, RECEIVE_BYTES);
}

static void received(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct bench_connection *connection = stream->data;
    if (count < 0) {
        connection_fail(connection);
        return;
    }
    size_t at = 0;
    while (at < (size_t)count && !connection->is_closed) {
        at += bytes_take(connection, buffer->base + at, (size_t)count - at);
    }
    if (!connection->is_closed && !connection->is_writing) {
        output_flush(connection);
    }
}

void bench_connection_start(struct bench_connection *connection)
{
    requests_make(connection, connection->bench->options->pipeline);
    output_flush(connection);
}

static void connected(uv_connect_t *request, int status)
{
    struct bench_connection *connection = request->data;
    uv_stream_t *stream = (uv_stream_t *)&connection->tcp;
    if (status != 0 || connection->is_closed ||
        uv_read_start(stream, receive_allocate, received) != 0) {
        connection_fail(connection);
        return;
    }
    (void)uv_tcp_nodelay(&connection->tcp, 1);
    connection->is_open = true;
    bench_connected(connection->bench);
}

void bench_connection_open(struct bench_connection *connection, const struct sockaddr *address)
{
    int status = uv_tcp_init(&connection->bench->loop, &connection->tcp);
    ASSERT(status == 0);
    connection->tcp.data = connection;
    connection->connect.data = connection;
    if (uv_tcp_connect(&connection->connect, &connection->tcp, address, connected) != 0) {
        connection_fail(connection);
    }
}
