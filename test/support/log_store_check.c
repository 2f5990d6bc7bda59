/* log_store_check.c: whether a log store keeps to the rules of quorate/log_store.h. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "log_store_check.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "quorate/error.h"

#define ENTRIES_MAX 2048
#define RECORD_BYTES_MAX 65536
#define NODE_ID 77
#define FLOOD_BATCHES QR_LOG_APPENDS_MAX
#define KILLED_AFTER 40 /* batches that a child was told are durable */

/* What the store must hold: entries from base.index + 1 on, by the term that each was written in,
 * of which its bytes are made.
 */
struct model {
    struct qr_hard_state hard_state;
    uint64_t commit_index;
    struct qr_log_position base;
    uint64_t terms[ENTRIES_MAX]; /* [index] */
    uint64_t last_index;
};

struct checker {
    const struct log_store_check *check;
    const struct qr_log_store *store;
    struct model model;
    const char *broken;
    bool is_open;
    uint64_t ticket;
    struct qr_log_found found;
    uint64_t scanned; /* entries so far */
    struct qr_log_entry entries[ENTRIES_MAX];
    uint8_t *records; /* RECORD_BYTES_MAX for each of a batch */

    pthread_mutex_t mutex;
    pthread_cond_t told;
    uint64_t synced; /* under the mutex, like all below */
    int failure;
    uint64_t read_token;
    uint64_t read_first;
    size_t read_count; /* entries of the answer that are as they must be; 0: none yet */
    bool is_read_wrong;
};

static bool expect(struct checker *checker, bool holds, const char *sentence)
{
    if (!holds && checker->broken == NULL) {
        checker->broken = sentence;
    }
    return checker->broken == NULL;
}

static size_t record_bytes_of(uint64_t index, uint64_t term)
{
    return index % 100 == 7 ? RECORD_BYTES_MAX : 64 + (size_t)((index * 24 + term * 8) % 256);
}

static void make_record(uint64_t index, uint64_t term, uint8_t *out)
{
    size_t size_bytes = record_bytes_of(index, term);
    for (size_t i = 0; i < size_bytes; i++) {
        out[i] = (uint8_t)(index * 31 + term * 7 + i);
    }
}

static bool is_record(const struct qr_log_entry *entry, uint64_t index, uint64_t term)
{
    if (entry->record == NULL || entry->record_bytes != record_bytes_of(index, term)) {
        return false;
    }
    const uint8_t *bytes = entry->record;
    for (size_t i = 0; i < entry->record_bytes; i++) {
        if (bytes[i] != (uint8_t)(index * 31 + term * 7 + i)) {
            return false;
        }
    }
    return true;
}

static void on_synced(void *context, uint64_t ticket)
{
    struct checker *checker = context;
    (void)pthread_mutex_lock(&checker->mutex);
    checker->synced = ticket > checker->synced ? ticket : checker->synced;
    (void)pthread_cond_broadcast(&checker->told);
    (void)pthread_mutex_unlock(&checker->mutex);
}

static void on_read(void *context, uint64_t token, int status, const struct qr_log_entry *entries,
                    size_t count)
{
    struct checker *checker = context;
    (void)pthread_mutex_lock(&checker->mutex);
    bool is_right = token == checker->read_token && status == 0 && count > 0 && entries != NULL;
    for (size_t i = 0; i < count && is_right; i++) {
        uint64_t index = checker->read_first + i;
        is_right = index <= checker->model.last_index &&
                   is_record(&entries[i], index, checker->model.terms[index]);
    }
    checker->is_read_wrong = !is_right;
    checker->read_count = count;
    checker->read_token = 0;
    (void)pthread_cond_broadcast(&checker->told);
    (void)pthread_mutex_unlock(&checker->mutex);
}

static void on_failed(void *context, int status, const char *detail)
{
    struct checker *checker = context;
    (void)detail;
    (void)pthread_mutex_lock(&checker->mutex);
    checker->failure = status == 0 ? QR_ERR_IO : status;
    (void)pthread_cond_broadcast(&checker->told);
    (void)pthread_mutex_unlock(&checker->mutex);
}

static struct timespec wait_limit(void)
{
    struct timespec limit;
    (void)clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += LOG_STORE_CHECK_WAIT_S;
    return limit;
}

