/* scan.c: cursors of SCAN under their numbers.
 *
 * A number names its place: number % SCAN_CURSORS_MAX; the rest of it is chance, so that a
 * number that was forgotten is not taken for a newer one. Places are in a list by use.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define NONE SCAN_CURSORS_MAX

/* Some clients keep cursors in signed numbers, or in doubles. */
#define NUMBER_MASK ((UINT64_C(1) << 53) - 1)

_Static_assert(KV_KEY_BYTES_MAX <= SCAN_BYTES_MAX, "every key fits");

static void unlink_place(struct scan_table *table, uint32_t place)
{
    struct scan_cursor *cursor = &table->cursors[place];

    if (cursor->newer == NONE) {
        table->newest = cursor->older;
    } else {
        table->cursors[cursor->newer].older = cursor->older;
    }
    if (cursor->older == NONE) {
        table->oldest = cursor->newer;
    } else {
        table->cursors[cursor->older].newer = cursor->newer;
    }
}

static void link_newest(struct scan_table *table, uint32_t place)
{
    struct scan_cursor *cursor = &table->cursors[place];

    cursor->newer = NONE;
    cursor->older = table->newest;
    if (table->newest == NONE) {
        table->oldest = place;
    } else {
        table->cursors[table->newest].newer = place;
    }
    table->newest = place;
}

static void forget(struct scan_table *table, uint32_t place)
{
    struct scan_cursor *cursor = &table->cursors[place];

    ASSERT(table->key_bytes >= cursor->key_bytes);
    table->key_bytes -= cursor->key_bytes;
    free(cursor->key);
    cursor->key = NULL;
    cursor->key_bytes = 0;
    cursor->number = 0;
}

static bool init(struct scan_table *table)
{
    if (table->cursors != NULL) {
        return true;
    }
    table->cursors = calloc(SCAN_CURSORS_MAX, sizeof(struct scan_cursor));
    if (table->cursors == NULL) {
        return false;
    }
    table->newest = NONE;
    table->oldest = NONE;
    for (uint32_t i = 0; i < SCAN_CURSORS_MAX; i++) {
        link_newest(table, i);
    }
    return true;
}

void scan_table_deinit(struct scan_table *table)
{
    for (uint32_t i = 0; table->cursors != NULL && i < SCAN_CURSORS_MAX; i++) {
        free(table->cursors[i].key);
    }
    free(table->cursors);
    *table = (struct scan_table){0};
}

/* Forget the oldest until `size_bytes` more fit. The freed places stay the oldest. */
static void make_room(struct scan_table *table, size_t size_bytes)
{
    uint32_t place = table->oldest;

    while (table->key_bytes + size_bytes > SCAN_BYTES_MAX) {
        ASSERT(place != NONE);
        forget(table, place);
        place = table->cursors[place].newer;
    }
}

uint64_t scan_table_put(struct scan_table *table, const struct kv_argument *key, uint64_t random)
{
    ASSERT(key->size_bytes <= KV_KEY_BYTES_MAX);
    uint8_t *copy = malloc(key->size_bytes + 1);
    if (copy == NULL || !init(table)) {
        free(copy);
        return 0;
    }
    if (key->size_bytes > 0) {
        memcpy(copy, key->data, key->size_bytes);
    }
    make_room(table, key->size_bytes);
    uint32_t place = table->oldest;
    forget(table, place);
    struct scan_cursor *cursor = &table->cursors[place];
    uint64_t chance = (random & NUMBER_MASK) / SCAN_CURSORS_MAX;
    cursor->number = (chance == 0 ? 1 : chance) * SCAN_CURSORS_MAX + place;
    cursor->key = copy;
    cursor->key_bytes = (uint32_t)key->size_bytes;
    table->key_bytes += key->size_bytes;
    unlink_place(table, place);
    link_newest(table, place);
    return cursor->number;
}

bool scan_table_get(struct scan_table *table, uint64_t number, struct kv_argument *key)
{
    uint32_t place = (uint32_t)(number % SCAN_CURSORS_MAX);

    if (number == 0 || table->cursors == NULL || table->cursors[place].number != number) {
        return false;
    }
    *key = (struct kv_argument){table->cursors[place].key, table->cursors[place].key_bytes};
    unlink_place(table, place);
    link_newest(table, place);
    return true;
}
