/* tail.c: QUORATE.PROPOSE and QUORATE.TAIL: the log itself, for tools and for other programs.
 *
 * Owns     one commit handler of the engine while there is a tail. An entry is encoded once
 *          and copied to each tail's output; one that does not keep up is closed by the
 *          limit on its output.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "server/internal.h"

#define COMMAND_DEFAULT "line"

/* [index, term, timestamp_ns, id, command, payload] */
static void encode_entry(struct buffer *out, const struct qr_entry *entry)
{
    struct reply reply = {out, 2};
    char data[33];
    struct text id = text_of(data, sizeof(data));

    text_hex(&id, entry->id.high, 16);
    text_hex(&id, entry->id.low, 16);
    reply_array(&reply, 6);
    reply_integer(&reply, (int64_t)entry->index);
    reply_integer(&reply, (int64_t)entry->term);
    reply_integer(&reply, (int64_t)entry->timestamp_ns);
    reply_bulk(&reply, id.data, id.length);
    reply_bulk(&reply, entry->command, entry->command_bytes);
    reply_bulk(&reply, entry->payload, entry->payload_bytes);
}

static void on_commit(void *argument, const struct qr_entry *entry)
{
    struct server *server = argument;
    struct buffer *scratch = &server->scratch;

    ASSERT(buffer_bytes(scratch) == 0);
    encode_entry(scratch, entry);
    /* From the end: closing one moves the last into its place. */
    for (uint32_t i = server->client_count; i > 0; i--) {
        struct client *client = server->clients[i - 1];
        if (client->is_tail && !client->is_ending) {
            client->output.failed = client->output.failed || scratch->failed;
            buffer_append(&client->output, buffer_at(scratch), buffer_bytes(scratch));
            turn_mark(client);
            client_check_output(client);
        }
    }
    buffer_consume(scratch, buffer_bytes(scratch));
    if (scratch->failed || scratch->capacity > SERVER_RECEIVE_BYTES) {
        buffer_free(scratch);
    }
}

void tail_stop(struct client *client)
{
    struct server *server = client->server;

    if (!client->is_tail) {
        return;
    }
    ASSERT(server->tail_count > 0);
    client->is_tail = false;
    server->tail_count--;
    if (server->tail_count == 0) {
        qr_remove_commit_handler(server->options.engine, server->tail_token);
    }
}

static const char *tail_start(struct client *client)
{
    struct server *server = client->server;

    if (server->tail_count == 0) {
        int error = qr_on_commit(server->options.engine, on_commit, server, &server->tail_token);
        if (error == QR_ERR_BUSY) {
            return "TRYAGAIN too many commit handlers; nothing was changed";
        }
        if (error != 0) {
            return "CLUSTERDOWN this node has stopped; nothing was changed";
        }
    }
    server->tail_count++;
    client->is_tail = true;
    return NULL;
}

enum dispatch_outcome cmd_quorate_tail(struct client *client, const struct kv_argument *arguments,
                                       size_t count)
{
    (void)arguments;
    (void)count;
    if (client->pipeline.count > 0) {
        return DISPATCH_HOLD;
    }
    const char *error = tail_start(client);
    struct reply reply = pipeline_reply(client);
    if (error != NULL) {
        reply_error(&reply, error);
    } else {
        reply_status(&reply, "OK");
    }
    return DISPATCH_DONE;
}

enum dispatch_outcome cmd_quorate_snapshot(struct client *client,
                                           const struct kv_argument *arguments, size_t count)
{
    (void)arguments;
    (void)count;
    if (client->pipeline.read_count > 0) {
        return DISPATCH_HOLD;
    }
    pipeline_snapshot(client);
    return DISPATCH_DONE;
}

enum dispatch_outcome cmd_quorate_propose(struct client *client,
                                          const struct kv_argument *arguments, size_t count)
{
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal),
        .command = COMMAND_DEFAULT,
        .command_bytes = sizeof(COMMAND_DEFAULT) - 1,
        .payload = arguments[1].data,
        .payload_bytes = arguments[1].size_bytes,
    };
    const char *error = NULL;

    if (count == 3) {
        proposal.command = arguments[2].data;
        proposal.command_bytes = arguments[2].size_bytes;
    }
    if (count > 3) {
        error = "ERR syntax error";
    } else if (proposal.command_bytes == 0 || proposal.command_bytes > QR_COMMAND_BYTES_MAX) {
        error = "ERR the command's name is 1 to 32 bytes long";
    }
    if (error != NULL) {
        struct reply reply = pipeline_reply(client);
        reply_error(&reply, error);
        return DISPATCH_DONE;
    }
    if (client->pipeline.read_count > 0) {
        return DISPATCH_HOLD;
    }
    pipeline_propose(client, &proposal, true);
    return DISPATCH_DONE;
}
