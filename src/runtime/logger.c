/* logger.c: a ring of log lines and the thread that writes them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/logger.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "runtime/clock.h"

/* A pipe that polls as writable takes PIPE_BUF bytes without waiting, and no more for sure. */
#define PIECE_BYTES 4096
#define POLL_MS 50
#define FREE_WAIT_NS NS_PER_S

struct qr_logger {
    int descriptor;
    enum qr_log_format format;
    enum qr_log_level level_min;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    atomic_uint_fast64_t dropped_count;
    /* All below is under the mutex. Positions count bytes ever put and taken. */
    uint64_t reported_count; /* of the dropped ones */
    uint64_t put_bytes;
    uint64_t taken_bytes;
    bool is_stopping;
    time_ns stop_at_ns;
    char ring[LOGGER_RING_BYTES];
};

_Static_assert((int)QR_LOG_ERROR == (int)LOG_ERROR && (int)QR_LOG_DEBUG == (int)LOG_DEBUG,
               "levels are the same, inside and out");
_Static_assert(PIECE_BYTES <= PIPE_BUF, "a piece is written without waiting");

static void put(struct qr_logger *logger, const char *line, size_t length)
{
    uint64_t at = logger->put_bytes % LOGGER_RING_BYTES;
    size_t first = (size_t)min_u64(length, LOGGER_RING_BYTES - at);
    memcpy(logger->ring + at, line, first);
    memcpy(logger->ring, line + first, length - first);
    logger->put_bytes += length;
}

static bool has_room(const struct qr_logger *logger, size_t length)
{
    return LOGGER_RING_BYTES - (logger->put_bytes - logger->taken_bytes) >= length;
}

/* Say how many lines were lost, once there is room to say it. */
static void report_dropped(struct qr_logger *logger)
{
    uint64_t dropped = atomic_load(&logger->dropped_count);
    if (dropped == logger->reported_count || !has_room(logger, LOGGER_LINE_BYTES_MAX)) {
        return;
    }
    struct log_event event = {
        .level = LOG_WARN,
        .name = "log_dropped",
        .field_count = 1,
        .fields = {log_u64("count", dropped - logger->reported_count)},
    };
    char line[LOGGER_LINE_BYTES_MAX];
    put(logger, line, logger_line(logger->format, runtime_wall_ns(), &event, line));
    logger->reported_count = dropped;
}

/* Wait for bytes; false when there are none left and the logger stops. */
static size_t take(struct qr_logger *logger, char *out, bool *is_late)
{
    (void)pthread_mutex_lock(&logger->mutex);
    report_dropped(logger);
    while (logger->put_bytes == logger->taken_bytes && !logger->is_stopping) {
        (void)pthread_cond_wait(&logger->wake, &logger->mutex);
    }
    size_t length = (size_t)min_u64(PIECE_BYTES, logger->put_bytes - logger->taken_bytes);
    uint64_t at = logger->taken_bytes % LOGGER_RING_BYTES;
    size_t first = (size_t)min_u64(length, LOGGER_RING_BYTES - at);
    memcpy(out, logger->ring + at, first);
    memcpy(out + first, logger->ring, length - first);
    logger->taken_bytes += length;
    *is_late = logger->is_stopping && runtime_now_ns() >= logger->stop_at_ns;
    (void)pthread_mutex_unlock(&logger->mutex);
    return length;
}

static bool is_late(struct qr_logger *logger)
{
    (void)pthread_mutex_lock(&logger->mutex);
    bool late = logger->is_stopping && runtime_now_ns() >= logger->stop_at_ns;
    (void)pthread_mutex_unlock(&logger->mutex);
    return late;
}

/* Write a piece, as long as the other end takes; it is given up when the logger must end or
 * the descriptor is broken.
 */
