/* log.c: the Raft log in memory: a cached tail, and the terms of all of it.
 *
 * Indexes: base <= applied <= commit <= last, base <= durable <= handed <= last. Cached entries
 * end at last_index; those above min(applied, durable) are always cached.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "raft/internal.h"

void raft_log_init(struct raft_log *log, const struct allocator *allocator,
                   uint64_t cache_bytes_max)
{
    *log = (struct raft_log){.allocator = allocator, .cache_bytes_max = cache_bytes_max};
}

void raft_log_deinit(struct raft_log *log)
{
    if (log->allocator == NULL) {
        return;
    }
    for (size_t i = 0; i < log->count; i++) {
        chunk_drop(log->entries[log->head + i].chunk);
    }
    release(log->allocator, log->entries, log->capacity * sizeof(*log->entries));
    release(log->allocator, log->terms, log->term_capacity * sizeof(*log->terms));
    *log = (struct raft_log){0};
}

raft_index raft_log_first_cached(const struct raft_log *log)
{
    ASSERT(log->count <= log->last_index);
    return log->last_index - log->count + 1;
}

/* Position in terms of the run that `index` belongs to; index is in base + 1..last_index. */
static size_t run_of(const struct raft_log *log, raft_index index)
{
    ASSERT(log->term_count > 0);
    ASSERT(log->terms[0].first_index <= index);
    size_t low = 0;
    size_t high = log->term_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (log->terms[middle].first_index <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

bool raft_log_term_at(const struct raft_log *log, raft_index index, raft_term *term)
{
    if (index > log->last_index || index < log->base.index) {
        return false; /* not there yet, or not any more: no term, and certainly not 0 */
    }
    if (index == log->base.index) {
        *term = MUTANT(COMPACTED_TERM_IS_ZERO) ? 0 : log->base.term;
        return true;
    }
    *term = log->terms[run_of(log, index)].term;
    return true;
}

struct raft_position raft_log_last(const struct raft_log *log)
{
    raft_term term = 0;
    bool is_known = raft_log_term_at(log, log->last_index, &term);
    ASSERT(is_known);
    return (struct raft_position){term, log->last_index};
}

const struct entry *raft_log_entry(const struct raft_log *log, raft_index index)
{
    raft_index first = raft_log_first_cached(log);
    if (index < first || index > log->last_index) {
        return NULL;
    }
    const struct entry *entry = &log->entries[log->head + (size_t)(index - first)];
    ASSERT(entry->index == index);
    return entry;
}

/* Room is at the end: entries move to the front once the half before them is free. */
int raft_log_reserve(struct raft_log *log, size_t count)
{
    int status = allocate_grow(log->allocator, (void **)&log->terms, &log->term_capacity,
                               log->term_count + count, RAFT_TERM_RUNS_MAX, sizeof(*log->terms));
    if (status != 0) {
        return status;
    }
    if (log->head + log->count + count <= log->capacity) {
        return 0;
    }
    if (log->head > 0 && log->head >= log->count) {
        memmove(log->entries, log->entries + log->head, log->count * sizeof(*log->entries));
        log->head = 0;
    }
    return allocate_grow(log->allocator, (void **)&log->entries, &log->capacity,
                         log->head + log->count + count, RAFT_LOG_ENTRIES_MAX,
                         sizeof(*log->entries));
}

void raft_log_append(struct raft_log *log, struct entry entry)
{
    ASSERT(entry.index == log->last_index + 1);
    ASSERT(entry.term >= raft_log_last(log).term);
    ASSERT(entry.term > 0);
    ASSERT(log->head + log->count < log->capacity);

    if (log->term_count == 0 || entry.term > raft_log_last(log).term) {
        ASSERT(log->term_count < log->term_capacity);
        log->terms[log->term_count++] = (struct raft_term_run){entry.term, entry.index};
    }
    log->entries[log->head + log->count++] = entry;
    log->last_index = entry.index;
    log->cached_bytes += entry.record_bytes;
    log->last_timestamp_ns = max_u64(log->last_timestamp_ns, entry.timestamp_ns);
}

void raft_log_truncate(struct raft_log *log, raft_index from)
{
    ASSERT(from > log->commit_index);
    ASSERT(from <= log->last_index);

    while (log->last_index >= from) {
        if (log->count > 0) {
            struct entry *entry = &log->entries[log->head + --log->count];
            log->cached_bytes -= entry->record_bytes;
            chunk_drop(entry->chunk);
            log->last_index--;
        } else {
            log->last_index = from - 1; /* the rest is on disk alone */
        }
    }
    while (log->term_count > 0 && log->terms[log->term_count - 1].first_index >= from) {
        log->term_count--;
    }
    log->handed_index = min_u64(log->handed_index, from - 1);
    log->durable_index = min_u64(log->durable_index, from - 1);
}

static void uncache_first(struct raft_log *log)
{
    log->cached_bytes -= log->entries[log->head].record_bytes;
    chunk_drop(log->entries[log->head].chunk);
    log->count--;
    log->head = log->count == 0 ? 0 : log->head + 1;
}

void raft_log_evict(struct raft_log *log)
{
    raft_index keep_above = min_u64(log->applied_index, log->durable_index);
    while (log->count > 0 && log->cached_bytes > log->cache_bytes_max &&
           log->entries[log->head].index <= keep_above) {
        uncache_first(log);
    }
}

/* Runs that end at or below base go; the one that reaches beyond it begins there. */
static void compact_terms(struct raft_log *log)
{
    raft_index first = log->base.index + 1;
    size_t gone = 0;
    while (gone < log->term_count &&
           (log->last_index < first ||
            (gone + 1 < log->term_count && log->terms[gone + 1].first_index <= first))) {
        gone++;
    }
    log->term_count -= gone;
    if (gone > 0 && log->term_count > 0) {
        memmove(log->terms, log->terms + gone, log->term_count * sizeof(*log->terms));
    }
    if (log->term_count > 0) {
        log->terms[0].first_index = max_u64(log->terms[0].first_index, first);
    }
}

void raft_log_compact(struct raft_log *log, raft_index index)
{
    ASSERT(index >= log->base.index);
    ASSERT(index <= min_u64(log->applied_index, log->durable_index));

    raft_term term = 0;
    bool is_known = raft_log_term_at(log, index, &term);
    ASSERT(is_known);
    while (log->count > 0 && log->entries[log->head].index <= index) {
        uncache_first(log);
    }
    log->base = (struct raft_position){term, index};
    compact_terms(log);
}

void raft_log_reset(struct raft_log *log, struct raft_position base)
{
    while (log->count > 0) {
        uncache_first(log);
    }
    log->base = base;
    log->term_count = 0;
    log->last_index = base.index;
    log->handed_index = base.index;
    log->durable_index = base.index;
    log->commit_index = base.index;
    log->applied_index = base.index;
}

bool raft_log_meeting(const struct raft_log *log, raft_index index, raft_term term,
                      struct raft_position *out)
{
    index = min_u64(index, log->last_index);
    while (index > log->base.index) {
        const struct raft_term_run *run = &log->terms[run_of(log, index)];
        if (run->term <= term) {
            *out = (struct raft_position){run->term, index};
            return true;
        }
        index = run->first_index - 1; /* a whole term in one step */
    }
    *out = log->base;
    return index == log->base.index && log->base.term <= term;
}
