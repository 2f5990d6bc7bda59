/* tree_remove.c: taking an item out and keeping the nodes full enough.
 *
 * All memory is taken before the first change, so that a removal happens whole or not.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "kv/tree.h"
#include "kv/tree_node.h"
#include "kv/tree_path.h"
#include "quorate/error.h"

/* Which child of `parent` beside the one at `position` gives an item, or is merged with it:
 * one that has items to spare, if there is one.
 */
static unsigned sibling_position(const struct kv_tree_node *parent, unsigned position)
{
    bool has_left = position > 0;
    bool has_right = position < parent->item_count;

    ASSERT(has_left || has_right);
    if (has_left && parent->children[position - 1]->item_count > KV_NODE_ITEMS_MIN) {
        return position - 1;
    }
    if (has_right && parent->children[position + 1]->item_count > KV_NODE_ITEMS_MIN) {
        return position + 1;
    }
    return has_left ? position - 1 : position + 1;
}

/* Lead a path that ends at an item of an inner node on to the leaf item before that one. */
static void path_extend(struct kv_tree_path *path)
{
    struct kv_tree_node *node = path->nodes[path->depth - 1];

    while (!node->is_leaf) {
        node = node->children[path->positions[path->depth - 1]];
        ASSERT(path->depth < KV_TREE_HEIGHT_MAX);
        path->nodes[path->depth] = node;
        path->positions[path->depth] = node->item_count;
        path->depth++;
    }
    if (path->positions[path->depth - 1] == node->item_count) {
        path->positions[path->depth - 1]--;
    }
}

/* Own the siblings that will be needed when the last node of the path loses an item. */
static int siblings_own(struct kv_tree *tree, const struct kv_tree_path *path)
{
    unsigned level = path->depth - 1;

    while (level > 0 && path->nodes[level]->item_count == KV_NODE_ITEMS_MIN) {
        struct kv_tree_node *parent = path->nodes[level - 1];
        unsigned sibling = sibling_position(parent, path->positions[level - 1]);
        int error = kv_node_own(tree->memory, &parent->children[sibling]);
        if (error != 0) {
            return error;
        }
        if (parent->children[sibling]->item_count > KV_NODE_ITEMS_MIN) {
            return 0;
        }
        level--;
    }
    return 0;
}

/* Give the child at `position`, which has one item too few, one of a sibling's, or merge it
 * with that sibling.
 */
static void child_refill(struct kv_tree *tree, struct kv_tree_node *parent, unsigned position)
{
    unsigned sibling = sibling_position(parent, position);

    if (parent->children[sibling]->item_count == KV_NODE_ITEMS_MIN) {
        unsigned left = sibling < position ? sibling : position;
        kv_node_release(tree->memory, kv_node_merge(tree->order, parent, left));
    } else if (sibling < position) {
        kv_node_rotate_right(tree->order, parent, sibling);
    } else {
        kv_node_rotate_left(tree->order, parent, position);
    }
}

/* Take the root away when it has no item left. */
static void root_shrink(struct kv_tree *tree)
{
    struct kv_tree_node *root = tree->root;

    if (root->item_count > 0) {
        return;
    }
    tree->root = root->is_leaf ? NULL : root->children[0];
    kv_node_release(tree->memory, root);
}

int kv_tree_remove(struct kv_tree *tree, const struct kv_probe *probe, struct kv_item **removed)
{
    struct kv_tree_path path = {.is_found = false};

    if (tree->root != NULL) {
        kv_tree_path_find(tree, probe, &path);
    }
    if (!path.is_found) {
        *removed = NULL;
        return 0;
    }
    unsigned found = path.depth - 1;
    path_extend(&path);
    int error = kv_tree_path_own(tree, &path);
    if (error == 0) {
        error = siblings_own(tree, &path);
    }
    if (error != 0) {
        return error;
    }
    unsigned last = path.depth - 1;
    struct kv_item *item = kv_node_take(path.nodes[last], path.positions[last]);
    if (found != last) {
        struct kv_item *before = item;
        item = path.nodes[found]->items[path.positions[found]];
        kv_node_replace(tree->order, path.nodes[found], path.positions[found], before);
    }
    for (unsigned level = 0; level <= last; level++) {
        path.nodes[level]->key_count--;
    }
    for (unsigned level = last; level > 0; level--) {
        if (path.nodes[level]->item_count >= KV_NODE_ITEMS_MIN) {
            break;
        }
        child_refill(tree, path.nodes[level - 1], path.positions[level - 1]);
    }
    root_shrink(tree);
    *removed = item;
    return 0;
}
