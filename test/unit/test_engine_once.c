/* test_engine_once.c: sessions and tokens as a program uses them, on a cluster of one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "quorate/engine.h"
#include "support/lone_engine.h"

#define WAITING 1 /* no status that an answer has */

struct bench {
    struct lone_engine lone;
    int status; /* of the last answer; WAITING: none yet */
    uint64_t index;
    uint64_t sum;
    bool is_reasoned; /* the result says why it was rejected */
};

static void close_engine(struct bench *bench)
{
    lone_engine_close(&bench->lone);
    assert_int_equal(bench->lone.stopped_status, 0);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    lone_engine_init(&bench->lone, true);
    lone_engine_open(&bench->lone);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    close_engine(bench);
    lone_engine_deinit(&bench->lone);
    free(bench);
    return 0;
}

static void on_answer(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct bench *bench = argument;
    assert_int_equal(bench->status, WAITING);
    bench->status = status;
    bench->index = index;
    bench->sum = 0;
    assert_int_equal(result != NULL, status == 0 || status == QR_ERR_REJECTED);
    bench->is_reasoned = result != NULL && result->status == status && result->size_bytes == 2 &&
                         memcmp(result->data, "no", 2) == 0;
    if (result != NULL && result->size_bytes == sizeof(bench->sum)) {
        memcpy(&bench->sum, result->data, sizeof(bench->sum));
    }
}

/* How a call that returned `returned` ends. */
static int end_of(struct bench *bench, int returned)
{
    if (returned != 0) {
        return returned;
    }
    while (bench->status == WAITING) {
        lone_engine_run(&bench->lone);
    }
    return bench->status;
}

static int add(struct bench *bench, struct qr_id id, const char *payload)
{
    struct qr_proposal proposal = {.size_bytes = sizeof(proposal),
                                   .id = id,
                                   .command = "add",
                                   .command_bytes = 3,
                                   .payload = payload,
                                   .payload_bytes = strlen(payload)};
    bench->status = WAITING;
    return end_of(bench, qr_propose(bench->lone.engine, &proposal, on_answer, bench));
}

static int settle(struct bench *bench, struct qr_id id)
{
    bench->status = WAITING;
    return end_of(bench, qr_settle(bench->lone.engine, id, on_answer, bench));
}

static uint64_t open_session(struct bench *bench, uint64_t timeout_ms)
{
    bench->status = WAITING;
    assert_int_equal(
        end_of(bench, qr_open_session(bench->lone.engine, timeout_ms, on_answer, bench)), 0);
    return qr_session_of(bench->index);
}

static void a_repeat_gets_the_first_answer_also_after_a_restart(void **state)
{
    struct bench *bench = *state;
    uint64_t session = open_session(bench, 60000);
    struct qr_id ids[] = {{session, 1}, qr_token_id("t", 1)};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(add(bench, ids[i], "\x05"), 0);
        uint64_t index = bench->index;
        uint64_t sum = bench->sum;
        assert_int_equal(add(bench, (struct qr_id){0, 0}, "\x01"), 0);
        close_engine(bench);
        lone_engine_open(&bench->lone);
        assert_int_equal(add(bench, ids[i], "\x05"), 0);
        assert_int_equal(bench->index, index);
        assert_int_equal(bench->sum, sum);
        assert_int_equal(add(bench, ids[i], "\x06"), QR_ERR_MISMATCH);
    }
    assert_int_equal(tally_sum(&bench->lone.tally), 12);
}

static void on_snapshot(void *argument, int status, uint64_t index)
{
    on_answer(argument, status, index, status == 0 ? &(struct qr_result){0} : NULL);
}

static int snapshot(struct bench *bench)
{
    bench->status = WAITING;
    return end_of(bench, qr_snapshot(bench->lone.engine, on_snapshot, bench));
}

static void what_was_rejected_stays_so_also_after_a_restart(void **state)
{
    struct bench *bench = *state;
    struct qr_id ids[] = {{open_session(bench, 60000), 1}, qr_token_id("t", 1)};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(add(bench, ids[i], "\xee\x05"), QR_ERR_REJECTED);
        assert_true(bench->is_reasoned);
        uint64_t index = bench->index;
        assert_int_equal(add(bench, (struct qr_id){0, 0}, "\x01"), 0);
        if (i == 1) {
            assert_int_equal(snapshot(bench), 0); /* the table comes back from it */
        }
        close_engine(bench);
        lone_engine_open(&bench->lone);
        assert_int_equal(add(bench, ids[i], "\xee\x05"), QR_ERR_REJECTED);
        assert_true(bench->is_reasoned);
        assert_int_equal(bench->index, index);
        assert_int_equal(settle(bench, ids[i]), QR_ERR_REJECTED);
        assert_true(bench->is_reasoned);
    }
    assert_int_equal(add(bench, (struct qr_id){0, 0}, "\xee"), QR_ERR_REJECTED);
    assert_true(bench->is_reasoned);
    assert_int_equal(tally_sum(&bench->lone.tally), 2);
}

