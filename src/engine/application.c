/* application.c: the thread on which the program's code runs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/application.h"

#include <signal.h>

#include "base/assert.h"
#include "engine/internal.h"
#include "runtime/memory.h"

int application_init(struct application *application, const struct allocator *allocator, bool is_on)
{
    int failed = pthread_mutex_init(&application->mutex, NULL);
    failed |= pthread_cond_init(&application->wake, NULL);
    failed |= pthread_cond_init(&application->called, NULL);
    ASSERT(failed == 0);
    application->is_on = is_on;
    application->allocator = allocator;
    if (!is_on) {
        return 0;
    }
    application->events =
        allocate(application->allocator, APPLICATION_EVENTS_MAX * sizeof(*application->events));
    application->machine.slice = allocate(application->allocator, CONTENT_BLOCK_BYTES_MAX);
    bool is_whole = application->events != NULL && application->machine.slice != NULL;
    return is_whole ? application_reserve(application, 1) : QR_ERR_NO_MEMORY;
}

void application_deinit(struct application *application)
{
    ASSERT(application->count == 0);
    release(application->allocator, application->events,
            APPLICATION_EVENTS_MAX * sizeof(*application->events));
    release(application->allocator, application->machine.slice, CONTENT_BLOCK_BYTES_MAX);
    release(application->allocator, application->tasks,
            application->capacity * sizeof(*application->tasks));
    (void)pthread_cond_destroy(&application->called);
    (void)pthread_cond_destroy(&application->wake);
    (void)pthread_mutex_destroy(&application->mutex);
}

static struct application_task *task_at(const struct application *application, size_t at)
{
    return &application->tasks[(application->first + at) % application->capacity];
}

/* A ring twice as long, or as long as it must be. */
static int grow(struct application *application, size_t needed)
{
    size_t capacity = application->capacity == 0 ? needed : application->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    struct application_task *tasks =
        allocate(application->allocator, capacity * sizeof(*application->tasks));
    if (tasks == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    (void)pthread_mutex_lock(&application->mutex);
    for (size_t i = 0; i < application->count; i++) {
        tasks[i] = *task_at(application, i);
    }
    release(application->allocator, application->tasks,
            application->capacity * sizeof(*application->tasks));
    application->tasks = tasks;
    application->capacity = capacity;
    application->first = 0;
    (void)pthread_mutex_unlock(&application->mutex);
    return 0;
}

/* Nobody else changes the capacity: who reads it here is under the engine's mutex. */
int application_reserve(struct application *application, size_t owed)
{
    size_t needed = owed + APPLICATION_TASKS_SPARE;
    return needed <= application->capacity ? 0 : grow(application, needed);
}

void application_give(struct application *application, const struct application_task *task)
{
    ASSERT(application->is_on);
    (void)pthread_mutex_lock(&application->mutex);
    ASSERT(application->count < application->capacity);
    *task_at(application, application->count++) = *task;
    (void)pthread_mutex_unlock(&application->mutex);
    atomic_fetch_add_explicit(&application->ended, task->is_owed ? 1 : 0, memory_order_relaxed);
    application->has_given = true;
}

void application_wake(struct application *application)
{
    if (!application->has_given) {
        return;
    }
    application->has_given = false;
    (void)pthread_mutex_lock(&application->mutex);
    bool is_asleep = application->is_asleep;
    application->is_asleep = false;
    (void)pthread_mutex_unlock(&application->mutex);
    if (is_asleep) {
        (void)pthread_cond_signal(&application->wake);
    }
}

/* Take what waits, at most APPLICATION_TAKEN_MAX; 0: nothing will come any more. */
static size_t take(struct application *application, struct application_task *taken)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&application->mutex);
    while (application->count == 0 && !application->is_ending) {
        application->is_asleep = true;
        (void)pthread_cond_wait(&application->wake, &application->mutex);
    }
    application->is_asleep = false;
    for (; count < APPLICATION_TAKEN_MAX && application->count > 0; count++) {
        taken[count] = *task_at(application, 0);
        application->first = (application->first + 1) % application->capacity;
        application->count--;
    }
    (void)pthread_mutex_unlock(&application->mutex);
    return count;
}

static void *run_thread(void *argument)
{
    struct qr_engine *engine = argument;
    struct application *application = &engine->application;
    struct application_task taken[APPLICATION_TAKEN_MAX];
    (void)pthread_mutex_lock(&engine->mutex); /* until application->thread is written */
    (void)pthread_mutex_unlock(&engine->mutex);
    size_t count = take(application, taken);
    while (count > 0) {
        for (size_t i = 0; i < count; i++) {
            taken[i].run(engine, &taken[i]);
            if (taken[i].is_owed) {
                atomic_fetch_sub_explicit(&application->owed, 1, memory_order_relaxed);
                atomic_fetch_sub_explicit(&application->ended, 1, memory_order_relaxed);
            }
        }
        count = take(application, taken);
    }
    if (engine->on_stopped != NULL) {
        engine->on_stopped(engine->argument, engine->stop_status, engine->stop_reason);
    }
    return NULL;
}

int application_start(struct qr_engine *engine)
{
    struct application *application = &engine->application;
    (void)pthread_mutex_lock(&engine->mutex);
    application->is_started = pthread_create(&application->thread, NULL, run_thread, engine) == 0;
    (void)pthread_mutex_unlock(&engine->mutex);
    return application->is_started ? 0 : QR_ERR_NO_MEMORY;
}

void application_off(struct application *application)
{
    ASSERT(!application->is_started);
    ASSERT(atomic_load(&application->owed) == 0);
    application->is_on = false;
    application->count = 0;
    application->has_given = false;
}

void application_end(struct application *application)
{
    (void)pthread_mutex_lock(&application->mutex);
    application->is_ending = true;
    (void)pthread_mutex_unlock(&application->mutex);
    (void)pthread_cond_signal(&application->wake);
}

void application_join(struct application *application)
{
    if (application->is_started) {
        (void)pthread_join(application->thread, NULL);
        application->is_started = false;
    }
}

bool application_is_here(const struct application *application)
{
    return application->is_started && pthread_equal(application->thread, pthread_self());
}
