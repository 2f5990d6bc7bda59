/* test_engine_log_store.c: an engine whose log is in a store of the program's, or of a liar's. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "quorate/doctor.h"
#include "quorate/engine.h"
#include "quorate/wal.h"
#include "runtime/clock.h"
#include "support/engines.h"
#include "support/log_file.h"
#include "support/log_memory.h"
#include "support/lone_engine.h"

#define WAIT_NS (60 * NS_PER_S)

struct bench {
    struct lone_engine lone;
    struct log_memory log;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int stopped_count; /* under the mutex, like all below */
    int stopped_status;
    char stopped_reason[QR_REASON_BYTES_MAX];
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    lone_engine_init(&bench->lone, false);
    log_memory_init(&bench->log);
    pthread_mutex_init(&bench->mutex, NULL);
    pthread_cond_init(&bench->changed, NULL);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    lone_engine_deinit(&bench->lone);
    log_memory_deinit(&bench->log);
    pthread_cond_destroy(&bench->changed);
    pthread_mutex_destroy(&bench->mutex);
    free(bench);
    return 0;
}

static void on_stopped(void *argument, int status, const char *reason)
{
    struct bench *bench = argument;
    pthread_mutex_lock(&bench->mutex);
    bench->stopped_count++;
    bench->stopped_status = status;
    (void)snprintf(bench->stopped_reason, sizeof(bench->stopped_reason), "%s", reason);
    pthread_cond_broadcast(&bench->changed);
    pthread_mutex_unlock(&bench->mutex);
}

static struct qr_engine_options options_of(struct bench *bench)
{
    struct qr_engine_options options = lone_engine_options(&bench->lone);
    options.on_stopped = on_stopped;
    options.argument = bench;
    options.log_store = &bench->log.table;
    options.limits.election_timeout_min_ms = 30;
    options.limits.election_timeout_max_ms = 60;
    options.limits.heartbeat_interval_ms = 5;
    return options;
}

static void open_with(struct bench *bench, const struct qr_engine_options *options)
{
    bench->stopped_count = 0;
    lone_engine_open_with(&bench->lone, options);
}

static void open_engine(struct bench *bench)
{
    const struct qr_engine_options options = options_of(bench);
    open_with(bench, &options);
}

static const struct qr_proposal one = {
    .size_bytes = sizeof(struct qr_proposal), .payload = "\x01", .payload_bytes = 1};

static int propose_once(struct bench *bench)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    int status = QR_ERR_NO_LEADER;
    while ((status == QR_ERR_NO_LEADER || status == QR_ERR_NOT_LEADER || status == QR_ERR_BUSY) &&
           runtime_now_ns() < limit_ns) {
        status = qr_propose_wait(bench->lone.engine, &one, NULL);
    }
    return status;
}

static void propose(struct bench *bench, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(propose_once(bench), 0);
    }
}

static void wait_until_stopped(struct bench *bench)
{
    pthread_mutex_lock(&bench->mutex);
    while (bench->stopped_count == 0) {
        pthread_cond_wait(&bench->changed, &bench->mutex);
    }
    pthread_mutex_unlock(&bench->mutex);
}

/* Open it on what it held before, and see all of it again. */
static void check_sum(struct bench *bench, uint64_t sum)
{
    open_engine(bench);
    propose(bench, 1);
    assert_int_equal(tally_sum(&bench->lone.tally), sum + 1);
    lone_engine_close(&bench->lone);
}

static size_t count_log_files(const char *directory)
{
    DIR *listing = opendir(directory);
    assert_non_null(listing);
    size_t count = 0;
    for (struct dirent *file = readdir(listing); file != NULL; file = readdir(listing)) {
        count += strncmp(file->d_name, "log-", 4) == 0 ? 1 : 0;
    }
    (void)closedir(listing);
    return count;
}

static void a_node_finds_again_what_its_store_has(void **state)
{
    struct bench *bench = *state;
    open_engine(bench);
    propose(bench, 5);
    struct qr_status status = {.size_bytes = sizeof(status)};
    qr_status(bench->lone.engine, &status);
    assert_true(status.log_size_bytes >= 500);
    lone_engine_close(&bench->lone);
    assert_int_equal(count_log_files(bench->lone.directory), 0);
    assert_true(atomic_load(&bench->log.append_count) >= 6);
    unsigned read_count = atomic_load(&bench->log.read_count);
    check_sum(bench, 5);
    assert_true(atomic_load(&bench->log.read_count) > read_count);
    check_sum(bench, 6);
    assert_int_equal(atomic_load(&bench->log.close_count), 3);
}

