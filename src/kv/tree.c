/* tree.c: looking up, putting in, views, and freeing. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/tree.h"

#include "base/assert.h"
#include "kv/tree_node.h"
#include "kv/tree_path.h"
#include "quorate/error.h"

void kv_tree_init(struct kv_tree *tree, struct kv_memory *memory, enum kv_tree_order order)
{
    *tree = (struct kv_tree){.memory = memory, .order = order};
}

void kv_tree_deinit(struct kv_tree *tree)
{
    struct kv_tree_garbage garbage;

    kv_tree_discard(tree, &garbage);
    bool is_done = kv_tree_garbage_free(&garbage, SIZE_MAX);
    ASSERT(is_done);
}

void kv_tree_view(const struct kv_tree *tree, struct kv_tree *view)
{
    *view = *tree;
    if (view->root != NULL) {
        atomic_fetch_add_explicit(&view->root->reference_count, 1, memory_order_relaxed);
    }
}

uint64_t kv_tree_count(const struct kv_tree *tree)
{
    return tree->root == NULL ? 0 : tree->root->key_count;
}

struct kv_item *kv_tree_find(const struct kv_tree *tree, const struct kv_probe *probe)
{
    const struct kv_tree_node *node = tree->root;
    bool is_found;

    if (node == NULL) {
        return NULL;
    }
    while (!node->is_leaf) {
        unsigned position = kv_node_search(tree->order, node, probe, &is_found);
        if (is_found) {
            return node->items[position];
        }
        node = node->children[position];
    }
    return kv_node_match(tree->order, node, probe);
}

static int put_first(struct kv_tree *tree, struct kv_item *item)
{
    struct kv_tree_node *root = kv_node_new(tree->memory, true);

    if (root == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    kv_node_insert(tree->order, root, 0, item);
    root->key_count = 1;
    tree->root = root;
    return 0;
}

/* Put a new root with one child over a full one, and split that child.
 *
 * Returns 0, or QR_ERR_NO_MEMORY and nothing changed.
 */
static int root_split(struct kv_tree *tree)
{
    struct kv_tree_node *child = tree->root;
    struct kv_tree_node *root = kv_node_new(tree->memory, false);

    if (root == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    struct kv_tree_node *sibling = kv_node_new(tree->memory, child->is_leaf);
    if (sibling == NULL) {
        kv_node_release(tree->memory, root);
        return QR_ERR_NO_MEMORY;
    }
    root->key_count = child->key_count;
    root->children[0] = child;
    kv_node_split(tree->order, root, 0, sibling);
    tree->root = root;
    return 0;
}

/* Split what is full on the path to a full leaf, from above, so that each split finds room in
 * the node over it and leaves a whole tree behind.
 *
 * Returns 0, or QR_ERR_NO_MEMORY: the tree holds what it held.
 */
static int path_split(struct kv_tree *tree, const struct kv_tree_path *path)
{
    unsigned level = path->depth - 1;

    while (level > 0 && path->nodes[level - 1]->item_count == KV_NODE_ITEMS_MAX) {
        level--;
    }
    if (level == 0) {
        int error = root_split(tree);
        if (error != 0) {
            return error;
        }
        level = 1;
        /* What was the root is one of two nodes now; the rest of the path goes on below. */
    }
    struct kv_tree_node *parent = level == 1 ? tree->root : path->nodes[level - 1];
    struct kv_probe probe = kv_probe_of(path->nodes[path->depth - 1]->items[0]);
    for (;;) {
        bool is_found;
        unsigned position = kv_node_search(tree->order, parent, &probe, &is_found);
        ASSERT(!is_found);
        struct kv_tree_node *child = parent->children[position];
        if (child->item_count == KV_NODE_ITEMS_MAX) {
            struct kv_tree_node *sibling = kv_node_new(tree->memory, child->is_leaf);
            if (sibling == NULL) {
                return QR_ERR_NO_MEMORY;
            }
            kv_node_split(tree->order, parent, position, sibling);
        }
        if (child->is_leaf) {
            return 0;
        }
        position = kv_node_search(tree->order, parent, &probe, &is_found);
        parent = parent->children[position];
    }
}

/* Put an item into the leaf at the end of an owned path, where there is room for it. */
static void leaf_insert(struct kv_tree *tree, const struct kv_tree_path *path, struct kv_item *item)
{
    unsigned last = path->depth - 1;

    ASSERT(!path->is_found);
    kv_node_insert(tree->order, path->nodes[last], path->positions[last], item);
    for (unsigned level = 0; level <= last; level++) {
        path->nodes[level]->key_count++;
    }
}

int kv_tree_put(struct kv_tree *tree, struct kv_item *item, struct kv_item **replaced)
{
    struct kv_probe probe = kv_probe_of(item);
    struct kv_tree_path path;

    if (tree->root == NULL) {
        *replaced = NULL;
        return put_first(tree, item);
    }
    kv_tree_path_find(tree, &probe, &path);
    int error = kv_tree_path_own(tree, &path);
    if (error != 0) {
        return error;
    }
    unsigned last = path.depth - 1;
    if (path.is_found) {
        *replaced = path.nodes[last]->items[path.positions[last]];
        kv_node_replace(tree->order, path.nodes[last], path.positions[last], item);
        return 0;
    }
    if (path.nodes[last]->item_count == KV_NODE_ITEMS_MAX) {
        error = path_split(tree, &path);
        if (error != 0) {
            return error;
        }
        kv_tree_path_find(tree, &probe, &path);
    }
    leaf_insert(tree, &path, item);
    *replaced = NULL;
    return 0;
}

void kv_tree_discard(struct kv_tree *tree, struct kv_tree_garbage *garbage)
{
    garbage->memory = tree->memory;
    garbage->depth = 0;
    if (tree->root != NULL && kv_node_unref(tree->root)) {
        garbage->nodes[0] = tree->root;
        garbage->positions[0] = 0;
        garbage->depth = 1;
    }
    tree->root = NULL;
}

bool kv_tree_garbage_free(struct kv_tree_garbage *garbage, size_t node_count)
{
    while (garbage->depth > 0 && node_count > 0) {
        unsigned top = garbage->depth - 1;
        struct kv_tree_node *node = garbage->nodes[top];
        if (!node->is_leaf && garbage->positions[top] <= node->item_count) {
            struct kv_tree_node *child = node->children[garbage->positions[top]++];
            if (kv_node_unref(child)) {
                ASSERT(garbage->depth < KV_TREE_HEIGHT_MAX);
                garbage->nodes[garbage->depth] = child;
                garbage->positions[garbage->depth] = 0;
                garbage->depth++;
            }
            continue;
        }
        for (unsigned i = 0; i < node->item_count; i++) {
            kv_item_drop(garbage->memory, node->items[i]);
        }
        kv_node_release(garbage->memory, node);
        garbage->depth--;
        node_count--;
    }
    return garbage->depth == 0;
}
