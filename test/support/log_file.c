/* log_file.c: a log store as a program might write one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/log_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "quorate/error.h"

#define MAGIC 0x6c6f6746
#define READ_ENTRIES_MAX 256

struct frame {
    uint32_t checksum; /* of all that follows, the body included */
    uint32_t magic;
    uint64_t body_bytes;
    uint64_t first_index;
    uint64_t count; /* of entries; the body: a length of 8 bytes and a record for each */
    uint64_t term;
    uint64_t voted_for;
    uint64_t commit_index;
    uint64_t base_term;
    uint64_t base_index;
    uint8_t has_voted;
    uint8_t is_reset; /* the log is emptied, and stands at the base */
    uint8_t is_base;  /* not a batch: only the base */
    uint8_t unused[5];
};

static uint32_t checksum_of(const struct frame *frame, const uint8_t *body)
{
    uint32_t head = crc32c(0, (const uint8_t *)frame + 4, sizeof(*frame) - 4);
    return crc32c(head, body, frame->body_bytes);
}

static uint64_t last_index(const struct log_file *log)
{
    return log->places_first + log->place_count - 1;
}

static int put_place(struct log_file *log, uint64_t offset, uint32_t record_bytes)
{
    if (log->place_count == log->place_capacity) {
        size_t capacity = log->place_capacity * 2 + 64;
        void *places = realloc(log->places, capacity * sizeof(*log->places));
        if (places == NULL) {
            return QR_ERR_NO_MEMORY;
        }
        log->places = places;
        log->place_capacity = capacity;
    }
    log->places[log->place_count++] = (struct log_file_place){offset, record_bytes};
    return 0;
}

/* Take note of a frame that stands at `offset`. 0, QR_ERR_CORRUPT or QR_ERR_NO_MEMORY. */
static int take_frame(struct log_file *log, const struct frame *frame, const uint8_t *body,
                      uint64_t offset)
{
    if (frame->is_base != 0) {
        log->base = (struct qr_log_position){frame->base_term, frame->base_index};
        return 0;
    }
    log->is_begun = true;
    log->hard_state = (struct qr_hard_state){frame->term, frame->voted_for, frame->has_voted != 0};
    log->commit_index = frame->commit_index;
    if (frame->is_reset != 0) {
        log->base = (struct qr_log_position){frame->base_term, frame->base_index};
        log->places_first = frame->base_index + 1;
        log->place_count = 0;
    }
    if (frame->count > 0 && frame->first_index <= last_index(log)) {
        log->place_count = frame->first_index - log->places_first;
    }
    uint64_t at = 0;
    for (uint64_t i = 0; i < frame->count; i++) {
        uint64_t record_bytes;
        memcpy(&record_bytes, body + at, sizeof(record_bytes));
        at += sizeof(record_bytes);
        int status = put_place(log, offset + sizeof(*frame) + at, (uint32_t)record_bytes);
        if (status != 0) {
            return status;
        }
        at += record_bytes;
    }
    return at == frame->body_bytes ? 0 : QR_ERR_CORRUPT;
}

/* Read all frames; the file ends with the first that is not whole. */
static int replay(struct log_file *log, const uint8_t *bytes, uint64_t size_bytes)
{
    log->end_offset = 0;
    while (size_bytes - log->end_offset >= sizeof(struct frame)) {
        struct frame frame;
        uint64_t left = size_bytes - log->end_offset - sizeof(frame);
        const uint8_t *at = bytes + log->end_offset;
        memcpy(&frame, at, sizeof(frame));
        if (frame.magic != MAGIC || frame.body_bytes > left ||
            frame.checksum != checksum_of(&frame, at + sizeof(frame))) {
            return 0;
        }
        int status = take_frame(log, &frame, at + sizeof(frame), log->end_offset);
        if (status != 0) {
            return status;
        }
        log->end_offset += sizeof(frame) + frame.body_bytes;
    }
    return 0;
}

