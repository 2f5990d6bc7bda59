/* memory_transport.c: transports of a program that reach each other within one process. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/memory_transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

#define PIECE_BYTES_MAX 65536

/* One end of a stream. */
struct memory_link {
    struct memory_transport *transport;
    struct memory_link *next;
    struct memory_link *other; /* NULL: it is gone, or was never there */
    uint64_t connection;
    bool is_blocked; /* the other end takes no more: it will ask */
};

static void lock(struct memory_network *network)
{
    (void)pthread_mutex_lock(&network->mutex);
}

static void unlock(struct memory_network *network)
{
    (void)pthread_mutex_unlock(&network->mutex);
}

static struct memory_link *link_new(struct memory_transport *transport, uint64_t connection)
{
    struct memory_link *link = calloc(1, sizeof(*link));
    ASSERT(link != NULL);
    link->transport = transport;
    link->connection = connection;
    link->next = transport->links;
    transport->links = link;
    return link;
}

static void link_free(struct memory_link *link)
{
    struct memory_link **at = &link->transport->links;
    while (*at != link) {
        at = &(*at)->next;
    }
    *at = link->next;
    free(link);
}

/* Who listens there, and can be reached; or NULL. */
static struct memory_transport *find(struct memory_network *network, const char *address)
{
    for (size_t i = 0; i < MEMORY_TRANSPORTS_MAX; i++) {
        struct memory_transport *transport = &network->transports[i];
        if (transport->host != NULL && strcmp(transport->address, address) == 0) {
            return transport;
        }
    }
    return NULL;
}

static int on_listen(void *context, const char *address, char *detail)
{
    struct memory_transport *transport = context;
    struct memory_network *network = transport->network;
    lock(network);
    bool is_taken = find(network, address) != NULL;
    (void)snprintf(transport->address, sizeof(transport->address), "%s", is_taken ? "" : address);
    unlock(network);
    (void)snprintf(detail, QR_TRANSPORT_DETAIL_BYTES, "%s is taken", address);
    return is_taken ? QR_ERR_ADDRESS : 0;
}

static void on_start(void *context, const struct qr_transport_host *host)
{
    struct memory_transport *transport = context;
    lock(transport->network);
    transport->host = host;
    unlock(transport->network);
}

static void end_link(struct memory_link *link, enum qr_transport_end end, const char *reason)
{
    const struct qr_transport_host *host = link->transport->host;
    link->other = NULL;
    (void)host->closed(host->context, link->connection, end, reason);
}

/* Both ends hear of it from within this call. */
static void join(struct memory_link *from, struct memory_transport *to)
{
    struct memory_link *other = link_new(to, 0);
    int status =
        to->host->accepted(to->host->context, other, from->transport->address, &other->connection);
    if (status != 0) {
        link_free(other);
        end_link(from, QR_TRANSPORT_FAILED, "not accepted");
        return;
    }
    const struct qr_transport_host *host = from->transport->host;
    from->other = other;
    other->other = from;
    (void)host->connected(host->context, from->connection);
}

static int on_dial(void *context, uint64_t connection, const char *address, void **link)
{
    struct memory_transport *transport = context;
    struct memory_network *network = transport->network;
    lock(network);
    struct memory_link *made = link_new(transport, connection);
    struct memory_transport *to = find(network, address);
    *link = made;
    if (to == NULL) {
        end_link(made, QR_TRANSPORT_REFUSED, "nobody is there");
    } else if (!to->is_cut && !transport->is_cut) {
        join(made, to);
    }
    unlock(network);
    return 0;
}

/* As many of these bytes as the other end takes. */
static size_t carry(struct memory_link *link, const uint8_t *data, size_t size_bytes)
{
    const struct qr_transport_host *host = link->other->transport->host;
    size_t taken = 0;
    while (taken < size_bytes) {
        size_t piece = size_bytes - taken < PIECE_BYTES_MAX ? size_bytes - taken : PIECE_BYTES_MAX;
        int status = host->received(host->context, link->other->connection, data + taken, piece);
        if (status == QR_ERR_BUSY) {
            link->is_blocked = true;
            return taken;
        }
        taken += piece; /* who does not want it has closed: it is lost */
    }
    return taken;
}

