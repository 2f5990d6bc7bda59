/* snapshot_internal.h: what the files of the snapshot store share.
 *
 * Owns     the structures behind struct snapshot_store, and the numbers of the format.
 * Threads  one caller, as snapshot_store.h.
 * Format   docs/snapshot-format.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WAL_SNAPSHOT_INTERNAL_H
#define WAL_SNAPSHOT_INTERNAL_H

#include "base/assert.h"
#include "quorate/error.h"
#include "wal/snapshot_store.h"

#define SNAPSHOT_VERSION 1
#define SNAPSHOT_SECTOR_BYTES DISK_SECTOR_BYTES /* of the header, and of the trailer */
#define SNAPSHOT_CHUNK_HEADER_BYTES 32
#define SNAPSHOT_RECORD_BYTES_MAX (SNAPSHOT_CHUNK_BYTES_MAX + SNAPSHOT_SECTOR_BYTES)
#define SNAPSHOT_SYNC_BYTES (UINT64_C(4) * 1024 * 1024) /* at most so much is not synced */

/* snapshot_format.c: the codec */

struct snapshot_header {
    struct wal_base position;
    time_ns timestamp_ns;
    uint32_t chunk_bytes; /* of the content, in each chunk but the last */
};

struct snapshot_chunk {
    uint32_t size_bytes;
    uint64_t number; /* from 0 */
};

struct snapshot_trailer {
    uint64_t chunk_count;
    uint64_t size_bytes;
    uint32_t checksum;
};

/* Bytes of a chunk with its header and padding. */
uint64_t snapshot_record_bytes(uint32_t size_bytes);

/* Where chunk `number` stands in the file. */
uint64_t snapshot_record_at(uint32_t chunk_bytes, uint64_t number);

/* SNAPSHOT_SECTOR_BYTES are written. Returns the checksum, that stands in all that follows. */
uint32_t snapshot_header_encode(const struct snapshot_header *header, uint8_t *out);

/* 0, QR_ERR_CORRUPT or QR_ERR_VERSION. */
NODISCARD int snapshot_header_decode(const uint8_t *sector, struct snapshot_header *out,
                                     uint32_t *checksum);

/* Complete a record whose content stands behind the place of its header. */
void snapshot_chunk_encode(const struct snapshot_chunk *chunk, uint32_t binding, uint8_t *record);

/* What the first bytes of a record say of themselves; nothing is checked but what they are. */
bool snapshot_chunk_peek(const uint8_t *record, struct snapshot_chunk *out);

/* Whether this is a whole record, with its padding, of this chunk of this file. */
bool snapshot_chunk_is_whole(const uint8_t *record, const struct snapshot_chunk *chunk,
                             uint32_t binding);

void snapshot_trailer_encode(const struct snapshot_trailer *trailer, uint32_t binding,
                             uint8_t *out);
bool snapshot_trailer_decode(const uint8_t *sector, uint32_t binding, struct snapshot_trailer *out);

/* snapshot_walk.c: a whole file, at once */

enum snapshot_state {
    SNAPSHOT_UNCHECKED, /* below one that is whole */
    SNAPSHOT_WHOLE,
    SNAPSHOT_REFUSED,
    SNAPSHOT_ASIDE, /* a crash left it */
};

struct snapshot_file {
    raft_index index; /* by its name */
    uint64_t file_bytes;
    enum snapshot_state state;
    bool is_unwanted; /* to be removed */
    size_t reader_count;
    struct snapshot_info info; /* of a whole one, like the rest */
    uint32_t chunk_bytes;
    uint32_t binding;
};

/* Read a file from its beginning to its end, and check all of it.
 *
 * file   index and file_bytes are given; the rest is filled when it is whole.
 * each   given the content, chunk by chunk; or NULL. What it returns other than 0 ends the walk.
 *
 * Returns 0, QR_ERR_CORRUPT or QR_ERR_VERSION, QR_ERR_IO, QR_ERR_NO_MEMORY, with `detail` filled,
 * or what `each` returned.
 */
NODISCARD int snapshot_walk(const struct snapshot_options *options, struct snapshot_file *file,
                            int (*each)(void *context, const uint8_t *data, size_t size_bytes),
                            void *context, char *detail);

/* snapshot_writer.c */

enum snapshot_stage {
    SNAPSHOT_IDLE,
    SNAPSHOT_FILLING,    /* header and chunks are written */
    SNAPSHOT_CLOSING,    /* all was given: the rest, then the trailer */
    SNAPSHOT_PUBLISHING, /* all is durable; its name is not yet */
    SNAPSHOT_REMOVING,   /* it failed, or was abandoned */
};

struct snapshot_buffer {
    uint8_t *record;
    uint32_t used_bytes; /* of content */
};

struct snapshot_writer {
    enum snapshot_stage stage;
    bool is_under_way; /* the operation */
    bool is_abandoned;
    bool is_starved; /* append took less than it was given */
    bool has_header; /* written */
    bool has_trailer;
    raft_index index;
    struct snapshot_header header;
    uint32_t binding;
    struct snapshot_trailer trailer; /* as far as it was written */
    struct snapshot_buffer buffers[2];
    unsigned filling; /* buffer; the other one is empty or being written */
    uint64_t file_bytes;
    uint64_t unsynced_bytes;
    struct disk_op op;
    struct disk_part part;
    uint8_t sector[SNAPSHOT_SECTOR_BYTES];
};

/* snapshot_reader.c */

struct snapshot_reader {
    struct snapshot_store *store;
    bool is_open;
    bool is_reading;
    bool is_closing; /* when what is under way has ended */
    raft_index index;
    struct snapshot_info info;
    uint32_t chunk_bytes;
    uint32_t binding;
    uint64_t offset; /* of the content */
    uint64_t token;
    bool is_from_start; /* so that `checksum` is of all of it */
    uint32_t checksum;
    struct chunk *chunk;
    struct disk_op op;
    struct disk_part part;
};

struct snapshot_store {
    struct snapshot_options options;
    struct snapshot_file files[SNAPSHOT_FILES_MAX]; /* highest index first; aside behind whole */
    size_t file_count;
    struct disk_op removal;
    bool is_removing;
    raft_index removal_index;
    bool removal_is_aside;
    struct snapshot_writer writer;
    struct snapshot_reader readers[SNAPSHOT_READERS_MAX];
};

/* snapshot_store.c */

/* The file of this index that is not aside, or NULL. */
struct snapshot_file *snapshot_store_find(struct snapshot_store *store, raft_index index);

/* Enter a file, in the place of one of the same name. False: the table is full. */
bool snapshot_store_enter(struct snapshot_store *store, const struct snapshot_file *file);

#endif
