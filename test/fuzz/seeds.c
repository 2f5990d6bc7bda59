/* seeds.c: writes the first inputs of the fuzzers of binary formats.
 *
 * usage: fuzz_seeds test/fuzz/corpus     writes NAME/seed_… for each fuzzer NAME
 *
 * `tools/fuzz.sh merge` does it. The first texts (Redis commands, HTTP, YAML, JSON) were written
 * by hand.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "kv/result.h"
#include "support/node_solo.h"
#include "support/wal_rig.h"
#include "unit/wire_sample.h"

#define INPUT_BYTES_MAX (64 * 1024)
#define PATH_BYTES_MAX 1024
#define CLUSTER ((struct cluster_id){7, 7})

/* An input being made. */
struct input {
    struct writer writer;
    uint8_t bytes[INPUT_BYTES_MAX];
};

static struct input input;
static const char *folder;

static struct writer *begin(void)
{
    input.writer = writer_of(input.bytes, sizeof(input.bytes));
    return &input.writer;
}

/* Write the input that was made to FOLDER/fuzzer/seed_name. */
static void end(const char *fuzzer, const char *name)
{
    char path[PATH_BYTES_MAX];
    ASSERT(!input.writer.failed);
    (void)snprintf(path, sizeof(path), "%s/%s", folder, fuzzer);
    (void)mkdir(path, 0777);
    (void)snprintf(path, sizeof(path), "%s/%s/seed_%s", folder, fuzzer, name);
    FILE *file = fopen(path, "wbe");
    ASSERT(file != NULL);
    size_t size_bytes = writer_used(&input.writer);
    ASSERT(fwrite(input.bytes, 1, size_bytes, file) == size_bytes);
    ASSERT(fclose(file) == 0);
}

/* The frame of a message, into the input. Returns its bytes. */
static size_t put_frame(struct writer *writer, const struct wire_message *message)
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

/* The same with entries, for a message that may have some. */
static size_t put_frame_with(struct writer *writer, struct wire_message message, size_t count)
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
    size_t frame_bytes = put_frame(writer, &message);
    for (size_t i = 0; i < count; i++) {
        chunk_drop(entries[i].chunk);
    }
    entry_arena_deinit(&arena);
    heap_deinit(&heap);
    return frame_bytes;
}

static struct wire_message sample_of(uint8_t type)
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
            struct writer *writer = begin();
            write_u8(writer, 0xff);
            (void)put_frame_with(writer, sample_of(type), count);
            (void)snprintf(name, sizeof(name), "%u_%zu", type, count);
            end("wire", name);
        }
    }
}

static void make_entry(void)
{
    for (uint8_t type = ENTRY_NOOP; type <= ENTRY_TICK; type++) {
        char name[32];
        uint8_t record[256];
        struct entry_fields fields =
            sample_entry(RAFT_APPEND_ENTRIES, (struct raft_position){1, 2}, (size_t)type * 2);
        fields.type = type;
        entry_encode(&fields, record);
        struct writer *writer = begin();
        write_u8(writer, FUZZ_FIX);
        write_bytes(writer, record, entry_record_bytes(fields.command_bytes, fields.payload_bytes));
        (void)snprintf(name, sizeof(name), "%u", type);
        end("entry", name);
    }
}

static void make_configuration(void)
{
    static struct raft_configuration configuration;
    static uint8_t bytes[RAFT_CONFIGURATION_BYTES_MAX];
    for (size_t count = 0; count < 5; count++) {
        char name[32];
        configuration.count = count;
        if (count > 0) {
            struct raft_member *member = &configuration.members[count - 1];
            member->id = count;
            member->roles = (uint8_t)(1U << (count - 1) & 7);
            memcpy(member->name, "n1", 3);
            memcpy(member->address, "127.0.0.1:7700", 15);
            memcpy(member->meta, "client=127.0.0.1:7701", 22);
        }
        write_bytes(begin(), bytes, raft_configuration_encode(&configuration, bytes));
        (void)snprintf(name, sizeof(name), "%zu", count);
        end("configuration", name);
    }
    configuration.members[1].id = configuration.members[0].id;
    write_bytes(begin(), bytes, raft_configuration_encode(&configuration, bytes));
    end("configuration", "twice");
}

