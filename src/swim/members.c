/* members.c: who is known, and all that is counted over them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "swim/internal.h"

#define INDEX_FIRST 16
#define SLOTS_MAX_OF(swim) ((size_t)(swim)->options.members_max)

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint32_t id_hash(node_id id)
{
    return (uint32_t)mix(id + UINT64_C(0x9e3779b97f4a7c15));
}

/* What a live member adds to the digest: its id and incarnation, in no order. */
static uint64_t digest_of(const struct swim_slot *member)
{
    return mix(mix(member->id + UINT64_C(0x9e3779b97f4a7c15)) + member->incarnation);
}

static uint32_t hash_in(const struct swim *swim, const struct swim_index *index, uint32_t slot)
{
    const struct swim_slot *member = &swim->slots[slot];
    return index == &swim->names ? member->card->name_hash : id_hash(member->id);
}

static int index_grow(struct swim *swim, struct swim_index *index)
{
    uint32_t capacity = index->capacity == 0 ? INDEX_FIRST : index->capacity * 2;
    uint32_t *entries =
        allocate_zeroed(swim->options.allocator, capacity * sizeof(*index->entries));
    if (entries == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < index->capacity; i++) {
        if (index->entries[i] == 0) {
            continue;
        }
        uint32_t at = hash_in(swim, index, index->entries[i] - 1) & (capacity - 1);
        while (entries[at] != 0) {
            at = (at + 1) & (capacity - 1);
        }
        entries[at] = index->entries[i];
    }
    release(swim->options.allocator, index->entries, index->capacity * sizeof(*index->entries));
    index->entries = entries;
    index->capacity = capacity;
    return 0;
}

static void index_put(struct swim *swim, struct swim_index *index, uint32_t slot)
{
    if ((uint64_t)index->count * 4 >= (uint64_t)index->capacity * 3 &&
        index_grow(swim, index) != 0) {
        swim->failed = QR_ERR_NO_MEMORY;
        return;
    }
    uint32_t at = hash_in(swim, index, slot) & (index->capacity - 1);
    while (index->entries[at] != 0) {
        at = (at + 1) & (index->capacity - 1);
    }
    index->entries[at] = slot + 1;
    index->count++;
}

/* Take it out, and move back what was put behind it for want of its place (Knuth 6.4, R). */
static void index_remove(struct swim *swim, struct swim_index *index, uint32_t slot)
{
    uint32_t mask = index->capacity - 1;
    uint32_t at = hash_in(swim, index, slot) & mask;
    while (index->entries[at] != slot + 1) {
        ASSERT(index->entries[at] != 0);
        at = (at + 1) & mask;
    }
    index->count--;
    uint32_t hole = at;
    for (uint32_t next = (at + 1) & mask; index->entries[next] != 0; next = (next + 1) & mask) {
        uint32_t home = hash_in(swim, index, index->entries[next] - 1) & mask;
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            index->entries[hole] = index->entries[next];
            hole = next;
        }
    }
    index->entries[hole] = 0;
}

uint32_t swim_find(const struct swim *swim, node_id id)
{
    if (swim->ids.capacity == 0) {
        return SWIM_NONE;
    }
    uint32_t mask = swim->ids.capacity - 1;
    for (uint32_t at = id_hash(id) & mask; swim->ids.entries[at] != 0; at = (at + 1) & mask) {
        uint32_t slot = swim->ids.entries[at] - 1;
        if (swim->slots[slot].id == id) {
            return slot;
        }
    }
    return SWIM_NONE;
}

uint32_t swim_find_name(const struct swim *swim, const struct swim_card *card)
{
    if (swim->names.capacity == 0) {
        return SWIM_NONE;
    }
    uint32_t mask = swim->names.capacity - 1;
    for (uint32_t at = card->name_hash & mask; swim->names.entries[at] != 0; at = (at + 1) & mask) {
        uint32_t slot = swim->names.entries[at] - 1;
        if (swim_card_has_name_of(swim->slots[slot].card, card)) {
            return slot;
        }
    }
    return SWIM_NONE;
}

