/* test_engine_steady.c: what a proposal costs an engine that is warm: no memory of its own.
 *
 * Three engines in one process, so that what leader and followers ask for is counted together: of
 * their own allocator, and of malloc(), whoever calls it, libuv too.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/assert.h"
#include "quorate/engine.h"
#include "runtime/clock.h"
#include "support/engines.h"
#include "support/tally.h"

#define WAIT_NS (60 * NS_PER_S)
#define INFLIGHT 32
#define WARM 1000
#define FEW 500
#define ALLOWED 25 /* proposals for one allocation: chunks of the log, and what the clock brings */
#define SESSION_MS 600000

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COUNTS_MALLOC 0
#endif
#endif
#ifndef COUNTS_MALLOC
#define COUNTS_MALLOC 1
#endif

static atomic_uint_fast64_t mallocs;
static atomic_uint_fast64_t allocations;
static atomic_uint_fast64_t live_bytes;

#if COUNTS_MALLOC
/* glibc's own, behind the ones below; a sanitizer has its own. */
extern void *__libc_malloc(size_t size_bytes);
extern void *__libc_calloc(size_t count, size_t size_bytes);
extern void *__libc_realloc(void *memory, size_t size_bytes);

void *malloc(size_t size_bytes)
{
    atomic_fetch_add(&mallocs, 1);
    return __libc_malloc(size_bytes);
}

void *calloc(size_t count, size_t size_bytes)
{
    atomic_fetch_add(&mallocs, 1);
    return __libc_calloc(count, size_bytes);
}

void *realloc(void *memory, size_t size_bytes)
{
    atomic_fetch_add(&mallocs, 1);
    return __libc_realloc(memory, size_bytes);
}
#endif

/* How an engine is run. */
enum way {
    WAY_APPLICATION_THREAD,
    WAY_INLINE,
    WAY_LOOP,
};

struct bench {
    enum way way;
    uv_loop_t loop;
    struct engines engines;
    struct qr_engine *asked; /* where the proposals go */
    uint64_t session;        /* 0: none */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t left; /* to be proposed */
    uint64_t flying;
    uint64_t proposed_count;
};

static void *take(void *context, size_t size_bytes)
{
    (void)context;
    atomic_fetch_add(&allocations, 1);
    atomic_fetch_add(&live_bytes, size_bytes);
    return malloc(size_bytes == 0 ? 1 : size_bytes);
}

static void give(void *context, void *memory, size_t size_bytes)
{
    (void)context;
    if (memory != NULL) {
        atomic_fetch_sub(&live_bytes, size_bytes);
        free(memory);
    }
}

static void choose(void *context, size_t at, struct qr_engine_options *options)
{
    static const struct qr_allocator allocator = {NULL, take, give};
    const struct bench *bench = context;
    (void)at;
    options->allocator = &allocator;
    options->is_inline = bench->way == WAY_INLINE;
    options->limits.election_timeout_min_ms = 1000; /* elections are not what is counted */
    options->limits.election_timeout_max_ms = 1500;
}

static void begin(struct bench *bench, enum way way)
{
    bench->way = way;
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    pthread_mutex_init(&bench->mutex, NULL);
    pthread_cond_init(&bench->changed, NULL);
    engines_init(&bench->engines, choose, bench);
    bench->engines.loop = way == WAY_LOOP ? &bench->loop : NULL;
    for (size_t i = 0; i < ENGINES; i++) {
        engines_open(&bench->engines, i);
        engines_wait_for_voters(&bench->engines, i + 1);
    }
}

static void end(struct bench *bench)
{
    for (size_t i = 0; i < ENGINES; i++) {
        qr_engine_stop(bench->engines.members[i].engine);
    }
    if (bench->way == WAY_LOOP) {
        assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    }
    engines_deinit(&bench->engines);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    assert_int_equal(atomic_load(&live_bytes), 0);
    pthread_cond_destroy(&bench->changed);
    pthread_mutex_destroy(&bench->mutex);
}

static void on_answer(void *argument, int status, uint64_t index, const struct qr_result *result);

