/* address.c: HOST:PORT read and written. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <uv.h>

#include "base/text.h"
#include "quorate/error.h"

#define PORT_MAX 65535

static bool is_port(const char *text)
{
    size_t length = strlen(text);
    uint32_t value = 0;
    if (length == 0 || length >= ADDRESS_PORT_BYTES) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    return value <= PORT_MAX;
}

/* What a host may be made of: letters of names and of numbers, no blanks or commas. */
static bool is_host(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~' || strchr(",/[]\"\\", text[i]) != NULL) {
            return false;
        }
    }
    return length > 0;
}

int address_parse(const char *text, struct address *out)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || !is_port(colon + 1) || strlen(text) >= QR_ADDRESS_BYTES_MAX) {
        return QR_ERR_ADDRESS;
    }
    const char *host = text;
    size_t length = (size_t)(colon - text);
    if (text[0] == '[') {
        if (length < 3 || text[length - 1] != ']') {
            return QR_ERR_ADDRESS;
        }
        host++;
        length -= 2;
    } else if (memchr(host, ':', length) != NULL) {
        return QR_ERR_ADDRESS; /* IPv6 wants its brackets, else the port is a guess */
    }
    if (!is_host(host, length)) {
        return QR_ERR_ADDRESS;
    }
    struct text host_text = text_of(out->host, sizeof(out->host));
    text_bytes(&host_text, host, length);
    struct text port_text = text_of(out->port, sizeof(out->port));
    text_string(&port_text, colon + 1);
    return 0;
}

static int port_number(const char *port)
{
    int value = 0;
    for (; *port != '\0'; port++) {
        value = value * 10 + (*port - '0');
    }
    return value;
}

bool address_is_any_port(const char *text)
{
    struct address address;
    return address_parse(text, &address) == 0 && port_number(address.port) == 0;
}

bool address_to_socket(const struct address *address, struct sockaddr_storage *out)
{
    int port = port_number(address->port);
    memset(out, 0, sizeof(*out));
    return uv_ip4_addr(address->host, port, (struct sockaddr_in *)out) == 0 ||
           uv_ip6_addr(address->host, port, (struct sockaddr_in6 *)out) == 0;
}

static bool is_loopback(const struct sockaddr *socket)
{
    if (socket->sa_family == AF_INET) {
        const struct sockaddr_in *ip4 = (const struct sockaddr_in *)(const void *)socket;
        return ntohl(ip4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (socket->sa_family != AF_INET6) {
        return false;
    }
    const struct in6_addr *ip6 = &((const struct sockaddr_in6 *)(const void *)socket)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(ip6) ||
           (IN6_IS_ADDR_V4MAPPED(ip6) && ip6->s6_addr[12] == IN_LOOPBACKNET);
}

int address_is_loopback(const struct address *address, bool *is_only)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    if (getaddrinfo(address->host, address->port, &hints, &found) != 0) {
        return QR_ERR_ADDRESS;
    }
    bool is_all = true;
    for (const struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        is_all = is_all && is_loopback(info->ai_addr);
    }
    freeaddrinfo(found);
    *is_only = is_all;
    return 0;
}

void address_of_socket(const struct sockaddr *socket, char out[QR_ADDRESS_BYTES_MAX])
{
    struct text text = text_of(out, QR_ADDRESS_BYTES_MAX);
    char host[INET6_ADDRSTRLEN] = "";
    if (socket->sa_family == AF_INET) {
        const struct sockaddr_in *ip4 = (const struct sockaddr_in *)(const void *)socket;
        (void)uv_ip4_name(ip4, host, sizeof(host));
        text_string(&text, host);
        text_char(&text, ':');
        text_u64(&text, ntohs(ip4->sin_port));
    } else if (socket->sa_family == AF_INET6) {
        const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)(const void *)socket;
        (void)uv_ip6_name(ip6, host, sizeof(host));
        text_char(&text, '[');
        text_string(&text, host);
        text_string(&text, "]:");
        text_u64(&text, ntohs(ip6->sin6_port));
    } else {
        text_char(&text, '?');
    }
}
