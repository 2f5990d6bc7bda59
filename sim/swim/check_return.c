/* check_return.c: who is gone comes back only by a higher incarnation, which it alone makes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/swim/check.h"

void check_return_news(struct checks *checks, uint32_t node, const struct swim_news *news)
{
    struct world *world = checks->world;
    bool is_end = news->type == SWIM_NEWS_DEAD || news->type == SWIM_NEWS_LEFT;
    if (!is_end && news->type != SWIM_NEWS_JOINED) {
        return;
    }
    uint32_t about = world_node_of(world, news->id);
    if (about == WORLD_NOBODY) {
        world_fail(world, "forged", "node %" PRIu32 " is told of a stranger", node);
        return;
    }
    uint64_t *ended = &checks->ended[node][about];
    if (is_end) {
        *ended = news->incarnation + 1;
    } else if (news->incarnation < *ended) {
        world_fail(world, "gone_returns",
                   "node %" PRIu32 " takes %" PRIu64 " at %" PRIu64 ", at which it was gone", node,
                   news->id, news->incarnation);
    }
}

/* Whoever is held for gone is not live again at that incarnation, told or not. */
void check_return_stepped(struct checks *checks, uint32_t node)
{
    struct world *world = checks->world;
    struct swim_member_status member;
    for (uint32_t place = 0; swim_member_at(world->nodes[node].swim, &place, &member); place++) {
        uint32_t about = world_node_of(world, member.id);
        if (about == WORLD_NOBODY) {
            world_fail(world, "forged", "node %" PRIu32 " knows a stranger", node);
            continue;
        }
        uint64_t ended = checks->ended[node][about];
        bool is_live = member.state == SWIM_ALIVE || member.state == SWIM_SUSPECT;
        if (is_live && member.incarnation < ended) {
            world_fail(world, "gone_returns", "node %" PRIu32 " holds %" PRIu64 " for live again",
                       node, member.id);
        }
    }
}
