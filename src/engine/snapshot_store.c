/* snapshot_store.c: a snapshot store of the program's, as the disk that snapshots are on.
 *
 *   FREE -> HELD    submitted before the start
 *   HELD -> BEGUN   the store has it, under a ticket
 *   BEGUN -> ENDED  the store said so, on whatever thread
 *   ENDED -> FREE   the loop's thread, or who opens the engine, has taken it
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/snapshot_store.h"

#include <pthread.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/text.h"
#include "engine/sized.h"
#include "quorate/error.h"
#include "wal/snapshot_store.h"

#define NOT_GIVEN "the snapshot store told of a ticket that it was not given, or twice"

_Static_assert(QR_SNAPSHOT_PART_BYTES_MAX == SNAPSHOT_CHUNK_BYTES_MAX + DISK_SECTOR_BYTES &&
                   QR_SNAPSHOT_READS_MAX == SNAPSHOT_READERS_MAX &&
                   QR_SNAPSHOT_OPERATIONS_MAX == SNAPSHOT_READERS_MAX + 2,
               "what a program is told is what is asked of it");

enum operation_state {
    OPERATION_FREE,
    OPERATION_HELD,
    OPERATION_BEGUN,
    OPERATION_ENDED,
};

struct operation {
    enum operation_state state;
    uint64_t ticket;
    int status;
    struct disk_op *op; /* NULL: who opens the engine waits for it */
};

struct engine_snapshots {
    struct engine_snapshots_options options;
    struct qr_snapshot_store store;
    struct qr_snapshot_host host;
    struct disk disk;
    bool is_started;
    bool is_open; /* `close` is still to be called */
    uint64_t last_ticket;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    struct operation operations[QR_SNAPSHOT_OPERATIONS_MAX]; /* under the mutex, like the rest */
    bool is_broken;
};

int engine_snapshots_read(const struct qr_snapshot_store *given, struct qr_snapshot_store *out,
                          const char **wrong)
{
    const struct sized known = {
        .size_bytes = sizeof(*out),
        .least_bytes = offsetof(struct qr_snapshot_store, close) + sizeof(out->close),
    };
    int status = sized_read(known, given, out);
    if (status != 0) {
        *wrong = status == QR_ERR_VERSION ? "it has functions that this version does not know"
                                          : "size_bytes is that of no version known here";
        return status;
    }
    bool is_whole = out->open != NULL && out->list != NULL && out->write != NULL &&
                    out->publish != NULL && out->abandon != NULL && out->read != NULL &&
                    out->remove != NULL && out->close != NULL;
    *wrong = "one of its functions is missing";
    return is_whole ? 0 : QR_ERR_INVALID;
}

/* Which error is meant by a number of the program's. */
static int status_of(int status)
{
    switch (status) {
    case 0:
    case QR_ERR_CORRUPT:
    case QR_ERR_DISK_FULL:
    case QR_ERR_FOREIGN:
    case QR_ERR_LOCKED:
    case QR_ERR_NO_MEMORY:
    case QR_ERR_VERSION:
        return status;
    default:
        return QR_ERR_IO;
    }
}

/* Of a read, a disk says no more. */
static int read_status_of(int status)
{
    return status == 0 || status == QR_ERR_CORRUPT || status == QR_ERR_NO_MEMORY ? status
                                                                                 : QR_ERR_IO;
}

/* Of a write and the like. */
static int write_status_of(int status)
{
    return status == 0 || status == QR_ERR_DISK_FULL || status == QR_ERR_NO_MEMORY ? status
                                                                                   : QR_ERR_IO;
}

/* The store says that something has ended. Any thread. */
static void done(void *context, uint64_t ticket, int status)
{
    struct engine_snapshots *snapshots = context;
    (void)pthread_mutex_lock(&snapshots->mutex);
    struct operation *found = NULL;
    for (size_t i = 0; i < QR_SNAPSHOT_OPERATIONS_MAX; i++) {
        struct operation *operation = &snapshots->operations[i];
        if (operation->state == OPERATION_BEGUN && operation->ticket == ticket) {
            found = operation;
        }
    }
    if (found != NULL) {
        found->state = OPERATION_ENDED;
        found->status = status;
    }
    snapshots->is_broken = snapshots->is_broken || found == NULL;
    (void)pthread_cond_broadcast(&snapshots->ended);
    (void)pthread_mutex_unlock(&snapshots->mutex);
    snapshots->options.told(snapshots->options.context);
}

static struct operation *reserve(struct engine_snapshots *snapshots, struct disk_op *op)
{
    struct operation *operation = NULL;
    (void)pthread_mutex_lock(&snapshots->mutex);
    for (size_t i = 0; i < QR_SNAPSHOT_OPERATIONS_MAX && operation == NULL; i++) {
        if (snapshots->operations[i].state == OPERATION_FREE) {
            operation = &snapshots->operations[i];
        }
    }
    ASSERT(operation != NULL); /* one writes, one removes, and readers are bounded */
    *operation =
        (struct operation){.state = OPERATION_HELD, .ticket = ++snapshots->last_ticket, .op = op};
    (void)pthread_mutex_unlock(&snapshots->mutex);
    return operation;
}

