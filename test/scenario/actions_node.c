/* actions_node.c: commands about one node, its disk and its state machine. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "scenario/actions.h"

static void add_member(struct raft_configuration *configuration, node_id id, uint8_t roles)
{
    struct raft_member *member = &configuration->members[configuration->count++];
    *member = (struct raft_member){.id = id, .roles = roles, .priority = RAFT_PRIORITY_ORDINARY};
    (void)snprintf(member->name, sizeof(member->name), "n%llu", (unsigned long long)id);
    (void)snprintf(member->address, sizeof(member->address), "h:%llu", (unsigned long long)id);
}

static bool contains(const node_id *ids, size_t count, node_id id)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* add-nodes COUNT [first=ID] [learners=ID,…] */
void action_add_nodes(const struct command *command)
{
    struct raft_configuration *configuration = &command->cluster->scratch.configuration;
    node_id learners[NODES_MAX];
    size_t learner_count = command_ids(command, command_option(command, "learners"), learners);
    node_id first = command_option_number(command, "first", 1);
    size_t count = command->count > 1 ? command_number(command, command->words[1]) : 0;
    if (count == 0 || count > NODES_MAX || first + count > NODES_MAX) {
        command_fail(command, "ids are below %d", NODES_MAX);
    }
    *configuration = (struct raft_configuration){.index = 1};
    for (node_id id = first; id < first + count; id++) {
        bool is_learner = contains(learners, learner_count, id);
        add_member(configuration, id, is_learner ? 0 : RAFT_VOTER);
    }
    cluster_add_nodes(command->cluster, first, count, configuration);
}

void action_add_empty(const struct command *command)
{
    node_id id = command_number(command, command->count > 1 ? command->words[1] : "");
    if (id >= NODES_MAX || command->cluster->nodes[id].exists) {
        command_fail(command, "this id cannot be added");
    }
    cluster_add_empty(command->cluster, id);
}

/* `priorities=ID:PRIORITY,…`; the others' are ordinary. */
static void set_priorities(const struct command *command, struct raft_configuration *configuration)
{
    const char *word = command_option(command, "priorities");
    while (word != NULL && *word != '\0') {
        char *end = NULL;
        int at = raft_configuration_find(configuration, strtoull(word, &end, 10));
        if (at < 0 || *end != ':') {
            command_fail(command, "not MEMBER:PRIORITY,…: %s", word);
        }
        configuration->members[at].priority = (uint8_t)strtoul(end + 1, &end, 10);
        word = *end == ',' ? end + 1 : end;
    }
}

/* configure ID voters=ID,… [learners=ID,…] [priorities=ID:PRIORITY,…] */
void action_configure(const struct command *command)
{
    struct raft_configuration *configuration = &command->cluster->scratch.configuration;
    node_id id = command_node(command, 1);
    node_id ids[NODES_MAX];
    *configuration = (struct raft_configuration){0};
    size_t count = command_ids(command, command_option(command, "voters"), ids);
    for (size_t i = 0; i < count; i++) {
        add_member(configuration, ids[i], RAFT_VOTER);
    }
    count = command_ids(command, command_option(command, "learners"), ids);
    for (size_t i = 0; i < count; i++) {
        add_member(configuration, ids[i], 0);
    }
    set_priorities(command, configuration);
    struct raft_event event = {.type = RAFT_EVENT_CONFIGURE, .configuration = configuration};
    (void)cluster_step(command->cluster, id, event);
}

/* propose ID "payload"… */
void action_propose(const struct command *command)
{
    struct raft_proposal proposals[WORDS_MAX];
    node_id id = command_node(command, 1);
    size_t count = 0;
    for (size_t i = 2; i < command->count; i++) {
        const char *word = command->words[i];
        size_t length = strlen(word);
        if (length < 2 || word[0] != '"' || word[length - 1] != '"') {
            command_fail(command, "a payload stands in quotes: %s", word);
        }
        proposals[count++] = (struct raft_proposal){
            .type = ENTRY_NORMAL,
            .payload = word + 1,
            .payload_bytes = (uint32_t)(length - 2),
        };
    }
    struct raft_event event = {.type = RAFT_EVENT_PROPOSE};
    event.propose.proposals = proposals;
    event.propose.count = count;
    (void)cluster_step(command->cluster, id, event);
}

/* transfer ID TO */
void action_transfer(const struct command *command)
{
    node_id id = command_node(command, 1);
    if (command->count < 3) {
        command_fail(command, "to whom?");
    }
    struct raft_event event = {.type = RAFT_EVENT_TRANSFER};
    event.transfer_to = command_number(command, command->words[2]);
    (void)cluster_step(command->cluster, id, event);
}

/* leader-lost ID LEADER TERM */
void action_leader_lost(const struct command *command)
{
    node_id id = command_node(command, 1);
    if (command->count < 4) {
        command_fail(command, "who led, and in which term?");
    }
    struct raft_event event = {.type = RAFT_EVENT_LEADER_LOST};
    event.leader_lost.leader = command_number(command, command->words[2]);
    event.leader_lost.term = command_number(command, command->words[3]);
    (void)cluster_step(command->cluster, id, event);
}

