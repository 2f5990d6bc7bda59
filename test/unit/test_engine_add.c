/* test_engine_add.c: engines that wait are added by others. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/clock.h"
#include "support/engines.h"
#include "support/unit.h"

#define SECRET "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20\n"

/* How the second and the third engine are opened. */
enum kind {
    WAITS,
    JOINS,  /* the first, whom nobody answers for */
    BEGINS, /* a cluster of its own */
};

struct bench {
    struct engines engines;
    enum kind kind;
    const char *name; /* of all but the first; NULL: its own */
    bool is_learner;
    uint32_t timeout_ms;
    char secret[96];
    bool has_secret[ENGINES];
    char reason[QR_REASON_BYTES_MAX];
};

static void choose(void *context, size_t at, struct qr_engine_options *options)
{
    struct bench *bench = context;
    options->limits.proposal_timeout_ms = bench->timeout_ms;
    options->secret_file = bench->has_secret[at] ? bench->secret : NULL;
    if (at == 0) {
        return;
    }
    options->name = bench->name == NULL ? options->name : bench->name;
    options->join = bench->kind == JOINS ? "127.0.0.1:1" : NULL;
    options->is_waiting = bench->kind == WAITS;
    options->is_bootstrap = bench->kind == BEGINS;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->timeout_ms = 20000;
    engines_init(&bench->engines, choose, bench);
    (void)snprintf(bench->secret, sizeof(bench->secret), "%s/secret",
                   bench->engines.members[0].directory);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    engines_deinit(&bench->engines);
    free(bench);
    return 0;
}

static void open_first(struct bench *bench)
{
    engines_open(&bench->engines, 0);
    engines_wait_for_voters(&bench->engines, 1);
}

/* The one of these numbers adds the other. */
static int add(struct bench *bench, size_t by, size_t at)
{
    const struct engines *engines = &bench->engines;
    return qr_add(engines->members[by].engine, engines->members[at].address, bench->is_learner,
                  bench->reason);
}

static void expect(struct bench *bench, int given, int status, const char *words)
{
    if (given != status || strstr(bench->reason, words) == NULL) {
        fail_msg("%s: %s", qr_error_name(given), bench->reason);
    }
}

static void one_that_waits_is_added_by_anyone_and_votes(void **state)
{
    struct bench *bench = *state;
    open_first(bench);
    engines_open(&bench->engines, 1);
    expect(bench, add(bench, 0, 1), 0, "n2 is a member");
    engines_wait_for_voters(&bench->engines, 2);
    engines_open(&bench->engines, 2);
    expect(bench, add(bench, 1, 2), 0, "n3 is a member"); /* by one that was added itself */
    engines_wait_for_voters(&bench->engines, 3);
    expect(bench, add(bench, 2, 1), 0, "n2 is a member"); /* it is so already */
    assert_int_equal(
        qr_add(bench->engines.members[1].engine, bench->engines.members[2].address, false, NULL),
        0);
}

static void a_learner_stays_one_until_it_is_promoted(void **state)
{
    struct bench *bench = *state;
    open_first(bench);
    engines_open(&bench->engines, 1);
    bench->is_learner = true;
    expect(bench, add(bench, 0, 1), 0, "n2 is a member");
    engines_wait_for_voters(&bench->engines, 1);
    assert_int_equal(engines_count_voters(&bench->engines.members[0]), 1);
    assert_int_equal(bench->engines.members[0].status.member_count, 2);
    int status = QR_ERR_BEHIND;
    while (status == QR_ERR_BEHIND) { /* until it has caught up */
        status = qr_promote(bench->engines.members[0].engine, "n2");
        engines_pause(&bench->engines);
    }
    assert_int_equal(status, 0);
    engines_wait_for_voters(&bench->engines, 2);
}

static void one_that_restarts_before_it_is_let_in_is_added_again(void **state)
{
    struct bench *bench = *state;
    open_first(bench);
    engines_open(&bench->engines, 1);
    engines_restart(&bench->engines, 1);
    expect(bench, add(bench, 0, 1), 0, "n2 is a member");
    engines_restart(&bench->engines, 1); /* it need not be told again */
    engines_wait_for_voters(&bench->engines, 2);
}

static void what_is_no_engine_that_waits_is_told_apart(void **state)
{
    struct bench *bench = *state;
    struct qr_engine *first;
    open_first(bench);
    first = bench->engines.members[0].engine;
    expect(bench, add(bench, 0, 1), QR_ERR_ADDRESS, "connection refused");
    expect(bench, add(bench, 0, 0), QR_ERR_FOREIGN, "my node id");
    expect(bench, qr_add(first, "nowhere", false, bench->reason), QR_ERR_ADDRESS, "HOST:PORT");
    char longer[QR_ADDRESS_BYTES_MAX + 8];
    memset(longer, 'a', sizeof(longer));
    memcpy(longer + sizeof(longer) - 3, ":1", 3);
    expect(bench, qr_add(first, longer, false, bench->reason), QR_ERR_ADDRESS, "");
    expect(bench, qr_add(first, "", false, bench->reason), QR_ERR_INVALID, "");
    expect(bench, qr_add(first, NULL, false, bench->reason), QR_ERR_INVALID, "");
    expect(bench, qr_add(NULL, "127.0.0.1:1", false, bench->reason), QR_ERR_INVALID, "");
    bench->kind = BEGINS;
    engines_open(&bench->engines, 1);
    expect(bench, add(bench, 0, 1), QR_ERR_FOREIGN, "another cluster");
    bench->kind = JOINS;
    engines_open(&bench->engines, 2);
    expect(bench, add(bench, 0, 2), QR_ERR_FOREIGN, "does not wait");
}

