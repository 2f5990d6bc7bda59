/* command.c: the table of commands about Raft, and what they name. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "scenario/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "scenario/actions.h"

node_id command_node(const struct command *command, size_t at)
{
    if (at >= command->count) {
        command_fail(command, "which node?");
    }
    node_id id = command_number(command, command->words[at]);
    if (cluster_running(command->cluster, id) == NULL) {
        command_fail(command, "node %s is not running", command->words[at]);
    }
    return id;
}

enum raft_message_type command_message_type(const struct command *command, const char *word)
{
#define X(name, value, member, text, fields)                                                       \
    if (strcmp(word, text) == 0) {                                                                 \
        return name;                                                                               \
    }
    RAFT_MESSAGE_MAP(X)
#undef X
    command_fail(command, "not a type of message: %s", word);
}

struct command_case {
    const char *name;
    void (*run)(const struct command *command);
};

static const struct command_case command_cases[] = {
    {"add-empty", action_add_empty},
    {"add-nodes", action_add_nodes},
    {"advance", action_advance},
    {"applied", action_applied},
    {"compact", action_compact},
    {"configure", action_configure},
    {"crash", action_crash},
    {"deliver", action_deliver},
    {"drop", action_drop},
    {"duplicate", action_duplicate},
    {"elect", action_elect},
    {"end-sending", action_end_sending},
    {"fail-save", action_fail_save},
    {"fetched", action_fetched},
    {"heal", action_heal},
    {"hold-fetches", action_hold_fetches},
    {"hold-saves", action_hold_saves},
    {"hold-sendings", action_hold_sendings},
    {"inject", command_inject},
    {"installed", action_installed},
    {"leader-lost", action_leader_lost},
    {"log", action_log},
    {"notify", action_notify},
    {"options", action_options},
    {"partition", action_partition},
    {"propose", action_propose},
    {"read", action_read},
    {"read-lease", action_read_lease},
    {"recover", action_recover},
    {"release-saves", action_release_saves},
    {"release-sendings", action_release_sendings},
    {"reorder", action_reorder},
    {"restart", action_restart},
    {"run", action_run},
    {"saved", action_saved},
    {"send-piece", action_send_piece},
    {"snapshot", action_snapshot},
    {"stabilize", action_stabilize},
    {"stall", action_stall},
    {"status", action_status},
    {"tick", action_tick},
    {"tick-heartbeat", action_tick_heartbeat},
    {"transfer", action_transfer},
};

/* Fetches are answered at the end of each command, unless a scenario wants to do that. */
static void answer_fetches(struct cluster *cluster)
{
    for (node_id id = 0; id < NODES_MAX && !cluster->is_fetching_by_hand; id++) {
        while (disk_fetched(cluster, id, 0)) {
        }
    }
}

void command_run(struct cluster *cluster, const char *place, char *line)
{
    struct command command = {.cluster = cluster, .place = place};
    command_split(&command, line);
    uint64_t repeats = command_take_modifiers(&command, &cluster->verbosity);
    if (command.count == 0) {
        command_fail(&command, "a command is missing");
    }
    for (size_t c = 0; c < sizeof(command_cases) / sizeof(command_cases[0]); c++) {
        if (strcmp(command.words[0], command_cases[c].name) == 0) {
            for (uint64_t i = 0; i < repeats; i++) {
                command_cases[c].run(&command);
                answer_fetches(cluster);
            }
            check_cluster(cluster);
            return;
        }
    }
    command_fail(&command, "not a command: %s", command.words[0]);
}
