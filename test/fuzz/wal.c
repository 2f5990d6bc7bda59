/* wal.c: fuzzes the recovery of a log, and the scan that people read.
 *
 * Input    flags, then what the files hold (wal_image.h).
 * Asserts  that wal_scan() and wal_open() come to the same end; that a refusal says where and
 *          changes not one byte; that what was recovered is what the scan met, entry by entry,
 *          and can be read; that what is appended then is there, behind all that was, after the
 *          next start.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/wal.h"

#include <string.h>

#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "fuzz/wal_image.h"
#include "quorate/error.h"
#include "support/disk_memory.h"

#define FLAG_HOLDS 4 /* the log must hold batches */
#define FLAG_LARGE 8 /* segments of twice the size are configured */

#define ENTRY_BYTES_MAX 40000
#define ENTRIES_MAX 4096
#define READ_BYTES 3000

/* One entry, as it was met last. */
struct met {
    raft_index index;
    raft_term term;
    uint32_t checksum;
    uint8_t type;
};

/* What the scan met. */
struct model {
    struct met entries[ENTRIES_MAX]; /* by index, modulo their number */
    raft_index last_index;
    struct wal_base base;
    bool is_open_ended; /* it begins with a later segment, and no entry was met yet */
    struct hard_state hard_state;
    size_t batch_count;
    bool is_torn;
    bool is_damaged;
};

struct script {
    struct heap heap;
    struct disk_memory disk;
    struct wal_options options;
    struct wal *wal;
    struct wal_recovered recovered;
    struct model model;
    raft_index read_next;
    int read_status;
    uint64_t ticket;
};

static void on_synced(void *context, uint64_t ticket)
{
    struct script *script = context;
    script->ticket = ticket;
}

static struct met *met_at(struct model *model, raft_index index)
{
    return &model->entries[index % ENTRIES_MAX];
}

static void on_read(void *context, uint64_t token, int status, const struct entry *entries,
                    size_t count)
{
    struct script *script = context;
    (void)token;
    script->read_status = status;
    for (size_t i = 0; i < count; i++) {
        const struct met *met = met_at(&script->model, script->read_next);
        ASSERT(entries[i].index == script->read_next);
        ASSERT(met->index == script->read_next);
        ASSERT(entries[i].term == met->term);
        ASSERT(entries[i].type == met->type);
        ASSERT(entry_checksum(&entries[i]) == met->checksum);
        script->read_next++;
    }
}

static void on_poisoned(void *context, int status, const char *detail)
{
    (void)context;
    (void)status;
    (void)detail;
    ASSERT(false);
}

static void on_item(void *context, const struct wal_scan_item *item)
{
    struct model *model = context;
    ASSERT(!model->is_damaged && !model->is_torn);
    switch (item->kind) {
    case WAL_SCAN_SEGMENT:
        model->is_open_ended = item->is_reset            ? false
                               : model->batch_count == 0 ? item->sequence > 1
                                                         : model->is_open_ended;
        model->last_index = item->is_reset ? item->base.index : model->last_index;
        break;
    case WAL_SCAN_BATCH:
        model->batch_count++;
        model->hard_state = item->hard_state;
        model->base = item->base;
        break;
    case WAL_SCAN_ENTRY:
        ASSERT(model->is_open_ended || item->entry->index <= model->last_index + 1);
        ASSERT(item->entry->index > model->base.index);
        model->is_open_ended = false;
        model->last_index = item->entry->index;
        *met_at(model, model->last_index) = (struct met){
            model->last_index, item->entry->term, entry_checksum(item->entry), item->entry->type};
        break;
    case WAL_SCAN_TORN:
        model->is_torn = true;
        break;
    case WAL_SCAN_DAMAGE:
        model->is_damaged = true;
        break;
    }
    ASSERT_IMPLIES(model->is_torn || model->is_damaged, item->text != NULL);
}

static void check_terms(struct script *script)
{
    const struct wal_recovered *recovered = &script->recovered;
    size_t run = 0;
    for (raft_index index = recovered->first_index; index <= recovered->last_index; index++) {
        if (run < recovered->term_count && recovered->terms[run].first_index == index) {
            run++;
        }
        ASSERT(run > 0);
        ASSERT(met_at(&script->model, index)->index == index);
        ASSERT(recovered->terms[run - 1].term == met_at(&script->model, index)->term);
    }
    ASSERT(run == recovered->term_count);
}

/* The latest configuration up to the commit index, and all behind it. */
static void check_configurations(struct script *script)
{
    const struct wal_recovered *recovered = &script->recovered;
    size_t at = recovered->configuration_count;
    bool has_committed = false;
    raft_index last = recovered->last_index;
    for (raft_index index = last; index >= recovered->first_index && !has_committed; index--) {
        if (met_at(&script->model, index)->type != ENTRY_CONFIGURATION) {
            continue;
        }
        ASSERT(at > 0);
        at--;
        ASSERT(recovered->configurations[at].index == index);
        ASSERT(entry_checksum(&recovered->configurations[at]) ==
               met_at(&script->model, index)->checksum);
        has_committed = index <= recovered->commit_index;
    }
    ASSERT(at == 0);
}

