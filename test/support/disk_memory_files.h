/* disk_memory_files.h: the files of a disk in memory, under names that may not be durable.
 *
 * Owns     what a crash leaves of names that were changed and of files that were written
 *          whole, neither of them synced. Sectors written by operations are disk_memory.c's.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_DISK_MEMORY_FILES_H
#define SUPPORT_DISK_MEMORY_FILES_H

#include "support/disk_memory.h"

/* Zeroed; there is always memory. */
void *disk_memory_allocate(size_t count, size_t item_bytes);

void disk_memory_name_copy(char *out, const char *name);

/* A durable file of zeros under a durable name, instead of one of that name if there is. */
struct disk_memory_file *disk_memory_make(struct disk_memory *memory, const char *name,
                                          uint64_t size_bytes);

/* Make `copy`, that holds no file yet, hold the same files. */
void disk_memory_copy_files(struct disk_memory *copy, const struct disk_memory *memory);

void disk_memory_free_files(struct disk_memory *memory);

/* The steps of disk_replace(), carried out. `size_bytes` may be a part of what was asked. */
void disk_memory_write_whole(struct disk_memory *memory, const char *name, const void *data,
                             size_t size_bytes);
void disk_memory_sync_whole(struct disk_memory_file *file);
void disk_memory_rename(struct disk_memory *memory, struct disk_memory_file *file, const char *to);
void disk_memory_sync_names(struct disk_memory *memory);

/* The file that is written aside for a name, as DISK_STORE writes it: at offset 0 a new one, empty.
 * Else NULL when there is none.
 */
struct disk_memory_file *disk_memory_aside(struct disk_memory *memory, const char *name,
                                           uint64_t offset);

/* Make a file longer, with zeros. */
void disk_memory_grow(struct disk_memory_file *file, uint64_t size_bytes);

/* How many choices a crash has about files and names; and the crash, where the first of
 * them is number `first`.
 */
size_t disk_memory_file_choices(const struct disk_memory *memory);
void disk_memory_crash_files(struct disk_memory *memory, size_t first,
                             bool (*keep)(void *context, size_t number), void *context);

#endif
