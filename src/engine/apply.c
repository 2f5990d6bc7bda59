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

static void tell_one(const struct engine_handler *handler, const void *entry)
{
    ((qr_commit_handler *)handler->function)(handler->argument, entry);
}

static void tell_handlers(struct qr_engine *engine, const struct qr_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_tick(&entries[i])) {
            engine_handlers_tell(engine, &engine->commit_handlers, entries[i].index, tell_one,
                                 &entries[i]);
        }
    }
}

/* What of the state machine others ask for, as it stands now. */
static void note_facts(struct qr_engine *engine, raft_index applied_index)
{
    const struct qr_state_machine *machine = &engine->state_machine;
    struct application_facts facts = {
        .applied_index = applied_index,
        .digest = machine->digest == NULL ? 0 : machine->digest(machine->context),
        .wake_at = machine->wake_at == NULL ? 0 : machine->wake_at(machine->context),
        .durable_index =
            machine->applied_index == NULL ? 0 : machine->applied_index(machine->context),
    };
    (void)pthread_mutex_lock(&engine->application.mutex);
    engine->application.facts = facts;
    (void)pthread_mutex_unlock(&engine->application.mutex);
}

void engine_note_facts(struct qr_engine *engine)
{
    note_facts(engine, engine->application.facts.applied_index);
}

struct application_facts engine_facts(struct qr_engine *engine)
{
    (void)pthread_mutex_lock(&engine->application.mutex);
    struct application_facts facts = engine->application.facts;
    (void)pthread_mutex_unlock(&engine->application.mutex);
    return facts;
}

static int apply(struct qr_engine *engine, const struct qr_entry *entries, size_t count)
{
    const struct qr_state_machine *machine = &engine->state_machine;
    memset(engine->results, 0, count * sizeof(engine->results[0]));
    int status = count == 0 ? 0 : machine->apply(machine->context, entries, count, engine->results);
    for (size_t i = 0; i < count; i++) {
        engine->results[i].status = engine->results[i].status == 0 ? 0 : QR_ERR_REJECTED;
    }
    return status;
}

static void end_poison(struct qr_engine *engine, int status, const struct qr_entry *entries,
                       size_t count)
{
    if (count > 0) {
        poison_end(&engine->poison, status == 0 ? entries[count - 1].index : 0);
    }
}

/* Why no result of the batch can be told; 0: they can. Of a replica that was found to differ while
 * it applied they would be wrong, and whether the others have the entry is not known here.
 */
static int no_result(struct qr_engine *engine, const struct application_batch *batch)
{
    if (batch->status != 0) {
        return QR_ERR_STOPPED;
    }
    return atomic_load(&engine->application.is_isolated) ? QR_ERR_TIMEOUT : 0;
}

/* Who waits for an entry of the batch is told right where it was applied. */
static void end_waiters(struct qr_engine *engine, struct application_batch *batch)
{
    size_t told = 0;
    batch->failed_count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct waiter_call *waiter = &batch->waiters[i];
        if (waiter->done != NULL) {
            int none = no_result(engine, batch);
            int status = none == 0 ? engine->results[i].status : none;
            ((qr_propose_done *)waiter->done)(waiter->argument, status,
                                              none == 0 ? batch->entries[i].index : 0,
                                              none == 0 ? &engine->results[i] : NULL);
            told++;
            batch->failed_count += status == 0 ? 0 : 1;
        }
    }
    atomic_fetch_sub_explicit(&engine->application.owed, told, memory_order_relaxed);
}

static void run_batch(struct qr_engine *engine, const struct application_task *task)
{
    struct application *application = &engine->application;
    struct application_batch *batch = &application->batch;
    (void)task;
    poison_begin(&engine->poison, batch->entries, batch->count);
    batch->status = apply(engine, batch->entries, batch->count);
    end_poison(engine, batch->status, batch->entries, batch->count);
    if (batch->status == 0 && batch->count > 0) {
        note_facts(engine, batch->entries[batch->count - 1].index);
        tell_handlers(engine, batch->entries, batch->count);
    }
    if (batch->is_claimed) {
        end_waiters(engine, batch);
    }
    (void)pthread_mutex_lock(&application->mutex);
    application->is_batch_done = true;
    (void)pthread_mutex_unlock(&application->mutex);
    engine_wake(engine);
}