static void check_recovered(struct script *script)
{
    const struct wal_recovered *recovered = &script->recovered;
    const struct model *model = &script->model;
    ASSERT(recovered->base.index == model->base.index);
    ASSERT(recovered->base.term == model->base.term);
    ASSERT(recovered->first_index == recovered->base.index + 1);
    ASSERT(recovered->last_index == model->last_index);
    ASSERT(recovered->commit_index >= recovered->base.index);
    ASSERT(recovered->commit_index <= recovered->last_index);
    ASSERT(recovered->hard_state.term == model->hard_state.term);
    ASSERT(recovered->hard_state.has_voted == model->hard_state.has_voted);
    ASSERT(recovered->hard_state.voted_for == model->hard_state.voted_for);
    ASSERT(recovered->was_torn == model->is_torn);
    check_terms(script);
    check_configurations(script);
}

static void read_all(struct script *script)
{
    script->read_next = script->recovered.first_index;
    while (script->read_next <= script->recovered.last_index) {
        raft_index first = script->read_next;
        ASSERT(wal_read(script->wal, first, READ_BYTES, first) == 0);
        disk_memory_run(&script->disk);
        ASSERT(script->read_status == 0);
        ASSERT(script->read_next > first);
    }
}

/* Append one entry behind the last one, durably. */
static void append(struct script *script)
{
    struct entry_arena arena;
    struct entry entry;
    struct entry_fields fields = {
        .index = script->recovered.last_index + 1,
        .term = 77,
        .type = ENTRY_NORMAL,
        .payload = "appended",
        .payload_bytes = 8,
    };
    entry_arena_init(&arena, &script->heap.allocator);
    ASSERT(entry_arena_encode(&arena, &fields, &entry) == 0);
    struct wal_batch batch = {
        .hard_state = {.term = 77, .voted_for = 5, .has_voted = true},
        .entries = &entry,
        .count = 1,
        .commit_index = fields.index,
        .ticket = 1,
    };
    script->model.hard_state = batch.hard_state;
    script->model.last_index = fields.index;
    *met_at(&script->model, fields.index) =
        (struct met){fields.index, fields.term, entry_checksum(&entry), fields.type};
    wal_prepare(script->wal);
    disk_memory_run(&script->disk);
    ASSERT(wal_append(script->wal, &batch) == 0);
    disk_memory_run(&script->disk);
    ASSERT(script->ticket == 1);
    chunk_drop(entry.chunk);
    entry_arena_deinit(&arena);
}

static int open_log(struct script *script)
{
    char detail[WAL_ERROR_DETAIL_BYTES] = "";
    struct disk_memory before;
    disk_memory_copy(&before, &script->disk);
    int status = wal_open(&script->options, &script->wal, &script->recovered, detail);
    if (status == 0) {
        wal_invariants(script->wal);
    } else {
        ASSERT(status == QR_ERR_CORRUPT || status == QR_ERR_VERSION || status == QR_ERR_FOREIGN);
        ASSERT(memchr(detail, '\0', sizeof(detail)) != NULL);
        ASSERT(strstr(detail, "log") != NULL);
        ASSERT(disk_memory_equal(&before, &script->disk));
    }
    disk_memory_deinit(&before);
    return status;
}

static void close_log(struct script *script)
{
    disk_memory_run(&script->disk);
    wal_invariants(script->wal);
    wal_free(script->wal);
    disk_memory_crash(&script->disk, NULL, NULL);
}

static void go_on(struct script *script)
{
    if (script->model.is_open_ended) {
        script->model.last_index = script->model.base.index;
    }
    check_recovered(script);
    read_all(script);
    append(script);
    close_log(script);
    script->model.is_torn = false;
    int status = open_log(script);
    ASSERT(status == 0);
    script->recovered.was_torn = false; /* bytes of the cut tail may lie there still */
    ASSERT(script->recovered.commit_index == script->model.last_index);
    check_recovered(script);
    read_all(script);
    close_log(script);
}

static void run(struct script *script)
{
    char detail[WAL_ERROR_DETAIL_BYTES];
    struct disk_memory before;
    disk_memory_copy(&before, &script->disk);
    int scanned = wal_scan(&script->options, on_item, &script->model, detail);
    ASSERT(disk_memory_equal(&before, &script->disk));
    disk_memory_deinit(&before);
    ASSERT((scanned == QR_ERR_CORRUPT) == script->model.is_damaged);

    int status = open_log(script);
    bool is_missing = script->options.must_hold_batches && script->model.batch_count == 0;
    ASSERT_IMPLIES(scanned != 0, status == scanned);
    ASSERT_IMPLIES(scanned == 0, status == (is_missing ? QR_ERR_CORRUPT : 0));
    if (status == 0) {
        go_on(script);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct script script;
    struct reader reader = reader_of(data, size_bytes);
    uint8_t flags = read_u8(&reader);
    script = (struct script){.ticket = 0};
    heap_init(&script.heap);
    disk_memory_init(&script.disk);
    script.options = (struct wal_options){
        .allocator = &script.heap.allocator,
        .disk = &script.disk.disk,
        .listener = {&script, on_synced, on_read, on_poisoned},
        .node = WAL_IMAGE_NODE,
        .segment_bytes = WAL_SEGMENT_BYTES_MIN * ((flags & FLAG_LARGE) != 0 ? 2 : 1),
        .entry_bytes_max = ENTRY_BYTES_MAX,
        .must_hold_batches = (flags & FLAG_HOLDS) != 0,
    };
    wal_image_make(&script.disk, &reader, flags);
    run(&script);
    disk_memory_deinit(&script.disk);
    heap_deinit(&script.heap);
    return 0;
}