static void make_identity(void)
{
    static const char *const names[] = {"fresh", "used", "neither", "long"};
    for (uint8_t is_log_used = 0; is_log_used < 4; is_log_used++) {
        struct writer *writer = begin();
        write_u8(writer, FUZZ_FIX);
        write_bytes(writer, "QUORATEI", 8);
        write_u32(writer, 1);
        write_u32(writer, 0);
        write_u64(writer, 1);
        write_u64(writer, 7);
        write_u64(writer, 7);
        write_u8(writer, is_log_used % 3);
        write_string8(writer, "n1");
        if (is_log_used == 3) {
            write_u8(writer, 0);
        }
        end("identity", names[is_log_used]);
    }
}

static void make_payloads(void)
{
    static const struct kv_argument arguments[] = {
        {"SET", 3}, {"key", 3}, {"value", 5}, {"", 0}, {"PX", 2}, {"1000", 4},
    };
    for (size_t count = 1; count <= COUNT_OF(arguments); count++) {
        char name[32];
        uint8_t bytes[256];
        kv_payload_encode(arguments, count, bytes);
        write_bytes(begin(), bytes, kv_payload_bytes(arguments, count));
        (void)snprintf(name, sizeof(name), "%zu", count);
        end("kv_payload", name);
    }
    write_u8(&input.writer, 0);
    end("kv_payload", "longer");
}

/* One result with a value of each kind. */
static void make_results(void)
{
    struct heap heap;
    struct kv_results results;
    size_t size_bytes;
    heap_init(&heap);
    kv_results_init(&results, &heap.allocator);
    kv_results_begin(&results);
    struct kv_reply_sink sink = kv_results_sink(&results);
    sink.array(sink.context, 6);
    sink.status(sink.context, "OK");
    sink.error(sink.context, "ERR no");
    sink.integer(sink.context, -1);
    sink.bulk(sink.context, "bulk", 4);
    sink.null(sink.context);
    sink.array(sink.context, 0);
    ASSERT(kv_results_end(&results, &size_bytes) == 0);
    write_bytes(begin(), results.data, size_bytes);
    end("kv_result", "all");
    kv_results_deinit(&results);
    heap_deinit(&heap);
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
        .hello_response = {.status = status, .version = 1, .cluster = CLUSTER, .from = 2},
    };
}

static void make_hello(void)
{
    const struct wire_message messages[] = {
        hello_of(2, CLUSTER, true),
        hello_of(2, (struct cluster_id){0, 0}, false),
        hello_of(1, CLUSTER, false),
        answer_of(0),
        answer_of(-7),
    };
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        for (uint8_t judge = 0; judge < 7; judge++) {
            char name[32];
            struct writer *writer = begin();
            write_u8(writer, judge);
            (void)put_frame(writer, &messages[i]);
            (void)snprintf(name, sizeof(name), "%zu_%u", i, judge);
            end("hello", name);
        }
    }
}

/* An operation of fuzz/transport.c with a frame, or with a number. */
static void put_frame_operation(struct writer *writer, struct wire_message message, size_t count)
{
    uint8_t *at = writer->at;
    write_u8(writer, 0);
    write_u16(writer, 0);
    store_u16(at + 1, (uint16_t)put_frame_with(writer, message, count));
}

static void put_operation(struct writer *writer, uint8_t operation, uint16_t number)
{
    write_u8(writer, operation);
    write_u16(writer, number);
}

static void make_transport_incoming(uint8_t pieces)
{
    char name[32];
    struct writer *writer = begin();
    write_u8(writer, pieces);
    put_operation(writer, 10, 1);
    put_operation(writer, 2, 0);
    put_frame_operation(writer, hello_of(2, CLUSTER, true), 0);
    put_frame_operation(writer, sample_of(RAFT_APPEND_ENTRIES), 3);
    put_frame_operation(writer, sample_of(RAFT_PRE_VOTE), 0);
    put_frame_operation(writer, sample_of(WIRE_FORWARD), 2);
    put_operation(writer, 7, 2);
    put_operation(writer, 8, 0);
    put_frame_operation(writer, sample_of(RAFT_APPEND_ENTRIES_RESPONSE), 0);
    put_operation(writer, 4, 0);
    (void)snprintf(name, sizeof(name), "incoming_%u", pieces);
    end("transport", name);
}

