/* machine_rules.c: what one node alone can do wrong. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model/machine.h"

#include "quorate/error.h"

/* The vote that is durable is for this node, in this term. */
static bool has_durable_vote(const struct machine *machine, raft_term term, node_id candidate)
{
    const struct hard_state *durable = &machine->disk.hard_state;
    return durable->term == term && durable->has_voted && durable->voted_for == candidate;
}

/* The first `index` entries of the machine's log are on the disk, the same ones; what is
 * compacted is in a snapshot there, which base may stand behind.
 */
static bool is_log_durable(const struct world *world, const struct machine *machine,
                           raft_index index)
{
    if (index > machine->disk.count) {
        return false;
    }
    struct raft_status status;
    raft_status(machine->raft, &status);
    for (raft_index i = max_u64(status.base.index, 1); i <= index; i++) {
        raft_term term = 0;
        const struct entry *entry = &world_entry_at(world, machine->disk.entries[i - 1])->entry;
        if (!raft_term_at(machine->raft, i, &term) || term != entry->term) {
            return false;
        }
    }
    return true;
}

void machine_check_message(struct world *world, const struct machine *machine,
                           const struct raft_message *message)
{
    unsigned id = (unsigned)machine->id;
    if (machine->disk.hard_state.term < message->term) {
        world_violate(world, "node %u speaks in term %llu before that is durable", id,
                      (unsigned long long)message->term);
    }
    bool asks_or_leads =
        message->type == RAFT_REQUEST_VOTE || message->type == RAFT_APPEND_ENTRIES ||
        message->type == RAFT_INSTALL_SNAPSHOT || message->type == RAFT_TIMEOUT_NOW;
    if (asks_or_leads && !has_durable_vote(machine, message->term, machine->id)) {
        world_violate(world, "node %u campaigns or leads before its own vote is durable", id);
    }
    if (message->type == RAFT_REQUEST_VOTE_RESPONSE && message->request_vote_response.is_granted &&
        !has_durable_vote(machine, message->term, message->to)) {
        world_violate(world, "node %u grants a vote before it is durable", id);
    }
    if (message->type == RAFT_INSTALL_SNAPSHOT_RESPONSE &&
        message->install_snapshot_response.is_done &&
        !is_log_durable(world, machine, message->install_snapshot_response.snapshot.index)) {
        world_violate(world, "node %u says that a snapshot of %llu is installed before it is", id,
                      (unsigned long long)message->install_snapshot_response.snapshot.index);
    }
    if (message->type == RAFT_APPEND_ENTRIES_RESPONSE &&
        !is_log_durable(world, machine, message->append_entries_response.match)) {
        world_violate(world, "node %u acknowledges entries up to %llu before they are durable", id,
                      (unsigned long long)message->append_entries_response.match);
    }
}

void machine_check_applicable(struct world *world, const struct machine *machine, raft_index end)
{
    if (!is_log_durable(world, machine, end)) {
        world_violate(world, "node %u applies entries up to %llu before they are durable here",
                      (unsigned)machine->id, (unsigned long long)end);
    }
}

void machine_check_save(struct world *world, const struct machine *machine,
                        const struct raft_ready *ready)
{
    const struct hard_state *before = &machine->disk.hard_state;
    if (machine->save_count > 0) {
        before = &machine->saves[machine->save_count - 1].hard_state;
    }
    const struct hard_state *after = &ready->hard_state;
    unsigned id = (unsigned)machine->id;
    if (after->term < before->term) {
        world_violate(world, "node %u goes back from term %llu to %llu", id,
                      (unsigned long long)before->term, (unsigned long long)after->term);
    }
    bool keeps_vote = after->has_voted && after->voted_for == before->voted_for;
    if (after->term == before->term && before->has_voted && !keeps_vote) {
        world_violate(world, "node %u takes its vote of term %llu back", id,
                      (unsigned long long)after->term);
    }
    if (ready->reset != NULL && ready->reset->index < machine->applied_index) {
        world_violate(world, "node %u empties its log below %llu, which is applied", id,
                      (unsigned long long)machine->applied_index);
    }
    if (ready->entry_count > 0 && ready->entries[0].index <= machine->applied_index) {
        world_violate(world, "node %u replaces entry %llu, which is applied", id,
                      (unsigned long long)ready->entries[0].index);
    }
}

/* The token is how much was committed anywhere when the read was asked. */
void machine_check_read(struct world *world, const struct machine *machine,
                        const struct raft_read *read)
{
    if (read->status == 0 && read->index < read->token) {
        world_violate(world,
                      "node %u answers a read with index %llu, though %llu was committed before it "
                      "was asked",
                      (unsigned)machine->id, (unsigned long long)read->index,
                      (unsigned long long)read->token);
    }
}
