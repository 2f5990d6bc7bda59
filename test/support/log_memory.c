/* log_memory.c: a log store in memory, which can lose, fail and lie. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/log_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "quorate/error.h"

#define TERM_AT 16
#define TICKET_NEVER_GIVEN 1000000

static bool lies(const struct log_memory *log, enum log_memory_lie lie)
{
    return atomic_load(&log->lie) == (int)lie;
}

static uint64_t last_index(const struct log_memory *log)
{
    return log->base.index + log->count;
}

/* Forget all behind this index. */
static void cut(struct log_memory *log, uint64_t index)
{
    while (log->count > 0 && last_index(log) > index) {
        free(log->entries[--log->count].record);
    }
}

static void drop_first(struct log_memory *log, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(log->entries[i].record);
    }
    log->count -= count;
    memmove(log->entries, log->entries + count, log->count * sizeof(*log->entries));
}

static void put(struct log_memory *log, const struct qr_log_entry *entry)
{
    ASSERT(log->count < LOG_MEMORY_ENTRIES_MAX);
    uint64_t at = entry->index - log->base.index - 1;
    bool is_over = at < log->count; /* LOG_BREAKS_REPLACING */
    ASSERT(is_over || at == log->count);
    void *record = malloc(entry->record_bytes);
    memcpy(record, entry->record, entry->record_bytes);
    if (lies(log, LOG_BREAKS_RECORDS)) {
        ((uint8_t *)record)[entry->record_bytes - 1] ^= 1;
    }
    if (is_over) {
        free(log->entries[at].record);
    }
    log->entries[at] = (struct log_memory_entry){record, entry->record_bytes};
    log->count += is_over ? 0 : 1;
}

static void empty(struct log_memory *log, const struct qr_log_position *base)
{
    uint64_t last = last_index(log);
    if (lies(log, LOG_BREAKS_RESET) && base->index < last && base->index >= log->base.index) {
        drop_first(log, base->index - log->base.index);
    } else {
        drop_first(log, log->count);
    }
    log->base = *base;
    atomic_fetch_add(&log->reset_count, 1);
}

static void carry_out(struct log_memory *log, const struct qr_log_batch *batch)
{
    log->is_begun = true;
    if (batch->reset != NULL) {
        empty(log, batch->reset);
    }
    if (batch->count > 0 && batch->entries[0].index <= last_index(log)) {
        atomic_fetch_add(&log->replace_count, 1);
        if (!lies(log, LOG_BREAKS_REPLACING)) {
            cut(log, batch->entries[0].index - 1);
        }
    }
    for (size_t i = 0; i < batch->count; i++) {
        put(log, &batch->entries[i]);
    }
    if (!lies(log, LOG_BREAKS_ORDER) || batch->hard_state.term <= log->hard_state.term ||
        log->hard_state.term == 0) {
        log->hard_state = batch->hard_state;
    }
    log->commit_index = batch->commit_index;
}

static int open_log(void *context, const struct qr_log_open *open, struct qr_log_found *found,
                    char *detail)
{
    struct log_memory *log = context;
    ASSERT(!log->is_open && log->waiting_count == 0);
    if (lies(log, LOG_FAIL_OPEN) || lies(log, LOG_FAIL_OPEN_WORDS)) {
        (void)snprintf(detail, QR_LOG_DETAIL_BYTES, "the tape is torn");
        return lies(log, LOG_FAIL_OPEN) ? QR_ERR_LOCKED : 4711;
    }
    log->host = open->host;
    log->node_id = open->node_id;
    log->is_open = true;
    found->is_begun = log->is_begun && !lies(log, LOG_LIE_EMPTY) && !lies(log, LOG_LIE_BEGUN);
    if (lies(log, LOG_LIE_EMPTY)) {
        return 0;
    }
    found->hard_state = log->hard_state;
    found->commit_index = log->commit_index;
    found->base = log->base;
    found->last_index = last_index(log);
    if (lies(log, LOG_LIE_BASE)) {
        found->base = (struct qr_log_position){1, found->last_index + 1};
    } else if (lies(log, LOG_LIE_BASE_TERM)) {
        found->base = (struct qr_log_position){0, 1};
    } else if (lies(log, LOG_LIE_TERM)) {
        found->hard_state.term = 0;
        found->hard_state.has_voted = false;
    } else if (lies(log, LOG_LIE_TERM_LAST)) {
        found->hard_state.term = UINT64_MAX;
    } else if (lies(log, LOG_LIE_VOTE)) {
        found->hard_state = (struct qr_hard_state){.has_voted = true};
    }
    return 0;
}

