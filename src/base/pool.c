/* pool.c: lists of free blocks, one for each size. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <string.h>

#include "base/assert.h"

/* What is kept is nobody's: AddressSanitizer is told, as it is by malloc and free. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(HAS_ADDRESS_SANITIZER)
void __asan_poison_memory_region(const volatile void *memory, size_t size_bytes);
void __asan_unpoison_memory_region(const volatile void *memory, size_t size_bytes);
#define FORBID(memory, size_bytes) __asan_poison_memory_region(memory, size_bytes)
#define PERMIT(memory, size_bytes) __asan_unpoison_memory_region(memory, size_bytes)
#else
#define FORBID(memory, size_bytes) ((void)(memory), (void)(size_bytes))
#define PERMIT(memory, size_bytes) ((void)(memory), (void)(size_bytes))
#endif

#define CLASS_CHUNK (POOL_CLASSES - 1)
#define CLASS_NONE POOL_CLASSES
#define STALE 0x5a /* in CHECKS builds, what is kept holds nothing of use */

_Static_assert(POOL_SMALL_BYTES_MAX % POOL_STEP_BYTES == 0, "the largest is a class of its own");
_Static_assert(POOL_STEP_BYTES >= sizeof(struct pool_block), "a free block has its link inside");
_Static_assert(POOL_CHUNK_BYTES > POOL_SMALL_BYTES_MAX, "a chunk is no small block");

static size_t class_of(size_t size_bytes)
{
    if (size_bytes <= POOL_SMALL_BYTES_MAX) {
        return size_bytes == 0 ? 0 : (size_bytes - 1) / POOL_STEP_BYTES;
    }
    return size_bytes == POOL_CHUNK_BYTES ? CLASS_CHUNK : CLASS_NONE;
}

static size_t class_bytes(size_t at)
{
    return at == CLASS_CHUNK ? POOL_CHUNK_BYTES : (at + 1) * POOL_STEP_BYTES;
}

bool pool_is_for(size_t size_bytes)
{
    return class_of(size_bytes) != CLASS_NONE;
}

static void *take(struct pool *pool, size_t at)
{
    struct pool_class *class = &pool->classes[at];
    struct pool_block *block = class->first;
    ASSERT(class->count > 0);
    PERMIT(block, class_bytes(at));
    class->first = block->next;
    class->count--;
    class->least = min_u64(class->least, class->count);
    ASSERT(pool->kept_bytes >= class_bytes(at));
    pool->kept_bytes -= class_bytes(at);
    return block;
}

static void *pool_allocate(void *context, size_t size_bytes)
{
    struct pool *pool = context;
    size_t at = class_of(size_bytes);
    if (at == CLASS_NONE) {
        return allocate(pool->below, size_bytes);
    }
    return pool->classes[at].first == NULL ? allocate(pool->below, class_bytes(at))
                                           : take(pool, at);
}

static void pool_release(void *context, void *memory, size_t size_bytes)
{
    struct pool *pool = context;
    size_t at = class_of(size_bytes);
    if (memory == NULL) {
        return;
    }
    if (at == CLASS_NONE) {
        release(pool->below, memory, size_bytes);
        return;
    }
    size_t block_bytes = class_bytes(at);
    if (block_bytes > pool->kept_bytes_max - pool->kept_bytes) {
        release(pool->below, memory, block_bytes);
        return;
    }
#ifdef CHECKS
    memset(memory, STALE, size_bytes);
#endif
    struct pool_block *block = memory;
    block->next = pool->classes[at].first;
    pool->classes[at].first = block;
    pool->classes[at].count++;
    pool->kept_bytes += block_bytes;
    FORBID(block, block_bytes);
}

void pool_init(struct pool *pool, const struct allocator *below, size_t kept_bytes_max)
{
    *pool = (struct pool){
        .allocator = {pool, pool_allocate, pool_release},
        .below = below,
        .kept_bytes_max = kept_bytes_max,
    };
}

static void give_back(struct pool *pool, size_t at, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        release(pool->below, take(pool, at), class_bytes(at));
    }
}

void pool_deinit(struct pool *pool)
{
    for (size_t at = 0; at < POOL_CLASSES; at++) {
        give_back(pool, at, pool->classes[at].count);
    }
    ASSERT(pool->kept_bytes == 0);
}

void pool_trim(struct pool *pool)
{
    for (size_t at = 0; at < POOL_CLASSES; at++) {
        struct pool_class *class = &pool->classes[at];
        give_back(pool, at, min_u64(class->least, POOL_TRIM_BLOCKS_MAX));
        class->least = class->count;
    }
}
