/* machine.c: the state machine as the node sees it, where it runs on the application thread.
 *
 * Each function of it asks there, and says NODE_LATER until the answer has come; the node asks
 * again in the turn that follows. What is given to a restore is taken over behind its back: the
 * first failure is told by whatever comes next, at the latest by the end. One view is open at a
 * time. Before the thread is there, while the engine is being opened, all is done at once.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "engine/internal.h"
#include "runtime/memory.h"

static void lock(struct qr_engine *engine)
{
    (void)pthread_mutex_lock(&engine->application.mutex);
}

static void unlock(struct qr_engine *engine)
{
    (void)pthread_mutex_unlock(&engine->application.mutex);
}

static bool is_at_once(const struct qr_engine *engine)
{
    return !engine->application.is_started;
}

static void ask(struct qr_engine *engine,
                void (*run)(struct qr_engine *engine, const struct application_task *task))
{
    application_give(&engine->application, &(struct application_task){.run = run});
}

/* The application thread: it is closed, or may be closed, unless somebody gave it up meanwhile. */
static void view_is_ready(struct qr_engine *engine, enum application_view state)
{
    struct application_machine *machine = &engine->application.machine;
    const struct qr_state_machine *program = &engine->state_machine;
    lock(engine);
    if (machine->is_view_closing && machine->view != NULL) {
        void *view = machine->view;
        machine->view = NULL;
        unlock(engine);
        program->snapshot_close(program->context, view);
        lock(engine);
    }
    if (machine->is_view_closing) {
        machine->is_view_closing = false;
        state = APPLICATION_VIEW_NONE;
    }
    machine->view_state = state;
    unlock(engine);
    engine_wake(engine);
}

static void run_open(struct qr_engine *engine, const struct application_task *task)
{
    struct application_machine *machine = &engine->application.machine;
    const struct qr_state_machine *program = &engine->state_machine;
    void *view = NULL;
    (void)task;
    machine->view_status = program->snapshot_open(program->context, &view);
    machine->view = machine->view_status == 0 ? view : NULL;
    view_is_ready(engine, APPLICATION_VIEW_OPENED);
}

static void run_read(struct qr_engine *engine, const struct application_task *task)
{
    struct application_machine *machine = &engine->application.machine;
    const struct qr_state_machine *program = &engine->state_machine;
    (void)task;
    machine->view_status = program->snapshot_read(program->context, machine->view, machine->slice,
                                                  CONTENT_BLOCK_BYTES_MAX, &machine->slice_bytes);
    ASSERT(machine->view_status != 0 || machine->slice_bytes <= CONTENT_BLOCK_BYTES_MAX);
    view_is_ready(engine, APPLICATION_VIEW_READ);
}

static void run_close(struct qr_engine *engine, const struct application_task *task)
{
    (void)task;
    view_is_ready(engine, APPLICATION_VIEW_NONE);
}

/* The state, if it is not busy; what waits to be told is told by who calls. */
static enum application_view view_state(struct qr_engine *engine)
{
    lock(engine);
    enum application_view state = engine->application.machine.view_state;
    unlock(engine);
    return state;
}

static void set_view_state(struct qr_engine *engine, enum application_view state)
{
    lock(engine);
    engine->application.machine.view_state = state;
    unlock(engine);
}

static int snapshot_open(void *context, void **snapshot)
{
    struct qr_engine *engine = context;
    struct application_machine *machine = &engine->application.machine;
    enum application_view state = view_state(engine);
    if (!engine->application.is_on) {
        return QR_ERR_BUSY; /* the thread was not to be had: it is about to stop */
    }
    if (state == APPLICATION_VIEW_NONE) {
        set_view_state(engine, APPLICATION_VIEW_BUSY);
        ask(engine, run_open);
        return NODE_LATER;
    }
    if (state != APPLICATION_VIEW_OPENED) {
        return NODE_LATER;
    }
    int status = machine->view_status;
    set_view_state(engine, status == 0 ? APPLICATION_VIEW_IDLE : APPLICATION_VIEW_NONE);
    if (status == 0) {
        *snapshot = machine; /* there is one; its own view may be NULL */
    }
    return status;
}

static int snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes)
{
    struct qr_engine *engine = context;
    struct application_machine *machine = &engine->application.machine;
    ASSERT(snapshot == machine && size_bytes == CONTENT_BLOCK_BYTES_MAX);
    enum application_view state = view_state(engine);
    if (state == APPLICATION_VIEW_IDLE) {
        set_view_state(engine, APPLICATION_VIEW_BUSY);
        ask(engine, run_read);
        return NODE_LATER;
    }
    if (state == APPLICATION_VIEW_BUSY) {
        return NODE_LATER;
    }
    ASSERT(state == APPLICATION_VIEW_READ);
    set_view_state(engine, APPLICATION_VIEW_IDLE);
    if (machine->view_status == 0) {
        *read_bytes = machine->slice_bytes;
        memcpy(buffer, machine->slice, machine->slice_bytes);
    }
    return machine->view_status;
}

static void snapshot_close(void *context, void *snapshot)
{
    struct qr_engine *engine = context;
    struct application_machine *machine = &engine->application.machine;
    (void)snapshot;
    lock(engine);
    bool is_busy = machine->view_state == APPLICATION_VIEW_BUSY;
    bool is_any = machine->view_state != APPLICATION_VIEW_NONE;
    machine->is_view_closing = is_any;
    machine->view_state = is_any ? APPLICATION_VIEW_BUSY : APPLICATION_VIEW_NONE;
    unlock(engine);
    if (is_any && !is_busy) {
        ask(engine, run_close);
    }
}

