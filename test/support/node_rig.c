/* node_rig.c: whole nodes over memory disks and a network of queues. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/node_rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "quorate/error.h"
#include "support/unit.h"

#define FRAME_BYTES_MAX (1024 * 1024)
#define STEP_NS NS_PER_MS

static bool chance(struct rig *rig, unsigned percent)
{
    return prng_between(&rig->prng, 0, 99) < percent;
}

static void push_frame(struct rig *rig, int from, int to, bool is_seed, struct wire_frame *frame)
{
    struct rig_frame *copy = malloc(sizeof(*copy) + frame->frame_bytes);
    assert_non_null(copy);
    *copy = (struct rig_frame){.from = from, .to = to, .is_seed = is_seed};
    copy->due_ns = rig->time.now_ns + prng_between(&rig->prng, 0, rig->delay_ns_max);
    if (chance(rig, rig->late_percent)) {
        copy->due_ns += prng_between(&rig->prng, 0, RIG_LATE_NS_MAX);
    }
    for (size_t i = 0; i < frame->part_count; i++) {
        memcpy(copy->bytes + copy->size_bytes, frame->parts[i].data, frame->parts[i].size_bytes);
        copy->size_bytes += frame->parts[i].size_bytes;
    }
    copy->next = rig->frames;
    rig->frames = copy;
}

static int number_of(const struct rig *rig, node_id id)
{
    for (int i = 0; i < rig->count; i++) {
        if (id == (node_id)i + 1) {
            return i;
        }
    }
    return -1;
}

static bool on_send(void *context, node_id to, struct wire_frame *frame)
{
    struct rig_node *self = context;
    struct rig *rig = self->rig;
    assert_false(self->is_failed);
    int target = number_of(rig, to);
    bool is_open =
        target >= 0 && rig->nodes[target].node != NULL && !rig->is_cut[self->number][target];
    if (is_open && !chance(rig, rig->loss_percent)) {
        push_frame(rig, self->number, target, false, frame);
        if (chance(rig, rig->repeat_percent)) {
            push_frame(rig, self->number, target, false, frame);
        }
    }
    wire_frame_free(frame);
    return is_open;
}

static void on_members(void *context, const struct raft_configuration *configuration)
{
    (void)context;
    assert_true(configuration->count <= RIG_NODES_MAX);
}

static void on_dial_seed(void *context, const char *address)
{
    struct rig_node *self = context;
    self->is_dialing = address != NULL;
    self->seed = address == NULL ? -1 : address[1] - '0';
}

static void on_send_seed(void *context, struct wire_frame *frame)
{
    struct rig_node *self = context;
    assert_false(self->is_failed);
    if (self->seed >= 0) {
        push_frame(self->rig, self->number, self->seed, true, frame);
    }
    wire_frame_free(frame);
}

static void on_reply(void *context, uint64_t connection, struct wire_frame *frame)
{
    struct rig_node *self = context;
    assert_false(self->is_failed);
    push_frame(self->rig, self->number, (int)connection - 1, true, frame);
    wire_frame_free(frame);
}

/* The result of each entry is the value that it had. */
static void tell_applied(struct rig_node *self, size_t count)
{
    static struct qr_result results[NODE_APPLY_ENTRIES_MAX];
    for (size_t i = 0; i < count; i++) {
        results[i] =
            (struct qr_result){.data = self->results[i], .size_bytes = sizeof(self->results[i])};
    }
    struct node_batch_end end = {.results = results, .digest = self->sum};
    end.digest ^= self->wants_digest ? 0 : UINT64_MAX; /* nobody may look at it */
    node_applied(self->node, &end, self->rig->time);
}

static void on_apply(void *context, const struct qr_entry *entries, size_t count, bool wants_digest)
{
    struct rig_node *self = context;
    assert_true(count > 0 || wants_digest);
    assert_true(self->rig->has_digests || !wants_digest);
    self->wants_digest = wants_digest;
    for (size_t i = 0; i < count; i++) {
        const struct qr_entry *entry = &entries[i];
        uint64_t value = entry->payload_bytes >= 8 ? load_u64(entry->payload) + 1 : 0;
        rig_machine_note(self, entry->index, value);
        store_u64(self->results[i], value);
    }
    if (self->is_apply_held) {
        self->held_count = count;
        self->is_batch_held = true;
        return;
    }
    tell_applied(self, count);
}

