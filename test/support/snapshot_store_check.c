/* snapshot_store_check.c: whether a snapshot store keeps what quorate/snapshot_store.h asks of it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "snapshot_store_check.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "quorate/error.h"

#define WAIT_SECONDS 30
#define PART_BYTES 5000
#define TICKETS_MAX 4096
#define LISTED_MAX 16
#define HIGH (UINT64_C(1) << 62) /* an index beyond what fits 32 bits */

struct check {
    const struct qr_snapshot_store *store;
    void (*crash)(void *argument);
    void *argument;
    char *words;
    bool has_failed;
    struct qr_snapshot_host host;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    uint64_t last_ticket; /* under the mutex, like the five below */
    bool is_open;
    bool was_told_late;
    uint8_t told[TICKETS_MAX]; /* how often each ended */
    int statuses[TICKETS_MAX];
    uint64_t listed[LISTED_MAX];
    uint64_t listed_bytes[LISTED_MAX];
    size_t listed_count;
    uint8_t buffers[QR_SNAPSHOT_READS_MAX][PART_BYTES];
    uint8_t large[QR_SNAPSHOT_PART_BYTES_MAX];
};

__attribute__((format(printf, 2, 3))) static void fail(struct check *check, const char *format, ...)
{
    va_list arguments;
    if (check->has_failed) {
        return; /* the first one says what is wrong */
    }
    check->has_failed = true;
    va_start(arguments, format);
    (void)vsnprintf(check->words, SNAPSHOT_STORE_CHECK_WORDS, format, arguments);
    va_end(arguments);
}

static void on_done(void *context, uint64_t ticket, int status)
{
    struct check *check = context;
    (void)pthread_mutex_lock(&check->mutex);
    uint64_t at = ticket <= check->last_ticket ? ticket : 0; /* no ticket is 0 */
    check->told[at] = (uint8_t)(check->told[at] < 2 ? check->told[at] + 1 : 2);
    check->statuses[at] = status;
    check->was_told_late = check->was_told_late || !check->is_open;
    (void)pthread_cond_broadcast(&check->ended);
    (void)pthread_mutex_unlock(&check->mutex);
}

static uint64_t next_ticket(struct check *check)
{
    (void)pthread_mutex_lock(&check->mutex);
    uint64_t ticket = check->last_ticket + (check->last_ticket < TICKETS_MAX - 1 ? 1 : 0);
    check->last_ticket = ticket;
    (void)pthread_mutex_unlock(&check->mutex);
    return ticket;
}

/* How what has this ticket ended. */
static int wait_for(struct check *check, uint64_t ticket, const char *what, uint64_t index)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_SECONDS;
    int failed = 0;
    (void)pthread_mutex_lock(&check->mutex);
    while (check->told[ticket] == 0 && check->told[0] == 0 && failed == 0) {
        failed = pthread_cond_timedwait(&check->ended, &check->mutex, &until);
    }
    int status = check->statuses[ticket];
    bool is_told = check->told[ticket] > 0;
    bool is_lied_to = check->told[0] > 0;
    (void)pthread_mutex_unlock(&check->mutex);
    if (is_lied_to) {
        fail(check, "a ticket was told that was never given");
    } else if (!is_told) {
        fail(check, "%s of snapshot %llu did not end within %d seconds", what,
             (unsigned long long)index, WAIT_SECONDS);
    }
    return is_told ? status : QR_ERR_IO;
}

static void expect_success(struct check *check, uint64_t ticket, const char *what, uint64_t index)
{
    int status = wait_for(check, ticket, what, index);
    if (status != 0) {
        fail(check, "%s of snapshot %llu ended with %d; 0 was expected", what,
             (unsigned long long)index, status);
    }
}

