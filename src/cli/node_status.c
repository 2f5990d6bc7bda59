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

static void member_read(const json_t *object, struct node_status_member *out)
{
    string_read(object, "name", out->name, sizeof(out->name));
    string_read(object, "id", out->id, sizeof(out->id));
    string_read(object, "address", out->address, sizeof(out->address));
    string_read(object, "kind", out->kind, sizeof(out->kind));
    string_read(object, "health", out->health, sizeof(out->health));
    out->match_index = number_read(object, "match_index");
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

size_t node_status_count(const struct node_status *status, const char *kind)
{
    size_t count = 0;
    for (size_t i = 0; i < status->member_count; i++) {
        count += strcmp(status->members[i].kind, kind) == 0;
    }
    return count;
}