/* Give a copy of a record with something changed, and its checksum right again if asked for. */
static int give_changed(struct log_memory *log, size_t at, bool is_term, qr_log_each *each,
                        void *argument)
{
    struct log_memory_entry *kept = &log->entries[at];
    uint8_t *record = malloc(kept->record_bytes);
    memcpy(record, kept->record, kept->record_bytes);
    if (is_term) {
        uint8_t command_bytes = record[37];
        size_t used_bytes = 56 + command_bytes + load_u32(record + 4);
        store_u64(record + TERM_AT, 0);
        store_u32(record, crc32c(0, record + 4, used_bytes - 4));
    } else {
        record[8] ^= 1;
    }
    const struct qr_log_entry entry = {.record = record, .record_bytes = kept->record_bytes};
    int status = each(argument, &entry);
    free(record);
    return status;
}

static int scan(void *context, qr_log_each *each, void *argument)
{
    struct log_memory *log = context;
    size_t count = log->count;
    size_t first = 0;
    int status = lies(log, LOG_FAIL_SCAN) ? QR_ERR_IO : 0;
    count -= lies(log, LOG_LIE_SCAN_LESS) && count > 0 ? 1 : 0;
    first += lies(log, LOG_LIE_SCAN_GAP) ? 1 : 0;
    for (size_t i = first; i < count && status == 0; i++) {
        bool is_last = i + 1 == count;
        const struct qr_log_entry entry = {.record = log->entries[i].record,
                                           .record_bytes = log->entries[i].record_bytes};
        if (is_last && lies(log, LOG_LIE_SCAN_FLIP)) {
            (void)give_changed(log, i, false, each, argument);
        } else if (is_last && lies(log, LOG_LIE_SCAN_TERMS)) {
            status = give_changed(log, i, true, each, argument);
        } else {
            status = each(argument, &entry);
        }
        if (status == 0 && is_last && lies(log, LOG_LIE_SCAN_MORE)) {
            status = each(argument, &entry);
        }
    }
    return status;
}

static void tell(struct log_memory *log, uint64_t ticket)
{
    const struct qr_log_host *host = log->host;
    if (lies(log, LOG_FAIL_SYNC)) {
        host->failed(host->context, QR_ERR_IO, "the tape is torn");
        host->failed(host->context, QR_ERR_DISK_FULL, "again");
    } else if (lies(log, LOG_FAIL_SILENT)) {
        host->failed(host->context, 4711, NULL);
    }
    host->synced(host->context, ticket + (lies(log, LOG_LIE_TICKET) ? TICKET_NEVER_GIVEN : 0));
    host->synced(host->context, ticket); /* no news */
}

static void append(void *context, const struct qr_log_batch *batch)
{
    struct log_memory *log = context;
    ASSERT(log->is_open && log->waiting_count < QR_LOG_APPENDS_MAX);
    ASSERT(batch->size_bytes == sizeof(*batch));
    atomic_fetch_add(&log->append_count, 1);
    if (atomic_load(&log->holds)) {
        log->waiting[log->waiting_count++] = batch;
        if (lies(log, LOG_BREAKS_DURABILITY)) {
            tell(log, batch->ticket);
        }
        return;
    }
    for (size_t i = 0; i < log->waiting_count; i++) {
        carry_out(log, log->waiting[i]);
    }
    log->waiting_count = 0;
    carry_out(log, batch);
    tell(log, batch->ticket);
}

static void answer(struct log_memory *log, uint64_t token, int status,
                   const struct qr_log_entry *entries, size_t count)
{
    log->host->read_done(log->host->context, token, status, entries, count);
    if (lies(log, LOG_LIE_READ_TWICE)) {
        log->host->read_done(log->host->context, token, status, entries, count);
    }
}

