/* visited.h: which states of the cluster were reached, as hashes.
 *
 * Owns     a table of 96 bits of each state's hash and, beside them, how much of what is
 *          counted along a run had been used when it was reached.
 * Does not know what a state is.
 * Threads  one.
 *
 * What was reached having used no more of anything can do all that this one can: then this
 * one is no news. Two different states with the same 96 bits would be taken for one: for n
 * states the chance of that anywhere is below n * n / 2^97.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_VISITED_H
#define MODEL_VISITED_H

#include "sim/model/memory.h"

struct visited_slot {
    uint64_t low;
    uint32_t high;
    uint32_t used; /* counts of three bits, each below four */
};

struct visited {
    struct budget *budget;
    struct visited_slot *slots;
    size_t capacity; /* a power of two */
    size_t count;
};

enum visited_answer {
    VISITED_NEW, /* and added */
    VISITED_BEFORE,
    VISITED_FULL,
};

NODISCARD bool visited_init(struct visited *visited, struct budget *budget);
void visited_deinit(struct visited *visited);

/* Let the memory come that visited_add() is going to look at. */
static inline void visited_prefetch(const struct visited *visited, struct hash hash)
{
    __builtin_prefetch(&visited->slots[hash.low & (visited->capacity - 1)]);
}

enum visited_answer visited_add(struct visited *visited, struct hash hash, uint32_t used);

#endif
