/* test_engine_batch.c: what comes while a batch is applied, on the application's thread. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "quorate/engine.h"
#include "runtime/clock.h"
#include "support/engines.h"
#include "support/tally.h"

#define WAIT_NS (60 * NS_PER_S)
#define STOPS 42 /* what is applied there stops at an entry with this byte */
#define FOUND_NS (5 * NS_PER_S)
#define TRIES_MAX 5
#define COMPARED 1024 /* every replica takes a digest behind each so manieth entry */

struct gate {
    atomic_bool is_shut;
    atomic_bool is_reached;
};

struct bench {
    struct engines engines;
    struct gate gates[ENGINES];
    atomic_int answer_count;
    atomic_int last_status;
    atomic_uint_fast64_t last_index;
    atomic_bool has_result;
    atomic_bool is_closed; /* one of the engines */
};

static void on_stopped(void *argument, int status, const char *reason)
{
    struct bench *bench = argument;
    (void)status;
    (void)reason;
    atomic_store(&bench->is_closed, true);
}

static void choose(void *context, size_t at, struct qr_engine_options *options)
{
    (void)at;
    options->on_stopped = on_stopped;
    options->argument = context;
    options->limits.election_timeout_min_ms = 1000;
    options->limits.election_timeout_max_ms = 2000;
}

static int setup_alone(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    engines_init(&bench->engines, choose, bench);
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
    for (size_t i = 0; i < ENGINES; i++) {
        atomic_store(&bench->gates[i].is_shut, false);
    }
    engines_deinit(&bench->engines);
    free(bench);
    return 0;
}

/* On the application thread: nothing else is applied meanwhile. */
static void on_entry(void *argument, const struct qr_entry *entry)
{
    struct gate *gate = argument;
    if (entry->payload_bytes == 1 && ((const uint8_t *)entry->payload)[0] == STOPS) {
        atomic_store(&gate->is_reached, true);
        while (atomic_load(&gate->is_shut)) {
            pause_a_little();
        }
    }
}

static void on_answer(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct bench *bench = argument;
    atomic_store(&bench->last_status, status);
    atomic_store(&bench->last_index, index);
    atomic_store(&bench->has_result, result != NULL);
    atomic_fetch_add(&bench->answer_count, 1);
}

static void propose(struct bench *bench, struct engines_member *member, uint8_t byte)
{
    const struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = &byte, .payload_bytes = 1};
    assert_int_equal(qr_propose(member->engine, &proposal, on_answer, bench), 0);
}

static void wait_for_answers(struct bench *bench, int count)
{
    for (time_ns limit_ns = runtime_now_ns() + WAIT_NS;
         atomic_load(&bench->answer_count) < count;) {
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
    }
}

static void wait_until_reached(struct gate *gate)
{
    for (time_ns limit_ns = runtime_now_ns() + WAIT_NS; !atomic_load(&gate->is_reached);) {
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
    }
}

/* Whether it is found wrong soon: a round of the leader may have ended without who is right. */
static bool is_found_wrong(struct engines_member *member)
{
    for (time_ns limit_ns = runtime_now_ns() + FOUND_NS;
         !member->status.is_diverged && runtime_now_ns() < limit_ns;) {
        pause_a_little();
        qr_status(member->engine, &member->status);
    }
    return member->status.is_diverged;
}

/* Two differ, and the third says too late for `wrong`, whose next batch is held, who of them is
 * right. False: it did not come to that.
 */
