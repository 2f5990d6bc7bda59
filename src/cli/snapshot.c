/* snapshot.c: `quorate snapshot`: have a node take a snapshot now. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/redis.h"

#define ANSWER_TIMEOUT_S 3600 /* a large state takes its time */

struct snapshot_options {
    struct cli_addresses client;
    bool is_json;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct snapshot_options *options = state->input;
    switch (key) {
    case 'a':
        cli_addresses_option(state, "client", value, &options->client);
        return 0;
    case 'j':
        options->is_json = true;
        return 0;
    default:
        return cli_no_argument(key, value, state);
    }
}

static const struct argp_option option_rows[] = {
    {"client", 'a', "HOST:PORT,...", 0,
     "nodes to ask, the first that answers; default 127.0.0.1:7701", 0},
    {"json", 'j', NULL, 0, "print JSON", 0},
    {0},
};

int cli_snapshot(int argc, char **argv)
{
    const struct argp argp = {
        .options = option_rows,
        .parser = parse,
        .doc = "Take a snapshot of a node's state now, and print the index of the log at which it "
               "stands. The log is cut behind it as the node's limits have it."};
    struct snapshot_options options = {.is_json = false};
    cli_addresses_local(CLI_CLIENT_PORT, &options.client);
    cli_arguments_parse(&argp, argc, argv, &options);
    redisContext *context = redis_connect_any(&options.client);
    if (context == NULL) {
        return CLI_UNREACHABLE;
    }
    struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
    (void)redisSetTimeout(context, timeout);
    const char *arguments[] = {"QUORATE.SNAPSHOT"};
    const size_t sizes[] = {sizeof("QUORATE.SNAPSHOT") - 1};
    redisReply *reply = redis_ask(context, 1, arguments, sizes);
    int code = redis_reply_code(context, reply, false);
    redisFree(context);
    if (code == CLI_DONE) {
        printf("%s%lld%s\n", options.is_json ? "{\"snapshot_index\":" : "", reply->integer,
               options.is_json ? "}" : "");
        code = cli_flush();
    }
    freeReplyObject(reply);
    return code;
}
