/* identity.c: whose data directory this is: the file `identity`.
 *
 * Format, little-endian: magic (8 bytes), version (u32), crc32c of all that follows (u32),
 * node id (u64), cluster id (high u64, low u64), is_log_used (u8), name (length u8, bytes).
 *
 * The version is 1, or 2 where the log may hold guarded entries: version 0.1.0, which cannot read
 * those, and might take the last of them for a torn tail, refuses such a directory in words.
 *
 * Version 4 is that of a cluster that was made from a former one, by a recovery or from a backup.
 * Behind the name: former cluster id (high u64, low u64), flags (u8; 1: an entry is yet to be put
 * into the log, 2: the log becomes empty below it, 4: it may hold guarded entries), base term
 * (u64), term, index and log time of the entry (u64 each), its payload (length u16, bytes; none
 * once it is in the log).
 *
 * Version 8 is that of a node whose log or snapshots are in stores of the program's: another
 * version of the library, which would look for them here, refuses it. Behind the name: flags (u8;
 * 1: the log is, 2: the snapshots are, 4: it may hold guarded entries, 8: what version 4 has behind
 * the name follows).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/text.h"
#include "node/internal.h"
#include "node/recovery.h"
#include "quorate/error.h"

#define FILE_NAME "identity"
#define FORMAT_VERSION 1
#define FORMAT_VERSION_GUARDED 2
#define FORMAT_VERSION_FORMER 4 /* no single bit makes one version of another */
#define FORMAT_VERSION_STORES 8
#define FLAG_STORES_GUARDED 4
#define FLAG_STORES_FORMER 8
#define FLAG_STORES_ALL (NODE_STORES_ALL | FLAG_STORES_GUARDED | FLAG_STORES_FORMER)
#define FLAG_IS_PENDING 1
#define FLAG_IS_RESET 2
#define FLAG_HAS_GUARDED 4
#define FLAGS_ALL (FLAG_IS_PENDING | FLAG_IS_RESET | FLAG_HAS_GUARDED)
#define HEADER_BYTES 16
#define FILE_BYTES_MAX 1024

static const char magic[8] = {'Q', 'U', 'O', 'R', 'A', 'T', 'E', 'I'};

static void write_former(struct writer *writer, const struct node_identity *identity)
{
    const struct node_recovery *recovery = &identity->recovery;
    size_t payload_bytes = recovery->is_pending ? recovery->configuration_bytes : 0;
    ASSERT(payload_bytes <= NODE_ALONE_BYTES_MAX);
    write_u64(writer, identity->former.high);
    write_u64(writer, identity->former.low);
    unsigned flags = (recovery->is_pending ? FLAG_IS_PENDING : 0U) |
                     (recovery->is_reset ? FLAG_IS_RESET : 0U) |
                     (identity->has_guarded ? FLAG_HAS_GUARDED : 0U);
    write_u8(writer, (uint8_t)flags);
    write_u64(writer, recovery->base_term);
    write_u64(writer, recovery->term);
    write_u64(writer, recovery->index);
    write_u64(writer, recovery->timestamp_ns);
    write_u16(writer, (uint16_t)payload_bytes);
    if (payload_bytes > 0) {
        write_bytes(writer, recovery->configuration, payload_bytes);
    }
}

static uint32_t version_of(const struct node_identity *identity)
{
    if (identity->stores != 0) {
        return FORMAT_VERSION_STORES;
    }
    if (!cluster_id_is_none(identity->former)) {
        return FORMAT_VERSION_FORMER;
    }
    return identity->has_guarded ? FORMAT_VERSION_GUARDED : FORMAT_VERSION;
}

static void write_stores(struct writer *writer, const struct node_identity *identity)
{
    ASSERT(identity->stores <= NODE_STORES_ALL);
    unsigned flags = identity->stores | (identity->has_guarded ? FLAG_STORES_GUARDED : 0U) |
                     (cluster_id_is_none(identity->former) ? 0U : FLAG_STORES_FORMER);
    write_u8(writer, (uint8_t)flags);
}

