/* address.c: HOST:PORT, and lists of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "server/meta.h"

#define PORT_TEXT_BYTES 6 /* "65535" and a NUL */

int cli_address_parse(const char *text, size_t size_bytes, struct cli_address *out)
{
    struct cli_address address = {.port = 0};
    if (server_address_split(text, size_bytes, address.host, sizeof(address.host), &address.port) !=
            0 ||
        address.port == 0) {
        return QR_ERR_ADDRESS;
    }
    *out = address;
    return 0;
}

bool cli_address_is_any(const struct cli_address *address)
{
    return strcmp(address->host, "0.0.0.0") == 0 || strcmp(address->host, "::") == 0;
}

int cli_address_write(const struct cli_address *address, char *out, size_t size_bytes)
{
    bool is_ip6 = strchr(address->host, ':') != NULL;
    int length = snprintf(out, size_bytes, "%s%s%s:%u", is_ip6 ? "[" : "", address->host,
                          is_ip6 ? "]" : "", (unsigned)address->port);
    if (length < 0 || (size_t)length >= size_bytes) {
        out[0] = '\0';
        return QR_ERR_TOO_LARGE;
    }
    return 0;
}

int cli_address_announced(const char *own, const char *dialed, char *out, size_t size_bytes)
{
    struct cli_address address;
    struct cli_address member;
    int status = cli_address_parse(own, strlen(own), &address);
    ASSERT(status == 0);
    status = cli_address_parse(dialed, strlen(dialed), &member);
    ASSERT(status == 0);
    if (cli_address_is_any(&address)) {
        member.port = address.port;
        return cli_address_write(&member, out, size_bytes);
    }
    int length = snprintf(out, size_bytes, "%s", own);
    if (length < 0 || (size_t)length >= size_bytes) {
        out[0] = '\0';
        return QR_ERR_TOO_LARGE;
    }
    return 0;
}

int cli_addresses_parse(const char *text, struct cli_addresses *out)
{
    out->count = 0;
    for (;;) {
        size_t length = strcspn(text, ",");
        if (out->count == CLI_ADDRESSES_MAX ||
            cli_address_parse(text, length, &out->items[out->count]) != 0) {
            return QR_ERR_ADDRESS;
        }
        out->count++;
        if (text[length] == '\0') {
            return 0;
        }
        text += length + 1;
    }
}

void cli_addresses_option(struct argp_state *state, const char *name, const char *text,
                          struct cli_addresses *out)
{
    if (cli_addresses_parse(text, out) != 0) {
        argp_error(state, "--%s: %s is not HOST:PORT or a list of it with commas", name, text);
    }
}

void cli_addresses_local(uint16_t port, struct cli_addresses *out)
{
    out->count = 1;
    out->items[0] = (struct cli_address){.host = "127.0.0.1", .port = port};
}

static bool socket_connect(int descriptor, const struct addrinfo *to, unsigned timeout_ms)
{
    if (connect(descriptor, to->ai_addr, to->ai_addrlen) == 0) {
        return true;
    }
    if (errno != EINPROGRESS) {
        return false;
    }
    struct pollfd waiting = {.fd = descriptor, .events = POLLOUT};
    if (poll(&waiting, 1, (int)timeout_ms) != 1) {
        errno = ETIMEDOUT;
        return false;
    }
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        errno = error == 0 ? errno : error;
        return false;
    }
    return true;
}

static bool socket_set_up(int descriptor, unsigned timeout_ms)
{
    struct timeval limit = {.tv_sec = (time_t)(timeout_ms / 1000),
                            .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
    int one = 1;
    int flags = fcntl(descriptor, F_GETFL);
    return flags >= 0 && fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) == 0 &&
           setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
           setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
           setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0;
}

static int connect_one(const struct addrinfo *to, unsigned timeout_ms)
{
    int descriptor = socket(to->ai_family, to->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return -1;
    }
    if (!socket_connect(descriptor, to, timeout_ms) || !socket_set_up(descriptor, timeout_ms)) {
        int error = errno;
        close(descriptor);
        errno = error;
        return -1;
    }
    return descriptor;
}

int cli_address_connect(const struct cli_address *address, unsigned timeout_ms)
{
    char port[PORT_TEXT_BYTES];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    snprintf(port, sizeof(port), "%u", (unsigned)address->port);
    if (getaddrinfo(address->host, port, &hints, &found) != 0) {
        errno = EHOSTUNREACH;
        return -1;
    }
    int descriptor = -1;
    for (const struct addrinfo *to = found; to != NULL && descriptor < 0; to = to->ai_next) {
        descriptor = connect_one(to, timeout_ms);
    }
    int error = errno;
    freeaddrinfo(found);
    errno = error;
    return descriptor;
}
