/* lone_engine.h: one engine, a cluster by itself, with a tally and a directory of its own.
 *
 * Owns     the engine, its tally, its directory, and the loop that it is on, if it is on one.
 * Threads  one: that of the test. An engine that is on no loop has threads of its own.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_LONE_ENGINE_H
#define SUPPORT_LONE_ENGINE_H

#include <stdbool.h>
#include <uv.h>

#include "quorate/engine.h"
#include "support/tally.h"

struct lone_engine {
    char directory[64];
    char address[32];
    struct tally tally;
    struct qr_engine *engine; /* NULL: it is not open */
    char detail[QR_ERROR_DETAIL_BYTES];
    bool has_loop;
    uv_loop_t loop;     /* if so */
    bool is_on_loop;    /* it was opened on that, as it is unless a test wants no loop */
    int stopped_count;  /* since it was opened, as lone_engine_options() has it told */
    int stopped_status; /* the last time */
};

/* Make its directory and address; it is not open. */
void lone_engine_init(struct lone_engine *lone, bool has_loop);

/* Close it, and assert that nothing is left on its loop. */
void lone_engine_deinit(struct lone_engine *lone);

/* With what it is opened, unless a test changes something: name n1, to begin a cluster. On a loop
 * on_stopped and its argument are the support's.
 */
struct qr_engine_options lone_engine_options(struct lone_engine *lone);

/* Returns what qr_engine_open() did; in words in `detail`. When it fails the tally is a new one. */
int lone_engine_try_open(struct lone_engine *lone, const struct qr_engine_options *options);

/* Open it, or fail the test. */
void lone_engine_open(struct lone_engine *lone);
void lone_engine_open_with(struct lone_engine *lone, const struct qr_engine_options *options);

/* End it, if it is open, as a process ends: its directory stays, and what its tally had is gone. On
 * a loop it stops first, and must say so once.
 */
void lone_engine_close(struct lone_engine *lone);

/* A round of the loop. */
void lone_engine_run(struct lone_engine *lone);

#endif
