/* wal_rig.c: a log on a disk in memory, and a model of what it must hold. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/wal_rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/prng.h"
#include "quorate/error.h"

#define VOTE_BASE 1000
#define TIMESTAMP_STEP_NS 10
#define CONFIGURATION_STEP 5 /* every fifth entry is one */

static uint8_t type_of(raft_index index)
{
    return index % CONFIGURATION_STEP == 0 ? ENTRY_CONFIGURATION : ENTRY_NORMAL;
}

static void fill(uint8_t *out, size_t size_bytes, raft_index index, raft_term term)
{
    struct prng prng = prng_of(index * UINT64_C(1000003) + term);
    size_t at = 0;
    for (; size_bytes - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        store_u64(out + at, prng_next(&prng));
    }
    for (; at < size_bytes; at++) {
        out[at] = (uint8_t)prng_next(&prng);
    }
}

/* Whether the entry is just what wal_rig_append() makes of its index and term. */
static bool is_genuine(const struct entry *entry)
{
    struct entry_fields fields = entry_fields_of(entry);
    uint8_t *expected = malloc((size_t)fields.payload_bytes + 1);
    ASSERT(expected != NULL);
    fill(expected, fields.payload_bytes, entry->index, entry->term);
    bool is_equal = memcmp(expected, fields.payload, fields.payload_bytes) == 0 &&
                    fields.type == type_of(entry->index) &&
                    fields.timestamp_ns == entry->index * TIMESTAMP_STEP_NS &&
                    fields.id.low == entry->term && fields.command_bytes == 3;
    free(expected);
    return is_equal;
}

static void on_synced(void *context, uint64_t ticket)
{
    struct wal_rig *rig = context;
    ASSERT(ticket > rig->ticket_synced);
    ASSERT(rig->poisoned_count == 0);
    rig->ticket_synced = ticket;
}

static void on_read(void *context, uint64_t token, int status, const struct entry *entries,
                    size_t count)
{
    struct wal_rig *rig = context;
    ASSERT((status == 0) == (count > 0));
    rig->read_done_count++;
    rig->read_token = token;
    rig->read_status = status;
    rig->read_count = count;
    for (size_t i = 0; i < count; i++) {
        ASSERT(is_genuine(&entries[i]));
        ASSERT(entries[i].index == entries[0].index + i);
        rig->read_terms[i] = entries[i].term;
        rig->read_first = entries[0].index;
    }
}

static void on_poisoned(void *context, int status, const char *detail)
{
    struct wal_rig *rig = context;
    rig->poisoned_count++;
    rig->poisoned_status = status;
    memcpy(rig->poisoned_detail, detail, strlen(detail) + 1);
}

void wal_rig_init(struct wal_rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    heap_init(&rig->heap);
    disk_memory_init(&rig->disk);
    entry_arena_init(&rig->arena, &rig->heap.allocator);
    rig->options = (struct wal_options){
        .allocator = &rig->heap.allocator,
        .disk = &rig->disk.disk,
        .listener = {rig, on_synced, on_read, on_poisoned},
        .node = WAL_RIG_NODE,
        .segment_bytes = WAL_SEGMENT_BYTES_MIN,
        .entry_bytes_max = 40000,
    };
}

static void free_log(struct wal_rig *rig)
{
    if (rig->wal != NULL) {
        wal_invariants(rig->wal);
    }
    wal_free(rig->wal);
    rig->wal = NULL;
}

void wal_rig_deinit(struct wal_rig *rig)
{
    disk_memory_stop(&rig->disk);
    free_log(rig);
    entry_arena_deinit(&rig->arena);
    disk_memory_deinit(&rig->disk);
    heap_deinit(&rig->heap);
}

int wal_rig_set_up(void **state)
{
    struct wal_rig *rig = malloc(sizeof(*rig));
    ASSERT(rig != NULL);
    wal_rig_init(rig);
    *state = rig;
    return 0;
}

