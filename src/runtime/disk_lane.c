/* disk_lane.c: a thread that takes all that waits for it at once. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/disk_internal.h"

void disk_lane_init(struct disk_lane *lane, struct disk_posix *disk,
                    void (*serve)(struct disk_posix *disk, struct disk_op *ops))
{
    *lane = (struct disk_lane){.disk = disk, .serve = serve};
    int failed = pthread_mutex_init(&lane->mutex, NULL);
    ASSERT(failed == 0);
    failed = pthread_cond_init(&lane->wake, NULL);
    ASSERT(failed == 0);
}

void disk_lane_deinit(struct disk_lane *lane)
{
    ASSERT(!lane->is_running);
    (void)pthread_cond_destroy(&lane->wake);
    (void)pthread_mutex_destroy(&lane->mutex);
}

/* Everything that waits, or NULL when the lane stops. */
static struct disk_op *take(struct disk_lane *lane)
{
    (void)pthread_mutex_lock(&lane->mutex);
    while ((lane->queue.first == NULL || !lane->is_released) && !lane->is_stopping) {
        (void)pthread_cond_wait(&lane->wake, &lane->mutex);
    }
    struct disk_op *ops = NULL;
    if (lane->is_released) {
        ops = lane->queue.first;
        lane->queue = (struct disk_queue){.first = NULL};
    }
    (void)pthread_mutex_unlock(&lane->mutex);
    return ops;
}

static void *run(void *argument)
{
    struct disk_lane *lane = argument;
    struct disk_op *ops = take(lane);
    while (ops != NULL) {
        lane->serve(lane->disk, ops);
        ops = take(lane);
    }
    return NULL;
}

int disk_lane_start(struct disk_lane *lane)
{
    /* Signals are for the program's own threads. */
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    lane->is_running = pthread_create(&lane->thread, NULL, run, lane) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return lane->is_running ? 0 : QR_ERR_NO_MEMORY;
}

void disk_lane_release(struct disk_lane *lane)
{
    (void)pthread_mutex_lock(&lane->mutex);
    lane->is_released = true;
    (void)pthread_cond_signal(&lane->wake);
    (void)pthread_mutex_unlock(&lane->mutex);
}

void disk_lane_stop(struct disk_lane *lane)
{
    if (!lane->is_running) {
        return;
    }
    (void)pthread_mutex_lock(&lane->mutex);
    lane->is_stopping = true;
    (void)pthread_cond_signal(&lane->wake);
    (void)pthread_mutex_unlock(&lane->mutex);
    (void)pthread_join(lane->thread, NULL);
    lane->is_running = false;
    lane->is_stopping = false;
}

void disk_lane_submit_all(struct disk_lane *lane, struct disk_queue *ops)
{
    ASSERT(ops->first != NULL);
    (void)pthread_mutex_lock(&lane->mutex);
    bool was_empty = lane->queue.first == NULL;
    if (was_empty) {
        lane->queue = *ops;
    } else {
        lane->queue.last->next = ops->first;
        lane->queue.last = ops->last;
    }
    (void)pthread_mutex_unlock(&lane->mutex);
    *ops = (struct disk_queue){.first = NULL};
    if (was_empty) {
        (void)pthread_cond_signal(&lane->wake); /* unlocked: who wakes need not wait again */
    }
}

void disk_lane_submit(struct disk_lane *lane, struct disk_op *op)
{
    struct disk_queue one = {.first = NULL};
    disk_queue_push(&one, op);
    disk_lane_submit_all(lane, &one);
}
