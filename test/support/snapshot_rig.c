/* snapshot_rig.c: a snapshot store on a disk in memory, and what its snapshots must hold. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/snapshot_rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

#define TERM_OF(index) ((index) / 10 + 1)
#define TIME_OF(index) ((index)*1000)

uint8_t snapshot_rig_byte(raft_index index, size_t at)
{
    return (uint8_t)(index * 31 + at * 7 + at / 256 + 1);
}

const char *snapshot_rig_name(raft_index index, bool is_aside)
{
    static char name[DISK_NAME_BYTES_MAX];
    (void)snprintf(name, sizeof(name), "snapshot-%016" PRIx64 "%s", index,
                   is_aside ? DISK_TEMPORARY_SUFFIX : "");
    return name;
}

/* Give on, as far as it is taken, and finish. */
static void give(struct snapshot_rig *rig)
{
    static uint8_t bytes[SNAPSHOT_RIG_BYTES_MAX];
    size_t taken = 1;
    while (rig->given_bytes < rig->size_bytes && taken > 0) {
        size_t size_bytes = rig->size_bytes - rig->given_bytes;
        if (rig->piece_bytes > 0) {
            size_bytes = min_u64(size_bytes, rig->piece_bytes);
        }
        for (size_t i = 0; i < size_bytes; i++) {
            bytes[i] = snapshot_rig_byte(rig->writing, rig->given_bytes + i);
        }
        snapshot_writer_append(rig->store, bytes, size_bytes, &taken);
        snapshot_store_invariants(rig->store);
        rig->given_bytes += taken;
        ASSERT(snapshot_writer_offset(rig->store) == rig->given_bytes);
    }
    if (rig->given_bytes == rig->size_bytes) {
        snapshot_writer_finish(rig->store);
    }
}

static void on_ready(void *context)
{
    struct snapshot_rig *rig = context;
    rig->ready_count++;
    give(rig);
}

static void on_done(void *context, int status, const struct snapshot_info *info)
{
    struct snapshot_rig *rig = context;
    ASSERT((status == 0) == (info != NULL));
    rig->done_count++;
    rig->done_status = status;
    if (info != NULL) {
        rig->done = *info;
    }
}

static void on_read(void *context, uint64_t token, int status, struct chunk *chunk,
                    const uint8_t *data, size_t size_bytes)
{
    struct snapshot_rig *rig = context;
    ASSERT((status == 0) == (chunk != NULL));
    rig->read_count++;
    rig->read_token = token;
    rig->read_status = status;
    rig->read_bytes = size_bytes;
    if (size_bytes > 0) {
        ASSERT(data >= chunk->data);
        ASSERT(data + size_bytes <= chunk->data + chunk->used_bytes);
        memcpy(rig->read, data, size_bytes);
    }
}

void snapshot_rig_init(struct snapshot_rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    heap_init(&rig->heap);
    disk_memory_init(&rig->disk);
    rig->options = (struct snapshot_options){
        .allocator = &rig->heap.allocator,
        .disk = &rig->disk.disk,
        .listener = {rig, on_ready, on_done, on_read},
        .chunk_bytes = SNAPSHOT_CHUNK_BYTES_MIN,
    };
}

static void free_store(struct snapshot_rig *rig)
{
    if (rig->store != NULL) {
        snapshot_store_invariants(rig->store);
    }
    snapshot_store_free(rig->store);
    rig->store = NULL;
}

void snapshot_rig_deinit(struct snapshot_rig *rig)
{
    disk_memory_stop(&rig->disk);
    free_store(rig);
    disk_memory_deinit(&rig->disk);
    heap_deinit(&rig->heap);
}

int snapshot_rig_open(struct snapshot_rig *rig)
{
    ASSERT(rig->store == NULL);
    rig->done_count = 0;
    int status = snapshot_store_open(&rig->options, &rig->store, &rig->found, rig->detail);
    if (status == 0) {
        snapshot_store_invariants(rig->store);
    }
    return status;
}

