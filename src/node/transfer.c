/* transfer.c: the leader's part of sending a snapshot to a member whose log ends too early.
 *
 * Pieces are read from the file one after the other and sent as they lie there, as far ahead of
 * what the member says it has as the window allows, and no faster than the rate. It says where it
 * stands with each answer: so a transfer that was cut off goes on there, and a lost piece is
 * sent again. What is read is kept by nobody: memory is bounded by what is on its way.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

#define STALL_NS (20 * NS_PER_S) /* without a word of the member: given up, and begun again later */
#define BUDGET_NS (NS_PER_S / 20) /* the rate may save up for so long */

static struct node_transfer *find_transfer(struct node *node, node_id peer)
{
    for (size_t i = 0; i < NODE_TRANSFERS_MAX; i++) {
        struct node_transfer *transfer = &node->sendings.slots[i];
        if (transfer->is_used && transfer->peer == peer) {
            return transfer;
        }
    }
    return NULL;
}

static void close_transfer(struct node_transfer *transfer)
{
    snapshot_reader_close(transfer->reader);
    *transfer = (struct node_transfer){.is_used = false};
}

static void tell_ended(struct node *node, node_id peer, int status)
{
    int step_status = node_step(node, (struct raft_event){.type = RAFT_EVENT_SENDING_ENDED,
                                                          .sending_ended = {peer, status}});
    ASSERT(step_status == 0 || !node_is_running(node));
}

static void end_transfer(struct node *node, struct node_transfer *transfer, int status)
{
    node_id peer = transfer->peer;
    LOG(node->options.log, LOG_INFO, "snapshot_not_sent", log_id("to", peer),
        log_u64("index", transfer->info.position.index),
        log_string("error", qr_error_name(status)));
    close_transfer(transfer);
    tell_ended(node, peer, status);
}

/* Read on from another place. The file is kept by the old reader until the new one has it. */
static int seek(struct node *node, struct node_transfer *transfer, uint64_t offset)
{
    struct snapshot_reader *reader;
    struct snapshot_info info;
    int status = snapshot_reader_open(node->snapshots.store, transfer->info.position.index, offset,
                                      &reader, &info);
    if (status != 0) {
        return status;
    }
    snapshot_reader_close(transfer->reader);
    transfer->reader = reader;
    transfer->is_reading = false;
    transfer->number = node->sendings.next_number++;
    transfer->next_offset = offset;
    return 0;
}

static void begin_transfer(struct node *node, const struct raft_sending *wanted)
{
    struct node_transfer *transfer = find_transfer(node, wanted->peer);
    if (transfer != NULL) {
        close_transfer(transfer); /* of an earlier asking, that ended otherwise */
    }
    for (size_t i = 0; i < NODE_TRANSFERS_MAX && transfer == NULL; i++) {
        transfer = node->sendings.slots[i].is_used ? NULL : &node->sendings.slots[i];
    }
    if (node_peer_version(node, wanted->peer) < WIRE_VERSION_SNAPSHOTS) {
        tell_ended(node, wanted->peer, QR_ERR_VERSION);
        return;
    }
    if (transfer == NULL || !node->snapshots.has_newest) {
        tell_ended(node, wanted->peer, QR_ERR_BUSY);
        return;
    }
    ASSERT(node->snapshots.newest.position.index >= wanted->base.index);
    *transfer = (struct node_transfer){
        .is_used = true,
        .peer = wanted->peer,
        .gap_offset = UINT64_MAX,
        .heard_ns = node->time.now_ns,
        .sent_ns = node->time.now_ns,
        .info = node->snapshots.newest,
    };
    int status = seek(node, transfer, 0);
    if (status != 0) {
        end_transfer(node, transfer, status);
        return;
    }
    LOG(node->options.log, LOG_INFO, "snapshot_sending", log_id("to", wanted->peer),
        log_u64("index", transfer->info.position.index),
        log_u64("bytes", transfer->info.size_bytes));
}

