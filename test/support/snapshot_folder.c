/* snapshot_folder.c: a snapshot store of a program's own: one file each, in a folder. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/snapshot_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quorate/error.h"

#define NAME_BYTES 32

static void name_of(uint64_t index, bool is_aside, char *out)
{
    (void)snprintf(out, NAME_BYTES, "%020" PRIu64 "%s", index, is_aside ? ".new" : "");
}

static int status_of_errno(void)
{
    return errno == ENOSPC || errno == EDQUOT ? QR_ERR_DISK_FULL : QR_ERR_IO;
}

static int write_part(const struct snapshot_folder *folder, const struct snapshot_folder_job *job)
{
    char name[NAME_BYTES];
    name_of(job->index, true, name);
    int flags = O_WRONLY | O_CLOEXEC | (job->offset == 0 ? O_CREAT | O_TRUNC : 0);
    int file = openat(folder->folder, name, flags, 0600);
    size_t written = 0;
    ssize_t got = 1;
    while (file >= 0 && written < job->count && got > 0) {
        got = pwrite(file, (const char *)job->from + written, job->count - written,
                     (off_t)(job->offset + written));
        written += got > 0 ? (size_t)got : 0;
    }
    int status = written == job->count ? 0 : status_of_errno();
    if (file >= 0) {
        (void)close(file);
    }
    return status;
}

/* The content first, then its name. */
static int publish(const struct snapshot_folder *folder, const struct snapshot_folder_job *job)
{
    char aside[NAME_BYTES];
    char name[NAME_BYTES];
    name_of(job->index, true, aside);
    name_of(job->index, false, name);
    int file = openat(folder->folder, aside, O_WRONLY | O_CLOEXEC);
    if (file < 0 || fdatasync(file) != 0 ||
        renameat(folder->folder, aside, folder->folder, name) != 0 || fsync(folder->folder) != 0) {
        int status = status_of_errno();
        if (file >= 0) {
            (void)close(file);
        }
        return status;
    }
    (void)close(file);
    return 0;
}

static int unlink_one(const struct snapshot_folder *folder, uint64_t index, bool is_aside)
{
    char name[NAME_BYTES];
    name_of(index, is_aside, name);
    bool is_gone = unlinkat(folder->folder, name, 0) == 0 || errno == ENOENT;
    return is_gone && fsync(folder->folder) == 0 ? 0 : QR_ERR_IO;
}

static int read_part(const struct snapshot_folder *folder, const struct snapshot_folder_job *job)
{
    char name[NAME_BYTES];
    name_of(job->index, false, name);
    int file = openat(folder->folder, name, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return errno == ENOENT ? QR_ERR_CORRUPT : QR_ERR_IO;
    }
    size_t taken = 0;
    ssize_t got = 1;
    while (taken < job->count && got > 0) {
        got = pread(file, (char *)job->into + taken, job->count - taken,
                    (off_t)(job->offset + taken));
        taken += got > 0 ? (size_t)got : 0;
    }
    (void)close(file);
    if (got < 0) {
        return QR_ERR_IO;
    }
    return taken == job->count ? 0 : QR_ERR_CORRUPT;
}

static int carry_out(const struct snapshot_folder *folder, const struct snapshot_folder_job *job)
{
    switch (job->kind) {
    case SNAPSHOT_FOLDER_WRITE:
        return write_part(folder, job);
    case SNAPSHOT_FOLDER_PUBLISH:
        return publish(folder, job);
    case SNAPSHOT_FOLDER_ABANDON:
        return unlink_one(folder, job->index, true);
    case SNAPSHOT_FOLDER_READ:
        return read_part(folder, job);
    case SNAPSHOT_FOLDER_REMOVE:
        return unlink_one(folder, job->index, false);
    default:
        return QR_ERR_INVALID;
    }
}

static void *work(void *argument)
{
    struct snapshot_folder *folder = argument;
    (void)pthread_mutex_lock(&folder->mutex);
    while (true) {
        while (folder->count == 0 && !folder->is_closing) {
            (void)pthread_cond_wait(&folder->wake, &folder->mutex);
        }
        if (folder->count == 0) {
            break;
        }
        struct snapshot_folder_job job = folder->jobs[folder->head];
        folder->head = (folder->head + 1) % QR_SNAPSHOT_OPERATIONS_MAX;
        folder->count--;
        (void)pthread_mutex_unlock(&folder->mutex);
        int status = atomic_load(&folder->fails[job.kind]);
        status = status != 0 ? status : carry_out(folder, &job);
        (void)atomic_fetch_add(&folder->ended[job.kind], 1);
        folder->host->done(folder->host->context, job.ticket, status);
        (void)pthread_mutex_lock(&folder->mutex);
    }
    (void)pthread_mutex_unlock(&folder->mutex);
    return NULL;
}