/* Who is gone for the longest of those in this state, hidden or listed; SWIM_NONE: nobody. */
static uint32_t oldest_gone(const struct swim *swim, enum swim_state state, bool is_hidden)
{
    uint32_t oldest = SWIM_NONE;
    for (uint32_t slot = 1; slot < swim->slot_count; slot++) {
        const struct swim_slot *member = &swim->slots[slot];
        if (member->is_used && member->is_hidden == is_hidden && member->state == state &&
            (oldest == SWIM_NONE || member->changed_ns < swim->slots[oldest].changed_ns)) {
            oldest = slot;
        }
    }
    return oldest;
}

/* The one that is hidden for the longest, to make room; SWIM_NONE: none is. */
static uint32_t oldest_hidden(const struct swim *swim)
{
    if (swim->hidden_count == 0) {
        return SWIM_NONE;
    }
    uint32_t left = oldest_gone(swim, SWIM_LEFT, true);
    uint32_t dead = oldest_gone(swim, SWIM_DEAD, true);
    if (left == SWIM_NONE || dead == SWIM_NONE) {
        return left == SWIM_NONE ? dead : left;
    }
    return swim->slots[left].changed_ns <= swim->slots[dead].changed_ns ? left : dead;
}

void swim_slot_make_room(struct swim *swim)
{
    if (swim->free_slot != SWIM_NONE || swim->slot_count < swim->options.members_max ||
        swim->hidden_count > 0) {
        return;
    }
    uint32_t slot = oldest_gone(swim, SWIM_LEFT, false);
    if (slot == SWIM_NONE) {
        slot = oldest_gone(swim, SWIM_DEAD, false);
    }
    if (slot != SWIM_NONE) {
        swim_tell_of(swim, SWIM_NEWS_REAPED, slot, swim->options.self);
        swim_slot_hide(swim, slot);
    }
}

void swim_slot_forget(struct swim *swim, uint32_t slot)
{
    struct swim_slot *member = swim_slot_of(swim, slot);
    ASSERT(member->is_hidden);
    ASSERT(!member->is_queued);
    index_remove(swim, &swim->ids, slot);
    swim_slot_set_card(swim, slot, NULL);
    swim->hidden_count--;
    *member = (struct swim_slot){.next = swim->free_slot};
    swim->free_slot = slot;
}

uint32_t swim_slot_take(struct swim *swim, node_id id)
{
    ASSERT(swim_find(swim, id) == SWIM_NONE);
    if (swim->free_slot == SWIM_NONE && swim->slot_count == swim->options.members_max) {
        uint32_t oldest = oldest_hidden(swim);
        if (oldest == SWIM_NONE) {
            return SWIM_NONE;
        }
        swim_slot_forget(swim, oldest);
    }
    uint32_t slot = swim->free_slot;
    if (slot != SWIM_NONE) {
        swim->free_slot = swim_slot_of(swim, slot)->next;
    } else {
        if (allocate_grow(swim->options.allocator, (void **)&swim->slots, &swim->slot_capacity,
                          (size_t)swim->slot_count + 1, SLOTS_MAX_OF(swim),
                          sizeof(*swim->slots)) != 0) {
            swim->failed = QR_ERR_NO_MEMORY;
            return SWIM_NONE;
        }
        slot = swim->slot_count++;
    }
    swim->slots[slot] = (struct swim_slot){
        .id = id,
        .changed_ns = swim->now_ns,
        .next = SWIM_NONE,
        .prev = SWIM_NONE,
        .order_at = SWIM_NONE,
        .suspicion = SWIM_NONE,
        .state = SWIM_LEFT,
        .is_used = true,
        .is_hidden = true,
    };
    swim->hidden_count++;
    index_put(swim, &swim->ids, slot);
    return slot;
}

