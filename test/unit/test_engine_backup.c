/* test_engine_backup.c: a running engine into bytes, and bytes into a directory, on real files. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quorate/backup.h"
#include "support/lone_engine.h"

#define BACKUP_BYTES_MAX 65536

/* An engine with a thread of its own: each call is waited for. */
struct bench {
    struct lone_engine lone;
    char other[64]; /* a directory besides its own */
    sem_t told;
    int status;
    size_t piece_bytes;
    uint64_t answer_sum;
    struct qr_backup *backup;
    size_t backup_bytes;
    uint8_t bytes[BACKUP_BYTES_MAX];
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    lone_engine_init(&bench->lone, false);
    temporary_directory(bench->other);
    assert_int_equal(sem_init(&bench->told, 0, 0), 0);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    lone_engine_deinit(&bench->lone);
    temporary_directory_remove(bench->other);
    (void)sem_destroy(&bench->told);
    free(bench);
    return 0;
}

/* The directory that a backup was restored to. */
static void open_other(struct bench *bench)
{
    struct qr_engine_options options = lone_engine_options(&bench->lone);
    options.data_directory = bench->other;
    options.is_bootstrap = false;
    lone_engine_open_with(&bench->lone, &options);
}

static void wait_told(struct bench *bench)
{
    while (sem_wait(&bench->told) != 0) {
    }
}

static void on_answer(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct bench *bench = argument;
    (void)index;
    bench->status = status;
    if (result != NULL) {
        memcpy(&bench->answer_sum, result->data, sizeof(bench->answer_sum));
    }
    sem_post(&bench->told);
}

/* Add it up, as often as it takes until there is a leader. */
static void add(struct bench *bench, char value)
{
    struct qr_proposal proposal = {.size_bytes = sizeof(proposal),
                                   .command = "add",
                                   .command_bytes = 3,
                                   .payload = &value,
                                   .payload_bytes = 1};
    do {
        assert_int_equal(qr_propose(bench->lone.engine, &proposal, on_answer, bench), 0);
        wait_told(bench);
    } while (bench->status == QR_ERR_NO_LEADER);
    assert_int_equal(bench->status, 0);
}

static void on_piece(void *argument, int status, const void *data, size_t size_bytes)
{
    struct bench *bench = argument;
    bench->status = status;
    bench->piece_bytes = size_bytes;
    if (status == 0 && size_bytes > 0 && bench->backup_bytes + size_bytes <= BACKUP_BYTES_MAX) {
        memcpy(bench->bytes + bench->backup_bytes, data, size_bytes);
        bench->backup_bytes += size_bytes;
    }
    sem_post(&bench->told);
}

static int next(struct bench *bench)
{
    int status = qr_backup_next(bench->backup);
    if (status != 0) {
        return status;
    }
    wait_told(bench);
    return bench->status;
}

static void take_backup(struct bench *bench)
{
    bench->backup_bytes = 0;
    assert_int_equal(qr_backup_open(bench->lone.engine, on_piece, bench, &bench->backup), 0);
    do {
        assert_int_equal(next(bench), 0);
    } while (bench->piece_bytes > 0);
    qr_backup_close(bench->backup);
}

static struct qr_restore_options options_of(struct bench *bench)
{
    return (struct qr_restore_options){
        .size_bytes = sizeof(struct qr_restore_options),
        .data_directory = bench->other,
        .name = "n1",
        .address = "127.0.0.1:7700",
    };
}

static int restore(struct bench *bench, size_t size_bytes)
{
    struct qr_restore_options options = options_of(bench);
    struct qr_restore *to = NULL;
    struct qr_id cluster = {0};
    int status = qr_restore_open(&options, &to, bench->lone.detail);
    for (size_t at = 0; at < size_bytes && status == 0; at += 1000) {
        size_t piece = size_bytes - at < 1000 ? size_bytes - at : 1000;
        status = qr_restore_feed(to, bench->bytes + at, piece, bench->lone.detail);
    }
    if (status == 0) {
        status = qr_restore_finish(to, &cluster, bench->lone.detail);
        assert_int_equal(status == 0, cluster.high != 0 || cluster.low != 0);
    }
    qr_restore_free(to);
    return status;
}

