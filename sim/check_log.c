/* check_log.c: log matching, seen in the entries that leaders send. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/check.h"
#include "sim/memory.h"
#include "sim/trace.h"

static struct check_log_entry *slot_of(const struct check_log *check, uint64_t index, uint64_t term)
{
    size_t at = sim_hash_u64(index, term) & (check->capacity - 1);
    while (check->entries[at].index != 0 &&
           (check->entries[at].index != index || check->entries[at].term != term)) {
        at = (at + 1) & (check->capacity - 1);
    }
    return &check->entries[at];
}

static void make_room(struct check_log *check)
{
    if (2 * check->count < check->capacity) {
        return;
    }
    struct check_log larger = {.capacity = check->capacity == 0 ? 4096 : 2 * check->capacity};
    larger.entries = sim_allocate(larger.capacity, sizeof(*larger.entries));
    larger.count = check->count;
    for (size_t i = 0; i < check->capacity; i++) {
        if (check->entries[i].index != 0) {
            *slot_of(&larger, check->entries[i].index, check->entries[i].term) = check->entries[i];
        }
    }
    sim_release(check->entries);
    *check = larger;
}

void check_log_message(struct check_log *check, const struct wire_message *message, time_ns now_ns,
                       struct sim_failure *failure)
{
    if (message->type != RAFT_APPEND_ENTRIES) {
        return;
    }
    uint64_t prev_term = message->raft.append_entries.prev.term;
    for (size_t i = 0; i < message->entry_count; i++) {
        const struct entry *entry = &message->entries[i];
        struct check_log_entry seen = {entry->index, entry->term, prev_term, entry_checksum(entry),
                                       entry->type == ENTRY_CONFIGURATION};
        make_room(check);
        struct check_log_entry *slot = slot_of(check, seen.index, seen.term);
        if (slot->index == 0) {
            *slot = seen;
            check->count++;
        } else if (slot->checksum != seen.checksum || slot->prev_term != seen.prev_term) {
            sim_failure_set(failure, now_ns, "log_matching",
                            "two entries have index %" PRIu64 " and term %" PRIu64
                            ": checksums %08" PRIx32 " and %08" PRIx32 ", behind terms %" PRIu64
                            " and %" PRIu64,
                            seen.index, seen.term, slot->checksum, seen.checksum, slot->prev_term,
                            seen.prev_term);
        }
        prev_term = seen.term;
    }
}

bool check_log_is_other(const struct check_log *check, uint64_t index, uint64_t term)
{
    const struct check_log_entry *slot = check->capacity == 0 ? NULL : slot_of(check, index, term);
    return slot != NULL && slot->index != 0 && !slot->is_configuration;
}

void check_log_deinit(struct check_log *check)
{
    sim_release(check->entries);
}
