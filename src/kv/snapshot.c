/* snapshot.c: reading a view as a stream. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/snapshot.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"

static void begin_fixed(struct kv_snapshot *snapshot, enum kv_snapshot_part part, size_t size_bytes)
{
    ASSERT(size_bytes <= sizeof(snapshot->fixed));
    snapshot->part = part;
    snapshot->piece = snapshot->fixed;
    snapshot->piece_bytes = size_bytes;
}

static void begin_header(struct kv_snapshot *snapshot)
{
    store_u32(snapshot->fixed, KV_SNAPSHOT_MAGIC);
    store_u32(snapshot->fixed + 4, KV_SNAPSHOT_VERSION);
    store_u64(snapshot->fixed + 8, snapshot->log_time_ns);
    store_u64(snapshot->fixed + 16, kv_tree_count(&snapshot->view));
    begin_fixed(snapshot, KV_SNAPSHOT_HEADER, KV_SNAPSHOT_HEADER_BYTES);
}

/* The item at the cursor, or the trailer behind the last. */
static void begin_item(struct kv_snapshot *snapshot)
{
    const struct kv_item *item = kv_tree_cursor_item(&snapshot->cursor);
    if (item == NULL) {
        store_u64(snapshot->fixed, snapshot->digest);
        store_u32(snapshot->fixed + 8, snapshot->checksum);
        store_u32(snapshot->fixed + 12, 0);
        begin_fixed(snapshot, KV_SNAPSHOT_TRAILER, KV_SNAPSHOT_TRAILER_BYTES);
        return;
    }
    store_u32(snapshot->fixed, item->key_bytes);
    store_u32(snapshot->fixed + 4, item->value_bytes);
    store_u64(snapshot->fixed + 8, item->expires_ns);
    begin_fixed(snapshot, KV_SNAPSHOT_ITEM, KV_SNAPSHOT_ITEM_BYTES);
}

/* What follows the part that has been given. */
static void advance(struct kv_snapshot *snapshot)
{
    const struct kv_item *item;

    switch (snapshot->part) {
    case KV_SNAPSHOT_HEADER:
        kv_tree_cursor_seek(&snapshot->cursor, &snapshot->view, NULL);
        begin_item(snapshot);
        break;
    case KV_SNAPSHOT_ITEM:
        item = kv_tree_cursor_item(&snapshot->cursor);
        snapshot->part = KV_SNAPSHOT_BYTES;
        snapshot->piece = item->data;
        snapshot->piece_bytes = (size_t)item->key_bytes + item->value_bytes;
        break;
    case KV_SNAPSHOT_BYTES:
        kv_tree_cursor_next(&snapshot->cursor);
        begin_item(snapshot);
        break;
    case KV_SNAPSHOT_TRAILER:
    case KV_SNAPSHOT_END:
        snapshot->part = KV_SNAPSHOT_END;
        break;
    }
}

void kv_snapshot_begin(struct kv_snapshot *snapshot, const struct kv_store *store)
{
    ASSERT(!snapshot->is_open);
    ASSERT(snapshot->garbage.depth == 0);

    *snapshot = (struct kv_snapshot){
        .is_open = true,
        .log_time_ns = store->log_time_ns,
        .digest = store->digest,
    };
    kv_tree_view(&store->keys, &snapshot->view);
    begin_header(snapshot);
}

size_t kv_snapshot_read(struct kv_snapshot *snapshot, void *buffer, size_t size_bytes)
{
    uint8_t *out = buffer;
    size_t used = 0;

    ASSERT(snapshot->is_open);
    while (used < size_bytes && snapshot->part != KV_SNAPSHOT_END) {
        if (snapshot->piece_bytes == 0) {
            advance(snapshot);
            continue;
        }
        size_t taken = min_u64(snapshot->piece_bytes, size_bytes - used);
        memcpy(out + used, snapshot->piece, taken);
        if (snapshot->part != KV_SNAPSHOT_TRAILER) {
            snapshot->checksum = crc32c(snapshot->checksum, out + used, taken);
        }
        snapshot->piece += taken;
        snapshot->piece_bytes -= taken;
        used += taken;
    }
    return used;
}

void kv_snapshot_end(struct kv_snapshot *snapshot)
{
    ASSERT(snapshot->is_open);
    snapshot->is_open = false;
    kv_tree_discard(&snapshot->view, &snapshot->garbage);
}

void kv_snapshot_collect(struct kv_snapshot *snapshot, size_t node_count)
{
    (void)kv_tree_garbage_free(&snapshot->garbage, node_count);
}
