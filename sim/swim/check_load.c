/* check_load.c: without news a member sends what its probes are, whatever the cluster's size. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/swim/check.h"

/* A ping in a period; one of the dead tried in it at most, as long as there are some; and a
 * little, as chance has it. Answers come on top, one for each: but old packets are answered too.
 */
#define QUESTIONS_PER_PERIOD_MAX 3

void check_load_sent(struct checks *checks, const struct swim_message *message)
{
    checks->questions += message->type != SWIM_ACK && message->type != SWIM_NACK;
}

void checks_load_begin(struct checks *checks)
{
    checks->load_questions = checks->questions;
    checks->load_began_ns = checks->world->now_ns;
}

void checks_load_end(struct checks *checks)
{
    struct world *world = checks->world;
    uint64_t up = 0;
    for (uint32_t node = 0; node < world->node_count; node++) {
        up += world_is_up(world, node);
    }
    uint64_t questions = checks->questions - checks->load_questions;
    uint64_t periods = (world->now_ns - checks->load_began_ns) / world->options.period_ns;
    if (questions > QUESTIONS_PER_PERIOD_MAX * periods * up) {
        world_fail(world, "load",
                   "%" PRIu64 " packets, answers not counted, of %" PRIu64 " members in %" PRIu64
                   " periods",
                   questions, up, periods);
    }
}
