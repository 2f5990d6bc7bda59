/* test_engine_sessions.c: the calls about sessions and tokens that wait, on an engine with a thread
 * of its own and a log that can be held up.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "quorate/engine.h"
#include "runtime/clock.h"
#include "support/log_memory.h"
#include "support/lone_engine.h"

#define WAIT_NS (60 * NS_PER_S)
#define CALLS 3 /* that wait: open, end, settle */

struct bench {
    struct lone_engine lone;
    struct log_memory log;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int done_count;          /* under the mutex */
    int statuses[2 * CALLS]; /* of what was called from within a callback */
};

static void open_engine(struct bench *bench, bool is_inline, uint64_t proposal_timeout_ms)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    struct qr_engine_options options = lone_engine_options(&bench->lone);
    options.is_inline = is_inline;
    options.log_store = &bench->log.table;
    options.limits.election_timeout_min_ms = 30;
    options.limits.election_timeout_max_ms = 60;
    options.limits.heartbeat_interval_ms = 5;
    options.limits.proposal_timeout_ms = proposal_timeout_ms;
    lone_engine_open_with(&bench->lone, &options);
    while (qr_read_wait(bench->lone.engine, NULL, NULL) != 0) { /* until it leads */
        assert_true(runtime_now_ns() < limit_ns);
    }
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    lone_engine_init(&bench->lone, false);
    log_memory_init(&bench->log);
    pthread_mutex_init(&bench->mutex, NULL);
    pthread_cond_init(&bench->changed, NULL);
    open_engine(bench, false, 60000);
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

static void open_again(struct bench *bench, bool is_inline, uint64_t proposal_timeout_ms)
{
    lone_engine_close(&bench->lone);
    open_engine(bench, is_inline, proposal_timeout_ms);
}

static int add(struct bench *bench, struct qr_id id, const char *payload, struct qr_reply *reply)
{
    const struct qr_proposal proposal = {.size_bytes = sizeof(proposal),
                                         .id = id,
                                         .command = "add",
                                         .command_bytes = 3,
                                         .payload = payload,
                                         .payload_bytes = strlen(payload)};
    return qr_propose_wait(bench->lone.engine, &proposal, reply);
}

static void a_session_is_opened_used_and_ended(void **state)
{
    struct bench *bench = *state;
    uint64_t session = 0;
    uint64_t other = 0;
    assert_int_equal(qr_open_session_wait(bench->lone.engine, 60000, &session), 0);
    assert_int_equal(qr_open_session_wait(bench->lone.engine, QR_SESSION_TIMEOUT_MS_MAX, &other),
                     0);
    assert_true((session & QR_SESSION_BIT) != 0 && other != session);
    assert_int_equal(add(bench, (struct qr_id){session, 1}, "\x05", NULL), 0);
    assert_int_equal(add(bench, (struct qr_id){session, 1}, "\x05", NULL), 0);
    assert_int_equal(tally_sum(&bench->lone.tally), 5);

    assert_int_equal(qr_end_session_wait(bench->lone.engine, session), 0);
    assert_int_equal(qr_end_session_wait(bench->lone.engine, session), QR_ERR_EXPIRED);
    assert_int_equal(add(bench, (struct qr_id){session, 2}, "\x05", NULL), QR_ERR_EXPIRED);
    assert_int_equal(add(bench, (struct qr_id){other, 1}, "\x02", NULL), 0);
    assert_int_equal(tally_sum(&bench->lone.tally), 7);
}

static void what_was_applied_is_told_with_its_first_answer(void **state)
{
    struct bench *bench = *state;
    const struct qr_id id = qr_token_id("t", 1);
    uint64_t sum = 0;
    struct qr_reply first = {.data = NULL};
    struct qr_reply told = {.data = &sum, .capacity_bytes = sizeof(sum), .status = 1};
    assert_int_equal(add(bench, id, "\x05", &first), 0);
    assert_int_equal(add(bench, qr_token_id("u", 1), "\x07", NULL), 0);
    assert_int_equal(qr_settle_wait(bench->lone.engine, id, &told), 0);
    assert_int_equal(sum, 5);
    assert_int_equal(told.status, 0);
    assert_int_equal(told.size_bytes, sizeof(sum));
    assert_int_equal(told.index, first.index);
    assert_int_equal(qr_settle_wait(bench->lone.engine, id, NULL), 0);

    uint8_t cut[3] = {0, 0, 0x77};
    struct qr_reply small = {.data = cut, .capacity_bytes = 2};
    assert_int_equal(qr_settle_wait(bench->lone.engine, id, &small), 0);
    assert_int_equal(small.size_bytes, sizeof(sum));
    assert_int_equal(cut[0], 5);
    assert_int_equal(cut[2], 0x77);
}

