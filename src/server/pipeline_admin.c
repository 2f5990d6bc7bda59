/* pipeline_admin.c: what an administrator asks in a pipeline: snapshots, members, leadership.
 *
 * Each counts as a write: what comes behind it on the same connection is not sent before it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/text.h"
#include "quorate/engine.h"
#include "server/internal.h"

static const char *snapshot_error(int status)
{
    switch (status) {
    case QR_ERR_DISK_FULL:
        return "READONLY the disk is full; there is no new snapshot";
    case QR_ERR_BUSY:
        return "TRYAGAIN many wait for a snapshot already";
    case QR_ERR_DIVERGED:
        return "ERR this node's state differs from the others'; ask another node";
    case QR_ERR_STOPPED:
        return "TRYAGAIN this node has stopped; there is no new snapshot";
    default:
        return "ERR the snapshot could not be written; the log of the node says why";
    }
}

static void on_snapshot(void *argument, int status, uint64_t index)
{
    struct request *request = argument;
    struct client *client = pipeline_write_ended(request);

    if (client == NULL) {
        return;
    }
    struct reply reply = pipeline_reply_of(request);
    if (status == 0) {
        reply_integer(&reply, (int64_t)index);
    } else {
        reply_error(&reply, snapshot_error(status));
    }
    pipeline_replied(client, request);
}

void pipeline_snapshot(struct client *client)
{
    struct request *request = pipeline_open_write(client, 0);

    if (request == NULL) {
        return;
    }
    int status = qr_snapshot(client->server->options.engine, on_snapshot, request);
    if (status == 0) {
        client->pipeline.pending_write_count++;
        return;
    }
    struct reply reply = pipeline_reply_of(request);
    reply_error(&reply, snapshot_error(status));
    pipeline_replied(client, request);
}

/* "ERR no member is called 'n9'; no member was changed" */
static void reply_change_error(const struct reply *reply, int status, const char *reason)
{
    char message[SERVER_ERROR_BYTES];
    struct text text = text_of(message, sizeof(message));
    /* A change that was begun when the node stopped is told as QR_ERR_TIMEOUT. */
    bool is_unknown = !qr_error_is_certain(status) && status != QR_ERR_STOPPED;

    text_string(&text, is_unknown                   ? "TIMEOUT "
                       : status == QR_ERR_NO_LEADER ? "CLUSTERDOWN "
                       : status == QR_ERR_BUSY      ? "TRYAGAIN "
                                                    : "ERR ");
    text_string(&text, reason);
    text_string(&text, is_unknown ? "" : "; no member was changed");
    reply_error(reply, message);
}

static void on_changed(void *argument, int status, const struct qr_change_result *result)
{
    struct request *request = argument;
    struct client *client = pipeline_write_ended(request);

    if (client == NULL) {
        return;
    }
    struct reply reply = pipeline_reply_of(request);
    if (status != 0) {
        reply_change_error(&reply, status, result->reason);
    } else {
        reply_array(&reply, 3);
        reply_integer(&reply, result->tolerated_before);
        reply_integer(&reply, result->tolerated_after);
        reply_string(&reply, result->reason);
    }
    pipeline_replied(client, request);
}

void pipeline_change(struct client *client, const struct qr_change *change)
{
    struct request *request = pipeline_open_write(client, 0);

    if (request == NULL) {
        return;
    }
    int error = qr_change_cluster(client->server->options.engine, change, on_changed, request);
    if (error == 0) {
        client->pipeline.pending_write_count++;
        return;
    }
    struct reply reply = pipeline_reply_of(request);
    reply_change_error(&reply, error, qr_error_text(error));
    pipeline_replied(client, request);
}