/* The application thread: one thing that was given to a restore is done. */
static void restore_went_on(struct qr_engine *engine, int status)
{
    struct application_machine *machine = &engine->application.machine;
    lock(engine);
    machine->restore_count--;
    machine->restore_status = machine->restore_status == 0 ? status : machine->restore_status;
    unlock(engine);
    engine_wake(engine);
}

/* What failed before, as the application thread alone may look at it. */
static int restore_failure(struct qr_engine *engine)
{
    lock(engine);
    int status = engine->application.machine.restore_status;
    unlock(engine);
    return status;
}

static void run_restore_begin(struct qr_engine *engine, const struct application_task *task)
{
    const struct qr_state_machine *program = &engine->state_machine;
    (void)task;
    restore_went_on(engine, program->restore_begin(program->context));
}

static void run_restore_write(struct qr_engine *engine, const struct application_task *task)
{
    const struct qr_state_machine *program = &engine->state_machine;
    int status = restore_failure(engine);
    if (status == 0) {
        status = program->restore_write(program->context, task->data, task->data_bytes);
    }
    release(&engine->allocator, task->data, task->data_bytes);
    restore_went_on(engine, status);
}

static void run_restore_end(struct qr_engine *engine, const struct application_task *task)
{
    const struct qr_state_machine *program = &engine->state_machine;
    (void)task;
    int status = restore_failure(engine);
    if (status == 0) {
        status = program->restore_end(program->context);
    }
    if (status == 0) {
        engine_note_facts(engine);
    }
    restore_went_on(engine, status);
}

static void ask_restore(struct qr_engine *engine, const struct application_task *task)
{
    lock(engine);
    engine->application.machine.restore_count++;
    unlock(engine);
    application_give(&engine->application, task);
}

static int restore_begin(void *context)
{
    struct qr_engine *engine = context;
    struct application_machine *machine = &engine->application.machine;
    const struct qr_state_machine *program = &engine->state_machine;
    if (is_at_once(engine)) {
        return program->restore_begin(program->context);
    }
    ASSERT(machine->restore_count == 0);
    machine->restore_status = 0;
    machine->is_restore_end_asked = false;
    ask_restore(engine, &(struct application_task){.run = run_restore_begin});
    return 0;
}

static int restore_write(void *context, const void *data, size_t size_bytes)
{
    struct qr_engine *engine = context;
    const struct qr_state_machine *program = &engine->state_machine;
    if (is_at_once(engine)) {
        return program->restore_write(program->context, data, size_bytes);
    }
    int status = restore_failure(engine);
    if (status != 0 || size_bytes == 0) {
        return status;
    }
    struct application_task task = {
        .run = run_restore_write,
        .data = allocate(&engine->allocator, size_bytes),
        .data_bytes = size_bytes,
    };
    if (task.data == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    memcpy(task.data, data, size_bytes);
    ask_restore(engine, &task);
    return 0;
}

bool engine_is_restore_busy(void *context)
{
    struct qr_engine *engine = context;
    lock(engine);
    bool is_busy = engine->application.machine.restore_count > 0;
    unlock(engine);
    return is_busy;
}

static int restore_end(void *context)
{
    struct qr_engine *engine = context;
    struct application_machine *machine = &engine->application.machine;
    const struct qr_state_machine *program = &engine->state_machine;
    if (is_at_once(engine)) {
        return program->restore_end(program->context);
    }
    if (!machine->is_restore_end_asked) {
        machine->is_restore_end_asked = true;
        ask_restore(engine, &(struct application_task){.run = run_restore_end});
        return NODE_LATER;
    }
    if (engine_is_restore_busy(engine)) {
        return NODE_LATER;
    }
    engine->settled_digest = engine_facts(engine).digest;
    return restore_failure(engine);
}

static void run_facts(struct qr_engine *engine, const struct application_task *task)
{
    (void)task;
    engine_note_facts(engine);
    lock(engine);
    engine->application.machine.is_fact_asked = false;
    unlock(engine);
}

/* As it was last, and asked anew: it may move without a batch. */
static uint64_t applied_index(void *context)
{
    struct qr_engine *engine = context;
    const struct qr_state_machine *program = &engine->state_machine;
    if (is_at_once(engine)) {
        return program->applied_index(program->context);
    }
    lock(engine);
    bool is_asked = engine->application.machine.is_fact_asked;
    engine->application.machine.is_fact_asked = true;
    unlock(engine);
    if (!is_asked) {
        ask(engine, run_facts);
    }
    return engine_facts(engine).durable_index;
}

struct qr_state_machine engine_machine(struct qr_engine *engine)
{
    const struct qr_state_machine *program = &engine->state_machine;
    if (!engine->application.is_on) {
        return *program;
    }
    return (struct qr_state_machine){
        .size_bytes = sizeof(struct qr_state_machine),
        .context = engine,
        .digest = program->digest, /* there is one: it is asked with the end of a batch */
        .snapshot_open = program->snapshot_open == NULL ? NULL : snapshot_open,
        .snapshot_read = program->snapshot_read == NULL ? NULL : snapshot_read,
        .snapshot_close = program->snapshot_close == NULL ? NULL : snapshot_close,
        .restore_begin = program->restore_begin == NULL ? NULL : restore_begin,
        .restore_write = program->restore_write == NULL ? NULL : restore_write,
        .restore_end = program->restore_end == NULL ? NULL : restore_end,
        .applied_index = program->applied_index == NULL ? NULL : applied_index,
    };
}
