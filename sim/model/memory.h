/* memory.h: the explorer's own memory, counted against one limit.
 *
 * Owns     the limit; arrays that grow without moving; a table from 128 bits to a number.
 * Does not know what is kept in them.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_MEMORY_H
#define MODEL_MEMORY_H

#include "base/types.h"

/* Bytes that may be used, and are. */
struct budget {
    size_t limit_bytes;
    size_t used_bytes;
};

/* An array that never moves: a range of addresses, given memory as it is written. */
struct pool {
    struct budget *budget;
    uint8_t *base;
    size_t used_bytes;
    size_t counted_bytes; /* against the budget */
    size_t reserved_bytes;
};

/* Reserve the budget's whole limit of addresses. False when the system refuses. */
NODISCARD bool pool_init(struct pool *pool, struct budget *budget);
void pool_deinit(struct pool *pool);

/* `size_bytes` more, zeroed, behind the last; NULL when the budget has no more. */
void *pool_take(struct pool *pool, size_t size_bytes);

/* Forget the contents and keep the memory. What is taken next is not zeroed. */
void pool_reset(struct pool *pool);

/* A hash of 128 bits, in two lanes that are added and subtracted apart: the sum over a
 * multiset does not depend on its order.
 */
struct hash {
    uint64_t low;
    uint64_t high;
};

/* Hash of `size_bytes`; another `kind` gives another function. */
struct hash hash_of(const void *data, size_t size_bytes, uint64_t kind);

static inline struct hash hash_add(struct hash a, struct hash b)
{
    return (struct hash){a.low + b.low, a.high + b.high};
}

static inline struct hash hash_subtract(struct hash a, struct hash b)
{
    return (struct hash){a.low - b.low, a.high - b.high};
}

static inline bool hash_is_equal(struct hash a, struct hash b)
{
    return a.low == b.low && a.high == b.high;
}

static inline bool hash_is_less(struct hash a, struct hash b)
{
    return a.high < b.high || (a.high == b.high && a.low < b.low);
}

#define TABLE_NONE UINT32_MAX

struct table_slot {
    struct hash key;
    uint32_t value; /* 0: empty; else one more than what was put */
};

struct table {
    struct budget *budget;
    struct table_slot *slots;
    size_t capacity; /* a power of two */
    size_t count;
};

NODISCARD bool table_init(struct table *table, struct budget *budget);
void table_deinit(struct table *table);

/* The value of a key, or TABLE_NONE. */
uint32_t table_find(const struct table *table, struct hash key);

/* Put a value below TABLE_NONE under a key that has none. False when the budget has no more. */
NODISCARD bool table_put(struct table *table, struct hash key, uint32_t value);

/* Zeroed memory of the system, counted; NULL when the budget or the system has no more. */
void *budget_map(struct budget *budget, size_t size_bytes);
void budget_unmap(struct budget *budget, void *memory, size_t size_bytes);

#endif
