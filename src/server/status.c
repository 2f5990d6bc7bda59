/* status.c: /status: one consistent picture of the node, as JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "server/internal.h"

/* A member is a few texts, each at most six times as long when escaped, and some numbers. */
#define MEMBER_BYTES (6 * (QR_NAME_BYTES_MAX + 3 * QR_ADDRESS_BYTES_MAX) + 2048)
#define STATUS_BYTES (QR_MEMBERS_MAX * MEMBER_BYTES + 6 * QR_REASON_BYTES_MAX + 8192)

static void json_cluster_id(struct text *text, uint64_t high, uint64_t low)
{
    char data[33];
    struct text digits = text_of(data, sizeof(data));

    text_hex(&digits, high, 16);
    text_hex(&digits, low, 16);
    text_json_string(text, digits.data);
}

static void json_number(struct text *text, const char *key, uint64_t value)
{
    text_json_key(text, key);
    text_json_u64(text, value);
}

static void json_bool(struct text *text, const char *key, bool value)
{
    text_json_key(text, key);
    text_json_bool(text, value);
}

static void json_string(struct text *text, const char *key, const char *value)
{
    text_json_key(text, key);
    text_json_string(text, value);
}

/* Milliseconds; null for what never was, or is not known. */
static void json_since(struct text *text, const char *key, uint64_t value)
{
    text_json_key(text, key);
    if (value == QR_AGE_UNKNOWN) {
        text_json_null(text);
    } else {
        text_json_u64(text, value);
    }
}

/* What is known only where it leads, or wanted to. */
static void json_dealings(struct text *text, const struct qr_member *member)
{
    json_string(text, "progress", qr_progress_name(member->progress));
    json_since(text, "heard_ms", member->heard_ms);
    json_number(text, "inflight_bytes", member->inflight_bytes);
    json_number(text, "snapshot_sent_bytes", member->snapshot_sent_bytes);
    json_number(text, "snapshot_size_bytes", member->snapshot_size_bytes);
    json_string(text, "snapshot_error",
                member->snapshot_error == 0 ? "" : qr_error_text(member->snapshot_error));
    json_string(text, "vote", member->vote == NULL ? "" : member->vote);
    json_bool(text, "vote_granted", member->has_granted);
    json_since(text, "vote_ms", member->vote_ms);
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
    text_json_string(text, member_kind(member));
    text_json_key(text, "health");
    text_json_string(text, qr_health_name(member->health));
    text_json_key(text, "match_index");
    text_json_u64(text, member->match_index);
    json_since(text, "health_ms", member->health_ms);
    json_bool(text, "heard", member->is_heard);
    json_bool(text, "connected", member->is_connected);
    json_number(text, "incarnation", member->incarnation);
    member_json_services(text, member);
    json_bool(text, "wants_vote", member->wants_vote);
    json_bool(text, "diverged", member->diverged_index > 0);
    json_number(text, "diverged_index", member->diverged_index);
    json_bool(text, "outgoing", member->is_outgoing);
    json_number(text, "priority", member->priority);
    json_dealings(text, member);
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
    json_bool(text, "leader_by_gossip", status->is_leader_by_gossip);
    json_number(text, "leader_term", status->leader_term);
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
    json_since(text, "age_ms", status->age_ms);
    text_json_key(text, "disk_full");
    text_json_bool(text, status->is_disk_full);
}

/* Whether its state is that of the others. */
static void json_divergence(struct text *text, const struct qr_status *status)
{
    json_bool(text, "diverged", status->is_diverged);
    json_bool(text, "rebuilding", status->is_rebuilding);
    json_number(text, "diverged_index", status->diverged_index);
    text_json_key(text, "diverged_digest");
    text_json_hex(text, status->diverged_digest, 16);
    text_json_key(text, "agreed_digest");
    text_json_hex(text, status->agreed_digest, 16);
    json_number(text, "undecided_index", status->undecided_index);
}

/* What the node waits for, and how long what it does takes. */
static void json_waits(struct text *text, const struct qr_status *status)
{
    json_number(text, "durable_index", status->durable_index);
    json_since(text, "leader_heard_ms", status->leader_heard_ms);
    json_since(text, "quorum_lost_ms", status->quorum_lost_ms);
    json_bool(text, "stalled", status->is_stalled);
    json_divergence(text, status);
    json_number(text, "saving_ms", status->saving_ms);
    json_number(text, "applying_ms", status->applying_ms);
    json_number(text, "sync_median_us", status->sync_median_us);
    json_number(text, "sync_99_us", status->sync_99_us);
    json_number(text, "proposals", status->pending_count);
    json_number(text, "proposals_max", status->pending_count_max);
    json_number(text, "uncommitted_bytes", status->uncommitted_bytes);
    json_number(text, "uncommitted_bytes_max", status->uncommitted_bytes_max);
    json_number(text, "log_size_bytes", status->log_size_bytes);
    json_number(text, "max_log_entries", status->log_entries_max);
    json_number(text, "election_timeout_max_ms", status->election_timeout_max_ms);
    json_bool(text, "receiving", status->is_receiving);
    json_number(text, "received_bytes", status->received_bytes);
    json_number(text, "receive_bytes", status->receive_bytes);
}

/* Of the cluster: what is changing, and who waits for it. */
static void json_changes(struct text *text, const struct qr_status *status)
{
    json_bool(text, "change_pending", status->is_change_pending);
    json_bool(text, "joint", status->is_joint);
    json_number(text, "joins", status->joins_count);
    json_number(text, "changes", status->changes_count);
    json_string(text, "transfer_to", status->transferee_name);
    json_bool(text, "joining", status->is_joining);
    json_string(text, "join_error", status->join_error == 0 ? "" : status->join_reason);
}

/* Its part in gossip. */
static void json_swim(struct text *text, const struct qr_status *status)
{
    const struct qr_swim_status *swim = &status->swim;

    text_json_key(text, "swim");
    text_json_object_begin(text);
    json_bool(text, "on", swim->is_on);
    json_bool(text, "joined", swim->is_joined);
    json_bool(text, "leaving", swim->is_leaving);
    json_number(text, "incarnation", swim->incarnation);
    text_json_key(text, "members_digest");
    text_json_hex(text, swim->digest, 16);
    json_number(text, "local_health", swim->local_health);
    json_number(text, "live", swim->live_count);
    json_number(text, "suspect", swim->suspect_count);
    json_number(text, "dead", swim->dead_count);
    json_number(text, "left", swim->left_count);
    json_number(text, "queued", swim->queued_count);
    json_number(text, "leader_term", swim->leader_term);
    json_number(text, "unlisted", status->unlisted_count);
    text_json_object_end(text);
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
    json_waits(&text, status);
    json_changes(&text, status);
    json_swim(&text, status);
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
