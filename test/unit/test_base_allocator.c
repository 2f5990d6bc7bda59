/* test_base_allocator.c: growing an array within its limit, and memory that is used again. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "base/allocator.h"
#include "base/pool.h"
#include "quorate/error.h"
#include "support/heap.h"

static void zeroed_memory_is_zero(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap);
    uint8_t *memory = allocate_zeroed(&heap.allocator, 100);
    assert_non_null(memory);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(memory[i], 0);
    }
    release(&heap.allocator, memory, 100);
    heap_deinit(&heap);
}

static void zeroed_memory_that_is_refused_is_null(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap);
    heap.fail_at = 1;
    assert_null(allocate_zeroed(&heap.allocator, 100));
    heap_deinit(&heap);
}

struct grow_case {
    const char *name;
    size_t capacity;
    size_t needed;
    size_t limit;
    int result;
    size_t capacity_after;
};

static const struct grow_case grow_cases[] = {
    {"nothing is needed", 0, 0, 100, 0, 0},
    {"the first room is eight", 0, 1, 100, 0, 8},
    {"the first room obeys the limit", 0, 1, 5, 0, 5},
    {"room that is there stays", 8, 8, 100, 0, 8},
    {"one more doubles", 8, 9, 100, 0, 16},
    {"doubles until it is enough", 8, 33, 100, 0, 64},
    {"doubling stops at the limit", 64, 65, 100, 0, 100},
    {"the limit itself is allowed", 8, 100, 100, 0, 100},
    {"past the limit is refused", 8, 101, 100, QR_ERR_TOO_LARGE, 8},
    {"a limit of nothing", 0, 1, 0, QR_ERR_TOO_LARGE, 0},
    {"more bytes than a size can say", 8, SIZE_MAX, SIZE_MAX, QR_ERR_NO_MEMORY, 8},
};

static void growth_doubles_up_to_the_limit(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT_OF(grow_cases); c++) {
        const struct grow_case *row = &grow_cases[c];
        struct heap heap;
        heap_init(&heap);
        size_t capacity = row->capacity;
        uint64_t *items = NULL;
        if (capacity > 0) {
            items = allocate(&heap.allocator, capacity * sizeof(*items));
        }
        for (size_t i = 0; i < capacity; i++) {
            items[i] = i * 3;
        }
        void *array = items;
        int result = allocate_grow(&heap.allocator, &array, &capacity, row->needed, row->limit,
                                   sizeof(*items));
        if (result != row->result || capacity != row->capacity_after) {
            fail_msg("%s: result %d, capacity %zu", row->name, result, capacity);
        }
        items = array;
        for (size_t i = 0; i < row->capacity; i++) {
            assert_int_equal(items[i], i * 3);
        }
        release(&heap.allocator, array, capacity * sizeof(*items));
        heap_deinit(&heap);
    }
}

static void growth_without_memory_changes_nothing(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap);
    void *array = NULL;
    size_t capacity = 0;
    assert_int_equal(allocate_grow(&heap.allocator, &array, &capacity, 3, 100, 4), 0);
    void *before = array;
    heap.fail_at = heap.allocate_count + 1;
    assert_int_equal(allocate_grow(&heap.allocator, &array, &capacity, 9, 100, 4),
                     QR_ERR_NO_MEMORY);
    assert_ptr_equal(array, before);
    assert_int_equal(capacity, 8);
    release(&heap.allocator, array, capacity * 4);
    heap_deinit(&heap);
}

static void what_came_back_is_given_out_again(void **state)
{
    (void)state;
    struct heap heap;
    struct pool pool;
    heap_init(&heap);
    pool_init(&pool, &heap.allocator, 65536); /* one of each class fits */
    for (size_t size_bytes = 0; size_bytes <= POOL_SMALL_BYTES_MAX; size_bytes++) {
        uint8_t *first = allocate(&pool.allocator, size_bytes);
        assert_non_null(first);
        memset(first, 1, size_bytes);
        release(&pool.allocator, first, size_bytes);
        assert_ptr_equal(allocate(&pool.allocator, size_bytes), first);
        memset(first, 2, size_bytes);
        release(&pool.allocator, first, size_bytes);
        assert_true(pool.kept_bytes <= pool.kept_bytes_max);
    }
    release(&pool.allocator, NULL, 10);
    pool_deinit(&pool);
    heap_deinit(&heap);
}

