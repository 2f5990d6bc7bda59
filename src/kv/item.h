/* item.h: a key with its value and expiry time, in one piece of memory.
 *
 * Owns     the bytes, until the last reference goes. An item never changes once it is sealed:
 *          a new value is a new item, so that views go on reading the old one.
 * Threads  references may be taken and dropped on any thread.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_ITEM_H
#define KV_ITEM_H

#include "base/types.h"
#include "kv/kv.h"
#include "kv/memory.h"

struct kv_item {
    _Atomic uint32_t reference_count;
    uint32_t key_bytes;
    uint32_t value_bytes;
    uint32_t unused;
    time_ns expires_ns; /* log time; 0: never */
    uint64_t digest;    /* this item's share of the store's digest */
    uint8_t data[];     /* the key, then the value */
};

/* An item with one reference whose value is still to be written, or NULL.
 *
 * key           copied; at most KV_KEY_BYTES_MAX.
 * value_bytes   at most KV_VALUE_BYTES_MAX.
 */
struct kv_item *kv_item_new(struct kv_memory *memory, struct kv_argument key, size_t value_bytes,
                            time_ns expires_ns);

/* The same with the key still to be written, too: item->data has room for both. */
struct kv_item *kv_item_blank(struct kv_memory *memory, size_t key_bytes, size_t value_bytes,
                              time_ns expires_ns);

/* Where the value is written, before kv_item_seal(). */
static inline uint8_t *kv_item_value_mutable(struct kv_item *item)
{
    return item->data + item->key_bytes;
}

/* Compute the digest of an item whose value is written. */
void kv_item_seal(struct kv_item *item);

/* A sealed item, its value copied, or NULL. */
struct kv_item *kv_item_make(struct kv_memory *memory, struct kv_argument key,
                             struct kv_argument value, time_ns expires_ns);

/* One more reference. Returns its argument. */
static inline struct kv_item *kv_item_hold(struct kv_item *item)
{
    atomic_fetch_add_explicit(&item->reference_count, 1, memory_order_relaxed);
    return item;
}

/* One reference less; the last one frees the item. NULL is allowed. */
void kv_item_drop(struct kv_memory *memory, struct kv_item *item);

/* The key and the value, borrowed as long as the item. */
static inline struct kv_argument kv_item_key(const struct kv_item *item)
{
    return (struct kv_argument){item->data, item->key_bytes};
}

static inline struct kv_argument kv_item_value(const struct kv_item *item)
{
    return (struct kv_argument){item->data + item->key_bytes, item->value_bytes};
}

#endif
