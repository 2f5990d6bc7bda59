/* test_engine_threads.c: where the program's code runs, and that it harms nobody there. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "base/assert.h"
#include "engine/probe.h"
#include "quorate/backup.h"
#include "quorate/engine.h"
#include "quorate/keys.h"
#include "runtime/clock.h"
#include "support/tally.h"

#define NODES 3
#define WAIT_NS (60 * NS_PER_S)
#define THREADS_MAX 8

/* What code of the program can come by; each notes its thread. */
enum kind {
    KIND_APPLY,
    KIND_DIGEST,
    KIND_WAKE_AT,
    KIND_OPEN,
    KIND_READ_VIEW,
    KIND_CLOSE,
    KIND_RESTORE,
    KIND_PROPOSED,
    KIND_READ,
    KIND_SNAPSHOT,
    KIND_CHANGE,
    KIND_KEYS,
    KIND_BACKUP,
    KIND_COMMIT,
    KIND_MEMBER,
    KIND_STOPPED,
    KINDS,
};

/* A state machine around a tally, and callbacks, that can be held: until they are let go. */
struct program {
    struct tally tally;
    struct qr_state_machine machine;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_held[KINDS];
    bool is_inside[KINDS]; /* one waits there */
    int counts[KINDS];
    pthread_t threads[KINDS]; /* on which it came last */
    bool is_elsewhere[KINDS]; /* it came on two */
    int inside_count;         /* functions of the state machine under way: one at a time */
    int ok_count;             /* proposals, and */
    int failed_count;
    uint64_t last_index;
    uint64_t read_index;
    struct qr_engine *engine;
    uint64_t tokens[4];
    uint64_t missed_count;
};

struct member {
    char directory[64];
    char address[32];
    struct program program;
    struct qr_engine *engine;
    struct qr_status status;
};

struct bench {
    struct member members[NODES];
    uv_loop_t loop;
};

static void pause_a_little(void)
{
    struct timespec wait = {.tv_nsec = 2000000};
    (void)nanosleep(&wait, NULL);
}

static time_ns limit(void)
{
    return runtime_now_ns() + WAIT_NS;
}

static void note(struct program *program, enum kind kind)
{
    pthread_mutex_lock(&program->mutex);
    program->is_elsewhere[kind] =
        program->is_elsewhere[kind] ||
        (program->counts[kind] > 0 && !pthread_equal(program->threads[kind], pthread_self()));
    program->threads[kind] = pthread_self();
    program->counts[kind]++;
    program->is_inside[kind] = true;
    pthread_cond_broadcast(&program->changed);
    while (program->is_held[kind]) {
        pthread_cond_wait(&program->changed, &program->mutex);
    }
    program->is_inside[kind] = false;
    pthread_mutex_unlock(&program->mutex);
}

static void hold(struct program *program, enum kind kind, bool is_held)
{
    pthread_mutex_lock(&program->mutex);
    program->is_held[kind] = is_held;
    pthread_cond_broadcast(&program->changed);
    pthread_mutex_unlock(&program->mutex);
}

static int count_of(struct program *program, enum kind kind)
{
    pthread_mutex_lock(&program->mutex);
    int count = program->counts[kind];
    pthread_mutex_unlock(&program->mutex);
    return count;
}

static bool is_inside(struct program *program, enum kind kind)
{
    pthread_mutex_lock(&program->mutex);
    bool is_so = program->is_inside[kind];
    pthread_mutex_unlock(&program->mutex);
    return is_so;
}

/* Until it came more often than so; on a caller's loop, which is run meanwhile. */
static void wait_for(struct bench *bench, struct program *program, enum kind kind, int count)
{
    for (time_ns end = limit(); count_of(program, kind) <= count;) {
        assert_true(runtime_now_ns() < end);
        if (bench == NULL) {
            pause_a_little();
        } else {
            uv_run(&bench->loop, UV_RUN_ONCE);
        }
    }
}

