/* wal_rig.h: a log on a disk in memory, and a model of what it must hold.
 *
 * Owns     the log, the disk, and the model: for every accepted append the state after it.
 *          An entry's payload follows from its index and term, so that any entry that comes
 *          back can be checked down to the last byte.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_WAL_RIG_H
#define SUPPORT_WAL_RIG_H

#include "support/disk_memory.h"
#include "support/heap.h"
#include "wal/wal.h"

#define WAL_RIG_ENTRIES_MAX 8192
#define WAL_RIG_APPENDS_MAX 1024
#define WAL_RIG_NODE UINT64_C(0x8c0f00d)

struct wal_rig_append {
    raft_index first;
    size_t count;
    raft_term term;
    struct hard_state hard_state;
    bool is_reset;
    struct wal_base reset;
};

struct wal_rig {
    struct heap heap;
    struct disk_memory disk;
    struct wal_options options;
    struct entry_arena arena;
    bool is_scattered; /* each entry lies in a chunk of its own */
    struct wal *wal;   /* NULL while closed */
    struct wal_recovered recovered;
    char detail[WAL_ERROR_DETAIL_BYTES];
    struct wal_rig_append appends[WAL_RIG_APPENDS_MAX]; /* accepted; ticket = number + 1 */
    size_t append_count;
    raft_index last_index; /* of the model, after all appends */
    raft_index base_asked; /* the highest that wal_rig_truncate() was given */
    uint64_t ticket_synced;
    size_t poisoned_count;
    int poisoned_status;
    char poisoned_detail[WAL_ERROR_DETAIL_BYTES];
    uint64_t read_token; /* of the last read_done */
    int read_status;
    size_t read_count;
    size_t read_done_count;
    raft_index read_first;
    raft_term read_terms[WAL_RIG_ENTRIES_MAX]; /* of the entries of the last read */
};

/* An empty disk; segments of WAL_SEGMENT_BYTES_MIN. Nothing is opened. */
void wal_rig_init(struct wal_rig *rig);
void wal_rig_deinit(struct wal_rig *rig);

/* The same for a case, on the heap; or one that is opened besides. */
int wal_rig_set_up(void **state);
int wal_rig_set_up_open(void **state);
int wal_rig_tear_down(void **state);

/* wal_open(), with rig->detail. */
int wal_rig_open(struct wal_rig *rig);

/* Let everything happen and free the log. */
void wal_rig_close(struct wal_rig *rig);

/* Stop the machine with what is pending, free the log, and lose power. */
void wal_rig_crash(struct wal_rig *rig, bool (*keep)(void *context, size_t number), void *context);

/* Close, open, and assert that it opened. */
void wal_rig_reopen(struct wal_rig *rig);

/* Append `count` entries from `first` on; nothing happens on the disk yet. The hard state's
 * term is `term`, its vote rig->append_count.
 */
int wal_rig_append(struct wal_rig *rig, raft_index first, size_t count, raft_term term,
                   uint32_t payload_bytes);

/* The same, of a batch that empties the log: it stands at `base` then, and the entries follow. */
int wal_rig_reset(struct wal_rig *rig, struct wal_base base, size_t count, raft_term term,
                  uint32_t payload_bytes);

/* wal_truncate_prefix() up to an index of the model; nothing happens on the disk yet. */
void wal_rig_truncate(struct wal_rig *rig, raft_index index);

/* The same, accepted and durable. */
void wal_rig_append_now(struct wal_rig *rig, raft_index first, size_t count, raft_term term,
                        uint32_t payload_bytes);

/* Terms of the model after `appends` of them, from index 1 on. Returns the last index. */
raft_index wal_rig_model(const struct wal_rig *rig, size_t appends, raft_term *terms);

/* The number of appends after which the model is what recovery found: hard state, last index
 * and the term of every entry behind the base; at least `from`. The base is that of a reset among
 * them, or one that was asked for behind it. SIZE_MAX when there is none. When a later
 * append is there in part, as one that was split may be, the model is cut to that part.
 */
size_t wal_rig_recovered_as(struct wal_rig *rig, size_t from);

/* Whether recovery found just the model after `appends` of them. */
bool wal_rig_is_recovered_as(const struct wal_rig *rig, size_t appends);

/* Read the whole log back and assert that it is the model after `appends` of them. */
void wal_rig_check(struct wal_rig *rig, size_t appends);

/* wal_read() and all that follows. Every entry is checked to be one that was made. */
int wal_rig_read(struct wal_rig *rig, raft_index first, uint64_t bytes_max);

#endif
