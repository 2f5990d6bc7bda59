/* swim_command.c: the commands of scenarios about SWIM. What they do: README.md. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "scenario/command.h"

#define GOSSIP_BYTES 1000 /* of a message written by hand */

static node_id new_id(const struct command *command, node_id id)
{
    if (id >= NODES_MAX || command->swim->hosts[id].exists) {
        command_fail(command, "this id cannot be added");
    }
    return id;
}

static uint64_t number_at(const struct command *command, size_t at)
{
    if (at >= command->count) {
        command_fail(command, "a number is missing");
    }
    return command_number(command, command->words[at]);
}

static node_id running_at(const struct command *command, size_t at)
{
    node_id id = number_at(command, at);
    if (swim_cluster_running(command->swim, id) == NULL) {
        command_fail(command, "node %s is not running", command->words[at]);
    }
    return id;
}

static void add_nodes(const struct command *command)
{
    node_id count = number_at(command, 1);
    for (node_id id = 1; id <= count; id++) {
        (void)swim_cluster_add(command->swim, new_id(command, id));
        swim_cluster_start(command->swim, id, NULL, 0);
    }
    swim_cluster_introduce(command->swim);
}

static void set_text(const struct command *command, const char *key, char *out, size_t out_bytes)
{
    const char *value = command_option(command, key);
    if (value != NULL && (size_t)snprintf(out, out_bytes, "%s", value) >= out_bytes) {
        command_fail(command, "%s is too long", key);
    }
}

static void set_profile(const struct command *command, struct swim_profile *profile)
{
    set_text(command, "name", profile->name, sizeof(profile->name));
    set_text(command, "address", profile->peer, sizeof(profile->peer));
    profile->health = (uint8_t)command_option_number(command, "health", profile->health);
}

/* [incarnation=N] [name=NAME] [address=ADDRESS] [join=ID,...] */
static void start(const struct command *command, node_id id)
{
    struct swim_host *host = &command->swim->hosts[id];
    node_id ids[NODES_MAX];
    const char *seeds[NODES_MAX];
    size_t count = command_ids(command, command_option(command, "join"), ids);
    host->incarnation = command_option_number(command, "incarnation", host->incarnation);
    set_profile(command, &host->profile);
    for (size_t i = 0; i < count; i++) {
        seeds[i] = command->swim->hosts[ids[i]].profile.peer;
    }
    swim_cluster_start(command->swim, id, seeds, count);
}

static void add_node(const struct command *command)
{
    node_id id = new_id(command, number_at(command, 1));
    (void)swim_cluster_add(command->swim, id);
    start(command, id);
}

static void crash(const struct command *command)
{
    swim_cluster_crash(command->swim, running_at(command, 1));
}

static void restart(const struct command *command)
{
    node_id id = number_at(command, 1);
    if (id >= NODES_MAX || !command->swim->hosts[id].exists ||
        command->swim->hosts[id].swim != NULL) {
        command_fail(command, "node %s is not down", command->words[1]);
    }
    start(command, id);
}

static void set_options(const struct command *command)
{
    struct swim_options *options = &command->swim->options;
    struct {
        const char *key;
        time_ns *ns;
    } spans[] = {
        {"period-ms", &options->period_ns},     {"ping-ms", &options->ping_timeout_ns},
        {"hint-ms", &options->hint_timeout_ns}, {"suspicion-ms", &options->suspicion_ns},
        {"gossip-ms", &options->gossip_ns},     {"sync-ms", &options->sync_ns},
        {"reap-ms", &options->reap_ns},         {"leave-ms", &options->leave_ns},
    };
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        *spans[i].ns =
            command_option_number(command, spans[i].key, *spans[i].ns / NS_PER_MS) * NS_PER_MS;
    }
    options->indirect_pings =
        (uint32_t)command_option_number(command, "indirect", options->indirect_pings);
    options->dead_quorum = (uint32_t)command_option_number(command, "quorum", options->dead_quorum);
    options->has_lifeguard = command_option_number(command, "lifeguard", 1) == 1;
}

static void tick(const struct command *command)
{
    struct swim_cluster *cluster = command->swim;
    node_id id = running_at(command, 1);
    time_ns due_ns = swim_deadline(cluster->hosts[id].swim);
    if (due_ns == TIME_NEVER) {
        swim_print_line(cluster, SAY_NOTHING, "%s waits for no time", command->words[1]);
        return;
    }
    cluster->now_ns = max_u64(cluster->now_ns, due_ns);
    swim_cluster_step(cluster, id, (struct swim_event){.type = SWIM_EVENT_TICK});
}

