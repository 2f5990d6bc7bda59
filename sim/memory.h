/* memory.h: memory for the simulator's own books; running out of it ends the process. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stddef.h>

/* Zeroed. */
void *sim_allocate(size_t count, size_t item_bytes);
void sim_release(void *memory);

/* Let the array have room for `needed` items at least; new ones are zero. */
void sim_grow(void **array, size_t *capacity, size_t needed, size_t item_bytes);

#endif
