/* sim_log.c: a real log on the simulator's disk, and a model of what it must hold. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/sim_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

/* An operation of the log on its way through the disk. */
struct sim_log_op {
    struct build_op op;
    struct disk_op *from;
    struct sim_log *log;
    struct sim_log_op *next; /* while free */
};

static int adapt_list(void *context,
                      void (*each)(void *argument, const char *name, uint64_t size_bytes),
                      void *argument)
{
    struct sim_log *log = context;
    const struct build_disk *disk = sim_disk_interface(&log->disk);
    return disk->list(disk->context, each, argument);
}

static int adapt_read(void *context, const char *name, uint64_t offset, struct disk_part part,
                      size_t *read_bytes)
{
    struct sim_log *log = context;
    const struct build_disk *disk = sim_disk_interface(&log->disk);
    return disk->read(disk->context, name, offset, (struct build_part){part.data, part.size_bytes},
                      read_bytes);
}

static int adapt_prepare(void *context, const char *name, uint64_t size_bytes)
{
    struct sim_log *log = context;
    const struct build_disk *disk = sim_disk_interface(&log->disk);
    return disk->prepare(disk->context, name, size_bytes);
}

static void adapt_done(struct build_op *op)
{
    struct sim_log_op *adapted = op->context;
    struct disk_op *from = adapted->from;
    adapted->next = adapted->log->ops;
    adapted->log->ops = adapted;
    from->status = op->status;
    from->done(from);
}

static void adapt_submit(void *context, struct disk_op *op)
{
    struct sim_log *log = context;
    struct sim_log_op *adapted = log->ops;
    if (adapted == NULL) {
        adapted = malloc(sizeof(*adapted));
        ASSERT(adapted != NULL);
    } else {
        log->ops = adapted->next;
    }
    _Static_assert(sizeof(struct build_part) == sizeof(struct disk_part), "one layout");
    adapted->from = op;
    adapted->log = log;
    adapted->op = (struct build_op){
        .kind = (enum build_op_kind)op->kind,
        .is_synced = op->is_synced,
        .offset = op->offset,
        .size_bytes = op->size_bytes,
        .parts = (const struct build_part *)(const void *)op->parts,
        .part_count = op->part_count,
        .done = adapt_done,
        .context = adapted,
    };
    memcpy(adapted->op.name, op->name, sizeof(op->name));
    const struct build_disk *disk = sim_disk_interface(&log->disk);
    disk->submit(disk->context, &adapted->op);
}

static void on_synced(void *context, uint64_t ticket)
{
    struct sim_log *log = context;
    ASSERT(!log->is_poisoned);
    while (log->acknowledged < log->append_count &&
           log->appends[log->acknowledged].ticket <= ticket) {
        log->acknowledged++;
    }
}

static void on_read(void *context, uint64_t token, int status, const struct entry *entries,
                    size_t count)
{
    (void)context;
    (void)token;
    (void)status;
    (void)entries;
    (void)count;
}

static void on_poisoned(void *context, int status, const char *detail)
{
    struct sim_log *log = context;
    (void)status;
    (void)detail;
    log->is_poisoned = true;
}

void sim_log_init(struct sim_log *log, uint64_t seed)
{
    *log = (struct sim_log){.term = 1};
    heap_init(&log->heap);
    sim_disk_init(&log->disk, seed);
    entry_arena_init(&log->arena, &log->heap.allocator);
    log->adapter = (struct disk){
        .context = log,
        .list = adapt_list,
        .read = adapt_read,
        .prepare = adapt_prepare,
        .submit = adapt_submit,
    };
    log->options = (struct wal_options){
        .allocator = &log->heap.allocator,
        .disk = &log->adapter,
        .listener = {log, on_synced, on_read, on_poisoned},
        .node = SIM_LOG_NODE,
        .segment_bytes = WAL_SEGMENT_BYTES_MIN,
        .entry_bytes_max = 20000,
    };
}

