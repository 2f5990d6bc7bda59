/* backup_restore.c: the steps from a backup to a data directory.
 *
 *   the note `restoring` is durable      from here on a start refuses the directory in words
 *   what an earlier try left is removed
 *   the content is a durable snapshot    written aside and checked once more as it comes
 *   the identity is replaced             the one step: it is the node of a new cluster, and
 *                                        announces the entry that makes it the only voter
 *   that entry is in the log             here, or by the next start (recovery.c)
 *   the note is removed                  with an identity beside it nobody looks at it
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/backup_restore.h"

#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "node/internal.h"
#include "node/recovery.h"
#include "quorate/error.h"

#define LEFTOVERS_MAX 64
#define STEP_BYTES (UINT32_C(16) * 1024) /* of the file, between two looks at the writer's room */

static const char note_text[] = "A backup is being restored into this directory.\n";

enum restore_stage {
    RESTORE_CLEARING, /* what an earlier try left is being removed */
    RESTORE_FILLING,
    RESTORE_CLOSING, /* all was given: until the snapshot is durable */
    RESTORE_LEAVING, /* the note, or all that was made, is being removed */
    RESTORE_OVER,
};

struct backup_restore {
    struct backup_restore_options options;
    enum restore_stage stage;
    bool has_reader;
    struct backup_reader reader;
    struct snapshot_store *store; /* NULL: not opened yet */
    struct disk_op removal;
    bool is_removing;
    char leftovers[LEFTOVERS_MAX][DISK_NAME_BYTES_MAX];
    size_t leftover_count;
    bool is_strange; /* the directory holds what no restore leaves */
    char strange[DISK_NAME_BYTES_MAX];
    size_t checked_bytes; /* of what is fed next: looked at, but not yet taken by the writer */
    int status;
    char detail[NODE_DETAIL_BYTES];
};

static void say(struct backup_restore *restore, const char *first, const char *second)
{
    struct text text = text_of(restore->detail, sizeof(restore->detail));
    text_string(&text, first);
    text_string(&text, second);
}

static int fail(struct backup_restore *restore, int status, const char *first, const char *second)
{
    say(restore, first, second);
    restore->status = status;
    return status;
}

/* Written aside, and never finished: it counts for nothing. */
static bool is_unfinished(const char *name)
{
    const char *end = name;
    while (*end != '\0' && !text_equal(end, DISK_TEMPORARY_SUFFIX)) {
        end++;
    }
    return *end != '\0';
}

static void meet(void *argument, const char *name, uint64_t size_bytes)
{
    struct backup_restore *restore = argument;
    (void)size_bytes;
    if (text_equal(name, BACKUP_RESTORE_NOTE) || is_unfinished(name)) {
        return;
    }
    bool is_ours = snapshot_is_file(name) && restore->leftover_count < LEFTOVERS_MAX;
    struct text text =
        text_of(is_ours ? restore->leftovers[restore->leftover_count] : restore->strange,
                DISK_NAME_BYTES_MAX);
    text_string(&text, name);
    restore->leftover_count += is_ours ? 1 : 0;
    restore->is_strange = restore->is_strange || !is_ours;
}

/* It is asked of the file itself: list() may tell it or not. */
bool backup_restore_has_note(const struct disk *disk)
{
    uint8_t byte;
    size_t got = 0;
    return disk->read(disk->context, BACKUP_RESTORE_NOTE, 0, (struct disk_part){&byte, 1}, &got) ==
           0;
}

static int look(struct backup_restore *restore)
{
    const struct disk *disk = restore->options.disk;
    int status = disk->list(disk->context, meet, restore);
    if (status != 0) {
        return fail(restore, status, "the directory cannot be listed", "");
    }
    if (restore->leftover_count > 0 && !backup_restore_has_note(restore->options.disk)) {
        restore->is_strange = true;
        memcpy(restore->strange, restore->leftovers[0], DISK_NAME_BYTES_MAX);
    }
    if (restore->is_strange) {
        return fail(restore, QR_ERR_INVALID, "the directory is not empty, it holds ",
                    restore->strange);
    }
    return 0;
}

static void on_writer_ready(void *context)
{
    (void)context; /* who feeds tries again whenever the disk has gone on */
}

static void not_told(void *context, uint64_t token, int status, struct chunk *chunk,
                     const uint8_t *data, size_t size_bytes)
{
    (void)context;
    (void)token;
    (void)status;
    (void)chunk;
    (void)data;
    (void)size_bytes;
    ASSERT(false); /* no reader is opened */
}

static void found(struct backup_restore *restore);
static void leave(struct backup_restore *restore);

static void on_writer_done(void *context, int status, const struct snapshot_info *info)
{
    struct backup_restore *restore = context;
    if (status != 0) {
        (void)fail(restore, status, "it cannot be written: ", qr_error_text(status));
        leave(restore); /* the store removes what is aside */
        return;
    }
    ASSERT(restore->stage == RESTORE_CLOSING);
    ASSERT(info->size_bytes == restore->reader.head.content_bytes);
    ASSERT(info->checksum == restore->reader.head.content_checksum);
    found(restore);
}

