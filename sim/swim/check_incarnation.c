/* check_incarnation.c: what a member knows of another, itself included, never goes back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/swim/check.h"

void check_incarnation_stepped(struct checks *checks, uint32_t node)
{
    struct world *world = checks->world;
    struct swim_member_status member;
    for (uint32_t place = 0; swim_member_at(world->nodes[node].swim, &place, &member); place++) {
        uint32_t about = world_node_of(world, member.id);
        if (about == WORLD_NOBODY) {
            world_fail(world, "forged", "node %" PRIu32 " knows a stranger", node);
            continue;
        }
        if (member.incarnation < checks->known[node][about]) {
            world_fail(world, "incarnation_goes_back",
                       "node %" PRIu32 " holds %" PRIu32 " at %" PRIu64 " behind %" PRIu64, node,
                       about, member.incarnation, checks->known[node][about]);
        }
        checks->known[node][about] = member.incarnation;
    }
}