static void step_all(struct sim_log *log)
{
    enum build_op_kind kind;
    while (sim_disk_first_kind(&log->disk, &kind)) {
        (void)sim_disk_step(&log->disk, kind);
    }
}

void sim_log_run(struct sim_log *log)
{
    step_all(log);
    wal_invariants(log->wal);
}

/* After a crash: what is pending is answered, so that the log is idle. */
static void free_log(struct sim_log *log)
{
    step_all(log);
    wal_free(log->wal);
    log->wal = NULL;
}

void sim_log_process_crash(struct sim_log *log)
{
    sim_disk_process_crash(&log->disk);
    free_log(log);
}

void sim_log_power_loss(struct sim_log *log)
{
    sim_disk_power_loss(&log->disk);
    free_log(log);
}

void sim_log_deinit(struct sim_log *log)
{
    if (log->wal != NULL) {
        sim_log_process_crash(log);
    }
    while (log->ops != NULL) {
        struct sim_log_op *op = log->ops;
        log->ops = op->next;
        free(op);
    }
    entry_arena_deinit(&log->arena);
    sim_disk_deinit(&log->disk);
    heap_deinit(&log->heap);
}

/* Terms after `appends` of the model, the last cut to `last_count` entries. */
static raft_index model(const struct sim_log *log, size_t appends, size_t last_count,
                        raft_term *terms)
{
    raft_index last_index = 0;
    for (size_t i = 0; i < appends; i++) {
        const struct sim_log_append *append = &log->appends[i];
        size_t count = i + 1 == appends ? last_count : append->count;
        for (size_t k = 0; k < count; k++) {
            terms[append->first + k] = append->hard_state.term;
        }
        last_index = count > 0 ? append->first + count - 1 : last_index;
    }
    return last_index;
}

static bool is_hard_state_equal(struct hard_state a, struct hard_state b)
{
    return a.term == b.term && a.has_voted == b.has_voted && a.voted_for == b.voted_for;
}

static bool is_recovered(const struct sim_log *log, size_t appends, size_t last_count)
{
    static raft_term terms[SIM_LOG_ENTRIES_MAX];
    const struct wal_recovered *recovered = &log->recovered;
    struct hard_state expected = {0};
    if (appends > 0) {
        expected = log->appends[appends - 1].hard_state;
    }
    if (model(log, appends, last_count, terms) != recovered->last_index ||
        !is_hard_state_equal(recovered->hard_state, expected)) {
        return false;
    }
    size_t run = 0;
    for (raft_index i = 1; i <= recovered->last_index; i++) {
        while (run + 1 < recovered->term_count && recovered->terms[run + 1].first_index <= i) {
            run++;
        }
        if (recovered->terms[run].term != terms[i]) {
            return false;
        }
    }
    return true;
}

/* Cut the model to what was found, also to a part of an append that was split. */
static bool adopt(struct sim_log *log)
{
    for (size_t i = log->acknowledged; i <= log->append_count; i++) {
        struct sim_log_append *last = i == 0 ? NULL : &log->appends[i - 1];
        size_t count = last == NULL ? 0 : last->count;
        bool is_found = is_recovered(log, i, count);
        for (size_t k = 1; k < count && i > log->acknowledged && !is_found; k++) {
            is_found = is_recovered(log, i, k);
            last->count = is_found ? k : last->count;
        }
        if (is_found) {
            log->append_count = i;
            log->acknowledged = i;
            log->last_index = log->recovered.last_index;
            return true;
        }
    }
    return false;
}

int sim_log_open(struct sim_log *log, bool *is_kept)
{
    ASSERT(log->wal == NULL);
    log->is_poisoned = false;
    int status = sim_disk_mount(&log->disk);
    if (status == 0) {
        status = wal_open(&log->options, &log->wal, &log->recovered, log->detail);
    }
    if (status == 0) {
        *is_kept = adopt(log);
        wal_invariants(log->wal);
        wal_prepare(log->wal);
    }
    return status;
}