static void enter(struct program *program, enum kind kind)
{
    pthread_mutex_lock(&program->mutex);
    ASSERT(program->inside_count++ == 0); /* one call at a time */
    pthread_mutex_unlock(&program->mutex);
    note(program, kind);
}

static void leave(struct program *program)
{
    pthread_mutex_lock(&program->mutex);
    program->inside_count--;
    pthread_mutex_unlock(&program->mutex);
}

static int apply(void *context, const struct qr_entry *entries, size_t count,
                 struct qr_result *results)
{
    struct program *program = context;
    enter(program, KIND_APPLY);
    int status = program->tally.machine.apply(&program->tally, entries, count, results);
    leave(program);
    return status;
}

static uint64_t digest(void *context)
{
    struct program *program = context;
    enter(program, KIND_DIGEST);
    uint64_t sum = program->tally.machine.digest(&program->tally);
    leave(program);
    return sum;
}

static uint64_t wake_at(void *context)
{
    struct program *program = context;
    enter(program, KIND_WAKE_AT);
    leave(program);
    return 0;
}

static int snapshot_open(void *context, void **snapshot)
{
    struct program *program = context;
    enter(program, KIND_OPEN);
    int status = program->tally.machine.snapshot_open(&program->tally, snapshot);
    leave(program);
    return status;
}

/* In slices of a byte. */
static int snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes)
{
    struct program *program = context;
    ASSERT(size_bytes >= QR_SNAPSHOT_SLICE_BYTES_MIN);
    enter(program, KIND_READ_VIEW);
    int status =
        program->tally.machine.snapshot_read(&program->tally, snapshot, buffer, 1, read_bytes);
    leave(program);
    return status;
}

static void snapshot_close(void *context, void *snapshot)
{
    struct program *program = context;
    enter(program, KIND_CLOSE);
    program->tally.machine.snapshot_close(&program->tally, snapshot);
    leave(program);
}

static int restore_begin(void *context)
{
    struct program *program = context;
    enter(program, KIND_RESTORE);
    int status = program->tally.machine.restore_begin(&program->tally);
    leave(program);
    return status;
}

static int restore_write(void *context, const void *data, size_t size_bytes)
{
    struct program *program = context;
    enter(program, KIND_RESTORE);
    int status = program->tally.machine.restore_write(&program->tally, data, size_bytes);
    leave(program);
    return status;
}

static int restore_end(void *context)
{
    struct program *program = context;
    enter(program, KIND_RESTORE);
    int status = program->tally.machine.restore_end(&program->tally);
    leave(program);
    return status;
}

static void program_init(struct program *program)
{
    *program = (struct program){.engine = NULL};
    tally_init(&program->tally);
    pthread_mutex_init(&program->mutex, NULL);
    pthread_cond_init(&program->changed, NULL);
    program->machine = (struct qr_state_machine){
        .size_bytes = sizeof(program->machine),
        .context = program,
        .apply = apply,
        .digest = digest,
        .wake_at = wake_at,
        .snapshot_open = snapshot_open,
        .snapshot_read = snapshot_read,
        .snapshot_close = snapshot_close,
        .restore_begin = restore_begin,
        .restore_write = restore_write,
        .restore_end = restore_end,
    };
}

static void on_stopped(void *argument, int status, const char *reason)
{
    (void)status;
    (void)reason;
    note(argument, KIND_STOPPED);
}

static void on_proposed(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct program *program = argument;
    ASSERT((result != NULL) == (status == 0));
    pthread_mutex_lock(&program->mutex);
    program->ok_count += status == 0 ? 1 : 0;
    program->failed_count += status == 0 ? 0 : 1;
    program->last_index = status == 0 ? index : program->last_index;
    pthread_mutex_unlock(&program->mutex);
    note(program, KIND_PROPOSED);
}

static void on_read(void *argument, int status, uint64_t index)
{
    struct program *program = argument;
    program->read_index = status == 0 ? index : 0;
    note(program, KIND_READ);
}