/* Hand it to the store, which may say at once that it has ended. False: there is none any more. */
static bool mark_begun(struct engine_snapshots *snapshots, struct operation *operation)
{
    (void)pthread_mutex_lock(&snapshots->mutex);
    ASSERT(operation->state == OPERATION_HELD);
    operation->state = snapshots->is_open ? OPERATION_BEGUN : OPERATION_ENDED;
    operation->status = QR_ERR_CORRUPT;
    (void)pthread_mutex_unlock(&snapshots->mutex);
    return snapshots->is_open;
}

static void begin(struct engine_snapshots *snapshots, struct operation *operation)
{
    const struct qr_snapshot_store *store = &snapshots->store;
    const struct disk_op *op = operation->op;
    uint64_t ticket = operation->ticket; /* it may be another's when the store has it */
    struct qr_snapshot_part part = {.size_bytes = sizeof(part), .offset = op->offset};
    bool is_aside = false;
    bool is_named = snapshot_name_parse(op->name, &part.index, &is_aside);
    ASSERT(is_named);
    if (!mark_begun(snapshots, operation)) {
        snapshots->options.told(snapshots->options.context);
        return;
    }
    if (op->kind == DISK_PUBLISH) {
        store->publish(store->context, ticket, part.index);
        return;
    }
    if (op->kind == DISK_REMOVE) {
        (is_aside ? store->abandon : store->remove)(store->context, ticket, part.index);
        return;
    }
    ASSERT(op->kind == DISK_STORE || op->kind == DISK_READ);
    ASSERT(op->part_count == 1);
    part.count = op->parts[0].size_bytes;
    ASSERT(part.count > 0 && part.count <= QR_SNAPSHOT_PART_BYTES_MAX);
    if (op->kind == DISK_STORE) {
        store->write(store->context, ticket, &part, op->parts[0].data);
    } else {
        store->read(store->context, ticket, &part, op->parts[0].data);
    }
}

static void submit(void *context, struct disk_op *op)
{
    struct engine_snapshots *snapshots = context;
    struct operation *operation = reserve(snapshots, op);
    if (snapshots->is_started) {
        begin(snapshots, operation);
    }
}

struct listing {
    void (*each)(void *argument, const char *name, uint64_t size_bytes);
    void *argument;
};

static void meet(void *argument, uint64_t index, uint64_t size_bytes)
{
    const struct listing *listing = argument;
    char name[DISK_NAME_BYTES_MAX];
    snapshot_name(index, false, name);
    listing->each(listing->argument, name, size_bytes);
}

static int list(void *context, void (*each)(void *argument, const char *name, uint64_t size_bytes),
                void *argument)
{
    struct engine_snapshots *snapshots = context;
    struct listing listing = {each, argument};
    if (!snapshots->is_open) {
        return QR_ERR_CORRUPT;
    }
    return status_of(snapshots->store.list(snapshots->store.context, meet, &listing));
}

/* At a start: wait for it. A store that tells of anything else meanwhile is none. */
static int read_now(void *context, const char *name, uint64_t offset, struct disk_part into,
                    size_t *read_bytes)
{
    struct engine_snapshots *snapshots = context;
    struct disk_op op = {.kind = DISK_READ, .offset = offset, .parts = &into, .part_count = 1};
    struct operation *operation = reserve(snapshots, &op);
    ASSERT(!snapshots->is_started);
    struct text text = text_of(op.name, sizeof(op.name));
    text_string(&text, name);
    begin(snapshots, operation);
    (void)pthread_mutex_lock(&snapshots->mutex);
    while (operation->state == OPERATION_BEGUN && !snapshots->is_broken) {
        (void)pthread_cond_wait(&snapshots->ended, &snapshots->mutex);
    }
    bool has_ended = operation->state == OPERATION_ENDED;
    int status = has_ended && !snapshots->is_broken ? operation->status : QR_ERR_CORRUPT;
    operation->state = OPERATION_FREE;
    (void)pthread_mutex_unlock(&snapshots->mutex);
    if (!has_ended) { /* the store may still write where this is on its way to */
        snapshots->store.close(snapshots->store.context);
        snapshots->is_open = false;
    }
    *read_bytes = status == 0 ? into.size_bytes : 0;
    return read_status_of(status);
}

static int open_store(struct engine_snapshots *snapshots, char *detail)
{
    const struct qr_snapshot_store *store = &snapshots->store;
    const struct qr_snapshot_open open = {.size_bytes = sizeof(open), .host = &snapshots->host};
    char why[QR_SNAPSHOT_DETAIL_BYTES] = "";
    int status = status_of(store->open(store->context, &open, why));
    why[sizeof(why) - 1] = '\0';
    if (status != 0) {
        (void)snprintf(detail, ENGINE_SNAPSHOTS_DETAIL_BYTES,
                       "snapshot_store: it does not open: %s", why);
    }
    snapshots->is_open = status == 0;
    return status;
}

