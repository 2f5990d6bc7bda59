/* add.c: `quorate add`: have a node that waits join a cluster.
 *
 * The cluster is asked who it is, and the node who that is; then the node is told to join, and does
 * it as with --join: it asks, and the leader lets it in, as a learner at first. Nothing but the
 * clients' ports of both is needed.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/node_status.h"
#include "cli/redis.h"

#define LIMIT_MS 20000 /* to be let in; it goes on trying behind it, until it ends */
#define PAUSE_MS 50
#define JOIN_BYTES_MAX (QR_MEMBERS_MAX * QR_ADDRESS_BYTES_MAX)

struct add_options {
    struct cli_addresses client;
    const char *name;
    const char *at; /* HOST:PORT of the node's client port */
    struct cli_addresses node;
    bool is_learner;
    bool is_dry_run;
    bool is_json;
};

struct add {
    struct add_options options;
    redisContext *cluster;
    redisContext *node;
    struct node_status before; /* of the cluster */
    struct node_status after;
    bool is_vote_known; /* how it was let in, as the cluster has it: */
    bool wants_vote;
    struct node_status newcomer;
};

static void take_argument(struct add_options *options, char *value, struct argp_state *state)
{
    if (options->name == NULL) {
        options->name = value;
    } else if (options->at == NULL) {
        options->at = value;
        cli_addresses_option(state, "node", value, &options->node);
        if (options->node.count != 1) {
            argp_error(state, "%s is not one HOST:PORT", value);
        }
    } else {
        argp_error(state, "there is an argument too many: %s", value);
    }
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct add_options *options = state->input;
    switch (key) {
    case 'a':
        cli_addresses_option(state, "client", value, &options->client);
        return 0;
    case 'l':
        options->is_learner = true;
        return 0;
    case 'n':
        options->is_dry_run = true;
        return 0;
    case 'j':
        options->is_json = true;
        return 0;
    case ARGP_KEY_ARG:
        take_argument(options, value, state);
        return 0;
    case ARGP_KEY_END:
        if (options->at == NULL) {
            argp_error(state, "an argument is missing");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void options_parse(int argc, char **argv, struct add_options *options)
{
    static const struct argp_option known[] = {
        {"client", 'a', "HOST:PORT,...", 0,
         "members of the cluster, the first that answers; default 127.0.0.1:7701", 0},
        {"learner", 'l', NULL, 0, "it is to stay a learner", 0},
        {"dry-run", 'n', NULL, 0, "only tell whether it could be done", 0},
        {"json", 'j', NULL, 0, "print JSON", 0},
        {0},
    };
    static const char doc[] =
        "Have a node join the cluster that runs, called NAME and started with --wait, and whose "
        "clients' port is HOST:PORT.\v"
        "It is let in as a learner, and becomes a voter by itself once it has caught up, but with "
        "--learner. Refused is a node of another name, or that belongs to a cluster. Exit code 4 "
        "when it was told and was not let in yet: it goes on trying until it is restarted; then "
        "add it again.";
    const struct argp argp = {
        .options = known, .parser = parse, .args_doc = "NAME HOST:PORT", .doc = doc};
    cli_addresses_local(CLI_CLIENT_PORT, &options->client);
    cli_arguments_parse(&argp, argc, argv, options);
}

/* What QUORATE.STATUS tells: a CLI_* code. */
static int status_of(redisContext *context, const char *whose, struct node_status *out)
{
    const char *arguments[] = {"QUORATE.STATUS"};
    const size_t sizes[] = {strlen(arguments[0])};
    redisReply *reply = redis_ask(context, 1, arguments, sizes);
    int code = redis_reply_code(context, reply, false);
    if (code == CLI_DONE && (reply->type != REDIS_REPLY_STRING ||
                             node_status_parse(reply->str, (size_t)reply->len, out) != 0)) {
        code = cli_complain(CLI_FAILED, "%s answers, but not as a quorate node does", whose);
    }
    freeReplyObject(reply);
    return code;
}

static bool is_name_taken(const struct add *add)
{
    const struct node_status *cluster = &add->before;
    for (size_t i = 0; i < cluster->member_count; i++) {
        if (strcmp(cluster->members[i].name, add->options.name) == 0 &&
            strcmp(cluster->members[i].id, add->newcomer.id) != 0) {
            return true;
        }
    }
    return false;
}

/* Whether it can be done: a CLI_* code, with a complaint that says why not. */
static int judge(const struct add *add)
{
    const struct node_status *node = &add->newcomer;
    const struct add_options *options = &add->options;
    if (node_status_is_in_no_cluster(&add->before)) {
        return cli_complain(CLI_FAILED, "%s is in no cluster that another node could join",
                            add->before.name);
    }
    if (strcmp(node->name, options->name) != 0) {
        return cli_complain(CLI_FAILED, "the node at %s is called %s, and not %s; nothing was done",
                            options->at, node->name, options->name);
    }
    if (!node_status_is_in_no_cluster(node)) {
        bool is_same = strcmp(node->cluster, add->before.cluster) == 0;
        bool is_member = is_same && node_status_find(&add->before, node->id) != NULL;
        return cli_complain(CLI_FAILED, "%s %s; nothing was done", options->name,
                            is_member ? "is a member already"
                            : is_same ? "was a member of this cluster and is none any more: start "
                                        "it anew on an empty directory"
                                      : "belongs to another cluster");
    }
    if (is_name_taken(add)) {
        return cli_complain(CLI_FAILED,
                            "another member is called %s: remove that one first, or choose another "
                            "name; nothing was done",
                            options->name);
    }
    return CLI_DONE;
}

/* Tell the node to join through all members. */
static int tell(struct add *add)
{
    char join[JOIN_BYTES_MAX];
    struct text text = text_of(join, sizeof(join));
    for (size_t i = 0; i < add->before.member_count; i++) {
        text_string(&text, i == 0 ? "" : ",");
        text_string(&text, add->before.members[i].address);
    }
    const char *arguments[] = {"QUORATE.JOIN", join, "LEARNER"};
    const size_t sizes[] = {strlen(arguments[0]), strlen(join), strlen(arguments[2])};
    int count = add->options.is_learner ? 3 : 2;
    redisReply *reply = redis_ask(add->node, count, arguments, sizes);
    int code = redis_reply_code(add->node, reply, true);
    freeReplyObject(reply);
    return code;
}

/* Somebody else may have told it to join, too. */
static int judge_joined(const struct add *add)
{
    if (strcmp(add->newcomer.cluster, add->before.cluster) == 0) {
        return CLI_DONE;
    }
    return cli_complain(CLI_FAILED, "%s joined another cluster: %s, and not %s", add->options.name,
                        add->newcomer.cluster, add->before.cluster);
}

/* Wait until it belongs: a CLI_* code. */
static int await(struct add *add, time_ns limit_ns)
{
    struct node_status *node = &add->newcomer;
    while (cli_clock_ns() < limit_ns) {
        int code = status_of(add->node, add->options.at, node);
        if (code != CLI_DONE) {
            return cli_complain(CLI_UNKNOWN, "%s was told to join, and answers no more",
                                add->options.name);
        }
        if (!node_status_is_in_no_cluster(node)) {
            return judge_joined(add);
        }
        cli_sleep_ms(PAUSE_MS);
    }
    return cli_complain(CLI_UNKNOWN,
                        "%s was told to join, and was not let in yet; it goes on "
                        "trying until it is restarted%s%s",
                        add->options.name,
                        node->join_error[0] == '\0' ? "" : ". The last answer: ", node->join_error);
}

/* Whether it is to vote was its own to say: how it was let in, once the member asked has it. */
static void look_for_vote(struct add *add, time_ns limit_ns)
{
    while (cli_clock_ns() < limit_ns &&
           status_of(add->cluster, "the cluster", &add->after) == CLI_DONE) {
        const struct node_status_member *member = node_status_find(&add->after, add->newcomer.id);
        if (member != NULL) {
            add->is_vote_known = true;
            add->wants_vote = member->wants_vote || strcmp(member->kind, "voter") == 0;
            return;
        }
        cli_sleep_ms(PAUSE_MS);
    }
}

/* What is to become of it, behind "as a learner". */
static const char *fate(const struct add *add)
{
    if (add->is_vote_known) {
        return add->wants_vote ? "; it becomes a voter by itself once it has caught up"
                               : " that stays one";
    }
    return add->options.is_learner ? " that stays one"
                                   : "; it becomes a voter by itself once it has caught up, unless "
                                     "it was started with --learner";
}

static int print(const struct add *add)
{
    char line[512];
    struct text text = text_of(line, sizeof(line));
    const struct add_options *options = &add->options;
    if (options->is_json) {
        text_json_object_begin(&text);
        text_json_key(&text, "dry_run");
        text_json_bool(&text, options->is_dry_run);
        text_json_key(&text, "name");
        text_json_string(&text, options->name);
        text_json_key(&text, "id");
        text_json_string(&text, add->newcomer.id);
        text_json_key(&text, "cluster");
        text_json_string(&text, add->before.cluster);
        if (add->is_vote_known) {
            text_json_key(&text, "wants_vote");
            text_json_bool(&text, add->wants_vote);
        }
        text_json_object_end(&text);
    } else {
        text_string(&text, options->is_dry_run ? "would be done: " : "done: ");
        text_string(&text, options->name);
        text_string(&text,
                    options->is_dry_run ? " can join, as a learner" : " was let in, as a learner");
        text_string(&text, fate(add));
    }
    return cli_print_line(line);
}

static int run(struct add *add)
{
    add->cluster = redis_connect_any(&add->options.client);
    if (add->cluster == NULL) {
        return CLI_UNREACHABLE;
    }
    add->node = redis_connect_any(&add->options.node);
    if (add->node == NULL) {
        return CLI_UNREACHABLE;
    }
    int code = status_of(add->cluster, "the cluster", &add->before);
    if (code == CLI_DONE) {
        code = status_of(add->node, add->options.at, &add->newcomer);
    }
    if (code == CLI_DONE) {
        code = judge(add);
    }
    if (code == CLI_DONE && !add->options.is_dry_run) {
        time_ns limit_ns = cli_clock_ns() + LIMIT_MS * NS_PER_MS;
        code = tell(add);
        if (code == CLI_DONE) {
            code = await(add, limit_ns);
        }
        if (code == CLI_DONE) {
            look_for_vote(add, limit_ns);
        }
    }
    return code == CLI_DONE ? print(add) : code;
}

int cli_add(int argc, char **argv)
{
    struct add *add = calloc(1, sizeof(*add));
    if (add == NULL) {
        return cli_complain(CLI_FAILED, "memory ran out");
    }
    options_parse(argc, argv, &add->options);
    int code = run(add);
    if (add->cluster != NULL) {
        redisFree(add->cluster);
    }
    if (add->node != NULL) {
        redisFree(add->node);
    }
    free(add);
    return code;
}
