/* plain.c: a state machine out of a program's state and one function.
 *
 * A snapshot is a mark, the size of the state (u64, little-endian), and its bytes, of plain
 * memory without the zeros at its end: a longer struct of a later version has the same ones.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/plain.h"

#include <pthread.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/types.h"
#include "engine/sized.h"
#include "runtime/memory.h"

static const uint8_t mark[8] = {'q', 'r', 'p', 'l', 'a', 'i', 'n', '1'};

#define HEAD_BYTES (sizeof(mark) + 8)
#define REPLY_ALIGNMENT 16

struct plain {
    const struct allocator *allocator;
    struct qr_plain_options options;
    pthread_mutex_t mutex; /* the state, and what follows */
    uint8_t *replies;      /* QR_APPLY_ENTRIES_MAX places */
    size_t reply_bytes;    /* of a place */
    uint8_t *saved;        /* state_bytes, to make digests of what `save` gives; else NULL */
    uint64_t digest;
    bool is_digest_known;
    uint8_t *restored; /* HEAD_BYTES + state_bytes while a snapshot is taken over */
    size_t restored_bytes;
};

struct plain_snapshot {
    size_t capacity_bytes;
    size_t size_bytes;
    size_t read_bytes;
    uint8_t bytes[];
};

int qr_plain_answer(struct qr_plain_reply *reply, const void *data, size_t size_bytes)
{
    if (reply == NULL || (data == NULL && size_bytes > 0)) {
        return QR_ERR_INVALID;
    }
    if (size_bytes > reply->capacity_bytes) {
        return QR_ERR_TOO_LARGE;
    }
    if (size_bytes > 0) {
        memcpy(reply->data, data, size_bytes);
    }
    reply->size_bytes = size_bytes;
    return 0;
}

static void lock(struct plain *plain)
{
    int failed = pthread_mutex_lock(&plain->mutex);
    ASSERT(failed == 0);
}

static void unlock(struct plain *plain)
{
    int failed = pthread_mutex_unlock(&plain->mutex);
    ASSERT(failed == 0);
}

static int apply_one(struct plain *plain, const struct qr_entry *entry, size_t place,
                     struct qr_result *result)
{
    const struct qr_plain_options *options = &plain->options;
    struct qr_plain_reply reply = {
        .data = plain->replies + place * plain->reply_bytes,
        .capacity_bytes = options->reply_bytes_max,
    };
    if (entry->command_bytes == 0 && entry->payload_bytes == 0 && options->wake_at == NULL) {
        return 0; /* a tick that another version of the program asked for */
    }
    int status = options->apply(options->state, entry, &reply);
    ASSERT(reply.size_bytes <= options->reply_bytes_max);
    *result = (struct qr_result){.data = reply.data, .size_bytes = reply.size_bytes};
    if (status == QR_ERR_NO_MEMORY || status == QR_ERR_IO) {
        return status;
    }
    result->status = status == 0 ? 0 : QR_ERR_REJECTED;
    return 0;
}

static int apply(void *context, const struct qr_entry *entries, size_t count,
                 struct qr_result *results)
{
    struct plain *plain = context;
    int status = 0;
    ASSERT(count <= QR_APPLY_ENTRIES_MAX);
    lock(plain);
    plain->is_digest_known = false;
    for (size_t i = 0; i < count && status == 0; i++) {
        status = apply_one(plain, &entries[i], i, &results[i]);
    }
    unlock(plain);
    return status;
}

static uint64_t wake_at(void *context)
{
    struct plain *plain = context;
    lock(plain);
    uint64_t wanted = plain->options.wake_at(plain->options.state);
    unlock(plain);
    return wanted;
}

/* The state as bytes, in `buffer` of state_bytes where there is one; how many in *size_bytes.
 * NULL: there is no room for it.
 */
static const uint8_t *state_as_bytes(const struct plain *plain, uint8_t *buffer, size_t *size_bytes)
{
    const struct qr_plain_options *options = &plain->options;
    if (options->save != NULL) {
        *size_bytes = options->save(options->state, buffer, options->state_bytes);
        return *size_bytes <= options->state_bytes ? buffer : NULL;
    }
    const uint8_t *bytes = options->state;
    size_t count = options->state_bytes;
    while (count > 0 && bytes[count - 1] == 0) {
        count--;
    }
    *size_bytes = count;
    return bytes;
}

