/* pairs.h: a table by two numbers, such as who told whom, or whose term it was.
 *
 * Owns     the values, each zero when it is new. It only grows.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_PAIRS_H
#define SIM_PAIRS_H

#include "base/types.h"

/* All zero: empty. Members belong to the table. */
struct sim_pairs {
    struct sim_pair {
        bool is_used;
        uint64_t a;
        uint64_t b;
    } * keys; /* open addressing */
    uint8_t *values;
    size_t value_bytes;
    size_t capacity;
    size_t count;
};

/* The value of this pair; NULL: there is none. Until the next sim_pairs_take(). */
void *sim_pairs_find(const struct sim_pairs *pairs, uint64_t a, uint64_t b);

/* The same; made if there is none. `value_bytes` is the same at each call. */
void *sim_pairs_take(struct sim_pairs *pairs, uint64_t a, uint64_t b, size_t value_bytes);

void sim_pairs_deinit(struct sim_pairs *pairs);

#endif
