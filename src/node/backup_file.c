/* backup_file.c: reading and writing the head of a backup, and reading all of one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/backup_file.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/text.h"
#include "node/internal.h"
#include "quorate/error.h"

#define FORMAT_VERSION 1
#define CHECKSUM_AT 12
#define COVERED_AT 16
#define FLAG_HAS_GUARDED 1
#define NAME_AT 80
#define ZEROS_AT (NAME_AT + RAFT_NAME_BYTES_MAX)

static const char magic[8] = {'Q', 'R', 'T', 'B', 'A', 'C', 'K', '\n'};
static const char snapshot_magic[8] = {'Q', 'R', 'T', 'S', 'N', 'A', 'P', '\n'};

static uint32_t head_checksum(const uint8_t *bytes)
{
    uint32_t checksum = crc32c(0, bytes, CHECKSUM_AT);
    return crc32c(checksum, bytes + COVERED_AT, BACKUP_HEAD_BYTES - COVERED_AT);
}

bool backup_position_fits(struct raft_position position)
{
    return position.index >= 1 && position.index <= BACKUP_INDEX_MAX && position.term >= 1 &&
           position.term <= BACKUP_INDEX_MAX;
}

void backup_head_encode(const struct backup_head *head, uint8_t *out)
{
    ASSERT(backup_position_fits(head->position));
    ASSERT(head->content_bytes > 0);
    struct writer writer = writer_of(out, BACKUP_HEAD_BYTES);
    memset(out, 0, BACKUP_HEAD_BYTES);
    write_bytes(&writer, magic, sizeof(magic));
    write_u32(&writer, FORMAT_VERSION);
    write_u32(&writer, 0);
    write_u64(&writer, head->position.index);
    write_u64(&writer, head->position.term);
    write_u64(&writer, head->made_ns);
    write_u64(&writer, head->cluster.high);
    write_u64(&writer, head->cluster.low);
    write_u64(&writer, head->node);
    write_u64(&writer, head->content_bytes);
    write_u32(&writer, head->content_checksum);
    write_u32(&writer, head->has_guarded ? FLAG_HAS_GUARDED : 0);
    ASSERT(!writer.failed && writer_used(&writer) == NAME_AT);
    struct text name = text_of((char *)out + NAME_AT, RAFT_NAME_BYTES_MAX);
    text_string(&name, head->name);
    store_u32(out + CHECKSUM_AT, head_checksum(out));
}

static bool is_zero(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size_bytes; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

/* The name with zeros up to the end of its field, one of them at least. */
static bool take_name(const uint8_t *bytes, char *out)
{
    size_t length = 0;
    while (length < RAFT_NAME_BYTES_MAX && bytes[length] != 0) {
        length++;
    }
    memcpy(out, bytes, RAFT_NAME_BYTES_MAX);
    return length < RAFT_NAME_BYTES_MAX && is_zero(bytes + length, RAFT_NAME_BYTES_MAX - length);
}

int backup_head_decode(const uint8_t *bytes, struct backup_head *out)
{
    if (memcmp(bytes, magic, sizeof(magic)) != 0) {
        return QR_ERR_FOREIGN;
    }
    struct reader reader = reader_of(bytes + sizeof(magic), NAME_AT - sizeof(magic));
    uint32_t version = read_u32(&reader);
    uint32_t checksum = read_u32(&reader);
    if (checksum != head_checksum(bytes)) {
        return QR_ERR_CORRUPT;
    }
    if (version != FORMAT_VERSION) {
        return QR_ERR_VERSION;
    }
    struct backup_head head = {.position = {.index = read_u64(&reader)}};
    head.position.term = read_u64(&reader);
    head.made_ns = read_u64(&reader);
    head.cluster.high = read_u64(&reader);
    head.cluster.low = read_u64(&reader);
    head.node = read_u64(&reader);
    head.content_bytes = read_u64(&reader);
    head.content_checksum = read_u32(&reader);
    uint32_t flags = read_u32(&reader);
    head.has_guarded = flags == FLAG_HAS_GUARDED;
    ASSERT(!reader.failed);
    bool is_possible = backup_position_fits(head.position) && head.content_bytes >= 1 &&
                       head.content_bytes <= UINT64_MAX - BACKUP_HEAD_BYTES &&
                       !cluster_id_is_none(head.cluster) && flags <= FLAG_HAS_GUARDED;
    if (!is_possible || !take_name(bytes + NAME_AT, head.name) ||
        !is_zero(bytes + ZEROS_AT, BACKUP_HEAD_BYTES - ZEROS_AT)) {
        return QR_ERR_CORRUPT;
    }
    *out = head;
    return 0;
}

