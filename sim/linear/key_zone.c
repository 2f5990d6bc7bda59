/* key_zone.c: values that are written once, and the times at which the key must have had them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/linear/key_zone.h"

#include "sim/linear/sort.h"

struct zone {
    uint64_t first_return; /* of those that write or read the value */
    uint64_t first_read;   /* the return of the first reader */
    uint64_t last_call;
    uint64_t written_from; /* the call of the one that writes it */
    uint32_t leaver_count; /* known operations that take the key from this value */
};

static void zone_add_call(struct zone *zone, uint64_t invoked_at)
{
    zone->last_call = max_u64(zone->last_call, invoked_at);
}

/* Gather of each value who writes and reads it. */
static void gather(const struct key_model *model, struct zone *zones)
{
    for (size_t i = 0; i < model->values.count; i++) {
        zones[i] = (struct zone){.first_return = TIME_NEVER, .first_read = TIME_NEVER};
    }
    for (uint32_t i = 0; i < model->known_count; i++) {
        const struct key_known *known = &model->known[i];
        if (known->need == KEY_NEED_IS) {
            struct zone *zone = &zones[known->needed];
            zone_add_call(zone, known->invoked_at);
            zone->first_return = min_u64(zone->first_return, known->returned_at);
            zone->first_read = min_u64(zone->first_read, known->returned_at);
            zone->leaver_count += known->written != KEY_NONE;
        }
        if (known->written != KEY_NONE) {
            struct zone *zone = &zones[known->written];
            zone_add_call(zone, known->invoked_at);
            zone->first_return = min_u64(zone->first_return, known->returned_at);
            zone->written_from = known->invoked_at;
        }
    }
    for (uint32_t i = 0; i < model->unit_count; i++) {
        const struct key_unit *unit = &model->units[i];
        if (unit->change.kind != KEY_INCREMENT) {
            zone_add_call(&zones[unit->change.to], unit->invoked_at);
            zones[unit->change.to].written_from = unit->invoked_at;
        }
    }
}

/* Whether the value can be there once only. */
static bool is_written_once(const struct key_model *model, uint32_t value)
{
    const struct key_value *items = model->values.items;
    const struct key_value *item = &items[value];

    if (value == KEY_ABSENT || item->reader_count == 0 || item->writer_count != 1) {
        return false;
    }
    /* Where increments are unknown, its cluster must be entered once only: then values go up. */
    return model->increment_count == 0 ||
           (items[item->cluster].base_count == 1 && item->cluster != items[KEY_ABSENT].cluster);
}

/* Keep the zones that last, in order of time; returns how many, or `is_violated`. */
static size_t sort_zones(const struct key_model *model, const struct zone *zones,
                         struct sort_item *sorted, struct sort_item *scratch, bool *is_violated)
{
    size_t count = 0;

    for (uint32_t i = 0; i < model->values.count; i++) {
        const struct zone *zone = &zones[i];
        if (!is_written_once(model, i)) {
            continue;
        }
        if (zone->first_read < zone->written_from || zone->leaver_count > 1) {
            *is_violated = true;
        }
        if (zone->first_return < zone->last_call) {
            sorted[count++] = (struct sort_item){zone->first_return, zone->last_call, i};
        }
    }
    sort_items(sorted, scratch, count);
    for (size_t i = 1; i < count; i++) {
        if (sorted[i].major < sorted[i - 1].minor) {
            *is_violated = true;
        }
    }
    return count;
}

/* Whether some operation begins and ends within a zone that it does not fit. The zones do not
 * overlap.
 */
static bool has_intruder(const struct key_model *model, const struct sort_item *zones, size_t count)
{
    size_t behind = 0; /* zones that began before the operation */

    for (uint32_t i = 0; i < model->known_count; i++) {
        const struct key_known *known = &model->known[i];
        while (behind < count && zones[behind].major < known->invoked_at) {
            behind++;
        }
        if (behind == 0 || known->returned_at >= zones[behind - 1].minor) {
            continue;
        }
        if (known->written != KEY_NONE || !key_known_fits(known, zones[behind - 1].index)) {
            return true;
        }
    }
    return false;
}

bool key_zones_check(const struct key_model *model, bool *is_violated)
{
    size_t count = model->values.count;
    struct zone *zones = arena_take(model->arena, count, sizeof(*zones));
    struct sort_item *sorted = arena_take(model->arena, count, sizeof(*sorted));
    struct sort_item *scratch = arena_take(model->arena, count, sizeof(*scratch));

    if (zones == NULL || sorted == NULL || scratch == NULL) {
        return false;
    }
    *is_violated = false;
    gather(model, zones);
    size_t zone_count = sort_zones(model, zones, sorted, scratch, is_violated);
    if (!*is_violated) {
        *is_violated = has_intruder(model, sorted, zone_count);
    }
    return true;
}
