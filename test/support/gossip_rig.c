/* gossip_rig.c: one real node that gossips, and SWIM machines as its members. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/gossip_rig.h"

#include <stdio.h>
#include <string.h>

#include "support/unit.h"
#include "wire/packet.h"

#define PEER_INCARNATION 1000

static struct swim_update updates[SWIM_UPDATES_MAX];
static uint8_t bytes[SWIM_PIECE_BYTES_MAX];

struct gossip_rig_peer *gossip_rig_peer(struct gossip_rig *rig, node_id id)
{
    assert_true(id >= 2 && id < 2 + GOSSIP_RIG_PEERS);
    return &rig->peers[id - 2];
}

static const char *peer_address(node_id id)
{
    return id == 2 ? "a2" : "a3";
}

static struct gossip_rig_peer *peer_at(struct gossip_rig *rig, const char *address)
{
    for (node_id id = 2; id < 2 + GOSSIP_RIG_PEERS; id++) {
        if (strcmp(address, peer_address(id)) == 0) {
            return gossip_rig_peer(rig, id);
        }
    }
    return NULL;
}

void gossip_rig_peer_step(struct gossip_rig *rig, node_id id, struct swim_event event)
{
    struct swim *swim = gossip_rig_peer(rig, id)->swim;
    event.now_ns = rig->solo.time.now_ns;
    int status = swim_step(swim, &event);
    (void)status; /* what is refused changes nothing */
    swim_invariants(swim);
}

/* What the node says comes to a machine at once, decoded. */
static void hear(struct gossip_rig_peer *peer, struct swim_event event, const uint8_t *data,
                 size_t size_bytes)
{
    struct swim_message message;
    assert_int_equal(wire_packet_decode(data, size_bytes, updates, SWIM_UPDATES_MAX, &message), 0);
    if (peer != NULL && peer->swim != NULL && !peer->is_deaf) {
        event.received.message = &message;
        event.received.size_bytes = (uint32_t)size_bytes;
        gossip_rig_peer_step(peer->rig, peer->id, event);
    }
}

static void on_packet(void *context, const char *address, const uint8_t *data, size_t size_bytes)
{
    struct gossip_rig *rig = context;
    rig->packet_count++;
    hear(peer_at(rig, address),
         (struct swim_event){.type = SWIM_EVENT_PACKET, .received = {.source = "a1"}}, data,
         size_bytes);
}

static void note_asked(struct gossip_rig *rig, const char *address)
{
    for (size_t i = 0; i < rig->asked_count; i++) {
        if (strcmp(rig->asked[i], address) == 0) {
            return;
        }
    }
    assert_true(rig->asked_count < GOSSIP_RIG_ASKED_MAX);
    (void)snprintf(rig->asked[rig->asked_count++], SWIM_ADDRESS_BYTES_MAX, "%s", address);
}

/* A stream that a member opened has its id as its number, one of the node's own 1. */
static void on_stream(void *context, const char *address, uint64_t answers, const uint8_t *data,
                      size_t size_bytes)
{
    struct gossip_rig *rig = context;
    bool is_answer = address == NULL;
    if (!is_answer && peer_at(rig, address) == NULL) {
        note_asked(rig, address);
    }
    hear(is_answer ? gossip_rig_peer(rig, answers) : peer_at(rig, address),
         (struct swim_event){.type = SWIM_EVENT_STREAM,
                             .received = {.source = "a1", .stream = SOLO_SELF}},
         data, size_bytes);
}

static void on_news(void *context, const struct swim_news *news, const struct swim_profile *profile)
{
    struct gossip_rig *rig = context;
    assert_true(rig->news_count < GOSSIP_RIG_NEWS_MAX);
    assert_true(news->type != SWIM_NEWS_JOINED || profile != NULL);
    rig->news[rig->news_count++] = *news;
}

static void on_members(void *context, const struct raft_configuration *configuration)
{
    struct gossip_rig *rig = context;
    assert_true(configuration->count <= RAFT_MEMBERS_MAX);
    rig->members_count++;
}

static void on_log(void *context, const struct log_event *event)
{
    struct gossip_rig *rig = context;
    log_event_text(event, &rig->log_text);
    text_char(&rig->log_text, '\n');
}

