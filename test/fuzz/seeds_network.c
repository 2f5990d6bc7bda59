/* seeds_network.c: first inputs of what comes over the network: frames, records, connections. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "fuzz/seeds.h"
#include "unit/wire_sample.h"

size_t seeds_put_frame(struct writer *writer, const struct wire_message *message)
{
    struct heap heap;
    heap_init(&heap);
    struct wire_frame *frame = wire_encode(&heap.allocator, message);
    ASSERT(frame != NULL);
    size_t frame_bytes = frame->frame_bytes;
    for (size_t i = 0; i < frame->part_count; i++) {
        write_bytes(writer, frame->parts[i].data, frame->parts[i].size_bytes);
    }
    wire_frame_free(frame);
    heap_deinit(&heap);
    return frame_bytes;
}

size_t seeds_put_frame_with(struct writer *writer, struct wire_message message, size_t count)
{
    static struct heap heap;
    struct entry entries[8];
    struct entry_arena arena;
    ASSERT(count <= COUNT_OF(entries));
    heap_init(&heap);
    entry_arena_init(&arena, &heap.allocator);
    for (size_t i = 0; i < count; i++) {
        struct entry_fields fields =
            sample_entry(message.type, message.raft.append_entries.prev, i);
        ASSERT(entry_arena_encode(&arena, &fields, &entries[i]) == 0);
    }
    message.entries = entries;
    message.entry_count = count;
    size_t frame_bytes = seeds_put_frame(writer, &message);
    for (size_t i = 0; i < count; i++) {
        chunk_drop(entries[i].chunk);
    }
    entry_arena_deinit(&arena);
    heap_deinit(&heap);
    return frame_bytes;
}

struct wire_message seeds_sample(uint8_t type)
{
    struct prng prng = prng_of(type);
    struct wire_message message = sample_message(&prng, type);
    if (type == RAFT_APPEND_ENTRIES) {
        message.raft.append_entries.prev = (struct raft_position){.term = 3, .index = 9};
    }
    return message;
}

static void make_wire(void)
{
    for (size_t i = 0; i < COUNT_OF(sample_types); i++) {
        char name[32];
        uint8_t type = sample_types[i];
        bool has_entries = type == RAFT_APPEND_ENTRIES || type == WIRE_FORWARD;
        for (size_t count = 0; count < (has_entries ? 4 : 1); count++) {
            struct writer *writer = seeds_begin();
            write_u8(writer, 0xff);
            (void)seeds_put_frame_with(writer, seeds_sample(type), count);
            (void)snprintf(name, sizeof(name), "%u_%zu", type, count);
            seeds_end("wire", name);
        }
    }
}

static void make_entry(void)
{
    for (uint8_t type = ENTRY_NOOP; type <= ENTRY_GUARDED; type++) {
        char name[32];
        uint8_t record[256];
        struct entry_fields fields =
            sample_entry(RAFT_APPEND_ENTRIES, (struct raft_position){1, 2}, (size_t)type * 2);
        fields.type = type;
        entry_encode(&fields, record);
        struct writer *writer = seeds_begin();
        write_u8(writer, FUZZ_FIX);
        write_bytes(writer, record, entry_record_bytes(fields.command_bytes, fields.payload_bytes));
        (void)snprintf(name, sizeof(name), "%u", type);
        seeds_end("entry", name);
    }
}

static struct wire_message hello_of(node_id from, struct cluster_id cluster, bool has_expected)
{
    return (struct wire_message){
        .type = WIRE_HELLO,
        .hello = {.version_min = 1,
                  .version_max = 1,
                  .cluster = cluster,
                  .from = from,
                  .has_expected = has_expected,
                  .expected = has_expected,
                  .name = "n2",
                  .address = "127.0.0.1:2"},
    };
}

static struct wire_message answer_of(int status)
{
    return (struct wire_message){
        .type = WIRE_HELLO_RESPONSE,
        .hello_response = {.status = status, .version = 1, .cluster = SEEDS_CLUSTER, .from = 2},
    };
}

static void make_hello(void)
{
    const struct wire_message messages[] = {
        hello_of(2, SEEDS_CLUSTER, true),
        hello_of(2, (struct cluster_id){0, 0}, false),
        hello_of(1, SEEDS_CLUSTER, false),
        answer_of(0),
        answer_of(-7),
    };
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        for (uint8_t judge = 0; judge < 7; judge++) {
            char name[32];
            struct writer *writer = seeds_begin();
            write_u8(writer, judge);
            (void)seeds_put_frame(writer, &messages[i]);
            (void)snprintf(name, sizeof(name), "%zu_%u", i, judge);
            seeds_end("hello", name);
        }
    }
}

void seeds_put_frame_operation(struct writer *writer, struct wire_message message, size_t count)
{
    uint8_t *at = writer->at;
    write_u8(writer, 0);
    write_u16(writer, 0);
    store_u16(at + 1, (uint16_t)seeds_put_frame_with(writer, message, count));
}

void seeds_put_operation(struct writer *writer, uint8_t operation, uint16_t number)
{
    write_u8(writer, operation);
    write_u16(writer, number);
}

static void make_transport_incoming(uint8_t pieces)
{
    char name[32];
    struct writer *writer = seeds_begin();
    write_u8(writer, pieces);
    seeds_put_operation(writer, 10, 1);
    seeds_put_operation(writer, 2, 0);
    seeds_put_frame_operation(writer, hello_of(2, SEEDS_CLUSTER, true), 0);
    seeds_put_frame_operation(writer, seeds_sample(RAFT_APPEND_ENTRIES), 3);
    seeds_put_frame_operation(writer, seeds_sample(RAFT_PRE_VOTE), 0);
    seeds_put_frame_operation(writer, seeds_sample(WIRE_FORWARD), 2);
    seeds_put_operation(writer, 7, 2);
    seeds_put_operation(writer, 8, 0);
    seeds_put_frame_operation(writer, seeds_sample(RAFT_APPEND_ENTRIES_RESPONSE), 0);
    seeds_put_operation(writer, 4, 0);
    (void)snprintf(name, sizeof(name), "incoming_%u", pieces);
    seeds_end("transport", name);
}

/* A stranger asks to join, and then says what it may not. */
static void make_transport_stranger(uint8_t pieces)
{
    static const uint8_t types[] = {WIRE_READ, RAFT_PRE_VOTE, RAFT_APPEND_ENTRIES, WIRE_FORWARD,
                                    WIRE_HELLO};
    char name[32];
    struct writer *writer = seeds_begin();
    write_u8(writer, pieces);
    seeds_put_operation(writer, 2, 0);
    seeds_put_frame_operation(writer, hello_of(9, (struct cluster_id){0, 0}, false), 0);
    seeds_put_frame_operation(writer, seeds_sample(WIRE_JOIN), 0);
    seeds_put_operation(writer, 8, 0);
    seeds_put_frame_operation(writer, seeds_sample(types[pieces % COUNT_OF(types)]), 0);
    (void)snprintf(name, sizeof(name), "stranger_%u", pieces);
    seeds_end("transport", name);
}

