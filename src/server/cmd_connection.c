/* cmd_connection.c: commands about the connection itself. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "server/internal.h"

static enum dispatch_outcome answer_ok(struct client *client)
{
    struct reply reply = pipeline_reply(client);

    reply_status(&reply, "OK");
    return DISPATCH_DONE;
}

static enum dispatch_outcome answer_error(struct client *client, const char *error)
{
    struct reply reply = pipeline_reply(client);

    reply_error(&reply, error);
    return DISPATCH_DONE;
}

enum dispatch_outcome cmd_ping(struct client *client, const struct kv_argument *arguments,
                               size_t count)
{
    struct reply reply = pipeline_reply(client);

    if (count > 2) {
        reply_wrong_arity(&reply, "PING");
    } else if (count == 2) {
        reply_bulk(&reply, arguments[1].data, arguments[1].size_bytes);
    } else {
        reply_status(&reply, "PONG");
    }
    return DISPATCH_DONE;
}

enum dispatch_outcome cmd_echo(struct client *client, const struct kv_argument *arguments,
                               size_t count)
{
    struct reply reply = pipeline_reply(client);

    ASSERT(count == 2);
    reply_bulk(&reply, arguments[1].data, arguments[1].size_bytes);
    return DISPATCH_DONE;
}

enum dispatch_outcome cmd_quit(struct client *client, const struct kv_argument *arguments,
                               size_t count)
{
    (void)arguments;
    (void)count;
    answer_ok(client);
    client_end(client);
    return DISPATCH_DONE;
}

/* There is no password. As in Redis without one, the user "default" may say any. */
static const char *check_user(const struct kv_argument *user)
{
    static const char name[] = "default";
    const char *data = user->data;
    bool is_default = user->size_bytes == sizeof(name) - 1;

    for (size_t i = 0; is_default && i < user->size_bytes; i++) {
        is_default = data[i] == name[i];
    }
    return is_default ? NULL : "WRONGPASS invalid username-password pair or user is disabled.";
}

enum dispatch_outcome cmd_auth(struct client *client, const struct kv_argument *arguments,
                               size_t count)
{
    if (count > 3) {
        return answer_error(client, "ERR syntax error");
    }
    if (count == 2) {
        return answer_error(client, "ERR Client sent AUTH, but no password is set. Did you mean "
                                    "AUTH <username> <password>?");
    }
    const char *error = check_user(&arguments[1]);
    return error == NULL ? answer_ok(client) : answer_error(client, error);
}

struct hello {
    uint8_t protocol;
    const struct kv_argument *name; /* NULL: not to be set */
};

/* Returns NULL, or the error to reply. */
static const char *parse_hello(const struct kv_argument *arguments, size_t count, struct hello *out)
{
    uint64_t protocol;
    const char *error = NULL;

    if (count == 1) {
        return NULL;
    }
    if (!word_number(&arguments[1], &protocol)) {
        return "ERR Protocol version is not an integer or out of range";
    }
    if (protocol != 2 && protocol != 3) {
        return "NOPROTO unsupported protocol version";
    }
    out->protocol = (uint8_t)protocol;
    for (size_t i = 2; i < count && error == NULL;) {
        if (word_is(&arguments[i], "AUTH") && count - i >= 3) {
            error = check_user(&arguments[i + 1]);
            i += 3;
        } else if (word_is(&arguments[i], "SETNAME") && count - i >= 2) {
            out->name = &arguments[i + 1];
            i += 2;
        } else {
            error = "ERR Syntax error in HELLO option";
        }
    }
    return error;
}

