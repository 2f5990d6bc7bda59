/* snapshot.c: fuzzes the reading of a snapshot file.
 *
 * Input    flags, then the file, under the name of index 7.
 * Asserts  that it is whole or refused in words, with nothing changed; that what is whole reads
 *          the same at once and chunk by chunk, and has the size and checksum that it says; that
 *          whole is only what has its header, its chunks and its end at their places; and that
 *          one bit less of it is refused.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "quorate/error.h"
#include "support/disk_memory.h"
#include "wal/snapshot_store.h"

#define FILE_NAME "snapshot-0000000000000007"
#define INDEX 7
#define SECTOR_BYTES 512
#define CHUNK_HEADER_BYTES 32
#define CONTENT_BYTES_MAX 65536

struct content {
    uint8_t bytes[CONTENT_BYTES_MAX];
    size_t size_bytes;
    int status;
    bool has_ended;
};

struct script {
    struct heap heap;
    struct disk_memory disk;
    struct snapshot_options options;
    struct snapshot_store *store;
    struct snapshot_found found;
    struct content content; /* read chunk by chunk */
};

static int add(void *context, const uint8_t *data, size_t size_bytes)
{
    struct content *content = context;
    ASSERT(size_bytes <= CONTENT_BYTES_MAX - content->size_bytes);
    memcpy(content->bytes + content->size_bytes, data, size_bytes);
    content->size_bytes += size_bytes;
    return 0;
}

static void on_read(void *context, uint64_t token, int status, struct chunk *chunk,
                    const uint8_t *data, size_t size_bytes)
{
    struct script *script = context;
    (void)token;
    ASSERT((status == 0) == (chunk != NULL));
    script->content.status = status;
    script->content.has_ended = size_bytes == 0;
    (void)add(&script->content, data, size_bytes);
}

/* Checksums of a file of which each header says where the next one is. */
static void fix(uint8_t *data, size_t size_bytes)
{
    if (size_bytes < SECTOR_BYTES) {
        return;
    }
    uint32_t binding = crc32c(crc32c(0, data, 12), data + 16, SECTOR_BYTES - 16);
    store_u32(data + 12, binding);
    size_t at = SECTOR_BYTES;
    while (size_bytes - at >= SECTOR_BYTES) {
        if (memcmp(data + at, "QSCH", 4) != 0) {
            store_u32(data + at + 8, binding);
            uint32_t checksum = crc32c(0, data + at, 12);
            store_u32(data + at + 12, crc32c(checksum, data + at + 16, SECTOR_BYTES - 16));
            return;
        }
        uint64_t used = (uint64_t)CHUNK_HEADER_BYTES + load_u32(data + at + 12);
        uint64_t record = (used + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
        if (record > size_bytes - at) {
            return;
        }
        store_u32(data + at + 8, binding);
        store_u32(data + at + 4, crc32c(0, data + at + 8, (size_t)record - 8));
        at += (size_t)record;
    }
}

static void read_chunks(struct script *script)
{
    struct snapshot_reader *reader;
    struct snapshot_info info;
    int status = snapshot_reader_open(script->store, INDEX, 0, &reader, &info);
    ASSERT(status == 0);
    do {
        status = snapshot_reader_read(reader, 1);
        ASSERT(status == 0);
        disk_memory_run(&script->disk);
        ASSERT(script->content.status == 0);
    } while (!script->content.has_ended);
    snapshot_reader_close(reader);
}

static void check_whole(struct script *script, const uint8_t *data, size_t size_bytes)
{
    static struct content at_once;
    char detail[SNAPSHOT_ERROR_DETAIL_BYTES];
    const struct snapshot_info *info = &script->found.newest;
    at_once.size_bytes = 0;
    int status = snapshot_store_load(script->store, add, &at_once, detail);
    ASSERT(status == 0);
    read_chunks(script);
    ASSERT(at_once.size_bytes == info->size_bytes);
    ASSERT(script->content.size_bytes == info->size_bytes);
    ASSERT(memcmp(at_once.bytes, script->content.bytes, at_once.size_bytes) == 0);
    ASSERT(crc32c(0, at_once.bytes, at_once.size_bytes) == info->checksum);
    ASSERT(memcmp(data, "QRTSNAP\n", 8) == 0);
    ASSERT(memcmp(data + size_bytes - SECTOR_BYTES, "QRTSEND\n", 8) == 0);
    ASSERT(size_bytes % SECTOR_BYTES == 0);
    ASSERT(info->position.index == INDEX);
    ASSERT(load_u64(data + 16) == INDEX);
    ASSERT(load_u64(data + 24) == info->position.term);
    ASSERT(load_u64(data + 32) == info->timestamp_ns);
    ASSERT(load_u64(data + size_bytes - SECTOR_BYTES + 24) == info->size_bytes);
}

/* Open the store on these bytes. True: they are a whole snapshot. */
static bool look(const uint8_t *data, size_t size_bytes, bool is_checked)
{
    static struct script script;
    char detail[SNAPSHOT_ERROR_DETAIL_BYTES] = "";
    struct disk_memory before;
    script = (struct script){.store = NULL};
    heap_init(&script.heap);
    disk_memory_init(&script.disk);
    script.options = (struct snapshot_options){
        .allocator = &script.heap.allocator,
        .disk = &script.disk.disk,
        .listener = {.context = &script, .read_done = on_read},
        .chunk_bytes = SNAPSHOT_CHUNK_BYTES_MIN,
    };
    const struct disk *disk = &script.disk.disk;
    int status = disk->write_file(disk->context, FILE_NAME, data, size_bytes);
    ASSERT(status == 0);
    disk_memory_copy(&before, &script.disk);
    status = snapshot_store_open(&script.options, &script.store, &script.found, detail);
    ASSERT(status == 0);
    snapshot_store_invariants(script.store);
    bool is_whole = script.found.has_newest;
    ASSERT(script.found.refused_count == (is_whole ? 0 : 1));
    if (is_whole && is_checked) {
        check_whole(&script, data, size_bytes);
    } else if (!is_whole) {
        ASSERT(script.found.refused_status == QR_ERR_CORRUPT ||
               script.found.refused_status == QR_ERR_VERSION);
        ASSERT(memchr(detail, '\0', sizeof(detail)) != NULL);
        ASSERT(strstr(detail, FILE_NAME ", offset ") != NULL);
    }
    ASSERT(disk_memory_equal(&before, &script.disk));
    disk_memory_deinit(&before);
    snapshot_store_free(script.store);
    disk_memory_deinit(&script.disk);
    heap_deinit(&script.heap);
    return is_whole;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static uint8_t bytes[CONTENT_BYTES_MAX];
    if (size_bytes < 1 || size_bytes - 1 > sizeof(bytes)) {
        return 0;
    }
    uint8_t flags = data[0];
    size_bytes--;
    memcpy(bytes, data + 1, size_bytes);
    if ((flags & FUZZ_FIX) != 0) {
        fix(bytes, size_bytes);
    }
    if (look(bytes, size_bytes, true)) {
        size_t bit = (size_t)flags / 2 * 8191 % (size_bytes * 8);
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        bool is_whole = look(bytes, size_bytes, false);
        ASSERT(!is_whole);
    }
    return 0;
}
