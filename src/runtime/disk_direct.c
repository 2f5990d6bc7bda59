/* disk_direct.c: writes of the log that the kernel carries out by itself, past the page cache.
 *
 * Owns     the order between the two ways. What waits is one round, as for the writer's thread
 *          (disk_write.c), and there is one round at a time, on one of the ways: a small one, of
 *          whole sectors that follow one another in a file that was written to before, goes
 *          here; every other, and all that comes while one is there, to the thread.
 * Threads  the loop's. A round costs no thread a wake-up but the loop, once it is over.
 *
 * As durable as pwritev with fdatasync: O_DIRECT hands the bytes to the device, and RWF_DSYNC
 * reports the end only when they, and whatever of the file system is needed to find them, are
 * beyond its volatile cache (a flush of the device after the write, or a write that forces its
 * way, where there is that). Segments are full of zeros that were written and synced before
 * (disk_now.c): nothing is allocated, no size changes and no extent is converted, so there is
 * nothing else to find them by.
 *
 * Reads go through the page cache, and so does the thread. Linux keeps the two in step, but for
 * a write through the cache to a page that is being written to past it: there is one round at a
 * time. A read beside a write may bring in the page as it was; the kernel throws that out
 * before it reports the write, and nobody reads what is not reported. Dirty pages are none: the
 * thread syncs, and what it does not sync the kernel writes out before it writes past it.
 *
 * The loop does not wait for the disk: with RWF_NOWAIT what would have to is refused (-EAGAIN), or
 * written in part, and goes to the thread, all of it. One write is in flight; when it does not come
 * back because the device stands still, what follows waits here and not in a system call. Where
 * submission takes as long as the write all the same, since a file system knows no better, the
 * thread has them all.
 *
 * A failure is final, as everywhere: it latches, and the thread fails all that waits, untried.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/clock.h"
#include "runtime/disk_internal.h"

#define BUFFER_ALIGN_BYTES 4096
#define HELD_NS_MIN NS_PER_MS /* less is nothing that a loop would notice */

static void note_at_lane(struct disk_direct *direct, const struct disk_op *op)
{
    direct->at_lane++;
    direct->lane_bytes += disk_op_bytes(op);
}

static void give_to_thread(struct disk_posix *disk, struct disk_queue *ops)
{
    for (const struct disk_op *op = ops->first; op != NULL; op = op->next) {
        note_at_lane(&disk->direct, op);
    }
    disk_lane_submit_all(&disk->writer, ops);
}

void disk_direct_returned(struct disk_posix *disk)
{
    struct disk_direct *direct = &disk->direct;
    ASSERT(direct->at_lane > 0);
    direct->at_lane--;
    if (direct->at_lane == 0) {
        direct->is_busy = direct->lane_bytes > DISK_DIRECT_BYTES_MAX;
        direct->lane_bytes = 0;
    }
}

/* One run of whole sectors that fits the buffer; its size, or 0. */
static size_t run_bytes(const struct disk_op *first)
{
    uint64_t size_bytes = 0;
    for (const struct disk_op *op = first; op != NULL; op = op->next) {
        bool goes_on = op->offset == first->offset + size_bytes &&
                       op->is_synced == first->is_synced && strcmp(op->name, first->name) == 0;
        size_bytes += disk_op_bytes(op);
        if (!goes_on || size_bytes > DISK_DIRECT_BYTES_MAX) {
            return 0;
        }
    }
    bool is_whole = first->offset % DISK_SECTOR_BYTES == 0 && size_bytes % DISK_SECTOR_BYTES == 0;
    return is_whole ? (size_t)size_bytes : 0;
}

static void fill_buffer(struct disk_direct *direct)
{
    size_t filled_bytes = 0;
    for (const struct disk_op *op = direct->flying.first; op != NULL; op = op->next) {
        for (size_t i = 0; i < op->part_count; i++) {
            memcpy(direct->buffer + filled_bytes, op->parts[i].data, op->parts[i].size_bytes);
            filled_bytes += op->parts[i].size_bytes;
        }
    }
    ASSERT(filled_bytes == direct->flying_bytes);
}

