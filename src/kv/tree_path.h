/* tree_path.h: the nodes from the root down to where a key is or belongs.
 *
 * Owns     nothing: a path is good until the tree changes.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_TREE_PATH_H
#define KV_TREE_PATH_H

#include "kv/tree_node.h"

struct kv_tree_path {
    struct kv_tree_node *nodes[KV_TREE_HEIGHT_MAX];
    unsigned positions[KV_TREE_HEIGHT_MAX]; /* of the child taken; in the last, of the item */
    unsigned depth;                         /* number of nodes, 1 or more */
    bool is_found;
};

/* The path to the probe in a tree that is not empty: to the item equal to it, or to the
 * place in a leaf where it belongs.
 */
static inline void kv_tree_path_find(const struct kv_tree *tree, const struct kv_probe *probe,
                                     struct kv_tree_path *path)
{
    struct kv_tree_node *node = tree->root;

    path->depth = 0;
    for (;;) {
        unsigned position = kv_node_search(tree->order, node, probe, &path->is_found);
        path->nodes[path->depth] = node;
        path->positions[path->depth] = position;
        path->depth++;
        if (path->is_found || node->is_leaf) {
            return;
        }
        node = node->children[position];
    }
}

/* Make the nodes of the path ones that only this tree refers to.
 *
 * Returns 0, or QR_ERR_NO_MEMORY: the tree holds what it held.
 */
NODISCARD static inline int kv_tree_path_own(struct kv_tree *tree, struct kv_tree_path *path)
{
    struct kv_tree_node **slot = &tree->root;

    for (unsigned level = 0; level < path->depth; level++) {
        if (level > 0) {
            slot = &path->nodes[level - 1]->children[path->positions[level - 1]];
        }
        int error = kv_node_own(tree->memory, slot);
        if (error != 0) {
            return error;
        }
        path->nodes[level] = *slot;
    }
    return 0;
}

#endif