/* Snapshots let go of entries, and a start begins behind them. */
static void a_store_is_told_what_is_not_needed_any_more(void **state)
{
    struct bench *bench = *state;
    struct qr_engine_options options = options_of(bench);
    options.limits.max_log_entries = 100;
    open_with(bench, &options);
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    uint64_t sum = 0;
    while (atomic_load(&bench->log.truncate_count) == 0) {
        assert_true(runtime_now_ns() < limit_ns);
        propose(bench, 1);
        sum++;
        pause_a_little(); /* a snapshot is due a second after the last one */
    }
    lone_engine_close(&bench->lone);
    assert_true(bench->log.base.index > 0 && bench->log.count < sum);
    check_sum(bench, sum);
}

static void without_room_a_node_takes_no_proposal(void **state)
{
    struct bench *bench = *state;
    bench->log.room_bytes = 100;
    open_engine(bench);
    assert_int_equal(propose_once(bench), QR_ERR_DISK_FULL);
    lone_engine_close(&bench->lone);
    bench->log.room_bytes = UINT64_MAX;
    check_sum(bench, 0);
}

/* A store of threads, on a loop that is the caller's. */
static void a_thread_of_the_store_wakes_the_callers_loop(void **state)
{
    struct bench *bench = *state;
    struct log_file log;
    char directory[64];
    uv_loop_t loop;
    temporary_directory(directory);
    log_file_init(&log, directory);
    assert_int_equal(uv_loop_init(&loop), 0);
    struct qr_engine_options options = options_of(bench);
    options.loop = &loop;
    options.log_store = &log.table;
    for (int round = 0; round < 2; round++) {
        open_with(bench, &options);
        time_ns limit_ns = runtime_now_ns() + WAIT_NS;
        while (!qr_is_leader(bench->lone.engine)) {
            assert_true(runtime_now_ns() < limit_ns);
            uv_run(&loop, UV_RUN_ONCE);
        }
        qr_engine_stop(bench->lone.engine);
        while (bench->stopped_count == 0) {
            uv_run(&loop, UV_RUN_ONCE);
        }
        assert_int_equal(bench->stopped_status, 0);
        lone_engine_close(&bench->lone);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
    log_file_deinit(&log);
    temporary_directory_remove(directory);
}

static void a_failed_sync_ends_the_node(void **state)
{
    static const struct {
        enum log_memory_lie lie;
        int status;
        const char *reason;
    } cases[] = {
        {LOG_FAIL_SYNC, QR_ERR_IO, "log store: the tape is torn"},
        {LOG_FAIL_SILENT, QR_ERR_IO, "log store: "},
        {LOG_LIE_TICKET, QR_ERR_CORRUPT, "durable, and the last that it was given is"},
    };
    struct bench *bench = *state;
    uint64_t sum = 0;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        open_engine(bench);
        propose(bench, 1);
        atomic_store(&bench->log.lie, cases[i].lie);
        int status = propose_once(bench);
        assert_true(status == QR_ERR_STOPPED || status == QR_ERR_TIMEOUT);
        wait_until_stopped(bench);
        assert_int_equal(bench->stopped_status, cases[i].status);
        assert_non_null(strstr(bench->stopped_reason, cases[i].reason));
        lone_engine_close(&bench->lone);
        atomic_store(&bench->log.lie, LOG_HONEST);
        sum += 2; /* the batch was stored, though nobody was told */
    }
    check_sum(bench, sum);
}

/* It is asked once more while the engine ends, and may say it again: nobody waits for another. */
static uint64_t fail_when_asked(void *context)
{
    struct log_memory *log = context;
    log->host->failed(log->host->context, QR_ERR_IO, "the tape cannot be measured");
    return 0;
}

static void a_store_may_fail_while_it_is_asked(void **state)
{
    struct bench *bench = *state;
    bench->log.table.stored_bytes = fail_when_asked;
    open_engine(bench);
    wait_until_stopped(bench);
    assert_int_equal(bench->stopped_status, QR_ERR_IO);
    assert_non_null(strstr(bench->stopped_reason, "log store: the tape cannot be measured"));
    lone_engine_close(&bench->lone);
    bench->log.table.stored_bytes = NULL;
    check_sum(bench, 0);
}

