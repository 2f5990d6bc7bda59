/* memory.c: what is asked for with every call, without asking the program's allocator. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"

void engine_memory_init(struct qr_engine *engine)
{
    pool_init(&engine->pool, &engine->allocator, ENGINE_LOOP_KEPT_BYTES);
    pool_init(&engine->small, &engine->allocator, ENGINE_SMALL_KEPT_BYTES);
    int failed = pthread_mutex_init(&engine->small_mutex, NULL);
    ASSERT(failed == 0);
}

void engine_memory_deinit(struct qr_engine *engine)
{
    pool_deinit(&engine->pool);
    pool_deinit(&engine->small);
    (void)pthread_mutex_destroy(&engine->small_mutex);
}

/* What is large is rare, and its allocator may take its time: nobody else waits for it. */
void *engine_small_new(struct qr_engine *engine, size_t size_bytes)
{
    if (!pool_is_for(size_bytes)) {
        return allocate(&engine->allocator, size_bytes);
    }
    (void)pthread_mutex_lock(&engine->small_mutex);
    void *memory = allocate(&engine->small.allocator, size_bytes);
    (void)pthread_mutex_unlock(&engine->small_mutex);
    return memory;
}

void engine_small_free(struct qr_engine *engine, void *memory, size_t size_bytes)
{
    if (!pool_is_for(size_bytes)) {
        release(&engine->allocator, memory, size_bytes);
    } else if (memory != NULL) {
        (void)pthread_mutex_lock(&engine->small_mutex);
        release(&engine->small.allocator, memory, size_bytes);
        (void)pthread_mutex_unlock(&engine->small_mutex);
    }
}

void engine_memory_turn(struct qr_engine *engine, time_ns now_ns)
{
    if (now_ns < engine->trim_ns) {
        return;
    }
    engine->trim_ns = now_ns + ENGINE_TRIM_NS;
    pool_trim(&engine->pool);
    (void)pthread_mutex_lock(&engine->small_mutex);
    pool_trim(&engine->small);
    (void)pthread_mutex_unlock(&engine->small_mutex);
}
