/* node_solo.c: one real node on a memory disk; the rest of its cluster is the test's. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/node_solo.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "quorate/error.h"
#include "support/unit.h"

#define TURNS_MAX 1000 /* a node that wants more of them at one moment never ends */
#define FRAME_BYTES_MAX (4 * 1024 * 1024)

/* Copy and decode a frame, as the network and the other end would. */
static struct solo_sent *record(struct solo *solo, struct wire_frame *frame)
{
    static struct entry entries[WIRE_ENTRIES_MAX];
    struct solo_sent *sent = calloc(1, sizeof(*sent));
    assert_non_null(sent);
    sent->chunk = chunk_new(&solo->outside.allocator, (uint32_t)frame->frame_bytes);
    assert_non_null(sent->chunk);
    size_t used = 0;
    for (size_t i = 0; i < frame->part_count; i++) {
        memcpy(sent->chunk->data + used, frame->parts[i].data, frame->parts[i].size_bytes);
        used += frame->parts[i].size_bytes;
    }
    wire_frame_free(frame);
    size_t length;
    assert_int_equal(wire_frame_length(sent->chunk->data, used, FRAME_BYTES_MAX, &length), 0);
    assert_int_equal(length, used);
    assert_int_equal(wire_decode(sent->chunk, sent->chunk->data, used, entries, &sent->message), 0);
    size_t count = sent->message.entry_count;
    sent->entries = calloc(count + 1, sizeof(*sent->entries));
    assert_non_null(sent->entries);
    memcpy(sent->entries, entries, count * sizeof(*entries));
    sent->message.entries = sent->entries;
    *solo->sent_end = sent;
    solo->sent_end = &sent->next;
    solo->sent_count++;
    return sent;
}

void solo_sent_free(struct solo_sent *sent)
{
    while (sent != NULL) {
        struct solo_sent *next = sent->next;
        chunk_drop(sent->chunk);
        free(sent->entries);
        free(sent);
        sent = next;
    }
}

static bool on_send(void *context, node_id to, struct wire_frame *frame)
{
    struct solo *solo = context;
    if (solo->is_send_refused) {
        wire_frame_free(frame);
        return false;
    }
    struct solo_sent *sent = record(solo, frame);
    sent->to = to;
    if (sent->message.type == RAFT_APPEND_ENTRIES) {
        solo->round = max_u64(solo->round, sent->message.raft.append_entries.round);
    }
    return true;
}

static void on_members(void *context, const struct raft_configuration *configuration)
{
    (void)context;
    assert_true(configuration->count <= RAFT_MEMBERS_MAX);
}

static void on_dial_seed(void *context, const char *address)
{
    struct solo *solo = context;
    memset(solo->dialed, 0, sizeof(solo->dialed));
    if (address != NULL) {
        assert_true(strlen(address) < sizeof(solo->dialed));
        memcpy(solo->dialed, address, strlen(address));
        solo->dial_count++;
    }
}

static void on_send_seed(void *context, struct wire_frame *frame)
{
    record(context, frame)->is_seed = true;
}

static void on_reply(void *context, uint64_t connection, struct wire_frame *frame)
{
    struct solo_sent *sent = record(context, frame);
    sent->is_reply = true;
    sent->connection = connection;
}

static void on_apply(void *context, const struct qr_entry *entries, size_t count, bool wants_digest)
{
    struct solo *solo = context;
    assert_int_equal(solo->held_count, 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(entries[i].index > solo->applied_index);
        solo->applied_index = entries[i].index;
        bool is_number = entries[i].payload_bytes == 8;
        bool is_rejected =
            is_number && solo->rejected != 0 && load_u64(entries[i].payload) == solo->rejected;
        if (is_number && !is_rejected) {
            assert_true(solo->applied_count < SOLO_APPLIED_MAX);
            solo->applied[solo->applied_count++] = load_u64(entries[i].payload);
        }
        solo->answers[i] = solo->applied_count;
        solo->results[i] = (struct qr_result){.data = &solo->answers[i],
                                              .size_bytes = sizeof(solo->answers[i]),
                                              .status = is_rejected ? SOLO_ANY_STATUS : 0};
    }
    solo->held_count = count;
    solo->is_batch_held = true;
    solo->digest_count += wants_digest ? 1 : 0;
    solo->claimed_count = 0;
    if (solo->is_apply_claimed && node_claim_waiters(solo->node, solo->claimed)) {
        solo->claimed_count = count;
    }
    if (!solo->is_apply_held) {
        solo_applied(solo, 0);
    }
}

