/* sending.c: the leader's part of sending a snapshot to a member whose log ends too early.
 *
 * Pieces are read from the file one after the other and sent as they lie there, as far ahead of
 * what the member says it has as the window allows, and no faster than the rate. It says where it
 * stands with each answer: so a sending that was cut off goes on there, and a lost piece is
 * sent again. What is read is kept by nobody: memory is bounded by what is on its way.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

#define STALL_NS (20 * NS_PER_S) /* without a word of the member: given up, and begun again later */
/* The same, of a member that answers all else: its disk takes so long. */
#define SLOW_DISK_STALL_NS (15 * STALL_NS)
#define BUDGET_NS (NS_PER_S / 20) /* the rate may save up for so long */

static struct node_sending *find_sending(struct node *node, node_id peer)
{
    for (size_t i = 0; i < NODE_SENDINGS_MAX; i++) {
        struct node_sending *sending = &node->sendings.slots[i];
        if (sending->is_used && sending->peer == peer) {
            return sending;
        }
    }
    return NULL;
}

static void close_sending(struct node_sending *sending)
{
    snapshot_reader_close(sending->reader);
    *sending = (struct node_sending){.is_used = false};
}

static void tell_ended(struct node *node, node_id peer, int status)
{
    int step_status = node_step(node, (struct raft_event){.type = RAFT_EVENT_SENDING_ENDED,
                                                          .sending_ended = {peer, status}});
    ASSERT(step_status == 0 || !node_is_running(node));
}

static void end_sending(struct node *node, struct node_sending *sending, int status)
{
    node_id peer = sending->peer;
    bool is_rebuild = sending->is_rebuild;
    LOG(node->options.log, LOG_INFO, "snapshot_not_sent", log_id("to", peer),
        log_u64("index", sending->info.position.index), log_string("error", qr_error_name(status)));
    close_sending(sending);
    if (!is_rebuild) {
        tell_ended(node, peer, status);
    }
}

/* Read on from another place. The file is kept by the old reader until the new one has it. */
static int seek(struct node *node, struct node_sending *sending, uint64_t offset)
{
    struct snapshot_reader *reader;
    struct snapshot_info info;
    int status = snapshot_reader_open(node->snapshots.store, sending->info.position.index, offset,
                                      &reader, &info);
    if (status != 0) {
        return status;
    }
    snapshot_reader_close(sending->reader);
    sending->reader = reader;
    sending->is_reading = false;
    sending->number = node->sendings.next_number++;
    sending->next_offset = offset;
    return 0;
}

/* Begin to send the newest snapshot. */
static void open_sending(struct node *node, struct node_sending *sending, node_id peer,
                         bool is_rebuild)
{
    *sending = (struct node_sending){
        .is_used = true,
        .is_rebuild = is_rebuild,
        .peer = peer,
        .gap_offset = UINT64_MAX,
        .heard_ns = node->time.now_ns,
        .sent_ns = node->time.now_ns,
        .info = node->snapshots.newest,
    };
    int status = seek(node, sending, 0);
    if (status != 0) {
        end_sending(node, sending, status);
        return;
    }
    LOG(node->options.log, LOG_INFO, "snapshot_sending", log_id("to", peer),
        log_u64("index", sending->info.position.index), log_u64("bytes", sending->info.size_bytes));
}

static struct node_sending *free_slot(struct node *node)
{
    for (size_t i = 0; i < NODE_SENDINGS_MAX; i++) {
        if (!node->sendings.slots[i].is_used) {
            return &node->sendings.slots[i];
        }
    }
    return NULL;
}

static void begin_sending(struct node *node, const struct raft_sending *wanted)
{
    struct node_sending *sending = find_sending(node, wanted->peer);
    if (sending != NULL) {
        close_sending(sending); /* of an earlier asking, that ended otherwise */
    }
    sending = free_slot(node);
    if (node_peer_version(node, wanted->peer) < WIRE_VERSION_SNAPSHOTS) {
        tell_ended(node, wanted->peer, QR_ERR_VERSION);
        return;
    }
    /* The newest may have come from an earlier leader, and not be taken over: not ours to send. */
    if (sending == NULL || !node->snapshots.has_newest || node_is_isolated(node) ||
        node->snapshots.newest.position.index > node_raft_status(node)->applied_index) {
        tell_ended(node, wanted->peer, QR_ERR_BUSY);
        return;
    }
    if (node->snapshots.is_newest_bare && !MUTANT(BARE_SENT)) {
        node_snapshots_want_state(node); /* it asks again until it is there */
        tell_ended(node, wanted->peer, QR_ERR_BUSY);
        return;
    }
    ASSERT(node->snapshots.newest.position.index >= wanted->base.index);
    open_sending(node, sending, wanted->peer, false);
}

