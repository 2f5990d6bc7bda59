/* test_engine_handlers.c: what handlers may do, and how an engine whose program hangs is used and
 * ended.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "engine/probe.h"
#include "program_cluster.h"
#include "quorate/engine.h"
#include "runtime/clock.h"

static void on_commit_other(void *argument, const struct qr_entry *entry)
{
    struct program *program = argument;
    (void)entry;
    program->counts[PROGRAM_RESTORE]++; /* counts calls of this one, here */
}

/* Does whatever a handler may do. */
static void on_commit_much(void *argument, const struct qr_entry *entry)
{
    struct program *program = argument;
    struct qr_engine *engine = program->engine;
    struct qr_status *status = malloc(sizeof(*status));
    struct qr_counters counters = {.size_bytes = sizeof(counters)};
    uint64_t age_ms = 0;
    ASSERT(status != NULL);
    status->size_bytes = sizeof(*status);
    ASSERT(qr_status(engine, status) == 0);
    ASSERT(status->applied_index >= entry->index);
    qr_counters(engine, &counters);
    ASSERT(counters.proposals > 0);
    ASSERT(qr_read_wait(engine, NULL, NULL) == QR_ERR_INVALID);
    (void)qr_read_age(engine, QR_AGE_ANY, &age_ms);
    ASSERT(qr_is_leader(engine) && qr_log_time(engine) > 0);
    ASSERT(qr_join(engine, "127.0.0.1:1", false) == QR_ERR_FOREIGN);
    qr_remove_commit_handler(engine, program->tokens[1]); /* another, behind it */
    qr_remove_commit_handler(engine, program->tokens[0]); /* itself */
    ASSERT(qr_on_commit(engine, program_on_commit, program, &program->tokens[2]) == 0);
    uint8_t payload = 1;
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
    ASSERT(qr_propose(engine, &proposal, program_on_proposed, program) == 0);
    free(status);
}

static void a_handler_may_call_everything(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct program *program = &member->program;
    open_member(bench, 0);
    assert_int_equal(
        qr_on_commit(member->self->engine, on_commit_much, program, &program->tokens[0]), 0);
    assert_int_equal(
        qr_on_commit(member->self->engine, on_commit_other, program, &program->tokens[1]), 0);
    propose(member);
    wait_for_ok(NULL, member, 2); /* it proposed once, so that it was called once */
    assert_int_equal(program->ok_count, 2);
    assert_int_equal(program_count(program, PROGRAM_RESTORE), 0);
    assert_int_equal(program_count(program, PROGRAM_COMMIT), 1); /* the one that it added */
}

static void on_commit_stop(void *argument, const struct qr_entry *entry)
{
    struct program *program = argument;
    (void)entry;
    qr_engine_stop(program->engine);
    program_note(program, PROGRAM_COMMIT);
}

static void a_handler_may_stop_the_engine(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct program *program = &member->program;
    open_member(bench, 0);
    assert_int_equal(qr_on_commit(member->self->engine, on_commit_stop, program, program->tokens),
                     0);
    propose(member);
    wait_for(NULL, program, PROGRAM_STOPPED, 0);
    assert_int_equal(program_count(program, PROGRAM_PROPOSED), 1);
    assert_int_equal(program->ok_count, 1); /* it was applied, whatever came then */
}

struct removing {
    struct member *member;
    atomic_bool is_done;
};

static void *remove_from_elsewhere(void *argument)
{
    struct removing *removing = argument;
    qr_remove_commit_handler(removing->member->self->engine, removing->member->program.tokens[0]);
    atomic_store(&removing->is_done, true);
    return NULL;
}

static void on_commit_nothing(void *argument, const struct qr_entry *entry)
{
    (void)argument;
    (void)entry;
}

static void a_removal_from_elsewhere_waits_for_the_call_under_way(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct program *program = &member->program;
    struct removing removing = {.member = member};
    pthread_t thread;
    uint64_t token;
    open_member(bench, 0);
    assert_int_equal(
        qr_on_commit(member->self->engine, program_on_commit, program, program->tokens), 0);
    while (qr_on_commit(member->self->engine, on_commit_nothing, NULL, &token) == 0) {
    }
    program_hold(program, PROGRAM_COMMIT, true);
    propose(member);
    propose(member);
    wait_for(NULL, program, PROGRAM_COMMIT, 0);
    assert_int_equal(pthread_create(&thread, NULL, remove_from_elsewhere, &removing), 0);
    while (qr_on_commit(member->self->engine, on_commit_nothing, NULL, &token) == QR_ERR_BUSY) {
        pause_a_little(); /* it is gone when there is room for another */
    }
    for (int i = 0; i < 20; i++) {
        pause_a_little();
        assert_false(atomic_load(&removing.is_done));
    }
    qr_remove_commit_handler(member->self->engine, 4711); /* that of none waits for nobody */
    program_hold(program, PROGRAM_COMMIT, false);
    pthread_join(thread, NULL);
    wait_for_ok(NULL, member, 2);
    assert_int_equal(program_count(program, PROGRAM_COMMIT),
                     1); /* the second entry found it gone */
}

