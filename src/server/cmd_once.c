/* cmd_once.c: IDEMPOTENT and OUTCOME: a command that may be sent again, and what became of it.
 *
 * A token is any text; one that begins with ONCE_SESSION_PREFIX is a session's name, a colon and a
 * sequence number: it is told when it is over, and never taken for a new one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "server/internal.h"

#define TOKEN_BYTES_MAX 512
#define SESSION_DIGITS 16
#define PREFIX_BYTES (sizeof(ONCE_SESSION_PREFIX) - 1)
#define SESSION_TIMEOUT_MS (UINT64_C(3600) * 1000) /* where none is told */

static enum dispatch_outcome refuse(struct client *client, const char *error)
{
    struct reply reply = pipeline_reply(client);

    reply_error(&reply, error);
    return DISPATCH_DONE;
}

void once_session_name(struct text *text, uint64_t session)
{
    text_string(text, ONCE_SESSION_PREFIX);
    text_hex(text, session, SESSION_DIGITS);
}

/* Digits of a session's name. False: they are none, or of no session. */
static bool read_session(const char *digits, uint64_t *session)
{
    uint64_t value = 0;

    for (size_t i = 0; i < SESSION_DIGITS; i++) {
        bool is_letter = digits[i] >= 'a' && digits[i] <= 'f';
        if (!is_letter && (digits[i] < '0' || digits[i] > '9')) {
            return false;
        }
        value = value << 4 | (uint64_t)(is_letter ? digits[i] - 'a' + 10 : digits[i] - '0');
    }
    *session = value;
    return (value & QR_SESSION_BIT) != 0 && (value & QR_TOKEN_BIT) == 0 && value != QR_SESSION_BIT;
}

/* `qs:8000000000000005:17`. False: it does not parse. */
static bool read_sequence(const struct kv_argument *token, struct qr_id *id)
{
    const char *text = token->data;
    size_t head_bytes = PREFIX_BYTES + SESSION_DIGITS + 1;

    if (token->size_bytes <= head_bytes || text[head_bytes - 1] != ':' ||
        !read_session(text + PREFIX_BYTES, &id->high)) {
        return false;
    }
    struct kv_argument number = {text + head_bytes, token->size_bytes - head_bytes};
    return word_number(&number, &id->low) && id->low > 0;
}

/* Returns NULL, or what is wrong with a token. */
static const char *read_token(const struct kv_argument *token, struct qr_id *id)
{
    if (token->size_bytes == 0 || token->size_bytes > TOKEN_BYTES_MAX) {
        return "ERR a token has 1 to 512 bytes";
    }
    if (token->size_bytes >= PREFIX_BYTES &&
        memcmp(token->data, ONCE_SESSION_PREFIX, PREFIX_BYTES) == 0) {
        return read_sequence(token, id) ? NULL
                                        : "ERR behind qs: come a session's 16 digits, a colon, and "
                                          "a sequence number from 1";
    }
    *id = qr_token_id(token->data, token->size_bytes);
    return NULL;
}

enum dispatch_outcome cmd_quorate_session(struct client *client,
                                          const struct kv_argument *arguments, size_t count)
{
    uint64_t timeout_ms = SESSION_TIMEOUT_MS;

    if (count > 2) {
        return refuse(client, "ERR syntax error");
    }
    if (count == 2 && (!word_number(&arguments[1], &timeout_ms) || timeout_ms == 0 ||
                       timeout_ms > QR_SESSION_TIMEOUT_MS_MAX)) {
        return refuse(client, "ERR a session's timeout is 1 to 2592000000 milliseconds");
    }
    if (client->pipeline.read_count > 0) {
        return DISPATCH_HOLD;
    }
    pipeline_open_session(client, timeout_ms);
    return DISPATCH_DONE;
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
