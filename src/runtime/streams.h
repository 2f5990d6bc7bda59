/* streams.h: ordered streams of bytes between addresses, whoever carries them.
 *
 * Owns     nothing: it is the table between the transport, which knows frames and TLS, and what is
 *          under it: tcp.h, or the transport of a program (engine/carrier.h).
 * Does not know what the bytes mean, who is a member, or when to dial again.
 * Threads  the loop's, for every call and every event. Events come from the loop, never from within
 *          a call of the table; they may call the table.
 *
 * A stream's life: new, or accepted -> dial -> connected -> ended -> close -> gone
 * It may be closed at any time; then nothing but `gone` follows.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_STREAMS_H
#define RUNTIME_STREAMS_H

#include <uv.h>

#include "base/types.h"

#define STREAM_PARTS_MAX 256 /* of one write */

/* Whoever carries streams: the first member of what it is. */
struct streams {
    const struct streams_table *table;
};

/* One of them: the first member of what it is. */
struct stream {
    void *owner; /* the transport's, for events */
};

enum stream_end {
    STREAM_CLOSED,  /* by the other end, in order */
    STREAM_REFUSED, /* dialed, and nobody listens there */
    STREAM_FAILED,
};

struct stream_events {
    void *context;

    /* Somebody dialed us. The stream's owner is to be set, unless the answer is false: then it is
     * not wanted, and whoever carries it ends it.
     */
    bool (*accepted)(void *context, struct stream *stream, const char *source);
    void (*connected)(void *owner);

    /* Where bytes that come are to be put; empty when memory ran out. `received` follows at once,
     * with what was put there, or none.
     */
    void (*room)(void *owner, uv_buf_t *out);
    void (*received)(void *owner, const uint8_t *data, size_t size_bytes);

    /* So many bytes more of the last write are sent, and the stream takes a next one. */
    void (*writable)(void *owner, size_t sent_bytes);

    /* The stream can only be closed. reason: borrowed. */
    void (*ended)(void *owner, enum stream_end end, const char *reason);

    /* Nothing is left of a stream that was closed, nor of what it had borrowed. */
    void (*gone)(void *owner);
};

struct streams_table {
    /* Accept, and dial, on `loop` from now on. events: copied. Cannot fail. */
    void (*start)(struct streams *self, uv_loop_t *loop, const struct stream_events *events);

    /* A stream to be dialed; NULL when memory ran out. */
    struct stream *(*make)(struct streams *self, void *owner);

    /* Reach `address`. attempt: of the addresses that a name has, each takes the next. `connected`
     * or `ended` follows, unless it fails: then the reason, static; NULL: it did not.
     */
    const char *(*dial)(struct stream *stream, const char *address, uint32_t attempt);

    /* Send as much as goes now.
     *
     * parts  1..STREAM_PARTS_MAX. Bytes that were not sent stay borrowed until `writable` or
     *        `gone`, where `writable` may tell that some of them were, or none.
     *
     * Returns how many bytes were sent, and if not all, nothing may be written before `writable`;
     * or a negative number for uv_strerror(): the stream can only be closed.
     */
    ssize_t (*write)(struct stream *stream, const uv_buf_t *parts, size_t count);

    /* End it, if it has not ended; `gone` follows, later. */
    void (*close)(struct stream *stream);

    /* Accept no more; `stopped` is called on the loop, later. All streams are closed already, but
     * of some `gone` may still be to come.
     */
    void (*stop)(struct streams *self, void (*stopped)(void *argument), void *argument);

    /* Free one that was not started, or has stopped. */
    void (*free)(struct streams *self);
};

#endif