static void only_a_member_adds_others(void **state)
{
    struct bench *bench = *state;
    engines_open(&bench->engines, 1);
    expect(bench, add(bench, 1, 2), QR_ERR_NO_LEADER, "no member of a cluster");
    qr_engine_stop(bench->engines.members[1].engine);
    expect(bench, add(bench, 1, 2), QR_ERR_STOPPED, "");
}

static void a_name_that_is_taken_is_told_when_time_is_up(void **state)
{
    struct bench *bench = *state;
    bench->name = "n1";
    bench->timeout_ms = 2000;
    engines_open(&bench->engines, 0);
    engines_wait_for_voters(&bench->engines, 1);
    engines_open(&bench->engines, 1);
    expect(bench, add(bench, 0, 1), QR_ERR_TIMEOUT, "name");
}

struct adder {
    struct bench *bench;
    atomic_int status; /* 1: it was not called */
};

static void on_commit(void *argument, const struct qr_entry *entry)
{
    struct adder *adder = argument;
    (void)entry;
    atomic_store(&adder->status, add(adder->bench, 0, 1));
}

static void a_callback_may_not_wait_for_it(void **state)
{
    struct bench *bench = *state;
    struct adder adder = {.bench = bench, .status = 1};
    uint64_t token = 0;
    open_first(bench);
    struct qr_engine *first = bench->engines.members[0].engine;
    const struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = "x", .payload_bytes = 1};
    assert_int_equal(qr_on_commit(first, on_commit, &adder, &token), 0);
    assert_int_equal(qr_propose_wait(first, &proposal, NULL), 0);
    while (atomic_load(&adder.status) == 1) {
        engines_pause(&bench->engines);
    }
    assert_int_equal(atomic_load(&adder.status), QR_ERR_INVALID);
}

static void put_secret(struct bench *bench)
{
    FILE *file = fopen(bench->secret, "we");
    assert_non_null(file);
    assert_true(fputs(SECRET, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(bench->secret, 0600), 0);
}

static void who_has_the_secret_is_added_and_nobody_else(void **state)
{
    struct bench *bench = *state;
    put_secret(bench);
    bench->has_secret[0] = true;
    bench->has_secret[1] = true;
    open_first(bench);
    engines_open(&bench->engines, 2);
    expect(bench, add(bench, 0, 2), QR_ERR_FOREIGN, "secret");
    engines_open(&bench->engines, 1);
    expect(bench, add(bench, 0, 1), 0, "n2 is a member");
    engines_close(&bench->engines, 2);
    engines_wait_for_voters(&bench->engines, 2);
}

/* Who has no secret must not have its way with one that does. */
static void a_stranger_without_the_secret_adds_nobody(void **state)
{
    struct bench *bench = *state;
    put_secret(bench);
    bench->has_secret[1] = true;
    open_first(bench);
    engines_open(&bench->engines, 1);
    expect(bench, add(bench, 0, 1), QR_ERR_FOREIGN, "--cluster-secret-file");
    struct qr_status *status = &bench->engines.members[1].status;
    assert_int_equal(qr_status(bench->engines.members[1].engine, status), 0);
    assert_true(status->is_joining);
    assert_int_equal(status->join_error, 0);
}

static void *add_a_taken_name(void *argument)
{
    struct adder *adder = argument;
    atomic_store(&adder->status, add(adder->bench, 0, 1));
    return NULL;
}

/* Until it is a member, one that adds waits; it is told how that ends. */
static void one_is_added_at_a_time_and_the_end_of_the_engine_ends_it(void **state)
{
    struct bench *bench = *state;
    struct adder adder = {.bench = bench, .status = 1};
    char reason[QR_REASON_BYTES_MAX];
    pthread_t thread;
    open_first(bench);
    bench->name = "n1"; /* which is taken: it is told whom to ask, and not let in */
    engines_open(&bench->engines, 1);
    assert_int_equal(pthread_create(&thread, NULL, add_a_taken_name, &adder), 0);
    struct qr_status *status = &bench->engines.members[1].status;
    do {
        engines_pause(&bench->engines);
        assert_int_equal(qr_status(bench->engines.members[1].engine, status), 0);
    } while (status->join_error == 0);
    struct qr_engine *first = bench->engines.members[0].engine;
    assert_int_equal(qr_add(first, bench->engines.members[2].address, false, reason), QR_ERR_BUSY);
    assert_true(reason[0] != '\0');
    assert_int_equal(atomic_load(&adder.status), 1);
    qr_engine_stop(first);
    assert_int_equal(pthread_join(thread, NULL), 0);
    expect(bench, atomic_load(&adder.status), QR_ERR_TIMEOUT, "stopped meanwhile");
}

#define ADD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ADD_TEST(one_that_waits_is_added_by_anyone_and_votes),
        ADD_TEST(a_learner_stays_one_until_it_is_promoted),
        ADD_TEST(one_that_restarts_before_it_is_let_in_is_added_again),
        ADD_TEST(what_is_no_engine_that_waits_is_told_apart),
        ADD_TEST(only_a_member_adds_others),
        ADD_TEST(a_name_that_is_taken_is_told_when_time_is_up),
        ADD_TEST(a_callback_may_not_wait_for_it),
        ADD_TEST(one_is_added_at_a_time_and_the_end_of_the_engine_ends_it),
        ADD_TEST(who_has_the_secret_is_added_and_nobody_else),
        ADD_TEST(a_stranger_without_the_secret_adds_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