static void write_piece(struct qr_logger *logger, const char *piece, size_t length)
{
    size_t done = 0;
    while (done < length) {
        struct pollfd poll_for = {.fd = logger->descriptor, .events = POLLOUT};
        int ready = poll(&poll_for, 1, POLL_MS);
        if (ready == 0 || (ready < 0 && errno == EINTR)) {
            if (is_late(logger)) {
                return;
            }
            continue;
        }
        ssize_t written = write(logger->descriptor, piece + done, length - done);
        if (written < 0 && errno != EINTR && errno != EAGAIN) {
            return;
        }
        done += written < 0 ? 0 : (size_t)written;
    }
}

static void *run(void *argument)
{
    struct qr_logger *logger = argument;
    char piece[PIECE_BYTES];
    bool late = false;
    size_t length = take(logger, piece, &late);
    while (length > 0 && !late) {
        write_piece(logger, piece, length);
        length = take(logger, piece, &late);
    }
    return NULL;
}

static int start(struct qr_logger *logger)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&logger->thread, NULL, run, logger);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

static void destroy(struct qr_logger *logger)
{
    (void)pthread_cond_destroy(&logger->wake);
    (void)pthread_mutex_destroy(&logger->mutex);
    free(logger);
}

struct qr_logger *qr_logger_new(int descriptor, enum qr_log_format format,
                                enum qr_log_level level_min)
{
    struct qr_logger *logger = calloc(1, sizeof(*logger));
    if (logger == NULL) {
        return NULL;
    }
    logger->descriptor = descriptor;
    logger->format = format;
    logger->level_min = level_min;
    (void)pthread_mutex_init(&logger->mutex, NULL);
    (void)pthread_cond_init(&logger->wake, NULL);
    if (start(logger) != 0) {
        destroy(logger);
        return NULL;
    }
    return logger;
}

void qr_logger_free(struct qr_logger *logger)
{
    if (logger == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&logger->mutex);
    logger->is_stopping = true;
    logger->stop_at_ns = runtime_now_ns() + FREE_WAIT_NS;
    (void)pthread_cond_signal(&logger->wake);
    (void)pthread_mutex_unlock(&logger->mutex);
    (void)pthread_join(logger->thread, NULL);
    destroy(logger);
}

static void write_event(void *context, const struct log_event *event)
{
    struct qr_logger *logger = context;
    if ((int)event->level < (int)logger->level_min) {
        return;
    }
    char line[LOGGER_LINE_BYTES_MAX];
    size_t length = logger_line(logger->format, runtime_wall_ns(), event, line);
    (void)pthread_mutex_lock(&logger->mutex);
    report_dropped(logger);
    if (has_room(logger, length)) {
        bool was_empty = logger->put_bytes == logger->taken_bytes;
        put(logger, line, length);
        if (was_empty) {
            (void)pthread_cond_signal(&logger->wake);
        }
    } else {
        atomic_fetch_add(&logger->dropped_count, 1);
    }
    (void)pthread_mutex_unlock(&logger->mutex);
}

struct log_sink logger_sink(struct qr_logger *logger)
{
    if (logger == NULL) {
        return (struct log_sink){.write = NULL};
    }
    return (struct log_sink){
        .context = logger,
        .level_min = (enum log_level)logger->level_min,
        .write = write_event,
    };
}

void qr_log(struct qr_logger *logger, enum qr_log_level level, const char *name, ...)
{
    if (logger == NULL || name == NULL || level < logger->level_min) {
        return;
    }
    struct log_event event = {.level = (enum log_level)level, .name = name};
    va_list arguments;
    va_start(arguments, name);
    const char *key = va_arg(arguments, const char *);
    while (key != NULL && event.field_count < LOG_FIELDS_MAX) {
        event.fields[event.field_count++] = log_string(key, va_arg(arguments, const char *));
        key = va_arg(arguments, const char *);
    }
    va_end(arguments);
    write_event(logger, &event);
}

uint64_t qr_logger_dropped_count(const struct qr_logger *logger)
{
    return logger == NULL ? 0 : atomic_load(&logger->dropped_count);
}