void gossip_rig_init(struct gossip_rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    solo_init(&rig->solo);
    rig->gossip = swim_options_default();
    rig->log_text = text_of(rig->log_lines, sizeof(rig->log_lines));
    rig->log = (struct log_sink){rig, LOG_DEBUG, on_log};
    struct node_options *options = &rig->solo.options;
    options->gossip = &rig->gossip;
    options->has_hints = true;
    options->log = &rig->log;
    options->join = "a2";
    options->io.gossip_packet = on_packet;
    options->io.gossip_stream = on_stream;
    options->io.gossip_news = on_news;
    options->io.members = on_members;
    for (node_id id = 2; id < 2 + GOSSIP_RIG_PEERS; id++) {
        struct gossip_rig_peer *peer = gossip_rig_peer(rig, id);
        peer->rig = rig;
        peer->id = id;
        heap_init(&peer->heap);
        gossip_rig_peer_start(rig, id, SOLO_CLUSTER, id == 2 ? "n2" : "n3", peer_address(id));
    }
}

void gossip_rig_deinit(struct gossip_rig *rig)
{
    solo_deinit(&rig->solo);
    for (node_id id = 2; id < 2 + GOSSIP_RIG_PEERS; id++) {
        swim_free(gossip_rig_peer(rig, id)->swim);
        heap_deinit(&gossip_rig_peer(rig, id)->heap);
    }
}

void gossip_rig_peer_start(struct gossip_rig *rig, node_id id, struct cluster_id cluster,
                           const char *name, const char *address)
{
    struct gossip_rig_peer *peer = gossip_rig_peer(rig, id);
    struct swim_options options = swim_options_default();
    struct swim_profile profile = {.version_min = 1, .version_max = 2, .roles = SWIM_ROLE_VOTER};
    const char *others[] = {id == 2 ? "a3" : "a2"};
    swim_free(peer->swim);
    peer->swim = NULL;
    options.allocator = &peer->heap.allocator;
    options.self = id;
    options.cluster = cluster;
    options.seed = id;
    options.incarnation = PEER_INCARNATION + rig->solo.time.now_ns / NS_PER_MS;
    (void)snprintf(profile.name, sizeof(profile.name), "%s", name);
    (void)snprintf(profile.peer, sizeof(profile.peer), "%s", address);
    assert_int_equal(swim_new(&options, &profile, rig->solo.time.now_ns, &peer->swim), 0);
    gossip_rig_peer_step(
        rig, id, (struct swim_event){.type = SWIM_EVENT_JOIN, .join = {others, COUNT_OF(others)}});
}

/* What a machine says comes to the node, or to the other one. */
static void deliver(struct gossip_rig_peer *peer, struct gossip_rig_peer *to, uint64_t stream,
                    const struct swim_message *message)
{
    struct gossip_rig *rig = peer->rig;
    size_t size_bytes = wire_packet_encode(message, bytes, sizeof(bytes));
    const char *source = peer_address(peer->id);
    bool is_stream = stream != 0;
    assert_true(size_bytes > 0);
    if (to != NULL) {
        hear(to,
             (struct swim_event){.type = is_stream ? SWIM_EVENT_STREAM : SWIM_EVENT_PACKET,
                                 .received = {.source = source, .stream = stream}},
             bytes, size_bytes);
    } else if (is_stream) {
        node_gossip_stream(rig->solo.node, stream, bytes, size_bytes, source, false,
                           rig->solo.time);
    } else {
        node_gossip_packet(rig->solo.node, bytes, size_bytes, source, false, rig->solo.time);
    }
}

static struct gossip_rig_peer *stream_end(struct gossip_rig_peer *peer,
                                          const struct swim_stream *stream)
{
    if (stream->is_answer) {
        return stream->answers == SOLO_SELF ? NULL : gossip_rig_peer(peer->rig, stream->answers);
    }
    return peer_at(peer->rig, stream->address);
}

