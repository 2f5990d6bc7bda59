/* tree_cursor.c: walking a tree in order, and by position. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "kv/tree.h"
#include "kv/tree_node.h"

static void cursor_push(struct kv_tree_cursor *cursor, const struct kv_tree_node *node,
                        unsigned position)
{
    ASSERT(cursor->depth < KV_TREE_HEIGHT_MAX);
    cursor->nodes[cursor->depth] = node;
    cursor->positions[cursor->depth] = position;
    cursor->depth++;
}

/* Go up from nodes whose last item is behind the cursor. */
static void cursor_climb(struct kv_tree_cursor *cursor)
{
    while (cursor->depth > 0 &&
           cursor->positions[cursor->depth - 1] == cursor->nodes[cursor->depth - 1]->item_count) {
        cursor->depth--;
    }
}

void kv_tree_cursor_seek(struct kv_tree_cursor *cursor, const struct kv_tree *tree,
                         const struct kv_probe *probe)
{
    const struct kv_tree_node *node = tree->root;

    cursor->depth = 0;
    while (node != NULL) {
        bool is_found = false;
        unsigned position = probe == NULL ? 0 : kv_node_search(tree->order, node, probe, &is_found);
        cursor_push(cursor, node, position);
        if (is_found) {
            return;
        }
        node = node->is_leaf ? NULL : node->children[position];
    }
    cursor_climb(cursor);
}

struct kv_item *kv_tree_cursor_item(const struct kv_tree_cursor *cursor)
{
    if (cursor->depth == 0) {
        return NULL;
    }
    return cursor->nodes[cursor->depth - 1]->items[cursor->positions[cursor->depth - 1]];
}

void kv_tree_cursor_next(struct kv_tree_cursor *cursor)
{
    ASSERT(cursor->depth > 0);

    unsigned top = cursor->depth - 1;
    const struct kv_tree_node *node = cursor->nodes[top];
    cursor->positions[top]++;
    while (!node->is_leaf) {
        node = node->children[cursor->positions[cursor->depth - 1]];
        cursor_push(cursor, node, 0);
    }
    cursor_climb(cursor);
}

struct kv_item *kv_tree_select(const struct kv_tree *tree, uint64_t position)
{
    const struct kv_tree_node *node = tree->root;

    ASSERT(position < kv_tree_count(tree));
    while (!node->is_leaf) {
        unsigned i = 0;
        while (position > node->children[i]->key_count) {
            position -= node->children[i]->key_count + 1;
            i++;
        }
        if (position == node->children[i]->key_count) {
            return node->items[i];
        }
        node = node->children[i];
    }
    return node->items[position];
}

uint64_t kv_tree_rank(const struct kv_tree *tree, const struct kv_probe *probe)
{
    const struct kv_tree_node *node = tree->root;
    uint64_t rank = 0;

    while (node != NULL) {
        bool is_found;
        unsigned position = kv_node_search(tree->order, node, probe, &is_found);
        rank += position;
        if (node->is_leaf) {
            return rank;
        }
        for (unsigned i = 0; i < position; i++) {
            rank += node->children[i]->key_count;
        }
        if (is_found) {
            return rank + node->children[position]->key_count;
        }
        node = node->children[position];
    }
    return rank;
}
