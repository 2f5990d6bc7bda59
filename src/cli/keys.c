/* keys.c: `quorate get`, `set` and `del`: one command through the Redis protocol. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/redis.h"

#define ARGUMENTS_MAX 1024
#define JSON_BYTE_LENGTH_MAX 6 /* one byte as \u00XX */

struct key_options {
    struct cli_addresses client;
    bool is_json;
    int argument_least;
    int argument_most;
    int argument_count; /* with the command's name */
    const char *arguments[ARGUMENTS_MAX];
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct key_options *options = state->input;
    switch (key) {
    case 'a':
        cli_addresses_option(state, "client", value, &options->client);
        return 0;
    case 'j':
        options->is_json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (options->argument_count == options->argument_most) {
            argp_error(state, "there is an argument too many: %s", value);
            return 0;
        }
        options->arguments[options->argument_count++] = value;
        return 0;
    case ARGP_KEY_END:
        if (options->argument_count < options->argument_least) {
            argp_error(state, "an argument is missing");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_rows[] = {
    {"client", 'a', "HOST:PORT,...", 0,
     "nodes to use, the first that answers; default "
     "127.0.0.1:7701",
     0},
    {"json", 'j', NULL, 0, "print JSON", 0},
    {0},
};

/* Parse, connect and ask. Returns a CLI_* code; the reply only with CLI_DONE. */
static int ask(int argc, char **argv, const struct argp *argp, struct key_options *options,
               redisReply **out)
{
    size_t sizes[ARGUMENTS_MAX];
    bool is_write = strcmp(options->arguments[0], "GET") != 0;
    cli_addresses_local(CLI_CLIENT_PORT, &options->client);
    cli_arguments_parse(argp, argc, argv, options);
    redisContext *context = redis_connect_any(&options->client);
    if (context == NULL) {
        return CLI_UNREACHABLE;
    }
    for (int i = 0; i < options->argument_count; i++) {
        sizes[i] = strlen(options->arguments[i]);
    }
    redisReply *reply = redis_ask(context, options->argument_count, options->arguments, sizes);
    int code = redis_reply_code(context, reply, is_write);
    redisFree(context);
    if (code != CLI_DONE) {
        freeReplyObject(reply);
        return code;
    }
    *out = reply;
    return CLI_DONE;
}

static int value_print_json(const char *key, const redisReply *reply)
{
    size_t size = 64 + JSON_BYTE_LENGTH_MAX * (strlen(key) + (size_t)reply->len);
    char *buffer = malloc(size);
    if (buffer == NULL) {
        return cli_complain(CLI_FAILED, "memory ran out");
    }
    struct text text = text_of(buffer, size);
    text_json_object_begin(&text);
    text_json_key(&text, "key");
    text_json_string(&text, key);
    text_json_key(&text, "value");
    if (reply->type == REDIS_REPLY_STRING) {
        text_json_bytes(&text, reply->str, (size_t)reply->len);
    } else {
        text_json_null(&text);
    }
    text_json_object_end(&text);
    puts(buffer);
    free(buffer);
    return CLI_DONE;
}

/* The bytes of the value alone, so that it can go to a file as it is. */
static void value_print(const redisReply *reply)
{
    fwrite(reply->str, 1, (size_t)reply->len, stdout);
    if (isatty(STDOUT_FILENO)) {
        putchar('\n');
    }
}

int cli_get(int argc, char **argv)
{
    const struct argp argp = {.options = option_rows,
                              .parser = parse,
                              .args_doc = "KEY",
                              .doc = "Print the value of KEY; exit code 1 when there is none."};
    struct key_options options = {
        .argument_least = 2, .argument_most = 2, .argument_count = 1, .arguments = {"GET"}};
    redisReply *reply;
    int code = ask(argc, argv, &argp, &options, &reply);
    if (code != CLI_DONE) {
        return code;
    }
    bool is_there = reply->type == REDIS_REPLY_STRING;
    if (options.is_json) {
        code = value_print_json(options.arguments[1], reply);
    } else if (is_there) {
        value_print(reply);
    }
    freeReplyObject(reply);
    int flushed = cli_flush();
    if (code != CLI_DONE || flushed != CLI_DONE) {
        return CLI_FAILED;
    }
    if (!is_there && !options.is_json) {
        return cli_complain(CLI_FAILED, "%s: there is no such key", options.arguments[1]);
    }
    return is_there ? CLI_DONE : CLI_FAILED;
}

int cli_set(int argc, char **argv)
{
    const struct argp argp = {.options = option_rows,
                              .parser = parse,
                              .args_doc = "KEY VALUE",
                              .doc = "Set KEY to VALUE, durably on a majority."};
    struct key_options options = {
        .argument_least = 3, .argument_most = 3, .argument_count = 1, .arguments = {"SET"}};
    redisReply *reply;
    int code = ask(argc, argv, &argp, &options, &reply);
    if (code != CLI_DONE) {
        return code;
    }
    puts(options.is_json ? "{\"ok\":true}" : "OK");
    freeReplyObject(reply);
    return cli_flush();
}

int cli_del(int argc, char **argv)
{
    const struct argp argp = {.options = option_rows,
                              .parser = parse,
                              .args_doc = "KEY...",
                              .doc = "Remove keys and print how many there were."};
    struct key_options options = {.argument_least = 2,
                                  .argument_most = ARGUMENTS_MAX,
                                  .argument_count = 1,
                                  .arguments = {"DEL"}};
    redisReply *reply;
    int code = ask(argc, argv, &argp, &options, &reply);
    if (code != CLI_DONE) {
        return code;
    }
    printf("%s%lld%s\n", options.is_json ? "{\"removed\":" : "", reply->integer,
           options.is_json ? "}" : "");
    freeReplyObject(reply);
    return cli_flush();
}
