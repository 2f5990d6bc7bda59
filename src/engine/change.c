/* change.c: joining, changes of the members and of the leader: the public calls, and their ends. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "engine/internal.h"

/* Copy what is there; false when it does not fit. */
static bool put(char *to, size_t to_bytes, const char *from)
{
    size_t length = from == NULL ? 0 : strlen(from);
    if (length >= to_bytes) {
        return false;
    }
    if (length > 0) {
        memcpy(to, from, length + 1);
    }
    return true;
}

static bool wire_change_of(const struct qr_change *change, struct wire_change *out)
{
    *out = (struct wire_change){
        .is_dry_run = change->is_dry_run,
        .is_forced = change->is_forced,
        .priority = change->priority,
    };
    return put(out->promoted, sizeof(out->promoted), change->promote) &&
           put(out->demoted, sizeof(out->demoted), change->demote) &&
           put(out->removed, sizeof(out->removed), change->remove) &&
           put(out->prioritized, sizeof(out->prioritized), change->prioritize) &&
           put(out->transferee, sizeof(out->transferee), change->transfer);
}

int engine_change(struct qr_engine *engine, const struct wire_change *change, qr_change_done *done,
                  void *argument)
{
    if (engine->node == NULL || engine->is_stopping) {
        return QR_ERR_STOPPED;
    }
    uint64_t token = 0;
    int status = waiters_add(&engine->changes, (void (*)(void))done, argument, &token);
    if (status != 0) {
        return status;
    }
    engine->in_node++;
    status = node_change(engine->node, change, token, engine_time());
    engine->in_node--;
    if (status != 0) {
        waiters_forget(&engine->changes, token);
        return status;
    }
    engine_mark(engine);
    return 0;
}

int engine_invite(struct qr_engine *engine, const char *address, bool is_learner,
                  qr_change_done *done, void *argument)
{
    if (engine->node == NULL || engine->is_stopping || atomic_load(&engine->is_stop_asked)) {
        return QR_ERR_STOPPED;
    }
    uint64_t token = 0;
    ASSERT(engine->in_node == 0); /* it comes by the queue alone */
    if (waiters_add(&engine->changes, (void (*)(void))done, argument, &token) != 0) {
        return QR_ERR_BUSY;
    }
    int status = node_invite(engine->node, address, is_learner, token, engine_time());
    if (status != 0) {
        waiters_forget(&engine->changes, token);
        return status;
    }
    engine_mark(engine);
    return 0;
}

void engine_change_done(void *context, uint64_t token, int status,
                        const struct node_change_result *result)
{
    struct qr_engine *engine = context;
    struct waiter_call waiter;
    bool was_there = waiters_take(&engine->changes, token, &waiter);
    ASSERT(was_there);
    const struct qr_change_result told = {
        .size_bytes = sizeof(told),
        .tolerated_before = result->tolerated_before,
        .tolerated_after = result->tolerated_after,
        .reason = result->reason,
    };
    engine_end_change(engine, &waiter, status, &told);
}

void engine_take_change(struct qr_engine *engine, const struct request *request)
{
    struct wire_change change;
    memcpy(&change, request->data, sizeof(change));
    int status = engine_change(engine, &change, request->change.done, request->change.argument);
    if (status != 0) {
        const struct qr_change_result told = {
            .size_bytes = sizeof(told),
            .reason = qr_error_text(status),
        };
        const struct waiter_call waiter = {(void (*)(void))request->change.done,
                                           request->change.argument};
        engine_end_change(engine, &waiter, status, &told);
    }
}

/* Always by way of the queue: it is rare, and may come from anywhere. */
int qr_change_cluster(struct qr_engine *engine, const struct qr_change *change,
                      qr_change_done *done, void *argument)
{
    const struct sized known = {sizeof(*change), offsetof(struct qr_change, is_forced)};
    struct qr_change read;
    struct wire_change given;
    if (!engine_is_given(engine) || done == NULL) {
        return QR_ERR_INVALID;
    }
    int status = sized_read(known, change, &read);
    if (status != 0) {
        return status;
    }
    if (!wire_change_of(&read, &given)) {
        return QR_ERR_TOO_LARGE;
    }
    struct request *request = engine_request_new(engine, REQUEST_CHANGE, sizeof(given));
    if (request == NULL) {
        return QR_ERR_BUSY;
    }
    request->change.done = done;
    request->change.argument = argument;
    memcpy(request->data, &given, sizeof(given));
    status = engine_queue(engine, request);
    if (status != 0) {
        engine_request_free(engine, request);
    }
    return status;
}

struct join_call {
    const char *join;
    bool is_learner;
    int status;
};

static void take_join(struct qr_engine *engine, void *argument)
{
    struct join_call *call = argument;
    if (engine->node == NULL || engine->is_stopping || atomic_load(&engine->is_stop_asked)) {
        call->status = QR_ERR_STOPPED;
    } else if (engine->in_node > 0) {
        call->status = QR_ERR_BUSY;
    } else {
        call->status =
            engine_refusal(node_join(engine->node, call->join, call->is_learner, engine_time()));
        engine_mark(engine);
    }
}

int qr_join(struct qr_engine *engine, const char *join, bool is_learner)
{
    char detail[QR_ERROR_DETAIL_BYTES];
    struct join_call call = {.join = join, .is_learner = is_learner};
    if (!engine_is_given(engine) || join == NULL || join[0] == '\0') {
        return QR_ERR_INVALID;
    }
    int status = engine_join_check(join, detail);
    if (status != 0) {
        return status;
    }
    engine_call(engine, take_join, &call);
    return call.status;
}
