/* actions_time.c: commands that move time, or everything. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "scenario/actions.h"

static uint64_t milliseconds(const struct command *command)
{
    if (command->count < 2) {
        command_fail(command, "how many milliseconds?");
    }
    return command_number(command, command->words[1]);
}

void action_advance(const struct command *command)
{
    pace_advance(command->cluster, milliseconds(command), false);
}

void action_run(const struct command *command)
{
    pace_advance(command->cluster, milliseconds(command), true);
}

void action_stabilize(const struct command *command)
{
    pace_stabilize(command->cluster);
}

void action_tick(const struct command *command)
{
    struct cluster *cluster = command->cluster;
    node_id id = command_node(command, 1);
    time_ns deadline = raft_deadline(cluster->nodes[id].raft);
    if (deadline == TIME_NEVER) {
        print_line(cluster, SAY_NOTHING, "%llu waits for no time", (unsigned long long)id);
        return;
    }
    cluster->now_ns = max_u64(cluster->now_ns, deadline);
    (void)cluster_step(cluster, id, (struct raft_event){.type = RAFT_EVENT_TICK});
}

void action_tick_heartbeat(const struct command *command)
{
    struct cluster *cluster = command->cluster;
    node_id id = command_node(command, 1);
    cluster->now_ns += cluster->options.heartbeat_interval_ns;
    (void)cluster_step(cluster, id, (struct raft_event){.type = RAFT_EVENT_TICK});
}

/* Only the outcome is printed: how an election goes is told by the scenarios about it. */
void action_elect(const struct command *command)
{
    struct cluster *cluster = command->cluster;
    node_id id = command_node(command, 1);
    cluster->verbosity = SAY_NOTHING;
    bool is_leader = pace_elect(cluster, id);
    struct raft_status status;
    raft_status(cluster->nodes[id].raft, &status);
    raft_term last_term = 0;
    (void)raft_term_at(cluster->nodes[id].raft, status.last_index, &last_term);
    if (!is_leader) {
        print_line(cluster, SAY_NOTHING, "%llu does not lead", (unsigned long long)id);
        return;
    }
    print_line(cluster, SAY_NOTHING, "%llu leader term=%llu last=%llu/%llu commit=%llu",
               (unsigned long long)id, (unsigned long long)status.term,
               (unsigned long long)last_term, (unsigned long long)status.last_index,
               (unsigned long long)status.commit_index);
}
