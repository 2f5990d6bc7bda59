/* server_fixture.h: a server with the real store over a fake engine, and sockets to talk to
 * it, all on one loop that turns while a test waits.
 *
 * Owns     the loop, the store, the server, and every socket until it is closed.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_SERVER_FIXTURE_H
#define SUPPORT_SERVER_FIXTURE_H

#include "server/server.h"
#include "support/fake_engine.h"
#include "support/heap.h"

/* How long something that must happen may take. */
#define FIXTURE_PATIENCE_MS 10000

struct server_fixture {
    uv_loop_t loop;
    struct heap heap;
    struct kv *kv;
    struct qr_engine engine;
    struct server *server;
    bool is_closed;
};

/* The options that a fixture starts with: defaults, and free ports. */
struct server_options fixture_options(struct server_fixture *fixture);

/* Loop, store and engine; then a server with these options (NULL: fixture_options()). */
void fixture_init(struct server_fixture *fixture, const struct server_options *options);

/* Close everything and assert that nothing is left over. */
void fixture_deinit(struct server_fixture *fixture);

/* Let the loop turn a few times. */
void fixture_turn(struct server_fixture *fixture);

/* A connected socket, not blocking. */
int fixture_connect(struct server_fixture *fixture);
int fixture_connect_http(struct server_fixture *fixture);

/* Send all of it, letting the loop turn when the socket is full. */
void fixture_send_bytes(struct server_fixture *fixture, int socket, const void *data,
                        size_t size_bytes);
void fixture_send(struct server_fixture *fixture, int socket, const char *string);

/* Receive as many bytes as `expected` has and compare. */
void fixture_expect(struct server_fixture *fixture, int socket, const char *expected);

/* Assert that nothing comes while the loop turns. */
void fixture_expect_nothing(struct server_fixture *fixture, int socket);

/* Receive until the other end is closed, up to `out_bytes` - 1; a NUL is put behind. A reset
 * counts as an end. Returns the count of bytes, also of those that did not fit.
 */
size_t fixture_receive_all(struct server_fixture *fixture, int socket, char *out, size_t out_bytes);

/* Receive at least until `mark` has come; the same otherwise. */
size_t fixture_receive_until(struct server_fixture *fixture, int socket, const char *mark,
                             char *out, size_t out_bytes);

/* Send a command and compare the reply. */
void fixture_ask(struct server_fixture *fixture, int socket, const char *command,
                 const char *expected);

#endif
