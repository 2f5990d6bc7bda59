/* backup.c: backups that are taken of a running node: a barrier, a snapshot, then its pieces.
 *
 * A backup is a place in the engine. Calls note what is wanted; all that is asked of the node is
 * asked in the engine's turn (engine_backups_turn()), when no call of the node is under way.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "engine/internal.h"
#include "runtime/memory.h"

#define SNAPSHOT_TRIES 3 /* a leader's may take its place before it is opened */

_Static_assert(QR_BACKUP_HEAD_BYTES == BACKUP_HEAD_BYTES && QR_BACKUPS_MAX == NODE_BACKUPS_MAX,
               "what is public is what is");

struct opening {
    qr_backup_done *done;
    void *argument;
    struct qr_backup *backup;
    int status;
};

static size_t place_of(const struct qr_backup *backup)
{
    return (size_t)(backup - backup->engine->backups);
}

/* Whether a piece waits to be told, of the backup that has this place or had it before. */
static bool has_piece(struct qr_engine *engine, size_t place)
{
    (void)pthread_mutex_lock(&engine->application.mutex);
    bool is_so = engine->application.has_piece[place];
    (void)pthread_mutex_unlock(&engine->application.mutex);
    return is_so;
}

static void free_place(struct qr_backup *backup)
{
    backup->is_used = false;
    backup->is_closing = false;
}

void engine_backup_taken(void *argument, int status, uint64_t index)
{
    struct qr_backup *backup = argument;
    (void)index; /* it may stand too low: the node is asked again */
    backup->is_called = false;
    backup->status = status;
    backup->is_due = status == 0;
    engine_mark(backup->engine);
}

void engine_backup_passed(void *argument, int status, uint64_t index)
{
    struct qr_backup *backup = argument;
    backup->is_called = false;
    backup->status = status;
    backup->least = index;
    backup->is_due = status == 0;
    engine_mark(backup->engine);
}

static void open_now(struct qr_engine *engine, void *argument)
{
    struct opening *opening = argument;
    struct qr_backup *backup = NULL;
    opening->status = QR_ERR_STOPPED;
    if (engine->node == NULL || engine->is_stopping) {
        return;
    }
    for (size_t i = 0; i < NODE_BACKUPS_MAX && backup == NULL; i++) {
        backup = engine->backups[i].is_used || has_piece(engine, i) ? NULL : &engine->backups[i];
    }
    if (backup == NULL) {
        opening->status = QR_ERR_BUSY;
        return;
    }
    *backup = (struct qr_backup){
        .engine = engine,
        .is_used = true,
        .is_called = true,
        .done = opening->done,
        .argument = opening->argument,
    };
    /* Whatever kind of reads the node was told to give: a backup is not taken on a clock's word. */
    const struct qr_read_options linearizable = {.size_bytes = sizeof(linearizable),
                                                 .kind = QR_READ_LINEARIZABLE};
    opening->status = qr_read(engine, &linearizable, engine_backup_passed, backup);
    if (opening->status != 0) {
        free_place(backup);
        return;
    }
    opening->backup = backup;
}

int qr_backup_open(struct qr_engine *engine, qr_backup_done *done, void *argument,
                   struct qr_backup **out)
{
    struct opening opening = {.done = done, .argument = argument};
    /* The snapshots of a state machine that is durable by itself leave its state out. */
    if (!engine_is_given(engine) || done == NULL || out == NULL ||
        engine->state_machine.snapshot_open == NULL ||
        engine->state_machine.applied_index != NULL) {
        return QR_ERR_INVALID;
    }
    engine_call(engine, open_now, &opening);
    if (opening.status == 0) {
        *out = opening.backup;
    }
    return opening.status;
}

struct asking {
    struct qr_backup *backup;
    int status;
};

static void next_now(struct qr_engine *engine, void *argument)
{
    struct asking *asking = argument;
    struct qr_backup *backup = asking->backup;
    ASSERT(backup->is_used && !backup->is_closing);
    if (engine->node == NULL) {
        asking->status = QR_ERR_STOPPED;
    } else if (backup->is_wanted || has_piece(engine, place_of(backup))) {
        asking->status = QR_ERR_BUSY;
    } else {
        backup->is_wanted = true;
        engine_mark(engine);
    }
}

int qr_backup_next(struct qr_backup *backup)
{
    struct asking asking = {.backup = backup};
    if (backup == NULL) {
        return QR_ERR_INVALID;
    }
    engine_call(backup->engine, next_now, &asking);
    return asking.status;
}

static void close_now(struct qr_engine *engine, void *argument)
{
    struct qr_backup *backup = argument;
    ASSERT(backup->is_used && !backup->is_closing);
    backup->is_closing = true;
    if (engine->node == NULL) {
        free_place(backup);
    } else {
        engine_mark(engine);
    }
}

void qr_backup_close(struct qr_backup *backup)
{
    if (backup != NULL) {
        struct application *application = &backup->engine->application;
        (void)pthread_mutex_lock(&application->mutex);
        application->backup_lives[place_of(backup)]++;
        (void)pthread_mutex_unlock(&application->mutex);
        engine_call(backup->engine, close_now, backup);
    }
}

