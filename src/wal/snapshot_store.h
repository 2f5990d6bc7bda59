/* snapshot_store.h: the snapshots of one node: files written aside, then current in one step.
 *
 * Owns     the files called snapshot-* of its disk, their format, and the rule that a snapshot
 *          counts when all of it is durable and whole, and never before.
 * Does not know what a snapshot holds but for the position it stands at and its time; nor Raft,
 *          a clock, a thread, a file descriptor. It is written against disk.h.
 * Threads  one caller; completions come on the caller's thread, always from within a disk
 *          operation's done().
 * Format   docs/snapshot-format.md.
 *
 * Its operations run beside the log's writes (disk.h): a log's sync never waits for them. At
 * most one snapshot is written at a time and SNAPSHOT_READERS_MAX are read; memory is bounded by
 * two chunks for the writer and one for each reader.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WAL_SNAPSHOT_STORE_H
#define WAL_SNAPSHOT_STORE_H

#include "base/allocator.h"
#include "base/chunk.h"
#include "base/log.h"
#include "base/types.h"
#include "wal/disk.h"
#include "wal/wal.h"

#define SNAPSHOT_CHUNK_BYTES_MIN 512
#define SNAPSHOT_CHUNK_BYTES_MAX (256 * 1024)
#define SNAPSHOT_FILES_MAX 64 /* kept in mind; of more on a disk, those with the highest index */
#define SNAPSHOT_READERS_MAX 8
#define SNAPSHOT_ERROR_DETAIL_BYTES 256

struct snapshot_store;
struct snapshot_reader;

struct snapshot_info {
    struct wal_base position; /* of the last entry that is in it */
    time_ns timestamp_ns;     /* log time there */
    uint64_t size_bytes;      /* of its content */
    uint32_t checksum;        /* CRC32C of its content */
};

/* All but read_done may be NULL where nothing of the kind is begun. */
struct snapshot_listener {
    void *context;
    /* snapshot_writer_append() takes more again, after it took less than it was given. */
    void (*writer_ready)(void *context);
    /* The writing ended. 0: `info` is durable and the newest. Else the file is being removed and
     * info is NULL: QR_ERR_IO, QR_ERR_DISK_FULL, QR_ERR_NO_MEMORY. Not after an abandon.
     */
    void (*writer_done)(void *context, int status, const struct snapshot_info *info);
    /* A read ended. 0: bytes of the content in `chunk`, borrowed until return (hold it to keep
     * them); none at the end of the content. Else `chunk` is NULL: QR_ERR_CORRUPT, QR_ERR_IO.
     */
    void (*read_done)(void *context, uint64_t token, int status, struct chunk *chunk,
                      const uint8_t *data, size_t size_bytes);
};

struct snapshot_options {
    const struct allocator *allocator; /* borrowed */
    const struct disk *disk;           /* borrowed */
    const struct log_sink *log;        /* borrowed; may be NULL */
    struct snapshot_listener listener;
    uint32_t chunk_bytes; /* of new snapshots; SNAPSHOT_CHUNK_BYTES_MIN.._MAX */
};

/* What is there. Files that are not whole count for nothing, and stay as they are
 * until a newer snapshot is durable.
 */
struct snapshot_found {
    bool has_newest;
    struct snapshot_info newest; /* of those that are whole */
    size_t refused_count;        /* not whole, of another's name, or of a newer version */
    int refused_status;          /* of the one with the highest index: CORRUPT or VERSION */
    raft_index refused_index;    /* by its name */
};

/* The name of a file, of DISK_NAME_BYTES_MAX: `snapshot-` and 16 hexadecimal digits, and the suffix
 * of what is written aside.
 */
void snapshot_name(raft_index index, bool is_aside, char *out);

/* False when the name is none of a snapshot's. */
bool snapshot_name_parse(const char *name, raft_index *index, bool *is_aside);

/* Whether a file of this name is one of a store's. */
bool snapshot_is_file(const char *name);

/* Open the store of a directory: look for the newest snapshot that is whole, down to its last
 * byte, and remember older ones to be removed.
 *
 * detail   SNAPSHOT_ERROR_DETAIL_BYTES of room: on failure, or when anything was refused, a
 *          sentence with file and offset.
 *
 * Nothing is changed on the disk or submitted to it before snapshot_store_work() or the first
 * writer or reader.
 *
 * Returns 0, QR_ERR_IO or QR_ERR_NO_MEMORY.
 *
 * Cost: reads the newest snapshot once.
 */
