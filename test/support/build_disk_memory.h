/* build_disk_memory.h: a disk in memory behind the boundary of builds, without malice.
 *
 * Owns     the files: for each what was synced, and what a reader sees. A crash leaves the
 *          synced bytes alone. Operations wait until the test lets them happen.
 * Does not lose names, tear sectors or fail: sim/ has the disk that does.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_BUILD_DISK_MEMORY_H
#define SUPPORT_BUILD_DISK_MEMORY_H

#include "sim/build.h"

#define BUILD_DISK_FILES_MAX 64

struct build_disk_file {
    char name[BUILD_OP_NAME_BYTES_MAX];
    uint64_t size_bytes; /* 0: no such file */
    uint8_t *seen;
    uint8_t *synced;
};

struct build_disk_memory {
    struct build_disk disk; /* what to hand to the code under test */
    struct build_disk_file files[BUILD_DISK_FILES_MAX];
    struct build_op *first; /* submitted, not carried out */
    struct build_op *last;
    uint64_t op_count;      /* carried out */
    uint64_t file_op_count; /* write_file, sync_file, rename_file, sync_names */
};

void build_disk_memory_init(struct build_disk_memory *memory);
void build_disk_memory_deinit(struct build_disk_memory *memory);

/* Carry out the first operation that waits; false when there is none. */
bool build_disk_memory_step(struct build_disk_memory *memory);

/* Answer all that waits with QR_ERR_IO, undone, so that who submitted it can be freed. */
void build_disk_memory_stop(struct build_disk_memory *memory);

/* After that: forget all that was not synced. */
void build_disk_memory_crash(struct build_disk_memory *memory);

#endif