/* Let the rate's budget grow. */
static void count_budget(struct node *node)
{
    struct node_transfers *sendings = &node->sendings;
    uint64_t rate = node->options.transfer_bytes_per_second;
    time_ns passed_ns = min_u64(node->time.now_ns - sendings->budget_ns, BUDGET_NS);
    int64_t most = (int64_t)(rate / (NS_PER_S / BUDGET_NS)) + 1; /* one piece may pass it */
    int64_t more = (int64_t)(rate / 1000 * (passed_ns / 1000) / 1000);
    if (rate == 0) {
        sendings->budget_bytes = INT64_MAX / 2;
    } else if (more > 0) {
        int64_t grown = sendings->budget_bytes + more;
        sendings->budget_bytes = grown < most ? grown : most;
        sendings->budget_ns = node->time.now_ns;
    }
}

static uint64_t window_bytes(const struct node *node, const struct node_transfer *transfer)
{
    if (!transfer->is_answered) {
        return 1; /* one piece, to hear where the member stands */
    }
    return min_u64(NODE_TRANSFER_WINDOW_BYTES_MAX, node->options.inflight_bytes_max / 2);
}

/* Whether another piece may go now, but for the rate. */
static bool may_send(const struct node *node, const struct node_transfer *transfer)
{
    return transfer->is_used && !transfer->is_reading &&
           transfer->next_offset < transfer->info.size_bytes &&
           transfer->next_offset < transfer->wanted_offset + window_bytes(node, transfer);
}

static void pump(struct node *node, struct node_transfer *transfer)
{
    if (!may_send(node, transfer) || node->sendings.budget_bytes <= 0) {
        return;
    }
    int status = snapshot_reader_read(transfer->reader, transfer->number);
    if (status != 0) {
        end_transfer(node, transfer, status);
        return;
    }
    transfer->is_reading = true;
}

static void send_piece(struct node *node, struct node_transfer *transfer,
                       const struct raft_data *data)
{
    uint64_t end = transfer->next_offset + data->size_bytes;
    struct raft_piece piece = {
        .peer = transfer->peer,
        .snapshot = {transfer->info.position.term, transfer->info.position.index},
        .offset = transfer->next_offset,
        .size_bytes = transfer->info.size_bytes,
        .is_last = end == transfer->info.size_bytes,
        .data = *data,
    };
    int status = node_step(node, (struct raft_event){.type = RAFT_EVENT_PIECE, .piece = &piece});
    if (status != 0) {
        close_transfer(transfer); /* it leads no more, or the member needs no snapshot any more */
        return;
    }
    transfer->next_offset = end;
    transfer->sent_ns = node->time.now_ns;
    node->sendings.budget_bytes -= data->size_bytes;
    node->sendings.sent_bytes += data->size_bytes;
}

void node_transfers_read(struct node *node, uint64_t token, int status, struct chunk *chunk,
                         const uint8_t *data, size_t size_bytes)
{
    for (size_t i = 0; i < NODE_TRANSFERS_MAX; i++) {
        struct node_transfer *transfer = &node->sendings.slots[i];
        if (!transfer->is_used || transfer->number != token) {
            continue;
        }
        ASSERT(transfer->is_reading);
        transfer->is_reading = false;
        if (status != 0) {
            end_transfer(node, transfer, status);
            return;
        }
        ASSERT(size_bytes > 0 && size_bytes <= RAFT_DATA_BYTES_MAX);
        struct raft_data piece = {chunk, data, (uint32_t)size_bytes};
        send_piece(node, transfer, &piece);
        return;
    }
}

/* A member says where it stands. */
static void take_answer(struct node *node, const struct raft_piece_answer *answer)
{
    struct node_transfer *transfer = find_transfer(node, answer->peer);
    if (transfer == NULL || answer->snapshot.index != transfer->info.position.index ||
        answer->snapshot.term != transfer->info.position.term) {
        return;
    }
    transfer->heard_ns = node->time.now_ns;
    transfer->is_answered = true;
    if (answer->is_done) {
        LOG(node->options.log, LOG_INFO, "snapshot_sent", log_id("to", answer->peer),
            log_u64("index", answer->snapshot.index));
        node->sendings.sent_count++;
        close_transfer(transfer);
        return;
    }
    if (answer->is_refused) {
        end_transfer(node, transfer, QR_ERR_BUSY);
        return;
    }
    if (answer->offset > transfer->info.size_bytes) {
        return;
    }
    /* Asked for again where it stood before: what came next was lost. Once is enough. */
    bool is_gap = answer->offset < transfer->next_offset &&
                  answer->offset <= transfer->wanted_offset &&
                  answer->offset != transfer->gap_offset;
    bool is_ahead = answer->offset > transfer->next_offset;
    transfer->wanted_offset = answer->offset;
    if (is_gap || is_ahead) {
        transfer->gap_offset = is_gap ? answer->offset : UINT64_MAX;
        int status = seek(node, transfer, answer->offset);
        if (status != 0) {
            end_transfer(node, transfer, status);
        }
    }
}

