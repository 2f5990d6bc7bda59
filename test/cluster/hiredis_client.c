/* hiredis_client.c: hiredis, unchanged, against a node: synchronous, pipelined, asynchronous.
 *
 * usage: hiredis_client PORT      of a node of a running cluster, a follower as a rule
 *
 * Prints TAP. Each case uses keys of its own and a connection of its own.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/adapters/libuv.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <uv.h>

#define PIPELINE 1000
#define BINARY_BYTES 256
#define LARGE_BYTES ((size_t)1024 * 1024)
#define CONNECT_S 5
#define ANSWER_S 60

static bool fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Say why a case failed; false, so that a case can return it. */
static bool fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("# ");
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
    return false;
}

static redisContext *open_connection(int port)
{
    struct timeval connect = {.tv_sec = CONNECT_S};
    struct timeval answer = {.tv_sec = ANSWER_S};
    redisContext *context = redisConnectWithTimeout("127.0.0.1", port, connect);
    if (context == NULL || context->err != 0 || redisSetTimeout(context, answer) != REDIS_OK) {
        fprintf(stderr, "no connection to port %d\n", port);
        exit(EXIT_FAILURE);
    }
    return context;
}

/* Compare a reply with text of its type, free it, and say what is wrong. */
static bool reply_is(redisReply *reply, int type, const char *text)
{
    bool is_right = reply != NULL && reply->type == type &&
                    (text == NULL || (reply->str != NULL && strcmp(reply->str, text) == 0));
    if (!is_right) {
        fail("a reply is of type %d (%s), not %d (%s)", reply == NULL ? -1 : reply->type,
             reply == NULL || reply->str == NULL ? "" : reply->str, type, text == NULL ? "" : text);
    }
    freeReplyObject(reply);
    return is_right;
}

static bool sets_and_gets(redisContext *context)
{
    return reply_is(redisCommand(context, "SET %s %s", "h:a", "value"), REDIS_REPLY_STATUS, "OK") &&
           reply_is(redisCommand(context, "GET %s", "h:a"), REDIS_REPLY_STRING, "value") &&
           reply_is(redisCommand(context, "GET %s", "h:none"), REDIS_REPLY_NIL, NULL);
}

static bool tells_errors(redisContext *context)
{
    return reply_is(redisCommand(context, "SET h:text abc"), REDIS_REPLY_STATUS, "OK") &&
           reply_is(redisCommand(context, "INCR h:text"), REDIS_REPLY_ERROR,
                    "ERR value is not an integer or out of range") &&
           reply_is(redisCommand(context, "GET h:text"), REDIS_REPLY_STRING, "abc");
}

static bool returns_lists(redisContext *context)
{
    if (!reply_is(redisCommand(context, "MSET h:l1 one h:l2 two"), REDIS_REPLY_STATUS, "OK")) {
        return false;
    }
    redisReply *reply = redisCommand(context, "MGET h:l1 h:none h:l2");
    bool is_right =
        reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
        reply->element[0]->type == REDIS_REPLY_STRING &&
        strcmp(reply->element[0]->str, "one") == 0 && reply->element[1]->type == REDIS_REPLY_NIL &&
        reply->element[2]->type == REDIS_REPLY_STRING && strcmp(reply->element[2]->str, "two") == 0;
    freeReplyObject(reply);
    return is_right || fail("MGET returned something else");
}

static bool pipelines(redisContext *context)
{
    if (!reply_is(redisCommand(context, "DEL h:counter"), REDIS_REPLY_INTEGER, NULL)) {
        return false;
    }
    for (int i = 0; i < PIPELINE; i++) {
        if (redisAppendCommand(context, "INCR h:counter") != REDIS_OK) {
            return fail("command %d cannot be appended", i);
        }
    }
    for (int i = 0; i < PIPELINE; i++) {
        void *answer = NULL;
        if (redisGetReply(context, &answer) != REDIS_OK) {
            return fail("no answer %d: %s", i, context->errstr);
        }
        redisReply *reply = answer;
        long long got = reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
        freeReplyObject(reply);
        if (got != i + 1) {
            return fail("answer %d is %lld", i, got);
        }
    }
    return true;
}

