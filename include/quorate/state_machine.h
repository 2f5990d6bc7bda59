/* state_machine.h: what a program replicates.
 *
 * A state machine is a set of functions over a context of the program's own. Every replica
 * applies the same entries in the same order; whatever decides a result must come from the
 * entries alone: no clock, no random number, no address of memory.
 *
 * Threads  one call at a time: of qr_engine_open() on the thread that calls that, then on the
 *          application thread, where it may block (docs/threads.md); with
 *          qr_engine_options.is_inline on the engine's, or on the caller's loop, and must not.
 * Cost     of apply() every replica waits for its own; what else may be dear is said where it
 *          stands.
 * Source   snapshots: Ongaro's dissertation, chapter 5; docs/embedding.md, What the function must
 *          be.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_STATE_MACHINE_H
#define QUORATE_STATE_MACHINE_H

#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct qr_state_machine {
    size_t size_bytes; /* sizeof(struct qr_state_machine), for versions to come */
    void *context;     /* handed to every function */

    /* Apply `count` committed entries, in order, once each.
     *
     * count     1..QR_APPLY_ENTRIES_MAX.
     * entries   borrowed until return. Entries of the engine's own (no-ops, configurations)
     *           are not among them, so indexes may jump. An entry with an empty command and
     *           an empty payload is a tick: it says only that log time has come this far.
     * results   one for each entry, zeroed before the call; filled where the entry wants one.
     *           Under a session or token every replica wants it, and it must be the same on all:
     *           it is kept for repeats.
     *
     * An entry that cannot be applied, whoever wrote it, is no reason to stop: all replicas would,
     * and again after each restart. Give its result the status QR_ERR_REJECTED, on all alike, and
     * go on with the next: who proposed it is told so.
     *
     * Returns 0, or a QR_ERR_*: this replica cannot go on, and its node stops.
     */
    int (*apply)(void *context, const struct qr_entry *entries, size_t count,
                 struct qr_result *results);

    /* The log time at which the state machine wants a tick, 0 for none. The leader proposes
     * one when that time has come and nothing else moves log time. NULL: never.
     */
    uint64_t (*wake_at)(void *context);

    /* A digest of the state after the last applied entry: equal on replicas that applied the
     * same entries. Cheap: it is asked for behind every batch, or with every status. NULL: 0.
     */
    uint64_t (*digest)(void *context);

    /* Snapshots, so that the log need not hold everything that ever happened. Without
     * snapshot_open and the restore functions (all NULL, or size_bytes is
     * QR_STATE_MACHINE_BYTES_0_1) the log is never compacted, and a restart applies all of it.
     *
     * snapshot_open   Begin a snapshot of the state after the last applied entry: a view that
     *                 stays as it is while apply() goes on, for no more than bounded work now.
     *                 At most QR_SNAPSHOTS_MAX are open at once. `snapshot` is set to what names
     *                 it, not NULL.
     *                 Returns 0, or QR_ERR_NO_MEMORY or QR_ERR_BUSY: tried again later.
     */
    int (*snapshot_open)(void *context, void **snapshot);

    /* Give the next bytes of it, in a format of the program's own; equal states need not give
     * equal bytes, but the restored state must go on as this one would.
     *
     * size_bytes   of the buffer, at least QR_SNAPSHOT_SLICE_BYTES_MIN. Fill what is cheap to
     *              fill: this is called again and again, between other work.
     * read_bytes   set; 0: that was all.
     *
     * Returns 0, or QR_ERR_NO_MEMORY: this snapshot is given up, and another tried later.
     */
    int (*snapshot_read)(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes);

    /* End it, read to its end or not. */
    void (*snapshot_close)(void *context, void *snapshot);

    /* Drop all state, to take over that of a snapshot: restore_write() gives its bytes, in
     * pieces of any size; then restore_end(). Nothing else is called meanwhile but
     * restore_begin(), which begins anew, and the functions on open snapshots. Each returns
     * 0 or a QR_ERR_*: the node stops; restore_end() QR_ERR_CORRUPT where bytes are missing.
     */
    int (*restore_begin)(void *context);
    int (*restore_write)(void *context, const void *data, size_t size_bytes);
    int (*restore_end)(void *context);

    /* For a state machine that is durable by itself: the index of the last entry that it will
     * still have after any crash, which never becomes less. It is asked at a start, which gives
     * it neither those entries again nor a snapshot of an earlier state, and again from time to
     * time: the log is compacted up to no later entry than this, so one that seldom makes its
     * data durable has a longer log. One that stands before what it said once has lost data: its
     * node does not start if the log went by then. NULL: it lives in memory.
     *
     * With it snapshots on this node leave the state out: snapshot_open is called only on a
     * leader, for a member that is too late for its log. Without snapshot_open the log is never
     * compacted all the same, as no such member could be helped.
     */
    uint64_t (*applied_index)(void *context);
};

#define QR_APPLY_ENTRIES_MAX 1024 /* of one batch */
#define QR_SNAPSHOTS_MAX 2
#define QR_SNAPSHOT_SLICE_BYTES_MIN 4096

/* What size_bytes was before there were snapshots. */
#define QR_STATE_MACHINE_BYTES_0_1 offsetof(struct qr_state_machine, snapshot_open)

#ifdef __cplusplus
}
#endif

#endif
