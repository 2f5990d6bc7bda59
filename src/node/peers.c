/* peers.c: which version of the protocol each node said that it speaks, in this life of ours. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "node/internal.h"

static bool is_member(const struct node *node, node_id id)
{
    return node->raft != NULL && raft_configuration_find(raft_configuration(node->raft), id) >= 0;
}

/* Where the version of `id` stands, or may: a place of its own, a free one, or else a stranger's.
 * Members are fewer than places, so there is one. Who is not taken in yet knows only strangers.
 */
static struct node_peer *place_of(struct node *node, node_id id)
{
    struct node_peer *unused = NULL;
    struct node_peer *strangers = NULL;
    for (size_t i = 0; i < NODE_PEERS_MAX; i++) {
        struct node_peer *peer = &node->peers[i];
        if (peer->version != 0 && peer->id == id) {
            return peer;
        }
        if (peer->version == 0) {
            unused = unused == NULL ? peer : unused;
        } else if (strangers == NULL && !is_member(node, peer->id)) {
            strangers = peer;
        }
    }
    return unused != NULL ? unused : strangers;
}

void node_note_peer(struct node *node, node_id id, uint32_t version)
{
    struct node_peer *peer = place_of(node, id);
    ASSERT(peer != NULL);
    *peer = (struct node_peer){id, version};
    node_compare_forget(node, id);
}

uint32_t node_peer_version(const struct node *node, node_id id)
{
    for (size_t i = 0; i < NODE_PEERS_MAX; i++) {
        if (node->peers[i].version != 0 && node->peers[i].id == id) {
            return node->peers[i].version;
        }
    }
    return 0;
}

/* Whether it may not understand guarded entries, and is waited for. Not a newcomer that was not
 * met: it may never come, no quorum needs it, and one that is too old fares as if it joined later.
 */
static bool is_in_the_way(const struct node *node, const struct raft_member *member)
{
    uint32_t version = node_peer_version(node, member->id);
    bool may_never_come = version == 0 && (member->roles & RAFT_PROMOTABLE) != 0;
    return member->id != node->identity.id && version < WIRE_VERSION_WITH_GUARDED &&
           !may_never_come;
}

bool node_may_guard(const struct node *node)
{
    if (node->sessions.is_used) {
        return true;
    }
    const struct raft_configuration *configuration = raft_configuration(node->raft);
    for (size_t i = 0; i < configuration->count; i++) {
        if (is_in_the_way(node, &configuration->members[i])) {
            return false;
        }
    }
    return true;
}
