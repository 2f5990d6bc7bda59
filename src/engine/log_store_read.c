/* log_store_read.c: reads from a program's log store, and the check of what it gives. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/log_store_internal.h"

/* Reads under way give nothing from `first` on. */
void engine_log_cut_reads(struct engine_log *log, raft_index first)
{
    for (size_t i = 0; i < WAL_READS_MAX && log->read_count > 0; i++) {
        log->reads[i].limit = min_u64(log->reads[i].limit, first);
    }
}

/* Nor of what is before the base now. */
void engine_log_cut_reads_below(struct engine_log *log)
{
    for (size_t i = 0; i < WAL_READS_MAX && log->read_count > 0; i++) {
        if (log->reads[i].first <= log->base.index) {
            log->reads[i].limit = 0;
        }
    }
}

static struct log_read *free_read(struct engine_log *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    struct log_read *found = NULL;
    for (size_t i = 0; i < WAL_READS_MAX && found == NULL; i++) {
        found = log->reads[i].state == LOG_READ_FREE ? &log->reads[i] : NULL;
    }
    (void)pthread_mutex_unlock(&log->mutex);
    return found;
}

int engine_log_read(void *context, raft_index first, uint64_t bytes_max, uint64_t token)
{
    struct engine_log *log = context;
    if (log->is_poisoned) {
        return QR_ERR_STOPPED;
    }
    if (first <= log->base.index || first > log->readable_last) {
        return QR_ERR_NOT_FOUND;
    }
    struct log_read *read = free_read(log);
    if (read == NULL) {
        return QR_ERR_BUSY;
    }
    uint64_t name = ++log->read_names;
    (void)pthread_mutex_lock(&log->mutex);
    *read = (struct log_read){
        .state = LOG_READ_ASKED,
        .name = name,
        .token = token,
        .first = first,
        .limit = log->readable_last + 1,
        .bytes_max = min_u64(bytes_max, WAL_SEGMENT_BYTES_MAX),
    };
    (void)pthread_mutex_unlock(&log->mutex);
    log->read_count++;
    log->store.read(log->store.context, first, min_u64(bytes_max, WAL_SEGMENT_BYTES_MAX), name);
    return 0;
}

/* Read the records of an answer, as far as they are wanted. False: they are not what they should
 * be.
 */
static bool decode_answer(struct engine_log *log, const struct log_read *read, size_t *count)
{
    uint64_t at = 0;
    raft_term last_term = log->base.term;
    for (size_t i = 0; i < read->told_count && read->first + i < read->limit; i++) {
        struct entry_fields fields;
        size_t record_bytes;
        const uint8_t *record = read->chunk->data + at;
        if (entry_decode(record, read->told_bytes - at, log->record_bytes_max, &fields,
                         &record_bytes) != 0 ||
            fields.index != read->first + i || fields.term < last_term) {
            return false;
        }
        log->read_entries[i] = (struct entry){
            .index = fields.index,
            .term = fields.term,
            .timestamp_ns = fields.timestamp_ns,
            .record = record,
            .chunk = read->chunk,
            .record_bytes = (uint32_t)record_bytes,
            .type = fields.type,
        };
        last_term = fields.term;
        at += record_bytes;
        *count = i + 1;
    }
    return true;
}

static void refuse_answer(struct engine_log *log, const struct log_read *read, int status)
{
    char detail[WAL_ERROR_DETAIL_BYTES];
    struct text text = text_of(detail, sizeof(detail));
    text_string(&text, "log store: a read of entries from ");
    text_u64(&text, read->first);
    text_string(&text, " on: ");
    text_string(&text, status == QR_ERR_NOT_FOUND ? "it does not have what it called durable"
                       : status == QR_ERR_CORRUPT ? "what it gives are not those entries, whole"
                                                  : qr_error_text(status));
    engine_log_poison(log, status == QR_ERR_NOT_FOUND ? QR_ERR_CORRUPT : status, detail);
}

static void answer(struct engine_log *log, struct log_read *read)
{
    size_t count = 0;
    bool is_cut = read->limit <= read->first;
    int status = is_cut ? QR_ERR_NOT_FOUND : read->status;
    if (status == 0 && !decode_answer(log, read, &count)) {
        status = QR_ERR_CORRUPT;
        count = 0;
    }
    log->read_count--;
    if (status != 0 && !is_cut) {
        refuse_answer(log, read, status);
    } else {
        log->listener.read_done(log->listener.context, read->token, status, log->read_entries,
                                count);
    }
    chunk_drop(read->chunk);
}

/* One that was told, if any: the copy is the caller's. */
static bool take_told(struct engine_log *log, struct log_read *out)
{
    bool is_taken = false;
    (void)pthread_mutex_lock(&log->mutex);
    for (size_t i = 0; i < WAL_READS_MAX && log->told_count > 0 && !is_taken; i++) {
        struct log_read *read = &log->reads[i];
        if (read->state == LOG_READ_TOLD) {
            *out = *read;
            *read = (struct log_read){.state = LOG_READ_FREE};
            log->told_count--;
            is_taken = true;
        }
    }
    (void)pthread_mutex_unlock(&log->mutex);
    return is_taken;
}

void engine_log_answer_reads(struct engine_log *log)
{
    struct log_read read = {.state = LOG_READ_FREE};
    while (!log->is_poisoned && take_told(log, &read)) {
        answer(log, &read);
    }
}
