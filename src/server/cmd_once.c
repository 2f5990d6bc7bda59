/* cmd_once.c: IDEMPOTENT and OUTCOME: a command that may be sent again, and what became of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "server/internal.h"

#define TOKEN_BYTES_MAX 512

static enum dispatch_outcome refuse(struct client *client, const char *error)
{
    struct reply reply = pipeline_reply(client);

    reply_error(&reply, error);
    return DISPATCH_DONE;
}

/* Returns NULL, or what is wrong with a token. */
static const char *read_token(const struct kv_argument *token, struct qr_id *id)
{
    if (token->size_bytes == 0 || token->size_bytes > TOKEN_BYTES_MAX) {
        return "ERR a token has 1 to 512 bytes";
    }
    *id = qr_token_id(token->data, token->size_bytes);
    return NULL;
}

/* One command, as a transaction whose reply is its own: with limits that no node sets itself. */
static void propose_one(struct client *client, const struct kv_argument *arguments, size_t count,
                        struct qr_id id)
{
    size_t size_bytes = kv_payload_bytes(arguments, count);
    struct buffer command = {0};
    uint8_t *at = buffer_reserve(&command, size_bytes);

    if (at == NULL) {
        refuse(client, "TRYAGAIN memory ran out; not applied");
        return;
    }
    kv_payload_encode(arguments, count, at);
    struct kv_exec exec = {
        .is_single = true, .commands = at, .commands_bytes = size_bytes, .command_count = 1};
    transaction_propose(client, &exec, id);
    buffer_free(&command);
}

enum dispatch_outcome cmd_idempotent(struct client *client, const struct kv_argument *arguments,
                                     size_t count)
{
    const struct kv_argument *inner = arguments + 2;
    size_t inner_count = count - 2;
    struct qr_id id;
    const char *error = read_token(&arguments[1], &id);

    ASSERT(count >= 3);
    if (error != NULL) {
        return refuse(client, error);
    }
    if (word_is(inner, "EXEC") && inner_count == 1) {
        return transaction_execute(client, id);
    }
    if (client->transaction.is_open) {
        return refuse(client, "ERR only EXEC may be IDEMPOTENT inside MULTI");
    }
    const struct kv_command *command = kv_command_find(inner[0].data, inner[0].size_bytes);
    if (command == NULL) {
        return refuse(client, "ERR only EXEC, and commands that read or write keys, may be "
                              "IDEMPOTENT");
    }
    if (!kv_check(inner, inner_count, &error)) {
        return refuse(client, error);
    }
    if (dispatch_moved(client, command, inner, inner_count)) {
        return DISPATCH_DONE;
    }
    if (client->pipeline.read_count > 0) {
        return DISPATCH_HOLD;
    }
    propose_one(client, inner, inner_count, id);
    return DISPATCH_DONE;
}

enum dispatch_outcome cmd_outcome(struct client *client, const struct kv_argument *arguments,
                                  size_t count)
{
    struct qr_id id;
    const char *error = read_token(&arguments[1], &id);

    ASSERT(count == 2);
    if (error != NULL) {
        return refuse(client, error);
    }
    if (client->pipeline.read_count > 0) {
        return DISPATCH_HOLD;
    }
    pipeline_settle(client, id);
    return DISPATCH_DONE;
}
