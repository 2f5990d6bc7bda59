/* secret.c: `quorate keys`: the cluster's secret, changed on every member while they run.
 *
 * One member is asked who the others are, each for the keys it has, and only when all that were
 * reached can take the step is it told to any: else some would send what others refuse.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/node_status.h"
#include "cli/redis.h"
#include "quorate/keys.h"

#define CONNECT_TIMEOUT_MS 2000
#define ANSWER_TIMEOUT_MS 20000
#define REASON_BYTES_MAX 320
#define LINE_BYTES_MAX 1024

/* A member, what it has, and how it ended there. */
struct keys_member {
    char name[QR_NAME_BYTES_MAX];
    char client[QR_ADDRESS_BYTES_MAX];
    redisContext *context; /* NULL: not reached */
    bool is_done;
    char reason[REASON_BYTES_MAX];
    struct qr_keys keys;
};

struct keys_run {
    struct cli_addresses client;
    bool is_json;
    const char *word; /* "list", … */
    const char *key;
    enum qr_keys_action action;
    char typed[QR_KEY_BYTES_MAX + 2]; /* the key, when it came by standard input */
    char id[QR_KEY_ID_BYTES];
    size_t count;
    struct keys_member members[QR_MEMBERS_MAX];
};

static const struct {
    const char *word;
    const char *command; /* as the server has it */
    enum qr_keys_action action;
} actions[] = {
    {"list", "LIST", QR_KEYS_LIST},
    {"add", "ADD", QR_KEYS_ADD},
    {"use", "USE", QR_KEYS_USE},
    {"remove", "REMOVE", QR_KEYS_REMOVE},
};

