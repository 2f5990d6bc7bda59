/* disk_crash.c: how the disk goes down, what is left then, and how it comes up.
 *
 * Owns     the chances of what survives.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sim/disk_internal.h"

#define KEEP_LOST 2      /* eighths of what a failed write got to the device after all */
#define TORN_ONE_OF 12   /* sectors of a crash that tears */
#define TEARING_ONE_OF 2 /* crashes */
#define GARBAGE_ONE_OF 4 /* torn sectors */

struct chances {
    uint64_t keep; /* eighths */
    uint64_t keep_lost;
    bool is_tearing;
};

static void leave_writes(struct sim_disk *disk)
{
    const struct sim_disk_queue *queue = &disk->queues[BUILD_WRITE];
    uint64_t reached = sim_disk_draw(disk, queue->count);
    for (size_t i = 0; i < queue->count && i <= reached; i++) {
        const struct sim_disk_waiting *waiting = sim_disk_queue_at(queue, i);
        uint64_t sectors = sim_disk_op_sectors(waiting->op);
        if (i == reached) {
            sectors = sim_disk_draw(disk, sectors);
        }
        sim_disk_write_unsynced(disk, waiting->op, sectors,
                                waiting->number <= disk->failing_through);
    }
}

/* Pending operations get as far as they get. */
static void leave_pending(struct sim_disk *disk)
{
    leave_writes(disk);
    sim_disk_leave_stores(disk);
    const struct sim_disk_queue *prepares = &disk->queues[BUILD_PREPARE];
    for (size_t i = 0; i < prepares->count; i++) {
        const struct build_op *op = sim_disk_queue_at(prepares, i)->op;
        sim_disk_prepare_in_part(disk, op->name, op->size_bytes);
    }
    const struct sim_disk_queue *removes = &disk->queues[BUILD_REMOVE];
    for (size_t i = 0; i < removes->count; i++) {
        struct sim_disk_file *file = sim_disk_find(disk, sim_disk_queue_at(removes, i)->op->name);
        if (sim_disk_draw(disk, 1) == 0 && file != NULL) {
            sim_disk_rename_unsynced(disk, file, "");
        }
    }
}

void sim_disk_process_crash(struct sim_disk *disk)
{
    if (!disk->is_down) {
        leave_pending(disk);
        disk->is_down = true;
    }
}

/* A sector that was being written when power went: half of it, or nothing that makes sense. */
static void tear(struct sim_disk *disk, uint8_t *bytes, const uint8_t *before)
{
    bool is_garbage = sim_disk_draw(disk, GARBAGE_ONE_OF - 1) == 0;
    uint64_t cut = sim_disk_draw(disk, SECTOR_BYTES - 2) + 1;
    if (!is_garbage) {
        memcpy(bytes + cut, before + cut, SECTOR_BYTES - cut);
        return;
    }
    for (size_t i = 0; i < SECTOR_BYTES; i++) {
        bytes[i] = (uint8_t)sim_disk_draw(disk, UINT8_MAX);
    }
}

/* Whether this version of a sector is what the device has; if not, the one before it is
 * looked at next.
 */
static bool survives(struct sim_disk *disk, const struct chances *chances, uint8_t *bytes,
                     const struct sim_disk_unsynced *unsynced)
{
    if (chances->is_tearing && sim_disk_draw(disk, TORN_ONE_OF - 1) == 0) {
        tear(disk, bytes, unsynced->before);
        return true;
    }
    uint64_t eighths = unsynced->is_lost ? chances->keep_lost : chances->keep;
    if (sim_disk_draw(disk, KEEP_ALL - 1) < eighths) {
        return true;
    }
    memcpy(bytes, unsynced->before, SECTOR_BYTES);
    return false;
}

