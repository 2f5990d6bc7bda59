/* cmd_transaction.c: MULTI, EXEC, DISCARD, WATCH and UNWATCH, worded as Redis words them.
 *
 * What is queued becomes one entry of the log. WATCH notes what is under a key, after a read
 * barrier; the entry carries that, and does nothing where something else is there by then.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "server/internal.h"

#define HEAD_BYTES_MAX 64 /* of a transaction's payload and command, beside what is counted */

static size_t bytes_max(const struct client *client)
{
    return client->server->options.max_message_bytes - HEAD_BYTES_MAX;
}

bool transaction_lets_through(const struct server_command *own)
{
    return own != NULL &&
           (own->handle == cmd_multi || own->handle == cmd_exec || own->handle == cmd_discard ||
            own->handle == cmd_watch || own->handle == cmd_idempotent || own->handle == cmd_quit ||
            own->handle == cmd_reset);
}

static enum dispatch_outcome answer(struct client *client, const char *error)
{
    struct reply reply = pipeline_reply(client);

    if (error == NULL) {
        reply_status(&reply, "OK");
    } else {
        reply_error(&reply, error);
    }
    return DISPATCH_DONE;
}

/* Returns NULL, or why this command of the store cannot be queued; what depends on options and
 * values is for EXEC to answer, in its place.
 */
static const char *check_arity(const struct kv_command *command,
                               const struct kv_argument *arguments, size_t count)
{
    const char *error = NULL;

    if (dispatch_has_arity(command->arity, count) || kv_check(arguments, count, &error)) {
        return NULL;
    }
    return error;
}

void transaction_queue(struct client *client, const struct server_command *own,
                       const struct kv_command *command, const struct kv_argument *arguments,
                       size_t count)
{
    struct transaction *transaction = &client->transaction;
    bool was_failed = transaction->has_failed;

    ASSERT(transaction->is_open);
    transaction->has_failed = true;
    if (own != NULL && !dispatch_has_arity(own->arity, count)) {
        struct reply reply = pipeline_reply(client);
        reply_wrong_arity(&reply, own->name);
        return;
    }
    if (own != NULL) {
        answer(client, "ERR Command not allowed inside a transaction");
        return;
    }
    if (command == NULL) {
        dispatch_refuse_unknown(client, arguments, count);
        return;
    }
    const char *error = check_arity(command, arguments, count);
    if (error != NULL) {
        answer(client, error);
        return;
    }
    if (dispatch_moved(client, command, arguments, count)) {
        return;
    }
    transaction->has_failed = was_failed;
    if (!transaction_add(transaction, arguments, count, bytes_max(client))) {
        answer(client, "ERR the transaction is larger than max-message-bytes or 65536 commands, or "
                       "memory ran out; nothing of it is applied");
        return;
    }
    struct reply reply = pipeline_reply(client);
    reply_status(&reply, "QUEUED");
}

enum dispatch_outcome cmd_multi(struct client *client, const struct kv_argument *arguments,
                                size_t count)
{
    ASSERT(count == 1);
    (void)arguments;
    if (client->transaction.is_open) {
        return answer(client, "ERR MULTI calls can not be nested");
    }
    client->transaction.is_open = true;
    return answer(client, NULL);
}

void transaction_propose(struct client *client, const struct kv_exec *exec, struct qr_id id)
{
    struct buffer *scratch = &client->server->scratch;
    size_t size_bytes = kv_exec_bytes(exec);

    ASSERT(buffer_bytes(scratch) == 0);
    uint8_t *payload = buffer_reserve(scratch, size_bytes);
    if (payload == NULL) {
        buffer_free(scratch);
        answer(client, "TRYAGAIN memory ran out; not applied");
        return;
    }
    kv_exec_encode(exec, payload);
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal),
        .id = id,
        .is_guarded = true,
        .command = KV_EXEC_COMMAND,
        .command_bytes = sizeof(KV_EXEC_COMMAND) - 1,
        .payload = payload,
        .payload_bytes = size_bytes,
    };
    pipeline_propose(client, &proposal, false);
    if (scratch->capacity > SERVER_RECEIVE_BYTES) {
        buffer_free(scratch);
    }
}