/* Take out of all lists and counts what its present state put it into. */
static void slot_unset(struct swim *swim, uint32_t slot)
{
    struct swim_slot *member = swim_slot_of(swim, slot);
    if (member->is_hidden) {
        swim->hidden_count--;
    } else {
        swim->counts[member->state]--;
    }
    if (swim_state_is_live(member->state)) {
        swim->digest ^= digest_of(member);
    }
    if (member->suspicion != SWIM_NONE) {
        swim_suspicion_end(swim, slot);
    }
}

void swim_slot_set(struct swim *swim, uint32_t slot, enum swim_state state, uint64_t incarnation,
                   enum swim_reason reason)
{
    struct swim_slot *member = swim_slot_of(swim, slot);
    bool is_live = swim_state_is_live((uint8_t)state);
    ASSERT(member->is_used);
    ASSERT_IMPLIES(is_live, member->card != NULL);

    slot_unset(swim, slot);
    if (member->state != state || member->is_hidden) {
        member->changed_ns = swim->now_ns;
    }
    member->state = (uint8_t)state;
    member->incarnation = incarnation;
    member->reason = (uint8_t)reason;
    member->is_hidden = false;
    swim->counts[state]++;
    if (is_live) {
        swim->digest ^= digest_of(member);
    }
    if (is_live && !member->is_named) {
        index_put(swim, &swim->names, slot);
        member->is_named = swim->failed == 0;
    } else if (!is_live && member->is_named) {
        index_remove(swim, &swim->names, slot);
        member->is_named = false;
    }
    if (slot != SWIM_SELF && is_live && member->order_at == SWIM_NONE) {
        swim_order_add(swim, slot);
    } else if (!is_live && member->order_at != SWIM_NONE) {
        swim_order_remove(swim, slot);
    }
}

void swim_slot_set_card(struct swim *swim, uint32_t slot, struct swim_card *card)
{
    struct swim_slot *member = swim_slot_of(swim, slot);
    struct swim_card *before = member->card;
    bool is_named = member->is_named;
    if (is_named) {
        ASSERT(card != NULL);
        index_remove(swim, &swim->names, slot);
    }
    member->card = card;
    if (is_named) {
        index_put(swim, &swim->names, slot);
    }
    if (before == NULL) {
        return;
    }
    /* What goes out with the next ready may still show it. */
    if (allocate_grow(swim->options.allocator, &swim->dropped.items, &swim->dropped.capacity,
                      swim->dropped.count + 1, SIZE_MAX / sizeof(before), sizeof(before)) != 0) {
        swim->failed = QR_ERR_NO_MEMORY;
        swim_cards_drop(swim->options.cards, before);
        return;
    }
    ((struct swim_card **)swim->dropped.items)[swim->dropped.count++] = before;
}

void swim_slot_hide(struct swim *swim, uint32_t slot)
{
    struct swim_slot *member = swim_slot_of(swim, slot);
    ASSERT(!swim_state_is_live(member->state));
    ASSERT(!member->is_hidden);
    swim_queue_remove(swim, slot);
    swim->counts[member->state]--;
    member->is_hidden = true;
    swim->hidden_count++;
    if (member->state == SWIM_LEFT) {
        swim_slot_set_card(swim, slot, NULL); /* nobody is going to look for it */
    }
}

void swim_members_free(struct swim *swim)
{
    const struct allocator *allocator = swim->options.allocator;
    for (uint32_t slot = 0; slot < swim->slot_count; slot++) {
        swim_cards_drop(swim->options.cards, swim->slots[slot].card);
    }
    release(allocator, swim->slots, swim->slot_capacity * sizeof(*swim->slots));
    release(allocator, swim->order, swim->order_capacity * sizeof(*swim->order));
    release(allocator, swim->ids.entries, swim->ids.capacity * sizeof(*swim->ids.entries));
    release(allocator, swim->names.entries, swim->names.capacity * sizeof(*swim->names.entries));
    release(allocator, swim->suspicions, swim->suspicion_capacity * sizeof(*swim->suspicions));
}
