/* read_index.c: at which index a read is linearizable (diss. §6.4).
 *
 * The leader notes its commit index, proves by one round to a majority that nobody deposed
 * it before, and only then hands the index out. Reads of one turn share a round. Before the
 * first commit of its term a leader does not know what is committed: reads wait for it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "quorate/error.h"
#include "raft/internal.h"

#define ROUND_NONE 0

static int make_room(struct raft *raft)
{
    if (raft->read_capacity > 0) {
        return 0;
    }
    const struct allocator *allocator = raft->options.allocator;
    struct raft_read *reads = allocate(allocator, RAFT_READS_MAX * sizeof(*reads));
    uint64_t *rounds = allocate(allocator, RAFT_READS_MAX * sizeof(*rounds));
    if (reads == NULL || rounds == NULL) {
        release(allocator, reads, RAFT_READS_MAX * sizeof(*reads));
        release(allocator, rounds, RAFT_READS_MAX * sizeof(*rounds));
        return QR_ERR_NO_MEMORY;
    }
    raft->reads = reads;
    raft->read_rounds = rounds;
    raft->read_capacity = RAFT_READS_MAX;
    return 0;
}

/* Room for an answer now, so that giving it cannot fail. */
int raft_reads_reserve(struct raft *raft)
{
    int status = allocate_grow(
        raft->options.allocator, (void **)&raft->reads_out, &raft->reads_out_capacity,
        raft->reads_out_count + raft->read_count + 1, 2 * RAFT_READS_MAX, sizeof(*raft->reads_out));
    return status == QR_ERR_TOO_LARGE ? QR_ERR_BUSY : status;
}

int raft_on_read(struct raft *raft, uint64_t token)
{
    if (raft->role != RAFT_LEADER) {
        return QR_ERR_NOT_LEADER;
    }
    int status = make_room(raft);
    if (status != 0) {
        return status;
    }
    if (raft->read_count == RAFT_READS_MAX) {
        return QR_ERR_BUSY;
    }
    status = raft_reads_reserve(raft);
    if (status != 0) {
        return status;
    }
    bool may_ask =
        raft->log.commit_index >= raft->term_first_index || MUTANT(READ_BEFORE_OWN_COMMIT);
    bool joins_round = MUTANT(READ_ROUND_REUSED) && raft->round > 0;
    size_t at = (raft->read_head + raft->read_count++) % RAFT_READS_MAX;
    raft->reads[at] = (struct raft_read){.token = token, .index = raft->log.commit_index};
    raft->read_rounds[at] = may_ask ? raft->round + (joins_round ? 0 : 1) : ROUND_NONE;
    raft->is_round_open = raft->is_round_open || may_ask;
    return 0;
}

/* The first commit of the term: what waited for it may ask now. */
void raft_reads_committed(struct raft *raft)
{
    if (MUTANT(READ_BEFORE_OWN_COMMIT)) {
        return;
    }
    for (size_t i = 0; i < raft->read_count; i++) {
        size_t at = (raft->read_head + i) % RAFT_READS_MAX;
        ASSERT(raft->read_rounds[at] == ROUND_NONE);
        raft->read_rounds[at] = raft->round + 1;
        raft->reads[at].index = raft->log.commit_index;
        raft->is_round_open = true;
    }
}

void raft_reads_hand_out(struct raft *raft, struct raft_read read)
{
    ASSERT(raft->reads_out_count < raft->reads_out_capacity);
    raft->reads_out[raft->reads_out_count++] = read;
}

static uint64_t round_acked_by(const struct raft *raft, node_id id)
{
    if (id == raft->options.self) {
        return raft->round;
    }
    const struct raft_peer *peer = raft_peer_of(raft, id);
    return peer == NULL ? 0 : peer->round_acked;
}

/* The latest round that a majority has answered. */
uint64_t raft_reads_round_acked(const struct raft *raft)
{
    return raft_quorum_reached(raft, round_acked_by);
}

void raft_reads_confirm(struct raft *raft)
{
    if (raft->read_count == 0) {
        return;
    }
    uint64_t confirmed = raft_reads_round_acked(raft);
    while (raft->read_count > 0) {
        uint64_t round = raft->read_rounds[raft->read_head];
        bool is_unconfirmed = round > confirmed && !MUTANT(READ_WITHOUT_ROUND);
        if (round == ROUND_NONE || is_unconfirmed) {
            return;
        }
        raft_reads_hand_out(raft, raft->reads[raft->read_head]);
        raft->read_head = (raft->read_head + 1) % RAFT_READS_MAX;
        raft->read_count--;
    }
}

void raft_reads_abandon(struct raft *raft)
{
    for (size_t i = 0; i < raft->read_count; i++) {
        struct raft_read read = raft->reads[(raft->read_head + i) % RAFT_READS_MAX];
        read.status = QR_ERR_NOT_LEADER;
        raft_reads_hand_out(raft, read);
    }
    raft->read_count = 0;
    raft->read_head = 0;
}
