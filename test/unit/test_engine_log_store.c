/* test_engine_log_store.c: logs in stores of the program's: rules kept, failures, lies, crashes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "quorate/doctor.h"
#include "quorate/engine.h"
#include "quorate/wal.h"
#include "runtime/clock.h"
#include "support/log_file.h"
#include "support/log_memory.h"
#include "support/log_store_check.h"
#include "support/tally.h"

#define WAIT_NS (60 * NS_PER_S)
#define NODES 3
#define ACKNOWLEDGED 60 /* proposals, before a process is killed */

struct bench {
    char directory[64];
    char address[32];
    struct tally tally;
    struct log_memory log;
    struct qr_engine *engine;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int stopped_count; /* under the mutex, like all below */
    int stopped_status;
    char stopped_reason[QR_REASON_BYTES_MAX];
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    temporary_directory(bench->directory);
    free_address(bench->address);
    tally_init(&bench->tally);
    log_memory_init(&bench->log);
    pthread_mutex_init(&bench->mutex, NULL);
    pthread_cond_init(&bench->changed, NULL);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    qr_engine_free(bench->engine);
    log_memory_deinit(&bench->log);
    tally_deinit(&bench->tally);
    temporary_directory_remove(bench->directory);
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
    struct qr_engine_options options = {
        .size_bytes = sizeof(options),
        .state_machine = &bench->tally.machine,
        .name = "n1",
        .data_directory = bench->directory,
        .peer_address = bench->address,
        .is_bootstrap = true,
        .limits = qr_limits_default(),
        .on_stopped = on_stopped,
        .argument = bench,
        .log_store = &bench->log.table,
    };
    options.limits.election_timeout_min_ms = 30;
    options.limits.election_timeout_max_ms = 60;
    options.limits.heartbeat_interval_ms = 5;
    return options;
}

static int try_open(struct bench *bench, const struct qr_engine_options *options, char *detail)
{
    tally_deinit(&bench->tally);
    tally_init(&bench->tally);
    bench->stopped_count = 0;
    return qr_engine_open(options, &bench->engine, detail);
}

static void open_with(struct bench *bench, const struct qr_engine_options *options)
{
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    int status = try_open(bench, options, detail);
    if (status != 0) {
        print_message("%s\n", detail);
    }
    assert_int_equal(status, 0);
}

static void open_engine(struct bench *bench)
{
    const struct qr_engine_options options = options_of(bench);
    open_with(bench, &options);
}

static void close_engine(struct bench *bench)
{
    qr_engine_free(bench->engine);
    bench->engine = NULL;
}

static const struct qr_proposal one = {
    .size_bytes = sizeof(struct qr_proposal), .payload = "\x01", .payload_bytes = 1};

static int propose_to(struct qr_engine *engine)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    int status = QR_ERR_NO_LEADER;
    while ((status == QR_ERR_NO_LEADER || status == QR_ERR_NOT_LEADER || status == QR_ERR_BUSY) &&
           runtime_now_ns() < limit_ns) {
        status = qr_propose_wait(engine, &one, NULL);
    }
    return status;
}

static void propose(struct bench *bench, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(propose_to(bench->engine), 0);
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
    assert_int_equal(tally_sum(&bench->tally), sum + 1);
    close_engine(bench);
}

static const struct qr_log_store *begin_memory(void *argument)
{
    struct log_memory *log = argument;
    return &log->table;
}

static void crash_memory(void *argument)
{
    log_memory_crash(argument);
}

static void a_store_in_memory_keeps_to_the_rules(void **state)
{
    struct bench *bench = *state;
    const struct log_store_check check = {&bench->log, begin_memory, crash_memory, false};
    const char *broken = check_log_store(&check);
    assert_null(broken);
}

