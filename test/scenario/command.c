/* command.c: words and numbers of a command, and the table of commands. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "scenario/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "scenario/actions.h"

void command_fail(const struct command *command, const char *format, ...)
{
    va_list arguments;
    (void)fprintf(stderr, "%s: ", command->place);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    exit(2);
}

uint64_t command_number(const struct command *command, const char *word)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(word, &end, 10);
    if (errno != 0 || end == word || *end != '\0' || *word == '-') {
        command_fail(command, "not a number: %s", word);
    }
    return value;
}

const char *command_option(const struct command *command, const char *key)
{
    size_t length = strlen(key);
    for (size_t i = 1; i < command->count; i++) {
        const char *word = command->words[i];
        if (strncmp(word, key, length) == 0 && word[length] == '=') {
            return word + length + 1;
        }
    }
    return NULL;
}

uint64_t command_option_number(const struct command *command, const char *key, uint64_t value)
{
    const char *word = command_option(command, key);
    return word == NULL ? value : command_number(command, word);
}

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

size_t command_ids(const struct command *command, const char *word, node_id *ids)
{
    size_t count = 0;
    while (word != NULL && *word != '\0') {
        char *end = NULL;
        ids[count] = strtoull(word, &end, 10);
        if (end == word || (*end != ',' && *end != '\0') || ids[count] >= NODES_MAX ||
            count + 1 == NODES_MAX) {
            command_fail(command, "not a list of ids: %s", word);
        }
        count++;
        word = *end == ',' ? end + 1 : end;
    }
    return count;
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

/* Where the word that begins here ends; spaces within quotes do not end it. */
static char *word_end(char *at)
{
    bool is_quoted = false;
    while (*at != '\0' && (is_quoted || *at != ' ')) {
        is_quoted = is_quoted != (*at == '"');
        at++;
    }
    return at;
}

static void split(struct command *command, char *line)
{
    command->count = 0;
    while (true) {
        line += strspn(line, " ");
        if (*line == '\0') {
            return;
        }
        if (command->count == WORDS_MAX) {
            command_fail(command, "more than %d words", WORDS_MAX);
        }
        command->words[command->count++] = line;
        line = word_end(line);
        if (*line == '\0') {
            return;
        }
        *line++ = '\0';
    }
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

/* Take the words in front that say how much is printed and how often. */
static uint64_t take_modifiers(struct command *command)
{
    uint64_t repeats = 1;
    command->cluster->verbosity = SAY_ALL;
    while (command->count > 1) {
        size_t taken = 1;
        if (strcmp(command->words[0], "quiet") == 0) {
            command->cluster->verbosity = SAY_ROLES;
        } else if (strcmp(command->words[0], "silent") == 0) {
            command->cluster->verbosity = SAY_NOTHING;
        } else if (strcmp(command->words[0], "repeat") == 0) {
            repeats = command_number(command, command->words[1]);
            taken = 2;
        } else {
            break;
        }
        command->count -= taken;
        memmove(command->words, command->words + taken, command->count * sizeof(command->words[0]));
    }
    return repeats;
}

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
    split(&command, line);
    uint64_t repeats = take_modifiers(&command);
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
