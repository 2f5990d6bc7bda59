/* verify_client.c: one client of `quorate verify`: what it asks, and what it notes of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "cli/verify.h"

#define WORDS_MAX 5
#define DIGITS_BYTES_MAX 24
#define CONNECT_TIMEOUT_MS 1000
#define ANSWER_TIMEOUT_MS 8000 /* more than a node takes to say that it does not know */
#define RECONNECT_MS 50
#define ONCE_LIMIT_NS (30 * NS_PER_S)
#define REMOVED_AT_ONCE 200

/* A command as words; numbers stand in `digits`. */
struct command {
    const char *words[WORDS_MAX];
    size_t sizes[WORDS_MAX];
    int count;
    char token[VERIFY_KEY_BYTES_MAX];
    char key[VERIFY_KEY_BYTES_MAX];
    char digits[2][DIGITS_BYTES_MAX];
};

void verify_key_name(const struct verify *verify, uint64_t key, char *out)
{
    snprintf(out, VERIFY_KEY_BYTES_MAX, "verify:%016llx:%llu", (unsigned long long)verify->run,
             (unsigned long long)key);
}

static void word(struct command *command, const char *text)
{
    ASSERT(command->count < WORDS_MAX);
    command->words[command->count] = text;
    command->sizes[command->count++] = strlen(text);
}

static void number_word(struct command *command, size_t slot, int64_t number)
{
    snprintf(command->digits[slot], DIGITS_BYTES_MAX, "%lld", (long long)number);
    word(command, command->digits[slot]);
}

/* Compare-and-set and SETNX are options of SET, or have a name of their own. */
static void command_make(const struct verify *verify, const struct history_call *call,
                         struct command *out)
{
    static const char *const names[] = {
        [HISTORY_GET] = "GET",  [HISTORY_SET] = "SET",     [HISTORY_GETSET] = "GETSET",
        [HISTORY_CAS] = "SET",  [HISTORY_SETNX] = "SETNX", [HISTORY_DEL] = "DEL",
        [HISTORY_INCR] = "INCR"};
    verify_key_name(verify, call->key, out->key);
    word(out, names[call->kind]);
    word(out, out->key);
    if (call->kind == HISTORY_SET || call->kind == HISTORY_GETSET || call->kind == HISTORY_CAS ||
        call->kind == HISTORY_SETNX) {
        number_word(out, 0, call->argument);
    }
    if (call->kind == HISTORY_CAS) {
        word(out, "IFEQ");
        number_word(out, 1, call->expected);
    }
}

/* Of four keys one is a counter: what is added twice or not at all shows in its numbers. */
static bool is_counter(uint64_t key)
{
    return key % 4 == 3;
}

static uint64_t key_draw(struct verify_client *client, size_t operation_count)
{
    const struct verify_options *options = client->verify->options;
    uint64_t generation = operation_count / (options->key_count * VERIFY_OPERATIONS_A_KEY);
    return generation * options->key_count + prng_between(&client->prng, 0, options->key_count - 1);
}

static enum history_kind kind_draw(struct verify_client *client, uint64_t key)
{
    static const enum history_kind kinds[] = {
        HISTORY_GET, HISTORY_GET, HISTORY_GET,    HISTORY_SET,   HISTORY_SET,
        HISTORY_CAS, HISTORY_CAS, HISTORY_GETSET, HISTORY_SETNX, HISTORY_DEL};
    uint64_t which = prng_between(&client->prng, 0, COUNT_OF(kinds) - 1);
    if (is_counter(key)) {
        return which < 3 ? HISTORY_GET : HISTORY_INCR;
    }
    return kinds[which];
}

/* Decide what comes next, and note that it is asked from now on.
 * Returns 0, or QR_ERR_TOO_LARGE or QR_ERR_NO_MEMORY when the history takes no more.
 */
static int call_begin(struct verify_client *client, struct history_call *call, uint32_t *number)
{
    struct verify *verify = client->verify;
    pthread_mutex_lock(&verify->lock);
    call->key = key_draw(client, verify->history.count);
    call->kind = kind_draw(client, call->key);
    call->client = client->number;
    call->argument = ++verify->written;
    call->expected = client->seen_key == call->key ? client->seen_number : 0;
    int status = history_add(&verify->history, call, cli_clock_ns(), number);
    pthread_mutex_unlock(&verify->lock);
    return status;
}

