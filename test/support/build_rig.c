/* build_rig.c: a few nodes of any builds in one thread, over the boundary of sim/build.h. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/build_rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "quorate/error.h"
#include "support/unit.h"

#define STEPS_MAX 20000 /* of waiting for one thing */
#define COMMAND "set"

static void *allocate_memory(void *context, size_t size_bytes)
{
    struct build_rig_node *self = context;
    return allocate(&self->rig->heap.allocator, size_bytes);
}

static void release_memory(void *context, void *memory, size_t size_bytes)
{
    struct build_rig_node *self = context;
    release(&self->rig->heap.allocator, memory, size_bytes);
}

static void push_frame(const struct build_rig_node *self, int to, bool is_seed,
                       const struct build_part *parts, size_t count)
{
    struct build_rig *rig = self->rig;
    size_t size_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        size_bytes += parts[i].size_bytes;
    }
    struct build_rig_frame *frame = malloc(sizeof(*frame) + size_bytes);
    assert_non_null(frame);
    *frame = (struct build_rig_frame){.from = self->number, .to = to, .is_seed = is_seed};
    for (size_t i = 0; i < count; i++) {
        memcpy(frame->bytes + frame->size_bytes, parts[i].data, parts[i].size_bytes);
        frame->size_bytes += parts[i].size_bytes;
    }
    *rig->frames_end = frame;
    rig->frames_end = &frame->next;
}

/* Let `from` say hello to `to`; returns why not, or NULL. */
static const char *say_hello(struct build_rig_node *from, struct build_rig_node *to, bool is_member)
{
    static char reason[BUILD_DETAIL_BYTES];
    uint8_t hello[BUILD_HELLO_BYTES_MAX];
    uint8_t response[BUILD_HELLO_BYTES_MAX];
    uint64_t expected = is_member ? (uint64_t)to->number + 1 : 0;
    uint64_t said_from = 0;
    size_t response_bytes = 0;
    size_t hello_bytes = from->build->hello(from->node, is_member, expected, hello);
    assert_true(hello_bytes > 0);
    int status =
        to->build->hello_check(to->node, hello, hello_bytes, response, &response_bytes, &said_from);
    assert_int_equal(said_from, from->number + 1);
    int answer = from->build->hello_response_check(from->node, response, response_bytes, is_member,
                                                   expected, reason);
    assert_int_equal(answer, status);
    return answer == 0 ? NULL : reason;
}

static bool on_send(void *context, uint64_t to, const struct build_part *parts, size_t count)
{
    struct build_rig_node *self = context;
    struct build_rig *rig = self->rig;
    assert_in_range(to, 1, BUILD_RIG_NODES_MAX);
    int target = (int)to - 1;
    bool *is_open = &rig->is_open[self->number][target];
    if (!*is_open && rig->nodes[target].node != NULL) {
        *is_open = say_hello(self, &rig->nodes[target], true) == NULL;
    }
    if (*is_open) {
        push_frame(self, target, false, parts, count);
    }
    return *is_open;
}

static void on_members(void *context, const struct build_member *members, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++) {
        assert_in_range(members[i].id, 1, BUILD_RIG_NODES_MAX);
        assert_int_equal(members[i].address[1] - '0', members[i].id - 1);
    }
}

static void on_dial_seed(void *context, const char *address)
{
    struct build_rig_node *self = context;
    self->is_dialing = address != NULL;
    self->seed = address == NULL ? -1 : address[1] - '0';
}

static void on_send_seed(void *context, const struct build_part *parts, size_t count)
{
    const struct build_rig_node *self = context;
    assert_true(self->seed >= 0);
    push_frame(self, self->seed, false, parts, count);
}

static void on_reply(void *context, uint64_t connection, const struct build_part *parts,
                     size_t count)
{
    push_frame(context, (int)connection, true, parts, count);
}

static void on_apply(void *context, const struct qr_entry *entries, size_t count)
{
    struct build_rig_node *self = context;
    struct build_rig *rig = self->rig;
    struct build_result results[BUILD_RIG_APPLY_MAX] = {{0}};
    assert_in_range(count, 1, BUILD_RIG_APPLY_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct qr_entry *entry = &entries[i];
        bool is_ours = entry->command_bytes == strlen(COMMAND);
        uint64_t value = is_ours ? load_u64(entry->payload) : UINT64_MAX;
        assert_in_range(entry->index, self->applied_index + 1, BUILD_RIG_INDEX_MAX - 1);
        assert_true(rig->value_at[entry->index] == 0 || rig->value_at[entry->index] == value);
        rig->value_at[entry->index] = value;
        self->applied_index = entry->index;
        results[i] = (struct build_result){&rig->value_at[entry->index], sizeof(value), 0};
    }
    self->build->applied(self->node, 0, results, rig->time);
}

static void on_proposal_done(void *context, uint64_t token, int status, uint64_t index,
                             const struct build_result *result)
{
    struct build_rig_node *self = context;
    struct build_rig *rig = self->rig;
    if (status != 0) {
        self->refused_count++;
        self->refused_status = status;
        return;
    }
    assert_int_equal(result->size_bytes, sizeof(token));
    assert_memory_equal(result->data, &token, sizeof(token));
    assert_int_equal(rig->value_at[index], token);
    rig->acked_index = max_u64(rig->acked_index, index);
    self->done_count++;
}

