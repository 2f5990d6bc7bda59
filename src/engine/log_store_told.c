/* log_store_told.c: what a program's log store tells, on whatever thread. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "engine/log_store_internal.h"

int engine_log_status(int status)
{
    bool is_known = status < 0 && qr_error_class_of(status) != QR_CLASS_NONE;
    return is_known ? status : QR_ERR_IO;
}

/* What a log can meet once it is open; all else says nothing of it, or something of others. */
static int told_status(int status, int one_more)
{
    bool is_meant = status == QR_ERR_CORRUPT || status == QR_ERR_NO_MEMORY || status == one_more;
    return is_meant ? status : QR_ERR_IO;
}

/* Under the mutex. The first failure stays. */
static void note_failure(struct engine_log *log, int status, const char *detail)
{
    if (log->failure == 0) {
        struct text text = text_of(log->failure_detail, sizeof(log->failure_detail));
        log->failure = status;
        text_string(&text, "log store: ");
        text_string(&text, detail);
    }
}

static void synced(void *context, uint64_t ticket)
{
    struct engine_log *log = context;
    (void)pthread_mutex_lock(&log->mutex);
    bool is_news = log->is_listening && log->failure == 0 && ticket > log->synced_ticket;
    if (is_news && ticket > log->given_ticket) {
        char detail[WAL_ERROR_DETAIL_BYTES];
        struct text text = text_of(detail, sizeof(detail));
        text_string(&text, "it calls ticket ");
        text_u64(&text, ticket);
        text_string(&text, " durable, and the last that it was given is ");
        text_u64(&text, log->given_ticket);
        note_failure(log, QR_ERR_CORRUPT, detail);
    } else if (is_news) {
        log->synced_ticket = ticket;
    }
    (void)pthread_mutex_unlock(&log->mutex);
    if (is_news) {
        log->waker.wake(log->waker.context);
    }
}

static void failed(void *context, int status, const char *detail)
{
    struct engine_log *log = context;
    (void)pthread_mutex_lock(&log->mutex);
    bool is_listening = log->is_listening;
    if (is_listening) {
        note_failure(log, told_status(status, QR_ERR_DISK_FULL), detail == NULL ? "" : detail);
    }
    (void)pthread_mutex_unlock(&log->mutex);
    if (is_listening) {
        log->waker.wake(log->waker.context);
    }
}

/* The read that is asked for under this name, if any, for this thread to answer. */
static struct log_read *begin_telling(struct engine_log *log, uint64_t name)
{
    struct log_read *found = NULL;
    (void)pthread_mutex_lock(&log->mutex);
    for (size_t i = 0; i < WAL_READS_MAX && log->is_listening; i++) {
        struct log_read *read = &log->reads[i];
        if (read->state == LOG_READ_ASKED && read->name == name) {
            read->state = LOG_READ_TELLING;
            found = read;
        }
    }
    if (found == NULL && log->is_listening) {
        note_failure(log, QR_ERR_CORRUPT, "it answers a read that was not asked for, or twice");
    }
    (void)pthread_mutex_unlock(&log->mutex);
    return found;
}

/* How many of the entries are looked at, and the bytes of their records; 0: one cannot be. */
static size_t count_wanted(const struct engine_log *log, const struct log_read *read,
                           const struct qr_log_entry *entries, size_t count)
{
    size_t wanted = 0;
    uint64_t bytes = 0;
    while (wanted < count && wanted < QR_LOG_READ_ENTRIES_MAX &&
           (wanted == 0 || bytes < read->bytes_max)) {
        const struct qr_log_entry *entry = &entries[wanted];
        if (entry->record == NULL || entry->record_bytes > log->record_bytes_max) {
            return 0;
        }
        bytes += entry->record_bytes;
        wanted++;
    }
    return wanted;
}

/* They are looked into on the loop's thread. 0, QR_ERR_CORRUPT or QR_ERR_NO_MEMORY. */
static int copy_records(struct engine_log *log, struct log_read *read,
                        const struct qr_log_entry *entries, size_t count)
{
    size_t wanted = entries == NULL ? 0 : count_wanted(log, read, entries, count);
    if (wanted == 0) {
        return QR_ERR_CORRUPT;
    }
    uint64_t bytes = 0;
    for (size_t i = 0; i < wanted; i++) {
        bytes += entries[i].record_bytes;
    }
    ASSERT(bytes <= UINT32_MAX);
    read->chunk = chunk_new(log->allocator, (uint32_t)bytes);
    if (read->chunk == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    uint8_t *out = read->chunk->data;
    for (size_t i = 0; i < wanted; i++) {
        memcpy(out, entries[i].record, entries[i].record_bytes);
        out += entries[i].record_bytes;
    }
    read->chunk->used_bytes = (uint32_t)bytes;
    read->told_bytes = bytes;
    read->told_count = wanted;
    return 0;
}

static void read_done(void *context, uint64_t token, int status, const struct qr_log_entry *entries,
                      size_t count)
{
    struct engine_log *log = context;
    struct log_read *read = begin_telling(log, token);
    if (read != NULL) {
        read->status = status == 0 ? copy_records(log, read, entries, count)
                                   : told_status(status, QR_ERR_NOT_FOUND);
        (void)pthread_mutex_lock(&log->mutex);
        read->state = LOG_READ_TOLD;
        log->told_count++;
        (void)pthread_mutex_unlock(&log->mutex);
    }
    log->waker.wake(log->waker.context);
}

struct qr_log_host engine_log_host(struct engine_log *log)
{
    return (struct qr_log_host){
        .size_bytes = sizeof(struct qr_log_host),
        .context = log,
        .synced = synced,
        .read_done = read_done,
        .failed = failed,
    };
}