void node_transfers_take(struct node *node, const struct raft_sending *wanted, size_t wanted_count,
                         const struct raft_piece_answer *answers, size_t answer_count)
{
    for (size_t i = 0; i < answer_count && node_is_running(node); i++) {
        take_answer(node, &answers[i]);
    }
    for (size_t i = 0; i < wanted_count && node_is_running(node); i++) {
        begin_transfer(node, &wanted[i]);
    }
}

/* Nothing is heard: what is on its way may be lost, or the answer. Ask with a piece. */
static void ask_again(struct node *node, struct node_transfer *transfer)
{
    time_ns quiet_ns = 2 * node->options.election_timeout_max_ns;
    if (transfer->is_reading || node->time.now_ns - transfer->sent_ns < quiet_ns ||
        node->time.now_ns - transfer->heard_ns < quiet_ns) {
        return;
    }
    transfer->is_answered = false;         /* one piece, until there is an answer */
    transfer->sent_ns = node->time.now_ns; /* also if the rate, or the disk, holds it back */
    transfer->gap_offset = UINT64_MAX;
    int status = seek(node, transfer, transfer->wanted_offset);
    if (status != 0) {
        end_transfer(node, transfer, status);
    } else if (transfer->wanted_offset == transfer->info.size_bytes) {
        send_piece(node, transfer, &(struct raft_data){.chunk = NULL}); /* it has all of it */
    }
}

void node_transfers_turn(struct node *node)
{
    bool is_leader = raft_is_leader(node->raft);
    count_budget(node);
    for (size_t i = 0; i < NODE_TRANSFERS_MAX && node_is_running(node); i++) {
        struct node_transfer *transfer = &node->sendings.slots[i];
        if (!transfer->is_used) {
            continue;
        }
        if (!is_leader) {
            close_transfer(transfer);
        } else if (node->time.now_ns - transfer->heard_ns >= STALL_NS) {
            end_transfer(node, transfer, QR_ERR_TIMEOUT);
        } else {
            ask_again(node, transfer);
            pump(node, transfer);
        }
    }
}

time_ns node_transfers_deadline(const struct node *node)
{
    time_ns deadline = TIME_NEVER;
    for (size_t i = 0; i < NODE_TRANSFERS_MAX; i++) {
        const struct node_transfer *transfer = &node->sendings.slots[i];
        if (!transfer->is_used) {
            continue;
        }
        time_ns quiet_ns = 2 * node->options.election_timeout_max_ns;
        deadline = min_u64(deadline, transfer->heard_ns + STALL_NS);
        if (transfer->is_reading) {
            continue; /* the end of the read is a turn of its own */
        }
        deadline = min_u64(deadline, max_u64(transfer->sent_ns, transfer->heard_ns) + quiet_ns);
        if (may_send(node, transfer)) { /* the rate holds it back */
            deadline = min_u64(deadline, node->time.now_ns + NS_PER_MS);
        }
    }
    return deadline;
}

/* What a member that is sent a snapshot needs no more of the log. */
raft_index node_transfers_floor(const struct node *node, node_id peer)
{
    for (size_t i = 0; i < NODE_TRANSFERS_MAX; i++) {
        const struct node_transfer *transfer = &node->sendings.slots[i];
        if (transfer->is_used && transfer->peer == peer) {
            return transfer->info.position.index;
        }
    }
    return UINT64_MAX;
}

void node_transfers_stop(struct node *node)
{
    for (size_t i = 0; i < NODE_TRANSFERS_MAX; i++) {
        if (node->sendings.slots[i].is_used) {
            close_transfer(&node->sendings.slots[i]);
        }
    }
}
