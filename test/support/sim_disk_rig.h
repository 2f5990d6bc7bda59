/* sim_disk_rig.h: the simulator's disk under test, with operations of one byte, many times.
 *
 * Owns     the disk and the operations submitted to it.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_SIM_DISK_RIG_H
#define SUPPORT_SIM_DISK_RIG_H

#include "sim/disk.h"

#define SIM_DISK_RIG_OPS_MAX 64
#define SIM_DISK_RIG_SECTORS_MAX 16
#define SIM_DISK_RIG_PENDING 1 /* status of what is not reported yet */

struct sim_disk_rig_op {
    struct build_op op;
    struct build_part part;
    uint8_t bytes[SIM_DISK_RIG_SECTORS_MAX * SIM_DISK_SECTOR_BYTES];
};

struct sim_disk_rig {
    struct sim_disk disk;
    const struct build_disk *calls;
    struct sim_disk_rig_op ops[SIM_DISK_RIG_OPS_MAX];
    size_t op_count;
};

/* A mounted disk with a file `log` of 16 sectors of zeros. */
void sim_disk_rig_init(struct sim_disk_rig *rig, uint64_t seed);
void sim_disk_rig_deinit(struct sim_disk_rig *rig);

/* Submit a write of `count` sectors full of one byte to `log`. */
struct build_op *sim_disk_rig_write(struct sim_disk_rig *rig, uint64_t sector, uint64_t count,
                                    uint8_t byte, bool is_synced);

/* The same, carried out; returns its status. */
int sim_disk_rig_write_now(struct sim_disk_rig *rig, uint64_t sector, uint64_t count, uint8_t byte,
                           bool is_synced);

/* Submit an operation without bytes. */
struct build_op *sim_disk_rig_submit(struct sim_disk_rig *rig, enum build_op_kind kind,
                                     const char *name, uint64_t size_bytes);

/* Mount, and assert that it did. */
void sim_disk_rig_mount(struct sim_disk_rig *rig);

/* Sectors of `log`, one character each: `0` for zeros, the letter it is full of, `?` for what
 * is no single byte. With `is_durable` what the worst power loss would leave. "none": there is
 * no such file.
 */
const char *sim_disk_rig_show(struct sim_disk_rig *rig, bool is_durable, char *out);

/* Size of a file, or -1: there is none. */
int64_t sim_disk_rig_size(struct sim_disk_rig *rig, const char *name);

#endif
