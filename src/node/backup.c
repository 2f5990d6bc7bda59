/* backup.c: a backup is the newest snapshot, read by whoever asks, a piece at a time.
 *
 * Owns     the readers of those that are under way. Nothing is read ahead: memory is one piece
 *          each, and who asks slowly holds up nothing but the removal of that snapshot's file.
 *          The rate of snapshots that are sent to members holds for both together.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "node/backup_file.h"
#include "node/internal.h"
#include "quorate/error.h"

static void write_head(const struct node *node, const struct snapshot_info *info, uint8_t *out)
{
    struct backup_head head = {
        .position = {info->position.term, info->position.index},
        .made_ns = node->time.wall_ns,
        .cluster = node->identity.cluster,
        .node = node->identity.id,
        .content_bytes = info->size_bytes,
        .content_checksum = info->checksum,
        .has_guarded = node->identity.has_guarded,
    };
    memcpy(head.name, node->name, sizeof(head.name));
    backup_head_encode(&head, out);
}

int node_backup_open(struct node *node, raft_index least, struct node_time time, size_t *backup,
                     uint8_t *head)
{
    const struct node_snapshots *snapshots = &node->snapshots;
    if (!node_is_running(node)) {
        return QR_ERR_STOPPED;
    }
    node->time = time;
    if (node_is_isolated(node)) {
        return QR_ERR_DIVERGED;
    }
    raft_index newest = snapshots->has_newest ? snapshots->newest.position.index : 0;
    /* One from a leader may be there that is not taken over yet: it is nobody's state here. */
    if (newest == 0 || newest < least || newest > node_raft_status(node)->applied_index ||
        snapshots->is_newest_bare) {
        return QR_ERR_NOT_FOUND;
    }
    struct wal_base position = snapshots->newest.position;
    if (!backup_position_fits((struct raft_position){position.term, position.index})) {
        return QR_ERR_TOO_LARGE;
    }
    for (size_t i = 0; i < NODE_BACKUPS_MAX; i++) {
        struct node_backup *slot = &node->backups[i];
        struct snapshot_info info;
        if (slot->reader != NULL) {
            continue;
        }
        int status = snapshot_reader_open(snapshots->store, newest, 0, &slot->reader, &info);
        if (status == 0) {
            slot->is_wanted = false;
            slot->is_reading = false;
            write_head(node, &info, head);
            *backup = i;
        }
        return status;
    }
    return QR_ERR_BUSY;
}

int node_backup_read(struct node *node, size_t backup, struct node_time time)
{
    struct node_backup *slot = &node->backups[backup];
    ASSERT(backup < NODE_BACKUPS_MAX);
    if (!node_is_running(node) || slot->reader == NULL) {
        return QR_ERR_STOPPED; /* it closed all of them by itself: node_backups_stop() */
    }
    ASSERT(!slot->is_wanted && !slot->is_reading);
    node->time = time;
    slot->is_wanted = true;
    node->needs_turn = true;
    return 0;
}

void node_backup_close(struct node *node, size_t backup)
{
    ASSERT(backup < NODE_BACKUPS_MAX);
    snapshot_reader_close(node->backups[backup].reader);
    node->backups[backup] = (struct node_backup){.reader = NULL};
}

static void tell(struct node *node, size_t backup, int status, const uint8_t *data,
                 size_t size_bytes)
{
    struct node_backup *slot = &node->backups[backup];
    slot->is_wanted = false;
    slot->is_reading = false;
    node->options.io.backup_read(node->options.io.context, backup, status, data, size_bytes);
}

void node_backups_turn(struct node *node)
{
    for (size_t i = 0; i < NODE_BACKUPS_MAX; i++) {
        struct node_backup *slot = &node->backups[i];
        if (!slot->is_wanted || slot->is_reading || node->sendings.budget_bytes <= 0) {
            continue;
        }
        int status = snapshot_reader_read(slot->reader, NODE_BACKUP_TOKEN + i);
        if (status != 0) {
            tell(node, i, status, NULL, 0);
        } else {
            slot->is_reading = true;
        }
    }
}

time_ns node_backups_deadline(const struct node *node)
{
    for (size_t i = 0; i < NODE_BACKUPS_MAX; i++) {
        if (node->backups[i].is_wanted && !node->backups[i].is_reading) { /* held by the rate */
            return node->time.now_ns + NS_PER_MS;
        }
    }
    return TIME_NEVER;
}

void node_backups_read(struct node *node, uint64_t token, int status, const uint8_t *data,
                       size_t size_bytes)
{
    size_t backup = token - NODE_BACKUP_TOKEN;
    ASSERT(backup < NODE_BACKUPS_MAX && node->backups[backup].is_reading);
    node->sendings.budget_bytes -= (int64_t)size_bytes;
    tell(node, backup, status, data, size_bytes);
}

void node_backups_stop(struct node *node)
{
    for (size_t i = 0; i < NODE_BACKUPS_MAX; i++) {
        bool is_wanted = node->backups[i].is_wanted;
        node_backup_close(node, i);
        if (is_wanted) {
            tell(node, i, QR_ERR_STOPPED, NULL, 0);
        }
    }
}
