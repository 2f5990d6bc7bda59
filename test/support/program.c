/* program.c: a program around a tally, that can be held. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/program.h"

#include "base/assert.h"
#include "quorate/error.h"

void program_note(struct program *program, enum program_kind kind)
{
    pthread_mutex_lock(&program->mutex);
    program->is_elsewhere[kind] =
        program->is_elsewhere[kind] ||
        (program->counts[kind] > 0 && !pthread_equal(program->threads[kind], pthread_self()));
    program->threads[kind] = pthread_self();
    program->counts[kind]++;
    program->is_inside[kind] = true;
    pthread_cond_broadcast(&program->changed);
    while (program->is_held[kind]) {
        pthread_cond_wait(&program->changed, &program->mutex);
    }
    program->is_inside[kind] = false;
    pthread_mutex_unlock(&program->mutex);
}

void program_hold(struct program *program, enum program_kind kind, bool is_held)
{
    pthread_mutex_lock(&program->mutex);
    program->is_held[kind] = is_held;
    pthread_cond_broadcast(&program->changed);
    pthread_mutex_unlock(&program->mutex);
}

int program_count(struct program *program, enum program_kind kind)
{
    pthread_mutex_lock(&program->mutex);
    int count = program->counts[kind];
    pthread_mutex_unlock(&program->mutex);
    return count;
}

bool program_is_inside(struct program *program, enum program_kind kind)
{
    pthread_mutex_lock(&program->mutex);
    bool is_so = program->is_inside[kind];
    pthread_mutex_unlock(&program->mutex);
    return is_so;
}

static void enter(struct program *program, enum program_kind kind)
{
    pthread_mutex_lock(&program->mutex);
    ASSERT(program->inside_count++ == 0); /* one call at a time */
    pthread_mutex_unlock(&program->mutex);
    program_note(program, kind);
}

static void leave(struct program *program)
{
    pthread_mutex_lock(&program->mutex);
    program->inside_count--;
    pthread_mutex_unlock(&program->mutex);
}

static int apply(void *context, const struct qr_entry *entries, size_t count,
                 struct qr_result *results)
{
    struct program *program = context;
    enter(program, PROGRAM_APPLY);
    int status = program->tally->machine.apply(program->tally, entries, count, results);
    leave(program);
    return status;
}

static uint64_t digest(void *context)
{
    struct program *program = context;
    enter(program, PROGRAM_DIGEST);
    uint64_t sum = program->tally->machine.digest(program->tally);
    leave(program);
    return sum;
}

static uint64_t wake_at(void *context)
{
    struct program *program = context;
    enter(program, PROGRAM_WAKE_AT);
    leave(program);
    return 0;
}

static int snapshot_open(void *context, void **snapshot)
{
    struct program *program = context;
    enter(program, PROGRAM_OPEN);
    int status = program->tally->machine.snapshot_open(program->tally, snapshot);
    leave(program);
    return status;
}

/* In slices of a byte. */
static int snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes)
{
    struct program *program = context;
    ASSERT(size_bytes >= QR_SNAPSHOT_SLICE_BYTES_MIN);
    enter(program, PROGRAM_READ_VIEW);
    int status =
        program->tally->machine.snapshot_read(program->tally, snapshot, buffer, 1, read_bytes);
    leave(program);
    return status;
}

static void snapshot_close(void *context, void *snapshot)
{
    struct program *program = context;
    enter(program, PROGRAM_CLOSE);
    program->tally->machine.snapshot_close(program->tally, snapshot);
    leave(program);
}

static int restore_begin(void *context)
{
    struct program *program = context;
    enter(program, PROGRAM_RESTORE);
    int status = program->tally->machine.restore_begin(program->tally);
    leave(program);
    return status;
}

static int restore_write(void *context, const void *data, size_t size_bytes)
{
    struct program *program = context;
    enter(program, PROGRAM_RESTORE);
    int status = program->tally->machine.restore_write(program->tally, data, size_bytes);
    leave(program);
    return status;
}

static int restore_end(void *context)
{
    struct program *program = context;
    enter(program, PROGRAM_RESTORE);
    int status = program->tally->machine.restore_end(program->tally);
    leave(program);
    return status;
}

void program_init(struct program *program, struct tally *tally)
{
    *program = (struct program){.tally = tally};
    pthread_mutex_init(&program->mutex, NULL);
    pthread_cond_init(&program->changed, NULL);
    program->machine = (struct qr_state_machine){
        .size_bytes = sizeof(program->machine),
        .context = program,
        .apply = apply,
        .digest = digest,
        .wake_at = wake_at,
        .snapshot_open = snapshot_open,
        .snapshot_read = snapshot_read,
        .snapshot_close = snapshot_close,
        .restore_begin = restore_begin,
        .restore_write = restore_write,
        .restore_end = restore_end,
    };
}

void program_deinit(struct program *program)
{
    pthread_cond_destroy(&program->changed);
    pthread_mutex_destroy(&program->mutex);
}

void program_on_stopped(void *argument, int status, const char *reason)
{
    (void)status;
    (void)reason;
    program_note(argument, PROGRAM_STOPPED);
}

void program_on_proposed(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct program *program = argument;
    ASSERT((result != NULL) == (status == 0));
    pthread_mutex_lock(&program->mutex);
    program->ok_count += status == 0 ? 1 : 0;
    program->failed_count += status == 0 ? 0 : 1;
    program->last_index = status == 0 ? index : program->last_index;
    pthread_mutex_unlock(&program->mutex);
    program_note(program, PROGRAM_PROPOSED);
}

void program_on_read(void *argument, int status, uint64_t index)
{
    struct program *program = argument;
    program->read_index = status == 0 ? index : 0;
    program_note(program, PROGRAM_READ);
}

void program_on_snapshot(void *argument, int status, uint64_t index)
{
    (void)index;
    ASSERT(status == 0 || status == QR_ERR_STOPPED);
    program_note(argument, PROGRAM_SNAPSHOT);
}

void program_on_commit(void *argument, const struct qr_entry *entry)
{
    ASSERT(entry->payload_bytes == 1);
    program_note(argument, PROGRAM_COMMIT);
}

void program_on_member(void *argument, const struct qr_membership_event *event)
{
    struct program *program = argument;
    ASSERT(event->name != NULL);
    pthread_mutex_lock(&program->mutex);
    program->missed_count += event->missed_count;
    pthread_mutex_unlock(&program->mutex);
    program_note(program, PROGRAM_MEMBER);
}