void snapshot_rig_close(struct snapshot_rig *rig)
{
    while (snapshot_rig_step(rig)) {
    }
    free_store(rig);
}

void snapshot_rig_crash(struct snapshot_rig *rig, bool (*keep)(void *context, size_t number),
                        void *context)
{
    disk_memory_stop(&rig->disk);
    free_store(rig);
    disk_memory_crash(&rig->disk, keep, context);
}

int snapshot_rig_begin(struct snapshot_rig *rig, raft_index index, size_t size_bytes)
{
    ASSERT(size_bytes <= SNAPSHOT_RIG_BYTES_MAX);
    struct wal_base position = {TERM_OF(index), index};
    int status = snapshot_writer_begin(rig->store, &position, TIME_OF(index), false);
    if (status == 0) {
        rig->writing = index;
        rig->size_bytes = size_bytes;
        rig->given_bytes = 0;
        give(rig);
        snapshot_store_invariants(rig->store);
    }
    return status;
}

bool snapshot_rig_step(struct snapshot_rig *rig)
{
    bool has_stepped = disk_memory_step(&rig->disk);
    if (rig->store != NULL) {
        snapshot_store_invariants(rig->store);
    }
    return has_stepped;
}

void snapshot_rig_write(struct snapshot_rig *rig, raft_index index, size_t size_bytes)
{
    size_t done_count = rig->done_count;
    int status = snapshot_rig_begin(rig, index, size_bytes);
    ASSERT(status == 0);
    while (snapshot_rig_step(rig)) {
    }
    ASSERT(rig->done_count == done_count + 1);
    ASSERT(rig->done_status == 0);
    snapshot_rig_check(rig, index, size_bytes);
}

struct content {
    raft_index index;
    size_t size_bytes;
};

static int compare(void *context, const uint8_t *data, size_t size_bytes)
{
    struct content *content = context;
    for (size_t i = 0; i < size_bytes; i++) {
        ASSERT(data[i] == snapshot_rig_byte(content->index, content->size_bytes + i));
    }
    content->size_bytes += size_bytes;
    return 0;
}

/* Read it through a reader. */
static void read_all(struct snapshot_rig *rig, raft_index index, size_t size_bytes)
{
    struct snapshot_reader *reader;
    struct snapshot_info info;
    struct content content = {index, 0};
    int status = snapshot_reader_open(rig->store, index, 0, &reader, &info);
    ASSERT(status == 0);
    ASSERT(info.size_bytes == size_bytes);
    do {
        size_t answers = rig->read_count;
        status = snapshot_reader_read(reader, ++rig->read_token);
        ASSERT(status == 0);
        while (rig->read_count == answers) {
            bool has_stepped = snapshot_rig_step(rig);
            ASSERT(has_stepped);
        }
        ASSERT(rig->read_status == 0);
        (void)compare(&content, rig->read, rig->read_bytes);
    } while (rig->read_bytes > 0);
    snapshot_reader_close(reader);
    ASSERT(content.size_bytes == size_bytes);
}

void snapshot_rig_check(struct snapshot_rig *rig, raft_index index, size_t size_bytes)
{
    char detail[SNAPSHOT_ERROR_DETAIL_BYTES];
    struct snapshot_info info;
    bool is_there = snapshot_store_newest(rig->store, &info);
    ASSERT(is_there);
    ASSERT(info.position.index == index);
    ASSERT(info.position.term == TERM_OF(index));
    ASSERT(info.timestamp_ns == TIME_OF(index));
    ASSERT(info.size_bytes == size_bytes);
    struct content content = {index, 0};
    int status = snapshot_store_load(rig->store, compare, &content, detail);
    ASSERT(status == 0);
    ASSERT(content.size_bytes == size_bytes);
    read_all(rig, index, size_bytes);
}