static int open_store(struct backup_restore *restore)
{
    const struct backup_restore_options *given = &restore->options;
    struct snapshot_options options = {
        .allocator = given->allocator,
        .disk = given->disk,
        .log = given->log,
        .listener = {.context = restore,
                     .writer_ready = on_writer_ready,
                     .writer_done = on_writer_done,
                     .read_done = not_told},
        .chunk_bytes = given->snapshot_chunk_bytes == 0 ? CONTENT_BLOCK_BYTES_MAX
                                                        : given->snapshot_chunk_bytes,
    };
    struct snapshot_found there;
    char why[SNAPSHOT_ERROR_DETAIL_BYTES] = "";
    int status = snapshot_store_open(&options, &restore->store, &there, why);
    if (status != 0) {
        return fail(restore, status, why, "");
    }
    ASSERT(!there.has_newest);
    snapshot_store_work(restore->store);
    return 0;
}

static void remove_next(struct backup_restore *restore);

static void on_removed(struct disk_op *op)
{
    struct backup_restore *restore = op->context;
    restore->is_removing = false;
    if (op->status == 0) {
        remove_next(restore);
        return;
    }
    if (restore->stage == RESTORE_CLEARING) {
        (void)fail(restore, op->status, "what an earlier try left cannot be removed: ", op->name);
    }
    restore->stage = RESTORE_OVER; /* the note stays, with what it stands for */
}

static void submit_removal(struct backup_restore *restore, const char *name)
{
    restore->removal =
        (struct disk_op){.kind = DISK_REMOVE, .done = on_removed, .context = restore};
    struct text text = text_of(restore->removal.name, sizeof(restore->removal.name));
    text_string(&text, name);
    restore->is_removing = true;
    const struct disk *disk = restore->options.disk;
    disk->submit(disk->context, &restore->removal);
}

/* The note goes last, so that a crash in between leaves it. */
static void remove_next(struct backup_restore *restore)
{
    if (restore->leftover_count > 0) {
        submit_removal(restore, restore->leftovers[--restore->leftover_count]);
        return;
    }
    if (restore->stage == RESTORE_CLEARING) {
        restore->stage = open_store(restore) == 0 ? RESTORE_FILLING : RESTORE_LEAVING;
    }
    if (restore->stage == RESTORE_LEAVING) {
        if (text_equal(restore->removal.name, BACKUP_RESTORE_NOTE)) {
            restore->stage = RESTORE_OVER;
        } else {
            submit_removal(restore, BACKUP_RESTORE_NOTE);
        }
    }
}

/* Remove what is to be removed, and then it is over. A snapshot may have its name though giving it
 * failed: so the directory is looked at once more.
 */
static void leave(struct backup_restore *restore)
{
    const struct disk *disk = restore->options.disk;
    restore->stage = RESTORE_LEAVING;
    if (restore->is_removing) {
        return; /* and then the next */
    }
    restore->leftover_count = 0;
    if (restore->status != 0 && disk->list(disk->context, meet, restore) != 0) {
        restore->stage = RESTORE_OVER;
        return;
    }
    remove_next(restore);
}

/* Writing the identity failed. Only when its name is there is there a doubt: whether it stays. */
static void fail_identity(struct backup_restore *restore, int status, const char *why)
{
    struct node_identity identity;
    char unused[NODE_DETAIL_BYTES];
    if (node_identity_read(restore->options.disk, &identity, unused) == QR_ERR_NOT_FOUND) {
        (void)fail(restore, status, why, "");
        leave(restore);
        return;
    }
    (void)fail(restore, QR_ERR_CANCELLED, why, "; whether it was all the same a start will tell");
    restore->stage = RESTORE_OVER;
}

/* All of it is durable: now the directory may become a node's. */
static void found(struct backup_restore *restore)
{
    const struct backup_reader *reader = &restore->reader;
    struct node_recover_plan plan = {
        .cluster = restore->options.cluster,
        .former = reader->head.cluster,
        .member = restore->options.member,
        .position = reader->head.position,
        .is_reset = true,
        .has_guarded = reader->head.has_guarded,
        .term = reader->head.position.term + 1,
        .timestamp_ns = reader->timestamp_ns,
    };
    char why[NODE_DETAIL_BYTES] = "";
    bool is_made = false;
    int status =
        node_recover(restore->options.allocator, restore->options.disk, &plan, &is_made, why);
    if (status != 0 && !is_made) {
        fail_identity(restore, status, why);
        return;
    }
    if (status != 0) {
        say(restore, "it is restored, and the first start finishes what failed: ", why);
    }
    leave(restore);
}

static int on_head(void *context, const struct backup_head *head)
{
    struct backup_restore *restore = context;
    struct wal_base position = {head->position.term, head->position.index};
    /* The log time is in the content, as of a snapshot that came from a leader. */
    return snapshot_writer_begin(restore->store, &position, 0, false);
}

static int open_reader(struct backup_restore *restore)
{
    struct backup_sink sink = {.context = restore, .head = on_head};
    int status = backup_reader_init(&restore->reader, restore->options.allocator,
                                    restore->options.codec, sink, true);
    restore->has_reader = status == 0;
    return status == 0 ? 0 : fail(restore, status, "memory ran out", "");
}

