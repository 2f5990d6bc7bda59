/* node_status.c: what a node tells about itself at /status. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/node_status.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* The string at `key`, cut to `size_bytes`; "" when it is null or missing. */
static void string_read(const json_t *object, const char *key, char *out, size_t size_bytes)
{
    const char *value = json_string_value(json_object_get(object, key));
    snprintf(out, size_bytes, "%s", value == NULL ? "" : value);
}

static uint64_t number_read(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value < 0 ? 0 : (uint64_t)value;
}

static uint64_t since_read(const json_t *object, const char *key)
{
    return json_is_integer(json_object_get(object, key)) ? number_read(object, key) : NODE_NEVER;
}

static bool bool_read(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static void member_read(const json_t *object, struct node_status_member *out)
{
    string_read(object, "name", out->name, sizeof(out->name));
    string_read(object, "id", out->id, sizeof(out->id));
    string_read(object, "address", out->address, sizeof(out->address));
    string_read(object, "kind", out->kind, sizeof(out->kind));
    string_read(object, "health", out->health, sizeof(out->health));
    out->match_index = number_read(object, "match_index");
    string_read(object, "http", out->http, sizeof(out->http));
    string_read(object, "client", out->client, sizeof(out->client));
    string_read(object, "progress", out->progress, sizeof(out->progress));
    string_read(object, "snapshot_error", out->snapshot_error, sizeof(out->snapshot_error));
    string_read(object, "vote", out->vote, sizeof(out->vote));
    /* A member of version 0.1.0 tells none: then it has the ordinary one. */
    out->priority =
        json_object_get(object, "priority") == NULL ? 1 : number_read(object, "priority");
    out->heard_ms = since_read(object, "heard_ms");
    out->snapshot_sent_bytes = number_read(object, "snapshot_sent_bytes");
    out->snapshot_size_bytes = number_read(object, "snapshot_size_bytes");
    out->vote_ms = since_read(object, "vote_ms");
    out->health_ms = since_read(object, "health_ms");
    out->is_heard = bool_read(object, "heard");
    out->is_connected = json_object_get(object, "connected") == NULL
                            ? strcmp(out->health, "alive") == 0
                            : bool_read(object, "connected");
    out->is_vote_granted = bool_read(object, "vote_granted");
    out->wants_vote = bool_read(object, "wants_vote");
    out->diverged_index = number_read(object, "diverged_index");
    out->is_outgoing = bool_read(object, "outgoing");
}

/* What it waits for; what is not told, as by version 0.1.0, is 0, "" or never. */
static void waits_read(const json_t *root, struct node_status *out)
{
    string_read(root, "transfer_to", out->transfer_to, sizeof(out->transfer_to));
    string_read(root, "join_error", out->join_error, sizeof(out->join_error));
    out->age_ms = since_read(root, "age_ms");
    out->leader_heard_ms = since_read(root, "leader_heard_ms");
    out->quorum_lost_ms = since_read(root, "quorum_lost_ms");
    out->saving_ms = number_read(root, "saving_ms");
    out->applying_ms = number_read(root, "applying_ms");
    out->sync_median_us = number_read(root, "sync_median_us");
    out->sync_99_us = number_read(root, "sync_99_us");
    out->proposals = number_read(root, "proposals");
    out->proposals_max = number_read(root, "proposals_max");
    out->uncommitted_bytes = number_read(root, "uncommitted_bytes");
    out->uncommitted_bytes_max = number_read(root, "uncommitted_bytes_max");
    out->max_log_entries = number_read(root, "max_log_entries");
    out->election_timeout_max_ms = number_read(root, "election_timeout_max_ms");
    out->received_bytes = number_read(root, "received_bytes");
    out->receive_bytes = number_read(root, "receive_bytes");
    out->joins = number_read(root, "joins");
    out->changes = number_read(root, "changes");
    out->is_disk_full = bool_read(root, "disk_full");
    out->is_stalled = bool_read(root, "stalled");
    out->is_diverged = bool_read(root, "diverged");
    out->is_rebuilding = bool_read(root, "rebuilding");
    out->diverged_index = number_read(root, "diverged_index");
    out->undecided_index = number_read(root, "undecided_index");
    out->is_receiving = bool_read(root, "receiving");
    out->is_change_pending = bool_read(root, "change_pending");
    out->is_joint = bool_read(root, "joint");
    out->is_joining = bool_read(root, "joining");
}

static void status_read(const json_t *root, struct node_status *out)
{
    const json_t *node = json_object_get(root, "node");
    const json_t *members = json_object_get(root, "members");
    string_read(node, "name", out->name, sizeof(out->name));
    string_read(node, "id", out->id, sizeof(out->id));
    string_read(node, "role", out->role, sizeof(out->role));
    string_read(node, "version", out->version, sizeof(out->version));
    string_read(json_object_get(root, "cluster"), "id", out->cluster, sizeof(out->cluster));
    string_read(root, "leader", out->leader, sizeof(out->leader));
    string_read(root, "digest", out->digest, sizeof(out->digest));
    out->term = number_read(root, "term");
    out->first_index = number_read(root, "first_index");
    out->last_index = number_read(root, "last_index");
    out->commit_index = number_read(root, "commit_index");
    out->applied_index = number_read(root, "applied_index");
    out->snapshot_index = number_read(root, "snapshot_index");
    waits_read(root, out);
    out->member_count = 0;
    for (size_t i = 0; i < json_array_size(members) && i < QR_MEMBERS_MAX; i++) {
        member_read(json_array_get(members, i), &out->members[out->member_count++]);
    }
}

int node_status_parse(const char *json, size_t size_bytes, struct node_status *out)
{
    json_error_t error;
    json_t *root = json_loadb(json, size_bytes, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        return QR_ERR_MALFORMED;
    }
    bool is_status = json_is_object(json_object_get(root, "node")) &&
                     json_is_array(json_object_get(root, "members"));
    if (is_status) {
        status_read(root, out);
    }
    json_decref(root);
    return is_status ? 0 : QR_ERR_MALFORMED;
}

int node_status_fetch(const struct cli_address *address, unsigned timeout_ms,
                      struct node_status *out)
{
    struct http_body body;
    int status = http_get(address, "/status", timeout_ms, &body);
    if (status != 0) {
        return status;
    }
    status = node_status_parse(body.data, body.size_bytes, out);
    free(body.data);
    return status;
}

const struct node_status_member *node_status_find(const struct node_status *status, const char *id)
{
    for (size_t i = 0; i < status->member_count; i++) {
        if (strcmp(status->members[i].id, id) == 0) {
            return &status->members[i];
        }
    }
    return NULL;
}

bool node_status_is_in_no_cluster(const struct node_status *status)
{
    return status->is_joining || strspn(status->cluster, "0") == strlen(status->cluster);
}

size_t node_status_count(const struct node_status *status, const char *kind)
{
    size_t count = 0;
    for (size_t i = 0; i < status->member_count; i++) {
        count += strcmp(status->members[i].kind, kind) == 0;
    }
    return count;
}
