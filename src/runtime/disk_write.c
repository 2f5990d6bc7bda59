/* disk_write.c: group commit: one round of writes, one sync a file, then all are reported.
 *
 * Threads  the writer's.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/clock.h"
#include "runtime/disk_internal.h"

/* The files that a round has written to, held until they are synced. */
struct round {
    struct disk_posix *disk;
    size_t count;
    struct disk_file *files[DISK_SYNC_FILES_MAX];
    bool needs_sync[DISK_SYNC_FILES_MAX];
};

/* Sync each file that asks for it, and let all go. A failure latches. */
static int sync_files(struct round *round, int status)
{
    for (size_t i = 0; i < round->count; i++) {
        struct disk_file *file = round->files[i];
        if (status == 0 && round->needs_sync[i]) {
            atomic_fetch_add(&round->disk->sync_calls, 1);
            int failure = disk_call_sync(round->disk, file);
            if (failure < 0) {
                status = disk_latch(round->disk, "fdatasync", file->name, failure);
            }
        }
        disk_files_drop(round->disk, file);
    }
    round->count = 0;
    return status;
}

/* The place of this file in the round, held. Returns 0 or QR_ERR_IO. */
static int join_file(struct round *round, const char *name, size_t *out)
{
    for (size_t i = 0; i < round->count; i++) {
        if (strcmp(round->files[i]->name, name) == 0) {
            *out = i;
            return 0;
        }
    }
    if (round->count == DISK_SYNC_FILES_MAX && sync_files(round, 0) != 0) {
        return QR_ERR_IO;
    }
    struct disk_file *file = NULL;
    int failure = disk_files_hold(round->disk, name, &file);
    if (failure < 0) {
        return disk_latch(round->disk, "open", name, failure);
    }
    *out = round->count++;
    round->files[*out] = file;
    round->needs_sync[*out] = false;
    return 0;
}

static uint64_t op_bytes(const struct disk_op *op)
{
    uint64_t total = 0;
    for (size_t i = 0; i < op->part_count; i++) {
        total += op->parts[i].size_bytes;
    }
    return total;
}

/* Write `*op` and all that goes on where it ends, in one call; `*op` becomes the next. */
static int write_run(struct round *round, struct disk_op **op)
{
    const struct disk_op *first = *op;
    size_t place = 0;
    if (join_file(round, first->name, &place) != 0) {
        return QR_ERR_IO;
    }
    struct iovec *parts = round->disk->parts;
    size_t count = 0;
    uint64_t end = first->offset;
    struct disk_op *next = *op;
    while (next != NULL && next->offset == end && strcmp(next->name, first->name) == 0 &&
           count + next->part_count <= DISK_IOV_MAX) {
        for (size_t i = 0; i < next->part_count; i++) {
            parts[count++] = (struct iovec){next->parts[i].data, next->parts[i].size_bytes};
        }
        round->needs_sync[place] = round->needs_sync[place] || next->is_synced;
        end += op_bytes(next);
        next = next->next;
    }
    ASSERT(next != first);
    *op = next;
    atomic_fetch_add(&round->disk->write_calls, 1);
    struct disk_file *file = round->files[place];
    int failure = disk_call_write(round->disk, file, first->offset, parts, count);
    return failure < 0 ? disk_latch(round->disk, "pwritev", file->name, failure) : 0;
}

/* The writer's lane alone counts rounds. One that is counted can be read. */
static void note_round(struct disk_posix *disk, time_ns took_ns)
{
    uint64_t number = atomic_load(&disk->round_count);
    atomic_store(&disk->rounds_ns[number % DISK_ROUNDS_KEPT], took_ns);
    atomic_store(&disk->round_count, number + 1);
    atomic_fetch_add(&disk->busy_ns, took_ns);
}

void disk_serve_writes(struct disk_posix *disk, struct disk_op *ops)
{
    _Static_assert(DISK_PARTS_MAX <= DISK_IOV_MAX, "one operation fits one call");
    struct round round = {.disk = disk};
    time_ns begin_ns = runtime_now_ns();
    int status = atomic_load(&disk->has_failed) ? QR_ERR_IO : 0;
    struct disk_op *next = ops;
    while (next != NULL && status == 0) {
        status = write_run(&round, &next);
    }
    status = sync_files(&round, status);
    note_round(disk, runtime_now_ns() - begin_ns);

    /* None is reported done unless all are: what was written before a failure is not synced. */
    struct disk_op *last = ops;
    for (struct disk_op *op = ops; op != NULL; op = op->next) {
        op->status = status;
        last = op;
    }
    disk_complete(disk, ops, last);
}
