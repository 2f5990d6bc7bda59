/* tcp.c: the listening socket, and who comes in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/tcp_internal.h"

static struct tcp *tcp_of(struct streams *streams)
{
    return (struct tcp *)streams;
}

/* A socket that listens there, or a negative errno. */
static int listen_on(const struct addrinfo *info)
{
    int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int descriptor = socket(info->ai_family, type, 0);
    if (descriptor < 0) {
        return -errno;
    }
    int on = 1;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(descriptor, info->ai_addr, info->ai_addrlen) != 0 ||
        listen(descriptor, SOMAXCONN) != 0) {
        int failure = -errno;
        (void)close(descriptor);
        return failure;
    }
    return descriptor;
}

static uint16_t port_of(int descriptor)
{
    struct sockaddr_storage bound = {0};
    socklen_t length = sizeof(bound);
    int failed = getsockname(descriptor, (struct sockaddr *)&bound, &length);
    ASSERT(failed == 0);
    const void *address = &bound;
    return bound.ss_family == AF_INET ? ntohs(((const struct sockaddr_in *)address)->sin_port)
                                      : ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
}

static int listen_at(struct tcp *tcp, const char *address, char *detail)
{
    struct address parsed;
    if (address_parse(address, &parsed) != 0) {
        (void)snprintf(detail, TCP_DETAIL_BYTES,
                       "\"%s\" is no address; write HOST:PORT, or [HOST]:PORT for IPv6", address);
        return QR_ERR_ADDRESS;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(parsed.host, parsed.port, &hints, &found);
    if (failure != 0) {
        (void)snprintf(detail, TCP_DETAIL_BYTES, "cannot find the address of %s: %s", address,
                       gai_strerror(failure));
        return QR_ERR_ADDRESS;
    }
    int descriptor = listen_on(found);
    freeaddrinfo(found);
    if (descriptor < 0) {
        (void)snprintf(detail, TCP_DETAIL_BYTES, "cannot listen on %s: %s", address,
                       strerror(-descriptor));
        return QR_ERR_ADDRESS;
    }
    tcp->socket = descriptor;
    tcp->port = port_of(descriptor);
    return 0;
}

static void accept_one(struct tcp *tcp);

/* One handle less that libuv has; the last is the end. */
static void let_go(struct tcp *tcp)
{
    tcp->open_handles--;
    if (tcp->open_handles == 0) {
        tcp->stopped(tcp->stopped_argument);
    }
}

static void on_porch_closed(uv_handle_t *handle)
{
    struct tcp *tcp = handle->data;
    tcp->is_porch_used = false;
    if (tcp->is_stopping) {
        let_go(tcp);
    } else if (tcp->is_waiting) {
        tcp->is_waiting = false;
        accept_one(tcp);
    }
}

/* There is no memory for who comes. */
static void turn_away(struct tcp *tcp)
{
    if (tcp->is_porch_used) {
        tcp->is_waiting = true;
        return;
    }
    int failed = uv_tcp_init(tcp->loop, &tcp->porch);
    ASSERT(failed == 0);
    tcp->porch.data = tcp;
    tcp->is_porch_used = true;
    (void)uv_accept((uv_stream_t *)&tcp->listener, (uv_stream_t *)&tcp->porch);
    uv_close((uv_handle_t *)&tcp->porch, on_porch_closed);
}

static void put_source(const struct tcp_stream *stream, char out[QR_ADDRESS_BYTES_MAX])
{
    struct sockaddr_storage remote = {0};
    int length = sizeof(remote);
    out[0] = '\0';
    if (uv_tcp_getpeername(&stream->handle, (struct sockaddr *)&remote, &length) == 0) {
        address_of_socket((const struct sockaddr *)&remote, out);
    }
}

static void accept_one(struct tcp *tcp)
{
    struct tcp_stream *stream = tcp_stream_new(tcp, NULL);
    if (stream == NULL) {
        turn_away(tcp);
        return;
    }
    char source[QR_ADDRESS_BYTES_MAX];
    bool is_in = uv_accept((uv_stream_t *)&tcp->listener, (uv_stream_t *)&stream->handle) == 0 &&
                 tcp_stream_begin(stream) == 0;
    put_source(stream, source);
    if (!is_in || !tcp->events.accepted(tcp->events.context, &stream->base, source)) {
        tcp_stream_close(&stream->base);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    if (status == 0) { /* else out of descriptors: libuv has let the caller go, and goes on */
        accept_one(listener->data);
    }
}

static void start(struct streams *streams, uv_loop_t *loop, const struct stream_events *events)
{
    struct tcp *tcp = tcp_of(streams);
    ASSERT(tcp->loop == NULL);
    tcp->loop = loop;
    tcp->events = *events;
    tcp->listener.data = tcp;
    /* A socket that is bound and listens already is taken over without a call that can fail. */
    int failed = uv_tcp_init(loop, &tcp->listener);
    ASSERT(failed == 0);
    failed = uv_tcp_open(&tcp->listener, tcp->socket);
    ASSERT(failed == 0);
    tcp->socket = -1;
    failed = uv_listen((uv_stream_t *)&tcp->listener, SOMAXCONN, on_connection);
    ASSERT(failed == 0);
}

static void on_listener_closed(uv_handle_t *handle)
{
    let_go(handle->data);
}

static void stop(struct streams *streams, void (*stopped)(void *argument), void *argument)
{
    struct tcp *tcp = tcp_of(streams);
    ASSERT(tcp->loop != NULL && !tcp->is_stopping);
    tcp->is_stopping = true;
    tcp->stopped = stopped;
    tcp->stopped_argument = argument;
    tcp->open_handles = tcp->is_porch_used ? 2 : 1;
    uv_close((uv_handle_t *)&tcp->listener, on_listener_closed);
}

static void end(struct streams *streams)
{
    struct tcp *tcp = tcp_of(streams);
    if (tcp->socket >= 0) {
        (void)close(tcp->socket);
    }
    release(tcp->allocator, tcp, sizeof(*tcp));
}

static const struct streams_table table = {
    .start = start,
    .make = tcp_stream_make,
    .dial = tcp_stream_dial,
    .write = tcp_stream_write,
    .close = tcp_stream_close,
    .stop = stop,
    .free = end,
};

int tcp_open(const struct allocator *allocator, const char *address, struct streams **out,
             char *detail)
{
    struct tcp *tcp = allocate_zeroed(allocator, sizeof(*tcp));
    if (tcp == NULL) {
        (void)snprintf(detail, TCP_DETAIL_BYTES, "memory ran out");
        return QR_ERR_NO_MEMORY;
    }
    tcp->base.table = &table;
    tcp->allocator = allocator;
    tcp->socket = -1;
    int status = listen_at(tcp, address, detail);
    if (status != 0) {
        end(&tcp->base);
        return status;
    }
    *out = &tcp->base;
    return 0;
}

uint16_t tcp_port(const struct streams *streams)
{
    return ((const struct tcp *)streams)->port;
}
