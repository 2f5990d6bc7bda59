/* content.c: blocks of a snapshot's content. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/content.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "quorate/error.h"

#define HEAD_BYTES 48 /* before the configuration */
#define END_BYTES 24
#define CHECKSUM_OFFSET 12 /* in a block's head; the bytes before it are covered too */
#define FLAG_BARE UINT32_C(1)

_Static_assert(HEAD_BYTES + RAFT_CONFIGURATION_BYTES_MAX <= CONTENT_BLOCK_BYTES_MAX,
               "a head is one block");

/* Note a block that was written or read: its head, and what follows it. */
static void note(struct content_writer *writer, const uint8_t *block)
{
    enum content_section section = (enum content_section)load_u8(block + 8);
    uint32_t raw_bytes = load_u32(block);
    writer->section = section;
    writer->sessions_bytes += section == CONTENT_SESSIONS ? raw_bytes : 0;
    writer->machine_bytes += section == CONTENT_MACHINE ? raw_bytes : 0;
    if (section != CONTENT_END) {
        writer->checksum = crc32c(writer->checksum, block, CONTENT_BLOCK_HEAD_BYTES);
    }
}

/* Over the bytes as they are stored, so that a content is checked without expanding it. */
static uint32_t block_checksum(const uint8_t *block)
{
    uint32_t checksum = crc32c(0, block, CHECKSUM_OFFSET);
    return crc32c(checksum, block + CONTENT_BLOCK_HEAD_BYTES, load_u32(block + 4));
}

/* Whether a block of this section may follow the last one. */
static bool is_in_order(const struct content_writer *writer, unsigned section)
{
    if (section == CONTENT_HEAD || writer->section == 0) {
        return section == CONTENT_HEAD && writer->section == 0;
    }
    return section <= CONTENT_END && section >= (unsigned)writer->section &&
           writer->section != CONTENT_END;
}

size_t content_write(struct content_writer *writer, enum content_section section, const void *data,
                     size_t size_bytes, uint8_t *out)
{
    ASSERT(size_bytes >= 1 && size_bytes <= CONTENT_BLOCK_BYTES_MAX);
    ASSERT(is_in_order(writer, section));

    const struct content_codec *codec = writer->codec;
    uint8_t *to = out + CONTENT_BLOCK_HEAD_BYTES;
    size_t stored_bytes = 0;
    if (codec != NULL) {
        stored_bytes = codec->compress(codec->context, data, size_bytes, to, size_bytes - 1);
        ASSERT(stored_bytes < size_bytes);
    }
    uint8_t number = stored_bytes > 0 ? codec->number : CONTENT_PLAIN;
    if (stored_bytes == 0) {
        memcpy(to, data, size_bytes);
        stored_bytes = size_bytes;
    }
    store_u32(out, (uint32_t)size_bytes);
    store_u32(out + 4, (uint32_t)stored_bytes);
    store_u8(out + 8, (uint8_t)section);
    store_u8(out + 9, number);
    store_u16(out + 10, 0);
    store_u32(out + CHECKSUM_OFFSET, block_checksum(out));
    note(writer, out);
    return CONTENT_BLOCK_HEAD_BYTES + stored_bytes;
}

size_t content_write_head(struct content_writer *writer, const struct content_head *head,
                          uint8_t *out)
{
    uint8_t data[HEAD_BYTES + RAFT_CONFIGURATION_BYTES_MAX];
    struct writer into = writer_of(data, sizeof(data));

    write_u32(&into, CONTENT_MAGIC);
    write_u32(&into, CONTENT_VERSION);
    write_u64(&into, head->position.term);
    write_u64(&into, head->position.index);
    write_u64(&into, head->timestamp_ns);
    write_u64(&into, head->configuration_index);
    write_u32(&into, (uint32_t)head->configuration_bytes);
    write_u32(&into, head->is_bare ? FLAG_BARE : 0);
    if (head->configuration_bytes > 0) {
        write_bytes(&into, head->configuration, head->configuration_bytes);
    }
    ASSERT(!into.failed);
    return content_write(writer, CONTENT_HEAD, data, writer_used(&into), out);
}

size_t content_write_end(struct content_writer *writer, uint8_t *out)
{
    uint8_t data[END_BYTES];

    store_u64(data, writer->sessions_bytes);
    store_u64(data + 8, writer->machine_bytes);
    store_u32(data + 16, writer->checksum);
    store_u32(data + 20, 0);
    return content_write(writer, CONTENT_END, data, END_BYTES, out);
}

int content_reader_init(struct content_reader *reader, const struct allocator *allocator,
                        const struct content_codec *codec, struct content_sink sink)
{
    *reader = (struct content_reader){.allocator = allocator, .codec = codec, .sink = sink};
    reader->stored = allocate(allocator, CONTENT_STORED_BYTES_MAX);
    reader->raw = allocate(allocator, CONTENT_BLOCK_BYTES_MAX);
    if (reader->stored == NULL || reader->raw == NULL) {
        content_reader_deinit(reader);
        return QR_ERR_NO_MEMORY;
    }
    return 0;
}

void content_reader_deinit(struct content_reader *reader)
{
    if (reader->allocator != NULL) {
        release(reader->allocator, reader->stored, CONTENT_STORED_BYTES_MAX);
        release(reader->allocator, reader->raw, CONTENT_BLOCK_BYTES_MAX);
    }
    *reader = (struct content_reader){.status = 0};
}