static struct entry make_entry(struct sim_log *log, raft_index index, uint32_t payload_bytes)
{
    static uint8_t payload[20000];
    ASSERT(payload_bytes <= sizeof(payload));
    memset(payload, (int)(index % 3), payload_bytes); /* some sectors are all zeros */
    struct entry_fields fields = {
        .index = index,
        .term = log->term,
        .timestamp_ns = index,
        .type = ENTRY_NORMAL,
        .command_bytes = 3,
        .payload_bytes = payload_bytes,
        .command = "set",
        .payload = payload,
    };
    struct entry entry;
    int status = entry_arena_encode(&log->arena, &fields, &entry);
    ASSERT(status == 0);
    return entry;
}

static struct hard_state hard_state_of(const struct sim_log *log)
{
    if (log->vote.term == log->term) {
        return log->vote;
    }
    return (struct hard_state){log->term, 1000 + log->ticket, log->ticket % 2 == 0};
}

int sim_log_append(struct sim_log *log, raft_index first, size_t count, uint32_t payload_bytes)
{
    struct entry entries[64];
    ASSERT(count <= 64);
    ASSERT(log->append_count < SIM_LOG_APPENDS_MAX);
    for (size_t i = 0; i < count; i++) {
        entries[i] = make_entry(log, first + i, payload_bytes);
    }
    struct wal_batch batch = {
        .hard_state = hard_state_of(log),
        .entries = entries,
        .count = count,
        .ticket = log->ticket + 1,
    };
    int status = wal_append(log->wal, &batch);
    if (status == 0) {
        log->ticket = batch.ticket;
        log->appends[log->append_count++] =
            (struct sim_log_append){batch.ticket, first, count, batch.hard_state};
        log->last_index = count > 0 ? first + count - 1 : log->last_index;
    }
    for (size_t i = 0; i < count; i++) {
        chunk_drop(entries[i].chunk);
    }
    return status;
}

void sim_log_append_now(struct sim_log *log, raft_index first, size_t count, uint32_t payload_bytes)
{
    int status = sim_log_append(log, first, count, payload_bytes);
    ASSERT(status == 0);
    sim_log_run(log);
}

void sim_log_mark(struct sim_log *log)
{
    wal_mark(log->wal, 0);
}

/* Entries of the present term behind the last, or of a new one in place of the last few. */
static void append_some(struct sim_log *log, struct prng *prng)
{
    raft_index first = log->last_index + 1;
    uint64_t choice = prng_between(prng, 0, 7);
    size_t count = choice == 0 ? 0 : (size_t)prng_between(prng, 1, 6);
    uint32_t payload_bytes = (uint32_t)prng_between(prng, 0, choice == 1 ? 15000 : 1500);
    if (choice == 2 && first > 1) {
        first -= prng_between(prng, 1, min_u64(first - 1, 4));
        log->term++;
    } else if (choice == 3) {
        log->term++;
    }
    if (log->append_count - log->acknowledged < SIM_LOG_IN_FLIGHT_MAX) {
        int status = sim_log_append(log, first, count, payload_bytes);
        ASSERT(status == 0 || log->is_poisoned || status == QR_ERR_DISK_FULL);
    }
}

void sim_log_act(struct sim_log *log, struct prng *prng)
{
    static const enum build_op_kind kinds[] = {BUILD_WRITE, BUILD_PREPARE};
    switch (prng_between(prng, 0, 7)) {
    case 0:
        sim_log_run(log);
        sim_log_mark(log);
        break;
    case 1:
    case 2:
    case 3:
        append_some(log, prng);
        break;
    default:
        for (uint64_t steps = prng_between(prng, 1, 4); steps > 0; steps--) {
            (void)sim_disk_step(&log->disk, kinds[prng_between(prng, 0, 4) == 0 ? 1 : 0]);
        }
        break;
    }
    wal_invariants(log->wal);
}
