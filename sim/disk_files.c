/* disk_files.c: the disk's calls that end before they return, and its names.
 *
 * Owns     the two directories: what a process sees, and what a power loss leaves. A change of
 *          names that is not synced is in the first and in a list.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sim/disk_internal.h"

/* Lists downwards: nobody may rely on an order. */
int sim_disk_list(void *context,
                  void (*each)(void *argument, const char *name, uint64_t size_bytes),
                  void *argument)
{
    struct sim_disk *disk = context;
    if (disk->is_down || sim_disk_call_fails(disk, SIM_DISK_LIST)) {
        return QR_ERR_IO;
    }
    for (size_t i = disk->file_count; i > 0; i--) {
        const struct sim_disk_file *file = disk->files[i - 1];
        if (file->name[0] != '\0') {
            each(argument, file->name, file->content.size_bytes);
        }
    }
    return 0;
}

/* Fail the read that was asked to; for good, by a sector of its range. */
static bool read_fails(struct sim_disk *disk, struct sim_disk_file *file, uint64_t offset,
                       uint64_t size_bytes)
{
    uint64_t first = offset / SECTOR_BYTES;
    uint64_t end = sim_disk_sectors(offset + size_bytes);
    if (disk->read_fails && size_bytes > 0) {
        disk->read_fails = false;
        disk->stats.failure_count++;
        if (disk->read_fails_for_good) {
            uint64_t number = first + sim_disk_draw(disk, end - first - 1);
            struct sim_disk_sector *sector = sim_disk_sector_make(disk, &file->content, number);
            disk->bad_count += !sector->is_bad;
            sector->is_bad = true;
        }
        return true;
    }
    for (uint64_t i = first; disk->bad_count > 0 && i < end; i++) {
        const struct sim_disk_sector *sector = sim_disk_sector_at(&file->content, i);
        if (sector != NULL && sector->is_bad) {
            return true;
        }
    }
    return false;
}

int sim_disk_read(void *context, const char *name, uint64_t offset, struct build_part part,
                  size_t *read_bytes)
{
    struct sim_disk *disk = context;
    if (disk->is_down) {
        return QR_ERR_IO;
    }
    struct sim_disk_file *file = sim_disk_find(disk, name);
    if (file == NULL) {
        return QR_ERR_NOT_FOUND;
    }
    uint64_t size_bytes = file->content.size_bytes;
    uint64_t left = offset < size_bytes ? size_bytes - offset : 0;
    uint64_t wanted = min_u64(part.size_bytes, left);
    if (read_fails(disk, file, offset, wanted)) {
        return QR_ERR_IO;
    }
    sim_disk_content_read(&file->content, offset, part.data, wanted);
    *read_bytes = wanted;
    disk->stats.read_count++;
    return 0;
}

bool sim_disk_has_room(const struct sim_disk *disk, const struct sim_disk_file *replaced,
                       uint64_t size_bytes)
{
    uint64_t used =
        sim_disk_used_bytes(disk) - (replaced != NULL ? replaced->content.size_bytes : 0);
    return used <= disk->room_bytes && size_bytes <= disk->room_bytes - used;
}

void sim_disk_sync_sectors(struct sim_disk *disk, struct sim_disk_file *file, bool fails)
{
    for (uint64_t i = 0; i < sim_disk_sectors(file->content.size_bytes); i++) {
        struct sim_disk_sector *sector = sim_disk_sector_at(&file->content, i);
        if (sector == NULL || sector->unsynced == 0) {
            continue;
        }
        struct sim_disk_unsynced *unsynced = &disk->unsynced[sector->unsynced - 1];
        unsynced->is_lost = unsynced->is_lost || fails;
        if (!unsynced->is_lost) {
            sim_disk_sector_synced(disk, sector);
        }
    }
    if (!fails) {
        file->synced_bytes = file->content.size_bytes;
    }
}

/* Make the whole content new and unsynced. */
static void fill(struct sim_disk *disk, struct sim_disk_file *file, const void *data,
                 uint64_t size_bytes)
{
    if (file->is_fresh) {
        sim_disk_content_drop(disk, &file->content);
    } else {
        sim_disk_sync_sectors(disk, file, false);
        file->old = file->content;
    }
    file->content = sim_disk_content_of(size_bytes);
    sim_disk_content_write(disk, &file->content, 0, data, size_bytes);
    file->is_fresh = true;
    file->is_fresh_lost = false;
}

int sim_disk_write_file(void *context, const char *name, const void *data, size_t size_bytes)
{
    struct sim_disk *disk = context;
    if (disk->is_down) {
        return QR_ERR_IO;
    }
    struct sim_disk_file *file = sim_disk_find(disk, name);
    if (!sim_disk_has_room(disk, file, size_bytes)) {
        return QR_ERR_DISK_FULL;
    }
    bool fails = sim_disk_call_fails(disk, SIM_DISK_WRITE_FILE);
    if (file == NULL) {
        file = sim_disk_file_add(disk, 0);
        sim_disk_rename_unsynced(disk, file, name);
    }
    fill(disk, file, data, fails ? sim_disk_draw(disk, size_bytes) : size_bytes);
    return fails ? QR_ERR_IO : 0;
}

void sim_disk_file_settled(struct sim_disk *disk, struct sim_disk_file *file)
{
    sim_disk_content_drop(disk, &file->old);
    file->is_fresh = false;
    file->is_fresh_lost = false;
}