static int refuse(struct backup_reader *reader, int status, uint64_t offset, const char *sentence)
{
    struct text text = text_of(reader->detail, sizeof(reader->detail));
    if (status == QR_ERR_CORRUPT) {
        text_string(&text, "damaged at or behind offset ");
        text_u64(&text, offset);
        text_string(&text, ": ");
    }
    text_string(&text, sentence);
    reader->status = status;
    return status;
}

static int take_content_head(void *context, const struct content_head *head)
{
    struct backup_reader *reader = context;
    if (head->is_bare || head->position.index != reader->head.position.index ||
        head->position.term != reader->head.position.term || head->configuration_index == 0 ||
        head->timestamp_ns > BACKUP_LOG_TIME_MAX ||
        head->configuration_index > head->position.index ||
        head->configuration_bytes > RAFT_CONFIGURATION_BYTES_MAX ||
        raft_configuration_decode(head->configuration, head->configuration_bytes,
                                  head->configuration_index, &reader->configuration) != 0) {
        return QR_ERR_CORRUPT;
    }
    reader->timestamp_ns = head->timestamp_ns;
    return reader->sink.content == NULL ? 0 : reader->sink.content(reader->sink.context, head);
}

/* The table is read when it is whole. */
static int take_sessions(void *context, const uint8_t *data, size_t size_bytes)
{
    struct backup_reader *reader = context;
    int status =
        allocate_grow(reader->allocator, (void **)&reader->sessions, &reader->sessions_capacity,
                      reader->sessions_bytes + size_bytes, NODE_SESSIONS_BYTES_MAX, 1);
    if (status != 0) {
        return status == QR_ERR_TOO_LARGE ? QR_ERR_CORRUPT : status;
    }
    memcpy(reader->sessions + reader->sessions_bytes, data, size_bytes);
    reader->sessions_bytes += size_bytes;
    return 0;
}

static int take_machine(void *context, const uint8_t *data, size_t size_bytes)
{
    const struct backup_reader *reader = context;
    return reader->sink.machine(reader->sink.context, data, size_bytes);
}

int backup_reader_init(struct backup_reader *reader, const struct allocator *allocator,
                       const struct content_codec *codec, struct backup_sink sink, bool is_deep)
{
    struct content_sink content = {
        .context = reader,
        .head = take_content_head,
        .sessions = is_deep ? take_sessions : NULL,
        .machine = sink.machine == NULL ? NULL : take_machine,
    };
    *reader = (struct backup_reader){.allocator = allocator, .sink = sink, .is_deep = is_deep};
    return content_reader_init(&reader->content, allocator, codec, content);
}

void backup_reader_deinit(struct backup_reader *reader)
{
    if (reader->allocator != NULL) {
        content_reader_deinit(&reader->content);
        release(reader->allocator, reader->sessions, reader->sessions_capacity);
    }
    *reader = (struct backup_reader){.status = 0};
}

