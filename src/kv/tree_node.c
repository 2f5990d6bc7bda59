/* tree_node.c: the arrays of a node, and moving items between nodes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/tree_node.h"

#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

#define HEAD_BYTES 8

/* Heads that agree in so many of their upper bits waste them: the keys have more in common
 * than is skipped.
 */
#define HEAD_SHARED_BITS 32

static size_t node_size_bytes(bool is_leaf)
{
    size_t children = is_leaf ? 0 : KV_NODE_ITEMS_MAX + 1;

    return sizeof(struct kv_tree_node) + children * sizeof(struct kv_tree_node *);
}

struct kv_tree_node *kv_node_new(struct kv_memory *memory, bool is_leaf)
{
    struct kv_tree_node *node = kv_memory_take(memory, node_size_bytes(is_leaf));

    if (node == NULL) {
        return NULL;
    }
    atomic_init(&node->reference_count, 1);
    node->item_count = 0;
    node->is_leaf = is_leaf;
    node->skip_bytes = 0;
    node->key_count = 0;
    return node;
}

void kv_node_release(struct kv_memory *memory, struct kv_tree_node *node)
{
    kv_memory_give(memory, node, node_size_bytes(node->is_leaf));
}

bool kv_node_unref(struct kv_tree_node *node)
{
    return atomic_load_explicit(&node->reference_count, memory_order_acquire) == 1 ||
           atomic_fetch_sub_explicit(&node->reference_count, 1, memory_order_acq_rel) == 1;
}

static struct kv_tree_node *node_copy(struct kv_memory *memory, const struct kv_tree_node *node)
{
    struct kv_tree_node *copy = kv_node_new(memory, node->is_leaf);

    if (copy == NULL) {
        return NULL;
    }
    copy->item_count = node->item_count;
    copy->skip_bytes = node->skip_bytes;
    copy->key_count = node->key_count;
    for (unsigned i = 0; i < node->item_count; i++) {
        copy->heads[i] = node->heads[i];
        copy->items[i] = kv_item_hold(node->items[i]);
    }
    for (unsigned i = 0; !node->is_leaf && i <= node->item_count; i++) {
        copy->children[i] = node->children[i];
        atomic_fetch_add_explicit(&copy->children[i]->reference_count, 1, memory_order_relaxed);
    }
    return copy;
}