/* At a start the state machine is given what is read back. */
static void what_is_read_back_is_checked(void **state)
{
    static const struct {
        enum log_memory_lie lie;
        int status;
        const char *reason;
    } cases[] = {
        {LOG_LIE_READ_TWICE, QR_ERR_CORRUPT, "not asked for, or twice"},
        {LOG_LIE_READ_EMPTY, QR_ERR_CORRUPT, "not those entries, whole"},
        {LOG_LIE_READ_NULL, QR_ERR_CORRUPT, "not those entries, whole"},
        {LOG_LIE_READ_NEXT, QR_ERR_CORRUPT, "not those entries, whole"},
        {LOG_LIE_READ_FLIP, QR_ERR_CORRUPT, "not those entries, whole"},
        {LOG_LIE_READ_SHORT, QR_ERR_CORRUPT, "not those entries, whole"},
        {LOG_LIE_READ_NONE, QR_ERR_CORRUPT, "does not have what it called durable"},
        {LOG_FAIL_READ, QR_ERR_IO, "the disk failed a call"},
        {LOG_FAIL_READ_WORDS, QR_ERR_IO, "the disk failed a call"},
    };
    struct bench *bench = *state;
    open_engine(bench);
    propose(bench, 3);
    lone_engine_close(&bench->lone);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        atomic_store(&bench->log.lie, cases[i].lie);
        open_engine(bench);
        wait_until_stopped(bench);
        assert_int_equal(bench->stopped_status, cases[i].status);
        assert_non_null(strstr(bench->stopped_reason, cases[i].reason));
        lone_engine_close(&bench->lone);
        atomic_store(&bench->log.lie, LOG_HONEST);
    }
    check_sum(bench, 3);
}

static void refuses(struct bench *bench, const struct qr_engine_options *options, int status,
                    const char *sentence)
{
    int found = lone_engine_try_open(&bench->lone, options);
    const char *detail = bench->lone.detail;
    if (found != status || strstr(detail, sentence) == NULL) {
        print_message("%d: %s\n", found, detail);
    }
    assert_int_equal(found, status);
    assert_non_null(strstr(detail, sentence));
}

static void what_is_found_at_a_start_is_checked(void **state)
{
    static const struct {
        enum log_memory_lie lie;
        int status;
        const char *sentence;
    } cases[] = {
        {LOG_FAIL_OPEN, QR_ERR_LOCKED, "log store: the tape is torn"},
        {LOG_FAIL_OPEN_WORDS, QR_ERR_IO, "log store: the tape is torn"},
        {LOG_LIE_EMPTY, QR_ERR_CORRUPT, "it is empty, though this node has used it"},
        {LOG_LIE_BEGUN, QR_ERR_CORRUPT, "says that nothing was ever begun"},
        {LOG_LIE_BASE, QR_ERR_CORRUPT, "base and its last index contradict"},
        {LOG_LIE_BASE_TERM, QR_ERR_CORRUPT, "base and its last index contradict"},
        {LOG_LIE_TERM, QR_ERR_CORRUPT, "above the term that the node has seen"},
        {LOG_LIE_TERM_LAST, QR_ERR_CORRUPT, "its term was never reached by elections"},
        {LOG_LIE_VOTE, QR_ERR_CORRUPT, "behind its entries or its vote"},
        {LOG_LIE_SCAN_LESS, QR_ERR_CORRUPT, "is missing; restore it"},
        {LOG_LIE_SCAN_MORE, QR_ERR_CORRUPT, "is missing: another one stands in its place"},
        {LOG_LIE_SCAN_GAP, QR_ERR_CORRUPT, "entry 1 is missing"},
        {LOG_LIE_SCAN_FLIP, QR_ERR_CORRUPT, "its record is damaged"},
        {LOG_LIE_SCAN_TERMS, QR_ERR_CORRUPT, "its term is below that of the entry before"},
        {LOG_FAIL_SCAN, QR_ERR_IO, "its entries cannot be read"},
    };
    struct bench *bench = *state;
    open_engine(bench);
    propose(bench, 3);
    lone_engine_close(&bench->lone);
    const struct qr_engine_options options = options_of(bench);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        atomic_store(&bench->log.lie, cases[i].lie);
        refuses(bench, &options, cases[i].status, cases[i].sentence);
        assert_false(bench->log.is_open);
        atomic_store(&bench->log.lie, LOG_HONEST);
    }
    check_sum(bench, 3);
}

