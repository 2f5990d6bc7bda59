/* change.c: `quorate promote | demote | remove | priority | transfer`: who votes, and who leads. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/redis.h"
#include "quorate/types.h"

#define NAMES_BYTES_MAX 240

struct change_kind {
    const char *word; /* of QUORATE.CHANGE */
    const char *arguments_doc;
    const char *doc;
    bool takes_many;   /* names; else one */
    bool takes_number; /* behind the name */
};

struct change_options {
    const struct change_kind *kind;
    struct cli_addresses client;
    bool is_dry_run;
    bool is_forced;
    bool is_json;
    char names[NAMES_BYTES_MAX];
    const char *number; /* NULL: not given yet */
};

static void take_argument(struct change_options *options, char *value, struct argp_state *state)
{
    size_t length = strlen(options->names);
    struct text text = text_of(options->names + length, sizeof(options->names) - length);
    uint64_t number;
    if (options->kind->takes_number && length > 0 && options->number == NULL) {
        if (!cli_number_parse(value, false, &number) || number > UINT8_MAX) {
            argp_error(state, "%s is no priority: 0..255", value);
        }
        options->number = value;
        return;
    }
    if (length > 0 && !options->kind->takes_many) {
        argp_error(state, "there is an argument too many: %s", value);
    }
    if (value[0] == '\0' || strlen(value) >= QR_NAME_BYTES_MAX || strchr(value, ',') != NULL) {
        argp_error(state, "'%s' is not the name of a member", value);
    }
    text_string(&text, length > 0 ? "," : "");
    text_string(&text, value);
    if (text.truncated) {
        argp_error(state, "these are too many names for one change");
    }
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct change_options *options = state->input;
    switch (key) {
    case 'a':
        cli_addresses_option(state, "client", value, &options->client);
        return 0;
    case 'n':
        options->is_dry_run = true;
        return 0;
    case 'f':
        options->is_forced = true;
        return 0;
    case 'j':
        options->is_json = true;
        return 0;
    case ARGP_KEY_ARG:
        take_argument(options, value, state);
        return 0;
    case ARGP_KEY_END:
        if (options->names[0] == '\0' || (options->kind->takes_number && options->number == NULL)) {
            argp_error(state, "an argument is missing");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void options_parse(int argc, char **argv, struct change_options *options)
{
    static const struct argp_option known[] = {
        {"client", 'a', "HOST:PORT,...", 0,
         "nodes to ask, the first that answers; default "
         "127.0.0.1:7701",
         0},
        {"dry-run", 'n', NULL, 0, "only tell what would come of it", 0},
        {"force", 'f', NULL, 0,
         "also what leaves too few live voters to agree, or promotes who is behind", 0},
        {"json", 'j', NULL, 0, "print JSON", 0},
        {0},
    };
    const struct argp argp = {.options = known,
                              .parser = parse,
                              .args_doc = options->kind->arguments_doc,
                              .doc = options->kind->doc};
    cli_addresses_local(CLI_CLIENT_PORT, &options->client);
    cli_arguments_parse(&argp, argc, argv, options);
}

static redisReply *ask(redisContext *context, const struct change_options *options)
{
    const char *arguments[8] = {"QUORATE.CHANGE", options->kind->word, options->names};
    size_t sizes[8];
    int count = 3;
    if (options->number != NULL) {
        arguments[count++] = options->number;
    }
    if (options->is_dry_run) {
        arguments[count++] = "DRYRUN";
    }
    if (options->is_forced) {
        arguments[count++] = "FORCE";
    }
    for (int i = 0; i < count; i++) {
        sizes[i] = strlen(arguments[i]);
    }
    return redis_ask(context, count, arguments, sizes);
}

static int print(const struct change_options *options, const redisReply *reply)
{
    char line[1024];
    struct text text = text_of(line, sizeof(line));
    bool is_expected = reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
                       reply->element[0]->type == REDIS_REPLY_INTEGER &&
                       reply->element[1]->type == REDIS_REPLY_INTEGER &&
                       reply->element[2]->type == REDIS_REPLY_STRING;
    if (!is_expected) {
        return cli_complain(CLI_FAILED, "an unexpected answer");
    }
    if (options->is_json) {
        text_json_object_begin(&text);
        text_json_key(&text, "dry_run");
        text_json_bool(&text, options->is_dry_run);
        text_json_key(&text, "tolerated_before");
        text_json_i64(&text, reply->element[0]->integer);
        text_json_key(&text, "tolerated_after");
        text_json_i64(&text, reply->element[1]->integer);
        text_json_key(&text, "reason");
        text_json_string(&text, reply->element[2]->str);
        text_json_object_end(&text);
    } else {
        text_string(&text, options->is_dry_run ? "would be done: " : "done: ");
        text_string(&text, reply->element[2]->str);
    }
    return cli_print_line(line);
}

static int run(int argc, char **argv, const struct change_kind *kind)
{
    struct change_options options = {.kind = kind};
    options_parse(argc, argv, &options);
    redisContext *context = redis_connect_any(&options.client);
    if (context == NULL) {
        return CLI_UNREACHABLE;
    }
    redisReply *reply = ask(context, &options);
    int code = redis_reply_code(context, reply, !options.is_dry_run);
    if (code == CLI_DONE) {
        code = print(&options, reply);
    }
    freeReplyObject(reply);
    redisFree(context);
    return code;
}

#define UNKNOWN "Exit code 4 when the outcome is unknown: see `quorate members`."
#define NOTE                                                                                       \
    "\vAll names together are one change: done as a whole or not at all. A change after which "    \
    "too few of the voters that answer could agree is refused. " UNKNOWN

int cli_promote(int argc, char **argv)
{
    static const struct change_kind kind = {.word = "PROMOTE",
                                            .arguments_doc = "NAME...",
                                            .doc =
                                                "Make voters of learners that have caught up." NOTE,
                                            .takes_many = true};
    return run(argc, argv, &kind);
}

int cli_demote(int argc, char **argv)
{
    static const struct change_kind kind = {.word = "DEMOTE",
                                            .arguments_doc = "NAME...",
                                            .doc = "Make learners of voters." NOTE,
                                            .takes_many = true};
    return run(argc, argv, &kind);
}

int cli_remove(int argc, char **argv)
{
    static const struct change_kind kind = {
        .word = "REMOVE",
        .arguments_doc = "NAME...",
        .doc = "Remove members. A leader that is removed hands over first." NOTE,
        .takes_many = true};
    return run(argc, argv, &kind);
}

int cli_priority(int argc, char **argv)
{
    static const struct change_kind kind = {
        .word = "PRIORITY",
        .arguments_doc = "NAME 0..255",
        .doc = "Say how much rather than others a member leads: 1 is ordinary, 0 never leads."
               "\v" UNKNOWN,
        .takes_number = true};
    return run(argc, argv, &kind);
}

int cli_transfer(int argc, char **argv)
{
    static const struct change_kind kind = {
        .word = "TRANSFER",
        .arguments_doc = "NAME",
        .doc = "Hand leadership over to a voter.\v"
               "It is refused where that voter is not heard, or its state differs. " UNKNOWN};
    return run(argc, argv, &kind);
}
