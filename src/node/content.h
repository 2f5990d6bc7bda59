/* content.h: what is in a snapshot, as a stream of blocks: written piece by piece, read likewise.
 *
 * Owns     the format, and the proof that a content is whole: every block has its checksum, the
 *          last one the lengths and the checksum of everything.
 * Does not know where the bytes lie or travel, or how they are compressed: a codec is handed in.
 * Threads  one caller at a time.
 * Format   docs/snapshot-format.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTENT_H
#define NODE_CONTENT_H

#include "base/allocator.h"
#include "base/types.h"
#include "raft/configuration.h"
#include "raft/message.h"

#define CONTENT_BLOCK_BYTES_MAX (UINT32_C(64) * 1024) /* of one block, as it was written */
#define CONTENT_BLOCK_HEAD_BYTES 16
#define CONTENT_STORED_BYTES_MAX (CONTENT_BLOCK_HEAD_BYTES + CONTENT_BLOCK_BYTES_MAX)
#define CONTENT_MAGIC UINT32_C(0x4e435351) /* "QSCN" */
#define CONTENT_VERSION 1
#define CONTENT_PLAIN 0 /* number of no codec */

/* Makes blocks smaller. Given from outside: what it needs of libc is not for pure code. */
struct content_codec {
    void *context;
    uint8_t number; /* stands with each block, from 1; 1 is Zstandard */

    /* Write to `out` what `data` becomes; returns its bytes, or 0: not smaller than
     * out_bytes, or it cannot now.
     */
    size_t (*compress)(void *context, const void *data, size_t size_bytes, void *out,
                       size_t out_bytes);

    /* Undo it. Returns whether it became just out_bytes. */
    bool (*expand)(void *context, const void *data, size_t size_bytes, void *out, size_t out_bytes);
};

/* In their order; head and end are one block each. */
enum content_section {
    CONTENT_HEAD = 1,
    CONTENT_SESSIONS = 2,
    CONTENT_MACHINE = 3, /* the state machine's own bytes */
    CONTENT_END = 4,
};

struct content_head {
    struct raft_position position;  /* of the last entry that is in it */
    time_ns timestamp_ns;           /* log time there */
    raft_index configuration_index; /* of the configuration in force there; 0: none was */
    const void *configuration;      /* its payload; borrowed */
    size_t configuration_bytes;     /* at most RAFT_CONFIGURATION_BYTES_MAX */
    bool is_bare; /* without the state: the state machine is durable by itself, and stood there */
};

struct content_writer {
    const struct content_codec *codec; /* borrowed; NULL: plain */
    enum content_section section;      /* of the last block; 0: none yet */
    uint64_t sessions_bytes;
    uint64_t machine_bytes;
    uint32_t checksum;
};

/* Each writes one block to `out`, which has CONTENT_STORED_BYTES_MAX of room, and returns its
 * bytes. The head comes first, the end last; of sessions and machine any number between.
 *
 * size_bytes   1..CONTENT_BLOCK_BYTES_MAX.
 */
size_t content_write_head(struct content_writer *writer, const struct content_head *head,
                          uint8_t *out);
size_t content_write(struct content_writer *writer, enum content_section section, const void *data,
                     size_t size_bytes, uint8_t *out);
size_t content_write_end(struct content_writer *writer, uint8_t *out);

/* Where what was read goes, each borrowed until return; NULL: nowhere, and it is not even
 * expanded. A failure ends the reading, and is returned.
 */
struct content_sink {
    void *context;
    int (*head)(void *context, const struct content_head *head);
    int (*sessions)(void *context, const uint8_t *data, size_t size_bytes);
    int (*machine)(void *context, const uint8_t *data, size_t size_bytes);
};

struct content_reader {
    const struct allocator *allocator; /* borrowed */
    const struct content_codec *codec; /* borrowed; NULL: plain blocks alone are understood */
    struct content_sink sink;
    uint8_t *stored; /* CONTENT_STORED_BYTES_MAX */
    size_t stored_bytes;
    uint8_t *raw; /* CONTENT_BLOCK_BYTES_MAX */
    struct content_writer seen;
    bool is_bare; /* as the head said */
    int status;   /* of the first failure */
};

/* Begin to read. Returns 0 or QR_ERR_NO_MEMORY: then there is nothing to deinit. */
NODISCARD int content_reader_init(struct content_reader *reader, const struct allocator *allocator,
                                  const struct content_codec *codec, struct content_sink sink);
void content_reader_deinit(struct content_reader *reader);

/* Take the next bytes, however many.
 *
 * Returns 0, QR_ERR_CORRUPT (damaged, out of order, too much, or a state in a bare one),
 * QR_ERR_VERSION (of a later version, or of a codec that is not there), or what the sink returned;
 * and the same again for all that follows.
 */
NODISCARD int content_read(struct content_reader *reader, const void *data, size_t size_bytes);

/* Whether the end has come, and all before it. */
bool content_is_whole(const struct content_reader *reader);

#endif
