/* test_sim_arena.c: memory in blocks, its limit and its reuse; and the sort that works in it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/linear/arena.h"

#include <string.h>

#include "base/prng.h"
#include "sim/linear/sort.h"
#include "support/heap.h"
#include "support/unit.h"

static struct heap heap;
static struct arena arena;

static int setup(void **state)
{
    (void)state;
    heap_init(&heap);
    arena_init(&arena, &heap.allocator, 1000000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    heap_deinit(&heap);
    return 0;
}

static void what_is_taken_does_not_overlap(void **state)
{
    uint8_t *taken[300];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        taken[i] = arena_take(&arena, i * 10, 1);
        assert_non_null(taken[i]);
        assert_int_equal((uintptr_t)taken[i] % 16, 0);
        memset(taken[i], (int)(i % 256), i * 10);
    }
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        for (size_t j = 0; j < i * 10; j++) {
            assert_int_equal(taken[i][j], i % 256);
        }
    }
}

static void the_limit_is_of_what_is_taken(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        assert_non_null(arena_take(&arena, 500000, 1));
        assert_non_null(arena_take(&arena, 500000, 1));
        assert_false(arena.is_full);
        assert_null(arena_take(&arena, 1, 1));
        assert_true(arena.is_full);
        arena_reset(&arena);
        assert_false(arena.is_full);
        /* Other blocks than before would serve as well. */
        assert_non_null(arena_take(&arena, 700000, 1));
        arena_reset(&arena);
    }
}

static void a_size_that_overflows_is_refused(void **state)
{
    (void)state;
    assert_null(arena_take(&arena, SIZE_MAX / 2, 3));
    assert_true(arena.is_full);
    assert_null(arena_take(&arena, SIZE_MAX, 1));
}

static void a_reset_arena_needs_no_new_memory(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 90; i++) {
            assert_non_null(arena_take(&arena, 10000, 1));
        }
        if (round == 0) {
            heap.fail_at = heap.allocate_count + 1;
        }
        arena_reset(&arena);
    }
}

static void without_memory_it_is_not_full(void **state)
{
    (void)state;
    heap.fail_at = 1;
    assert_null(arena_take(&arena, 1, 1));
    assert_false(arena.is_full);
    assert_non_null(arena_take(&arena, 1, 1));
}

static void an_array_keeps_its_items_as_it_grows(void **state)
{
    void *items = NULL;
    size_t capacity = 0;

    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        assert_true(arena_grow(&arena, &items, i, &capacity, sizeof(i)));
        memcpy((uint8_t *)items + i * sizeof(i), &i, sizeof(i));
    }
    for (uint32_t i = 0; i < 5000; i++) {
        uint32_t item;
        memcpy(&item, (uint8_t *)items + i * sizeof(i), sizeof(i));
        assert_int_equal(item, i);
    }
}

static bool is_in_order(const struct sort_item *a, const struct sort_item *b)
{
    if (a->major != b->major) {
        return a->major < b->major;
    }
    return a->minor != b->minor ? a->minor < b->minor : a->index < b->index;
}

static void any_number_of_items_is_sorted(void **state)
{
    struct prng prng = prng_of(1);
    struct sort_item items[100];
    struct sort_item scratch[100];

    (void)state;
    for (size_t count = 0; count <= COUNT_OF(items); count++) {
        uint32_t seen[COUNT_OF(items)] = {0};
        for (uint32_t i = 0; i < count; i++) {
            items[i].major = prng_between(&prng, 0, 5);
            items[i].minor = prng_between(&prng, 0, 5);
            items[i].index = i;
        }
        sort_items(items, scratch, count);
        for (size_t i = 0; i < count; i++) {
            seen[items[i].index]++;
            assert_true(i == 0 || is_in_order(&items[i - 1], &items[i]));
        }
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(seen[i], 1);
        }
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(what_is_taken_does_not_overlap),   CASE(the_limit_is_of_what_is_taken),
        CASE(a_size_that_overflows_is_refused), CASE(a_reset_arena_needs_no_new_memory),
        CASE(without_memory_it_is_not_full),    CASE(an_array_keeps_its_items_as_it_grows),
        CASE(any_number_of_items_is_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
