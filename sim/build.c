/* build.c: today's node behind the boundary of sim/build.h.
 *
 * Owns     the node, the disk it sees, and the room its frames are decoded in.
 * Does not know what the node decides; it translates, and keeps nothing back.
 * Threads  one.
 *
 * At a release this file is kept with the sources it is compiled against, under the name
 * that BUILD_NAME says (tools/keep_release.sh).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/build.h"

#include <string.h>

#include "base/assert.h"
#include "base/chunk.h"
#include "node/node.h"
#include "quorate/error.h"
#include "sim/build_disk.h"

#ifndef BUILD_NAME
#define BUILD_NAME build_today
#define BUILD_VERSION "today"
#endif

#define LINE_BYTES 2048

struct build_node {
    struct node *node;
    const struct build_world *world;
    struct allocator allocator;
    struct disk_bridge disk;
    struct log_sink log;
    struct entry *entries;    /* WIRE_ENTRIES_MAX, of the frame that is being taken in */
    struct build_part *parts; /* of the frame that is being handed out */
    bool wants_digest;        /* of the batch under way */
    struct node_time time;    /* of the turn under way */
    size_t part_capacity;
    size_t apply_count; /* entries of the batch that is being applied */
    struct qr_result results[NODE_APPLY_ENTRIES_MAX];
};

_Static_assert(BUILD_DETAIL_BYTES >= NODE_DETAIL_BYTES, "a detail fits");
_Static_assert(BUILD_DETAIL_BYTES >= WIRE_REASON_BYTES_MAX, "a reason fits");
_Static_assert(BUILD_HELLO_BYTES_MAX >= WIRE_HEAD_BYTES_MAX, "a hello fits");
_Static_assert(BUILD_MEMBERS_MAX >= RAFT_MEMBERS_MAX, "all members fit");
_Static_assert(BUILD_NAME_BYTES_MAX >= RAFT_NAME_BYTES_MAX, "a name fits");
_Static_assert(BUILD_NAMES_BYTES_MAX == WIRE_NAMES_BYTES_MAX, "as many names");
_Static_assert((int)BUILD_LEARNER == (int)RAFT_LEARNER, "roles are numbered alike");
_Static_assert((int)BUILD_FOLLOWER == (int)RAFT_FOLLOWER, "roles are numbered alike");
_Static_assert((int)BUILD_PRE_CANDIDATE == (int)RAFT_PRE_CANDIDATE, "roles are numbered alike");
_Static_assert((int)BUILD_CANDIDATE == (int)RAFT_CANDIDATE, "roles are numbered alike");
_Static_assert((int)BUILD_LEADER == (int)RAFT_LEADER, "roles are numbered alike");

static struct node_time node_time_of(struct build_time time)
{
    return (struct node_time){.now_ns = time.now_ns, .wall_ns = time.wall_ns};
}

/* The frame's parts in the boundary's shape, valid until the next; false: memory ran out. */
static bool lay_out(struct build_node *self, const struct wire_frame *frame)
{
    void *parts = self->parts;
    int status = allocate_grow(&self->allocator, &parts, &self->part_capacity, frame->part_count,
                               WIRE_ENTRIES_MAX + 1, sizeof(*self->parts));
    self->parts = parts;
    if (status != 0) {
        return false;
    }
    for (size_t i = 0; i < frame->part_count; i++) {
        /* Written from, never to. */
        memcpy(&self->parts[i].data, &frame->parts[i].data, sizeof(self->parts[i].data));
        self->parts[i].size_bytes = frame->parts[i].size_bytes;
    }
    return true;
}

static bool on_send(void *context, node_id to, struct wire_frame *frame)
{
    struct build_node *self = context;
    bool is_sent = lay_out(self, frame) &&
                   self->world->send(self->world->context, to, self->parts, frame->part_count);
    wire_frame_free(frame);
    return is_sent;
}