static void settle_sector(struct sim_disk *disk, const struct chances *chances, uint32_t slot)
{
    struct sim_disk_file *file = disk->unsynced[slot - 1].file;
    uint32_t number = disk->unsynced[slot - 1].sector;
    uint8_t *bytes = sim_disk_bytes_at(&file->content, number);
    bool is_settled = false;
    for (uint32_t at = slot; at != 0 && !is_settled; at = disk->unsynced[at - 1].older) {
        is_settled = survives(disk, chances, bytes, &disk->unsynced[at - 1]);
    }
    sim_disk_sector_synced(disk, sim_disk_sector_at(&file->content, number));
}

static void settle_sectors(struct sim_disk *disk, const struct chances *chances)
{
    for (uint32_t slot = 1; slot <= disk->unsynced_count; slot++) {
        const struct sim_disk_unsynced *unsynced = &disk->unsynced[slot - 1];
        if (unsynced->file != NULL &&
            sim_disk_sector_at(&unsynced->file->content, unsynced->sector)->unsynced == slot) {
            settle_sector(disk, chances, slot);
        }
    }
    disk->unsynced_count = 0;
    disk->unsynced_free = 0;
}

/* The old content, nothing, a part, or all of it. */
static void settle_content(struct sim_disk *disk, const struct chances *chances,
                           struct sim_disk_file *file)
{
    uint64_t eighths = file->is_fresh_lost ? chances->keep_lost : chances->keep;
    if (eighths < KEEP_ALL) {
        uint64_t outcome = sim_disk_draw(disk, 3);
        uint64_t part = sim_disk_draw(disk, file->content.size_bytes);
        if (outcome == 0) {
            sim_disk_content_drop(disk, &file->content);
            file->content = file->old.blocks == NULL ? sim_disk_content_of(0) : file->old;
            file->old = (struct sim_disk_content){.blocks = NULL};
        } else if (outcome < 3) {
            sim_disk_content_cut(disk, &file->content, outcome == 1 ? 0 : part);
        }
    }
    sim_disk_file_settled(disk, file);
}

/* All that is unsynced is on the device or gone. */
static void settle(struct sim_disk *disk, const struct chances *chances)
{
    settle_sectors(disk, chances);
    sim_disk_settle_names(disk, chances->keep, chances->keep_lost);
    for (size_t i = 0; i < disk->file_count; i++) {
        struct sim_disk_file *file = disk->files[i];
        if (file->is_fresh) {
            settle_content(disk, chances, file);
        }
        if (file->is_stored) {
            sim_disk_settle_length(disk, file, chances->keep == KEEP_ALL);
        }
        sim_disk_file_call(disk, file, file->durable_name);
    }
    sim_disk_collect(disk);
}

void sim_disk_power_loss(struct sim_disk *disk)
{
    sim_disk_process_crash(disk);
    struct chances chances = {.keep = sim_disk_draw(disk, KEEP_ALL)};
    chances.keep_lost = min_u64(chances.keep, KEEP_LOST);
    chances.is_tearing = sim_disk_draw(disk, TEARING_ONE_OF - 1) == 0;
    settle(disk, &chances);
}

/* The sync failed: pages are clean now, whatever the device has. */
static void lose_unsynced(struct sim_disk *disk)
{
    for (size_t i = 0; i < disk->unsynced_count; i++) {
        disk->unsynced[i].is_lost = true;
    }
    for (size_t i = 0; i < disk->name_count; i++) {
        disk->names[i].is_lost = true;
    }
    for (size_t i = 0; i < disk->file_count; i++) {
        disk->files[i]->is_fresh_lost = disk->files[i]->is_fresh;
    }
}

int sim_disk_mount(struct sim_disk *disk)
{
    sim_disk_process_crash(disk);
    for (size_t i = 0; i < SIM_DISK_OP_KINDS; i++) {
        disk->queues[i].count = 0;
    }
    if (sim_disk_call_fails(disk, SIM_DISK_MOUNT)) {
        lose_unsynced(disk);
        return QR_ERR_IO;
    }
    settle(disk, &(struct chances){.keep = KEEP_ALL, .keep_lost = KEEP_LOST});
    disk->has_write_failed = false;
    disk->failing_through = 0;
    disk->is_down = false;
    return 0;
}
