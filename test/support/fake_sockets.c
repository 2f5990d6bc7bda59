/* fake_sockets.c: libuv's TCP streams, without a kernel. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_sockets.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define PORT 7799

struct fake_write {
    struct fake_write *next;
    uv_write_t *request;
    size_t written_bytes;
    size_t size_bytes;
    uint8_t bytes[];
};

struct listener {
    uv_stream_t *stream;
    uv_connection_cb on_connection;
};

/* libuv's streams have no place for a pointer of ours, so these are found by address. */
static struct {
    struct fake_socket sockets[FAKE_SOCKETS_MAX];
    struct listener listeners[FAKE_LISTENERS_MAX];
    size_t listener_count;
    struct fake_socket *coming; /* between the listener's callback and uv_accept() */
} fake;

void __real_uv_close(uv_handle_t *handle, uv_close_cb on_closed);
int __wrap_uv_accept(uv_stream_t *server, uv_stream_t *client);
void __wrap_uv_close(uv_handle_t *handle, uv_close_cb on_closed);
int __wrap_uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb on_connection);
int __wrap_uv_read_start(uv_stream_t *stream, uv_alloc_cb on_room, uv_read_cb on_read);
int __wrap_uv_read_stop(uv_stream_t *stream);
int __wrap_uv_shutdown(uv_shutdown_t *request, uv_stream_t *stream, uv_shutdown_cb on_shut);
int __wrap_uv_tcp_bind(uv_tcp_t *handle, const struct sockaddr *address, unsigned flags);
int __wrap_uv_tcp_connect(uv_connect_t *request, uv_tcp_t *handle, const struct sockaddr *address,
                          uv_connect_cb on_connected);
int __wrap_uv_tcp_getsockname(const uv_tcp_t *handle, struct sockaddr *name, int *name_bytes);
int __wrap_uv_try_write(uv_stream_t *stream, const uv_buf_t *buffers, unsigned count);
int __wrap_uv_write(uv_write_t *request, uv_stream_t *stream, const uv_buf_t *buffers,
                    unsigned count, uv_write_cb on_written);

/* The socket of a stream that is not closed, or NULL. */
static struct fake_socket *find(const uv_stream_t *stream)
{
    for (size_t i = 0; i < FAKE_SOCKETS_MAX; i++) {
        if (fake.sockets[i].is_used && fake.sockets[i].stream == stream) {
            return &fake.sockets[i];
        }
    }
    return NULL;
}

static struct fake_socket *find_known(const uv_stream_t *stream)
{
    ASSERT(stream != NULL);
    struct fake_socket *socket = find(stream);
    ASSERT(socket != NULL);
    return socket;
}

static struct fake_socket *take_free(void)
{
    struct fake_socket *socket = fake.sockets;
    while (socket < fake.sockets + FAKE_SOCKETS_MAX && socket->is_used) {
        socket++;
    }
    ASSERT(socket < fake.sockets + FAKE_SOCKETS_MAX);
    *socket = (struct fake_socket){.is_used = true, .room_bytes = FAKE_OUTPUT_BYTES_MAX};
    socket->end = &socket->first;
    return socket;
}

/* Free it when neither the code under test nor the test has it any more. */
static void let_go(struct fake_socket *socket)
{
    if (socket->stream == NULL && !socket->is_held) {
        fake_socket_forget(socket);
        socket->is_used = false;
    }
}

void fake_socket_release(struct fake_socket *socket)
{
    ASSERT(socket->is_held);
    socket->is_held = false;
    let_go(socket);
}

void fake_sockets_reset(void)
{
    for (size_t i = 0; i < FAKE_SOCKETS_MAX; i++) {
        ASSERT(!fake.sockets[i].is_used);
    }
    fake.listener_count = 0;
}

int __wrap_uv_tcp_bind(uv_tcp_t *handle, const struct sockaddr *address, unsigned flags)
{
    (void)handle;
    (void)flags;
    ASSERT(address->sa_family == AF_INET);
    return 0;
}

int __wrap_uv_tcp_getsockname(const uv_tcp_t *handle, struct sockaddr *name, int *name_bytes)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    (void)handle;
    ASSERT(*name_bytes >= (int)sizeof(address));
    memcpy(name, &address, sizeof(address));
    *name_bytes = (int)sizeof(address);
    return 0;
}

int __wrap_uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb on_connection)
{
    (void)backlog;
    ASSERT(fake.listener_count < FAKE_LISTENERS_MAX);
    fake.listeners[fake.listener_count++] = (struct listener){stream, on_connection};
    return 0;
}

