/* cluster.c: CLUSTER: the members as cluster-aware clients of Redis see them.
 *
 * The leader owns all slots, the other members are its replicas. Addresses come from what
 * each member told about itself (member.c); one that told nothing is left out.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "server/crc16.h"
#include "server/internal.h"
#include "server/meta.h"

#define NODE_ID_DIGITS 40
#define NODE_LINE_BYTES 512

/* A member with an address for clients. */
struct node {
    const struct qr_member *member;
    char host[QR_ADDRESS_BYTES_MAX];
    uint16_t port;
    bool is_leader;
    bool is_myself;
    bool is_gone; /* dead, or left */
};

void cluster_node_id(struct text *text, uint64_t id)
{
    text_hex(text, id, 16);
    text_string(text, "000000000000000000000000");
}

/* False when the member told no address. */
static bool node_of(const struct qr_status *status, size_t position, struct node *out)
{
    const struct qr_member *member = &status->members[position];

    ASSERT(position < status->member_count);
    if (!member_client(member, out->host, sizeof(out->host), &out->port)) {
        return false;
    }
    out->member = member;
    out->is_leader = status->has_leader && member->id == status->leader_id;
    out->is_myself = member->id == status->node_id;
    out->is_gone = member->health == QR_DEAD || member->health == QR_LEFT;
    return true;
}

bool cluster_other_leader(struct server *server, char *host, size_t host_bytes, uint16_t *port)
{
    const struct qr_status *status = server_status(server);

    return status->leader_id != status->node_id &&
           member_leader_client(status, host, host_bytes, port);
}

static void reply_node_id(const struct reply *reply, uint64_t id)
{
    char data[NODE_ID_DIGITS + 1];
    struct text text = text_of(data, sizeof(data));

    cluster_node_id(&text, id);
    ASSERT(text.length == NODE_ID_DIGITS);
    reply_bulk(reply, text.data, text.length);
}

/* Nodes that clients may be sent to: the leader, then the others that are there, but for observers,
 * which have no data.
 */
static size_t serving_nodes(const struct qr_status *status, struct node *out)
{
    size_t count = 0;
    struct node node;

    for (size_t i = 0; i < status->member_count; i++) {
        bool is_fit = node_of(status, i, &node) && !node.member->is_observer;
        if (!is_fit || (node.is_gone && !node.is_leader)) {
            continue;
        }
        out[count] = node;
        if (node.is_leader) {
            out[count] = out[0];
            out[0] = node;
        }
        count++;
    }
    return count > 0 && out[0].is_leader ? count : 0;
}

static void reply_no_leader(const struct reply *reply)
{
    reply_error(reply, "CLUSTERDOWN no leader is known");
}

static void reply_slots(const struct reply *reply, const struct qr_status *status)
{
    struct node nodes[QR_MEMBERS_MAX];
    size_t count = serving_nodes(status, nodes);

    if (count == 0) {
        reply_no_leader(reply);
        return;
    }
    reply_array(reply, 1);
    reply_array(reply, 2 + count);
    reply_integer(reply, 0);
    reply_integer(reply, SERVER_SLOT_COUNT - 1);
    for (size_t i = 0; i < count; i++) {
        reply_array(reply, 4);
        reply_string(reply, nodes[i].host);
        reply_integer(reply, nodes[i].port);
        reply_node_id(reply, nodes[i].member->id);
        reply_array(reply, 0);
    }
}

static void reply_shard_node(const struct reply *reply, const struct node *node)
{
    reply_map(reply, 7);
    reply_string(reply, "id");
    reply_node_id(reply, node->member->id);
    reply_string(reply, "port");
    reply_integer(reply, node->port);
    reply_string(reply, "ip");
    reply_string(reply, node->host);
    reply_string(reply, "endpoint");
    reply_string(reply, node->host);
    reply_string(reply, "role");
    reply_string(reply, node->is_leader ? "master" : "replica");
    reply_string(reply, "replication-offset");
    reply_integer(reply, (int64_t)node->member->match_index);
    reply_string(reply, "health");
    reply_string(reply, node->is_gone ? "fail" : "online");
}

static void reply_shards(const struct reply *reply, const struct qr_status *status)
{
    struct node nodes[QR_MEMBERS_MAX];
    size_t count = serving_nodes(status, nodes);

    if (count == 0) {
        reply_no_leader(reply);
        return;
    }
    reply_array(reply, 1);
    reply_map(reply, 2);
    reply_string(reply, "slots");
    reply_array(reply, 2);
    reply_integer(reply, 0);
    reply_integer(reply, SERVER_SLOT_COUNT - 1);
    reply_string(reply, "nodes");
    reply_array(reply, count);
    for (size_t i = 0; i < count; i++) {
        reply_shard_node(reply, &nodes[i]);
    }
}

