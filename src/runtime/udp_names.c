/* udp_names.c: names of members, looked up without blocking and kept for a while. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "runtime/clock.h"
#include "runtime/udp_internal.h"

/* An IPv6 socket reaches IPv4 by mapped addresses. */
static void map_ip4(struct sockaddr_storage *socket)
{
    struct sockaddr_in ip4;
    memcpy(&ip4, socket, sizeof(ip4));
    struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_port = ip4.sin_port};
    ip6.sin6_addr.s6_addr[10] = 0xff;
    ip6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&ip6.sin6_addr.s6_addr[12], &ip4.sin_addr, sizeof(ip4.sin_addr));
    memset(socket, 0, sizeof(*socket));
    memcpy(socket, &ip6, sizeof(ip6));
}

/* And back, so that everybody writes the same address the same way. */
static void unmap_ip4(struct sockaddr_storage *socket)
{
    struct sockaddr_in6 ip6;
    memcpy(&ip6, socket, sizeof(ip6));
    if (socket->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&ip6.sin6_addr)) {
        return;
    }
    struct sockaddr_in ip4 = {.sin_family = AF_INET, .sin_port = ip6.sin6_port};
    memcpy(&ip4.sin_addr, &ip6.sin6_addr.s6_addr[12], sizeof(ip4.sin_addr));
    memset(socket, 0, sizeof(*socket));
    memcpy(socket, &ip4, sizeof(ip4));
}

/* Whether both are the same host and port; what else an address holds does not count. */
static bool is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family) {
        return false;
    }
    if (a->ss_family == AF_INET) {
        struct sockaddr_in left;
        struct sockaddr_in right;
        memcpy(&left, a, sizeof(left));
        memcpy(&right, b, sizeof(right));
        return left.sin_port == right.sin_port && left.sin_addr.s_addr == right.sin_addr.s_addr;
    }
    struct sockaddr_in6 left;
    struct sockaddr_in6 right;
    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return left.sin6_port == right.sin6_port &&
           memcmp(&left.sin6_addr, &right.sin6_addr, sizeof(left.sin6_addr)) == 0;
}

/* A name may have several addresses, of which one answers: each look-up takes the next. */
static const struct addrinfo *choose(const struct addrinfo *found, uint32_t attempt)
{
    uint32_t count = 0;
    for (const struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        count++;
    }
    ASSERT(count > 0);
    const struct addrinfo *chosen = found;
    for (uint32_t i = attempt % count; i > 0; i--) {
        chosen = chosen->ai_next;
    }
    return chosen;
}

static void on_found(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct udp_name *name = request->data;
    struct udp *udp = name->udp;
    time_ns now_ns = runtime_now_ns();
    name->is_looked_up = false;
    name->again_ns = now_ns + (status == 0 ? UDP_NAME_FRESH_NS : UDP_NAME_AGAIN_NS);
    if (status == 0) { /* else what was known goes on: the name server may be what fails */
        const struct addrinfo *chosen = choose(found, name->attempt++);
        memset(&name->socket, 0, sizeof(name->socket));
        ASSERT(chosen->ai_addrlen <= sizeof(name->socket));
        memcpy(&name->socket, chosen->ai_addr, chosen->ai_addrlen);
        unmap_ip4(&name->socket);
        name->is_known = true;
    }
    uv_freeaddrinfo(found);
    udp_let_go(udp);
}

static size_t lookup_count(const struct udp *udp)
{
    size_t count = 0;
    for (size_t i = 0; i < UDP_NAMES_MAX; i++) {
        count += udp->names[i].is_looked_up ? 1 : 0;
    }
    return count;
}

static void look_up(struct udp *udp, struct udp_name *name)
{
    if (lookup_count(udp) >= UDP_LOOKUPS_MAX) {
        return; /* whoever sends to it next asks again */
    }
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    hints.ai_family = udp->family == AF_INET ? AF_INET : AF_UNSPEC;
    name->lookup.data = name;
    if (uv_getaddrinfo(udp->loop, &name->lookup, on_found, name->parsed.host, name->parsed.port,
                       &hints) == 0) {
        name->is_looked_up = true;
        udp->pending_count++;
    }
}

/* The name's place; else a free one, or that of the name that was used longest ago; NULL when all
 * of them are being looked up.
 */
static struct udp_name *place_of(struct udp *udp, const char *address)
{
    struct udp_name *oldest = NULL;
    for (size_t i = 0; i < UDP_NAMES_MAX; i++) {
        struct udp_name *name = &udp->names[i];
        if (strcmp(name->address, address) == 0) {
            return name;
        }
        if (!name->is_looked_up && (oldest == NULL || name->used_ns < oldest->used_ns)) {
            oldest = name;
        }
    }
    return oldest;
}

static bool find_name(struct udp *udp, const char *address, const struct address *parsed,
                      struct sockaddr_storage *out)
{
    time_ns now_ns = runtime_now_ns();
    struct udp_name *name = place_of(udp, address);
    if (name == NULL) {
        return false;
    }
    if (strcmp(name->address, address) != 0) {
        *name = (struct udp_name){.udp = udp, .parsed = *parsed};
        struct text text = text_of(name->address, sizeof(name->address));
        text_string(&text, address);
    }
    name->used_ns = now_ns;
    if (!name->is_looked_up && now_ns >= name->again_ns) {
        look_up(udp, name);
    }
    *out = name->socket;
    return name->is_known;
}

bool udp_find(struct udp *udp, const char *address, struct sockaddr_storage *out)
{
    struct address parsed;
    if (address_parse(address, &parsed) != 0 ||
        (!address_to_socket(&parsed, out) && !find_name(udp, address, &parsed, out))) {
        return false;
    }
    if (udp->family == AF_INET6 && out->ss_family == AF_INET) {
        map_ip4(out);
    }
    return out->ss_family == udp->family;
}

void udp_source(const struct udp *udp, const struct sockaddr_storage *from,
                char out[QR_ADDRESS_BYTES_MAX])
{
    struct sockaddr_storage plain = *from;
    unmap_ip4(&plain);
    for (size_t i = 0; i < UDP_NAMES_MAX; i++) {
        const struct udp_name *name = &udp->names[i];
        if (name->is_known && is_same(&name->socket, &plain)) {
            struct text text = text_of(out, QR_ADDRESS_BYTES_MAX);
            text_string(&text, name->address);
            return;
        }
    }
    address_of_socket((const struct sockaddr *)&plain, out);
}

void udp_names_cancel(struct udp *udp)
{
    for (size_t i = 0; i < UDP_NAMES_MAX; i++) {
        if (udp->names[i].is_looked_up) {
            /* This fails when it runs already; then its end is waited for. */
            (void)uv_cancel((uv_req_t *)&udp->names[i].lookup);
        }
    }
}
