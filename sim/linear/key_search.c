/* key_search.c: is there an order of one key's operations that explains all replies? */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/linear/key_search.h"

#include <string.h>

#include "base/assert.h"
#include "sim/linear/key_zone.h"

#define TABLE_SIZE_FIRST ((size_t)64)
#define IS_UNIT UINT32_C(0x80000000) /* in the trail: a class, not a known operation */
#define WORD_BITS 64

/* A configuration in which the search failed, or is. */
struct visited {
    struct visited *next;
    uint64_t hash;
    uint32_t frontier; /* the known operation that returns first of those not placed */
    uint32_t value;    /* KEY_JUNK for all junk */
    uint64_t words[];  /* as struct search */
};

struct frame {
    size_t moves_begin; /* in chains.moves */
    size_t moves_next;
    size_t trail_begin;
    uint32_t value; /* before the move that led here */
};

struct search {
    struct arena *arena;
    struct key_model model;
    struct key_chains chains; /* its steps_left is all there is */
    uint32_t value;           /* of the register */
    uint32_t placed_count;    /* known operations */
    bool *was_tried;          /* or NULL */

    /* First slot_words: the parity of how many operations of each slot were placed. Those that
     * share a slot do not overlap, so that the frontier and this tell all that was placed.
     * Then unit_words: the units used.
     */
    uint64_t *words;
    size_t slot_words;
    size_t word_count;

    uint32_t *trail; /* what was placed, in order */
    size_t trail_count;
    struct frame *frames;
    size_t frame_count;
    size_t frame_capacity;

    struct visited **table;
    size_t table_size;
    size_t visited_count;
};

static void flip(uint64_t *words, uint32_t bit)
{
    words[bit / WORD_BITS] ^= UINT64_C(1) << bit % WORD_BITS;
}

/* Whether the register has just lost a value that something needs and nothing brings back. */
static bool is_lost(const struct search *search, uint32_t before)
{
    return before != search->value && search->model.values.items[before].reader_count > 0 &&
           !key_model_can_return(&search->model, before, search->value);
}

static void place_known(struct search *search, uint32_t known)
{
    const struct key_known *placed = &search->model.known[known];

    ASSERT(key_known_fits(placed, search->value));
    search->trail[search->trail_count++] = known;
    key_model_take(&search->model, known);
    flip(search->words, placed->slot);
    search->placed_count++;
    if (placed->written != KEY_NONE) {
        search->value = placed->written;
    }
}

static bool place_unit(struct search *search, uint32_t class)
{
    struct key_model *model = &search->model;
    const struct key_class *used = &model->classes[class];
    uint32_t unit = used->first + used->used_count;
    uint32_t to = used->change.to;

    ASSERT_IMPLIES(used->change.kind == KEY_TRANSITION, used->change.from == search->value);
    if (used->change.kind == KEY_INCREMENT) {
        to = key_values_successor(&model->values, search->value);
    }
    if (to == KEY_NONE) {
        return false;
    }
    search->trail[search->trail_count++] = class | IS_UNIT;
    key_model_use(model, class);
    flip(search->words + search->slot_words, unit);
    if (search->was_tried != NULL) {
        search->was_tried[model->units[unit].position] = true;
    }
    search->value = to;
    return true;
}

/* Undo all that was placed behind the first `count`. */
static void undo(struct search *search, size_t count, uint32_t value)
{
    struct key_model *model = &search->model;

    while (search->trail_count > count) {
        uint32_t last = search->trail[--search->trail_count];
        if ((last & IS_UNIT) != 0) {
            uint32_t class = last & ~IS_UNIT;
            key_model_unuse(model, class);
            const struct key_class *used = &model->classes[class];
            flip(search->words + search->slot_words, used->first + used->used_count);
        } else {
            key_model_put_back(model, last);
            flip(search->words, model->known[last].slot);
            search->placed_count--;
        }
    }
    search->value = value;
}

static bool is_placed_at_once(const struct search *search, const struct key_known *known)
{
    const struct key_model *model = &search->model;

    if (known->written == KEY_NONE) {
        return key_known_fits(known, search->value);
    }
    return known->need == KEY_NEED_ANY && model->is_not_count == 0 &&
           key_model_is_junk(model, search->value) && key_model_is_junk(model, known->written);
}

/* Place what can be placed without a choice. */
static enum key_verdict place_forced(struct search *search)
{
    struct key_model *model = &search->model;
    uint32_t next = model->known[model->known_count].next_call;