static void speak(struct gossip_rig_peer *peer)
{
    struct gossip_rig *rig = peer->rig;
    if (peer->swim == NULL) {
        return;
    }
    if (swim_deadline(peer->swim) <= rig->solo.time.now_ns) {
        gossip_rig_peer_step(rig, peer->id, (struct swim_event){.type = SWIM_EVENT_TICK});
    }
    struct swim_ready ready;
    swim_ready(peer->swim, &ready);
    for (size_t i = 0; i < ready.packet_count && !peer->is_silent; i++) {
        struct gossip_rig_peer *to = peer_at(rig, ready.packets[i].address);
        if (to != NULL || strcmp(ready.packets[i].address, "a1") == 0) {
            deliver(peer, to, 0, &ready.packets[i].message);
        }
    }
    for (size_t i = 0; i < ready.stream_count && !peer->is_silent; i++) {
        const struct swim_stream *stream = &ready.streams[i];
        deliver(peer, stream_end(peer, stream), peer->id, &stream->message);
    }
}

void gossip_rig_pass(struct gossip_rig *rig, unsigned milliseconds, node_id leader, raft_term term)
{
    for (unsigned i = 0; i < milliseconds; i++) {
        if (leader > 0) {
            solo_append(&rig->solo, (struct solo_append){
                                        .from = leader, .term = term, .prev = {1, 1}, .commit = 1});
        }
        for (size_t at = 0; at < GOSSIP_RIG_PEERS; at++) {
            speak(&rig->peers[at]);
        }
        solo_run(&rig->solo, 1);
        solo_forget(&rig->solo);
    }
}

void gossip_rig_follow(struct gossip_rig *rig)
{
    solo_start(&rig->solo);
    solo_follow(&rig->solo);
    gossip_rig_pass(rig, 3000, 2, 1);
}

void gossip_rig_configure(struct gossip_rig *rig, raft_index index, bool has_node,
                          raft_index commit)
{
    static const struct raft_member members[] = {
        {.id = 2, .roles = RAFT_VOTER, .priority = 1, .name = "n2", .address = "a2"},
        {.id = 3, .roles = RAFT_VOTER, .priority = 1, .name = "n3", .address = "a3"},
        {.id = SOLO_SELF, .priority = 1, .name = "n1", .address = "a1"},
    };
    static struct raft_configuration configuration;
    static uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
    struct entry entry;
    struct entry_arena arena;
    configuration.count = COUNT_OF(members) - (has_node ? 0 : 1);
    memcpy(configuration.members, members, configuration.count * sizeof(members[0]));
    entry_arena_init(&arena, &rig->solo.outside.allocator);
    struct entry_fields fields = {
        .index = index,
        .term = 1,
        .timestamp_ns = rig->solo.time.wall_ns,
        .type = ENTRY_CONFIGURATION,
        .payload = payload,
        .payload_bytes = (uint32_t)raft_configuration_encode(&configuration, payload),
    };
    assert_int_equal(entry_arena_encode(&arena, &fields, &entry), 0);
    struct wire_message message = {
        .type = RAFT_APPEND_ENTRIES,
        .raft = {.type = RAFT_APPEND_ENTRIES,
                 .from = 2,
                 .to = SOLO_SELF,
                 .term = 1,
                 .append_entries = {.prev = {index > 1 ? 1 : 0, index - 1}, .commit = commit}},
        .entries = &entry,
        .entry_count = 1,
    };
    solo_receive(&rig->solo, 2, &message);
    chunk_drop(entry.chunk);
    entry_arena_deinit(&arena);
    solo_work(&rig->solo);
}

struct swim_member_status gossip_rig_held(struct gossip_rig *rig, node_id id,
                                          struct swim_profile *out)
{
    struct swim_member_status status = {0};
    struct swim_profile profile = {0};
    if (swim_member(gossip_rig_peer(rig, id)->swim, SOLO_SELF, &status) &&
        status.profile.size_bytes > 0) {
        assert_int_equal(swim_profile_decode(status.profile, &profile), 0);
    }
    if (out != NULL) {
        *out = profile;
    }
    return status;
}

size_t gossip_rig_news(const struct gossip_rig *rig, enum swim_news_type type, node_id id)
{
    size_t count = 0;
    for (size_t i = 0; i < rig->news_count; i++) {
        count += rig->news[i].type == type && rig->news[i].id == id;
    }
    return count;
}

bool gossip_rig_has_logged(const struct gossip_rig *rig, const char *part)
{
    assert_false(rig->log_text.truncated);
    return strstr(rig->log_lines, part) != NULL;
}

struct node_gossip_counters gossip_rig_counters(const struct gossip_rig *rig)
{
    struct node_status now;
    node_status(rig->solo.node, &now);
    return now.gossip;
}