void rig_release_apply(struct rig *rig, int i)
{
    struct rig_node *self = &rig->nodes[i];
    size_t count = self->held_count;
    self->is_apply_held = false;
    self->held_count = 0;
    if (self->is_batch_held) {
        self->is_batch_held = false;
        tell_applied(self, count);
    }
}

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

static void on_snapshot_done(void *context, uint64_t token, int status, raft_index index)
{
    struct rig_node *self = context;
    (void)token;
    self->told_count++;
    self->told_status = status;
    self->told_index = index;
}

static void on_backup_read(void *context, size_t backup, int status, const uint8_t *data,
                           size_t size_bytes)
{
    struct rig_node *self = context;
    assert_true(backup < NODE_BACKUPS_MAX);
    assert_true(self->backup_bytes + size_bytes <= sizeof(self->backup));
    self->piece_count++;
    self->piece_status = status;
    self->piece_bytes = size_bytes;
    if (size_bytes > 0) {
        memcpy(self->backup + self->backup_bytes, data, size_bytes);
        self->backup_bytes += size_bytes;
    }
}

static void on_changed(void *context)
{
    (void)context;
}

static void on_change_done(void *context, uint64_t token, int status,
                           const struct node_change_result *result)
{
    struct rig_node *self = context;
    assert_int_equal(token, self->change_count);
    self->change_count++;
    self->change_status = status;
    self->change_result = *result;
}

static void on_failed(void *context, int status, const char *reason)
{
    struct rig_node *self = context;
    assert_false(self->is_failed);
    self->is_failed = true;
    self->failed_status = status;
    if (!self->may_fail) {
        print_message("node %d failed: %s: %s\n", self->number, qr_error_name(status), reason);
    }
}

void rig_init(struct rig *rig, int count, uint64_t seed)
{
    memset(rig, 0, sizeof(*rig));
    heap_init(&rig->heap);
    rig->prng = prng_of(seed);
    rig->count = count;
    rig->time = (struct node_time){NS_PER_S, 1000 * NS_PER_S};
    rig->delay_ns_max = 2 * NS_PER_MS;
    rig->disk_percent = 90;
    rig->segment_bytes = UINT64_C(1) << 18;
    rig->cache_bytes = 4096;
    rig->payload_bytes = 8;
    rig->log_bytes_max = UINT64_C(1) << 40;
    rig->chunk_bytes = 512;
    for (int i = 0; i < count; i++) {
        rig->nodes[i] = (struct rig_node){.rig = rig, .number = i, .seed = -1};
        heap_init(&rig->nodes[i].heap);
        disk_memory_init(&rig->nodes[i].disk);
    }
}

int rig_open(struct rig *rig, int i)
{
    struct rig_node *self = &rig->nodes[i];
    char name[3] = {'n', (char)('0' + i), 0};
    assert_null(self->node);
    self->detail[0] = '\0';
    self->is_failed = false;
    rig_machine_begin(self);
    for (int j = 0; j < rig->count; j++) {
        rig->has_met[i][j] = false;
        rig->has_met[j][i] = false;
    }
    self->is_dialing = false;
    self->seed = -1;
    struct node_options options = {
        .allocator = &self->heap.allocator,
        .disk = &self->disk.disk,
        .io = {.context = self,
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
               .failed = on_failed,
               .machine = rig->is_without_machine ? (struct qr_state_machine){.context = NULL}
                                                  : rig_machine(self),
               .snapshot_done = on_snapshot_done,
               .backup_read = on_backup_read},
        .name = name,
        .address = name,
        .meta = "",
        .join = i == 0 ? NULL : "n0,n1",
        .is_bootstrap = i == 0,
        .fresh_node_id = (node_id)i + 1,
        .fresh_cluster_id = {7, 7},
        .seed = prng_next(&rig->prng),
        .election_timeout_min_ns = 150 * NS_PER_MS,
        .election_timeout_max_ns = 300 * NS_PER_MS,
        .heartbeat_interval_ns = 50 * NS_PER_MS,
        .proposal_timeout_ns = 2 * NS_PER_S,
        .message_bytes_max = 65536,
        .inflight_bytes_max = 65536,
        .cache_bytes_max = rig->cache_bytes,
        .segment_bytes = rig->segment_bytes,
        .pending_max = 1024,
        .log_entries_max = rig->log_entries_max,
        .log_bytes_max = rig->log_bytes_max,
        .sending_bytes_per_second = rig->sending_rate,
        .snapshot_chunk_bytes = rig->chunk_bytes,
        .stall_timeout_ns = self->stall_timeout_ns,
        .lease_ns = self->lease_ns,
        .on_divergence = self->on_divergence,
    };
    return node_open(&options, rig->time, &self->node, self->detail);
}

