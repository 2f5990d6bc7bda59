/* internal.h: what the files of the log share.
 *
 * Owns     the structures behind struct wal, and the numbers of the format.
 * Threads  one caller, as wal.h.
 * Format   docs/wal-format.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WAL_INTERNAL_H
#define WAL_INTERNAL_H

#include "base/assert.h"
#include "quorate/error.h"
#include "wal/wal.h"

#define WAL_VERSION 1       /* of segments that go on where the one before ended */
#define WAL_VERSION_RESET 2 /* of those that empty the log: 0.1.0 refuses them */
#define WAL_SEGMENT_HEADER_BYTES DISK_SECTOR_BYTES
#define WAL_BATCH_HEADER_BYTES 128
#define WAL_HEAD_BYTES_MAX (WAL_SEGMENT_HEADER_BYTES + WAL_BATCH_HEADER_BYTES)
#define WAL_BATCH_BODY_BYTES_MAX (UINT64_C(1024) * 1024) /* but one record may be longer */
#define WAL_WRITE_RUNS_MAX (DISK_PARTS_MAX - 2)          /* beside the head and the padding */
#define WAL_WRITES_SPARE_MAX 64
#define WAL_SEGMENTS_AHEAD 2
#define WAL_SEGMENTS_MAX (UINT64_C(1) << 24)
#define WAL_INDEX_MAX (UINT64_MAX / 2) /* what a log begins with */
#define WAL_ANCHORS_MAX (UINT64_C(1) << 28)
#define WAL_ANCHOR_SPACING_BYTES (UINT64_C(64) * 1024)
#define WAL_READ_PIECE_BYTES (UINT64_C(256) * 1024)
#define WAL_READ_ENTRIES_MAX 1024
#define WAL_RESUMES_MAX 8
#define WAL_ROOM_RESERVE_BYTES (UINT64_C(16) * 1024)

_Static_assert(WAL_HEAD_BYTES_MAX % ENTRY_ALIGN_BYTES == 0, "records lie aligned in the file");
_Static_assert(WAL_SEGMENT_BYTES_MAX <= UINT32_MAX, "a body's length is 32 bits");

/* A place in the log. */
struct wal_position {
    uint64_t sequence;
    uint64_t offset;
};

static inline bool wal_position_is_before(struct wal_position a, struct wal_position b)
{
    return a.sequence != b.sequence ? a.sequence < b.sequence : a.offset < b.offset;
}

static inline struct wal_position wal_position_max(struct wal_position a, struct wal_position b)
{
    return wal_position_is_before(a, b) ? b : a;
}

/* `bytes` rounded up to whole sectors. */
static inline uint64_t wal_sectors(uint64_t bytes)
{
    return (bytes + DISK_SECTOR_BYTES - 1) & ~(uint64_t)(DISK_SECTOR_BYTES - 1);
}

struct wal_segment_header {
    uint32_t version;
    bool is_reset; /* what stood before it is void: the log stands at `base` */
    node_id node;
    uint64_t sequence;
    uint64_t segment_bytes;
    raft_index first_index; /* last index before this segment, plus one */
    uint64_t number;        /* of the first batch */
    uint64_t generation;
    uint32_t chain;
    struct hard_state hard_state; /* before the first batch */
    raft_index commit_index;
    struct wal_base base;
};

struct wal_batch_header {
    struct wal_position at; /* where the header itself stands */
    uint64_t number;
    uint64_t generation;
    uint32_t chain;
    uint32_t digest;
    uint32_t body_bytes;
    uint32_t entry_count;
    raft_index first_index; /* of its entries; without any, the last index plus one */
    struct hard_state hard_state;
    raft_index commit_index;
    struct wal_position synced; /* all before it was known to be durable */
    struct wal_base base;
    bool is_mark;
};

/* The end of the log: where the next batch goes, and what it has to follow. Recovery checks
 * against it what appending wrote by it.
 */
struct wal_cursor {
    struct wal_position at; /* offset 0: the segment's header comes first */
    bool is_reset;          /* and empties the log */
    uint64_t number;
    uint64_t generation;
    uint32_t chain;
    struct wal_base base;
    raft_index last_index;
    struct hard_state hard_state;
    raft_index commit_index;
};

/* Let the segment that begins at the cursor empty the log. */
static inline void wal_cursor_reset(struct wal_cursor *cursor, const struct wal_base *base)
{
    cursor->is_reset = true;
    cursor->last_index = base->index;
    cursor->base = *base;
}

/* batch.c: the codec */

enum wal_sector_kind {
    WAL_SECTOR_ZERO,
    WAL_SECTOR_BAD,
    WAL_SECTOR_WHOLE,
};

bool wal_is_zero(const uint8_t *data, uint64_t size_bytes);

/* WAL_SEGMENT_HEADER_BYTES are written. */
void wal_segment_header_encode(const struct wal_segment_header *header, uint8_t *out);

