/* hello.c: who is talked to: only nodes of this cluster, and the very node that was meant. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "node/internal.h"
#include "quorate/error.h"

static struct cluster_id own_cluster(const struct node *node)
{
    return node->identity.is_log_used ? node->identity.cluster : (struct cluster_id){0};
}

void node_hello(const struct node *node, bool has_expected, node_id expected,
                struct wire_hello *out)
{
    *out = (struct wire_hello){
        .version_min = WIRE_VERSION_MIN,
        .version_max = WIRE_VERSION_MAX,
        .cluster = own_cluster(node),
        .from = node->identity.id,
        .has_expected = has_expected,
        .expected = has_expected ? expected : 0,
    };
    memcpy(out->name, node->name, sizeof(out->name));
    memcpy(out->address, node->address, sizeof(out->address));
    memcpy(out->meta, node->meta, sizeof(out->meta));
}

/* A member that expects nobody may invite a node that is in no cluster; it is told what became of
 * that when it does.
 */
static bool may_invite(const struct wire_hello *hello)
{
    return !hello->has_expected && !cluster_id_is_none(hello->cluster) &&
           hello->version_max >= WIRE_VERSION_INVITES;
}

static int judge(const struct node *node, const struct wire_hello *hello, const char **reason)
{
    struct cluster_id own = own_cluster(node);
    if (node->phase == NODE_STOPPED) {
        *reason = "this node has stopped";
        return QR_ERR_STOPPED;
    }
    if (hello->version_min > WIRE_VERSION_MAX || hello->version_max < WIRE_VERSION_MIN) {
        *reason = "no version of the protocol is known to both";
        return QR_ERR_VERSION;
    }
    if (hello->from == node->identity.id) {
        *reason = "you have my node id: one data directory may run only once";
        return QR_ERR_FOREIGN;
    }
    if (hello->has_expected && hello->expected != node->identity.id) {
        *reason = "I am not the node you mean: another one runs at this address now";
        return QR_ERR_FOREIGN;
    }
    if (cluster_id_is_none(own) && !may_invite(hello)) {
        *reason = "I am in no cluster yet";
        return QR_ERR_PENDING;
    }
    if (!cluster_id_is_none(own) && !cluster_id_is_none(hello->cluster) &&
        !cluster_id_equal(hello->cluster, own)) {
        *reason = "you belong to another cluster";
        return QR_ERR_FOREIGN;
    }
    *reason = "";
    return 0;
}

int node_hello_check(struct node *node, const struct wire_hello *hello,
                     struct wire_hello_response *response)
{
    const char *reason;
    int status = judge(node, hello, &reason);
    if (status == 0) {
        node_note_peer(node, hello->from, hello->version_max);
    }
    *response = (struct wire_hello_response){
        .status = status,
        .version = WIRE_VERSION_MAX < hello->version_max ? WIRE_VERSION_MAX : hello->version_max,
        .cluster = own_cluster(node),
        .from = node->identity.id,
    };
    struct text text = text_of(response->reason, sizeof(response->reason));
    text_string(&text, reason);
    return status;
}

int node_hello_response_check(struct node *node, const struct wire_hello_response *response,
                              bool has_expected, node_id expected, const char **reason)
{
    struct cluster_id own = own_cluster(node);
    bool is_in = !cluster_id_is_none(own);
    if (response->status != 0) {
        *reason = response->reason;
        return response->status < 0 ? response->status : QR_ERR_FOREIGN; /* no error of ours */
    }
    if (response->version < WIRE_VERSION_MIN || response->version > WIRE_VERSION_MAX) {
        *reason = "it chose a version of the protocol that was not offered";
        return QR_ERR_VERSION;
    }
    bool invites = is_in && !has_expected && node->invite.is_under_way;
    if (invites && response->version < WIRE_VERSION_INVITES) {
        *reason = "it is of an earlier release, which takes no invitations";
        return QR_ERR_VERSION;
    }
    if (has_expected && response->from != expected) {
        *reason = "another node runs at this address now";
        return QR_ERR_FOREIGN;
    }
    bool may_be_invited = invites && cluster_id_is_none(response->cluster);
    if (is_in && !cluster_id_equal(own, response->cluster) && !may_be_invited) {
        *reason = "it belongs to another cluster";
        return QR_ERR_FOREIGN;
    }
    if (!is_in && !cluster_id_is_none(response->cluster) &&
        !node_may_enter(node, response->cluster)) {
        *reason = "it belongs to another cluster than the one that invited this node";
        return QR_ERR_FOREIGN;
    }
    node_note_peer(node, response->from, response->version);
    *reason = "";
    return 0;
}
