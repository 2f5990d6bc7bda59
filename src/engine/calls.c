/* calls.c: proposals and snapshots: the public calls, and how they end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "engine/internal.h"

static int check_proposal(const struct qr_engine *engine, const struct qr_proposal *proposal)
{
    ASSERT(proposal->size_bytes == sizeof(*proposal));
    if (proposal->command_bytes > QR_COMMAND_BYTES_MAX ||
        (proposal->command_bytes == 0 && proposal->payload_bytes == 0) ||
        (proposal->command_bytes > 0 && proposal->command == NULL) ||
        (proposal->payload_bytes > 0 && proposal->payload == NULL) ||
        proposal->timeout_ms > QR_PROPOSAL_TIMEOUT_MS_MAX) {
        return QR_ERR_INVALID;
    }
    uint64_t most = engine->limits.max_message_bytes;
    return proposal->payload_bytes > most ||
                   proposal->command_bytes > most - proposal->payload_bytes
               ? QR_ERR_TOO_LARGE
               : 0;
}

bool engine_is_direct(struct qr_engine *engine)
{
    return !engine->has_thread && engine->in_node == 0 && engine_queue_is_empty(engine);
}

int engine_propose(struct qr_engine *engine, const struct qr_proposal *proposal,
                   qr_propose_done *done, void *argument)
{
    if (engine->node == NULL || engine->is_stopping) {
        return QR_ERR_STOPPED;
    }
    uint64_t token = 0;
    int status = waiters_add(&engine->proposals, (void (*)(void))done, argument, &token);
    if (status != 0) {
        return status;
    }
    struct node_proposal given = {
        .id = {proposal->id.high, proposal->id.low},
        .is_guarded = proposal->is_guarded,
        .command = proposal->command,
        .command_bytes = proposal->command_bytes,
        .payload = proposal->payload,
        .payload_bytes = proposal->payload_bytes,
        .timeout_ns = proposal->timeout_ms * NS_PER_MS,
        .ticket = proposal->ticket == NULL ? 0 : *proposal->ticket,
    };
    engine->in_node++;
    status = node_propose(engine->node, &given, token, engine_time());
    engine->in_node--;
    if (status != 0) {
        waiters_forget(&engine->proposals, token);
        return status;
    }
    engine->counters.proposals++;
    engine_mark(engine);
    return 0;
}

int engine_snapshot(struct qr_engine *engine, qr_snapshot_done *done, void *argument)
{
    if (engine->node == NULL || engine->is_stopping) {
        return QR_ERR_STOPPED;
    }
    uint64_t token = 0;
    int status = waiters_add(&engine->snapshots, (void (*)(void))done, argument, &token);
    if (status != 0) {
        return status;
    }
    engine->in_node++;
    status = node_snapshot(engine->node, token, engine_time());
    engine->in_node--;
    if (status != 0) {
        waiters_forget(&engine->snapshots, token);
        return status;
    }
    engine_mark(engine);
    return 0;
}

void engine_proposal_done(void *context, uint64_t token, int status, raft_index index,
                          const struct qr_result *result)
{
    struct qr_engine *engine = context;
    struct waiter_call waiter;
    bool was_there = waiters_take(&engine->proposals, token, &waiter);
    ASSERT(was_there);
    if (status != 0) {
        engine->counters.proposals_failed++;
    }
    engine_end_proposal(engine, &waiter, status, index, result);
}

void engine_snapshot_done(void *context, uint64_t token, int status, raft_index index)
{
    struct qr_engine *engine = context;
    struct waiter_call waiter;
    bool was_there = waiters_take(&engine->snapshots, token, &waiter);
    ASSERT(was_there);
    engine_end_snapshot(engine, &waiter, status, index);
}

static int queue_proposal(struct qr_engine *engine, const struct qr_proposal *proposal,
                          qr_propose_done *done, void *argument)
{
    struct request *request = engine_request_new(engine, REQUEST_PROPOSE,
                                                 proposal->command_bytes + proposal->payload_bytes);
    if (request == NULL) {
        return QR_ERR_BUSY;
    }
    request->propose.done = done;
    request->propose.argument = argument;
    request->propose.id = proposal->id;
    request->propose.is_guarded = proposal->is_guarded;
    request->propose.timeout_ms = proposal->timeout_ms;
    request->propose.ticket = proposal->ticket == NULL ? 0 : *proposal->ticket;
    request->propose.command_bytes = proposal->command_bytes;
    request->propose.payload_bytes = proposal->payload_bytes;
    if (proposal->command_bytes > 0) {
        memcpy(request->data, proposal->command, proposal->command_bytes);
    }
    if (proposal->payload_bytes > 0) {
        memcpy(request->data + proposal->command_bytes, proposal->payload, proposal->payload_bytes);
    }
    int status = engine_queue(engine, request);
    if (status != 0) {
        engine_request_free(engine, request);
    }
    return status;
}

int engine_refusal(int status)
{
    return status == QR_ERR_NO_MEMORY ? QR_ERR_BUSY : status;
}

int engine_submit(struct qr_engine *engine, const struct qr_proposal *proposal,
                  qr_propose_done *done, void *argument)
{
    int status = check_proposal(engine, proposal);
    if (status != 0) {
        return status;
    }
    if (engine_is_direct(engine)) {
        return engine_refusal(engine_propose(engine, proposal, done, argument));
    }
    return queue_proposal(engine, proposal, done, argument);
}

/* A session has a number, and its sequences begin with 1: what has neither is the engine's own. */
static bool is_id_taken(struct qr_id id)
{
    bool is_session = (id.high & QR_SESSION_BIT) != 0 && (id.high & QR_TOKEN_BIT) == 0;
    return is_session && (id.high == QR_SESSION_BIT || id.low == 0);
}

int qr_propose(struct qr_engine *engine, const struct qr_proposal *proposal, qr_propose_done *done,
               void *argument)
{
    const struct sized known = {sizeof(*proposal), offsetof(struct qr_proposal, is_guarded)};
    struct qr_proposal read;
    int status = engine_is_given(engine) && done != NULL ? sized_read(known, proposal, &read)
                                                         : QR_ERR_INVALID;
    if (status == 0 && is_id_taken(read.id)) {
        status = QR_ERR_INVALID;
    }
    if (status == 0 && read.ticket != NULL) {
        *read.ticket = atomic_fetch_add(&engine->tickets, 1) + 1;
    }
    return status != 0 ? status : engine_submit(engine, &read, done, argument);
}

int engine_queue_small(struct qr_engine *engine, const struct request *filled)
{
    struct request *request = engine_request_new(engine, filled->kind, 0);
    if (request == NULL) {
        return QR_ERR_BUSY;
    }
    memcpy(request, filled, sizeof(*request));
    request->size_bytes = sizeof(*request);
    int status = engine_queue(engine, request);
    if (status != 0) {
        engine_request_free(engine, request);
    }
    return status;
}

int qr_snapshot(struct qr_engine *engine, qr_snapshot_done *done, void *argument)
{
    if (!engine_is_given(engine) || done == NULL || engine->state_machine.snapshot_open == NULL) {
        return QR_ERR_INVALID;
    }
    if (engine_is_direct(engine)) {
        return engine_refusal(engine_snapshot(engine, done, argument));
    }
    struct request request = {.kind = REQUEST_SNAPSHOT, .snapshot = {done, argument}};
    return engine_queue_small(engine, &request);
}
