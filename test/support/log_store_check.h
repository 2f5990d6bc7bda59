/* log_store_check.h: whether a log store keeps to the rules of quorate/log_store.h.
 *
 * For any program: this file and log_store_check.c need the public headers and pthreads alone, and
 * are installed with those (docs/replaceable-parts.md).
 *
 * Owns     nothing; the store is used up by it, so give it an empty one.
 * Tries    that what was called synced is found again, as it was, after a `close`, a crash and a
 *          kill -9; the order of batches; replacing, reset, prefix; the hard state; reads, while
 *          much is under way, and of the longest record; full queues. Not a failing disk, nor power
 *          cuts, but as far as `crash` does as they do.
 * Threads  one caller; it waits for the store, LOG_STORE_CHECK_WAIT_S at most.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_LOG_STORE_CHECK_H
#define SUPPORT_LOG_STORE_CHECK_H

#include "quorate/log_store.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LOG_STORE_CHECK_WAIT_S 60

struct log_store_check {
    void *argument;
    /* The store, as a process that has just begun has it: what was there before had its `close`
     * called, or was ended by `crash`. It lives until then.
     */
    const struct qr_log_store *(*begin)(void *argument);
    /* End it without `close`, as a crash does: what is not durable is lost. NULL: it cannot be done
     * within a process, and `close` is called.
     */
    void (*crash)(void *argument);
    /* What it keeps outlives a process: it is also tried with one that is killed, by fork(); so
     * there must be no other threads, and `begin` must work in the child.
     */
    bool is_on_disk;
};

/* NULL: it keeps to them, as far as that was tried; or what it does wrong. Static. */
const char *check_log_store(const struct log_store_check *check);

#ifdef __cplusplus
}
#endif

#endif