int kv_node_own(struct kv_memory *memory, struct kv_tree_node **slot)
{
    struct kv_tree_node *shared = *slot;

    if (atomic_load_explicit(&shared->reference_count, memory_order_acquire) == 1) {
        return 0;
    }
    struct kv_tree_node *copy = node_copy(memory, shared);
    if (copy == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    /* Through a tree of its own, as the other holder may have let go meanwhile. */
    struct kv_tree rest = {.root = shared, .memory = memory};
    kv_tree_deinit(&rest);
    *slot = copy;
    return 0;
}

/* Eight bytes of the key behind the first `skip`, as a number in key order; zeros stand for
 * what lies behind its end.
 */
static uint64_t key_head(const uint8_t *key, size_t key_bytes, size_t skip)
{
    uint8_t bytes[HEAD_BYTES] = {0};

    if (key_bytes >= skip + HEAD_BYTES) {
        memcpy(bytes, key + skip, HEAD_BYTES);
    } else if (key_bytes > skip) {
        memcpy(bytes, key + skip, key_bytes - skip);
    }
    return (uint64_t)bytes[0] << 56 | (uint64_t)bytes[1] << 48 | (uint64_t)bytes[2] << 40 |
           (uint64_t)bytes[3] << 32 | (uint64_t)bytes[4] << 24 | (uint64_t)bytes[5] << 16 |
           (uint64_t)bytes[6] << 8 | (uint64_t)bytes[7];
}

struct kv_probe kv_probe_of(const struct kv_item *item)
{
    return (struct kv_probe){item->data, item->key_bytes, item->expires_ns};
}

static uint64_t probe_head(enum kv_tree_order order, const struct kv_probe *probe, size_t skip)
{
    return order == KV_TREE_BY_KEY ? key_head(probe->key, probe->key_bytes, skip)
                                   : probe->expires_ns;
}

uint64_t kv_item_head(enum kv_tree_order order, const struct kv_item *item, size_t skip_bytes)
{
    struct kv_probe probe = kv_probe_of(item);

    return probe_head(order, &probe, skip_bytes);
}

int kv_probe_compare(enum kv_tree_order order, const struct kv_probe *probe,
                     const struct kv_item *item)
{
    if (order == KV_TREE_BY_EXPIRY && probe->expires_ns != item->expires_ns) {
        return probe->expires_ns < item->expires_ns ? -1 : 1;
    }
    size_t common = probe->key_bytes < item->key_bytes ? probe->key_bytes : item->key_bytes;
    int difference = common == 0 ? 0 : memcmp(probe->key, item->data, common);
    if (difference != 0) {
        return difference;
    }
    return (probe->key_bytes > item->key_bytes) - (probe->key_bytes < item->key_bytes);
}

static size_t common_prefix_bytes(const struct kv_item *a, const struct kv_item *b)
{
    size_t limit = a->key_bytes < b->key_bytes ? a->key_bytes : b->key_bytes;
    size_t common = 0;

    while (common < limit && a->data[common] == b->data[common]) {
        common++;
    }
    return common;
}

/* Skip what all keys of the node have in common, and make all heads anew. */
static void node_rebuild(enum kv_tree_order order, struct kv_tree_node *node)
{
    unsigned count = node->item_count;

    node->skip_bytes = 0;
    if (order == KV_TREE_BY_KEY && count >= 2) {
        /* In order, so what the first and the last share is shared by all. */
        node->skip_bytes = (uint32_t)common_prefix_bytes(node->items[0], node->items[count - 1]);
    }
    for (unsigned i = 0; i < count; i++) {
        node->heads[i] = kv_item_head(order, node->items[i], node->skip_bytes);
    }
}

/* Rebuild a node whose heads agree in `shared_bits` or more, if that makes them differ. */
static void node_sharpen(enum kv_tree_order order, struct kv_tree_node *node, unsigned shared_bits)
{
    unsigned count = node->item_count;

    if (order != KV_TREE_BY_KEY || count < 2) {
        return;
    }
    uint64_t difference = node->heads[0] ^ node->heads[count - 1];
    if (difference >> (64 - shared_bits) == 0 &&
        common_prefix_bytes(node->items[0], node->items[count - 1]) > node->skip_bytes) {
        node_rebuild(order, node);
    }
}

/* -1, 0 or 1 as the probe's first `skip_bytes` are below, equal to or above the node's. */
static int prefix_compare(const struct kv_tree_node *node, const struct kv_probe *probe)
{
    size_t skip = node->skip_bytes;
    size_t common = probe->key_bytes < skip ? probe->key_bytes : skip;
    int difference = common == 0 ? 0 : memcmp(probe->key, node->items[0]->data, common);

    if (difference != 0) {
        return difference < 0 ? -1 : 1;
    }
    return probe->key_bytes < skip ? -1 : 0;
}

static unsigned search_heads(enum kv_tree_order order, const struct kv_tree_node *node,
                             const struct kv_probe *probe, bool *found)
{
    uint64_t head = probe_head(order, probe, node->skip_bytes);
    unsigned low = 0;
    unsigned high = node->item_count;

    *found = false;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        int difference = (head > node->heads[middle]) - (head < node->heads[middle]);
        if (difference == 0) {
            difference = kv_probe_compare(order, probe, node->items[middle]);
        }
        if (difference == 0) {
            *found = true;
            return middle;
        }
        if (difference < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

unsigned kv_node_search(enum kv_tree_order order, const struct kv_tree_node *node,
                        const struct kv_probe *probe, bool *found)
{
    if (order == KV_TREE_BY_KEY && node->skip_bytes > 0) {
        int difference = prefix_compare(node, probe);
        if (difference != 0) {
            *found = false;
            return difference < 0 ? 0 : node->item_count;
        }
    }
    return search_heads(order, node, probe, found);
}

struct kv_item *kv_node_match(enum kv_tree_order order, const struct kv_tree_node *node,
                              const struct kv_probe *probe)
{
    bool found;
    /* A key with another prefix may be sought in the wrong place, but is never found equal
     * there, as equality is decided by the whole key.
     */
    unsigned position = search_heads(order, node, probe, &found);

    return found ? node->items[position] : NULL;
}

/* Give the item at `position` its head, after it was put there. */
static void node_head_set(enum kv_tree_order order, struct kv_tree_node *node, unsigned position)
{
    const struct kv_item *item = node->items[position];

    if (order == KV_TREE_BY_KEY && node->skip_bytes > 0) {
        if (node->item_count == 1) {
            node->skip_bytes = 0;
        } else {
            const struct kv_item *neighbour = node->items[position > 0 ? position - 1 : 1];
            if (item->key_bytes < node->skip_bytes ||
                memcmp(item->data, neighbour->data, node->skip_bytes) != 0) {
                node_rebuild(order, node);
                return;
            }
        }
    }
    node->heads[position] = kv_item_head(order, item, node->skip_bytes);
    node_sharpen(order, node, 64);
}

void kv_node_insert(enum kv_tree_order order, struct kv_tree_node *node, unsigned position,
                    struct kv_item *item)
{
    ASSERT(node->item_count < KV_NODE_ITEMS_MAX);
    ASSERT(position <= node->item_count);

    size_t moved = node->item_count - position;
    memmove(&node->heads[position + 1], &node->heads[position], moved * sizeof(node->heads[0]));
    memmove(&node->items[position + 1], &node->items[position], moved * sizeof(node->items[0]));
    node->items[position] = item;
    node->item_count++;
    node_head_set(order, node, position);
}

void kv_node_replace(enum kv_tree_order order, struct kv_tree_node *node, unsigned position,
                     struct kv_item *item)
{
    ASSERT(position < node->item_count);

    node->items[position] = item;
    node_head_set(order, node, position);
}

struct kv_item *kv_node_take(struct kv_tree_node *node, unsigned position)
{
    ASSERT(position < node->item_count);

    struct kv_item *item = node->items[position];
    size_t moved = node->item_count - position - 1U;
    memmove(&node->heads[position], &node->heads[position + 1], moved * sizeof(node->heads[0]));
    memmove(&node->items[position], &node->items[position + 1], moved * sizeof(node->items[0]));
    node->item_count--;
    return item;
}

static uint64_t keys_below(const struct kv_tree_node *node)
{
    uint64_t count = node->item_count;

    for (unsigned i = 0; !node->is_leaf && i <= node->item_count; i++) {
        count += node->children[i]->key_count;
    }
    return count;
}

/* Make room for one more child before the one at `position`, `item_count` being new. */
static void child_insert(struct kv_tree_node *node, unsigned position, struct kv_tree_node *child)
{
    size_t moved = node->item_count - position;

    memmove(&node->children[position + 1], &node->children[position],
            moved * sizeof(node->children[0]));
    node->children[position] = child;
}

/* Take a child out, `item_count` being new. */
static struct kv_tree_node *child_take(struct kv_tree_node *node, unsigned position)
{
    struct kv_tree_node *child = node->children[position];
    size_t moved = node->item_count + 1U - position;

    memmove(&node->children[position], &node->children[position + 1],
            moved * sizeof(node->children[0]));
    return child;
}

void kv_node_split(enum kv_tree_order order, struct kv_tree_node *parent, unsigned position,
                   struct kv_tree_node *sibling)
{
    struct kv_tree_node *node = parent->children[position];
    const size_t upper = KV_NODE_ITEMS_MIN + 1;

    ASSERT(node->item_count == KV_NODE_ITEMS_MAX);
    ASSERT(sibling->item_count == 0);
    ASSERT(sibling->is_leaf == node->is_leaf);

    memcpy(sibling->heads, &node->heads[upper], KV_NODE_ITEMS_MIN * sizeof(node->heads[0]));
    memcpy(sibling->items, &node->items[upper], KV_NODE_ITEMS_MIN * sizeof(node->items[0]));
    if (!node->is_leaf) {
        memcpy(sibling->children, &node->children[upper],
               (KV_NODE_ITEMS_MIN + 1) * sizeof(node->children[0]));
    }
    sibling->skip_bytes = node->skip_bytes;
    sibling->item_count = KV_NODE_ITEMS_MIN;
    node->item_count = KV_NODE_ITEMS_MIN;
    sibling->key_count = keys_below(sibling);
    node->key_count -= sibling->key_count + 1;
    kv_node_insert(order, parent, position, node->items[KV_NODE_ITEMS_MIN]);
    child_insert(parent, position + 1, sibling);
    node_sharpen(order, node, HEAD_SHARED_BITS);
    node_sharpen(order, sibling, HEAD_SHARED_BITS);
}

struct kv_tree_node *kv_node_merge(enum kv_tree_order order, struct kv_tree_node *parent,
                                   unsigned position)
{
    struct kv_tree_node *left = parent->children[position];
    struct kv_tree_node *right = parent->children[position + 1];
    size_t at = left->item_count + 1U;

    ASSERT(at + right->item_count <= KV_NODE_ITEMS_MAX);
    ASSERT(left->is_leaf == right->is_leaf);

    left->items[at - 1] = kv_node_take(parent, position);
    (void)child_take(parent, position + 1);
    memcpy(&left->items[at], right->items, right->item_count * sizeof(left->items[0]));
    if (!left->is_leaf) {
        memcpy(&left->children[at], right->children,
               (right->item_count + 1U) * sizeof(left->children[0]));
    }
    left->item_count = (uint16_t)(at + right->item_count);
    left->key_count += right->key_count + 1;
    node_rebuild(order, left);
    return right;
}

void kv_node_rotate_right(enum kv_tree_order order, struct kv_tree_node *parent, unsigned position)
{
    struct kv_tree_node *left = parent->children[position];
    struct kv_tree_node *right = parent->children[position + 1];
    uint64_t moved = 1;

    kv_node_insert(order, right, 0, parent->items[position]);
    struct kv_item *last = kv_node_take(left, left->item_count - 1U);
    kv_node_replace(order, parent, position, last);
    if (!left->is_leaf) {
        struct kv_tree_node *child = left->children[left->item_count + 1U];
        child_insert(right, 0, child);
        moved += child->key_count;
    }
    left->key_count -= moved;
    right->key_count += moved;
}

void kv_node_rotate_left(enum kv_tree_order order, struct kv_tree_node *parent, unsigned position)
{
    struct kv_tree_node *left = parent->children[position];
    struct kv_tree_node *right = parent->children[position + 1];
    uint64_t moved = 1;

    kv_node_insert(order, left, left->item_count, parent->items[position]);
    struct kv_item *first = kv_node_take(right, 0);
    kv_node_replace(order, parent, position, first);
    if (!left->is_leaf) {
        struct kv_tree_node *child = child_take(right, 0);
        left->children[left->item_count] = child;
        moved += child->key_count;
    }
    left->key_count += moved;
    right->key_count -= moved;
}