static size_t write_parts(struct memory_link *link, const struct qr_part *parts, size_t count)
{
    struct memory_network *network = link->transport->network;
    const struct qr_transport_host *host = link->transport->host;
    size_t total = 0;
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        total += parts[i].size_bytes;
    }
    if (link->other == NULL) {
        return total;
    }
    size_t left = network->write_bytes_max == 0 ? total : network->write_bytes_max;
    for (size_t i = 0; i < count && left > 0 && !link->is_blocked; i++) {
        size_t size_bytes = parts[i].size_bytes < left ? parts[i].size_bytes : left;
        size_t gone = carry(link, parts[i].data, size_bytes);
        taken += gone;
        left -= gone;
    }
    network->carried_bytes += taken;
    if (taken < total) {
        network->short_write_count++;
        if (!link->is_blocked) {
            (void)host->writable(host->context, link->connection);
        }
    }
    return taken;
}

static size_t on_write(void *context, void *link, const struct qr_part *parts, size_t count)
{
    struct memory_transport *transport = context;
    lock(transport->network);
    size_t taken = write_parts(link, parts, count);
    unlock(transport->network);
    return taken;
}

static void on_resume(void *context, void *link)
{
    struct memory_transport *transport = context;
    struct memory_link *self = link;
    lock(transport->network);
    if (self->other != NULL && self->other->is_blocked) {
        const struct qr_transport_host *host = self->other->transport->host;
        self->other->is_blocked = false;
        (void)host->writable(host->context, self->other->connection);
    }
    unlock(transport->network);
}

static void on_close(void *context, void *link)
{
    struct memory_transport *transport = context;
    struct memory_link *self = link;
    lock(transport->network);
    if (self->other != NULL) {
        end_link(self->other, QR_TRANSPORT_CLOSED, "closed by the other end");
    }
    link_free(self);
    unlock(transport->network);
}

static int on_send_packet(void *context, const char *address, const void *data, size_t size_bytes)
{
    struct memory_transport *transport = context;
    struct memory_network *network = transport->network;
    lock(network);
    struct memory_transport *to = find(network, address);
    if (to != NULL && !to->is_cut && !transport->is_cut) {
        network->packet_count++;
        (void)to->host->packet(to->host->context, transport->address, data, size_bytes);
    }
    unlock(network);
    return to == NULL ? QR_ERR_NOT_FOUND : 0;
}

static void on_stop(void *context)
{
    struct memory_transport *transport = context;
    lock(transport->network);
    const struct qr_transport_host *host = transport->host;
    ASSERT(transport->links == NULL);
    transport->host = NULL;
    transport->address[0] = '\0';
    unlock(transport->network);
    if (host != NULL) {
        host->stopped(host->context);
    }
}

void memory_network_init(struct memory_network *network)
{
    *network = (struct memory_network){.write_bytes_max = 0};
    int failed = pthread_mutex_init(&network->mutex, NULL);
    ASSERT(failed == 0);
    for (size_t i = 0; i < MEMORY_TRANSPORTS_MAX; i++) {
        struct memory_transport *transport = &network->transports[i];
        transport->network = network;
        transport->table = (struct qr_transport){
            .size_bytes = sizeof(transport->table),
            .context = transport,
            .listen = on_listen,
            .start = on_start,
            .dial = on_dial,
            .write = on_write,
            .resume = on_resume,
            .close = on_close,
            .send_packet = on_send_packet,
            .stop = on_stop,
        };
    }
}

void memory_network_deinit(struct memory_network *network)
{
    for (size_t i = 0; i < MEMORY_TRANSPORTS_MAX; i++) {
        ASSERT(network->transports[i].links == NULL);
        ASSERT(network->transports[i].address[0] == '\0');
    }
    (void)pthread_mutex_destroy(&network->mutex);
}

void memory_network_cut(struct memory_network *network, size_t at, bool is_cut)
{
    struct memory_transport *transport = &network->transports[at];
    lock(network);
    transport->is_cut = is_cut;
    for (struct memory_link *link = transport->links; link != NULL; link = link->next) {
        struct memory_link *other = link->other;
        if (is_cut && other != NULL) {
            end_link(link, QR_TRANSPORT_FAILED, "cut");
            end_link(other, QR_TRANSPORT_FAILED, "cut");
        }
    }
    unlock(network);
}