static void on_members(void *context, const struct raft_configuration *configuration)
{
    const struct build_node *self = context;
    struct build_member members[RAFT_MEMBERS_MAX];
    char addresses[RAFT_MEMBERS_MAX][RAFT_ADDRESS_BYTES_MAX];
    ASSERT(configuration->count <= RAFT_MEMBERS_MAX);
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        struct text text = text_of(addresses[i], sizeof(addresses[i]));
        text_string(&text, node_member_address(self->node, member->id));
        members[i] = (struct build_member){
            .id = member->id,
            .address = addresses[i],
            .is_voter = (member->roles & (RAFT_VOTER | RAFT_VOTER_OUTGOING)) != 0,
        };
    }
    self->world->members(self->world->context, members, configuration->count);
}

static void on_dial_seed(void *context, const char *address)
{
    const struct build_node *self = context;
    self->world->dial_seed(self->world->context, address);
}

static void on_send_seed(void *context, struct wire_frame *frame)
{
    struct build_node *self = context;
    if (lay_out(self, frame)) {
        self->world->send_seed(self->world->context, self->parts, frame->part_count);
    }
    wire_frame_free(frame);
}

static void on_reply(void *context, uint64_t connection, struct wire_frame *frame)
{
    struct build_node *self = context;
    if (lay_out(self, frame)) {
        self->world->reply(self->world->context, connection, self->parts, frame->part_count);
    }
    wire_frame_free(frame);
}

static void on_apply(void *context, const struct qr_entry *entries, size_t count, bool wants_digest)
{
    struct build_node *self = context;
    self->wants_digest = wants_digest;
    self->apply_count = count;
    if (count > 0) {
        self->world->apply(self->world->context, entries, count);
        return;
    }
    struct node_batch_end end = {.digest = self->world->digest(self->world->context)};
    (void)node_applied(self->node, &end, self->time);
}

static int on_snapshot_open(void *context, void **snapshot)
{
    const struct build_node *self = context;
    return self->world->snapshot_open(self->world->context, snapshot);
}

static int on_snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                            size_t *read_bytes)
{
    const struct build_node *self = context;
    return self->world->snapshot_read(self->world->context, snapshot, buffer, size_bytes,
                                      read_bytes);
}

static void on_snapshot_close(void *context, void *snapshot)
{
    const struct build_node *self = context;
    self->world->snapshot_close(self->world->context, snapshot);
}

static int on_restore_begin(void *context)
{
    const struct build_node *self = context;
    return self->world->restore_begin(self->world->context);
}

static int on_restore_write(void *context, const void *data, size_t size_bytes)
{
    const struct build_node *self = context;
    return self->world->restore_write(self->world->context, data, size_bytes);
}

static int on_restore_end(void *context)
{
    const struct build_node *self = context;
    return self->world->restore_end(self->world->context);
}

/* Nobody asks for one. */
static void on_snapshot_done(void *context, uint64_t token, int status, raft_index index)
{
    (void)context;
    (void)token;
    (void)status;
    (void)index;
}

static uint64_t on_applied_index(void *context)
{
    const struct build_node *self = context;
    return self->world->applied_index(self->world->context);
}

static uint64_t on_digest(void *context)
{
    const struct build_node *self = context;
    return self->world->digest(self->world->context);
}

static struct qr_state_machine machine_of(struct build_node *self)
{
    bool has_digest = self->world->digest != NULL;
    if (self->world->snapshot_open == NULL) {
        return (struct qr_state_machine){.size_bytes = sizeof(struct qr_state_machine),
                                         .context = self,
                                         .digest = has_digest ? on_digest : NULL};
    }
    return (struct qr_state_machine){
        .size_bytes = sizeof(struct qr_state_machine),
        .context = self,
        .digest = has_digest ? on_digest : NULL,
        .snapshot_open = on_snapshot_open,
        .snapshot_read = on_snapshot_read,
        .snapshot_close = on_snapshot_close,
        .restore_begin = on_restore_begin,
        .restore_write = on_restore_write,
        .restore_end = on_restore_end,
        .applied_index = self->world->applied_index == NULL ? NULL : on_applied_index,
    };
}

