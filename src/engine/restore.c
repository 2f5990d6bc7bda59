/* restore.c: a backup into a directory: node/backup_restore.h on real files, waited for.
 *
 * Owns     the disk and a loop of its own, on which its completions come while a call waits.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "engine/internal.h"
#include "node/backup_restore.h"
#include "runtime/logger.h"
#include "runtime/memory.h"
#include "runtime/random.h"
#include "wal/snapshot_store.h"

#define LOCK_NAME "lock" /* of the disk: nothing that a directory holds */

struct qr_restore {
    uv_loop_t loop;
    bool has_loop;
    bool is_disk_started;
    bool is_disk_closed;
    bool is_done;
    struct disk_posix *disk;
    struct log_sink log;
    struct engine_codec codec;
    struct cluster_id cluster;
    struct backup_restore *restore;
};

__attribute__((format(printf, 3, 4))) static int refuse(int status, char *detail,
                                                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(detail, QR_ERROR_DETAIL_BYTES, format, arguments);
    va_end(arguments);
    return status;
}

static int read_options(const struct qr_restore_options *given, struct qr_restore_options *out,
                        char *detail)
{
    const struct sized known = {sizeof(*out),
                                offsetof(struct qr_restore_options, logger) + sizeof(void *)};
    int status = sized_read(known, given, out);
    return status == 0 ? 0
                       : refuse(status, detail, "size_bytes: %zu is not one known here",
                                given == NULL ? 0 : given->size_bytes);
}

static int check_options(const struct qr_restore_options *options, char *detail)
{
    int status = engine_name_check(options->name, detail);
    if (status == 0 && (options->data_directory == NULL || options->data_directory[0] == '\0')) {
        status = refuse(QR_ERR_INVALID, detail, "data_directory: missing");
    }
    if (status == 0 && options->address != NULL &&
        strlen(options->address) >= QR_ADDRESS_BYTES_MAX) {
        status = refuse(QR_ERR_ADDRESS, detail, "address: longer than %d bytes",
                        QR_ADDRESS_BYTES_MAX - 1);
    }
    return status == 0 ? engine_advertised_check("address", options->address, detail) : status;
}

/* Whether it is of one of these: written aside, and never finished, it counts for nothing, and may
 * be left when the note has gone already.
 */
static bool is_known_aside(const char *name, size_t length)
{
    char whole[DISK_NAME_BYTES_MAX];
    (void)snprintf(whole, sizeof(whole), "%.*s", (int)length, name);
    return strcmp(whole, BACKUP_RESTORE_NOTE) == 0 || strcmp(whole, "identity") == 0 ||
           snapshot_is_file(whole);
}

/* Whether a restore may have left it: what has its name, but for the note itself, only with a note.
 */
static bool is_expected(const char *name, bool has_note)
{
    size_t length = strlen(name);
    size_t suffix = strlen(DISK_TEMPORARY_SUFFIX);
    if (length > suffix && strcmp(name + length - suffix, DISK_TEMPORARY_SUFFIX) == 0) {
        return has_note || is_known_aside(name, length - suffix);
    }
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, LOCK_NAME) == 0 ||
           strcmp(name, BACKUP_RESTORE_NOTE) == 0 || (has_note && snapshot_is_file(name));
}

/* Before a lock is put into it: folders, too, which a disk does not see. */
static int check_directory(const char *path, char *detail)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return errno == ENOENT
                   ? 0
                   : refuse(QR_ERR_IO, detail, "%.300s: cannot be read: %s", path, strerror(errno));
    }
    bool has_note = faccessat(dirfd(directory), BACKUP_RESTORE_NOTE, F_OK, 0) == 0;
    int status = 0;
    errno = 0;
    for (const struct dirent *entry = readdir(directory); entry != NULL && status == 0;
         entry = readdir(directory)) {
        if (!is_expected(entry->d_name, has_note)) {
            status = refuse(QR_ERR_INVALID, detail,
                            "%.200s is not empty: it holds %.100s; name an empty directory, or "
                            "one that is to be made",
                            path, entry->d_name);
        }
        errno = 0;
    }
    if (status == 0 && errno != 0) {
        status = refuse(QR_ERR_IO, detail, "%.300s: cannot be read: %s", path, strerror(errno));
    }
    (void)closedir(directory);
    return status;
}

static int open_disk(struct qr_restore *self, const char *path, char *detail)
{
    struct disk_posix_options options = {
        .allocator = &runtime_allocator,
        .log = &self->log,
        .directory = path,
        .driver = DISK_DRIVER_THREADS, /* nothing here waits for a lone write */
    };
    return disk_posix_open(&options, &self->disk, detail);
}

static int start_disk(struct qr_restore *self, char *detail)
{
    self->is_disk_started = disk_posix_start(self->disk, &self->loop) == 0;
    return self->is_disk_started
               ? 0
               : refuse(QR_ERR_NO_MEMORY, detail, "no thread or descriptor to be had");
}

/* Let the disk go on: until something has ended. */
static void wait_once(struct qr_restore *self)
{
    (void)uv_run(&self->loop, UV_RUN_ONCE);
}