static bool wait_synced(struct checker *checker, uint64_t ticket)
{
    struct timespec limit = wait_limit();
    int late = 0;
    (void)pthread_mutex_lock(&checker->mutex);
    while (checker->synced < ticket && checker->failure == 0 && late == 0) {
        late = pthread_cond_timedwait(&checker->told, &checker->mutex, &limit);
    }
    bool is_failed = checker->failure != 0;
    bool is_synced = checker->synced == ticket;
    (void)pthread_mutex_unlock(&checker->mutex);
    return expect(checker, !is_failed, "append: the store calls host.failed") &&
           expect(checker, late == 0, "append: host.synced is not called") &&
           expect(checker, is_synced, "append: a ticket is called synced that was not given");
}

static const struct qr_log_host *host_of(struct checker *checker)
{
    static struct qr_log_host host; /* one check at a time */
    host = (struct qr_log_host){
        .size_bytes = sizeof(host),
        .context = checker,
        .synced = on_synced,
        .read_done = on_read,
        .failed = on_failed,
    };
    return &host;
}

static int on_entry(void *argument, const struct qr_log_entry *entry)
{
    struct checker *checker = argument;
    uint64_t index = checker->found.base.index + ++checker->scanned;
    bool is_there = index <= checker->found.last_index && index < ENTRIES_MAX;
    if (!expect(checker, is_there, "scan: it gives more entries than `open` said") ||
        !expect(checker, is_record(entry, index, checker->model.terms[index]),
                "scan: an entry is not the one that was synced there")) {
        return QR_ERR_CORRUPT;
    }
    return 0;
}

static bool begin(struct checker *checker)
{
    char detail[QR_LOG_DETAIL_BYTES] = "";
    checker->store = checker->check->begin(checker->check->argument);
    if (!expect(checker, checker->store != NULL, "begin: there is no store")) {
        return false;
    }
    const struct qr_log_open open = {
        .size_bytes = sizeof(open),
        .host = host_of(checker),
        .node_id = NODE_ID,
        .record_bytes_max = RECORD_BYTES_MAX,
    };
    checker->found = (struct qr_log_found){.size_bytes = sizeof(checker->found)};
    checker->synced = checker->ticket;
    int status = checker->store->open(checker->store->context, &open, &checker->found, detail);
    checker->is_open = status == 0;
    return expect(checker, status == 0, "open: it fails");
}

static bool scan_all(struct checker *checker)
{
    checker->scanned = 0;
    int status = checker->store->scan(checker->store->context, on_entry, checker);
    const struct qr_log_found *found = &checker->found;
    return expect(checker, status == 0, "scan: it fails") &&
           expect(checker, found->base.index + checker->scanned == found->last_index,
                  "scan: it gives less entries than `open` said");
}

static bool is_same_state(const struct qr_hard_state *a, const struct qr_hard_state *b)
{
    return a->term == b->term && a->has_voted == b->has_voted &&
           (!a->has_voted || a->voted_for == b->voted_for);
}

/* The last one that was told, or one that was before it. */
static bool is_base_known(const struct checker *checker, struct qr_log_position older)
{
    const struct qr_log_position *base = &checker->found.base;
    const struct qr_log_position *latest = &checker->model.base;
    if (base->index == older.index || base->index == latest->index) {
        return base->term == (base->index == older.index ? older.term : latest->term);
    }
    return base->index > older.index && base->index < latest->index &&
           base->term == checker->model.terms[base->index];
}

/* Open it, and find what the model has; the base may be an older one. */
static bool begin_as_was(struct checker *checker, struct qr_log_position older_base)
{
    const struct model *model = &checker->model;
    const struct qr_log_found *found = &checker->found;
    if (!begin(checker)) {
        return false;
    }
    return expect(checker, found->is_begun, "open: it says that nothing was begun") &&
           expect(checker, is_same_state(&found->hard_state, &model->hard_state),
                  "open: the hard state is not that of the last batch that was synced") &&
           expect(checker, found->commit_index == model->commit_index,
                  "open: the commit index is not that of the last batch") &&
           expect(checker, is_base_known(checker, older_base),
                  "open: the base is not what was last told") &&
           expect(checker, found->last_index == model->last_index,
                  "open: the last index is not that of what was synced") &&
           scan_all(checker);
}

