/* test_engine_threads.c: where the program's code runs, and that a node goes on while
 * it stands still.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/assert.h"
#include "engine/probe.h"
#include "program_cluster.h"
#include "quorate/backup.h"
#include "quorate/engine.h"
#include "quorate/keys.h"
#include "runtime/clock.h"

static void on_change(void *argument, int status, const struct qr_change_result *result)
{
    ASSERT(status != 0 && result->reason[0] != '\0');
    program_note(argument, PROGRAM_CHANGE);
}

static void on_keys(void *argument, int status, const char *reason, const struct qr_keys *keys)
{
    ASSERT(status == QR_ERR_NOT_FOUND && reason[0] != '\0' && keys->count == 0);
    program_note(argument, PROGRAM_KEYS);
}

static void on_backup(void *argument, int status, const void *data, size_t size_bytes)
{
    ASSERT(status == 0 && data != NULL && size_bytes == QR_BACKUP_HEAD_BYTES);
    program_note(argument, PROGRAM_BACKUP);
}

/* Have everything come that can come in a cluster of one. */
static void call_all(struct bench *loop, struct member *member)
{
    struct program *program = &member->program;
    struct qr_engine *engine = member->self->engine;
    struct qr_backup *backup = NULL;
    const struct qr_change change = {.size_bytes = sizeof(change), .promote = "nobody"};
    assert_int_equal(qr_on_commit(engine, program_on_commit, program, &program->tokens[0]), 0);
    assert_int_equal(qr_on_membership(engine, program_on_member, program, &program->tokens[1]), 0);
    propose(member);
    wait_for(loop, program, PROGRAM_PROPOSED, 0);
    assert_int_equal(program->ok_count, 1);
    engine_probe_event(engine);
    wait_for(loop, program, PROGRAM_MEMBER, 0);
    assert_int_equal(qr_read_barrier(engine, program_on_read, program), 0);
    wait_for(loop, program, PROGRAM_READ, 0);
    assert_true(program->read_index >= program->last_index);
    assert_int_equal(qr_snapshot(engine, program_on_snapshot, program), 0);
    wait_for(loop, program, PROGRAM_SNAPSHOT, 0);
    assert_int_equal(qr_change_cluster(engine, &change, on_change, program), 0);
    wait_for(loop, program, PROGRAM_CHANGE, 0);
    assert_int_equal(qr_keys(engine, QR_KEYS_LIST, NULL, 0, on_keys, program), 0);
    wait_for(loop, program, PROGRAM_KEYS, 0);
    assert_int_equal(qr_backup_open(engine, on_backup, program, &backup), 0);
    assert_int_equal(qr_backup_next(backup), 0);
    wait_for(loop, program, PROGRAM_BACKUP, 0);
    qr_backup_close(backup);
    wait_for(loop, program, PROGRAM_CLOSE, 0);
    assert_true(program_count(program, PROGRAM_COMMIT) == 1);
    qr_engine_stop(engine);
    wait_for(loop, program, PROGRAM_STOPPED, 0);
}

/* All kinds but those that only a member that is late sees came on this thread alone. */
static void check_threads(const struct program *program, pthread_t thread, bool is_asked_at_open)
{
    for (int kind = 0; kind < PROGRAM_KINDS; kind++) {
        /* At the opening it was asked by who opened. */
        bool is_anywhere = is_asked_at_open && (kind == PROGRAM_DIGEST || kind == PROGRAM_WAKE_AT);
        if (kind != PROGRAM_RESTORE) {
            assert_true(program->counts[kind] > 0);
            assert_true(pthread_equal(program->threads[kind], thread));
            assert_true(is_anywhere || !program->is_elsewhere[kind]);
        }
    }
}

static void all_of_the_program_runs_on_the_application_thread(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    open_member(bench, 0);
    pthread_t thread = engine_probe_application(member->self->engine);
    assert_false(pthread_equal(thread, engine_probe_thread(member->self->engine)));
    assert_false(pthread_equal(thread, pthread_self()));
    call_all(NULL, member);
    check_threads(&member->program, thread, true);
}

static void inline_it_runs_on_the_thread_of_the_engine(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    bench->is_inline = true;
    open_member(bench, 0);
    pthread_t thread = engine_probe_thread(member->self->engine);
    call_all(NULL, member);
    check_threads(&member->program, thread, false);
}

