/* transaction.h: the commands that a client has queued behind MULTI, and the keys it watches.
 *
 * Owns     both, until EXEC, DISCARD, or the end of the connection: the commands as bytes of
 *          one payload, within the limits of a proposal.
 * Threads  the loop's.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_TRANSACTION_H
#define SERVER_TRANSACTION_H

#include "kv/kv.h"
#include "server/buffer.h"

struct transaction {
    bool is_open;    /* behind MULTI */
    bool has_failed; /* a command was refused: EXEC will be, too */
    struct buffer commands;
    size_t command_count;
    struct kv_watch *watches; /* watch_count of KV_EXEC_WATCHES_MAX; keys are their own */
    size_t watch_count;
    size_t watched_bytes;
};

/* Forget commands and watched keys; nothing is open. */
void transaction_clear(struct transaction *transaction);

/* Forget the watched keys alone. */
void transaction_unwatch(struct transaction *transaction);

/* Queue a command. False: it has no room in bytes_max or KV_EXEC_COMMANDS_MAX, or memory ran out;
 * then the transaction has failed, and holds no commands any more.
 */
NODISCARD bool transaction_add(struct transaction *transaction, const struct kv_argument *arguments,
                               size_t count, size_t bytes_max);

/* Watch a key under which `digest` is now; one that is watched already stays as it is.
 * False: KV_EXEC_WATCHES_MAX are watched, or no room in bytes_max or memory; nothing changed.
 */
NODISCARD bool transaction_watch(struct transaction *transaction, struct kv_argument key,
                                 uint64_t digest, size_t bytes_max);

/* What EXEC proposes; borrowed until the next change. */
struct kv_exec transaction_exec(const struct transaction *transaction);

#endif
