/* cmd_keys.c: QUORATE.KEYS: the keys of the cluster's secret that this node has.
 *
 *   QUORATE.KEYS LIST
 *   QUORATE.KEYS ADD|USE|REMOVE KEY
 *
 * The answer is a sentence, then the names of the keys there are now, first the one used to send.
 * Never a key: neither here nor in the log.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "quorate/keys.h"

#include "base/assert.h"
#include "server/internal.h"

static void reply_keys_error(const struct reply *reply, int status, const char *reason)
{
    char message[SERVER_ERROR_BYTES];
    struct text text = text_of(message, sizeof(message));

    text_string(&text, status == QR_ERR_BUSY || status == QR_ERR_STOPPED ? "TRYAGAIN " : "ERR ");
    text_string(&text, reason);
    reply_error(reply, message);
}

static void on_keys(void *argument, int status, const char *reason, const struct qr_keys *keys)
{
    struct request *request = argument;
    struct client *client = pipeline_write_ended(request);

    if (client == NULL) {
        return;
    }
    struct reply reply = pipeline_reply_of(request);
    if (status != 0) {
        reply_keys_error(&reply, status, reason);
    } else {
        reply_array(&reply, 1 + keys->count);
        reply_string(&reply, reason);
        for (size_t i = 0; i < keys->count; i++) {
            reply_string(&reply, keys->ids[i]);
        }
    }
    pipeline_replied(client, request);
}

static bool find_action(const struct kv_argument *word, enum qr_keys_action *out)
{
    static const char *const words[] = {
        [QR_KEYS_LIST] = "LIST",
        [QR_KEYS_ADD] = "ADD",
        [QR_KEYS_USE] = "USE",
        [QR_KEYS_REMOVE] = "REMOVE",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (word_is(word, words[i])) {
            *out = (enum qr_keys_action)i;
            return true;
        }
    }
    return false;
}

enum dispatch_outcome cmd_quorate_keys(struct client *client, const struct kv_argument *arguments,
                                       size_t count)
{
    enum qr_keys_action action = QR_KEYS_LIST;

    ASSERT(count >= 2);
    if (!find_action(&arguments[1], &action) || count != (action == QR_KEYS_LIST ? 2 : 3)) {
        struct reply reply = pipeline_reply(client);
        reply_error(&reply, "ERR syntax error");
        return DISPATCH_DONE;
    }
    if (client->pipeline.read_count > 0) {
        return DISPATCH_HOLD;
    }
    struct request *request = pipeline_open_write(client, 0);
    if (request == NULL) {
        return DISPATCH_DONE;
    }
    const struct kv_argument *key = &arguments[count - 1];
    int status = qr_keys(client->server->options.engine, action, (const char *)key->data,
                         key->size_bytes, on_keys, request);
    if (status == 0) {
        client->pipeline.pending_write_count++;
        return DISPATCH_DONE;
    }
    struct reply reply = pipeline_reply_of(request);
    reply_keys_error(&reply, status, qr_error_text(status));
    pipeline_replied(client, request);
    return DISPATCH_DONE;
}
