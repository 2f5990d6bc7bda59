/* tree.h: an ordered tree of items in memory, with immutable views for the price of a counter.
 *
 * A B-tree, copied on write: nodes are reference counted, a view is one more reference to the
 * root, and a writer copies the nodes on its way that somebody else refers to too. Without
 * views it writes in place.
 *
 * Owns     a reference to each item in it.
 * Does not know what values mean, or what time it is.
 * Threads  one writer at a time. A view may be read and freed on any one thread while the
 *          tree it was taken from changes, if the allocator may be used there.
 * Format   invariants: tree_node.h, checked by kv_tree_invariants().
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_TREE_H
#define KV_TREE_H

#include "kv/item.h"

/* A node but the root has 32 children or more, so this is enough for 2^64 keys. */
#define KV_TREE_HEIGHT_MAX 14

enum kv_tree_order {
    KV_TREE_BY_KEY,    /* bytewise */
    KV_TREE_BY_EXPIRY, /* by expires_ns, then by key */
};

struct kv_tree_node;

struct kv_tree {
    struct kv_tree_node *root; /* NULL: empty */
    struct kv_memory *memory;  /* borrowed */
    enum kv_tree_order order;
};

/* What is looked for. The key is borrowed; expires_ns counts in KV_TREE_BY_EXPIRY only. */
struct kv_probe {
    const uint8_t *key;
    size_t key_bytes;
    time_ns expires_ns;
};

/* Order of the probe and an item: negative, zero, positive. */
int kv_probe_compare(enum kv_tree_order order, const struct kv_probe *probe,
                     const struct kv_item *item);

void kv_tree_init(struct kv_tree *tree, struct kv_memory *memory, enum kv_tree_order order);
void kv_tree_deinit(struct kv_tree *tree);

/* Make `view` a tree with what is in `tree` now, in O(1); it never changes by itself, and
 * the caller ends it with kv_tree_deinit(). `memory` must outlive it.
 */
void kv_tree_view(const struct kv_tree *tree, struct kv_tree *view);

/* Number of items, in O(1). */
uint64_t kv_tree_count(const struct kv_tree *tree);

/* The item equal to the probe, borrowed until the tree changes, or NULL. */
struct kv_item *kv_tree_find(const struct kv_tree *tree, const struct kv_probe *probe);

/* Put an item in, in the place of one that is equal to it.
 *
 * item       given on success.
 * replaced   set to the item that was there, given to the caller, or to NULL.
 *
 * Returns 0, or QR_ERR_NO_MEMORY: the tree holds what it held. Replacing an item in a tree
 * without views takes no memory.
 */
NODISCARD int kv_tree_put(struct kv_tree *tree, struct kv_item *item, struct kv_item **replaced);

/* Take the item equal to the probe out.
 *
 * removed   set to the item, given to the caller, or to NULL when there is none.
 *
 * Returns 0, or QR_ERR_NO_MEMORY: the tree holds what it held. A tree without views needs
 * no memory for it.
 */
NODISCARD int kv_tree_remove(struct kv_tree *tree, const struct kv_probe *probe,
                             struct kv_item **removed);

/* The item with `position` items before it; position < kv_tree_count(). Borrowed until the
 * tree changes.
 */
struct kv_item *kv_tree_select(const struct kv_tree *tree, uint64_t position);

/* Number of items below the probe. */
uint64_t kv_tree_rank(const struct kv_tree *tree, const struct kv_probe *probe);

/* A place in a tree, good until the tree changes. */
struct kv_tree_cursor {
    const struct kv_tree_node *nodes[KV_TREE_HEIGHT_MAX];
    unsigned positions[KV_TREE_HEIGHT_MAX];
    unsigned depth; /* 0: behind the last item */
};

/* Place the cursor at the first item that is not below the probe; NULL: at the first. */
void kv_tree_cursor_seek(struct kv_tree_cursor *cursor, const struct kv_tree *tree,
                         const struct kv_probe *probe);

/* The item at the cursor, borrowed until the tree changes, or NULL behind the last. */
struct kv_item *kv_tree_cursor_item(const struct kv_tree_cursor *cursor);

/* On to the next item; the cursor must be at one. */
void kv_tree_cursor_next(struct kv_tree_cursor *cursor);

/* Nodes on their way to be freed, a few at a time, so that emptying a large tree stops
 * nobody.
 */
struct kv_tree_garbage {
    struct kv_memory *memory;
    struct kv_tree_node *nodes[KV_TREE_HEIGHT_MAX];
    unsigned positions[KV_TREE_HEIGHT_MAX];
    unsigned depth; /* 0: nothing left */
};

/* Empty the tree into `garbage`, which holds nothing yet. */
void kv_tree_discard(struct kv_tree *tree, struct kv_tree_garbage *garbage);

/* Free up to `node_count` nodes with their items. Returns true when nothing is left. */
bool kv_tree_garbage_free(struct kv_tree_garbage *garbage, size_t node_count);

/* Check everything tree_node.h states, with assertions. Cost: the whole tree. */
void kv_tree_invariants(const struct kv_tree *tree);

#endif