enum dispatch_outcome transaction_execute(struct client *client, struct qr_id id)
{
    struct transaction *transaction = &client->transaction;
    bool has_id = id.high != 0;

    if (!transaction->is_open) {
        return answer(client, "ERR EXEC without MULTI");
    }
    if (client->pipeline.read_count > 0) {
        return DISPATCH_HOLD; /* a write passes no read; and WATCH is one */
    }
    struct kv_exec exec = transaction_exec(transaction);
    if (transaction->has_failed) {
        answer(client, "EXECABORT Transaction discarded because of previous errors.");
    } else if (has_id && exec.watch_count > 0) {
        /* Sent again it would carry what is there now: another command under the same token. */
        answer(client, "ERR EXEC of watched keys cannot be IDEMPOTENT; nothing is applied");
    } else if (exec.command_count == 0 && exec.watch_count == 0 && !has_id) {
        struct reply reply = pipeline_reply(client);
        reply_array(&reply, 0);
    } else {
        transaction_propose(client, &exec, id);
    }
    transaction_clear(transaction);
    return DISPATCH_DONE;
}

enum dispatch_outcome cmd_exec(struct client *client, const struct kv_argument *arguments,
                               size_t count)
{
    ASSERT(count == 1);
    (void)arguments;
    return transaction_execute(client, (struct qr_id){0, 0});
}

enum dispatch_outcome cmd_discard(struct client *client, const struct kv_argument *arguments,
                                  size_t count)
{
    ASSERT(count == 1);
    (void)arguments;
    if (!client->transaction.is_open) {
        return answer(client, "ERR DISCARD without MULTI");
    }
    if (client->pipeline.read_count > 0) {
        return DISPATCH_HOLD;
    }
    transaction_clear(&client->transaction);
    return answer(client, NULL);
}

/* What is not watched must not be taken for unchanged: what EXEC would do then is not done. */
static enum dispatch_outcome refuse_watch(struct client *client, const char *error)
{
    client->transaction.has_failed = true;
    return answer(client, error);
}

void cmd_watch_serve(struct client *client, const struct kv_argument *arguments, size_t count,
                     struct reply *reply)
{
    const struct kv *kv = client->server->options.kv;

    for (size_t i = 1; i < count; i++) {
        if (!transaction_watch(&client->transaction, arguments[i], kv_key_digest(kv, arguments[i]),
                               bytes_max(client))) {
            client->transaction.has_failed = true;
            reply_error(reply, "ERR too many keys are watched, or memory ran out; UNWATCH first");
            return;
        }
    }
    reply_status(reply, "OK");
}

enum dispatch_outcome cmd_watch(struct client *client, const struct kv_argument *arguments,
                                size_t count)
{
    if (client->transaction.is_open) {
        return answer(client, "ERR WATCH inside MULTI is not allowed");
    }
    if (count - 1 > KV_EXEC_WATCHES_MAX) {
        return refuse_watch(client, "ERR too many keys are watched");
    }
    for (size_t i = 1; i < count; i++) {
        if (arguments[i].size_bytes > KV_KEY_BYTES_MAX) {
            return refuse_watch(client, "ERR key is longer than 65536 bytes");
        }
    }
    if (client->pipeline.pending_write_count > 0) {
        return DISPATCH_HOLD; /* what this client wrote is what it watches from */
    }
    pipeline_read(client, arguments, count, cmd_watch_serve);
    return DISPATCH_DONE;
}

enum dispatch_outcome cmd_unwatch(struct client *client, const struct kv_argument *arguments,
                                  size_t count)
{
    ASSERT(count == 1);
    (void)arguments;
    if (client->pipeline.read_count > 0) {
        return DISPATCH_HOLD;
    }
    transaction_clear(&client->transaction);
    return answer(client, NULL);
}
