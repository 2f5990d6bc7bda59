/* counter.c: the smallest program that embeds Quorate: a counter that survives its process.
 *
 * usage: counter DIRECTORY ADDRESS [MEMBER,...]
 *
 * The first node of a cluster is started without MEMBERs, the others with the addresses of
 * some that run. Each line of standard input adds its number; the new sum is printed.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include "quorate/engine.h"

/* The replicated state: nothing but what its entries say. */
struct counter {
    int64_t sum;
    size_t restored_bytes; /* of the sum, from a snapshot */
    int64_t results[1024]; /* of the last batch, kept until the next */
};

static int apply(void *context, const struct qr_entry *entries, size_t count,
                 struct qr_result *results)
{
    struct counter *counter = context;
    for (size_t i = 0; i < count; i++) {
        int64_t number = 0;
        if (entries[i].payload_bytes == sizeof(number)) {
            memcpy(&number, entries[i].payload, sizeof(number));
        }
        counter->sum += number;
        int64_t *slot = &counter->results[i % 1024];
        *slot = counter->sum;
        results[i] = (struct qr_result){.data = slot, .size_bytes = sizeof(*slot)};
    }
    return 0;
}

static uint64_t digest(void *context)
{
    const struct counter *counter = context;
    return (uint64_t)counter->sum;
}

/* A snapshot is the sum: so the whole state fits into one piece. */
struct saved {
    int64_t sum;
    bool is_read;
};

static int snapshot_open(void *context, void **snapshot)
{
    const struct counter *counter = context;
    struct saved *saved = malloc(sizeof(*saved));
    if (saved == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    *saved = (struct saved){.sum = counter->sum};
    *snapshot = saved;
    return 0;
}

static int snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes)
{
    struct saved *saved = snapshot;
    (void)context;
    (void)size_bytes;
    *read_bytes = saved->is_read ? 0 : sizeof(saved->sum);
    memcpy(buffer, &saved->sum, *read_bytes);
    saved->is_read = true;
    return 0;
}

static void snapshot_close(void *context, void *snapshot)
{
    (void)context;
    free(snapshot);
}

static int restore_begin(void *context)
{
    struct counter *counter = context;
    counter->sum = 0;
    counter->restored_bytes = 0;
    return 0;
}

/* In pieces of any size: perhaps byte by byte. */
static int restore_write(void *context, const void *data, size_t size_bytes)
{
    struct counter *counter = context;
    if (size_bytes > sizeof(counter->sum) - counter->restored_bytes) {
        return QR_ERR_CORRUPT;
    }
    memcpy((uint8_t *)&counter->sum + counter->restored_bytes, data, size_bytes);
    counter->restored_bytes += size_bytes;
    return 0;
}

static int restore_end(void *context)
{
    const struct counter *counter = context;
    return counter->restored_bytes == sizeof(counter->sum) ? 0 : QR_ERR_CORRUPT;
}

/* One proposal that the main thread waits for. */
struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_done;
    int status;
    int64_t sum;
};

static void on_done(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    (void)index;
    struct waiter *waiter = argument;
    pthread_mutex_lock(&waiter->mutex);
    waiter->is_done = true;
    waiter->status = status;
    if (status == 0) {
        memcpy(&waiter->sum, result->data, sizeof(waiter->sum));
    }
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->mutex);
}

static int add(struct qr_engine *engine, int64_t number, int64_t *sum)
{
    struct waiter waiter = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER};
    struct qr_proposal proposal = {.size_bytes = sizeof(proposal),
                                   .command = "add",
                                   .command_bytes = 3,
                                   .payload = &number,
                                   .payload_bytes = sizeof(number)};
    int status = qr_propose(engine, &proposal, on_done, &waiter);
    if (status != 0) {
        return status;
    }
    pthread_mutex_lock(&waiter.mutex);
    while (!waiter.is_done) {
        pthread_cond_wait(&waiter.changed, &waiter.mutex);
    }
    pthread_mutex_unlock(&waiter.mutex);
    *sum = waiter.sum;
    return waiter.status;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: counter DIRECTORY ADDRESS [MEMBER,...]\n");
        return 2;
    }
    struct counter counter = {0};
    struct qr_state_machine machine = {
        .size_bytes = sizeof(machine),
        .context = &counter,
        .apply = apply,
        .digest = digest,
        .snapshot_open = snapshot_open,
        .snapshot_read = snapshot_read,
        .snapshot_close = snapshot_close,
        .restore_begin = restore_begin,
        .restore_write = restore_write,
        .restore_end = restore_end,
    };
    struct qr_engine_options options = {
        .size_bytes = sizeof(options),
        .state_machine = &machine,
        .name = argc == 3 ? "first" : "other",
        .data_directory = argv[1],
        .peer_address = argv[2],
        .is_bootstrap = argc == 3,
        .join = argc == 4 ? argv[3] : NULL,
        .limits = qr_limits_default(),
    };
    char detail[QR_ERROR_DETAIL_BYTES];
    struct qr_engine *engine;
    if (qr_engine_open(&options, &engine, detail) != 0) {
        fprintf(stderr, "counter: %s\n", detail);
        return 1;
    }
    char line[64];
    int failed = 0;
    while (failed == 0 && fgets(line, sizeof(line), stdin) != NULL) {
        int64_t sum = 0;
        int status = add(engine, strtoll(line, NULL, 10), &sum);
        if (status == 0) {
            printf("%" PRId64 "\n", sum);
            fflush(stdout); /* it is committed: whoever reads may act on it */
        } else {
            fprintf(stderr, "counter: %s\n", qr_error_text(status));
            failed = 1;
        }
    }
    qr_engine_free(engine);
    return failed;
}
