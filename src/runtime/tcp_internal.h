/* tcp_internal.h: what the files of the TCP driver share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_TCP_INTERNAL_H
#define RUNTIME_TCP_INTERNAL_H

#include "runtime/address.h"
#include "runtime/tcp.h"

struct tcp {
    struct streams base;
    const struct allocator *allocator;
    uv_loop_t *loop; /* NULL: not started */
    struct stream_events events;
    int socket; /* listening, until libuv has it */
    uint16_t port;
    uv_tcp_t listener;
    /* Who comes while memory is out is let in here, and put out again at once: libuv accepts
     * nobody more while one waits.
     */
    uv_tcp_t porch;
    bool is_porch_used; /* until libuv has let go of it */
    bool is_waiting;    /* one more waits for it */
    bool is_stopping;
    uint32_t open_handles;
    void (*stopped)(void *argument);
    void *stopped_argument;
};

struct tcp_stream {
    struct stream base;
    struct tcp *tcp;
    bool is_closing;
    bool is_looked_up;
    uint32_t pending_count; /* things libuv still has: the handle, a look-up */
    uint32_t attempt;
    size_t writing_bytes;
    struct address target;
    uv_tcp_t handle;
    uv_connect_t connect;
    uv_write_t write;
    uv_getaddrinfo_t lookup;
};

/* tcp_stream.c */

/* One with its handle initialised; NULL when memory ran out. */
struct tcp_stream *tcp_stream_new(struct tcp *tcp, void *owner);

/* The socket is connected: set what it is to be like, and read. 0, or what libuv says. */
NODISCARD int tcp_stream_begin(struct tcp_stream *self);
struct stream *tcp_stream_make(struct streams *streams, void *owner);
const char *tcp_stream_dial(struct stream *stream, const char *address, uint32_t attempt);
ssize_t tcp_stream_write(struct stream *stream, const uv_buf_t *parts, size_t count);
void tcp_stream_close(struct stream *stream);

#endif
