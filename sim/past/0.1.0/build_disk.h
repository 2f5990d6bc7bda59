/* build_disk.h: the disk that a node of release 0.1.0 sees, over the simulator's.
 *
 * Owns     an operation of the boundary for each of the node's that is under way.
 * Does not know what the node writes, or what becomes of it.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_PAST_0_1_0_BUILD_DISK_H
#define SIM_PAST_0_1_0_BUILD_DISK_H

#include "base/allocator.h"
#include "sim/build.h"
#include "wal/disk.h"

struct disk_bridge_op;

struct disk_bridge {
    struct disk disk; /* what the node is given */
    const struct build_disk *below;
    const struct allocator *allocator;
    struct disk_bridge_op *spare;
    size_t op_count; /* made and not freed: spare or under way */
    size_t spare_count;
    struct disk_op *starved; /* wait, in order, for one under way to end: memory ran out */
    struct disk_op **starved_end;
};

/* Make a bridge in place; it must not move. Both pointers are borrowed until deinit.
 * Returns 0 or QR_ERR_NO_MEMORY.
 */
NODISCARD int disk_bridge_init(struct disk_bridge *bridge, const struct build_disk *below,
                               const struct allocator *allocator);

/* Nothing may be under way. */
void disk_bridge_deinit(struct disk_bridge *bridge);

#endif