int sim_disk_sync_file(void *context, const char *name)
{
    struct sim_disk *disk = context;
    struct sim_disk_file *file = disk->is_down ? NULL : sim_disk_find(disk, name);
    if (file == NULL) {
        return QR_ERR_IO;
    }
    bool fails = sim_disk_call_fails(disk, SIM_DISK_SYNC_FILE);
    sim_disk_sync_sectors(disk, file, fails);
    file->is_fresh_lost = file->is_fresh && (file->is_fresh_lost || fails);
    if (file->is_fresh && !file->is_fresh_lost) {
        sim_disk_file_settled(disk, file);
    }
    return fails ? QR_ERR_IO : 0;
}

/* Take the name from whoever has it, as processes see it. */
static void take_name(struct sim_disk *disk, const char *name)
{
    struct sim_disk_file *file = name[0] == '\0' ? NULL : sim_disk_find(disk, name);
    if (file != NULL) {
        sim_disk_file_call(disk, file, "");
    }
}

static void take_durable_name(struct sim_disk *disk, const char *name)
{
    for (size_t i = 0; i < disk->file_count; i++) {
        if (strcmp(disk->files[i]->durable_name, name) == 0) {
            disk->files[i]->durable_name[0] = '\0';
        }
    }
}

void sim_disk_rename_unsynced(struct sim_disk *disk, struct sim_disk_file *file, const char *to)
{
    sim_disk_grow((void **)&disk->names, &disk->name_capacity, disk->name_count + 1,
                  sizeof(*disk->names));
    struct sim_disk_name_change *change = &disk->names[disk->name_count++];
    *change = (struct sim_disk_name_change){.file = file};
    sim_disk_name_copy(change->from, file->name);
    sim_disk_name_copy(change->to, to);
    take_name(disk, to);
    sim_disk_file_call(disk, file, to);
}

int sim_disk_rename_file(void *context, const char *from, const char *to)
{
    struct sim_disk *disk = context;
    struct sim_disk_file *file = disk->is_down ? NULL : sim_disk_find(disk, from);
    if (file == NULL || sim_disk_call_fails(disk, SIM_DISK_RENAME_FILE)) {
        return QR_ERR_IO;
    }
    if (strcmp(from, to) != 0) {
        sim_disk_rename_unsynced(disk, file, to);
    }
    return 0;
}

/* What is in the list happens on the disk, as far as it still can. */
static void apply(struct sim_disk *disk, const struct sim_disk_name_change *change)
{
    struct sim_disk_file *file = change->file;
    if (change->to[0] != '\0') {
        take_durable_name(disk, change->to);
        sim_disk_name_copy(file->durable_name, change->to);
    } else if (strcmp(file->durable_name, change->from) == 0) {
        file->durable_name[0] = '\0';
    }
}

void sim_disk_settle_names(struct sim_disk *disk, uint64_t keep, uint64_t keep_lost)
{
    for (size_t i = 0; i < disk->name_count; i++) {
        const struct sim_disk_name_change *change = &disk->names[i];
        uint64_t eighths = change->is_lost ? keep_lost : keep;
        if (eighths == KEEP_ALL || sim_disk_draw(disk, KEEP_ALL - 1) < eighths) {
            apply(disk, change);
        }
    }
    disk->name_count = 0;
}

int sim_disk_sync_names(void *context)
{
    struct sim_disk *disk = context;
    if (disk->is_down) {
        return QR_ERR_IO;
    }
    bool fails = sim_disk_call_fails(disk, SIM_DISK_SYNC_NAMES);
    size_t kept = 0;
    for (size_t i = 0; i < disk->name_count; i++) {
        struct sim_disk_name_change *change = &disk->names[i];
        change->is_lost = change->is_lost || fails;
        if (change->is_lost) {
            disk->names[kept++] = *change;
        } else {
            apply(disk, change);
        }
    }
    disk->name_count = kept;
    sim_disk_collect(disk);
    return fails ? QR_ERR_IO : 0;
}

void sim_disk_prepare_in_part(struct sim_disk *disk, const char *name, uint64_t size_bytes)
{
    if (sim_disk_draw(disk, 2) == 0) {
        return;
    }
    bool is_whole = sim_disk_draw(disk, 2) == 0;
    uint64_t reached = sim_disk_draw(disk, size_bytes);
    struct sim_disk_file *file = sim_disk_file_add(disk, is_whole ? size_bytes : reached);
    file->is_fresh = true;
    sim_disk_rename_unsynced(disk, file, name);
}

int sim_disk_prepare(void *context, const char *name, uint64_t size_bytes)
{
    struct sim_disk *disk = context;
    if (disk->is_down) {
        return QR_ERR_IO;
    }
    if (!sim_disk_has_room(disk, sim_disk_find(disk, name), size_bytes)) {
        return QR_ERR_DISK_FULL;
    }
    if (sim_disk_call_fails(disk, SIM_DISK_PREPARE)) {
        sim_disk_prepare_in_part(disk, name, size_bytes);
        return QR_ERR_IO;
    }
    take_name(disk, name);
    take_durable_name(disk, name);
    sim_disk_collect(disk);
    struct sim_disk_file *file = sim_disk_file_add(disk, size_bytes);
    sim_disk_file_call(disk, file, name);
    sim_disk_name_copy(file->durable_name, name);
    return 0;
}

int sim_disk_remove(struct sim_disk *disk, const char *name)
{
    if (sim_disk_call_fails(disk, SIM_DISK_REMOVE)) {
        return QR_ERR_IO;
    }
    take_name(disk, name);
    take_durable_name(disk, name);
    sim_disk_collect(disk);
    return 0;
}
