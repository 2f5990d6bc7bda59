/* command.c: the table, and checks that need no state. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/command.h"

#include <string.h>

#include "base/assert.h"

#define NAME_BYTES_MAX 16

/* The texts and the check that belong to a command. */
struct row {
    const char *arity_error;
    const char *expire_error;
    const char *(*check)(const struct row *row, const struct kv_argument *arguments, size_t count);
    int (*execute)(struct kv_call *call);
};

static const char error_decrement[] = "ERR decrement would overflow";
static const char error_offset[] = "ERR offset is out of range";
static const char error_key[] = "ERR key is longer than 65536 bytes";
_Static_assert(KV_KEY_BYTES_MAX == 65536, "error_key names the limit");

static const char *check_integer(const struct row *row, const struct kv_argument *arguments,
                                 size_t count)
{
    int64_t value;

    (void)row;
    (void)count;
    return kv_integer_parse(&arguments[2], &value) ? NULL : kv_error_integer;
}

static const char *check_decrement(const struct row *row, const struct kv_argument *arguments,
                                   size_t count)
{
    int64_t value;

    (void)row;
    (void)count;
    if (!kv_integer_parse(&arguments[2], &value)) {
        return kv_error_integer;
    }
    return value == INT64_MIN ? error_decrement : NULL;
}

static const char *check_expire(const struct row *row, const struct kv_argument *arguments,
                                size_t count)
{
    unsigned flags;
    const struct kv_argument *unsupported;
    const char *error = kv_expire_options_parse(arguments + 3, count - 3, &flags, &unsupported);

    /* An option that is none is refused when executed, by its name. */
    if (error != NULL || unsupported != NULL) {
        return error;
    }
    return check_integer(row, arguments, count);
}

static const char *check_flushall(const struct row *row, const struct kv_argument *arguments,
                                  size_t count)
{
    (void)row;
    if (count == 1) {
        return NULL;
    }
    return count == 2 &&
                   (kv_argument_is(&arguments[1], "ASYNC") || kv_argument_is(&arguments[1], "SYNC"))
               ? NULL
               : kv_error_syntax;
}

/* A time that is not above zero is refused whatever the clock says. */
static const char *check_options(const struct row *row, const struct kv_argument *arguments,
                                 size_t count, unsigned allowed)
{
    struct kv_options options;
    const char *error = kv_options_parse(arguments, count, allowed, &options);

    if (error != NULL) {
        return error;
    }
    return (options.flags & KV_OPTIONS_TIME) != 0 && options.time <= 0 ? row->expire_error : NULL;
}

static const char *check_getex(const struct row *row, const struct kv_argument *arguments,
                               size_t count)
{
    return check_options(row, arguments + 2, count - 2, KV_OPTIONS_GETEX);
}

static const char *check_set(const struct row *row, const struct kv_argument *arguments,
                             size_t count)
{
    return check_options(row, arguments + 3, count - 3, KV_OPTIONS_SET);
}

static const char *check_setex(const struct row *row, const struct kv_argument *arguments,
                               size_t count)
{
    int64_t value;

    (void)count;
    if (!kv_integer_parse(&arguments[2], &value)) {
        return kv_error_integer;
    }
    return value <= 0 ? row->expire_error : NULL;
}

static const char *check_getrange(const struct row *row, const struct kv_argument *arguments,
                                  size_t count)
{
    int64_t value;

    (void)row;
    (void)count;
    return kv_integer_parse(&arguments[2], &value) && kv_integer_parse(&arguments[3], &value)
               ? NULL
               : kv_error_integer;
}

static const char *check_setrange(const struct row *row, const struct kv_argument *arguments,
                                  size_t count)
{
    int64_t value;

    (void)row;
    (void)count;
    if (!kv_integer_parse(&arguments[2], &value)) {
        return kv_error_integer;
    }
    return value < 0 ? error_offset : NULL;
}

static const char *check_pairs(const struct row *row, const struct kv_argument *arguments,
                               size_t count)
{
    (void)arguments;
    return count % 2 == 1 ? NULL : row->arity_error;
}