static void answer_changed(struct log_memory *log, uint64_t token, size_t at)
{
    struct log_memory_entry *kept = &log->entries[at];
    uint8_t *record = malloc(kept->record_bytes);
    memcpy(record, kept->record, kept->record_bytes);
    struct qr_log_entry entry = {.record = record, .record_bytes = kept->record_bytes};
    if (lies(log, LOG_LIE_READ_FLIP)) {
        record[kept->record_bytes / 2] ^= 4;
    } else if (lies(log, LOG_LIE_READ_SHORT)) {
        entry.record_bytes /= 2;
    } else {
        entry.record = NULL;
    }
    answer(log, token, 0, &entry, 1);
    free(record);
}

/* What is given is more than is asked for: the rest is not looked at. */
static void give(struct log_memory *log, uint64_t first, uint64_t token)
{
    struct qr_log_entry *entries = calloc(log->count + 1, sizeof(*entries));
    size_t at = (size_t)(first - log->base.index - 1);
    bool is_next = lies(log, LOG_LIE_READ_NEXT) || lies(log, LOG_BREAKS_READS);
    at += is_next && at + 1 < log->count ? 1 : 0;
    size_t count = log->count - at;
    for (size_t i = 0; i < count; i++) {
        entries[i].record = log->entries[at + i].record;
        entries[i].record_bytes = log->entries[at + i].record_bytes;
    }
    answer(log, token, 0, entries, count);
    free(entries);
}

static void read_entries(void *context, uint64_t first, uint64_t bytes_max, uint64_t token)
{
    struct log_memory *log = context;
    (void)bytes_max;
    atomic_fetch_add(&log->read_count, 1);
    size_t at = (size_t)(first - log->base.index - 1);
    if (first <= log->base.index || at >= log->count || lies(log, LOG_LIE_READ_NONE)) {
        answer(log, token, QR_ERR_NOT_FOUND, NULL, 0);
    } else if (lies(log, LOG_LIE_READ_EMPTY) || lies(log, LOG_LIE_READ_NOTHING)) {
        answer(log, token, 0, NULL, lies(log, LOG_LIE_READ_NOTHING) ? 1 : 0);
    } else if (lies(log, LOG_FAIL_READ_OTHER)) {
        answer(log, token, QR_ERR_STOPPED, NULL, 0);
    } else if (lies(log, LOG_FAIL_READ) || lies(log, LOG_FAIL_READ_WORDS)) {
        answer(log, token, lies(log, LOG_FAIL_READ) ? QR_ERR_IO : 4711, NULL, 0);
    } else if (lies(log, LOG_LIE_READ_FLIP) || lies(log, LOG_LIE_READ_SHORT) ||
               lies(log, LOG_LIE_READ_NULL)) {
        answer_changed(log, token, at);
    } else {
        give(log, first, token);
    }
}

static void truncate_prefix(void *context, const struct qr_log_position *base)
{
    struct log_memory *log = context;
    ASSERT(base->index > log->base.index && base->index <= last_index(log));
    atomic_fetch_add(&log->truncate_count, 1);
    drop_first(log, (size_t)(base->index - log->base.index));
    log->base = *base;
    if (lies(log, LOG_BREAKS_BASE)) {
        log->base.term = 0;
    }
}

static uint64_t room_bytes(void *context)
{
    const struct log_memory *log = context;
    return log->room_bytes;
}

static uint64_t stored_bytes(void *context)
{
    const struct log_memory *log = context;
    return log->count * 100;
}

static void close_log(void *context)
{
    struct log_memory *log = context;
    ASSERT(log->is_open);
    log->is_open = false;
    log->waiting_count = 0;
    log->host = NULL;
    atomic_fetch_add(&log->close_count, 1);
}

void log_memory_init(struct log_memory *log)
{
    *log = (struct log_memory){.room_bytes = UINT64_MAX};
    log->table = (struct qr_log_store){
        .size_bytes = sizeof(log->table),
        .context = log,
        .open = open_log,
        .scan = scan,
        .append = append,
        .read = read_entries,
        .truncate_prefix = truncate_prefix,
        .room_bytes = room_bytes,
        .stored_bytes = stored_bytes,
        .close = close_log,
    };
    log->entries = calloc(LOG_MEMORY_ENTRIES_MAX, sizeof(*log->entries));
}

void log_memory_deinit(struct log_memory *log)
{
    drop_first(log, log->count);
    free(log->entries);
}

void log_memory_crash(struct log_memory *log)
{
    log->waiting_count = 0;
    log->is_open = false;
    log->host = NULL;
}
