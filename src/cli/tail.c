/* tail.c: `quorate tail`: every entry as a node applies it, one a line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/redis.h"

#define FIELDS_COUNT 6
#define LINE_ROOM_BYTES 512    /* beside command and payload */
#define JSON_BYTE_LENGTH_MAX 6 /* one byte as \u00XX */

/* The elements of a pushed entry, in order. */
enum tail_field {
    FIELD_INDEX,
    FIELD_TERM,
    FIELD_TIMESTAMP,
    FIELD_ID,
    FIELD_COMMAND,
    FIELD_PAYLOAD,
};

struct tail_options {
    struct cli_addresses client;
    bool is_json;
    bool has_count;
    uint64_t count;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct tail_options *options = state->input;
    switch (key) {
    case 'a':
        cli_addresses_option(state, "client", value, &options->client);
        return 0;
    case 'n':
        options->has_count = true;
        options->count = cli_number_option(state, "count", value, 1, UINT64_MAX);
        return 0;
    case 'j':
        options->is_json = true;
        return 0;
    default:
        return cli_no_argument(key, value, state);
    }
}

static void arguments_parse(int argc, char **argv, struct tail_options *out)
{
    static const struct argp_option options[] = {
        {"client", 'a', "HOST:PORT,...", 0,
         "nodes to listen to, the first that answers; default "
         "127.0.0.1:7701",
         0},
        {"count", 'n', "N", 0, "stop after N entries", 0},
        {"json", 'j', NULL, 0, "print a JSON object for each entry", 0},
        {0},
    };
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Print every entry that is applied from now on: index, term, command, payload.\v"
               "Bytes of a payload that cannot stand in a line are escaped as in JSON. Exit code "
               "3 when the connection is cut."};
    cli_addresses_local(CLI_CLIENT_PORT, &out->client);
    cli_arguments_parse(&argp, argc, argv, out);
}

static bool is_entry(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != FIELDS_COUNT) {
        return false;
    }
    for (size_t i = 0; i < FIELDS_COUNT; i++) {
        bool is_number = i <= FIELD_TIMESTAMP;
        if (reply->element[i]->type != (is_number ? REDIS_REPLY_INTEGER : REDIS_REPLY_STRING)) {
            return false;
        }
    }
    return true;
}

static void entry_text(const redisReply *entry, struct text *text)
{
    const redisReply *command = entry->element[FIELD_COMMAND];
    const redisReply *payload = entry->element[FIELD_PAYLOAD];
    text_i64(text, entry->element[FIELD_INDEX]->integer);
    text_char(text, ' ');
    text_i64(text, entry->element[FIELD_TERM]->integer);
    text_char(text, ' ');
    text_bytes(text, command->str, (size_t)command->len);
    text_char(text, ' ');
    text_quoted(text, payload->str, (size_t)payload->len);
}

static void entry_json(const redisReply *entry, struct text *text)
{
    static const char *const names[FIELDS_COUNT] = {"index", "term",    "timestamp_ns",
                                                    "id",    "command", "payload"};
    text_json_object_begin(text);
    for (size_t i = 0; i < FIELDS_COUNT; i++) {
        const redisReply *field = entry->element[i];
        text_json_key(text, names[i]);
        if (field->type == REDIS_REPLY_INTEGER) {
            text_json_i64(text, field->integer);
        } else {
            text_json_bytes(text, field->str, (size_t)field->len);
        }
    }
    text_json_object_end(text);
}

static int entry_print(const redisReply *entry, bool is_json)
{
    size_t payload = (size_t)entry->element[FIELD_PAYLOAD]->len;
    size_t command = (size_t)entry->element[FIELD_COMMAND]->len;
    size_t size = LINE_ROOM_BYTES + JSON_BYTE_LENGTH_MAX * (payload + command);
    char *line = malloc(size);
    if (line == NULL) {
        return cli_complain(CLI_FAILED, "memory ran out");
    }
    struct text text = text_of(line, size);
    if (is_json) {
        entry_json(entry, &text);
    } else {
        entry_text(entry, &text);
    }
    int code = cli_print_line(line);
    free(line);
    return code;
}

static redisReply *answer_next(redisContext *context)
{
    void *answer = NULL;
    return redisGetReply(context, &answer) == REDIS_OK ? answer : NULL;
}

static int entries_print(redisContext *context, const struct tail_options *options)
{
    int code = CLI_DONE;
    for (uint64_t i = 0; code == CLI_DONE && (!options->has_count || i < options->count); i++) {
        redisReply *entry = answer_next(context);
        if (entry == NULL || entry->type == REDIS_REPLY_ERROR) {
            code = redis_reply_code(context, entry, false);
        } else if (!is_entry(entry)) {
            code = cli_complain(CLI_FAILED, "the node sent something that is no entry");
        } else {
            code = entry_print(entry, options->is_json);
        }
        freeReplyObject(entry);
    }
    return code;
}

static redisContext *connect_any(const struct cli_addresses *addresses)
{
    redisContext *context = redis_connect_any(addresses);
    /* Entries may be far apart: this connection waits as long as it takes. */
    if (context != NULL && redisSetTimeout(context, (struct timeval){.tv_sec = 0}) != REDIS_OK) {
        cli_complain(CLI_FAILED, "the connection cannot be set up: %s", context->errstr);
        redisFree(context);
        return NULL;
    }
    return context;
}

int cli_tail(int argc, char **argv)
{
    struct tail_options options = {.is_json = false};
    arguments_parse(argc, argv, &options);
    redisContext *context = connect_any(&options.client);
    if (context == NULL) {
        return CLI_UNREACHABLE;
    }
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    redisReply *reply = redisCommand(context, "QUORATE.TAIL");
    int code = redis_reply_code(context, reply, false);
    freeReplyObject(reply);
    if (code == CLI_DONE) {
        code = entries_print(context, &options);
    }
    redisFree(context);
    return code == CLI_DONE ? cli_flush() : code;
}
