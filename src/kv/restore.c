/* restore.c: making a store from a snapshot's stream: every byte of it is checked. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "kv/snapshot.h"
#include "quorate/error.h"

/* Nodes of what the store held before, freed for each piece. */
#define FREED_NODES_PER_PIECE 256

/* Bytes of the part that comes in, when it is one of fixed length. */
static size_t fixed_bytes_of(enum kv_snapshot_part part)
{
    switch (part) {
    case KV_SNAPSHOT_HEADER:
        return KV_SNAPSHOT_HEADER_BYTES;
    case KV_SNAPSHOT_ITEM:
        return KV_SNAPSHOT_ITEM_BYTES;
    case KV_SNAPSHOT_TRAILER:
        return KV_SNAPSHOT_TRAILER_BYTES;
    case KV_SNAPSHOT_BYTES:
    case KV_SNAPSHOT_END:
        break;
    }
    return 0;
}

static void expect_item(struct kv_restore *restore)
{
    restore->fixed_bytes = 0;
    restore->part = restore->items_left == 0 ? KV_SNAPSHOT_TRAILER : KV_SNAPSHOT_ITEM;
}

static int take_header(struct kv_restore *restore)
{
    const uint8_t *at = restore->fixed;

    if (load_u32(at) != KV_SNAPSHOT_MAGIC) {
        return QR_ERR_CORRUPT;
    }
    if (load_u32(at + 4) != KV_SNAPSHOT_VERSION) {
        return QR_ERR_VERSION;
    }
    restore->log_time_ns = load_u64(at + 8);
    restore->items_left = load_u64(at + 16);
    expect_item(restore);
    return restore->log_time_ns < TIME_NEVER ? 0 : QR_ERR_CORRUPT;
}

static int take_item_head(struct kv_restore *restore)
{
    uint32_t key_bytes = load_u32(restore->fixed);
    uint32_t value_bytes = load_u32(restore->fixed + 4);
    time_ns expires_ns = load_u64(restore->fixed + 8);

    if (key_bytes > KV_KEY_BYTES_MAX || value_bytes > KV_VALUE_BYTES_MAX) {
        return QR_ERR_CORRUPT;
    }
    restore->item = kv_item_blank(&restore->store->memory, key_bytes, value_bytes, expires_ns);
    restore->item_bytes = 0;
    restore->part = KV_SNAPSHOT_BYTES;
    return restore->item == NULL ? QR_ERR_NO_MEMORY : 0;
}

/* The item is whole. Those of a snapshot ascend, so that none comes twice. */
static int put_item(struct kv_restore *restore)
{
    struct kv_item *item = restore->item;
    struct kv_probe probe = {item->data, item->key_bytes, 0};

    if (restore->last != NULL && kv_probe_compare(KV_TREE_BY_KEY, &probe, restore->last) <= 0) {
        return QR_ERR_CORRUPT;
    }
    restore->item = NULL;
    kv_item_seal(item);
    int error = kv_store_put(restore->store, item);
    if (error != 0) {
        return error;
    }
    restore->last = item;
    restore->items_left--;
    expect_item(restore);
    return 0;
}

static int take_trailer(struct kv_restore *restore)
{
    const uint8_t *at = restore->fixed;

    restore->part = KV_SNAPSHOT_END;
    restore->fixed_bytes = 0;
    bool is_whole = load_u64(at) == restore->store->digest &&
                    load_u32(at + 8) == restore->checksum && load_u32(at + 12) == 0;
    return is_whole ? 0 : QR_ERR_CORRUPT;
}

/* A part of fixed length is whole. */
static int take_fixed(struct kv_restore *restore)
{
    switch (restore->part) {
    case KV_SNAPSHOT_HEADER:
        return take_header(restore);
    case KV_SNAPSHOT_ITEM:
        return take_item_head(restore);
    case KV_SNAPSHOT_TRAILER:
        return take_trailer(restore);
    case KV_SNAPSHOT_BYTES:
    case KV_SNAPSHOT_END:
        break;
    }
    return QR_ERR_CORRUPT;
}

/* Take what belongs to the part that comes in; `used` is set to how much that is. */
static int take_some(struct kv_restore *restore, const uint8_t *data, size_t size_bytes,
                     size_t *used)
{
    bool is_fixed = restore->part != KV_SNAPSHOT_BYTES;
    size_t wanted = is_fixed ? fixed_bytes_of(restore->part)
                             : (size_t)restore->item->key_bytes + restore->item->value_bytes;
    size_t *have = is_fixed ? &restore->fixed_bytes : &restore->item_bytes;
    uint8_t *to = is_fixed ? restore->fixed : restore->item->data;

    *used = min_u64(wanted - *have, size_bytes);
    if (*used > 0) {
        memcpy(to + *have, data, *used);
        if (restore->part != KV_SNAPSHOT_TRAILER) {
            restore->checksum = crc32c(restore->checksum, data, *used);
        }
        *have += *used;
    }
    if (*have < wanted) {
        return 0;
    }
    return is_fixed ? take_fixed(restore) : put_item(restore);
}

void kv_restore_begin(struct kv_restore *restore, struct kv_store *store)
{
    kv_restore_deinit(restore);
    kv_store_clear(store);
    store->log_time_ns = 0; /* no item is due while they come in */
    *restore = (struct kv_restore){.store = store};
}

int kv_restore_write(struct kv_restore *restore, const void *data, size_t size_bytes)
{
    const uint8_t *at = data;

    ASSERT(restore->store != NULL);
    kv_store_collect(restore->store, FREED_NODES_PER_PIECE);
    while (size_bytes > 0) {
        size_t used;
        int error = take_some(restore, at, size_bytes, &used);
        if (error != 0) {
            return error;
        }
        at += used;
        size_bytes -= used;
    }
    return 0;
}

int kv_restore_end(struct kv_restore *restore)
{
    /* An item without a byte of key and value waits for none. */
    if (restore->part != KV_SNAPSHOT_END) {
        return QR_ERR_CORRUPT;
    }
    restore->store->log_time_ns = restore->log_time_ns;
    *restore = (struct kv_restore){.store = NULL};
    return 0;
}

void kv_restore_deinit(struct kv_restore *restore)
{
    if (restore->item != NULL) {
        kv_item_drop(&restore->store->memory, restore->item);
    }
    restore->item = NULL;
}
