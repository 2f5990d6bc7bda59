/* test_kv_tree.c: the tree against a sorted array, with hostile keys and failures. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/prng.h"
#include "support/sweep.h"
#include "test_kv_tree_support.h"

#define MODEL_MAX 4096
#define KEY_MAX 48

struct model_entry {
    size_t key_bytes;
    uint64_t value;
    time_ns expires_ns;
    uint8_t key[KEY_MAX];
};

struct model {
    size_t count;
    struct model_entry entries[MODEL_MAX];
};

static int model_compare(enum kv_tree_order order, const struct model_entry *entry,
                         const struct kv_probe *probe)
{
    if (order == KV_TREE_BY_EXPIRY && entry->expires_ns != probe->expires_ns) {
        return entry->expires_ns < probe->expires_ns ? -1 : 1;
    }
    size_t common = entry->key_bytes < probe->key_bytes ? entry->key_bytes : probe->key_bytes;
    int difference = memcmp(entry->key, probe->key, common);
    if (difference != 0) {
        return difference;
    }
    return (entry->key_bytes > probe->key_bytes) - (entry->key_bytes < probe->key_bytes);
}

/* Position of the first entry not below the probe. */
static size_t model_search(enum kv_tree_order order, const struct model *model,
                           const struct kv_probe *probe, bool *found)
{
    size_t at = 0;
    size_t high = model->count;

    while (at < high) {
        size_t middle = (at + high) / 2;
        if (model_compare(order, &model->entries[middle], probe) < 0) {
            at = middle + 1;
        } else {
            high = middle;
        }
    }
    *found = at < model->count && model_compare(order, &model->entries[at], probe) == 0;
    return at;
}

static void model_put(enum kv_tree_order order, struct model *model, const struct kv_probe *probe,
                      uint64_t value)
{
    bool found;
    size_t at = model_search(order, model, probe, &found);

    if (!found) {
        assert_true(model->count < MODEL_MAX);
        memmove(&model->entries[at + 1], &model->entries[at],
                (model->count - at) * sizeof(model->entries[0]));
        model->count++;
    }
    struct model_entry *entry = &model->entries[at];
    entry->key_bytes = probe->key_bytes;
    entry->value = value;
    entry->expires_ns = probe->expires_ns;
    memcpy(entry->key, probe->key, probe->key_bytes);
}

static bool model_remove(enum kv_tree_order order, struct model *model,
                         const struct kv_probe *probe)
{
    bool found;
    size_t at = model_search(order, model, probe, &found);

    if (found) {
        model->count--;
        memmove(&model->entries[at], &model->entries[at + 1],
                (model->count - at) * sizeof(model->entries[0]));
    }
    return found;
}

/* The tree holds exactly the model: in order, by key and by position. */
static void expect_equal(const struct kv_tree *tree, const struct model *model)
{
    struct kv_tree_cursor cursor;

    kv_tree_invariants(tree);
    assert_int_equal(kv_tree_count(tree), model->count);
    kv_tree_cursor_seek(&cursor, tree, NULL);
    for (size_t i = 0; i < model->count; i++) {
        const struct model_entry *entry = &model->entries[i];
        struct kv_probe probe = {entry->key, entry->key_bytes, entry->expires_ns};
        const struct kv_item *item = kv_tree_cursor_item(&cursor);
        assert_int_equal(value_of(item), entry->value);
        assert_int_equal(item->key_bytes, entry->key_bytes);
        assert_memory_equal(item->data, entry->key, entry->key_bytes);
        assert_ptr_equal(kv_tree_find(tree, &probe), item);
        assert_ptr_equal(kv_tree_select(tree, i), item);
        assert_int_equal(kv_tree_rank(tree, &probe), i);
        kv_tree_cursor_next(&cursor);
    }
    assert_null(kv_tree_cursor_item(&cursor));
}

/* Keys of several shapes: short ones, numbered ones with long common beginnings, and ones that
 * differ only in zeros at their end, which heads cannot tell apart.
 */
static struct kv_probe random_probe(struct prng *prng, uint8_t *key, unsigned shape)
{
    static const char *const prefixes[] = {"", "a", "key:00000000000000000", "key:1", "zzzzzzzzzz"};
    const char *prefix = prefixes[prng_between(prng, 0, COUNT_OF(prefixes) - 1)];
    size_t length = strlen(prefix);