/* What the check would be worth if it found nothing. */
static void the_check_finds_every_rule_that_is_broken(void **state)
{
    (void)state;
    static const struct {
        enum log_memory_lie lie;
        const char *sentence;
    } cases[] = {
        {LOG_BREAKS_REPLACING, "read: it gives not"},
        {LOG_BREAKS_RESET, "open: the last index"},
        {LOG_BREAKS_ORDER, "open: the hard state"},
        {LOG_BREAKS_BASE, "open: the base"},
        {LOG_BREAKS_RECORDS, "read: it gives not"},
        {LOG_BREAKS_READS, "read: it gives not"},
        {LOG_LIE_TICKET, "append: a ticket"},
        {LOG_FAIL_SYNC, "append: the store calls host.failed"},
        {LOG_FAIL_OPEN, "open: it fails"},
        {LOG_FAIL_SCAN, "scan: it fails"},
        {LOG_LIE_SCAN_LESS, "scan: it gives less"},
        {LOG_LIE_SCAN_MORE, "scan: it gives more"},
        {LOG_LIE_SCAN_GAP, "scan: an entry is not"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct log_memory log;
        log_memory_init(&log);
        atomic_store(&log.lie, cases[i].lie);
        const struct log_store_check check = {&log, begin_memory, crash_memory, false};
        const char *broken = check_log_store(&check);
        if (broken == NULL || strstr(broken, cases[i].sentence) == NULL) {
            print_message("%d: %s\n", (int)cases[i].lie, broken == NULL ? "nothing" : broken);
        }
        assert_non_null(broken);
        assert_non_null(strstr(broken, cases[i].sentence));
        log_memory_deinit(&log);
    }
}

/* Batches wait, and are called durable all the same. */
static const struct qr_log_store *begin_holding(void *argument)
{
    struct log_memory *log = argument;
    log->waiting_count = 0;
    atomic_store(&log->holds, true);
    return &log->table;
}

static void the_check_finds_a_store_that_promises_too_early(void **state)
{
    struct bench *bench = *state;
    atomic_store(&bench->log.lie, LOG_BREAKS_DURABILITY);
    const struct log_store_check check = {&bench->log, begin_holding, crash_memory, false};
    const char *broken = check_log_store(&check);
    assert_non_null(broken);
    assert_non_null(strstr(broken, "open:"));
}

static const struct qr_log_store *begin_file(void *argument)
{
    struct log_file *log = argument;
    return &log->table;
}

static void crash_file(void *argument)
{
    log_file_crash(argument);
}

static void a_store_in_a_file_keeps_to_the_rules(void **state)
{
    struct bench *bench = *state;
    struct log_file log;
    log_file_init(&log, bench->directory);
    const struct log_store_check check = {&log, begin_file, crash_file, true};
    const char *broken = check_log_store(&check);
    assert_null(broken);
    log_file_deinit(&log);
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
    qr_status(bench->engine, &status);
    assert_true(status.log_size_bytes >= 500);
    close_engine(bench);
    assert_int_equal(count_log_files(bench->directory), 0);
    assert_true(atomic_load(&bench->log.append_count) >= 6);
    unsigned read_count = atomic_load(&bench->log.read_count);
    check_sum(bench, 5);
    assert_true(atomic_load(&bench->log.read_count) > read_count);
    check_sum(bench, 6);
    assert_int_equal(atomic_load(&bench->log.close_count), 3);
}

static void pause_a_little(void)
{
    struct timespec wait = {.tv_nsec = 5000000};
    (void)nanosleep(&wait, NULL);
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
    close_engine(bench);
    assert_true(bench->log.base.index > 0 && bench->log.count < sum);
    check_sum(bench, sum);
}

static void without_room_a_node_takes_no_proposal(void **state)
{
    struct bench *bench = *state;
    bench->log.room_bytes = 100;
    open_engine(bench);
    assert_int_equal(propose_to(bench->engine), QR_ERR_DISK_FULL);
    close_engine(bench);
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
        while (!qr_is_leader(bench->engine)) {
            assert_true(runtime_now_ns() < limit_ns);
            uv_run(&loop, UV_RUN_ONCE);
        }
        qr_engine_stop(bench->engine);
        while (bench->stopped_count == 0) {
            uv_run(&loop, UV_RUN_ONCE);
        }
        assert_int_equal(bench->stopped_status, 0);
        close_engine(bench);
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
        int status = propose_to(bench->engine);
        assert_true(status == QR_ERR_STOPPED || status == QR_ERR_TIMEOUT);
        wait_until_stopped(bench);
        assert_int_equal(bench->stopped_status, cases[i].status);
        assert_non_null(strstr(bench->stopped_reason, cases[i].reason));
        close_engine(bench);
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
    close_engine(bench);
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
    close_engine(bench);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        atomic_store(&bench->log.lie, cases[i].lie);
        open_engine(bench);
        wait_until_stopped(bench);
        assert_int_equal(bench->stopped_status, cases[i].status);
        assert_non_null(strstr(bench->stopped_reason, cases[i].reason));
        close_engine(bench);
        atomic_store(&bench->log.lie, LOG_HONEST);
    }
    check_sum(bench, 3);
}

