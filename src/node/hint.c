/* hint.c: what others say of the leader, handed on to the Raft machine, which decides by itself. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "node/internal.h"

void node_hint_leader_lost(struct node *node, node_id leader, raft_term term, struct node_time time)
{
    node->time = time;
    if (!node_is_running(node)) {
        return;
    }
    int status = node_step(
        node, (struct raft_event){.type = RAFT_EVENT_LEADER_LOST, .leader_lost = {leader, term}});
    ASSERT(status == 0);
}