/* The tests' hooks. False: refused, or it failed and is latched. */
static bool ask(struct disk_posix *disk, const struct disk_op *op, size_t *size_bytes)
{
    size_t unused = 0;
    if (disk_call_ask(disk, DISK_CALL_DIRECT, op->name, &unused) != 0) {
        return false;
    }
    int failure = disk_call_ask(disk, DISK_CALL_WRITE, op->name, size_bytes);
    if (failure == 0 && op->is_synced) {
        failure = disk_call_ask(disk, DISK_CALL_SYNC, op->name, &unused);
    }
    if (failure != 0) {
        (void)disk_latch(disk, "io_submit", op->name, failure);
    }
    return failure == 0;
}

/* Hand what flies to the kernel. False: nothing was tried, it is the thread's. */
static bool launch(struct disk_posix *disk)
{
    struct disk_direct *direct = &disk->direct;
    const struct disk_op *first = direct->flying.first;
    fill_buffer(direct);
    size_t allowed_bytes = direct->flying_bytes;
    if (!ask(disk, first, &allowed_bytes)) {
        return false;
    }
    struct disk_aio_write write = {
        .descriptor = direct->file->direct,
        .is_synced = first->is_synced,
        .data = direct->buffer,
        .size_bytes = min_u64(allowed_bytes, direct->flying_bytes),
        .offset = first->offset,
    };
    direct->began_ns = runtime_now_ns();
    int failure = disk_aio_submit(&direct->aio, &write);
    direct->held_ns = runtime_now_ns() - direct->began_ns;
    return failure == 0;
}

/* All that waits is the next round. */
static void begin(struct disk_posix *disk)
{
    struct disk_direct *direct = &disk->direct;
    if (direct->waiting.first == NULL || direct->flying.first != NULL) {
        return;
    }
    ASSERT(direct->at_lane == 0);
    bool is_possible = atomic_load(&direct->is_on) && !atomic_load(&disk->has_failed);
    size_t size_bytes = is_possible ? run_bytes(direct->waiting.first) : 0;
    if (size_bytes > 0) {
        direct->file = disk_files_hold_direct(disk, direct->waiting.first->name);
    }
    if (size_bytes == 0 || direct->file == NULL) {
        give_to_thread(disk, &direct->waiting);
        return;
    }
    direct->flying = direct->waiting;
    direct->flying_bytes = size_bytes;
    direct->waiting = (struct disk_queue){.first = NULL};
    if (!launch(disk)) {
        disk_files_drop(disk, direct->file);
        direct->file = NULL;
        give_to_thread(disk, &direct->flying);
    }
}

void disk_direct_watch(struct disk_posix *disk, uint64_t held_ns, uint64_t took_ns)
{
    struct disk_direct *direct = &disk->direct;
    bool was_held = held_ns > HELD_NS_MIN && held_ns > took_ns / 2;
    direct->held_rounds = was_held ? direct->held_rounds + 1 : 0;
    if (direct->held_rounds == DISK_HELD_ROUNDS_MAX) {
        atomic_store(&direct->is_on, false);
        LOG(disk->options.log, LOG_WARN, "disk_direct_off",
            log_string("reason", "the kernel writes within io_submit"));
    }
}

static void on_end(struct disk_posix *disk, int64_t result)
{
    struct disk_direct *direct = &disk->direct;
    struct disk_queue ops = direct->flying;
    ASSERT(ops.first != NULL);
    direct->flying = (struct disk_queue){.first = NULL};
    disk_files_drop(disk, direct->file);
    direct->file = NULL;
    bool is_part = result >= 0 && result < (int64_t)direct->flying_bytes;
    if (result == -EAGAIN || is_part) {
        atomic_store(&direct->is_page_in_the_way, true);
        give_to_thread(disk, &ops);
        if (direct->waiting.first != NULL) { /* it came meanwhile, and comes behind */
            give_to_thread(disk, &direct->waiting);
        }
        return;
    }
    time_ns took_ns = runtime_now_ns() - direct->began_ns;
    atomic_fetch_add(&disk->write_calls, 1);
    atomic_fetch_add(&disk->direct_calls, 1);
    atomic_fetch_add(&disk->sync_calls, ops.first->is_synced ? 1 : 0);
    disk_note_round(disk, took_ns);
    disk_direct_watch(disk, direct->held_ns, took_ns);
    int status = 0;
    if (result != (int64_t)direct->flying_bytes) {
        status = disk_latch(disk, "io_submit", ops.first->name, result < 0 ? (int)result : -EIO);
    }
    for (struct disk_op *op = ops.first; op != NULL; op = op->next) {
        op->status = status;
    }
    begin(disk);
    disk_report(disk, ops.first);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct disk_posix *disk = poll->data;
    int64_t result = 0;
    (void)status; /* an eventfd has no errors */
    (void)events;
    if (disk_aio_reap(&disk->direct.aio, false, &result)) {
        on_end(disk, result);
    }
}