static void advance(const struct command *command)
{
    swim_cluster_pass(command->swim, number_at(command, 1), false);
}

static void run(const struct command *command)
{
    swim_cluster_pass(command->swim, number_at(command, 1), true);
}

static void settle(const struct command *command)
{
    swim_network_settle(command->swim);
}

static uint8_t type_of(const struct command *command, const char *word)
{
#define X(name, value, member, text, fields)                                                       \
    if (strcmp(word, text) == 0) {                                                                 \
        return name;                                                                               \
    }
    SWIM_MESSAGE_MAP(X)
#undef X
    command_fail(command, "not a type of message: %s", word);
}

/* [from=ID] [to=ID] [type=TYPE] [way=packet|stream] [count=N] */
static void act(const struct command *command, enum packet_action action)
{
    const char *type = command_option(command, "type");
    const char *way = command_option(command, "way");
    struct swim_filter filter = {
        .has_from = command_option(command, "from") != NULL,
        .has_to = command_option(command, "to") != NULL,
        .has_way = way != NULL,
        .is_stream = way != NULL && strcmp(way, "stream") == 0,
        .from = command_option_number(command, "from", 0),
        .to = command_option_number(command, "to", 0),
        .type = type == NULL ? 0 : type_of(command, type),
        .count = command_option_number(command, "count", FLIGHTS_MAX),
    };
    /* Something must match: else the scenario is not about what its author thinks. */
    if (swim_network_act(command->swim, action, &filter) == 0) {
        swim_print_line(command->swim, SAY_NOTHING, "no such message is in flight");
    }
}

static void deliver(const struct command *command)
{
    act(command, PACKET_DELIVER);
}

static void drop(const struct command *command)
{
    act(command, PACKET_DROP);
}

static void duplicate(const struct command *command)
{
    act(command, PACKET_DUPLICATE);
}

/* partition 1,2 | 3: who is not named stays with the first side. */
static void partition(const struct command *command)
{
    struct swim_cluster *cluster = command->swim;
    unsigned sides[NODES_MAX] = {0};
    unsigned side = 0;
    for (size_t i = 1; i < command->count; i++) {
        node_id ids[NODES_MAX];
        if (strcmp(command->words[i], "|") == 0) {
            side++;
            continue;
        }
        size_t count = command_ids(command, command->words[i], ids);
        for (size_t n = 0; n < count; n++) {
            sides[ids[n]] = side;
        }
    }
    for (node_id a = 0; a < NODES_MAX; a++) {
        for (node_id b = 0; b < NODES_MAX; b++) {
            cluster->is_cut[a][b] = sides[a] != sides[b];
        }
    }
    swim_network_cut(cluster);
}

/* FROM->TO */
static void way_of(const struct command *command, size_t at, node_id *from, node_id *to)
{
    const char *word = at < command->count ? command->words[at] : "";
    char *end = NULL;
    *from = strtoull(word, &end, 10);
    if (end == word || strncmp(end, "->", 2) != 0) {
        command_fail(command, "not FROM->TO: %s", word);
    }
    *to = command_number(command, end + 2);
    if (*from >= NODES_MAX || *to >= NODES_MAX) {
        command_fail(command, "ids are below %d", NODES_MAX);
    }
}

static void cut(const struct command *command)
{
    for (size_t i = 1; i < command->count; i++) {
        node_id from, to;
        way_of(command, i, &from, &to);
        command->swim->is_cut[from][to] = true;
    }
    swim_network_cut(command->swim);
}

static void heal(const struct command *command)
{
    memset(command->swim->is_cut, 0, sizeof(command->swim->is_cut));
}

static void leave(const struct command *command)
{
    static const char *const reasons[] = {
        [SWIM_REASON_SHUTDOWN] = "shutdown",
        [SWIM_REASON_REMOVED] = "removed",
        [SWIM_REASON_RESTART] = "restart",
    };
    node_id id = running_at(command, 1);
    for (size_t i = SWIM_REASON_SHUTDOWN; i <= SWIM_REASON_RESTART; i++) {
        if (command->count > 2 && strcmp(command->words[2], reasons[i]) == 0) {
            swim_cluster_step(
                command->swim, id,
                (struct swim_event){.type = SWIM_EVENT_LEAVE, .leave = (enum swim_reason)i});
            return;
        }
    }
    command_fail(command, "shutdown, removed or restart");
}