struct fake_socket *fake_socket_connect(size_t listener)
{
    ASSERT(listener < fake.listener_count);
    struct fake_socket *socket = take_free();
    fake.coming = socket;
    fake.listeners[listener].on_connection(fake.listeners[listener].stream, 0);
    ASSERT(fake.coming == NULL);
    return socket;
}

int __wrap_uv_accept(uv_stream_t *server, uv_stream_t *client)
{
    (void)server;
    ASSERT(fake.coming != NULL);
    fake.coming->stream = client;
    fake.coming->is_held = true;
    fake.coming->is_accepted = true;
    fake.coming = NULL;
    return 0;
}

int __wrap_uv_tcp_connect(uv_connect_t *request, uv_tcp_t *handle, const struct sockaddr *address,
                          uv_connect_cb on_connected)
{
    struct sockaddr_in to; /* the port stands where that of IPv6 does */
    struct fake_socket *socket = take_free();
    memcpy(&to, address, sizeof(to));
    socket->dialed_port = ntohs(to.sin_port);
    socket->stream = (uv_stream_t *)handle;
    socket->connect = request;
    request->handle = socket->stream;
    request->cb = on_connected;
    return 0;
}

struct fake_socket *fake_socket_dialed(void)
{
    for (size_t i = 0; i < FAKE_SOCKETS_MAX; i++) {
        struct fake_socket *socket = &fake.sockets[i];
        if (socket->is_used && socket->connect != NULL && !socket->is_closing) {
            return socket;
        }
    }
    return NULL;
}

void fake_socket_answer(struct fake_socket *socket, int status)
{
    uv_connect_t *connect = socket->connect;
    ASSERT(connect != NULL);
    socket->connect = NULL;
    socket->is_accepted = status == 0;
    socket->is_held = true;
    connect->cb(connect, status);
}

int __wrap_uv_read_start(uv_stream_t *stream, uv_alloc_cb on_room, uv_read_cb on_read)
{
    struct fake_socket *socket = find_known(stream);
    ASSERT(socket->is_accepted);
    ASSERT(!socket->is_closing);
    socket->is_reading = true;
    socket->on_room = on_room;
    socket->on_read = on_read;
    return 0;
}

int __wrap_uv_read_stop(uv_stream_t *stream)
{
    find_known(stream)->is_reading = false;
    return 0;
}

size_t fake_socket_send(struct fake_socket *socket, const uint8_t *data, size_t size_bytes)
{
    size_t sent = 0;
    while (sent < size_bytes && socket->is_reading && !socket->is_closing) {
        uv_buf_t room = {.base = NULL};
        socket->on_room((uv_handle_t *)socket->stream, 65536, &room);
        ASSERT(room.base != NULL);
        ASSERT(room.len > 0);
        size_t count = min_u64(room.len, size_bytes - sent);
        memcpy(room.base, data + sent, count);
        sent += count;
        socket->on_read(socket->stream, (ssize_t)count, &room);
    }
    return sent;
}

bool fake_socket_end(struct fake_socket *socket, int status)
{
    ASSERT(status < 0);
    if (!socket->is_reading || socket->is_closing) {
        return false;
    }
    /* libuv reads no more of a stream that has ended. */
    uv_buf_t none = {.base = NULL};
    socket->is_reading = false;
    socket->on_read(socket->stream, status, &none);
    return true;
}

/* Write as much as there is room for. Returns how much. */
static size_t put_output(struct fake_socket *socket, const void *data, size_t size_bytes)
{
    size_t count = min_u64(size_bytes, socket->room_bytes);
    size_t needed = socket->output_bytes + count;
    if (count == 0) {
        return 0;
    }
    ASSERT(needed <= FAKE_OUTPUT_BYTES_MAX);
    if (needed > socket->output_capacity) {
        socket->output_capacity = 2 * needed;
        socket->output = realloc(socket->output, socket->output_capacity);
        ASSERT(socket->output != NULL);
    }
    memcpy(socket->output + socket->output_bytes, data, count);
    socket->output_bytes += count;
    socket->room_bytes -= count;
    return count;
}

int __wrap_uv_try_write(uv_stream_t *stream, const uv_buf_t *buffers, unsigned count)
{
    struct fake_socket *socket = find_known(stream);
    size_t written = 0;
    size_t offered = 0;
    ASSERT(!socket->is_closing);
    if (stream->write_queue_size > 0) {
        return UV_EAGAIN;
    }
    for (unsigned i = 0; i < count && written == offered; i++) {
        written += put_output(socket, buffers[i].base, buffers[i].len);
        offered += buffers[i].len;
    }
    return written == 0 && offered > 0 ? UV_EAGAIN : (int)written;
}

