/* backup_file.h: a backup: the head of its file, and the proof that a file is whole.
 *
 * Owns     the format: 512 bytes of head, then the content of a snapshot as it lies on a node.
 * Does not know files or connections: bytes come in pieces of any size.
 * Threads  one caller at a time.
 * Format   docs/backup.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_BACKUP_FILE_H
#define NODE_BACKUP_FILE_H

#include "base/allocator.h"
#include "base/types.h"
#include "node/content.h"
#include "raft/configuration.h"
#include "raft/message.h"

#define BACKUP_HEAD_BYTES 512
#define BACKUP_DETAIL_BYTES 256
#define BACKUP_INDEX_MAX (UINT64_MAX / 4)    /* and of terms: what counts on from there has room */
#define BACKUP_LOG_TIME_MAX (UINT64_MAX / 2) /* likewise: the year 2262 */

struct backup_head {
    struct raft_position position; /* of the last entry that is in it */
    time_ns made_ns;               /* by the clock of the node that made it */
    struct cluster_id cluster;
    node_id node; /* that made it */
    char name[RAFT_NAME_BYTES_MAX];
    uint64_t content_bytes;
    uint32_t content_checksum; /* CRC32C */
    bool has_guarded;          /* outcomes of sessions or tokens may be in it */
};

/* Whether a backup may stand there: what a forged one made a node begin with may count beyond. */
bool backup_position_fits(struct raft_position position);

/* Write BACKUP_HEAD_BYTES; its position must fit. */
void backup_head_encode(const struct backup_head *head, uint8_t *out);

/* Returns 0, QR_ERR_FOREIGN (not a backup at all), QR_ERR_VERSION or QR_ERR_CORRUPT. */
NODISCARD int backup_head_decode(const uint8_t *bytes, struct backup_head *out);

/* Where what was read goes, each borrowed until return; NULL: nowhere. */
struct backup_sink {
    void *context;
    int (*head)(void *context, const struct backup_head *head);
    int (*content)(void *context, const struct content_head *head);
    int (*machine)(void *context, const uint8_t *data, size_t size_bytes);
};

struct backup_reader {
    const struct allocator *allocator; /* borrowed */
    struct backup_sink sink;
    struct content_reader content;
    struct backup_head head; /* once has_head */
    bool has_head;
    bool is_deep;                            /* sessions are looked into */
    uint64_t read_bytes;                     /* of the file */
    uint32_t checksum;                       /* of its content so far */
    time_ns timestamp_ns;                    /* log time of the position */
    struct raft_configuration configuration; /* in force there; index 0: none was */
    uint8_t *sessions;
    size_t sessions_bytes;
    size_t sessions_capacity;
    int status; /* of the first failure */
    char detail[BACKUP_DETAIL_BYTES];
    uint8_t head_bytes[BACKUP_HEAD_BYTES];
};

/* Begin to read.
 *
 * codec     borrowed; NULL: blocks that are compressed are refused.
 * is_deep   the session table is decoded, too: memory for it, and as much again.
 *
 * Returns 0 or QR_ERR_NO_MEMORY: then there is nothing to deinit.
 */
NODISCARD int backup_reader_init(struct backup_reader *reader, const struct allocator *allocator,
                                 const struct content_codec *codec, struct backup_sink sink,
                                 bool is_deep);
void backup_reader_deinit(struct backup_reader *reader);

/* Take the next bytes of the file, however many.
 *
 * Returns 0; QR_ERR_FOREIGN, QR_ERR_VERSION or QR_ERR_CORRUPT, with reader->detail saying what and
 * where; QR_ERR_NO_MEMORY; or what the sink returned. The same again for all that follows.
 */
NODISCARD int backup_read(struct backup_reader *reader, const void *data, size_t size_bytes);

/* The file has ended. Returns 0 when all of it was there, else as backup_read(). */
NODISCARD int backup_read_end(struct backup_reader *reader);

#endif
