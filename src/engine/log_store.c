/* log_store.c: batches and reads to a program's log store, and what it told back to the node. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "engine/log_store_internal.h"

const char *engine_log_store_read(const struct qr_log_store *given, struct qr_log_store *out)
{
    const struct sized known = {sizeof(*out), sizeof(*out)};
    int status = sized_read(known, given, out);
    if (status != 0) {
        return status == QR_ERR_VERSION
                   ? "the program is newer than the library, and has a function that this one does "
                     "not know"
                   : "size_bytes is that of no version known here";
    }
    bool is_whole = out->open != NULL && out->scan != NULL && out->append != NULL &&
                    out->read != NULL && out->truncate_prefix != NULL && out->close != NULL;
    return is_whole ? NULL : "without one of open, scan, append, read, truncate_prefix and close";
}

/* Nothing more is asked for, and nothing that was is waited for. */
void engine_log_poison(struct engine_log *log, int status, const char *detail)
{
    if (log->is_poisoned) {
        return;
    }
    log->is_poisoned = true;
    LOG(log->sink, LOG_ERROR, "log_store_failed", log_string("error", qr_error_name(status)),
        log_string("detail", detail));
    log->listener.poisoned(log->listener.context, status, detail);
}

static struct log_append *append_at(struct engine_log *log, size_t at)
{
    return &log->appends[(log->append_first + at) % WAL_APPENDS_MAX];
}

/* The last index that no batch under way replaces, when `durable_last` is durable. */
static raft_index find_readable_last(struct engine_log *log)
{
    raft_index last = log->durable_last;
    for (size_t i = 0; i < log->append_count; i++) {
        const struct log_append *append = append_at(log, i);
        if (append->is_replacing) {
            last = min_u64(last, append->kept_index);
        }
    }
    return last;
}

static void release_arrays(struct engine_log *log, struct log_append *append)
{
    release(log->allocator, append->entries, append->entry_capacity * sizeof(*append->entries));
    release(log->allocator, append->chunks, append->chunk_capacity * sizeof(struct chunk *));
    *append = (struct log_append){.entries = NULL};
}

static void let_go(struct engine_log *log, struct log_append *append)
{
    for (size_t i = 0; i < append->chunk_count; i++) {
        chunk_drop(append->chunks[i]);
    }
    append->chunk_count = 0;
    if (append->entry_capacity > ENGINE_LOG_ARRAY_KEPT ||
        append->chunk_capacity > ENGINE_LOG_ARRAY_KEPT) {
        release_arrays(log, append);
    }
}

/* Room for a batch of so many entries. Each may lie in a chunk of its own. */
static int reserve(struct engine_log *log, struct log_append *append, size_t count)
{
    void *entries = append->entries;
    int status = allocate_grow(log->allocator, &entries, &append->entry_capacity, count,
                               ENGINE_LOG_ARRAY_MAX, sizeof(*append->entries));
    append->entries = entries;
    void *chunks = append->chunks;
    if (status == 0) {
        status = allocate_grow(log->allocator, &chunks, &append->chunk_capacity, count,
                               ENGINE_LOG_ARRAY_MAX, sizeof(struct chunk *));
    }
    append->chunks = chunks;
    return status == 0 ? 0 : QR_ERR_NO_MEMORY;
}

static void take_entry(struct log_append *append, const struct entry *entry)
{
    if (append->chunk_count == 0 || append->chunks[append->chunk_count - 1] != entry->chunk) {
        append->chunks[append->chunk_count++] = chunk_hold(entry->chunk);
    }
    append->record_bytes += entry->record_bytes;
    append->entries[append->batch.count++] = (struct qr_log_entry){
        .index = entry->index,
        .term = entry->term,
        .timestamp_ns = entry->timestamp_ns,
        .record = entry->record,
        .record_bytes = entry->record_bytes,
        .type = entry->type,
    };
}

