/* state_machine.h: what a program replicates.
 *
 * A state machine is a set of functions over a context of the program's own. Every replica
 * applies the same entries in the same order; whatever decides a result must come from the
 * entries alone: no clock, no random number, no address of memory.
 *
 * Threads  one call at a time, from the engine's thread. A call must not block.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_STATE_MACHINE_H
#define QUORATE_STATE_MACHINE_H

#include "quorate/types.h"

struct qr_state_machine {
    size_t size_bytes; /* sizeof(struct qr_state_machine), for versions to come */
    void *context;     /* handed to every function */

    /* Apply `count` committed entries, in order, once each.
     *
     * entries   borrowed until return. Entries of the engine's own (no-ops, configurations)
     *           are not among them, so indexes may jump. An entry with an empty command and
     *           an empty payload is a tick: it says only that log time has come this far.
     * results   one for each entry, zeroed before the call; filled where the entry wants one.
     *           Under a session or token every replica wants it, and it must be the same on all:
     *           it is kept for repeats.
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
     * same entries. Cheap: it is asked for with every status. NULL: 0.
     */
    uint64_t (*digest)(void *context);
};

#endif