static void refuses(struct bench *bench, const struct qr_engine_options *options, int status,
                    const char *sentence)
{
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    int found = try_open(bench, options, detail);
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
    close_engine(bench);
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
    close_engine(bench);
    options.log_store = NULL;
    refuses(bench, &options, QR_ERR_INVALID, "the log of this node is in a store of the program's");
    assert_int_equal(count_log_files(bench->directory), 0);
    check_sum(bench, 0);

    struct qr_wal_summary summary;
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    assert_int_equal(qr_wal_inspect(bench->directory, false, NULL, NULL, &summary, detail),
                     QR_ERR_INVALID);
    assert_non_null(strstr(detail, "is in a store of the program's"));

    const char *path = bench->directory;
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
    close_engine(bench);
    options.log_store = &bench->log.table;
    refuses(bench, &options, QR_ERR_INVALID, "the log of this node is in the data directory");
    assert_int_equal(atomic_load(&bench->log.append_count), 0);
    options.log_store = NULL;
    open_with(bench, &options);
    propose(bench, 1);
    assert_int_equal(tally_sum(&bench->tally), 3);
    close_engine(bench);
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
    close_engine(bench);
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
    struct bench *bench = *state;
    const struct qr_log_store whole = bench->log.table;
    struct qr_log_store *table = &bench->log.table;
    const struct qr_engine_options options = options_of(bench);
    table->open = NULL;
    refuses(bench, &options, QR_ERR_INVALID, "log_store: without one of");
    *table = whole;
    table->scan = NULL;
    refuses(bench, &options, QR_ERR_INVALID, "log_store: without one of");
    *table = whole;
    table->append = NULL;
    refuses(bench, &options, QR_ERR_INVALID, "log_store: without one of");
    *table = whole;
    table->read = NULL;
    refuses(bench, &options, QR_ERR_INVALID, "log_store: without one of");
    *table = whole;
    table->truncate_prefix = NULL;
    refuses(bench, &options, QR_ERR_INVALID, "log_store: without one of");
    *table = whole;
    table->close = NULL;
    refuses(bench, &options, QR_ERR_INVALID, "log_store: without one of");
    *table = whole;
    table->size_bytes = 0;
    refuses(bench, &options, QR_ERR_INVALID, "log_store: size_bytes");
    table->size_bytes = sizeof(*table) - 1;
    refuses(bench, &options, QR_ERR_INVALID, "log_store: size_bytes");
    *table = whole;
    table->room_bytes = NULL;
    table->stored_bytes = NULL;
    check_sum(bench, 0);
}

/* Three engines of one process, each with a store of its own. */
struct trio {
    char directories[NODES][64];
    char addresses[NODES][32];
    struct tally tallies[NODES];
    struct qr_engine *engines[NODES];
};

static void open_one_of(struct trio *trio, size_t at, const struct qr_log_store *store)
{
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    char name[8];
    (void)snprintf(name, sizeof(name), "n%zu", at + 1);
    tally_init(&trio->tallies[at]);
    struct qr_engine_options options = {
        .size_bytes = sizeof(options),
        .state_machine = &trio->tallies[at].machine,
        .name = name,
        .data_directory = trio->directories[at],
        .peer_address = trio->addresses[at],
        .is_bootstrap = at == 0,
        .join = at == 0 ? NULL : trio->addresses[0],
        .limits = qr_limits_default(),
        .log_store = store,
    };
    options.limits.election_timeout_min_ms = 100;
    options.limits.election_timeout_max_ms = 200;
    options.limits.heartbeat_interval_ms = 20;
    options.limits.max_log_entries = 100;
    options.limits.log_cache_bytes = 65536;
    int status = qr_engine_open(&options, &trio->engines[at], detail);
    if (status != 0) {
        (void)fprintf(stderr, "%s\n", detail);
    }
    assert_int_equal(status, 0);
}

static void close_one_of(struct trio *trio, size_t at)
{
    qr_engine_free(trio->engines[at]);
    trio->engines[at] = NULL;
    tally_deinit(&trio->tallies[at]);
}

/* Through whoever leads. */
static void propose_to_all(struct trio *trio)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    int status = QR_ERR_NO_LEADER;
    for (size_t i = 0; status != 0; i = (i + 1) % NODES) {
        assert_true(runtime_now_ns() < limit_ns);
        if (trio->engines[i] != NULL) {
            status = qr_propose_wait(trio->engines[i], &one, NULL);
        }
        if (status != 0) {
            pause_a_little();
        }
    }
}

static void wait_for_voters(struct trio *trio)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    size_t voters = 0;
    while (voters < NODES) {
        assert_true(runtime_now_ns() < limit_ns);
        struct qr_status status = {.size_bytes = sizeof(status)};
        qr_status(trio->engines[0], &status);
        voters = 0;
        for (size_t i = 0; i < status.member_count; i++) {
            voters += status.members[i].is_voter ? 1 : 0;
        }
        pause_a_little();
    }
}

static void wait_for_sum(struct tally *tally, uint64_t sum)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (tally_sum(tally) < sum) {
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
    }
}

