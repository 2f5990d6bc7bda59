/* test_engine_cluster.c: three engines in one process, each on a thread of its own. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/engine.h"
#include "runtime/clock.h"
#include "support/engines.h"
#include "support/tally.h"

#define WAIT_NS (30 * NS_PER_S)

struct bench {
    struct engines engines;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int answer_count;
    int answers_ok;
    int answers_unknown; /* neither ok nor certainly not */
    int last_status;
};

/* Sanitizers and a busy machine are slow; elections are not what is tested here. */
static void choose(void *context, size_t at, struct qr_engine_options *options)
{
    (void)context;
    (void)at;
    options->meta = options->name;
    options->limits.election_timeout_min_ms = 500;
    options->limits.election_timeout_max_ms = 1000;
    options->limits.segment_bytes = UINT64_C(1) << 20;
    options->limits.max_log_entries = 100;
    options->limits.max_message_bytes = UINT64_C(1) << 16;
}

/* Only the first one is opened. */
static int setup_alone(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    pthread_mutex_init(&bench->mutex, NULL);
    pthread_cond_init(&bench->changed, NULL);
    engines_init(&bench->engines, choose, NULL);
    engines_open(&bench->engines, 0);
    *state = bench;
    return 0;
}

static int setup(void **state)
{
    (void)setup_alone(state);
    struct bench *bench = *state;
    engines_open_others(&bench->engines);
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    engines_deinit(&bench->engines);
    pthread_cond_destroy(&bench->changed);
    pthread_mutex_destroy(&bench->mutex);
    free(bench);
    return 0;
}

static void on_answer(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct bench *bench = argument;
    pthread_mutex_lock(&bench->mutex);
    bench->answer_count++;
    bench->last_status = status;
    if (status == 0) {
        ASSERT(index > 0 && result != NULL && result->size_bytes == sizeof(uint64_t));
        bench->answers_ok++;
    } else if (status == QR_ERR_TIMEOUT || status == QR_ERR_STOPPED) {
        bench->answers_unknown++;
    }
    pthread_cond_broadcast(&bench->changed);
    pthread_mutex_unlock(&bench->mutex);
}

static void on_read(void *argument, int status, uint64_t index)
{
    struct bench *bench = argument;
    pthread_mutex_lock(&bench->mutex);
    bench->answer_count++;
    bench->last_status = status;
    bench->answers_ok += status == 0 && index > 0 ? 1 : 0;
    pthread_cond_broadcast(&bench->changed);
    pthread_mutex_unlock(&bench->mutex);
}

static void wait_for_answers(struct bench *bench, int count)
{
    pthread_mutex_lock(&bench->mutex);
    while (bench->answer_count < count) {
        pthread_cond_wait(&bench->changed, &bench->mutex);
    }
    bench->answer_count -= count;
    pthread_mutex_unlock(&bench->mutex);
}

static void propose_one(struct bench *bench, struct engines_member *member)
{
    uint8_t payload = 1;
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
    assert_int_equal(qr_propose(member->engine, &proposal, on_answer, bench), 0);
}

static struct engines_member *find_follower(struct bench *bench)
{
    const struct engines_member *leader = engines_leader(&bench->engines);
    for (size_t i = 0; i < ENGINES; i++) {
        if (bench->engines.members[i].engine != NULL && &bench->engines.members[i] != leader) {
            return &bench->engines.members[i];
        }
    }
    return NULL;
}

/* A read barrier through `member`: then its own state has all that was answered. */
static void read_through(struct bench *bench, struct engines_member *member)
{
    bool is_read = false;
    while (!is_read) {
        assert_int_equal(qr_read_barrier(member->engine, on_read, bench), 0);
        wait_for_answers(bench, 1);
        is_read = bench->last_status == 0;
    }
}

static void a_write_through_a_follower_is_everywhere(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 200; i++) {
        propose_one(bench, find_follower(bench));
    }
    wait_for_answers(bench, 200);
    assert_int_equal(bench->answers_ok, 200);
    for (size_t i = 0; i < ENGINES; i++) {
        read_through(bench, &bench->engines.members[i]);
        assert_int_equal(tally_sum(&bench->engines.members[i].tally), 200);
        struct qr_status *status = &bench->engines.members[i].status;
        qr_status(bench->engines.members[i].engine, status);
        assert_int_equal(status->digest, 200);
        assert_int_equal(status->member_count, ENGINES);
        for (size_t k = 0; k < ENGINES; k++) {
            assert_int_equal(status->members[k].health, QR_ALIVE);
        }
        assert_string_equal(status->leader_meta, status->leader_name);
    }
}

/* Propose until one goes through; how often it surely or maybe was applied. */
static void propose_until_ok(struct bench *bench, struct engines_member *member)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    int before = bench->answers_ok;
    while (bench->answers_ok == before) {
        assert_true(runtime_now_ns() < limit_ns);
        propose_one(bench, member);
        wait_for_answers(bench, 1);
    }
}