/* On the application thread: `index` is the life that it was read in. From here on the place may be
 * another's.
 */
static void call_backup(struct qr_engine *engine, const struct application_task *task)
{
    struct application *application = &engine->application;
    (void)pthread_mutex_lock(&application->mutex);
    bool is_open = application->backup_lives[task->place] == task->index;
    application->has_piece[task->place] = false;
    (void)pthread_mutex_unlock(&application->mutex);
    if (is_open) {
        ((qr_backup_done *)task->done)(task->argument, task->status, task->data,
                                       task->status == 0 ? task->data_bytes : 0);
    }
    release(&engine->allocator, task->data, task->data_bytes);
}

static void give_piece(struct qr_backup *backup, int status, const void *data, size_t size_bytes)
{
    struct application *application = &backup->engine->application;
    struct application_task task = {
        .run = call_backup,
        .done = (void (*)(void))backup->done,
        .argument = backup->argument,
        .status = status,
        .place = place_of(backup),
    };
    if (size_bytes > 0) {
        task.data = allocate(&backup->engine->allocator, size_bytes);
        task.data_bytes = task.data == NULL ? 0 : size_bytes;
        task.status = task.data == NULL ? QR_ERR_NO_MEMORY : status;
    }
    if (task.data != NULL) {
        memcpy(task.data, data, size_bytes);
    }
    backup->status = task.status;
    (void)pthread_mutex_lock(&application->mutex);
    ASSERT(!application->has_piece[task.place]);
    application->has_piece[task.place] = true;
    task.index = application->backup_lives[task.place];
    (void)pthread_mutex_unlock(&application->mutex);
    application_give(application, &task);
}

static void tell(struct qr_backup *backup, int status, const void *data, size_t size_bytes)
{
    backup->status = status;
    backup->is_wanted = false;
    backup->is_reading = false;
    if (backup->is_closing) {
        return;
    }
    if (backup->engine->application.is_on) {
        give_piece(backup, status, data, size_bytes);
    } else {
        backup->done(backup->argument, status, data, size_bytes);
    }
}

void engine_backup_read(void *context, size_t at, int status, const uint8_t *data,
                        size_t size_bytes)
{
    struct qr_engine *engine = context;
    for (size_t i = 0; i < NODE_BACKUPS_MAX; i++) {
        struct qr_backup *backup = &engine->backups[i];
        if (backup->is_used && backup->is_open && backup->at == at) {
            tell(backup, status, data, size_bytes);
            return;
        }
    }
}

/* Open the node's snapshot if it has all that it must; else ask for one. */
static void advance(struct qr_engine *engine, struct qr_backup *backup)
{
    backup->is_due = false;
    engine->in_node++;
    int status =
        node_backup_open(engine->node, backup->least, engine_time(), &backup->at, backup->head);
    engine->in_node--;
    backup->is_open = status == 0;
    if (status == QR_ERR_NOT_FOUND && backup->tries < SNAPSHOT_TRIES) {
        backup->tries++;
        backup->is_called = true;
        status = engine_snapshot(engine, engine_backup_taken, backup);
        backup->is_called = status == 0;
    }
    /* The newest one came from a leader, and is not taken over yet: none is taken beside it. */
    backup->status = status == QR_ERR_NOT_FOUND ? QR_ERR_BEHIND : engine_refusal(status);
}

/* What is wanted next, if it can be had. */
static void give(struct qr_engine *engine, struct qr_backup *backup)
{
    if (backup->status != 0) {
        tell(backup, backup->status, NULL, 0);
    } else if (backup->is_open && !backup->is_head_given) {
        backup->is_head_given = true;
        tell(backup, 0, backup->head, sizeof(backup->head));
    } else if (backup->is_open && !backup->is_reading) {
        backup->is_reading = true;
        engine->in_node++;
        int status = node_backup_read(engine->node, backup->at, engine_time());
        engine->in_node--;
        if (status != 0) {
            tell(backup, status, NULL, 0);
        }
    }
}

static void close_place(struct qr_engine *engine, struct qr_backup *backup)
{
    if (backup->is_called) {
        return; /* the answer comes, and then its turn */
    }
    if (backup->is_open) {
        engine->in_node++;
        node_backup_close(engine->node, backup->at);
        engine->in_node--;
    }
    free_place(backup);
}

void engine_backups_turn(struct qr_engine *engine)
{
    for (size_t i = 0; i < NODE_BACKUPS_MAX && !engine->is_stopping; i++) {
        struct qr_backup *backup = &engine->backups[i];
        if (!backup->is_used) {
            continue;
        }
        if (backup->is_closing) {
            close_place(engine, backup);
            continue;
        }
        if (backup->is_due) {
            advance(engine, backup);
        }
        if (backup->is_wanted) {
            give(engine, backup);
        }
    }
}

void engine_backups_stop(struct qr_engine *engine)
{
    for (size_t i = 0; i < NODE_BACKUPS_MAX; i++) {
        struct qr_backup *backup = &engine->backups[i];
        if (backup->is_used && backup->is_wanted) {
            tell(backup, QR_ERR_STOPPED, NULL, 0);
        }
        if (backup->is_used && backup->is_closing) {
            free_place(backup);
        }
    }
}
