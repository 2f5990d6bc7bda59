/* tcp_stream.c: one stream over TCP: dialed, read, written, closed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "runtime/tcp_internal.h"

#define KEEPALIVE_S 15
/* Sent, but not acknowledged for so long: the other end is gone, whatever the kernel hopes. */
#define UNACKNOWLEDGED_MS 5000

static struct tcp_stream *self_of(struct stream *stream)
{
    return (struct tcp_stream *)stream;
}

struct tcp_stream *tcp_stream_new(struct tcp *tcp, void *owner)
{
    struct tcp_stream *self = allocate_zeroed(tcp->allocator, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    int failed = uv_tcp_init(tcp->loop, &self->handle);
    ASSERT(failed == 0);
    self->base.owner = owner;
    self->tcp = tcp;
    self->pending_count = 1;
    self->handle.data = self;
    return self;
}

struct stream *tcp_stream_make(struct streams *streams, void *owner)
{
    struct tcp_stream *self = tcp_stream_new((struct tcp *)streams, owner);
    return self == NULL ? NULL : &self->base;
}

/* One thing less that libuv has of it; the last frees it. */
static void let_go(struct tcp_stream *self)
{
    ASSERT(self->pending_count > 0);
    self->pending_count--;
    if (self->pending_count > 0) {
        return;
    }
    ASSERT(self->is_closing);
    const struct tcp *tcp = self->tcp;
    const struct stream_events events = tcp->events;
    void *owner = self->base.owner;
    release(tcp->allocator, self, sizeof(*self));
    if (owner != NULL) { /* else it was not accepted */
        events.gone(owner);
    }
}

static void on_closed(uv_handle_t *handle)
{
    let_go(handle->data);
}

void tcp_stream_close(struct stream *stream)
{
    struct tcp_stream *self = self_of(stream);
    ASSERT(!self->is_closing);
    self->is_closing = true;
    if (self->is_looked_up) {
        /* This fails when it runs already; then its end is waited for. */
        (void)uv_cancel((uv_req_t *)&self->lookup);
    }
    uv_close((uv_handle_t *)&self->handle, on_closed);
}

static void end(struct tcp_stream *self, int status)
{
    enum stream_end end = status == UV_EOF            ? STREAM_CLOSED
                          : status == UV_ECONNREFUSED ? STREAM_REFUSED
                                                      : STREAM_FAILED;
    self->tcp->events.ended(self->base.owner, end,
                            status == UV_EOF       ? "closed by the other end"
                            : status == UV_ENOBUFS ? "memory ran out"
                                                   : uv_strerror(status));
}

static void on_room(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *out)
{
    const struct tcp_stream *self = handle->data;
    (void)suggested_bytes;
    self->tcp->events.room(self->base.owner, out);
}

static void on_read(uv_stream_t *handle, ssize_t count, const uv_buf_t *buffer)
{
    struct tcp_stream *self = handle->data;
    if (count < 0) {
        end(self, (int)count);
    } else if (count > 0) {
        self->tcp->events.received(self->base.owner, (const uint8_t *)buffer->base, (size_t)count);
    }
}

int tcp_stream_begin(struct tcp_stream *self)
{
    (void)uv_tcp_nodelay(&self->handle, 1);
    (void)uv_tcp_keepalive(&self->handle, 1, KEEPALIVE_S);
    int descriptor = -1;
    if (uv_fileno((uv_handle_t *)&self->handle, &descriptor) == 0) {
        unsigned wait_ms = UNACKNOWLEDGED_MS;
        (void)setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &wait_ms, sizeof(wait_ms));
    }
    return uv_read_start((uv_stream_t *)&self->handle, on_room, on_read);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct tcp_stream *self = request->data;
    if (self->is_closing) {
        return;
    }
    if (status == 0) {
        status = tcp_stream_begin(self);
    }
    if (status < 0) {
        end(self, status);
    } else {
        self->tcp->events.connected(self->base.owner);
    }
}

/* 0, or what libuv says. */
static int connect_to(struct tcp_stream *self, const struct sockaddr *address)
{
    self->connect.data = self;
    return uv_tcp_connect(&self->connect, &self->handle, address, on_connected);
}

/* A name may have several addresses, of which one answers: each attempt takes the next. */
static const struct addrinfo *choose(const struct addrinfo *found, uint32_t attempt)
{
    uint32_t count = 0;
    for (const struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        count++;
    }
    const struct addrinfo *chosen = found;
    for (uint32_t i = attempt % max_u64(count, 1) & UINT32_MAX; i > 0; i--) {
        chosen = chosen->ai_next;
    }
    return chosen;
}

static void on_found(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct tcp_stream *self = request->data;
    self->is_looked_up = false;
    if (!self->is_closing && status == 0) {
        ASSERT(found != NULL);
        status = connect_to(self, choose(found, self->attempt)->ai_addr);
    }
    if (!self->is_closing && status < 0) {
        end(self, status);
    }
    uv_freeaddrinfo(found);
    let_go(self);
}

static int look_up(struct tcp_stream *self)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    self->lookup.data = self;
    int failure = uv_getaddrinfo(self->tcp->loop, &self->lookup, on_found, self->target.host,
                                 self->target.port, &hints);
    if (failure == 0) {
        self->is_looked_up = true;
        self->pending_count++;
    }
    return failure;
}

const char *tcp_stream_dial(struct stream *stream, const char *address, uint32_t attempt)
{
    struct tcp_stream *self = self_of(stream);
    struct sockaddr_storage socket;
    self->attempt = attempt;
    if (address_parse(address, &self->target) != 0) {
        return "the address does not parse";
    }
    int failure = address_to_socket(&self->target, &socket)
                      ? connect_to(self, (const struct sockaddr *)&socket)
                      : look_up(self);
    return failure < 0 ? uv_strerror(failure) : NULL;
}

static void on_written(uv_write_t *request, int status)
{
    struct tcp_stream *self = request->data;
    if (self->is_closing) {
        return;
    }
    if (status < 0) {
        end(self, status);
    } else {
        self->tcp->events.writable(self->base.owner, self->writing_bytes);
    }
}

/* The socket takes no more now: leave the rest to libuv, which waits for it. */
static int write_later(struct tcp_stream *self, const uv_buf_t *parts, size_t count,
                       size_t sent_bytes)
{
    uv_buf_t left[STREAM_PARTS_MAX];
    size_t left_count = 0;
    self->writing_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        size_t skipped = min_u64(parts[i].len, sent_bytes);
        sent_bytes -= skipped;
        if (skipped < parts[i].len) {
            left[left_count] =
                uv_buf_init(parts[i].base + skipped, (unsigned)(parts[i].len - skipped));
            self->writing_bytes += left[left_count++].len;
        }
    }
    self->write.data = self;
    return uv_write(&self->write, (uv_stream_t *)&self->handle, left, (unsigned)left_count,
                    on_written);
}

ssize_t tcp_stream_write(struct stream *stream, const uv_buf_t *parts, size_t count)
{
    struct tcp_stream *self = self_of(stream);
    ASSERT(count > 0 && count <= STREAM_PARTS_MAX && !self->is_closing);
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += parts[i].len;
    }
    int sent = uv_try_write((uv_stream_t *)&self->handle, parts, (unsigned)count);
    if (sent < 0 && sent != UV_EAGAIN) {
        return sent;
    }
    size_t sent_bytes = sent < 0 ? 0 : (size_t)sent;
    int failure = sent_bytes < total ? write_later(self, parts, count, sent_bytes) : 0;
    return failure < 0 ? failure : (ssize_t)sent_bytes;
}
