/* wal_inspect.c: reading the log and the snapshots of a node that does not run, for people. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "engine/internal.h"
#include "quorate/wal.h"
#include "runtime/memory.h"
#include "wal/snapshot_store.h"
#include "wal/wal.h"

/* An entry's JSON has up to 4096 bytes of its payload, each six characters long when escaped. */
#define LINE_BYTES (32 * 1024)

struct inspection {
    bool is_json;
    qr_wal_line *line;
    void *argument;
    struct qr_wal_summary *summary;
};

static void count(struct qr_wal_summary *summary, const struct wal_scan_item *item)
{
    switch (item->kind) {
    case WAL_SCAN_SEGMENT:
        summary->segment_count++;
        summary->last_index = item->is_reset ? item->base.index : summary->last_index;
        break;
    case WAL_SCAN_BATCH:
        summary->batch_count++;
        summary->term = item->hard_state.term;
        summary->has_voted = item->hard_state.has_voted;
        summary->voted_for = item->hard_state.voted_for;
        summary->commit_index = item->commit_index;
        summary->base_index = item->base.index;
        summary->base_term = item->base.term;
        summary->last_index = max_u64(summary->last_index, item->base.index);
        break;
    case WAL_SCAN_ENTRY:
        summary->entry_count++;
        summary->last_index = item->entry->index;
        break;
    case WAL_SCAN_TORN:
        summary->is_torn = true;
        break;
    case WAL_SCAN_DAMAGE:
        break;
    }
}

static const char *kind_name(enum wal_scan_kind kind)
{
    switch (kind) {
    case WAL_SCAN_SEGMENT:
        return "segment";
    case WAL_SCAN_BATCH:
        return "batch";
    case WAL_SCAN_ENTRY:
        return "entry";
    case WAL_SCAN_TORN:
        return "torn";
    case WAL_SCAN_DAMAGE:
        return "damage";
    }
    return "?";
}

static void put_text(const struct wal_scan_item *item, struct text *text)
{
    text_string(text, kind_name(item->kind));
    text_char(text, ' ');
    text_string(text, item->file);
    text_char(text, ':');
    text_u64(text, item->offset);
    if (item->kind == WAL_SCAN_ENTRY) {
        text_char(text, ' ');
        entry_text(item->entry, text);
        return;
    }
    if (item->kind == WAL_SCAN_TORN || item->kind == WAL_SCAN_DAMAGE) {
        text_string(text, ": ");
        text_string(text, item->text == NULL ? "" : item->text);
        return;
    }
    text_string(text, " term=");
    text_u64(text, item->hard_state.term);
    if (item->hard_state.has_voted) {
        text_string(text, " vote=");
        text_hex(text, item->hard_state.voted_for, 16);
    }
    text_string(text, " commit=");
    text_u64(text, item->commit_index);
    if (item->base.index > 0) {
        text_string(text, " base=");
        text_u64(text, item->base.term);
        text_char(text, '/');
        text_u64(text, item->base.index);
    }
    if (item->kind == WAL_SCAN_BATCH) {
        text_string(text, " entries=");
        text_u64(text, item->entry_count);
    }
    text_string(text, item->is_reset ? " reset" : "");
}

static void put_json(const struct wal_scan_item *item, struct text *text)
{
    text_json_object_begin(text);
    text_json_key(text, "kind");
    text_json_string(text, kind_name(item->kind));
    text_json_key(text, "file");
    text_json_string(text, item->file);
    text_json_key(text, "offset");
    text_json_u64(text, item->offset);
    if (item->kind == WAL_SCAN_ENTRY) {
        text_json_key(text, "entry");
        entry_json(item->entry, text);
    } else if (item->kind == WAL_SCAN_TORN || item->kind == WAL_SCAN_DAMAGE) {
        text_json_key(text, "text");
        text_json_string(text, item->text == NULL ? "" : item->text);
    } else {
        text_json_key(text, "sequence");
        text_json_u64(text, item->sequence);
        text_json_key(text, "term");
        text_json_u64(text, item->hard_state.term);
        text_json_key(text, "voted_for");
        if (item->hard_state.has_voted) {
            text_json_hex(text, item->hard_state.voted_for, 16);
        } else {
            text_json_null(text);
        }
        text_json_key(text, "commit_index");
        text_json_u64(text, item->commit_index);
        text_json_key(text, "entry_count");
        text_json_u64(text, item->entry_count);
        text_json_key(text, "base_index");
        text_json_u64(text, item->base.index);
        text_json_key(text, "base_term");
        text_json_u64(text, item->base.term);
        text_json_key(text, "is_reset");
        text_json_bool(text, item->is_reset);
    }
    text_json_object_end(text);
}

