/* id_map.c: see id_map.h. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/id_map.h"

#include "base/assert.h"
#include "quorate/error.h"

#define FIRST_BUCKETS 64

void id_map_init(struct id_map *map, const struct allocator *allocator)
{
    *map = (struct id_map){.allocator = allocator};
}

static void free_buckets(struct id_map *map)
{
    release(map->allocator, map->buckets, map->bucket_count * sizeof(*map->buckets));
}

void id_map_deinit(struct id_map *map)
{
    if (map->allocator != NULL) {
        free_buckets(map);
        id_map_init(map, map->allocator);
    }
}

static size_t home_of(const struct id_map *map, struct proposal_id id)
{
    uint64_t mixed =
        (id.low ^ id.high * UINT64_C(0xc2b2ae3d27d4eb4f)) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 32) & (map->bucket_count - 1);
}

/* The bucket that holds `id`, or the empty one where it would go. */
static size_t probe(const struct id_map *map, struct proposal_id id)
{
    size_t at = home_of(map, id);
    while (map->buckets[at].value != ID_MAP_NONE && !proposal_id_equal(map->buckets[at].id, id)) {
        at = (at + 1) & (map->bucket_count - 1);
    }
    return at;
}

int id_map_reserve(struct id_map *map)
{
    if ((map->count + 1) * 2 <= map->bucket_count) {
        return 0;
    }
    struct id_map grown = *map;
    grown.count = 0;
    grown.bucket_count = map->bucket_count == 0 ? FIRST_BUCKETS : map->bucket_count * 2;
    grown.buckets = allocate(map->allocator, grown.bucket_count * sizeof(*grown.buckets));
    if (grown.buckets == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < grown.bucket_count; i++) {
        grown.buckets[i] = (struct id_map_bucket){.value = ID_MAP_NONE};
    }
    for (size_t i = 0; i < map->bucket_count; i++) {
        if (map->buckets[i].value != ID_MAP_NONE) {
            id_map_add(&grown, map->buckets[i].id, map->buckets[i].value);
        }
    }
    ASSERT(grown.count == map->count);
    free_buckets(map);
    *map = grown;
    return 0;
}

void id_map_add(struct id_map *map, struct proposal_id id, uint32_t value)
{
    ASSERT((map->count + 1) * 2 <= map->bucket_count);
    ASSERT(value != ID_MAP_NONE);
    size_t at = probe(map, id);
    ASSERT(map->buckets[at].value == ID_MAP_NONE);
    map->buckets[at] = (struct id_map_bucket){id, value};
    map->count++;
}

uint32_t id_map_find(const struct id_map *map, struct proposal_id id)
{
    return map->bucket_count == 0 ? ID_MAP_NONE : map->buckets[probe(map, id)].value;
}

/* Close the gap, so that probing never meets a false end (Knuth, vol. 3, 6.4, algorithm R). */
void id_map_remove(struct id_map *map, struct proposal_id id)
{
    ASSERT(map->count > 0);
    size_t mask = map->bucket_count - 1;
    size_t gap = probe(map, id);
    ASSERT(map->buckets[gap].value != ID_MAP_NONE);
    map->buckets[gap].value = ID_MAP_NONE;
    for (size_t at = (gap + 1) & mask; map->buckets[at].value != ID_MAP_NONE;
         at = (at + 1) & mask) {
        if (((at - home_of(map, map->buckets[at].id)) & mask) >= ((at - gap) & mask)) {
            map->buckets[gap] = map->buckets[at];
            map->buckets[at].value = ID_MAP_NONE;
            gap = at;
        }
    }
    map->count--;
}