static int check(struct bench *bench, const struct qr_state_machine *machine, size_t size_bytes,
                 struct qr_backup_facts *facts)
{
    struct qr_backup_reader *reader = NULL;
    assert_int_equal(qr_backup_reader_new(machine, &reader), 0);
    assert_false(qr_backup_reader_facts(reader, facts));
    int status = qr_backup_reader_feed(reader, bench->bytes, size_bytes);
    int end_status = qr_backup_reader_end(reader);
    assert_true(status == 0 || status == end_status);
    assert_int_equal(end_status != 0, qr_backup_reader_detail(reader)[0] != '\0');
    bool has_facts = qr_backup_reader_facts(reader, facts);
    assert_int_equal(has_facts, size_bytes >= QR_BACKUP_HEAD_BYTES);
    qr_backup_reader_free(reader);
    return end_status;
}

static void what_was_acknowledged_before_is_restored(void **state)
{
    struct bench *bench = *state;
    static struct qr_status status = {.size_bytes = sizeof(status)};
    struct qr_backup_facts facts;
    lone_engine_open(&bench->lone);
    for (char i = 1; i <= 10; i++) {
        add(bench, i);
        if (i == 5) {
            take_backup(bench); /* a snapshot that the next one must not reuse */
        }
    }
    take_backup(bench);
    qr_status(bench->lone.engine, &status);
    lone_engine_close(&bench->lone);
    assert_int_equal(check(bench, NULL, bench->backup_bytes, &facts), 0);
    assert_true(facts.index >= status.applied_index);
    assert_int_equal(facts.cluster.high, status.cluster_high);
    assert_int_equal(facts.cluster.low, status.cluster_low);
    assert_int_equal(facts.size_bytes, bench->backup_bytes);
    assert_int_equal(facts.state_bytes, TALLY_SNAPSHOT_BYTES);
    assert_int_equal(facts.member_count, 1);
    assert_string_equal(facts.members[0].name, "n1");
    assert_true(facts.members[0].is_voter);

    assert_int_equal(restore(bench, bench->backup_bytes), 0);
    open_other(bench);
    add(bench, 1);
    assert_int_equal(bench->answer_sum, 56);
    qr_status(bench->lone.engine, &status);
    assert_true(status.cluster_high != facts.cluster.high);
    assert_int_equal(status.member_count, 1);
}

static void a_snapshot_that_has_all_of_it_is_used_again(void **state)
{
    struct bench *bench = *state;
    struct qr_counters counters = {.size_bytes = sizeof(counters)};
    lone_engine_open(&bench->lone);
    add(bench, 1);
    take_backup(bench);
    size_t size_bytes = bench->backup_bytes;
    take_backup(bench);
    assert_int_equal(bench->backup_bytes, size_bytes);
    qr_counters(bench->lone.engine, &counters);
    assert_int_equal(counters.snapshots_taken, 1);
}

static void too_many_at_a_time_are_refused(void **state)
{
    struct bench *bench = *state;
    struct qr_backup *backups[QR_BACKUPS_MAX];
    struct qr_backup *other = NULL;
    lone_engine_open(&bench->lone);
    for (size_t i = 0; i < QR_BACKUPS_MAX; i++) {
        assert_int_equal(qr_backup_open(bench->lone.engine, on_piece, bench, &backups[i]), 0);
    }
    assert_int_equal(qr_backup_open(bench->lone.engine, on_piece, bench, &other), QR_ERR_BUSY);
    assert_null(other);
    qr_backup_close(backups[0]); /* at whatever stage it is */
    int status = QR_ERR_BUSY;
    while (status == QR_ERR_BUSY) {
        status = qr_backup_open(bench->lone.engine, on_piece, bench, &other);
    }
    assert_int_equal(status, 0);
    qr_backup_close(other);
    qr_backup_close(backups[1]);
    qr_backup_close(NULL);
}