static const struct kv_command commands[] = {
#define X(upper, lower, arity, flags, first, last, step, check)                                    \
    {#upper, arity, flags, first, last, step},
    KV_COMMAND_MAP(X)
#undef X
};

static const struct row rows[] = {
#define X(upper, lower, arity, flags, first, last, step, check)                                    \
    {"ERR wrong number of arguments for '" #lower "' command",                                     \
     "ERR invalid expire time in '" #lower "' command", check, kv_execute_##lower},
    KV_COMMAND_MAP(X)
#undef X
};

const struct kv_command *kv_commands(size_t *count)
{
    *count = KV_COMMAND_COUNT;
    return commands;
}

const struct kv_command *kv_command_find(const void *name, size_t size_bytes)
{
    const uint8_t *bytes = name;
    char upper[NAME_BYTES_MAX] = {0};
    size_t low = 0;
    size_t high = KV_COMMAND_COUNT;

    if (size_bytes >= sizeof(upper)) {
        return NULL;
    }
    for (size_t i = 0; i < size_bytes; i++) {
        upper[i] = (char)(bytes[i] >= 'a' && bytes[i] <= 'z' ? bytes[i] - 'a' + 'A' : bytes[i]);
    }
    while (low < high) {
        size_t middle = (low + high) / 2;
        int difference = strcmp(upper, commands[middle].name);
        if (difference == 0) {
            /* A NUL in the name would have cut the comparison short. */
            return strlen(upper) == size_bytes ? &commands[middle] : NULL;
        }
        if (difference < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

enum kv_command_id kv_command_id_of(const struct kv_command *command)
{
    ASSERT(command >= commands);
    ASSERT(command < commands + KV_COMMAND_COUNT);
    return (enum kv_command_id)(command - commands);
}

static bool has_arity(int arity, size_t count)
{
    return arity >= 0 ? count == (size_t)arity : count >= (size_t)-arity;
}

/* Whether every key, and every other argument, is within its limit. */
static const char *check_lengths(const struct kv_command *command,
                                 const struct kv_argument *arguments, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (arguments[i].size_bytes > KV_VALUE_BYTES_MAX) {
            return kv_error_size;
        }
    }
    if (command->first_key == 0) {
        return NULL;
    }
    size_t last =
        command->last_key < 0 ? count - (size_t)-command->last_key : (size_t)command->last_key;
    for (size_t i = (size_t)command->first_key; i <= last; i += (size_t)command->key_step) {
        if (arguments[i].size_bytes > KV_KEY_BYTES_MAX) {
            return error_key;
        }
    }
    return NULL;
}

bool kv_command_check(enum kv_command_id id, const struct kv_argument *arguments, size_t count,
                      const char **error)
{
    ASSERT(id < KV_COMMAND_COUNT);

    const struct row *row = &rows[id];
    if (!has_arity(commands[id].arity, count)) {
        *error = row->arity_error;
        return false;
    }
    const char *refusal = check_lengths(&commands[id], arguments, count);
    if (refusal == NULL && row->check != NULL) {
        refusal = row->check(row, arguments, count);
    }
    if (refusal != NULL) {
        *error = refusal;
        return false;
    }
    return true;
}

bool kv_check(const struct kv_argument *arguments, size_t count, const char **error)
{
    const struct kv_command *command =
        count == 0 ? NULL : kv_command_find(arguments[0].data, arguments[0].size_bytes);

    if (command == NULL) {
        *error = "ERR unknown command";
        return false;
    }
    if (count > KV_ARGUMENTS_MAX) {
        *error = "ERR too many arguments";
        return false;
    }
    return kv_command_check(kv_command_id_of(command), arguments, count, error);
}

int kv_command_execute(enum kv_command_id id, struct kv_call *call)
{
    ASSERT(id < KV_COMMAND_COUNT);

    call->expire_error = rows[id].expire_error;
    return rows[id].execute(call);
}

int kv_reply_item(const struct kv_call *call, const struct kv_item *item)
{
    if (item == NULL) {
        call->reply->null(call->reply->context);
    } else {
        struct kv_argument value = kv_item_value(item);
        call->reply->bulk(call->reply->context, value.data, value.size_bytes);
    }
    return 0;
}

int kv_reply_integer(const struct kv_call *call, int64_t value)
{
    call->reply->integer(call->reply->context, value);
    return 0;
}

int kv_reply_ok(const struct kv_call *call)
{
    call->reply->status(call->reply->context, "OK");
    return 0;
}

int kv_reply_error(const struct kv_call *call, const char *text)
{
    call->reply->error(call->reply->context, text);
    return 0;
}
