/* store.c: changes of a key in both trees at once. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/store.h"

#include "base/assert.h"
#include "quorate/error.h"

void kv_store_init(struct kv_store *store, const struct allocator *allocator)
{
    *store = (struct kv_store){.memory = {.allocator = allocator}};
    kv_tree_init(&store->keys, &store->memory, KV_TREE_BY_KEY);
    kv_tree_init(&store->expiries, &store->memory, KV_TREE_BY_EXPIRY);
}

void kv_store_collect(struct kv_store *store, size_t node_count)
{
    (void)kv_tree_garbage_free(&store->keys_garbage, node_count);
    (void)kv_tree_garbage_free(&store->expiries_garbage, node_count);
}

void kv_store_deinit(struct kv_store *store)
{
    kv_store_collect(store, SIZE_MAX);
    kv_tree_deinit(&store->expiries);
    kv_tree_deinit(&store->keys);
}

bool kv_store_is_due(const struct kv_store *store, const struct kv_item *item)
{
    return item->expires_ns != 0 && item->expires_ns <= store->log_time_ns;
}

static struct kv_probe key_probe(struct kv_argument key)
{
    return (struct kv_probe){key.data, key.size_bytes, 0};
}

struct kv_item *kv_store_find(const struct kv_store *store, struct kv_argument key)
{
    struct kv_probe probe = key_probe(key);
    struct kv_item *item = kv_tree_find(&store->keys, &probe);

    return item == NULL || kv_store_is_due(store, item) ? NULL : item;
}

/* Take an item out of the tree of those that expire, in which it is. */
static void expiry_forget(struct kv_store *store, const struct kv_item *item)
{
    struct kv_probe probe = {item->data, item->key_bytes, item->expires_ns};
    struct kv_item *removed = NULL;
    int error = kv_tree_remove(&store->expiries, &probe, &removed);

    ASSERT(error == 0);
    ASSERT(removed == item);
    kv_item_drop(&store->memory, removed);
}

/* Put an item into the tree of those that expire, in the place of its key's if that expires at
 * the same time.
 *
 * Returns 0, or QR_ERR_NO_MEMORY and nothing changed.
 */
static int expiry_remember(struct kv_store *store, struct kv_item *item)
{
    struct kv_item *replaced = NULL;
    int error = kv_tree_put(&store->expiries, item, &replaced);

    if (error == 0) {
        (void)kv_item_hold(item);
        kv_item_drop(&store->memory, replaced);
    }
    return error;
}

/* Undo expiry_remember() of an item whose key has the item `old`, or none. */
static void expiry_undo(struct kv_store *store, struct kv_item *item, struct kv_item *old)
{
    if (old == NULL || old->expires_ns != item->expires_ns) {
        expiry_forget(store, item);
        return;
    }
    /* It took the place of the old one, and gives it back without memory. */
    int error = expiry_remember(store, old);
    ASSERT(error == 0);
}

int kv_store_put(struct kv_store *store, struct kv_item *item)
{
    struct kv_item *old = NULL;
    struct kv_item *replaced = NULL;
    struct kv_probe probe = {item->data, item->key_bytes, 0};
    int error;

    if (kv_store_is_due(store, item)) {
        error = kv_store_remove(store, kv_item_key(item));
        kv_item_drop(&store->memory, item);
        return error;
    }
    if (item->expires_ns != 0) {
        old = kv_tree_find(&store->keys, &probe);
        error = expiry_remember(store, item);
        if (error != 0) {
            kv_item_drop(&store->memory, item);
            return error;
        }
    }
    error = kv_tree_put(&store->keys, item, &replaced);
    if (error != 0) {
        if (item->expires_ns != 0) {
            expiry_undo(store, item, old);
        }
        kv_item_drop(&store->memory, item);
        return error;
    }
    store->digest += item->digest;
    if (replaced != NULL) {
        store->digest -= replaced->digest;
        if (replaced->expires_ns != 0 && replaced->expires_ns != item->expires_ns) {
            expiry_forget(store, replaced);
        }
        kv_item_drop(&store->memory, replaced);
    }
    return 0;
}

int kv_store_remove(struct kv_store *store, struct kv_argument key)
{
    struct kv_probe probe = key_probe(key);
    struct kv_item *removed = NULL;
    int error = kv_tree_remove(&store->keys, &probe, &removed);

    if (error != 0 || removed == NULL) {
        return error;
    }
    store->digest -= removed->digest;
    if (removed->expires_ns != 0) {
        expiry_forget(store, removed);
    }
    kv_item_drop(&store->memory, removed);
    return 0;
}

void kv_store_clear(struct kv_store *store)
{
    /* What an earlier clear left is freed at once: only one tree waits at a time. */
    kv_store_collect(store, SIZE_MAX);
    kv_tree_discard(&store->keys, &store->keys_garbage);
    kv_tree_discard(&store->expiries, &store->expiries_garbage);
    store->digest = 0;
}

uint64_t kv_store_count(const struct kv_store *store)
{
    time_ns next = kv_store_expiry_next(store);

    if (next == 0 || next > store->log_time_ns) {
        return kv_tree_count(&store->keys);
    }
    /* Expiry times end at TIME_NEVER, so there is always one above log time. */
    ASSERT(store->log_time_ns < TIME_NEVER);
    struct kv_probe probe = {NULL, 0, store->log_time_ns + 1};
    return kv_tree_count(&store->keys) - kv_tree_rank(&store->expiries, &probe);
}

int kv_store_time_set(struct kv_store *store, time_ns now_ns)
{
    store->log_time_ns = max_u64(store->log_time_ns, min_u64(now_ns, TIME_NEVER - 1));
    kv_store_collect(store, KV_FREED_NODES_PER_ENTRY_MAX);
    for (unsigned i = 0; i < KV_EXPIRED_PER_ENTRY_MAX; i++) {
        time_ns next = kv_store_expiry_next(store);
        if (next == 0 || next > store->log_time_ns) {
            return 0;
        }
        struct kv_item *item = kv_tree_select(&store->expiries, 0);
        int error = kv_store_remove(store, kv_item_key(item));
        if (error != 0) {
            return error;
        }
        store->expired_count++;
    }
    return 0;
}

time_ns kv_store_expiry_next(const struct kv_store *store)
{
    return kv_tree_count(&store->expiries) == 0 ? 0
                                                : kv_tree_select(&store->expiries, 0)->expires_ns;
}

void kv_store_invariants(const struct kv_store *store)
{
    struct kv_tree_cursor cursor;
    uint64_t digest = 0;
    uint64_t expiring_count = 0;

    kv_tree_invariants(&store->keys);
    kv_tree_invariants(&store->expiries);
    kv_tree_cursor_seek(&cursor, &store->keys, NULL);
    for (; cursor.depth > 0; kv_tree_cursor_next(&cursor)) {
        const struct kv_item *item = kv_tree_cursor_item(&cursor);
        struct kv_probe probe = {item->data, item->key_bytes, item->expires_ns};
        digest += item->digest;
        ASSERT(kv_tree_find(&store->expiries, &probe) == (item->expires_ns == 0 ? NULL : item));
        expiring_count += item->expires_ns != 0;
    }
    ASSERT(digest == store->digest);
    ASSERT(expiring_count == kv_tree_count(&store->expiries));
}