/* A stranger asks to join, and then says what it may not. */
static void make_transport_stranger(uint8_t pieces)
{
    static const uint8_t types[] = {WIRE_READ, RAFT_PRE_VOTE, RAFT_APPEND_ENTRIES, WIRE_FORWARD,
                                    WIRE_HELLO};
    char name[32];
    struct writer *writer = begin();
    write_u8(writer, pieces);
    put_operation(writer, 2, 0);
    put_frame_operation(writer, hello_of(9, (struct cluster_id){0, 0}, false), 0);
    put_frame_operation(writer, sample_of(WIRE_JOIN), 0);
    put_operation(writer, 8, 0);
    put_frame_operation(writer, sample_of(types[pieces % COUNT_OF(types)]), 0);
    (void)snprintf(name, sizeof(name), "stranger_%u", pieces);
    end("transport", name);
}

/* A stranger, and one that has said nothing, announce more than a head. */
static void make_transport_announced(bool says_hello)
{
    struct writer *writer = begin();
    write_u8(writer, 2);
    put_operation(writer, 2, 0);
    if (says_hello) {
        put_frame_operation(writer, hello_of(9, (struct cluster_id){0, 0}, false), 0);
    }
    uint8_t *at = writer->at;
    put_frame_operation(writer, sample_of(RAFT_APPEND_ENTRIES), 1);
    /* Bytes as they are: only the header, with another length. */
    at[0] = 1;
    store_u16(at + 1, WIRE_HEADER_BYTES);
    store_u32(at + 3, 2048);
    writer->at = at + 3 + WIRE_HEADER_BYTES;
    end("transport", says_hello ? "announced_hello" : "announced");
}

/* A peer and a seed are dialed; the one answers, the other refuses. */
static void make_transport_dialed(uint8_t pieces)
{
    char name[32];
    struct writer *writer = begin();
    write_u8(writer, pieces);
    put_operation(writer, 10, 7);
    put_operation(writer, 9, 1);
    put_frame_operation(writer, answer_of(0), 0);
    put_operation(writer, 7, 2);
    put_operation(writer, 12, 0);
    put_operation(writer, 7, 2);
    put_operation(writer, 6, 9);
    put_frame_operation(writer, sample_of(WIRE_READ_RESPONSE), 0);
    put_operation(writer, 9, 0);
    put_operation(writer, 11, 1);
    put_operation(writer, 9, 1);
    put_operation(writer, 9, 1);
    put_frame_operation(writer, answer_of(0), 0);
    put_frame_operation(writer, sample_of(WIRE_JOIN_RESPONSE), 0);
    put_operation(writer, 11, 0);
    put_operation(writer, 10, 0);
    (void)snprintf(name, sizeof(name), "dialed_%u", pieces);
    end("transport", name);
}

/* Everything that members say, to a node that follows, leads or joins, with time in between.
 * `term`   of Raft's messages; 0: the present one.
 */
static void make_node(uint8_t flags, raft_term term)
{
    char name[32];
    for (size_t i = 0; i < COUNT_OF(sample_types); i++) {
        uint8_t type = sample_types[i];
        struct wire_message message = sample_of(type);
        if (wire_is_raft(type)) {
            message.raft.term = term != 0 ? term : (raft_term)(1 + flags % 2);
        }
        if (type == RAFT_APPEND_ENTRIES) {
            message.raft.append_entries.prev = (struct raft_position){1, 1};
            message.raft.append_entries.commit = 2;
        }
        struct writer *writer = begin();
        write_u8(writer, flags);
        put_operation(writer, 8, 0);
        put_operation(writer, 9, 0);
        put_frame_operation(writer, message, type == RAFT_APPEND_ENTRIES ? 2 : 0);
        put_operation(writer, 6, 0);
        put_operation(writer, 4, 700);
        put_operation(writer, 10, 0);
        put_operation(writer, 5, 100);
        (void)snprintf(name, sizeof(name), "%u_%u_%u", flags, type, term != 0);
        end("node", name);
    }
}