int wal_rig_set_up_open(void **state)
{
    (void)wal_rig_set_up(state);
    int status = wal_rig_open(*state);
    ASSERT(status == 0);
    return 0;
}

int wal_rig_tear_down(void **state)
{
    wal_rig_deinit(*state);
    free(*state);
    return 0;
}

int wal_rig_open(struct wal_rig *rig)
{
    ASSERT(rig->wal == NULL);
    rig->poisoned_count = 0;
    rig->ticket_synced = 0;
    int status = wal_open(&rig->options, &rig->wal, &rig->recovered, rig->detail);
    if (status == 0) {
        wal_invariants(rig->wal);
        rig->last_index = rig->recovered.last_index;
        wal_prepare(rig->wal);
    }
    return status;
}

void wal_rig_close(struct wal_rig *rig)
{
    disk_memory_run(&rig->disk);
    free_log(rig);
}

void wal_rig_crash(struct wal_rig *rig, bool (*keep)(void *context, size_t number), void *context)
{
    disk_memory_stop(&rig->disk);
    free_log(rig);
    disk_memory_crash(&rig->disk, keep, context);
}

void wal_rig_reopen(struct wal_rig *rig)
{
    wal_rig_close(rig);
    int status = wal_rig_open(rig);
    ASSERT(status == 0);
}

static struct entry make_entry(struct wal_rig *rig, raft_index index, raft_term term,
                               uint32_t payload_bytes)
{
    uint8_t *payload = malloc((size_t)payload_bytes + 1);
    ASSERT(payload != NULL);
    fill(payload, payload_bytes, index, term);
    struct entry_fields fields = {
        .index = index,
        .term = term,
        .timestamp_ns = index * TIMESTAMP_STEP_NS,
        .id = {0, term},
        .type = type_of(index),
        .command_bytes = 3,
        .payload_bytes = payload_bytes,
        .command = "set",
        .payload = payload,
    };
    if (rig->is_scattered) {
        entry_arena_deinit(&rig->arena);
    }
    struct entry entry;
    int status = entry_arena_encode(&rig->arena, &fields, &entry);
    ASSERT(status == 0);
    free(payload);
    return entry;
}

static int append(struct wal_rig *rig, const struct wal_rig_append *what, uint32_t payload_bytes)
{
    raft_index first = what->first;
    size_t count = what->count;
    raft_term term = what->term;
    uint64_t fail_at = rig->heap.fail_at;
    rig->heap.fail_at = 0; /* entries are the caller's */
    struct entry *entries = calloc(count + 1, sizeof(*entries));
    ASSERT(entries != NULL);
    ASSERT(rig->append_count < WAL_RIG_APPENDS_MAX);
    for (size_t i = 0; i < count; i++) {
        entries[i] = make_entry(rig, first + i, term, payload_bytes);
    }
    rig->heap.fail_at = fail_at == 0 ? 0 : rig->heap.allocate_count + fail_at;
    struct wal_batch batch = {
        .hard_state = {term, VOTE_BASE + rig->append_count, rig->append_count % 2 == 0},
        .entries = entries,
        .count = count,
        .commit_index = first > 0 ? first - 1 : 0,
        .ticket = rig->append_count + 1,
        .reset = what->is_reset ? &what->reset : NULL,
    };
    int status = wal_append(rig->wal, &batch);
    wal_invariants(rig->wal);
    if (status == 0) {
        struct wal_rig_append *kept = &rig->appends[rig->append_count++];
        *kept = *what;
        kept->hard_state = batch.hard_state;
        rig->last_index = what->is_reset ? what->reset.index : rig->last_index;
        rig->last_index = count > 0 ? first + count - 1 : rig->last_index;
    }
    for (size_t i = 0; i < count; i++) {
        chunk_drop(entries[i].chunk);
    }
    free(entries);
    rig->heap.fail_at = 0;
    return status;
}

