/* history.c: what clients asked of a key-value store, and what they were told. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/linear/history.h"

#include "base/assert.h"

static const char *const kind_texts[] = {
#define X(name, text) [name] = (text),
    HISTORY_KIND_MAP(X)
#undef X
};

#define KIND_COUNT (sizeof(kind_texts) / sizeof(kind_texts[0]))

void history_init(struct history *history, const struct allocator *allocator, size_t operations_max)
{
    ASSERT(operations_max >= 1);
    ASSERT(operations_max <= HISTORY_OPERATIONS_MAX);
    *history = (struct history){.allocator = allocator, .operations_max = operations_max};
}

void history_deinit(struct history *history)
{
    if (history->operations != NULL) {
        release(history->allocator, history->operations,
                history->capacity * sizeof(*history->operations));
    }
    *history = (struct history){0};
}

void history_clear(struct history *history)
{
    history->count = 0;
}

int history_add(struct history *history, const struct history_call *call, uint64_t invoked_at,
                uint32_t *number)
{
    void *operations = history->operations;

    ASSERT((size_t)call->kind < KIND_COUNT);
    ASSERT(invoked_at < TIME_NEVER);
    int error =
        allocate_grow(history->allocator, &operations, &history->capacity, history->count + 1,
                      history->operations_max, sizeof(*history->operations));
    if (error != 0) {
        return error;
    }
    history->operations = operations;
    history->operations[history->count] = (struct history_operation){
        .call = *call, .invoked_at = invoked_at, .outcome = HISTORY_PENDING};
    *number = (uint32_t)history->count++;
    return 0;
}

static struct history_operation *pending(struct history *history, uint32_t number)
{
    ASSERT(number < history->count);
    ASSERT(history->operations[number].outcome == HISTORY_PENDING);
    return &history->operations[number];
}

void history_done(struct history *history, uint32_t number, struct history_value reply,
                  uint64_t returned_at)
{
    struct history_operation *operation = pending(history, number);

    ASSERT(returned_at >= operation->invoked_at);
    ASSERT(returned_at < TIME_NEVER);
    operation->outcome = HISTORY_DONE;
    operation->returned_at = returned_at;
    operation->reply = reply;
}

void history_unknown(struct history *history, uint32_t number)
{
    pending(history, number)->outcome = HISTORY_UNKNOWN;
}

void history_refused(struct history *history, uint32_t number)
{
    pending(history, number)->outcome = HISTORY_REFUSED;
}

void history_invariants(const struct history *history)
{
    ASSERT(history->count <= history->capacity);
    ASSERT(history->count <= history->operations_max);
    for (size_t i = 0; i < history->count; i++) {
        const struct history_operation *operation = &history->operations[i];
        ASSERT((size_t)operation->call.kind < KIND_COUNT);
        ASSERT(operation->outcome <= HISTORY_REFUSED);
        ASSERT_IMPLIES(operation->outcome == HISTORY_DONE,
                       operation->returned_at >= operation->invoked_at);
    }
}

const char *history_kind_text(enum history_kind kind)
{
    ASSERT((size_t)kind < KIND_COUNT);
    return kind_texts[kind];
}
