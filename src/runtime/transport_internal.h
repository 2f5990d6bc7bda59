/* transport_internal.h: what the files of the transport share.
 *
 * A connection's life:
 *   dialed   DIALING -> HELLO (ours is sent) -> OPEN -> CLOSED
 *   accepted            HELLO (theirs is awaited) -> OPEN -> CLOSED
 * From any state it may become CLOSED; it is freed when its stream is gone.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_TRANSPORT_INTERNAL_H
#define RUNTIME_TRANSPORT_INTERNAL_H

#include "base/prng.h"
#include "runtime/address.h"
#include "runtime/transport.h"

#define TRANSPORT_HASTY_MAX 4 /* attempts behind the one that is made at once */

enum connection_kind {
    CONNECTION_INCOMING,
    CONNECTION_PEER,   /* dialed, to a member */
    CONNECTION_SEED,   /* dialed, to join through */
    CONNECTION_GOSSIP, /* dialed, for SWIM alone */
};

enum connection_state {
    CONNECTION_DIALING,
    CONNECTION_HELLO,
    CONNECTION_OPEN,
    CONNECTION_CLOSED,
};

struct frame_queue {
    struct wire_frame *first;
    struct wire_frame *last;
    size_t count;
    uint64_t bytes;
    size_t first_sent_bytes; /* of the first frame, already with the stream */
};

struct peer;
struct transport_tls;
struct connection_tls;

struct connection {
    struct transport *transport;
    struct connection *next; /* of all that are not freed */
    struct connection *previous;
    uint64_t number;
    enum connection_kind kind;
    enum connection_state state;
    struct peer *peer;   /* CONNECTION_PEER, until closed */
    node_id member;      /* at the other end, as it said or as is expected */
    bool expects_us;     /* incoming: the hello named us, so it is a member's */
    bool is_stranger;    /* incoming: of no cluster yet; it may ask to join, and gossip */
    bool is_invitation;  /* incoming: we were in no cluster; it may invite us, and nothing else */
    bool is_used;        /* incoming: a message came; the first says what it is for */
    bool is_gossip;      /* incoming: for SWIM alone */
    bool is_proved;      /* the other end has a key of this cluster */
    int refusal;         /* see seed_closed of struct transport_events */
    uint32_t version;    /* of the protocol, once OPEN */
    time_ns deadline_ns; /* when it is given up; TIME_NEVER once OPEN, but for idle ones */

    struct frame_queue greeting; /* what goes ahead of the queue, and before it is OPEN */
    struct frame_queue queue;
    bool is_dirty; /* in transport->dirty */
    struct connection *next_dirty;
    bool is_writing; /* the stream has not taken all: what was not is borrowed by it */

    struct connection_tls *tls; /* NULL: plain, or not connected yet */

    struct chunk *chunk; /* received into; NULL before the first byte */
    uint32_t start;      /* of what is not decoded yet */
    uint32_t filled;     /* end of what was received */
    size_t frame_bytes;  /* of the frame at start, 0 when not known */

    uint32_t attempt;
    char address[QR_ADDRESS_BYTES_MAX];
    char said_address[QR_ADDRESS_BYTES_MAX]; /* incoming: where it says that it lives */
    struct stream *stream;
};

struct peer {
    bool is_used;
    node_id id;
    char address[QR_ADDRESS_BYTES_MAX];
    struct connection *connection; /* dialed, in any state but CLOSED; or NULL */
    time_ns dial_at_ns;            /* when there is none */
    uint64_t backoff_ns;
    time_ns redialed_ns; /* when it was last dialed anew at once; 0: never */
    bool is_redialed;    /* so, and neither refused nor open since */
    uint32_t hasty_count;
    uint32_t attempt;
    time_ns heard_ns;
    time_ns lost_ns;
};

/* One line a second for each kind of trouble. */
struct rate_limit {
    time_ns next_ns;
    uint64_t suppressed_count;
};

struct transport {
    struct transport_options options; /* address is not kept */
    uv_loop_t *loop;                  /* NULL: not started */
    struct streams *streams;
    uint16_t port;
    bool is_closing;
    uint32_t open_handles; /* the streams and the timer, once started */
    uint32_t connection_count;
    uint32_t incoming_count;
    uint64_t last_number;
    struct prng prng;
    struct transport_tls *tls; /* NULL: everything is plain */
    struct connection *connections;
    struct connection *dirty;
    struct peer peers[TRANSPORT_PEERS_MAX];
    struct connection *seed;
    bool has_seed_address;
    char seed_address[QR_ADDRESS_BYTES_MAX];
    struct transport_stats stats;
    struct rate_limit refused;
    struct rate_limit crowded;
    void (*closed)(void *argument);
    void *closed_argument;
    uv_timer_t timer;
    struct entry entries[WIRE_ENTRIES_MAX]; /* of the message being received */
};