int engine_snapshots_open(const struct engine_snapshots_options *options,
                          struct engine_snapshots **out, char *detail)
{
    struct engine_snapshots *snapshots = allocate_zeroed(options->allocator, sizeof(*snapshots));
    if (snapshots == NULL) {
        (void)snprintf(detail, ENGINE_SNAPSHOTS_DETAIL_BYTES, "memory ran out");
        return QR_ERR_NO_MEMORY;
    }
    snapshots->options = *options;
    snapshots->store = *options->store;
    snapshots->host = (struct qr_snapshot_host){
        .size_bytes = sizeof(snapshots->host), .context = snapshots, .done = done};
    snapshots->disk =
        (struct disk){.context = snapshots, .list = list, .read = read_now, .submit = submit};
    int failed = pthread_mutex_init(&snapshots->mutex, NULL);
    failed |= pthread_cond_init(&snapshots->ended, NULL);
    ASSERT(failed == 0);
    int status = open_store(snapshots, detail);
    if (status != 0) {
        engine_snapshots_free(snapshots);
        return status;
    }
    *out = snapshots;
    return 0;
}

const struct disk *engine_snapshots_disk(struct engine_snapshots *snapshots)
{
    return &snapshots->disk;
}

static void start(struct engine_snapshots *snapshots)
{
    snapshots->is_started = true;
    for (size_t i = 0; i < QR_SNAPSHOT_OPERATIONS_MAX; i++) {
        struct operation *operation = &snapshots->operations[i];
        (void)pthread_mutex_lock(&snapshots->mutex);
        bool is_held = operation->state == OPERATION_HELD;
        (void)pthread_mutex_unlock(&snapshots->mutex);
        if (is_held) {
            begin(snapshots, operation);
        }
    }
}

/* What it has is over with its close, whatever it said. */
static void give_up(struct engine_snapshots *snapshots)
{
    snapshots->store.close(snapshots->store.context);
    snapshots->is_open = false;
    LOG(snapshots->options.log, LOG_ERROR, "snapshot_store_wrong", log_string("reason", NOT_GIVEN));
    (void)pthread_mutex_lock(&snapshots->mutex);
    for (size_t i = 0; i < QR_SNAPSHOT_OPERATIONS_MAX; i++) {
        struct operation *operation = &snapshots->operations[i];
        if (operation->state == OPERATION_BEGUN) {
            operation->state = OPERATION_ENDED;
            operation->status = QR_ERR_CORRUPT;
        }
    }
    (void)pthread_mutex_unlock(&snapshots->mutex);
}

/* The next one that has ended, or NULL. */
static struct disk_op *take_next(struct engine_snapshots *snapshots)
{
    struct disk_op *op = NULL;
    (void)pthread_mutex_lock(&snapshots->mutex);
    for (size_t i = 0; i < QR_SNAPSHOT_OPERATIONS_MAX && op == NULL; i++) {
        struct operation *operation = &snapshots->operations[i];
        if (operation->state == OPERATION_ENDED) {
            op = operation->op;
            op->status = op->kind == DISK_READ ? read_status_of(operation->status)
                                               : write_status_of(operation->status);
            operation->state = OPERATION_FREE;
        }
    }
    (void)pthread_mutex_unlock(&snapshots->mutex);
    return op;
}

const char *engine_snapshots_take(struct engine_snapshots *snapshots)
{
    if (!snapshots->is_started) {
        start(snapshots);
    }
    (void)pthread_mutex_lock(&snapshots->mutex);
    bool is_broken = snapshots->is_broken;
    (void)pthread_mutex_unlock(&snapshots->mutex);
    if (is_broken && snapshots->is_open) {
        give_up(snapshots);
    }
    /* One round: what those that have ended begin, and a store ends at once, is of the next. */
    struct disk_op *ended[QR_SNAPSHOT_OPERATIONS_MAX];
    size_t count = 0;
    struct disk_op *op = take_next(snapshots);
    while (op != NULL) {
        ended[count++] = op;
        op = take_next(snapshots);
    }
    for (size_t i = 0; i < count; i++) {
        ended[i]->done(ended[i]);
    }
    return is_broken ? NOT_GIVEN : NULL;
}

void engine_snapshots_free(struct engine_snapshots *snapshots)
{
    if (snapshots == NULL) {
        return;
    }
    if (snapshots->is_open) {
        snapshots->store.close(snapshots->store.context);
    }
    for (size_t i = 0; i < QR_SNAPSHOT_OPERATIONS_MAX; i++) {
        enum operation_state state = snapshots->operations[i].state;
        ASSERT(state == OPERATION_FREE || state == OPERATION_HELD);
    }
    (void)pthread_cond_destroy(&snapshots->ended);
    (void)pthread_mutex_destroy(&snapshots->mutex);
    release(snapshots->options.allocator, snapshots, sizeof(*snapshots));
}