static int take_head(struct content_reader *reader, const uint8_t *data, size_t size_bytes)
{
    struct reader from = reader_of(data, size_bytes);
    struct content_head head = {.configuration_index = 0};

    if (read_u32(&from) != CONTENT_MAGIC) {
        return QR_ERR_CORRUPT;
    }
    if (read_u32(&from) != CONTENT_VERSION) {
        return QR_ERR_VERSION;
    }
    head.position.term = read_u64(&from);
    head.position.index = read_u64(&from);
    head.timestamp_ns = read_u64(&from);
    head.configuration_index = read_u64(&from);
    head.configuration_bytes = read_u32(&from);
    uint32_t flags = read_u32(&from);
    head.configuration = read_bytes(&from, head.configuration_bytes);
    if (from.failed || reader_left(&from) > 0) {
        return QR_ERR_CORRUPT;
    }
    if ((flags & ~FLAG_BARE) != 0) {
        return QR_ERR_VERSION;
    }
    head.is_bare = (flags & FLAG_BARE) != 0;
    reader->is_bare = head.is_bare;
    return reader->sink.head == NULL ? 0 : reader->sink.head(reader->sink.context, &head);
}

static int take_end(const struct content_reader *reader, const uint8_t *data, size_t size_bytes)
{
    const struct content_writer *seen = &reader->seen;
    bool is_right = size_bytes == END_BYTES && load_u64(data) == seen->sessions_bytes &&
                    load_u64(data + 8) == seen->machine_bytes &&
                    load_u32(data + 16) == seen->checksum && load_u32(data + 20) == 0;

    return is_right ? 0 : QR_ERR_CORRUPT;
}

static int hand_on(struct content_reader *reader, enum content_section section, const uint8_t *data,
                   size_t size_bytes)
{
    const struct content_sink *sink = &reader->sink;

    switch (section) {
    case CONTENT_HEAD:
        return take_head(reader, data, size_bytes);
    case CONTENT_SESSIONS:
        return sink->sessions == NULL ? 0 : sink->sessions(sink->context, data, size_bytes);
    case CONTENT_MACHINE:
        if (reader->is_bare) {
            return QR_ERR_CORRUPT;
        }
        return sink->machine == NULL ? 0 : sink->machine(sink->context, data, size_bytes);
    case CONTENT_END:
        return take_end(reader, data, size_bytes);
    }
    return QR_ERR_CORRUPT;
}

/* What a block's head may say. */
static int check_block_head(const struct content_reader *reader)
{
    uint32_t raw_bytes = load_u32(reader->stored);
    uint32_t stored_bytes = load_u32(reader->stored + 4);
    uint8_t number = load_u8(reader->stored + 9);

    if (raw_bytes == 0 || raw_bytes > CONTENT_BLOCK_BYTES_MAX || stored_bytes == 0 ||
        stored_bytes > raw_bytes || load_u16(reader->stored + 10) != 0 ||
        !is_in_order(&reader->seen, load_u8(reader->stored + 8)) ||
        (number == CONTENT_PLAIN && stored_bytes != raw_bytes)) {
        return QR_ERR_CORRUPT;
    }
    if (number != CONTENT_PLAIN && (reader->codec == NULL || reader->codec->number != number)) {
        return QR_ERR_VERSION;
    }
    return 0;
}

/* Whether anybody wants what is in such a block. */
static bool is_looked_into(const struct content_reader *reader, enum content_section section)
{
    return section == CONTENT_HEAD || section == CONTENT_END ||
           (section == CONTENT_SESSIONS && reader->sink.sessions != NULL) ||
           (section == CONTENT_MACHINE && reader->sink.machine != NULL);
}

/* A block is whole. */
static int take_block(struct content_reader *reader)
{
    const uint8_t *stored = reader->stored + CONTENT_BLOCK_HEAD_BYTES;
    const uint8_t *raw = stored;
    size_t raw_bytes = load_u32(reader->stored);
    size_t stored_bytes = load_u32(reader->stored + 4);
    enum content_section section = (enum content_section)load_u8(reader->stored + 8);

    if (block_checksum(reader->stored) != load_u32(reader->stored + CHECKSUM_OFFSET)) {
        return QR_ERR_CORRUPT;
    }
    if (load_u8(reader->stored + 9) != CONTENT_PLAIN && is_looked_into(reader, section)) {
        const struct content_codec *codec = reader->codec;
        if (!codec->expand(codec->context, stored, stored_bytes, reader->raw, raw_bytes)) {
            return QR_ERR_CORRUPT;
        }
        raw = reader->raw;
    }
    int status = hand_on(reader, section, raw, raw_bytes);
    note(&reader->seen, reader->stored);
    reader->stored_bytes = 0;
    return status;
}

/* Take what belongs to the block that comes in; `used` is set to how much that is. */
static int take_some(struct content_reader *reader, const uint8_t *data, size_t size_bytes,
                     size_t *used)
{
    size_t wanted = CONTENT_BLOCK_HEAD_BYTES;

    if (reader->stored_bytes >= CONTENT_BLOCK_HEAD_BYTES) {
        wanted += load_u32(reader->stored + 4); /* it was checked when it was whole */
    }
    *used = min_u64(wanted - reader->stored_bytes, size_bytes);
    memcpy(reader->stored + reader->stored_bytes, data, *used);
    reader->stored_bytes += *used;
    if (reader->stored_bytes < wanted) {
        return 0;
    }
    return wanted == CONTENT_BLOCK_HEAD_BYTES ? check_block_head(reader) : take_block(reader);
}

int content_read(struct content_reader *reader, const void *data, size_t size_bytes)
{
    const uint8_t *at = data;

    while (size_bytes > 0 && reader->status == 0) {
        size_t used;
        reader->status = take_some(reader, at, size_bytes, &used);
        at += used;
        size_bytes -= used;
    }
    return reader->status;
}

bool content_is_whole(const struct content_reader *reader)
{
    return reader->status == 0 && reader->seen.section == CONTENT_END && reader->stored_bytes == 0;
}