static int begin(struct qr_restore *self, const struct qr_restore_options *options, char *detail)
{
    struct backup_restore_options given = {
        .allocator = &runtime_allocator,
        .disk = disk_posix_disk(self->disk),
        .codec = engine_codec_init(&self->codec),
        .log = &self->log,
        .cluster = {runtime_random(), runtime_random()},
        .member = {.id = runtime_random()},
    };
    self->cluster = given.cluster;
    struct text name = text_of(given.member.name, sizeof(given.member.name));
    text_string(&name, options->name);
    struct text address = text_of(given.member.address, sizeof(given.member.address));
    text_string(&address, options->address);
    char why[NODE_DETAIL_BYTES] = "";
    int status = backup_restore_new(&given, &self->restore, why);
    while (status == 0 && !backup_restore_is_ready(self->restore)) {
        wait_once(self);
    }
    if (status == 0) {
        status = backup_restore_status(self->restore);
        (void)snprintf(why, sizeof(why), "%s", backup_restore_detail(self->restore));
    }
    return status == 0 ? 0 : refuse(status, detail, "%.200s: %.300s", options->data_directory, why);
}

static int open_restore(const struct qr_restore_options *options, struct qr_restore **out,
                        char *detail)
{
    int status = check_options(options, detail);
    if (status == 0) {
        status = check_directory(options->data_directory, detail);
    }
    if (status != 0) {
        return status;
    }
    struct qr_restore *self = allocate_zeroed(&runtime_allocator, sizeof(*self));
    if (self == NULL) {
        return refuse(QR_ERR_NO_MEMORY, detail, "memory ran out");
    }
    self->log = logger_sink(options->logger);
    self->has_loop = uv_loop_init(&self->loop) == 0;
    status = self->has_loop ? open_disk(self, options->data_directory, detail)
                            : refuse(QR_ERR_NO_MEMORY, detail, "no descriptor to be had");
    if (status == 0) {
        status = start_disk(self, detail);
    }
    if (status == 0) {
        status = begin(self, options, detail);
    }
    if (status != 0) {
        qr_restore_free(self);
        return status;
    }
    *out = self;
    return 0;
}

int qr_restore_open(const struct qr_restore_options *options, struct qr_restore **out, char *detail)
{
    struct qr_restore_options read;
    char unwanted[QR_ERROR_DETAIL_BYTES];
    detail = detail == NULL ? unwanted : detail;
    int status = out == NULL ? QR_ERR_INVALID : read_options(options, &read, detail);
    return status != 0 ? status : open_restore(&read, out, detail);
}

static void wait_over(struct qr_restore *self)
{
    while (!backup_restore_is_over(self->restore) || !backup_restore_is_idle(self->restore)) {
        wait_once(self);
    }
}

static int tell_failure(struct qr_restore *self, char *detail)
{
    wait_over(self);
    return refuse(backup_restore_status(self->restore), detail, "%s",
                  backup_restore_detail(self->restore));
}

int qr_restore_feed(struct qr_restore *restore, const void *data, size_t size_bytes, char *detail)
{
    char unwanted[QR_ERROR_DETAIL_BYTES];
    detail = detail == NULL ? unwanted : detail;
    if (restore == NULL || (data == NULL && size_bytes > 0)) {
        return refuse(QR_ERR_INVALID, detail, "no restore, or no bytes, is given");
    }
    const uint8_t *at = data;
    while (size_bytes > 0) {
        size_t taken = 0;
        if (backup_restore_feed(restore->restore, at, size_bytes, &taken) != 0) {
            return tell_failure(restore, detail);
        }
        at += taken;
        size_bytes -= taken;
        if (size_bytes > 0) {
            wait_once(restore);
        }
    }
    return 0;
}

int qr_restore_finish(struct qr_restore *restore, struct qr_id *cluster, char *detail)
{
    char unwanted[QR_ERROR_DETAIL_BYTES];
    detail = detail == NULL ? unwanted : detail;
    if (restore == NULL || cluster == NULL) {
        return refuse(QR_ERR_INVALID, detail, "no restore, or no room for an id, is given");
    }
    if (backup_restore_finish(restore->restore) == 0) {
        wait_over(restore);
    }
    if (backup_restore_status(restore->restore) != 0) {
        return tell_failure(restore, detail);
    }
    (void)refuse(0, detail, "%s", backup_restore_detail(restore->restore)); /* mostly "" */
    *cluster = (struct qr_id){restore->cluster.high, restore->cluster.low};
    return 0;
}

static void on_disk_closed(void *argument)
{
    struct qr_restore *self = argument;
    self->is_disk_closed = true;
}

static void close_disk(struct qr_restore *self)
{
    if (!self->is_disk_started) {
        disk_posix_free(self->disk);
        return;
    }
    disk_posix_close(self->disk, on_disk_closed, self);
    while (!self->is_disk_closed) {
        wait_once(self);
    }
}

void qr_restore_free(struct qr_restore *restore)
{
    if (restore == NULL) {
        return;
    }
    if (restore->restore != NULL) {
        backup_restore_abandon(restore->restore);
        wait_over(restore);
        backup_restore_free(restore->restore);
    }
    close_disk(restore);
    if (restore->has_loop) {
        (void)uv_run(&restore->loop, UV_RUN_DEFAULT);
        int failed = uv_loop_close(&restore->loop);
        ASSERT(failed == 0);
    }
    engine_codec_deinit(&restore->codec);
    release(&runtime_allocator, restore, sizeof(*restore));
}