int __wrap_uv_write(uv_write_t *request, uv_stream_t *stream, const uv_buf_t *buffers,
                    unsigned count, uv_write_cb on_written)
{
    struct fake_socket *socket = find_known(stream);
    size_t total = 0;
    ASSERT(!socket->is_closing);
    for (unsigned i = 0; i < count; i++) {
        total += buffers[i].len;
    }
    struct fake_write *write = calloc(1, sizeof(*write) + total);
    ASSERT(write != NULL);
    for (unsigned i = 0; i < count; i++) {
        memcpy(write->bytes + write->size_bytes, buffers[i].base, buffers[i].len);
        write->size_bytes += buffers[i].len;
    }
    write->request = request;
    request->handle = stream;
    request->cb = on_written;
    *socket->end = write;
    socket->end = &write->next;
    stream->write_queue_size += total;
    fake_socket_give_room(socket, 0);
    return 0;
}

void fake_socket_give_room(struct fake_socket *socket, size_t size_bytes)
{
    struct fake_write *write = socket->first;
    socket->room_bytes = min_u64(socket->room_bytes + size_bytes, FAKE_OUTPUT_BYTES_MAX);
    for (; write != NULL; write = write->next) {
        size_t left = write->size_bytes - write->written_bytes;
        size_t count = put_output(socket, write->bytes + write->written_bytes, left);
        write->written_bytes += count;
        socket->stream->write_queue_size -= count;
    }
}

void fake_socket_forget(struct fake_socket *socket)
{
    free(socket->output);
    socket->output = NULL;
    socket->output_bytes = 0;
    socket->output_capacity = 0;
}

int __wrap_uv_shutdown(uv_shutdown_t *request, uv_stream_t *stream, uv_shutdown_cb on_shut)
{
    struct fake_socket *socket = find_known(stream);
    ASSERT(socket->shutdown == NULL);
    request->handle = stream;
    request->cb = on_shut;
    socket->shutdown = request;
    return 0;
}

/* The first write is over. */
static void end_write(struct fake_socket *socket, int status)
{
    struct fake_write *write = socket->first;
    uv_write_t *request = write->request;
    socket->first = write->next;
    if (socket->first == NULL) {
        socket->end = &socket->first;
    }
    free(write);
    request->cb(request, status);
}

static void end_shutdown(struct fake_socket *socket, int status)
{
    uv_shutdown_t *shutdown = socket->shutdown;
    if (shutdown == NULL) {
        return;
    }
    socket->shutdown = NULL;
    socket->is_shut = status == 0;
    shutdown->cb(shutdown, status);
}

static bool is_first_written(const struct fake_socket *socket)
{
    const struct fake_write *first = socket->first;
    return !socket->is_closing && first != NULL && first->written_bytes == first->size_bytes;
}

void fake_sockets_run(void)
{
    for (size_t i = 0; i < FAKE_SOCKETS_MAX; i++) {
        struct fake_socket *socket = &fake.sockets[i];
        if (!socket->is_used || socket->stream == NULL) {
            continue;
        }
        while (is_first_written(socket)) {
            end_write(socket, 0);
        }
        if (!socket->is_closing && socket->first == NULL) {
            end_shutdown(socket, 0);
        }
    }
}

/* As libuv does it: what is under way is told of first. */
static void on_really_closed(uv_handle_t *handle)
{
    struct fake_socket *socket = find_known((uv_stream_t *)handle);
    uv_connect_t *connect = socket->connect;
    if (connect != NULL) {
        socket->connect = NULL;
        connect->cb(connect, UV_ECANCELED);
    }
    while (socket->first != NULL) {
        end_write(socket, UV_ECANCELED);
    }
    end_shutdown(socket, UV_ECANCELED);
    uv_close_cb on_closed = socket->on_closed;
    socket->stream = NULL;
    let_go(socket);
    on_closed(handle);
}

void __wrap_uv_close(uv_handle_t *handle, uv_close_cb on_closed)
{
    struct fake_socket *socket = handle->type == UV_TCP ? find((const uv_stream_t *)handle) : NULL;
    if (socket == NULL) {
        __real_uv_close(handle, on_closed);
        return;
    }
    ASSERT(!socket->is_closing);
    socket->is_closing = true;
    socket->is_reading = false;
    socket->on_closed = on_closed;
    /* Of what waits in libuv's own queues, which is nothing. */
    socket->stream->write_queue_size = 0;
    __real_uv_close(handle, on_really_closed);
}
