/* recovery.h: making the data directory of a node that does not run that of a new cluster.
 *
 * Owns     the order of the steps; it stands in recovery.c.
 * Does not know who decided that, or why; nor chance: the new cluster's id is handed in.
 * Threads  one caller; the disk is used synchronously.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_RECOVERY_H
#define NODE_RECOVERY_H

#include "base/allocator.h"
#include "base/types.h"
#include "node/node.h"
#include "raft/configuration.h"
#include "raft/message.h"
#include "wal/wal.h"

#define NODE_INDEX_MAX (UINT64_MAX / 2)

struct node_recover_plan {
    struct cluster_id cluster; /* random; never used before */
    struct cluster_id former;
    struct raft_member member;     /* this node, with the address to be dialed at */
    struct raft_position position; /* of the last entry, or of the snapshot */
    bool is_reset;                 /* the log becomes empty, standing at the snapshot's position */
    bool has_guarded;              /* the log may hold guarded entries */
    raft_term term;                /* above any that a node of the former cluster had */
    time_ns timestamp_ns;          /* log time of the last entry */
};

/* Make the node the only voter of a cluster of its own, with all that its log and its snapshot
 * hold.
 *
 * is_made  set: whether the identity is durably the new one. On failure it is then such a node all
 *          the same, whose next start finishes it; when not, it may be one or the other.
 * detail   NODE_DETAIL_BYTES; on failure a sentence.
 *
 * Whatever the moment of a crash, the directory is as before, or the node starts as that voter.
 *
 * Returns 0; QR_ERR_INVALID, QR_ERR_NO_MEMORY or as wal_open(): it may then be begun, and is
 * finished by the next start or refused by it with the same words; QR_ERR_IO and QR_ERR_DISK_FULL
 * likewise.
 */
NODISCARD int node_recover(const struct allocator *allocator, const struct disk *disk,
                           const struct node_recover_plan *plan, bool *is_made, char *detail);

/* Put the entry that the identity announces into the log, unless it is there.
 *
 * Returns 0, or as wal_append_offline(), with `detail` of NODE_DETAIL_BYTES: to be tried again.
 */
NODISCARD int node_recovery_finish(const struct allocator *allocator, const struct disk *disk,
                                   struct node_identity *identity, char *detail);

/* Of a log that is looked at without its owner's options. */
struct wal_options node_offline_options(const struct allocator *allocator, const struct disk *disk,
                                        const struct node_identity *identity);

#endif