static uint64_t compute_digest(const struct plain *plain)
{
    size_t size_bytes;
    const uint8_t *bytes = state_as_bytes(plain, plain->saved, &size_bytes);
    /* One that has outgrown its room is told by its size alone. */
    uint64_t sum = bytes == NULL ? 0 : crc32c(0, bytes, size_bytes);
    return ((uint64_t)size_bytes << 32 ^ sum) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t digest(void *context)
{
    struct plain *plain = context;
    lock(plain);
    if (!plain->is_digest_known) {
        plain->digest = compute_digest(plain);
        plain->is_digest_known = true;
    }
    uint64_t value = plain->digest;
    unlock(plain);
    return value;
}

static void snapshot_close(void *context, void *snapshot)
{
    const struct plain *plain = context;
    struct plain_snapshot *closed = snapshot;
    release(plain->allocator, closed, closed->capacity_bytes);
}

static int snapshot_open(void *context, void **snapshot)
{
    struct plain *plain = context;
    size_t capacity = sizeof(struct plain_snapshot) + HEAD_BYTES + plain->options.state_bytes;
    struct plain_snapshot *opened = allocate(plain->allocator, capacity);
    if (opened == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    *opened = (struct plain_snapshot){.capacity_bytes = capacity};
    uint8_t *room = opened->bytes + HEAD_BYTES;
    size_t size_bytes;
    lock(plain);
    const uint8_t *bytes = state_as_bytes(plain, room, &size_bytes);
    if (bytes != NULL && bytes != room && size_bytes > 0) {
        memcpy(room, bytes, size_bytes);
    }
    unlock(plain);
    if (bytes == NULL) {
        snapshot_close(plain, opened);
        return QR_ERR_NO_MEMORY;
    }
    memcpy(opened->bytes, mark, sizeof(mark));
    store_u64(opened->bytes + sizeof(mark), size_bytes);
    opened->size_bytes = HEAD_BYTES + size_bytes;
    *snapshot = opened;
    return 0;
}

static int snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes)
{
    struct plain_snapshot *opened = snapshot;
    (void)context;
    size_t count = (size_t)min_u64(size_bytes, opened->size_bytes - opened->read_bytes);
    if (count > 0) {
        memcpy(buffer, opened->bytes + opened->read_bytes, count);
    }
    opened->read_bytes += count;
    *read_bytes = count;
    return 0;
}

static void drop_restored(struct plain *plain)
{
    release(plain->allocator, plain->restored, HEAD_BYTES + plain->options.state_bytes);
    plain->restored = NULL;
    plain->restored_bytes = 0;
}

static int restore_begin(void *context)
{
    struct plain *plain = context;
    drop_restored(plain);
    plain->restored = allocate(plain->allocator, HEAD_BYTES + plain->options.state_bytes);
    return plain->restored == NULL ? QR_ERR_NO_MEMORY : 0;
}

static int restore_write(void *context, const void *data, size_t size_bytes)
{
    struct plain *plain = context;
    size_t room = HEAD_BYTES + plain->options.state_bytes - plain->restored_bytes;
    ASSERT(plain->restored != NULL);
    if (size_bytes > room) {
        return QR_ERR_VERSION; /* of a program whose state is longer */
    }
    if (size_bytes > 0) {
        memcpy(plain->restored + plain->restored_bytes, data, size_bytes);
    }
    plain->restored_bytes += size_bytes;
    return 0;
}

/* Make the state what was restored. */
static int take_over(struct plain *plain, const uint8_t *bytes, size_t size_bytes)
{
    const struct qr_plain_options *options = &plain->options;
    if (options->load != NULL) {
        return options->load(options->state, bytes, size_bytes);
    }
    memset(options->state, 0, options->state_bytes);
    memcpy(options->state, bytes, size_bytes);
    return 0;
}

static int restore_end(void *context)
{
    struct plain *plain = context;
    int status = QR_ERR_CORRUPT;
    ASSERT(plain->restored != NULL);
    if (plain->restored_bytes >= HEAD_BYTES && memcmp(plain->restored, mark, sizeof(mark)) == 0 &&
        load_u64(plain->restored + sizeof(mark)) == plain->restored_bytes - HEAD_BYTES) {
        lock(plain);
        plain->is_digest_known = false;
        status = take_over(plain, plain->restored + HEAD_BYTES, plain->restored_bytes - HEAD_BYTES);
        unlock(plain);
    }
    drop_restored(plain);
    return status;
}

static bool are_valid(const struct qr_plain_options *options)
{
    return options->state != NULL && options->apply != NULL && options->state_bytes > 0 &&
           options->state_bytes <= QR_PLAIN_STATE_BYTES_MAX &&
           options->reply_bytes_max <= QR_PLAIN_REPLY_BYTES_MAX &&
           (options->save == NULL) == (options->load == NULL);
}

static void free_plain(struct plain *plain)
{
    const struct allocator *allocator = plain->allocator;
    drop_restored(plain);
    release(allocator, plain->replies, QR_APPLY_ENTRIES_MAX * plain->reply_bytes);
    release(allocator, plain->saved, plain->options.state_bytes);
    (void)pthread_mutex_destroy(&plain->mutex);
    release(allocator, plain, sizeof(*plain));
}

/* What is behind the state machine, or NULL: memory ran out. */
static struct plain *new_plain(const struct qr_plain_options *options,
                               const struct allocator *allocator)
{
    struct plain *plain = allocate_zeroed(allocator, sizeof(*plain));
    if (plain == NULL) {
        return NULL;
    }
    plain->allocator = allocator;
    plain->options = *options;
    if (plain->options.reply_bytes_max == 0) {
        plain->options.reply_bytes_max = QR_PLAIN_REPLY_BYTES;
    }
    plain->reply_bytes =
        (plain->options.reply_bytes_max + REPLY_ALIGNMENT - 1) / REPLY_ALIGNMENT * REPLY_ALIGNMENT;
    int failed = pthread_mutex_init(&plain->mutex, NULL);
    ASSERT(failed == 0); /* of the default kind it cannot fail here */
    plain->replies = allocate(allocator, QR_APPLY_ENTRIES_MAX * plain->reply_bytes);
    bool is_whole = plain->replies != NULL;
    if (options->save != NULL) {
        plain->saved = allocate(allocator, options->state_bytes);
        is_whole = is_whole && plain->saved != NULL;
    }
    if (!is_whole) {
        free_plain(plain);
        return NULL;
    }
    return plain;
}

int plain_new(const struct qr_plain_options *options, const struct allocator *allocator,
              struct qr_state_machine *out)
{
    if (out == NULL) {
        return QR_ERR_INVALID;
    }
    *out = (struct qr_state_machine){0};
    static const struct sized known = {
        .size_bytes = sizeof(struct qr_plain_options),
        .least_bytes = sizeof(struct qr_plain_options), /* there is but one version yet */
    };
    struct qr_plain_options read;
    int status = sized_read(known, options, &read);
    if (status == 0 && !are_valid(&read)) {
        status = QR_ERR_INVALID;
    }
    if (status != 0) {
        return status;
    }
    struct plain *plain = new_plain(&read, allocator);
    if (plain == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    *out = (struct qr_state_machine){
        .size_bytes = sizeof(*out),
        .context = plain,
        .apply = apply,
        .wake_at = read.wake_at == NULL ? NULL : wake_at,
        .digest = digest,
        .snapshot_open = snapshot_open,
        .snapshot_read = snapshot_read,
        .snapshot_close = snapshot_close,
        .restore_begin = restore_begin,
        .restore_write = restore_write,
        .restore_end = restore_end,
    };
    return 0;
}

int qr_plain_new(const struct qr_plain_options *options, struct qr_state_machine *out)
{
    return plain_new(options, &runtime_allocator, out);
}

int qr_plain_state(struct qr_state_machine *out, void *state, size_t state_bytes,
                   qr_plain_apply *apply_to_state)
{
    struct qr_plain_options options = {
        .size_bytes = sizeof(options),
        .state = state,
        .apply = apply_to_state,
        .state_bytes = state_bytes,
    };
    return qr_plain_new(&options, out);
}

void qr_plain_free(struct qr_state_machine *machine)
{
    if (machine != NULL && machine->context != NULL) {
        free_plain(machine->context);
        *machine = (struct qr_state_machine){0};
    }
}

/* What is behind one that was made here, or NULL. */
static struct plain *plain_of(const struct qr_state_machine *machine)
{
    return machine != NULL && machine->apply == apply ? machine->context : NULL;
}

int qr_plain_read(const struct qr_state_machine *machine, void *out)
{
    struct plain *plain = plain_of(machine);
    if (plain == NULL || out == NULL || plain->options.save != NULL) {
        return QR_ERR_INVALID;
    }
    lock(plain);
    memcpy(out, plain->options.state, plain->options.state_bytes);
    unlock(plain);
    return 0;
}

int qr_plain_look(const struct qr_state_machine *machine,
                  void (*look)(void *argument, const void *state), void *argument)
{
    struct plain *plain = plain_of(machine);
    if (plain == NULL || look == NULL) {
        return QR_ERR_INVALID;
    }
    lock(plain);
    look(argument, plain->options.state);
    unlock(plain);
    return 0;
}
