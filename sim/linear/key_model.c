/* key_model.c: one key's history as rules over a register, and what of it is still to be placed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/linear/key_model.h"

#include "base/assert.h"

static struct key_value *cluster_of(struct key_model *model, uint32_t value)
{
    struct key_value *items = model->values.items;

    ASSERT(value < model->values.count);
    return &items[items[value].cluster];
}

void key_model_count_known(struct key_model *model, const struct key_known *known, uint32_t by)
{
    switch (known->need) {
    case KEY_NEED_IS:
        model->values.items[known->needed].reader_count += by;
        cluster_of(model, known->needed)->mention_count += by;
        break;
    case KEY_NEED_IS_NOT:
        model->is_not_count += by;
        cluster_of(model, known->needed)->mention_count += by;
        break;
    case KEY_NEED_ZERO:
        cluster_of(model, known->needed)->mention_count += by;
        cluster_of(model, KEY_ABSENT)->mention_count += by;
        break;
    case KEY_NEED_ANY:
    case KEY_NEED_NEVER:
        break;
    }
    if (known->written != KEY_NONE) {
        model->values.items[known->written].writer_count += by;
        cluster_of(model, known->written)->base_count += known->is_increment ? 0 : by;
    }
}

void key_model_count_change(struct key_model *model, const struct key_change *change, uint32_t by)
{
    if (change->kind == KEY_INCREMENT) {
        model->increment_count += by;
        return;
    }
    model->values.items[change->to].writer_count += by;
    cluster_of(model, change->to)->base_count += by;
    if (change->kind == KEY_TRANSITION) {
        cluster_of(model, change->from)->mention_count += by;
    }
}

void key_model_take(struct key_model *model, uint32_t known)
{
    struct key_known *all = model->known;
    const struct key_known *taken = &all[known];

    ASSERT(known < model->known_count);
    all[taken->previous_call].next_call = taken->next_call;
    all[taken->next_call].previous_call = taken->previous_call;
    all[taken->previous_return].next_return = taken->next_return;
    all[taken->next_return].previous_return = taken->previous_return;
    key_model_count_known(model, taken, KEY_LESS);
}

void key_model_put_back(struct key_model *model, uint32_t known)
{
    struct key_known *all = model->known;
    const struct key_known *taken = &all[known];

    ASSERT(known < model->known_count);
    key_model_count_known(model, taken, KEY_MORE);
    all[taken->next_return].previous_return = known;
    all[taken->previous_return].next_return = known;
    all[taken->next_call].previous_call = known;
    all[taken->previous_call].next_call = known;
}

void key_model_use(struct key_model *model, uint32_t class)
{
    struct key_class *used = &model->classes[class];

    ASSERT(class < model->class_count);
    ASSERT(used->used_count < used->count);
    used->used_count++;
    key_model_count_change(model, &used->change, KEY_LESS);
}

void key_model_unuse(struct key_model *model, uint32_t class)
{
    struct key_class *used = &model->classes[class];

    ASSERT(class < model->class_count);
    ASSERT(used->used_count > 0);
    used->used_count--;
    key_model_count_change(model, &used->change, KEY_MORE);
}

bool key_known_fits(const struct key_known *known, uint32_t now)
{
    switch (known->need) {
    case KEY_NEED_ANY:
        return true;
    case KEY_NEED_IS:
        return now == known->needed;
    case KEY_NEED_IS_NOT:
        return now != known->needed;
    case KEY_NEED_ZERO:
        return now == known->needed || now == KEY_ABSENT;
    case KEY_NEED_NEVER:
        break;
    }
    return false;
}

bool key_model_can_return(const struct key_model *model, uint32_t value, uint32_t now)
{
    const struct key_value *items = model->values.items;
    const struct key_value *wanted = &items[value];
    const struct key_value *present = &items[now];

    if (wanted->writer_count > 0) {
        return true;
    }
    if (model->increment_count == 0 || value == KEY_ABSENT) {
        return false;
    }
    bool is_below = present->cluster == wanted->cluster && present->number < wanted->number;
    return is_below || items[wanted->cluster].base_count > 0;
}
