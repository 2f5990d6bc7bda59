/* queue.c: requests from other threads, and from within callbacks. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"

static void push(struct qr_engine *engine, struct request *request)
{
    request->next = NULL;
    if (engine->last == NULL) {
        engine->first = request;
    } else {
        engine->last->next = request;
    }
    engine->last = request;
}

bool engine_is_on_loop(const struct qr_engine *engine)
{
    return !engine->has_thread || !engine->is_thread_started ||
           pthread_equal(engine->thread, pthread_self());
}

/* Under the mutex, so that the handle is there: one wake-up for all that waits. */
static void wake(struct qr_engine *engine, bool was_empty)
{
    if (engine->has_thread && was_empty) {
        int failed = uv_async_send(&engine->async);
        ASSERT(failed == 0);
    }
}

void engine_wake(struct qr_engine *engine)
{
    (void)pthread_mutex_lock(&engine->mutex);
    if (!engine->is_closed) {
        int failed = uv_async_send(&engine->async);
        ASSERT(failed == 0);
    }
    (void)pthread_mutex_unlock(&engine->mutex);
}

void engine_store_told(struct qr_engine *engine)
{
    (void)pthread_mutex_lock(&engine->mutex);
    if (engine->is_on_loop && !engine->is_closed) {
        int failed = uv_async_send(&engine->async);
        ASSERT(failed == 0);
    }
    (void)pthread_mutex_unlock(&engine->mutex);
}

/* Every call that is taken ends on the application thread some day: there must be room for that,
 * and no more of them may wait there than of any other kind.
 */
static int reserve_end(struct qr_engine *engine, const struct request *request)
{
    struct application *application = &engine->application;
    if (!application->is_on ||
        (request->kind == REQUEST_READ && engine_is_own((void (*)(void))request->read.done))) {
        return 0;
    }
    size_t ended = atomic_load_explicit(&application->ended, memory_order_relaxed);
    if (engine->queued_count + ended >= engine->limits.max_pending_proposals) {
        return QR_ERR_BUSY;
    }
    size_t owed = atomic_load_explicit(&application->owed, memory_order_relaxed) + 1;
    int status = application_reserve(application, owed);
    if (status == 0) {
        atomic_fetch_add_explicit(&application->owed, 1, memory_order_relaxed);
    }
    return engine_refusal(status);
}

int engine_queue(struct qr_engine *engine, struct request *request)
{
    int status = 0;
    (void)pthread_mutex_lock(&engine->mutex);
    if (engine->is_closed || atomic_load(&engine->is_stop_asked)) {
        status = QR_ERR_STOPPED;
    } else if (engine->queued_count >= engine->limits.max_pending_proposals ||
               (engine->queued_count > 0 &&
                engine->queued_bytes + request->size_bytes > ENGINE_QUEUE_BYTES_MAX)) {
        status = QR_ERR_BUSY;
    } else {
        status = reserve_end(engine, request);
    }
    if (status == 0) {
        bool was_empty = engine->first == NULL;
        push(engine, request);
        engine->queued_count++;
        engine->queued_bytes += request->size_bytes;
        wake(engine, was_empty);
    }
    (void)pthread_mutex_unlock(&engine->mutex);
    if (status == 0 && !engine->has_thread) {
        engine_mark(engine);
    }
    return status;
}

bool engine_queue_is_empty(struct qr_engine *engine)
{
    (void)pthread_mutex_lock(&engine->mutex);
    bool is_empty = engine->first == NULL;
    (void)pthread_mutex_unlock(&engine->mutex);
    return is_empty;
}

struct request *engine_request_new(struct qr_engine *engine, enum request_kind kind,
                                   size_t data_bytes)
{
    size_t size_bytes = sizeof(struct request) + data_bytes;
    struct request *request = engine_small_new(engine, size_bytes);
    if (request != NULL) {
        *request = (struct request){.kind = kind, .size_bytes = size_bytes};
    }
    return request;
}