static void give(struct snapshot_folder *folder, struct snapshot_folder_job job)
{
    (void)pthread_mutex_lock(&folder->mutex);
    size_t at = (folder->head + folder->count++) % QR_SNAPSHOT_OPERATIONS_MAX;
    folder->jobs[at] = job;
    (void)pthread_cond_signal(&folder->wake);
    (void)pthread_mutex_unlock(&folder->mutex);
}

static void on_write(void *context, uint64_t ticket, const struct qr_snapshot_part *part,
                     const void *data)
{
    give(context, (struct snapshot_folder_job){.kind = SNAPSHOT_FOLDER_WRITE,
                                               .ticket = ticket,
                                               .index = part->index,
                                               .offset = part->offset,
                                               .count = part->count,
                                               .from = data});
}

static void on_publish(void *context, uint64_t ticket, uint64_t index)
{
    give(context, (struct snapshot_folder_job){
                      .kind = SNAPSHOT_FOLDER_PUBLISH, .ticket = ticket, .index = index});
}

static void on_abandon(void *context, uint64_t ticket, uint64_t index)
{
    give(context, (struct snapshot_folder_job){
                      .kind = SNAPSHOT_FOLDER_ABANDON, .ticket = ticket, .index = index});
}

static void on_read(void *context, uint64_t ticket, const struct qr_snapshot_part *part,
                    void *buffer)
{
    give(context, (struct snapshot_folder_job){.kind = SNAPSHOT_FOLDER_READ,
                                               .ticket = ticket,
                                               .index = part->index,
                                               .offset = part->offset,
                                               .count = part->count,
                                               .into = buffer});
}

static void on_remove(void *context, uint64_t ticket, uint64_t index)
{
    give(context, (struct snapshot_folder_job){
                      .kind = SNAPSHOT_FOLDER_REMOVE, .ticket = ticket, .index = index});
}

/* Call `each` with the published ones; NULL: remove the others. */
static int walk(const struct snapshot_folder *folder, qr_snapshot_each *each, void *argument)
{
    DIR *listing = opendir(folder->path);
    if (listing == NULL) {
        return QR_ERR_IO;
    }
    const struct dirent *entry = readdir(listing);
    for (; entry != NULL; entry = readdir(listing)) {
        char name[NAME_BYTES];
        uint64_t index = 0;
        struct stat facts;
        if (sscanf(entry->d_name, "%20" SCNu64, &index) != 1) {
            continue;
        }
        name_of(index, false, name);
        bool is_published = strcmp(name, entry->d_name) == 0;
        if (each == NULL && !is_published) {
            (void)unlinkat(folder->folder, entry->d_name, 0);
        } else if (each != NULL && is_published && fstatat(folder->folder, name, &facts, 0) == 0) {
            each(argument, index, (uint64_t)facts.st_size);
        }
    }
    (void)closedir(listing);
    return 0;
}

static int on_open(void *context, const struct qr_snapshot_open *open_with, char *detail)
{
    struct snapshot_folder *folder = context;
    folder->host = open_with->host;
    folder->is_closing = false;
    folder->folder = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->folder < 0 || walk(folder, NULL, NULL) != 0 ||
        pthread_create(&folder->thread, NULL, work, folder) != 0) {
        (void)snprintf(detail, QR_SNAPSHOT_DETAIL_BYTES, "%s cannot be opened", folder->path);
        if (folder->folder >= 0) {
            (void)close(folder->folder);
        }
        return QR_ERR_IO;
    }
    return 0;
}

static int on_list(void *context, qr_snapshot_each *each, void *argument)
{
    return walk(context, each, argument);
}

static void on_close(void *context)
{
    struct snapshot_folder *folder = context;
    (void)pthread_mutex_lock(&folder->mutex);
    folder->is_closing = true;
    (void)pthread_cond_signal(&folder->wake);
    (void)pthread_mutex_unlock(&folder->mutex);
    (void)pthread_join(folder->thread, NULL);
    (void)close(folder->folder);
}

void snapshot_folder_init(struct snapshot_folder *folder, const char *path)
{
    *folder = (struct snapshot_folder){
        .store = {.size_bytes = sizeof(folder->store),
                  .context = folder,
                  .open = on_open,
                  .list = on_list,
                  .write = on_write,
                  .publish = on_publish,
                  .abandon = on_abandon,
                  .read = on_read,
                  .remove = on_remove,
                  .close = on_close},
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .wake = PTHREAD_COND_INITIALIZER,
    };
    (void)snprintf(folder->path, sizeof(folder->path), "%s", path);
}
