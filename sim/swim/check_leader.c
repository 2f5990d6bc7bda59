/* check_leader.c: who leads: the term never goes back, a term has one leader, all hear of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/swim/check.h"

void check_leader_news(struct checks *checks, uint32_t node, const struct swim_news *news)
{
    if (news->type != SWIM_NEWS_LEADER) {
        return;
    }
    bool is_own = news->source == checks->world->nodes[node].id; /* Raft there said so */
    bool is_second = news->term == checks->term[node] && news->id != checks->leader[node];
    if (!is_own && (news->term < checks->term[node] || is_second)) {
        world_fail(checks->world, is_second ? "leader_second" : "leader_goes_back",
                   "node %" PRIu32 " knew a leader of term %" PRIu64 ", and now one of %" PRIu64,
                   node, checks->term[node], news->term);
    }
    checks->term[node] = news->term;
    checks->leader[node] = news->id;
}

void check_leader_at_rest(struct checks *checks)
{
    struct world *world = checks->world;
    raft_term highest = 0;
    for (uint32_t node = 0; node < world->node_count; node++) {
        if (world_is_up(world, node) && world_status(world, node).leader_term > highest) {
            highest = world_status(world, node).leader_term;
        }
    }
    for (uint32_t node = 0; node < world->node_count; node++) {
        if (world_is_up(world, node) && world_status(world, node).leader_term != highest) {
            world_fail(world, "leader_unheard",
                       "node %" PRIu32 " knows term %" PRIu64 " of %" PRIu64, node,
                       world_status(world, node).leader_term, highest);
        }
    }
}
