/* walk.c: reading a whole log in order.
 *
 * Owns     the way from batch to batch and from segment to segment. What the end means is
 *          judged in tail.c.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/walk.h"

#include <string.h>

#define WINDOW_BYTES (UINT64_C(1024) * 1024)
#define FILES_MAX WAL_SEGMENTS_MAX

const char wal_advice_damage[] =
    "restore this file from a backup, or remove the node and let it join again with an empty "
    "directory";

enum step {
    STEP_ON,  /* a whole batch: go on behind it */
    STEP_END, /* the log does not go on here */
};

void wal_walk_init(struct wal_walk *walk, const struct wal_options *options, char *detail)
{
    *walk = (struct wal_walk){
        .options = options,
        .cursor = {.at = {1, 0}, .number = 1, .generation = 1},
        .noted = {1, 0},
        .generation_max = 0,
        .detail = detail,
    };
    detail[0] = '\0';
}

void wal_walk_deinit(struct wal_walk *walk)
{
    const struct allocator *allocator = walk->options->allocator;
    release(allocator, walk->files, walk->file_capacity * sizeof(*walk->files));
    release(allocator, walk->entries, walk->entry_capacity * sizeof(*walk->entries));
    chunk_drop(walk->window);
    walk->files = NULL;
    walk->entries = NULL;
    walk->window = NULL;
}

int wal_walk_refuse(struct wal_walk *walk, int status, struct wal_position at, const char *reason,
                    const char *advice)
{
    char name[DISK_NAME_BYTES_MAX];
    wal_segment_name(at.sequence, name);
    struct text text = text_of(walk->detail, WAL_ERROR_DETAIL_BYTES);
    text_string(&text, name);
    text_string(&text, ", offset ");
    text_u64(&text, at.offset);
    text_string(&text, ": ");
    text_string(&text, reason);
    if (advice != NULL) {
        text_string(&text, "; ");
        text_string(&text, advice);
    }
    walk->failed = at;
    walk->reason = reason;
    return status;
}

static int without_memory(struct wal_walk *walk)
{
    struct text text = text_of(walk->detail, WAL_ERROR_DETAIL_BYTES);
    text_string(&text, "not enough memory to read the log");
    return QR_ERR_NO_MEMORY;
}

static int damage(struct wal_walk *walk, uint64_t sequence, uint64_t offset, const char *reason)
{
    return wal_walk_refuse(walk, QR_ERR_CORRUPT, (struct wal_position){sequence, offset}, reason,
                           wal_advice_damage);
}

/* The log does not go on here; the first reason counts. */
static enum step end_here(struct wal_walk *walk, struct wal_position at, const char *reason)
{
    if (walk->reason == NULL) {
        walk->failed = at;
        walk->reason = reason;
    }
    return STEP_END;
}

int wal_walk_bytes(struct wal_walk *walk, const struct wal_file *file, uint64_t offset,
                   uint64_t size_bytes, const uint8_t **out)
{
    ASSERT(offset + size_bytes <= file->size_bytes);
    bool is_there = walk->window_sequence == file->sequence && offset >= walk->window_offset &&
                    offset + size_bytes <= walk->window_offset + walk->window_bytes;
    if (!is_there) {
        uint64_t wanted = min_u64(max_u64(size_bytes, WINDOW_BYTES), file->size_bytes - offset);
        walk->window_sequence = 0;
        if (walk->window == NULL || walk->window->size_bytes < wanted) {
            chunk_drop(walk->window);
            walk->window = chunk_new(walk->options->allocator, (uint32_t)wanted);
            if (walk->window == NULL) {
                return without_memory(walk);
            }
        }
        char name[DISK_NAME_BYTES_MAX];
        wal_segment_name(file->sequence, name);
        size_t got = 0;
        const struct disk *disk = walk->options->disk;
        struct disk_part part = {walk->window->data, wanted};
        int status = disk->read(disk->context, name, offset, part, &got);
        if (status != 0 || got < wanted) {
            return wal_walk_refuse(walk, QR_ERR_IO, (struct wal_position){file->sequence, offset},
                                   "the file cannot be read",
                                   "check its owner, its permissions and the disk");
        }
        walk->window_sequence = file->sequence;
        walk->window_offset = offset;
        walk->window_bytes = wanted;
    }
    *out = walk->window->data + (offset - walk->window_offset);
    return 0;
}