static void open_store(struct check *check)
{
    char why[QR_SNAPSHOT_DETAIL_BYTES] = "";
    const struct qr_snapshot_open open = {.size_bytes = sizeof(open), .host = &check->host};
    (void)pthread_mutex_lock(&check->mutex);
    check->is_open = true;
    (void)pthread_mutex_unlock(&check->mutex);
    int status = check->store->open(check->store->context, &open, why);
    if (status != 0) {
        fail(check, "open returned %d: %.200s", status, why);
        check->is_open = false;
    }
}

static void close_store(struct check *check)
{
    check->store->close(check->store->context);
    (void)pthread_mutex_lock(&check->mutex);
    check->is_open = false;
    (void)pthread_mutex_unlock(&check->mutex);
    if (check->crash != NULL) {
        check->crash(check->argument);
    }
}

static void reopen(struct check *check)
{
    if (!check->has_failed) {
        close_store(check);
        open_store(check);
    }
}

static void meet(void *argument, uint64_t index, uint64_t size_bytes)
{
    struct check *check = argument;
    if (check->listed_count == LISTED_MAX) {
        fail(check, "more snapshots are listed than were ever made");
        return;
    }
    check->listed[check->listed_count] = index;
    check->listed_bytes[check->listed_count++] = size_bytes;
}

/* A snapshot and how often one was written under its index, from which all its bytes follow. */
struct sample {
    uint64_t index;
    unsigned version;
    size_t size_bytes; /* 0: there is none */
};

static uint8_t byte_at(const struct sample *sample, uint64_t at)
{
    uint64_t mixed = (sample->index + sample->version * UINT64_C(977)) * UINT64_C(2654435761) +
                     at * UINT64_C(40503) + (at >> 9);
    return (uint8_t)(mixed >> 7);
}

static void write_part(struct check *check, const struct sample *sample, size_t offset,
                       size_t count)
{
    struct qr_snapshot_part part = {
        .size_bytes = sizeof(part), .index = sample->index, .offset = offset, .count = count};
    for (size_t i = 0; i < count; i++) {
        check->large[i] = byte_at(sample, offset + i);
    }
    uint64_t ticket = next_ticket(check);
    check->store->write(check->store->context, ticket, &part, check->large);
    memset(&part, 0xee, sizeof(part)); /* it was borrowed until the return alone */
    expect_success(check, ticket, "a write", sample->index);
}

/* The first bytes of it, in parts of this size. */
static void write_bytes(struct check *check, const struct sample *sample, size_t size_bytes,
                        size_t part_bytes)
{
    for (size_t at = 0; at < size_bytes && !check->has_failed; at += part_bytes) {
        size_t left = size_bytes - at;
        write_part(check, sample, at, left < part_bytes ? left : part_bytes);
    }
}

static void publish(struct check *check, uint64_t index)
{
    if (!check->has_failed) {
        uint64_t ticket = next_ticket(check);
        check->store->publish(check->store->context, ticket, index);
        expect_success(check, ticket, "publish", index);
    }
}

static void abandon(struct check *check, uint64_t index)
{
    if (!check->has_failed) {
        uint64_t ticket = next_ticket(check);
        check->store->abandon(check->store->context, ticket, index);
        expect_success(check, ticket, "abandon", index);
    }
}

static void remove_one(struct check *check, uint64_t index)
{
    if (!check->has_failed) {
        uint64_t ticket = next_ticket(check);
        check->store->remove(check->store->context, ticket, index);
        expect_success(check, ticket, "remove", index);
    }
}

static uint64_t begin_read(struct check *check, const struct sample *sample, size_t slot,
                           uint64_t offset, size_t count)
{
    const struct qr_snapshot_part part = {
        .size_bytes = sizeof(part), .index = sample->index, .offset = offset, .count = count};
    uint64_t ticket = next_ticket(check);
    memset(check->buffers[slot], 0, PART_BYTES);
    check->store->read(check->store->context, ticket, &part, check->buffers[slot]);
    return ticket;
}