void rig_start(struct rig *rig, int i)
{
    int status = rig_open(rig, i);
    if (status != 0) {
        fail_msg("node %d does not open: %s: %s", i, qr_error_name(status), rig->nodes[i].detail);
    }
}

/* What it had in memory must all have been given back. */
static void free_node(struct rig_node *self)
{
    assert_true(node_is_idle(self->node));
    assert_int_equal(self->open_views, 0);
    node_free(self->node);
    self->node = NULL;
    heap_deinit(&self->heap);
}

void rig_stop(struct rig *rig, int i)
{
    struct rig_node *self = &rig->nodes[i];
    if (self->node == NULL) {
        return;
    }
    node_stop(self->node);
    do {
        disk_memory_run(&self->disk);
    } while (!node_settle(self->node));
    free_node(self);
}

static bool keep_some(void *context, size_t number)
{
    (void)number;
    return chance(context, 50);
}

void rig_crash(struct rig *rig, int i)
{
    struct rig_node *self = &rig->nodes[i];
    if (self->node == NULL) {
        return;
    }
    node_stop(self->node);
    disk_memory_stop(&self->disk);
    free_node(self);
    disk_memory_crash(&self->disk, keep_some, rig);
}

void rig_deinit(struct rig *rig)
{
    for (int i = 0; i < rig->count; i++) {
        rig_crash(rig, i);
        disk_memory_deinit(&rig->nodes[i].disk);
    }
    while (rig->frames != NULL) {
        struct rig_frame *next = rig->frames->next;
        free(rig->frames);
        rig->frames = next;
    }
    heap_deinit(&rig->heap);
}

static void deliver(struct rig *rig, const struct rig_frame *frame)
{
    static struct entry entries[WIRE_ENTRIES_MAX];
    struct rig_node *target = &rig->nodes[frame->to];
    struct wire_message message;
    if (target->node == NULL || rig->is_cut[frame->from][frame->to]) {
        return;
    }
    size_t length;
    assert_int_equal(wire_frame_length(frame->bytes, frame->size_bytes, FRAME_BYTES_MAX, &length),
                     0);
    assert_int_equal(length, frame->size_bytes);
    struct chunk *chunk = chunk_new(&rig->heap.allocator, (uint32_t)frame->size_bytes);
    assert_non_null(chunk);
    memcpy(chunk->data, frame->bytes, frame->size_bytes);
    assert_int_equal(wire_decode(chunk, chunk->data, frame->size_bytes, entries, &message), 0);
    if (frame->is_seed && message.type == WIRE_JOIN_RESPONSE) {
        node_seed_receive(target->node, &message, rig->time);
    } else {
        node_receive(target->node, (node_id)frame->from + 1,
                     frame->is_seed ? (uint64_t)frame->from + 1 : 0, &message, rig->time);
    }
    chunk_drop(chunk);
}

static struct rig_frame *reverse(struct rig_frame *frames)
{
    struct rig_frame *reversed = NULL;
    while (frames != NULL) {
        struct rig_frame *next = frames->next;
        frames->next = reversed;
        reversed = frames;
        frames = next;
    }
    return reversed;
}

void rig_change(struct rig *rig, int i, struct wire_change change)
{
    struct rig_node *self = &rig->nodes[i];
    assert_int_equal(node_change(self->node, &change, self->change_count, rig->time), 0);
}

/* The list has the newest first; only a delay lets one frame overtake another. */
static void deliver_due(struct rig *rig)
{
    struct rig_frame *late = NULL;
    struct rig_frame *frame = reverse(rig->frames);
    rig->frames = NULL;
    while (frame != NULL) {
        struct rig_frame *next = frame->next;
        bool is_paused = rig->nodes[frame->to].paused_until_ns > rig->time.now_ns;
        if (frame->due_ns <= rig->time.now_ns && !is_paused) {
            deliver(rig, frame);
            free(frame);
        } else {
            frame->next = late;
            late = frame;
        }
        frame = next;
    }
    struct rig_frame **end = &rig->frames; /* behind what was sent meanwhile */
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = late;
}

