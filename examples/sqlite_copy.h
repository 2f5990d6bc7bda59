/* sqlite_copy.h: the database of sqlite.c as snapshots: copies that travel to late members.
 *
 * VACUUM INTO writes a copy, in one transaction, as long as that takes; it has no name once it is
 * open. What comes from a leader is a file, too, until it is whole, and becomes the content of
 * the database in one transaction of sqlite3_backup: a kill leaves the old one or the new one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXAMPLES_SQLITE_COPY_H
#define EXAMPLES_SQLITE_COPY_H

#include <sqlite3.h>

#include "lines.h"

#define PATH_BYTES 512
#define RESULT_BYTES 24

struct store {
    const char *name; /* of the node */
    sqlite3 *database;
    uint64_t applied_index;
    FILE *incoming; /* a copy that comes from the leader */
    char results[QR_APPLY_ENTRIES_MAX][RESULT_BYTES];
};

static const char *path_of(const struct store *store, const char *ending, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s.%s", store->name, ending);
    return path;
}

/* Run a statement with a name for ?1 and a number for ?2. The first column of its first row, if
 * there is one, becomes *out. Returns whether it went well.
 */
static bool run(sqlite3 *database, const char *sql, const char *name, int64_t number, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);
    if (code == SQLITE_OK) {
        (void)sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(statement, 2, number);
        code = sqlite3_step(statement);
    }
    if (code == SQLITE_ROW) {
        *out = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE;
}

static int snapshot_open(void *context, void **snapshot)
{
    const struct store *store = context;
    char path[PATH_BYTES];
    int64_t none;
    (void)remove(path_of(store, "copy", path));
    FILE *file = run(store->database, "VACUUM INTO ?1", path, 0, &none) ? fopen(path, "rb") : NULL;
    (void)remove(path); /* it lives as long as it is open */
    *snapshot = file;
    return file == NULL ? QR_ERR_BUSY : 0;
}

static int snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes)
{
    (void)context;
    *read_bytes = fread(buffer, 1, size_bytes, snapshot);
    return ferror((FILE *)snapshot) ? QR_ERR_NO_MEMORY : 0;
}

static void snapshot_close(void *context, void *snapshot)
{
    (void)context;
    (void)fclose(snapshot);
}

static int restore_begin(void *context)
{
    struct store *store = context;
    char path[PATH_BYTES];
    if (store->incoming != NULL) {
        (void)fclose(store->incoming);
    }
    store->incoming = fopen(path_of(store, "incoming", path), "wb");
    return store->incoming == NULL ? QR_ERR_IO : 0;
}

static int restore_write(void *context, const void *data, size_t size_bytes)
{
    struct store *store = context;
    return fwrite(data, 1, size_bytes, store->incoming) == size_bytes ? 0 : QR_ERR_IO;
}

static int restore_end(void *context)
{
    struct store *store = context;
    char path[PATH_BYTES];
    sqlite3 *source = NULL;
    int64_t index = 0;
    int failed = fclose(store->incoming);
    store->incoming = NULL;
    bool is_whole = failed == 0 && sqlite3_open(path_of(store, "incoming", path), &source) == 0 &&
                    run(source, "SELECT entry FROM applied", "", 0, &index);
    sqlite3_backup *backup =
        is_whole ? sqlite3_backup_init(store->database, "main", source, "main") : NULL;
    bool is_taken = backup != NULL && sqlite3_backup_step(backup, -1) == SQLITE_DONE;
    is_taken = backup != NULL && sqlite3_backup_finish(backup) == SQLITE_OK && is_taken;
    (void)sqlite3_close(source);
    (void)remove(path);
    store->applied_index = is_taken ? (uint64_t)index : store->applied_index;
    return is_taken ? 0 : is_whole ? QR_ERR_IO : QR_ERR_CORRUPT;
}

#endif
