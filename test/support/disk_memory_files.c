/* disk_memory_files.c: the files of a disk in memory, under names that may not be durable. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/disk_memory_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

void *disk_memory_allocate(size_t count, size_t item_bytes)
{
    void *memory = calloc(count > 0 ? count : 1, item_bytes);
    ASSERT(memory != NULL);
    return memory;
}

void disk_memory_name_copy(char *out, const char *name)
{
    size_t length = strlen(name);
    ASSERT(length < DISK_NAME_BYTES_MAX);
    memcpy(out, name, length + 1);
}

struct disk_memory_file *disk_memory_find(struct disk_memory *memory, const char *name)
{
    ASSERT(name[0] != '\0');
    for (size_t i = 0; i < memory->file_count; i++) {
        if (strcmp(memory->files[i].name, name) == 0) {
            return &memory->files[i];
        }
    }
    return NULL;
}

static struct disk_memory_file *find_durable(struct disk_memory *memory, const char *name)
{
    for (size_t i = 0; i < memory->file_count; i++) {
        if (strcmp(memory->files[i].durable_name, name) == 0) {
            return &memory->files[i];
        }
    }
    return NULL;
}

static size_t sectors_of(uint64_t size_bytes)
{
    return (size_t)((size_bytes + DISK_SECTOR_BYTES - 1) / DISK_SECTOR_BYTES);
}

static void file_free(struct disk_memory_file *file)
{
    free(file->seen);
    free(file->durable);
    free(file->is_synced);
}

static void file_fill(struct disk_memory_file *file, uint64_t size_bytes)
{
    file->size_bytes = size_bytes;
    file->room_bytes = size_bytes;
    file->seen = disk_memory_allocate(size_bytes, 1);
    file->durable = disk_memory_allocate(size_bytes, 1);
    file->is_synced = disk_memory_allocate(size_bytes / DISK_SECTOR_BYTES + 1, 1);
    file->is_unsynced = false;
    file->has_sync_failed = false;
}

/* A file without a name, and without content. */
static struct disk_memory_file *file_add(struct disk_memory *memory)
{
    ASSERT(memory->file_count < DISK_MEMORY_FILES_MAX);
    struct disk_memory_file *file = &memory->files[memory->file_count++];
    *file = (struct disk_memory_file){.number = ++memory->file_number_last};
    return file;
}

/* Forget the files that no name leads to, now or after a crash. */
static void drop_nameless(struct disk_memory *memory)
{
    size_t kept = 0;
    for (size_t i = 0; i < memory->file_count; i++) {
        struct disk_memory_file *file = &memory->files[i];
        if (file->name[0] == '\0' && file->durable_name[0] == '\0') {
            file_free(file);
        } else {
            memory->files[kept++] = *file;
        }
    }
    memory->file_count = kept;
}

void disk_memory_sync_names(struct disk_memory *memory)
{
    for (size_t i = 0; i < memory->file_count; i++) {
        struct disk_memory_file *file = &memory->files[i];
        disk_memory_name_copy(file->durable_name, file->name);
    }
    memory->naming_count = 0;
    drop_nameless(memory);
}

struct disk_memory_file *disk_memory_make(struct disk_memory *memory, const char *name,
                                          uint64_t size_bytes)
{
    disk_memory_sync_names(memory);
    struct disk_memory_file *file = disk_memory_find(memory, name);
    if (file == NULL) {
        file = file_add(memory);
        disk_memory_name_copy(file->name, name);
        disk_memory_name_copy(file->durable_name, name);
    } else {
        file_free(file);
    }
    file_fill(file, size_bytes);
    return file;
}

void disk_memory_remove(struct disk_memory *memory, const char *name)
{
    struct disk_memory_file *file = disk_memory_find(memory, name);
    ASSERT(file != NULL);
    file->name[0] = '\0';
    disk_memory_sync_names(memory);
}

void disk_memory_resize(struct disk_memory *memory, const char *name, uint64_t size_bytes)
{
    struct disk_memory_file *file = disk_memory_find(memory, name);
    ASSERT(file != NULL);
    struct disk_memory_file old = *file;
    file_fill(file, size_bytes);
    uint64_t kept = min_u64(old.size_bytes, size_bytes);
    memcpy(file->seen, old.seen, kept);
    memcpy(file->durable, old.durable, kept);
    file_free(&old);
}

