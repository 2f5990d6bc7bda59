/* key_model.h: one key's history as rules over a register, and what of it is still to be placed.
 *
 * Owns     the rules, and counts of what remains. Whoever places an operation takes it and,
 *          going back, puts it back. All memory is the arena's.
 * Does not know in which order to try operations: that is key_search.h.
 * Threads  one.
 *
 * A known operation was answered; key_rule.h says what it needs and writes. A unit is an
 * operation of unknown outcome; one without any effect is left out, as nobody learnt anything
 * from it.
 *
 * Units of the same effect form a class, in order of invocation, and are used in that order.
 * That loses nothing: where an order of operations uses a later one before, or instead of, an
 * earlier one, swapping the two leaves every value as it was, and neither moves ahead of its
 * call.
 *
 * Values belong to clusters. If no increment is unknown, each value is its own; else those
 * join that the unknown increments could connect. A cluster is junk when no need and no
 * transition of what remains mentions it: no need can tell two junk values apart, nothing
 * but a blind write or an increment can follow, and an increment leads from junk to junk. What
 * is junk from the start is made one value, KEY_JUNK.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_LINEAR_KEY_MODEL_H
#define SIM_LINEAR_KEY_MODEL_H

#include "sim/linear/arena.h"
#include "sim/linear/history.h"
#include "sim/linear/key_rule.h"
#include "sim/linear/key_values.h"

/* How an operation is looked at; a weaker role allows all that a stronger one does. */
enum key_role {
    KEY_DROPPED,
    KEY_UNKNOWN,
    KEY_KNOWN,
};

struct key_history {
    const struct history *history; /* borrowed */
    const uint32_t *numbers;       /* borrowed; the key's operations in order of invocation */
    uint8_t *roles;                /* borrowed; enum key_role of each */
    uint32_t count;
};

struct key_known {
    uint64_t invoked_at;
    uint64_t returned_at;
    enum key_need need;
    uint32_t needed;  /* a value */
    uint32_t written; /* a value, or KEY_NONE */
    uint32_t slot;    /* no two that overlap share one */
    bool is_increment;
    /* The neighbours among what remains, in order of call and of return. */
    uint32_t next_call, previous_call;
    uint32_t next_return, previous_return;
};

struct key_change {
    enum key_effect_kind kind;
    uint32_t from; /* KEY_TRANSITION; else KEY_NONE */
    uint32_t to;   /* KEY_NONE of an increment */
};

struct key_unit {
    uint64_t invoked_at;
    struct key_change change;
    uint32_t position; /* in the key's history */
};

struct key_class {
    struct key_change change;
    uint32_t first; /* unit */
    uint32_t count;
    uint32_t used_count; /* the first of them */
    uint32_t next;       /* class that leads to the same value, or KEY_NONE */
    uint32_t next_near;  /* class that leads to the same cluster, or KEY_NONE */
};

struct key_model {
    struct arena *arena;
    struct key_known *known; /* known_count, and one more, at which both lists begin and end */
    uint32_t known_count;
    uint32_t slot_count;
    struct key_unit *units;
    uint32_t unit_count;
    struct key_class *classes;
    uint32_t class_count;
    uint32_t increment_class; /* or KEY_NONE */
    struct key_values values;
    bool is_impossible; /* some reply can never be */
    /* Of what remains: */
    uint32_t increment_count; /* unknown ones */
    uint32_t is_not_count;    /* known operations with KEY_NEED_IS_NOT */
};

/* Make the model of a key's history; the arena's memory is used until its reset.
 *
 * Returns whether there was memory for it. Cost: n log n.
 */
NODISCARD bool key_model_build(struct key_model *model, struct arena *arena,
                               const struct key_history *key);

/* Add `by` (KEY_MORE or KEY_LESS) to the counts of what remains. */
#define KEY_MORE 1U
#define KEY_LESS UINT32_MAX /* -1, modulo */
void key_model_count_known(struct key_model *model, const struct key_known *known, uint32_t by);
void key_model_count_change(struct key_model *model, const struct key_change *change, uint32_t by);

/* Place a known operation; or take that back, in the opposite order. */
void key_model_take(struct key_model *model, uint32_t known);
void key_model_put_back(struct key_model *model, uint32_t known);

/* Use the next unit of a class; or take that back. */
void key_model_use(struct key_model *model, uint32_t class);
void key_model_unuse(struct key_model *model, uint32_t class);

/* Whether the unit `nth` (from 0) behind the used ones of a class was called by `deadline`. */
static inline bool key_model_is_callable(const struct key_model *model, uint32_t class,
                                         uint32_t nth, uint64_t deadline)
{
    const struct key_class *asked = &model->classes[class];
    uint32_t at = asked->used_count + nth;

    return at < asked->count && model->units[asked->first + at].invoked_at <= deadline;
}

/* Whether a known operation can take effect while the register has `now`. */
bool key_known_fits(const struct key_known *known, uint32_t now);

/* Whether what remains may bring `value` about, now that the register has `now`. May err on
 * the side of true.
 */
bool key_model_can_return(const struct key_model *model, uint32_t value, uint32_t now);

/* By when the next operation to take effect must have been called: the first return of what
 * remains.
 */
static inline uint64_t key_model_deadline(const struct key_model *model)
{
    return model->known[model->known[model->known_count].next_return].returned_at;
}

static inline bool key_model_is_junk(const struct key_model *model, uint32_t value)
{
    const struct key_value *items = model->values.items;

    return items[items[value].cluster].mention_count == 0;
}

#endif
