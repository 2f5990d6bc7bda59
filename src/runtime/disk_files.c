/* disk_files.c: a few descriptors kept open, by name, least recently used out first. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "runtime/disk_internal.h"

void disk_files_init(struct disk_files *files)
{
    *files = (struct disk_files){.clock = 0};
    int failed = pthread_mutex_init(&files->mutex, NULL);
    ASSERT(failed == 0);
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        files->files[i].descriptor = -1;
    }
}

/* A close that fails says nothing new: what had to be durable was synced. */
static void close_file(struct disk_file *file)
{
    ASSERT(file->hold_count == 0);
    (void)close(file->descriptor);
    file->descriptor = -1;
    file->name[0] = '\0';
}

void disk_files_deinit(struct disk_files *files)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        if (files->files[i].descriptor >= 0) {
            close_file(&files->files[i]);
        }
    }
    (void)pthread_mutex_destroy(&files->mutex);
}

static struct disk_file *find(struct disk_files *files, const char *name)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        if (files->files[i].descriptor >= 0 && strcmp(files->files[i].name, name) == 0) {
            return &files->files[i];
        }
    }
    return NULL;
}

/* A free place, or that of the file nobody used for longest. There is one: the writer holds at
 * most DISK_SYNC_FILES_MAX, and each of three other threads one.
 */
static struct disk_file *make_place(struct disk_files *files)
{
    _Static_assert(DISK_FILES_MAX > DISK_SYNC_FILES_MAX + 3, "a place can always be made");
    struct disk_file *oldest = NULL;
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file *file = &files->files[i];
        if (file->descriptor < 0) {
            return file;
        }
        if (file->hold_count == 0 && (oldest == NULL || file->used_at < oldest->used_at)) {
            oldest = file;
        }
    }
    ASSERT(oldest != NULL);
    close_file(oldest);
    return oldest;
}

/* The open file of this name, opened with these flags if it is not yet. */
static int hold(struct disk_posix *disk, const char *name, int flags, struct disk_file **out)
{
    struct disk_files *files = &disk->files;
    int status = 0;
    (void)pthread_mutex_lock(&files->mutex);
    struct disk_file *file = find(files, name);
    if (file == NULL) {
        int descriptor = disk_call_open(disk, name, flags);
        if (descriptor < 0) {
            status = descriptor;
            goto out;
        }
        file = make_place(files);
        *file = (struct disk_file){.descriptor = descriptor};
        struct text text = text_of(file->name, sizeof(file->name));
        text_string(&text, name);
    }
    file->hold_count++;
    file->used_at = ++files->clock;
    *out = file;
out:
    (void)pthread_mutex_unlock(&files->mutex);
    return status;
}

int disk_files_hold(struct disk_posix *disk, const char *name, struct disk_file **out)
{
    return hold(disk, name, disk->options.is_read_only ? O_RDONLY : O_RDWR, out);
}

int disk_files_make(struct disk_posix *disk, const char *name, struct disk_file **out)
{
    disk_files_forget(disk, name);
    return hold(disk, name, O_RDWR | O_CREAT | O_TRUNC, out);
}

void disk_files_drop(struct disk_posix *disk, struct disk_file *file)
{
    (void)pthread_mutex_lock(&disk->files.mutex);
    ASSERT(file->hold_count > 0);
    file->hold_count--;
    if (file->hold_count == 0 && file->name[0] == '\0') {
        close_file(file);
    }
    (void)pthread_mutex_unlock(&disk->files.mutex);
}

void disk_files_forget(struct disk_posix *disk, const char *name)
{
    (void)pthread_mutex_lock(&disk->files.mutex);
    struct disk_file *file = find(&disk->files, name);
    if (file != NULL) {
        file->name[0] = '\0';
        if (file->hold_count == 0) {
            close_file(file);
        }
    }
    (void)pthread_mutex_unlock(&disk->files.mutex);
}