enum dispatch_outcome cmd_hello(struct client *client, const struct kv_argument *arguments,
                                size_t count)
{
    struct hello hello = {.protocol = client->protocol};
    const char *error = parse_hello(arguments, count, &hello);

    if (error == NULL && hello.name != NULL) {
        error = client_set_text(client, CLIENT_NAME, hello.name);
    }
    if (error != NULL) {
        return answer_error(client, error);
    }
    client->protocol = hello.protocol;
    struct reply reply = pipeline_reply(client);
    reply_map(&reply, 7);
    reply_string(&reply, "server");
    reply_string(&reply, "redis");
    reply_string(&reply, "version");
    reply_string(&reply, SERVER_REDIS_VERSION);
    reply_string(&reply, "proto");
    reply_integer(&reply, client->protocol);
    reply_string(&reply, "id");
    reply_integer(&reply, (int64_t)client->id);
    reply_string(&reply, "mode");
    reply_string(&reply, "cluster");
    reply_string(&reply, "role");
    reply_string(&reply, qr_is_leader(client->server->options.engine) ? "master" : "replica");
    reply_string(&reply, "modules");
    reply_array(&reply, 0);
    return DISPATCH_DONE;
}

enum dispatch_outcome cmd_select(struct client *client, const struct kv_argument *arguments,
                                 size_t count)
{
    uint64_t number;

    ASSERT(count == 2);
    if (!word_number(&arguments[1], &number)) {
        return answer_error(client, "ERR invalid DB index");
    }
    return number == 0 ? answer_ok(client) : answer_error(client, "ERR DB index is out of range");
}

enum dispatch_outcome cmd_reset(struct client *client, const struct kv_argument *arguments,
                                size_t count)
{
    static const struct kv_argument nothing = {"", 0};

    ASSERT(count == 1);
    (void)arguments;
    if (client->pipeline.read_count > 0) {
        return DISPATCH_HOLD; /* a WATCH among them would come after its end */
    }
    transaction_clear(&client->transaction);
    const char *error = client_set_text(client, CLIENT_NAME, &nothing);
    ASSERT(error == NULL);
    client->protocol = 2;
    client->uses_cluster = false;
    client->is_readonly = false;
    client->read = client->server->options.read;
    struct reply reply = pipeline_reply(client);
    reply_status(&reply, "RESET");
    return DISPATCH_DONE;
}

/* No slot is ever on its way to another node. */
enum dispatch_outcome cmd_asking(struct client *client, const struct kv_argument *arguments,
                                 size_t count)
{
    (void)arguments;
    (void)count;
    return answer_ok(client);
}

enum dispatch_outcome cmd_readonly(struct client *client, const struct kv_argument *arguments,
                                   size_t count)
{
    (void)arguments;
    (void)count;
    client->uses_cluster = true;
    client->is_readonly = true;
    return answer_ok(client);
}

enum dispatch_outcome cmd_readwrite(struct client *client, const struct kv_argument *arguments,
                                    size_t count)
{
    (void)arguments;
    (void)count;
    client->is_readonly = false;
    return answer_ok(client);
}

enum dispatch_outcome cmd_module(struct client *client, const struct kv_argument *arguments,
                                 size_t count)
{
    struct reply reply = pipeline_reply(client);

    if (count == 2 && word_is(&arguments[1], "LIST")) {
        reply_array(&reply, 0);
    } else {
        reply_unknown_subcommand(&reply, "MODULE", &arguments[1]);
    }
    return DISPATCH_DONE;
}

/* What was answered before is on a majority already; told is how many others are there. */
static void serve_wait(struct client *client, const struct kv_argument *arguments, size_t count,
                       struct reply *reply)
{
    const struct qr_status *status = server_status(client->server);
    int64_t healthy_count = 0;

    (void)arguments;
    (void)count;
    for (size_t i = 0; i < status->member_count; i++) {
        const struct qr_member *member = &status->members[i];
        bool is_other_voter = member->is_voter && member->id != status->node_id;
        healthy_count += is_other_voter && member->health == QR_ALIVE ? 1 : 0;
    }
    reply_integer(reply, healthy_count);
}

enum dispatch_outcome cmd_wait(struct client *client, const struct kv_argument *arguments,
                               size_t count)
{
    uint64_t number;

    if (!word_number(&arguments[1], &number)) {
        return answer_error(client, "ERR value is not an integer or out of range");
    }
    if (!word_number(&arguments[2], &number)) {
        return answer_error(client, "ERR timeout is not an integer or out of range");
    }
    if (client->pipeline.pending_write_count > 0) {
        return DISPATCH_HOLD;
    }
    pipeline_read(client, arguments, count, serve_wait);
    return DISPATCH_DONE;
}
