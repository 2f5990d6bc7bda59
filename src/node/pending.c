/* pending.c: proposals that somebody waits for: a ring, and a hash of ids over it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/pending.h"

#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

#define FIRST_CAPACITY 64
#define BUCKETS_PER_SLOT 2 /* so that probing stays short */

void pending_init(struct pending_table *table, const struct allocator *allocator, size_t count_max,
                  uint64_t first_sequence)
{
    ASSERT(count_max > 0);
    ASSERT(first_sequence > 0);
    *table = (struct pending_table){
        .allocator = allocator, .count_max = count_max, .first = first_sequence};
}

static void free_arrays(struct pending_table *table)
{
    release(table->allocator, table->slots, table->capacity * sizeof(*table->slots));
    release(table->allocator, table->buckets, table->bucket_count * sizeof(*table->buckets));
}

void pending_deinit(struct pending_table *table)
{
    if (table->allocator == NULL) {
        return;
    }
    for (size_t i = 0; i < table->count; i++) {
        struct pending *pending = pending_at(table, table->first + i);
        if (pending != NULL) {
            chunk_drop(pending->entry.chunk);
        }
    }
    free_arrays(table);
    *table = (struct pending_table){0};
}

static struct pending *slot_of(struct pending_table *table, uint64_t sequence)
{
    return &table->slots[sequence & (table->capacity - 1)];
}

static size_t bucket_of(const struct pending_table *table, struct proposal_id id)
{
    uint64_t mixed = (id.low ^ id.high) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 32) & (table->bucket_count - 1);
}

/* The bucket from `at` on that holds `id`, or the empty one where the search ends. */
static size_t probe_from(const struct pending_table *table, size_t at, struct proposal_id id)
{
    while (table->buckets[at] != 0 &&
           !proposal_id_equal(table->slots[table->buckets[at] - 1].id, id)) {
        at = (at + 1) & (table->bucket_count - 1);
    }
    return at;
}

static uint32_t bucket_value(const struct pending_table *table, const struct pending *pending)
{
    return (uint32_t)(pending - table->slots) + 1;
}

/* The bucket of this very one. */
static size_t bucket_holding(const struct pending_table *table, const struct pending *pending)
{
    size_t at = bucket_of(table, pending->id);
    while (table->buckets[at] != bucket_value(table, pending)) {
        ASSERT(table->buckets[at] != 0);
        at = (at + 1) & (table->bucket_count - 1);
    }
    return at;
}

static void index_slot(struct pending_table *table, const struct pending *pending)
{
    size_t at = bucket_of(table, pending->id);
    while (table->buckets[at] != 0) {
        at = (at + 1) & (table->bucket_count - 1);
    }
    table->buckets[at] = bucket_value(table, pending);
}

static int grow(struct pending_table *table)
{
    struct pending_table grown = *table;
    grown.capacity = table->capacity == 0 ? FIRST_CAPACITY : table->capacity * 2;
    grown.bucket_count = grown.capacity * BUCKETS_PER_SLOT;
    grown.slots = allocate(table->allocator, grown.capacity * sizeof(*grown.slots));
    grown.buckets = allocate_zeroed(table->allocator, grown.bucket_count * sizeof(*grown.buckets));
    if (grown.slots == NULL || grown.buckets == NULL) {
        free_arrays(&grown);
        return QR_ERR_NO_MEMORY;
    }
    for (uint64_t s = table->first; s < table->first + table->count; s++) {
        *slot_of(&grown, s) = *slot_of(table, s);
        if (slot_of(&grown, s)->state != PENDING_DONE) {
            index_slot(&grown, slot_of(&grown, s));
        }
    }
    free_arrays(table);
    *table = grown;
    return 0;
}

/* Whether one more may wait with this id. */
static bool may_add(struct pending_table *table, struct proposal_id id)
{
    size_t most = proposal_id_is_session(id) ? PENDING_SAME_MAX : 1;
    size_t count = 0;
    const struct pending *same = pending_find(table, id);
    while (same != NULL && count < most) {
        count++;
        same = pending_find_next(table, same);
    }
    return count < most;
}

struct pending *pending_add(struct pending_table *table, struct proposal_id id, int *status)
{
    if (table->count >= table->count_max || !may_add(table, id)) {
        *status = QR_ERR_BUSY;
        return NULL;
    }
    if (table->count == table->capacity) {
        *status = grow(table);
        if (*status != 0) {
            return NULL;
        }
    }
    uint64_t sequence = table->first + table->count++;
    struct pending *pending = slot_of(table, sequence);
    *pending = (struct pending){.sequence = sequence, .id = id};
    index_slot(table, pending);
    return pending;
}

uint64_t pending_next_sequence(const struct pending_table *table)
{
    return table->first + table->count;
}

struct pending *pending_find(struct pending_table *table, struct proposal_id id)
{
    if (table->bucket_count == 0) {
        return NULL;
    }
    uint32_t slot = table->buckets[probe_from(table, bucket_of(table, id), id)];
    return slot == 0 ? NULL : &table->slots[slot - 1];
}

struct pending *pending_find_next(struct pending_table *table, const struct pending *previous)
{
    size_t behind = (bucket_holding(table, previous) + 1) & (table->bucket_count - 1);
    uint32_t slot = table->buckets[probe_from(table, behind, previous->id)];
    return slot == 0 ? NULL : &table->slots[slot - 1];
}

struct pending *pending_at(struct pending_table *table, uint64_t sequence)
{
    if (sequence < table->first || sequence - table->first >= table->count) {
        return NULL;
    }
    struct pending *pending = slot_of(table, sequence);
    return pending->state == PENDING_DONE ? NULL : pending;
}

/* Close the gap, so that probing never meets a false end (Knuth, vol. 3, 6.4, algorithm R). */
static void unindex(struct pending_table *table, const struct pending *pending)
{
    size_t mask = table->bucket_count - 1;
    size_t gap = bucket_holding(table, pending);
    table->buckets[gap] = 0;
    for (size_t at = (gap + 1) & mask; table->buckets[at] != 0; at = (at + 1) & mask) {
        size_t home = bucket_of(table, table->slots[table->buckets[at] - 1].id);
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            table->buckets[gap] = table->buckets[at];
            table->buckets[at] = 0;
            gap = at;
        }
    }
}

void pending_remove(struct pending_table *table, struct pending *pending)
{
    ASSERT(pending->state != PENDING_DONE);
    unindex(table, pending);
    chunk_drop(pending->entry.chunk);
    pending->entry = (struct entry){0};
    pending->state = PENDING_DONE;
    while (table->count > 0 && slot_of(table, table->first)->state == PENDING_DONE) {
        table->first++;
        table->count--;
    }
}
