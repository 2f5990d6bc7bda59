/* transport_listen.c: the listening socket, and who comes in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/clock.h"
#include "runtime/transport_internal.h"

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

int transport_listen(struct transport *transport, const char *address, char *detail)
{
    struct address parsed;
    if (address_parse(address, &parsed) != 0) {
        (void)snprintf(detail, TRANSPORT_DETAIL_BYTES,
                       "\"%s\" is no address; write HOST:PORT, or [HOST]:PORT for IPv6", address);
        return QR_ERR_ADDRESS;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(parsed.host, parsed.port, &hints, &found);
    if (failure != 0) {
        (void)snprintf(detail, TRANSPORT_DETAIL_BYTES, "cannot find the address of %s: %s", address,
                       gai_strerror(failure));
        return QR_ERR_ADDRESS;
    }
    int descriptor = listen_on(found);
    freeaddrinfo(found);
    if (descriptor < 0) {
        (void)snprintf(detail, TRANSPORT_DETAIL_BYTES, "cannot listen on %s: %s", address,
                       strerror(-descriptor));
        return QR_ERR_ADDRESS;
    }
    transport->socket = descriptor;
    transport->port = port_of(descriptor);
    return 0;
}

static void put_remote_address(struct connection *connection)
{
    struct sockaddr_storage remote = {0};
    int length = sizeof(remote);
    if (uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&remote, &length) == 0) {
        address_of_socket((const struct sockaddr *)&remote, connection->address);
    }
}

/* When there are too many: of those that have not said who they are, the one that has had
 * the longest to say it; else the one that came last. A member speaks at once, and gets in.
 */
static void make_room(struct transport *transport, struct connection *last)
{
    struct connection *given_up = last;
    struct connection *connection = transport->connections; /* the latest first */
    for (; connection != NULL; connection = connection->next) {
        if (connection->kind == CONNECTION_INCOMING && connection->state == CONNECTION_HELLO) {
            given_up = connection;
        }
    }
    uint64_t suppressed = 0;
    if (transport_may_log(&transport->crowded, &suppressed)) {
        LOG(transport->options.log, LOG_WARN, "peer_connections_full",
            log_string("address", given_up->address), log_u64("limit", TRANSPORT_INCOMING_MAX),
            log_u64("suppressed", suppressed));
    }
    connection_discard(given_up);
}

void transport_accept(uv_stream_t *listener, int status)
{
    struct transport *transport = listener->data;
    if (status < 0) {
        return; /* out of descriptors: libuv has let the caller go, and goes on */
    }
    struct connection *connection = connection_new(transport, CONNECTION_INCOMING);
    if (connection == NULL) {
        return;
    }
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) != 0) {
        connection_close(connection, "not accepted");
        return;
    }
    put_remote_address(connection);
    if (transport->incoming_count > TRANSPORT_INCOMING_MAX) {
        make_room(transport, connection);
    }
    if (connection->state != CONNECTION_CLOSED) {
        connection_begin(connection);
    }
    transport_arm(transport);
}
