/* snapshot_rig.h: a snapshot store on a disk in memory, and what its snapshots must hold.
 *
 * Owns     the store and the disk. A snapshot's content follows from its index and size, so that
 *          any that comes back can be checked down to the last byte.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_SNAPSHOT_RIG_H
#define SUPPORT_SNAPSHOT_RIG_H

#include "support/disk_memory.h"
#include "support/heap.h"
#include "wal/snapshot_store.h"

#define SNAPSHOT_RIG_BYTES_MAX (64 * 1024)

struct snapshot_rig {
    struct heap heap;
    struct disk_memory disk;
    struct snapshot_options options;
    struct snapshot_store *store; /* NULL while closed */
    struct snapshot_found found;
    char detail[SNAPSHOT_ERROR_DETAIL_BYTES];
    raft_index writing; /* index and size of the snapshot under way */
    size_t size_bytes;
    size_t given_bytes;
    size_t piece_bytes; /* given at once, at most; 0: all */
    size_t ready_count;
    size_t done_count;
    int done_status;
    struct snapshot_info done;
    size_t read_count; /* answers */
    uint64_t read_token;
    int read_status;
    size_t read_bytes; /* of the last answer */
    uint8_t read[SNAPSHOT_CHUNK_BYTES_MAX];
};

/* An empty disk; chunks of SNAPSHOT_CHUNK_BYTES_MIN. Nothing is opened. */
void snapshot_rig_init(struct snapshot_rig *rig);
void snapshot_rig_deinit(struct snapshot_rig *rig);

/* snapshot_store_open(), with rig->found and rig->detail; no more is done. */
int snapshot_rig_open(struct snapshot_rig *rig);

/* Let everything happen and free the store. */
void snapshot_rig_close(struct snapshot_rig *rig);

/* Stop the machine with what is pending, free the store, and lose power. */
void snapshot_rig_crash(struct snapshot_rig *rig, bool (*keep)(void *context, size_t number),
                        void *context);

/* Byte `at` of the content of the snapshot at an index. */
uint8_t snapshot_rig_byte(raft_index index, size_t at);

/* Begin a snapshot and give it content as far as it takes it; the rest is given, and the writing
 * finished, as the disk goes on. Returns as snapshot_writer_begin().
 */
int snapshot_rig_begin(struct snapshot_rig *rig, raft_index index, size_t size_bytes);

/* The same, and all that follows; asserts that it is there afterwards. */
void snapshot_rig_write(struct snapshot_rig *rig, raft_index index, size_t size_bytes);

/* Let the disk do one thing; false when there is nothing to do. */
bool snapshot_rig_step(struct snapshot_rig *rig);

/* Assert that the newest snapshot is this one, and that its content is right, both ways that it
 * can be read.
 */
void snapshot_rig_check(struct snapshot_rig *rig, raft_index index, size_t size_bytes);

/* The name of the file of a snapshot; valid until the next call. */
const char *snapshot_rig_name(raft_index index, bool is_aside);

#endif