int node_identity_write(const struct disk *disk, const struct node_identity *identity)
{
    bool has_former = !cluster_id_is_none(identity->former);
    uint8_t bytes[FILE_BYTES_MAX];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    write_bytes(&writer, magic, sizeof(magic));
    write_u32(&writer, version_of(identity));
    write_u32(&writer, 0);
    write_u64(&writer, identity->id);
    write_u64(&writer, identity->cluster.high);
    write_u64(&writer, identity->cluster.low);
    write_u8(&writer, identity->is_log_used ? 1 : 0);
    write_string8(&writer, identity->name);
    if (identity->stores != 0) {
        write_stores(&writer, identity);
    }
    if (has_former) {
        write_former(&writer, identity);
    }
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

/* Returns whether it is such as is written. */
static bool read_former(struct reader *reader, struct node_identity *out)
{
    struct node_recovery *recovery = &out->recovery;
    out->former.high = read_u64(reader);
    out->former.low = read_u64(reader);
    uint8_t flags = read_u8(reader);
    recovery->is_pending = (flags & FLAG_IS_PENDING) != 0;
    recovery->is_reset = (flags & FLAG_IS_RESET) != 0;
    out->has_guarded = (flags & FLAG_HAS_GUARDED) != 0;
    recovery->base_term = read_u64(reader);
    recovery->term = read_u64(reader);
    recovery->index = read_u64(reader);
    recovery->timestamp_ns = read_u64(reader);
    recovery->configuration_bytes = read_u16(reader);
    if (reader->failed || recovery->configuration_bytes > NODE_ALONE_BYTES_MAX) {
        return false;
    }
    const uint8_t *payload = read_bytes(reader, recovery->configuration_bytes);
    if (payload != NULL) {
        memcpy(recovery->configuration, payload, recovery->configuration_bytes);
    }
    return !reader->failed && flags <= FLAGS_ALL && !cluster_id_is_none(out->former) &&
           recovery->index > 0 && recovery->index <= NODE_INDEX_MAX &&
           recovery->is_pending == (recovery->configuration_bytes > 0);
}

/* What stands behind the name. Returns whether it is such as is written. */
static bool read_more(struct reader *reader, uint32_t version, struct node_identity *out)
{
    if (version != FORMAT_VERSION_STORES) {
        return version != FORMAT_VERSION_FORMER || read_former(reader, out);
    }
    uint8_t flags = read_u8(reader);
    out->stores = flags & NODE_STORES_ALL;
    if (flags > FLAG_STORES_ALL || out->stores == 0 ||
        ((flags & FLAG_STORES_FORMER) != 0 && !read_former(reader, out))) {
        return false;
    }
    out->has_guarded = out->has_guarded || (flags & FLAG_STORES_GUARDED) != 0;
    return !out->recovery.is_pending; /* recovery.c writes into the log of the directory */
}

static bool is_known(uint32_t version)
{
    return version == FORMAT_VERSION || version == FORMAT_VERSION_GUARDED ||
           version == FORMAT_VERSION_FORMER || version == FORMAT_VERSION_STORES;
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
    if (!is_known(version) && !reader.failed) {
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
    bool is_right = read_more(&reader, version, &identity);
    if (!is_right || reader.failed || reader_left(&reader) != 0 || is_log_used > 1 ||
        checksum != crc32c(0, bytes + HEADER_BYTES, size_bytes - HEADER_BYTES)) {
        return refuse(QR_ERR_CORRUPT,
                      ", offset 12: its checksum does not fit; restore this file from a backup, "
                      "or empty the directory and let the node join again as a new one",
                      detail);
    }
    identity.is_log_used = is_log_used == 1;
    identity.has_guarded = identity.has_guarded || version == FORMAT_VERSION_GUARDED;
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

int node_identity_check_stores(const struct node_identity *identity, uint8_t stores, char *detail)
{
    unsigned differing = identity->stores ^ (unsigned)stores;
    bool is_log = (differing & NODE_STORES_LOG) != 0;
    if (differing == 0) {
        return 0;
    }
    struct text text = text_of(detail, NODE_DETAIL_BYTES);
    text_string(&text, FILE_NAME);
    text_string(&text,
                is_log ? ": the log of this node is in " : ": the snapshots of this node are in ");
    text_string(&text, (differing & identity->stores) != 0
                           ? "a store of the program's; open it with that (qr_engine_options."
                           : "the data directory; open it without a store of the program's "
                             "(qr_engine_options.");
    text_string(&text, is_log ? "log_store), as" : "snapshot_store), as");
    text_string(&text, " it was begun");
    return QR_ERR_INVALID;
}