/* Reads the first sector of a segment. `out` is set when it is whole; of a version that is
 * not known only `version` is.
 */
enum wal_sector_kind wal_segment_header_decode(const uint8_t *sector,
                                               struct wal_segment_header *out);

/* WAL_BATCH_HEADER_BYTES are written. Returns the header's checksum: the next one's chain. */
uint32_t wal_batch_header_encode(const struct wal_batch_header *header, uint8_t *out);

/* False when the bytes are no whole header. `checksum` is the next batch's chain. */
bool wal_batch_header_decode(const uint8_t *data, struct wal_batch_header *out, uint32_t *checksum);

/* The header of the next batch at `at`, without entries, and of the segment that it opens. */
struct wal_batch_header wal_batch_header_of(const struct wal_cursor *cursor,
                                            struct wal_position at);
struct wal_segment_header wal_segment_header_of(const struct wal_cursor *cursor, node_id node,
                                                uint64_t segment_bytes);

static inline bool wal_version_is_known(uint32_t version)
{
    return version == WAL_VERSION || version == WAL_VERSION_RESET;
}

/* Why the segment, or the batch, does not follow at `cursor`, in words, or NULL. */
const char *wal_segment_misfit(const struct wal_segment_header *header,
                               const struct wal_cursor *cursor);
const char *wal_batch_misfit(const struct wal_batch_header *header, const struct wal_cursor *cursor,
                             struct wal_position at);

/* Go past a batch that ends at `end`. */
void wal_cursor_advance(struct wal_cursor *cursor, const struct wal_batch_header *header,
                        uint32_t checksum, uint64_t end);

/* Add a record's checksum to a digest that began as 0. */
uint32_t wal_digest_add(uint32_t digest, uint32_t record_checksum);

/* Read one record of a body. False: it is not whole, or its index is not `index`.
 * `out` borrows `chunk`, no reference is taken.
 */
bool wal_record_decode(const uint8_t *data, uint64_t size_bytes, raft_index index,
                       struct chunk *chunk, struct entry *out);

/* anchors.c: where in the files an index is found */

struct wal_anchor {
    raft_index first_index;
    struct wal_position at; /* of the batch that begins with it */
    bool is_replacing;      /* what stood at and behind first_index before is void */
};

/* Ascending in index and in position. */
struct wal_anchors {
    struct wal_anchor *items;
    size_t count;
    size_t capacity;
};

/* Room for `extra` more. 0 or QR_ERR_NO_MEMORY. */
NODISCARD int wal_anchors_reserve(struct wal_anchors *anchors, const struct allocator *allocator,
                                  size_t extra);

/* Take note of a durable batch with entries; room was reserved. */
void wal_anchors_add(struct wal_anchors *anchors, struct wal_anchor anchor);

/* The anchor from which `index` is reached, and the first index behind it that must not be
 * taken from there (RAFT_INDEX_NONE_BEHIND when there is none). NULL: no such anchor.
 */
const struct wal_anchor *wal_anchors_find(const struct wal_anchors *anchors, raft_index index,
                                          raft_index *limit);

/* Forget the anchors that lead to nothing from `first` on. `is_empty`: nothing is there. */
void wal_anchors_forget(struct wal_anchors *anchors, raft_index first, bool is_empty);

void wal_anchors_deinit(struct wal_anchors *anchors, const struct allocator *allocator);

#define RAFT_INDEX_NONE_BEHIND UINT64_MAX

/* segment.c: the table of segments and their preparation */

enum wal_segment_state {
    WAL_SEGMENT_WANTED,    /* not there, or no longer than an unfinished preparation */
    WAL_SEGMENT_UNUSABLE,  /* there, without content, and too small: to be removed */
    WAL_SEGMENT_PREPARING, /* or being removed: the background operation is about it */
    WAL_SEGMENT_READY,     /* there, durable, without content that counts */
    WAL_SEGMENT_USED,      /* its header is written or being written; the first ones are removed
                            * when a base covers them
                            */
};

struct wal_segment {
    enum wal_segment_state state;
    uint64_t size_bytes;
    uint64_t synced_bytes; /* end of its last durable batch; 0 when there is none */
};

/* batch and poison */

/* One write under way: one batch, with its segment's header when it is the first there. */
struct wal_write {
    struct disk_op op;
    struct wal *wal;
    struct wal_write *next;
    struct wal_batch_header header;
    uint64_t end; /* offset behind the padding */
    uint64_t ticket;
    bool is_last; /* of its append */
    bool is_replacing;
    bool is_reset; /* and replacing */
    bool is_own;   /* of no append: it notes the base */
    size_t run_count;
    struct chunk *chunks[WAL_WRITE_RUNS_MAX]; /* one reference for each run of records */
    struct disk_part parts[DISK_PARTS_MAX];
    uint8_t head[WAL_HEAD_BYTES_MAX];
};

struct wal_write_list {
    struct wal_write *first;
    struct wal_write *last;
    size_t count;
};