static uint64_t on_wake_at(void *context)
{
    const struct build_node *self = context;
    return self->world->wake_at == NULL ? 0 : self->world->wake_at(self->world->context);
}

static void on_proposal_done(void *context, uint64_t token, int status, raft_index index,
                             const struct qr_result *result)
{
    const struct build_node *self = context;
    struct build_result told = {0};
    if (result != NULL) {
        told = (struct build_result){result->data, result->size_bytes, result->status};
    }
    self->world->proposal_done(self->world->context, token, status, index,
                               result == NULL ? NULL : &told);
}

static void on_read_done(void *context, uint64_t token, int status, raft_index index)
{
    const struct build_node *self = context;
    self->world->read_done(self->world->context, token, status, index);
}

static void on_change_done(void *context, uint64_t token, int status,
                           const struct node_change_result *result)
{
    const struct build_node *self = context;
    self->world->change_done(self->world->context, token, status, result->reason);
}

/* Whoever wants to know asks for the status after each turn. */
static void on_changed(void *context)
{
    (void)context;
}

static void on_failed(void *context, int status, const char *reason)
{
    const struct build_node *self = context;
    self->world->failed(self->world->context, status, reason);
}

static void on_gossip_packet(void *context, const char *address, const uint8_t *data,
                             size_t size_bytes)
{
    const struct build_node *self = context;
    self->world->gossip_packet(self->world->context, address, data, size_bytes);
}

static void on_gossip_stream(void *context, const char *address, uint64_t answers,
                             const uint8_t *data, size_t size_bytes)
{
    const struct build_node *self = context;
    self->world->gossip_stream(self->world->context, address, answers, data, size_bytes);
}

static void on_log(void *context, const struct log_event *event)
{
    const struct build_node *self = context;
    bool is_refusal = strcmp(event->name, "message_refused") == 0;
    if (!self->world->is_log_wanted && !is_refusal) {
        return;
    }
    char line[LINE_BYTES];
    struct text text = text_of(line, sizeof(line));
    log_event_text(event, &text);
    if (self->world->is_log_wanted) {
        self->world->log(self->world->context, (int)event->level, line);
    }
    if (is_refusal) {
        self->world->refused(self->world->context, line);
    }
}

static struct node_options node_options_of(struct build_node *self,
                                           const struct build_options *options)
{
    return (struct node_options){
        .allocator = &self->allocator,
        .disk = &self->disk.disk,
        .log = &self->log,
        .io = {.context = self,
               .send = on_send,
               .members = on_members,
               .dial_seed = on_dial_seed,
               .send_seed = on_send_seed,
               .reply = on_reply,
               .apply = on_apply,
               .wake_at = on_wake_at,
               .machine = machine_of(self),
               .snapshot_done = on_snapshot_done,
               .proposal_done = on_proposal_done,
               .read_done = on_read_done,
               .change_done = on_change_done,
               .changed = on_changed,
               .gossip_packet = on_gossip_packet,
               .gossip_stream = on_gossip_stream,
               .failed = on_failed},
        .name = options->name,
        .address = options->address,
        .meta = "",
        .join = options->join,
        .is_waiting = options->is_waiting,
        .is_bootstrap = options->is_bootstrap,
        .fresh_node_id = options->fresh_node_id,
        .fresh_cluster_id = {options->fresh_cluster_id.high, options->fresh_cluster_id.low},
        .seed = options->seed,
        .election_timeout_min_ns = options->election_timeout_min_ns,
        .election_timeout_max_ns = options->election_timeout_max_ns,
        .heartbeat_interval_ns = options->heartbeat_interval_ns,
        .proposal_timeout_ns = options->proposal_timeout_ns,
        .message_bytes_max = options->message_bytes_max,
        .inflight_bytes_max = options->inflight_bytes_max,
        .cache_bytes_max = options->cache_bytes_max,
        .segment_bytes = options->segment_bytes,
        .pending_max = options->pending_max,
        .log_entries_max = options->log_entries_max,
        .log_bytes_max = options->log_bytes_max,
        .snapshot_interval_ns = options->snapshot_interval_ns,
        .sending_bytes_per_second = options->sending_bytes_per_second,
        .snapshot_chunk_bytes = options->snapshot_chunk_bytes,
        .member_wait_ns = options->member_wait_ns,
        .lease_ns = options->lease_ns,
        .stall_timeout_ns = options->stall_timeout_ns,
        .has_hints = options->has_hints,
        .is_observer = options->is_observer,
        .remove_dead_after_ns = options->remove_dead_after_ns,
        .on_divergence = options->rebuilds ? NODE_DIVERGENCE_REBUILD : NODE_DIVERGENCE_ISOLATE,
    };
}

