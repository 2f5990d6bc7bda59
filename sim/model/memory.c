/* memory.c: counted memory: arrays that do not move, and a hash table. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model/memory.h"

#include <string.h>
#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"

#define POOL_STEP_BYTES ((size_t)64 * 1024)
#define TABLE_CAPACITY_MIN 1024

static void *map_memory(size_t size_bytes)
{
    void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void *budget_map(struct budget *budget, size_t size_bytes)
{
    if (size_bytes > budget->limit_bytes - budget->used_bytes) {
        return NULL;
    }
    void *memory = map_memory(size_bytes);
    if (memory != NULL) {
        (void)madvise(memory, size_bytes, MADV_HUGEPAGE); /* tables are read at random */
        budget->used_bytes += size_bytes;
    }
    return memory;
}

void budget_unmap(struct budget *budget, void *memory, size_t size_bytes)
{
    if (memory != NULL) {
        (void)munmap(memory, size_bytes);
        budget->used_bytes -= size_bytes;
    }
}

bool pool_init(struct pool *pool, struct budget *budget)
{
    *pool = (struct pool){.budget = budget, .reserved_bytes = budget->limit_bytes};
    pool->base = map_memory(pool->reserved_bytes);
    return pool->base != NULL;
}

void pool_deinit(struct pool *pool)
{
    if (pool->base != NULL) {
        (void)munmap(pool->base, pool->reserved_bytes);
        pool->budget->used_bytes -= pool->counted_bytes;
    }
    *pool = (struct pool){0};
}

void *pool_take(struct pool *pool, size_t size_bytes)
{
    size_t end = pool->used_bytes + size_bytes;
    if (end > pool->counted_bytes) {
        size_t more =
            (end - pool->counted_bytes + POOL_STEP_BYTES - 1) / POOL_STEP_BYTES * POOL_STEP_BYTES;
        if (more > pool->budget->limit_bytes - pool->budget->used_bytes) {
            return NULL;
        }
        pool->budget->used_bytes += more;
        pool->counted_bytes += more;
    }
    void *memory = pool->base + pool->used_bytes;
    pool->used_bytes = end;
    return memory;
}

void pool_reset(struct pool *pool)
{
    pool->used_bytes = 0;
}

struct hash hash_of(const void *data, size_t size_bytes, uint64_t kind)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(data, size_bytes, kind);
    return (struct hash){hash.low64, hash.high64};
}

bool table_init(struct table *table, struct budget *budget)
{
    *table = (struct table){.budget = budget, .capacity = TABLE_CAPACITY_MIN};
    table->slots = budget_map(budget, table->capacity * sizeof(*table->slots));
    return table->slots != NULL;
}

void table_deinit(struct table *table)
{
    if (table->slots != NULL) {
        budget_unmap(table->budget, table->slots, table->capacity * sizeof(*table->slots));
    }
    *table = (struct table){0};
}

static struct table_slot *slot_of(const struct table *table, struct hash key)
{
    size_t at = key.low & (table->capacity - 1);
    while (table->slots[at].value != 0 && !hash_is_equal(table->slots[at].key, key)) {
        at = (at + 1) & (table->capacity - 1);
    }
    return &table->slots[at];
}

uint32_t table_find(const struct table *table, struct hash key)
{
    const struct table_slot *slot = slot_of(table, key);
    return slot->value == 0 ? TABLE_NONE : slot->value - 1;
}

static bool table_double(struct table *table)
{
    struct table grown = {.budget = table->budget, .capacity = 2 * table->capacity};
    grown.slots = budget_map(grown.budget, grown.capacity * sizeof(*grown.slots));
    if (grown.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].value != 0) {
            *slot_of(&grown, table->slots[i].key) = table->slots[i];
        }
    }
    grown.count = table->count;
    table_deinit(table);
    *table = grown;
    return true;
}

bool table_put(struct table *table, struct hash key, uint32_t value)
{
    ASSERT(value < TABLE_NONE);
    if (4 * (table->count + 1) > 3 * table->capacity && !table_double(table)) {
        return false;
    }
    struct table_slot *slot = slot_of(table, key);
    ASSERT(slot->value == 0);
    *slot = (struct table_slot){key, value + 1};
    table->count++;
    return true;
}