static int write_note(struct backup_restore *restore)
{
    int status =
        disk_replace(restore->options.disk, BACKUP_RESTORE_NOTE, note_text, sizeof(note_text) - 1);
    return status == 0
               ? 0
               : fail(restore, status, "the directory cannot be written: ", qr_error_text(status));
}

int backup_restore_new(const struct backup_restore_options *options, struct backup_restore **out,
                       char *detail)
{
    ASSERT(!cluster_id_is_none(options->cluster));
    struct text text = text_of(detail, NODE_DETAIL_BYTES);
    struct backup_restore *restore = allocate_zeroed(options->allocator, sizeof(*restore));
    if (restore == NULL) {
        text_string(&text, "memory ran out");
        return QR_ERR_NO_MEMORY;
    }
    restore->options = *options;
    int status = look(restore);
    if (status == 0) {
        status = open_reader(restore);
    }
    if (status == 0) {
        status = write_note(restore);
    }
    if (status != 0) {
        text_string(&text, restore->detail);
        restore->stage = RESTORE_OVER;
        backup_restore_free(restore);
        return status;
    }
    remove_next(restore);
    *out = restore;
    return 0;
}

void backup_restore_free(struct backup_restore *restore)
{
    if (restore == NULL) {
        return;
    }
    ASSERT(backup_restore_is_idle(restore));
    snapshot_store_free(restore->store);
    if (restore->has_reader) {
        backup_reader_deinit(&restore->reader);
    }
    release(restore->options.allocator, restore, sizeof(*restore));
}

/* How many of the next bytes to look at: the head alone first, which is not of the content. */
static size_t step_bytes(const struct backup_reader *reader, size_t size_bytes)
{
    size_t most = reader->has_head ? STEP_BYTES : BACKUP_HEAD_BYTES - (size_t)reader->read_bytes;
    return min_u64(most, size_bytes);
}

static int check_step(struct backup_restore *restore, const uint8_t *data, size_t size_bytes)
{
    int status = backup_read(&restore->reader, data, size_bytes);
    if (status == 0) {
        return 0;
    }
    backup_restore_abandon(restore);
    return fail(restore, status,
                status == QR_ERR_NO_MEMORY ? "memory ran out" : restore->reader.detail, "");
}

bool backup_restore_is_ready(const struct backup_restore *restore)
{
    /* The store, too, removes what was written aside. */
    bool is_cleared = restore->store != NULL && snapshot_store_is_idle(restore->store);
    return restore->stage != RESTORE_CLEARING &&
           (restore->stage != RESTORE_FILLING || restore->reader.has_head || is_cleared);
}

int backup_restore_feed(struct backup_restore *restore, const void *data, size_t size_bytes,
                        size_t *taken)
{
    const uint8_t *at = data;
    ASSERT(backup_restore_is_ready(restore));
    *taken = 0;
    if (restore->stage != RESTORE_FILLING) {
        return restore->status;
    }
    while (*taken < size_bytes) {
        if (restore->checked_bytes == 0) {
            size_t step = step_bytes(&restore->reader, size_bytes - *taken);
            bool is_head = !restore->reader.has_head;
            int status = check_step(restore, at + *taken, step);
            if (status != 0) {
                return status;
            }
            restore->checked_bytes = is_head ? 0 : step;
            *taken += is_head ? step : 0;
            continue;
        }
        size_t given = 0;
        snapshot_writer_append(restore->store, at + *taken, restore->checked_bytes, &given);
        restore->checked_bytes -= given;
        *taken += given;
        if (restore->checked_bytes > 0) {
            return 0;
        }
    }
    return 0;
}

int backup_restore_finish(struct backup_restore *restore)
{
    ASSERT(backup_restore_is_ready(restore));
    if (restore->stage != RESTORE_FILLING) {
        return restore->status;
    }
    ASSERT(restore->checked_bytes == 0);
    int status = backup_read_end(&restore->reader);
    if (status != 0) {
        backup_restore_abandon(restore);
        return fail(restore, status, restore->reader.detail, "");
    }
    restore->stage = RESTORE_CLOSING;
    snapshot_writer_finish(restore->store);
    return 0;
}

bool backup_restore_is_over(const struct backup_restore *restore)
{
    return restore->stage == RESTORE_OVER;
}

void backup_restore_abandon(struct backup_restore *restore)
{
    if (restore->stage != RESTORE_CLEARING && restore->stage != RESTORE_FILLING) {
        return;
    }
    (void)fail(restore, QR_ERR_CANCELLED, "the restore was given up", "");
    if (restore->store != NULL) {
        snapshot_writer_abandon(restore->store);
    }
    leave(restore);
}

bool backup_restore_is_idle(const struct backup_restore *restore)
{
    return !restore->is_removing &&
           (restore->store == NULL || snapshot_store_is_idle(restore->store));
}

int backup_restore_status(const struct backup_restore *restore)
{
    return restore->status;
}

const char *backup_restore_detail(const struct backup_restore *restore)
{
    return restore->detail;
}
