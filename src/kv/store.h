/* store.h: the keys that are there, those that expire, and log time.
 *
 * Owns     the tree of keys, the tree of those among them that expire, in order of time, and
 *          the digest over all of them.
 * Does not know commands.
 * Threads  one caller at a time.
 *
 * Invariants, checked by kv_store_invariants():
 *   - the items with an expiry time are in both trees, the same item; all others in `keys`.
 *   - the digest is the sum of the digests of all items, so that the way to a state does not
 *     matter to it.
 *
 * A key is due when log time has reached its expiry time. Due keys are as good as gone for
 * every lookup; kv_store_time_set() removes them in the order (expiry time, key).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include "kv/tree.h"

/* Due keys removed for one entry, and nodes of a flushed tree freed. */
#define KV_EXPIRED_PER_ENTRY_MAX 1000
#define KV_FREED_NODES_PER_ENTRY_MAX 64

struct kv_store {
    struct kv_memory memory;
    struct kv_tree keys;
    struct kv_tree expiries;             /* never has a view, so that taking out cannot fail */
    struct kv_tree_garbage keys_garbage; /* what was cleared and is not freed yet */
    struct kv_tree_garbage expiries_garbage;
    time_ns log_time_ns;
    uint64_t digest;
    uint64_t expired_count;
};

/* An empty store in place; it must not move, as its trees point to its memory. */
void kv_store_init(struct kv_store *store, const struct allocator *allocator);
void kv_store_deinit(struct kv_store *store);

/* The item of a key that is there and not due, borrowed until the next change, or NULL. */
struct kv_item *kv_store_find(const struct kv_store *store, struct kv_argument key);

/* Put a sealed item, given in every case, in the place of its key's. One that is due already
 * only takes the key away.
 *
 * Returns 0, or QR_ERR_NO_MEMORY and nothing changed.
 */
NODISCARD int kv_store_put(struct kv_store *store, struct kv_item *item);

/* Take a key out; nothing when it is not there. A due key goes too.
 *
 * Returns 0, or QR_ERR_NO_MEMORY and nothing changed.
 */
NODISCARD int kv_store_remove(struct kv_store *store, struct kv_argument key);

/* Take all keys out. Their memory is freed little by little, with the entries that follow. */
void kv_store_clear(struct kv_store *store);

/* Free up to `node_count` nodes of what was taken out, beside what entries free. */
void kv_store_collect(struct kv_store *store, size_t node_count);

/* Whether log time has reached an item's expiry time. */
bool kv_store_is_due(const struct kv_store *store, const struct kv_item *item);

/* Keys that are not due. */
uint64_t kv_store_count(const struct kv_store *store);

/* Let log time come to `now_ns`, remove at most KV_EXPIRED_PER_ENTRY_MAX due keys and free
 * some of what was cleared. A time below log time leaves it as it is.
 *
 * Returns 0, or QR_ERR_NO_MEMORY: some may be left, and are still as good as gone.
 */
NODISCARD int kv_store_time_set(struct kv_store *store, time_ns now_ns);

/* The earliest expiry time of all keys, 0 when none expires. */
time_ns kv_store_expiry_next(const struct kv_store *store);

/* Check what is stated above, with assertions. Cost: the whole store. */
void kv_store_invariants(const struct kv_store *store);

#endif