/* One is away while the others compact their logs: it gets a snapshot, and its log begins anew. */
static void a_log_begins_anew_behind_a_snapshot(void **state)
{
    (void)state;
    struct trio *trio = calloc(1, sizeof(*trio));
    struct log_memory *logs = calloc(NODES, sizeof(*logs));
    for (size_t i = 0; i < NODES; i++) {
        temporary_directory(trio->directories[i]);
        free_address(trio->addresses[i]);
        log_memory_init(&logs[i]);
        open_one_of(trio, i, &logs[i].table);
    }
    wait_for_voters(trio);
    close_one_of(trio, 2);
    uint64_t sum = 0;
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (atomic_load(&logs[0].truncate_count) < 1 || atomic_load(&logs[1].truncate_count) < 1) {
        assert_true(runtime_now_ns() < limit_ns);
        propose_to_all(trio);
        sum++;
        pause_a_little(); /* a member that is away is waited for: ten timeouts */
    }
    open_one_of(trio, 2, &logs[2].table);
    wait_for_sum(&trio->tallies[2], sum);
    assert_true(atomic_load(&logs[2].reset_count) > 0);
    for (size_t i = 0; i < NODES; i++) {
        close_one_of(trio, i);
    }
    for (size_t i = 0; i < NODES; i++) {
        open_one_of(trio, i, &logs[i].table);
    }
    propose_to_all(trio);
    for (size_t i = 0; i < NODES; i++) {
        wait_for_sum(&trio->tallies[i], sum + 1);
    }
    for (size_t i = 0; i < NODES; i++) {
        close_one_of(trio, i);
        log_memory_deinit(&logs[i]);
        temporary_directory_remove(trio->directories[i]);
    }
    free(logs);
    free(trio);
}

/* In a child: write, and tell of each that was acknowledged, until somebody kills it. */
static void run_trio(struct trio *trio, int told)
{
    struct log_file *logs = calloc(NODES, sizeof(*logs));
    for (size_t i = 0; i < NODES; i++) {
        log_file_init(&logs[i], trio->directories[i]);
        open_one_of(trio, i, &logs[i].table);
    }
    wait_for_voters(trio);
    propose_to_all(trio); /* what was committed before is applied with it */
    uint64_t sum = 0;
    for (size_t i = 0; i < NODES; i++) {
        uint64_t here = tally_sum(&trio->tallies[i]);
        sum = here > sum ? here : sum;
    }
    bool goes_on = write(told, &sum, sizeof(sum)) == sizeof(sum);
    while (goes_on) {
        propose_to_all(trio);
        goes_on = write(told, "x", 1) == 1;
    }
    _exit(1);
}

/* Returns the sum that it began with; `acknowledged` is set. */
static uint64_t run_and_kill(struct trio *trio, uint64_t *acknowledged)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        run_trio(trio, ends[1]);
    }
    (void)close(ends[1]);
    uint64_t sum = 0;
    uint64_t count = 0;
    char byte;
    bool is_there = read(ends[0], &sum, sizeof(sum)) == sizeof(sum);
    while (is_there && count < ACKNOWLEDGED && read(ends[0], &byte, 1) == 1) {
        count++;
    }
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    while (is_there && read(ends[0], &byte, 1) == 1) {
        count++;
    }
    (void)close(ends[0]);
    assert_true(is_there && count >= ACKNOWLEDGED);
    *acknowledged = count;
    return sum;
}

static void what_was_acknowledged_survives_a_kill_of_all_three(void **state)
{
    (void)state;
    struct trio *trio = calloc(1, sizeof(*trio));
    for (size_t i = 0; i < NODES; i++) {
        temporary_directory(trio->directories[i]);
        free_address(trio->addresses[i]);
    }
    uint64_t least = 1; /* the proposal that each child begins with */
    for (int round = 0; round < 3; round++) {
        uint64_t acknowledged;
        uint64_t sum = run_and_kill(trio, &acknowledged);
        assert_true(sum >= least);
        least = sum + acknowledged + 1;
    }
    for (size_t i = 0; i < NODES; i++) {
        temporary_directory_remove(trio->directories[i]);
    }
    free(trio);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_store_in_memory_keeps_to_the_rules),
        STORE_TEST(the_check_finds_every_rule_that_is_broken),
        STORE_TEST(the_check_finds_a_store_that_promises_too_early),
        STORE_TEST(a_store_in_a_file_keeps_to_the_rules),
        cmocka_unit_test(what_was_acknowledged_survives_a_kill_of_all_three),
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
        cmocka_unit_test(a_log_begins_anew_behind_a_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
