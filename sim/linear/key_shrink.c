/* key_shrink.c: from a key's history that no order explains, the few operations that show it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/linear/key_shrink.h"

#include <string.h>

#include "base/assert.h"
#include "sim/linear/sort.h"

/* Passes that try one operation at a time: what fell in one may let more fall in the next. */
#define PASSES_MAX 4

/* A search that takes more than this part of the steps is given up: others tell more for them. */
#define SEARCH_SHARE 128

/* More unknown operations would hide what they are shown with. */
#define TRIED_SHOWN_MAX 8

struct shrinker {
    const struct key_history *key;
    struct key_budget *budget;
    uint64_t search_steps_max;
    uint8_t *saved;             /* roles to go back to */
    struct sort_item *returned; /* known operations, in order of return or of call */
    struct sort_item *scratch;
    uint32_t returned_count;
};

static const struct history_operation *operation_at(const struct key_history *key, uint32_t at)
{
    return &key->history->operations[key->numbers[at]];
}

static bool prepare(struct shrinker *shrinker, struct arena *scratch)
{
    size_t count = shrinker->key->count;

    shrinker->saved = arena_take(scratch, count, 1);
    shrinker->returned = arena_take(scratch, count, sizeof(*shrinker->returned));
    shrinker->scratch = arena_take(scratch, count, sizeof(*shrinker->scratch));
    return shrinker->saved != NULL && shrinker->returned != NULL && shrinker->scratch != NULL;
}

static bool is_violated(struct shrinker *shrinker)
{
    uint64_t given = min_u64(shrinker->budget->steps_left, shrinker->search_steps_max);
    struct key_budget part = {shrinker->budget->arena, given};
    enum key_verdict verdict = key_search_run(shrinker->key, &part, NULL);

    shrinker->budget->steps_left -= given - part.steps_left;
    return verdict == KEY_VIOLATED;
}

static void save(struct shrinker *shrinker)
{
    memcpy(shrinker->saved, shrinker->key->roles, shrinker->key->count);
}

static void restore(struct shrinker *shrinker)
{
    memcpy(shrinker->key->roles, shrinker->saved, shrinker->key->count);
}

static uint8_t weakened(const struct history_operation *operation)
{
    return key_operation_is_effective(operation) ? KEY_UNKNOWN : KEY_DROPPED;
}

/* The history as far as it was known at `end`. */
static void cut_at(const struct key_history *key, uint64_t end)
{
    for (uint32_t i = 0; i < key->count; i++) {
        const struct history_operation *operation = operation_at(key, i);
        if (operation->invoked_at > end) {
            key->roles[i] = KEY_DROPPED;
        } else if (key->roles[i] == KEY_KNOWN && operation->returned_at > end) {
            key->roles[i] = weakened(operation);
        }
    }
}

/* Cut at the first return behind which there is no order. */
static void cut(struct shrinker *shrinker)
{
    uint32_t low = 0;  /* the first return in question */
    uint32_t high = 0; /* the last return: violated */

    for (uint32_t i = 0; i < shrinker->key->count; i++) {
        if (shrinker->key->roles[i] == KEY_KNOWN) {
            shrinker->returned[high++] =
                (struct sort_item){operation_at(shrinker->key, i)->returned_at, 0, i};
        }
    }
    ASSERT(high > 0);
    sort_items(shrinker->returned, shrinker->scratch, high);
    high--;
    save(shrinker);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        cut_at(shrinker->key, shrinker->returned[middle].major);
        if (is_violated(shrinker)) {
            high = middle;
        } else {
            low = middle + 1;
        }
        restore(shrinker);
    }
    cut_at(shrinker->key, shrinker->returned[high].major);
}

/* Weaken the known operations that become `role` in runs of `size`; returns whether any run
 * could be.
 */