static void what_became_of_it_can_be_asked(void **state)
{
    struct bench *bench = *state;
    struct qr_id id = qr_token_id("t", 1);
    assert_int_equal(add(bench, id, "\x05"), 0);
    assert_int_equal(settle(bench, id), 0);
    assert_int_equal(bench->sum, 5);
    assert_int_equal(settle(bench, qr_token_id("u", 1)), QR_ERR_SETTLED);
    assert_int_equal(add(bench, qr_token_id("u", 1), "\x05"), QR_ERR_SETTLED);
    assert_int_equal(settle(bench, (struct qr_id){QR_SESSION_BIT | 999, 1}), QR_ERR_EXPIRED);
    assert_int_equal(tally_sum(&bench->lone.tally), 5);
}

static void an_expired_session_says_so_and_nothing_is_applied(void **state)
{
    struct bench *bench = *state;
    uint64_t session = 0;
    unsigned timeout_ms = 20;
    int status = QR_ERR_EXPIRED;
    /* A slow machine may let it expire before it was used at all. */
    for (; status == QR_ERR_EXPIRED && timeout_ms < 10000; timeout_ms *= 2) {
        session = open_session(bench, timeout_ms);
        status = add(bench, (struct qr_id){session, 1}, "\x05");
    }
    assert_int_equal(status, 0);
    uv_sleep(timeout_ms); /* twice what was asked for */
    assert_int_equal(add(bench, (struct qr_id){session, 1}, "\x05"), QR_ERR_EXPIRED);
    assert_int_equal(add(bench, (struct qr_id){session, 2}, "\x05"), QR_ERR_EXPIRED);
    assert_int_equal(tally_sum(&bench->lone.tally), 5);
}

static void a_session_that_was_ended_is_over(void **state)
{
    struct bench *bench = *state;
    uint64_t session = open_session(bench, 60000);
    bench->status = WAITING;
    assert_int_equal(end_of(bench, qr_end_session(bench->lone.engine, session, on_answer, bench)),
                     0);
    assert_int_equal(add(bench, (struct qr_id){session, 1}, "\x05"), QR_ERR_EXPIRED);
    bench->status = WAITING;
    assert_int_equal(end_of(bench, qr_end_session(bench->lone.engine, session, on_answer, bench)),
                     QR_ERR_EXPIRED);
}

static void what_is_out_of_bounds_is_refused_at_once(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(add(bench, (struct qr_id){QR_SESSION_BIT, 1}, "\x05"), QR_ERR_INVALID);
    assert_int_equal(add(bench, (struct qr_id){QR_SESSION_BIT | 5, 0}, "\x05"), QR_ERR_INVALID);
    assert_int_equal(settle(bench, (struct qr_id){5, 5}), QR_ERR_INVALID);
    assert_int_equal(settle(bench, (struct qr_id){QR_SESSION_BIT, 5}), QR_ERR_INVALID);
    assert_int_equal(qr_open_session(bench->lone.engine, 0, on_answer, bench), QR_ERR_INVALID);
    assert_int_equal(
        qr_open_session(bench->lone.engine, QR_SESSION_TIMEOUT_MS_MAX + 1, on_answer, bench),
        QR_ERR_INVALID);
    assert_int_equal(tally_sum(&bench->lone.tally), 0);
}

static void the_status_counts_sessions_and_the_digest_has_them(void **state)
{
    struct bench *bench = *state;
    static struct qr_status before = {.size_bytes = sizeof(before)};
    static struct qr_status after = {.size_bytes = sizeof(after)};
    qr_status(bench->lone.engine, &before);
    uint64_t session = open_session(bench, 60000);
    assert_int_equal(add(bench, (struct qr_id){session, 1}, "\x05"), 0);
    assert_int_equal(add(bench, qr_token_id("t", 1), "\x05"), 0);
    qr_status(bench->lone.engine, &after);
    assert_int_equal(after.session_count, 1);
    assert_int_equal(after.outcome_count, 2);
    assert_int_equal(before.digest, 0);
    assert_int_not_equal(after.digest, 10);
}

#define ENGINE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_repeat_gets_the_first_answer_also_after_a_restart),
        ENGINE_TEST(what_was_rejected_stays_so_also_after_a_restart),
        ENGINE_TEST(what_became_of_it_can_be_asked),
        ENGINE_TEST(an_expired_session_says_so_and_nothing_is_applied),
        ENGINE_TEST(a_session_that_was_ended_is_over),
        ENGINE_TEST(what_is_out_of_bounds_is_refused_at_once),
        ENGINE_TEST(the_status_counts_sessions_and_the_digest_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
