/* node_rig_promises.c: what the rig was promised by its nodes, and whether it was kept. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "quorate/error.h"
#include "support/node_rig.h"
#include "support/unit.h"

static void on_proposal_done(void *context, uint64_t token, int status, raft_index index,
                             const struct qr_result *result)
{
    struct rig_node *self = context;
    struct rig *rig = self->rig;
    assert_int_equal(rig->outcomes[token], RIG_WAITS);
    rig->ended_status = status;
    if (status == 0) {
        assert_non_null(result);
        assert_true(rig->value_at[index] == token + 1);
        assert_int_equal(result->size_bytes, sizeof(uint64_t));
        assert_true(load_u64(result->data) == token + 1);
        rig->outcomes[token] = RIG_DONE;
        rig->acked_index = max_u64(rig->acked_index, index);
        rig->done_count++;
    } else {
        bool is_certain = qr_error_class_of(status) == QR_CLASS_RETRY;
        rig->outcomes[token] = is_certain ? RIG_REFUSED : RIG_UNKNOWN;
    }
}

static void on_read_done(void *context, uint64_t token, int status, raft_index index)
{
    struct rig_node *self = context;
    struct rig *rig = self->rig;
    rig->read_ended_count++;
    if (status == 0) {
        struct node_status now;
        assert_false(self->is_restoring);
        node_status(self->node, &now);
        assert_true(index <= now.raft.applied_index);
        assert_true(rig->read_floor[token] <= now.raft.applied_index);
        assert_int_equal(now.differs.index, 0); /* nobody reads what is known to be wrong */
        rig->read_done_count++;
    }
}

void rig_promises_join(struct node_io *io)
{
    io->proposal_done = on_proposal_done;
    io->read_done = on_read_done;
}

static void propose_number(struct rig *rig, int i, uint64_t number)
{
    static uint8_t payload[RIG_PAYLOAD_BYTES_MAX];
    store_u64(payload, number);
    ASSERT(rig->payload_bytes <= sizeof(payload));
    struct node_proposal proposal = {.command = "add",
                                     .command_bytes = 3,
                                     .payload = payload,
                                     .payload_bytes = rig->payload_bytes};
    if (rig->is_once) {
        proposal.id = (struct proposal_id){QR_SESSION_BIT | QR_TOKEN_BIT, number};
    }
    rig->nodes[i].has_input = true;
    if (node_propose(rig->nodes[i].node, &proposal, number, rig->time) != 0) {
        rig->outcomes[number] = RIG_REFUSED;
    }
}

void rig_propose(struct rig *rig, int i)
{
    if (rig->nodes[i].node != NULL && rig->proposal_count < RIG_PROPOSALS_MAX) {
        propose_number(rig, i, rig->proposal_count++);
    }
}

void rig_repeat(struct rig *rig, int i, uint64_t number)
{
    assert_true(rig->is_once && number < rig->proposal_count);
    assert_int_not_equal(rig->outcomes[number], RIG_WAITS);
    rig->outcomes[number] = RIG_WAITS;
    propose_number(rig, i, number);
}

void rig_read(struct rig *rig, int i)
{
    if (rig->nodes[i].node == NULL || rig->read_count == RIG_PROPOSALS_MAX) {
        return;
    }
    rig->read_floor[rig->read_count] = rig->acked_index;
    rig->nodes[i].has_input = true;
    if (node_read(rig->nodes[i].node, rig->read_count, rig->time) == 0) {
        rig->read_count++;
    }
}

void rig_check(const struct rig *rig)
{
    static uint32_t seen[RIG_PROPOSALS_MAX];
    memset(seen, 0, sizeof(seen));
    for (size_t i = 0; i < RIG_INDEX_MAX; i++) {
        if (rig->value_at[i] > 0) {
            seen[rig->value_at[i] - 1]++;
        }
    }
    for (size_t i = 0; i < rig->proposal_count; i++) {
        assert_true(seen[i] <= 1);
        if (rig->outcomes[i] == RIG_DONE) {
            assert_int_equal(seen[i], 1);
        }
        if (rig->outcomes[i] == RIG_REFUSED) {
            assert_int_equal(seen[i], 0);
        }
    }
    for (int i = 0; i < rig->count; i++) {
        assert_false(rig->nodes[i].is_failed && !rig->nodes[i].may_fail);
    }
}
