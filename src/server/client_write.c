/* client_write.c: the bytes that go to a Redis connection, and when it is over.
 *
 * Order    replies gather in `output`; what the socket does not take at once moves to
 *          `writing`, which one uv_write has until it is done.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "server/internal.h"

/* So far behind a socket may be before reads are served to it no more: a part of the limit,
 * because results of writes come whether it takes them or not.
 */
#define BEHIND_DIVISOR 8

size_t client_unsent_bytes(const struct client *client)
{
    size_t queued = client->is_writing ? client->handle.write_queue_size : 0;

    return queued + buffer_bytes(&client->output);
}

bool client_is_behind(const struct client *client)
{
    return client_unsent_bytes(client) >= client->server->options.output_bytes_max / BEHIND_DIVISOR;
}

static void log_closed(struct client *client, enum server_log_kind kind, const char *reason)
{
    struct server *server = client->server;

    if (server_may_log(server, kind)) {
        char address[QR_ADDRESS_BYTES_MAX];
        listen_peer_text(&client->handle, address, sizeof(address));
        qr_log(server->options.logger, QR_LOG_WARN, "client_closed", "address", address, "reason",
               reason, NULL);
    }
}

bool client_check_output(struct client *client)
{
    struct server *server = client->server;

    if (client->is_closing) {
        return true;
    }
    if (client->output.failed) {
        log_closed(client, SERVER_LOG_MEMORY, "memory ran out for its replies");
        client_close(client);
        return true;
    }
    if (client_unsent_bytes(client) > server->options.output_bytes_max) {
        server->stats.closed_for_output_count++;
        log_closed(client, SERVER_LOG_OUTPUT, "it does not read its replies");
        client_close(client);
        return true;
    }
    return false;
}

static void on_shut(uv_shutdown_t *shutdown, int status)
{
    struct client *client = shutdown->data;

    if (status != 0) {
        client_close(client);
    }
}

/* All is answered and written. A socket closed with bytes unread would take the last reply
 * with it, so only our end is closed, until the client's end is too.
 */
static void linger(struct client *client)
{
    ASSERT(!client->is_writing);
    backup_stop(client); /* whoever takes it takes no more of it */
    client->is_lingering = true;
    client->active_ms = server_now_ms(client->server);
    client->out.shutdown.data = client;
    if (uv_shutdown(&client->out.shutdown, (uv_stream_t *)&client->handle, on_shut) != 0) {
        client_close(client);
        return;
    }
    client_process(client);
}

static void on_written(uv_write_t *write, int status)
{
    struct client *client = write->data;

    client->is_writing = false;
    client->server->stats.sent_bytes += buffer_bytes(&client->writing);
    buffer_free(&client->writing);
    if (status != 0) {
        client_close(client);
        return;
    }
    client->backup_ms = server_now_ms(client->server); /* only now it may go on */
    turn_mark(client);
}

/* Hand what the socket did not take at once to libuv. */
static void write_rest(struct client *client)
{
    client->writing = client->output;
    client->output = (struct buffer){0};
    uv_buf_t rest =
        uv_buf_init((char *)buffer_at(&client->writing), (unsigned)buffer_bytes(&client->writing));
    client->out.write.data = client;
    client->is_writing = true;
    client->progress_ms = server_now_ms(client->server);
    client->progress_bytes = rest.len;
    if (uv_write(&client->out.write, (uv_stream_t *)&client->handle, &rest, 1, on_written) != 0) {
        client->is_writing = false;
        client_close(client);
    }
}

static void try_write(struct client *client)
{
    uv_buf_t ready =
        uv_buf_init((char *)buffer_at(&client->output), (unsigned)buffer_bytes(&client->output));
    int count = uv_try_write((uv_stream_t *)&client->handle, &ready, 1);

    if (count < 0 && count != UV_EAGAIN) {
        client_close(client);
        return;
    }
    if (count > 0) {
        client->server->stats.sent_bytes += (uint64_t)count;
        buffer_consume(&client->output, (size_t)count);
    }
    if (buffer_bytes(&client->output) == 0) {
        buffer_free(&client->output);
        return;
    }
    write_rest(client);
}

/* The socket took everything: reads that were put off, and more commands, may come. */
static void go_on_when_caught_up(struct client *client)
{
    const struct request *first = client->pipeline.first;

    if (client->is_closing || client->is_writing) {
        return;
    }
    bool has_read = first != NULL && first->state == REQUEST_PASSED;
    if (has_read || (!client->is_reading && client_may_take_command(client))) {
        turn_mark(client);
    }
}

void client_write(struct client *client)
{
    if (client->is_closing || client_check_output(client)) {
        return;
    }
    if (!client->is_writing && buffer_bytes(&client->output) > 0) {
        try_write(client);
        go_on_when_caught_up(client);
    }
    bool is_done = !client->is_closing && client->is_ending && !client->is_lingering &&
                   !client->is_writing && client->pipeline.count == 0;
    if (is_done) {
        linger(client);
    }
}

void client_sweep(struct client *client, uint64_t now_ms)
{
    size_t left = client->handle.write_queue_size;

    backup_sweep(client, now_ms);
    if (client->is_lingering && now_ms - client->active_ms > SERVER_LINGER_MS) {
        client_close(client);
        return;
    }
    if (!client->is_writing) {
        return;
    }
    if (left != client->progress_bytes) {
        client->progress_bytes = left;
        client->progress_ms = now_ms;
    } else if (now_ms - client->progress_ms > client->server->options.stall_timeout_ms) {
        log_closed(client, SERVER_LOG_STALLED, "it takes none of its replies");
        client_close(client);
    }
}
