/* snapshot_format.c: the bytes of a snapshot's header, chunks and trailer.
 *
 * Owns     the codec. Knows no disk.
 * Format   docs/snapshot-format.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "wal/snapshot_internal.h"

#define HEADER_MAGIC UINT64_C(0x0a50414e53545251)  /* "QRTSNAP\n" */
#define TRAILER_MAGIC UINT64_C(0x0a444e4553545251) /* "QRTSEND\n" */
#define CHUNK_MAGIC UINT32_C(0x48435351)           /* "QSCH" */
#define SECTOR_CHECKSUM_AT 12
#define SECTOR_CHECKED_FROM 16
#define CHUNK_CHECKED_FROM 8

uint64_t snapshot_record_bytes(uint32_t size_bytes)
{
    uint64_t bytes = (uint64_t)SNAPSHOT_CHUNK_HEADER_BYTES + size_bytes + DISK_SECTOR_BYTES - 1;
    return bytes - bytes % DISK_SECTOR_BYTES;
}

uint64_t snapshot_record_at(uint32_t chunk_bytes, uint64_t number)
{
    return SNAPSHOT_SECTOR_BYTES + number * snapshot_record_bytes(chunk_bytes);
}

/* Of a header or a trailer: of all but itself. */
static uint32_t sector_checksum(const uint8_t *sector)
{
    uint32_t checksum = crc32c(0, sector, SECTOR_CHECKSUM_AT);
    return crc32c(checksum, sector + SECTOR_CHECKED_FROM,
                  SNAPSHOT_SECTOR_BYTES - SECTOR_CHECKED_FROM);
}

uint32_t snapshot_header_encode(const struct snapshot_header *header, uint8_t *out)
{
    memset(out, 0, SNAPSHOT_SECTOR_BYTES);
    struct writer writer = writer_of(out, SNAPSHOT_SECTOR_BYTES);
    write_u64(&writer, HEADER_MAGIC);
    write_u32(&writer, SNAPSHOT_VERSION);
    write_u32(&writer, 0);
    write_u64(&writer, header->position.index);
    write_u64(&writer, header->position.term);
    write_u64(&writer, header->timestamp_ns);
    write_u32(&writer, header->chunk_bytes);
    ASSERT(!writer.failed);
    uint32_t checksum = sector_checksum(out);
    store_u32(out + SECTOR_CHECKSUM_AT, checksum);
    return checksum;
}

int snapshot_header_decode(const uint8_t *sector, struct snapshot_header *out, uint32_t *checksum)
{
    struct reader reader = reader_of(sector, SNAPSHOT_SECTOR_BYTES);
    if (read_u64(&reader) != HEADER_MAGIC ||
        load_u32(sector + SECTOR_CHECKSUM_AT) != sector_checksum(sector)) {
        return QR_ERR_CORRUPT;
    }
    if (read_u32(&reader) != SNAPSHOT_VERSION) {
        return QR_ERR_VERSION;
    }
    struct snapshot_header header;
    *checksum = read_u32(&reader);
    header.position.index = read_u64(&reader);
    header.position.term = read_u64(&reader);
    header.timestamp_ns = read_u64(&reader);
    header.chunk_bytes = read_u32(&reader);
    if (header.chunk_bytes < SNAPSHOT_CHUNK_BYTES_MIN ||
        header.chunk_bytes > SNAPSHOT_CHUNK_BYTES_MAX) {
        return QR_ERR_CORRUPT;
    }
    *out = header;
    return 0;
}

static uint32_t chunk_checksum(const uint8_t *record, uint32_t size_bytes)
{
    return crc32c(0, record + CHUNK_CHECKED_FROM,
                  snapshot_record_bytes(size_bytes) - CHUNK_CHECKED_FROM);
}

void snapshot_chunk_encode(const struct snapshot_chunk *chunk, uint32_t binding, uint8_t *record)
{
    uint64_t used = (uint64_t)SNAPSHOT_CHUNK_HEADER_BYTES + chunk->size_bytes;
    struct writer writer = writer_of(record, SNAPSHOT_CHUNK_HEADER_BYTES);
    write_u32(&writer, CHUNK_MAGIC);
    write_u32(&writer, 0);
    write_u32(&writer, binding);
    write_u32(&writer, chunk->size_bytes);
    write_u64(&writer, chunk->number);
    write_u64(&writer, 0);
    ASSERT(!writer.failed);
    memset(record + used, 0, snapshot_record_bytes(chunk->size_bytes) - used);
    store_u32(record + 4, chunk_checksum(record, chunk->size_bytes));
}

bool snapshot_chunk_peek(const uint8_t *record, struct snapshot_chunk *out)
{
    struct reader reader = reader_of(record, SNAPSHOT_CHUNK_HEADER_BYTES);
    if (read_u32(&reader) != CHUNK_MAGIC) {
        return false;
    }
    (void)read_u32(&reader); /* the checksum */
    (void)read_u32(&reader); /* the binding */
    out->size_bytes = read_u32(&reader);
    out->number = read_u64(&reader);
    return true;
}

bool snapshot_chunk_is_whole(const uint8_t *record, const struct snapshot_chunk *chunk,
                             uint32_t binding)
{
    struct snapshot_chunk found;
    return snapshot_chunk_peek(record, &found) && found.size_bytes == chunk->size_bytes &&
           found.number == chunk->number && load_u32(record + 8) == binding &&
           load_u32(record + 4) == chunk_checksum(record, chunk->size_bytes);
}

void snapshot_trailer_encode(const struct snapshot_trailer *trailer, uint32_t binding, uint8_t *out)
{
    memset(out, 0, SNAPSHOT_SECTOR_BYTES);
    struct writer writer = writer_of(out, SNAPSHOT_SECTOR_BYTES);
    write_u64(&writer, TRAILER_MAGIC);
    write_u32(&writer, binding);
    write_u32(&writer, 0);
    write_u64(&writer, trailer->chunk_count);
    write_u64(&writer, trailer->size_bytes);
    write_u32(&writer, trailer->checksum);
    ASSERT(!writer.failed);
    store_u32(out + SECTOR_CHECKSUM_AT, sector_checksum(out));
}

bool snapshot_trailer_decode(const uint8_t *sector, uint32_t binding, struct snapshot_trailer *out)
{
    struct reader reader = reader_of(sector, SNAPSHOT_SECTOR_BYTES);
    if (read_u64(&reader) != TRAILER_MAGIC || read_u32(&reader) != binding ||
        read_u32(&reader) != sector_checksum(sector)) {
        return false;
    }
    out->chunk_count = read_u64(&reader);
    out->size_bytes = read_u64(&reader);
    out->checksum = read_u32(&reader);
    return true;
}