static void take_argument(struct keys_run *run, char *value, struct argp_state *state)
{
    if (run->word == NULL) {
        for (size_t i = 0; i < COUNT_OF(actions); i++) {
            if (strcmp(actions[i].word, value) == 0) {
                run->word = value;
                run->action = actions[i].action;
                return;
            }
        }
        argp_error(state, "%s is none of list, add, use and remove", value);
    } else if (run->key != NULL || run->action == QR_KEYS_LIST) {
        argp_error(state, "there is an argument too many"); /* which may be a key: not told */
    } else {
        run->key = value;
    }
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct keys_run *run = state->input;
    switch (key) {
    case 'a':
        cli_addresses_option(state, "client", value, &run->client);
        return 0;
    case 'j':
        run->is_json = true;
        return 0;
    case ARGP_KEY_ARG:
        take_argument(run, value, state);
        return 0;
    case ARGP_KEY_END:
        if (run->word == NULL || (run->action != QR_KEYS_LIST && run->key == NULL)) {
            argp_error(state, "an argument is missing");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void options_parse(int argc, char **argv, struct keys_run *run)
{
    static const struct argp_option known[] = {
        {"client", 'a', "HOST:PORT,...", 0,
         "members to ask who the others are, the first that answers; default 127.0.0.1:7701", 0},
        {"json", 'j', NULL, 0, "print JSON", 0},
        {0},
    };
    static const char doc[] =
        "Change the secret of a cluster while it runs: the keys that its members prove to each "
        "other to have.\v"
        "KEY is 32 bytes in base64 or hexadecimal, or 16 to 256 other bytes; - reads it from "
        "standard input, where no list of processes shows it. To use or remove one its name will "
        "do, the 8 digits that list prints. A new secret without a gap: add it, then use it, then "
        "remove the old one, each until every member has done it. Each member writes its secret "
        "file. Exit code 1 when one was not reached or refused: repeat the step then. The key "
        "goes to the clients' ports as it is, not encrypted.";
    const struct argp argp = {.options = known,
                              .parser = parse,
                              .args_doc = "list\nadd KEY\nuse KEY|NAME\nremove KEY|NAME",
                              .doc = doc};
    cli_addresses_local(CLI_CLIENT_PORT, &run->client);
    cli_arguments_parse(&argp, argc, argv, run);
}

/* KEY, or its name, as its name: a CLI_* code. */
static int read_key(struct keys_run *run)
{
    if (run->action == QR_KEYS_LIST) {
        return CLI_DONE;
    }
    if (strcmp(run->key, "-") == 0) {
        if (fgets(run->typed, sizeof(run->typed), stdin) == NULL) {
            return cli_complain(CLI_USAGE, "there is no key on standard input");
        }
        run->typed[strcspn(run->typed, "\r\n")] = '\0';
        run->key = run->typed;
    }
    if (qr_key_name(run->key, strlen(run->key), run->action != QR_KEYS_ADD, run->id) != 0) {
        return cli_complain(CLI_USAGE, "that is no key: give 32 bytes in base64 or hexadecimal, or "
                                       "16 to 256 others");
    }
    return CLI_DONE;
}

/* The node that was asked need not have told where: it was asked there. */
static void note_asked(struct keys_run *run, const char *name, const redisContext *context)
{
    struct cli_address asked = {.port = (uint16_t)context->tcp.port};
    struct text host = text_of(asked.host, sizeof(asked.host));
    text_string(&host, context->tcp.host);
    for (size_t i = 0; i < run->count; i++) {
        struct keys_member *member = &run->members[i];
        bool is_it = strcmp(member->name, name) == 0 && member->client[0] == '\0';
        if (is_it && cli_address_write(&asked, member->client, sizeof(member->client)) != 0) {
            member->client[0] = '\0';
        }
    }
}

/* Who belongs to the cluster: a CLI_* code. */
static int find_members(struct keys_run *run)
{
    struct node_status status;
    const char *arguments[] = {"QUORATE.STATUS"};
    const size_t sizes[] = {strlen(arguments[0])};
    redisContext *context = redis_connect_any(&run->client);
    if (context == NULL) {
        return CLI_UNREACHABLE;
    }
    redisReply *reply = redis_ask(context, 1, arguments, sizes);
    int code = redis_reply_code(context, reply, false);
    if (code == CLI_DONE && (reply->type != REDIS_REPLY_STRING ||
                             node_status_parse(reply->str, (size_t)reply->len, &status) != 0)) {
        code = cli_complain(CLI_FAILED, "what answers is no quorate node");
    }
    freeReplyObject(reply);
    for (size_t i = 0; code == CLI_DONE && i < status.member_count; i++) {
        struct keys_member *member = &run->members[run->count++];
        memcpy(member->name, status.members[i].name, sizeof(member->name));
        memcpy(member->client, status.members[i].client, sizeof(member->client));
    }
    if (code == CLI_DONE) {
        note_asked(run, status.name, context);
    }
    redisFree(context);
    if (code == CLI_DONE && run->count == 0) {
        code = cli_complain(CLI_FAILED, "%s is in no cluster yet; write its secret file by hand",
                            status.name);
    }
    return code;
}

static void take_reply(struct keys_member *member, const redisReply *reply)
{
    struct text reason = text_of(member->reason, sizeof(member->reason));
    member->is_done = false;
    if (reply == NULL) {
        text_string(&reason, "the connection was lost: it may have done it or not");
        redisFree(member->context);
        member->context = NULL;
        return;
    }
    bool is_list = reply->type == REDIS_REPLY_ARRAY && reply->elements >= 1 &&
                   reply->elements <= 1 + QR_KEYS_MAX;
    for (size_t i = 0; is_list && i < reply->elements; i++) {
        is_list = reply->element[i]->type == REDIS_REPLY_STRING;
    }
    if (!is_list) {
        bool is_error = reply->type == REDIS_REPLY_ERROR;
        text_string(&reason, is_error ? reply->str : "an unexpected answer");
        return;
    }
    member->is_done = true;
    text_string(&reason, reply->element[0]->str);
    member->keys.count = reply->elements - 1;
    for (size_t i = 0; i < member->keys.count; i++) {
        struct text id = text_of(member->keys.ids[i], sizeof(member->keys.ids[i]));
        text_string(&id, reply->element[i + 1]->str);
    }
}

static void ask(struct keys_member *member, enum qr_keys_action action, const char *key)
{
    const char *arguments[] = {"QUORATE.KEYS", "", key};
    size_t sizes[COUNT_OF(arguments)] = {0};
    int count = action == QR_KEYS_LIST ? 2 : 3;
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        arguments[1] = actions[i].action == action ? actions[i].command : arguments[1];
    }
    for (int i = 0; i < count; i++) {
        sizes[i] = strlen(arguments[i]);
    }
    redisReply *reply = redis_ask(member->context, count, arguments, sizes);
    take_reply(member, reply);
    freeReplyObject(reply);
}

static void connect_to(struct keys_member *member)
{
    struct cli_address address;
    struct text reason = text_of(member->reason, sizeof(member->reason));
    if (cli_address_parse(member->client, strlen(member->client), &address) == 0) {
        member->context = redis_connect_one(&address, CONNECT_TIMEOUT_MS, ANSWER_TIMEOUT_MS);
        text_string(&reason, "not reached at ");
        text_string(&reason, member->client);
    } else {
        text_string(&reason, "its clients' port is not known");
    }
}

static bool has_key(const struct keys_member *member, const char *id)
{
    for (size_t i = 0; i < member->keys.count; i++) {
        if (strcmp(member->keys.ids[i], id) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether the step could cut off a member that was reached: a CLI_* code. */
static int judge(const struct keys_run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        const struct keys_member *member = &run->members[i];
        if (!member->is_done) {
            continue;
        }
        if (run->action == QR_KEYS_USE && !has_key(member, run->id)) {
            return cli_complain(CLI_FAILED,
                                "%s has no key %s: add it there first; nothing was changed",
                                member->name, run->id);
        }
        if (run->action == QR_KEYS_REMOVE && strcmp(member->keys.ids[0], run->id) == 0) {
            return cli_complain(CLI_FAILED,
                                "%s uses %s to send: use another first; nothing was changed",
                                member->name, run->id);
        }
    }
    return CLI_DONE;
}

static void print_member(const struct keys_member *member)
{
    printf("%-16s %s", member->name, member->reason);
    for (size_t i = 0; member->is_done && i < member->keys.count; i++) {
        printf("%s%s%s", i > 0 || member->reason[0] == '\0' ? i > 0 ? ", " : "" : "; keys ",
               member->keys.ids[i], i == 0 ? " (used)" : "");
    }
    putchar('\n');
}

static void print_member_json(const struct keys_member *member, bool is_first)
{
    char line[LINE_BYTES_MAX];
    struct text text = text_of(line, sizeof(line));
    text_json_object_begin(&text);
    text_json_key(&text, "name");
    text_json_string(&text, member->name);
    text_json_key(&text, "done");
    text_json_bool(&text, member->is_done);
    text_json_key(&text, "reason");
    text_json_string(&text, member->reason);
    text_json_key(&text, "keys");
    text_json_array_begin(&text);
    for (size_t i = 0; member->is_done && i < member->keys.count; i++) {
        text_json_string(&text, member->keys.ids[i]);
    }
    text_json_array_end(&text);
    text_json_object_end(&text);
    printf("%s%s", is_first ? "" : ",", line);
}

/* Each member's outcome, and what is left to do: a CLI_* code. */
static int report(const struct keys_run *run)
{
    char left[LINE_BYTES_MAX] = "";
    struct text text = text_of(left, sizeof(left));
    if (run->is_json) {
        putchar('[');
    }
    for (size_t i = 0; i < run->count; i++) {
        const struct keys_member *member = &run->members[i];
        if (run->is_json) {
            print_member_json(member, i == 0);
        } else {
            print_member(member);
        }
        if (!member->is_done) {
            text_string(&text, left[0] == '\0' ? "" : ", ");
            text_string(&text, member->name);
        }
    }
    if (run->is_json) {
        puts("]");
    }
    int code = cli_flush();
    if (left[0] == '\0' || code != CLI_DONE) {
        return code;
    }
    return run->action == QR_KEYS_LIST
               ? cli_complain(CLI_FAILED, "not all members told their keys: %s", left)
               : cli_complain(CLI_FAILED,
                              "not done on %s: repeat this step there before the next one", left);
}

static int run_all(struct keys_run *run)
{
    int code = read_key(run);
    if (code == CLI_DONE) {
        code = find_members(run);
    }
    if (code != CLI_DONE) {
        return code;
    }
    for (size_t i = 0; i < run->count; i++) {
        struct keys_member *member = &run->members[i];
        connect_to(member);
        if (member->context != NULL) {
            ask(member, QR_KEYS_LIST, "");
        }
    }
    code = judge(run);
    if (code != CLI_DONE) {
        return code;
    }
    for (size_t i = 0; run->action != QR_KEYS_LIST && i < run->count; i++) {
        if (run->members[i].is_done) {
            ask(&run->members[i], run->action, run->key);
        }
    }
    return report(run);
}

int cli_keys(int argc, char **argv)
{
    struct keys_run run = {.word = NULL};
    options_parse(argc, argv, &run);
    int code = run_all(&run);
    for (size_t i = 0; i < run.count; i++) {
        if (run.members[i].context != NULL) {
            redisFree(run.members[i].context);
        }
    }
    return code;
}
