/* disk_write.c: group commit: one round of writes, one sync a file, then all are reported.
 *
 * Threads  the writer's.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/clock.h"
#include "runtime/disk_internal.h"

#define PAGE_BYTES 4096 /* no page is smaller */

/* The files that a round has written to, held until they are synced. */
struct round {
    struct disk_posix *disk;
    size_t count;
    struct disk_file *files[DISK_SYNC_FILES_MAX];
    const char *names[DISK_SYNC_FILES_MAX]; /* of the operations that they came with */
    bool needs_sync[DISK_SYNC_FILES_MAX];
    uint64_t end[DISK_SYNC_FILES_MAX]; /* of what was written last */
};

/* Where writes may also go past the page cache (disk_direct.c), open this file for that, once, and
 * forget its zeros: such a write is refused as long as a page that it goes to is cached. One that
 * was refused came here, and the next one goes to the same page. All this is no more than an offer.
 */
static void make_way(struct round *round, size_t place)
{
    struct disk_file *file = round->files[place];
    struct disk_direct *direct = &round->disk->direct;
    if (!atomic_load(&direct->is_on)) {
        return;
    }
    if (disk_files_open_direct(round->disk, round->names[place], file)) {
        (void)posix_fadvise(file->descriptor, 0, 0, POSIX_FADV_DONTNEED);
    } else if (atomic_exchange(&direct->is_page_in_the_way, false)) {
        uint64_t page = round->end[place] / PAGE_BYTES * PAGE_BYTES;
        (void)posix_fadvise(file->descriptor, (off_t)page, PAGE_BYTES, POSIX_FADV_DONTNEED);
    }
}

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
        if (status == 0) {
            make_way(round, i);
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
    round->names[*out] = name;
    round->needs_sync[*out] = false;
    return 0;
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
        end += disk_op_bytes(next);
        next = next->next;
    }
    ASSERT(next != first);
    *op = next;
    round->end[place] = end;
    atomic_fetch_add(&round->disk->write_calls, 1);
    struct disk_file *file = round->files[place];
    int failure = disk_call_write(round->disk, file, first->offset, parts, count);
    return failure < 0 ? disk_latch(round->disk, "pwritev", file->name, failure) : 0;
}

/* One that is counted can be read. */
void disk_note_round(struct disk_posix *disk, uint64_t took_ns)
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
    disk_note_round(disk, runtime_now_ns() - begin_ns);

    /* None is reported done unless all are: what was written before a failure is not synced. */
    struct disk_op *last = ops;
    for (struct disk_op *op = ops; op != NULL; op = op->next) {
        op->status = status;
        last = op;
    }
    disk_complete(disk, ops, last);
}
