/* test_engine_snapshot_store.c: engines whose snapshots are in stores of a program's own. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "quorate/engine.h"
#include "quorate/wal.h"
#include "runtime/clock.h"
#include "support/engines.h"
#include "support/log_file.h"
#include "support/snapshot_folder.h"
#include "support/snapshot_memory.h"
#include "support/tally.h"
#include "wal/snapshot_store.h"

#define WAIT_NS (30 * NS_PER_S)
#define PADDING_BYTES ((size_t)300 * 1024) /* snapshots are many pieces long */

struct member {
    struct engines_member *self;
    char path[64]; /* of the folder */
    struct snapshot_folder folder;
    const struct qr_snapshot_store *store; /* NULL: none */
    struct log_file log;
    pthread_mutex_t mutex;
    bool has_stopped; /* under the mutex, like all below */
    int stop_status;
    char stop_reason[QR_ERROR_DETAIL_BYTES];
    unsigned answer_count;
    unsigned refused_count;
    int answer_status;
};

struct bench {
    struct engines engines;
    struct member members[ENGINES];
    uv_loop_t loop;
    bool has_logs; /* in stores of their own, too */
};

static void on_stopped(void *argument, int status, const char *reason)
{
    struct member *member = argument;
    pthread_mutex_lock(&member->mutex);
    member->has_stopped = true;
    member->stop_status = status;
    (void)snprintf(member->stop_reason, sizeof(member->stop_reason), "%s", reason);
    pthread_mutex_unlock(&member->mutex);
}

static void choose(void *context, size_t at, struct qr_engine_options *options)
{
    struct bench *bench = context;
    struct member *member = &bench->members[at];
    member->self->tally.padding_bytes = PADDING_BYTES;
    member->has_stopped = false;
    options->on_stopped = on_stopped;
    options->argument = member;
    options->log_store = bench->has_logs ? &member->log.table : NULL;
    options->snapshot_store = member->store;
    /* Sanitizers and a busy machine are slow; elections are not what is tested here. */
    options->limits.election_timeout_min_ms = 500;
    options->limits.election_timeout_max_ms = 1000;
    options->limits.segment_bytes = UINT64_C(1) << 20;
    options->limits.max_log_entries = 100;
    options->limits.max_message_bytes = UINT64_C(1) << 16;
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    engines_init(&bench->engines, choose, bench);
    for (size_t i = 0; i < ENGINES; i++) {
        struct member *member = &bench->members[i];
        member->self = &bench->engines.members[i];
        temporary_directory(member->path);
        snapshot_folder_init(&member->folder, member->path);
        log_file_init(&member->log, member->path);
        member->store = &member->folder.store;
        pthread_mutex_init(&member->mutex, NULL);
    }
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    engines_deinit(&bench->engines);
    for (size_t i = 0; i < ENGINES; i++) {
        struct member *member = &bench->members[i];
        log_file_deinit(&member->log);
        temporary_directory_remove(member->path);
        pthread_mutex_destroy(&member->mutex);
    }
    free(bench);
    return 0;
}

/* Wait until it holds of the member. */
static void wait_until(struct bench *bench, size_t at, bool (*holds)(struct member *member))
{
    struct member *member = &bench->members[at];
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (!holds(member)) {
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
    }
}

static bool leads(struct member *member)
{
    return qr_is_leader(member->self->engine);
}

static bool is_short(struct member *member)
{
    qr_status(member->self->engine, &member->self->status);
    return member->self->status.first_index > 1;
}

static bool has_stopped(struct member *member)
{
    pthread_mutex_lock(&member->mutex);
    bool is_so = member->has_stopped;
    pthread_mutex_unlock(&member->mutex);
    return is_so;
}

static bool is_answered(struct member *member)
{
    pthread_mutex_lock(&member->mutex);
    bool is_so = member->answer_count == 0;
    pthread_mutex_unlock(&member->mutex);
    return is_so;
}

static void note_answer(struct member *member, int status)
{
    pthread_mutex_lock(&member->mutex);
    member->answer_count--; /* of those that are waited for */
    member->refused_count += status != 0 ? 1 : 0;
    member->answer_status = status;
    pthread_mutex_unlock(&member->mutex);
}

static void on_answer(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    (void)index;
    (void)result;
    note_answer(argument, status);
}

static void on_snapshot(void *argument, int status, uint64_t index)
{
    (void)index;
    note_answer(argument, status);
}

