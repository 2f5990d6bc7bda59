/* memory.c: memory for the simulator's own books. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define FIRST_CAPACITY 64

void *sim_allocate(size_t count, size_t item_bytes)
{
    void *memory = calloc(count > 0 ? count : 1, item_bytes);
    ASSERT(memory != NULL);
    return memory;
}

void sim_release(void *memory)
{
    free(memory);
}

void sim_grow(void **array, size_t *capacity, size_t needed, size_t item_bytes)
{
    if (needed <= *capacity) {
        return;
    }
    size_t larger = *capacity == 0 ? FIRST_CAPACITY : *capacity;
    while (larger < needed) {
        larger *= 2;
    }
    uint8_t *grown = realloc(*array, larger * item_bytes);
    ASSERT(grown != NULL);
    memset(grown + *capacity * item_bytes, 0, (larger - *capacity) * item_bytes);
    *array = grown;
    *capacity = larger;
}
