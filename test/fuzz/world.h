/* world.h: a server with the real store, over a fake engine and fake sockets.
 *
 * Owns     the loop, which stays from input to input, and what is made anew for each: store,
 *          engine, server. Nothing happens but in world_turn().
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include "server/server.h"
#include "support/fake_engine.h"
#include "support/fake_sockets.h"
#include "support/heap.h"

#define WORLD_REDIS 0 /* listeners, for fake_socket_connect() */
#define WORLD_HTTP 1

struct world {
    struct heap heap;
    struct kv *kv;
    struct qr_engine engine;
    struct server *server;
    bool is_closed;
};

/* The defaults, with few connections. */
struct server_options world_options(void);

void world_init(struct world *world, const struct server_options *options);

/* Fill the cluster with members that have the longest strings there can be, of bytes that take
 * the most room when they are told.
 */
void world_crowd(struct world *world);

/* Let go of the sockets first. Everything is closed, and nothing is left over. */
void world_deinit(struct world *world);

/* Let the loop turn, and the sockets tell what is through. */
void world_turn(struct world *world);

/* One byte of an input that is a stream with commands in it: 0xff and another byte is a
 * command, and 0xff twice is the byte 0xff.
 */
struct world_step {
    bool is_command;
    uint8_t value;
};

/* The next step; false at the end. */
bool world_step(struct reader *reader, struct world_step *out);

#endif
