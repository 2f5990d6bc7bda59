/* seeds_node.c: first inputs of the fuzzer of whole nodes: conversations that make sense. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "fuzz/seeds.h"
#include "quorate/error.h"
#include "unit/wire_sample.h"
#include "wire/packet.h"

/* Everything that members say, to a node that follows, leads or joins, with time in between.
 * `term`   of Raft's messages; 0: the present one.
 */
static void make_node(uint8_t flags, raft_term term)
{
    char name[32];
    for (size_t i = 0; i < COUNT_OF(sample_types); i++) {
        uint8_t type = sample_types[i];
        struct wire_message message = seeds_sample(type);
        if (wire_is_raft(type)) {
            message.raft.term = term != 0 ? term : UINT64_C(1) + flags % 2;
        }
        if (type == RAFT_APPEND_ENTRIES) {
            message.raft.append_entries.prev = (struct raft_position){1, 1};
            message.raft.append_entries.commit = 2;
        }
        struct writer *writer = seeds_begin();
        write_u8(writer, flags);
        seeds_put_operation(writer, 8, 0);
        seeds_put_operation(writer, 9, 0);
        seeds_put_frame_operation(writer, message, type == RAFT_APPEND_ENTRIES ? 2 : 0);
        seeds_put_operation(writer, 6, 0);
        seeds_put_operation(writer, 4, 700);
        seeds_put_operation(writer, 10, 0);
        seeds_put_operation(writer, 5, 100);
        (void)snprintf(name, sizeof(name), "%u_%u_%u", flags, type, term != 0);
        seeds_end("node", name);
    }
}

/* Append_entries of `count` entries of `term`, from its leader. */
static void put_append(struct writer *writer, uint8_t operation, raft_term term,
                       struct raft_position prev, size_t count)
{
    struct wire_message message = {
        .type = RAFT_APPEND_ENTRIES,
        .raft = {.type = RAFT_APPEND_ENTRIES, .term = term},
    };
    message.raft.append_entries =
        (struct raft_append_entries){.prev = prev, .commit = prev.index, .round = 1};
    seeds_put_frame_operation(writer, message, 0);
    /* With entries: their terms are those of `prev`, and go up. */
    uint8_t *at = writer->at;
    seeds_put_frame_operation(writer, message, count);
    *at = operation;
}

/* A follower hears two leaders; what the first gave is replaced, in part or not at all. */
static void make_node_follower(void)
{
    struct writer *writer = seeds_begin();
    write_u8(writer, 4);
    put_append(writer, 0, 3, (struct raft_position){1, 1}, 4);
    seeds_put_operation(writer, 6, 0);
    put_append(writer, 0, 3, (struct raft_position){1, 9}, 1);
    put_append(writer, 0, 3, (struct raft_position){1, 1}, 4);
    put_append(writer, 1, 5, (struct raft_position){1, 2}, 4);
    seeds_put_operation(writer, 5, 20);
    put_append(writer, 0, 3, (struct raft_position){1, 1}, 1);
    put_append(writer, 1, 5, (struct raft_position){1, 1}, 3);
    seeds_put_operation(writer, 8, 0);
    seeds_put_operation(writer, 9, 0);
    seeds_put_operation(writer, 6, 0);
    for (int status = 0; status > -12; status -= 2) {
        struct wire_message response = {.type = WIRE_FORWARD_RESPONSE};
        response.forward_response.status = status;
        response.forward_response.request = (uint64_t)-status / 2;
        response.forward_response.count = 2;
        response.forward_response.entry_term = 5;
        seeds_put_frame_operation(writer, response, 0);
        struct wire_message read = {.type = WIRE_READ_RESPONSE};
        read.read_response.request = (uint64_t)-status / 2;
        read.read_response.index = 3;
        seeds_put_frame_operation(writer, read, 0);
    }
    seeds_put_operation(writer, 10, 0);
    seeds_put_operation(writer, 4, 900);
    seeds_end("node", "follower");
}

/* A leader takes in a newcomer, forwarded proposals, and rejections. */
static void make_node_leader(void)
{
    struct writer *writer = seeds_begin();
    write_u8(writer, 5);
    struct wire_message join = {.type = WIRE_JOIN};
    join.join.wants_vote = true;
    memcpy(join.join.name, "n3", 3);
    memcpy(join.join.address, "a9", 3);
    seeds_put_frame_operation(writer, join, 0);
    join.join.from = 9;
    memcpy(join.join.name, "n9", 3);
    uint8_t *at = writer->at;
    seeds_put_frame_operation(writer, join, 0);
    *at = 2;
    seeds_put_operation(writer, 12, 0);
    seeds_put_operation(writer, 6, 0);
    seeds_put_operation(writer, 12, 0);
    struct wire_message forward = {.type = WIRE_FORWARD};
    forward.forward.term = 2;
    forward.forward.number = 1;
    forward.forward.request = 7;
    seeds_put_frame_operation(writer, forward, 3);
    seeds_put_operation(writer, 8, 0);
    seeds_put_operation(writer, 9, 0);
    seeds_put_operation(writer, 12, 0);
    for (uint64_t match = 0; match < 8; match++) {
        struct wire_message answer = {.type = RAFT_APPEND_ENTRIES_RESPONSE};
        answer.raft.type = RAFT_APPEND_ENTRIES_RESPONSE;
        answer.raft.term = 2;
        answer.raft.from = 9;
        answer.raft.append_entries_response =
            (struct raft_append_entries_response){match % 2 == 0, match, match + 1, {1, match}, 3};
        at = writer->at;
        seeds_put_frame_operation(writer, answer, 0);
        *at = match % 4 == 0 ? 1 : 2;
    }
    seeds_put_operation(writer, 12, 0);
    seeds_put_operation(writer, 4, 100);
    seeds_put_operation(writer, 12, 0);
    seeds_put_operation(writer, 4, 600);
    seeds_end("node", "leader");
}