static void on_snapshot(void *argument, int status, uint64_t index)
{
    (void)index;
    ASSERT(status == 0 || status == QR_ERR_STOPPED);
    note(argument, KIND_SNAPSHOT);
}

static void on_change(void *argument, int status, const struct qr_change_result *result)
{
    ASSERT(status != 0 && result->reason[0] != '\0');
    note(argument, KIND_CHANGE);
}

static void on_keys(void *argument, int status, const char *reason, const struct qr_keys *keys)
{
    ASSERT(status == QR_ERR_NOT_FOUND && reason[0] != '\0' && keys->count == 0);
    note(argument, KIND_KEYS);
}

static void on_backup(void *argument, int status, const void *data, size_t size_bytes)
{
    ASSERT(status == 0 && data != NULL && size_bytes == QR_BACKUP_HEAD_BYTES);
    note(argument, KIND_BACKUP);
}

static void on_commit(void *argument, const struct qr_entry *entry)
{
    ASSERT(entry->payload_bytes == 1);
    note(argument, KIND_COMMIT);
}

static void on_member(void *argument, const struct qr_membership_event *event)
{
    struct program *program = argument;
    ASSERT(event->name != NULL);
    pthread_mutex_lock(&program->mutex);
    program->missed_count += event->missed_count;
    pthread_mutex_unlock(&program->mutex);
    note(program, KIND_MEMBER);
}

static struct qr_engine_options options_of(struct bench *bench, size_t at)
{
    static const char *const names[NODES] = {"n1", "n2", "n3"};
    struct member *member = &bench->members[at];
    struct qr_engine_options options = {
        .size_bytes = sizeof(options),
        .state_machine = &member->program.machine,
        .name = names[at],
        .data_directory = member->directory,
        .peer_address = member->address,
        .is_bootstrap = at == 0,
        .join = at == 0 ? NULL : bench->members[0].address,
        .limits = qr_limits_default(),
        .on_stopped = on_stopped,
        .argument = &member->program,
    };
    options.limits.segment_bytes = UINT64_C(1) << 20;
    options.limits.max_message_bytes = UINT64_C(1) << 16;
    options.limits.proposal_timeout_ms = WAIT_NS / NS_PER_MS;
    return options;
}

static void open_member(struct bench *bench, size_t at, const struct qr_engine_options *options)
{
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    struct member *member = &bench->members[at];
    if (qr_engine_open(options, &member->engine, detail) != 0) {
        fail_msg("%s", detail);
    }
    member->program.engine = member->engine;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    for (size_t i = 0; i < NODES; i++) {
        temporary_directory(bench->members[i].directory);
        free_address(bench->members[i].address);
        program_init(&bench->members[i].program);
        bench->members[i].status.size_bytes = sizeof(bench->members[i].status);
    }
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    for (size_t i = 0; i < NODES; i++) {
        struct program *program = &bench->members[i].program;
        for (int k = 0; k < KINDS; k++) {
            hold(program, (enum kind)k, false);
        }
        qr_engine_free(bench->members[i].engine);
        assert_int_equal(program->tally.open_snapshots, 0);
        tally_deinit(&program->tally);
        pthread_cond_destroy(&program->changed);
        pthread_mutex_destroy(&program->mutex);
        temporary_directory_remove(bench->members[i].directory);
    }
    free(bench);
    return 0;
}

static void propose(struct member *member)
{
    uint8_t payload = 1;
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
    assert_int_equal(qr_propose(member->engine, &proposal, on_proposed, &member->program), 0);
}

static void wait_for_ok(struct bench *bench, struct member *member, int count)
{
    for (int told = 0; told < count; told++) {
        wait_for(bench, &member->program, KIND_PROPOSED, told);
    }
}