static int read_fully(int descriptor, uint8_t *out, size_t size_bytes, uint64_t offset)
{
    while (size_bytes > 0) {
        ssize_t count = pread(descriptor, out, size_bytes, (off_t)offset);
        if (count <= 0) {
            return QR_ERR_IO;
        }
        out += count;
        offset += (uint64_t)count;
        size_bytes -= (size_t)count;
    }
    return 0;
}

/* Its name must be durable, too. */
static int sync_name(const struct log_file *log)
{
    char directory[sizeof(log->path)];
    memcpy(directory, log->path, sizeof(directory));
    *strrchr(directory, '/') = '\0';
    int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = descriptor >= 0 && fsync(descriptor) == 0;
    if (descriptor >= 0) {
        (void)close(descriptor);
    }
    return is_synced ? 0 : QR_ERR_IO;
}

static int load(struct log_file *log)
{
    struct stat found;
    if (fstat(log->descriptor, &found) != 0) {
        return QR_ERR_IO;
    }
    size_t size_bytes = (size_t)found.st_size;
    uint8_t *bytes = malloc(size_bytes + 1);
    int status =
        bytes == NULL ? QR_ERR_NO_MEMORY : read_fully(log->descriptor, bytes, size_bytes, 0);
    if (status == 0) {
        status = replay(log, bytes, size_bytes);
    }
    free(bytes);
    bool is_cut = status == 0 && ftruncate(log->descriptor, (off_t)log->end_offset) == 0 &&
                  fsync(log->descriptor) == 0;
    return status == 0 && !is_cut ? QR_ERR_IO : status == 0 ? sync_name(log) : status;
}

static int write_fully(struct log_file *log, const void *data, size_t size_bytes)
{
    const uint8_t *from = data;
    while (size_bytes > 0) {
        ssize_t count = pwrite(log->descriptor, from, size_bytes, (off_t)log->end_offset);
        if (count <= 0) {
            return QR_ERR_IO;
        }
        from += count;
        log->end_offset += (uint64_t)count;
        size_bytes -= (size_t)count;
    }
    return 0;
}

static int write_frame(struct log_file *log, struct frame *frame, const uint8_t *body)
{
    uint64_t offset = log->end_offset;
    frame->magic = MAGIC;
    frame->checksum = checksum_of(frame, body);
    int status = write_fully(log, frame, sizeof(*frame));
    if (status == 0) {
        status = write_fully(log, body, frame->body_bytes);
    }
    return status == 0 ? take_frame(log, frame, body, offset) : status;
}

