/* pending.h: proposals that somebody waits for.
 *
 * Owns     their order of arrival, and finding one by its id. Sequence numbers follow one
 *          another from a random start, so that those of another life are not taken for ours.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_PENDING_H
#define NODE_PENDING_H

#include "base/allocator.h"
#include "base/entry.h"
#include "base/types.h"

#define PENDING_SAME_MAX 8 /* that wait with one id of a session or token: it is sent again */

enum pending_state {
    PENDING_HELD,      /* not yet with a leader; `entry` is its record */
    PENDING_FORWARDED, /* sent to a leader, not answered */
    PENDING_APPENDED,  /* at index and term of the log, unless another leader's entry comes */
    PENDING_DONE,      /* told; its place is free once it is the oldest */
};

struct pending {
    enum pending_state state;
    uint64_t sequence;
    uint64_t token;
    struct proposal_id id;
    time_ns hold_until_ns; /* without a leader: refused then */
    time_ns deadline_ns;
    bool has_own_timeout; /* else those that come later have a later deadline */
    bool is_cancelled;    /* to be given up in the next turn */
    uint64_t ticket;      /* 0: it cannot be cancelled */
    raft_term term;       /* forwarded, appended: whose leader has it */
    struct entry entry;   /* its record, for as long as it may have to be sent (again) */
    uint32_t checksum;    /* of the command, where the id is of a session or token */
};

struct pending_table {
    const struct allocator *allocator;
    size_t count_max;
    struct pending *slots; /* ring by sequence; capacity is a power of two */
    size_t capacity;
    uint64_t first;    /* sequence of the oldest */
    size_t count;      /* done ones in between included */
    uint32_t *buckets; /* by id: distance from slot 0, plus 1; 0 is empty */
    size_t bucket_count;
};

void pending_init(struct pending_table *table, const struct allocator *allocator, size_t count_max,
                  uint64_t first_sequence);
void pending_deinit(struct pending_table *table);

/* A new one at the end, all zero but sequence and id; NULL with *status set: QR_ERR_BUSY (full,
 * the id waits already, or often enough where it may be sent again) or QR_ERR_NO_MEMORY.
 * Pointers to others become invalid.
 */
struct pending *pending_add(struct pending_table *table, struct proposal_id id, int *status);

/* The sequence number that pending_add() gives next. */
uint64_t pending_next_sequence(const struct pending_table *table);

/* One that has this id, and another one behind it; NULL: none. */
struct pending *pending_find(struct pending_table *table, struct proposal_id id);
struct pending *pending_find_next(struct pending_table *table, const struct pending *previous);
struct pending *pending_at(struct pending_table *table, uint64_t sequence); /* NULL: none */

/* It was told: forget its id and record. */
void pending_remove(struct pending_table *table, struct pending *pending);

#endif