static void make_node_joiner(void)
{
    static const int statuses[] = {-2, -5, 0};
    struct writer *writer = seeds_begin();
    write_u8(writer, 2);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct wire_message answer = {.type = WIRE_JOIN_RESPONSE};
        answer.join_response.status = statuses[i];
        answer.join_response.cluster = SEEDS_CLUSTER;
        memcpy(answer.join_response.leader_address, "a3", 3);
        seeds_put_operation(writer, 13, 0);
        uint8_t *at = writer->at;
        seeds_put_frame_operation(writer, answer, 0);
        *at = 3;
        seeds_put_operation(writer, 13, 1);
        seeds_put_operation(writer, 4, 500);
    }
    put_append(writer, 0, 1, (struct raft_position){0, 0}, 2);
    seeds_put_operation(writer, 4, 500);
    seeds_end("node", "joiner");
}

/* A node that waits is invited, twice, and dials; and one that invites is answered. */
static void make_node_invited(bool is_inviter)
{
    struct wire_message invite = {.type = WIRE_INVITE};
    struct writer *writer = seeds_begin();
    write_u8(writer, is_inviter ? 32 : 16);
    invite.invite.from = 2;
    invite.invite.cluster = SEEDS_CLUSTER;
    memcpy(invite.invite.address, "a2", 3);
    for (int i = 0; i < 2; i++) {
        seeds_put_frame_operation(writer, invite, 0);
        seeds_put_operation(writer, 13, 0);
        struct wire_message answer = {.type = WIRE_INVITE_RESPONSE};
        answer.invite_response.from = 3;
        answer.invite_response.cluster = SEEDS_CLUSTER;
        answer.invite_response.status = i * QR_ERR_FOREIGN;
        uint8_t *at = writer->at;
        seeds_put_frame_operation(writer, answer, 0);
        *at = 3;
        seeds_put_operation(writer, 4, 300);
        seeds_put_operation(writer, 13, 1);
    }
    seeds_end("node", is_inviter ? "inviter" : "invited");
}

/* A packet, or with operation 3 a message on a stream, from member 2. */
static void put_gossip(struct writer *writer, uint8_t operation, struct swim_message message)
{
    static uint8_t bytes[SWIM_PIECE_BYTES_MAX];
    uint8_t profile[SWIM_PROFILE_BYTES_MAX];
    struct swim_profile fields = {.started = 1, .version_max = 1, .name = "n2", .peer = "a2"};
    size_t profile_bytes = swim_profile_encode(&fields, profile);
    struct swim_update update = {.state = SWIM_ALIVE, .id = 2, .incarnation = 1};
    update.profile = (struct swim_blob){profile, (uint16_t)profile_bytes};
    message.cluster = SEEDS_CLUSTER;
    message.from = 2;
    message.incarnation = 1;
    message.leader_term = 3;
    message.leader = 3;
    message.updates = &update;
    message.update_count = 1;
    size_t size_bytes = wire_packet_encode(&message, bytes, sizeof(bytes));
    ASSERT(size_bytes > 0);
    seeds_put_operation(writer, operation, (uint16_t)size_bytes);
    write_bytes(writer, bytes, size_bytes);
}

/* A member is found, closes, and does not answer: a node that joins, follows or leads. */
static void make_node_gossip(uint8_t flags)
{
    static const uint8_t types[] = {SWIM_PING, SWIM_ACK, SWIM_PUSH_PULL, SWIM_PUSH_PULL_RESPONSE};
    char name[32];
    struct writer *writer = seeds_begin();
    write_u8(writer, flags);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct swim_message message = {.type = types[i]};
        if (swim_is_push_pull(message.type)) {
            message.push_pull.is_last = true;
        }
        put_gossip(writer, swim_is_push_pull(message.type) ? 3 : 0, message);
        seeds_put_operation(writer, 4, 100);
    }
    seeds_put_operation(writer, 13, 0x8000);
    seeds_put_operation(writer, 4, 30);
    seeds_put_operation(writer, 13, 0x8002);
    seeds_put_operation(writer, 4, 1000);
    (void)snprintf(name, sizeof(name), "gossip_%u", flags);
    seeds_end("node", name);
}

void seeds_make_node(void)
{
    make_node_gossip(12);
    make_node_gossip(13);
    make_node_gossip(14);
    for (uint8_t flags = 4; flags < 7; flags++) {
        make_node(flags, 0);
    }
    make_node(4, UINT64_MAX);
    make_node(5, UINT64_MAX);
    make_node_follower();
    make_node_leader();
    make_node_joiner();
    make_node_invited(false);
    make_node_invited(true);
}