/* A member invites, and then says what it may not. */
static void make_transport_invitation(void)
{
    struct writer *writer = seeds_begin();
    struct wire_message hello = hello_of(9, SEEDS_CLUSTER, false);
    hello.hello.version_max = 3;
    write_u8(writer, 1);
    seeds_put_operation(writer, 2, 0);
    seeds_put_frame_operation(writer, hello, 0);
    seeds_put_frame_operation(writer, seeds_sample(WIRE_INVITE), 0);
    seeds_put_operation(writer, 8, 0);
    seeds_put_frame_operation(writer, seeds_sample(WIRE_JOIN), 0);
    seeds_end("transport", "invitation");
}

/* A stranger, and one that has said nothing, announce more than a head. */
static void make_transport_announced(bool says_hello)
{
    struct writer *writer = seeds_begin();
    write_u8(writer, 2);
    seeds_put_operation(writer, 2, 0);
    if (says_hello) {
        seeds_put_frame_operation(writer, hello_of(9, (struct cluster_id){0, 0}, false), 0);
    }
    uint8_t *at = writer->at;
    seeds_put_frame_operation(writer, seeds_sample(RAFT_APPEND_ENTRIES), 1);
    /* Bytes as they are: only the header, with another length. */
    at[0] = 1;
    store_u16(at + 1, WIRE_HEADER_BYTES);
    store_u32(at + 3, 2048);
    writer->at = at + 3 + WIRE_HEADER_BYTES;
    seeds_end("transport", says_hello ? "announced_hello" : "announced");
}

/* A peer and a seed are dialed; the one answers, the other refuses. */
static void make_transport_dialed(uint8_t pieces)
{
    char name[32];
    struct writer *writer = seeds_begin();
    write_u8(writer, pieces);
    seeds_put_operation(writer, 10, 7);
    seeds_put_operation(writer, 9, 1);
    seeds_put_frame_operation(writer, answer_of(0), 0);
    seeds_put_operation(writer, 7, 2);
    seeds_put_operation(writer, 12, 0);
    seeds_put_operation(writer, 7, 2);
    seeds_put_operation(writer, 6, 9);
    seeds_put_frame_operation(writer, seeds_sample(WIRE_READ_RESPONSE), 0);
    seeds_put_operation(writer, 9, 0);
    seeds_put_operation(writer, 11, 1);
    seeds_put_operation(writer, 9, 1);
    seeds_put_operation(writer, 9, 1);
    seeds_put_frame_operation(writer, answer_of(0), 0);
    seeds_put_frame_operation(writer, seeds_sample(WIRE_JOIN_RESPONSE), 0);
    seeds_put_operation(writer, 11, 0);
    seeds_put_operation(writer, 10, 0);
    (void)snprintf(name, sizeof(name), "dialed_%u", pieces);
    seeds_end("transport", name);
}

/* Chunks are filled to their end, while entries in them are kept. */
static void make_transport_large(uint8_t pieces)
{
    char name[32];
    struct writer *writer = seeds_begin();
    write_u8(writer, pieces);
    seeds_put_operation(writer, 2, 0);
    seeds_put_frame_operation(writer, hello_of(2, SEEDS_CLUSTER, true), 0);
    seeds_put_frame_operation(writer, seeds_sample(RAFT_APPEND_ENTRIES), 4);
    seeds_put_operation(writer, 13, 50);
    seeds_put_frame_operation(writer, seeds_sample(RAFT_PRE_VOTE), 0);
    seeds_put_operation(writer, 14, 20000);
    seeds_put_operation(writer, 14, 45000);
    seeds_put_operation(writer, 13, 2);
    seeds_put_operation(writer, 14, 7);
    seeds_put_frame_operation(writer, hello_of(2, SEEDS_CLUSTER, true), 0);
    (void)snprintf(name, sizeof(name), "large_%u", pieces);
    seeds_end("transport", name);
}

void seeds_make_network(void)
{
    make_wire();
    make_entry();
    make_hello();
    for (uint8_t pieces = 0; pieces < 5; pieces++) {
        make_transport_incoming(pieces);
        make_transport_stranger(pieces);
        make_transport_dialed(pieces);
        make_transport_large(pieces);
    }
    make_transport_invitation();
    make_transport_announced(false);
    make_transport_announced(true);
}