void disk_memory_grow(struct disk_memory_file *file, uint64_t size_bytes)
{
    struct disk_memory_file old = *file;
    ASSERT(size_bytes >= old.size_bytes);
    if (size_bytes > old.room_bytes) {
        file_fill(file, 2 * size_bytes);
        memcpy(file->seen, old.seen, old.size_bytes);
        memcpy(file->durable, old.durable, old.size_bytes);
        memcpy(file->is_synced, old.is_synced, old.size_bytes / DISK_SECTOR_BYTES);
        file_free(&old);
    }
    size_t added = (size_t)(size_bytes - old.size_bytes);
    memset(file->seen + old.size_bytes, 0, added);
    memset(file->durable + old.size_bytes, 0, added);
    memset(file->is_synced + old.size_bytes / DISK_SECTOR_BYTES, 0, added / DISK_SECTOR_BYTES);
    file->size_bytes = size_bytes;
    file->is_unsynced = false;
    file->has_sync_failed = false;
}

void disk_memory_write(struct disk_memory *memory, const char *name, uint64_t offset,
                       const void *data, size_t size_bytes)
{
    struct disk_memory_file *file = disk_memory_find(memory, name);
    ASSERT(file != NULL);
    ASSERT(offset + size_bytes <= file->size_bytes);
    memcpy(file->seen + offset, data, size_bytes);
    memcpy(file->durable + offset, data, size_bytes);
}

void disk_memory_flip(struct disk_memory *memory, const char *name, uint64_t offset, unsigned bit)
{
    struct disk_memory_file *file = disk_memory_find(memory, name);
    ASSERT(file != NULL);
    ASSERT(offset < file->size_bytes);
    uint8_t flipped = (uint8_t)(file->seen[offset] ^ (1U << bit));
    disk_memory_write(memory, name, offset, &flipped, 1);
}

/* From now on the name leads to this file; durably so only after disk_memory_sync_names(). */
static void file_name(struct disk_memory *memory, struct disk_memory_file *file, const char *name)
{
    struct disk_memory_file *old = disk_memory_find(memory, name);
    if (old != NULL) {
        old->name[0] = '\0';
    }
    disk_memory_name_copy(file->name, name);
    ASSERT(memory->naming_count < DISK_MEMORY_NAMINGS_MAX);
    struct disk_memory_naming *naming = &memory->namings[memory->naming_count++];
    naming->file_number = file->number;
    disk_memory_name_copy(naming->name, name);
}

struct disk_memory_file *disk_memory_aside(struct disk_memory *memory, const char *name,
                                           uint64_t offset)
{
    char aside[DISK_NAME_BYTES_MAX];
    size_t length = strlen(name);
    ASSERT(length + sizeof(DISK_TEMPORARY_SUFFIX) <= sizeof(aside));
    memcpy(aside, name, length);
    memcpy(aside + length, DISK_TEMPORARY_SUFFIX, sizeof(DISK_TEMPORARY_SUFFIX));
    if (offset > 0) {
        return disk_memory_find(memory, aside);
    }
    struct disk_memory_file *file = file_add(memory);
    file_name(memory, file, aside);
    file_fill(file, 0);
    file->is_stored = true;
    return file;
}

void disk_memory_write_whole(struct disk_memory *memory, const char *name, const void *data,
                             size_t size_bytes)
{
    struct disk_memory_file *file = disk_memory_find(memory, name);
    if (file == NULL) {
        file = file_add(memory);
        file_name(memory, file, name);
    } else {
        file_free(file);
    }
    file_fill(file, size_bytes);
    memcpy(file->seen, data, size_bytes);
    file->is_unsynced = true;
}

void disk_memory_sync_whole(struct disk_memory_file *file)
{
    /* After a failed sync the kernel takes the pages for clean: the next one does nothing. */
    if (file->is_unsynced && !file->has_sync_failed) {
        memcpy(file->durable, file->seen, file->size_bytes);
        file->is_unsynced = false;
    }
}

void disk_memory_rename(struct disk_memory *memory, struct disk_memory_file *file, const char *to)
{
    file_name(memory, file, to);
}

size_t disk_memory_file_choices(const struct disk_memory *memory)
{
    size_t count = memory->naming_count;
    for (size_t i = 0; i < memory->file_count; i++) {
        const struct disk_memory_file *file = &memory->files[i];
        count += file->is_unsynced ? 1 + sectors_of(file->size_bytes) : 0;
        count += file->is_stored && file->synced_bytes < file->size_bytes;
    }
    return count;
}

