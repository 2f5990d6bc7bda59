/* node_rig.c: whole nodes over memory disks: their lives, and the time that passes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/node_rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "quorate/error.h"
#include "support/unit.h"

#define TURNS_MAX 1000 /* of a node, in a millisecond */
#define STEP_NS NS_PER_MS

bool rig_chance(struct rig *rig, unsigned percent)
{
    return prng_between(&rig->prng, 0, 99) < percent;
}

static void on_members(void *context, const struct raft_configuration *configuration)
{
    (void)context;
    assert_true(configuration->count <= RIG_NODES_MAX);
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
    (void)node_applied(self->node, &end, self->rig->time);
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
    self->has_input = true;
    self->held_count = 0;
    if (self->is_batch_held) {
        self->is_batch_held = false;
        tell_applied(self, count);
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
               .members = on_members,
               .apply = on_apply,
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
        .join = i == 0 || self->is_waiting ? NULL : "n0,n1",
        .is_waiting = self->is_waiting,
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
    rig_network_join(&options.io);
    rig_promises_join(&options.io);
    self->has_input = true;
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
    return rig_chance(context, 50);
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
    rig_network_deinit(rig);
    heap_deinit(&rig->heap);
}

void rig_change(struct rig *rig, int i, struct wire_change change)
{
    struct rig_node *self = &rig->nodes[i];
    self->has_input = true;
    assert_int_equal(node_change(self->node, &change, self->change_count, rig->time), 0);
}

static bool wants_turn(const struct rig_node *self)
{
    return self->has_input || node_deadline(self->node) <= self->rig->time.now_ns;
}

void rig_step(struct rig *rig)
{
    rig_network_meet(rig);
    rig->time.now_ns += STEP_NS;
    rig->time.wall_ns += STEP_NS;
    rig_network_deliver(rig);
    for (int i = 0; i < rig->count; i++) {
        struct rig_node *self = &rig->nodes[i];
        if (self->node == NULL || self->paused_until_ns > rig->time.now_ns) {
            continue;
        }
        while (self->disk.pending_count > 0 && self->stalled_until_ns <= rig->time.now_ns &&
               rig_chance(rig, rig->disk_percent)) {
            (void)disk_memory_step(&self->disk);
            self->has_input = true;
        }
        if (self->is_dialing) {
            rig_network_dial(self);
        }
        for (int turns = 0; wants_turn(self); turns++) {
            assert_true(turns < TURNS_MAX); /* else it wants one for ever */
            self->has_input = false;
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