static void dial(struct rig_node *self)
{
    struct rig *rig = self->rig;
    struct rig_node *seed = &rig->nodes[self->seed];
    self->is_dialing = false;
    struct wire_hello hello;
    struct wire_hello_response response;
    const char *reason = "no connection";
    node_hello(self->node, false, 0, &hello);
    bool is_accepted = seed->node != NULL && !rig->is_cut[self->number][self->seed] &&
                       node_hello_check(seed->node, &hello, &response) == 0 &&
                       node_hello_response_check(self->node, &response, false, 0, &reason) == 0;
    if (is_accepted) {
        node_seed_ready(self->node, rig->time);
    } else {
        node_seed_closed(self->node, reason, rig->time);
    }
}

/* Members say hello to one another as soon as they can. */
static void meet(struct rig *rig, int i, int j)
{
    struct wire_hello hello;
    struct wire_hello_response response;
    const char *reason = "";
    struct node *dialer = rig->nodes[i].node;
    struct node *other = rig->nodes[j].node;
    if (i == j || rig->has_met[i][j] || rig->is_cut[i][j] || dialer == NULL || other == NULL) {
        return;
    }
    node_hello(dialer, true, (node_id)j + 1, &hello);
    rig->has_met[i][j] =
        node_hello_check(other, &hello, &response) == 0 &&
        node_hello_response_check(dialer, &response, true, (node_id)j + 1, &reason) == 0;
}

void rig_step(struct rig *rig)
{
    for (int i = 0; i < rig->count; i++) {
        for (int j = 0; j < rig->count; j++) {
            meet(rig, i, j);
        }
    }
    rig->time.now_ns += STEP_NS;
    rig->time.wall_ns += STEP_NS;
    deliver_due(rig);
    for (int i = 0; i < rig->count; i++) {
        struct rig_node *self = &rig->nodes[i];
        if (self->node == NULL || self->paused_until_ns > rig->time.now_ns) {
            continue;
        }
        while (self->disk.pending_count > 0 && self->stalled_until_ns <= rig->time.now_ns &&
               chance(rig, rig->disk_percent)) {
            (void)disk_memory_step(&self->disk);
        }
        if (self->is_dialing) {
            dial(self);
        }
        for (int turns = 0;
             turns == 0 || (turns < 50 && node_deadline(self->node) <= rig->time.now_ns); turns++) {
            node_turn(self->node, rig->time);
        }
    }
}

void rig_run(struct rig *rig, unsigned milliseconds)
{
    for (unsigned i = 0; i < milliseconds; i++) {
        rig_step(rig);
    }
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
    if (node_read(rig->nodes[i].node, rig->read_count, rig->time) == 0) {
        rig->read_count++;
    }
}

int rig_leader(const struct rig *rig)
{
    int leader = -1;
    raft_term term = 0;
    for (int i = 0; i < rig->count; i++) {
        struct node_status now;
        if (rig->nodes[i].node == NULL) {
            continue;
        }
        node_status(rig->nodes[i].node, &now);
        if (now.raft.role == RAFT_LEADER && now.raft.term > term) {
            leader = i;
            term = now.raft.term;
        }
    }
    return leader;
}

bool rig_is_settled(const struct rig *rig, size_t voter_count)
{
    int leader = rig_leader(rig);
    if (leader < 0) {
        return false;
    }
    struct node_status led;
    node_status(rig->nodes[leader].node, &led);
    const struct raft_configuration *configuration = node_configuration(rig->nodes[leader].node);
    size_t voters = 0;
    for (size_t i = 0; i < configuration->count; i++) {
        voters += (configuration->members[i].roles & RAFT_VOTER) != 0 ? 1 : 0;
    }
    for (int i = 0; i < rig->count; i++) {
        struct node_status now;
        if (rig->nodes[i].node == NULL) {
            continue;
        }
        node_status(rig->nodes[i].node, &now);
        if (now.raft.applied_index != led.raft.last_index) {
            return false;
        }
    }
    return voters == voter_count && led.raft.applied_index == led.raft.last_index;
}

bool rig_settle(struct rig *rig, size_t voter_count, unsigned milliseconds_max)
{
    for (unsigned i = 0; i < milliseconds_max; i++) {
        rig_step(rig);
        if (rig_is_settled(rig, voter_count)) {
            return true;
        }
    }
    return false;
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
