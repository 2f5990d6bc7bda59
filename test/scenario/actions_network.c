/* actions_network.c: commands about messages in flight and who can reach whom. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "scenario/actions.h"

static struct packet_filter filter_of(const struct command *command)
{
    struct packet_filter filter = {.count = NETWORK_MAX};
    for (size_t i = 1; i < command->count; i++) {
        const char *word = command->words[i];
        if (strncmp(word, "from=", 5) == 0) {
            filter.has_from = true;
            filter.from = command_number(command, word + 5);
        } else if (strncmp(word, "to=", 3) == 0) {
            filter.has_to = true;
            filter.to = command_number(command, word + 3);
        } else if (strncmp(word, "type=", 5) == 0) {
            filter.type = (uint8_t)command_message_type(command, word + 5);
        } else if (strncmp(word, "count=", 6) == 0) {
            filter.count = command_number(command, word + 6);
        } else {
            command_fail(command, "from=, to=, type= or count=, not %s", word);
        }
    }
    return filter;
}

/* Something must match: else the scenario is not about what its author thinks. */
static void act(const struct command *command, enum packet_action action)
{
    struct packet_filter filter = filter_of(command);
    if (network_act(command->cluster, action, &filter) == 0) {
        print_line(command->cluster, SAY_NOTHING, "no such message is in flight");
    }
}

void action_deliver(const struct command *command)
{
    act(command, PACKET_DELIVER);
}

void action_drop(const struct command *command)
{
    act(command, PACKET_DROP);
}

void action_duplicate(const struct command *command)
{
    act(command, PACKET_DUPLICATE);
}

void action_reorder(const struct command *command)
{
    struct packet_filter filter = filter_of(command);
    (void)network_act(command->cluster, PACKET_REORDER, &filter);
}

/* partition 1,2 | 3: who is not named stays with the first side. */
void action_partition(const struct command *command)
{
    struct cluster *cluster = command->cluster;
    unsigned side = 0;
    memset(cluster->side, 0, sizeof(cluster->side));
    for (size_t i = 1; i < command->count; i++) {
        if (strcmp(command->words[i], "|") == 0) {
            side++;
            continue;
        }
        node_id ids[NODES_MAX];
        size_t count = command_ids(command, command->words[i], ids);
        for (size_t n = 0; n < count; n++) {
            cluster->side[ids[n]] = side;
        }
    }
    network_cut(cluster);
}

void action_heal(const struct command *command)
{
    memset(command->cluster->side, 0, sizeof(command->cluster->side));
}
