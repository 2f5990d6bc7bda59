/* node_status.h: what a node tells about itself at /status, read from its JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_NODE_STATUS_H
#define CLI_NODE_STATUS_H

#include "cli/address.h"
#include "cli/http_get.h"

#define NODE_WORD_BYTES_MAX 48 /* ids, roles, kinds, with the NUL */

struct node_status_member {
    char name[QR_NAME_BYTES_MAX];
    char id[NODE_WORD_BYTES_MAX];
    char address[QR_ADDRESS_BYTES_MAX];
    char kind[NODE_WORD_BYTES_MAX];
    char health[NODE_WORD_BYTES_MAX];
    uint64_t match_index;
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

/* Members of that kind ("voter"). */
size_t node_status_count(const struct node_status *status, const char *kind);

#endif