/* transport.c */

/* Set the timer to the next thing that is due. */
void transport_arm(struct transport *transport);
struct peer *transport_find_peer(const struct transport *transport, node_id id);
bool transport_is_connected(const struct transport *transport, node_id id);

/* Free the transport if it is closing and nothing of it is left below. */
void transport_let_go(struct transport *transport);

/* Whether a line may be logged now; *suppressed is how many were not since the last. */
bool transport_may_log(struct rate_limit *limit, uint64_t *suppressed);

/* transport_accept.c */
bool transport_accept(void *context, struct stream *stream, const char *source);

/* transport_dial.c */
void transport_dial_peer(struct transport *transport, struct peer *peer);
void transport_dial_waiting_seed(struct transport *transport);

/* A connection of this peer was not made: say when to try again. */
void transport_back_off(struct transport *transport, struct peer *peer);

/* An open one ended: at once, but not again and again. */
void transport_redial(struct transport *transport, struct peer *peer);

/* What the stream of a connection that was dialed tells: it is there, or why not. */
void connection_connected(void *owner);
void connection_not_connected(struct connection *connection, enum stream_end end,
                              const char *reason);

/* One for gossip; NULL when it failed at once. */
struct connection *transport_dial_gossip(struct transport *transport, const char *address);

/* transport_gossip.c */
bool connection_is_gossip(const struct connection *connection);

/* Something was said on it: it is not idle. */
void connection_touch(struct connection *connection);
void connection_take_gossip(struct connection *connection, const struct wire_message *message);

/* transport_connection.c */

/* A connection, linked in, with this stream, or, NULL, one that is to be dialed; NULL when memory
 * ran out.
 */
struct connection *connection_new(struct transport *transport, enum connection_kind kind,
                                  struct stream *stream);

/* Close, and tell whom it concerns; `reason` goes to the log and to seed_closed. */
void connection_close(struct connection *connection, const char *reason);

/* Close without a word to anybody: it is not wanted any more. */
void connection_discard(struct connection *connection);

/* The stream is connected: the hello goes out, or is awaited. */
void connection_begin(struct connection *connection);

/* It may be talked to: the hello goes out, or is awaited. */
void connection_greet(struct connection *connection);

/* Its stream is gone: free it. */
void connection_gone(void *owner);

/* Take a decoded message, whatever the state. */
void connection_take(struct connection *connection, const struct wire_message *message);

/* The other end sent what it must not: log it, at most once a second, and close. */
void connection_refuse(struct connection *connection, const char *why);

/* The other end is none to talk to: the same. */
void connection_refuse_peer(struct connection *connection, const char *why);
void connection_close_without_memory(struct connection *connection);

/* transport_queue.c */
bool connection_queue(struct connection *connection, struct wire_frame *frame);
void connection_flush(struct connection *connection);
void connection_queue_clear(struct connection *connection);

/* Send a frame, which is given, ahead of all that is queued, before the connection is OPEN; what
 * the stream does not take now goes later. May close it.
 */
void connection_greet_with(struct connection *connection, struct wire_frame *frame);

/* What the stream tells: the rest of a write has gone, or so much of it. */
void connection_writable(void *owner, size_t sent_bytes);

/* Whether something may be written to its stream, now. */
bool connection_has_output(const struct connection *connection);

/* Copy up to so many of the bytes that wait, which have left the queue then. */
size_t connection_queue_read(struct connection *connection, uint8_t *out, size_t out_bytes);

/* transport_receive.c: what the stream tells. */
void connection_read_room(void *owner, uv_buf_t *out);
void connection_read(void *owner, const uint8_t *data, size_t size_bytes);
void connection_ended(void *owner, enum stream_end end, const char *reason);

/* Where bytes of frames go next; empty when memory ran out. Then: so many came. */
void connection_room(struct connection *connection, uv_buf_t *out);
void connection_received(struct connection *connection, size_t size_bytes);

#endif