void action_stall(const struct command *command)
{
    struct raft_event event = {.type = RAFT_EVENT_STALL, .is_stalled = true};
    (void)cluster_step(command->cluster, command_node(command, 1), event);
}

void action_recover(const struct command *command)
{
    struct raft_event event = {.type = RAFT_EVENT_STALL, .is_stalled = false};
    (void)cluster_step(command->cluster, command_node(command, 1), event);
}

static void ask(const struct command *command, enum raft_event_type type)
{
    node_id id = command_node(command, 1);
    if (command->count < 3) {
        command_fail(command, "which token?");
    }
    struct raft_event event = {.type = type};
    for (size_t i = 2; i < command->count; i++) {
        event.read_token = command_number(command, command->words[i]);
        (void)cluster_take(command->cluster, id, event);
    }
    cluster_ready(command->cluster, id);
}

/* read ID TOKEN…: those of one command are one turn */
void action_read(const struct command *command)
{
    ask(command, RAFT_EVENT_READ);
}

void action_read_lease(const struct command *command)
{
    ask(command, RAFT_EVENT_READ_LEASE);
}

/* notify ID PEER INDEX */
void action_notify(const struct command *command)
{
    node_id id = command_node(command, 1);
    if (command->count < 4) {
        command_fail(command, "which peer and index?");
    }
    struct raft_event event = {.type = RAFT_EVENT_NOTIFY};
    event.notify.peer = command_number(command, command->words[2]);
    event.notify.index = command_number(command, command->words[3]);
    (void)cluster_step(command->cluster, id, event);
}

void action_saved(const struct command *command)
{
    if (!disk_saved(command->cluster, command_node(command, 1))) {
        command_fail(command, "no save is under way");
    }
}

void action_fail_save(const struct command *command)
{
    if (!disk_fail_save(command->cluster, command_node(command, 1))) {
        command_fail(command, "no save is under way");
    }
}

void action_hold_saves(const struct command *command)
{
    command->cluster->nodes[command_node(command, 1)].is_saving_by_hand = true;
}

void action_release_saves(const struct command *command)
{
    node_id id = command_node(command, 1);
    command->cluster->nodes[id].is_saving_by_hand = false;
    while (disk_saved(command->cluster, id)) {
    }
}

void action_applied(const struct command *command)
{
    node_id id = command_node(command, 1);
    if (!disk_apply(command->cluster, id)) {
        print_line(command->cluster, SAY_NOTHING, "%llu has nothing to apply",
                   (unsigned long long)id);
    }
}

void action_hold_fetches(const struct command *command)
{
    command->cluster->is_fetching_by_hand = true;
}

/* fetched ID [error] */
void action_fetched(const struct command *command)
{
    bool is_error = command->count > 2 && strcmp(command->words[2], "error") == 0;
    node_id id = command_node(command, 1);
    if (!disk_fetched(command->cluster, id, is_error ? QR_ERR_IO : 0)) {
        command_fail(command, "no fetch waits");
    }
}

void action_crash(const struct command *command)
{
    cluster_crash(command->cluster, command_node(command, 1));
}

/* restart ID [commit=INDEX] */
void action_restart(const struct command *command)
{
    node_id id = command_number(command, command->count > 1 ? command->words[1] : "");
    if (id >= NODES_MAX || !command->cluster->nodes[id].exists) {
        command_fail(command, "there is no such node");
    }
    if (cluster_running(command->cluster, id) != NULL) {
        cluster_crash(command->cluster, id);
    }
    cluster_restart(command->cluster, id, command_option_number(command, "commit", 1));
}

void action_status(const struct command *command)
{
    print_status(command->cluster, command_node(command, 1));
}

void action_log(const struct command *command)
{
    print_log(command->cluster, command_node(command, 1));
}

/* Options hold for nodes that start later, so they stand before add-nodes. */
void action_options(const struct command *command)
{
    struct raft_options *options = &command->cluster->options;
    options->inflight_messages_max =
        (uint32_t)command_option_number(command, "inflight", options->inflight_messages_max);
    options->inflight_bytes_max =
        command_option_number(command, "inflight-bytes", options->inflight_bytes_max);
    options->append_entries_max =
        (uint32_t)command_option_number(command, "append-entries", options->append_entries_max);
    options->append_bytes_max =
        command_option_number(command, "append-bytes", options->append_bytes_max);
    options->cache_bytes_max =
        command_option_number(command, "cache-bytes", options->cache_bytes_max);
    options->uncommitted_bytes_max =
        command_option_number(command, "uncommitted-bytes", options->uncommitted_bytes_max);
    options->election_timeout_min_ns =
        NS_PER_MS * command_option_number(command, "election-min-ms",
                                          options->election_timeout_min_ns / NS_PER_MS);
    options->election_timeout_max_ns =
        NS_PER_MS * command_option_number(command, "election-max-ms",
                                          options->election_timeout_max_ns / NS_PER_MS);
    options->lease_ns =
        NS_PER_MS * command_option_number(command, "lease-ms", options->lease_ns / NS_PER_MS);
    options->keeps_promise =
        command_option_number(command, "keeps-promise", options->keeps_promise ? 1 : 0) != 0;
}
