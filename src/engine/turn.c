/* turn.c: when the node gets its turn: once a round of the loop, if anything came in.
 *
 * Input comes while the loop polls, in timers, or from callbacks of others. Whatever it is
 * marks the engine dirty, and that starts an idle handle: while one is active the loop does
 * not sleep, so the check handle, which runs behind the polling, is sure to come. Inputs
 * from before the polling are taken by the prepare handle already.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"
#include "runtime/clock.h"

struct node_time engine_time(void)
{
    return (struct node_time){.now_ns = runtime_now_ns(), .wall_ns = runtime_wall_ns()};
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is all that is wanted of it */
}

void engine_mark(struct qr_engine *engine)
{
    if (!engine->is_dirty) {
        engine->is_dirty = true;
        int failed = uv_idle_start(&engine->idle, on_idle);
        ASSERT(failed == 0);
    }
}

static void on_timer(uv_timer_t *timer);

/* A timer that fires too early is cheaper than one set anew for every message. */
static void arm(struct qr_engine *engine)
{
    time_ns deadline_ns = engine->node == NULL ? TIME_NEVER : node_deadline(engine->node);
    if (engine->node != NULL && !engine->is_stopping && engine->leave_ns != 0) {
        deadline_ns = min_u64(deadline_ns, engine->leave_ns);
    }
    if (deadline_ns >= engine->armed_ns) {
        return;
    }
    time_ns now_ns = runtime_now_ns();
    if (deadline_ns <= now_ns) {
        engine_mark(engine);
        return;
    }
    uv_update_time(engine->loop);
    engine->armed_ns = deadline_ns;
    int failed = uv_timer_start(&engine->timer, on_timer,
                                (deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS, 0);
    ASSERT(failed == 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct qr_engine *engine = timer->data;
    engine->armed_ns = TIME_NEVER;
    arm(engine);
}

/* What stores of the program's have told since the last turn. */
static void take_stores(struct qr_engine *engine)
{
    const char *wrong = NULL;
    engine->in_node++;
    if (engine->log_store != NULL) {
        engine_log_take(engine->log_store);
    }
    if (engine->snapshot_store != NULL) {
        wrong = engine_snapshots_take(engine->snapshot_store);
    }
    engine->in_node--;
    if (wrong != NULL) {
        engine_note_stop(engine, QR_ERR_CORRUPT, wrong);
    }
}

static void turn(struct qr_engine *engine, bool is_polled)
{
    ASSERT(engine->in_node == 0);
    engine->is_dirty = false;
    engine_take_requests(engine);
    if (engine->node == NULL) {
        application_wake(&engine->application);
        return;
    }
    engine_take_applied(engine);
    take_stores(engine);
    engine_backups_turn(engine);
    engine_gossip_take(engine, is_polled);
    const struct node_time now = engine_time();
    engine->in_node++;
    node_turn(engine->node, now);
    engine->in_node--;
    engine_memory_turn(engine, now.now_ns);
    transport_flush(engine->transport);
    engine_leave_turn(engine);
    arm(engine);
    engine_stop_turn(engine);
    application_wake(&engine->application);
}

static void on_check(uv_check_t *check)
{
    struct qr_engine *engine = check->data;
    if (engine->is_dirty) {
        turn(engine, true);
    }
    if (!engine->is_dirty && !uv_is_closing((uv_handle_t *)&engine->idle)) {
        (void)uv_idle_stop(&engine->idle);
    }
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct qr_engine *engine = prepare->data;
    if (engine->is_dirty) {
        /* Idle stays active until the check: what this turn told others may want the loop's
         * next round at once.
         */
        turn(engine, false);
    }
}

static void on_async(uv_async_t *async)
{
    engine_mark(async->data);
}

/* On a loop that has a socket and a descriptor to wake it already, none of these can fail. */
void engine_start_turns(struct qr_engine *engine)
{
    engine->check.data = engine;
    engine->prepare.data = engine;
    engine->idle.data = engine;
    engine->timer.data = engine;
    engine->async.data = engine;
    int failed = uv_check_init(engine->loop, &engine->check);
    failed |= uv_prepare_init(engine->loop, &engine->prepare);
    failed |= uv_idle_init(engine->loop, &engine->idle);
    failed |= uv_timer_init(engine->loop, &engine->timer);
    failed |= uv_check_start(&engine->check, on_check);
    failed |= uv_prepare_start(&engine->prepare, on_prepare);
    engine->open_handles = 4;
    if (engine->has_async) {
        failed |= uv_async_init(engine->loop, &engine->async, on_async);
        engine->open_handles++;
    }
    ASSERT(failed == 0);
    (void)pthread_mutex_lock(&engine->mutex);
    engine->is_on_loop = true;
    (void)pthread_mutex_unlock(&engine->mutex);
    engine->armed_ns = TIME_NEVER;
    engine_mark(engine);
}

static void on_closed(uv_handle_t *handle)
{
    engine_handle_closed(handle->data);
}

void engine_close_turns(struct qr_engine *engine)
{
    uv_close((uv_handle_t *)&engine->check, on_closed);
    uv_close((uv_handle_t *)&engine->prepare, on_closed);
    uv_close((uv_handle_t *)&engine->idle, on_closed);
    uv_close((uv_handle_t *)&engine->timer, on_closed);
    if (engine->has_async) {
        uv_close((uv_handle_t *)&engine->async, on_closed);
    }
}
