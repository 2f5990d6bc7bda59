/* wait.c: the calls that return when it is over: each is one with a callback, and a wait for it.
 *
 * Threads  any but those on which the engine's callbacks come: these would wait for themselves.
 *          What waits lies on the stack of its thread; nothing of the engine is touched once
 *          the callback has come, so that the engine may be freed then.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "engine/internal.h"

struct wait {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool is_done;
    int status;
    struct qr_reply *reply; /* what is wanted of it; NULL: nothing */
    struct qr_change_reply *change_reply;
    uint64_t *index;
    char *reason; /* likewise, QR_REASON_BYTES_MAX */
};

/* On a caller's loop every thread that may call is the one that has to go on. */
static bool may_wait(const struct qr_engine *engine)
{
    return engine_is_given(engine) && engine->has_thread && !engine_is_on_loop(engine) &&
           !application_is_here(&engine->application);
}

static void wait_init(struct wait *wait)
{
    int failed = pthread_mutex_init(&wait->mutex, NULL);
    failed |= pthread_cond_init(&wait->ended, NULL);
    ASSERT(failed == 0);
}

/* Signalled under the mutex: behind it `wait` may be gone. */
static void end(struct wait *wait, int status)
{
    (void)pthread_mutex_lock(&wait->mutex);
    ASSERT(!wait->is_done);
    wait->is_done = true;
    wait->status = status;
    (void)pthread_cond_signal(&wait->ended);
    (void)pthread_mutex_unlock(&wait->mutex);
}

/* Wait for end(), if the call was taken; how it all ended. */
static int wait_end(struct wait *wait, int status)
{
    if (status == 0) {
        (void)pthread_mutex_lock(&wait->mutex);
        while (!wait->is_done) {
            (void)pthread_cond_wait(&wait->ended, &wait->mutex);
        }
        status = wait->status;
        (void)pthread_mutex_unlock(&wait->mutex);
    }
    (void)pthread_cond_destroy(&wait->ended);
    (void)pthread_mutex_destroy(&wait->mutex);
    return status;
}

static void on_proposed(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct wait *wait = argument;
    struct qr_reply *reply = wait->reply;
    if (reply != NULL) {
        reply->index = index;
        reply->size_bytes = result == NULL ? 0 : result->size_bytes;
        size_t given_bytes =
            reply->size_bytes < reply->capacity_bytes ? reply->size_bytes : reply->capacity_bytes;
        if (given_bytes > 0) {
            memcpy(reply->data, result->data, given_bytes);
        }
    }
    end(wait, status);
}

/* Whether a result can be copied there; nothing came yet. */
static bool reply_begin(struct qr_reply *reply)
{
    if (reply == NULL) {
        return true;
    }
    reply->index = 0;
    reply->size_bytes = 0;
    return reply->data != NULL || reply->capacity_bytes == 0;
}

static int reply_end(struct qr_reply *reply, int status)
{
    if (reply != NULL) {
        reply->status = status;
    }
    return status;
}

int qr_propose_wait(struct qr_engine *engine, const struct qr_proposal *proposal,
                    struct qr_reply *reply)
{
    struct wait wait = {.reply = reply};
    if (!reply_begin(reply) || !may_wait(engine)) {
        return reply_end(reply, QR_ERR_INVALID);
    }
    wait_init(&wait);
    int status = qr_propose(engine, proposal, on_proposed, &wait);
    return reply_end(reply, wait_end(&wait, status));
}

int qr_open_session_wait(struct qr_engine *engine, uint64_t timeout_ms, uint64_t *session)
{
    struct qr_reply reply = {.data = NULL};
    struct wait wait = {.reply = &reply};
    if (session == NULL || !may_wait(engine)) {
        return QR_ERR_INVALID;
    }
    wait_init(&wait);
    int status = wait_end(&wait, qr_open_session(engine, timeout_ms, on_proposed, &wait));
    if (status == 0) {
        *session = qr_session_of(reply.index);
    }
    return status;
}

int qr_end_session_wait(struct qr_engine *engine, uint64_t session)
{
    struct wait wait = {.reply = NULL};
    if (!may_wait(engine)) {
        return QR_ERR_INVALID;
    }
    wait_init(&wait);
    return wait_end(&wait, qr_end_session(engine, session, on_proposed, &wait));
}

