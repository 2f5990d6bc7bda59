/* identity.c: whose data directory this is: the file `identity`.
 *
 * Format, little-endian: magic (8 bytes), version (u32), crc32c of all that follows (u32),
 * node id (u64), cluster id (high u64, low u64), is_log_used (u8), name (length u8, bytes).
 *
 * The version is 1, or 2 where the log may hold guarded entries: version 0.1.0, which cannot read
 * those, and might take the last of them for a torn tail, refuses such a directory in words.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/text.h"
#include "node/internal.h"
#include "quorate/error.h"

#define FILE_NAME "identity"
#define FORMAT_VERSION 1
#define FORMAT_VERSION_GUARDED 2
#define HEADER_BYTES 16
#define FILE_BYTES_MAX 256

static const char magic[8] = {'Q', 'U', 'O', 'R', 'A', 'T', 'E', 'I'};

int node_identity_write(const struct disk *disk, const struct node_identity *identity)
{
    uint8_t bytes[FILE_BYTES_MAX];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    write_bytes(&writer, magic, sizeof(magic));
    write_u32(&writer, identity->has_guarded ? FORMAT_VERSION_GUARDED : FORMAT_VERSION);
    write_u32(&writer, 0);
    write_u64(&writer, identity->id);
    write_u64(&writer, identity->cluster.high);
    write_u64(&writer, identity->cluster.low);
    write_u8(&writer, identity->is_log_used ? 1 : 0);
    write_string8(&writer, identity->name);
    ASSERT(!writer.failed);
    size_t size_bytes = writer_used(&writer);
    store_u32(bytes + 12, crc32c(0, bytes + HEADER_BYTES, size_bytes - HEADER_BYTES));
    return disk_replace(disk, FILE_NAME, bytes, size_bytes);
}

static int refuse(int status, const char *what, char *detail)
{
    struct text text = text_of(detail, NODE_DETAIL_BYTES);
    text_string(&text, FILE_NAME);
    text_string(&text, what);
    return status;
}

static int parse(const uint8_t *bytes, size_t size_bytes, struct node_identity *out, char *detail)
{
    struct reader reader = reader_of(bytes, size_bytes);
    const uint8_t *found = read_bytes(&reader, sizeof(magic));
    if (found == NULL || memcmp(found, magic, sizeof(magic)) != 0) {
        return refuse(QR_ERR_CORRUPT,
                      ", offset 0: not an identity; restore this file from a backup, or empty "
                      "the directory and let the node join again as a new one",
                      detail);
    }
    uint32_t version = read_u32(&reader);
    if (version != FORMAT_VERSION && version != FORMAT_VERSION_GUARDED && !reader.failed) {
        return refuse(QR_ERR_VERSION,
                      ", offset 8: a format that this version cannot read; use the version of "
                      "quorate that wrote it",
                      detail);
    }
    uint32_t checksum = read_u32(&reader);
    struct node_identity identity = {0};
    identity.id = read_u64(&reader);
    identity.cluster.high = read_u64(&reader);
    identity.cluster.low = read_u64(&reader);
    uint8_t is_log_used = read_u8(&reader);
    read_string8(&reader, identity.name, sizeof(identity.name));
    if (reader.failed || reader_left(&reader) != 0 || is_log_used > 1 ||
        checksum != crc32c(0, bytes + HEADER_BYTES, size_bytes - HEADER_BYTES)) {
        return refuse(QR_ERR_CORRUPT,
                      ", offset 12: its checksum does not fit; restore this file from a backup, "
                      "or empty the directory and let the node join again as a new one",
                      detail);
    }
    identity.is_log_used = is_log_used == 1;
    identity.has_guarded = version == FORMAT_VERSION_GUARDED;
    *out = identity;
    return 0;
}

int node_identity_read(const struct disk *disk, struct node_identity *out, char *detail)
{
    uint8_t bytes[FILE_BYTES_MAX + 1];
    size_t size_bytes = 0;
    int status = disk->read(disk->context, FILE_NAME, 0, (struct disk_part){bytes, sizeof(bytes)},
                            &size_bytes);
    if (status == QR_ERR_NOT_FOUND) {
        return refuse(status, ": there is none", detail);
    }
    if (status != 0) {
        return refuse(status, ": cannot be read; check its owner, its permissions and the disk",
                      detail);
    }
    return parse(bytes, size_bytes, out, detail);
}
