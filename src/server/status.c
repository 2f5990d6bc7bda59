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
    text_json_string(text, digits.data);
}

static void json_member(struct text *text, const struct qr_member *member)
{
    text_json_object_begin(text);
    text_json_key(text, "name");
    text_json_string(text, member->name);
    text_json_key(text, "id");
    text_json_hex(text, member->id, 16);
    text_json_key(text, "address");
    text_json_string(text, member->address);
    text_json_key(text, "kind");
    text_json_string(text, member->is_voter ? "voter" : "learner");
    text_json_key(text, "health");
    text_json_string(text, qr_health_name(member->health));
    text_json_key(text, "match_index");
    text_json_u64(text, member->match_index);
    text_json_object_end(text);
}

static void json_node(struct text *text, const struct qr_status *status)
{
    text_json_key(text, "node");
    text_json_object_begin(text);
    text_json_key(text, "name");
    text_json_string(text, status->name);
    text_json_key(text, "id");
    text_json_hex(text, status->node_id, 16);
    text_json_key(text, "role");
    text_json_string(text, qr_role_name(status->role));
    text_json_key(text, "version");
    text_json_string(text, QR_VERSION_TEXT);
    text_json_object_end(text);
    text_json_key(text, "cluster");
    text_json_object_begin(text);
    text_json_key(text, "id");
    json_cluster_id(text, status->cluster_high, status->cluster_low);
    text_json_key(text, "name");
    text_json_string(text, "");
    text_json_object_end(text);
}

static void json_log(struct text *text, const struct qr_status *status)
{
    text_json_key(text, "term");
    text_json_u64(text, status->term);
    text_json_key(text, "leader");
    text_json_string(text, status->has_leader ? status->leader_name : "");
    text_json_key(text, "first_index");
    text_json_u64(text, status->first_index);
    text_json_key(text, "last_index");
    text_json_u64(text, status->last_index);
    text_json_key(text, "commit_index");
    text_json_u64(text, status->commit_index);
    text_json_key(text, "applied_index");
    text_json_u64(text, status->applied_index);
    text_json_key(text, "snapshot_index");
    text_json_u64(text, status->snapshot_index);
    text_json_key(text, "digest");
    text_json_hex(text, status->digest, 16);
    text_json_key(text, "age_ms");
    if (status->age_ms == QR_AGE_UNKNOWN) {
        text_json_null(text);
    } else {
        text_json_u64(text, status->age_ms);
    }
    text_json_key(text, "disk_full");
    text_json_bool(text, status->is_disk_full);
}

void status_json(struct server *server, struct buffer *out)
{
    const struct qr_status *status = server_status(server);
    uint8_t *room = buffer_reserve(out, STATUS_BYTES);

    if (room == NULL) {
        return;
    }
    struct text text = text_of((char *)room, STATUS_BYTES);
    text_json_object_begin(&text);
    json_node(&text, status);
    json_log(&text, status);
    text_json_key(&text, "members");
    text_json_array_begin(&text);
    for (size_t i = 0; i < status->member_count; i++) {
        json_member(&text, &status->members[i]);
    }
    text_json_array_end(&text);
    text_json_object_end(&text);
    text_char(&text, '\n');
    ASSERT(!text.truncated);
    out->end += text.length;
}
