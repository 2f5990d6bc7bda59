/* memory_transport.h: transports of a program that reach each other within one process.
 *
 * Owns     nothing but the streams. A network is a table of transports, each of which has an
 *          address; between them go bytes, packets, and, when told so, nothing.
 * Threads  any. One mutex for the whole network, which is held while engines are told things.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_MEMORY_TRANSPORT_H
#define SUPPORT_MEMORY_TRANSPORT_H

#include <pthread.h>
#include <stdbool.h>

#include "quorate/transport.h"

#define MEMORY_TRANSPORTS_MAX 4

struct memory_network;
struct memory_link;

struct memory_transport {
    struct qr_transport table; /* what to hand to the engine */
    struct memory_network *network;
    const struct qr_transport_host *host; /* between start and stop */
    char address[QR_ADDRESS_BYTES_MAX];   /* "": it does not listen */
    bool is_cut;
    struct memory_link *links;
};

struct memory_network {
    pthread_mutex_t mutex;
    struct memory_transport transports[MEMORY_TRANSPORTS_MAX];
    size_t write_bytes_max; /* that one write takes; 0: all */
    uint64_t short_write_count;
    uint64_t carried_bytes;
    uint64_t packet_count;
};

void memory_network_init(struct memory_network *network);

/* Assert that all streams were closed, and all transports stopped. */
void memory_network_deinit(struct memory_network *network);

/* Cut one off from all others: its streams fail, and whom it dials does not answer; or heal it. */
void memory_network_cut(struct memory_network *network, size_t at, bool is_cut);

#endif