void solo_applied(struct solo *solo, int status)
{
    assert_true(solo->is_batch_held);
    solo->is_batch_held = false;
    solo->held_count = 0;
    struct node_batch_end end = {
        .status = status, .results = solo->results, .digest = solo->applied_count};
    (void)node_applied(solo->node, &end, solo->time);
}

static void tell(struct solo_told *told, uint64_t token, int status, raft_index index)
{
    assert_true(token < SOLO_TOKENS_MAX);
    assert_int_equal(told[token].count, 0);
    told[token] = (struct solo_told){.count = 1, .status = status, .index = index};
}

static void on_proposal_done(void *context, uint64_t token, int status, raft_index index,
                             const struct qr_result *result)
{
    struct solo *solo = context;
    assert_int_equal(result != NULL, status == 0 || status == QR_ERR_REJECTED);
    tell(solo->proposals, token, status, index);
    solo->proposals[token].is_rejected = result != NULL && result->status != 0;
    if (result != NULL && result->size_bytes == sizeof(solo->proposals[token].answer)) {
        memcpy(&solo->proposals[token].answer, result->data, result->size_bytes);
    }
}

static void on_read_done(void *context, uint64_t token, int status, raft_index index)
{
    struct solo *solo = context;
    tell(solo->reads, token, status, index);
}

static void on_change_done(void *context, uint64_t token, int status,
                           const struct node_change_result *result)
{
    struct solo *solo = context;
    tell(solo->changes, token, status, 0);
    solo->change_result = *result;
}

static void on_changed(void *context)
{
    (void)context;
}

static void on_failed(void *context, int status, const char *reason)
{
    struct solo *solo = context;
    assert_non_null(reason);
    assert_int_equal(solo->failed_count++, 0);
    solo->failed_status = status;
    solo->sent_at_failure = solo->sent_count;
}

void solo_init(struct solo *solo)
{
    memset(solo, 0, sizeof(*solo));
    heap_init(&solo->heap);
    heap_init(&solo->outside);
    disk_memory_init(&solo->disk);
    solo->sent_end = &solo->sent;
    solo->time = (struct node_time){NS_PER_S, 1000 * NS_PER_S};
    solo->options = (struct node_options){
        .allocator = &solo->heap.allocator,
        .disk = &solo->disk.disk,
        .io = {.context = solo,
               .send = on_send,
               .members = on_members,
               .dial_seed = on_dial_seed,
               .send_seed = on_send_seed,
               .reply = on_reply,
               .apply = on_apply,
               .proposal_done = on_proposal_done,
               .read_done = on_read_done,
               .change_done = on_change_done,
               .changed = on_changed,
               .failed = on_failed},
        .name = "n1",
        .address = "a1",
        .meta = "",
        .fresh_node_id = SOLO_SELF,
        .fresh_cluster_id = SOLO_CLUSTER,
        .seed = 1,
        .election_timeout_min_ns = 150 * NS_PER_MS,
        .election_timeout_max_ns = 300 * NS_PER_MS,
        .heartbeat_interval_ns = 50 * NS_PER_MS,
        .proposal_timeout_ns = 2 * NS_PER_S,
        .message_bytes_max = 16384,
        .inflight_bytes_max = 65536,
        .cache_bytes_max = 4096,
        .segment_bytes = UINT64_C(1) << 18,
        .pending_max = 1024,
    };
}

void solo_deinit(struct solo *solo)
{
    solo_stop(solo);
    solo_forget(solo);
    disk_memory_deinit(&solo->disk);
    heap_deinit(&solo->heap);
    heap_deinit(&solo->outside);
}

