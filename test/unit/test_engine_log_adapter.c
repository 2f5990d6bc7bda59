/* test_engine_log_adapter.c: between a node and a log store of the program's, step by step. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "engine/log_store.h"
#include "quorate/error.h"
#include "runtime/memory.h"
#include "support/log_memory.h"

#define TOKEN 5

/* No loop is woken: takes are made by hand. */
struct rig {
    int wake_count;
    struct log_memory store;
    struct engine_log *log;
    const struct log_store *table;
    void *handle;
    struct entry_arena arena;
    struct entry entries[16];
    size_t entry_count;
    uint64_t ticket;
    uint64_t synced_ticket;
    int synced_count;
    int read_count;
    int read_status;
    raft_index read_first;
    size_t read_entries;
    raft_term read_term;
    int poisoned_count;
    int poisoned_status;
};

static void on_wake(void *context)
{
    struct rig *rig = context;
    rig->wake_count++;
}

static void on_synced(void *context, uint64_t ticket)
{
    struct rig *rig = context;
    rig->synced_ticket = ticket;
    rig->synced_count++;
}

static void on_read(void *context, uint64_t token, int status, const struct entry *entries,
                    size_t count)
{
    struct rig *rig = context;
    assert_int_equal(token, TOKEN);
    rig->read_count++;
    rig->read_status = status;
    rig->read_entries = count;
    rig->read_first = count > 0 ? entries[0].index : 0;
    rig->read_term = count > 0 ? entries[0].term : 0;
}

static void on_poisoned(void *context, int status, const char *detail)
{
    struct rig *rig = context;
    assert_non_null(strstr(detail, "log store: "));
    rig->poisoned_count++;
    rig->poisoned_status = status;
}