static void end(struct checker *checker)
{
    if (!checker->is_open) {
        return;
    }
    checker->is_open = false;
    checker->store->close(checker->store->context);
}

static bool reopen(struct checker *checker)
{
    end(checker);
    return begin_as_was(checker, checker->model.base);
}

/* Fill a batch, of `count` entries from `first` on, and let the model follow. */
static struct qr_log_batch make_batch(struct checker *checker, uint64_t first, size_t count)
{
    struct model *model = &checker->model;
    for (size_t i = 0; i < count; i++) {
        uint64_t index = first + i;
        uint64_t term = model->hard_state.term;
        uint8_t *record = checker->records + i * RECORD_BYTES_MAX;
        make_record(index, term, record);
        model->terms[index] = term;
        checker->entries[i] = (struct qr_log_entry){
            .index = index,
            .term = term,
            .timestamp_ns = index,
            .record = record,
            .record_bytes = record_bytes_of(index, term),
            .type = 1,
        };
        model->last_index = index;
    }
    return (struct qr_log_batch){
        .size_bytes = sizeof(struct qr_log_batch),
        .ticket = ++checker->ticket,
        .hard_state = model->hard_state,
        .commit_index = model->commit_index,
        .entries = checker->entries,
        .count = count,
    };
}

static bool append(struct checker *checker, uint64_t first, size_t count)
{
    const struct qr_log_batch batch = make_batch(checker, first, count);
    checker->store->append(checker->store->context, &batch);
    return wait_synced(checker, batch.ticket);
}

static bool reset(struct checker *checker, struct qr_log_position position, size_t count)
{
    checker->model.base = position;
    checker->model.last_index = position.index;
    struct qr_log_batch batch = make_batch(checker, position.index + 1, count);
    batch.reset = &position;
    checker->store->append(checker->store->context, &batch);
    return wait_synced(checker, batch.ticket);
}

static bool read_from(struct checker *checker, uint64_t first, uint64_t bytes_max)
{
    static uint64_t token;
    struct timespec limit = wait_limit();
    uint64_t asked = ++token;
    (void)pthread_mutex_lock(&checker->mutex);
    checker->read_token = asked;
    checker->read_first = first;
    (void)pthread_mutex_unlock(&checker->mutex);
    checker->store->read(checker->store->context, first, bytes_max, asked);
    int late = 0;
    (void)pthread_mutex_lock(&checker->mutex);
    while (checker->read_token == asked && late == 0) {
        late = pthread_cond_timedwait(&checker->told, &checker->mutex, &limit);
    }
    bool is_wrong = checker->is_read_wrong;
    (void)pthread_mutex_unlock(&checker->mutex);
    return expect(checker, late == 0, "read: host.read_done is not called") &&
           expect(checker, !is_wrong, "read: it gives not what was synced, from that index on");
}

static bool read_everywhere(struct checker *checker)
{
    static const uint64_t sizes[] = {1, 300, 100000, UINT64_MAX};
    bool is_right = true;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (uint64_t at = checker->model.base.index + 1;
             at <= checker->model.last_index && is_right; at += 1 + i * 2) {
            is_right = read_from(checker, at, sizes[i]);
        }
    }
    return is_right && read_from(checker, checker->model.last_index, 1);
}

static void vote(struct checker *checker, uint64_t term, uint64_t candidate)
{
    checker->model.hard_state = (struct qr_hard_state){term, candidate, true};
}

static bool try_beginning(struct checker *checker)
{
    if (!begin(checker) ||
        !expect(checker, !checker->found.is_begun && checker->found.last_index == 0,
                "open: it is not empty at first")) {
        return false;
    }
    /* A batch without anything is a beginning too. */
    if (!scan_all(checker) || !append(checker, 1, 0) || !reopen(checker)) {
        return false;
    }
    vote(checker, 1, 0);
    return append(checker, 1, 0) && reopen(checker);
}

static bool try_entries(struct checker *checker)
{
    if (!append(checker, 1, 10) || !read_everywhere(checker) || !reopen(checker)) {
        return false;
    }
    checker->model.commit_index = 4;
    vote(checker, 2, 9);
    /* In the middle, and at the very end: what is behind is gone. */
    return append(checker, 6, 2) && read_everywhere(checker) && reopen(checker) &&
           append(checker, 7, 1) && append(checker, 8, 5) && read_everywhere(checker) &&
           reopen(checker);
}

