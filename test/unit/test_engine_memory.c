/* test_engine_memory.c: the memory of an engine comes from where its options say, and each
 * allocation may fail.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "quorate/engine.h"
#include "runtime/clock.h"
#include "support/heap.h"
#include "support/log_memory.h"
#include "support/lone_engine.h"

#define WAIT_NS (20 * NS_PER_S)

/* A heap that many threads use. */
struct shared_heap {
    struct heap heap;
    pthread_mutex_t mutex;
};

struct bench {
    struct lone_engine lone;
    struct shared_heap memory;
    struct qr_allocator allocator;
    int answer_count;
    int answer_status;
};

static void *take_shared(void *context, size_t size_bytes)
{
    struct shared_heap *shared = context;
    pthread_mutex_lock(&shared->mutex);
    void *memory = allocate(&shared->heap.allocator, size_bytes);
    pthread_mutex_unlock(&shared->mutex);
    return memory;
}

static void give_shared(void *context, void *memory, size_t size_bytes)
{
    struct shared_heap *shared = context;
    pthread_mutex_lock(&shared->mutex);
    release(&shared->heap.allocator, memory, size_bytes);
    pthread_mutex_unlock(&shared->mutex);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    lone_engine_init(&bench->lone, true);
    pthread_mutex_init(&bench->memory.mutex, NULL);
    heap_init(&bench->memory.heap);
    bench->allocator = (struct qr_allocator){&bench->memory, take_shared, give_shared};
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    lone_engine_deinit(&bench->lone);
    heap_deinit(&bench->memory.heap);
    pthread_mutex_destroy(&bench->memory.mutex);
    free(bench);
    return 0;
}

/* With threads of its own, unless the loop is named. */
static struct qr_engine_options options_of(struct bench *bench)
{
    struct qr_engine_options options = lone_engine_options(&bench->lone);
    options.loop = NULL;
    options.allocator = &bench->allocator;
    options.limits.election_timeout_min_ms = 10;
    options.limits.election_timeout_max_ms = 20;
    options.limits.heartbeat_interval_ms = 2;
    return options;
}

static const struct qr_proposal one = {
    .size_bytes = sizeof(struct qr_proposal), .payload = "\x01", .payload_bytes = 1};

static void an_engine_takes_all_its_memory_from_where_it_is_told(void **state)
{
    struct bench *bench = *state;
    const struct qr_engine_options options = options_of(bench);
    lone_engine_open_with(&bench->lone, &options);
    uint64_t opened = bench->memory.heap.allocate_count;
    assert_true(opened > 20);
    assert_true(bench->memory.heap.live_bytes > sizeof(struct qr_status));
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    int status = QR_ERR_NO_LEADER;
    while (status == QR_ERR_NO_LEADER && runtime_now_ns() < limit_ns) {
        status = qr_propose_wait(bench->lone.engine, &one, NULL);
    }
    assert_int_equal(status, 0);
    assert_true(bench->memory.heap.allocate_count > opened);
    lone_engine_close(&bench->lone);
    assert_int_equal(bench->memory.heap.block_count, 0);
    assert_int_equal(bench->lone.stopped_count, 1);
}

static void on_answer(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct bench *bench = argument;
    (void)index;
    assert_true((result != NULL) == (status == 0));
    bench->answer_count++;
    bench->answer_status = status;
}

/* Until an entry was applied, or the engine gave up. */
static void propose_some(struct bench *bench)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    int applied_count = 0;
    while (applied_count < 2 && bench->lone.stopped_count == 0) {
        int asked_count = bench->answer_count;
        int status = qr_propose(bench->lone.engine, &one, on_answer, bench);
        assert_true(status == 0 || status == QR_ERR_BUSY || status == QR_ERR_STOPPED);
        while (status == 0 && bench->answer_count == asked_count) {
            assert_true(runtime_now_ns() < limit_ns);
            lone_engine_run(&bench->lone);
        }
        if (status == QR_ERR_STOPPED) {
            lone_engine_run(&bench->lone);
        }
        applied_count += status == 0 && bench->answer_status == 0 ? 1 : 0;
        assert_true(runtime_now_ns() < limit_ns);
    }
}

