/* snapshot_memory.h: a snapshot store in memory that ends everything within the call, and can be
 * wrong in every way that a check must find.
 *
 * Owns     the bytes. What is published stays over close and crash; what is aside does not.
 * Threads  any, one at a time.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_SNAPSHOT_MEMORY_H
#define SUPPORT_SNAPSHOT_MEMORY_H

#include <stdatomic.h>

#include "quorate/snapshot_store.h"

#define SNAPSHOT_MEMORY_MAX 16

/* X(what it does wrong, from the first time that it can) */
#define SNAPSHOT_MEMORY_WRONG_MAP(X)                                                               \
    X(NOTHING)                                                                                     \
    X(LISTS_UNFINISHED)                                                                            \
    X(KEEPS_UNFINISHED) /* over a crash, as if it was published */                                 \
    X(LOSES_PUBLISHED)  /* in a crash */                                                           \
    X(BEGINS_BEHIND)    /* what was aside before */                                                \
    X(READS_BEYOND_END)                                                                            \
    X(READS_WRONG)                                                                                 \
    X(KEEPS_OLD) /* when another is published under its index */                                   \
    X(REMOVES_FOR_NOW)                                                                             \
    X(MISSES_REMOVED) /* fails to remove what there is not */                                      \
    X(LISTS_WRONG_SIZE)                                                                            \
    X(ENDS_TWICE)                                                                                  \
    X(ENDS_ANOTHER)

enum snapshot_memory_wrong {
#define X(name) SNAPSHOT_MEMORY_##name,
    SNAPSHOT_MEMORY_WRONG_MAP(X)
#undef X
        SNAPSHOT_MEMORY_WRONG_COUNT,
};

struct snapshot_memory_one {
    uint64_t index; /* 0: free */
    bool is_published;
    bool is_removed; /* but comes back */
    size_t size_bytes;
    uint8_t *bytes;
};

struct snapshot_memory {
    struct qr_snapshot_store store;
    const struct qr_snapshot_host *host; /* NULL: closed */
    enum snapshot_memory_wrong wrong;
    int open_status;
    int list_status;
    atomic_int status; /* what all else ends with, undone; 0: as it should */
    bool is_held;      /* nothing ends, until snapshot_memory_release() */
    uint64_t held[16]; /* tickets; done, but not told */
    size_t held_count;
    unsigned open_count;
    unsigned call_count;
    struct snapshot_memory_one ones[SNAPSHOT_MEMORY_MAX];
};

void snapshot_memory_init(struct snapshot_memory *memory, enum snapshot_memory_wrong wrong);
void snapshot_memory_deinit(struct snapshot_memory *memory);

/* For snapshot_store_check(). */
void snapshot_memory_crash(void *memory);

/* Tell of what was held. */
void snapshot_memory_release(struct snapshot_memory *memory);

/* The published one of this index, or NULL. */
struct snapshot_memory_one *snapshot_memory_find(struct snapshot_memory *memory, uint64_t index);

size_t snapshot_memory_count_aside(const struct snapshot_memory *memory);

/* In words, for messages. */
const char *snapshot_memory_wrong_name(enum snapshot_memory_wrong wrong);

#endif