/* Chunks are filled to their end, while entries in them are kept. */
static void make_transport_large(uint8_t pieces)
{
    char name[32];
    struct writer *writer = begin();
    write_u8(writer, pieces);
    put_operation(writer, 2, 0);
    put_frame_operation(writer, hello_of(2, CLUSTER, true), 0);
    put_frame_operation(writer, sample_of(RAFT_APPEND_ENTRIES), 4);
    put_operation(writer, 13, 50);
    put_frame_operation(writer, sample_of(RAFT_PRE_VOTE), 0);
    put_operation(writer, 14, 20000);
    put_operation(writer, 14, 45000);
    put_operation(writer, 13, 2);
    put_operation(writer, 14, 7);
    put_frame_operation(writer, hello_of(2, CLUSTER, true), 0);
    (void)snprintf(name, sizeof(name), "large_%u", pieces);
    end("transport", name);
}

/* Append_entries of `count` entries of `term`, from its leader. */
static void put_append(struct writer *writer, uint8_t operation, raft_term term,
                       struct raft_position prev, size_t count)
{
    struct wire_message message = {
        .type = RAFT_APPEND_ENTRIES,
        .raft = {.type = RAFT_APPEND_ENTRIES, .term = term},
    };
    message.raft.append_entries = (struct raft_append_entries){prev, prev.index, 1};
    put_frame_operation(writer, message, 0);
    /* With entries: their terms are those of `prev`, and go up. */
    uint8_t *at = writer->at;
    put_frame_operation(writer, message, count);
    *at = operation;
}

/* A follower hears two leaders; what the first gave is replaced, in part or not at all. */
static void make_node_follower(void)
{
    struct writer *writer = begin();
    write_u8(writer, 4);
    put_append(writer, 0, 3, (struct raft_position){1, 1}, 4);
    put_operation(writer, 6, 0);
    put_append(writer, 0, 3, (struct raft_position){1, 9}, 1);
    put_append(writer, 0, 3, (struct raft_position){1, 1}, 4);
    put_append(writer, 1, 5, (struct raft_position){1, 2}, 4);
    put_operation(writer, 5, 20);
    put_append(writer, 0, 3, (struct raft_position){1, 1}, 1);
    put_append(writer, 1, 5, (struct raft_position){1, 1}, 3);
    put_operation(writer, 8, 0);
    put_operation(writer, 9, 0);
    put_operation(writer, 6, 0);
    for (int status = 0; status > -12; status -= 2) {
        struct wire_message response = {.type = WIRE_FORWARD_RESPONSE};
        response.forward_response.status = status;
        response.forward_response.request = (uint64_t)-status / 2;
        response.forward_response.count = 2;
        response.forward_response.entry_term = 5;
        put_frame_operation(writer, response, 0);
        struct wire_message read = {.type = WIRE_READ_RESPONSE};
        read.read_response.request = (uint64_t)-status / 2;
        read.read_response.index = 3;
        put_frame_operation(writer, read, 0);
    }
    put_operation(writer, 10, 0);
    put_operation(writer, 4, 900);
    end("node", "follower");
}

/* A leader takes in a newcomer, forwarded proposals, and rejections. */
static void make_node_leader(void)
{
    struct writer *writer = begin();
    write_u8(writer, 5);
    struct wire_message join = {.type = WIRE_JOIN};
    join.join.wants_vote = true;
    memcpy(join.join.name, "n3", 3);
    memcpy(join.join.address, "a9", 3);
    put_frame_operation(writer, join, 0);
    join.join.from = 9;
    memcpy(join.join.name, "n9", 3);
    uint8_t *at = writer->at;
    put_frame_operation(writer, join, 0);
    *at = 2;
    put_operation(writer, 12, 0);
    put_operation(writer, 6, 0);
    put_operation(writer, 12, 0);
    struct wire_message forward = {.type = WIRE_FORWARD};
    forward.forward.term = 2;
    forward.forward.number = 1;
    forward.forward.request = 7;
    put_frame_operation(writer, forward, 3);
    put_operation(writer, 8, 0);
    put_operation(writer, 9, 0);
    put_operation(writer, 12, 0);
    for (uint64_t match = 0; match < 8; match++) {
        struct wire_message answer = {.type = RAFT_APPEND_ENTRIES_RESPONSE};
        answer.raft.type = RAFT_APPEND_ENTRIES_RESPONSE;
        answer.raft.term = 2;
        answer.raft.from = 9;
        answer.raft.append_entries_response =
            (struct raft_append_entries_response){match % 2 == 0, match, match + 1, {1, match}, 3};
        at = writer->at;
        put_frame_operation(writer, answer, 0);
        *at = match % 4 == 0 ? 1 : 2;
    }
    put_operation(writer, 12, 0);
    put_operation(writer, 4, 100);
    put_operation(writer, 12, 0);
    put_operation(writer, 4, 600);
    end("node", "leader");
}