/* Read a stored number. What is none was not written by us. */
static bool number_read(const redisReply *reply, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    *out = strtoll(reply->str, &end, 10);
    return errno == 0 && reply->len > 0 && end == reply->str + reply->len;
}

/* The answer as the history counts it. Returns false for one that the command cannot have. */
static bool reply_value(const struct history_call *call, const redisReply *reply,
                        struct history_value *out)
{
    bool is_conditional = call->kind == HISTORY_CAS;
    switch (reply->type) {
    case REDIS_REPLY_NIL:
        *out = is_conditional ? history_number(0) : history_none();
        return is_conditional || call->kind == HISTORY_GET || call->kind == HISTORY_GETSET;
    case REDIS_REPLY_STATUS:
        *out = history_number(1);
        return is_conditional || call->kind == HISTORY_SET;
    case REDIS_REPLY_INTEGER:
        *out = history_number(reply->integer);
        return call->kind == HISTORY_INCR || call->kind == HISTORY_DEL ||
               call->kind == HISTORY_SETNX;
    case REDIS_REPLY_STRING:
        *out = history_number(0);
        return (call->kind == HISTORY_GET || call->kind == HISTORY_GETSET) &&
               number_read(reply, &out->number);
    default:
        return false;
    }
}

static void seen_note(struct verify_client *client, const struct history_call *call,
                      struct history_value value)
{
    bool is_written =
        call->kind == HISTORY_SET || call->kind == HISTORY_GETSET ||
        ((call->kind == HISTORY_CAS || call->kind == HISTORY_SETNX) && value.number == 1);
    if (is_written || (call->kind == HISTORY_GET && value.is_present)) {
        client->seen_key = call->key;
        client->seen_number = is_written ? call->argument : value.number;
    }
}

/* Note how it ended. What no command can answer stands as an answer that no order explains. */
static void call_end(struct verify_client *client, const struct history_call *call, uint32_t number,
                     const redisReply *reply)
{
    struct verify *verify = client->verify;
    struct history_value value;
    time_ns now_ns = cli_clock_ns();
    pthread_mutex_lock(&verify->lock);
    if (reply == NULL || redis_is_outcome_unknown(reply)) {
        history_unknown(&verify->history, number);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        history_refused(&verify->history, number);
    } else {
        if (!reply_value(call, reply, &value)) {
            value = history_number(INT64_MIN);
        }
        history_done(&verify->history, number, value, now_ns);
        seen_note(client, call, value);
    }
    pthread_mutex_unlock(&verify->lock);
}

static void disconnect(struct verify_client *client)
{
    if (client->context != NULL) {
        redisFree(client->context);
        client->context = NULL;
    }
}

static redisReply *send_once(struct verify_client *client, struct command *command)
{
    redisReply *reply = redis_ask(client->context, command->count, command->words, command->sizes);
    if (reply == NULL) {
        disconnect(client);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        cli_sleep_ms(RECONNECT_MS); /* no leader, perhaps: another node may know better */
        disconnect(client);
    }
    return reply;
}

static bool connect_somewhere(struct verify_client *client)
{
    const struct cli_addresses *addresses = &client->verify->addresses;
    if (client->context == NULL) {
        size_t which = (size_t)prng_between(&client->prng, 0, addresses->count - 1);
        client->context =
            redis_connect_one(&addresses->items[which], CONNECT_TIMEOUT_MS, ANSWER_TIMEOUT_MS);
    }
    return client->context != NULL;
}

static void ask(struct verify_client *client, const struct history_call *call, uint32_t number)
{
    struct command command = {.count = 0};
    command_make(client->verify, call, &command);
    redisReply *reply = send_once(client, &command);
    call_end(client, call, number, reply);
    freeReplyObject(reply);
}

/* Under a token of its own, sent again to any node until there is an answer: it counts once. A
 * refusal speaks of one sending alone, so what has no answer in time is unknown.
 */