int solo_open(struct solo *solo)
{
    assert_null(solo->node);
    memset(solo->detail, 0, sizeof(solo->detail));
    solo->applied_count = 0;
    solo->applied_index = 0;
    return node_open(&solo->options, solo->time, &solo->node, solo->detail);
}

void solo_start(struct solo *solo)
{
    int status = solo_open(solo);
    if (status != 0) {
        fail_msg("does not open: %s: %s", qr_error_name(status), solo->detail);
    }
}

static void end(struct solo *solo)
{
    if (solo->held_count > 0) {
        solo_applied(solo, 0);
    }
    assert_true(node_is_idle(solo->node));
    node_free(solo->node);
    solo->node = NULL;
}

void solo_stop(struct solo *solo)
{
    if (solo->node != NULL) {
        node_stop(solo->node);
        disk_memory_run(&solo->disk);
        end(solo);
    }
}

void solo_crash(struct solo *solo)
{
    node_stop(solo->node);
    disk_memory_stop(&solo->disk);
    end(solo);
    disk_memory_crash(&solo->disk, NULL, NULL);
}

void solo_turn(struct solo *solo)
{
    int turns = 0;
    do {
        assert_true(turns++ < TURNS_MAX);
        node_turn(solo->node, solo->time);
    } while (node_deadline(solo->node) <= solo->time.now_ns);
}

void solo_work(struct solo *solo)
{
    solo_turn(solo);
    while (solo->disk.pending_count > 0) {
        disk_memory_run(&solo->disk);
        solo_turn(solo);
    }
}

static void pass(struct solo *solo, unsigned milliseconds, void (*then)(struct solo *solo))
{
    for (unsigned i = 0; i < milliseconds; i++) {
        solo->time.now_ns += NS_PER_MS;
        solo->time.wall_ns += NS_PER_MS;
        if (then == solo_work || node_deadline(solo->node) <= solo->time.now_ns) {
            then(solo);
        }
    }
}

void solo_wait(struct solo *solo, unsigned milliseconds)
{
    pass(solo, milliseconds, solo_turn);
}

void solo_run(struct solo *solo, unsigned milliseconds)
{
    pass(solo, milliseconds, solo_work);
}

void solo_meet(struct solo *solo, node_id id, uint32_t version)
{
    struct wire_hello hello = {
        .version_min = 1, .version_max = version, .cluster = SOLO_CLUSTER, .from = id};
    struct wire_hello_response response;
    assert_int_equal(node_hello_check(solo->node, &hello, &response), 0);
}

void solo_receive(struct solo *solo, node_id from, const struct wire_message *message)
{
    node_receive(solo->node, from, 100 + from, message, solo->time);
}

const struct solo_sent *solo_last(const struct solo *solo, unsigned type)
{
    const struct solo_sent *last = NULL;
    for (const struct solo_sent *at = solo->sent; at != NULL; at = at->next) {
        last = at->message.type == type ? at : last;
    }
    return last;
}

size_t solo_count(const struct solo *solo, unsigned type)
{
    size_t count = 0;
    for (const struct solo_sent *at = solo->sent; at != NULL; at = at->next) {
        count += at->message.type == type;
    }
    return count;
}

uint64_t solo_question(const struct solo *solo)
{
    const struct solo_sent *sent = solo_last(solo, WIRE_READ);
    assert_non_null(sent);
    return sent->message.read.request;
}

void solo_forget(struct solo *solo)
{
    solo_sent_free(solo->sent);
    solo->sent = NULL;
    solo->sent_end = &solo->sent;
}

int solo_propose(struct solo *solo, uint64_t number)
{
    uint8_t payload[8];
    store_u64(payload, number);
    struct node_proposal proposal = {
        .command = "add", .command_bytes = 3, .payload = payload, .payload_bytes = sizeof(payload)};
    return node_propose(solo->node, &proposal, number, solo->time);
}

int solo_read(struct solo *solo, uint64_t token)
{
    return node_read(solo->node, token, solo->time);
}

struct node_status solo_status(const struct solo *solo)
{
    struct node_status status;
    node_status(solo->node, &status);
    return status;
}