static void a_pool_keeps_no_more_than_it_may(void **state)
{
    (void)state;
    struct heap heap;
    struct pool pool;
    void *blocks[8];
    heap_init(&heap);
    pool_init(&pool, &heap.allocator, 4 * POOL_STEP_BYTES);
    for (size_t i = 0; i < 8; i++) {
        blocks[i] = allocate(&pool.allocator, POOL_STEP_BYTES);
    }
    for (size_t i = 0; i < 8; i++) {
        release(&pool.allocator, blocks[i], POOL_STEP_BYTES);
    }
    assert_int_equal(heap.block_count, 4);
    assert_int_equal(pool.kept_bytes, 4 * POOL_STEP_BYTES);
    pool_deinit(&pool);
    heap_deinit(&heap);
}

static void a_pool_passes_on_what_is_large_but_for_chunks(void **state)
{
    (void)state;
    struct heap heap;
    struct pool pool;
    heap_init(&heap);
    pool_init(&pool, &heap.allocator, UINT64_C(1) << 20);
    assert_false(pool_is_for(POOL_SMALL_BYTES_MAX + 1));
    assert_true(pool_is_for(POOL_SMALL_BYTES_MAX));
    void *large = allocate(&pool.allocator, POOL_SMALL_BYTES_MAX + 1);
    release(&pool.allocator, large, POOL_SMALL_BYTES_MAX + 1);
    assert_int_equal(heap.block_count, 0);
    struct chunk *chunk = chunk_new(&pool.allocator, CHUNK_USUAL_BYTES);
    chunk_drop(chunk);
    assert_int_equal(heap.block_count, 1);
    assert_ptr_equal(chunk_new(&pool.allocator, CHUNK_USUAL_BYTES), chunk);
    chunk_drop(chunk);
    pool_deinit(&pool);
    heap_deinit(&heap);
}

static void what_lies_idle_between_two_trims_goes_back(void **state)
{
    (void)state;
    struct heap heap;
    struct pool pool;
    void *blocks[10];
    heap_init(&heap);
    pool_init(&pool, &heap.allocator, UINT64_C(1) << 20);
    for (size_t i = 0; i < 10; i++) {
        blocks[i] = allocate(&pool.allocator, 100);
    }
    for (size_t i = 0; i < 10; i++) {
        release(&pool.allocator, blocks[i], 100);
    }
    pool_trim(&pool); /* they were all out since the last one */
    assert_int_equal(heap.block_count, 10);
    blocks[0] = allocate(&pool.allocator, 100);
    blocks[1] = allocate(&pool.allocator, 100);
    release(&pool.allocator, blocks[0], 100);
    release(&pool.allocator, blocks[1], 100);
    pool_trim(&pool); /* two were enough */
    assert_int_equal(heap.block_count, 2);
    pool_trim(&pool);
    assert_int_equal(heap.block_count, 0);
    pool_deinit(&pool);
    heap_deinit(&heap);
}

static void a_pool_says_when_memory_ran_out(void **state)
{
    (void)state;
    struct heap heap;
    struct pool pool;
    heap_init(&heap);
    pool_init(&pool, &heap.allocator, 4096);
    heap.fail_at = 1;
    assert_null(allocate(&pool.allocator, 10));
    heap.fail_at = heap.allocate_count + 1;
    assert_null(allocate(&pool.allocator, POOL_SMALL_BYTES_MAX + 1));
    pool_deinit(&pool);
    heap_deinit(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_memory_is_zero),
        cmocka_unit_test(zeroed_memory_that_is_refused_is_null),
        cmocka_unit_test(growth_doubles_up_to_the_limit),
        cmocka_unit_test(growth_without_memory_changes_nothing),
        cmocka_unit_test(what_came_back_is_given_out_again),
        cmocka_unit_test(a_pool_keeps_no_more_than_it_may),
        cmocka_unit_test(a_pool_passes_on_what_is_large_but_for_chunks),
        cmocka_unit_test(what_lies_idle_between_two_trims_goes_back),
        cmocka_unit_test(a_pool_says_when_memory_ran_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
