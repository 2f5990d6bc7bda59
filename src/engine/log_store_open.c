/* log_store_open.c: what a program's log store holds when it is opened, checked entry by entry. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "engine/log_store_internal.h"

#define REMEDY                                                                                     \
    "restore it from a backup, or empty it and the data directory and let the node join again as " \
    "a new one"

struct scanning {
    struct engine_log *log;
    const struct qr_log_found *found;
    raft_index last_index; /* of those that were given */
    raft_term last_term;
    time_ns last_timestamp_ns;
    int status; /* why no more is looked at; 0 so far */
    char *detail;
};

void engine_log_recovered_release(struct engine_log *log)
{
    for (size_t i = 0; i < log->configuration_count; i++) {
        chunk_drop(log->configurations[i].chunk);
    }
    release(log->allocator, log->configurations,
            log->configuration_capacity * sizeof(*log->configurations));
    release(log->allocator, log->terms, log->term_capacity * sizeof(*log->terms));
    log->configurations = NULL;
    log->configuration_count = 0;
    log->configuration_capacity = 0;
    log->terms = NULL;
    log->term_count = 0;
    log->term_capacity = 0;
}

static int refuse(int status, const char *sentence, char *detail)
{
    struct text text = text_of(detail, WAL_ERROR_DETAIL_BYTES);
    text_string(&text, "log store: ");
    text_string(&text, sentence);
    return status;
}

static int refuse_entry(const struct scanning *scanning, const char *what)
{
    struct text text = text_of(scanning->detail, WAL_ERROR_DETAIL_BYTES);
    text_string(&text, "log store: entry ");
    text_u64(&text, scanning->last_index + 1);
    text_string(&text, what);
    text_string(&text, "; " REMEDY);
    return QR_ERR_CORRUPT;
}

static int keep_term(struct engine_log *log, const struct entry_fields *fields)
{
    if (log->term_count > 0 && log->terms[log->term_count - 1].term == fields->term) {
        return 0;
    }
    void *terms = log->terms;
    int status = allocate_grow(log->allocator, &terms, &log->term_capacity, log->term_count + 1,
                               ENGINE_LOG_ARRAY_MAX, sizeof(*log->terms));
    log->terms = terms;
    if (status == 0) {
        log->terms[log->term_count++] = (struct wal_term_run){fields->term, fields->index};
    }
    return status == 0 ? 0 : QR_ERR_NO_MEMORY;
}

/* Of committed configurations only the latest counts. */
static void drop_outdated(struct engine_log *log, raft_index index, raft_index commit_index)
{
    if (index <= commit_index && log->configuration_count > 0) {
        ASSERT(log->configuration_count == 1);
        chunk_drop(log->configurations[0].chunk);
        log->configuration_count = 0;
    }
}

