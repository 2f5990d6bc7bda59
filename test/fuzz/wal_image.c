/* wal_image.c: the files of a log out of a fuzzer's bytes. Offsets: docs/wal-format.md. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/wal_image.h"

#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "fuzz/fuzz.h"

#define FILES_MAX 4
#define FILE_BYTES 65536
#define FILE_BYTES_MAX (160 * 1024)
#define SECTOR_BYTES 512
#define BATCH_HEADER_BYTES 128
#define BATCH_FLAG_MARK 2

/* Where the chain of batches stands. */
struct fix {
    uint8_t flags;
    uint32_t chain;
    uint64_t number; /* of the next batch */
};

static void fix_segment_header(const struct fix *fix, uint64_t sequence, uint8_t *sector)
{
    if (memcmp(sector, "QRTELOG\n", 8) != 0) {
        return;
    }
    if ((fix->flags & WAL_IMAGE_PLACES) != 0) {
        store_u64(sector + 24, sequence);
        store_u64(sector + 48, fix->number);
        store_u32(sector + 64, fix->chain);
    }
    uint32_t checksum = crc32c(0, sector, 12);
    store_u32(sector + 12, crc32c(checksum, sector + 16, SECTOR_BYTES - 16));
}

/* The records of a body, and the digest over their checksums. */
static uint32_t fix_body(uint8_t *body, size_t size_bytes, uint32_t count)
{
    uint32_t digest = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t record_bytes = fuzz_fix_record(body + at, size_bytes - at);
        if (record_bytes == 0) {
            break;
        }
        digest = crc32c(digest, body + at, 4);
        at += record_bytes;
    }
    return digest;
}

/* Returns how many bytes the batch takes. */
static size_t fix_batch(struct fix *fix, uint64_t sequence, uint64_t offset, uint8_t *batch,
                        size_t left)
{
    uint64_t body_bytes = load_u32(batch + 48);
    bool is_mark = (load_u32(batch + 104) & BATCH_FLAG_MARK) != 0;
    if (body_bytes > left - BATCH_HEADER_BYTES) {
        body_bytes = 0;
    }
    if ((fix->flags & WAL_IMAGE_PLACES) != 0) {
        store_u64(batch + 8, sequence);
        store_u64(batch + 16, offset);
        store_u64(batch + 24, fix->number);
        store_u32(batch + 40, fix->chain);
    }
    store_u32(batch + 44, fix_body(batch + BATCH_HEADER_BYTES, body_bytes, load_u32(batch + 52)));
    uint32_t checksum = crc32c(0, batch + 8, BATCH_HEADER_BYTES - 8);
    store_u32(batch + 4, checksum);
    if (!is_mark) {
        fix->chain = checksum;
        fix->number++;
    }
    size_t used = BATCH_HEADER_BYTES + (size_t)body_bytes;
    return (used + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
}

static void fix_file(struct fix *fix, uint64_t sequence, uint8_t *data, size_t size_bytes)
{
    if (size_bytes < SECTOR_BYTES) {
        return;
    }
    fix_segment_header(fix, sequence, data);
    size_t at = SECTOR_BYTES;
    while (at < size_bytes && size_bytes - at >= SECTOR_BYTES) {
        bool is_batch = memcmp(data + at, "QTCH", 4) == 0;
        at += is_batch ? fix_batch(fix, sequence, at, data + at, size_bytes - at) : SECTOR_BYTES;
    }
}

static void put_name(unsigned number, char *out)
{
    (void)snprintf(out, DISK_NAME_BYTES_MAX, "log-%016x", number);
}

/* Do one operation; a file that is not there yet is made. */
static void take_operation(struct disk_memory *disk, struct reader *reader)
{
    char name[DISK_NAME_BYTES_MAX];
    uint8_t operation = read_u8(reader);
    put_name(1 + operation % FILES_MAX, name);
    if (disk_memory_find(disk, name) == NULL) {
        int status = disk->disk.prepare(disk->disk.context, name, FILE_BYTES);
        ASSERT(status == 0);
    }
    if (operation / FILES_MAX % 2 == 1) {
        disk_memory_resize(disk, name, read_u32(reader) % FILE_BYTES_MAX);
        return;
    }
    uint64_t offset = (uint64_t)read_u8(reader) * SECTOR_BYTES;
    size_t length = read_u16(reader);
    length = min_u64(length, reader_left(reader));
    uint64_t file_bytes = disk_memory_find(disk, name)->size_bytes;
    const uint8_t *bytes = read_bytes(reader, length);
    if (length > 0 && offset + length <= file_bytes) {
        disk_memory_write(disk, name, offset, bytes, length);
    }
}

void wal_image_make(struct disk_memory *disk, struct reader *reader, uint8_t flags)
{
    struct fix fix = {.flags = flags, .number = 1};
    while (!reader->failed && reader_left(reader) > 1) {
        take_operation(disk, reader);
    }
    for (unsigned number = 1; number <= FILES_MAX && (flags & FUZZ_FIX) != 0; number++) {
        char name[DISK_NAME_BYTES_MAX];
        put_name(number, name);
        struct disk_memory_file *file = disk_memory_find(disk, name);
        if (file != NULL) {
            fix_file(&fix, number, file->seen, file->size_bytes);
            memcpy(file->durable, file->seen, file->size_bytes);
        }
    }
}
