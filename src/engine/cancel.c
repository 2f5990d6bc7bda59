/* cancel.c: proposals that are no longer wanted: in the queue, or with the node. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/internal.h"

struct cancel_call {
    uint64_t ticket;
    int status;
};

/* One that the node does not have yet: it ends when it is taken. */
static bool cancel_queued(struct request *first, uint64_t ticket)
{
    for (struct request *request = first; request != NULL; request = request->next) {
        if (request->kind == REQUEST_PROPOSE && request->propose.ticket == ticket) {
            request->propose.is_cancelled = true;
            return true;
        }
    }
    return false;
}

static bool cancel_waiting(struct qr_engine *engine, uint64_t ticket)
{
    (void)pthread_mutex_lock(&engine->mutex);
    bool is_found = cancel_queued(engine->first, ticket);
    (void)pthread_mutex_unlock(&engine->mutex);
    return is_found || cancel_queued(engine->taking, ticket);
}

static void take_cancel(struct qr_engine *engine, void *argument)
{
    struct cancel_call *call = argument;
    if (engine->node == NULL || engine->is_stopping) {
        call->status = QR_ERR_STOPPED;
    } else if (cancel_waiting(engine, call->ticket)) {
        call->status = 0;
    } else if (node_cancel(engine->node, call->ticket)) {
        call->status = 0;
        engine_mark(engine);
    } else {
        call->status = QR_ERR_NOT_FOUND;
    }
}

int qr_cancel(struct qr_engine *engine, uint64_t ticket)
{
    struct cancel_call call = {.ticket = ticket};
    if (!engine_is_given(engine)) {
        return QR_ERR_INVALID;
    }
    if (ticket == 0) {
        return QR_ERR_NOT_FOUND;
    }
    engine_call(engine, take_cancel, &call);
    return call.status;
}
