/* propose.c: `quorate propose`: each line of standard input becomes a log entry.
 *
 * Lines are sent ahead of their answers, up to a window; whenever standard input has
 * nothing at hand, what is under way is waited for, so that a slow writer sees his indexes.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/redis.h"
#include "quorate/types.h"

#define WINDOW_LINES 256

struct proposing {
    struct cli_addresses client;
    const char *command; /* NULL: the server's default */
    bool is_quiet;
    bool is_json;
    redisContext *context;
    unsigned in_flight;
    uint64_t sent_count; /* lines, from 1, as in "line 7" */
    uint64_t done_count;
    uint64_t refused_count;
    uint64_t unknown_count;
    int64_t last_index;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct proposing *proposing = state->input;
    switch (key) {
    case 'a':
        cli_addresses_option(state, "client", value, &proposing->client);
        return 0;
    case 'c':
        if (strlen(value) == 0 || strlen(value) > QR_COMMAND_BYTES_MAX) {
            argp_error(state, "--command: %s is not 1..%d bytes long", value, QR_COMMAND_BYTES_MAX);
        }
        proposing->command = value;
        return 0;
    case 'q':
        proposing->is_quiet = true;
        return 0;
    case 'j':
        proposing->is_json = true;
        return 0;
    default:
        return cli_no_argument(key, value, state);
    }
}

static void arguments_parse(int argc, char **argv, struct proposing *out)
{
    static const struct argp_option options[] = {
        {"client", 'a', "HOST:PORT,...", 0,
         "nodes to use, the first that answers; default "
         "127.0.0.1:7701",
         0},
        {"command", 'c', "NAME", 0, "the entries' command; default line", 0},
        {"quiet", 'q', NULL, 0, "print no index for each line, only a summary", 0},
        {"json", 'j', NULL, 0, "print JSON", 0},
        {0},
    };
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Make a log entry of each line of standard input and print its index.\v"
               "Exit code 4 when the outcome of a line is unknown; it may be in the log or not."};
    cli_addresses_local(CLI_CLIENT_PORT, &out->client);
    cli_arguments_parse(&argp, argc, argv, out);
}

/* Wait for one answer. Returns false when the connection is cut. */
static bool answer_take(struct proposing *proposing)
{
    void *answer = NULL;
    if (redisGetReply(proposing->context, &answer) != REDIS_OK) {
        return false;
    }
    redisReply *reply = answer;
    uint64_t line = proposing->sent_count - proposing->in_flight + 1;
    proposing->in_flight--;
    if (reply->type == REDIS_REPLY_INTEGER) {
        proposing->done_count++;
        proposing->last_index = reply->integer;
        if (!proposing->is_quiet) {
            printf("%s%lld%s\n", proposing->is_json ? "{\"index\":" : "", reply->integer,
                   proposing->is_json ? "}" : "");
        }
    } else {
        bool is_unknown = redis_is_outcome_unknown(reply);
        proposing->unknown_count += is_unknown;
        proposing->refused_count += !is_unknown;
        cli_complain(CLI_FAILED, "line %llu: %s", (unsigned long long)line,
                     reply->type == REDIS_REPLY_ERROR ? reply->str : "an unexpected answer");
    }
    freeReplyObject(reply);
    return true;
}

static bool answers_take(struct proposing *proposing, unsigned in_flight_most)
{
    while (proposing->in_flight > in_flight_most) {
        if (!answer_take(proposing)) {
            return false;
        }
    }
    return true;
}

static bool is_input_waiting(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) != 0;
}

static bool line_send(struct proposing *proposing, const char *line, size_t size_bytes)
{
    const char *arguments[3] = {"QUORATE.PROPOSE", line, proposing->command};
    size_t sizes[3] = {strlen(arguments[0]), size_bytes, 0};
    int count = 2;
    if (proposing->command != NULL) {
        sizes[2] = strlen(proposing->command);
        count = 3;
    }
    if (redisAppendCommandArgv(proposing->context, count, arguments, sizes) != REDIS_OK) {
        return false;
    }
    proposing->sent_count++;
    proposing->in_flight++;
    return true;
}

/* Send all lines. Returns false when the connection is cut. */
static bool input_send(struct proposing *proposing)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    bool is_connected = true;
    while (is_connected && (length = getline(&line, &capacity, stdin)) >= 0) {
        if (length > 0 && line[length - 1] == '\n') {
            length--;
        }
        is_connected = line_send(proposing, line, (size_t)length) &&
                       answers_take(proposing, is_input_waiting() ? WINDOW_LINES - 1 : 0);
        if (is_connected && proposing->in_flight == 0) {
            fflush(stdout);
        }
    }
    free(line);
    return is_connected && answers_take(proposing, 0);
}

static void summary_print(const struct proposing *proposing, uint64_t unknown)
{
    char line[160];
    struct text text = text_of(line, sizeof(line));
    if (proposing->is_json) {
        text_json_object_begin(&text);
        text_json_key(&text, "done");
        text_json_u64(&text, proposing->done_count);
        text_json_key(&text, "refused");
        text_json_u64(&text, proposing->refused_count);
        text_json_key(&text, "unknown");
        text_json_u64(&text, unknown);
        text_json_key(&text, "last_index");
        text_json_i64(&text, proposing->last_index);
        text_json_object_end(&text);
    } else {
        text_u64(&text, proposing->done_count);
        text_string(&text, " done, ");
        text_u64(&text, proposing->refused_count);
        text_string(&text, " refused, ");
        text_u64(&text, unknown);
        text_string(&text, " unknown; last index ");
        text_i64(&text, proposing->last_index);
    }
    puts(line);
}

static int finish(const struct proposing *proposing, bool is_connected)
{
    uint64_t unknown = proposing->unknown_count + proposing->in_flight;
    if (proposing->is_quiet) {
        summary_print(proposing, unknown);
    }
    if (!is_connected) {
        cli_complain(CLI_UNREACHABLE, "the connection is cut with %u lines under way: %s",
                     proposing->in_flight, proposing->context->errstr);
    }
    int flushed = cli_flush();
    if (unknown > 0) {
        return CLI_UNKNOWN;
    }
    if (!is_connected) {
        return CLI_UNREACHABLE;
    }
    return proposing->refused_count > 0 ? CLI_FAILED : flushed;
}

int cli_propose(int argc, char **argv)
{
    struct proposing proposing = {.last_index = 0};
    arguments_parse(argc, argv, &proposing);
    proposing.context = redis_connect_any(&proposing.client);
    if (proposing.context == NULL) {
        return CLI_UNREACHABLE;
    }
    bool is_connected = input_send(&proposing);
    int code = finish(&proposing, is_connected);
    redisFree(proposing.context);
    return code;
}