static bool weaken_runs(struct shrinker *shrinker, uint8_t role, uint32_t size)
{
    const struct key_history *key = shrinker->key;
    bool has_changed = false;
    uint32_t at = 0;

    while (at < key->count) {
        uint32_t weakened_count = 0;
        save(shrinker);
        for (; at < key->count && weakened_count < size; at++) {
            if (key->roles[at] == KEY_KNOWN && weakened(operation_at(key, at)) == role) {
                key->roles[at] = role;
                weakened_count++;
            }
        }
        if (weakened_count > 0 && is_violated(shrinker)) {
            has_changed = true;
        } else {
            restore(shrinker);
        }
    }
    return has_changed;
}

/* First forget what can be forgotten: where a write became unknown, more reads are needed. */
static void weaken(struct shrinker *shrinker)
{
    static const uint8_t roles[] = {KEY_DROPPED, KEY_UNKNOWN};
    bool has_changed = true;

    for (size_t i = 0; i < sizeof(roles); i++) {
        for (uint32_t size = shrinker->key->count / 2; size >= 1; size /= 2) {
            (void)weaken_runs(shrinker, roles[i], size);
        }
    }
    for (int pass = 0; pass < PASSES_MAX && has_changed; pass++) {
        has_changed = weaken_runs(shrinker, KEY_DROPPED, 1);
        has_changed = weaken_runs(shrinker, KEY_UNKNOWN, 1) || has_changed;
    }
}

static bool is_written(const struct history_operation *operation, int64_t number)
{
    struct key_effect effect;

    if (operation->outcome == HISTORY_DONE) {
        struct key_rule rule = key_rule_of(operation);
        return rule.is_effective && rule.written.is_present && rule.written.number == number;
    }
    return key_effect_of(&operation->call, &effect) && effect.kind != KEY_INCREMENT &&
           effect.to.is_present && effect.to.number == number;
}

/* Where a number was found that nothing shown writes, show who did, or would have: it was
 * refused, or called too late.
 */
static void show_writer(const struct key_history *key, int64_t number, bool *is_shown)
{
    uint32_t first = key->count;

    for (uint32_t i = 0; i < key->count; i++) {
        if (is_written(operation_at(key, i), number)) {
            if (is_shown[i]) {
                return;
            }
            first = first == key->count ? i : first;
        }
    }
    if (first < key->count) {
        is_shown[first] = true;
    }
}

/* Show of the unknown operations those that were tried, if they are few. */
static void show_tried(const struct key_history *key, struct key_budget *budget, bool *is_shown)
{
    uint32_t tried_count = 0;

    memset(is_shown, 0, key->count * sizeof(*is_shown));
    bool is_told = key_search_run(key, budget, is_shown) == KEY_VIOLATED;
    for (uint32_t i = 0; i < key->count; i++) {
        tried_count += is_shown[i];
    }
    if (!is_told || tried_count > TRIED_SHOWN_MAX) {
        memset(is_shown, 0, key->count * sizeof(*is_shown));
    }
}

static void show(const struct key_history *key, struct key_budget *budget, bool *is_shown)
{
    show_tried(key, budget, is_shown);
    for (uint32_t i = 0; i < key->count; i++) {
        is_shown[i] = is_shown[i] || key->roles[i] == KEY_KNOWN;
    }
    for (uint32_t i = 0; i < key->count; i++) {
        if (key->roles[i] != KEY_KNOWN) {
            continue;
        }
        struct key_rule rule = key_rule_of(operation_at(key, i));
        if (rule.need == KEY_NEED_IS && rule.needed.is_present) {
            show_writer(key, rule.needed.number, is_shown);
        }
    }
}

bool key_shrink(const struct key_history *key, struct key_budget *budget, struct arena *scratch,
                bool *is_shown)
{
    uint64_t steps_max = budget->steps_left;
    struct shrinker shrinker = {
        .key = key, .budget = budget, .search_steps_max = steps_max / SEARCH_SHARE};

    if (!prepare(&shrinker, scratch)) {
        return false;
    }
    cut(&shrinker);
    weaken(&shrinker);
    budget->steps_left = steps_max; /* for the one search that must not fail for lack of them */
    show(key, budget, is_shown);
    return true;
}