static void end_read(struct check *check, const struct sample *sample, size_t slot, uint64_t ticket,
                     uint64_t offset, size_t count)
{
    expect_success(check, ticket, "a read", sample->index);
    for (size_t i = 0; i < count && !check->has_failed; i++) {
        if (check->buffers[slot][i] != byte_at(sample, offset + i)) {
            fail(check, "byte %llu of snapshot %llu is not what was written there",
                 (unsigned long long)(offset + i), (unsigned long long)sample->index);
        }
    }
}

/* Read all of it, so many parts at a time. */
static void expect_bytes(struct check *check, const struct sample *sample)
{
    size_t at = 0;
    while (at < sample->size_bytes && !check->has_failed) {
        uint64_t tickets[QR_SNAPSHOT_READS_MAX];
        size_t offsets[QR_SNAPSHOT_READS_MAX];
        size_t counts[QR_SNAPSHOT_READS_MAX];
        size_t begun = 0;
        for (; begun < QR_SNAPSHOT_READS_MAX && at < sample->size_bytes; begun++) {
            size_t left = sample->size_bytes - at;
            offsets[begun] = at;
            counts[begun] = left < PART_BYTES ? left : PART_BYTES;
            tickets[begun] = begin_read(check, sample, begun, at, counts[begun]);
            at += counts[begun];
        }
        for (size_t i = 0; i < begun; i++) {
            end_read(check, sample, i, tickets[i], offsets[i], counts[i]);
        }
    }
}

/* What lies beyond the end is not there, not even in part. */
static void expect_end(struct check *check, const struct sample *sample)
{
    if (check->has_failed) {
        return;
    }
    uint64_t ticket = begin_read(check, sample, 0, sample->size_bytes - 1, 2);
    int status = wait_for(check, ticket, "a read beyond the end", sample->index);
    if (status != QR_ERR_CORRUPT) {
        fail(check,
             "a read beyond the end of snapshot %llu ended with %d; QR_ERR_CORRUPT was "
             "expected",
             (unsigned long long)sample->index, status);
    }
}

/* These, whole, and no other. */
static void expect(struct check *check, const struct sample *samples, size_t count)
{
    size_t expected = 0;
    if (check->has_failed) {
        return;
    }
    check->listed_count = 0;
    int status = check->store->list(check->store->context, meet, check);
    if (status != 0) {
        fail(check, "list returned %d", status);
    }
    for (size_t i = 0; i < count && !check->has_failed; i++) {
        const struct sample *sample = &samples[i];
        size_t at = 0;
        while (at < check->listed_count && check->listed[at] != sample->index) {
            at++;
        }
        if (sample->size_bytes > 0 && at == check->listed_count) {
            fail(check, "snapshot %llu was published, and is not listed",
                 (unsigned long long)sample->index);
        } else if (sample->size_bytes > 0 && check->listed_bytes[at] != sample->size_bytes) {
            fail(check, "snapshot %llu is listed with %llu bytes; it has %zu",
                 (unsigned long long)sample->index, (unsigned long long)check->listed_bytes[at],
                 sample->size_bytes);
        } else if (sample->size_bytes > 0) {
            expected++;
            expect_bytes(check, sample);
            expect_end(check, sample);
        }
    }
    if (check->listed_count != expected) {
        fail(check, "%zu snapshots are listed; %zu are published and not removed",
             check->listed_count, expected);
    }
}

static void try_unfinished(struct check *check)
{
    const struct sample one = {.index = 7, .size_bytes = 40000};
    write_bytes(check, &one, 12000, 4096);
    expect(check, NULL, 0);
    reopen(check);
    expect(check, NULL, 0);
    write_bytes(check, &one, 9000, 4096);
    abandon(check, one.index);
    abandon(check, one.index);
    expect(check, NULL, 0);
    reopen(check);
    expect(check, NULL, 0);
}

