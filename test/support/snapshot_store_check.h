/* snapshot_store_check.h: whether a snapshot store keeps what quorate/snapshot_store.h asks of it.
 *
 * For stores of anybody: this header and its .c need nothing but the public headers, the C library
 * and POSIX threads, and are installed with those (docs/replaceable-parts.md). Compile them, make
 * an empty store, and call snapshot_store_check().
 *
 * It tries that what is published is found byte for byte, before and after the store is opened
 * anew; that nothing else is, be it unfinished, abandoned or removed; that one which is published
 * under the index of another takes its place; that reads go on beside a writing; that bytes which
 * are not there are told to be missing; that everything ends, once, and nothing behind `close`.
 * Whether it is durable no program can see from outside: a store that has a way to lose power in a
 * test, say a file system in memory, gives that as `crash`.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_SNAPSHOT_STORE_CHECK_H
#define SUPPORT_SNAPSHOT_STORE_CHECK_H

#include "quorate/snapshot_store.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SNAPSHOT_STORE_CHECK_WORDS 512

/* Try all of it.
 *
 * store    empty, and not open; it is empty and closed again after success.
 * crash    called behind each `close`: lose what is not durable; NULL: nothing is lost.
 * words    SNAPSHOT_STORE_CHECK_WORDS of room: where it fails, what was expected and what came.
 *
 * Returns whether the store is right. What does not end within 30 seconds is a failure, too; then
 * the store is closed all the same, and must touch nothing any more behind that.
 */
bool snapshot_store_check(const struct qr_snapshot_store *store, void (*crash)(void *argument),
                          void *argument, char *words);

#ifdef __cplusplus
}
#endif

#endif