/* Under the mutex. */
static void propose_one(struct bench *bench)
{
    uint8_t payload[16] = {1};
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = payload, .payload_bytes = sizeof(payload)};
    if (bench->session != 0) {
        proposal.id = (struct qr_id){bench->session, ++bench->proposed_count};
    }
    bench->left--;
    bench->flying++;
    int status = qr_propose(bench->asked, &proposal, on_answer, bench);
    ASSERT(status == 0);
}

static void on_answer(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct bench *bench = argument;
    ASSERT(status == 0 && index > 0 && result->size_bytes == sizeof(uint64_t));
    pthread_mutex_lock(&bench->mutex);
    bench->flying--;
    if (bench->left > 0) {
        propose_one(bench);
    } else if (bench->flying == 0) {
        pthread_cond_signal(&bench->changed);
    }
    pthread_mutex_unlock(&bench->mutex);
}

/* The first from this thread, and each other from within an answer. */
static void propose_many(struct bench *bench, uint64_t count)
{
    pthread_mutex_lock(&bench->mutex);
    bench->left = count;
    while (bench->left > 0 && bench->flying < INFLIGHT) {
        propose_one(bench);
    }
    while (bench->left > 0 || bench->flying > 0) {
        if (bench->way == WAY_LOOP) {
            pthread_mutex_unlock(&bench->mutex);
            uv_run(&bench->loop, UV_RUN_ONCE);
            pthread_mutex_lock(&bench->mutex);
        } else {
            pthread_cond_wait(&bench->changed, &bench->mutex);
        }
    }
    pthread_mutex_unlock(&bench->mutex);
}

static void on_session(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct bench *bench = argument;
    (void)result;
    ASSERT(status == 0);
    pthread_mutex_lock(&bench->mutex);
    bench->session = qr_session_of(index);
    pthread_mutex_unlock(&bench->mutex);
}

static void open_session(struct bench *bench)
{
    bool is_open = false;
    assert_int_equal(qr_open_session(bench->asked, SESSION_MS, on_session, bench), 0);
    for (time_ns limit_ns = runtime_now_ns() + WAIT_NS; !is_open; engines_pause(&bench->engines)) {
        assert_true(runtime_now_ns() < limit_ns);
        pthread_mutex_lock(&bench->mutex);
        is_open = bench->session != 0;
        pthread_mutex_unlock(&bench->mutex);
    }
}

/* So many proposals more cost hardly an allocation more. */
static void count(struct bench *bench, const char *what)
{
    uint64_t found[2][2];
    propose_many(bench, WARM);
    for (size_t i = 0; i < 2; i++) {
        uint64_t allocations_before = atomic_load(&allocations);
        uint64_t mallocs_before = atomic_load(&mallocs);
        propose_many(bench, i == 0 ? FEW : 4 * FEW);
        found[i][0] = atomic_load(&allocations) - allocations_before;
        found[i][1] = atomic_load(&mallocs) - mallocs_before;
    }
    print_message("%s: %d proposals: %d and %d; %d: %d and %d\n", what, FEW, (int)found[0][0],
                  (int)found[0][1], 4 * FEW, (int)found[1][0], (int)found[1][1]);
    for (size_t k = 0; k < 2; k++) {
        assert_true(found[1][k] <= found[0][k] + 3 * FEW / ALLOWED);
    }
}

static void count_all(enum way way)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    begin(bench, way);
    struct qr_engine *follower = NULL;
    for (size_t i = 0; i < ENGINES; i++) {
        struct qr_engine *engine = bench->engines.members[i].engine;
        if (qr_is_leader(engine)) {
            bench->asked = engine;
        } else {
            follower = engine;
        }
    }
    count(bench, "leader");
    bench->asked = follower;
    count(bench, "follower");
    open_session(bench);
    count(bench, "follower, under a session");
    end(bench);
    free(bench);
}

static void with_the_application_thread(void **state)
{
    (void)state;
    count_all(WAY_APPLICATION_THREAD);
}

static void inline_on_a_thread_of_its_own(void **state)
{
    (void)state;
    count_all(WAY_INLINE);
}

static void on_the_loop_of_the_program(void **state)
{
    (void)state;
    count_all(WAY_LOOP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_the_application_thread),
        cmocka_unit_test(inline_on_a_thread_of_its_own),
        cmocka_unit_test(on_the_loop_of_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
