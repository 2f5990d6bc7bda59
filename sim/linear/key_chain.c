/* key_chain.c: the moves from one configuration: chains of unknown operations, then a known one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/linear/key_chain.h"

#include "base/assert.h"

/* What one search for moves looks at. */
struct quest {
    struct key_chains *chains;
    const struct key_model *model;
    uint64_t deadline;
    uint32_t now;
    uint32_t known; /* the operation to be made fit */
};

bool key_list_add(struct key_list *list, struct arena *arena, uint32_t item)
{
    void *items = list->items;

    if (!arena_grow(arena, &items, list->count, &list->capacity, sizeof(item))) {
        return false;
    }
    list->items = items;
    list->items[list->count++] = item;
    return true;
}

/* Append the move that begins with `count` units of `class` and goes on along the path. */
static bool add_move(const struct quest *quest, uint32_t class, uint32_t count)
{
    struct key_chains *chains = quest->chains;
    struct key_list *moves = &chains->moves;
    /* The first link leads nowhere. */
    size_t link_count = chains->path_count == 0 ? 0 : chains->path_count - 1;
    uint32_t run_count = (uint32_t)link_count + (count > 0 ? 1 : 0);

    bool has_room = key_list_add(moves, chains->arena, quest->known) &&
                    key_list_add(moves, chains->arena, run_count);
    if (count > 0 && has_room) {
        has_room =
            key_list_add(moves, chains->arena, class) && key_list_add(moves, chains->arena, count);
    }
    for (size_t i = link_count; i > 0 && has_room; i--) {
        has_room = key_list_add(moves, chains->arena, chains->path[i].class) &&
                   key_list_add(moves, chains->arena, chains->path[i].class_count);
    }
    return has_room;
}

static bool push(const struct quest *quest, uint32_t value, uint32_t class, uint32_t class_count)
{
    struct key_chains *chains = quest->chains;
    const struct key_model *model = quest->model;
    const struct key_value *item = &model->values.items[value];
    void *path = chains->path;

    if (!arena_grow(chains->arena, &path, chains->path_count, &chains->path_capacity,
                    sizeof(*chains->path))) {
        return false;
    }
    bool is_by_increments = class_count > 0 && class == model->increment_class;
    /* What increments lead away from has been reached by all those that could lead to it. */
    bool can_be_incremented =
        model->increment_class != KEY_NONE && value != KEY_ABSENT && !is_by_increments;
    chains->path = path;
    chains->path[chains->path_count++] = (struct key_link){
        .value = value,
        .class = class,
        .class_count = class_count,
        .next_class = item->first_class,
        .next_near = can_be_incremented ? model->values.items[item->cluster].first_near : KEY_NONE,
        .is_now_tried = !can_be_incremented,
    };
    chains->increments_on_path += is_by_increments ? class_count : 0;
    return true;
}

static void pop(const struct quest *quest)
{
    const struct key_link *link = &quest->chains->path[--quest->chains->path_count];

    if (link->class_count > 0 && link->class == quest->model->increment_class) {
        quest->chains->increments_on_path -= link->class_count;
    }
}

/* The same, if that does not make the chain too long: one link more leads to the last. */
static bool push_within(const struct quest *quest, uint32_t value, uint32_t class,
                        uint32_t class_count)
{
    if (quest->chains->path_count >= quest->chains->runs_max) {
        quest->chains->was_cut = true;
        return true;
    }
    return push(quest, value, class, class_count);
}

static bool is_on_path(const struct key_chains *chains, uint32_t value)
{
    for (size_t i = 0; i < chains->path_count; i++) {
        if (chains->path[i].value == value) {
            return true;
        }
    }
    return false;
}

/* Go back from the last link's value by one class that leads to it. */
static bool go_back_by_class(const struct quest *quest, struct key_link *link)
{
    uint32_t class = link->next_class;
    const struct key_class *tried = &quest->model->classes[class];

    link->next_class = tried->next;
    if (!key_model_is_callable(quest->model, class, 0, quest->deadline)) {
        return true;
    }
    if (tried->change.kind == KEY_WRITE || tried->change.from == quest->now) {
        return add_move(quest, class, 1);
    }
    return is_on_path(quest->chains, tried->change.from) ||
           push_within(quest, tried->change.from, class, 1);
}

/* How many increments lead from one value to another; 0 if none do. */
static uint64_t distance(const struct key_model *model, uint32_t from, uint32_t to)
{
    const struct key_value *low = &model->values.items[from];
    const struct key_value *high = &model->values.items[to];

    if (low->cluster != high->cluster || low->number >= high->number) {
        return 0;
    }
    return (uint64_t)high->number - (uint64_t)low->number;
}

/* Whether the present moment allows that many more increments. */
static bool are_callable(const struct quest *quest, uint64_t count)
{
    uint64_t nth = quest->chains->increments_on_path + count - 1;

    return nth < UINT32_MAX && key_model_is_callable(quest->model, quest->model->increment_class,
                                                     (uint32_t)nth, quest->deadline);
}

