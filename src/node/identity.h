/* identity.h: whose data directory it is: the node's id and name, and its cluster.
 *
 * Owns     the file `identity`.
 * Does not know what the log holds, but that it does.
 * Threads  any; the disk is used synchronously.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_IDENTITY_H
#define NODE_IDENTITY_H

#include "base/types.h"
#include "raft/configuration.h"
#include "wal/disk.h"

#define NODE_ALONE_BYTES_MAX 512 /* of a configuration of one member, as its entry has it */

/* How a node becomes the only voter of a new generation of its cluster: by one entry of the log,
 * that is put there as soon as the identity announces it, see recovery.c.
 */
struct node_recovery {
    bool is_pending; /* the entry is not known to be in the log */
    bool is_reset;   /* the log becomes empty below it, standing at a snapshot of base_term */
    raft_term base_term;
    raft_term term;
    raft_index index;
    time_ns timestamp_ns;
    size_t configuration_bytes;
    uint8_t configuration[NODE_ALONE_BYTES_MAX];
};

/* What of a node is kept by stores of the program's, as bits; all else is in the directory. */
enum node_stores {
    NODE_STORES_LOG = 1,
    NODE_STORES_SNAPSHOTS = 2,
    NODE_STORES_ALL = 3,
};

struct node_identity {
    node_id id;
    struct cluster_id cluster; /* none: not yet in one */
    bool is_log_used;          /* the log holds something that must not be lost */
    bool has_guarded;          /* it may hold guarded entries: 0.1.0 must not open it */
    uint8_t stores;            /* enum node_stores; for life */
    char name[RAFT_NAME_BYTES_MAX];
    struct cluster_id former; /* which this cluster was made from; none: it was begun as itself */
    struct node_recovery recovery; /* with a former cluster: where that went over */
};

/* Read the identity of a data directory. 0, QR_ERR_NOT_FOUND (none), QR_ERR_CORRUPT,
 * QR_ERR_VERSION or QR_ERR_IO, with `detail` saying what.
 */
NODISCARD int node_identity_read(const struct disk *disk, struct node_identity *out, char *detail);

/* Whether the stores of a node are those that it is opened with: 0, or QR_ERR_INVALID with a
 * sentence, `detail` of NODE_DETAIL_BYTES. Without any (0) for what looks at the directory alone.
 */
NODISCARD int node_identity_check_stores(const struct node_identity *identity, uint8_t stores,
                                         char *detail);

#endif