/* Bytes of the head. Returns how many were taken. */
static size_t take_head(struct backup_reader *reader, const uint8_t *data, size_t size_bytes)
{
    size_t taken = min_u64(BACKUP_HEAD_BYTES - reader->read_bytes, size_bytes);
    memcpy(reader->head_bytes + reader->read_bytes, data, taken);
    reader->read_bytes += taken;
    if (reader->read_bytes < BACKUP_HEAD_BYTES) {
        return taken;
    }
    int status = backup_head_decode(reader->head_bytes, &reader->head);
    if (status == QR_ERR_FOREIGN) {
        bool is_snapshot = memcmp(reader->head_bytes, snapshot_magic, sizeof(magic)) == 0;
        (void)refuse(reader, status, 0,
                     is_snapshot ? "a snapshot out of a node's directory, no backup: make one with "
                                   "`quorate backup`"
                                 : "it does not begin as a backup of quorate does");
    } else if (status == QR_ERR_VERSION) {
        (void)refuse(reader, status, 0,
                     "a format that this version cannot read: use the version of quorate that "
                     "wrote it");
    } else if (status != 0) {
        (void)refuse(reader, status, 0, "its head is not whole");
    } else {
        reader->has_head = true;
        reader->status =
            reader->sink.head == NULL ? 0 : reader->sink.head(reader->sink.context, &reader->head);
    }
    return taken;
}

static void take_content(struct backup_reader *reader, const uint8_t *data, size_t size_bytes)
{
    uint64_t offset = reader->read_bytes;
    if (size_bytes > BACKUP_HEAD_BYTES + reader->head.content_bytes - offset) {
        (void)refuse(reader, QR_ERR_CORRUPT, BACKUP_HEAD_BYTES + reader->head.content_bytes,
                     "there are bytes behind its end");
        return;
    }
    reader->checksum = crc32c(reader->checksum, data, size_bytes);
    int status = content_read(&reader->content, data, size_bytes);
    if (status == QR_ERR_CORRUPT) {
        (void)refuse(reader, status, offset - reader->content.stored_bytes,
                     "a block of it is not whole, or not where it belongs");
    } else if (status == QR_ERR_VERSION) {
        (void)refuse(reader, status, offset,
                     "its content is in a format that this version cannot read");
    } else if (status != 0) {
        reader->status = status;
    }
    reader->read_bytes += size_bytes;
}

int backup_read(struct backup_reader *reader, const void *data, size_t size_bytes)
{
    const uint8_t *at = data;
    if (size_bytes > 0 && reader->status == 0 && !reader->has_head) {
        size_t taken = take_head(reader, at, size_bytes);
        at += taken;
        size_bytes -= taken;
    }
    if (size_bytes > 0 && reader->status == 0) {
        take_content(reader, at, size_bytes);
    }
    return reader->status;
}

/* A start would refuse a session table that does not decode: rather here. */
static int check_sessions(struct backup_reader *reader)
{
    if (reader->sessions_bytes == 0) {
        return 0;
    }
    struct sessions sessions;
    sessions_init(&sessions, reader->allocator);
    int status = sessions_read(&sessions, reader->sessions, reader->sessions_bytes);
    if (status == 0 && !sessions_fit(&sessions, reader->head.position.index)) {
        status = QR_ERR_CORRUPT;
    }
    sessions_deinit(&sessions);
    if (status == QR_ERR_NO_MEMORY) {
        reader->status = status;
        return status;
    }
    return status == 0
               ? 0
               : refuse(reader, status, BACKUP_HEAD_BYTES, "its table of sessions does not decode");
}

int backup_read_end(struct backup_reader *reader)
{
    if (reader->status != 0) {
        return reader->status;
    }
    if (!reader->has_head) {
        bool is_begun = reader->read_bytes >= sizeof(magic) &&
                        memcmp(reader->head_bytes, magic, sizeof(magic)) == 0;
        return is_begun ? refuse(reader, QR_ERR_CORRUPT, reader->read_bytes, "it was cut short")
                        : refuse(reader, QR_ERR_FOREIGN, 0,
                                 "it does not begin as a backup of quorate does");
    }
    if (reader->read_bytes < BACKUP_HEAD_BYTES + reader->head.content_bytes) {
        return refuse(reader, QR_ERR_CORRUPT, reader->read_bytes, "it was cut short");
    }
    if (!content_is_whole(&reader->content)) {
        return refuse(reader, QR_ERR_CORRUPT, reader->read_bytes, "its content has no end");
    }
    if (reader->checksum != reader->head.content_checksum) {
        return refuse(reader, QR_ERR_CORRUPT, BACKUP_HEAD_BYTES,
                      "its content does not have the checksum that its head names");
    }
    return check_sessions(reader);
}
