/* log_file.h: a log store as a program might write one: a file that only grows, and a thread.
 *
 * Owns     the file, locked while it is open, and the thread, which writes all batches that wait,
 *          syncs once, and reads.
 * Threads  as quorate/log_store.h.
 * Format   frames one behind another, each with its checksum; the first that is not whole ends the
 *          file, which is cut there at the next start.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_LOG_FILE_H
#define SUPPORT_LOG_FILE_H

#include <pthread.h>

#include "quorate/log_store.h"

struct log_file_place {
    uint64_t offset;
    uint32_t record_bytes;
};

struct log_file_read {
    uint64_t first;
    uint64_t bytes_max;
    uint64_t token;
};

struct log_file {
    struct qr_log_store table; /* what to hand to the engine */
    char path[128];
    int descriptor;
    const struct qr_log_host *host;
    bool is_begun; /* of `open`; then the thread's, like all up to the mutex */
    struct qr_hard_state hard_state;
    uint64_t commit_index;
    struct qr_log_position base;
    struct log_file_place *places; /* [index - places_first] */
    uint64_t places_first;
    size_t place_count;
    size_t place_capacity;
    uint64_t end_offset;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    const struct qr_log_batch *appends[QR_LOG_APPENDS_MAX]; /* under the mutex, like all below */
    size_t append_count;
    struct log_file_read reads[QR_LOG_READS_MAX];
    size_t read_count;
    struct qr_log_position told_base;
    bool is_base_told;
    bool is_ending;
    bool is_crashing; /* what waits is left */
};

/* Nothing is opened yet. The file is `log` in this directory. */
void log_file_init(struct log_file *log, const char *directory);
void log_file_deinit(struct log_file *log);

/* As if the process had been killed: what waits to be written is lost. */
void log_file_crash(struct log_file *log);

#endif
