/* tree_node.h: one node of the tree, and the changes that keep its arrays in step.
 *
 * Owns     the layout of a node. Which nodes are changed, and that they are not shared, is
 *          the affair of tree.c and tree_remove.c.
 *
 * Invariants, checked by kv_tree_invariants():
 *   - items are in strictly ascending order; children[i] lies between items[i-1] and items[i].
 *   - heads[i] is a number made of items[i] that never disagrees with their order. By key, it
 *     is the eight bytes behind the first `skip_bytes`, which all keys of the node have in
 *     common; keys with equal heads are compared in full. By expiry, it is the time itself.
 *   - key_count is the number of items in the node and below it.
 *   - a node has KV_NODE_ITEMS_MIN items or more, unless it is the root.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_TREE_NODE_H
#define KV_TREE_NODE_H

#include "kv/tree.h"

#define KV_NODE_ITEMS_MAX 63
#define KV_NODE_ITEMS_MIN 31

/* Splitting a full node around its middle item must leave two nodes that are full enough. */
_Static_assert(KV_NODE_ITEMS_MAX == 2 * KV_NODE_ITEMS_MIN + 1, "a split makes two whole nodes");

struct kv_tree_node {
    _Atomic uint32_t reference_count; /* more than one: shared, and never written */
    uint16_t item_count;
    bool is_leaf;
    uint32_t skip_bytes;
    uint64_t key_count;
    uint64_t heads[KV_NODE_ITEMS_MAX];
    struct kv_item *items[KV_NODE_ITEMS_MAX]; /* a reference each */
    struct kv_tree_node *children[];          /* KV_NODE_ITEMS_MAX + 1, none in a leaf */
};

/* An empty node with one reference, or NULL. */
struct kv_tree_node *kv_node_new(struct kv_memory *memory, bool is_leaf);

/* Give back the memory of the node alone, not what it refers to. */
void kv_node_release(struct kv_memory *memory, struct kv_tree_node *node);

/* Make the node in `slot` one that only this tree refers to, copying it if it is shared.
 *
 * Returns 0, or QR_ERR_NO_MEMORY and nothing changed.
 */
NODISCARD int kv_node_own(struct kv_memory *memory, struct kv_tree_node **slot);

/* One reference less. Returns true when it was the last: then the caller takes it apart. */
bool kv_node_unref(struct kv_tree_node *node);

struct kv_probe kv_probe_of(const struct kv_item *item);

/* What heads[] must hold of an item in a node that skips so much. */
uint64_t kv_item_head(enum kv_tree_order order, const struct kv_item *item, size_t skip_bytes);

/* Position of the first item that is not below the probe; `found` tells if it is equal. */
unsigned kv_node_search(enum kv_tree_order order, const struct kv_tree_node *node,
                        const struct kv_probe *probe, bool *found);

/* The item equal to the probe, or NULL. In a leaf it costs less than kv_node_search(). */
struct kv_item *kv_node_match(enum kv_tree_order order, const struct kv_tree_node *node,
                              const struct kv_probe *probe);

/* Put an item, given, at `position` of a node that is not full. Children and key_count are
 * left to the caller.
 */
void kv_node_insert(enum kv_tree_order order, struct kv_tree_node *node, unsigned position,
                    struct kv_item *item);

/* Put another item, given, at `position`. The one that was there is the caller's. */
void kv_node_replace(enum kv_tree_order order, struct kv_tree_node *node, unsigned position,
                     struct kv_item *item);

/* Take the item out of `position`; its reference is the caller's. */
struct kv_item *kv_node_take(struct kv_tree_node *node, unsigned position);

/* Move the upper half of the full child at `position` to `sibling`, an empty node, and its
 * middle item up into `parent`, which is not full.
 */
void kv_node_split(enum kv_tree_order order, struct kv_tree_node *parent, unsigned position,
                   struct kv_tree_node *sibling);

/* Move the item at `position` of `parent` and all of the child behind it into the child
 * before it. The emptied child is the caller's to release.
 */
struct kv_tree_node *kv_node_merge(enum kv_tree_order order, struct kv_tree_node *parent,
                                   unsigned position);

/* Move one item from the child left of `position` into the one right of it, through the
 * parent; or the other way.
 */
void kv_node_rotate_right(enum kv_tree_order order, struct kv_tree_node *parent, unsigned position);
void kv_node_rotate_left(enum kv_tree_order order, struct kv_tree_node *parent, unsigned position);

#endif
