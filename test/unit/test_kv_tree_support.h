/* test_kv_tree_support.h: a tree whose values are numbers, on a heap that is watched. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_KV_TREE_SUPPORT_H
#define TEST_KV_TREE_SUPPORT_H

#include <string.h>

#include "kv/tree.h"
#include "quorate/error.h"
#include "support/heap.h"
#include "support/unit.h"

static struct heap heap;
static struct kv_memory memory;

static inline int setup(void **state)
{
    (void)state;
    heap_init(&heap);
    memory = (struct kv_memory){.allocator = &heap.allocator};
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    heap_deinit(&heap);
    return memory.used_bytes == 0 ? 0 : -1;
}

static inline int put(struct kv_tree *tree, const struct kv_probe *probe, uint64_t value)
{
    struct kv_item *replaced;
    struct kv_item *item =
        kv_item_make(&memory, (struct kv_argument){probe->key, probe->key_bytes},
                     (struct kv_argument){&value, sizeof(value)}, probe->expires_ns);

    if (item == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    int error = kv_tree_put(tree, item, &replaced);
    kv_item_drop(&memory, error == 0 ? replaced : item);
    return error;
}

static inline uint64_t value_of(const struct kv_item *item)
{
    uint64_t value;

    assert_non_null(item);
    assert_int_equal(item->value_bytes, sizeof(value));
    memcpy(&value, kv_item_value(item).data, sizeof(value));
    return value;
}

static inline struct kv_probe numbered_probe(char *key, unsigned number)
{
    for (unsigned i = 0; i < 8; i++) {
        key[7 - i] = (char)('0' + number % 10);
        number /= 10;
    }
    return (struct kv_probe){(uint8_t *)key, 8, 0};
}

static inline void fill(struct kv_tree *tree, unsigned count)
{
    char key[8];

    kv_tree_init(tree, &memory, KV_TREE_BY_KEY);
    for (unsigned i = 0; i < count; i++) {
        struct kv_probe probe = numbered_probe(key, i);
        assert_int_equal(put(tree, &probe, i), 0);
    }
}

#endif
