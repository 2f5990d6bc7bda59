/* cmd_command.c: COMMAND: what this server understands, for clients that ask. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "server/internal.h"

/* One row, whichever table it comes from. */
struct row {
    const char *name;
    int arity;
    const char *flags;
    int first_key;
    int last_key;
    int key_step;
};

static struct row row_of_kv(const struct kv_command *command)
{
    return (struct row){
        .name = command->name,
        .arity = command->arity,
        .flags = (command->flags & KV_WRITE) != 0 ? "write" : "readonly",
        .first_key = command->first_key,
        .last_key = command->last_key,
        .key_step = command->key_step,
    };
}

static struct row row_of_own(const struct server_command *command)
{
    return (struct row){.name = command->name, .arity = command->arity, .flags = command->flags};
}

/* The store tells of a command that both know: SCAN is executed here, with its keys there. */
static bool is_only_own(const struct server_command *command)
{
    return kv_command_find(command->name, strlen(command->name)) == NULL;
}

static size_t row_count(void)
{
    size_t kv_count;
    size_t own_count;
    const struct server_command *own = dispatch_commands(&own_count);

    (void)kv_commands(&kv_count);
    for (size_t i = 0; i < own_count; i++) {
        kv_count += is_only_own(&own[i]) ? 1 : 0;
    }
    return kv_count;
}

static void each_row(void (*write)(const struct reply *reply, const struct row *row),
                     const struct reply *reply)
{
    size_t kv_count;
    size_t own_count;
    const struct kv_command *kv = kv_commands(&kv_count);
    const struct server_command *own = dispatch_commands(&own_count);

    for (size_t i = 0; i < kv_count; i++) {
        struct row row = row_of_kv(&kv[i]);
        write(reply, &row);
    }
    for (size_t i = 0; i < own_count; i++) {
        if (is_only_own(&own[i])) {
            struct row row = row_of_own(&own[i]);
            write(reply, &row);
        }
    }
}

static bool find_row(const struct kv_argument *name, struct row *out)
{
    size_t own_count;
    const struct server_command *own = dispatch_commands(&own_count);
    const struct kv_command *kv = kv_command_find(name->data, name->size_bytes);

    if (kv != NULL) {
        *out = row_of_kv(kv);
        return true;
    }
    for (size_t i = 0; i < own_count; i++) {
        if (word_is(name, own[i].name)) {
            *out = row_of_own(&own[i]);
            return true;
        }
    }
    return false;
}

static void write_name(const struct reply *reply, const struct row *row)
{
    char data[64];
    struct text lower = text_of(data, sizeof(data));

    for (const char *at = row->name; *at != '\0'; at++) {
        text_char(&lower, *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at);
    }
    ASSERT(!lower.truncated);
    reply_bulk(reply, lower.data, lower.length);
}

static void write_flags(const struct reply *reply, const char *flags)
{
    size_t count = 0;

    for (const char *word = flags; *word != '\0'; word += strspn(word, " ")) {
        count++;
        word += strcspn(word, " ");
    }
    reply_array(reply, count);
    for (const char *word = flags; *word != '\0'; word += strspn(word, " ")) {
        char data[32];
        struct text status = text_of(data, sizeof(data));
        text_bytes(&status, word, strcspn(word, " "));
        reply_status(reply, status.data);
        word += status.length;
    }
}

/* Ten elements as in Redis 7; the last four (categories, tips, key positions once more,
 * subcommands) are empty.
 */
static void write_row(const struct reply *reply, const struct row *row)
{
    reply_array(reply, 10);
    write_name(reply, row);
    reply_integer(reply, row->arity);
    write_flags(reply, row->flags);
    reply_integer(reply, row->first_key);
    reply_integer(reply, row->last_key);
    reply_integer(reply, row->key_step);
    for (int i = 0; i < 4; i++) {
        reply_array(reply, 0);
    }
}

static void reply_rows_named(const struct reply *reply, const struct kv_argument *names,
                             size_t count)
{
    reply_array(reply, count);
    for (size_t i = 0; i < count; i++) {
        struct row row;
        if (find_row(&names[i], &row)) {
            write_row(reply, &row);
        } else {
            reply_null(reply);
        }
    }
}

static void reply_keys_of(const struct reply *reply, const struct kv_argument *arguments,
                          size_t count)
{
    const struct kv_command *command = kv_command_find(arguments[0].data, arguments[0].size_bytes);

    if (command == NULL) {
        reply_error(reply, "ERR Invalid command specified");
        return;
    }
    long last = command->last_key < 0 ? (long)count + command->last_key : command->last_key;
    bool has_arity =
        command->arity >= 0 ? count == (size_t)command->arity : count >= (size_t)-command->arity;
    if (command->first_key == 0) {
        reply_error(reply, "ERR The command has no key arguments");
        return;
    }
    if (!has_arity || last < command->first_key || last >= (long)count || command->key_step < 1) {
        reply_error(reply, "ERR Invalid number of arguments specified for command");
        return;
    }
    size_t key_count = (size_t)((last - command->first_key) / command->key_step) + 1;
    reply_array(reply, key_count);
    for (size_t i = 0; i < key_count; i++) {
        const struct kv_argument *key =
            &arguments[(size_t)command->first_key + i * (size_t)command->key_step];
        reply_bulk(reply, key->data, key->size_bytes);
    }
}

enum dispatch_outcome cmd_command(struct client *client, const struct kv_argument *arguments,
                                  size_t count)
{
    struct reply reply = pipeline_reply(client);
    const struct kv_argument *sub = &arguments[count > 1 ? 1 : 0];

    if (count == 1 || (count == 2 && word_is(sub, "INFO"))) {
        reply_array(&reply, row_count());
        each_row(write_row, &reply);
    } else if (word_is(sub, "INFO")) {
        reply_rows_named(&reply, arguments + 2, count - 2);
    } else if (count == 2 && word_is(sub, "COUNT")) {
        reply_integer(&reply, (int64_t)row_count());
    } else if (count == 2 && word_is(sub, "LIST")) {
        reply_array(&reply, row_count());
        each_row(write_name, &reply);
    } else if (word_is(sub, "DOCS")) {
        reply_map(&reply, 0);
    } else if (count > 2 && word_is(sub, "GETKEYS")) {
        reply_keys_of(&reply, arguments + 2, count - 2);
    } else {
        reply_unknown_subcommand(&reply, "COMMAND", sub);
    }
    return DISPATCH_DONE;
}
