/* leave.c: `quorate leave`: a node hands over, tells the members, and stops. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/node_status.h"
#include "cli/redis.h"

#define LINE_BYTES_MAX 256

struct leave_options {
    struct cli_addresses client;
    const char *reason;
    bool is_removed;
    bool is_json;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct leave_options *options = state->input;
    switch (key) {
    case 'a':
        cli_addresses_option(state, "client", value, &options->client);
        if (options->client.count > 1) {
            argp_error(state, "--client: one node can leave at a time");
        }
        return 0;
    case 'r':
        options->is_removed = true;
        return 0;
    case 'w':
        if (strcmp(value, "shutdown") != 0 && strcmp(value, "restart") != 0) {
            argp_error(state, "--reason: \"%s\" must be shutdown or restart", value);
        }
        options->reason = value;
        return 0;
    case 'j':
        options->is_json = true;
        return 0;
    default:
        return cli_no_argument(key, value, state);
    }
}

static void options_parse(int argc, char **argv, struct leave_options *out)
{
    static const struct argp_option options[] = {
        {"client", 'a', "HOST:PORT", 0, "the node that is to leave; default 127.0.0.1:7701", 0},
        {"remove", 'r', NULL, 0, "first take it out of the members for good", 0},
        {"reason", 'w', "shutdown|restart", 0, "what the members are told; default shutdown", 0},
        {"json", 'j', NULL, 0, "print JSON", 0},
        {0},
    };
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc =
            "Have a node leave in good order and stop: it hands leadership over, tells the "
            "members that it leaves and why, and ends.\v"
            "It stays a member: with its data it comes back as what it was, and until then a "
            "voter that left is one that does not answer. With --remove it is taken out first, "
            "by the leader, through the log; then its data is good for nothing any more. SIGTERM "
            "does the same without --remove."};
    *out = (struct leave_options){.reason = "shutdown"};
    cli_addresses_local(CLI_CLIENT_PORT, &out->client);
    cli_arguments_parse(&argp, argc, argv, out);
}

/* The node's own name, or a CLI_* code with a complaint. */
static int name_fetch(redisContext *context, char *out, size_t out_bytes)
{
    static struct node_status status; /* too large for the stack */
    redisReply *reply = redisCommand(context, "QUORATE.STATUS");
    int code = redis_reply_code(context, reply, false);
    if (code == CLI_DONE && (reply->type != REDIS_REPLY_STRING ||
                             node_status_parse(reply->str, reply->len, &status) != 0)) {
        code = cli_complain(CLI_FAILED, "it answers, but not as a quorate node does");
    }
    if (code == CLI_DONE) {
        snprintf(out, out_bytes, "%s", status.name);
    }
    freeReplyObject(reply);
    return code;
}

static int removed(redisContext *context, const char *name)
{
    redisReply *reply = redisCommand(context, "QUORATE.CHANGE REMOVE %s", name);
    int code = redis_reply_code(context, reply, true);
    freeReplyObject(reply);
    return code;
}

static int left(redisContext *context, const struct leave_options *options)
{
    redisReply *reply = redisCommand(context, "QUORATE.LEAVE %s",
                                     options->is_removed ? "removed" : options->reason);
    int code = redis_reply_code(context, reply, false);
    freeReplyObject(reply);
    return code;
}

static int print(const struct leave_options *options, const char *name)
{
    char line[LINE_BYTES_MAX];
    struct text text = text_of(line, sizeof(line));
    if (options->is_json) {
        text_json_object_begin(&text);
        text_json_key(&text, "name");
        text_json_string(&text, name);
        text_json_key(&text, "removed");
        text_json_bool(&text, options->is_removed);
        text_json_object_end(&text);
    } else {
        text_string(&text, name);
        text_string(&text, options->is_removed ? " is no member any more, leaves and stops"
                                               : " leaves and stops; it stays a member");
    }
    return cli_print_line(line);
}

int cli_leave(int argc, char **argv)
{
    struct leave_options options;
    char name[QR_NAME_BYTES_MAX];
    options_parse(argc, argv, &options);
    redisContext *context = redis_connect_any(&options.client);
    if (context == NULL) {
        return CLI_UNREACHABLE;
    }
    int code = name_fetch(context, name, sizeof(name));
    if (code == CLI_DONE && options.is_removed) {
        code = removed(context, name);
    }
    if (code == CLI_DONE) {
        code = left(context, &options);
    }
    redisFree(context);
    return code == CLI_DONE ? print(&options, name) : code;
}