static void open_log(struct rig *rig)
{
    const struct wal_options options = {
        .allocator = &runtime_allocator,
        .listener = {rig, on_synced, on_read, on_poisoned},
        .entry_bytes_max = 65536,
        .must_hold_batches = rig->ticket > 0,
    };
    struct wal_recovered recovered;
    char detail[WAL_ERROR_DETAIL_BYTES] = "";
    int status = rig->table->open(rig->table->context, &options, &rig->handle, &recovered, detail);
    assert_int_equal(status, 0);
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    entry_arena_init(&rig->arena, &runtime_allocator);
    log_memory_init(&rig->store);
    const struct engine_log_waker waker = {rig, on_wake};
    assert_int_equal(engine_log_new(&runtime_allocator, &rig->store.table, waker, &rig->log), 0);
    rig->table = engine_log_table(rig->log);
    open_log(rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    rig->table->free(rig->handle);
    engine_log_free(rig->log);
    log_memory_deinit(&rig->store);
    for (size_t i = 0; i < rig->entry_count; i++) {
        chunk_drop(rig->entries[i].chunk);
    }
    entry_arena_deinit(&rig->arena);
    free(rig);
    return 0;
}

/* One batch of `count` entries of this term, behind a reset if there is one. */
static void append(struct rig *rig, raft_index first, size_t count, raft_term term,
                   const struct wal_base *reset)
{
    struct entry *entries = &rig->entries[rig->entry_count];
    for (size_t i = 0; i < count; i++) {
        const struct entry_fields fields = {.index = first + i,
                                            .term = term,
                                            .type = ENTRY_NORMAL,
                                            .payload = "x",
                                            .payload_bytes = 1};
        assert_true(rig->entry_count < COUNT_OF(rig->entries));
        assert_int_equal(entry_arena_encode(&rig->arena, &fields, &entries[i]), 0);
        rig->entry_count++;
    }
    const struct wal_batch batch = {
        .hard_state = {.term = term},
        .entries = entries,
        .count = count,
        .ticket = ++rig->ticket,
        .reset = reset,
    };
    assert_int_equal(rig->table->append(rig->handle, &batch), 0);
}

static int read_from(struct rig *rig, raft_index first)
{
    return rig->table->read(rig->handle, first, UINT64_MAX, TOKEN);
}

static void nothing_is_told_from_within_a_call(void **state)
{
    struct rig *rig = *state;
    append(rig, 1, 3, 1, NULL);
    append(rig, 4, 1, 1, NULL);
    assert_int_equal(rig->synced_count, 0);
    assert_int_equal(rig->wake_count, 2); /* not for what is no news */
    assert_false(rig->table->is_idle(rig->handle));
    engine_log_take(rig->log);
    assert_int_equal(rig->synced_ticket, 2);
    assert_int_equal(read_from(rig, 2), 0);
    assert_int_equal(rig->read_count, 0);
    assert_false(rig->table->is_idle(rig->handle));
    engine_log_take(rig->log);
    assert_int_equal(rig->read_count, 1);
    assert_int_equal(rig->read_first, 2);
    assert_int_equal(rig->read_entries, 3);
    assert_true(rig->table->is_idle(rig->handle));
    engine_log_take(rig->log);
    assert_int_equal(rig->synced_count + rig->read_count, 2);
}

static void what_is_not_durable_is_not_read(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(read_from(rig, 1), QR_ERR_NOT_FOUND);
    append(rig, 1, 2, 1, NULL);
    assert_int_equal(read_from(rig, 1), QR_ERR_NOT_FOUND);
    engine_log_take(rig->log);
    assert_int_equal(read_from(rig, 3), QR_ERR_NOT_FOUND);
    for (size_t i = 0; i < WAL_READS_MAX; i++) {
        assert_int_equal(read_from(rig, 1), 0);
    }
    assert_int_equal(read_from(rig, 1), QR_ERR_BUSY);
    engine_log_take(rig->log);
    assert_int_equal(rig->read_count, WAL_READS_MAX);
}

/* The store answered before it was told; what it gave is not there any more. */
static void a_read_gives_nothing_that_a_batch_replaces(void **state)
{
    struct rig *rig = *state;
    append(rig, 1, 4, 1, NULL);
    engine_log_take(rig->log);
    assert_int_equal(read_from(rig, 1), 0);
    append(rig, 3, 1, 2, NULL);
    assert_int_equal(read_from(rig, 3), QR_ERR_NOT_FOUND);
    engine_log_take(rig->log);
    assert_int_equal(rig->read_status, 0);
    assert_int_equal(rig->read_entries, 2);

    assert_int_equal(read_from(rig, 3), 0);
    append(rig, 3, 1, 3, NULL);
    engine_log_take(rig->log);
    assert_int_equal(rig->read_status, QR_ERR_NOT_FOUND);
    assert_int_equal(rig->read_entries, 0);

    assert_int_equal(read_from(rig, 3), 0);
    engine_log_take(rig->log);
    assert_int_equal(rig->read_term, 3);
    assert_int_equal(rig->poisoned_count, 0);
}

static void a_reset_ends_reads_and_what_may_be_read(void **state)
{
    struct rig *rig = *state;
    const struct wal_base base = {2, 3};
    append(rig, 1, 6, 1, NULL);
    engine_log_take(rig->log);
    assert_int_equal(read_from(rig, 5), 0);
    atomic_store(&rig->store.holds, true);
    append(rig, 4, 1, 2, &base);
    assert_int_equal(read_from(rig, 3), QR_ERR_NOT_FOUND);
    assert_int_equal(read_from(rig, 4), QR_ERR_NOT_FOUND);
    engine_log_take(rig->log);
    assert_int_equal(rig->read_status, QR_ERR_NOT_FOUND);
    atomic_store(&rig->store.holds, false);
    append(rig, 5, 1, 2, NULL);
    engine_log_take(rig->log);
    assert_int_equal(read_from(rig, 4), 0);
    engine_log_take(rig->log);
    assert_int_equal(rig->read_entries, 2);
    assert_int_equal(rig->read_term, 2);
}

/* What is committed by others may be let go of before it is durable here: the store would stand on
 * an entry that it does not have, or on one that is about to be replaced.
 */
static void a_store_hears_of_a_base_when_it_is_durable(void **state)
{
    struct rig *rig = *state;
    append(rig, 1, 4, 1, NULL);
    engine_log_take(rig->log);
    assert_int_equal(read_from(rig, 1), 0);
    atomic_store(&rig->store.holds, true);
    append(rig, 3, 2, 2, NULL);
    rig->table->truncate_prefix(rig->handle, &(struct wal_base){2, 3});
    assert_int_equal(atomic_load(&rig->store.truncate_count), 0);
    engine_log_take(rig->log);
    assert_int_equal(rig->read_status, QR_ERR_NOT_FOUND);
    assert_int_equal(atomic_load(&rig->store.truncate_count), 0);
    atomic_store(&rig->store.holds, false);
    append(rig, 5, 1, 2, NULL);
    engine_log_take(rig->log);
    assert_int_equal(atomic_load(&rig->store.truncate_count), 1);
    assert_int_equal(rig->store.base.index, 3);
    rig->table->truncate_prefix(rig->handle, &(struct wal_base){2, 3});
    rig->table->truncate_prefix(rig->handle, &(struct wal_base){1, 1});
    assert_int_equal(atomic_load(&rig->store.truncate_count), 1);
    struct wal_stats stats;
    rig->table->stats(rig->handle, &stats);
    assert_int_equal(stats.base.index, 3);
    assert_int_equal(stats.append_count, 3);
    assert_int_equal(stats.entry_count, 7);
    assert_int_equal(stats.written_bytes, 7 * entry_record_bytes(0, 1));
}

/* Every call is refused, and nothing is waited for. */
static void is_ended(struct rig *rig, int status)
{
    const struct wal_batch batch = {.ticket = rig->ticket + 1};
    assert_int_equal(rig->poisoned_count, 1);
    assert_int_equal(rig->poisoned_status, status);
    assert_true(rig->table->is_idle(rig->handle));
    assert_int_equal(rig->table->append(rig->handle, &batch), QR_ERR_STOPPED);
    assert_int_equal(read_from(rig, 1), QR_ERR_STOPPED);
    assert_int_equal(rig->table->room_bytes(rig->handle), 0);
    assert_false(rig->table->has_room_for_reset(rig->handle));
    engine_log_take(rig->log);
    assert_int_equal(rig->poisoned_count, 1);
}

static void behind_a_failure_nothing_becomes_durable(void **state)
{
    struct rig *rig = *state;
    append(rig, 1, 1, 1, NULL);
    atomic_store(&rig->store.lie, LOG_FAIL_SYNC);
    append(rig, 2, 1, 1, NULL);
    engine_log_take(rig->log);
    assert_int_equal(rig->synced_ticket, 1); /* it was, before */
    is_ended(rig, QR_ERR_IO);
}

static void a_store_that_fails_while_it_is_read_from_owes_no_answer(void **state)
{
    struct rig *rig = *state;
    append(rig, 1, 1, 1, NULL);
    engine_log_take(rig->log);
    assert_int_equal(read_from(rig, 1), 0);
    assert_int_equal(read_from(rig, 1), 0);
    atomic_store(&rig->store.lie, LOG_LIE_READ_NOTHING);
    assert_int_equal(read_from(rig, 1), 0);
    engine_log_take(rig->log);
    assert_int_equal(rig->read_count, 2);
    is_ended(rig, QR_ERR_CORRUPT);
}

/* A number that stands for something else than what a log can meet says nothing. */
static void a_failure_in_words_of_others_is_one_of_the_disk(void **state)
{
    struct rig *rig = *state;
    rig->store.host->failed(rig->store.host->context, QR_ERR_NOT_LEADER, "lost");
    engine_log_take(rig->log);
    is_ended(rig, QR_ERR_IO);
}

static void a_read_that_fails_in_words_of_others_is_one_of_the_disk(void **state)
{
    struct rig *rig = *state;
    append(rig, 1, 1, 1, NULL);
    engine_log_take(rig->log);
    atomic_store(&rig->store.lie, LOG_FAIL_READ_OTHER);
    assert_int_equal(read_from(rig, 1), 0);
    engine_log_take(rig->log);
    is_ended(rig, QR_ERR_IO);
}

/* What is told too late is told to nobody. */
static void a_store_that_is_closed_is_not_listened_to(void **state)
{
    struct rig *rig = *state;
    append(rig, 1, 1, 1, NULL);
    engine_log_take(rig->log);
    const struct qr_log_host *host = rig->store.host;
    rig->table->free(rig->handle);
    host->synced(host->context, 99);
    host->read_done(host->context, 99, 0, NULL, 0);
    host->failed(host->context, QR_ERR_IO, "late");
    open_log(rig);
    engine_log_take(rig->log);
    assert_int_equal(rig->poisoned_count, 0);
    assert_int_equal(rig->synced_count, 1);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(nothing_is_told_from_within_a_call),
        RIG_TEST(what_is_not_durable_is_not_read),
        RIG_TEST(a_read_gives_nothing_that_a_batch_replaces),
        RIG_TEST(a_reset_ends_reads_and_what_may_be_read),
        RIG_TEST(a_store_hears_of_a_base_when_it_is_durable),
        RIG_TEST(behind_a_failure_nothing_becomes_durable),
        RIG_TEST(a_store_that_fails_while_it_is_read_from_owes_no_answer),
        RIG_TEST(a_failure_in_words_of_others_is_one_of_the_disk),
        RIG_TEST(a_read_that_fails_in_words_of_others_is_one_of_the_disk),
        RIG_TEST(a_store_that_is_closed_is_not_listened_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
