/* quorum.c: majorities, of one set of voters or of both while joint (Raft §6). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "raft/internal.h"

static void insert_descending(uint64_t *sorted, size_t count, uint64_t value)
{
    size_t at = count;
    while (at > 0 && sorted[at - 1] < value) {
        sorted[at] = sorted[at - 1];
        at--;
    }
    sorted[at] = value;
}

/* The largest value that a majority has reached; the largest of all for no voters, so that
 * an empty set never holds the other one back.
 */
uint64_t raft_majority_of(const uint64_t *values, size_t count)
{
    uint64_t sorted[RAFT_MEMBERS_MAX];

    ASSERT(count <= RAFT_MEMBERS_MAX);
    if (count == 0) {
        return UINT64_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        insert_descending(sorted, i, values[i]);
    }

    /* The majority-th highest: 1 of 1, 2 of 2, 2 of 3, 3 of 4. */
    uint64_t reached = sorted[MUTANT(QUORUM_OF_HALF) ? (count - 1) / 2 : count / 2];
    ASSERT(reached <= sorted[0]);
    ASSERT(reached >= sorted[count - 1]);
    return reached;
}

static uint64_t reached_by(const struct raft *raft, raft_quorum_value *value, uint8_t role)
{
    const struct raft_configuration *configuration = raft_configuration_in_force(raft);
    uint64_t values[RAFT_MEMBERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < configuration->count; i++) {
        if ((configuration->members[i].roles & role) != 0) {
            values[count++] = value(raft, configuration->members[i].id);
        }
    }
    bool is_outside = raft->role == RAFT_LEADER &&
                      !raft_configuration_is_voter(configuration, raft->options.self);
    if (MUTANT(REMOVED_COUNTS_ITSELF) && is_outside && count > 0 && count < RAFT_MEMBERS_MAX) {
        values[count++] = value(raft, raft->options.self);
    }
    return raft_majority_of(values, count);
}

uint64_t raft_quorum_reached(const struct raft *raft, raft_quorum_value *value)
{
    if (MUTANT(JOINT_COUNTS_UNION)) {
        uint64_t of_all = reached_by(raft, value, RAFT_VOTER | RAFT_VOTER_OUTGOING);
        return of_all == UINT64_MAX ? 0 : of_all;
    }
    uint64_t incoming = reached_by(raft, value, RAFT_VOTER);
    uint64_t outgoing = reached_by(raft, value, RAFT_VOTER_OUTGOING);
    uint64_t reached = min_u64(incoming, outgoing);
    return reached == UINT64_MAX ? 0 : reached; /* no voters at all: nothing is agreed */
}

static bool contains(const node_id *ids, size_t count, node_id id)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

static uint64_t vote_granted(const struct raft *raft, node_id id)
{
    return contains(raft->granted, raft->granted_count, id) ? 1 : 0;
}

static uint64_t vote_possible(const struct raft *raft, node_id id)
{
    return contains(raft->refused, raft->refused_count, id) ? 0 : 1;
}

enum raft_vote_state raft_quorum_vote(const struct raft *raft)
{
    if (raft_quorum_reached(raft, vote_granted) > 0) {
        return RAFT_VOTE_WON;
    }
    return raft_quorum_reached(raft, vote_possible) > 0 ? RAFT_VOTE_PENDING : RAFT_VOTE_LOST;
}
