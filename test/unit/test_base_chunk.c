/* test_base_chunk.c: a chunk lives as long as somebody holds it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "base/chunk.h"
#include "support/heap.h"

static void the_last_reference_frees(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap);
    struct chunk *chunk = chunk_new(&heap.allocator, 10);
    assert_non_null(chunk);
    assert_int_equal(chunk->size_bytes, 10);
    assert_int_equal(chunk->used_bytes, 0);
    memset(chunk->data, 1, 10);
    assert_ptr_equal(chunk_hold(chunk), chunk);
    chunk_drop(chunk);
    assert_int_equal(heap.block_count, 1);
    chunk_drop(chunk);
    heap_deinit(&heap);
}

static void a_chunk_of_no_bytes_is_one_too(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap);
    struct chunk *chunk = chunk_new(&heap.allocator, 0);
    assert_non_null(chunk);
    chunk_drop(chunk);
    heap_deinit(&heap);
}

static void without_memory_there_is_no_chunk(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap);
    heap.fail_at = 1;
    assert_null(chunk_new(&heap.allocator, 10));
    heap_deinit(&heap);
}

static void dropping_nothing_is_allowed(void **state)
{
    (void)state;
    chunk_drop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_reference_frees),
        cmocka_unit_test(a_chunk_of_no_bytes_is_one_too),
        cmocka_unit_test(without_memory_there_is_no_chunk),
        cmocka_unit_test(dropping_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
