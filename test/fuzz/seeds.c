/* seeds.c: writes the first inputs of the fuzzers of binary formats.
 *
 * usage: fuzz_seeds test/fuzz/corpus     writes NAME/seed_… for each fuzzer NAME
 *
 * `tools/fuzz.sh merge` does it. The first texts (Redis commands, HTTP, YAML, JSON) were written
 * by hand.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/seeds.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"
#include "kv/result.h"
#include "kv/snapshot.h"
#include "node/backup_file.h"
#include "node/content.h"
#include "raft/configuration.h"
#include "support/unit.h"

#define INPUT_BYTES_MAX (64 * 1024)
#define PATH_BYTES_MAX 1024

/* An input being made. */
struct input {
    struct writer writer;
    uint8_t bytes[INPUT_BYTES_MAX];
};

static struct input input;
static const char *folder;

struct writer *seeds_begin(void)
{
    input.writer = writer_of(input.bytes, sizeof(input.bytes));
    return &input.writer;
}

void seeds_end(const char *fuzzer, const char *name)
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
            member->priority = RAFT_PRIORITY_ORDINARY;
            memcpy(member->name, "n1", 3);
            memcpy(member->address, "127.0.0.1:7700", 15);
            memcpy(member->meta, "client=127.0.0.1:7701", 22);
        }
        write_bytes(seeds_begin(), bytes, raft_configuration_encode(&configuration, bytes));
        (void)snprintf(name, sizeof(name), "%zu", count);
        seeds_end("configuration", name);
    }
    configuration.members[1].id = configuration.members[0].id;
    write_bytes(seeds_begin(), bytes, raft_configuration_encode(&configuration, bytes));
    seeds_end("configuration", "twice");
    configuration.members[1].id = 9;
    configuration.members[1].priority = RAFT_PRIORITY_NEVER;
    configuration.members[2].roles = RAFT_VOTER_OUTGOING | RAFT_STAYING;
    configuration.members[3].priority = 200;
    write_bytes(seeds_begin(), bytes, raft_configuration_encode(&configuration, bytes));
    seeds_end("configuration", "priorities");
}

static void make_identity(void)
{
    static const char *const names[] = {"fresh", "used", "neither", "long"};
    for (uint8_t is_log_used = 0; is_log_used < 4; is_log_used++) {
        struct writer *writer = seeds_begin();
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
        seeds_end("identity", names[is_log_used]);
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
        write_bytes(seeds_begin(), bytes, kv_payload_bytes(arguments, count));
        (void)snprintf(name, sizeof(name), "%zu", count);
        seeds_end("kv_payload", name);
    }
    write_u8(&input.writer, 0);
    seeds_end("kv_payload", "longer");
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
    write_bytes(seeds_begin(), results.data, size_bytes);
    seeds_end("kv_result", "all");
    kv_results_deinit(&results);
    heap_deinit(&heap);
}

/* Snapshots of none to four keys, the trailer left to the fuzzer. */
static void make_snapshots(void)
{
    static const char *const keys[] = {"", "a", "ab", "b"};
    for (size_t count = 0; count <= COUNT_OF(keys); count++) {
        char name[32];
        struct writer *writer = seeds_begin();
        write_u8(writer, FUZZ_FIX);
        write_u8(writer, (uint8_t)(count * 11));
        write_u32(writer, KV_SNAPSHOT_MAGIC);
        write_u32(writer, KV_SNAPSHOT_VERSION);
        write_u64(writer, 1000);
        write_u64(writer, count);
        for (size_t i = 0; i < count; i++) {
            write_u32(writer, (uint32_t)strlen(keys[i]));
            write_u32(writer, (uint32_t)(i * 3));
            write_u64(writer, i * 500); /* some are due */
            write_bytes(writer, keys[i], strlen(keys[i]));
            write_bytes(writer, "a value of the key", i * 3);
        }
        (void)snprintf(name, sizeof(name), "%zu", count);
        seeds_end("kv_snapshot", name);
    }
}