/* One that no replica takes: each says so alike, stays with the others, and goes on. */
static void what_the_state_machine_rejects_hurts_no_replica(void **state)
{
    struct bench *bench = *state;
    const uint8_t payload[] = {TALLY_REJECTED, 7};
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = payload, .payload_bytes = sizeof(payload)};
    for (size_t i = 0; i < ENGINES; i++) {
        bench->last_status = 0;
        while (bench->last_status != QR_ERR_REJECTED) {
            int status = qr_propose(bench->engines.members[i].engine, &proposal, on_answer, bench);
            assert_int_equal(status, 0);
            wait_for_answers(bench, 1);
            assert_int_not_equal(bench->last_status, 0);
        }
        propose_until_ok(bench, &bench->engines.members[i]);
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < ENGINES; i++) {
        read_through(bench, &bench->engines.members[i]);
        sum = i == 0 ? tally_sum(&bench->engines.members[i].tally) : sum;
        assert_int_equal(tally_sum(&bench->engines.members[i].tally), sum);
    }
    assert_true(sum >= ENGINES);
}

/* Wait until `member` takes the one at this address, and no other, for missing. */
static void wait_until_only_missing(struct engines_member *member, const char *address)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    bool is_so = false;
    while (!is_so) {
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
        qr_status(member->engine, &member->status);
        is_so = true;
        for (size_t i = 0; i < ENGINES; i++) {
            const struct qr_member *told = &member->status.members[i];
            bool is_missing = told->health != QR_ALIVE;
            is_so = is_so && is_missing == (strcmp(told->address, address) == 0);
        }
    }
}

static void the_rest_goes_on_when_the_leader_ends_and_it_catches_up(void **state)
{
    struct bench *bench = *state;
    propose_until_ok(bench, &bench->engines.members[0]);
    struct engines_member *leader = engines_leader(&bench->engines);
    assert_non_null(leader);
    size_t gone = (size_t)(leader - bench->engines.members);
    engines_close(&bench->engines, gone);
    size_t left = gone == 0 ? 1 : 0;
    propose_until_ok(bench, &bench->engines.members[left]);
    for (int i = 0; i < 50; i++) {
        propose_until_ok(bench, &bench->engines.members[left]);
    }
    wait_until_only_missing(&bench->engines.members[left], bench->engines.members[gone].address);

    engines_open(&bench->engines, gone);
    engines_wait_for_voters(&bench->engines, ENGINES);
    read_through(bench, leader);
    read_through(bench, &bench->engines.members[left]);
    uint64_t sum = tally_sum(&bench->engines.members[left].tally);
    assert_int_equal(tally_sum(&leader->tally), sum);
    assert_true(sum >= (uint64_t)bench->answers_ok - 2 &&
                sum <= (uint64_t)(bench->answers_ok + bench->answers_unknown));
}

struct caller {
    struct bench *bench;
    struct engines_member *member;
    pthread_t thread;
};

