/* key_values.c: the values that a key can have, numbered. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/linear/key_values.h"

#include <string.h>

#include "base/assert.h"
#include "sim/linear/sort.h"

#define TABLE_SIZE_FIRST ((size_t)64)
#define FIRST_NUMBER 2 /* behind absent and junk */

static size_t home_of(const struct key_values *values, int64_t number)
{
    uint64_t hash = (uint64_t)number * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash ^ hash >> 32) & (values->table_size - 1);
}

/* Where `number` stands in the table, or should. */
static size_t slot_of(const struct key_values *values, int64_t number)
{
    size_t slot = home_of(values, number);

    while (values->table[slot] != KEY_NONE && values->items[values->table[slot]].number != number) {
        slot = (slot + 1) & (values->table_size - 1);
    }
    return slot;
}

static bool table_resize(struct key_values *values, size_t size)
{
    uint32_t *table = arena_take(values->arena, size, sizeof(*table));

    if (table == NULL) {
        return false;
    }
    memset(table, 0xff, size * sizeof(*table));
    values->table = table;
    values->table_size = size;
    for (uint32_t i = FIRST_NUMBER; i < values->count; i++) {
        values->table[slot_of(values, values->items[i].number)] = i;
    }
    return true;
}

/* One more value, which is its own cluster. */
static uint32_t append(struct key_values *values, int64_t number)
{
    void *items = values->items;

    if (values->count >= KEY_NONE || !arena_grow(values->arena, &items, values->count,
                                                 &values->capacity, sizeof(*values->items))) {
        return KEY_NONE;
    }
    uint32_t value = (uint32_t)values->count++;
    values->items = items;
    values->items[value] = (struct key_value){.number = number,
                                              .cluster = value,
                                              .successor = KEY_NONE,
                                              .first_class = KEY_NONE,
                                              .first_near = KEY_NONE};
    return value;
}

bool key_values_init(struct key_values *values, struct arena *arena)
{
    *values = (struct key_values){.arena = arena};
    return append(values, 0) == KEY_ABSENT && append(values, 0) == KEY_JUNK &&
           table_resize(values, TABLE_SIZE_FIRST);
}

uint32_t key_values_find(const struct key_values *values, int64_t number)
{
    return values->table[slot_of(values, number)];
}

uint32_t key_values_add(struct key_values *values, struct history_value value)
{
    if (!value.is_present) {
        return KEY_ABSENT;
    }
    uint32_t found = key_values_find(values, value.number);
    if (found != KEY_NONE) {
        return found;
    }
    if (2 * values->count >= values->table_size && !table_resize(values, 2 * values->table_size)) {
        return KEY_NONE;
    }
    uint32_t added = append(values, value.number);
    if (added != KEY_NONE) {
        values->table[slot_of(values, value.number)] = added;
    }
    return added;
}

bool key_values_join(struct key_values *values, uint64_t step_count)
{
    size_t count = values->count - FIRST_NUMBER;
    struct sort_item *items = arena_take(values->arena, count + 1, sizeof(*items));
    struct sort_item *scratch = arena_take(values->arena, count + 1, sizeof(*scratch));

    if (items == NULL || scratch == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        /* As unsigned numbers in the same order. */
        uint64_t ordered = (uint64_t)values->items[i + FIRST_NUMBER].number ^ UINT64_C(1) << 63;
        items[i] = (struct sort_item){.major = ordered, .index = (uint32_t)(i + FIRST_NUMBER)};
    }
    sort_items(items, scratch, count);
    for (size_t i = 1; i < count; i++) {
        if (items[i].major - items[i - 1].major <= step_count) {
            values->items[items[i].index].cluster = values->items[items[i - 1].index].cluster;
        }
    }
    /* An increment takes an absent key for 0. */
    uint32_t zero = key_values_find(values, 0);
    if (zero != KEY_NONE) {
        values->items[KEY_ABSENT].cluster = values->items[zero].cluster;
    }
    return true;
}

uint32_t key_values_successor(struct key_values *values, uint32_t value)
{
    struct key_value *item = &values->items[value];

    ASSERT(value < values->count);
    if (value == KEY_JUNK || item->number == INT64_MAX) {
        return value;
    }
    if (item->successor != KEY_NONE) {
        return item->successor;
    }
    uint32_t cluster = item->cluster;
    size_t count = values->count;
    uint32_t successor = key_values_add(values, history_number(item->number + 1));
    if (successor == KEY_NONE) {
        return KEY_NONE;
    }
    if (successor == count) {
        values->items[successor].cluster = cluster; /* nobody mentions it, but what follows */
    }
    values->items[value].successor = successor;
    return successor;
}
