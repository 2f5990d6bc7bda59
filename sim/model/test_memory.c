/* test_memory.c: what the explorer stands on: arenas, tables, and the choices of the network. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sim/model/arena.h"
#include "sim/model/cluster.h"
#include "sim/model/visited.h"
#include "support/unit.h"

#define BUDGET_BYTES ((size_t)64 << 20)

static void a_restored_arena_is_as_it_was(void **state)
{
    (void)state;
    struct budget budget = {.limit_bytes = BUDGET_BYTES};
    struct pool pool;
    struct arena arena;
    const uint8_t *images[2];
    size_t sizes[2];
    assert_true(pool_init(&pool, &budget));
    assert_true(arena_init(&arena));
    const struct allocator *allocator = arena_allocator(&arena);

    uint64_t *first = allocate(allocator, 24);
    uint8_t *large = allocate(allocator, 1000000);
    first[2] = 7;
    large[999999] = 9;
    sizes[0] = arena_save(&arena, &pool, &images[0]);
    assert_int_not_equal(sizes[0], 0);

    uint64_t *second = allocate(allocator, 40);
    second[0] = UINT64_MAX;
    first[2] = 0;
    large[500000] = 1;
    sizes[1] = arena_save(&arena, &pool, &images[1]);

    arena_restore(&arena, images[0], sizes[0]);
    assert_int_equal(first[2], 7);
    assert_int_equal(large[999999], 9);
    assert_int_equal(large[500000], 0);
    assert_int_equal(second[0], 0);
    assert_ptr_equal(allocate(allocator, 40), second); /* the allocator too */

    arena_restore(&arena, images[1], sizes[1]);
    assert_int_equal(first[2], 0);
    assert_int_equal(second[0], UINT64_MAX);
    assert_int_equal(large[500000], 1);
    arena_deinit(&arena);
    pool_deinit(&pool);
    assert_int_equal(budget.used_bytes, 0);
}

static void a_released_block_is_zeroed_and_given_out_again(void **state)
{
    (void)state;
    struct arena arena;
    assert_true(arena_init(&arena));
    const struct allocator *allocator = arena_allocator(&arena);
    uint64_t *blocks[2] = {allocate(allocator, 64), allocate(allocator, 64)};
    blocks[0][3] = 3;
    release(allocator, blocks[0], 64);
    release(allocator, blocks[1], 64);
    assert_ptr_equal(allocate(allocator, 64), blocks[1]);
    assert_ptr_equal(allocate(allocator, 64), blocks[0]);
    assert_int_equal(blocks[0][0], 0);
    assert_int_equal(blocks[0][3], 0);
    assert_null(allocate(allocator, ARENA_BYTES));
    arena_deinit(&arena);
}

static void nothing_is_taken_past_the_budget(void **state)
{
    (void)state;
    struct budget budget = {.limit_bytes = (size_t)1 << 20};
    struct pool pool;
    assert_true(pool_init(&pool, &budget));
    assert_null(pool_take(&pool, budget.limit_bytes + 1));
    assert_non_null(pool_take(&pool, budget.limit_bytes / 2));
    assert_null(budget_map(&budget, budget.limit_bytes * 3 / 4));
    assert_non_null(pool_take(&pool, budget.limit_bytes / 2));
    assert_null(pool_take(&pool, 1));
    assert_int_equal(budget.used_bytes, budget.limit_bytes);
    pool_deinit(&pool);
    assert_int_equal(budget.used_bytes, 0);
}

static void a_table_finds_what_was_put(void **state)
{
    (void)state;
    struct budget budget = {.limit_bytes = BUDGET_BYTES};
    struct table table;
    assert_true(table_init(&table, &budget));
    for (uint32_t i = 0; i < 10000; i++) {
        struct hash key = hash_of(&i, sizeof(i), 1);
        assert_int_equal(table_find(&table, key), TABLE_NONE);
        assert_true(table_put(&table, key, i));
    }
    for (uint32_t i = 0; i < 10000; i++) {
        assert_int_equal(table_find(&table, hash_of(&i, sizeof(i), 1)), i);
        assert_int_equal(table_find(&table, hash_of(&i, sizeof(i), 2)), TABLE_NONE);
    }
    table_deinit(&table);
    assert_int_equal(budget.used_bytes, 0);
}

static void a_state_is_news_unless_it_was_reached_with_no_more_used(void **state)
{
    (void)state;
    struct budget budget = {.limit_bytes = BUDGET_BYTES};
    struct visited visited;
    const struct hash hash = {5, 6};
    assert_true(visited_init(&visited, &budget));
    assert_int_equal(visited_add(&visited, hash, 021), VISITED_NEW);
    assert_int_equal(visited_add(&visited, hash, 021), VISITED_BEFORE);
    assert_int_equal(visited_add(&visited, hash, 031), VISITED_BEFORE);
    assert_int_equal(visited_add(&visited, hash, 012),
                     VISITED_NEW); /* less of one, more of another */
    assert_int_equal(visited_add(&visited, hash, 022), VISITED_BEFORE);
    assert_int_equal(visited_add(&visited, hash, 03000021), VISITED_BEFORE);
    assert_int_equal(visited_add(&visited, hash, 011), VISITED_NEW);
    assert_int_equal(visited_add(&visited, (struct hash){5, 7}, 033), VISITED_NEW);
    assert_int_equal(visited.count, 4);
    for (uint64_t i = 0; i < 20000; i++) {
        assert_int_equal(visited_add(&visited, hash_of(&i, sizeof(i), 1), 0), VISITED_NEW);
    }
    for (uint64_t i = 0; i < 20000; i++) {
        assert_int_equal(visited_add(&visited, hash_of(&i, sizeof(i), 1), 1), VISITED_BEFORE);
    }
    visited_deinit(&visited);
}

static void every_choice_of_messages_is_made_once(void **state)
{
    (void)state;
    struct change change = {.offered_count = 5, .offered = {9, 3, 7, 3, 1}, .keep_first = 3};
    bool is_made[32] = {false};
    size_t count = 0;
    for (uint32_t keep = change.keep_first; keep != 0; keep = cluster_keep_next(&change, keep)) {
        struct state next;
        cluster_keep(&change, keep, &next);
        assert_int_equal(next.message_count, 2);
        assert_true(next.messages[0] <= next.messages[1]);
        assert_false(is_made[keep]);
        is_made[keep] = true;
        count++;
    }
    assert_int_equal(count, 10);
    change.offered_count = 0;
    assert_int_equal(cluster_keep_next(&change, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restored_arena_is_as_it_was),
        cmocka_unit_test(a_released_block_is_zeroed_and_given_out_again),
        cmocka_unit_test(nothing_is_taken_past_the_budget),
        cmocka_unit_test(a_table_finds_what_was_put),
        cmocka_unit_test(a_state_is_news_unless_it_was_reached_with_no_more_used),
        cmocka_unit_test(every_choice_of_messages_is_made_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
