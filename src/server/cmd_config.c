/* cmd_config.c: CONFIG GET: the few settings that tools of Redis ask for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/internal.h"

enum setting_source {
    SETTING_TEXT,
    SETTING_MESSAGE_BYTES,
    SETTING_CLIENTS,
};

struct setting {
    const char *name;
    enum setting_source source;
    const char *text;
};

static const struct setting settings[] = {
    {"appendonly", SETTING_TEXT, "yes"},     /* every write is in a log, */
    {"appendfsync", SETTING_TEXT, "always"}, /* synced before it is answered */
    {"cluster-enabled", SETTING_TEXT, "yes"},
    {"databases", SETTING_TEXT, "1"},
    {"maxclients", SETTING_CLIENTS, NULL},
    {"maxmemory", SETTING_TEXT, "0"},
    {"maxmemory-policy", SETTING_TEXT, "noeviction"},
    {"proto-max-bulk-len", SETTING_MESSAGE_BYTES, NULL},
    {"save", SETTING_TEXT, ""},
    {"timeout", SETTING_TEXT, "0"},
};

#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

/* A pattern is a name, or the beginning of one and a star. */
static bool matches(const struct kv_argument *pattern, const char *name)
{
    const char *data = pattern->data;

    for (size_t i = 0; i < pattern->size_bytes; i++) {
        char letter = data[i] >= 'A' && data[i] <= 'Z' ? (char)(data[i] - 'A' + 'a') : data[i];
        if (letter == '*' && i + 1 == pattern->size_bytes) {
            return true;
        }
        if (name[i] == '\0' || letter != name[i]) {
            return false;
        }
    }
    return name[pattern->size_bytes] == '\0';
}

static bool matches_any(const struct kv_argument *patterns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (matches(&patterns[i], name)) {
            return true;
        }
    }
    return false;
}

static void reply_value(const struct reply *reply, const struct server_options *options,
                        const struct setting *setting)
{
    char data[24];
    struct text text = text_of(data, sizeof(data));

    switch (setting->source) {
    case SETTING_TEXT:
        reply_string(reply, setting->text);
        return;
    case SETTING_MESSAGE_BYTES:
        text_u64(&text, options->max_message_bytes);
        break;
    case SETTING_CLIENTS:
        text_u64(&text, options->clients_max);
        break;
    }
    reply_bulk(reply, text.data, text.length);
}

static void reply_settings(const struct reply *reply, const struct server_options *options,
                           const struct kv_argument *patterns, size_t count)
{
    bool is_meant[SETTING_COUNT];
    size_t meant_count = 0;

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        is_meant[i] = matches_any(patterns, count, settings[i].name);
        meant_count += is_meant[i] ? 1 : 0;
    }
    reply_map(reply, meant_count);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (is_meant[i]) {
            reply_string(reply, settings[i].name);
            reply_value(reply, options, &settings[i]);
        }
    }
}

enum dispatch_outcome cmd_config(struct client *client, const struct kv_argument *arguments,
                                 size_t count)
{
    struct reply reply = pipeline_reply(client);

    if (count > 2 && word_is(&arguments[1], "GET")) {
        reply_settings(&reply, &client->server->options, arguments + 2, count - 2);
    } else if (word_is(&arguments[1], "SET") || word_is(&arguments[1], "REWRITE")) {
        reply_error(&reply, "ERR settings are given when the node is started; nothing was changed");
    } else {
        reply_unknown_subcommand(&reply, "CONFIG", &arguments[1]);
    }
    return DISPATCH_DONE;
}