static void begin_answers(struct member *member, unsigned count)
{
    pthread_mutex_lock(&member->mutex);
    member->answer_count += count;
    pthread_mutex_unlock(&member->mutex);
}

/* So many ones more. */
static void add(struct bench *bench, size_t at, unsigned count)
{
    struct member *member = &bench->members[at];
    const uint8_t payload = 1;
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
    begin_answers(member, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(qr_propose(member->self->engine, &proposal, on_answer, member), 0);
    }
    wait_until(bench, at, is_answered);
    assert_int_equal(member->refused_count, 0);
}

static int take_snapshot(struct bench *bench, size_t at)
{
    struct member *member = &bench->members[at];
    begin_answers(member, 1);
    assert_int_equal(qr_snapshot(member->self->engine, on_snapshot, member), 0);
    wait_until(bench, at, is_answered);
    member->refused_count = 0;
    return member->answer_status;
}

static bool has_all_400(struct member *member)
{
    return tally_sum(&member->self->tally) == 400;
}

static size_t count_snapshot_files(const char *path)
{
    size_t count = 0;
    DIR *listing = opendir(path);
    assert_non_null(listing);
    const struct dirent *entry = readdir(listing);
    for (; entry != NULL; entry = readdir(listing)) {
        count += snapshot_is_file(entry->d_name) ? 1 : 0;
    }
    (void)closedir(listing);
    return count;
}

/* A log that was compacted leads nobody anywhere: all that is here came through the stores. */
static void live_on_stores(struct bench *bench)
{
    engines_open(&bench->engines, 0);
    wait_until(bench, 0, leads);
    add(bench, 0, 400);
    assert_int_equal(take_snapshot(bench, 0), 0);
    wait_until(bench, 0, is_short);
    for (size_t i = 1; i < ENGINES; i++) {
        engines_open(&bench->engines, i);
        wait_until(bench, i, has_all_400);
        struct member *member = &bench->members[i];
        assert_true(member->self->tally.restore_count > 0);
        assert_true(atomic_load(&member->folder.ended[SNAPSHOT_FOLDER_PUBLISH]) > 0);
    }
    /* Many pieces went out of the store: not one was kept in memory. */
    assert_true(atomic_load(&bench->members[0].folder.ended[SNAPSHOT_FOLDER_READ]) >= 5);
    for (size_t i = 0; i < ENGINES; i++) {
        engines_close(&bench->engines, i);
        assert_int_equal(count_snapshot_files(bench->members[i].self->directory), 0);
    }
    for (size_t i = 0; i < ENGINES; i++) {
        struct member *member = &bench->members[i];
        engines_open(&bench->engines, i);
        assert_int_equal(member->self->tally.restore_count, 1);
    }
    for (size_t i = 0; i < ENGINES; i++) {
        wait_until(bench, i, has_all_400);
    }
}

static void a_cluster_lives_on_stores_of_its_own(void **state)
{
    live_on_stores(*state);
}

/* And nothing else: who joins late begins its log, in its store, behind the snapshot in the other.
 */
static void a_cluster_lives_with_its_logs_in_stores_too(void **state)
{
    struct bench *bench = *state;
    bench->has_logs = true;
    live_on_stores(bench);
}

/* Its log grows meanwhile, and nothing else happens; when the store works again, so does all. */
static void a_store_that_fails_costs_nothing_but_the_length_of_the_log(void **state)
{
    struct bench *bench = *state;
    struct snapshot_folder *folder = &bench->members[0].folder;
    engines_open(&bench->engines, 0);
    wait_until(bench, 0, leads);
    atomic_store(&folder->fails[SNAPSHOT_FOLDER_WRITE], QR_ERR_DISK_FULL);
    add(bench, 0, 200);
    assert_int_equal(take_snapshot(bench, 0), QR_ERR_DISK_FULL);
    atomic_store(&folder->fails[SNAPSHOT_FOLDER_WRITE], 0);
    atomic_store(&folder->fails[SNAPSHOT_FOLDER_PUBLISH], 12345);
    assert_int_equal(take_snapshot(bench, 0), QR_ERR_IO);
    add(bench, 0, 200);
    assert_false(is_short(&bench->members[0]));
    assert_int_equal(bench->members[0].self->status.snapshot_index, 0);
    atomic_store(&folder->fails[SNAPSHOT_FOLDER_PUBLISH], 0);
    assert_int_equal(take_snapshot(bench, 0), 0);
    wait_until(bench, 0, is_short);
    /* A member that it cannot read a snapshot for waits. */
    atomic_store(&folder->fails[SNAPSHOT_FOLDER_READ], QR_ERR_IO);
    engines_open(&bench->engines, 1);
    unsigned before = atomic_load(&folder->ended[SNAPSHOT_FOLDER_READ]);
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (atomic_load(&folder->ended[SNAPSHOT_FOLDER_READ]) == before) {
        assert_true(runtime_now_ns() < limit_ns);
    }
    assert_int_equal(tally_sum(&bench->members[1].self->tally), 0);
    atomic_store(&folder->fails[SNAPSHOT_FOLDER_READ], 0);
    wait_until(bench, 1, has_all_400);
}

