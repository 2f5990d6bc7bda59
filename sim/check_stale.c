/* check_stale.c: a stale read is as young as it says: what had been acknowledged that long before
 * is in it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "sim/check.h"
#include "sim/memory.h"

void check_stale_acked(struct check_stale *check, uint64_t floor_index, time_ns now_ns)
{
    const struct check_floor *last = check->count == 0 ? NULL : &check->floors[check->count - 1];
    ASSERT(last == NULL || (last->index <= floor_index && last->at_ns <= now_ns));
    if (last == NULL || last->index < floor_index) {
        sim_grow((void **)&check->floors, &check->capacity, check->count + 1,
                 sizeof(*check->floors));
        check->floors[check->count++] = (struct check_floor){now_ns, floor_index};
    }
}

uint64_t check_stale_floor(const struct check_stale *check, time_ns before_ns)
{
    size_t least = 0;
    size_t most = check->count;
    while (least < most) {
        size_t middle = least + (most - least) / 2;
        if (check->floors[middle].at_ns < before_ns) {
            least = middle + 1;
        } else {
            most = middle;
        }
    }
    return least == 0 ? 0 : check->floors[least - 1].index;
}

void check_stale_deinit(struct check_stale *check)
{
    sim_release(check->floors);
}
