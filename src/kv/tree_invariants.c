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

static void check_items(enum kv_tree_order order, const struct kv_tree_node *node)
{
    const struct kv_item *first = node->items[0];

    for (unsigned i = 0; i < node->item_count; i++) {
        const struct kv_item *item = node->items[i];
        struct kv_probe probe = kv_probe_of(item);
        bool is_found;
        ASSERT(item->key_bytes >= node->skip_bytes);
        ASSERT(memcmp(item->data, first->data, node->skip_bytes) == 0);
        ASSERT(kv_node_search(order, node, &probe, &is_found) == i && is_found);
        ASSERT_IMPLIES(i > 0, node->heads[i] >= node->heads[i > 0 ? i - 1 : 0]);
        ASSERT(atomic_load_explicit(&item->reference_count, memory_order_relaxed) > 0);
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
        struct kv_probe probe = kv_probe_of(item);
        ASSERT_IMPLIES(before != NULL, kv_probe_compare(tree->order, &probe, before) > 0);
        ASSERT_IMPLIES(node->is_leaf && leaf_depth != 0, leaf_depth == cursor.depth);
        if (node->is_leaf) {
            leaf_depth = cursor.depth;
        }
        if (cursor.positions[cursor.depth - 1] == 0) {
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
