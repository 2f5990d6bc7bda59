/* handlers.c: who wants to hear of what happens: functions of the program's, by their tokens. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"

struct adding {
    struct engine_handlers *to;
    struct engine_handler handler;
    int status;
};

static void add(struct qr_engine *engine, void *argument)
{
    struct adding *adding = argument;
    if (engine->node == NULL || engine->is_stopping) {
        adding->status = QR_ERR_STOPPED;
        return;
    }
    for (size_t i = 0; i < ENGINE_HANDLERS_MAX; i++) {
        struct engine_handler *slot = &adding->to->slots[i];
        if (slot->token == 0) {
            adding->handler.token = ++engine->last_token;
            adding->handler.after = adding->to->told;
            *slot = adding->handler;
            return;
        }
    }
    adding->status = QR_ERR_BUSY;
}

int engine_handlers_add(struct qr_engine *engine, struct engine_handlers *to,
                        engine_handler_function *function, void *argument, uint64_t *token)
{
    struct adding adding = {.to = to, .handler = {.function = function, .argument = argument}};
    engine_call(engine, add, &adding);
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
}

struct removing {
    struct engine_handlers *from;
    uint64_t token;
};

static void remove_handler(struct qr_engine *engine, void *argument)
{
    const struct removing *removing = argument;
    (void)engine;
    for (size_t i = 0; i < ENGINE_HANDLERS_MAX; i++) {
        struct engine_handler *slot = &removing->from->slots[i];
        if (slot->token == removing->token) {
            *slot = (struct engine_handler){.token = 0};
        }
    }
}

void engine_handlers_remove(struct qr_engine *engine, struct engine_handlers *from, uint64_t token)
{
    struct removing removing = {from, token};
    engine_call(engine, remove_handler, &removing);
}

const struct engine_handler *engine_handlers_next(const struct engine_handlers *of, size_t *at)
{
    while (*at < ENGINE_HANDLERS_MAX) {
        const struct engine_handler *slot = &of->slots[(*at)++];
        if (slot->token != 0 && slot->after < of->told) {
            return slot;
        }
    }
    return NULL;
}
