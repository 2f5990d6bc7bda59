/* configurations.c: what is explored, and within which bounds. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sim/model/model.h"

#define NODE(id) (1U << ((id)-1))
#define NODES_3 (NODE(1) | NODE(2) | NODE(3))
#define NODES_4 (NODES_3 | NODE(4))

static const struct model_configuration configurations[] = {
    {
        .name = "three",
        .what = "three voters from their first start: a bit of everything",
        .node_count = 3,
        .voters = NODES_3,
        .alike = NODES_3,
        .bounds = {.term = 3,
                   .in_flight = 2,
                   .saves = 2,
                   .timeouts = 2,
                   .crashes = 1,
                   .duplicates = 1,
                   .proposals = 1},
    },
    {
        .name = "elections",
        .what = "three voters that elect again and again",
        .node_count = 3,
        .voters = NODES_3,
        .alike = NODES_3,
        .bounds = {.term = 4, .in_flight = 2, .saves = 2, .timeouts = 3, .crashes = 1},
    },
    {
        .name = "entries",
        .what = "a leader, two entries, and another leader",
        .node_count = 3,
        .voters = NODES_3,
        .alike = NODES_3,
        .start = MODEL_START_LED,
        .bounds = {.term = 3, .in_flight = 2, .saves = 2, .timeouts = 2, .proposals = 2},
    },
    {
        .name = "crashes",
        .what = "a leader, entries and a read, and crashes",
        .node_count = 3,
        .voters = NODES_3,
        .alike = NODES_3,
        .start = MODEL_START_LED,
        .bounds = {.term = 3,
                   .in_flight = 2,
                   .saves = 2,
                   .timeouts = 1,
                   .crashes = 2,
                   .proposals = 1,
                   .reads = 1},
    },
    {
        .name = "old-terms",
        .what = "leaders that come back and find entries of old terms (Raft, figure 8)",
        .node_count = 3,
        .voters = NODES_3,
        .alike = NODES_3,
        .saves_at_once = true,
        .bounds = {.term = 4, .in_flight = 2, .saves = 1, .timeouts = 3, .crashes = 2},
    },
    {
        .name = "reads",
        .what = "reads of leaders that may be deposed",
        .node_count = 3,
        .voters = NODES_3,
        .alike = NODES_3,
        .start = MODEL_START_LED,
        .bounds =
            {.term = 3, .in_flight = 2, .saves = 2, .timeouts = 2, .proposals = 1, .reads = 2},
    },
    {
        .name = "turns",
        .what = "any number of events on a node before what they cause is taken",
        .node_count = 3,
        .voters = NODES_3,
        .alike = NODES_3,
        .has_turns = true,
        .bounds = {.term = 3, .in_flight = 2, .saves = 2, .timeouts = 2, .proposals = 1},
    },
    {
        .name = "snapshots",
        .what = "a log is compacted, and who needs what is gone gets a snapshot",
        .node_count = 3,
        .voters = NODES_3,
        .alike = NODES_3,
        .start = MODEL_START_LED,
        .bounds = {.term = 3,
                   .in_flight = 2,
                   .saves = 2,
                   .timeouts = 2,
                   .duplicates = 1,
                   .proposals = 1,
                   .compactions = 2},
    },
    {
        .name = "conflicts",
        .what = "a leader nobody heard of finds its entries replaced, and compacted",
        .node_count = 3,
        .voters = NODES_3,
        .alike = NODES_3,
        .start = MODEL_START_UNHEARD,
        .bounds =
            {.term = 3, .in_flight = 2, .saves = 2, .timeouts = 2, .crashes = 1, .compactions = 1},
    },
    {
        .name = "add",
        .what = "a fourth node with an empty disk becomes a voter",
        .node_count = 4,
        .voters = NODES_3,
        .alike = NODES_3,
        .start = MODEL_START_LED,
        .change = MODEL_ADD_4,
        .bounds = {.term = 3, .in_flight = 2, .saves = 2, .timeouts = 2, .changes = 1},
    },
    {
        .name = "promote",
        .what = "a learner becomes a voter",
        .node_count = 4,
        .voters = NODES_3,
        .learners = NODE(4),
        .alike = NODES_3,
        .start = MODEL_START_LED,
        .change = MODEL_ADD_4,
        .bounds =
            {.term = 3, .in_flight = 2, .saves = 2, .timeouts = 2, .crashes = 1, .changes = 1},
    },
    {
        .name = "remove",
        .what = "one of four voters is removed, the leader too",
        .node_count = 4,
        .voters = NODES_4,
        .alike = NODES_4,
        .start = MODEL_START_LED,
        .change = MODEL_REMOVE_ANY,
        .bounds =
            {.term = 3, .in_flight = 2, .saves = 2, .timeouts = 2, .crashes = 1, .changes = 1},
    },
    {
        .name = "removals",
        .what = "three voters, and two removals one behind the other",
        .node_count = 3,
        .voters = NODES_3,
        .alike = NODES_3,
        .start = MODEL_START_LED,
        .change = MODEL_REMOVE_ANY,
        .bounds =
            {.term = 4, .in_flight = 2, .saves = 2, .timeouts = 2, .crashes = 1, .changes = 2},
    },
    {
        .name = "rivals",
        .what = "four voters, of which two lead in turn and remove one another",
        .node_count = 4,
        .voters = NODES_4,
        .alike = NODE(3) | NODE(4),
        .passive = NODE(3) | NODE(4),
        .start = MODEL_START_UNHEARD,
        .saves_at_once = true,
        .change = MODEL_REMOVE_RIVAL,
        .bounds =
            {.term = 4, .in_flight = 2, .saves = 1, .timeouts = 3, .crashes = 1, .changes = 2},
    },
    {
        .name = "joint",
        .what = "three voters become two, one of them new, by way of a joint configuration",
        .node_count = 4,
        .voters = NODES_3,
        .learners = NODE(4),
        .alike = NODE(1) | NODE(2),
        .start = MODEL_START_LED,
        .change = MODEL_TO_NEXT,
        .next_voters = NODE(3) | NODE(4),
        .bounds =
            {.term = 3, .in_flight = 2, .saves = 2, .timeouts = 2, .crashes = 1, .changes = 1},
    },
    {
        .name = "transfer",
        .what = "a leader that is asked to hand over, to anybody",
        .node_count = 3,
        .voters = NODES_3,
        .alike = NODES_3,
        .start = MODEL_START_LED,
        .bounds = {.term = 4,
                   .in_flight = 2,
                   .saves = 2,
                   .timeouts = 1,
                   .crashes = 1,
                   .proposals = 1,
                   .transfers = 1},
    },
    {
        .name = "hints",
        .what = "a leader that seems to be gone, to any who follow it, truly or not",
        .node_count = 3,
        .voters = NODES_3,
        .start = MODEL_START_LED,
        .bounds =
            {.term = 3, .in_flight = 2, .saves = 2, .timeouts = 2, .proposals = 1, .hints = 2},
    },
    {
        .name = "hint-crashes",
        .what = "the same, with a crash",
        .node_count = 3,
        .voters = NODES_3,
        .start = MODEL_START_LED,
        .bounds = {.term = 3, .in_flight = 2, .saves = 2, .timeouts = 2, .crashes = 1, .hints = 2},
    },
};

const struct model_configuration *model_configurations(size_t *count)
{
    *count = sizeof(configurations) / sizeof(configurations[0]);
    return configurations;
}

const struct model_configuration *model_configuration_find(const char *name)
{
    for (size_t i = 0; i < sizeof(configurations) / sizeof(configurations[0]); i++) {
        if (strcmp(configurations[i].name, name) == 0) {
            return &configurations[i];
        }
    }
    return NULL;
}
