/* gossip.c: the UDP socket: bound, read, written, closed.
 *
 * The socket is never connected, so an ICMP error of one receiver is no error of the next call;
 * whatever call fails, what it was about is lost and the socket goes on.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/gossip.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/types.h"
#include "quorate/error.h"
#include "runtime/clock.h"
#include "runtime/gossip_internal.h"
#include "runtime/keyring.h"

/* What arrives while the process does not run: a burst of a large cluster fits. */
#define SOCKET_BUFFER_BYTES (1024 * 1024)
#define REFUSED_NS (10 * NS_PER_S) /* a line about packets that were refused */

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

static int bind_socket(struct gossip *gossip, const char *address, uint16_t port, char *detail)
{
    struct address parsed;
    if (address_parse(address, &parsed) != 0) {
        (void)snprintf(detail, GOSSIP_DETAIL_BYTES,
                       "\"%s\" is no address; write HOST:PORT, or [HOST]:PORT for IPv6", address);
        return QR_ERR_ADDRESS;
    }
    char digits[ADDRESS_PORT_BYTES];
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    (void)snprintf(digits, sizeof(digits), "%u", port);
    int failure = getaddrinfo(parsed.host, digits, &hints, &found);
    if (failure != 0) {
        (void)snprintf(detail, GOSSIP_DETAIL_BYTES, "cannot find the address of %s: %s", address,
                       gai_strerror(failure));
        return QR_ERR_ADDRESS;
    }
    gossip->family = found->ai_family;
    gossip->socket = bind_to(found);
    freeaddrinfo(found);
    if (gossip->socket < 0) {
        (void)snprintf(detail, GOSSIP_DETAIL_BYTES, "cannot use UDP port %u of %.200s: %s", port,
                       parsed.host, strerror(-gossip->socket));
        return QR_ERR_ADDRESS;
    }
    return 0;
}

int gossip_open(const struct gossip_options *options, struct gossip **out, char *detail)
{
    struct gossip *gossip = allocate_zeroed(options->allocator, sizeof(*gossip));
    if (gossip == NULL) {
        (void)snprintf(detail, GOSSIP_DETAIL_BYTES, "memory ran out");
        return QR_ERR_NO_MEMORY;
    }
    gossip->options = *options;
    gossip->options.address = NULL;
    gossip->socket = -1;
    int status = bind_socket(gossip, options->address, options->port, detail);
    if (status != 0) {
        gossip_free(gossip);
        return status;
    }
    *out = gossip;
    return 0;
}

void gossip_free(struct gossip *gossip)
{
    if (gossip == NULL) {
        return;
    }
    ASSERT(gossip->pending_count == 0);
    if (gossip->socket >= 0) {
        (void)close(gossip->socket);
    }
    release(gossip->options.allocator, gossip, sizeof(*gossip));
}

