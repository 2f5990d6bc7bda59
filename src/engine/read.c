/* read.c: reads of each kind: the public calls, and how they end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"

const char *qr_read_kind_name(enum qr_read_kind kind)
{
    switch (kind) {
    case QR_READ_CONFIGURED:
        return "configured";
    case QR_READ_LINEARIZABLE:
        return "linearizable";
    case QR_READ_LEASE:
        return "lease";
    case QR_READ_STALE:
        return "stale";
    }
    return "?";
}

uint64_t engine_age_ms(time_ns age_ns)
{
    if (age_ns == TIME_NEVER) {
        return QR_AGE_UNKNOWN;
    }
    return age_ns / NS_PER_MS + (age_ns % NS_PER_MS > 0 ? 1 : 0);
}

/* Wait for an answer to a question. */
static int ask(struct qr_engine *engine, enum qr_read_kind kind, qr_read_done *done, void *argument)
{
    if (engine->node == NULL || engine->is_stopping) {
        return QR_ERR_STOPPED;
    }
    uint64_t token = 0;
    int status = waiters_add(&engine->reads, (void (*)(void))done, argument, &token);
    if (status != 0) {
        return status;
    }
    engine->in_node++;
    status = kind == QR_READ_LINEARIZABLE ? node_read_by_round(engine->node, token, engine_time())
                                          : node_read(engine->node, token, engine_time());
    engine->in_node--;
    if (status != 0) {
        waiters_forget(&engine->reads, token);
        return status;
    }
    engine->counters.reads++;
    engine_mark(engine);
    return 0;
}

void engine_read_done(void *context, uint64_t token, int status, raft_index index)
{
    struct qr_engine *engine = context;
    struct waiter_call waiter;
    bool was_there = waiters_take(&engine->reads, token, &waiter);
    ASSERT(was_there);
    engine_end_read(engine, &waiter, status, index);
}

static int read_age(struct qr_engine *engine, uint64_t age_ms_max, uint64_t *age_ms)
{
    if (engine->node == NULL || engine->is_stopping) {
        return QR_ERR_STOPPED;
    }
    time_ns age_ns = 0;
    time_ns age_ns_max = age_ms_max > TIME_NEVER / NS_PER_MS ? TIME_NEVER : age_ms_max * NS_PER_MS;
    int status = node_read_stale(engine->node, age_ns_max, engine_time(), &age_ns);
    if (node_deadline(engine->node) < engine->armed_ns) {
        engine_mark(engine); /* the next question is due sooner */
    }
    if (status == 0) {
        *age_ms = engine_age_ms(age_ns);
    }
    return status;
}

void engine_take_read(struct qr_engine *engine, const struct request *request)
{
    const struct qr_read_options *options = &request->read.options;
    const struct waiter_call waiter = {(void (*)(void))request->read.done, request->read.argument};
    uint64_t age_ms = 0;
    if (options->kind == QR_READ_STALE) {
        int status = read_age(engine, options->age_ms_max, &age_ms);
        engine_end_read(engine, &waiter, status, 0);
        return;
    }
    int status = ask(engine, options->kind, request->read.done, request->read.argument);
    if (status != 0) {
        engine_end_read(engine, &waiter, engine_refusal(status), 0);
    }
}

int qr_read(struct qr_engine *engine, const struct qr_read_options *options, qr_read_done *done,
            void *argument)
{
    const struct sized known = {sizeof(*options), offsetof(struct qr_read_options, age_ms_max)};
    struct request request = {.kind = REQUEST_READ, .read = {.done = done, .argument = argument}};
    if (!engine_is_given(engine) || done == NULL) {
        return QR_ERR_INVALID;
    }
    int status = options == NULL ? 0 : sized_read(known, options, &request.read.options);
    if (status != 0) {
        return status;
    }
    enum qr_read_kind kind = request.read.options.kind;
    if ((unsigned)kind > QR_READ_STALE) {
        return QR_ERR_INVALID;
    }
    if (kind != QR_READ_STALE && engine_is_direct(engine)) {
        return engine_refusal(ask(engine, kind, done, argument));
    }
    return engine_queue_small(engine, &request);
}

int qr_read_barrier(struct qr_engine *engine, qr_read_done *done, void *argument)
{
    return qr_read(engine, NULL, done, argument);
}

struct age_call {
    uint64_t age_ms_max;
    uint64_t age_ms;
    int status;
};

static void take_age(struct qr_engine *engine, void *argument)
{
    struct age_call *call = argument;
    call->status = read_age(engine, call->age_ms_max, &call->age_ms);
}

int qr_read_age(struct qr_engine *engine, uint64_t age_ms_max, uint64_t *age_ms)
{
    struct age_call call = {.age_ms_max = age_ms_max};
    if (!engine_is_given(engine) || age_ms == NULL) {
        return QR_ERR_INVALID;
    }
    engine_call(engine, take_age, &call);
    if (call.status == 0) {
        *age_ms = call.age_ms;
    }
    return call.status;
}
