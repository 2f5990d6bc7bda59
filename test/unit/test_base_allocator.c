/* test_base_allocator.c: growing an array within its limit. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/allocator.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_memory_is_zero),
        cmocka_unit_test(zeroed_memory_that_is_refused_is_null),
        cmocka_unit_test(growth_doubles_up_to_the_limit),
        cmocka_unit_test(growth_without_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
