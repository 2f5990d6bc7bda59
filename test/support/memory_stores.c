/* memory_stores.c: a log store and a snapshot store in memory, and a program that tries both.
 *
 * To begin a store of one's own with: it is compiled with the installed headers and the two checks
 * beside it, as docs/replaceable-parts.md shows, and ends with 0 when both keep to the rules.
 *
 * Owns     what it was given, as long as the process lives, which is as durable as it gets here.
 * Threads  none: everything is done, and told, within the call.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log_store_check.h"
#include "quorate/error.h"
#include "snapshot_store_check.h"

#define ENTRIES_MAX 4096
#define SNAPSHOTS_MAX 8

/* A copy; without memory there is nothing to be tried. */
static void *copy_of(const void *bytes, size_t size_bytes)
{
    void *copy = malloc(size_bytes);
    if (copy == NULL) {
        fputs("memory ran out\n", stderr);
        exit(2);
    }
    memcpy(copy, bytes, size_bytes);
    return copy;
}

/* The log */

struct memory_log {
    const struct qr_log_host *host;
    bool is_begun;
    struct qr_hard_state hard_state;
    uint64_t commit_index;
    struct qr_log_position base;
    struct qr_log_entry entries[ENTRIES_MAX]; /* [index - base.index - 1] */
    size_t count;
};

static void log_drop(struct memory_log *log, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        free((void *)(uintptr_t)log->entries[i].record);
    }
    log->count -= count;
    memmove(&log->entries[first], &log->entries[first + count],
            (log->count - first) * sizeof(log->entries[0]));
}

static int log_open(void *context, const struct qr_log_open *open, struct qr_log_found *found,
                    char *detail)
{
    struct memory_log *log = context;
    (void)detail;
    log->host = open->host;
    found->is_begun = log->is_begun;
    found->hard_state = log->hard_state;
    found->commit_index = log->commit_index;
    found->base = log->base;
    found->last_index = log->base.index + log->count;
    return 0;
}

static int log_scan(void *context, qr_log_each *each, void *argument)
{
    const struct memory_log *log = context;
    int status = 0;
    for (size_t i = 0; i < log->count && status == 0; i++) {
        status = each(argument, &log->entries[i]);
    }
    return status;
}

static void log_append(void *context, const struct qr_log_batch *batch)
{
    struct memory_log *log = context;
    log->is_begun = true;
    if (batch->reset != NULL) {
        log_drop(log, 0, log->count);
        log->base = *batch->reset;
    }
    if (batch->count > 0) {
        size_t kept = (size_t)(batch->entries[0].index - log->base.index - 1);
        log_drop(log, kept, log->count - kept);
    }
    if (batch->count > ENTRIES_MAX - log->count) {
        log->host->failed(log->host->context, QR_ERR_DISK_FULL, "this log takes no more entries");
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct qr_log_entry *entry = &log->entries[log->count++];
        *entry = batch->entries[i];
        entry->record = copy_of(entry->record, entry->record_bytes);
    }
    log->hard_state = batch->hard_state;
    log->commit_index = batch->commit_index;
    log->host->synced(log->host->context, batch->ticket);
}

static void log_read(void *context, uint64_t first, uint64_t bytes_max, uint64_t token)
{
    const struct memory_log *log = context;
    size_t at = (size_t)(first - log->base.index - 1);
    if (first <= log->base.index || at >= log->count) {
        log->host->read_done(log->host->context, token, QR_ERR_NOT_FOUND, NULL, 0);
        return;
    }
    uint64_t bytes = 0;
    size_t count = 0;
    while (at + count < log->count && count < QR_LOG_READ_ENTRIES_MAX &&
           (count == 0 || bytes < bytes_max)) {
        bytes += log->entries[at + count++].record_bytes;
    }
    log->host->read_done(log->host->context, token, 0, &log->entries[at], count);
}

static void log_truncate_prefix(void *context, const struct qr_log_position *base)
{
    struct memory_log *log = context;
    log_drop(log, 0, (size_t)(base->index - log->base.index));
    log->base = *base;
}

static void log_close(void *context)
{
    struct memory_log *log = context;
    log->host = NULL;
}

/* The snapshots */

struct memory_snapshot {
    uint64_t index; /* 0: none */
    uint8_t *bytes;
    size_t size_bytes;
};

struct memory_snapshots {
    const struct qr_snapshot_host *host;
    struct memory_snapshot published[SNAPSHOTS_MAX];
    struct memory_snapshot aside;
};

static struct memory_snapshot *snapshot_find(struct memory_snapshots *snapshots, uint64_t index)
{
    for (size_t i = 0; i < SNAPSHOTS_MAX; i++) {
        if (snapshots->published[i].index == index) {
            return &snapshots->published[i];
        }
    }
    return NULL;
}

static void snapshot_drop(struct memory_snapshot *snapshot)
{
    free(snapshot->bytes);
    *snapshot = (struct memory_snapshot){.index = 0};
}