/* A newest snapshot that is not what it was, where the log needs it. */
static void a_start_from_a_damaged_store_is_refused_in_words(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    engines_open(&bench->engines, 0);
    wait_until(bench, 0, leads);
    add(bench, 0, 400);
    assert_int_equal(take_snapshot(bench, 0), 0);
    wait_until(bench, 0, is_short);
    engines_close(&bench->engines, 0);
    char command[160];
    (void)snprintf(command, sizeof(command), "for f in '%s'/*; do echo x >> \"$f\"; done",
                   member->path);
    assert_int_equal(system(command), 0);
    assert_int_equal(engines_try_open(&bench->engines, 0), QR_ERR_CORRUPT);
    assert_non_null(strstr(member->self->detail, "missing or damaged"));
    assert_non_null(strstr(member->self->detail, "bytes behind the end"));
    (void)snprintf(command, sizeof(command), "rm '%s'/*", member->path);
    assert_int_equal(system(command), 0);
    assert_int_equal(engines_try_open(&bench->engines, 0), QR_ERR_CORRUPT);
    assert_non_null(strstr(member->self->detail, "none is there"));
}

static void a_store_that_lies_ends_the_engine_in_words(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    static const enum snapshot_memory_wrong wrongs[] = {SNAPSHOT_MEMORY_ENDS_TWICE,
                                                        SNAPSHOT_MEMORY_ENDS_ANOTHER};
    for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
        struct snapshot_memory memory;
        snapshot_memory_init(&memory, wrongs[i]);
        member->store = &memory.store;
        engines_open(&bench->engines, 0);
        wait_until(bench, 0, leads);
        add(bench, 0, 1);
        assert_int_equal(take_snapshot(bench, 0) == 0, false);
        wait_until(bench, 0, has_stopped);
        assert_int_equal(member->stop_status, QR_ERR_CORRUPT);
        assert_non_null(strstr(member->stop_reason, "the snapshot store told of a ticket"));
        engines_close(&bench->engines, 0);
        snapshot_memory_deinit(&memory);
    }
}

/* One that does not open, or fails behind its opening, leaves nothing behind. */
static void an_engine_whose_store_does_not_open_does_not(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct snapshot_memory memory;
    snapshot_memory_init(&memory, SNAPSHOT_MEMORY_NOTHING);
    member->store = &memory.store;
    memory.open_status = QR_ERR_LOCKED;
    assert_int_equal(engines_try_open(&bench->engines, 0), QR_ERR_LOCKED);
    assert_non_null(strstr(member->self->detail, "snapshot_store: it does not open"));
    memory.open_status = 0;
    memory.list_status = QR_ERR_IO;
    assert_int_equal(engines_try_open(&bench->engines, 0), QR_ERR_IO);
    assert_null(memory.host);
    memory.list_status = 0;
    engines_open(&bench->engines, 0);
    engines_close(&bench->engines, 0);
    assert_null(memory.host);
    snapshot_memory_deinit(&memory);
}

/* Not taken for a loss: each kind of start says what the other one had. */
static void a_start_with_another_kind_of_store_is_refused(void **state)
{
    struct bench *bench = *state;
    struct member *own = &bench->members[0];
    engines_open(&bench->engines, 0);
    engines_close(&bench->engines, 0);
    own->store = NULL;
    assert_int_equal(engines_try_open(&bench->engines, 0), QR_ERR_INVALID);
    assert_non_null(
        strstr(own->self->detail, "snapshots of this node are in a store of the program's"));
    struct qr_wal_summary summary;
    assert_int_equal(
        qr_wal_inspect(own->self->directory, false, NULL, NULL, &summary, own->self->detail),
        QR_ERR_INVALID);
    assert_non_null(strstr(own->self->detail, "in a store of the program's"));
    temporary_directory_remove(own->self->directory);
    temporary_directory(own->self->directory);
    engines_open(&bench->engines, 0);
    engines_close(&bench->engines, 0);
    own->store = &own->folder.store;
    assert_int_equal(engines_try_open(&bench->engines, 0), QR_ERR_INVALID);
    assert_non_null(strstr(own->self->detail, "snapshots of this node are in the data directory"));
}

