/* node_status.h: what a node tells about itself at /status, read from its JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_NODE_STATUS_H
#define CLI_NODE_STATUS_H

#include "cli/address.h"
#include "cli/http_get.h"
#include "quorate/engine.h"

#define NODE_WORD_BYTES_MAX 48 /* ids, roles, kinds, with the NUL */
#define NODE_REASON_BYTES_MAX 128
#define NODE_NEVER UINT64_MAX /* null in JSON, or not told */

struct node_status_member {
    char name[QR_NAME_BYTES_MAX];
    char id[NODE_WORD_BYTES_MAX];
    char address[QR_ADDRESS_BYTES_MAX];
    char kind[NODE_WORD_BYTES_MAX];
    char health[NODE_WORD_BYTES_MAX];
    uint64_t match_index;
    char http[QR_ADDRESS_BYTES_MAX]; /* "" when it is not told, as by version 0.1.0 */
    char client[QR_ADDRESS_BYTES_MAX];
    char progress[NODE_WORD_BYTES_MAX];
    char snapshot_error[NODE_REASON_BYTES_MAX];
    char vote[NODE_REASON_BYTES_MAX];
    uint64_t priority;
    uint64_t heard_ms; /* NODE_NEVER, as with all that ends in ms */
    uint64_t snapshot_sent_bytes;
    uint64_t snapshot_size_bytes;
    uint64_t vote_ms;
    uint64_t health_ms;
    bool is_connected; /* as version 0.1.0 tells: it is alive */
    bool is_heard;     /* its health is what gossip says */
    bool is_vote_granted;
    bool wants_vote;
    uint64_t diverged_index; /* 0: its state is that of the others, as far as is known */
    bool is_outgoing;
};

struct node_status {
    char name[QR_NAME_BYTES_MAX];
    char id[NODE_WORD_BYTES_MAX];
    char role[NODE_WORD_BYTES_MAX];
    char version[NODE_WORD_BYTES_MAX];
    char cluster[NODE_WORD_BYTES_MAX];
    char leader[QR_NAME_BYTES_MAX]; /* "" when none is known */
    char digest[NODE_WORD_BYTES_MAX];
    uint64_t term;
    uint64_t first_index;
    uint64_t last_index;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t snapshot_index;
    char transfer_to[QR_NAME_BYTES_MAX];
    char join_error[QR_REASON_BYTES_MAX];
    uint64_t age_ms;
    uint64_t leader_heard_ms;
    uint64_t quorum_lost_ms;
    uint64_t saving_ms;
    uint64_t applying_ms;
    uint64_t sync_median_us;
    uint64_t sync_99_us;
    uint64_t proposals;
    uint64_t proposals_max;
    uint64_t uncommitted_bytes;
    uint64_t uncommitted_bytes_max;
    uint64_t max_log_entries;
    uint64_t election_timeout_max_ms; /* 0: not told, as by version 0.1.0 */
    uint64_t received_bytes;
    uint64_t receive_bytes;
    uint64_t joins;
    uint64_t changes;
    bool is_disk_full;
    bool is_stalled;
    bool is_diverged;
    bool is_rebuilding;
    uint64_t diverged_index;
    uint64_t undecided_index;
    bool is_receiving;
    bool is_change_pending;
    bool is_joint;
    bool is_joining;
    size_t member_count;
    struct node_status_member members[QR_MEMBERS_MAX];
};

/* Read the JSON of /status. Strings that are too long are cut. Returns 0 or
 * QR_ERR_MALFORMED.
 */
NODISCARD int node_status_parse(const char *json, size_t size_bytes, struct node_status *out);

/* Fetch and read. Returns as http_get(), or QR_ERR_MALFORMED. */
NODISCARD int node_status_fetch(const struct cli_address *address, unsigned timeout_ms,
                                struct node_status *out);

/* The member with that id, or NULL. */
const struct node_status_member *node_status_find(const struct node_status *status, const char *id);

/* Whether it belongs to no cluster, or is only about to. */
bool node_status_is_in_no_cluster(const struct node_status *status);

/* Members of that kind ("voter"). */
size_t node_status_count(const struct node_status *status, const char *kind);

#endif