static int snapshots_open(void *context, const struct qr_snapshot_open *open, char *detail)
{
    struct memory_snapshots *snapshots = context;
    (void)detail;
    snapshots->host = open->host;
    return 0;
}

static int snapshots_list(void *context, qr_snapshot_each *each, void *argument)
{
    const struct memory_snapshots *snapshots = context;
    for (size_t i = 0; i < SNAPSHOTS_MAX; i++) {
        const struct memory_snapshot *snapshot = &snapshots->published[i];
        if (snapshot->index != 0) {
            each(argument, snapshot->index, snapshot->size_bytes);
        }
    }
    return 0;
}

static void snapshots_write(void *context, uint64_t ticket, const struct qr_snapshot_part *part,
                            const void *data)
{
    struct memory_snapshots *snapshots = context;
    struct memory_snapshot *aside = &snapshots->aside;
    if (part->offset == 0) {
        snapshot_drop(aside);
        aside->index = part->index;
    }
    uint8_t *longer = realloc(aside->bytes, aside->size_bytes + part->count);
    int status = longer == NULL ? QR_ERR_NO_MEMORY : 0;
    if (longer != NULL) {
        memcpy(longer + aside->size_bytes, data, part->count);
        aside->bytes = longer;
        aside->size_bytes += part->count;
    }
    snapshots->host->done(snapshots->host->context, ticket, status);
}

static void snapshots_publish(void *context, uint64_t ticket, uint64_t index)
{
    struct memory_snapshots *snapshots = context;
    struct memory_snapshot *place = snapshot_find(snapshots, index);
    place = place != NULL ? place : snapshot_find(snapshots, 0);
    if (place != NULL) {
        snapshot_drop(place);
        *place = snapshots->aside;
        snapshots->aside = (struct memory_snapshot){.index = 0};
    }
    snapshots->host->done(snapshots->host->context, ticket, place != NULL ? 0 : QR_ERR_DISK_FULL);
}

static void snapshots_abandon(void *context, uint64_t ticket, uint64_t index)
{
    struct memory_snapshots *snapshots = context;
    (void)index; /* there is one at a time */
    snapshot_drop(&snapshots->aside);
    snapshots->host->done(snapshots->host->context, ticket, 0);
}

static void snapshots_read(void *context, uint64_t ticket, const struct qr_snapshot_part *part,
                           void *buffer)
{
    struct memory_snapshots *snapshots = context;
    const struct memory_snapshot *snapshot = snapshot_find(snapshots, part->index);
    bool is_there = snapshot != NULL && part->offset <= snapshot->size_bytes &&
                    part->count <= snapshot->size_bytes - part->offset;
    if (is_there) {
        memcpy(buffer, snapshot->bytes + part->offset, part->count);
    }
    snapshots->host->done(snapshots->host->context, ticket, is_there ? 0 : QR_ERR_CORRUPT);
}

static void snapshots_remove(void *context, uint64_t ticket, uint64_t index)
{
    struct memory_snapshots *snapshots = context;
    struct memory_snapshot *snapshot = snapshot_find(snapshots, index);
    if (snapshot != NULL) {
        snapshot_drop(snapshot);
    }
    snapshots->host->done(snapshots->host->context, ticket, 0);
}

static void snapshots_close(void *context)
{
    struct memory_snapshots *snapshots = context;
    snapshot_drop(&snapshots->aside); /* what was not published is gone */
    snapshots->host = NULL;
}

/* The program */

static const struct qr_log_store *begin(void *argument)
{
    return argument;
}

static bool try_log(void)
{
    static struct memory_log log;
    struct qr_log_store store = {
        .size_bytes = sizeof(store),
        .context = &log,
        .open = log_open,
        .scan = log_scan,
        .append = log_append,
        .read = log_read,
        .truncate_prefix = log_truncate_prefix,
        .close = log_close,
    };
    const struct log_store_check check = {.argument = &store, .begin = begin};
    const char *broken = check_log_store(&check);
    printf("log store: %s\n", broken == NULL ? "it keeps to the rules" : broken);
    log_drop(&log, 0, log.count);
    return broken == NULL;
}

static bool try_snapshots(void)
{
    static struct memory_snapshots snapshots;
    const struct qr_snapshot_store store = {
        .size_bytes = sizeof(store),
        .context = &snapshots,
        .open = snapshots_open,
        .list = snapshots_list,
        .write = snapshots_write,
        .publish = snapshots_publish,
        .abandon = snapshots_abandon,
        .read = snapshots_read,
        .remove = snapshots_remove,
        .close = snapshots_close,
    };
    char words[SNAPSHOT_STORE_CHECK_WORDS] = "";
    bool is_right = snapshot_store_check(&store, NULL, NULL, words);
    printf("snapshot store: %s\n", is_right ? "it keeps to the rules" : words);
    return is_right;
}

int main(void)
{
    bool is_log_right = try_log();
    return try_snapshots() && is_log_right ? 0 : 1;
}