    if (shape == 0) {
        prefix = prefixes[2];
        length = strlen(prefix);
    }
    memcpy(key, prefix, length);
    if (shape == 2) {
        size_t zeros = (size_t)prng_between(prng, 0, 20);
        memset(key + length, 0, zeros);
        length += zeros;
    } else {
        for (unsigned i = 0; i < 2 + shape; i++) {
            key[length++] = (uint8_t)('a' + prng_between(prng, 0, 21));
        }
    }
    return (struct kv_probe){key, length, prng_between(prng, 1, 40)};
}

static void remove_one(struct kv_tree *tree, struct model *model, const struct kv_probe *probe)
{
    struct kv_item *removed;

    assert_int_equal(kv_tree_remove(tree, probe, &removed), 0);
    assert_int_equal(removed != NULL, model_remove(tree->order, model, probe));
    kv_item_drop(&memory, removed);
}

/* Take out one that is there, found by position. */
static void remove_any(struct kv_tree *tree, struct model *model, struct prng *prng)
{
    if (model->count > 0) {
        struct model_entry entry =
            model->entries[prng_between(prng, 0, (uint64_t)model->count - 1)];
        struct kv_probe probe = {entry.key, entry.key_bytes, entry.expires_ns};
        remove_one(tree, model, &probe);
    }
}

struct walk {
    const char *name;
    enum kv_tree_order order;
    unsigned shape;
    bool has_views;
};

/* Grow, then shrink to nothing, again and again, with views taken on the way. */
static void walk_randomly(const struct walk *walk, uint64_t seed)
{
    static struct model model;
    static struct model seen;
    struct prng prng = prng_of(seed);
    struct kv_tree tree;
    struct kv_tree view;
    uint8_t key[KEY_MAX];

    model.count = 0;
    seen.count = 0;
    kv_tree_init(&tree, &memory, walk->order);
    kv_tree_init(&view, &memory, walk->order);
    uint64_t steps = sweep_sample_of(24000);
    for (unsigned step = 0; step < steps; step++) {
        bool is_growing = step * 6 / steps % 2 == 0;
        struct kv_probe probe = random_probe(&prng, key, walk->shape);
        if (prng_between(&prng, 0, 99) < (is_growing ? 80 : 10)) {
            assert_int_equal(put(&tree, &probe, step), 0);
            model_put(walk->order, &model, &probe, step);
        } else if (prng_between(&prng, 0, 3) == 0) {
            remove_one(&tree, &model, &probe);
        } else {
            remove_any(&tree, &model, &prng);
        }
        if (walk->has_views && step % 501 == 0) {
            expect_equal(&view, &seen);
            kv_tree_deinit(&view);
            kv_tree_view(&tree, &view);
            seen = model;
        }
        if (step % 997 == 0) {
            expect_equal(&tree, &model);
        }
    }
    expect_equal(&view, &seen);
    expect_equal(&tree, &model);
    kv_tree_deinit(&tree);
    expect_equal(&view, &seen);
    kv_tree_deinit(&view);
}