/* The port that members talk to each other on. */
static uint16_t peer_port(const struct qr_member *member)
{
    char host[QR_ADDRESS_BYTES_MAX];
    uint16_t port = 0;

    return server_address_split(member->address, strlen(member->address), host, sizeof(host),
                                &port) == 0
               ? port
               : 0;
}

/* id ip:port@cport flags master ping-sent pong-received epoch link slots */
static void describe_node(const struct qr_status *status, const struct node *node,
                          struct text *line)
{
    cluster_node_id(line, node->member->id);
    text_char(line, ' ');
    text_string(line, node->host);
    text_char(line, ':');
    text_u64(line, node->port);
    text_char(line, '@');
    text_u64(line, peer_port(node->member));
    text_string(line, node->is_myself ? " myself," : " ");
    text_string(line, node->is_leader ? "master" : "slave");
    text_string(line, node->is_gone ? ",fail " : " ");
    if (node->is_leader || !status->has_leader) {
        text_char(line, '-');
    } else {
        cluster_node_id(line, status->leader_id);
    }
    text_string(line, " 0 0 ");
    text_u64(line, status->term);
    text_string(line, node->is_gone ? " disconnected" : " connected");
    text_string(line, node->is_leader ? " 0-16383\n" : "\n");
}

static void reply_nodes(const struct reply *reply, const struct qr_status *status)
{
    struct buffer lines = {0};
    struct node node;

    for (size_t i = 0; i < status->member_count; i++) {
        char data[NODE_LINE_BYTES];
        struct text line = text_of(data, sizeof(data));
        if (node_of(status, i, &node)) {
            describe_node(status, &node, &line);
            buffer_append(&lines, line.data, line.length);
        }
    }
    if (lines.failed) {
        reply_error(reply, "TRYAGAIN memory ran out; nothing was changed");
    } else {
        reply_verbatim(reply, (const char *)buffer_at(&lines), buffer_bytes(&lines));
    }
    buffer_free(&lines);
}

static void info_line(struct text *text, const char *name, uint64_t value)
{
    text_string(text, name);
    text_char(text, ':');
    text_u64(text, value);
    text_string(text, "\r\n");
}

static void reply_info(const struct reply *reply, const struct qr_status *status)
{
    char data[1024];
    struct text text = text_of(data, sizeof(data));
    uint64_t slot_count = status->has_leader ? SERVER_SLOT_COUNT : 0;

    text_string(&text, "cluster_enabled:1\r\ncluster_state:");
    text_string(&text, status->has_leader ? "ok\r\n" : "fail\r\n");
    info_line(&text, "cluster_slots_assigned", SERVER_SLOT_COUNT);
    info_line(&text, "cluster_slots_ok", slot_count);
    info_line(&text, "cluster_slots_pfail", 0);
    info_line(&text, "cluster_slots_fail", SERVER_SLOT_COUNT - slot_count);
    info_line(&text, "cluster_known_nodes", status->member_count);
    info_line(&text, "cluster_size", 1);
    info_line(&text, "cluster_current_epoch", status->term);
    info_line(&text, "cluster_my_epoch", status->term);
    ASSERT(!text.truncated);
    reply_verbatim(reply, text.data, text.length);
}

enum dispatch_outcome cmd_cluster(struct client *client, const struct kv_argument *arguments,
                                  size_t count)
{
    const struct kv_argument *sub = &arguments[1];
    const struct qr_status *status = server_status(client->server);
    struct reply reply = pipeline_reply(client);

    client->uses_cluster = true;
    if (count == 2 && word_is(sub, "SLOTS")) {
        reply_slots(&reply, status);
    } else if (count == 2 && word_is(sub, "SHARDS")) {
        reply_shards(&reply, status);
    } else if (count == 2 && word_is(sub, "NODES")) {
        reply_nodes(&reply, status);
    } else if (count == 2 && word_is(sub, "INFO")) {
        reply_info(&reply, status);
    } else if (count == 2 && word_is(sub, "MYID")) {
        reply_node_id(&reply, status->node_id);
    } else if (count == 3 && word_is(sub, "KEYSLOT")) {
        reply_integer(&reply, server_key_slot(arguments[2].data, arguments[2].size_bytes));
    } else {
        reply_unknown_subcommand(&reply, "CLUSTER", sub);
    }
    return DISPATCH_DONE;
}