static void add_file(void *argument, const char *name, uint64_t size_bytes)
{
    struct wal_walk *walk = argument;
    uint64_t sequence = wal_segment_sequence(name);
    if (sequence == 0 || walk->list_status != 0) {
        return;
    }
    void *files = walk->files;
    walk->list_status = allocate_grow(walk->options->allocator, &files, &walk->file_capacity,
                                      walk->file_count + 1, FILES_MAX, sizeof(*walk->files));
    walk->files = files;
    if (walk->list_status != 0) {
        return;
    }
    size_t at = walk->file_count;
    while (at > 0 && walk->files[at - 1].sequence > sequence) {
        at--;
    }
    memmove(walk->files + at + 1, walk->files + at, (walk->file_count - at) * sizeof(*walk->files));
    walk->files[at] = (struct wal_file){sequence, size_bytes};
    walk->file_count++;
}

/* Segments are made in order and one at a time, and removed so: a gap was made by somebody else.
 * Whether the first ones may be gone is told by the base, see check_beginning().
 */
static int list_files(struct wal_walk *walk)
{
    const struct disk *disk = walk->options->disk;
    int status = disk->list(disk->context, add_file, walk);
    if (status != 0) {
        struct text text = text_of(walk->detail, WAL_ERROR_DETAIL_BYTES);
        text_string(&text, "the directory of the log cannot be listed");
        return status;
    }
    if (walk->list_status != 0) {
        return without_memory(walk);
    }
    for (size_t i = 1; i < walk->file_count; i++) {
        uint64_t due = walk->files[i - 1].sequence + 1;
        if (walk->files[i].sequence != due) {
            return damage(walk, due, 0, "the file is missing, but later ones exist");
        }
    }
    if (walk->file_count > 0) {
        walk->cursor.at.sequence = walk->files[0].sequence;
    }
    return 0;
}

/* Check the body of a batch and fill walk->entries. NULL, or what is wrong. */
static const char *check_body(struct wal_walk *walk, const struct wal_batch_header *header,
                              const uint8_t *body, uint64_t padded_bytes)
{
    uint32_t digest = 0;
    uint64_t used = 0;
    for (uint32_t i = 0; i < header->entry_count; i++) {
        struct entry *entry = &walk->entries[i];
        if (!wal_record_decode(body + used, header->body_bytes - used, header->first_index + i,
                               walk->window, entry)) {
            return "a record that is not whole";
        }
        used += entry->record_bytes;
        digest = wal_digest_add(digest, entry_checksum(entry));
    }
    if (used != header->body_bytes || digest != header->digest) {
        return "records that are not those of their batch";
    }
    return wal_is_zero(body + used, padded_bytes - used) ? NULL : "padding that is not zero";
}

static void note(struct wal_walk *walk, const struct wal_batch_header *header)
{
    walk->noted = wal_position_max(walk->noted, header->synced);
    walk->commit_index = max_u64(walk->commit_index, header->commit_index);
    walk->generation_max = max_u64(walk->generation_max, header->generation);
}

/* A whole header that follows, but not its body yet: read, check and visit it. */
static int take_batch(struct wal_walk *walk, const struct wal_file *file,
                      const struct wal_segment_header *segment,
                      const struct wal_batch_header *header, uint32_t checksum, enum step *step)
{
    uint64_t body_at = header->at.offset + WAL_BATCH_HEADER_BYTES;
    uint64_t end = wal_sectors(body_at + header->body_bytes);
    *step = STEP_END;
    if (end > segment->segment_bytes ||
        header->entry_count > header->body_bytes / ENTRY_HEADER_BYTES) {
        (void)end_here(walk, header->at, "a batch longer than its segment");
        return 0;
    }
    void *entries = walk->entries;
    int status = allocate_grow(walk->options->allocator, &entries, &walk->entry_capacity,
                               header->entry_count, UINT32_MAX, sizeof(*walk->entries));
    walk->entries = entries;
    if (status != 0) {
        return without_memory(walk);
    }
    const uint8_t *body;
    status = wal_walk_bytes(walk, file, body_at, end - body_at, &body);
    if (status != 0) {
        return status;
    }
    const char *wrong = check_body(walk, header, body, end - body_at);
    if (wrong != NULL) {
        (void)end_here(walk, header->at, wrong);
        return 0;
    }
    char name[DISK_NAME_BYTES_MAX];
    wal_segment_name(file->sequence, name);
    if (header->at.offset == WAL_SEGMENT_HEADER_BYTES) {
        status = walk->visitor.segment(walk->visitor.context, segment, name);
    }
    if (status == 0) {
        status = walk->visitor.batch(walk->visitor.context, header, name, walk->entries, end);
    }
    note(walk, header);
    bool is_reset = segment->is_reset && header->at.offset == WAL_SEGMENT_HEADER_BYTES;
    if (is_reset || (header->entry_count > 0 && header->first_index <= walk->missing_through)) {
        walk->missing_through = is_reset ? segment->base.index : header->first_index - 1;
    }
    wal_cursor_advance(&walk->due, header, checksum, end);
    walk->cursor = walk->due;
    walk->reason = NULL;
    walk->has_mark = false;
    *step = STEP_ON;
    return status;
}