/* The file is empty, or as long as it was written; of its sectors some are zeros. */
static size_t crash_file(struct disk_memory_file *file, size_t number,
                         bool (*keep)(void *context, size_t number), void *context)
{
    size_t sectors = sectors_of(file->size_bytes);
    bool is_empty = keep == NULL || !keep(context, number++);
    for (size_t i = 0; i < sectors && !is_empty; i++) {
        size_t at = i * DISK_SECTOR_BYTES;
        if (keep(context, number + i)) {
            memcpy(file->durable + at, file->seen + at,
                   min_u64(DISK_SECTOR_BYTES, file->size_bytes - at));
        }
    }
    file->size_bytes = is_empty ? 0 : file->size_bytes;
    file->is_unsynced = false;
    file->has_sync_failed = false;
    return 1 + sectors;
}

static void crash_naming(struct disk_memory *memory, const struct disk_memory_naming *naming)
{
    struct disk_memory_file *old = find_durable(memory, naming->name);
    if (old != NULL) {
        old->durable_name[0] = '\0';
    }
    for (size_t i = 0; i < memory->file_count; i++) {
        if (memory->files[i].number == naming->file_number) {
            disk_memory_name_copy(memory->files[i].durable_name, naming->name);
        }
    }
}

void disk_memory_crash_files(struct disk_memory *memory, size_t first,
                             bool (*keep)(void *context, size_t number), void *context)
{
    size_t number = first;
    for (size_t i = 0; i < memory->naming_count; i++) {
        if (keep != NULL && keep(context, number + i)) {
            crash_naming(memory, &memory->namings[i]);
        }
    }
    number += memory->naming_count;
    memory->naming_count = 0;
    for (size_t i = 0; i < memory->file_count; i++) {
        struct disk_memory_file *file = &memory->files[i];
        number += file->is_unsynced ? crash_file(file, number, keep, context) : 0;
        if (file->is_stored && file->synced_bytes < file->size_bytes) {
            bool is_kept = keep != NULL && keep(context, number++);
            file->size_bytes = is_kept ? file->size_bytes : file->synced_bytes;
        }
        file->synced_bytes = file->size_bytes;
        disk_memory_name_copy(file->name, file->durable_name);
        memcpy(file->seen, file->durable, file->size_bytes);
        memset(file->is_synced, 0, file->size_bytes / DISK_SECTOR_BYTES + 1);
    }
    drop_nameless(memory);
}

void disk_memory_copy_files(struct disk_memory *copy, const struct disk_memory *memory)
{
    for (size_t i = 0; i < memory->file_count; i++) {
        const struct disk_memory_file *from = &memory->files[i];
        struct disk_memory_file *file = file_add(copy);
        *file = *from;
        file_fill(file, from->size_bytes);
        file->is_unsynced = from->is_unsynced;
        file->has_sync_failed = from->has_sync_failed;
        memcpy(file->is_synced, from->is_synced, from->size_bytes / DISK_SECTOR_BYTES + 1);
        memcpy(file->seen, from->seen, from->size_bytes);
        memcpy(file->durable, from->durable, from->size_bytes);
    }
    copy->file_number_last = memory->file_number_last;
    memcpy(copy->namings, memory->namings, sizeof(copy->namings));
    copy->naming_count = memory->naming_count;
}

static struct disk_memory_file *make_like(struct disk_memory *memory,
                                          const struct disk_memory_file *from)
{
    struct disk_memory_file *file = disk_memory_find(memory, from->name);
    if (file == NULL || file->size_bytes != from->size_bytes) {
        file = disk_memory_make(memory, from->name, from->size_bytes);
    }
    return file;
}

void disk_memory_restore(struct disk_memory *memory, struct disk_memory *saved)
{
    ASSERT(memory->first == NULL);
    ASSERT(saved->unsynced_count + disk_memory_file_choices(saved) == 0);
    for (size_t i = memory->file_count; i > 0; i--) {
        if (disk_memory_find(saved, memory->files[i - 1].name) == NULL) {
            disk_memory_remove(memory, memory->files[i - 1].name);
        }
    }
    for (size_t i = 0; i < saved->file_count; i++) {
        const struct disk_memory_file *from = &saved->files[i];
        struct disk_memory_file *file = make_like(memory, from);
        memcpy(file->seen, from->seen, from->size_bytes);
        memcpy(file->durable, from->durable, from->size_bytes);
        memset(file->is_synced, 0, from->size_bytes / DISK_SECTOR_BYTES + 1);
    }
    memory->unsynced_count = 0;
    memory->has_write_failed = false;
}

void disk_memory_free_files(struct disk_memory *memory)
{
    for (size_t i = 0; i < memory->file_count; i++) {
        file_free(&memory->files[i]);
    }
    memory->file_count = 0;
}
