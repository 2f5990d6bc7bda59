/* program_cluster.h: engines that call programs which can be held.
 *
 * Owns     the engines and programs. Included once by each program of tests.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_PROGRAM_CLUSTER_H
#define TEST_PROGRAM_CLUSTER_H

#include <stdlib.h>
#include <uv.h>

#include "quorate/engine.h"
#include "runtime/clock.h"
#include "support/engines.h"
#include "support/program.h"
#include "support/unit.h"

#define WAIT_NS (60 * NS_PER_S)

struct member {
    struct engines_member *self;
    struct program program;
};

struct bench {
    struct engines engines;
    struct member members[ENGINES];
    struct qr_limits limits; /* of those that are opened next */
    bool is_inline;          /* they are */
    uv_loop_t loop;
};

static inline time_ns limit(void)
{
    return runtime_now_ns() + WAIT_NS;
}

/* Until it came more often than so; on a caller's loop, which is run meanwhile. */
static inline void wait_for(struct bench *bench, struct program *program, enum program_kind kind,
                            int count)
{
    for (time_ns end = limit(); program_count(program, kind) <= count;) {
        assert_true(runtime_now_ns() < end);
        if (bench == NULL) {
            pause_a_little();
        } else {
            uv_run(&bench->loop, UV_RUN_ONCE);
        }
    }
}

static inline void choose(void *context, size_t at, struct qr_engine_options *options)
{
    struct bench *bench = context;
    struct program *program = &bench->members[at].program;
    options->state_machine = &program->machine;
    options->limits = bench->limits;
    options->is_inline = bench->is_inline;
    options->on_stopped = program_on_stopped;
    options->argument = program;
}

static inline void open_member(struct bench *bench, size_t at)
{
    struct member *member = &bench->members[at];
    engines_open(&bench->engines, at);
    member->program.engine = member->self->engine;
}

static inline int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    bench->limits = qr_limits_default();
    bench->limits.segment_bytes = UINT64_C(1) << 20;
    bench->limits.max_message_bytes = UINT64_C(1) << 16;
    bench->limits.proposal_timeout_ms = WAIT_NS / NS_PER_MS;
    engines_init(&bench->engines, choose, bench);
    for (size_t i = 0; i < ENGINES; i++) {
        struct member *member = &bench->members[i];
        member->self = &bench->engines.members[i];
        program_init(&member->program, &member->self->tally);
    }
    *state = bench;
    return 0;
}

static inline int teardown(void **state)
{
    struct bench *bench = *state;
    for (size_t i = 0; i < ENGINES; i++) {
        for (int k = 0; k < PROGRAM_KINDS; k++) {
            program_hold(&bench->members[i].program, (enum program_kind)k, false);
        }
    }
    engines_deinit(&bench->engines); /* which asserts that no view is open */
    for (size_t i = 0; i < ENGINES; i++) {
        program_deinit(&bench->members[i].program);
    }
    free(bench);
    return 0;
}

static inline void propose(struct member *member)
{
    uint8_t payload = 1;
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
    assert_int_equal(
        qr_propose(member->self->engine, &proposal, program_on_proposed, &member->program), 0);
}

static inline void wait_for_ok(struct bench *bench, struct member *member, int count)
{
    for (int told = 0; told < count; told++) {
        wait_for(bench, &member->program, PROGRAM_PROPOSED, told);
    }
}

#endif
