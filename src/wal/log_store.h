/* log_store.h: what a node asks of its durable log, whoever keeps it.
 *
 * A table of the functions of wal.h, which says what each does, and of the types there. The log
 * that is files of the data directory is log_store_files; that of a program's own store is an
 * adapter of the engine (src/engine/log_store.c).
 *
 * Owns     nothing.
 * Threads  one caller; completions come on the caller's thread, and never from within one of these.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WAL_LOG_STORE_H
#define WAL_LOG_STORE_H

#include "wal/wal.h"

/* `log` is what open() made. */
struct log_store {
    void *context; /* of open() */
    int (*open)(void *context, const struct wal_options *options, void **log,
                struct wal_recovered *recovered, char *detail);
    void (*free)(void *log); /* NULL is allowed */
    int (*append)(void *log, const struct wal_batch *batch);
    void (*mark)(void *log, raft_index commit_index);
    void (*truncate_prefix)(void *log, const struct wal_base *base);
    int (*read)(void *log, raft_index first, uint64_t bytes_max, uint64_t token);
    uint64_t (*room_bytes)(const void *log);
    bool (*is_full)(const void *log);
    bool (*has_room_for_reset)(const void *log);
    void (*prepare)(void *log);
    bool (*is_idle)(const void *log);
    void (*stats)(const void *log, struct wal_stats *out);
};

/* The log of wal.h. */
extern const struct log_store log_store_files;

#endif
