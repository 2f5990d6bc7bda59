/* check_reads.c: a read is answered only after a majority confirmed, since it was asked, that
 * its leader still leads (diss. §6.4).
 *
 * Answers to append_entries are what confirms. Whose round they end is not looked at, nor their
 * term: an answer of a later moment than the question is the least that there must be.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/check.h"
#include "sim/memory.h"
#include "sim/trace.h"

static struct check_heard *slot_of(const struct check_reads *check, uint64_t from, uint64_t to)
{
    size_t at = sim_hash_u64(from, to) & (check->capacity - 1);
    while (check->heard[at].is_used &&
           (check->heard[at].from != from || check->heard[at].to != to)) {
        at = (at + 1) & (check->capacity - 1);
    }
    return &check->heard[at];
}

static void make_room(struct check_reads *check)
{
    if (2 * check->count < check->capacity) {
        return;
    }
    struct check_reads larger = {.capacity = check->capacity == 0 ? 64 : 2 * check->capacity};
    larger.heard = sim_allocate(larger.capacity, sizeof(*larger.heard));
    larger.count = check->count;
    for (size_t i = 0; i < check->capacity; i++) {
        const struct check_heard *heard = &check->heard[i];
        if (heard->is_used) {
            *slot_of(&larger, heard->from, heard->to) = *heard;
        }
    }
    sim_release(check->heard);
    *check = larger;
}

void check_reads_said(struct check_reads *check, uint64_t from, uint64_t to, time_ns now_ns)
{
    make_room(check);
    struct check_heard *heard = slot_of(check, from, to);
    check->count += heard->is_used ? 0 : 1;
    *heard = (struct check_heard){true, from, to, now_ns};
}

bool check_reads_is_confirmed(const struct check_reads *check, uint64_t leader,
                              const uint64_t *voters, size_t voter_count, time_ns since_ns)
{
    size_t confirmed = 0;
    for (size_t i = 0; i < voter_count; i++) {
        const struct check_heard *heard =
            check->capacity == 0 ? NULL : slot_of(check, voters[i], leader);
        bool has_answered = heard != NULL && heard->is_used && heard->said_ns >= since_ns;
        confirmed += voters[i] == leader || has_answered ? 1 : 0;
    }
    return 2 * confirmed > voter_count;
}

void check_reads_deinit(struct check_reads *check)
{
    sim_release(check->heard);
}