static void a_node_keeps_its_kind_of_store(void **state)
{
    struct bench *bench = *state;
    struct qr_engine_options options = options_of(bench);
    open_engine(bench);
    lone_engine_close(&bench->lone);
    options.log_store = NULL;
    refuses(bench, &options, QR_ERR_INVALID, "the log of this node is in a store of the program's");
    assert_int_equal(count_log_files(bench->lone.directory), 0);
    check_sum(bench, 0);

    struct qr_wal_summary summary;
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    assert_int_equal(qr_wal_inspect(bench->lone.directory, false, NULL, NULL, &summary, detail),
                     QR_ERR_INVALID);
    assert_non_null(strstr(detail, "is in a store of the program's"));

    const char *path = bench->lone.directory;
    struct qr_doctor *doctor = NULL;
    struct qr_id cluster;
    assert_int_equal(qr_doctor_open(&path, 1, &doctor, detail), 0);
    const struct qr_doctor_directory *directory = qr_doctor_directory(doctor, 0);
    assert_int_equal(directory->status, QR_ERR_INVALID);
    assert_non_null(strstr(directory->detail, "is in a store of the program's"));
    assert_int_equal(qr_doctor_recover(doctor, 0, &cluster, detail), QR_ERR_INVALID);
    qr_doctor_free(doctor);
    check_sum(bench, 1);
}

static void a_log_in_the_directory_stays_there(void **state)
{
    struct bench *bench = *state;
    struct qr_engine_options options = options_of(bench);
    options.log_store = NULL;
    open_with(bench, &options);
    propose(bench, 2);
    lone_engine_close(&bench->lone);
    options.log_store = &bench->log.table;
    refuses(bench, &options, QR_ERR_INVALID, "the log of this node is in the data directory");
    assert_int_equal(atomic_load(&bench->log.append_count), 0);
    options.log_store = NULL;
    open_with(bench, &options);
    propose(bench, 1);
    assert_int_equal(tally_sum(&bench->lone.tally), 3);
    lone_engine_close(&bench->lone);
}

/* A store with entries beside a directory that is new, and the other way round. */
static void a_store_and_a_directory_belong_together(void **state)
{
    struct bench *bench = *state;
    struct log_memory other;
    char directory[64];
    log_memory_init(&other);
    temporary_directory(directory);
    open_engine(bench);
    propose(bench, 2);
    lone_engine_close(&bench->lone);
    struct qr_engine_options options = options_of(bench);
    options.data_directory = directory;
    refuses(bench, &options, QR_ERR_FOREIGN, "it holds the log of another node");
    options = options_of(bench);
    options.log_store = &other.table;
    refuses(bench, &options, QR_ERR_CORRUPT, "it is empty, though this node has used it");
    check_sum(bench, 2);
    log_memory_deinit(&other);
    temporary_directory_remove(directory);
}

static void a_table_must_be_whole(void **state)
{
    static const size_t needed[] = {
        offsetof(struct qr_log_store, open),   offsetof(struct qr_log_store, scan),
        offsetof(struct qr_log_store, append), offsetof(struct qr_log_store, read),
        offsetof(struct qr_log_store, close),  offsetof(struct qr_log_store, truncate_prefix),
    };
    struct bench *bench = *state;
    const struct qr_log_store whole = bench->log.table;
    struct qr_log_store *table = &bench->log.table;
    const struct qr_engine_options options = options_of(bench);
    for (size_t i = 0; i < COUNT_OF(needed); i++) {
        memset((char *)table + needed[i], 0, sizeof(table->open));
        refuses(bench, &options, QR_ERR_INVALID, "log_store: without one of");
        *table = whole;
    }
    table->size_bytes = 0;
    refuses(bench, &options, QR_ERR_INVALID, "log_store: size_bytes");
    table->size_bytes = sizeof(*table) - 1;
    refuses(bench, &options, QR_ERR_INVALID, "log_store: size_bytes");
    *table = whole;
    table->room_bytes = NULL;
    table->stored_bytes = NULL;
    check_sum(bench, 0);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_node_finds_again_what_its_store_has),
        STORE_TEST(a_store_is_told_what_is_not_needed_any_more),
        STORE_TEST(without_room_a_node_takes_no_proposal),
        STORE_TEST(a_thread_of_the_store_wakes_the_callers_loop),
        STORE_TEST(a_failed_sync_ends_the_node),
        STORE_TEST(a_store_may_fail_while_it_is_asked),
        STORE_TEST(what_is_read_back_is_checked),
        STORE_TEST(what_is_found_at_a_start_is_checked),
        STORE_TEST(a_node_keeps_its_kind_of_store),
        STORE_TEST(a_log_in_the_directory_stays_there),
        STORE_TEST(a_store_and_a_directory_belong_together),
        STORE_TEST(a_table_must_be_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
