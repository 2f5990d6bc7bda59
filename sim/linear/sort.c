/* sort.c: a merge sort without recursion and without libc, for what has a total order. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/linear/sort.h"

#include <string.h>

static bool is_before(const struct sort_item *a, const struct sort_item *b)
{
    if (a->major != b->major) {
        return a->major < b->major;
    }
    return a->minor != b->minor ? a->minor < b->minor : a->index < b->index;
}

/* Merge items[0, middle) and items[middle, count), each in order. */
static void merge(struct sort_item *items, struct sort_item *scratch, size_t middle, size_t count)
{
    size_t left = 0;
    size_t right = middle;
    size_t out = 0;

    if (!is_before(&items[middle], &items[middle - 1])) {
        return;
    }
    memcpy(scratch, items, middle * sizeof(*items));
    while (left < middle) {
        if (right < count && is_before(&items[right], &scratch[left])) {
            items[out++] = items[right++];
        } else {
            items[out++] = scratch[left++];
        }
    }
}

void sort_items(struct sort_item *items, struct sort_item *scratch, size_t count)
{
    for (size_t run = 1; run < count; run *= 2) {
        for (size_t first = 0; first + run < count; first += 2 * run) {
            size_t length = count - first < 2 * run ? count - first : 2 * run;
            merge(items + first, scratch, run, length);
        }
    }
}