static bool try_hard_state(struct checker *checker)
{
    checker->model.hard_state = (struct qr_hard_state){.term = 3};
    if (!append(checker, 0, 0) || !reopen(checker)) {
        return false;
    }
    vote(checker, 3, UINT64_MAX);
    return append(checker, 0, 0) && reopen(checker) && read_everywhere(checker);
}

/* As many as may be under way, each of one entry in a term of its own. Their batches must live. */
struct flood {
    struct qr_log_batch batches[FLOOD_BATCHES];
    struct qr_log_entry entries[FLOOD_BATCHES];
};

static struct flood *make_flood(struct checker *checker)
{
    struct flood *flood = malloc(sizeof(*flood));
    if (!expect(checker, flood != NULL, "memory ran out")) {
        return NULL;
    }
    for (size_t i = 0; i < FLOOD_BATCHES; i++) {
        uint8_t *record = checker->records + i * RECORD_BYTES_MAX;
        checker->model.hard_state =
            (struct qr_hard_state){checker->model.hard_state.term + 1, i, true};
        uint64_t index = checker->model.last_index + 1;
        flood->batches[i] = make_batch(checker, index, 1);
        flood->entries[i] = checker->entries[0];
        flood->entries[i].record = record;
        flood->batches[i].entries = &flood->entries[i];
    }
    /* make_batch() has put every record in the first place. */
    for (size_t i = 0; i < FLOOD_BATCHES; i++) {
        const struct qr_log_entry *entry = &flood->entries[i];
        make_record(entry->index, entry->term, checker->records + i * RECORD_BYTES_MAX);
    }
    return flood;
}

static void send_flood(struct checker *checker, const struct flood *flood)
{
    for (size_t i = 0; i < FLOOD_BATCHES; i++) {
        checker->store->append(checker->store->context, &flood->batches[i]);
    }
}

static bool try_flood(struct checker *checker)
{
    struct flood *flood = make_flood(checker);
    if (flood == NULL) {
        return false;
    }
    send_flood(checker, flood);
    bool is_right = wait_synced(checker, checker->ticket);
    is_right = is_right && read_everywhere(checker) && reopen(checker);
    if (!is_right) {
        end(checker); /* before what it may look at goes */
    }
    free(flood);
    return is_right;
}

/* The model as it was behind that index: each entry came with a term of its own. */
static void go_back_to(struct model *model, const struct model *before, uint64_t index,
                       const struct qr_hard_state *found)
{
    uint64_t steps = index - before->last_index;
    model->last_index = index;
    if (steps == 0) {
        model->hard_state = before->hard_state;
    } else {
        model->hard_state =
            (struct qr_hard_state){before->hard_state.term + steps, steps - 1, true};
    }
    /* Of the batch behind, the hard state may be there alone. */
    const struct qr_hard_state next = {before->hard_state.term + steps + 1, steps, true};
    if (is_same_state(found, &next)) {
        model->hard_state = next;
    }
}

static bool judge_crash(struct checker *checker, const struct model *before)
{
    const struct qr_log_found *found = &checker->found;
    struct model *model = &checker->model;
    if (!expect(checker, found->last_index >= before->last_index,
                "crash: what was called synced is lost") ||
        !expect(checker, found->last_index <= model->last_index, "crash: there is too much")) {
        return false;
    }
    go_back_to(model, before, found->last_index, &found->hard_state);
    return expect(checker, is_same_state(&found->hard_state, &model->hard_state),
                  "crash: the hard state is not that of its last batch") &&
           scan_all(checker);
}

static bool try_crash(struct checker *checker)
{
    const struct model before = checker->model;
    struct flood *flood = make_flood(checker);
    if (flood == NULL) {
        return false;
    }
    send_flood(checker, flood);
    if (checker->check->crash != NULL) {
        checker->is_open = false;
        checker->check->crash(checker->check->argument);
    } else if (wait_synced(checker, checker->ticket)) {
        end(checker);
    }
    free(flood);
    return checker->broken == NULL && begin(checker) && judge_crash(checker, &before) &&
           append(checker, checker->model.last_index + 1, 3) && reopen(checker);
}

