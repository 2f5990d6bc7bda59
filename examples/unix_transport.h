/* unix_transport.h: a transport of the program's own: members on one machine, which need no port.
 *
 * An address is HOST:PORT in form alone: it names the files ADDRESS.stream and ADDRESS.packets,
 * sockets of the Unix domain, in the present folder. What comes is told by one thread, which polls;
 * what goes is written by the engine's. One engine in a process may use it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXAMPLES_UNIX_TRANSPORT_H
#define EXAMPLES_UNIX_TRANSPORT_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "quorate/error.h"
#include "quorate/transport.h"

#define FLAGS (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
#define LINKS_MAX 320
#define ACCEPT LINKS_MAX /* places behind the streams, of what is polled */
#define PACKETS (LINKS_MAX + 1)
#define WAKE (LINKS_MAX + 2)

/* Under the mutex, as all of this: a stream; 0 for a connection is a free place. */
static struct link {
    uint64_t connection;
    int descriptor;
    short events; /* that are polled for; 0: nothing any more */
} links[LINKS_MAX];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static const struct qr_transport_host *host;
static int listener, packets, wake[2];

static struct sockaddr_un path_of(const char *address, const char *kind)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    (void)snprintf(path.sun_path, sizeof(path.sun_path), "%.90s.%s", address, kind);
    return path;
}

static int socket_at(const char *address, const char *kind, int type)
{
    struct sockaddr_un path = path_of(address, kind);
    int descriptor = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)unlink(path.sun_path); /* of a process that was killed: the data directory has a lock */
    return bind(descriptor, (struct sockaddr *)&path, sizeof(path)) == 0 ? descriptor : -1;
}

static int start_listening(void *context, const char *address, char *detail)
{
    (void)context;
    listener = socket_at(address, "stream", SOCK_STREAM);
    packets = socket_at(address, "packets", SOCK_DGRAM);
    if (listener < 0 || packets < 0 || listen(listener, 64) != 0 ||
        socketpair(AF_UNIX, FLAGS, 0, wake) != 0) {
        (void)snprintf(detail, QR_TRANSPORT_DETAIL_BYTES, "%s: %s", address, strerror(errno));
        return QR_ERR_ADDRESS;
    }
    return 0;
}

static struct link *take_place(uint64_t connection, int descriptor)
{
    for (struct link *link = links; link < links + LINKS_MAX; link++) {
        if (link->connection == 0) {
            *link = (struct link){connection, descriptor, POLLIN};
            return link;
        }
    }
    return NULL;
}

static void accept_link(void)
{
    int descriptor = accept(listener, NULL, NULL);
    struct link *link = descriptor < 0 ? NULL : take_place(UINT64_MAX, descriptor);
    if (link != NULL && host->accepted(host->context, link, NULL, &link->connection) != 0) {
        link->connection = 0;
        link = NULL;
    }
    if (link == NULL && descriptor >= 0) {
        (void)close(descriptor);
    }
}

/* Bytes stay in the socket until the engine has taken them. */
static void read_link(struct link *link)
{
    static char room[65536];
    ssize_t count = recv(link->descriptor, room, sizeof(room), MSG_PEEK | MSG_DONTWAIT);
    if (count > 0 && host->received(host->context, link->connection, room, (size_t)count) == 0) {
        (void)recv(link->descriptor, room, (size_t)count, MSG_DONTWAIT);
    } else if (count >= 0 || (errno != EAGAIN && errno != EINTR)) {
        link->events &= ~POLLIN; /* there is no room, until resume(); or it has ended */
        if (count <= 0) {
            (void)host->closed(host->context, link->connection,
                               count == 0 ? QR_TRANSPORT_CLOSED : QR_TRANSPORT_FAILED, "closed");
        }
    }
}

static void read_packet(void)
{
    char data[QR_TRANSPORT_PACKET_BYTES_MAX];
    struct sockaddr_un from = {.sun_family = AF_UNIX};
    socklen_t from_bytes = sizeof(from) - 1;
    ssize_t count = recvfrom(packets, data, sizeof(data), 0, (struct sockaddr *)&from, &from_bytes);
    char *kind = strrchr(from.sun_path, '.');
    if (count > 0 && kind != NULL) {
        *kind = '\0';
        (void)host->packet(host->context, from.sun_path, data, (size_t)count);
    }
}

/* Until stop() closes its end of the pair. The host's functions wait for nobody and never call
 * back: they may be called under the mutex.
 */