int wal_rig_append(struct wal_rig *rig, raft_index first, size_t count, raft_term term,
                   uint32_t payload_bytes)
{
    struct wal_rig_append what = {.first = first, .count = count, .term = term};
    return append(rig, &what, payload_bytes);
}

int wal_rig_reset(struct wal_rig *rig, struct wal_base base, size_t count, raft_term term,
                  uint32_t payload_bytes)
{
    struct wal_rig_append what = {
        .first = base.index + 1, .count = count, .term = term, .is_reset = true, .reset = base};
    return append(rig, &what, payload_bytes);
}

void wal_rig_truncate(struct wal_rig *rig, raft_index index)
{
    static raft_term terms[WAL_RIG_ENTRIES_MAX];
    (void)wal_rig_model(rig, rig->append_count, terms);
    rig->base_asked = max_u64(rig->base_asked, index);
    wal_truncate_prefix(rig->wal, &(struct wal_base){terms[index], index});
    wal_invariants(rig->wal);
}

void wal_rig_append_now(struct wal_rig *rig, raft_index first, size_t count, raft_term term,
                        uint32_t payload_bytes)
{
    int status = wal_rig_append(rig, first, count, term, payload_bytes);
    ASSERT(status == 0);
    disk_memory_run(&rig->disk);
    wal_invariants(rig->wal);
    ASSERT(rig->ticket_synced == rig->append_count);
}

raft_index wal_rig_model(const struct wal_rig *rig, size_t appends, raft_term *terms)
{
    raft_index last_index = 0;
    for (size_t i = 0; i < appends; i++) {
        const struct wal_rig_append *append = &rig->appends[i];
        if (append->is_reset) {
            ASSERT(append->reset.index < WAL_RIG_ENTRIES_MAX);
            last_index = append->reset.index;
            terms[last_index] = append->reset.term;
        }
        for (size_t k = 0; k < append->count; k++) {
            ASSERT(append->first + k < WAL_RIG_ENTRIES_MAX);
            terms[append->first + k] = append->term;
        }
        last_index = append->count > 0 ? append->first + append->count - 1 : last_index;
    }
    return last_index;
}

/* The term of an index by the runs that recovery gave. */
static raft_term recovered_term(const struct wal_recovered *recovered, raft_index index)
{
    raft_term term = 0;
    for (size_t i = 0; i < recovered->term_count; i++) {
        if (recovered->terms[i].first_index <= index) {
            term = recovered->terms[i].term;
        }
    }
    return term;
}

/* As the Raft machine demands: a run that was replaced is none. */
static void check_runs(const struct wal_recovered *recovered)
{
    for (size_t i = 0; i < recovered->term_count; i++) {
        const struct wal_term_run *run = &recovered->terms[i];
        ASSERT(run->first_index <= recovered->last_index);
        ASSERT(i > 0 || run->first_index == recovered->first_index);
        ASSERT(i == 0 || run->first_index > run[-1].first_index);
        ASSERT(i == 0 || run->term > run[-1].term);
    }
}

/* Of the configurations, just the latest that is committed and all behind it. */
static bool has_configurations(const struct wal_recovered *recovered, const raft_term *terms)
{
    size_t at = 0;
    for (raft_index i = recovered->first_index; i <= recovered->last_index; i++) {
        bool is_next_committed = i + CONFIGURATION_STEP <= recovered->commit_index;
        if (type_of(i) != ENTRY_CONFIGURATION || is_next_committed) {
            continue;
        }
        if (at == recovered->configuration_count || recovered->configurations[at].index != i ||
            recovered->configurations[at].term != terms[i] ||
            !is_genuine(&recovered->configurations[at])) {
            return false;
        }
        at++;
    }
    return at == recovered->configuration_count;
}

