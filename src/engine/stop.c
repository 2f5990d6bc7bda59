/* stop.c: how an engine ends, by itself or when told to.
 *
 *   asked for (or the node failed) -> the members are told -> the node takes part no more, who
 *   waits is answered -> its log has nothing in flight -> the last values are kept, everything is
 *   closed -> nothing of it is left on the loop -> on_stopped
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"
#include "runtime/memory.h"

void engine_note_stop(struct qr_engine *engine, int status, const char *reason)
{
    if (atomic_exchange(&engine->is_stop_asked, true)) {
        return;
    }
    engine->stop_status = status;
    struct text text = text_of(engine->stop_reason, sizeof(engine->stop_reason));
    text_string(&text, reason);
    atomic_store(&engine->is_leader, false);
    if (engine->open_handles > 0) { /* else it is just being opened */
        engine_mark(engine);
    }
}

/* The node answered all who waited; this is for one that it forgot. */
static void answer_waiters(struct qr_engine *engine)
{
    struct waiter_call waiter;
    while (waiters_take_any(&engine->proposals, &waiter)) {
        engine_end_proposal(engine, &waiter, QR_ERR_STOPPED, 0, NULL);
    }
    while (waiters_take_any(&engine->reads, &waiter)) {
        engine_end_read(engine, &waiter, QR_ERR_STOPPED, 0);
    }
    while (waiters_take_any(&engine->snapshots, &waiter)) {
        engine_end_snapshot(engine, &waiter, QR_ERR_STOPPED, 0);
    }
    engine_backups_stop(engine);
    const struct qr_change_result nothing = {
        .size_bytes = sizeof(nothing),
        .reason = qr_error_text(QR_ERR_STOPPED),
    };
    while (waiters_take_any(&engine->changes, &waiter)) {
        engine_end_change(engine, &waiter, QR_ERR_STOPPED, &nothing);
    }
}

void engine_handle_closed(struct qr_engine *engine)
{
    ASSERT(engine->open_handles > 0);
    engine->open_handles--;
    if (engine->open_handles > 0) {
        return;
    }
    engine->is_finished = true;
    /* Last of all: from within it the engine may be freed. */
    if (!engine->has_thread && engine->on_stopped != NULL) {
        engine->on_stopped(engine->argument, engine->stop_status, engine->stop_reason);
    }
}

static void on_part_closed(void *argument)
{
    engine_handle_closed(argument);
}

static void close_all(struct qr_engine *engine)
{
    transport_flush(engine->transport);
    answer_waiters(engine);
    struct node *node = engine->node;
    /* Ahead of the lock: parts of the program's are asked, which may wait for who wants it. */
    engine_status_fill(engine, &engine->final_status);
    engine->final_status.is_stopped = true;
    engine_counters_fill(engine, &engine->final_counters);
    (void)pthread_mutex_lock(&engine->mutex);
    engine->node = NULL;
    engine->is_closed = true;
    (void)pthread_mutex_unlock(&engine->mutex);
    engine_take_requests(engine);
    engine->open_handles += 3;
    transport_close(engine->transport, on_part_closed, engine);
    engine->transport = NULL;
    gossip_close(engine->gossip, on_part_closed, engine);
    engine->gossip = NULL;
    node_free(node);
    engine_snapshots_free(engine->snapshot_store);
    engine->snapshot_store = NULL;
    disk_posix_close(engine->disk, on_part_closed, engine);
    engine->disk = NULL;
    engine_close_turns(engine);
    application_wake(&engine->application);
}

void engine_stop_turn(struct qr_engine *engine)
{
    if (!atomic_load(&engine->is_stop_asked)) {
        return;
    }
    if (!engine->is_stopping &&
        !engine_gossip_leave(engine, SWIM_REASON_SHUTDOWN, ENGINE_STOP_TELLING_NS)) {
        return;
    }
    if (!engine->is_stopping) {
        engine->is_stopping = true;
        atomic_store(&engine->is_refusing, true);
        atomic_store(&engine->is_leader, false);
        engine->in_node++;
        node_stop(engine->node);
        engine->in_node--;
        engine_take_requests(engine);
    }
    engine->in_node++;
    bool is_settled = node_settle(engine->node);
    engine->in_node--;
    if (is_settled) {
        close_all(engine);
    }
}

bool engine_is_given(const struct qr_engine *engine)
{
#ifdef CHECKS
    ASSERT_IMPLIES(engine != NULL, engine->magic == ENGINE_MAGIC);
#endif
    return engine != NULL;
}

void qr_engine_stop(struct qr_engine *engine)
{
    if (!engine_is_given(engine)) {
        return;
    }
    (void)pthread_mutex_lock(&engine->mutex);
    if (!engine->is_closed) {
        atomic_store(&engine->is_stop_asked, true);
        if (engine->has_thread) {
            int failed = uv_async_send(&engine->async);
            ASSERT(failed == 0);
        } else {
            engine_mark(engine);
        }
    }
    (void)pthread_mutex_unlock(&engine->mutex);
}

void engine_run(struct qr_engine *engine)
{
    int left = uv_run(&engine->own_loop, UV_RUN_DEFAULT);
    ASSERT(left == 0);
    ASSERT(engine->is_finished);
}

void engine_free_memory(struct qr_engine *engine)
{
    waiters_deinit(&engine->proposals);
    waiters_deinit(&engine->reads);
    waiters_deinit(&engine->snapshots);
    application_deinit(&engine->application);
    engine_codec_deinit(&engine->codec);
    engine_log_free(engine->log_store);
    waiters_deinit(&engine->changes);
    keyring_free(engine->keyring);
    poison_close(&engine->poison);
    (void)pthread_cond_destroy(&engine->answered);
    (void)pthread_mutex_destroy(&engine->mutex);
    engine_memory_deinit(engine);
    const struct allocator allocator = engine->allocator;
    engine->magic = 0;
    release(&allocator, engine, sizeof(*engine));
}

void qr_engine_free(struct qr_engine *engine)
{
    if (!engine_is_given(engine)) {
        return;
    }
    if (engine->has_thread) {
        ASSERT(!pthread_equal(engine->thread, pthread_self()));
        ASSERT(!application_is_here(&engine->application));
        qr_engine_stop(engine);
        (void)pthread_join(engine->thread, NULL);
        application_join(&engine->application);
        int failed = uv_loop_close(&engine->own_loop);
        ASSERT(failed == 0);
    }
    ASSERT(engine->is_finished);
    engine_free_memory(engine);
}