static void ask_once(struct verify_client *client, const struct history_call *call, uint32_t number)
{
    struct command command = {.count = 0};
    redisReply *reply = NULL;
    time_ns limit_ns = cli_clock_ns() + ONCE_LIMIT_NS;
    snprintf(command.token, sizeof(command.token), "verify:%016llx:%lld",
             (unsigned long long)client->verify->run, (long long)call->argument);
    word(&command, "IDEMPOTENT");
    word(&command, command.token);
    command_make(client->verify, call, &command);
    while (cli_clock_ns() < limit_ns) {
        if (!connect_somewhere(client)) {
            cli_sleep_ms(RECONNECT_MS);
            continue;
        }
        reply = send_once(client, &command);
        if (reply != NULL && reply->type != REDIS_REPLY_ERROR) {
            break;
        }
        freeReplyObject(reply);
        reply = NULL;
    }
    call_end(client, call, number, reply);
    freeReplyObject(reply);
}

static void *client_run(void *argument)
{
    struct verify_client *client = argument;
    struct verify *verify = client->verify;
    while (!atomic_load(&verify->is_over)) {
        struct history_call call;
        uint32_t number;
        if (!connect_somewhere(client)) {
            cli_sleep_ms(RECONNECT_MS);
            continue;
        }
        if (call_begin(client, &call, &number) != 0) {
            atomic_store(&verify->is_full, true);
            break;
        }
        bool is_once =
            verify->options->is_once && call.kind == HISTORY_INCR && call.argument % 2 == 0;
        if (is_once) {
            ask_once(client, &call, number);
        } else {
            ask(client, &call, number);
        }
        usleep((useconds_t)prng_between(&client->prng, 0, verify->options->think_us_max));
    }
    disconnect(client);
    return NULL;
}

int verify_clients_start(struct verify *verify)
{
    for (size_t i = 0; i < verify->options->client_count; i++) {
        struct verify_client *client = &verify->clients[i];
        *client = (struct verify_client){
            .verify = verify,
            .number = (uint32_t)i,
            .prng = prng_of(verify->run + i),
            .seen_key = UINT64_MAX,
        };
        int status = pthread_create(&client->thread, NULL, client_run, client);
        if (status != 0) {
            return cli_complain(CLI_FAILED, "a thread cannot be started: %s", strerror(status));
        }
        verify->running_count++;
    }
    return CLI_DONE;
}

void verify_clients_stop(struct verify *verify)
{
    atomic_store(&verify->is_over, true);
    while (verify->running_count > 0) {
        int status = pthread_join(verify->clients[--verify->running_count].thread, NULL);
        ASSERT(status == 0);
    }
}

/* All keys that were used are below this. */
static uint64_t keys_end(const struct verify *verify)
{
    uint64_t end = 0;
    for (size_t i = 0; i < verify->history.count; i++) {
        end = max_u64(end, verify->history.operations[i].call.key + 1);
    }
    return end;
}

void verify_read_back(struct verify *verify)
{
    uint64_t end = keys_end(verify);
    for (size_t at = 0; at < verify->addresses.count; at++) {
        struct verify_client reader = {.verify = verify,
                                       .number = (uint32_t)(verify->options->client_count + at)};
        reader.context =
            redis_connect_one(&verify->addresses.items[at], CONNECT_TIMEOUT_MS, ANSWER_TIMEOUT_MS);
        for (uint64_t key = 0; key < end && reader.context != NULL; key++) {
            struct history_call call = {.key = key, .client = reader.number, .kind = HISTORY_GET};
            uint32_t number;
            if (history_add(&verify->history, &call, cli_clock_ns(), &number) != 0) {
                break;
            }
            ask(&reader, &call, number);
        }
        disconnect(&reader);
    }
}

void verify_keys_remove(struct verify *verify)
{
    uint64_t end = keys_end(verify);
    redisContext *context = redis_connect_any(&verify->addresses);
    for (uint64_t first = 0; first < end && context != NULL; first += REMOVED_AT_ONCE) {
        char names[REMOVED_AT_ONCE][VERIFY_KEY_BYTES_MAX];
        const char *words[REMOVED_AT_ONCE + 1] = {"DEL"};
        size_t sizes[REMOVED_AT_ONCE + 1] = {3};
        uint64_t count = min_u64(REMOVED_AT_ONCE, end - first);
        for (uint64_t i = 0; i < count; i++) {
            verify_key_name(verify, first + i, names[i]);
            words[i + 1] = names[i];
            sizes[i + 1] = strlen(names[i]);
        }
        redisReply *reply = redis_ask(context, (int)count + 1, words, sizes);
        if (redis_reply_code(context, reply, true) != CLI_DONE) {
            end = 0;
        }
        freeReplyObject(reply);
    }
    if (context != NULL) {
        redisFree(context);
    }
}