/* The token is what had been acknowledged when it was asked. */
static void on_read_done(void *context, uint64_t token, int status, uint64_t index)
{
    struct build_rig_node *self = context;
    if (status != 0) {
        self->refused_count++;
        return;
    }
    /* Not every entry is for the state machine: the node knows how far it is. */
    assert_true(token <= index);
    assert_true(index <= build_rig_status(self->rig, self->number).applied_index);
    self->read_count++;
}

static void on_failed(void *context, int status, const char *reason)
{
    const struct build_rig_node *self = context;
    fail_msg("node %d failed: %s: %s", self->number, qr_error_name(status), reason);
}

static void on_log(void *context, int level, const char *line)
{
    struct build_rig_node *self = context;
    assert_in_range(level, 0, 3);
    assert_true(line[0] != '\0');
    self->line_count++;
}

void build_rig_init(struct build_rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    heap_init(&rig->heap);
    rig->time = (struct build_time){.now_ns = NS_PER_S, .wall_ns = 1000 * NS_PER_S};
    rig->frames_end = &rig->frames;
    for (int i = 0; i < BUILD_RIG_NODES_MAX; i++) {
        struct build_rig_node *self = &rig->nodes[i];
        self->rig = rig;
        self->number = i;
        build_disk_memory_init(&self->disk);
        self->world = (struct build_world){
            .context = self,
            .allocate = allocate_memory,
            .release = release_memory,
            .send = on_send,
            .members = on_members,
            .dial_seed = on_dial_seed,
            .send_seed = on_send_seed,
            .reply = on_reply,
            .apply = on_apply,
            .proposal_done = on_proposal_done,
            .read_done = on_read_done,
            .failed = on_failed,
            .log = on_log,
        };
    }
}

void build_rig_start(struct build_rig *rig, int i, const struct build *build, int seed)
{
    struct build_rig_node *self = &rig->nodes[i];
    const char name[3] = {'n', (char)('0' + i), 0};
    const char join[3] = {'n', (char)('0' + seed), 0};
    char detail[BUILD_DETAIL_BYTES] = "";
    assert_null(self->node);
    self->build = build;
    self->applied_index = 0;
    self->is_dialing = false;
    self->seed = -1;
    struct build_options options = {
        .disk = &self->disk.disk,
        .world = &self->world,
        .name = name,
        .address = name,
        .join = i == 0 ? NULL : join,
        .is_bootstrap = i == 0,
        .fresh_node_id = (uint64_t)i + 1,
        .fresh_cluster_id = {7, 7},
        .seed = rig->time.now_ns + (uint64_t)i,
        .election_timeout_min_ns = 150 * NS_PER_MS,
        .election_timeout_max_ns = 300 * NS_PER_MS,
        .heartbeat_interval_ns = 50 * NS_PER_MS,
        .proposal_timeout_ns = 2 * NS_PER_S,
        .message_bytes_max = 65536,
        .inflight_bytes_max = 65536,
        .cache_bytes_max = 4096,
        .segment_bytes = 1 << 18,
        .pending_max = 1024,
    };
    int status = build->open(&options, rig->time, &self->node, detail);
    if (status != 0) {
        fail_msg("node %d (%s) does not open: %s: %s", i, build->version, qr_error_name(status),
                 detail);
    }
}

void build_rig_crash(struct build_rig *rig, int i)
{
    struct build_rig_node *self = &rig->nodes[i];
    if (self->node == NULL) {
        return;
    }
    self->build->stop(self->node);
    build_disk_memory_stop(&self->disk);
    assert_true(self->build->is_idle(self->node));
    self->build->free(self->node);
    self->node = NULL;
    build_disk_memory_crash(&self->disk);
    for (int other = 0; other < BUILD_RIG_NODES_MAX; other++) {
        rig->is_open[i][other] = false;
        rig->is_open[other][i] = false;
    }
}

void build_rig_deinit(struct build_rig *rig)
{
    for (int i = 0; i < BUILD_RIG_NODES_MAX; i++) {
        build_rig_crash(rig, i);
        build_disk_memory_deinit(&rig->nodes[i].disk);
    }
    while (rig->frames != NULL) {
        struct build_rig_frame *next = rig->frames->next;
        free(rig->frames);
        rig->frames = next;
    }
    heap_deinit(&rig->heap);
}

static void deliver(struct build_rig *rig, const struct build_rig_frame *frame)
{
    struct build_rig_node *target = &rig->nodes[frame->to];
    if (target->node == NULL) {
        return;
    }
    int status =
        frame->is_seed && target->seed >= 0
            ? target->build->seed_receive(target->node, frame->bytes, frame->size_bytes, rig->time)
            : target->build->receive(target->node, (uint64_t)frame->from + 1, (uint64_t)frame->from,
                                     frame->bytes, frame->size_bytes, rig->time);
    assert_int_equal(status, 0);
    rig->frame_count++;
}

