/* check_agree.c: after quiet all who live hold exactly those for alive, at one incarnation. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/swim/check.h"

static void check_pair(struct checks *checks, uint32_t node, uint32_t about)
{
    struct world *world = checks->world;
    struct swim_member_status member;
    bool is_known = swim_member(world->nodes[node].swim, world->nodes[about].id, &member);
    bool is_held = is_known && (member.state == SWIM_ALIVE || member.state == SWIM_SUSPECT);
    if (!world_is_up(world, about)) {
        if (is_held) {
            world_fail(world, "dead_held_live", "node %" PRIu32 " holds %" PRIu32 " for live", node,
                       about);
        }
        return;
    }
    if (!is_held || member.state != SWIM_ALIVE) {
        world_fail(world, "live_held_dead", "node %" PRIu32 " holds %" PRIu32 " for %s", node,
                   about, is_known ? swim_state_name(member.state) : "nobody");
    } else if (member.incarnation != world_status(world, about).incarnation) {
        world_fail(world, "disagree", "node %" PRIu32 " holds %" PRIu32 " at another incarnation",
                   node, about);
    }
}

/* Before the others look: of two with one name nobody holds both for alive. */
static void check_names_once(struct world *world)
{
    for (uint32_t node = 0; node < world->node_count; node++) {
        for (uint32_t about = 0; about < node; about++) {
            if (world_is_up(world, node) && world_is_up(world, about) &&
                world->nodes[about].name == world->nodes[node].name) {
                world_fail(world, "one_name_twice", "nodes %" PRIu32 " and %" PRIu32, about, node);
            }
        }
    }
}

void check_agree_at_rest(struct checks *checks)
{
    struct world *world = checks->world;
    uint64_t digest = 0;
    check_names_once(world);
    for (uint32_t node = 0; node < world->node_count; node++) {
        if (!world_is_up(world, node)) {
            continue;
        }
        for (uint32_t about = 0; about < world->node_count; about++) {
            check_pair(checks, node, about);
        }
        uint64_t own = world_status(world, node).digest;
        if (digest != 0 && own != digest) {
            world_fail(world, "disagree", "the digest of node %" PRIu32 " is another", node);
        }
        digest = own;
    }
}
