/* check_witness.c: nobody declares another dead alone while it holds others for alive. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/swim/check.h"

void check_witness_news(struct checks *checks, uint32_t node, const struct swim_news *news)
{
    struct world *world = checks->world;
    if (news->type != SWIM_NEWS_DEAD || news->agreed == 0) {
        return; /* it only heard */
    }
    struct swim_status status = world_status(world, node);
    uint32_t alive = status.live_count - status.suspect_count;
    uint32_t quorum = world->options.dead_quorum;
    if (news->agreed < quorum && alive >= quorum) {
        world_fail(world, "one_witness",
                   "node %" PRIu32 " declares %" PRIu64 " dead, as %" PRIu32
                   " agree, and holds %" PRIu32 " for alive",
                   node, news->id, news->agreed, alive);
    }
}
