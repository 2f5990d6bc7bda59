/* status.c: fuzzes what the program reads of a node's /status.
 *
 * Asserts  that strings end in their arrays and members keep to their limit.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/node_status.h"
#include "fuzz/fuzz.h"

static void check_ends(const char *string, size_t size_bytes)
{
    ASSERT(memchr(string, '\0', size_bytes) != NULL);
}

static void check_member(const struct node_status_member *member)
{
    check_ends(member->name, sizeof(member->name));
    check_ends(member->id, sizeof(member->id));
    check_ends(member->address, sizeof(member->address));
    check_ends(member->kind, sizeof(member->kind));
    check_ends(member->health, sizeof(member->health));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct node_status status;
    memset(&status, 'x', sizeof(status));
    int error = node_status_parse((const char *)data, size_bytes, &status);
    if (error != 0) {
        ASSERT(error == QR_ERR_MALFORMED);
        return 0;
    }
    check_ends(status.name, sizeof(status.name));
    check_ends(status.id, sizeof(status.id));
    check_ends(status.role, sizeof(status.role));
    check_ends(status.version, sizeof(status.version));
    check_ends(status.cluster, sizeof(status.cluster));
    check_ends(status.leader, sizeof(status.leader));
    check_ends(status.digest, sizeof(status.digest));
    ASSERT(status.member_count <= QR_MEMBERS_MAX);
    for (size_t i = 0; i < status.member_count; i++) {
        check_member(&status.members[i]);
    }
    ASSERT(node_status_count(&status, "voter") + node_status_count(&status, "learner") <=
           status.member_count);
    return 0;
}
