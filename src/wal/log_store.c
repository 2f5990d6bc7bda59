/* log_store.c: the log of wal.h as a node's table has it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/log_store.h"

static int open_files(void *context, const struct wal_options *options, void **log,
                      struct wal_recovered *recovered, char *detail)
{
    (void)context;
    struct wal *wal = NULL;
    int status = wal_open(options, &wal, recovered, detail);
    if (status == 0) {
        *log = wal;
    }
    return status;
}

static void free_files(void *log)
{
    wal_free(log);
}

static int append(void *log, const struct wal_batch *batch)
{
    return wal_append(log, batch);
}

static void mark(void *log, raft_index commit_index)
{
    wal_mark(log, commit_index);
}

static void truncate_prefix(void *log, const struct wal_base *base)
{
    wal_truncate_prefix(log, base);
}

static int read_entries(void *log, raft_index first, uint64_t bytes_max, uint64_t token)
{
    return wal_read(log, first, bytes_max, token);
}

static uint64_t room_bytes(const void *log)
{
    return wal_room_bytes(log);
}

static bool is_full(const void *log)
{
    return wal_is_full(log);
}

static bool has_room_for_reset(const void *log)
{
    return wal_has_room_for_reset(log);
}

static void prepare(void *log)
{
    wal_prepare(log);
}

static bool is_idle(const void *log)
{
    return wal_is_idle(log);
}

static void stats(const void *log, struct wal_stats *out)
{
    wal_stats(log, out);
}

const struct log_store log_store_files = {
    .open = open_files,
    .free = free_files,
    .append = append,
    .mark = mark,
    .truncate_prefix = truncate_prefix,
    .read = read_entries,
    .room_bytes = room_bytes,
    .is_full = is_full,
    .has_room_for_reset = has_room_for_reset,
    .prepare = prepare,
    .is_idle = is_idle,
    .stats = stats,
};
