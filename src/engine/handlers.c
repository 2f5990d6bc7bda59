/* handlers.c: see handlers.h. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"

static void lock(struct qr_engine *engine)
{
    if (engine->application.is_on) {
        (void)pthread_mutex_lock(&engine->application.mutex);
    }
}

static void unlock(struct qr_engine *engine)
{
    if (engine->application.is_on) {
        (void)pthread_mutex_unlock(&engine->application.mutex);
    }
}

struct adding {
    struct engine_handlers *to;
    struct engine_handler handler;
    int status;
};

static void add(struct qr_engine *engine, void *argument)
{
    struct adding *adding = argument;
    if (atomic_load(&engine->is_refusing)) {
        adding->status = QR_ERR_STOPPED;
        return;
    }
    for (size_t i = 0; i < ENGINE_HANDLERS_MAX; i++) {
        struct engine_handler *slot = &adding->to->slots[i];
        if (slot->token == 0) {
            adding->handler.token = ++engine->last_token;
            adding->handler.after = max_u64(adding->to->told, adding->to->given);
            *slot = adding->handler;
            atomic_fetch_add(&adding->to->count, 1);
            return;
        }
    }
    adding->status = QR_ERR_BUSY;
}

/* Where the tables may be touched. */
static void run(struct qr_engine *engine, void (*change)(struct qr_engine *engine, void *argument),
                void *argument)
{
    if (!engine->application.is_on) {
        engine_call(engine, change, argument);
        return;
    }
    lock(engine);
    change(engine, argument);
    unlock(engine);
}

int engine_handlers_add(struct qr_engine *engine, struct engine_handlers *to,
                        engine_handler_function *function, void *argument, uint64_t *token)
{
    struct adding adding = {.to = to, .handler = {.function = function, .argument = argument}};
    if (function == NULL || token == NULL) {
        return QR_ERR_INVALID;
    }
    run(engine, add, &adding);
    if (adding.status == 0) {
        *token = adding.handler.token;
    }
    return adding.status;
}

void engine_handlers_begin(struct qr_engine *engine, struct engine_handlers *to,
                           engine_handler_function *function, void *argument)
{
    ASSERT(engine->last_token == 0);
    to->slots[0] = (struct engine_handler){
        .token = ++engine->last_token, .function = function, .argument = argument};
    atomic_fetch_add(&to->count, 1);
}

struct removing {
    struct engine_handlers *from;
    uint64_t token;
};

static void remove_handler(struct qr_engine *engine, void *argument)
{
    const struct removing *removing = argument;
    struct application *application = &engine->application;
    for (size_t i = 0; i < ENGINE_HANDLERS_MAX && removing->token != 0; i++) {
        struct engine_handler *slot = &removing->from->slots[i];
        if (slot->token == removing->token) {
            *slot = (struct engine_handler){.token = 0};
            atomic_fetch_sub(&removing->from->count, 1);
        }
    }
    while (application->calling == removing->token && removing->token != 0 &&
           !application_is_here(application)) {
        (void)pthread_cond_wait(&application->called, &application->mutex);
    }
}

void engine_handlers_remove(struct qr_engine *engine, struct engine_handlers *from, uint64_t token)
{
    struct removing removing = {from, token};
    run(engine, remove_handler, &removing);
}

/* The next one that is to be told; false: that was the last. */
static bool next(const struct engine_handlers *of, size_t *at, struct engine_handler *out)
{
    while (*at < ENGINE_HANDLERS_MAX) {
        const struct engine_handler *slot = &of->slots[(*at)++];
        if (slot->token != 0 && slot->after < of->told) {
            *out = *slot;
            return true;
        }
    }
    return false;
}

void engine_handlers_tell(struct qr_engine *engine, struct engine_handlers *handlers,
                          uint64_t number,
                          void (*call)(const struct engine_handler *handler, const void *what),
                          const void *what)
{
    struct application *application = &engine->application;
    struct engine_handler handler;
    if (atomic_load_explicit(&handlers->count, memory_order_relaxed) == 0) {
        return; /* whoever is added meanwhile waits for what is told next */
    }
    lock(engine);
    handlers->told = number;
    for (size_t at = 0; next(handlers, &at, &handler);) {
        application->calling = application->is_on ? handler.token : 0;
        unlock(engine);
        call(&handler, what);
        lock(engine);
        if (application->is_on) {
            application->calling = 0;
            (void)pthread_cond_broadcast(&application->called);
        }
    }
    unlock(engine);
}