static void one_piece_is_asked_for_at_a_time(void **state)
{
    struct bench *bench = *state;
    lone_engine_open(&bench->lone);
    assert_int_equal(qr_backup_open(bench->lone.engine, on_piece, bench, &bench->backup), 0);
    assert_int_equal(qr_backup_next(bench->backup), 0);
    int second = qr_backup_next(bench->backup); /* the first may be told already */
    assert_true(second == 0 || second == QR_ERR_BUSY);
    wait_told(bench);
    if (second == 0) {
        wait_told(bench);
    }
    qr_backup_close(bench->backup);
}

/* Without a leader there is no barrier, and no backup that may lack something. */
static void without_a_leader_there_is_none(void **state)
{
    struct bench *bench = *state;
    struct qr_engine_options options = lone_engine_options(&bench->lone);
    options.is_bootstrap = false;
    options.join = "127.0.0.1:1";
    options.limits.proposal_timeout_ms = 100;
    lone_engine_open_with(&bench->lone, &options);
    assert_int_equal(qr_backup_open(bench->lone.engine, on_piece, bench, &bench->backup), 0);
    int status = next(bench);
    assert_true(status == QR_ERR_NO_LEADER || status == QR_ERR_TIMEOUT);
    assert_int_equal(next(bench), status);
    qr_backup_close(bench->backup);
}

static void a_stopped_engine_gives_none(void **state)
{
    struct bench *bench = *state;
    struct qr_backup *other = NULL;
    lone_engine_open(&bench->lone);
    add(bench, 1);
    assert_int_equal(qr_backup_open(bench->lone.engine, on_piece, bench, &bench->backup), 0);
    assert_int_equal(next(bench), 0);
    qr_engine_stop(bench->lone.engine);
    int status = 0;
    while (status == 0) {
        status = next(bench);
    }
    assert_int_equal(status, QR_ERR_STOPPED);
    while (qr_backup_open(bench->lone.engine, on_piece, bench, &other) == 0) {
        qr_backup_close(other);
    }
    assert_null(other);
    qr_backup_close(bench->backup);
}

static uint64_t stand_at_none(void *context)
{
    (void)context;
    return 0;
}

/* Its snapshots leave its state out: a backup made of one would lack it. */
static void a_state_machine_that_is_durable_by_itself_has_none(void **state)
{
    struct bench *bench = *state;
    bench->lone.tally.machine.applied_index = stand_at_none;
    lone_engine_open(&bench->lone);
    assert_int_equal(qr_backup_open(bench->lone.engine, on_piece, bench, &bench->backup),
                     QR_ERR_INVALID);
}

static void a_state_machine_without_snapshots_has_none(void **state)
{
    struct bench *bench = *state;
    struct qr_backup_reader *reader = NULL;
    bench->lone.tally.machine.snapshot_open = NULL;
    bench->lone.tally.machine.snapshot_read = NULL;
    bench->lone.tally.machine.snapshot_close = NULL;
    bench->lone.tally.machine.restore_begin = NULL;
    bench->lone.tally.machine.restore_write = NULL;
    bench->lone.tally.machine.restore_end = NULL;
    lone_engine_open(&bench->lone);
    assert_int_equal(qr_backup_open(bench->lone.engine, on_piece, bench, &bench->backup),
                     QR_ERR_INVALID);
    assert_int_equal(qr_backup_reader_new(&bench->lone.tally.machine, &reader), QR_ERR_INVALID);
}

