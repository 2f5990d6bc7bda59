/* linearizability.c: could one store, doing one thing at a time, have given these answers? */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/linear/linearizability.h"

#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "sim/linear/key_shrink.h"
#include "sim/linear/sort.h"

#define STEPS_MAX UINT64_C(20000000)
#define MEMORY_BYTES_MAX ((size_t)256 * 1024 * 1024)

/* One check. */
struct check {
    struct linearizability_checker *checker;
    const struct history *history;
    struct linearizability_report *report;
    struct sort_item *order; /* by key and time of invocation */
    uint32_t *numbers;       /* the same, only numbers */
    uint8_t *roles;          /* of the key in question */
    bool *is_shown;          /* of the key in question */
};

void linearizability_checker_init(struct linearizability_checker *checker,
                                  const struct allocator *allocator,
                                  const struct linearizability_options *options)
{
    struct linearizability_options filled = *options;

    filled.steps_max = filled.steps_max == 0 ? STEPS_MAX : filled.steps_max;
    filled.shrink_steps_max = filled.shrink_steps_max == 0 ? STEPS_MAX : filled.shrink_steps_max;
    filled.memory_bytes_max =
        filled.memory_bytes_max == 0 ? MEMORY_BYTES_MAX : filled.memory_bytes_max;
    checker->options = filled;
    /* What a history itself needs is bounded by it already. */
    arena_init(&checker->history_arena, allocator, SIZE_MAX);
    arena_init(&checker->search_arena, allocator, filled.memory_bytes_max);
}

void linearizability_checker_deinit(struct linearizability_checker *checker)
{
    arena_deinit(&checker->search_arena);
    arena_deinit(&checker->history_arena);
}

static bool prepare(struct check *check)
{
    const struct history *history = check->history;
    size_t count = history->count;
    struct arena *arena = &check->checker->history_arena;
    struct sort_item *scratch = arena_take(arena, count, sizeof(*scratch));

    check->order = arena_take(arena, count, sizeof(*check->order));
    check->numbers = arena_take(arena, count, sizeof(*check->numbers));
    check->roles = arena_take(arena, count, sizeof(*check->roles));
    check->is_shown = arena_take(arena, count, sizeof(*check->is_shown));
    if (scratch == NULL || check->order == NULL || check->numbers == NULL || check->roles == NULL ||
        check->is_shown == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct history_operation *operation = &history->operations[i];
        check->order[i] = (struct sort_item){operation->call.key, operation->invoked_at, i};
    }
    sort_items(check->order, scratch, count);
    for (size_t i = 0; i < count; i++) {
        check->numbers[i] = check->order[i].index;
    }
    return true;
}

static uint8_t role_of(const struct history_operation *operation)
{
    switch (operation->outcome) {
    case HISTORY_DONE:
        return KEY_KNOWN;
    case HISTORY_PENDING:
    case HISTORY_UNKNOWN:
        return KEY_UNKNOWN;
    case HISTORY_REFUSED:
        break;
    }
    return KEY_DROPPED;
}

static void report_shown(struct check *check, const struct key_history *key)
{
    struct linearizability_report *report = check->report;
    size_t shown_count = 0;
    uint64_t last_at = 0;

    for (uint32_t i = 0; i < key->count; i++) {
        shown_count += check->is_shown[i];
    }
    report->left_out_count =
        shown_count > LINEARIZABILITY_SHOWN_MAX ? shown_count - LINEARIZABILITY_SHOWN_MAX : 0;
    size_t skipped = report->left_out_count;
    for (uint32_t i = 0; i < key->count; i++) {
        uint64_t returned_at = check->history->operations[key->numbers[i]].returned_at;
        if (key->roles[i] == KEY_KNOWN && returned_at >= last_at) {
            report->last = key->numbers[i];
            last_at = returned_at;
        }
        if (check->is_shown[i] && skipped > 0) {
            skipped--;
        } else if (check->is_shown[i]) {
            report->shown[report->shown_count++] = key->numbers[i];
        }
    }
}

static int report_violation(struct check *check, const struct key_history *key)
{
    struct key_budget budget = {&check->checker->search_arena,
                                check->checker->options.shrink_steps_max};

    if (!key_shrink(key, &budget, &check->checker->history_arena, check->is_shown)) {
        return QR_ERR_NO_MEMORY;
    }
    report_shown(check, key);
    return 0;
}

static int check_key(struct check *check, const struct key_history *key)
{
    struct linearizability_report *report = check->report;
    struct key_budget budget = {&check->checker->search_arena, check->checker->options.steps_max};
    uint64_t name = check->history->operations[key->numbers[0]].call.key;

    for (uint32_t i = 0; i < key->count; i++) {
        key->roles[i] = role_of(&check->history->operations[key->numbers[i]]);
    }
    enum key_verdict verdict = key_search_run(key, &budget, NULL);
    report->key_count++;
    report->operation_count += key->count;
    report->step_count += check->checker->options.steps_max - budget.steps_left;
    switch (verdict) {
    case KEY_HOLDS:
        return 0;
    case KEY_VIOLATED:
        report->verdict = LINEARIZABILITY_VIOLATED;
        report->key = name;
        return report_violation(check, key);
    case KEY_NO_MEMORY:
        if (!check->checker->search_arena.is_full) {
            return QR_ERR_NO_MEMORY;
        }
        break;
    case KEY_NO_STEPS:
        break;
    }
    if (report->undecided_key_count++ == 0) {
        report->verdict = LINEARIZABILITY_UNDECIDED;
        report->key = name;
    }
    return 0;
}

static int check_keys(struct check *check)
{
    size_t count = check->history->count;
    size_t first = 0;

    while (first < count && check->report->verdict != LINEARIZABILITY_VIOLATED) {
        size_t end = first + 1;
        while (end < count && check->order[end].major == check->order[first].major) {
            end++;
        }
        struct key_history key = {check->history, check->numbers + first, check->roles,
                                  (uint32_t)(end - first)};
        int error = check_key(check, &key);
        if (error != 0) {
            return error;
        }
        first = end;
    }
    return 0;
}

int linearizability_check(struct linearizability_checker *checker, const struct history *history,
                          struct linearizability_report *report)
{
    struct linearizability_report made = {.verdict = LINEARIZABILITY_HOLDS};
    struct check check = {.checker = checker, .history = history, .report = &made};

    arena_reset(&checker->history_arena);
    int error = prepare(&check) ? check_keys(&check) : QR_ERR_NO_MEMORY;
    if (error == 0) {
        *report = made;
    }
    return error;
}
