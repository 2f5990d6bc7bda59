/* snapshot.h: the store as a stream of bytes, written from a view and taken in again.
 *
 * Owns     the view that is read, and what a closed one leaves to be freed.
 * Does not know where the bytes go, or what proves them besides their own checksum.
 * Threads  one caller at a time.
 * Format   docs/snapshot-format.md, "The key-value store".
 *
 * Both directions work in pieces of any size, so that nothing waits for a large store: what
 * one call does is bounded by the bytes it is given.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_SNAPSHOT_H
#define KV_SNAPSHOT_H

#include "kv/store.h"

#define KV_SNAPSHOT_MAGIC UINT32_C(0x53564b51) /* "QKVS" */
#define KV_SNAPSHOT_VERSION 1
#define KV_SNAPSHOT_HEADER_BYTES 24
#define KV_SNAPSHOT_ITEM_BYTES 16 /* before key and value */
#define KV_SNAPSHOT_TRAILER_BYTES 16

enum kv_snapshot_part {
    KV_SNAPSHOT_HEADER,
    KV_SNAPSHOT_ITEM,  /* its lengths and expiry time */
    KV_SNAPSHOT_BYTES, /* its key and value */
    KV_SNAPSHOT_TRAILER,
    KV_SNAPSHOT_END,
};

/* A store at one moment, being read. */
struct kv_snapshot {
    bool is_open;
    struct kv_tree view;
    struct kv_tree_garbage garbage; /* of one that was closed */
    struct kv_tree_cursor cursor;
    enum kv_snapshot_part part; /* of which `piece` is what is left */
    const uint8_t *piece;
    size_t piece_bytes;
    uint8_t fixed[KV_SNAPSHOT_HEADER_BYTES];
    time_ns log_time_ns;
    uint64_t digest;
    uint32_t checksum;
};

/* Begin to read the store as it is now. Cost: none; each write that follows copies what it
 * changes, once, until the end.
 */
void kv_snapshot_begin(struct kv_snapshot *snapshot, const struct kv_store *store);

/* Give the next bytes. Returns how many: fewer than there is room for at the end only. */
size_t kv_snapshot_read(struct kv_snapshot *snapshot, void *buffer, size_t size_bytes);

/* End it, at any point; its memory goes with kv_snapshot_collect(). */
void kv_snapshot_end(struct kv_snapshot *snapshot);

/* Free up to `node_count` nodes of what a view that was ended held alone. */
void kv_snapshot_collect(struct kv_snapshot *snapshot, size_t node_count);

/* A store being made from such bytes. */
struct kv_restore {
    struct kv_store *store; /* borrowed */
    enum kv_snapshot_part part;
    uint8_t fixed[KV_SNAPSHOT_HEADER_BYTES];
    size_t fixed_bytes;         /* that are there */
    struct kv_item *item;       /* whose bytes come in */
    size_t item_bytes;          /* of them, that are there */
    const struct kv_item *last; /* in the store */
    uint64_t items_left;
    time_ns log_time_ns;
    uint32_t checksum;
};

/* Empty the store, and begin; what an earlier restore left half done is forgotten. */
void kv_restore_begin(struct kv_restore *restore, struct kv_store *store);

/* Take the next bytes, however many.
 *
 * Returns 0, or QR_ERR_CORRUPT (they are none of a snapshot), QR_ERR_VERSION (of a later one)
 * or QR_ERR_NO_MEMORY: then only kv_restore_begin() and kv_restore_deinit() may follow.
 */
NODISCARD int kv_restore_write(struct kv_restore *restore, const void *data, size_t size_bytes);

/* That was all. Returns 0, or QR_ERR_CORRUPT: it was not. */
NODISCARD int kv_restore_end(struct kv_restore *restore);

/* Free what is half done, in the restore alone. A zeroed one is allowed. */
void kv_restore_deinit(struct kv_restore *restore);

#endif
