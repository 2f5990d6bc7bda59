/* fake_sockets.h: libuv's TCP streams without a kernel: a test is the other end of each.
 *
 * Owns     for every stream what it was asked to read and write. Bytes come when the test
 *          sends them, and leave as far as the test gives room. The rest of libuv, its loop,
 *          timers and handles, is the real one.
 * Link     with FAKE_SOCKETS of test/fuzz/meson.build: --wrap puts these in libuv's place.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_FAKE_SOCKETS_H
#define SUPPORT_FAKE_SOCKETS_H

#include <uv.h>

#include "base/types.h"

#define FAKE_SOCKETS_MAX 64
#define FAKE_LISTENERS_MAX 4
#define FAKE_OUTPUT_BYTES_MAX (8 * 1024 * 1024)

struct fake_write;

/* One stream of the code under test, as its other end sees it. */
struct fake_socket {
    uv_stream_t *stream; /* NULL once it is closed */
    bool is_used;
    bool is_held;     /* by the test: stays until it is released */
    bool is_accepted; /* or connected */
    bool is_reading;
    bool is_shut;    /* its end was closed, behind all it wrote */
    bool is_closing; /* uv_close() was called */
    uv_alloc_cb on_room;
    uv_read_cb on_read;
    uv_close_cb on_closed;
    uv_connect_t *connect; /* dialed, and not answered yet */
    uint16_t dialed_port;
    uv_shutdown_t *shutdown;  /* under way */
    struct fake_write *first; /* under way, in order */
    struct fake_write **end;
    uint8_t *output; /* what was written since fake_socket_forget() */
    size_t output_bytes;
    size_t output_capacity;
    size_t room_bytes; /* how much more may be written */
};

/* Forget the listeners of the code that was under test before. No socket is left. */
void fake_sockets_reset(void);

/* Somebody connects to the listener that was opened as number `listener`, from 0. Held. */
struct fake_socket *fake_socket_connect(size_t listener);

/* The first stream that was dialed and is not answered, or NULL. */
struct fake_socket *fake_socket_dialed(void);

/* Answer it: 0, or a UV_E*. Held from now on. */
void fake_socket_answer(struct fake_socket *socket, int status);

/* Send bytes, as far as the other end reads. Returns how many were taken. */
size_t fake_socket_send(struct fake_socket *socket, const uint8_t *data, size_t size_bytes);

/* Close our end (UV_EOF), or lose the connection (another UV_E*). False: it does not read. */
bool fake_socket_end(struct fake_socket *socket, int status);

/* Take so many bytes more: a write that waits goes on. */
void fake_socket_give_room(struct fake_socket *socket, size_t size_bytes);

/* Forget the output so far. */
void fake_socket_forget(struct fake_socket *socket);

/* Let go of one that was connected, or was dialed and answered. */
void fake_socket_release(struct fake_socket *socket);

/* Call back for writes that are through, and for ends that were closed. */
void fake_sockets_run(void);

#endif
