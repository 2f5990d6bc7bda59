/* key_chain.h: the moves from one configuration: chains of unknown operations, then a known one.
 *
 * Owns     the list of moves, and the path back from a wanted value. All memory is the arena's.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_LINEAR_KEY_CHAIN_H
#define SIM_LINEAR_KEY_CHAIN_H

#include "sim/linear/key_model.h"

struct key_list {
    uint32_t *items;
    size_t count;
    size_t capacity;
};

/* A value on the way back from the wanted one, and what leads from it to the one before. */
struct key_link {
    uint32_t value;
    uint32_t class;
    uint32_t class_count; /* how many units of it, one after the other; 0 of the first link */
    /* Still to be tried as what leads to `value`: */
    bool is_now_tried;   /* not this: increments of the present value */
    uint32_t next_class; /* this class, and those behind it */
    uint32_t next_near;  /* increments of what this class leads to, and those behind it */
};

struct key_chains {
    struct arena *arena;
    /* A move is: the known operation, how many runs its chain has, and of each run the class
     * and the number of units.
     */
    struct key_list moves;
    struct key_link *path;
    size_t path_count;
    size_t path_capacity;
    uint32_t increments_on_path;
    size_t runs_max; /* no chain has more of them */
    bool was_cut;    /* some would have */
    uint64_t steps_left;
};

enum key_verdict {
    KEY_HOLDS,
    KEY_VIOLATED,
    KEY_NO_STEPS,  /* the budget is used up: no verdict */
    KEY_NO_MEMORY, /* the arena is full or the allocator failed: no verdict */
};

/* Append to `moves` all that can be done while the register has `now`, those without a chain
 * first.
 *
 * Returns KEY_HOLDS, or why it could not: KEY_NO_STEPS or KEY_NO_MEMORY.
 */
NODISCARD enum key_verdict key_chains_find(struct key_chains *chains, const struct key_model *model,
                                           uint32_t now);

/* Take one step off; returns whether there was one. */
static inline bool key_chains_step(struct key_chains *chains)
{
    if (chains->steps_left == 0) {
        return false;
    }
    chains->steps_left--;
    return true;
}

/* Append; returns whether there was memory. */
NODISCARD bool key_list_add(struct key_list *list, struct arena *arena, uint32_t item);

#endif
