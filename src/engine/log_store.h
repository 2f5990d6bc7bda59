/* log_store.h: a log store of the program's, as the table that a node asks (wal/log_store.h).
 *
 * Owns     the order between the two: what is under way in the store, which reads it may answer,
 *          and the check of everything that it says, as of the bytes of a disk. A store that says
 *          what cannot be ends its node with QR_ERR_CORRUPT and a sentence.
 * Does not know Raft, or what the entries mean.
 * Threads  the loop's; what the store tells may come on any, is kept under a lock of its own, which
 *          is held for no call of the program's but its allocator, and taken by the next turn.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LOG_STORE_H
#define ENGINE_LOG_STORE_H

#include "quorate/log_store.h"
#include "wal/log_store.h"

struct engine_log;
struct qr_engine;

/* Read a program's table. NULL, or what is wrong with it. */
const char *engine_log_store_read(const struct qr_log_store *given, struct qr_log_store *out);

/* Make what stands between the engine and its store; nothing of the store is called. 0 or
 * QR_ERR_NO_MEMORY.
 */
NODISCARD int engine_log_new(struct qr_engine *engine, const struct qr_log_store *given,
                             struct engine_log **out);

/* The table for the node; lives as long as the log. */
const struct log_store *engine_log_table(const struct engine_log *log);

/* Take what the store has told since the last time, to the node's listener. */
void engine_log_take(struct engine_log *log);

/* When the node is gone. NULL is allowed. */
void engine_log_free(struct engine_log *log);

#endif