/* What is sent meanwhile comes with the next step. */
static void deliver_all(struct build_rig *rig)
{
    struct build_rig_frame *frame = rig->frames;
    rig->frames = NULL;
    rig->frames_end = &rig->frames;
    while (frame != NULL) {
        struct build_rig_frame *next = frame->next;
        deliver(rig, frame);
        free(frame);
        frame = next;
    }
}

static void dial(struct build_rig_node *self)
{
    struct build_rig *rig = self->rig;
    struct build_rig_node *seed = &rig->nodes[self->seed];
    const char *reason = "no connection";
    self->is_dialing = false;
    if (seed->node != NULL) {
        reason = say_hello(self, seed, false);
    }
    if (reason == NULL) {
        self->build->seed_ready(self->node, rig->time);
    } else {
        self->build->seed_closed(self->node, reason, rig->time);
    }
}

void build_rig_step(struct build_rig *rig)
{
    rig->time.now_ns += NS_PER_MS;
    rig->time.wall_ns += NS_PER_MS;
    deliver_all(rig);
    for (int i = 0; i < BUILD_RIG_NODES_MAX; i++) {
        struct build_rig_node *self = &rig->nodes[i];
        if (self->node == NULL) {
            continue;
        }
        while (build_disk_memory_step(&self->disk)) {
        }
        if (self->is_dialing) {
            dial(self);
        }
        self->build->turn(self->node, rig->time);
    }
}

/* Step until the counter has gone up; what is asked for is refused nowhere. */
static void await(struct build_rig *rig, const uint64_t *count, uint64_t wanted)
{
    for (int i = 0; i < STEPS_MAX && *count < wanted; i++) {
        build_rig_step(rig);
    }
    assert_int_equal(*count, wanted);
}

void build_rig_propose(struct build_rig *rig, int i)
{
    struct build_rig_node *self = &rig->nodes[i];
    uint8_t payload[8];
    uint64_t number = ++rig->proposed;
    store_u64(payload, number);
    uint64_t wanted = self->done_count + 1;
    assert_int_equal(self->build->propose(self->node, (struct qr_id){0, 0}, COMMAND,
                                          strlen(COMMAND), payload, sizeof(payload), number,
                                          rig->time),
                     0);
    await(rig, &self->done_count, wanted);
}

int build_rig_propose_once(struct build_rig *rig, int i, uint64_t number)
{
    struct build_rig_node *self = &rig->nodes[i];
    struct qr_id id = {QR_SESSION_BIT | QR_TOKEN_BIT, number};
    uint64_t done = self->done_count;
    uint64_t refused = self->refused_count;
    uint8_t payload[8];
    store_u64(payload, number);
    int status = self->build->propose(self->node, id, COMMAND, strlen(COMMAND), payload,
                                      sizeof(payload), number, rig->time);
    while (status == 0 && self->done_count == done && self->refused_count == refused) {
        build_rig_step(rig);
    }
    return status != 0 || self->done_count > done ? status : self->refused_status;
}

size_t build_rig_applied_count(const struct build_rig *rig, uint64_t number)
{
    size_t count = 0;
    for (size_t i = 0; i < BUILD_RIG_INDEX_MAX; i++) {
        count += rig->value_at[i] == number ? 1 : 0;
    }
    return count;
}

void build_rig_read(struct build_rig *rig, int i)
{
    struct build_rig_node *self = &rig->nodes[i];
    uint64_t wanted = self->read_count + 1;
    assert_int_equal(self->build->read(self->node, rig->acked_index, rig->time), 0);
    await(rig, &self->read_count, wanted);
}

struct build_status build_rig_status(const struct build_rig *rig, int i)
{
    struct build_status status;
    rig->nodes[i].build->status(rig->nodes[i].node, &status);
    return status;
}

int build_rig_leader(const struct build_rig *rig)
{
    int leader = -1;
    uint64_t term = 0;
    for (int i = 0; i < BUILD_RIG_NODES_MAX; i++) {
        if (rig->nodes[i].node == NULL) {
            continue;
        }
        struct build_status status = build_rig_status(rig, i);
        if (status.role == BUILD_LEADER && status.term > term) {
            leader = i;
            term = status.term;
        }
    }
    return leader;
}

static bool is_settled(const struct build_rig *rig, size_t voter_count)
{
    int leader = build_rig_leader(rig);
    size_t voters = 0;
    if (leader < 0) {
        return false;
    }
    struct build_status led = build_rig_status(rig, leader);
    for (int i = 0; i < BUILD_RIG_NODES_MAX; i++) {
        if (rig->nodes[i].node == NULL) {
            continue;
        }
        struct build_status now = build_rig_status(rig, i);
        bool is_level = now.is_running && now.has_leader && now.leader == led.id &&
                        now.term == led.term && now.applied_index == led.last_index;
        if (!is_level) {
            return false;
        }
        voters += now.is_voter;
    }
    return voters == voter_count;
}

void build_rig_settle(struct build_rig *rig, size_t voter_count)
{
    for (int i = 0; i < STEPS_MAX && !is_settled(rig, voter_count); i++) {
        build_rig_step(rig);
    }
    assert_true(is_settled(rig, voter_count));
}
