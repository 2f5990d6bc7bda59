/* engines.h: a few engines in one process, each with a tally, in a directory of its own.
 *
 * Owns     the engines, their tallies and directories. The first begins a cluster on a free address
 *          of the loopback interface, and the others join it there.
 * Threads  one: that of the test.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_ENGINES_H
#define SUPPORT_ENGINES_H

#include <uv.h>

#include "quorate/engine.h"
#include "support/tally.h"

#define ENGINES 3

struct engines_member {
    char name[8]; /* n1, n2, n3 */
    char directory[64];
    char address[32];
    struct tally tally;
    struct qr_engine *engine; /* NULL: it is not open */
    struct qr_status status;  /* as it was read last */
    char detail[QR_ERROR_DETAIL_BYTES];
};

/* Change what a member is about to be opened with. */
typedef void engines_choose(void *context, size_t at, struct qr_engine_options *options);

struct engines {
    struct engines_member members[ENGINES];
    engines_choose *choose; /* NULL: nothing is changed */
    void *context;
    uv_loop_t *loop; /* not NULL: it is run while something is waited for */
};

/* Make directories and addresses; nothing is open. */
void engines_init(struct engines *engines, engines_choose *choose, void *context);

/* Close those that are open, and remove their directories. */
void engines_deinit(struct engines *engines);

/* Returns what qr_engine_open() did; in words in the member's `detail`. */
int engines_try_open(struct engines *engines, size_t at);

/* Open one, or fail the test. */
void engines_open(struct engines *engines, size_t at);

/* Open all but the first, and wait until all vote. */
void engines_open_others(struct engines *engines);

/* End one, as a process ends: its directory stays, and what its tally had is gone. One that is on a
 * loop has stopped before.
 */
void engines_close(struct engines *engines, size_t at);

void engines_restart(struct engines *engines, size_t at);

/* The one that leads and says so, or NULL. */
struct engines_member *engines_leader(struct engines *engines);

/* How many voters it knows; 0 while it knows no leader. */
size_t engines_count_voters(struct engines_member *member);

/* Wait until each that is open knows a leader, and so many voters. */
void engines_wait_for_voters(struct engines *engines, size_t count);

/* A round of the loop; a little time, if there is none. */
void engines_pause(struct engines *engines);
void pause_a_little(void);

#endif
