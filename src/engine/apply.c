/* apply.c: committed entries into the state machine, and to those who want to hear of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "engine/internal.h"

/* An entry that only moves log time is nobody's. */
static bool is_tick(const struct qr_entry *entry)
{
    return entry->command_bytes == 0 && entry->payload_bytes == 0;
}

/* Handlers may add and remove handlers, also themselves: a slot is looked at only when its
 * turn comes, and one that is new waits for the next entry.
 */
static void tell_handlers(struct qr_engine *engine, const struct qr_entry *entry)
{
    for (size_t i = 0; i < QR_COMMIT_HANDLERS_MAX; i++) {
        const struct commit_handler *handler = &engine->handlers[i];
        if (handler->token != 0 && handler->after_index < entry->index) {
            handler->handler(handler->argument, entry);
        }
    }
}

void engine_apply(void *context, const struct qr_entry *entries, size_t count)
{
    struct qr_engine *engine = context;
    const struct qr_state_machine *machine = &engine->state_machine;
    ASSERT(count >= 1 && count <= NODE_APPLY_ENTRIES_MAX);
    ASSERT(engine->in_node > 0);
    memset(engine->results, 0, count * sizeof(engine->results[0]));
    int status = machine->apply(machine->context, entries, count, engine->results);
    if (status == 0) {
        engine->counters.entries_applied += count;
        engine->applied_index = entries[count - 1].index;
        for (size_t i = 0; i < count; i++) {
            engine->told_index = entries[i].index;
            if (!is_tick(&entries[i])) {
                tell_handlers(engine, &entries[i]);
            }
        }
    }
    node_applied(engine->node, status, engine->results, engine_time());
}

uint64_t engine_wake_at(void *context)
{
    const struct qr_engine *engine = context;
    const struct qr_state_machine *machine = &engine->state_machine;
    return machine->wake_at == NULL ? 0 : machine->wake_at(machine->context);
}

struct adding {
    qr_commit_handler *handler;
    void *argument;
    uint64_t token;
    int status;
};

static void add(struct qr_engine *engine, void *argument)
{
    struct adding *adding = argument;
    if (engine->node == NULL || engine->is_stopping) {
        adding->status = QR_ERR_STOPPED;
        return;
    }
    for (size_t i = 0; i < QR_COMMIT_HANDLERS_MAX; i++) {
        struct commit_handler *handler = &engine->handlers[i];
        if (handler->token == 0) {
            *handler = (struct commit_handler){
                .token = ++engine->last_token,
                .after_index = engine->told_index,
                .handler = adding->handler,
                .argument = adding->argument,
            };
            adding->token = handler->token;
            adding->status = 0;
            return;
        }
    }
    adding->status = QR_ERR_BUSY;
}

int qr_on_commit(struct qr_engine *engine, qr_commit_handler *handler, void *argument,
                 uint64_t *token)
{
    struct adding adding = {.handler = handler, .argument = argument};
    engine_call(engine, add, &adding);
    if (adding.status == 0) {
        *token = adding.token;
    }
    return adding.status;
}

static void remove_handler(struct qr_engine *engine, void *argument)
{
    const uint64_t *token = argument;
    for (size_t i = 0; i < QR_COMMIT_HANDLERS_MAX; i++) {
        if (engine->handlers[i].token == *token) {
            engine->handlers[i] = (struct commit_handler){.token = 0};
        }
    }
}

void qr_remove_commit_handler(struct qr_engine *engine, uint64_t token)
{
    engine_call(engine, remove_handler, &token);
}
