/* transport_script.h: an engine over a transport that does nothing by itself, and notes what it is
 * asked.
 *
 * Owns     the engine, on a loop of the test's, and its memory, of which each allocation can fail.
 * Checks   that no block of it is left, and that the transport is stopped once.
 * Threads  one: that of the test; memory is taken and given back on any.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_TRANSPORT_SCRIPT_H
#define SUPPORT_TRANSPORT_SCRIPT_H

#include <stdatomic.h>

#include "quorate/transport.h"
#include "runtime/clock.h"
#include "support/lone_engine.h"

#define SCRIPT_WAIT_NS (20 * NS_PER_S)

struct script {
    struct lone_engine lone;
    struct qr_transport table;
    const struct qr_transport_host *host;
    int listen_status;
    const char *listen_detail;
    int dial_status;
    bool keeps_stopping; /* it does not say that it has stopped */
    bool comes_at_close; /* the next stream is told of while this one is closed */
    size_t lies_bytes;   /* that a write takes more than it was given */
    bool is_short;       /* a write takes one byte */
    int listen_count;
    int start_count;
    int stop_count;
    int dial_count;
    uint64_t dialed; /* the last */
    int resume_count;
    int close_count;
    int closed[512]; /* how often each link was */
    size_t written_bytes;
    int write_count;
    int packet_count;

    struct qr_allocator allocator;
    atomic_int allocation_count;
    atomic_int block_count;
    int fail_at; /* 0: none */
};

void script_init(struct script *script);
void script_deinit(struct script *script);

/* At address a:1; with `join` not NULL it joins a cluster, and else begins one. */
struct qr_engine_options script_options(struct script *script, const char *join);

/* Open it so, or fail the test. */
void script_open(struct script *script, const char *join);

/* End it, and wait until it says so. */
void script_stop(struct script *script);

/* One round of the loop, and a little time. */
void script_turn(struct script *script);

#define WAIT_FOR_SCRIPT(script, condition)                                                         \
    for (time_ns limit_ns = runtime_now_ns() + SCRIPT_WAIT_NS; !(condition);                       \
         script_turn(script)) {                                                                    \
        assert_true(runtime_now_ns() < limit_ns);                                                  \
    }

/* What the transport tells. Somebody dials: the number of the stream whose link is closed[at]. */
uint64_t script_come(struct script *script, size_t at);
int script_tell(struct script *script, uint64_t connection, const void *data, size_t size_bytes);
int script_end(struct script *script, uint64_t connection, enum qr_transport_end how);

#endif
