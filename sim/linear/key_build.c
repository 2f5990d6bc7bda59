/* key_build.c: a key's history made into a model. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "sim/linear/key_model.h"
#include "sim/linear/sort.h"

/* Passes over the unknown operations; more would drop a few more that are of no use. */
#define PASSES_MAX 8

static bool reserve(struct key_model *model, const struct key_history *key)
{
    uint32_t known_count = 0;
    uint32_t unit_count = 0;

    for (uint32_t i = 0; i < key->count; i++) {
        known_count += key->roles[i] == KEY_KNOWN;
        unit_count += key->roles[i] == KEY_UNKNOWN;
    }
    model->known = arena_take(model->arena, (size_t)known_count + 1, sizeof(*model->known));
    model->units = arena_take(model->arena, (size_t)unit_count + 1, sizeof(*model->units));
    model->classes = arena_take(model->arena, (size_t)unit_count + 1, sizeof(*model->classes));
    return model->known != NULL && model->units != NULL && model->classes != NULL;
}

static bool add_known(struct key_model *model, const struct history_operation *operation)
{
    struct key_rule rule = key_rule_of(operation);
    struct key_known *known = &model->known[model->known_count++];

    if (rule.need == KEY_NEED_NEVER) {
        model->is_impossible = true;
    }
    *known = (struct key_known){
        .invoked_at = operation->invoked_at,
        .returned_at = operation->returned_at,
        .need = rule.need,
        .needed = key_values_add(&model->values, rule.needed),
        .written = KEY_NONE,
        .is_increment = operation->call.kind == HISTORY_INCR,
    };
    if (rule.is_effective) {
        known->written = key_values_add(&model->values, rule.written);
        return known->written != KEY_NONE && known->needed != KEY_NONE;
    }
    return known->needed != KEY_NONE;
}

static bool add_unit(struct key_model *model, const struct history_operation *operation,
                     uint32_t position)
{
    struct key_effect effect;

    if (!key_effect_of(&operation->call, &effect)) {
        return true;
    }
    struct key_unit *unit = &model->units[model->unit_count++];
    *unit = (struct key_unit){
        .invoked_at = operation->invoked_at,
        .change = {effect.kind, KEY_NONE, KEY_NONE},
        .position = position,
    };
    if (effect.kind == KEY_INCREMENT) {
        return true;
    }
    unit->change.to = key_values_add(&model->values, effect.to);
    if (effect.kind == KEY_TRANSITION) {
        unit->change.from = key_values_add(&model->values, effect.from);
        return unit->change.to != KEY_NONE && unit->change.from != KEY_NONE;
    }
    return unit->change.to != KEY_NONE;
}

static bool add_operations(struct key_model *model, const struct key_history *key)
{
    bool has_room = true;

    for (uint32_t i = 0; i < key->count && has_room; i++) {
        const struct history_operation *operation = &key->history->operations[key->numbers[i]];
        if (key->roles[i] == KEY_KNOWN) {
            has_room = add_known(model, operation);
        } else if (key->roles[i] == KEY_UNKNOWN) {
            has_room = add_unit(model, operation, i);
        }
    }
    return has_room;
}

static bool join_clusters(struct key_model *model)
{
    uint32_t increment_count = 0;

    for (uint32_t i = 0; i < model->unit_count; i++) {
        increment_count += model->units[i].change.kind == KEY_INCREMENT;
    }
    if (increment_count == 0) {
        return true;
    }
    return key_values_add(&model->values, history_number(0)) != KEY_NONE &&
           key_values_join(&model->values, increment_count);
}

static void count_all(struct key_model *model)
{
    for (uint32_t i = 0; i < model->known_count; i++) {
        key_model_count_known(model, &model->known[i], KEY_MORE);
    }
    for (uint32_t i = 0; i < model->unit_count; i++) {
        key_model_count_change(model, &model->units[i].change, KEY_MORE);
    }
}

static bool leads_to_junk(const struct key_model *model, const struct key_change *change)
{
    return change->kind != KEY_INCREMENT && key_model_is_junk(model, change->to);
}

/* Leave out unknown operations that make junk, if no known one needs the register not to be
 * something.
 *
 * Then what takes effect next on junk, but for more junk, is a blind write, known or not: it
 * does as well on what was there before. So an order that explains the replies explains them
 * without such operations too. A transition left out may make junk of what it led from.
 */
static void drop_useless_units(struct key_model *model)
{
    uint32_t before = model->unit_count + 1;

    for (int pass = 0; pass < PASSES_MAX && model->unit_count < before; pass++) {
        uint32_t kept = 0;
        before = model->unit_count;
        for (uint32_t i = 0; i < before && model->is_not_count == 0; i++) {
            if (leads_to_junk(model, &model->units[i].change)) {
                key_model_count_change(model, &model->units[i].change, KEY_LESS);
            } else {
                model->units[kept++] = model->units[i];
            }
        }
        model->unit_count = model->is_not_count == 0 ? kept : before;
    }
}