void engine_request_free(struct qr_engine *engine, struct request *request)
{
    engine_small_free(engine, request, request->size_bytes);
}

static void take_propose(struct qr_engine *engine, const struct request *request)
{
    uint64_t ticket = request->propose.ticket;
    const struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal),
        .id = request->propose.id,
        .is_guarded = request->propose.is_guarded,
        .command = (const char *)request->data,
        .command_bytes = request->propose.command_bytes,
        .payload = request->data + request->propose.command_bytes,
        .payload_bytes = request->propose.payload_bytes,
        .timeout_ms = request->propose.timeout_ms,
        .ticket = &ticket,
    };
    int status =
        request->propose.is_cancelled
            ? QR_ERR_WITHDRAWN
            : engine_propose(engine, &proposal, request->propose.done, request->propose.argument);
    if (status != 0) {
        engine->counters.proposals++;
        engine->counters.proposals_failed++;
        const struct waiter_call waiter = {(void (*)(void))request->propose.done,
                                           request->propose.argument};
        engine_end_proposal(engine, &waiter, engine_refusal(status), 0, NULL);
    }
}

static void take_snapshot(struct qr_engine *engine, const struct request *request)
{
    int status = engine_snapshot(engine, request->snapshot.done, request->snapshot.argument);
    if (status != 0) {
        const struct waiter_call waiter = {(void (*)(void))request->snapshot.done,
                                           request->snapshot.argument};
        engine_end_snapshot(engine, &waiter, engine_refusal(status), 0);
    }
}

static void take_call(struct qr_engine *engine, struct request *request)
{
    request->call.run(engine, request->call.argument);
    (void)pthread_mutex_lock(&engine->mutex);
    request->call.is_done = true; /* from here on it is its thread's again */
    (void)pthread_cond_broadcast(&engine->answered);
    (void)pthread_mutex_unlock(&engine->mutex);
}

static void take_one(struct qr_engine *engine, struct request *request)
{
    if (request->kind == REQUEST_CALL) {
        take_call(engine, request);
        return;
    }
    if (request->kind == REQUEST_PROPOSE) {
        take_propose(engine, request);
    } else if (request->kind == REQUEST_SNAPSHOT) {
        take_snapshot(engine, request);
    } else if (request->kind == REQUEST_CHANGE) {
        engine_take_change(engine, request);
    } else if (request->kind == REQUEST_KEYS) {
        engine_take_keys(engine, request);
    } else {
        engine_take_read(engine, request);
    }
    engine_request_free(engine, request);
}

void engine_take_requests(struct qr_engine *engine)
{
    (void)pthread_mutex_lock(&engine->mutex);
    ASSERT(engine->taking == NULL);
    engine->taking = engine->first;
    engine->first = NULL;
    engine->last = NULL;
    engine->queued_count = 0;
    engine->queued_bytes = 0;
    (void)pthread_mutex_unlock(&engine->mutex);
    while (engine->taking != NULL) {
        struct request *request = engine->taking;
        engine->taking = request->next;
        take_one(engine, request);
    }
}

void engine_call(struct qr_engine *engine, void (*run)(struct qr_engine *engine, void *argument),
                 void *argument)
{
    if (engine_is_on_loop(engine)) {
        run(engine, argument);
        return;
    }
    struct request request = {.kind = REQUEST_CALL, .call = {run, argument, false}};
    (void)pthread_mutex_lock(&engine->mutex);
    if (engine->is_closed) {
        run(engine, argument); /* nothing changes any more but under the mutex */
    } else {
        bool was_empty = engine->first == NULL;
        push(engine, &request);
        wake(engine, was_empty);
        while (!request.call.is_done) {
            (void)pthread_cond_wait(&engine->answered, &engine->mutex);
        }
    }
    (void)pthread_mutex_unlock(&engine->mutex);
}