/* Behind the turn that submitted, and what it sent is on its way. */
static void on_prepare(uv_prepare_t *prepare)
{
    begin(prepare->data);
}

void disk_direct_submit(struct disk_posix *disk, struct disk_op *op)
{
    struct disk_direct *direct = &disk->direct;
    if (direct->is_open && direct->at_lane == 0 && !direct->is_busy) {
        disk_queue_push(&direct->waiting, op);
        return;
    }
    ASSERT(direct->waiting.first == NULL && direct->flying.first == NULL);
    note_at_lane(direct, op);
    disk_lane_submit(&disk->writer, op);
}

static int open_queue(struct disk_posix *disk)
{
    struct disk_direct *direct = &disk->direct;
    size_t size_bytes = DISK_DIRECT_BYTES_MAX + BUFFER_ALIGN_BYTES;
    direct->memory = allocate(disk->options.allocator, size_bytes);
    if (direct->memory == NULL) {
        return -ENOMEM;
    }
    uintptr_t surplus = (uintptr_t)direct->memory % BUFFER_ALIGN_BYTES;
    direct->buffer = (uint8_t *)direct->memory + (BUFFER_ALIGN_BYTES - surplus);
    int failure = disk_aio_open(&direct->aio);
    size_t unused = 0;
    if (failure == 0) {
        failure = disk_call_ask(disk, DISK_CALL_DIRECT, DISK_TRIAL_NAME, &unused);
    }
    return failure == 0 ? disk_aio_try(&direct->aio, disk->directory, direct->buffer) : failure;
}

static int open_handles(struct disk_posix *disk, uv_loop_t *loop)
{
    struct disk_direct *direct = &disk->direct;
    if (uv_poll_init(loop, &direct->poll, direct->aio.event) != 0) {
        return -ENOMEM;
    }
    int failed = uv_prepare_init(loop, &direct->prepare);
    failed |= uv_prepare_start(&direct->prepare, on_prepare);
    failed |= uv_poll_start(&direct->poll, UV_READABLE, on_event);
    ASSERT(failed == 0); /* none of these can */
    direct->poll.data = disk;
    direct->prepare.data = disk;
    disk->open_handles += 2;
    return 0;
}

void disk_direct_open(struct disk_posix *disk, uv_loop_t *loop)
{
    struct disk_direct *direct = &disk->direct;
    int failure = open_queue(disk);
    if (failure == 0) {
        failure = open_handles(disk, loop);
    }
    direct->is_open = failure == 0;
    atomic_store(&direct->is_on, direct->is_open);
    if (failure != 0) {
        char text[128];
        bool is_wanted = disk->options.driver == DISK_DRIVER_DIRECT;
        LOG(disk->options.log, is_wanted ? LOG_WARN : LOG_INFO, "disk_direct_refused",
            log_string("error", strerror_r(-failure, text, sizeof(text))));
        disk_direct_deinit(disk);
    }
}

void disk_direct_close(struct disk_posix *disk, uv_close_cb on_closed)
{
    struct disk_direct *direct = &disk->direct;
    ASSERT(direct->waiting.first == NULL && direct->flying.first == NULL);
    if (direct->is_open) {
        uv_close((uv_handle_t *)&direct->poll, on_closed);
        uv_close((uv_handle_t *)&direct->prepare, on_closed);
    }
}

void disk_direct_deinit(struct disk_posix *disk)
{
    struct disk_direct *direct = &disk->direct;
    disk_aio_close(&direct->aio);
    release(disk->options.allocator, direct->memory, DISK_DIRECT_BYTES_MAX + BUFFER_ALIGN_BYTES);
    direct->memory = NULL;
}