/* Make one value of all junk. */
static void merge_junk(struct key_model *model)
{
    for (uint32_t i = 0; i < model->known_count; i++) {
        struct key_known *known = &model->known[i];
        if (known->written != KEY_NONE && key_model_is_junk(model, known->written)) {
            key_model_count_known(model, known, KEY_LESS);
            known->written = KEY_JUNK;
            key_model_count_known(model, known, KEY_MORE);
        }
    }
    for (uint32_t i = 0; i < model->unit_count; i++) {
        struct key_change *change = &model->units[i].change;
        if (leads_to_junk(model, change)) {
            key_model_count_change(model, change, KEY_LESS);
            change->to = KEY_JUNK;
            key_model_count_change(model, change, KEY_MORE);
        }
    }
}

static bool is_same_change(const struct key_change *a, const struct key_change *b)
{
    return a->kind == b->kind && a->from == b->from && a->to == b->to;
}

/* Put units of the same change side by side, in order of invocation. */
static bool sort_units(struct key_model *model)
{
    size_t count = model->unit_count;
    struct sort_item *items = arena_take(model->arena, count + 1, sizeof(*items));
    struct sort_item *scratch = arena_take(model->arena, count + 1, sizeof(*scratch));
    struct key_unit *sorted = arena_take(model->arena, count + 1, sizeof(*sorted));

    if (items == NULL || scratch == NULL || sorted == NULL) {
        return false;
    }
    /* No need to look at the kind: only a transition comes from a value, and only an increment
     * leads to none. By index is by invocation.
     */
    for (uint32_t i = 0; i < count; i++) {
        const struct key_change *change = &model->units[i].change;
        items[i] = (struct sort_item){(uint64_t)change->to << 32 | change->from, 0, i};
    }
    sort_items(items, scratch, count);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = model->units[items[i].index];
    }
    model->units = sorted;
    return true;
}

static void make_classes(struct key_model *model)
{
    model->increment_class = KEY_NONE;
    for (uint32_t i = 0; i < model->unit_count; i++) {
        const struct key_change *change = &model->units[i].change;
        if (i > 0 && is_same_change(change, &model->units[i - 1].change)) {
            model->classes[model->class_count - 1].count++;
            continue;
        }
        uint32_t class = model->class_count++;
        model->classes[class] =
            (struct key_class){.change = *change, .first = i, .count = 1, .next = KEY_NONE};
        if (change->kind == KEY_INCREMENT) {
            model->increment_class = class;
        } else {
            struct key_value *to = &model->values.items[change->to];
            struct key_value *cluster = &model->values.items[to->cluster];
            model->classes[class].next = to->first_class;
            model->classes[class].next_near = cluster->first_near;
            to->first_class = class;
            cluster->first_near = class;
        }
    }
}

/* Link the known operations, in order of call as they are and in order of return, and give
 * them slots.
 */
static bool link_known(struct key_model *model)
{
    uint32_t count = model->known_count;
    struct key_known *known = model->known;
    struct sort_item *items = arena_take(model->arena, (size_t)count + 1, sizeof(*items));
    struct sort_item *scratch = arena_take(model->arena, (size_t)count + 1, sizeof(*scratch));
    uint32_t *free_slots = arena_take(model->arena, (size_t)count + 1, sizeof(*free_slots));
    uint32_t free_count = 0;
    uint32_t returned = 0;

    if (items == NULL || scratch == NULL || free_slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        items[i] = (struct sort_item){known[i].returned_at, 0, i};
    }
    sort_items(items, scratch, count);
    known[count] = (struct key_known){.invoked_at = TIME_NEVER, .returned_at = TIME_NEVER};
    for (uint32_t i = 0; i <= count; i++) {
        uint32_t next = i == count ? 0 : i + 1;
        uint32_t by_return = i == count ? count : items[i].index;
        uint32_t next_by_return = next == count ? count : items[next].index;
        known[i].next_call = next;
        known[next].previous_call = i;
        known[by_return].next_return = next_by_return;
        known[next_by_return].previous_return = by_return;
    }
    for (uint32_t i = 0; i < count; i++) {
        while (known[items[returned].index].returned_at < known[i].invoked_at) {
            free_slots[free_count++] = known[items[returned++].index].slot;
        }
        known[i].slot = free_count > 0 ? free_slots[--free_count] : model->slot_count++;
    }
    return true;
}

bool key_model_build(struct key_model *model, struct arena *arena, const struct key_history *key)
{
    *model = (struct key_model){.arena = arena};
    if (!key_values_init(&model->values, arena) || !reserve(model, key) ||
        !add_operations(model, key) || !join_clusters(model)) {
        return false;
    }
    count_all(model);
    drop_useless_units(model);
    merge_junk(model);
    if (!sort_units(model) || !link_known(model)) {
        return false;
    }
    make_classes(model);
    return true;
}