void node_sendings_rebuild(struct node *node, node_id peer, raft_index wanted)
{
    struct node_snapshots *snapshots = &node->snapshots;
    struct node_sending *sending = find_sending(node, peer);
    if (sending != NULL) {
        if (wanted == 0 && sending->is_rebuild) {
            node->sendings.sent_count++;
            close_sending(sending);
        }
        return;
    }
    sending = free_slot(node);
    if (wanted == 0 || sending == NULL || node_is_isolated(node) || peer == node->identity.id) {
        return;
    }
    raft_index newest = snapshots->has_newest ? snapshots->newest.position.index : 0;
    if (newest >= wanted && newest <= node_raft_status(node)->applied_index &&
        !snapshots->is_newest_bare) {
        open_sending(node, sending, peer, true);
    } else {
        node_snapshots_want(node); /* it asks again */
    }
}

/* Let the rate's budget grow. */
static void count_budget(struct node *node)
{
    struct node_sendings *sendings = &node->sendings;
    uint64_t rate = node->options.sending_bytes_per_second;
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

static uint64_t window_bytes(const struct node *node, const struct node_sending *sending)
{
    if (!sending->is_answered) {
        return 1; /* one piece, to hear where the member stands */
    }
    return min_u64(NODE_SENDING_WINDOW_BYTES_MAX, node->options.inflight_bytes_max / 2);
}

/* Whether another piece may go now, but for the rate. */
static bool may_send(const struct node *node, const struct node_sending *sending)
{
    return sending->is_used && !sending->is_reading &&
           sending->next_offset < sending->info.size_bytes &&
           sending->next_offset < sending->wanted_offset + window_bytes(node, sending);
}

static void pump(struct node *node, struct node_sending *sending)
{
    if (!may_send(node, sending) || node->sendings.budget_bytes <= 0) {
        return;
    }
    int status = snapshot_reader_read(sending->reader, sending->number);
    if (status != 0) {
        end_sending(node, sending, status);
        return;
    }
    sending->is_reading = true;
}

/* The member's log leads there, so its Raft machine has no use for it: its node has. */
static void send_past_raft(struct node *node, const struct raft_piece *piece)
{
    struct raft_message message = {
        .type = RAFT_INSTALL_SNAPSHOT,
        .from = node->identity.id,
        .to = piece->peer,
        .term = node_raft_status(node)->term,
        .install_snapshot = {.snapshot = piece->snapshot,
                             .offset = piece->offset,
                             .size_bytes = piece->size_bytes,
                             .is_last = piece->is_last,
                             .data = piece->data},
    };
    struct wire_message framed = wire_of_raft(&message);
    (void)node_send(node, piece->peer, &framed); /* lost: it is asked for again */
}

static void send_piece(struct node *node, struct node_sending *sending,
                       const struct raft_data *data)
{
    uint64_t end = sending->next_offset + data->size_bytes;
    struct raft_piece piece = {
        .peer = sending->peer,
        .snapshot = {sending->info.position.term, sending->info.position.index},
        .offset = sending->next_offset,
        .size_bytes = sending->info.size_bytes,
        .is_last = end == sending->info.size_bytes,
        .data = *data,
    };
    int status = 0;
    if (sending->is_rebuild) {
        send_past_raft(node, &piece);
    } else {
        status = node_step(node, (struct raft_event){.type = RAFT_EVENT_PIECE, .piece = &piece});
    }
    if (status != 0) {
        close_sending(sending); /* it leads no more, or the member needs no snapshot any more */
        return;
    }
    sending->next_offset = end;
    sending->sent_ns = node->time.now_ns;
    node->sendings.budget_bytes -= data->size_bytes;
    node->sendings.sent_bytes += data->size_bytes;
}

void node_sendings_read(struct node *node, uint64_t token, int status, struct chunk *chunk,
                        const uint8_t *data, size_t size_bytes)
{
    for (size_t i = 0; i < NODE_SENDINGS_MAX; i++) {
        struct node_sending *sending = &node->sendings.slots[i];
        if (!sending->is_used || sending->number != token) {
            continue;
        }
        ASSERT(sending->is_reading);
        sending->is_reading = false;
        if (status != 0) {
            end_sending(node, sending, status);
            return;
        }
        ASSERT(size_bytes > 0 && size_bytes <= RAFT_DATA_BYTES_MAX);
        struct raft_data piece = {chunk, data, (uint32_t)size_bytes};
        send_piece(node, sending, &piece);
        return;
    }
}

/* A member says where it stands. */
static void take_answer(struct node *node, const struct raft_piece_answer *answer)
{
    struct node_sending *sending = find_sending(node, answer->peer);
    if (sending == NULL || answer->snapshot.index != sending->info.position.index ||
        answer->snapshot.term != sending->info.position.term) {
        return;
    }
    sending->heard_ns = node->time.now_ns;
    sending->is_answered = true;
    if (answer->is_done) {
        LOG(node->options.log, LOG_INFO, "snapshot_sent", log_id("to", answer->peer),
            log_u64("index", answer->snapshot.index));
        node->sendings.sent_count++;
        close_sending(sending);
        return;
    }
    if (answer->is_refused) {
        end_sending(node, sending, QR_ERR_BUSY);
        return;
    }
    if (answer->offset > sending->info.size_bytes) {
        return;
    }
    /* Asked for again where it stood before: what came next was lost. Once is enough. */
    bool is_gap = answer->offset < sending->next_offset &&
                  answer->offset <= sending->wanted_offset && answer->offset != sending->gap_offset;
    bool is_ahead = answer->offset > sending->next_offset;
    sending->wanted_offset = answer->offset;
    if (is_gap || is_ahead) {
        sending->gap_offset = is_gap ? answer->offset : UINT64_MAX;
        int status = seek(node, sending, answer->offset);
        if (status != 0) {
            end_sending(node, sending, status);
        }
    }
}

void node_sendings_answered(struct node *node, const struct raft_message *message)
{
    const struct raft_install_snapshot_response *response = &message->install_snapshot_response;
    if (message->type != RAFT_INSTALL_SNAPSHOT_RESPONSE) {
        return;
    }
    const struct node_sending *sending = find_sending(node, message->from);
    if (sending != NULL && sending->is_rebuild) {
        take_answer(node, &(struct raft_piece_answer){.peer = message->from,
                                                      .snapshot = response->snapshot,
                                                      .offset = response->offset,
                                                      .is_done = response->is_done,
                                                      .is_refused = response->is_refused});
    }
}

void node_sendings_take(struct node *node, const struct raft_sending *wanted, size_t wanted_count,
                        const struct raft_piece_answer *answers, size_t answer_count)
{
    for (size_t i = 0; i < answer_count && node_is_running(node); i++) {
        take_answer(node, &answers[i]);
    }
    for (size_t i = 0; i < wanted_count && node_is_running(node); i++) {
        begin_sending(node, &wanted[i]);
    }
}

/* When a sending of which nothing is heard is given up. A member whose disk is behind says nothing
 * of its pieces, but answers heartbeats: it has what it took, and goes on from there.
 */
static time_ns stall_at(const struct node *node, const struct node_sending *sending)
{
    struct raft_peer_status peer;
    time_ns quiet_ns = 2 * node->options.election_timeout_max_ns;
    bool is_live = raft_peer_status(node->raft, sending->peer, &peer) && peer.heard_ns != 0 &&
                   node->time.now_ns - peer.heard_ns < quiet_ns;
    return sending->heard_ns + (is_live ? SLOW_DISK_STALL_NS : STALL_NS);
}

/* Nothing is heard: what is on its way may be lost, or the answer. Ask with a piece. */
static void ask_again(struct node *node, struct node_sending *sending)
{
    time_ns quiet_ns = 2 * node->options.election_timeout_max_ns;
    if (sending->is_reading || node->time.now_ns - sending->sent_ns < quiet_ns ||
        node->time.now_ns - sending->heard_ns < quiet_ns) {
        return;
    }
    sending->is_answered = false;         /* one piece, until there is an answer */
    sending->sent_ns = node->time.now_ns; /* also if the rate, or the disk, holds it back */
    sending->gap_offset = UINT64_MAX;
    int status = seek(node, sending, sending->wanted_offset);
    if (status != 0) {
        end_sending(node, sending, status);
    } else if (sending->wanted_offset == sending->info.size_bytes) {
        send_piece(node, sending, &(struct raft_data){.chunk = NULL}); /* it has all of it */
    }
}

void node_sendings_turn(struct node *node)
{
    bool is_leader = raft_is_leader(node->raft);
    count_budget(node);
    for (size_t i = 0; i < NODE_SENDINGS_MAX && node_is_running(node); i++) {
        struct node_sending *sending = &node->sendings.slots[i];
        if (!sending->is_used) {
            continue;
        }
        if (!is_leader) {
            close_sending(sending);
        } else if (node->time.now_ns >= stall_at(node, sending)) {
            end_sending(node, sending, QR_ERR_TIMEOUT);
        } else {
            ask_again(node, sending);
            pump(node, sending);
        }
    }
}

time_ns node_sendings_deadline(const struct node *node)
{
    time_ns deadline = TIME_NEVER;
    for (size_t i = 0; i < NODE_SENDINGS_MAX; i++) {
        const struct node_sending *sending = &node->sendings.slots[i];
        if (!sending->is_used) {
            continue;
        }
        time_ns quiet_ns = 2 * node->options.election_timeout_max_ns;
        deadline = min_u64(deadline, stall_at(node, sending));
        if (sending->is_reading) {
            continue; /* the end of the read is a turn of its own */
        }
        deadline = min_u64(deadline, max_u64(sending->sent_ns, sending->heard_ns) + quiet_ns);
        if (may_send(node, sending)) { /* the rate holds it back */
            deadline = min_u64(deadline, node->time.now_ns + NS_PER_MS);
        }
    }
    return deadline;
}

/* What a member that is sent a snapshot needs no more of the log. */
raft_index node_sendings_floor(const struct node *node, node_id peer)
{
    for (size_t i = 0; i < NODE_SENDINGS_MAX; i++) {
        const struct node_sending *sending = &node->sendings.slots[i];
        if (sending->is_used && sending->peer == peer) {
            return sending->info.position.index;
        }
    }
    return UINT64_MAX;
}

void node_sendings_stop(struct node *node)
{
    for (size_t i = 0; i < NODE_SENDINGS_MAX; i++) {
        if (node->sendings.slots[i].is_used) {
            close_sending(&node->sendings.slots[i]);
        }
    }
}