    while (model->known[next].invoked_at <= key_model_deadline(model) &&
           next != model->known_count) {
        uint32_t known = next;
        next = model->known[known].next_call;
        if (!key_chains_step(&search->chains)) {
            return KEY_NO_STEPS;
        }
        if (is_placed_at_once(search, &model->known[known])) {
            place_known(search, known);
        }
    }
    return KEY_HOLDS;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static bool is_covered(const struct search *search, const struct visited *earlier)
{
    for (size_t i = 0; i < search->slot_words; i++) {
        if (earlier->words[i] != search->words[i]) {
            return false;
        }
    }
    for (size_t i = search->slot_words; i < search->word_count; i++) {
        if ((earlier->words[i] & ~search->words[i]) != 0) {
            return false;
        }
    }
    return true;
}

static bool table_resize(struct search *search, size_t size)
{
    struct visited **table = arena_take_zeroed(search->arena, size, sizeof(struct visited *));

    if (table == NULL) {
        return false;
    }
    for (size_t i = 0; i < search->table_size; i++) {
        for (struct visited *next, *at = search->table[i]; at != NULL; at = next) {
            next = at->next;
            at->next = table[at->hash & (size - 1)];
            table[at->hash & (size - 1)] = at;
        }
    }
    search->table = table;
    search->table_size = size;
    return true;
}

/* Remember the present configuration.
 *
 * Returns KEY_VIOLATED if the search failed in one that covers it, KEY_HOLDS if it is new, or
 * why there is no answer.
 */
static enum key_verdict remember(struct search *search)
{
    uint32_t frontier = search->model.known[search->model.known_count].next_return;
    uint32_t value = key_model_is_junk(&search->model, search->value) ? KEY_JUNK : search->value;
    uint64_t hash = mix((uint64_t)frontier << 32 | value, 0);

    for (size_t i = 0; i < search->slot_words; i++) {
        hash = mix(hash, search->words[i]);
    }
    struct visited *at = search->table[hash & (search->table_size - 1)];
    for (; at != NULL; at = at->next) {
        if (!key_chains_step(&search->chains)) {
            return KEY_NO_STEPS;
        }
        if (at->hash == hash && at->frontier == frontier && at->value == value &&
            is_covered(search, at)) {
            return KEY_VIOLATED;
        }
    }
    if (search->visited_count == search->table_size &&
        !table_resize(search, 2 * search->table_size)) {
        return KEY_NO_MEMORY;
    }
    at = arena_take(search->arena, 1, sizeof(*at) + search->word_count * sizeof(uint64_t));
    if (at == NULL) {
        return KEY_NO_MEMORY;
    }
    struct visited **bucket = &search->table[hash & (search->table_size - 1)];
    *at = (struct visited){*bucket, hash, frontier, value};
    memcpy(at->words, search->words, search->word_count * sizeof(uint64_t));
    *bucket = at;
    search->visited_count++;
    return KEY_HOLDS;
}

/* Place one of a move. KEY_VIOLATED: nothing can come of it. */
static enum key_verdict place(struct search *search, uint32_t which, bool is_unit)
{
    uint32_t before = search->value;

    if (!key_chains_step(&search->chains)) {
        return KEY_NO_STEPS;
    }
    if (!is_unit) {
        place_known(search, which);
    } else if (!place_unit(search, which)) {
        return KEY_NO_MEMORY;
    }
    return is_lost(search, before) ? KEY_VIOLATED : KEY_HOLDS;
}

/* Make a move. KEY_VIOLATED: nothing can come of it, and what was placed is to be undone. */
static enum key_verdict make_move(struct search *search, size_t move)
{
    const uint32_t *items = search->chains.moves.items + move;
    uint32_t run_count = items[1];
    enum key_verdict verdict = KEY_HOLDS;

    for (uint32_t run = 0; run < run_count; run++) {
        uint32_t class = items[2 + 2 * run];
        uint32_t unit_count = items[3 + 2 * run];
        for (uint32_t i = 0; i < unit_count && verdict == KEY_HOLDS; i++) {
            verdict = place(search, class, true);
        }
    }
    if (verdict == KEY_HOLDS) {
        verdict = place(search, items[0], false);
    }
    return verdict == KEY_HOLDS ? place_forced(search) : verdict;
}

static enum key_verdict push_frame(struct search *search, size_t trail_begin, uint32_t value)
{
    void *frames = search->frames;