/* Header and first batch are one write: those of two starts are what is left of two that were
 * torn, and the batch may be one that a start has cut. But 0.1.0 went on from it; so it is part of
 * the log when something of a later start is chained to it. It knows of no reset.
 */
static int is_part_of_mixed(struct wal_walk *walk, const struct wal_file *file,
                            const struct wal_segment_header *segment,
                            const struct wal_batch_header *batch, uint32_t checksum, bool *is_part)
{
    if (segment->is_reset || batch->is_mark) {
        return 0;
    }
    return wal_walk_look_ahead(walk, file, batch, checksum, is_part);
}

static int step_over(struct wal_walk *walk, const struct wal_file *file,
                     const struct wal_segment_header *segment, uint64_t offset, enum step *step)
{
    struct wal_position at = {file->sequence, offset};
    const uint8_t *data;
    int status = wal_walk_bytes(walk, file, offset, DISK_SECTOR_BYTES, &data);
    if (status != 0) {
        return status;
    }
    *step = STEP_END;
    struct wal_batch_header header;
    uint32_t checksum;
    if (!wal_batch_header_decode(data, &header, &checksum)) {
        if (!wal_is_zero(data, DISK_SECTOR_BYTES)) {
            *step = end_here(walk, at, "a batch header that is not whole");
        }
        return 0;
    }
    const char *misfit = wal_batch_misfit(&header, &walk->due, at);
    if (misfit != NULL) {
        *step = end_here(walk, at, misfit);
        return 0;
    }
    if (offset == WAL_SEGMENT_HEADER_BYTES && header.generation != segment->generation) {
        bool is_part = false;
        status = is_part_of_mixed(walk, file, segment, &header, checksum, &is_part);
        if (status != 0 || !is_part) {
            (void)end_here(walk, at, "a batch that was not written with its segment's header");
            return status;
        }
    }
    if (header.is_mark) {
        note(walk, &header);
        walk->has_mark =
            wal_is_zero(data + WAL_BATCH_HEADER_BYTES, DISK_SECTOR_BYTES - WAL_BATCH_HEADER_BYTES);
        return 0;
    }
    return take_batch(walk, file, segment, &header, checksum, step);
}

int wal_walk_look_at_header(struct wal_walk *walk, size_t index, struct wal_segment_header *header,
                            enum wal_sector_kind *kind)
{
    const struct wal_file *file = &walk->files[index];
    struct wal_position at = {file->sequence, 0};
    const uint8_t *sector;
    uint64_t there = min_u64(file->size_bytes, WAL_SEGMENT_HEADER_BYTES);
    int status = wal_walk_bytes(walk, file, 0, there, &sector);
    if (status != 0) {
        return status;
    }
    *kind = WAL_SECTOR_ZERO;
    if (there < WAL_SEGMENT_HEADER_BYTES) {
        bool is_unfinished = index + 1 == walk->file_count && wal_is_zero(sector, there);
        return is_unfinished ? 0 : damage(walk, file->sequence, 0, "the file was cut short");
    }
    *kind = wal_segment_header_decode(sector, header);
    if (*kind != WAL_SECTOR_WHOLE) {
        return 0;
    }
    if (!wal_version_is_known(header->version)) {
        return wal_walk_refuse(walk, QR_ERR_VERSION, at, "a format that this version cannot read",
                               "use the version of quorate that wrote it");
    }
    if (header->node != walk->options->node) {
        return wal_walk_refuse(walk, QR_ERR_FOREIGN, at, "the log of another node",
                               "put this node's own files back");
    }
    if (header->sequence != file->sequence) {
        return damage(walk, file->sequence, 0, "the segment has the name of another one");
    }
    /* Also that of one that a crash left alone: a later first batch may come to stand under it. */
    walk->generation_max = max_u64(walk->generation_max, header->generation);
    return 0;
}

