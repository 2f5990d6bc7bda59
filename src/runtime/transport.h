/* transport.h: frames between members, over streams of bytes that somebody else carries.
 *
 * Owns     one dialed connection to each member, and those that
 *          members dialed to us. Who dials sends; the other end reads, and answers on the
 *          same connection only the hello, a join, and what it cannot send on one of its own.
 *          Besides, for as long as something is said on them, connections for SWIM alone.
 * Does not know what a message means, who is a member, or when to send again; nor how bytes
 *          travel: by TCP, unless told otherwise (streams.h).
 * Threads  the loop's, for every call and every event.
 *
 * What is handed over to be sent stays queued until transport_flush(), so that the frames
 * of one turn go out together.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_TRANSPORT_H
#define RUNTIME_TRANSPORT_H

#include <uv.h>

#include "base/allocator.h"
#include "base/log.h"
#include "quorate/types.h"
#include "runtime/streams.h"
#include "wire/wire.h"

#define TRANSPORT_DETAIL_BYTES 512
#define TRANSPORT_PEERS_MAX QR_MEMBERS_MAX
#define TRANSPORT_INCOMING_MAX 256 /* connections that others dialed */
#define TRANSPORT_QUEUE_FRAMES_MAX 4096
#define TRANSPORT_CHUNK_BYTES CHUNK_USUAL_BYTES /* received into; larger only for a larger frame */
#define TRANSPORT_CONNECT_TIMEOUT_NS (2 * NS_PER_S)
#define TRANSPORT_HELLO_TIMEOUT_NS (2 * NS_PER_S)
#define TRANSPORT_BACKOFF_NS_MIN (20 * NS_PER_MS)
#define TRANSPORT_BACKOFF_NS_MAX NS_PER_S
#define TRANSPORT_GOSSIP_DIALED_MAX 16    /* at a time */
#define TRANSPORT_IDLE_NS (10 * NS_PER_S) /* then one for gossip or an invitation is closed */
/* Waiting for one stream: 64 messages. What a member tells another of 4,096 members, all with the
 * longest profiles, is 49 (swim/sync.c); less would cut it, and who is told is none the wiser.
 */
#define TRANSPORT_GOSSIP_QUEUE_BYTES (64 * (WIRE_HEAD_BYTES_MAX + WIRE_GOSSIP_BYTES_MAX))

/* A SWIM message that came on a stream. Borrowed. */
struct transport_gossip {
    uint64_t stream; /* for an answer: transport_gossip() */
    const uint8_t *data;
    size_t size_bytes;  /* 0..WIRE_GOSSIP_BYTES_MAX */
    const char *source; /* the address that the other end says it has, or that was dialed */
    bool is_proved;     /* it has a key of this cluster */
};

/* What the transport asks and tells. Called from the loop, never from within a call of the
 * transport but transport_flush(); they may call the transport, but not free it.
 */
struct transport_events {
    void *context;

    /* What to say first on a connection we dialed; `expected` is who should be there. */
    void (*hello)(void *context, bool has_expected, node_id expected, struct wire_hello *out);

    /* Judge a hello; 0 or the error in the response, which is sent either way. */
    int (*hello_check)(void *context, const struct wire_hello *hello,
                       struct wire_hello_response *response);

    /* Judge the answer to ours; not 0: the connection is closed, for `reason`. */
    int (*hello_response_check)(void *context, const struct wire_hello_response *response,
                                bool has_expected, node_id expected, const char **reason);

    /* A message of the node at the other end. `connection` names it for transport_reply() when
     * that is in no cluster yet, or invites us, and is 0 otherwise; the message is borrowed until
     * return, its entries' chunks may be held.
     */
    void (*received)(void *context, node_id from, uint64_t connection,
                     const struct wire_message *message);

    void (*seed_ready)(void *context);
    void (*seed_received)(void *context, const struct wire_message *message);
    /* status   with what either end refused the other; QR_ERR_NO_MEMORY: it ran out here; 0: it
     *          is another reason.
     */
    void (*seed_closed)(void *context, int status, const char *reason);

    void (*gossip_received)(void *context, const struct transport_gossip *gossip);

    /* An open connection with a member ended, whoever dialed it. It is dialed anew at once
     * (once a second at most); when its host then says that nobody listens, that is told as
     * well, by is_refused.
     */
    void (*member_closed)(void *context, node_id member, bool is_refused);
};

struct keyring;

