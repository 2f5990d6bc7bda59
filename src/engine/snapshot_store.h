/* snapshot_store.h: a snapshot store of the program's, as the disk that snapshots are on.
 *
 * Owns     what was begun there and has not ended, and the rule that what a store says of it is
 *          checked: it ends once, with a ticket that was given.
 * Does not know what a snapshot is: src/wal/snapshot_store.h is above it, and checks the bytes.
 * Threads  all calls on one thread, that of the loop, but that it is opened, and first read from,
 *          on that of qr_engine_open(), before. What the store tells comes on any thread, and is
 *          kept until the loop's takes it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SNAPSHOT_STORE_H
#define ENGINE_SNAPSHOT_STORE_H

#include "base/allocator.h"
#include "base/log.h"
#include "base/types.h"
#include "quorate/snapshot_store.h"
#include "wal/disk.h"

#define ENGINE_SNAPSHOTS_DETAIL_BYTES (QR_SNAPSHOT_DETAIL_BYTES + 64)

struct engine_snapshots;

struct engine_snapshots_options {
    const struct allocator *allocator;     /* borrowed */
    const struct log_sink *log;            /* borrowed */
    const struct qr_snapshot_store *store; /* copied; as engine_snapshots_read() gave it */
    /* There is something for engine_snapshots_take(). On any thread, also from within calls. */
    void (*told)(void *context);
    void *context;
};

/* Take a table of a program of any version. Returns 0, or QR_ERR_INVALID or QR_ERR_VERSION, and
 * `wrong` says why; static.
 */
NODISCARD int engine_snapshots_read(const struct qr_snapshot_store *given,
                                    struct qr_snapshot_store *out, const char **wrong);

/* Open the store. Returns 0, or what it returned, with `detail` (ENGINE_SNAPSHOTS_DETAIL_BYTES), or
 * QR_ERR_NO_MEMORY.
 */
NODISCARD int engine_snapshots_open(const struct engine_snapshots_options *options,
                                    struct engine_snapshots **out, char *detail);

/* Where snapshots are: list(), read() and submit() are there, and nothing else. What is submitted
 * before the first engine_snapshots_take() begins with that.
 */
const struct disk *engine_snapshots_disk(struct engine_snapshots *snapshots);

/* Report what has ended. From the first one on all calls are on the loop's thread.
 *
 * Returns NULL, or why the store is none: then it is closed, and all that is asked of it fails.
 */
const char *engine_snapshots_take(struct engine_snapshots *snapshots);

/* Close the store. Nothing that was begun may be under way; what was not begun is dropped. NULL is
 * allowed.
 */
void engine_snapshots_free(struct engine_snapshots *snapshots);

#endif
