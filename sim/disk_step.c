/* disk_step.c: what is submitted, and carrying it out.
 *
 * Owns     the queues, one for each kind, and the numbers by which disk_damage.c later knows what
 *          was reported before what.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sim/disk_internal.h"

static struct sim_disk_waiting *queue_push(struct sim_disk_queue *queue)
{
    if (queue->count == queue->capacity) {
        struct sim_disk_queue grown = {.capacity = queue->capacity == 0 ? 16 : 2 * queue->capacity};
        grown.items = malloc(grown.capacity * sizeof(*grown.items));
        ASSERT(grown.items != NULL);
        while (grown.count < queue->count) {
            grown.items[grown.count] = *sim_disk_queue_at(queue, grown.count);
            grown.count++;
        }
        free(queue->items);
        *queue = grown;
    }
    return sim_disk_queue_at(queue, queue->count++);
}

void sim_disk_submit(void *context, struct build_op *op)
{
    struct sim_disk *disk = context;
    unsigned queue = op->kind == BUILD_PUBLISH ? BUILD_STORE : op->kind; /* one lane for both */
    ASSERT(queue < SIM_DISK_OP_KINDS);
    if (op->kind == BUILD_WRITE && !disk->is_preparation_reported) {
        disk->bound = disk->reported_count;
    }
    if (op->kind == BUILD_WRITE && disk->has_write_failed && !disk->is_down) {
        disk->stats.writes_after_failure++;
    }
    *queue_push(&disk->queues[queue]) =
        (struct sim_disk_waiting){.op = op, .number = ++disk->submit_count, .bound = disk->bound};
}

size_t sim_disk_pending_count(const struct sim_disk *disk, enum build_op_kind kind)
{
    return disk->queues[kind].count;
}

bool sim_disk_first_kind(const struct sim_disk *disk, enum build_op_kind *kind)
{
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < SIM_DISK_OP_KINDS; i++) {
        const struct sim_disk_queue *queue = &disk->queues[i];
        if (queue->count > 0 && sim_disk_queue_at(queue, 0)->number < first) {
            first = sim_disk_queue_at(queue, 0)->number;
            *kind = (enum build_op_kind)i;
        }
    }
    return first != UINT64_MAX;
}

static uint64_t op_bytes(const struct build_op *op)
{
    uint64_t total = 0;
    for (size_t i = 0; i < op->part_count; i++) {
        total += op->parts[i].size_bytes;
    }
    return total;
}

uint64_t sim_disk_op_sectors(const struct build_op *op)
{
    return op_bytes(op) / SECTOR_BYTES;
}

void sim_disk_complain(struct sim_disk *disk, const struct build_op *op, const char *what)
{
    if (disk->complaint[0] != '\0') {
        return;
    }
    struct text text = text_of(disk->complaint, sizeof(disk->complaint));
    text_string(&text, op->name);
    text_string(&text, ", offset ");
    text_u64(&text, op->offset);
    text_string(&text, ": ");
    text_string(&text, what);
}

/* The file of a write that keeps to the rules, or NULL. */
static struct sim_disk_file *file_to_write(struct sim_disk *disk, const struct build_op *op)
{
    struct sim_disk_file *file = sim_disk_find(disk, op->name);
    uint64_t size_bytes = op_bytes(op);
    if (file == NULL) {
        sim_disk_complain(disk, op, "a write to a file that is not there");
        return NULL;
    }
    if (op->offset > file->content.size_bytes ||
        size_bytes > file->content.size_bytes - op->offset) {
        sim_disk_complain(disk, op, "a write beyond the end of the file");
        return NULL;
    }
    if (size_bytes == 0 || size_bytes % SECTOR_BYTES != 0 || op->offset % SECTOR_BYTES != 0) {
        sim_disk_complain(disk, op, "a write that is not of whole sectors");
        return NULL;
    }
    return file;
}

/* Copy the first bytes of an operation into its file. */
static void copy(struct sim_disk *disk, struct sim_disk_file *file, const struct build_op *op,
                 uint64_t bytes)
{
    uint64_t offset = op->offset;
    for (size_t i = 0; i < op->part_count && bytes > 0; i++) {
        uint64_t piece = min_u64(op->parts[i].size_bytes, bytes);
        sim_disk_content_write(disk, &file->content, offset, op->parts[i].data, piece);
        offset += piece;
        bytes -= piece;
    }
}

/* Keep what a sector holds that is about to be written again. */
static void keep_displaced(struct sim_disk *disk, const struct sim_disk_file *file, uint64_t sector)
{
    struct sim_disk_displaced *kept =
        &disk->displaced[disk->displaced_count++ % SIM_DISK_DISPLACED_MAX];
    kept->file = file;
    kept->sector = (uint32_t)sector;
    memcpy(kept->bytes, sim_disk_bytes_at(&file->content, sector), SECTOR_BYTES);
}

/* Every sector of a write passes here before its bytes are replaced. */
static struct sim_disk_sector *touch(struct sim_disk *disk, struct sim_disk_file *file,
                                     const struct build_op *op, uint64_t number)
{
    struct sim_disk_sector *sector = sim_disk_sector_make(disk, &file->content, number);
    if (sector->reported != 0) {
        sim_disk_complain(disk, op, "a sector that was synced and reported is written again");
    }
    if (sector->is_written) {
        keep_displaced(disk, file, number);
    }
    disk->bad_count -= sector->is_bad;
    disk->damaged_count -= sector->is_damaged;
    sector->is_written = true;
    sector->is_bad = false;
    sector->is_damaged = false;
    return sector;
}