static void try_published(struct check *check)
{
    const struct sample first = {.index = 7, .version = 1, .size_bytes = 33333};
    const struct sample second = {.index = HIGH, .size_bytes = QR_SNAPSHOT_PART_BYTES_MAX + 1};
    const struct sample both[] = {first, second};
    write_bytes(check, &(struct sample){.index = 7, .version = 9}, 40000, 4096); /* not the end */
    write_bytes(check, &first, first.size_bytes, 512);
    publish(check, first.index);
    expect(check, &first, 1);
    reopen(check);
    expect(check, &first, 1);
    for (size_t at = 0;
         at < second.size_bytes && !check->has_failed;) { /* reads beside a writing */
        size_t left = second.size_bytes - at;
        size_t count = left < QR_SNAPSHOT_PART_BYTES_MAX ? left : QR_SNAPSHOT_PART_BYTES_MAX;
        uint64_t ticket = begin_read(check, &first, 0, 100, 3000);
        write_part(check, &second, at, count);
        end_read(check, &first, 0, ticket, 100, 3000);
        at += count;
    }
    expect(check, &first, 1);
    publish(check, second.index);
    expect(check, both, 2);
    reopen(check);
    expect(check, both, 2);
}

static void try_in_place_of(struct check *check)
{
    const struct sample before = {.index = 7, .version = 1, .size_bytes = 33333};
    const struct sample after = {.index = 7, .version = 2, .size_bytes = 700};
    const struct sample other = {.index = HIGH, .size_bytes = QR_SNAPSHOT_PART_BYTES_MAX + 1};
    write_bytes(check, &after, 700, 512);
    expect(check, (const struct sample[]){before, other}, 2);
    abandon(check, after.index);
    expect(check, (const struct sample[]){before, other}, 2);
    write_bytes(check, &after, 700, 512);
    publish(check, after.index);
    expect(check, (const struct sample[]){after, other}, 2);
    reopen(check);
    expect(check, (const struct sample[]){after, other}, 2);
}

static void try_removal(struct check *check)
{
    const struct sample kept = {.index = HIGH, .size_bytes = QR_SNAPSHOT_PART_BYTES_MAX + 1};
    remove_one(check, 7);
    expect(check, &kept, 1);
    remove_one(check, 7);
    reopen(check);
    expect(check, &kept, 1);
    remove_one(check, HIGH);
    reopen(check);
    expect(check, NULL, 0);
}

static void expect_one_end_each(struct check *check)
{
    (void)pthread_mutex_lock(&check->mutex);
    for (uint64_t ticket = 1; ticket <= check->last_ticket; ticket++) {
        if (check->told[ticket] != 1) {
            fail(check, "ticket %llu ended twice", (unsigned long long)ticket);
        }
    }
    if (check->was_told_late) {
        fail(check, "something was told behind close");
    }
    (void)pthread_mutex_unlock(&check->mutex);
}

static void try_all(struct check *check)
{
    open_store(check);
    expect(check, NULL, 0);
    try_unfinished(check);
    try_published(check);
    try_in_place_of(check);
    try_removal(check);
    if (check->is_open) {
        close_store(check);
    }
    expect_one_end_each(check);
}

bool snapshot_store_check(const struct qr_snapshot_store *store, void (*crash)(void *argument),
                          void *argument, char *words)
{
    struct check *check = calloc(1, sizeof(*check));
    if (check == NULL) {
        (void)snprintf(words, SNAPSHOT_STORE_CHECK_WORDS, "memory ran out");
        return false;
    }
    check->store = store;
    check->crash = crash;
    check->argument = argument;
    check->words = words;
    check->host = (struct qr_snapshot_host){
        .size_bytes = sizeof(check->host), .context = check, .done = on_done};
    (void)pthread_mutex_init(&check->mutex, NULL);
    (void)pthread_cond_init(&check->ended, NULL);
    try_all(check);
    bool is_right = !check->has_failed;
    (void)pthread_cond_destroy(&check->ended);
    (void)pthread_mutex_destroy(&check->mutex);
    free(check);
    return is_right;
}
