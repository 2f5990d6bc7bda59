/* turn.c: the end of a turn of the loop: one barrier for all reads of a kind in it, and one
 * write for each client that has something to send.
 *
 * Runs after the poll and again before the next one, because the engine's answers may come
 * in between. While anything is dirty an idle handle keeps the loop from sleeping.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/assert.h"
#include "server/internal.h"

struct batch {
    struct request *first;
};

static void end_reads(struct request *first, int status)
{
    while (first != NULL) {
        struct request *next = first->next_read;
        pipeline_read_done(first, status);
        first = next;
    }
}

static void on_barrier(void *argument, int status, uint64_t index)
{
    struct batch *batch = argument;

    (void)index;
    end_reads(batch->first, status);
    free(batch);
}

/* Everything of a kind that was gathered so far goes behind one barrier. */
static void send_barrier(struct server *server, enum qr_read_kind kind)
{
    const struct qr_read_options read = {.size_bytes = sizeof(read), .kind = kind};
    struct request *first = server->reads[kind].first;

    if (first == NULL) {
        return;
    }
    server->reads[kind] = (struct read_queue){NULL, NULL};
    struct batch *batch = malloc(sizeof(*batch));
    if (batch == NULL) {
        end_reads(first, QR_ERR_NO_MEMORY);
        return;
    }
    batch->first = first;
    int error = qr_read(server->options.engine, &read, on_barrier, batch);
    if (error != 0) {
        free(batch);
        end_reads(first, error);
    }
}

/* Clients that become dirty meanwhile, by taking more of their input, are looked at next
 * turn: a client that never stops talking must not keep the others waiting.
 */
static void look_at_dirty(struct server *server)
{
    uint32_t count = server->dirty_count;
    uint32_t kept = 0;

    server->is_turning = true;
    for (uint32_t i = 0; i < count; i++) {
        struct client *client = server->dirty[i];
        if (client != NULL) {
            client->is_dirty = false;
            server->dirty[i] = NULL;
            pipeline_advance(client);
            client_process(client);
            client_write(client);
        }
    }
    for (uint32_t i = count; i < server->dirty_count; i++) {
        if (server->dirty[i] != NULL) {
            server->dirty[i]->dirty_position = kept;
            server->dirty[kept++] = server->dirty[i];
        }
    }
    server->dirty_count = kept;
    server->is_turning = false;
}

static bool has_reads(const struct server *server)
{
    for (size_t i = 0; i < QR_READ_STALE; i++) {
        if (server->reads[i].first != NULL) {
            return true;
        }
    }
    return false;
}

static void end_turn(struct server *server)
{
    look_at_dirty(server);
    for (unsigned i = 0; i < QR_READ_STALE; i++) {
        send_barrier(server, (enum qr_read_kind)i);
    }
    if (server->dirty_count == 0 && !has_reads(server)) {
        uv_idle_stop(&server->idle);
    }
}

static void on_check(uv_check_t *handle)
{
    end_turn(handle->data);
}

static void on_prepare(uv_prepare_t *handle)
{
    end_turn(handle->data);
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle;
}

static void keep_awake(struct server *server)
{
    if (!server->is_closing) {
        uv_idle_start(&server->idle, on_idle);
    }
}

void turn_mark(struct client *client)
{
    struct server *server = client->server;

    if (client->is_dirty || client->is_closing) {
        return;
    }
    ASSERT(server->dirty_count < 2 * server->options.clients_max);
    client->is_dirty = true;
    client->dirty_position = server->dirty_count;
    server->dirty[server->dirty_count++] = client;
    keep_awake(server);
}

void turn_unmark(struct client *client)
{
    struct server *server = client->server;

    if (!client->is_dirty) {
        return;
    }
    client->is_dirty = false;
    ASSERT(server->dirty[client->dirty_position] == client);
    if (server->is_turning) {
        server->dirty[client->dirty_position] = NULL;
        return;
    }
    struct client *last = server->dirty[--server->dirty_count];
    server->dirty[client->dirty_position] = last;
    last->dirty_position = client->dirty_position;
}

void turn_gather_read(struct server *server, struct request *request)
{
    struct read_queue *reads = &server->reads[request->read.kind];

    ASSERT(request->read.kind < QR_READ_STALE);
    ASSERT(request->next_read == NULL);
    if (reads->last == NULL) {
        reads->first = request;
    } else {
        reads->last->next_read = request;
    }
    reads->last = request;
    keep_awake(server);
}

void turn_open(struct server *server)
{
    uv_loop_t *loop = server->options.loop;

    uv_check_init(loop, &server->check);
    uv_prepare_init(loop, &server->prepare);
    uv_idle_init(loop, &server->idle);
    server->check.data = server;
    server->prepare.data = server;
    server->idle.data = server;
    server->handle_count += 3;
    uv_check_start(&server->check, on_check);
    uv_prepare_start(&server->prepare, on_prepare);
}

static void on_handle_closed(uv_handle_t *handle)
{
    server_handle_closed(handle->data);
}

void turn_close(struct server *server)
{
    for (size_t i = 0; i < QR_READ_STALE; i++) {
        struct request *first = server->reads[i].first;
        server->reads[i] = (struct read_queue){NULL, NULL};
        end_reads(first, QR_ERR_STOPPED);
    }
    uv_close((uv_handle_t *)&server->check, on_handle_closed);
    uv_close((uv_handle_t *)&server->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&server->idle, on_handle_closed);
}
