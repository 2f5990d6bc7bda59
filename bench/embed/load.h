/* load.h: a closed loop of proposals, the same for every engine that is measured.
 *
 * Owns     how many are in flight, when each began, and what that gives. Commands come as lines
 *          on standard input, answers go as lines to standard output.
 * Threads  the loop's.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_EMBED_LOAD_H
#define BENCH_EMBED_LOAD_H

#include <stdint.h>
#include <uv.h>

#define LOAD_INFLIGHT_MAX 65536
#define LOAD_PAYLOAD_BYTES 16

struct load;

struct load_slot {
    struct load *load;
    uint64_t number; /* 0..LOAD_INFLIGHT_MAX - 1 */
    uint64_t began_ns;
};

/* What an engine does. */
struct load_engine {
    /* Propose LOAD_PAYLOAD_BYTES, and call load_done() later, never from within. Returns 0 or an
     * error of the engine's, at which the program ends.
     */
    int (*propose)(void *context, struct load_slot *slot);

    /* Print one line that says whether this node leads, and how many vote. */
    void (*tell)(void *context);
    void *context;
};

/* Read commands: "run COUNT INFLIGHT", "tell", "memory"; at the end of the input the
 * program ends. `engine` is borrowed for ever.
 */
void load_begin(const struct load_engine *engine, uv_loop_t *loop);

/* The proposal of a slot is committed and applied; `status` is 0 or an error. */
void load_done(struct load_slot *slot, int status);

#endif
