/* disk_view.c: reading what the worst power loss would leave. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sim/disk_internal.h"

static const struct sim_disk_content *durable(const struct sim_disk_file *file)
{
    return file->is_fresh ? &file->old : &file->content;
}

static uint64_t durable_bytes(const struct sim_disk_file *file)
{
    return file->is_stored ? file->synced_bytes : durable(file)->size_bytes;
}

static bool is_zero(const struct sim_disk_content *content)
{
    for (uint64_t i = 0; i < content->block_count; i++) {
        if (content->blocks[i] != NULL) {
            return false;
        }
    }
    return true;
}

static int list(void *context, void (*each)(void *argument, const char *name, uint64_t size_bytes),
                void *argument)
{
    const struct sim_disk *disk = context;
    for (size_t i = 0; i < disk->file_count; i++) {
        const struct sim_disk_file *file = disk->files[i];
        if (file->durable_name[0] != '\0' && !is_zero(durable(file))) {
            each(argument, file->durable_name, durable_bytes(file));
        }
    }
    return 0;
}

static const struct sim_disk_file *find(const struct sim_disk *disk, const char *name)
{
    for (size_t i = 0; i < disk->file_count; i++) {
        if (strcmp(disk->files[i]->durable_name, name) == 0) {
            return disk->files[i];
        }
    }
    return NULL;
}

/* Put what a sector held before its first unsynced version into what was read. */
static void take_back(const struct sim_disk_unsynced *unsynced, uint64_t offset,
                      struct disk_part part)
{
    uint64_t at = (uint64_t)unsynced->sector * SECTOR_BYTES;
    uint64_t first = max_u64(at, offset);
    uint64_t end = min_u64(at + SECTOR_BYTES, offset + part.size_bytes);
    if (first < end) {
        memcpy((uint8_t *)part.data + (first - offset), unsynced->before + (first - at),
               end - first);
    }
}

static int read(void *context, const char *name, uint64_t offset, struct disk_part part,
                size_t *read_bytes)
{
    const struct sim_disk *disk = context;
    const struct sim_disk_file *file = find(disk, name);
    if (file == NULL) {
        return QR_ERR_NOT_FOUND;
    }
    uint64_t size_bytes = durable_bytes(file);
    part.size_bytes = min_u64(part.size_bytes, offset < size_bytes ? size_bytes - offset : 0);
    *read_bytes = part.size_bytes;
    sim_disk_content_read(durable(file), offset, part.data, part.size_bytes);
    for (size_t i = 0; i < disk->unsynced_count && !file->is_fresh; i++) {
        if (disk->unsynced[i].file == file && disk->unsynced[i].older == 0) {
            take_back(&disk->unsynced[i], offset, part);
        }
    }
    return 0;
}

struct disk sim_disk_durable_view(struct sim_disk *disk)
{
    return (struct disk){.context = disk, .list = list, .read = read};
}