void sim_disk_write_unsynced(struct sim_disk *disk, const struct build_op *op, uint64_t sectors,
                             bool is_lost)
{
    struct sim_disk_file *file = file_to_write(disk, op);
    if (file != NULL) {
        sim_disk_file_write_unsynced(disk, file, op, sectors, is_lost);
    }
}

void sim_disk_file_write_unsynced(struct sim_disk *disk, struct sim_disk_file *file,
                                  const struct build_op *op, uint64_t sectors, bool is_lost)
{
    uint64_t first = op->offset / SECTOR_BYTES;
    for (uint64_t i = first; i < first + sectors; i++) {
        struct sim_disk_sector *sector = touch(disk, file, op, i);
        uint32_t slot = sim_disk_slot_new(disk);
        struct sim_disk_unsynced *unsynced = &disk->unsynced[slot - 1];
        unsynced->file = file;
        unsynced->sector = (uint32_t)i;
        unsynced->older = sector->unsynced;
        unsynced->is_lost = is_lost;
        memcpy(unsynced->before, sim_disk_bytes_at(&file->content, i), SECTOR_BYTES);
        sector->unsynced = slot;
    }
    copy(disk, file, op, sectors * SECTOR_BYTES);
}

static void write_synced(struct sim_disk *disk, struct sim_disk_file *file,
                         const struct build_op *op)
{
    uint64_t bytes = op_bytes(op);
    uint64_t first = op->offset / SECTOR_BYTES;
    disk->reported_count++;
    for (uint64_t i = first; i < first + bytes / SECTOR_BYTES; i++) {
        struct sim_disk_sector *sector = touch(disk, file, op, i);
        if (sector->unsynced != 0) {
            sim_disk_sector_synced(disk, sector);
        }
        sector->reported = disk->reported_count;
    }
    copy(disk, file, op, bytes);
    disk->stats.sync_count++;
}

/* The write failed, somewhere, or its sync did. */
static int fail_write(struct sim_disk *disk, const struct build_op *op)
{
    uint64_t sectors = sim_disk_op_sectors(op);
    bool is_sync = sim_disk_draw(disk, 1) == 0;
    uint64_t reached = sim_disk_draw(disk, sectors);
    sim_disk_write_unsynced(disk, op, is_sync ? sectors : reached, true);
    return QR_ERR_IO;
}

static int carry_out_write(struct sim_disk *disk, const struct sim_disk_waiting *waiting)
{
    const struct build_op *op = waiting->op;
    struct sim_disk_file *file = file_to_write(disk, op);
    if (file == NULL) {
        return QR_ERR_IO;
    }
    if (waiting->number <= disk->failing_through) {
        return fail_write(disk, op);
    }
    if (op->is_synced && disk->write_fails) {
        disk->write_fails = false;
        disk->stats.failure_count++;
        return fail_write(disk, op);
    }
    disk->stats.write_count++;
    if (op->is_synced) {
        write_synced(disk, file, op);
        disk->witnessed = waiting->bound > disk->witnessed ? waiting->bound : disk->witnessed;
    } else {
        sim_disk_write_unsynced(disk, op, sim_disk_op_sectors(op), false);
    }
    return 0;
}

static int carry_out_read(struct sim_disk *disk, const struct build_op *op)
{
    ASSERT(op->part_count == 1);
    size_t got = 0;
    int status = sim_disk_read(disk, op->name, op->offset, op->parts[0], &got);
    if (status != 0) {
        return QR_ERR_IO;
    }
    return got < op->parts[0].size_bytes ? QR_ERR_CORRUPT : 0;
}

static int carry_out(struct sim_disk *disk, const struct sim_disk_waiting *waiting)
{
    const struct build_op *op = waiting->op;
    if (disk->is_down) {
        return QR_ERR_IO;
    }
    switch (op->kind) {
    case BUILD_WRITE:
        return carry_out_write(disk, waiting);
    case BUILD_READ:
        return carry_out_read(disk, op);
    case BUILD_PREPARE:
        return sim_disk_prepare(disk, op->name, op->size_bytes);
    case BUILD_REMOVE:
        return sim_disk_remove(disk, op->name);
    case BUILD_STORE:
        return sim_disk_store(disk, op);
    case BUILD_PUBLISH:
        return sim_disk_publish(disk, op);
    }
    ASSERT(false);
    return QR_ERR_INVALID;
}

bool sim_disk_step(struct sim_disk *disk, enum build_op_kind kind)
{
    struct sim_disk_queue *queue = &disk->queues[kind];
    if (queue->count == 0) {
        return false;
    }
    struct sim_disk_waiting waiting = *sim_disk_queue_at(queue, 0);
    queue->head = (queue->head + 1) & (queue->capacity - 1);
    queue->count--;

    struct build_op *op = waiting.op;
    op->status = carry_out(disk, &waiting);
    bool is_first_failure = kind == BUILD_WRITE && op->status != 0 && !disk->is_down &&
                            waiting.number > disk->failing_through;
    if (is_first_failure) {
        disk->has_write_failed = true;
        disk->failing_through = disk->submit_count;
    }
    disk->is_preparation_reported = kind == BUILD_PREPARE;
    op->done(op);
    disk->is_preparation_reported = false;
    return true;
}