static void change_profile(const struct command *command)
{
    node_id id = running_at(command, 1);
    struct swim_host *host = &command->swim->hosts[id];
    set_profile(command, &host->profile);
    swim_cluster_step(command->swim, id,
                      (struct swim_event){.type = SWIM_EVENT_PROFILE, .profile = &host->profile});
}

static void tell_leader(const struct command *command)
{
    swim_cluster_step(command->swim, running_at(command, 1),
                      (struct swim_event){
                          .type = SWIM_EVENT_LEADER,
                          .leader = {.leader = number_at(command, 2),
                                     .term = command_option_number(command, "term", 1)},
                      });
}

static void hint(const struct command *command)
{
    bool is_refused = command->count > 3 && strcmp(command->words[3], "refused") == 0;
    swim_cluster_step(command->swim, running_at(command, 1),
                      (struct swim_event){
                          .type = SWIM_EVENT_HINT,
                          .hint = {.id = number_at(command, 2), .is_refused = is_refused},
                      });
}

static uint8_t state_of(const struct command *command, const char *word)
{
#define X(name, value, text)                                                                       \
    if (strcmp(word, text) == 0) {                                                                 \
        return name;                                                                               \
    }
    SWIM_STATE_MAP(X)
#undef X
    command_fail(command, "not a state: %s", word);
}

/* say FROM->TO STATE ID incarnation=N [by=ID]: a rumour reaches TO at once. */
static void say(const struct command *command)
{
    struct swim_cluster *cluster = command->swim;
    uint8_t bytes[SWIM_PROFILE_BYTES_MAX];
    node_id from, to;
    way_of(command, 1, &from, &to);
    if (command->count < 4 || swim_cluster_running(cluster, to) == NULL) {
        command_fail(command, "FROM->TO STATE ID");
    }
    struct swim_update update = {
        .state = state_of(command, command->words[2]),
        .id = number_at(command, 3),
        .incarnation = command_option_number(command, "incarnation", 1),
        .accuser = command_option_number(command, "by", 0),
    };
    if (update.state == SWIM_ALIVE) {
        struct swim_profile profile = cluster->hosts[update.id % NODES_MAX].profile;
        profile.started = update.incarnation;
        update.profile = (struct swim_blob){bytes, (uint16_t)swim_profile_encode(&profile, bytes)};
    }
    struct swim_message message = {
        .type = SWIM_GOSSIP,
        .cluster = cluster->options.cluster,
        .from = from,
        .updates = &update,
        .update_count = 1,
    };
    swim_cluster_step(cluster, to,
                      (struct swim_event){
                          .type = SWIM_EVENT_PACKET,
                          .received = {.message = &message,
                                       .source = cluster->hosts[from].profile.peer,
                                       .size_bytes = GOSSIP_BYTES},
                      });
}

static void members(const struct command *command)
{
    swim_print_members(command->swim, running_at(command, 1));
}

static const struct {
    const char *name;
    void (*run)(const struct command *command);
} swim_commands[] = {
    {"add-node", add_node},
    {"add-nodes", add_nodes},
    {"advance", advance},
    {"crash", crash},
    {"cut", cut},
    {"deliver", deliver},
    {"drop", drop},
    {"duplicate", duplicate},
    {"heal", heal},
    {"hint", hint},
    {"leader", tell_leader},
    {"leave", leave},
    {"members", members},
    {"options", set_options},
    {"partition", partition},
    {"profile", change_profile},
    {"restart", restart},
    {"run", run},
    {"say", say},
    {"settle", settle},
    {"tick", tick},
};

void swim_command_run(struct swim_cluster *cluster, const char *place, char *line)
{
    struct command command = {.swim = cluster, .place = place};
    command_split(&command, line);
    uint64_t repeats = command_take_modifiers(&command, &cluster->verbosity);
    if (command.count == 0) {
        command_fail(&command, "a command is missing");
    }
    for (size_t c = 0; c < sizeof(swim_commands) / sizeof(swim_commands[0]); c++) {
        if (strcmp(command.words[0], swim_commands[c].name) == 0) {
            for (uint64_t i = 0; i < repeats; i++) {
                swim_commands[c].run(&command);
            }
            return;
        }
    }
    command_fail(&command, "not a command: %s", command.words[0]);
}