static void a_table_that_is_none_is_refused(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct qr_snapshot_store table = member->folder.store;
    member->store = &table;
    for (size_t at = offsetof(struct qr_snapshot_store, open); at < sizeof(table);
         at += sizeof(table.open)) {
        table = member->folder.store;
        memset((uint8_t *)&table + at, 0, sizeof(table.open));
        assert_int_equal(engines_try_open(&bench->engines, 0), QR_ERR_INVALID);
        assert_non_null(
            strstr(member->self->detail, "snapshot_store: one of its functions is missing"));
    }
    table = member->folder.store;
    table.size_bytes = 0;
    assert_int_equal(engines_try_open(&bench->engines, 0), QR_ERR_INVALID);
    table.size_bytes = sizeof(table) - 1;
    assert_int_equal(engines_try_open(&bench->engines, 0), QR_ERR_INVALID);
    struct {
        struct qr_snapshot_store table;
        void (*later)(void);
    } later = {.table = member->folder.store};
    later.table.size_bytes = sizeof(later);
    member->store = &later.table;
    engines_open(&bench->engines, 0); /* it has nothing that is not understood */
    engines_close(&bench->engines, 0);
    memset(&later.later, 1, sizeof(later.later));
    assert_int_equal(engines_try_open(&bench->engines, 0), QR_ERR_VERSION);
    assert_non_null(strstr(member->self->detail, "does not know"));
}

/* It waits for what the store has still to end. */
static void stop_with_something_under_way(struct bench *bench, struct snapshot_memory *memory)
{
    struct member *member = &bench->members[0];
    const uint8_t payload = 1;
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
    begin_answers(member, 1);
    assert_int_equal(qr_propose(member->self->engine, &proposal, on_answer, member), 0);
    while (!is_answered(member)) {
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
    }
    memory->is_held = true;
    begin_answers(member, 1);
    assert_int_equal(qr_snapshot(member->self->engine, on_snapshot, member), 0);
    while (memory->held_count == 0) {
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
    }
    qr_engine_stop(member->self->engine);
    while (!is_answered(member)) {
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
    }
    assert_int_equal(member->answer_status, QR_ERR_STOPPED);
    for (unsigned i = 0; i < 100; i++) {
        (void)uv_run(&bench->loop, UV_RUN_NOWAIT);
    }
    assert_false(member->has_stopped);
    snapshot_memory_release(memory);
    (void)uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_true(member->has_stopped);
}

/* All of it on one thread, and the store's calls within those of the engine. */
static void an_engine_on_a_callers_loop_has_a_store_there_too(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct snapshot_memory memory;
    snapshot_memory_init(&memory, SNAPSHOT_MEMORY_NOTHING);
    member->store = &memory.store;
    bench->engines.loop = &bench->loop;
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    for (unsigned life = 0; life < 2; life++) {
        engines_open(&bench->engines, 0);
        assert_int_equal(member->self->tally.restore_count, life);
        while (!leads(member)) {
            (void)uv_run(&bench->loop, UV_RUN_ONCE);
        }
        begin_answers(member, 1);
        assert_int_equal(qr_snapshot(member->self->engine, on_snapshot, member), 0);
        while (!is_answered(member)) {
            (void)uv_run(&bench->loop, UV_RUN_ONCE);
        }
        assert_int_equal(member->answer_status, 0);
        stop_with_something_under_way(bench, &memory);
        engines_close(&bench->engines, 0);
        assert_null(memory.host);
    }
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    snapshot_memory_deinit(&memory);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest cases[] = {
        CASE(a_cluster_lives_on_stores_of_its_own),
        CASE(a_cluster_lives_with_its_logs_in_stores_too),
        CASE(a_store_that_fails_costs_nothing_but_the_length_of_the_log),
        CASE(a_start_from_a_damaged_store_is_refused_in_words),
        CASE(a_store_that_lies_ends_the_engine_in_words),
        CASE(an_engine_whose_store_does_not_open_does_not),
        CASE(a_start_with_another_kind_of_store_is_refused),
        CASE(a_table_that_is_none_is_refused),
        CASE(an_engine_on_a_callers_loop_has_a_store_there_too),
    };
    return cmocka_run_group_tests_name("engine_snapshot_store", cases, NULL, NULL);
}