/* In the child: one batch behind the other, and a byte for each that is durable. */
static void write_until_killed(struct checker *checker, int told)
{
    bool goes_on = begin(checker);
    while (goes_on && checker->model.last_index + 2 < ENTRIES_MAX) {
        checker->model.hard_state =
            (struct qr_hard_state){checker->model.hard_state.term + 1, 0, true};
        goes_on = append(checker, checker->model.last_index + 1, 1) && write(told, "x", 1) == 1;
    }
    _exit(1);
}

static uint64_t count_until_killed(pid_t child, int told)
{
    uint64_t count = 0;
    char byte;
    while (count < KILLED_AFTER && read(told, &byte, 1) == 1) {
        count++;
    }
    (void)kill(child, SIGKILL);
    while (read(told, &byte, 1) == 1) {
        count++;
    }
    (void)waitpid(child, NULL, 0);
    return count;
}

static bool try_kill(struct checker *checker)
{
    int pipe_ends[2];
    end(checker);
    if (!expect(checker, pipe(pipe_ends) == 0, "no pipe to be had")) {
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        (void)close(pipe_ends[0]);
        write_until_killed(checker, pipe_ends[1]);
    }
    (void)close(pipe_ends[1]);
    uint64_t count = child > 0 ? count_until_killed(child, pipe_ends[0]) : 0;
    (void)close(pipe_ends[0]);
    uint64_t first = checker->model.last_index + 1;
    uint64_t term = checker->model.hard_state.term;
    for (uint64_t i = 0; first + i < ENTRIES_MAX; i++) {
        checker->model.terms[first + i] = term + 1 + i;
    }
    return expect(checker, count >= KILLED_AFTER, "kill: a process does not get far") &&
           begin(checker) &&
           expect(checker, checker->found.last_index >= first - 1 + count,
                  "kill: what was called synced is lost") &&
           scan_all(checker);
}

static bool try_prefix(struct checker *checker)
{
    struct model *model = &checker->model;
    struct qr_log_position older = model->base;
    uint64_t steps[] = {3, 4, model->last_index};
    bool is_right = true;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && is_right; i++) {
        model->base = (struct qr_log_position){model->terms[steps[i]], steps[i]};
        checker->store->truncate_prefix(checker->store->context, &model->base);
        is_right = append(checker, model->last_index + 1, 1) && read_everywhere(checker);
    }
    end(checker);
    return is_right && begin_as_was(checker, older) && append(checker, model->last_index + 1, 2) &&
           read_everywhere(checker);
}

static bool try_reset(struct checker *checker)
{
    uint64_t far = checker->model.last_index + 50;
    uint64_t term = checker->model.hard_state.term;
    /* Beyond the end, then in the middle of what is there, and at its end. */
    if (!reset(checker, (struct qr_log_position){term, far}, 3) || !read_everywhere(checker) ||
        !reopen(checker)) {
        return false;
    }
    return reset(checker, (struct qr_log_position){term, far + 1}, 0) && reopen(checker) &&
           append(checker, far + 2, 4) && read_everywhere(checker) && reopen(checker) &&
           reset(checker, (struct qr_log_position){term, far + 5}, 1) && reopen(checker) &&
           read_everywhere(checker);
}

static bool try_all(struct checker *checker)
{
    if (!try_beginning(checker) || !try_entries(checker) || !try_hard_state(checker) ||
        !try_flood(checker)) {
        return false;
    }
    end(checker);
    return begin_as_was(checker, checker->model.base) && try_crash(checker) &&
           try_prefix(checker) && try_reset(checker) &&
           (!checker->check->is_on_disk || try_kill(checker));
}

const char *check_log_store(const struct log_store_check *check)
{
    struct checker *checker = calloc(1, sizeof(*checker));
    if (checker == NULL) {
        return "memory ran out";
    }
    checker->check = check;
    checker->records = malloc((size_t)FLOOD_BATCHES * RECORD_BYTES_MAX);
    (void)pthread_mutex_init(&checker->mutex, NULL);
    (void)pthread_cond_init(&checker->told, NULL);
    if (expect(checker, checker->records != NULL, "memory ran out")) {
        (void)try_all(checker);
    }
    end(checker);
    const char *broken = checker->broken;
    (void)pthread_cond_destroy(&checker->told);
    (void)pthread_mutex_destroy(&checker->mutex);
    free(checker->records);
    free(checker);
    return broken;
}
