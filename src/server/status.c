/* status.c: /status: one consistent picture of the node, as JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/assert.h"
#include "server/internal.h"

/* A member is three texts, each at most six times as long when escaped, and some numbers. */
#define MEMBER_BYTES (6 * (QR_NAME_BYTES_MAX + QR_ADDRESS_BYTES_MAX) + 256)
#define STATUS_BYTES (QR_MEMBERS_MAX * MEMBER_BYTES + 4096)

static void json_cluster_id(struct text *text, uint64_t high, uint64_t low)
{
    char data[33];
    struct text digits = text_of(data, sizeof(data));

    text_hex(&digits, high, 16);
    text_hex(&digits, low, 16);
    json_string(text, digits.data);
}

static void json_member(struct text *text, const struct qr_member *member)
{
    json_object_begin(text);
    json_key(text, "name");
    json_string(text, member->name);
    json_key(text, "id");
    json_hex(text, member->id, 16);
    json_key(text, "address");
    json_string(text, member->address);
    json_key(text, "kind");
    json_string(text, member->is_voter ? "voter" : "learner");
    json_key(text, "health");
    json_string(text, qr_health_name(member->health));
    json_key(text, "match_index");
    json_u64(text, member->match_index);
    json_object_end(text);
}

static void json_node(struct text *text, const struct qr_status *status)
{
    json_key(text, "node");
    json_object_begin(text);
    json_key(text, "name");
    json_string(text, status->name);
    json_key(text, "id");
    json_hex(text, status->node_id, 16);
    json_key(text, "role");
    json_string(text, qr_role_name(status->role));
    json_key(text, "version");
    json_string(text, QR_VERSION_TEXT);
    json_object_end(text);
    json_key(text, "cluster");
    json_object_begin(text);
    json_key(text, "id");
    json_cluster_id(text, status->cluster_high, status->cluster_low);
    json_key(text, "name");
    json_string(text, "");
    json_object_end(text);
}

static void json_log(struct text *text, const struct qr_status *status)
{
    json_key(text, "term");
    json_u64(text, status->term);
    json_key(text, "leader");
    json_string(text, status->has_leader ? status->leader_name : "");
    json_key(text, "first_index");
    json_u64(text, status->first_index);
    json_key(text, "last_index");
    json_u64(text, status->last_index);
    json_key(text, "commit_index");
    json_u64(text, status->commit_index);
    json_key(text, "applied_index");
    json_u64(text, status->applied_index);
    json_key(text, "snapshot_index");
    json_u64(text, status->snapshot_index);
    json_key(text, "digest");
    json_hex(text, status->digest, 16);
    json_key(text, "disk_full");
    json_bool(text, status->is_disk_full);
}

void status_json(struct server *server, struct buffer *out)
{
    const struct qr_status *status = server_status(server);
    uint8_t *room = buffer_reserve(out, STATUS_BYTES);

    if (room == NULL) {
        return;
    }
    struct text text = text_of((char *)room, STATUS_BYTES);
    json_object_begin(&text);
    json_node(&text, status);
    json_log(&text, status);
    json_key(&text, "members");
    json_array_begin(&text);
    for (size_t i = 0; i < status->member_count; i++) {
        json_member(&text, &status->members[i]);
    }
    json_array_end(&text);
    json_object_end(&text);
    text_char(&text, '\n');
    ASSERT(!text.truncated);
    out->end += text.length;
}