static void what_was_rejected_is_told_with_its_reason(void **state)
{
    struct bench *bench = *state;
    const struct qr_id id = qr_token_id("t", 1);
    char reason[8] = "";
    struct qr_reply told = {.data = reason, .capacity_bytes = sizeof(reason) - 1};
    assert_int_equal(add(bench, id, "\xee", NULL), QR_ERR_REJECTED);
    assert_int_equal(qr_settle_wait(bench->lone.engine, id, &told), QR_ERR_REJECTED);
    assert_int_equal(told.status, QR_ERR_REJECTED);
    assert_string_equal(reason, "no");
}

static void what_did_not_come_by_then_never_will_be_applied(void **state)
{
    struct bench *bench = *state;
    const struct qr_id id = qr_token_id("t", 1);
    uint64_t sum = 77;
    struct qr_reply told = {.data = &sum, .capacity_bytes = sizeof(sum), .index = 7};
    assert_int_equal(qr_settle_wait(bench->lone.engine, id, &told), QR_ERR_SETTLED);
    assert_int_equal(told.status, QR_ERR_SETTLED);
    assert_int_equal(told.size_bytes, 0);
    assert_int_equal(sum, 77);
    assert_int_equal(add(bench, id, "\x05", NULL), QR_ERR_SETTLED);
    assert_int_equal(tally_sum(&bench->lone.tally), 0);
    const struct qr_id closed = {QR_SESSION_BIT | 1, 1}; /* no entry has opened that */
    assert_int_equal(qr_settle_wait(bench->lone.engine, closed, &told), QR_ERR_EXPIRED);
}

static void what_is_wrong_is_refused_and_nothing_is_set_but_the_status(void **state)
{
    struct bench *bench = *state;
    uint64_t session = 77;
    const uint64_t timeouts[] = {0, QR_SESSION_TIMEOUT_MS_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < COUNT_OF(timeouts); i++) {
        assert_int_equal(qr_open_session_wait(bench->lone.engine, timeouts[i], &session),
                         QR_ERR_INVALID);
    }
    assert_int_equal(session, 77);
    assert_int_equal(qr_open_session_wait(bench->lone.engine, 1000, NULL), QR_ERR_INVALID);
    const struct qr_id ids[] = {{0, 0}, {1, 1}, {QR_SESSION_BIT, 1}};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct qr_reply reply = {.index = 7, .size_bytes = 7};
        assert_int_equal(qr_settle_wait(bench->lone.engine, ids[i], &reply), QR_ERR_INVALID);
        assert_int_equal(reply.status, QR_ERR_INVALID);
        assert_int_equal(reply.index, 0);
        assert_int_equal(reply.size_bytes, 0);
    }
    struct qr_reply no_room = {.capacity_bytes = 8};
    assert_int_equal(qr_settle_wait(bench->lone.engine, qr_token_id("t", 1), &no_room),
                     QR_ERR_INVALID);
    assert_int_equal(no_room.status, QR_ERR_INVALID);
    struct qr_counters counters = {.size_bytes = sizeof(counters)};
    assert_int_equal(qr_counters(bench->lone.engine, &counters), 0);
    assert_int_equal(counters.proposals, 0);
}

static void call_each(struct bench *bench, int statuses[CALLS])
{
    uint64_t session = 0;
    statuses[0] = qr_open_session_wait(bench->lone.engine, 1000, &session);
    statuses[1] = qr_end_session_wait(bench->lone.engine, QR_SESSION_BIT | 1);
    statuses[2] = qr_settle_wait(bench->lone.engine, qr_token_id("t", 1), NULL);
}

static void on_done(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct bench *bench = argument;
    (void)status;
    (void)index;
    (void)result;
    call_each(bench, bench->statuses);
    pthread_mutex_lock(&bench->mutex);
    bench->done_count++;
    pthread_cond_signal(&bench->changed);
    pthread_mutex_unlock(&bench->mutex);
}

static void on_commit(void *argument, const struct qr_entry *entry)
{
    struct bench *bench = argument;
    (void)entry;
    call_each(bench, bench->statuses + CALLS);
}