int qr_settle_wait(struct qr_engine *engine, struct qr_id id, struct qr_reply *reply)
{
    struct wait wait = {.reply = reply};
    if (!reply_begin(reply) || !may_wait(engine)) {
        return reply_end(reply, QR_ERR_INVALID);
    }
    wait_init(&wait);
    int status = qr_settle(engine, id, on_proposed, &wait);
    return reply_end(reply, wait_end(&wait, status));
}

static void on_read(void *argument, int status, uint64_t index)
{
    struct wait *wait = argument;
    if (status == 0 && wait->index != NULL) {
        *wait->index = index;
    }
    end(wait, status);
}

int qr_read_wait(struct qr_engine *engine, const struct qr_read_options *options, uint64_t *index)
{
    struct wait wait = {.index = index};
    if (!may_wait(engine)) {
        return QR_ERR_INVALID;
    }
    wait_init(&wait);
    return wait_end(&wait, qr_read(engine, options, on_read, &wait));
}

static const struct sized sized_change_reply = {
    sizeof(struct qr_change_reply), offsetof(struct qr_change_reply, reason) + QR_REASON_BYTES_MAX};

static void tell_change(struct wait *wait, const struct qr_change_result *result)
{
    struct qr_change_reply told = {
        .tolerated_before = result->tolerated_before,
        .tolerated_after = result->tolerated_after,
    };
    if (wait->change_reply != NULL) {
        engine_copy(told.reason, sizeof(told.reason), result->reason);
        sized_write(sized_change_reply, &told, wait->change_reply);
    }
}

static void on_changed(void *argument, int status, const struct qr_change_result *result)
{
    struct wait *wait = argument;
    tell_change(wait, result);
    end(wait, status);
}

int qr_change_wait(struct qr_engine *engine, const struct qr_change *change,
                   struct qr_change_reply *reply)
{
    struct wait wait = {.change_reply = reply};
    bool is_valid = reply == NULL || sized_check(sized_change_reply, reply) == 0;
    if (!is_valid || !may_wait(engine)) {
        return QR_ERR_INVALID;
    }
    wait_init(&wait);
    int status = qr_change_cluster(engine, change, on_changed, &wait);
    if (status != 0) {
        const struct qr_change_result told = {.reason = qr_error_text(status)};
        tell_change(&wait, &told);
    }
    return wait_end(&wait, status);
}

static void on_added(void *argument, int status, const struct qr_change_result *result)
{
    struct wait *wait = argument;
    if (wait->reason != NULL) {
        engine_copy(wait->reason, QR_REASON_BYTES_MAX, result->reason);
    }
    end(wait, status);
}

/* It did not come to that; `words` or, NULL, what the error says. */
static int add_end(char *reason, int status, const char *words)
{
    if (reason != NULL) {
        engine_copy(reason, QR_REASON_BYTES_MAX, words == NULL ? qr_error_text(status) : words);
    }
    return status;
}

struct add_call {
    const char *address;
    bool is_learner;
    struct wait *wait;
    int status;
};

static void take_add(struct qr_engine *engine, void *argument)
{
    struct add_call *call = argument;
    call->status = engine_invite(engine, call->address, call->is_learner, on_added, call->wait);
}

int qr_add(struct qr_engine *engine, const char *address, bool is_learner, char *reason)
{
    struct wait wait = {.reason = reason};
    struct add_call call = {.address = address, .is_learner = is_learner, .wait = &wait};
    char detail[QR_ERROR_DETAIL_BYTES];
    if (address == NULL || address[0] == '\0' || !may_wait(engine)) {
        return add_end(reason, QR_ERR_INVALID, NULL);
    }
    int status = engine_address_check(address, detail);
    if (status != 0) {
        return add_end(reason, status, detail);
    }
    wait_init(&wait);
    engine_call(engine, take_add, &call);
    if (call.status != 0) {
        bool is_outside = call.status == QR_ERR_NO_LEADER;
        (void)add_end(reason, call.status,
                      is_outside ? "this node is no member of a cluster itself" : NULL);
    }
    return wait_end(&wait, call.status);
}