static void make_node_joiner(void)
{
    static const int statuses[] = {-2, -5, 0};
    struct writer *writer = begin();
    write_u8(writer, 2);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct wire_message answer = {.type = WIRE_JOIN_RESPONSE};
        answer.join_response.status = statuses[i];
        answer.join_response.cluster = CLUSTER;
        memcpy(answer.join_response.leader_address, "a3", 3);
        put_operation(writer, 13, 0);
        uint8_t *at = writer->at;
        put_frame_operation(writer, answer, 0);
        *at = 3;
        put_operation(writer, 13, 1);
        put_operation(writer, 4, 500);
    }
    put_append(writer, 0, 1, (struct raft_position){0, 0}, 2);
    put_operation(writer, 4, 500);
    end("node", "joiner");
}

/* What stands in a file of the log, sector by sector, as fuzz/wal.c reads it. */
static void put_file(struct writer *writer, uint8_t number, const struct disk_memory_file *file)
{
    static const uint8_t zeros[DISK_SECTOR_BYTES];
    for (uint64_t at = 0; at + DISK_SECTOR_BYTES <= file->size_bytes; at += DISK_SECTOR_BYTES) {
        size_t length = DISK_SECTOR_BYTES;
        while (length > 0 && file->seen[at + length - 1] == 0) {
            length--;
        }
        if (memcmp(file->seen + at, zeros, sizeof(zeros)) != 0) {
            write_u8(writer, number);
            write_u8(writer, (uint8_t)(at / DISK_SECTOR_BYTES));
            write_u16(writer, (uint16_t)length);
            write_bytes(writer, file->seen + at, length);
        }
    }
}

/* The files as they are, once with checksums to be made right and once as they stand. */
static void put_files(const char *fuzzer, struct disk_memory *disk, uint8_t more_flags,
                      const char *name)
{
    static const uint8_t flags[] = {0, FUZZ_FIX | 2};
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        char names[64];
        struct writer *writer = begin();
        write_u8(writer, flags[i] | more_flags);
        for (uint8_t number = 0; number < 4; number++) {
            (void)snprintf(names, sizeof(names), "log-%016x", number + 1U);
            const struct disk_memory_file *file = disk_memory_find(disk, names);
            if (file != NULL) {
                put_file(writer, number, file);
            }
        }
        (void)snprintf(names, sizeof(names), "%s_%zu", name, i);
        end(fuzzer, names);
    }
}

static void put_log(struct wal_rig *rig, const char *name)
{
    put_files("wal", &rig->disk, 0, name);
}

/* The directory of a member that followed, led, and has configurations that can be read. */
static void make_data(void)
{
    static struct solo solo;
    solo_init(&solo);
    solo.options.join = "a2";
    solo.options.segment_bytes = WAL_SEGMENT_BYTES_MIN;
    solo_start(&solo);
    solo_follow(&solo);
    put_files("data", &solo.disk, 8, "follower");
    (void)solo_lead(&solo);
    for (uint64_t number = 1; number < 4; number++) {
        ASSERT(solo_propose(&solo, number) == 0);
        solo_work(&solo);
        solo_oblige(&solo);
        solo_work(&solo);
    }
    put_files("data", &solo.disk, 8, "leader");
    solo_stop(&solo);
    put_files("data", &solo.disk, 8, "stopped");
    solo_deinit(&solo);
}