static void on_a_callers_loop_it_runs_there(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    bench->engines.loop = &bench->loop;
    open_member(bench, 0);
    call_all(bench, member);
    check_threads(&member->program, pthread_self(), false);
    qr_engine_free(member->self->engine);
    member->self->engine = NULL;
    assert_int_equal(uv_run(&bench->loop, UV_RUN_NOWAIT), 0);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
}

/* A cluster of three; the first leads. */
static void open_cluster(struct bench *bench, uint64_t stall_timeout_ms)
{
    bench->limits.election_timeout_min_ms = 500;
    bench->limits.election_timeout_max_ms = 1000;
    bench->limits.stall_timeout_ms = stall_timeout_ms;
    for (size_t i = 0; i < ENGINES; i++) {
        open_member(bench, i);
    }
    engines_wait_for_voters(&bench->engines, ENGINES);
    assert_true(qr_is_leader(bench->members[0].self->engine));
}

/* While the leader's program stands still, for several election timeouts, everything else goes on:
 * it leads, commits, and tells what it is asked.
 */
static void stand_still(struct bench *bench, enum program_kind kind)
{
    struct member *leader = &bench->members[0];
    struct member *other = &bench->members[1];
    qr_status(leader->self->engine, &leader->self->status);
    uint64_t term = leader->self->status.term;
    program_hold(&leader->program, kind, true);
    propose(leader);
    for (time_ns end = limit(); !program_is_inside(&leader->program, kind); pause_a_little()) {
        assert_true(runtime_now_ns() < end);
    }
    time_ns until_ns = runtime_now_ns() + 3 * NS_PER_S;
    int count = 0;
    for (; runtime_now_ns() < until_ns; count++) {
        propose(other);
        wait_for(NULL, &other->program, PROGRAM_PROPOSED, count);
        assert_int_equal(other->program.failed_count, 0);
        uint64_t age_ms = 0;
        (void)qr_read_age(leader->self->engine, QR_AGE_ANY, &age_ms);
        pause_a_little();
    }
    qr_status(leader->self->engine, &leader->self->status);
    assert_int_equal(leader->self->status.role, QR_LEADER);
    assert_true(leader->self->status.term == term);
    assert_true(leader->self->status.commit_index >=
                leader->self->status.applied_index + (uint64_t)count - 1);
    assert_true(leader->self->status.applying_ms > 1000);
    program_hold(&leader->program, kind, false);
    wait_for_ok(NULL, leader, 1);
    assert_int_equal(leader->program.failed_count, 0);
    for (time_ns end = limit(); tally_sum(leader->program.tally) < (uint64_t)count + 1;) {
        assert_true(runtime_now_ns() < end);
        pause_a_little();
    }
}

static void a_handler_that_blocks_costs_the_leader_nothing(void **state)
{
    struct bench *bench = *state;
    struct program *program = &bench->members[0].program;
    open_cluster(bench, 10000);
    assert_int_equal(
        qr_on_commit(bench->members[0].self->engine, program_on_commit, program, program->tokens),
        0);
    stand_still(bench, PROGRAM_COMMIT);
}

static void an_apply_that_blocks_costs_the_leader_nothing(void **state)
{
    struct bench *bench = *state;
    open_cluster(bench, 10000);
    stand_still(bench, PROGRAM_APPLY);
}

static void an_apply_that_stalls_costs_leadership_and_says_why(void **state)
{
    struct bench *bench = *state;
    struct member *stalled = &bench->members[0];
    open_cluster(bench, 1000);
    program_hold(&stalled->program, PROGRAM_APPLY, true);
    propose(stalled);
    for (time_ns end = limit(); qr_is_leader(stalled->self->engine); pause_a_little()) {
        assert_true(runtime_now_ns() < end);
    }
    qr_status(stalled->self->engine, &stalled->self->status);
    assert_true(stalled->self->status.is_stalled && stalled->self->status.applying_ms >= 1000);
    program_hold(&stalled->program, PROGRAM_APPLY, false);
    for (time_ns end = limit(); stalled->self->status.is_stalled; pause_a_little()) {
        assert_true(runtime_now_ns() < end);
        qr_status(stalled->self->engine, &stalled->self->status);
    }
    wait_for_ok(NULL, stalled, 1);
    assert_int_equal(stalled->program.ok_count, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(all_of_the_program_runs_on_the_application_thread),
        CASE(inline_it_runs_on_the_thread_of_the_engine),
        CASE(on_a_callers_loop_it_runs_there),
        CASE(a_handler_that_blocks_costs_the_leader_nothing),
        CASE(an_apply_that_blocks_costs_the_leader_nothing),
        CASE(an_apply_that_stalls_costs_leadership_and_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