static void *carry(void *argument)
{
    struct pollfd polled[WAKE + 1] = {[ACCEPT] = {listener, POLLIN, 0},
                                      [PACKETS] = {packets, POLLIN, 0},
                                      [WAKE] = {wake[0], POLLIN, 0}};
    while ((polled[WAKE].revents & POLLHUP) == 0) {
        char woken[64];
        (void)!read(polled[WAKE].revents != 0 ? wake[0] : -1, woken, sizeof(woken));
        (void)pthread_mutex_lock(&mutex);
        if (polled[ACCEPT].revents != 0) {
            accept_link();
        }
        if (polled[PACKETS].revents != 0) {
            read_packet();
        }
        for (size_t i = 0; i < LINKS_MAX; i++) {
            struct link *link = &links[i];
            bool is_same = link->connection != 0 && link->descriptor == polled[i].fd;
            if (is_same && (link->events & POLLOUT) != 0 && (polled[i].revents & POLLOUT) != 0) {
                link->events &= ~POLLOUT;
                (void)host->writable(host->context, link->connection);
            }
            if (is_same && (link->events & POLLIN) != 0 && (polled[i].revents & ~POLLOUT) != 0) {
                read_link(link);
            }
            bool is_polled = link->connection != 0 && link->events != 0;
            polled[i] = (struct pollfd){is_polled ? link->descriptor : -1, link->events, 0};
        }
        (void)pthread_mutex_unlock(&mutex);
        (void)poll(polled, WAKE + 1, -1);
    }
    (void)close(listener);
    (void)close(packets);
    (void)close(wake[0]);
    host->stopped(host->context);
    return argument;
}

static void start(void *context, const struct qr_transport_host *given)
{
    (void)context;
    host = given;
    if (pthread_create(&thread, NULL, carry, NULL) != 0 || pthread_detach(thread) != 0) {
        abort();
    }
}

/* The thread is to look anew at what it polls. The mutex is held. */
static void poll_for(struct link *link, short events)
{
    link->events |= events;
    (void)!write(wake[1], "", 1);
}

static int dial(void *context, uint64_t connection, const char *address, void **name)
{
    struct sockaddr_un path = path_of(address, "stream");
    int descriptor = socket(AF_UNIX, FLAGS, 0);
    bool is_up = connect(descriptor, (struct sockaddr *)&path, sizeof(path)) == 0;
    bool is_refused = !is_up && (errno == ECONNREFUSED || errno == ENOENT);
    (void)context;
    (void)pthread_mutex_lock(&mutex);
    struct link *link = take_place(connection, descriptor);
    *name = link;
    if (link != NULL && is_up) {
        (void)host->connected(host->context, connection);
        poll_for(link, POLLIN);
    } else if (link != NULL) {
        link->events = 0;
        (void)host->closed(host->context, connection,
                           is_refused ? QR_TRANSPORT_REFUSED : QR_TRANSPORT_FAILED, "not there");
    } else {
        (void)close(descriptor);
    }
    (void)pthread_mutex_unlock(&mutex);
    return link == NULL ? QR_ERR_BUSY : 0;
}

static size_t write_parts(void *context, void *name, const struct qr_part *parts, size_t count)
{
    struct link *link = name;
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count};
    size_t total = 0;
    (void)context;
    for (size_t i = 0; i < count; i++) {
        total += parts[i].size_bytes;
    }
    ssize_t sent = sendmsg(link->descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    size_t taken = sent < 0 ? 0 : (size_t)sent;
    if (taken < total) { /* where it failed for good, reading says so */
        (void)pthread_mutex_lock(&mutex);
        poll_for(link, POLLOUT);
        (void)pthread_mutex_unlock(&mutex);
    }
    return taken;
}

static void resume(void *context, void *name)
{
    (void)context;
    (void)pthread_mutex_lock(&mutex);
    poll_for(name, POLLIN);
    (void)pthread_mutex_unlock(&mutex);
}

static void close_link(void *context, void *name)
{
    struct link *link = name;
    (void)context;
    (void)pthread_mutex_lock(&mutex);
    (void)close(link->descriptor);
    link->connection = 0;
    (void)pthread_mutex_unlock(&mutex);
}

static int send_packet(void *context, const char *address, const void *data, size_t size_bytes)
{
    struct sockaddr_un to = path_of(address, "packets");
    (void)context;
    return sendto(packets, data, size_bytes, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)) < 0
               ? QR_ERR_ADDRESS
               : 0;
}

static void stop(void *context)
{
    (void)context;
    (void)close(wake[1]);
    if (host == NULL) { /* it was not started */
        (void)close(listener);
        (void)close(packets);
    }
}

static const struct qr_transport unix_transport = {
    .size_bytes = sizeof(unix_transport),
    .listen = start_listening,
    .start = start,
    .dial = dial,
    .write = write_parts,
    .resume = resume,
    .close = close_link,
    .send_packet = send_packet,
    .stop = stop,
};

#endif