/* Go back from the last link's value by increments, to the present value. */
static bool go_back_to_now(const struct quest *quest, struct key_link *link)
{
    uint64_t count = distance(quest->model, quest->now, link->value);

    link->is_now_tried = true;
    if (count == 0 || !are_callable(quest, count)) {
        return true;
    }
    return add_move(quest, quest->model->increment_class, (uint32_t)count);
}

/* Go back from the last link's value by increments, to a value that a class leads to. */
static bool go_back_to_near(const struct quest *quest, struct key_link *link)
{
    const struct key_model *model = quest->model;
    uint32_t class = link->next_near;
    uint32_t value = model->classes[class].change.to;
    uint64_t count = distance(model, value, link->value);
    uint64_t now_count = distance(model, quest->now, link->value);

    link->next_near = model->classes[class].next_near;
    bool is_first_of_value = model->values.items[value].first_class == class;
    bool passes_now = now_count > 0 && count >= now_count;
    if (!is_first_of_value || count == 0 || passes_now || !are_callable(quest, count) ||
        is_on_path(quest->chains, value)) {
        return true;
    }
    return push_within(quest, value, model->increment_class, (uint32_t)count);
}

/* All chains from `now` to `wanted`, found backwards: few operations lead to a value. */
static enum key_verdict find_chains_to(const struct quest *quest, uint32_t wanted)
{
    struct key_chains *chains = quest->chains;

    ASSERT(wanted != quest->now);
    ASSERT(chains->path_count == 0);
    bool has_room = push(quest, wanted, KEY_NONE, 0);
    while (chains->path_count > 0 && has_room) {
        struct key_link *link = &chains->path[chains->path_count - 1];
        if (!key_chains_step(chains)) {
            return KEY_NO_STEPS;
        }
        if (!link->is_now_tried) {
            has_room = go_back_to_now(quest, link);
        } else if (link->next_class != KEY_NONE) {
            has_room = go_back_by_class(quest, link);
        } else if (link->next_near != KEY_NONE) {
            has_room = go_back_to_near(quest, link);
        } else {
            pop(quest);
        }
    }
    return has_room ? KEY_HOLDS : KEY_NO_MEMORY;
}

/* All chains that take the register from `now` to anything else. Of blind writes of junk one
 * is as good as another.
 */
static enum key_verdict find_chains_away(const struct quest *quest)
{
    const struct key_model *model = quest->model;
    bool has_junk = false;

    for (uint32_t i = 0; i < model->class_count; i++) {
        const struct key_change *change = &model->classes[i].change;
        if (!key_chains_step(quest->chains)) {
            return KEY_NO_STEPS;
        }
        bool is_junk = change->kind == KEY_WRITE && key_model_is_junk(model, change->to);
        bool leads_away = change->kind == KEY_INCREMENT || change->to != quest->now;
        bool is_possible = change->kind != KEY_TRANSITION || change->from == quest->now;
        if (!leads_away || !is_possible || (is_junk && has_junk) ||
            !key_model_is_callable(model, i, 0, quest->deadline)) {
            continue;
        }
        has_junk = has_junk || is_junk;
        if (!add_move(quest, i, 1)) {
            return KEY_NO_MEMORY;
        }
    }
    return KEY_HOLDS;
}

static enum key_verdict find_chains(const struct quest *quest)
{
    const struct key_known *known = &quest->model->known[quest->known];

    if (known->need == KEY_NEED_IS_NOT) {
        return find_chains_away(quest);
    }
    if (known->need == KEY_NEED_ZERO) {
        enum key_verdict verdict = find_chains_to(quest, KEY_ABSENT);
        if (verdict != KEY_HOLDS) {
            return verdict;
        }
    }
    return find_chains_to(quest, known->needed);
}

enum key_verdict key_chains_find(struct key_chains *chains, const struct key_model *model,
                                 uint32_t now)
{
    const struct key_known *all = model->known;
    struct quest quest = {chains, model, key_model_deadline(model), now, 0};
    uint32_t first = all[model->known_count].next_call;

    ASSERT(quest.deadline < TIME_NEVER); /* something remains */
    chains->path_count = 0;
    chains->increments_on_path = 0;
    for (uint32_t i = first; all[i].invoked_at <= quest.deadline; i = all[i].next_call) {
        quest.known = i;
        if (!key_chains_step(chains)) {
            return KEY_NO_STEPS;
        }
        if (key_known_fits(&all[i], now) && !add_move(&quest, KEY_NONE, 0)) {
            return KEY_NO_MEMORY;
        }
    }
    if (model->class_count == 0) {
        return KEY_HOLDS;
    }
    for (uint32_t i = first; all[i].invoked_at <= quest.deadline; i = all[i].next_call) {
        quest.known = i;
        enum key_verdict verdict = key_known_fits(&all[i], now) ? KEY_HOLDS : find_chains(&quest);
        if (verdict != KEY_HOLDS) {
            return verdict;
        }
    }
    return KEY_HOLDS;
}
