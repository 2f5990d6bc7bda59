/* disk_store.c: files that are written aside, piece by piece, and then given their name.
 *
 * Owns     the rule that a piece follows the one before, and what a crash leaves of the length.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/text.h"
#include "sim/disk_internal.h"

static void name_aside(const char *name, char *out)
{
    struct text text = text_of(out, BUILD_OP_NAME_BYTES_MAX);
    text_string(&text, name);
    text_string(&text, DISK_TEMPORARY_SUFFIX);
    ASSERT(!text.truncated);
}

/* The file that is written aside, emptied for its first piece; NULL when there is none. */
static struct sim_disk_file *file_aside(struct sim_disk *disk, const struct build_op *op)
{
    char aside[BUILD_OP_NAME_BYTES_MAX];
    name_aside(op->name, aside);
    if (op->offset > 0) {
        return sim_disk_find(disk, aside);
    }
    struct sim_disk_file *file = sim_disk_file_add(disk, 0);
    file->is_stored = true;
    sim_disk_rename_unsynced(disk, file, aside);
    return file;
}

/* Write the first `sectors` of a piece. */
static void write_piece(struct sim_disk *disk, struct sim_disk_file *file,
                        const struct build_op *op, uint64_t sectors, bool is_lost)
{
    sim_disk_content_grow(&file->content, op->offset + sectors * SECTOR_BYTES);
    sim_disk_file_write_unsynced(disk, file, op, sectors, is_lost);
}

static bool is_in_order(struct sim_disk *disk, const struct sim_disk_file *file,
                        const struct build_op *op)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < op->part_count; i++) {
        bytes += op->parts[i].size_bytes;
    }
    if (file == NULL || !file->is_stored || op->offset != file->content.size_bytes) {
        sim_disk_complain(disk, op, "a piece that does not follow the one before");
        return false;
    }
    if (bytes == 0 || bytes % SECTOR_BYTES != 0) {
        sim_disk_complain(disk, op, "a piece that is not of whole sectors");
        return false;
    }
    return true;
}

int sim_disk_store(struct sim_disk *disk, const struct build_op *op)
{
    struct sim_disk_file *file = file_aside(disk, op);
    if (!is_in_order(disk, file, op)) {
        return QR_ERR_IO;
    }
    uint64_t sectors = sim_disk_op_sectors(op);
    if (!sim_disk_has_room(disk, NULL, sectors * SECTOR_BYTES)) {
        return QR_ERR_DISK_FULL;
    }
    if (sim_disk_call_fails(disk, SIM_DISK_STORE)) {
        bool is_sync = op->is_synced && sim_disk_draw(disk, 1) == 0;
        write_piece(disk, file, op, is_sync ? sectors : sim_disk_draw(disk, sectors), true);
        sim_disk_sync_sectors(disk, file, true);
        return QR_ERR_IO;
    }
    write_piece(disk, file, op, sectors, false);
    if (op->is_synced) {
        sim_disk_sync_sectors(disk, file, false);
    }
    return 0;
}

int sim_disk_publish(struct sim_disk *disk, const struct build_op *op)
{
    char aside[BUILD_OP_NAME_BYTES_MAX];
    name_aside(op->name, aside);
    struct sim_disk_file *file = sim_disk_find(disk, aside);
    if (file == NULL) {
        sim_disk_complain(disk, op, "a file that is not there is given its name");
        return QR_ERR_IO;
    }
    if (!sim_disk_call_fails(disk, SIM_DISK_PUBLISH)) {
        sim_disk_rename_unsynced(disk, file, op->name);
        return sim_disk_sync_names(disk);
    }
    if (sim_disk_draw(disk, 1) == 0) {
        sim_disk_rename_unsynced(disk, file, op->name);
        disk->names[disk->name_count - 1].is_lost = true;
    }
    return QR_ERR_IO;
}

/* Pieces reached the kernel up to one of them, which did perhaps in part. */
void sim_disk_leave_stores(struct sim_disk *disk)
{
    const struct sim_disk_queue *queue = &disk->queues[BUILD_STORE];
    if (queue->count == 0) {
        return;
    }
    uint64_t reached = sim_disk_draw(disk, queue->count);
    for (size_t i = 0; i < queue->count && i <= reached; i++) {
        const struct build_op *op = sim_disk_queue_at(queue, i)->op;
        if (op->kind == BUILD_PUBLISH && i < reached) {
            char aside[BUILD_OP_NAME_BYTES_MAX];
            name_aside(op->name, aside);
            struct sim_disk_file *file = sim_disk_find(disk, aside);
            if (file != NULL) {
                sim_disk_rename_unsynced(disk, file, op->name);
            }
        }
        if (op->kind == BUILD_STORE) {
            struct sim_disk_file *file = file_aside(disk, op);
            uint64_t sectors = sim_disk_op_sectors(op);
            if (is_in_order(disk, file, op)) {
                write_piece(disk, file, op, i < reached ? sectors : sim_disk_draw(disk, sectors),
                            false);
            }
        }
    }
}

void sim_disk_settle_length(struct sim_disk *disk, struct sim_disk_file *file, bool is_kept)
{
    uint64_t written = file->content.size_bytes;
    if (!is_kept && written > file->synced_bytes) {
        uint64_t outcome = sim_disk_draw(disk, 3);
        uint64_t part = sim_disk_draw(disk, written - file->synced_bytes);
        if (outcome < 2) {
            sim_disk_content_cut(disk, &file->content,
                                 file->synced_bytes + (outcome == 0 ? 0 : part));
        }
    }
    file->synced_bytes = file->content.size_bytes;
}
