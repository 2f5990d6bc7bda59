/* udp_internal.h: what the files of the UDP driver share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_UDP_INTERNAL_H
#define RUNTIME_UDP_INTERNAL_H

#include <sys/socket.h>

#include "runtime/address.h"
#include "runtime/udp.h"

/* A name of some member, and what it means. It stays in its place while it is looked up. */
struct udp_name {
    char address[QR_ADDRESS_BYTES_MAX]; /* "": free */
    bool is_known;
    bool is_looked_up; /* now */
    uint32_t attempt;
    time_ns used_ns;
    time_ns again_ns; /* not before is it looked up again */
    struct sockaddr_storage socket;
    struct udp *udp;
    struct address parsed;
    uv_getaddrinfo_t lookup;
};

struct udp {
    struct packets base;
    const struct allocator *allocator;
    struct packet_events events;
    uv_loop_t *loop; /* NULL: not started */
    int socket;
    int family;   /* AF_INET, or AF_INET6, which reaches IPv4 too unless bound to one address */
    bool is_deaf; /* an error stopped the polling: the next receive() begins it again */
    bool is_stopping;
    uint32_t pending_count; /* things libuv still has: the handle, look-ups */
    void (*stopped)(void *argument);
    void *stopped_argument;
    uv_poll_t poll;
    struct udp_name names[UDP_NAMES_MAX];
};

/* udp.c */

/* One thing less that libuv has; the last is the end, when it is stopping. */
void udp_let_go(struct udp *udp);

/* udp_names.c */

/* Where HOST:PORT is, as the socket wants it. False: it is no address, or not known yet. */
bool udp_find(struct udp *udp, const char *address, struct sockaddr_storage *out);

/* Where it comes from, as members write it: a name that we looked up, else the number. */
void udp_source(const struct udp *udp, const struct sockaddr_storage *from,
                char out[QR_ADDRESS_BYTES_MAX]);
void udp_names_cancel(struct udp *udp);

#endif