/* The log begins here: what led to it stands in the header. */
static void begin_with(struct wal_walk *walk, const struct wal_segment_header *header)
{
    walk->cursor = (struct wal_cursor){
        .at = {header->sequence, 0},
        .number = header->number,
        .generation = 0, /* of the batch before: the first one here may be older than the header */
        .chain = header->chain,
        .base = header->base,
        .last_index = header->first_index - 1,
        .hard_state = header->hard_state,
        .commit_index = header->commit_index,
    };
    walk->commit_index = header->commit_index;
    walk->missing_through = walk->cursor.last_index;
}

/* Read a segment's header and tell whether the log goes on there. */
static int open_segment(struct wal_walk *walk, size_t index, struct wal_segment_header *header,
                        enum step *step)
{
    const struct wal_file *file = &walk->files[index];
    struct wal_position at = {file->sequence, 0};
    enum wal_sector_kind kind;
    *step = STEP_END;
    int status = wal_walk_look_at_header(walk, index, header, &kind);
    if (status != 0 || kind == WAL_SECTOR_ZERO) {
        return status;
    }
    if (kind == WAL_SECTOR_BAD) {
        (void)end_here(walk, at, "a segment header that is not whole");
        return 0;
    }
    if (file->sequence > 1 && index == 0) {
        begin_with(walk, header);
    }
    const char *misfit = wal_segment_misfit(header, &walk->cursor);
    if (misfit != NULL) {
        (void)end_here(walk, at, misfit);
        return 0;
    }
    if (header->first_index < 1 || header->first_index > WAL_INDEX_MAX) {
        return damage(walk, file->sequence, 0, "a segment of an impossible index");
    }
    if (header->segment_bytes < WAL_SEGMENT_BYTES_MIN ||
        header->segment_bytes > WAL_SEGMENT_BYTES_MAX ||
        header->segment_bytes % DISK_SECTOR_BYTES != 0) {
        return damage(walk, file->sequence, 0, "a segment of an impossible size");
    }
    if (file->size_bytes < header->segment_bytes) {
        return damage(walk, file->sequence, file->size_bytes, "the file was cut short");
    }
    *step = STEP_ON;
    return 0;
}

/* Walk one segment as far as it goes. `step` is STEP_END when the log does not reach it. */
static int walk_segment(struct wal_walk *walk, size_t index, enum step *step)
{
    const struct wal_file *file = &walk->files[index];
    struct wal_segment_header header;
    int status = open_segment(walk, index, &header, step);
    if (status != 0 || *step == STEP_END) {
        return status;
    }
    walk->due = walk->cursor;
    if (header.is_reset) {
        wal_cursor_reset(&walk->due, &header.base);
    }
    uint64_t offset = WAL_SEGMENT_HEADER_BYTES;
    enum step inner = STEP_ON;
    while (inner == STEP_ON && offset + DISK_SECTOR_BYTES <= header.segment_bytes) {
        status = step_over(walk, file, &header, offset, &inner);
        if (status != 0) {
            return status;
        }
        offset = walk->cursor.at.offset;
    }
    *step = walk->cursor.at.sequence == file->sequence ? STEP_ON : STEP_END;
    return 0;
}

/* A log that was truncated begins with a later segment, and its base says so. One that lost its
 * first segments otherwise has entries to show that are neither there nor below the base.
 */
static int check_beginning(struct wal_walk *walk)
{
    uint64_t first = walk->file_count > 0 ? walk->files[0].sequence : 1;
    if (first > 1 && walk->cursor.at.sequence == first && walk->cursor.at.offset == 0) {
        return damage(walk, first, 0, "the files before it are gone, and nothing here is whole");
    }
    if (walk->cursor.base.index < walk->missing_through) {
        return damage(walk, first - 1, 0, "the file is missing, and what it held is still needed");
    }
    return 0;
}

int wal_walk_run(struct wal_walk *walk)
{
    int status = list_files(walk);
    if (status != 0) {
        return status;
    }
    enum step step = STEP_ON;
    for (size_t i = 0; i < walk->file_count && step == STEP_ON; i++) {
        status = walk_segment(walk, i, &step);
        if (status != 0) {
            return status;
        }
    }
    status = wal_walk_judge_tail(walk);
    if (status == 0) {
        status = check_beginning(walk);
    }
    if (status == 0 && walk->generation_max == UINT64_MAX) {
        /* The next one would be lower, and what is written in it lost at the start after. */
        return damage(walk, walk->cursor.at.sequence, walk->cursor.at.offset,
                      "a batch of the last generation there is");
    }
    return status;
}