static bool is_found_wrong_while_it_applies(struct bench *bench, size_t leads, size_t wrong)
{
    struct engines_member *leader = &bench->engines.members[leads];
    struct engines_member *self = &bench->engines.members[wrong];
    struct gate *right_gate = &bench->gates[ENGINES - leads - wrong];
    struct gate *wrong_gate = &bench->gates[wrong];
    atomic_store(&right_gate->is_shut, true);
    propose(bench, leader, STOPS);
    wait_until_reached(right_gate);
    wait_until_reached(wrong_gate);
    pthread_mutex_lock(&self->tally.mutex);
    self->tally.sum++;
    pthread_mutex_unlock(&self->tally.mutex);
    for (int i = 0; i < COMPARED; i++) {
        propose(bench, leader, 1);
    }
    wait_for_answers(bench, 1 + COMPARED);

    atomic_store(&wrong_gate->is_reached, false);
    atomic_store(&wrong_gate->is_shut, true);
    propose(bench, self, STOPS);
    for (time_ns limit_ns = runtime_now_ns() + FOUND_NS;
         !atomic_load(&wrong_gate->is_reached) && runtime_now_ns() < limit_ns;) {
        pause_a_little();
    }
    bool is_held = atomic_load(&wrong_gate->is_reached);
    bool is_waiting = is_held && atomic_load(&bench->answer_count) == 1 + COMPARED;
    atomic_store(&right_gate->is_shut, false);
    return is_waiting && is_found_wrong(self);
}

/* Its entry was applied by then, to a state of which only the others know that it is wrong. */
static void what_is_applied_when_it_is_found_wrong_is_unknown(void **state)
{
    for (int tries = 1;; tries++) {
        struct bench *bench = *state;
        const struct engines_member *leader = engines_leader(&bench->engines);
        size_t leads = leader == NULL ? 0 : (size_t)(leader - bench->engines.members);
        size_t wrong = (leads + 2) % ENGINES;
        for (size_t i = 0; i < ENGINES; i++) {
            uint64_t token;
            struct qr_engine *engine = bench->engines.members[i].engine;
            assert_int_equal(
                i == leads ? 0 : qr_on_commit(engine, on_entry, &bench->gates[i], &token), 0);
        }
        if (is_found_wrong_while_it_applies(bench, leads, wrong)) {
            atomic_store(&bench->gates[wrong].is_shut, false);
            wait_for_answers(bench, 2 + COMPARED);
            assert_int_equal(atomic_load(&bench->last_status), QR_ERR_TIMEOUT);
            assert_int_equal(atomic_load(&bench->last_index), 0);
            assert_false(atomic_load(&bench->has_result));
            return;
        }
        assert_true(tries < TRIES_MAX);
        (void)teardown(state);
        (void)setup(state);
    }
}

/* The session table has it by then, but not its result: what is told is of before it. */
static void what_is_applied_when_it_stops_is_not_half_told(void **state)
{
    struct bench *bench = *state;
    struct engines_member *self = &bench->engines.members[0];
    const struct qr_proposal guarded = {.size_bytes = sizeof(guarded),
                                        .id = qr_token_id("t", 1),
                                        .is_guarded = true,
                                        .payload = (const uint8_t[]){STOPS},
                                        .payload_bytes = 1};
    engines_wait_for_voters(&bench->engines, 1);
    propose(bench, self, 1);
    wait_for_answers(bench, 1);
    assert_int_equal(atomic_load(&bench->last_status), 0);
    qr_status(self->engine, &self->status);
    uint64_t index = self->status.applied_index;
    uint64_t digest = self->status.digest;
    uint64_t token;
    assert_int_equal(qr_on_commit(self->engine, on_entry, &bench->gates[0], &token), 0);
    atomic_store(&bench->gates[0].is_shut, true);
    assert_int_equal(qr_propose(self->engine, &guarded, on_answer, bench), 0);
    wait_until_reached(&bench->gates[0]);
    qr_status(self->engine, &self->status);
    assert_int_equal(self->status.applied_index, index);
    assert_int_equal(self->status.digest, digest);

    qr_engine_stop(self->engine);
    while (!self->status.is_stopped) {
        pause_a_little();
        qr_status(self->engine, &self->status);
    }
    atomic_store(&bench->gates[0].is_shut, false);
    wait_for_answers(bench, 2);
    while (!atomic_load(&bench->is_closed)) {
        pause_a_little();
    }
    qr_status(self->engine, &self->status);
    qr_engine_free(self->engine);
    self->engine = NULL;
    assert_int_equal(atomic_load(&bench->last_status), QR_ERR_STOPPED);
    assert_int_equal(self->status.applied_index, index);
    assert_int_equal(self->status.digest, digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_applied_when_it_is_found_wrong_is_unknown, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_applied_when_it_stops_is_not_half_told, setup_alone,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
