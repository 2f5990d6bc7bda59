/* snapshot_walk.c: reading a whole snapshot at once: is it one, down to its last bit?
 *
 * Owns     the order of checks. Every byte of the file is under a checksum; nothing is believed
 *          before its own was right, and nothing is whole before the trailer was.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/crc32c.h"
#include "wal/snapshot_internal.h"

#define NAME_PREFIX "snapshot-"
#define NAME_PREFIX_BYTES 9
#define NAME_DIGITS 16

static const char advice[] =
    "restore this file from a backup, or remove the node and let it join again with an empty "
    "directory";

void snapshot_name(raft_index index, bool is_aside, char *out)
{
    struct text text = text_of(out, DISK_NAME_BYTES_MAX);
    text_string(&text, NAME_PREFIX);
    text_hex(&text, index, NAME_DIGITS);
    text_string(&text, is_aside ? DISK_TEMPORARY_SUFFIX : "");
    ASSERT(!text.truncated);
}

/* Whether the rest of a name is just this. */
static bool is_rest(const char *rest, const char *expected)
{
    size_t at = 0;
    while (rest[at] != '\0' && rest[at] == expected[at]) {
        at++;
    }
    return rest[at] == '\0' && expected[at] == '\0';
}

bool snapshot_name_parse(const char *name, raft_index *index, bool *is_aside)
{
    for (size_t i = 0; i < NAME_PREFIX_BYTES; i++) {
        if (name[i] != NAME_PREFIX[i]) {
            return false;
        }
    }
    raft_index value = 0;
    const char *digits = name + NAME_PREFIX_BYTES;
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        char c = digits[i];
        if (c >= '0' && c <= '9') {
            value = value << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    *index = value;
    *is_aside = is_rest(digits + NAME_DIGITS, DISK_TEMPORARY_SUFFIX);
    return *is_aside || digits[NAME_DIGITS] == '\0';
}

bool snapshot_is_file(const char *name)
{
    raft_index index;
    bool is_aside;
    return snapshot_name_parse(name, &index, &is_aside) && !is_aside;
}

struct walk {
    const struct snapshot_options *options;
    struct snapshot_file *file;
    char name[DISK_NAME_BYTES_MAX];
    char *detail;
    uint8_t *record; /* SNAPSHOT_RECORD_BYTES_MAX */
    uint64_t offset; /* in the file */
    struct snapshot_header header;
    uint32_t binding;
    struct snapshot_trailer met; /* what the trailer must say */
};

static int refuse(struct walk *walk, int status, const char *reason, const char *more)
{
    struct text text = text_of(walk->detail, SNAPSHOT_ERROR_DETAIL_BYTES);
    text_string(&text, walk->name);
    text_string(&text, ", offset ");
    text_u64(&text, walk->offset);
    text_string(&text, ": ");
    text_string(&text, reason);
    text_string(&text, "; ");
    text_string(&text, more);
    return status;
}

static int damage(struct walk *walk, const char *reason)
{
    return refuse(walk, QR_ERR_CORRUPT, reason, advice);
}

/* Bytes of the file at the walk's place, to `at` in its record. */
static int take(struct walk *walk, uint64_t at, uint64_t size_bytes)
{
    if (size_bytes > walk->file->file_bytes - walk->offset - at) {
        return damage(walk, "the file was cut short");
    }
    size_t got = 0;
    const struct disk *disk = walk->options->disk;
    struct disk_part part = {walk->record + at, size_bytes};
    int status = disk->read(disk->context, walk->name, walk->offset + at, part, &got);
    if (status == QR_ERR_CORRUPT) {
        return damage(walk, "it cannot be read back as it was written");
    }
    if (status != 0 || got < size_bytes) {
        return refuse(walk, QR_ERR_IO, "the file cannot be read",
                      "check its owner, its permissions and the disk");
    }
    return 0;
}

static int take_header(struct walk *walk)
{
    int status = take(walk, 0, SNAPSHOT_SECTOR_BYTES);
    if (status != 0) {
        return status;
    }
    status = snapshot_header_decode(walk->record, &walk->header, &walk->binding);
    if (status == QR_ERR_VERSION) {
        return refuse(walk, status, "a format that this version cannot read",
                      "use the version of quorate that wrote it");
    }
    if (status != 0) {
        return damage(walk, "a header that is not whole");
    }
    if (walk->header.position.index != walk->file->index) {
        return damage(walk, "the snapshot has the name of another one");
    }
    walk->offset += SNAPSHOT_SECTOR_BYTES;
    return 0;
}

/* The first sector of a record was read. `chunk` is what it says; the rest of it follows. */
static int take_chunk(struct walk *walk, const struct snapshot_chunk *chunk)
{
    if (chunk->size_bytes < 1 || chunk->size_bytes > walk->header.chunk_bytes ||
        chunk->number != walk->met.chunk_count ||
        walk->met.size_bytes != chunk->number * walk->header.chunk_bytes) {
        return damage(walk, "a chunk that does not follow the one before");
    }
    uint64_t record_bytes = snapshot_record_bytes(chunk->size_bytes);
    int status = 0;
    if (record_bytes > SNAPSHOT_SECTOR_BYTES) {
        status = take(walk, SNAPSHOT_SECTOR_BYTES, record_bytes - SNAPSHOT_SECTOR_BYTES);
    }
    if (status != 0) {
        return status;
    }
    if (!snapshot_chunk_is_whole(walk->record, chunk, walk->binding)) {
        return damage(walk, "a chunk that is not whole");
    }
    walk->offset += record_bytes;
    walk->met.chunk_count++;
    walk->met.size_bytes += chunk->size_bytes;
    walk->met.checksum =
        crc32c(walk->met.checksum, walk->record + SNAPSHOT_CHUNK_HEADER_BYTES, chunk->size_bytes);
    return 0;
}

static int take_trailer(struct walk *walk)
{
    struct snapshot_trailer trailer;
    if (!snapshot_trailer_decode(walk->record, walk->binding, &trailer)) {
        return damage(walk, "neither a chunk nor the end");
    }
    if (trailer.chunk_count != walk->met.chunk_count ||
        trailer.size_bytes != walk->met.size_bytes || trailer.checksum != walk->met.checksum) {
        return damage(walk, "an end that is not that of this content");
    }
    walk->offset += SNAPSHOT_SECTOR_BYTES;
    return walk->offset == walk->file->file_bytes ? 0 : damage(walk, "bytes behind the end");
}

static int run(struct walk *walk,
               int (*each)(void *context, const uint8_t *data, size_t size_bytes), void *context)
{
    struct snapshot_chunk chunk;
    int status = take_header(walk);
    bool has_ended = false;
    while (status == 0 && !has_ended) {
        status = take(walk, 0, SNAPSHOT_SECTOR_BYTES);
        if (status != 0) {
            return status;
        }
        has_ended = !snapshot_chunk_peek(walk->record, &chunk);
        status = has_ended ? take_trailer(walk) : take_chunk(walk, &chunk);
        if (status == 0 && !has_ended && each != NULL) {
            status = each(context, walk->record + SNAPSHOT_CHUNK_HEADER_BYTES, chunk.size_bytes);
        }
    }
    return status;
}

int snapshot_walk(const struct snapshot_options *options, struct snapshot_file *file,
                  int (*each)(void *context, const uint8_t *data, size_t size_bytes), void *context,
                  char *detail)
{
    struct walk walk = {.options = options, .file = file, .detail = detail};
    snapshot_name(file->index, false, walk.name);
    walk.record = allocate(options->allocator, SNAPSHOT_RECORD_BYTES_MAX);
    if (walk.record == NULL) {
        struct text text = text_of(detail, SNAPSHOT_ERROR_DETAIL_BYTES);
        text_string(&text, "not enough memory to read a snapshot");
        return QR_ERR_NO_MEMORY;
    }
    int status = run(&walk, each, context);
    release(options->allocator, walk.record, SNAPSHOT_RECORD_BYTES_MAX);
    if (status == 0) {
        file->state = SNAPSHOT_WHOLE;
        file->chunk_bytes = walk.header.chunk_bytes;
        file->binding = walk.binding;
        file->info = (struct snapshot_info){walk.header.position, walk.header.timestamp_ns,
                                            walk.met.size_bytes, walk.met.checksum};
    }
    return status;
}