struct wal_read {
    struct disk_op op;
    struct disk_part part;
    struct wal *wal;
    struct wal_read *next; /* while free */
    bool is_under_way;
    uint64_t token;
    raft_index first;
    raft_index limit; /* the first index not to be given */
    uint64_t bytes_max;
    struct wal_position at; /* of the next batch, or record when body_left > 0 */
    uint64_t body_left;
    raft_index index_next; /* of the record at `at` when body_left > 0 */
    struct chunk *chunk;
};

/* Where a read ended: the next one goes on there instead of at the anchor before it. */
struct wal_resume {
    raft_index index; /* of what stands at `at`; 0: none */
    struct wal_position at;
    uint64_t body_left; /* as in struct wal_read */
};

struct wal {
    struct wal_options options;
    struct wal_cursor cursor;     /* behind all appends that were accepted */
    struct wal_position synced;   /* all before it is durable */
    struct wal_position noted;    /* the furthest `synced` that stands in the log */
    struct wal_base durable_base; /* as the last durable batch notes it */
    raft_index durable_last;      /* last index behind it */
    struct wal_base base_sent;    /* as the last accepted batch notes it */
    bool is_base_under_way;       /* in a batch of its own */
    struct wal_segment *segments; /* [sequence - segment_first] */
    uint64_t segment_first;
    uint64_t needed_sequence; /* segments before it hold nothing that is needed */
    size_t segment_count;
    size_t segment_capacity;
    struct wal_anchors anchors;
    raft_index readable_last; /* durable, and no append under way replaces it */
    size_t replacing_count;   /* writes under way that replace */
    struct wal_write_list sent;
    struct wal_write_list waiting; /* for a segment to become ready */
    struct wal_write_list spare;
    size_t append_count; /* under way */
    uint64_t ticket_last;
    struct disk_op background;    /* the one preparation or removal under way */
    uint64_t background_sequence; /* 0: none */
    bool is_full;                 /* the last preparation found no room */
    bool is_poisoned;
    struct wal_stats stats;
    /* Of recovery, until the next append. */
    struct wal_term_run *terms;
    size_t term_count;
    size_t term_capacity;
    struct entry *configurations;
    size_t configuration_count;
    size_t configuration_capacity;
    size_t read_count;
    struct wal_read *read_free;
    struct wal_read reads[WAL_READS_MAX];
    struct wal_resume resumes[WAL_RESUMES_MAX];
    size_t resume_next; /* to be overwritten */
    struct entry read_entries[WAL_READ_ENTRIES_MAX];
    uint8_t zeros[DISK_SECTOR_BYTES];
};

/* `log-` and 16 hexadecimal digits. */
void wal_segment_name(uint64_t sequence, char *out);

/* The sequence in a name; 0 when it is not one of a segment. */
uint64_t wal_segment_sequence(const char *name);

/* Whether a file of this size can be filled by these options. */
bool wal_segment_is_usable(const struct wal_options *options, uint64_t size_bytes);

/* Make the table reach to `sequence`, with segments that are wanted. 0 or QR_ERR_NO_MEMORY. */
NODISCARD int wal_segments_reach(struct wal *wal, uint64_t sequence);

struct wal_segment *wal_segment_at(const struct wal *wal, uint64_t sequence);

/* The sequence of the last one in the table. */
static inline uint64_t wal_segment_last(const struct wal *wal)
{
    return wal->segment_first + wal->segment_count - 1;
}

/* How far batches may go in a segment: its last sector is kept for a mark. */
static inline uint64_t wal_segment_limit(const struct wal_segment *segment)
{
    return segment->size_bytes - DISK_SECTOR_BYTES;
}

/* Begin the next preparation or removal if one is due and none is under way. When the disk is
 * full nothing is prepared.
 */
void wal_segments_work(struct wal *wal);

/* append.c */

/* Send what waits for a segment that is ready by now. */
void wal_writes_send(struct wal *wal);

/* Poison the log and tell the listener, once. */
void wal_poison(struct wal *wal, int status, const char *name, uint64_t offset, const char *what);

void wal_writes_free(struct wal *wal, struct wal_write_list *list);

/* Accept a batch of the log's own, that is not told: the hard state and the base as they are.
 * Returns as wal_append().
 */
NODISCARD int wal_append_own(struct wal *wal);

/* prefix.c */

/* What is durable has another base, or was recovered: find the first segment that is needed. */
void wal_prefix_settled(struct wal *wal);

/* Write a base that no accepted batch notes yet, in one batch at a time. */
void wal_prefix_note(struct wal *wal);

/* read.c */

/* An append replaces from `first` on: reads under way give nothing from there. */
void wal_reads_cut(struct wal *wal, raft_index first);

/* The log begins behind `last` now: reads under way of what is before give nothing. */
void wal_reads_cut_below(struct wal *wal, raft_index last);

/* recover.c */

/* Let go of the arrays of struct wal_recovered. */
void wal_recovered_release(struct wal *wal);

#endif