/* Set and get `value` under `key`, by length. */
static bool bytes_come_back(redisContext *context, const char *key, size_t key_bytes,
                            const char *value, size_t value_bytes)
{
    const char *set[] = {"SET", key, value};
    const size_t set_bytes[] = {3, key_bytes, value_bytes};
    const char *get[] = {"GET", key};
    const size_t get_bytes[] = {3, key_bytes};
    if (!reply_is(redisCommandArgv(context, 3, set, set_bytes), REDIS_REPLY_STATUS, "OK")) {
        return false;
    }
    redisReply *reply = redisCommandArgv(context, 2, get, get_bytes);
    bool is_right = reply != NULL && reply->type == REDIS_REPLY_STRING &&
                    (size_t)reply->len == value_bytes &&
                    memcmp(reply->str, value, value_bytes) == 0;
    freeReplyObject(reply);
    return is_right || fail("%zu bytes did not come back the same", value_bytes);
}

static bool keeps_binary_bytes(redisContext *context)
{
    char all[BINARY_BYTES];
    for (int i = 0; i < BINARY_BYTES; i++) {
        all[i] = (char)(unsigned char)i;
    }
    return bytes_come_back(context, all, sizeof(all), all, sizeof(all)) &&
           bytes_come_back(context, "h:empty", 7, "", 0);
}

static bool keeps_large_values(redisContext *context)
{
    char *value = malloc(LARGE_BYTES);
    if (value == NULL) {
        return fail("memory ran out");
    }
    for (size_t i = 0; i < LARGE_BYTES; i++) {
        value[i] = (char)('a' + i % 26);
    }
    bool is_right = bytes_come_back(context, "h:large", 7, value, LARGE_BYTES);
    free(value);
    return is_right;
}

struct asking {
    int sent;
    int answered;
    bool is_wrong;
};

static void answer_came(redisAsyncContext *context, void *answer, void *data)
{
    const redisReply *reply = answer;
    struct asking *asking = data;
    asking->answered++;
    if (reply == NULL || reply->type != REDIS_REPLY_INTEGER || reply->integer != asking->answered) {
        asking->is_wrong = true;
    }
    if (asking->answered == asking->sent) {
        redisAsyncDisconnect(context);
    }
}

static bool answers_asynchronously(redisContext *context, int port)
{
    struct asking asking = {.sent = 0};
    uv_loop_t loop;
    if (!reply_is(redisCommand(context, "DEL h:async"), REDIS_REPLY_INTEGER, NULL)) {
        return false;
    }
    redisAsyncContext *async = redisAsyncConnect("127.0.0.1", port);
    if (async == NULL || async->err != 0 || uv_loop_init(&loop) != 0 ||
        redisLibuvAttach(async, &loop) != REDIS_OK) {
        return fail("no asynchronous connection");
    }
    while (asking.sent < PIPELINE) {
        if (redisAsyncCommand(async, answer_came, &asking, "INCR h:async") != REDIS_OK) {
            return fail("command %d cannot be sent", asking.sent);
        }
        asking.sent++;
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    if (asking.is_wrong || asking.answered != PIPELINE) {
        return fail("%d answers came%s", asking.answered, asking.is_wrong ? ", wrong ones" : "");
    }
    return true;
}

struct test_case {
    const char *name;
    bool (*run)(redisContext *context);
};

/* Print the line of a case; returns 1 when it failed. */
static int tell(size_t number, const char *name, bool is_right)
{
    printf("%s %zu - %s\n", is_right ? "ok" : "not ok", number, name);
    fflush(stdout);
    return is_right ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"hiredis sets a key and gets it back", sets_and_gets},
        {"hiredis is told what is wrong, and the connection stays", tells_errors},
        {"hiredis gets a list with a missing value in it", returns_lists},
        {"1,000 commands sent at once by hiredis are answered in order", pipelines},
        {"keys and values of every byte, and of none, come back the same", keeps_binary_bytes},
        {"a value of 1 MiB comes back the same", keeps_large_values},
    };
    const size_t count = sizeof(cases) / sizeof(cases[0]);
    int failed_count = 0;
    long port = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (port <= 0 || port > UINT16_MAX) {
        fprintf(stderr, "usage: hiredis_client PORT\n");
        return 2;
    }
    printf("1..%zu\n", count + 1);
    for (size_t i = 0; i < count; i++) {
        redisContext *context = open_connection((int)port);
        failed_count += tell(i + 1, cases[i].name, cases[i].run(context));
        redisFree(context);
    }
    redisContext *context = open_connection((int)port);
    failed_count += tell(count + 1, "1,000 asynchronous commands on libuv are answered in order",
                         answers_asynchronously(context, (int)port));
    redisFree(context);
    return failed_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