static void close_engine(struct bench *bench)
{
    lone_engine_close(&bench->lone);
    assert_true(bench->lone.stopped_status == 0 || bench->lone.stopped_status == QR_ERR_NO_MEMORY);
}

static void fail_each_once(struct bench *bench, const struct qr_log_store *log_store)
{
    struct qr_engine_options options = options_of(bench);
    struct heap *heap = &bench->memory.heap;
    uint64_t refused_count = 0;
    uint64_t at = 0;
    options.loop = &bench->lone.loop;
    options.log_store = log_store;
    do {
        at++;
        heap->allocate_count = 0;
        heap->fail_at = at;
        int status = lone_engine_try_open(&bench->lone, &options);
        if (status == 0) {
            propose_some(bench);
            close_engine(bench);
        } else {
            refused_count++;
            assert_int_equal(status, QR_ERR_NO_MEMORY);
            assert_true(strlen(bench->lone.detail) > 0);
        }
        assert_int_equal(heap->block_count, 0);
        assert_int_equal(uv_run(&bench->lone.loop, UV_RUN_NOWAIT), 0);
    } while (heap->allocate_count >= at);
    assert_true(refused_count > 20);
    print_message("%d allocations\n", (int)at);
}

static void each_allocation_may_fail_once(void **state)
{
    fail_each_once(*state, NULL);
}

/* The store of the program's does not use that heap: all of these are the engine's. */
static void each_allocation_may_fail_beside_a_log_store(void **state)
{
    struct log_memory log;
    log_memory_init(&log);
    fail_each_once(*state, &log.table);
    assert_false(log.is_open);
    log_memory_deinit(&log);
}

static void what_fails_with_threads_leaves_none_behind(void **state)
{
    struct bench *bench = *state;
    const struct qr_engine_options options = options_of(bench);
    struct heap *heap = &bench->memory.heap;
    int status;
    uint64_t at = 0;
    do {
        heap->fail_at = ++at;
        heap->allocate_count = 0;
        status = lone_engine_try_open(&bench->lone, &options);
        assert_true(status == 0 || status == QR_ERR_NO_MEMORY);
        assert_true(status == 0 || heap->block_count == 0);
    } while (status != 0); /* then its threads have the heap */
    assert_true(at > 20);
    lone_engine_close(&bench->lone);
    assert_int_equal(heap->block_count, 0);
}

/* Whatever thread is asked for is to have a stack that there is no memory for. */
static void without_a_thread_to_be_had_an_engine_is_refused(void **state)
{
    struct bench *bench = *state;
    const struct qr_engine_options options = options_of(bench);
    pthread_attr_t before;
    pthread_attr_t huge;
    assert_int_equal(pthread_getattr_default_np(&before), 0);
    assert_int_equal(pthread_attr_init(&huge), 0);
    assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 46), 0);
    assert_int_equal(pthread_setattr_default_np(&huge), 0);
    int status = lone_engine_try_open(&bench->lone, &options);
    assert_int_equal(pthread_setattr_default_np(&before), 0);
    assert_int_equal(status, QR_ERR_NO_MEMORY);
    assert_non_null(strstr(bench->lone.detail, "no thread"));
    assert_int_equal(bench->memory.heap.block_count, 0);
    lone_engine_open_with(&bench->lone, &options);
    lone_engine_close(&bench->lone);
    pthread_attr_destroy(&huge);
    pthread_attr_destroy(&before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_engine_takes_all_its_memory_from_where_it_is_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(each_allocation_may_fail_once, setup, teardown),
        cmocka_unit_test_setup_teardown(each_allocation_may_fail_beside_a_log_store, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_a_thread_to_be_had_an_engine_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_fails_with_threads_leaves_none_behind, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
