/* dispatch.c: who handles a command: the server itself, or the key-value store. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "server/crc16.h"
#include "server/internal.h"

/* Sorted by name. */
/* clang-format off */
static const struct server_command commands[] = {
    {"ASKING",          1,  "fast",                    cmd_asking},
    {"AUTH",            -2, "noscript loading fast",   cmd_auth},
    {"CLIENT",          -2, "noscript loading",        cmd_client},
    {"CLUSTER",         -2, "loading stale",           cmd_cluster},
    {"COMMAND",         -1, "loading stale",           cmd_command},
    {"CONFIG",          -2, "admin noscript loading",  cmd_config},
    {"DISCARD",         1,  "noscript loading fast",   cmd_discard},
    {"ECHO",            2,  "loading fast",            cmd_echo},
    {"EXEC",            1,  "noscript loading",        cmd_exec},
    {"HELLO",           -1, "noscript loading fast",   cmd_hello},
    {"IDEMPOTENT",      -3, "write denyoom",           cmd_idempotent},
    {"INFO",            -1, "loading stale",           cmd_info},
    {"MODULE",          -2, "admin noscript",          cmd_module},
    {"MULTI",           1,  "noscript loading fast",   cmd_multi},
    {"OUTCOME",         2,  "write",                   cmd_outcome},
    {"PING",            -1, "fast",                    cmd_ping},
    {"QUIT",            -1, "noscript loading fast",   cmd_quit},
    {"QUORATE.AGE",     1,  "loading stale fast",      cmd_quorate_age},
    {"QUORATE.BACKUP",  -1, "admin noscript blocking", cmd_quorate_backup},
    {"QUORATE.CHANGE",  -2, "admin noscript",          cmd_quorate_change},
    {"QUORATE.JOIN",    -2, "admin noscript",          cmd_quorate_join},
    {"QUORATE.KEYS",    -2, "admin noscript",          cmd_quorate_keys},
    {"QUORATE.LEAVE",   -1, "admin noscript loading stale", cmd_quorate_leave},
    {"QUORATE.PROPOSE", -2, "write denyoom",           cmd_quorate_propose},
    {"QUORATE.READ",    -1, "loading stale fast",      cmd_quorate_read},
    {"QUORATE.SESSION", -1, "write",                   cmd_quorate_session},
    {"QUORATE.SNAPSHOT", 1, "admin noscript blocking", cmd_quorate_snapshot},
    {"QUORATE.STALE",   -3, "readonly stale",          cmd_quorate_stale},
    {"QUORATE.STATUS",  1,  "admin loading stale",     cmd_quorate_status},
    {"QUORATE.TAIL",    1,  "pubsub noscript",         cmd_quorate_tail},
    {"READONLY",        1,  "loading stale fast",      cmd_readonly},
    {"READWRITE",       1,  "loading stale fast",      cmd_readwrite},
    {"RESET",           1,  "noscript loading fast",   cmd_reset},
    {"SCAN",            -2, "readonly",                cmd_scan},
    {"SELECT",          2,  "loading stale fast",      cmd_select},
    {"UNWATCH",         1,  "noscript loading fast",   cmd_unwatch},
    {"WAIT",            3,  "blocking",                cmd_wait},
    {"WATCH",           -2, "noscript loading fast",   cmd_watch},
};
/* clang-format on */

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

const struct server_command *dispatch_commands(size_t *count)
{
    *count = COMMAND_COUNT;
    return commands;
}

/* Order of an argument, in any case, and an upper-case name. */
static int compare(const struct kv_argument *argument, const char *name)
{
    const uint8_t *data = argument->data;

    for (size_t i = 0; i < argument->size_bytes; i++) {
        int left = data[i] >= 'a' && data[i] <= 'z' ? data[i] - 'a' + 'A' : data[i];
        int right = (unsigned char)name[i];
        if (left != right || right == '\0') {
            return right == '\0' ? 1 : left - right;
        }
    }
    return name[argument->size_bytes] == '\0' ? 0 : -1;
}

