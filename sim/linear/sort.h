/* sort.h: a merge sort without recursion and without libc, for what has a total order. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_LINEAR_SORT_H
#define SIM_LINEAR_SORT_H

#include "base/types.h"

struct sort_item {
    uint64_t major;
    uint64_t minor;
    uint32_t index; /* last in the order, so that it is total */
};

/* Sort by major, minor, index; `scratch` has room for as many. Cost: n log n, n if sorted. */
void sort_items(struct sort_item *items, struct sort_item *scratch, size_t count);

#endif
