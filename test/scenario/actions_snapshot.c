/* actions_snapshot.c: commands about compaction and snapshots. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "scenario/actions.h"

void action_snapshot(const struct command *command)
{
    node_id id = command_node(command, 1);
    if (!snapshot_take(command->cluster, id)) {
        command_fail(command, "nothing was applied since the last one");
    }
}

/* compact ID [INDEX] */
void action_compact(const struct command *command)
{
    node_id id = command_node(command, 1);
    const struct node *node = &command->cluster->nodes[id];
    raft_index index = node->snapshot.index;
    if (command->count > 2) {
        index = command_number(command, command->words[2]);
    }
    if (index > node->snapshot.index) {
        command_fail(command, "a snapshot must be there first");
    }
    snapshot_compact(command->cluster, id, index);
}

static node_id peer_of(const struct command *command)
{
    node_id peer = command_number(command, command->count > 2 ? command->words[2] : "");
    if (peer >= NODES_MAX) {
        command_fail(command, "which peer?");
    }
    return peer;
}

/* send-piece ID PEER [offset=N] [count=N] */
void action_send_piece(const struct command *command)
{
    node_id id = command_node(command, 1);
    node_id peer = peer_of(command);
    uint64_t offset = command_option_number(command, "offset", 0);
    uint64_t count = command_option_number(command, "count", STATE_BYTES);
    (void)snapshot_send(command->cluster, id, peer, offset, (size_t)count);
}

/* end-sending ID PEER [failed|version] */
void action_end_sending(const struct command *command)
{
    struct raft_event event = {.type = RAFT_EVENT_SENDING_ENDED};
    node_id id = command_node(command, 1);
    event.sending_ended.peer = peer_of(command);
    if (command->count > 3) {
        event.sending_ended.status =
            strcmp(command->words[3], "version") == 0 ? QR_ERR_VERSION : QR_ERR_TIMEOUT;
    }
    command->cluster->nodes[id].is_sending[event.sending_ended.peer] = false;
    (void)cluster_step(command->cluster, id, event);
}

/* installed ID [error] */
void action_installed(const struct command *command)
{
    node_id id = command_node(command, 1);
    bool is_error = command->count > 2 && strcmp(command->words[2], "error") == 0;
    bool is_done =
        is_error ? snapshot_fail(command->cluster, id) : snapshot_install(command->cluster, id);
    if (!is_done) {
        command_fail(command, "no snapshot is there to be installed");
    }
}

void action_hold_sendings(const struct command *command)
{
    command->cluster->is_sending_by_hand = true;
}

void action_release_sendings(const struct command *command)
{
    command->cluster->is_sending_by_hand = false;
}