/* Have everything come that can come in a cluster of one. */
static void call_all(struct bench *loop, struct member *member)
{
    struct program *program = &member->program;
    struct qr_engine *engine = member->engine;
    struct qr_backup *backup = NULL;
    const struct qr_change change = {.size_bytes = sizeof(change), .promote = "nobody"};
    assert_int_equal(qr_on_commit(engine, on_commit, program, &program->tokens[0]), 0);
    assert_int_equal(qr_on_membership(engine, on_member, program, &program->tokens[1]), 0);
    propose(member);
    wait_for(loop, program, KIND_PROPOSED, 0);
    assert_int_equal(program->ok_count, 1);
    engine_probe_event(engine);
    wait_for(loop, program, KIND_MEMBER, 0);
    assert_int_equal(qr_read_barrier(engine, on_read, program), 0);
    wait_for(loop, program, KIND_READ, 0);
    assert_true(program->read_index >= program->last_index);
    assert_int_equal(qr_snapshot(engine, on_snapshot, program), 0);
    wait_for(loop, program, KIND_SNAPSHOT, 0);
    assert_int_equal(qr_change_cluster(engine, &change, on_change, program), 0);
    wait_for(loop, program, KIND_CHANGE, 0);
    assert_int_equal(qr_keys(engine, QR_KEYS_LIST, NULL, 0, on_keys, program), 0);
    wait_for(loop, program, KIND_KEYS, 0);
    assert_int_equal(qr_backup_open(engine, on_backup, program, &backup), 0);
    assert_int_equal(qr_backup_next(backup), 0);
    wait_for(loop, program, KIND_BACKUP, 0);
    qr_backup_close(backup);
    wait_for(loop, program, KIND_CLOSE, 0);
    assert_true(count_of(program, KIND_COMMIT) == 1);
    qr_engine_stop(engine);
    wait_for(loop, program, KIND_STOPPED, 0);
}

