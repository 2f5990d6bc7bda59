/* batch.c: the bytes of segment headers and batch headers.
 *
 * Owns     the codec and the rule which batch may follow which. Knows no disk.
 * Format   docs/wal-format.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mutant.h"
#include "wal/internal.h"

#define SEGMENT_MAGIC UINT64_C(0x0a474f4c45545251) /* "QRTELOG\n" */
#define BATCH_MAGIC UINT32_C(0x48435451)           /* "QTCH" */
#define FLAG_HAS_VOTED UINT32_C(1)
#define FLAG_IS_MARK UINT32_C(2)  /* of a batch */
#define FLAG_IS_RESET UINT32_C(2) /* of a segment */
#define SEGMENT_CHECKSUM_AT 12
#define SEGMENT_CHECKED_FROM 16
#define BATCH_CHECKED_FROM 8

bool wal_is_zero(const uint8_t *data, uint64_t size_bytes)
{
    /* Each byte equals the one before it, and the first is zero. */
    return size_bytes == 0 || (data[0] == 0 && memcmp(data, data + 1, size_bytes - 1) == 0);
}

static uint32_t segment_checksum(const uint8_t *sector)
{
    uint32_t checksum = crc32c(0, sector, SEGMENT_CHECKSUM_AT);
    return crc32c(checksum, sector + SEGMENT_CHECKED_FROM,
                  WAL_SEGMENT_HEADER_BYTES - SEGMENT_CHECKED_FROM);
}

void wal_segment_header_encode(const struct wal_segment_header *header, uint8_t *out)
{
    memset(out, 0, WAL_SEGMENT_HEADER_BYTES);
    struct writer writer = writer_of(out, WAL_SEGMENT_HEADER_BYTES);
    write_u64(&writer, SEGMENT_MAGIC);
    write_u32(&writer, header->version);
    write_u32(&writer, 0);
    write_u64(&writer, header->node);
    write_u64(&writer, header->sequence);
    write_u64(&writer, header->segment_bytes);
    write_u64(&writer, header->first_index);
    write_u64(&writer, header->number);
    write_u64(&writer, header->generation);
    write_u32(&writer, header->chain);
    write_u32(&writer, (header->hard_state.has_voted ? FLAG_HAS_VOTED : 0) |
                           (header->is_reset ? FLAG_IS_RESET : 0));
    write_u64(&writer, header->hard_state.term);
    write_u64(&writer, header->hard_state.voted_for);
    write_u64(&writer, header->commit_index);
    write_u64(&writer, header->base.index);
    write_u64(&writer, header->base.term);
    ASSERT(!writer.failed);
    store_u32(out + SEGMENT_CHECKSUM_AT, segment_checksum(out));
}

enum wal_sector_kind wal_segment_header_decode(const uint8_t *sector,
                                               struct wal_segment_header *out)
{
    struct reader reader = reader_of(sector, WAL_SEGMENT_HEADER_BYTES);
    if (read_u64(&reader) != SEGMENT_MAGIC ||
        load_u32(sector + SEGMENT_CHECKSUM_AT) != segment_checksum(sector)) {
        return wal_is_zero(sector, WAL_SEGMENT_HEADER_BYTES) ? WAL_SECTOR_ZERO : WAL_SECTOR_BAD;
    }
    struct wal_segment_header header = {.version = read_u32(&reader)};
    if (wal_version_is_known(header.version)) {
        (void)read_u32(&reader); /* the checksum */
        header.node = read_u64(&reader);
        header.sequence = read_u64(&reader);
        header.segment_bytes = read_u64(&reader);
        header.first_index = read_u64(&reader);
        header.number = read_u64(&reader);
        header.generation = read_u64(&reader);
        header.chain = read_u32(&reader);
        uint32_t flags = read_u32(&reader);
        header.hard_state.has_voted = (flags & FLAG_HAS_VOTED) != 0;
        header.is_reset = header.version == WAL_VERSION_RESET && (flags & FLAG_IS_RESET) != 0;
        header.hard_state.term = read_u64(&reader);
        header.hard_state.voted_for = read_u64(&reader);
        header.commit_index = read_u64(&reader);
        header.base.index = read_u64(&reader);
        header.base.term = read_u64(&reader);
    }
    *out = header;
    return WAL_SECTOR_WHOLE;
}

uint32_t wal_batch_header_encode(const struct wal_batch_header *header, uint8_t *out)
{
    memset(out, 0, WAL_BATCH_HEADER_BYTES);
    struct writer writer = writer_of(out, WAL_BATCH_HEADER_BYTES);
    write_u32(&writer, BATCH_MAGIC);
    write_u32(&writer, 0);
    write_u64(&writer, header->at.sequence);
    write_u64(&writer, header->at.offset);
    write_u64(&writer, header->number);
    write_u64(&writer, header->generation);
    write_u32(&writer, header->chain);
    write_u32(&writer, header->digest);
    write_u32(&writer, header->body_bytes);
    write_u32(&writer, header->entry_count);
    write_u64(&writer, header->first_index);
    write_u64(&writer, header->hard_state.term);
    write_u64(&writer, header->hard_state.voted_for);
    write_u64(&writer, header->commit_index);
    write_u64(&writer, header->synced.sequence);
    write_u64(&writer, header->synced.offset);
    write_u32(&writer, (header->hard_state.has_voted ? FLAG_HAS_VOTED : 0) |
                           (header->is_mark ? FLAG_IS_MARK : 0));
    write_u64(&writer, header->base.index);
    write_u64(&writer, header->base.term);
    ASSERT(!writer.failed);
    uint32_t checksum =
        crc32c(0, out + BATCH_CHECKED_FROM, WAL_BATCH_HEADER_BYTES - BATCH_CHECKED_FROM);
    store_u32(out + 4, checksum);
    return checksum;
}