static void *call_much(void *argument)
{
    struct caller *caller = argument;
    struct qr_status *status = calloc(1, sizeof(*status));
    status->size_bytes = sizeof(*status);
    for (int i = 0; i < 50; i++) {
        uint8_t payload = 1;
        struct qr_proposal proposal = {
            .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
        ASSERT(qr_propose(caller->member->engine, &proposal, on_answer, caller->bench) == 0);
        qr_status(caller->member->engine, status);
        ASSERT(status->applied_index <= status->commit_index);
        struct qr_counters counters = {.size_bytes = sizeof(counters)};
        qr_counters(caller->member->engine, &counters);
        ASSERT(qr_log_time(caller->member->engine) > 0);
        (void)qr_is_leader(caller->member->engine);
    }
    free(status);
    return NULL;
}

static void every_call_may_come_from_any_thread(void **state)
{
    struct bench *bench = *state;
    struct caller callers[6];
    for (size_t i = 0; i < COUNT_OF(callers); i++) {
        callers[i].bench = bench;
        callers[i].member = &bench->engines.members[i % ENGINES];
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_much, &callers[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(callers); i++) {
        pthread_join(callers[i].thread, NULL);
    }
    wait_for_answers(bench, 300);
    uint64_t ok = (uint64_t)bench->answers_ok; /* not all: a busy machine may lose its leader */
    assert_true(ok > 0);
    read_through(bench, &bench->engines.members[1]);
    uint64_t sum = tally_sum(&bench->engines.members[1].tally);
    assert_true(sum >= ok && sum <= ok + (uint64_t)bench->answers_unknown);
}

static void on_entry(void *argument, const struct qr_entry *entry)
{
    (void)argument;
    (void)entry;
}

static void calls_after_the_end_are_answered(void **state)
{
    struct bench *bench = *state;
    struct engines_member *member = &bench->engines.members[2];
    qr_engine_stop(member->engine);
    do {
        pause_a_little();
        qr_status(member->engine, &member->status);
    } while (!member->status.is_stopped);
    uint8_t payload = 1;
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
    assert_int_equal(qr_propose(member->engine, &proposal, on_answer, bench), QR_ERR_STOPPED);
    uint64_t token = 0;
    assert_int_equal(qr_on_commit(member->engine, on_entry, NULL, &token), QR_ERR_STOPPED);
    assert_false(qr_is_leader(member->engine));
    assert_true(qr_log_time(member->engine) > 0);
}

static void on_snapshot(void *argument, int status, uint64_t index)
{
    on_read(argument, status, index);
}

static void wait_for_index(struct engines_member *member, uint64_t first_index,
                           uint64_t applied_index)
{
    for (time_ns limit_ns = runtime_now_ns() + WAIT_NS;; pause_a_little()) {
        assert_true(runtime_now_ns() < limit_ns);
        qr_status(member->engine, &member->status);
        if (member->status.first_index >= first_index &&
            member->status.applied_index >= applied_index) {
            return;
        }
    }
}

/* Through files, connections and compression; then through a restart. */
static void a_newcomer_takes_over_a_snapshot(void **state)
{
    struct bench *bench = *state;
    struct engines_member *first = &bench->engines.members[0];
    struct engines_member *newcomer = &bench->engines.members[1];
    struct qr_counters counters = {.size_bytes = sizeof(counters)};
    while (!qr_is_leader(first->engine)) {
        pause_a_little();
    }
    for (int i = 0; i < 500; i++) {
        propose_one(bench, first);
    }
    wait_for_answers(bench, 500);
    assert_int_equal(bench->answers_ok, 500);
    assert_int_equal(qr_snapshot(first->engine, on_snapshot, bench), 0);
    wait_for_answers(bench, 1);
    assert_int_equal(bench->last_status, 0);
    wait_for_index(first, 400, 500);
    assert_true(first->status.snapshot_index >= 500);

    engines_open(&bench->engines, 1);
    wait_for_index(newcomer, 400, first->status.applied_index);
    qr_counters(newcomer->engine, &counters);
    assert_int_equal(counters.snapshots_installed, 1);
    assert_int_equal(tally_sum(&newcomer->tally), 500);
    do { /* the leader hears of it a moment later */
        pause_a_little();
        qr_counters(first->engine, &counters);
    } while (counters.snapshots_sent == 0);
    assert_true(counters.snapshots_taken >= 1 && counters.snapshot_sent_bytes > 0);

    engines_restart(&bench->engines, 1);
    wait_for_index(newcomer, 400, first->status.applied_index);
    assert_int_equal(newcomer->tally.restore_count, 1);
    assert_int_equal(tally_sum(&newcomer->tally), 500);
}

/* Propose until it is certainly applied, or not certainly not. */
static void propose_and_read(struct qr_engine *engine, const struct qr_proposal *proposal)
{
    int status = QR_ERR_NO_LEADER;
    for (time_ns limit_ns = runtime_now_ns() + WAIT_NS;
         status == QR_ERR_NO_LEADER && runtime_now_ns() < limit_ns;) {
        status = qr_propose_wait(engine, proposal, NULL);
    }
    assert_int_equal(status, 0);
    do {
        status = qr_read_wait(engine, NULL, NULL);
    } while (status == QR_ERR_NO_LEADER);
    assert_int_equal(status, 0);
}

#define CLUSTER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void engines_of_another_cluster_live_in_the_same_process(void **state)
{
    struct bench *bench = *state;
    static struct qr_status status = {.size_bytes = sizeof(status)};
    const struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = "\x07", .payload_bytes = 1};
    struct engines_member other = {.engine = NULL};
    char detail[QR_ERROR_DETAIL_BYTES];
    temporary_directory(other.directory);
    free_address(other.address);
    tally_init(&other.tally);
    const struct qr_engine_options options = {
        .size_bytes = sizeof(options),
        .state_machine = &other.tally.machine,
        .name = "n1", /* as one of the first cluster is called */
        .data_directory = other.directory,
        .peer_address = other.address,
        .is_bootstrap = true,
        .limits = qr_limits_default(),
    };
    assert_int_equal(qr_engine_open(&options, &other.engine, detail), 0);
    propose_and_read(other.engine, &proposal);
    propose_and_read(bench->engines.members[1].engine, &proposal);
    assert_int_equal(tally_sum(&other.tally), 7);
    assert_int_equal(tally_sum(&bench->engines.members[1].tally), 7);
    assert_int_equal(qr_status(other.engine, &status), 0);
    assert_int_equal(status.member_count, 1);
    uint64_t cluster = status.cluster_high;
    qr_engine_free(other.engine);
    assert_int_equal(qr_status(bench->engines.members[1].engine, &status), 0);
    assert_int_equal(status.member_count, ENGINES);
    assert_true(status.cluster_high != cluster);
    tally_deinit(&other.tally);
    temporary_directory_remove(other.directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLUSTER_TEST(a_write_through_a_follower_is_everywhere),
        CLUSTER_TEST(what_the_state_machine_rejects_hurts_no_replica),
        CLUSTER_TEST(every_call_may_come_from_any_thread),
        CLUSTER_TEST(engines_of_another_cluster_live_in_the_same_process),
        CLUSTER_TEST(calls_after_the_end_are_answered),
        CLUSTER_TEST(the_rest_goes_on_when_the_leader_ends_and_it_catches_up),
        cmocka_unit_test_setup_teardown(a_newcomer_takes_over_a_snapshot, setup_alone, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