/* Failures are counted; of those that somebody may want to mend one is told in a second. */
static void log_failure(struct gossip *gossip, const char *event, const char *reason)
{
    time_ns now_ns = runtime_now_ns();
    if (now_ns >= gossip->log_ns) {
        gossip->log_ns = now_ns + NS_PER_S;
        LOG(gossip->options.log, LOG_DEBUG, event, log_string("reason", reason));
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct gossip *gossip = poll->data;
    (void)events;
    if (status < 0) {
        /* libuv has stopped polling. What the socket complains of is read, and so forgotten; it
         * is polled again from the next gossip_receive() on, so that an error that stays does
         * not keep the loop busy.
         */
        int error = 0;
        socklen_t length = sizeof(error);
        (void)getsockopt(gossip->socket, SOL_SOCKET, SO_ERROR, &error, &length);
        gossip->counters.receive_failed++;
        gossip->is_deaf = true;
    }
    gossip->options.events.readable(gossip->options.events.context);
}

/* On a loop that polls a socket already this cannot fail: the descriptor is one, and is open. */
void gossip_start(struct gossip *gossip, uv_loop_t *loop)
{
    ASSERT(gossip->loop == NULL);
    gossip->loop = loop;
    gossip->poll.data = gossip;
    int failed = uv_poll_init(loop, &gossip->poll, gossip->socket);
    ASSERT(failed == 0);
    failed = uv_poll_start(&gossip->poll, UV_READABLE, on_poll);
    ASSERT(failed == 0);
    gossip->pending_count = 1;
}

void gossip_let_go(struct gossip *gossip)
{
    ASSERT(gossip->pending_count > 0);
    gossip->pending_count--;
    if (gossip->pending_count > 0) {
        return;
    }
    ASSERT(gossip->is_closing);
    void (*closed)(void *argument) = gossip->closed;
    void *argument = gossip->closed_argument;
    gossip_free(gossip);
    if (closed != NULL) {
        closed(argument);
    }
}

static void on_poll_closed(uv_handle_t *handle)
{
    gossip_let_go(handle->data);
}

void gossip_close(struct gossip *gossip, void (*closed)(void *argument), void *argument)
{
    ASSERT(gossip->loop != NULL);
    ASSERT(!gossip->is_closing);
    gossip->is_closing = true;
    gossip->closed = closed;
    gossip->closed_argument = argument;
    gossip_names_cancel(gossip);
    uv_close((uv_handle_t *)&gossip->poll, on_poll_closed);
    /* Closed now, not with the memory: the port is free for the next at once, as the listener's. */
    (void)close(gossip->socket);
    gossip->socket = -1;
}

static const char *refusal(int status)
{
    switch (status) {
    case QR_ERR_MALFORMED:
        return "it is not encrypted: its sender was started without the cluster's secret, or is "
               "none";
    case QR_ERR_FOREIGN:
        return "its sender has a cluster secret that this node does not have";
    case QR_ERR_STALE:
        return "it came before, or very late";
    default:
        return "it was changed on its way, or forged";
    }
}

/* Counted, and told now and then. */
static void refuse(struct gossip *gossip, const struct sockaddr_storage *from, int status)
{
    time_ns now_ns = runtime_now_ns();
    gossip->counters.received_refused++;
    if (now_ns >= gossip->refused_ns) {
        char source[QR_ADDRESS_BYTES_MAX];
        gossip_source(gossip, from, source);
        gossip->refused_ns = now_ns + REFUSED_NS;
        LOG(gossip->options.log, LOG_WARN, "gossip_refused", log_string("address", source),
            log_string("reason", refusal(status)),
            log_u64("refused", gossip->counters.received_refused));
    }
}

/* What was sealed, or nothing. */
static bool open_packet(struct gossip *gossip, const struct sockaddr_storage *from,
                        struct gossip_packet *packet, uint8_t room[GOSSIP_PACKET_BYTES_MAX])
{
    size_t opened_bytes = 0;
    int status = keyring_open(gossip->options.keyring, packet->data, packet->size_bytes, room,
                              GOSSIP_PACKET_BYTES_MAX, &opened_bytes);
    if (status != 0 || opened_bytes == 0) {
        refuse(gossip, from, status);
        return false;
    }
    packet->data = room;
    packet->size_bytes = opened_bytes;
    packet->is_proved = true;
    return true;
}

static void hand_over(struct gossip *gossip, const struct sockaddr_storage *from,
                      const uint8_t *data, size_t size_bytes)
{
    if (size_bytes == 0) {
        gossip->counters.received_empty++;
        return;
    }
    if (size_bytes > GOSSIP_PACKET_BYTES_MAX) {
        gossip->counters.received_too_long++;
        return;
    }
    char source[QR_ADDRESS_BYTES_MAX];
    struct gossip_packet packet = {.data = data, .size_bytes = size_bytes, .source = source};
    uint8_t opened[GOSSIP_PACKET_BYTES_MAX];
    if (gossip->options.keyring != NULL && !open_packet(gossip, from, &packet, opened)) {
        return;
    }
    gossip_source(gossip, from,
                  source); /* all names are gone through: not for what anybody sends */
    gossip->counters.received++;
    gossip->options.events.received(gossip->options.events.context, &packet);
}

void gossip_receive(struct gossip *gossip, size_t count_max)
{
    uint8_t bytes[GOSSIP_PACKET_BYTES_MAX];
    ASSERT(gossip->loop != NULL && !gossip->is_closing);
    if (gossip->is_deaf) {
        gossip->is_deaf = false;
        int failed = uv_poll_start(&gossip->poll, UV_READABLE, on_poll);
        ASSERT(failed == 0);
    }
    for (size_t i = 0; i < count_max; i++) {
        struct sockaddr_storage from = {0};
        socklen_t from_bytes = sizeof(from);
        /* MSG_TRUNC: the datagram's length, also when it is more than there is room for. */
        ssize_t size_bytes = recvfrom(gossip->socket, bytes, sizeof(bytes), MSG_TRUNC,
                                      (struct sockaddr *)&from, &from_bytes);
        if (size_bytes >= 0) {
            hand_over(gossip, &from, bytes, (size_t)size_bytes);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR) {
            gossip->counters.receive_failed++; /* of an earlier datagram, as a rule: read on */
            log_failure(gossip, "gossip_receive_failed", strerror(errno));
        }
    }
}

bool gossip_send(struct gossip *gossip, const char *address, const uint8_t *data, size_t size_bytes)
{
    uint8_t sealed[GOSSIP_PACKET_BYTES_MAX];
    struct keyring *keyring = gossip->options.keyring;
    size_t added_bytes = keyring == NULL ? 0 : KEYRING_SEAL_BYTES;
    ASSERT(size_bytes > 0 && size_bytes + added_bytes <= GOSSIP_PACKET_BYTES_MAX);
    ASSERT(gossip->loop != NULL && !gossip->is_closing);
    struct sockaddr_storage to;
    if (!gossip_find(gossip, address, &to)) {
        gossip->counters.send_failed++;
        return false;
    }
    if (keyring != NULL) {
        size_bytes = keyring_seal(keyring, data, size_bytes, sealed, sizeof(sealed));
        data = sealed;
        if (size_bytes == 0) {
            gossip->counters.send_failed++;
            return false;
        }
    }
    socklen_t to_bytes =
        to.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    ssize_t sent =
        sendto(gossip->socket, data, size_bytes, MSG_NOSIGNAL, (struct sockaddr *)&to, to_bytes);
    if (sent < 0) {
        gossip->counters.send_failed++;
        log_failure(gossip, "gossip_send_failed", strerror(errno));
        return false;
    }
    gossip->counters.sent++;
    gossip->counters.longest_sent_bytes = max_u64(gossip->counters.longest_sent_bytes, size_bytes);
    return true;
}

void gossip_counters(const struct gossip *gossip, struct gossip_counters *out)
{
    *out = gossip->counters;
}