static void free_node(struct build_node *self)
{
    if (self == NULL) {
        return;
    }
    struct allocator allocator = self->allocator;
    node_free(self->node);
    disk_bridge_deinit(&self->disk);
    release(&allocator, self->parts, self->part_capacity * sizeof(*self->parts));
    release(&allocator, self->entries, WIRE_ENTRIES_MAX * sizeof(*self->entries));
    release(&allocator, self, sizeof(*self));
}

static int open_node(const struct build_options *options, struct build_time time,
                     struct build_node **out, char *detail)
{
    const struct build_world *world = options->world;
    struct allocator allocator = {world->context, world->allocate, world->release};
    struct build_node *self = allocate_zeroed(&allocator, sizeof(*self));
    if (self == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    self->world = world;
    self->allocator = allocator;
    self->log = (struct log_sink){.context = self, .level_min = LOG_DEBUG, .write = on_log};
    int status = disk_bridge_init(&self->disk, options->disk, &self->allocator);
    if (status == 0) {
        self->entries = allocate(&allocator, WIRE_ENTRIES_MAX * sizeof(*self->entries));
        status = self->entries == NULL ? QR_ERR_NO_MEMORY : 0;
    }
    if (status == 0) {
        struct node_options translated = node_options_of(self, options);
        struct swim_options gossip =
            options->gossip == BUILD_GOSSIP_FAST ? swim_options_fast() : swim_options_default();
        translated.gossip = options->gossip == BUILD_GOSSIP_NONE ? NULL : &gossip;
        status = node_open(&translated, node_time_of(time), &self->node, detail);
    }
    if (status != 0) {
        free_node(self);
        return status;
    }
    *out = self;
    return 0;
}

static void stop_node(struct build_node *self)
{
    node_stop(self->node);
}

static bool node_has_settled(struct build_node *self)
{
    return node_settle(self->node);
}

static bool node_has_ended(const struct build_node *self)
{
    return node_is_idle(self->node);
}

static int propose(struct build_node *self, struct qr_id id, const void *command,
                   size_t command_bytes, const void *payload, size_t payload_bytes, uint64_t token,
                   struct build_time time)
{
    struct node_proposal proposal = {
        .id = {id.high, id.low},
        .command = command,
        .command_bytes = command_bytes,
        .payload = payload,
        .payload_bytes = payload_bytes,
    };
    return node_propose(self->node, &proposal, token, node_time_of(time));
}

static int read_barrier(struct build_node *self, uint64_t token, struct build_time time)
{
    return node_read(self->node, token, node_time_of(time));
}

static int read_stale(struct build_node *self, uint64_t age_ns_max, struct build_time time,
                      uint64_t *age_ns)
{
    return node_read_stale(self->node, age_ns_max, node_time_of(time), age_ns);
}

/* Write a message that has no entries, as one frame; 0: memory ran out. */
static size_t write_frame(const struct build_node *self, const struct wire_message *message,
                          uint8_t *out)
{
    struct wire_frame *frame = wire_encode(&self->allocator, message);
    if (frame == NULL) {
        return 0;
    }
    size_t used = 0;
    ASSERT(frame->frame_bytes <= BUILD_HELLO_BYTES_MAX);
    for (size_t i = 0; i < frame->part_count; i++) {
        memcpy(out + used, frame->parts[i].data, frame->parts[i].size_bytes);
        used += frame->parts[i].size_bytes;
    }
    ASSERT(used == frame->frame_bytes);
    wire_frame_free(frame);
    return used;
}

/* Take in one whole frame: the message's entries lie in *chunk, which the caller drops. */
static int decode(struct build_node *self, const uint8_t *frame, size_t frame_bytes,
                  struct chunk **chunk, struct wire_message *message)
{
    size_t length = 0;
    bool is_whole = frame_bytes <= UINT32_MAX &&
                    wire_frame_length(frame, frame_bytes, frame_bytes, &length) == 0 &&
                    length == frame_bytes;
    if (!is_whole) {
        return QR_ERR_MALFORMED;
    }
    struct chunk *copy = chunk_new(&self->allocator, (uint32_t)frame_bytes);
    if (copy == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    memcpy(copy->data, frame, frame_bytes);
    copy->used_bytes = (uint32_t)frame_bytes;
    int status = wire_decode(copy, copy->data, frame_bytes, self->entries, message);
    if (status != 0) {
        chunk_drop(copy);
        return status;
    }
    *chunk = copy;
    return 0;
}

/* The same for a message of one type, which has no entries. */
static int decode_type(struct build_node *self, const uint8_t *frame, size_t frame_bytes,
                       enum wire_message_type type, struct wire_message *message)
{
    struct chunk *chunk = NULL;
    int status = decode(self, frame, frame_bytes, &chunk, message);
    chunk_drop(chunk);
    return status == 0 && message->type != type ? QR_ERR_MALFORMED : status;
}

static size_t hello(struct build_node *self, bool has_expected, uint64_t expected, uint8_t *out)
{
    struct wire_message message = {.type = WIRE_HELLO};
    node_hello(self->node, has_expected, expected, &message.hello);
    return write_frame(self, &message, out);
}

static int hello_check(struct build_node *self, const uint8_t *frame, size_t frame_bytes,
                       uint8_t *response, size_t *response_bytes, uint64_t *from)
{
    struct wire_message message;
    *response_bytes = 0; /* who does not speak the protocol is not answered */
    *from = 0;
    int status = decode_type(self, frame, frame_bytes, WIRE_HELLO, &message);
    if (status != 0) {
        return status;
    }
    struct wire_message answer = {.type = WIRE_HELLO_RESPONSE};
    status = node_hello_check(self->node, &message.hello, &answer.hello_response);
    *from = message.hello.from;
    *response_bytes = write_frame(self, &answer, response);
    return status == 0 && *response_bytes == 0 ? QR_ERR_NO_MEMORY : status;
}

static int hello_response_check(struct build_node *self, const uint8_t *response,
                                size_t response_bytes, bool has_expected, uint64_t expected,
                                char *reason)
{
    struct wire_message message;
    const char *said = "the answer to the hello does not decode";
    int status = decode_type(self, response, response_bytes, WIRE_HELLO_RESPONSE, &message);
    if (status == 0) {
        status = node_hello_response_check(self->node, &message.hello_response, has_expected,
                                           expected, &said);
    }
    struct text text = text_of(reason, BUILD_DETAIL_BYTES);
    text_string(&text, said);
    return status;
}

static int receive(struct build_node *self, uint64_t from, uint64_t connection,
                   const uint8_t *frame, size_t frame_bytes, struct build_time time)
{
    struct chunk *chunk = NULL;
    struct wire_message message;
    int status = decode(self, frame, frame_bytes, &chunk, &message);
    if (status == 0) {
        node_receive(self->node, from, connection, &message, node_time_of(time));
        chunk_drop(chunk);
    }
    return status;
}

static void seed_ready(struct build_node *self, struct build_time time)
{
    node_seed_ready(self->node, node_time_of(time));
}

static int seed_receive(struct build_node *self, const uint8_t *frame, size_t frame_bytes,
                        struct build_time time)
{
    struct chunk *chunk = NULL;
    struct wire_message message;
    int status = decode(self, frame, frame_bytes, &chunk, &message);
    if (status == 0) {
        node_seed_receive(self->node, &message, node_time_of(time));
        chunk_drop(chunk);
    }
    return status;
}

static void seed_closed(struct build_node *self, const char *reason, struct build_time time)
{
    node_seed_closed(self->node, 0, reason, node_time_of(time));
}

static void seed_refused(struct build_node *self, int status, const char *reason,
                         struct build_time time)
{
    node_seed_closed(self->node, status, reason, node_time_of(time));
}

static int invite(struct build_node *self, const char *address, bool is_learner, uint64_t token,
                  struct build_time time)
{
    return node_invite(self->node, address, is_learner, token, node_time_of(time));
}

static int join(struct build_node *self, const char *join, bool is_learner, struct build_time time)
{
    return node_join(self->node, join, is_learner, node_time_of(time));
}

static void applied(struct build_node *self, int status, const struct build_result *results,
                    struct build_time time)
{
    for (size_t i = 0; i < self->apply_count; i++) {
        self->results[i] =
            (struct qr_result){results[i].data, results[i].size_bytes, results[i].status};
    }
    bool has_digest = self->wants_digest && status == 0;
    struct node_batch_end end = {.status = status,
                                 .results = self->results,
                                 .digest =
                                     has_digest ? self->world->digest(self->world->context) : 0};
    (void)node_applied(self->node, &end, node_time_of(time));
}

static void turn(struct build_node *self, struct build_time time)
{
    self->time = node_time_of(time);
    node_turn(self->node, node_time_of(time));
}

static uint64_t deadline(const struct build_node *self)
{
    _Static_assert(TIME_NEVER == UINT64_MAX, "never is said alike");
    return node_deadline(self->node);
}

static bool term_at(const struct build_node *self, uint64_t index, uint64_t *term)
{
    return node_term_at(self->node, index, term);
}

static void status_of(const struct build_node *self, struct build_status *out)
{
    struct node_status now;
    raft_term term;
    struct wire_hello hello;
    node_status(self->node, &now);
    node_hello(self->node, false, 0, &hello);
    *out = (struct build_status){
        .role = (enum build_role)now.raft.role,
        /* Where there is a machine, it knows the end of its log. */
        .is_running = !now.is_stopped && node_term_at(self->node, now.raft.last_index, &term),
        .is_stopped = now.is_stopped,
        .has_leader = now.raft.has_leader,
        .is_voter = raft_configuration_is_voter(node_configuration(self->node), now.id),
        .id = now.id,
        .term = now.raft.term,
        .leader = now.raft.leader,
        .last_index = now.raft.last_index,
        .durable_index = now.raft.durable_index,
        .commit_index = now.raft.commit_index,
        .applied_index = now.raft.applied_index,
        .held_count = now.held_count,
        .first_index = now.raft.first_index,
        .snapshot_index = now.snapshot_index,
        .is_restoring = now.is_restoring,
        .is_transferring = now.raft.is_transferring,
        .compares = self->world->digest != NULL,
        .is_isolated = now.differs.index > 0,
        .is_outside = hello.cluster.high == 0 && hello.cluster.low == 0,
    };
    if (node_swim(self->node) != NULL) {
        struct swim_status gossip;
        swim_status(node_swim(self->node), &gossip);
        out->has_gossip = true;
        out->gossip_term = gossip.leader_term;
        out->gossip_leader = gossip.leader;
        out->gossip_hints = now.gossip.leader_lost;
    }
    const struct raft_configuration *in_force = node_configuration(self->node);
    if (out->is_running && in_force->index > 0) {
        out->configuration_index = in_force->index;
        (void)term_at(self, in_force->index, &out->configuration_term);
        while (node_configuration_back(self->node, out->configuration_count) != NULL) {
            out->configuration_count++;
        }
    }
}

static void take_names(char *out, size_t out_bytes, const char *names)
{
    struct text text = text_of(out, out_bytes);
    text_string(&text, names == NULL ? "" : names);
    ASSERT(!text.truncated);
}

static int change_members(struct build_node *self, const struct build_change *change,
                          uint64_t token, struct build_time time)
{
    struct wire_change translated = {.is_forced = change->is_forced,
                                     .priority = (uint32_t)change->priority};
    take_names(translated.promoted, sizeof(translated.promoted), change->promoted);
    take_names(translated.demoted, sizeof(translated.demoted), change->demoted);
    take_names(translated.removed, sizeof(translated.removed), change->removed);
    take_names(translated.prioritized, sizeof(translated.prioritized), change->prioritized);
    take_names(translated.transferee, sizeof(translated.transferee), change->transferee);
    return node_change(self->node, &translated, token, node_time_of(time));
}

static struct build_configured configured_of(const struct raft_member *member)
{
    struct build_configured out = {
        .id = member->id,
        .is_voter = (member->roles & RAFT_VOTER) != 0,
        .is_outgoing = (member->roles & RAFT_VOTER_OUTGOING) != 0,
        .is_promotable = (member->roles & RAFT_PROMOTABLE) != 0,
        .priority = member->priority,
    };
    take_names(out.name, sizeof(out.name), member->name);
    return out;
}

static bool configuration_at(const struct build_node *self, size_t back,
                             struct build_configuration *out)
{
    const struct raft_configuration *held = node_configuration_back(self->node, back);
    if (held == NULL) {
        return false;
    }
    *out = (struct build_configuration){
        .index = held->index,
        .count = held->count,
        .is_joint = raft_configuration_is_joint(held),
    };
    (void)node_term_at(self->node, held->index, &out->term);
    for (size_t i = 0; i < held->count; i++) {
        out->members[i] = configured_of(&held->members[i]);
    }
    return true;
}

static void gossip_receive(struct build_node *self, uint64_t stream, const uint8_t *data,
                           size_t size_bytes, const char *source, struct build_time time)
{
    if (stream > 0) {
        node_gossip_stream(self->node, stream, data, size_bytes, source, false, node_time_of(time));
    } else {
        node_gossip_packet(self->node, data, size_bytes, source, false, node_time_of(time));
    }
}

static void member_closed(struct build_node *self, uint64_t member, bool is_refused,
                          struct build_time time)
{
    node_member_closed(self->node, member, is_refused, node_time_of(time));
}

static bool gossip_member(const struct build_node *self, uint32_t *place,
                          struct build_gossip_member *out)
{
    struct swim_member_status member;
    const struct swim *swim = node_swim(self->node);
    if (swim == NULL || !swim_member_at(swim, place, &member)) {
        return false;
    }
    bool is_live = member.state == SWIM_ALIVE || member.state == SWIM_SUSPECT;
    *out = (struct build_gossip_member){.id = member.id, .is_live = member.is_listed && is_live};
    return true;
}

const struct build BUILD_NAME = {
    .version = BUILD_VERSION,
    .open = open_node,
    .stop = stop_node,
    .settle = node_has_settled,
    .is_idle = node_has_ended,
    .free = free_node,
    .propose = propose,
    .read = read_barrier,
    .hello = hello,
    .hello_check = hello_check,
    .hello_response_check = hello_response_check,
    .receive = receive,
    .seed_ready = seed_ready,
    .seed_receive = seed_receive,
    .seed_closed = seed_closed,
    .applied = applied,
    .turn = turn,
    .deadline = deadline,
    .status = status_of,
    .term_at = term_at,
    .change = change_members,
    .configuration = configuration_at,
    .gossip_receive = gossip_receive,
    .member_closed = member_closed,
    .gossip_member = gossip_member,
    .read_stale = read_stale,
    .invite = invite,
    .join = join,
    .seed_refused = seed_refused,
};
