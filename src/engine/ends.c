/* ends.c: how calls end: their done callbacks, at once or on the application thread.
 *
 * What is borrowed only until a call returns is copied on its way there, but a result: the state
 * machine keeps it until its next batch, which stands behind it in the queue.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "engine/internal.h"
#include "runtime/memory.h"

/* The engine's own calls end on its own thread, and nobody's room is reserved for them. */
bool engine_is_own(void (*done)(void))
{
    return done == (void (*)(void))engine_backup_passed ||
           done == (void (*)(void))engine_backup_taken ||
           done == (void (*)(void))engine_leave_handed_over;
}

static void call_proposal(struct qr_engine *engine, const struct application_task *task)
{
    (void)engine;
    ((qr_propose_done *)task->done)(task->argument, task->status, task->index,
                                    task->has_result ? &task->result : NULL);
    engine_small_free(engine, task->data, task->data_bytes);
}

static void call_read(struct qr_engine *engine, const struct application_task *task)
{
    (void)engine;
    ((qr_read_done *)task->done)(task->argument, task->status, task->index);
}

static void call_snapshot(struct qr_engine *engine, const struct application_task *task)
{
    (void)engine;
    ((qr_snapshot_done *)task->done)(task->argument, task->status, task->index);
}

/* Whether the result is the state machine's, of the batch before: it needs no copy. */
static bool is_of_batch(const struct qr_engine *engine, const struct qr_result *result)
{
    return result >= engine->results && result < engine->results + NODE_APPLY_ENTRIES_MAX;
}

void engine_end_proposal(struct qr_engine *engine, const struct waiter_call *waiter, int status,
                         raft_index index, const struct qr_result *result)
{
    struct application_task task = {
        .run = call_proposal,
        .done = waiter->done,
        .argument = waiter->argument,
        .is_owed = true,
        .status = status,
        .index = index,
    };
    if (result != NULL) {
        ASSERT(status == 0 || status == QR_ERR_REJECTED);
        task.has_result = true;
        task.result = *result;
    }
    if (!engine->application.is_on) {
        call_proposal(engine, &task);
        return;
    }
    if (task.has_result && result->size_bytes > 0 && !is_of_batch(engine, result)) {
        task.data = engine_small_new(engine, result->size_bytes);
        task.data_bytes = result->size_bytes;
        task.result.data = task.data;
        if (task.data == NULL && status == QR_ERR_REJECTED) {
            task.result.size_bytes = 0;
        } else if (task.data == NULL) { /* it was kept for repeats: who asks again may get it */
            task.status = QR_ERR_FORGOTTEN;
            task.has_result = false;
        } else {
            memcpy(task.data, result->data, result->size_bytes);
        }
    }
    application_give(&engine->application, &task);
}

static void end_plain(struct qr_engine *engine, struct application_task *task)
{
    if (engine->application.is_on && !engine_is_own(task->done)) {
        task->is_owed = true;
        application_give(&engine->application, task);
    } else {
        task->run(engine, task);
    }
}

void engine_end_read(struct qr_engine *engine, const struct waiter_call *waiter, int status,
                     raft_index index)
{
    end_plain(engine, &(struct application_task){.run = call_read,
                                                 .done = waiter->done,
                                                 .argument = waiter->argument,
                                                 .status = status,
                                                 .index = index});
}

void engine_end_snapshot(struct qr_engine *engine, const struct waiter_call *waiter, int status,
                         raft_index index)
{
    end_plain(engine, &(struct application_task){.run = call_snapshot,
                                                 .done = waiter->done,
                                                 .argument = waiter->argument,
                                                 .status = status,
                                                 .index = index});
}

/* What a change or keys end with, until it is told. */
struct words {
    struct qr_change_result change;
    struct qr_keys keys;
    char reason[NODE_DETAIL_BYTES];
};

static void call_change(struct qr_engine *engine, const struct application_task *task)
{
    const struct words *words = task->data;
    const struct qr_change_result nothing = {.size_bytes = sizeof(nothing),
                                             .reason = qr_error_text(task->status)};
    (void)engine;
    ((qr_change_done *)task->done)(task->argument, task->status,
                                   words == NULL ? &nothing : &words->change);
    release(&engine->allocator, task->data, task->data_bytes);
}

static void call_keys(struct qr_engine *engine, const struct application_task *task)
{
    const struct words *words = task->data;
    const struct qr_keys none = {.count = 0};
    (void)engine;
    ((qr_keys_done *)task->done)(task->argument, task->status,
                                 words == NULL ? qr_error_text(task->status) : words->reason,
                                 words == NULL ? &none : &words->keys);
    release(&engine->allocator, task->data, task->data_bytes);
}

/* NULL, memory ran out: then the status alone is told. */
static struct words *keep_words(struct qr_engine *engine, struct application_task *task,
                                const char *reason)
{
    struct words *words = allocate_zeroed(&engine->allocator, sizeof(*words));
    if (words != NULL) {
        engine_copy(words->reason, sizeof(words->reason), reason);
        task->data = words;
        task->data_bytes = sizeof(*words);
    }
    return words;
}

void engine_end_change(struct qr_engine *engine, const struct waiter_call *waiter, int status,
                       const struct qr_change_result *result)
{
    struct application_task task = {
        .run = call_change,
        .done = waiter->done,
        .argument = waiter->argument,
        .status = status,
    };
    if (!engine->application.is_on || engine_is_own(waiter->done)) {
        ((qr_change_done *)waiter->done)(waiter->argument, status, result);
        return;
    }
    struct words *words = keep_words(engine, &task, result->reason);
    if (words != NULL) {
        words->change = *result;
        words->change.reason = words->reason;
    }
    end_plain(engine, &task);
}

void engine_end_keys(struct qr_engine *engine, const struct waiter_call *waiter, int status,
                     const char *reason, const struct qr_keys *keys)
{
    struct application_task task = {
        .run = call_keys,
        .done = waiter->done,
        .argument = waiter->argument,
        .status = status,
    };
    if (!engine->application.is_on) {
        ((qr_keys_done *)waiter->done)(waiter->argument, status, reason, keys);
        return;
    }
    struct words *words = keep_words(engine, &task, reason);
    if (words != NULL) {
        words->keys = *keys;
    }
    end_plain(engine, &task);
}
