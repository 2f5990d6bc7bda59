/* sim_log.h: a real log on the simulator's disk, and a model of what it must hold.
 *
 * Owns     the disk, the log, the model: the state after every accepted append, and how many
 *          of them were acknowledged.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_SIM_LOG_H
#define SUPPORT_SIM_LOG_H

#include "sim/disk.h"
#include "support/heap.h"
#include "wal/wal.h"

#define SIM_LOG_NODE UINT64_C(0xd15c)
#define SIM_LOG_APPENDS_MAX 512
#define SIM_LOG_ENTRIES_MAX 4096
#define SIM_LOG_IN_FLIGHT_MAX 8

struct sim_log_append {
    uint64_t ticket;
    raft_index first;
    size_t count;
    struct hard_state hard_state; /* its term is the entries' */
};

struct sim_log_op;

struct sim_log {
    struct heap heap;
    struct sim_disk disk;
    struct disk adapter; /* the disk as src/wal sees it */
    struct sim_log_op *ops;
    struct wal_options options;
    struct entry_arena arena;
    struct wal *wal; /* NULL while closed */
    struct wal_recovered recovered;
    char detail[WAL_ERROR_DETAIL_BYTES];
    struct sim_log_append appends[SIM_LOG_APPENDS_MAX];
    size_t append_count;
    size_t acknowledged; /* of them */
    uint64_t ticket;
    raft_index last_index;
    raft_term term;
    struct hard_state vote; /* what appends of its term say; else a vote that tells them apart */
    bool is_poisoned;
};

/* A new disk, mounted; nothing is opened. */
void sim_log_init(struct sim_log *log, uint64_t seed);
void sim_log_deinit(struct sim_log *log);

/* Mount and open. When it opens, the model is cut to what was found, and *is_kept says whether
 * that is all that was acknowledged and nothing that was never appended.
 *
 * Returns what sim_disk_mount() or wal_open() did.
 */
int sim_log_open(struct sim_log *log, bool *is_kept);

/* Append `count` entries of the present term from `first` on; nothing is carried out yet. */
int sim_log_append(struct sim_log *log, raft_index first, size_t count, uint32_t payload_bytes);

/* The same, and everything carried out: acknowledged, unless something fails. */
void sim_log_append_now(struct sim_log *log, raft_index first, size_t count,
                        uint32_t payload_bytes);

/* Note in the log what is synced. */
void sim_log_mark(struct sim_log *log);

/* Carry out everything that is pending. */
void sim_log_run(struct sim_log *log);

/* The process or the machine goes down; the log is freed. */
void sim_log_process_crash(struct sim_log *log);
void sim_log_power_loss(struct sim_log *log);

/* Do something that a node may do to its log: append, replace, vote, mark, wait. */
void sim_log_act(struct sim_log *log, struct prng *prng);

#endif