/* Take over from the node, and from those who wait here, whom the application thread will tell. */
static void claim_waiters(struct qr_engine *engine, struct application_batch *batch)
{
    uint64_t tokens[NODE_APPLY_ENTRIES_MAX];
    batch->is_claimed = node_claim_waiters(engine->node, tokens);
    for (size_t i = 0; i < batch->count && batch->is_claimed; i++) {
        struct waiter_call waiter = {.done = NULL};
        if (tokens[i] != NODE_NO_WAITER) {
            bool was_there = waiters_take(&engine->proposals, tokens[i], &waiter);
            ASSERT(was_there);
        }
        batch->waiters[i] = waiter;
    }
}

static void hand_over(struct qr_engine *engine, const struct qr_entry *entries, size_t count)
{
    struct application_batch *batch = &engine->application.batch;
    batch->entries = entries;
    batch->count = count;
    claim_waiters(engine, batch);
    application_give(&engine->application, &(struct application_task){.run = run_batch});
}

void engine_apply(void *context, const struct qr_entry *entries, size_t count, bool wants_digest)
{
    struct qr_engine *engine = context;
    const struct qr_state_machine *machine = &engine->state_machine;
    ASSERT(count <= NODE_APPLY_ENTRIES_MAX);
    ASSERT(count >= 1 || wants_digest);
    ASSERT(engine->in_node > 0);
    if (engine->application.is_on) {
        hand_over(engine, entries, count);
        return;
    }
    poison_begin(&engine->poison, entries, count);
    int status = apply(engine, entries, count);
    end_poison(engine, status, entries, count);
    if (status == 0 && count > 0) {
        engine->counters.entries_applied += count;
        engine->applied_index = entries[count - 1].index;
        tell_handlers(engine, entries, count);
    }
    struct node_batch_end end = {
        .status = status,
        .results = engine->results,
        .digest = wants_digest && status == 0 ? machine->digest(machine->context) : 0,
    };
    (void)node_applied(engine->node, &end, engine_time());
}

void engine_take_applied(struct qr_engine *engine)
{
    struct application *application = &engine->application;
    const struct application_batch *batch = &application->batch;
    (void)pthread_mutex_lock(&application->mutex);
    bool is_done = application->is_batch_done;
    application->is_batch_done = false;
    (void)pthread_mutex_unlock(&application->mutex);
    if (!is_done) {
        return;
    }
    if (batch->status == 0 && batch->count > 0) {
        engine->counters.entries_applied += batch->count;
        engine->applied_index = batch->entries[batch->count - 1].index;
    }
    engine->counters.proposals_failed += batch->is_claimed ? batch->failed_count : 0;
    const struct node_batch_end end = {
        .status = batch->status,
        .results = engine->results,
        .digest = engine_facts(engine).digest,
    };
    engine->in_node++;
    bool is_settled = node_applied(engine->node, &end, engine_time());
    engine->in_node--;
    if (is_settled) {
        engine->settled_digest = end.digest;
    }
}

uint64_t engine_wake_at(void *context)
{
    struct qr_engine *engine = context;
    const struct qr_state_machine *machine = &engine->state_machine;
    if (engine->application.is_on) {
        return engine_facts(engine).wake_at;
    }
    return machine->wake_at == NULL ? 0 : machine->wake_at(machine->context);
}

int qr_on_commit(struct qr_engine *engine, qr_commit_handler *handler, void *argument,
                 uint64_t *token)
{
    if (!engine_is_given(engine)) {
        return QR_ERR_INVALID;
    }
    return engine_handlers_add(engine, &engine->commit_handlers, (engine_handler_function *)handler,
                               argument, token);
}

void qr_remove_commit_handler(struct qr_engine *engine, uint64_t token)
{
    if (engine_is_given(engine)) {
        engine_handlers_remove(engine, &engine->commit_handlers, token);
    }
}
