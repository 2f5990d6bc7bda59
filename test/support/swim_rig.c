/* swim_rig.c: one SWIM machine, to which a test says what others would. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/swim_rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define SELF 1
#define INCARNATION 5
#define ANSWERS_MAX 32 /* to one step */

static struct swim_profile profile_of(node_id id, uint64_t started)
{
    struct swim_profile profile = {.started = started, .version_min = 1, .version_max = 2};
    (void)snprintf(profile.name, sizeof(profile.name), "m%" PRIu64, id);
    (void)snprintf(profile.peer, sizeof(profile.peer), "h%" PRIu64 ":7700", id);
    return profile;
}

void swim_rig_init(struct swim_rig *rig, void (*change)(struct swim_options *options))
{
    memset(rig, 0, sizeof(*rig));
    heap_init(&rig->heap);
    rig->options = swim_options_default();
    rig->options.allocator = &rig->heap.allocator;
    rig->options.self = SELF;
    rig->options.cluster = SWIM_RIG_CLUSTER;
    rig->options.seed = 3;
    rig->options.incarnation = INCARNATION;
    if (change != NULL) {
        change(&rig->options);
    }
    rig->now_ns = NS_PER_S;
    struct swim_profile profile = profile_of(SELF, 0);
    ASSERT(swim_new(&rig->options, &profile, rig->now_ns, &rig->swim) == 0);
}

void swim_rig_deinit(struct swim_rig *rig)
{
    swim_free(rig->swim);
    heap_deinit(&rig->heap);
}

struct swim_blob swim_rig_profile(struct swim_rig *rig, node_id id, uint64_t started)
{
    struct swim_profile profile = profile_of(id, started);
    size_t bytes = swim_profile_encode(&profile, rig->profile);
    return (struct swim_blob){.bytes = rig->profile, .size_bytes = (uint16_t)bytes};
}

int swim_rig_step(struct swim_rig *rig, struct swim_event event)
{
    event.now_ns = rig->now_ns;
    int status = swim_step(rig->swim, &event);
    swim_ready(rig->swim, &rig->ready);
    swim_invariants(rig->swim);
    return status;
}

int swim_rig_packet(struct swim_rig *rig, node_id from, struct swim_message message,
                    const struct swim_update *updates, size_t count)
{
    char source[32];
    (void)snprintf(source, sizeof(source), "h%" PRIu64 ":7700", from);
    if (cluster_id_is_none(message.cluster)) {
        message.cluster = SWIM_RIG_CLUSTER;
    }
    message.from = from;
    message.updates = updates;
    message.update_count = count;
    return swim_rig_step(
        rig,
        (struct swim_event){
            .type = swim_is_push_pull(message.type) ? SWIM_EVENT_STREAM : SWIM_EVENT_PACKET,
            .received = {.message = &message, .source = source, .stream = 9, .size_bytes = 100},
        });
}

int swim_rig_say(struct swim_rig *rig, node_id from, enum swim_state state, node_id id,
                 uint64_t incarnation)
{
    struct swim_update update = {.state = (uint8_t)state, .id = id, .incarnation = incarnation};
    if (state == SWIM_ALIVE) {
        update.profile = swim_rig_profile(rig, id, 1);
    }
    if (state == SWIM_SUSPECT || state == SWIM_DEAD) {
        update.accuser = from;
    }
    return swim_rig_packet(rig, from, (struct swim_message){.type = SWIM_GOSSIP}, &update, 1);
}

void swim_rig_fill(struct swim_rig *rig, node_id last)
{
    for (node_id id = 2; id <= last; id++) {
        ASSERT(swim_rig_say(rig, 2, SWIM_ALIVE, id, 1) == 0);
    }
}

void swim_rig_fill_long(struct swim_rig *rig, node_id last)
{
    for (node_id id = 2; id <= last; id++) {
        struct swim_profile profile = profile_of(id, 1);
        uint8_t bytes[SWIM_PROFILE_BYTES_MAX];
        (void)snprintf(profile.peer, sizeof(profile.peer), "h%0100" PRIu64 ":7700", id);
        memset(profile.client, 'c', SWIM_ADDRESS_BYTES_MAX - 1);
        memset(profile.http, 'h', SWIM_ADDRESS_BYTES_MAX - 1);
        profile.meta_bytes = SWIM_META_BYTES_MAX;
        struct swim_update update = {.state = SWIM_ALIVE, .id = id, .incarnation = 1};
        update.profile.size_bytes = (uint16_t)swim_profile_encode(&profile, bytes);
        update.profile.bytes = bytes;
        struct swim_message gossip = {.type = SWIM_GOSSIP};
        ASSERT(swim_rig_packet(rig, 2, gossip, &update, 1) == 0);
    }
}

void swim_rig_pass(struct swim_rig *rig, time_ns span_ns)
{
    time_ns end_ns = rig->now_ns + span_ns;
    while (swim_deadline(rig->swim) <= end_ns) {
        time_ns due_ns = swim_deadline(rig->swim);
        rig->now_ns = due_ns > rig->now_ns ? due_ns : rig->now_ns;
        ASSERT(swim_rig_step(rig, (struct swim_event){.type = SWIM_EVENT_TICK}) == 0);
    }
    rig->now_ns = end_ns;
}

void swim_rig_answer_all(struct swim_rig *rig)
{
    struct swim_message sent[ANSWERS_MAX];
    size_t count = rig->ready.packet_count;
    ASSERT(count <= ANSWERS_MAX);
    for (size_t i = 0; i < count; i++) {
        sent[i] = rig->ready.packets[i].message;
    }
    for (size_t i = 0; i < count; i++) {
        struct swim_message ack = {.type = SWIM_ACK, .ack = {sent[i].ping.sequence}};
        if (sent[i].type == SWIM_PING && sent[i].to != rig->silent) {
            ASSERT(swim_rig_packet(rig, sent[i].to, ack, NULL, 0) == 0);
        }
    }
}

struct swim_member_status swim_rig_member(const struct swim_rig *rig, node_id id)
{
    struct swim_member_status status = {0};
    ASSERT(swim_member(rig->swim, id, &status));
    return status;
}

const struct swim_packet *swim_rig_sent(const struct swim_rig *rig, enum swim_message_type type)
{
    for (size_t i = 0; i < rig->ready.packet_count; i++) {
        if (rig->ready.packets[i].message.type == type) {
            return &rig->ready.packets[i];
        }
    }
    return NULL;
}

const struct swim_news *swim_rig_news(const struct swim_rig *rig, enum swim_news_type type)
{
    for (size_t i = 0; i < rig->ready.news_count; i++) {
        if (rig->ready.news[i].type == type) {
            return &rig->ready.news[i];
        }
    }
    return NULL;
}