static void the_reader_has_a_state_machine_take_it_over(void **state)
{
    struct bench *bench = *state;
    struct qr_backup_facts facts;
    lone_engine_open(&bench->lone);
    add(bench, 7);
    take_backup(bench);
    lone_engine_close(&bench->lone);
    assert_int_equal(check(bench, &bench->lone.tally.machine, bench->backup_bytes, &facts), 0);
    assert_int_equal(tally_sum(&bench->lone.tally), 7);
    assert_int_equal(check(bench, &bench->lone.tally.machine, bench->backup_bytes - 1, &facts),
                     QR_ERR_CORRUPT);
    assert_int_equal(check(bench, NULL, 100, &facts), QR_ERR_CORRUPT);
    bench->bytes[0] = 'x';
    assert_int_equal(check(bench, NULL, 100, &facts), QR_ERR_FOREIGN);
}

static int refuse_write(void *context, const void *data, size_t size_bytes)
{
    (void)context;
    (void)data;
    (void)size_bytes;
    return QR_ERR_CORRUPT;
}

static int refuse_end(void *context)
{
    (void)context;
    return QR_ERR_CORRUPT;
}

static void what_the_state_machine_refuses_is_refused(void **state)
{
    struct bench *bench = *state;
    struct qr_backup_facts facts;
    lone_engine_open(&bench->lone);
    add(bench, 7);
    take_backup(bench);
    lone_engine_close(&bench->lone);
    struct qr_state_machine machine = bench->lone.tally.machine;
    machine.restore_write = refuse_write;
    assert_int_equal(check(bench, &machine, bench->backup_bytes, &facts), QR_ERR_CORRUPT);
    machine = bench->lone.tally.machine;
    machine.restore_end = refuse_end;
    assert_int_equal(check(bench, &machine, bench->backup_bytes, &facts), QR_ERR_CORRUPT);
}

static void wrong_options_are_named(void **state)
{
    struct bench *bench = *state;
    struct qr_restore *to = NULL;
    const struct qr_restore_options good = options_of(bench);
    char longest[QR_ADDRESS_BYTES_MAX + 8];
    memset(longest, '1', sizeof(longest));
    memcpy(longest + sizeof(longest) - 6, ":7700", 6);
    struct qr_restore_options rows[] = {good, good, good, good, good, good, good, good};
    const char *said[] = {"size_bytes", "name",      "name",      "data_directory",
                          "address: ",  "address: ", "address: ", "address: "};
    rows[0].size_bytes = 1;
    rows[1].name = NULL;
    rows[2].name = "N 1";
    rows[3].data_directory = "";
    rows[4].address = "nowhere";
    rows[5].address = longest;
    rows[6].address = NULL;
    rows[7].address = "0.0.0.0:7700";
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status = qr_restore_open(&rows[i], &to, bench->lone.detail);
        assert_true(status == QR_ERR_INVALID || status == QR_ERR_ADDRESS);
        assert_memory_equal(bench->lone.detail, said[i], strlen(said[i]));
        assert_null(to);
    }
}