    if (!arena_grow(search->arena, &frames, search->frame_count, &search->frame_capacity,
                    sizeof(*search->frames))) {
        return KEY_NO_MEMORY;
    }
    search->frames = frames;
    size_t moves_begin = search->chains.moves.count;
    search->frames[search->frame_count++] =
        (struct frame){moves_begin, moves_begin, trail_begin, value};
    return key_chains_find(&search->chains, &search->model, search->value);
}

static void pop_frame(struct search *search)
{
    const struct frame *frame = &search->frames[--search->frame_count];

    undo(search, frame->trail_begin, frame->value);
    search->chains.moves.count = frame->moves_begin;
}

static bool is_explained(const struct search *search)
{
    return search->placed_count == search->model.known_count;
}

/* Try the moves, the latest frame's first, until all is placed or none is left. */
static enum key_verdict explore(struct search *search)
{
    while (search->frame_count > 0) {
        struct frame *frame = &search->frames[search->frame_count - 1];
        if (frame->moves_next == search->chains.moves.count) {
            pop_frame(search);
            continue;
        }
        size_t move = frame->moves_next;
        size_t trail_begin = search->trail_count;
        uint32_t value = search->value;
        frame->moves_next += 2 + 2 * (size_t)search->chains.moves.items[move + 1];

        enum key_verdict verdict = make_move(search, move);
        if (verdict == KEY_HOLDS && is_explained(search)) {
            return KEY_HOLDS;
        }
        if (verdict == KEY_HOLDS) {
            verdict = remember(search);
        }
        if (verdict == KEY_VIOLATED) {
            undo(search, trail_begin, value);
            continue;
        }
        if (verdict == KEY_HOLDS) {
            verdict = push_frame(search, trail_begin, value);
        }
        if (verdict != KEY_HOLDS) {
            return verdict;
        }
    }
    return KEY_VIOLATED;
}

/* Whether some reply is of a value that nothing can have brought about. */
static bool has_stranger(const struct key_model *model)
{
    for (uint32_t i = KEY_ABSENT + 1; i < model->values.count; i++) {
        if (model->values.items[i].reader_count > 0 &&
            !key_model_can_return(model, i, KEY_ABSENT)) {
            return true;
        }
    }
    return model->is_impossible;
}

static bool prepare(struct search *search)
{
    const struct key_model *model = &search->model;
    size_t trail_max = (size_t)model->known_count + model->unit_count;

    search->slot_words = (model->slot_count + WORD_BITS - 1) / WORD_BITS;
    search->word_count = search->slot_words + (model->unit_count + WORD_BITS - 1) / WORD_BITS;
    search->words = arena_take_zeroed(search->arena, search->word_count, sizeof(uint64_t));
    search->trail = arena_take(search->arena, trail_max, sizeof(*search->trail));
    search->value = KEY_ABSENT;
    return search->words != NULL && search->trail != NULL && table_resize(search, TABLE_SIZE_FIRST);
}

/* Search with chains of at most so many runs.
 *
 * was_cut   set to whether there were longer ones: then KEY_VIOLATED proves nothing.
 */
static enum key_verdict search_within(const struct key_history *key, struct key_budget *budget,
                                      size_t runs_max, bool *was_tried, bool *was_cut)
{
    struct search search = {.arena = budget->arena, .was_tried = was_tried};
    bool is_violated;

    *was_cut = false;
    arena_reset(budget->arena);
    if (budget->steps_left < key->count) {
        return KEY_NO_STEPS;
    }
    budget->steps_left -= key->count; /* for the model */
    search.chains = (struct key_chains){
        .arena = budget->arena, .steps_left = budget->steps_left, .runs_max = runs_max};
    if (!key_model_build(&search.model, search.arena, key) || !prepare(&search) ||
        !key_zones_check(&search.model, &is_violated)) {
        return KEY_NO_MEMORY;
    }
    if (is_violated || has_stranger(&search.model)) {
        return KEY_VIOLATED;
    }
    enum key_verdict verdict = place_forced(&search);
    if (verdict == KEY_HOLDS && !is_explained(&search)) {
        verdict = push_frame(&search, 0, KEY_ABSENT);
    }
    if (verdict == KEY_HOLDS && !is_explained(&search)) {
        verdict = explore(&search);
    }
    budget->steps_left = search.chains.steps_left;
    *was_cut = search.chains.was_cut;
    return verdict;
}

enum key_verdict key_search_run(const struct key_history *key, struct key_budget *budget,
                                bool *was_tried)
{
    static const struct {
        size_t runs_max;
        uint64_t share; /* of the steps that are left: one in so many */
    } rounds[] = {{1, 8}, {2, 4}, {SIZE_MAX, 1}};
    static const size_t last = sizeof(rounds) / sizeof(rounds[0]) - 1;

    /* One run is the usual, two are a write and increments. The last round has over half. */
    for (size_t i = 0;; i++) {
        uint64_t given = budget->steps_left / rounds[i].share;
        struct key_budget part = {budget->arena, given};
        bool was_cut;
        enum key_verdict verdict =
            search_within(key, &part, rounds[i].runs_max, was_tried, &was_cut);
        budget->steps_left -= given - part.steps_left;
        bool has_failed = verdict == KEY_NO_MEMORY && !budget->arena->is_full;
        bool is_final = verdict == KEY_HOLDS || (verdict == KEY_VIOLATED && !was_cut);
        if (is_final || has_failed || i == last) {
            return verdict;
        }
    }
}
