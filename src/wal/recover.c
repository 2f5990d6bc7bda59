/* recover.c: opening a log: what the walk meets becomes the state to go on from.
 *
 * Owns     what recovery keeps: terms, configurations, anchors. Nothing is written before
 *          the whole log was judged good.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mutant.h"
#include "wal/walk.h"

#define TERM_RUNS_MAX (UINT64_C(1) << 32)
#define CONFIGURATIONS_MAX (UINT64_C(1) << 24)

struct recovery {
    struct wal *wal;
    time_ns last_timestamp_ns;
    raft_index last_index;
    bool has_batch;
};

void wal_recovered_release(struct wal *wal)
{
    const struct allocator *allocator = wal->options.allocator;
    for (size_t i = 0; i < wal->configuration_count; i++) {
        chunk_drop(wal->configurations[i].chunk);
    }
    release(allocator, wal->configurations,
            wal->configuration_capacity * sizeof(*wal->configurations));
    release(allocator, wal->terms, wal->term_capacity * sizeof(*wal->terms));
    wal->configurations = NULL;
    wal->configuration_count = 0;
    wal->configuration_capacity = 0;
    wal->terms = NULL;
    wal->term_count = 0;
    wal->term_capacity = 0;
}

/* Forget what a batch that begins at `first` replaces. */
static void rewind_to(struct wal *wal, raft_index first)
{
    while (wal->term_count > 0 && wal->terms[wal->term_count - 1].first_index >= first &&
           !MUTANT(REPLACED_TERMS_KEPT)) {
        wal->term_count--;
    }
    while (wal->configuration_count > 0 &&
           wal->configurations[wal->configuration_count - 1].index >= first) {
        chunk_drop(wal->configurations[--wal->configuration_count].chunk);
    }
}

static int keep_term(struct wal *wal, const struct entry *entry)
{
    if (wal->term_count > 0 && wal->terms[wal->term_count - 1].term == entry->term) {
        return 0;
    }
    void *terms = wal->terms;
    int status = allocate_grow(wal->options.allocator, &terms, &wal->term_capacity,
                               wal->term_count + 1, TERM_RUNS_MAX, sizeof(*wal->terms));
    wal->terms = terms;
    if (status != 0) {
        return QR_ERR_NO_MEMORY;
    }
    wal->terms[wal->term_count++] = (struct wal_term_run){entry->term, entry->index};
    return 0;
}