/* The end comes when the program has gone on, and tells everybody. */
static void a_stop_waits_for_nobody_and_the_end_tells_all(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct program *program = &member->program;
    open_member(bench, 0);
    program_hold(program, PROGRAM_PROPOSED, true);
    for (int i = 0; i < 100; i++) {
        propose(member);
    }
    assert_int_equal(qr_snapshot(member->self->engine, program_on_snapshot, program), 0);
    wait_for(NULL, program, PROGRAM_PROPOSED, 0);
    qr_engine_stop(member->self->engine); /* returns, though a callback hangs */
    uint8_t payload = 1;
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
    assert_int_equal(qr_propose(member->self->engine, &proposal, program_on_proposed, program),
                     QR_ERR_STOPPED);
    assert_int_equal(program_count(program, PROGRAM_STOPPED), 0);
    program_hold(program, PROGRAM_PROPOSED, false);
    qr_engine_free(member->self->engine);
    member->self->engine = NULL;
    assert_int_equal(program->counts[PROGRAM_PROPOSED], 100);
    assert_int_equal(program->counts[PROGRAM_SNAPSHOT], 1);
    assert_int_equal(program->counts[PROGRAM_STOPPED], 1);
}

/* As a process that begins anew. */
static void tally_restart(struct tally *tally)
{
    tally_deinit(tally);
    tally_init(tally);
}

static void a_stop_while_a_view_is_read_closes_it(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct program *program = &member->program;
    static const enum program_kind kinds[] = {PROGRAM_OPEN, PROGRAM_READ_VIEW, PROGRAM_CLOSE};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        tally_restart(program->tally);
        open_member(bench, 0);
        program_hold(program, kinds[i], true);
        int before = program_count(program, kinds[i]);
        int told = program_count(program, PROGRAM_PROPOSED);
        propose(member);
        wait_for(NULL, program, PROGRAM_PROPOSED, told);
        assert_int_equal(qr_snapshot(member->self->engine, program_on_snapshot, program), 0);
        wait_for(NULL, program, kinds[i], before);
        qr_engine_stop(member->self->engine);
        for (int k = 0; k < 20; k++) { /* it stops meanwhile, but for what is held */
            pause_a_little();
        }
        program_hold(program, kinds[i], false);
        qr_engine_free(member->self->engine);
        member->self->engine = NULL;
        assert_int_equal(program->tally->open_snapshots, 0);
    }
}

/* Nobody waits for more than the limit: what comes then is refused at once. */
static void what_waits_for_a_program_that_hangs_is_bounded(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct program *program = &member->program;
    bench->limits.max_pending_proposals = 16;
    bench->limits.proposal_timeout_ms = 100;
    open_member(bench, 0);
    for (time_ns end = limit(); !qr_is_leader(member->self->engine); pause_a_little()) {
        assert_true(runtime_now_ns() < end);
    }
    program_hold(program, PROGRAM_APPLY, true);
    propose(member); /* told in time or not, it is committed */
    wait_for(NULL, program, PROGRAM_APPLY, 0);
    int taken = 1;
    time_ns refused_ns = 0; /* since when nothing was taken */
    while (refused_ns == 0 || runtime_now_ns() - refused_ns < NS_PER_S) {
        uint8_t payload = 1;
        struct qr_proposal proposal = {
            .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
        int status = qr_propose(member->self->engine, &proposal, program_on_proposed, program);
        assert_true(status == 0 || status == QR_ERR_BUSY);
        taken += status == 0 ? 1 : 0;
        refused_ns = status == 0 ? 0 : (refused_ns == 0 ? runtime_now_ns() : refused_ns);
        if (status != 0) {
            pause_a_little();
        }
        assert_true(taken <= 16 * 4);
    }
    program_hold(program, PROGRAM_APPLY, false);
    wait_for_ok(NULL, member, taken);
    assert_int_equal(program->ok_count + program->failed_count, taken);
}

static void events_that_a_slow_handler_missed_are_counted(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct program *program = &member->program;
    const int more = 50;
    open_member(bench, 0);
    struct qr_counters counters = {.size_bytes = sizeof(counters)};
    for (time_ns end = limit(); counters.gossip_events == 0;) {
        assert_true(runtime_now_ns() < end); /* a lone node tells one event: that it leads */
        pause_a_little();
        assert_int_equal(qr_counters(member->self->engine, &counters), 0);
    }
    assert_int_equal(
        qr_on_membership(member->self->engine, program_on_member, program, program->tokens), 0);
    engine_probe_event(member->self->engine);
    wait_for(NULL, program, PROGRAM_MEMBER, 0); /* and so is whatever was told before */
    program_hold(program, PROGRAM_MEMBER, true);
    int before = program_count(program, PROGRAM_MEMBER);
    engine_probe_event(member->self->engine);
    wait_for(NULL, program, PROGRAM_MEMBER, before);
    for (int i = 0; i < ENGINE_PROBE_EVENTS_MAX + more; i++) {
        engine_probe_event(member->self->engine);
    }
    program_hold(program, PROGRAM_MEMBER, false);
    wait_for(NULL, program, PROGRAM_MEMBER, before + ENGINE_PROBE_EVENTS_MAX);
    assert_int_equal(program_count(program, PROGRAM_MEMBER), before + 1 + ENGINE_PROBE_EVENTS_MAX);
    pthread_mutex_lock(&program->mutex);
    uint64_t missed_count = program->missed_count;
    pthread_mutex_unlock(&program->mutex);
    assert_int_equal(missed_count, more);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_handler_may_call_everything),
        CASE(a_handler_may_stop_the_engine),
        CASE(a_removal_from_elsewhere_waits_for_the_call_under_way),
        CASE(a_stop_waits_for_nobody_and_the_end_tells_all),
        CASE(a_stop_while_a_view_is_read_closes_it),
        CASE(what_waits_for_a_program_that_hangs_is_bounded),
        CASE(events_that_a_slow_handler_missed_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
