/* tally.h: the smallest state machine: it adds up what it is given; and a place to run it.
 *
 * Owns     directories under /tmp, until they are removed.
 * Threads  apply comes on an engine's thread; a tally is read with its functions from any.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_TALLY_H
#define SUPPORT_TALLY_H

#include <pthread.h>

#include "quorate/state_machine.h"

#define TALLY_SNAPSHOT_BYTES 24
#define TALLY_REJECTED 0xee /* a payload that begins so is not added, but rejected: "no" */

struct tally {
    struct qr_state_machine machine; /* what to hand to the engine */
    pthread_mutex_t mutex;
    uint64_t sum; /* of all payloads, each a byte */
    uint64_t entry_count;
    uint64_t last_index;
    uint64_t apply_status;  /* not 0: what apply fails with, negated */
    uint64_t answers[1024]; /* the results of the last batch */
    uint64_t open_snapshots;
    uint64_t restore_count; /* that came to their end */
    uint8_t restored[TALLY_SNAPSHOT_BYTES];
    size_t restored_bytes;
    size_t padding_bytes; /* ahead of each snapshot's own; said before the engine is opened */
    size_t skipped_bytes; /* of them, in the snapshot that is restored */
};

void tally_init(struct tally *tally);
void tally_deinit(struct tally *tally);
uint64_t tally_sum(struct tally *tally);
void tally_fail(struct tally *tally, int status);

/* A fresh directory; `out` of 64 bytes. */
void temporary_directory(char *out);
void temporary_directory_remove(const char *directory);

/* HOST:PORT on the loopback interface that nobody listens on now; `out` of 32 bytes. */
void free_address(char *out);

#endif
