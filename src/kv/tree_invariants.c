/* tree_invariants.c: what must be true of every tree, asserted. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "kv/tree.h"
#include "kv/tree_node.h"

static void check_counts(const struct kv_tree_node *node, bool is_root)
{
    uint64_t count = node->item_count;

    ASSERT(node->item_count <= KV_NODE_ITEMS_MAX);
    ASSERT(node->item_count >= (is_root ? 1 : KV_NODE_ITEMS_MIN));
    ASSERT(atomic_load_explicit(&node->reference_count, memory_order_relaxed) > 0);
    for (unsigned i = 0; !node->is_leaf && i <= node->item_count; i++) {
        count += node->children[i]->key_count;
    }
    ASSERT(count == node->key_count);
}

/* With heads that are exact and items that ascend, kv_node_search() finds each at its place. */
static void check_items(enum kv_tree_order order, const struct kv_tree_node *node)
{
    const struct kv_item *first = node->items[0];

    for (unsigned i = 0; i < node->item_count; i++) {
        const struct kv_item *item = node->items[i];
        ASSERT(item->key_bytes >= node->skip_bytes);
        ASSERT(memcmp(item->data, first->data, node->skip_bytes) == 0);
        ASSERT(node->heads[i] == kv_item_head(order, item, node->skip_bytes));
        ASSERT(atomic_load_explicit(&item->reference_count, memory_order_relaxed) > 0);
        if (i > 0 && node->heads[i] <= node->heads[i - 1]) {
            struct kv_probe probe = kv_probe_of(item);
            ASSERT(node->heads[i] == node->heads[i - 1]);
            ASSERT(kv_probe_compare(order, &probe, node->items[i - 1]) > 0);
        }
    }
}

/* The items of the whole tree ascend, and all leaves lie equally deep. */
static void check_walk(const struct kv_tree *tree)
{
    struct kv_tree_cursor cursor;
    const struct kv_item *before = NULL;
    uint64_t count = 0;
    unsigned leaf_depth = 0;

    kv_tree_cursor_seek(&cursor, tree, NULL);
    for (; cursor.depth > 0; kv_tree_cursor_next(&cursor)) {
        const struct kv_tree_node *node = cursor.nodes[cursor.depth - 1];
        const struct kv_item *item = kv_tree_cursor_item(&cursor);
        unsigned position = cursor.positions[cursor.depth - 1];
        /* Within a leaf, check_items() has compared them. */
        if (before != NULL && (position == 0 || !node->is_leaf)) {
            struct kv_probe probe = kv_probe_of(item);
            ASSERT(kv_probe_compare(tree->order, &probe, before) > 0);
        }
        ASSERT_IMPLIES(node->is_leaf && leaf_depth != 0, leaf_depth == cursor.depth);
        if (node->is_leaf) {
            leaf_depth = cursor.depth;
        }
        if (position == 0) {
            check_counts(node, cursor.depth == 1);
            check_items(tree->order, node);
        }
        before = item;
        count++;
    }
    ASSERT(count == kv_tree_count(tree));
}

void kv_tree_invariants(const struct kv_tree *tree)
{
    ASSERT(tree->memory != NULL);
    ASSERT_IMPLIES(tree->root != NULL, kv_tree_count(tree) > 0);
    check_walk(tree);
}