static const struct server_command *find(const struct kv_argument *name)
{
    size_t low = 0;
    size_t high = COMMAND_COUNT;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(name, commands[middle].name);
        if (order == 0) {
            return &commands[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

/* In lower case, as Redis says names in its errors. */
static void text_lower(struct text *text, const char *name)
{
    for (size_t i = 0; name[i] != '\0'; i++) {
        bool is_upper = name[i] >= 'A' && name[i] <= 'Z';
        text_char(text, is_upper ? (char)(name[i] - 'A' + 'a') : name[i]);
    }
}

void reply_wrong_arity(const struct reply *reply, const char *name)
{
    char message[SERVER_ERROR_BYTES];
    struct text text = text_of(message, sizeof(message));

    text_string(&text, "ERR wrong number of arguments for '");
    text_lower(&text, name);
    text_string(&text, "' command");
    reply_error(reply, message);
}

void reply_unknown_subcommand(const struct reply *reply, const char *name,
                              const struct kv_argument *subcommand)
{
    char message[SERVER_ERROR_BYTES];
    struct text text = text_of(message, sizeof(message));

    text_string(&text, "ERR unknown subcommand or wrong number of arguments for '");
    word_text(&text, subcommand, 128);
    text_string(&text, "'. Try COMMAND INFO ");
    text_string(&text, name);
    text_char(&text, '.');
    reply_error(reply, message);
}

/* As Redis 7 says it: up to 128 bytes of the name and of the arguments. */
void dispatch_refuse_unknown(struct client *client, const struct kv_argument *arguments,
                             size_t count)
{
    char message[SERVER_ERROR_BYTES];
    struct text text = text_of(message, sizeof(message));

    text_string(&text, "ERR unknown command '");
    word_text(&text, &arguments[0], 128);
    text_string(&text, "', with args beginning with: ");
    size_t begin = text.length;
    for (size_t i = 1; i < count && text.length - begin < 128; i++) {
        text_char(&text, '\'');
        word_text(&text, &arguments[i], 128 - (text.length - begin));
        text_string(&text, "' ");
    }
    struct reply reply = pipeline_reply(client);
    reply_error(&reply, message);
}

/* MOVED to the leader, if there is one elsewhere that told where its clients go. */
static bool reply_moved(struct client *client, const struct kv_argument *key)
{
    char host[QR_ADDRESS_BYTES_MAX];
    char message[SERVER_ERROR_BYTES];
    uint16_t port;

    if (!cluster_other_leader(client->server, host, sizeof(host), &port)) {
        return false;
    }
    struct text text = text_of(message, sizeof(message));
    text_string(&text, "MOVED ");
    text_u64(&text, server_key_slot(key->data, key->size_bytes));
    text_char(&text, ' ');
    text_string(&text, host);
    text_char(&text, ':');
    text_u64(&text, port);
    struct reply reply = pipeline_reply(client);
    reply_error(&reply, message);
    return true;
}

/* "CLUSTERDOWN this node is an observer and has no data; n2 leads, ask 10.0.0.2:7701; nothing was
 * changed"
 */
static void refuse_as_observer(struct client *client)
{
    char host[QR_ADDRESS_BYTES_MAX];
    char message[SERVER_ERROR_BYTES];
    uint16_t port;
    struct text text = text_of(message, sizeof(message));

    text_string(&text, "CLUSTERDOWN this node is an observer and has no data; ");
    if (cluster_other_leader(client->server, host, sizeof(host), &port)) {
        text_string(&text, client->server->status.leader_name);
        text_string(&text, " leads, ask ");
        text_string(&text, host);
        text_char(&text, ':');
        text_u64(&text, port);
    } else {
        text_string(&text, "no leader is known");
    }
    text_string(&text, "; nothing was changed");
    struct reply reply = pipeline_reply(client);
    reply_error(&reply, message);
}

/* Whether a command needs what an observer does not have: the store, the log or the members. */
static bool needs_member(const struct server_command *own, const struct kv_command *command)
{
    static command_handler *const handlers[] = {
        cmd_exec,
        cmd_idempotent,
        cmd_multi,
        cmd_outcome,
        cmd_scan,
        cmd_wait,
        cmd_watch,
        cmd_quorate_backup,
        cmd_quorate_change,
        cmd_quorate_propose,
        cmd_quorate_session,
        cmd_quorate_snapshot,
        cmd_quorate_stale,
        cmd_quorate_tail,
    };

    for (size_t i = 0; own != NULL && i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        if (own->handle == handlers[i]) {
            return true;
        }
    }
    return command != NULL;
}

/* Answer for an observer what it cannot do; false: go on here. */
static bool dispatch_observed(struct client *client, const struct server_command *own,
                              const struct kv_command *command, const struct kv_argument *arguments,
                              size_t count)
{
    bool is_observer = client->server->options.is_observer && needs_member(own, command) &&
                       server_status(client->server)->role == QR_OBSERVER;
    size_t first_key = command == NULL ? 0 : (size_t)command->first_key;

    if (!is_observer) {
        return false;
    }
    bool has_key = first_key > 0 && first_key < count;
    if (!has_key || !reply_moved(client, &arguments[first_key])) {
        refuse_as_observer(client);
    }
    return true;
}

bool dispatch_moved(struct client *client, const struct kv_command *command,
                    const struct kv_argument *arguments, size_t count)
{
    size_t first_key = (size_t)command->first_key;
    bool stays = !client->uses_cluster || first_key == 0 || first_key >= count ||
                 (client->is_readonly && (command->flags & KV_READ) != 0);

    return !stays && !qr_is_leader(client->server->options.engine) &&
           reply_moved(client, &arguments[first_key]);
}

static void propose(struct client *client, const struct kv_argument *arguments, size_t count)
{
    struct buffer *scratch = &client->server->scratch;
    size_t size_bytes = kv_payload_bytes(arguments, count);

    ASSERT(buffer_bytes(scratch) == 0);
    uint8_t *payload = buffer_reserve(scratch, size_bytes);
    if (payload == NULL) {
        buffer_free(scratch);
        struct reply reply = pipeline_reply(client);
        reply_error(&reply, "TRYAGAIN memory ran out; not applied");
        return;
    }
    kv_payload_encode(arguments, count, payload);
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal),
        .command = KV_COMMAND,
        .command_bytes = sizeof(KV_COMMAND) - 1,
        .payload = payload,
        .payload_bytes = size_bytes,
    };
    pipeline_propose(client, &proposal, false);
    if (scratch->capacity > SERVER_RECEIVE_BYTES) {
        buffer_free(scratch);
    }
}

void dispatch_serve_kv(struct client *client, const struct kv_argument *arguments, size_t count,
                       struct reply *reply)
{
    struct server *server = client->server;
    struct bounded_reply bounded = reply_bounded(reply, server_reply_bytes_max(server));
    struct kv_reply_sink sink = reply_bounded_sink(&bounded);

    kv_read(server->options.kv, arguments, count, qr_log_time(server->options.engine),
            server_random(server), &sink);
    reply_bounded_end(&bounded);
}

static enum dispatch_outcome dispatch_kv(struct client *client, const struct kv_command *command,
                                         const struct kv_argument *arguments, size_t count)
{
    const char *error = NULL;

    if (!kv_check(arguments, count, &error)) {
        struct reply reply = pipeline_reply(client);
        reply_error(&reply, error);
        return DISPATCH_DONE;
    }
    if (dispatch_moved(client, command, arguments, count)) {
        return DISPATCH_DONE;
    }
    bool is_write = (command->flags & KV_WRITE) != 0;
    if (is_write && client->pipeline.read_count > 0) {
        return DISPATCH_HOLD;
    }
    bool is_stale = client->read.kind == QR_READ_STALE; /* in its turn: behind those writes */
    if (is_write || (client->pipeline.pending_write_count > 0 && !is_stale)) {
        propose(client, arguments, count);
    } else {
        const struct read_order order = {.read = client->read, .serve = dispatch_serve_kv};
        pipeline_read_as(client, arguments, count, &order);
    }
    return DISPATCH_DONE;
}

bool dispatch_has_arity(int arity, size_t count)
{
    return arity >= 0 ? count == (size_t)arity : count >= (size_t)-arity;
}

enum dispatch_outcome dispatch(struct client *client, const struct kv_argument *arguments,
                               size_t count)
{
    ASSERT(count > 0);
    const struct server_command *own = find(&arguments[0]);
    const struct kv_command *command =
        own == NULL ? kv_command_find(arguments[0].data, arguments[0].size_bytes) : NULL;
    enum dispatch_outcome outcome = DISPATCH_DONE;

    if (client->is_tail && (own == NULL || own->handle != cmd_quit)) {
        struct reply reply = pipeline_reply(client);
        reply_error(&reply, "ERR only QUIT is allowed behind QUORATE.TAIL");
    } else if (dispatch_observed(client, own, command, arguments, count)) {
        outcome = DISPATCH_DONE;
    } else if (client->transaction.is_open && !transaction_lets_through(own)) {
        transaction_queue(client, own, command, arguments, count);
    } else if (own != NULL && !dispatch_has_arity(own->arity, count)) {
        struct reply reply = pipeline_reply(client);
        reply_wrong_arity(&reply, own->name);
    } else if (own != NULL) {
        outcome = own->handle(client, arguments, count);
    } else if (command != NULL) {
        outcome = dispatch_kv(client, command, arguments, count);
    } else {
        dispatch_refuse_unknown(client, arguments, count);
    }
    if (outcome == DISPATCH_DONE) {
        client->server->stats.command_count++;
    }
    return outcome;
}
