/* gossip_internal.h: what the files of the UDP driver share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_GOSSIP_INTERNAL_H
#define RUNTIME_GOSSIP_INTERNAL_H

#include <sys/socket.h>

#include "runtime/address.h"
#include "runtime/gossip.h"

/* A name of some member, and what it means. It stays in its place while it is looked up. */
struct gossip_name {
    char address[QR_ADDRESS_BYTES_MAX]; /* "": free */
    bool is_known;
    bool is_looked_up; /* now */
    uint32_t attempt;
    time_ns used_ns;
    time_ns again_ns; /* not before is it looked up again */
    struct sockaddr_storage socket;
    struct gossip *gossip;
    struct address parsed;
    uv_getaddrinfo_t lookup;
};

struct gossip {
    struct gossip_options options; /* address is not kept */
    uv_loop_t *loop;               /* NULL: not started */
    int socket;
    int family;   /* AF_INET, or AF_INET6, which reaches IPv4 too unless bound to one address */
    bool is_deaf; /* an error stopped the polling: the next gossip_receive() begins it again */
    bool is_closing;
    uint32_t pending_count; /* things libuv still has: the handle, look-ups */
    time_ns log_ns;         /* no line about failures before */
    time_ns refused_ns;     /* nor about packets that were refused */
    struct gossip_counters counters;
    void (*closed)(void *argument);
    void *closed_argument;
    uv_poll_t poll;
    struct gossip_name names[GOSSIP_NAMES_MAX];
};

/* gossip.c */

/* One thing less that libuv has; the last frees it, when it is closing. */
void gossip_let_go(struct gossip *gossip);

/* gossip_names.c */

/* Where HOST:PORT is, as the socket wants it. False: it is no address, or not known yet. */
bool gossip_find(struct gossip *gossip, const char *address, struct sockaddr_storage *out);

/* Where it comes from, as members write it: a name that we looked up, else the number. */
void gossip_source(const struct gossip *gossip, const struct sockaddr_storage *from,
                   char out[QR_ADDRESS_BYTES_MAX]);
void gossip_names_cancel(struct gossip *gossip);

#endif