static void each(void *context, const struct wal_scan_item *item)
{
    const struct inspection *inspection = context;
    count(inspection->summary, item);
    if (inspection->line == NULL) {
        return;
    }
    char line[LINE_BYTES];
    struct text text = text_of(line, sizeof(line));
    if (inspection->is_json) {
        put_json(item, &text);
    } else {
        put_text(item, &text);
    }
    ASSERT(!text.truncated);
    inspection->line(inspection->argument, line);
}

/* No reader is opened: nothing is ever told. */
static void not_told(void *context, uint64_t token, int status, struct chunk *chunk,
                     const uint8_t *data, size_t size_bytes)
{
    (void)context;
    (void)token;
    (void)status;
    (void)chunk;
    (void)data;
    (void)size_bytes;
    ASSERT(false);
}

static int look_at_snapshots(const struct disk *disk, struct qr_wal_summary *summary, char *detail)
{
    struct snapshot_options options = {
        .allocator = &runtime_allocator,
        .disk = disk,
        .listener = {.read_done = not_told},
        .chunk_bytes = SNAPSHOT_CHUNK_BYTES_MAX,
    };
    struct snapshot_store *store = NULL;
    struct snapshot_found found;
    int status = snapshot_store_open(&options, &store, &found, detail);
    if (status != 0) {
        return status;
    }
    snapshot_store_free(store);
    summary->has_snapshot = found.has_newest;
    if (found.has_newest) {
        summary->snapshot_index = found.newest.position.index;
        summary->snapshot_term = found.newest.position.term;
        summary->snapshot_bytes = found.newest.size_bytes;
    }
    return found.refused_count > 0 ? found.refused_status : 0;
}

static int scan(const struct disk *disk, struct inspection *inspection, char *detail)
{
    struct node_identity identity;
    int status = node_identity_read(disk, &identity, detail);
    if (status == 0) {
        status = node_identity_check_stores(&identity, 0, detail);
    }
    if (status != 0) {
        return status;
    }
    struct qr_wal_summary *summary = inspection->summary;
    summary->node_id = identity.id;
    summary->cluster_high = identity.cluster.high;
    summary->cluster_low = identity.cluster.low;
    struct text name = text_of(summary->name, sizeof(summary->name));
    text_string(&name, identity.name);
    /* Whatever the node was configured to: each segment tells its own size. */
    struct wal_options options = {
        .allocator = &runtime_allocator,
        .disk = disk,
        .node = identity.id,
        .segment_bytes = WAL_SEGMENT_BYTES_MAX,
        .entry_bytes_max = WAL_SEGMENT_BYTES_MAX - WAL_SEGMENT_BYTES_MIN,
    };
    status = wal_scan(&options, each, inspection, detail);
    return status == 0 ? look_at_snapshots(disk, summary, detail) : status;
}

int qr_wal_inspect(const char *data_directory, bool is_json, qr_wal_line *line, void *argument,
                   struct qr_wal_summary *out, char *detail)
{
    _Static_assert(QR_ERROR_DETAIL_BYTES >= WAL_ERROR_DETAIL_BYTES, "its detail fits");
    _Static_assert(QR_ERROR_DETAIL_BYTES >= SNAPSHOT_ERROR_DETAIL_BYTES, "its detail fits");
    if (data_directory == NULL || out == NULL || detail == NULL) {
        return QR_ERR_INVALID;
    }
    struct disk_posix_options options = {
        .allocator = &runtime_allocator,
        .directory = data_directory,
        .is_read_only = true,
    };
    *out = (struct qr_wal_summary){0};
    detail[0] = '\0';
    struct disk_posix *disk = NULL;
    int status = disk_posix_open(&options, &disk, detail);
    if (status != 0) {
        return status;
    }
    struct inspection inspection = {is_json, line, argument, out};
    status = scan(disk_posix_disk(disk), &inspection, detail);
    disk_posix_free(disk);
    return status;
}