/* A head, then so many blocks of sessions and state machine, then the end. */
static void make_contents(void)
{
    static uint8_t block[CONTENT_STORED_BYTES_MAX];
    for (unsigned count = 0; count < 4; count++) {
        char name[32];
        struct content_writer content = {.codec = NULL};
        struct content_head head = {.position = {2, 9}, .timestamp_ns = 1000};
        struct writer *writer = seeds_begin();
        if (count > 1) {
            head.configuration_index = 3;
            head.configuration = "members";
            head.configuration_bytes = 7;
        }
        write_u8(writer, FUZZ_FIX);
        write_u8(writer, (uint8_t)(count * 7));
        write_bytes(writer, block, content_write_head(&content, &head, block));
        for (unsigned i = 0; i < count; i++) {
            enum content_section section = i == 0 ? CONTENT_SESSIONS : CONTENT_MACHINE;
            write_bytes(writer, block, content_write(&content, section, "state", i + 1, block));
        }
        write_bytes(writer, block, content_write_end(&content, block));
        (void)snprintf(name, sizeof(name), "%u", count);
        seeds_end("content", name);
    }
}

static void make_text(void)
{
    static const uint8_t program[] = {
        0, 1, 0, 3, 1, 'k', 2,    'h', 'i', 0, 1,    'o',  1,    1,    'a', 5, 1, 2, 3,
        4, 5, 6, 7, 8, 6,   0xff, 0,   0,   0, 0,    0,    0,    0,    7,   1, 8, 9, 4,
        1, 2, 3, 4, 5, 6,   7,    8,   4,   4, 0xc3, 0xa9, 0xff, '\n', 2,   2, 2,
    };
    write_bytes(seeds_begin(), program, sizeof(program));
    seeds_end("text", "all");
}

/* Whole ones: as short as they are, and with sessions and a state. */
static void make_backups(void)
{
    struct raft_configuration alone = {
        .count = 1,
        .members = {{.id = 3, .roles = RAFT_VOTER, .priority = 1, .name = "n3", .address = "a3"}}};
    uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
    uint8_t block[CONTENT_STORED_BYTES_MAX];
    uint8_t head_bytes[BACKUP_HEAD_BYTES];
    for (unsigned i = 0; i < 3; i++) {
        struct content_writer content = {.codec = NULL};
        struct backup_head head = {.position = {2, 9},
                                   .made_ns = 5,
                                   .cluster = {7, 7},
                                   .node = 3,
                                   .name = "n3",
                                   .content_bytes = 1,
                                   .has_guarded = i == 2};
        struct content_head content_head = {.position = {2, 9},
                                            .timestamp_ns = 1000,
                                            .configuration_index = 1,
                                            .configuration = payload};
        content_head.configuration_bytes = raft_configuration_encode(&alone, payload);
        struct writer *writer = seeds_begin();
        backup_head_encode(&head, head_bytes);
        write_u8(writer, FUZZ_FIX);
        write_u8(writer, 40);
        write_bytes(writer, head_bytes, 144);
        write_bytes(writer, block, content_write_head(&content, &content_head, block));
        for (unsigned j = 0; j < i; j++) {
            write_bytes(writer, block, content_write(&content, CONTENT_MACHINE, "state", 5, block));
        }
        write_bytes(writer, block, content_write_end(&content, block));
        char name[2] = {(char)('0' + i), 0};
        seeds_end("backup", name);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: fuzz_seeds FOLDER\n");
        return 2;
    }
    folder = argv[1];
    make_configuration();
    make_identity();
    make_payloads();
    make_results();
    make_snapshots();
    make_contents();
    make_backups();
    make_text();
    seeds_make_packet();
    seeds_make_network();
    seeds_make_node();
    seeds_make_log();
    return 0;
}
