/* test_kv_view.c: views of a tree, and freeing it in pieces. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>

#include "test_kv_tree_support.h"

static void a_view_costs_no_memory_and_a_change_copies_only_its_path(void **state)
{
    struct kv_tree tree;
    struct kv_tree view;
    char key[8];
    struct kv_probe probe = numbered_probe(key, 1234);

    (void)state;
    fill(&tree, 5000);
    size_t blocks = heap.block_count;
    kv_tree_view(&tree, &view);
    assert_int_equal(heap.block_count, blocks);
    assert_int_equal(put(&tree, &probe, 1), 0);
    /* The new item, and one node on each of at most three levels. */
    assert_in_range(heap.block_count, blocks + 2, blocks + 4);
    assert_int_equal(value_of(kv_tree_find(&view, &probe)), 1234);
    assert_int_equal(value_of(kv_tree_find(&tree, &probe)), 1);
    kv_tree_deinit(&view);
    assert_int_equal(heap.block_count, blocks);
    kv_tree_deinit(&tree);
}

static void a_discarded_tree_is_freed_a_few_nodes_at_a_time(void **state)
{
    struct kv_tree tree;
    struct kv_tree_garbage garbage;
    unsigned rounds = 0;

    (void)state;
    fill(&tree, 5000);
    size_t blocks = heap.block_count;
    kv_tree_discard(&tree, &garbage);
    assert_int_equal(kv_tree_count(&tree), 0);
    assert_int_equal(heap.block_count, blocks);
    while (!kv_tree_garbage_free(&garbage, 10)) {
        assert_true(heap.block_count < blocks);
        assert_true(blocks - heap.block_count <= 10 * 64);
        blocks = heap.block_count;
        rounds++;
    }
    assert_true(rounds > 5);
    assert_int_equal(heap.block_count, 0);
}

/* Plain malloc: the heap of the other tests is for one thread. */
static void *plain_allocate(void *context, size_t size_bytes)
{
    (void)context;
    return malloc(size_bytes);
}

static void plain_release(void *context, void *memory_given, size_t size_bytes)
{
    (void)context;
    (void)size_bytes;
    free(memory_given);
}

/* Sum up a view and end it. */
static void *read_view(void *argument)
{
    struct kv_tree *view = argument;
    struct kv_tree_cursor cursor;
    uint64_t sum = 0;

    kv_tree_cursor_seek(&cursor, view, NULL);
    for (; kv_tree_cursor_item(&cursor) != NULL; kv_tree_cursor_next(&cursor)) {
        uint64_t value;
        memcpy(&value, kv_item_value(kv_tree_cursor_item(&cursor)).data, sizeof(value));
        sum += value;
    }
    kv_tree_deinit(view);
    /* Handed back as a pointer, which is wide enough. */
    return (void *)(uintptr_t)sum;
}

static void a_view_is_read_and_freed_on_another_thread_while_the_tree_changes(void **state)
{
    static const struct allocator plain = {NULL, plain_allocate, plain_release};
    struct kv_tree tree;
    struct kv_tree view;
    uint64_t sum = 0;
    char key[8];

    (void)state;
    memory.allocator = &plain;
    fill(&tree, 3000);
    for (unsigned i = 0; i < 3000; i++) {
        sum += i;
    }
    for (unsigned round = 0; round < 10; round++) {
        pthread_t thread;
        void *seen;
        kv_tree_view(&tree, &view);
        assert_int_equal(pthread_create(&thread, NULL, read_view, &view), 0);
        for (unsigned i = 0; i < 3000; i++) {
            struct kv_probe probe = numbered_probe(key, i);
            assert_int_equal(put(&tree, &probe, i + round + 1), 0);
        }
        assert_int_equal(pthread_join(thread, &seen), 0);
        assert_int_equal((uintptr_t)seen, sum + UINT64_C(3000) * round);
    }
    kv_tree_deinit(&tree);
    assert_int_equal(memory.used_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_view_costs_no_memory_and_a_change_copies_only_its_path,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_discarded_tree_is_freed_a_few_nodes_at_a_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_view_is_read_and_freed_on_another_thread_while_the_tree_changes, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