static void the_tree_agrees_with_a_sorted_array(void **state)
{
    static const struct walk walks[] = {
        {"numbered keys", KV_TREE_BY_KEY, 0, false},
        {"mixed keys", KV_TREE_BY_KEY, 1, false},
        {"keys that end in zeros", KV_TREE_BY_KEY, 2, false},
        {"mixed keys and views", KV_TREE_BY_KEY, 1, true},
        {"expiry times", KV_TREE_BY_EXPIRY, 0, false},
        {"expiry times and views", KV_TREE_BY_EXPIRY, 1, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(walks); i++) {
        print_message("  %s\n", walks[i].name);
        walk_randomly(&walks[i], 100 + i);
    }
}

static void keys_in_order_and_against_it_come_and_go(void **state)
{
    struct kv_tree tree;
    char key[8];

    (void)state;
    for (unsigned way = 0; way < 4; way++) {
        kv_tree_init(&tree, &memory, KV_TREE_BY_KEY);
        for (unsigned i = 0; i < 9000; i++) {
            struct kv_probe probe = numbered_probe(key, way & 1 ? i : 8999 - i);
            assert_int_equal(put(&tree, &probe, i), 0);
        }
        kv_tree_invariants(&tree);
        for (unsigned i = 0; i < 9000; i++) {
            struct kv_item *removed;
            struct kv_probe probe = numbered_probe(key, way & 2 ? i : 8999 - i);
            assert_int_equal(kv_tree_remove(&tree, &probe, &removed), 0);
            assert_non_null(removed);
            kv_item_drop(&memory, removed);
            if (i % 500 == 0) {
                kv_tree_invariants(&tree);
            }
        }
        assert_null(tree.root);
    }
}

static void an_empty_tree_has_nothing_and_removes_nothing(void **state)
{
    struct kv_tree tree;
    struct kv_tree_cursor cursor;
    struct kv_probe probe = {(const uint8_t *)"a", 1, 0};
    struct kv_item *removed;

    (void)state;
    kv_tree_init(&tree, &memory, KV_TREE_BY_KEY);
    assert_null(kv_tree_find(&tree, &probe));
    assert_int_equal(kv_tree_count(&tree), 0);
    assert_int_equal(kv_tree_rank(&tree, &probe), 0);
    assert_int_equal(kv_tree_remove(&tree, &probe, &removed), 0);
    assert_null(removed);
    kv_tree_cursor_seek(&cursor, &tree, &probe);
    assert_null(kv_tree_cursor_item(&cursor));
    kv_tree_deinit(&tree);
}

/* Run one change with its n-th allocation failing, n growing until it succeeds; after each
 * failure the tree must hold what it held.
 */
static void fail_each_allocation(struct kv_tree *tree, unsigned number, bool is_put)
{
    char key[8];
    struct kv_probe probe = numbered_probe(key, number);
    uint64_t count = kv_tree_count(tree);

    for (uint64_t n = 1;; n++) {
        struct kv_item *removed = NULL;
        heap.fail_at = heap.allocate_count + n;
        int error = is_put ? put(tree, &probe, number) : kv_tree_remove(tree, &probe, &removed);
        heap.fail_at = 0;
        kv_tree_invariants(tree);
        if (error == 0) {
            assert_int_equal(kv_tree_count(tree), is_put ? count + 1 : count - 1);
            kv_item_drop(&memory, removed);
            return;
        }
        assert_int_equal(error, QR_ERR_NO_MEMORY);
        assert_int_equal(kv_tree_count(tree), count);
        assert_int_equal(kv_tree_find(tree, &probe) == NULL, is_put);
    }
}

static void change(struct kv_tree *tree, unsigned number, bool is_put)
{
    char key[8];
    struct kv_probe probe = numbered_probe(key, number);
    struct kv_item *removed = NULL;

    assert_int_equal(is_put ? put(tree, &probe, number) : kv_tree_remove(tree, &probe, &removed),
                     0);
    kv_item_drop(&memory, removed);
}

static void a_failed_allocation_changes_nothing(void **state)
{
    struct kv_tree tree;
    struct kv_tree view;
    uint64_t tried = 4 / sweep_sample_of(4); /* each so many-th change */

    (void)state;
    fill(&tree, 4200);
    for (unsigned i = 0; i < 2200; i++) {
        if (i % 7 == 0) {
            kv_tree_view(&tree, &view);
        }
        (i % tried == 0 ? fail_each_allocation : change)(&tree, 4200 + i, true);
        if (i % 7 == 0) {
            assert_int_equal(kv_tree_count(&view), 4200 + i);
            kv_tree_deinit(&view);
        }
    }
    for (unsigned i = 0; i < 6400; i++) {
        if (i % 3 == 0) {
            kv_tree_view(&tree, &view);
        }
        (i % tried == 0 ? fail_each_allocation : change)(&tree, i, false);
        if (i % 3 == 0) {
            assert_int_equal(kv_tree_count(&view), 6400 - i);
            kv_tree_deinit(&view);
        }
    }
    assert_null(tree.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_tree_agrees_with_a_sorted_array, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_in_order_and_against_it_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_tree_has_nothing_and_removes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_failed_allocation_changes_nothing, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
