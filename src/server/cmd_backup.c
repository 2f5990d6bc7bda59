/* cmd_backup.c: QUORATE.BACKUP: a backup of the cluster over a connection, a piece at a time.
 *
 *   QUORATE.BACKUP        begin one; the reply is its head
 *   QUORATE.BACKUP NEXT   the next piece; empty at the end
 *
 * Owns     a connection's backup, at most one. It ends with the connection, at its last piece,
 *          with an error, and when nothing was asked of it for backup_idle_ms. Each command
 *          waits until those before it are answered: who sends many ahead costs no more memory.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "server/internal.h"

static const char *backup_error(int status)
{
    switch (status) {
    case QR_ERR_NO_LEADER:
        return "CLUSTERDOWN no leader is known; there is no backup";
    case QR_ERR_TIMEOUT:
        return "CLUSTERDOWN the leader did not answer in time; there is no backup";
    case QR_ERR_DISK_FULL:
        return "READONLY the disk is full, no snapshot can be taken; there is no backup";
    case QR_ERR_BUSY:
        return "TRYAGAIN other backups are being taken, or too much is waiting";
    case QR_ERR_BEHIND:
        return "TRYAGAIN this node is taking a leader's snapshot over; ask again, or another node";
    case QR_ERR_DIVERGED:
        return "TRYAGAIN this node's state differs from the others'; ask another node";
    case QR_ERR_TOO_LARGE:
        return "ERR the log counts beyond what a backup holds";
    case QR_ERR_STOPPED:
        return "TRYAGAIN this node has stopped; there is no backup";
    case QR_ERR_CORRUPT:
        return "ERR the snapshot is damaged on this node's disk; ask another node";
    default:
        return "ERR the snapshot could not be taken or read; the log of the node says why";
    }
}

/* The pending command is answered: where. Its place in the pipeline is kept. */
static struct reply answer(struct client *client, struct request *request)
{
    ASSERT(client->pipeline.pending_write_count > 0);
    client->pipeline.pending_write_count--;
    client->backup_request = NULL;
    return pipeline_reply_of(request);
}

static void close_backup(struct client *client)
{
    qr_backup_close(client->backup);
    client->backup = NULL;
}

static void on_piece(void *argument, int status, const void *data, size_t size_bytes)
{
    struct client *client = argument;
    struct request *request = client->backup_request;
    ASSERT(request != NULL);

    struct reply reply = answer(client, request);
    if (status != 0) {
        reply_error(&reply, backup_error(status));
    } else {
        reply_bulk(&reply, data, size_bytes);
    }
    if (status != 0 || size_bytes == 0) {
        close_backup(client);
    }
    client->backup_ms = server_now_ms(client->server);
    pipeline_replied(client, request);
}

/* Have the next piece made the reply to the present command. */
static void ask(struct client *client)
{
    struct request *request = pipeline_open_write(client, 0);

    if (request == NULL) {
        close_backup(client);
        return;
    }
    client->pipeline.pending_write_count++;
    client->backup_request = request;
    int status = qr_backup_next(client->backup);
    if (status != 0) {
        struct reply reply = answer(client, request);
        reply_error(&reply, backup_error(status));
        close_backup(client);
        pipeline_replied(client, request);
    }
}

static void refuse(struct client *client, const char *error)
{
    struct reply reply = pipeline_reply(client);
    reply_error(&reply, error);
}

static void begin(struct client *client)
{
    close_backup(client);
    int status = qr_backup_open(client->server->options.engine, on_piece, client, &client->backup);
    if (status != 0) {
        refuse(client, backup_error(status));
        return;
    }
    ask(client);
}

enum dispatch_outcome cmd_quorate_backup(struct client *client, const struct kv_argument *arguments,
                                         size_t count)
{
    if (count > 2 || (count == 2 && !word_is(&arguments[1], "NEXT"))) {
        refuse(client, "ERR syntax error");
    } else if (client->pipeline.count > 0) {
        return DISPATCH_HOLD;
    } else if (count == 1) {
        begin(client);
    } else if (client->backup == NULL) {
        refuse(client, "ERR there is no backup on this connection any more: it is over, or nothing "
                       "was asked of it for too long");
    } else {
        ask(client);
    }
    return DISPATCH_DONE;
}

void backup_stop(struct client *client)
{
    if (client->backup_request != NULL) {
        struct reply reply = answer(client, client->backup_request);
        (void)reply; /* nobody reads it: the connection is closed */
    }
    close_backup(client);
}

void backup_sweep(struct client *client, uint64_t now_ms)
{
    /* While it still takes the last piece what it asked for behind that waits: it is not idle. One
     * that takes nothing is closed by client_sweep().
     */
    bool is_idle = client->backup != NULL && client->backup_request == NULL && !client->is_writing;

    if (is_idle && now_ms - client->backup_ms > client->server->options.backup_idle_ms) {
        close_backup(client);
    }
}