static void fill(struct log_append *append, const struct wal_batch *batch)
{
    append->record_bytes = 0;
    append->batch = (struct qr_log_batch){
        .size_bytes = sizeof(append->batch),
        .ticket = batch->ticket,
        .hard_state = {.term = batch->hard_state.term,
                       .voted_for = batch->hard_state.voted_for,
                       .has_voted = batch->hard_state.has_voted},
        .commit_index = batch->commit_index,
        .entries = append->entries,
    };
    if (batch->reset != NULL) {
        append->reset = (struct qr_log_position){batch->reset->term, batch->reset->index};
        append->batch.reset = &append->reset;
    }
    for (size_t i = 0; i < batch->count; i++) {
        take_entry(append, &batch->entries[i]);
    }
}

/* What the batch makes of the log, once it is given. */
static void step_ahead(struct engine_log *log, struct log_append *append,
                       const struct wal_batch *batch)
{
    append->is_replacing = batch->reset != NULL;
    if (batch->reset != NULL) {
        ASSERT(batch->reset->index >= log->base.index);
        log->base = *batch->reset;
        log->is_base_due = false;
        log->last_index = batch->reset->index;
        append->kept_index = batch->reset->index;
        engine_log_cut_reads(log, 0);
    }
    if (batch->count > 0) {
        raft_index first = batch->entries[0].index;
        ASSERT(first > log->base.index && first <= log->last_index + 1);
        if (!append->is_replacing && first <= log->last_index) {
            append->is_replacing = true;
            append->kept_index = first - 1;
            engine_log_cut_reads(log, first);
        }
        log->last_index = first + batch->count - 1;
    }
    append->last_index = log->last_index;
}

static int append(void *context, const struct wal_batch *batch)
{
    struct engine_log *log = context;
    if (log->is_poisoned) {
        return QR_ERR_STOPPED;
    }
    ASSERT(log->append_count < WAL_APPENDS_MAX);
    ASSERT(batch->ticket > log->given_ticket); /* which nobody else writes */
    struct log_append *append = append_at(log, log->append_count);
    int status = reserve(log, append, batch->count);
    if (status != 0) {
        return status;
    }
    engine_log_recovered_release(log);
    fill(append, batch);
    step_ahead(log, append, batch);
    log->append_count++;
    log->readable_last = find_readable_last(log);
    log->stats.append_count++;
    log->stats.entry_count += batch->count;
    log->stats.written_bytes += append->record_bytes;
    (void)pthread_mutex_lock(&log->mutex);
    log->given_ticket = batch->ticket;
    (void)pthread_mutex_unlock(&log->mutex);
    log->store.append(log->store.context, &append->batch);
    return 0;
}

/* The base's snapshot is durable, but the entry may not be yet, nor what it replaces be gone. */
static void tell_base(struct engine_log *log)
{
    if (log->is_base_due && log->base.index <= log->readable_last && !log->is_poisoned) {
        log->is_base_due = false;
        const struct qr_log_position base = {log->base.term, log->base.index};
        log->store.truncate_prefix(log->store.context, &base);
    }
}

static void truncate_prefix(void *context, const struct wal_base *base)
{
    struct engine_log *log = context;
    if (base->index <= log->base.index || log->is_poisoned) {
        return;
    }
    log->base = *base;
    log->is_base_due = true;
    engine_log_cut_reads_below(log);
    tell_base(log);
}

static uint64_t room_bytes(const void *context)
{
    const struct engine_log *log = context;
    if (log->is_poisoned) {
        return 0;
    }
    return log->store.room_bytes == NULL ? UINT64_MAX : log->store.room_bytes(log->store.context);
}

static bool is_full(const void *context)
{
    (void)context;
    return false; /* who asks for the room learns it; there is nothing to try again */
}

static bool has_room_for_reset(const void *context)
{
    const struct engine_log *log = context;
    return !log->is_poisoned;
}

static void prepare(void *context)
{
    (void)context;
}

