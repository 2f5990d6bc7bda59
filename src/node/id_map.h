/* id_map.h: from the 128 bits of an id to a number: open addressing, with linear probing.
 *
 * Owns     its buckets, which double; what the numbers mean is its user's.
 * Threads  one caller at a time.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_ID_MAP_H
#define NODE_ID_MAP_H

#include "base/allocator.h"
#include "base/types.h"

#define ID_MAP_NONE UINT32_MAX

struct id_map {
    const struct allocator *allocator;
    struct id_map_bucket {
        struct proposal_id id;
        uint32_t value; /* ID_MAP_NONE: empty */
    } * buckets;
    size_t bucket_count; /* a power of two, at least twice `count` */
    size_t count;
};

void id_map_init(struct id_map *map, const struct allocator *allocator);
void id_map_deinit(struct id_map *map);

/* Make sure that one more fits. Returns 0 or QR_ERR_NO_MEMORY; then nothing changed. */
NODISCARD int id_map_reserve(struct id_map *map);

/* Add an id that is not there; id_map_reserve() made room for it. */
void id_map_add(struct id_map *map, struct proposal_id id, uint32_t value);

/* What stands for an id; ID_MAP_NONE when it is not there. */
uint32_t id_map_find(const struct id_map *map, struct proposal_id id);

/* Take out an id, which is there. */
void id_map_remove(struct id_map *map, struct proposal_id id);

#endif