/* The base is the last reset's, or one that was asked for behind it, of the right term. */
static bool has_base(const struct wal_rig *rig, size_t appends, const raft_term *terms)
{
    const struct wal_recovered *recovered = &rig->recovered;
    raft_index least = 0;
    for (size_t i = 0; i < appends; i++) {
        least = rig->appends[i].is_reset ? rig->appends[i].reset.index : least;
    }
    return recovered->first_index == recovered->base.index + 1 && recovered->base.index >= least &&
           recovered->base.index <= max_u64(least, rig->base_asked) &&
           (recovered->base.index == 0 || recovered->base.term == terms[recovered->base.index]);
}

bool wal_rig_is_recovered_as(const struct wal_rig *rig, size_t appends)
{
    static raft_term terms[WAL_RIG_ENTRIES_MAX];
    const struct wal_recovered *recovered = &rig->recovered;
    struct hard_state expected = {0};
    if (appends > 0) {
        expected = rig->appends[appends - 1].hard_state;
    }
    if (wal_rig_model(rig, appends, terms) != recovered->last_index ||
        recovered->hard_state.term != expected.term ||
        recovered->hard_state.voted_for != expected.voted_for ||
        recovered->hard_state.has_voted != expected.has_voted) {
        return false;
    }
    if (!has_base(rig, appends, terms)) {
        return false;
    }
    for (raft_index i = recovered->first_index; i <= recovered->last_index; i++) {
        if (recovered_term(recovered, i) != terms[i]) {
            return false;
        }
    }
    bool has_entry = recovered->last_index >= recovered->first_index;
    return (!has_entry ||
            recovered->last_timestamp_ns == recovered->last_index * TIMESTAMP_STEP_NS) &&
           has_configurations(recovered, terms);
}

size_t wal_rig_recovered_as(struct wal_rig *rig, size_t from)
{
    check_runs(&rig->recovered);
    for (size_t i = from; i <= rig->append_count; i++) {
        if (wal_rig_is_recovered_as(rig, i)) {
            return i;
        }
    }
    for (size_t i = from + 1; i <= rig->append_count; i++) {
        struct wal_rig_append *append = &rig->appends[i - 1];
        raft_index last_index = rig->recovered.last_index;
        size_t count = append->count;
        if (last_index >= append->first && last_index < append->first + count) {
            append->count = last_index - append->first + 1;
            if (wal_rig_is_recovered_as(rig, i)) {
                return i;
            }
            append->count = count;
        }
    }
    return SIZE_MAX;
}

int wal_rig_read(struct wal_rig *rig, raft_index first, uint64_t bytes_max)
{
    size_t done = rig->read_done_count;
    int status = wal_read(rig->wal, first, bytes_max, first);
    if (status != 0) {
        return status;
    }
    while (rig->read_done_count == done && disk_memory_step(&rig->disk)) {
        wal_invariants(rig->wal);
    }
    ASSERT(rig->read_done_count == done + 1);
    ASSERT(rig->read_token == first);
    ASSERT(rig->read_status != 0 || rig->read_first == first);
    return rig->read_status;
}

void wal_rig_check(struct wal_rig *rig, size_t appends)
{
    static raft_term terms[WAL_RIG_ENTRIES_MAX];
    raft_index last_index = wal_rig_model(rig, appends, terms);
    struct wal_stats stats;
    wal_stats(rig->wal, &stats);
    raft_index next = stats.base.index + 1;
    int below = wal_read(rig->wal, stats.base.index, 1, 1);
    ASSERT(below == QR_ERR_NOT_FOUND);
    while (next <= last_index) {
        int status = wal_rig_read(rig, next, 100000);
        ASSERT(status == 0);
        for (size_t i = 0; i < rig->read_count; i++) {
            ASSERT(next <= last_index);
            ASSERT(rig->read_terms[i] == terms[next]);
            next++;
        }
    }
    int beyond = wal_read(rig->wal, last_index + 1, 1, 1);
    ASSERT(beyond == QR_ERR_NOT_FOUND);
}