/* Keep a configuration in memory of its own: the entry lies in the walk's window. */
static int keep_configuration(struct wal *wal, const struct entry *entry)
{
    void *configurations = wal->configurations;
    int status = allocate_grow(wal->options.allocator, &configurations,
                               &wal->configuration_capacity, wal->configuration_count + 1,
                               CONFIGURATIONS_MAX, sizeof(*wal->configurations));
    wal->configurations = configurations;
    if (status != 0) {
        return QR_ERR_NO_MEMORY;
    }
    struct chunk *chunk = chunk_new(wal->options.allocator, entry->record_bytes);
    if (chunk == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    memcpy(chunk->data, entry->record, entry->record_bytes);
    chunk->used_bytes = entry->record_bytes;
    struct entry *kept = &wal->configurations[wal->configuration_count++];
    *kept = *entry;
    kept->chunk = chunk;
    kept->record = chunk->data;
    return 0;
}

/* Committed configurations are never replaced: of them, only the latest counts. */
static void drop_outdated(struct wal *wal, raft_index commit_index)
{
    size_t outdated = 0;
    while (outdated + 1 < wal->configuration_count &&
           wal->configurations[outdated + 1].index <= commit_index) {
        chunk_drop(wal->configurations[outdated].chunk);
        outdated++;
    }
    if (outdated > 0) {
        wal->configuration_count -= outdated;
        memmove(wal->configurations, wal->configurations + outdated,
                wal->configuration_count * sizeof(*wal->configurations));
    }
}

static int meet_segment(void *context, const struct wal_segment_header *header, const char *name)
{
    (void)name;
    struct recovery *recovery = context;
    struct wal *wal = recovery->wal;
    if (wal->segment_count == 0) {
        wal->segment_first = header->sequence;
    }
    if (header->is_reset) {
        rewind_to(wal, 0);
        wal_anchors_forget(&wal->anchors, 0, true);
        recovery->last_index = header->base.index;
        recovery->last_timestamp_ns = 0;
    }
    if (wal_segments_reach(wal, header->sequence) != 0) {
        return QR_ERR_NO_MEMORY;
    }
    *wal_segment_at(wal, header->sequence) =
        (struct wal_segment){.state = WAL_SEGMENT_USED, .size_bytes = header->segment_bytes};
    return 0;
}

static int meet_batch(void *context, const struct wal_batch_header *header, const char *name,
                      const struct entry *entries, uint64_t end)
{
    (void)name;
    struct recovery *recovery = context;
    struct wal *wal = recovery->wal;
    recovery->has_batch = true;
    wal_segment_at(wal, header->at.sequence)->synced_bytes = end;
    if (header->entry_count == 0) {
        return 0;
    }
    rewind_to(wal, header->first_index);
    if (wal_anchors_reserve(&wal->anchors, wal->options.allocator, 1) != 0) {
        return QR_ERR_NO_MEMORY;
    }
    wal_anchors_add(&wal->anchors, (struct wal_anchor){
                                       .first_index = header->first_index,
                                       .at = header->at,
                                       .is_replacing = header->first_index <= recovery->last_index,
                                   });
    for (uint32_t i = 0; i < header->entry_count; i++) {
        int status = keep_term(wal, &entries[i]);
        if (status == 0 && entries[i].type == ENTRY_CONFIGURATION) {
            status = keep_configuration(wal, &entries[i]);
        }
        if (status != 0) {
            return status;
        }
    }
    recovery->last_index = entries[header->entry_count - 1].index;
    recovery->last_timestamp_ns = entries[header->entry_count - 1].timestamp_ns;
    drop_outdated(wal, min_u64(header->commit_index, recovery->last_index));
    return 0;
}

/* Enter the files behind the log's end in the table: without content that counts, and used
 * as they are if they are large enough.
 */
static int take_files_ahead(struct wal *wal, const struct wal_walk *walk)
{
    uint64_t reach = walk->cursor.at.sequence + WAL_SEGMENTS_AHEAD;
    if (walk->file_count > 0) {
        ASSERT(walk->files[0].sequence == wal->segment_first);
        reach = max_u64(walk->files[walk->file_count - 1].sequence, reach);
    }
    if (wal_segments_reach(wal, reach) != 0) {
        return QR_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < walk->file_count; i++) {
        struct wal_segment *segment = &wal->segments[i];
        if (segment->state == WAL_SEGMENT_USED) {
            continue;
        }
        bool is_usable = wal_segment_is_usable(&wal->options, walk->files[i].size_bytes);
        segment->state = is_usable ? WAL_SEGMENT_READY : WAL_SEGMENT_UNUSABLE;
        segment->size_bytes = walk->files[i].size_bytes;
        if (!is_usable && i + 1 == walk->file_count) {
            segment->state = WAL_SEGMENT_WANTED; /* unfinished: nothing stands behind it */
            segment->size_bytes = wal->options.segment_bytes;
        }
    }
    /* An unusable one takes those behind it along, or its removal would leave a gap. */
    bool is_unusable = false;
    for (size_t i = 0; i < walk->file_count; i++) {
        is_unusable = is_unusable || wal->segments[i].state == WAL_SEGMENT_UNUSABLE;
        if (is_unusable) {
            wal->segments[i].state = WAL_SEGMENT_UNUSABLE;
        }
    }
    return 0;
}

/* Without a first segment nothing could be promised: make it at once. */
static int prepare_first(struct wal *wal, char *detail)
{
    struct wal_segment *first = wal_segment_at(wal, wal->segment_first);
    if (first->state == WAL_SEGMENT_USED || first->state == WAL_SEGMENT_READY) {
        return 0;
    }
    char name[DISK_NAME_BYTES_MAX];
    wal_segment_name(wal->segment_first, name);
    const struct disk *disk = wal->options.disk;
    int status = disk->prepare(disk->context, name, wal->options.segment_bytes);
    if (status != 0) {
        struct text text = text_of(detail, WAL_ERROR_DETAIL_BYTES);
        text_string(&text, name);
        text_string(&text, ": the first segment cannot be made: ");
        text_string(&text, qr_error_text(status));
        return status;
    }
    first->state = WAL_SEGMENT_READY;
    first->size_bytes = wal->options.segment_bytes;
    return 0;
}

/* Of what stands in the files only what is behind the base is in the log. */
static void leave_out(struct wal *wal, raft_index first_index)
{
    size_t gone = 0;
    while (gone + 1 < wal->term_count && wal->terms[gone + 1].first_index <= first_index) {
        gone++;
    }
    if (wal->cursor.last_index < first_index) {
        gone = wal->term_count;
    }
    wal->term_count -= gone;
    if (gone > 0) {
        memmove(wal->terms, wal->terms + gone, wal->term_count * sizeof(*wal->terms));
    }
    if (wal->term_count > 0) {
        wal->terms[0].first_index = max_u64(wal->terms[0].first_index, first_index);
    }
    drop_outdated(wal, first_index - 1);
    if (wal->configuration_count > 0 && wal->configurations[0].index < first_index) {
        chunk_drop(wal->configurations[0].chunk);
        wal->configuration_count--;
        memmove(wal->configurations, wal->configurations + 1,
                wal->configuration_count * sizeof(*wal->configurations));
    }
}

static void report(struct wal *wal, const struct wal_walk *walk, const struct recovery *recovery,
                   struct wal_recovered *recovered)
{
    struct wal_base base = walk->cursor.base;
    raft_index commit_index = wal->cursor.commit_index;
    leave_out(wal, base.index + 1);
    drop_outdated(wal, commit_index);
    *recovered = (struct wal_recovered){
        .hard_state = walk->cursor.hard_state,
        .commit_index = commit_index,
        .base = base,
        .first_index = base.index + 1,
        .last_index = walk->cursor.last_index,
        .last_timestamp_ns = recovery->last_timestamp_ns,
        .terms = wal->terms,
        .term_count = wal->term_count,
        .configurations = wal->configurations,
        .configuration_count = wal->configuration_count,
        .was_torn = walk->torn_bytes > 0,
        .torn_bytes = walk->torn_bytes,
    };
    LOG(wal->options.log, walk->torn_bytes > 0 ? LOG_WARN : LOG_INFO, "wal_opened",
        log_u64("base", recovered->base.index), log_u64("last_index", recovered->last_index),
        log_u64("commit_index", recovered->commit_index),
        log_u64("term", recovered->hard_state.term), log_u64("segment", walk->cursor.at.sequence),
        log_u64("offset", walk->cursor.at.offset), log_u64("torn_bytes", walk->torn_bytes));
}

static int without_memory(char *detail)
{
    struct text text = text_of(detail, WAL_ERROR_DETAIL_BYTES);
    text_string(&text, "not enough memory to open the log");
    return QR_ERR_NO_MEMORY;
}

/* Go on from where the walk ended. A new generation tells its batches from stale ones. */
static int take_over(struct wal *wal, struct wal_walk *walk, char *detail)
{
    wal->cursor = walk->cursor;
    wal->cursor.generation = walk->generation_max + 1;
    wal->cursor.commit_index =
        max_u64(min_u64(walk->commit_index, walk->cursor.last_index), walk->cursor.base.index);
    wal->durable_base = walk->cursor.base;
    wal->durable_last = walk->cursor.last_index;
    wal->base_sent = walk->cursor.base;
    wal->synced = walk->cursor.at;
    wal_prefix_settled(wal);
    wal->noted = walk->noted;
    wal->readable_last = walk->cursor.last_index;
    if (take_files_ahead(wal, walk) != 0) {
        return without_memory(detail);
    }
    return wal->options.is_read_only ? 0 : prepare_first(wal, detail);
}

static int refuse_empty(char *detail)
{
    struct text text = text_of(detail, WAL_ERROR_DETAIL_BYTES);
    text_string(&text,
                "the log files are missing or empty, though this node has used them: restore "
                "them from a backup, or empty the directory and let the node join again as "
                "a new one");
    return QR_ERR_CORRUPT;
}

static void init(struct wal *wal, const struct wal_options *options)
{
    wal->options = *options;
    wal->segment_first = 1;
    for (size_t i = WAL_READS_MAX; i > 0; i--) {
        wal->reads[i - 1].next = wal->read_free;
        wal->read_free = &wal->reads[i - 1];
    }
}

int wal_open(const struct wal_options *options, struct wal **out, struct wal_recovered *recovered,
             char *detail)
{
    ASSERT(options->segment_bytes % 4096 == 0);
    ASSERT(wal_segment_is_usable(options, options->segment_bytes));

    struct wal_walk walk;
    wal_walk_init(&walk, options, detail);
    struct wal *wal = allocate_zeroed(options->allocator, sizeof(*wal));
    if (wal == NULL) {
        return without_memory(detail);
    }
    init(wal, options);
    struct recovery recovery = {.wal = wal};
    walk.visitor = (struct wal_visitor){&recovery, meet_segment, meet_batch};
    int status = wal_walk_run(&walk);
    if (status == QR_ERR_NO_MEMORY) {
        (void)without_memory(detail); /* what the walk met could not be kept */
    }
    if (status == 0 && options->must_hold_batches && !recovery.has_batch) {
        status = refuse_empty(detail);
    }
    if (status == 0) {
        status = take_over(wal, &walk, detail);
    }
    if (status == 0) {
        report(wal, &walk, &recovery, recovered);
        *out = wal;
    } else {
        wal_free(wal);
    }
    wal_walk_deinit(&walk);
    return status;
}