/* The store notes what is durable in a way of its own. */
static void mark(void *context, raft_index commit_index)
{
    (void)context;
    (void)commit_index;
}

static bool is_idle(const void *context)
{
    const struct engine_log *log = context;
    return log->is_poisoned || log->append_count + log->read_count == 0;
}

static void get_stats(const void *context, struct wal_stats *out)
{
    const struct engine_log *log = context;
    *out = log->stats;
    out->base = log->base;
    out->size_bytes =
        log->store.stored_bytes == NULL ? 0 : log->store.stored_bytes(log->store.context);
}

/* The store is gone before anything that it may look at. */
static void close_store(void *context)
{
    struct engine_log *log = context;
    if (log == NULL) {
        return;
    }
    ASSERT(is_idle(log));
    log->store.close(log->store.context);
    (void)pthread_mutex_lock(&log->mutex);
    log->is_listening = false;
    (void)pthread_mutex_unlock(&log->mutex);
    engine_log_recovered_release(log);
    for (size_t i = 0; i < WAL_APPENDS_MAX; i++) {
        let_go(log, &log->appends[i]);
        release_arrays(log, &log->appends[i]);
    }
    for (size_t i = 0; i < WAL_READS_MAX; i++) {
        chunk_drop(log->reads[i].chunk);
        log->reads[i].chunk = NULL;
    }
    log->is_open = false;
}

/* The batches up to this ticket are durable. */
static void settle(struct engine_log *log, uint64_t ticket)
{
    uint64_t settled = 0;
    while (log->append_count > 0 && append_at(log, 0)->batch.ticket <= ticket) {
        struct log_append *append = append_at(log, 0);
        settled = append->batch.ticket;
        log->durable_last = append->last_index;
        let_go(log, append);
        log->append_first = (log->append_first + 1) % WAL_APPENDS_MAX;
        log->append_count--;
    }
    if (settled == 0) {
        return;
    }
    log->stats.sync_count++;
    log->readable_last = find_readable_last(log);
    tell_base(log);
    log->listener.synced(log->listener.context, settled);
}

void engine_log_take(struct engine_log *log)
{
    if (!log->is_open || log->is_poisoned) {
        return;
    }
    (void)pthread_mutex_lock(&log->mutex);
    uint64_t ticket = log->synced_ticket;
    int failure = log->failure;
    (void)pthread_mutex_unlock(&log->mutex);
    settle(log, ticket);
    engine_log_answer_reads(log);
    if (failure != 0) {
        engine_log_poison(log, failure, log->failure_detail); /* the first, which does not change */
    }
}

const struct log_store *engine_log_table(const struct engine_log *log)
{
    return &log->table;
}

int engine_log_new(struct qr_engine *engine, const struct qr_log_store *given,
                   struct engine_log **out)
{
    struct engine_log *log = allocate_zeroed(&engine->allocator, sizeof(*log));
    if (log == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    log->engine = engine;
    log->allocator = &engine->allocator;
    log->host = engine_log_host(log);
    const char *wrong = engine_log_store_read(given, &log->store);
    ASSERT(wrong == NULL);
    log->table = (struct log_store){
        .context = log,
        .open = engine_log_open,
        .free = close_store,
        .append = append,
        .mark = mark,
        .truncate_prefix = truncate_prefix,
        .read = engine_log_read,
        .room_bytes = room_bytes,
        .is_full = is_full,
        .has_room_for_reset = has_room_for_reset,
        .prepare = prepare,
        .is_idle = is_idle,
        .stats = get_stats,
    };
    int failed = pthread_mutex_init(&log->mutex, NULL);
    ASSERT(failed == 0);
    *out = log;
    return 0;
}

void engine_log_free(struct engine_log *log)
{
    if (log == NULL) {
        return;
    }
    ASSERT(!log->is_open);
    (void)pthread_mutex_destroy(&log->mutex);
    release(log->allocator, log, sizeof(*log));
}