static void waiting_from_a_callback_is_refused(void **state)
{
    struct bench *bench = *state;
    for (int is_inline = 0; is_inline <= 1; is_inline++) {
        if (is_inline) {
            open_again(bench, true, 60000);
        }
        uint64_t token = 0;
        memset(bench->statuses, 0, sizeof(bench->statuses));
        assert_int_equal(qr_on_commit(bench->lone.engine, on_commit, bench, &token), 0);
        const struct qr_proposal proposal = {
            .size_bytes = sizeof(proposal), .payload = "\x05", .payload_bytes = 1};
        assert_int_equal(qr_propose(bench->lone.engine, &proposal, on_done, bench), 0);
        pthread_mutex_lock(&bench->mutex);
        while (bench->done_count < is_inline + 1) {
            pthread_cond_wait(&bench->changed, &bench->mutex);
        }
        pthread_mutex_unlock(&bench->mutex);
        for (size_t i = 0; i < COUNT_OF(bench->statuses); i++) {
            assert_int_equal(bench->statuses[i], QR_ERR_INVALID);
        }
    }
}

/* One call that waits, on a thread of its own. */
struct caller {
    struct bench *bench;
    int which;
    int status;
    uint64_t session;
    struct qr_reply reply;
    pthread_t thread;
};

static void *call_one(void *argument)
{
    struct caller *caller = argument;
    struct qr_engine *engine = caller->bench->lone.engine;
    switch (caller->which) {
    case 0:
        caller->status = qr_open_session_wait(engine, 1000, &caller->session);
        break;
    case 1:
        caller->status = qr_end_session_wait(engine, QR_SESSION_BIT | 1);
        break;
    default:
        caller->status = qr_settle_wait(engine, qr_token_id("t", 1), &caller->reply);
        break;
    }
    return NULL;
}

/* Start each call and wait until it is in the log, which is held up. */
static void begin_each(struct bench *bench, struct caller callers[CALLS])
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    struct qr_counters counters = {.size_bytes = sizeof(counters)};
    atomic_store(&bench->log.holds, true);
    unsigned before = atomic_load(&bench->log.append_count);
    for (int i = 0; i < CALLS; i++) {
        callers[i] = (struct caller){.bench = bench, .which = i, .session = 77};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_one, &callers[i]), 0);
    }
    while (counters.proposals < CALLS || atomic_load(&bench->log.append_count) == before) {
        assert_true(runtime_now_ns() < limit_ns);
        assert_int_equal(qr_counters(bench->lone.engine, &counters), 0);
        sched_yield();
    }
}

static void end_each(struct caller callers[CALLS], int status)
{
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].status, status);
        assert_int_equal(callers[i].session, 77);
    }
    assert_int_equal(callers[CALLS - 1].reply.status, status);
    assert_int_equal(callers[CALLS - 1].reply.index, 0);
}

static void who_waits_longer_than_the_limit_is_told_that_nobody_knows(void **state)
{
    struct bench *bench = *state;
    struct caller callers[CALLS];
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    uint64_t session = 0;
    open_again(bench, false, 100);
    begin_each(bench, callers);
    end_each(callers, QR_ERR_TIMEOUT);
    atomic_store(&bench->log.holds, false);
    while (qr_open_session_wait(bench->lone.engine, 1000, &session) != 0) {
        assert_true(runtime_now_ns() < limit_ns);
    }
}

/* What the log has taken and not called durable: it is now. */
static void release_log(struct bench *bench)
{
    const struct log_memory *log = &bench->log;
    assert_true(log->waiting_count > 0);
    log->host->synced(log->host->context, log->waiting[log->waiting_count - 1]->ticket);
}

static void who_waits_is_told_that_the_engine_stopped(void **state)
{
    struct bench *bench = *state;
    struct caller callers[CALLS];
    begin_each(bench, callers);
    qr_engine_stop(bench->lone.engine);
    end_each(callers, QR_ERR_STOPPED);
    release_log(bench); /* which the engine waits for, but nobody else */
    call_each(bench, bench->statuses);
    for (size_t i = 0; i < CALLS; i++) {
        assert_int_equal(bench->statuses[i], QR_ERR_STOPPED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_session_is_opened_used_and_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_applied_is_told_with_its_first_answer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_rejected_is_told_with_its_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(what_did_not_come_by_then_never_will_be_applied, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_refused_and_nothing_is_set_but_the_status,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(waiting_from_a_callback_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_longer_than_the_limit_is_told_that_nobody_knows,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_told_that_the_engine_stopped, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
