/* listen.c: listening sockets and the addresses of peers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <string.h>

#include "server/internal.h"
#include "server/meta.h"

#define LISTEN_BACKLOG 1024

static int refuse(const char *address, const char *reason, char *detail)
{
    struct text text = text_of(detail, QR_ERROR_DETAIL_BYTES);

    text_string(&text, "cannot listen on ");
    text_string(&text, address);
    text_string(&text, ": ");
    text_string(&text, reason);
    return QR_ERR_ADDRESS;
}

/* The first address that `host` stands for: a number, or a name of this machine. */
static int resolve(uv_loop_t *loop, const char *host, uint16_t port, struct sockaddr_storage *out)
{
    uv_getaddrinfo_t request;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

    if (uv_ip4_addr(host, port, (struct sockaddr_in *)out) == 0 ||
        uv_ip6_addr(host, port, (struct sockaddr_in6 *)out) == 0) {
        return 0;
    }
    int error = uv_getaddrinfo(loop, &request, NULL, host, NULL, &hints);
    if (error != 0) {
        return error;
    }
    if (request.addrinfo->ai_family == AF_INET6) {
        *(struct sockaddr_in6 *)out = *(struct sockaddr_in6 *)(void *)request.addrinfo->ai_addr;
        ((struct sockaddr_in6 *)out)->sin6_port = htons(port);
    } else {
        *(struct sockaddr_in *)out = *(struct sockaddr_in *)(void *)request.addrinfo->ai_addr;
        ((struct sockaddr_in *)out)->sin_port = htons(port);
    }
    uv_freeaddrinfo(request.addrinfo);
    return 0;
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6) {
        return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
    }
    return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

int listen_open(uv_tcp_t *listener, const char *address, uv_connection_cb on_connection,
                uint16_t *port, char *detail)
{
    char host[QR_ADDRESS_BYTES_MAX];
    struct sockaddr_storage where = {0};
    int where_bytes = sizeof(where);
    uint16_t wanted;

    if (server_address_split(address, strlen(address), host, sizeof(host), &wanted) != 0) {
        return refuse(address, "not of the form HOST:PORT", detail);
    }
    int error = resolve(listener->loop, host, wanted, &where);
    if (error == 0) {
        error = uv_tcp_bind(listener, (const struct sockaddr *)&where, 0);
    }
    if (error == 0) {
        error = uv_listen((uv_stream_t *)listener, LISTEN_BACKLOG, on_connection);
    }
    if (error == 0) {
        error = uv_tcp_getsockname(listener, (struct sockaddr *)&where, &where_bytes);
    }
    if (error != 0) {
        return refuse(address, uv_strerror(error), detail);
    }
    *port = port_of(&where);
    return 0;
}

void listen_peer_text(const uv_tcp_t *handle, char *out, size_t out_bytes)
{
    struct sockaddr_storage peer = {0};
    int peer_bytes = sizeof(peer);
    char host[INET6_ADDRSTRLEN];
    struct text text = text_of(out, out_bytes);

    if (uv_tcp_getpeername(handle, (struct sockaddr *)&peer, &peer_bytes) != 0) {
        text_char(&text, '?');
        return;
    }
    if (peer.ss_family == AF_INET6) {
        uv_ip6_name((const struct sockaddr_in6 *)&peer, host, sizeof(host));
        text_char(&text, '[');
        text_string(&text, host);
        text_char(&text, ']');
    } else {
        uv_ip4_name((const struct sockaddr_in *)&peer, host, sizeof(host));
        text_string(&text, host);
    }
    text_char(&text, ':');
    text_u64(&text, port_of(&peer));
}