struct transport_options {
    const struct allocator *allocator; /* borrowed */
    const struct log_sink *log;        /* borrowed; may be NULL */
    struct keyring *keyring; /* kept: only who has a key is talked to, by TLS; NULL: plain */
    struct transport_events events;
    struct streams *streams;   /* given, if transport_open() returns 0; NULL: TCP, at `address` */
    const char *address;       /* HOST:PORT to listen on; port 0: any */
    uint64_t seed;             /* of the jitter */
    uint64_t frame_bytes_max;  /* of a frame received; longer ones close the connection */
    uint64_t queue_bytes_max;  /* waiting for one connection; one frame may pass it */
    uint64_t backoff_ns_max;   /* 0: TRANSPORT_BACKOFF_NS_MAX */
    uint64_t hello_timeout_ns; /* 0: TRANSPORT_HELLO_TIMEOUT_NS */
    uint64_t idle_ns;          /* 0: TRANSPORT_IDLE_NS */
};

struct transport;

/* Bind and listen; nothing is accepted or dialed before transport_start().
 *
 * detail   TRANSPORT_DETAIL_BYTES; on failure a sentence with the address.
 *
 * Returns 0, or with nothing left behind QR_ERR_ADDRESS or QR_ERR_NO_MEMORY.
 */
NODISCARD int transport_open(const struct transport_options *options, struct transport **out,
                             char *detail);

/* The port that is listened on, by TCP; else 0. */
uint16_t transport_port(const struct transport *transport);

/* Live on `loop` from now on. */
void transport_start(struct transport *transport, uv_loop_t *loop);

/* Free one that was not started. NULL is allowed. */
void transport_free(struct transport *transport);

/* Close everything and free; `closed` is called on the loop, later. No event follows. */
void transport_close(struct transport *transport, void (*closed)(void *argument), void *argument);

struct transport_peer {
    node_id id;
    const char *address; /* copied */
};

/* Keep connections to these, at most TRANSPORT_PEERS_MAX, and dial no other. A peer whose
 * address changed is dialed anew.
 */
void transport_set_peers(struct transport *transport, const struct transport_peer *peers,
                         size_t count);

/* Queue a frame, which is given. Without a connection (being made, at least), or with its
 * queue full, it is dropped and counted: then false, and it was certainly not sent.
 */
bool transport_send(struct transport *transport, node_id to, struct wire_frame *frame);

/* The same on the connection that a message came in on; dropped when that is gone. */
void transport_reply(struct transport *transport, uint64_t connection, struct wire_frame *frame);

/* Dial a member to join through, or whom to invite, instead of any dialed before; NULL: none any
 * more. The events seed_ready or seed_closed follow, later; none for one that is replaced.
 */
void transport_dial_seed(struct transport *transport, const char *address);
void transport_send_seed(struct transport *transport, struct wire_frame *frame);

/* Queue a SWIM message: on a stream to `address`, dialed if there is none, or, address NULL,
 * back on the stream that one came on.
 *
 * data   borrowed; 1..WIRE_GOSSIP_BYTES_MAX (asserted).
 *
 * False: it was dropped, and counted. The stream is gone, its queue is full, too many are
 * dialed, or memory ran out. A stream to a node that does not know gossip closes by itself.
 */
bool transport_gossip(struct transport *transport, const char *address, uint64_t answers,
                      const uint8_t *data, size_t size_bytes);

/* Write what is queued, as far as the streams take it; they go on by themselves. */
void transport_flush(struct transport *transport);

struct transport_peer_state {
    bool is_connected; /* either way */
    bool is_proved;    /* and our own connection is encrypted, by a key of the cluster */
    time_ns heard_ns;  /* when anything last came; 0: never */
    time_ns lost_ns;   /* since when there is no connection; if is_connected, nothing */
};

/* What is known of a peer; false when it is none. */
bool transport_peer_state(const struct transport *transport, node_id id,
                          struct transport_peer_state *out);

struct transport_stats {
    uint64_t messages_sent;
    uint64_t messages_dropped;
    uint64_t messages_received;
    uint64_t frames_refused;
    uint64_t peers_refused; /* either end said so, in the hello or before it */
    uint64_t sent_bytes;
    uint64_t received_bytes;
    uint64_t incoming_count;
    uint64_t queued_bytes; /* over all connections */
};

void transport_stats(const struct transport *transport, struct transport_stats *out);

#endif
