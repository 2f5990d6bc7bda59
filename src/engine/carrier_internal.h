/* carrier_internal.h: what the files of the carrier share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CARRIER_INTERNAL_H
#define ENGINE_CARRIER_INTERNAL_H

#include <pthread.h>

#include "engine/carrier.h"

#define CARRIER_REASON_BYTES 128
#define CARRIER_ROUND_MAX 64 /* streams whose news are taken in, in one round of the loop */

/* Bytes that were told of. */
struct carrier_block {
    struct carrier_block *next;
    size_t size_bytes;
    uint8_t data[];
};

struct carrier_packet {
    struct carrier_packet *next;
    size_t size_bytes;
    char source[QR_ADDRESS_BYTES_MAX];
    uint8_t data[];
};

/* What was told of a stream, and is not taken in: under the mutex. */
struct carrier_news {
    bool is_accepted;
    bool is_connected;
    bool is_writable;
    bool is_ended;
    bool is_hungry; /* bytes were not taken: `resume` is wanted */
    enum stream_end end;
    char reason[CARRIER_REASON_BYTES];
    struct carrier_block *first;
    struct carrier_block *last;
    size_t waiting_bytes;
};

struct carrier;

struct carrier_stream {
    struct stream base;
    struct carrier *carrier;
    uint64_t number; /* the `connection` of the program's calls */
    void *link;
    bool has_link;  /* the program has a stream of this name: it must be told to close it */
    bool is_closed; /* by its owner */
    struct carrier_stream *next_gone;
    char source[QR_ADDRESS_BYTES_MAX]; /* of who was accepted */

    struct carrier_stream *next; /* of all that are not closed; under the mutex, like all below */
    struct carrier_stream *previous;
    bool is_up;   /* accepted or connected, as told */
    bool is_over; /* ended, as told */
    bool is_due;  /* there are news */
    struct carrier_stream *next_due;
    struct carrier_news news;
};

struct carrier {
    struct streams streams;
    struct packets packets;
    const struct allocator *allocator;
    struct qr_transport transport;
    struct qr_transport_host host;
    uint32_t reference_count; /* by whoever has the streams, and the packets */
    bool is_started;
    bool are_streams_stopping;
    bool are_packets_stopping;
    uint32_t open_handles;
    uv_async_t async;
    uv_idle_t idle;
    struct stream_events stream_events;
    struct packet_events packet_events;
    struct carrier_stream *gone; /* closed, and their owners not told yet */
    void (*streams_stopped)(void *argument);
    void *streams_argument;
    void (*packets_stopped)(void *argument);
    void *packets_argument;

    pthread_mutex_t mutex;
    pthread_t thread; /* the loop's; under the mutex, like all below */
    bool is_thread_known;
    bool is_awake;    /* the loop is coming */
    bool is_stopping; /* nothing is taken any more */
    bool is_stopped;  /* the program said so */
    uint64_t last_number;
    struct carrier_stream *all;
    struct carrier_stream *due_first;
    struct carrier_stream *due_last;
    uint32_t accepted_count; /* told, and not taken in */
    struct carrier_packet *packet_first;
    struct carrier_packet *packet_last;
    uint32_t packet_count;
};

/* carrier_host.c: what the program calls. */
void carrier_host_init(struct carrier *carrier);

/* All these under the mutex. Have the loop take in what there is. */
void carrier_wake(struct carrier *carrier);

/* A stream with the next number, among all; NULL when memory ran out. */
struct carrier_stream *carrier_stream_new(struct carrier *carrier, void *owner);

/* No more news of it; what there are is forgotten. */
void carrier_stream_forget(struct carrier_stream *stream);
void carrier_blocks_free(struct carrier *carrier, struct carrier_block *first);

/* carrier_round.c: on the loop: what was told, one after the other. */
void carrier_round(struct carrier *carrier);

/* The next stream with news, which the caller has now; false: there is none. */
bool carrier_take_news(struct carrier *carrier, struct carrier_stream **stream,
                       struct carrier_news *news);

/* carrier.c: all that is left is to end. */
void carrier_finish(struct carrier *carrier);

#endif
