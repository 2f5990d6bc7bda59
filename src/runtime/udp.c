/* udp.c: the UDP socket: bound, read, written, closed.
 *
 * The socket is never connected, so an ICMP error of one receiver is no error of the next call;
 * whatever call fails, what it was about is lost and the socket goes on.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/udp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/udp_internal.h"

/* What arrives while the process does not run: a burst of a large cluster fits. */
#define SOCKET_BUFFER_BYTES (1024 * 1024)

static struct udp *udp_of(struct packets *packets)
{
    return (struct udp *)packets;
}

/* A socket that is bound there, or a negative errno. */
static int bind_to(const struct addrinfo *info)
{
    int descriptor = socket(info->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) {
        return -errno;
    }
    int room_bytes = SOCKET_BUFFER_BYTES; /* as much of it as the system grants */
    (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room_bytes, sizeof(room_bytes));
    if (bind(descriptor, info->ai_addr, info->ai_addrlen) != 0) {
        int failure = -errno;
        (void)close(descriptor);
        return failure;
    }
    return descriptor;
}

static int bind_socket(struct udp *udp, const char *address, uint16_t port, char *detail)
{
    struct address parsed;
    if (address_parse(address, &parsed) != 0) {
        (void)snprintf(detail, UDP_DETAIL_BYTES,
                       "\"%s\" is no address; write HOST:PORT, or [HOST]:PORT for IPv6", address);
        return QR_ERR_ADDRESS;
    }
    char digits[ADDRESS_PORT_BYTES];
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    (void)snprintf(digits, sizeof(digits), "%u", port);
    int failure = getaddrinfo(parsed.host, digits, &hints, &found);
    if (failure != 0) {
        (void)snprintf(detail, UDP_DETAIL_BYTES, "cannot find the address of %s: %s", address,
                       gai_strerror(failure));
        return QR_ERR_ADDRESS;
    }
    udp->family = found->ai_family;
    udp->socket = bind_to(found);
    freeaddrinfo(found);
    if (udp->socket < 0) {
        (void)snprintf(detail, UDP_DETAIL_BYTES, "cannot use UDP port %u of %.200s: %s", port,
                       parsed.host, strerror(-udp->socket));
        return QR_ERR_ADDRESS;
    }
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct udp *udp = poll->data;
    (void)events;
    if (status < 0) {
        /* libuv has stopped polling. What the socket complains of is read, and so forgotten; it
         * is polled again from the next receive() on, so that an error that stays does not keep
         * the loop busy.
         */
        int error = 0;
        socklen_t length = sizeof(error);
        (void)getsockopt(udp->socket, SOL_SOCKET, SO_ERROR, &error, &length);
        udp->events.failed(udp->events.context, error == 0 ? status : -error);
        udp->is_deaf = true;
    }
    udp->events.readable(udp->events.context);
}

/* On a loop that polls a socket already this cannot fail: the descriptor is one, and is open. */
static void start(struct packets *packets, uv_loop_t *loop, const struct packet_events *events)
{
    struct udp *udp = udp_of(packets);
    ASSERT(udp->loop == NULL);
    udp->loop = loop;
    udp->events = *events;
    udp->poll.data = udp;
    int failed = uv_poll_init(loop, &udp->poll, udp->socket);
    ASSERT(failed == 0);
    failed = uv_poll_start(&udp->poll, UV_READABLE, on_poll);
    ASSERT(failed == 0);
    udp->pending_count = 1;
}

void udp_let_go(struct udp *udp)
{
    ASSERT(udp->pending_count > 0);
    udp->pending_count--;
    if (udp->pending_count == 0) {
        ASSERT(udp->is_stopping);
        udp->stopped(udp->stopped_argument);
    }
}

static void on_poll_closed(uv_handle_t *handle)
{
    udp_let_go(handle->data);
}

static void stop(struct packets *packets, void (*stopped)(void *argument), void *argument)
{
    struct udp *udp = udp_of(packets);
    ASSERT(udp->loop != NULL && !udp->is_stopping);
    udp->is_stopping = true;
    udp->stopped = stopped;
    udp->stopped_argument = argument;
    udp_names_cancel(udp);
    uv_close((uv_handle_t *)&udp->poll, on_poll_closed);
    /* Closed now, not with the memory: the port is free for the next at once, as the listener's. */
    (void)close(udp->socket);
    udp->socket = -1;
}

static void end(struct packets *packets)
{
    struct udp *udp = udp_of(packets);
    ASSERT(udp->pending_count == 0);
    if (udp->socket >= 0) {
        (void)close(udp->socket);
    }
    release(udp->allocator, udp, sizeof(*udp));
}

static void receive(struct packets *packets, size_t count_max)
{
    struct udp *udp = udp_of(packets);
    uint8_t bytes[UDP_PACKET_BYTES_MAX];
    ASSERT(udp->loop != NULL && !udp->is_stopping);
    if (udp->is_deaf) {
        udp->is_deaf = false;
        int failed = uv_poll_start(&udp->poll, UV_READABLE, on_poll);
        ASSERT(failed == 0);
    }
    for (size_t i = 0; i < count_max; i++) {
        struct sockaddr_storage from = {0};
        socklen_t from_bytes = sizeof(from);
        /* MSG_TRUNC: the datagram's length, also when it is more than there is room for. */
        ssize_t size_bytes = recvfrom(udp->socket, bytes, sizeof(bytes), MSG_TRUNC,
                                      (struct sockaddr *)&from, &from_bytes);
        if (size_bytes >= 0) {
            udp->events.received(udp->events.context, &from, bytes, (size_t)size_bytes);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR) {
            udp->events.failed(udp->events.context, -errno); /* as a rule of an earlier datagram */
        }
    }
}

static void source(struct packets *packets, const void *from, char out[QR_ADDRESS_BYTES_MAX])
{
    udp_source(udp_of(packets), from, out);
}

static int send_packet(struct packets *packets, const char *address, const uint8_t *data,
                       size_t size_bytes)
{
    struct udp *udp = udp_of(packets);
    struct sockaddr_storage to;
    ASSERT(udp->loop != NULL && !udp->is_stopping);
    if (!udp_find(udp, address, &to)) {
        return UV_EAI_AGAIN;
    }
    socklen_t to_bytes =
        to.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    ssize_t sent =
        sendto(udp->socket, data, size_bytes, MSG_NOSIGNAL, (struct sockaddr *)&to, to_bytes);
    return sent < 0 ? -errno : 0;
}

static const struct packets_table table = {
    .start = start,
    .receive = receive,
    .source = source,
    .send = send_packet,
    .stop = stop,
    .free = end,
};

int udp_open(const struct allocator *allocator, const char *address, uint16_t port,
             struct packets **out, char *detail)
{
    struct udp *udp = allocate_zeroed(allocator, sizeof(*udp));
    if (udp == NULL) {
        (void)snprintf(detail, UDP_DETAIL_BYTES, "memory ran out");
        return QR_ERR_NO_MEMORY;
    }
    udp->base.table = &table;
    udp->allocator = allocator;
    udp->socket = -1;
    int status = bind_socket(udp, address, port, detail);
    if (status != 0) {
        end(&udp->base);
        return status;
    }
    *out = &udp->base;
    return 0;
}