/* All kinds but those that only a member that is late sees came on this thread alone. */
static void check_threads(const struct program *program, pthread_t thread, bool is_asked_at_open)
{
    for (int kind = 0; kind < KINDS; kind++) {
        /* At the opening it was asked by who opened. */
        bool is_anywhere = is_asked_at_open && (kind == KIND_DIGEST || kind == KIND_WAKE_AT);
        if (kind != KIND_RESTORE) {
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
    struct qr_engine_options options = options_of(bench, 0);
    open_member(bench, 0, &options);
    pthread_t thread = engine_probe_application(member->engine);
    assert_false(pthread_equal(thread, engine_probe_thread(member->engine)));
    assert_false(pthread_equal(thread, pthread_self()));
    call_all(NULL, member);
    check_threads(&member->program, thread, true);
}

static void inline_it_runs_on_the_thread_of_the_engine(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct qr_engine_options options = options_of(bench, 0);
    options.is_inline = true;
    open_member(bench, 0, &options);
    pthread_t thread = engine_probe_thread(member->engine);
    call_all(NULL, member);
    check_threads(&member->program, thread, false);
}

static void on_a_callers_loop_it_runs_there(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    struct qr_engine_options options = options_of(bench, 0);
    options.loop = &bench->loop;
    open_member(bench, 0, &options);
    call_all(bench, member);
    check_threads(&member->program, pthread_self(), false);
    qr_engine_free(member->engine);
    member->engine = NULL;
    assert_int_equal(uv_run(&bench->loop, UV_RUN_NOWAIT), 0);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
}

/* A cluster of three; the first leads. */
static void open_cluster(struct bench *bench, uint64_t stall_timeout_ms)
{
    for (size_t i = 0; i < NODES; i++) {
        struct qr_engine_options options = options_of(bench, i);
        options.limits.election_timeout_min_ms = 500;
        options.limits.election_timeout_max_ms = 1000;
        options.limits.stall_timeout_ms = stall_timeout_ms;
        open_member(bench, i, &options);
    }
    size_t voters = 0;
    for (time_ns end = limit(); voters < NODES; pause_a_little()) {
        assert_true(runtime_now_ns() < end);
        voters = 0;
        struct qr_status *status = &bench->members[NODES - 1].status;
        qr_status(bench->members[0].engine, &bench->members[0].status);
        qr_status(bench->members[NODES - 1].engine, status);
        for (size_t i = 0; i < status->member_count && status->has_leader; i++) {
            voters += status->members[i].is_voter ? 1 : 0;
        }
    }
    assert_true(qr_is_leader(bench->members[0].engine));
}

/* While the leader's program stands still, for several election timeouts, everything else goes on:
 * it leads, commits, and tells what it is asked.
 */
static void stand_still(struct bench *bench, enum kind kind)
{
    struct member *leader = &bench->members[0];
    struct member *other = &bench->members[1];
    qr_status(leader->engine, &leader->status);
    uint64_t term = leader->status.term;
    hold(&leader->program, kind, true);
    propose(leader);
    for (time_ns end = limit(); !is_inside(&leader->program, kind); pause_a_little()) {
        assert_true(runtime_now_ns() < end);
    }
    time_ns until_ns = runtime_now_ns() + 3 * NS_PER_S;
    int count = 0;
    for (; runtime_now_ns() < until_ns; count++) {
        propose(other);
        wait_for(NULL, &other->program, KIND_PROPOSED, count);
        assert_int_equal(other->program.failed_count, 0);
        uint64_t age_ms = 0;
        (void)qr_read_age(leader->engine, QR_AGE_ANY, &age_ms);
        pause_a_little();
    }
    qr_status(leader->engine, &leader->status);
    assert_int_equal(leader->status.role, QR_LEADER);
    assert_true(leader->status.term == term);
    assert_true(leader->status.commit_index >= leader->status.applied_index + (uint64_t)count - 1);
    assert_true(leader->status.applying_ms > 1000);
    hold(&leader->program, kind, false);
    wait_for_ok(NULL, leader, 1);
    assert_int_equal(leader->program.failed_count, 0);
    for (time_ns end = limit(); tally_sum(&leader->program.tally) < (uint64_t)count + 1;) {
        assert_true(runtime_now_ns() < end);
        pause_a_little();
    }
}

static void a_handler_that_blocks_costs_the_leader_nothing(void **state)
{
    struct bench *bench = *state;
    struct program *program = &bench->members[0].program;
    open_cluster(bench, 10000);
    assert_int_equal(qr_on_commit(bench->members[0].engine, on_commit, program, program->tokens),
                     0);
    stand_still(bench, KIND_COMMIT);
}

static void an_apply_that_blocks_costs_the_leader_nothing(void **state)
{
    struct bench *bench = *state;
    open_cluster(bench, 10000);
    stand_still(bench, KIND_APPLY);
}

static void an_apply_that_stalls_costs_leadership_and_says_why(void **state)
{
    struct bench *bench = *state;
    struct member *stalled = &bench->members[0];
    open_cluster(bench, 1000);
    hold(&stalled->program, KIND_APPLY, true);
    propose(stalled);
    for (time_ns end = limit(); qr_is_leader(stalled->engine); pause_a_little()) {
        assert_true(runtime_now_ns() < end);
    }
    qr_status(stalled->engine, &stalled->status);
    assert_true(stalled->status.is_stalled && stalled->status.applying_ms >= 1000);
    hold(&stalled->program, KIND_APPLY, false);
    for (time_ns end = limit(); stalled->status.is_stalled; pause_a_little()) {
        assert_true(runtime_now_ns() < end);
        qr_status(stalled->engine, &stalled->status);
    }
    wait_for_ok(NULL, stalled, 1);
    assert_int_equal(stalled->program.ok_count, 1);
}

static void on_commit_other(void *argument, const struct qr_entry *entry)
{
    struct program *program = argument;
    (void)entry;
    program->counts[KIND_RESTORE]++; /* counts calls of this one, here */
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
    ASSERT(qr_on_commit(engine, on_commit, program, &program->tokens[2]) == 0);
    uint8_t payload = 1;
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
    ASSERT(qr_propose(engine, &proposal, on_proposed, program) == 0);
    free(status);
}

static void a_handler_may_call_everything(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct program *program = &member->program;
    struct qr_engine_options options = options_of(bench, 0);
    open_member(bench, 0, &options);
    assert_int_equal(qr_on_commit(member->engine, on_commit_much, program, &program->tokens[0]), 0);
    assert_int_equal(qr_on_commit(member->engine, on_commit_other, program, &program->tokens[1]),
                     0);
    propose(member);
    wait_for_ok(NULL, member, 2); /* it proposed once, so that it was called once */
    assert_int_equal(program->ok_count, 2);
    assert_int_equal(count_of(program, KIND_RESTORE), 0);
    assert_int_equal(count_of(program, KIND_COMMIT), 1); /* the one that it added */
}

static void on_commit_stop(void *argument, const struct qr_entry *entry)
{
    struct program *program = argument;
    (void)entry;
    qr_engine_stop(program->engine);
    note(program, KIND_COMMIT);
}

static void a_handler_may_stop_the_engine(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct program *program = &member->program;
    struct qr_engine_options options = options_of(bench, 0);
    open_member(bench, 0, &options);
    assert_int_equal(qr_on_commit(member->engine, on_commit_stop, program, program->tokens), 0);
    propose(member);
    wait_for(NULL, program, KIND_STOPPED, 0);
    assert_int_equal(count_of(program, KIND_PROPOSED), 1);
    assert_int_equal(program->ok_count, 1); /* it was applied, whatever came then */
}

struct removing {
    struct member *member;
    atomic_bool is_done;
};

static void *remove_from_elsewhere(void *argument)
{
    struct removing *removing = argument;
    qr_remove_commit_handler(removing->member->engine, removing->member->program.tokens[0]);
    atomic_store(&removing->is_done, true);
    return NULL;
}

static void a_removal_from_elsewhere_waits_for_the_call_under_way(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct program *program = &member->program;
    struct removing removing = {.member = member};
    pthread_t thread;
    struct qr_engine_options options = options_of(bench, 0);
    open_member(bench, 0, &options);
    assert_int_equal(qr_on_commit(member->engine, on_commit, program, program->tokens), 0);
    hold(program, KIND_COMMIT, true);
    propose(member);
    propose(member);
    wait_for(NULL, program, KIND_COMMIT, 0);
    assert_int_equal(pthread_create(&thread, NULL, remove_from_elsewhere, &removing), 0);
    for (int i = 0; i < 20; i++) {
        pause_a_little();
        assert_false(atomic_load(&removing.is_done));
    }
    qr_remove_commit_handler(member->engine, 4711); /* that of none waits for nobody */
    hold(program, KIND_COMMIT, false);
    pthread_join(thread, NULL);
    wait_for_ok(NULL, member, 2);
    assert_int_equal(count_of(program, KIND_COMMIT), 1); /* the second entry found it gone */
}

/* The end comes when the program has gone on, and tells everybody. */
static void a_stop_waits_for_nobody_and_the_end_tells_all(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct program *program = &member->program;
    struct qr_engine_options options = options_of(bench, 0);
    open_member(bench, 0, &options);
    hold(program, KIND_PROPOSED, true);
    for (int i = 0; i < 100; i++) {
        propose(member);
    }
    assert_int_equal(qr_snapshot(member->engine, on_snapshot, program), 0);
    wait_for(NULL, program, KIND_PROPOSED, 0);
    qr_engine_stop(member->engine); /* returns, though a callback hangs */
    uint8_t payload = 1;
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
    assert_int_equal(qr_propose(member->engine, &proposal, on_proposed, program), QR_ERR_STOPPED);
    assert_int_equal(count_of(program, KIND_STOPPED), 0);
    hold(program, KIND_PROPOSED, false);
    qr_engine_free(member->engine);
    member->engine = NULL;
    assert_int_equal(program->counts[KIND_PROPOSED], 100);
    assert_int_equal(program->counts[KIND_SNAPSHOT], 1);
    assert_int_equal(program->counts[KIND_STOPPED], 1);
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
    struct qr_engine_options options = options_of(bench, 0);
    static const enum kind kinds[] = {KIND_OPEN, KIND_READ_VIEW, KIND_CLOSE};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        tally_restart(&program->tally);
        open_member(bench, 0, &options);
        hold(program, kinds[i], true);
        int before = count_of(program, kinds[i]);
        int told = count_of(program, KIND_PROPOSED);
        propose(member);
        wait_for(NULL, program, KIND_PROPOSED, told);
        assert_int_equal(qr_snapshot(member->engine, on_snapshot, program), 0);
        wait_for(NULL, program, kinds[i], before);
        qr_engine_stop(member->engine);
        for (int k = 0; k < 20; k++) { /* it stops meanwhile, but for what is held */
            pause_a_little();
        }
        hold(program, kinds[i], false);
        qr_engine_free(member->engine);
        member->engine = NULL;
        assert_int_equal(program->tally.open_snapshots, 0);
    }
}

/* Nobody waits for more than the limit: what comes then is refused at once. */
static void what_waits_for_a_program_that_hangs_is_bounded(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct program *program = &member->program;
    struct qr_engine_options options = options_of(bench, 0);
    options.limits.max_pending_proposals = 16;
    options.limits.proposal_timeout_ms = 100;
    open_member(bench, 0, &options);
    for (time_ns end = limit(); !qr_is_leader(member->engine); pause_a_little()) {
        assert_true(runtime_now_ns() < end);
    }
    hold(program, KIND_APPLY, true);
    propose(member); /* told in time or not, it is committed */
    wait_for(NULL, program, KIND_APPLY, 0);
    int taken = 1;
    time_ns refused_ns = 0; /* since when nothing was taken */
    while (refused_ns == 0 || runtime_now_ns() - refused_ns < NS_PER_S) {
        uint8_t payload = 1;
        struct qr_proposal proposal = {
            .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
        int status = qr_propose(member->engine, &proposal, on_proposed, program);
        assert_true(status == 0 || status == QR_ERR_BUSY);
        taken += status == 0 ? 1 : 0;
        refused_ns = status == 0 ? 0 : (refused_ns == 0 ? runtime_now_ns() : refused_ns);
        if (status != 0) {
            pause_a_little();
        }
        assert_true(taken <= 16 * 4);
    }
    hold(program, KIND_APPLY, false);
    wait_for_ok(NULL, member, taken);
    assert_int_equal(program->ok_count + program->failed_count, taken);
}

static void events_that_a_slow_handler_missed_are_counted(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct program *program = &member->program;
    struct qr_engine_options options = options_of(bench, 0);
    const int more = 50;
    open_member(bench, 0, &options);
    assert_int_equal(qr_on_membership(member->engine, on_member, program, program->tokens), 0);
    hold(program, KIND_MEMBER, true);
    engine_probe_event(member->engine);
    wait_for(NULL, program, KIND_MEMBER, 0);
    for (int i = 0; i < ENGINE_PROBE_EVENTS_MAX + more; i++) {
        engine_probe_event(member->engine);
    }
    hold(program, KIND_MEMBER, false);
    wait_for(NULL, program, KIND_MEMBER, ENGINE_PROBE_EVENTS_MAX);
    assert_int_equal(count_of(program, KIND_MEMBER), 1 + ENGINE_PROBE_EVENTS_MAX);
    pthread_mutex_lock(&program->mutex);
    uint64_t missed_count = program->missed_count;
    pthread_mutex_unlock(&program->mutex);
    assert_int_equal(missed_count, more);
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
