/* visited.c: which states were reached. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model/visited.h"

#include "base/assert.h"

#define CAPACITY_MIN 4096
#define COUNT_TOPS UINT32_C(04444444444) /* the highest bit of each count */

bool visited_init(struct visited *visited, struct budget *budget)
{
    *visited = (struct visited){.budget = budget, .capacity = CAPACITY_MIN};
    visited->slots = budget_map(budget, visited->capacity * sizeof(*visited->slots));
    return visited->slots != NULL;
}

void visited_deinit(struct visited *visited)
{
    if (visited->slots != NULL) {
        budget_unmap(visited->budget, visited->slots, visited->capacity * sizeof(*visited->slots));
    }
    *visited = (struct visited){0};
}

static bool is_empty(const struct visited_slot *slot)
{
    return slot->low == 0 && slot->high == 0;
}

/* Every count of `a` is at most that of `b`: no count borrows from its highest bit. */
static bool is_no_more(uint32_t a, uint32_t b)
{
    return (((b | COUNT_TOPS) - a) & COUNT_TOPS) == COUNT_TOPS;
}

static struct visited_slot *empty_slot(struct visited *visited, uint64_t low)
{
    size_t at = low & (visited->capacity - 1);
    while (!is_empty(&visited->slots[at])) {
        at = (at + 1) & (visited->capacity - 1);
    }
    return &visited->slots[at];
}

static bool visited_double(struct visited *visited)
{
    struct visited grown = {.budget = visited->budget, .capacity = 2 * visited->capacity};
    grown.slots = budget_map(grown.budget, grown.capacity * sizeof(*grown.slots));
    if (grown.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < visited->capacity; i++) {
        if (!is_empty(&visited->slots[i])) {
            *empty_slot(&grown, visited->slots[i].low) = visited->slots[i];
        }
    }
    grown.count = visited->count;
    visited_deinit(visited);
    *visited = grown;
    return true;
}

enum visited_answer visited_add(struct visited *visited, struct hash hash, uint32_t used)
{
    struct visited_slot added = {hash.low, (uint32_t)hash.high, used};
    ASSERT((used & COUNT_TOPS) == 0);
    ASSERT(!is_empty(&added));
    size_t at = hash.low & (visited->capacity - 1);
    while (!is_empty(&visited->slots[at])) {
        const struct visited_slot *slot = &visited->slots[at];
        if (slot->low == added.low && slot->high == added.high && is_no_more(slot->used, used)) {
            return VISITED_BEFORE;
        }
        at = (at + 1) & (visited->capacity - 1);
    }
    if (10 * (visited->count + 1) > 7 * visited->capacity && !visited_double(visited)) {
        return VISITED_FULL;
    }
    *empty_slot(visited, added.low) = added;
    visited->count++;
    return VISITED_NEW;
}
