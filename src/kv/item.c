/* item.c: making, counting and freeing items. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/item.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"

static size_t item_size_bytes(size_t key_bytes, size_t value_bytes)
{
    return sizeof(struct kv_item) + key_bytes + value_bytes;
}

struct kv_item *kv_item_blank(struct kv_memory *memory, size_t key_bytes, size_t value_bytes,
                              time_ns expires_ns)
{
    ASSERT(key_bytes <= KV_KEY_BYTES_MAX);
    ASSERT(value_bytes <= KV_VALUE_BYTES_MAX);

    struct kv_item *item = kv_memory_take(memory, item_size_bytes(key_bytes, value_bytes));
    if (item == NULL) {
        return NULL;
    }
    atomic_init(&item->reference_count, 1);
    item->key_bytes = (uint32_t)key_bytes;
    item->value_bytes = (uint32_t)value_bytes;
    item->unused = 0;
    item->expires_ns = expires_ns;
    item->digest = 0;
    return item;
}

struct kv_item *kv_item_new(struct kv_memory *memory, struct kv_argument key, size_t value_bytes,
                            time_ns expires_ns)
{
    struct kv_item *item = kv_item_blank(memory, key.size_bytes, value_bytes, expires_ns);

    if (item != NULL && key.size_bytes > 0) {
        memcpy(item->data, key.data, key.size_bytes);
    }
    return item;
}

void kv_item_seal(struct kv_item *item)
{
    /* Key and value are hashed one after the other, so that ("ab", "c") and ("a", "bc")
     * differ.
     */
    uint64_t digest = XXH3_64bits_withSeed(item->data, item->key_bytes, item->expires_ns);

    item->digest = XXH3_64bits_withSeed(item->data + item->key_bytes, item->value_bytes, digest);
}

struct kv_item *kv_item_make(struct kv_memory *memory, struct kv_argument key,
                             struct kv_argument value, time_ns expires_ns)
{
    struct kv_item *item = kv_item_new(memory, key, value.size_bytes, expires_ns);

    if (item == NULL) {
        return NULL;
    }
    if (value.size_bytes > 0) {
        memcpy(kv_item_value_mutable(item), value.data, value.size_bytes);
    }
    kv_item_seal(item);
    return item;
}

void kv_item_drop(struct kv_memory *memory, struct kv_item *item)
{
    if (item == NULL) {
        return;
    }
    /* The only holder needs no locked instruction: nobody else can take a reference. */
    if (atomic_load_explicit(&item->reference_count, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&item->reference_count, 1, memory_order_acq_rel) != 1) {
        return;
    }
    kv_memory_give(memory, item, item_size_bytes(item->key_bytes, item->value_bytes));
}