NODISCARD int snapshot_store_open(const struct snapshot_options *options,
                                  struct snapshot_store **out, struct snapshot_found *found,
                                  char *detail);

/* Free the store; no operation may be in flight (see snapshot_store_is_idle()), no reader open.
 * A writing that was begun ends unfinished. NULL is allowed.
 */
void snapshot_store_free(struct snapshot_store *store);

/* Begin to remove what a crash left unfinished. Once after opening. */
void snapshot_store_work(struct snapshot_store *store);

/* The newest whole snapshot. False: there is none. */
bool snapshot_store_newest(const struct snapshot_store *store, struct snapshot_info *out);

/* Read the whole content of the newest snapshot at once, in pieces of up to a chunk, for a
 * start. `each` returns 0, or a failure that ends the reading and is returned.
 *
 * Returns 0, QR_ERR_NOT_FOUND (there is none), QR_ERR_CORRUPT, QR_ERR_IO or QR_ERR_NO_MEMORY,
 * with `detail` filled; `each` may then have been given a part.
 */
NODISCARD int snapshot_store_load(const struct snapshot_store *store,
                                  int (*each)(void *context, const uint8_t *data,
                                              size_t size_bytes),
                                  void *context, char *detail);

/* Remove the snapshots below an index, in the background, once nobody reads them. The newest
 * whole one always stays.
 */
void snapshot_store_remove_below(struct snapshot_store *store, raft_index index);

bool snapshot_store_is_idle(const struct snapshot_store *store); /* no operation in flight */

/* Assert all that must hold between two calls. */
void snapshot_store_invariants(const struct snapshot_store *store);

/* Begin to write a snapshot, aside.
 *
 * may_replace   it may take the place of a whole one at the same index, for it holds more.
 *
 * Returns 0, or with nothing changed
 *   QR_ERR_BUSY        one is being written, what was abandoned is still being removed, or the one
 *                      that would be replaced is being read.
 *   QR_ERR_SUPERSEDED  the newest whole snapshot is not older: it covers all that this one would.
 *   QR_ERR_NO_MEMORY
 */
NODISCARD int snapshot_writer_begin(struct snapshot_store *store, const struct wal_base *position,
                                    time_ns timestamp_ns, bool may_replace);

bool snapshot_writer_is_active(const struct snapshot_store *store);

/* Bytes of the content taken so far. */
uint64_t snapshot_writer_offset(const struct snapshot_store *store);

/* Take a piece of the content, of any size, as far as there is room: `taken` says how much. The
 * rest is given again after listener.writer_ready(). Nothing is taken while no writing is active.
 */
void snapshot_writer_append(struct snapshot_store *store, const void *data, size_t size_bytes,
                            size_t *taken);

/* All was appended: listener.writer_done() says when it is durable under its name. */
void snapshot_writer_finish(struct snapshot_store *store);

/* End the writing and remove what was written; also behind a finish(), as long as it is not
 * done: then the snapshot is there, or not. Nothing happens when none is active.
 */
void snapshot_writer_abandon(struct snapshot_store *store);

/* Read the content of a whole snapshot from `offset` on.
 *
 * index   of its position.
 * offset  0 .. its size.
 *
 * Its file stays until snapshot_reader_close(), and can be opened again until then, also when a
 * newer snapshot is there. Returns 0, QR_ERR_NOT_FOUND, QR_ERR_INVALID (the offset) or QR_ERR_BUSY
 * (SNAPSHOT_READERS_MAX are open).
 */
NODISCARD int snapshot_reader_open(struct snapshot_store *store, raft_index index, uint64_t offset,
                                   struct snapshot_reader **out, struct snapshot_info *info);

/* Read on: what is left of the chunk that the reader stands in. listener.read_done(token) has
 * it. One at a time. Returns 0, QR_ERR_BUSY (one is under way) or QR_ERR_NO_MEMORY.
 */
NODISCARD int snapshot_reader_read(struct snapshot_reader *reader, uint64_t token);

/* End reading. What is under way is not told any more. NULL is allowed. */
void snapshot_reader_close(struct snapshot_reader *reader);

#endif