static void put_file(const char *directory, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

static void remove_name(const char *directory, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(remove(path), 0);
}

static bool has_name(const char *directory, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void a_directory_that_holds_anything_is_refused(void **state)
{
    struct bench *bench = *state;
    char path[128];
    put_file(bench->other, "letter");
    assert_int_equal(restore(bench, 0), QR_ERR_INVALID);
    assert_non_null(strstr(bench->lone.detail, "it holds letter"));
    remove_name(bench->other, "letter");
    (void)snprintf(path, sizeof(path), "%s/folder", bench->other);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(restore(bench, 0), QR_ERR_INVALID);
    assert_non_null(strstr(bench->lone.detail, "it holds folder"));
    assert_false(has_name(bench->other, "lock"));
    remove_name(bench->other, "folder");
    put_file(bench->other, "snapshot-0000000000000001"); /* without a note: not of a restore */
    assert_int_equal(restore(bench, 0), QR_ERR_INVALID);
    remove_name(bench->other, "snapshot-0000000000000001");
    put_file(bench->other, "letter.tmp"); /* an opened disk would remove it */
    assert_int_equal(restore(bench, 0), QR_ERR_INVALID);
    remove_name(bench->other, "letter.tmp");
    put_file(bench->other, "snapshot-0000000000000001.tmp.tmp");
    assert_int_equal(restore(bench, 0), QR_ERR_INVALID);
    remove_name(bench->other, "snapshot-0000000000000001.tmp.tmp");
    put_file(bench->lone.directory, "plain");
    struct qr_restore_options options = options_of(bench);
    struct qr_restore *to = NULL;
    (void)snprintf(path, sizeof(path), "%s/plain", bench->lone.directory);
    options.data_directory = path;
    assert_int_equal(qr_restore_open(&options, &to, bench->lone.detail), QR_ERR_IO);
    assert_non_null(strstr(bench->lone.detail, "cannot be read"));
}

/* Killed while it gave up, when the note was gone, and what was written aside was not. */
static void what_was_only_written_aside_stands_in_no_way(void **state)
{
    struct bench *bench = *state;
    static const char *const names[] = {"snapshot-0000000000000001.tmp", "identity.tmp",
                                        "restoring.tmp"};
    lone_engine_open(&bench->lone);
    add(bench, 7);
    take_backup(bench);
    lone_engine_close(&bench->lone);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        put_file(bench->other, names[i]);
    }
    int status = restore(bench, bench->backup_bytes);
    if (status != 0) {
        fail_msg("it is refused: %s", bench->lone.detail);
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_false(has_name(bench->other, names[i]));
    }
}

static void one_that_a_node_runs_in_is_locked(void **state)
{
    struct bench *bench = *state;
    struct qr_restore_options options = options_of(bench);
    struct qr_restore *first = NULL;
    struct qr_restore *second = NULL;
    assert_int_equal(qr_restore_open(&options, &first, bench->lone.detail), 0);
    assert_int_equal(qr_restore_open(&options, &second, bench->lone.detail), QR_ERR_LOCKED);
    qr_restore_free(first);
    qr_restore_free(NULL);
    assert_false(has_name(bench->other, "restoring"));
}

static void damage_leaves_nothing_behind(void **state)
{
    struct bench *bench = *state;
    lone_engine_open(&bench->lone);
    add(bench, 7);
    take_backup(bench);
    lone_engine_close(&bench->lone);
    assert_int_equal(restore(bench, bench->backup_bytes - 1), QR_ERR_CORRUPT);
    assert_non_null(strstr(bench->lone.detail, "cut short"));
    bench->bytes[bench->backup_bytes - 10] ^= 1;
    assert_int_equal(restore(bench, bench->backup_bytes), QR_ERR_CORRUPT);
    bench->bytes[bench->backup_bytes - 10] ^= 1;
    assert_int_equal(restore(bench, 0), QR_ERR_FOREIGN);
    assert_false(has_name(bench->other, "restoring"));
    assert_false(has_name(bench->other, "identity"));
    assert_int_equal(restore(bench, bench->backup_bytes), 0);
    assert_int_equal(restore(bench, bench->backup_bytes), QR_ERR_INVALID);
}

#define BACKUP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BACKUP_TEST(what_was_acknowledged_before_is_restored),
        BACKUP_TEST(a_snapshot_that_has_all_of_it_is_used_again),
        BACKUP_TEST(too_many_at_a_time_are_refused),
        BACKUP_TEST(one_piece_is_asked_for_at_a_time),
        BACKUP_TEST(without_a_leader_there_is_none),
        BACKUP_TEST(a_stopped_engine_gives_none),
        BACKUP_TEST(a_state_machine_that_is_durable_by_itself_has_none),
        BACKUP_TEST(a_state_machine_without_snapshots_has_none),
        BACKUP_TEST(the_reader_has_a_state_machine_take_it_over),
        BACKUP_TEST(what_the_state_machine_refuses_is_refused),
        BACKUP_TEST(wrong_options_are_named),
        BACKUP_TEST(a_directory_that_holds_anything_is_refused),
        BACKUP_TEST(what_was_only_written_aside_stands_in_no_way),
        BACKUP_TEST(one_that_a_node_runs_in_is_locked),
        BACKUP_TEST(damage_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
