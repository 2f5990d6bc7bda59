/* disk_files.c: a few descriptors kept open, by name, least recently used out first.
 *
 * Threads  any. The mutex is never held over a system call: the loop takes it, too, and must not
 *          wait for a disk that stands still.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "runtime/disk_internal.h"

#define NOT_OPEN ((struct disk_file){.descriptor = -1, .direct = -1})

void disk_files_init(struct disk_files *files)
{
    *files = (struct disk_files){.clock = 0};
    int failed = pthread_mutex_init(&files->mutex, NULL);
    ASSERT(failed == 0);
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        files->files[i] = NOT_OPEN;
    }
}

/* Free the place; what was open is given to the caller, to be closed without the mutex. */
static struct disk_file take_out(struct disk_file *file)
{
    ASSERT(file->hold_count == 0);
    struct disk_file taken = *file;
    *file = NOT_OPEN;
    return taken;
}

/* A close that fails says nothing new: what had to be durable was synced. */
static void close_file(const struct disk_file *file)
{
    if (file->descriptor >= 0) {
        (void)close(file->descriptor);
    }
    if (file->direct >= 0) {
        (void)close(file->direct);
    }
}

void disk_files_deinit(struct disk_files *files)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file taken = take_out(&files->files[i]);
        close_file(&taken);
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
 * most DISK_SYNC_FILES_MAX, and the loop and each of three other threads one.
 */
static struct disk_file *make_place(struct disk_files *files, struct disk_file *taken)
{
    _Static_assert(DISK_FILES_MAX > DISK_SYNC_FILES_MAX + 4, "a place can always be made");
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
    *taken = take_out(oldest);
    return oldest;
}

static void note_held(struct disk_files *files, struct disk_file *file)
{
    file->hold_count++;
    file->used_at = ++files->clock;
}

/* Open the file for the table. Returns 0, a negative errno, or 1 when a name changed its meaning
 * meanwhile, perhaps this one: then try again.
 */
static int open_and_hold(struct disk_posix *disk, const char *name, int flags, uint64_t forgotten,
                         struct disk_file **out)
{
    struct disk_files *files = &disk->files;
    struct disk_file opened = NOT_OPEN;
    opened.descriptor = disk_call_open(disk, name, flags);
    if (opened.descriptor < 0) {
        return opened.descriptor;
    }
    struct text text = text_of(opened.name, sizeof(opened.name));
    text_string(&text, name);
    struct disk_file taken = opened;
    (void)pthread_mutex_lock(&files->mutex);
    bool is_valid = files->forgotten == forgotten;
    struct disk_file *file = is_valid ? find(files, name) : NULL;
    if (is_valid && file == NULL) {
        taken = NOT_OPEN;
        file = make_place(files, &taken);
        *file = opened;
    }
    if (is_valid) {
        note_held(files, file);
        *out = file;
    }
    (void)pthread_mutex_unlock(&files->mutex);
    close_file(&taken);
    return is_valid ? 0 : 1;
}

/* The open file of this name, opened with these flags if it is not yet. */
static int hold(struct disk_posix *disk, const char *name, int flags, struct disk_file **out)
{
    struct disk_files *files = &disk->files;
    int status = 1;
    while (status == 1) {
        (void)pthread_mutex_lock(&files->mutex);
        uint64_t forgotten = files->forgotten;
        struct disk_file *file = find(files, name);
        if (file != NULL) {
            note_held(files, file);
        }
        (void)pthread_mutex_unlock(&files->mutex);
        if (file != NULL) {
            *out = file;
            return 0;
        }
        status = open_and_hold(disk, name, flags, forgotten, out);
    }
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

struct disk_file *disk_files_hold_direct(struct disk_posix *disk, const char *name)
{
    struct disk_files *files = &disk->files;
    (void)pthread_mutex_lock(&files->mutex);
    struct disk_file *file = find(files, name);
    if (file != NULL && file->direct < 0) {
        file = NULL;
    }
    if (file != NULL) {
        note_held(files, file);
    }
    (void)pthread_mutex_unlock(&files->mutex);
    return file;
}

bool disk_files_open_direct(struct disk_posix *disk, const char *name, struct disk_file *file)
{
    struct disk_files *files = &disk->files;
    (void)pthread_mutex_lock(&files->mutex);
    ASSERT(file->hold_count > 0); /* others hold it, too, and let it go meanwhile */
    uint64_t forgotten = files->forgotten;
    bool is_wanted = file->direct < 0 && file->name[0] != '\0';
    (void)pthread_mutex_unlock(&files->mutex);
    int descriptor = is_wanted ? disk_call_open(disk, name, O_WRONLY | O_DIRECT) : -1;
    if (descriptor < 0) {
        return false;
    }
    (void)pthread_mutex_lock(&files->mutex);
    bool is_valid = files->forgotten == forgotten;
    if (is_valid) {
        file->direct = descriptor;
    }
    (void)pthread_mutex_unlock(&files->mutex);
    if (!is_valid) {
        (void)close(descriptor);
    }
    return is_valid;
}

void disk_files_drop(struct disk_posix *disk, struct disk_file *file)
{
    struct disk_file taken = NOT_OPEN;
    (void)pthread_mutex_lock(&disk->files.mutex);
    ASSERT(file->hold_count > 0);
    file->hold_count--;
    if (file->hold_count == 0 && file->name[0] == '\0') {
        taken = take_out(file);
    }
    (void)pthread_mutex_unlock(&disk->files.mutex);
    close_file(&taken);
}

void disk_files_forget(struct disk_posix *disk, const char *name)
{
    struct disk_file taken = NOT_OPEN;
    (void)pthread_mutex_lock(&disk->files.mutex);
    disk->files.forgotten++;
    struct disk_file *file = find(&disk->files, name);
    if (file != NULL) {
        file->name[0] = '\0';
        if (file->hold_count == 0) {
            taken = take_out(file);
        }
    }
    (void)pthread_mutex_unlock(&disk->files.mutex);
    close_file(&taken);
}
