/* log_store_internal.h: what the files of the adapter to a program's log store share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LOG_STORE_INTERNAL_H
#define ENGINE_LOG_STORE_INTERNAL_H

#include <pthread.h>

#include "base/assert.h"
#include "base/log.h"
#include "engine/log_store.h"
#include "quorate/error.h"

_Static_assert(QR_LOG_APPENDS_MAX == WAL_APPENDS_MAX && QR_LOG_READS_MAX == WAL_READS_MAX &&
                   QR_LOG_DETAIL_BYTES == WAL_ERROR_DETAIL_BYTES,
               "the node keeps to them");

#define ENGINE_LOG_INDEX_MAX (UINT64_MAX / 2)
#define ENGINE_LOG_TERM_MAX (UINT64_MAX / 2)     /* so that others can follow */
#define ENGINE_LOG_ARRAY_MAX (UINT64_C(1) << 26) /* of the entries of a batch, and the like */
#define ENGINE_LOG_ARRAY_KEPT 4096               /* a longer one is not kept for the next batch */

/* A batch that is not durable yet, with all that it points to. */
struct log_append {
    struct qr_log_batch batch;
    struct qr_log_position reset;
    struct qr_log_entry *entries;
    size_t entry_capacity;
    struct chunk **chunks; /* one reference for each run of records in the same */
    size_t chunk_count;
    size_t chunk_capacity;
    uint64_t record_bytes; /* of its entries */
    raft_index last_index; /* behind it */
    raft_index kept_index; /* is_replacing: the last one that it leaves as it was */
    bool is_replacing;
};

enum log_read_state {
    LOG_READ_FREE,
    LOG_READ_ASKED,
    LOG_READ_TELLING, /* some thread copies what it gives */
    LOG_READ_TOLD,
};

struct log_read {
    enum log_read_state state; /* under the mutex; what it guards belongs to who set it */
    uint64_t name;             /* as the store has it: never used twice */
    uint64_t token;            /* as the node has it */
    raft_index first;
    raft_index limit; /* the first index not to be given */
    uint64_t bytes_max;
    int status;          /* from here on: the answer */
    struct chunk *chunk; /* records, one behind the other; NULL: none */
    uint64_t told_bytes;
    size_t told_count;
};

struct engine_log {
    const struct allocator *allocator;
    struct engine_log_waker waker;
    struct qr_log_store store;
    struct qr_log_host host;
    struct log_store table;
    struct wal_listener listener;
    const struct log_sink *sink;
    uint64_t record_bytes_max;
    bool is_open;
    bool is_poisoned;
    struct wal_base base;
    raft_index last_index;                      /* behind all batches that were given */
    raft_index durable_last;                    /* behind all that are durable */
    raft_index readable_last;                   /* durable, and no batch under way replaces it */
    bool is_base_due;                           /* the store is yet to be told of the base */
    struct log_append appends[WAL_APPENDS_MAX]; /* a ring */
    size_t append_first;
    size_t append_count;
    size_t read_count; /* under way */
    uint64_t read_names;
    struct entry read_entries[QR_LOG_READ_ENTRIES_MAX];
    struct wal_stats stats;

    /* Of recovery, until the first batch. */
    struct wal_term_run *terms;
    size_t term_count;
    size_t term_capacity;
    struct entry *configurations;
    size_t configuration_count;
    size_t configuration_capacity;

    pthread_mutex_t mutex;
    bool is_listening; /* under the mutex, like all below: between open and close */
    uint64_t given_ticket;
    uint64_t synced_ticket;
    struct log_read reads[WAL_READS_MAX];
    size_t told_count; /* of reads */
    int failure;       /* of the store; 0: none */
    char failure_detail[WAL_ERROR_DETAIL_BYTES];
};

/* log_store.c */

/* The end of it: nothing more is asked for, and nothing that was is waited for. */
void engine_log_poison(struct engine_log *log, int status, const char *detail);

/* log_store_read.c */

int engine_log_read(void *context, raft_index first, uint64_t bytes_max, uint64_t token);
void engine_log_answer_reads(struct engine_log *log);

/* Reads under way give nothing from `first` on. */
void engine_log_cut_reads(struct engine_log *log, raft_index first);

/* Nor of what is not behind the base. */
void engine_log_cut_reads_below(struct engine_log *log);

/* log_store_told.c: what a store calls, on any thread */

struct qr_log_host engine_log_host(struct engine_log *log);

/* log_store_open.c */

int engine_log_open(void *context, const struct wal_options *options, void **out,
                    struct wal_recovered *recovered, char *detail);
void engine_log_recovered_release(struct engine_log *log);

/* A status that a program gave at `open`, in words that the engine has. */
int engine_log_status(int status);

#endif
