/* pairs.c: a table by two numbers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/pairs.h"

#include <string.h>

#include "base/assert.h"
#include "sim/memory.h"
#include "sim/trace.h"

#define CAPACITY_MIN 64

static size_t slot_of(const struct sim_pairs *pairs, uint64_t a, uint64_t b)
{
    size_t at = sim_hash_u64(a, b) & (pairs->capacity - 1);
    while (pairs->keys[at].is_used && (pairs->keys[at].a != a || pairs->keys[at].b != b)) {
        at = (at + 1) & (pairs->capacity - 1);
    }
    return at;
}

static void make_room(struct sim_pairs *pairs)
{
    if (2 * pairs->count < pairs->capacity) {
        return;
    }
    struct sim_pairs larger = {
        .capacity = pairs->capacity == 0 ? CAPACITY_MIN : 2 * pairs->capacity,
        .value_bytes = pairs->value_bytes,
        .count = pairs->count,
    };
    larger.keys = sim_allocate(larger.capacity, sizeof(*larger.keys));
    larger.values = sim_allocate(larger.capacity, larger.value_bytes);
    for (size_t i = 0; i < pairs->capacity; i++) {
        const struct sim_pair *key = &pairs->keys[i];
        if (key->is_used) {
            size_t at = slot_of(&larger, key->a, key->b);
            larger.keys[at] = *key;
            memcpy(larger.values + at * larger.value_bytes, pairs->values + i * pairs->value_bytes,
                   larger.value_bytes);
        }
    }
    sim_pairs_deinit(pairs);
    *pairs = larger;
}

void *sim_pairs_find(const struct sim_pairs *pairs, uint64_t a, uint64_t b)
{
    if (pairs->capacity == 0) {
        return NULL;
    }
    size_t at = slot_of(pairs, a, b);
    return pairs->keys[at].is_used ? pairs->values + at * pairs->value_bytes : NULL;
}

void *sim_pairs_take(struct sim_pairs *pairs, uint64_t a, uint64_t b, size_t value_bytes)
{
    ASSERT(value_bytes > 0);
    ASSERT(pairs->capacity == 0 || pairs->value_bytes == value_bytes);
    pairs->value_bytes = value_bytes;
    make_room(pairs);
    size_t at = slot_of(pairs, a, b);
    pairs->count += pairs->keys[at].is_used ? 0 : 1;
    pairs->keys[at] = (struct sim_pair){true, a, b};
    return pairs->values + at * pairs->value_bytes;
}

void sim_pairs_deinit(struct sim_pairs *pairs)
{
    sim_release(pairs->keys);
    sim_release(pairs->values);
}