static int write_batch(struct log_file *log, const struct qr_log_batch *batch)
{
    struct frame frame = {
        .count = batch->count,
        .first_index = batch->count > 0 ? batch->entries[0].index : 0,
        .term = batch->hard_state.term,
        .voted_for = batch->hard_state.voted_for,
        .has_voted = batch->hard_state.has_voted,
        .commit_index = batch->commit_index,
        .is_reset = batch->reset != NULL,
        .base_term = batch->reset != NULL ? batch->reset->term : 0,
        .base_index = batch->reset != NULL ? batch->reset->index : 0,
    };
    for (size_t i = 0; i < batch->count; i++) {
        frame.body_bytes += sizeof(uint64_t) + batch->entries[i].record_bytes;
    }
    uint8_t *body = malloc(frame.body_bytes + 1);
    if (body == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    uint8_t *out = body;
    for (size_t i = 0; i < batch->count; i++) {
        uint64_t record_bytes = batch->entries[i].record_bytes;
        memcpy(out, &record_bytes, sizeof(record_bytes));
        memcpy(out + sizeof(record_bytes), batch->entries[i].record, record_bytes);
        out += sizeof(record_bytes) + record_bytes;
    }
    int status = write_frame(log, &frame, body);
    free(body);
    return status;
}

static int write_base(struct log_file *log, struct qr_log_position base)
{
    struct frame frame = {.is_base = 1, .base_term = base.term, .base_index = base.index};
    return base.index > log->base.index ? write_frame(log, &frame, (const uint8_t *)"") : 0;
}

static void answer(struct log_file *log, const struct log_file_read *read)
{
    struct qr_log_entry entries[READ_ENTRIES_MAX];
    const struct log_file_place *places = log->places + (read->first - log->places_first);
    size_t count = 0;
    uint64_t bytes = 0;
    if (read->first <= log->base.index || read->first > last_index(log)) {
        log->host->read_done(log->host->context, read->token, QR_ERR_NOT_FOUND, NULL, 0);
        return;
    }
    while (count < READ_ENTRIES_MAX && read->first + count <= last_index(log) &&
           (count == 0 || bytes < read->bytes_max)) {
        bytes += places[count++].record_bytes;
    }
    uint8_t *memory = malloc(bytes);
    int status = memory == NULL ? QR_ERR_NO_MEMORY : 0;
    uint8_t *out = memory;
    for (size_t i = 0; i < count && status == 0; i++) {
        status = read_fully(log->descriptor, out, places[i].record_bytes, places[i].offset);
        entries[i] = (struct qr_log_entry){.record = out, .record_bytes = places[i].record_bytes};
        out += places[i].record_bytes;
    }
    log->host->read_done(log->host->context, read->token, status, entries, count);
    free(memory);
}

/* What waits, taken out from under the mutex. */
struct work {
    const struct qr_log_batch *appends[QR_LOG_APPENDS_MAX];
    size_t append_count;
    struct log_file_read reads[QR_LOG_READS_MAX];
    size_t read_count;
    struct qr_log_position base;
    bool is_base_told;
};

/* False: there is no more to do. */
static bool wait_for_work(struct log_file *log, struct work *work)
{
    (void)pthread_mutex_lock(&log->mutex);
    while (log->append_count + log->read_count == 0 && !log->is_base_told && !log->is_ending) {
        (void)pthread_cond_wait(&log->wake, &log->mutex);
    }
    bool goes_on = !log->is_ending;
    memcpy(work->appends, log->appends, sizeof(work->appends));
    memcpy(work->reads, log->reads, sizeof(work->reads));
    work->append_count = log->append_count;
    work->read_count = log->read_count;
    work->base = log->told_base;
    work->is_base_told = log->is_base_told;
    log->append_count = 0;
    log->read_count = 0;
    log->is_base_told = false;
    (void)pthread_mutex_unlock(&log->mutex);
    return goes_on;
}

static bool is_crashing(struct log_file *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    bool is = log->is_crashing;
    (void)pthread_mutex_unlock(&log->mutex);
    return is;
}

static int carry_out(struct log_file *log, const struct work *work)
{
    int status = 0;
    for (size_t i = 0; i < work->append_count && status == 0 && !is_crashing(log); i++) {
        status = write_batch(log, work->appends[i]);
    }
    if (status == 0 && work->is_base_told) {
        status = write_base(log, work->base);
    }
    if (status == 0 && fdatasync(log->descriptor) != 0) {
        status = QR_ERR_IO;
    }
    return status;
}

static void *run(void *argument)
{
    struct log_file *log = argument;
    struct work work;
    bool is_failed = false;
    while (wait_for_work(log, &work)) {
        int status = work.append_count > 0 || work.is_base_told ? carry_out(log, &work) : 0;
        if (is_crashing(log) || is_failed) {
            continue;
        }
        is_failed = status != 0;
        if (is_failed) {
            log->host->failed(log->host->context, status, log->path);
            continue;
        }
        if (work.append_count > 0) {
            log->host->synced(log->host->context, work.appends[work.append_count - 1]->ticket);
        }
        for (size_t i = 0; i < work.read_count; i++) {
            answer(log, &work.reads[i]);
        }
    }
    return NULL;
}

static void forget(struct log_file *log)
{
    free(log->places);
    log->places = NULL;
    log->place_count = 0;
    log->place_capacity = 0;
    if (log->descriptor >= 0) {
        (void)close(log->descriptor);
    }
    log->descriptor = -1;
}

static int open_log(void *context, const struct qr_log_open *open_, struct qr_log_found *found,
                    char *detail)
{
    struct log_file *log = context;
    log->host = open_->host;
    log->is_begun = false;
    log->hard_state = (struct qr_hard_state){0};
    log->commit_index = 0;
    log->base = (struct qr_log_position){0, 0};
    log->places_first = 1;
    log->append_count = 0;
    log->read_count = 0;
    log->is_base_told = false;
    log->is_ending = false;
    log->is_crashing = false;
    log->descriptor = open(log->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int status = log->descriptor < 0 ? QR_ERR_IO : 0;
    if (status == 0 && flock(log->descriptor, LOCK_EX | LOCK_NB) != 0) {
        status = QR_ERR_LOCKED;
    }
    if (status == 0) {
        status = load(log);
    }
    if (status == 0 && pthread_create(&log->thread, NULL, run, log) != 0) {
        status = QR_ERR_NO_MEMORY;
    }
    if (status != 0) {
        (void)snprintf(detail, QR_LOG_DETAIL_BYTES, "%s: %s", log->path, qr_error_text(status));
        forget(log);
        return status;
    }
    found->is_begun = log->is_begun;
    found->hard_state = log->hard_state;
    found->commit_index = log->commit_index;
    found->base = log->base;
    found->last_index = last_index(log);
    return 0;
}

static int scan(void *context, qr_log_each *each, void *argument)
{
    const struct log_file *log = context;
    int status = 0;
    for (uint64_t i = log->base.index + 1; i <= last_index(log) && status == 0; i++) {
        const struct log_file_place *place = &log->places[i - log->places_first];
        uint8_t *record = malloc(place->record_bytes);
        status = record == NULL
                     ? QR_ERR_NO_MEMORY
                     : read_fully(log->descriptor, record, place->record_bytes, place->offset);
        if (status == 0) {
            const struct qr_log_entry entry = {.record = record,
                                               .record_bytes = place->record_bytes};
            status = each(argument, &entry);
        }
        free(record);
    }
    return status;
}

static void append(void *context, const struct qr_log_batch *batch)
{
    struct log_file *log = context;
    (void)pthread_mutex_lock(&log->mutex);
    log->appends[log->append_count++] = batch;
    (void)pthread_cond_signal(&log->wake);
    (void)pthread_mutex_unlock(&log->mutex);
}

static void read_entries(void *context, uint64_t first, uint64_t bytes_max, uint64_t token)
{
    struct log_file *log = context;
    (void)pthread_mutex_lock(&log->mutex);
    log->reads[log->read_count++] = (struct log_file_read){first, bytes_max, token};
    (void)pthread_cond_signal(&log->wake);
    (void)pthread_mutex_unlock(&log->mutex);
}

static void truncate_prefix(void *context, const struct qr_log_position *base)
{
    struct log_file *log = context;
    (void)pthread_mutex_lock(&log->mutex);
    log->told_base = *base;
    log->is_base_told = true;
    (void)pthread_cond_signal(&log->wake);
    (void)pthread_mutex_unlock(&log->mutex);
}

static void end(struct log_file *log, bool is_crashing)
{
    (void)pthread_mutex_lock(&log->mutex);
    log->is_ending = true;
    log->is_crashing = is_crashing;
    (void)pthread_cond_signal(&log->wake);
    (void)pthread_mutex_unlock(&log->mutex);
    (void)pthread_join(log->thread, NULL);
    forget(log);
}

static void close_log(void *context)
{
    end(context, false);
}

void log_file_crash(struct log_file *log)
{
    end(log, true);
}

void log_file_init(struct log_file *log, const char *directory)
{
    *log = (struct log_file){.descriptor = -1};
    (void)snprintf(log->path, sizeof(log->path), "%s/log", directory);
    log->table = (struct qr_log_store){
        .size_bytes = sizeof(log->table),
        .context = log,
        .open = open_log,
        .scan = scan,
        .append = append,
        .read = read_entries,
        .truncate_prefix = truncate_prefix,
        .close = close_log,
    };
    (void)pthread_mutex_init(&log->mutex, NULL);
    (void)pthread_cond_init(&log->wake, NULL);
}

void log_file_deinit(struct log_file *log)
{
    (void)pthread_cond_destroy(&log->wake);
    (void)pthread_mutex_destroy(&log->mutex);
}
