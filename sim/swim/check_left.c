/* check_left.c: who left by its own will, in reach of all, is not taken for dead. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/swim/check.h"

void check_left_at_rest(struct checks *checks)
{
    struct world *world = checks->world;
    struct swim_member_status member;
    for (uint32_t node = 0; node < world->node_count; node++) {
        for (uint32_t about = 0; about < world->node_count && world_is_up(world, node); about++) {
            if (checks->has_left_in_peace[about] &&
                swim_member(world->nodes[node].swim, world->nodes[about].id, &member) &&
                member.state != SWIM_LEFT) {
                world_fail(world, "left_held_dead", "node %" PRIu32 " holds %" PRIu32 " for %s",
                           node, about, swim_state_name(member.state));
            }
        }
    }
}
