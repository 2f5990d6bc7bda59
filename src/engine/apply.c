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

static void tell_handlers(struct qr_engine *engine, const struct qr_entry *entry)
{
    const struct engine_handler *handler;
    for (size_t at = 0; (handler = engine_handlers_next(&engine->commit_handlers, &at)) != NULL;) {
        ((qr_commit_handler *)handler->function)(handler->argument, entry);
    }
}

void engine_apply(void *context, const struct qr_entry *entries, size_t count, bool wants_digest)
{
    struct qr_engine *engine = context;
    const struct qr_state_machine *machine = &engine->state_machine;
    ASSERT(count <= NODE_APPLY_ENTRIES_MAX);
    ASSERT(count >= 1 || wants_digest);
    ASSERT(engine->in_node > 0);
    memset(engine->results, 0, count * sizeof(engine->results[0]));
    int status = count == 0 ? 0 : machine->apply(machine->context, entries, count, engine->results);
    if (status == 0 && count > 0) {
        engine->counters.entries_applied += count;
        engine->applied_index = entries[count - 1].index;
        for (size_t i = 0; i < count; i++) {
            engine->commit_handlers.told = entries[i].index;
            if (!is_tick(&entries[i])) {
                tell_handlers(engine, &entries[i]);
            }
        }
    }
    struct node_batch_end end = {
        .status = status,
        .results = engine->results,
        .digest = wants_digest && status == 0 ? machine->digest(machine->context) : 0,
    };
    node_applied(engine->node, &end, engine_time());
}

uint64_t engine_wake_at(void *context)
{
    const struct qr_engine *engine = context;
    const struct qr_state_machine *machine = &engine->state_machine;
    return machine->wake_at == NULL ? 0 : machine->wake_at(machine->context);
}

int qr_on_commit(struct qr_engine *engine, qr_commit_handler *handler, void *argument,
                 uint64_t *token)
{
    return engine_handlers_add(engine, &engine->commit_handlers, (engine_handler_function *)handler,
                               argument, token);
}

void qr_remove_commit_handler(struct qr_engine *engine, uint64_t token)
{
    engine_handlers_remove(engine, &engine->commit_handlers, token);
}
