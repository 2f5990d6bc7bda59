/* check_commits.c: what a leader commits, a majority of its voters has told it to hold (Raft
 * §5.3, §6).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/check.h"

struct told {
    uint64_t term;
    uint64_t match;
};

static uint64_t match_of(const struct raft_message *message)
{
    if (message->type == RAFT_APPEND_ENTRIES_RESPONSE) {
        return message->append_entries_response.match;
    }
    if (message->type == RAFT_INSTALL_SNAPSHOT_RESPONSE &&
        message->install_snapshot_response.is_done) {
        return message->install_snapshot_response.snapshot.index;
    }
    return 0;
}

void check_commits_said(struct check_commits *check, const struct raft_message *message)
{
    uint64_t match = match_of(message);
    if (match == 0) {
        return;
    }
    struct told *told = sim_pairs_take(&check->told, message->from, message->to, sizeof(*told));
    if (told->term < message->term) {
        *told = (struct told){message->term, match};
    } else if (told->term == message->term) {
        told->match = max_u64(told->match, match);
    }
}

bool check_commits_is_agreed(const struct check_commits *check, uint64_t leader, uint64_t term,
                             uint64_t durable_index, uint64_t index, const uint64_t *voters,
                             size_t voter_count)
{
    size_t agreed = 0;
    for (size_t i = 0; i < voter_count; i++) {
        const struct told *told = sim_pairs_find(&check->told, voters[i], leader);
        bool has_told = told != NULL && told->term == term && told->match >= index;
        agreed += voters[i] == leader ? durable_index >= index : has_told;
    }
    return 2 * agreed > voter_count;
}

void check_commits_deinit(struct check_commits *check)
{
    sim_pairs_deinit(&check->told);
}
