/* check_names.c: who goes for its name goes for one that is there, and was not there before it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/swim/check.h"

/* As long as an answer of one that has stopped since may be under way, or wait to be read. */
#define ANSWER_NS (20 * NS_PER_S)

static bool is_of_name(const struct world *world, uint32_t node, uint32_t other)
{
    return node != other && world->nodes[node].name == world->nodes[other].name;
}

void check_names_twin(struct checks *checks, uint32_t node, bool is_peaceful)
{
    struct world *world = checks->world;
    bool is_alone = true;
    for (uint32_t other = 0; other < world->node_count; other++) {
        is_alone = is_alone && (!is_of_name(world, node, other) || !world_is_up(world, other));
    }
    checks->is_incumbent[node] = checks->is_incumbent[node] ||
                                 (is_peaceful && is_alone && world_status(world, node).is_joined);
}

void check_names_news(struct checks *checks, uint32_t node, const struct swim_news *news)
{
    struct world *world = checks->world;
    if (news->type != SWIM_NEWS_NAME_TAKEN || news->id != world->nodes[node].id) {
        return;
    }
    if (checks->is_incumbent[node]) {
        world_fail(world, "incumbent_out", "node %" PRIu32 " goes for a newcomer of its name",
                   node);
    }
    for (uint32_t other = 0; other < world->node_count; other++) {
        bool is_there = world->nodes[other].swim != NULL ||
                        (world->nodes[other].lives > 0 &&
                         world->now_ns - world->nodes[other].stopped_ns < ANSWER_NS);
        if (is_of_name(world, node, other) && is_there) {
            return;
        }
    }
    world_fail(world, "out_for_nobody", "node %" PRIu32 " goes for its name, which nobody has",
               node);
}