static int keep_configuration(struct engine_log *log, const struct entry_fields *fields,
                              const struct qr_log_entry *given)
{
    void *configurations = log->configurations;
    int status = allocate_grow(log->allocator, &configurations, &log->configuration_capacity,
                               log->configuration_count + 1, ENGINE_LOG_ARRAY_MAX,
                               sizeof(*log->configurations));
    log->configurations = configurations;
    struct chunk *chunk =
        status == 0 ? chunk_new(log->allocator, (uint32_t)given->record_bytes) : NULL;
    if (chunk == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    memcpy(chunk->data, given->record, given->record_bytes);
    chunk->used_bytes = (uint32_t)given->record_bytes;
    log->configurations[log->configuration_count++] = (struct entry){
        .index = fields->index,
        .term = fields->term,
        .timestamp_ns = fields->timestamp_ns,
        .record = chunk->data,
        .chunk = chunk,
        .record_bytes = (uint32_t)given->record_bytes,
        .type = fields->type,
    };
    return 0;
}

static int meet_entry(struct scanning *scanning, const struct qr_log_entry *given)
{
    struct entry_fields fields;
    size_t record_bytes;
    if (given == NULL || given->record == NULL ||
        entry_decode(given->record, given->record_bytes, scanning->log->record_bytes_max, &fields,
                     &record_bytes) != 0 ||
        record_bytes != given->record_bytes) {
        return refuse_entry(scanning, ": its record is damaged");
    }
    if (fields.index != scanning->last_index + 1) {
        return refuse_entry(scanning, " is missing: another one stands in its place");
    }
    if (fields.term < scanning->last_term || fields.term > scanning->found->hard_state.term) {
        return refuse_entry(scanning, ": its term is below that of the entry before it, or above "
                                      "the term that the node has seen");
    }
    scanning->last_index = fields.index;
    scanning->last_term = fields.term;
    scanning->last_timestamp_ns = fields.timestamp_ns;
    int status = keep_term(scanning->log, &fields);
    if (status == 0 && fields.type == ENTRY_CONFIGURATION) {
        drop_outdated(scanning->log, fields.index, scanning->found->commit_index);
        status = keep_configuration(scanning->log, &fields, given);
    }
    return status == 0 ? 0 : refuse(status, "memory ran out", scanning->detail);
}

static int each(void *argument, const struct qr_log_entry *entry)
{
    struct scanning *scanning = argument;
    if (scanning->status == 0) {
        scanning->status = meet_entry(scanning, entry);
    }
    return scanning->status;
}

/* What cannot be, whatever entries follow. NULL, or a sentence. */
static const char *find_fault(const struct qr_log_found *found)
{
    const struct qr_log_position *base = &found->base;
    const struct qr_hard_state *state = &found->hard_state;
    if (!found->is_begun && (found->last_index > 0 || state->term > 0 || state->has_voted)) {
        return "it holds something, and says that nothing was ever begun; " REMEDY;
    }
    if ((base->index == 0) != (base->term == 0) || base->index > found->last_index ||
        found->last_index > ENGINE_LOG_INDEX_MAX) {
        return "its base and its last index contradict each other; " REMEDY;
    }
    if (base->term > state->term || (state->has_voted && state->term == 0)) {
        return "its term is behind its entries or its vote; " REMEDY;
    }
    if (state->term > ENGINE_LOG_TERM_MAX) { /* no checksum is over it */
        return "its term was never reached by elections; " REMEDY;
    }
    return NULL;
}

static int check_found(const struct wal_options *options, const struct qr_log_found *found,
                       char *detail)
{
    const char *fault = find_fault(found);
    if (fault != NULL) {
        return refuse(QR_ERR_CORRUPT, fault, detail);
    }
    if (options->must_hold_batches && !found->is_begun) {
        return refuse(QR_ERR_CORRUPT, "it is empty, though this node has used it; " REMEDY, detail);
    }
    /* All that a node may leave there before its directory says that it has used it. */
    if (!options->must_hold_batches &&
        (found->last_index > 1 || found->base.index > 0 || found->hard_state.term > 1)) {
        return refuse(QR_ERR_FOREIGN,
                      "it holds the log of another node: the data directory is that of one that "
                      "has not begun; give it an empty store, or its own directory",
                      detail);
    }
    return 0;
}

static int scan(struct scanning *scanning)
{
    const struct qr_log_store *store = &scanning->log->store;
    int status = store->scan(store->context, each, scanning);
    if (scanning->status != 0) {
        return scanning->status;
    }
    if (status != 0) {
        return refuse(engine_log_status(status), "its entries cannot be read", scanning->detail);
    }
    bool is_whole = scanning->last_index == scanning->found->last_index;
    return is_whole ? 0 : refuse_entry(scanning, " is missing");
}

static void report(struct engine_log *log, const struct qr_log_found *found,
                   const struct scanning *scanning, struct wal_recovered *recovered)
{
    *recovered = (struct wal_recovered){
        .hard_state = {.term = found->hard_state.term,
                       .voted_for = found->hard_state.voted_for,
                       .has_voted = found->hard_state.has_voted},
        .commit_index = found->commit_index,
        .base = log->base,
        .first_index = log->base.index + 1,
        .last_index = found->last_index,
        .last_timestamp_ns = scanning->last_timestamp_ns,
        .terms = log->terms,
        .term_count = log->term_count,
        .configurations = log->configurations,
        .configuration_count = log->configuration_count,
    };
    LOG(log->sink, LOG_INFO, "log_store_opened", log_u64("base", recovered->base.index),
        log_u64("last_index", recovered->last_index),
        log_u64("commit_index", recovered->commit_index),
        log_u64("term", recovered->hard_state.term));
}

static int ask_store(struct engine_log *log, const struct wal_options *options,
                     struct qr_log_found *found, char *detail)
{
    const struct qr_log_open open = {
        .size_bytes = sizeof(open),
        .host = &log->host,
        .node_id = options->node,
        .record_bytes_max = options->entry_bytes_max,
    };
    char why[QR_LOG_DETAIL_BYTES] = "";
    int status = log->store.open(log->store.context, &open, found, why);
    why[sizeof(why) - 1] = '\0';
    return status == 0 ? 0 : refuse(engine_log_status(status), why, detail);
}

static void set_listening(struct engine_log *log, bool is_listening)
{
    (void)pthread_mutex_lock(&log->mutex);
    log->is_listening = is_listening;
    (void)pthread_mutex_unlock(&log->mutex);
}

static void take_over(struct engine_log *log, const struct qr_log_found *found)
{
    log->base = (struct wal_base){found->base.term, found->base.index};
    log->last_index = found->last_index;
    log->durable_last = found->last_index;
    log->readable_last = found->last_index;
}

static int read_all(struct engine_log *log, const struct wal_options *options,
                    struct qr_log_found *found, struct wal_recovered *recovered, char *detail)
{
    int status = check_found(options, found, detail);
    if (status != 0) {
        return status;
    }
    /* A hint, which may be ahead where what it stood beside was replaced. */
    found->commit_index =
        max_u64(min_u64(found->commit_index, found->last_index), found->base.index);
    struct scanning scanning = {
        .log = log,
        .found = found,
        .last_index = found->base.index,
        .last_term = found->base.term,
        .detail = detail,
    };
    take_over(log, found);
    status = scan(&scanning);
    if (status == 0) {
        report(log, found, &scanning, recovered);
    }
    return status;
}

int engine_log_open(void *context, const struct wal_options *options, void **out,
                    struct wal_recovered *recovered, char *detail)
{
    struct engine_log *log = context;
    ASSERT(!log->is_open);
    log->listener = options->listener;
    log->sink = options->log;
    log->record_bytes_max = options->entry_bytes_max;
    set_listening(log, true);
    struct qr_log_found found = {.size_bytes = sizeof(found)};
    int status = ask_store(log, options, &found, detail);
    if (status != 0) {
        set_listening(log, false);
        return status;
    }
    status = read_all(log, options, &found, recovered, detail);
    if (status != 0) {
        log->store.close(log->store.context);
        set_listening(log, false);
        engine_log_recovered_release(log);
        return status;
    }
    log->is_open = true;
    *out = log;
    return 0;
}