/* A log that grows: each step of it is a seed. */
static void make_wal(void)
{
    static struct wal_rig rig;
    wal_rig_init(&rig);
    ASSERT(wal_rig_open(&rig) == 0);
    wal_rig_append_now(&rig, 1, 2, 1, 10);
    put_log(&rig, "one");
    wal_rig_append_now(&rig, 3, 4, 1, 30);
    wal_rig_append_now(&rig, 5, 3, 2, 20);
    put_log(&rig, "replaced");
    wal_rig_append_now(&rig, 8, 0, 3, 0);
    wal_mark(rig.wal, 6);
    disk_memory_run(&rig.disk);
    put_log(&rig, "marked");
    wal_rig_reopen(&rig);
    wal_rig_append_now(&rig, 8, 1, 3, 300);
    put_log(&rig, "reopened");
    disk_memory_flip(&rig.disk, "log-0000000000000001", 1024 + 128 + 60, 3);
    put_log(&rig, "damaged");
    wal_rig_deinit(&rig);

    /* Every fifth entry is a configuration. */
    wal_rig_init(&rig);
    ASSERT(wal_rig_open(&rig) == 0);
    wal_rig_append_now(&rig, 1, 11, 1, 4);
    wal_rig_append_now(&rig, 12, 5, 2, 4);
    wal_rig_append_now(&rig, 17, 1, 2, 4);
    put_log(&rig, "configurations");
    wal_rig_deinit(&rig);
}

/* The first batch loses its last entry, and the second one leaves a gap. */
static void make_wal_gap(void)
{
    static const uint8_t zeros[DISK_SECTOR_BYTES];
    static struct wal_rig rig;
    uint8_t lengths[8];
    size_t record_bytes = entry_record_bytes(3, 10);
    wal_rig_init(&rig);
    ASSERT(wal_rig_open(&rig) == 0);
    wal_rig_append_now(&rig, 1, 2, 1, 10);
    wal_rig_append_now(&rig, 3, 2, 1, 10);
    store_u32(lengths, (uint32_t)record_bytes);
    store_u32(lengths + 4, 1);
    disk_memory_write(&rig.disk, "log-0000000000000001", 512 + 48, lengths, sizeof(lengths));
    disk_memory_write(&rig.disk, "log-0000000000000001", 512 + 128 + record_bytes, zeros,
                      record_bytes);
    put_log(&rig, "gap");
    wal_rig_deinit(&rig);
}

/* Two segments. */
static void make_wal_long(void)
{
    static struct wal_rig rig;
    wal_rig_init(&rig);
    ASSERT(wal_rig_open(&rig) == 0);
    wal_rig_append_now(&rig, 1, 1, 1, 32000);
    wal_rig_append_now(&rig, 2, 1, 1, 31000);
    wal_rig_append_now(&rig, 3, 2, 2, 10);
    struct disk_memory_file *file = disk_memory_find(&rig.disk, "log-0000000000000001");
    /* Long payloads of zeros make short inputs. */
    memset(file->seen + 1024, 0, 31500);
    memset(file->seen + 33500, 0, 30000);
    put_log(&rig, "long");
    wal_rig_deinit(&rig);
}

static void make_text(void)
{
    static const uint8_t program[] = {
        0, 1, 0, 3, 1, 'k', 2,    'h', 'i', 0, 1,    'o',  1,    1,    'a', 5, 1, 2, 3,
        4, 5, 6, 7, 8, 6,   0xff, 0,   0,   0, 0,    0,    0,    0,    7,   1, 8, 9, 4,
        1, 2, 3, 4, 5, 6,   7,    8,   4,   4, 0xc3, 0xa9, 0xff, '\n', 2,   2, 2,
    };
    write_bytes(begin(), program, sizeof(program));
    end("text", "all");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: fuzz_seeds FOLDER\n");
        return 2;
    }
    folder = argv[1];
    make_wire();
    make_entry();
    make_configuration();
    make_identity();
    make_payloads();
    make_results();
    make_hello();
    for (uint8_t pieces = 0; pieces < 5; pieces++) {
        make_transport_incoming(pieces);
        make_transport_stranger(pieces);
        make_transport_dialed(pieces);
        make_transport_large(pieces);
    }
    for (uint8_t flags = 4; flags < 7; flags++) {
        make_node(flags, 0);
    }
    make_node(4, UINT64_MAX);
    make_node(5, UINT64_MAX);
    make_transport_announced(false);
    make_transport_announced(true);
    make_node_follower();
    make_node_leader();
    make_node_joiner();
    make_wal();
    make_wal_gap();
    make_wal_long();
    make_data();
    make_text();
    return 0;
}
