/* history.h: what clients asked of a key-value store, and what they were told.
 *
 * Owns     the operations, numbered from 0 in the order in which they were invoked.
 * Does not know a clock: times are arguments, of any one clock in any unit.
 * Threads  one caller at a time.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_LINEAR_HISTORY_H
#define SIM_LINEAR_HISTORY_H

#include "base/allocator.h"
#include "base/types.h"

/* What a client can ask of one key, which is absent or holds a number. `argument` is the
 * number to write; a reply is a number or, where the key was absent, none.
 */
/* clang-format off */
#define HISTORY_KIND_MAP(X)                                                                        \
    X(HISTORY_GET,    "GET")    /* -> the number or none                                        */ \
    X(HISTORY_SET,    "SET")    /* -> whatever                                                  */ \
    X(HISTORY_GETSET, "GETSET") /* -> the old number or none                                    */ \
    X(HISTORY_CAS,    "CAS")    /* -> 1 if it held `expected` and now holds `argument`, else 0  */ \
    X(HISTORY_SETNX,  "SETNX")  /* -> 1 if it was absent and now holds `argument`, else 0       */ \
    X(HISTORY_DEL,    "DEL")    /* -> 1 if it was there, else 0                                 */ \
    X(HISTORY_INCR,   "INCR")   /* -> the new number; absent counts as 0                        */
/* clang-format on */

enum history_kind {
#define X(name, text) name,
    HISTORY_KIND_MAP(X)
#undef X
};

enum history_outcome {
    HISTORY_PENDING, /* no answer yet: as good as unknown */
    HISTORY_DONE,    /* it took effect between call and return, and this is the reply */
    HISTORY_UNKNOWN, /* it may take effect at any time after the call, or never */
    HISTORY_REFUSED, /* it certainly did not and never will take effect */
};

struct history_value {
    int64_t number;
    bool is_present;
};

struct history_call {
    uint64_t key;
    uint32_t client;
    enum history_kind kind;
    int64_t argument; /* SET, GETSET, CAS, SETNX */
    int64_t expected; /* CAS */
};

struct history_operation {
    struct history_call call;
    uint64_t invoked_at;
    uint64_t returned_at;       /* DONE */
    struct history_value reply; /* DONE */
    enum history_outcome outcome;
};

struct history {
    const struct allocator *allocator; /* borrowed */
    struct history_operation *operations;
    size_t count;
    size_t capacity;
    size_t operations_max;
};

#define HISTORY_OPERATIONS_MAX ((size_t)1 << 24)

/* An empty history in place; operations_max in [1, HISTORY_OPERATIONS_MAX]. */
void history_init(struct history *history, const struct allocator *allocator,
                  size_t operations_max);

/* Give back its memory. */
void history_deinit(struct history *history);

/* Forget all operations; the memory is kept for what comes. */
void history_clear(struct history *history);

/* Record that a client calls, at `invoked_at` (below TIME_NEVER; any order of times).
 *
 * number   the operation's, for the functions below.
 *
 * Returns 0, QR_ERR_TOO_LARGE when there are operations_max, or QR_ERR_NO_MEMORY; on
 * failure nothing changed.
 */
NODISCARD int history_add(struct history *history, const struct history_call *call,
                          uint64_t invoked_at, uint32_t *number);

/* A pending operation was answered, at `returned_at` (invoked_at or later, below TIME_NEVER). */
void history_done(struct history *history, uint32_t number, struct history_value reply,
                  uint64_t returned_at);

/* Nobody knows what came, or will come, of a pending operation. */
void history_unknown(struct history *history, uint32_t number);

/* A pending operation had no effect and never will. */
void history_refused(struct history *history, uint32_t number);

/* Assert what holds between calls. */
void history_invariants(const struct history *history);

/* The kind's word, as "SET". Static. */
const char *history_kind_text(enum history_kind kind);

static inline struct history_value history_number(int64_t number)
{
    return (struct history_value){number, true};
}

static inline struct history_value history_none(void)
{
    return (struct history_value){0, false};
}

#endif