bool wal_batch_header_decode(const uint8_t *data, struct wal_batch_header *out, uint32_t *checksum)
{
    struct reader reader = reader_of(data, WAL_BATCH_HEADER_BYTES);
    if (read_u32(&reader) != BATCH_MAGIC) {
        return false;
    }
    uint32_t computed =
        crc32c(0, data + BATCH_CHECKED_FROM, WAL_BATCH_HEADER_BYTES - BATCH_CHECKED_FROM);
    if (read_u32(&reader) != computed) {
        return false;
    }
    struct wal_batch_header header = {.at = {0}};
    header.at.sequence = read_u64(&reader);
    header.at.offset = read_u64(&reader);
    header.number = read_u64(&reader);
    header.generation = read_u64(&reader);
    header.chain = read_u32(&reader);
    header.digest = read_u32(&reader);
    header.body_bytes = read_u32(&reader);
    header.entry_count = read_u32(&reader);
    header.first_index = read_u64(&reader);
    header.hard_state.term = read_u64(&reader);
    header.hard_state.voted_for = read_u64(&reader);
    header.commit_index = read_u64(&reader);
    header.synced.sequence = read_u64(&reader);
    header.synced.offset = read_u64(&reader);
    uint32_t flags = read_u32(&reader);
    header.hard_state.has_voted = (flags & FLAG_HAS_VOTED) != 0;
    header.is_mark = (flags & FLAG_IS_MARK) != 0;
    header.base.index = read_u64(&reader);
    header.base.term = read_u64(&reader);
    *out = header;
    *checksum = computed;
    return true;
}

struct wal_batch_header wal_batch_header_of(const struct wal_cursor *cursor, struct wal_position at)
{
    return (struct wal_batch_header){
        .at = at,
        .number = cursor->number,
        .generation = cursor->generation,
        .chain = cursor->chain,
        .first_index = cursor->last_index + 1,
        .hard_state = cursor->hard_state,
        .commit_index = cursor->commit_index,
        .base = cursor->base,
    };
}

struct wal_segment_header wal_segment_header_of(const struct wal_cursor *cursor, node_id node,
                                                uint64_t segment_bytes)
{
    return (struct wal_segment_header){
        .version = cursor->is_reset ? WAL_VERSION_RESET : WAL_VERSION,
        .is_reset = cursor->is_reset,
        .node = node,
        .sequence = cursor->at.sequence,
        .segment_bytes = segment_bytes,
        .first_index = cursor->last_index + 1,
        .number = cursor->number,
        .generation = cursor->generation,
        .chain = cursor->chain,
        .hard_state = cursor->hard_state,
        .commit_index = cursor->commit_index,
        .base = cursor->base,
    };
}

const char *wal_segment_misfit(const struct wal_segment_header *header,
                               const struct wal_cursor *cursor)
{
    bool is_due = header->generation >= cursor->generation && header->number == cursor->number &&
                  header->chain == cursor->chain;
    bool is_placed = header->is_reset ? header->first_index - 1 == header->base.index &&
                                            header->base.index >= cursor->base.index
                                      : header->first_index - 1 == cursor->last_index;
    return is_due && is_placed ? NULL : "a segment that does not follow the one before";
}

const char *wal_batch_misfit(const struct wal_batch_header *header, const struct wal_cursor *cursor,
                             struct wal_position at)
{
    if (header->at.sequence != at.sequence || header->at.offset != at.offset) {
        return "a batch of another place";
    }
    bool is_stale = header->generation < cursor->generation || header->chain != cursor->chain;
    if (header->number != cursor->number || (is_stale && !MUTANT(STALE_TAIL_TAKEN))) {
        return "a batch that does not follow the one before";
    }
    if (header->first_index < 1 || header->first_index > cursor->last_index + 1) {
        return "a batch whose index leaves a gap";
    }
    if (header->base.index > cursor->last_index ||
        (header->entry_count > 0 && header->base.index >= header->first_index)) {
        return "a batch whose base is not behind it";
    }
    return NULL;
}

void wal_cursor_advance(struct wal_cursor *cursor, const struct wal_batch_header *header,
                        uint32_t checksum, uint64_t end)
{
    ASSERT(!header->is_mark);
    ASSERT(wal_batch_misfit(header, cursor, header->at) == NULL);

    cursor->at = (struct wal_position){header->at.sequence, end};
    cursor->is_reset = false;
    cursor->base = header->base;
    cursor->number = header->number + 1;
    cursor->generation = header->generation;
    cursor->chain = checksum;
    if (header->entry_count > 0) {
        raft_index last_index = header->first_index + header->entry_count - 1;
        raft_index least = MUTANT(REPLACED_TAIL_KEPT) ? cursor->last_index : 0;
        cursor->last_index = max_u64(last_index, least);
    }
    cursor->hard_state = header->hard_state;
    cursor->commit_index = header->commit_index;
}

uint32_t wal_digest_add(uint32_t digest, uint32_t record_checksum)
{
    uint8_t bytes[4];
    store_u32(bytes, record_checksum);
    return crc32c(digest, bytes, sizeof(bytes));
}

bool wal_record_decode(const uint8_t *data, uint64_t size_bytes, raft_index index,
                       struct chunk *chunk, struct entry *out)
{
    struct entry_fields fields;
    size_t record_bytes;
    if (entry_decode(data, size_bytes, size_bytes, &fields, &record_bytes) != 0 ||
        fields.index != index) {
        return false;
    }
    *out = (struct entry){
        .index = fields.index,
        .term = fields.term,
        .timestamp_ns = fields.timestamp_ns,
        .record = data,
        .chunk = chunk,
        .record_bytes = (uint32_t)record_bytes,
        .type = fields.type,
    };
    return true;
}
