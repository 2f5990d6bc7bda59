/* key_values.h: the values that a key can have, numbered.
 *
 * Owns     the table from numbers to values. All memory is the arena's.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_LINEAR_KEY_VALUES_H
#define SIM_LINEAR_KEY_VALUES_H

#include "sim/linear/arena.h"
#include "sim/linear/history.h"

#define KEY_NONE UINT32_MAX

/* The first two values; others follow as they are mentioned. */
#define KEY_ABSENT 0
#define KEY_JUNK 1

struct key_value {
    int64_t number;
    uint32_t cluster;     /* the value that stands for it; key_model.h */
    uint32_t successor;   /* by INCR; KEY_NONE: not looked for yet */
    uint32_t first_class; /* of unknown operations that lead here, or KEY_NONE */
    uint32_t first_near;  /* that leads to the cluster, at the value that stands for it */
    /* Of what remains: */
    uint32_t reader_count; /* known operations that need exactly this */
    uint32_t writer_count; /* operations that write it, but for unknown increments */
    /* Of what remains, for the whole cluster, at the value that stands for it: */
    uint32_t mention_count; /* needs and transitions that this cluster matters to */
    uint32_t base_count;    /* writes that are no increments */
};

struct key_values {
    struct arena *arena;
    struct key_value *items;
    size_t count;
    size_t capacity;
    uint32_t *table; /* open addressing; KEY_NONE: free */
    size_t table_size;
};

/* Absent and junk, each a cluster of its own; returns whether there was memory. */
NODISCARD bool key_values_init(struct key_values *values, struct arena *arena);

/* The value of a number, or KEY_NONE if it was never mentioned. */
uint32_t key_values_find(const struct key_values *values, int64_t number);

/* The value of a number, new if need be and then a cluster of its own; KEY_NONE when memory
 * ran out.
 */
uint32_t key_values_add(struct key_values *values, struct history_value value);

/* Join the clusters of all values that at most `step_count` increments can connect. */
NODISCARD bool key_values_join(struct key_values *values, uint64_t step_count);

/* The value that INCR makes of this one: itself if it is junk or the largest number; KEY_NONE
 * when memory ran out.
 */
uint32_t key_values_successor(struct key_values *values, uint32_t value);

#endif
